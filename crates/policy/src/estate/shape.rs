//! What shape a share's rows come in: one for each row of the base relation, or counts of groups; and how the database is to
//! work them out.

use std::fmt;
use std::str::FromStr;

use super::names::SqlName;

/// Whether a partner sees rows, or how many there are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ShareKind {
    /// `rows`: one row for each of the relation's.
    Rows,
    /// `aggregate`: one row for each group, with a count that is withheld where the group is small.
    Aggregate(Aggregate),
}

/// How an aggregate counts. What it groups by are the share's columns.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Aggregate {
    /// Name of the column with the number of rows.
    pub count: SqlName,
    /// Fewest that a group must hold for its count to be told.
    pub min_group: u32,
    /// What becomes of smaller groups.
    pub small_groups: SmallGroups,
    /// The data set's subject key: if it has one, a group must hold so many different subjects, else so many rows.
    pub subjects: Option<SqlName>,
}

impl Aggregate {
    /// Name of the count if nothing is said.
    pub const DEFAULT_COUNT: &'static str = "count";
    /// Fewest in a group if nothing is said: the threshold that health and education statistics commonly use.
    pub const DEFAULT_MIN_GROUP: u32 = 10;
    /// Least that may be written: a group of one is a person.
    pub const LEAST_MIN_GROUP: u32 = 2;
    /// Most that may be written.
    pub const MAX_MIN_GROUP: u32 = 1_000_000;
}

/// What becomes of groups that are too small.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SmallGroups {
    /// `null`: the group is named, its count is NULL.
    Null,
    /// `absent`: nothing says that there is such a group.
    Absent,
}

impl FromStr for SmallGroups {
    type Err = ShareError;

    fn from_str(text: &str) -> Result<Self, ShareError> {
        match text {
            "null" => Ok(Self::Null),
            "absent" => Ok(Self::Absent),
            _ => Err(ShareError::SmallGroups(text.to_owned())),
        }
    }
}

/// Whether a partner's own conditions may be looked up in the base relation before the share's condition is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Timing {
    /// `open`: indexes help the partner's queries; how long one takes can tell of rows that are not shared.
    Open,
    /// `opaque`: the shared rows are worked out first, whatever the partner asks.
    Opaque,
}

impl FromStr for Timing {
    type Err = ShareError;

    fn from_str(text: &str) -> Result<Self, ShareError> {
        match text {
            "open" => Ok(Self::Open),
            "opaque" => Ok(Self::Opaque),
            _ => Err(ShareError::Timing(text.to_owned())),
        }
    }
}

/// Why a share's shape is refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ShareError {
    /// No such kind.
    #[error("`{0}` is not a kind of share")]
    Kind(String),
    /// No such timing.
    #[error("`{0}` is not a timing")]
    Timing(String),
    /// Nothing that becomes of small groups.
    #[error("`{0}` is not what can become of small groups")]
    SmallGroups(String),
    /// Nothing that can be asked of the subject key.
    #[error("`{0}` is not what can be asked of the subject key")]
    SubjectKey(String),
    /// The data set is about nobody.
    #[error("data set `{0}` has no subject key that could be required")]
    NoSubject(String),
    /// Required, and nobody could give it.
    #[error(
        "the subject key `{0}` is required in every result, and is not shared as it is or as its pseudonym"
    )]
    SubjectHidden(String),
    /// A key that this kind of share needs.
    #[error("a share of kind `{kind}` needs `{key}`")]
    Wants {
        /// The kind.
        kind: &'static str,
        /// The key.
        key: &'static str,
    },
    /// A key that is for the other kind.
    #[error("`{key}` is not for shares of kind `{kind}`")]
    Foreign {
        /// The kind of this share.
        kind: &'static str,
        /// The key.
        key: &'static str,
    },
    /// The count's name is a group's, too.
    #[error("the count is called `{0}`, and so is a column it is grouped by")]
    CountName(String),
    /// Groups of one person each.
    #[error("`{0}` is the subject key: its groups would be of one person each")]
    GroupedBySubject(String),
    /// The value and its pseudonym, to one partner.
    #[error(
        "`{column}` of data set `{dataset}` is shared as it is, and the agreement shows pseudonyms of `{kind}`, too: the two together are a dictionary"
    )]
    Dictionary {
        /// The column.
        column: String,
        /// Its data set.
        dataset: String,
        /// What the pseudonyms are of.
        kind: String,
    },
    /// Two views from which a small group's count can be worked out.
    #[error(
        "`{partner}` is to see counts of `{relation}` and more of the same relation, by agreement `{other}`: a small group can be worked out from the two"
    )]
    Differencing {
        /// Who sees both.
        partner: String,
        /// What they are of.
        relation: String,
        /// The agreement of the first.
        other: String,
    },
}

impl ShareError {
    /// What would be right, where the message does not say so.
    #[must_use]
    pub fn help(&self) -> Option<&'static str> {
        Some(match self {
            Self::Kind(_) => "`rows` and `aggregate` are",
            Self::Timing(_) => "`open` and `opaque` are",
            Self::SmallGroups(_) => "`null` withholds their count and `absent` leaves them out",
            Self::SubjectKey(_) => "`required` is; left out, what has no key is given, and counted",
            Self::NoSubject(_) => {
                "say in the data set's file whom a row is about: `subject_key = \"person_id\"`"
            }
            Self::SubjectHidden(_) => "list it among the columns, without a mask, or under `pseudonym`",
            Self::Wants {
                kind: "aggregate", ..
            } => "`group_by = [\"district\"]`",
            Self::Wants { .. } => "`columns = [\"name\"]`",
            Self::Foreign { key: "timing", .. } => {
                "an aggregate is always worked out whole: leave `timing` out"
            }
            Self::Foreign {
                key: "subject_key", ..
            } => "a count is about nobody: leave `subject_key` out",
            Self::Foreign { key: "columns", .. } => {
                "an aggregate shows what it is grouped by: say `group_by`"
            }
            Self::Foreign { .. } => "add `kind = \"aggregate\"`, or leave it out",
            Self::CountName(_) => "give the count another name: `count = \"people\"`",
            Self::GroupedBySubject(_) => "group by what many share, or mask it with `null`",
            Self::Dictionary { .. } => {
                "mask it wherever the agreement shares it; if it names something else, say of what the pseudonyms are: \
                 `pseudonym:person`"
            }
            Self::Differencing { .. } => {
                "let one aggregate of a relation do for a partner: the same one under each purpose and agreement, no rows beside it, \
                 or windows that do not overlap"
            }
        })
    }
}

impl fmt::Display for ShareKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Rows => "rows",
            Self::Aggregate(_) => "aggregate",
        })
    }
}
