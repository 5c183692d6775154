//! Tests of the Cedar model.

use std::collections::HashSet;

use cedar_policy::{Authorizer, Decision};

use super::*;
use crate::estate::fixture::estate;
use crate::in_force::EndedScope;

fn scope(agreement: Option<&str>, purpose: Option<&str>) -> EndedScope {
    EndedScope {
        directive: "D-2026-0001".parse().unwrap(),
        partner: "state-police".parse().unwrap(),
        agreement: agreement.map(|id| id.parse().unwrap()),
        purpose: purpose.map(|id| id.parse().unwrap()),
        at: "2026-11-23T00:00:00Z".parse().unwrap(),
        until: None,
    }
}

#[test]
fn the_model_of_an_estate_is_valid() {
    let estate = estate();
    let ended = [
        scope(None, None),
        scope(Some("state-police-2018"), None),
        scope(None, Some("missing-persons")),
    ];
    let (_, set) = check(&schema(&estate), &policies(&estate, &ended)).unwrap();
    let ids: HashSet<String> = set.policies().map(|policy| policy.id().to_string()).collect();
    let expected = [
        "state-police-2018/criminal-investigation",
        "state-police-2018/criminal-investigation/people",
        "state-police-2018/criminal-investigation/field-incidents",
        "state-police-2018/missing-persons",
        "state-police-2018/missing-persons/people",
        "federal-2019/immigration-enforcement",
        "federal-2019/immigration-enforcement/people",
        "federal-2001/immigration-enforcement",
        "federal-2001/immigration-enforcement/people",
        "D-2026-0001/state-police/*/*",
        "D-2026-0001/state-police/state-police-2018/*",
        "D-2026-0001/state-police/*/missing-persons",
    ];
    assert_eq!(ids, expected.map(str::to_owned).into());
    let forbidding: Vec<_> = ended.iter().map(forbid_id).collect();
    assert!(
        forbidding
            .iter()
            .all(|id| set.policy(id).unwrap().effect() == cedar_policy::Effect::Forbid)
    );
}

#[test]
fn an_estate_that_shares_nothing_has_a_model() {
    let mut files = crate::estate::fixture::files();
    // The guardrails speak of the data sets.
    files.retain(|path, _| {
        let folder = path.split('/').next();
        !matches!(folder, Some("agreements" | "datasets" | "guardrails"))
    });
    let estate = crate::estate::Estate::parse(&files).unwrap();
    check(&schema(&estate), &policies(&estate, &[])).unwrap();
}

