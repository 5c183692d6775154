//! Disclosures as Parquet, read by another engine.

use std::path::Path;
use std::process::Command;
use std::sync::Arc;

use estop::export::{Told, export};
use evidence::entry::{Entry, Kind};
use evidence::hash;
use evidence::id::{Custodian, PartnerId, SessionId};
use evidence::note::SignerKey;
use evidence::record::{Disclosure, Outcome, Subjects};
use evidence::subject::{AccountingKey, TagSet};
use jiff::Timestamp;
use serde_json::Value;

use crate::stage::office::Office;
use crate::{json, said, text};

/// The columns that an export always has.
const PUBLIC: [&str; 8] = [
    "index",
    "time",
    "kind",
    "partner",
    "agreement",
    "purpose",
    "sequence",
    "leaf",
];

#[test]
fn another_engine_reads_what_was_exported() {
    let mut office = Office::open_in("in-place", |_| ());
    let police = office.login("state-police");
    // Every kind of row: subjects, none, an error, one statement in several entries, more than one data set.
    police.query("select * from people limit 3");
    police.query("select count(*) from people");
    police.refused("select 1 / 0");
    police.query("select person_id from people, generate_series(1, 40)");
    police.query("select p.person_id, i.* from people p, incidents i limit 5");
    office
        .login("federal-agency")
        .query("select person_id, name from people limit 7");
    let shown = json(&office.estop(&["ledger", "show", "--last", "100000", "--json"]));
    let entries = shown["entries"].as_array().unwrap();
    let exported = |office: &Office, file: &str, more: &[&str]| {
        let file = office.path(file);
        let file = file.to_str().unwrap();
        let mut args = vec!["ledger", "export", file, "--json"];
        args.extend(more);
        let told = json(&office.estop(&args));
        (told, rows(file))
    };
    let wanted: Vec<Value> = entries.iter().filter_map(expected).collect();
    let (told, all) = exported(&office, "all.parquet", &["--records", "--statements"]);
    assert_eq!(
        (&told["rows"], &told["entries"]),
        (&wanted.len().into(), &entries.len().into())
    );
    assert!(
        wanted.iter().any(|row| row["kind"] == "continuation")
            && wanted.iter().any(|row| row["outcome"] == "failed")
    );
    for (row, wanted) in all.iter().zip(&wanted) {
        assert_eq!(row, wanted);
    }
    assert_eq!(all.len(), wanted.len());
    // What was not asked for is not there.
    let without = |row: &Value, keys: &[&str]| {
        let mut row = row.as_object().unwrap().clone();
        row.retain(|key, _| !keys.contains(&key.as_str()));
        Value::Object(row)
    };
    let (_, records) = exported(&office, "records.parquet", &["--records"]);
    let texts = ["statement", "parameters"];
    assert_eq!(
        records,
        wanted.iter().map(|row| without(row, &texts)).collect::<Vec<_>>()
    );
    let from = wanted[2]["index"].to_string();
    let (_, public) = exported(&office, "public.parquet", &["--from", &from]);
    let keys: Vec<&str> = public[0]
        .as_object()
        .unwrap()
        .keys()
        .map(String::as_str)
        .collect();
    assert_eq!(keys, PUBLIC);
    assert_eq!(
        (public.len(), &public[0]["leaf"]),
        (wanted.len() - 2, &wanted[2]["leaf"])
    );
    let public = office.path("public.parquet");
    let bytes = std::fs::read(&public).unwrap();
    assert!(!bytes.windows(12).any(|part| part == b"d.achterberg"));
    said(
        &office.estop(&["ledger", "export", public.to_str().unwrap()]),
        3,
        "cannot be written",
    );
    assert_eq!(std::fs::read(&public).unwrap(), bytes);
    office.close();
    assert_eq!(
        exported(&office, "closed.parquet", &["--records", "--statements"]).1[..wanted.len()],
        all
    );
    // Of what is erased there is the public part, and by which entry it was.
    let index = all[0]["index"].to_string();
    let erased = json(&office.estop(&["ledger", "erase", &index, "--reason", "art. 17", "--json"]));
    let (_, after) = exported(&office, "erased.parquet", &["--records", "--statements"]);
    assert_eq!(after[1..wanted.len()], all[1..]);
    let (public, left) = (public_part(&all[0]), &after[0]);
    assert_eq!(public_part(left), public);
    assert_eq!(left["erased_by"], erased["erasures"][0]["entry"]);
    for (key, value) in left.as_object().unwrap() {
        let none = value.is_null() || value == &serde_json::json!([]);
        assert!(none || key == "erased_by" || public.get(key).is_some(), "{left}");
    }
}

