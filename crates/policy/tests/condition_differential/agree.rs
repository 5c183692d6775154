//! The comparison, and the wrong translators it must notice.

use std::fmt::Write as _;

use cedar_policy::{Authorizer, Decision, Policy, PolicySet};
use policy::condition::{Condition, entity_type};

use crate::conditions;
use crate::random::Random;
use crate::rows::{self, Row, dataset};
use crate::support::Scratch;

const CONDITIONS: usize = 250;
const ROWS: usize = 120;
const SEEDS: [u64; 2] = [1, 20_261_123];

/// The rows each condition selects, as Cedar decides.
fn asked_of_cedar(conditions: &[String], rows: &[Row]) -> Vec<String> {
    let authorizer = Authorizer::new();
    let questions: Vec<_> = rows.iter().map(Row::question).collect();
    let selected = |condition: &String| {
        let kind = entity_type(&dataset().id);
        let text = format!("permit (principal, action, resource is {kind}) when {{ {condition}\n}};");
        let policies = PolicySet::from_policies([Policy::parse(None, text).unwrap()]).unwrap();
        let allowed = questions.iter().enumerate().filter(|(_, (request, entities))| {
            let answer = authorizer.is_authorized(request, &policies, entities);
            assert_eq!(
                answer.diagnostics().errors().count(),
                0,
                "a valid condition must not err: {condition}"
            );
            answer.decision() == Decision::Allow
        });
        allowed
            .map(|(index, _)| index.to_string())
            .collect::<Vec<_>>()
            .join(",")
    };
    conditions.iter().map(selected).collect()
}

/// The rows each WHERE selects, as PostgreSQL decides, in a session whose time zone is far from UTC.
fn asked_of_postgres(server: &Scratch, wheres: &[String]) -> Vec<String> {
    let mut script = String::from("SET search_path = pg_catalog; SET TimeZone = 'Pacific/Kiritimati';\n");
    for sql in wheres {
        writeln!(script, "SELECT coalesce(string_agg(r.id::text, ',' ORDER BY r.id), '') FROM estop.records AS r WHERE {sql};")
            .unwrap();
    }
    let output = server.psql(&script);
    let answers: Vec<String> = output.lines().map(str::to_owned).collect();
    assert_eq!(answers.len(), wheres.len());
    answers
}

fn compiled(conditions: &[String]) -> Vec<String> {
    let dataset = dataset();
    let sql = |condition: &String| match Condition::compile(condition, &dataset) {
        Ok(compiled) => compiled.sql("r"),
        Err(error) => panic!("refused: {error}: {condition}"),
    };
    conditions.iter().map(sql).collect()
}

