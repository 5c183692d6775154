//! All that is hashed or signed, and how a stranger checks it offline: ids, entries, records, directives, certificates, Merkle trees, notes, checkpoints.
//!
//! Pure: no clock, no network, no files, no async. Whoever wants the time hands it in.

pub mod certificate;
pub mod checkpoint;
pub mod commitment;
pub mod cosignature;
pub mod directive;
pub mod entry;
pub mod hash;
pub mod id;
pub mod note;
pub mod opening;
pub mod proof;
pub mod record;
pub mod signers;
pub mod subject;
pub mod tile;
pub mod tree;
pub mod witness;
pub mod witness_policy;
