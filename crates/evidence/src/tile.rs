//! Tiles and entry bundles (C2SP tlog-tiles): how a log's hashes and entries are cut into files, and what
//! these are called.
//!
//! A tile of level `L` holds up to 256 hashes of level `8 * L` of the tree; a bundle holds the entries of a
//! level-0 tile. Files are full (256 wide) or partial (narrower, at the tree's right side; replaced as the
//! tree grows).

use std::error::Error;
use std::fmt;
use std::str::FromStr;

use crate::entry::MAX_ENTRY_BYTES;
use crate::entry::text::parse_decimal;
use crate::hash::{HASH_BYTES, Hash, node};
use crate::tree::{HashReader, ReadError};

/// Hashes in a full tile, and entries in a full bundle.
pub const TILE_WIDTH: u16 = 256;

/// Levels of the tree from one level of tiles to the next: 2^8 = 256.
pub const TILE_HEIGHT: u8 = 8;

/// Longest bundle in bytes: 256 of the longest entries with their lengths.
pub const MAX_BUNDLE_BYTES: usize = 256 * (2 + MAX_ENTRY_BYTES);

/// Highest level in a tile's path that the specification has.
const MAX_LEVEL: u8 = 63;

/// Name of a tile: `tile/<L>/<N>`, or `tile/<L>/<N>.p/<W>` for a partial one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TilePath {
    level: u8,
    index: u64,
    width: u16,
}

/// Name of an entry bundle: `tile/entries/<N>`, or `tile/entries/<N>.p/<W>` for a partial one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct EntryBundlePath {
    index: u64,
    width: u16,
}

/// A name that is not a tile's or a bundle's.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not the path of a tile or an entry bundle: expected `{0}`")]
pub struct PathError(&'static str);

/// Bytes that are not the tile or bundle they should be, or entries that do not make one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum TileError {
    /// A tile of another length.
    #[error("a tile {width} wide has {HASH_BYTES} bytes for each hash, not {bytes} in all")]
    TileLength {
        /// Hashes it should have.
        width: u16,
        /// Bytes it has.
        bytes: usize,
    },
    /// The bundle ends within an entry.
    #[error("the entry bundle ends within entry {at}")]
    Cut {
        /// Which entry of the bundle, from 0.
        at: usize,
    },
    /// Too many or too few entries.
    #[error("the entry bundle should hold {width} entries, and holds {found}")]
    Count {
        /// Entries it should have.
        width: u16,
        /// Entries it has; no more than one too many are counted.
        found: usize,
    },
    /// An entry is too long for a bundle.
    #[error("an entry has at most {MAX_ENTRY_BYTES} bytes, this one {bytes}")]
    EntryLength {
        /// Bytes it has.
        bytes: usize,
    },
}

impl TilePath {
    /// The tile of this level (0 to 63), index and width (1 to 256). `None` outside these.
    pub fn new(level: u8, index: u64, width: u16) -> Option<Self> {
        (level <= MAX_LEVEL && (1..=TILE_WIDTH).contains(&width)).then_some(Self { level, index, width })
    }

    /// The tile at `level` and `index` as wide as it is in a tree of `size` leaves. `None` if it has no hash
    /// there.
    pub fn within(level: u8, index: u64, size: u64) -> Option<Self> {
        Self::new(level, index, width(hashes_at(level, size), index))
    }

    /// The tile, as wide as it is in a tree of `size` leaves, that holds the node at `level` and `index` of
    /// the tree or the hashes it is computed from. `None` if the tree does not have all of the node's leaves.
    pub fn holding(level: u8, index: u64, size: u64) -> Option<Self> {
        if index >= size.checked_shr(level.into()).unwrap_or(0) {
            return None;
        }
        let above = level % TILE_HEIGHT;
        // No overflow: the node is complete, so its first leaf's index, which is at least this, is below
        // `size`.
        Self::within(level / TILE_HEIGHT, (index << above) >> TILE_HEIGHT, size)
    }

    /// Level of the tile: its hashes are of eight times that level in the tree.
    pub fn level(&self) -> u8 {
        self.level
    }

    /// How many tiles of the level stand to its left.
    pub fn index(&self) -> u64 {
        self.index
    }

    /// How many hashes it holds, 1 to 256.
    pub fn width(&self) -> u16 {
        self.width
    }

    /// Whether it will be replaced by a wider one when the tree grows.
    pub fn is_partial(&self) -> bool {
        self.width != TILE_WIDTH
    }
}

impl EntryBundlePath {
    /// The bundle of this index and width (1 to 256). `None` outside these.
    pub fn new(index: u64, width: u16) -> Option<Self> {
        (1..=TILE_WIDTH).contains(&width).then_some(Self { index, width })
    }

    /// The bundle that holds entry `entry` as wide as it is in a log of `size` entries. `None` if the log has
    /// no such entry.
    pub fn holding(entry: u64, size: u64) -> Option<Self> {
        let index = entry / u64::from(TILE_WIDTH);
        if entry < size {
            Self::new(index, width(size, index))
        } else {
            None
        }
    }

