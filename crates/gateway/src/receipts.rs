//! Receipts for a session's statements: gathered while batches are released, signed, and said as a NOTICE before the next
//! `ReadyForQuery`, where ordinary clients show it.

use bytes::{Bytes, BytesMut};
use evidence::id::PartnerId;
use evidence::receipt::Leaf;
use ledger::{Ledger, Receipt};

use crate::batch::{Batch, Released};
use crate::limits::RECEIPT_LEAVES;
use crate::say::Say;

/// Leaves that the client has no receipt for yet.
#[derive(Debug)]
pub(crate) struct Receipts {
    wanted: bool,
    leaves: Vec<Leaf>,
}

impl Receipts {
    pub(crate) fn new(wanted: bool) -> Self {
        Self {
            wanted,
            leaves: Vec::new(),
        }
    }

    /// Whether the agreement has receipts sent.
    pub(crate) fn wanted(&mut self, wanted: bool) {
        self.wanted = wanted;
    }

    /// A batch whose records are durable. Of many leaves the newest are kept: each names the one before it, so the last stands for all.
    pub(crate) fn released(&mut self, batch: Batch, receipt: &Receipt) -> Released {
        if self.wanted {
            self.leaves.extend(receipt.leaves());
            let over = self.leaves.len().saturating_sub(RECEIPT_LEAVES);
            self.leaves.drain(..over);
        }
        Released::recorded(batch, receipt)
    }

    /// A batch, with the notice of what is due before the `ReadyForQuery` at its end, if it has one.
    pub(crate) fn before_ready(&mut self, batch: Released, ledger: &Ledger, partner: &PartnerId) -> Released {
        if !batch.ends_ready() {
            return batch;
        }
        match self.notice(ledger, partner) {
            Some(notice) => batch.before_ready(notice),
            None => batch,
        }
    }

    fn notice(&mut self, ledger: &Ledger, partner: &PartnerId) -> Option<Bytes> {
        let leaves = std::mem::take(&mut self.leaves);
        let last = leaves.last()?.index;
        // They are in order, and few.
        let signed = ledger.sign_receipt(partner, leaves).ok()?;
        let mut out = BytesMut::new();
        Say::receipt(last, signed).encode_notice(&mut out);
        Some(out.freeze())
    }
}
