//! Tests of row filters: what a policy may not depend on, and how what remains is put together. That it means what Cedar
//! decides is tested on a real server, in `tests/condition_differential`.

use jiff::civil::date;
use jiff::tz::TimeZone;

use super::*;
use crate::cedar::schema_of;
use crate::estate::fixture::estate;

const HEAD: &str = "(principal is Officer, action == Action::\"read\", resource is Row_people)";

fn compiled(policies: &[&str]) -> Result<String, RowFilterError> {
    compiled_for(policies, "name", true)
}

fn compiled_for(policies: &[&str], column: &str, masked: bool) -> Result<String, RowFilterError> {
    compiled_in(None, policies, column, masked)
}

fn compiled_in(
    case: Option<&str>,
    policies: &[&str],
    column: &str,
    masked: bool,
) -> Result<String, RowFilterError> {
    let estate = estate();
    let dataset = &estate.datasets()[&"people".parse().unwrap()];
    let (schema, _) = Schema::from_cedarschema_str(&schema_of([dataset])).unwrap();
    let parse = |(number, text): (usize, &&str)| {
        let text = text.replace("HEAD", HEAD);
        Policy::parse(Some(PolicyId::new(format!("p{number}"))), text).unwrap()
    };
    let set = PolicySet::from_policies(policies.iter().enumerate().map(parse)).unwrap();
    let form = case.map(|form| CaseForm::new(form).unwrap());
    let question = Question {
        partner: &"state-police".parse().unwrap(),
        agreement: &"sp-2018".parse().unwrap(),
        valid: Validity::new(date(2018, 6, 1), date(2031, 5, 31), &TimeZone::UTC).unwrap(),
        purpose: &"investigation".parse().unwrap(),
        case: form.as_ref(),
        column,
        masked,
        aggregate: false,
    };
    let filter = RowFilter::compile(&set, &schema, dataset, &question)?;
    Ok(filter
        .rows()
        .sql("r")
        .replace("\"r\".", "")
        .replace("pg_catalog.", "")
        .replace('"', ""))
}

#[track_caller]
fn sql(policies: &[&str], expected: &str) {
    assert_eq!(compiled(policies).unwrap(), expected);
}

#[track_caller]
fn refused(policy: &str, says: &str) {
    let error = compiled(&["permit HEAD;", policy]).expect_err(policy);
    assert!(error.to_string().contains(says), "{policy}: {error}");
    assert!(error.to_string().contains("`p1`"), "{policy}: {error}");
}

#[test]
fn permits_add_and_forbids_take_away() {
    sql(&[], "FALSE");
    sql(&["permit HEAD;"], "TRUE");
    sql(&["permit HEAD when { resource.is_juvenile };"], "is_juvenile");
    sql(
        &[
            "permit HEAD when { resource.is_juvenile };",
            "permit HEAD when { resource.case_status == \"open\" };",
        ],
        "(is_juvenile OR (case_status = 'open'::text))",
    );
    sql(
        &[
            "permit HEAD when { resource.is_juvenile };",
            "forbid HEAD when { resource.case_status == \"open\" };",
        ],
        "(is_juvenile AND (case_status = 'open'::text) IS FALSE)",
    );
    sql(
        &["permit HEAD;", "forbid HEAD unless { resource.is_juvenile };"],
        "(NOT is_juvenile) IS FALSE",
    );
    sql(&["permit HEAD;", "forbid HEAD;"], "FALSE");
    sql(&["forbid HEAD when { resource.is_juvenile };"], "FALSE");
}

#[test]
fn what_is_known_is_not_asked_of_the_row() {
    let under = "principal.partner == Partner::\"state-police\" && context.agreement == Agreement::\"sp-2018\" && \
                 context.purpose == Purpose::\"investigation\" && context.now >= datetime(\"2018-06-01T00:00:00.000Z\") && \
                 context.now < datetime(\"2031-06-01T00:00:00.000Z\")";
    let permit = |under: &str| format!("permit HEAD when {{ {under} }} when {{ resource.is_juvenile }};");
    sql(&[&permit(under)], "is_juvenile");
    for (right, other) in [("state-police", "x"), ("sp-2018", "x"), ("investigation", "x")] {
        sql(&[&permit(&under.replace(right, other))], "FALSE");
    }
    let column = "permit HEAD when { context.column == \"name\" && context.masked == true } when { resource.is_juvenile };";
    sql(&[column], "is_juvenile");
    assert_eq!(compiled_for(&[column], "name", false).unwrap(), "FALSE");
    assert_eq!(compiled_for(&[column], "case_status", true).unwrap(), "FALSE");
    let mixed = "permit HEAD when { context.masked || resource.is_juvenile };";
    sql(&[mixed], "TRUE");
    assert_eq!(compiled_for(&[mixed], "name", false).unwrap(), "is_juvenile");
}

