//! Whether every name in a guardrail names something, and stands where it can.

use std::collections::BTreeSet;

use cedar_policy::pst::{
    ActionConstraint, BinaryOp, Clause, EntityOrSlot, EntityUID, Expr, Literal, PrincipalConstraint,
    ResourceConstraint, Template, UnaryOp, Var,
};
use std::sync::Arc;

use super::fault::GuardrailFault;
use super::vocabulary::{READ_CONTEXT, Vocabulary, unknown};
use crate::condition::{attribute_type, entity_type};
use crate::estate::Problem;

/// A fault, and the text to look for to find its place.
#[derive(Debug)]
pub(super) struct Fault {
    pub(super) needle: String,
    pub(super) problem: Problem,
}

impl Fault {
    pub(super) fn new(needle: impl Into<String>, problem: impl Into<Problem>) -> Self {
        Self {
            needle: needle.into(),
            problem: problem.into(),
        }
    }
}

/// The heads of a policy but for the action, as expressions.
pub(super) fn heads(template: &Template) -> Vec<Expr> {
    let var = |var| Arc::new(Expr::Var(var));
    let literal = |slot: &EntityOrSlot| match slot {
        EntityOrSlot::Entity(uid) => Arc::new(Expr::Literal(Literal::EntityUID(uid.clone()))),
        // Templates are refused before.
        EntityOrSlot::Slot(slot) => Arc::new(Expr::Slot(*slot)),
    };
    let binary = |op, left: Var, right: &EntityOrSlot| Expr::BinaryOp {
        op,
        left: var(left),
        right: literal(right),
    };
    let is = |of: Var, kind: &cedar_policy::pst::EntityType, within: Option<&EntityOrSlot>| Expr::Is {
        expr: var(of),
        entity_type: kind.clone(),
        in_expr: within.map(literal),
    };
    let principal = match &template.principal {
        PrincipalConstraint::Any => None,
        PrincipalConstraint::Eq(uid) => Some(binary(BinaryOp::Eq, Var::Principal, uid)),
        PrincipalConstraint::In(uid) => Some(binary(BinaryOp::In, Var::Principal, uid)),
        PrincipalConstraint::Is(kind) => Some(is(Var::Principal, kind, None)),
        PrincipalConstraint::IsIn(kind, uid) => Some(is(Var::Principal, kind, Some(uid))),
    };
    let resource = match &template.resource {
        ResourceConstraint::Any => None,
        ResourceConstraint::Eq(uid) => Some(binary(BinaryOp::Eq, Var::Resource, uid)),
        ResourceConstraint::In(uid) => Some(binary(BinaryOp::In, Var::Resource, uid)),
        ResourceConstraint::Is(kind) => Some(is(Var::Resource, kind, None)),
        ResourceConstraint::IsIn(kind, uid) => Some(is(Var::Resource, kind, Some(uid))),
    };
    resource.into_iter().chain(principal).collect()
}

/// What a guardrail mentions.
#[derive(Debug, Default)]
pub(super) struct Mentioned {
    pub(super) tags: BTreeSet<String>,
    pub(super) column_tags: BTreeSet<String>,
    pub(super) partner_tags: BTreeSet<String>,
    pub(super) purposes: BTreeSet<String>,
}

/// Looks every name of a policy up.
pub(super) fn check(
    template: &Template,
    vocabulary: &Vocabulary<'_>,
    mentioned: &mut Mentioned,
) -> Result<(), Fault> {
    let actions: &[EntityUID] = match &template.action {
        ActionConstraint::Any => &[],
        ActionConstraint::Eq(action) => std::slice::from_ref(action),
        ActionConstraint::In(actions) => actions,
    };
    for action in actions {
        if action.ty.to_string() != "Action" || !["connect", "read"].contains(&action.eid.as_str()) {
            let problem = unknown("action", &action.eid, ["connect", "read"]);
            return Err(Fault::new(quoted(&action.eid), problem));
        }
    }
    let mut names = Names {
        vocabulary,
        mentioned,
    };
    for head in heads(template) {
        names.look(&head)?;
    }
    for clause in template.clauses() {
        match clause {
            Clause::When(expr) | Clause::Unless(expr) => names.look(expr)?,
        }
    }
    Ok(())
}

