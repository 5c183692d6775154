//! Functions of extensions that reach pages, the log or files: by their names, under other names, and in definer functions.

use super::functions::Out;
use super::kinds::Kind;
use super::links::{Hold, Link};
use super::points::Path;
use super::report::Class;
use super::rights::Rights;
use super::snapshot::Function;
use super::source::{Meaning, Named};
use super::states::State;
use super::world::{Place, RoleAt};

/// An extension, its function, how far it leads, and what it does.
type Extension = (&'static str, &'static str, Class, &'static str);

/// Functions of extensions: extension, function, class, what they do.
const EXTENSIONS: &[Extension] = &[
    (
        "adminpack",
        "pg_file_write",
        Class::Grantable,
        "writes files of the server, its configuration among them",
    ),
    (
        "adminpack",
        "pg_file_rename",
        Class::Grantable,
        "renames files of the server",
    ),
    (
        "pg_walinspect",
        "pg_get_wal_block_info",
        Class::Rows,
        "shows the data of pages in the write-ahead log",
    ),
    (
        "pg_walinspect",
        "pg_get_wal_fpi_info",
        Class::Rows,
        "shows page images in the write-ahead log",
    ),
    (
        "pg_walinspect",
        "pg_get_wal_records_info",
        Class::Facts,
        "shows what was written when, by relation",
    ),
    (
        "pg_walinspect",
        "pg_get_wal_record_info",
        Class::Facts,
        "shows what was written when, by relation",
    ),
    (
        "pgstattuple",
        "pgstattuple",
        Class::Facts,
        "counts rows and dead rows",
    ),
    (
        "pgrowlocks",
        "pgrowlocks",
        Class::Facts,
        "shows which rows are locked",
    ),
    (
        "pg_visibility",
        "pg_visibility",
        Class::Facts,
        "shows which pages have changed",
    ),
    (
        "pg_stat_statements",
        "pg_stat_statements",
        Class::Facts,
        "shows statements of one's own, and of all with pg_read_all_stats",
    ),
    (
        "pg_walinspect",
        "pg_get_wal_records_info_till_end_of_wal",
        Class::Facts,
        "shows what was written when, by relation",
    ),
    (
        "pgstattuple",
        "pgstattuple_approx",
        Class::Facts,
        "counts rows and dead rows",
    ),
    ("pg_dirtyread", "pg_dirtyread", Class::Rows, "reads dead rows"),
    (
        "dblink",
        "dblink_connect_u",
        Class::Grantable,
        "connects without a password, as whom pg_hba.conf trusts the server's account to be",
    ),
    (
        "pageinspect",
        "get_raw_page",
        Class::Blocked,
        "asks for a superuser in its code",
    ),
    (
        "pageinspect",
        "heap_page_items",
        Class::Blocked,
        "asks for a superuser in its code",
    ),
    (
        "amcheck",
        "bt_index_check",
        Class::Blocked,
        "says whether an index is whole, and nothing of its rows",
    ),
    (
        "pg_surgery",
        "heap_force_freeze",
        Class::Blocked,
        "changes rows, and gives none",
    ),
];

/// Functions that give pages, which ask for a superuser: in a definer function of one they have it.
const PAGES: &[&str] = &[
    "get_raw_page",
    "heap_page_items",
    "heap_page_item_attrs",
    "tuple_data_split",
    "bt_page_items",
    "gist_page_items",
    "hash_page_items",
    "brin_page_items",
    "gin_leafpage_items",
];

/// Functions of the server that decode changes, which ask for REPLICATION.
const CHANGES: &[&str] = &[
    "pg_logical_slot_get_changes",
    "pg_logical_slot_peek_changes",
    "pg_logical_slot_get_binary_changes",
    "pg_logical_slot_peek_binary_changes",
];

/// The view of an extension that shows everybody's statements to who reads all statistics.
const STATEMENTS: &str = "pg_stat_statements";

/// The library of a function in C, and what it is named there.
fn library(function: &Function) -> Option<(&str, &str)> {
    let (library, symbol) = function.symbol.as_deref()?.rsplit_once(':')?;
    let library = library.rsplit('/').next().unwrap_or(library);
    Some((library.strip_suffix(".so").unwrap_or(library), symbol))
}

/// Whether a function runs statements by dblink, whatever its name.
pub(crate) fn runs_remotely(function: &Function) -> bool {
    let own = function.name == "dblink" && function.extension.as_deref() == Some("dblink");
    own || library(function) == Some(("dblink", "dblink_record"))
}

/// What a function is known to do: as one of an extension's, or as another name for one.
fn known(function: &Function) -> Option<&'static Extension> {
    let extension = function.extension.as_deref();
    let named = |(of, name, ..): &&Extension| extension == Some(*of) && *name == function.name;
    let alias = || {
        let (library, symbol) = library(function).filter(|_| extension.is_none())?;
        EXTENSIONS.iter().find(|(of, name, ..)| {
            // Versions and forms of one have something behind the name.
            let rest = symbol.strip_prefix(name);
            let unchecked = *name == "dblink_connect_u" && symbol == "dblink_connect" && function.definer;
            let same =
                rest.is_some_and(|rest| rest.is_empty() || rest.starts_with("_") || rest.starts_with("byid"));
            *of == library && (same || unchecked)
        })
    };
    EXTENSIONS.iter().find(named).or_else(alias)
}

