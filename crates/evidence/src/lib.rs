//! All that is hashed or signed, and how a stranger checks it offline: ids, entries, records, directives, certificates, notices of corrections, Merkle trees, notes, checkpoints.
//!
//! Pure: no clock, no network, no files, no async. Whoever wants the time hands it in.

pub mod certificate;
pub mod checkpoint;
pub mod commitment;
pub mod correction;
pub mod cosignature;
pub mod directive;
pub mod entry;
pub mod erasure;
pub mod hash;
pub mod id;
pub mod lines;
pub mod note;
pub mod opening;
pub mod overseers;
pub mod proof;
pub mod receipt;
pub mod record;
pub mod signers;
pub mod subject;
pub mod tile;
pub mod tree;
pub mod witness;
pub mod witness_policy;