struct Names<'a, 'e> {
    vocabulary: &'a Vocabulary<'e>,
    mentioned: &'a mut Mentioned,
}

impl Names<'_, '_> {
    fn look(&mut self, expr: &Expr) -> Result<(), Fault> {
        // A long chain of `&&` hangs to the left: its right sides are looked at in a loop.
        let mut expr = expr;
        while let Expr::BinaryOp {
            op: BinaryOp::And | BinaryOp::Or,
            left,
            right,
        } = expr
        {
            self.look(right)?;
            expr = left;
        }
        match expr {
            Expr::BinaryOp {
                op: BinaryOp::In,
                left,
                right,
            } => {
                self.look(left)?;
                self.within(left, right)
            }
            Expr::Is {
                expr,
                entity_type: kind,
                in_expr,
            } => {
                self.kind(expr, &kind.to_string())?;
                in_expr.as_ref().map_or(Ok(()), |right| self.within(expr, right))
            }
            Expr::BinaryOp {
                op: BinaryOp::Eq | BinaryOp::NotEq,
                left,
                right,
            } if is_column(left) || is_column(right) => {
                let other = if is_column(left) { right } else { left };
                self.column_name(other)
            }
            Expr::BinaryOp {
                op: BinaryOp::Contains,
                left,
                right,
            } if is_column(right) => match left.as_ref() {
                Expr::Set(names) => names.iter().try_for_each(|name| self.column_name(name)),
                other => self.look(other),
            },
            Expr::BinaryOp { op, .. } if let Some(what) = arithmetic(*op) => {
                Err(Fault::new(symbol(*op), GuardrailFault::Arithmetic(what)))
            }
            Expr::UnaryOp { op, expr } => self.unary(*op, expr),
            Expr::GetAttr { expr, attr } if is(expr, &Var::Resource) => self.attribute(attr),
            Expr::HasAttr { expr, attrs } if is(expr, &Var::Resource) => {
                attrs.iter().try_for_each(|attr| self.attribute(attr))
            }
            Expr::GetAttr { expr, attr } if is(expr, &Var::Context) => context(attr),
            Expr::HasAttr { expr, attrs } if is(expr, &Var::Context) => {
                attrs.iter().try_for_each(|attr| context(attr))
            }
            Expr::Literal(Literal::EntityUID(uid)) => self.entity(uid),
            _ => children(expr).into_iter().try_for_each(|child| self.look(child)),
        }
    }

    fn unary(&mut self, op: UnaryOp, expr: &Expr) -> Result<(), Fault> {
        let constant = matches!(expr, Expr::Literal(_));
        match op {
            UnaryOp::Neg if !constant => Err(Fault::new("-", GuardrailFault::Arithmetic("`-`"))),
            UnaryOp::ToDate => Err(Fault::new("toDate", GuardrailFault::Arithmetic("`toDate`"))),
            _ => self.look(expr),
        }
    }

    /// The right side of `in`, whose names stand for several things.
    fn within(&mut self, left: &Expr, right: &Expr) -> Result<(), Fault> {
        for uid in entities(right)? {
            let kind = uid.ty.to_string();
            match (kind.as_str(), subject(left)) {
                ("Tag", Some(Subject::Row)) => {
                    known("tag of data sets", uid, self.vocabulary.tags.iter().copied())?;
                    self.mentioned.tags.insert(uid.eid.to_string());
                }
                ("Dataset", Some(Subject::Row)) => {
                    let datasets = self.vocabulary.estate.datasets().keys();
                    known("data set", uid, datasets.map(AsRef::as_ref))?;
                }
                ("ColumnTag", Some(Subject::Column)) => {
                    known("tag of columns", uid, self.vocabulary.column_tags.iter().copied())?;
                    self.mentioned.column_tags.insert(uid.eid.to_string());
                }
                ("PartnerTag", Some(Subject::Partner)) => {
                    known(
                        "tag of partners",
                        uid,
                        self.vocabulary.partner_tags.keys().copied(),
                    )?;
                    self.mentioned.partner_tags.insert(uid.eid.to_string());
                }
                ("Tag" | "Dataset" | "ColumnTag" | "PartnerTag", _) => return Err(virtual_misplaced(uid)),
                (_, Some(Subject::Row | Subject::Column)) => return Err(virtual_misplaced(uid)),
                _ => self.entity(uid)?,
            }
        }
        Ok(())
    }

