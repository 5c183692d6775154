//! What functions read when they are run, and how it gets out of them.

use super::kinds::Kind;
use super::links::{Hold, Link};
use super::nodes::{Node, Nodes, resolve};
use super::openings::Opened;
use super::rights::Rights;
use super::snapshot::{Function, Relation};
use super::source::{Dynamic, Meaning, Named};
use super::world::{Place, RoleAt};

/// What running a function yields.
#[derive(Debug, Clone)]
pub(crate) struct Yield {
    /// From the function to the target.
    pub(crate) links: Vec<Link>,
    pub(crate) columns: Option<Vec<String>>,
    pub(crate) facts: bool,
    pub(crate) why: Option<String>,
    /// It opens the relation for others, instead of reading it.
    pub(crate) grants: bool,
    /// It opens it for those who have a part of the right.
    pub(crate) opens: Option<Opened>,
    /// For whom it grants; none for whoever it is asked to.
    pub(crate) to: Option<Vec<String>>,
}

/// How what a function reads gets out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Out {
    /// As its result, or by a message.
    Result,
    /// As a count or a yes or no.
    Fact,
    /// Only into tables.
    Tables,
}

/// Calls are followed this deep.
const DEPTH: u8 = 6;

/// Types of which a value is a count or a yes or no, where the function counts.
const COUNTS: &[&str] = &[
    "boolean",
    "bigint",
    "integer",
    "smallint",
    "numeric",
    "double precision",
];

