//! Why a guardrail is refused.

use super::{MAX_GUARDRAIL_BYTES, MAX_GUARDRAILS};
use crate::condition::MAX_DEPTH;

/// What is wrong with a guardrail.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum GuardrailFault {
    /// Not Cedar.
    #[error("{0}")]
    Syntax(String),
    /// A template.
    #[error("a guardrail has no slots such as `?principal`")]
    Template,
    /// Without a name.
    #[error("the guardrail has no `@id`")]
    NoId,
    /// Without a source.
    #[error("the guardrail has no `@citation`")]
    NoCitation,
    /// Longer than the bound.
    #[error("the guardrail is longer than {MAX_GUARDRAIL_BYTES} bytes")]
    TooLong,
    /// Nested deeper than the bound.
    #[error("the guardrail is nested deeper than {MAX_DEPTH} levels")]
    TooDeep,
    /// More than the bound.
    #[error("there are more than {MAX_GUARDRAILS} guardrails")]
    TooMany,
    /// A row by its id.
    #[error("`{0}` is a single row: a guardrail is about kinds of rows, not about one")]
    Row(String),
    /// A name that stands for several things, where one is wanted, or of a kind that is not known.
    #[error("`{name}` cannot stand here")]
    Misplaced {
        /// What stands there.
        name: String,
        /// What would be right.
        instead: String,
    },
    /// A column that no data set in question has.
    #[error("no data set that the guardrail is about has a column `{0}`")]
    NoColumn(String),
    /// A column that some data set lacks, where that could turn the answer round.
    #[error(
        "{place} has no `{what}`, and here that would change what the guardrail says instead of leaving the data set out"
    )]
    Missing {
        /// Where it is missing.
        place: String,
        /// What is missing.
        what: String,
    },
    /// A column that a data set lacks, which the guardrail names.
    #[error("the guardrail names {place}, which has no column `{what}`: there it could not be kept")]
    NamedLacks {
        /// Which data set.
        place: String,
        /// What is missing.
        what: String,
    },
    /// A column of a type that Cedar cannot hold.
    #[error("column `{column}` of data set `{dataset}` is `{kind}`, and policies cannot ask for it")]
    ColumnType {
        /// The column.
        column: String,
        /// Of which data set.
        dataset: String,
        /// Its type.
        kind: String,
    },
    /// Arithmetic.
    #[error("{0} can fail when it is evaluated, and a failing guardrail forbids nothing")]
    Arithmetic(&'static str),
    /// Cedar's validator refuses it.
    #[error("{0}")]
    Invalid(String),
}

impl GuardrailFault {
    /// What would be right.
    #[must_use]
    pub fn help(&self) -> Option<String> {
        let text = match self {
            Self::NoId => {
                "`@id(\"juvenile-records\")` before `forbid` or `permit`: what it is called in reports"
            }
            Self::NoCitation => {
                "`@citation(\"705 ILCS 405/1-7\")` before `forbid` or `permit`: what a reader looks up"
            }
            Self::Template => "write the entity itself",
            Self::Row(_) => "ask for what its columns hold: `resource.COLUMN`",
            Self::Misplaced { instead, .. } => return Some(instead.clone()),
            Self::NoColumn(_) => "the columns are those of the files in `datasets/`",
            Self::Missing { what, .. } => {
                let owner = if what.contains('.') { "context" } else { "resource" };
                let name = what.rsplit('.').next().unwrap_or(what);
                return Some(format!(
                    "write `{owner} has {name} && ...` where it may be missing, or name the data sets: \
                     `resource in Tag::\"...\"` or `resource in Dataset::\"...\"`; for `context.column`, `action == Action::\"read\"`"
                ));
            }
            Self::NamedLacks { what, .. } => {
                return Some(format!(
                    "give the data set's file the column, which shares nothing of it; or write `resource has {what} && ...` where \
                     rows without it are not meant"
                ));
            }
            Self::Arithmetic(_) => "compare with a constant",
            _ => return None,
        };
        Some(text.to_owned())
    }
}
