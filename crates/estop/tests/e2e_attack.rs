//! A partner who attacks: with SQL through the gateway and behind it, with hostile bytes, and by asking for what is hidden. Rows
//! are those of the table of channels (docs/limits.md). Others must not notice, and the gateway must serve on.

#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "all of it is tests, also what is not marked as one"
)]

mod stage;

use std::process::Command;

use stage::desk::{Worker, refused, said};
use stage::{Stage, psql_on, root, run};

/// Which driver may see whom.
const PARTNER: &str = "state-police";

#[test]
fn a_hostile_partner_gets_nothing_and_disturbs_nobody_in_place() {
    attack("in-place");
}

#[test]
fn a_hostile_partner_gets_nothing_and_disturbs_nobody_in_an_airlock() {
    attack("airlock");
}

fn attack(isolation: &str) {
    let stage = Stage::set_in(isolation);
    let others = Worker::begin("partner_at_work.py", &[&stage.login("university").conninfo()]);
    sql(&stage, isolation);
    bytes(&stage);
    hidden_rows(&stage);
    locks_do_not_reach_others(&stage);
    let worked = others.end();
    assert_eq!(
        worked["errors"],
        serde_json::json!([]),
        "the other partner must not notice"
    );
    assert!(worked["asked"].as_u64().unwrap() > 10, "{worked}");
    // They are the custodian's, and told by the same code: once is enough.
    if isolation == "in-place" {
        openings_of_the_database_are_found(&stage);
    }
    assert!(
        stage.estop(&["ledger", "verify"]).status.success(),
        "the ledger holds after all that"
    );
}

/// Rows 2 to 33, statement by statement.
fn sql(stage: &Stage, isolation: &str) {
    let (through, behind) = (stage.login(PARTNER).conninfo(), stage.behind(PARTNER));
    let mut python = Command::new("/usr/bin/python3");
    let lines = run(python
        .arg(root("tests/drivers/partner_attack.py"))
        .args([&through, &behind, isolation]));
    for row in [
        2, 3, 5, 6, 7, 8, 9, 10, 11, 12, 14, 17, 18, 19, 21, 22, 23, 24, 25, 26, 27, 28, 29, 31, 32, 33,
    ] {
        let is_this = |line: &str| line.split(' ').nth(2) == Some(&row.to_string());
        assert!(lines.lines().any(is_this), "row {row} was not tried: {lines}");
    }
    // Row 11: the verifier that the server has was not changed by any of it.
    let role = stage.login(PARTNER).query("select current_user");
    assert_eq!(
        stage.admin(&format!(
            "select rolconfig::text not like '%=0%' from pg_roles where rolname = '{role}'"
        )),
        "t"
    );
}

/// Rows 13 and 15, and the protocol itself.
fn bytes(stage: &Stage) {
    let mut python = Command::new("/usr/bin/python3");
    let lines = run(python
        .arg(root("tests/drivers/attack_protocol.py"))
        .arg(stage.login(PARTNER).conninfo()));
    assert!(lines.lines().count() > 70, "{lines}");
}

/// Rows 2, 3 and 19: whatever is asked about a row that is not shared, the answer is the one about a row that is not there.
fn hidden_rows(stage: &Stage) {
    let police = stage.login(PARTNER);
    let hidden = stage
        .admin("select min(person_id) from records.people where case_status = 'sealed' and not is_juvenile");
    let absent = stage.admin("select max(person_id) + 10 from records.people");
    let shared = police.query("select min(person_id) from people");
    let questions = [
        "select count(*) from people where person_id = {}",
        "select exists (select from people where person_id = {})",
        // Each would fail on the row, if it came to be evaluated on it.
        "select 1 / (person_id - {}) from people where person_id = {}",
        "select count(*) from people where person_id = {} and 1 / (person_id - {}) > 0",
        "select count(*) from people where person_id = {} and name::int > 0",
        "select count(*) from people where person_id = {} and (name || '!')::date is null",
        "select count(*) from people p where p.person_id = {} and exists (select from incidents i where i.offence::int = p.person_id)",
        "select max(name::int) from people where person_id between {} and {}",
        "select string_agg(name, ',' order by name) from people where person_id in ({}, {})",
        "select * from people where person_id = {} order by name::xml::text limit 1",
        "select count(*) from incidents i left join people p on p.incident_id = i.incident_id and p.person_id = {} where p.person_id is not null",
        "copy (select name from people where person_id = {}) to stdout",
        "with t as materialized (select * from people where person_id = {}) select count(*) from t",
        // What would tell by other ways than rows is refused, in the same words.
        "explain (analyze, timing off) select * from people where person_id = {}",
        "select * from people where person_id = {}; select idx_tup_fetch from pg_stat_xact_user_tables",
        "select pg_stat_get_xact_tuples_fetched('records.people'::regclass) from people where person_id = {}",
        "select query_to_xml('explain select * from people where person_id = {}', true, true, '')",
    ];
    let mut tells = 0;
    for question in questions {
        let ask = |id: &str| {
            let mut psql = police.psql_command();
            // An error must not differ in its position because the numbers have different lengths.
            let id = format!("{id:0>9}");
            let output = psql.args(["-c", &question.replace("{}", &id)]).output().unwrap();
            (output.status.code(), said(&output).replace(&id, "ID"))
        };
        assert_eq!(
            ask(&hidden),
            ask(&absent),
            "{question}: a hidden row must look like none"
        );
        tells += usize::from(ask(&shared) != ask(&absent));
    }
    // The questions are good ones: about a row that is shared, the answers are others.
    assert!(tells >= 11, "{tells} of the questions tell of rows at all");
    let reads = psql_on(
        &stage.behind(PARTNER),
        &format!("select * from records.people where person_id = {hidden}"),
    );
    assert!(reads.unwrap_err().contains("42501"));
}

