//! Differential test: random catalogs on a real server. For each role that may log in and each table, the scan says `rows`
//! exactly when reading it is seen to work: as the role and as each role that it can set, through every relation and function.

use std::collections::{BTreeMap, BTreeSet};

use policy::exposure::{Class, Report};
use tokio_postgres::{Client, SimpleQueryMessage};

use crate::exposure::{question, report, start, try_run};
use crate::exposure_nasty::major;
use crate::exposure_random_catalog::{COLUMNS, Catalog, ROLES, TABLES};
use crate::server::{Server, connect};

/// Seeds of an ordinary run; `ESTOP_SEEDS` for more of them.
const SEEDS: u64 = 3;

/// What may fail of a random catalog: memberships in a circle, copies of what their owner may not read, and what is made of those.
const EXPECTED: [&str; 5] = [
    "has not been populated",
    "circular",
    "is a member of role",
    "permission denied",
    "does not exist",
];

/// What each role that logs in reads: table, column.
type Read = BTreeMap<String, BTreeSet<(String, String)>>;

fn marks(text: &str, children: &BTreeSet<String>, into: &mut BTreeSet<(String, String)>) {
    for word in text.split_whitespace() {
        if let Some(rest) = word.strip_prefix('M')
            && rest.len() >= 2
        {
            let (table, column) = rest.split_at(rest.len() - 1);
            let table = format!("t{table}");
            if children.contains(&table) {
                into.insert(("t0".to_owned(), column.to_owned()));
            }
            into.insert((table, column.to_owned()));
        }
    }
}

async fn text_of(client: &Client, sql: &str) -> Option<String> {
    let messages = client.simple_query(sql).await.ok()?;
    messages.into_iter().find_map(|message| match message {
        SimpleQueryMessage::Row(row) => row.get(0).map(str::to_owned),
        _ => None,
    })
}

/// A block that runs each statement, whatever becomes of it, and keeps what they said.
fn block(statements: &[String], says: bool) -> String {
    let list: Vec<String> = statements
        .iter()
        .map(|sql| format!("'{}'", sql.replace('\'', "''")))
        .collect();
    let run = if says {
        "EXECUTE q INTO r; o := o || ' ' || coalesce(r, '')"
    } else {
        "EXECUTE q"
    };
    format!(
        "DO $do$ DECLARE q text; r text; o text := ''; BEGIN FOREACH q IN ARRAY ARRAY[{}]::text[] LOOP \
         BEGIN {run}; EXCEPTION WHEN OTHERS THEN NULL; END; END LOOP; \
         PERFORM set_config('oracle.said', o, false); END $do$",
        list.join(", ")
    )
}

async fn really_read(server: &Server, catalog: &Catalog) -> Read {
    let client = server.superuser("records").await;
    let reading = catalog.reading();
    let mut read = Read::new();
    let logins = "SELECT string_agg(rolname, ' ') FROM pg_roles WHERE rolcanlogin AND rolname ~ '^r[0-9]'";
    let logins = text_of(&client, logins).await.unwrap_or_default();
    let becomes = "SELECT string_agg(rolname, ' ') FROM pg_roles WHERE NOT rolsuper";
    let becomes = text_of(&client, becomes).await.unwrap_or_default();
    for login in logins.split(' ').filter(|name| !name.is_empty()) {
        let seen = read.entry(login.to_owned()).or_default();
        let client = connect(&server.config(login, "records")).await.unwrap();
        let mut roles = Vec::new();
        let mut all = reading.clone();
        for role in becomes.split(' ') {
            if client.batch_execute(&format!("SET ROLE {role}")).await.is_err() {
                continue;
            }
            roles.push(role);
            // What one role may name, another may read.
            let prepared = |at: usize| format!("p_{role}_{at}");
            let statements: Vec<String> = reading
                .iter()
                .enumerate()
                .map(|(at, sql)| format!("PREPARE {} AS {sql}", prepared(at)))
                .collect();
            client.batch_execute(&block(&statements, false)).await.unwrap();
            all.extend((0..reading.len()).map(|at| format!("EXECUTE {}", prepared(at))));
        }
        for role in roles {
            client.batch_execute(&format!("SET ROLE {role}")).await.unwrap();
            client.batch_execute(&block(&all, true)).await.unwrap();
            let said = text_of(&client, "SELECT current_setting('oracle.said')").await;
            marks(&said.unwrap_or_default(), &catalog.children, seen);
        }
    }
    read
}

