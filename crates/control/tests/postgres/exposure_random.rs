//! Differential test: random catalogs on a real server. For each role that may log in and each table, the scan says `rows`
//! exactly when reading it is seen to work: as the role and as each role that it can set, through every relation and function.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

use policy::exposure::{Class, Report};
use tokio_postgres::{Client, SimpleQueryMessage};

use crate::exposure::{question, report, start, try_run};
use crate::exposure_nasty::major;
use crate::server::{Server, connect};

/// Seeds of an ordinary run; `ESTOP_SEEDS` for more of them.
const SEEDS: u64 = 6;

/// What may fail of a random catalog: memberships in a circle, copies of what their owner may not read, and what is made of those.
const EXPECTED: [&str; 5] = [
    "has not been populated",
    "circular",
    "is a member of role",
    "permission denied",
    "does not exist",
];

const ROLES: usize = 8;
const TABLES: usize = 4;
const COLUMNS: [&str; 3] = ["a", "b", "c"];

/// A generator of numbers that need only differ from seed to seed.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: usize) -> usize {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        usize::try_from((self.0 >> 33) % u64::try_from(sides).unwrap()).unwrap()
    }

    fn one_in(&mut self, sides: usize) -> bool {
        self.roll(sides) == 0
    }

    fn pick<'a, T>(&mut self, list: &'a [T]) -> &'a T {
        let at = self.roll(list.len());
        &list[at]
    }

    fn role(&mut self) -> String {
        format!("r{}", self.roll(ROLES))
    }
}

/// A catalog: statements, and what of it can be read.
#[derive(Default)]
struct Catalog {
    sql: Vec<String>,
    relations: Vec<(String, Vec<&'static str>)>,
    functions: Vec<String>,
    /// Tables whose rows are those of the first too.
    children: BTreeSet<String>,
}

impl Catalog {
    fn random(seed: u64, version: u32) -> Self {
        let mut dice = Dice(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) + 1);
        dice.roll(2);
        let mut new = Self::default();
        new.roles(&mut dice, version);
        for schema in ["s0", "s1", "s2"] {
            new.sql.push(format!("CREATE SCHEMA {schema}"));
            new.give(&mut dice, "USAGE", &format!("SCHEMA {schema}"), 3);
        }
        new.tables(&mut dice);
        for at in 0..9 {
            match dice.roll(5) {
                0 | 1 => new.function(&mut dice, at, version),
                _ => new.view(&mut dice, at, version),
            }
        }
        new
    }

    fn roles(&mut self, dice: &mut Dice, version: u32) {
        for at in 0..ROLES {
            let inherit = if dice.one_in(4) { "NOINHERIT" } else { "INHERIT" };
            let login = if dice.one_in(4) { "NOLOGIN" } else { "LOGIN" };
            let bypass = if dice.one_in(8) {
                "BYPASSRLS"
            } else {
                "NOBYPASSRLS"
            };
            self.sql
                .push(format!("CREATE ROLE r{at} {login} {inherit} {bypass}"));
        }
        for _ in 0..dice.roll(7) {
            let (one, two) = (dice.roll(ROLES), dice.roll(ROLES));
            if one == two {
                continue;
            }
            let options = if version >= 16 {
                let mut say =
                    |option: &str| format!("{option} {}", if dice.one_in(2) { "TRUE" } else { "FALSE" });
                format!(" WITH {}, {}", say("INHERIT"), say("SET"))
            } else {
                String::new()
            };
            self.sql
                .push(format!("GRANT r{} TO r{}{options}", one.max(two), one.min(two)));
        }
        for predefined in ["pg_read_all_data", "pg_write_all_data"] {
            if version >= 14 && dice.one_in(5) {
                self.sql.push(format!("GRANT {predefined} TO {}", dice.role()));
            }
        }
        if version >= 14 && dice.one_in(3) {
            self.sql
                .push(format!("ALTER DATABASE records OWNER TO {}", dice.role()));
        }
    }

