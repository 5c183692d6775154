//! Paths by functions: called by name, or by what calls them unnamed: operators, casts, defaults, triggers, event triggers.

use super::functions::Out;
use super::kinds::Kind;
use super::links::{Hold, Link};
use super::points::{Callers, Path, Source};
use super::report::Class;
use super::rights::{Rights, Target, Way};
use super::snapshot::{Caller, CallerKind, Function, Relation, Trigger};
use super::states::State;
use super::trying::call;
use super::world::{Place, RoleAt};

/// A function that is called by its name.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Called<'a, 's> {
    pub(crate) source: &'a Source<'s>,
    pub(crate) target: &'a Target,
    pub(crate) outcome: &'a Option<(Class, Option<String>)>,
}

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
            self.by_own_trigger(state, here, source, found);
            let key = (source.place, source.function.oid);
            for caller in callers.callers.get(&key).into_iter().flatten() {
                self.by_caller(state, here, source, (caller, callers), found);
            }
            for trigger in callers.triggers.get(&key).into_iter().flatten() {
                self.by_trigger(state, here, source, (trigger, callers), found);
            }
            for trigger in callers.asleep.get(&key).into_iter().flatten() {
                self.by_sleeping(state, here, source, (trigger, callers), found);
            }
            for event in here
                .contents
                .event_triggers
                .iter()
                .filter(|one| one.enabled && one.function == source.function.oid)
            {
                self.by_event(state, here, source, event, found);
            }
        }
    }

    /// What comes out to `state` of a function that is run by something of it.
    pub(crate) fn outcome(
        &self,
        state: &State,
        here: &Place<'s>,
        source: &Source<'s>,
        takes_result: bool,
    ) -> Option<(Class, Option<String>)> {
        let (class, why) = self.outcome_for_all(state, here, source, takes_result)?;
        match self.not_meant(state, here, source.function) {
            Some(whom) if class < Class::Latent => Some((Class::Latent, Some(only_for(&whom)))),
            _ => Some((class, why)),
        }
    }

    /// Who logged in for a state, where that is known.
    pub(crate) fn session_of<'a>(&'a self, state: &'a State) -> Option<&'a str> {
        let elsewhere = matches!(
            state.kind,
            Some(Kind::Dblink | Kind::UserMapping | Kind::ScheduledJob)
        );
        let login = match state.links.first() {
            Some(first) => first.from.as_str(),
            None => self.world.name(state.user),
        };
        Some(login).filter(|_| !elsewhere)
    }

    /// Whom a function's text goes on for, where that is not who began the session.
    fn not_meant(&self, state: &State, here: &Place<'s>, function: &Function) -> Option<String> {
        let names = &here.meanings.get(&function.oid)?.sessions;
        let login = self.session_of(state);
        let meant = names.is_empty() || login.is_none_or(|login| names.iter().any(|name| name == login));
        (!meant).then(|| names.join(", "))
    }

    fn outcome_for_all(
        &self,
        state: &State,
        here: &Place<'s>,
        source: &Source<'s>,
        takes_result: bool,
    ) -> Option<(Class, Option<String>)> {
        let to = source.yielded.to.as_deref();
        if (source.yielded.grants || source.yielded.opens.is_some()) && !self.is_among(state, to) {
            return None;
        }
        if let Some(opened) = &source.yielded.opens {
            let why = "it opens the way to what may be read already".to_owned();
            return (self.opens_for(state, here, opened)).then_some((Class::Grantable, Some(why)));
        }
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

    pub(crate) fn push(
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
        let called = Called {
            source,
            target: &target,
            outcome: &outcome,
        };
        self.by_lost_execute(state, &called, found);
        for way in self.ways(state.place, state.user, &target, 'X') {
            let named = self.namer(state, function.schema).is_some();
            let usage = named || self.usage(state.place, state.user, function.schema);
            let regains = self.owns_schema(state.place, state.user, function.schema);
            let (class, why) = match (&outcome, usage) {
                (Some(_), false) if regains => {
                    (Class::Grantable, Some(super::owning::CAN_GIVE_BACK.to_owned()))
                }
                (_, false) => (
                    Class::Blocked,
                    Some(format!(
                        "no USAGE on schema {}",
                        here.schema_name(function.schema)
                    )),
                ),
                (Some(outcome), true) => outcome.clone(),
                (None, true) if let Some(column) = self.refused(here, function) => (
                    Class::Latent,
                    Some(format!(
                        "nothing comes out of it but errors, and those show the value of {column} that cannot be cast"
                    )),
                ),
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
        (caller, callers): (&Caller, &Callers<'s>),
        found: &mut Vec<Path>,
    ) {
        let (place, user) = (state.place, state.user);
        if matches!(
            caller.kind,
            CallerKind::Index | CallerKind::Key | CallerKind::Statistics
        ) {
            self.by_maintenance(state, here, source, caller, found);
        }
        if caller.kind == CallerKind::Statistics {
            return;
        }
        if caller.schema != 0 && !self.usage(place, user, caller.schema) {
            return;
        }
        let function = self.function(place, source.function);
        let itself = here.function(caller.object);
        let execute = match (caller.kind, itself) {
            // An aggregate's support functions are its owner's to execute; all else is checked for who asks.
            (CallerKind::Aggregate, Some(aggregate)) => {
                self.ways(place, user, &self.function(place, aggregate), 'X')
            }
            (CallerKind::OperatorClass, _) => self.compared(state, source, &function, caller),
            // Nothing is asked for but the right to write.
            (CallerKind::Key, _) => vec![Way {
                kind: Kind::CheckConstraint,
                links: Vec::new(),
            }],
            (CallerKind::Function, Some(outer))
                if !self.may(place, user, &self.function(place, outer), 'X') =>
            {
                return;
            }
            _ => self.ways(place, user, &function, 'X'),
        };
        let own = caller.kind == CallerKind::Default && caller.relation == 0;
        // A range is measured, and a class that is not its type's own is used, by an index on a table of one's own.
        let range = caller.kind == CallerKind::OperatorClass && caller.object != 0;
        if (own || range) && !self.makes_tables(place, user) {
            return;
        }
        let rule = (caller.kind == CallerKind::Rule)
            .then(|| {
                let mut rules = here.contents.rules.iter();
                rules.find(|rule| rule.relation == caller.relation && rule.name == caller.name)
            })
            .flatten();
        // One that is switched off is switched on by its relation's owner.
        let asleep = rule.is_some_and(|rule| !rule.enabled);
        if asleep && !self.wakes(state, here, caller.relation) {
            return;
        }
        let (kind, takes_result) = match caller.kind {
            CallerKind::Operator => (Kind::Operator, true),
            CallerKind::OperatorClass => (Kind::Operator, false),
            CallerKind::Cast => (Kind::Cast, true),
            CallerKind::Aggregate => (Kind::Aggregate, true),
            CallerKind::Function => (Kind::DefinerFunction, true),
            CallerKind::Rule => match rule.map(|rule| self.rule_gives(place, user, rule)) {
                Some(gives) => (Kind::Rule, gives.is_some()),
                None => return,
            },
            CallerKind::Domain => (Kind::Domain, false),
            CallerKind::Default if own => (Kind::Domain, true),
            CallerKind::Default => (Kind::ColumnDefault, true),
            CallerKind::Generated => (Kind::GeneratedColumn, true),
            CallerKind::Check
            | CallerKind::Index
            | CallerKind::Key
            | CallerKind::Statistics
            | CallerKind::Policy => (Kind::CheckConstraint, false),
        };
        let Some(mut outcome) = self.outcome(state, here, source, takes_result) else {
            return;
        };
        if asleep {
            outcome.0 = outcome.0.max(Class::Grantable);
        }
        let relation = here.relation(caller.relation);
        let needs = match caller.kind {
            CallerKind::Policy => "rawd",
            CallerKind::Check => "awd",
            CallerKind::Rule => rule.map_or("", |rule| super::writing::of_event(&rule.event)),
            _ => "aw",
        };
        // What is computed for a row shows in it; a rule's answer needs no right to read.
        let shown = takes_result && kind != Kind::Rule;
        for way in execute {
            let mut links = way.links;
            if let Some(relation) = relation {
                let write = needs.chars().find_map(|right| {
                    let writers = match caller.kind {
                        CallerKind::Policy | CallerKind::Rule => Vec::new(),
                        _ => self.writers(callers, place, relation, right),
                    };
                    let own = super::writing::Writer {
                        relation,
                        right,
                        shows: true,
                    };
                    let writers = std::iter::once(own).chain(writers.into_iter().skip(1));
                    let mut seen = writers.filter(|writer| {
                        !shown || writer.shows && self.selects(place, user, writer.relation)
                    });
                    seen.find_map(|writer| self.write_way(place, user, writer.relation, writer.right))
                });
                let Some(write) = write else { continue };
                links.splice(0..0, write.links);
            }
            let by = format!("is called by {} {}", kind.as_str().replace('_', " "), caller.name);
            links.push(Link::new(&function.title, &function.title, &by, Hold::Fixed));
            self.push(state, source, kind, links, (outcome.clone(), None), found);
        }
    }

    /// The support functions of an operator class are called with the values that are sorted or compared, and no EXECUTE is
    /// asked for: what is held is USAGE on the schema of their type.
    fn compared(&self, state: &State, source: &Source<'s>, function: &Target, caller: &Caller) -> Vec<Way> {
        let by = format!("compares values, by operator class {}, with", caller.name);
        let schema = self.schema(state.place, caller.schema);
        let held = schema.iter().flat_map(|schema| {
            let ways = self.ways(state.place, state.user, schema, 'U').into_iter();
            ways.filter(|way| way.kind != Kind::PublicGrant).map(|mut way| {
                way.links
                    .push(Link::new(&schema.title, &function.title, &by, Hold::Fixed));
                way
            })
        });
        let held: Vec<Way> = held.collect();
        if !held.is_empty() {
            return held;
        }
        let hold = Hold::Sql {
            place: Some(source.place),
            sql: format!("ALTER {} SECURITY INVOKER;", function.object),
            breaks: Some(format!(
                "sorting and comparing by {} where who asks may not read what the function reads",
                caller.name
            )),
        };
        let link = Link::new(self.world.name(state.user), &function.title, &by, hold);
        vec![Way {
            kind: Kind::Operator,
            links: vec![link],
        }]
    }

    /// How `user` may write a relation with a right.
    fn write_way(&self, place: usize, user: RoleAt, relation: &Relation, right: char) -> Option<Way> {
        if !self.usage(place, user, relation.schema) {
            return None;
        }
        let table = self.ways(place, user, &self.relation(place, relation), right);
        table.into_iter().next().or_else(|| {
            let mut columns = self.column_ways(place, user, relation, right).into_iter();
            columns.next().map(|(way, _)| way)
        })
    }

    pub(crate) fn by_trigger(
        &self,
        state: &State,
        here: &Place<'s>,
        source: &Source<'s>,
        (trigger, callers): (&Trigger, &Callers<'s>),
        found: &mut Vec<Path>,
    ) {
        let (place, user) = (state.place, state.user);
        let Some(relation) = here.relation(trigger.relation) else {
            return;
        };
        let changes = here
            .meanings
            .get(&source.function.oid)
            .is_some_and(|meaning| meaning.changes_new);
        let let_out = self.outcome(state, here, source, false);
        if let_out.is_none() && !changes {
            return;
        }
        let rights = super::writing::of_trigger(trigger.bits);
        let writers = rights
            .chars()
            .flat_map(|right| self.writers(callers, place, relation, right));
        for writer in writers {
            let outcome = match &let_out {
                Some(outcome) => outcome.clone(),
                None if writer.shows && self.selects(place, user, writer.relation) => {
                    changed_row(self.not_meant(state, here, source.function))
                }
                None => continue,
            };
            let Some(way) = self.write_way(place, user, writer.relation, writer.right) else {
                continue;
            };
            let mut links = way.links;
            links.push(Link::new(
                &here.title(writer.relation),
                &here.function_title(source.function),
                &format!("fires trigger {}", trigger.name),
                Hold::Fixed,
            ));
            self.push(state, source, Kind::Trigger, links, (outcome, None), found);
        }
    }

    /// A trigger's function on a table of one's own: EXECUTE is asked for when the trigger is made.
    fn by_own_trigger(&self, state: &State, here: &Place<'s>, source: &Source<'s>, found: &mut Vec<Path>) {
        let (place, user) = (state.place, state.user);
        let function = source.function;
        if function.returns != "trigger"
            || !self.usage(place, user, function.schema)
            || !self.makes_tables(place, user)
        {
            return;
        }
        let meaning = here.meanings.get(&function.oid);
        let changes = meaning.is_some_and(|meaning| meaning.changes_new);
        let outcome = self.outcome(state, here, source, false);
        let Some(outcome) =
            outcome.or_else(|| changes.then(|| changed_row(self.not_meant(state, here, function))))
        else {
            return;
        };
        let target = self.function(place, function);
        for way in self.ways(place, user, &target, 'X') {
            let mut links = way.links;
            let by = "is fired by a trigger that it makes on a table of its own";
            links.push(Link::new(&target.title, &target.title, by, Hold::Fixed));
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
}

/// What comes of a row that a trigger changes, where its text goes on for some alone.
fn changed_row(not_meant: Option<String>) -> (Class, Option<String>) {
    match not_meant {
        Some(whom) => (Class::Latent, Some(only_for(&whom))),
        None => {
            let why = "it puts what it reads into the row that is written, which can be read";
            (Class::Rows, Some(why.to_owned()))
        }
    }
}

fn only_for(whom: &str) -> String {
    format!("its text goes on for {whom} alone, as far as it was understood")
}
