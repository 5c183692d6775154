//! The file of a shelf from which something was erased: keys of what is left, wrapped anew, and what is gone.
//!
//! ```text
//! file  = "ESTOPSHF" | shelf u64 | keys u64 | gone u64 | key * keys | range * gone | crc u32
//! key   = entry u64 | nonce 12 bytes | wrapped key 48 bytes
//! range = first entry u64 | last entry u64 | index of the `erased` entry u64
//! ```
//!
//! All numbers little-endian, entries ascending. No range goes over an entry whose key is there.

use evidence::commitment::OpeningKey;

use super::cipher::{Cipher, NONCE_BYTES, nonce};
use super::{KeysError, SEALED_KEY_BYTES};

const MAGIC: &[u8; 8] = b"ESTOPSHF";
const HEAD_BYTES: usize = 32;
const KEY_ROW: usize = 8 + NONCE_BYTES + SEALED_KEY_BYTES;
const GONE_ROW: usize = 24;

/// Longest file that is read: a million keys.
pub(super) const MAX_BYTES: u64 = 96 << 20;

/// What a shelf says of an entry.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Found {
    Key(OpeningKey),
    /// Index of the `erased` entry.
    Erased(u64),
    Unknown,
}

/// The file, as it was read.
#[derive(Debug)]
pub(super) struct Rewrapped {
    bytes: Vec<u8>,
    keys: usize,
    gone: usize,
}

/// The file, as it is made.
#[derive(Debug)]
pub(super) struct Making<'a> {
    shelf: u64,
    cipher: &'a Cipher,
    keys: Vec<u8>,
    gone: Vec<(u64, u64, u64)>,
    /// A key was kept since.
    kept: bool,
}

impl<'a> Making<'a> {
    pub(super) fn new(shelf: u64, cipher: &'a Cipher) -> Self {
        Self {
            shelf,
            cipher,
            keys: Vec::new(),
            gone: Vec::new(),
            kept: false,
        }
    }

    /// Keeps the key of an entry, which comes after those before.
    pub(super) fn keep(&mut self, entry: u64, key: &OpeningKey) -> Result<(), KeysError> {
        let nonce = nonce()?;
        let mut wrapped = Vec::with_capacity(SEALED_KEY_BYTES);
        wrapped.extend_from_slice(key.reveal());
        self.cipher.seal(nonce, &about(self.shelf, entry), &mut wrapped)?;
        self.keys.extend_from_slice(&entry.to_le_bytes());
        self.keys.extend_from_slice(&nonce);
        self.keys.extend_from_slice(&wrapped);
        self.kept = true;
        Ok(())
    }

    /// Notes that an entry, which comes after those before, is gone.
    pub(super) fn lose(&mut self, entry: u64, by: u64) {
        match self.gone.last_mut() {
            Some(last) if last.2 == by && !self.kept => last.1 = entry,
            _ => self.gone.push((entry, entry, by)),
        }
        self.kept = false;
    }

    pub(super) fn bytes(self) -> Vec<u8> {
        let count = |number: usize| u64::try_from(number).unwrap_or(u64::MAX).to_le_bytes();
        let mut bytes = MAGIC.to_vec();
        bytes.extend_from_slice(&self.shelf.to_le_bytes());
        bytes.extend_from_slice(&count(self.keys.len() / KEY_ROW));
        bytes.extend_from_slice(&count(self.gone.len()));
        bytes.extend_from_slice(&self.keys);
        for (first, last, by) in self.gone {
            for number in [first, last, by] {
                bytes.extend_from_slice(&number.to_le_bytes());
            }
        }
        let crc = crc32c::crc32c(&bytes);
        bytes.extend_from_slice(&crc.to_le_bytes());
        bytes
    }
}

impl Rewrapped {
    /// Reads a file; `None` if it is none of this shelf.
    pub(super) fn parse(bytes: Vec<u8>, shelf: u64) -> Option<Self> {
        let (body, crc) = bytes.split_last_chunk::<4>()?;
        let (head, _) = body.split_at_checked(HEAD_BYTES)?;
        let fields = head.strip_prefix(MAGIC)?;
        let number = |at: usize| {
            let field = fields.as_chunks::<8>().0.get(at)?;
            Some(u64::from_le_bytes(*field))
        };
        let count = |at| usize::try_from(number(at)?).ok();
        let (keys, gone) = (count(1)?, count(2)?);
        let length = keys
            .checked_mul(KEY_ROW)?
            .checked_add(gone.checked_mul(GONE_ROW)?)?
            .checked_add(HEAD_BYTES)?;
        let whole = number(0)? == shelf && length == body.len();
        (whole && crc32c::crc32c(body) == u32::from_le_bytes(*crc)).then_some(Self { bytes, keys, gone })
    }

