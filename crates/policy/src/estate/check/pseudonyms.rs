//! That no agreement gives a value and its pseudonym: who has both can look up whose the other pseudonyms are.

use std::collections::BTreeSet;

use super::agreements::File;
use super::shape;
use crate::estate::finding::{Finding, Problem};
use crate::estate::model::Share;
use crate::estate::shape::ShareError;
use crate::mask::Pseudonym;

/// A column that is shown as it is must not be shown as a pseudonym by the same agreement, nor be of the kind of one.
pub(super) fn no_dictionary(file: &File<'_>, shares: &[Share], findings: &mut Vec<Finding>) {
    let hidden = |share: &Share| {
        let columns = share.columns.iter().filter_map(|shared| {
            let pseudonym = shared.mask.as_ref()?.pseudonym()?;
            Some((share.dataset.clone(), shared.column.clone(), pseudonym.clone()))
        });
        columns.collect::<Vec<_>>()
    };
    let hidden: Vec<_> = shares.iter().flat_map(hidden).collect();
    if hidden.is_empty() {
        return;
    }
    for (share, raw) in shares.iter().zip(file.raw.share.get_ref()) {
        let mut reported = BTreeSet::new();
        for shared in share.columns.iter().filter(|shared| shared.mask.is_none()) {
            let name = &shared.column.name;
            let told = hidden.iter().find(|(dataset, column, pseudonym)| {
                let itself = *dataset == share.dataset && column.name == *name;
                let kind = pseudonym.kind == *name && Pseudonym::meets(column.kind, shared.column.kind);
                itself || kind
            });
            let Some((_, _, pseudonym)) = told else { continue };
            if !reported.insert(name) {
                continue;
            }
            let list = shape::list(raw);
            let place =
                list.and_then(|list| list.get_ref().iter().find(|text| text.get_ref() == name.as_str()));
            let span = place.map_or_else(|| raw.dataset.span(), |place| place.span());
            let problem = ShareError::Dictionary {
                column: name.to_string(),
                dataset: share.dataset.to_string(),
                kind: pseudonym.kind.to_string(),
            };
            findings.push(file.finding(span, Problem::Share(problem)));
        }
    }
}
