//! The key store: what opens private records, kept so that it can be destroyed.
//!
//! Each entry's record is sealed under a random key of its own. That key stands in the write-ahead log wrapped under the key of a
//! *shelf*, which serves for some ten thousand entries. The shelves' keys are the *ring*, sealed under the *root key*. To
//! erase an entry, the keys of the rest of its shelf are wrapped anew into a file, under a new key of the shelf; the ring is
//! sealed under a new root key; and the old one is destroyed. No copy of anything from before then opens the entry.
//!
//! Appends cost no write of their own: shelves are in the ring before they are used.

use std::collections::BTreeSet;
use std::fmt;
use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use evidence::commitment::OpeningKey;
use zeroize::Zeroizing;

use crate::disk::{Access, Disk, Fault, read_whole};
use crate::payload::Private;
use crate::seal::{self, UnderSeal};

mod cipher;
mod erasing;
mod rewrapped;
mod ring;
mod shelves;

pub(crate) use cipher::{TAG_BYTES, open_record, seal_record};

use cipher::{Cipher, KEY_BYTES, NONCE_BYTES};
use rewrapped::{Found, Rewrapped};
use ring::{FOLDER, ROOT_FOLDER, Ring};
use shelves::Inner;

/// Entries of a shelf before the next one is taken: what one erasure reads and wraps anew, some tens of megabytes of the log.
const SHELF_ENTRIES: u64 = 1 << 16;

/// Shelves that are made ahead.
const SPARE_SHELVES: usize = 4;

/// Bytes of a key that is sealed.
const SEALED_KEY_BYTES: usize = KEY_BYTES + TAG_BYTES;

/// Bytes of a wrapped key as it stands in the write-ahead log: shelf, nonce, sealed key.
pub(crate) const WRAPPED_BYTES: usize = 8 + NONCE_BYTES + SEALED_KEY_BYTES;

/// Why the key store does not serve.
#[derive(Debug, thiserror::Error)]
pub enum KeysError {
    /// The file system failed.
    #[error("the file system failed")]
    Storage(#[from] io::Error),
    /// A sync failed: what is on the disk is not known until a new process reads it.
    #[error("a sync failed")]
    Unsynced(#[source] io::Error),
    /// The ring is not what was written, or not under this root key.
    #[error(
        "`keys/ring` cannot be opened: it is damaged, or older than `root`, as after a restore from a backup"
    )]
    Ring,
    /// The root key is missing.
    #[error("`root/key.{round}` is not there: without it no private record can be read")]
    NoRoot {
        /// Which one.
        round: u64,
    },
    /// The root key is no key.
    #[error("`root/key.{round}` is damaged")]
    Root {
        /// Which one.
        round: u64,
    },
    /// There are keys, but no ring.
    #[error("`keys/ring` is not there, but what belongs to it is")]
    NoRing,
    /// A file of wrapped keys is not what was written.
    #[error("`{path}` is damaged or missing")]
    Shelf {
        /// The file.
        path: String,
    },
    /// Appends under way hold keys that are to be destroyed, for longer than appends take.
    #[error("appends that hold keys of these entries do not end")]
    InUse,
    /// A record cannot be sealed to overseers.
    #[error("the overseers' key that records are sealed to is none")]
    Overseers,
    /// The cipher failed.
    #[error("the cipher failed")]
    Crypto,
    /// The system gave no random bytes.
    #[error("the system's random source failed")]
    Random,
}

impl From<Fault> for KeysError {
    fn from(fault: Fault) -> Self {
        match fault {
            Fault::Refused(error) => Self::Storage(error),
            Fault::Unsynced(error) => Self::Unsynced(error),
        }
    }
}

/// A key of an entry as it stands in the write-ahead log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Wrapped(pub(crate) [u8; WRAPPED_BYTES]);

impl Wrapped {
    /// The shelf it is on.
    pub(crate) fn shelf(&self) -> u64 {
        self.0.first_chunk().map_or(0, |shelf| u64::from_le_bytes(*shelf))
    }
}

