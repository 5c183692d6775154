//! One partner's cluster: its folder, its making, its start and its end.
//!
//! Nothing in it is worth keeping. Whatever is wrong with what stands there (another major version, other settings, a
//! making that was interrupted, a crash of the machine), it is removed and made anew.

use std::fs::{self, OpenOptions, Permissions};
use std::io::Write as _;
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::process::{Child, Command};
use std::thread;
use std::time::Duration;

use policy::airlock::{ADMIN, reading};
use rustix::process::{Pid, Signal, kill_process};
use zeroize::Zeroizing;

use super::cgroup::Group;
use super::memory::{Ended, Sessions};
use super::settings;
use crate::clock;
use crate::files::{self, FileError};
use crate::output::alarm;
use crate::postgres::programs::{end, quiet, random_password, run, tail, wait_until_ready};
use crate::postgres::{Account, Binaries, PostgresError};

/// Part of the socket's name only.
pub(super) const PORT: u16 = 5432;

/// Longest file of ours that is read back here.
const FILE_BYTES: usize = 64 * 1024;

/// How long a server that an earlier process left behind may take to end.
const LEFTOVER_WAIT: Duration = Duration::from_secs(10);

/// What the estate asks of a cluster.
#[derive(Debug, Clone, Default)]
pub(super) struct Wanted {
    /// `max_connections`.
    pub(super) connections: u32,
    /// Sections of the connection service file.
    pub(super) services: Vec<String>,
    /// Memory of all of it together, in bytes.
    pub(super) memory: u64,
}

/// A cluster, at work or not.
#[derive(Debug)]
pub(super) struct Cluster {
    binaries: Binaries,
    account: Account,
    folder: PathBuf,
    wanted: Wanted,
    password: Zeroizing<String>,
    server: Option<Child>,
    /// Connections that the server at work takes, or the last one did: a smaller number counts from the next start on.
    room: u32,
    sessions: Sessions,
    group: Option<Group>,
}

impl Cluster {
    /// Makes the folder ready. Nothing runs yet.
    pub(super) fn prepare(
        binaries: &Binaries,
        account: &Account,
        folder: &Path,
        wanted: Wanted,
    ) -> Result<Self, PostgresError> {
        for made in [folder, &folder.join("socket")] {
            if !made.is_dir() {
                fs::create_dir(made).map_err(|source| FileError::new("create", made, source))?;
            }
            fs::set_permissions(made, Permissions::from_mode(0o700))
                .map_err(|source| FileError::new("close", made, source))?;
            account.takes(made)?;
        }
        let secret = folder.join("admin.secret");
        let password = match files::read(&secret, FILE_BYTES) {
            Ok(known) if !known.trim().is_empty() => Zeroizing::new(known.trim().to_owned()),
            _ => random_password()?,
        };
        let cluster = Self {
            binaries: binaries.clone(),
            account: account.clone(),
            folder: folder.to_owned(),
            sessions: Sessions::bound_to(settings::of_sessions(wanted.memory)),
            wanted,
            password,
            server: None,
            room: 0,
            group: None,
        };
        cluster.write(&secret, &cluster.password)?;
        cluster.write(&cluster.service(), &cluster.wanted.services.concat())?;
        Ok(cluster)
    }

    /// The folder of its socket.
    pub(super) fn socket(&self) -> PathBuf {
        self.folder.join("socket")
    }

    /// From now on what it starts is in this group of the kernel's.
    pub(super) fn keep_in(&mut self, group: Group) {
        self.group = Some(group);
    }

    /// Ends sessions that have taken too much memory together.
    pub(super) fn relieve(&mut self) -> Vec<Ended> {
        let Some(server) = &self.server else {
            return Vec::new();
        };
        self.sessions.look(server.id())
    }

    /// Control's way to it, through a short path of the socket's folder.
    pub(super) fn url(&self, socket: &Path) -> Zeroizing<String> {
        Zeroizing::new(format!(
            "host='{}' port={PORT} user={ADMIN} password={} dbname=postgres",
            socket.display(),
            self.password.as_str()
        ))
    }

