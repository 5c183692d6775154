//! P3 from outside: what a client received is in the ledger, whatever becomes of the gateway or of its disk.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
    clippy::indexing_slicing,
    reason = "all of it is tests, also what is not marked as one"
)]

mod crash;
mod stage;

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use crash::partners::{Partner, Received, Road};
use crash::small_disk::SmallDisk;
use crash::told::{told, whose_rows};
use crash::trace::{length, written};
use crash::{Serve, World};
use futures_util::StreamExt as _;
use stage::desk::Worker;
use stage::{Login, PATIENCE, wait_for};
use tokio::runtime::Runtime;
use tokio_postgres::{Client, SimpleQueryMessage};

/// Gateways killed.
const RUNS: u64 = 50;

/// Gateways killed before airlocks: each start takes up, or makes again, the clusters that the last one left.
const AIRLOCK_RUNS: u64 = 4;

/// Airlocks killed under a gateway that lives.
const CLUSTERS_KILLED: u64 = 3;

/// Longest time from the first row of the last client to the end of a run, in milliseconds.
const RUN_MS: u64 = 500;

/// A process of a server that is busy with a partner's statement.
fn session_of(postmaster: &str) -> String {
    let children = fs::read_to_string(format!("/proc/{postmaster}/task/{postmaster}/children")).unwrap();
    let is_session = |pid: &&str| {
        let title = fs::read_to_string(format!("/proc/{pid}/cmdline")).unwrap_or_default();
        title.starts_with("postgres: estop_") && title.contains("SELECT")
    };
    let found = children.split_whitespace().find(is_session);
    found.expect("a session at work").to_owned()
}

/// What a client may be told when its airlock has ended under it.
const LOST: &[&str] = &["57P01"];

/// What a client is told of a statement that could not be recorded.
const NOT_RECORDED: &str = "58030";

fn runtime() -> Runtime {
    tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .unwrap()
}

#[test]
fn everything_a_client_received_is_in_the_ledger_after_kill_9() {
    gateways_are_killed("in-place", RUNS);
}

#[test]
fn everything_a_client_received_through_an_airlock_is_in_the_ledger_after_kill_9() {
    gateways_are_killed("airlock", AIRLOCK_RUNS);
}

fn gateways_are_killed(isolation: &str, runs: u64) {
    let world = World::set_in(isolation);
    let runtime = runtime();
    let received: Vec<_> = (0..runs).flat_map(|run| killed(&world, &runtime, run)).collect();
    let refused: Vec<_> = received.iter().filter(|one| one.refused.is_some()).collect();
    assert!(
        refused.is_empty(),
        "nothing but the kill ended a statement: {refused:?}"
    );
    nothing_is_lost(&world, received, runs);
}

/// Whatever was received is in the ledger. The last of the crashes is healed by whoever opens it, here.
fn nothing_is_lost(world: &World, received: Vec<Received>, runs: u64) {
    let told = told(&world.folder(), world.state());
    let entries = world.verify(&[]);
    let received: Vec<_> = received.into_iter().filter(Received::anything).collect();
    let lost: Vec<_> = received
        .iter()
        .filter(|one| match told.get(&one.marker) {
            None => true,
            Some(told) if one.complete => !told.complete || told.rows != one.rows,
            Some(told) => told.rows < one.rows,
        })
        .collect();
    let rows: u64 = received.iter().map(|one| one.rows).sum();
    let cut = received.iter().filter(|one| !one.complete).count();
    println!(
        "kill -9: {runs} runs, {} statements received, {rows} rows received, {} lost ({cut} killed in the middle; {entries} entries)",
        received.len(),
        lost.len()
    );
    let shown = lost
        .iter()
        .take(5)
        .map(|one| (one, told.get(&one.marker)))
        .collect::<Vec<_>>();
    assert!(lost.is_empty(), "received, and not in the ledger: {shown:?}");
    let people = whose_rows(world.state(), &told, &received);
    assert!(people >= 10 * runs, "too few people among the rows: {people}");
    // Else the test would have shown little.
    assert!(
        received.len() as u64 >= 10 * runs && cut as u64 >= runs,
        "too little was under way"
    );
}

/// One life of a gateway, from its start to its death at a random moment: what its clients received.
fn killed(world: &World, runtime: &Runtime, run: u64) -> Vec<Received> {
    let mut serve = world.serve(&[]);
    let who = ["state-police", "state-police", "university"];
    let partners = at_work(world, runtime, &serve, &who, run);
    std::thread::sleep(Duration::from_millis(random() % RUN_MS));
    assert!(serve.lives(), "`serve` ended before it was killed");
    serve.kill();
    ended(runtime, partners)
}

