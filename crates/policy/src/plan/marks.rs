//! What it means that something beside the shares is not as it was when the estate was applied.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::difference::{Difference, Effect};
use crate::catalog::Catalog;
use crate::catalog::marks::{Mark, MarkKind};
use crate::catalog::surroundings::Rule;
use crate::desired::Desired;
use crate::harden::is_dangerous_extension;
use crate::sql::ident;

/// A mark as it stands, with what it would mean if it had not stood so before.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Marked {
    /// Identifies its value.
    pub value: String,
    /// What it means if it is new, or another than before.
    pub news: Difference,
}

/// The relations that the shares read, as [`crate::catalog::marks::MARKS`] takes them.
#[must_use]
pub fn bases(desired: &Desired) -> Vec<String> {
    let views = desired.roles.iter().flat_map(|role| &role.views);
    let mut names: Vec<String> = views
        .map(|view| base(view.base_schema.as_str(), view.base_relation.as_str()))
        .collect();
    names.sort();
    names.dedup();
    names
}

fn base(schema: &str, relation: &str) -> String {
    format!("{}.{}", ident(schema), ident(relation))
}

/// The marks of a catalog, by what identifies each.
pub(super) fn marks(desired: &Desired, catalog: &Catalog) -> BTreeMap<String, Marked> {
    let rules = catalog.surroundings.rules.iter().flatten().filter_map(access);
    let read = catalog.marks.iter().cloned().chain(rules);
    let matters = |mark: &Mark| mark.kind != MarkKind::Extension || is_dangerous_extension(&mark.name);
    read.filter(matters)
        .map(|mark| {
            let marked = Marked {
                value: short_hash(&mark.value),
                news: Difference {
                    effect: effect(mark.kind),
                    words: new_words(&mark),
                    roles: roles(desired, &mark.name, mark.kind),
                },
            };
            (key(&mark), marked)
        })
        .collect()
}

/// How the marks differ from those that were kept when the estate was applied.
pub(super) fn differ(now: &BTreeMap<String, Marked>, kept: &BTreeMap<String, String>) -> Vec<Difference> {
    let changed = now
        .iter()
        .filter(|(key, marked)| kept.get(*key) != Some(&marked.value));
    let mut all: Vec<Difference> = changed.map(|(_, marked)| marked.news.clone()).collect();
    let gone = kept.keys().filter(|key| !now.contains_key(*key));
    all.extend(gone.filter_map(|key| {
        let words = gone_words(key)?;
        Some(Difference {
            effect: Effect::Opens,
            words,
            roles: Vec::new(),
        })
    }));
    all
}

fn key(mark: &Mark) -> String {
    format!("{} {}", word(mark.kind), mark.name)
}

fn word(kind: MarkKind) -> &'static str {
    match kind {
        MarkKind::Access => "access",
        MarkKind::BaseView => "base-view",
        MarkKind::Child => "child",
        MarkKind::EventTrigger => "event-trigger",
        MarkKind::Extension => "extension",
        MarkKind::Ident => "ident",
        MarkKind::Leakproof => "leakproof",
        MarkKind::Mapping => "mapping",
        MarkKind::Power => "power",
        MarkKind::Publication => "publication",
        MarkKind::PublicSchema => "public-schema",
        MarkKind::Relation => "relation",
        MarkKind::RowPolicy => "row-policy",
        MarkKind::RowSecurity => "row-security",
        MarkKind::Setting => "setting",
        MarkKind::System => "system",
    }
}

fn effect(kind: MarkKind) -> Effect {
    match kind {
        MarkKind::RowSecurity => Effect::Closes,
        _ => Effect::Opens,
    }
}

