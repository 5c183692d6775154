//! The published JSON Schemas, held against the demo's estate and against wrong files by somebody else's validator
//! (Debian's python3-jsonschema).

#![expect(
    clippy::unwrap_used,
    reason = "all of it is tests, also what is not marked as one"
)]

use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use policy::estate::schema::FileKind;
use serde_json::{Value, json};

/// Reads `[[schema, document], ...]` and answers with the first error of each, or null.
const VALIDATOR: &str = "\
import json, sys
try:
    from jsonschema import Draft7Validator
except ImportError:
    sys.exit('python3-jsonschema is missing: run scripts/prerequisites test')
answers = []
for schema, document in json.load(sys.stdin):
    Draft7Validator.check_schema(schema)
    errors = sorted(Draft7Validator(schema).iter_errors(document), key=str)
    answers.append(errors[0].message if errors else None)
json.dump(answers, sys.stdout)
";

fn validate(pairs: &[(FileKind, Value)]) -> Vec<Option<String>> {
    let mut python = Command::new("/usr/bin/python3")
        .args(["-c", VALIDATOR])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let asked: Vec<(Value, &Value)> = pairs
        .iter()
        .map(|(kind, document)| (kind.schema(), document))
        .collect();
    python
        .stdin
        .take()
        .unwrap()
        .write_all(serde_json::to_string(&asked).unwrap().as_bytes())
        .unwrap();
    let output = python.wait_with_output().unwrap();
    assert!(output.status.success(), "see above");
    serde_json::from_slice(&output.stdout).unwrap()
}

fn root(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(path)
}

fn read(text: &str) -> Value {
    let table: toml::Table = toml::from_str(text).unwrap();
    serde_json::to_value(table).unwrap()
}

#[test]
fn the_published_schemas_are_those_of_the_program() {
    for kind in FileKind::ALL {
        let path = root("../../docs/schema").join(format!("{}.json", kind.name()));
        let published = fs::read_to_string(&path).unwrap_or_default();
        assert!(
            serde_json::from_str(&published).unwrap_or(Value::Null) == kind.schema(),
            "docs/schema/{0}.json is stale: run `make schemas`, which is `estop schema {0} > docs/schema/{0}.json` for each kind",
            kind.name()
        );
    }
}

#[test]
fn the_demos_estate_is_valid_by_them() {
    let mut pairs = Vec::new();
    let mut names = Vec::new();
    for folder in ["", "datasets", "partners", "agreements"] {
        for entry in fs::read_dir(root("demo-estate").join(folder)).unwrap() {
            let path = entry.unwrap().path();
            if path.extension().is_some_and(|ending| ending == "toml") {
                let name = path
                    .strip_prefix(root("demo-estate"))
                    .unwrap()
                    .to_str()
                    .unwrap()
                    .to_owned();
                let verifier = format!("SCRAM-SHA-256$4096:c2FsdA==${0}:{0}", "A".repeat(43) + "=");
                let mut text = fs::read_to_string(&path)
                    .unwrap()
                    .replace("@UPSTREAM@", "postgresql://a@/b")
                    .replace("@ISOLATION@", "in-place")
                    .replace("@LISTEN@", "127.0.0.1:6432");
                while let Some((before, rest)) = text.split_once("@SCRAM:") {
                    let after = rest.split_once('@').unwrap().1;
                    text = format!("{before}{verifier}{after}");
                }
                pairs.push((FileKind::of_path(&name).unwrap(), read(&text)));
                names.push(name);
            }
        }
    }
    assert!(names.len() >= 9, "{names:?}");
    for (name, answer) in names.iter().zip(validate(&pairs)) {
        assert_eq!(answer, None, "{name}");
    }
}

