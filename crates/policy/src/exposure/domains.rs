//! Domains: whoever owns the domain of a column adds a check to it, which the server computes over all rows without asking for
//! a right on the table; what the check says of a value stands in the error.

use super::kinds::Kind;
use super::links::{Hold, Link, name};
use super::points::Path;
use super::report::Class;
use super::rights::Rights;
use super::snapshot::{DomainUse, Relation};
use super::states::State;
use super::world::RoleAt;

impl Rights<'_, '_> {
    /// Owners of the domains of a relation's columns, and who may name these.
    pub(crate) fn domain_holders(&self, place: usize, relation: &Relation) -> Vec<RoleAt> {
        let here = self.place(place);
        let all = here.into_iter().flat_map(|here| here.index.domains(relation.oid));
        let holders = all.flat_map(|one| {
            let owner = self.world.at(one.owner);
            self.schema_holders(place, one.schema).into_iter().chain(owner)
        });
        holders.collect()
    }

    /// Paths by domains that a role owns.
    pub(crate) fn by_domains(&self, state: &State, target: &Relation, found: &mut Vec<Path>) {
        let (place, user) = (state.place, state.user);
        let Some(here) = self.place(place).filter(|_| !self.world.superuser(user)) else {
            return;
        };
        let tree = self.tree(place, user);
        for one in here.index.domains(target.oid) {
            let DomainUse { schema, column, .. } = one;
            let owner = self.world.at(one.owner).filter(|owner| tree.has(*owner));
            let Some(owner) = owner.filter(|_| self.usage(place, user, *schema)) else {
                continue;
            };
            let title = format!("{}.{}", here.schema_name(*schema), one.name);
            let hold = Hold::Owner {
                place,
                alter: format!("DOMAIN {}.{}", name(here.schema_name(*schema)), name(&one.name)),
            };
            let mut links = self.chain(&tree, owner);
            links.push(Link::new(self.world.name(owner), &title, "owns", hold));
            let by = format!("is the domain of {column} in, whose values a new check shows in its error,");
            links.push(Link::new(&title, &here.title(target), &by, Hold::Fixed));
            found.push(Path {
                columns: Some(vec![column.clone()]),
                ..self.simple(state, Class::Rows, Kind::Domain, links, None)
            });
        }
    }
}
