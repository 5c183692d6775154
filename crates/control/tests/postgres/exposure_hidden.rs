//! A third nasty server: ways that go round are proved by reading, found, and closed by their own statements; the decoys beside
//! them are not taken for ways, and what the clerk reads goes on.

use std::collections::{BTreeMap, BTreeSet};

use policy::exposure::{Class, Finding, Report};

use crate::exposure::{lines, open, question, reads, report, run, start, try_run};
use crate::exposure_decoys::Decoy;
use crate::exposure_hidden_ways::{BASE, HIDDEN, HIDDEN_DECOYS, LATE};
use crate::exposure_nasty::{major, ways_of};
use crate::exposure_ways::Way;
use crate::server::{Server, connect};

/// The database and the statements of a part of a setup.
fn part(text: &'static str) -> (&'static str, &'static str) {
    text.split_once(": ")
        .filter(|(name, _)| *name == "other")
        .unwrap_or(("records", text))
}

/// What a server is made of beside its ways.
pub(crate) struct Made {
    pub(crate) base: &'static str,
    pub(crate) decoys: &'static [Decoy],
    /// What is made when everything was analyzed.
    pub(crate) late: &'static str,
}

/// Everything, and what of it does not run.
async fn build(server: &Server, made: &Made, ways: &[&Way], major: u32) -> Vec<String> {
    let mut wrong = Vec::new();
    run(server, "records", made.base).await;
    for way in ways {
        let attributes = if way.login.is_empty() { "LOGIN" } else { way.login };
        run(
            server,
            "records",
            &format!("CREATE ROLE {} {attributes}", way.role),
        )
        .await;
    }
    let decoys = made.decoys.iter().filter(|decoy| decoy.since <= major);
    let setups = ways
        .iter()
        .flat_map(|way| way.setup)
        .chain(decoys.flat_map(|decoy| decoy.setup));
    for (database, sql) in setups.map(|text| part(text)) {
        wrong.extend(try_run(server, database, sql).await.err());
    }
    run(server, "records", "ANALYZE").await;
    run(server, "records", made.late).await;
    wrong
}

async fn reports(server: &Server, ways: &[&Way]) -> BTreeMap<&'static str, Report> {
    let mut all = BTreeMap::new();
    for target in ways.iter().map(|way| way.target).collect::<BTreeSet<_>>() {
        all.insert(target, report(server, &question(target, None)).await);
    }
    all
}

/// Runs what closes the ways until none is open, and says what of it fails.
async fn close(server: &Server, ways: &[&Way]) -> Vec<String> {
    let mut wrong = Vec::new();
    for _ in 0..5 {
        let reports = reports(server, ways).await;
        let left: Vec<Finding> = ways
            .iter()
            .filter_map(|way| Some(open(reports.get(way.target)?, way.role)))
            .flatten()
            .collect();
        if left.is_empty() {
            return wrong;
        }
        let closes: BTreeSet<(&str, &str)> = left
            .iter()
            .map(|one| (one.closes_in.as_str(), one.closes.as_str()))
            .collect();
        for (database, sql) in closes {
            let client = server.superuser(database).await;
            for statement in sql.split_inclusive(';') {
                if let Err(error) = client.batch_execute(statement).await {
                    wrong.push(format!("`{sql}` fails: {:?}", error.as_db_error()));
                }
            }
        }
    }
    wrong.push("some are never closed".to_owned());
    wrong
}

