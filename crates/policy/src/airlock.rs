//! What ought to stand in a partner's airlock: the small PostgreSQL cluster of Estop's own that the partner works in
//! (isolation *airlock*), and the way from what stands there to it.
//!
//! A cluster is one partner's alone. It holds no data: for each purpose of each agreement one database, named like the
//! role and with that role alone in it, whose views read the custodian's views through `postgres_fdw`. The custodian's
//! roles and views stay what enforces; the airlock is what the partner sees, and what the partner can break.
//!
//! Because nothing in it is worth keeping, a database that is not as it was made is not mended: it is made anew.

use std::collections::{BTreeMap, BTreeSet};

use evidence::id::{AgreementId, PartnerId, PurposeId};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::desired::{Desired, DesiredRole};
use crate::estate::SqlName;
use crate::harden::{Finding, Reach, Severity};
use crate::plan::{Difference, Effect, Phase, Step};

mod contents;

pub mod reading;

pub use contents::{closing, unmapping};

/// The airlock's superuser: Estop's own, known to no partner's session.
pub const ADMIN: &str = "estop_admin";

/// Name of the foreign server in every database of an airlock: it says nothing of where the custodian's database is.
pub const SERVER: &str = "custodian";

/// The schema of the foreign tables, to which no partner has a right.
pub const INSIDE: &str = "inside";

/// Stands in the SQL of making a database where the custodian-side password of the role goes, inside quotes.
pub const CUSTODIAN_PLACEHOLDER: &str = "{custodian's password}";

/// A column as a view shows it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ShownColumn {
    /// Its name.
    pub name: String,
    /// Its type with length or precision, as PostgreSQL prints it.
    #[serde(rename = "type")]
    pub type_name: String,
    /// Its collation, where it is one of PostgreSQL's own and not the database's.
    pub collation: Option<String>,
}

/// What an airlock must know of the custodian's database to be like it.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Likeness {
    /// Columns of the views that are desired, by [`crate::catalog::printed_key`]. A view that cannot be made has none.
    pub shown: BTreeMap<String, Vec<ShownColumn>>,
    /// How the custodian's database sorts (`LC_COLLATE`).
    pub collate: String,
    /// How it tells letters (`LC_CTYPE`).
    pub ctype: String,
    /// Settings in which answers are written, such as the time zone.
    pub settings: BTreeMap<String, String>,
}

/// One partner's airlock.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Airlock {
    /// Whose.
    pub partner: PartnerId,
    /// The databases, by the name of role and database.
    pub cells: Vec<Cell>,
}

/// One database of an airlock, with the only role that may use it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Cell {
    /// Name of role, database and schema here, and of role and schema at the custodian.
    pub name: SqlName,
    /// Under which agreement.
    pub agreement: AgreementId,
    /// For which purpose.
    pub purpose: PurposeId,
    /// The upstream it reads.
    pub upstream: String,
    /// CONNECTION LIMIT.
    pub connection_limit: i32,
    /// Settings of the role.
    pub settings: BTreeMap<String, String>,
    /// Settings of the database: as at the custodian.
    pub database_settings: BTreeMap<String, String>,
    /// `LC_COLLATE` and `LC_CTYPE`, if the airlock's server has them; else `C`.
    pub locale: Option<(String, String)>,
    /// SHA-256 of the role's password at the custodian, which the user mapping holds; none before it was drawn.
    pub custodian_key: Option<String>,
    /// The views, with their columns.
    pub views: Vec<(SqlName, Vec<ShownColumn>)>,
}

/// What a database was when it was made.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Seal {
    /// [`Cell::made_of`].
    pub made_of: String,
    /// What it said of itself when its passwords were changed last.
    #[serde(flatten)]
    pub state: Sealed,
    /// What it says once a change of its passwords is committed, if one was begun.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next: Option<Sealed>,
}

/// What a database said of itself.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Sealed {
    /// [`Cell::custodian_key`]: the password that its user mapping holds.
    #[serde(default)]
    pub custodian_key: Option<String>,
    /// What [`reading::CELL`] said.
    pub lines: Vec<String>,
}

impl Seal {
    /// The one of its two states that these lines are of; the first if they are of neither.
    #[must_use]
    pub fn state_of(&self, lines: &[String]) -> &Sealed {
        let next = self.next.as_ref().filter(|next| next.lines == lines);
        next.unwrap_or(&self.state)
    }
}

/// What stands in an airlock.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Standing {
    /// What [`reading::CLUSTER`] says, and what it said when the cluster was made.
    pub cluster: (Vec<String>, Option<Vec<String>>),
    /// Databases and roles there are, by name.
    pub cells: BTreeMap<String, Found>,
}