/// What everyone may know of a row.
fn public_part(row: &Value) -> Value {
    let mut row = row.as_object().unwrap().clone();
    row.retain(|key, _| PUBLIC.contains(&key.as_str()));
    Value::Object(row)
}

#[derive(Debug)]
struct Wall;

impl ledger::Clock for Wall {
    fn now(&self) -> Timestamp {
        estop::clock::now()
    }
}

/// A million disclosures of ten people each: the file's size, the time, and that memory does not grow with the log.
#[test]
#[ignore = "takes minutes; `make soak` runs it"]
fn a_million_disclosures_are_exported_in_constant_memory() {
    const MILLION: u64 = 1_000_000;
    let folder = tempfile::tempdir().unwrap();
    let custodian: Custodian = "records.example.org".parse().unwrap();
    let key = SignerKey::generate([7; 32], custodian.key_name());
    let config = ledger::Config::new(
        folder.path().join("ledger"),
        custodian.clone(),
        key,
        Arc::new(Wall),
    );
    let accounting = AccountingKey::new([7; 16]);
    let tagger = accounting.tagger(&"people".parse().unwrap());
    let ledger = ledger::Ledger::open(config).unwrap();
    let partner: PartnerId = "state-police".parse().unwrap();
    let opened = ledger::Draft::new(Kind::Opened, Vec::new()).with_partner(partner.clone());
    ledger.append(vec![opened]).wait().unwrap();
    let draft = |number: u64| {
        let tags = (0..10).map(|at| tagger.tag((number * 7 + at).to_string().as_bytes()));
        let record = Disclosure {
            session: SessionId::from(number / 100),
            statement_number: number % 100 + 1,
            partner: partner.clone(),
            officer: "d.achterberg".parse().unwrap(),
            agreement: "state-police-2018".parse().unwrap(),
            purpose: "criminal-investigation".parse().unwrap(),
            case: Some(format!("TO-2026-{}", number % 5_000).as_str().into()),
            text: format!("select person_id, name from people where person_id in ({number})").into(),
            parameters: Vec::new(),
            started: estop::clock::now(),
            rows: 10,
            bytes: 700,
            outcome: Outcome::Complete {
                tag: "SELECT 10".into(),
            },
            legal_basis: Some("ISA 2018-044".into()),
            subjects: vec![Subjects {
                dataset: "people".parse().unwrap(),
                columns: vec!["person_id".into(), "name".into()],
                rows: 10,
                key: accounting.id(),
                tags: TagSet::new(tags.collect()),
            }],
            unattributed: Vec::new(),
        };
        ledger::Draft::of(&record)
            .unwrap()
            .with_partner(partner.clone())
            .under(
                "state-police-2018".parse().unwrap(),
                "criminal-investigation".parse().unwrap(),
            )
    };
    for first in (0..MILLION).step_by(500) {
        ledger
            .append((first..first + 500).map(draft).collect())
            .wait()
            .unwrap();
    }
    let mut measured = Vec::new();
    for (name, from, told) in [
        ("tenth", MILLION * 9 / 10, Told::Statements),
        ("public", 0, Told::Public),
        ("records", 0, Told::Records),
        ("statements", 0, Told::Statements),
    ] {
        let file = folder.path().join(name);
        let began = estop::clock::monotonic();
        let exported = export(
            &folder.path().join("ledger"),
            &custodian,
            &file,
            from,
            told,
            |_| (),
        )
        .unwrap();
        let took = estop::clock::monotonic() - began;
        let peak = peak_kib();
        eprintln!(
            "{name}: {} rows, {} bytes, {took:.1?}, peak {peak} KiB",
            exported.rows, exported.bytes
        );
        measured.push((exported.rows, peak));
    }
    assert_eq!(measured[3].0, MILLION);
    // One row group is held, however many there are.
    assert!(measured[3].1 < measured[0].1 + 64 * 1_024, "{measured:?}");
    let file = folder.path().join("records");
    let python = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../target/python/bin/python");
    let sql = "import duckdb, sys; print(duckdb.connect().execute(\
               'select count(*), sum(rows), sum(len(subjects[1].tags)), count(distinct session) from read_parquet($1)', [sys.argv[1]]).fetchall())";
    let output = Command::new(python)
        .args(["-c", sql])
        .arg(&file)
        .output()
        .unwrap();
    said(&output, 0, "[(1000000, 10000000, 10000000, 10000)]");
}