    fn give(&mut self, dice: &mut Dice, right: &str, object: &str, most: usize) {
        for _ in 0..dice.roll(most + 1) {
            let to = match dice.roll(8) {
                0 => "PUBLIC".to_owned(),
                1 if right != "EXECUTE" => "pg_database_owner".to_owned(),
                _ => dice.role(),
            };
            // Before 14 there is no such role: then it is nobody's.
            let sql = format!("GRANT {right} ON {object} TO {to}");
            self.sql.push(if to == "pg_database_owner" {
                format!("DO $$ BEGIN IF EXISTS (SELECT FROM pg_roles WHERE rolname = 'pg_database_owner') THEN {sql}; END IF; END $$")
            } else {
                sql
            });
        }
    }

    fn select(&mut self, dice: &mut Dice, relation: &str, columns: &[&str]) {
        self.give(dice, "SELECT", &format!("TABLE {relation}"), 2);
        if dice.one_in(3) {
            let column = *dice.pick(columns);
            self.give(
                dice,
                &format!("SELECT ({column})"),
                &format!("TABLE {relation}"),
                2,
            );
        }
        if dice.one_in(6) {
            self.give(dice, "INSERT, UPDATE", &format!("TABLE {relation}"), 2);
        }
    }

    fn tables(&mut self, dice: &mut Dice) {
        for at in 0..TABLES {
            let table = format!("s{}.t{at}", dice.roll(3));
            let columns = COLUMNS.map(|column| format!("{column} text")).join(", ");
            let row = COLUMNS.map(|column| format!("'M{at}{column}'")).join(", ");
            match dice.roll(4) {
                0 if at > 0 => {
                    // A child: its rows are its parent's too.
                    let parent = self.relations[0].0.clone();
                    self.sql
                        .push(format!("CREATE TABLE {table} () INHERITS ({parent})"));
                    self.children.insert(format!("t{at}"));
                }
                1 if at > 0 => {
                    self.sql
                        .push(format!("CREATE TABLE {table} ({columns}) PARTITION BY LIST (a)"));
                    let part = format!("s{}.p{at}", dice.roll(3));
                    self.sql
                        .push(format!("CREATE TABLE {part} PARTITION OF {table} DEFAULT"));
                    let owner = dice.role();
                    self.sql.push(format!("ALTER TABLE {part} OWNER TO {owner}"));
                    self.select(dice, &part, &COLUMNS);
                    self.relations.push((part, COLUMNS.to_vec()));
                }
                _ => self.sql.push(format!("CREATE TABLE {table} ({columns})")),
            }
            self.sql.push(format!("INSERT INTO {table} VALUES ({row})"));
            let owner = dice.role();
            self.sql.push(format!("ALTER TABLE {table} OWNER TO {owner}"));
            self.select(dice, &table, &COLUMNS);
            if dice.one_in(6) {
                self.sql.push(format!("REVOKE SELECT ON {table} FROM {owner}"));
            }
            if dice.one_in(3) {
                self.policies(dice, &table);
            }
            // The first table stands first: children take it as their parent.
            let entry = (table, COLUMNS.to_vec());
            if at == 0 {
                self.relations.insert(0, entry)
            } else {
                self.relations.push(entry)
            }
        }
    }

    fn policies(&mut self, dice: &mut Dice, table: &str) {
        self.sql
            .push(format!("ALTER TABLE {table} ENABLE ROW LEVEL SECURITY"));
        if dice.one_in(3) {
            self.sql
                .push(format!("ALTER TABLE {table} FORCE ROW LEVEL SECURITY"));
        }
        for at in 0..dice.roll(4) {
            let kind = if dice.one_in(4) {
                "RESTRICTIVE"
            } else {
                "PERMISSIVE"
            };
            let command = *dice.pick(&["ALL", "SELECT", "SELECT", "UPDATE"]);
            let to = if dice.one_in(2) {
                "PUBLIC".to_owned()
            } else {
                dice.role()
            };
            let role = dice.role();
            let condition = match dice.roll(5) {
                0 => "false".to_owned(),
                1 => format!("current_user = '{role}'"),
                2 => format!("current_user <> '{role}'"),
                3 => "a IS NOT NULL".to_owned(),
                _ => "true".to_owned(),
            };
            self.sql.push(format!(
                "CREATE POLICY p{at} ON {table} AS {kind} FOR {command} TO {to} USING ({condition})"
            ));
        }
    }

