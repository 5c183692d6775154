//! One entry, opened: its private record and the key of its commitment, with the proof that it stands in the log.
//!
//! Whoever holds it can show anybody what was recorded, and nobody can show anything else: the commitment was public before.
//! All other entries stay closed. The format stands in `docs/formats.md`.

use std::fmt;

use zeroize::Zeroizing;

use crate::checkpoint::{Checkpoint, CheckpointError};
use crate::commitment::{self, OpeningKey};
use crate::entry::text::parse_decimal;
use crate::entry::{Entry, EntryError, MAX_ENTRY_BYTES};
use crate::id::Origin;
use crate::note::VerifierKey;
use crate::proof::{ProofError, TlogProof};
use crate::record::MAX_RECORD_BYTES;

/// First line of every opening.
const HEADER: &str = "estop/opening/v1\n";

/// Longest opening in bytes: the longest record and entry, and far more than a proof has.
pub const MAX_OPENING_BYTES: usize = MAX_RECORD_BYTES + MAX_ENTRY_BYTES + (1 << 20);

/// An entry with all that opens it.
#[derive(Debug, PartialEq, Eq)]
pub struct Opening {
    /// Opens the entry's commitment.
    pub key: OpeningKey,
    /// The private record, byte for byte.
    pub record: Vec<u8>,
    /// The entry, byte for byte.
    pub entry: Vec<u8>,
    /// That it stands in the main log.
    pub proof: TlogProof,
}

/// What an opening that holds says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Opened {
    /// The checkpoint it stands under.
    pub checkpoint: Checkpoint,
    /// Where in the log.
    pub index: u64,
    /// The entry.
    pub entry: Entry,
}

/// An opening that cannot be read or does not hold.
#[derive(Debug, thiserror::Error)]
pub enum OpeningError {
    /// Not the form.
    #[error("not an opening: expected {0}")]
    Form(&'static str),
    /// The proof's text.
    #[error("the proof in it cannot be read")]
    Proof(#[source] ProofError),
    /// The proof does not hold.
    #[error("the entry is not proved to be in the log")]
    Unproved(#[source] ProofError),
    /// The checkpoint's first line.
    #[error("the checkpoint in it cannot be read")]
    Checkpoint(#[from] CheckpointError),
    /// Another log.
    #[error("it is about the log `{found}`; this key's main log is `{wanted}`")]
    OtherLog {
        /// The checkpoint's.
        found: Origin,
        /// The key's.
        wanted: String,
    },
    /// The entry's text.
    #[error("the entry in it is none")]
    Entry(#[from] EntryError),
    /// There is nothing to open.
    #[error("the entry has no private record")]
    NoRecord,
    /// Another record, or another key.
    #[error("the record is not what the entry committed to")]
    OtherRecord,
}

impl Opening {
    /// As text; with the key in it, so wiped when dropped.
    #[must_use]
    pub fn encode(&self) -> Zeroizing<Vec<u8>> {
        let key = self.key.reveal_text();
        let head = format!("{HEADER}key {}\nrecord {}\n", key.as_str(), self.record.len());
        let mut bytes = Zeroizing::new(head.into_bytes());
        bytes.extend_from_slice(&self.record);
        bytes.extend_from_slice(format!("\nentry {}\n", self.entry.len()).as_bytes());
        bytes.extend_from_slice(&self.entry);
        bytes.extend_from_slice(format!("\n{}", self.proof).as_bytes());
        bytes
    }

    /// Reads one. Only what [`Opening::encode`] writes is read.
    ///
    /// # Errors
    /// The bytes are anything else.
    pub fn parse(bytes: &[u8]) -> Result<Self, OpeningError> {
        let rest = bytes
            .strip_prefix(HEADER.as_bytes())
            .ok_or(OpeningError::Form("`estop/opening/v1`"))?;
        let (key, rest) = line(rest, "key ").ok_or(OpeningError::Form("`key` and 32 bytes in base64"))?;
        let key = key
            .parse()
            .map_err(|_| OpeningError::Form("`key` and 32 bytes in base64"))?;
        let (record, rest) = block(rest, "record ", MAX_RECORD_BYTES)
            .ok_or(OpeningError::Form("`record`, its length, and the record"))?;
        let (entry, rest) = block(rest, "entry ", MAX_ENTRY_BYTES)
            .ok_or(OpeningError::Form("`entry`, its length, and the entry"))?;
        let proof = std::str::from_utf8(rest).map_err(|_| OpeningError::Form("a proof, as text"))?;
        Ok(Self {
            key,
            record: record.to_vec(),
            entry: entry.to_vec(),
            proof: TlogProof::parse(proof).map_err(OpeningError::Proof)?,
        })
    }

    /// Checks that the record is what an entry of the custodian's main log committed to. `key` is the custodian's, under the custodian's
    /// name.
    ///
    /// # Errors
    /// What does not hold.
    pub fn verify(&self, key: &VerifierKey) -> Result<Opened, OpeningError> {
        let found = Checkpoint::peek(&self.proof.checkpoint)?.origin;
        let wanted = format!("{}/audit", key.name());
        if found.as_str() != wanted {
            return Err(OpeningError::OtherLog { found, wanted });
        }
        let checkpoint = self
            .proof
            .verify(&self.entry, &key.renamed(&found))
            .map_err(OpeningError::Unproved)?;
        let entry = Entry::parse(&self.entry)?;
        let commitment = entry.commitment.ok_or(OpeningError::NoRecord)?;
        if commitment::check(&commitment, &self.key, &found, &self.record) {
            Ok(Opened {
                checkpoint,
                index: self.proof.index,
                entry,
            })
        } else {
            Err(OpeningError::OtherRecord)
        }
    }
}

impl fmt::Display for Opened {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Checkpoint { origin, size, .. } = &self.checkpoint;
        write!(f, "entry {} of {origin}, which had {size} entries", self.index)
    }
}

/// The line that begins so, and what comes after it.
fn line<'b>(bytes: &'b [u8], begins: &str) -> Option<(&'b str, &'b [u8])> {
    let end = bytes.iter().position(|byte| *byte == b'\n')?;
    let (line, rest) = bytes.split_at_checked(end)?;
    let line = std::str::from_utf8(line).ok()?.strip_prefix(begins)?;
    Some((line, rest.get(1..)?))
}

/// A length, and so many bytes with a line feed after them.
fn block<'b>(bytes: &'b [u8], begins: &str, most: usize) -> Option<(&'b [u8], &'b [u8])> {
    let (length, rest) = line(bytes, begins)?;
    let length = usize::try_from(parse_decimal(length)?)
        .ok()
        .filter(|length| *length <= most)?;
    let (block, rest) = rest.split_at_checked(length)?;
    Some((block, rest.strip_prefix(b"\n")?))
}

#[cfg(test)]
mod tests;
