//! The road rows travel: TLS, authentication, bound session, statement filter, relay, records, cut.
//!
//! A gateway holds no admin credentials, knows no DDL, and takes no orders but the policy in force, which it reads
//! from the register. What it gives to a client it gives as `Released` batches, which only receipts make.

mod authenticate;
mod batch;
mod budget;
mod cancel;
mod end;
pub mod filter;
mod hello;
mod limits;
mod lockout;
mod login;
mod overdue;
mod policy_watch;
mod receipts;
mod relay;
mod request;
mod say;
mod scrub;
mod serving;
mod session;
mod sessions;
mod strangers;
mod tokens;
mod transport;
mod trouble;
mod upstream;
mod views;

use std::collections::BTreeMap;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use evidence::subject::AccountingKey;
use ledger::register::Register;
use ledger::{Clock, Ledger};
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::JoinHandle;
use wire::scram::{ITERATIONS_MIN, Mock};

pub use budget::{BudgetError, Budgets, Used};
pub use hello::{ServerTls, Tls};
pub use policy_watch::{FollowError, GatewayState};
pub use sessions::{Activity, Running, SessionInfo, State};
pub use tokens::{Issuer, Keys, KeysError, Tokens};
pub use transport::Upstream;
pub use trouble::Troubles;
pub use upstream::{Database, Databases, Place};

use limits::DRAIN;
use lockout::Lockouts;
use policy_watch::Follower;
use serving::{Filters, Refusals, Shared};
use sessions::Sessions;
use strangers::{Source, Strangers};
use trouble::Telling;

/// What a gateway needs.
#[derive(Debug)]
pub struct Config {
    /// Its name in the register and in `drained` entries. Two gateways must not share one.
    pub id: String,
    /// Where clients come in.
    pub listener: TcpListener,
    /// Whether clients must encrypt, and with which certificate.
    pub tls: Tls,
    /// Whose tokens are taken, if any.
    pub tokens: Option<Tokens>,
    /// Where sessions go, by the names that the estate gives the databases that are shared from.
    pub databases: BTreeMap<String, Place>,
    /// Where records go.
    pub ledger: Ledger,
    /// Where the policy in force and the credentials come from.
    pub register: Arc<dyn Register>,
    /// The time.
    pub clock: Arc<dyn Clock>,
    /// What subject keys of rows are tagged with in records.
    pub accounting: AccountingKey,
    /// What officers who do not exist are made up from: random, and kept, since theirs would be the salts that change.
    pub stand_ins: [u8; 32],
    /// What agreements have used of their days: the same for all gateways of one ledger.
    pub budgets: Budgets,
}

/// Why a gateway cannot start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The listener is unusable.
    #[error("the listening socket cannot be used")]
    Listener(#[source] io::Error),
    /// No policy can be followed.
    #[error("the policy in force cannot be followed")]
    Policy(#[source] FollowError),
}

/// A gateway at work.
#[derive(Debug)]
pub struct Gateway {
    address: SocketAddr,
    databases: Databases,
    sessions: Sessions,
    strangers: Strangers,
    telling: Arc<Telling>,
    stopping: watch::Sender<bool>,
    accepting: JoinHandle<()>,
    following: JoinHandle<()>,
    reporting: JoinHandle<()>,
}

impl Gateway {
    /// Starts: takes up the policy in force, then accepts clients.
    ///
    /// # Errors
    /// [`StartError`]; nothing is left running.
    pub async fn start(config: Config) -> Result<Self, StartError> {
        let address = config.listener.local_addr().map_err(StartError::Listener)?;
        let sessions = Sessions::new();
        let (register, ledger, clock) = (config.register, config.ledger, config.clock);
        let follower = Follower::new(
            config.id,
            Arc::clone(&register),
            ledger.clone(),
            sessions.clone(),
            Arc::clone(&clock),
        );
        let changes = follower.changes().map_err(StartError::Policy)?;
        follower.begin().await.map_err(StartError::Policy)?;
        let (stopping, watching) = watch::channel(false);
        let telling = Arc::new(Telling::new());
        let strangers = Strangers::default();
        let databases = Databases::default();
        databases.are(config.databases);
        let shared = Arc::new(Shared {
            tls: config.tls,
            tokens: config.tokens,
            databases: databases.clone(),
            ledger,
            register,
            follower: follower.clone(),
            sessions: sessions.clone(),
            cancels: cancel::Cancels::default(),
            filters: Filters::default(),
            clock,
            accounting: config.accounting,
            budgets: config.budgets,
            mock: Mock::new(config.stand_ins, ITERATIONS_MIN),
            refusals: Refusals::default(),
            telling: Arc::clone(&telling),
            lockouts: Lockouts::default(),
            strangers: strangers.clone(),
            stopping: watching,
        });
        let following = tokio::spawn(follower.clone().follow(changes));
        let reporting = tokio::spawn(follower.report_drains());
        let accepting = tokio::spawn(accept(config.listener, shared));
        Ok(Self {
            address,
            databases,
            sessions,
            strangers,
            telling,
            stopping,
            accepting,
            following,
            reporting,
        })
    }

    /// Where it listens.
    #[must_use]
    pub fn local_addr(&self) -> SocketAddr {
        self.address
    }

    /// Where it finds the upstreams; what is said there holds for logins from then on.
    #[must_use]
    pub fn databases(&self) -> Databases {
        self.databases.clone()
    }

    /// Who is connected.
    #[must_use]
    pub fn sessions(&self) -> Vec<SessionInfo> {
        self.sessions.list()
    }

    /// What keeps it from the upstreams, whenever that changes.
    #[must_use]
    pub fn troubles(&self) -> watch::Receiver<Troubles> {
        self.telling.watched()
    }

    /// A view of who is connected that outlives the borrow of the gateway.
    #[must_use]
    pub fn watch_sessions(&self) -> SessionList {
        SessionList(self.sessions.clone())
    }

    /// Stops: no new clients; logins and statements under way may end within a bound, then every session is told and closed.
    pub async fn shutdown(self) {
        self.accepting.abort();
        self.stopping.send_replace(true);
        let drained = async {
            self.strangers.gone().await;
            self.sessions.empty().await;
        };
        // Past the bound, whoever is left is closed with the process.
        let _ = tokio::time::timeout(DRAIN, drained).await;
        self.following.abort();
        self.reporting.abort();
    }
}

/// A view of who is connected.
#[derive(Clone, Debug)]
pub struct SessionList(Sessions);

impl SessionList {
    /// Who is connected now.
    #[must_use]
    pub fn now(&self) -> Vec<SessionInfo> {
        self.0.list()
    }

    /// Who is connected now, and what each is at. For who runs the gateway: texts of statements tell what partners look for.
    #[must_use]
    pub fn activity(&self) -> Vec<Activity> {
        self.0.activity()
    }
}

async fn accept(listener: TcpListener, shared: Arc<Shared>) {
    /// Out of descriptors or memory: waiting for somebody to leave is all that helps.
    const AGAIN: Duration = Duration::from_millis(50);
    loop {
        match listener.accept().await {
            Ok((tcp, from)) => {
                // Counted before anything else can happen. Full: the connection is closed without a word, which costs nothing.
                if let Some(stranger) = shared.strangers.enter(Source::of(from.ip())) {
                    tokio::spawn(serving::serve(Arc::clone(&shared), tcp, from, stranger));
                }
            }
            Err(_) => tokio::time::sleep(AGAIN).await,
        }
    }
}
