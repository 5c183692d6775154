//! Names and numbers that stand in signed and recorded things, each with one spelling.
//!
//! Every type here is made by parsing and can hold nothing else, so whoever has one need not check it again.
//! Equal values have equal text: there is no folding of case and no trimming.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// Longest [`PartnerId`], [`AgreementId`], [`PurposeId`], [`DatasetId`] and [`OfficerId`], in bytes: that of
/// a PostgreSQL identifier (`NAMEDATALEN - 1`), since officers and agreements are user and database names
/// there.
pub const MAX_NAME_BYTES: usize = 63;

/// Longest [`Custodian`] in bytes. A DNS name may have 253 bytes; 100 keeps every [`Origin`] within
/// [`MAX_ORIGIN_BYTES`].
pub const MAX_CUSTODIAN_BYTES: usize = 100;

/// Longest [`Origin`] in bytes: the C2SP cosignature format gives a cosigner's and an origin's length one
/// byte.
pub const MAX_ORIGIN_BYTES: usize = 255;

/// How much of a refused name an [`IdError`] repeats, in characters: enough to find it, too little to flood a
/// log.
const SHOWN_CHARS: usize = 80;

/// A text that is not a name of the kind that was asked for.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{shown}` is not {what}: {rule}")]
pub struct IdError {
    what: &'static str,
    rule: &'static str,
    shown: String,
}

impl IdError {
    fn new(what: &'static str, rule: &'static str, input: &str) -> Self {
        let shown = input
            .chars()
            .take(SHOWN_CHARS)
            .flat_map(char::escape_debug)
            .collect();
        Self { what, rule, shown }
    }
}

macro_rules! text_id {
    ($(#[$doc:meta])* $name:ident, $what:literal, $rule:literal, $check:path) => {
        $(#[$doc])*
        #[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(Arc<str>);

        impl $name {
            /// The name as it is written.
            pub fn as_str(&self) -> &str {
                &self.0
            }

            /// Whether a text is such a name.
            pub fn is(text: &str) -> bool {
                $check(text)
            }
        }

        impl FromStr for $name {
            type Err = IdError;

            fn from_str(text: &str) -> Result<Self, IdError> {
                if $check(text) { Ok(Self(Arc::from(text))) } else { Err(IdError::new($what, $rule, text)) }
            }
        }

        impl TryFrom<String> for $name {
            type Error = IdError;

            fn try_from(text: String) -> Result<Self, IdError> {
                text.parse()
            }
        }

        impl TryFrom<&str> for $name {
            type Error = IdError;

            fn try_from(text: &str) -> Result<Self, IdError> {
                text.parse()
            }
        }

        impl AsRef<str> for $name {
            fn as_ref(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.pad(&self.0)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{}({})", stringify!($name), self.0)
            }
        }

        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.serialize_str(&self.0)
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let text = String::deserialize(deserializer)?;
                text.parse().map_err(serde::de::Error::custom)
            }
        }
    };
}

text_id! {
    /// A partner: an organisation that receives data. `[a-z0-9][a-z0-9-]{0,62}`.
    PartnerId, "a partner's id",
    "1 to 63 of `a-z`, `0-9` and `-`, the first no `-`", is_slug
}
text_id! {
    /// An agreement; also the database name a client connects to. `[a-z0-9][a-z0-9-]{0,62}`.
    AgreementId, "an agreement's id",
    "1 to 63 of `a-z`, `0-9` and `-`, the first no `-`", is_slug
}
text_id! {
    /// A purpose of use. `[a-z0-9][a-z0-9-]{0,62}`.
    PurposeId, "a purpose's id",
    "1 to 63 of `a-z`, `0-9` and `-`, the first no `-`", is_slug
}
text_id! {
    /// A data set: a relation with a subject key and tags. `[a-z0-9][a-z0-9-]{0,62}`.
    DatasetId, "a data set's id",
    "1 to 63 of `a-z`, `0-9` and `-`, the first no `-`", is_slug
}
text_id! {
    /// An officer: a partner's user; also the user name a client logs in with. `[a-z0-9][a-z0-9._-]{0,62}`.
    OfficerId, "an officer's id",
    "1 to 63 of `a-z`, `0-9`, `.`, `_` and `-`, the first a letter or digit", is_officer
}
text_id! {
    /// Overseers: those to whom records are sealed. `[a-z0-9][a-z0-9-]{0,62}`.
    OverseersId, "the id of overseers",
    "1 to 63 of `a-z`, `0-9` and `-`, the first no `-`", is_slug
}
text_id! {
    /// A holder of a share of overseers' key. `[a-z0-9][a-z0-9._-]{0,62}`.
    HolderId, "the id of a holder of a share",
    "1 to 63 of `a-z`, `0-9`, `.`, `_` and `-`, the first a letter or digit", is_officer
}
text_id! {
    /// A directive's number, `D-YYYY-NNNN`: a year and a count within it, the count padded with zeros to four
    /// digits and no further, up to nine.
    DirectiveNumber, "a directive's number",
    "`D-`, four digits of the year, `-`, a count of four to nine digits (more than four: no leading zero)",
    is_directive_number
}
text_id! {
    /// A session of a gateway: 16 lower-case hexadecimal digits, drawn at random.
    SessionId, "a session's id", "16 of `0-9` and `a-f`", is_session
}
text_id! {
    /// A notice of a correction: `C-` and 16 lower-case hexadecimal digits, drawn at random.
    CorrectionNumber, "the number of a notice of a correction", "`C-` and 16 of `0-9` and `a-f`", is_correction
}
text_id! {
    /// A custodian: a lower-case DNS name of at least two labels, at most [`MAX_CUSTODIAN_BYTES`] long. Also
    /// the name under which the custodian's key is published and certificates are signed.
    Custodian, "a custodian's name",
    "a lower-case DNS name such as `records.example.org`, at most 100 bytes", is_custodian
}
text_id! {
    /// A log's origin (C2SP tlog-checkpoint) or a key's name (C2SP signed-note): one to [`MAX_ORIGIN_BYTES`]
    /// printable ASCII characters, no space, no `+`.
    Origin, "a log's origin or a key's name",
    "1 to 255 printable ASCII characters without spaces and `+`", is_origin
}

