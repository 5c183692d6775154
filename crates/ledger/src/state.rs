//! The ledger's intent: sizes and roots of all logs at one point of the write-ahead log, durable before any checkpoint of
//! these sizes is signed.
//!
//! It is both the guard against a second root for one size and the point where recovery begins. Its file is one line
//! with the SHA-256 of the rest, then JSON.

use std::collections::BTreeMap;

use evidence::hash::{Hash, sha256};
use evidence::id::{Origin, PartnerId};
use serde::{Deserialize, Serialize};

use crate::disk::{Access, Disk, Fault, read_whole, replace};
use crate::sequence::Status;
use crate::wal::Position;

/// Path of the file.
pub(crate) const PATH: &str = "state";

/// Longest file that is read: 256 partner logs take less than 100 kB.
const MAX_BYTES: u64 = 1 << 20;

const HEADER: &str = "estop/ledger-state/v1 ";

/// All logs at one point.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct State {
    pub(crate) origin: Origin,
    pub(crate) wal: WalPosition,
    /// Time of the last entry in seconds since 1970.
    pub(crate) time: i64,
    pub(crate) size: u64,
    pub(crate) root: Hash,
    pub(crate) partners: BTreeMap<PartnerId, PartnerState>,
}

/// One partner's log.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct PartnerState {
    pub(crate) size: u64,
    pub(crate) root: Hash,
    /// Hash of the last leaf.
    pub(crate) last: Hash,
    pub(crate) status: Status,
}

/// A [`Position`] as it is stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct WalPosition {
    segment: u64,
    offset: u64,
    seq: u64,
    chain: u32,
}

impl From<Position> for WalPosition {
    fn from(
        Position {
            segment,
            offset,
            seq,
            chain,
        }: Position,
    ) -> Self {
        Self {
            segment,
            offset,
            seq,
            chain,
        }
    }
}

impl From<WalPosition> for Position {
    fn from(
        WalPosition {
            segment,
            offset,
            seq,
            chain,
        }: WalPosition,
    ) -> Self {
        Self {
            segment,
            offset,
            seq,
            chain,
        }
    }
}

impl State {
    /// Makes it the ledger's intent, durably.
    pub(crate) fn store(&self, disk: &dyn Disk) -> Result<(), Fault> {
        let json = serde_json::to_string_pretty(self).map_err(std::io::Error::from)?;
        let text = format!("{HEADER}{}\n{json}\n", sha256(format!("{json}\n").as_bytes()));
        replace(disk, PATH, text.as_bytes(), Access::Private)
    }

    /// The last intent; `None` if there is none, or none that is whole.
    pub(crate) fn load(disk: &dyn Disk) -> std::io::Result<Option<Self>> {
        let bytes = read_whole(disk, PATH, MAX_BYTES)?;
        Ok(bytes.and_then(|bytes| Self::parse(&bytes)))
    }

    fn parse(bytes: &[u8]) -> Option<Self> {
        let (head, json) = std::str::from_utf8(bytes).ok()?.split_once('\n')?;
        let sum: Hash = head.strip_prefix(HEADER)?.parse().ok()?;
        if sha256(json.as_bytes()) != sum {
            return None;
        }
        serde_json::from_str(json).ok()
    }
}