/// Held by what is on its way into the log with a key of a shelf: until then the shelf cannot be closed.
#[derive(Debug, Clone)]
pub(crate) struct InUse(#[expect(dead_code, reason = "it is there to be counted")] Arc<()>);

/// What became of a private record.
pub(crate) enum Unsealed {
    /// It can be read.
    Open(OpeningKey, Zeroizing<Vec<u8>>),
    /// It is under seal, and nobody has opened it yet.
    UnderSeal(Box<UnderSeal>),
    /// Its key was destroyed; by the `erased` entry with this index.
    Erased(u64),
    /// No key for it, or another record: damage.
    Unknown,
}

/// The key store of a ledger.
pub(crate) struct Keys {
    disk: Arc<dyn Disk>,
    inner: Mutex<Inner>,
    /// Held by whoever writes the ring.
    writing: Mutex<()>,
    /// Whether this process is the one that writes.
    owner: bool,
}

impl fmt::Debug for Keys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Keys")
            .field("owner", &self.owner)
            .finish_non_exhaustive()
    }
}

impl Keys {
    /// The store of a ledger with `size` entries, made if there is none. Takes away what an erasure that was cut off left behind.
    pub(crate) fn open(disk: &Arc<dyn Disk>, size: u64) -> Result<Self, KeysError> {
        disk.make_folder(FOLDER, Access::Private)?;
        disk.make_folder(ROOT_FOLDER, Access::Private)?;
        let inner = match Ring::load(&**disk)? {
            Some((ring, round, root)) => Inner::of(ring, round, root)?,
            None => Inner::of(Ring::default(), 0, first_root(&**disk)?)?,
        };
        let keys = Self {
            disk: Arc::clone(disk),
            inner: Mutex::new(inner),
            writing: Mutex::default(),
            owner: true,
        };
        {
            let _writing = keys.writer();
            let mut inner = keys.lock();
            inner.make_spares(size)?;
            inner.take_spare();
            inner.filled = inner
                .shelves
                .get(&inner.current)
                .map_or(0, |shelf| size.saturating_sub(shelf.from));
        }
        // Written even if nothing is new: what was read may stand in memory only.
        keys.store(size)?;
        keys.tidy()?;
        Ok(keys)
    }

    /// The store as it is, for reading; `None` if there is none.
    pub(crate) fn look(disk: &Arc<dyn Disk>) -> Result<Option<Self>, KeysError> {
        let Some((ring, round, root)) = Ring::load(&**disk)? else {
            return Ok(None);
        };
        Ok(Some(Self {
            disk: Arc::clone(disk),
            inner: Mutex::new(Inner::of(ring, round, root)?),
            writing: Mutex::default(),
            owner: false,
        }))
    }

    /// Wraps a key for the write-ahead log.
    pub(crate) fn wrap(
        &self,
        key: &OpeningKey,
        nonce: [u8; NONCE_BYTES],
    ) -> Result<(Wrapped, InUse), KeysError> {
        let (id, cipher, in_use) = {
            let mut inner = self.lock();
            if inner.filled >= SHELF_ENTRIES && !inner.spares.is_empty() {
                inner.take_spare();
            }
            inner.filled = inner.filled.saturating_add(1);
            let id = inner.current;
            let shelf = inner.shelves.get(&id).ok_or(KeysError::Ring)?;
            (id, Arc::clone(&shelf.cipher), InUse(Arc::clone(&shelf.in_use)))
        };
        let mut sealed = Vec::with_capacity(SEALED_KEY_BYTES);
        sealed.extend_from_slice(key.reveal());
        cipher.seal(nonce, &about(id), &mut sealed)?;
        let mut wrapped = [0; WRAPPED_BYTES];
        let parts = id.to_le_bytes().into_iter().chain(nonce).chain(sealed);
        for (to, from) in wrapped.iter_mut().zip(parts) {
            *to = from;
        }
        Ok((Wrapped(wrapped), in_use))
    }

