//! Which relations are alike: the same sort has the same roles standing the same way, and the same frame but for who holds rights.

use std::collections::{HashMap, HashSet};
use std::rc::Rc;

use super::condition::{Who, asks, decide, view_gives};
use super::groups::numbered;
use super::kinds::Kind;
use super::paths::{Search, Target};
use super::report::Class;
use super::snapshot::{DefaultPrivileges, Oid, Policy, Relation};
use super::walks::{Frame, Framed};
use super::world::{Entry, Holder, Rights};

/// What makes relations alike but for who holds rights on them.
#[derive(Debug, PartialEq, Eq, Hash)]
struct Framing<'s> {
    place: usize,
    /// Where default privileges depend on it.
    schema: Option<Oid>,
    kind: &'s str,
    flags: [bool; 8],
    /// Policies: command, whether permissive, and what the condition says whoever asks, or itself where that matters.
    policies: Vec<(&'s str, bool, String)>,
    published: Vec<bool>,
    /// What tables over files give of it, and tables that may be copies of it.
    files: Vec<Option<Class>>,
    copies: Vec<Oid>,
}

/// What makes relations alike.
#[derive(Debug, PartialEq, Eq, Hash)]
struct Alikeness<'s> {
    frame: Frame,
    schema: Oid,
    owner: Oid,
    acl: Option<&'s [String]>,
    columns: &'s [(String, Vec<String>)],
    policies: Vec<String>,
    names: &'s [String],
}

/// A relation's numbers: of all relations like it, and what is the same for more.
#[derive(Debug, Clone)]
pub(super) struct Numbered {
    alike: u32,
    pub(super) framed: Framed,
}

/// A target's nodes, the functions of others' that are run with its rows, what tells of it when it is written, and its columns'
/// domains.
pub(super) type Sort = (Vec<NodeSort>, Vec<Oid>, Vec<OracleSort>, Vec<DomainSort>);

/// The sort of a relation whose writing tells of the target, with which right, and what it is found as.
type OracleSort = (u32, char, Kind);

/// A domain's schema and owner.
type DomainSort = (Oid, Oid);

/// One of a sort's nodes: its relation's sort, whether facts alone, its kind, and what it asks for.
type NodeSort = (u32, bool, Option<Kind>, Vec<SortNeed>, Vec<Oid>, Vec<String>);

/// The sort of a relation that is asked for, and its columns.
type SortNeed = (u32, Option<Vec<String>>);

/// A target's nodes, and the texts of each node's views as far as they matter, and whether they ask who asks.
pub(super) struct Sorted {
    pub(super) sort: Sort,
    pub(super) views: Vec<(Vec<String>, bool)>,
}

/// All relations, as they are looked at.
pub(super) struct Sorting<'s> {
    frames: HashMap<Framing<'s>, Frame>,
    alike: HashMap<Alikeness<'s>, u32>,
    relations: HashMap<(usize, Oid), Numbered>,
    /// Names in the commands of scheduled jobs.
    jobs: HashSet<String>,
}

impl<'s> Sorting<'s> {
    pub(super) fn new(search: &Search<'_, 's>) -> Self {
        let places = search.rights.world.places.iter();
        let jobs = places.flat_map(|place| &place.contents.jobs).flat_map(|job| {
            let reads = super::source::meaning(&job.command).reads.into_iter();
            reads.map(|named| named.name)
        });
        Self {
            frames: HashMap::new(),
            alike: HashMap::new(),
            relations: HashMap::new(),
            jobs: jobs.collect(),
        }
    }

    /// What makes a target one of a sort; none where it must be looked at for itself.
    pub(super) fn sort(&mut self, search: &Search<'_, 's>, target: &Target<'s>) -> Option<Sorted> {
        let rights = search.rights;
        let home = rights.place(target.place)?;
        let mut sort = Vec::with_capacity(target.nodes.list.len());
        let mut texts = Vec::with_capacity(target.nodes.list.len());
        for node in &target.nodes.list {
            let here = rights.place(node.place)?;
            let relation = here.relation(node.relation)?;
            let named = rights
                .world
                .places
                .iter()
                .any(|place| place.index.is_named(&relation.name));
            let rules = search.reverse.rules.get(&(node.place, node.relation));
            let acts = rules.into_iter().flatten().any(|rule| rule.event != "1");
            let told = rights.tells(node.place, node.relation)
                || rights.refresh_tells(node.place, node.relation).is_some()
                || !rights.invoked_over(node.place, node.relation).is_empty();
            if named || acts || told || relation.kind == "f" || self.jobs.contains(&relation.name) {
                return None;
            }
            let mut needs = Vec::new();
            for (oid, columns) in &node.needs {
                let needed = self.numbered(search, node.place, here.relation(*oid)?);
                needs.push((needed.alike, columns.clone()));
            }
            let own = self.numbered(search, node.place, relation).alike;
            // A query that does not ask who asks gives rows to all or to none.
            let said = node.views.iter().map(|(_, text)| match asks(text) {
                true => text.clone(),
                false => format!("{:?}", view_gives(text, Who::default())),
            });
            let views: Vec<String> = said.collect();
            texts.push((views.clone(), node.views.iter().any(|(_, text)| asks(text))));
            sort.push((own, node.facts, node.kind, needs, node.executes.clone(), views));
        }
        let code = target.code.iter().map(|code| code.function.oid).collect();
        let oracles = target.oracles.iter().map(|one| {
            let alike = self.numbered(search, target.place, one.relation).alike;
            (alike, one.right, one.kind)
        });
        let oracles = oracles.collect();
        let domains = home.index.domains(target.relation.oid).iter();
        Some(Sorted {
            sort: (
                sort,
                code,
                oracles,
                domains.map(|one| (one.schema, one.owner)).collect(),
            ),
            views: texts,
        })
    }