    /// Makes it, if what stands there is not usable. It is not started by that.
    pub(super) fn make_ready(&self) -> Result<(), PostgresError> {
        self.end_leftover();
        if self.is_usable() { Ok(()) } else { self.make() }
    }

    /// What is wanted of it from its next start on. Where it finds the custodian counts at once.
    pub(super) fn want(&mut self, wanted: Wanted) -> Result<(), PostgresError> {
        self.wanted = wanted;
        self.write(&self.service(), &self.wanted.services.concat())
    }

    /// Connections it takes.
    pub(super) fn connections(&self) -> u32 {
        self.wanted.connections
    }

    /// Whether it runs with fewer connections than these.
    pub(super) fn is_narrower_than(&self, wanted: &Wanted) -> bool {
        self.room < wanted.connections
    }

    /// Ends it and removes all of it.
    pub(super) fn remove(mut self) {
        self.end();
        // What is left of it is nobody's, and taken up or made anew if the partner comes again.
        let _ = fs::remove_dir_all(&self.folder);
    }

    /// Starts it, as it stands if that is usable, else made anew; a second time from nothing if it does not come up.
    pub(super) fn start(&mut self) -> Result<(), PostgresError> {
        self.make_ready()?;
        if self.launch().is_err() {
            self.end();
            self.make()?;
            self.launch()?;
        }
        Ok(())
    }

    /// Whether it has ended by itself, and how.
    pub(super) fn has_ended(&mut self) -> Option<String> {
        let server = self.server.as_mut()?;
        match server.try_wait() {
            Ok(Some(status)) => {
                self.server = None;
                Some(format!("{status}; its last words: {}", self.last_words()))
            }
            _ => None,
        }
    }

    /// Ends it: fast, then immediately, then by force.
    pub(super) fn end(&mut self) {
        if let Some(mut server) = self.server.take() {
            end(&mut server);
        }
    }

    fn data(&self) -> PathBuf {
        self.folder.join("data")
    }

    fn service(&self) -> PathBuf {
        self.folder.join("service.conf")
    }

    /// Written last when a cluster is made: what it was made with.
    fn stamp(&self) -> PathBuf {
        self.folder.join("made")
    }

    fn log(&self) -> PathBuf {
        self.folder.join("log")
    }

    /// What the stamp of a cluster says that fits: version, settings, how it is read (what a newer Estop reads otherwise would
    /// look as if it had been changed), and the boot of the machine, since nothing is synced to the disk.
    fn made_with(&self) -> Result<String, PostgresError> {
        let version = crate::postgres::programs::version(&self.binaries)?;
        let major = version.split('.').next().unwrap_or_default();
        let boot = fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap_or_default();
        Ok(format!(
            "PostgreSQL {major}\nboot {boot}{}{}{}{}",
            settings::main(self.wanted.connections),
            settings::access(),
            reading::CLUSTER,
            reading::CELL
        ))
    }

    fn is_usable(&self) -> bool {
        let stamp = files::read(&self.stamp(), FILE_BYTES).ok();
        let kept = self.data().join("PG_VERSION").is_file();
        kept && stamp.is_some() && stamp == self.made_with().ok()
    }

    fn make(&self) -> Result<(), PostgresError> {
        let _ = fs::remove_file(self.stamp());
        let data = self.data();
        if data.exists() {
            fs::remove_dir_all(&data).map_err(|source| FileError::new("remove", &data, source))?;
        }
        let mut initdb = Command::new(self.binaries.program("initdb"));
        initdb
            .arg("--pgdata")
            .arg(&data)
            .arg("--pwfile")
            .arg(self.folder.join("admin.secret"))
            .args([
                "--username",
                ADMIN,
                "--auth=scram-sha-256",
                "--encoding=UTF8",
                "--no-locale",
                "--no-sync",
                "--wal-segsize=1",
            ]);
        quiet(self.account.runs(&mut initdb), &self.folder);
        run(&mut initdb, "initdb")?;
        self.write(
            &data.join("postgresql.conf"),
            &settings::main(self.wanted.connections),
        )?;
        self.write(&data.join("pg_hba.conf"), &settings::access())?;
        self.write(&self.stamp(), &self.made_with()?)
    }

