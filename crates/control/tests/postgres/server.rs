//! A scratch PostgreSQL on a Unix socket in a folder of its own.

use std::io::Write as _;
use std::os::unix::fs::chown;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::OnceLock;
use std::time::Duration;

use tempfile::TempDir;
use tokio_postgres::{Client, Config, NoTls};

/// Looks at a server that is starting, and the time between two.
const START_LOOKS: u32 = 400;
const START_LOOK: Duration = Duration::from_millis(25);

pub(crate) struct Server {
    pub(crate) dir: TempDir,
    child: Option<Child>,
    settings: Vec<(&'static str, &'static str)>,
    bin: PathBuf,
}

/// A folder with PostgreSQL's own programs: the one that `ESTOP_POSTGRES_BIN` names (`scripts/versions` sets it), or
/// `pg_config`'s, or Debian's newest.
fn bin() -> PathBuf {
    if let Some(chosen) = std::env::var_os("ESTOP_POSTGRES_BIN") {
        return chosen.into();
    }
    let asked = Command::new("pg_config").arg("--bindir").output().ok();
    let asked = asked.map(|output| PathBuf::from(String::from_utf8_lossy(&output.stdout).trim()));
    let mut debian: Vec<PathBuf> = std::fs::read_dir("/usr/lib/postgresql")
        .map(|found| found.flatten().map(|entry| entry.path().join("bin")).collect())
        .unwrap_or_default();
    debian.sort();
    let mut places = asked.into_iter().chain(debian.into_iter().rev());
    places
        .find(|place| place.join("initdb").exists())
        .unwrap_or_default()
}

fn account() -> Option<(u32, u32)> {
    if !rustix::process::geteuid().is_root() {
        return None;
    }
    let passwd = std::fs::read_to_string("/etc/passwd").unwrap();
    let line = passwd
        .lines()
        .find(|line| line.starts_with("postgres:"))
        .expect("an account `postgres`");
    let fields: Vec<&str> = line.split(':').collect();
    Some((fields[2].parse().unwrap(), fields[3].parse().unwrap()))
}

/// The programs of a server that has pg_cron, pgAgent, PL/Perl and PL/Python beside it: Debian's newest that does, whatever the
/// others run on.
fn bin_with_jobs() -> PathBuf {
    let mut versions: Vec<u32> = std::fs::read_dir("/usr/lib/postgresql")
        .map(|found| {
            found
                .flatten()
                .filter_map(|entry| entry.file_name().to_str()?.parse().ok())
                .collect()
        })
        .unwrap_or_default();
    versions.sort_unstable();
    let has = |version: &u32| {
        let library =
            |name: &str| Path::new(&format!("/usr/lib/postgresql/{version}/lib/{name}.so")).exists();
        let control = format!("/usr/share/postgresql/{version}/extension/pgagent.control");
        ["pg_cron", "plperl", "plpython3"].into_iter().all(library) && Path::new(&control).exists()
    };
    let found = versions.iter().rev().find(|version| has(version));
    let found = found.unwrap_or_else(|| {
        let version = versions.last().copied().unwrap_or(15);
        panic!(
            "this test needs a PostgreSQL with schedulers and languages beside it: scripts/prerequisites test, or \
             apt-get install postgresql-{version}-cron pgagent postgresql-plperl-{version} postgresql-plpython3-{version}"
        )
    });
    format!("/usr/lib/postgresql/{found}/bin").into()
}

fn command(bin: &Path, program: &str) -> Command {
    let mut command = Command::new(bin.join(program));
    if let Some((user, group)) = account() {
        command.uid(user).gid(group);
    }
    command
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .current_dir("/");
    command
}

/// Room that a file system in memory must have to be taken: all servers at work at the same time need a fraction of it.
const ROOM_BYTES: u64 = 4 << 30;

/// A folder in memory, where there is room for it: nothing here is to outlive a power cut, and making a server's thousand files is
/// most of what its start takes.
pub(crate) fn scratch(prefix: &str) -> TempDir {
    let memory = Path::new("/dev/shm");
    let is_roomy = rustix::fs::statvfs(memory)
        .is_ok_and(|told| told.f_bavail.saturating_mul(told.f_frsize) >= ROOM_BYTES);
    let mut builder = tempfile::Builder::new();
    builder.prefix(prefix);
    let made = is_roomy.then(|| builder.tempdir_in(memory).ok()).flatten();
    made.unwrap_or_else(|| builder.tempdir().unwrap())
}

/// A folder of PostgreSQL's account.
fn folder() -> TempDir {
    let dir = scratch("estop-pg-");
    if let Some((user, group)) = account() {
        chown(dir.path(), Some(user), Some(group)).unwrap();
    }
    dir
}

/// Makes a cluster in a folder.
fn make(bin: &Path, data: &Path) {
    let mut initdb = command(bin, "initdb");
    initdb
        .args([
            "-N",
            "-A",
            "trust",
            "-U",
            "postgres",
            "-E",
            "UTF8",
            "--no-locale",
            "--wal-segsize=1",
            "-D",
        ])
        .arg(data);
    assert!(initdb.status().expect("initdb").success());
}

/// `data` of a folder, as an archive: made once in each process, and nothing of it is left when that ends.
fn template() -> &'static [u8] {
    static TEMPLATE: OnceLock<Vec<u8>> = OnceLock::new();
    TEMPLATE.get_or_init(|| {
        let dir = folder();
        make(&bin(), &dir.path().join("data"));
        let tar = Command::new("tar")
            .arg("-C")
            .arg(dir.path())
            .args(["-cf", "-", "data"])
            .output();
        let tar = tar.expect("tar");
        assert!(tar.status.success());
        tar.stdout
    })
}