/// Whether a function is in an untrusted language, one of those of extensions that reach past the table, or calls one.
pub(crate) fn may_reach(function: &Function, meaning: Option<&Meaning>) -> bool {
    let calls = |named: &Named| {
        let name = named.name.as_str();
        PAGES.contains(&name)
            || CHANGES.contains(&name)
            || EXTENSIONS.iter().any(|(_, known, ..)| *known == name)
    };
    let wraps = |meaning: &Meaning| {
        meaning.calls.iter().any(calls) || meaning.reads.iter().any(|named| named.name == STATEMENTS)
    };
    !function.trusted || known(function).is_some() || function.definer && meaning.is_some_and(wraps)
}

impl<'s> Rights<'_, 's> {
    pub(super) fn extension(
        &self,
        state: &State,
        here: &Place<'s>,
        function: &Function,
        found: &mut Vec<Path>,
    ) {
        let Some((_, _, class, does)) = known(function) else {
            return;
        };
        let (place, user) = (state.place, state.user);
        if !self.executes(place, user, function) {
            return;
        }
        let target = self.function(place, function);
        let usage = self.usage(place, user, function.schema);
        for way in self.ways(place, user, &target, 'X') {
            // What PUBLIC has of pg_stat_statements shows one's own statements only.
            if *class == Class::Facts && way.kind == Kind::PublicGrant {
                continue;
            }
            let mut links = way.links;
            links.push(Link::new(&target.title, "the server", does, Hold::Fixed));
            let (class, why) = match usage {
                true if *class == Class::Blocked => (Class::Blocked, Some((*does).to_owned())),
                true => (*class, None),
                false => (
                    Class::Blocked,
                    Some(format!(
                        "no USAGE on schema {}",
                        here.schema_name(function.schema)
                    )),
                ),
            };
            found.push(Path {
                why,
                ..self.simple(state, class, Kind::Extension, links, None)
            });
        }
    }

    /// A definer function that calls one of these, with its owner's rights.
    pub(super) fn wrapped(
        &self,
        state: &State,
        here: &Place<'s>,
        function: &Function,
        home: usize,
        found: &mut Vec<Path>,
    ) {
        let (place, user) = (state.place, state.user);
        let meaning = here.meanings.get(&function.oid).filter(|_| function.definer);
        let Some((meaning, owner)) = meaning.zip(self.world.at(function.owner)) else {
            return;
        };
        if !self.executes(place, user, function) || !self.usage(place, user, function.schema) {
            return;
        }
        let calls = meaning.calls.iter();
        let gives = calls
            .filter_map(|named| self.gives(place, here, (named, owner), home))
            .chain(self.shows_statements(here, meaning, (place, owner)))
            .min_by_key(|(class, ..)| *class);
        let Some((class, kind, does)) = gives else { return };
        let class = match self.out(here, function) {
            Out::Result => class,
            Out::Fact => class.max(Class::Facts),
            Out::Tables => return,
        };
        let target = self.function(place, function);
        for way in self.ways(place, user, &target, 'X') {
            let mut links = way.links;
            let by = format!("as {}, {does}", self.world.name(owner));
            links.push(Link::new(&target.title, "the server", &by, Hold::Fixed));
            found.push(self.simple(state, class, kind, links, None));
        }
    }

    /// What one of these functions gives where a function of `owner` calls it.
    fn gives(
        &self,
        place: usize,
        here: &Place<'s>,
        (named, owner): (&Named, RoleAt),
        home: usize,
    ) -> Option<(Class, Kind, &'static str)> {
        let name = named.name.as_str();
        let role = self.world.role(owner)?;
        if CHANGES.contains(&name) {
            let decodes = (role.superuser || role.replication)
                && self.world.snapshot.server.wal_level == "logical"
                && place == home;
            return decodes.then_some((
                Class::Rows,
                Kind::Replication,
                "decodes changes from a replication slot",
            ));
        }
        let mut functions = here.functions_named.get(name).into_iter().flatten();
        let in_schema = |one: &&Function| {
            let schema = named.schema.as_deref();
            schema.is_none_or(|schema| schema == here.schema_name(one.schema))
        };
        let called = functions.find(|one| in_schema(one) && one.extension.is_some())?;
        if PAGES.contains(&name) && called.extension.as_deref() == Some("pageinspect") {
            return role
                .superuser
                .then_some((Class::Rows, Kind::Extension, "gives pages of tables"));
        }
        let (_, _, class, does) = known(called).filter(|(_, _, class, _)| *class != Class::Blocked)?;
        let may = self.may(place, owner, &self.function(place, called), 'X');
        may.then_some((*class, Kind::Extension, *does))
    }

    /// What is given by a function of `owner` that reads everybody's statements.
    fn shows_statements(
        &self,
        here: &Place<'s>,
        meaning: &Meaning,
        (place, owner): (usize, RoleAt),
    ) -> Option<(Class, Kind, &'static str)> {
        let reads = meaning.reads.iter().any(|named| named.name == STATEMENTS);
        let all = self.world.by_name.get("pg_read_all_stats");
        let all = all.is_some_and(|role| self.tree(place, owner).has(*role)) || self.world.superuser(owner);
        let there = here.contents.extensions.iter().any(|one| one == STATEMENTS);
        (reads && all && there).then_some((
            Class::Facts,
            Kind::Monitoring,
            "shows the statements of every session",
        ))
    }
}
