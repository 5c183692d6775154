//! The accounting of disclosures from outside: ordinary clients read, in text and binary, and what a person is told afterwards
//! is what they were given; also after `kill -9`, and where a result must hold its subject key.

#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "all of it is tests, also what is not marked as one"
)]

mod erasing;
mod stage;

use std::collections::BTreeSet;
use std::path::Path;
use std::process::Command;

use serde_json::Value;
use stage::office::Office;
use stage::{Login, psql_on, run};
use tokio_postgres::types::{FromSql, Type};
use tokio_postgres::{Client, Config, NoTls, SimpleQueryMessage};
use tokio_postgres_rustls::MakeRustlsConnect;
use wire::frontend::Format;
use wire::value::Sort;

#[test]
fn a_person_is_told_who_was_given_the_record_in_place() {
    told("in-place");
}

#[test]
fn a_person_is_told_who_was_given_the_record_through_an_airlock() {
    told("airlock");
}

fn told(isolation: &str) {
    let mut office = Office::open_in(isolation, |files| {
        let federal = files.get_mut("agreements/federal-2019.toml").unwrap();
        *federal = federal.replacen("columns = [", "subject_key = \"required\"\ncolumns = [", 1);
    });
    let police = office.login("state-police");
    let ids: Vec<u64> = lines(&police.query("select person_id from people order by person_id limit 40"));
    let last = *ids.last().unwrap();
    roads(&police, &ids);
    nobody_is_told_of_what_was_not_given(&office, &ids);
    letters(&office, ids[0]);
    pseudonyms(&office);
    required(&office.login("federal-agency"), &office);
    a_view_made_anew(isolation, &office, &police);

    // What a client was given stands there at once, also where the process dies with it.
    let fetched: Vec<u64> = lines(&police.query(&format!(
        "select person_id, name from people where person_id > {last} limit 500"
    )));
    office.kill();
    let before = accounted(&office, fetched[499]);
    assert_eq!(before["disclosures"].as_array().unwrap().len(), 1);
    // The index is what can be made of the ledger, whoever makes it.
    std::fs::remove_dir_all(office.path("state/accounting")).unwrap();
    assert_eq!(
        accounted(&office, fetched[499])["disclosures"],
        before["disclosures"]
    );
    office.restart();
    assert_eq!(
        accounted(&office, fetched[499])["disclosures"],
        before["disclosures"]
    );
    if isolation == "in-place" {
        erasing::erased(&mut office, &police, fetched[499]);
    }
}

/// The first field of each line, a number.
fn lines(said: &str) -> Vec<u64> {
    let first = |line: &str| line.split('|').next()?.parse().ok();
    said.lines().filter_map(first).collect()
}

/// Each road gives other people, so that it can be told by whom they were given. The first of `ids` are given by each.
fn roads(police: &Login, ids: &[u64]) {
    // A cursor, as psql reads long results.
    let mut cursor = police.psql_command();
    let sql = format!("select * from people where person_id in ({}, {})", ids[1], ids[0]);
    run(cursor.args(["-v", "FETCH_COUNT=1", "-c", &sql]));
    // The extended protocol: binary from tokio-postgres.
    runtime().block_on(async {
        let client = connected(police).await;
        let id = i32::try_from(ids[2]).unwrap();
        let rows = client
            .query("select name, person_id from people where person_id = $1", &[&id])
            .await
            .unwrap();
        assert_eq!(rows[0].get::<_, i32>(1), id);
        // By another name and through a subquery it is the same column.
        let sql = format!(
            "with p as (select person_id as k from people) select k from p where k = {}",
            ids[3]
        );
        client.query(sql.as_str(), &[]).await.unwrap();
        // SQL's own prepared statements and cursors.
        let sql = format!(
            "begin; declare c cursor for select * from people where person_id = {}; fetch 5 from c; commit",
            ids[4]
        );
        client.batch_execute(&sql).await.unwrap();
    });
    // psycopg with binary results, a server-side cursor, and a pipeline.
    run(Command::new("/usr/bin/python3")
        .args(["-c", PSYCOPG, &police.conninfo()])
        .args(ids[5..8].iter().map(u64::to_string)));
    // What names nobody.
    police.query("select count(*) from people");
    police.query("\\copy (select * from people limit 3) to stdout");
    police.query(&format!("select name from people where person_id = {}", ids[9]));
}

