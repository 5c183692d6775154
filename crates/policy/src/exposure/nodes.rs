//! The relations through which a relation's rows can be read: itself, views, copies, partitions, foreign tables that lead back.

use std::collections::HashMap;

use super::kinds::Kind;
use super::links::{Hold, Link};
use super::remote_text::RemoteView;
use super::rights::Rights;
use super::row_security::RowSecurity;
use super::snapshot::{ForeignTable, Oid, Reference, Relation, Rule, Trigger};
use super::views::{invoker, only_counts};
use super::world::{Place, RoleAt};

/// A relation that yields the target's rows, or facts about them.
#[derive(Debug, Clone)]
pub(crate) struct Node {
    pub(crate) place: usize,
    pub(crate) relation: Oid,
    /// From this relation to the target.
    pub(crate) links: Vec<Link>,
    /// The target's columns that come through.
    pub(crate) columns: Option<Vec<String>>,
    /// Whether what comes through is counts.
    pub(crate) facts: bool,
    /// None for the target itself.
    pub(crate) kind: Option<Kind>,
    /// Relations that whoever asks must be allowed to SELECT, USAGE aside, and which columns of them.
    pub(crate) needs: Vec<Need>,
    /// Views on the way whose queries may give no row to who asks: title and text.
    pub(crate) views: Vec<(String, String)>,
    /// Functions that whoever asks must be allowed to EXECUTE, USAGE aside.
    pub(crate) executes: Vec<Oid>,
    /// What is uncertain.
    pub(crate) why: Option<String>,
}

/// What whoever asks must be allowed to SELECT.
pub(crate) type Need = (Oid, Option<Vec<String>>);

/// A target's nodes.
#[derive(Debug, Default)]
pub(crate) struct Nodes {
    pub(crate) list: Vec<Node>,
    index: HashMap<(usize, Oid), Vec<usize>>,
}

/// How far a search goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Search {
    /// Relations and what functions make of them.
    Everything,
    /// Relations alone.
    Relations,
}

/// Views are followed this far.
const DEPTH: usize = 24;

/// A target has at most so many nodes: beyond, the rest is said to be left out.
pub(crate) const NODES: usize = 20_000;

impl Nodes {
    pub(crate) fn of(&self, place: usize, relation: Oid) -> impl Iterator<Item = &Node> {
        self.index
            .get(&(place, relation))
            .into_iter()
            .flatten()
            .filter_map(|at| self.list.get(*at))
    }

    /// Takes a node that is not known yet; one that asks less than a known one is new.
    pub(crate) fn add(&mut self, node: Node) -> bool {
        let known = self.index.entry((node.place, node.relation)).or_default();
        let covered = known.iter().filter_map(|at| self.list.get(*at)).any(|known| {
            known.facts <= node.facts
                && known.needs.iter().all(|need| node.needs.contains(need))
                && known.views.iter().all(|view| node.views.contains(view))
                && known.executes.iter().all(|need| node.executes.contains(need))
        });
        if covered || self.list.len() >= NODES || node.links.len() > DEPTH {
            return false;
        }
        known.push(self.list.len());
        self.list.push(node);
        true
    }
}

/// Database, schema and name of a relation that a foreign table is for.
type RemoteName = (String, String, String);

/// Takes a relation that is a node, what kind it is, by what, and what is different about it.
pub(crate) type Add<'a> = &'a mut dyn FnMut(Oid, Kind, &str, &dyn Fn(&mut Node));

/// Indexes that the search needs, made once for a world.
#[derive(Debug)]
pub(crate) struct Reverse<'s> {
    /// Rules by the relation that they refer to.
    pub(crate) rules: HashMap<(usize, Oid), Vec<&'s Rule>>,
    /// Triggers and rules by the relation they are on.
    pub(crate) triggers: HashMap<(usize, Oid), Vec<&'s Trigger>>,
    pub(crate) written: HashMap<(usize, Oid), Vec<&'s Rule>>,
    parents: HashMap<(usize, Oid), Vec<Oid>>,
    children: HashMap<(usize, Oid), Vec<Oid>>,
    /// Foreign tables that lead into a place of this cluster, by the name of the remote relation.
    foreign: HashMap<RemoteName, Vec<(usize, &'s ForeignTable)>>,
    /// Views that connect to this cluster.
    connecting: Vec<RemoteView<'s>>,
}

/// Whether a reference asks for no column: how many rows there are, or whether.
pub(crate) fn counted(read: &Reference) -> bool {
    read.columns.as_ref().is_some_and(Vec::is_empty)
}