    /// How many bundles stand to its left.
    pub fn index(&self) -> u64 {
        self.index
    }

    /// How many entries it holds, 1 to 256.
    pub fn width(&self) -> u16 {
        self.width
    }

    /// Index in the log of its first entry.
    pub fn first_entry(&self) -> u64 {
        self.index.saturating_mul(TILE_WIDTH.into())
    }

    /// Whether it will be replaced by a wider one when the log grows.
    pub fn is_partial(&self) -> bool {
        self.width != TILE_WIDTH
    }
}

/// The tiles that must be written when a tree grows from `old` to `new` leaves: those that have become full,
/// and the partial ones at the right side. Lower levels first.
pub fn new_tiles(old: u64, new: u64) -> impl Iterator<Item = TilePath> {
    (0..=MAX_LEVEL / TILE_HEIGHT).flat_map(move |level| {
        let (before, now) = (hashes_at(level, old), hashes_at(level, new));
        new_files(before, now).filter_map(move |(index, width)| TilePath::new(level, index, width))
    })
}

/// The entry bundles that must be written when a log grows from `old` to `new` entries.
pub fn new_bundles(old: u64, new: u64) -> impl Iterator<Item = EntryBundlePath> {
    new_files(old, new).filter_map(|(index, width)| EntryBundlePath::new(index, width))
}

/// The bytes of a tile.
pub fn encode_tile(hashes: &[Hash]) -> Vec<u8> {
    hashes.iter().flat_map(|hash| hash.0).collect()
}

/// The hashes of a tile.
///
/// # Errors
/// It has not exactly `width` hashes.
pub fn decode_tile(bytes: &[u8], width: u16) -> Result<Vec<Hash>, TileError> {
    let (hashes, rest) = bytes.as_chunks::<HASH_BYTES>();
    if hashes.len() != usize::from(width) || !rest.is_empty() {
        return Err(TileError::TileLength {
            width,
            bytes: bytes.len(),
        });
    }
    Ok(hashes.iter().copied().map(Hash).collect())
}

/// Appends one entry to a bundle's bytes: its length in two bytes, big-endian, and the entry.
///
/// # Errors
/// The entry is longer than [`MAX_ENTRY_BYTES`]; nothing was appended.
pub fn append_to_bundle(bundle: &mut Vec<u8>, entry: &[u8]) -> Result<(), TileError> {
    let length = u16::try_from(entry.len()).map_err(|_| TileError::EntryLength { bytes: entry.len() })?;
    bundle.extend_from_slice(&length.to_be_bytes());
    bundle.extend_from_slice(entry);
    Ok(())
}

/// The bytes of a bundle of these entries.
///
/// # Errors
/// An entry is too long, or they are more than 256.
pub fn encode_bundle<E: AsRef<[u8]>>(entries: &[E]) -> Result<Vec<u8>, TileError> {
    if entries.len() > usize::from(TILE_WIDTH) {
        return Err(TileError::Count {
            width: TILE_WIDTH,
            found: entries.len(),
        });
    }
    let mut bundle = Vec::new();
    for entry in entries {
        append_to_bundle(&mut bundle, entry.as_ref())?;
    }
    Ok(bundle)
}

/// The entries of a bundle.
///
/// # Errors
/// It has not exactly `width` entries, or ends within one.
pub fn decode_bundle(bytes: &[u8], width: u16) -> Result<Vec<&[u8]>, TileError> {
    let mut entries = Vec::with_capacity(width.into());
    let mut rest = bytes;
    while !rest.is_empty() {
        if entries.len() == usize::from(width) {
            return Err(TileError::Count {
                width,
                found: entries.len().saturating_add(1),
            });
        }
        let cut = TileError::Cut { at: entries.len() };
        let (length, after) = rest.split_first_chunk::<2>().ok_or(cut)?;
        let (entry, after) = after
            .split_at_checked(u16::from_be_bytes(*length).into())
            .ok_or(cut)?;
        entries.push(entry);
        rest = after;
    }
    if entries.len() != usize::from(width) {
        return Err(TileError::Count {
            width,
            found: entries.len(),
        });
    }
    Ok(entries)
}

/// Where tiles are read from.
pub trait TileReader {
    /// The bytes of a tile. Where the partial tile asked for is gone, the first hashes of a wider one.
    ///
    /// # Errors
    /// It is not there, or reading failed.
    fn read_tile(&self, path: &TilePath) -> Result<Vec<u8>, Box<dyn Error + Send + Sync>>;
}

/// The hashes of a tree of a given size, read from its tiles. Nothing is authenticated: compare the root.
#[derive(Debug)]
pub struct TileHashes<R> {
    tiles: R,
    size: u64,
}

impl<R: TileReader> TileHashes<R> {
    /// The hashes of the tree of `size` leaves that has these tiles.
    pub fn new(tiles: R, size: u64) -> Self {
        Self { tiles, size }
    }
}