    /// What is known of the private record of an entry.
    pub(crate) fn unseal(&self, entry: u64, private: Private<'_>) -> Result<Unsealed, KeysError> {
        let (wrapped, record) = match private {
            Private::Plain(key, record) => {
                return Ok(Unsealed::Open(
                    OpeningKey::new(*key),
                    Zeroizing::new(record.to_vec()),
                ));
            }
            Private::Sealed(wrapped, record) => (Wrapped(*wrapped), record),
        };
        let found = match self.key(entry, &wrapped) {
            // The store has changed meanwhile, here or by its owner.
            Ok(Found::Unknown) | Err(KeysError::Shelf { .. }) => {
                if !self.owner {
                    self.read_again()?;
                }
                self.key(entry, &wrapped)?
            }
            found => found?,
        };
        let key = match found {
            Found::Key(key) => key,
            Found::Erased(by) => return Ok(Unsealed::Erased(by)),
            Found::Unknown => return Ok(Unsealed::Unknown),
        };
        let Some(record) = open_record(&key, record)? else {
            return Ok(Unsealed::Unknown);
        };
        if !seal::is_boxed(&record) {
            return Ok(Unsealed::Open(key, record));
        }
        let Some(sealed) = seal::disclose(&record) else {
            return Ok(Unsealed::Unknown);
        };
        let Some(key) = self.lock().opened.get(&entry).cloned() else {
            return Ok(Unsealed::UnderSeal(Box::new(sealed)));
        };
        Ok(match open_record(&key, &sealed.record)? {
            Some(record) => Unsealed::Open(key, record),
            None => Unsealed::Unknown,
        })
    }

    /// Whether overseers have opened the record of an entry.
    pub(crate) fn is_opened(&self, entry: u64) -> bool {
        self.lock().opened.contains_key(&entry)
    }

    /// How many records overseers have opened.
    pub(crate) fn opened(&self) -> usize {
        self.lock().opened.len()
    }

    /// Keeps opening keys that overseers gave, durably.
    pub(crate) fn keep_opened(&self, keys: Vec<(u64, OpeningKey)>, size: u64) -> Result<(), KeysError> {
        let _writing = self.writer();
        self.lock().opened.extend(keys);
        self.store_locked(size)
    }

    /// Indexes of the `erased` entries that were carried out.
    pub(crate) fn erasures(&self) -> Vec<u64> {
        self.lock().erasures.clone()
    }

    /// Makes shelves ahead, where there are few. Not to be called by whoever appends.
    pub(crate) fn refill(&self, size: impl Fn() -> u64) -> Result<(), KeysError> {
        if self.lock().spares.len() >= SPARE_SHELVES / 2 {
            return Ok(());
        }
        // Whoever writes it now may wait for this thread.
        let Ok(_writing) = self.writing.try_lock() else {
            return Ok(());
        };
        {
            let mut inner = self.lock();
            // What is not on its way any more was durable before this size is asked for.
            let drained: Vec<u64> = inner.drained();
            let size = size();
            for id in drained {
                if let Some(shelf) = inner.shelves.get_mut(&id) {
                    shelf.to = Some(size);
                }
            }
            inner.make_spares(size)?;
        }
        self.store_locked(size())
    }

    /// The key of an entry.
    fn key(&self, entry: u64, wrapped: &Wrapped) -> Result<Found, KeysError> {
        let id = wrapped.shelf();
        let (cipher, file) = {
            let inner = self.lock();
            let Some(shelf) = inner.shelves.get(&id) else {
                return Ok(Found::Unknown);
            };
            (Arc::clone(&shelf.cipher), shelf.file)
        };
        Ok(match file {
            Some(round) => self.file(id, round)?.find(id, entry, &cipher),
            None => open_wrapped(wrapped, &cipher).map_or(Found::Unknown, Found::Key),
        })
    }

    /// The file of a shelf.
    fn file(&self, id: u64, round: u64) -> Result<Arc<Rewrapped>, KeysError> {
        if let Some((_, _, file)) = self
            .lock()
            .read
            .as_ref()
            .filter(|(a, b, _)| (*a, *b) == (id, round))
        {
            return Ok(Arc::clone(file));
        }
        let path = shelf_path(id, round);
        let bytes = read_whole(&*self.disk, &path, rewrapped::MAX_BYTES)?;
        let file = bytes.and_then(|bytes| Rewrapped::parse(bytes, id));
        let file = Arc::new(file.ok_or(KeysError::Shelf { path })?);
        self.lock().read = Some((id, round, Arc::clone(&file)));
        Ok(file)
    }

