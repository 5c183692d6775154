//! `serve` watches: a database that was changed behind Estop's back shows within the interval, and cuts off whom it opens something to.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "all of it is tests, also what is not marked as one"
)]

mod stage;

use policy::estate::Files;
use serde_json::Value;
use stage::desk::{Desk, NAMESPACE, Worker, refused, said};
use stage::office::Office;
use stage::{psql_on, wait_for};

const PASSWORD: &str = "a password for all";

/// The demo's estate with an airlock for each partner, one password, and a watch that cuts.
fn change(files: &mut Files) {
    let verifier = estop::commands::verifier(PASSWORD).unwrap();
    for (path, text) in files.iter_mut().filter(|(path, _)| path.starts_with("partners/")) {
        let old = text.lines().find(|line| line.starts_with("scram = ")).unwrap();
        let new = format!("scram = \"{}\"", verifier.as_str());
        *text = text.replace(old, &new);
        assert_eq!(text.matches("scram = ").count(), 1, "{path}");
    }
    let main = files.get_mut("estop.toml").unwrap();
    main.push_str("\n[watch]\nevery_seconds = 5\non_drift = \"cut\"\n");
}

fn conninfo(office: &Office, officer: &str, agreement: &str, case: &str) -> String {
    format!(
        "host=localhost port={} user={officer} password='{PASSWORD}' dbname={agreement} options='{case}' sslmode=verify-full \
         sslrootcert={}",
        office.listen.port(),
        office.path("tls/ca.pem").display()
    )
}

fn json(office: &Office, args: &[&str]) -> Value {
    let output = office.estop(&[args, &["--json"]].concat());
    serde_json::from_slice(&output.stdout).unwrap_or_else(|error| panic!("{error}: {}", said(&output)))
}

/// The private records of one kind, oldest first.
fn records(office: &Office, kind: &str) -> Vec<Value> {
    let shown = json(office, &["ledger", "show", "--last", "100000"]);
    let entries = shown["entries"].as_array().unwrap().iter();
    let line = format!("kind {kind}");
    let theirs = entries.filter(|entry| entry["entry"].as_str().unwrap().lines().nth(1) == Some(&line));
    theirs.map(|entry| entry["record"].clone()).collect()
}

fn sessions_of(office: &Office, partner: &str) -> usize {
    let sessions = json(office, &["sessions"]);
    let lines = sessions["sessions"].as_array().unwrap();
    lines.iter().filter(|line| line["partner"] == partner).count()
}

#[test]
fn what_is_changed_behind_its_back_shows_and_cuts_until_it_is_applied() {
    let mut office = Office::open_in("airlock", change);
    let police = conninfo(
        &office,
        "d.achterberg",
        "state-police-2018",
        "-cestop.case=AB-2026-1",
    );
    let university = conninfo(&office, "m.ibekwelu", "university-2020", "");
    let working = Worker::begin("partner_at_work.py", &[&police]);
    let others = Worker::begin("partner_at_work.py", &[&university]);
    let status = office.estop(&["status"]);
    assert!(status.status.success(), "{}", said(&status));
    assert!(records(&office, "drift").is_empty());

    // As somebody with the database's superuser.
    let admin = office.admin_url("records");
    let role = psql_on(&police, "select current_user").unwrap();
    psql_on(
        &admin,
        &format!("grant select (name) on records.people to {role}"),
    )
    .unwrap();
    wait_for("the drift is in the ledger", || {
        !records(&office, "drift").is_empty()
    });
    let [drift] = records(&office, "drift").try_into().unwrap();
    assert_eq!(drift["upstream"], "records");
    assert_eq!(
        (&drift["done"], &drift["opens"]),
        (&"cut".into(), &true.into()),
        "{drift}"
    );
    assert_eq!(drift["held"], serde_json::json!(["state-police"]));
    let words = drift["differences"][0].as_str().unwrap();
    assert!(
        words.contains("`state-police` under `state-police-2018`"),
        "{words}"
    );
    assert!(words.contains("records.people.name"), "{words}");
    wait_for("its sessions have ended", || {
        sessions_of(&office, "state-police") == 0
    });
    let ended = working.end();
    let errors = ended["errors"].to_string();
    assert!(
        errors.contains("on hold") && errors.contains("the connection is closed"),
        "{ended}"
    );
    assert!(
        records(&office, "ended")
            .iter()
            .any(|record| record["how"] == "held")
    );
    assert_eq!(
        records(&office, "cut"),
        Vec::<Value>::new(),
        "nothing was terminated"
    );
    refused_as_held(&police);
    refused(
        &office.estop(&["status"]),
        "HELD until the estate is applied again",
    );
    refused(
        &office.estop(&["drift"]),
        "OPENS: `state-police` under `state-police-2018`",
    );
    wait_for("the alarm is said", || !office.said().is_empty());
    let alarm = office.said();
    assert!(
        alarm.contains("estop: alarm: `records` is not as it was applied (1 difference); OPENS: "),
        "{alarm}"
    );

    // A crash and a new start lose nothing of it, and do not say it again.
    office.kill();
    office.restart();
    refused_as_held(&police);
    // Whoever did it takes it back: that shows, and opens nothing.
    psql_on(
        &admin,
        &format!("revoke select (name) on records.people from {role}"),
    )
    .unwrap();
    wait_for("its end is in the ledger", || {
        records(&office, "drift").len() == 2
    });
    let closed = records(&office, "drift").pop().unwrap();
    assert_eq!(
        (&closed["done"], &closed["fingerprint"]),
        (&"closed".into(), &"".into()),
        "{closed}"
    );
    assert_eq!(closed["held"], drift["held"]);
    refused_as_held(&police);
    assert_eq!(office.estop(&["drift"]).status.code(), Some(0));
    assert_eq!(
        office.estop(&["status"]).status.code(),
        Some(1),
        "the hold is there"
    );
    apply(&office);
    assert!(psql_on(&police, "select count(*) from people").is_ok());

    // An airlock of which somebody has the superuser: that partner alone.
    let socket = airlock(&office, "state-police");
    let secret = std::fs::read_to_string(socket.join("../admin.secret")).unwrap();
    let inside = format!(
        "host={} user=estop_admin password={secret} dbname={role}",
        socket.display()
    );
    psql_on(&inside, &format!("grant usage on schema inside to {role}")).unwrap();
    wait_for("the drift of the airlock is in the ledger", || {
        records(&office, "drift").len() == 4
    });
    let drift = records(&office, "drift").pop().unwrap();
    assert_eq!(
        (&drift["upstream"], &drift["done"]),
        (&"airlock/state-police".into(), &"cut".into()),
        "{drift}"
    );
    refused_as_held(&police);
    apply(&office);
    assert!(psql_on(&police, "select count(*) from people").is_ok());
    let after = json(&office, &["status"]);
    assert_eq!(after["watch"]["places"].as_array().unwrap().len(), 5, "{after}");

    let worked = others.end();
    let errors = worked["errors"].as_array().unwrap();
    let crash = |error: &Value| !error.as_str().unwrap().contains("on hold");
    assert!(
        errors.iter().all(crash),
        "the other partner is not held: {worked}"
    );
    assert!(psql_on(&university, "select count(*) from incidents").is_ok());
}

