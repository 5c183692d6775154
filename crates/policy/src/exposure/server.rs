//! Paths past the table: replication, files, extensions, large objects, untrusted languages, copies of the database, jobs.

use super::acl::Object;
use super::kinds::Kind;
use super::links::{Hold, Link, name};
use super::nodes::Nodes;
use super::points::{Path, counting};
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

/// What the server's own functions for files are named within it: a function of any name may be made of one.
const SYMBOLS: &[&str] = &["pg_read_file", "pg_read_binary_file", "be_lo_import"];

/// Functions of extensions: extension, function, class, what they do.
const EXTENSIONS: &[(&str, &str, Class, &str)] = &[
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

/// Words in the text of an untrusted function that reach programs, files or sockets.
const REACHES: &[&str] = &[
    "open(",
    "subprocess",
    "os.system",
    "os.popen",
    "popen",
    "system(",
    "exec ",
    "exec(",
    "`",
    "qx",
    "socket",
    "#!/",
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
        for function in &here.contents.functions {
            self.extension(state, here, function, found);
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
        let Some(here) = self.place(place) else { return };
        for function in here
            .contents
            .functions
            .iter()
            .filter(|function| self.gives_files(place, here, function))
        {
            if !self.usage(place, user, function.schema) {
                continue;
            }
            let target = self.function(place, function);
            for way in self.ways(place, user, &target, 'X') {
                let mut links = way.links;
                links.push(Link::new(
                    &target.title,
                    "the table's files",
                    "reads any file of the data directory",
                    Hold::Fixed,
                ));
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
                    ..self.simple(state, Class::Rows, Kind::ServerFiles, links, None)
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

    /// Whether a function gives files of the server: one of the server's own, another name for one, or a definer that calls one.
    fn gives_files(&self, place: usize, here: &Place<'s>, function: &Function) -> bool {
        let own = here.schema_name(function.schema) == "pg_catalog";
        match function.language.as_str() {
            "internal" | "c" if own => FILES.contains(&function.name.as_str()),
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

    fn extension(&self, state: &State, here: &Place<'s>, function: &Function, found: &mut Vec<Path>) {
        let Some(extension) = function.extension.as_deref() else {
            return;
        };
        let Some((_, _, class, does)) = EXTENSIONS
            .iter()
            .find(|(of, name, ..)| *of == extension && *name == function.name)
        else {
            return;
        };
        let (place, user) = (state.place, state.user);
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

    fn untrusted(&self, state: &State, here: &Place<'s>, function: &Function, found: &mut Vec<Path>) {
        if function.trusted || function.source.is_none() || function.extension.is_some() {
            return;
        }
        let (place, user) = (state.place, state.user);
        if !self.usage(place, user, function.schema) {
            return;
        }
        let target = self.function(place, function);
        let text = function.source.as_deref().unwrap_or_default();
        let reaches = REACHES.iter().any(|word| text.contains(word));
        let class = if reaches { Class::Rows } else { Class::Latent };
        for way in self.ways(place, user, &target, 'X') {
            let mut links = way.links;
            let by = format!("runs as the server's account, in {}", function.language);
            links.push(Link::new(
                &target.title,
                "the server's files and programs",
                &by,
                Hold::Fixed,
            ));
            let why = if reaches {
                "its text reaches programs or files"
            } else {
                "its text was not understood: read it"
            };
            let _ = here;
            found.push(self.simple(state, class, Kind::UntrustedLanguage, links, Some(why)));
        }
    }

    fn large_objects(&self, state: &State, home: usize, target: &Relation, found: &mut Vec<Path>) {
        let (place, user) = (state.place, state.user);
        if place != home {
            return;
        }
        let Some(here) = self.place(place) else { return };
        self.lo_compat_by_setting(state, here, target, found);
        for objects in &here.contents.large_objects {
            let sql = format!("LARGE OBJECT {}", objects.first);
            let title = format!("large object {}", objects.first);
            let owned = self.world.at(objects.owner) == Some(user);
            let class = if target.blobs { Class::Rows } else { Class::Latent };
            let why = if target.blobs {
                "the table has a column that can name large objects"
            } else {
                "what large objects hold does not stand in any catalog: look at them"
            };
            let title = if objects.count > 1 {
                format!("{title} and {} like it", objects.count - 1)
            } else {
                title
            };
            if self.world.snapshot.server.lo_compat {
                let link = Link::new(
                    self.world.name(user),
                    &title,
                    "lo_compat_privileges is on",
                    Hold::Sql {
                        place: None,
                        sql: "ALTER SYSTEM SET lo_compat_privileges = off; SELECT pg_reload_conf();"
                            .to_owned(),
                        breaks: Some("clients of before PostgreSQL 9.0".to_owned()),
                    },
                );
                found.push(self.simple(state, class, Kind::LargeObject, vec![link], Some(why)));
                continue;
            }
            let target = self.other(&objects.acl, Object::Blob, objects.owner, sql.clone(), title);
            for way in self.ways(place, user, &target, 'r') {
                let mut links = way.links;
                if owned && let Some(last) = links.last_mut() {
                    let heir = self.superuser().map_or("postgres", |at| self.world.name(at));
                    last.hold = Hold::Sql {
                        place: Some(place),
                        sql: format!("ALTER {sql} OWNER TO {};", name(heir)),
                        breaks: None,
                    };
                }
                if objects.count > 1 {
                    self.all_alike(&mut links, objects.count);
                }
                let tries = format!("SELECT 1 WHERE length(pg_catalog.lo_get({})) > 0", objects.first);
                found.push(Path {
                    tries: Some((counting(&tries), true)),
                    ..self.simple(state, class, Kind::LargeObject, links, Some(why))
                });
            }
        }
    }

    /// Who may set `lo_compat_privileges` reads all large objects (from PostgreSQL 15).
    fn lo_compat_by_setting(
        &self,
        state: &State,
        here: &Place<'s>,
        target: &Relation,
        found: &mut Vec<Path>,
    ) {
        if here.contents.large_objects.is_empty() {
            return;
        }
        let parameters = self.world.snapshot.parameters.iter();
        for parameter in parameters.filter(|one| one.name == "lo_compat_privileges") {
            let object = format!("PARAMETER {}", name(&parameter.name));
            let title = format!("parameter {}", parameter.name);
            let setting = self.other(&parameter.acl, Object::Parameter, 10, object, title.clone());
            let class = if target.blobs {
                Class::Grantable
            } else {
                Class::Latent
            };
            for way in self.ways(state.place, state.user, &setting, 's') {
                let mut links = way.links;
                links.push(Link::new(
                    &title,
                    "all large objects",
                    "set to on, no right is asked for",
                    Hold::Fixed,
                ));
                found.push(self.simple(state, class, Kind::Parameter, links, None));
            }
        }
    }

    /// Several large objects with the same rights are closed one by one; the statement names the first.
    fn all_alike(&self, links: &mut [Link], count: i64) {
        if let Some(link) = links.last_mut() {
            link.by = format!(
                "{} (and of {} more with the same owner and rights, one statement each)",
                link.by,
                count - 1
            );
        }
    }
}
