//! What is refused, and what to say of it.

use std::ops::Range;

use cedar_policy::pst::{BinaryOp, Expr, Literal, UnaryOp, Var};

use super::compare::is_printed_uuid;
use super::lower::{DECIMAL, Lowering, scalar_kind};
use super::refusal::{ConditionError, Reason};
use super::term::Scalar;
use crate::estate::ColumnType;

impl Lowering<'_> {
    pub(super) fn not_boolean(&self, expr: &Expr) -> ConditionError {
        match expr {
            Expr::Literal(_)
            | Expr::Set(_)
            | Expr::GetAttr { .. }
            | Expr::UnaryOp {
                op: UnaryOp::Datetime | UnaryOp::Decimal,
                ..
            } => self.refuse(
                "",
                unsupported("a value that is not true or false", "compare it with something"),
            ),
            _ => self.no_value(expr),
        }
    }

    pub(super) fn no_value(&self, expr: &Expr) -> ConditionError {
        match expr {
            Expr::Var(_) => self.not_a_row(expr),
            Expr::BinaryOp { op, .. } => self.unsupported_operator(*op),
            Expr::UnaryOp { op: UnaryOp::Neg, .. } => self.refuse(
                "-",
                unsupported("`-` before anything but a number", "write the number it gives"),
            ),
            Expr::UnaryOp {
                op:
                    UnaryOp::Ip | UnaryOp::IsIPv4 | UnaryOp::IsIPV6 | UnaryOp::IsLoopback | UnaryOp::IsMulticast,
                ..
            } => self.refuse("ip", unsupported("an IP address", "no column has that type")),
            Expr::UnaryOp {
                op: UnaryOp::Not | UnaryOp::IsEmpty,
                ..
            }
            | Expr::HasAttr { .. }
            | Expr::Like { .. }
            | Expr::Literal(Literal::Bool(_)) => self.mixed("a truth value", "another value"),
            Expr::UnaryOp { .. } => self.refuse(
                "(",
                unsupported("a duration", "compare dates and times themselves"),
            ),
            Expr::Is { .. } => self.refuse(
                " is ",
                unsupported("`is`", "a condition is about one data set's rows already"),
            ),
            Expr::Record(_) => self.refuse("{", unsupported("a record", "columns have no parts")),
            _ => self.refuse(
                "",
                unsupported(
                    "this",
                    "a condition compares columns of `resource` with constants",
                ),
            ),
        }
    }

    pub(super) fn not_a_row(&self, expr: &Expr) -> ConditionError {
        let needle = match expr {
            Expr::Var(Var::Principal) => "principal",
            Expr::Var(Var::Context) => "context",
            Expr::Var(Var::Action) => "action",
            Expr::Var(Var::Resource) => "resource",
            _ => "",
        };
        let instead = "a condition is about a row: `resource.COLUMN`";
        self.refuse(
            needle,
            unsupported("anything but a column of `resource`", instead),
        )
    }

    pub(super) fn unsupported_operator(&self, op: BinaryOp) -> ConditionError {
        match op {
            BinaryOp::Add => self.refuse(
                "+",
                unsupported("arithmetic", "it can overflow: write the number it gives"),
            ),
            BinaryOp::Sub => self.refuse(
                "-",
                unsupported("arithmetic", "it can overflow: write the number it gives"),
            ),
            BinaryOp::Mul => self.refuse(
                "*",
                unsupported("arithmetic", "it can overflow: write the number it gives"),
            ),
            BinaryOp::In => self.refuse(
                " in ",
                unsupported("`in`", "write `[..].contains(resource.COLUMN)`"),
            ),
            BinaryOp::GetTag | BinaryOp::HasTag => {
                self.refuse("Tag", unsupported("a tag", "rows have columns only"))
            }
            BinaryOp::DurationSince => self.refuse(
                "durationSince",
                unsupported("a duration", "compare dates and times themselves"),
            ),
            BinaryOp::And | BinaryOp::Or => self.mixed("a truth value", "another value"),
            _ => self.refuse(".", unsupported("this method", "no column has its type")),
        }
    }

    pub(super) fn mixed(&self, left: &'static str, right: &'static str) -> ConditionError {
        self.refuse("", Reason::Mixed { left, right })
    }

    /// A `uuid` is compared as the text PostgreSQL prints: refuses what it can never equal.
    pub(super) fn check_uuid<'a>(
        &self,
        value: &Scalar,
        constants: impl IntoIterator<Item = &'a Scalar>,
    ) -> Result<(), ConditionError> {
        let is_uuid = matches!(value, Scalar::Column(column) if column.kind == ColumnType::Uuid);
        let mut texts = constants.into_iter().filter_map(|constant| match constant {
            Scalar::Text(text) if is_uuid && !is_printed_uuid(text) => Some(text),
            _ => None,
        });
        match texts.next() {
            Some(text) => Err(self.refuse(text, Reason::Uuid(text.clone()))),
            None => Ok(()),
        }
    }

    /// Two single values of different kinds. A whole number beside a decimal is what people write first.
    pub(super) fn mixed_scalars(&self, left: &Scalar, right: &Scalar) -> ConditionError {
        let kinds = [scalar_kind(left), scalar_kind(right)];
        let column = [left, right].into_iter().find_map(|side| match side {
            Scalar::Column(column) if scalar_kind(side) == DECIMAL => Some(&column.name),
            _ => None,
        });
        match column {
            Some(name) if kinds.contains(&"a number") => self.refuse(
                &format!("resource.{name}"),
                unsupported(
                    "a number beside a decimal",
                    "write it as one, such as `decimal(\"20.0\")`, and compare with `==`, `!=` or `.lessThan(..)` and its like",
                ),
            ),
            _ => self.mixed(kinds[0], kinds[1]),
        }
    }

    /// A refusal that is placed at the whole, placed at the part that it is about instead, if that stands there as Cedar prints it.
    pub(super) fn narrowed(&self, error: ConditionError, part: &Expr) -> ConditionError {
        if error.span == (0..self.source.len()) {
            let span = place(self.source, &part.to_string());
            ConditionError { span, ..error }
        } else {
            error
        }
    }

    /// A refusal placed at the first occurrence of what it is about; at the whole if there is none.
    pub(super) fn refuse(&self, needle: &str, reason: Reason) -> ConditionError {
        ConditionError {
            span: place(self.source, needle),
            reason,
        }
    }
}

pub(super) fn unsupported(what: &'static str, instead: &'static str) -> Reason {
    Reason::Unsupported { what, instead }
}

fn place(source: &str, needle: &str) -> Range<usize> {
    match source.find(needle) {
        Some(start) if !needle.is_empty() => start..start + needle.len(),
        _ => 0..source.len(),
    }
}