impl<'s> Reverse<'s> {
    pub(crate) fn new(rights: &Rights<'_, 's>) -> Self {
        let mut new = Self {
            rules: HashMap::new(),
            triggers: HashMap::new(),
            written: HashMap::new(),
            parents: HashMap::new(),
            children: HashMap::new(),
            foreign: HashMap::new(),
            connecting: Vec::new(),
        };
        for (at, place) in rights.world.places.iter().enumerate() {
            new.connecting.extend(super::remote_text::of_place(at, place));
            for rule in place.contents.rules.iter().filter(|rule| rule.enabled) {
                if rule.event != "1" {
                    new.written.entry((at, rule.relation)).or_default().push(rule);
                }
                for read in rule.reads.iter().flatten() {
                    new.rules.entry((at, read.relation)).or_default().push(rule);
                }
            }
            for trigger in place.contents.triggers.iter().filter(|trigger| trigger.enabled) {
                new.triggers
                    .entry((at, trigger.relation))
                    .or_default()
                    .push(trigger);
            }
            for &(child, parent) in &place.contents.inherits {
                new.parents.entry((at, child)).or_default().push(parent);
                new.children.entry((at, parent)).or_default().push(child);
            }
            for table in &place.contents.foreign_tables {
                if let Some(database) = super::foreign::leads_to(rights, at, table.server)
                    && let Some(relation) = place.relation(table.relation)
                {
                    let option = |name: &str| super::foreign::option(table.options.as_deref(), name);
                    let schema = option("schema_name")
                        .unwrap_or_else(|| place.schema_name(relation.schema).to_owned());
                    let name = option("table_name").unwrap_or_else(|| relation.name.clone());
                    new.foreign
                        .entry((database, schema, name))
                        .or_default()
                        .push((at, table));
                }
            }
        }
        new
    }
}

/// Where names in a text are looked for.
pub(crate) fn resolve<'s>(
    place: &Place<'s>,
    schema: Option<&str>,
    name: &str,
    path: Option<&[String]>,
) -> Vec<&'s Relation> {
    let all = place
        .relations_named
        .get(name)
        .map(Vec::as_slice)
        .unwrap_or_default();
    let of = |relation: &Relation| place.schema_name(relation.schema);
    // What stands in an earlier schema of the path hides what stands in a later one; temporary relations are nobody's here.
    let first = path.filter(|_| schema.is_none()).and_then(|path| {
        let mut named = path.iter().filter(|one| *one != "pg_temp");
        named.find(|one| {
            all.iter()
                .any(|relation| of(relation) == one.as_str() && !relation.temporary)
        })
    });
    all.iter()
        .filter(|relation| {
            let of = of(relation);
            match (schema, path) {
                (Some(schema), _) => schema == of,
                (None, Some(_)) => first.is_some_and(|one| one == of) || of == "pg_catalog",
                (None, None) => true,
            }
        })
        .copied()
        .collect()
}

