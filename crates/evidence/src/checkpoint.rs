//! Checkpoints (C2SP tlog-checkpoint): a log's origin, size and root, as the text of a signed note.
//!
//! Extension lines are refused: witnesses that sign with ML-DSA do not sign them, so whoever reads one cannot
//! know who stands for it.

use crate::entry::text::parse_decimal;
use crate::hash::Hash;
use crate::id::Origin;
use crate::note::{self, Note, NoteError, SignerKey, Text, VerifierKey};

/// The head of a log's tree at one size.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Checkpoint {
    /// Which log.
    pub origin: Origin,
    /// How many leaves.
    pub size: u64,
    /// The root of the tree of these leaves.
    pub root: Hash,
}

/// A checkpoint that cannot be read or trusted.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CheckpointError {
    /// The note around it.
    #[error("the checkpoint is no note that can be trusted")]
    Note(#[from] NoteError),
    /// The text has another form.
    #[error("line {line} of the checkpoint: expected {expected}")]
    Line {
        /// Number of the line, from 1.
        line: usize,
        /// What should stand there.
        expected: &'static str,
    },
    /// It is one of another log.
    #[error("the checkpoint is one of the log `{found}`, not of `{expected}`")]
    Origin {
        /// The log whose key was given.
        expected: Origin,
        /// The log in the checkpoint.
        found: Origin,
    },
}

impl Checkpoint {
    /// The text that is signed: origin, size in decimal, root in base64, each on a line.
    pub fn to_text(&self) -> String {
        format!("{}\n{}\n{}\n", self.origin, self.size, self.root)
    }

    /// Reads what [`Checkpoint::to_text`] writes.
    ///
    /// # Errors
    /// The text is anything else.
    pub fn parse(text: &str) -> Result<Self, CheckpointError> {
        let mut lines = text.split('\n');
        let checkpoint = Self {
            origin: line(&mut lines, 1, "the log's origin", |text| text.parse().ok())?,
            size: line(
                &mut lines,
                2,
                "the size, a count without leading zeros",
                parse_decimal,
            )?,
            root: line(&mut lines, 3, "the root, 32 bytes in base64", |text| {
                text.parse().ok()
            })?,
        };
        line(&mut lines, 4, "nothing: extension lines are refused", |text| {
            text.is_empty().then_some(())
        })?;
        match lines.next() {
            None => Ok(checkpoint),
            Some(_) => Err(CheckpointError::Line {
                line: 5,
                expected: "nothing",
            }),
        }
    }

    /// The signed note of this checkpoint. It is signed under the origin, whatever name `key` has.
    pub fn sign(&self, key: &SignerKey) -> String {
        note::sign(&Text::of_checkpoint(self), &key.renamed(&self.origin))
    }

    /// The checkpoint in a note that `key` has signed, which must have the log's origin as its name.
    ///
    /// # Errors
    /// The note cannot be trusted, its text is no checkpoint, or one of another log.
    pub fn open(note: &str, key: &VerifierKey) -> Result<Self, CheckpointError> {
        let text = note::open(note, key)?;
        let checkpoint = Self::parse(text.as_str())?;
        if checkpoint.origin != *key.name() {
            return Err(CheckpointError::Origin {
                expected: key.name().clone(),
                found: checkpoint.origin,
            });
        }
        Ok(checkpoint)
    }

    /// The checkpoint in a note, whoever may have signed it: for finding out which key to ask for, never for
    /// trust.
    ///
    /// # Errors
    /// It is no note, or its text is no checkpoint.
    pub fn peek(note: &str) -> Result<Self, CheckpointError> {
        Self::parse(Note::parse(note)?.text())
    }
}

fn line<'a, T>(
    lines: &mut impl Iterator<Item = &'a str>,
    number: usize,
    expected: &'static str,
    read: impl FnOnce(&str) -> Option<T>,
) -> Result<T, CheckpointError> {
    lines.next().and_then(read).ok_or(CheckpointError::Line {
        line: number,
        expected,
    })
}

#[cfg(test)]
mod tests;
