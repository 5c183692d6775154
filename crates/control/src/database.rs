//! Admin connections to one upstream database, and what is done over them.

use std::time::Duration;

use tokio_postgres::{Client, Config, NoTls};

use crate::error::ControlError;

pub(crate) mod airlock;
pub(crate) mod apply;
pub(crate) mod audit;
pub(crate) mod ending;
pub(crate) mod looking;
pub(crate) mod outline;
pub(crate) mod reading;

/// How long a connection may take to come about.
const CONNECT: Duration = Duration::from_secs(5);

/// How long one statement of ours may take: a catalog with a hundred thousand objects is read in less.
const STATEMENT_TIMEOUT: &str = "120s";

/// How long we wait for a lock that somebody holds on something we change. Who waits longer stops the custodian's work
/// behind him; applying can be tried again.
const LOCK_TIMEOUT: &str = "5s";

/// Under this key one server lets one Estop work at a time (`pg_advisory_lock`): `estop` in ASCII.
const ADVISORY_KEY: i64 = 0x65_73_74_6f_70;

/// The way to one upstream database, as a role that may change it.
#[derive(Clone)]
pub struct Admin {
    upstream: String,
    config: Config,
}

impl std::fmt::Debug for Admin {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Admin")
            .field("upstream", &self.upstream)
            .finish_non_exhaustive()
    }
}

impl Admin {
    /// The way to `upstream` by this URL. Unix sockets (`host=/folder`) and TCP; no TLS yet, so that a URL that insists on
    /// it is refused when connecting.
    ///
    /// # Errors
    /// The URL cannot be read.
    pub fn new(upstream: &str, url: &str) -> Result<Self, ControlError> {
        let mut config: Config = url
            .parse()
            .map_err(|_: tokio_postgres::Error| ControlError::Estate {
                what: "an upstream's url",
                right: format!(
                    "upstream `{upstream}` needs a url such as `postgresql://admin@localhost:5432/records`"
                ),
            })?;
        config.connect_timeout(CONNECT).application_name("estop control");
        Ok(Self {
            upstream: upstream.to_owned(),
            config,
        })
    }

    /// The way to another database of the same server.
    pub(crate) fn in_database(&self, name: &str) -> Self {
        let mut other = self.clone();
        other.config.dbname(name);
        other
    }

    /// Its name in the estate.
    #[must_use]
    pub fn upstream(&self) -> &str {
        &self.upstream
    }

    /// What tells its server from all others, if this role may know it.
    pub(crate) async fn server(&self) -> Option<String> {
        let connection = self.connect().await.ok()?;
        let sql = "SELECT system_identifier::text FROM pg_catalog.pg_control_system()";
        let row = connection.client.query_one(sql, &[]).await.ok()?;
        row.try_get(0).ok()
    }

    /// A connection to a server that may be on its way up. Cancel safe.
    pub(crate) async fn connect_within(&self, at_most: Duration) -> Result<Connection, ControlError> {
        /// Between two attempts: a restart takes a few of these.
        const AGAIN: Duration = Duration::from_millis(200);
        let deadline = tokio::time::sleep(at_most);
        tokio::pin!(deadline);
        loop {
            let attempt = self.connect().await;
            if attempt.is_ok() || deadline.is_elapsed() {
                return attempt;
            }
            tokio::time::sleep(AGAIN).await;
        }
    }

    /// Whether this role is let in with this password. What comes of it is closed at once. Cancel safe.
    pub(crate) async fn lets_in(&self, role: &str, password: &str) -> bool {
        let mut config = self.config.clone();
        config
            .user(role)
            .password(password)
            .application_name("estop probe");
        let attempt = tokio::time::timeout(CONNECT, config.connect(NoTls)).await;
        matches!(attempt, Ok(Ok(_)))
    }

    /// A connection, closed when dropped. Cancel safe.
    pub(crate) async fn connect(&self) -> Result<Connection, ControlError> {
        let attempt = tokio::time::timeout(CONNECT, self.config.connect(NoTls)).await;
        let unreachable = |source: Box<dyn std::error::Error + Send + Sync>| ControlError::Unreachable {
            upstream: self.upstream.clone(),
            source,
        };
        let (client, driver) = attempt
            .map_err(|elapsed| unreachable(Box::new(elapsed)))?
            .map_err(|error| unreachable(Box::new(error)))?;
        // It ends by itself when the client is dropped.
        tokio::spawn(async move {
            let _ = driver.await;
        });
        let settings = format!(
            "SET statement_timeout = '{STATEMENT_TIMEOUT}'; SET lock_timeout = '{LOCK_TIMEOUT}'; \
             SET search_path = pg_catalog; SET standard_conforming_strings = on; SET client_min_messages = warning; SET jit = off; \
             SET idle_in_transaction_session_timeout = '{STATEMENT_TIMEOUT}'"
        );
        client
            .batch_execute(&settings)
            .await
            .map_err(ControlError::database("setting up a connection"))?;
        Ok(Connection { client })
    }
}

/// One connection.
pub(crate) struct Connection {
    pub(crate) client: Client,
}

impl Connection {
    /// Runs statements that give nothing back.
    pub(crate) async fn run(&self, sql: &str) -> Result<(), ControlError> {
        self.client
            .batch_execute(sql)
            .await
            .map_err(ControlError::database(shortened(sql)))
    }

    /// Waits until no other Estop works on this server; holds until the connection is dropped.
    pub(crate) async fn exclusive(&self) -> Result<(), ControlError> {
        self.run(&format!("SELECT pg_catalog.pg_advisory_lock({ADVISORY_KEY})"))
            .await
    }
}

/// How much of a statement an error repeats, in characters.
const SHOWN_CHARS: usize = 300;

/// A statement as errors show it. Verifiers stand at the end of short statements and are left out.
fn shortened(sql: &str) -> String {
    let head = sql.split("PASSWORD 'SCRAM").next().unwrap_or_default();
    head.chars().take(SHOWN_CHARS).collect()
}
