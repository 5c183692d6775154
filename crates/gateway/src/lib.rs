//! The road rows travel: TLS, authentication, bound session, statement filter, relay, records, cut.
//!
//! A gateway holds no admin credentials, knows no DDL, and takes no orders but the policy in force, which it reads
//! from the register. What it gives to a client it gives as `Released` batches, which only receipts make.

mod batch;
mod cancel;
pub mod filter;
mod hello;
mod limits;
mod login;
mod overdue;
mod policy_watch;
mod relay;
mod request;
mod say;
mod scrub;
mod serving;
mod session;
mod sessions;
mod transport;
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
use tokio::sync::{Semaphore, watch};
use tokio::task::JoinHandle;
use wire::scram::{ITERATIONS_MIN, Mock};

pub use hello::Tls;
pub use policy_watch::{FollowError, GatewayState};
pub use sessions::{SessionInfo, State};
pub use transport::Upstream;
pub use upstream::{Database, Databases, Place};

use limits::{DRAIN, UNAUTHENTICATED};
use policy_watch::Follower;
use serving::{Filters, Refusals, Shared};
use sessions::Sessions;

/// What a gateway needs.
#[derive(Debug)]
pub struct Config {
    /// Its name in the register and in `drained` entries. Two gateways must not share one.
    pub id: String,
    /// Where clients come in.
    pub listener: TcpListener,
    /// Whether clients must encrypt, and with which certificate.
    pub tls: Tls,
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
    /// The system gave no random bytes.
    #[error("the system's random source failed")]
    Random,
}

/// A gateway at work.
#[derive(Debug)]
pub struct Gateway {
    address: SocketAddr,
    databases: Databases,
    sessions: Sessions,
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
        let mut secret = [0u8; 32];
        getrandom::fill(&mut secret).map_err(|_| StartError::Random)?;
        let (stopping, watching) = watch::channel(false);
        let databases = Databases::default();
        databases.are(config.databases);
        let shared = Arc::new(Shared {
            tls: config.tls,
            databases: databases.clone(),
            ledger,
            register,
            follower: follower.clone(),
            sessions: sessions.clone(),
            cancels: cancel::Cancels::default(),
            filters: Filters::default(),
            clock,
            accounting: config.accounting,
            mock: Mock::new(secret, ITERATIONS_MIN),
            refusals: Refusals::default(),
            strangers: Arc::new(Semaphore::new(UNAUTHENTICATED)),
            stopping: watching,
        });
        let following = tokio::spawn(follower.clone().follow(changes));
        let reporting = tokio::spawn(follower.report_drains());
        let accepting = tokio::spawn(accept(config.listener, shared));
        Ok(Self {
            address,
            databases,
            sessions,
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

    /// A view of who is connected that outlives the borrow of the gateway.
    #[must_use]
    pub fn watch_sessions(&self) -> SessionList {
        SessionList(self.sessions.clone())
    }

    /// Stops: no new clients, statements in flight may end within a bound, then every session is told and closed.
    pub async fn shutdown(self) {
        self.accepting.abort();
        self.stopping.send_replace(true);
        // Past the bound, whoever is left is closed with the process.
        let _ = tokio::time::timeout(DRAIN, self.sessions.empty()).await;
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
}

async fn accept(listener: TcpListener, shared: Arc<Shared>) {
    /// Out of descriptors or memory: waiting for somebody to leave is all that helps.
    const AGAIN: Duration = Duration::from_millis(50);
    loop {
        match listener.accept().await {
            Ok((tcp, from)) => {
                tokio::spawn(serving::serve(Arc::clone(&shared), tcp, from));
            }
            Err(_) => tokio::time::sleep(AGAIN).await,
        }
    }
}
