//! The ring as a file: the keys of all shelves, sealed under the root key, which lies in a folder of its own.
//!
//! ```text
//! keys/ring     = "estop/key-ring/v1 " round "\n" | nonce 12 bytes | sealed JSON
//! root/key.<round> = "estop/root-key/v1 " base64 "\n"
//! ```
//!
//! The line is bound to what is sealed. Each erasure is a round: a new root key, and the ring sealed under it; then the root key of
//! before is destroyed. So a copy of the ring, or of the whole ledger, from before the erasure opens nothing any more.

use evidence::hash::Hash;
use serde::{Deserialize, Serialize};
use zeroize::{Zeroize as _, Zeroizing};

use super::KeysError;
use super::cipher::{Cipher, KEY_BYTES, NONCE_BYTES, nonce};
use crate::disk::{Access, Disk, Fault, read_whole, replace};

/// Folder of the ring and of shelves' files.
pub(super) const FOLDER: &str = "keys";

/// Folder of the root key. It may be a link, or a file system of its own.
pub(super) const ROOT_FOLDER: &str = "root";

pub(super) const PATH: &str = "keys/ring";

/// Longest ring that is read: some hundred thousand shelves.
const MAX_BYTES: u64 = 32 << 20;

/// How often the ring is read again where it does not fit the root key.
const TRIES: usize = 5;

const HEADER: &str = "estop/key-ring/v1 ";
const ROOT_HEADER: &str = "estop/root-key/v1 ";

/// What the ring holds.
#[derive(Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Ring {
    /// An erasure was begun when the log had so many entries: if an `erased` entry follows, it is to be carried out.
    pub(super) pending: Option<u64>,
    /// Indexes of the `erased` entries that were carried out.
    pub(super) erasures: Vec<u64>,
    pub(super) shelves: Vec<Shelved>,
    /// What overseers have opened: entries with their opening keys, ascending.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(super) opened: Vec<(u64, Secret)>,
}

/// A shelf in the ring.
#[derive(PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Shelved {
    pub(super) id: u64,
    /// Its key, in base64.
    pub(super) key: Secret,
    /// No entry below this index has a key on it.
    pub(super) from: u64,
    /// Nor from this index on; not known while it is in use.
    pub(super) to: Option<u64>,
    /// The round in which its file was written; without one the keys stand in the write-ahead log.
    pub(super) file: Option<u64>,
}

impl std::fmt::Debug for Shelved {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Shelved")
            .field("id", &self.id)
            .finish_non_exhaustive()
    }
}

/// 32 secret bytes as JSON.
#[derive(PartialEq, Eq)]
pub(super) struct Secret(pub(super) Zeroizing<[u8; KEY_BYTES]>);

impl std::fmt::Debug for Secret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Secret(..)")
    }
}

impl Serialize for Secret {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let text = Zeroizing::new(Hash(*self.0).to_string());
        serializer.serialize_str(&text)
    }
}

impl<'de> Deserialize<'de> for Secret {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = Zeroizing::new(String::deserialize(deserializer)?);
        let mut hash: Hash = text.parse().map_err(serde::de::Error::custom)?;
        let secret = Self(Zeroizing::new(hash.0));
        hash.0.zeroize();
        Ok(secret)
    }
}

/// Path of a root key.
pub(super) fn root_path(round: u64) -> String {
    format!("{ROOT_FOLDER}/key.{round}")
}

/// The root key of a round; `None` if it is not there.
pub(super) fn root(disk: &dyn Disk, round: u64) -> Result<Option<Cipher>, KeysError> {
    let Some(bytes) = read_whole(disk, &root_path(round), 4096)?.map(Zeroizing::new) else {
        return Ok(None);
    };
    let secret = std::str::from_utf8(&bytes).ok().and_then(|text| {
        let mut hash: Hash = text.strip_prefix(ROOT_HEADER)?.strip_suffix('\n')?.parse().ok()?;
        let secret = Zeroizing::new(hash.0);
        hash.0.zeroize();
        Some(secret)
    });
    secret
        .map(Cipher::new)
        .transpose()?
        .map_or(Err(KeysError::Root { round }), |root| Ok(Some(root)))
}

