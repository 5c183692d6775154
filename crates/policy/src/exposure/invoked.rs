//! Functions whose bodies PostgreSQL has parsed (BEGIN ATOMIC, from 14) and that run with the rights of who calls: they read
//! what the caller may SELECT without asking for USAGE on its schema, since no name is looked up.

use std::collections::HashMap;
use std::rc::Rc;

use super::kinds::Kind;
use super::links::{Hold, Link};
use super::nodes::Nodes;
use super::points::Path;
use super::report::Class;
use super::rights::Rights;
use super::row_security::RowSecurity;
use super::snapshot::{Function, Oid};
use super::states::State;
use super::world::RoleAt;

/// Calls of such functions by such functions are followed so far.
const DEPTH: u8 = 4;

/// A function that reads a relation, and which columns of it.
type Reads<'s> = (&'s Function, Option<&'s [String]>);

/// Such functions, by the relation that they read.
pub(crate) type Invoked<'s> = HashMap<Oid, Vec<Reads<'s>>>;

impl<'s> Rights<'_, 's> {
    fn invoked(&self, place: usize) -> Rc<Invoked<'s>> {
        if let Some(known) = self.invoked.borrow().get(&place) {
            return Rc::clone(known);
        }
        let mut found: Invoked<'s> = HashMap::new();
        if let Some(here) = self.place(place) {
            let all: Vec<&'s Function> = here
                .contents
                .functions
                .iter()
                .filter(|one| one.parsed && !one.definer)
                .collect();
            for outer in &all {
                let mut calls = vec![*outer];
                let mut from = 0;
                for _ in 0..DEPTH {
                    let next: Vec<&'s Function> = calls
                        .get(from..)
                        .unwrap_or_default()
                        .iter()
                        .flat_map(|one| one.calls.iter().flatten())
                        .filter_map(|oid| here.function(*oid))
                        .filter(|one| one.parsed && !one.definer)
                        .collect();
                    from = calls.len();
                    calls.extend(
                        next.into_iter()
                            .filter(|one| all.iter().any(|known| known.oid == one.oid)),
                    );
                }
                for read in calls.iter().flat_map(|one| one.reads.iter().flatten()) {
                    found
                        .entry(read.relation)
                        .or_default()
                        .push((outer, read.columns.as_deref()));
                }
            }
        }
        let found = Rc::new(found);
        self.invoked.borrow_mut().insert(place, Rc::clone(&found));
        found
    }

    /// Such functions that read a relation.
    pub(crate) fn invoked_over(&self, place: usize, relation: Oid) -> Vec<&'s Function> {
        let invoked = self.invoked(place);
        let functions = invoked.get(&relation).into_iter().flatten();
        functions.map(|(function, _)| *function).collect()
    }

    /// The role that a session can set which may use a schema that the role it acts as may not: names are looked up when a
    /// statement is prepared, rights on relations when it is executed.
    pub(crate) fn namer(&self, state: &State, schema: Oid) -> Option<RoleAt> {
        let (place, user) = (state.place, state.user);
        if !state.session || !state.plain || self.usage(place, user, schema) {
            return None;
        }
        let login = match (state.sets, state.links.first()) {
            (Some(_), Some(first)) => *self.world.by_name.get(first.from.as_str())?,
            _ => user,
        };
        let others = self.settable(place, login).into_iter().map(|(role, _)| role);
        let mut all = std::iter::once(login).chain(others);
        all.find(|role| self.usage(place, *role, schema))
    }

    /// Paths by such functions, to relations whose schema the role may not use.
    pub(crate) fn by_invoked(&self, state: &State, nodes: &Nodes, found: &mut Vec<Path>) {
        let (place, user) = (state.place, state.user);
        let (Some(here), invoked) = (self.place(place), self.invoked(place)) else {
            return;
        };
        if invoked.is_empty() {
            return;
        }
        for node in nodes.list.iter().filter(|node| node.place == place) {
            let (Some(functions), Some(relation)) =
                (invoked.get(&node.relation), here.relation(node.relation))
            else {
                continue;
            };
            if self.usage(place, user, relation.schema)
                || self.namer(state, relation.schema).is_some()
                || !self.reads_as(node, user)
                || self.row_security(place, user, relation) == RowSecurity::Nothing
                || self.barred_behind(state, here, node).is_some()
            {
                continue;
            }
            let target = self.relation(place, relation);
            let Some((function, columns)) = functions.iter().find(|(function, columns)| {
                self.selects_these(place, user, relation, *columns)
                    && (self.usage(place, user, function.schema)
                        || self.namer(state, function.schema).is_some())
                    && self.may(place, user, &self.function(place, function), 'X')
            }) else {
                continue;
            };
            let table = self.ways(place, user, &target, 'r').into_iter().next();
            let way = table.or_else(|| {
                let mut ways = self.column_ways(place, user, relation, 'r').into_iter();
                ways.next().map(|(way, _)| way)
            });
            let Some(way) = way else { continue };
            let title = here.function_title(function);
            let mut links = way.links;
            let by = "is read without USAGE on its schema, with the rights of who calls, by";
            links.push(Link::new(&target.title, &title, by, Hold::Fixed));
            links.extend(node.links.iter().cloned());
            let call = super::trying::call(&self.function(place, function), function);
            found.push(Path {
                class: if node.facts { Class::Facts } else { Class::Rows },
                kind: Kind::InvokerFunction,
                links,
                columns: match node.kind {
                    None => columns.map(<[String]>::to_vec),
                    Some(_) => node.columns.clone(),
                },
                why: node.why.clone(),
                tries: call.map(|sql| (sql, false)),
                place,
                sets: state.sets,
            });
        }
    }
}
