//! Ways that go round the login: scheduled jobs, and copies of the whole database.

use super::kinds::Kind;
use super::links::{Hold, Link};
use super::nodes::Nodes;
use super::points::Path;
use super::report::Class;
use super::rights::Rights;
use super::snapshot::Relation;
use super::states::State;

impl Rights<'_, '_> {
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
