//! What the custodian's own database leaves open beside the shares, for `estop check --database`: each item with how bad it is, what
//! it opens, the statements that close it, and what those would break.
//!
//! Items that Estop closes by itself when applying come from [`crate::harden::measures`]; the rest is the custodian's. What is
//! critical and not closed by applying stops [`crate::plan::plan`]'s plans from being applied, too.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use crate::catalog::{Catalog, Grant, KEPT_ROLE, PREFIX};
use crate::desired::Desired;
use crate::estate::Isolation;
use crate::harden::{self, Finding, Reach, Severity};
use crate::plan::plan;

mod around;
mod ways;

pub(crate) use around::critical;
pub use ways::Road;

/// How bad an item is, worst first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Grade {
    /// A partner gets data of no agreement, or stops the server. Nothing is shared while it is open.
    Critical,
    /// A partner learns of hidden rows or of others, or a barrier is missing.
    High,
    /// Something shows, or could be used in a chain.
    Medium,
}

/// Who closes an item.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum By {
    /// The custodian, with the statements given.
    Custodian,
    /// `estop apply`, with the statements given.
    Apply,
}

/// Something that stands open.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Item {
    /// How bad it is.
    pub grade: Grade,
    /// Who closes it.
    pub by: By,
    /// What stands there.
    pub what: String,
    /// What it opens, to whom; with the rows of the table of channels (docs/limits.md).
    pub opens: String,
    /// The rows of the table of channels that it belongs to.
    pub rows: Vec<u8>,
    /// What closing it would break.
    pub breaks: String,
    /// Statements that close it.
    pub close: Vec<String>,
    /// Where a partner can use it.
    #[serde(default)]
    pub reach: Reach,
    /// Lines to be put before all others in `pg_hba.conf`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub rules: Vec<String>,
}

impl Item {
    fn new(
        grade: Grade,
        what: String,
        opens: impl Into<String>,
        breaks: impl Into<String>,
        close: Vec<String>,
    ) -> Self {
        let opens = opens.into();
        Self {
            grade,
            by: By::Custodian,
            rows: rows(&opens),
            what,
            opens,
            breaks: breaks.into(),
            close,
            reach: Reach::Both,
            rules: Vec::new(),
        }
    }

    /// As it is under an isolation: what is critical in place alone is a barrier that is missing behind an airlock.
    fn under(self, isolation: Isolation) -> Self {
        match (self.grade, self.reach, isolation) {
            (Grade::Critical, Reach::InPlace, Isolation::Airlock) => Self {
                grade: Grade::High,
                opens: harden::behind_an_airlock(&self.opens),
                ..self
            },
            _ => self,
        }
    }
}

/// The numbers behind the last `(row` or `(rows` of a text.
fn rows(text: &str) -> Vec<u8> {
    let tail = text.rsplit_once("(row").map_or("", |(_, tail)| tail);
    let numbers = tail.split(|c: char| !c.is_ascii_digit());
    numbers.filter_map(|number| number.parse().ok()).collect()
}

/// Everything that stands open in the database, worst first.
#[must_use]
pub fn audit(desired: &Desired, catalog: &Catalog, road: &Road) -> Vec<Item> {
    let mut items: Vec<Item> = Vec::new();
    if catalog.server.superuser {
        items.extend(harden::measures(catalog).iter().map(|measure| {
            Item {
                by: By::Apply,
                reach: Reach::InPlace,
                ..Item::new(
                    measure.grade,
                    format!("everybody holds rights on {}", measure.what),
                    measure.opens,
                    left_out(catalog, measure.breaks),
                    measure
                        .grants
                        .iter()
                        .map(|grant| Grant::revoke_sql(grant))
                        .collect(),
                )
            }
        }));
    }
    items.extend(plan(desired, catalog).findings.into_iter().map(|finding| {
        let grade = match finding.severity {
            Severity::Blocks => Grade::Critical,
            Severity::SecondLine => Grade::High,
            Severity::Note => Grade::Medium,
        };
        let breaks = breaks(&finding.close, catalog);
        Item {
            reach: finding.reach,
            ..Item::new(grade, finding.what, finding.opens, breaks, finding.close)
        }
    }));
    items.extend(around::items(desired, catalog, road));
    let mut items: Vec<Item> = items
        .into_iter()
        .map(|item| item.under(desired.isolation))
        .collect();
    items.sort();
    items.dedup_by(|a, b| a.what == b.what);
    items
}

/// Ways into the database that ask the agreements' roles for no password, from beyond its machine: they stop applying, in both
/// isolations.
pub(crate) fn ways_without_a_password(desired: &Desired, catalog: &Catalog) -> Vec<Finding> {
    let Some(rules) = &catalog.surroundings.rules else {
        return Vec::new();
    };
    let roles: BTreeSet<&str> = desired.roles.iter().map(|role| role.name.as_str()).collect();
    // How gateways come makes no difference to what is critical.
    let items = ways::items(
        rules,
        &catalog.server.database,
        &roles,
        &Road::Socket,
        catalog.server.version,
    );
    let critical = items.into_iter().filter(|item| item.grade == Grade::Critical);
    critical
        .map(|item| Finding {
            severity: Severity::Blocks,
            what: item.what,
            opens: item.opens,
            close: item
                .rules
                .iter()
                .map(|line| format!("-- pg_hba.conf: {line}"))
                .collect(),
            reach: Reach::Both,
        })
        .collect()
}

