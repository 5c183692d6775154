//! Drafts made ready for their turn: keys drawn, commitments computed, records sealed, here in the caller's thread.

use std::sync::Arc;

use evidence::commitment::commit;
use evidence::overseers::{Margin, Outline};

use super::{ENTRY_BYTES, Ledger};
use crate::append::{Draft, NotRecorded};
use crate::keys::{KeysError, random_key, seal_record};
use crate::payload::payload_bytes;
use crate::seal;
use crate::sequence::{Matter, Prepared, Sealed};
use crate::wal::frame_bytes;

/// Bytes that a seal adds to a record, at most, beside what is known of it: and that is less than the record.
const SEAL_BYTES: usize = 1024;

impl Ledger {
    /// Makes drafts ready. Also says how many bytes their frame has, at most.
    pub(super) fn prepare(&self, drafts: Vec<Draft>) -> Result<(Matter, usize), NotRecorded> {
        let contents = drafts.iter().fold(0_usize, |bytes, draft| {
            let body = draft.body.as_ref().map_or(0, String::len);
            let under_seal = match draft.seal {
                Some(_) => draft.record.len().saturating_add(SEAL_BYTES),
                None => 0,
            };
            bytes
                .saturating_add(draft.record.len())
                .saturating_add(under_seal)
                .saturating_add(body)
                .saturating_add(ENTRY_BYTES)
        });
        let bytes = frame_bytes(payload_bytes(drafts.len(), contents));
        if bytes > self.0.append_bytes {
            return Err(NotRecorded::TooLong {
                bytes,
                limit: self.0.append_bytes,
            });
        }
        let prepared = drafts
            .into_iter()
            .map(|draft| self.one(draft))
            .collect::<Result<_, NotRecorded>>()?;
        Ok((Matter::Drafts(prepared), bytes))
    }

    fn one(&self, mut draft: Draft) -> Result<Prepared, NotRecorded> {
        if draft.record.is_empty() {
            return Ok(Prepared { draft, sealed: None });
        }
        let unsealed = |error| NotRecorded::Keys(Arc::new(error));
        let drawn = || random_key().map_err(|_| NotRecorded::Random);
        let (mut key, nonce) = drawn()?;
        let commitment = commit(&key, &self.0.origin, &draft.record);
        if let Some(to) = draft.seal.take() {
            let outline = Outline::of(draft.kind, &draft.record).map_err(|_| NotRecorded::NotYours {
                what: "a record under seal that is none of its kind",
            })?;
            let sealed_key = seal::seal(&to, &self.0.origin, &commitment, &key)
                .map_err(|_| unsealed(KeysError::Overseers))?;
            seal_record(&key, &mut draft.record).map_err(unsealed)?;
            let margin = Margin {
                under: to.under,
                outline,
            };
            draft.record = seal::enclose(&margin, &sealed_key, &draft.record).map_err(unsealed)?;
            // The box has a key of its own: the entry's is with the overseers alone.
            (key, _) = drawn()?;
        }
        seal_record(&key, &mut draft.record).map_err(unsealed)?;
        let (key, in_use) = self.0.keys.wrap(&key, nonce).map_err(unsealed)?;
        let sealed = Sealed {
            key,
            commitment,
            _in_use: in_use,
        };
        Ok(Prepared {
            draft,
            sealed: Some(sealed),
        })
    }
}
