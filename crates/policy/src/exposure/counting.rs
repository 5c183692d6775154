//! A whole server: how many roles stand how to each relation, and to how many relations each role does, with examples of the paths.
//!
//! Relations with the same owner, schema and rights stand alike, and so do roles ([`super::groups`]): what is looked at is one
//! way of acting towards one relation of each sort. The numbers are those that looking at each pair would give.

use std::collections::{BTreeMap, HashMap};

use super::groups::{Act, Groups, Held, Sort};
use super::parting::{Atom, Cell, Ground, Partition};
use super::paths::{Search, Target, merged};
use super::report::{Alike, Class, Looked, Reach, Report};
use super::scan::FINDINGS;
use super::snapshot::{Relation, Unseen};
use super::sorting::{Sort as RelationSort, Sorted, Sorting};
use super::states::Useful;
use super::walks::{Outline, Walks};
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
    ground: u32,
    /// The worst class of each of the ground's cells, for who is left in it.
    of_ground: Box<[Option<Class>]>,
    /// The same of shapes that have a holder, and of roles that stand alone.
    of_shapes: Box<[(u32, Option<Class>)]>,
    of_singles: Box<[(RoleAt, Option<Class>)]>,
    /// One of each cell that has a class, and how many they are.
    examples: Box<[(Class, RoleAt, u32)]>,
    counts: [u32; 5],
    /// How many relations are of this sort, and the first of them in its place among the targets.
    relations: u32,
    first: usize,
}

impl Standing {
    fn of_cell(&self, cell: Option<u32>) -> Option<Class> {
        self.of_ground.get(cell? as usize).copied().flatten()
    }

    /// The class of a shape that a holder tells apart from the ground.
    fn different(&self, shape: u32) -> Option<Option<Class>> {
        let found = self.of_shapes.binary_search_by_key(&shape, |(at, _)| *at);
        Some(self.of_shapes.get(found.ok()?)?.1)
    }

    /// The class of those of a shape who hold nothing themselves.
    fn of_shape(&self, ground: &Ground, shape: u32) -> Option<Class> {
        let of_ground = || self.of_cell(ground.cell_of_shape(shape));
        self.different(shape).unwrap_or_else(of_ground)
    }

    fn of_role(&self, ground: &Ground, role: RoleAt, shape: u32) -> Option<Class> {
        let alone = self.of_singles.binary_search_by_key(&role, |(at, _)| *at);
        match (
            alone.ok().and_then(|at| self.of_singles.get(at)),
            ground.single(role),
        ) {
            (Some((_, class)), _) => *class,
            (None, Some(cell)) => self.of_cell(Some(cell)),
            (None, None) => self.of_shape(ground, shape),
        }
    }
}

/// A whole server's roles, and what has been found of them.
pub(crate) struct Counting<'c, 'w, 's> {
    search: &'c Search<'w, 's>,
    roles: &'c [RoleAt],
    groups: Groups,
    sorting: Sorting<'s>,
    walks: Walks,
    sorts: HashMap<RelationSort, usize>,
    standings: Vec<Standing>,
    pub(crate) work: Work,
}

