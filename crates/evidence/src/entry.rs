//! Entries: the leaves of the logs, and all that the public sees of what happened.
//!
//! An entry is UTF-8 text, one `key value` a line, the keys in a fixed order, those that do not apply left
//! out; then, if there is one, an empty line and a public body. `docs/formats.md` gives it in full. Nothing
//! private stands here: the private record is stored elsewhere, and the entry holds a
//! [commitment](crate::commitment) to it.

use std::fmt::{self, Write as _};
use std::str::FromStr;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::hash::{self, Hash};
use crate::id::{AgreementId, PartnerId, PurposeId};

pub(crate) mod text;
mod view;

pub use view::EntryView;

/// Longest entry in bytes: an entry bundle (C2SP tlog-tiles) gives each entry's length in two.
pub const MAX_ENTRY_BYTES: usize = 65_535;

/// First line of every entry.
const HEADER: &str = "estop/entry/v1";

/// What an entry is about. Its text is the name in kebab-case.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Kind {
    /// A partner has answered the notice of a correction.
    Acknowledged,
    /// A database was changed to fit the estate.
    Applied,
    /// The database's side of a directive was carried out, with the catalog's evidence.
    CarriedOut,
    /// All logs with their sizes and roots.
    Census,
    /// A partner's log ends: its last leaf.
    Closed,
    /// Further rows of a long result.
    Continuation,
    /// A partner was to be told that a record it was given was corrected.
    Correction,
    /// What a session that was cut had received up to its end.
    Cut,
    /// A directive was accepted.
    Directive,
    /// A statement was executed and its reply may be released.
    Disclosure,
    /// A gateway says that no session is left under what a directive ended.
    Drained,
    /// A database was changed behind our back, or is as it should be again.
    Drift,
    /// A session ended.
    Ended,
    /// The policy in force has a new number.
    Epoch,
    /// Keys of entries were destroyed: nobody can read their private records any more.
    Erased,
    /// The main log begins: its first leaf.
    Genesis,
    /// A partner's log begins, or is open again.
    Opened,
    /// How a long result ended.
    Outcome,
    /// Something was refused.
    Refusal,
    /// A session was permitted.
    Session,
    /// Overseers opened private records that were under seal.
    Unsealed,
}

/// One leaf. Fields that are `None` do not stand in it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// What the entry is about.
    pub kind: Kind,
    /// When it was appended, in whole seconds (see [`whole_second`]).
    pub time: Timestamp,
    /// The partner it concerns.
    pub partner: Option<PartnerId>,
    /// The agreement it concerns.
    pub agreement: Option<AgreementId>,
    /// The purpose it concerns.
    pub purpose: Option<PurposeId>,
    /// Where it stands in the partner's log: there if, and only if, [`Kind::in_partner_log`].
    pub place: Option<Place>,
    /// Commitment to the private record, if there is one.
    pub commitment: Option<Hash>,
    /// Text for the public: not empty, ends in a line feed, no control characters but that and the tab.
    pub body: Option<String>,
}

/// Where an entry stands in its partner's log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Place {
    /// Index of the leaf in the partner's log, from 0.
    pub sequence: u64,
    /// Hash of the leaf before it in the partner's log; [`Hash::ZERO`] for the first.
    pub previous: Hash,
}

/// Bytes that are no entry, or an [`Entry`] that has no bytes.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum EntryError {
    /// Longer than [`MAX_ENTRY_BYTES`].
    #[error("an entry has at most {MAX_ENTRY_BYTES} bytes, this one {bytes}")]
    TooLong {
        /// How long it is.
        bytes: usize,
    },
    /// Not UTF-8.
    #[error("an entry is UTF-8 text, this one is not from byte {at} on")]
    NotText {
        /// Offset of the first byte that is not.
        at: usize,
    },
    /// A line is missing, out of order, repeated, unknown or has a value of another form.
    #[error("line {line} of the entry: expected {expected}")]
    Line {
        /// Number of the line, from 1.
        line: usize,
        /// What should stand there.
        expected: &'static str,
    },
    /// The body is empty, does not end in a line feed, or holds control characters.
    #[error("an entry's body is text without control characters that ends in a line feed")]
    Body,
    /// The time has a fraction of a second or a year of other than four digits.
    #[error("an entry's time is a whole second of the years 0 to 9999, not `{0}`")]
    Time(Timestamp),
    /// `partner`, `sequence` and `previous` are missing where the entry stands in a partner's log, or there
    /// where not.
    #[error("an entry of kind `{0}` must {must} a place in its partner's log", must = must(*.0))]
    Place(Kind),
}

impl Kind {
    /// Every kind, in the order of their text.
    pub const ALL: [Self; 21] = [
        Self::Acknowledged,
        Self::Applied,
        Self::CarriedOut,
        Self::Census,
        Self::Closed,
        Self::Continuation,
        Self::Correction,
        Self::Cut,
        Self::Directive,
        Self::Disclosure,
        Self::Drained,
        Self::Drift,
        Self::Ended,
        Self::Epoch,
        Self::Erased,
        Self::Genesis,
        Self::Opened,
        Self::Outcome,
        Self::Refusal,
        Self::Session,
        Self::Unsealed,
    ];

