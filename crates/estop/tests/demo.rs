//! The demo as an end-to-end test: every step holds, the proof outlives it, and nothing is left running.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "all of it is tests, also what is not marked as one"
)]

use std::io::{BufRead as _, BufReader, Read as _};
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::{Child, Command, Stdio};

use estop::clock;
use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;

fn estop() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_estop"));
    command.stdin(Stdio::null());
    command
}

fn step<'d>(document: &'d Value, id: &str) -> &'d Value {
    document["steps"]
        .as_array()
        .unwrap()
        .iter()
        .find(|step| step["id"] == id)
        .unwrap()
}

#[test]
fn every_step_holds_and_the_certificate_outlives_the_demo() {
    let folder = tempfile::tempdir().unwrap();
    let output = estop()
        .args(["demo", "--once", "--json", "--dir"])
        .arg(folder.path())
        .output()
        .unwrap();
    let document: Value = serde_json::from_slice(&output.stdout).unwrap();
    let broken: Vec<_> = document["steps"]
        .as_array()
        .unwrap()
        .iter()
        .filter(|step| step["holds"] != true)
        .collect();
    assert!(broken.is_empty(), "{broken:#?}");
    assert_eq!(output.status.code(), Some(0));
    assert!(document["seconds"].as_f64().unwrap() < 60.0);
    assert!(step(&document, "cut")["rows"].as_u64().unwrap() >= 100_000);
    let counts = step(&document, "public-health-query");
    assert!(counts["groups"].as_u64().unwrap() > 600 && counts["small"].as_u64().unwrap() > 40);
    let findings = step(&document, "drafted")["findings"].as_array().unwrap();
    assert_eq!(findings[0]["forbids"][0]["guardrail"], "youth-records");
    assert_eq!(findings[0]["permits"]["agreement"], "federal-2019");
    assert!(
        step(&document, "denied").get("solvers").is_none(),
        "apt-get install cvc5 z3"
    );
    // The server has gone with everything it had.
    assert!(!Path::new(document["upstream"]["host"].as_str().unwrap()).exists());

    let certificate = step(&document, "certificate")["file"].as_str().unwrap();
    let key = folder.path().join("state/custodian.vkey");
    let verified = estop()
        .args(["certificate", "verify", certificate, "--key"])
        .arg(key)
        .output()
        .unwrap();
    assert_eq!(verified.status.code(), Some(0));
    let ledger = estop()
        .arg("--estate")
        .arg(folder.path())
        .args(["ledger", "verify"])
        .output()
        .unwrap();
    assert_eq!(ledger.status.code(), Some(0));
    as_it_was(folder.path());
    opened(folder.path());
}

/// One entry, opened to a stranger, who has nothing but the file and the key.
fn opened(folder: &Path) {
    let (file, key) = (folder.join("opening"), folder.join("state/custodian.vkey"));
    let shown = estop()
        .arg("--estate")
        .arg(folder)
        .args(["ledger", "show", "--last", "10000", "--json"])
        .output()
        .unwrap();
    let shown: Value = serde_json::from_slice(&shown.stdout).unwrap();
    let entries = shown["entries"].as_array().unwrap();
    let text = |line: &Value| line["entry"].as_str().unwrap().to_owned();
    let first = entries
        .iter()
        .find(|line| text(line).contains("\nkind disclosure\n"))
        .unwrap();
    let written = estop()
        .arg("--estate")
        .arg(folder)
        .args(["ledger", "open", &first["index"].to_string(), "-o"])
        .arg(&file)
        .status()
        .unwrap();
    assert_eq!(written.code(), Some(0));
    let check = || {
        let output = estop()
            .args(["ledger", "check-opening", "--json", "--key"])
            .args([&key, &file])
            .output()
            .unwrap();
        let document: Value = serde_json::from_slice(&output.stdout).unwrap_or_default();
        (output.status.code(), document)
    };
    let (code, document) = check();
    assert_eq!((code, &document["record"]), (Some(0), &first["record"]));
    let changed = std::fs::read_to_string(&file)
        .unwrap()
        .replacen("\"rows\":", "\"rowz\":", 1);
    std::fs::write(&file, changed).unwrap();
    assert_eq!(check().0, Some(1));
    let nothing = estop()
        .arg("--estate")
        .arg(folder)
        .args(["ledger", "open", "0"])
        .output()
        .unwrap();
    assert_eq!(nothing.status.code(), Some(2));
}

