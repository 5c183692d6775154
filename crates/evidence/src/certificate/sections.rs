//! The machine part of a certificate: raw texts, each under a line with its name and its length.
//!
//! ```text
//! section <name> <length in bytes>
//! <that many bytes>
//! ```
//!
//! A line feed follows each text, the line `end` the last. Names and order are fixed: `signers`, `directive`,
//! two or more `signature`, `checkpoint`; for each cited entry `entry`, then `key` and `record` if it has a
//! commitment, then `proof`; `partner-checkpoint`, `partner-proof`.

use std::fmt::{self, Write as _};

use crate::entry::text::parse_decimal;
use crate::hash::Hash;
use crate::note::Note;
use crate::proof::TlogProof;
use crate::tree::LEVELS;

/// The raw texts, in the order in which they stand. Nothing is known of them but that they are where they
/// belong.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Machine {
    pub(super) signers: String,
    pub(super) directive: String,
    pub(super) signatures: Vec<String>,
    pub(super) checkpoint: String,
    pub(super) cited: Vec<CitedText>,
    pub(super) partner_checkpoint: String,
    pub(super) partner_proof: Place,
}

/// An entry of the main log with all that ties it there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct CitedText {
    pub(super) entry: String,
    pub(super) opened: Option<OpenedText>,
    pub(super) proof: Place,
}

/// What opens an entry's commitment.
#[derive(Clone, PartialEq, Eq)]
pub(super) struct OpenedText {
    /// The opening key in base64. Who has the certificate may have it: that is what opening an entry means.
    pub(super) key: String,
    /// The private record, byte for byte.
    pub(super) record: String,
}

/// Where an entry stands in a tree: its index and the hashes beside its way to the root. The text is that of
/// the same lines in a C2SP tlog-proof.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Place {
    pub(super) index: u64,
    pub(super) hashes: Vec<Hash>,
}

/// A text that is no machine part.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(super) enum SectionError {
    #[error("section {number}: expected {expected}")]
    Expected { number: usize, expected: &'static str },
    #[error("section {number} is shorter than its line says, or its length is not a plain count")]
    Length { number: usize },
    #[error("section {number} is followed by something other than a line feed")]
    Unended { number: usize },
}

impl fmt::Debug for OpenedText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "OpenedText({} bytes)", self.record.len())
    }
}

impl From<&TlogProof> for Place {
    fn from(proof: &TlogProof) -> Self {
        Self {
            index: proof.index,
            hashes: proof.hashes.clone(),
        }
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "index {}", self.index)?;
        self.hashes.iter().try_for_each(|hash| writeln!(f, "{hash}"))
    }
}

impl Place {
    fn parse(text: &str) -> Option<Self> {
        let (first, rest) = text.strip_prefix("index ")?.split_once('\n')?;
        let index = parse_decimal(first)?;
        let hashes = rest
            .split_terminator('\n')
            .take(LEVELS.saturating_add(1))
            .map(|line| line.parse().ok());
        let place = Self {
            index,
            hashes: hashes.collect::<Option<Vec<_>>>()?,
        };
        (place.hashes.len() <= LEVELS && place.to_string() == text).then_some(place)
    }
}

impl Machine {
    /// Names of signature lines under both checkpoints that are not the logs' own, in the order of the first, each once.
    pub(super) fn cosigners(&self) -> Vec<String> {
        let names = |note: &str| -> Vec<String> {
            let Ok(note) = Note::parse(note) else {
                return Vec::new();
            };
            let own = note.text().split('\n').next().unwrap_or_default();
            let others = note.signers().filter(|(name, _)| *name != own);
            others.map(|(name, _)| name.to_owned()).collect()
        };
        let partner = names(&self.partner_checkpoint);
        let mut both = Vec::new();
        for name in names(&self.checkpoint) {
            if partner.contains(&name) && !both.contains(&name) {
                both.push(name);
            }
        }
        both
    }

