//! The SQL of each operator, as it is written. `pg_catalog.` is left out here.

use super::sql;

#[track_caller]
fn written(cedar: &str, expected: &str) {
    assert_eq!(sql(cedar), expected, "{cedar}");
}

#[test]
fn truth_values() {
    written("true", "TRUE");
    written("false", "FALSE");
    written("resource.juvenile", r#""r"."juvenile""#);
    written("!resource.juvenile", r#"(NOT "r"."juvenile")"#);
    written("!!resource.juvenile", r#""r"."juvenile""#);
    written("resource.juvenile == false", r#"("r"."juvenile" = FALSE)"#);
    written(
        "resource.juvenile != (resource.charge == 1)",
        r#"("r"."juvenile" <> ("r"."charge" = '1'::int8))"#,
    );
}

#[test]
fn what_partial_evaluation_knows_is_not_asked() {
    // A row could be missing, for all that Cedar knows; and the database says it again.
    written("resource has name", r#"("r"."name" IS NOT NULL)"#);
    written("1 < 2 && resource.juvenile", r#""r"."juvenile""#);
    written(
        "if 1 == 2 then resource.juvenile else resource.charge == 3",
        r#"("r"."charge" = '3'::int8)"#,
    );
}

#[test]
fn chains() {
    written(
        "resource.juvenile && resource.charge == 1 && resource.charge == 2",
        r#"("r"."juvenile" AND ("r"."charge" = '1'::int8) AND ("r"."charge" = '2'::int8))"#,
    );
    written(
        "resource.juvenile || (resource.charge == 1 || resource.charge == 2)",
        r#"("r"."juvenile" OR ("r"."charge" = '1'::int8) OR ("r"."charge" = '2'::int8))"#,
    );
    written(
        "resource.juvenile && (resource.charge == 1 || resource.charge == 2)",
        r#"("r"."juvenile" AND (("r"."charge" = '1'::int8) OR ("r"."charge" = '2'::int8)))"#,
    );
}

#[test]
fn choices() {
    written(
        "if resource.juvenile then false else resource.charge > 1 // why",
        r#"(CASE "r"."juvenile" WHEN TRUE THEN FALSE WHEN FALSE THEN ("r"."charge" > '1'::int8) END)"#,
    );
    written(
        "resource.charge == (if resource.juvenile then 1 else resource.charge)",
        r#"("r"."charge" = (CASE "r"."juvenile" WHEN TRUE THEN '1'::int8 WHEN FALSE THEN "r"."charge"::int8 END))"#,
    );
}

#[test]
fn numbers() {
    for (cedar, sql) in [
        ("==", "="),
        ("!=", "<>"),
        ("<", "<"),
        ("<=", "<="),
        (">", ">"),
        (">=", ">="),
    ] {
        written(
            &format!("resource.charge {cedar} -3"),
            &format!(r#"("r"."charge" {sql} '-3'::int8)"#),
        );
    }
    written(
        "[2, 1].contains(resource.charge)",
        r#"("r"."charge" IN ('1'::int8, '2'::int8))"#,
    );
}

#[test]
fn decimals() {
    for (method, sql) in [
        ("lessThan", "<"),
        ("lessThanOrEqual", "<="),
        ("greaterThan", ">"),
        ("greaterThanOrEqual", ">="),
    ] {
        written(
            &format!("resource.price.{method}(decimal(\"-10.5\"))"),
            &format!(r#"(NULLIF("r"."price", 'NaN'::numeric) {sql} '-10.5000'::numeric)"#),
        );
    }
    written(
        "resource.price == decimal(\"0.01\")",
        r#"(NULLIF("r"."price", 'NaN'::numeric) = '0.0100'::numeric)"#,
    );
    written(
        "[decimal(\"1.0\"), decimal(\"2.5\")].contains(resource.price)",
        r#"(NULLIF("r"."price", 'NaN'::numeric) IN ('1.0000'::numeric, '2.5000'::numeric))"#,
    );
}

#[test]
fn texts() {
    written(
        "resource.status == \"open\" && !resource.juvenile",
        r#"(("r"."status" = 'open'::text) AND (NOT "r"."juvenile"))"#,
    );
    written(
        "[\"a\", \"b\"].contains(resource.status)",
        r#"("r"."status" IN ('a'::text, 'b'::text))"#,
    );
    written(
        "resource.name like \"a*%\\*_\"",
        r#"("r"."name" LIKE E'a%\\%*\\_'::text)"#,
    );
    written(
        "resource.name == resource.status",
        r#"("r"."name" = "r"."status")"#,
    );
    written("resource.name like \"*\"", r#"("r"."name" LIKE '%'::text)"#);
}

#[test]
fn what_may_be_missing() {
    written(
        "resource has country && resource.country != \"it's\"",
        r#"(("r"."country" IS NOT NULL) AND ("r"."country" <> 'it''s'::text))"#,
    );
    written("!(resource has country)", r#"(NOT ("r"."country" IS NOT NULL))"#);
    written(
        "if resource has country then resource.country == \"US\" else true",
        r#"(CASE ("r"."country" IS NOT NULL) WHEN TRUE THEN ("r"."country" = 'US'::text) WHEN FALSE THEN TRUE END)"#,
    );
}

#[test]
fn moments() {
    let at = |constant: &str| format!("timezone('UTC', '{constant}'::timestamp)");
    let (this, next) = (at("2026-01-01 00:00:00.000"), at("2026-01-01 00:00:00.001"));
    // PostgreSQL keeps microseconds.
    for (cedar, sql) in [
        ("<", format!("{AT} < {this}")),
        ("<=", format!("{AT} < {next}")),
        (">", format!("{AT} >= {next}")),
        (">=", format!("{AT} >= {this}")),
        ("==", format!("{AT} >= {this} AND {AT} < {next}")),
        ("!=", format!("{AT} < {this} OR {AT} >= {next}")),
    ] {
        written(
            &format!("resource.at {cedar} datetime(\"2026-01-01\")"),
            &format!("({sql})"),
        );
    }
    written(
        "datetime(\"2026-06-01T06:30:00.250+0200\") <= resource.at",
        &format!("({AT} >= {})", at("2026-06-01 04:30:00.250")),
    );
    written(
        "resource.at <= datetime(\"9999-12-31T23:59:59.999Z\")",
        &format!("({AT} < {})", at("10000-01-01 00:00:00.000")),
    );
    written(
        "resource.at == resource.born",
        r#"(date_trunc('milliseconds', timezone('UTC', "r"."at")) = "r"."born")"#,
    );
}

const AT: &str = "\"r\".\"at\"";

#[test]
fn days() {
    written(
        "resource.born <= datetime(\"2008-02-29\").offset(duration(\"-1d\"))",
        r#"("r"."born" <= '2008-02-28 00:00:00.000'::timestamp)"#,
    );
    written(
        "resource.born == datetime(\"2026-06-01T06:30:00Z\").toDate()",
        r#"("r"."born" = '2026-06-01 00:00:00.000'::timestamp)"#,
    );
    written(
        "resource.born < datetime(\"9999-12-31\")",
        r#"("r"."born" < '9999-12-31 00:00:00.000'::timestamp)"#,
    );
}

#[test]
fn uuids() {
    let one = "a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11";
    written(
        &format!("resource.ref == \"{one}\""),
        &format!(r#"("r"."ref" = '{one}'::uuid)"#),
    );
    written(
        &format!("[\"{one}\"].contains(resource.ref)"),
        &format!(r#"("r"."ref" IN ('{one}'::uuid))"#),
    );
    written(
        "resource.ref like \"a0*\"",
        r#"("r"."ref"::text LIKE 'a0%'::text)"#,
    );
    written(
        "resource.ref == resource.name",
        r#"("r"."ref"::text = "r"."name")"#,
    );
}

#[test]
fn sets_of_texts() {
    let members = r#"(CASE WHEN "r"."flags" IS NOT NULL THEN ARRAY(SELECT m.m FROM unnest("r"."flags") AS m(m) WHERE m.m IS NOT NULL) END)"#;
    written(
        "resource.flags.contains(\"x\")",
        r#"("r"."flags" @> ARRAY['x'::text]::text[])"#,
    );
    written(
        "resource.flags.containsAll([\"x\", \"y\"])",
        r#"("r"."flags" @> ARRAY['x', 'y']::text[])"#,
    );
    written(
        "resource.flags.containsAny([\"x\", \"y\"])",
        r#"("r"."flags" && ARRAY['x', 'y']::text[])"#,
    );
    written(
        "resource.flags.isEmpty()",
        &format!("(cardinality({members}) = 0)"),
    );
    written(
        "resource.flags == [\"x\"]",
        &format!(r#"(("r"."flags" @> ARRAY['x']::text[]) AND (ARRAY['x']::text[] @> {members}))"#),
    );
}
