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

use crate::disk::Disk;
use crate::index::Index;
use crate::integrator::SignedCheckpoint;
use crate::payload::{Appended, Item};
use crate::public::Published;
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
    /// The private record; empty if there is none.
    pub record: Vec<u8>,
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
    /// Sequence number of the frame after the last that was durable when this was made.
    limit: u64,
    ready: VecDeque<Stored>,
    range: Range<u64>,
}

impl Entries {
    pub(crate) fn open(
        shared: &Shared,
        disk: &Arc<dyn Disk>,
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
            limit,
            ready: VecDeque::new(),
            range: index..end,
        })
    }

    /// Reads the next append; its entries before the range are left out.
    fn read(&mut self) -> Result<(), ReadError> {
        let index = self.range.start;
        let damaged = |what| ReadError::Damaged { index, what };
        let payload = match self.reader.next(self.limit) {
            Ok(Some((_, payload))) => payload,
            Ok(None) => return Err(damaged("its frame in the write-ahead log")),
            Err(ReadFault::Io { source, .. }) => return Err(source.into()),
            Err(_) => return Err(damaged("its segment of the write-ahead log")),
        };
        let appended = Appended::parse(payload).ok_or(damaged("its append"))?;
        let inside = appended.first_index <= index && appended.end_index().is_some_and(|end| index < end);
        if !inside {
            return Err(damaged("its place in the write-ahead log"));
        }
        for (at, item) in (appended.first_index..).zip(appended.items()) {
            if at >= index && at < self.range.end {
                self.ready.push_back(stored(at, item, &self.origin)?);
            }
        }
        Ok(())
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

/// An item as its reader gets it, checked: the entry is one, and its commitment is to this record.
pub(crate) fn stored(index: u64, item: Item<'_>, origin: &Origin) -> Result<Stored, ReadError> {
    let entry = Entry::parse(item.entry).map_err(|_| ReadError::Damaged {
        index,
        what: "its bytes",
    })?;
    let private = item.private.map(|(key, record)| (OpeningKey::new(*key), record));
    let opens = match (&entry.commitment, &private) {
        (None, None) => true,
        (Some(commitment), Some((key, record))) => commitment::check(commitment, key, origin, record),
        _ => false,
    };
    if !opens {
        return Err(ReadError::Damaged {
            index,
            what: "its record is not the one committed to",
        });
    }
    let (key, record) = private.map_or((None, Vec::new()), |(key, record)| (Some(key), record.to_vec()));
    Ok(Stored {
        index,
        entry: item.entry.to_vec(),
        key,
        record,
    })
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
