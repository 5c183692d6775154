//! Code of a role's own that others run with a relation's rows: triggers' functions, and what views, policies, checks and indexes
//! call. It shows its owner the rows when they do.

use super::kinds::Kind;
use super::links::{Hold, Link};
use super::nodes::{Nodes, Reverse};
use super::points::Path;
use super::report::Class;
use super::rights::Rights;
use super::snapshot::{CallerKind, Function, Relation};
use super::states::State;

/// A function that is run with the rows, and by what.
#[derive(Debug, Clone)]
pub(crate) struct Code<'s> {
    pub(crate) function: &'s Function,
    kind: Kind,
    by: String,
}

impl<'s> Rights<'_, 's> {
    /// The functions that are run with a target's rows as who reads or writes it, whoever owns them.
    pub(crate) fn code(
        &self,
        reverse: &Reverse<'s>,
        nodes: &Nodes,
        place: usize,
        target: &Relation,
    ) -> Vec<Code<'s>> {
        let Some(here) = self.place(place) else {
            return Vec::new();
        };
        let mut found = Vec::new();
        for trigger in reverse.triggers.get(&(place, target.oid)).into_iter().flatten() {
            let by = format!("is run with what others write, by trigger {}, on", trigger.name);
            found.extend(
                here.function(trigger.function)
                    .map(|function| (function, Kind::Trigger, by)),
            );
        }
        for caller in here.index.called_with(target.oid) {
            if matches!(caller.kind, CallerKind::Default | CallerKind::Rule) {
                continue;
            }
            let by = format!("is run with the rows by {}, of", caller.name);
            found.extend(
                here.function(caller.function)
                    .map(|function| (function, Kind::CheckConstraint, by)),
            );
        }
        let views = nodes.list.iter().filter(|node| {
            node.place == place
                && matches!(
                    node.kind,
                    Some(Kind::View | Kind::InvokerView | Kind::MaterializedView)
                )
        });
        for node in views {
            if let Some(rule) = here.index.view_rule(node.relation) {
                let title = here
                    .relation(node.relation)
                    .map(|one| here.title(one))
                    .unwrap_or_default();
                let called = rule.calls.iter().flatten().filter_map(|oid| here.function(*oid));
                found.extend(called.map(|function| {
                    (
                        function,
                        node.kind.unwrap_or(Kind::View),
                        format!("is run with the rows by who reads {title}, over"),
                    )
                }));
            }
        }
        let own = |function: &Function| {
            !function.definer
                && self
                    .world
                    .at(function.owner)
                    .is_some_and(|owner| !self.world.superuser(owner))
        };
        let found = found.into_iter().filter(|(function, ..)| own(function));
        found
            .map(|(function, kind, by)| Code { function, kind, by })
            .collect()
    }

    /// Paths by such functions that a role owns.
    pub(crate) fn by_own_code(
        &self,
        state: &State,
        target: &Relation,
        code: &[Code<'s>],
        found: &mut Vec<Path>,
    ) {
        let (place, user) = (state.place, state.user);
        if code.is_empty() || self.world.superuser(user) {
            return;
        }
        if self.selects(place, user, target) && self.usage(place, user, target.schema) {
            return;
        }
        let Some(here) = self.place(place) else { return };
        let tree = self.tree(place, user);
        for one in code {
            let owner = self.world.at(one.function.owner).filter(|owner| tree.has(*owner));
            let Some(owner) = owner.filter(|_| self.replaces(place, user, one.function)) else {
                continue;
            };
            let object = self.function(place, one.function);
            let mut links = self.chain(&tree, owner);
            links.push(self.owner_link(place, owner, &object));
            links.push(Link::new(
                &object.title,
                &here.title(target),
                &one.by,
                Hold::Fixed,
            ));
            found.push(Path {
                class: Class::Latent,
                kind: one.kind,
                links,
                columns: None,
                why: Some(
                    "its own function is run with the rows by others: it may put into it what it likes"
                        .to_owned(),
                ),
                tries: None,
                place,
                sets: state.sets,
            });
        }
    }
}