    fn kind(&self, of: &Expr, kind: &str) -> Result<(), Fault> {
        let datasets = self.vocabulary.estate.datasets().keys();
        let rows: Vec<String> = datasets.map(entity_type).collect();
        let fits = match of {
            Expr::Var(Var::Principal) => kind == "Officer",
            Expr::Var(Var::Resource) => kind == "Agreement" || rows.iter().any(|row| row == kind),
            _ => true,
        };
        if fits {
            Ok(())
        } else {
            let known = ["Officer", "Agreement"]
                .into_iter()
                .chain(rows.iter().map(String::as_str));
            Err(Fault::new(kind, unknown("kind of entity", kind, known)))
        }
    }

    fn column_name(&mut self, expr: &Expr) -> Result<(), Fault> {
        match expr {
            Expr::Literal(Literal::String(name)) if !self.vocabulary.columns.contains(name.as_str()) => {
                let problem = unknown("column", name, self.vocabulary.columns.iter().copied());
                Err(Fault::new(quoted(name), problem))
            }
            _ => self.look(expr),
        }
    }

    fn attribute(&self, attr: &str) -> Result<(), Fault> {
        if !self.vocabulary.columns.contains(attr) {
            let problem = unknown("column", attr, self.vocabulary.columns.iter().copied());
            return Err(Fault::new(attr, problem));
        }
        Ok(())
    }

    /// A single entity that is meant as itself.
    fn entity(&mut self, uid: &EntityUID) -> Result<(), Fault> {
        let estate = self.vocabulary.estate;
        let kind = uid.ty.to_string();
        match kind.as_str() {
            "Partner" => known("partner", uid, estate.partners().keys().map(AsRef::as_ref)),
            "Agreement" => known("agreement", uid, estate.agreements().keys().map(AsRef::as_ref)),
            "Officer" => {
                let officers: Vec<String> = estate
                    .partners()
                    .values()
                    .flat_map(|partner| {
                        partner
                            .officers
                            .iter()
                            .map(move |officer| format!("{}/{}", partner.id, officer.id))
                    })
                    .collect();
                known("officer", uid, officers.iter().map(String::as_str))
            }
            "Action" => known("action", uid, ["connect", "read"].into_iter()),
            "Purpose" => {
                self.mentioned.purposes.insert(uid.eid.to_string());
                Ok(())
            }
            "Tag" | "Dataset" | "ColumnTag" | "PartnerTag" => Err(virtual_misplaced(uid)),
            _ if kind.starts_with("Row_") => {
                let needle = quoted(&uid.eid);
                Err(Fault::new(needle, GuardrailFault::Row(text(uid))))
            }
            _ => {
                let known = [
                    "Partner",
                    "PartnerTag",
                    "Agreement",
                    "Purpose",
                    "Officer",
                    "Tag",
                    "Dataset",
                    "ColumnTag",
                ];
                Err(Fault::new(&kind, unknown("kind of entity", &kind, known)))
            }
        }
    }
}

/// What the left side of `in` is about, where names can stand for several things.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Subject {
    Row,
    Column,
    Partner,
}

pub(super) fn subject(left: &Expr) -> Option<Subject> {
    match left {
        Expr::Var(Var::Resource) => Some(Subject::Row),
        Expr::Var(Var::Principal) => Some(Subject::Partner),
        Expr::GetAttr { expr, attr } if is(expr, &Var::Principal) && attr == "partner" => {
            Some(Subject::Partner)
        }
        _ if is_column(left) => Some(Subject::Column),
        _ => None,
    }
}

pub(super) fn is_column(expr: &Expr) -> bool {
    matches!(expr, Expr::GetAttr { expr, attr } if is(expr, &Var::Context) && attr == "column")
}

pub(super) fn is(expr: &Expr, var: &Var) -> bool {
    matches!(expr, Expr::Var(found) if found == var)
}