    /// What it says of an entry. `cipher` is the shelf's.
    pub(super) fn find(&self, shelf: u64, entry: u64, cipher: &Cipher) -> Found {
        let rows = self.key_rows();
        let at = rows.partition_point(|row| key_entry(row) < entry);
        if let Some(row) = rows.get(at).filter(|row| key_entry(row) == entry) {
            return open_key(shelf, row, cipher).map_or(Found::Unknown, Found::Key);
        }
        let ranges = self.gone_rows();
        let at = ranges.partition_point(|row| gone_range(row).1 < entry);
        match ranges.get(at).map(gone_range) {
            Some((first, _, by)) if first <= entry => Found::Erased(by),
            _ => Found::Unknown,
        }
    }

    /// Goes over the keys, in order.
    pub(super) fn keys(&self) -> impl Iterator<Item = &[u8; KEY_ROW]> {
        self.key_rows().iter()
    }

    /// What is gone, in order: first and last entry, and by which `erased` entry.
    pub(super) fn gone(&self) -> impl Iterator<Item = (u64, u64, u64)> {
        self.gone_rows().iter().map(gone_range)
    }

    fn key_rows(&self) -> &[[u8; KEY_ROW]] {
        let rows = self.bytes.get(HEAD_BYTES..).unwrap_or_default();
        rows.as_chunks().0.get(..self.keys).unwrap_or_default()
    }

    fn gone_rows(&self) -> &[[u8; GONE_ROW]] {
        let from = HEAD_BYTES.saturating_add(self.keys.saturating_mul(KEY_ROW));
        let rows = self.bytes.get(from..).unwrap_or_default();
        rows.as_chunks().0.get(..self.gone).unwrap_or_default()
    }
}

/// The entry that a row is about.
pub(super) fn key_entry(row: &[u8; KEY_ROW]) -> u64 {
    row.first_chunk().map_or(0, |entry| u64::from_le_bytes(*entry))
}

/// The key in a row; `None` if the shelf's key is another.
pub(super) fn open_key(shelf: u64, row: &[u8; KEY_ROW], cipher: &Cipher) -> Option<OpeningKey> {
    let (entry, rest) = row.split_first_chunk::<8>()?;
    let (nonce, wrapped) = rest.split_first_chunk::<NONCE_BYTES>()?;
    let key = cipher.open(*nonce, &about(shelf, u64::from_le_bytes(*entry)), wrapped)?;
    Some(OpeningKey::new(*key.first_chunk()?))
}

fn gone_range(row: &[u8; GONE_ROW]) -> (u64, u64, u64) {
    let [first, last, by] = [0, 1, 2].map(|at| {
        let field = row.as_chunks::<8>().0.get(at);
        field.map_or(0, |field| u64::from_le_bytes(*field))
    });
    (first, last, by)
}

/// What a wrapped key of the file is bound to.
fn about(shelf: u64, entry: u64) -> Vec<u8> {
    let mut about = b"estop/rewrapped-key/v1\0".to_vec();
    about.extend_from_slice(&shelf.to_le_bytes());
    about.extend_from_slice(&entry.to_le_bytes());
    about
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_kept_is_found_and_what_is_gone_says_by_what() {
        let cipher = Cipher::random().unwrap();
        let mut making = Making::new(7, &cipher);
        let key = |n: u8| OpeningKey::new([n; 32]);
        making.lose(1, 50);
        making.keep(3, &key(3)).unwrap();
        making.lose(5, 50);
        making.lose(9, 50);
        making.lose(10, 60);
        making.keep(11, &key(11)).unwrap();
        let bytes = making.bytes();
        let read = Rewrapped::parse(bytes.clone(), 7).unwrap();
        let found = |entry| read.find(7, entry, &cipher);
        assert_eq!(found(3), Found::Key(key(3)));
        assert_eq!(found(11), Found::Key(key(11)));
        for (entry, by) in [(1, 50), (5, 50), (9, 50), (10, 60)] {
            assert_eq!(found(entry), Found::Erased(by), "{entry}");
        }
        assert_eq!(found(0), Found::Unknown);
        assert_eq!(found(12), Found::Unknown);
        assert_eq!(read.find(7, 3, &Cipher::random().unwrap()), Found::Unknown);
        assert!(Rewrapped::parse(bytes.clone(), 8).is_none());
        for at in 0..bytes.len() {
            let mut other = bytes.clone();
            other[at] ^= 1;
            assert!(Rewrapped::parse(other, 7).is_none(), "byte {at}");
            assert!(Rewrapped::parse(bytes[..at].to_vec(), 7).is_none(), "cut at {at}");
        }
    }
}
