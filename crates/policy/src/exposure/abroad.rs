//! What writing a foreign table tells of the relation of this cluster that it leads to: whether a value is there, and how many rows
//! there are.

use super::kinds::Kind;
use super::links::{Hold, Link};
use super::nodes::Node;
use super::points::Path;
use super::report::Class;
use super::rights::Rights;
use super::snapshot::Relation;
use super::states::State;

impl<'s> Rights<'_, 's> {
    /// For a foreign table that a role may write and not read.
    pub(crate) fn written_abroad(
        &self,
        state: &State,
        node: &Node,
        relation: &Relation,
        found: &mut Vec<Path>,
    ) {
        let (place, user) = (state.place, state.user);
        if relation.kind != "f" || node.kind != Some(Kind::ForeignTable) || state.class > Class::Facts {
            return;
        }
        if self.selects(place, user, relation) || !self.usage(place, user, relation.schema) {
            return;
        }
        let Ok(remote) = self.mapped(place, relation.oid, user) else {
            return;
        };
        let there = self.leads_to_relation(place, relation);
        let Some((far, there)) = remote.user.zip(there) else {
            return;
        };
        let object = self.relation(place, relation);
        let rights = [
            ('a', there.unique, "a value that is there already is refused"),
            ('w', true, "UPDATE says how many rows there are"),
            ('d', true, "DELETE says how many rows there are"),
        ];
        let usage = self.usage(remote.place, far, there.schema);
        for (right, tells, by) in rights {
            let may = usage && self.may(remote.place, far, &self.relation(remote.place, there), right);
            if !tells || !may && !self.world.superuser(far) {
                continue;
            }
            let columns = self.column_ways(place, user, relation, right).into_iter();
            for way in self
                .ways(place, user, &object, right)
                .into_iter()
                .chain(columns.map(|(way, _)| way))
            {
                let mut links = way.links;
                links.push(self.mapping_link(place, user, &remote));
                links.push(Link::new(
                    self.world.name(far),
                    &self.relation(remote.place, there).title,
                    by,
                    Hold::Fixed,
                ));
                found.push(self.simple(state, Class::Facts, Kind::WriteOnly, links, None));
            }
        }
    }

    /// The relation of this cluster that a foreign table leads to.
    fn leads_to_relation(&self, place: usize, relation: &Relation) -> Option<&'s Relation> {
        use super::foreign::{leads_to, option};
        let here = self.place(place)?;
        let table = here.index.foreign_table(relation.oid)?;
        let database = leads_to(self, place, table.server)?;
        let mut places = self.world.places.iter();
        let there = places.find(|one| one.database.name == database)?;
        let schema = option(table.options.as_deref(), "schema_name");
        let schema = schema.unwrap_or_else(|| here.schema_name(relation.schema).to_owned());
        let name = option(table.options.as_deref(), "table_name").unwrap_or_else(|| relation.name.clone());
        super::nodes::resolve(there, Some(&schema), &name, None)
            .into_iter()
            .next()
    }
}
