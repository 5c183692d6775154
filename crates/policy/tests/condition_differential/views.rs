//! Views of several shares: each cell is what Cedar's authorizer says of its row and column.

use std::fmt::Write as _;

use cedar_policy::{Authorizer, Context, Decision, PolicySet, Request, RestrictedExpression};
use policy::estate::{Agreement, Column, ColumnType, Estate, Files, SharedColumn};
use policy::mask::Mask;
use policy::sql::{ident, literal};

use crate::conditions;
use crate::mutants::Mutant;
use crate::policy_sets::uid;
use crate::random::Random;
use crate::rows::{self, COLUMNS, Row, dataset};
use crate::support::Scratch;

const AGREEMENTS: usize = 60;
const ROWS: usize = 60;

/// Masks of a type, the least first: what is shown of two is the first of this list.
fn masks(kind: ColumnType) -> &'static [&'static str] {
    match kind {
        ColumnType::Text => &["first:2", "first:1", "initials", "constant:x", "null"],
        ColumnType::Date | ColumnType::Timestamptz => &["month", "year", "null"],
        ColumnType::Decimal(_) => &["round:1", "round:0", "null"],
        _ => &["null"],
    }
}

/// An estate with one agreement, of one to four shares of one data set.
fn estate(random: &mut Random) -> Estate {
    let mut agreement = String::from(
        "[agreement]\nid = \"police-2018\"\npartner = \"police\"\nlegal_basis = \"x\"\nvalid = { from = \"2018-06-01\", \
         until = \"2031-05-31\" }\npurposes = [\"investigation\"]\n",
    );
    for _ in 0..1 + random.below(4) {
        share(random, &mut agreement);
    }
    let mut columns = String::new();
    for (name, kind, optional) in COLUMNS {
        writeln!(
            columns,
            "{name:?} = {{ type = \"{}\", optional = {optional} }}",
            kind.name()
        )
        .unwrap();
    }
    let text = |text: &str| text.to_owned();
    let files = [
        ("agreements/police-2018.toml", agreement),
        (
            "datasets/records.toml",
            format!(
                "[dataset]\nid = \"records\"\nupstream = \"main\"\nrelation = \"estop.records\"\n\n[columns]\n{columns}"
            ),
        ),
        (
            "partners/police.toml",
            text("[partner]\nid = \"police\"\ntitle = \"Police\"\n"),
        ),
        (
            "estop.toml",
            text(
                "[custodian]\nname = \"records.example.org\"\ntitle = \"x\"\n\n[upstream.main]\nurl = \"postgres://a@/b\"\n\
                 isolation = \"in-place\"\n\n[gateway]\nlisten = \"127.0.0.1:1\"\ntls_certificate = \"tls/a\"\n\
                 tls_key = \"tls/b\"\npublic_name = \"x\"\n\n[state]\ndir = \"state\"\n",
            ),
        ),
    ];
    let files: Files = files
        .into_iter()
        .map(|(path, text)| (path.to_owned(), text))
        .collect();
    Estate::parse(&files).unwrap_or_else(|errors| panic!("{errors:?}"))
}

fn share(random: &mut Random, agreement: &mut String) {
    let mut columns = Vec::new();
    let mut masked = Vec::new();
    // Few columns, so that shares meet.
    for (name, kind, _) in COLUMNS.iter().step_by(3) {
        if !random.one_in(3) {
            columns.push(format!("{name:?}"));
            if random.one_in(2) {
                masked.push(format!("{name:?} = {:?}", random.pick(masks(*kind))));
            }
        }
    }
    if columns.is_empty() {
        columns.push("\"b\"".to_owned());
    }
    write!(
        agreement,
        "\n[[share]]\ndataset = \"records\"\ncolumns = [{}]\nmask = {{ {} }}\n",
        columns.join(", "),
        masked.join(", ")
    )
    .unwrap();
    if !random.one_in(5) {
        writeln!(agreement, "when = {:?}", conditions::condition(random)).unwrap();
    }
}

/// What is shown of a column in a row: nothing, the column, or a mask.
fn shown(
    authorizer: &Authorizer,
    policies: &PolicySet,
    agreement: &Agreement,
    row: &(&Row, cedar_policy::Entities),
    column: &Column,
) -> Option<String> {
    let ask = |masked: bool| {
        let of = |kind: &str, id: &str| RestrictedExpression::new_entity_uid(uid(kind, id));
        let pairs = [
            ("agreement", of("Agreement", agreement.id.as_str())),
            ("purpose", of("Purpose", "investigation")),
            ("now", RestrictedExpression::new_datetime("2026-11-23")),
            (
                "column",
                RestrictedExpression::new_string(column.name.to_string()),
            ),
            ("masked", RestrictedExpression::new_bool(masked)),
            ("aggregate", RestrictedExpression::new_bool(false)),
        ];
        let context = Context::from_pairs(pairs.map(|(name, value)| (name.to_owned(), value))).unwrap();
        let request = Request::new(rows::officer(), rows::read(), row.0.uid(), context, None).unwrap();
        authorizer.is_authorized(&request, policies, &row.1)
    };
    if ask(false).decision() == Decision::Allow {
        return Some("bare".to_owned());
    }
    let answer = ask(true);
    if answer.decision() == Decision::Deny {
        return None;
    }
    let mask = |id: &cedar_policy::PolicyId| {
        let number = id.to_string().rsplit('/').next().unwrap().parse().unwrap_or(1);
        let share: &policy::estate::Share = &agreement.shares[number - 1];
        let mut columns = share.columns.iter();
        let shared = columns.find(|shared| shared.column.name == column.name).unwrap();
        shared.mask.as_ref().unwrap().to_string()
    };
    let given: Vec<String> = answer.diagnostics().reason().map(mask).collect();
    let least = masks(column.kind)
        .iter()
        .find(|mask| given.iter().any(|given| given == *mask));
    Some((*least.unwrap()).to_owned())
}

