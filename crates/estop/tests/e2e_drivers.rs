//! The table of clients in docs/clients.md, made from runs: unmodified clients at what their users do, in both isolations.
//!
//! With `ESTOP_WRITE_CLIENTS` set the table is written there; else it must be what the runs give.

#![expect(
    clippy::unwrap_used,
    reason = "all of it is tests, also what is not marked as one"
)]

mod stage;

use std::fmt::Write as _;
use std::process::Command;

use futures_util::TryStreamExt as _;
use stage::{Login, Stage, root, run};
use tokio_postgres::{Config, NoTls};

const BEGIN: &str = "<!-- made by crates/estop/tests/e2e_drivers.rs: make clients -->\n";
const END: &str = "<!-- end -->\n";

/// What a client was asked, and what came of it.
type Case = (String, String, String);

#[test]
fn the_table_of_clients_is_what_their_runs_give() {
    let [in_place, airlock] = ["in-place", "airlock"].map(|isolation| {
        let stage = Stage::set_in(isolation);
        cases(&stage.login("state-police"))
    });
    let table = table(&in_place, &airlock);
    let file = root("docs/clients.md");
    let text = std::fs::read_to_string(&file).unwrap();
    let (before, rest) = text.split_once(BEGIN).unwrap();
    let (there, after) = rest.split_once(END).unwrap();
    if std::env::var_os("ESTOP_WRITE_CLIENTS").is_some() {
        std::fs::write(&file, format!("{before}{BEGIN}{table}{END}{after}")).unwrap();
    } else {
        assert_eq!(there, table, "`make clients` writes docs/clients.md anew");
    }
}

fn cases(login: &Login) -> Vec<Case> {
    let scratch = tempfile::tempdir().unwrap();
    let login_args = [
        &login.host,
        &login.port,
        &login.user,
        &login.password,
        &login.database,
        &login.options,
        &login.authority,
    ];
    let python = root("target/python/bin/python");
    let mut drivers = [Command::new(python), Command::new("node"), Command::new("java")];
    let [python, node, java] = &mut drivers;
    python.arg(root("tests/drivers/clients.py"));
    let modules = root("target/node/node_modules");
    node.env("NODE_PATH", format!("{}:/usr/share/nodejs", modules.display()));
    node.arg(root("tests/drivers/clients_node.js"));
    java.args(["-cp", "/usr/share/java/postgresql.jar"]);
    java.arg(root("tests/drivers/Clients.java"));
    let mut said = String::new();
    for driver in &mut drivers {
        said.push_str(&run(driver.args(login_args).current_dir(&scratch)));
    }
    let mut cases: Vec<Case> = said.lines().map(case).collect();
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let more = runtime.block_on(of_tokio_postgres(login));
    cases.extend(more.map(|what| ("tokio-postgres".to_owned(), what.to_owned(), "works".to_owned())));
    cases
}

fn case(line: &str) -> Case {
    let mut parts = line.split('\t').map(str::to_owned);
    let mut part = || parts.next().unwrap();
    (part(), part(), part())
}

async fn of_tokio_postgres(login: &Login) -> [&'static str; 4] {
    let config: Config = login
        .conninfo()
        .split(" sslmode=")
        .next()
        .unwrap()
        .parse()
        .unwrap();
    // Without TLS nobody gets in.
    assert!(config.connect(NoTls).await.is_err());
    let tls = estop::tls::client(login.authority.as_ref()).unwrap();
    let connector = tokio_postgres_rustls::MakeRustlsConnect::new(tls);
    let (mut client, connection) = config.connect(connector).await.unwrap();
    let served = tokio::spawn(connection);
    let counted: i64 = client
        .query_one("select count(*) from people", &[])
        .await
        .unwrap()
        .get(0);
    let by_id = client
        .prepare("select * from people where person_id > $1")
        .await
        .unwrap();
    let none: [&(dyn tokio_postgres::types::ToSql + Sync); 1] = [&0];
    let rows: Vec<_> = client
        .query_raw(&by_id, none)
        .await
        .unwrap()
        .try_collect()
        .await
        .unwrap();
    assert_eq!(i64::try_from(rows.len()).unwrap(), counted);
    let many = (0..50).map(|one: i32| {
        let client = &client;
        async move {
            client
                .query_one("select $1::int", &[&one])
                .await
                .unwrap()
                .get::<_, i32>(0)
        }
    });
    let many = futures_util::future::join_all(many).await;
    assert_eq!(many, (0..50).collect::<Vec<_>>());
    let work = client.transaction().await.unwrap();
    let portal = work.bind("select * from people", &[]).await.unwrap();
    assert_eq!(work.query_portal(&portal, 10).await.unwrap().len(), 10);
    assert_eq!(work.query_portal(&portal, 10).await.unwrap().len(), 10);
    work.commit().await.unwrap();
    let copied = client
        .copy_out("copy (select * from people) to stdout")
        .await
        .unwrap();
    let copied: Vec<_> = copied.try_collect().await.unwrap();
    assert!(!copied.is_empty());
    drop(client);
    served.await.unwrap().unwrap();
    [
        "prepared statements, results row by row",
        "fifty statements in flight at once",
        "portals, read in parts",
        "`copy_out`",
    ]
}

/// In the order of the runs; what only one isolation refuses is its own line, and works in the other.
fn table(in_place: &[Case], airlock: &[Case]) -> String {
    let of = |cases: &[Case], client: &str, what: &str| {
        let found = cases.iter().find(|case| case.0 == client && case.1 == what);
        found.map_or_else(|| "works".to_owned(), |case| case.2.clone())
    };
    let mut text = String::from("| client | what | in place | airlock |\n| --- | --- | --- | --- |\n");
    let only_there = airlock.iter().filter(|case| {
        !in_place
            .iter()
            .any(|other| other.0 == case.0 && other.1 == case.1)
    });
    for (client, what, _) in in_place.iter().chain(only_there) {
        let (here, there) = (of(in_place, client, what), of(airlock, client, what));
        writeln!(text, "| {client} | {what} | {here} | {there} |").unwrap();
    }
    text
}
