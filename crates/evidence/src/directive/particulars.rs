//! What the law asks an order to say beside its basis: which services end, on which grounds, when it is heard, whom to ask,
//! and the text of the notice. All of it is part of what is signed.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::{DirectiveError, is_plain_line};
use crate::entry::text as form;

/// Longest of the short ones in bytes, as the basis.
pub const MAX_PARTICULAR_BYTES: usize = 500;

/// Longest text of a notice in bytes: a paragraph. What is longer is a document, and the notice names it.
pub const MAX_NOTICE_BYTES: usize = 1_000;

/// What an order says beside its basis. Each may be left out; none is empty.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Particulars {
    /// The services that end, in words.
    #[serde(default)]
    pub services: Option<String>,
    /// What is alleged: the grounds.
    #[serde(default)]
    pub grounds: Option<String>,
    /// When the partner is heard, in whole seconds.
    #[serde(default)]
    pub hearing: Option<Timestamp>,
    /// Whom to ask, and how to reach them.
    #[serde(default)]
    pub contact: Option<String>,
    /// The text of the notice to the partner.
    #[serde(default)]
    pub notice: Option<String>,
}

impl Particulars {
    /// Those that are texts, by their keys and in their order, with how long each may be. `hearing` stands between the second
    /// and the third.
    pub(super) fn texts(&self) -> [(&'static str, Option<&String>, usize); 4] {
        [
            ("services", self.services.as_ref(), MAX_PARTICULAR_BYTES),
            ("grounds", self.grounds.as_ref(), MAX_PARTICULAR_BYTES),
            ("contact", self.contact.as_ref(), MAX_PARTICULAR_BYTES),
            ("notice", self.notice.as_ref(), MAX_NOTICE_BYTES),
        ]
    }

    pub(super) fn check(&self) -> Result<(), DirectiveError> {
        for (key, text, most) in self.texts() {
            if text.is_some_and(|text| text.len() > most || !is_plain_line(text)) {
                return Err(DirectiveError::Particular { key, most });
            }
        }
        match self.hearing {
            Some(hearing) if form::format_time(hearing).is_none() => Err(DirectiveError::Time(hearing)),
            _ => Ok(()),
        }
    }

    /// Each that is there, with its key, in the order in which they stand in a directive.
    pub fn lines(&self) -> Vec<(&'static str, String)> {
        let [services, grounds, contact, notice] = self.texts();
        let text = |(key, text, _): (&'static str, Option<&String>, usize)| Some((key, text?.clone()));
        // A whole second prints as `2026-11-23T00:00:00Z`; `check` lets no other in.
        let hearing = self.hearing.map(|at| ("hearing", at.to_string()));
        [
            text(services),
            text(grounds),
            hearing,
            text(contact),
            text(notice),
        ]
        .into_iter()
        .flatten()
        .collect()
    }
}
