//! A snapshot with its numbers resolved: roles, access lists, and what belongs to what.

use std::cell::Cell;
use std::collections::HashMap;

use super::acl::{self, Object};
use super::index::Index;
use super::snapshot::{Acl, Contents, Database, Function, Oid, Relation, Role, Schema, Snapshot};
use super::source::{self, Meaning};

/// A role's place in the snapshot.
pub(crate) type RoleAt = u32;

/// Who holds a right.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) enum Holder {
    Public,
    Role(RoleAt),
}

impl Holder {
    pub(crate) fn role(self) -> Option<RoleAt> {
        match self {
            Self::Public => None,
            Self::Role(role) => Some(role),
        }
    }
}

/// One entry of an access list, resolved.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Entry {
    pub(crate) holder: Holder,
    pub(crate) rights: Rights,
    pub(crate) grantor: Option<RoleAt>,
}

/// Rights as a set of letters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Rights(u128);

impl Rights {
    pub(crate) fn of(letters: &str) -> Self {
        Self(
            letters
                .bytes()
                .filter(u8::is_ascii)
                .fold(0, |set, letter| set | 1 << letter),
        )
    }

    /// These and others.
    pub(crate) fn and(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// As two numbers, for a key.
    pub(crate) fn words(self) -> [u64; 2] {
        [self.0 >> 64, self.0 & u128::from(u64::MAX)].map(|half| u64::try_from(half).unwrap_or_default())
    }

    pub(crate) fn has(self, letter: char) -> bool {
        u8::try_from(letter).is_ok_and(|letter| letter.is_ascii() && self.0 & 1 << letter != 0)
    }
}

/// Entries of one access list.
pub(crate) type Entries = Vec<Entry>;

/// A membership edge out of a role.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Edge {
    pub(crate) to: RoleAt,
    /// Its place among the snapshot's memberships; none for a database owner's own.
    pub(crate) membership: Option<usize>,
    pub(crate) inherit: bool,
    pub(crate) set: bool,
    pub(crate) admin: bool,
}

impl Edge {
    /// A membership by which nothing is had (from PostgreSQL 16).
    pub(crate) fn dead(edge: &Self) -> bool {
        !edge.inherit && !edge.set && !edge.admin
    }
}

/// One database's contents, indexed.
#[derive(Debug)]
pub(crate) struct Place<'s> {
    pub(crate) contents: &'s Contents,
    pub(crate) database: &'s Database,
    pub(crate) relations: HashMap<Oid, &'s Relation>,
    pub(crate) relations_named: HashMap<&'s str, Vec<&'s Relation>>,
    pub(crate) schemas: HashMap<Oid, &'s Schema>,
    pub(crate) functions: HashMap<Oid, &'s Function>,
    pub(crate) functions_named: HashMap<&'s str, Vec<&'s Function>>,
    pub(crate) meanings: HashMap<Oid, Meaning>,
    /// `pg_database_owner`'s member here.
    pub(crate) owner: Option<RoleAt>,
    pub(crate) index: Index<'s>,
    /// Questions about single relations, counted for tests.
    pub(crate) asked: Cell<u64>,
}

/// A snapshot, indexed.
#[derive(Debug)]
pub(crate) struct World<'s> {
    pub(crate) snapshot: &'s Snapshot,
    pub(crate) by_oid: HashMap<Oid, RoleAt>,
    pub(crate) by_name: HashMap<&'s str, RoleAt>,
    /// By member.
    pub(crate) edges: Vec<Vec<Edge>>,
    /// Who inherits from a role.
    pub(crate) members: Vec<Vec<RoleAt>>,
    pub(crate) places: Vec<Place<'s>>,
    pub(crate) database_owner: Option<RoleAt>,
}

/// The first version with options for each membership.
pub(crate) const OPTIONS_SINCE: u32 = 160_000;

impl<'s> World<'s> {
    pub(crate) fn new(snapshot: &'s Snapshot) -> Self {
        let numbered = || (0_u32..).zip(&snapshot.roles);
        let by_oid: HashMap<Oid, RoleAt> = numbered().map(|(at, role)| (role.oid, at)).collect();
        let by_name: HashMap<&str, RoleAt> = numbered().map(|(at, role)| (role.name.as_str(), at)).collect();
        let mut edges: Vec<Vec<Edge>> = vec![Vec::new(); snapshot.roles.len()];
        for (at, membership) in snapshot.memberships.iter().enumerate() {
            let (Some(&to), Some(&member)) = (by_oid.get(&membership.role), by_oid.get(&membership.member))
            else {
                continue;
            };
            let inherits = snapshot
                .roles
                .get(member as usize)
                .is_some_and(|role| role.inherit);
            if let Some(edges) = edges.get_mut(member as usize) {
                edges.push(Edge {
                    to,
                    membership: Some(at),
                    inherit: membership.inherit.unwrap_or(inherits),
                    set: membership.set.unwrap_or(true),
                    admin: membership.admin,
                });
            }
        }
        let mut members: Vec<Vec<RoleAt>> = vec![Vec::new(); snapshot.roles.len()];
        for (member, edges) in (0_u32..).zip(&edges) {
            for edge in edges.iter().filter(|edge| edge.inherit) {
                if let Some(members) = members.get_mut(edge.to as usize) {
                    members.push(member);
                }
            }
        }
        let mut world = Self {
            snapshot,
            members,
            database_owner: by_name.get("pg_database_owner").copied(),
            by_oid,
            by_name,
            edges,
            places: Vec::new(),
        };
        world.places = snapshot
            .contents
            .iter()
            .filter_map(|contents| world.place(contents))
            .collect();
        world
    }

