//! What writing tells of rows that may not be read: whether a value is there, by the error of a unique index or a foreign key, and
//! how many rows there are, by the count of what was changed.

use super::kinds::Kind;
use super::links::{Hold, Link};
use super::points::{Callers, Path};
use super::report::Class;
use super::rights::{Rights, word};
use super::snapshot::{Oid, Relation};
use super::states::State;
use super::world::RoleAt;

/// So many relations beside the one that is asked about are looked at.
const MOST: usize = 64;

/// A relation whose writing tells of another, whoever writes it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Oracle<'s> {
    pub(crate) relation: &'s Relation,
    pub(crate) right: char,
    pub(crate) kind: Kind,
    by: &'static str,
}

impl<'s> Rights<'_, 's> {
    /// What tells of a target when it is written: itself, views of it, what it is a part of, and the other ends of foreign keys.
    /// [`Self::by_oracles`] looks at nothing else but who acts.
    pub(crate) fn oracles(
        &self,
        callers: &Callers<'s>,
        place: usize,
        target: &'s Relation,
    ) -> Vec<Oracle<'s>> {
        let rights = [
            ('a', "a value that is there already is refused"),
            ('w', "UPDATE says how many rows there are"),
            ('d', "DELETE says how many rows there are"),
        ];
        let mut found = Vec::new();
        for (right, by) in rights {
            if right == 'a' && !target.unique {
                continue;
            }
            let writers = self.writers(callers, place, target, right).into_iter();
            // What a foreign key, a rule or a trigger does says nothing of its own.
            let telling =
                writers.filter(|one| one.right == right && (one.relation.oid == target.oid || one.shows));
            found.extend(telling.map(|one| Oracle {
                relation: one.relation,
                right,
                kind: Kind::WriteOnly,
                by,
            }));
        }
        self.keys_tell(place, target, &mut found);
        found
    }

    /// Foreign keys: what refers must be there, and what is referred to may not go.
    fn keys_tell(&self, place: usize, target: &Relation, found: &mut Vec<Oracle<'s>>) {
        let Some(here) = self.place(place) else { return };
        for key in here.index.keys(target.oid).iter().take(MOST) {
            let (other, rights, by): (Oid, Vec<char>, &str) = if key.refers == target.oid {
                let by = "refers to it: a value that is not there is refused";
                (key.relation, vec!['a', 'w'], by)
            } else {
                let stays = |action: &str| action == "a" || action == "r";
                let mut rights = Vec::new();
                rights.extend(stays(&key.on_delete).then_some('d'));
                rights.extend(stays(&key.on_update).then_some('w'));
                (
                    key.refers,
                    rights,
                    "is referred to by it: a value that it holds cannot go",
                )
            };
            let Some(relation) = here.relation(other) else {
                continue;
            };
            found.extend(rights.into_iter().map(|right| Oracle {
                relation,
                right,
                kind: Kind::ForeignKey,
                by,
            }));
        }
    }

    /// All of these, for a state and a target in its database.
    pub(crate) fn by_oracles(
        &self,
        state: &State,
        target: &'s Relation,
        oracles: &[Oracle<'s>],
        found: &mut Vec<Path>,
    ) {
        let (place, user) = (state.place, state.user);
        let reads = self.selects(place, user, target) && self.usage(place, user, target.schema);
        if reads || self.world.superuser(user) {
            return;
        }
        for oracle in oracles {
            if self.written_rows(place, user, oracle.relation, oracle.right) {
                self.oracle(state, oracle, target, found);
            }
        }
        if target.unique && self.makes_permanent(place, user) {
            let own = Oracle {
                relation: target,
                right: 'x',
                kind: Kind::References,
                by: "a foreign key of its own says whether a value is there",
            };
            self.oracle(state, &own, target, found);
        }
    }

    /// Whether row security lets a role write rows of a relation at all.
    fn written_rows(&self, place: usize, user: RoleAt, relation: &Relation, right: char) -> bool {
        if !relation.row_security || self.role_bypasses(user) {
            return true;
        }
        let tree = self.tree(place, user);
        let owns = self.world.at(relation.owner).is_some_and(|owner| tree.has(owner));
        let applies = |oid: &Oid| *oid == 0 || self.world.at(*oid).is_some_and(|role| tree.has(role));
        let policies = self.place(place).map(|here| here.index.policies(relation.oid));
        let mut policies = policies.into_iter().flatten();
        owns && !relation.force
            || policies.any(|policy| {
                let command = policy.command == "*" || policy.command.starts_with(right);
                policy.permissive && command && policy.roles.iter().any(applies)
            })
    }

    fn role_bypasses(&self, user: RoleAt) -> bool {
        let role = self.world.role(user);
        role.is_some_and(|role| role.superuser || role.bypass_rls)
    }

    /// Whether a role has, or can make, a table that is not temporary: only such a one refers to such a one.
    fn makes_permanent(&self, place: usize, user: RoleAt) -> bool {
        self.creates_somewhere(place, user) || self.owns_something(place, user)
    }

    fn oracle(&self, state: &State, oracle: &Oracle<'s>, target: &Relation, found: &mut Vec<Path>) {
        let (place, user) = (state.place, state.user);
        let Oracle {
            relation,
            right,
            kind,
            by,
        } = *oracle;
        if !self.touches(place, user, relation) || !self.usage(place, user, relation.schema) {
            return;
        }
        let object = self.relation(place, relation);
        let table = self.ways(place, user, &object, right);
        let columns = self.column_ways(place, user, relation, right).into_iter();
        for way in table.into_iter().chain(columns.map(|(way, _)| way)) {
            let mut links = way.links;
            let to = match relation.oid == target.oid {
                true => word(right).to_owned(),
                false => self.relation(place, target).title,
            };
            links.push(Link::new(&object.title, &to, by, Hold::Fixed));
            found.push(self.simple(state, Class::Facts, kind, links, None));
        }
    }
}
