//! Numbers for relations that are too many to look at closely: who reads them by grants, ownership, membership and views.

use std::collections::HashMap;
use std::rc::Rc;

use super::nodes::{Nodes, Reverse, Search};
use super::rights::Rights;
use super::snapshot::Relation;
use super::world::{Holder, RoleAt};

/// A set of roles.
pub(crate) type Roles = Vec<u64>;

/// Sets that are made once: who has a role's rights, at once or by SET ROLE.
#[derive(Debug)]
pub(crate) struct Summary {
    members: Vec<Vec<RoleAt>>,
    become_role: HashMap<RoleAt, Rc<Roles>>,
    /// Roles that may log in and enter, by place.
    doors: Vec<Roles>,
    /// Roles that may use a schema.
    usage: HashMap<(usize, u32), Rc<Roles>>,
    words: usize,
}

fn insert(set: &mut Roles, role: RoleAt) {
    if let Some(word) = set.get_mut(role as usize / 64) {
        *word |= 1 << (role % 64);
    }
}

fn has(set: &Roles, role: RoleAt) -> bool {
    set.get(role as usize / 64)
        .is_some_and(|word| word & (1 << (role % 64)) != 0)
}

fn join(into: &mut Roles, other: &Roles) {
    for (word, other) in into.iter_mut().zip(other) {
        *word |= other;
    }
}

impl Summary {
    pub(crate) fn new(rights: &Rights<'_, '_>) -> Self {
        let world = rights.world;
        let words = world.snapshot.roles.len().div_ceil(64);
        let mut members: Vec<Vec<RoleAt>> = vec![Vec::new(); world.snapshot.roles.len()];
        for (at, _) in world.roles() {
            for edge in world.edges(at, None).filter(|edge| edge.inherit || edge.set) {
                if let Some(members) = members.get_mut(edge.to as usize) {
                    members.push(at);
                }
            }
        }
        let doors = (0..world.places.len()).map(|place| {
            let mut open = vec![0; words];
            for (at, _) in world.roles() {
                if rights.door(place, at) == super::login::Door::Open {
                    insert(&mut open, at);
                }
            }
            open
        });
        Self {
            members,
            become_role: HashMap::new(),
            doors: doors.collect(),
            usage: HashMap::new(),
            words,
        }
    }

    /// All that have a role's rights.
    fn becoming(&mut self, role: RoleAt) -> Rc<Roles> {
        if let Some(known) = self.become_role.get(&role) {
            return Rc::clone(known);
        }
        let mut set = vec![0; self.words];
        let mut queue = vec![role];
        insert(&mut set, role);
        while let Some(one) = queue.pop() {
            for &member in self.members.get(one as usize).into_iter().flatten() {
                if !has(&set, member) {
                    insert(&mut set, member);
                    queue.push(member);
                }
            }
        }
        let set = Rc::new(set);
        self.become_role.insert(role, Rc::clone(&set));
        set
    }

    fn holders(&mut self, holder: Holder, place: usize, into: &mut Roles) {
        match holder {
            Holder::Role(role) => join(into, &self.becoming(role)),
            Holder::Public => {
                if let Some(doors) = self.doors.get(place) {
                    join(into, doors);
                }
            }
        }
    }

    fn may_use(&mut self, rights: &Rights<'_, '_>, place: usize, schema: u32) -> Rc<Roles> {
        if let Some(known) = self.usage.get(&(place, schema)) {
            return Rc::clone(known);
        }
        let mut set = vec![0; self.words];
        if let Some(target) = rights.schema(place, schema) {
            for entry in target.entries.iter().filter(|entry| entry.rights.has('U')) {
                self.holders(entry.holder, place, &mut set);
            }
        }
        let set = Rc::new(set);
        self.usage.insert((place, schema), Rc::clone(&set));
        set
    }

    /// How many roles that may log in read a relation.
    pub(crate) fn readers<'s>(
        &mut self,
        rights: &Rights<'_, 's>,
        reverse: &Reverse<'s>,
        place: usize,
        target: &Relation,
    ) -> u32 {
        let nodes: Nodes = rights.nodes(reverse, place, target, Search::Relations);
        let mut all = vec![0; self.words];
        for node in nodes
            .list
            .iter()
            .filter(|node| !node.facts && node.needs.is_empty())
        {
            let Some(relation) = rights
                .place(node.place)
                .and_then(|here| here.relation(node.relation))
            else {
                continue;
            };
            let mut set = vec![0; self.words];
            for entry in rights
                .relation(node.place, relation)
                .entries
                .iter()
                .filter(|entry| entry.rights.has('r'))
            {
                self.holders(entry.holder, node.place, &mut set);
            }
            for item in relation.column_acls.iter().flatten().flat_map(|(_, items)| items) {
                if let Some(entry) = rights.world.entry(item).filter(|entry| entry.rights.has('r')) {
                    self.holders(entry.holder, node.place, &mut set);
                }
            }
            let usable = self.may_use(rights, node.place, relation.schema);
            for (word, usable) in set.iter_mut().zip(usable.iter()) {
                *word &= usable;
            }
            join(&mut all, &set);
        }
        if let Some(role) = rights.read_all {
            join(&mut all, &self.becoming(role));
        }
        for (at, role) in rights.world.roles() {
            if role.superuser {
                insert(&mut all, at);
            }
        }
        let doors = self.doors.get(place).map(Vec::as_slice).unwrap_or_default();
        all.iter()
            .zip(doors)
            .map(|(word, open)| (word & open).count_ones())
            .sum()
    }
}
