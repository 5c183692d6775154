//! A demo's estate whose gateway may die at any moment: the database goes on, and `estop serve` is started again and again.

mod held;
pub(crate) mod partners;
pub(crate) mod small_disk;
pub(crate) mod told;
pub(crate) mod trace;

use std::fs;
use std::io::{BufRead as _, BufReader, Read as _};
use std::net::SocketAddr;
use std::os::unix::fs::MetadataExt as _;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use estop::postgres::Binaries;
use serde_json::Value;
use tokio_postgres::config::SslMode;
use tokio_postgres::{Client, Config, Error};
use tokio_postgres_rustls::MakeRustlsConnect;

use crate::stage::{ESTOP, Login, Stage, wait_for};

/// What a demo leaves when its process is killed, with its database up again.
pub(crate) struct World {
    // Dropped first: nobody needs it any more.
    _postgres: Postgres,
    stage: Stage,
}

impl World {
    /// Plays the demo and kills it. From now on `serve` listens wherever there is a free port.
    pub(crate) fn set_in(isolation: &str) -> Self {
        let mut stage = Stage::set_in(isolation);
        stage.kill();
        let file = stage.folder().join("estop.toml");
        let text = fs::read_to_string(&file).unwrap();
        let socket = text.split_once("host=").expect("a Unix socket").1;
        let postgres = Postgres::again(Path::new(socket.split('&').next().unwrap()));
        let lines = text.lines().map(|line| match line.starts_with("listen") {
            true => "listen = \"127.0.0.1:0\"",
            false => line,
        });
        fs::write(&file, lines.collect::<Vec<_>>().join("\n")).unwrap();
        Self {
            _postgres: postgres,
            stage,
        }
    }

    /// The estate's folder.
    pub(crate) fn folder(&self) -> PathBuf {
        self.stage.folder()
    }

    /// The folder of the estate's state.
    pub(crate) fn state(&self) -> PathBuf {
        self.folder().join("state")
    }

    pub(crate) fn login(&self, who: &str) -> Login {
        self.stage.login(who)
    }

    /// The first process of a partner's airlock.
    pub(crate) fn postmaster(&self, who: &str) -> String {
        self.stage.postmaster(who)
    }

    /// Runs `estop serve` behind the words of `before`, such as a tracer's.
    pub(crate) fn serve(&self, before: &[&str]) -> Serve {
        Serve::start(&mut self.command(before, &["serve"]))
    }

    /// `estop` with these arguments, its answer as JSON, run by another program if there is one.
    pub(crate) fn command(&self, before: &[&str], args: &[&str]) -> Command {
        let mut words = before.iter().copied().chain([ESTOP]);
        let mut command = Command::new(words.next().unwrap());
        command
            .args(words)
            .args(["--json", "--estate"])
            .arg(self.folder())
            .args(args);
        command.stdin(Stdio::null());
        command
    }

    /// Whether `estop ledger verify` finds everything in order; the entries it counted.
    pub(crate) fn verify(&self, before: &[&str]) -> u64 {
        let output = self.command(before, &["ledger", "verify"]).output().unwrap();
        let said = String::from_utf8_lossy(&output.stdout);
        assert!(
            output.status.success(),
            "{said}{}",
            String::from_utf8_lossy(&output.stderr)
        );
        let report: Value = serde_json::from_str(&said).unwrap();
        assert_eq!(report["holds"], true, "{said}");
        report["size"].as_u64().unwrap()
    }
}

/// `estop serve`, at work.
pub(crate) struct Serve {
    child: Child,
    /// Where the gateway listens.
    pub(crate) address: SocketAddr,
}

