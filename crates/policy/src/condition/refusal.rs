//! Why a condition is refused, and where.

use std::ops::Range;

use crate::estate::ColumnType;

use super::schema::no_attribute;
use super::{MAX_CHAIN, MAX_CONDITION_BYTES, MAX_DEPTH};

/// A condition that is refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{reason}")]
pub struct ConditionError {
    /// Where in the condition's text, in bytes.
    pub span: Range<usize>,
    /// Why.
    pub reason: Reason,
}

/// Why a condition is refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Reason {
    /// Longer than the bound.
    #[error("the condition is longer than {MAX_CONDITION_BYTES} bytes")]
    TooLong,
    /// Nested deeper than the bound.
    #[error("the condition is nested deeper than {MAX_DEPTH} levels")]
    TooDeep,
    /// More operators than the bound.
    #[error(
        "the condition has more than {MAX_CHAIN} `&&` and `||`, or a longer chain of something else: a set is shorter, as in `[1, 2].contains(resource.COLUMN)`"
    )]
    TooMany,
    /// Not a Cedar expression.
    #[error("not a Cedar expression: {0}")]
    Syntax(String),
    /// Cedar's validator refuses it.
    #[error("not valid: {0}")]
    Invalid(String),
    /// No such column.
    #[error("data set `{dataset}` has no column `{column}`; it has {known}")]
    NoColumn {
        /// What was asked for.
        column: String,
        /// Of which data set.
        dataset: String,
        /// What there is.
        known: String,
    },
    /// A column that Cedar cannot hold.
    #[error(
        "column `{column}` is `{}`, and conditions cannot ask for it: {}",
        .kind.name(), no_attribute(*.kind)
    )]
    ColumnType {
        /// The column.
        column: String,
        /// Its type.
        kind: ColumnType,
    },
    /// Something of Cedar's that has no equal in SQL.
    #[error("{what} cannot be used in a condition: {instead}")]
    Unsupported {
        /// What it is.
        what: &'static str,
        /// What to write instead.
        instead: &'static str,
    },
    /// Two values that cannot be compared.
    #[error("the two sides cannot be compared: {left} and {right}")]
    Mixed {
        /// Kind of the left side.
        left: &'static str,
        /// Kind of the right side.
        right: &'static str,
    },
    /// A date that PostgreSQL or Cedar cannot hold.
    #[error(
        "`{0}` is not a date or time within the years 1 to 9999, such as `2026-11-23` or `2026-11-23T06:00:00Z`"
    )]
    Date(String),
    /// A decimal that Cedar cannot hold.
    #[error(
        "`{0}` is not a decimal with one to four digits after the point, from -922337203685477.5808 to 922337203685477.5807, such as `10.25`"
    )]
    Decimal(String),
    /// A constant that no `uuid` is printed as.
    #[error(
        "`{0}` is not a `uuid` as PostgreSQL prints it, so that no value equals it: 32 hexadecimal digits in lower case, such as `a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11`"
    )]
    Uuid(String),
    /// A character that no text of PostgreSQL's has.
    #[error("a text in PostgreSQL cannot hold the character NUL")]
    Nul,
}
