//! From Cedar's syntax to terms.
//!
//! The tree is Cedar's own (its public syntax tree, PST) of the very text that its validator accepts. Lowering is typed by
//! itself: the validator does not look into branches it knows to be dead, and these too must make sense in SQL.

use std::collections::BTreeSet;

use cedar_policy::pst::{BinaryOp, Expr, Literal, PatternElem, UnaryOp, Var};

use super::explain::unsupported;
use super::refusal::{ConditionError, Reason};
use super::schema::attribute_type;
use super::term::{ColumnRef, Comparison, PatternPart, Scalar, Set, SetOp, Term};
use super::{MAX_DEPTH, RESIDUAL_DEPTH, decimal, instant};
use crate::estate::{ColumnType, Dataset, SqlName};

pub(super) type Lowered<T> = Result<T, ConditionError>;

/// The term of an expression, and the columns in it.
pub(super) fn lower(expr: &Expr, source: &str, dataset: &Dataset) -> Lowered<(Term, BTreeSet<SqlName>)> {
    let mut lowering = Lowering {
        source,
        dataset,
        max_depth: MAX_DEPTH,
        columns: BTreeSet::new(),
    };
    let term = lowering.boolean(expr, 0)?;
    Ok((term, lowering.columns))
}

/// The term of what Cedar's partial evaluation left of a policy. It has no text, so a refusal has no place.
pub(crate) fn residual(expr: &Expr, dataset: &Dataset) -> Lowered<Term> {
    let mut lowering = Lowering {
        source: "",
        dataset,
        max_depth: RESIDUAL_DEPTH,
        columns: BTreeSet::new(),
    };
    lowering.boolean(expr, 0)
}

pub(super) struct Lowering<'a> {
    pub(super) source: &'a str,
    dataset: &'a Dataset,
    max_depth: usize,
    columns: BTreeSet<SqlName>,
}

/// What an expression that is no truth value can be.
enum Value {
    Scalar(Scalar),
    Set(Set),
}

impl Value {
    fn kind(&self) -> &'static str {
        match self {
            Self::Scalar(scalar) => scalar_kind(scalar),
            Self::Set(_) => "a set",
        }
    }
}

