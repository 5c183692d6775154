//! Receipts of a partner's log, made from what is published of it and held against it.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use evidence::checkpoint::Checkpoint;
use evidence::entry::Entry;
use evidence::hash;
use evidence::note::{Note, VerifierKey};
use evidence::receipt::{Leaf, MAX_LEAVES, Receipt, Standing};
use evidence::tile::{
    EntryBundlePath, MAX_BUNDLE_BYTES, TILE_WIDTH, TileHashes, TilePath, TileReader, decode_bundle,
    decode_tile,
};
use evidence::witness_policy::WitnessPolicy;
use jiff::{SignedDuration, Timestamp};

use crate::failure::{Exit, Failure};
use crate::files;

/// Longest checkpoint that is read: with all cosignatures that a note has room for.
const MAX_CHECKPOINT_BYTES: usize = 1 << 16;

/// Longest tile: 256 hashes.
const MAX_TILE_BYTES: usize = 256 * 32;

/// How long after an entry's time a log that witnesses have seen without it is missing it. Publishing takes a second; this
/// leaves room for clocks that differ.
pub const GRACE: SignedDuration = SignedDuration::from_mins(10);

/// What is published of one log, in a folder.
#[derive(Debug)]
pub struct Published {
    folder: PathBuf,
    /// The checkpoint's note.
    pub note: String,
    /// The checkpoint.
    pub checkpoint: Checkpoint,
}

/// How one leaf stands.
#[derive(Debug)]
pub struct Checked {
    /// The leaf.
    pub leaf: Leaf,
    /// By the log's checkpoint.
    pub standing: Standing,
    /// Whether witnesses have seen the log without it after it should have been there.
    pub overdue: Option<Timestamp>,
}

impl Checked {
    /// Whether it is shown that the leaf is missing.
    #[must_use]
    pub fn is_missing(&self) -> bool {
        matches!(self.standing, Standing::Other { .. }) || self.overdue.is_some()
    }
}

impl Published {
    /// The log in a folder, by its checkpoint, which must be signed by this key of the custodian for this log.
    ///
    /// # Errors
    /// There is none, or it is another's.
    pub fn open(folder: &Path, origin: &evidence::id::Origin, key: &VerifierKey) -> Result<Self, Failure> {
        let note = files::read(&folder.join("checkpoint"), MAX_CHECKPOINT_BYTES)?;
        let checkpoint = Checkpoint::open(&note, &key.renamed(origin))
            .map_err(|error| Failure::from_error(Exit::Wrong, &error))?;
        Ok(Self {
            folder: folder.to_owned(),
            note,
            checkpoint,
        })
    }

    fn hashes(&self) -> TileHashes<&Self> {
        TileHashes::new(self, self.checkpoint.size)
    }

    /// The entries of the bundle that holds one, and the first one's index.
    fn bundle(&self, entry: u64) -> Result<(u64, Vec<Vec<u8>>), Failure> {
        let damaged = || {
            Failure::wrong(format!(
                "entry {entry} of `{}` cannot be read",
                self.folder.display()
            ))
        };
        let path = EntryBundlePath::holding(entry, self.checkpoint.size).ok_or_else(damaged)?;
        let full = EntryBundlePath::new(path.index(), TILE_WIDTH).ok_or_else(damaged)?;
        let bytes = self
            .file(&path.to_string(), &full.to_string(), MAX_BUNDLE_BYTES)
            .map_err(|error| damaged().because(&error))?;
        let entries = decode_bundle(&bytes, path.width()).map_err(|error| damaged().because(&error))?;
        let entries = entries.into_iter().map(<[u8]>::to_vec).collect();
        Ok((path.first_entry(), entries))
    }

    /// The entry at an index.
    ///
    /// # Errors
    /// It is not there.
    pub fn entry(&self, index: u64) -> Result<Vec<u8>, Failure> {
        let (first, entries) = self.bundle(index)?;
        let found = (first..).zip(entries).find(|(at, _)| *at == index);
        found
            .map(|(_, entry)| entry)
            .ok_or_else(|| Failure::wrong(format!("the log has no entry {index}")))
    }

