//! Paths past the table: replication, files, extensions, large objects, untrusted languages, copies of the database, jobs.

use std::rc::Rc;

use super::foreign_text::Reach;
use super::kinds::Kind;
use super::links::{Hold, Link};
use super::nodes::Nodes;
use super::points::Path;
use super::report::Class;
use super::rights::Rights;
use super::snapshot::{Function, Relation};
use super::states::State;
use super::world::Place;

/// Functions of the server that give files, whoever may execute them.
const FILES: &[&str] = &[
    "pg_read_file",
    "pg_read_binary_file",
    "lo_import",
    "pg_read_file_all",
    "pg_read_binary_file_all",
    "pg_file_read",
];

/// One that writes them.
const WRITES: &str = "lo_export";

/// What the server's own functions for files are named within it: a function of any name may be made of one.
const SYMBOLS: &[&str] = &[
    "pg_read_file",
    "pg_read_binary_file",
    "be_lo_import",
    "be_lo_export",
];

impl<'s> Rights<'_, 's> {
    /// All of these, for a state and a target.
    pub(crate) fn past_the_table(
        &self,
        state: &State,
        (home, target): (usize, &Relation),
        nodes: &Nodes,
        found: &mut Vec<Path>,
    ) {
        if self.world.superuser(state.user) {
            return;
        }
        self.replication(state, home, target, found);
        self.files(state, found);
        self.large_objects(state, home, target, found);
        self.template(state, home, target, nodes, found);
        self.jobs_as(state, (home, target), found);
        let Some(here) = self.place(state.place) else {
            return;
        };
        for function in &here.index.reaching {
            self.extension(state, here, function, found);
            self.wrapped(state, here, function, home, found);
            self.untrusted(state, here, function, found);
        }
    }

    pub(crate) fn simple(
        &self,
        state: &State,
        class: Class,
        kind: Kind,
        links: Vec<Link>,
        why: Option<&str>,
    ) -> Path {
        Path {
            class,
            kind,
            links,
            columns: None,
            why: why.map(str::to_owned),
            tries: None,
            place: state.place,
            sets: state.sets,
        }
    }

    fn replication(&self, state: &State, home: usize, target: &Relation, found: &mut Vec<Path>) {
        let Some(role) = self.world.role(state.user).filter(|role| role.replication) else {
            return;
        };
        let hold = Hold::Attribute {
            role: state.user,
            undo: "NOREPLICATION",
        };
        let server = &self.world.snapshot.server;
        let Some(here) = self.place(home) else { return };
        let title = here.title(target);
        let link = |by: &str| vec![Link::new(&role.name, &title, by, hold.clone())];
        let mut streams = Vec::new();
        if server.max_senders > 0
            && server.wal_level != "minimal"
            && self.streams(state.user)
            && state.sets.is_none()
            && role.login
        {
            streams.push("REPLICATION: copies the whole cluster (BASE_BACKUP) and streams its log");
        }
        // In the target's database only: a slot decodes its own database.
        if server.wal_level == "logical" && server.max_slots > 0 && state.place == home {
            streams.push("REPLICATION: decodes every change of the database from a logical slot");
        }
        match streams.first() {
            Some(by) => found.push(self.simple(state, Class::Rows, Kind::Replication, link(by), None)),
            None if state.place == home => {
                let why = "neither pg_hba.conf lets it stream nor wal_level decode: one of them changed, and it reads";
                found.push(self.simple(
                    state,
                    Class::Latent,
                    Kind::Replication,
                    link("REPLICATION"),
                    Some(why),
                ));
            }
            None => {}
        }
        let published = here.contents.publications.iter().find(|one| {
            one.all
                || one.relations.iter().flatten().any(|oid| *oid == target.oid)
                || one.schemas.iter().flatten().any(|oid| *oid == target.schema)
        });
        if let Some(publication) = published.filter(|_| state.place == home) {
            let class = if server.wal_level == "logical" {
                Class::Rows
            } else {
                Class::Latent
            };
            let by = format!("REPLICATION: subscribes to publication {}", publication.name);
            found.push(self.simple(state, class, Kind::Publication, link(&by), None));
        }
    }

    fn files(&self, state: &State, found: &mut Vec<Path>) {
        let (place, user) = (state.place, state.user);
        for function in self.file_givers(place).iter() {
            if !self.usage(place, user, function.schema) {
                continue;
            }
            if !self.executes(place, user, function) {
                continue;
            }
            let target = self.function(place, function);
            let symbol = function.source.as_deref().unwrap_or_default();
            let writes =
                function.name == WRITES || function.language == "internal" && symbol.contains(WRITES);
            let (class, to, by) = match writes {
                true => (
                    Class::Grantable,
                    "the server's files",
                    "writes any file of the server, its configuration among them",
                ),
                false => (
                    Class::Rows,
                    "the table's files",
                    "reads any file of the data directory",
                ),
            };
            for way in self.ways(place, user, &target, 'X') {
                let mut links = way.links;
                links.push(Link::new(&target.title, to, by, Hold::Fixed));
                let tries =
                    (function.name == "pg_read_binary_file" && function.arguments == "text").then(|| {
                        (
                            "SELECT count(*) FROM (SELECT pg_read_binary_file('global/pg_control')) q"
                                .to_owned(),
                            false,
                        )
                    });
                found.push(Path {
                    tries,
                    ..self.simple(state, class, Kind::ServerFiles, links, None)
                });
            }
        }
        let tree = self.tree(place, user);
        if let Some(role) = self
            .world
            .by_name
            .get("pg_read_server_files")
            .copied()
            .filter(|role| tree.has(*role))
        {
            let mut links = self.chain(&tree, role);
            links.push(Link::new(
                self.world.name(role),
                "the server's text files",
                "COPY ... FROM file: logs, dumps, passwords",
                Hold::Fixed,
            ));
            let why = "COPY reads no file with null bytes, so not the table's own; logs and dumps it reads";
            found.push(self.simple(state, Class::Facts, Kind::ServerFiles, links, Some(why)));
        }
    }

    /// The functions of a database that give files of the server.
    pub(crate) fn file_givers(&self, place: usize) -> Rc<Vec<&'s Function>> {
        if let Some(known) = self.file_givers.borrow().get(&place) {
            return Rc::clone(known);
        }
        let here = self.place(place).into_iter();
        let all = here.flat_map(|here| {
            here.contents
                .functions
                .iter()
                .map(move |function| (here, function))
        });
        let found = all.filter(|(here, function)| self.gives_files(place, here, function));
        let found = Rc::new(found.map(|(_, function)| function).collect::<Vec<_>>());
        self.file_givers.borrow_mut().insert(place, Rc::clone(&found));
        found
    }

    /// Whether a function gives files of the server: one of the server's own, another name for one, or a definer that calls one.
    fn gives_files(&self, place: usize, here: &Place<'s>, function: &Function) -> bool {
        let own = here.schema_name(function.schema) == "pg_catalog";
        match function.language.as_str() {
            "internal" | "c" if own => FILES.contains(&function.name.as_str()) || function.name == WRITES,
            "internal" => function
                .source
                .as_deref()
                .is_some_and(|symbol| SYMBOLS.iter().any(|start| symbol.trim().starts_with(start))),
            _ if function.definer && self.out(here, function) == super::functions::Out::Result => {
                let Some((meaning, owner)) = here
                    .meanings
                    .get(&function.oid)
                    .zip(self.world.at(function.owner))
                else {
                    return false;
                };
                let names = |named: &super::source::Named| {
                    FILES.contains(&named.name.as_str())
                        && named
                            .schema
                            .as_deref()
                            .is_none_or(|schema| schema == "pg_catalog")
                };
                let may = |name: &str| {
                    let known = here.functions_named.get(name).into_iter().flatten();
                    known
                        .filter(|one| here.schema_name(one.schema) == "pg_catalog")
                        .any(|one| self.may(place, owner, &self.function(place, one), 'X'))
                };
                meaning.calls.iter().any(|named| names(named) && may(&named.name))
            }
            _ => false,
        }
    }

    fn untrusted(&self, state: &State, here: &Place<'s>, function: &Function, found: &mut Vec<Path>) {
        if function.trusted || function.source.is_none() || function.extension.is_some() {
            return;
        }
        let (place, user) = (state.place, state.user);
        if !self.executes(place, user, function) || !self.usage(place, user, function.schema) {
            return;
        }
        let target = self.function(place, function);
        let text = function.source.as_deref().unwrap_or_default();
        let reach = super::foreign_text::reach(&function.language, text);
        let class = match reach {
            Reach::Outside => Class::Rows,
            Reach::Unknown => Class::Latent,
            Reach::Nothing => return,
        };
        for way in self.ways(place, user, &target, 'X') {
            let mut links = way.links;
            let by = format!("runs as the server's account, in {}", function.language);
            links.push(Link::new(
                &target.title,
                "the server's files and programs",
                &by,
                Hold::Fixed,
            ));
            let why = if reach == Reach::Outside {
                "its text reaches programs or files"
            } else {
                "its text was not understood: read it"
            };
            let _ = here;
            found.push(self.simple(state, class, Kind::UntrustedLanguage, links, Some(why)));
        }
    }
}