/// Counts the rows by which a SELECT and what Cedar says differ.
fn difference(number: usize, columns: &[Column], definition: &str) -> String {
    let key = policy::mask::KeyId::of(&"police-2018".parse().unwrap());
    let cell = |(index, column): (usize, &Column)| {
        let shown = |mask: Option<&str>| SharedColumn {
            column: column.clone(),
            mask: mask.map(|mask| Mask::parse(mask, column, &key).unwrap()),
        };
        let mut sql = format!(
            "CASE d.shown[{}] WHEN 'bare' THEN ({})::text",
            index + 1,
            shown(None).sql("r")
        );
        for mask in masks(column.kind) {
            write!(
                sql,
                " WHEN {} THEN ({})::text",
                literal(mask),
                shown(Some(mask)).sql("r")
            )
            .unwrap();
        }
        sql + " END"
    };
    let expected: Vec<String> = columns.iter().enumerate().map(cell).collect();
    let actual: Vec<String> = columns
        .iter()
        .map(|column| format!("v.{}::text", ident(column.name.as_str())))
        .collect();
    format!(
        "WITH a AS MATERIALIZED (SELECT ARRAY[{}] AS t FROM ({definition}) AS v), e AS MATERIALIZED (SELECT ARRAY[{}] AS t FROM estop.records AS r \
         JOIN estop.decided AS d ON d.id = r.id AND d.view = {number}) \
         SELECT count(*) FROM ((TABLE a EXCEPT ALL TABLE e) UNION ALL (TABLE e EXCEPT ALL TABLE a)) AS x;\n",
        actual.join(", "),
        expected.join(", ")
    )
}

/// Wrong ways of putting shares together, which the comparison must notice.
const MUTANTS: [Mutant; 4] = [
    ("all rows", |sql| match sql.split_once(" AS \"base\" WHERE ") {
        Some((head, _)) => format!("{head} AS \"base\""),
        None => sql.to_owned(),
    }),
    ("cells of other rows", |sql| {
        sql.replace("CASE WHEN ", "CASE WHEN NOT ")
    }),
    ("every cell", |sql| {
        sql.replace("CASE WHEN ", "CASE WHEN TRUE OR ")
    }),
    ("rows of all shares", |sql| sql.replace(" OR ", " AND ")),
];

#[test]
fn each_cell_is_what_cedar_says_of_its_row_and_column() {
    let server = Scratch::start();
    let mut random = Random::new(20_261_124);
    let authorizer = Authorizer::new();
    let rows: Vec<Row> = (0..ROWS).map(|id| Row::random(&mut random, id)).collect();
    let rows: Vec<_> = rows.iter().map(|row| (row, row.entities())).collect();
    let plain: Vec<&Row> = rows.iter().map(|(row, _)| *row).collect();
    let mut script = rows::table(&plain);
    script.push_str("CREATE TABLE estop.decided (view bigint, id bigint, shown text[]);\n");
    let mut checks = Vec::new();
    for number in 0..AGREEMENTS {
        let estate = estate(&mut random);
        let agreement = estate.agreements().values().next().unwrap();
        let (_, policies) = policy::cedar::check(
            &policy::cedar::schema(&estate),
            &policy::cedar::policies(&estate, &[]),
        )
        .unwrap();
        let view = &estate.views(&agreement.id, &agreement.purposes[0])[0];
        let columns: Vec<Column> = view.cells().iter().map(|cell| cell.column().clone()).collect();
        for row in &rows {
            let shown = columns
                .iter()
                .map(|column| shown(&authorizer, &policies, agreement, row, column));
            let shown: Vec<Option<String>> = shown.collect();
            if shown.iter().any(Option::is_some) {
                let shown = shown
                    .iter()
                    .map(|shown| shown.as_ref().map_or("NULL".to_owned(), |text| literal(text)));
                let shown: Vec<String> = shown.collect();
                writeln!(
                    script,
                    "INSERT INTO estop.decided VALUES ({number}, {}, ARRAY[{}]);",
                    row.0.id,
                    shown.join(", ")
                )
                .unwrap();
            }
        }
        checks.push((number, columns, view.definition(&dataset().relation)));
    }
    server.psql(&script);
    let differ = |mutate: fn(&str) -> String| -> Vec<usize> {
        let mut script = String::from("SET search_path = pg_catalog; SET TimeZone = 'Pacific/Kiritimati';\n");
        for (number, columns, definition) in &checks {
            script.push_str(&difference(*number, columns, &mutate(definition)));
        }
        server
            .psql(&script)
            .lines()
            .map(|line| line.parse().unwrap())
            .collect()
    };
    for ((_, _, definition), differ) in checks.iter().zip(differ(str::to_owned)) {
        assert_eq!(differ, 0, "{definition}");
    }
    for (name, mutate) in MUTANTS {
        let noticed = differ(mutate).into_iter().filter(|rows| *rows > 0).count();
        eprintln!("{noticed:4} {name}");
        assert!(noticed > 0, "nobody noticed: {name}");
    }
}
