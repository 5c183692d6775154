//! What overseers opened, handed in to whoever has the ledger open.

use evidence::overseers::unsealing::{Answer, UnsealingError};
use jiff::Timestamp;
use ledger::{Ledger, UnsealError};
use serde::{Deserialize, Serialize};

use crate::clock;

/// What is handed in.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct UnsealRequest {
    /// The overseers' answer, as they wrote it.
    pub answer: String,
    /// Who hands it in, as they say.
    pub by: String,
}

impl std::fmt::Debug for UnsealRequest {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("UnsealRequest")
            .field("by", &self.by)
            .finish_non_exhaustive()
    }
}

/// What became of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct UnsealAnswer {
    /// The entry that says so.
    pub entry: u64,
    /// When.
    pub time: Timestamp,
    /// Which entries can be read now: the first and last of each range.
    pub opened: Vec<(u64, u64)>,
    /// How many records.
    pub records: u64,
}

/// Why nothing was opened.
#[derive(Debug, thiserror::Error)]
pub enum UnsealingFault {
    /// The answer is none.
    #[error(transparent)]
    Answer(#[from] UnsealingError),
    /// The ledger does not take it.
    #[error(transparent)]
    Ledger(#[from] UnsealError),
}

/// Takes in an answer. Blocks for the disk.
///
/// # Errors
/// See [`UnsealingFault`].
pub fn unseal(ledger: &Ledger, asked: &UnsealRequest) -> Result<UnsealAnswer, UnsealingFault> {
    let answer = Answer::parse(&asked.answer)?;
    let done = ledger.unseal(&answer, &asked.by, clock::now())?;
    let ranges = done.opened.ranges().iter();
    Ok(UnsealAnswer {
        entry: done.entry,
        time: done.time,
        opened: ranges.map(|range| (*range.start(), *range.end())).collect(),
        records: done.records,
    })
}
