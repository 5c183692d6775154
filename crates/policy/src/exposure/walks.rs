//! What walking towards a relation gave, kept by all that it can depend on: who asks holds some of the rights on it, and whose
//! name stands beside a right does not matter, nor do rights that who asks does not hold.
//!
//! Where something that is no access list is asked for the same roles (functions, conditions that ask who asks), those roles stand
//! in the key too.

use std::collections::HashMap;
use std::rc::Rc;

use super::groups::Groups;
use super::kinds::Kind;
use super::parting::{Atom, NAMES};
use super::paths::{Search, Target};
use super::report::Class;
use super::rights::ColumnEntries;
use super::snapshot::{Oid, Relation};
use super::world::{Entries, Entry, Rights, RoleAt};

/// What is the same for relations however their rights differ: numbered by who counts.
pub(super) type Frame = u32;

/// A relation but for who holds rights on it.
#[derive(Debug, Clone)]
pub(super) struct Framed {
    pub(super) frame: Frame,
    /// Lists beside its own that are asked for who is on them.
    pub(super) more: Rc<[Rc<Entries>]>,
    /// Whether who holds a right matters, not the right alone.
    pub(super) whole: bool,
}

/// Walks that are kept at a time.
const WALKS: usize = 200_000;

/// Relations with more made of them are walked towards each time: their keys would be large.
const SEEN: usize = 64;

/// A relation that a walk looks at.
#[derive(Debug)]
struct Seen {
    frame: Frame,
    more: Rc<[Rc<Entries>]>,
    owner: Option<RoleAt>,
    entries: Rc<Entries>,
    columns: Option<Rc<ColumnEntries>>,
    schema: Option<Rc<Entries>>,
    schema_owner: Option<RoleAt>,
}

/// A node but for its rights: whether facts alone, its kind, what it asks for, and what its views say.
type NodeOutline = (
    bool,
    Option<Kind>,
    Vec<Option<Vec<String>>>,
    Vec<Oid>,
    Vec<String>,
);

/// A function that yields the target: its place and number, whether facts alone, whether it grants.
type SourceOutline = (usize, Oid, bool, bool);

/// Whether it is the target that is written and tells of itself, the right that it takes, and what it is found as.
type OracleOutline = (bool, char, Kind);

/// A target's nodes, its sources, the functions of others' that are run with its rows, and what tells of it when it is written.
type Form = (Vec<NodeOutline>, Vec<SourceOutline>, Vec<Oid>, Vec<OracleOutline>);

/// A target as walks towards it are kept by.
#[derive(Debug)]
pub(super) struct Outline {
    form: u32,
    seen: Vec<Seen>,
    /// Whether who holds a right matters, not the right alone.
    whole: bool,
}

/// What walks gave.
#[derive(Debug, Default)]
pub(super) struct Walks {
    forms: HashMap<Form, u32>,
    columns: HashMap<String, u64>,
    known: HashMap<Box<[u64]>, Option<Class>>,
    key: Vec<u64>,
}

