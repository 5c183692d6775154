//! Reading a cluster's catalogs into a snapshot, read-only, and trying the paths that a scan claims.

use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use futures_util::TryStreamExt as _;
use policy::exposure::reading;
use policy::exposure::snapshot::{Contents, Copied, FORMAT, Job, Relation, Snapshot, Unseen};
use serde::de::DeserializeOwned;
use tokio_postgres::types::Json;
use tokio_postgres::{Client, Config, NoTls};

use crate::error::ControlError;

mod copies;
pub mod verify;

/// How long a connection may take to come about.
const CONNECT: Duration = Duration::from_secs(10);

/// How long one query may take: a catalog of a hundred thousand relations is read in a few seconds.
const STATEMENT_TIMEOUT: &str = "300s";

/// What one step of a query may hold before it writes to disk: with less, a large catalog's columns are sorted there.
const WORK_MEM: &str = "64MB";

/// As our sessions are named, so that they do not count themselves.
const APPLICATION: &str = "estop exposure";

/// Connects, and drives the connection: with TLS or without, as who made it says.
pub type Connect = Arc<
    dyn Fn(Config) -> Pin<Box<dyn Future<Output = Result<Client, tokio_postgres::Error>> + Send>>
        + Send
        + Sync,
>;

/// A way to a server.
#[derive(Clone)]
pub struct Way {
    config: Config,
    connect: Connect,
}

/// Without TLS.
fn plain(config: Config) -> Pin<Box<dyn Future<Output = Result<Client, tokio_postgres::Error>> + Send>> {
    Box::pin(async move {
        let (client, driver) = config.connect(NoTls).await?;
        // It ends by itself when the client is dropped.
        tokio::spawn(async move {
            let _ = driver.await;
        });
        Ok(client)
    })
}

impl std::fmt::Debug for Way {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Way").finish_non_exhaustive()
    }
}

/// The original of copies that are looked for by their values.
#[derive(Debug, Clone)]
pub struct Original {
    /// Its schema.
    pub schema: String,
    /// Its name.
    pub name: String,
}

/// What is being read, for who waits.
pub type Progress<'p> = &'p (dyn Fn(&str) + Send + Sync);

impl Way {
    /// The way by a URL, without TLS.
    ///
    /// # Errors
    /// It cannot be read.
    pub fn new(url: &str) -> Result<Self, ControlError> {
        Self::by(url, Arc::new(plain))
    }

    /// The way by a URL, connecting as one is told to.
    ///
    /// # Errors
    /// The URL cannot be read.
    pub fn by(url: &str, connect: Connect) -> Result<Self, ControlError> {
        let mut config: Config =
            url.parse()
                .map_err(|source: tokio_postgres::Error| ControlError::Request {
                    what: "the url",
                    source: Box::new(source),
                })?;
        config.connect_timeout(CONNECT).application_name(APPLICATION);
        Ok(Self { config, connect })
    }

    async fn connect(&self, database: Option<&str>) -> Result<Client, ControlError> {
        let mut config = self.config.clone();
        if let Some(database) = database {
            config.dbname(database);
        }
        let unreachable = |source: Box<dyn std::error::Error + Send + Sync>| ControlError::Unreachable {
            upstream: database.unwrap_or("of the url").to_owned(),
            source,
        };
        let client = tokio::time::timeout(CONNECT, (self.connect)(config))
            .await
            .map_err(|elapsed| unreachable(Box::new(elapsed)))?
            .map_err(|error| unreachable(Box::new(error)))?;
        let settings = format!(
            "SET search_path = pg_catalog; SET statement_timeout = '{STATEMENT_TIMEOUT}'; SET client_min_messages = error; \
             SET jit = off; SET standard_conforming_strings = on; SET extra_float_digits = 1; SET timezone = 'UTC'; \
             SET work_mem = '{WORK_MEM}'"
        );
        client
            .batch_execute(&settings)
            .await
            .map_err(ControlError::database("setting up a connection"))?;
        Ok(client)
    }