    fn view(&mut self, dice: &mut Dice, at: usize, version: u32) {
        let (from, columns) = dice.pick(&self.relations).clone();
        let view = format!("s{}.v{at}", dice.roll(3));
        let shown: Vec<&'static str> = columns.iter().filter(|_| dice.one_in(2)).copied().collect();
        let shown = if shown.is_empty() { columns } else { shown };
        let mut list = shown.join(", ");
        if !self.functions.is_empty() && dice.one_in(5) {
            let function = dice.pick(&self.functions).clone();
            write!(list, ", {function}() AS f").unwrap();
        }
        let role = dice.role();
        let condition = match dice.roll(9) {
            0 => " WHERE false".to_owned(),
            1 => format!(" WHERE current_user = '{role}'"),
            2 => format!(" WHERE current_user IN ('{role}', 'r0')"),
            3 => " LIMIT 0".to_owned(),
            _ => String::new(),
        };
        let copy = dice.one_in(6);
        let data = if copy { " WITH NO DATA" } else { "" };
        let noun = if copy { "MATERIALIZED VIEW" } else { "VIEW" };
        let option = if !copy && version >= 15 && dice.one_in(4) {
            " WITH (security_invoker)"
        } else {
            ""
        };
        self.sql.push(format!(
            "CREATE {noun} {view}{option} AS SELECT {list} FROM {from}{condition}{data}"
        ));
        let owner = dice.role();
        self.sql.push(format!("ALTER {noun} {view} OWNER TO {owner}"));
        if copy {
            self.sql.push(format!("REFRESH MATERIALIZED VIEW {view}"));
        }
        self.select(dice, &view, &shown);
        self.relations.push((view, shown));
    }

    fn function(&mut self, dice: &mut Dice, at: usize, version: u32) {
        let function = format!("s{}.f{at}", dice.roll(3));
        let (from, columns) = dice.pick(&self.relations).clone();
        let column = *dice.pick(&columns);
        let read = match self.functions.is_empty() || dice.one_in(2) {
            true => format!("SELECT {column} FROM {from} LIMIT 1"),
            false => format!("SELECT {}()", dice.pick(&self.functions)),
        };
        let definer = if dice.one_in(4) { "INVOKER" } else { "DEFINER" };
        let begin = format!("CREATE FUNCTION {function}() RETURNS text SECURITY {definer}");
        let path = "SET search_path = pg_catalog, pg_temp";
        self.sql.push(match dice.roll(3) {
            0 if version >= 14 => format!("{begin} LANGUAGE sql BEGIN ATOMIC {read}; END"),
            1 => format!("{begin} LANGUAGE plpgsql {path} AS $$BEGIN RETURN ({read}); END$$"),
            _ => format!("{begin} LANGUAGE sql {path} AS $${read}$$"),
        });
        let owner = dice.role();
        self.sql
            .push(format!("ALTER FUNCTION {function}() OWNER TO {owner}"));
        if dice.one_in(2) {
            self.sql
                .push(format!("REVOKE EXECUTE ON FUNCTION {function}() FROM PUBLIC"));
            self.give(dice, "EXECUTE", &format!("FUNCTION {function}()"), 3);
        }
        self.functions.push(function);
    }

    /// The statements that read everything there is.
    fn reading(&self) -> Vec<String> {
        let mut all = Vec::new();
        for (relation, columns) in &self.relations {
            for column in columns {
                all.push(format!("SELECT string_agg({column}, ' ') FROM {relation}"));
            }
            // A function in a view is asked for on its own.
            if relation.contains(".v") {
                all.push(format!("SELECT string_agg(f, ' ') FROM {relation}"));
            }
        }
        all.extend(
            self.functions
                .iter()
                .map(|function| format!("SELECT {function}()")),
        );
        all
    }
}

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
