//! A register: small values under names, changed by compare-and-swap and watched. What is in force lives here; what happened
//! lives in the log, from which this can be made again.

use std::fmt;

use tokio::sync::watch;

mod sqlite;

pub use sqlite::SqliteRegister;

/// Longest key in bytes: a folder, a slash and a name.
pub const MAX_KEY_BYTES: usize = 255;

/// Longest value in bytes: the policy in force of a large estate takes a tenth of it.
pub const MAX_VALUE_BYTES: usize = 4 << 20;

/// Most keys: roles, gateways and a few more. Far more than any estate has, far less than a database minds.
pub const MAX_KEYS: u64 = 65_536;

/// Most prefixes that are watched at a time.
pub const MAX_WATCHES: usize = 1024;

/// Which change of the register a value comes from. Every change has a higher one than all before it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Version(u64);

impl Version {
    /// The number.
    pub fn number(self) -> u64 {
        self.0
    }
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// A value and the change it comes from.
#[derive(Clone, PartialEq, Eq)]
pub struct Versioned {
    /// The change that wrote it.
    pub version: Version,
    /// The value.
    pub value: Vec<u8>,
}

impl fmt::Debug for Versioned {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Some values are passwords.
        f.debug_struct("Versioned")
            .field("version", &self.version)
            .field("bytes", &self.value.len())
            .finish()
    }
}

/// Why the register refused.
#[derive(Debug, thiserror::Error)]
pub enum RegisterError {
    /// A key of another form.
    #[error("`{key}` is not a register's key: 1 to 255 of `a-z`, `0-9`, `.`, `_`, `-` and `/`")]
    Key {
        /// The key, shortened.
        key: String,
    },
    /// The value is too long.
    #[error("a value of {bytes} bytes: at most {MAX_VALUE_BYTES} fit")]
    TooLong {
        /// How long it is.
        bytes: usize,
    },
    /// There are too many keys.
    #[error("the register is full: it has {MAX_KEYS} keys")]
    Full,
    /// Too many prefixes are watched.
    #[error("{MAX_WATCHES} prefixes are watched already")]
    TooManyWatches,
    /// The key is there already, and was to be created.
    #[error("`{key}` is there already, at version {version}")]
    Exists {
        /// The key.
        key: String,
        /// Its version.
        version: Version,
    },
    /// Somebody else changed it first.
    #[error("`{key}` is not at version {expected} any more")]
    Conflict {
        /// The key.
        key: String,
        /// The version it was to have.
        expected: Version,
        /// The version it has; `None` if it is not there.
        found: Option<Version>,
    },
    /// The file is a register of another program or version, or no register.
    #[error("the file is not a register that this version reads")]
    Foreign,
    /// The store failed.
    #[error("the register's store failed")]
    Store(#[source] Box<dyn std::error::Error + Send + Sync>),
}

/// The register. Every change is durable when it returns. Calls block for moments.
pub trait Register: fmt::Debug + Send + Sync {
    /// A key's value; `None` if it is not there.
    ///
    /// # Errors
    /// See [`RegisterError`].
    fn read(&self, key: &str) -> Result<Option<Versioned>, RegisterError>;

    /// Gives a key its first value.
    ///
    /// # Errors
    /// [`RegisterError::Exists`] if it is there.
    fn create(&self, key: &str, value: &[u8]) -> Result<Version, RegisterError>;

    /// Gives a key another value, if it still is at that version.
    ///
    /// # Errors
    /// [`RegisterError::Conflict`] if it is not.
    fn compare_and_swap(&self, key: &str, version: Version, value: &[u8]) -> Result<Version, RegisterError>;

    /// All keys that begin so, in order, with their values.
    ///
    /// # Errors
    /// See [`RegisterError`].
    fn list(&self, prefix: &str) -> Result<Vec<(String, Versioned)>, RegisterError>;

    /// The number of the last change of any key that begins so; it wakes after each. Level, not edge: read the keys again on
    /// waking. Only changes made through this value are seen.
    ///
    /// # Errors
    /// [`RegisterError::TooManyWatches`].
    fn watch(&self, prefix: &str) -> Result<watch::Receiver<u64>, RegisterError>;
}

/// Whether a text is a key, or (then it may be empty) a prefix of keys.
fn check_key(text: &str, prefix: bool) -> Result<(), RegisterError> {
    let plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"._-/".contains(&byte);
    if text.len() <= MAX_KEY_BYTES && (prefix || !text.is_empty()) && text.bytes().all(plain) {
        return Ok(());
    }
    Err(RegisterError::Key {
        key: text.chars().take(80).flat_map(char::escape_debug).collect(),
    })
}

#[cfg(test)]
mod tests;