/// Roles that a scan says read rows, whether that depends on a policy, and which columns.
fn claimed(report: &Report) -> BTreeMap<&str, (bool, BTreeSet<String>)> {
    let mut claimed: BTreeMap<&str, (bool, BTreeSet<String>)> = BTreeMap::new();
    for finding in report.findings.iter().filter(|one| one.class == Class::Rows) {
        let depends = finding
            .why
            .as_deref()
            .is_some_and(|why| why.contains("as far as policies") || why.contains("is from before"));
        let columns = finding
            .columns
            .clone()
            .unwrap_or_else(|| COLUMNS.map(str::to_owned).to_vec());
        let entry = claimed.entry(&finding.role).or_insert((true, BTreeSet::new()));
        entry.0 &= depends;
        entry.1.extend(columns);
    }
    claimed
}

async fn one(server: &Server, seed: u64, version: u32) -> Vec<String> {
    let catalog = Catalog::random(seed, version);
    let mut wrong = Vec::new();
    try_run(server, "postgres", "DROP DATABASE IF EXISTS records")
        .await
        .unwrap();
    try_run(server, "postgres", "CREATE DATABASE records")
        .await
        .unwrap();
    for sql in &catalog.sql {
        if let Err(why) = try_run(server, "records", sql).await
            && !EXPECTED.iter().any(|part| why.contains(part))
        {
            wrong.push(format!("seed {seed}: {why}"));
        }
    }
    let read = really_read(server, &catalog).await;
    for at in 0..TABLES {
        let name = format!("t{at}");
        let Some((table, _)) = catalog
            .relations
            .iter()
            .find(|(table, _)| table.ends_with(&format!(".{name}")))
        else {
            continue;
        };
        let report = report(server, &question(table, None)).await;
        let claims = claimed(&report);
        for (role, marks) in &read {
            let columns: BTreeSet<&str> = marks
                .iter()
                .filter(|(table, _)| *table == name)
                .map(|(_, column)| column.as_str())
                .collect();
            let paths = || {
                let of = report.findings.iter().filter(|one| one.role == *role);
                of.map(|one| {
                    format!(
                        "{:?} {} {:?} {:?} {:?}",
                        one.class,
                        one.kind.as_str(),
                        one.path,
                        one.columns,
                        one.why
                    )
                })
                .collect::<Vec<_>>()
                .join("\n  ")
            };
            match (claims.get(role.as_str()), columns.is_empty()) {
                (Some((false, _)), true) => {
                    wrong.push(format!(
                        "seed {seed}: {role} does not read {table}, but\n  {}",
                        paths()
                    ));
                }
                (None, false) => {
                    wrong.push(format!(
                        "seed {seed}: {role} reads {table} {columns:?}, but\n  {}",
                        paths()
                    ));
                }
                (Some((_, claimed)), false) => {
                    if let Some(missing) = columns.iter().find(|column| !claimed.contains(**column)) {
                        wrong.push(format!(
                            "seed {seed}: {role} reads {table}.{missing}, but\n  {}",
                            paths()
                        ));
                    }
                }
                _ => {}
            }
        }
    }
    if !wrong.is_empty() {
        wrong.push(format!("seed {seed}:\n{}", catalog.sql.join(";\n")));
    }
    try_run(server, "postgres", "DROP DATABASE records")
        .await
        .unwrap();
    for at in 0..ROLES {
        try_run(server, "postgres", &format!("DROP ROLE r{at}"))
            .await
            .unwrap();
    }
    wrong
}

#[expect(
    clippy::disallowed_methods,
    reason = "seeds of a longer run come from the environment"
)]
fn number(name: &str) -> Option<u64> {
    std::env::var(name).ok()?.parse().ok()
}

#[tokio::test]
async fn random_catalogs_are_read_as_the_scan_says() {
    let server = start().await;
    let version = major(&server).await;
    // Lines of pg_hba.conf for groups are looked at before the database is known, and PostgreSQL keeps the memberships that it
    // found then: its owner could not set pg_database_owner in that session.
    std::fs::write(server.socket().join("data/pg_hba.conf"), "local all all trust\n").unwrap();
    try_run(&server, "postgres", "SELECT pg_reload_conf()")
        .await
        .unwrap();
    let (first, seeds) = (
        number("ESTOP_SEED").unwrap_or(1),
        number("ESTOP_SEEDS").unwrap_or(SEEDS),
    );
    let mut wrong = Vec::new();
    for seed in first..first + seeds {
        wrong.extend(one(&server, seed, version).await);
        assert!(wrong.len() < 12, "{}", wrong.join("\n"));
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
