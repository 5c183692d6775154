//! The few things the ledger asks of a file system, as a narrow trait: everything durable goes through here, so that
//! tests can fail, lose or tear each single step.
//!
//! Paths are relative to the ledger's folder, with `/` between their parts.

use std::fmt;
use std::io;
use std::sync::Arc;

mod real;
#[cfg(test)]
pub(crate) mod sim;

pub(crate) use real::{LockError, RealDisk};

/// Who may read a file or folder.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Access {
    /// The owner alone: 0600, 0700.
    Private,
    /// Everyone: 0644, 0755.
    Public,
}

/// A folder tree and what is done to its names.
pub(crate) trait Disk: fmt::Debug + Send + Sync {
    /// Makes the folder and its missing parents. Their names are durable on return.
    fn make_folder(&self, path: &str, access: Access) -> io::Result<()>;
    /// Names in a folder, sorted; none if there is no such folder.
    fn list(&self, folder: &str) -> io::Result<Vec<String>>;
    /// An existing file for reading and writing; `None` if there is none.
    fn open(&self, path: &str) -> io::Result<Option<Arc<dyn DiskFile>>>;
    /// A new, empty file; one of that name is emptied. Its name is durable only after [`Disk::sync_folder`].
    fn create(&self, path: &str, access: Access) -> io::Result<Arc<dyn DiskFile>>;
    /// Renames a file within its folder, in place of any other of the new name.
    fn rename(&self, from: &str, to: &str) -> io::Result<()>;
    /// Removes a file.
    fn remove(&self, path: &str) -> io::Result<()>;
    /// Removes a folder with the files in it; no error if there is none.
    fn remove_folder(&self, path: &str) -> io::Result<()>;
    /// Makes the names in a folder durable.
    fn sync_folder(&self, path: &str) -> io::Result<()>;
}

/// An open file.
pub(crate) trait DiskFile: fmt::Debug + Send + Sync {
    /// Length in bytes.
    fn length(&self) -> io::Result<u64>;
    /// Reads at an offset until the buffer is full or the file ends; returns how many bytes.
    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize>;
    /// Writes all of `bytes` at an offset. After an error any part of them may have been written.
    fn write_at(&self, bytes: &[u8], offset: u64) -> io::Result<()>;
    /// Reserves space for the first `bytes` bytes and makes the file that long.
    fn reserve(&self, bytes: u64) -> io::Result<()>;
    /// Makes the contents durable (`fdatasync`). After an error nothing is known of what was written since the last
    /// success, and asking again proves nothing.
    fn sync(&self) -> io::Result<()>;
}

/// Why something did not become durable.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Fault {
    /// The file system refused; nothing was promised and the step may be tried again.
    #[error("the file system refused")]
    Refused(#[source] io::Error),
    /// A sync failed: what is on the disk is unknown until it is read again by a new process.
    #[error("a sync failed")]
    Unsynced(#[source] io::Error),
}

impl From<io::Error> for Fault {
    fn from(error: io::Error) -> Self {
        Self::Refused(error)
    }
}

/// Puts a whole file in place: written under another name, synced, renamed, its folder synced. Whoever opens `path`
/// sees the old contents or the new, never a mixture.
pub(crate) fn replace(disk: &dyn Disk, path: &str, bytes: &[u8], access: Access) -> Result<(), Fault> {
    let staged = stage(disk, path, bytes, access)?;
    staged.sync().map_err(Fault::Unsynced)?;
    disk.rename(&temporary(path), path)?;
    disk.sync_folder(folder_of(path)).map_err(Fault::Unsynced)
}

/// Writes a file under its temporary name, to be synced and renamed by the caller.
pub(crate) fn stage(
    disk: &dyn Disk,
    path: &str,
    bytes: &[u8],
    access: Access,
) -> io::Result<Arc<dyn DiskFile>> {
    let file = disk.create(&temporary(path), access)?;
    file.write_at(bytes, 0)?;
    Ok(file)
}

/// The name a file has until it is whole.
pub(crate) fn temporary(path: &str) -> String {
    format!("{path}.tmp")
}

/// The folder a path lies in; the empty path is the ledger's own.
pub(crate) fn folder_of(path: &str) -> &str {
    path.rsplit_once('/').map_or("", |(folder, _)| folder)
}

/// A small file's whole contents; `None` if there is no such file.
///
/// # Errors
/// It cannot be read, or is longer than `limit` bytes.
pub(crate) fn read_whole(disk: &dyn Disk, path: &str, limit: u64) -> io::Result<Option<Vec<u8>>> {
    let Some(file) = disk.open(path)? else {
        return Ok(None);
    };
    let length = file.length()?;
    if length > limit {
        return Err(io::Error::new(
            io::ErrorKind::InvalidData,
            format!("`{path}` is longer than {limit} bytes"),
        ));
    }
    let mut bytes = vec![0; usize::try_from(length).map_err(|_| io::ErrorKind::OutOfMemory)?];
    let read = file.read_at(&mut bytes, 0)?;
    bytes.truncate(read);
    Ok(Some(bytes))
}
