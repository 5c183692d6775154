//! All roles by how they stand towards what some holders hold, in two layers: the *ground* is what those who hold something on a
//! schema tell apart, the same for all its relations; what else is held on one of them tells a few of the ground's apart again.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::rc::Rc;

use super::groups::{Act, Groups, Held, Shape, numbered, tagged};
use super::rights::Rights;
use super::world::RoleAt;

/// A way of acting: its manner, and which of the holders' rights it has.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct Atom {
    pub(crate) manner: u32,
    /// The roles whose rights it has, and whether it is one of them ([`tagged`]); then, after [`NAMES`], those that its session
    /// could name things as.
    pub(crate) tags: Vec<u64>,
}

/// What stands before the roles that a session could name things as.
pub(crate) const NAMES: u64 = u64::MAX;

/// Roles that stand alike.
#[derive(Debug)]
pub(crate) struct Cell {
    /// The ways in which they act: places among the atoms.
    pub(crate) atoms: Vec<u32>,
    /// One of them.
    pub(crate) role: RoleAt,
    pub(crate) count: u32,
    pub(crate) makes: bool,
}

/// A holder's right that one of a shape has in one of its acts: shape, act, holder.
type Hit = (u32, u32, u64);

/// Those of a shape among sorted hits.
fn of_shape(hits: &[Hit], shape: u32) -> &[Hit] {
    let from = hits.partition_point(|(at, ..)| *at < shape);
    let to = hits.partition_point(|(at, ..)| *at <= shape);
    hits.get(from..to).unwrap_or_default()
}

/// All roles, as the holders on a schema tell them apart.
#[derive(Debug, Default)]
pub(crate) struct Ground {
    holders: Vec<Held>,
    /// Sorted.
    hits: Vec<Hit>,
    pub(crate) atoms: Vec<Atom>,
    pub(crate) cells: Vec<Cell>,
    /// The shapes in each cell.
    shapes: Vec<Vec<u32>>,
    /// The cell of each shape, for its roles that hold nothing themselves.
    of_shape: Vec<u32>,
    /// The cells of roles that are holders themselves.
    singles: BTreeMap<RoleAt, u32>,
}

impl Ground {
    /// How many numbers it holds, about.
    pub(super) fn size(&self) -> usize {
        self.hits.len() + self.of_shape.len()
    }

    /// The cell of a role that holds something itself.
    pub(crate) fn single(&self, role: RoleAt) -> Option<u32> {
        self.singles.get(&role).copied()
    }

    /// The cell of those of a shape who hold nothing themselves.
    pub(crate) fn cell_of_shape(&self, shape: u32) -> Option<u32> {
        self.of_shape.get(shape as usize).copied()
    }

    /// The cell of a role of a shape.
    pub(crate) fn cell_of(&self, role: RoleAt, shape: u32) -> Option<u32> {
        self.single(role).or_else(|| self.cell_of_shape(shape))
    }
}

/// All roles, by how they stand towards what holders hold: a ground, and what is different from it.
#[derive(Debug)]
pub(crate) struct Partition {
    pub(crate) ground: Rc<Ground>,
    /// Of each of the ground's cells, how many are left in it and one of them.
    pub(crate) left: Vec<Option<(RoleAt, u32)>>,
    pub(crate) atoms: Vec<Atom>,
    /// One who acts so, by atom.
    pub(crate) acts: Vec<Act>,
    pub(crate) cells: Vec<Cell>,
    /// The cells of shapes that have a holder; none where all of a shape's roles stand alone.
    pub(crate) shapes: Vec<(u32, Option<u32>)>,
    /// The cells of roles that stand alone.
    pub(crate) singles: Vec<(RoleAt, u32)>,
}

/// Cells that are being made.
struct Parting<'p, 'w, 's> {
    groups: &'p Groups,
    rights: &'p Rights<'w, 's>,
    atoms: HashMap<Atom, u32>,
    list: Vec<Atom>,
    acts: Vec<Act>,
    known: HashMap<(Vec<u32>, bool), u32>,
    cells: Vec<Cell>,
}

impl<'p, 'w, 's> Parting<'p, 'w, 's> {
    fn new(groups: &'p Groups, rights: &'p Rights<'w, 's>) -> Self {
        Self {
            groups,
            rights,
            atoms: HashMap::new(),
            list: Vec::new(),
            acts: Vec::new(),
            known: HashMap::new(),
            cells: Vec::new(),
        }
    }

    /// The cell of those of a shape who have these rights and no other of the holders'.
    fn cell(&mut self, shape: &Shape, role: RoleAt, count: u32, hits: &[Hit]) -> u32 {
        let mut atoms = Vec::new();
        for (atom, act) in self.groups.atoms(shape, role, hits) {
            let at = match self.atoms.get(&atom) {
                Some(at) => *at,
                None => {
                    self.list.push(atom.clone());
                    self.acts.push(act);
                    numbered(&mut self.atoms, atom)
                }
            };
            atoms.push(at);
        }
        atoms.sort_unstable();
        atoms.dedup();
        let known = self.known.len();
        let at = numbered(&mut self.known, (atoms.clone(), shape.makes));
        if self.known.len() > known {
            self.cells.push(Cell {
                atoms,
                role,
                count: 0,
                makes: shape.makes,
            });
        }
        if let Some(cell) = self.cells.get_mut(at as usize) {
            cell.count += count;
        }
        at
    }

