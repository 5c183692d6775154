//! Ways that go round the login: scheduled jobs, and copies of the whole database.

use super::borrowed::Borrowed;
use super::kinds::Kind;
use super::links::{Hold, Link};
use super::nodes::{Nodes, resolve};
use super::points::Path;
use super::report::Class;
use super::rights::Rights;
use super::row_security::RowSecurity;
use super::snapshot::{Job, Oid, Relation};
use super::source::Named;
use super::states::State;
use super::touched::Touched;
use super::world::RoleAt;

/// So much of what a job touches is looked at.
const MOST: usize = 256;

/// Something that a scheduled job touches, and as whom.
#[derive(Debug)]
pub(crate) struct Step<'s> {
    pub(crate) runs: RoleAt,
    job: &'s Job,
    pub(crate) touched: Touched<'s>,
}

impl<'s> Rights<'_, 's> {
    pub(crate) fn template(
        &self,
        state: &State,
        home: usize,
        target: &Relation,
        nodes: &Nodes,
        found: &mut Vec<Path>,
    ) {
        let Some(here) = self.place(home).filter(|here| here.database.template) else {
            return;
        };
        let Some(role) = self.world.role(state.user).filter(|role| role.create_db) else {
            return;
        };
        // The copy's owner is its `pg_database_owner` as well.
        let both: Vec<_> = std::iter::once(state.user)
            .chain(self.world.database_owner)
            .collect();
        let usable = |relation: &Relation| both.iter().any(|role| self.usage(home, *role, relation.schema));
        let reads = nodes.list.iter().filter(|node| node.place == home).any(|node| {
            node.needs.is_empty()
                && node.executes.is_empty()
                && !node.facts
                && here.relation(node.relation).is_some_and(usable)
                && both.iter().any(|role| self.reads_as(node, *role))
        });
        if !reads {
            return;
        }
        let hold = Hold::Attribute {
            role: state.user,
            undo: "NOCREATEDB",
        };
        let by = format!(
            "CREATEDB, and database {} is a template: its copy has the same grants and lets its owner in",
            here.database.name
        );
        let links = vec![Link::new(&role.name, &here.title(target), &by, hold)];
        found.push(self.simple(state, Class::Grantable, Kind::TemplateDatabase, links, None));
    }

    /// What scheduled jobs call, read and write in a database, by whom the job runs as.
    pub(crate) fn job_steps(&self, place: usize) -> Vec<Step<'s>> {
        let Some(here) = self.place(place) else {
            return Vec::new();
        };
        let mut found = Vec::new();
        for at in &self.world.places {
            let own = |job: &&Job| match &job.database {
                Some(name) => *name == here.database.name,
                None => at.database.name == here.database.name,
            };
            for job in at.contents.jobs.iter().filter(|job| job.active).filter(own) {
                let Some(runs) = self.runs_as(job) else { continue };
                let meaning = super::source::meaning(&job.command);
                let of = |named: &Named| resolve(here, named.schema.as_deref(), &named.name, None);
                let mut touched: Vec<Touched<'s>> = Vec::new();
                touched.extend(meaning.reads.iter().flat_map(of).map(Touched::Reads));
                touched.extend(meaning.writes.iter().flat_map(of).map(Touched::Writes));
                for called in &meaning.calls {
                    for function in self.functions_named(here, called, None) {
                        touched.push(Touched::Calls(function));
                        if !function.definer {
                            touched.extend(self.touched(here, function));
                        }
                    }
                }
                touched.truncate(MOST);
                found.extend(touched.into_iter().map(|touched| Step { runs, job, touched }));
            }
        }
        found
    }

    /// Whom a job runs as, where the scheduler lets it: pg_cron runs none of a role that may not log in.
    fn runs_as(&self, job: &Job) -> Option<RoleAt> {
        let Some(name) = job.user.as_deref() else {
            return self.superuser();
        };
        let role = *self.world.by_name.get(name)?;
        self.world.role(role).filter(|role| role.login).map(|_| role)
    }

    /// Whom a role becomes by something of its own that a scheduled job calls, reads or writes.
    pub(crate) fn scheduled(&self, place: usize, user: RoleAt, steps: &[Step<'s>]) -> Vec<Borrowed> {
        let Some(here) = self.place(place).filter(|_| !steps.is_empty()) else {
            return Vec::new();
        };
        let tree = self.tree(place, user);
        let mut found = Vec::new();
        for step in steps.iter().filter(|step| !tree.has(step.runs)) {
            let owns = |oid: Oid| self.world.at(oid).filter(|owner| tree.has(*owner));
            let schema = step.touched.schema();
            let creates = || {
                let schema = self.schema(place, schema);
                schema.is_some_and(|schema| self.may(place, user, &schema, 'C'))
            };
            let (object, owner, by) = match step.touched {
                Touched::Calls(function) => (self.function(place, function), function.owner, "called by"),
                // A view in place of the table runs its functions as who reads it.
                Touched::Reads(relation) => (self.relation(place, relation), relation.owner, "read by"),
                Touched::Writes(relation) => (self.relation(place, relation), relation.owner, "written by"),
            };
            let codes = || {
                let temporary = self.database(place);
                self.creates_somewhere(place, user)
                    || temporary.is_some_and(|database| self.may(place, user, &database, 'T'))
            };
            let links = match step.touched {
                Touched::Writes(relation) => match owns(owner) {
                    Some(owner) if codes() => {
                        let mut links = self.chain(&tree, owner);
                        links.push(self.owner_link(place, owner, &object));
                        Some(links)
                    }
                    None if self.touches(place, user, relation) && codes() => {
                        let way = self.ways(place, user, &object, 't').into_iter().next();
                        way.map(|way| way.links)
                    }
                    _ => None,
                },
                _ => owns(owner).filter(|_| creates()).map(|owner| {
                    let mut links = self.chain(&tree, owner);
                    links.push(self.owner_link(place, owner, &object));
                    links
                }),
            };
            // The owner of a schema may drop what is in it, and put something else there.
            let dropped = || {
                let owner = owns(here.schemas.get(&schema)?.owner).filter(|_| creates())?;
                let schema = self.schema(place, schema)?;
                let mut links = self.chain(&tree, owner);
                links.push(self.owner_link(place, owner, &schema));
                links.push(Link::new(
                    &schema.title,
                    &object.title,
                    "may be put anew into by its owner:",
                    Hold::Fixed,
                ));
                Some(links)
            };
            let Some(mut links) = links.or_else(dropped) else {
                continue;
            };
            let by = format!("is {by} {} job {} as", step.job.scheduler, step.job.id);
            links.push(Link::new(
                &object.title,
                self.world.name(step.runs),
                &by,
                Hold::Fixed,
            ));
            found.push(Borrowed {
                to: step.runs,
                kind: Kind::ScheduledJob,
                class: Class::Grantable,
                links,
                why: "what it puts there runs as whom the job runs as",
            });
        }
        found
    }

    /// Whether row security lets a role write a scheduler's table for others: pg_cron's own policy lets it for itself alone.
    pub(crate) fn schedules_for_others(&self, place: usize, user: RoleAt, relation: &Relation) -> bool {
        match self.row_security(place, user, relation) {
            RowSecurity::Off | RowSecurity::Bypassed(_) => true,
            RowSecurity::Some(_) | RowSecurity::Nothing => {
                let tree = self.tree(place, user);
                let here = self.place(place);
                let mut policies = here
                    .into_iter()
                    .flat_map(|here| here.index.policies(relation.oid));
                policies.any(|policy| {
                    let applies = policy
                        .roles
                        .iter()
                        .any(|oid| *oid == 0 || self.world.at(*oid).is_some_and(|role| tree.has(role)));
                    let own = policy
                        .condition
                        .as_deref()
                        .is_some_and(|condition| condition.to_lowercase().contains("current_user"));
                    policy.permissive && applies && policy.command != "r" && policy.command != "d" && !own
                })
            }
        }
    }

    /// Jobs that run as the role whatever becomes of its login.
    pub(crate) fn jobs_as(&self, state: &State, (home, target): (usize, &Relation), found: &mut Vec<Path>) {
        let user = self.world.name(state.user);
        let Some(here) = self.place(home) else { return };
        let runs = self.world.role(state.user).is_some_and(|role| role.login);
        let reads = || self.usage(home, state.user, target.schema) && self.selects(home, state.user, target);
        if !runs || !reads() {
            return;
        }
        let home = here;
        for place in &self.world.places {
            for job in place
                .contents
                .jobs
                .iter()
                .filter(|job| job.active && job.user.as_deref() == Some(user))
            {
                if job
                    .database
                    .as_deref()
                    .is_some_and(|database| database != home.database.name)
                {
                    continue;
                }
                let meaning = super::source::meaning(&job.command);
                let names = meaning.reads.iter().any(|named| {
                    named.name == target.name
                        && named
                            .schema
                            .as_deref()
                            .is_none_or(|schema| schema == home.schema_name(target.schema))
                });
                if names {
                    let sql = format!("SELECT cron.unschedule({});", job.id);
                    let at = self
                        .world
                        .places
                        .iter()
                        .position(|one| one.database.name == place.database.name);
                    let hold = Hold::Sql {
                        place: at,
                        sql,
                        breaks: Some(format!("job {}", job.id)),
                    };
                    let by = format!(
                        "{} job {} runs as it, whether pg_hba.conf lets it in or not",
                        job.scheduler, job.id
                    );
                    let links = vec![Link::new(user, &home.title(target), &by, hold)];
                    found.push(self.simple(state, Class::Rows, Kind::ScheduledJob, links, None));
                }
            }
        }
    }
}