    fn place(&self, contents: &'s Contents) -> Option<Place<'s>> {
        let database = self
            .snapshot
            .databases
            .iter()
            .find(|database| database.name == contents.database)?;
        let mut relations_named: HashMap<&str, Vec<&Relation>> = HashMap::new();
        for relation in &contents.relations {
            relations_named.entry(&relation.name).or_default().push(relation);
        }
        let mut functions_named: HashMap<&str, Vec<&Function>> = HashMap::new();
        for function in &contents.functions {
            functions_named.entry(&function.name).or_default().push(function);
        }
        let catalog = contents.schemas.iter().find(|one| one.name == "pg_catalog");
        let catalog = catalog.map(|one| one.oid);
        let meaning = |function: &Function| {
            let text = function.source.as_deref()?;
            let meaning = match function.language.as_str() {
                // What the server itself calls by number runs as who calls, whatever the catalog says.
                "internal" | "c" if Some(function.schema) == catalog => Meaning::default(),
                "internal" | "c" => source::of_symbol(text),
                language => source::meaning_in(language, text, &function.arguments),
            };
            Some((function.oid, meaning))
        };
        let relations = contents.relations.iter().map(|one| (one.oid, one)).collect();
        let mut meanings = contents.functions.iter().filter_map(meaning).collect();
        super::helpers::mark(contents, &functions_named, &mut meanings);
        Some(Place {
            contents,
            database,
            index: Index::new(contents, &relations, &meanings),
            asked: Cell::new(0),
            relations,
            relations_named,
            schemas: contents.schemas.iter().map(|one| (one.oid, one)).collect(),
            functions: contents.functions.iter().map(|one| (one.oid, one)).collect(),
            functions_named,
            meanings,
            owner: self.by_oid.get(&database.owner).copied(),
        })
    }

    pub(crate) fn version(&self) -> u32 {
        self.snapshot.server.version
    }

    pub(crate) fn role(&self, at: RoleAt) -> Option<&'s Role> {
        self.snapshot.roles.get(at as usize)
    }

    pub(crate) fn name(&self, at: RoleAt) -> &'s str {
        self.role(at).map_or("?", |role| role.name.as_str())
    }

    pub(crate) fn holder_name(&self, holder: Holder) -> &'s str {
        match holder {
            Holder::Public => "PUBLIC",
            Holder::Role(at) => self.name(at),
        }
    }

    pub(crate) fn roles(&self) -> impl Iterator<Item = (RoleAt, &'s Role)> + use<'s> {
        (0_u32..).zip(&self.snapshot.roles)
    }

    pub(crate) fn at(&self, oid: Oid) -> Option<RoleAt> {
        self.by_oid.get(&oid).copied()
    }

    pub(crate) fn superuser(&self, at: RoleAt) -> bool {
        self.role(at).is_some_and(|role| role.superuser)
    }

    /// The entries of an access list, the default's where it is missing.
    pub(crate) fn entries(&self, acl: &Acl, object: Object, owner: Oid) -> Entries {
        let Some(items) = acl else {
            let (own, all) = acl::default(object);
            let grantor = self.at(owner);
            let owner = grantor.map(|at| Entry {
                holder: Holder::Role(at),
                rights: Rights::of(own),
                grantor,
            });
            let public = Entry {
                holder: Holder::Public,
                rights: Rights::of(all),
                grantor,
            };
            return owner
                .into_iter()
                .chain((!all.is_empty()).then_some(public))
                .collect();
        };
        items.iter().filter_map(|item| self.entry(item)).collect()
    }

    pub(crate) fn entry(&self, item: &str) -> Option<Entry> {
        let entry = acl::entry(item)?;
        let holder = match &entry.grantee {
            None => Holder::Public,
            Some(name) => Holder::Role(*self.by_name.get(name.as_str())?),
        };
        Some(Entry {
            holder,
            rights: Rights::of(&entry.rights),
            grantor: self.by_name.get(entry.grantor.as_str()).copied(),
        })
    }

    /// Whom a role's edges lead to in a database: its memberships, and `pg_database_owner` for its owner.
    pub(crate) fn edges(&self, from: RoleAt, place: Option<&Place<'_>>) -> impl Iterator<Item = Edge> {
        let owns = place.is_some_and(|place| place.owner == Some(from));
        // Up to PostgreSQL 15 a role without INHERIT has to set this role too.
        let inherit = self.version() >= OPTIONS_SINCE || self.role(from).is_some_and(|role| role.inherit);
        let implied = self.database_owner.filter(|_| owns).map(|to| Edge {
            to,
            membership: None,
            inherit,
            set: true,
            admin: false,
        });
        self.edges
            .get(from as usize)
            .into_iter()
            .flatten()
            .copied()
            .chain(implied)
    }
}

impl<'s> Place<'s> {
    pub(crate) fn relation(&self, oid: Oid) -> Option<&'s Relation> {
        self.asked.set(self.asked.get() + 1);
        self.relations.get(&oid).copied()
    }

    pub(crate) fn function(&self, oid: Oid) -> Option<&'s Function> {
        self.functions.get(&oid).copied()
    }

    pub(crate) fn schema_name(&self, oid: Oid) -> &'s str {
        self.schemas.get(&oid).map_or("?", |schema| schema.name.as_str())
    }

    pub(crate) fn title(&self, relation: &Relation) -> String {
        self.asked.set(self.asked.get() + 1);
        format!("{}.{}", self.schema_name(relation.schema), relation.name)
    }

    pub(crate) fn function_title(&self, function: &Function) -> String {
        format!(
            "{}.{}({})",
            self.schema_name(function.schema),
            function.name,
            function.arguments
        )
    }
}
