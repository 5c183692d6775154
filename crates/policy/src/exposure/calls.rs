//! Paths by functions: called by name, or by what calls them unnamed: operators, casts, defaults, triggers, event triggers.

use super::functions::Out;
use super::kinds::Kind;
use super::links::{Hold, Link};
use super::points::{Callers, Path, Source, counting};
use super::report::Class;
use super::rights::{Rights, Target, Way};
use super::snapshot::{Caller, CallerKind, Function, Relation, Trigger};
use super::states::State;
use super::world::{Place, RoleAt};

impl<'s> Rights<'_, 's> {
    /// Paths by functions for a state.
    pub(crate) fn by_functions(
        &self,
        state: &State,
        sources: &[Source<'s>],
        callers: &Callers<'s>,
        found: &mut Vec<Path>,
    ) {
        for source in sources.iter().filter(|source| source.place == state.place) {
            let Some(here) = self.place(source.place) else {
                continue;
            };
            self.by_call(state, here, source, found);
            let key = (source.place, source.function.oid);
            for caller in callers.callers.get(&key).into_iter().flatten() {
                self.by_caller(state, here, source, caller, found);
            }
            for trigger in callers.triggers.get(&key).into_iter().flatten() {
                self.by_trigger(state, here, source, trigger, found);
            }
            for event in here
                .contents
                .event_triggers
                .iter()
                .filter(|one| one.enabled && one.function == source.function.oid)
            {
                self.by_event(state, here, source, (&event.name, &event.event), found);
            }
        }
    }

    /// What comes out to `state` of a function that is run by something of it.
    fn outcome(
        &self,
        state: &State,
        here: &Place<'s>,
        source: &Source<'s>,
        takes_result: bool,
    ) -> Option<(Class, Option<String>)> {
        if source.yielded.grants {
            return Some((
                Class::Grantable,
                Some("it grants the right, or opens the table".to_owned()),
            ));
        }
        let why = source.yielded.why.clone();
        if source.yielded.facts {
            return Some((Class::Facts, why));
        }
        match source.out {
            Out::Result if takes_result => Some((Class::Rows, why)),
            Out::Result
                if here
                    .meanings
                    .get(&source.function.oid)
                    .is_some_and(|meaning| meaning.tells) =>
            {
                Some((Class::Rows, why))
            }
            Out::Fact => Some((Class::Facts, why)),
            _ => self
                .sink(state.place, here, source.function, state.user)
                .map(|table| {
                    (
                        Class::Rows,
                        Some(format!("it writes into {table}, which can be read")),
                    )
                }),
        }
    }

    fn push(
        &self,
        state: &State,
        source: &Source<'s>,
        kind: Kind,
        links: Vec<Link>,
        (outcome, tries): ((Class, Option<String>), Option<String>),
        found: &mut Vec<Path>,
    ) {
        let mut links = links;
        links.extend(source.yielded.links.iter().cloned());
        found.push(Path {
            class: outcome.0,
            kind,
            links,
            columns: source.yielded.columns.clone(),
            why: outcome.1,
            tries: tries.map(|sql| (sql, false)),
            place: state.place,
            sets: state.sets,
        });
    }

    fn by_call(&self, state: &State, here: &Place<'s>, source: &Source<'s>, found: &mut Vec<Path>) {
        let function = source.function;
        if ["trigger", "event_trigger"].contains(&function.returns.as_str()) {
            return;
        }
        let target = self.function(state.place, function);
        let dynamic = here
            .meanings
            .get(&function.oid)
            .is_some_and(|meaning| meaning.dynamic > super::source::Dynamic::No);
        let kind = match function.kind.as_str() {
            "p" => Kind::DefinerProcedure,
            _ if dynamic => Kind::DefinerDynamic,
            _ => Kind::DefinerFunction,
        };
        let outcome = self.outcome(state, here, source, true);
        for way in self.ways(state.place, state.user, &target, 'X') {
            let named = self.namer(state, function.schema).is_some();
            let usage = named || self.usage(state.place, state.user, function.schema);
            let (class, why) = match (&outcome, usage) {
                (_, false) => (
                    Class::Blocked,
                    Some(format!(
                        "no USAGE on schema {}",
                        here.schema_name(function.schema)
                    )),
                ),
                (Some(outcome), true) => outcome.clone(),
                (None, true) => (
                    Class::Blocked,
                    Some("nothing of what it reads comes out to the caller".to_owned()),
                ),
            };
            self.push(
                state,
                source,
                kind,
                way.links,
                ((class, why), call(&target, function).filter(|_| !named)),
                found,
            );
        }
    }

    fn by_caller(
        &self,
        state: &State,
        here: &Place<'s>,
        source: &Source<'s>,
        caller: &Caller,
        found: &mut Vec<Path>,
    ) {
        let (place, user) = (state.place, state.user);
        if caller.schema != 0 && !self.usage(place, user, caller.schema) {
            return;
        }
        let function = self.function(place, source.function);
        let aggregate = (caller.kind == CallerKind::Aggregate)
            .then(|| here.function(caller.object))
            .flatten();
        // An aggregate's support functions are its owner's to execute; all else is checked for who asks.
        let execute = match aggregate {
            Some(aggregate) => self.ways(place, user, &self.function(place, aggregate), 'X'),
            None if matches!(caller.kind, CallerKind::OperatorClass) => return,
            None => self.ways(place, user, &function, 'X'),
        };
        let (kind, takes_result) = match caller.kind {
            CallerKind::Operator => (Kind::Operator, true),
            CallerKind::Cast => (Kind::Cast, true),
            CallerKind::Aggregate => (Kind::Aggregate, true),
            CallerKind::Domain => (Kind::Domain, false),
            CallerKind::Default => (Kind::ColumnDefault, true),
            CallerKind::Generated => (Kind::GeneratedColumn, true),
            CallerKind::Check | CallerKind::Index | CallerKind::Policy | CallerKind::OperatorClass => {
                (Kind::CheckConstraint, false)
            }
        };
        let Some(outcome) = self.outcome(state, here, source, takes_result) else {
            return;
        };
        let relation = here.relation(caller.relation);
        for way in execute {
            let mut links = way.links;
            if let Some(relation) = relation {
                let target = self.relation(place, relation);
                let rights = match caller.kind {
                    CallerKind::Policy => "rawd",
                    CallerKind::Check => "awd",
                    _ => "aw",
                };
                let writes = self.write_way(place, user, relation, &target, rights);
                let Some(write) = writes.filter(|_| self.usage(place, user, relation.schema)) else {
                    continue;
                };
                if takes_result && !self.selects(place, user, relation) {
                    continue;
                }
                links.splice(0..0, write.links);
            }
            let by = format!("is called by {} {}", kind.as_str().replace('_', " "), caller.name);
            links.push(Link::new(&function.title, &function.title, &by, Hold::Fixed));
            self.push(state, source, kind, links, (outcome.clone(), None), found);
        }
    }

    fn write_way(
        &self,
        place: usize,
        user: RoleAt,
        relation: &Relation,
        target: &Target,
        rights: &str,
    ) -> Option<Way> {
        rights.chars().find_map(|right| {
            self.ways(place, user, target, right)
                .into_iter()
                .next()
                .or_else(|| {
                    self.column_ways(place, user, relation, right)
                        .into_iter()
                        .next()
                        .map(|(way, _)| way)
                })
        })
    }

    fn by_trigger(
        &self,
        state: &State,
        here: &Place<'s>,
        source: &Source<'s>,
        trigger: &Trigger,
        found: &mut Vec<Path>,
    ) {
        let (place, user) = (state.place, state.user);
        let Some(relation) = here.relation(trigger.relation) else {
            return;
        };
        if !self.usage(place, user, relation.schema) {
            return;
        }
        // pg_trigger.tgtype: 4 INSERT, 8 DELETE, 16 UPDATE, 32 TRUNCATE.
        let rights: String = [(4, 'a'), (8, 'd'), (16, 'w'), (32, 'D')]
            .into_iter()
            .filter(|(bit, _)| trigger.bits & bit != 0)
            .map(|(_, right)| right)
            .collect();
        let target = self.relation(place, relation);
        let changes = here
            .meanings
            .get(&source.function.oid)
            .is_some_and(|meaning| meaning.changes_new);
        let outcome = match self.outcome(state, here, source, false) {
            Some(outcome) => outcome,
            None if changes && self.selects(place, user, relation) => (
                Class::Rows,
                Some("it puts what it reads into the row that is written, which can be read".to_owned()),
            ),
            None => return,
        };
        for right in rights.chars() {
            let Some(way) = self.write_way(place, user, relation, &target, &right.to_string()) else {
                continue;
            };
            let mut links = way.links;
            links.push(Link::new(
                &target.title,
                &here.function_title(source.function),
                &format!("fires trigger {}", trigger.name),
                Hold::Fixed,
            ));
            self.push(
                state,
                source,
                Kind::Trigger,
                links,
                (outcome.clone(), None),
                found,
            );
        }
    }

    fn by_event(
        &self,
        state: &State,
        here: &Place<'s>,
        source: &Source<'s>,
        (name, event): (&str, &str),
        found: &mut Vec<Path>,
    ) {
        let (place, user) = (state.place, state.user);
        let Some(database) = self.database(place) else {
            return;
        };
        let Some(outcome) = self.outcome(state, here, source, false) else {
            return;
        };
        let drop = Hold::Sql {
            place: Some(place),
            sql: format!("ALTER EVENT TRIGGER {} DISABLE;", super::links::name(name)),
            breaks: Some(format!("what event trigger {name} is for")),
        };
        let title = here.function_title(source.function);
        let fires = Link::new(
            self.world.name(user),
            &title,
            &format!("event trigger {name} fires at {event}"),
            drop,
        );
        let temporary = self.ways(place, user, &database, 'T').into_iter().next();
        let links = if event == "login" {
            vec![fires]
        } else if let Some(way) = temporary {
            let mut links = vec![fires];
            links.extend(way.links);
            links
        } else if self.creates_somewhere(place, user) || self.owns_something(place, user) {
            vec![fires]
        } else {
            return;
        };
        self.push(state, source, Kind::EventTrigger, links, (outcome, None), found);
    }
}

/// A call with made-up arguments, for functions whose text we can read.
pub(crate) fn call(target: &Target, function: &Function) -> Option<String> {
    let source = function.source.as_deref()?;
    if function.kind == "p"
        || !["sql", "plpgsql"].contains(&function.language.as_str())
        || source.contains("dblink")
    {
        return None;
    }
    let name = target
        .object
        .strip_prefix("FUNCTION ")?
        .strip_suffix(&format!("({})", function.arguments))?
        .to_owned();
    let made_up = |kind: &String| match kind.as_str() {
        "text" | "character varying" | "name" => format!("''::{kind}"),
        "integer" | "bigint" | "smallint" | "numeric" => format!("1::{kind}"),
        kind => format!("NULL::{kind}"),
    };
    let arguments: Vec<String> = function.takes.iter().flatten().map(made_up).collect();
    Some(counting(&format!("SELECT {name}({})", arguments.join(", "))))
}