/// The most memory that this process has had.
fn peak_kib() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find(|line| line.starts_with("VmHWM:")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse().unwrap()
}

/// The rows of an export as DuckDB reads them.
fn rows(file: &str) -> Vec<Value> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let python = root.join("target/python/bin/python");
    assert!(python.exists(), "no DuckDB: run scripts/prerequisites test");
    let judge = root.join("crates/estop/tests/judges/parquet_rows.py");
    let output = Command::new(python).arg(judge).arg(file).output();
    let output = output.unwrap();
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    serde_json::from_slice(&output.stdout).unwrap()
}

/// The row that an entry must give, made from what `ledger show` says of it.
fn expected(line: &Value) -> Option<Value> {
    let entry = Entry::parse(text(&line["entry"]).as_bytes()).unwrap();
    let record = &line["record"];
    if !matches!(entry.kind, Kind::Disclosure | Kind::Continuation | Kind::Outcome) {
        return None;
    }
    let first = entry.kind == Kind::Disclosure;
    let only = |there: bool, value: Value| if there { value } else { Value::Null };
    let outcome = &record["outcome"];
    let (what, says) = match outcome.as_object().and_then(|outcome| outcome.iter().next()) {
        Some((what, more)) => (
            Value::from(what.as_str()),
            more.as_object().unwrap().values().next().unwrap().clone(),
        ),
        None => (outcome.clone(), Value::Null),
    };
    let asked = record["text"]["text"].as_str().unwrap_or_default();
    let started = record["started"]
        .as_str()
        .map(|at| at.parse::<Timestamp>().unwrap().as_microsecond());
    let subjects = record["subjects"].as_array().into_iter().flatten().map(|of| {
        let tags: TagSet = serde_json::from_value(of["tags"].clone()).unwrap();
        let tags: Vec<u64> = tags.tags().iter().map(|tag| tag.0).collect();
        let columns = if of["columns"].is_null() { serde_json::json!([]) } else { of["columns"].clone() };
        serde_json::json!({ "dataset": of["dataset"], "rows": of["rows"], "key": of["key"], "columns": columns, "tags": tags })
    });
    let unattributed = record["unattributed"].as_array().into_iter().flatten();
    let unattributed = unattributed
        .map(|of| serde_json::json!({ "dataset": of["dataset"], "why": of["why"], "rows": of["rows"] }));
    Some(serde_json::json!({
        "index": line["index"],
        "time": entry.time.as_millisecond(),
        "kind": entry.kind.as_str(),
        "partner": entry.partner,
        "agreement": entry.agreement,
        "purpose": entry.purpose,
        "sequence": entry.place.unwrap().sequence,
        "leaf": entry.leaf().unwrap().to_hex(),
        "erased_by": Value::Null,
        "under_seal": Value::Null,
        "session": record["session"],
        "statement_number": record["statement_number"],
        "officer": record["officer"],
        "case_reference": record["case"],
        "legal_basis": record["legal_basis"],
        "started": started,
        "rows": only(entry.kind != Kind::Outcome, record["rows"].clone()),
        "bytes": only(entry.kind != Kind::Outcome, record["bytes"].clone()),
        "outcome": what,
        "outcome_says": says,
        "statement_sha256": only(first, hash::sha256(asked.as_bytes()).to_hex().into()),
        "statement_bytes": only(first, asked.len().into()),
        "subjects": subjects.collect::<Vec<_>>(),
        "unattributed": unattributed.collect::<Vec<_>>(),
        "statement": only(first, asked.into()),
        "parameters": only(first, record["parameters"].to_string().into()),
    }))
}
