//! One cluster in a temporary directory: made, started, stopped, removed.

use std::fmt;
use std::fs::{self, OpenOptions, Permissions};
use std::io::Write as _;
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::process::{Child, Command};

use tempfile::TempDir;
use zeroize::Zeroizing;

use super::programs::{end, quiet, random_password, run, tail, version, wait_until_ready};
use super::{Account, Binaries, PostgresError};
use crate::files::{self, FileError, Readers};
use crate::unix::SOCKET_PATH_MAX;

/// The superuser that `initdb` makes. Hardening revokes PUBLIC's rights on system functions, which only a superuser may.
pub const ADMIN: &str = "custodian";

/// Part of the socket's name only: no TCP port is opened.
const PORT: u16 = 5432;

/// Settings of the cluster. It is thrown away at the end, so it need not survive a power cut.
const SETTINGS: &[(&str, &str)] = &[
    ("listen_addresses", ""),
    ("unix_socket_permissions", "0700"),
    ("password_encryption", "scram-sha-256"),
    // Answers since when a role or a grant has been as it is.
    ("track_commit_timestamp", "on"),
    // So that a termination has prepared transactions to find: a partner must not be able to leave one behind.
    ("max_prepared_transactions", "10"),
    ("max_connections", "200"),
    ("timezone", "UTC"),
    ("log_timezone", "UTC"),
    ("logging_collector", "off"),
    ("fsync", "off"),
    ("synchronous_commit", "off"),
    ("full_page_writes", "off"),
];

/// A running scratch server. Stopped, and its directory removed, on [`Scratch::stop`] or when dropped.
///
/// Keep the thread that started it: where `setpriv` is installed, the server is told to shut down when that thread ends, so that
/// not even a killed process leaves one behind.
pub struct Scratch {
    server: Child,
    directory: TempDir,
    password: Zeroizing<String>,
    version: String,
}

impl fmt::Debug for Scratch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Scratch")
            .field("directory", &self.directory)
            .field("server", &self.server)
            .finish_non_exhaustive()
    }
}

impl Scratch {
    /// Finds PostgreSQL, makes a cluster and starts it. Takes about a second, and blocks for it.
    ///
    /// # Errors
    /// See [`PostgresError`]. Nothing is left behind.
    pub fn start() -> Result<Self, PostgresError> {
        let binaries = Binaries::find()?;
        let account = Account::choose()?;
        let directory = directory_for(&account)?;
        let password = random_password()?;
        let version = version(&binaries)?;
        make_cluster(&binaries, &account, directory.path(), &password)?;
        let server = launch(&binaries, &account, directory.path())?;
        let mut scratch = Self {
            server,
            directory,
            password,
            version,
        };
        let words = || tail(&fs::read(log(scratch.directory.path())).unwrap_or_default());
        wait_until_ready(&mut scratch.server, &data(scratch.directory.path()), words)?;
        Ok(scratch)
    }

    /// The directory that has the server's socket, for a client's `host`.
    #[must_use]
    pub fn socket_directory(&self) -> &Path {
        self.directory.path()
    }

    /// For a client's `port`: a part of the socket's name.
    #[must_use]
    pub fn port(&self) -> u16 {
        PORT
    }

    /// The superuser's password; its name is [`ADMIN`].
    #[must_use]
    pub fn password(&self) -> &str {
        &self.password
    }

    /// As `postgres --version` says it, such as `15.18`.
    #[must_use]
    pub fn version(&self) -> &str {
        &self.version
    }

    /// Process number of the server.
    #[must_use]
    pub fn process(&self) -> u32 {
        self.server.id()
    }

    /// Fast shutdown, then the directory goes. Dropping does the same.
    pub fn stop(self) {
        drop(self);
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        end(&mut self.server);
    }
}

fn data(directory: &Path) -> PathBuf {
    directory.join("data")
}

fn log(directory: &Path) -> PathBuf {
    directory.join("log")
}