    /// What a holder's own rights hit.
    fn hits_of(&self, at: u32, shape: &Shape, role: RoleAt, holders: &[&[Held]]) -> Vec<Hit> {
        let mut hits = Vec::new();
        for act in 0.. {
            let Some(one) = Groups::act(shape, act, role) else {
                break;
            };
            let place = self.groups.place(one.manner);
            let tree = self.rights.tree(place, one.user);
            let of_place = holders.iter().flat_map(|some| *some);
            let held = of_place.filter(|(of, holder)| *of == place && tree.has(*holder));
            hits.extend(held.map(|(_, holder)| (at, act, tagged(*holder, one.user))));
        }
        hits.sort_unstable();
        hits
    }
}

impl Groups {
    /// The ways in which one of a shape acts who has these rights, each with an act.
    fn atoms(&self, shape: &Shape, role: RoleAt, hits: &[Hit]) -> Vec<(Atom, Act)> {
        let plain = |act: &Act| {
            let manner = self.manners.get(act.manner as usize);
            manner.is_some_and(|one| one.plain)
        };
        // What the session that acts may name, whoever it acts as.
        let mut naming: BTreeMap<usize, BTreeSet<u64>> = BTreeMap::new();
        for (_, at, tag) in hits {
            if let Some(act) = Self::act(shape, *at, role).filter(|act| plain(act)) {
                naming.entry(self.place(act.manner)).or_default().insert(*tag / 2);
            }
        }
        let named = |act: &Act, mut tags: Vec<u64>| {
            let names = naming.get(&self.place(act.manner)).filter(|_| plain(act));
            if let Some(names) = names {
                let own: Vec<u64> = tags.iter().map(|tag| *tag / 2).collect();
                tags.push(NAMES);
                tags.extend(names.iter().filter(|name| !own.contains(name)));
            }
            Atom {
                manner: act.manner,
                tags,
            }
        };
        let mut atoms = Vec::new();
        let mut hit: Vec<(u32, u32)> = Vec::new();
        for of_act in hits.chunk_by(|one, other| one.1 == other.1) {
            let Some(act) = of_act.first().and_then(|(_, at, _)| Self::act(shape, *at, role)) else {
                continue;
            };
            match hit.iter_mut().find(|(manner, _)| *manner == act.manner) {
                Some((_, count)) => *count += 1,
                None => hit.push((act.manner, 1)),
            }
            let tags = of_act.iter().map(|(.., tag)| *tag).collect();
            atoms.push((named(&act, tags), act));
        }
        for (manner, count) in &shape.manners {
            let all_hit = hit.iter().any(|(of, hits)| of == manner && hits >= count);
            if all_hit {
                continue;
            }
            // One act in that manner without a hit: which one does not matter.
            let acts = (0..).map_while(|at| Self::act(shape, at, role).map(|act| (at, act)));
            let mut free = acts.filter(|(at, act)| {
                act.manner == *manner && hits.binary_search_by_key(at, |(_, at, _)| *at).is_err()
            });
            if let Some((_, act)) = free.next() {
                atoms.push((named(&act, Vec::new()), act));
            }
        }
        atoms
    }

    /// An act of one of a ground's cell in a way that is the cell's.
    pub(crate) fn act_of(
        &self,
        rights: &Rights<'_, '_>,
        ground: &Ground,
        role: RoleAt,
        atom: &Atom,
    ) -> Option<Act> {
        let (at, shape) = self.shape(role)?;
        let hits = if ground.singles.contains_key(&role) {
            Parting::new(self, rights).hits_of(at, shape, role, &[&ground.holders])
        } else {
            of_shape(&ground.hits, at).to_vec()
        };
        let mut atoms = self.atoms(shape, role, &hits).into_iter();
        atoms.find(|(one, _)| one == atom).map(|(_, act)| act)
    }

    /// What the holders' rights hit of all shapes, and not of holders themselves.
    fn hits(&self, holders: &[Held]) -> Vec<Hit> {
        let mut hits = Vec::new();
        for (place, holder) in holders {
            for (at, act) in self.reach.get(holder).into_iter().flatten() {
                let Some(shape) = self.shapes.get(*at as usize) else {
                    continue;
                };
                // Its own acts hit nothing by being the holder: who is stands alone.
                let own = (*act as usize) < shape.own.len();
                let Some(one) = Self::act(shape, *act, RoleAt::MAX) else {
                    continue;
                };
                if self.place(one.manner) == *place {
                    let user = if own { RoleAt::MAX } else { one.user };
                    hits.push((*at, *act, tagged(*holder, user)));
                }
            }
        }
        hits.sort_unstable();
        hits
    }

