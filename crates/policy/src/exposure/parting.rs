//! One partition: all roles by how they stand towards what some holders hold.

use std::collections::{BTreeSet, HashMap};

use super::groups::{Act, Cell, Groups, Held, Partition, Shape, numbered, tagged};
use super::rights::Rights;
use super::world::RoleAt;

/// A partition that is being made.
pub(super) struct Parting<'p, 'w, 's> {
    groups: &'p Groups,
    rights: &'p Rights<'w, 's>,
    holders: &'p [Held],
    partition: Partition,
    atoms: HashMap<(u32, Vec<u64>), u32>,
    cells: HashMap<(Vec<u32>, bool), u32>,
}

/// A holder's right that one of a shape has in one of its acts: shape, act, holder.
type Hit = (u32, u32, u64);

impl<'p, 'w, 's> Parting<'p, 'w, 's> {
    pub(super) fn new(groups: &'p Groups, rights: &'p Rights<'w, 's>, holders: &'p [Held]) -> Self {
        Self {
            groups,
            rights,
            holders,
            partition: Partition::default(),
            atoms: HashMap::new(),
            cells: HashMap::new(),
        }
    }

    fn atom(&mut self, act: Act, hits: Vec<u64>) -> u32 {
        let known = self.atoms.len();
        let atom = numbered(&mut self.atoms, (act.manner, hits));
        if self.atoms.len() > known {
            self.partition.atoms.push(act);
        }
        atom
    }

    /// The cell of those of a shape who have these rights and no other of the holders'.
    fn cell(&mut self, shape: &Shape, role: RoleAt, count: u32, hits: &[Hit]) -> u32 {
        let mut atoms = BTreeSet::new();
        let mut hit: HashMap<u32, u32> = HashMap::new();
        // What the session that acts may name, whoever it acts as.
        let groups = self.groups;
        let plain = |act: &Act| {
            groups
                .manners
                .get(act.manner as usize)
                .is_some_and(|one| one.plain)
        };
        let mut naming: HashMap<usize, BTreeSet<u64>> = HashMap::new();
        for (_, at, tag) in hits {
            if let Some(act) = Groups::act(shape, *at, role).filter(|act| plain(act)) {
                naming
                    .entry(groups.place(act.manner))
                    .or_default()
                    .insert(*tag / 2);
            }
        }
        let named = |act: &Act, mut tags: Vec<u64>| {
            if let Some(names) = naming.get(&groups.place(act.manner)).filter(|_| plain(act)) {
                let own: BTreeSet<u64> = tags.iter().map(|tag| *tag / 2).collect();
                tags.push(u64::MAX);
                tags.extend(names.difference(&own));
            }
            tags
        };
        for of_act in hits.chunk_by(|one, other| one.1 == other.1) {
            let Some(act) = of_act
                .first()
                .and_then(|(_, at, _)| Groups::act(shape, *at, role))
            else {
                continue;
            };
            *hit.entry(act.manner).or_default() += 1;
            let tags = of_act.iter().map(|(.., tag)| *tag).collect();
            atoms.insert(self.atom(act, named(&act, tags)));
        }
        for (manner, count) in &shape.manners {
            if hit.get(manner).copied().unwrap_or_default() >= *count {
                continue;
            }
            // One act in that manner without a hit: which one does not matter.
            let acts = (0..).map_while(|at| Groups::act(shape, at, role).map(|act| (at, act)));
            let mut free = acts.filter(|(at, act)| {
                act.manner == *manner && hits.binary_search_by_key(at, |(_, at, _)| *at).is_err()
            });
            if let Some((_, act)) = free.next() {
                atoms.insert(self.atom(act, named(&act, Vec::new())));
            }
        }
        let atoms: Vec<u32> = atoms.into_iter().collect();
        let known = self.cells.len();
        let at = numbered(&mut self.cells, (atoms.clone(), shape.makes));
        if self.cells.len() > known {
            self.partition.cells.push(Cell {
                atoms,
                role,
                count: 0,
                makes: shape.makes,
            });
        }
        if let Some(cell) = self.partition.cells.get_mut(at as usize) {
            cell.count += count;
        }
        at
    }

