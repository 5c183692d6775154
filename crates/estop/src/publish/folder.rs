//! The site's files. Each is written beside its place and moved there, so that who reads meanwhile sees the old or the new one; the log's
//! checkpoints come last, so that what they cover is there.

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::fs;
use std::io::{self, Write as _};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use evidence::certificate;
use evidence::id::DirectiveNumber;
use evidence::note::VerifierKey;

use super::{Site, pages};
use crate::files::{self, FileError};

/// Says whose site a folder is.
const MARK: &str = ".estop-site";

const CERTIFICATES: &str = "certificates";

/// The log's folder on the site.
const LOG: &str = "log";

/// Folders within one another in a published log: `p/PARTNER/tile/entries/x000/x000/000.p/1` has seven.
const DEPTH: usize = 12;

/// Bytes of a checkpoint with all its cosignatures, at most.
const CHECKPOINT_BYTES: usize = 64 * 1024;

/// Bytes of a certificate, at most.
const CERTIFICATE_BYTES: usize = 64 << 20;

/// Files that are looked at before whoever waits hears of it.
type News<'a> = &'a mut dyn FnMut(u64);

/// What was written.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, serde::Serialize)]
pub struct Written {
    /// Pages, the feed and the document.
    pub pages: u64,
    /// Certificates that were added.
    pub certificates: u64,
    /// Files of the log that the site did not have.
    pub log_files: u64,
}

/// Why a site was not written, or not to its end.
#[derive(Debug, thiserror::Error)]
pub enum PublishError {
    /// Something else lies there.
    #[error("`{}` is not empty, and is no site of `{custodian}`", folder.display())]
    NotASite {
        /// The folder.
        folder: PathBuf,
        /// Whose site it must be.
        custodian: String,
    },
    /// A certificate does not hold, or is another custodian's.
    #[error("`{}` is no certificate that holds under this custodian's key", file.display())]
    Certificate {
        /// The file.
        file: PathBuf,
    },
    /// A file cannot be read or written.
    #[error(transparent)]
    File(#[from] FileError),
}

/// Writes a site, or renews it, with the log that is published in `log`, and these certificates besides those that it has.
///
/// # Errors
/// See [`PublishError`]. What was written stays; the next attempt goes on.
pub fn write(
    site: &mut Site,
    folder: &Path,
    log: &Path,
    key: &VerifierKey,
    certificates: &[PathBuf],
    news: News<'_>,
) -> Result<Written, PublishError> {
    let certificates = certificates
        .iter()
        .map(|file| checked(file, key))
        .collect::<Result<Vec<_>, _>>()?;
    claim(folder, site.custodian.as_str())?;
    let mut written = Written::default();
    for (number, text) in certificates {
        let path = folder.join(CERTIFICATES).join(format!("{number}.certificate"));
        put(&path, &text)?;
        written.certificates = written.certificates.saturating_add(1);
    }
    let published = published(folder)?;
    site.certified(&published);
    written.log_files = copy_log(log, &folder.join(LOG), news)?;
    put(
        &folder.join("custodian.vkey"),
        format!("{}\n", site.key).as_bytes(),
    )?;
    for (name, text) in pages::all(site) {
        put(&folder.join(name), text.as_bytes())?;
        written.pages = written.pages.saturating_add(1);
    }
    Ok(written)
}

/// The bytes of a certificate that holds, and which order it is of.
fn checked(file: &Path, key: &VerifierKey) -> Result<(DirectiveNumber, Vec<u8>), PublishError> {
    let text = files::read_bytes(file, CERTIFICATE_BYTES)?;
    match certificate::verify(&text, key) {
        Ok(report) => Ok((report.directive, text)),
        Err(_) => Err(PublishError::Certificate {
            file: file.to_owned(),
        }),
    }
}

/// Makes sure that nothing but a site of this custodian's lies there.
fn claim(folder: &Path, custodian: &str) -> Result<(), PublishError> {
    let mark = folder.join(MARK);
    let lies_there = match fs::read_dir(folder) {
        Ok(mut names) => names.next().is_some(),
        Err(error) if error.kind() == io::ErrorKind::NotFound => false,
        Err(error) => return Err(FileError::new("look into", folder, error).into()),
    };
    if lies_there {
        let ours = files::read(&mark, 1024).is_ok_and(|text| text.trim_end() == custodian);
        return match ours {
            true => Ok(()),
            false => Err(PublishError::NotASite {
                folder: folder.to_owned(),
                custodian: custodian.to_owned(),
            }),
        };
    }
    Ok(put(&mark, format!("{custodian}\n").as_bytes())?)
}

/// The certificates that the site has.
fn published(folder: &Path) -> Result<BTreeMap<DirectiveNumber, String>, FileError> {
    let folder = folder.join(CERTIFICATES);
    let names = match fs::read_dir(&folder) {
        Ok(names) => names,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(BTreeMap::new()),
        Err(error) => return Err(FileError::new("look into", &folder, error)),
    };
    let mut found = BTreeMap::new();
    for name in names {
        let name = name.map_err(|error| FileError::new("look into", &folder, error))?;
        let name = name.file_name().to_string_lossy().into_owned();
        if let Some(number) = name
            .strip_suffix(".certificate")
            .and_then(|number| number.parse().ok())
        {
            found.insert(number, format!("{CERTIFICATES}/{name}"));
        }
    }
    Ok(found)
}

/// Copies what the site does not have of a published log. Whatever is no checkpoint never changes once it is there.
fn copy_log(from: &Path, to: &Path, news: News<'_>) -> Result<u64, FileError> {
    let mut checkpoints = Vec::new();
    find_checkpoints(from, Path::new(""), DEPTH, &mut checkpoints)?;
    let mut copying = Copying {
        news,
        seen: 0,
        new: 0,
    };
    copying.folder(from, to, DEPTH)?;
    for (path, bytes) in checkpoints {
        put(&to.join(path), &bytes)?;
    }
    Ok(copying.new)
}

/// The checkpoints as they are now, before anything else is copied.
fn find_checkpoints(
    top: &Path,
    within: &Path,
    depth: usize,
    found: &mut Vec<(PathBuf, Vec<u8>)>,
) -> Result<(), FileError> {
    let folder = top.join(within);
    for entry in entries(&folder)? {
        let name = entry.file_name();
        if name == OsStr::new("checkpoint") {
            let bytes = files::read_bytes(&entry.path(), CHECKPOINT_BYTES)?;
            found.push((within.join(name), bytes));
        } else if depth > 0 && name != OsStr::new("tile") && is_folder(&entry)? {
            find_checkpoints(top, &within.join(name), depth.saturating_sub(1), found)?;
        }
    }
    Ok(())
}

struct Copying<'a> {
    news: News<'a>,
    seen: u64,
    new: u64,
}

