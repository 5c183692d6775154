//! A guardrail's conditions, written out for one place.

use std::sync::Arc;

use cedar_policy::pst::{
    ActionConstraint, BinaryOp, Clause, EntityUID, Expr, Literal, ResourceConstraint, Template, UnaryOp, Var,
};

use super::Place;
use super::fault::GuardrailFault;
use super::names::{Fault, Subject, children, entities, heads, is, is_attribute, subject};
use super::vocabulary::{CONNECT_CONTEXT, Vocabulary};
use crate::condition::{MAX_DEPTH, entity_type};
use crate::estate::Dataset;

/// Why an expression has no meaning in a place.
#[derive(Debug)]
pub(super) enum Stop {
    /// It asks for what is not there: a column, or a part of the context.
    Missing(String),
    /// It is wrong.
    Fault(Fault),
}

impl From<Fault> for Stop {
    fn from(fault: Fault) -> Self {
        Self::Fault(fault)
    }
}

/// What a guardrail says in a place.
#[derive(Debug)]
pub(super) enum Body {
    /// Its head leaves the place out.
    Outside,
    /// It asks for what is not there, so it says nothing of the place.
    Missing(String),
    /// It can never apply there.
    Never,
    /// It applies when all of this holds.
    When(Vec<Expr>),
}

pub(super) struct Expander<'a> {
    vocabulary: &'a Vocabulary<'a>,
    place: &'a Place,
    dataset: Option<&'a Dataset>,
}

impl<'a> Expander<'a> {
    pub(super) fn new(vocabulary: &'a Vocabulary<'a>, place: &'a Place) -> Self {
        Self {
            vocabulary,
            place,
            dataset: vocabulary.dataset(place),
        }
    }

    /// What the head covers in this place. `None`: nothing.
    pub(super) fn head(&self, template: &Template) -> Result<Option<Vec<Expr>>, Fault> {
        let action = |action: &EntityUID| action.eid == self.place.action();
        let covered = match &template.action {
            ActionConstraint::Any => true,
            ActionConstraint::Eq(one) => action(one),
            ActionConstraint::In(all) => all.iter().any(action),
        };
        if !covered {
            return Ok(None);
        }
        let mut conditions = Vec::new();
        for head in heads(template) {
            match self.expr(&head, 0) {
                Ok(Expr::Literal(Literal::Bool(true))) => {}
                Ok(Expr::Literal(Literal::Bool(false))) => return Ok(None),
                Ok(head) => conditions.push(head),
                Err(stop) => return Err(self.fault(stop)),
            }
        }
        Ok(Some(conditions))
    }

    /// What a `forbid` says here.
    pub(super) fn forbid(&self, template: &Template) -> Result<Body, Fault> {
        let Some(mut all) = self.head(template)? else {
            return Ok(Body::Outside);
        };
        let mut named = !matches!(template.resource, ResourceConstraint::Any);
        for clause in template.clauses() {
            match clause {
                Clause::When(expr) => {
                    for conjunct in chain(BinaryOp::And, expr) {
                        named |= names_the_resource(conjunct);
                        match self.expr(conjunct, 0) {
                            Ok(Expr::Literal(Literal::Bool(true))) => {}
                            Ok(Expr::Literal(Literal::Bool(false))) => return Ok(Body::Never),
                            Ok(expr) => all.push(expr),
                            Err(Stop::Missing(what)) if self.is_about_connecting() => {
                                return Ok(Body::Missing(what));
                            }
                            // What names its data sets is meant for each of them: to leave a column out of a file is no way
                            // out of it.
                            Err(Stop::Missing(what)) if named => {
                                let place = self.name();
                                return Err(Fault::new(
                                    what.clone(),
                                    GuardrailFault::NamedLacks { place, what },
                                ));
                            }
                            Err(Stop::Missing(what)) if is_plain(conjunct) => return Ok(Body::Missing(what)),
                            Err(stop) => return Err(self.fault(stop)),
                        }
                    }
                }
                Clause::Unless(expr) => match self.expr(expr, 0) {
                    Ok(Expr::Literal(Literal::Bool(true))) => return Ok(Body::Never),
                    Ok(Expr::Literal(Literal::Bool(false))) => {}
                    Ok(expr) => all.push(not(expr)),
                    Err(Stop::Missing(what)) if self.is_about_connecting() => return Ok(Body::Missing(what)),
                    Err(stop) => return Err(self.fault(stop)),
                },
            }
        }
        Ok(Body::When(all))
    }

