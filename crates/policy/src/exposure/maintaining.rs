//! What maintaining gives (MAINTAIN, from PostgreSQL 17): a table's owner computes what its indexes and statistics call.

use super::borrowed::{Borrowed, Lending};
use super::kinds::Kind;
use super::links::{Hold, Link};
use super::nodes::Nodes;
use super::points::{Path, Source};
use super::report::Class;
use super::rights::{Rights, Target, Way};
use super::snapshot::{Caller, CallerKind, Function, Oid, Relation};
use super::states::State;
use super::world::{Place, RoleAt};

impl<'s> Rights<'_, 's> {
    /// Who may maintain a table (from PostgreSQL 17) has its owner compute the expressions of its indexes.
    pub(crate) fn by_maintenance(
        &self,
        state: &State,
        here: &Place<'s>,
        source: &Source<'s>,
        caller: &Caller,
        found: &mut Vec<Path>,
    ) {
        let (place, user) = (state.place, state.user);
        let Some(relation) = here.relation(caller.relation) else {
            return;
        };
        let outcome = self.outcome(state, here, source, false);
        let Some(outcome) = outcome.filter(|_| self.usage(place, user, relation.schema)) else {
            return;
        };
        let target = self.relation(place, relation);
        for way in self.maintainers(place, user, &target) {
            let mut links = way.links;
            let by = format!("REINDEX and ANALYZE compute {} by", caller.name);
            let title = here.function_title(source.function);
            links.push(Link::new(&target.title, &title, &by, Hold::Fixed));
            self.push(
                state,
                source,
                Kind::CheckConstraint,
                links,
                (outcome.clone(), None),
                found,
            );
        }
    }

    /// Every way to MAINTAIN a relation: its own, and of all of them at once.
    fn maintainers(&self, place: usize, user: RoleAt, target: &Target) -> Vec<Way> {
        let tree = self.tree(place, user);
        let all = self.world.by_name.get("pg_maintain");
        let mut ways = self.ways(place, user, target, 'm');
        ways.extend(all.filter(|role| tree.has(**role)).map(|role| Way {
            kind: Kind::PredefinedRole,
            links: self.chain(&tree, *role),
        }));
        ways
    }

    /// Whether a role may maintain a relation: as its owner, or, from PostgreSQL 17, by MAINTAIN or `pg_maintain`.
    pub(crate) fn maintains(&self, place: usize, user: RoleAt, relation: &Relation) -> bool {
        let tree = self.tree(place, user);
        let owns = self.world.at(relation.owner).is_some_and(|owner| tree.has(owner));
        let all = || {
            self.world
                .by_name
                .get("pg_maintain")
                .is_some_and(|role| tree.has(*role))
        };
        owns || self.may(place, user, &self.relation(place, relation), 'm') || all()
    }

    /// Functions with the rights of who calls that a relation's owner runs when it is maintained, and that are no superuser's.
    pub(super) fn computed(&self, place: usize) -> Vec<(&'s Relation, &'s Function)> {
        let Some(here) = self.place(place) else {
            return Vec::new();
        };
        let kinds = [CallerKind::Index, CallerKind::Key, CallerKind::Statistics];
        let callers = here
            .contents
            .callers
            .iter()
            .filter(|one| kinds.contains(&one.kind));
        let mut found: Vec<(Oid, Oid)> = callers.map(|one| (one.relation, one.function)).collect();
        for rule in here.contents.rules.iter().filter(|rule| rule.event == "1") {
            if here.relation(rule.relation).is_some_and(|one| one.kind == "m") {
                found.extend(rule.calls.iter().flatten().map(|called| (rule.relation, *called)));
            }
        }
        let known = found.into_iter().filter_map(|(relation, function)| {
            let function = here.function(function)?;
            let owner = self.world.at(function.owner)?;
            let others = !function.definer && !self.world.superuser(owner);
            here.relation(relation)
                .filter(|_| others)
                .map(|relation| (relation, function))
        });
        known.collect()
    }

    /// Whom a role becomes by maintaining what calls a function of its own.
    pub(super) fn maintained(&self, place: usize, user: RoleAt, lending: &Lending<'s>) -> Vec<Borrowed> {
        if lending.computed.is_empty() {
            return Vec::new();
        }
        let tree = self.tree(place, user);
        let mut found = Vec::new();
        for (relation, function) in &lending.computed {
            let (Some(owner), Some(to)) = (self.world.at(function.owner), self.world.at(relation.owner))
            else {
                continue;
            };
            if to == user
                || !tree.has(owner)
                || !self.replaces(place, user, function)
                || !self.usage(place, user, relation.schema)
                || !self.maintains(place, user, relation)
            {
                continue;
            }
            let object = self.function(place, function);
            let mut links = self.chain(&tree, owner);
            links.push(self.owner_link(place, owner, &object));
            let title = self.relation(place, relation).title;
            let by = format!("is run when {title} is maintained, which it may do, as");
            links.push(Link::new(&object.title, self.world.name(to), &by, Hold::Fixed));
            found.push(Borrowed {
                to,
                kind: Kind::CheckConstraint,
                class: Class::Grantable,
                links,
                why: "what it puts into its own function runs as the table's owner",
            });
        }
        found
    }

    /// Whether a refresh of a materialized view says what it computes, by a function that raises it.
    pub(crate) fn refresh_tells(&self, place: usize, relation: Oid) -> Option<&'s Function> {
        let here = self.place(place)?;
        let view = here.relation(relation).filter(|one| one.kind == "m")?;
        let rule = here.index.view_rule(view.oid)?;
        let mut called = rule.calls.iter().flatten().filter_map(|oid| here.function(*oid));
        called.find(|function| {
            here.meanings
                .get(&function.oid)
                .is_some_and(|meaning| meaning.tells || meaning.raises)
        })
    }

    /// Who may refresh a materialized view is told what its functions say of the rows.
    pub(crate) fn by_refresh(&self, state: &State, nodes: &Nodes, found: &mut Vec<Path>) {
        let (place, user) = (state.place, state.user);
        let Some(here) = self.place(place) else { return };
        let copies = nodes.list.iter().filter(|node| {
            node.place == place && node.kind == Some(Kind::MaterializedView) && node.links.len() == 1
        });
        for node in copies {
            let Some(function) = self.refresh_tells(place, node.relation) else {
                continue;
            };
            let Some(relation) = here
                .relation(node.relation)
                .filter(|one| self.usage(place, user, one.schema))
            else {
                continue;
            };
            let target = self.relation(place, relation);
            for way in self.maintainers(place, user, &target) {
                let mut links = way.links;
                let by = format!(
                    "REFRESH runs {} with the rows, which says them, of",
                    here.function_title(function)
                );
                links.push(Link::new(&target.title, &target.title, &by, Hold::Fixed));
                links.extend(node.links.iter().cloned());
                found.push(Path {
                    class: if node.facts { Class::Facts } else { Class::Rows },
                    kind: Kind::MaterializedView,
                    links,
                    columns: node.columns.clone(),
                    why: None,
                    tries: None,
                    place,
                    sets: state.sets,
                });
            }
        }
    }
}