impl Copying<'_> {
    fn folder(&mut self, from: &Path, to: &Path, depth: usize) -> Result<(), FileError> {
        for entry in entries(from)? {
            let name = entry.file_name();
            let (source, target) = (entry.path(), to.join(&name));
            if is_folder(&entry)? {
                if depth > 0 {
                    self.folder(&source, &target, depth.saturating_sub(1))?;
                }
                continue;
            }
            self.seen = self.seen.saturating_add(1);
            (self.news)(self.seen);
            let half_written = Path::new(&name).extension() == Some(OsStr::new("tmp"));
            if name == OsStr::new("checkpoint") || half_written || target.exists() {
                continue;
            }
            let bytes = fs::read(&source).map_err(|error| FileError::new("read", &source, error))?;
            put(&target, &bytes)?;
            self.new = self.new.saturating_add(1);
        }
        Ok(())
    }
}

fn entries(folder: &Path) -> Result<Vec<fs::DirEntry>, FileError> {
    let all = fs::read_dir(folder).and_then(Iterator::collect);
    all.map_err(|error| FileError::new("look into", folder, error))
}

/// Links are files here: nothing is followed out of the log's folder.
fn is_folder(entry: &fs::DirEntry) -> Result<bool, FileError> {
    let kind = entry.file_type();
    let kind = kind.map_err(|error| FileError::new("look at", &entry.path(), error))?;
    Ok(kind.is_dir())
}

/// A file with these bytes, which everyone may read, whether or not one was there; and the folders it is in.
fn put(path: &Path, bytes: &[u8]) -> Result<(), FileError> {
    let written = || {
        let folder = path.parent().unwrap_or(Path::new("."));
        fs::create_dir_all(folder)?;
        let mut file = tempfile::NamedTempFile::new_in(folder)?;
        file.write_all(bytes)?;
        file.as_file()
            .set_permissions(fs::Permissions::from_mode(0o644))?;
        file.persist(path).map_err(|error| error.error)?;
        Ok(())
    };
    written().map_err(|source| FileError::new("write", path, source))
}
