//! Whether an approved directive can be accepted here and now.

use evidence::directive::{Approved, Directive, Order};
use evidence::hash::{self, Hash};
use evidence::tree::Edge;

use crate::Control;
use crate::error::ControlError;

impl Control {
    /// Number and nonce are new, the scope exists, and the ledger it was drawn up over is this one.
    pub(super) async fn check_acceptable(&self, approved: &Approved<Directive>) -> Result<(), ControlError> {
        if let Some(earlier) = self.known().with_nonce(&approved.nonce) {
            let (number, earlier) = (approved.number.clone(), earlier.directive.number.clone());
            return Err(ControlError::NonceUsed { number, earlier });
        }
        match &approved.order {
            Order::Approve(terms) => self.check_terms(terms)?,
            Order::Terminate(scope) => self.check_scope(scope)?,
        }
        let (size, root) = (approved.ledger_size, approved.ledger_root);
        if self.root_at(size).await? == Some(root) {
            Ok(())
        } else {
            Err(ControlError::ForeignLedger(size))
        }
    }

    /// The root of the main log when it had this size; none if it never had. Known at once for sizes at which a directive
    /// was drawn up here; any other is computed from the entries.
    async fn root_at(&self, size: u64) -> Result<Option<Hash>, ControlError> {
        if size > self.0.ledger.size() {
            return Ok(None);
        }
        if let Some(root) = self.0.store.drawn_up(size)? {
            return Ok(Some(root));
        }
        let ledger = self.0.ledger.clone();
        let computing = tokio::task::spawn_blocking(move || {
            let mut edge = Edge::empty();
            for stored in ledger
                .entries(0..size)
                .map_err(ControlError::ledger("reading it from the start"))?
            {
                let stored = stored.map_err(ControlError::ledger("reading it from the start"))?;
                edge.push(hash::leaf(&stored.entry), &mut |_| {});
            }
            Ok((edge.size() == size).then(|| edge.root()))
        });
        computing
            .await
            .map_err(ControlError::ledger("computing an old root"))?
    }
}