type Partners = Vec<tokio::task::JoinHandle<Vec<Received>>>;

/// Clients on every road, those of short statements by turns of `who`; the first of them answers for the long ones.
fn at_work(world: &World, runtime: &Runtime, serve: &Serve, who: &[&str], run: u64) -> Partners {
    let seen = Arc::new(AtomicU64::new(0));
    let roads = [
        Road::Simple,
        Road::Prepared,
        Road::Pipeline,
        Road::Stream,
        Road::StreamExtended,
        Road::Copy,
    ];
    let partners = roads.iter().enumerate().map(|(place, &road)| {
        let who = who.get(place).or_else(|| who.first()).unwrap();
        let (login, seen) = (world.login(who), Arc::clone(&seen));
        let name = format!("{run}-{place}");
        runtime.spawn(
            Partner {
                address: serve.address,
                login,
                road,
                name,
                at_work: AtomicBool::new(false),
                seen,
            }
            .work(),
        )
    });
    let partners = partners.collect();
    // Most die with all their clients at work, some while clients still log in.
    let enough = if run.is_multiple_of(5) {
        1
    } else {
        roads.len() as u64
    };
    wait_for("clients at work", || seen.load(Ordering::Relaxed) >= enough);
    partners
}

/// What clients received until their connections ended.
fn ended(runtime: &Runtime, partners: Partners) -> Vec<Received> {
    let all = partners.into_iter().map(|partner| {
        let within = async { tokio::time::timeout(PATIENCE, partner).await };
        runtime
            .block_on(within)
            .expect("a client sees the end of its connection")
            .unwrap()
    });
    all.flatten().collect()
}

#[test]
fn an_airlock_killed_under_its_results_disturbs_nobody_else_and_loses_nothing() {
    let world = World::set_in("airlock");
    let runtime = runtime();
    let mut serve = world.serve(&[]);
    let at = |who: &str| Login {
        port: serve.address.port().to_string(),
        ..world.login(who)
    };
    let (police, university) = (at("state-police"), at("university"));
    wait_for("an airlock at work", || {
        [&police, &university]
            .iter()
            .all(|login| login.psql(&["select 1 from people limit 1"]).status.success())
    });
    let others = Worker::begin("partner_at_work.py", &[&university.conninfo()]);
    let mut received = Vec::new();
    // From the first run on with all of them at work.
    for run in 1..=CLUSTERS_KILLED {
        let partners = at_work(&world, &runtime, &serve, &["state-police"], run);
        std::thread::sleep(Duration::from_millis(random() % RUN_MS));
        let postmaster = world.postmaster("state-police");
        // The server, whose other processes see that it is gone; or a session, after which PostgreSQL ends all others.
        let server = !run.is_multiple_of(2);
        let victim = if server {
            postmaster.clone()
        } else {
            session_of(&postmaster)
        };
        let kill = Command::new("kill").args(["-KILL", &victim]).status();
        assert!(kill.unwrap().success(), "{victim}");
        received.extend(ended(&runtime, partners));
        wait_for("the partner works again", || {
            let again = police.psql(&["select 1 from people limit 1"]);
            (world.postmaster("state-police") != postmaster) == server && again.status.success()
        });
    }
    assert!(serve.lives(), "an airlock's end must not end the gateway");
    let worked = others.end();
    assert_eq!(
        worked["errors"],
        serde_json::json!([]),
        "the other partner must not notice"
    );
    assert!(worked["asked"].as_u64().unwrap() > 10, "{worked}");
    let told: BTreeSet<_> = received.iter().filter_map(|one| one.refused.as_deref()).collect();
    assert!(
        told.iter().all(|sqlstate| LOST.contains(sqlstate)),
        "a partner is told that its connection was lost: {told:?}"
    );
    serve.kill();
    nothing_is_lost(&world, received, CLUSTERS_KILLED);
}

fn random() -> u64 {
    let mut bytes = [0; 8];
    getrandom::fill(&mut bytes).unwrap();
    u64::from_le_bytes(bytes)
}

/// The file system of the state while there is room: the segment in use, one more, and some space for all else.
const DISK_BYTES: u64 = 180 << 20;

/// Taken from the beginning, so that the segment after the one in use cannot be made.
const TAKEN_BYTES: u64 = 104 << 20;

/// Characters of a statement that is to make a long record. JSON writes each of them as six.
const LONG: usize = 60_000;

