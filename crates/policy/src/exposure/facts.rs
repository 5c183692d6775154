//! Facts about rows, for who cannot read them: statistics, errors and counts of writing, other sessions' statements.

use super::kinds::Kind;
use super::links::{Hold, Link};
use super::points::Path;
use super::report::Class;
use super::rights::Rights;
use super::snapshot::{Relation, Role};
use super::states::State;
use super::trying::counting;

/// Where what large objects hold stands.
pub(super) const LARGE_OBJECTS: &str = "pg_largeobject";

/// Catalogs with values of all tables, how far they lead, and what they hold.
pub(super) const CATALOGS: &[(&str, Class, &str)] = &[
    (
        "pg_statistic",
        Class::Facts,
        "holds the most common values and histograms of every table",
    ),
    (
        "pg_statistic_ext_data",
        Class::Facts,
        "holds the most common combinations of values",
    ),
    (
        "pg_authid",
        Class::Grantable,
        "holds every role's password verifier",
    ),
    (
        "pg_shadow",
        Class::Grantable,
        "holds every role's password verifier",
    ),
    (
        "pg_user_mapping",
        Class::Grantable,
        "holds the passwords of user mappings",
    ),
    (
        "pg_subscription",
        Class::Latent,
        "holds the connection strings of subscriptions",
    ),
    (
        LARGE_OBJECTS,
        Class::Latent,
        "holds the data of every large object",
    ),
];

/// Predefined roles that show what others do.
const MONITORS: &[(&str, Class, &str)] = &[
    (
        "pg_read_all_stats",
        Class::Facts,
        "shows the statements of every session, values in them included",
    ),
    (
        "pg_stat_scan_tables",
        Class::Facts,
        "may run functions that count a table's rows",
    ),
    (
        "pg_read_all_settings",
        Class::Latent,
        "shows settings that may hold passwords (primary_conninfo)",
    ),
    (
        "pg_create_subscription",
        Class::Blocked,
        "makes subscriptions, which read only where their connection string may",
    ),
    (
        "pg_maintain",
        Class::Blocked,
        "vacuums, analyzes, refreshes and locks: none of these gives rows but by what is computed then",
    ),
    (
        "pg_signal_backend",
        Class::Blocked,
        "ends sessions and reads nothing",
    ),
    (
        "pg_checkpoint",
        Class::Blocked,
        "writes checkpoints and reads nothing",
    ),
];

