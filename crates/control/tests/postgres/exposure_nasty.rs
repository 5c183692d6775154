//! A second nasty server: each way is proved by reading, found, closed by its own statements alone, and proved closed; no
//! decoy is taken for one, and what others read goes on.

use std::collections::{BTreeMap, BTreeSet};

use policy::exposure::{Class, Finding, Report};

use crate::exposure::{lines, open, question, reads, report, run, start, try_run};
use crate::exposure_nasty_ways::{NASTY, NASTY_DECOYS, TARGETS};
use crate::exposure_ways::{BASE, Way};
use crate::server::{Server, connect};

/// After how many closings it is looked whether the others read on.
const CHECKED: usize = 9;

/// The server's major version.
pub(crate) async fn major(server: &Server) -> u32 {
    let client = server.superuser("postgres").await;
    let row = client
        .query_one("SELECT current_setting('server_version_num')::int", &[])
        .await
        .unwrap();
    u32::try_from(row.get::<_, i32>(0)).unwrap() / 10_000
}

/// The ways that this server's version has.
pub(crate) async fn ways_of(server: &Server, all: &'static [Way]) -> Vec<&'static Way> {
    let major = major(server).await;
    let has = |way: &&Way| way.versions.0 <= major && major <= way.versions.1;
    all.iter().filter(has).collect()
}

/// Everything, and what of it does not run.
async fn build(server: &Server, ways: &[&Way]) -> Vec<String> {
    let mut wrong = Vec::new();
    run(server, "records", BASE).await;
    run(
        server,
        "records",
        "CREATE VIEW open.v1 AS SELECT * FROM records.people",
    )
    .await;
    run(
        server,
        "other",
        "CREATE EXTENSION postgres_fdw; CREATE EXTENSION dblink; REVOKE EXECUTE ON ALL FUNCTIONS IN SCHEMA public FROM PUBLIC",
    )
    .await;
    run(server, "records", TARGETS).await;
    run(server, "records", "INSERT INTO records.people SELECT g + 100, 'person-' || g, 'Lake', 0 FROM generate_series(1, 40) g; ANALYZE records.people").await;
    for way in ways {
        let attributes = if way.login.is_empty() { "LOGIN" } else { way.login };
        let role = way.role.replace('"', "\"\"");
        run(server, "records", &format!("CREATE ROLE \"{role}\" {attributes}")).await;
    }
    for way in ways {
        for part in way.setup {
            let (database, sql) = part
                .split_once(": ")
                .filter(|(name, _)| ["other", "records"].contains(name))
                .unwrap_or(("records", part));
            wrong.extend(try_run(server, database, sql).await.err());
        }
    }
    for part in NASTY_DECOYS.iter().flat_map(|decoy| decoy.setup) {
        wrong.extend(try_run(server, "records", part).await.err());
    }
    run(server, "records", "ANALYZE").await;
    wrong
}

/// The answers for each target.
async fn reports(server: &Server, ways: &[&Way]) -> BTreeMap<&'static str, Report> {
    let targets: BTreeSet<&'static str> = ways.iter().map(|way| way.target).collect();
    let mut all = BTreeMap::new();
    for target in targets {
        let plain = target.replace('"', "");
        all.insert(target, report(server, &question(&plain, None)).await);
    }
    all
}

async fn all_read(server: &Server, ways: &[&Way]) -> Vec<String> {
    let mut wrong = Vec::new();
    for way in ways.iter().filter(|way| !way.read.is_empty()) {
        let mut last = reads(server, way).await;
        // A subscription copies in its own time.
        for _ in 0..100 {
            if last.is_ok() || way.kind != "subscription" {
                break;
            }
            tokio::time::sleep(std::time::Duration::from_millis(100)).await;
            last = reads(server, way).await;
        }
        if let Err(why) = last {
            wrong.push(format!("{} does not read: {why}", way.role));
        }
    }
    wrong
}

#[tokio::test]
async fn every_nasty_way_is_found_and_closed_and_no_decoy_is_taken_for_one() {
    let server = start().await;
    let ways = ways_of(&server, NASTY).await;
    let mut wrong = build(&server, &ways).await;
    wrong.extend(all_read(&server, &ways).await);
    let reports = reports(&server, &ways).await;
    for way in &ways {
        let found = reports
            .get(way.target)
            .map_or_else(Vec::new, |report| open(report, way.role));
        if !found
            .iter()
            .any(|one| one.kind.as_str() == way.kind && one.class == way.class)
        {
            wrong.push(format!(
                "{}: {} ({:?}) of {} was not found, but\n{}",
                way.role,
                way.kind,
                way.class,
                way.target,
                lines(&found)
            ));
        }
    }
    for decoy in NASTY_DECOYS {
        // What PUBLIC may read, the decoys read too.
        for (target, report) in reports.iter().filter(|(target, _)| **target != "records.posted") {
            let found: Vec<Finding> = open(report, decoy.role)
                .into_iter()
                .filter(|one| one.class <= decoy.most)
                .collect();
            if !found.is_empty() {
                wrong.push(format!(
                    "{} is a decoy for {target}, but:\n{}",
                    decoy.role,
                    lines(&found)
                ));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    close_each(&server, &ways).await;
}

/// Closes the paths of one role after another: each is shut, and those not yet closed read on.
async fn close_each(server: &Server, ways: &[&Way]) {
    let mut wrong = Vec::new();
    for (at, way) in ways.iter().enumerate() {
        for round in 0..8 {
            let left = open(
                &report(server, &question(&way.target.replace('"', ""), Some(way.role))).await,
                way.role,
            );
            if left.is_empty() {
                break;
            }
            if round == 7 {
                wrong.push(format!("these are never closed:\n{}", lines(&left)));
                break;
            }
            let mut ran = BTreeSet::new();
            for finding in left {
                if !ran.insert((finding.closes_in.clone(), finding.closes.clone())) {
                    continue;
                }
                let client = server.superuser(&finding.closes_in).await;
                for statement in finding.closes.split_inclusive(';') {
                    if let Err(error) = client.batch_execute(statement).await {
                        wrong.push(format!(
                            "{} {}: `{}` fails: {:?}",
                            finding.role,
                            finding.kind.as_str(),
                            finding.closes,
                            error.as_db_error().map(|error| error.message().to_owned())
                        ));
                    }
                }
            }
        }
        if !way.read.is_empty() && reads(server, way).await.is_ok() {
            wrong.push(format!("{} still reads", way.role));
        }
        // Now and then: all that is not closed yet reads on.
        let later: Vec<&Way> = match at % CHECKED {
            0 => ways.get(at + 1..).unwrap_or_default().to_vec(),
            _ => Vec::new(),
        };
        for why in all_read(server, &later).await {
            wrong.push(format!("after closing {}: {why}", way.role));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    let clerk = connect(&server.config("clerk", "records")).await.unwrap();
    for sql in ["SELECT name FROM records.people", "SELECT open.everyones()"] {
        clerk.query(sql, &[]).await.unwrap();
    }
    let facts = Class::Facts;
    for target in ["records.people", "records.cases", "records.sealed"] {
        let report = report(server, &question(target, Some("lookalike"))).await;
        let found: Vec<Finding> = open(&report, "lookalike")
            .into_iter()
            .filter(|one| one.class <= facts)
            .collect();
        assert!(found.is_empty(), "{}", lines(&found));
    }
}
