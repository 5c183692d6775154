//! Exposure against a nasty server: every way is proved by reading, found, closed, and proved closed; no decoy is taken for one.

use std::collections::BTreeMap;

use control::exposure::{Original, Way as Scanner};
use policy::exposure::scan::Named;
use policy::exposure::{Class, Finding, Question, Report, scan};
use tokio_postgres::{Client, SimpleQueryMessage};

use crate::exposure_decoys::DECOYS;
use crate::exposure_nasty::{major, ways_of};
use crate::exposure_ways::{BASE, WAYS, Way};
use crate::server::{Server, connect};

pub(crate) async fn start() -> Server {
    let server = Server::start(&[
        ("wal_level", "logical"),
        ("max_prepared_transactions", "5"),
        ("max_replication_slots", "8"),
        // Of itself only from PostgreSQL 14.
        ("password_encryption", "scram-sha-256"),
        // What waits for another is an error of the test, and says so.
        ("statement_timeout", "20s"),
    ])
    .await;
    trust(&server).await;
    server
}

/// A server on which pg_cron runs jobs, from its start on, in processes of the server's own.
pub(crate) async fn start_with_jobs() -> Server {
    let server = Server::start_with_jobs(&[
        ("shared_preload_libraries", "pg_cron"),
        ("cron.database_name", "records"),
        ("cron.use_background_workers", "on"),
        ("statement_timeout", "20s"),
    ])
    .await;
    trust(&server).await;
    server
}

/// Lets roles in without a password, but those whose name begins with `pw_`, who need one.
async fn trust(server: &Server) {
    let hba = "local all postgres trust\nlocal all +needs_password scram-sha-256\nlocal all +md5door md5\nlocal records +notrecords reject\nlocal all +kept_out reject\nlocal all all trust\nlocal replication all reject\n";
    std::fs::write(server.socket().join("data/pg_hba.conf"), hba).unwrap();
    let admin = server.superuser("postgres").await;
    admin
        .batch_execute(
            "CREATE ROLE needs_password NOLOGIN; CREATE ROLE kept_out NOLOGIN; CREATE ROLE md5door NOLOGIN; CREATE ROLE notrecords NOLOGIN; SELECT pg_reload_conf()",
        )
        .await
        .unwrap();
    admin.batch_execute("CREATE DATABASE records").await.unwrap();
    admin.batch_execute("CREATE DATABASE other").await.unwrap();
}

pub(crate) async fn run(server: &Server, database: &str, sql: &str) {
    if let Err(why) = try_run(server, database, sql).await {
        panic!("{why}");
    }
}

/// Runs statements as a superuser, or says what is wrong with them.
pub(crate) async fn try_run(server: &Server, database: &str, sql: &str) -> Result<(), String> {
    let client = server.superuser(database).await;
    let sql = sql.replace("$SOCKET", &server.socket().display().to_string());
    client.batch_execute(&sql).await.map_err(|error| {
        let message = error.as_db_error().map_or_else(
            || error.to_string(),
            |e| format!("{} {:?}", e.message(), e.where_()),
        );
        format!("{message}\n{sql}")
    })
}

pub(crate) fn question(relation: &str, role: Option<&str>) -> Question {
    let (schema, name) = relation.split_once('.').unwrap();
    Question {
        relation: Some(Named {
            schema: schema.to_owned(),
            name: name.to_owned(),
            column: None,
        }),
        role: role.map(str::to_owned),
        all: true,
    }
}

pub(crate) async fn report(server: &Server, question: &Question) -> Report {
    let scanner = Scanner::new(&server.url("records")).unwrap();
    let original = question.relation.as_ref().map(|named| Original {
        schema: named.schema.clone(),
        name: named.name.clone(),
    });
    let snapshot = scanner.snapshot(original.as_ref(), &|_| ()).await.unwrap();
    let text = serde_json::to_string(&snapshot).unwrap();
    assert_eq!(
        snapshot,
        serde_json::from_str(&text).unwrap(),
        "a snapshot is a value"
    );
    scan(&snapshot, question).unwrap()
}

/// Everything a batch says: rows and notices.
pub(crate) async fn said(server: &Server, way: &Way) -> Result<String, String> {
    let config = server.config(way.role, way.database);
    let (client, mut driver) = config
        .connect(tokio_postgres::NoTls)
        .await
        .map_err(|error| error.to_string())?;
    let (send, mut notices) = tokio::sync::mpsc::unbounded_channel();
    tokio::spawn(async move {
        let messages = std::future::poll_fn(|context| driver.poll_message(context));
        let mut next = Box::pin(messages).await;
        while let Some(Ok(message)) = next {
            if let tokio_postgres::AsyncMessage::Notice(notice) = message {
                let _ = send.send(notice.message().to_owned());
            }
            next = std::future::poll_fn(|context| driver.poll_message(context)).await;
        }
    });
    let sql = way
        .read
        .replace("$SOCKET", &server.socket().display().to_string());
    let messages = client.simple_query(&sql).await.map_err(|error| {
        error
            .as_db_error()
            .map_or_else(|| error.to_string(), |error| error.message().to_owned())
    })?;
    let mut text = String::new();
    for message in messages {
        if let SimpleQueryMessage::Row(row) = message {
            for at in 0..row.len() {
                text.push_str(row.get(at).unwrap_or_default());
                text.push('\n');
            }
        }
    }
    drop(client);
    while let Some(notice) = notices.recv().await {
        text.push_str(&notice);
    }
    Ok(text)
}

/// Whether a way reads: the secret, or for facts anything but nothing.
pub(crate) async fn reads(server: &Server, way: &Way) -> Result<(), String> {
    let text = said(server, way).await?;
    if text.contains(way.proof) {
        Ok(())
    } else {
        Err(format!("no `{}` in `{text}`", way.proof))
    }
}

