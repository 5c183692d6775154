//! The points at which a role that acts reads: tables and what yields them, functions and all that calls them.

use std::collections::HashMap;

use super::functions::{Out, Yield};
use super::kinds::Kind;
use super::links::{Hold, Link};
use super::nodes::{Node, Nodes};
use super::report::Class;
use super::rights::{Rights, Target};
use super::row_security::RowSecurity;
use super::snapshot::{Caller, Function, Oid, Relation, Trigger};
use super::states::State;
use super::trying::counting;
use super::world::{Place, RoleAt};
use super::writing::Writing;

/// A path that was found, before it is written out.
#[derive(Debug, Clone)]
pub(crate) struct Path {
    pub(crate) class: Class,
    pub(crate) kind: Kind,
    pub(crate) links: Vec<Link>,
    pub(crate) columns: Option<Vec<String>>,
    pub(crate) why: Option<String>,
    /// A statement that tries it, and whether reading nothing then means something.
    pub(crate) tries: Option<(String, bool)>,
    pub(crate) place: usize,
    pub(crate) sets: Option<RoleAt>,
}

/// A function that yields the target, and as what.
#[derive(Debug, Clone)]
pub(crate) struct Source<'s> {
    pub(crate) place: usize,
    pub(crate) function: &'s Function,
    pub(crate) yielded: Yield,
    pub(crate) out: Out,
}

/// What calls functions without naming them, by function.
#[derive(Debug, Default)]
pub(crate) struct Callers<'s> {
    pub(crate) callers: HashMap<(usize, Oid), Vec<&'s Caller>>,
    pub(crate) triggers: HashMap<(usize, Oid), Vec<&'s Trigger>>,
    /// Triggers that do not fire as things stand.
    pub(crate) asleep: HashMap<(usize, Oid), Vec<&'s Trigger>>,
    pub(crate) writing: Writing<'s>,
}

impl<'s> Callers<'s> {
    pub(crate) fn new(rights: &Rights<'_, 's>) -> Self {
        let mut new = Self {
            writing: Writing::new(rights),
            ..Self::default()
        };
        for (at, place) in rights.world.places.iter().enumerate() {
            for caller in &place.contents.callers {
                new.callers.entry((at, caller.function)).or_default().push(caller);
            }
            for trigger in &place.contents.triggers {
                let all = match trigger.enabled {
                    true => &mut new.triggers,
                    false => &mut new.asleep,
                };
                all.entry((at, trigger.function)).or_default().push(trigger);
            }
        }
        new
    }
}