/// Before its end the partner could read, and since then it cannot: by the ledger alone, which is all that is left.
fn as_it_was(folder: &Path) {
    let ask = |words: &[&str]| {
        let output = estop()
            .arg("--estate")
            .arg(folder)
            .args(words)
            .arg("--json")
            .output()
            .unwrap();
        assert_eq!(output.status.code(), Some(0), "{words:?}");
        serde_json::from_slice::<Value>(&output.stdout).unwrap()
    };
    let shown = ask(&["ledger", "show", "--last", "10000"]);
    let entries = shown["entries"].as_array().unwrap().iter();
    let end = entries
        .filter(|line| line["entry"].as_str().unwrap().contains("\nkind epoch\n"))
        .filter_map(|line| line["record"]["at"].as_str())
        .next_back()
        .unwrap();
    let end: jiff::Timestamp = end.parse().unwrap();
    let before = end
        .checked_sub(jiff::SignedDuration::from_secs(1))
        .unwrap()
        .to_string();
    for (time, readable) in [(before.as_str(), true), ("now", false)] {
        let told = ask(&[
            "as-of",
            time,
            "--partner",
            "federal-agency",
            "--dataset",
            "people",
        ]);
        let [agreement] = told["agreements"].as_array().unwrap().as_slice() else {
            panic!("one agreement: {told}")
        };
        let [purpose] = agreement["purposes"].as_array().unwrap().as_slice() else {
            panic!("one purpose with people: {told}")
        };
        assert_eq!(purpose["readable"], readable, "{time}: {told}");
        assert_eq!(purpose["ended_by"].is_null(), readable);
        let columns = purpose["shares"][0]["columns"].as_object().unwrap();
        assert!(columns.contains_key("country_of_birth"), "{told}");
    }
    let others = ask(&["as-of", "now"]);
    let others = others["agreements"].as_array().unwrap().iter();
    assert_eq!(
        others
            .filter(|one| one["purposes"][0]["readable"] == true)
            .count(),
        3
    );
}

/// A folder for temporary files that every account can enter, removed with all that a killed demo leaves in it.
fn open_folder() -> tempfile::TempDir {
    let mode = std::fs::Permissions::from_mode(0o755);
    tempfile::Builder::new().permissions(mode).tempdir().unwrap()
}

/// Starts a demo that has said this by now, and keeps its temporary files in `folder`.
fn demo_until(said: &str, folder: &Path) -> Child {
    let mut child = estop()
        .arg("demo")
        .env("TMPDIR", folder)
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut reader = BufReader::new(child.stdout.take().unwrap());
    let found = reader.by_ref().lines().any(|line| line.unwrap().contains(said));
    // Whatever comes after is read, so that the demo can go on speaking.
    std::thread::spawn(move || reader.read_to_end(&mut Vec::new()));
    if !found {
        child.wait().unwrap();
    }
    assert!(found, "the demo ended before it said `{said}`");
    child
}

fn children(parent: u32) -> Vec<u32> {
    let listed = std::fs::read_to_string(format!("/proc/{parent}/task/{parent}/children")).unwrap();
    listed
        .split_whitespace()
        .map(|process| process.parse().unwrap())
        .collect()
}

fn signal(child: &Child, signal: Signal) {
    let process = Pid::from_raw(i32::try_from(child.id()).unwrap()).unwrap();
    kill_process(process, signal).unwrap();
}

#[test]
fn ctrl_c_in_the_middle_leaves_nothing_running() {
    for (moment, wanted) in [("real incidents", 1), ("serving until Ctrl-C", 0)] {
        let folder = open_folder();
        let mut child = demo_until(moment, folder.path());
        let servers = children(child.id());
        assert!(!servers.is_empty());
        signal(&child, Signal::INT);
        assert_eq!(
            child.wait().unwrap().code(),
            Some(wanted),
            "interrupted at `{moment}`"
        );
        for server in servers {
            assert!(
                !Path::new(&format!("/proc/{server}")).exists(),
                "interrupted at `{moment}`"
            );
        }
    }
}

#[test]
fn not_even_a_killed_demo_leaves_a_server_running() {
    assert!(
        Path::new("/usr/bin/setpriv").exists(),
        "apt-get install util-linux"
    );
    let folder = open_folder();
    let mut child = demo_until("real incidents", folder.path());
    let servers = children(child.id());
    assert!(!servers.is_empty());
    signal(&child, Signal::KILL);
    child.wait().unwrap();
    let gone = |server: &u32| {
        let state = std::fs::read_to_string(format!("/proc/{server}/stat")).unwrap_or_default();
        // A zombie waits for whoever adopted it.
        state.is_empty() || state.contains(") Z ")
    };
    let began = clock::monotonic();
    while !servers.iter().all(gone) {
        assert!(began.elapsed().as_secs() < 20, "the server is still there");
        std::thread::sleep(std::time::Duration::from_millis(20));
    }
}
