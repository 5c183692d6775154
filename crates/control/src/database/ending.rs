//! The database's side of a termination: rights in one transaction, then backends, then prepared transactions, then what
//! the catalog says. `policy::ending` says why in this order.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use evidence::id::{AgreementId, PurposeId};
use evidence::record::{RoleEvidence, Step};
use jiff::Timestamp;
use ledger::Clock;
use policy::airlock::reading;
use policy::desired::Desired;
use policy::ending;

use super::reading::Credentials;
use super::{Admin, Connection};
use crate::error::ControlError;

/// How often the transaction that revokes is tried: what it names can vanish while it runs, or another can change it.
const REVOKE_ATTEMPTS: u32 = 3;

/// How long backends are waited for. The server ends one as soon as it looks; minutes mean that it hangs in the kernel.
const END_WAIT: Duration = Duration::from_secs(30);

/// How long between two looks at the backends.
const POLL: Duration = Duration::from_millis(50);

/// Looks in a row that must find no backend. Two, so that one that was just coming up is seen.
const EMPTY_LOOKS: u32 = 2;

/// A role to be ended, and what it was for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct EndedRole {
    pub(crate) name: String,
    pub(crate) agreement: AgreementId,
    pub(crate) purpose: PurposeId,
}

/// What was done, step by step, and what the catalog said in the end.
#[derive(Debug, Default)]
pub(crate) struct Done {
    pub(crate) steps: Vec<Step>,
    pub(crate) roles: Vec<RoleEvidence>,
    /// A step was not done.
    pub(crate) failed: bool,
}

impl Done {
    pub(crate) fn step(&mut self, clock: &dyn Clock, what: &str, result: Result<String, String>) {
        let at: Timestamp = clock.now();
        self.failed |= result.is_err();
        let result = match result {
            Ok(done) => format!("done: {done}"),
            Err(why) => format!("{}: {why}", crate::NOT_DONE),
        };
        self.steps.push(Step {
            what: what.to_owned(),
            at,
            result,
        });
    }

    fn absorb(&mut self, upstream: &str, other: Self) {
        self.failed |= other.failed;
        self.steps.extend(other.steps.into_iter().map(|s| Step {
            what: format!("{upstream}: {}", s.what),
            ..s
        }));
        self.roles.extend(other.roles);
    }
}

/// Ends roles in one upstream and adds what was done to `all`. Never fails: what could not be done stands in a step. Not
/// cancel safe: dropped half-way, it is to be done again.
pub(crate) async fn end_roles(
    admin: &Admin,
    desired: &Desired,
    roles: &[EndedRole],
    clock: &dyn Clock,
    all: &mut Done,
) {
    let mut work = Work {
        names: roles.iter().map(|role| role.name.clone()).collect(),
        clock,
        done: Done::default(),
    };
    match admin.connect().await {
        Ok(connection) => work.carry_out(&connection, desired, roles).await,
        Err(error) => work
            .done
            .step(clock, "connect to the database", Err(error.chain())),
    }
    all.absorb(admin.upstream(), work.done);
}

/// How long an airlock is waited for that is just being restarted.
const RESTART_WAIT: Duration = Duration::from_secs(10);

/// Ends roles in their partner's airlock: login and user mapping, then backends, then role and database. Never fails, as
/// [`end_roles`].
pub(crate) async fn end_in_airlock(admin: &Admin, roles: &[EndedRole], clock: &dyn Clock, all: &mut Done) {
    let mut work = Work {
        names: roles.iter().map(|role| role.name.clone()).collect(),
        clock,
        done: Done::default(),
    };
    match admin.connect_within(RESTART_WAIT).await {
        Ok(connection) => work.carry_out_inside(admin, &connection).await,
        Err(error) => work
            .done
            .step(clock, "connect to the airlock", Err(error.chain())),
    }
    all.absorb(admin.upstream(), work.done);
}

struct Work<'a> {
    names: Vec<String>,
    clock: &'a dyn Clock,
    done: Done,
}