#[test]
fn what_a_view_cannot_know_is_refused() {
    let officer = "who the officer is";
    refused(
        "forbid (principal == Officer::\"state-police/kim\", action, resource is Row_people);",
        officer,
    );
    refused(
        "forbid HEAD when { principal == Officer::\"state-police/kim\" };",
        officer,
    );
    refused(
        "forbid HEAD when { [Officer::\"x\"].contains(principal) };",
        officer,
    );
    refused("forbid HEAD when { principal in Officer::\"x\" };", officer);
    // With a placeholder for the row, partial evaluation makes `false` of these, and the forbid fails open.
    let row = "which single row it is";
    refused("forbid (principal, action, resource == Row_people::\"17\");", row);
    refused("forbid HEAD when { resource == Row_people::\"17\" };", row);
    refused(
        "forbid HEAD when { [Row_people::\"17\"].contains(resource) };",
        row,
    );
    refused(
        "forbid HEAD when { context has case && context.case like \"X*\" };",
        "the case",
    );
    let time = "the time, beyond the agreement's validity";
    refused(
        "forbid HEAD when { context.now < datetime(\"2026-01-01\") };",
        time,
    );
    refused(
        "forbid HEAD when { context.now == datetime(\"2018-06-01T00:00:00.000Z\") };",
        time,
    );
    refused("forbid HEAD when { context.now < resource.birth_date };", time);
    refused("forbid HEAD when { {a: context} == {a: context} };", "not known");
}

#[test]
fn of_the_case_it_is_known_that_there_is_one_and_how_it_begins() {
    let of = |policy: &str| compiled_in(Some(r"^X*-\d+$"), &["permit HEAD;", policy], "name", true);
    let begun = |form: &str, policy: &str| compiled_in(Some(form), &["permit HEAD;", policy], "name", true);
    let none = "forbid HEAD unless { context has case };";
    assert_eq!(of(none).unwrap(), "TRUE");
    assert!(
        compiled(&["permit HEAD;", none]).is_err(),
        "nobody need state one"
    );
    let star = r#"forbid HEAD unless { context has case && context.case like "X\*-*" };"#;
    assert_eq!(begun(r"^X\*-\d+$", star).unwrap(), "TRUE");
    let forbids = r#"forbid HEAD when { context has case && context.case like "X\*-*" };"#;
    assert_eq!(begun(r"^X\*-\d+$", forbids).unwrap(), "FALSE");
    for policy in [
        star,
        r#"forbid HEAD when { context has case && context.case like "X-1*" };"#,
        r#"forbid HEAD when { context has case && context.case == "X-1" };"#,
        r#"forbid HEAD when { context has case && context.case like "*" };"#,
    ] {
        let error = begun(r"^X-\d+$", policy).unwrap_err().to_string();
        assert!(error.contains("the case"), "{policy}: {error}");
    }
}

#[test]
fn what_would_err_or_has_no_equal_is_refused() {
    refused(
        "forbid HEAD when { 9223372036854775807 + 1 == 0 };",
        "can only end in an error",
    );
    refused("forbid HEAD when { resource.person_id + 1 == 0 };", "arithmetic");
    refused(
        "forbid HEAD when { resource.hasTag(\"x\") };",
        "which single row it is",
    );
    refused(
        "forbid HEAD when { resource.is_juvenile && 9223372036854775807 + 1 == 0 };",
        "cannot be",
    );
}

#[test]
fn rows_are_compared_as_they_are_written() {
    let part = |any: &[bool], none: &[bool]| {
        let terms = |values: &[bool]| values.iter().map(|value| Term::Constant(*value)).collect();
        let mut rows = Rows::default();
        rows.add(Part {
            any: terms(any),
            none: terms(none),
        });
        rows
    };
    assert!(part(&[true], &[]).are_all());
    assert!(part(&[], &[]).are_none());
    assert!(part(&[true], &[true]).are_none());
    assert!(Rows::default().are_within(&Rows::default()));
    assert!(!part(&[true], &[]).are_within(&Rows::default()));
    assert_eq!(Rows::default().sql("r"), "FALSE");
}