fn new_words(mark: &Mark) -> String {
    let name = &mark.name;
    match mark.kind {
        MarkKind::Access => format!(
            "pg_hba.conf has the line `{name}`: by it a role of an agreement may log in past the gateway"
        ),
        MarkKind::BaseView => format!(
            "view {name}, which is a data set, has another text, owner or option: shares may show rows and values that they did not"
        ),
        MarkKind::Child => format!(
            "table {name}: its rows are read with that, so that they are shared, too, whoever writes them"
        ),
        MarkKind::EventTrigger => {
            format!(
                "event trigger `{name}` runs its owner's text at every change of the database, `estop apply` among them"
            )
        }
        MarkKind::Extension => {
            format!(
                "extension `{name}` is installed: it reaches out of the database, or counts what statements touch"
            )
        }
        MarkKind::Ident => format!(
            "pg_ident.conf has the line `{name}`: by it somebody may log in as a role of an agreement"
        ),
        MarkKind::Leakproof => {
            format!("function `{name}` is LEAKPROOF: it is run on rows before a view's condition hides them")
        }
        MarkKind::Mapping => {
            format!("a user mapping for foreign server {name}: whoever it is for logs in there by it")
        }
        MarkKind::Power => format!(
            "role {name}, which it had not when the estate was applied: whoever logs in as it comes past what is enforced here"
        ),
        MarkKind::PublicSchema => format!(
            "everybody has USAGE on schema `{name}`, in which a data set's relation lies: what everybody may use there is open to \
             every partner"
        ),
        MarkKind::Publication => {
            format!(
                "publication `{name}` has a data set's relation in it: its subscribers get all rows, past every condition and mask"
            )
        }
        MarkKind::Relation => format!(
            "relation {name} is another one than when the estate was applied: it was made anew, and its rows are whoever's who made it"
        ),
        MarkKind::RowPolicy => {
            format!("row policy {name} is new or another: shares may show rows that they did not")
        }
        MarkKind::RowSecurity => {
            format!("row security is on for {name}: shares show only rows that its policies give")
        }
        MarkKind::Setting => format!(
            "setting {name} is `{}` now: every session there works with it",
            mark.value
        ),
        MarkKind::System => format!(
            "PostgreSQL's own {name} are not those that were there when the estate was applied: masks and conditions may mean \
             something else"
        ),
    }
}

/// Of a mark that is gone: what that opens, if it may open anything.
fn gone_words(key: &str) -> Option<String> {
    let (kind, name) = key.split_once(' ')?;
    match kind {
        "access" => Some(format!(
            "pg_hba.conf has no longer the line `{name}`: the lines after it count instead"
        )),
        "row-policy" => Some(format!(
            "row policy {name} is gone: rows that it hid may be shared"
        )),
        "row-security" => Some(format!(
            "row security is off for {name}: rows that its policies hid are shared"
        )),
        "setting" => Some(format!("setting {name} is gone")),
        _ => None,
    }
}

/// The agreements' roles that read the relation of a mark.
fn roles(desired: &Desired, name: &str, kind: MarkKind) -> Vec<String> {
    let of_relation = matches!(
        kind,
        MarkKind::BaseView
            | MarkKind::Child
            | MarkKind::Relation
            | MarkKind::RowPolicy
            | MarkKind::RowSecurity
    );
    let reads = |role: &&crate::desired::DesiredRole| {
        role.views.iter().any(|view| {
            let base = base(view.base_schema.as_str(), view.base_relation.as_str());
            name == base || name.ends_with(&format!(" on {base}"))
        })
    };
    let theirs = desired.roles.iter().filter(reads);
    if of_relation {
        theirs.map(|role| role.name.as_str().to_owned()).collect()
    } else {
        Vec::new()
    }
}

/// A rule of `pg_hba.conf` as a mark, if a role of ours could come under it.
fn access(rule: &Rule) -> Option<Mark> {
    let ours = |user: &String| {
        user == "all" || user.starts_with(crate::catalog::PREFIX) || user.starts_with(['+', '/'])
    };
    let kind = rule.kind.as_ref()?;
    if !rule.users.iter().any(ours) {
        return None;
    }
    let part = |text: &Option<String>| text.as_ref().map(|text| format!(" {text}")).unwrap_or_default();
    let name = format!(
        "{kind} {} {}{}{}{}",
        rule.databases.join(","),
        rule.users.join(","),
        part(&rule.address),
        part(&rule.netmask),
        part(&rule.method)
    );
    Some(Mark {
        kind: MarkKind::Access,
        name,
        value: String::new(),
    })
}

/// The first 64 bits of SHA-256, in hexadecimal.
pub(super) fn short_hash(text: &str) -> String {
    let hash = Sha256::digest(text.as_bytes());
    hash.iter().take(8).map(|byte| format!("{byte:02x}")).collect()
}