    /// How all roles stand towards what these holders hold, who are sorted.
    pub(super) fn ground(&self, rights: &Rights<'_, '_>, holders: Vec<Held>) -> Ground {
        let mut parting = Parting::new(self, rights);
        let hits = self.hits(&holders);
        let mut cells_of = Vec::with_capacity(self.shapes.len());
        let mut in_cells: Vec<Vec<u32>> = Vec::new();
        let holds = |role: &RoleAt| holders.iter().any(|(_, holder)| holder == role);
        for (at, shape) in (0..).zip(&self.shapes) {
            let free: Vec<RoleAt> = shape.roles.iter().copied().filter(|role| !holds(role)).collect();
            let Some(first) = free.first() else {
                cells_of.push(u32::MAX);
                continue;
            };
            let count = u32::try_from(free.len()).unwrap_or(u32::MAX);
            let cell = parting.cell(shape, *first, count, of_shape(&hits, at));
            cells_of.push(cell);
            if in_cells.len() <= cell as usize {
                in_cells.resize_with(cell as usize + 1, Vec::new);
            }
            if let Some(shapes) = in_cells.get_mut(cell as usize) {
                shapes.push(at);
            }
        }
        let mut singles = BTreeMap::new();
        for (_, role) in &holders {
            let Some((at, shape)) = self.shape(*role).filter(|_| !singles.contains_key(role)) else {
                continue;
            };
            let own = parting.hits_of(at, shape, *role, &[&holders]);
            singles.insert(*role, parting.cell(shape, *role, 1, &own));
        }
        Ground {
            hits,
            atoms: parting.list,
            cells: parting.cells,
            shapes: in_cells,
            of_shape: cells_of,
            singles,
            holders,
        }
    }

    fn shape(&self, role: RoleAt) -> Option<(u32, &Shape)> {
        let at = *self.shape_of.get(&role)?;
        Some((at, self.shapes.get(at as usize)?))
    }

    /// How all roles stand towards what the ground's holders and these hold; both are sorted.
    pub(super) fn parted(
        &self,
        rights: &Rights<'_, '_>,
        ground: &Rc<Ground>,
        mut holders: Vec<Held>,
    ) -> Partition {
        holders.retain(|held| ground.holders.binary_search(held).is_err());
        let mut parting = Parting::new(self, rights);
        let hits = self.hits(&holders);
        let mut left: Vec<u32> = ground.cells.iter().map(|cell| cell.count).collect();
        let mut take = |cell: Option<u32>, count: u32| {
            if let Some(left) = cell.and_then(|cell| left.get_mut(cell as usize)) {
                *left = left.saturating_sub(count);
            }
        };
        // Who holds something, and who held something on the ground and has more here.
        let mut alone: BTreeSet<RoleAt> = holders.iter().map(|(_, role)| *role).collect();
        let mut affected: Vec<u32> = hits.iter().map(|(at, ..)| *at).collect();
        affected.dedup();
        let is_affected = |at: &u32| affected.binary_search(at).is_ok();
        let has_more = |role: &&RoleAt| self.shape_of.get(role).is_some_and(is_affected);
        alone.extend(ground.singles.keys().filter(has_more));
        let stands_alone = |role: &RoleAt| alone.contains(role) || ground.singles.contains_key(role);
        let mut shapes = Vec::with_capacity(affected.len());
        for at in &affected {
            let Some(shape) = self.shapes.get(*at as usize) else {
                continue;
            };
            let mut free = shape.roles.iter().copied().filter(|role| !stands_alone(role));
            let first = free.next();
            let count = u32::try_from(free.count()).unwrap_or(u32::MAX);
            let count = count.saturating_add(u32::from(first.is_some()));
            take(ground.cell_of_shape(*at), count);
            let cell = first.map(|role| {
                let mut all = of_shape(&ground.hits, *at).to_vec();
                all.extend(of_shape(&hits, *at));
                all.sort_unstable();
                parting.cell(shape, role, count, &all)
            });
            shapes.push((*at, cell));
        }
        let mut singles = Vec::new();
        for role in &alone {
            let Some((at, shape)) = self.shape(*role) else {
                continue;
            };
            take(ground.cell_of(*role, at), 1);
            let own = parting.hits_of(at, shape, *role, &[&ground.holders, &holders]);
            singles.push((*role, parting.cell(shape, *role, 1, &own)));
        }
        let mut ones: Vec<Option<RoleAt>> = vec![None; ground.cells.len()];
        for (role, cell) in ground.singles.iter().filter(|(role, _)| !alone.contains(role)) {
            if let Some(one) = ones.get_mut(*cell as usize) {
                one.get_or_insert(*role);
            }
        }
        for (one, of_cell) in ones.iter_mut().zip(&ground.shapes) {
            let free = of_cell.iter().filter(|at| !is_affected(at));
            let shapes = free.filter_map(|at| self.shapes.get(*at as usize));
            let mut roles = shapes.flat_map(|shape| &shape.roles).copied();
            *one = roles.find(|role| !stands_alone(role)).or(*one);
        }
        let left = ones.into_iter().zip(left);
        Partition {
            left: left
                .map(|(one, count)| Some((one?, count)).filter(|_| count > 0))
                .collect(),
            ground: Rc::clone(ground),
            atoms: parting.list,
            acts: parting.acts,
            cells: parting.cells,
            shapes,
            singles,
        }
    }
}
