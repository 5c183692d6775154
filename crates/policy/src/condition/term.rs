//! Conditions after validation: the few things that can be said of a row, typed.

use jiff::civil::DateTime;

use crate::estate::{ColumnType, SqlName};

/// A column of the row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ColumnRef {
    pub(crate) name: SqlName,
    pub(crate) kind: ColumnType,
}

/// Something true or false.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Term {
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

impl Term {
    /// Its opposite; where it is neither true nor false, that is neither.
    pub(super) fn negated(self) -> Self {
        match self {
            Self::Constant(value) => Self::Constant(!value),
            Self::Not(inner) => *inner,
            Self::Same { negated, left, right } => Self::Same {
                negated: !negated,
                left,
                right,
            },
            Self::Compare { op, left, right } => Self::Compare {
                op: op.negated(),
                left,
                right,
            },
            other => Self::Not(Box::new(other)),
        }
    }
}

/// A value of a row, or a constant, or a choice of them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Scalar {
    Long(i64),
    /// In ten-thousandths.
    Decimal(i64),
    Text(String),
    /// In UTC, whole milliseconds, within the years 1 to 9999.
    Instant(DateTime),
    Column(ColumnRef),
    If {
        cond: Box<Term>,
        then: Box<Self>,
        otherwise: Box<Self>,
    },
}

/// A set of strings.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Set {
    Constants(Vec<String>),
    Column(ColumnRef),
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum PatternPart {
    Char(char),
    Any,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Comparison {
    Equal,
    NotEqual,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
}

impl Comparison {
    /// The same with its sides changed.
    pub(super) fn turned(self) -> Self {
        match self {
            Self::Less => Self::Greater,
            Self::LessOrEqual => Self::GreaterOrEqual,
            Self::Greater => Self::Less,
            Self::GreaterOrEqual => Self::LessOrEqual,
            Self::Equal | Self::NotEqual => self,
        }
    }

    fn negated(self) -> Self {
        match self {
            Self::Equal => Self::NotEqual,
            Self::NotEqual => Self::Equal,
            Self::Less => Self::GreaterOrEqual,
            Self::LessOrEqual => Self::Greater,
            Self::Greater => Self::LessOrEqual,
            Self::GreaterOrEqual => Self::Less,
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum SetOp {
    Equal,
    NotEqual,
    ContainsAll,
    ContainsAny,
}