    /// The machine part as it stands in a certificate.
    pub(super) fn encode(&self) -> String {
        let mut out = Writer(String::new());
        out.section("signers", &self.signers);
        out.section("directive", &self.directive);
        for signature in &self.signatures {
            out.section("signature", signature);
        }
        out.section("checkpoint", &self.checkpoint);
        for cited in &self.cited {
            out.section("entry", &cited.entry);
            if let Some(opened) = &cited.opened {
                out.section("key", &opened.key);
                out.section("record", &opened.record);
            }
            out.section("proof", &cited.proof.to_string());
        }
        out.section("partner-checkpoint", &self.partner_checkpoint);
        out.section("partner-proof", &self.partner_proof.to_string());
        out.0.push_str("end\n");
        out.0
    }

    /// Reads what [`Machine::encode`] writes, and nothing else.
    pub(super) fn parse(text: &str) -> Result<Self, SectionError> {
        let mut sections = Sections {
            rest: text,
            number: 1,
        };
        let machine = Self {
            signers: sections.one("signers", "`section signers <length>`")?,
            directive: sections.one("directive", "`section directive <length>`")?,
            signatures: sections.signatures()?,
            checkpoint: sections.one(
                "checkpoint",
                "`section signature <length>` or `section checkpoint <length>`",
            )?,
            cited: sections.cited()?,
            partner_checkpoint: sections.one(
                "partner-checkpoint",
                "`section entry <length>` or `section partner-checkpoint <length>`",
            )?,
            partner_proof: sections.place("partner-proof", "`section partner-proof <length>` and a proof")?,
        };
        if sections.rest == "end\n" {
            Ok(machine)
        } else {
            Err(sections.expected("`end` and nothing more"))
        }
    }
}

struct Writer(String);

impl Writer {
    fn section(&mut self, name: &str, content: &str) {
        // Writing to a string cannot fail.
        let _ = writeln!(self.0, "section {name} {}\n{content}", content.len());
    }
}

/// The sections that have not been read yet, and the number of the first of them.
struct Sections<'a> {
    rest: &'a str,
    number: usize,
}

impl<'a> Sections<'a> {
    /// The next section's content, if it has this name.
    fn next(&mut self, name: &str) -> Result<Option<&'a str>, SectionError> {
        let number = self.number;
        let header = self
            .rest
            .strip_prefix("section ")
            .and_then(|rest| rest.strip_prefix(name));
        let Some(after) = header.and_then(|rest| rest.strip_prefix(' ')) else {
            return Ok(None);
        };
        let short = SectionError::Length { number };
        let (length, after) = after.split_once('\n').ok_or(short.clone())?;
        let length = parse_decimal(length)
            .and_then(|length| usize::try_from(length).ok())
            .ok_or(short.clone())?;
        let (content, after) = after.split_at_checked(length).ok_or(short)?;
        self.rest = after.strip_prefix('\n').ok_or(SectionError::Unended { number })?;
        self.number = number.saturating_add(1);
        Ok(Some(content))
    }

    fn one(&mut self, name: &str, expected: &'static str) -> Result<String, SectionError> {
        let missing = self.expected(expected);
        Ok(self.next(name)?.ok_or(missing)?.to_owned())
    }

    fn place(&mut self, name: &str, expected: &'static str) -> Result<Place, SectionError> {
        let missing = self.expected(expected);
        let text = self.next(name)?.ok_or(missing.clone())?;
        Place::parse(text).ok_or(missing)
    }

    fn signatures(&mut self) -> Result<Vec<String>, SectionError> {
        let mut signatures = Vec::new();
        while let Some(signature) = self.next("signature")? {
            signatures.push(signature.to_owned());
        }
        Ok(signatures)
    }

    fn cited(&mut self) -> Result<Vec<CitedText>, SectionError> {
        let mut cited = Vec::new();
        while let Some(entry) = self.next("entry")? {
            let opened = match self.next("key")? {
                None => None,
                Some(key) => Some(OpenedText {
                    key: key.to_owned(),
                    record: self.one("record", "`section record <length>`")?,
                }),
            };
            let proof = self.place("proof", "`section proof <length>` and a proof, after its entry")?;
            cited.push(CitedText {
                entry: entry.to_owned(),
                opened,
                proof,
            });
        }
        Ok(cited)
    }

    fn expected(&self, expected: &'static str) -> SectionError {
        SectionError::Expected {
            number: self.number,
            expected,
        }
    }
}
