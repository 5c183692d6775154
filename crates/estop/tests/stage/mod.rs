//! A demo that serves while a test works against it, and the programs that test it: psql, psycopg, node-postgres.

#![allow(dead_code, unreachable_pub, reason = "each test binary uses a part of it")]
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "all of it is tests, also what is not marked as one"
)]

use std::io::{BufRead as _, BufReader, Read as _};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::Duration;

use estop::clock::monotonic;
use serde_json::Value;
use tempfile::TempDir;

pub mod desk;
pub mod office;

/// The program under test.
pub const ESTOP: &str = env!("CARGO_BIN_EXE_estop");

/// Longest wait for anything that must come about by itself.
pub const PATIENCE: Duration = Duration::from_secs(60);

/// A demo that has played its story and serves.
pub struct Stage {
    child: Child,
    /// Dropped last: the folder with everything in it.
    folder: TempDir,
    pub facts: Value,
}

/// How to log in as one of the demo's officers.
#[derive(Clone)]
pub struct Login {
    pub host: String,
    pub port: String,
    pub user: String,
    pub password: String,
    pub database: String,
    pub options: String,
    pub authority: String,
}

impl Stage {
    /// Plays the demo and leaves it serving, in an isolation: `airlock` or `in-place`.
    pub fn set_in(isolation: &str) -> Self {
        let folder = tempfile::Builder::new()
            .prefix("estop-e2e-")
            .tempdir_in("/tmp")
            .unwrap();
        let child = Command::new(ESTOP)
            .args(["demo", "--json", "--dir"])
            .arg(folder.path().join("demo"))
            .args(["--isolation", isolation])
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::inherit())
            .spawn()
            .unwrap();
        // Its own end is seen to from here on, also if it does not do what it must.
        let facts = Value::Null;
        let mut stage = Self { child, folder, facts };
        // One document, and then the demo serves without a word: the document ends where its braces do.
        let mut text = String::new();
        let mut lines = BufReader::new(stage.child.stdout.take().unwrap());
        while serde_json::from_str::<Value>(&text).is_err() {
            let read = lines.read_line(&mut text).unwrap();
            assert!(read > 0, "the demo ended before it served; it said: {text}");
        }
        // What it says later goes nowhere, so that it cannot block.
        std::thread::spawn(move || lines.read_to_end(&mut Vec::new()));
        stage.facts = serde_json::from_str(&text).unwrap();
        assert_eq!(
            stage.facts["holds"], true,
            "every step of the demo did what it must: {text}"
        );
        stage
    }

    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    pub fn folder(&self) -> PathBuf {
        self.folder.path().join("demo")
    }

    /// The login of a partner: `state-police`, `university`, `public-health` or `federal-agency`.
    pub fn login(&self, who: &str) -> Login {
        let found = self.facts["connections"].as_array().unwrap().iter();
        let mut found = found.filter(|login| login["who"].as_str().unwrap().starts_with(who));
        let found = found.next().unwrap();
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let gateway = &self.facts["gateway"];
        Login {
            host: text(&gateway["host"]),
            port: gateway["port"].to_string(),
            user: text(&found["user"]),
            password: text(&found["password"]),
            database: text(&found["database"]),
            options: text(&found["options"]),
            authority: text(&gateway["sslrootcert"]),
        }
    }

    /// Runs `estop` on the demo's estate.
    pub fn estop(&self, args: &[&str]) -> Output {
        Command::new(ESTOP)
            .arg("--estate")
            .arg(self.folder())
            .args(args)
            .stdin(Stdio::null())
            .output()
            .unwrap()
    }

    /// The same with `--json`: the document, and the exit code.
    pub fn estop_json(&self, args: &[&str]) -> (Value, i32) {
        let output = self.estop(&[args, &["--json"]].concat());
        let said = String::from_utf8(output.stdout).unwrap();
        let document = serde_json::from_str(&said).unwrap_or_else(|error| {
            panic!(
                "{args:?}: {error}: {said} {}",
                String::from_utf8_lossy(&output.stderr)
            )
        });
        (document, output.status.code().unwrap())
    }

    /// SQL as the custodian's administrator, straight to the database; what it prints, unaligned.
    pub fn admin(&self, sql: &str) -> String {
        let estate = std::fs::read_to_string(self.folder().join("estop.toml")).unwrap();
        let url = estate
            .split('"')
            .find(|text| text.starts_with("postgres"))
            .expect("the upstream's URL");
        let output = Command::new("psql")
            .args(["-XqAt", "-v", "ON_ERROR_STOP=1", "-c", sql, url])
            .output()
            .unwrap();
        assert!(
            output.status.success(),
            "{sql}: {}",
            String::from_utf8_lossy(&output.stderr)
        );
        String::from_utf8(output.stdout).unwrap().trim().to_owned()
    }

    /// Kills the demo's process as a crash would. The database goes on.
    pub fn kill(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// Ends the demo as Ctrl-C does, and waits until it is gone. Its folder stays.
    pub fn stop(&mut self) {
        if self.child.try_wait().ok().flatten().is_some() {
            return;
        }
        let _ = Command::new("kill")
            .args(["-INT", &self.child.id().to_string()])
            .status();
        let until = monotonic() + PATIENCE;
        while self.child.try_wait().ok().flatten().is_none() && monotonic() < until {
            std::thread::sleep(Duration::from_millis(20));
        }
        let _ = self.child.kill();
        let _ = self.child.wait();
    }

    /// In libpq's keyword form: the way straight to the database as the role of one of the demo's agreements, whose password
    /// is read from the register as somebody with the custodian's disk would.
    pub fn behind(&self, who: &str) -> String {
        let role = self.login(who).query("select current_user");
        // Behind an airlock there is another password than the gateway's.
        let kind = if self.facts["isolation"] == "airlock" {
            "custodian"
        } else {
            "upstream"
        };
        let password = self.password(kind, &role);
        let upstream = &self.facts["upstream"];
        let (host, port) = (upstream["host"].as_str().unwrap(), &upstream["port"]);
        let database = upstream["database"].as_str().unwrap();
        format!(
            "host={host} port={port} dbname={database} user={role} password={} options='-csearch_path={role}'",
            password
        )
    }

    /// Where a partner's cluster is.
    pub fn airlock(&self, who: &str) -> PathBuf {
        airlock(&self.folder(), who)
    }

    /// The first process of a partner's cluster; empty if it does not run.
    pub fn postmaster(&self, who: &str) -> String {
        postmaster(&self.folder(), who)
    }

    /// A role's password, read from the register as somebody with the custodian's disk would.
    pub fn password(&self, kind: &str, role: &str) -> String {
        let read = "import json, sqlite3, sys; \
                    rows = sqlite3.connect(f'file:{sys.argv[1]}?mode=ro', uri=True).execute( \
                    'select value from entry where key = ?', (sys.argv[2],)); \
                    print(json.loads(rows.fetchone()[0])['password'])";
        self.register(read, &[&format!("{kind}/{role}")])
    }

    /// Puts something else into the register, in place of what stands there.
    pub fn put(&self, key: &str, value: &Value) {
        let write = "import sqlite3, sys; at = sqlite3.connect(sys.argv[1]); \
                     done = at.execute('update entry set value = cast(? as blob) where key = ?', (sys.argv[3], sys.argv[2])); \
                     assert done.rowcount == 1; at.commit()";
        self.register(write, &[key, &value.to_string()]);
    }

    fn register(&self, program: &str, args: &[&str]) -> String {
        let mut python = Command::new("/usr/bin/python3");
        let register = self.folder().join("state/register.sqlite");
        run(python.args(["-c", program]).arg(register).args(args))
            .trim()
            .to_owned()
    }
}

