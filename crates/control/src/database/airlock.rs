//! One partner's airlock, over admin connections: what stands in it, its databases made and removed.

use std::collections::{BTreeMap, BTreeSet};

use policy::airlock::{
    self, CUSTODIAN_PLACEHOLDER, Cell, Found, Likeness, Seal, Sealed, ShownColumn, Standing, reading,
};
use policy::catalog::OWNER_ROLE;
use policy::catalog::printed_key;
use policy::desired::Desired;
use policy::plan::PASSWORD_PLACEHOLDER;
use tokio_postgres::types::{Json, ToSql};

use super::{Admin, Connection};
use crate::credential::Credential;
use crate::error::ControlError;

/// How long whoever reads may keep us from holding new readers back, as PostgreSQL writes it; then it is done without.
const HOLD_WITHIN: &str = "200ms";

/// A cell that was made: what it says of itself, to be kept.
pub(crate) struct Made {
    pub(crate) seal: Seal,
}

/// A cell whose passwords were changed in a transaction that is not committed yet. Dropped, nothing has happened.
pub(crate) struct Rekeyed {
    connection: Connection,
    holding: Option<String>,
    /// What the cell said of itself before.
    pub(crate) before: Vec<String>,
    /// What it says once this is committed.
    pub(crate) lines: Vec<String>,
}

impl Rekeyed {
    /// Holds back whoever begins to read, if that can be had soon: until this is committed, the custodian's password may be
    /// another than the one the cell knows.
    pub(crate) async fn hold(&self) -> Result<(), ControlError> {
        let Some(lock) = &self.holding else { return Ok(()) };
        let within = format!("SAVEPOINT estop_hold; SET LOCAL lock_timeout = '{HOLD_WITHIN}'");
        self.connection.run(&within).await?;
        if self.connection.client.batch_execute(lock).await.is_err() {
            // Somebody has read there for longer. What he holds open stays open.
            self.connection.run("ROLLBACK TO SAVEPOINT estop_hold").await?;
        }
        Ok(())
    }

    /// Makes it last.
    pub(crate) async fn commit(self) -> Result<(), ControlError> {
        self.connection.run("COMMIT").await
    }
}

impl Admin {
    /// What an airlock must be like, for an upstream's database: how it sorts and writes, and the columns of its views, which
    /// are asked for unless they are known.
    pub(crate) async fn likeness(
        &self,
        desired: &Desired,
        known: Option<&BTreeMap<String, Vec<ShownColumn>>>,
    ) -> Result<Likeness, ControlError> {
        let connection = self.connect().await?;
        let doing = "reading how the database sorts and writes";
        let row = connection.client.query_one(reading::LIKENESS, &[]).await;
        let row = row.map_err(ControlError::database(doing))?;
        let Json(mut likeness): Json<Likeness> = row.try_get(0).map_err(|source| ControlError::Answer {
            doing,
            source: Box::new(source),
        })?;
        if let Some(known) = known {
            likeness.shown = known.clone();
            return Ok(likeness);
        }
        connection.run("BEGIN; SAVEPOINT estop_shown").await?;
        for role in desired.roles.iter().filter(|role| role.is_in_force()) {
            for view in &role.views {
                let made = format!("CREATE TEMPORARY VIEW estop_shown AS {}", view.definition);
                let name = if connection.client.batch_execute(&made).await.is_ok() {
                    "pg_temp.estop_shown".to_owned()
                } else {
                    // What it needs may be made by the plan itself; then the view is there afterwards.
                    connection.run("ROLLBACK TO SAVEPOINT estop_shown").await?;
                    format!("{}.{}", role.name.quoted(), view.name.quoted())
                };
                let told = connection.client.query_one(reading::SHOWN, &[&name]).await;
                if let Some(Json(columns)) = told.ok().and_then(|row| row.try_get(0).ok()) {
                    let key = printed_key(role.name.as_str(), view.name.as_str());
                    likeness.shown.insert(key, columns);
                }
                connection.run("ROLLBACK TO SAVEPOINT estop_shown").await?;
            }
        }
        connection.run("ROLLBACK").await?;
        Ok(likeness)
    }

    /// Locales that the airlock's server has.
    pub(crate) async fn locales(&self) -> Result<BTreeSet<String>, ControlError> {
        let connection = self.connect().await?;
        let lines = connection.lines(reading::LOCALES, &[]).await?;
        Ok(lines.into_iter().collect())
    }

    /// Closes a cluster that is fresh, and hands what it says of itself then over to be kept, before it is closed for good:
    /// one that is closed and of which nothing is kept could be changed unseen.
    pub(crate) async fn close_fresh(
        &self,
        keep: impl FnOnce(&[String]) -> Result<(), ControlError>,
    ) -> Result<(), ControlError> {
        let connection = self.connect().await?;
        let owner = "SELECT FROM pg_catalog.pg_roles WHERE rolname = $1";
        let known = connection.client.query_opt(owner, &[&OWNER_ROLE]).await;
        if known
            .map_err(ControlError::database("looking for the views' owner"))?
            .is_some()
        {
            return Ok(());
        }
        connection
            .run(&format!("BEGIN; {}", airlock::closing().join("; ")))
            .await?;
        let lines = connection
            .lines(reading::CLUSTER, &[&Vec::<String>::new()])
            .await?;
        keep(&lines)?;
        connection.run("COMMIT").await
    }