impl Work<'_> {
    async fn carry_out(&mut self, connection: &Connection, desired: &Desired, roles: &[EndedRole]) {
        let result = self.revoke(connection, desired).await;
        self.done.step(
            self.clock,
            "take login, password and rights from the roles, in one transaction",
            result,
        );
        let mut ended: BTreeMap<String, u64> = BTreeMap::new();
        let result = self.end_backends(connection, &mut ended).await;
        self.done.step(
            self.clock,
            "end the roles' backends and count them to zero",
            result,
        );
        let mut rolled_back: BTreeMap<String, u64> = BTreeMap::new();
        let result = self.roll_back(connection, &mut rolled_back).await;
        self.done
            .step(self.clock, "roll back the roles' prepared transactions", result);
        if let Some(result) = self.forget_keys(connection, desired).await {
            self.done
                .step(self.clock, "delete the keys of the pseudonyms", result);
        }
        for role in roles {
            let what = format!("read the catalog's evidence of role `{}`", role.name);
            let result = match self.evidence(connection, role, &ended, &rolled_back).await {
                Ok(Some(evidence)) => {
                    let judged = judge(&evidence);
                    self.done.roles.push(evidence);
                    judged
                }
                Ok(None) => Ok("there is no such role".to_owned()),
                Err(error) => Err(error.chain()),
            };
            self.done.step(self.clock, &what, result);
        }
    }

    async fn carry_out_inside(&mut self, admin: &Admin, connection: &Connection) {
        let result = self.close_inside(admin, connection).await;
        let what =
            "take login and password from the roles, and the way to the custodian from their databases";
        self.done.step(self.clock, what, result);
        let result = self.end_backends(connection, &mut BTreeMap::new()).await;
        self.done.step(
            self.clock,
            "end the roles' backends and count them to zero",
            result,
        );
        let result = self.roll_back(connection, &mut BTreeMap::new()).await;
        self.done
            .step(self.clock, "roll back the roles' prepared transactions", result);
        let mut result = Ok(format!("{} removed", self.names.len()));
        for name in &self.names {
            if let Err(error) = admin.remove_cell(name).await {
                result = Err(format!("`{name}`: {}", error.chain()));
            }
        }
        self.done
            .step(self.clock, "remove the roles and their databases", result);
    }

    async fn close_inside(&self, admin: &Admin, connection: &Connection) -> Result<String, String> {
        let mut closed = 0_usize;
        for name in &self.names {
            let there = connection.client.query_one(reading::BOTH, &[name]).await;
            let there = there.map_err(|error| ControlError::database("looking for a role")(error).chain())?;
            if !there.get::<_, bool>(0) {
                continue;
            }
            let login = connection.run(&ending::close_login(name)).await;
            login.map_err(|error| error.chain())?;
            let within = admin.in_database(name).connect().await;
            let within = within.map_err(|error| error.chain())?;
            let mapping = within.run(&policy::airlock::unmapping()).await;
            mapping.map_err(|error| error.chain())?;
            closed = closed.saturating_add(1);
        }
        Ok(format!(
            "{closed} closed, of {} that may be there",
            self.names.len()
        ))
    }

    /// All in one transaction. If that cannot be had, at least the logins go, each by itself, and the step says so.
    async fn revoke(&self, connection: &Connection, desired: &Desired) -> Result<String, String> {
        let mut last = String::new();
        for _ in 0..REVOKE_ATTEMPTS {
            match self.revoke_once(connection, desired).await {
                Ok(statements) => return Ok(format!("{statements} statements committed")),
                Err(error) => last = error.chain(),
            }
            // The connection may be in a failed transaction; outside one this is a warning.
            let _ = connection.run("ROLLBACK").await;
        }
        let mut closed = 0_usize;
        for name in &self.names {
            if connection.run(&ending::close_login(name)).await.is_ok() {
                closed = closed.saturating_add(1);
            }
        }
        Err(format!(
            "{last}; logins closed one by one: {closed} of {}",
            self.names.len()
        ))
    }

    async fn revoke_once(&self, connection: &Connection, desired: &Desired) -> Result<usize, ControlError> {
        connection
            .run("BEGIN ISOLATION LEVEL READ COMMITTED READ WRITE")
            .await?;
        // Nothing needs printing, and nothing of the passwords is asked.
        let bare = Desired {
            roles: Vec::new(),
            ..desired.clone()
        };
        let catalog = connection.read_catalog(&bare, &Credentials::new()).await?;
        let statements = ending::revocation(&self.names, &catalog);
        for statement in &statements {
            connection.run(statement).await?;
        }
        connection.run("COMMIT").await?;
        Ok(statements.len())
    }

    /// The keys of agreements of which nothing is in force here any more. After the rights: whatever holds this up, nobody
    /// reads. `None`: there were none.
    async fn forget_keys(
        &self,
        connection: &Connection,
        desired: &Desired,
    ) -> Option<Result<String, String>> {
        let in_force = desired.keys();
        let ended = desired
            .roles
            .iter()
            .filter(|role| self.names.iter().any(|name| name == role.name.as_str()));
        let keys: BTreeSet<&str> = ended
            .flat_map(|role| &role.views)
            .filter_map(|view| view.key.as_ref())
            .filter(|key| !in_force.contains_key(*key))
            .map(|key| key.as_str())
            .collect();
        if keys.is_empty() {
            return None;
        }
        let ids: Vec<String> = keys.into_iter().map(str::to_owned).collect();
        let sql = format!("BEGIN; {}; COMMIT", policy::plan::forget(&ids));
        let result = connection.run(&sql).await;
        if result.is_err() {
            let _ = connection.run("ROLLBACK").await;
        }
        Some(
            result
                .map(|()| format!("{} deleted", ids.len()))
                .map_err(|error| error.chain()),
        )
    }

    async fn end_backends(
        &self,
        connection: &Connection,
        ended: &mut BTreeMap<String, u64>,
    ) -> Result<String, String> {
        let mut seen: BTreeSet<i32> = BTreeSet::new();
        let mut empty = 0;
        let looks = END_WAIT.as_millis().checked_div(POLL.as_millis()).unwrap_or(1);
        for _ in 0..looks {
            let told = connection.client.query(ending::TERMINATE, &[&self.names]).await;
            for row in told.map_err(|error| ControlError::database("ending backends")(error).chain())? {
                if seen.insert(row.get(1)) {
                    let count = ended.entry(row.get(0)).or_default();
                    *count = count.saturating_add(1);
                }
            }
            let left = self.left(connection).await?.len();
            empty = if left == 0 { empty + 1 } else { 0 };
            if empty >= EMPTY_LOOKS {
                return Ok(format!("{} ended; none left in {EMPTY_LOOKS} looks", seen.len()));
            }
            tokio::time::sleep(POLL).await;
        }
        let left = self.left(connection).await?.len();
        Err(format!(
            "{} told to end, {left} still there after {} s",
            seen.len(),
            END_WAIT.as_secs()
        ))
    }

    async fn left(&self, connection: &Connection) -> Result<Vec<String>, String> {
        let rows = connection.client.query(ending::COUNT, &[&self.names]).await;
        let rows = rows.map_err(|error| ControlError::database("counting backends")(error).chain())?;
        Ok(rows.iter().map(|row| row.get(0)).collect())
    }

    async fn roll_back(
        &self,
        connection: &Connection,
        count: &mut BTreeMap<String, u64>,
    ) -> Result<String, String> {
        let found = connection.client.query(ending::PREPARED, &[&self.names]).await;
        let found = found
            .map_err(|error| ControlError::database("looking for prepared transactions")(error).chain())?;
        let mut trouble = Vec::new();
        for row in &found {
            let (gid, role, database, here): (String, String, String, bool) =
                (row.get(0), row.get(1), row.get(2), row.get(3));
            if !here {
                trouble.push(format!("`{gid}` lies in database `{database}`"));
                continue;
            }
            match connection.run(&ending::rollback_prepared(&gid)).await {
                Ok(()) => {
                    let count = count.entry(role).or_default();
                    *count = count.saturating_add(1);
                }
                Err(error) => trouble.push(format!("`{gid}`: {}", error.chain())),
            }
        }
        let done = found.len().saturating_sub(trouble.len());
        if trouble.is_empty() {
            Ok(format!("{done} rolled back"))
        } else {
            Err(trouble.join("; "))
        }
    }

    async fn evidence(
        &self,
        connection: &Connection,
        role: &EndedRole,
        ended: &BTreeMap<String, u64>,
        rolled_back: &BTreeMap<String, u64>,
    ) -> Result<Option<RoleEvidence>, ControlError> {
        let doing = "reading a role's evidence";
        let roles = if connection.sees_roles().await? {
            ending::ROLES_OF_ADMIN
        } else {
            ending::ROLES_OF_SUPERUSER
        };
        let rows = connection
            .client
            .query(&ending::EVIDENCE.replace("{roles}", roles), &[&role.name])
            .await
            .map_err(ControlError::database(doing))?;
        let Some(row) = rows.first() else { return Ok(None) };
        let rows = connection
            .client
            .query(ending::COUNT, &[&vec![role.name.clone()]])
            .await;
        let left = rows.map_err(ControlError::database("counting backends"))?.len();
        let committed_at: Option<String> = row.get("committed_at");
        Ok(Some(RoleEvidence {
            role: role.name.clone(),
            agreement: role.agreement.clone(),
            purpose: role.purpose.clone(),
            can_login: row.get("rolcanlogin"),
            has_password: row.get("has_password"),
            backends_ended: ended.get(&role.name).copied().unwrap_or(0),
            backends_left: u64::try_from(left).unwrap_or(u64::MAX),
            prepared_rolled_back: rolled_back.get(&role.name).copied().unwrap_or(0),
            can_connect: row.get("can_connect"),
            readable_relations: u64::try_from(row.get::<_, i64>("readable")).unwrap_or(u64::MAX),
            xmin: row.get("xmin"),
            committed_at: committed_at.and_then(|text| text.parse().ok()),
        }))
    }
}