/// Ways are proved by reading, found, and closed; decoys are not taken for ways, and the clerk goes on reading. Gives what the
/// scan said before anything was closed.
pub(crate) async fn found_and_closed(
    server: &Server,
    made: &Made,
    all: &'static [Way],
) -> BTreeMap<&'static str, Report> {
    let ways = ways_of(server, all).await;
    let mut wrong = build(server, made, &ways, major(server).await).await;
    for way in ways.iter().filter(|way| !way.read.is_empty()) {
        if let Err(why) = reads(server, way).await {
            wrong.push(format!("{} does not read: {why}", way.role));
        }
    }
    let reports = reports(server, &ways).await;
    for way in &ways {
        let found = reports
            .get(way.target)
            .map_or_else(Vec::new, |report| open(report, way.role));
        let right = |one: &Finding| one.kind.as_str() == way.kind && one.class == way.class;
        if !found.iter().any(right) {
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
    for decoy in made.decoys {
        for (target, report) in &reports {
            let found = open(report, decoy.role).into_iter();
            let found: Vec<Finding> = found.filter(|one| one.class <= decoy.most).collect();
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
    let mut wrong = close(server, &ways).await;
    for way in ways.iter().filter(|way| !way.read.is_empty()) {
        if reads(server, way).await.is_ok() {
            wrong.push(format!("{} still reads", way.role));
        }
    }
    let clerk = connect(&server.config("clerk", "records")).await.unwrap();
    for sql in [
        "SELECT name FROM records.people",
        "SELECT county FROM open.public_list",
    ] {
        if let Err(error) = clerk.query(sql, &[]).await {
            wrong.push(format!(
                "the clerk's `{sql}` is broken: {:?}",
                error.as_db_error()
            ));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    reports
}

#[tokio::test]
async fn ways_that_go_round_are_found_and_closed_and_no_decoy_is_taken_for_one() {
    let server = start().await;
    let made = Made {
        base: BASE,
        decoys: HIDDEN_DECOYS,
        late: LATE,
    };
    let reports = found_and_closed(&server, &made, HIDDEN).await;
    let fresh = reports
        .get("records.people")
        .map_or_else(Vec::new, |report| open(report, "h_fresh"));
    let told = fresh
        .iter()
        .any(|one| one.kind.as_str() == "copy" && one.class == Class::Latent);
    assert!(told, "a copy that was never analyzed is not told");
}

/// A fourth server: texts that change roles and rights, what is owned, other names of what reads, what writing tells.
#[tokio::test]
async fn ways_by_texts_and_owners_are_found_and_closed_and_no_decoy_is_taken_for_one() {
    let server = start().await;
    let made = Made {
        base: crate::exposure_texts_ways::BASE,
        decoys: crate::exposure_texts_ways::TEXTS_DECOYS,
        late: "",
    };
    found_and_closed(&server, &made, crate::exposure_texts_ways::TEXTS).await;
}

/// A fifth server: what later versions brought, what calls from keys and indexes, what sleeps until it is woken.
#[tokio::test]
async fn ways_of_newer_versions_are_found_and_closed_and_no_decoy_is_taken_for_one() {
    let server = start().await;
    let made = Made {
        base: crate::exposure_newer_ways::BASE,
        decoys: crate::exposure_newer_ways::NEWER_DECOYS,
        late: "",
    };
    found_and_closed(&server, &made, crate::exposure_newer_ways::NEWER).await;
}

/// A sixth server: helpers, triggers on what others write, what is written abroad, made and filled.
#[tokio::test]
async fn ways_by_helpers_and_others_writing_are_found_and_closed_and_no_decoy_is_taken_for_one() {
    let server = start().await;
    let made = Made {
        base: crate::exposure_more_ways::BASE,
        decoys: crate::exposure_more_ways::MORE_DECOYS,
        late: crate::exposure_more_ways::LATE,
    };
    found_and_closed(&server, &made, crate::exposure_more_ways::MORE).await;
}

/// A column that is made of another gives that away; and so do statistics of expressions, to everybody, by the server's view as it was
/// before it was mended.
#[tokio::test]
async fn what_is_made_of_a_column_gives_it_away() {
    let server = start().await;
    run(&server, "records", BASE).await;
    let setup = "CREATE TABLE records.made (id int, name text, loud text GENERATED ALWAYS AS (upper(name)) STORED); \
        INSERT INTO records.made SELECT g, CASE WHEN g < 30 THEN 'Zebra-4711' ELSE 'p' || g END FROM generate_series(1, 60) g; \
        CREATE ROLE c_loud LOGIN; CREATE ROLE c_id LOGIN; GRANT USAGE ON SCHEMA records TO c_loud, c_id; \
        GRANT SELECT (loud) ON records.made TO c_loud; GRANT SELECT (id) ON records.made TO c_id";
    run(&server, "records", setup).await;
    let mut asked = question("records.made", None);
    asked.relation.as_mut().unwrap().column = Some("name".to_owned());
    let said = report(&server, &asked).await;
    let (loud, id) = (open(&said, "c_loud"), open(&said, "c_id"));
    assert_eq!(
        loud.first().map(|one| (one.class, one.kind.as_str())),
        Some((Class::Rows, "column_grant"))
    );
    assert!(id.is_empty(), "{}", lines(&id));
    if major(&server).await < 14 {
        return;
    }
    let statistics = "CREATE STATISTICS records.of_made ON (lower(name)), (name || id::text) FROM records.made; ANALYZE records.made";
    run(&server, "records", statistics).await;
    let reads = "SELECT most_common_vals::text FROM pg_stats_ext_exprs WHERE expr LIKE 'lower%'";
    let shown = async || {
        let client = connect(&server.config("c_id", "records")).await.unwrap();
        let row = client.query_opt(reads, &[]).await.unwrap();
        row.is_some_and(|row| {
            row.get::<_, Option<String>>(0)
                .is_some_and(|text| text.contains("zebra-4711"))
        })
    };
    let found = async || {
        let found = open(
            &report(&server, &question("records.made", Some("clerk"))).await,
            "clerk",
        );
        found.into_iter().next()
    };
    assert!(
        !shown().await && found().await.is_none(),
        "the view as it is now tells nobody"
    );
    let before = "SET allow_system_table_mods = on; DO $$DECLARE v text; BEGIN SELECT pg_get_viewdef('pg_stats_ext_exprs'::regclass) INTO v; \
        EXECUTE 'CREATE OR REPLACE VIEW pg_catalog.pg_stats_ext_exprs AS ' || replace(v, 'pg_has_role(c.relowner, ''USAGE''::text)', 'true'); END$$";
    run(&server, "records", before).await;
    assert!(shown().await, "the view as it was tells everybody");
    let told = found().await.unwrap();
    assert_eq!((told.class, told.kind.as_str()), (Class::Facts, "statistics"));
    run(&server, &told.closes_in, &told.closes).await;
    let client = connect(&server.config("c_id", "records")).await.unwrap();
    assert!(client.query_opt(reads, &[]).await.is_err() && found().await.is_none());
}

/// The only open finding of a role on a relation.
async fn single(server: &Server, relation: &str, role: &str) -> Finding {
    let found = open(&report(server, &question(relation, Some(role))).await, role);
    assert_eq!(found.len(), 1, "{}", lines(&found));
    found.into_iter().next().unwrap()
}

/// A grant in a prepared transaction, in the hands of who may commit it.
#[tokio::test]
async fn a_prepared_grant_is_open_until_it_is_rolled_back() {
    let server = start().await;
    run(&server, "records", BASE).await;
    for at in [1, 2] {
        let setup = format!(
            "CREATE ROLE h_owner{at} NOLOGIN; CREATE ROLE h_prep{at} LOGIN; GRANT USAGE ON SCHEMA records TO h_prep{at}; \
             CREATE TABLE records.held{at} AS SELECT 'Zebra-4711'::text AS name; ALTER TABLE records.held{at} OWNER TO h_owner{at}; \
             GRANT h_owner{at} TO h_prep{at}"
        );
        run(&server, "records", &setup).await;
        let client = connect(&server.config(&format!("h_prep{at}"), "records"))
            .await
            .unwrap();
        for sql in [
            "BEGIN".to_owned(),
            format!("GRANT SELECT ON records.held{at} TO h_prep{at}"),
            format!("PREPARE TRANSACTION 'held{at}'"),
        ] {
            client.batch_execute(&sql).await.unwrap();
        }
        run(&server, "records", &format!("REVOKE h_owner{at} FROM h_prep{at}")).await;
        let error = client
            .batch_execute(&format!("SELECT name FROM records.held{at}"))
            .await;
        assert!(error.is_err(), "it reads before it commits");
        let found = single(&server, &format!("records.held{at}"), &format!("h_prep{at}")).await;
        assert_eq!(
            (found.kind.as_str(), found.class),
            ("prepared_transaction", Class::Grantable)
        );
        if at == 2 {
            run(&server, &found.closes_in, &found.closes).await;
        }
        let committed = client.batch_execute(&format!("COMMIT PREPARED 'held{at}'")).await;
        let read = client
            .batch_execute(&format!("SELECT name FROM records.held{at}"))
            .await;
        assert_eq!((committed.is_ok(), read.is_ok()), (at == 1, at == 1));
    }
}

/// A session that was open when its role was shut out.
#[tokio::test]
async fn a_session_that_is_still_open_reads_until_it_is_ended() {
    let server = start().await;
    run(&server, "records", BASE).await;
    run(&server, "records", "CREATE ROLE h_inside LOGIN IN ROLE readers").await;
    let client = connect(&server.config("h_inside", "records")).await.unwrap();
    client.batch_execute("SELECT 1").await.unwrap();
    run(&server, "records", "ALTER ROLE h_inside NOLOGIN").await;
    let found = single(&server, "records.people", "h_inside").await;
    assert_eq!((found.kind.as_str(), found.class), ("open_session", Class::Rows));
    client
        .batch_execute("SELECT name FROM records.people")
        .await
        .unwrap();
    run(&server, &found.closes_in, &found.closes).await;
    assert!(
        client
            .batch_execute("SELECT name FROM records.people")
            .await
            .is_err()
    );
    let left = open(
        &report(&server, &question("records.people", Some("h_inside"))).await,
        "h_inside",
    );
    assert!(left.is_empty(), "{}", lines(&left));
}
