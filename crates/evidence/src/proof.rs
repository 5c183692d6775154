//! Proofs that travel (C2SP tlog-proof): an entry's index, the hashes beside its way to the root, and a
//! signed checkpoint.
//!
//! With the entry's bytes and the log's public key they are all that is needed to check, offline, that the
//! entry stands in the log. The format's optional `extra` line is refused: nothing covers it.

use std::fmt;
use std::str::FromStr;

use crate::checkpoint::{Checkpoint, CheckpointError};
use crate::entry::text::parse_decimal;
use crate::hash::{self, Hash};
use crate::note::VerifierKey;
use crate::tree;

/// First line of every proof.
const HEADER: &str = "c2sp.org/tlog-proof@v1";

/// A proof that one entry stands in one log. Its text is the C2SP one, as kept in `.tlog-proof` files.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TlogProof {
    /// Index of the entry in the log, from 0.
    pub index: u64,
    /// The hashes beside the way from the entry to the root, from the entry upwards.
    pub hashes: Vec<Hash>,
    /// The signed checkpoint, verbatim.
    pub checkpoint: String,
}

/// A proof that cannot be read or does not hold.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ProofError {
    /// The text has another form.
    #[error("line {line} of the proof: expected {expected}")]
    Line {
        /// Number of the line, from 1.
        line: usize,
        /// What should stand there.
        expected: &'static str,
    },
    /// The checkpoint in it.
    #[error("the checkpoint in the proof cannot be trusted")]
    Checkpoint(#[from] CheckpointError),
    /// The way to the root.
    #[error("the entry does not stand at index {index} of the log")]
    Inclusion {
        /// The index in the proof.
        index: u64,
        /// What is wrong with it.
        #[source]
        source: tree::ProofError,
    },
}

impl TlogProof {
    /// Reads a proof. Only what `Display` writes is read.
    ///
    /// # Errors
    /// The text is anything else.
    pub fn parse(text: &str) -> Result<Self, ProofError> {
        let (head, checkpoint) = text.split_once("\n\n").ok_or(ProofError::Line {
            line: 1,
            expected: "a proof, an empty line and a checkpoint",
        })?;
        let mut lines = (1..).zip(head.split('\n'));
        if lines.next().map(|(_, line)| line) != Some(HEADER) {
            return Err(ProofError::Line {
                line: 1,
                expected: "`c2sp.org/tlog-proof@v1`",
            });
        }
        let index = lines
            .next()
            .and_then(|(_, line)| line.strip_prefix("index "))
            .and_then(parse_decimal)
            .ok_or(ProofError::Line {
                line: 2,
                expected: "`index` and a count without leading zeros",
            })?;
        let mut hashes = Vec::new();
        for (line, text) in lines {
            if hashes.len() == tree::LEVELS {
                return Err(ProofError::Line {
                    line,
                    expected: "an empty line: no proof has more hashes",
                });
            }
            hashes.push(text.parse().map_err(|_| ProofError::Line {
                line,
                expected: "32 bytes in base64",
            })?);
        }
        Checkpoint::peek(checkpoint)?;
        Ok(Self {
            index,
            hashes,
            checkpoint: checkpoint.to_owned(),
        })
    }

    /// Checks that `entry`, byte for byte, is leaf `index` of the log that signs with `key`, whose name is
    /// the log's origin. Gives the checkpoint it stands under.
    ///
    /// # Errors
    /// What does not hold.
    pub fn verify(&self, entry: &[u8], key: &VerifierKey) -> Result<Checkpoint, ProofError> {
        let checkpoint = Checkpoint::open(&self.checkpoint, key)?;
        tree::check_inclusion(
            self.index,
            checkpoint.size,
            &hash::leaf(entry),
            &checkpoint.root,
            &self.hashes,
        )
        .map_err(|source| ProofError::Inclusion {
            index: self.index,
            source,
        })?;
        Ok(checkpoint)
    }
}

impl fmt::Display for TlogProof {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{HEADER}\nindex {}", self.index)?;
        for hash in &self.hashes {
            writeln!(f, "{hash}")?;
        }
        write!(f, "\n{}", self.checkpoint)
    }
}

impl FromStr for TlogProof {
    type Err = ProofError;

    fn from_str(text: &str) -> Result<Self, ProofError> {
        Self::parse(text)
    }
}

#[cfg(test)]
mod tests;
