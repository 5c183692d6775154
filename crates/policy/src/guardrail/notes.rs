//! What is not wrong with guardrails, and may not be meant.

use std::collections::BTreeSet;

use super::names::Mentioned;
use super::vocabulary::Vocabulary;
use super::{Guardrail, Place};

/// Where a guardrail says nothing, for want of something it asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Silence {
    pub(super) guardrail: String,
    pub(super) place: Place,
    pub(super) what: String,
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
