//! Planning and applying: read, compare, change, all in one transaction.

use std::collections::BTreeMap;

use policy::desired::Desired;
use policy::plan::{PASSWORD_PLACEHOLDER, Plan, plan};

use super::reading::Credentials;
use super::{Admin, Connection};
use crate::credential::Credential;
use crate::error::ControlError;

/// What a transaction has done that is not committed yet.
pub(crate) struct Uncommitted {
    connection: Connection,
    /// The plan whose steps have been run.
    pub(crate) plan: Plan,
    /// New passwords, by role. They are to be where the gateways find them before the commit.
    pub(crate) passwords: BTreeMap<String, Credential>,
}

impl Admin {
    /// Reads the catalog and plans. Nothing is changed.
    pub(crate) async fn plan(
        &self,
        desired: &Desired,
        credentials: &Credentials,
    ) -> Result<Plan, ControlError> {
        let connection = self.connect().await?;
        // Not read only: printing definitions makes views for a moment.
        connection
            .run("BEGIN ISOLATION LEVEL REPEATABLE READ READ WRITE")
            .await?;
        let catalog = connection.read_catalog(desired, credentials).await?;
        connection.run("ROLLBACK").await?;
        Ok(plan(desired, &catalog))
    }

    /// Plans again and runs the plan's steps in the same transaction, without committing. `shown` is the fingerprint of
    /// the plan that a person has seen.
    pub(crate) async fn prepare(
        &self,
        desired: &Desired,
        credentials: &Credentials,
        shown: Option<&str>,
    ) -> Result<Uncommitted, ControlError> {
        let connection = self.connect().await?;
        connection.exclusive().await?;
        connection
            .run("BEGIN ISOLATION LEVEL REPEATABLE READ READ WRITE")
            .await?;
        let catalog = connection.read_catalog(desired, credentials).await?;
        let plan = plan(desired, &catalog);
        if shown.is_some_and(|shown| shown != plan.fingerprint()) {
            return Err(ControlError::PlanChanged);
        }
        let blocking: Vec<_> = plan.blocking().cloned().collect();
        if !blocking.is_empty() {
            return Err(ControlError::Blocked(blocking));
        }
        let mut passwords = BTreeMap::new();
        for step in &plan.steps {
            let sql = match &step.password_for {
                None => step.sql.clone(),
                Some(role) => {
                    let credential = Credential::draw()?;
                    let sql = step.sql.replace(PASSWORD_PLACEHOLDER, &credential.verifier()?);
                    passwords.insert(role.clone(), credential);
                    sql
                }
            };
            connection.run(&sql).await?;
        }
        Ok(Uncommitted {
            connection,
            plan,
            passwords,
        })
    }
}

impl Uncommitted {
    /// Makes it last. Dropped instead, nothing has happened.
    pub(crate) async fn commit(self) -> Result<Plan, ControlError> {
        self.connection.run("COMMIT").await?;
        Ok(self.plan)
    }
}
