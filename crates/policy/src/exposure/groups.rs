//! Roles that stand alike towards a relation, found without looking at each.
//!
//! A role's findings depend on whom it can become, and of each of those on what the role's rights are held by. Most roles that
//! hold one hold nothing that matters to a given relation. So roles are taken together in three steps: by *shape* (the same
//! memberships and attributes), by which of the holders on the relation's schema each of a shape's states has (the *ground*), and, where
//! another holder tells them apart, by those too ([`super::parting`]). All of one cell have the same classes of findings.
//!
//! Whatever a path's class is made to depend on must stand in [`Groups::signature`], in `watched`, or among the holders of the
//! target (`counting`); `tests/exposure_groups.rs` holds the numbers against the plain scan.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::rc::Rc;

use super::acl::Object;
use super::links::{Hold, Link};
use super::parting::{Ground, Partition};
use super::paths::Search;
use super::report::Class;
use super::rights::Rights;
use super::states::{State, Useful};
use super::world::{Edge, Entries, RoleAt};

/// What sort of acting it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) enum Sort {
    Open,
    /// As a role that does not get in.
    Shut,
    /// By a membership that gives nothing.
    Dead,
}

/// A manner of acting, the same for many roles.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct Manner {
    pub(crate) place: usize,
    pub(crate) sort: Sort,
    pub(crate) class: Class,
    pub(crate) sets: bool,
    /// Whether it is a session, and one that has done nothing but log in and set a role: only those that such a session can
    /// set name what another may not (`naming`: their signatures).
    session: bool,
    pub(super) plain: bool,
    naming: u32,
    signature: u32,
}

/// Acting as a role in some manner.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Act {
    pub(crate) manner: u32,
    pub(crate) user: RoleAt,
    pub(crate) login: RoleAt,
}

/// Roles with the same memberships and attributes.
#[derive(Debug)]
pub(crate) struct Shape {
    pub(crate) roles: Vec<RoleAt>,
    /// Manners in which they act as themselves.
    pub(super) own: Vec<u32>,
    /// Acting as others.
    others: Vec<Act>,
    /// How often each manner is among both.
    pub(super) manners: Vec<(u32, u32)>,
    pub(super) makes: bool,
}

/// All roles that are asked about.
#[derive(Debug)]
pub(crate) struct Groups {
    pub(crate) manners: Vec<Manner>,
    pub(crate) shapes: Vec<Shape>,
    /// Where a role's rights are had: shapes, and the place of the act among the shape's own and others.
    pub(super) reach: HashMap<RoleAt, Vec<(u32, u32)>>,
    pub(crate) shape_of: HashMap<RoleAt, u32>,
    watched: Vec<bool>,
    /// Roles of which a condition asks who is a member, by whatever membership.
    asked: Vec<RoleAt>,
    grounds: RefCell<HashMap<Vec<Held>, u32>>,
    /// In their order, for sums over all of them.
    made: RefCell<Vec<Rc<Ground>>>,
}

/// A role that holds something in a database.
pub(crate) type Held = (usize, RoleAt);

/// Numbers that are kept with all grounds: beyond, all roles are told apart anew for each relation.
const GROUNDED: usize = 4_000_000;

