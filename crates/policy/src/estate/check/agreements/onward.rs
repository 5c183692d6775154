//! What an agreement says about sharing onward.

use std::collections::BTreeSet;

use evidence::id::PartnerId;
use toml::Spanned;

use super::{Around, File, referred};
use crate::estate::finding::{Finding, Problem};
use crate::estate::model::Onward;
use crate::estate::raw::OnwardTable;

pub(super) fn onward(
    file: &File<'_>,
    raw: &Spanned<OnwardTable>,
    around: &Around<'_>,
    findings: &mut Vec<Finding>,
) -> Option<Onward> {
    let before = findings.len();
    let table = raw.get_ref();
    let clause = table
        .clause
        .as_ref()
        .and_then(|clause| file.line(clause, "the clause on sharing onward", findings));
    if table.permitted && table.clause.is_none() {
        findings.push(file.finding(raw.span(), Problem::OnwardClause));
    }
    let to = match &table.to {
        Some(to) if !table.permitted => {
            findings.push(file.finding(to.span(), Problem::OnwardForbidden));
            BTreeSet::new()
        }
        Some(to) if to.get_ref().is_empty() => {
            let problem = Problem::Empty("the list of those who may be shared with onward");
            findings.push(file.finding(to.span(), problem));
            BTreeSet::new()
        }
        Some(to) => receivers(file, to.get_ref(), around, findings),
        None => BTreeSet::new(),
    };
    (findings.len() == before).then_some(Onward {
        permitted: table.permitted,
        to,
        clause,
    })
}

fn receivers(
    file: &File<'_>,
    to: &[crate::estate::raw::Text],
    around: &Around<'_>,
    findings: &mut Vec<Finding>,
) -> BTreeSet<PartnerId> {
    let mut receivers = BTreeSet::new();
    for text in to {
        let Some((id, _)) = referred(file, text, "partner", around.partners, findings) else {
            continue;
        };
        if id.as_str() == file.raw.agreement.partner.get_ref() {
            findings.push(file.finding(text.span(), Problem::OnwardToItself(id.to_string())));
        } else if !receivers.insert(id.clone()) {
            let problem = Problem::Twice {
                what: "partner",
                id: id.to_string(),
            };
            findings.push(file.finding(text.span(), problem));
        }
    }
    receivers
}