#[test]
fn reading_is_decided_by_row_column_and_purpose() {
    let estate = estate();
    let (schema, set) = check(&schema(&estate), &policies(&estate, &[])).unwrap();
    let case = std::cell::Cell::new(Some("IL-2026-1"));
    let read = |partner: &str,
                agreement: &str,
                purpose: &str,
                column: &str,
                masked: bool,
                juvenile: bool,
                now: &str| {
        let uid = |kind: &str, id: &str| {
            EntityUid::from_type_name_and_id(kind.parse().unwrap(), cedar_policy::EntityId::new(id))
        };
        let of = |kind: &str, id: &str| RestrictedExpression::new_entity_uid(uid(kind, id));
        let officer = [("partner".to_owned(), of("Partner", partner))].into();
        let row = [
            ("person_id".to_owned(), RestrictedExpression::new_long(1)),
            (
                "name".to_owned(),
                RestrictedExpression::new_string("Ada".to_owned()),
            ),
            (
                "birth_date".to_owned(),
                RestrictedExpression::new_datetime("1990-01-01"),
            ),
            (
                "case_status".to_owned(),
                RestrictedExpression::new_string("open".to_owned()),
            ),
            ("is_juvenile".to_owned(), RestrictedExpression::new_bool(juvenile)),
        ];
        let entities = [
            Entity::new(uid("Officer", "x"), officer, HashSet::new()).unwrap(),
            Entity::new(uid("Row_people", "1"), row.into(), HashSet::new()).unwrap(),
        ];
        let context = [
            ("agreement".to_owned(), of("Agreement", agreement)),
            ("purpose".to_owned(), of("Purpose", purpose)),
            ("now".to_owned(), RestrictedExpression::new_datetime(now)),
            (
                "column".to_owned(),
                RestrictedExpression::new_string(column.to_owned()),
            ),
            ("masked".to_owned(), RestrictedExpression::new_bool(masked)),
            ("aggregate".to_owned(), RestrictedExpression::new_bool(false)),
        ];
        let context = context.into_iter().chain(case.get().map(|case| {
            (
                "case".to_owned(),
                RestrictedExpression::new_string(case.to_owned()),
            )
        }));
        let request = Request::new(
            uid("Officer", "x"),
            uid("Action", "read"),
            uid("Row_people", "1"),
            Context::from_pairs(context).unwrap(),
            Some(&schema),
        );
        let entities = Entities::from_entities(entities, Some(&schema)).unwrap();
        let answer = Authorizer::new().is_authorized(&request.unwrap(), &set, &entities);
        assert_eq!(answer.diagnostics().errors().count(), 0);
        answer.decision() == Decision::Allow
    };
    let (agreement, purpose, now) = ("state-police-2018", "missing-persons", "2026-11-23");
    let police = |column: &str, masked: bool, juvenile: bool, now: &str| {
        read("state-police", agreement, purpose, column, masked, juvenile, now)
    };
    assert!(police("case_status", false, false, now));
    assert!(!police("case_status", true, false, now));
    // The agreement masks it.
    assert!(police("name", true, false, now));
    assert!(!police("name", false, false, now));
    assert!(!read(
        "federal-agency",
        agreement,
        purpose,
        "name",
        true,
        false,
        now
    ));
    assert!(!read(
        "state-police",
        "federal-2019",
        purpose,
        "name",
        true,
        false,
        now
    ));
    assert!(!read(
        "state-police",
        agreement,
        "other",
        "name",
        true,
        false,
        now
    ));
    assert!(!police("is_juvenile", false, false, now));
    assert!(!police("name", true, true, now));
    assert!(!police("name", true, false, "2018-06-01T04:59:59.999Z"));
    assert!(police("name", true, false, "2018-06-01T05:00:00Z"));
    assert!(!police("name", true, false, "2027-06-01T05:00:00Z"));
    // The agreement asks for a case.
    case.set(None);
    assert!(!police("name", true, false, now));
}

#[test]
fn text_that_does_not_hold_is_refused() {
    let estate = estate();
    let schema = schema(&estate);
    let with = |policy: &str| check(&schema, policy).map(drop);
    assert!(matches!(check("entity", ""), Err(CedarError::Schema(_))));
    assert!(matches!(with("permit (principal"), Err(CedarError::Policies(_))));
    assert!(matches!(
        with("permit (principal, action, resource);"),
        Err(CedarError::Id(_))
    ));
    let twice = "@id(\"a\") permit (principal, action, resource);";
    assert!(matches!(with(&format!("{twice}{twice}")), Err(CedarError::Id(_))));
    assert!(matches!(
        with("@id(\"a\") permit (principal, action, resource) when { principal.x };"),
        Err(CedarError::Invalid(_))
    ));
    assert!(matches!(
        with("@id(\"a\") permit (principal == ?principal, action, resource);"),
        Err(CedarError::Policies(_))
    ));
}

#[test]
fn counts_are_permitted_as_counts_and_not_as_rows() {
    let files = crate::estate::fixture::files_with(
        "agreements/federal-2001.toml",
        "columns = [\"person_id\"]",
        "kind = \"aggregate\"\ngroup_by = [\"case_status\"]",
    );
    let files = files
        .into_iter()
        .filter(|(path, _)| path != "agreements/federal-2019.toml")
        .collect();
    let estate = crate::estate::Estate::parse(&files).unwrap();
    let (_, set) = check(&schema(&estate), &policies(&estate, &[])).unwrap();
    let permit = |id: &str| set.policy(&id.parse().unwrap()).unwrap().to_string();
    assert!(permit("federal-2001/immigration-enforcement/people").contains("&& context.aggregate }"));
    assert!(permit("state-police-2018/missing-persons/people").contains("&& !context.aggregate }"));
}
