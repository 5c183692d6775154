//! Ways that go round the login: scheduled jobs, and copies of the whole database.

use super::borrowed::Borrowed;
use super::kinds::Kind;
use super::links::{Hold, Link};
use super::nodes::Nodes;
use super::points::Path;
use super::report::Class;
use super::rights::Rights;
use super::snapshot::{Function, Job, Relation};
use super::states::State;
use super::world::RoleAt;

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

    /// Functions that scheduled jobs call in a database, by whom the job runs as, and the job.
    pub(crate) fn called_by_jobs(&self, place: usize) -> Vec<(RoleAt, &'s Function, &'s Job)> {
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
                let named = job
                    .user
                    .as_deref()
                    .and_then(|name| self.world.by_name.get(name).copied());
                let Some(runs) = named.or_else(|| self.superuser()) else {
                    continue;
                };
                for called in super::source::meaning(&job.command).calls {
                    let functions = self.functions_named(here, &called, None);
                    found.extend(functions.into_iter().map(|function| (runs, function, job)));
                }
            }
        }
        found
    }

    /// Whom a role becomes by a function of its own that a scheduled job calls.
    pub(crate) fn scheduled(&self, place: usize, user: RoleAt) -> Vec<Borrowed> {
        let called = self.called_by_jobs(place);
        if called.is_empty() {
            return Vec::new();
        }
        let tree = self.tree(place, user);
        let mut found = Vec::new();
        for (runs, function, job) in called {
            let owner = self
                .world
                .at(function.owner)
                .filter(|owner| tree.has(*owner) && *owner != runs);
            let Some(owner) = owner.filter(|_| self.replaces(place, user, function)) else {
                continue;
            };
            let object = self.function(place, function);
            let mut links = self.chain(&tree, owner);
            links.push(self.owner_link(place, owner, &object));
            let by = format!("is called by {} job {} as", job.scheduler, job.id);
            links.push(Link::new(&object.title, self.world.name(runs), &by, Hold::Fixed));
            found.push(Borrowed {
                to: runs,
                kind: Kind::ScheduledJob,
                class: Class::Grantable,
                links,
                why: "what it puts into its own function runs as whom the job runs as",
            });
        }
        found
    }

    /// Jobs that run as the role whatever becomes of its login.
    pub(crate) fn jobs_as(&self, state: &State, (home, target): (usize, &Relation), found: &mut Vec<Path>) {
        let user = self.world.name(state.user);
        let Some(home) = self.place(home) else { return };
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
                    let by = format!("{} job {} runs as it, logged in or not", job.scheduler, job.id);
                    let links = vec![Link::new(user, &home.title(target), &by, hold)];
                    found.push(self.simple(state, Class::Rows, Kind::ScheduledJob, links, None));
                }
            }
        }
    }
}
