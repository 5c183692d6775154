//! Receipts: what a custodian has signed to stand in a partner's log, so that the partner can prove it if it does not.
//!
//! A receipt names the log, and leaves by index and hash. The log's signed checkpoint and an inclusion proof say what stands
//! there: either the same, or another leaf, and then custodian's key has signed both. The format stands in `docs/formats.md`.

use std::fmt::Write as _;

use jiff::Timestamp;

use crate::checkpoint::{Checkpoint, CheckpointError};
use crate::entry::text as form;
use crate::hash::Hash;
use crate::id::Origin;
use crate::lines::{LineError, Lines};
use crate::note::{self, NoteError, SignerKey, Text, VerifierKey};
use crate::tree::{HashReader, ProofError, ProveError, ReadError, check_inclusion, prove_inclusion};

/// First line of every receipt.
const HEADER: &str = "estop/receipt/v1";

/// Most leaves of one receipt: they fit a note.
pub const MAX_LEAVES: usize = 8_000;

/// A leaf that a receipt is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Leaf {
    /// Its index in the log.
    pub index: u64,
    /// Its hash.
    pub hash: Hash,
    /// The time in its entry.
    pub time: Timestamp,
}

/// A receipt for leaves of one log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Receipt {
    /// The log.
    pub log: Origin,
    /// When it was issued, in whole seconds.
    pub issued: Timestamp,
    /// The leaves, in order; at least one, at most [`MAX_LEAVES`].
    pub leaves: Vec<Leaf>,
}

/// A receipt that cannot be made, read or trusted.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ReceiptError {
    /// A line is missing, out of order, or has another form.
    #[error("not a receipt")]
    Line(#[from] LineError),
    /// Leaves are missing, too many or out of order.
    #[error("a receipt is for 1 to {MAX_LEAVES} leaves, in order")]
    Leaves,
    /// A time with a fraction of a second, or of a year beyond 9999.
    #[error("the times of a receipt are whole seconds of the years 0 to 9999")]
    Time,
    /// Not a note that the custodian's key signed.
    #[error("the receipt is not signed by the custodian")]
    Signature(#[from] NoteError),
    /// A log of another custodian than the key's.
    #[error("the receipt is for the log `{found}`, which is none of `{wanted}`")]
    OtherCustodian {
        /// The log it names.
        found: Origin,
        /// The key's name.
        wanted: Origin,
    },
}

/// What the log says of a leaf that there is a receipt for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Standing {
    /// It stands where the receipt says.
    Included,
    /// Another leaf stands there: the custodian has signed both.
    Other {
        /// That leaf.
        found: Hash,
        /// The hashes from it to the checkpoint's root.
        proof: Vec<Hash>,
    },
    /// The checkpoint's tree ends before it.
    Beyond,
}

/// Why it cannot be said how a receipt stands.
#[derive(Debug, thiserror::Error)]
pub enum StandingError {
    /// The log's checkpoint.
    #[error("the log's checkpoint is not the custodian's")]
    Checkpoint(#[from] CheckpointError),
    /// The log's tiles could not be read.
    #[error("the log's tiles cannot be read")]
    Read(#[from] ReadError),
    /// They give no proof.
    #[error("the log's tiles give no proof")]
    Prove(#[from] ProveError),
    /// They do not fit the checkpoint.
    #[error("the log's tiles are not those of its checkpoint")]
    Tiles(#[from] ProofError),
}

impl Receipt {
    /// The receipt as a file: a note signed by the custodian's key under its bare name.
    ///
    /// # Errors
    /// It has no leaves, too many, or times that cannot stand in it.
    pub fn sign(&self, key: &SignerKey) -> Result<String, ReceiptError> {
        self.check()?;
        Ok(note::sign(&Text::new(self.text())?, key))
    }

    /// Reads a receipt that the custodian's key has signed, for a log of that custodian.
    ///
    /// # Errors
    /// It is none, or is not signed by this key.
    pub fn open(file: &str, key: &VerifierKey) -> Result<Self, ReceiptError> {
        let text = note::open(file, key)?;
        let receipt = Self::parse(text.as_str())?;
        let of_custodian = receipt
            .log
            .as_str()
            .strip_prefix(key.name().as_str())
            .is_some_and(|rest| rest.starts_with('/'));
        if of_custodian {
            Ok(receipt)
        } else {
            Err(ReceiptError::OtherCustodian {
                found: receipt.log,
                wanted: key.name().clone(),
            })
        }
    }

    fn check(&self) -> Result<(), ReceiptError> {
        let in_order = self.leaves.is_sorted_by(|one, next| one.index < next.index);
        if !(1..=MAX_LEAVES).contains(&self.leaves.len()) || !in_order {
            return Err(ReceiptError::Leaves);
        }
        let mut times = self.leaves.iter().map(|leaf| leaf.time).chain([self.issued]);
        if times.any(|time| form::format_time(time).is_none()) {
            return Err(ReceiptError::Time);
        }
        Ok(())
    }

    fn text(&self) -> String {
        let mut text = format!("{HEADER}\nlog {}\nissued {}\n", self.log, self.issued);
        for Leaf { index, hash, time } in &self.leaves {
            // Writing to a string cannot fail.
            let _ = writeln!(text, "leaf {index} {hash} {time}");
        }
        text
    }

    fn parse(text: &str) -> Result<Self, ReceiptError> {
        let mut lines = Lines::of(text, HEADER, "`estop/receipt/v1`")?;
        let log = lines.read("log", "`log` and its origin", |text| text.parse().ok())?;
        let issued = lines.read("issued", "`issued` and a time", form::parse_time)?;
        let mut leaves = Vec::new();
        while lines.end().is_err() {
            if leaves.len() == MAX_LEAVES {
                return Err(ReceiptError::Leaves);
            }
            leaves.push(lines.read("leaf", "`leaf`, an index, a hash and a time", leaf)?);
        }
        let receipt = Self { log, issued, leaves };
        receipt.check()?;
        Ok(receipt)
    }
}

impl Leaf {
    /// How it stands in the log, by a checkpoint of it and its tiles.
    ///
    /// # Errors
    /// The tiles cannot be read, or are not those of the checkpoint.
    pub fn standing(
        &self,
        checkpoint: &Checkpoint,
        tiles: &impl HashReader,
    ) -> Result<Standing, StandingError> {
        let Checkpoint { size, root, .. } = checkpoint;
        if self.index >= *size {
            return Ok(Standing::Beyond);
        }
        let found = tiles.read(0, self.index)?;
        let proof = prove_inclusion(self.index, *size, tiles)?;
        check_inclusion(self.index, *size, &found, root, &proof)?;
        Ok(if found == self.hash {
            Standing::Included
        } else {
            Standing::Other { found, proof }
        })
    }
}

fn leaf(text: &str) -> Option<Leaf> {
    let mut words = text.split(' ');
    let leaf = Leaf {
        index: form::parse_decimal(words.next()?)?,
        hash: words.next()?.parse().ok()?,
        time: form::parse_time(words.next()?)?,
    };
    words.next().is_none().then_some(leaf)
}

#[cfg(test)]
mod tests;
