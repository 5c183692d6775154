//! What owning, or a right with its grant option, lets a role do to the rights of others and to its own.

use super::acl;
use super::calls::Called;
use super::kinds::Kind;
use super::links::Link;
use super::points::Path;
use super::report::Class;
use super::rights::Rights;
use super::snapshot::{Oid, Relation};
use super::states::State;
use super::world::RoleAt;

/// What an owner says who has taken its own right.
pub(crate) const CAN_GIVE_BACK: &str = "the owner has taken its own right and can give it back to itself";

impl<'s> Rights<'_, 's> {
    /// Whether a role may grant SELECT on a relation: as its owner, or by a grant option.
    pub(crate) fn may_grant(&self, place: usize, user: RoleAt, relation: &Relation) -> bool {
        let tree = self.tree(place, user);
        let owns = self.world.at(relation.owner).is_some_and(|owner| tree.has(owner));
        let items = relation.acl.iter().flatten();
        let mut options = items
            .filter_map(|item| acl::entry(item))
            .filter(|one| one.grantable.contains('r'));
        let holds = |name: &str| self.world.by_name.get(name).is_some_and(|role| tree.has(*role));
        self.world.superuser(user) || owns || options.any(|one| one.grantee.as_deref().is_some_and(holds))
    }

    /// Whether a role may give itself USAGE on a schema, as its owner.
    pub(crate) fn owns_schema(&self, place: usize, user: RoleAt, schema: Oid) -> bool {
        let schema = self.place(place).and_then(|here| here.schemas.get(&schema));
        let owner = schema.and_then(|schema| self.world.at(schema.owner));
        owner.is_some_and(|owner| self.tree(place, user).has(owner))
    }

    /// The owner of a function who has taken EXECUTE from itself.
    pub(crate) fn by_lost_execute(&self, state: &State, called: &Called<'_, 's>, found: &mut Vec<Path>) {
        let (place, user) = (state.place, state.user);
        if self.world.superuser(user) || self.may(place, user, called.target, 'X') {
            return;
        }
        let tree = self.tree(place, user);
        let owner = self.world.at(called.source.function.owner);
        let Some(owner) = owner.filter(|owner| tree.has(*owner)) else {
            return;
        };
        if called.outcome.is_none() || !self.usage(place, user, called.source.function.schema) {
            return;
        }
        let mut links: Vec<Link> = self.chain(&tree, owner);
        links.push(self.owner_link(place, owner, called.target));
        let outcome = (Class::Grantable, Some(CAN_GIVE_BACK.to_owned()));
        self.push(state, called.source, Kind::Owner, links, (outcome, None), found);
    }
}
