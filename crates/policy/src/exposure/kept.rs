//! What is asked again and again of a world: access lists taken apart, doors, schemas; each looked at once.

use std::rc::Rc;

use super::acl::Object;
use super::login::Door;
use super::rights::{ColumnEntries, Rights};
use super::snapshot::{Function, Oid, Relation, Schema};
use super::world::{Entries, Holder, RoleAt};

impl Rights<'_, '_> {
    /// The entries of the access list of a relation itself.
    pub(crate) fn relation_entries(&self, place: usize, relation: &Relation) -> Rc<Entries> {
        self.kept(place, 'r', relation.oid, || {
            self.world
                .entries(&relation.acl, Object::Relation, relation.owner)
        })
    }

    /// The entries of the access list of a function.
    pub(crate) fn function_entries(&self, place: usize, function: &Function) -> Rc<Entries> {
        self.kept(place, 'f', function.oid, || {
            self.world
                .entries(&function.acl, Object::Function, function.owner)
        })
    }

    /// The entries of the access lists of a relation's columns.
    pub(crate) fn column_entries(&self, place: usize, relation: &Relation) -> Rc<ColumnEntries> {
        let key = (place, relation.oid);
        if let Some(entries) = self.columns.borrow().get(&key) {
            return Rc::clone(entries);
        }
        let of = |(column, items): &(String, Vec<String>)| {
            let entries = items.iter().filter_map(|item| self.world.entry(item));
            (column.clone(), entries.collect())
        };
        let entries = Rc::new(relation.column_acls.iter().flatten().map(of).collect());
        self.columns.borrow_mut().insert(key, Rc::clone(&entries));
        entries
    }

    pub(crate) fn schema_entries(&self, place: usize, schema: &Schema) -> Rc<Entries> {
        self.kept(place, 'n', schema.oid, || {
            self.world.entries(&schema.acl, Object::Schema, schema.owner)
        })
    }

    /// Of a database's schemas those in which names are looked up.
    pub(crate) fn looked_schemas(&self, place: usize) -> Rc<Vec<Oid>> {
        if let Some(known) = self.looked_schemas.borrow().get(&place) {
            return Rc::clone(known);
        }
        let looked = self.looked();
        let schemas = self
            .place(place)
            .into_iter()
            .flat_map(|here| &here.contents.schemas);
        let found = schemas
            .filter(|schema| looked.contains(&schema.name))
            .map(|schema| schema.oid);
        let found = Rc::new(found.collect::<Vec<_>>());
        self.looked_schemas.borrow_mut().insert(place, Rc::clone(&found));
        found
    }

    /// The door of a database for a role, looked at once.
    pub(crate) fn door(&self, place: usize, user: RoleAt) -> Door {
        if let Some(door) = self.doors.borrow().get(&(place, user)) {
            return door.clone();
        }
        let door = self.look_at_door(place, user);
        self.doors.borrow_mut().insert((place, user), door.clone());
        door
    }

    /// Whether `user` holds anything by which a relation is read: if not, no way is worth looking for.
    pub(crate) fn touches(&self, place: usize, user: RoleAt, relation: &Relation) -> bool {
        if self.world.superuser(user) {
            return true;
        }
        let tree = self.tree(place, user);
        let holds = |holder: Holder| holder.role().is_none_or(|role| tree.has(role));
        let all = [self.read_all, self.write_all];
        all.iter().flatten().any(|role| tree.has(*role))
            || self.world.at(relation.owner).is_some_and(|owner| tree.has(owner))
            || self
                .relation_entries(place, relation)
                .iter()
                .any(|entry| holds(entry.holder))
            || relation.column_acls.is_some()
                && (self.column_entries(place, relation).iter())
                    .any(|(_, entries)| entries.iter().any(|entry| holds(entry.holder)))
    }

    /// Whether `user` may execute a function, USAGE on its schema aside.
    pub(crate) fn executes(&self, place: usize, user: RoleAt, function: &Function) -> bool {
        self.world.superuser(user) || self.held(place, user, &self.function_entries(place, function), 'X')
    }

    /// Whether a role that is no superuser has a right by these entries.
    pub(crate) fn held(&self, place: usize, user: RoleAt, entries: &Entries, right: char) -> bool {
        let mut giving = entries.iter().filter(|entry| entry.rights.has(right)).peekable();
        if giving.peek().is_none() {
            return false;
        }
        let tree = self.tree(place, user);
        giving.any(|entry| entry.holder.role().is_none_or(|role| tree.has(role)))
    }
}