    /// The numbers of all relations like this one.
    pub(super) fn numbered(
        &mut self,
        search: &Search<'_, 's>,
        place: usize,
        relation: &'s Relation,
    ) -> Numbered {
        if let Some(known) = self.relations.get(&(place, relation.oid)) {
            return known.clone();
        }
        let rights = search.rights;
        let here = rights.place(place);
        let secured = here.filter(|_| relation.row_security).into_iter();
        let policies: Vec<&Policy> = secured
            .flat_map(|here| here.index.policies(relation.oid))
            .copied()
            .collect();
        let publications = here.into_iter().flat_map(|here| &here.contents.publications);
        let published = publications.map(|one| one.publishes(relation)).collect();
        let defaults = here.into_iter().flat_map(|here| &here.contents.defaults);
        let given: Vec<&DefaultPrivileges> = defaults
            .filter(|one| one.schema == relation.schema && one.object == "r")
            .collect();
        let asked = |policy: &Policy| policy.condition.as_deref().is_some_and(asks);
        let outcome = |policy: &Policy| match policy.condition.as_deref() {
            Some(text) if asks(text) => text.to_owned(),
            Some(text) => format!("{:?}", decide(text, Who::default())),
            None => String::new(),
        };
        let framing = Framing {
            place,
            schema: (!given.is_empty()).then_some(relation.schema),
            kind: &relation.kind,
            flags: [
                relation.row_security,
                relation.force,
                relation.blobs,
                relation.statistics,
                relation.temporary,
                relation.unfilled,
                relation.unique,
                here.is_some_and(|here| here.contents.expressions.contains(&relation.oid)),
            ],
            policies: (policies.iter())
                .map(|policy| (policy.command.as_str(), policy.permissive, outcome(policy)))
                .collect(),
            published,
            files: rights.files_give(place, relation),
            copies: rights.may_be_copies(place, relation),
        };
        let copied = !framing.copies.is_empty();
        let filed = framing.files.iter().any(Option::is_some);
        // For whom policies are, and to whom default privileges give: as rights that are held or not.
        let read = Rights::of("r");
        let of_policy = |policy: &&Policy| {
            let holder = |oid: &Oid| match oid {
                0 => Some(Holder::Public),
                oid => rights.world.at(*oid).map(Holder::Role),
            };
            let entry = |holder| Entry {
                holder,
                rights: read,
                grantor: None,
            };
            policy.roles.iter().filter_map(holder).map(entry).collect()
        };
        let of_default = |one: &&DefaultPrivileges| {
            let entries = one
                .acl
                .iter()
                .flatten()
                .filter_map(|item| rights.world.entry(item));
            let own = rights.world.at(one.role);
            entries
                .filter(|entry| entry.holder.role().is_none_or(|role| Some(role) != own))
                .collect()
        };
        let more = policies.iter().map(of_policy);
        let more: Vec<_> = more.chain(given.iter().map(of_default)).map(Rc::new).collect();
        let template = here.is_some_and(|here| here.database.template);
        let frame = numbered(&mut self.frames, framing);
        let alike = Alikeness {
            frame,
            schema: relation.schema,
            owner: relation.owner,
            acl: relation.acl.as_deref(),
            columns: relation.column_acls.as_deref().unwrap_or_default(),
            policies: (policies.iter())
                .map(|policy| format!("{policy:?}").replacen(&format!("relation: {}", relation.oid), "", 1))
                .collect(),
            names: relation
                .columns
                .as_deref()
                .filter(|_| relation.row_security)
                .unwrap_or_default(),
        };
        let new = Numbered {
            alike: numbered(&mut self.alike, alike),
            framed: Framed {
                frame,
                more: more.into(),
                whole: template || copied || filed || policies.iter().any(|policy| asked(policy)),
            },
        };
        self.relations.insert((place, relation.oid), new.clone());
        new
    }
}