/// One database or role that there is.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Found {
    /// What [`reading::CELL`] says now; nothing if role or database is missing.
    pub lines: Option<Vec<String>>,
    /// What was kept when it was made.
    pub seal: Option<Seal>,
}

/// One change, and the step that shows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Change {
    /// Role and database.
    pub name: String,
    /// What is done.
    pub deed: Deed,
    /// As a plan shows it.
    pub step: Step,
}

/// What is done with a database and the role of its name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Deed {
    /// They go.
    Remove,
    /// They are made, in place of what stands there.
    Make(Cell),
    /// They get new passwords, and sessions in them stay.
    Rekey(Cell),
}

/// Why a database is to be made anew whatever stands there.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Renewed {
    /// Roles that get a new password at the custodian.
    pub at_custodian: BTreeSet<String>,
    /// Roles whose airlock password the gateways do not hold.
    pub unknown: BTreeSet<String>,
}

impl Airlock {
    /// The airlock of a partner. `upstreams` are those whose isolation is airlock; `locales` are those that the airlock's
    /// own server has.
    #[must_use]
    pub fn new(partner: &PartnerId, upstreams: &[(&Desired, &Likeness)], locales: &BTreeSet<String>) -> Self {
        let mut cells = Vec::new();
        for (desired, likeness) in upstreams {
            let theirs = desired.roles.iter().filter(|role| role.partner == *partner);
            cells.extend(
                theirs
                    .filter(|role| role.is_in_force())
                    .map(|role| cell(desired, role, likeness, locales)),
            );
        }
        cells.sort_by(|a, b| a.name.cmp(&b.name));
        Self {
            partner: partner.clone(),
            cells,
        }
    }
}

fn cell(desired: &Desired, role: &DesiredRole, likeness: &Likeness, locales: &BTreeSet<String>) -> Cell {
    let has = |name: &str| locales.contains(name) || matches!(name, "C" | "POSIX");
    let locale = (has(&likeness.collate) && has(&likeness.ctype))
        .then(|| (likeness.collate.clone(), likeness.ctype.clone()));
    let columns = |view: &crate::desired::DesiredView| {
        let key = crate::catalog::printed_key(role.name.as_str(), view.name.as_str());
        Some((view.name.clone(), likeness.shown.get(&key)?.clone()))
    };
    Cell {
        name: role.name.clone(),
        agreement: role.agreement.clone(),
        purpose: role.purpose.clone(),
        upstream: desired.upstream.clone(),
        connection_limit: role.connection_limit,
        settings: role.settings.clone(),
        database_settings: likeness.settings.clone(),
        locale,
        custodian_key: None,
        views: role.views.iter().filter_map(columns).collect(),
    }
}

impl Cell {
    /// SHA-256 of the statements that make it, passwords apart, in hexadecimal.
    #[must_use]
    pub fn made_of(&self) -> String {
        let mut hash = Sha256::new();
        for statement in self.outside().iter().chain(&self.within()) {
            hash.update(statement.as_bytes());
            hash.update([0]);
        }
        hash.finalize().iter().map(|byte| format!("{byte:02x}")).collect()
    }

    fn words(&self) -> String {
        format!("under `{}` for `{}`", self.agreement, self.purpose)
    }
}

/// The way from what stands in an airlock to what ought to.
#[must_use]
pub fn plan(airlock: &Airlock, standing: &Standing, renewed: &Renewed) -> (Vec<Change>, Vec<Finding>) {
    let partner = &airlock.partner;
    let mut changes = Vec::new();
    for name in standing.cells.keys() {
        if !airlock.cells.iter().any(|cell| cell.name.as_str() == name) {
            let words = format!("the airlock of `{partner}` loses `{name}`: it is of no agreement in force");
            changes.push(Change {
                name: name.clone(),
                deed: Deed::Remove,
                step: step(Phase::Close, &Cell::removal(name), words),
            });
        }
    }
    for cell in &airlock.cells {
        if let Some(why) = why(cell, standing.cells.get(cell.name.as_str()), renewed) {
            let words = format!("the airlock of `{partner}` {}: {}", cell.words(), why.words());
            let (sql, deed) = if matches!(why, Why::NewPassword) {
                (cell.rekeying(), Deed::Rekey(cell.clone()))
            } else {
                let sql = [
                    Cell::removal(cell.name.as_str()),
                    cell.outside(),
                    cell.within(),
                    vec![cell.opening()],
                ];
                (sql.concat(), Deed::Make(cell.clone()))
            };
            let mut step = step(Phase::Share, &sql, words);
            step.undoes = undone(partner, cell, &why);
            step.password_for = Some(cell.name.as_str().to_owned());
            changes.push(Change {
                name: cell.name.as_str().to_owned(),
                deed,
                step,
            });
        }
    }
    (changes, findings(partner, standing))
}