/// Under a pseudonym it is somebody's all the same: the custodian finds whose, and a correction tells the partner by the pseudonym only.
fn pseudonyms(office: &Office) {
    let university = office.login("university");
    // Who is alone in an incident.
    let alone = "select min(person_id), incident_id from records.people group by incident_id \
                 having count(*) = 1 and not bool_or(is_juvenile) and min(case_status) <> 'sealed' order by 1 limit 1";
    let alone = psql_on(&office.admin_url("records"), alone).unwrap();
    let (id, incident) = alone.split_once('|').unwrap();
    let pseudonym = university.query(&format!(
        "select person_id from people where incident_id = {incident}"
    ));
    assert_eq!(pseudonym.len(), 32, "{pseudonym}");
    let account = accounted(office, id.parse().unwrap());
    let theirs = account["disclosures"].as_array().unwrap().iter();
    let theirs: Vec<&Value> = theirs
        .filter(|one| one["partner"]["id"] == "university")
        .collect();
    assert_eq!(
        (theirs.len(), &theirs[0]["pseudonym"]),
        (1, &Value::from(pseudonym.as_str())),
        "{account:#}"
    );
    let out = office.path("notices");
    let made = office.estop(&[
        "correct",
        "--dataset",
        "people",
        "--subject",
        id,
        "--note",
        "n",
        "--out",
        text(&out),
        "--json",
    ]);
    let made: Value = serde_json::from_slice(&made.stdout).unwrap();
    let notices = made["notices"].as_array().unwrap().iter();
    let files: Vec<&Value> = notices.filter(|one| one["partner"] == "university").collect();
    let notice = std::fs::read_to_string(files[0]["file"].as_str().unwrap()).unwrap();
    assert!(
        files.len() == 1 && notice.contains(&format!("\nsubject \"{pseudonym}\"\n")),
        "{notice}"
    );
}

const PSYCOPG: &str = "
import sys, psycopg
to, a, b, c = sys.argv[1], *map(int, sys.argv[2:5])
with psycopg.connect(to) as connection:
    with connection.cursor(binary=True) as cursor:
        cursor.execute('select person_id from people where person_id = %s', (a,), prepare=True)
        assert cursor.fetchall() == [(a,)]
    with connection.cursor('named') as cursor:
        cursor.execute('select * from people where person_id = %s', (b,))
        assert len(cursor.fetchall()) == 1
    with connection.pipeline():
        connection.execute('select person_id, name from people where person_id = %s', (c,))
        connection.execute('select 1')
";

fn nobody_is_told_of_what_was_not_given(office: &Office, ids: &[u64]) {
    // All were in the first list; each of the first eight was given once more.
    for (place, id) in ids.iter().enumerate() {
        let account = accounted(office, *id);
        let given = account["disclosures"].as_array().unwrap();
        assert_eq!(given.len(), if place < 8 { 2 } else { 1 }, "{place}: {account:#}");
        for one in given {
            assert_eq!(one["partner"]["id"], "state-police");
            assert_eq!(one["officer"]["id"], "d.achterberg");
            assert_eq!(one["agreement"], "state-police-2018");
            assert_eq!(one["legal_basis"], "ISA 2018-044, clause 3");
            assert_eq!(one["purpose"], "criminal-investigation");
            assert_eq!(one["case"], "TO-2026-1181");
        }
        let columns = |at: usize| given[at]["columns"].as_array().unwrap().len();
        assert_eq!(columns(0), 1);
        assert!(place != 0 || columns(1) == 6, "{account:#}");
    }
    let account = accounted(office, ids[0]);
    let unattributed = account["covers"]["unattributed"].as_array().unwrap();
    let rows = |why: &str| {
        let of = unattributed
            .iter()
            .filter(|one| one["why"] == why && one["dataset"] == "people");
        of.map(|one| one["rows"].as_u64().unwrap()).sum::<u64>()
    };
    assert_eq!((rows("no-key"), rows("copy")), (2, 3), "{account:#}");
    assert_eq!(accounted(office, 4_000_000)["disclosures"], serde_json::json!([]));
}

