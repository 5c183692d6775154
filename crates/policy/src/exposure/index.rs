//! Indexes of a database's contents, so that a question about one relation costs what hangs on it and not what stands beside it.

use std::collections::{BTreeSet, HashMap, HashSet};

use super::snapshot::{
    Caller, CallerKind, Cascade, Contents, DomainUse, ForeignTable, Function, Oid, Policy, Relation, Rule,
};
use super::source::{Dynamic, Meaning, Opens};
use super::world::Place;

/// Functions that read large objects.
const BLOB_READERS: &[&str] = &["lo_get", "loread", "lo_open"];

/// A function's place among the contents' functions.
type FunctionAt = usize;

/// What a place's contents are asked for again and again.
#[derive(Debug, Default)]
pub(crate) struct Index<'s> {
    policies: HashMap<Oid, Vec<&'s Policy>>,
    foreign_tables: HashMap<Oid, &'s ForeignTable>,
    /// Functions that reach past the table: those of extensions, in untrusted languages, and of files.
    pub(crate) reaching: Vec<&'s Function>,
    /// SECURITY DEFINER functions that may run their caller's statements or code.
    pub(crate) lending: Vec<&'s Function>,
    /// Functions whose text or parsed body names a relation, by its name.
    readers: HashMap<String, Vec<FunctionAt>>,
    /// Functions that call a function, by the one that is called.
    /// Partitions, and what they are partitions of.
    divided: HashMap<Oid, Oid>,
    callers: HashMap<FunctionAt, Vec<FunctionAt>>,
    /// Relations of unknown contents, by their columns' names.
    unknown: HashMap<&'s [String], Vec<&'s Relation>>,
    /// Definer functions that read large objects.
    pub(crate) blob_readers: Vec<&'s Function>,
    /// Foreign tables over files and programs of the server.
    pub(crate) files: Vec<&'s ForeignTable>,
    /// What calls functions with a relation's rows, by the relation.
    with_rows: HashMap<Oid, Vec<&'s Caller>>,
    /// A view's own rule, by the view.
    views: HashMap<Oid, &'s Rule>,
    /// Functions of operators, by the operator's name.
    operators: HashMap<&'s str, Vec<Oid>>,
    of_operators: HashSet<Oid>,
    /// Functions that run text, or call one that does: any relation may be read by them.
    dynamic: BTreeSet<FunctionAt>,
    /// Domains of a relation's columns.
    domains: HashMap<Oid, Vec<&'s DomainUse>>,
    /// Foreign keys, by either end.
    keys: HashMap<Oid, Vec<&'s Cascade>>,
    /// Who owns a relation.
    pub(crate) owners: HashSet<Oid>,
    /// Aggregates, by their support functions, and the other way round.
    aggregates: HashMap<Oid, Vec<Oid>>,
    supports: HashMap<Oid, Vec<Oid>>,
    /// Views that call functions, by the function: places among the contents' rules.
    viewing: HashMap<Oid, Vec<usize>>,
}

/// Functions that may read something: more than those that do, never fewer.
#[derive(Debug)]
pub(crate) struct Candidates {
    at: BTreeSet<FunctionAt>,
    oids: HashSet<Oid>,
}

impl Candidates {
    /// In the order of the contents.
    pub(crate) fn functions<'s>(&self, contents: &'s Contents) -> impl Iterator<Item = &'s Function> {
        self.at.iter().filter_map(|at| contents.functions.get(*at))
    }

    pub(crate) fn has(&self, function: Oid) -> bool {
        self.oids.contains(&function)
    }
}

