//! What the key store knows in memory: the shelves, which of them takes keys, and what is ready to follow it.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use evidence::commitment::OpeningKey;
use zeroize::Zeroizing;

use super::cipher::Cipher;
use super::rewrapped::Rewrapped;
use super::ring::{Ring, Secret, Shelved};
use super::{KeysError, SPARE_SHELVES};

/// A shelf's key.
#[derive(Debug)]
pub(super) struct Shelf {
    pub(super) cipher: Arc<Cipher>,
    pub(super) from: u64,
    pub(super) to: Option<u64>,
    pub(super) file: Option<u64>,
    /// Counts what is on its way.
    pub(super) in_use: Arc<()>,
    /// Nothing has been put on it: made by this process, and not taken yet.
    pub(super) fresh: bool,
}

#[derive(Debug)]
pub(super) struct Inner {
    pub(super) round: u64,
    pub(super) root: Arc<Cipher>,
    pub(super) pending: Option<u64>,
    pub(super) erasures: Vec<u64>,
    pub(super) shelves: BTreeMap<u64, Shelf>,
    /// What overseers have opened.
    pub(super) opened: BTreeMap<u64, OpeningKey>,
    /// The shelf that takes keys, and how many it has.
    pub(super) current: u64,
    pub(super) filled: u64,
    pub(super) spares: VecDeque<u64>,
    /// The file that was read last, with its round.
    pub(super) read: Option<(u64, u64, Arc<Rewrapped>)>,
}

impl Inner {
    pub(super) fn of(ring: Ring, round: u64, root: Cipher) -> Result<Self, KeysError> {
        let Ring {
            pending,
            erasures,
            shelves: read,
            opened,
        } = ring;
        let (mut shelves, mut spares) = (BTreeMap::new(), Vec::new());
        for shelved in read {
            let Shelved {
                id,
                key,
                from,
                to,
                file,
            } = shelved;
            if to.is_none() {
                spares.push((from, id));
            }
            shelves.insert(
                id,
                Shelf {
                    cipher: Arc::new(Cipher::new(key.0)?),
                    from,
                    to,
                    file,
                    in_use: Arc::default(),
                    fresh: false,
                },
            );
        }
        // The oldest first: it is the one that was in use.
        spares.sort_unstable();
        Ok(Self {
            round,
            root: Arc::new(root),
            pending,
            erasures,
            shelves,
            opened: opened
                .into_iter()
                .map(|(entry, key)| (entry, OpeningKey::new(*key.0)))
                .collect(),
            current: 0,
            filled: 0,
            spares: spares.into_iter().map(|(_, id)| id).collect(),
            read: None,
        })
    }

    /// Makes shelves up to the number that is wanted.
    pub(super) fn make_spares(&mut self, size: u64) -> Result<(), KeysError> {
        while self.spares.len() <= SPARE_SHELVES {
            let mut id = [0; 8];
            getrandom::fill(&mut id).map_err(|_| KeysError::Random)?;
            let id = u64::from_le_bytes(id);
            if self.shelves.contains_key(&id) {
                continue;
            }
            let shelf = Shelf {
                cipher: Arc::new(Cipher::random()?),
                from: size,
                to: None,
                file: None,
                in_use: Arc::default(),
                fresh: true,
            };
            self.shelves.insert(id, shelf);
            self.spares.push_back(id);
        }
        Ok(())
    }

    /// Goes over to the next shelf; stays where there is none.
    pub(super) fn take_spare(&mut self) {
        if let Some(next) = self.spares.pop_front() {
            (self.current, self.filled) = (next, 0);
            if let Some(shelf) = self.shelves.get_mut(&next) {
                shelf.fresh = false;
            }
        }
    }

    /// The log has so many entries: shelves on which nothing was put begin there.
    pub(super) fn at(&mut self, size: u64) {
        for shelf in self.shelves.values_mut().filter(|shelf| shelf.fresh) {
            shelf.from = size;
        }
    }

    /// Shelves that take nothing more, with nothing on its way.
    pub(super) fn drained(&self) -> Vec<u64> {
        let done = |(id, shelf): (&u64, &Shelf)| {
            let open = *id == self.current || self.spares.contains(id);
            (!open && shelf.to.is_none() && Arc::strong_count(&shelf.in_use) == 1).then_some(*id)
        };
        self.shelves.iter().filter_map(done).collect()
    }

    pub(super) fn ring(&self, size: u64) -> Ring {
        let shelves = self.shelves.iter().map(|(id, shelf)| Shelved {
            id: *id,
            key: Secret(Zeroizing::new(*shelf.cipher.secret())),
            from: if shelf.fresh { size } else { shelf.from },
            to: shelf.to,
            file: shelf.file,
        });
        Ring {
            pending: self.pending,
            erasures: self.erasures.clone(),
            shelves: shelves.collect(),
            opened: self
                .opened
                .iter()
                .map(|(entry, key)| (*entry, Secret(Zeroizing::new(*key.reveal()))))
                .collect(),
        }
    }
}