fn letters(office: &Office, id: u64) {
    let page = office.path("letter.html");
    let id = id.to_string();
    let output = office.estop(&[
        "accounting",
        "--dataset",
        "people",
        "--subject",
        &id,
        "--html",
        text(&page),
    ]);
    assert_eq!(output.status.code(), Some(0));
    let letter = String::from_utf8(output.stdout).unwrap();
    assert!(
        letter.contains("(state-police)") && letter.contains("ISA 2018-044, clause 3"),
        "{letter}"
    );
    assert!(
        letter.contains("2 times") && letter.contains("bulk copies"),
        "{letter}"
    );
    assert!(
        std::fs::read_to_string(page)
            .unwrap()
            .contains("<dt>legal basis</dt>")
    );
    for (dataset, subject, says) in [
        ("peeple", "1", "no data set `peeple`"),
        ("incidents", "1", "no subject key"),
        ("people", "one", "no value of `person_id`"),
    ] {
        let output = office.estop(&["accounting", "--dataset", dataset, "--subject", subject]);
        let said = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(2), "{said}");
        assert!(said.contains(says), "{said}");
    }
}

/// The federal agency's share asks for the subject key in every result.
fn required(federal: &Login, office: &Office) {
    let ids = lines(&federal.query("select person_id, name from people limit 5"));
    for sql in [
        "select count(*) from people",
        "select name from people limit 5",
        "select 1 where exists (select from people)",
        "begin; declare c cursor for select name from people; fetch 1 from c",
        "\\copy people to stdout",
    ] {
        let said = federal.refused(sql);
        assert!(
            said.contains("42501") && said.contains("subject_key = \"required\""),
            "{sql}: {said}"
        );
    }
    // Also where the driver asks for binary and has prepared, and the session goes on.
    runtime().block_on(async {
        let client = connected(federal).await;
        let counted = client.prepare("select count(*) from people").await.unwrap();
        for _ in 0..2 {
            let error = client.query(&counted, &[]).await.unwrap_err();
            assert_eq!(error.code().unwrap().code(), "42501");
        }
        let id = i32::try_from(ids[0]).unwrap();
        let found = client
            .query("select person_id from people where person_id = $1", &[&id])
            .await;
        assert_eq!(found.unwrap().len(), 1);
    });
    // Other data sets are as they were, and so is the catalog.
    federal.query("select count(*) from incidents");
    federal.query("\\d people");
    let account = accounted(office, ids[0]);
    let federal = account["disclosures"].as_array().unwrap().iter();
    assert_eq!(
        federal
            .filter(|one| one["partner"]["id"] == "federal-agency")
            .count(),
        2
    );
}

/// A session does not read on through a view that is another than at its login.
fn a_view_made_anew(isolation: &str, office: &Office, police: &Login) {
    if isolation != "in-place" {
        // Where it is made anew, sessions end by themselves.
        return;
    }
    let url = office.admin_url(estop::demo::load::DATABASE);
    runtime().block_on(async {
        let client = connected(police).await;
        let schema = police.query("select current_schema()");
        let again = format!(
            "begin; create temp table was as select pg_get_viewdef('{schema}.people'::regclass) as text, \
             (select pg_get_userbyid(relowner) from pg_class where oid = '{schema}.people'::regclass) as owner; \
             do $$ declare t text; o text; begin select text, owner into t, o from was; \
             execute 'drop view {schema}.people'; \
             execute 'create view {schema}.people with (security_barrier) as ' || t; \
             execute format('alter view {schema}.people owner to %I', o); \
             execute 'grant select on {schema}.people to {schema}'; end $$; commit"
        );
        psql_on(&url, &again).unwrap();
        let error = client.simple_query("select person_id from people limit 1").await.unwrap_err();
        assert_eq!(error.code().unwrap().code(), "57P01");
        // Whoever connects now is accounted for again.
        let ids = lines(&police.query("select person_id from people order by person_id desc limit 1"));
        assert_eq!(accounted(office, ids[0])["disclosures"].as_array().unwrap().len(), 1);
    });
}

fn accounted(office: &Office, id: u64) -> Value {
    let id = id.to_string();
    let output = office.estop(&["accounting", "--dataset", "people", "--subject", &id, "--json"]);
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stdout)
    );
    serde_json::from_slice(&output.stdout).unwrap()
}

fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .enable_all()
        .build()
        .unwrap()
}

