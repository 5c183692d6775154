//! Copies of a relation: by triggers, rules, subscriptions and chance, here and in other databases of the cluster.

use super::kinds::Kind;
use super::links::{Hold, Link};
use super::nodes::{Add, Node, Reverse, counted, resolve};
use super::rights::Rights;
use super::snapshot::{Function, Job, Relation};
use super::source::{Dynamic, Meaning, Named};
use super::world::Place;

/// Calls of a trigger's function are followed so deep, and so many functions.
const CALLS: usize = 3;
const WRITERS: usize = 64;

/// Programs by which a job that runs one reads a table.
const PRINTS: &[&str] = &["psql", "pg_dump"];

impl<'s> Rights<'_, 's> {
    /// Copies in other databases, found by their values.
    pub(crate) fn copied_elsewhere(&self, node: &Node, here: &Place<'s>, relation: &Relation) -> Vec<Node> {
        let database = &here.database.name;
        let copies = self.world.snapshot.copies.iter().filter(|one| {
            one.of == node.relation && one.of_database == *database && one.database != *database
        });
        let found = copies.filter_map(|copied| {
            let places = &self.world.places;
            let at = places
                .iter()
                .position(|place| place.database.name == copied.database)?;
            let there = self.place(at)?;
            let from = format!(
                "{} in {}",
                there.title(there.relation(copied.relation)?),
                copied.database
            );
            let by = format!("has {} values in common with", copied.shared);
            let mut links = vec![Link::new(&from, &here.title(relation), &by, Hold::Fixed)];
            links.extend(node.links.iter().cloned());
            Some(Node {
                place: at,
                relation: copied.relation,
                links,
                columns: None,
                kind: Some(Kind::Copy),
                needs: Vec::new(),
                executes: Vec::new(),
                why: Some("the same values stand in its statistics: see whether it is a copy".to_owned()),
                ..node.clone()
            })
        });
        found.collect()
    }

    /// Relations that triggers, rules or chance have made copies of this one.
    pub(crate) fn copies(&self, reverse: &Reverse<'s>, node: &Node, here: &Place<'s>, add: Add<'_>) {
        let fresh = |next: &mut Node| {
            next.needs.clear();
            next.views.clear();
            next.executes.clear();
            next.columns = None;
        };
        let key = (node.place, node.relation);
        for trigger in reverse.triggers.get(&key).into_iter().flatten() {
            let (Some(function), Some(meaning)) = (
                here.function(trigger.function),
                here.meanings.get(&trigger.function),
            ) else {
                continue;
            };
            let path = self.looks_in(function, Some(meaning));
            // A journal of who did what when holds nothing of the rows.
            let reads = |named: &Named| {
                here.relation(node.relation)
                    .is_some_and(|one| one.name == named.name)
            };
            let shows = meaning.shows_row
                || trigger.transition
                || meaning.dynamic != Dynamic::No
                || meaning.reads.iter().any(reads);
            {
                let args = trigger.args.as_deref().unwrap_or_default();
                for copy in self.written_by(here, function, (meaning, path.as_deref()), args) {
                    let by = format!(
                        "is written to by trigger {} ({}) on",
                        trigger.name,
                        here.function_title(function)
                    );
                    add(copy.oid, Kind::TriggerCopy, &by, &|next| {
                        fresh(next);
                        next.facts |= !shows;
                    });
                }
            }
        }
        for rule in reverse.written.get(&key).into_iter().flatten() {
            let meaning = super::source::meaning(rule.text.as_deref().unwrap_or_default());
            let reads =
                (rule.reads.iter().flatten()).any(|one| one.relation == node.relation && !counted(one));
            let shows = reads || meaning.shows_row;
            for written in meaning.writes {
                for copy in resolve(here, written.schema.as_deref(), &written.name, None) {
                    add(
                        copy.oid,
                        Kind::RuleCopy,
                        &format!("is written to by rule {} on", rule.name),
                        &|next| {
                            fresh(next);
                            next.facts |= !shows;
                        },
                    );
                }
            }
        }
        let database = &here.database.name;
        for copied in self
            .world
            .snapshot
            .copies
            .iter()
            .filter(|one| one.of == node.relation && one.of_database == *database)
        {
            if copied.database == *database {
                let by = format!("has {} values in common with", copied.shared);
                add(copied.relation, Kind::Copy, &by, &|next| {
                    fresh(next);
                    next.why =
                        Some("the same values stand in its statistics: see whether it is a copy".to_owned());
                });
            }
        }
    }

    /// What a trigger's function writes, itself, by what it calls, or where its arguments say.
    fn written_by(
        &self,
        here: &Place<'s>,
        function: &'s Function,
        (meaning, path): (&Meaning, Option<&[String]>),
        args: &[String],
    ) -> Vec<&'s Relation> {
        let mut found = Vec::new();
        let mut take = |meaning: &Meaning, path: Option<&[String]>| {
            for written in &meaning.writes {
                found.extend(resolve(here, written.schema.as_deref(), &written.name, path));
            }
        };
        take(meaning, path);
        let mut seen = vec![function.oid];
        let mut next = vec![function];
        for _ in 0..CALLS {
            let mut called = Vec::new();
            for one in next {
                let meaning = here.meanings.get(&one.oid);
                let path = self.looks_in(one, meaning);
                let names = meaning.into_iter().flat_map(|meaning| &meaning.calls);
                called.extend(names.flat_map(|named| self.functions_named(here, named, path.as_deref())));
            }
            called.retain(|one| !seen.contains(&one.oid) && seen.len() < WRITERS);
            seen.extend(called.iter().map(|one| one.oid));
            for one in &called {
                if let Some(meaning) = here.meanings.get(&one.oid) {
                    take(meaning, self.looks_in(one, Some(meaning)).as_deref());
                }
            }
            next = called;
        }
        if meaning.dynamic != Dynamic::No {
            let named = args.iter().filter_map(|arg| super::source::relation(arg));
            found.extend(named.flat_map(|named| resolve(here, named.schema.as_deref(), &named.name, path)));
        }
        found
    }

    /// Relations into which scheduled jobs write what they read of this one.
    pub(crate) fn by_jobs(&self, node: &Node, here: &Place<'s>, relation: &Relation, add: Add<'_>) {
        let jobs = self.world.places.iter().flat_map(|place| &place.contents.jobs);
        let own = |job: &&Job| {
            job.database
                .as_ref()
                .is_none_or(|name| *name == here.database.name)
        };
        for job in jobs
            .filter(own)
            .filter(|job| job.command.contains(&relation.name))
        {
            // What a program prints, pgAgent keeps.
            let prints = job.scheduler == "pgagent" && job.database.is_none();
            if prints && PRINTS.iter().any(|program| job.command.contains(program)) {
                for copy in resolve(here, Some("pgagent"), "pga_jobsteplog", None) {
                    let by = format!("keeps what {} job {} prints of", job.scheduler, job.id);
                    add(copy.oid, Kind::ScheduledJob, &by, &|next| {
                        next.needs.clear();
                        next.views.clear();
                        next.executes.clear();
                        next.columns = None;
                    });
                }
            }
            let meaning = super::source::meaning(&job.command);
            let reads = meaning.reads.iter().any(|named| {
                let schema = named.schema.as_deref();
                named.name == relation.name
                    && schema.is_none_or(|one| one == here.schema_name(relation.schema))
            });
            for written in meaning.writes.iter().filter(|_| reads) {
                for copy in resolve(here, written.schema.as_deref(), &written.name, None) {
                    if copy.oid == node.relation {
                        continue;
                    }
                    let by = format!("is written to by {} job {} from", job.scheduler, job.id);
                    add(copy.oid, Kind::ScheduledJob, &by, &|next| {
                        next.needs.clear();
                        next.views.clear();
                        next.executes.clear();
                        next.columns = None;
                    });
                }
            }
        }
    }

    /// Tables of other databases into which a subscription copies this one.
    pub(crate) fn subscribed(&self, node: &Node, here: &Place<'s>, relation: &Relation) -> Vec<Node> {
        let subscribes = |place: &Place<'_>| !place.contents.subscriptions.is_empty();
        if !self.world.places.iter().any(subscribes) {
            return Vec::new();
        }
        let title = here.title(relation);
        let published: Vec<&str> = (here.contents.publications.iter())
            .filter(|one| {
                one.all
                    || one.relations.iter().flatten().any(|oid| *oid == relation.oid)
                    || one.schemas.iter().flatten().any(|oid| *oid == relation.schema)
            })
            .map(|one| one.name.as_str())
            .collect();
        let mut found = Vec::new();
        for (at, there) in self
            .world
            .places
            .iter()
            .enumerate()
            .filter(|(at, _)| *at != node.place)
        {
            for subscription in &there.contents.subscriptions {
                let takes = subscription
                    .publications
                    .iter()
                    .flatten()
                    .any(|name| published.contains(&name.as_str()));
                if !takes {
                    continue;
                }
                let same = subscription
                    .relations
                    .iter()
                    .flatten()
                    .filter_map(|oid| there.relation(*oid));
                for copy in same.filter(|copy| there.title(copy) == title) {
                    let by = format!("is a copy by subscription {} of", subscription.name);
                    let from = format!("{} in {}", there.title(copy), there.database.name);
                    let mut links = vec![Link::new(&from, &title, &by, Hold::Fixed)];
                    links.extend(node.links.iter().cloned());
                    found.push(Node {
                        place: at,
                        relation: copy.oid,
                        links,
                        kind: Some(Kind::Subscription),
                        needs: Vec::new(),
                        executes: Vec::new(),
                        ..node.clone()
                    });
                }
            }
        }
        found
    }
}
