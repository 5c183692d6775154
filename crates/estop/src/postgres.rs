//! A scratch PostgreSQL server for the demo and for tests: found, made, started, stopped.
//!
//! It listens on a Unix socket only, in a directory that no other account of the machine can enter; every login on it needs a
//! password (SCRAM), the superuser's included. It runs as an ordinary account, since PostgreSQL refuses to run as root.

mod account;
mod binaries;
pub(crate) mod programs;
mod scratch;

pub use account::Account;
pub use binaries::Binaries;
pub use scratch::{ADMIN, Scratch};

use std::path::PathBuf;
use std::process::ExitStatus;

use crate::files::FileError;

/// Why there is no scratch server.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PostgresError {
    /// No `initdb` and `postgres` anywhere.
    #[error(
        "PostgreSQL is not installed: no `initdb` beside `pg_config --bindir`, in `/usr/lib/postgresql/*/bin` or on `PATH`; \
         on Debian: `{APT}`"
    )]
    Missing,
    /// Started by root on a machine without an ordinary account.
    #[error(
        "started by root, and there is neither an account `postgres` nor `nobody` in `/etc/passwd` to run PostgreSQL as"
    )]
    NoAccount,
    /// No temporary directory that the server's account can reach and whose path leaves room for a socket.
    #[error(
        "no temporary directory that account `{account}` can reach with a path of at most {limit} bytes: set `TMPDIR` to one"
    )]
    NoDirectory {
        /// Whom the server was to run as.
        account: String,
        /// Longest usable path, in bytes.
        limit: usize,
    },
    /// A file operation failed.
    #[error(transparent)]
    File(#[from] FileError),
    /// A program could not be run at all.
    #[error("cannot run `{}`", program.display())]
    Run {
        /// Which.
        program: PathBuf,
        /// The system's answer.
        #[source]
        source: std::io::Error,
    },
    /// A program ran and failed.
    #[error("`{program}` ended with {status}; its last words: {words}")]
    Failed {
        /// Which.
        program: &'static str,
        /// How it ended.
        status: ExitStatus,
        /// The tail of what it printed.
        words: String,
    },
    /// The server did not become ready in time.
    #[error("PostgreSQL was not ready after {seconds} s; its last words: {words}")]
    NotReady {
        /// How long was waited.
        seconds: u64,
        /// The tail of its log.
        words: String,
    },
    /// No randomness for the superuser's password.
    #[error("the system gave no random bytes for the superuser's password")]
    Random,
}

/// What puts PostgreSQL on a Debian machine.
pub const APT: &str = "apt-get install -y --no-install-recommends postgresql";
