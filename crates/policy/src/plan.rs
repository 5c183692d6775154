//! From what ought to stand and what stands to the statements that lie between, each with what it gives or takes in words.
//!
//! Pure and deterministic. The plan of a database in the desired state is empty; what a later plan shows is drift.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use evidence::id::AgreementId;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::audit;
use crate::catalog::{Catalog, Class, Grant, Grantee, KEPT_ROLE, OWNER_ROLE, PREFIX};
use crate::desired::{Desired, DesiredRole, Standing};
use crate::estate::Isolation;
use crate::harden::{self, Finding, Reach, Severity};
use crate::sql::ident;
use crate::terms::Sign;

mod base;
mod difference;
mod keys;
mod marks;
pub(crate) mod public;
mod rights;
mod roles;
mod shares;

pub use difference::{Difference, Effect, Noted, differences, fingerprint, opened_to};
pub use keys::{become_owner, forget, is_readable, read};
pub use marks::{Marked, bases};
pub use roles::renewal;
pub(crate) use roles::revoke_membership;

/// Stands in a step's SQL where the role's new password verifier goes, inside quotes. A verifier has no quote in it.
pub const PASSWORD_PLACEHOLDER: &str = "{password}";

/// What a finding means by which nobody gains anything.
const SHARE_CANNOT_BE_MADE: &str = "its share cannot be made";

/// When in a plan a step comes. What takes access away comes before what gives any.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Phase {
    /// Access that should not be there is taken away.
    Close,
    /// Roles, schemas and attributes are made.
    Prepare,
    /// PUBLIC loses what hardening takes from it; the custodian's own roles keep it.
    Harden,
    /// Views are made.
    Share,
    /// Rights are given.
    Grant,
    /// Roles get their password and may log in.
    Activate,
}

/// One step of a plan.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Step {
    /// When it comes.
    pub phase: Phase,
    /// The statements, separated by `; `. [`PASSWORD_PLACEHOLDER`] stands for a password.
    pub sql: String,
    /// Who gains or loses what by it.
    pub words: String,
    /// The role that gets a new password with this step. Whoever applies the plan draws it.
    pub password_for: Option<String>,
    /// The agreement whose key of pseudonyms goes with this step, as its parameters.
    #[serde(default)]
    pub key_for: Option<AgreementId>,
    /// Whether it makes, changes or takes away.
    pub sign: Sign,
    /// What stands otherwise than the estate says as long as it is not done: drift, if the estate has been applied before.
    pub undoes: Difference,
}

impl Step {
    /// A step of which its phase says what it undoes.
    pub(crate) fn new(phase: Phase, sql: impl Into<String>, words: impl Into<String>) -> Self {
        let (sql, words) = (sql.into(), words.into());
        let (effect, drifted) = difference::by_phase(phase, &words);
        let undoes = Difference {
            effect,
            words: drifted,
            roles: difference::roles_named(&sql),
        };
        Self {
            phase,
            sign: sign_of(&sql),
            sql,
            words,
            password_for: None,
            key_for: None,
            undoes,
        }
    }
}

/// The way from a catalog to what is desired.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Plan {
    /// What to do, in order: of an upstream in one transaction, of an airlock one database after the other.
    pub steps: Vec<Step>,
    /// What the custodian should know, or must change before any of it.
    pub findings: Vec<Finding>,
    /// What stands beside the shares, to be compared with what stood there when the estate was applied.
    #[serde(default)]
    pub marks: BTreeMap<String, Marked>,
}

impl Plan {
    /// Whether nothing is to be done.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.steps.is_empty()
    }

    /// Findings that forbid activating anything.
    pub fn blocking(&self) -> impl Iterator<Item = &Finding> {
        self.findings
            .iter()
            .filter(|finding| finding.severity == Severity::Blocks)
    }

    /// SHA-256 of the steps, in hexadecimal: two plans with the same fingerprint do the same.
    #[must_use]
    pub fn fingerprint(&self) -> String {
        let mut hash = Sha256::new();
        for step in &self.steps {
            hash.update(step.sql.as_bytes());
            hash.update([0]);
        }
        hash.finalize().iter().map(|byte| format!("{byte:02x}")).collect()
    }
}