    fn file(&self, path: &str, full: &str, most: usize) -> io::Result<Vec<u8>> {
        let read = |path: &str| {
            let path = self.folder.join(path);
            let length = fs::metadata(&path)?.len();
            if length > u64::try_from(most).unwrap_or(u64::MAX) {
                return Err(io::Error::new(
                    io::ErrorKind::FileTooLarge,
                    "longer than such a file can be",
                ));
            }
            fs::read(path)
        };
        match read(path) {
            // A partial file goes when the full one has come.
            Err(error) if error.kind() == io::ErrorKind::NotFound => read(full),
            read => read,
        }
    }
}

impl TileReader for &Published {
    fn read_tile(&self, path: &TilePath) -> Result<Vec<u8>, Box<dyn std::error::Error + Send + Sync>> {
        let full = TilePath::new(path.level(), path.index(), TILE_WIDTH).map(|full| full.to_string());
        let path = path.to_string();
        Ok(self.file(&path, full.as_deref().unwrap_or(&path), MAX_TILE_BYTES)?)
    }
}

/// The leaves of a log from one on, each as its entry and its tile have it.
///
/// # Errors
/// A file is missing, or entry and tile do not fit.
pub fn leaves(log: &Published, from: u64) -> Result<Vec<Leaf>, Failure> {
    let damaged = |index: u64| {
        Failure::wrong(format!(
            "entry {index} of `{}` is not the one in its tile",
            log.folder.display()
        ))
        .help("`estop ledger verify` tells more")
    };
    let mut leaves = Vec::new();
    let mut next = from;
    while next < log.checkpoint.size {
        let (first, entries) = log.bundle(next)?;
        let path = TilePath::holding(0, next, log.checkpoint.size).ok_or_else(|| damaged(next))?;
        let tile = (&log)
            .read_tile(&path)
            .map_err(|error| damaged(next).because(&*error))?;
        let hashes = decode_tile(&tile, path.width()).map_err(|error| damaged(next).because(&error))?;
        for ((index, entry), hash) in (first..).zip(&entries).zip(hashes) {
            let time = Entry::parse(entry)
                .map_err(|error| damaged(index).because(&error))?
                .time;
            if hash::leaf(entry) != hash {
                return Err(damaged(index));
            }
            if index >= from {
                leaves.push(Leaf { index, hash, time });
            }
            next = index.saturating_add(1);
        }
        if entries.is_empty() {
            return Err(damaged(next));
        }
    }
    Ok(leaves)
}

/// Receipts for leaves, as many as they need.
pub fn receipts(log: &Published, leaves: &[Leaf], issued: Timestamp) -> impl Iterator<Item = Receipt> {
    let log = log.checkpoint.origin.clone();
    leaves.chunks(MAX_LEAVES).map(move |leaves| Receipt {
        log: log.clone(),
        issued: evidence::entry::whole_second(issued),
        leaves: leaves.to_vec(),
    })
}

/// Holds a receipt against its log.
///
/// # Errors
/// The log cannot be read, or its files are not those of its checkpoint.
pub fn check(
    receipt: &Receipt,
    log: &Published,
    policy: Option<&WitnessPolicy>,
) -> Result<Vec<Checked>, Failure> {
    let seen = policy.and_then(|policy| {
        let note = Note::parse(&log.note).ok()?;
        policy.examine(&note).ok()?.at
    });
    let hashes = log.hashes();
    let leaf = |leaf: &Leaf| {
        let standing = leaf
            .standing(&log.checkpoint, &hashes)
            .map_err(|error| Failure::from_error(Exit::Wrong, &error))?;
        let due = leaf.time.checked_add(GRACE).unwrap_or(Timestamp::MAX);
        let overdue = seen.filter(|seen| standing == Standing::Beyond && *seen > due);
        Ok(Checked {
            leaf: *leaf,
            standing,
            overdue,
        })
    };
    receipt.leaves.iter().map(leaf).collect()
}
