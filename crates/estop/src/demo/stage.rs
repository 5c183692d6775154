//! The demo's stage: a scratch server with the records, an estate in a folder, and `serve` at work on it. Dropping it ends all of it.

use std::collections::BTreeMap;
use std::fs;
use std::net::{Ipv4Addr, SocketAddr};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use policy::estate::Isolation;
use tempfile::TempDir;
use tokio::net::TcpListener;

use super::cast::{AUTHORITIES, Passwords};
use super::estate::{DEFAULT_ISOLATION, Particulars, files, write};
use super::load::{self, DATABASE};
use super::partner::Gate;
use super::people::{self, Person};
use super::report::{Report, Step, grouped};
use super::{certificates, incidents};
use crate::admin::Admin;
use crate::commands::{apply, directive};
use crate::estate::{self, Loaded};
use crate::failure::{Exit, Failure};
use crate::files::FileError;
use crate::postgres::{ADMIN, PostgresError, Scratch};
use crate::serve::Serving;
use crate::{clock, ssh};

/// The port that the documentation names; another one where it is taken.
const PORT: u16 = 6432;

/// A folder that stays, or one that goes with the demo.
#[derive(Debug)]
enum Folder {
    Kept(PathBuf),
    Temporary(TempDir),
}

impl Folder {
    fn path(&self) -> &Path {
        match self {
            Self::Kept(path) => path,
            Self::Temporary(folder) => folder.path(),
        }
    }
}

/// Everything that is running.
#[derive(Debug)]
pub struct Stage {
    // Dropped in this order: the gateway before the server it stands before.
    /// Gateway and control.
    pub serving: Serving,
    /// The estate that is served.
    pub estate: Loaded,
    /// The partners' way in.
    pub gate: Gate,
    /// Their passwords.
    pub passwords: Passwords,
    /// The people in the records.
    pub people: Vec<Person>,
    /// The custodian's server.
    pub scratch: Scratch,
    folder: Folder,
}

impl Stage {
    /// Sets the stage, in the kept folder `dir` or in a temporary one.
    ///
    /// # Errors
    /// Something needed is not there, or `dir` is not empty.
    pub async fn set(
        dir: Option<&Path>,
        isolation: Option<&str>,
        report: &mut Report,
    ) -> Result<Self, Failure> {
        let folder = folder(dir)?;
        let scratch = Scratch::start().map_err(|error| no_server(&error))?;
        let said = format!("PostgreSQL {} on a private Unix socket", scratch.version());
        report.add(Step::new("server", "database", said).fact("version", scratch.version()))?;
        let people = records(&scratch, report).await?;

        let listener = listen().await?;
        let address = listener.local_addr().map_err(|error| no_port(&error))?;
        let passwords = Passwords::draw()?;
        let estate = estate_in(folder.path(), &scratch, address, isolation, &passwords, report)?;
        let serving = Serving::start(&estate, Some(listener)).await?;
        let keys: Vec<PathBuf> = AUTHORITIES
            .iter()
            .map(|who| folder.path().join("keys").join(who))
            .collect();
        let admin = Admin::at(estate.state().admin_socket());
        let approval = directive::approve(&admin, &estate, folder.path(), &keys).await?;
        report.add(
            Step::new(
                "approved",
                "authorities",
                format!(
                    "{} approve the estate as it stands: {approval}",
                    AUTHORITIES.join(" and ")
                ),
            )
            .fact("number", approval.to_string()),
        )?;
        let applied = apply::apply(&admin, &estate).await?;
        report.add(
            Step::new(
                "applied",
                "apply",
                format!("{} steps, policy {}", applied.steps, applied.epoch),
            )
            .must(applied.steps > 0, "a fresh database must need steps")
            .fact("steps", applied.steps),
        )?;
        let authority = folder.path().join(certificates::AUTHORITY);
        let gate =
            Gate::new(address, &authority).map_err(|error| Failure::from_error(Exit::Absent, &error))?;
        report.add(
            Step::new(
                "gateway",
                "gateway",
                format!("localhost:{}, TLS and SCRAM-SHA-256", address.port()),
            )
            .fact("port", address.port()),
        )?;
        Ok(Self {
            serving,
            estate,
            gate,
            passwords,
            people,
            scratch,
            folder,
        })
    }

    /// The folder with the estate, the directive and the certificate.
    #[must_use]
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// How the partners are kept apart from the custodian's database.
    #[must_use]
    pub fn isolation(&self) -> Isolation {
        let mut upstreams = self.estate.estate.upstreams().values();
        upstreams
            .next()
            .map_or(Isolation::DEFAULT, |upstream| upstream.isolation)
    }

    /// The demo's private key of an authority.
    #[must_use]
    pub fn key(&self, who: &str) -> PathBuf {
        self.folder().join("keys").join(who)
    }