impl DirectiveNumber {
    /// The number `D-<year>-<count>`.
    ///
    /// # Errors
    /// The year has more than four digits or the count more than nine.
    pub fn new(year: u16, count: u64) -> Result<Self, IdError> {
        format!("D-{year:04}-{count:04}").parse()
    }
}

impl From<u64> for SessionId {
    /// The id with these 64 bits, highest first.
    fn from(bits: u64) -> Self {
        Self(format!("{bits:016x}").into())
    }
}

impl From<u64> for CorrectionNumber {
    /// The number with these 64 bits, highest first.
    fn from(bits: u64) -> Self {
        Self(format!("C-{bits:016x}").into())
    }
}

impl Custodian {
    /// Origin of the custodian's main log: `<custodian>/audit`.
    pub fn main_origin(&self) -> Origin {
        Origin(format!("{self}/audit").into())
    }

    /// Origin of the log that holds one partner's disclosures: `<custodian>/p/<partner>`.
    pub fn partner_origin(&self, partner: &PartnerId) -> Origin {
        Origin(format!("{self}/p/{partner}").into())
    }

    /// The bare name, as that of the key that signs certificates.
    pub fn key_name(&self) -> Origin {
        Origin(Arc::clone(&self.0))
    }
}

/// Number of the policy in force. It only ever grows; every change of what anyone may do raises it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Epoch(pub u64);

impl Epoch {
    /// The epoch after this one; `None` only after 2^64 - 1 changes.
    pub fn next(self) -> Option<Self> {
        self.0.checked_add(1).map(Self)
    }
}

impl fmt::Display for Epoch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

fn is_name(text: &str, inner: &[u8]) -> bool {
    let plain = |byte: &u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
    text.len() <= MAX_NAME_BYTES
        && text.as_bytes().first().is_some_and(plain)
        && text.bytes().all(|byte| plain(&byte) || inner.contains(&byte))
}

fn is_slug(text: &str) -> bool {
    is_name(text, b"-")
}

fn is_officer(text: &str) -> bool {
    is_name(text, b"._-")
}

fn is_directive_number(text: &str) -> bool {
    let Some((year, count)) = text.strip_prefix("D-").and_then(|rest| rest.split_once('-')) else {
        return false;
    };
    let digits = |part: &str| part.bytes().all(|byte| byte.is_ascii_digit());
    year.len() == 4
        && (4..=9).contains(&count.len())
        && digits(year)
        && digits(count)
        && (count.len() == 4 || !count.starts_with('0'))
}

fn is_session(text: &str) -> bool {
    text.len() == 16
        && text
            .bytes()
            .all(|byte| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte))
}

fn is_correction(text: &str) -> bool {
    text.strip_prefix("C-").is_some_and(is_session)
}

fn is_custodian(text: &str) -> bool {
    // RFC 1035 section 2.3.1, digits first allowed as in RFC 1123 section 2.1. Two labels, so that no
    // custodian's name can be taken for a partner's id.
    let label = |label: &str| is_slug(label) && !label.ends_with('-');
    text.len() <= MAX_CUSTODIAN_BYTES && text.contains('.') && text.split('.').all(label)
}

fn is_origin(text: &str) -> bool {
    (1..=MAX_ORIGIN_BYTES).contains(&text.len())
        && text.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'+')
}

#[cfg(test)]
mod tests;
