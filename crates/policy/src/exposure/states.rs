//! Whom a role can become, and by what: SET ROLE, ADMIN OPTION, CREATEROLE, code of another's, programs, mappings.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::rc::Rc;

use super::acl::Object;
use super::kinds::Kind;
use super::links::{Hold, Link, name};
use super::login::Door;
use super::report::Class;
use super::rights::Rights;
use super::world::{Holder, OPTIONS_SINCE, RoleAt};

/// Acting as a role, in a database.
#[derive(Debug, Clone)]
pub(crate) struct State {
    pub(crate) place: usize,
    pub(crate) user: RoleAt,
    /// Whether statements of its own are run as it, so that it may set roles.
    pub(crate) session: bool,
    /// How sure one gets there: `Rows` is now.
    pub(crate) class: Class,
    /// What made it another role, if that is more than membership.
    pub(crate) kind: Option<Kind>,
    pub(crate) links: Vec<Link>,
    pub(crate) why: Option<String>,
    /// For trying: the role that is set.
    pub(crate) sets: Option<RoleAt>,
    /// Whether trying is possible by logging in and setting a role.
    pub(crate) plain: bool,
}

impl State {
    /// Of a role that does not get in.
    pub(crate) fn shut(place: usize, user: RoleAt, why: Option<String>) -> Self {
        Self {
            place,
            user,
            session: false,
            class: Class::Blocked,
            kind: None,
            links: Vec::new(),
            why,
            sets: None,
            plain: false,
        }
    }
}

/// All that a login can become, and the databases it does not get into, with why not.
#[derive(Debug)]
pub(crate) struct Becoming {
    pub(crate) states: Vec<State>,
    pub(crate) shut: Vec<(usize, String)>,
    /// Whether it depends on which roles are useful: CREATEROLE makes a member of any of them (up to PostgreSQL 15).
    pub(crate) makes: bool,
}

/// Logins whose becoming is kept at a time.
const KEPT: usize = 1_024;

/// A role becomes at most so many others: beyond, the first ones tell enough.
const STATES: usize = 4_096;

/// Steps of becoming.
const STEPS: usize = 12;

/// Parameters whose value is a program, a library, or where the server's rules are read.
const POWERFUL: &[&str] = &[
    "archive_command",
    "archive_library",
    "restore_command",
    "recovery_end_command",
    "archive_cleanup_command",
    "shared_preload_libraries",
    "session_preload_libraries",
    "local_preload_libraries",
    "dynamic_library_path",
    "hba_file",
    "ident_file",
    "ssl_passphrase_command",
    "primary_conninfo",
    "unix_socket_directories",
    "config_file",
    "jit_provider",
];

/// What the search for becoming needs, made once for each target.
#[derive(Debug, Default)]
pub(crate) struct Useful {
    /// Roles that hold something which leads to the target.
    pub(crate) roles: BTreeSet<RoleAt>,
}

impl Useful {
    /// Roles with which one reads everything.
    pub(crate) fn strong(rights: &Rights<'_, '_>) -> Self {
        let names = [
            "pg_read_all_data",
            "pg_execute_server_program",
            "pg_write_server_files",
        ];
        let known = names.iter().filter_map(|name| rights.world.by_name.get(name));
        Self {
            roles: known.copied().collect(),
        }
    }
}

/// Takes a role that one becomes, by what, as what, how surely, and why.
type Add<'a> = &'a mut dyn FnMut(RoleAt, Vec<Link>, Kind, Class, Option<&str>);

