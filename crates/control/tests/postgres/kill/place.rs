//! A custodian whose state can be copied: servers that are shut down, a ledger, a register, the road to the servers.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use std::time::Duration;

use control::Control;
use evidence::entry::Kind;
use evidence::record::{Applied, DriftRecord, decode};
use ledger::register::{Register as _, SqliteRegister};
use policy::estate::Files;
use policy::in_force::InForce;
use tempfile::TempDir;
use tokio_postgres::Client;

use super::estates::VISITS;
use super::road::{Door, Road};
use crate::server::{Server, connect, scratch};
use crate::world::{DATA, WallClock, approve, control_with, ledger_in, signer};

/// How often a look is repeated until nobody works at the servers any more.
const LOOKS: u32 = 400;
const LOOK: Duration = Duration::from_millis(25);

/// What is killed in: the estate before and the one to be applied.
pub(super) struct Scene {
    pub(super) before: Option<Files>,
    pub(super) after: Files,
    /// Whose airlock stands there, if there is one.
    pub(super) airlock: Option<&'static str>,
    /// The estates share from a second database of the server, too.
    pub(super) other_database: bool,
    /// The passwords that gateways hold are lost before it is applied.
    pub(super) forgets: bool,
    /// Nothing changes but who may ask when: passwords are renewed, and nobody's access is interrupted.
    pub(super) renews: bool,
}

impl Scene {
    fn databases(&self) -> &'static [&'static str] {
        if self.other_database {
            &["records", "archive"]
        } else {
            &["records"]
        }
    }
}

/// The doors, whose paths the estates name.
pub(super) struct Roads {
    pub(super) road: Road,
    pub(super) main: Door,
    airlock: Door,
    _dir: TempDir,
}

impl Roads {
    pub(super) fn new() -> Self {
        let dir = scratch("estop-state-");
        let road = Road::default();
        Self {
            main: road.door(dir.path().join("main")),
            airlock: road.door(dir.path().join("airlock")),
            road,
            _dir: dir,
        }
    }

    pub(super) fn url(&self, database: &str) -> String {
        format!(
            "postgresql://postgres@/{database}?host={}",
            self.main.folder.display()
        )
    }

    fn airlocks(&self, scene: &Scene) -> BTreeMap<String, String> {
        let url = format!(
            "postgresql://estop_admin@/postgres?host={}",
            self.airlock.folder.display()
        );
        scene
            .airlock
            .map(|partner| (partner.to_owned(), url))
            .into_iter()
            .collect()
    }
}

/// All that lasts.
pub(super) struct Place {
    pub(super) server: Server,
    pub(super) airlock: Option<Server>,
    pub(super) state: TempDir,
    pub(super) airlocks: BTreeMap<String, String>,
    databases: &'static [&'static str],
}

/// Control over a place, in this process.
pub(super) struct Hand {
    pub(super) control: Control,
    ledger: ledger::Ledger,
    pub(super) register: Arc<SqliteRegister>,
}

/// What partners can do, and everything else that must be one or the other.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Rights {
    /// A line for each role that is there and each thing that it can do, by database.
    pub(super) lines: BTreeMap<String, BTreeSet<String>>,
    /// Numbers of roles.
    pub(super) oids: BTreeMap<String, u32>,
}