impl<'s> Rights<'_, 's> {
    /// What `function` yields of the target when it runs as `runner`.
    pub(crate) fn yields(
        &self,
        nodes: &Nodes,
        place: usize,
        function: &Function,
        runner: RoleAt,
        depth: u8,
    ) -> Option<Yield> {
        let here = self.place(place)?;
        let title = here.function_title(function);
        if function.parsed {
            let mut reads = function.reads.iter().flatten();
            let found = reads.find_map(|read| {
                let node = nodes
                    .of(place, read.relation)
                    .find(|node| self.reads_as(node, runner))
                    .filter(|_| {
                        let columns = read.columns.as_deref();
                        here.relation(read.relation)
                            .is_some_and(|one| self.selects_these(place, runner, one, columns))
                    })?;
                let columns = if node.kind.is_none() {
                    read.columns.clone()
                } else {
                    node.columns.clone()
                };
                Some(self.read(here, &title, node, columns, runner, None))
            });
            let meaning = here.meanings.get(&function.oid);
            return found
                .or_else(|| {
                    let mut calls = function
                        .calls
                        .iter()
                        .flatten()
                        .filter_map(|oid| here.function(*oid));
                    calls.find_map(|called| self.called(nodes, (place, here), &title, called, runner, depth))
                })
                .map(|found| counted(found, function, meaning));
        }
        let meaning = here.meanings.get(&function.oid)?;
        let path = self.looks_in(function, Some(meaning));
        let path = path.as_deref();
        let granted = self.granted(nodes, (place, here), meaning, path, runner);
        if let Some(node) = granted {
            let mut found = self.read(here, &title, node, None, runner, Some("it grants rights on"));
            found.grants = true;
            found.to = (!meaning.to_any).then(|| meaning.to.clone());
            return Some(found);
        }
        let read = meaning.reads.iter().find_map(|named| {
            self.named(nodes, (place, here), named, path, runner, true)
                .into_iter()
                .next()
        });
        if let Some(node) = read {
            return Some(counted(
                self.read(here, &title, node, node.columns.clone(), runner, None),
                function,
                Some(meaning),
            ));
        }
        let operators = meaning.operators.iter();
        let operators = operators.flat_map(|operator| here.index.operators(operator));
        let mut calls = meaning
            .calls
            .iter()
            .flat_map(|named| self.functions_named(here, named, path))
            .chain(operators.filter_map(|oid| here.function(*oid)));
        let called = calls.find_map(|called| {
            let usable = self.usage(place, runner, called.schema) || here.index.is_operators(called.oid);
            usable
                .then(|| self.called(nodes, (place, here), &title, called, runner, depth))
                .flatten()
        });
        if let Some(found) = called {
            return Some(counted(found, function, Some(meaning)));
        }
        if let Some((node, opened)) = self.opened(nodes, (place, here), meaning, path, runner) {
            let mut found = self.read(here, &title, node, None, runner, Some(opened.by()));
            found.to = (opened.is_grant() && !meaning.to_any).then(|| meaning.to.clone());
            found.opens = Some(opened);
            return Some(found);
        }
        if let Some((node, why)) = self.answers(nodes, (place, here), function, (meaning, path), runner) {
            let by = format!("writes, as {},", self.world.name(runner));
            let mut found = self.read(here, &title, node, None, runner, Some(&by));
            found.facts = true;
            found.why = Some(why.to_owned());
            return Some(found);
        }
        if meaning.dynamic != Dynamic::No {
            let mut all = nodes
                .list
                .iter()
                .filter(|node| node.place == place && node.executes.is_empty());
            let node = all.find(|node| self.reads_in_text(node, here, runner))?;
            let mut found = self.read(here, &title, node, node.columns.clone(), runner, None);
            found.why = Some(
                "it runs text made of what it is handed: which relations it reads is up to the caller"
                    .to_owned(),
            );
            return Some(counted(found, function, Some(meaning)));
        }
        None
    }

    /// A node on which a text grants rights, or whose owner it changes, where who runs it may.
    fn granted<'n>(
        &self,
        nodes: &'n Nodes,
        (place, here): (usize, &Place<'s>),
        meaning: &Meaning,
        path: Option<&[String]>,
        runner: RoleAt,
    ) -> Option<&'n Node> {
        let may = |node: &&Node| {
            let relation = here.relation(node.relation);
            relation.is_some_and(|relation| self.may_grant(place, runner, relation))
        };
        let mut named = meaning.grants.iter();
        let found = named.find_map(|named| {
            let nodes = self.named(nodes, (place, here), named, path, runner, false);
            nodes.into_iter().find(may)
        });
        let all = || {
            let of_schema = |node: &&Node| {
                let relation = here.relation(node.relation);
                let schema = relation.map(|relation| here.schema_name(relation.schema));
                meaning.grants_any
                    || schema.is_some_and(|schema| meaning.schemas.iter().any(|one| one == schema))
            };
            let own = nodes.list.iter().filter(|node| node.place == place);
            own.filter(of_schema).find(may)
        };
        found.or_else(|| {
            (meaning.grants_any || !meaning.schemas.is_empty())
                .then(all)
                .flatten()
        })
    }

    fn called(
        &self,
        nodes: &Nodes,
        (place, here): (usize, &Place<'s>),
        title: &str,
        called: &Function,
        runner: RoleAt,
        depth: u8,
    ) -> Option<Yield> {
        if depth >= DEPTH || !self.may(place, runner, &self.function(place, called), 'X') {
            return None;
        }
        let runs_as = if called.definer {
            self.world.at(called.owner)?
        } else {
            runner
        };
        let mut found = self.yields(nodes, place, called, runs_as, depth + 1)?;
        found.links.insert(
            0,
            Link::new(title, &here.function_title(called), "calls", Hold::Fixed),
        );
        Some(found)
    }

    fn read(
        &self,
        here: &Place<'_>,
        title: &str,
        node: &Node,
        columns: Option<Vec<String>>,
        runner: RoleAt,
        by: Option<&str>,
    ) -> Yield {
        let to = here
            .relation(node.relation)
            .map(|relation| here.title(relation))
            .unwrap_or_default();
        let by = by.map_or_else(
            || format!("reads, as {},", self.world.name(runner)),
            str::to_owned,
        );
        let mut links = vec![Link::new(title, &to, &by, Hold::Fixed)];
        links.extend(node.links.iter().cloned());
        Yield {
            links,
            columns,
            facts: node.facts,
            why: node.why.clone(),
            grants: false,
            opens: None,
            to: None,
        }
    }

    /// Nodes that a name in a text means, where who runs the text may read them.
    pub(crate) fn named<'n>(
        &self,
        nodes: &'n Nodes,
        (place, here): (usize, &Place<'s>),
        named: &Named,
        path: Option<&[String]>,
        runner: RoleAt,
        reads: bool,
    ) -> Vec<&'n Node> {
        resolve(here, named.schema.as_deref(), &named.name, path)
            .into_iter()
            .flat_map(|relation| nodes.of(place, relation.oid))
            .filter(|node| !reads || self.reads_in_text(node, here, runner))
            .collect()
    }

    fn reads_in_text(&self, node: &Node, here: &Place<'_>, runner: RoleAt) -> bool {
        let Some(relation) = here.relation(node.relation) else {
            return false;
        };
        let needs = |(oid, columns): &super::nodes::Need| {
            here.relation(*oid)
                .is_some_and(|relation| self.selects_these(node.place, runner, relation, columns.as_deref()))
        };
        self.usage(node.place, runner, relation.schema)
            && self.reads_as(node, runner)
            && node.needs.iter().all(needs)
    }

    pub(crate) fn functions_named(
        &self,
        here: &Place<'s>,
        named: &Named,
        path: Option<&[String]>,
    ) -> Vec<&'s Function> {
        let all = here
            .functions_named
            .get(named.name.as_str())
            .map(Vec::as_slice)
            .unwrap_or_default();
        all.iter()
            .filter(|function| {
                let of = here.schema_name(function.schema);
                match (&named.schema, path) {
                    (Some(schema), _) => schema == of,
                    (None, Some(path)) => path.iter().any(|one| one == of),
                    (None, None) => true,
                }
            })
            .copied()
            .collect()
    }

    /// Views, and copies by views, whose columns or conditions call functions that yield the target.
    pub(crate) fn through_functions(&self, nodes: &Nodes) -> Vec<Node> {
        let mut found = Vec::new();
        for (place, here) in self.world.places.iter().enumerate() {
            let own = nodes.list.iter().filter(|node| node.place == place);
            let candidates = here.candidates(own.map(|node| node.relation));
            for rule in here.index.views_calling(here.contents, &candidates) {
                let Some(view) = here.relation(rule.relation) else {
                    continue;
                };
                for (function, asked) in here.called_by(rule, &candidates) {
                    let copy = view.kind == "m";
                    let runner = match (function.definer, copy) {
                        (true, _) => function.owner,
                        (false, true) => view.owner,
                        (false, false) => {
                            found.extend(self.through_invoked(nodes, (place, here), view, function));
                            continue;
                        }
                    };
                    let Some(yielded) = self
                        .world
                        .at(runner)
                        .and_then(|runner| self.yields(nodes, place, function, runner, 0))
                    else {
                        continue;
                    };
                    let mut links = vec![Link::new(
                        &here.title(view),
                        &here.function_title(function),
                        "calls",
                        Hold::Fixed,
                    )];
                    links.extend(yielded.links);
                    found.push(Node {
                        place,
                        relation: view.oid,
                        links,
                        columns: yielded.columns,
                        facts: yielded.facts,
                        kind: Some(if copy { Kind::MaterializedView } else { Kind::View }),
                        needs: Vec::new(),
                        views: Vec::new(),
                        executes: if copy { Vec::new() } else { vec![asked] },
                        why: yielded.why,
                    });
                }
            }
        }
        found
    }

    /// A view that calls a function with the rights of who asks and a parsed body: who asks needs the rights, and no USAGE.
    fn through_invoked(
        &self,
        nodes: &Nodes,
        (place, here): (usize, &Place<'s>),
        view: &Relation,
        function: &'s Function,
    ) -> Vec<Node> {
        let mut found = Vec::new();
        let mut chains: Vec<Vec<&'s Function>> = vec![vec![function]];
        while let Some(chain) = chains.pop() {
            let Some(last) = chain.last().copied().filter(|one| one.parsed && !one.definer) else {
                continue;
            };
            let by = |to: &str| {
                let from = here.title(view);
                Link::new(&from, to, "calls, with the rights of who asks,", Hold::Fixed)
            };
            let title = here.function_title(last);
            let node = |links: Vec<Link>| Node {
                place,
                relation: view.oid,
                links,
                columns: None,
                facts: false,
                kind: Some(Kind::View),
                needs: Vec::new(),
                views: Vec::new(),
                executes: chain.iter().map(|one| one.oid).collect(),
                why: None,
            };
            for read in last.reads.iter().flatten() {
                for of in nodes.of(place, read.relation) {
                    let mut links = vec![by(&title)];
                    links.extend(of.links.iter().cloned());
                    let mut next = node(links);
                    next.facts = of.facts;
                    next.needs = of.needs.clone();
                    next.needs.push((read.relation, read.columns.clone()));
                    next.executes.extend(of.executes.iter().copied());
                    next.views = of.views.clone();
                    next.why = of.why.clone();
                    found.push(next);
                }
            }
            for called in last.calls.iter().flatten().filter_map(|oid| here.function(*oid)) {
                if called.definer {
                    let owner = self.world.at(called.owner);
                    let yielded = owner.and_then(|owner| self.yields(nodes, place, called, owner, 0));
                    if let Some(yielded) = yielded {
                        let mut links = vec![by(&title)];
                        links.extend(yielded.links);
                        let mut next = node(links);
                        next.executes.push(called.oid);
                        next.facts = yielded.facts;
                        next.columns = yielded.columns;
                        next.why = yielded.why;
                        found.push(next);
                    }
                } else if chain.len() < usize::from(DEPTH) && !chain.iter().any(|one| one.oid == called.oid) {
                    let mut longer = chain.clone();
                    longer.push(called);
                    chains.push(longer);
                }
            }
        }
        found
    }

    /// A column of a relation that a text reads which it casts: what cannot be cast is shown by the error.
    pub(crate) fn refused(&self, here: &Place<'s>, function: &Function) -> Option<String> {
        let meaning = here.meanings.get(&function.oid)?;
        let path = self.looks_in(function, Some(meaning));
        let mut read = meaning
            .reads
            .iter()
            .flat_map(|named| resolve(here, named.schema.as_deref(), &named.name, path.as_deref()));
        read.find_map(|relation| {
            let columns = relation.columns.iter().flatten();
            columns
                .into_iter()
                .find(|column| meaning.casts.contains(column))
                .cloned()
        })
    }

    /// How a function lets out what it reads.
    pub(crate) fn out(&self, here: &Place<'_>, function: &Function) -> Out {
        let meaning = here.meanings.get(&function.oid);
        let tells = meaning.is_some_and(|meaning| meaning.tells);
        let nothing = ["void", "trigger", "event_trigger"].contains(&function.returns.as_str())
            || function.kind == "p" && !function.arguments.to_uppercase().contains("OUT ");
        if tells {
            Out::Result
        } else if nothing && meaning.is_some_and(|meaning| meaning.answers) {
            Out::Fact
        } else if nothing {
            Out::Tables
        } else if function.returns == "boolean" {
            Out::Fact
        } else {
            Out::Result
        }
    }
}

fn counted(mut found: Yield, function: &Function, meaning: Option<&Meaning>) -> Yield {
    found.facts |= function.returns == "boolean" && !meaning.is_some_and(|meaning| meaning.tells)
        || COUNTS.contains(&function.returns.as_str()) && meaning.is_some_and(|meaning| meaning.counts);
    found
}
