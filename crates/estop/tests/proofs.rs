//! `estop check` and `estop prove` as scripts see them: exit codes, one document, no solver, an altered folder.

#![expect(
    clippy::unwrap_used,
    reason = "all of it is tests, also what is not marked as one"
)]

use std::fs;
use std::path::Path;
use std::process::{Command, Output, Stdio};

use serde_json::Value;

const DEMO: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/demo-estate");
const VERIFIER: &str = "SCRAM-SHA-256$4096:c2FsdHNhbHRzYWx0c2FsdA==$AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=:AQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQE=";

/// The demo's estate with what is filled in at each run.
fn estate() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    copy(Path::new(DEMO), folder.path());
    folder
}

fn copy(from: &Path, to: &Path) {
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let target = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            fs::create_dir(&target).unwrap();
            copy(&entry.path(), &target);
            continue;
        }
        let text = fs::read_to_string(entry.path()).unwrap();
        let text = text
            .replace("@UPSTREAM@", "postgresql://a@/r?host=/tmp")
            .replace("@ISOLATION@", "in-place")
            .replace("@LISTEN@", "127.0.0.1:6432");
        let lines = text.lines().filter(|line| !line.contains("@KEY:"));
        let filled: Vec<String> = lines
            .map(|line| {
                if line.contains("@SCRAM:") {
                    format!("scram = \"{VERIFIER}\"")
                } else {
                    line.to_owned()
                }
            })
            .collect();
        fs::write(target, filled.join("\n") + "\n").unwrap();
    }
}

fn estop(folder: &Path, arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_estop"))
        .args(["--json", "--estate"])
        .arg(folder)
        .args(arguments)
        .stdin(Stdio::null())
        .output()
        .unwrap()
}

fn answer(output: &Output) -> (i32, Value) {
    let document = serde_json::from_slice(&output.stdout).unwrap_or_else(|error| {
        let said = String::from_utf8_lossy(&output.stdout).into_owned();
        let complained = String::from_utf8_lossy(&output.stderr).into_owned();
        unreachable!("{error}: {said} {complained}")
    });
    (output.status.code().unwrap(), document)
}

#[test]
fn guardrails_that_hold_are_0_and_one_that_does_not_is_1() {
    let folder = estate();
    let (code, document) = answer(&estop(folder.path(), &["check"]));
    assert_eq!(
        (code, &document["proof"]["verdict"]),
        (0, &Value::from("holds")),
        "{document:#}"
    );
    let path = folder.path().join("agreements/federal-2019.toml");
    let text = fs::read_to_string(&path).unwrap();
    fs::write(&path, text.replace(" && !resource.is_juvenile", "")).unwrap();
    let (code, document) = answer(&estop(folder.path(), &["check"]));
    assert_eq!(code, 1);
    let finding = &document["proof"]["claims"][0]["findings"][0];
    assert_eq!(finding["forbids"][0]["guardrail"], "youth-records");
    assert_eq!(finding["permits"]["file"], "agreements/federal-2019.toml");
    assert_eq!(finding["who"]["officer"], "r.northcote");
    assert!(
        finding["reads"]["row"]
            .as_array()
            .unwrap()
            .iter()
            .any(|holds| holds["column"] == "is_juvenile" && holds["value"] == "true")
    );
}

#[test]
fn without_a_solver_check_is_3_unless_it_is_told_to_do_without() {
    let folder = estate();
    let empty = tempfile::tempdir().unwrap();
    let run = |arguments: &[&str]| {
        Command::new(env!("CARGO_BIN_EXE_estop"))
            .arg("--estate")
            .arg(folder.path())
            .args(arguments)
            .env("PATH", empty.path())
            .output()
            .unwrap()
    };
    let output = run(&["check"]);
    let said = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(3));
    assert!(said.contains("apt-get install cvc5 z3"), "{said}");
    assert_eq!(run(&["prove"]).status.code(), Some(3));
    let output = run(&["check", "--no-solver"]);
    assert_eq!(output.status.code(), Some(0));
    assert!(String::from_utf8(output.stdout).unwrap().contains("NOT PROVED"));
    // An estate without guardrails has nothing to be proved.
    fs::remove_dir_all(folder.path().join("guardrails")).unwrap();
    assert_eq!(run(&["check"]).status.code(), Some(0));
}

