//! From Cedar's syntax to terms.
//!
//! The tree is Cedar's own (its public syntax tree, PST) of the very text that its validator has accepted. Lowering is
//! typed by itself: the validator does not look into branches it knows to be dead, and these too must make sense in SQL.

use std::collections::BTreeSet;
use std::ops::Range;

use cedar_policy::pst::{BinaryOp, Clause, Expr, Literal, PatternElem, UnaryOp, Var};
use cedar_policy::{Expression, Policy, PolicyId, PolicySet, Schema, ValidationMode, Validator};
use miette::Diagnostic;

use super::refusal::{ConditionError, Reason};
use super::schema::{alone, attribute_type, entity_type};
use super::term::{ColumnRef, Comparison, PatternPart, Scalar, Set, SetOp, Term};
use super::{Condition, MAX_CONDITION_BYTES, MAX_DEPTH, instant};
use crate::estate::{ColumnType, Dataset, SqlName};

type Lowered<T> = Result<T, ConditionError>;

pub(super) fn compile(source: &str, dataset: &Dataset) -> Lowered<Condition> {
    let whole = |reason| ConditionError {
        span: 0..source.len(),
        reason,
    };
    if source.len() > MAX_CONDITION_BYTES {
        return Err(whole(Reason::TooLong));
    }
    check_nesting(source)?;
    // As an expression alone first: what ends the clause early and opens another is none.
    let _: Expression = source
        .parse()
        .map_err(|error: cedar_policy::ParseErrors| diagnosed(&error, source, 0, Reason::Syntax))?;
    let (policy, offset) =
        as_policy(source, dataset).map_err(|error| diagnosed(&error, source, 0, Reason::Syntax))?;
    let expr =
        the_clause(&policy).ok_or_else(|| whole(Reason::Syntax("one expression is wanted".to_owned())))?;
    let mut lowering = Lowering {
        source,
        dataset,
        columns: BTreeSet::new(),
    };
    let term = lowering.boolean(&expr, 0)?;
    validate(&policy, source, offset, dataset)?;
    Ok(Condition {
        cedar: source.trim().to_owned(),
        columns: lowering.columns,
        term,
    })
}

/// The condition as the only clause of a policy, and where it begins in that policy's text.
fn as_policy(source: &str, dataset: &Dataset) -> Result<(Policy, usize), cedar_policy::ParseErrors> {
    let head = format!(
        "permit (principal, action, resource is {})\nwhen {{ ",
        entity_type(&dataset.id)
    );
    // The line's end closes a comment that the condition may end in.
    let text = format!("{head}{source}\n}};");
    Ok((Policy::parse(Some(PolicyId::new("condition")), text)?, head.len()))
}

fn the_clause(policy: &Policy) -> Option<Expr> {
    match policy.to_pst().ok()?.body().clauses().as_slice() {
        [Clause::When(expr)] => Some(expr.as_ref().clone()),
        _ => None,
    }
}

fn validate(policy: &Policy, source: &str, offset: usize, dataset: &Dataset) -> Lowered<()> {
    let whole = |text: String| ConditionError {
        span: 0..source.len(),
        reason: Reason::Invalid(text),
    };
    let (schema, _) =
        Schema::from_cedarschema_str(&alone(dataset)).map_err(|error| whole(error.to_string()))?;
    let set = PolicySet::from_policies([policy.clone()]).map_err(|error| whole(error.to_string()))?;
    let result = Validator::new(schema).validate(&set, ValidationMode::Strict);
    match result.validation_errors().next() {
        None => Ok(()),
        Some(error) => Err(diagnosed(error, source, offset, Reason::Invalid)),
    }
}

/// An error of Cedar's as one of ours, its place moved by where the condition begins in what Cedar read.
fn diagnosed(
    error: &dyn Diagnostic,
    source: &str,
    offset: usize,
    reason: fn(String) -> Reason,
) -> ConditionError {
    let label = error.labels().and_then(|mut labels| labels.next());
    let span = label.map_or(0..source.len(), |label| {
        let start = label.offset().saturating_sub(offset).min(source.len());
        start..start.saturating_add(label.len()).min(source.len())
    });
    let text = error.to_string();
    let text = text.strip_prefix("for policy `condition`, ").unwrap_or(&text);
    let help = error.help().map(|help| format!(" ({help})")).unwrap_or_default();
    ConditionError {
        span,
        reason: reason(format!("{text}{help}")),
    }
}

/// Cedar's parser recurses; so does everything after it.
fn check_nesting(source: &str) -> Lowered<()> {
    let mut depth = 0_usize;
    let mut in_string = false;
    let mut escaped = false;
    for (at, char) in source.char_indices() {
        match (in_string, char) {
            (true, _) if escaped => escaped = false,
            (true, '\\') => escaped = true,
            (_, '"') => in_string = !in_string,
            (false, '(' | '[' | '{') => depth += 1,
            (false, ')' | ']' | '}') => depth = depth.saturating_sub(1),
            _ => {}
        }
        if depth > MAX_DEPTH {
            return Err(ConditionError {
                span: at..at + char.len_utf8(),
                reason: Reason::TooDeep,
            });
        }
    }
    Ok(())
}