async fn build(server: &Server, ways: &[&Way]) {
    run(server, "records", BASE).await;
    for way in ways {
        let role = format!(
            "CREATE ROLE {} {}",
            way.role,
            if way.login.is_empty() { "LOGIN" } else { way.login }
        );
        run(server, "records", &role).await;
    }
    for way in ways {
        for part in way.setup {
            let (database, sql) = part
                .split_once(": ")
                .filter(|(name, _)| ["other", "records"].contains(name))
                .unwrap_or(("records", part));
            run(server, database, sql).await;
        }
    }
}

pub(crate) fn open(report: &Report, role: &str) -> Vec<Finding> {
    let of_role = report
        .findings
        .iter()
        .filter(|one| one.role == role && one.class != Class::Blocked);
    of_role.cloned().collect()
}

pub(crate) fn lines(findings: &[Finding]) -> String {
    findings
        .iter()
        .map(|one| {
            format!(
                "  {} {} {} {:?} | {} | {:?}\n",
                one.role,
                one.class.as_str(),
                one.kind.as_str(),
                one.path,
                one.closes,
                one.why
            )
        })
        .collect()
}

#[tokio::test]
async fn every_way_is_found_and_closed_and_no_decoy_is_taken_for_one() {
    let server = start().await;
    let ways = ways_of(&server, WAYS).await;
    let major = major(&server).await;
    build(&server, &ways).await;
    for decoy in DECOYS.iter().filter(|decoy| decoy.since <= major) {
        for part in decoy.setup {
            run(&server, "records", part).await;
        }
    }
    run(&server, "records", "ANALYZE").await;
    let mut wrong = Vec::new();
    // Once as it is: each way reads.
    for way in ways.iter().filter(|way| !way.read.is_empty()) {
        if let Err(why) = reads(&server, way).await {
            wrong.push(format!("{} does not read: {why}", way.role));
        }
    }
    assert!(
        wrong.is_empty(),
        "the server is not as nasty as meant:\n{}",
        wrong.join("\n")
    );
    let report = report(&server, &question("records.people", None)).await;
    for way in &ways {
        let found = open(&report, way.role);
        let kinds: Vec<&str> = found.iter().map(|one| one.kind.as_str()).collect();
        if !found
            .iter()
            .any(|one| one.kind.as_str() == way.kind && one.class == way.class)
        {
            wrong.push(format!(
                "{}: {} ({:?}) was not found, but {kinds:?}\n{}",
                way.role,
                way.kind,
                way.class,
                lines(&found)
            ));
        }
    }
    for decoy in DECOYS {
        let found: Vec<Finding> = open(&report, decoy.role)
            .into_iter()
            .filter(|one| one.class <= decoy.most)
            .collect();
        if !found.is_empty() {
            wrong.push(format!("{} is a decoy, but:\n{}", decoy.role, lines(&found)));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    close_all(&server, &ways).await;
}

/// Runs what closes each path until none is left; then nothing reads, and who may read still does.
async fn close_all(server: &Server, ways: &[&Way]) {
    let mut wrong = Vec::new();
    let mut ran: BTreeMap<String, usize> = BTreeMap::new();
    for round in 0..8 {
        let report = report(server, &question("records.people", None)).await;
        let left: Vec<Finding> = ways.iter().flat_map(|way| open(&report, way.role)).collect();
        if left.is_empty() {
            break;
        }
        assert!(round < 7, "these are never closed:\n{}", lines(&left));
        for finding in left {
            let key = format!("{}: {}", finding.closes_in, finding.closes);
            let times = ran.entry(key.clone()).or_default();
            *times += 1;
            if *times > 1 {
                continue;
            }
            let client = server.superuser(&finding.closes_in).await;
            for statement in finding.closes.split_inclusive(';') {
                if let Err(error) = client.batch_execute(statement).await {
                    let message = error
                        .as_db_error()
                        .map_or_else(|| error.to_string(), |error| error.message().to_owned());
                    wrong.push(format!(
                        "{} {}: `{key}` fails: {message}",
                        finding.role,
                        finding.kind.as_str()
                    ));
                }
            }
        }
        ran.retain(|_, _| false);
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    for way in ways.iter().filter(|way| !way.read.is_empty()) {
        if reads(server, way).await.is_ok() {
            wrong.push(format!("{} still reads", way.role));
        }
    }
    let clerk = connect(&server.config("clerk", "records")).await.unwrap();
    for sql in crate::exposure_ways::CLERK_READS {
        if let Err(error) = clerk.query(*sql, &[]).await {
            wrong.push(format!(
                "the clerk's `{sql}` is broken: {:?}",
                error.as_db_error()
            ));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// `--verify` agrees with what was claimed, and changes nothing.
#[tokio::test]
async fn trying_shows_what_was_claimed() {
    let server = start().await;
    build(&server, &ways_of(&server, WAYS).await).await;
    let mut found = report(&server, &question("records.people", None)).await;
    let scanner = Scanner::new(&server.url("records")).unwrap();
    scanner.verify(&mut found, &|_| ()).await.unwrap();
    let refuted: Vec<Finding> = found
        .findings
        .iter()
        .filter(|one| one.verified == Some(false) && one.class <= Class::Facts)
        .cloned()
        .collect();
    assert!(refuted.is_empty(), "{}", lines(&refuted));
    let tried = found
        .findings
        .iter()
        .filter(|one| one.verified == Some(true))
        .count();
    assert!(tried >= 15, "{tried} paths were tried");
    let client: Client = server.superuser("records").await;
    let rows: i64 = client
        .query_one("SELECT count(*) FROM records.people", &[])
        .await
        .unwrap()
        .get(0);
    assert_eq!(rows, 43);
}