/// A directory of the account's own, with a path short enough for a socket in it.
fn directory_for(account: &Account) -> Result<TempDir, PostgresError> {
    const PREFIX: &str = "estop-pg-";
    // The separators, the six random characters of `tempfile`, and the socket's own name.
    let rest = format!("/{PREFIX}XXXXXX/.s.PGSQL.{PORT}").len();
    let limit = SOCKET_PATH_MAX.saturating_sub(rest);
    let candidates = [
        std::env::temp_dir(),
        PathBuf::from("/tmp"),
        PathBuf::from("/var/tmp"),
        PathBuf::from("/dev/shm"),
    ];
    for parent in candidates {
        let Ok(parent) = fs::canonicalize(parent) else {
            continue;
        };
        if parent.as_os_str().len() > limit || !account.reaches(&parent) {
            continue;
        }
        let mut builder = tempfile::Builder::new();
        builder.prefix(PREFIX).permissions(Permissions::from_mode(0o700));
        let Ok(directory) = builder.tempdir_in(&parent) else {
            continue;
        };
        account.takes(directory.path())?;
        return Ok(directory);
    }
    Err(PostgresError::NoDirectory {
        account: account.name().to_owned(),
        limit,
    })
}

fn make_cluster(
    binaries: &Binaries,
    account: &Account,
    directory: &Path,
    password: &str,
) -> Result<(), PostgresError> {
    let secret = directory.join("password");
    files::create(&secret, password, Readers::Owner)?;
    account.takes(&secret)?;
    let mut initdb = Command::new(binaries.program("initdb"));
    initdb
        .arg("--pgdata")
        .arg(data(directory))
        .arg("--pwfile")
        .arg(&secret)
        .args([
            "--username",
            ADMIN,
            "--auth=scram-sha-256",
            "--encoding=UTF8",
            "--no-locale",
            "--no-sync",
        ]);
    quiet(account.runs(&mut initdb), directory);
    let made = run(&mut initdb, "initdb");
    fs::remove_file(&secret).map_err(|source| FileError::new("remove", &secret, source))?;
    made?;
    let settings: String = SETTINGS
        .iter()
        .map(|(name, value)| format!("{name} = '{value}'\n"))
        .collect();
    Ok(append(&data(directory).join("postgresql.conf"), &settings)?)
}

/// Starts the server; where `setpriv` is at hand, bound to the life of this thread.
fn launch(binaries: &Binaries, account: &Account, directory: &Path) -> Result<Child, PostgresError> {
    let path = log(directory);
    let out = OpenOptions::new()
        .create(true)
        .append(true)
        .mode(0o600)
        .open(&path)
        .map_err(|source| FileError::new("create", &path, source))?;
    let errors = out
        .try_clone()
        .map_err(|source| FileError::new("open", &path, source))?;
    let postgres = binaries.program("postgres");
    let setpriv = Path::new("/usr/bin/setpriv");
    let (program, mut command) = if setpriv.is_file() {
        let mut command = Command::new(setpriv);
        command.args(["--pdeathsig", "INT", "--"]).arg(&postgres);
        (setpriv.to_owned(), command)
    } else {
        (postgres.clone(), Command::new(&postgres))
    };
    command
        .arg("-D")
        .arg(data(directory))
        .arg("-k")
        .arg(directory)
        .arg("-p")
        .arg(PORT.to_string());
    quiet(account.runs(&mut command), directory);
    command
        .stdout(out)
        .stderr(errors)
        .spawn()
        .map_err(|source| PostgresError::Run { program, source })
}

fn append(path: &Path, text: &str) -> Result<(), FileError> {
    OpenOptions::new()
        .append(true)
        .open(path)
        .and_then(|mut file| file.write_all(text.as_bytes()))
        .map_err(|source| FileError::new("write", path, source))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_server_starts_privately_and_leaves_nothing_behind() {
        use std::os::unix::fs::MetadataExt;
        let scratch = Scratch::start().unwrap();
        let directory = scratch.socket_directory().to_owned();
        assert!(directory.join(format!(".s.PGSQL.{PORT}")).exists());
        assert_eq!(fs::metadata(&directory).unwrap().mode() & 0o777, 0o700);
        assert!(!directory.join("password").exists());
        let process = PathBuf::from(format!("/proc/{}", scratch.process()));
        assert!(process.exists());
        scratch.stop();
        assert!(!process.exists());
        assert!(!directory.exists());
    }

    #[test]
    fn every_login_needs_a_password() {
        let scratch = Scratch::start().unwrap();
        let rules = fs::read_to_string(data(scratch.socket_directory()).join("pg_hba.conf")).unwrap();
        let methods: Vec<_> = rules
            .lines()
            .filter(|line| !line.trim().is_empty() && !line.starts_with('#'))
            .filter_map(|line| line.split_whitespace().last())
            .collect();
        assert!(!methods.is_empty());
        assert!(
            methods.iter().all(|method| *method == "scram-sha-256"),
            "{methods:?}"
        );
    }
}
