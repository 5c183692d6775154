//! Tests of conditions: the SQL that is written, and what is refused, where. That the SQL means the same as the Cedar is
//! tested on a real server, in `tests/condition_differential`.

use cedar_policy::{Policy, PolicySet, Schema};
use jiff::civil;
use jiff::tz::TimeZone;

use super::*;
use crate::cedar::schema_of;
use crate::estate::{Column, ColumnType, Relation, Validity};
use crate::row_filter::{Question, RowFilter};

mod bounds;
mod written;

fn dataset() -> Dataset {
    let column = |(name, kind, nullable): (&str, ColumnType, bool)| Column {
        name: name.parse().unwrap(),
        kind,
        nullable,
        tags: BTreeSet::new(),
    };
    let columns = [
        ("name", ColumnType::Text, false),
        ("status", ColumnType::Text, false),
        ("charge", ColumnType::Integer, false),
        ("juvenile", ColumnType::Boolean, false),
        ("country", ColumnType::Text, true),
        ("at", ColumnType::Timestamptz, false),
        ("born", ColumnType::Date, false),
        ("ref", ColumnType::Uuid, false),
        ("flags", ColumnType::TextArray, false),
        ("height", ColumnType::DoublePrecision, false),
        ("fee", ColumnType::Numeric, false),
        (
            "price",
            ColumnType::Decimal(crate::estate::Decimal::new(10, 2).unwrap()),
            false,
        ),
    ];
    Dataset {
        id: "in".parse().unwrap(),
        title: "People".to_owned(),
        upstream: "main".to_owned(),
        relation: Relation {
            schema: "records".parse().unwrap(),
            name: "people".parse().unwrap(),
        },
        subject_key: None,
        tags: BTreeSet::new(),
        columns: columns.map(column).into(),
    }
}

/// What partial evaluation leaves of a permit under this condition, as SQL over `r`, without the names of schemas.
fn sql(source: &str) -> String {
    let dataset = dataset();
    if let Err(error) = Condition::compile(source, &dataset) {
        panic!("{source}: {error}");
    }
    row_filter_sql(source, &dataset).replace("pg_catalog.", "")
}

fn row_filter_sql(source: &str, dataset: &Dataset) -> String {
    let (schema, _) = Schema::from_cedarschema_str(&schema_of([dataset])).unwrap();
    let text = format!(
        "permit (principal, action == Action::\"read\", resource is {}) when {{ {source}\n}};",
        entity_type(&dataset.id)
    );
    let policies = PolicySet::from_policies([Policy::parse(None, text).unwrap()]).unwrap();
    let day = civil::date(2026, 11, 23);
    let question = Question {
        partner: &"police".parse().unwrap(),
        agreement: &"police-2018".parse().unwrap(),
        valid: Validity::new(day, day, &TimeZone::UTC).unwrap(),
        purpose: &"investigation".parse().unwrap(),
        case: None,
        column: "name",
        masked: false,
        aggregate: false,
    };
    let filter = RowFilter::compile(&policies, &schema, dataset, &question).unwrap();
    filter.rows().sql("r")
}

/// The refusal must be placed at `place` and say `says`.
#[track_caller]
fn refused(source: &str, place: &str, says: &str) {
    let error = Condition::compile(source, &dataset()).expect_err(source);
    assert_eq!(source.get(error.span.clone()).unwrap(), place, "{error}");
    assert!(error.to_string().contains(says), "{error}");
}

#[test]
fn columns_are_known() {
    let condition = Condition::compile("resource.juvenile || resource has country", &dataset()).unwrap();
    let columns: Vec<&str> = condition.columns().iter().map(SqlName::as_str).collect();
    assert_eq!(columns, ["country", "juvenile"]);
}

#[test]
fn quotes_do_not_get_out() {
    assert_eq!(
        sql("resource.name == \"'; DROP TABLE x; --\\\\' \\\"\""),
        r#"("r"."name" = E'''; DROP TABLE x; --\\'' "'::text)"#
    );
}

#[test]
fn what_ends_the_clause_is_no_expression() {
    for source in [
        "true } when { true",
        "true }; permit (principal, action, resource) when { true",
        "true // }",
        "",
        "// only",
    ] {
        let compiled = Condition::compile(source, &dataset());
        assert_eq!(compiled.is_ok(), source == "true // }", "{source}");
    }
}

#[test]
fn optional_columns_need_a_guard() {
    let guard = "unable to guarantee safety of access to optional attribute `country`";
    refused("resource.country == \"US\"", "resource.country", guard);
    refused(
        "!(resource has country) || resource.country == \"US\"",
        "resource.country",
        guard,
    );
    refused("!(resource.country == \"US\")", "resource.country", guard);
    sql("if resource has country then resource.country == \"US\" else true");
}