/// Statements after which a segment must be full: each takes 360 kB of its 64 MiB.
const ENOUGH: usize = 400;

/// Sessions that may begin where no statement can be recorded: each record takes most of what the last left.
const NEWCOMERS: u32 = 3;

#[test]
fn a_full_disk_refuses_statements_and_service_resumes_by_itself() {
    let world = World::set_in("in-place");
    let before = world.folder().join("state-before");
    fs::rename(world.state(), &before).unwrap();
    fs::create_dir(world.state()).unwrap();
    remove_segment_made_ahead(&before.join("ledger/wal"));
    let Some(disk) = SmallDisk::mount(&world.state(), &before, DISK_BYTES) else {
        println!("not tested: this machine lets nobody mount a file system");
        return;
    };
    disk.take(TAKEN_BYTES);
    let within = disk.within();
    let within: Vec<_> = within.iter().map(String::as_str).collect();
    let mut serve = world.serve(&within);
    let received = runtime().block_on(full_and_free_again(&serve, &world.login("state-police"), &disk));
    assert!(serve.lives(), "a full disk must not end the gateway");
    serve.kill();
    let told = told(&world.folder(), disk.path());
    for (marker, rows) in &received {
        let recorded = told
            .get(marker)
            .unwrap_or_else(|| panic!("{marker}: {rows} rows received, no record"));
        assert!(
            recorded.rows >= *rows,
            "{marker}: {rows} rows received, {recorded:?}"
        );
    }
    let released = told
        .keys()
        .filter(|marker| marker.starts_with("mark:withheld"))
        .collect::<Vec<_>>();
    assert!(
        released.is_empty(),
        "refused, and yet recorded as released: {released:?}"
    );
    let entries = world.verify(&within);
    println!(
        "full disk: {} statements received, 0 lost; {entries} entries verify",
        received.len()
    );
}

/// The segment that is used next would let a full disk go unnoticed for another 64 MiB.
fn remove_segment_made_ahead(wal: &Path) {
    let segments = fs::read_dir(wal).unwrap().map(|entry| entry.unwrap().path());
    let blank = segments.filter(|path| fs::read(path).unwrap().iter().take(64).all(|byte| *byte == 0));
    for path in blank.collect::<Vec<_>>() {
        fs::remove_file(path).unwrap();
    }
}

/// What clients saw while the disk was filled and freed: the markers of what they received, with rows.
async fn full_and_free_again(serve: &Serve, login: &Login, disk: &SmallDisk) -> Vec<(String, u64)> {
    let simple = serve.connect(login).await.unwrap();
    let extended = serve.connect(login).await.unwrap();
    let prepared = extended
        .prepare("select 'mark:withheld-prepared:', person_id from people limit 5")
        .await
        .unwrap();
    let mut received = vec![(
        "mark:before:".to_owned(),
        got(&simple, "mark:before:").await.unwrap(),
    )];
    disk.fill();

    // What was made in advance is used up first, and each of these is a promise kept. Where a long record has no
    // room any more a shorter one may have.
    let mut length = LONG;
    for number in 0..ENOUGH {
        let marker = format!("mark:full-{number}:");
        let sql = format!(
            "select '{marker}', person_id from people limit 3 /* {} */",
            "\u{1}".repeat(length)
        );
        match ask(&simple, &sql).await {
            Ok(rows) => received.push((marker, rows)),
            Err(sqlstate) => {
                assert_eq!(sqlstate, NOT_RECORDED, "after {number} statements");
                if length == 0 {
                    break;
                }
                length /= 8;
            }
        }
    }
    assert_eq!(length, 0, "a disk that is full at last");
    // No statement has a shorter record than this one: where it is refused, every other is.
    let mut more = 0;
    while ask(&simple, "select 1").await.is_ok() {
        more += 1;
        assert!(more < ENOUGH, "a disk that is full at last");
    }

    // Both connections stay, on both roads nothing is let out, and nobody new comes in.
    for _ in 0..3 {
        assert_eq!(
            got(&simple, "mark:withheld-simple:").await,
            Err(NOT_RECORDED.to_owned())
        );
        assert_eq!(ask(&simple, "select 1").await, Err(NOT_RECORDED.to_owned()));
        let error = extended.query(&prepared, &[]).await.unwrap_err();
        assert_eq!(error.code().unwrap().code(), NOT_RECORDED);
    }
    // The record of a session is shorter than any of a statement: a few may still have had room.
    let mut admitted = 0;
    let stranger = loop {
        match serve.connect(login).await {
            Ok(client) => assert!(
                got(&client, "mark:withheld-new:").await.is_err(),
                "a row to a newcomer"
            ),
            Err(error) => break error,
        }
        admitted += 1;
        assert!(admitted <= NEWCOMERS, "sessions go on to be admitted");
    };
    assert_eq!(stranger.code().unwrap().code(), NOT_RECORDED, "{stranger}");

    disk.free();
    for (client, marker) in [
        (&simple, "mark:after-simple:"),
        (&extended, "mark:after-extended:"),
    ] {
        let rows = got(client, marker).await.expect("service on the same connection");
        received.push((marker.to_owned(), rows));
    }
    let newcomer = serve.connect(login).await.unwrap();
    received.push(("mark:new:".to_owned(), got(&newcomer, "mark:new:").await.unwrap()));
    received
}

