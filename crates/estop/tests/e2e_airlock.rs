//! Isolation *airlock* attacked from within: what a partner can see there, what it can break there, and that it ends there.
//! The partner is given more than it has: its own password in the airlock, past the gateway's filter.

#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "all of it is tests, also what is not marked as one"
)]

mod stage;

use std::process::Command;

use stage::desk::{Worker, said};
use stage::{Stage, psql_on, wait_for};

const PARTNER: &str = "state-police";
const OTHER: &str = "university";

#[test]
fn what_a_partner_does_in_its_airlock_stays_there() {
    let stage = Stage::set_in("airlock");
    let others = Worker::begin("partner_at_work.py", &[&stage.login(OTHER).conninfo()]);
    the_catalog_says_nothing(&stage);
    plans_say_nothing_of_hidden_rows(&stage);
    nothing_leads_out(&stage);
    abuse_is_refused_or_bounded(&stage);
    a_crash_is_the_partners_own(&stage);
    what_is_lost_is_made_again(&stage);
    let worked = others.end();
    assert_eq!(
        worked["errors"],
        serde_json::json!([]),
        "the other partner must not notice"
    );
    assert!(worked["asked"].as_u64().unwrap() > 10, "{worked}");
    changes_are_found_and_undone(&stage);
    what_opens_the_custodians_database_is_the_second_line(&stage);
}

/// What is critical in place is told, and stops nothing: from an airlock no statement of a partner's comes there.
fn what_opens_the_custodians_database_is_the_second_line(stage: &Stage) {
    stage.admin(
        "create function public.lookup(int) returns text language sql security definer \
         as 'select name from records.people where person_id = $1'",
    );
    let looked = stage.estop(&["check", "--database", "--no-solver"]);
    let told = said(&looked);
    assert_eq!(looked.status.code(), Some(0), "{told}");
    assert!(
        told.contains("high: PUBLIC may execute the SECURITY DEFINER"),
        "{told}"
    );
    assert!(told.contains("only to whoever breaks out of it"), "{told}");
    let planned = said(&stage.estop(&["plan"]));
    assert!(planned.contains("second line: PUBLIC may execute"), "{planned}");
    assert!(stage.estop(&["apply"]).status.success());
    assert!(stage.login(PARTNER).refused("select lookup(1)").contains("42883"));
    stage.admin("drop function public.lookup(int)");
}

/// Straight into the partner's airlock, past the gateway.
fn inside(stage: &Stage, database: &str) -> String {
    let role = stage.login(PARTNER).query("select current_user");
    let password = stage.password("upstream", &role);
    let socket = stage.airlock(PARTNER).join("socket");
    let database = if database.is_empty() { &role } else { database };
    format!(
        "host={} user={role} password={password} dbname={database} options='-csearch_path={role} -cdefault_transaction_read_only=off'",
        socket.display()
    )
}

/// As Estop itself works there.
fn administrator(stage: &Stage, database: &str) -> String {
    let cluster = stage.airlock(PARTNER);
    let password = std::fs::read_to_string(cluster.join("admin.secret")).unwrap();
    format!(
        "host={} user=estop_admin password={password} dbname={database}",
        cluster.join("socket").display()
    )
}