impl fmt::Display for Plan {
    /// One line of words and one of SQL for each step, as for a terminal.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for step in &self.steps {
            writeln!(f, "-- {}\n{};", step.words, step.sql)?;
        }
        Ok(())
    }
}

/// Plans the way from `catalog` to `desired`.
///
/// The catalog must hold how PostgreSQL prints the desired definitions ([`Catalog::printed`]); a view whose print is not
/// there is made anew.
#[must_use]
pub fn plan(desired: &Desired, catalog: &Catalog) -> Plan {
    let shares = Shares::new(desired, catalog);
    let mut draft = Draft {
        catalog,
        steps: Vec::new(),
        findings: harden::findings(catalog),
    };
    for role in &shares.strays {
        draft.note_stray(role);
    }
    roles::plan(&mut draft, &shares);
    keys::plan(&mut draft, &shares);
    public::plan(&mut draft);
    let gone = shares::plan(&mut draft, &shares);
    rights::plan(&mut draft, &shares, &gone);
    base::check(&mut draft, &shares);
    draft
        .findings
        .extend(audit::ways_without_a_password(desired, catalog));
    draft.findings = draft
        .findings
        .into_iter()
        .map(|finding| finding.under(desired.isolation))
        .collect();
    draft.findings.sort();
    draft.findings.dedup();
    // Stable: within a phase, steps stay in the order they were planned in.
    draft.steps.sort_by_key(|step| step.phase);
    Plan {
        steps: draft.steps,
        findings: draft.findings,
        marks: marks::marks(desired, catalog),
    }
}

/// All share roles to be planned for: those desired, and those that stand in the catalog for no agreement of the estate.
struct Shares<'a> {
    desired: &'a Desired,
    strays: Vec<String>,
    /// Roles of agreements whose shares lie in other databases, and which have something in this one all the same.
    moved: Vec<String>,
    /// Roles of agreements whose shares lie on other servers, and which are on this one all the same.
    parted: Vec<String>,
}

impl<'a> Shares<'a> {
    fn new(desired: &'a Desired, catalog: &Catalog) -> Self {
        let known: BTreeSet<&str> = desired.roles.iter().map(|role| role.name.as_str()).collect();
        let is_stray =
            |name: &str| is_share_name(name) && !known.contains(name) && !desired.elsewhere.contains(name);
        let roles = catalog.roles.iter().map(|role| role.name.as_str());
        let schemas = catalog.schemas.iter().map(|schema| schema.name.as_str());
        let strays: BTreeSet<&str> = roles.chain(schemas).filter(|name| is_stray(name)).collect();
        let has_something = |name: &str| {
            let own = catalog
                .grants
                .iter()
                .filter(|grant| grant.grantee == Grantee::Role(name.to_owned()));
            catalog.schema(name).is_some()
                || own.into_iter().any(|grant| !is_of_other_database(catalog, grant))
        };
        let moved = desired
            .elsewhere
            .iter()
            .filter(|name| !known.contains(name.as_str()) && has_something(name));
        // Whoever may connect to another database of this server has an agreement over that one.
        let connects = |name: &str| {
            let grantee = Grantee::Role(name.to_owned());
            let grants = catalog.grants_of(&grantee);
            let mut elsewhere = grants.filter(|grant| is_of_other_database(catalog, grant));
            elsewhere.any(|grant| grant.privilege == "CONNECT")
        };
        let parted = desired
            .apart
            .iter()
            .filter(|name| !known.contains(name.as_str()) && catalog.role(name).is_some() && !connects(name));
        Self {
            desired,
            strays: strays.into_iter().map(str::to_owned).collect(),
            moved: moved.cloned().collect(),
            parted: parted.cloned().collect(),
        }
    }

    /// Names of share schemas in this database.
    fn schemas(&self) -> impl Iterator<Item = &str> {
        let desired = self.desired.roles.iter().map(|role| role.name.as_str());
        desired.chain(self.strays.iter().chain(&self.moved).map(String::as_str))
    }

    fn role(&self, name: &str) -> Option<&DesiredRole> {
        self.desired.roles.iter().find(|role| role.name.as_str() == name)
    }

    /// CONNECTION LIMIT of a role. Behind an airlock a session that has ended there is still one here until its backend has noticed,
    /// while the one in its place begins: there the airlock's own limit holds back, and here there is room for both.
    fn connection_limit(&self, role: &DesiredRole) -> i32 {
        match self.desired.isolation {
            Isolation::InPlace => role.connection_limit,
            Isolation::Airlock => role.connection_limit.saturating_mul(2),
        }
    }