async fn connected(login: &Login) -> Client {
    let tls = estop::tls::client(Path::new(&login.authority)).unwrap();
    let mut config: Config = format!(
        "host=localhost hostaddr=127.0.0.1 port={} sslmode=require",
        login.port
    )
    .parse()
    .unwrap();
    config
        .user(&login.user)
        .password(&login.password)
        .dbname(&login.database)
        .options(&login.options);
    let (client, connection) = config.connect(MakeRustlsConnect::new(tls)).await.unwrap();
    tokio::spawn(connection);
    client
}

/// A value's bytes as the server sent them.
struct Raw(Vec<u8>);

impl<'a> FromSql<'a> for Raw {
    fn from_sql(_: &Type, raw: &'a [u8]) -> Result<Self, Box<dyn std::error::Error + Sync + Send>> {
        Ok(Self(raw.to_vec()))
    }

    fn accepts(_: &Type) -> bool {
        true
    }
}

/// What a real server writes for a value, as text and in binary, is one text here; and values that it does not take for
/// equal are different texts.
#[test]
fn a_servers_text_and_binary_forms_of_a_key_are_one() {
    let scratch = estop::postgres::Scratch::start().unwrap();
    let url = stage::office::admin_url(&scratch, "postgres");
    runtime().block_on(async {
        let (client, connection) = url.parse::<Config>().unwrap().connect(NoTls).await.unwrap();
        tokio::spawn(connection);
        for (kind, values) in [
            ("int2", "-32768, -1, 0, 7, 32767"),
            ("int4", "-2147483648, 0, 42, 2147483647"),
            ("int8", "-9223372036854775808, 0, 1000000, 9223372036854775807"),
            (
                "numeric",
                "0, 1, -1, 0.1, 0.0001, 0.00001, 1.10, 10000, 99999.9999, 100000000, 123456789012345678901234567890.000000000000001, \
                 -0.000000000000000000001, 1e30, 1e-30, 12345678, 'NaN', 'Infinity', '-Infinity'",
            ),
            ("numeric(12,4)", "0, 1.5, 10000.0001, -99999999.9999"),
            ("text", "'', 'a', ' a ', 'äöü€', E'\\\\x41'"),
            ("varchar", "'', 'b '"),
            ("char(5)", "'', 'a', 'ab', ' c'"),
            ("uuid", "'A0EEBC99-9C0B-4EF8-BB6D-6BB9BD380A11', '00000000-0000-0000-0000-000000000000'"),
            (
                "date",
                "'0001-01-01', '0001-12-31 BC', '0005-02-29 BC', '4713-11-24 BC', '1582-10-15', '1899-12-31', '1900-02-28', \
                 '1970-01-01', '2000-02-29', '2024-02-29', '2026-11-24', '9999-12-31', '12026-01-01', '5874897-12-31', 'infinity', \
                 '-infinity'",
            ),
            ("bytea", "'', '\\x00ff', '\\xDEADBEEF'"),
        ] {
            let sql = format!("select v::{kind} from unnest(array[{values}]::{kind}[]) as v");
            let texts: Vec<Vec<u8>> = client.simple_query(&sql).await.unwrap().into_iter().filter_map(|message| match message {
                SimpleQueryMessage::Row(row) => Some(row.get(0).unwrap().as_bytes().to_vec()),
                _ => None,
            }).collect();
            let rows = client.query(&sql, &[]).await.unwrap();
            assert_eq!(texts.len(), rows.len());
            let mut seen = BTreeSet::new();
            for (text, row) in texts.iter().zip(&rows) {
                let sort = Sort::of_type(row.columns()[0].type_().oid()).unwrap();
                let binary = row.get::<_, Raw>(0).0;
                let canonical = |format, value: &[u8]| {
                    let mut out = Vec::new();
                    sort.canonical(format, value, &mut out).map(|()| String::from_utf8(out).unwrap())
                };
                let shown = String::from_utf8_lossy(text);
                let one = canonical(Format::Text, text);
                assert!(one.is_ok(), "{kind} {shown}");
                assert_eq!(one, canonical(Format::Binary, &binary), "{kind} {shown}");
                assert!(seen.insert(one.unwrap()), "{kind} {shown}: another value has this text");
            }
        }
    });
}