fn the_catalog_says_nothing(stage: &Stage) {
    let police = stage.login(PARTNER);
    let others = stage.login(OTHER).query("select current_user");
    let upstream = stage.facts["upstream"]["host"].as_str().unwrap();
    let own = police.query("select current_user");
    for asked in [
        "select * from pg_foreign_server",
        "select * from pg_foreign_table",
        "select * from pg_user_mappings",
        "select * from information_schema.user_mapping_options",
        "select * from information_schema.foreign_server_options",
        "select * from information_schema.foreign_table_options",
        "select rolname, rolconfig from pg_roles",
        "select datname, datacl from pg_database",
        "select * from pg_db_role_setting",
        "select relname, relacl, reltuples, relpages from pg_class where oid >= 16384",
        "select nspname, nspacl from pg_namespace",
        "select pg_get_viewdef(oid) from pg_class where relkind = 'v' and oid >= 16384",
        "select name, setting, reset_val from pg_settings",
        "select proname, prosrc from pg_proc where oid >= 16384",
        "select * from pg_stats where schemaname <> 'pg_catalog'",
        "select description from pg_description where objoid >= 16384",
    ] {
        let said = police.query(asked);
        for secret in [
            upstream,
            "records",
            "country_of_birth",
            "is_juvenile",
            "sealed",
            "federal",
            OTHER,
            &others,
            "password=",
        ] {
            assert!(!said.contains(secret), "`{asked}` says `{secret}`: {said}");
        }
    }
    assert_eq!(
        police.query("select count(*) from pg_database where datname ~ '^estop_'"),
        "1"
    );
    assert_eq!(
        police.query("select rolname from pg_roles where rolname ~ '^estop_[0-9a-f]{16}$'"),
        own
    );
    // These count hidden rows in place, and are refused there.
    // psql of an older version asks a newer server for a column of databases that is called otherwise there.
    let major = |text: &str| text.split(['.', ' ']).find_map(|word| word.parse::<u32>().ok());
    let psql = Command::new("psql").arg("--version").output().unwrap();
    let older = major(&String::from_utf8(psql.stdout).unwrap()) < major(&police.query("show server_version"));
    let list = if older { "\\dn+" } else { "\\l+" };
    for command in ["\\dt+", "\\d+ people", list, "\\des+", "\\deu+", "\\det+"] {
        let output = police.psql(&[command]);
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(
            output.status.success() && !said.contains("ERROR"),
            "{command}: {said}"
        );
    }
}

fn plans_say_nothing_of_hidden_rows(stage: &Stage) {
    let hidden = stage.admin("select min(person_id) from records.people where case_status = 'sealed'");
    let absent = stage.admin("select max(person_id) + 10 from records.people");
    let shared = stage.login(PARTNER).query("select min(person_id) from people");
    let plan = |id: &str| {
        let sql = format!(
            "explain (analyze, verbose, timing off, summary off) select * from people where person_id = {id}"
        );
        psql_on(&inside(stage, ""), &sql)
            .unwrap()
            .replace(&format!("= {id})"), "= ID)")
    };
    assert_eq!(plan(&hidden), plan(&absent));
    assert_ne!(plan(&shared), plan(&absent), "the question is a good one");
    let plain = |id: &str| {
        let sql = format!("explain select * from people where person_id <= {id}");
        psql_on(&inside(stage, ""), &sql).unwrap()
    };
    assert_eq!(
        plain(&hidden),
        plain(&absent),
        "estimates do not come from the custodian's statistics"
    );
}

fn nothing_leads_out(stage: &Stage) {
    let own = inside(stage, "");
    for (sql, why) in [
        ("select * from inside.people", "permission denied"),
        (
            "create user mapping for current_user server custodian",
            "permission denied",
        ),
        (
            "create server other foreign data wrapper postgres_fdw options (host '127.0.0.1')",
            "permission denied",
        ),
        ("create table t (a int)", "permission denied"),
        ("create temp table t (a int)", "permission denied"),
        (
            "create function f() returns int language sql as 'select 1'",
            "permission denied",
        ),
        ("do $$ begin end $$", "does not exist"),
        ("set role estop_owner", "permission denied"),
        ("set role estop_admin", "permission denied"),
        ("select pg_read_file('/etc/passwd')", "permission denied"),
        ("copy (select 1) to program 'true'", "42501"),
        ("select pg_advisory_lock(1)", "permission denied"),
        ("select lo_create(0)", "permission denied"),
        ("select pg_notify('a', 'b')", "permission denied"),
        ("begin; prepare transaction 'x'", "disabled"),
        ("insert into people values (1)", "permission denied"),
        ("update people set name = 'x'", "permission denied"),
        ("select postgres_fdw_disconnect_all()", "ERROR"),
    ] {
        let said = psql_on(&own, sql).unwrap_err();
        assert!(said.contains(why), "{sql}: {said}");
    }
    for database in ["postgres", "template1", "template0"] {
        let said = psql_on(&inside(stage, database), "select 1").unwrap_err();
        assert!(said.contains("FATAL"), "{database}: {said}");
    }
}

