//! A whole server: how many roles stand how to each relation, and to how many relations each role does, with examples of the paths.
//!
//! Relations with the same owner, schema and rights stand alike, and so do roles ([`super::groups`]): what is looked at is one
//! way of acting towards one relation of each sort. The numbers are those that looking at each pair would give.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::rc::Rc;

use super::condition::Who;
use super::groups::{Act, Groups, Partition, Sort};
use super::kinds::Kind;
use super::paths::{Search, Target, merged};
use super::report::{Alike, Class, Looked, Reach, Report};
use super::scan::FINDINGS;
use super::snapshot::{Oid, Relation, Unseen};
use super::states::Useful;
use super::world::RoleAt;

/// Findings that are listed as examples where those of all pairs are too many.
const EXAMPLES: usize = 10_000;

/// Work that was done, for tests: it must not grow with the product of roles and relations.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub struct Work {
    /// Relations.
    pub relations: usize,
    /// Roles that were asked about.
    pub roles: usize,
    /// Sorts of relations that were looked at.
    pub sorts: usize,
    /// Ways of acting that were walked towards a relation.
    pub walks: usize,
    /// Groups of roles that were told apart, over all sorts of relations.
    pub cells: usize,
    /// Questions that were asked about single roles and relations.
    pub questions: u64,
}

/// How all roles stand towards relations of one sort.
struct Standing {
    partition: Rc<Partition>,
    /// The worst class of each cell.
    classes: Vec<Option<Class>>,
    counts: [u32; 5],
    /// How many relations are of this sort, and the first of them in its place among the targets.
    relations: u32,
    first: usize,
}

/// What makes relations alike.
#[derive(Debug, PartialEq, Eq, Hash)]
struct Alikeness<'s> {
    place: usize,
    schema: Oid,
    owner: Oid,
    kind: &'s str,
    acl: Option<&'s [String]>,
    columns: &'s [(String, Vec<String>)],
    flags: [bool; 6],
    policies: Vec<String>,
    names: &'s [String],
    published: Vec<bool>,
}

/// One of a sort's nodes: its relation's sort, whether facts alone, its kind, and what it asks for.
type NodeSort = (u32, bool, Option<Kind>, Vec<SortNeed>, Vec<Oid>, Vec<String>);

/// The sort of a relation that is asked for, and its columns.
type SortNeed = (u32, Option<Vec<String>>);

/// A whole server's roles, and what has been found of them.
pub(crate) struct Counting<'c, 'w, 's> {
    search: &'c Search<'w, 's>,
    roles: &'c [RoleAt],
    groups: Groups,
    alike: HashMap<Alikeness<'s>, u32>,
    relations: HashMap<(usize, Oid), u32>,
    sorts: HashMap<Vec<NodeSort>, usize>,
    standings: Vec<Standing>,
    /// Names in the commands of scheduled jobs.
    jobs: HashSet<String>,
    pub(crate) work: Work,
}

impl<'c, 'w, 's> Counting<'c, 'w, 's> {
    pub(crate) fn new(search: &'c Search<'w, 's>, roles: &'c [RoleAt]) -> Self {
        let places = search.rights.world.places.iter();
        let jobs = places.flat_map(|place| &place.contents.jobs).flat_map(|job| {
            let reads = super::source::meaning(&job.command).reads.into_iter();
            reads.map(|named| named.name)
        });
        Self {
            search,
            roles,
            groups: Groups::new(search, roles),
            alike: HashMap::new(),
            relations: HashMap::new(),
            sorts: HashMap::new(),
            standings: Vec::new(),
            jobs: jobs.collect(),
            work: Work {
                roles: roles.len(),
                ..Work::default()
            },
        }
    }