impl Drop for Stage {
    fn drop(&mut self) {
        self.stop();
        stop_postgres(&self.folder());
    }
}

/// Stops the demo's database, if the demo was killed and could not.
fn stop_postgres(folder: &Path) {
    let found = Command::new("pgrep")
        .args(["-f", &format!("{}.*", folder.display())])
        .output();
    if let Ok(found) = found {
        for pid in String::from_utf8_lossy(&found.stdout).lines() {
            let _ = Command::new("kill").args(["-QUIT", pid]).status();
        }
    }
}

impl Login {
    /// In libpq's keyword form.
    pub fn conninfo(&self) -> String {
        let Self {
            host,
            port,
            user,
            password,
            database,
            options,
            authority,
        } = self;
        format!(
            "host={host} port={port} user={user} password={password} dbname={database} options='{options}' \
             sslmode=verify-full sslrootcert={authority}"
        )
    }

    /// Runs one psql command after another as this officer.
    pub fn psql(&self, commands: &[&str]) -> Output {
        let mut psql = self.psql_command();
        for command in commands {
            psql.args(["-c", command]);
        }
        psql.output().unwrap()
    }

    /// psql, ready for its commands; errors with all their fields.
    pub fn psql_command(&self) -> Command {
        let mut psql = Command::new("psql");
        psql.args([
            "-XAt",
            "-v",
            "VERBOSITY=verbose",
            "-v",
            "ON_ERROR_STOP=1",
            &self.conninfo(),
        ]);
        psql.stdin(Stdio::null()).env("PGCONNECT_TIMEOUT", "20");
        psql
    }

