//! What is not wrong with guardrails, and may not be meant.

use std::collections::{BTreeMap, BTreeSet};

use super::names::Mentioned;
use super::vocabulary::Vocabulary;
use super::{Guardrail, Place, Spared};
use crate::estate::{Dataset, Relation};

/// Where a guardrail says nothing, for want of something it asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Silence {
    pub(super) guardrail: String,
    pub(super) place: Place,
    pub(super) what: String,
}

impl Silence {
    /// The column for want of which it says nothing.
    pub(super) fn spares(&self) -> Option<Spared> {
        let Place::Read(dataset) = &self.place else {
            return None;
        };
        Some(Spared {
            dataset: dataset.clone(),
            column: self.what.clone(),
            guardrail: self.guardrail.clone(),
        })
    }
}

pub(super) fn notes(
    vocabulary: &Vocabulary<'_>,
    guardrails: &[Guardrail],
    mentioned: &Mentioned,
    applied: &BTreeSet<String>,
    silences: &[Silence],
) -> Vec<String> {
    let mut notes = Vec::new();
    for guardrail in guardrails {
        let id = &guardrail.id;
        if !applied.contains(id) {
            notes.push(format!("guardrail `{id}` applies nowhere in this estate"));
            continue;
        }
        let silent = silences.iter().filter(|silence| silence.guardrail == *id);
        for silence in silent {
            // That connecting has no rows and no columns is no news.
            if let Place::Read(dataset) = &silence.place {
                notes.push(format!(
                    "guardrail `{id}` does not apply to data set `{dataset}`, which has no `{}`",
                    silence.what
                ));
            }
        }
    }
    for purpose in &mentioned.purposes {
        if !vocabulary.purposes.iter().any(|known| known.as_str() == purpose) {
            notes.push(format!(
                "guardrails name purpose `{purpose}`, which no agreement has"
            ));
        }
    }
    if !guardrails.is_empty() {
        notes.extend(told_apart(vocabulary));
        let unused = |kind: &str, all: &mut dyn Iterator<Item = &str>, used: &BTreeSet<String>| {
            let unused: Vec<String> = all
                .filter(|tag| !used.contains(*tag))
                .map(|tag| format!("`{tag}`"))
                .collect();
            (!unused.is_empty()).then(|| {
                format!(
                    "no guardrail mentions these tags of {kind}: {}",
                    unused.join(", ")
                )
            })
        };
        notes.extend(unused(
            "data sets",
            &mut vocabulary.tags.iter().copied(),
            &mentioned.tags,
        ));
        notes.extend(unused(
            "columns",
            &mut vocabulary.column_tags.iter().copied(),
            &mentioned.column_tags,
        ));
        notes.extend(unused(
            "partners",
            &mut vocabulary.partner_tags.keys().copied(),
            &mentioned.partner_tags,
        ));
    }
    notes
}

/// Data sets over one relation that bear other tags: what a guardrail forbids of the one may be shared as the other.
fn told_apart(vocabulary: &Vocabulary<'_>) -> Vec<String> {
    let mut of_relation: BTreeMap<(&str, &Relation), Vec<&Dataset>> = BTreeMap::new();
    for dataset in vocabulary.estate.datasets().values() {
        let place = (dataset.upstream.as_str(), &dataset.relation);
        of_relation.entry(place).or_default().push(dataset);
    }
    let mut notes = Vec::new();
    for ((_, relation), datasets) in &of_relation {
        for (at, one) in datasets.iter().enumerate() {
            for other in datasets.iter().skip(at + 1) {
                let mut apart: BTreeSet<&str> = one
                    .tags
                    .symmetric_difference(&other.tags)
                    .map(String::as_str)
                    .collect();
                for column in &one.columns {
                    let same = other.column(column.name.as_str());
                    let tags = same.map(|same| column.tags.symmetric_difference(&same.tags));
                    apart.extend(tags.into_iter().flatten().map(String::as_str));
                }
                if !apart.is_empty() {
                    let apart: Vec<String> = apart.iter().map(|tag| format!("`{tag}`")).collect();
                    notes.push(format!(
                        "data sets `{}` and `{}` are both {relation}, and only one of them bears {}: guardrails that ask for \
                         a tag bind the one that bears it",
                        one.id,
                        other.id,
                        apart.join(", ")
                    ));
                }
            }
        }
    }
    notes
}
