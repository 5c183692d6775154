//! `estop top` over real sessions: what runs, for whom, since when; nothing of what is under seal; on a terminal and off.

#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "all of it is tests, also what is not marked as one"
)]

mod stage;

use std::path::Path;
use std::process::{Child, Command, Stdio};

use serde_json::Value;
use stage::office::Office;
use stage::{ESTOP, Login, root, run, wait_for};

/// A result that has no end within a test, to a client that does not read on: the statement runs as long as the client lives.
const LONG: &str =
    "copy (select a.incident_id, '\u{1b}[2J' from incidents a, incidents b, incidents c) to stdout";

fn at_work(login: &Login) -> Child {
    let mut psql = login.psql_command();
    psql.args(["-c", LONG]).stdin(Stdio::null());
    psql.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap()
}

fn idle(login: &Login) -> Child {
    let mut psql = login.psql_command();
    psql.stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::null());
    psql.spawn().unwrap()
}

fn top(office: &Office) -> Value {
    let output = office.estop(&["top", "--json"]);
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    serde_json::from_slice(&output.stdout).unwrap()
}

fn of<'a>(look: &'a Value, partner: &str) -> Option<&'a Value> {
    let mut sessions = look["sessions"].as_array().unwrap().iter();
    sessions.find(|line| line["partner"] == partner)
}

/// Overseers, as `estop overseers new` prints them for the estate.
fn overseers(folder: &Path) -> String {
    let made = Command::new(ESTOP)
        .args(["overseers", "new", "court", "--custodian", "records.city.example"])
        .args(["--holders", "judge,press", "--threshold", "2", "--json", "--out"])
        .arg(folder)
        .output()
        .unwrap();
    let made: Value = serde_json::from_slice(&made.stdout).unwrap();
    format!("\n{}\n", made["toml"].as_str().unwrap())
}

#[test]
fn what_runs_is_shown_to_the_operator_and_what_is_sealed_is_not() {
    let keys = tempfile::tempdir().unwrap();
    let table = overseers(keys.path());
    let office = Office::open_in("in-place", |files| {
        files.get_mut("estop.toml").unwrap().push_str(&table);
        let police = files.get_mut("agreements/state-police-2018.toml").unwrap();
        *police = police.replacen("[agreement]\n", "[agreement]\nsealed = { to = \"court\" }\n", 1);
    });
    assert_eq!(top(&office)["sessions"].as_array().unwrap().len(), 0);
    let none = office.estop(&["top"]);
    assert!(String::from_utf8_lossy(&none.stdout).ends_with("\nnobody is connected\n"));

    let university = office.login("university");
    let mut clients = [
        idle(&office.login("federal-agency")),
        at_work(&university),
        at_work(&office.login("state-police")),
    ];
    let mut look = Value::Null;
    wait_for("all are in, and two are given rows", || {
        look = top(&office);
        let given = |who| of(&look, who).is_some_and(|line| line["rows"].as_u64() > Some(0));
        of(&look, "federal-agency").is_some() && given("university") && given("state-police")
    });

    let epoch = look["epoch"].as_u64().unwrap();
    let running = of(&look, "university").unwrap();
    assert_eq!(running["gateway"], "gateway-1");
    assert_eq!(running["officer"], university.user.as_str());
    assert_eq!(running["agreement"], university.database.as_str());
    assert_eq!(
        (running["state"].as_str(), running["epoch"].as_u64()),
        (Some("active"), Some(epoch))
    );
    assert_eq!(running["running"]["text"], LONG);
    assert!(running["bytes"].as_u64() > running["rows"].as_u64());
    let sealed = of(&look, "state-police").unwrap();
    assert_eq!(sealed["running"]["text"], Value::Null);
    assert_eq!(sealed["state"], "active");
    let idle = of(&look, "federal-agency").unwrap();
    assert_eq!(
        (idle["state"].as_str(), &idle["running"]),
        (Some("idle"), &Value::Null)
    );
    let listed = look["sessions"].as_array().unwrap();
    assert_eq!(listed[2]["partner"], "federal-agency", "who is idle stands last");
    assert_eq!(look["gateways"][0]["listed"], true);

    // In a pipe: once, plain, and nothing that the partner wrote acts on a terminal.
    let plain = office.estop(&["top"]);
    let plain = String::from_utf8(plain.stdout).unwrap();
    assert!(!plain.contains('\u{1b}'), "{plain:?}");
    assert!(
        plain.contains("(under seal)") && plain.contains("select a.incident_id, ' [2J' from"),
        "{plain}"
    );
    assert_eq!(plain.lines().count(), 5, "{plain}");
    assert!(plain.contains("3 sessions, 2 at work"), "{plain}");

    on_a_terminal(&office);
    // The list of who is connected has no texts in it.
    let others = office.estop(&["sessions", "--json"]);
    assert!(!String::from_utf8_lossy(&others.stdout).contains("a.incident_id"));

    for client in &mut clients {
        client.kill().unwrap();
        client.wait().unwrap();
    }
    wait_for("all have gone", || {
        top(&office)["sessions"].as_array().unwrap().is_empty()
    });
}

fn on_a_terminal(office: &Office) {
    let said = run(Command::new("/usr/bin/python3")
        .arg(root("tests/drivers/top_on_terminal.py"))
        .args([ESTOP, "--estate"])
        .arg(office.path(""))
        .args(["top", "--every", "1"]));
    let told: Value = serde_json::from_str(&said).unwrap();
    assert_eq!(told["exit"], 0, "{told:#}");
    assert!(told["draws"].as_u64() >= Some(3), "{told:#}");
    assert!(told["lines"].as_u64() <= Some(8), "{told:#}");
    let screen = told["said"].as_str().unwrap();
    assert!(
        screen.contains("rows/s") && screen.ends_with("\u{1b}[?1049l"),
        "{screen:?}"
    );
    assert!(!screen.contains("\u{1b}[2J"), "{screen:?}");
}
