//! Planning and applying: read, compare, change, all in one transaction.

use std::collections::BTreeMap;

use policy::desired::Desired;
use policy::plan::{PASSWORD_PLACEHOLDER, Plan, plan, renewal};

use super::reading::Credentials;
use super::{Admin, Connection};
use crate::credential::Credential;
use crate::error::ControlError;
use crate::mask_key::MaskKey;
use crate::pseudonyms::MaskKeys;

/// What a transaction has done that is not committed yet.
pub(crate) struct Uncommitted {
    connection: Connection,
    /// The plan whose steps have been run.
    pub(crate) plan: Plan,
    /// New passwords, by role. They are to be where the gateways find them before the commit.
    pub(crate) passwords: BTreeMap<String, Credential>,
    /// The statements beyond the plan that have renewed some of them.
    pub(crate) renewals: Vec<String>,
    /// Keys of pseudonyms, new ones and ones that were found planted. They are to be kept before the commit.
    pub(crate) keys: MaskKeys,
}

impl Uncommitted {
    /// Whether its commit changes the database, or anything is to be kept before it.
    pub(crate) fn changes_anything(&self) -> bool {
        let Self {
            plan,
            passwords,
            renewals,
            keys,
            ..
        } = self;
        !(plan.steps.is_empty() && passwords.is_empty() && renewals.is_empty() && keys.is_empty())
    }
}

impl Admin {
    /// Reads the catalog and plans. Nothing is changed.
    pub(crate) async fn plan(
        &self,
        desired: &Desired,
        credentials: &Credentials,
        keys: &MaskKeys,
    ) -> Result<Plan, ControlError> {
        let connection = self.connect().await?;
        // Not read only: printing definitions makes views for a moment.
        connection
            .run("BEGIN ISOLATION LEVEL REPEATABLE READ READ WRITE")
            .await?;
        let mut catalog = connection.read_catalog(desired, credentials).await?;
        connection.judge_keys(&mut catalog, desired, keys).await?;
        connection.run("ROLLBACK").await?;
        Ok(plan(desired, &catalog))
    }

    /// Plans again and runs the plan's steps in the same transaction, without committing. `shown` is the fingerprint of
    /// the plan that a person has seen. Roles in force of which `renewing` says so get another password; that is no part of
    /// the plan, since it gives and takes nobody anything.
    pub(crate) async fn prepare(
        &self,
        desired: &Desired,
        credentials: &Credentials,
        kept: &MaskKeys,
        shown: Option<&str>,
        renewing: impl Fn(&Credential) -> bool,
    ) -> Result<Uncommitted, ControlError> {
        let connection = self.connect().await?;
        connection.exclusive().await?;
        connection
            .run("BEGIN ISOLATION LEVEL REPEATABLE READ READ WRITE")
            .await?;
        let mut catalog = connection.read_catalog(desired, credentials).await?;
        let mut keys = connection.judge_keys(&mut catalog, desired, kept).await?;
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
            if let Some(agreement) = &step.key_for {
                let key = match kept.get(agreement) {
                    Some(key) => key.clone(),
                    None => MaskKey::draw()?,
                };
                let hush = connection.may_hush(&catalog.server).await?;
                connection.plant(&step.sql, &key, hush).await?;
                keys.insert(agreement.clone(), key);
                continue;
            }
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
        // Last, so that a login waits for as little as can be.
        let mut renewals = Vec::new();
        let held = |name: &str| credentials.get(name).filter(|held| renewing(held));
        for role in desired.roles.iter().filter(|role| role.is_in_force()) {
            let name = role.name.as_str();
            let Some(held) = held(name).filter(|_| !passwords.contains_key(name)) else {
                continue;
            };
            let credential = held.renewed()?;
            let sql = renewal(name);
            let filled = sql.replace(PASSWORD_PLACEHOLDER, &credential.verifier()?);
            connection.run(&filled).await?;
            passwords.insert(name.to_owned(), credential);
            renewals.push(sql);
        }
        Ok(Uncommitted {
            connection,
            plan,
            passwords,
            renewals,
            keys,
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