impl<'s> Rights<'_, 's> {
    /// All relations that yield the target, beginning with itself.
    pub(crate) fn nodes(
        &self,
        reverse: &Reverse<'s>,
        place: usize,
        target: &Relation,
        depth: Search,
    ) -> Nodes {
        let mut nodes = Nodes::default();
        nodes.add(Node {
            place,
            relation: target.oid,
            links: Vec::new(),
            columns: None,
            facts: false,
            kind: None,
            needs: Vec::new(),
            views: Vec::new(),
            executes: Vec::new(),
            why: None,
        });
        let mut at = 0;
        loop {
            while let Some(node) = nodes.list.get(at).cloned() {
                for next in self.next(reverse, &node) {
                    nodes.add(next);
                }
                at += 1;
            }
            if depth == Search::Relations {
                return nodes;
            }
            // Functions read nodes; views and copies that call them are nodes in their turn.
            let more = self.through_functions(&nodes);
            let added = more.into_iter().filter(|node| nodes.add(node.clone())).count();
            if added == 0 {
                return nodes;
            }
        }
    }

    fn next(&self, reverse: &Reverse<'s>, node: &Node) -> Vec<Node> {
        let Some(here) = self.place(node.place) else {
            return Vec::new();
        };
        let Some(relation) = here.relation(node.relation) else {
            return Vec::new();
        };
        let title = here.title(relation);
        let key = (node.place, node.relation);
        let mut found = Vec::new();
        let mut add = |oid: Oid, kind: Kind, by: &str, change: &dyn Fn(&mut Node)| {
            let Some(next) = here.relation(oid).filter(|next| next.oid != node.relation) else {
                return;
            };
            let mut links = vec![Link::new(&here.title(next), &title, by, Hold::Fixed)];
            links.extend(node.links.iter().cloned());
            let mut next = Node {
                relation: oid,
                links,
                kind: Some(kind),
                ..node.clone()
            };
            change(&mut next);
            found.push(next);
        };
        for rule in reverse.rules.get(&key).into_iter().flatten() {
            let Some(view) = here.relation(rule.relation) else {
                continue;
            };
            let read = rule
                .reads
                .iter()
                .flatten()
                .find(|read| read.relation == node.relation);
            let narrow = |next: &mut Node| {
                if node.kind.is_none() {
                    next.columns = read.and_then(|read| read.columns.clone());
                }
                next.facts |= only_counts(rule) || read.is_some_and(counted);
                if let Some(text) = &rule.text {
                    next.views.push((here.title(view), text.clone()));
                }
            };
            if rule.event != "1" {
                continue;
            }
            let columns = read.and_then(|read| read.columns.as_deref());
            if view.kind == "m" {
                let Some(before) = self.filled(rule, view, node) else {
                    continue;
                };
                add(view.oid, Kind::MaterializedView, "holds a copy of", &|next| {
                    narrow(next);
                    next.why = before.map(str::to_owned).or(next.why.take());
                    next.needs.clear();
                    next.views.clear();
                    next.executes.clear();
                });
            } else if invoker(view) {
                add(
                    view.oid,
                    Kind::InvokerView,
                    "reads, with the rights of who asks,",
                    &|next| {
                        narrow(next);
                        next.needs.push((node.relation, columns.map(<[String]>::to_vec)));
                    },
                );
            } else if let Some(owner) = self.world.at(view.owner)
                && self.reads_for(node, owner, None)
                && self.selects_these(node.place, owner, relation, columns)
            {
                let by = format!("reads, with the rights of its owner {},", self.world.name(owner));
                add(view.oid, Kind::View, &by, &narrow);
            }
        }
        if matches!(relation.kind.as_str(), "r" | "p" | "f") {
            for parent in reverse.parents.get(&key).into_iter().flatten() {
                add(*parent, Kind::Inheritance, "includes the rows of", &|_| ());
            }
            // Only the target's own parts: what is above it has other children too. What is written into a copy goes into its parts.
            let copied = relation.kind == "p"
                && matches!(
                    node.kind,
                    Some(Kind::TriggerCopy | Kind::RuleCopy | Kind::ScheduledJob | Kind::Subscription)
                );
            if copied || node.kind.is_none_or(|kind| kind == Kind::Partition) {
                for child in reverse.children.get(&key).into_iter().flatten() {
                    let kind = if relation.kind == "p" {
                        Kind::Partition
                    } else {
                        Kind::Inheritance
                    };
                    add(*child, kind, "is a part of", &|_| ());
                }
            }
            if relation.toast != 0 {
                add(relation.toast, Kind::Toast, "stores long values of", &|_| ());
            }
            self.copies(reverse, node, here, &mut add);
            self.by_jobs(node, here, relation, &mut add);
        }
        found.extend(self.foreign_nodes(reverse, node, here, relation));
        found.extend(self.connecting(&reverse.connecting, node, here, relation));
        found.extend(self.subscribed(node, here, relation));
        found.extend(self.copied_elsewhere(node, here, relation));
        found
    }

    fn foreign_nodes(
        &self,
        reverse: &Reverse<'s>,
        node: &Node,
        here: &Place<'s>,
        relation: &Relation,
    ) -> Vec<Node> {
        let key = (
            here.database.name.clone(),
            here.schema_name(relation.schema).to_owned(),
            relation.name.clone(),
        );
        let mut found = Vec::new();
        for (at, table) in reverse.foreign.get(&key).into_iter().flatten() {
            let Some(there) = self.place(*at) else { continue };
            let Some(foreign) = there.relation(table.relation) else {
                continue;
            };
            let from = format!("{} in {}", there.title(foreign), there.database.name);
            let mut links = vec![Link::new(
                &from,
                &here.title(relation),
                "is a foreign table for",
                Hold::Fixed,
            )];
            links.extend(node.links.iter().cloned());
            found.push(Node {
                place: *at,
                relation: foreign.oid,
                links,
                kind: Some(Kind::ForeignTable),
                ..node.clone()
            });
        }
        found
    }

    /// Whether a node's relation gives its rows to statements of `user`.
    pub(crate) fn reads_as(&self, node: &Node, user: RoleAt) -> bool {
        self.reads_for(node, user, Some(user))
    }

    /// Whether a node's relation gives its rows to statements that are checked as `user`, where `current` asks.
    pub(crate) fn reads_for(&self, node: &Node, user: RoleAt, current: Option<RoleAt>) -> bool {
        let Some(here) = self.place(node.place) else {
            return false;
        };
        let Some(relation) = here.relation(node.relation) else {
            return false;
        };
        !relation.unfilled
            && self.selects(node.place, user, relation)
            && self.row_security_for(node.place, user, relation, current) != RowSecurity::Nothing
            && self.empty_view(node, current, None).is_none()
            && (relation.kind != "f" || self.remote(node.place, relation.oid, user).is_ok())
    }
}
