//! The published files (C2SP tlog-tiles): which there are, and how they are put in place and read.

use std::error::Error;
use std::io;
use std::ops::Range;
use std::sync::Arc;
use std::thread::Builder;

use evidence::id::PartnerId;
use evidence::tile::{EntryBundlePath, MAX_BUNDLE_BYTES, TILE_WIDTH, TilePath, TileReader, decode_bundle};

use crate::disk::{Access, Disk, DiskFile, Fault, folder_of, read_whole, stage, temporary};
use crate::failure::Failure;

/// Folder of all that is published; the main log's files lie directly in it.
pub(crate) const PUBLIC: &str = "public";

/// Longest published checkpoint that is read back.
pub(crate) const MAX_CHECKPOINT_BYTES: u64 = 1 << 16;

/// A full tile's length in bytes.
const TILE_BYTES: u64 = 256 * 32;

/// Files that are synced together at most: bounds what waits in memory and how many are open.
pub(crate) const OUTBOX_FILES: usize = 256;

/// Threads that sync side by side; more gain nothing.
const SYNC_THREADS: usize = 16;

/// Folder of a partner's log.
pub(crate) fn partner_folder(partner: &PartnerId) -> String {
    format!("{PUBLIC}/p/{partner}")
}

/// Why files could not be put in place.
#[derive(Debug, thiserror::Error)]
pub(crate) enum PublishFault {
    /// The file system.
    #[error(transparent)]
    Disk(#[from] Fault),
    /// Something else stands there already.
    #[error("`{0}` is there with other contents")]
    Conflict(String),
}

impl From<io::Error> for PublishFault {
    fn from(error: io::Error) -> Self {
        Self::Disk(Fault::Refused(error))
    }
}

impl PublishFault {
    /// What can be tried again, or what ends the ledger.
    pub(crate) fn split(self) -> Result<io::Error, Failure> {
        match self {
            Self::Disk(Fault::Refused(error)) => Ok(error),
            Self::Disk(Fault::Unsynced(error)) => Err(Failure::Unsynced(error)),
            Self::Conflict(path) => Err(Failure::Conflict { path }),
        }
    }
}

/// Files that never change once they are there, on their way to the disk.
#[derive(Debug, Default)]
pub(crate) struct Outbox {
    files: Vec<(String, Vec<u8>)>,
}

impl Outbox {
    /// Adds a file, if there is one.
    pub(crate) fn extend(&mut self, file: Option<(String, Vec<u8>)>) {
        self.files.extend(file);
    }

    /// Takes the files out again, for whoever only wants to know what they must be.
    pub(crate) fn take(&mut self) -> Vec<(String, Vec<u8>)> {
        std::mem::take(&mut self.files)
    }

    /// Whether it should be flushed before more is added.
    pub(crate) fn is_full(&self) -> bool {
        self.files.len() >= OUTBOX_FILES
    }

    /// Puts all files in place, durably. After an error they are all still to be put in place.
    pub(crate) fn flush(&mut self, disk: &dyn Disk) -> Result<(), PublishFault> {
        for part in self.files.chunks(OUTBOX_FILES) {
            put_all(disk, part)?;
        }
        self.files.clear();
        Ok(())
    }
}

fn put_all(disk: &dyn Disk, files: &[(String, Vec<u8>)]) -> Result<(), PublishFault> {
    let mut staged: Vec<(&str, Arc<dyn DiskFile>)> = Vec::new();
    let mut folders: Vec<&str> = files.iter().map(|(path, _)| folder_of(path)).collect();
    folders.dedup();
    folders.sort_unstable();
    folders.dedup();
    for folder in &folders {
        disk.make_folder(folder, Access::Public)?;
    }
    for (path, bytes) in files {
        match read_whole(disk, path, u64::try_from(MAX_BUNDLE_BYTES).unwrap_or(u64::MAX))? {
            Some(there) if there == *bytes => {}
            Some(_) => return Err(PublishFault::Conflict(path.clone())),
            None => staged.push((path, stage(disk, path, bytes, Access::Public)?)),
        }
    }
    sync_all(&staged).map_err(Fault::Unsynced)?;
    for (path, _) in &staged {
        disk.rename(&temporary(path), path)?;
    }
    // Also for files that were there: whoever put them may have been stopped before this.
    for folder in &folders {
        disk.sync_folder(folder).map_err(Fault::Unsynced)?;
    }
    Ok(())
}

/// Syncs files side by side: a file system that is asked for many at a time commits them together.
fn sync_all(files: &[(&str, Arc<dyn DiskFile>)]) -> io::Result<()> {
    let sync = |files: &[(&str, Arc<dyn DiskFile>)]| files.iter().try_for_each(|(_, file)| file.sync());
    std::thread::scope(|scope| {
        let mut outcome = Ok(());
        let mut threads = Vec::new();
        for part in files.chunks(files.len().div_ceil(SYNC_THREADS).max(1)) {
            // The last part, and what finds no thread, is done here.
            let more = threads.len().saturating_add(1) < SYNC_THREADS && files.len() > SYNC_THREADS;
            match more.then(|| Builder::new().spawn_scoped(scope, move || sync(part))) {
                Some(Ok(thread)) => threads.push(thread),
                _ => outcome = outcome.and(sync(part)),
            }
        }
        let panicked = || Err(io::Error::other("the thread that synced it panicked"));
        let joined = threads
            .into_iter()
            .map(|thread| thread.join().unwrap_or_else(|_| panicked()));
        joined.fold(outcome, Result::and)
    })
}

/// Reads one log's published files.
#[derive(Debug, Clone)]
pub(crate) struct Published<'a> {
    disk: &'a dyn Disk,
    folder: &'a str,
}

