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
    published(folder.path(), certificate);
}

/// The public site says who has access and what ended, carries a log that a stranger's program accepts, and nothing private.
fn published(folder: &Path, certificate: &str) {
    let site = folder.join("site");
    let publish = |to: &Path, certificates: &[&str]| {
        let mut command = estop();
        command
            .arg("--json")
            .arg("--estate")
            .arg(folder)
            .arg("publish")
            .arg(to);
        for file in certificates {
            command.args(["--certificate", file]);
        }
        let output = command.output().unwrap();
        let document: Value = serde_json::from_slice(&output.stdout).unwrap();
        (output.status.code(), document)
    };
    let (code, document) = publish(&site, &[certificate]);
    assert_eq!(code, Some(0), "{document}");
    let read = |name: &str| std::fs::read_to_string(site.join(name)).unwrap();
    let orders = document["site"]["orders"].as_array().unwrap();
    let [ended] = orders
        .iter()
        .filter(|order| order["kind"] == "terminate")
        .collect::<Vec<_>>()[..]
    else {
        panic!("one termination: {document:#}")
    };
    let file = ended["certificate"].as_str().unwrap();
    assert_eq!(
        std::fs::read(site.join(file)).unwrap(),
        std::fs::read(certificate).unwrap()
    );
    assert!(ended["in_force"].is_string());
    let (index, partner) = (read("index.html"), read("partners/federal-agency.html"));
    assert!(
        index.contains(file) && index.contains("partners/state-police.html"),
        "{index}"
    );
    assert!(
        partner.contains("ended by order") && partner.contains("its log was closed"),
        "{partner}"
    );
    assert!(partner.contains("country_of_birth"));
    assert!(
        !document["site"]["partners"]["federal-agency"]["disclosures"]
            .as_object()
            .unwrap()
            .is_empty()
    );
    let closed = document["site"]["agreements"].as_array().unwrap().iter();
    let open = closed
        .filter(|one| one["purposes"][0]["readable"] == true)
        .count();
    assert_eq!(open, 3);
    // Officers are named in the estate, and their statements in records: neither stands on any page.
    let everything: String = [
        "index.html",
        "site.json",
        "feed.xml",
        "partners/federal-agency.html",
        "partners/state-police.html",
    ]
    .map(read)
    .concat();
    for private in ["achterberg", "select ", "scram", "127.0.0.1"] {
        assert!(!everything.to_lowercase().contains(private), "{private}");
    }
    assert!(!everything.contains("<script") && !everything.contains("http://127"));

    let verify_log = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../target/go/verify_log");
    assert!(verify_log.exists(), "run scripts/prerequisites test");
    let key: evidence::note::VerifierKey = read("custodian.vkey").trim().parse().unwrap();
    let judge = |log: &str| {
        let log = site.join("log").join(log);
        let note = std::fs::read_to_string(log.join("checkpoint")).unwrap();
        let origin = note.lines().next().unwrap().parse().unwrap();
        let key = key.renamed(&origin).to_string();
        Command::new(&verify_log)
            .arg(log)
            .arg(key)
            .status()
            .unwrap()
            .code()
    };
    assert_eq!((judge(""), judge("p/federal-agency")), (Some(0), Some(0)));

    // Renewed, it keeps its certificates and copies nothing twice.
    let (code, again) = publish(&site, &[]);
    assert_eq!((code, &again["written"]["log_files"]), (Some(0), &Value::from(0)));
    assert_eq!(again["site"]["orders"], document["site"]["orders"]);
    // Nothing else is taken for a site, and nothing for a certificate that is none.
    let other = folder.join("other");
    std::fs::create_dir(&other).unwrap();
    std::fs::write(other.join("precious"), "a text").unwrap();
    assert_eq!(publish(&other, &[]).0, Some(2));
    assert_eq!(std::fs::read_dir(&other).unwrap().count(), 1);
    let forged = folder.join("forged");
    let text = std::fs::read_to_string(certificate)
        .unwrap()
        .replacen("federal-agency", "federal-agencx", 1);
    std::fs::write(&forged, text).unwrap();
    let fresh = folder.join("fresh");
    assert_eq!(publish(&fresh, &[forged.to_str().unwrap()]).0, Some(1));
    assert!(!fresh.exists());
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