/// Makes the root key of a round, durably.
pub(super) fn make_root(disk: &dyn Disk, round: u64) -> Result<Cipher, KeysError> {
    let root = Cipher::random()?;
    let secret = Zeroizing::new(Hash(*root.secret()).to_string());
    let text = Zeroizing::new(format!("{ROOT_HEADER}{}\n", secret.as_str()));
    replace(disk, &root_path(round), text.as_bytes(), Access::Private)?;
    Ok(root)
}

impl Ring {
    /// Puts it in place, sealed under the root key of this round.
    pub(super) fn store(&self, disk: &dyn Disk, round: u64, root: &Cipher) -> Result<(), KeysError> {
        let mut bytes = Zeroizing::new(serde_json::to_vec(self).map_err(std::io::Error::from)?);
        let nonce = nonce()?;
        let head = format!("{HEADER}{round}\n");
        root.seal(nonce, head.as_bytes(), &mut bytes)?;
        let mut file = head.into_bytes();
        file.extend_from_slice(&nonce);
        file.extend_from_slice(&bytes);
        replace(disk, PATH, &file, Access::Private).map_err(Fault::into)
    }

    /// The ring, its round and root key; `None` if there is no ring.
    pub(super) fn load(disk: &dyn Disk) -> Result<Option<(Self, u64, Cipher)>, KeysError> {
        for _ in 0..TRIES {
            match Self::load_once(disk) {
                // Its owner may just have gone over to the next round.
                Err(KeysError::NoRoot { .. } | KeysError::Root { .. } | KeysError::Ring) => {}
                other => return other,
            }
        }
        Self::load_once(disk)
    }

    fn load_once(disk: &dyn Disk) -> Result<Option<(Self, u64, Cipher)>, KeysError> {
        let Some(file) = read_whole(disk, PATH, MAX_BYTES)? else {
            return Ok(None);
        };
        let (round, head) = Self::head(&file).ok_or(KeysError::Ring)?;
        let root = root(disk, round)?.ok_or(KeysError::NoRoot { round })?;
        let (head, rest) = file.split_at_checked(head).ok_or(KeysError::Ring)?;
        let (nonce, sealed) = rest.split_first_chunk::<NONCE_BYTES>().ok_or(KeysError::Ring)?;
        let bytes = root.open(*nonce, head, sealed).ok_or(KeysError::Ring)?;
        let ring = serde_json::from_slice(&bytes).map_err(|_| KeysError::Ring)?;
        Ok(Some((ring, round, root)))
    }

    /// The round in the first line, and that line's length.
    fn head(file: &[u8]) -> Option<(u64, usize)> {
        let end = file.iter().take(64).position(|byte| *byte == b'\n')?;
        let line = std::str::from_utf8(file.get(..end)?).ok()?;
        Some((line.strip_prefix(HEADER)?.parse().ok()?, end.checked_add(1)?))
    }
}

/// Overwrites a file with zeros and takes it away, durably. One that is not there is no error.
pub(super) fn destroy(disk: &dyn Disk, path: &str) -> Result<(), Fault> {
    let Some(file) = disk.open(path)? else {
        return Ok(());
    };
    let length = file.length()?;
    let zeros = vec![0; 64 << 10];
    let mut at = 0;
    while at < length {
        let left = usize::try_from(length.saturating_sub(at)).unwrap_or(usize::MAX);
        let chunk = zeros.get(..left.min(zeros.len())).unwrap_or_default();
        file.write_at(chunk, at)?;
        at = at.saturating_add(u64::try_from(chunk.len()).unwrap_or(u64::MAX));
    }
    file.sync().map_err(Fault::Unsynced)?;
    disk.remove(path)?;
    disk.sync_folder(crate::disk::folder_of(path))
        .map_err(Fault::Unsynced)
}
