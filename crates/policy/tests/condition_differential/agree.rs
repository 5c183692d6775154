//! The comparison, and the wrong translators it must notice.

use std::fmt::Write as _;

use cedar_policy::{Authorizer, Decision, Request};

use crate::mutants::MUTANTS;
use crate::policy_sets::{Asked, Case};
use crate::random::Random;
use crate::rows::{self, Row};
use crate::support::Scratch;

const SETS: usize = 1_000;
const ROWS: usize = 300;

/// Policy sets that each wrong translator is tried on. A mutant that none of them notices is tried on all.
const MUTATED: usize = 150;

/// The ids of the rows that each case permits, as Cedar decides.
fn asked_of_cedar(asked: &Asked, cases: &[Case], rows: &[Row]) -> Vec<String> {
    let halves = cases.chunks(cases.len().div_ceil(2).max(1));
    std::thread::scope(|scope| {
        let half = |cases| scope.spawn(move || decide(asked, cases, rows));
        let halves: Vec<_> = halves.map(half).collect();
        halves.into_iter().flat_map(|half| half.join().unwrap()).collect()
    })
}

fn decide(asked: &Asked, cases: &[Case], rows: &[Row]) -> Vec<String> {
    let authorizer = Authorizer::new();
    let entities: Vec<_> = rows.iter().map(Row::entities).collect();
    let permitted = |case: &Case| {
        let context = asked.context(case.column, case.masked);
        let mut ids = Vec::new();
        for (row, entities) in rows.iter().zip(&entities) {
            let (officer, read) = (rows::officer(), rows::read());
            let request = Request::new(officer, read, row.uid(), context.clone(), None).unwrap();
            let answer = authorizer.is_authorized(&request, &case.policies, entities);
            let erred = answer.diagnostics().errors().next();
            assert!(
                erred.is_none(),
                "a valid policy must not err: {erred:?}\n{}",
                case.text
            );
            if answer.decision() == Decision::Allow {
                ids.push(row.id.to_string());
            }
        }
        ids.join(",")
    };
    cases.iter().map(permitted).collect()
}

/// The ids of the rows each WHERE selects, as PostgreSQL decides, in a session whose time zone is far from UTC.
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

/// What was compared.
struct Compared {
    cases: Vec<Case>,
    wheres: Vec<String>,
    expected: Vec<String>,
}

fn compare(server: &Scratch, asked: &Asked, seed: u64) -> Compared {
    let mut random = Random::new(seed);
    let rows: Vec<Row> = (0..ROWS).map(|id| Row::random(&mut random, id)).collect();
    let cases: Vec<Case> = (0..SETS).map(|_| Case::random(&mut random)).collect();
    server.psql(&rows::table(&rows));
    let wheres: Vec<String> = cases.iter().map(|case| asked.compile(case)).collect();
    let expected = asked_of_cedar(asked, &cases, &rows);
    let answers = asked_of_postgres(server, &wheres);
    let mut different = 0;
    for (index, case) in cases.iter().enumerate() {
        if answers[index] != expected[index] {
            different += 1;
            eprintln!(
                "seed {seed}: column {}, masked {}\n{}\n{}\nCedar:      {}\nPostgreSQL: {}\n",
                case.column, case.masked, case.text, wheres[index], expected[index], answers[index]
            );
        }
    }
    let some = expected.iter().filter(|rows| !rows.is_empty()).count();
    let proper = expected
        .iter()
        .filter(|rows| !rows.is_empty() && rows.split(',').count() < ROWS)
        .count();
    eprintln!(
        "seed {seed}: {SETS} policy sets x {ROWS} rows: {different} different; {some} select rows, {proper} a proper subset"
    );
    assert_eq!(different, 0, "seed {seed}");
    // The comparison would be worth nothing if all or none of the rows were selected.
    assert!(
        proper > SETS / 3,
        "only {proper} policy sets select a proper subset"
    );
    Compared {
        cases,
        wheres,
        expected,
    }
}