    /// What stands in an airlock. `cluster` and `seals` are what was kept.
    pub(crate) async fn standing(
        &self,
        cluster: Option<Vec<String>>,
        seal: impl Fn(&str) -> Result<Option<Seal>, ControlError>,
    ) -> Result<Standing, ControlError> {
        let connection = self.connect().await?;
        let names = connection.lines(reading::CELLS, &[]).await?;
        let now = connection.lines(reading::CLUSTER, &[&names]).await?;
        let mut cells = BTreeMap::new();
        for name in names {
            let both = connection.client.query_one(reading::BOTH, &[&name]).await;
            let both: bool = both
                .map_err(ControlError::database("looking for a database"))?
                .get(0);
            let lines = if both {
                Some(
                    self.in_database(&name)
                        .connect()
                        .await?
                        .lines(reading::CELL, &[])
                        .await?,
                )
            } else {
                None
            };
            let seal = seal(&name)?;
            cells.insert(name, Found { lines, seal });
        }
        Ok(Standing {
            cluster: (now, cluster),
            cells,
        })
    }

    /// Removes role and database of this name, with whoever is in it.
    pub(crate) async fn remove_cell(&self, name: &str) -> Result<(), ControlError> {
        let connection = self.connect().await?;
        // Nobody comes in while it goes.
        let _ = connection.run(&policy::ending::close_login(name)).await;
        for statement in Cell::removal(name) {
            connection.run(&statement).await?;
        }
        Ok(())
    }

    /// Makes a cell, in place of what stands there. Killed half-way, it is without a seal and is made again.
    pub(crate) async fn make_cell(
        &self,
        cell: &Cell,
        own: &Credential,
        custodian: &Credential,
    ) -> Result<Made, ControlError> {
        self.remove_cell(cell.name.as_str()).await?;
        let connection = self.connect().await?;
        for statement in cell.outside() {
            connection.run(&statement).await?;
        }
        let within = self.in_database(cell.name.as_str()).connect().await?;
        within.run("BEGIN").await?;
        for statement in cell.within() {
            if statement.contains(CUSTODIAN_PLACEHOLDER) {
                let filled =
                    zeroize::Zeroizing::new(statement.replace(CUSTODIAN_PLACEHOLDER, custodian.reveal()));
                let told = within.client.batch_execute(&filled).await;
                told.map_err(ControlError::database("making the user mapping"))?;
            } else {
                within.run(&statement).await?;
            }
        }
        within.run("COMMIT").await?;
        let opening = cell.opening().replace(PASSWORD_PLACEHOLDER, &own.verifier()?);
        connection.run(&opening).await?;
        let lines = within.lines(reading::CELL, &[]).await?;
        Ok(Made {
            seal: Seal {
                made_of: cell.made_of(),
                state: Sealed {
                    custodian_key: cell.custodian_key.clone(),
                    lines,
                },
                next: None,
            },
        })
    }

    /// Changes the passwords of a cell: its role's own, and the one its user mapping holds. Nothing lasts until
    /// [`Rekeyed::commit`].
    pub(crate) async fn rekey_cell(
        &self,
        cell: &Cell,
        own: &Credential,
        custodian: &Credential,
    ) -> Result<Rekeyed, ControlError> {
        let connection = self.in_database(cell.name.as_str()).connect().await?;
        connection.run("BEGIN").await?;
        let before = connection.lines(reading::CELL, &[]).await?;
        for statement in cell.rekeying() {
            let filled = zeroize::Zeroizing::new(
                statement
                    .replace(CUSTODIAN_PLACEHOLDER, custodian.reveal())
                    .replace(PASSWORD_PLACEHOLDER, &own.verifier()?),
            );
            let told = connection.client.batch_execute(&filled).await;
            told.map_err(ControlError::database("changing the passwords of an airlock"))?;
        }
        let lines = connection.lines(reading::CELL, &[]).await?;
        Ok(Rekeyed {
            connection,
            holding: cell.holding(),
            before,
            lines,
        })
    }
}

impl Connection {
    /// Lines of text that a query gives.
    pub(crate) async fn lines(
        &self,
        sql: &'static str,
        parameters: &[&(dyn ToSql + Sync)],
    ) -> Result<Vec<String>, ControlError> {
        let rows = self.client.query(sql, parameters).await;
        let rows = rows.map_err(ControlError::database("reading an airlock"))?;
        rows.iter()
            .map(|row| {
                row.try_get(0).map_err(|source| ControlError::Answer {
                    doing: "reading an airlock",
                    source: Box::new(source),
                })
            })
            .collect()
    }
}