/// Rows 22 to 25: nothing a partner leaves behind stands in the custodian's way or reaches his channels.
fn locks_do_not_reach_others(stage: &Stage) {
    let police = stage.login(PARTNER);
    for flood in [
        "select count(pg_advisory_lock(g)) from generate_series(1, 200000) g",
        "select count(pg_catalog.pg_try_advisory_xact_lock_shared(g, g)) from generate_series(1, 200000) g",
        "select f.pg_advisory_lock from generate_series(1::bigint, 200000) f",
    ] {
        assert!(police.refused(flood).contains("42501"), "{flood}");
    }
    assert_eq!(
        stage.admin("select count(*) from pg_locks where locktype = 'advisory'"),
        "0"
    );
    // A channel of the custodian's: neither heard nor forged.
    for text in [
        "listen alarms",
        "notify alarms, 'forged'",
        "select pg_notify('alarms', 'forged')",
    ] {
        assert!(police.refused(text).contains("42501"), "{text}");
    }
    assert_eq!(stage.admin("select count(*) from pg_prepared_xacts"), "0");
    assert_eq!(stage.admin("select count(*) from pg_largeobject_metadata"), "0");
    assert_eq!(police.query("unlisten *; select 1"), "UNLISTEN\n1");
}

/// Rows 16, 18, 29 and 30: what opens the database beside the agreements stops `apply` and shows in `drift`, by name.
fn openings_of_the_database_are_found(stage: &Stage) {
    assert_eq!(
        stage.estop(&["drift"]).status.code(),
        Some(0),
        "nothing so far has changed the database"
    );
    let openings = [
        (
            "create function public.lookup(int) returns text language sql security definer as 'select name from records.people where person_id = $1'",
            "drop function public.lookup(int)",
            "SECURITY DEFINER",
        ),
        (
            "grant create on schema public to public",
            "revoke create on schema public from public",
            "CREATE",
        ),
        (
            "create extension dblink schema public",
            "drop extension dblink",
            "dblink",
        ),
        (
            "grant select on records.people to public; grant usage on schema records to public",
            "revoke select on records.people from public; revoke usage on schema records from public",
            "records.people",
        ),
    ];
    for (open, close, word) in openings {
        stage.admin(open);
        for command in ["drift", "plan", "apply"] {
            refused(&stage.estop(&[command]), word);
        }
        let looked = stage.estop(&["check", "--database"]);
        refused(&looked, word);
        refused(&looked, "CRITICAL");
        stage.admin(close);
        let closed = stage.estop(&["check", "--database"]);
        assert_eq!(closed.status.code(), Some(0), "{}", said(&closed));
        assert_eq!(stage.estop(&["drift"]).status.code(), Some(0), "{close}");
    }
    // What Estop closes by itself it finds again, too.
    for (open, word) in [
        ("grant temporary on database records to public", "TEMP"),
        (
            "grant execute on function pg_catalog.pg_advisory_lock(bigint) to public",
            "pg_advisory_lock",
        ),
        ("grant connect on database template1 to public", "template1"),
        ("grant usage on language plpgsql to public", "plpgsql"),
    ] {
        stage.admin(open);
        refused(&stage.estop(&["drift"]), word);
        assert!(stage.estop(&["apply"]).status.success(), "{open}");
        assert_eq!(stage.estop(&["drift"]).status.code(), Some(0), "{open}");
    }
}