/// A wrong translator: what it would have written instead.
type Mutant = (&'static str, fn(&str) -> String);

const MUTANTS: [Mutant; 17] = [
    ("milliseconds are not cut", |sql| {
        sql.replace("date_trunc('milliseconds', ", "date_trunc('microseconds', ")
    }),
    ("the zone is not UTC", |sql| {
        sql.replace("timezone('UTC'", "timezone('America/Chicago'")
    }),
    ("LIKE without escapes", |sql| {
        if sql.contains("LIKE") {
            sql.replace(r"\\%", "%").replace(r"\\_", "_")
        } else {
            sql.to_owned()
        }
    }),
    ("a wildcard is one character", |sql| {
        if sql.contains("LIKE") {
            sql.replace('%', "_")
        } else {
            sql.to_owned()
        }
    }),
    ("`has` is always true", |sql| {
        sql.replace("IS NOT NULL", "IS NOT DISTINCT FROM NULL OR TRUE")
    }),
    ("`has` is turned round", |sql| {
        sql.replace("IS NOT NULL", "IS NULL")
    }),
    ("and is or", |sql| sql.replace(" AND ", " OR ")),
    ("or is and", |sql| sql.replace(" OR ", " AND ")),
    ("not is left out", |sql| sql.replace("(NOT ", "(")),
    ("unequal is equal", |sql| sql.replace(" <> ", " = ")),
    ("at most is less", |sql| sql.replace(" <= ", " < ")),
    ("at least is more", |sql| sql.replace(" >= ", " > ")),
    ("less is more", |sql| sql.replace(" < ", " > ")),
    ("all is any", |sql| sql.replace(" @> ", " && ")),
    ("any is all", |sql| sql.replace(" && ", " @> ")),
    ("NULL elements are members", |sql| {
        sql.replace(" WHERE m.m IS NOT NULL", "")
    }),
    ("then is else", |sql| {
        sql.replace(" WHEN TRUE ", " WHEN NULL ")
            .replace(" WHEN FALSE ", " WHEN TRUE ")
            .replace(" WHEN NULL ", " WHEN FALSE ")
    }),
];

#[test]
fn random_conditions_agree_and_wrong_translators_are_noticed() {
    let server = Scratch::start();
    let mut noticed = [0_usize; MUTANTS.len()];
    for seed in SEEDS {
        let mut random = Random::new(seed);
        let rows: Vec<Row> = (0..ROWS).map(|id| Row::random(&mut random, id)).collect();
        let conditions: Vec<String> = (0..CONDITIONS)
            .map(|_| conditions::condition(&mut random))
            .collect();
        server.psql(&rows::table(&rows));
        let expected = asked_of_cedar(&conditions, &rows);
        let wheres = compiled(&conditions);
        let answers = asked_of_postgres(&server, &wheres);
        for (index, condition) in conditions.iter().enumerate() {
            assert_eq!(
                answers[index], expected[index],
                "seed {seed}\n{condition}\n{}",
                wheres[index]
            );
        }
        // The comparison would be worth nothing if all or none of the rows were selected.
        let some = expected
            .iter()
            .filter(|rows| !rows.is_empty() && rows.split(',').count() < ROWS)
            .count();
        assert!(some > CONDITIONS / 3, "{some} conditions select a proper subset");
        for (mutant, count) in MUTANTS.iter().zip(&mut noticed) {
            let mutated: Vec<String> = wheres.iter().map(|sql| mutant.1(sql)).collect();
            let answers = asked_of_postgres(&server, &mutated);
            *count += answers
                .iter()
                .zip(&expected)
                .filter(|(answer, expected)| answer != expected)
                .count();
        }
    }
    for (mutant, count) in MUTANTS.iter().zip(noticed) {
        assert!(count > 0, "nobody noticed: {}", mutant.0);
    }
}

/// A NaN satisfies no comparison, and none turned round.
#[test]
fn what_hangs_on_a_nan_does_not_hold() {
    let server = Scratch::start();
    server.psql(&rows::table(&[]));
    server.psql(&rows::extremes());
    let one = "decimal(\"1.0\")";
    let asked = [
        format!("resource.f == {one}"),
        format!("resource.f != {one}"),
        format!("resource.f.lessThan({one})"),
        format!("!resource.f.lessThan({one})"),
        format!("resource.f.greaterThanOrEqual({one})"),
        format!("if resource.f.lessThan({one}) then true else true"),
        format!("[{one}].contains(resource.f)"),
        format!("!([{one}].contains(resource.f))"),
        format!("(resource.f == {one}) == (resource.f == {one})"),
        "resource.f == resource.f".to_owned(),
    ];
    let answers = asked_of_postgres(&server, &compiled(&asked));
    assert_eq!(answers, vec![""; asked.len()]);
}

/// Values that Cedar cannot hold must at least raise no error, whatever is asked of them: its text could show the row.
#[test]
fn no_row_makes_a_condition_raise_an_error() {
    let server = Scratch::start();
    let mut random = Random::new(7);
    server.psql(&rows::table(&[]));
    server.psql(&rows::extremes());
    let conditions: Vec<String> = (0..2 * CONDITIONS)
        .map(|_| conditions::condition(&mut random))
        .collect();
    let answers = asked_of_postgres(&server, &compiled(&conditions));
    assert!(answers.iter().any(|answer| !answer.is_empty()));
}