    /// The kind as it stands in an entry.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Acknowledged => "acknowledged",
            Self::Applied => "applied",
            Self::CarriedOut => "carried-out",
            Self::Census => "census",
            Self::Closed => "closed",
            Self::Continuation => "continuation",
            Self::Correction => "correction",
            Self::Cut => "cut",
            Self::Directive => "directive",
            Self::Disclosure => "disclosure",
            Self::Drained => "drained",
            Self::Drift => "drift",
            Self::Ended => "ended",
            Self::Epoch => "epoch",
            Self::Erased => "erased",
            Self::Genesis => "genesis",
            Self::Opened => "opened",
            Self::Outcome => "outcome",
            Self::Refusal => "refusal",
            Self::Session => "session",
            Self::Unsealed => "unsealed",
        }
    }

    /// Whether entries of this kind are leaves of the partner's log as well as of the main log.
    pub fn in_partner_log(self) -> bool {
        match self {
            Self::Closed
            | Self::Continuation
            | Self::Cut
            | Self::Disclosure
            | Self::Opened
            | Self::Outcome => true,
            Self::Acknowledged
            | Self::Applied
            | Self::CarriedOut
            | Self::Census
            | Self::Correction
            | Self::Directive
            | Self::Drained
            | Self::Drift
            | Self::Ended
            | Self::Epoch
            | Self::Erased
            | Self::Genesis
            | Self::Refusal
            | Self::Session
            | Self::Unsealed => false,
        }
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// A text that names no [`Kind`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not a kind of entry")]
pub struct KindError;

impl FromStr for Kind {
    type Err = KindError;

    fn from_str(text: &str) -> Result<Self, KindError> {
        Self::ALL
            .into_iter()
            .find(|kind| kind.as_str() == text)
            .ok_or(KindError)
    }
}

impl Entry {
    /// The entry's bytes.
    ///
    /// # Errors
    /// The entry breaks a rule that its type cannot express: see [`EntryError`].
    pub fn encode(&self) -> Result<Vec<u8>, EntryError> {
        self.check()?;
        let time = text::format_time(self.time).ok_or(EntryError::Time(self.time))?;
        let mut out = format!("{HEADER}\nkind {}\ntime {time}\n", self.kind);
        let mut line = |key: &str, value: Option<&dyn fmt::Display>| {
            if let Some(value) = value {
                // Writing to a `String` cannot fail.
                let _ = writeln!(out, "{key} {value}");
            }
        };
        line("partner", self.partner.as_ref().map(|id| id as _));
        line("agreement", self.agreement.as_ref().map(|id| id as _));
        line("purpose", self.purpose.as_ref().map(|id| id as _));
        line("sequence", self.place.as_ref().map(|place| &place.sequence as _));
        line("previous", self.place.as_ref().map(|place| &place.previous as _));
        line("commitment", self.commitment.as_ref().map(|hash| hash as _));
        if let Some(body) = &self.body {
            out.push('\n');
            out.push_str(body);
        }
        if out.len() > MAX_ENTRY_BYTES {
            return Err(EntryError::TooLong { bytes: out.len() });
        }
        Ok(out.into_bytes())
    }

    /// Reads an entry. Only what [`Entry::encode`] writes is read, so every entry has one encoding.
    ///
    /// # Errors
    /// The bytes are no entry: what is wrong, and on which line.
    pub fn parse(bytes: &[u8]) -> Result<Self, EntryError> {
        EntryView::parse(bytes).map(|view| view.to_entry())
    }

    /// Hash of the entry as a leaf; the same in the main log and in the partner's.
    ///
    /// # Errors
    /// As [`Entry::encode`].
    pub fn leaf(&self) -> Result<Hash, EntryError> {
        Ok(hash::leaf(&self.encode()?))
    }

    fn check(&self) -> Result<(), EntryError> {
        check(
            self.kind,
            self.partner.is_some(),
            self.place.is_some(),
            self.body.as_deref(),
        )
    }
}

/// The rules between fields.
fn check(kind: Kind, partner: bool, place: bool, body: Option<&str>) -> Result<(), EntryError> {
    let inside = kind.in_partner_log();
    if place != inside || (inside && !partner) {
        return Err(EntryError::Place(kind));
    }
    let plain = |c: char| !c.is_control() || c == '\n' || c == '\t';
    match body {
        Some(body) if !body.ends_with('\n') || !body.chars().all(plain) => Err(EntryError::Body),
        _ => Ok(()),
    }
}

/// `time` without its fraction of a second.
pub fn whole_second(time: Timestamp) -> Timestamp {
    // Cutting off moves towards the epoch, so the result is in range whenever `time` is.
    Timestamp::from_second(time.as_second()).unwrap_or(time)
}

fn must(kind: Kind) -> &'static str {
    if kind.in_partner_log() {
        "have a partner and"
    } else {
        "not have"
    }
}

#[cfg(test)]
mod tests;
