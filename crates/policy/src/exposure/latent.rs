//! What would open by one common act of somebody else's: default privileges, CREATE on schemas, TRIGGER, prepared transactions.

use super::kinds::Kind;
use super::links::{Hold, Link, name};
use super::points::Path;
use super::report::Class;
use super::rights::{Rights, word};
use super::snapshot::Relation;
use super::states::State;
use super::world::Holder;

/// The first number that is not the server's own (`FirstNormalObjectId`).
const FIRST_OWN: u32 = 16_384;

/// So many levels of partitions are followed.
const LEVELS: usize = 8;

impl<'s> Rights<'_, 's> {
    /// All of these, for a state and a target in its database.
    pub(crate) fn latent(&self, state: &State, target: &Relation, found: &mut Vec<Path>) {
        if self.world.superuser(state.user) {
            return;
        }
        self.default_privileges(state, target, found);
        self.schemas(state, target, found);
        self.triggers(state, target, found);
        self.events(state, target, found);
        self.prepared(state, found);
        self.told(state, target, found);
    }

    fn latent_path(&self, state: &State, kind: Kind, links: Vec<Link>, why: &str) -> Path {
        Path {
            class: Class::Latent,
            kind,
            links,
            columns: None,
            why: Some(why.to_owned()),
            tries: None,
            place: state.place,
            sets: state.sets,
        }
    }

    fn default_privileges(&self, state: &State, target: &Relation, found: &mut Vec<Path>) {
        let Some(here) = self.place(state.place) else {
            return;
        };
        let given = |schema: u32| schema == 0 || schema == target.schema;
        // Large objects (from 18) stand in no schema.
        let kind = |object: &str| match object {
            "r" => Some("TABLES"),
            "L" if target.blobs => Some("LARGE OBJECTS"),
            _ => None,
        };
        let mut all = here.contents.defaults.iter();
        if !all.any(|one| kind(&one.object).is_some() && given(one.schema)) {
            return;
        }
        let tree = self.tree(state.place, state.user);
        if self.selects(state.place, state.user, target) && self.usage(state.place, state.user, target.schema)
        {
            return;
        }
        for defaults in &here.contents.defaults {
            let Some(kind) = kind(&defaults.object).filter(|_| given(defaults.schema)) else {
                continue;
            };
            let owner = self.world.at(defaults.role);
            for entry in defaults
                .acl
                .iter()
                .flatten()
                .filter_map(|item| self.world.entry(item))
            {
                let (holder, links) = match entry.holder {
                    Holder::Role(role) if tree.has(role) && Some(role) != owner => {
                        (name(self.world.name(role)), self.chain(&tree, role))
                    }
                    Holder::Public => ("PUBLIC".to_owned(), Vec::new()),
                    Holder::Role(_) => continue,
                };
                if !entry.rights.has('r') {
                    continue;
                }
                let of = owner.map_or("?", |at| self.world.name(at));
                let schema = match defaults.schema {
                    0 => String::new(),
                    oid => format!(" IN SCHEMA {}", name(here.schema_name(oid))),
                };
                let sql = format!(
                    "ALTER DEFAULT PRIVILEGES FOR ROLE {}{schema} REVOKE SELECT ON {kind} FROM {holder};",
                    name(of)
                );
                let hold = Hold::Sql {
                    place: Some(state.place),
                    sql,
                    breaks: Some(format!("{holder} reading what {of} creates from now on")),
                };
                let mut links = links;
                let by = format!("SELECT on whatever {of} creates{}", schema.to_lowercase());
                // The grant itself is what is closed, not the membership that leads to it.
                for link in &mut links {
                    link.hold = Hold::Fixed;
                }
                links.push(Link::new(
                    self.world.name(state.user),
                    &here.title(target),
                    &by,
                    hold,
                ));
                found.push(self.latent_path(
                    state,
                    Kind::DefaultPrivileges,
                    links,
                    "what that role makes anew, the table or its large objects, would be open",
                ));
            }
        }
    }

    /// CREATE on a schema in which others look up names.
    fn schemas(&self, state: &State, target: &Relation, found: &mut Vec<Path>) {
        let Some(here) = self.place(state.place) else {
            return;
        };
        let looked = self.looked_schemas(state.place);
        for schema in looked.iter().filter_map(|oid| here.schemas.get(oid)) {
            if !self.held(
                state.place,
                state.user,
                &self.schema_entries(state.place, schema),
                'C',
            ) {
                continue;
            }
            let Some(object) = self.schema(state.place, schema.oid) else {
                continue;
            };
            // The schema's own owner and the database's are expected to create there.
            for way in self
                .ways(state.place, state.user, &object, 'C')
                .into_iter()
                .filter(|way| way.kind != Kind::Owner)
            {
                let mut links = way.links;
                let by = "can put functions and operators there that others, who may read, run unawares";
                links.push(Link::new(&object.title, &here.title(target), by, Hold::Fixed));
                found.push(self.latent_path(
                    state,
                    Kind::SchemaCreate,
                    links,
                    "opens when a role that may read uses a name without its schema",
                ));
            }
        }
    }

    /// TRIGGER on the relation, or on what it is a partition of: a trigger there is put on each partition.
    fn triggers(&self, state: &State, target: &Relation, found: &mut Vec<Path>) {
        let (place, user) = (state.place, state.user);
        let Some(here) = self.place(place) else { return };
        if target.kind == "v" || self.selects(place, user, target) && self.usage(place, user, target.schema) {
            return;
        }
        let mut one = Some(target);
        for _ in 0..LEVELS {
            let Some(relation) = one else { break };
            one = here
                .index
                .divided(relation.oid)
                .and_then(|oid| here.relation(oid));
            if !self.touches(place, user, relation)
                || !self.usage(place, user, relation.schema)
                || self.selects(place, user, relation)
            {
                continue;
            }
            let object = self.relation(place, relation);
            for way in self.ways(place, user, &object, 't') {
                let mut links = way.links;
                let to = if relation.oid == target.oid {
                    word('t').to_owned()
                } else {
                    here.title(target)
                };
                let by = "a trigger of its own is shown every row that others write";
                links.push(Link::new(&object.title, &to, by, Hold::Fixed));
                let why = "opens with the next write of somebody else's";
                found.push(self.latent_path(state, Kind::TriggerPrivilege, links, why));
            }
        }
    }

    /// Event triggers whose function the role owns: it runs as whoever runs the statement, a superuser too.
    fn events(&self, state: &State, target: &Relation, found: &mut Vec<Path>) {
        let (place, user) = (state.place, state.user);
        let Some(here) = self.place(place) else { return };
        for event in here.contents.event_triggers.iter().filter(|event| event.enabled) {
            let function = here.function(event.function).filter(|function| !function.definer);
            let Some(function) = function.filter(|function| self.replaces(place, user, function)) else {
                continue;
            };
            let tree = self.tree(place, user);
            let Some(owner) = self.world.at(function.owner).filter(|owner| tree.has(*owner)) else {
                continue;
            };
            let object = self.function(place, function);
            let mut links = self.chain(&tree, owner);
            links.push(self.owner_link(place, owner, &object));
            let by = format!("is run by event trigger {} as who may read", event.name);
            links.push(Link::new(&object.title, &here.title(target), &by, Hold::Fixed));
            let why = "its own function is run by others: it may put into it what it likes";
            found.push(self.latent_path(state, Kind::EventTrigger, links, why));
        }
    }

    fn prepared(&self, state: &State, found: &mut Vec<Path>) {
        let Some(here) = self.place(state.place) else {
            return;
        };
        let oid = self.world.role(state.user).map(|role| role.oid);
        let of_role = self
            .world
            .snapshot
            .prepared
            .iter()
            .filter(|one| Some(one.owner) == oid && one.database == here.database.name);
        for prepared in of_role {
            let sql = format!("ROLLBACK PREPARED {};", crate::sql::literal(&prepared.gid));
            let hold = Hold::Sql {
                place: Some(state.place),
                sql,
                breaks: Some("what that transaction did".to_owned()),
            };
            let by = format!("prepared transaction {} waits to be committed", prepared.gid);
            let links = vec![Link::new(
                self.world.name(state.user),
                &here.database.name,
                &by,
                hold,
            )];
            // A grant keeps no lock on a relation, and what writes rows does. Who prepared it may commit it.
            let grants = prepared.locks.is_empty() || prepared.locks.iter().any(|oid| *oid < FIRST_OWN);
            let path = self.latent_path(
                state,
                Kind::PreparedTransaction,
                links,
                "what it did shows when it is committed",
            );
            found.push(Path {
                class: if grants { Class::Grantable } else { Class::Latent },
                ..path
            });
        }
    }
}
