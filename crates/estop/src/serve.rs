//! Gateway and control in one process: the wiring, and nothing else.

use std::collections::BTreeMap;
use std::fs::{self, DirBuilder};
use std::net::SocketAddr;
use std::os::unix::fs::{DirBuilderExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use control::{Control, Served};
use gateway::{Budgets, Database, Gateway, Place, Tls, Upstream};
use ledger::cosigning::Cosigning;
use ledger::register::{Register, SqliteRegister};
use ledger::{Clock, Ledger};
use policy::estate::{Isolation, UpstreamUrl};
use proof::hold::{Prover, Proving};
use tokio::net::{TcpListener, UnixListener};
use tokio::task::JoinHandle;
use tokio_postgres::config::Host;

use crate::airlock::{self, Airlocks};
use crate::estate::{Loaded, State};
use crate::failure::Failure;
use crate::files::FileError;
use crate::unix::Reachable;
use crate::{clock, custodian, solvers, witnessing};

mod accounting;
mod corrections;
mod desk;
mod doors;
pub mod erasing;
mod lapsing;
mod resuming;
mod routes;
mod troubles;
pub mod unsealing;
mod watch;

use desk::Desk;
use doors::Doors;

pub use routes::{
    ActivityAnswer, ActivityLine, ENTRIES_MAX, EntryLine, EstateAnswer, OpenError, OpeningAnswer,
    ProofAnswer, RunningLine, SessionLine, read_entries, read_opening, read_proof,
};

/// Name of the gateway of this process in register and ledger. One process, one gateway, for now.
const GATEWAY: &str = "gateway-1";

/// PostgreSQL's port where a URL names none.
const POSTGRES_PORT: u16 = 5432;

/// How long `serve` waits for another process to let go of the ledger.
const LEDGER_WAIT: Duration = Duration::from_secs(10);

/// How often it looks meanwhile.
const LEDGER_LOOKS: Duration = Duration::from_millis(50);

/// The wall clock, for everyone who needs the time.
#[derive(Debug)]
struct WallClock;

impl Clock for WallClock {
    fn now(&self) -> jiff::Timestamp {
        clock::now()
    }
}

/// Gateway and control at work. Ended in order by [`Serving::stop`]; dropped, sessions are cut off as by a crash.
#[derive(Debug)]
pub struct Serving {
    gateway: Gateway,
    admin: JoinHandle<std::io::Result<()>>,
    airlocks: Option<Arc<Airlocks>>,
    /// Look at the databases again and again, lift suspensions whose time is over, make again what is lost of airlocks, settle what was applied, keep the index
    /// of the accounting of disclosures.
    beside: Vec<JoinHandle<()>>,
    ledger: Ledger,
    /// Has the ledger's checkpoints cosigned; ends if it must not go on.
    cosigning: Option<JoinHandle<Failure>>,
    socket: PathBuf,
}

impl Serving {
    /// Starts, on the estate's address or on a listener that is open already.
    ///
    /// # Errors
    /// Something of the estate or of the state folder is not usable, or the address is taken.
    pub async fn start(loaded: &Loaded, listener: Option<TcpListener>) -> Result<Self, Failure> {
        let state = loaded.state();
        make_private(state.folder())?;
        let signer = custodian::key(&state, &loaded.estate.custodian().name)?;
        let clock: Arc<dyn Clock> = Arc::new(WallClock);
        let ledger = wait_for_ledger(loaded, &signer, &clock).await?;
        let register: Arc<dyn Register> = Arc::new(
            SqliteRegister::open(&state.register())
                .map_err(|error| Failure::absent("the register cannot be opened").because(&error))?,
        );
        let cosigning = loaded
            .estate
            .witnesses()
            .filter(|policy| policy.asks())
            .map(|policy| {
                Cosigning::new(
                    ledger.clone(),
                    policy.clone(),
                    Arc::new(witnessing::Http::default()),
                )
            });
        if let Some(cosigning) = &cosigning {
            witnessing::before_start(cosigning).await?;
        }
        let wanted = loaded.clone();
        let airlocks = tokio::task::spawn_blocking(move || Airlocks::start(&wanted))
            .await
            .map_err(|error| Failure::absent("the airlocks cannot be started").because(&error))??;
        let (airlocks, restarted) = airlocks
            .map(|(all, restarted)| (Arc::new(all), restarted))
            .unzip();
        let control = Control::new(control::Config {
            airlocks: airlocks.as_deref().map(Airlocks::urls).unwrap_or_default(),
            estate: loaded.estate.clone(),
            files: loaded.files.clone(),
            signer,
            ledger: ledger.clone(),
            register: Arc::clone(&register),
            clock: Arc::clone(&clock),
            patience: control::Patience::default(),
            cosigning: cosigning.clone(),
            prover: prover(&state),
        })
        .map_err(|error| {
            Failure::absent("control cannot start")
                .because(&error)
                .help(error.remedy())
        })?;
        let doors = Doors::open(loaded)?;
        let gateway = Gateway::start(gateway::Config {
            id: GATEWAY.to_owned(),
            listener: bind(loaded, listener).await?,
            tls: Tls::Required(doors.tls.clone()),
            tokens: doors.tokens.clone(),
            databases: databases(loaded, airlocks.as_deref())?,
            ledger: ledger.clone(),
            register,
            clock,
            accounting: custodian::accounting_key(&state)?,
            budgets: budgets(&ledger).await?,
            stand_ins: custodian::stand_ins(&state)?,
        })
        .await
        .map_err(|error| Failure::absent("the gateway cannot start").because(&error))?;
        let socket = state.admin_socket();
        let served = Served::new(control);
        let desk = Desk::new(
            loaded.clone(),
            served.clone(),
            airlocks.clone(),
            gateway.databases(),
        );
        let routes = routes::router(Arc::clone(&desk), gateway.watch_sessions(), ledger.clone())
            .merge(corrections::router(ledger.clone()));
        let cosigning =
            cosigning.map(|cosigning| tokio::spawn(witnessing::keep_cosigned(ledger.clone(), cosigning)));
        let mut beside = vec![
            tokio::spawn(watch::keep(served.clone())),
            tokio::spawn(lapsing::keep(served.clone())),
            tokio::spawn(resuming::keep(served.clone())),
            tokio::spawn(erasing::keep(ledger.clone(), served.clone())),
            tokio::spawn(desk.keep_settled()),
            tokio::spawn(troubles::tell(gateway.troubles())),
            tokio::spawn(doors.keep()),
            tokio::spawn(accounting::keep(
                ledger.clone(),
                state.ledger(),
                state.accounting(),
                loaded.estate.custodian().name.clone(),
            )),
        ];
        beside.extend(
            restarted.map(|restarted| tokio::spawn(airlock::keep_restored(restarted, served.clone()))),
        );
        let admin = tokio::spawn(control::serve_admin(bind_admin(&state)?, served, routes));
        Ok(Self {
            gateway,
            admin,
            airlocks,
            beside,
            ledger,
            cosigning,
            socket,
        })
    }

    /// Where the gateway listens.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.gateway.local_addr()
    }

    /// How the memory of airlocks is bounded, if there are any.
    #[must_use]
    pub fn airlock_memory(&self) -> Option<&str> {
        self.airlocks.as_ref().map(|airlocks| airlocks.memory())
    }

    /// Comes back when the process must end: nothing can be recorded any more, or nobody can give orders. Cancel safe.
    pub async fn failed(&mut self) -> Failure {
        tokio::select! {
            failure = self.ledger.failed() => {
                Failure::absent("the ledger has failed, so nothing may be released any more").because(&*failure)
            }
            failure = ended(self.cosigning.as_mut()) => failure,
            ended = &mut self.admin => {
                let failure = Failure::absent("the admin API has ended, so no directive could be taken any more");
                match ended {
                    Ok(Ok(())) => failure,
                    Ok(Err(error)) => failure.because(&error),
                    Err(error) => failure.because(&error),
                }
            }
        }
    }

    /// Lets statements in flight end within a bound, then ends everything.
    pub async fn stop(self) {
        self.admin.abort();
        if let Some(cosigning) = &self.cosigning {
            cosigning.abort();
        }
        // What it had recorded and not published yet is published at the next start.
        self.beside.iter().for_each(JoinHandle::abort);
        // Gone with the process in any case; a stale one is replaced at the next start.
        let _ = fs::remove_file(&self.socket);
        self.gateway.shutdown().await;
        if let Some(airlocks) = self.airlocks {
            // Nothing can be done about one that does not end, and each is waited for within a bound.
            let _ = tokio::task::spawn_blocking(move || airlocks.end()).await;
        }
    }
}

