//! Row security: which policies bind a role, and what passes it by (PostgreSQL documentation, 5.9).

use super::condition::{Who, decide};
use super::kinds::Kind;
use super::rights::Rights;
use super::snapshot::{Oid, Relation};
use super::world::RoleAt;

/// What row security leaves.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum RowSecurity {
    Off,
    Bypassed(Kind),
    Some(Vec<String>),
    Nothing,
}

impl Rights<'_, '_> {
    /// Whether `current` has a role, as `pg_has_role` says it.
    pub(crate) fn has_roles(&self, current: Option<RoleAt>) -> impl Fn(&str, bool) -> Option<bool> {
        move |name: &str, rights: bool| {
            let (current, role) = (current?, *self.world.by_name.get(name)?);
            let all = self.world.superuser(current) || self.inherited(current).has(role);
            Some(all || !rights && self.member(current, role))
        }
    }

    /// What row security leaves to `user`, who asks.
    pub(crate) fn row_security(&self, place: usize, user: RoleAt, relation: &Relation) -> RowSecurity {
        self.row_security_for(place, user, relation, Some(user))
    }

    /// What row security leaves to `user`, where `current` asks: under a view, the policies are those for the view's owner, and
    /// `current_user` in them is who asks.
    pub(crate) fn row_security_for(
        &self,
        place: usize,
        user: RoleAt,
        relation: &Relation,
        current: Option<RoleAt>,
    ) -> RowSecurity {
        if !relation.row_security {
            return RowSecurity::Off;
        }
        let role = self.world.role(user);
        if role.is_some_and(|role| role.superuser) {
            return RowSecurity::Bypassed(Kind::Superuser);
        }
        if role.is_some_and(|role| role.bypass_rls) {
            return RowSecurity::Bypassed(Kind::BypassRls);
        }
        let tree = self.tree(place, user);
        if !relation.force && self.world.at(relation.owner).is_some_and(|owner| tree.has(owner)) {
            return RowSecurity::Bypassed(Kind::Owner);
        }
        let Some(here) = self.place(place) else {
            return RowSecurity::Nothing;
        };
        let of_relation = here.index.policies(relation.oid).iter();
        let applies = |oid: &Oid| *oid == 0 || self.world.at(*oid).is_some_and(|role| tree.has(role));
        let for_reading = of_relation.filter(|policy| {
            matches!(policy.command.as_str(), "*" | "r") && policy.roles.iter().any(applies)
        });
        let has = self.has_roles(current);
        let mut names = Vec::new();
        for policy in for_reading {
            let who = Who {
                current: current.map(|at| self.world.name(at)),
                session: None,
                has: Some(&has),
            };
            // A permissive policy without a condition lets nothing through, a restrictive one takes nothing away.
            let never = match policy.condition.as_deref() {
                Some(condition) => decide(condition, who) == Some(false),
                None => policy.permissive,
            };
            match (policy.permissive, never) {
                (false, true) => return RowSecurity::Nothing,
                (true, false) => names.push(policy.name.clone()),
                _ => {}
            }
        }
        if names.is_empty() {
            RowSecurity::Nothing
        } else {
            RowSecurity::Some(names)
        }
    }
}