    /// What a `permit`, an exception, says here. One that asks for what is not there excepts nothing.
    pub(super) fn exception(&self, template: &Template) -> Result<Body, Fault> {
        let Some(mut all) = self.head(template)? else {
            return Ok(Body::Outside);
        };
        for clause in template.clauses() {
            let (expr, turned) = match clause {
                Clause::When(expr) => (expr, false),
                Clause::Unless(expr) => (expr, true),
            };
            match self.expr(expr, 0) {
                Ok(Expr::Literal(Literal::Bool(value))) if value == turned => return Ok(Body::Never),
                Ok(Expr::Literal(Literal::Bool(_))) => {}
                Ok(expr) if turned => all.push(not(expr)),
                Ok(expr) => all.push(expr),
                Err(Stop::Missing(what)) => return Ok(Body::Missing(what)),
                Err(Stop::Fault(fault)) => return Err(fault),
            }
        }
        Ok(Body::When(all))
    }

    /// Connecting has no rows and no columns: a guardrail that asks for one is about reading, and says nothing here.
    fn is_about_connecting(&self) -> bool {
        *self.place == Place::Connect
    }

    /// How the place is called in a message.
    pub(super) fn name(&self) -> String {
        match self.place {
            Place::Connect => "connecting".to_owned(),
            Place::Read(dataset) => format!("data set `{dataset}`"),
        }
    }

    fn fault(&self, stop: Stop) -> Fault {
        match stop {
            Stop::Fault(fault) => fault,
            Stop::Missing(what) => {
                let needle = what.clone();
                let place = self.name();
                Fault::new(needle, GuardrailFault::Missing { place, what })
            }
        }
    }

    fn expr(&self, expr: &Expr, depth: usize) -> Result<Expr, Stop> {
        if depth > MAX_DEPTH {
            return Err(Fault::new("", GuardrailFault::TooDeep).into());
        }
        let below = depth + 1;
        let within = |expr: &Expr| self.expr(expr, below).map(Arc::new);
        match expr {
            Expr::BinaryOp {
                op: op @ (BinaryOp::And | BinaryOp::Or),
                ..
            } => self.connected(*op, expr, below),
            Expr::BinaryOp {
                op: BinaryOp::In,
                left,
                right,
            } => self.within(left, right, below),
            Expr::BinaryOp {
                op: BinaryOp::Contains,
                left,
                right,
            } if let Expr::Set(items) = left.as_ref() => {
                let right = within(right)?;
                let equal = |item: &Arc<Expr>| Ok(equal(within(item)?, Arc::clone(&right)));
                any(items.iter().map(equal))
            }
            Expr::BinaryOp {
                op: op @ (BinaryOp::Eq | BinaryOp::NotEq),
                left,
                right,
            } if self.is_other_thing(left, right) => Ok(Expr::Literal(Literal::Bool(*op == BinaryOp::NotEq))),
            Expr::BinaryOp { op, left, right } => Ok(Expr::BinaryOp {
                op: *op,
                left: within(left)?,
                right: within(right)?,
            }),
            Expr::UnaryOp {
                op: UnaryOp::Not,
                expr,
            } => Ok(not(self.expr(expr, below)?)),
            Expr::UnaryOp { op, expr } => Ok(Expr::UnaryOp {
                op: *op,
                expr: within(expr)?,
            }),
            Expr::GetAttr { expr: of, attr } => {
                self.there(of, attr)?;
                Ok(Expr::GetAttr {
                    expr: within(of)?,
                    attr: attr.clone(),
                })
            }
            Expr::HasAttr { expr: of, attrs } => {
                for attr in attrs.iter() {
                    match self.there(of, attr) {
                        Ok(()) => {}
                        Err(Stop::Missing(_)) => return Ok(Expr::Literal(Literal::Bool(false))),
                        Err(stop) => return Err(stop),
                    }
                }
                Ok(expr.clone())
            }
            Expr::Like { expr, pattern } => Ok(Expr::Like {
                expr: within(expr)?,
                pattern: pattern.clone(),
            }),
            Expr::Is {
                expr: of,
                entity_type,
                in_expr,
            } => self.of_kind(of, &entity_type.to_string(), in_expr.as_deref(), below),
            Expr::IfThenElse {
                cond,
                then_expr,
                else_expr,
            } => match self.expr(cond, below)? {
                Expr::Literal(Literal::Bool(true)) => self.expr(then_expr, below),
                Expr::Literal(Literal::Bool(false)) => self.expr(else_expr, below),
                cond => Ok(Expr::IfThenElse {
                    cond: Arc::new(cond),
                    then_expr: within(then_expr)?,
                    else_expr: within(else_expr)?,
                }),
            },
            Expr::Set(items) => Ok(Expr::Set(
                items.iter().map(|item| within(item)).collect::<Result<_, _>>()?,
            )),
            other => Ok(other.clone()),
        }
    }