impl Walks {
    /// A target's outline; none where it is not worth one. `views` are the texts of each node's views as far as they matter, and
    /// whether they ask who asks.
    pub(super) fn outline<'s>(
        &mut self,
        search: &Search<'_, 's>,
        target: &Target<'s>,
        views: Vec<(Vec<String>, bool)>,
        mut framed: impl FnMut(usize, &'s Relation) -> Framed,
    ) -> Option<Outline> {
        let rights = search.rights;
        let here = rights.place(target.place)?;
        if target.nodes.list.len() > SEEN || !here.index.domains(target.relation.oid).is_empty() {
            return None;
        }
        let mut framed_whole = false;
        let mut whole = !target.sources.is_empty() || !target.code.is_empty();
        let mut seen = Vec::with_capacity(target.nodes.list.len());
        let mut nodes = Vec::with_capacity(target.nodes.list.len());
        let mut see = |place: usize, relation: &'s Relation| {
            let here = rights.place(place)?;
            let framed = framed(place, relation);
            framed_whole |= framed.whole;
            let schema = here.schemas.get(&relation.schema);
            seen.push(Seen {
                frame: framed.frame,
                more: framed.more,
                owner: rights.world.at(relation.owner),
                entries: rights.relation_entries(place, relation),
                columns: (relation.column_acls.is_some()).then(|| rights.column_entries(place, relation)),
                schema: schema.map(|schema| rights.schema_entries(place, schema)),
                schema_owner: schema.and_then(|schema| rights.world.at(schema.owner)),
            });
            Some(())
        };
        for (node, (texts, asks)) in target.nodes.list.iter().zip(views) {
            let here = rights.place(node.place)?;
            let needed = node.needs.iter().map(|(oid, _)| here.relation(*oid));
            for relation in std::iter::once(here.relation(node.relation)).chain(needed) {
                see(node.place, relation?)?;
            }
            whole |= asks || !node.executes.is_empty();
            let needs = node.needs.iter().map(|(_, columns)| columns.clone()).collect();
            nodes.push((node.facts, node.kind, needs, node.executes.clone(), texts));
        }
        let own = |relation: &Relation| relation.oid == target.relation.oid;
        let others = target.oracles.iter();
        for oracle in others.filter(|one| !own(one.relation)) {
            see(target.place, oracle.relation)?;
        }
        if seen.len() > SEEN {
            return None;
        }
        whole |= framed_whole;
        let sources = target.sources.iter().map(|source| {
            let yielded = &source.yielded;
            (source.place, source.function.oid, yielded.facts, yielded.grants)
        });
        let code = target.code.iter().map(|code| code.function.oid).collect();
        let oracles = target.oracles.iter();
        let oracles = oracles
            .map(|one| (own(one.relation), one.right, one.kind))
            .collect();
        let form = (nodes, sources.collect(), code, oracles);
        let form = super::groups::numbered(&mut self.forms, form);
        Some(Outline { form, seen, whole })
    }

    /// What a walk gives, from what another gave or by `walk`.
    pub(super) fn class(
        &mut self,
        groups: &Groups,
        outline: &Outline,
        atom: &Atom,
        walk: impl FnOnce() -> Option<Class>,
    ) -> Option<Class> {
        let mut key = std::mem::take(&mut self.key);
        key.clear();
        self.write(groups, outline, atom, &mut key);
        let class = match self.known.get(key.as_slice()) {
            Some(class) => *class,
            None => {
                let class = walk();
                if self.known.len() >= WALKS {
                    self.known.clear();
                }
                self.known.insert(key.as_slice().into(), class);
                class
            }
        };
        self.key = key;
        class
    }

    fn write(&mut self, groups: &Groups, outline: &Outline, atom: &Atom, key: &mut Vec<u64>) {
        let whole = u64::from(outline.whole);
        key.extend([u64::from(atom.manner), u64::from(outline.form), whole]);
        if outline.whole {
            key.push(atom.tags.len() as u64);
            key.extend(&atom.tags);
        }
        let names = atom.tags.iter().position(|tag| *tag == NAMES);
        let (own, names) = atom.tags.split_at(names.unwrap_or(atom.tags.len()));
        let held = Held { groups, own, names };
        for seen in &outline.seen {
            key.push(u64::from(seen.frame));
            for owner in [seen.owner, seen.schema_owner] {
                key.push(match owner {
                    None => 0,
                    Some(owner) if groups.is_watched(owner) => 4 + u64::from(owner),
                    Some(owner) => held.by(owner).map_or(1, |is| 2 + u64::from(is)),
                });
            }
            held.write(&seen.entries, key);
            for more in seen.more.iter() {
                held.write(more, key);
            }
            key.push(u64::from(seen.schema.is_some()));
            if let Some(schema) = &seen.schema {
                held.write(schema, key);
                held.write_named(schema, key);
            }
            let columns = seen.columns.iter().flat_map(|columns| columns.iter());
            for (column, entries) in columns.filter(|(_, entries)| held.any(entries)) {
                let next = self.columns.len() as u64;
                let number = match self.columns.get(column) {
                    Some(number) => *number,
                    None => {
                        self.columns.insert(column.clone(), next);
                        next
                    }
                };
                key.push(number);
                held.write(entries, key);
            }
            key.push(u64::MAX);
        }
    }
}

/// Rights as who acts in a way holds them.
struct Held<'a> {
    groups: &'a Groups,
    own: &'a [u64],
    names: &'a [u64],
}

impl Held<'_> {
    /// Whether a role's rights are had, and whether by being that role.
    fn by(&self, role: RoleAt) -> Option<bool> {
        let tag = self.own.iter().find(|tag| **tag / 2 == u64::from(role))?;
        Some(tag % 2 == 1)
    }

    /// Whether any entry can matter.
    fn any(&self, entries: &Entries) -> bool {
        let mut holders = entries.iter().map(|entry| entry.holder.role());
        holders.any(|role| role.is_none_or(|role| self.groups.is_watched(role) || self.by(role).is_some()))
    }

    /// Rights that are held, together; and those of roles that matter everywhere, one by one.
    fn write(&self, entries: &Entries, key: &mut Vec<u64>) {
        let mut all = Rights::default();
        let mut own = false;
        let mut watched = 0;
        let at = key.len();
        key.extend([0; 4]);
        for Entry { holder, rights, .. } in entries {
            match holder.role() {
                None => all = all.and(*rights),
                Some(role) if self.groups.is_watched(role) => {
                    watched += 1;
                    key.push(u64::from(role));
                    key.extend(rights.words());
                }
                Some(role) => {
                    if let Some(is) = self.by(role) {
                        all = all.and(*rights);
                        own |= is;
                    }
                }
            }
        }
        let [high, low] = all.words();
        let written = [high, low, u64::from(own), watched];
        if let Some(head) = key.get_mut(at..at + 4) {
            head.copy_from_slice(&written);
        }
    }

    /// Rights that the session could name things by.
    fn write_named(&self, entries: &Entries, key: &mut Vec<u64>) {
        let named = entries.iter().filter(|entry| {
            let role = entry.holder.role().map(u64::from);
            role.is_some_and(|role| self.names.contains(&role))
        });
        let all = named.fold(Rights::default(), |all, entry| all.and(entry.rights));
        key.extend(all.words());
    }
}