#[test]
fn types_are_checked() {
    refused(
        "resource.name == 3",
        "resource.name == 3",
        "cannot be compared: a string and a number",
    );
    refused(
        "resource.charge < \"3\"",
        "resource.charge < \"3\"",
        "cannot be compared",
    );
    refused(
        "resource.name < \"b\"",
        "resource.name < \"b\"",
        "cannot be compared",
    );
    refused("resource.charge", "resource.charge", "not true or false");
    refused(
        "resource.charge like \"1\"",
        "resource.charge like \"1\"",
        "cannot be compared",
    );
    refused(
        "[1, \"a\"].contains(resource.charge)",
        "[1, \"a\"].contains(resource.charge)",
        "cannot be compared",
    );
    refused(
        "resource.flags.contains(1)",
        "resource.flags.contains(1)",
        "cannot be compared",
    );
    refused(
        "resource.juvenile == 1",
        "resource.juvenile == 1",
        "not true or false",
    );
    refused(
        "resource has country && resource.country == 5 && resource.juvenile",
        "resource.country == 5",
        "cannot be compared: a string and a number",
    );
    refused(
        "if resource.juvenile then resource.charge < 3 else resource.name like \"a*\" || resource.name",
        "resource.name",
        "not true or false",
    );
    // Cedar does not look behind `false &&`; PostgreSQL would.
    refused(
        "false && resource.name == 3",
        "resource.name == 3",
        "cannot be compared",
    );
}

#[test]
fn decimals_are_compared_by_method() {
    assert_eq!(
        sql("resource.price.lessThan(decimal(\"10.5\"))"),
        r#"(NULLIF("r"."price", 'NaN'::numeric) < '10.5000'::numeric)"#
    );
    refused("resource.price < decimal(\"1.0\")", "<", "`.lessThan(..)`");
    refused("resource.price >= resource.price", ">=", "`.lessThan(..)`");
    refused(
        "resource.price == 1",
        "resource.price",
        "such as `decimal(\"20.0\")`",
    );
    refused(
        "resource.juvenile || resource.price < 20",
        "resource.price",
        "such as `decimal(\"20.0\")`",
    );
    refused(
        "resource.charge.lessThan(decimal(\"1.0\"))",
        "resource.charge.lessThan(decimal(\"1.0\"))",
        "a decimal and a number",
    );
    refused(
        "resource.price == decimal(\"1.00000\")",
        "decimal",
        "one to four digits after the point",
    );
    refused(
        "resource.price == decimal(resource.name)",
        "decimal",
        "computed from a column",
    );
    refused(
        "resource.fee.lessThan(decimal(\"1.0\"))",
        "fee",
        "as in `numeric(10,2)`",
    );
}

#[test]
fn columns_without_a_cedar_type_say_so() {
    refused(
        "resource.height > 1",
        "height",
        "no Cedar type holds all its values",
    );
    refused(
        "resource.juvenile || resource.fee == 1",
        "fee",
        "no Cedar type holds all its values",
    );
    refused(
        "resource.weight > 1",
        "weight",
        "no column `weight`; it has `name`, `status`",
    );
}

#[test]
fn what_has_no_equal_in_sql_is_refused_where_it_is() {
    refused("principal == resource", "principal", "cannot be used");
    refused(
        "resource.juvenile && context.now == 1",
        "context",
        "a condition is about a row",
    );
    refused("resource.charge + 1 > 2", "+", "can overflow");
    refused("resource.charge > 2 * 2", "*", "can overflow");
    refused(
        "resource.juvenile || resource == Row_in::\"x\"",
        "resource",
        "a column of `resource`",
    );
    refused("resource in Row_in::\"x\"", " in ", "contains");
    refused("resource is Row_in", " is ", "one data set's rows already");
    refused("resource.hasTag(\"x\")", "Tag", "rows have columns only");
    refused(
        "{a: resource.juvenile}.a",
        "{a: resource.juvenile}.a",
        "a column of `resource`",
    );
    refused("[].contains(resource.charge)", "[", "empty set");
    refused(
        "resource.at > datetime(\"0000-01-01\")",
        "datetime",
        "within the years 1 to 9999",
    );
    refused(
        "resource.at.offset(duration(\"1d\")) > datetime(\"2026-01-01\")",
        "datetime",
        "computed from a column",
    );
    refused("resource.name == \"a\\0b\"", "\"", "NUL");
    refused(
        "ip(\"::1\").isInRange(ip(\"::1\"))",
        ".",
        "no column has its type",
    );
    refused(
        "resource.ref == \"A0EEBC99-9C0B-4EF8-BB6D-6BB9BD380A11\"",
        "A0EEBC99-9C0B-4EF8-BB6D-6BB9BD380A11",
        "in lower case",
    );
    refused("[\"x\"].contains(resource.ref)", "x", "in lower case");
    refused("resource has country.name", "has", "columns have no parts");
    refused(
        "resource.juvenile == -resource.charge > 1",
        "resource.juvenile == -resource.charge > 1",
        "not a Cedar expression",
    );
}