impl<R: TileReader> HashReader for TileHashes<R> {
    fn read(&self, level: u8, index: u64) -> Result<Hash, ReadError> {
        let path = TilePath::holding(level, index, self.size).ok_or(ReadError::missing(level, index))?;
        let bytes = self
            .tiles
            .read_tile(&path)
            .map_err(|source| ReadError::failed(level, index, source))?;
        let hashes =
            decode_tile(&bytes, path.width).map_err(|source| ReadError::failed(level, index, source))?;
        let above = level % TILE_HEIGHT;
        // Where the node's hashes begin in the tile; they are 2^above, all within it.
        let start = usize::from((index << above).to_le_bytes()[0]);
        hashes
            .get(start..)
            .and_then(|from| from.get(..1_usize << above))
            .and_then(subtree)
            .ok_or(ReadError::missing(level, index))
    }
}

/// The root of a perfect subtree from the hashes of one of its levels.
fn subtree(hashes: &[Hash]) -> Option<Hash> {
    let mut level = hashes.to_vec();
    while level.len() > 1 {
        level = level
            .as_chunks::<2>()
            .0
            .iter()
            .map(|[left, right]| node(left, right))
            .collect();
    }
    level.first().copied()
}

/// How many hashes tiles of `level` hold in a tree of `size` leaves.
fn hashes_at(level: u8, size: u64) -> u64 {
    size.checked_shr(u32::from(level).saturating_mul(TILE_HEIGHT.into()))
        .unwrap_or(0)
}

/// How many of `count` hashes the tile at `index` holds: 0 to 256.
fn width(count: u64, index: u64) -> u16 {
    let before = index.saturating_mul(TILE_WIDTH.into());
    u16::try_from(count.saturating_sub(before))
        .unwrap_or(TILE_WIDTH)
        .min(TILE_WIDTH)
}

/// Index and width of the files that change when `old` things become `new`.
fn new_files(old: u64, new: u64) -> impl Iterator<Item = (u64, u16)> {
    let wide = u64::from(TILE_WIDTH);
    // Nothing changes when nothing was added.
    let end = if new > old { new.div_ceil(wide) } else { 0 };
    (old / wide..end).map(move |index| (index, width(new, index)))
}

impl fmt::Display for TilePath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "tile/{}/", self.level)?;
        write_place(f, self.index, self.width)
    }
}

impl fmt::Display for EntryBundlePath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("tile/entries/")?;
        write_place(f, self.index, self.width)
    }
}

impl FromStr for TilePath {
    type Err = PathError;

    fn from_str(text: &str) -> Result<Self, PathError> {
        let read = || {
            let (level, place) = text.strip_prefix("tile/")?.split_once('/')?;
            let level = u8::try_from(parse_decimal(level)?).ok()?;
            let (index, width) = parse_place(place)?;
            Self::new(level, index, width)
        };
        read().ok_or(PathError(
            "tile/<0 to 63>/<index in groups such as x001/234>[.p/<1 to 255>]",
        ))
    }
}

impl FromStr for EntryBundlePath {
    type Err = PathError;

    fn from_str(text: &str) -> Result<Self, PathError> {
        let read = || {
            let (index, width) = parse_place(text.strip_prefix("tile/entries/")?)?;
            Self::new(index, width)
        };
        read().ok_or(PathError(
            "tile/entries/<index in groups such as x001/234>[.p/<1 to 255>]",
        ))
    }
}

/// `<N>[.p/<W>]`: the index in groups of three digits, all but the last with an `x` before them.
fn write_place(f: &mut fmt::Formatter<'_>, index: u64, width: u16) -> fmt::Result {
    let digits = index.to_string();
    let groups = digits.len().div_ceil(3);
    let padded = format!("{index:0>width$}", width = groups.saturating_mul(3));
    for (at, group) in (1..).zip(padded.as_bytes().chunks(3)) {
        let group = std::str::from_utf8(group).map_err(|_| fmt::Error)?;
        if at < groups {
            write!(f, "x{group}/")?
        } else {
            f.write_str(group)?
        }
    }
    if width == TILE_WIDTH {
        Ok(())
    } else {
        write!(f, ".p/{width}")
    }
}

fn parse_place(text: &str) -> Option<(u64, u16)> {
    let (place, width) = match text.split_once(".p/") {
        Some((place, width)) => (
            place,
            u16::try_from(parse_decimal(width)?)
                .ok()
                .filter(|&width| width < TILE_WIDTH)?,
        ),
        None => (text, TILE_WIDTH),
    };
    let (leading, last) = match place.rsplit_once('/') {
        Some((leading, last)) => (Some(leading), last),
        None => (None, place),
    };
    let mut index: u64 = 0;
    let mut first = true;
    for group in leading.into_iter().flat_map(|leading| leading.split('/')) {
        let digits = group.strip_prefix('x')?;
        if first && digits == "000" {
            return None;
        }
        first = false;
        index = append_group(index, digits)?;
    }
    Some((append_group(index, last)?, width))
}

fn append_group(index: u64, digits: &str) -> Option<u64> {
    if digits.len() != 3 || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    index.checked_mul(1000)?.checked_add(digits.parse().ok()?)
}

#[cfg(test)]
mod tests;
