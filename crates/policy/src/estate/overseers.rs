//! Overseers: people to whom records are sealed, and who open them together.

use std::collections::BTreeSet;

use evidence::hash::Hash;
use evidence::id::{HolderId, OverseersId};

/// `[overseers.NAME]` of `estop.toml`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Overseers {
    /// What they are called.
    pub id: OverseersId,
    /// Their X25519 public key.
    pub key: Hash,
    /// How many of them open.
    pub threshold: u8,
    /// Who has a share of the private half.
    pub holders: BTreeSet<HolderId>,
}