    /// `a && b && c`: what follows a plain `false` is not looked at, as Cedar does not.
    fn connected(&self, op: BinaryOp, expr: &Expr, depth: usize) -> Result<Expr, Stop> {
        let settles = op == BinaryOp::Or;
        let mut whole: Option<Expr> = None;
        for operand in chain(op, expr) {
            match self.expr(operand, depth)? {
                Expr::Literal(Literal::Bool(value)) if value == settles => {
                    // What stands before is kept out of the way: it has no effect, and cannot err.
                    return Ok(Expr::Literal(Literal::Bool(settles)));
                }
                Expr::Literal(Literal::Bool(_)) => {}
                operand => {
                    whole = Some(match whole {
                        None => operand,
                        Some(left) => binary(op, Arc::new(left), Arc::new(operand)),
                    });
                }
            }
        }
        Ok(whole.unwrap_or(Expr::Literal(Literal::Bool(!settles))))
    }

    fn of_kind(&self, of: &Expr, kind: &str, within: Option<&Expr>, depth: usize) -> Result<Expr, Stop> {
        let fits = match of {
            Expr::Var(Var::Resource) => kind == self.place.resource(),
            Expr::Var(Var::Principal) => kind == "Officer",
            _ => {
                return Err(Fault::new(
                    "is",
                    GuardrailFault::Invalid("`is` is for `principal` and `resource`".to_owned()),
                )
                .into());
            }
        };
        match within {
            Some(within) if fits => self.within(of, within, depth),
            _ => Ok(Expr::Literal(Literal::Bool(fits))),
        }
    }

    /// `in`: the model has no hierarchies, so a name stands for what it is written out to.
    fn within(&self, left: &Expr, right: &Expr, depth: usize) -> Result<Expr, Stop> {
        let names = entities(right)?;
        if subject(left) == Some(Subject::Row) {
            let inside = names.into_iter().any(|name| self.row_is_in(name));
            return Ok(Expr::Literal(Literal::Bool(inside)));
        }
        let asked = match left {
            Expr::Var(Var::Principal) => Expr::GetAttr {
                expr: Arc::new(left.clone()),
                attr: "partner".into(),
            },
            other => self.expr(other, depth)?,
        };
        let asked = Arc::new(asked);
        let mut stands_for: Vec<Literal> = Vec::new();
        for name in names {
            match name.ty.to_string().as_str() {
                "ColumnTag" => stands_for.extend(self.columns_of(&name.eid)),
                "PartnerTag" => stands_for.extend(self.partners_of(&name.eid)?),
                _ => stands_for.push(Literal::EntityUID(name.clone())),
            }
        }
        let one = |literal| Ok(equal(Arc::clone(&asked), Arc::new(Expr::Literal(literal))));
        any(stands_for.into_iter().map(one))
    }

    fn row_is_in(&self, name: &EntityUID) -> bool {
        self.dataset
            .is_some_and(|dataset| match name.ty.to_string().as_str() {
                "Tag" => dataset.tags.contains(name.eid.as_str()),
                "Dataset" => dataset.id.as_str() == name.eid.as_str(),
                kind => kind == entity_type(&dataset.id),
            })
    }

    fn columns_of(&self, tag: &str) -> Vec<Literal> {
        let columns = self.dataset.iter().flat_map(|dataset| &dataset.columns);
        columns
            .filter(|column| column.tags.contains(tag))
            .map(|column| Literal::String(column.name.as_str().into()))
            .collect()
    }

