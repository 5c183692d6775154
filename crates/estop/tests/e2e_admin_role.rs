//! `estop check --database --admin-role NAME`: the script, run by psql as a superuser, makes a role as which the whole of a new
//! custodian's first day is done.

#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "all of it is tests, also what is not marked as one"
)]

mod stage;

use std::path::Path;
use std::process::{Command, Output, Stdio};

use policy::estate::Files;
use stage::desk::said;
use stage::office::Office;
use stage::{ESTOP, psql_on, wait_for};

/// A name that has to be quoted.
const ROLE: &str = "Estop \"admin\"";

/// Of PostgreSQL 13 and 14, which need a superuser.
const SINCE: u64 = 150_000;

fn check(folder: &Path, args: &[&str]) -> Output {
    Command::new(ESTOP)
        .arg("--estate")
        .arg(folder)
        .args(["check", "--no-solver"])
        .args(args)
        .stdin(Stdio::null())
        .output()
        .unwrap()
}

/// The URL in `estop.toml`, a superuser's.
fn url(files: &Files) -> String {
    let found = files["estop.toml"]
        .split('"')
        .find(|text| text.starts_with("postgres"));
    found.unwrap().to_owned()
}

/// The script, and whether the database's version allows for it.
fn script(folder: &Path) -> Option<String> {
    let looked = check(folder, &["--database", "--json", "--admin-role", ROLE]);
    let told: serde_json::Value = serde_json::from_slice(&looked.stdout).unwrap_or_default();
    let Some(database) = told["databases"].get(0) else {
        assert_eq!(looked.status.code(), Some(2), "{}", said(&looked));
        assert!(said(&looked).contains("needs a superuser"), "{}", said(&looked));
        return None;
    };
    assert!(matches!(looked.status.code(), Some(0 | 1)), "{}", said(&looked));
    assert!(database["version"].as_u64().unwrap() >= SINCE);
    Some(database["admin_script"].as_str().unwrap().to_owned())
}

/// Makes the role, and an estate that works as it.
fn made(files: &mut Files) -> bool {
    let folder = tempfile::tempdir().unwrap();
    for (path, text) in files.iter() {
        let path = folder.path().join(path);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    }
    let at = folder.path();
    // Exit 2: the call is wrong. Exit 3: nobody is there.
    assert_eq!(check(at, &["--admin-role", ROLE]).status.code(), Some(2));
    let nowhere = [
        "--database",
        "--admin-role",
        ROLE,
        "--url",
        "postgresql://x@/records?host=/nowhere",
    ];
    assert_eq!(check(at, &nowhere).status.code(), Some(3));

    let superuser = url(files);
    let Some(first) = script(at) else { return false };
    psql_on(&superuser, &first).unwrap();
    // Again it does no harm, and as it is printed to a person it is the same.
    let second = script(at).unwrap();
    psql_on(&superuser, &second).unwrap();
    let printed = check(at, &["--database", "--admin-role", ROLE]);
    let printed = String::from_utf8(printed.stdout).unwrap();
    assert!(printed.contains(second.trim_end()), "{printed}");
    assert!(
        !second.contains("REVOKE") && !second.contains("CREATE ROLE"),
        "{second}"
    );
    // Looking changes nothing.
    assert_eq!(script(at).unwrap(), second);

    let password =
        "set password_encryption = 'scram-sha-256'; alter role \"Estop \"\"admin\"\"\" password 'geheim'";
    psql_on(&superuser, password).unwrap();
    let (_, host) = superuser.rsplit_once('@').unwrap();
    let own = format!("postgresql://Estop%20%22admin%22:geheim@{host}");
    let estop = files.get_mut("estop.toml").unwrap();
    *estop = estop.replace(&superuser, &own);
    true
}

#[test]
fn the_script_makes_a_role_that_does_the_whole_work() {
    let mut as_role = false;
    let office = Office::open_in("in-place", |files| as_role = made(files));
    if !as_role {
        return;
    }
    let police = office.login("state-police");
    let seen = police.query("select count(*) from people");
    assert!(seen.parse::<u64>().unwrap() > 0);
    assert_eq!(office.estop(&["drift"]).status.code(), Some(0));
    let by = "select bool_or(rolsuper) from pg_stat_activity join pg_roles on rolname = usename \
        where application_name like 'estop%'";
    assert_ne!(psql_on(&office.admin_url("records"), by).unwrap(), "t");

    // That no session can be opened is said to whoever runs `serve`; why that is, no client learns.
    let role = police.query("select current_user");
    assert!(!office.said().contains("no session can be opened"));
    let other = format!("alter role {role} password 'another'");
    psql_on(&office.admin_url("records"), &other).unwrap();
    let refused = said(&police.psql(&["select 1"]));
    assert!(refused.contains("cannot be reached at the moment"), "{refused}");
    let alarm = format!("no session can be opened as role `{role}`");
    wait_for("it is said why", || office.said().contains(&alarm));
    assert!(office.said().contains("28P01"), "{}", office.said());
}
