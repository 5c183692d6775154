//! Reading what was recorded, and proving that it was.

use std::collections::VecDeque;
use std::error::Error;
use std::fmt;
use std::io;
use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;

use evidence::commitment::{self, OpeningKey};
use evidence::entry::{Entry, EntryError};
use evidence::hash::Hash;
use evidence::id::Origin;
use evidence::proof::TlogProof;
use evidence::tile::TileHashes;
use evidence::tree::{HashReader as _, check_inclusion, prove_consistency, prove_inclusion};
use zeroize::Zeroizing;

use crate::disk::Disk;
use crate::index::Index;
use crate::integrator::SignedCheckpoint;
use crate::keys::{Keys, KeysError, Unsealed};
use crate::payload::{Appended, Item, Private};
use crate::public::Published;
use crate::seal::UnderSeal;
use crate::shared::Shared;
use crate::wal::{ReadFault, Reader, sequenced};

/// How long a reader waits for an entry that is durable but not indexed yet; the integrator needs milliseconds, unless its
/// storage refuses.
const PATIENCE: Duration = Duration::from_secs(10);

/// An entry with its private part.
#[derive(Clone, PartialEq, Eq)]
pub struct Stored {
    /// Index in the main log.
    pub index: u64,
    /// The entry's bytes, as they are published.
    pub entry: Vec<u8>,
    /// What opens the entry's commitment, if there is a private record.
    pub key: Option<OpeningKey>,
    /// The private record; empty if there is none, if it was erased, or as long as it is under seal.
    pub record: Vec<u8>,
    /// Index of the `erased` entry by which the record's key was destroyed.
    pub erased_by: Option<u64>,
    /// The record is under seal: what is known of it all the same.
    pub under_seal: Option<Box<UnderSeal>>,
}

impl Stored {
    /// The entry, taken apart.
    ///
    /// # Errors
    /// None for what a ledger returned: it reads entries before it returns them.
    pub fn parse(&self) -> Result<Entry, EntryError> {
        Entry::parse(&self.entry)
    }
}

impl fmt::Debug for Stored {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // The record is private and stays out of logs.
        f.debug_struct("Stored")
            .field("index", &self.index)
            .field("record_bytes", &self.record.len())
            .finish_non_exhaustive()
    }
}

