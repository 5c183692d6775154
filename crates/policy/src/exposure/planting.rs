//! Triggers on tables that others write: whoever may put one there by a grant has it run as who writes next, with all that that one
//! may read.

use super::borrowed::Borrowed;
use super::kinds::Kind;
use super::links::{Hold, Link};
use super::report::Class;
use super::rights::Rights;
use super::snapshot::Relation;
use super::world::RoleAt;

/// A relation on which some role may put triggers by a grant, and who is granted to write it.
#[derive(Debug)]
pub(crate) struct Planted<'s> {
    pub(crate) relation: &'s Relation,
    writers: Vec<RoleAt>,
}

impl<'s> Rights<'_, 's> {
    /// The relations of a database on which triggers are granted, and which others write.
    pub(crate) fn planted(&self, place: usize) -> Vec<Planted<'s>> {
        let Some(here) = self.place(place) else {
            return Vec::new();
        };
        let mut found = Vec::new();
        let granted = here.contents.relations.iter().filter(|one| one.acl.is_some());
        for relation in granted.filter(|one| ["r", "p", "v", "f"].contains(&one.kind.as_str())) {
            let entries = self.relation_entries(place, relation);
            let owner = self.world.at(relation.owner);
            let planting = entries
                .iter()
                .any(|entry| entry.rights.has('t') && entry.holder.role() != owner);
            if !planting {
                continue;
            }
            let writes = |letters: &[char]| {
                let of = entries
                    .iter()
                    .filter(|entry| letters.iter().any(|letter| entry.rights.has(*letter)));
                of.filter_map(|entry| entry.holder.role()).collect::<Vec<_>>()
            };
            let mut writers = writes(&['a', 'w', 'd']);
            writers.retain(|role| !self.world.superuser(*role));
            writers.sort_unstable();
            writers.dedup();
            found.push(Planted { relation, writers });
        }
        found
    }

    /// Whom a role becomes by a trigger that it may put on a relation, when that one writes.
    pub(crate) fn plants(&self, place: usize, user: RoleAt, planted: &[Planted<'s>]) -> Vec<Borrowed> {
        if planted.is_empty() {
            return Vec::new();
        }
        let tree = self.tree(place, user);
        let temporary = || {
            let database = self.database(place);
            database.is_some_and(|database| self.may(place, user, &database, 'T'))
        };
        let mut found = Vec::new();
        for one in planted {
            let relation = one.relation;
            if !self.touches(place, user, relation) || !self.usage(place, user, relation.schema) {
                continue;
            }
            let object = self.relation(place, relation);
            let ways = self.ways(place, user, &object, 't');
            let granted = ways.into_iter().find(|way| way.kind != Kind::Owner);
            let Some(way) = granted.filter(|_| self.creates_somewhere(place, user) || temporary()) else {
                continue;
            };
            for writer in one.writers.iter().filter(|writer| !tree.has(**writer)) {
                let mut links = way.links.clone();
                let by = "a trigger of its own is run when it is written by";
                links.push(Link::new(
                    &object.title,
                    self.world.name(*writer),
                    by,
                    Hold::Fixed,
                ));
                found.push(Borrowed {
                    to: *writer,
                    kind: Kind::TriggerPrivilege,
                    class: Class::Latent,
                    links,
                    why: "opens when that role writes there: a trigger runs as who writes",
                });
            }
        }
        found
    }
}
