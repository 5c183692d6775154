//! What a table's triggers tell everybody who listens: LISTEN asks for no right.

use std::collections::HashMap;
use std::rc::Rc;

use super::kinds::Kind;
use super::links::{Hold, Link, name};
use super::points::Path;
use super::report::Class;
use super::rights::Rights;
use super::snapshot::{Oid, Relation, Trigger};
use super::states::State;

/// Triggers that notify, by their relation.
pub(crate) type Telling<'s> = HashMap<Oid, Vec<&'s Trigger>>;

/// The trigger function of extension tcn, which tells of every change with the row's key.
const TCN: &str = "triggered_change_notification";

impl<'s> Rights<'_, 's> {
    fn telling(&self, place: usize) -> Rc<Telling<'s>> {
        if let Some(known) = self.telling.borrow().get(&place) {
            return Rc::clone(known);
        }
        let mut found: Telling<'s> = HashMap::new();
        if let Some(here) = self.place(place) {
            let notifies = |trigger: &&Trigger| {
                let own = here
                    .meanings
                    .get(&trigger.function)
                    .is_some_and(|meaning| meaning.notifies);
                trigger.enabled && (own || here.function(trigger.function).is_some_and(|one| one.name == TCN))
            };
            for trigger in here.contents.triggers.iter().filter(notifies) {
                found.entry(trigger.relation).or_default().push(trigger);
            }
        }
        let found = Rc::new(found);
        self.telling.borrow_mut().insert(place, Rc::clone(&found));
        found
    }

    /// Whether triggers of a relation notify.
    pub(crate) fn tells(&self, place: usize, relation: Oid) -> bool {
        self.telling(place).contains_key(&relation)
    }

    /// Triggers of the target that notify: whoever is in the database may listen.
    pub(crate) fn told(&self, state: &State, target: &Relation, found: &mut Vec<Path>) {
        let (place, user) = (state.place, state.user);
        let telling = self.telling(place);
        let Some(triggers) = telling.get(&target.oid).filter(|_| state.sets.is_none()) else {
            return;
        };
        if self.selects(place, user, target) && self.usage(place, user, target.schema) {
            return;
        }
        let title = self.relation(place, target).title;
        for trigger in triggers {
            let sql = format!(
                "ALTER TABLE {} DISABLE TRIGGER {};",
                self.relation_sql(place, target),
                name(&trigger.name)
            );
            let hold = Hold::Sql {
                place: Some(place),
                sql,
                breaks: Some(format!("what trigger {} is for", trigger.name)),
            };
            let by = format!(
                "may LISTEN, and trigger {} tells of what is written to",
                trigger.name
            );
            let links = vec![Link::new(self.world.name(user), &title, &by, hold)];
            let why = "opens with the next write of somebody else's; no right is asked of who listens";
            found.push(self.simple(state, Class::Latent, Kind::Trigger, links, Some(why)));
        }
    }
}