    fn launch(&mut self) -> Result<(), PostgresError> {
        let log = self.log();
        let out = OpenOptions::new()
            .create(true)
            .write(true)
            .truncate(true)
            .mode(0o600)
            .open(&log)
            .map_err(|source| FileError::new("create", &log, source))?;
        let errors = out
            .try_clone()
            .map_err(|source| FileError::new("open", &log, source))?;
        let mut command = self.limited(&self.binaries.program("postgres"));
        command.arg("-D").arg(self.data());
        quiet(self.account.runs(&mut command), &self.folder)
            .env("PGSERVICEFILE", self.service())
            .stdout(out)
            .stderr(errors);
        let mut server = command.spawn().map_err(|source| PostgresError::Run {
            program: PathBuf::from(command.get_program()),
            source,
        })?;
        if let Some(Err(error)) = self.group.as_ref().map(|group| group.takes(server.id())) {
            alarm(&format!(
                "the server in {} cannot be put into its cgroup: {error}; its sessions are looked after all the same",
                self.folder.display()
            ));
            self.group = None;
        }
        // Not everywhere can it be had; the limits of memory hold all the same.
        let _ = fs::write(
            format!("/proc/{}/oom_score_adj", server.id()),
            settings::OOM_SCORE,
        );
        self.room = self.wanted.connections;
        let ready = wait_until_ready(&mut server, &self.data(), || self.last_words());
        self.server = Some(server);
        ready
    }

    /// A command that runs a program bound to the life of this thread and to a bound of memory, where the system's own
    /// programs for that are at hand.
    fn limited(&self, program: &Path) -> Command {
        let memory = format!("--as={}", settings::SESSION_BYTES_MAX);
        let file = format!("--fsize={}", settings::FILE_BYTES_MAX);
        let tools: [(&str, &[&str]); 2] = [
            ("/usr/bin/setpriv", &["--pdeathsig", "INT", "--"]),
            ("/usr/bin/prlimit", &[&memory, &file, "--core=0", "--"]),
        ];
        let mut words: Vec<std::ffi::OsString> = Vec::new();
        for (tool, arguments) in tools {
            if Path::new(tool).is_file() {
                words.push(tool.into());
                words.extend(arguments.iter().map(Into::into));
            }
        }
        words.push(program.into());
        let mut words = words.into_iter();
        let mut command = Command::new(words.next().unwrap_or_default());
        command.args(words);
        command
    }

    /// Ends a server that a process before us left running on this very data.
    fn end_leftover(&self) {
        let data = self.data();
        let file = data.join("postmaster.pid");
        let Some(process) = fs::read_to_string(&file)
            .ok()
            .and_then(|text| text.lines().next()?.trim().parse::<i32>().ok())
            .and_then(Pid::from_raw)
        else {
            return;
        };
        let at = PathBuf::from(format!("/proc/{}/cwd", process.as_raw_nonzero()));
        let theirs = || match (fs::read_link(&at), fs::canonicalize(&data)) {
            (Ok(at), Ok(data)) => at == data,
            _ => false,
        };
        for signal in [Signal::INT, Signal::QUIT, Signal::KILL] {
            if !theirs() {
                break;
            }
            let _ = kill_process(process, signal);
            let began = clock::monotonic();
            while theirs() && began.elapsed() < LEFTOVER_WAIT {
                thread::sleep(Duration::from_millis(20));
            }
        }
        // A number that another process has by now must not keep the server from starting.
        if !theirs() {
            let _ = fs::remove_file(&file);
        }
    }

    fn last_words(&self) -> String {
        tail(&fs::read(self.log()).unwrap_or_default())
    }

    fn write(&self, path: &Path, text: &str) -> Result<(), PostgresError> {
        // Anew, so that nobody who has it open from before reads along.
        let _ = fs::remove_file(path);
        OpenOptions::new()
            .create_new(true)
            .write(true)
            .mode(0o600)
            .open(path)
            .and_then(|mut file| file.write_all(text.as_bytes()))
            .map_err(|source| FileError::new("write", path, source))?;
        self.account.takes(path)
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        self.end();
    }
}
