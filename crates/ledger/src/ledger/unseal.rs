//! What overseers opened is taken in: checked against the entries, recorded, and only then readable.

use std::sync::PoisonError;

use evidence::commitment::{self, OpeningKey};
use evidence::erasure::{Erased, MAX_BODY_BYTES};
use evidence::id::{HolderId, OverseersId};
use evidence::overseers::unsealing::{Answer, MAX_ASKED};
use evidence::record::{Clipped, RecordError, UnsealedRecord};
use jiff::Timestamp;

use super::{EraseError, Ledger};
use crate::append::{Draft, NotRecorded};
use crate::keys::{KeysError, open_record};
use crate::read::ReadError;

/// Most records that are open at a time: their keys stand in the ring, which is written whole.
const OPENED_MAX: usize = 100_000;

/// Records that overseers opened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unsealing {
    /// Index of the `unsealed` entry that says so.
    pub entry: u64,
    /// The time in it.
    pub time: Timestamp,
    /// Which entries can be read now.
    pub opened: Erased,
    /// How many.
    pub records: u64,
}

/// Why nothing was opened; or, where it says so, why it is not kept.
#[derive(Debug, thiserror::Error)]
pub enum UnsealError {
    /// An answer to another custodian.
    #[error("the answer is to another custodian")]
    Custodian,
    /// An entry that is not sealed to them.
    #[error("the record of entry {index} is not sealed to `{overseers}`, or was erased")]
    NotTheirs {
        /// Which entry.
        index: u64,
        /// To whom it should be.
        overseers: OverseersId,
    },
    /// A key that does not fit.
    #[error("the key for entry {index} does not open the record that its entry commits to")]
    Key {
        /// Which entry.
        index: u64,
    },
    /// Nothing that was not open already.
    #[error("nothing to open: all of these can be read already")]
    Nothing,
    /// Too many at once.
    #[error(
        "too many entries: at most {MAX_ASKED} at once, {OPENED_MAX} in all, in ranges that fit an entry"
    )]
    TooMany,
    /// An entry cannot be read.
    #[error("the ledger cannot be read")]
    Read(#[from] ReadError),
    /// It cannot be recorded.
    #[error("the opening cannot be recorded")]
    Draft(#[from] RecordError),
    /// It is not in the log, and nothing was opened.
    #[error("the opening cannot be recorded")]
    NotRecorded(#[from] NotRecorded),
    /// The key store failed. Where the entry is in the log already, handing the answer in again finishes it.
    #[error("the keys of the entries")]
    Keys(#[from] KeysError),
}

impl Ledger {
    /// Takes in what overseers opened. Those that are open already are left out. `by` is who hands it in. Blocks for the disk.
    ///
    /// # Errors
    /// See [`UnsealError`]: but for [`UnsealError::Keys`], nothing is opened then.
    pub fn unseal(&self, answer: &Answer, by: &str, at: Timestamp) -> Result<Unsealing, UnsealError> {
        let _erasing = self.0.erasing.lock().unwrap_or_else(PoisonError::into_inner);
        if answer.custodian != self.0.custodian {
            return Err(UnsealError::Custodian);
        }
        let mut opened: Vec<(u64, OpeningKey)> = Vec::new();
        for (index, key) in &answer.opened {
            if self.0.keys.is_opened(*index) {
                continue;
            }
            self.fits(*index, key, &answer.overseers)?;
            opened.push((*index, key.clone()));
        }
        if opened.is_empty() {
            return Err(UnsealError::Nothing);
        }
        let entries = Erased::of(&opened.iter().map(|(index, _)| *index).collect());
        let body = entries.unsealed_body();
        let all = opened.len().saturating_add(self.0.keys.opened());
        if body.len() > MAX_BODY_BYTES || opened.len() > MAX_ASKED || all > OPENED_MAX {
            return Err(UnsealError::TooMany);
        }
        let records = u64::try_from(opened.len()).unwrap_or(u64::MAX);
        let holders: Vec<HolderId> = answer.holders.clone();
        let draft = Draft::of(&UnsealedRecord {
            at,
            overseers: answer.overseers.clone(),
            holders,
            order: answer.order.as_deref().map(Clipped::from),
            by: Clipped::from(by),
            records,
        })?;
        let (matter, bytes) = self.prepare(vec![draft.with_body(body)])?;
        let receipt = self.submit(matter, bytes).wait()?;
        let kept = self.0.keys.keep_opened(opened, self.size());
        self.failing(kept.map_err(EraseError::from))
            .map_err(|error| match error {
                EraseError::Keys(error) => UnsealError::Keys(error),
                _ => UnsealError::Keys(KeysError::Crypto),
            })?;
        Ok(Unsealing {
            entry: receipt.first_index(),
            time: receipt.time(),
            opened: entries,
            records,
        })
    }

    /// Whether a key opens the record of an entry that is sealed to these overseers.
    fn fits(&self, index: u64, key: &OpeningKey, overseers: &OverseersId) -> Result<(), UnsealError> {
        let stored = self.entry(index)?;
        let sealed = stored
            .under_seal
            .as_ref()
            .filter(|sealed| sealed.margin.under.overseers == *overseers)
            .ok_or_else(|| UnsealError::NotTheirs {
                index,
                overseers: overseers.clone(),
            })?;
        let commitment = stored.parse().ok().and_then(|entry| entry.commitment);
        let record = open_record(key, &sealed.record)?;
        let fits = commitment
            .zip(record)
            .is_some_and(|(commitment, record)| commitment::check(&commitment, key, &self.0.origin, &record));
        if fits {
            Ok(())
        } else {
            Err(UnsealError::Key { index })
        }
    }
}

#[cfg(test)]
mod tests;
