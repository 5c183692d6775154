//! Overseers, and which agreements' records are sealed to them.

use std::collections::BTreeSet;

use evidence::hash::Hash;
use evidence::id::{HolderId, OverseersId};
use evidence::overseers::shares::MAX_SHARES;
use evidence::overseers::{Seal, Under};
use toml::Spanned;

use super::agreements::{Around, File, day_begins, number_from, referred};
use super::{ById, Shaped};
use crate::estate::finding::{Finding, Problem};
use crate::estate::overseers::Overseers;
use crate::estate::raw::{EstopFile, OverseersTable, SealedTable, Table, Text};

/// All that `estop.toml` names.
pub(super) fn overseers(
    file: &Shaped<'_, EstopFile>,
    tables: &Table<OverseersTable>,
    findings: &mut Vec<Finding>,
) -> ById<OverseersId, Overseers> {
    let mut all = ById::new();
    for (name, table) in tables {
        if let Some(id) = file.parsed(name, str::parse::<OverseersId>, findings) {
            let one = one(file, &id, table, findings);
            all.insert(id, one);
        }
    }
    all
}

fn one(
    file: &Shaped<'_, EstopFile>,
    id: &OverseersId,
    table: &OverseersTable,
    findings: &mut Vec<Finding>,
) -> Option<Overseers> {
    let key = |text: &str| text.parse::<Hash>().map_err(|_| Problem::OverseersKey);
    let key = file.parsed(&table.key, key, findings);
    let holders = holders(file, &table.holders, findings);
    let most = u64::try_from(table.holders.get_ref().len()).unwrap_or(u64::MAX);
    let threshold = number_from(
        file,
        &table.threshold,
        "how many overseers open together",
        2..=most.max(2),
        findings,
    );
    Some(Overseers {
        id: id.clone(),
        key: key?,
        threshold: u8::try_from(threshold?).ok()?,
        holders: holders?,
    })
}

fn holders(
    file: &Shaped<'_, EstopFile>,
    raw: &Spanned<Vec<Text>>,
    findings: &mut Vec<Finding>,
) -> Option<BTreeSet<HolderId>> {
    let before = findings.len();
    let count = raw.get_ref().len();
    if !(2..=usize::from(MAX_SHARES)).contains(&count) {
        let problem = Problem::Range {
            what: "the number of overseers",
            min: 2,
            max: MAX_SHARES.into(),
        };
        findings.push(file.finding(raw.span(), problem));
    }
    let mut holders = BTreeSet::new();
    for text in raw.get_ref() {
        let Some(holder) = file.parsed(text, str::parse::<HolderId>, findings) else {
            continue;
        };
        let id = holder.to_string();
        if !holders.insert(holder) {
            let problem = Problem::Twice { what: "overseer", id };
            findings.push(file.finding(text.span(), problem));
        }
    }
    (findings.len() == before).then_some(holders)
}

/// To whom, and until when, the records of an agreement are sealed.
pub(super) fn sealed(
    file: &File<'_>,
    raw: &SealedTable,
    around: &Around<'_>,
    findings: &mut Vec<Finding>,
) -> Option<Seal> {
    let to = referred(file, &raw.to, "overseers", around.overseers?, findings);
    let until = match &raw.until {
        Some(text) => {
            let begins = |text: &str| day_begins(text, around.zone);
            file.parsed(text, begins, findings).map(Some)
        }
        None => Some(None),
    };
    let (overseers, known) = to?;
    Some(Seal {
        under: Under {
            overseers,
            until: until?,
        },
        key: known?.key,
    })
}