    /// Reads what the owner has written since.
    fn read_again(&self) -> Result<(), KeysError> {
        let (ring, round, root) = Ring::load(&*self.disk)?.ok_or(KeysError::NoRing)?;
        *self.lock() = Inner::of(ring, round, root)?;
        Ok(())
    }

    fn store(&self, size: u64) -> Result<(), KeysError> {
        let _writing = self.writer();
        self.store_locked(size)
    }

    /// Writes the ring; the caller holds the right to.
    fn store_locked(&self, size: u64) -> Result<(), KeysError> {
        let (ring, round, root) = {
            let mut inner = self.lock();
            inner.at(size);
            (inner.ring(size), inner.round, Arc::clone(&inner.root))
        };
        ring.store(&*self.disk, round, &root)
    }

    /// Destroys whatever the ring does not name: root keys of other rounds, files of shelves of before.
    fn tidy(&self) -> Result<(), KeysError> {
        let (root, files) = {
            let inner = self.lock();
            let files = inner.shelves.iter();
            let files: BTreeSet<String> = files
                .filter_map(|(id, shelf)| Some(shelf_path(*id, shelf.file?)))
                .collect();
            (ring::root_path(inner.round), files)
        };
        for name in self.disk.list(ROOT_FOLDER)? {
            let path = format!("{ROOT_FOLDER}/{name}");
            if name.starts_with("key.") && path != root {
                ring::destroy(&*self.disk, &path)?;
            }
        }
        for name in self.disk.list(FOLDER)? {
            let path = format!("{FOLDER}/{name}");
            if name.starts_with("shelf-") && !files.contains(&path) {
                ring::destroy(&*self.disk, &path)?;
            }
        }
        Ok(())
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn writer(&self) -> MutexGuard<'_, ()> {
        self.writing.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The root key of a store that has no ring yet. One that a first start left behind serves; any other is one whose ring was lost, which
/// a copy may still bring back.
fn first_root(disk: &dyn Disk) -> Result<Cipher, KeysError> {
    let ours = |folder| {
        let names = disk.list(folder)?.into_iter();
        Ok::<_, io::Error>(names.filter(|name| !name.ends_with(".tmp")).collect::<Vec<_>>())
    };
    if !ours(FOLDER)?.is_empty() {
        return Err(KeysError::NoRing);
    }
    match ours(ROOT_FOLDER)?.as_slice() {
        [] => ring::make_root(disk, 0),
        [one] if one == "key.0" => ring::root(disk, 0)?.ok_or(KeysError::NoRing),
        _ => Err(KeysError::NoRing),
    }
}

/// A key for one entry, and the nonce under which it is wrapped.
pub(crate) fn random_key() -> Result<(OpeningKey, [u8; NONCE_BYTES]), KeysError> {
    let mut bytes = Zeroizing::new([0; KEY_BYTES + NONCE_BYTES]);
    getrandom::fill(bytes.as_mut_slice()).map_err(|_| KeysError::Random)?;
    let (key, nonce) = bytes.split_first_chunk::<KEY_BYTES>().ok_or(KeysError::Random)?;
    let nonce = *nonce.first_chunk::<NONCE_BYTES>().ok_or(KeysError::Random)?;
    Ok((OpeningKey::new(*key), nonce))
}

fn shelf_path(id: u64, round: u64) -> String {
    format!("{FOLDER}/shelf-{id:016x}-{round}")
}

/// What a wrapped key in the write-ahead log is bound to.
fn about(shelf: u64) -> Vec<u8> {
    let mut about = b"estop/wrapped-key/v1\0".to_vec();
    about.extend_from_slice(&shelf.to_le_bytes());
    about
}

/// The key that is wrapped in the log; `None` if it is under another key than the shelf's.
fn open_wrapped(wrapped: &Wrapped, cipher: &Cipher) -> Option<OpeningKey> {
    let (shelf, rest) = wrapped.0.split_first_chunk::<8>()?;
    let (nonce, sealed) = rest.split_first_chunk::<NONCE_BYTES>()?;
    let key = cipher.open(*nonce, &about(u64::from_le_bytes(*shelf)), sealed)?;
    Some(OpeningKey::new(*key.first_chunk()?))
}