/// Why a database is to be made.
enum Why {
    Missing,
    HalfMade,
    OtherWanted,
    Changed(String),
    NewPassword,
    NoPassword,
}

impl Why {
    /// What is done about it.
    fn words(&self) -> String {
        let text = match self {
            Self::Missing => "its database is made, and its role can log in there",
            Self::HalfMade => "what stands there was left half made, and is made anew",
            Self::OtherWanted => "the estate asks for something else, so it is made anew",
            Self::Changed(difference) => {
                return format!("it is not as it was made ({difference}), so it is made anew");
            }
            Self::NewPassword => {
                "its role gets a new password at the custodian, and so do its user mapping and its door"
            }
            Self::NoPassword => "the gateways hold no password for it, so it is made anew",
        };
        text.to_owned()
    }
}

/// Why a database is to be made, if it is.
fn why(cell: &Cell, found: Option<&Found>, renewed: &Renewed) -> Option<Why> {
    let name = cell.name.as_str();
    let Some(found) = found else {
        return Some(Why::Missing);
    };
    let (Some(lines), Some(seal)) = (&found.lines, &found.seal) else {
        return Some(Why::HalfMade);
    };
    let state = seal.state_of(lines);
    if let Some(difference) = difference(&state.lines, lines) {
        return Some(Why::Changed(difference));
    }
    if seal.made_of != cell.made_of() {
        return Some(Why::OtherWanted);
    }
    if renewed.unknown.contains(name) {
        return Some(Why::NoPassword);
    }
    let stale = state.custodian_key != cell.custodian_key;
    (stale || renewed.at_custodian.contains(name)).then_some(Why::NewPassword)
}

/// What it means as long as the database is not made anew. What a change opens cannot be told: the views of an airlock hide
/// nothing, but what keeps the partner inside may be gone.
fn undone(partner: &PartnerId, cell: &Cell, why: &Why) -> Difference {
    let place = format!("the airlock's database {}", cell.words());
    let (effect, words) = match why {
        Why::Missing => (Effect::Closes, format!("{place} is not there: nobody can log in")),
        Why::HalfMade => (Effect::Closes, format!("{place} was left half made")),
        Why::OtherWanted => (
            Effect::Closes,
            format!("{place} does not fit what the custodian's database shows now"),
        ),
        Why::Changed(difference) => (
            Effect::Opens,
            format!(
                "{place} is not as it was made, and may not keep `{partner}` inside any more: {difference}"
            ),
        ),
        Why::NewPassword => (
            Effect::Closes,
            format!("{place} cannot log in at the custodian: the role's password there is another"),
        ),
        Why::NoPassword => (
            Effect::Closes,
            format!("{place} has a password that the gateways do not hold"),
        ),
    };
    let roles = vec![cell.name.as_str().to_owned()];
    Difference { effect, words, roles }
}

/// Most differences that are told; a broken database differs in everything.
const TOLD: usize = 5;

/// How two readings differ, if they do.
fn difference(before: &[String], now: &[String]) -> Option<String> {
    let (old, new): (BTreeSet<_>, BTreeSet<_>) = (before.iter().collect(), now.iter().collect());
    let gone = old.difference(&new).map(|line| format!("gone: {line}"));
    let come = new.difference(&old).map(|line| format!("come: {line}"));
    let all: Vec<String> = gone.chain(come).collect();
    if all.is_empty() {
        return None;
    }
    let told: Vec<&str> = all.iter().take(TOLD).map(String::as_str).collect();
    let rest = all.len().saturating_sub(told.len());
    let rest = if rest > 0 {
        format!("; and {rest} more")
    } else {
        String::new()
    };
    Some(format!("{}{rest}", told.join("; ")))
}

/// What makes a cluster unfit, databases apart.
fn findings(partner: &PartnerId, standing: &Standing) -> Vec<Finding> {
    let (now, sealed) = &standing.cluster;
    let difference = sealed.as_ref().and_then(|sealed| difference(sealed, now));
    let finding = |difference| Finding {
        reach: Reach::Both,
        severity: Severity::Blocks,
        what: format!("the airlock's cluster of `{partner}` is not as it was made: {difference}"),
        opens: "what keeps the partner inside may be gone".to_owned(),
        close: vec![
            "-- stop `estop serve`, delete the airlock's folder, start `estop serve`: it makes all of it anew"
                .to_owned(),
        ],
    };
    difference.map(finding).into_iter().collect()
}

fn step(phase: Phase, sql: &[String], words: String) -> Step {
    Step::new(phase, sql.join("; "), words)
}

#[cfg(test)]
mod tests;
