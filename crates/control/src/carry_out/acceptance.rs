//! Whether an approved directive can be accepted here and now.

use evidence::directive::{Approved, Directive, Order};
use evidence::hash::{self, Hash};
use evidence::id::DirectiveNumber;
use evidence::tree::Edge;
use jiff::Timestamp;

use crate::Control;
use crate::error::ControlError;

impl Control {
    /// Number and nonce are new, the scope exists, the ledger it was drawn up over is this one, and it does what those who
    /// signed were told, or what whoever hands it in has seen.
    pub(super) async fn check_acceptable(
        &self,
        approved: &Approved<Directive>,
        despite: Option<&str>,
    ) -> Result<(), ControlError> {
        if let Some(earlier) = self.known().with_nonce(&approved.nonce) {
            let (number, earlier) = (approved.number.clone(), earlier.directive.number.clone());
            return Err(ControlError::NonceUsed { number, earlier });
        }
        match &approved.order {
            Order::Approve(terms) => self.check_terms(terms)?,
            Order::Terminate(scope) => self.check_scope(scope)?,
            Order::Suspend(suspension) => {
                self.check_scope(&suspension.scope)?;
                self.check_not_over(&approved.number, suspension.until)?;
            }
            Order::Reinstate(reinstatement) => self.check_liftable(reinstatement)?,
        }
        let (size, root) = (approved.ledger_size, approved.ledger_root);
        if self.root_at(size).await? != Some(root) {
            return Err(ControlError::ForeignLedger(size));
        }
        self.check_preview(approved, despite)
    }

    fn check_preview(
        &self,
        approved: &Approved<Directive>,
        despite: Option<&str>,
    ) -> Result<(), ControlError> {
        let (Some(signed), Some(preview)) = (approved.preview, self.preview(&approved.order)?) else {
            return Ok(());
        };
        let now = hash::sha256(preview.as_bytes());
        if signed == now || despite == Some(now.to_hex().as_str()) {
            return Ok(());
        }
        Err(ControlError::OtherPreview {
            number: approved.number.clone(),
            preview,
            sha256: now.to_hex(),
        })
    }

    /// A suspension is not over yet.
    pub(crate) fn check_not_over(
        &self,
        number: &DirectiveNumber,
        until: Timestamp,
    ) -> Result<(), ControlError> {
        if until > self.0.clock.now() {
            Ok(())
        } else {
            let number = number.clone();
            Err(ControlError::Over { number, until })
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