/// Whether the catalog bears out what was done. What the role could read if it could log in is told, not judged: what
/// everybody may read it may read, too.
fn judge(evidence: &RoleEvidence) -> Result<String, String> {
    let mut wrong = Vec::new();
    if evidence.can_login {
        wrong.push("it can log in".to_owned());
    }
    if evidence.has_password {
        wrong.push("it has a password".to_owned());
    }
    if evidence.backends_left > 0 {
        wrong.push(format!("it has {} backends", evidence.backends_left));
    }
    if wrong.is_empty() {
        Ok("no login, no password, no backend".to_owned())
    } else {
        Err(format!(
            "somebody changed it since, or a step failed: {}",
            wrong.join(", ")
        ))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn evidence_of_life_is_not_done() {
        let dead = RoleEvidence {
            role: "estop_0123456789abcdef".to_owned(),
            agreement: "police-2018".parse().unwrap(),
            purpose: "audit".parse().unwrap(),
            can_login: false,
            has_password: false,
            backends_ended: 3,
            backends_left: 0,
            prepared_rolled_back: 0,
            can_connect: false,
            readable_relations: 0,
            xmin: "1".to_owned(),
            committed_at: None,
        };
        assert!(judge(&dead).is_ok());
        for alive in [
            RoleEvidence {
                can_login: true,
                ..dead.clone()
            },
            RoleEvidence {
                has_password: true,
                ..dead.clone()
            },
            RoleEvidence {
                backends_left: 1,
                ..dead.clone()
            },
        ] {
            assert!(judge(&alive).is_err(), "{alive:?}");
        }
    }
}