/// A published file that should be there is not.
#[derive(Debug, thiserror::Error)]
#[error("`{path}` is not there")]
pub(crate) struct Missing {
    path: String,
}

impl<'a> Published<'a> {
    pub(crate) fn new(disk: &'a dyn Disk, folder: &'a str) -> Self {
        Self { disk, folder }
    }

    /// The published checkpoint's text.
    pub(crate) fn checkpoint(&self) -> io::Result<Option<String>> {
        let bytes = read_whole(
            self.disk,
            &format!("{}/checkpoint", self.folder),
            MAX_CHECKPOINT_BYTES,
        )?;
        bytes
            .map(String::from_utf8)
            .transpose()
            .map_err(|error| io::Error::new(io::ErrorKind::InvalidData, error))
    }

    /// The hashes' bytes of a tile. Those of a partial one may stand in the full one, or in the partial, or, when it has
    /// just become full, again in the full one.
    fn tile(&self, path: &TilePath) -> Result<Vec<u8>, Box<dyn Error + Send + Sync>> {
        let partial = format!("{}/{path}", self.folder);
        let full = TilePath::new(path.level(), path.index(), TILE_WIDTH)
            .map(|full| format!("{}/{full}", self.folder));
        let full = full.ok_or_else(|| Missing {
            path: partial.clone(),
        })?;
        for name in [&full, &partial, &full] {
            if let Some(mut bytes) = read_whole(self.disk, name, TILE_BYTES)? {
                bytes.truncate(usize::from(path.width()).saturating_mul(32));
                return Ok(bytes);
            }
        }
        Err(Missing { path: partial }.into())
    }

    /// The entries of a bundle, as many as its path says.
    pub(crate) fn bundle(&self, path: &EntryBundlePath) -> Result<Bundle, Box<dyn Error + Send + Sync>> {
        let partial = format!("{}/{path}", self.folder);
        let full =
            EntryBundlePath::new(path.index(), TILE_WIDTH).map(|full| format!("{}/{full}", self.folder));
        let full = full.ok_or_else(|| Missing {
            path: partial.clone(),
        })?;
        let limit = u64::try_from(MAX_BUNDLE_BYTES)?;
        for (name, width) in [(&full, TILE_WIDTH), (&partial, path.width()), (&full, TILE_WIDTH)] {
            if let Some(bytes) = read_whole(self.disk, name, limit)? {
                let mut end = 0_usize;
                let entries = decode_bundle(&bytes, width)?.into_iter().map(|entry| {
                    let begin = end.saturating_add(2);
                    end = begin.saturating_add(entry.len());
                    begin..end
                });
                let entries = entries.take(usize::from(path.width())).collect();
                return Ok(Bundle { bytes, entries });
            }
        }
        Err(Missing { path: partial }.into())
    }
}

/// Entries as they lie in a bundle's file.
#[derive(Debug, Default)]
pub(crate) struct Bundle {
    bytes: Vec<u8>,
    entries: Vec<Range<usize>>,
}

impl Bundle {
    /// One of them, from 0.
    pub(crate) fn get(&self, number: usize) -> Option<&[u8]> {
        self.bytes.get(self.entries.get(number)?.clone())
    }

    /// All of them, in order.
    pub(crate) fn iter(&self) -> impl Iterator<Item = &[u8]> {
        self.entries
            .iter()
            .filter_map(|range| self.bytes.get(range.clone()))
    }
}

impl TileReader for Published<'_> {
    fn read_tile(&self, path: &TilePath) -> Result<Vec<u8>, Box<dyn Error + Send + Sync>> {
        self.tile(path)
    }
}
