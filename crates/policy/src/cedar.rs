//! The Cedar model of an estate: schema, policies, and the question that connecting asks.
//!
//! The model has no hierarchies and no sets of entities, so that solvers decide it fast: one entity type for each data set
//! (its columns are the attributes), officers with a required attribute `partner`, one `permit` for each share of each
//! purpose of each agreement, and one for connecting. What a directive has ended is a `forbid`.
//!
//! Reading is decided for one row, one column, and whether a mask is before it: `context.column`, `context.masked`; and
//! whether it is read to be counted among others only: `context.aggregate`.

mod text;

#[cfg(test)]
mod tests;

use cedar_policy::{
    Context, Entities, Entity, EntityUid, PolicyId, PolicySet, Request, RestrictedExpression, Schema,
    ValidationMode, Validator,
};
use evidence::id::{AgreementId, OfficerId, PartnerId, PurposeId};
use jiff::Timestamp;

pub use text::{PARTNER_ANNOTATION, forbid, forbid_id, policies, schema, schema_of};
pub(crate) use text::{datetime, read_permits};

/// Why Cedar text does not hold.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CedarError {
    /// The schema cannot be read.
    #[error("the Cedar schema cannot be read: {0}")]
    Schema(String),
    /// The policies cannot be read.
    #[error("the Cedar policies cannot be read: {0}")]
    Policies(String),
    /// A policy without an `@id`, or two with one.
    #[error("Cedar policy {0} has no `@id` of its own")]
    Id(String),
    /// The policies do not fit the schema.
    #[error("the Cedar policies do not fit the schema: {0}")]
    Invalid(String),
}

/// Reads a schema and policies, gives each policy its `@id` as id, and validates strictly: what passes cannot err when it
/// is evaluated, arithmetic apart, and there is none in what this crate makes.
///
/// # Errors
/// Either cannot be read, an `@id` is missing or there twice, or a policy does not fit the schema.
pub fn check(schema: &str, policies: &str) -> Result<(Schema, PolicySet), CedarError> {
    let (schema, _warnings) =
        Schema::from_cedarschema_str(schema).map_err(|error| CedarError::Schema(error.to_string()))?;
    let policies = extend(&schema, &PolicySet::new(), policies)?;
    Ok((schema, policies))
}

/// The policies of a set and those of a text, which alone are read and validated: the set's own were.
///
/// # Errors
/// The text cannot be read, an `@id` is missing or there twice, or a policy does not fit the schema.
pub(crate) fn extend(schema: &Schema, set: &PolicySet, added: &str) -> Result<PolicySet, CedarError> {
    let unreadable = |error: cedar_policy::ParseErrors| CedarError::Policies(error.to_string());
    let parsed: PolicySet = added.parse().map_err(unreadable)?;
    if parsed.templates().next().is_some() {
        return Err(CedarError::Policies("templates are not used".to_owned()));
    }
    let mut added = PolicySet::new();
    let mut extended = set.clone();
    for policy in parsed.policies() {
        let id = policy.annotation("id").filter(|id| !id.is_empty());
        let id = id.ok_or_else(|| CedarError::Id(policy.id().to_string()))?;
        let named = policy.new_id(PolicyId::new(id));
        added
            .add(named.clone())
            .map_err(|_| CedarError::Id(format!("`{id}`")))?;
        extended
            .add(named)
            .map_err(|_| CedarError::Id(format!("`{id}`")))?;
    }
    let result = Validator::new(schema.clone()).validate(&added, ValidationMode::Strict);
    let errors: Vec<String> = result.validation_errors().map(ToString::to_string).collect();
    if errors.is_empty() {
        Ok(extended)
    } else {
        Err(CedarError::Invalid(errors.join("; ")))
    }
}

/// The question whether an officer may connect.
#[derive(Debug, Clone, Copy)]
pub struct Connect<'a> {
    /// For whom.
    pub partner: &'a PartnerId,
    /// Who.
    pub officer: &'a OfficerId,
    /// Under which agreement.
    pub agreement: &'a AgreementId,
    /// What for.
    pub purpose: &'a PurposeId,
    /// In which case.
    pub case: Option<&'a str>,
    /// When.
    pub now: Timestamp,
}

impl Connect<'_> {
    /// The question as Cedar takes it. `None` if it does not fit the schema: an agreement's text was changed by hand.
    pub(crate) fn to_cedar(self, schema: &Schema) -> Option<(Request, Entities)> {
        let uid = |kind: &str, id: &str| {
            Some(EntityUid::from_type_name_and_id(
                kind.parse().ok()?,
                cedar_policy::EntityId::new(id),
            ))
        };
        let partner = RestrictedExpression::new_entity_uid(uid("Partner", self.partner.as_str())?);
        let agreement = uid("Agreement", self.agreement.as_str())?;
        // Officers' ids are unique within a partner only.
        let officer = uid("Officer", &format!("{}/{}", self.partner, self.officer))?;
        let purpose = RestrictedExpression::new_entity_uid(uid("Purpose", self.purpose.as_str())?);
        let now = RestrictedExpression::new_datetime(datetime(self.now));
        let mut context = vec![
            (
                "agreement".to_owned(),
                RestrictedExpression::new_entity_uid(agreement.clone()),
            ),
            ("purpose".to_owned(), purpose),
            ("now".to_owned(), now),
        ];
        if let Some(case) = self.case {
            context.push((
                "case".to_owned(),
                RestrictedExpression::new_string(case.to_owned()),
            ));
        }
        let attributes = std::iter::once(("partner".to_owned(), partner)).collect();
        let principal = Entity::new(officer.clone(), attributes, std::iter::empty().collect()).ok()?;
        let entities = Entities::from_entities([principal], Some(schema)).ok()?;
        let context = Context::from_pairs(context).ok()?;
        let request = Request::new(
            officer,
            uid("Action", "connect")?,
            agreement,
            context,
            Some(schema),
        )
        .ok()?;
        Some((request, entities))
    }
}
