//! An agreement over two servers, one purpose in each: shared, planned, renewed, moved from one to the other, and cut.

use std::sync::Arc;

use control::Control;
use ledger::Ledger;
use ledger::register::{Register as _, SqliteRegister};
use policy::estate::Files;
use tempfile::TempDir;
use tokio_postgres::Client;

use crate::kill::estates::{VISITS, replace};
use crate::kill::place::airlock;
use crate::server::{Server, connect, scratch};
use crate::world::{DATA, WallClock, approve, control_with, files, ledger_in, request, role, submit};

/// The custodian's servers, the police's airlock where there is one, and the state.
struct Two {
    main: Server,
    archive: Server,
    airlock: Option<Server>,
    state: TempDir,
    ledger: Ledger,
    register: Arc<SqliteRegister>,
    control: Control,
}

/// The police may see people for an investigation, in one server, and visits for an audit, in the other.
fn shared(main: &Server, archive: &Server, isolation: &str) -> Files {
    let mut files = files(&main.url("records"));
    let upstream = format!(
        "[upstream.archive]\nurl = \"{}\"\nisolation = \"in-place\"\n\n[gateway]",
        archive.url("archive")
    );
    replace(&mut files, "estop.toml", "[gateway]", &upstream);
    for _ in 0..2 {
        replace(&mut files, "estop.toml", "in-place", isolation);
    }
    let visits = "[dataset]\nid = \"visits\"\nupstream = \"archive\"\nrelation = \"app.visits\"\nsubject_key = \"person_id\"\n\n\
         [columns]\nvisit_id = { type = \"bigint\" }\nperson_id = { type = \"integer\" }\nnote = { type = \"text\", optional = true }\n";
    files.insert("datasets/visits.toml".to_owned(), visits.to_owned());
    let share =
        "[[share]]\ndataset = \"visits\"\npurposes = [\"audit\"]\ncolumns = [\"visit_id\"]\n\n[limits]";
    let police = "agreements/police-2018.toml";
    replace(&mut files, police, "[limits]", share);
    replace(
        &mut files,
        police,
        "dataset = \"people\"\n",
        "dataset = \"people\"\npurposes = [\"investigation\"]\n",
    );
    if isolation == "airlock" {
        files.retain(|path, _| !path.contains("transit"));
    }
    files
}

/// The audit sees people as well, and nobody sees visits.
fn moved(mut files: Files) -> Files {
    let police = "agreements/police-2018.toml";
    let text = files.get_mut(police).unwrap();
    let (before, rest) = text.split_once("[[share]]\ndataset = \"visits\"").unwrap();
    let limits = rest.split_once("[limits]").unwrap().1;
    *text = format!("{before}[limits]{limits}");
    replace(&mut files, police, "purposes = [\"investigation\"]\n", "");
    files
}

impl Two {
    async fn new(isolation: &str) -> Self {
        let (main, archive) = (Server::start_apart().await, Server::start_apart().await);
        for (server, name, data) in [(&main, "records", DATA), (&archive, "archive", VISITS)] {
            let admin = server.superuser("postgres").await;
            admin
                .batch_execute(&format!("create database {name}"))
                .await
                .unwrap();
            server.superuser(name).await.batch_execute(data).await.unwrap();
        }
        let airlock = match isolation {
            "airlock" => Some(airlock().await),
            _ => None,
        };
        let state = scratch("estop-state-");
        let ledger = ledger_in(state.path());
        let register = Arc::new(SqliteRegister::open(&state.path().join("register.db")).unwrap());
        let control = control_of(
            &shared(&main, &archive, isolation),
            airlock.as_ref(),
            &ledger,
            &register,
        );
        let two = Self {
            main,
            archive,
            airlock,
            state,
            ledger,
            register,
            control,
        };
        two.services(&[
            ("investigation", &two.main, "records"),
            ("audit", &two.archive, "archive"),
        ]);
        two
    }

    /// Where an airlock finds the custodian's servers.
    fn services(&self, purposes: &[(&str, &Server, &str)]) {
        let Some(airlock) = &self.airlock else { return };
        let section = |(purpose, server, database): &(&str, &Server, &str)| {
            let role = role("police-2018", purpose);
            format!(
                "[{role}]\nhost={}\ndbname={database}\n",
                server.socket().display()
            )
        };
        let text: String = purposes.iter().map(section).collect();
        std::fs::write(airlock.dir.path().join("service.conf"), text).unwrap();
    }

    async fn serve(&mut self, files: &Files) {
        self.control = control_of(files, self.airlock.as_ref(), &self.ledger, &self.register);
        approve(&self.control).await.unwrap();
    }

