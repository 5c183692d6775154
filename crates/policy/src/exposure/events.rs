//! Event triggers: they fire for whoever runs the statements they are for, before anybody looks whether that role may.

use super::kinds::Kind;
use super::links::{Hold, Link, name};
use super::points::{Path, Source};
use super::rights::Rights;
use super::snapshot::EventTrigger;
use super::states::State;
use super::world::{Place, RoleAt};

/// Statements that every role may run: on defaults of its own.
const ANYBODY: &str = "ALTER DEFAULT PRIVILEGES";

/// Statements that take a right on the database, or more.
const OF_DATABASE: &[&str] = &[
    "CREATE SCHEMA",
    "ALTER SCHEMA",
    "DROP SCHEMA",
    "CREATE EXTENSION",
    "ALTER EXTENSION",
    "DROP EXTENSION",
    "CREATE PUBLICATION",
    "ALTER PUBLICATION",
    "DROP PUBLICATION",
    "CREATE SUBSCRIPTION",
    "ALTER SUBSCRIPTION",
    "DROP SUBSCRIPTION",
    "CREATE LANGUAGE",
    "ALTER LANGUAGE",
    "DROP LANGUAGE",
    "CREATE ACCESS METHOD",
    "DROP ACCESS METHOD",
    "CREATE FOREIGN DATA WRAPPER",
    "ALTER FOREIGN DATA WRAPPER",
    "DROP FOREIGN DATA WRAPPER",
    "CREATE SERVER",
    "ALTER SERVER",
    "DROP SERVER",
    "CREATE TRANSFORM",
    "DROP TRANSFORM",
    "CREATE CAST",
    "DROP CAST",
];

/// By what a role makes an event come about.
enum Comes {
    /// It needs no right.
    Freely,
    /// By making something temporary, or in a schema, or by owning something.
    Making,
    /// By a right on the database.
    OnDatabase,
}

fn comes(event: &EventTrigger) -> Comes {
    let tags = event.tags.as_deref();
    let anybody = tags.is_none_or(|tags| tags.iter().any(|tag| tag == ANYBODY));
    match event.event.as_str() {
        // A statement that is refused in the end has fired it before.
        "ddl_command_start" => Comes::Freely,
        "ddl_command_end" if anybody => Comes::Freely,
        _ if tags.is_some_and(|tags| tags.iter().all(|tag| OF_DATABASE.contains(&tag.as_str()))) => {
            Comes::OnDatabase
        }
        _ => Comes::Making,
    }
}

impl<'s> Rights<'_, 's> {
    pub(crate) fn by_event(
        &self,
        state: &State,
        here: &Place<'s>,
        source: &Source<'s>,
        event: &EventTrigger,
        found: &mut Vec<Path>,
    ) {
        let (place, user) = (state.place, state.user);
        let Some(outcome) = self.outcome(state, here, source, false) else {
            return;
        };
        let drop = Hold::Sql {
            place: Some(place),
            sql: format!("ALTER EVENT TRIGGER {} DISABLE;", name(&event.name)),
            breaks: Some(format!("what event trigger {} is for", event.name)),
        };
        let title = here.function_title(source.function);
        let by = format!("event trigger {} fires at {}", event.name, event.event);
        let mut links = vec![Link::new(self.world.name(user), &title, &by, drop)];
        if event.event == "login" {
            // As who logs in, before any role is set.
            if state.sets.is_some() {
                return;
            }
        } else {
            match self.brings_about(place, user, event) {
                Some(more) => links.extend(more),
                None => return,
            }
        }
        self.push(state, source, Kind::EventTrigger, links, (outcome, None), found);
    }

    /// By which rights a role makes an event come about.
    fn brings_about(&self, place: usize, user: RoleAt, event: &EventTrigger) -> Option<Vec<Link>> {
        let database = self.database(place)?;
        let way = |right| {
            let first = self.ways(place, user, &database, right).into_iter().next();
            first.map(|way| way.links)
        };
        match comes(event) {
            Comes::Freely => Some(Vec::new()),
            Comes::OnDatabase => way('C'),
            Comes::Making => way('T').or_else(|| {
                let makes = self.creates_somewhere(place, user) || self.owns_something(place, user);
                makes.then(Vec::new)
            }),
        }
    }
}
