//! Where the time of entries comes from.

use std::fmt;

use jiff::Timestamp;

/// A clock, handed in by whoever opens the ledger. It may jump: entries' times never go back.
pub trait Clock: fmt::Debug + Send + Sync {
    /// The present time.
    fn now(&self) -> Timestamp;
}
