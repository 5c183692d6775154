//! The register in a SQLite file: write-ahead journal, full sync, readable by its owner alone.

use std::collections::BTreeMap;
use std::fs::OpenOptions;
use std::io;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use rusqlite::{Connection, OptionalExtension as _, Transaction, TransactionBehavior, params};
use tokio::sync::watch;

use super::{MAX_KEYS, MAX_VALUE_BYTES, MAX_WATCHES, Register, RegisterError, Version, Versioned, check_key};

/// How long a call waits for another process that has the file, such as a backup.
const BUSY: Duration = Duration::from_secs(5);

/// The file's version, in its `user_version`.
const SCHEMA_VERSION: i64 = 1;

/// Marks the file as a register (`application_id`): "Estp".
const APPLICATION_ID: i64 = 0x4573_7470;

const SCHEMA: &str = "
    CREATE TABLE entry (
        key TEXT PRIMARY KEY CHECK (length(key) BETWEEN 1 AND 255),
        version INTEGER NOT NULL UNIQUE CHECK (version > 0),
        value BLOB NOT NULL
    ) STRICT, WITHOUT ROWID;
    CREATE TABLE revision (
        one INTEGER PRIMARY KEY CHECK (one = 1),
        number INTEGER NOT NULL CHECK (number >= 0)
    ) STRICT;
    INSERT INTO revision VALUES (1, 0);
";

/// A register in one file.
#[derive(Debug)]
pub struct SqliteRegister(Mutex<Inner>);

#[derive(Debug)]
struct Inner {
    connection: Connection,
    watches: BTreeMap<String, watch::Sender<u64>>,
}

impl From<rusqlite::Error> for RegisterError {
    fn from(error: rusqlite::Error) -> Self {
        Self::Store(error.into())
    }
}

