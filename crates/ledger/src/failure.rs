//! What ends a ledger for good.

use std::io;

use evidence::id::Origin;

/// Why the ledger can no longer be trusted by this process. The process must end; what the ledger holds is found out when
/// it is opened again.
#[derive(Debug, thiserror::Error)]
pub enum Failure {
    /// A sync failed, so that what is on the disk is not known.
    #[error("a sync of the ledger's storage failed")]
    Unsynced(#[source] io::Error),
    /// A published file has other contents than the write-ahead log gives it.
    #[error(
        "`{path}` is not what the write-ahead log says it is: restore it, or remove it to have it written again"
    )]
    Conflict {
        /// The file, relative to the ledger's folder.
        path: String,
    },
    /// What was recorded cannot be read back.
    #[error("the write-ahead log cannot be read back at entry {index}")]
    Unreadable {
        /// Index of the first entry that cannot be read.
        index: u64,
    },
    /// A log would get a second root for a size that was signed.
    #[error("log `{origin}` would have two roots for size {size}")]
    Forked {
        /// The log.
        origin: Origin,
        /// The size.
        size: u64,
    },
    /// One of the ledger's threads ended in a way it never should.
    #[error("a thread of the ledger ended unexpectedly")]
    Thread,
}
