//! Rules whose actions read: whoever may write their relation makes them, with the rights of the relation's owner.

use super::kinds::Kind;
use super::links::{Hold, Link};
use super::nodes::{Nodes, Reverse, resolve};
use super::points::Path;
use super::report::Class;
use super::rights::Rights;
use super::snapshot::Rule;
use super::states::State;
use super::world::RoleAt;
use super::writing::of_event;

impl<'s> Rights<'_, 's> {
    /// Paths by rules for a state.
    pub(crate) fn by_rules(
        &self,
        state: &State,
        reverse: &Reverse<'s>,
        nodes: &Nodes,
        found: &mut Vec<Path>,
    ) {
        let (place, user) = (state.place, state.user);
        let Some(here) = self.place(place) else { return };
        for node in nodes.list.iter().filter(|node| node.place == place) {
            for rule in reverse.rules.get(&(place, node.relation)).into_iter().flatten() {
                let Some(right) = of_event(&rule.event).chars().next() else {
                    continue;
                };
                let Some(relation) = here.relation(rule.relation) else {
                    continue;
                };
                let owner = self.world.at(relation.owner);
                if !owner.is_some_and(|owner| self.reads_for(node, owner, None))
                    || !self.usage(place, user, relation.schema)
                {
                    continue;
                }
                let Some(why) = self.rule_gives(place, user, rule) else {
                    continue;
                };
                let target = self.relation(place, relation);
                for way in self.ways(place, user, &target, right) {
                    let mut links = way.links;
                    let by = format!("rule {} reads, with the rights of the owner,", rule.name);
                    let to = here
                        .relation(node.relation)
                        .map(|one| here.title(one))
                        .unwrap_or_default();
                    links.push(Link::new(&target.title, &to, &by, Hold::Fixed));
                    links.extend(node.links.iter().cloned());
                    let counts = (rule.reads.iter().flatten())
                        .any(|one| one.relation == node.relation && super::nodes::counted(one));
                    found.push(Path {
                        class: if node.facts || counts {
                            Class::Facts
                        } else {
                            Class::Rows
                        },
                        kind: Kind::Rule,
                        links,
                        columns: node.columns.clone(),
                        why: why.clone(),
                        tries: None,
                        place,
                        sets: state.sets,
                    });
                }
            }
        }
    }
    /// How what a rule's action reads comes to `user`, if it does: in the answer, or by a relation that it may read.
    pub(crate) fn rule_gives(&self, place: usize, user: RoleAt, rule: &Rule) -> Option<Option<String>> {
        let here = self.place(place)?;
        let text = rule.text.as_deref().unwrap_or_default();
        let action = text.split_once(" DO ").map_or("", |(_, action)| action);
        let action = action.trim_start_matches("INSTEAD").trim_start_matches("ALSO");
        let selects = action.split(';').any(|one| {
            let one = one.trim_start_matches(|c: char| c.is_whitespace() || c == '(');
            one.starts_with("SELECT") || one.starts_with("WITH") || one.contains("RETURNING")
        });
        if selects {
            return Some(None);
        }
        let written = super::source::meaning(action).writes;
        let sink = written
            .iter()
            .flat_map(|named| resolve(here, named.schema.as_deref(), &named.name, None))
            .find(|one| self.selects(place, user, one) && self.usage(place, user, one.schema))?;
        Some(Some(format!(
            "it writes into {}, which can be read",
            here.title(sink)
        )))
    }
}
