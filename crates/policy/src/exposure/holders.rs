//! Who holds something on an object: the roles that what is read through it can depend on.

use std::collections::{BTreeSet, HashSet};

use super::borrowed::Lending;
use super::groups::Held;
use super::nodes::Node;
use super::paths::{Search, Target};
use super::rights::Rights;
use super::snapshot::{Function, Oid, Relation};
use super::source::tokens::Token;
use super::touched::Touched;
use super::world::{Entry, RoleAt};

fn roles<'e>(entries: impl IntoIterator<Item = &'e Entry>) -> impl Iterator<Item = RoleAt> {
    entries.into_iter().filter_map(|entry| entry.holder.role())
}

impl<'s> Rights<'_, 's> {
    /// Holders of rights on a relation and its columns, its owner, and whom its policies name, in their conditions too.
    pub(crate) fn relation_holders(&self, place: usize, relation: &Relation) -> Vec<RoleAt> {
        let mut all: Vec<RoleAt> = roles(self.relation_entries(place, relation).iter()).collect();
        if relation.column_acls.is_some() {
            for (_, entries) in self.column_entries(place, relation).iter() {
                all.extend(roles(entries));
            }
        }
        all.extend(self.world.at(relation.owner));
        if let Some(here) = self.place(place).filter(|_| relation.row_security) {
            for policy in here.index.policies(relation.oid) {
                all.extend(policy.roles.iter().filter_map(|oid| self.world.at(*oid)));
                all.extend(policy.condition.iter().flat_map(|text| self.named_in(text)));
            }
        }
        all
    }

    /// Roles that a condition names in a constant: it may ask who asks.
    pub(crate) fn named_in(&self, text: &str) -> Vec<RoleAt> {
        let tokens = super::source::tokens::tokens(text);
        let texts = tokens.iter().filter_map(|token| match token {
            Token::Text(text) => self.world.by_name.get(text.as_str()).copied(),
            _ => None,
        });
        texts.collect()
    }

    /// Holders of rights on a schema.
    pub(crate) fn schema_holders(&self, place: usize, schema: Oid) -> Vec<RoleAt> {
        let schema = self.place(place).and_then(|here| here.schemas.get(&schema));
        schema.map_or_else(Vec::new, |schema| {
            let entries = self.schema_entries(place, schema);
            roles(entries.iter()).chain(self.world.at(schema.owner)).collect()
        })
    }

    /// Who may create in a schema, and its owner.
    pub(crate) fn creators(&self, place: usize, schema: Oid) -> Vec<RoleAt> {
        let schema = self.place(place).and_then(|here| here.schemas.get(&schema));
        schema.map_or_else(Vec::new, |schema| {
            let entries = self.schema_entries(place, schema);
            let create = entries.iter().filter(|entry| entry.rights.has('C'));
            roles(create).chain(self.world.at(schema.owner)).collect()
        })
    }

    /// Holders of rights on a function and its schema.
    pub(crate) fn function_holders(&self, place: usize, function: &Function) -> Vec<RoleAt> {
        let mut all = self.schema_holders(place, function.schema);
        all.extend(roles(self.function_entries(place, function).iter()));
        all.extend(self.world.at(function.owner));
        all
    }

    /// Holders on what others run: functions that maintaining, event triggers and jobs call; and whom definer functions grant roles to.
    pub(crate) fn code_holders(&self, place: usize, lent: &Lending<'s>) -> Vec<RoleAt> {
        let Some(here) = self.place(place) else {
            return Vec::new();
        };
        let mut all = Vec::new();
        for (relation, function) in &lent.computed {
            all.extend(self.function_holders(place, function));
            all.extend(self.relation_holders(place, relation));
            all.extend(self.schema_holders(place, relation.schema));
        }
        let events = here.contents.event_triggers.iter();
        let called = events.filter_map(|event| here.function(event.function));
        for function in called {
            all.extend(self.function_holders(place, function));
        }
        for planted in &lent.planted {
            all.extend(self.relation_holders(place, planted.relation));
            all.extend(self.schema_holders(place, planted.relation.schema));
        }
        for step in &lent.jobs {
            all.extend(self.schema_holders(place, step.touched.schema()));
            match step.touched {
                Touched::Calls(function) => all.extend(self.function_holders(place, function)),
                Touched::Reads(relation) | Touched::Writes(relation) => {
                    all.extend(self.relation_holders(place, relation));
                }
            }
        }
        let meanings = lent
            .functions
            .iter()
            .filter_map(|function| here.meanings.get(&function.oid));
        let to = meanings.flat_map(|meaning| &meaning.to);
        all.extend(to.filter_map(|name| self.world.by_name.get(name.as_str()).copied()));
        all
    }

    /// Schemas in which names are looked up without being named: `public`, and those of `search_path` settings.
    pub(crate) fn looked(&self) -> HashSet<String> {
        let mut looked: HashSet<String> = HashSet::from(["public".to_owned()]);
        for setting in &self.world.snapshot.settings {
            if let Some(path) = setting.setting.strip_prefix("search_path=") {
                looked.extend(super::views::schemas(path));
            }
        }
        looked
    }

    /// Whether `user` itself owns a relation of a database.
    pub(crate) fn owns_something(&self, place: usize, user: RoleAt) -> bool {
        let oid = self.world.role(user).map(|role| role.oid);
        let here = self.place(place);
        here.zip(oid)
            .is_some_and(|(here, oid)| here.index.owners.contains(&oid))
    }
}