impl Place {
    /// As it is before the estate is applied, shut down: two people have approved it.
    pub(super) async fn before(roads: &Roads, scene: &Scene) -> Self {
        let server = Server::start(&[]).await;
        let admin = server.superuser("postgres").await;
        let databases = scene.databases();
        for database in databases {
            admin
                .batch_execute(&format!("create database {database}"))
                .await
                .unwrap();
        }
        server
            .superuser("records")
            .await
            .batch_execute(DATA)
            .await
            .unwrap();
        if scene.other_database {
            let archive = server.superuser("archive").await;
            archive.batch_execute(VISITS).await.unwrap();
        }
        let airlock = match scene.airlock {
            None => None,
            Some(_) => Some(airlock().await),
        };
        let mut place = Self {
            server,
            airlock,
            state: scratch("estop-state-"),
            airlocks: roads.airlocks(scene),
            databases,
        };
        place.lead(roads);
        if let Some(files) = &scene.before {
            let hand = place.hand(files);
            approve(&hand.control).await.unwrap();
            hand.control.apply(&[]).await.unwrap();
        }
        if scene.forgets {
            let register = place.hand(&scene.after).register;
            for (key, found) in register.list("upstream/").unwrap() {
                register.compare_and_swap(&key, found.version, b"{}").unwrap();
            }
        }
        approve(&place.hand(&scene.after).control).await.unwrap();
        drop(admin);
        place.server.shut_down();
        if let Some(airlock) = &mut place.airlock {
            airlock.shut_down();
        }
        place
    }

    /// A copy that runs.
    pub(super) async fn copied(&self, roads: &Roads) -> Self {
        let state = scratch("estop-state-");
        for entry in std::fs::read_dir(self.state.path()).unwrap() {
            let copied = Command::new("cp")
                .arg("-a")
                .arg(entry.unwrap().path())
                .arg(state.path())
                .status();
            assert!(copied.unwrap().success());
        }
        let airlock = match &self.airlock {
            None => None,
            Some(airlock) => Some(airlock.copied().await),
        };
        let place = Self {
            server: self.server.copied().await,
            airlock,
            state,
            airlocks: self.airlocks.clone(),
            databases: self.databases,
        };
        place.lead(roads);
        place
    }

    fn lead(&self, roads: &Roads) {
        roads.main.leads_to(self.server.socket());
        if let Some(airlock) = &self.airlock {
            roads.airlock.leads_to(airlock.socket());
        }
    }

    pub(super) fn hand(&self, files: &Files) -> Hand {
        let ledger = ledger_in(self.state.path());
        let register = Arc::new(SqliteRegister::open(&self.state.path().join("register.db")).unwrap());
        let clock = Arc::new(WallClock);
        let control = control_with(files.clone(), &self.airlocks, &ledger, register.clone(), clock);
        Hand {
            control,
            ledger,
            register,
        }
    }

    /// Waits until the servers have noticed that control is dead.
    pub(super) async fn until_alone(&self) {
        let servers = [Some(&self.server), self.airlock.as_ref()];
        for server in servers.into_iter().flatten() {
            let admin = server.superuser("postgres").await;
            let sql = "select count(*) from pg_stat_activity where application_name = 'estop control'";
            let mut left = 1;
            for _ in 0..LOOKS {
                left = admin.query_one(sql, &[]).await.unwrap().get::<_, i64>(0);
                if left == 0 {
                    break;
                }
                tokio::time::sleep(LOOK).await;
            }
            assert_eq!(left, 0, "control's backends outlive it");
        }
    }

    pub(super) async fn rights(&self) -> Rights {
        let mut rights = Rights::default();
        for database in self.databases {
            let admin = self.server.superuser(database).await;
            rights
                .lines
                .insert((*database).to_owned(), lines(&admin, OPEN).await);
            let roles = "select rolname::text, oid from pg_roles where rolname ~ '^estop_'";
            let roles = admin.query(roles, &[]).await.unwrap();
            rights.oids = roles.iter().map(|row| (row.get(0), row.get(1))).collect();
        }
        let Some(airlock) = &self.airlock else {
            return rights;
        };
        let cells = "select datname::text from pg_database where datname ~ '^estop_' order by 1";
        for cell in lines(&airlock.superuser("postgres").await, cells).await {
            let inside = airlock.superuser(&cell).await;
            rights.lines.insert(cell, lines(&inside, OPEN_INSIDE).await);
        }
        rights
    }

