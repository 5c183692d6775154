//! A custodian's office without the demo's story: a scratch database, an estate in a folder, and `estop serve` at work on
//! it, which can be restarted.

use std::collections::BTreeMap;
use std::net::{SocketAddr, TcpListener};
use std::path::PathBuf;
use std::process::{Child, Command, Output, Stdio};

use estop::clock::monotonic;
use estop::demo::cast::Passwords;
use estop::demo::{certificates, estate, incidents, load, people};
use estop::postgres::{ADMIN, Scratch};
use estop::ssh;
use policy::estate::Files;
use tempfile::TempDir;

use super::{ESTOP, Login, PATIENCE, wait_for};

/// The names of the authorities' keys, as in the demo.
const AUTHORITIES: [&str; 2] = ["mayor", "counsel"];

/// The office. The database ends with the thread that opened it.
pub struct Office {
    serve: Option<Child>,
    scratch: Scratch,
    folder: TempDir,
    /// Where the gateway listens.
    pub listen: SocketAddr,
    passwords: Passwords,
    /// What `serve` finds in its environment besides.
    environment: Vec<(&'static str, PathBuf)>,
}

impl Office {
    /// Fills a database, writes the demo's estate, serves and applies it.
    pub fn open() -> Self {
        Self::open_in("in-place", |_| ())
    }

    /// The same in an isolation, `airlock` or `in-place`, with changes to the demo's files.
    pub fn open_in(isolation: &str, change: impl FnOnce(&mut Files)) -> Self {
        let scratch = Scratch::start().unwrap();
        fill(&scratch);
        Self::of(scratch, isolation, |particulars| {
            let mut files = estate::files(particulars);
            change(&mut files);
            files
        })
    }