fn abuse_is_refused_or_bounded(stage: &Stage) {
    let own = inside(stage, "");
    // More memory than a session may have: an error of the statement, and the session goes on.
    let big = "set work_mem = '2000GB'; select cardinality(array_agg(repeat(g::text, 100000000))) from generate_series(1, 30) g";
    let said = psql_on(&own, big).unwrap_err();
    assert!(
        said.contains("53200") || said.contains("54000") || said.contains("57014"),
        "{said}"
    );
    let spill = "set statement_timeout = 0; set work_mem = '64kB'; select count(*) from (select g, repeat('x', 1000) r from generate_series(1, 2000000) g order by r, g desc) s";
    let said = psql_on(&own, spill).unwrap_err();
    assert!(said.contains("53400"), "temporary files are bounded: {said}");
    assert_eq!(stage.login(PARTNER).query("select 1"), "1");
}

fn a_crash_is_the_partners_own(stage: &Stage) {
    let police = stage.login(PARTNER);
    let postmaster = || stage.postmaster(PARTNER);
    let kill = |pid: &str| assert!(Command::new("kill").args(["-9", pid]).status().unwrap().success());
    // A backend: PostgreSQL itself restarts the cluster.
    let mut sleeping = Command::new("psql")
        .args([
            "-XqAt",
            "-c",
            "select pg_sleep(60)",
            &administrator(stage, "postgres"),
        ])
        .spawn()
        .unwrap();
    let find = "select pid from pg_stat_activity where query = 'select pg_sleep(60)'";
    let mut victim = String::new();
    wait_for("the sleeper is there", || {
        victim = psql_on(&administrator(stage, "postgres"), find).unwrap();
        !victim.is_empty()
    });
    kill(&victim);
    sleeping.wait().unwrap();
    wait_for("the partner works again", || {
        police.psql(&["select count(*) from people"]).status.success()
    });
    // The whole server: Estop does.
    let before = postmaster();
    kill(&before);
    wait_for("the partner works again", || {
        postmaster() != before && police.psql(&["select count(*) from people"]).status.success()
    });
}

fn what_is_lost_is_made_again(stage: &Stage) {
    let cluster = stage.airlock(PARTNER);
    let pid = stage.postmaster(PARTNER);
    std::fs::remove_file(cluster.join("made")).unwrap();
    assert!(
        Command::new("kill")
            .args(["-9", &pid])
            .status()
            .unwrap()
            .success()
    );
    let police = stage.login(PARTNER);
    wait_for("the partner works again", || {
        police.psql(&["select count(*) from people"]).status.success()
    });
    assert_eq!(stage.estop(&["drift"]).status.code(), Some(0));
}

fn changes_are_found_and_undone(stage: &Stage) {
    let role = stage.login(PARTNER).query("select current_user");
    for (database, change) in [
        (role.as_str(), format!("grant usage on schema inside to {role}")),
        (
            &role,
            format!("create user mapping for {role} server custodian options (user 'x', password 'y')"),
        ),
        (
            &role,
            "alter server custodian options (set service 'other')".to_owned(),
        ),
        (&role, format!("create view {role}.more as select 1 as a")),
        ("postgres", format!("alter role {role} password 'by hand'")),
        ("postgres", format!("alter role {role} superuser")),
        ("postgres", format!("grant connect on database {role} to public")),
    ] {
        psql_on(&administrator(stage, database), &change).unwrap();
        let (drift, code) = stage.estop_json(&["drift"]);
        assert_eq!(code, 1, "{change}: {drift}");
        assert!(
            drift.to_string().contains("airlock/state-police"),
            "{change}: {drift}"
        );
        assert!(stage.estop(&["apply"]).status.success(), "{change}");
        assert_eq!(stage.estop(&["drift"]).status.code(), Some(0), "{change}");
    }
    assert!(
        stage
            .login(PARTNER)
            .query("select count(*) from people")
            .parse::<u64>()
            .unwrap()
            > 0
    );
}
