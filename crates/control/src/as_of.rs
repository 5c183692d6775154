//! How things stood at a moment, read out of the ledger.

use evidence::entry::EntryError;
use jiff::Timestamp;
use ledger::{Ledger, ReadError};
use policy::as_of::{AsOf, Fold, FoldError};

/// Why it cannot be said how things stood.
#[derive(Debug, thiserror::Error)]
pub enum AsOfError {
    /// The ledger cannot be read.
    #[error("the ledger cannot be read")]
    Read(#[from] ReadError),
    /// An entry cannot be.
    #[error("an entry of the ledger cannot be read")]
    Entry(#[from] EntryError),
    /// Nor a record of control's.
    #[error(transparent)]
    Fold(#[from] FoldError),
}

/// How things stood at a moment, by the ledger alone. Reads all entries up to it. Blocks for the disk.
///
/// # Errors
/// An entry cannot be read.
pub fn as_of(ledger: &Ledger, at: Timestamp) -> Result<AsOf, AsOfError> {
    let mut fold = Fold::default();
    for stored in ledger.entries(0..ledger.size())? {
        let stored = stored?;
        let entry = stored.parse()?;
        if entry.time > at {
            break;
        }
        fold.take(stored.index, &entry, &stored.record)?;
    }
    Ok(fold.answer(at))
}
