//! From the text of a condition to the condition: parsed and validated by Cedar, then lowered.

use cedar_policy::pst::{Clause, Expr};
use cedar_policy::{Expression, Policy, PolicyId, PolicySet, ValidationMode};
use miette::Diagnostic;

use super::lower::{Lowered, lower};
use super::refusal::{ConditionError, Reason};
use super::schema::{RowType, entity_type};
use super::{Condition, MAX_CONDITION_BYTES, nesting};
use crate::estate::Dataset;

pub(super) fn compile(source: &str, row: &RowType<'_>) -> Lowered<Condition> {
    let dataset = row.dataset;
    let whole = |reason| ConditionError {
        span: 0..source.len(),
        reason,
    };
    if source.len() > MAX_CONDITION_BYTES {
        return Err(whole(Reason::TooLong));
    }
    nesting::check(source)?;
    // As an expression alone first: what ends the clause early and opens another is none.
    let _: Expression = source
        .parse()
        .map_err(|error: cedar_policy::ParseErrors| diagnosed(&error, source, 0, Reason::Syntax))?;
    let (policy, offset) = as_policy(source, dataset)?;
    let expr =
        the_clause(&policy).ok_or_else(|| whole(Reason::Syntax("one expression is wanted".to_owned())))?;
    let (_, columns) = lower(&expr, source, dataset)?;
    validate(&policy, source, offset, row)?;
    Ok(Condition {
        cedar: source.trim().to_owned(),
        columns,
    })
}

/// The condition as the only clause of a policy, and where it begins in that policy's text.
fn as_policy(source: &str, dataset: &Dataset) -> Lowered<(Policy, usize)> {
    let head = format!(
        "permit (principal, action, resource is {})\nwhen {{ ",
        entity_type(&dataset.id)
    );
    // The line's end closes a comment that the condition may end in.
    let text = format!("{head}{source}\n}};");
    let policy = Policy::parse(Some(PolicyId::new("condition")), text)
        .map_err(|error| diagnosed(&error, source, head.len(), Reason::Syntax))?;
    Ok((policy, head.len()))
}

fn the_clause(policy: &Policy) -> Option<Expr> {
    match policy.to_pst().ok()?.body().clauses().as_slice() {
        [Clause::When(expr)] => Some(expr.as_ref().clone()),
        _ => None,
    }
}

fn validate(policy: &Policy, source: &str, offset: usize, row: &RowType<'_>) -> Lowered<()> {
    let whole = |text: String| ConditionError {
        span: 0..source.len(),
        reason: Reason::Invalid(text),
    };
    let validator = row.validator.as_ref().map_err(|error| whole(error.clone()))?;
    let set = PolicySet::from_policies([policy.clone()]).map_err(|error| whole(error.to_string()))?;
    let result = validator.validate(&set, ValidationMode::Strict);
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