impl<'c, 'w, 's> Counting<'c, 'w, 's> {
    pub(crate) fn new(search: &'c Search<'w, 's>, roles: &'c [RoleAt]) -> Self {
        Self {
            search,
            roles,
            groups: Groups::new(search, roles),
            sorting: Sorting::new(search),
            walks: Walks::default(),
            sorts: HashMap::new(),
            standings: Vec::new(),
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
        let sorted = self.sorting.sort(self.search, target);
        if let Some(known) = sorted.as_ref().and_then(|one| self.sorts.get(&one.sort)).copied() {
            if let Some(standing) = self.standings.get_mut(known) {
                standing.relations += 1;
            }
            return known;
        }
        let search = self.search;
        let of_schema = search.rights.schema_holders(target.place, target.relation.schema);
        let of_schema: Vec<Held> = of_schema.into_iter().map(|role| (target.place, role)).collect();
        let (partition, ground) = self
            .groups
            .partition(search.rights, of_schema, search.holders(target));
        let (sort, outline) = match sorted {
            None => (None, None),
            Some(Sorted { sort, views }) => {
                let sorting = &mut self.sorting;
                let framed = |place, relation| sorting.numbered(search, place, relation).framed;
                (Some(sort), self.walks.outline(search, target, views, framed))
            }
        };
        let new = self.stand(target, outline.as_ref(), &partition, ground, at);
        self.work.sorts += 1;
        self.work.cells += partition.cells.len() + partition.left.iter().flatten().count();
        let at = self.standings.len();
        self.standings.push(new);
        if let Some(sort) = sort {
            self.sorts.insert(sort, at);
        }
        at
    }

    /// The classes of a partition's cells.
    fn stand(
        &mut self,
        target: &Target<'s>,
        outline: Option<&Outline>,
        partition: &Partition,
        number: u32,
        first: usize,
    ) -> Standing {
        let ground = &partition.ground;
        let mut walked: Vec<Option<Option<Class>>> = vec![None; ground.atoms.len()];
        let mut of_ground = Vec::with_capacity(ground.cells.len());
        let mut examples = Vec::new();
        for (cell, left) in ground.cells.iter().zip(&partition.left) {
            let class = left.and_then(|(role, count)| {
                for at in &cell.atoms {
                    let Some(atom) = ground.atoms.get(*at as usize) else {
                        continue;
                    };
                    let class = |own: &mut Self| {
                        own.class(outline, atom, target, |own| {
                            own.groups.act_of(own.search.rights, ground, role, atom)
                        })
                    };
                    if let Some(known) = walked.get_mut(*at as usize)
                        && known.is_none()
                    {
                        *known = Some(class(self));
                    }
                }
                let of_atoms = cell
                    .atoms
                    .iter()
                    .filter_map(|at| walked.get(*at as usize).copied()??);
                let class = self.made(cell, role, of_atoms.min(), target);
                examples.extend(class.map(|class| (class, role, count)));
                class
            });
            of_ground.push(class);
        }
        let mut walked = Vec::with_capacity(partition.atoms.len());
        for (atom, act) in partition.atoms.iter().zip(&partition.acts) {
            walked.push(self.class(outline, atom, target, |_| Some(*act)));
        }
        let mut classes = Vec::with_capacity(partition.cells.len());
        for cell in &partition.cells {
            let of_atoms = cell.atoms.iter();
            let of_atoms = of_atoms.filter_map(|atom| walked.get(*atom as usize).copied().flatten());
            let class = self.made(cell, cell.role, of_atoms.min(), target);
            examples.extend(class.map(|class| (class, cell.role, cell.count)));
            classes.push(class);
        }
        let class = |cell: u32| classes.get(cell as usize).copied().flatten();
        let mut counts = [0; 5];
        for (class, _, roles) in &examples {
            if let Some(count) = counts.get_mut(*class as usize) {
                *count += roles;
            }
        }
        examples.retain(|(.., roles)| *roles > 0);
        let shapes = partition.shapes.iter();
        let singles = partition.singles.iter();
        Standing {
            ground: number,
            of_ground: of_ground.into(),
            of_shapes: shapes
                .map(|(shape, cell)| (*shape, cell.and_then(class)))
                .collect(),
            of_singles: singles.map(|(role, cell)| (*role, class(*cell))).collect(),
            examples: examples.into(),
            counts,
            relations: 1,
            first,
        }
    }

    /// A cell's worst class, who makes roles looked at once more.
    fn made(
        &mut self,
        cell: &Cell,
        role: RoleAt,
        class: Option<Class>,
        target: &Target<'s>,
    ) -> Option<Class> {
        if !cell.makes || class.is_some_and(|class| class <= Class::Grantable) {
            return class;
        }
        // Who makes roles became the strongest of them above; what others are good for here is looked at only now.
        let useful = self.search.useful(target);
        self.work.walks += 1;
        let found = self.search.of_role(role, target, &useful);
        found.iter().map(|one| one.class).min()
    }

    /// The worst class in a way of acting, of which `act` finds an example.
    fn class(
        &mut self,
        outline: Option<&Outline>,
        atom: &Atom,
        target: &Target<'s>,
        act: impl FnOnce(&Self) -> Option<Act>,
    ) -> Option<Class> {
        let mut walks = std::mem::take(&mut self.walks);
        let mut new = 0;
        let walk = || {
            new = 1;
            self.walk(&act(self)?, target)
        };
        let class = match outline {
            Some(outline) => walks.class(&self.groups, outline, atom, walk),
            None => walk(),
        };
        self.walks = walks;
        self.work.walks += new;
        class
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

    /// To how many relations each role stands how.
    fn reaches(&self) -> Vec<Reach> {
        let grounds = self.groups.grounds();
        let mut by_ground: Vec<Vec<[i64; 5]>> = grounds
            .iter()
            .map(|ground| vec![[0; 5]; ground.cells.len()])
            .collect();
        let mut by_shape: HashMap<u32, [i64; 5]> = HashMap::new();
        let mut by_role: HashMap<RoleAt, [i64; 5]> = HashMap::new();
        let add = |to: &mut [i64; 5], class: Option<Class>, relations: i64| {
            if let Some(sum) = class.and_then(|class| to.get_mut(class as usize)) {
                *sum += relations;
            }
        };
        for standing in &self.standings {
            let relations = i64::from(standing.relations);
            let (Some(ground), Some(of_ground)) = (
                grounds.get(standing.ground as usize),
                by_ground.get_mut(standing.ground as usize),
            ) else {
                continue;
            };
            for (sums, class) in of_ground.iter_mut().zip(&standing.of_ground) {
                add(sums, *class, relations);
            }
            for (shape, class) in &standing.of_shapes {
                let sums = by_shape.entry(*shape).or_default();
                add(sums, standing.of_cell(ground.cell_of_shape(*shape)), -relations);
                add(sums, *class, relations);
            }
            for (role, class) in &standing.of_singles {
                let Some(shape) = self.groups.shape_of.get(role) else {
                    continue;
                };
                let sums = by_role.entry(*role).or_default();
                // What it has otherwise in the sums: its shape's, and for a holder on the ground its own there.
                match ground.single(*role) {
                    Some(cell) => {
                        add(sums, standing.of_cell(Some(cell)), -relations);
                        if let Some(of_shape) = standing.different(*shape) {
                            add(sums, standing.of_cell(ground.cell_of_shape(*shape)), relations);
                            add(sums, of_shape, -relations);
                        }
                    }
                    None => add(sums, standing.of_shape(ground, *shape), -relations),
                }
                add(sums, *class, relations);
            }
        }
        let world = self.search.rights.world;
        let reach = |role: &RoleAt| {
            let known = world.role(*role)?;
            let shape = *self.groups.shape_of.get(role)?;
            let of_grounds = grounds
                .iter()
                .zip(&by_ground)
                .filter_map(|(ground, sums)| sums.get(ground.cell_of(*role, shape)? as usize));
            let more = [by_shape.get(&shape), by_role.get(role)];
            let all: Vec<&[i64; 5]> = of_grounds.chain(more.into_iter().flatten()).collect();
            let mut relations = [0; 5];
            for (at, count) in relations.iter_mut().enumerate() {
                let sum: i64 = all.iter().filter_map(|sums| sums.get(at)).sum();
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
        let grounds = self.groups.grounds();
        for ((place, relation), standing) in targets.iter().zip(standings) {
            let Some(standing) = self.standings.get(*standing) else {
                continue;
            };
            let Some(ground) = grounds.get(standing.ground as usize) else {
                continue;
            };
            if standing.counts == [0; 5] {
                continue;
            }
            let target = self.search.target(*place, relation);
            let useful = self.search.useful(&target);
            for role in self.roles {
                let shape = self.groups.shape_of.get(role);
                if shape
                    .and_then(|shape| standing.of_role(ground, *role, *shape))
                    .is_none()
                {
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
            for (class, role, roles) in &standing.examples {
                by_class
                    .entry(*class)
                    .or_default()
                    .push((standing, *role, *roles));
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
