//! Signed documents that agreements name: by their hash, since nothing else of them is read.
//!
//! Among an estate's [`Files`] a document stands by one line that says its SHA-256, so that whatever is said
//! of the files as a whole (their hash, what a person approves) is said of the documents too.

use std::collections::BTreeSet;

use evidence::hash::Hash;
use serde::Deserialize;

use super::Files;

/// The folder of an estate in which documents lie.
pub const FOLDER: &str = "documents/";

/// Longest document whose hash is taken, in bytes: a scan of hundreds of pages.
pub const MAX_DOCUMENT_BYTES: usize = 64 << 20;

const HASHED: &str = "sha256:";
const UNREADABLE: &str = "unreadable: ";

/// What an agreement says of its document, and what was found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Document {
    /// Its path, relative to the estate.
    pub path: String,
    /// Its SHA-256.
    pub sha256: Hash,
}

/// What is put among the files for a document of this hash.
#[must_use]
pub fn found(sha256: &Hash) -> String {
    format!("{HASHED}{}", sha256.to_hex())
}

/// What is put among the files for a document that is there and cannot be read.
#[must_use]
pub fn unreadable(why: &str) -> String {
    format!("{UNREADABLE}{why}")
}

/// The documents that agreements among these files name, so far as the files can be read: those whose hash is wanted.
#[must_use]
pub fn named(files: &Files) -> BTreeSet<String> {
    #[derive(Deserialize)]
    struct File {
        agreement: Agreement,
    }
    #[derive(Deserialize)]
    struct Agreement {
        document: Option<String>,
    }
    files
        .iter()
        .filter(|(path, _)| path.starts_with("agreements/"))
        .filter_map(|(_, text)| toml::from_str::<File>(text).ok()?.agreement.document)
        .filter(|path| is_path(path))
        .collect()
}

/// Whether a text is the path of a document: below [`FOLDER`], with no way out of it.
pub(super) fn is_path(path: &str) -> bool {
    let good = |part: &str| !part.is_empty() && part != "." && part != "..";
    path.strip_prefix(FOLDER)
        .is_some_and(|rest| rest.split('/').all(good) && !rest.chars().any(char::is_control))
}

/// Why a document that is named cannot be taken.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DocumentError {
    /// Not a path below the folder.
    #[error("`{0}` is not a file in the estate's folder `documents`")]
    Path(String),
    /// No such file.
    #[error("the document `{0}` is not there")]
    Missing(String),
    /// It cannot be read.
    #[error("the document `{path}` cannot be read: {why}")]
    Unreadable {
        /// Its path.
        path: String,
        /// Why.
        why: String,
    },
}

/// The document of this path among these files.
pub(super) fn look_up(path: &str, files: &Files) -> Result<Document, DocumentError> {
    if !is_path(path) {
        return Err(DocumentError::Path(path.to_owned()));
    }
    let entry = files
        .get(path)
        .ok_or_else(|| DocumentError::Missing(path.to_owned()))?;
    let unreadable = |why: &str| DocumentError::Unreadable {
        path: path.to_owned(),
        why: why.to_owned(),
    };
    if let Some(why) = entry.strip_prefix(UNREADABLE) {
        return Err(unreadable(why));
    }
    let sha256 = entry
        .strip_prefix(HASHED)
        .and_then(from_hex)
        .ok_or_else(|| unreadable("its hash was not taken"))?;
    Ok(Document {
        path: path.to_owned(),
        sha256,
    })
}

fn from_hex(text: &str) -> Option<Hash> {
    let mut bytes = [0; evidence::hash::HASH_BYTES];
    if text.len() != 2 * bytes.len() {
        return None;
    }
    for (byte, pair) in bytes.iter_mut().zip(text.as_bytes().chunks(2)) {
        *byte = u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok()?;
    }
    Some(Hash(bytes))
}