/// Asks for five rows with a marker.
async fn got(client: &Client, marker: &str) -> Result<u64, String> {
    ask(
        client,
        &format!("select '{marker}', person_id from people limit 5"),
    )
    .await
}

/// The rows of a statement, or why it was refused. A refusal must have come instead of everything else.
async fn ask(client: &Client, sql: &str) -> Result<u64, String> {
    let answer = async {
        let mut messages = std::pin::pin!(client.simple_query_raw(sql).await?);
        let mut rows = 0;
        let mut anything = false;
        while let Some(message) = messages.next().await {
            match message {
                Ok(message) => {
                    anything = true;
                    rows += u64::from(matches!(message, SimpleQueryMessage::Row(_)));
                }
                Err(error) => {
                    assert!(!anything, "something came before the refusal of: {sql:.80}");
                    return Err(error);
                }
            }
        }
        Ok(rows)
    };
    let answer = tokio::time::timeout(PATIENCE, answer)
        .await
        .expect("an answer in time");
    answer.map_err(|error| {
        error
            .code()
            .unwrap_or_else(|| panic!("{sql:.80}: {error}"))
            .code()
            .to_owned()
    })
}

/// Bytes of a row that no message of a login comes near.
const WIDE: usize = 12_000;

#[test]
fn a_row_is_sent_after_the_sync_of_its_record() {
    let world = World::set_in("in-place");
    let trace = world.folder().join("trace");
    let out = trace.display().to_string();
    let calls = "trace=pwrite64,fdatasync,sendto,sendmsg,write,writev";
    let mut serve = world.serve(&["strace", "-f", "-yy", "-s", "4096", "-e", calls, "-o", &out]);
    let port = serve.address.port();
    let sql = format!("select 'mark:order:', '{}'", "x".repeat(WIDE));
    let rows = runtime().block_on(async {
        let client = serve.connect(&world.login("state-police")).await.unwrap();
        ask(&client, &sql).await
    });
    assert_eq!(rows, Ok(1));
    // The tracer ends with what it traces.
    serve.kill_child();

    let text = String::from_utf8_lossy(&fs::read(&trace).unwrap()).into_owned();
    let lines: Vec<_> = text.lines().collect();
    let find = |what: &str, from: usize, holds: &dyn Fn(&str) -> bool| {
        let found = lines.iter().skip(from).position(|line| holds(line));
        from + found.unwrap_or_else(|| panic!("no {what} in the trace"))
    };
    // The record is sealed: it is known by its length, and is the last of it. What a segment is filled with in advance are zeros.
    let wide = |line: &&str| {
        let of_log = line.contains("pwrite64(") && line.contains("/ledger/wal/");
        of_log && written(line) > WIDE && !line.contains(r#", "\0\0\0\0\0"#)
    };
    let record = lines.iter().rposition(wide).expect("no record in the trace");
    let legible = lines
        .iter()
        .find(|line| line.contains("pwrite64(") && line.contains("mark:order:"));
    assert_eq!(legible, None, "a statement is written in plain");
    let writer = lines[record].split_whitespace().next().unwrap();
    let synced = find("sync", record, &|line| {
        let of_writer = line.split_whitespace().next() == Some(writer) && line.contains("fdatasync");
        of_writer && (line.contains("/ledger/wal/") || line.contains("resumed")) && line.ends_with("= 0")
    });
    let to_client = format!("TCP:[127.0.0.1:{port}->");
    let sent = find("row", 0, &|line| line.contains(&to_client) && length(line) > WIDE);
    assert!(
        synced < sent,
        "sent in line {sent}, record written in {record}, synced in {synced}"
    );
    println!("order: record written in line {record} of the trace, synced in {synced}, sent in {sent}");
}