impl Lowering<'_> {
    fn boolean(&mut self, expr: &Expr, depth: usize) -> Lowered<Term> {
        self.check_depth(depth)?;
        let below = depth + 1;
        match expr {
            Expr::Literal(Literal::Bool(value)) => Ok(Term::Constant(*value)),
            Expr::GetAttr { .. } => {
                let column = self.column(expr)?;
                if column.kind == ColumnType::Boolean {
                    Ok(Term::Column(column))
                } else {
                    Err(self.not_boolean(expr))
                }
            }
            Expr::HasAttr { expr, attrs } => {
                let attrs: Vec<&str> = attrs.iter().map(AsRef::as_ref).collect();
                self.has(expr, &attrs)
            }
            Expr::UnaryOp {
                op: UnaryOp::Not,
                expr,
            } => Ok(self.boolean(expr, below)?.negated()),
            Expr::UnaryOp {
                op: UnaryOp::IsEmpty,
                expr,
            } => match self.value(expr, below)? {
                Value::Set(set) => Ok(Term::Empty(set)),
                Value::Scalar(_) => Err(self.not_boolean(expr)),
            },
            Expr::BinaryOp {
                op: op @ (BinaryOp::And | BinaryOp::Or),
                ..
            } => {
                let operands = self.chain(*op, expr, below)?;
                Ok(if *op == BinaryOp::And {
                    Term::All(operands)
                } else {
                    Term::Any(operands)
                })
            }
            Expr::BinaryOp { op, left, right } => self.binary(*op, left, right, below),
            Expr::Like { expr, pattern } => self.like(expr, pattern, below),
            Expr::IfThenElse {
                cond,
                then_expr,
                else_expr,
            } => Ok(Term::If {
                cond: self.part(cond, below)?,
                then: self.part(then_expr, below)?,
                otherwise: self.part(else_expr, below)?,
            }),
            _ => Err(self.not_boolean(expr)),
        }
    }

    fn part(&mut self, expr: &Expr, depth: usize) -> Lowered<Box<Term>> {
        let term = self.boolean(expr, depth);
        term.map(Box::new).map_err(|error| self.narrowed(error, expr))
    }

    /// `a && b && c` as one, however it is nested: a long list is not deep.
    fn chain(&mut self, op: BinaryOp, expr: &Expr, depth: usize) -> Lowered<Vec<Term>> {
        let mut operands = Vec::new();
        let mut rest = vec![expr];
        while let Some(expr) = rest.pop() {
            match expr {
                Expr::BinaryOp {
                    op: same,
                    left,
                    right,
                } if *same == op => rest.extend([right.as_ref(), left.as_ref()]),
                operand => {
                    let term = self.boolean(operand, depth);
                    operands.push(term.map_err(|error| self.narrowed(error, operand))?);
                }
            }
        }
        Ok(operands)
    }

    fn binary(&mut self, op: BinaryOp, left: &Expr, right: &Expr, depth: usize) -> Lowered<Term> {
        let comparison = match op {
            BinaryOp::Eq => Comparison::Equal,
            BinaryOp::NotEq => Comparison::NotEqual,
            BinaryOp::Less => Comparison::Less,
            BinaryOp::LessEq => Comparison::LessOrEqual,
            BinaryOp::Greater => Comparison::Greater,
            BinaryOp::GreaterEq => Comparison::GreaterOrEqual,
            BinaryOp::DecimalLessThan => return self.decimals(Comparison::Less, left, right, depth),
            BinaryOp::DecimalLessEq => return self.decimals(Comparison::LessOrEqual, left, right, depth),
            BinaryOp::DecimalGreater => return self.decimals(Comparison::Greater, left, right, depth),
            BinaryOp::DecimalGreaterEq => {
                return self.decimals(Comparison::GreaterOrEqual, left, right, depth);
            }
            BinaryOp::Contains => return self.contains(left, right, depth),
            BinaryOp::ContainsAll => return self.sets(SetOp::ContainsAll, left, right, depth),
            BinaryOp::ContainsAny => return self.sets(SetOp::ContainsAny, left, right, depth),
            _ => return Err(self.unsupported_operator(op)),
        };
        let equality = matches!(comparison, Comparison::Equal | Comparison::NotEqual);
        if equality && (self.is_boolean(left) || self.is_boolean(right)) {
            return Ok(Term::Same {
                negated: comparison == Comparison::NotEqual,
                left: Box::new(self.boolean(left, depth)?),
                right: Box::new(self.boolean(right, depth)?),
            });
        }
        match (self.value(left, depth)?, self.value(right, depth)?) {
            (Value::Scalar(left), Value::Scalar(right)) => self.compare(comparison, left, right),
            (Value::Set(left), Value::Set(right)) if equality => {
                let op = if comparison == Comparison::Equal {
                    SetOp::Equal
                } else {
                    SetOp::NotEqual
                };
                Ok(Term::Sets { op, left, right })
            }
            (left, right) => Err(self.mixed(left.kind(), right.kind())),
        }
    }

    fn compare(&self, op: Comparison, left: Scalar, right: Scalar) -> Lowered<Term> {
        let (left_kind, right_kind) = (scalar_kind(&left), scalar_kind(&right));
        if left_kind != right_kind {
            return Err(self.mixed_scalars(&left, &right));
        }
        self.check_uuid(&left, [&right])?;
        self.check_uuid(&right, [&left])?;
        let ordered = !matches!(op, Comparison::Equal | Comparison::NotEqual);
        if ordered && left_kind == DECIMAL {
            let sign = match op {
                Comparison::Less => "<",
                Comparison::LessOrEqual => "<=",
                Comparison::Greater => ">",
                _ => ">=",
            };
            return Err(self.refuse(
                sign,
                unsupported(
                    "an operator between decimals",
                    "write `.lessThan(..)`, `.lessThanOrEqual(..)`, `.greaterThan(..)` or `.greaterThanOrEqual(..)`",
                ),
            ));
        }
        if ordered && left_kind == TEXT {
            // Cedar orders no strings; said here too, since PostgreSQL does, by the collation.
            return Err(self.mixed(left_kind, right_kind));
        }
        Ok(Term::Compare { op, left, right })
    }

    fn decimals(&mut self, op: Comparison, left: &Expr, right: &Expr, depth: usize) -> Lowered<Term> {
        let (left, right) = (self.scalar(left, depth)?, self.scalar(right, depth)?);
        for side in [&left, &right] {
            if scalar_kind(side) != DECIMAL {
                return Err(self.mixed(DECIMAL, scalar_kind(side)));
            }
        }
        Ok(Term::Compare { op, left, right })
    }

    fn contains(&mut self, set: &Expr, value: &Expr, depth: usize) -> Lowered<Term> {
        if let Expr::Set(members) = set {
            let value = self.scalar(value, depth)?;
            let members: Vec<Scalar> = members
                .iter()
                .map(|member| self.scalar(member, depth))
                .collect::<Lowered<_>>()?;
            if members.is_empty() {
                return Err(self.refuse(
                    "[",
                    unsupported("an empty set", "it contains nothing: write `false`"),
                ));
            }
            if let Some(other) = members
                .iter()
                .find(|member| scalar_kind(member) != scalar_kind(&value))
            {
                return Err(self.mixed(scalar_kind(&value), scalar_kind(other)));
            }
            self.check_uuid(&value, &members)?;
            return Ok(Term::Among { value, members });
        }
        let set = self.set(set, depth)?;
        let value = self.scalar(value, depth)?;
        if scalar_kind(&value) == TEXT {
            Ok(Term::Member { set, value })
        } else {
            Err(self.mixed("a set of strings", scalar_kind(&value)))
        }
    }

    fn sets(&mut self, op: SetOp, left: &Expr, right: &Expr, depth: usize) -> Lowered<Term> {
        Ok(Term::Sets {
            op,
            left: self.set(left, depth)?,
            right: self.set(right, depth)?,
        })
    }

    fn like(&mut self, value: &Expr, pattern: &[PatternElem], depth: usize) -> Lowered<Term> {
        let value = self.scalar(value, depth)?;
        if scalar_kind(&value) != TEXT {
            return Err(self.mixed(scalar_kind(&value), "a pattern"));
        }
        let part = |element: &PatternElem| match element {
            PatternElem::Char('\0') => Err(self.refuse("like", Reason::Nul)),
            PatternElem::Char(char) => Ok(PatternPart::Char(*char)),
            PatternElem::Wildcard => Ok(PatternPart::Any),
        };
        let pattern = pattern.iter().map(part).collect::<Lowered<_>>()?;
        Ok(Term::Like { value, pattern })
    }

    fn has(&mut self, expr: &Expr, attrs: &[&str]) -> Lowered<Term> {
        match (expr, attrs) {
            (Expr::Var(Var::Resource), [attr]) => Ok(Term::Has(self.named(attr)?)),
            (Expr::Var(Var::Resource), _) => {
                Err(self.refuse("has", unsupported("a path after `has`", "columns have no parts")))
            }
            _ => Err(self.not_a_row(expr)),
        }
    }

    fn set(&mut self, expr: &Expr, depth: usize) -> Lowered<Set> {
        match self.value(expr, depth)? {
            Value::Set(set) => Ok(set),
            Value::Scalar(scalar) => Err(self.mixed(scalar_kind(&scalar), "a set")),
        }
    }

    fn scalar(&mut self, expr: &Expr, depth: usize) -> Lowered<Scalar> {
        match self.value(expr, depth)? {
            Value::Scalar(scalar) => Ok(scalar),
            Value::Set(_) => Err(self.refuse("[", unsupported("a set in a set", "compare single values"))),
        }
    }

    fn value(&mut self, expr: &Expr, depth: usize) -> Lowered<Value> {
        self.check_depth(depth)?;
        match expr {
            Expr::Literal(Literal::Long(number)) => Ok(Value::Scalar(Scalar::Long(*number))),
            Expr::Literal(Literal::String(text)) => Ok(Value::Scalar(Scalar::Text(self.without_nul(text)?))),
            Expr::Literal(Literal::EntityUID(_)) => Err(self.refuse(
                "::",
                unsupported("an entity", "a condition is about a row's columns"),
            )),
            Expr::UnaryOp {
                op: UnaryOp::Datetime | UnaryOp::ToDate,
                ..
            }
            | Expr::BinaryOp {
                op: BinaryOp::Offset, ..
            } => instant::fold(expr)
                .map(|at| Value::Scalar(Scalar::Instant(at)))
                .map_err(|(needle, reason)| self.refuse(needle, reason)),
            Expr::UnaryOp {
                op: UnaryOp::Decimal,
                expr,
            } => decimal::fold(expr)
                .map(|number| Value::Scalar(Scalar::Decimal(number)))
                .map_err(|reason| self.refuse("decimal", reason)),
            Expr::GetAttr { .. } => match self.column(expr)? {
                column if column.kind == ColumnType::TextArray => Ok(Value::Set(Set::Column(column))),
                column if column.kind == ColumnType::Boolean => {
                    Err(self.mixed("a truth value", "another value"))
                }
                column => Ok(Value::Scalar(Scalar::Column(column))),
            },
            Expr::Set(members) => self.constants(members, depth).map(Value::Set),
            Expr::IfThenElse {
                cond,
                then_expr,
                else_expr,
            } => {
                let cond = Box::new(self.boolean(cond, depth + 1)?);
                let then = Box::new(self.scalar(then_expr, depth + 1)?);
                let otherwise = Box::new(self.scalar(else_expr, depth + 1)?);
                if scalar_kind(&then) != scalar_kind(&otherwise) {
                    return Err(self.mixed(scalar_kind(&then), scalar_kind(&otherwise)));
                }
                Ok(Value::Scalar(Scalar::If {
                    cond,
                    then,
                    otherwise,
                }))
            }
            _ => Err(self.no_value(expr)),
        }
    }

    fn constants(&mut self, members: &[std::sync::Arc<Expr>], depth: usize) -> Lowered<Set> {
        let mut texts = Vec::new();
        for member in members {
            match self.scalar(member, depth + 1)? {
                Scalar::Text(text) => texts.push(text),
                _ => {
                    return Err(self.refuse(
                        "[",
                        unsupported(
                            "a set of anything but string constants here",
                            "write `[..].contains(resource.COLUMN)` for other types",
                        ),
                    ));
                }
            }
        }
        Ok(Set::Constants(texts))
    }

    fn column(&mut self, expr: &Expr) -> Lowered<ColumnRef> {
        match expr {
            Expr::GetAttr { expr, attr } if **expr == Expr::Var(Var::Resource) => self.named(attr),
            Expr::GetAttr { expr, .. } => Err(self.not_a_row(expr)),
            _ => Err(self.not_a_row(expr)),
        }
    }

    fn named(&mut self, attr: &str) -> Lowered<ColumnRef> {
        let Some(column) = self.dataset.column(attr) else {
            let known: Vec<String> = self
                .dataset
                .columns
                .iter()
                .map(|column| format!("`{}`", column.name))
                .collect();
            let dataset = self.dataset.id.to_string();
            return Err(self.refuse(
                attr,
                Reason::NoColumn {
                    column: attr.to_owned(),
                    dataset,
                    known: known.join(", "),
                },
            ));
        };
        if attribute_type(column.kind).is_none() {
            return Err(self.refuse(
                attr,
                Reason::ColumnType {
                    column: attr.to_owned(),
                    kind: column.kind,
                },
            ));
        }
        self.columns.insert(column.name.clone());
        Ok(ColumnRef {
            name: column.name.clone(),
            kind: column.kind,
        })
    }

    /// Whether an expression can only be a truth value.
    fn is_boolean(&self, expr: &Expr) -> bool {
        match expr {
            Expr::Literal(Literal::Bool(_)) | Expr::HasAttr { .. } | Expr::Like { .. } | Expr::Is { .. } => {
                true
            }
            Expr::UnaryOp { op, .. } => matches!(op, UnaryOp::Not | UnaryOp::IsEmpty),
            Expr::BinaryOp { op, .. } => !matches!(
                op,
                BinaryOp::Offset
                    | BinaryOp::Add
                    | BinaryOp::Sub
                    | BinaryOp::Mul
                    | BinaryOp::DurationSince
                    | BinaryOp::GetTag
            ),
            Expr::GetAttr { attr, .. } => self
                .dataset
                .column(attr)
                .is_some_and(|column| column.kind == ColumnType::Boolean),
            Expr::IfThenElse { then_expr, .. } => self.is_boolean(then_expr),
            _ => false,
        }
    }

    fn without_nul(&self, text: &str) -> Lowered<String> {
        if text.contains('\0') {
            Err(self.refuse("\"", Reason::Nul))
        } else {
            Ok(text.to_owned())
        }
    }

    fn check_depth(&self, depth: usize) -> Lowered<()> {
        if depth > self.max_depth {
            Err(self.refuse("", Reason::TooDeep))
        } else {
            Ok(())
        }
    }
}

const TEXT: &str = "a string";
pub(super) const DECIMAL: &str = "a decimal";

pub(super) fn scalar_kind(scalar: &Scalar) -> &'static str {
    match scalar {
        Scalar::Long(_) => "a number",
        Scalar::Decimal(_) => DECIMAL,
        Scalar::Text(_) => TEXT,
        Scalar::Instant(_) => "a date or time",
        Scalar::If { then, .. } => scalar_kind(then),
        Scalar::Column(column) => match column.kind {
            ColumnType::Smallint | ColumnType::Integer | ColumnType::Bigint => "a number",
            ColumnType::Text | ColumnType::Varchar | ColumnType::Enum | ColumnType::Uuid => TEXT,
            ColumnType::Date | ColumnType::Timestamptz => "a date or time",
            ColumnType::Boolean => "a truth value",
            ColumnType::Decimal(_) => DECIMAL,
            ColumnType::TextArray => "a set",
            // No attribute has any other type: `named` has refused it.
            _ => "another value",
        },
    }
}