    fn partners_of(&self, tag: &str) -> Result<Vec<Literal>, Fault> {
        let kind = cedar_policy::pst::Name::unqualified("Partner")
            .map_err(|error| Fault::new("", GuardrailFault::Invalid(error.to_string())))?;
        let partners = self.vocabulary.partner_tags.get(tag).into_iter().flatten();
        let uid = |id: &&str| EntityUID {
            ty: cedar_policy::pst::EntityType(kind.clone()),
            eid: (*id).into(),
        };
        Ok(partners.map(|id| Literal::EntityUID(uid(id))).collect())
    }

    /// Whether `resource` is compared with what no resource of this place is: an agreement, where rows are read.
    fn is_other_thing(&self, left: &Expr, right: &Expr) -> bool {
        let other = |expr: &Expr| match expr {
            Expr::Literal(Literal::EntityUID(uid)) => uid.ty.to_string() != self.place.resource(),
            _ => false,
        };
        is(left, &Var::Resource) && other(right) || is(right, &Var::Resource) && other(left)
    }

    /// Whether an attribute is there at all in this place.
    fn there(&self, of: &Expr, attr: &str) -> Result<(), Stop> {
        if is(of, &Var::Context) {
            let there = match self.place {
                Place::Connect => CONNECT_CONTEXT.contains(&attr),
                // Names that no context has were refused before.
                Place::Read(_) => true,
            };
            return if there {
                Ok(())
            } else {
                Err(Stop::Missing(format!("context.{attr}")))
            };
        }
        if !is(of, &Var::Resource) {
            return Ok(());
        }
        let Some((dataset, column)) = self
            .dataset
            .and_then(|dataset| Some((dataset, dataset.column(attr)?)))
        else {
            return Err(Stop::Missing(attr.to_owned()));
        };
        if is_attribute(column.kind) {
            return Ok(());
        }
        let fault = GuardrailFault::ColumnType {
            column: attr.to_owned(),
            dataset: dataset.id.to_string(),
            kind: column.kind.name().into_owned(),
        };
        Err(Fault::new(attr, fault).into())
    }
}

/// The operands of a chain, in their order. It hangs to the left, as Cedar parses it.
fn chain(op: BinaryOp, expr: &Expr) -> Vec<&Expr> {
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
    last_first.reverse();
    last_first
}

/// Whether a condition says which data sets are meant.
fn names_the_resource(expr: &Expr) -> bool {
    match expr {
        Expr::BinaryOp {
            op: BinaryOp::In,
            left,
            ..
        } => is(left, &Var::Resource),
        Expr::Is { expr: of, .. } => is(of, &Var::Resource),
        _ => false,
    }
}

/// Whether a condition asks one thing: then what is missing makes it say nothing, and hides no other thing it asks.
fn is_plain(expr: &Expr) -> bool {
    match expr {
        Expr::BinaryOp {
            op: BinaryOp::And | BinaryOp::Or,
            ..
        }
        | Expr::IfThenElse { .. } => false,
        other => children(other).into_iter().all(is_plain),
    }
}

pub(super) fn not(expr: Expr) -> Expr {
    match expr {
        Expr::Literal(Literal::Bool(value)) => Expr::Literal(Literal::Bool(!value)),
        expr => Expr::UnaryOp {
            op: UnaryOp::Not,
            expr: Arc::new(expr),
        },
    }
}

fn binary(op: BinaryOp, left: Arc<Expr>, right: Arc<Expr>) -> Expr {
    Expr::BinaryOp { op, left, right }
}

fn equal(left: Arc<Expr>, right: Arc<Expr>) -> Expr {
    binary(BinaryOp::Eq, left, right)
}

/// All joined with `||`; `false` if there are none.
fn any(all: impl Iterator<Item = Result<Expr, Stop>>) -> Result<Expr, Stop> {
    Ok(joined(BinaryOp::Or, all.collect::<Result<_, _>>()?))
}

/// All joined with an operator; its neutral element if there are none. As a tree that is not deep, however many they are.
pub(super) fn joined(op: BinaryOp, mut all: Vec<Expr>) -> Expr {
    match all.len() {
        0 => Expr::Literal(Literal::Bool(op == BinaryOp::And)),
        1 => all.remove(0),
        many => {
            let right = all.split_off(many.div_ceil(2));
            binary(op, Arc::new(joined(op, all)), Arc::new(joined(op, right)))
        }
    }
}
