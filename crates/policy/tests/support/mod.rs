//! A scratch PostgreSQL for tests: its own folder, a Unix socket in it, gone when dropped.

use std::fs;
use std::io::Write as _;
use std::os::unix::fs::{MetadataExt as _, chown};
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use tempfile::TempDir;

/// A running server. Databases are thrown away with it.
pub(crate) struct Scratch {
    bin: PathBuf,
    dir: TempDir,
    user: Option<(u32, u32)>,
}

impl Scratch {
    /// Makes and starts a server. Panics with what is missing if there is none to start.
    pub(crate) fn start() -> Self {
        let bin = binaries()
            .expect("PostgreSQL's `initdb` in `pg_config --bindir`, /usr/lib/postgresql/*/bin or PATH");
        let dir = tempfile::Builder::new()
            .prefix("estop-pg-")
            .tempdir_in("/tmp")
            .unwrap();
        // PostgreSQL refuses to run as root; its Debian package has a user for it.
        let user = (fs::metadata("/proc/self").unwrap().uid() == 0)
            .then(|| postgres_user().expect("a user `postgres`"));
        if let Some((uid, gid)) = user {
            chown(dir.path(), Some(uid), Some(gid)).unwrap();
        }
        let server = Self { bin, dir, user };
        let data = server.data();
        server.run(
            "initdb",
            &[
                "-D",
                &data,
                "-U",
                "postgres",
                "-A",
                "trust",
                "-E",
                "UTF8",
                "--locale=C",
                "--no-sync",
            ],
        );
        let socket = server.dir.path().display();
        let options = format!("-c listen_addresses='' -c unix_socket_directories='{socket}' -c fsync=off");
        let log = format!("{socket}/log");
        server.run(
            "pg_ctl",
            &["-D", &data, "-w", "-l", &log, "-o", &options, "start"],
        );
        server
    }

    /// Runs a script with psql and returns what it prints, unaligned and without headers. Panics at its first error.
    pub(crate) fn psql(&self, script: &str) -> String {
        let socket = self.dir.path().display().to_string();
        let args = [
            "-h",
            &socket,
            "-U",
            "postgres",
            "-d",
            "postgres",
            "-XqAt",
            "-v",
            "ON_ERROR_STOP=1",
            "-f",
            "-",
        ];
        let mut child = self
            .command("psql")
            .args(args)
            .env("PGCLIENTENCODING", "UTF8")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut stdin = child.stdin.take().unwrap();
        let script = script.to_owned();
        let writer = std::thread::spawn(move || stdin.write_all(script.as_bytes()));
        let output = child.wait_with_output().unwrap();
        let written = writer.join().unwrap();
        assert!(
            output.status.success(),
            "psql: {}",
            String::from_utf8_lossy(&output.stderr)
        );
        written.unwrap();
        String::from_utf8(output.stdout).unwrap()
    }

    fn data(&self) -> String {
        format!("{}/data", self.dir.path().display())
    }

    fn run(&self, program: &str, args: &[&str]) {
        // Not through pipes: the server keeps them open.
        let log = fs::File::options()
            .create(true)
            .append(true)
            .open(self.dir.path().join("run.log"))
            .unwrap();
        let status = self
            .command(program)
            .args(args)
            .stdin(Stdio::null())
            .stdout(log.try_clone().unwrap())
            .stderr(log)
            .status()
            .unwrap();
        let said = fs::read_to_string(self.dir.path().join("run.log")).unwrap_or_default();
        assert!(status.success(), "{program}: {said}");
    }

    fn command(&self, program: &str) -> Command {
        let own = self.bin.join(program);
        // Servers come without psql where several versions are kept; any psql will do.
        let mut command = Command::new(if own.is_file() { own } else { program.into() });
        command.current_dir(self.dir.path());
        if let Some((uid, gid)) = self.user {
            command.uid(uid).gid(gid);
        }
        command
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let data = self.data();
        let stop = self
            .command("pg_ctl")
            .args(["-D", &data, "-m", "immediate", "-w", "stop"])
            .stdout(Stdio::null())
            .status();
        if !stop.is_ok_and(|status| status.success()) {
            eprintln!("the scratch server in {data} did not stop");
        }
    }
}

/// The folder that `ESTOP_POSTGRES_BIN` names (`scripts/versions` sets it), or `pg_config`'s, Debian's newest, the search path's.
fn binaries() -> Option<PathBuf> {
    if let Some(chosen) = std::env::var_os("ESTOP_POSTGRES_BIN") {
        return Some(chosen.into());
    }
    let told = Command::new("pg_config").arg("--bindir").output().ok();
    let told = told.map(|output| PathBuf::from(String::from_utf8_lossy(&output.stdout).trim()));
    let mut debian: Vec<PathBuf> = fs::read_dir("/usr/lib/postgresql")
        .map(|versions| {
            versions
                .flatten()
                .map(|version| version.path().join("bin"))
                .collect()
        })
        .unwrap_or_default();
    debian.sort();
    let in_path = Command::new("sh").args(["-c", "command -v initdb"]).output().ok();
    let in_path = in_path.map(|output| PathBuf::from(String::from_utf8_lossy(&output.stdout).trim()));
    let in_path = in_path.and_then(|path| path.parent().map(Path::to_path_buf));
    let mut places = told.into_iter().chain(debian.into_iter().rev()).chain(in_path);
    places.find(|place| place.join("initdb").is_file() && place.join("pg_ctl").is_file())
}

fn postgres_user() -> Option<(u32, u32)> {
    let users = fs::read_to_string("/etc/passwd").ok()?;
    let line = users.lines().find(|line| line.starts_with("postgres:"))?;
    let mut fields = line.split(':').skip(2);
    Some((fields.next()?.parse().ok()?, fields.next()?.parse().ok()?))
}