impl<'s> Rights<'_, 's> {
    /// All of these, for a state and a target in its database.
    pub(crate) fn facts(&self, state: &State, target: &Relation, found: &mut Vec<Path>) {
        if self.world.superuser(state.user) {
            return;
        }
        self.catalogs(state, target, found);
        self.expressions(state, target, found);
        self.monitors(state, found);
        self.bypasses(state, target, found);
    }

    fn catalogs(&self, state: &State, target: &Relation, found: &mut Vec<Path>) {
        let (place, user) = (state.place, state.user);
        let Some(here) = self.place(place) else { return };
        for (catalog, class, holds) in CATALOGS {
            let Some(relation) = here
                .relations_named
                .get(catalog)
                .into_iter()
                .flatten()
                .find(|one| here.schema_name(one.schema) == "pg_catalog")
            else {
                continue;
            };
            // Where no mapping has a password there is none to read.
            let passwords = || here.contents.mappings.iter().any(|one| one.password || !one.seen);
            if !self.touches(place, user, relation) || *catalog == "pg_user_mapping" && !passwords() {
                continue;
            }
            let catalog_target = self.relation(place, relation);
            let table = self
                .ways(place, user, &catalog_target, 'r')
                .into_iter()
                .filter(|way| way.kind != Kind::PredefinedRole);
            let values = |columns: &[String]| {
                columns
                    .iter()
                    .any(|column| VALUES.iter().any(|value| column.starts_with(value)))
            };
            let columns = self
                .column_ways(place, user, relation, 'r')
                .into_iter()
                .filter(|(_, columns)| values(columns))
                .map(|(way, _)| way);
            for way in table.chain(columns) {
                let mut links = way.links;
                links.push(Link::new(
                    &catalog_target.title,
                    &here.title(target),
                    holds,
                    Hold::Fixed,
                ));
                let sql = match *catalog {
                    "pg_statistic" => format!(
                        "SELECT starelid, stavalues1 FROM pg_catalog.pg_statistic WHERE starelid = {}",
                        target.oid
                    ),
                    other => format!("SELECT * FROM pg_catalog.{other}"),
                };
                let (class, kind, why) = match (*catalog, class) {
                    (LARGE_OBJECTS, _) if target.blobs => (Class::Rows, Kind::LargeObject, None),
                    (LARGE_OBJECTS, _) => (
                        Class::Latent,
                        Kind::LargeObject,
                        Some("what large objects hold does not stand in any catalog: look at them"),
                    ),
                    (_, Class::Facts) => (Class::Facts, Kind::Statistics, None),
                    ("pg_authid" | "pg_shadow", _) if !self.has_md5() => (
                        Class::Latent,
                        Kind::Statistics,
                        Some("a password must be guessed from its verifier to log in as another"),
                    ),
                    (_, class) => (
                        *class,
                        Kind::Statistics,
                        Some("with what it holds one may log in as another"),
                    ),
                };
                found.push(Path {
                    class,
                    kind,
                    links,
                    columns: None,
                    why: why.map(str::to_owned),
                    tries: Some((counting(&sql), false)),
                    place,
                    sets: state.sets,
                });
            }
        }
    }

    /// Statistics of expressions, which the server's view shows to everybody in a cluster of before that was mended.
    fn expressions(&self, state: &State, target: &Relation, found: &mut Vec<Path>) {
        let (place, user) = (state.place, state.user);
        let Some(here) = self
            .place(place)
            .filter(|here| here.contents.expressions.contains(&target.oid))
        else {
            return;
        };
        let named = here.relations_named.get(EXPRESSIONS).into_iter().flatten();
        let catalog = |one: &&&Relation| here.schema_name(one.schema) == "pg_catalog";
        let Some(view) = named.copied().find(|one| catalog(&one)) else {
            return;
        };
        let object = self.relation(place, view);
        if !self.may(place, user, &object, 'r') {
            return;
        }
        let hold = Hold::Sql {
            place: Some(place),
            sql: format!("REVOKE SELECT ON pg_catalog.{EXPRESSIONS} FROM PUBLIC;"),
            breaks: Some("what reads statistics of expressions".to_owned()),
        };
        let by = "shows statistics of its expressions to everybody, as made before PostgreSQL mended it";
        found.push(Path {
            class: Class::Facts,
            kind: Kind::Statistics,
            links: vec![Link::new(EXPRESSIONS, &here.title(target), by, hold)],
            columns: None,
            why: None,
            tries: None,
            place,
            sets: state.sets,
        });
    }

    fn monitors(&self, state: &State, found: &mut Vec<Path>) {
        let tree = self.tree(state.place, state.user);
        for (name, class, shows) in MONITORS {
            let Some(role) = self
                .world
                .by_name
                .get(name)
                .copied()
                .filter(|role| tree.has(*role))
            else {
                continue;
            };
            let mut links = self.chain(&tree, role);
            if links.is_empty() {
                continue;
            }
            links.push(Link::new(name, "the server", shows, Hold::Fixed));
            found.push(Path {
                class: *class,
                kind: if *class == Class::Blocked {
                    Kind::PredefinedRole
                } else {
                    Kind::Monitoring
                },
                links,
                columns: None,
                why: (*class == Class::Blocked).then(|| (*shows).to_owned()),
                tries: None,
                place: state.place,
                sets: state.sets,
            });
        }
    }

    /// Whether some login's verifier is as good as its password: of MD5, where a line of `pg_hba.conf` asks it for that.
    pub(crate) fn has_md5(&self) -> bool {
        let hba = self.world.snapshot.hba.as_ref();
        let asked = |user| {
            hba.is_none_or(|lines| {
                let mut lines = lines.iter().filter(|line| line.method == "md5");
                lines.any(|line| self.names_user(line, user).is_some())
            })
        };
        let is_md5 = |role: &Role| {
            role.login && !role.expired && role.password.as_deref().is_none_or(|kind| kind == "md5")
        };
        let mut roles = self.world.roles();
        roles.any(|(at, role)| is_md5(role) && asked(at))
    }

    /// BYPASSRLS without a right to read: it leads nowhere.
    fn bypasses(&self, state: &State, target: &Relation, found: &mut Vec<Path>) {
        let bypasses = self.world.role(state.user).is_some_and(|role| role.bypass_rls);
        if !bypasses || self.selects(state.place, state.user, target) {
            return;
        }
        let hold = Hold::Attribute {
            role: state.user,
            undo: "NOBYPASSRLS",
        };
        let title = self.relation(state.place, target).title;
        found.push(Path {
            class: Class::Blocked,
            kind: Kind::BypassRls,
            links: vec![Link::new(self.world.name(state.user), &title, "BYPASSRLS", hold)],
            columns: None,
            why: Some("it passes over row security, and may not SELECT".to_owned()),
            tries: None,
            place: state.place,
            sets: state.sets,
        });
    }
}

/// The server's view of statistics of expressions.
const EXPRESSIONS: &str = "pg_stats_ext_exprs";

/// Columns of catalogs that hold values.
const VALUES: &[&str] = &[
    "stavalues",
    "stxdmcv",
    "rolpassword",
    "passwd",
    "umoptions",
    "subconninfo",
    "stxdexpr",
    "data",
];
