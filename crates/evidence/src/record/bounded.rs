//! Texts from outside, cut at a bound, with the hash and length of what was cut off so that it can still be
//! matched.

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::{Deserialize, Deserializer, Serialize};
use sha2::{Digest as _, Sha256};

use crate::hash::{self, Hash};

/// Longest [`Clipped`] in bytes. A user or database name has at most 63, a case reference a few dozen; the
/// rest is room for reasons in words.
pub const MAX_CLIPPED_BYTES: usize = 500;

/// Longest text of an [`Excerpt`] in bytes. Statements of reporting tools reach some ten thousand; JSON may
/// write a byte as six.
pub const MAX_EXCERPT_BYTES: usize = 64 << 10;

/// Parameters of a statement that are recorded one by one. PostgreSQL allows 65,535; who sends that many
/// loads data.
pub const MAX_PARAMETERS: usize = 1_000;

/// Bytes of a statement's parameters that are recorded as they are; of what comes after there are hash and
/// length.
pub const MAX_PARAMETERS_BYTES: usize = 64 << 10;

/// A short text from outside, of at most [`MAX_CLIPPED_BYTES`]; what goes beyond is cut off and `…` put in
/// its place.
#[derive(Clone, PartialEq, Eq, Serialize)]
#[serde(transparent)]
pub struct Clipped(String);

/// A long text, or its beginning.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "AnyExcerpt")]
pub struct Excerpt {
    /// The text, or its first [`MAX_EXCERPT_BYTES`] down to the end of a character.
    text: String,
    /// What the whole was, if it was cut.
    #[serde(skip_serializing_if = "Option::is_none")]
    whole: Option<Whole>,
}

/// An excerpt as it was read, of any length.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct AnyExcerpt {
    text: String,
    #[serde(default)]
    whole: Option<Whole>,
}

impl TryFrom<AnyExcerpt> for Excerpt {
    type Error = TooLong;

    fn try_from(any: AnyExcerpt) -> Result<Self, TooLong> {
        let AnyExcerpt { text, whole } = any;
        if text.len() <= MAX_EXCERPT_BYTES {
            Ok(Self { text, whole })
        } else {
            Err(TooLong(MAX_EXCERPT_BYTES))
        }
    }
}

/// A text that should have been cut.
#[derive(Debug, thiserror::Error)]
#[error("a text of more than {0} bytes")]
struct TooLong(usize);

/// A thing of which only the beginning is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Whole {
    /// SHA-256 of all its bytes.
    pub sha256: Hash,
    /// How many they are.
    pub bytes: u64,
}

/// A parameter bound to a statement, as it is recorded.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub enum Parameter {
    /// A value in PostgreSQL's text format.
    Text(String),
    /// A value in PostgreSQL's binary format, or one that is not UTF-8: base64.
    Binary(String),
    /// SQL's NULL.
    Null,
    /// A value too long for what room was left.
    Long(Whole),
    /// The parameters after the first [`MAX_PARAMETERS`].
    Rest {
        /// How many.
        count: u64,
        /// SHA-256 over them, each as its length (8 bytes, big-endian; all ones for NULL) and its bytes.
        sha256: Hash,
    },
}

/// A parameter bound to a statement, as it came.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ParameterValue<'a> {
    /// In PostgreSQL's text format.
    Text(&'a [u8]),
    /// In PostgreSQL's binary format.
    Binary(&'a [u8]),
    /// SQL's NULL.
    Null,
}

/// The parameters of a statement as they are recorded: each as it is while there is room
/// ([`MAX_PARAMETERS_BYTES`] in all, [`MAX_PARAMETERS`] of them), else by hash and length.
pub fn parameters<'a>(values: impl IntoIterator<Item = ParameterValue<'a>>) -> Vec<Parameter> {
    let mut values = values.into_iter();
    let mut room = MAX_PARAMETERS_BYTES;
    let mut kept: Vec<Parameter> = values
        .by_ref()
        .take(MAX_PARAMETERS)
        .map(|value| keep(value, &mut room))
        .collect();
    let mut hasher = Sha256::new();
    let mut count: u64 = 0;
    for value in values {
        count = count.saturating_add(1);
        match value {
            ParameterValue::Null => hasher.update(u64::MAX.to_be_bytes()),
            ParameterValue::Text(bytes) | ParameterValue::Binary(bytes) => {
                hasher.update(length(bytes).to_be_bytes());
                hasher.update(bytes);
            }
        }
    }
    if count > 0 {
        kept.push(Parameter::Rest {
            count,
            sha256: Hash(hasher.finalize().into()),
        });
    }
    kept
}

