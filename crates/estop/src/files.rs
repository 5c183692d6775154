//! Files read and written with a bound, a mode, and an error that names them.

use std::fs::{self, OpenOptions};
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use crate::failure::{Exit, Failure};

/// A file operation that failed.
#[derive(Debug, thiserror::Error)]
#[error("cannot {doing} `{}`", path.display())]
pub struct FileError {
    doing: &'static str,
    path: PathBuf,
    source: io::Error,
}

impl FileError {
    /// Present tense: "read", "create".
    #[must_use]
    pub fn new(doing: &'static str, path: &Path, source: io::Error) -> Self {
        Self {
            doing,
            path: path.to_owned(),
            source,
        }
    }
}

impl From<FileError> for Failure {
    /// A file that is not there is absent; one that is there, or must not be, is wrong.
    fn from(error: FileError) -> Self {
        let exit = match error.source.kind() {
            io::ErrorKind::InvalidData | io::ErrorKind::AlreadyExists | io::ErrorKind::FileTooLarge => {
                Exit::Wrong
            }
            _ => Exit::Absent,
        };
        Self::from_error(exit, &error)
    }
}

/// Who may read a file that we make.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Readers {
    /// Only its owner.
    Owner,
    /// Everyone who may enter its folder.
    All,
}

impl Readers {
    fn mode(self) -> u32 {
        match self {
            Self::Owner => 0o600,
            Self::All => 0o644,
        }
    }
}

/// All of a file.
///
/// # Errors
/// It cannot be read, or is longer than `most` bytes.
pub fn read_bytes(path: &Path, most: usize) -> Result<Vec<u8>, FileError> {
    let limit = u64::try_from(most).unwrap_or(u64::MAX).saturating_add(1);
    let bytes = || {
        let mut bytes = Vec::new();
        fs::File::open(path)?.take(limit).read_to_end(&mut bytes)?;
        if bytes.len() > most {
            let why = format!("longer than the {most} bytes that such a file has at most");
            return Err(io::Error::new(io::ErrorKind::FileTooLarge, why));
        }
        Ok(bytes)
    };
    bytes().map_err(|source| FileError::new("read", path, source))
}

/// All of a file as text.
///
/// # Errors
/// It cannot be read, is longer than `most` bytes, or is not UTF-8.
pub fn read(path: &Path, most: usize) -> Result<String, FileError> {
    String::from_utf8(read_bytes(path, most)?).map_err(|error| {
        FileError::new(
            "read",
            path,
            io::Error::new(io::ErrorKind::InvalidData, error.utf8_error()),
        )
    })
}

/// Makes a file that is not there yet, and the folders it is in.
///
/// # Errors
/// It is there already, or cannot be written.
pub fn create(path: &Path, text: &str, readers: Readers) -> Result<(), FileError> {
    let written = || {
        if let Some(folder) = path.parent() {
            fs::create_dir_all(folder)?;
        }
        let mut file = OpenOptions::new()
            .create_new(true)
            .write(true)
            .mode(readers.mode())
            .open(path)?;
        file.write_all(text.as_bytes())?;
        file.sync_all()
    };
    written().map_err(|source| FileError::new("create", path, source))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_made_once_with_its_mode() {
        use std::os::unix::fs::MetadataExt;
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a/b");
        create(&path, "text", Readers::Owner).unwrap();
        assert_eq!(fs::metadata(&path).unwrap().mode() & 0o777, 0o600);
        let again = Failure::from(create(&path, "other", Readers::All).unwrap_err());
        assert_eq!(again.exit, Exit::Wrong);
        assert_eq!(read(&path, 4).unwrap(), "text");
    }

    #[test]
    fn too_long_and_not_text_are_wrong_and_nothing_is_absent() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("f");
        fs::write(&path, "12345").unwrap();
        assert_eq!(Failure::from(read(&path, 4).unwrap_err()).exit, Exit::Wrong);
        fs::write(&path, [0xff]).unwrap();
        assert_eq!(Failure::from(read(&path, 4).unwrap_err()).exit, Exit::Wrong);
        assert_eq!(
            Failure::from(read(&folder.path().join("g"), 4).unwrap_err()).exit,
            Exit::Absent
        );
    }
}