/// The entities on the right of `in`: one, or a list of them.
pub(super) fn entities(right: &Expr) -> Result<Vec<&EntityUID>, Fault> {
    let one = |expr| match expr {
        &Expr::Literal(Literal::EntityUID(ref uid)) => Ok(uid),
        _ => Err(misplaced(
            "in",
            "what follows `in`",
            "`in KIND::\"name\"`, or a list of them",
        )),
    };
    match right {
        Expr::Set(items) => items.iter().map(|item| one(item)).collect(),
        other => one(other).map(|uid| vec![uid]),
    }
}

/// The expressions directly within one.
pub(super) fn children(expr: &Expr) -> Vec<&Expr> {
    match expr {
        Expr::UnaryOp { expr, .. }
        | Expr::GetAttr { expr, .. }
        | Expr::HasAttr { expr, .. }
        | Expr::Like { expr, .. } => vec![expr],
        Expr::BinaryOp { left, right, .. } => vec![left, right],
        Expr::Is { expr, in_expr, .. } => std::iter::once(expr).chain(in_expr).map(AsRef::as_ref).collect(),
        Expr::IfThenElse {
            cond,
            then_expr,
            else_expr,
        } => vec![cond, then_expr, else_expr],
        Expr::Set(items) => items.iter().map(AsRef::as_ref).collect(),
        Expr::Record(fields) => fields.values().map(AsRef::as_ref).collect(),
        _ => Vec::new(),
    }
}

fn context(attr: &str) -> Result<(), Fault> {
    if READ_CONTEXT.contains(&attr) {
        Ok(())
    } else {
        Err(Fault::new(
            attr,
            unknown("attribute of `context`", attr, READ_CONTEXT),
        ))
    }
}

fn known<'n>(what: &'static str, uid: &EntityUID, all: impl Iterator<Item = &'n str>) -> Result<(), Fault> {
    let all: Vec<&str> = all.collect();
    if all.contains(&uid.eid.as_str()) {
        Ok(())
    } else {
        Err(Fault::new(quoted(&uid.eid), unknown(what, &uid.eid, all)))
    }
}

fn virtual_misplaced(uid: &EntityUID) -> Fault {
    let instead = match uid.ty.to_string().as_str() {
        "Tag" | "Dataset" => "`resource in Tag::\"name\"` or `resource in Dataset::\"name\"`",
        "ColumnTag" => "`context.column in ColumnTag::\"name\"`",
        "PartnerTag" | "Partner" => "`principal in PartnerTag::\"name\"` or `principal in Partner::\"name\"`",
        _ => {
            "`resource in Tag::\"name\"`, `context.column in ColumnTag::\"name\"`, `principal in Partner::\"name\"`"
        }
    };
    misplaced(&quoted(&uid.eid), &text(uid), instead)
}

fn misplaced(needle: &str, name: &str, instead: &str) -> Fault {
    let fault = GuardrailFault::Misplaced {
        name: name.to_owned(),
        instead: instead.to_owned(),
    };
    Fault::new(needle, fault)
}

fn text(uid: &EntityUID) -> String {
    format!("{}::{}", uid.ty, quoted(&uid.eid))
}

/// A name as a string constant.
pub(super) fn quoted(name: &str) -> String {
    cedar_policy::Expression::new_string(name.to_owned()).to_string()
}

fn arithmetic(op: BinaryOp) -> Option<&'static str> {
    match op {
        BinaryOp::Add => Some("`+`"),
        BinaryOp::Sub => Some("`-`"),
        BinaryOp::Mul => Some("`*`"),
        BinaryOp::Offset => Some("`offset`"),
        BinaryOp::DurationSince => Some("`durationSince`"),
        _ => None,
    }
}

fn symbol(op: BinaryOp) -> &'static str {
    match op {
        BinaryOp::Add => "+",
        BinaryOp::Sub => "-",
        BinaryOp::Mul => "*",
        BinaryOp::Offset => "offset",
        _ => "durationSince",
    }
}

/// Whether policies can ask for a column of this type.
pub(super) fn is_attribute(kind: crate::estate::ColumnType) -> bool {
    attribute_type(kind).is_some()
}