impl<'s> Index<'s> {
    pub(crate) fn new(
        contents: &'s Contents,
        relations: &HashMap<Oid, &'s Relation>,
        meanings: &HashMap<Oid, Meaning>,
    ) -> Self {
        let mut new = Self {
            owners: contents.relations.iter().map(|relation| relation.owner).collect(),
            ..Self::default()
        };
        for (child, parent) in &contents.inherits {
            if relations.get(parent).is_some_and(|one| one.kind == "p") {
                new.divided.insert(*child, *parent);
            }
        }
        for policy in &contents.policies {
            new.policies.entry(policy.relation).or_default().push(policy);
        }
        for one in &contents.domains {
            new.domains.entry(one.relation).or_default().push(one);
        }
        for key in contents.cascades.iter().filter(|key| key.relation != key.refers) {
            new.keys.entry(key.relation).or_default().push(key);
            new.keys.entry(key.refers).or_default().push(key);
        }
        for caller in contents.callers.iter().filter(|one| one.relation != 0) {
            new.with_rows.entry(caller.relation).or_default().push(caller);
        }
        let callers = contents.callers.iter();
        for caller in callers.filter(|one| one.kind == CallerKind::Operator) {
            new.operators
                .entry(&caller.name)
                .or_default()
                .push(caller.function);
            new.of_operators.insert(caller.function);
        }
        let callers = contents.callers.iter();
        for caller in callers.filter(|one| one.kind == CallerKind::Aggregate) {
            new.aggregates
                .entry(caller.function)
                .or_default()
                .push(caller.object);
            new.supports
                .entry(caller.object)
                .or_default()
                .push(caller.function);
        }
        for relation in contents.relations.iter().filter(|one| one.unknown) {
            let columns = relation.columns.as_deref().unwrap_or_default();
            if columns.len() > 1 {
                new.unknown.entry(columns).or_default().push(relation);
            }
        }
        let wrapper = |table: &&ForeignTable| {
            let server = contents.servers.iter().find(|one| one.oid == table.server);
            server.is_some_and(|one| one.wrapper.starts_with("file_fdw"))
        };
        new.files = contents.foreign_tables.iter().filter(wrapper).collect();
        for table in &contents.foreign_tables {
            new.foreign_tables.entry(table.relation).or_insert(table);
        }
        for (at, rule) in contents
            .rules
            .iter()
            .enumerate()
            .filter(|(_, rule)| rule.event == "1")
        {
            new.views.insert(rule.relation, rule);
            for function in rule.calls.iter().flatten() {
                new.viewing.entry(*function).or_default().push(at);
            }
        }
        let mut by_oid: HashMap<Oid, FunctionAt> = HashMap::new();
        let mut by_name: HashMap<&str, Vec<FunctionAt>> = HashMap::new();
        for (at, function) in contents.functions.iter().enumerate() {
            by_oid.insert(function.oid, at);
            by_name.entry(&function.name).or_default().push(at);
            if super::extensions::may_reach(function, meanings.get(&function.oid)) {
                new.reaching.push(function);
            }
        }
        let mut queue = Vec::new();
        for (at, function) in contents.functions.iter().enumerate() {
            let meaning = meanings.get(&function.oid);
            let called: Vec<FunctionAt> = if function.parsed {
                for read in function.reads.iter().flatten() {
                    if let Some(relation) = relations.get(&read.relation) {
                        new.readers.entry(relation.name.clone()).or_default().push(at);
                    }
                }
                let oids = function.calls.iter().flatten();
                oids.filter_map(|oid| by_oid.get(oid).copied()).collect()
            } else if let Some(meaning) = meaning {
                let named = meaning.reads.iter().chain(&meaning.grants);
                // What only writes tells by what it is handed, or by how many rows it has changed.
                let handed = function.takes.as_ref().is_some_and(|takes| !takes.is_empty());
                let inserts = meaning.inserts.iter().filter(|_| handed);
                let changes = meaning.changes.iter().filter(|_| meaning.counts_changes);
                let named = named.chain(inserts).chain(changes);
                for named in named.chain(meaning.opens.iter().filter_map(Opens::relation)) {
                    new.readers.entry(named.name.clone()).or_default().push(at);
                }
                let usage = meaning.opens.iter().any(|one| matches!(one, Opens::Usage(_)));
                let any = meaning.dynamic != Dynamic::No
                    || meaning.grants_any
                    || usage
                    || !meaning.schemas.is_empty();
                if any && new.dynamic.insert(at) {
                    queue.push(at);
                }
                let operators = meaning.operators.iter().flat_map(|one| new.operators(one));
                let operators: Vec<FunctionAt> =
                    operators.filter_map(|oid| by_oid.get(oid).copied()).collect();
                let names = meaning.calls.iter();
                names
                    .filter_map(|named| by_name.get(named.name.as_str()))
                    .flatten()
                    .copied()
                    .chain(operators)
                    .collect()
            } else {
                Vec::new()
            };
            for one in called {
                new.callers.entry(one).or_default().push(at);
            }
            if function.definer && meaning.is_some() {
                new.lending.push(function);
            }
            let reads = |meaning: &Meaning| {
                meaning
                    .calls
                    .iter()
                    .any(|one| BLOB_READERS.contains(&one.name.as_str()))
            };
            if function.definer && meaning.is_some_and(reads) {
                new.blob_readers.push(function);
            }
        }
        while let Some(at) = queue.pop() {
            for caller in new.callers.get(&at).into_iter().flatten() {
                if new.dynamic.insert(*caller) {
                    queue.push(*caller);
                }
            }
        }
        new
    }

    /// The domains of a relation's columns.
    pub(crate) fn domains(&self, relation: Oid) -> &[&'s DomainUse] {
        self.domains.get(&relation).map(Vec::as_slice).unwrap_or_default()
    }