    /// Whose access the role is, in words.
    fn words(&self, name: &str) -> String {
        match self.role(name) {
            Some(role) => role.words(),
            None if name == OWNER_ROLE => "the views' owner".to_owned(),
            None if name == KEPT_ROLE => "the custodian's own roles".to_owned(),
            None if self.moved.iter().chain(&self.parted).any(|moved| moved == name) => {
                format!("role `{name}`, of an agreement over another database,")
            }
            None => format!("role `{name}`, of no agreement,"),
        }
    }
}

/// A plan being made.
struct Draft<'a> {
    catalog: &'a Catalog,
    steps: Vec<Step>,
    findings: Vec<Finding>,
}

impl Draft<'_> {
    fn step(&mut self, phase: Phase, sql: impl Into<String>, words: impl Into<String>) {
        self.steps.push(Step::new(phase, sql, words));
    }

    /// A step of which it is known what it undoes: what stands otherwise, and whether that opens something.
    fn step_undoing(
        &mut self,
        phase: Phase,
        sql: impl Into<String>,
        words: impl Into<String>,
        effect: Effect,
        drifted: impl Into<String>,
    ) {
        let mut step = Step::new(phase, sql, words);
        step.undoes.effect = effect;
        step.undoes.words = drifted.into();
        self.steps.push(step);
    }

    fn blocks(&mut self, what: String, opens: &str, close: Vec<String>) {
        self.blocks_in(Reach::Both, what, opens, close);
    }

    fn blocks_in(&mut self, reach: Reach, what: String, opens: &str, close: Vec<String>) {
        self.findings.push(Finding {
            severity: Severity::Blocks,
            what,
            opens: opens.to_owned(),
            close,
            reach,
        });
    }

    fn note_stray(&mut self, role: &str) {
        self.findings.push(Finding {
            severity: Severity::Note,
            what: format!("role or schema `{role}` belongs to no agreement of the estate"),
            opens: "nothing, once the plan is applied: it keeps no login, rights and views".to_owned(),
            close: Vec::new(),
            reach: Reach::Both,
        });
    }
}

/// Whether statements make something, take something away, or neither.
fn sign_of(sql: &str) -> Sign {
    let mut first = sql
        .split("; ")
        .map(|statement| statement.split(' ').next().unwrap_or_default());
    let one = |word: &str| match word {
        "CREATE" | "GRANT" => Some(Sign::Add),
        "DROP" | "REVOKE" => Some(Sign::Take),
        "ALTER" => Some(Sign::Change),
        _ => None,
    };
    let signs: Vec<Sign> = first.by_ref().filter_map(one).collect();
    // Hardening gives to some what it takes from all.
    match (signs.contains(&Sign::Add), signs.contains(&Sign::Take)) {
        (true, false) => Sign::Add,
        (false, true) => Sign::Take,
        _ => Sign::Change,
    }
}

/// Whether a name has the form of a share role's: `estop_` and 16 hexadecimal digits.
fn is_share_name(name: &str) -> bool {
    name.strip_prefix(PREFIX).is_some_and(|rest| {
        rest.len() == 16
            && rest
                .bytes()
                .all(|byte| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte))
    })
}

/// Whether a right is on another database of the server.
fn is_of_other_database(catalog: &Catalog, grant: &Grant) -> bool {
    grant.object.class == Class::Database && grant.object.name != catalog.server.database
}

/// A right's holder in words.
fn holder(shares: &Shares<'_>, grantee: &Grantee) -> String {
    match grantee {
        Grantee::Public => "everybody".to_owned(),
        Grantee::Role(name) if is_share_name(name) || name == OWNER_ROLE => shares.words(name),
        Grantee::Role(name) => format!("role `{name}`"),
    }
}

/// Whether a role of ours may log in, by the estate.
fn may_login(role: Option<&DesiredRole>) -> bool {
    role.is_some_and(|role| role.standing == Standing::InForce)
}

fn alter_role(name: &str, what: &str) -> String {
    format!("ALTER ROLE {} {what}", ident(name))
}

#[cfg(test)]
pub(crate) mod tests;
