//! Applications that were begun and not finished: killed, or failed half-way. Said by `plan`, `drift`, `status` and the watch
//! until one is finished (decision 0026).

use std::sync::atomic::{AtomicBool, Ordering};

use evidence::record::Unfinished;

use crate::Control;
use crate::applying::Coming;
use crate::approving::ApprovedEstate;
use crate::error::ControlError;

/// An application is at work in this process until it is dropped.
pub(crate) struct AtWork<'a>(&'a AtomicBool);

impl<'a> AtWork<'a> {
    pub(crate) fn new(flag: &'a AtomicBool) -> Self {
        flag.store(true, Ordering::SeqCst);
        Self(flag)
    }
}

impl Drop for AtWork<'_> {
    fn drop(&mut self) {
        self.0.store(false, Ordering::SeqCst);
    }
}

impl Control {
    /// The application that was begun last, if it was not finished and is not at work now. What differs from the estate can
    /// be what it left undone.
    ///
    /// # Errors
    /// The register cannot be read.
    pub fn unfinished(&self) -> Result<Option<Unfinished>, ControlError> {
        let at_work = || self.0.applying.load(Ordering::SeqCst);
        // One that begins or ends while the register is read has not failed.
        let before = at_work();
        let found = self.0.store.unfinished()?;
        Ok(found.filter(|_| !before && !at_work()))
    }

    /// Keeps that something is about to be changed, before it is: once for an application.
    pub(crate) fn begin_applying(
        &self,
        approved: &ApprovedEstate,
        coming: &Coming,
    ) -> Result<(), ControlError> {
        if coming.begun.swap(true, Ordering::SeqCst) {
            return Ok(());
        }
        self.0.store.keep_unfinished(Some(&Unfinished {
            begun: self.0.clock.now(),
            estate_sha256: self.0.estate_hash.to_hex(),
            approval: approved.number().clone(),
        }))
    }

    /// Keeps that all of an application is done.
    pub(crate) fn end_applying(&self) -> Result<(), ControlError> {
        if self.0.store.unfinished()?.is_none() {
            return Ok(());
        }
        self.0.store.keep_unfinished(None)
    }
}