impl<'s> Rights<'_, 's> {
    /// Roles that can be set by a session of `login`, each with the memberships that lead there.
    pub(crate) fn settable(&self, place: usize, login: RoleAt) -> Vec<(RoleAt, Vec<Link>)> {
        let mut found: Vec<(RoleAt, Vec<Link>)> = vec![(login, Vec::new())];
        let mut seen = HashSet::from([login]);
        let mut at = 0;
        while let Some((role, links)) = found.get(at).cloned() {
            for edge in self.world.edges(role, self.place(place)).filter(|edge| edge.set) {
                if seen.insert(edge.to) {
                    let mut links = links.clone();
                    links.push(self.member_link(role, edge.to, edge.membership, "can SET ROLE to"));
                    found.push((edge.to, links));
                }
            }
            at += 1;
        }
        found.remove(0);
        found
    }

    /// The states that a login begins with: one for each database it gets into, or why it gets into none.
    fn beginnings(&self, login: RoleAt) -> (Vec<State>, Vec<(usize, String)>) {
        let mut open = Vec::new();
        let mut shut = Vec::new();
        let start =
            |place: usize, links: Vec<Link>, why: Option<String>, class: Class, kind: Option<Kind>| State {
                place,
                user: login,
                session: true,
                class,
                kind,
                links,
                plain: kind.is_none(),
                why,
                sets: None,
            };
        for place in 0..self.world.places.len() {
            let database = self.place(place).map_or("", |here| here.database.name.as_str());
            let session = self.world.role(login).and_then(|role| {
                let mut sessions = self.world.snapshot.sessions.iter();
                sessions.find(|one| one.role == role.oid && one.database.as_deref() == Some(database))
            });
            match (self.door(place, login), session) {
                (Door::Open, _) => open.push(start(place, Vec::new(), None, Class::Rows, None)),
                (Door::Shut(why) | Door::Unknown(why), Some(session)) => {
                    let hold = Hold::Sql {
                        place: None,
                        sql: format!("SELECT pg_terminate_backend({});", session.pid),
                        breaks: Some("that session".to_owned()),
                    };
                    let by = format!(
                        "session {} is still open since {}",
                        session.pid,
                        session.since.as_deref().unwrap_or("?")
                    );
                    let link = Link::new(self.world.name(login), database, &by, hold);
                    open.push(start(
                        place,
                        vec![link],
                        Some(why),
                        Class::Rows,
                        Some(Kind::OpenSession),
                    ));
                }
                (Door::Unknown(why), None) => {
                    open.push(start(place, Vec::new(), Some(why), Class::Latent, None))
                }
                (Door::Shut(why), None) => shut.push((place, why)),
            }
        }
        (open, shut)
    }

    /// Everything a login can become: kept where that does not depend on what is useful.
    pub(crate) fn becoming(&self, login: RoleAt, useful: &Useful) -> Rc<Becoming> {
        if let Some(known) = self.becoming.borrow().get(&login) {
            return Rc::clone(known);
        }
        let found = Rc::new(self.become_all(login, useful));
        if !found.makes {
            let mut kept = self.becoming.borrow_mut();
            if kept.len() >= KEPT {
                kept.clear();
            }
            kept.insert(login, Rc::clone(&found));
        }
        found
    }

    fn become_all(&self, login: RoleAt, useful: &Useful) -> Becoming {
        let (mut states, shut) = self.beginnings(login);
        let mut seen: HashMap<(usize, RoleAt, Option<Kind>), usize> = HashMap::new();
        for (at, state) in states.iter().enumerate() {
            seen.insert((state.place, state.user, state.kind), at);
        }
        let mut at = 0;
        while let Some(state) = states.get(at).cloned() {
            at += 1;
            if self.world.superuser(state.user) || states.len() >= STATES || state.links.len() > STEPS {
                continue;
            }
            for next in self.next_states(&state, useful) {
                // One special step of a kind to a role is enough for each object that gives it.
                let key = (next.place, next.user, next.kind);
                let distinct = matches!(
                    next.kind,
                    Some(
                        Kind::DefinerDynamic
                            | Kind::DefinerFunction
                            | Kind::SearchPath
                            | Kind::Dblink
                            | Kind::UserMapping
                    )
                ) && state.kind.is_none();
                if distinct && seen.contains_key(&key) {
                    let same = states.iter().any(|known| {
                        (known.place, known.user, known.kind) == key && last(known) == last(&next)
                    });
                    if same || states.len() >= STATES {
                        continue;
                    }
                    states.push(next);
                } else if let std::collections::hash_map::Entry::Vacant(place) = seen.entry(key) {
                    place.insert(states.len());
                    states.push(next);
                }
            }
        }
        let makes = states.iter().any(|state| self.makes_roles(state));
        Becoming { states, shut, makes }
    }

    /// Whether a state lets one grant any role to oneself.
    fn makes_roles(&self, state: &State) -> bool {
        self.world
            .role(state.user)
            .is_some_and(|role| role.create_role && !role.superuser)
            && self.world.version() < OPTIONS_SINCE
            && state.kind.is_none()
    }

    fn next_states(&self, state: &State, useful: &Useful) -> Vec<State> {
        let mut found = Vec::new();
        let mut add = |user: RoleAt, more: Vec<Link>, change: &dyn Fn(&mut State)| {
            if user == state.user {
                return;
            }
            let mut next = State {
                user,
                ..state.clone()
            };
            next.links.extend(more);
            change(&mut next);
            found.push(next);
        };
        let became = |kind: Kind, class: Class, session: bool, why: Option<&str>| {
            let why = why.map(str::to_owned);
            move |next: &mut State| {
                next.kind = Some(
                    next.kind
                        .filter(|_| next.class == Class::Grantable)
                        .unwrap_or(kind),
                );
                next.class = next.class.max(class);
                next.session = session;
                next.plain = false;
                next.why = why.clone().or_else(|| next.why.clone());
            }
        };
        // SET ROLE looks at the session's login, so only what begins a session sets roles.
        if state.session && state.sets.is_none() {
            for (role, links) in self.settable(state.place, state.user) {
                add(role, links, &|next| next.sets = Some(role));
            }
        }
        let place = state.place;
        let user = state.user;
        let tree = self.tree(place, user);
        let settable: HashSet<RoleAt> = match state.sets {
            None => self
                .settable(state.place, user)
                .into_iter()
                .map(|(role, _)| role)
                .collect(),
            Some(_) => HashSet::new(),
        };
        for holder in tree.roles() {
            for edge in self.world.edges(holder, None).filter(|edge| edge.admin) {
                if settable.contains(&edge.to) || tree.has(edge.to) {
                    continue;
                }
                let mut links = self.chain(&tree, holder);
                let by = "has ADMIN OPTION, so can grant itself";
                links.push(self.member_link(holder, edge.to, edge.membership, by));
                add(
                    edge.to,
                    links,
                    &became(Kind::AdminOption, Class::Grantable, true, None),
                );
            }
        }
        if self.makes_roles(state) {
            for &role in useful
                .roles
                .iter()
                .filter(|role| !self.world.superuser(**role) && !settable.contains(role))
            {
                let hold = Hold::Attribute {
                    role: user,
                    undo: "NOCREATEROLE",
                };
                let by = "has CREATEROLE, so can grant itself";
                let link = Link::new(self.world.name(user), self.world.name(role), by, hold);
                add(
                    role,
                    vec![link],
                    &became(Kind::Createrole, Class::Grantable, true, None),
                );
            }
        }
        if state.class == Class::Rows {
            for one in self.borrowed(place, user) {
                if !tree.has(one.to) {
                    add(
                        one.to,
                        one.links,
                        &became(one.kind, one.class, false, Some(one.why)),
                    );
                }
            }
            for (remote, links, kind) in self.servers(place, user) {
                let unseen = "the mapping's user was not seen: taken for one that may read";
                match remote.user {
                    Some(role) if self.door(remote.place, role) == Door::Open => {
                        add(role, links, &|next| {
                            became(
                                kind,
                                if kind == Kind::Dblink {
                                    Class::Rows
                                } else {
                                    Class::Grantable
                                },
                                true,
                                None,
                            )(next);
                            next.place = remote.place;
                            next.sets = None;
                        });
                    }
                    Some(_) => {}
                    None => {
                        let Some(role) = self.superuser() else { continue };
                        add(role, links, &|next| {
                            became(kind, Class::Latent, true, Some(unseen))(next);
                            next.place = remote.place;
                        });
                    }
                }
            }
        }
        self.powers(state, &mut |role, links, kind, class, why| {
            add(role, links, &became(kind, class, false, why))
        });
        found
    }

    /// What makes a superuser of one, by programs, files, parameters or schedulers.
    fn powers(&self, state: &State, add: Add<'_>) {
        let Some(all) = self.superuser() else { return };
        let (place, user) = (state.place, state.user);
        let tree = self.tree(place, user);
        let named = |name: &str| {
            self.world
                .by_name
                .get(name)
                .copied()
                .filter(|role| tree.has(*role))
        };
        let to = self.world.name(all);
        if let Some(role) = named("pg_execute_server_program") {
            let mut links = self.chain(&tree, role);
            let by = "runs programs as the server's account (COPY ... PROGRAM), which reads the table's files and logs in as superuser";
            links.push(Link::new(self.world.name(role), to, by, Hold::Fixed));
            add(all, links, Kind::ServerProgram, Class::Rows, None);
        }
        if let Some(role) = named("pg_write_server_files") {
            let mut links = self.chain(&tree, role);
            let by = "writes the server's files, so can write its configuration and make itself superuser";
            links.push(Link::new(self.world.name(role), to, by, Hold::Fixed));
            add(all, links, Kind::ServerFiles, Class::Grantable, None);
        }
        for parameter in &self.world.snapshot.parameters {
            if !POWERFUL.contains(&parameter.name.as_str()) {
                continue;
            }
            let title = format!("parameter {}", parameter.name);
            let sql = format!("PARAMETER {}", name(&parameter.name));
            let target = self.other(&parameter.acl, Object::Parameter, 10, sql, title);
            if let Some(way) = self.ways(place, user, &target, 'A').into_iter().next() {
                let mut links = way.links;
                links.push(Link::new(
                    &target.title,
                    to,
                    "names a program or library that the server runs",
                    Hold::Fixed,
                ));
                add(all, links, Kind::Parameter, Class::Grantable, None);
            }
        }
        let Some(here) = self.place(place) else { return };
        for language in here.contents.languages.iter().filter(|one| one.reaches) {
            let title = format!("language {}", language.name);
            let sql = format!("LANGUAGE {}", name(&language.name));
            let target = self.other(&language.acl, Object::Language, language.owner, sql, title);
            let way = self.ways(place, user, &target, 'U').into_iter().next();
            // DO asks for no place to make functions in.
            if let Some(way) = way.filter(|_| language.inline || self.makes_tables(place, user)) {
                let mut links = way.links;
                let by = "is called trusted, and runs as the server's account what is written in it";
                links.push(Link::new(&target.title, to, by, Hold::Fixed));
                add(all, links, Kind::UntrustedLanguage, Class::Grantable, None);
            }
        }
        let schedulers = [("cron", "job"), ("pgagent", "pga_jobstep")];
        for relation in schedulers
            .iter()
            .flat_map(|(schema, name)| super::nodes::resolve(here, Some(schema), name, None))
        {
            let title = here.title(relation);
            let target = self.relation(place, relation);
            let way = ['a', 'w'].iter().find_map(|right| {
                let all = self.ways(place, user, &target, *right).into_iter();
                let of_columns = self.column_ways(place, user, relation, *right).into_iter();
                all.chain(of_columns.map(|(way, _)| way)).next()
            });
            let may = || {
                self.usage(place, user, relation.schema) && self.schedules_for_others(place, user, relation)
            };
            if let Some(way) = way.filter(|_| may()) {
                let mut links = way.links;
                links.push(Link::new(
                    &title,
                    to,
                    "is run by the scheduler, as whom the job says",
                    Hold::Fixed,
                ));
                add(all, links, Kind::ScheduledJob, Class::Grantable, None);
            }
        }
    }

    /// Roles that hold anything on a target.
    pub(crate) fn hold_something(&self, target: &super::rights::Target, into: &mut BTreeSet<RoleAt>) {
        let holders = target.entries.iter().filter_map(|entry| match entry.holder {
            Holder::Role(role) => Some(role),
            Holder::Public => None,
        });
        into.extend(holders);
        into.extend(self.world.at(target.owner));
    }
}

fn last(state: &State) -> Option<&str> {
    let links = state.links.iter().rev().nth(1).or_else(|| state.links.last())?;
    Some(&links.to)
}
