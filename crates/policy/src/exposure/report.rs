//! What a scan finds, as it is printed.

use serde::{Deserialize, Serialize};

use super::kinds::Kind;
use super::snapshot::Unseen;

/// How far a path leads.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Class {
    /// Rows can be read now.
    Rows,
    /// Facts about rows can be had now: values in statistics, counts, existence.
    Facts,
    /// The role can give itself the right.
    Grantable,
    /// It would open by one common act of somebody else's.
    Latent,
    /// A grant that leads nowhere.
    Blocked,
}

impl Class {
    /// As in the document.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Rows => "rows",
            Self::Facts => "facts",
            Self::Grantable => "grantable",
            Self::Latent => "latent",
            Self::Blocked => "blocked",
        }
    }
}

/// One step of a path.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Step {
    /// From whom or what.
    pub from: String,
    /// To whom or what.
    pub to: String,
    /// By what.
    pub by: String,
}

/// A path by which a role reaches a relation.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Finding {
    /// Whose.
    pub role: String,
    /// Whether that role may log in.
    pub login: bool,
    /// The relation, `schema.table`.
    pub relation: String,
    /// Which of its columns; none for all of them.
    pub columns: Option<Vec<String>>,
    /// How far it leads.
    pub class: Class,
    /// What kind of path it is.
    pub kind: Kind,
    /// Its steps.
    pub path: Vec<Step>,
    /// The statements that close it.
    pub closes: String,
    /// Whether trying it read; none where it was not tried.
    pub verified: Option<bool>,
    /// The database of the relation.
    pub database: String,
    /// The database that `closes` is to be run in.
    pub closes_in: String,
    /// What is uncertain, or why it leads nowhere, or what trying it showed.
    pub why: Option<String>,
    /// What else `closes` takes away.
    pub breaks: Vec<String>,
    /// PostgreSQL's documentation of it.
    pub doc: String,
    /// For how many roles and relations it stands, where an answer is too large for all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub alike: Option<Alike>,
    /// How to try it: never printed.
    #[serde(skip)]
    pub attempt: Option<Attempt>,
}

/// How a path is tried.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Attempt {
    /// In which database.
    pub database: String,
    /// The role that logs in.
    pub login: String,
    /// The role that it then sets, if any.
    pub sets: Option<String>,
    /// A statement that gives one row with the number of rows read, at most one.
    pub sql: String,
    /// Whether reading nothing says anything (a call with made-up arguments need not find a row).
    pub conclusive: bool,
}

/// A relation that was looked at.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Looked {
    /// Its database.
    pub database: String,
    /// `schema.table`.
    pub relation: String,
    /// Roles that may log in, by class: rows, facts, grantable, latent, blocked.
    pub roles: [u32; 5],
}

/// A role, and to how many relations it stands how.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reach {
    /// The role.
    pub role: String,
    /// Whether it may log in.
    pub login: bool,
    /// Relations by the worst class of its paths to each: rows, facts, grantable, latent, blocked.
    pub relations: [u32; 5],
}

/// Roles and relations that stand alike, for which one finding stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Alike {
    /// Roles to which the relation stands the same way, this one included.
    pub roles: u32,
    /// Relations with the same owner, schema and rights, this one included.
    pub relations: u32,
}

/// The answer.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Report {
    /// The server, and with which rights it was read.
    pub server: super::snapshot::Server,
    /// The relations that were looked at.
    pub relation: Vec<Looked>,
    /// The roles, where neither a relation nor a role was named.
    pub roles: Vec<Reach>,
    /// The paths.
    pub findings: Vec<Finding>,
    /// What was left out of them: findings where a relation or role was named, else pairs of a role and a relation that
    /// have findings of which none is listed.
    pub left_out: usize,
    /// What could not be seen.
    pub unseen: Vec<Unseen>,
}
