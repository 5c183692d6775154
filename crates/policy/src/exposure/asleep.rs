//! Triggers and rules that do not fire as things stand: those of replicas, for who may say that the session is one, and those that are
//! switched off, for who may switch them on.

use super::acl::Object;
use super::links::{Hold, Link, name};
use super::points::{Callers, Path, Source};
use super::report::Class;
use super::rights::Rights;
use super::snapshot::{Oid, Trigger};
use super::states::State;
use super::world::Place;

/// What says so.
const ROLE: &str = "session_replication_role";

impl<'s> Rights<'_, 's> {
    pub(crate) fn by_sleeping(
        &self,
        state: &State,
        here: &Place<'s>,
        source: &Source<'s>,
        (trigger, callers): (&Trigger, &Callers<'s>),
        found: &mut Vec<Path>,
    ) {
        let replica = trigger.replica.then(|| self.is_replica(state, here)).flatten();
        let wakes = self.wakes(state, here, trigger.relation);
        if replica.is_none() && !wakes {
            return;
        }
        let mut paths = Vec::new();
        self.by_trigger(state, here, source, (trigger, callers), &mut paths);
        for mut path in paths {
            match &replica {
                Some(links) => {
                    path.links.splice(0..0, links.iter().cloned());
                    path.why = Some(format!("trigger {} fires where {ROLE} is replica", trigger.name));
                }
                None => {
                    path.class = path.class.max(Class::Grantable);
                    path.why = Some(format!(
                        "the table's owner can switch trigger {} on",
                        trigger.name
                    ));
                }
            }
            found.push(path);
        }
    }

    /// Whether a role owns a relation, and so may switch on what does not fire.
    pub(crate) fn wakes(&self, state: &State, here: &Place<'s>, relation: Oid) -> bool {
        let owner = here.relation(relation).and_then(|one| self.world.at(one.owner));
        owner.is_some_and(|owner| self.tree(state.place, state.user).has(owner))
    }

    /// How a session of this role is a replica's: by a setting that it begins with, or one that it may make.
    fn is_replica(&self, state: &State, here: &Place<'s>) -> Option<Vec<Link>> {
        let user = self.world.role(state.user)?;
        if self.begins_with(state, here, "session_replication_role=replica") {
            let sql = format!("ALTER ROLE {} RESET {ROLE};", name(&user.name));
            return Some(vec![self.setting_link(
                state,
                sql,
                "begins its sessions with session_replication_role = replica",
            )]);
        }
        let parameter = self
            .world
            .snapshot
            .parameters
            .iter()
            .find(|one| one.name == ROLE)?;
        let title = format!("parameter {ROLE}");
        let setting = self.other(
            &parameter.acl,
            Object::Parameter,
            10,
            format!("PARAMETER {ROLE}"),
            title,
        );
        let way = self
            .ways(state.place, state.user, &setting, 's')
            .into_iter()
            .next();
        way.map(|way| way.links)
    }

    /// Whether a session that this role has begun has a setting from the start.
    pub(crate) fn begins_with(&self, state: &State, here: &Place<'s>, setting: &str) -> bool {
        let Some(user) = self.world.role(state.user).filter(|_| state.sets.is_none()) else {
            return false;
        };
        let mut all = self.world.snapshot.settings.iter();
        user.login
            && all.any(|one| {
                one.setting == setting
                    && (one.role == 0 || one.role == user.oid)
                    && (one.database == 0 || one.database == here.database.oid)
            })
    }

    /// A link that a role's own setting is.
    pub(crate) fn setting_link(&self, state: &State, sql: String, by: &str) -> Link {
        let user = self.world.name(state.user);
        let place = Some(state.place);
        let hold = Hold::Sql {
            place,
            sql,
            breaks: None,
        };
        Link::new(user, user, by, hold)
    }
}
