//! Keys destroyed: what is left of their shelves is wrapped anew, the ring sealed under a new root key, and the old one overwritten.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use zeroize::Zeroizing;

use super::cipher::Cipher;
use super::rewrapped::{self, Making};
use super::ring::{self, Secret};
use super::{Keys, KeysError, Wrapped, open_wrapped, shelf_path};
use crate::disk::{Access, replace};

impl Keys {
    /// Notes that an erasure is begun, durably: the next `erased` entry from `size` on is to be carried out.
    pub(crate) fn begin(&self, size: u64) -> Result<(), KeysError> {
        let _writing = self.writer();
        {
            let mut inner = self.lock();
            inner.make_spares(size)?;
            inner.pending = Some(size);
        }
        self.store_locked(size)
    }

    /// Notes that no erasure is under way.
    pub(crate) fn abandon(&self, size: u64) -> Result<(), KeysError> {
        let _writing = self.writer();
        self.lock().pending = None;
        self.store_locked(size)
    }

    /// From which size of the log on an `erased` entry must be looked for.
    pub(crate) fn pending(&self) -> Option<u64> {
        self.lock().pending
    }

    /// Puts nothing more on these shelves. Ready once `true`: nothing is on its way with a key of theirs either.
    pub(crate) fn retire(&self, shelves: &BTreeSet<u64>) -> bool {
        let mut inner = self.lock();
        inner.spares.retain(|spare| !shelves.contains(spare));
        if shelves.contains(&inner.current) {
            inner.take_spare();
        }
        let mut all = shelves.iter().filter_map(|id| inner.shelves.get(id));
        // Without a spare the one in use stays so.
        !shelves.contains(&inner.current) && all.all(|shelf| Arc::strong_count(&shelf.in_use) == 1)
    }

    /// Where in the log a shelf's keys stand, if they stand there: from an entry on, up to another.
    pub(crate) fn stretch(&self, shelf: u64) -> Option<(u64, Option<u64>)> {
        let inner = self.lock();
        let shelf = inner.shelves.get(&shelf).filter(|shelf| shelf.file.is_none())?;
        Some((shelf.from, shelf.to))
    }

    /// Carries out an erasure: destroys the keys of these entries, which stand on these shelves. `by` is the index of the `erased`
    /// entry. `of_log` gives the keys of a shelf that stand in the log, with their entries, in order.
    pub(crate) fn destroy<E: From<KeysError>>(
        &self,
        gone: &BTreeMap<u64, BTreeSet<u64>>,
        by: u64,
        size: u64,
        of_log: impl Fn(u64, &mut dyn FnMut(u64, Wrapped) -> Result<(), KeysError>) -> Result<(), E>,
    ) -> Result<(), E> {
        let _writing = self.writer();
        let round = self.lock().round.saturating_add(1);
        let mut new = Vec::new();
        for (id, gone) in gone {
            let cipher = Cipher::random()?;
            let bytes = self.rewrap(*id, gone, by, &cipher, &of_log)?;
            if u64::try_from(bytes.len()).is_ok_and(|bytes| bytes > rewrapped::MAX_BYTES) {
                let path = shelf_path(*id, round);
                return Err(KeysError::Shelf { path }.into());
            }
            replace(&*self.disk, &shelf_path(*id, round), &bytes, Access::Private)
                .map_err(KeysError::from)?;
            new.push((*id, Arc::new(cipher)));
        }
        let root = Arc::new(ring::make_root(&*self.disk, round)?);
        let ring = {
            let inner = self.lock();
            let mut ring = inner.ring(size);
            ring.pending = None;
            ring.erasures.push(by);
            let gone = |entry: &u64| gone.values().any(|gone| gone.contains(entry));
            ring.opened.retain(|(entry, _)| !gone(entry));
            for shelved in &mut ring.shelves {
                if let Some((_, cipher)) = new.iter().find(|(id, _)| *id == shelved.id) {
                    shelved.key = Secret(Zeroizing::new(*cipher.secret()));
                    shelved.file = Some(round);
                    shelved.to = shelved.to.or(Some(size));
                }
            }
            ring
        };
        // From here on it is done, whatever happens.
        ring.store(&*self.disk, round, &root)?;
        {
            let mut inner = self.lock();
            (inner.round, inner.root, inner.pending) = (round, root, None);
            inner.erasures.push(by);
            inner
                .opened
                .retain(|entry, _| !gone.values().any(|gone| gone.contains(entry)));
            inner.read = None;
            for (id, cipher) in new {
                if let Some(shelf) = inner.shelves.get_mut(&id) {
                    (shelf.cipher, shelf.file) = (cipher, Some(round));
                    shelf.to = shelf.to.or(Some(size));
                }
            }
        }
        Ok(self.tidy()?)
    }

    /// The file of a shelf without these entries.
    fn rewrap<E: From<KeysError>>(
        &self,
        id: u64,
        gone: &BTreeSet<u64>,
        by: u64,
        new: &Cipher,
        of_log: &impl Fn(u64, &mut dyn FnMut(u64, Wrapped) -> Result<(), KeysError>) -> Result<(), E>,
    ) -> Result<Vec<u8>, E> {
        let path = |round| shelf_path(id, round);
        let (cipher, file) = {
            let inner = self.lock();
            let shelf = inner.shelves.get(&id).ok_or(KeysError::Ring)?;
            (Arc::clone(&shelf.cipher), shelf.file)
        };
        let mut making = Making::new(id, new);
        let Some(round) = file else {
            of_log(id, &mut |entry, wrapped| {
                if gone.contains(&entry) {
                    making.lose(entry, by);
                    return Ok(());
                }
                let key = open_wrapped(&wrapped, &cipher).ok_or(KeysError::Ring)?;
                making.keep(entry, &key)
            })?;
            return Ok(making.bytes());
        };
        let damaged = || KeysError::Shelf { path: path(round) };
        let old = self.file(id, round)?;
        // What is gone already stays so; the two are in order, each by itself.
        let mut lost = old.gone().map(|(first, last, by)| (first, (last, by))).peekable();
        for row in old.keys() {
            let entry = rewrapped::key_entry(row);
            while let Some((first, (last, by))) = lost.next_if(|(first, _)| *first < entry) {
                making.lose(first, by);
                making.lose(last, by);
            }
            if gone.contains(&entry) {
                making.lose(entry, by);
            } else {
                let key = rewrapped::open_key(id, row, &cipher).ok_or_else(damaged)?;
                making.keep(entry, &key)?;
            }
        }
        for (first, (last, by)) in lost {
            making.lose(first, by);
            making.lose(last, by);
        }
        Ok(making.bytes())
    }
}