#[test]
fn evidence_is_checked_again_without_the_estate() {
    let folder = estate();
    let evidence = tempfile::tempdir().unwrap();
    let out = evidence.path().join("proof");
    let shown = out.to_str().unwrap().to_owned();
    let arguments = [
        "prove",
        "--terminate",
        "federal-agency",
        "--never",
        "people.is_juvenile",
        "--out",
        &shown,
    ];
    let (code, document) = answer(&estop(folder.path(), &arguments));
    assert_eq!(
        (code, &document["verdict"]),
        (0, &Value::from("holds")),
        "{document:#}"
    );
    assert_eq!(
        answer(&estop(folder.path(), &arguments)).0,
        2,
        "over nothing is written"
    );
    drop(folder);
    let nowhere = evidence.path().join("nowhere");
    let (code, document) = answer(&estop(&nowhere, &["prove", "--recheck", &shown]));
    assert_eq!(
        (code, &document["as_it_says"]),
        (0, &Value::from(true)),
        "{document:#}"
    );
    fs::write(out.join("more"), "").unwrap();
    let (code, document) = answer(&estop(&nowhere, &["prove", "--recheck", &shown]));
    assert_eq!((code, &document["as_it_says"]), (1, &Value::from(false)));
    assert_eq!(
        answer(&estop(
            &nowhere,
            &["prove", "--recheck", nowhere.to_str().unwrap()]
        ))
        .0,
        3
    );
}

#[test]
fn a_wrong_call_is_2_and_says_what_there_is() {
    let folder = estate();
    for (arguments, says) in [
        (&["prove", "--never", "people.nmae"][..], "`name`"),
        (&["prove", "--never", "persons.name"], "`people`"),
        (&["prove", "--never", "identiti"], "`identity`"),
        (&["prove", "--terminate", "federal"], "`federal-agency`"),
        (
            &[
                "prove",
                "--terminate",
                "federal-agency",
                "--agreement",
                "university-2020",
            ],
            "`federal-2019`",
        ),
        (
            &["prove", "--terminate", "federal-agency", "--purpose", "research"],
            "`customs-investigation`",
        ),
        (&["prove", "--never", "identity", "--to", "fbi"], "`state-police`"),
    ] {
        let (code, document) = answer(&estop(folder.path(), arguments));
        let help = document["error"]["help"].as_str().unwrap_or_default();
        assert!(
            code == 2 && help.contains(says),
            "{arguments:?}: {code} {document:#}"
        );
    }
    // clap's own words, no document.
    assert_eq!(
        estop(folder.path(), &["prove", "--unmasked"]).status.code(),
        Some(2)
    );
    assert_eq!(
        estop(folder.path(), &["prove", "--recheck", "x", "--out", "y"])
            .status
            .code(),
        Some(2)
    );
}

#[test]
fn what_a_new_estate_permits_is_listed() {
    let (old, new) = (estate(), estate());
    let shown = old.path().to_str().unwrap();
    let (code, _) = answer(&estop(new.path(), &["prove", "--against", shown]));
    assert_eq!(code, 0);
    let path = new.path().join("agreements/university-2020.toml");
    let text = fs::read_to_string(&path).unwrap();
    fs::write(
        &path,
        text.replace("mask = { occurred_on = \"month\", ", "mask = { "),
    )
    .unwrap();
    let (code, document) = answer(&estop(new.path(), &["prove", "--against", shown]));
    assert_eq!(code, 1);
    let claims = document["claims"].as_array().unwrap();
    let new = claims
        .iter()
        .find(|claim| claim["name"] == "nothing-new")
        .unwrap();
    let finding = &new["findings"][0];
    assert_eq!(finding["permits"]["agreement"], "university-2020");
    assert_eq!(
        finding["reads"]["columns"],
        serde_json::json!([{ "column": "occurred_on", "masked": false }])
    );
}
