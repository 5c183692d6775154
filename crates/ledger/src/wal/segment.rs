//! Segment files: made in advance, full of zeros, and blanked again where a crash left bytes behind the log's end.

use std::io;
use std::sync::Arc;
use std::thread::{Builder, JoinHandle};

use super::{FOLDER, path};
use crate::disk::{Access, Disk, DiskFile, stage, temporary};

/// How much is read or written at a time: large enough for full speed, small beside the page cache.
pub(super) const CHUNK_BYTES: usize = 1 << 20;

/// Makes a segment: space reserved, zeros written and synced, then named. After an error whatever is left is made anew by
/// the next attempt.
pub(super) fn make(disk: &dyn Disk, segment: u64, bytes: u64) -> io::Result<Arc<dyn DiskFile>> {
    let made = try_make(disk, segment, bytes);
    if made.is_err() {
        // What space it got before the disk was full is given back; if not, the next attempt does it.
        drop(disk.create(&temporary(&path(segment)), Access::Private));
    }
    made
}

fn try_make(disk: &dyn Disk, segment: u64, bytes: u64) -> io::Result<Arc<dyn DiskFile>> {
    let path = path(segment);
    let file = stage(disk, &path, &[], Access::Private)?;
    file.reserve(bytes)?;
    fill(&*file, 0, bytes)?;
    file.sync()?;
    disk.rename(&temporary(&path), &path)?;
    disk.sync_folder(FOLDER)?;
    Ok(file)
}

/// Writes zeros from one offset to another.
pub(super) fn fill(file: &dyn DiskFile, from: u64, to: u64) -> io::Result<()> {
    let zeros = vec![0; CHUNK_BYTES];
    for_chunks(from, to, |at, length| {
        file.write_at(zeros.get(..length).unwrap_or_default(), at)
    })
}

/// Writes zeros where there are none, up to the file's end. Returns whether anything had to be written.
pub(super) fn blank(file: &dyn DiskFile, from: u64) -> io::Result<bool> {
    let mut chunk = vec![0; CHUNK_BYTES];
    let zeros = vec![0; CHUNK_BYTES];
    let mut written = false;
    for_chunks(from, file.length()?, |at, length| {
        let chunk = chunk.get_mut(..length).unwrap_or_default();
        let read = file.read_at(chunk, at)?;
        if read == length && zeros.starts_with(chunk) {
            return Ok(());
        }
        chunk.fill(0);
        written = true;
        file.write_at(chunk, at)
    })?;
    Ok(written)
}

/// Writes what is there once more, so that a sync covers it: after a sync that failed, what is read may stand in memory
/// only, and a sync would then have nothing to do.
pub(super) fn write_again(file: &dyn DiskFile, from: u64, to: u64) -> io::Result<()> {
    let mut chunk = vec![0; CHUNK_BYTES];
    for_chunks(from, to, |at, length| {
        let chunk = chunk.get_mut(..length).unwrap_or_default();
        if file.read_at(chunk, at)? != length {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        file.write_at(chunk, at)
    })
}

fn for_chunks(from: u64, to: u64, mut each: impl FnMut(u64, usize) -> io::Result<()>) -> io::Result<()> {
    let mut at = from;
    while at < to {
        let left = usize::try_from(to.saturating_sub(at)).unwrap_or(usize::MAX);
        let length = left.min(CHUNK_BYTES);
        each(at, length)?;
        at = at.saturating_add(u64::try_from(length).unwrap_or(u64::MAX));
    }
    Ok(())
}

/// A thread that makes a segment.
type Making = JoinHandle<io::Result<Arc<dyn DiskFile>>>;

/// The segment after the one in use, being made by a thread of its own.
#[derive(Debug)]
pub(super) struct Ahead {
    disk: Arc<dyn Disk>,
    bytes: u64,
    making: Option<(u64, Making)>,
}

impl Ahead {
    pub(super) fn new(disk: Arc<dyn Disk>, bytes: u64) -> Self {
        Self {
            disk,
            bytes,
            making: None,
        }
    }

    /// Bytes of the segments it makes.
    pub(super) fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Begins to make a segment. Without a thread to be had it is made when it is needed.
    pub(super) fn prepare(&mut self, segment: u64) {
        let (disk, bytes) = (Arc::clone(&self.disk), self.bytes);
        let thread = Builder::new().name("ledger-segment".to_owned());
        let work = move || ready_or_made(&*disk, segment, bytes);
        self.making = thread.spawn(work).ok().map(|handle| (segment, handle));
    }

    /// The segment, waiting for it if it is being made. What failed in the background is tried again here.
    pub(super) fn take(&mut self, segment: u64) -> io::Result<Arc<dyn DiskFile>> {
        if let Some((made, handle)) = self.making.take()
            && let Ok(Ok(file)) = handle.join()
            && made == segment
        {
            return Ok(file);
        }
        ready_or_made(&*self.disk, segment, self.bytes)
    }
}

impl Drop for Ahead {
    fn drop(&mut self) {
        // Whoever opens the folder next must not meet this thread in it.
        if let Some((_, handle)) = self.making.take() {
            // A segment that could not be made is made by whoever needs it.
            drop(handle.join());
        }
    }
}

/// The segment as it was made earlier, blanked where a first batch that failed left bytes, or a new one.
fn ready_or_made(disk: &dyn Disk, segment: u64, bytes: u64) -> io::Result<Arc<dyn DiskFile>> {
    let Some(file) = disk.open(&path(segment))? else {
        return make(disk, segment, bytes);
    };
    if file.length()? != bytes {
        return make(disk, segment, bytes);
    }
    if blank(&*file, 0)? {
        file.sync()?;
    }
    // Its name may not have been synced by who made it.
    disk.sync_folder(FOLDER)?;
    Ok(file)
}