    /// Reads every database that can be entered. Nothing is written anywhere.
    ///
    /// # Errors
    /// The database of the URL cannot be reached or read. What cannot be seen elsewhere stands in the snapshot.
    pub async fn snapshot(
        &self,
        original: Option<&Original>,
        progress: Progress<'_>,
    ) -> Result<Snapshot, ControlError> {
        progress("roles and databases");
        let client = self.connect(None).await?;
        begin(&client).await?;
        let mut snapshot = cluster(&client).await?;
        let home = snapshot.server.database.clone();
        let mut names: Vec<String> = snapshot.databases.iter().map(|one| one.name.clone()).collect();
        names.sort_by_key(|name| *name != home);
        let version = snapshot.server.version;
        let mut values = Vec::new();
        for (name, at) in names.iter().zip(1..) {
            progress(&format!("database {name} ({at} of {})", names.len()));
            let allowed = snapshot
                .databases
                .iter()
                .any(|one| one.name == *name && one.allow_connections);
            if !allowed {
                // Nobody gets in, so nobody reads there until that changes.
                let why = "it takes no connections";
                snapshot.unseen.push(unseen(
                    &format!("database {name}"),
                    why,
                    "ALTER DATABASE ... ALLOW_CONNECTIONS true",
                ));
                continue;
            }
            let own;
            let inside = if *name == home {
                &client
            } else {
                match self.enter(name).await {
                    Ok(client) => {
                        own = client;
                        &own
                    }
                    Err(error) => {
                        let needs = "a role that may CONNECT to it, by pg_hba.conf too";
                        snapshot
                            .unseen
                            .push(unseen(&format!("database {name}"), &error.chain(), needs));
                        continue;
                    }
                }
            };
            match contents(inside, name, version, &mut snapshot.unseen).await {
                Ok(contents) => snapshot.contents.push(contents),
                Err(error) if *name != home => {
                    snapshot.unseen.push(unseen(
                        &format!("database {name}"),
                        &error.chain(),
                        "SELECT on its catalogs",
                    ));
                    continue;
                }
                Err(error) => return Err(error),
            }
            if let Some(original) = original.filter(|_| *name == home) {
                progress("values that stand in other tables too");
                values = copies::values(inside, original).await?;
            }
            if !values.is_empty() {
                let shared = match copies::shared(inside, &values, *name == home).await {
                    Ok(shared) => shared,
                    Err(error) if *name != home => {
                        let what = format!("copies in database {name}");
                        snapshot
                            .unseen
                            .push(unseen(&what, &error.chain(), "SELECT on pg_stats"));
                        Vec::new()
                    }
                    Err(error) => return Err(error),
                };
                for (relation, of, shared) in shared {
                    snapshot.copies.push(Copied {
                        of_database: home.clone(),
                        of,
                        database: name.clone(),
                        relation,
                        shared,
                    });
                }
            }
        }
        Ok(snapshot)
    }

    async fn enter(&self, database: &str) -> Result<Client, ControlError> {
        let client = self.connect(Some(database)).await?;
        begin(&client).await?;
        Ok(client)
    }
}

async fn begin(client: &Client) -> Result<(), ControlError> {
    client
        .batch_execute("BEGIN ISOLATION LEVEL REPEATABLE READ, READ ONLY")
        .await
        .map_err(ControlError::database("beginning a transaction"))
}

fn unseen(what: &str, why: &str, needs: &str) -> Unseen {
    Unseen {
        what: what.to_owned(),
        why: why.to_owned(),
        needs: needs.to_owned(),
    }
}

async fn document<T: DeserializeOwned>(
    client: &Client,
    doing: &'static str,
    sql: &str,
) -> Result<T, ControlError> {
    let row = client
        .query_one(sql, &[])
        .await
        .map_err(ControlError::database(doing))?;
    let Json(value): Json<T> = row.try_get(0).map_err(|source| ControlError::Answer {
        doing,
        source: Box::new(source),
    })?;
    Ok(value)
}

/// Rows of one document each, taken one after the other: no more of an answer than what is on its way is held beside what is
/// made of it.
async fn rows<T: DeserializeOwned>(
    client: &Client,
    doing: &'static str,
    sql: &str,
) -> Result<Vec<T>, ControlError> {
    let answer = client
        .query_raw(sql, std::iter::empty::<&str>())
        .await
        .map_err(ControlError::database(doing))?;
    let mut answer = std::pin::pin!(answer);
    let mut all = Vec::new();
    while let Some(row) = answer.try_next().await.map_err(ControlError::database(doing))? {
        let Json(one): Json<T> = row.try_get(0).map_err(|source| ControlError::Answer {
            doing,
            source: Box::new(source),
        })?;
        all.push(one);
    }
    all.shrink_to_fit();
    Ok(all)
}

/// What the whole cluster shares.
async fn cluster(client: &Client) -> Result<Snapshot, ControlError> {
    let mut snapshot = Snapshot {
        format: FORMAT,
        server: document(client, "reading the server's settings", reading::SERVER).await?,
        roles: rows(client, "reading roles", reading::ROLES).await?,
        databases: document(client, "reading databases", reading::DATABASES).await?,
        sessions: document(client, "reading sessions", reading::SESSIONS).await?,
        prepared: document(client, "reading prepared transactions", reading::PREPARED).await?,
        slots: document(client, "reading replication slots", reading::SLOTS).await?,
        settings: document(client, "reading settings", reading::SETTINGS).await?,
        ..Snapshot::default()
    };
    let version = snapshot.server.version;
    let memberships = if version >= 160_000 {
        reading::MEMBERSHIPS_16
    } else {
        reading::MEMBERSHIPS
    };
    snapshot.memberships = rows(client, "reading memberships", memberships).await?;
    if version >= 150_000 {
        snapshot.parameters = document(client, "reading rights on parameters", reading::PARAMETERS).await?;
    }
    let [hba, passwords, stats, _] =
        document::<[bool; 4]>(client, "reading our own rights", reading::MAY).await?;
    if hba {
        snapshot.hba = Some(document(client, "reading pg_hba.conf", reading::HBA).await?);
    } else {
        let needs = "GRANT SELECT ON pg_hba_file_rules and EXECUTE ON FUNCTION pg_hba_file_rules()";
        snapshot.unseen.push(unseen(
            "pg_hba.conf: who may log in from where",
            "no right to pg_hba_file_rules",
            needs,
        ));
    }
    if passwords {
        let known: Vec<(u32, String)> =
            document(client, "reading which roles have passwords", reading::PASSWORDS).await?;
        for (oid, kind) in known {
            if let Some(role) = snapshot.roles.iter_mut().find(|role| role.oid == oid) {
                role.password = Some(kind);
            }
        }
    } else {
        let needs = "a superuser, or SELECT on pg_authid";
        snapshot.unseen.push(unseen(
            "which roles have a password",
            "no SELECT on pg_authid",
            needs,
        ));
    }
    if !stats {
        snapshot.unseen.push(unseen(
            "the state of other roles' sessions",
            "not a member of pg_read_all_stats",
            "pg_read_all_stats",
        ));
    }
    Ok(snapshot)
}

