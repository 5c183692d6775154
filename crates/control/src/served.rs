//! The control that is asked, which is exchanged when the estate's files are taken up anew, and the one whose estate was
//! applied last: that one goes on being watched until the other is applied.

use std::sync::Arc;

use tokio::sync::watch;

use crate::Control;

/// Control over the estate served, and over the one applied last. Clones are the same.
#[derive(Debug, Clone)]
pub struct Served {
    now: Arc<watch::Sender<Control>>,
    applied: Arc<watch::Sender<Control>>,
}

impl Served {
    /// One control for both.
    #[must_use]
    pub fn new(control: Control) -> Self {
        Self {
            now: Arc::new(watch::Sender::new(control.clone())),
            applied: Arc::new(watch::Sender::new(control)),
        }
    }

    /// The one over the estate served.
    #[must_use]
    pub fn now(&self) -> Control {
        self.now.borrow().clone()
    }

    /// Serves another from now on. Who has begun with the one before goes on with it.
    pub fn serve(&self, control: Control) {
        self.now.send_replace(control);
    }

    /// The estate of this one has been applied.
    pub fn applied(&self, control: Control) {
        self.applied.send_replace(control);
    }

    /// Wakes whenever an estate has been applied.
    #[must_use]
    pub fn applications(&self) -> watch::Receiver<Control> {
        self.applied.subscribe()
    }

    /// The one over the estate that stands in the databases, as far as one of the two does.
    #[must_use]
    pub fn standing(&self) -> Control {
        let now = self.now();
        if now.is_applied() {
            now
        } else {
            self.applied.borrow().clone()
        }
    }
}
