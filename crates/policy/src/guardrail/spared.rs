//! What a data set's file leaves out and a guardrail asks for: whether rows come off more lightly for it.

use std::collections::BTreeSet;

use cedar_policy::pst::{BinaryOp, Clause, Effect, Expr, Template, UnaryOp, Var};

use super::names::{children, is};
use crate::estate::Dataset;

/// The columns that the data set lacks and about which the conditions ask with `has`, such that rows without them come off
/// more lightly: in `when` of a `forbid`, in `unless` of a `permit`.
pub(super) fn asked_for(dataset: &Dataset, template: &Template) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    for clause in template.clauses() {
        match (template.effect, clause) {
            (Effect::Forbid, Clause::When(expr)) | (Effect::Permit, Clause::Unless(expr)) => {
                absent(dataset, expr, Some(true), &mut found);
            }
            (Effect::Forbid, Clause::Unless(_)) | (Effect::Permit, Clause::When(_)) => {}
        }
    }
    found
}

/// `lightly`: whether rows come off more lightly where the expression is false; none where that cannot be told.
fn absent(dataset: &Dataset, expr: &Expr, lightly: Option<bool>, found: &mut BTreeSet<String>) {
    let below = match expr {
        Expr::HasAttr { expr: of, attrs } if is(of, &Var::Resource) => {
            let lacks = |attr: &String| dataset.column(attr).is_none();
            if lightly != Some(false) {
                found.extend(attrs.iter().map(ToString::to_string).filter(lacks));
            }
            return;
        }
        Expr::UnaryOp { op: UnaryOp::Not, .. } => lightly.map(|lightly| !lightly),
        Expr::BinaryOp {
            op: BinaryOp::And | BinaryOp::Or,
            ..
        } => lightly,
        _ => None,
    };
    for child in children(expr) {
        absent(dataset, child, below, found);
    }
}