/// One database from within.
async fn contents(
    client: &Client,
    database: &str,
    version: u32,
    missing: &mut Vec<Unseen>,
) -> Result<Contents, ControlError> {
    let [.., statistics] = document::<[bool; 4]>(client, "reading our own rights", reading::MAY).await?;
    let mut relations: Vec<Relation> =
        rows(client, "reading relations", &reading::relations(statistics)).await?;
    relations.sort_unstable_by_key(|relation| relation.oid);
    let contents = Contents {
        database: database.to_owned(),
        schemas: document(client, "reading schemas", reading::SCHEMAS).await?,
        relations,
        inherits: rows(client, "reading inheritance", reading::INHERITS).await?,
        rules: rows(client, "reading rules", reading::RULES).await?,
        policies: rows(client, "reading policies", reading::POLICIES).await?,
        functions: rows(client, "reading functions", &reading::functions(version)).await?,
        triggers: rows(client, "reading triggers", reading::TRIGGERS).await?,
        event_triggers: document(client, "reading event triggers", reading::EVENT_TRIGGERS).await?,
        callers: document(client, "reading what calls functions", reading::CALLERS).await?,
        cascades: document(client, "reading foreign keys", reading::CASCADES).await?,
        domains: document(client, "reading domains", reading::DOMAINS).await?,
        expressions: if version >= reading::EXPRESSIONS_SINCE {
            document(client, "reading statistics of expressions", reading::EXPRESSIONS).await?
        } else {
            Vec::new()
        },
        servers: document(client, "reading foreign servers", reading::SERVERS).await?,
        mappings: document(client, "reading user mappings", reading::MAPPINGS).await?,
        foreign_tables: document(client, "reading foreign tables", reading::FOREIGN_TABLES).await?,
        publications: document(client, "reading publications", &reading::publications(version)).await?,
        subscriptions: document(client, "reading subscriptions", reading::SUBSCRIPTIONS).await?,
        large_objects: document(client, "reading large objects", reading::LARGE_OBJECTS).await?,
        extensions: document(client, "reading extensions", reading::EXTENSIONS).await?,
        defaults: document(client, "reading default privileges", reading::DEFAULTS).await?,
        languages: document(client, "reading languages", reading::LANGUAGES).await?,
        jobs: jobs(client, database, missing).await?,
    };
    let hidden = contents.mappings.iter().filter(|mapping| !mapping.seen).count();
    if hidden > 0 {
        let what = format!("the users of {hidden} user mappings in database {database}");
        missing.push(unseen(
            &what,
            "their options are not shown to this role",
            "a superuser, or the servers' owner",
        ));
    }
    if !statistics && !contents.relations.is_empty() {
        let what = format!("which tables have statistics in database {database}");
        missing.push(unseen(&what, "no SELECT on pg_statistic", "a superuser"));
    }
    Ok(contents)
}

async fn jobs(client: &Client, database: &str, missing: &mut Vec<Unseen>) -> Result<Vec<Job>, ControlError> {
    let schedulers: Vec<(String, bool, bool)> =
        document(client, "looking for schedulers", reading::SCHEDULERS).await?;
    let mut jobs = Vec::new();
    for (table, readable, bound) in schedulers {
        let sql = if table == "cron.job" {
            reading::CRON_JOBS
        } else {
            reading::AGENT_JOBS
        };
        if readable {
            let found: Vec<Job> = document(client, "reading scheduled jobs", sql).await?;
            jobs.extend(found);
            if bound {
                let what = format!("scheduled jobs of others in {table} of database {database}");
                missing.push(unseen(&what, "row security", "a superuser, or BYPASSRLS"));
            }
        } else {
            let what = format!("scheduled jobs of {table} in database {database}");
            missing.push(unseen(
                &what,
                "no right to read it",
                &format!("SELECT on {table}"),
            ));
        }
    }
    Ok(jobs)
}