/// Roles whose names or rights matter to every relation.
fn watched(search: &Search<'_, '_>) -> Vec<bool> {
    let rights = search.rights;
    let world = rights.world;
    let mut all: BTreeSet<RoleAt> = BTreeSet::new();
    let take = |all: &mut BTreeSet<RoleAt>, entries: &Entries| {
        all.extend(entries.iter().filter_map(|entry| entry.holder.role()));
    };
    all.extend(
        world
            .roles()
            .filter(|(_, role)| role.name.starts_with("pg_"))
            .map(|(at, _)| at),
    );
    let snapshot = world.snapshot;
    for parameter in &snapshot.parameters {
        take(&mut all, &world.entries(&parameter.acl, Object::Parameter, 10));
    }
    let settings = snapshot
        .settings
        .iter()
        .filter(|one| !one.setting.starts_with("search_path="));
    all.extend(settings.filter_map(|one| world.at(one.role)));
    all.extend(snapshot.prepared.iter().filter_map(|one| world.at(one.owner)));
    let looked = rights.looked();
    for (place, here) in world.places.iter().enumerate() {
        let contents = here.contents;
        all.extend(here.owner);
        if let Some(database) = rights.database(place) {
            take(&mut all, &database.entries);
        }
        for language in &contents.languages {
            take(
                &mut all,
                &world.entries(&language.acl, Object::Language, language.owner),
            );
        }
        for server in &contents.servers {
            take(
                &mut all,
                &world.entries(&server.acl, Object::Server, server.owner),
            );
        }
        for objects in &contents.large_objects {
            take(
                &mut all,
                &world.entries(&objects.acl, Object::Blob, objects.owner),
            );
        }
        for job in &contents.jobs {
            all.extend(job.user.as_deref().and_then(|name| world.by_name.get(name)));
        }
        for defaults in contents.defaults.iter().filter(|one| one.schema == 0) {
            all.extend(world.at(defaults.role));
            let items = defaults.acl.iter().flatten();
            all.extend(items.filter_map(|item| world.entry(item)?.holder.role()));
        }
        let lent = rights.lending(place);
        let lending = lent.functions.iter();
        let files = rights.file_givers(place);
        for function in here
            .index
            .reaching
            .iter()
            .chain(lending.clone())
            .chain(files.iter())
            .chain(here.index.blob_readers.iter())
        {
            all.extend(rights.function_holders(place, function));
        }
        all.extend(rights.code_holders(place, &lent));
        for touched in lent.touched.values().flatten() {
            use super::touched::Touched;
            match touched {
                Touched::Calls(called) => all.extend(rights.function_holders(place, called)),
                // What it reads is asked for its owner, and who creates in its schema.
                Touched::Reads(relation) => {
                    all.extend(world.at(relation.owner));
                    all.extend(rights.creators(place, relation.schema));
                }
                Touched::Writes(relation) => {
                    all.extend(rights.relation_holders(place, relation));
                    all.extend(rights.schema_holders(place, relation.schema));
                }
            }
        }
        let tables = contents.foreign_tables.iter();
        let owners = tables.filter_map(|table| world.at(here.relation(table.relation)?.owner));
        all.extend(owners);
        for shown in rights.shown(&search.reverse, place).iter() {
            for node in &shown.nodes {
                let held = search.node_holders(node);
                all.extend(held.into_iter().map(|(_, role)| role));
            }
            for source in &shown.sources {
                all.extend(rights.function_holders(place, source.function));
            }
        }
        let mut schemas = looked.clone();
        for function in lending {
            let path = super::views::search_path(function.config.as_deref()).unwrap_or_default();
            if path.iter().any(|one| one == "$user") {
                let named = contents.schemas.iter().map(|schema| schema.name.as_str());
                all.extend(named.filter_map(|name| world.by_name.get(name)));
                schemas.extend(contents.schemas.iter().map(|schema| schema.name.clone()));
            }
            schemas.extend(path);
        }
        for schema in contents
            .schemas
            .iter()
            .filter(|schema| schemas.contains(&schema.name))
        {
            all.extend(rights.schema_holders(place, schema.oid));
        }
        for relation in &contents.relations {
            let schema = here.schema_name(relation.schema);
            if matches!(schema, "pg_catalog" | "cron" | "pgagent") || here.index.is_file(relation) {
                all.extend(rights.relation_holders(place, relation));
                all.extend(rights.schema_holders(place, relation.schema));
            }
        }
    }
    let mut flags = vec![false; snapshot.roles.len()];
    for role in all {
        if let Some(flag) = flags.get_mut(role as usize) {
            *flag = true;
        }
    }
    flags
}

/// Numbers things as they come.
pub(super) fn numbered<T: std::hash::Hash + Eq>(known: &mut HashMap<T, u32>, one: T) -> u32 {
    let next = u32::try_from(known.len()).unwrap_or(u32::MAX);
    *known.entry(one).or_insert(next)
}

/// A role's number, and whether it is who acts.
pub(super) fn tagged(role: RoleAt, user: RoleAt) -> u64 {
    u64::from(role) * 2 + u64::from(role == user)
}

/// What a manner is told apart by: attributes, and the watched roles whose rights it has.
type Signature = (u32, Vec<u64>);

/// What a shape is told apart by: manners, the roles it inherits from, whom it acts as, whether it makes roles.
type ShapeKey = (Vec<u32>, Vec<RoleAt>, Vec<(u32, RoleAt)>, bool);

#[derive(Default)]
struct Making {
    signatures: HashMap<(usize, Signature), u32>,
    of_users: HashMap<(usize, RoleAt), u32>,
    manners: HashMap<Manner, u32>,
    list: Vec<Manner>,
    namings: HashMap<BTreeSet<u32>, u32>,
    shapes: HashMap<ShapeKey, u32>,
}