/// Roles that conditions of policies and views name where they ask for membership.
pub(super) fn asked(rights: &Rights<'_, '_>) -> Vec<RoleAt> {
    let contents = rights.world.places.iter().map(|here| here.contents);
    let mut all = BTreeSet::new();
    for contents in contents {
        let policies = contents
            .policies
            .iter()
            .filter_map(|one| one.condition.as_deref());
        let views = contents.rules.iter().filter_map(|one| one.text.as_deref());
        let asking = policies.chain(views).filter(|text| text.contains("pg_has_role"));
        all.extend(asking.flat_map(|text| rights.named_in(text)));
    }
    all.into_iter().collect()
}

/// Roles, each with the database in which it holds something.
#[derive(Default)]
struct Holders(Vec<Held>);

impl Holders {
    fn extend(&mut self, place: usize, roles: impl IntoIterator<Item = RoleAt>) {
        self.0.extend(roles.into_iter().map(|role| (place, role)));
    }
}

impl<'s> Search<'_, 's> {
    /// All roles whose rights reading a node can ask for.
    pub(crate) fn node_holders(&self, node: &Node) -> Vec<Held> {
        let rights = self.rights;
        let mut all = Holders::default();
        let take = |place: usize, relation: &Relation, all: &mut Holders| {
            all.extend(place, rights.relation_holders(place, relation));
            all.extend(place, rights.schema_holders(place, relation.schema));
        };
        let Some(here) = rights.place(node.place) else {
            return all.0;
        };
        let own = here.relation(node.relation);
        for relation in own
            .into_iter()
            .chain(node.needs.iter().filter_map(|(oid, _)| here.relation(*oid)))
        {
            take(node.place, relation, &mut all);
        }
        for function in node.executes.iter().filter_map(|oid| here.function(*oid)) {
            all.extend(node.place, rights.function_holders(node.place, function));
        }
        if let Some(table) = here.index.foreign_table(node.relation) {
            let mappings = here
                .contents
                .mappings
                .iter()
                .filter(|one| one.server == table.server);
            all.extend(node.place, mappings.filter_map(|one| rights.world.at(one.role)));
        }
        let rules = self.reverse.rules.get(&(node.place, node.relation));
        for rule in rules.into_iter().flatten().filter(|rule| rule.event != "1") {
            let written = super::source::meaning(rule.text.as_deref().unwrap_or_default()).writes;
            let sinks = written
                .iter()
                .flat_map(|named| super::nodes::resolve(here, named.schema.as_deref(), &named.name, None));
            for relation in here.relation(rule.relation).into_iter().chain(sinks) {
                take(node.place, relation, &mut all);
            }
        }
        for (_, text) in &node.views {
            all.extend(node.place, rights.named_in(text));
        }
        for function in rights.invoked_over(node.place, node.relation) {
            all.extend(node.place, rights.function_holders(node.place, function));
        }
        all.0
    }

    /// All roles whose rights a path to a target can ask for.
    pub(crate) fn holders(&self, target: &Target<'s>) -> Vec<Held> {
        let rights = self.rights;
        let mut all = Holders::default();
        let take = |place: usize, relation: &Relation, all: &mut Holders| {
            all.extend(place, rights.relation_holders(place, relation));
            all.extend(place, rights.schema_holders(place, relation.schema));
        };
        for node in &target.nodes.list {
            all.0.extend(self.node_holders(node));
        }
        for source in &target.sources {
            let Some(here) = rights.place(source.place) else {
                continue;
            };
            all.extend(
                source.place,
                rights.function_holders(source.place, source.function),
            );
            let key = (source.place, source.function.oid);
            let callers = self.callers.callers.get(&key).into_iter().flatten();
            let mut relations: Vec<Oid> = Vec::new();
            for caller in callers {
                relations.push(caller.relation);
                // A rule that calls lets out what it writes.
                let rules = self.reverse.written.get(&(source.place, caller.relation));
                for rule in rules.into_iter().flatten() {
                    let written = super::source::meaning(rule.text.as_deref().unwrap_or_default()).writes;
                    relations.extend(written.iter().flat_map(|named| {
                        let found = super::nodes::resolve(here, named.schema.as_deref(), &named.name, None);
                        found.into_iter().map(|one| one.oid)
                    }));
                }
                all.extend(source.place, rights.schema_holders(source.place, caller.schema));
                if let Some(aggregate) = here.function(caller.object) {
                    all.extend(source.place, rights.function_holders(source.place, aggregate));
                }
            }
            let triggers = self.callers.triggers.get(&key).into_iter().flatten();
            let triggers = triggers.chain(self.callers.asleep.get(&key).into_iter().flatten());
            relations.extend(triggers.map(|trigger| trigger.relation));
            let written: Vec<Oid> = relations.clone();
            for relation in written {
                let before = self.callers.writing.before(source.place, relation);
                relations.extend(before.iter().map(|one| one.oid));
            }
            let to = source.yielded.to.iter().flatten();
            let to = to.filter_map(|name| rights.world.by_name.get(name.as_str()).copied());
            all.extend(source.place, to);
            let opened = source.yielded.opens.as_ref();
            relations.extend(opened.and_then(|opened| opened.through()));
            let meaning = here.meanings.get(&source.function.oid);
            let asked = meaning.into_iter().flat_map(|meaning| &meaning.sessions);
            let asked = asked.filter_map(|name| rights.world.by_name.get(name.as_str()).copied());
            all.extend(source.place, asked);
            let path = rights.looks_in(source.function, meaning);
            let written = meaning.into_iter().flat_map(|meaning| &meaning.writes);
            let sinks = written.flat_map(|named| {
                super::nodes::resolve(here, named.schema.as_deref(), &named.name, path.as_deref())
            });
            let relations = relations.iter().filter_map(|oid| here.relation(*oid));
            for relation in relations.chain(sinks) {
                take(source.place, relation, &mut all);
            }
        }
        all.extend(target.place, rights.domain_holders(target.place, target.relation));
        for oracle in &target.oracles {
            take(target.place, oracle.relation, &mut all);
        }
        if let Some(here) = rights.place(target.place) {
            for relation in here.index.alike(target.relation).iter().take(super::files::ALIKE) {
                take(target.place, relation, &mut all);
            }
        }
        let owners = target
            .code
            .iter()
            .filter_map(|code| rights.world.at(code.function.owner));
        all.extend(target.place, owners);
        for code in &target.code {
            all.extend(
                target.place,
                rights.schema_holders(target.place, code.function.schema),
            );
        }
        if let Some(here) = rights.place(target.place) {
            let own = here
                .contents
                .defaults
                .iter()
                .filter(|one| one.schema == target.relation.schema);
            for defaults in own {
                let items = defaults.acl.iter().flatten();
                all.extend(
                    target.place,
                    items.filter_map(|item| rights.world.entry(item)?.holder.role()),
                );
            }
            // A copy of a template is read from wherever it is made.
            if here.database.template {
                let there: Vec<RoleAt> = all.0.iter().map(|(_, role)| *role).collect();
                for place in 0..rights.world.places.len() {
                    all.extend(place, there.iter().copied());
                }
            }
        }
        all.0
    }
}
