//! Makes an append durable and public.
//!
//! Appends wait in a bounded queue; one thread gives them their places and makes them durable, many with one write and one
//! sync; another reads them back and grows the trees, tiles and checkpoints that the public sees. `Receipt` is the proof, to
//! other code of this process, that the first has happened. Nothing here knows SQL or sessions.

pub mod accounting;
mod append;
mod clock;
mod committer;
pub mod cosigning;
mod disk;
mod failure;
mod grow;
mod index;
mod integrator;
mod keys;
mod ledger;
pub mod look;
mod payload;
mod public;
mod queue;
mod read;
mod recover;
pub mod register;
pub mod seal;
mod sequence;
mod shared;
mod state;
mod verify;
mod wal;
pub mod witness;

pub use append::{Draft, NotRecorded, Pending, Receipt, Withheld};
pub use clock::Clock;
pub use failure::Failure;
pub use integrator::{Checkpoints, SignedCheckpoint};
pub use keys::KeysError;
pub use ledger::{
    CHECKPOINT_EVERY, Config, ERASED_MAX, EraseError, Erasure, Ledger, MAX_SEGMENT_BYTES, MIN_SEGMENT_BYTES,
    PartnerLog, SEGMENT_BYTES, UnsealError, Unsealing,
};
pub use read::{Entries, ReadError, Stored};
pub use recover::OpenError;
pub use sequence::Status;
pub use shared::CheckpointError;
pub use verify::{Finding, PartnerReport, Report, VerifyError, verify};