    /// What each role reads that can log in, with the password that the gateways hold.
    pub(super) async fn read(&self, hand: &Hand) -> BTreeMap<String, Vec<String>> {
        let mut read = BTreeMap::new();
        let door = self.airlock.as_ref().unwrap_or(&self.server);
        let admin = door.superuser("postgres").await;
        let roles =
            "select rolname::text from pg_roles where rolname ~ '^estop_[0-9a-f]{16}$' and rolcanlogin";
        for role in lines(&admin, roles).await {
            let passwords = hand.passwords("upstream", &role);
            let mut seen = Vec::new();
            let databases = if self.airlock.is_some() {
                vec![role.as_str()]
            } else {
                self.databases.to_vec()
            };
            for database in databases {
                let Some(session) = enter(door, &role, database, &passwords).await else {
                    continue;
                };
                let views = "select format('%I.%I', schemaname, viewname) from pg_views where schemaname = current_user";
                for view in lines(&session, views).await {
                    let rows = session
                        .query_one(&format!("select count(*), count(v) from {view} v"), &[])
                        .await;
                    seen.push(format!(
                        "{database} {view}: {} rows",
                        rows.unwrap().get::<_, i64>(0)
                    ));
                }
            }
            assert!(!seen.is_empty(), "{role} can log in and sees nothing");
            read.insert(role, seen);
        }
        read
    }

    /// Once control is gone: the ledger verifies.
    pub(super) fn verify_ledger(&self) {
        let report = ledger::verify(&self.state.path().join("ledger"), &signer().verifier()).unwrap();
        assert!(report.holds(), "{:?}", report.findings);
    }
}

/// Logs in as gateways do: with the password that is to be, then with the one before it.
pub(super) async fn enter(door: &Server, role: &str, database: &str, passwords: &[String]) -> Option<Client> {
    for password in passwords {
        let mut config = door.config(role, database);
        config.password(password);
        if let Ok(session) = connect(&config).await {
            return Some(session);
        }
    }
    None
}

impl Hand {
    /// Another control over the same state, with other files.
    pub(super) fn with(&self, place: &Place, files: &Files) -> Self {
        let clock = Arc::new(WallClock);
        let register = Arc::clone(&self.register);
        let control = control_with(
            files.clone(),
            &place.airlocks,
            &self.ledger,
            register.clone(),
            clock,
        );
        Self {
            control,
            ledger: self.ledger.clone(),
            register,
        }
    }

    /// Entries in the ledger.
    pub(super) fn size(&self) -> u64 {
        self.ledger.size()
    }

    /// The password that the register holds for a role, and the one before it, while it is being renewed.
    pub(super) fn passwords(&self, kind: &str, role: &str) -> Vec<String> {
        let found = self.register.read(&format!("{kind}/{role}")).unwrap();
        let held: serde_json::Value = serde_json::from_slice(&found.expect("a password").value).unwrap();
        let both = [&held["password"], &held["before"]];
        both.iter()
            .filter_map(|one| one.as_str().map(str::to_owned))
            .collect()
    }

    /// The policy in force but for its number and time; empty if there is none.
    pub(super) fn policy(&self) -> String {
        let Some(found) = self.register.read("policy").unwrap() else {
            return String::new();
        };
        let policy: InForce = serde_json::from_slice(&found.value).unwrap();
        serde_json::to_string(&policy.agreements).unwrap()
    }

    /// Every statement that the ledger says was run.
    pub(super) fn recorded(&self) -> BTreeSet<String> {
        let mut recorded = BTreeSet::new();
        for stored in self.ledger.entries(0..self.ledger.size()).unwrap() {
            let stored = stored.unwrap();
            if stored.parse().unwrap().kind == Kind::Applied {
                recorded.extend(decode::<Applied>(&stored.record).unwrap().statements);
            }
        }
        recorded
    }

    pub(super) fn drifts(&self) -> Vec<DriftRecord> {
        crate::watch::drifts(&self.ledger)
    }

    pub(super) fn keys(&self, prefix: &str) -> Vec<String> {
        let found = self.register.list(prefix).unwrap();
        found.into_iter().map(|(key, _)| key).collect()
    }
}