    /// Into a purpose's database as gateways come in.
    async fn enter(&self, purpose: &str, server: &Server, database: &str) -> Option<Client> {
        let role = role("police-2018", purpose);
        let found = self.register.read(&format!("upstream/{role}")).unwrap()?;
        let held: serde_json::Value = serde_json::from_slice(&found.value).unwrap();
        let mut config = match &self.airlock {
            Some(airlock) => airlock.config(&role, &role),
            None => server.config(&role, database),
        };
        config.password(held["password"].as_str().unwrap());
        connect(&config).await.ok()
    }

    async fn counted(&self, purpose: &str, server: &Server, database: &str, view: &str) -> i64 {
        let session = self.enter(purpose, server, database).await.expect(purpose);
        let sql = format!("select count(*) from {view}");
        session.query_one(&sql, &[]).await.unwrap().get(0)
    }

    async fn nothing_is_to_be_done(&self) {
        for plan in self.control.plan().await.unwrap() {
            assert_eq!(
                (plan.steps, plan.differences),
                (vec![], vec![]),
                "{}",
                plan.upstream
            );
        }
        let again = self.control.apply(&[]).await.unwrap();
        assert!(!again.moved && again.renewed == 0);
        assert!(again.plans.iter().all(|plan| plan.steps.is_empty()));
    }

    /// Roles of ours that can log in at a server of the custodian's.
    async fn can_log_in(&self, server: &Server) -> i64 {
        let sql = "select count(*) from pg_roles where rolname ~ '^estop_[0-9a-f]{16}$' and rolcanlogin
            and (select rolpassword is not null from pg_authid a where a.oid = pg_roles.oid)";
        let admin = server.superuser("postgres").await;
        admin.query_one(sql, &[]).await.unwrap().get(0)
    }
}

fn control_of(
    files: &Files,
    airlock: Option<&Server>,
    ledger: &Ledger,
    register: &Arc<SqliteRegister>,
) -> Control {
    let url = |server: &Server| {
        format!(
            "postgresql://estop_admin@/postgres?host={}",
            server.socket().display()
        )
    };
    let airlocks = airlock.map(|server| ("police".to_owned(), url(server)));
    control_with(
        files.clone(),
        &airlocks.into_iter().collect(),
        ledger,
        register.clone(),
        Arc::new(WallClock),
    )
}

async fn shared_moved_and_cut(isolation: &str) {
    let mut two = Two::new(isolation).await;
    let files = shared(&two.main, &two.archive, isolation);
    approve(&two.control).await.unwrap();
    two.control.apply(&[]).await.unwrap();
    two.nothing_is_to_be_done().await;
    assert_eq!(
        two.counted("investigation", &two.main, "records", "people").await,
        5000
    );
    assert_eq!(two.counted("audit", &two.archive, "archive", "visits").await, 200);

    // A purpose that moves to the other server is nothing in the one that it leaves.
    two.serve(&moved(files.clone())).await;
    two.services(&[
        ("investigation", &two.main, "records"),
        ("audit", &two.main, "records"),
    ]);
    two.control.apply(&[]).await.unwrap();
    two.nothing_is_to_be_done().await;
    assert_eq!(two.counted("audit", &two.main, "records", "people").await, 5000);
    assert_eq!(two.can_log_in(&two.archive).await, 0, "who left can still log in");

    // And back, which renews what stays.
    two.serve(&files).await;
    two.services(&[
        ("investigation", &two.main, "records"),
        ("audit", &two.archive, "archive"),
    ]);
    two.control.apply(&[]).await.unwrap();
    two.nothing_is_to_be_done().await;
    assert_eq!(two.counted("audit", &two.archive, "archive", "visits").await, 200);

    let draft = two.control.draw_up(request("police")).await.unwrap();
    let outcome = submit(&two.control, &draft.text).await.unwrap();
    assert!(outcome.complete, "{:?}", outcome.steps);
    assert!(two.enter("investigation", &two.main, "records").await.is_none());
    assert!(two.enter("audit", &two.archive, "archive").await.is_none());
    let others = i64::from(isolation == "in-place");
    assert_eq!(two.can_log_in(&two.main).await, others);
    assert_eq!(two.can_log_in(&two.archive).await, 0);
    two.nothing_is_to_be_done().await;
    drop(two.state);
}

#[tokio::test]
async fn an_agreement_over_two_servers_is_shared_moved_and_cut_in_place() {
    shared_moved_and_cut("in-place").await;
}

#[tokio::test]
async fn an_agreement_over_two_servers_is_shared_moved_and_cut_in_an_airlock() {
    shared_moved_and_cut("airlock").await;
}