    /// The foreign keys from and to a relation.
    pub(crate) fn keys(&self, relation: Oid) -> &[&'s Cascade] {
        self.keys.get(&relation).map(Vec::as_slice).unwrap_or_default()
    }

    /// What a relation is a partition of.
    pub(crate) fn divided(&self, relation: Oid) -> Option<Oid> {
        self.divided.get(&relation).copied()
    }

    /// The policies of a relation, in the order of the contents.
    pub(crate) fn policies(&self, relation: Oid) -> &[&'s Policy] {
        self.policies
            .get(&relation)
            .map(Vec::as_slice)
            .unwrap_or_default()
    }

    /// Whether a relation is a table over a file or program of the server.
    pub(crate) fn is_file(&self, relation: &Relation) -> bool {
        relation.kind == "f" && self.files.iter().any(|table| table.relation == relation.oid)
    }

    /// Relations of unknown contents with the same columns.
    pub(crate) fn alike(&self, relation: &Relation) -> &[&'s Relation] {
        let columns = relation.columns.as_deref().unwrap_or_default();
        self.unknown.get(columns).map(Vec::as_slice).unwrap_or_default()
    }

    /// What calls functions with a relation's rows.
    pub(crate) fn called_with(&self, relation: Oid) -> &[&'s Caller] {
        self.with_rows
            .get(&relation)
            .map(Vec::as_slice)
            .unwrap_or_default()
    }

    /// A view's own rule.
    pub(crate) fn view_rule(&self, view: Oid) -> Option<&'s Rule> {
        self.views.get(&view).copied()
    }

    /// Functions of operators of this name.
    pub(crate) fn operators(&self, name: &str) -> &[Oid] {
        self.operators.get(name).map(Vec::as_slice).unwrap_or_default()
    }

    /// Whether a function is an operator's.
    pub(crate) fn is_operators(&self, function: Oid) -> bool {
        self.of_operators.contains(&function)
    }

    pub(crate) fn foreign_table(&self, relation: Oid) -> Option<&'s ForeignTable> {
        self.foreign_tables.get(&relation).copied()
    }

    /// Whether a function names a relation of this name.
    pub(crate) fn is_named(&self, relation: &str) -> bool {
        self.readers.contains_key(relation)
    }

    /// Functions that may yield one of these relations.
    pub(crate) fn candidates<'n>(
        &self,
        contents: &Contents,
        names: impl Iterator<Item = &'n str>,
    ) -> Candidates {
        let mut at = self.dynamic.clone();
        let mut queue: Vec<FunctionAt> = Vec::new();
        for name in names {
            for reader in self.readers.get(name).into_iter().flatten() {
                if at.insert(*reader) {
                    queue.push(*reader);
                }
            }
        }
        while let Some(one) = queue.pop() {
            for caller in self.callers.get(&one).into_iter().flatten() {
                if at.insert(*caller) {
                    queue.push(*caller);
                }
            }
        }
        let oids = at.iter().filter_map(|at| contents.functions.get(*at));
        Candidates {
            oids: oids.map(|function| function.oid).collect(),
            at,
        }
    }

    /// Views that call one of these functions, in the order of the contents.
    pub(crate) fn views_calling(&self, contents: &'s Contents, functions: &Candidates) -> Vec<&'s Rule> {
        let aggregates = functions.oids.iter().filter_map(|oid| self.aggregates.get(oid));
        let called = functions.oids.iter().chain(aggregates.flatten());
        let called = called.filter_map(|oid| self.viewing.get(oid));
        let rules: BTreeSet<usize> = called.flatten().copied().collect();
        rules
            .into_iter()
            .filter_map(|at| contents.rules.get(at))
            .collect()
    }
}

impl<'s> Place<'s> {
    /// Functions that may yield one of these relations.
    pub(crate) fn candidates(&self, relations: impl Iterator<Item = Oid>) -> Candidates {
        let names = relations
            .filter_map(|oid| self.relation(oid))
            .map(|relation| relation.name.as_str());
        self.index.candidates(self.contents, names)
    }
    /// The functions among some that a view calls, an aggregate's support functions among them, and what EXECUTE is asked for on.
    pub(crate) fn called_by(&self, rule: &Rule, functions: &Candidates) -> Vec<(&'s Function, Oid)> {
        let mut found = Vec::new();
        for called in rule.calls.iter().flatten() {
            let support = self.index.supports.get(called).into_iter().flatten();
            for oid in std::iter::once(called)
                .chain(support)
                .filter(|oid| functions.has(**oid))
            {
                found.extend(self.function(*oid).map(|function| (function, *called)));
            }
        }
        found
    }
}