/// An airlock's cluster, whose administrator needs no password in this test.
pub(crate) async fn airlock() -> Server {
    let server = Server::start(&[]).await;
    let access = server.dir.path().join("data/pg_hba.conf");
    let lines = "local all postgres trust\nlocal all estop_admin trust\nlocal all all scram-sha-256\n";
    std::fs::write(&access, lines).unwrap();
    let admin = server.superuser("postgres").await;
    admin
        .batch_execute("create role estop_admin superuser login; select pg_reload_conf()")
        .await
        .unwrap();
    server
}

/// The connection service file of an airlock: every role's leads to the custodian's server.
pub(super) fn write_services(airlock: &Server, custodian: &Path, roles: impl Iterator<Item = String>) {
    let sections = roles.map(|role| format!("[{role}]\nhost={}\ndbname=records\n", custodian.display()));
    std::fs::write(
        airlock.dir.path().join("service.conf"),
        sections.collect::<String>(),
    )
    .unwrap();
}

pub(super) async fn lines(client: &Client, sql: &str) -> BTreeSet<String> {
    let rows = client.query(sql, &[]).await.unwrap();
    rows.iter().map(|row| row.get(0)).collect()
}

/// What is open to our roles in a database of the custodian's, by what PostgreSQL itself says of each role, whatever the
/// path. A role that cannot log in has nothing that is of use, and is left out. So is what everybody can read.
const OPEN: &str = "
select format('%s reads %I.%I (%s) owned by %s as %s %s', r.rolname, n.nspname, c.relname, (
    select string_agg(a.attname, ',' order by a.attnum) from pg_attribute a where a.attrelid = c.oid and a.attnum > 0
      and has_column_privilege(r.oid, c.oid, a.attnum, 'SELECT')),
  c.relowner::regrole, c.reloptions, case when c.relkind = 'v' then pg_get_viewdef(c.oid) end)
from pg_roles r cross join pg_class c join pg_namespace n on n.oid = c.relnamespace
where r.rolname ~ '^estop_[0-9a-f]{16}$' and r.rolcanlogin and c.relkind in ('r', 'p', 'v', 'm', 'f')
  and n.nspname not in ('pg_catalog', 'information_schema')
  and has_schema_privilege(r.oid, n.oid, 'USAGE') and has_any_column_privilege(r.oid, c.oid, 'SELECT')
union all
select format('%s can write %I.%I', r.rolname, n.nspname, c.relname)
from pg_roles r cross join pg_class c join pg_namespace n on n.oid = c.relnamespace
where r.rolname ~ '^estop_[0-9a-f]{16}$' and c.relkind in ('r', 'p', 'v', 'm', 'f')
  and n.nspname not in ('pg_catalog', 'information_schema')
  and has_table_privilege(r.oid, c.oid, 'INSERT, UPDATE, DELETE, TRUNCATE, TRIGGER, REFERENCES')
union all
select format('%s logs in, %s at a time, with %s', rolname, rolconnlimit, (select string_agg(s, ' ' order by s) from unnest(rolconfig) s))
from pg_roles where rolname ~ '^estop_[0-9a-f]{16}$' and rolcanlogin
  and has_database_privilege(oid, current_database(), 'CONNECT')
union all
select format('%s is a member of %s', member::regrole, roleid::regrole) from pg_auth_members
where member::regrole::text ~ 'estop' or roleid::regrole::text ~ 'estop'";

/// The same in a database of an airlock.
const OPEN_INSIDE: &str = "
select format('%s reads %I.%I as %s', r.rolname, n.nspname, c.relname, pg_get_viewdef(c.oid))
from pg_roles r cross join pg_class c join pg_namespace n on n.oid = c.relnamespace
where r.rolname ~ '^estop_[0-9a-f]{16}$' and r.rolcanlogin and c.relkind in ('r', 'v', 'm', 'f')
  and n.nspname not in ('pg_catalog', 'information_schema')
  and has_schema_privilege(r.oid, n.oid, 'USAGE') and has_any_column_privilege(r.oid, c.oid, 'SELECT')";
