//! Conditions after validation: the few things that can be said of a row, typed.

use crate::estate::{ColumnType, SqlName};

/// A column of the row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct ColumnRef {
    pub(super) name: SqlName,
    pub(super) kind: ColumnType,
}

/// Something true or false.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Term {
    Constant(bool),
    Column(ColumnRef),
    Has(ColumnRef),
    Not(Box<Self>),
    /// Two or more.
    All(Vec<Self>),
    /// Two or more.
    Any(Vec<Self>),
    If {
        cond: Box<Self>,
        then: Box<Self>,
        otherwise: Box<Self>,
    },
    /// Two truth values that are (not) the same.
    Same {
        negated: bool,
        left: Box<Self>,
        right: Box<Self>,
    },
    Compare {
        op: Comparison,
        left: Scalar,
        right: Scalar,
    },
    Like {
        value: Scalar,
        pattern: Vec<PatternPart>,
    },
    /// A value among constants: at least one.
    Among {
        value: Scalar,
        members: Vec<Scalar>,
    },
    Sets {
        op: SetOp,
        left: Set,
        right: Set,
    },
    Member {
        set: Set,
        value: Scalar,
    },
    Empty(Set),
}

/// A value of a row, or a constant, or a choice of them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Scalar {
    Long(i64),
    /// In ten-thousandths.
    Decimal(i64),
    Text(String),
    /// Milliseconds since 1970 in UTC, within the years 1 to 9999.
    Instant(jiff::Timestamp),
    Column(ColumnRef),
    If {
        cond: Box<Term>,
        then: Box<Self>,
        otherwise: Box<Self>,
    },
}

/// A set of strings.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Set {
    Constants(Vec<String>),
    Column(ColumnRef),
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum PatternPart {
    Char(char),
    Any,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Comparison {
    Equal,
    NotEqual,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum SetOp {
    Equal,
    NotEqual,
    ContainsAll,
    ContainsAny,
}