    /// What one statement gives; it must succeed.
    pub fn query(&self, sql: &str) -> String {
        let output = self.psql(&[sql]);
        assert!(
            output.status.success(),
            "{sql}: {}",
            String::from_utf8_lossy(&output.stderr)
        );
        String::from_utf8(output.stdout).unwrap().trim().to_owned()
    }

    /// What psql says of a statement, or of the connection, that must be refused.
    pub fn refused(&self, sql: &str) -> String {
        let output = self.psql(&[sql]);
        assert!(!output.status.success(), "{sql}: was not refused");
        String::from_utf8(output.stderr).unwrap()
    }
}

/// Where a partner's cluster is, for the estate in a folder.
fn airlock(estate: &Path, who: &str) -> PathBuf {
    let home = estate.join("state/airlock");
    let top = std::fs::read_to_string(home.join("place")).map_or(home, PathBuf::from);
    top.join(who)
}

fn postmaster(estate: &Path, who: &str) -> String {
    let file = airlock(estate, who).join("data/postmaster.pid");
    let text = std::fs::read_to_string(file).unwrap_or_default();
    text.lines().next().unwrap_or_default().to_owned()
}

/// Runs a program that checks things, and shows what it says if one did not hold.
pub fn run(command: &mut Command) -> String {
    let output = command.stdin(Stdio::null()).output().unwrap();
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(
        output.status.success(),
        "{command:?}\n{said}{}",
        String::from_utf8_lossy(&output.stderr)
    );
    said
}

/// A file below the repository's root.
pub fn root(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").join(path)
}

/// Waits until `holds`, or fails with `what`.
pub fn wait_for(what: &str, mut holds: impl FnMut() -> bool) {
    let until = monotonic() + PATIENCE;
    while !holds() {
        assert!(monotonic() < until, "still not: {what}");
        std::thread::sleep(Duration::from_millis(10));
    }
}

/// psql on any connection string: what it prints, or what it says of the error with its SQLSTATE.
pub fn psql_on(conninfo: &str, sql: &str) -> Result<String, String> {
    let mut psql = Command::new("psql");
    psql.args([
        "-XqAt",
        "-v",
        "VERBOSITY=verbose",
        "-v",
        "ON_ERROR_STOP=1",
        "-c",
        sql,
        conninfo,
    ]);
    let output = psql
        .stdin(Stdio::null())
        .env("PGCONNECT_TIMEOUT", "20")
        .output()
        .unwrap();
    if output.status.success() {
        Ok(String::from_utf8(output.stdout).unwrap().trim().to_owned())
    } else {
        Err(String::from_utf8_lossy(&output.stderr).into_owned())
    }
}