fn unpack(archive: &[u8], dir: &Path) {
    let mut tar = Command::new("tar")
        .arg("-C")
        .arg(dir)
        .args(["-xpf", "-"])
        .stdin(Stdio::piped())
        .spawn()
        .unwrap();
    tar.stdin.take().unwrap().write_all(archive).unwrap();
    assert!(tar.wait().unwrap().success());
}

impl Server {
    /// A server that is running, in which `postgres` needs no password and everybody else does. All of one process are copies of
    /// one, which their identity says.
    pub(crate) async fn start(settings: &[(&'static str, &'static str)]) -> Self {
        let dir = folder();
        unpack(template(), dir.path());
        Self::over(bin(), dir, settings).await
    }

    /// A server that has schedulers and languages beside it.
    pub(crate) async fn start_with_jobs(settings: &[(&'static str, &'static str)]) -> Self {
        let (bin, dir) = (bin_with_jobs(), folder());
        make(&bin, &dir.path().join("data"));
        Self::over(bin, dir, settings).await
    }

    /// A program of another's, run as the server's account.
    pub(crate) fn program(&self, program: &str) -> Command {
        command(Path::new(""), program)
    }

    /// The same with an identity of its own.
    pub(crate) async fn start_apart() -> Self {
        let dir = folder();
        make(&bin(), &dir.path().join("data"));
        Self::over(bin(), dir, &[]).await
    }

    async fn over(bin: PathBuf, dir: TempDir, settings: &[(&'static str, &'static str)]) -> Self {
        let data = dir.path().join("data");
        let hba = "local all postgres trust\nlocal all all scram-sha-256\n";
        std::fs::write(data.join("pg_hba.conf"), hba).unwrap();
        let mut server = Self {
            dir,
            child: None,
            settings: settings.to_vec(),
            bin,
        };
        server.run().await;
        server
    }

    /// Starts it, again.
    pub(crate) async fn run(&mut self) {
        let mut start = command(&self.bin, "postgres");
        start
            .arg("-D")
            .arg(self.dir.path().join("data"))
            // Beside the data, wherever that is copied to.
            .args(["-k", ".."]);
        for (name, value) in [
            ("listen_addresses", ""),
            ("fsync", "off"),
            ("max_connections", "60"),
        ] {
            start.arg("-c").arg(format!("{name}={value}"));
        }
        for (name, value) in &self.settings {
            start.arg("-c").arg(format!("{name}={value}"));
        }
        start.env("PGSERVICEFILE", self.dir.path().join("service.conf"));
        self.child = Some(start.spawn().unwrap());
        for _ in 0..START_LOOKS {
            if self.config("postgres", "postgres").connect(NoTls).await.is_ok() {
                return;
            }
            tokio::time::sleep(START_LOOK).await;
        }
        panic!("PostgreSQL does not start");
    }

    /// Another server over a copy of the data of this one, which is not running.
    pub(crate) async fn copied(&self) -> Self {
        assert!(self.child.is_none(), "a server that runs is not copied");
        let dir = folder();
        let data = self.dir.path().join("data");
        let copied = Command::new("cp").arg("-a").arg(&data).arg(dir.path()).status();
        assert!(copied.unwrap().success());
        let mut server = Self {
            dir,
            child: None,
            settings: self.settings.clone(),
            bin: self.bin.clone(),
        };
        server.run().await;
        server
    }

    /// Stops it as hard as `pg_ctl stop -m immediate`.
    pub(crate) fn stop(&mut self) {
        self.end(rustix::process::Signal::QUIT);
    }

    /// Stops it so that nothing is to be recovered, as `pg_ctl stop -m fast`.
    pub(crate) fn shut_down(&mut self) {
        self.end(rustix::process::Signal::INT);
    }

    fn end(&mut self, signal: rustix::process::Signal) {
        if let Some(mut child) = self.child.take() {
            if let Ok(id) = i32::try_from(child.id())
                && let Some(process) = rustix::process::Pid::from_raw(id)
            {
                let _ = rustix::process::kill_process(process, signal);
            }
            let _ = child.wait();
        }
    }

    pub(crate) fn socket(&self) -> &Path {
        self.dir.path()
    }

    pub(crate) fn url(&self, database: &str) -> String {
        format!(
            "postgresql://postgres@/{database}?host={}",
            self.socket().display()
        )
    }

    pub(crate) fn config(&self, user: &str, database: &str) -> Config {
        let mut config = Config::new();
        config.host_path(self.socket()).user(user).dbname(database);
        config
    }

    pub(crate) async fn superuser(&self, database: &str) -> Client {
        connect(&self.config("postgres", database)).await.unwrap()
    }

    /// Titles of the server's processes, as `ps` shows them.
    pub(crate) fn titles(&self) -> Vec<String> {
        let parent = self.child.as_ref().unwrap().id();
        let processes = std::fs::read_dir("/proc").unwrap().flatten().filter_map(|entry| {
            let status = std::fs::read_to_string(entry.path().join("status")).ok()?;
            let ours = status.lines().any(|line| line == format!("PPid:\t{parent}"));
            let title = std::fs::read_to_string(entry.path().join("cmdline")).ok()?;
            ours.then(|| title.trim_end_matches('\0').to_owned())
        });
        processes.collect()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.stop();
    }
}

pub(crate) async fn connect(config: &Config) -> Result<Client, tokio_postgres::Error> {
    let (client, driver) = config.connect(NoTls).await?;
    tokio::spawn(async move {
        let _ = driver.await;
    });
    Ok(client)
}