/// Why something could not be read or proved.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// There is no such entry.
    #[error("no entry {index}: the log has {size}")]
    NoSuchEntry {
        /// The index asked for.
        index: u64,
        /// How many entries there are.
        size: u64,
    },
    /// No published checkpoint covers it yet.
    #[error("entry {index} is not under a checkpoint yet: the newest is of size {size}")]
    NotCovered {
        /// The index asked for.
        index: u64,
        /// Size of the newest checkpoint.
        size: u64,
    },
    /// It is durable but cannot be found yet: publishing does not keep up, or its storage refuses.
    #[error("entry {index} is recorded but cannot be found yet")]
    Behind {
        /// The index asked for.
        index: u64,
    },
    /// The file system failed.
    #[error("the ledger's storage could not be read")]
    Storage(#[from] io::Error),
    /// What is there is not what was written.
    #[error("entry {index} is damaged: {what}")]
    Damaged {
        /// The index asked for.
        index: u64,
        /// Where the damage is.
        what: &'static str,
    },
    /// The key store does not serve.
    #[error("the keys of private records cannot be read")]
    Keys(#[from] KeysError),
    /// The tiles do not give a proof.
    #[error("the tiles give no proof for entry {index}")]
    Tiles {
        /// The index asked for.
        index: u64,
        /// What is wrong.
        #[source]
        source: Box<dyn Error + Send + Sync>,
    },
}

/// Goes over entries in the order of the log; ends at the first error.
#[derive(Debug)]
pub struct Entries {
    reader: Reader,
    origin: Origin,
    keys: Arc<Keys>,
    /// Sequence number of the frame after the last that was durable when this was made.
    limit: u64,
    ready: VecDeque<Stored>,
    range: Range<u64>,
}

impl Entries {
    pub(crate) fn open(
        shared: &Shared,
        disk: &Arc<dyn Disk>,
        keys: &Arc<Keys>,
        origin: Origin,
        range: Range<u64>,
    ) -> Result<Self, ReadError> {
        let (size, limit) = {
            let durable = shared.durable();
            (durable.size, durable.seq)
        };
        let (index, end) = (range.start, range.end.min(size));
        let damaged = ReadError::Damaged {
            index,
            what: "its record in the index",
        };
        let at = if index >= end {
            // Nothing to read: any position does.
            crate::wal::Position::start(origin.as_str())
        } else {
            if !shared.wait_indexed(index, PATIENCE) {
                return Err(ReadError::Behind { index });
            }
            let Some(at) = Index::open(&**disk)?.find(index)? else {
                return Err(damaged);
            };
            let Some(at) = sequenced(&**disk, at)? else {
                return Err(damaged);
            };
            at
        };
        let reader = Reader::new(Arc::clone(disk), at);
        Ok(Self {
            reader,
            origin,
            keys: Arc::clone(keys),
            limit,
            ready: VecDeque::new(),
            range: index..end,
        })
    }

    /// Goes over the entries as they stand in the log.
    pub(crate) fn raw<E: From<ReadError>>(
        mut self,
        mut visit: impl FnMut(u64, Item<'_>) -> Result<(), E>,
    ) -> Result<(), E> {
        while !self.range.is_empty() {
            let end = self.range.end;
            self.range.start = self.append(|at, item, _| if at < end { visit(at, item) } else { Ok(()) })?;
        }
        Ok(())
    }

    /// Reads the next append; its entries before the range are left out.
    fn read(&mut self) -> Result<(), ReadError> {
        let (end, keys) = (self.range.end, Arc::clone(&self.keys));
        let mut ready = std::mem::take(&mut self.ready);
        let read = self.append(|at, item, origin| {
            if at < end {
                ready.push_back(stored(at, item, origin, Some(&keys))?);
            }
            Ok::<_, ReadError>(())
        });
        self.ready = ready;
        read.map(drop)
    }

    /// Gives the entries of the next append from the range's beginning on; returns the index after its last.
    fn append<E: From<ReadError>>(
        &mut self,
        mut visit: impl FnMut(u64, Item<'_>, &Origin) -> Result<(), E>,
    ) -> Result<u64, E> {
        let index = self.range.start;
        let damaged = |what| ReadError::Damaged { index, what };
        let payload = match self.reader.next(self.limit) {
            Ok(Some((_, payload))) => payload,
            Ok(None) => return Err(damaged("its frame in the write-ahead log").into()),
            Err(ReadFault::Io { source, .. }) => return Err(ReadError::from(source).into()),
            Err(_) => return Err(damaged("its segment of the write-ahead log").into()),
        };
        let appended = Appended::parse(payload).ok_or(damaged("its append"))?;
        let end = appended
            .end_index()
            .filter(|end| appended.first_index <= index && index < *end);
        let end = end.ok_or(damaged("its place in the write-ahead log"))?;
        for (at, item) in (appended.first_index..).zip(appended.items()) {
            if at >= index {
                visit(at, item, &self.origin)?;
            }
        }
        Ok(end)
    }
}

impl Iterator for Entries {
    type Item = Result<Stored, ReadError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.ready.is_empty() {
            if self.range.is_empty() {
                return None;
            }
            if let Err(error) = self.read() {
                self.range.start = self.range.end;
                self.ready.clear();
                return Some(Err(error));
            }
        }
        self.range.start = self.range.start.saturating_add(1);
        self.ready.pop_front().map(Ok)
    }
}

/// An item as its reader gets it, checked: the entry is one, and its commitment is to this record. `keys` may be missing where none was
/// ever needed.
pub(crate) fn stored(
    index: u64,
    item: Item<'_>,
    origin: &Origin,
    keys: Option<&Keys>,
) -> Result<Stored, ReadError> {
    let damaged = |what| ReadError::Damaged { index, what };
    let entry = Entry::parse(item.entry).map_err(|_| damaged("its bytes"))?;
    let (mut key, mut record, mut erased_by, mut under_seal) = (None, Vec::new(), None, None);
    match private(index, &item, keys)? {
        None => {}
        Some(Unsealed::Open(opens, bytes)) => (key, record) = (Some(opens), bytes.to_vec()),
        Some(Unsealed::UnderSeal(sealed)) => under_seal = Some(sealed),
        Some(Unsealed::Erased(by)) => erased_by = Some(by),
        Some(Unsealed::Unknown) => return Err(damaged("the key store has no key for its record")),
    }
    let opens = match (&entry.commitment, &key) {
        (None, None) => erased_by.is_none() && under_seal.is_none(),
        (Some(commitment), Some(key)) => commitment::check(commitment, key, origin, &record),
        // Whether a record under seal is the one committed to is known when it is opened.
        (Some(_), None) => erased_by.is_some() || under_seal.is_some(),
        _ => false,
    };
    if !opens {
        return Err(damaged("its record is not the one committed to"));
    }
    Ok(Stored {
        index,
        entry: item.entry.to_vec(),
        key,
        record,
        erased_by,
        under_seal,
    })
}

/// What is known of an item's private record; `None` if it has none.
pub(crate) fn private(
    index: u64,
    item: &Item<'_>,
    keys: Option<&Keys>,
) -> Result<Option<Unsealed>, KeysError> {
    let Some(private) = item.private else {
        return Ok(None);
    };
    match (private, keys) {
        (_, Some(keys)) => keys.unseal(index, private).map(Some),
        (Private::Plain(key, record), None) => {
            let record = Zeroizing::new(record.to_vec());
            Ok(Some(Unsealed::Open(OpeningKey::new(*key), record)))
        }
        (Private::Sealed(..), None) => Err(KeysError::NoRing),
    }
}

/// A proof under the newest checkpoint of the log in `folder`.
pub(crate) fn prove(
    disk: &dyn Disk,
    folder: &str,
    index: u64,
    newest: impl Fn() -> Option<SignedCheckpoint>,
) -> Result<TlogProof, ReadError> {
    let Some(signed) = newest() else {
        return Err(ReadError::NotCovered { index, size: 0 });
    };
    match prove_under(disk, folder, index, &signed) {
        // Partial tiles go when full ones have come, with a newer checkpoint.
        Err(ReadError::Tiles { .. }) => match newest() {
            Some(newer) if newer != signed => prove_under(disk, folder, index, &newer),
            _ => prove_under(disk, folder, index, &signed),
        },
        proof => proof,
    }
}

/// Proof that a log at size `old` is the beginning of itself at size `new`.
pub(crate) fn prove_growth(
    disk: &dyn Disk,
    folder: &str,
    old: u64,
    new: u64,
) -> Result<Vec<Hash>, ReadError> {
    let tiles = TileHashes::new(Published::new(disk, folder), new);
    prove_consistency(old, new, &tiles).map_err(|error| ReadError::Tiles {
        index: old,
        source: error.into(),
    })
}

fn prove_under(
    disk: &dyn Disk,
    folder: &str,
    index: u64,
    signed: &SignedCheckpoint,
) -> Result<TlogProof, ReadError> {
    let SignedCheckpoint { checkpoint, note } = signed;
    let size = checkpoint.size;
    if index >= size {
        return Err(ReadError::NotCovered { index, size });
    }
    let fault = |source: Box<dyn Error + Send + Sync>| ReadError::Tiles { index, source };
    let tiles = TileHashes::new(Published::new(disk, folder), size);
    let leaf = tiles.read(0, index).map_err(|error| fault(error.into()))?;
    let hashes = prove_inclusion(index, size, &tiles).map_err(|error| fault(error.into()))?;
    // Tiles are read unauthenticated; a proof that does not hold must not leave the house.
    check_inclusion(index, size, &leaf, &checkpoint.root, &hashes).map_err(|error| fault(error.into()))?;
    Ok(TlogProof {
        index,
        hashes,
        checkpoint: note.clone(),
    })
}
