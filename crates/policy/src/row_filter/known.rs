//! What a policy may ask if it is to be evaluated without the row: only what is known, or what the row says.
//!
//! Evaluation takes stand-ins for the officer and for the case reference, if the agreement asks for one, and one moment of the
//! agreement's validity. A policy that asks which officer, which case, or for another moment would be folded by these into something
//! it does not say; a `forbid` would fail open. So such policies are refused before. That there is a case reference, and how
//! all of the agreement's form begin, is the same for whoever reads.

use cedar_policy::Policy;
use cedar_policy::pst::{
    BinaryOp, Clause, Expr, Literal, PatternElem, PrincipalConstraint, ResourceConstraint, UnaryOp, Var,
};

use super::{Question, RowFilterError};
use crate::cedar::datetime;

const OFFICER: &str = "who the officer is";
const ROW: &str = "which single row it is";
const TIME: &str = "the time, beyond the agreement's validity";
const CASE: &str = "the case";
const OTHER: &str = "something else that is not known";

pub(super) fn check(policy: &Policy, question: &Question<'_>) -> Result<(), RowFilterError> {
    let pst = policy
        .to_pst()
        .map_err(|error| RowFilterError::Cedar(error.to_string()))?;
    let body = pst.body();
    let scope = if !matches!(
        body.principal,
        PrincipalConstraint::Any | PrincipalConstraint::Is(_)
    ) {
        Some(OFFICER)
    } else if !matches!(body.resource, ResourceConstraint::Any | ResourceConstraint::Is(_)) {
        Some(ROW)
    } else {
        None
    };
    let asked = body.clauses().iter().find_map(|clause| {
        let (Clause::When(expr) | Clause::Unless(expr)) = clause;
        not_known(expr, question)
    });
    match scope.or(asked) {
        None => Ok(()),
        Some(what) => Err(RowFilterError::Unknown {
            policy: policy.id().to_string(),
            what,
        }),
    }
}

/// What an expression depends on that is not known. Not by recursion: a chain of `||` is as deep as it is long.
fn not_known(expr: &Expr, question: &Question<'_>) -> Option<&'static str> {
    let mut rest = vec![expr];
    while let Some(expr) = rest.pop() {
        match expr {
            Expr::Literal(_) => {}
            Expr::Var(var) => return Some(alone(var)),
            Expr::GetAttr { expr: of, attr } => match of.as_ref() {
                Expr::Var(var) => {
                    if let Some(what) = attribute(var, attr) {
                        return Some(what);
                    }
                }
                _ => rest.push(of),
            },
            Expr::HasAttr { expr: of, attrs } => match of.as_ref() {
                Expr::Var(var) => {
                    let stated = question.case.is_some();
                    let what = attribute(var, attrs.first());
                    if let Some(what) = what.filter(|what| *what != TIME && !(*what == CASE && stated)) {
                        return Some(what);
                    }
                }
                _ => rest.push(of),
            },
            Expr::Is {
                expr: of,
                in_expr: None,
                ..
            } => {
                if !matches!(of.as_ref(), Expr::Var(Var::Principal | Var::Resource)) {
                    rest.push(of);
                }
            }
            Expr::BinaryOp { op, left, right } => {
                if !is_validity(*op, left, right, question) && !is_action(*op, left, right) {
                    rest.extend([left.as_ref(), right.as_ref()]);
                }
            }
            Expr::Like { expr, pattern } if is_form(expr, pattern, question) => {}
            Expr::UnaryOp { expr, .. } | Expr::Like { expr, .. } => rest.push(expr),
            Expr::IfThenElse {
                cond,
                then_expr,
                else_expr,
            } => rest.extend([cond.as_ref(), then_expr.as_ref(), else_expr.as_ref()]),
            Expr::Set(members) => rest.extend(members.iter().map(AsRef::as_ref)),
            Expr::Record(fields) => rest.extend(fields.values().map(AsRef::as_ref)),
            _ => return Some(OTHER),
        }
    }
    None
}

/// A variable by itself, not something of it.
fn alone(var: &Var) -> &'static str {
    match var {
        Var::Principal => OFFICER,
        Var::Resource => ROW,
        _ => OTHER,
    }
}

/// What an attribute of a variable depends on that is not known.
fn attribute(var: &Var, attr: &str) -> Option<&'static str> {
    match (var, attr) {
        (Var::Resource, _)
        | (Var::Principal, "partner")
        | (Var::Context, "agreement" | "purpose" | "column" | "masked" | "aggregate") => None,
        (Var::Context, "now") => Some(TIME),
        (Var::Context, "case") => Some(CASE),
        (Var::Principal, _) => Some(OFFICER),
        _ => Some(OTHER),
    }
}

/// Whether it compares the time with an end of the agreement's validity, so that it is the same all through it.
fn is_validity(op: BinaryOp, left: &Expr, right: &Expr, question: &Question<'_>) -> bool {
    let is_now = matches!(
        left,
        Expr::GetAttr { expr, attr } if **expr == Expr::Var(Var::Context) && attr == "now"
    );
    let ends = [question.valid.begins, question.valid.ends].map(datetime);
    let is_end = matches!(
        right,
        Expr::UnaryOp { op: UnaryOp::Datetime, expr }
            if matches!(expr.as_ref(), Expr::Literal(Literal::String(text)) if ends.contains(&text.to_string()))
    );
    matches!(op, BinaryOp::Less | BinaryOp::GreaterEq) && is_now && is_end
}

/// Whether it asks if the case reference begins as all of the agreement's form do.
fn is_form(expr: &Expr, pattern: &[PatternElem], question: &Question<'_>) -> bool {
    let is_case = matches!(
        expr,
        Expr::GetAttr { expr, attr } if **expr == Expr::Var(Var::Context) && attr == "case"
    );
    question.case.is_some_and(|form| {
        let beginning = form.beginning().chars().map(PatternElem::Char);
        is_case
            && beginning
                .chain([PatternElem::Wildcard])
                .eq(pattern.iter().cloned())
    })
}

fn is_action(op: BinaryOp, left: &Expr, right: &Expr) -> bool {
    matches!(op, BinaryOp::Eq | BinaryOp::NotEq)
        && *left == Expr::Var(Var::Action)
        && matches!(right, Expr::Literal(_))
}