    /// Looks at all relations.
    pub(crate) fn whole(&mut self, targets: &[(usize, &'s Relation)], report: &mut Report) -> Work {
        let mut of_targets = Vec::with_capacity(targets.len());
        for (at, (place, relation)) in targets.iter().enumerate() {
            let target = self.search.target(*place, relation);
            self.search.cut_short(&target, report);
            let standing = self.standing(&target, at);
            of_targets.push(standing);
            let counts = self.standings.get(standing).map_or([0; 5], |one| one.counts);
            report.relation.push(self.search.looked(&target, counts));
        }
        self.work.relations = targets.len();
        report.roles = self.reaches();
        let pairs: usize = report.relation.iter().map(stand).sum();
        if pairs <= FINDINGS {
            self.list(targets, &of_targets, report);
        } else {
            self.examples(targets, pairs, report);
        }
        self.work
    }

    /// How all roles stand to a target: the place of that among the standings.
    fn standing(&mut self, target: &Target<'s>, at: usize) -> usize {
        let sort = self.sort(target);
        if let Some(known) = sort.as_ref().and_then(|sort| self.sorts.get(sort)).copied() {
            if let Some(standing) = self.standings.get_mut(known) {
                standing.relations += 1;
            }
            return known;
        }
        let partition = self
            .groups
            .partition(self.search.rights, self.search.holders(target));
        let classes = self.classes(target, &partition);
        let mut counts = [0; 5];
        for (cell, class) in partition.cells.iter().zip(&classes) {
            if let Some(count) = class.and_then(|class| counts.get_mut(class as usize)) {
                *count += cell.count;
            }
        }
        self.work.sorts += 1;
        self.work.cells += partition.cells.len();
        let new = self.standings.len();
        self.standings.push(Standing {
            partition,
            classes,
            counts,
            relations: 1,
            first: at,
        });
        if let Some(sort) = sort {
            self.sorts.insert(sort, new);
        }
        new
    }

    /// The worst class of each cell.
    fn classes(&mut self, target: &Target<'s>, partition: &Partition) -> Vec<Option<Class>> {
        let walked: Vec<Option<Class>> = partition.atoms.iter().map(|act| self.walk(act, target)).collect();
        self.work.walks += walked.len();
        let mut classes = Vec::with_capacity(partition.cells.len());
        for cell in &partition.cells {
            let atoms = cell
                .atoms
                .iter()
                .filter_map(|atom| walked.get(*atom as usize).copied().flatten());
            let mut class = atoms.min();
            if cell.makes && class.is_none_or(|class| class > Class::Grantable) {
                // Who makes roles became the strongest of them above; what others are good for here is looked at only now.
                let useful = self.search.useful(target);
                class = self
                    .search
                    .of_role(cell.role, target, &useful)
                    .iter()
                    .map(|one| one.class)
                    .min();
                self.work.walks += 1;
            }
            classes.push(class);
        }
        classes
    }

    fn walk(&self, act: &Act, target: &Target<'s>) -> Option<Class> {
        let (state, sort) = self.groups.state(self.search.rights, act)?;
        let class_of = |class: Class| merged(state.class, class);
        match sort {
            Sort::Open => self
                .search
                .of_state(&state, target)
                .iter()
                .filter_map(|path| class_of(path.class))
                .min(),
            Sort::Shut => {
                let found = self.search.of_shut(&state, target);
                found
                    .iter()
                    .filter_map(|(state, path)| merged(state.class, path.class))
                    .min()
            }
            Sort::Dead if state.place == target.place => {
                let found = self.search.of_dead(&state, act.user, target);
                found.iter().filter_map(|path| class_of(path.class)).min()
            }
            Sort::Dead => None,
        }
    }

    /// What makes a target one of a sort; none where it must be looked at for itself.
    fn sort(&mut self, target: &Target<'s>) -> Option<Vec<NodeSort>> {
        let rights = self.search.rights;
        let mut sort = Vec::with_capacity(target.nodes.list.len());
        for node in &target.nodes.list {
            let here = rights.place(node.place)?;
            let relation = here.relation(node.relation)?;
            let named = rights
                .world
                .places
                .iter()
                .any(|place| place.index.is_named(&relation.name));
            let rules = self.search.reverse.rules.get(&(node.place, node.relation));
            let acts = rules.into_iter().flatten().any(|rule| rule.event != "1");
            let told = rights.tells(node.place, node.relation)
                || !rights.invoked_over(node.place, node.relation).is_empty();
            if named || acts || told || relation.kind == "f" || self.jobs.contains(&relation.name) {
                return None;
            }
            let mut needs = Vec::new();
            for (oid, columns) in &node.needs {
                needs.push((self.alike(node.place, here.relation(*oid)?), columns.clone()));
            }
            let own = self.alike(node.place, relation);
            // A query that does not ask who asks gives rows to all or to none.
            let views = node.views.iter().map(|(_, text)| match text.to_lowercase() {
                lower if lower.contains("user") => text.clone(),
                _ => format!("{:?}", super::condition::view_gives(text, Who::default())),
            });
            let views = views.collect();
            sort.push((own, node.facts, node.kind, needs, node.executes.clone(), views));
        }
        Some(sort)
    }

    /// The number of all relations like this one.
    fn alike(&mut self, place: usize, relation: &'s Relation) -> u32 {
        if let Some(known) = self.relations.get(&(place, relation.oid)) {
            return *known;
        }
        let here = self.search.rights.place(place);
        let policies = here.filter(|_| relation.row_security).into_iter();
        let policies = policies
            .flat_map(|here| here.index.policies(relation.oid))
            .map(|policy| format!("{policy:?}"));
        let publications = here.into_iter().flat_map(|here| &here.contents.publications);
        let published = publications.map(|one| one.publishes(relation)).collect();
        let key = Alikeness {
            place,
            schema: relation.schema,
            owner: relation.owner,
            kind: &relation.kind,
            acl: relation.acl.as_deref(),
            columns: relation.column_acls.as_deref().unwrap_or_default(),
            flags: [
                relation.row_security,
                relation.force,
                relation.blobs,
                relation.statistics,
                relation.temporary,
                relation.unfilled,
            ],
            policies: policies
                .map(|text| text.replacen(&format!("relation: {}", relation.oid), "", 1))
                .collect(),
            names: relation
                .columns
                .as_deref()
                .filter(|_| relation.row_security)
                .unwrap_or_default(),
            published,
        };
        let next = u32::try_from(self.alike.len()).unwrap_or(u32::MAX);
        let number = *self.alike.entry(key).or_insert(next);
        self.relations.insert((place, relation.oid), number);
        number
    }

    /// To how many relations each role stands how.
    fn reaches(&self) -> Vec<Reach> {
        let mut by_base: HashMap<u32, [i64; 5]> = HashMap::new();
        let mut by_shape: HashMap<u32, [i64; 5]> = HashMap::new();
        let mut by_role: HashMap<RoleAt, [i64; 5]> = HashMap::new();
        let add = |to: &mut [i64; 5], class: Option<Class>, relations: i64| {
            if let Some(sum) = class.and_then(|class| to.get_mut(class as usize)) {
                *sum += relations;
            }
        };
        for standing in &self.standings {
            let relations = i64::from(standing.relations);
            let class = |cell: Option<u32>| {
                cell.and_then(|cell| standing.classes.get(cell as usize).copied().flatten())
            };
            let base = |shape: u32| {
                let base = self.groups.shapes.get(shape as usize).map(|shape| shape.base);
                class(base.and_then(|base| standing.partition.bases.get(base as usize).copied().flatten()))
            };
            for (at, cell) in (0..).zip(&standing.partition.bases) {
                add(by_base.entry(at).or_default(), class(*cell), relations);
            }
            let mut of_shapes = HashMap::new();
            for (shape, cell) in &standing.partition.shapes {
                let sums = by_shape.entry(*shape).or_default();
                add(sums, base(*shape), -relations);
                add(sums, class(*cell), relations);
                of_shapes.insert(*shape, class(*cell));
            }
            for (role, cell) in &standing.partition.singles {
                let Some(shape) = self.groups.shape_of.get(role) else {
                    continue;
                };
                let sums = by_role.entry(*role).or_default();
                add(
                    sums,
                    of_shapes.get(shape).copied().unwrap_or_else(|| base(*shape)),
                    -relations,
                );
                add(sums, class(Some(*cell)), relations);
            }
        }
        let world = self.search.rights.world;
        let reach = |role: &RoleAt| {
            let known = world.role(*role)?;
            let shape = *self.groups.shape_of.get(role)?;
            let base = self.groups.shapes.get(shape as usize)?.base;
            let sums = [by_base.get(&base), by_shape.get(&shape), by_role.get(role)];
            let mut relations = [0; 5];
            for (at, count) in relations.iter_mut().enumerate() {
                let sum: i64 = sums.iter().flatten().filter_map(|sums| sums.get(at)).sum();
                *count = u32::try_from(sum).unwrap_or_default();
            }
            Some(Reach {
                role: known.name.clone(),
                login: known.login,
                relations,
            })
        };
        self.roles.iter().filter_map(reach).collect()
    }

    /// Lists all findings.
    fn list(&self, targets: &[(usize, &'s Relation)], standings: &[usize], report: &mut Report) {
        for ((place, relation), standing) in targets.iter().zip(standings) {
            let Some(standing) = self.standings.get(*standing) else {
                continue;
            };
            if standing.counts == [0; 5] {
                continue;
            }
            let target = self.search.target(*place, relation);
            let useful = self.search.useful(&target);
            let shapes: HashMap<u32, Option<u32>> = standing.partition.shapes.iter().copied().collect();
            let singles: HashMap<RoleAt, u32> = standing.partition.singles.iter().copied().collect();
            for role in self.roles {
                let cell = singles.get(role).copied().or_else(|| {
                    let at = self.groups.shape_of.get(role)?;
                    let base = self.groups.shapes.get(*at as usize)?.base;
                    let of_base = || standing.partition.bases.get(base as usize).copied().flatten();
                    shapes.get(at).copied().unwrap_or_else(of_base)
                });
                let class = cell.and_then(|cell| standing.classes.get(cell as usize).copied().flatten());
                if class.is_none() {
                    continue;
                }
                let found = self.search.of_role(*role, &target, &useful);
                let room = FINDINGS.saturating_sub(report.findings.len());
                report.left_out += found.len().saturating_sub(room);
                report.findings.extend(found.into_iter().take(room));
            }
        }
    }

    /// Lists the findings of one role and one relation for all that stand alike, the worst first.
    fn examples(&self, targets: &[(usize, &'s Relation)], pairs: usize, report: &mut Report) {
        let mut by_class: BTreeMap<Class, Vec<(&Standing, RoleAt, u32)>> = BTreeMap::new();
        for standing in &self.standings {
            for (cell, class) in standing.partition.cells.iter().zip(&standing.classes) {
                if let Some(class) = class.filter(|_| cell.count > 0) {
                    by_class
                        .entry(class)
                        .or_default()
                        .push((standing, cell.role, cell.count));
                }
            }
        }
        let mut listed = 0_usize;
        let mut last: Option<(usize, Target<'s>, Useful)> = None;
        for (standing, role, roles) in by_class.into_values().flatten() {
            if report.findings.len() >= EXAMPLES {
                break;
            }
            let Some((place, relation)) = targets.get(standing.first) else {
                continue;
            };
            if last.as_ref().is_none_or(|(first, ..)| *first != standing.first) {
                let target = self.search.target(*place, relation);
                let useful = self.search.useful(&target);
                last = Some((standing.first, target, useful));
            }
            let Some((_, target, useful)) = &last else {
                continue;
            };
            listed += 1;
            let alike = Alike {
                roles,
                relations: standing.relations,
            };
            for mut finding in self.search.of_role(role, target, useful) {
                finding.alike = Some(alike);
                report.findings.push(finding);
            }
        }
        report.left_out = pairs - listed;
        report.unseen.push(Unseen {
            what: format!("the paths of {} pairs of a role and a relation, of {pairs} that have any", report.left_out),
            why: format!(
                "they are too many to list: numbers are complete, and {listed} pairs are shown as examples, each for the roles and relations that stand alike"
            ),
            needs: "`--relation` or `--role`".to_owned(),
        });
    }
}

/// Roles that have a path of any sort to a relation.
fn stand(looked: &Looked) -> usize {
    looked.roles.iter().map(|count| *count as usize).sum()
}