    /// The same over another database, in an isolation (`airlock` or `in-place`) and with other files.
    pub fn of(
        scratch: Scratch,
        isolation: &str,
        files: impl FnOnce(&estate::Particulars<'_>) -> Files,
    ) -> Self {
        let folder = tempfile::Builder::new()
            .prefix("estop-office-")
            .tempdir_in("/tmp")
            .unwrap();
        let (listen, passwords) = write_estate(&folder, &scratch, isolation, files);
        let mut office = Self {
            serve: None,
            scratch,
            folder,
            listen,
            passwords,
            environment: Vec::new(),
        };
        office.restart();
        office.approve();
        let applied = office.estop(&["apply"]);
        assert!(
            applied.status.success(),
            "{}",
            String::from_utf8_lossy(&applied.stderr)
        );
        office
    }

    /// Ends `serve`, if it runs, and starts it with the estate as it is now.
    pub fn restart(&mut self) {
        self.close();
        let mut serve = Command::new(ESTOP);
        serve.arg("--estate").arg(self.folder.path()).arg("serve");
        serve.envs(self.environment.iter().map(|(name, value)| (name, value)));
        // Airlocks of another version than the custodian's server (scripts/versions).
        if let Some(airlocks) = std::env::var_os("ESTOP_TEST_AIRLOCK_BIN") {
            serve.env("ESTOP_POSTGRES_BIN", airlocks);
        }
        let said = std::fs::OpenOptions::new()
            .create(true)
            .append(true)
            .open(self.said_in())
            .unwrap();
        serve.stdin(Stdio::null()).stdout(Stdio::null()).stderr(said);
        self.serve = Some(serve.spawn().unwrap());
        wait_for("serve answers", || self.estop(&["sessions"]).status.success());
    }

    /// From its next start on, `serve` finds this in its environment.
    pub fn with_variable(&mut self, name: &'static str, value: PathBuf) {
        self.environment.push((name, value));
    }

    /// Kills `serve` as a crash would.
    pub fn kill(&mut self) {
        let mut serve = self.serve.take().unwrap();
        serve.kill().unwrap();
        serve.wait().unwrap();
    }

    fn said_in(&self) -> PathBuf {
        self.path("serve.log")
    }

    /// What `serve` has said on standard error.
    pub fn said(&self) -> String {
        std::fs::read_to_string(self.said_in()).unwrap_or_default()
    }

    /// The authorities approve the estate as it is served, each with their own key.
    pub fn approve(&self) {
        let mut files = (1..).map(|count| self.path(&format!("approval-{count}")));
        let file = files.find(|file| !file.exists()).unwrap();
        let name = file.to_str().unwrap();
        let keys = AUTHORITIES.map(|who| self.path("keys").join(who));
        let sign =
            |key: &PathBuf| ["directive", "sign", name, "--key", key.to_str().unwrap()].map(str::to_owned);
        let mut steps = vec![["directive", "new", "approve", "-o", name].map(str::to_owned)];
        steps.extend(keys.iter().map(sign));
        let mut steps: Vec<Vec<String>> = steps.into_iter().map(Vec::from).collect();
        steps.push(["directive", "submit", name].map(str::to_owned).to_vec());
        for step in steps {
            let output = self.estop(&step.iter().map(String::as_str).collect::<Vec<_>>());
            assert!(
                output.status.success(),
                "{step:?}: {}",
                String::from_utf8_lossy(&output.stderr)
            );
        }
    }

    /// Ends `serve`, if it runs.
    pub fn close(&mut self) {
        let Some(mut serve) = self.serve.take() else {
            return;
        };
        let _ = Command::new("kill")
            .args(["-INT", &serve.id().to_string()])
            .status();
        let until = monotonic() + PATIENCE;
        while serve.try_wait().ok().flatten().is_none() && monotonic() < until {
            std::thread::sleep(std::time::Duration::from_millis(10));
        }
        let _ = serve.kill();
        let _ = serve.wait();
    }

    /// The login of one of the demo's partners.
    pub fn login(&self, who: &str) -> Login {
        let login = match who {
            "state-police" => self.passwords.police(),
            "university" => self.passwords.university(),
            "public-health" => self.passwords.health(),
            _ => self.passwords.federal(),
        };
        let settings = [("purpose", login.purpose), ("case", login.case)];
        let options = settings
            .iter()
            .filter_map(|(name, value)| Some(format!("-cestop.{name}={}", (*value)?)));
        Login {
            host: "localhost".to_owned(),
            port: self.listen.port().to_string(),
            user: login.officer.to_owned(),
            password: login.password.to_string(),
            database: login.agreement.to_owned(),
            options: options.collect::<Vec<_>>().join(" "),
            authority: self.path("tls/ca.pem").display().to_string(),
        }
    }

    /// The first process of a partner's airlock.
    pub fn postmaster(&self, who: &str) -> String {
        super::postmaster(self.folder.path(), who)
    }

    /// The administrator's way to a database of the server.
    pub fn admin_url(&self, database: &str) -> String {
        admin_url(&self.scratch, database)
    }

    /// A path in the estate's folder.
    pub fn path(&self, relative: &str) -> PathBuf {
        self.folder.path().join(relative)
    }

    /// Runs `estop` on the estate.
    pub fn estop(&self, args: &[&str]) -> Output {
        let mut estop = Command::new(ESTOP);
        estop
            .arg("--estate")
            .arg(self.folder.path())
            .args(args)
            .stdin(Stdio::null())
            .output()
            .unwrap()
    }
}

impl Drop for Office {
    fn drop(&mut self) {
        self.close();
        if std::thread::panicking() {
            eprintln!("`serve` said:\n{}", self.said());
        }
    }
}

fn fill(scratch: &Scratch) {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    let incidents = incidents::shipped().unwrap();
    let people = people::made_up(&incidents, people::SEED);
    runtime
        .block_on(load::load(scratch, &incidents, &people))
        .unwrap();
}

/// The administrator's way to a database of a scratch server.
pub fn admin_url(scratch: &Scratch, database: &str) -> String {
    format!(
        "postgresql://{ADMIN}:{}@/{database}?host={}&port={}",
        scratch.password(),
        scratch.socket_directory().display(),
        scratch.port()
    )
}

fn write_estate(
    folder: &TempDir,
    scratch: &Scratch,
    isolation: &str,
    files: impl FnOnce(&estate::Particulars<'_>) -> Files,
) -> (SocketAddr, Passwords) {
    let keys = folder.path().join("keys");
    std::fs::create_dir(&keys).unwrap();
    let key = |who: &'static str| {
        ssh::generate(&keys.join(who), who).unwrap();
        (who, public_key(&keys.join(who)))
    };
    let authorities: BTreeMap<_, _> = AUTHORITIES.into_iter().map(key).collect();
    let upstream = admin_url(scratch, load::DATABASE);
    // Free a moment ago; nothing else here takes ports in between.
    let listen = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let passwords = Passwords::draw().unwrap();
    let verifiers = passwords.verifiers().unwrap();
    let particulars = estate::Particulars {
        upstream: &upstream,
        isolation,
        listen,
        verifiers: &verifiers,
        authorities: &authorities,
    };
    estate::write(&files(&particulars), folder.path()).unwrap();
    certificates::write(folder.path(), estop::clock::now()).unwrap();
    (listen, passwords)
}

/// The public half of a key, as `allowed_signers` has it: without the comment.
pub fn public_key(private: &std::path::Path) -> String {
    let text = std::fs::read_to_string(private.with_extension("pub")).unwrap();
    text.split_whitespace().take(2).collect::<Vec<_>>().join(" ")
}