fn refused_as_held(conninfo: &str) {
    let told = psql_on(conninfo, "select 1").unwrap_err();
    assert!(
        told.contains("on hold") && told.contains("Nothing has been ended"),
        "{told}"
    );
}

fn apply(office: &Office) {
    let applied = office.estop(&["apply"]);
    assert!(applied.status.success(), "{}", said(&applied));
}

fn airlock(office: &Office, who: &str) -> std::path::PathBuf {
    let home = office.path("state/airlock");
    let top = std::fs::read_to_string(home.join("place")).map_or(home, std::path::PathBuf::from);
    top.join(who).join("socket")
}

/// A step that fails is tried again, by the next process too, and nobody has to hand the order in again.
#[test]
fn a_termination_that_stopped_is_taken_up_by_itself() {
    let mut office = Office::open_in("in-place", |_| ());
    let role = office.login("state-police").query("select current_user");
    // Somebody is changing the role, and does not get done.
    let admin = office.admin_url("records");
    let sql = format!("alter role {role} connection limit 7; select pg_sleep(600)");
    let theirs = std::thread::spawn({
        let admin = admin.clone();
        move || psql_on(&admin, &sql)
    });
    let sleeps = "from pg_stat_activity where query like 'alter role%' and wait_event = 'PgSleep'";
    wait_for("the role is being changed", || {
        psql_on(&admin, &format!("select count(*) {sleeps}")).unwrap() == "1"
    });
    let desk = Desk::at(&office.path(""));
    let order = desk.folder.join("order");
    let name = order.to_str().unwrap();
    let drawn = ["directive", "new", "terminate", "state-police", "-o", name];
    assert!(office.estop(&drawn).status.success());
    for who in ["mayor", "counsel"] {
        desk.sign(&order, who, NAMESPACE);
    }
    let submitted = office.estop(&["directive", "submit", name]);
    assert_eq!(submitted.status.code(), Some(1), "{}", said(&submitted));
    assert!(said(&submitted).contains("NOT done"), "{}", said(&submitted));

    office.kill();
    office.restart();
    wait_for("it is tried at the start", || {
        office
            .said()
            .contains("NOT carried out in full, and is tried again in 10 s")
    });
    assert_eq!(
        office
            .estop(&["certificate", "issue", "D-2026-0002", "-o", "none"])
            .status
            .code(),
        Some(1)
    );
    psql_on(&admin, &format!("select pg_terminate_backend(pid) {sleeps}")).unwrap();
    assert!(theirs.join().unwrap().is_err());
    wait_for("it is carried out", || {
        office
            .said()
            .contains("which had stopped, is carried out in full")
    });
    let login = format!("select rolcanlogin from pg_roles where rolname = '{role}'");
    assert_eq!(psql_on(&admin, &login).unwrap(), "f");
    let again = office.estop(&["directive", "submit", name]);
    assert!(again.status.success(), "{}", said(&again));
}