impl<'s> Rights<'_, 's> {
    /// The definer functions that yield a target.
    pub(crate) fn sources(&self, nodes: &Nodes) -> Vec<Source<'s>> {
        let mut found = Vec::new();
        for (place, here) in self.world.places.iter().enumerate() {
            let own = nodes.list.iter().filter(|node| node.place == place);
            let candidates = here.candidates(own.map(|node| node.relation));
            for function in candidates
                .functions(here.contents)
                .filter(|function| function.definer)
            {
                let yielded = self
                    .world
                    .at(function.owner)
                    .and_then(|owner| self.yields(nodes, place, function, owner, 0));
                if let Some(yielded) = yielded {
                    found.push(Source {
                        place,
                        function,
                        yielded,
                        out: self.out(here, function),
                    });
                }
            }
        }
        found
    }

    /// Paths by tables, views and copies for a state.
    pub(crate) fn by_nodes(&self, state: &State, nodes: &Nodes, found: &mut Vec<Path>) {
        for node in nodes.list.iter().filter(|node| node.place == state.place) {
            let Some(here) = self.place(node.place) else {
                continue;
            };
            let Some(relation) = here.relation(node.relation) else {
                continue;
            };
            self.by_node(state, here, node, relation, found);
        }
    }

    pub(crate) fn by_node(
        &self,
        state: &State,
        here: &Place<'s>,
        node: &Node,
        relation: &Relation,
        found: &mut Vec<Path>,
    ) {
        let (place, user) = (state.place, state.user);
        if !self.touches(place, user, relation) {
            return;
        }
        self.written_abroad(state, node, relation, found);
        let target = self.relation(place, relation);
        let table = self
            .ways(place, user, &target, 'r')
            .into_iter()
            .map(|way| (way, None));
        let columns = if self.world.superuser(user) {
            Vec::new()
        } else {
            self.column_ways(place, user, relation, 'r')
        };
        let ways = table.chain(columns.into_iter().map(|(way, columns)| (way, Some(columns))));
        let mut owned = self.owner_without(place, user, relation, &target);
        for (way, columns) in ways {
            let barred = self.barred(state, here, node, relation);
            let column_list = match (&columns, &node.columns, node.kind) {
                (Some(columns), _, None) => Some(columns.clone()),
                (_, through, _) => through.clone(),
            };
            let mut links = way.links;
            links.extend(node.links.iter().cloned());
            let regains = barred.is_some()
                && !self.usage(place, user, relation.schema)
                && self.owns_schema(place, user, relation.schema)
                && self.barred_within(state, here, node, relation).is_none();
            let fills = relation.unfilled
                && self.usage(place, user, relation.schema)
                && self.maintains(place, user, relation)
                && self.barred_filled(state, here, node, relation).is_none();
            let (class, why) = match &barred {
                Some(_) if fills => (Class::Grantable, Some("it may fill it: REFRESH".to_owned())),
                Some(_) if regains => (Class::Grantable, Some(super::owning::CAN_GIVE_BACK.to_owned())),
                Some(why) => (Class::Blocked, Some(why.clone())),
                None if node.facts || columns.as_deref().is_some_and(of_system) => {
                    (Class::Facts, node.why.clone())
                }
                None => (Class::Rows, node.why.clone()),
            };
            let security = self.row_security(place, user, relation);
            let (mut kind, mut why) = (node.kind.unwrap_or(way.kind), why);
            match security {
                RowSecurity::Bypassed(Kind::BypassRls) if node.kind.is_none() => kind = Kind::BypassRls,
                RowSecurity::Some(policies) if barred.is_none() => {
                    why = Some(format!("as far as policies {} let it", policies.join(", ")));
                }
                _ => {}
            }
            let namer = self.namer(state, relation.schema);
            if let (Some(namer), None) = (namer, &barred) {
                why = Some(format!(
                    "prepared as {}, who may use the schema, and executed as {}",
                    self.world.name(namer),
                    self.world.name(user)
                ));
            }
            let listed = columns.map_or("*".to_owned(), |columns| {
                columns
                    .iter()
                    .map(|column| super::links::name(column))
                    .collect::<Vec<_>>()
                    .join(", ")
            });
            let sql = format!("SELECT {listed} FROM {}", self.relation_sql(place, relation));
            found.push(Path {
                class,
                kind,
                links,
                columns: column_list,
                why,
                tries: namer
                    .is_none()
                    .then_some(())
                    .filter(|()| !regains && !fills)
                    .map(|()| (counting(&sql), !self.asks_settings(place, relation))),
                place,
                sets: state.sets,
            });
            // Without USAGE the name cannot be said, but the statistics of what may be read are shown all the same.
            if barred.is_some()
                && relation.statistics
                && node.needs.is_empty()
                && !self.usage(place, user, relation.schema)
                && !relation.row_security
                && node
                    .kind
                    .is_none_or(|kind| kind != Kind::View && kind != Kind::InvokerView)
                && let Some(path) = found.last().cloned()
            {
                let mut links = path.links;
                links.push(Link::new(
                    "pg_stats",
                    &target.title,
                    "shows most common values and histogram bounds without USAGE on the schema",
                    Hold::Fixed,
                ));
                let literal = crate::sql::literal;
                let sql = format!(
                    "SELECT 1 FROM pg_catalog.pg_stats WHERE schemaname = {} AND tablename = {} AND (most_common_vals IS NOT NULL OR histogram_bounds IS NOT NULL)",
                    literal(here.schema_name(relation.schema)),
                    literal(&relation.name)
                );
                found.push(Path {
                    class: Class::Facts,
                    kind: Kind::Statistics,
                    links,
                    why: None,
                    tries: Some((counting(&sql), true)),
                    columns: path.columns,
                    ..path
                });
            }
        }
        if let Some((links, kind)) = owned.take() {
            let mut links = links;
            links.extend(node.links.iter().cloned());
            let why = Some(super::owning::CAN_GIVE_BACK.to_owned());
            found.push(Path {
                class: Class::Grantable,
                kind,
                links,
                columns: None,
                why,
                tries: None,
                place,
                sets: state.sets,
            });
        } else if node.kind.is_none() && relation.row_security {
            self.owner_of_secured(state, relation, &target, found);
        }
    }

    /// Whether row security of a relation asks a setting that a session may make for itself: that no row comes then says little.
    fn asks_settings(&self, place: usize, relation: &Relation) -> bool {
        let policies = self.place(place).map(|here| here.index.policies(relation.oid));
        let mut conditions = policies
            .into_iter()
            .flatten()
            .filter_map(|one| one.condition.as_deref());
        relation.row_security && conditions.any(|text| text.contains("current_setting"))
    }

    /// The owner of a table with FORCE ROW LEVEL SECURITY and no policy for it can take that away.
    fn owner_of_secured(&self, state: &State, relation: &Relation, target: &Target, found: &mut Vec<Path>) {
        let tree = self.tree(state.place, state.user);
        let Some(owner) = self.world.at(relation.owner).filter(|owner| tree.has(*owner)) else {
            return;
        };
        if self.row_security(state.place, state.user, relation) != RowSecurity::Nothing {
            return;
        }
        let mut links = self.chain(&tree, owner);
        links.push(self.owner_link(state.place, owner, target));
        found.push(Path {
            class: Class::Grantable,
            kind: Kind::Owner,
            links,
            columns: None,
            why: Some("the owner can switch row security off, or add a policy".to_owned()),
            tries: None,
            place: state.place,
            sets: state.sets,
        });
    }

    /// An owner who has revoked its own right.
    fn owner_without(
        &self,
        place: usize,
        user: RoleAt,
        relation: &Relation,
        target: &Target,
    ) -> Option<(Vec<Link>, Kind)> {
        if self.world.superuser(user) || self.may(place, user, target, 'r') {
            return None;
        }
        let tree = self.tree(place, user);
        let owner = self.world.at(relation.owner).filter(|owner| tree.has(*owner))?;
        let mut links = self.chain(&tree, owner);
        links.push(self.owner_link(place, owner, target));
        Some((links, Kind::Owner))
    }

    /// Why a right on a node leads nowhere, if it does.
    fn barred(&self, state: &State, here: &Place<'s>, node: &Node, relation: &Relation) -> Option<String> {
        let (place, user) = (state.place, state.user);
        if !self.usage(place, user, relation.schema) && self.namer(state, relation.schema).is_none() {
            return Some(format!(
                "no USAGE on schema {}",
                here.schema_name(relation.schema)
            ));
        }
        self.barred_within(state, here, node, relation)
    }

    /// Why a right on a node leads nowhere, USAGE on its schema aside.
    fn barred_within(
        &self,
        state: &State,
        here: &Place<'s>,
        node: &Node,
        relation: &Relation,
    ) -> Option<String> {
        if relation.unfilled {
            return Some(format!("{} has not been filled", here.title(relation)));
        }
        self.barred_filled(state, here, node, relation)
    }

    /// The same of one that has been filled.
    fn barred_filled(
        &self,
        state: &State,
        here: &Place<'s>,
        node: &Node,
        relation: &Relation,
    ) -> Option<String> {
        let (place, user) = (state.place, state.user);
        if self.row_security(place, user, relation) == RowSecurity::Nothing {
            return Some(format!(
                "row security is on and no policy of {} lets {} read",
                here.title(relation),
                self.world.name(user)
            ));
        }
        self.barred_behind(state, here, node).or_else(|| {
            (relation.kind == "f")
                .then(|| self.remote(place, relation.oid, user).err())
                .flatten()
        })
    }

    /// Why what is behind a node gives nothing to who asks, the right on its relation aside.
    pub(crate) fn barred_behind(&self, state: &State, here: &Place<'s>, node: &Node) -> Option<String> {
        let (place, user) = (state.place, state.user);
        if let Some(view) = self.empty_view(node, Some(user), self.session_of(state)) {
            return Some(format!(
                "the query of view {view} gives {} no row, whatever rows there are",
                self.world.name(user)
            ));
        }
        for (oid, columns) in &node.needs {
            let Some(needed) = here.relation(*oid) else {
                continue;
            };
            if !self.selects_these(place, user, needed, columns.as_deref()) {
                return Some(format!(
                    "the view reads with the rights of who asks, who may not SELECT {}",
                    here.title(needed)
                ));
            }
            if self.row_security(place, user, needed) == RowSecurity::Nothing {
                return Some(format!("row security of {} leaves no row", here.title(needed)));
            }
        }
        for oid in &node.executes {
            let Some(function) = here.function(*oid) else {
                continue;
            };
            if !self.may(place, user, &self.function(place, function), 'X') {
                return Some(format!(
                    "no EXECUTE on {}, which the view calls as who asks",
                    here.function_title(function)
                ));
            }
        }
        None
    }
}

/// Whether columns are the server's own alone: they say how many rows there are, and when they were written.
fn of_system(columns: &[String]) -> bool {
    let own = ["ctid", "xmin", "cmin", "xmax", "cmax", "tableoid"];
    columns.iter().all(|column| own.contains(&column.as_str()))
}
