//! Cedar's type-aware partial evaluation, an experimental part of its interface: nothing else here calls it.

use cedar_policy::pst::{Clause, Expr};
use cedar_policy::{
    Context, Effect, Entities, Entity, EntityId, EntityTypeName, EntityUid, PartialEntities,
    PartialEntityUid, PartialRequest, Policy, PolicyId, PolicySet, RestrictedExpression, Schema,
};

use super::{Question, RowFilter, RowFilterError};
use crate::cedar::datetime;
use crate::condition::{Term, entity_type, residual};
use crate::estate::Dataset;

/// The officer who asks. No policy may depend on which one it is: [`super::known`] sees to that.
const ANY_OFFICER: &str = "any";

pub(super) fn ask(
    policies: &PolicySet,
    schema: &Schema,
    dataset: &Dataset,
    question: &Question<'_>,
) -> Result<RowFilter, RowFilterError> {
    let (request, entities) = request(schema, dataset, question)?;
    let answer = policies.tpe(&request, &entities, schema).map_err(cedar)?;
    if let Some(id) = answer.error_permits().chain(answer.error_forbids()).next() {
        return Err(RowFilterError::Errs(id.to_string()));
    }
    let always = |id: &PolicyId| (id.clone(), Term::Constant(true));
    let mut permits: Vec<(PolicyId, Term)> = answer.true_permits().map(always).collect();
    let mut forbids: Vec<(PolicyId, Term)> = answer.true_forbids().map(always).collect();
    for policy in answer.residual_policies() {
        let term = remaining(&policy, dataset)?;
        let id = policy.id().clone();
        match policy.effect() {
            Effect::Permit => permits.push((id, term)),
            Effect::Forbid => forbids.push((id, term)),
        }
    }
    // Policies come in no order.
    permits.sort_by(|(a, _), (b, _)| a.cmp(b));
    forbids.sort_by(|(a, _), (b, _)| a.cmp(b));
    Ok(RowFilter {
        permits,
        forbids: forbids.into_iter().map(|(_, term)| term).collect(),
    })
}

/// The question with all that is known. The row is of a known type, and has no id: a placeholder would make
/// `resource == Row_x::".."` false, and a forbid with it void.
fn request(
    schema: &Schema,
    dataset: &Dataset,
    question: &Question<'_>,
) -> Result<(PartialRequest, PartialEntities), RowFilterError> {
    let officer = uid("Officer", ANY_OFFICER)?;
    let of = |kind: &str, id: &str| uid(kind, id).map(RestrictedExpression::new_entity_uid);
    let partner = of("Partner", question.partner.as_str())?;
    let context = [
        ("agreement", of("Agreement", question.agreement.as_str())?),
        ("purpose", of("Purpose", question.purpose.as_str())?),
        (
            "now",
            RestrictedExpression::new_datetime(datetime(question.valid.begins)),
        ),
        (
            "column",
            RestrictedExpression::new_string(question.column.to_owned()),
        ),
        ("masked", RestrictedExpression::new_bool(question.masked)),
        ("aggregate", RestrictedExpression::new_bool(question.aggregate)),
    ];
    // As good as any of its form: nothing is asked but whether there is one, and how it begins (`super::known`).
    let case = question.case.map(|form| {
        (
            "case",
            RestrictedExpression::new_string(form.beginning().to_owned()),
        )
    });
    let context = context.into_iter().chain(case);
    let context = context.map(|(name, value)| (name.to_owned(), value));
    let context = Context::from_pairs(context).map_err(cedar)?;
    let attributes = std::iter::once(("partner".to_owned(), partner)).collect();
    let principal = Entity::new(officer.clone(), attributes, std::iter::empty().collect()).map_err(cedar)?;
    let entities = Entities::from_entities([principal], Some(schema)).map_err(cedar)?;
    let entities = PartialEntities::from_concrete(entities, schema).map_err(cedar)?;
    let row: EntityTypeName = entity_type(&dataset.id).parse().map_err(cedar)?;
    let request = PartialRequest::new(
        PartialEntityUid::from_concrete(officer),
        uid("Action", "read")?,
        PartialEntityUid::new(row, None),
        Some(context),
        schema,
    );
    Ok((request.map_err(cedar)?, entities))
}

/// What remains of a policy, as a term.
fn remaining(policy: &Policy, dataset: &Dataset) -> Result<Term, RowFilterError> {
    let expr = the_clause(policy)?;
    residual(&expr, dataset).map_err(|error| RowFilterError::Condition {
        policy: policy.id().to_string(),
        error: Box::new(error),
    })
}

fn the_clause(policy: &Policy) -> Result<Expr, RowFilterError> {
    let pst = policy.to_pst().map_err(cedar)?;
    match pst.body().clauses().as_slice() {
        [Clause::When(expr)] => Ok(expr.as_ref().clone()),
        _ => Err(RowFilterError::Cedar(format!(
            "what remains of policy `{}` is not one condition",
            policy.id()
        ))),
    }
}

fn uid(kind: &str, id: &str) -> Result<EntityUid, RowFilterError> {
    Ok(EntityUid::from_type_name_and_id(
        kind.parse().map_err(cedar)?,
        EntityId::new(id),
    ))
}

fn cedar(error: impl std::fmt::Display) -> RowFilterError {
    RowFilterError::Cedar(error.to_string())
}
