//! What writing a relation writes besides: its parts, what is behind a view, what foreign keys, rules and triggers change. Where
//! something fires with a write, whoever may write any of these makes it fire.

use std::collections::{HashMap, HashSet};

use super::nodes::resolve;
use super::points::Callers;
use super::rights::Rights;
use super::snapshot::{Oid, Relation};
use super::views::{invoker, only_counts};
use super::world::RoleAt;

/// So many steps are followed.
const STEPS: usize = 6;

/// So many relations are followed for each that is written.
const MOST: usize = 64;

/// What makes a write of one relation a write of another.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum By {
    /// The other is a part of it.
    Part,
    /// It is a view of the other.
    View,
    /// A foreign key of the other refers to it: `pg_constraint.confdeltype` and `confupdtype`.
    Key(char, char),
    /// A rule or trigger of it writes the other.
    Action,
}

/// A relation by whose writing another is written.
#[derive(Debug, Clone, Copy)]
struct Before<'s> {
    relation: &'s Relation,
    by: By,
    /// With which rights, of a rule or trigger.
    rights: &'static str,
}

/// By the relation that is written in the end.
#[derive(Debug, Default)]
pub(crate) struct Writing<'s>(HashMap<(usize, Oid), Vec<Before<'s>>>);

/// A relation that a role may write, and what that makes of the one that is asked about.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Writer<'s> {
    pub(crate) relation: &'s Relation,
    pub(crate) right: char,
    /// Whether what is written shows in it.
    pub(crate) shows: bool,
}

/// The rights with which a rule's event comes about.
pub(crate) fn of_event(event: &str) -> &'static str {
    match event {
        "2" => "w",
        "3" => "a",
        "4" => "d",
        _ => "",
    }
}

/// The rights with which a trigger fires (`pg_trigger.tgtype`: 4 INSERT, 8 DELETE, 16 UPDATE, 32 TRUNCATE).
pub(crate) fn of_trigger(bits: i64) -> String {
    [(4, 'a'), (8, 'd'), (16, 'w'), (32, 'D')]
        .into_iter()
        .filter(|(bit, _)| bits & bit != 0)
        .map(|(_, right)| right)
        .collect()
}

impl<'s> Writing<'s> {
    pub(crate) fn new(rights: &Rights<'_, 's>) -> Self {
        let mut new = Self::default();
        for (at, place) in rights.world.places.iter().enumerate() {
            let mut add = |written: Oid, from: Oid, by: By, rights: &'static str| {
                if let Some(relation) = place.relations.get(&from).filter(|one| one.oid != written) {
                    new.0
                        .entry((at, written))
                        .or_default()
                        .push(Before { relation, by, rights });
                }
            };
            for (child, parent) in &place.contents.inherits {
                add(*child, *parent, By::Part, "");
            }
            for cascade in &place.contents.cascades {
                let letter = |text: &str| text.chars().next().unwrap_or('a');
                let by = By::Key(letter(&cascade.on_delete), letter(&cascade.on_update));
                add(cascade.relation, cascade.refers, by, "");
            }
            for rule in place.contents.rules.iter().filter(|rule| rule.enabled) {
                let mut reads = rule.reads.iter().flatten();
                if rule.event == "1" {
                    // Only a view of one relation, row by row, is written through.
                    if let (Some(read), None) = (reads.next(), reads.next())
                        && !only_counts(rule)
                    {
                        add(read.relation, rule.relation, By::View, "");
                    }
                    continue;
                }
                let text = rule.text.as_deref().unwrap_or_default();
                for written in super::source::meaning(text).writes {
                    for to in resolve(place, written.schema.as_deref(), &written.name, None) {
                        add(to.oid, rule.relation, By::Action, of_event(&rule.event));
                    }
                }
            }
            for trigger in place.contents.triggers.iter().filter(|trigger| trigger.enabled) {
                let function = place.function(trigger.function);
                let Some((function, meaning)) = function.zip(place.meanings.get(&trigger.function)) else {
                    continue;
                };
                let path = rights.looks_in(function, Some(meaning));
                for written in &meaning.writes {
                    for to in resolve(place, written.schema.as_deref(), &written.name, path.as_deref()) {
                        let rights = match trigger.bits & 60 {
                            4 => "a",
                            8 => "d",
                            16 => "w",
                            _ => "awd",
                        };
                        add(to.oid, trigger.relation, By::Action, rights);
                    }
                }
            }
        }
        new
    }

    /// All relations by whose writing one is written, itself left out.
    pub(crate) fn before(&self, place: usize, relation: Oid) -> Vec<&'s Relation> {
        let mut found: Vec<&'s Relation> = Vec::new();
        let mut seen = HashSet::from([relation]);
        let mut next = vec![relation];
        while let Some(one) = next.pop() {
            for before in self.0.get(&(place, one)).into_iter().flatten() {
                if found.len() < MOST && seen.insert(before.relation.oid) {
                    found.push(before.relation);
                    next.push(before.relation.oid);
                }
            }
        }
        found
    }
}

impl<'s> Rights<'_, 's> {
    /// The relations by whose writing one is written with a right, itself first.
    pub(crate) fn writers(
        &self,
        callers: &Callers<'s>,
        place: usize,
        relation: &'s Relation,
        right: char,
    ) -> Vec<Writer<'s>> {
        let mut found = vec![Writer {
            relation,
            right,
            shows: true,
        }];
        let (mut from, mut seen) = (0, HashSet::from([(relation.oid, right)]));
        for _ in 0..STEPS {
            let next: Vec<Writer<'s>> = found.get(from..).unwrap_or_default().to_vec();
            from = found.len();
            for one in next {
                let before = callers.writing.0.get(&(place, one.relation.oid));
                for before in before.into_iter().flatten() {
                    for (right, shows) in self.with(place, *before, one) {
                        if found.len() < MOST && seen.insert((before.relation.oid, right)) {
                            found.push(Writer {
                                relation: before.relation,
                                right,
                                shows: shows && one.shows,
                            });
                        }
                    }
                }
            }
        }
        found
    }

    /// With which rights a relation before another writes that, and whether what is written shows in it.
    fn with(&self, place: usize, before: Before<'s>, written: Writer<'s>) -> Vec<(char, bool)> {
        let right = written.right;
        match before.by {
            // A row goes from the parent into a partition; into a child only by its own name.
            By::Part if right == 'a' && before.relation.kind != "p" => Vec::new(),
            By::Part => vec![(right, true)],
            By::View => {
                let may =
                    |owner: RoleAt| self.may(place, owner, &self.relation(place, written.relation), right);
                let owned = self.world.at(before.relation.owner).is_some_and(may);
                let view = before.relation.kind == "v" && right != 'D' && !invoker(before.relation);
                (view && owned).then_some((right, true)).into_iter().collect()
            }
            By::Key(on_delete, on_update) => {
                let mut all = Vec::new();
                if right == 'd' && on_delete == 'c' || right == 'w' && ['n', 'd'].contains(&on_delete) {
                    all.push(('d', false));
                }
                if right == 'w' && ['c', 'n', 'd'].contains(&on_update) {
                    all.push(('w', false));
                }
                all
            }
            By::Action => before.rights.chars().map(|right| (right, false)).collect(),
        }
    }

    /// Whether a role can make a table, or has one, on which to put a trigger of its own.
    pub(crate) fn makes_tables(&self, place: usize, user: RoleAt) -> bool {
        self.database(place)
            .is_some_and(|database| self.may(place, user, &database, 'T'))
            || self.creates_somewhere(place, user)
            || self.owns_something(place, user)
    }
}