#[test]
fn random_policy_sets_agree_and_wrong_translators_are_noticed() {
    let server = Scratch::start();
    let asked = Asked::new();
    let compared = compare(&server, &asked, 20_261_123);
    let differ = |mutate: fn(&str) -> String, range: std::ops::Range<usize>| {
        let mutated: Vec<String> = compared.wheres[range.clone()]
            .iter()
            .map(|sql| mutate(sql))
            .collect();
        let answers = asked_of_postgres(&server, &mutated);
        let pairs = answers.iter().zip(&compared.expected[range]);
        pairs.filter(|(answer, expected)| answer != expected).count()
    };
    let mut unnoticed = Vec::new();
    for (name, mutate) in MUTANTS {
        let mut noticed = differ(mutate, 0..MUTATED);
        if noticed == 0 {
            noticed = differ(mutate, MUTATED..SETS);
        }
        eprintln!("{noticed:4} {name}");
        if noticed == 0 {
            unnoticed.push(name);
        }
    }
    assert_eq!(unnoticed, Vec::<&str>::new(), "nobody noticed");
    questions_matter(&server, &asked, &compared);
}

/// Compiling for another question must give other rows.
fn questions_matter(server: &Scratch, asked: &Asked, compared: &Compared) {
    type Other = (&'static str, fn(&Case) -> Case);
    let others: [Other; 3] = [
        ("masked is turned round", |case| Case {
            masked: !case.masked,
            ..case.clone()
        }),
        ("another column", |case| Case {
            column: if case.column == "t" { "f" } else { "t" },
            ..case.clone()
        }),
        ("forbids are left out", |case| case.without_forbids()),
    ];
    for (name, other) in others {
        let wheres: Vec<String> = compared.cases[..MUTATED]
            .iter()
            .map(|case| asked.compile(&other(case)))
            .collect();
        let answers = asked_of_postgres(server, &wheres);
        let pairs = answers.iter().zip(&compared.expected);
        let noticed = pairs.filter(|(answer, expected)| answer != expected).count();
        eprintln!("{noticed:4} {name}");
        assert!(noticed > 0, "nobody noticed: {name}");
    }
}

/// More seeds: `ESTOP_SEEDS`, else 20.
#[test]
#[ignore = "make soak"]
#[expect(
    clippy::disallowed_methods,
    reason = "how long a test lasts is not configuration"
)]
fn many_seeds_agree() {
    let seeds: u64 =
        std::env::var("ESTOP_SEEDS").map_or(20, |seeds| seeds.parse().expect("a number in ESTOP_SEEDS"));
    let server = Scratch::start();
    let asked = Asked::new();
    for seed in 1..=seeds {
        compare(&server, &asked, seed);
    }
}

fn compiled(conditions: &[String]) -> Vec<String> {
    let asked = Asked::new();
    let case = |condition: &String| {
        let row = policy::condition::entity_type(&rows::dataset().id);
        let text = format!(
            "permit (principal, action == Action::\"read\", resource is {row}) when {{ {condition} }};"
        );
        asked.compile(&Case::of(&[text], "t", false))
    };
    conditions.iter().map(case).collect()
}

/// A NaN satisfies no comparison, and none turned round; what forbids and hangs on one forbids.
#[test]
fn what_hangs_on_a_nan_does_not_hold() {
    let server = Scratch::start();
    server.psql(&rows::table::<Row>(&[]));
    server.psql(&rows::extremes());
    let one = "decimal(\"1.0\")";
    let mut wheres = compiled(&[
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
    ]);
    let row = policy::condition::entity_type(&rows::dataset().id);
    let head = format!("(principal, action == Action::\"read\", resource is {row})");
    let sets = ["<", ">="].map(|op| {
        let method = if op == "<" {
            "lessThan"
        } else {
            "greaterThanOrEqual"
        };
        let forbid = format!("forbid {head} when {{ resource.f.{method}({one}) }};");
        Case::of(&[format!("permit {head};"), forbid], "t", false)
    });
    let asked = Asked::new();
    wheres.extend(sets.iter().map(|case| asked.compile(case)));
    let answers = asked_of_postgres(&server, &wheres);
    assert_eq!(answers, vec![""; wheres.len()]);
}

/// Values that Cedar cannot hold must at least raise no error, whatever is asked of them: its text could show the row.
#[test]
fn no_row_makes_a_condition_raise_an_error() {
    let server = Scratch::start();
    let mut random = Random::new(7);
    server.psql(&rows::table::<Row>(&[]));
    server.psql(&rows::extremes());
    let asked = Asked::new();
    let wheres: Vec<String> = (0..500)
        .map(|_| asked.compile(&Case::random(&mut random)))
        .collect();
    let answers = asked_of_postgres(&server, &wheres);
    assert!(answers.iter().any(|answer| !answer.is_empty()));
}