impl SqliteRegister {
    /// Opens the file, making it (0600) if it is not there.
    ///
    /// # Errors
    /// It cannot be opened, or is no register.
    pub fn open(path: &Path) -> Result<Self, RegisterError> {
        // Made here, so that it never is readable by others; its journal gets the same mode. One that is there is not touched: to
        // close any descriptor of it would give up the locks that SQLite holds for this process, should it have the register open.
        let made = OpenOptions::new()
            .create_new(true)
            .write(true)
            .mode(0o600)
            .open(path);
        if let Err(error) = made
            && error.kind() != io::ErrorKind::AlreadyExists
        {
            return Err(RegisterError::Store(error.into()));
        }
        let mut connection = Connection::open(path)?;
        connection.busy_timeout(BUSY)?;
        // First of all, so that a file that is none of ours stays as it is.
        prepare(&mut connection)?;
        connection.pragma_update(None, "journal_mode", "wal")?;
        connection.pragma_update(None, "synchronous", "full")?;
        connection.pragma_update(None, "secure_delete", true)?;
        connection.pragma_update(None, "trusted_schema", false)?;
        Ok(Self(Mutex::new(Inner {
            connection,
            watches: BTreeMap::new(),
        })))
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        // A transaction that a panic cut off was rolled back when it was dropped.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Makes the tables of a new file; refuses what is none of ours.
fn prepare(connection: &mut Connection) -> Result<(), RegisterError> {
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    let pragma = |name| transaction.pragma_query_value(None, name, |row| row.get::<_, i64>(0));
    let found = (pragma("application_id")?, pragma("user_version")?);
    let tables: i64 = transaction.query_row("SELECT count(*) FROM sqlite_schema", [], |row| row.get(0))?;
    match found {
        (APPLICATION_ID, SCHEMA_VERSION) => {}
        (0, 0) if tables == 0 => {
            transaction.execute_batch(SCHEMA)?;
            transaction.pragma_update(None, "application_id", APPLICATION_ID)?;
            transaction.pragma_update(None, "user_version", SCHEMA_VERSION)?;
        }
        _ => return Err(RegisterError::Foreign),
    }
    Ok(transaction.commit()?)
}

impl Inner {
    fn change(
        &mut self,
        key: &str,
        value: &[u8],
        allow: impl FnOnce(&Transaction<'_>, Option<Version>) -> Result<(), RegisterError>,
    ) -> Result<Version, RegisterError> {
        check_key(key, false)?;
        if value.len() > MAX_VALUE_BYTES {
            return Err(RegisterError::TooLong { bytes: value.len() });
        }
        let transaction = self
            .connection
            .transaction_with_behavior(TransactionBehavior::Immediate)?;
        let found = transaction
            .query_row("SELECT version FROM entry WHERE key = ?", [key], version)
            .optional()?;
        allow(&transaction, found)?;
        let next = "UPDATE revision SET number = number + 1 RETURNING number";
        let new = transaction.query_row(next, [], version)?;
        let write = "INSERT INTO entry (key, version, value) VALUES (?1, ?2, ?3)
            ON CONFLICT (key) DO UPDATE SET version = ?2, value = ?3";
        transaction.execute(
            write,
            params![key, i64::try_from(new.0).unwrap_or(i64::MAX), value],
        )?;
        transaction.commit()?;
        self.watches.retain(|_, sender| sender.receiver_count() > 0);
        for (_, sender) in self
            .watches
            .iter()
            .filter(|(prefix, _)| key.starts_with(prefix.as_str()))
        {
            sender.send_replace(new.0);
        }
        Ok(new)
    }
}

impl Register for SqliteRegister {
    fn read(&self, key: &str) -> Result<Option<Versioned>, RegisterError> {
        check_key(key, false)?;
        let query = "SELECT version, value FROM entry WHERE key = ?";
        let row = |row: &rusqlite::Row<'_>| {
            Ok(Versioned {
                version: version(row)?,
                value: row.get(1)?,
            })
        };
        Ok(self.lock().connection.query_row(query, [key], row).optional()?)
    }

    fn create(&self, key: &str, value: &[u8]) -> Result<Version, RegisterError> {
        self.lock().change(key, value, |transaction, found| {
            if let Some(version) = found {
                return Err(RegisterError::Exists {
                    key: key.to_owned(),
                    version,
                });
            }
            let keys = transaction
                .query_row("SELECT count(*) FROM entry", [], version)?
                .0;
            if keys >= MAX_KEYS {
                Err(RegisterError::Full)
            } else {
                Ok(())
            }
        })
    }

    fn compare_and_swap(&self, key: &str, version: Version, value: &[u8]) -> Result<Version, RegisterError> {
        self.lock().change(key, value, |_, found| match found {
            Some(found) if found == version => Ok(()),
            _ => Err(RegisterError::Conflict {
                key: key.to_owned(),
                expected: version,
                found,
            }),
        })
    }

    fn list(&self, prefix: &str) -> Result<Vec<(String, Versioned)>, RegisterError> {
        check_key(prefix, true)?;
        let inner = self.lock();
        let query =
            "SELECT version, value, key FROM entry WHERE substr(key, 1, length(?1)) = ?1 ORDER BY key";
        let mut statement = inner.connection.prepare_cached(query)?;
        let rows = statement.query_map([prefix], |row| {
            Ok((
                row.get(2)?,
                Versioned {
                    version: version(row)?,
                    value: row.get(1)?,
                },
            ))
        })?;
        Ok(rows.collect::<Result<_, _>>()?)
    }

    fn watch(&self, prefix: &str) -> Result<watch::Receiver<u64>, RegisterError> {
        check_key(prefix, true)?;
        let mut inner = self.lock();
        inner.watches.retain(|_, sender| sender.receiver_count() > 0);
        if let Some(sender) = inner.watches.get(prefix) {
            return Ok(sender.subscribe());
        }
        if inner.watches.len() >= MAX_WATCHES {
            return Err(RegisterError::TooManyWatches);
        }
        let last = "SELECT coalesce(max(version), 0) FROM entry WHERE substr(key, 1, length(?1)) = ?1";
        let last = inner.connection.query_row(last, [prefix], version)?.0;
        let (sender, receiver) = watch::channel(last);
        inner.watches.insert(prefix.to_owned(), sender);
        Ok(receiver)
    }
}

/// The number in a row's first column.
fn version(row: &rusqlite::Row<'_>) -> rusqlite::Result<Version> {
    row.get::<_, i64>(0).map(|number| Version(number.unsigned_abs()))
}