struct Lowering<'a> {
    source: &'a str,
    dataset: &'a Dataset,
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
            Expr::HasAttr { expr, attrs } => self.has(expr, attrs.iter().map(AsRef::as_ref).collect()),
            Expr::UnaryOp {
                op: UnaryOp::Not,
                expr,
            } => Ok(Term::Not(Box::new(self.boolean(expr, below)?))),
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
                let mut operands = Vec::new();
                self.chain(*op, expr, below, &mut operands)?;
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
                cond: Box::new(self.boolean(cond, below)?),
                then: Box::new(self.boolean(then_expr, below)?),
                otherwise: Box::new(self.boolean(else_expr, below)?),
            }),
            _ => Err(self.not_boolean(expr)),
        }
    }

    /// `a && b && c` as one: a long list is not deep. The chain hangs to the left as Cedar parses it.
    fn chain(&mut self, op: BinaryOp, expr: &Expr, depth: usize, operands: &mut Vec<Term>) -> Lowered<()> {
        let mut last_first = Vec::new();
        let mut rest = expr;
        while let Expr::BinaryOp {
            op: same,
            left,
            right,
        } = rest
        {
            if *same != op {
                break;
            }
            last_first.push(right.as_ref());
            rest = left.as_ref();
        }
        last_first.push(rest);
        for operand in last_first.into_iter().rev() {
            operands.push(self.boolean(operand, depth)?);
        }
        Ok(())
    }

    fn binary(&mut self, op: BinaryOp, left: &Expr, right: &Expr, depth: usize) -> Lowered<Term> {
        let comparison = match op {
            BinaryOp::Eq => Comparison::Equal,
            BinaryOp::NotEq => Comparison::NotEqual,
            BinaryOp::Less => Comparison::Less,
            BinaryOp::LessEq => Comparison::LessOrEqual,
            BinaryOp::Greater => Comparison::Greater,
            BinaryOp::GreaterEq => Comparison::GreaterOrEqual,
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
            return Err(self.mixed(left_kind, right_kind));
        }
        let ordered = !matches!(op, Comparison::Equal | Comparison::NotEqual);
        if ordered && left_kind == TEXT {
            // Cedar orders no strings; said here too, since PostgreSQL does, by the collation.
            return Err(self.mixed(left_kind, right_kind));
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

    fn has(&mut self, expr: &Expr, attrs: Vec<&str>) -> Lowered<Term> {
        match (expr, attrs.as_slice()) {
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
        if depth > MAX_DEPTH {
            Err(self.refuse("", Reason::TooDeep))
        } else {
            Ok(())
        }
    }

    fn not_boolean(&self, expr: &Expr) -> ConditionError {
        match expr {
            Expr::Literal(_)
            | Expr::Set(_)
            | Expr::GetAttr { .. }
            | Expr::UnaryOp {
                op: UnaryOp::Datetime,
                ..
            } => self.refuse(
                "",
                unsupported("a value that is not true or false", "compare it with something"),
            ),
            _ => self.no_value(expr),
        }
    }

    fn no_value(&self, expr: &Expr) -> ConditionError {
        match expr {
            Expr::Var(_) => self.not_a_row(expr),
            Expr::BinaryOp { op, .. } => self.unsupported_operator(*op),
            Expr::UnaryOp { op: UnaryOp::Neg, .. } => self.refuse(
                "-",
                unsupported("`-` before anything but a number", "write the number it gives"),
            ),
            Expr::UnaryOp {
                op: UnaryOp::Decimal, ..
            } => self.refuse(
                "decimal",
                unsupported("`decimal`", "use a column of type `bigint`"),
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
                    "see the list of what conditions can say in docs/conditions.md",
                ),
            ),
        }
    }

    fn not_a_row(&self, expr: &Expr) -> ConditionError {
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

    fn unsupported_operator(&self, op: BinaryOp) -> ConditionError {
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

    fn mixed(&self, left: &'static str, right: &'static str) -> ConditionError {
        self.refuse("", Reason::Mixed { left, right })
    }

    /// A refusal placed at the first occurrence of what it is about; at the whole if there is none.
    fn refuse(&self, needle: &str, reason: Reason) -> ConditionError {
        ConditionError {
            span: place(self.source, needle),
            reason,
        }
    }
}

const TEXT: &str = "a string";

fn scalar_kind(scalar: &Scalar) -> &'static str {
    match scalar {
        Scalar::Long(_) => "a number",
        Scalar::Text(_) => TEXT,
        Scalar::Instant(_) => "a date or time",
        Scalar::If { then, .. } => scalar_kind(then),
        Scalar::Column(column) => match column.kind {
            ColumnType::Smallint | ColumnType::Integer | ColumnType::Bigint => "a number",
            ColumnType::Text | ColumnType::Uuid => TEXT,
            ColumnType::Date | ColumnType::Timestamptz => "a date or time",
            ColumnType::Boolean => "a truth value",
            ColumnType::TextArray => "a set",
            ColumnType::Numeric | ColumnType::DoublePrecision => "a number with decimals",
        },
    }
}

fn unsupported(what: &'static str, instead: &'static str) -> Reason {
    Reason::Unsupported { what, instead }
}

fn place(source: &str, needle: &str) -> Range<usize> {
    match source.find(needle) {
        Some(start) if !needle.is_empty() => start..start + needle.len(),
        _ => 0..source.len(),
    }
}