fn keep(value: ParameterValue<'_>, room: &mut usize) -> Parameter {
    let (bytes, text) = match value {
        ParameterValue::Null => return Parameter::Null,
        ParameterValue::Text(bytes) => (bytes, std::str::from_utf8(bytes).ok()),
        ParameterValue::Binary(bytes) => (bytes, None),
    };
    let Some(left) = room.checked_sub(bytes.len()) else {
        return Parameter::Long(Whole::of(bytes));
    };
    *room = left;
    match text {
        Some(text) => Parameter::Text(text.to_owned()),
        None => Parameter::Binary(STANDARD.encode(bytes)),
    }
}

impl Whole {
    fn of(bytes: &[u8]) -> Self {
        Self {
            sha256: hash::sha256(bytes),
            bytes: length(bytes),
        }
    }
}

impl Excerpt {
    /// The text as far as it is kept.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// What the whole was, if only its beginning is kept.
    pub fn whole(&self) -> Option<&Whole> {
        self.whole.as_ref()
    }
}

impl From<&str> for Excerpt {
    fn from(text: &str) -> Self {
        if text.len() <= MAX_EXCERPT_BYTES {
            return Self {
                text: text.to_owned(),
                whole: None,
            };
        }
        Self {
            text: beginning(text, MAX_EXCERPT_BYTES).to_owned(),
            whole: Some(Whole::of(text.as_bytes())),
        }
    }
}

impl From<String> for Excerpt {
    fn from(text: String) -> Self {
        if text.len() <= MAX_EXCERPT_BYTES {
            Self { text, whole: None }
        } else {
            Self::from(text.as_str())
        }
    }
}

impl Clipped {
    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl From<&str> for Clipped {
    fn from(text: &str) -> Self {
        const MARK: &str = "…";
        if text.len() <= MAX_CLIPPED_BYTES {
            return Self(text.to_owned());
        }
        Self(format!(
            "{}{MARK}",
            beginning(text, MAX_CLIPPED_BYTES.saturating_sub(MARK.len()))
        ))
    }
}

impl From<String> for Clipped {
    fn from(text: String) -> Self {
        if text.len() <= MAX_CLIPPED_BYTES {
            Self(text)
        } else {
            Self::from(text.as_str())
        }
    }
}

impl fmt::Display for Clipped {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

impl fmt::Debug for Clipped {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl PartialEq<str> for Clipped {
    fn eq(&self, other: &str) -> bool {
        self.0 == other
    }
}

impl<'de> Deserialize<'de> for Clipped {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        if text.len() > MAX_CLIPPED_BYTES {
            return Err(serde::de::Error::custom(format_args!(
                "a text of more than {MAX_CLIPPED_BYTES} bytes"
            )));
        }
        Ok(Self(text))
    }
}

/// As many characters from the start of `text` as fit into `bytes`.
fn beginning(text: &str, bytes: usize) -> &str {
    (0..=bytes.min(text.len()))
        .rev()
        .find_map(|end| text.get(..end))
        .unwrap_or_default()
}

fn length(bytes: &[u8]) -> u64 {
    // No platform has more than 64 bits of address.
    u64::try_from(bytes.len()).unwrap_or(u64::MAX)
}