    /// What the holders' rights hit of all shapes, and not of holders themselves.
    fn hits(&self) -> Vec<Hit> {
        let groups = self.groups;
        let mut hits = Vec::new();
        for (place, holder) in self.holders {
            for (at, act) in groups.reach.get(holder).into_iter().flatten() {
                let Some(shape) = groups.shapes.get(*at as usize) else {
                    continue;
                };
                // Its own acts hit nothing by being the holder: who is stands alone.
                let own = (*act as usize) < shape.own.len();
                let Some(one) = Groups::act(shape, *act, RoleAt::MAX) else {
                    continue;
                };
                if groups.place(one.manner) == *place {
                    let tag = if own {
                        tagged(*holder, RoleAt::MAX)
                    } else {
                        tagged(*holder, one.user)
                    };
                    hits.push((*at, *act, tag));
                }
            }
        }
        hits.sort_unstable();
        hits
    }

    /// The same for a holder.
    fn hits_of(&self, at: u32, shape: &Shape, role: RoleAt) -> Vec<Hit> {
        let mut hits = Vec::new();
        for act in 0.. {
            let Some(one) = Groups::act(shape, act, role) else {
                break;
            };
            let place = self.groups.place(one.manner);
            let tree = self.rights.tree(place, one.user);
            let held = self
                .holders
                .iter()
                .filter(|(of, holder)| *of == place && tree.has(*holder));
            hits.extend(held.map(|(_, holder)| (at, act, tagged(*holder, one.user))));
        }
        hits.sort_unstable();
        hits
    }

    pub(super) fn made(mut self) -> Partition {
        let groups = self.groups;
        let mut left: Vec<u32> = groups.bases.iter().map(|base| base.roles).collect();
        let mut holders: Vec<RoleAt> = self.holders.iter().map(|(_, role)| *role).collect();
        holders.sort_unstable();
        holders.dedup();
        let holds = |role: &RoleAt| holders.binary_search(role).is_ok();
        let mut alone: HashMap<u32, u32> = HashMap::new();
        let mut singles = Vec::new();
        for role in &holders {
            if let Some((at, shape)) = groups
                .shape_of
                .get(role)
                .and_then(|at| Some((*at, groups.shapes.get(*at as usize)?)))
            {
                *alone.entry(at).or_default() += 1;
                singles.push((*role, at, shape));
                if let Some(left) = left.get_mut(shape.base as usize) {
                    *left = left.saturating_sub(1);
                }
            }
        }
        let first_of = |shape: &Shape| shape.roles.iter().copied().find(|role| !holds(role));
        let hits = self.hits();
        let affected: Vec<&[Hit]> = hits.chunk_by(|one, other| one.0 == other.0).collect();
        let shape_at = |hits: &[Hit]| hits.first().map_or(u32::MAX, |(at, ..)| *at);
        let mut cells = Vec::new();
        for hits in &affected {
            let at = shape_at(hits);
            let Some(shape) = groups.shapes.get(at as usize) else {
                continue;
            };
            let count = u32::try_from(shape.roles.len()).unwrap_or(u32::MAX)
                - alone.get(&at).copied().unwrap_or_default();
            if let Some(left) = left.get_mut(shape.base as usize) {
                *left = left.saturating_sub(count);
            }
            cells.push((at, shape, first_of(shape), count, *hits));
        }
        for (base, left) in groups.bases.iter().zip(left) {
            let is_free = |at: &&u32| affected.binary_search_by_key(*at, |hits| shape_at(hits)).is_err();
            let free = base.shapes.iter().filter(is_free).find_map(|at| {
                let shape = groups.shapes.get(*at as usize)?;
                first_of(shape).map(|role| (shape, role))
            });
            let cell = free.map(|(shape, role)| self.cell(shape, role, left, &[]));
            self.partition.bases.push(cell);
        }
        for (at, shape, role, count, hits) in cells {
            let cell = role.map(|role| self.cell(shape, role, count, hits));
            self.partition.shapes.push((at, cell));
        }
        for (role, at, shape) in singles {
            let hits = self.hits_of(at, shape, role);
            let cell = self.cell(shape, role, 1, &hits);
            self.partition.singles.push((role, cell));
        }
        self.partition
    }
}