/// What a statement of a finding takes from whom, as far as the catalog tells.
fn breaks(close: &[String], catalog: &Catalog) -> String {
    let Some(first) = close.first() else {
        return "nothing in the database: the estate or the relation must be put right".to_owned();
    };
    if first.contains("FROM PUBLIC") {
        let who = own_roles(catalog);
        if who.is_empty() {
            "nobody: no role but superusers and ours can log in".to_owned()
        } else {
            format!(
                "those of {} that use it without a grant by name: give them one first",
                shown(&who)
            )
        }
    } else if first.starts_with("REASSIGN") || first.contains(" OWNER TO ") {
        "nothing: the new owner can do what the old could".to_owned()
    } else if first.contains("SET NOT NULL") {
        "writes that leave the column NULL; the statement fails while there are such rows".to_owned()
    } else {
        "what relies on it".to_owned()
    }
}

/// What a measure breaks, and which of the custodian's roles `estop_kept` would not help.
fn left_out(catalog: &Catalog, breaks: &str) -> String {
    let kept = catalog.role(KEPT_ROLE).is_some();
    let is_member = |name: &str| {
        catalog
            .memberships
            .iter()
            .any(|membership| membership.role == KEPT_ROLE && membership.member == name)
    };
    let inherits =
        |name: &str| catalog.role(name).is_some_and(|role| role.inherit) || catalog.server.version >= 160_000;
    let out: Vec<&str> = own_roles(catalog)
        .into_iter()
        .filter(|name| (kept && !is_member(name)) || !inherits(name))
        .collect();
    if out.is_empty() {
        format!("{breaks}; the custodian's own roles keep it through `{KEPT_ROLE}`")
    } else {
        format!(
            "{breaks}; {} do not profit from `{KEPT_ROLE}` and need it granted",
            shown(&out)
        )
    }
}

/// The custodian's roles that can log in and live on rights.
fn own_roles(catalog: &Catalog) -> Vec<&str> {
    let own = catalog
        .roles
        .iter()
        .filter(|role| role.login && !role.superuser && !role.name.starts_with(PREFIX));
    own.map(|role| role.name.as_str()).collect()
}

/// How many names are listed before the rest is counted.
const SHOWN: usize = 5;

fn shown(names: &[&str]) -> String {
    let some: Vec<String> = names.iter().take(SHOWN).map(|name| format!("`{name}`")).collect();
    let more = names.len().saturating_sub(SHOWN);
    if more > 0 {
        format!("{} and {more} more roles", some.join(", "))
    } else {
        some.join(", ")
    }
}

/// The custodian's part of a list of items, as one script for psql: what `apply` closes by itself is left to it.
#[must_use]
pub fn script(items: &[Item]) -> String {
    let mut text = String::new();
    let mut rules: BTreeSet<&[String]> = BTreeSet::new();
    let own: Vec<&Item> = items.iter().filter(|item| item.by == By::Custodian).collect();
    // Changes of the server's configuration cannot be part of a transaction.
    let of_server = |item: &&&Item| {
        item.close
            .iter()
            .any(|statement| statement.starts_with("ALTER SYSTEM"))
    };
    let (server, database): (Vec<&Item>, Vec<&Item>) = own
        .iter()
        .filter(|item| !item.close.is_empty())
        .partition(|item| of_server(item));
    if !database.is_empty() {
        text.push_str("BEGIN;\n");
        database.iter().for_each(|item| statements(&mut text, item));
        text.push_str("COMMIT;\n");
    }
    server.iter().for_each(|item| statements(&mut text, item));
    rules.extend(
        own.iter()
            .filter(|item| !item.rules.is_empty())
            .map(|item| item.rules.as_slice()),
    );
    for lines in rules {
        text.push_str("-- To be put before all other lines of pg_hba.conf, then: SELECT pg_reload_conf();\n");
        for line in lines {
            text.push_str(&format!("-- {}\n", one_line(line)));
        }
    }
    text
}

fn statements(text: &mut String, item: &Item) {
    text.push_str(&format!(
        "-- {}\n-- breaks: {}\n",
        one_line(&item.what),
        one_line(&item.breaks)
    ));
    for statement in &item.close {
        text.push_str(&format!("{statement};\n"));
    }
}

/// Names may have line ends in them: in a comment they would end it.
fn one_line(text: &str) -> String {
    text.chars()
        .map(|c| if c.is_control() { ' ' } else { c })
        .collect()
}

#[cfg(test)]
mod tests;