/// What agreements have used of the present day. Nothing is disclosed yet.
async fn budgets(ledger: &Ledger) -> Result<Budgets, Failure> {
    let ledger = ledger.clone();
    tokio::task::spawn_blocking(move || Budgets::of(&ledger, clock::now()))
        .await
        .map_err(|error| Failure::absent("the ledger cannot be read").because(&error))?
        .map_err(|error| {
            Failure::absent("it cannot be told what agreements have used of this day").because(&error)
        })
}

/// Why a task ended that ends only if it must; waits for ever where there is none.
async fn ended(task: Option<&mut JoinHandle<Failure>>) -> Failure {
    match task {
        None => std::future::pending().await,
        Some(task) => task
            .await
            .unwrap_or_else(|error| Failure::absent("checkpoints are not cosigned any more").because(&error)),
    }
}

/// Opens the estate's ledger. Only one process can.
///
/// # Errors
/// It is open elsewhere, or contradicts itself.
pub fn open_ledger(
    loaded: &Loaded,
    signer: evidence::note::SignerKey,
    clock: Arc<dyn Clock>,
) -> Result<Ledger, Failure> {
    try_ledger(loaded, signer, clock).map_err(|error| not_opened(&error))
}

fn try_ledger(
    loaded: &Loaded,
    signer: evidence::note::SignerKey,
    clock: Arc<dyn Clock>,
) -> Result<Ledger, ledger::OpenError> {
    let custodian = loaded.estate.custodian().name.clone();
    let config = ledger::Config::new(loaded.state().ledger(), custodian, signer, clock);
    Ledger::open(config)
}