impl Groups {
    pub(crate) fn new(search: &Search<'_, '_>, roles: &[RoleAt]) -> Self {
        let rights = search.rights;
        let mut new = Self {
            manners: Vec::new(),
            shapes: Vec::new(),
            reach: HashMap::new(),
            shape_of: HashMap::new(),
            watched: watched(search),
            asked: super::holders::asked(rights),
            grounds: RefCell::default(),
            made: RefCell::default(),
        };
        let strong = Useful::strong(rights);
        let mut making = Making::default();
        for &role in roles {
            new.take(rights, &strong, role, &mut making);
        }
        new.manners = making.list;
        new
    }

    fn take(&mut self, rights: &Rights<'_, '_>, strong: &Useful, role: RoleAt, making: &mut Making) {
        let becoming = rights.becoming(role, strong);
        let mut acts: BTreeSet<(u32, RoleAt)> = BTreeSet::new();
        let mut namings: HashMap<usize, BTreeSet<u32>> = HashMap::new();
        for state in becoming
            .states
            .iter()
            .filter(|state| state.plain && state.session)
        {
            let signature = self.signature(rights, state.place, state.user, making);
            namings.entry(state.place).or_default().insert(signature);
        }
        let mut add = |state: &State, sort: Sort| {
            let signature = self.signature(rights, state.place, state.user, making);
            let plain = state.plain && state.session;
            let names = namings.get(&state.place).filter(|_| plain);
            let manner = Manner {
                place: state.place,
                sort,
                class: state.class,
                sets: state.sets.is_some(),
                session: state.session,
                plain,
                naming: numbered(&mut making.namings, names.cloned().unwrap_or_default()),
                signature,
            };
            let at = numbered(&mut making.manners, manner);
            if making.list.len() <= at as usize {
                making.list.push(manner);
            }
            acts.insert((at, state.user));
        };
        for state in &becoming.states {
            add(state, Sort::Open);
        }
        for (place, _) in &becoming.shut {
            add(&State::shut(*place, role, None), Sort::Shut);
        }
        let dead: Vec<Edge> = rights.world.edges(role, None).filter(Edge::dead).collect();
        if !dead.is_empty() {
            for place in 0..rights.world.places.len() {
                let mut states = becoming.states.iter();
                if let Some(begin) = states.find(|state| state.place == place && state.user == role) {
                    for edge in &dead {
                        let mut begin = begin.clone();
                        begin.user = edge.to;
                        begin.session = false;
                        add(&begin, Sort::Dead);
                    }
                }
            }
        }
        let own: Vec<u32> = acts
            .iter()
            .filter(|(_, user)| *user == role)
            .map(|(manner, _)| *manner)
            .collect();
        let others: Vec<(u32, RoleAt)> = acts.iter().filter(|(_, user)| *user != role).copied().collect();
        let mut inherits: Vec<RoleAt> = rights
            .inherited(role)
            .roles()
            .filter(|one| *one != role)
            .collect();
        inherits.sort_unstable();
        let key = (own.clone(), inherits.clone(), others.clone(), becoming.makes);
        let shape = numbered(&mut making.shapes, key);
        if self.shapes.len() <= shape as usize {
            let acts = others.iter().map(|(manner, user)| Act {
                manner: *manner,
                user: *user,
                login: RoleAt::MAX,
            });
            let others: Vec<Act> = acts.collect();
            let mut counts: BTreeMap<u32, u32> = BTreeMap::new();
            let mut next = 0_u32;
            for manner in &own {
                *counts.entry(*manner).or_default() += 1;
                for one in &inherits {
                    self.reach.entry(*one).or_default().push((shape, next));
                }
                next += 1;
            }
            for act in &others {
                *counts.entry(act.manner).or_default() += 1;
                let place = making.list.get(act.manner as usize).map_or(0, |one| one.place);
                for one in rights.tree(place, act.user).roles() {
                    self.reach.entry(one).or_default().push((shape, next));
                }
                next += 1;
            }
            self.shapes.push(Shape {
                roles: Vec::new(),
                own,
                others,
                manners: counts.into_iter().collect(),
                makes: becoming.makes,
            });
        }
        if let Some(shape) = self.shapes.get_mut(shape as usize) {
            shape.roles.push(role);
        }
        self.shape_of.insert(role, shape);
    }