impl Serve {
    fn start(command: &mut Command) -> Self {
        let mut child = command
            .stdout(Stdio::piped())
            .stderr(Stdio::inherit())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap());
        let mut text = String::new();
        let facts = loop {
            let read = lines.read_line(&mut text).unwrap();
            assert!(read > 0, "`serve` ended before it served; it said: {text}");
            if let Ok(facts) = serde_json::from_str::<Value>(&text) {
                break facts;
            }
        };
        std::thread::spawn(move || lines.read_to_end(&mut Vec::new()));
        let address = facts["gateway"].as_str().unwrap().parse().unwrap();
        Self { child, address }
    }

    /// Whether it is still at work.
    pub(crate) fn lives(&mut self) -> bool {
        self.child.try_wait().unwrap().is_none()
    }

    /// `kill -9`, and nothing of the process is left.
    pub(crate) fn kill(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// `kill -9` where a program runs `serve` as its child, and ends with it.
    pub(crate) fn kill_child(&mut self) {
        let id = self.child.id();
        let children = fs::read_to_string(format!("/proc/{id}/task/{id}/children")).unwrap();
        let status = Command::new("kill")
            .arg("-KILL")
            .args(children.split_whitespace())
            .status()
            .unwrap();
        assert!(status.success());
        wait_for("the end of `serve`", || self.child.try_wait().unwrap().is_some());
    }

    /// Logs in as an ordinary client does that checks the server's certificate and name.
    pub(crate) async fn connect(&self, login: &Login) -> Result<Client, Error> {
        connect(self.address, login).await
    }
}

impl Drop for Serve {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A session, driven by a task that ends with the connection.
pub(crate) async fn connect(address: SocketAddr, login: &Login) -> Result<Client, Error> {
    let tls = estop::tls::client(Path::new(&login.authority)).unwrap();
    let mut config = Config::new();
    config
        .host("localhost")
        .hostaddr(address.ip())
        .port(address.port())
        .ssl_mode(SslMode::Require);
    config
        .user(&login.user)
        .password(&login.password)
        .dbname(&login.database)
        .options(&login.options);
    let (client, connection) = config.connect(MakeRustlsConnect::new(tls)).await?;
    tokio::spawn(connection);
    Ok(client)
}

/// The demo's cluster, run by the test: the server that the demo started ends with the demo.
struct Postgres {
    server: Child,
    folder: PathBuf,
}

impl Postgres {
    fn again(folder: &Path) -> Self {
        let data = folder.join("data");
        let state = data.join("postmaster.pid");
        // Where `setpriv` is missing the server has not been told.
        if let Some(pid) = fs::read_to_string(&state)
            .ok()
            .as_deref()
            .and_then(|text| text.lines().next())
        {
            let _ = Command::new("kill").args(["-INT", pid]).status();
        }
        wait_for("the end of the demo's server", || !state.exists());
        let postgres = Binaries::find().unwrap().program("postgres");
        let mut command = match Path::new("/usr/bin/setpriv").is_file() {
            true => {
                let mut command = Command::new("/usr/bin/setpriv");
                command.args(["--pdeathsig", "INT", "--"]).arg(postgres);
                command
            }
            false => Command::new(postgres),
        };
        let owner = fs::metadata(&data).unwrap();
        if owner.uid() != fs::metadata("/proc/self").unwrap().uid() {
            command.uid(owner.uid()).gid(owner.gid());
        }
        let log = fs::OpenOptions::new()
            .append(true)
            .open(folder.join("log"))
            .unwrap();
        command
            .arg("-D")
            .arg(&data)
            .arg("-k")
            .arg(folder)
            .env_remove("LC_ALL")
            .env("LC_ALL", "C");
        command
            .current_dir(folder)
            .stdin(Stdio::null())
            .stdout(log.try_clone().unwrap())
            .stderr(log);
        let server = command.spawn().unwrap();
        wait_for("a database that is ready", || {
            let text = fs::read_to_string(&state).unwrap_or_default();
            text.lines().nth(7).is_some_and(|line| line.trim() == "ready")
        });
        Self {
            server,
            folder: folder.to_owned(),
        }
    }
}

impl Drop for Postgres {
    fn drop(&mut self) {
        let _ = Command::new("kill")
            .args(["-QUIT", &self.server.id().to_string()])
            .status();
        let _ = self.server.wait();
        let _ = fs::remove_dir_all(&self.folder);
    }
}
