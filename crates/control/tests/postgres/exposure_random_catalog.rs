//! Random catalogs for the differential test: roles, tables, views, functions and rights, as statements.

#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "all of it is tests, also what is not marked as one"
)]

use std::collections::BTreeSet;
use std::fmt::Write as _;

pub(crate) const ROLES: usize = 8;
pub(crate) const TABLES: usize = 4;
pub(crate) const COLUMNS: [&str; 3] = ["a", "b", "c"];

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
pub(crate) struct Catalog {
    pub(crate) sql: Vec<String>,
    pub(crate) relations: Vec<(String, Vec<&'static str>)>,
    pub(crate) functions: Vec<String>,
    /// Tables whose rows are those of the first too.
    pub(crate) children: BTreeSet<String>,
}

impl Catalog {
    pub(crate) fn random(seed: u64, version: u32) -> Self {
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
    pub(crate) fn reading(&self) -> Vec<String> {
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