    /// What tells users apart that hold nothing on a relation.
    fn signature(&self, rights: &Rights<'_, '_>, place: usize, user: RoleAt, making: &mut Making) -> u32 {
        if let Some(known) = making.of_users.get(&(place, user)) {
            return *known;
        }
        let role = rights.world.role(user);
        let flag = |bit: u32, is: bool| u32::from(is) << bit;
        let attributes = role.map_or(0, |role| {
            flag(0, role.superuser)
                | flag(1, role.bypass_rls)
                | flag(2, role.replication)
                | flag(3, role.create_db)
                | flag(4, role.create_role)
                | flag(5, role.login)
        }) | flag(6, rights.creates_somewhere(place, user))
            | flag(7, rights.owns_something(place, user))
            | flag(
                8,
                role.is_some_and(|role| role.replication) && rights.streams(user),
            );
        let tree = rights.tree(place, user);
        let is_watched = |role: &RoleAt| self.is_watched(*role);
        let mut has: Vec<u64> = tree
            .roles()
            .filter(is_watched)
            .map(|role| tagged(role, user))
            .collect();
        let members = self
            .asked
            .iter()
            .filter(|role| !tree.has(**role) && rights.member(user, **role));
        has.extend(members.map(|role| u64::MAX - u64::from(*role)));
        has.sort_unstable();
        let number = numbered(&mut making.signatures, (place, (attributes, has)));
        making.of_users.insert((place, user), number);
        number
    }

    /// What one of a shape does: as itself and as others.
    pub(super) fn act(shape: &Shape, at: u32, role: RoleAt) -> Option<Act> {
        let at = at as usize;
        match shape.own.get(at) {
            Some(manner) => Some(Act {
                manner: *manner,
                user: role,
                login: role,
            }),
            None => {
                let act = shape.others.get(at - shape.own.len()).copied();
                act.map(|act| Act { login: role, ..act })
            }
        }
    }

    pub(super) fn place(&self, manner: u32) -> usize {
        self.manners.get(manner as usize).map_or(0, |one| one.place)
    }

    pub(super) fn is_watched(&self, role: RoleAt) -> bool {
        self.watched.get(role as usize).copied().unwrap_or_default()
    }

    fn telling_apart(&self, mut holders: Vec<Held>) -> Vec<Held> {
        holders.retain(|(_, role)| !self.is_watched(*role));
        holders.sort_unstable();
        holders.dedup();
        holders
    }

    /// How all roles stand towards what these holders hold, some of them on the schema: and the ground's number.
    pub(crate) fn partition(
        &self,
        rights: &Rights<'_, '_>,
        of_schema: Vec<Held>,
        holders: Vec<Held>,
    ) -> (Partition, u32) {
        let mut of_schema = self.telling_apart(of_schema);
        let known = |of: &Vec<Held>| self.grounds.borrow().get(of).copied();
        if known(&of_schema).is_none() {
            let sizes = self
                .made
                .borrow()
                .iter()
                .map(|ground| ground.size())
                .sum::<usize>();
            if sizes > GROUNDED {
                of_schema.clear();
            }
        }
        let at = known(&of_schema).unwrap_or_else(|| {
            let new = Rc::new(self.ground(rights, of_schema.clone()));
            self.made.borrow_mut().push(new);
            numbered(&mut self.grounds.borrow_mut(), of_schema)
        });
        let ground = self.made.borrow().get(at as usize).map(Rc::clone);
        let ground = ground.unwrap_or_default();
        (self.parted(rights, &ground, self.telling_apart(holders)), at)
    }

    /// All grounds, by their numbers.
    pub(crate) fn grounds(&self) -> Vec<Rc<Ground>> {
        self.made.borrow().clone()
    }

    /// A state in which one acts so.
    pub(crate) fn state(&self, rights: &Rights<'_, '_>, act: &Act) -> Option<(State, Sort)> {
        let manner = self.manners.get(act.manner as usize)?;
        let mut state = State::shut(manner.place, act.user, None);
        state.class = manner.class;
        state.sets = manner.sets.then_some(act.user);
        state.session = manner.session;
        state.plain = manner.plain;
        if manner.plain && manner.sets {
            let from = rights.world.name(act.login);
            state.links.push(Link::new(
                from,
                rights.world.name(act.user),
                "can SET ROLE to",
                Hold::Fixed,
            ));
        }
        Some((state, manner.sort))
    }
}