#[test]
fn wrong_files_are_not() {
    let dataset = "[dataset]\nid = \"a\"\nupstream = \"main\"\nrelation = \"s.t\"\n[columns]\nx = { type = \"text\" }\n";
    let partner = "[partner]\nid = \"a\"\ntitle = \"A\"\n";
    let agreement = "[agreement]\nid = \"a\"\npartner = \"p\"\nlegal_basis = \"L\"\nvalid = { from = \"2026-01-01\", until = \
                     \"2026-12-31\" }\npurposes = [\"p\"]\n[[share]]\ndataset = \"a\"\ncolumns = [\"x\"]\n[limits]\nsessions = 1\n";
    let estop = "[custodian]\nname = \"a.b\"\ntitle = \"A\"\n[upstream.main]\nurl = \"postgres://a@/b\"\n[gateway]\nlisten = \
                 \"127.0.0.1:1\"\ntls_certificate = \"c\"\ntls_key = \"k\"\npublic_name = \"n\"\n[state]\ndir = \"s\"\n\
                 [watch]\nevery_seconds = 5\non_drift = \"cut\"\n";
    let whole = [
        (FileKind::Estop, estop),
        (FileKind::Dataset, dataset),
        (FileKind::Partner, partner),
        (FileKind::Agreement, agreement),
    ];
    let right: Vec<(FileKind, Value)> = whole.iter().map(|(kind, text)| (*kind, read(text))).collect();
    assert_eq!(validate(&right), vec![None; 4]);
    let wrong = [
        (FileKind::Estop, estop, "= 5", "= 4"),
        (FileKind::Estop, estop, "= 5", "= 3601"),
        (FileKind::Estop, estop, "\"cut\"", "\"hope\""),
        (FileKind::Estop, estop, "every_seconds", "every"),
        (FileKind::Dataset, dataset, "\"text\"", "\"txt\""),
        (FileKind::Dataset, dataset, "\"text\"", "\"numeric(10,9)\""),
        (FileKind::Dataset, dataset, "type =", "kind ="),
        (FileKind::Dataset, dataset, "\"s.t\"", "\"t\""),
        (FileKind::Dataset, dataset, "id = \"a\"", "id = \"A\""),
        (FileKind::Dataset, dataset, "x = { type = \"text\" }", ""),
        (FileKind::Dataset, dataset, "upstream", "up_stream"),
        (FileKind::Partner, partner, "title = \"A\"", ""),
        (FileKind::Partner, partner, "\"A\"", "\"\""),
        (
            FileKind::Partner,
            partner,
            "\"A\"",
            "\"A\"\ntags = [\"Not A Tag\"]",
        ),
        (FileKind::Agreement, agreement, "\"2026-01-01\"", "\"2026-13-01\""),
        (FileKind::Agreement, agreement, "sessions = 1", "sessions = 0"),
        (FileKind::Agreement, agreement, "sessions = 1", "session = 1"),
        (
            FileKind::Agreement,
            agreement,
            "sessions = 1",
            "hours = \"always\"",
        ),
        (FileKind::Agreement, agreement, "[\"p\"]", "[]"),
        (
            FileKind::Agreement,
            agreement,
            "[\"x\"]",
            "[\"x\"]\nkind = \"sum\"",
        ),
        (
            FileKind::Agreement,
            agreement,
            "purposes",
            "document = \"../x\"\npurposes",
        ),
        (
            FileKind::Agreement,
            agreement,
            "purposes",
            "onward = { to = [\"a\"] }\npurposes",
        ),
    ];
    let pairs: Vec<(FileKind, Value)> = wrong
        .iter()
        .map(|(kind, text, from, to)| {
            assert!(text.contains(from));
            (*kind, read(&text.replacen(from, to, 1)))
        })
        .collect();
    for ((_, _, from, to), answer) in wrong.iter().zip(validate(&pairs)) {
        assert!(answer.is_some(), "{from} -> {to}");
    }
}

#[test]
fn a_schema_explains_every_key() {
    fn keys(path: &str, schema: &Value, missing: &mut Vec<String>) {
        let Some(properties) = schema.get("properties").and_then(Value::as_object) else {
            return;
        };
        for (key, property) in properties {
            let said = property.get("description").is_some()
                || property.get("$ref").is_some()
                || property.get("allOf").is_some()
                || property.get("anyOf").is_some();
            if !said {
                missing.push(format!("{path}.{key}"));
            }
        }
    }
    let mut missing = Vec::new();
    for kind in FileKind::ALL {
        let schema = kind.schema();
        keys(kind.name(), &schema, &mut missing);
        for (name, definition) in schema
            .get("definitions")
            .and_then(Value::as_object)
            .into_iter()
            .flatten()
        {
            keys(name, definition, &mut missing);
        }
        assert_eq!(
            schema.get("additionalProperties"),
            Some(&json!(false)),
            "{}",
            kind.name()
        );
    }
    assert_eq!(missing, Vec::<String>::new());
}