fn not_opened(error: &ledger::OpenError) -> Failure {
    Failure::absent("the ledger cannot be opened").because(error)
}

/// Opens the ledger, and waits where another process has it: one that was killed a moment ago keeps it until the kernel has
/// taken all of it down.
async fn wait_for_ledger(
    loaded: &Loaded,
    signer: &evidence::note::SignerKey,
    clock: &Arc<dyn Clock>,
) -> Result<Ledger, Failure> {
    let begun = tokio::time::Instant::now();
    let mut said = false;
    loop {
        match try_ledger(loaded, signer.clone(), Arc::clone(clock)) {
            Err(ledger::OpenError::InUse { dir }) if begun.elapsed() < LEDGER_WAIT => {
                if !said {
                    crate::output::progress(&format!(
                        "the ledger in `{dir}` is in use by another process; waiting up to {} s for its end",
                        LEDGER_WAIT.as_secs()
                    ));
                    said = true;
                }
                tokio::time::sleep(LEDGER_LOOKS).await;
            }
            opened => return opened.map_err(|error| not_opened(&error)),
        }
    }
}

/// The wall clock, as the ledger takes it.
#[must_use]
pub fn wall_clock() -> Arc<dyn Clock> {
    Arc::new(WallClock)
}

/// Proves the estate before it is put in force.
fn prover(state: &State) -> Prover {
    Prover::new(Proving {
        programs: solvers::programs,
        folder: state.proofs(),
        now: clock::now,
        version: env!("CARGO_PKG_VERSION"),
    })
}

fn make_private(folder: &Path) -> Result<(), Failure> {
    DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(folder)
        .map_err(|source| FileError::new("create", folder, source).into())
}

async fn bind(loaded: &Loaded, listener: Option<TcpListener>) -> Result<TcpListener, Failure> {
    if let Some(listener) = listener {
        return Ok(listener);
    }
    let address = loaded.estate.gateway().listen;
    TcpListener::bind(address).await.map_err(|error| {
        Failure::absent(format!("cannot listen on {address}"))
            .because(&error)
            .help("`listen` in the table `[gateway]` of estop.toml names another address")
    })
}

/// The ledger is ours by now, so a socket that is there is left over from a process that has ended.
fn bind_admin(state: &State) -> Result<UnixListener, Failure> {
    let socket = state.admin_socket();
    let failed = |source| Failure::from(FileError::new("listen on", &socket, source));
    if socket.exists() {
        fs::remove_file(&socket).map_err(failed)?;
    }
    let way = Reachable::to(&socket).map_err(failed)?;
    let listener = UnixListener::bind(way.path()).map_err(failed)?;
    // The folder is closed to others already.
    fs::set_permissions(&socket, fs::Permissions::from_mode(0o600)).map_err(failed)?;
    Ok(listener)
}

/// Where the gateway finds each upstream: the same server as control's URL, without control's account.
/// Where it is isolated by an airlock: each partner's own server.
fn databases(loaded: &Loaded, airlocks: Option<&Airlocks>) -> Result<BTreeMap<String, Place>, Failure> {
    let upstreams = loaded.estate.upstreams().iter();
    let place = |name: &str, upstream: &policy::estate::Upstream| -> Result<Place, Failure> {
        match (upstream.isolation, airlocks) {
            (Isolation::Airlock, Some(airlocks)) => Ok(Place::Airlocks(airlocks.servers())),
            _ => Ok(Place::Shared(database(name, &upstream.url)?)),
        }
    };
    upstreams
        .map(|(name, upstream)| Ok((name.clone(), place(name, upstream)?)))
        .collect()
}

fn database(name: &str, url: &UpstreamUrl) -> Result<Database, Failure> {
    let wrong = || {
        Failure::wrong(format!("the url of upstream `{name}` does not name one host and one database"))
            .help("such as postgresql://admin@/records?host=/run/postgresql or postgresql://admin@localhost:5432/records")
    };
    let config: tokio_postgres::Config = url.reveal().parse().map_err(|_| wrong())?;
    let port = config.get_ports().first().copied().unwrap_or(POSTGRES_PORT);
    let server = match config.get_hosts() {
        [Host::Unix(dir)] => Upstream::Unix {
            dir: dir.clone(),
            port,
        },
        [Host::Tcp(host)] => Upstream::Tcp {
            host: host.clone(),
            port,
        },
        _ => return Err(wrong()),
    };
    let name = config.get_dbname().or(config.get_user()).ok_or_else(wrong)?;
    Ok(Database {
        server,
        name: name.to_owned(),
    })
}
