//! Unmodified clients against a served demo: psql, psycopg 3 and node-postgres, with TLS and SCRAM, in policy mode.

#![expect(
    clippy::unwrap_used,
    reason = "all of it is tests, also what is not marked as one"
)]

mod stage;

use std::process::Command;

use stage::office::Office;
use stage::{Stage, root, run};

#[test]
fn clients_work_and_are_refused_what_they_must_not() {
    clients(&Stage::set_in("in-place"));
}

#[test]
fn clients_work_in_an_airlock_as_they_do_in_place() {
    clients(&Stage::set_in("airlock"));
}

fn clients(stage: &Stage) {
    psql(stage);
    psycopg(stage);
    node(stage);
    what_is_refused_at_the_door(stage);
    a_long_result_takes_no_more_memory_than_a_short_one(stage);
    a_password_that_is_being_renewed(stage);
}

/// While it is, the database takes the one before or the new one, and nobody knows which.
fn a_password_that_is_being_renewed(stage: &Stage) {
    let police = stage.login("state-police");
    let role = police.query("select current_user");
    let (key, real) = (format!("upstream/{role}"), stage.password("upstream", &role));
    for (held, comes_in) in [
        (serde_json::json!({ "password": "not yet", "before": real }), true),
        (
            serde_json::json!({ "password": real, "before": "not any more" }),
            true,
        ),
        (serde_json::json!({ "password": "another" }), false),
        (serde_json::json!({ "password": real }), true),
    ] {
        stage.put(&key, &held);
        let came_in = police.psql(&["select 1"]).status.success();
        assert_eq!(came_in, comes_in, "{held}");
    }
}

fn psql(stage: &Stage) {
    let police = stage.login("state-police");
    assert!(
        police
            .query("select count(*) from people")
            .parse::<u64>()
            .unwrap()
            > 0
    );
    assert_eq!(police.query("show estop.agreement"), "state-police-2018");
    assert_eq!(police.query("show estop.case"), "TO-2026-1181");
    for command in [
        "\\d",
        "\\dt",
        "\\dv",
        "\\d people",
        "\\dn",
        "\\du",
        "\\df",
        "\\l",
        "\\conninfo",
        "\\dp",
    ] {
        let output = police.psql(&[command]);
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(
            output.status.success() && !said.contains("ERROR"),
            "{command}: {said}"
        );
    }
    assert!(police.query("\\d people").contains("person_id"));
    let copied = police.query("\\copy (select * from people) to stdout");
    let counted: usize = police.query("select count(*) from people").parse().unwrap();
    assert_eq!(copied.lines().count(), counted);
    let mut cursor = police.psql_command();
    cursor.args(["-v", "FETCH_COUNT=100", "-c", "select person_id from people"]);
    assert_eq!(run(&mut cursor).lines().count(), counted);
    let output = police.psql(&[
        "set estop.case = 'TO-2026-7'",
        "show estop.case",
        "set estop.case = 'nonsense'",
    ]);
    assert_eq!(String::from_utf8_lossy(&output.stdout), "SET\nTO-2026-7\n");
    assert!(String::from_utf8_lossy(&output.stderr).contains("22023"));
}

fn psycopg(stage: &Stage) {
    let said = run(Command::new("/usr/bin/python3")
        .arg(root("tests/drivers/partner_psycopg.py"))
        .arg(stage.login("state-police").conninfo()));
    assert!(said.lines().count() > 40, "{said}");
}

fn node(stage: &Stage) {
    let login = stage.login("state-police");
    let said = run(Command::new("node")
        .env(
            "NODE_PATH",
            format!("{}:/usr/share/nodejs", root("target/node/node_modules").display()),
        )
        .arg(root("tests/drivers/partner_node.js"))
        .args([
            &login.host,
            &login.port,
            &login.user,
            &login.password,
            &login.database,
            &login.options,
        ])
        .arg(&login.authority));
    assert!(said.lines().count() >= 10, "{said}");
}

fn what_is_refused_at_the_door(stage: &Stage) {
    let police = stage.login("state-police");
    let university = stage.login("university");
    let federal = stage.login("federal-agency");
    // Not yours, and not there, are the same.
    let mut other = police.clone();
    other.database.clone_from(&university.database);
    let not_yours = other.refused("select 1");
    other.database = "no-such-agreement".to_owned();
    let not_there = other.refused("select 1");
    assert_eq!(
        not_yours.replace("university-2020", "X"),
        not_there.replace("no-such-agreement", "X")
    );
    let mut wrong = police.clone();
    wrong.options = "-cestop.purpose=marketing".to_owned();
    assert!(wrong.refused("select 1").contains("purpose"));
    wrong.options = "-cestop.case=XYZ".to_owned();
    assert!(wrong.refused("select 1").contains("case reference"));
    wrong.options = "-csearch_path=records".to_owned();
    assert!(wrong.refused("select 1").contains("search_path"));
    let cut = federal.refused("select 1");
    assert!(cut.contains("D-") && cut.contains("directive"), "{cut}");
    // The user name may carry purpose and case.
    let mut by_name = police.clone();
    by_name.options = String::new();
    by_name.user = format!("{}+criminal-investigation+TO-2026-8", police.user);
    assert_eq!(by_name.query("show estop.case"), "TO-2026-8");
}

/// The most that the demo's process has had in memory, in KiB (`VmHWM` of proc_pid_status(5)).
fn most_memory(stage: &Stage) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{}/status", stage.pid())).unwrap();
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix("VmHWM:"))
        .unwrap();
    line.trim().trim_end_matches(" kB").parse().unwrap()
}

fn a_long_result_takes_no_more_memory_than_a_short_one(stage: &Stage) {
    const BYTES: u64 = 300 << 20;
    let before = most_memory(stage);
    let mut psql = stage.login("state-police").psql_command();
    psql.args([
        "-c",
        "copy (select repeat('x', 10239) from incidents limit 30720) to stdout",
    ]);
    let mut child = psql.stdout(std::process::Stdio::piped()).spawn().unwrap();
    let received = std::io::copy(&mut child.stdout.take().unwrap(), &mut std::io::sink()).unwrap();
    assert!(child.wait().unwrap().success());
    assert_eq!(received, BYTES);
    let grown = most_memory(stage).saturating_sub(before);
    assert!(
        grown < 32 << 10,
        "{grown} KiB more for a result of {} KiB",
        BYTES >> 10
    );
}

/// A service manager holds the socket: clients that come while `serve` is exchanged wait, and none is turned away.
#[test]
fn no_connection_fails_while_serve_is_exchanged() {
    let mut office = Office::open_in("in-place", |_| ());
    office.close();
    let police = office.login("state-police");
    let said = run(Command::new("/usr/bin/python3")
        .arg(root("tests/drivers/activation.py"))
        .arg(env!("CARGO_BIN_EXE_estop"))
        .arg(office.path(""))
        .arg(police.conninfo())
        .arg("3"));
    let told: serde_json::Value = serde_json::from_str(&said).unwrap();
    assert!(told["failed"].as_array().unwrap().is_empty(), "{told:#}");
    assert!(told["answered"].as_u64().unwrap() >= 24, "{told:#}");
    let states = told["states"].as_array().unwrap();
    let wanted = ["READY=1\n", "STOPPING=1\n"];
    assert_eq!(states.len(), 6);
    assert!(
        states
            .iter()
            .zip(wanted.iter().cycle())
            .all(|(said, wanted)| said == wanted),
        "{told:#}"
    );
}