    /// The way to control, as every command takes it.
    #[must_use]
    pub fn admin(&self) -> Admin {
        Admin::at(self.estate.state().admin_socket())
    }

    /// The port of the gateway.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.serving.address().port()
    }

    /// Ends everything in order.
    pub async fn strike(self) {
        self.serving.stop().await;
        self.scratch.stop();
    }
}

fn folder(dir: Option<&Path>) -> Result<Folder, Failure> {
    let Some(dir) = dir else {
        let mut builder = tempfile::Builder::new();
        builder
            .prefix("estop-demo-")
            .permissions(fs::Permissions::from_mode(0o700));
        let made = builder
            .tempdir()
            .map_err(|error| FileError::new("create a folder in", &std::env::temp_dir(), error))?;
        return Ok(Folder::Temporary(made));
    };
    fs::create_dir_all(dir).map_err(|error| FileError::new("create", dir, error))?;
    let mut entries = fs::read_dir(dir).map_err(|error| FileError::new("list", dir, error))?;
    if entries.next().is_some() {
        return Err(Failure::wrong(format!("`{}` is not empty", dir.display()))
            .help("the demo writes over nothing: name a folder that is empty or not there yet"));
    }
    let dir = fs::canonicalize(dir).map_err(|error| FileError::new("find", dir, error))?;
    Ok(Folder::Kept(dir))
}

fn no_server(error: &PostgresError) -> Failure {
    let failure = Failure::from_error(Exit::Absent, error);
    match error {
        PostgresError::Missing => failure.help(format!("sudo {}", crate::postgres::APT)),
        _ => failure,
    }
}

async fn records(scratch: &Scratch, report: &mut Report) -> Result<Vec<Person>, Failure> {
    let incidents = incidents::shipped().map_err(|error| Failure::from_error(Exit::Wrong, &error))?;
    let people = people::made_up(&incidents, people::SEED);
    let loaded = load::load(scratch, &incidents, &people)
        .await
        .map_err(|error| Failure::absent("cannot fill the scratch database").because(&error))?;
    let said = format!(
        "{} real incidents of Toronto, {} made-up people",
        grouped(loaded.incidents),
        grouped(loaded.people)
    );
    report.add(
        Step::new("records", "records", said)
            .fact("incidents", loaded.incidents)
            .fact("people", loaded.people),
    )?;
    Ok(people)
}

/// On the loopback address alone.
async fn listen() -> Result<TcpListener, Failure> {
    let at = |port| TcpListener::bind(SocketAddr::from((Ipv4Addr::LOCALHOST, port)));
    match at(PORT).await {
        Ok(listener) => Ok(listener),
        Err(_) => at(0).await.map_err(|error| no_port(&error)),
    }
}

fn no_port(error: &std::io::Error) -> Failure {
    Failure::absent("no free port on 127.0.0.1").because(error)
}

fn estate_in(
    folder: &Path,
    scratch: &Scratch,
    listen: SocketAddr,
    isolation: Option<&str>,
    passwords: &Passwords,
    report: &mut Report,
) -> Result<Loaded, Failure> {
    let upstream = format!(
        "postgresql://{ADMIN}:{}@/{DATABASE}?host={}&port={}",
        scratch.password(),
        scratch.socket_directory().display(),
        scratch.port()
    );
    let verifiers = passwords.verifiers()?;
    let authorities = authorities(folder)?;
    let particulars = Particulars {
        upstream: &upstream,
        listen,
        isolation: isolation.unwrap_or(DEFAULT_ISOLATION),
        verifiers: &verifiers,
        authorities: &authorities,
    };
    write(&files(&particulars), folder)?;
    certificates::write(folder, clock::now()).map_err(|error| Failure::from_error(Exit::Absent, &error))?;
    let loaded = estate::load(folder)?;
    let said = format!(
        "{} partners, {} agreements, {} authorities, in {}",
        loaded.estate.partners().len(),
        loaded.estate.agreements().len(),
        AUTHORITIES.len(),
        folder.display()
    );
    report.add(Step::new("estate", "estate", said).fact("folder", folder.display().to_string()))?;
    Ok(loaded)
}

/// Makes a key for each authority. Their public halves, as `allowed_signers` has them: without the comment.
fn authorities(folder: &Path) -> Result<BTreeMap<&'static str, String>, Failure> {
    let keys = folder.join("keys");
    fs::create_dir(&keys).map_err(|error| FileError::new("create", &keys, error))?;
    AUTHORITIES
        .into_iter()
        .map(|who| {
            let path = keys.join(who);
            ssh::generate(&path, &format!("{who}@city.example"))
                .map_err(|error| Failure::from_error(Exit::Absent, &error))?;
            let public = crate::files::read(&path.with_extension("pub"), crate::custodian::KEY_BYTES_MAX)?;
            let key = public.split_whitespace().take(2).collect::<Vec<_>>().join(" ");
            Ok((who, key))
        })
        .collect()
}
