//! What the tests of the whole ledger share.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use evidence::entry::Kind;
use evidence::id::PartnerId;
use evidence::note::SignerKey;
use jiff::Timestamp;
use ledger::{Clock, Config, Draft, Ledger, MIN_SEGMENT_BYTES};

/// A clock that stands still: times are not what these tests are about.
#[derive(Debug)]
pub(crate) struct Still;

impl Clock for Still {
    fn now(&self) -> Timestamp {
        Timestamp::from_second(1_795_392_000).unwrap()
    }
}

/// The custodian's key.
pub(crate) fn key() -> SignerKey {
    SignerKey::generate([7; 32], "records.example.org".parse().unwrap())
}

/// Small segments and frequent checkpoints, so that every seam is met often.
pub(crate) fn config(dir: &Path) -> Config {
    let mut config = Config::new(
        dir.to_owned(),
        "records.example.org".parse().unwrap(),
        key(),
        Arc::new(Still),
    );
    config.segment_bytes = MIN_SEGMENT_BYTES;
    config.checkpoint_every = Duration::from_millis(20);
    config
}

/// Opens the ledger of a folder so.
pub(crate) fn open(dir: &Path) -> Ledger {
    Ledger::open(config(dir)).unwrap()
}

/// A partner.
pub(crate) fn partner(name: &str) -> PartnerId {
    name.parse().unwrap()
}

/// A draft with a record.
pub(crate) fn draft(kind: Kind, name: &str, record: &str) -> Draft {
    Draft::new(kind, record.as_bytes().to_vec()).with_partner(partner(name))
}
