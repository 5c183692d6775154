//! A run: a file of tags in order, each with the entry of a disclosure, over an unbroken stretch of the log.
//!
//! ```text
//! run   = block * n | meta, JSON | n u64 | length of meta u32 | crc of meta u32 | "ESTOPRUN"
//! block = count u32 | 0 u32 | (tag u64 | entry u64) * count | zeros | crc u32, in 4,096 bytes
//! ```
//!
//! All numbers little-endian, each `crc` CRC-32C. It is written under another name, synced and renamed, and never changed.

use std::collections::BTreeSet;
use std::fs::{self, File, OpenOptions};
use std::io::{self, BufWriter, Write as _};
use std::os::unix::fs::{FileExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use evidence::id::SessionId;
use serde::{Deserialize, Serialize};

use super::stretch::{Reason, Totals};
use super::{AccountsError, HITS_MAX, sync_folder};
use crate::wal::Position;

const BLOCK: usize = 4096;
const HEAD: usize = 8;
const ROW: usize = 16;
const ROWS: usize = 255;
const CRC_AT: usize = BLOCK - 4;
const FOOTER: usize = 24;
const MAGIC: &[u8; 8] = b"ESTOPRUN";

/// Longest description of a run: some sessions' statements and reasons. More is damage.
const META_MAX: u32 = 64 << 20;

/// How often a folder is listed again because a run in it was merged meanwhile.
const TRIES: usize = 10;

/// A subject in a disclosure.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Row {
    pub(super) tag: u64,
    /// Index of the disclosure's entry.
    pub(super) entry: u64,
}

/// What a run says about itself.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Meta {
    /// Index of the first entry of its stretch.
    pub(super) from: u64,
    /// Index after the last.
    pub(super) to: u64,
    /// Where the frame with entry `to` begins.
    pub(super) at: Place,
    /// How often it was merged.
    pub(super) level: u8,
    pub(super) totals: Totals,
    /// Statements whose results go on behind it: session, number, entry, and what of it was counted.
    pub(super) open: Vec<(SessionId, u64, u64, Vec<Reason>)>,
}

/// A place in the write-ahead log.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Place {
    segment: u64,
    offset: u64,
    seq: u64,
    chain: u32,
}

impl From<Position> for Place {
    fn from(at: Position) -> Self {
        let Position {
            segment,
            offset,
            seq,
            chain,
        } = at;
        Self {
            segment,
            offset,
            seq,
            chain,
        }
    }
}

impl Meta {
    pub(super) fn position(&self) -> Position {
        let Place {
            segment,
            offset,
            seq,
            chain,
        } = self.at;
        Position {
            segment,
            offset,
            seq,
            chain,
        }
    }
}

/// A run that can be asked.
#[derive(Debug)]
pub(super) struct Run {
    pub(super) path: PathBuf,
    file: File,
    blocks: u64,
    pub(super) meta: Meta,
}

/// The runs of a folder that follow one another from the first entry on; the larger where two begin alike.
pub(super) fn all(dir: &Path) -> Result<Vec<Run>, AccountsError> {
    for _ in 0..TRIES {
        match chain(dir) {
            Err(AccountsError::Storage(error)) if error.kind() == io::ErrorKind::NotFound => {}
            other => return other,
        }
    }
    chain(dir)
}

fn chain(dir: &Path) -> Result<Vec<Run>, AccountsError> {
    let mut names = Vec::new();
    for entry in fs::read_dir(dir)? {
        let name = entry?.file_name();
        if let Some((from, to)) = name.to_str().and_then(span) {
            names.push((from, to));
        }
    }
    // The longest first.
    names.sort_unstable_by_key(|(from, to)| (*from, std::cmp::Reverse(*to)));
    let (mut runs, mut at) = (Vec::new(), 0);
    for (from, to) in names {
        if from == at {
            runs.push(Run::open(dir.join(name(from, to)))?);
            at = to;
        }
    }
    Ok(runs)
}

fn name(from: u64, to: u64) -> String {
    format!("{from:016x}-{to:016x}.run")
}

fn span(name: &str) -> Option<(u64, u64)> {
    let (from, to) = name.strip_suffix(".run")?.split_once('-')?;
    let number = |text: &str| u64::from_str_radix(text, 16).ok();
    let (from, to) = (number(from)?, number(to)?);
    (from < to && self::name(from, to) == name).then_some((from, to))
}

/// Removes runs, the last first: what is left at any moment begins with the first entry.
pub(super) fn remove(dir: &Path, runs: &[Run]) -> io::Result<()> {
    for run in runs.iter().rev() {
        fs::remove_file(&run.path)?;
    }
    sync_folder(dir)
}

impl Run {
    fn open(path: PathBuf) -> Result<Self, AccountsError> {
        let file = File::open(&path)?;
        let damaged = || AccountsError::Damaged {
            path: path.display().to_string(),
        };
        let length = file.metadata()?.len();
        let mut footer = [0; FOOTER];
        let footer_bytes = u64::try_from(FOOTER).unwrap_or_default();
        let footer_at = length.checked_sub(footer_bytes).ok_or_else(damaged)?;
        file.read_exact_at(&mut footer, footer_at)?;
        let [a, b, c, d, e, f, g, h, i, j, k, l, m, n, o, p, magic @ ..] = footer;
        let blocks = u64::from_le_bytes([a, b, c, d, e, f, g, h]);
        let (bytes, crc) = (u32::from_le_bytes([i, j, k, l]), u32::from_le_bytes([m, n, o, p]));
        let meta_at = blocks.checked_mul(BLOCK as u64);
        let whole = meta_at.and_then(|at| at.checked_add(bytes.into())) == Some(footer_at);
        if magic != *MAGIC || bytes > META_MAX || !whole {
            return Err(damaged());
        }
        let mut meta = vec![0; usize::try_from(bytes).unwrap_or_default()];
        file.read_exact_at(&mut meta, meta_at.unwrap_or_default())?;
        if crc32c::crc32c(&meta) != crc {
            return Err(damaged());
        }
        let meta = serde_json::from_slice(&meta).map_err(|_| damaged())?;
        Ok(Self {
            path,
            file,
            blocks,
            meta,
        })
    }

    /// Adds the entries of a tag.
    pub(super) fn find(&self, tag: u64, entries: &mut BTreeSet<u64>) -> Result<(), AccountsError> {
        let mut rows = Vec::new();
        // A tag's rows may begin in the block before the first that begins with it.
        let first = self.first_block_from(tag)?.saturating_sub(1);
        for block in first..self.blocks {
            self.block(block, &mut rows)?;
            // Unless a tag that was compared on the way is not what was written.
            if block > 0 && block == first && rows.first().is_none_or(|row| row.tag >= tag) {
                return Err(self.damaged());
            }
            for row in &rows {
                if row.tag == tag {
                    entries.insert(row.entry);
                } else if row.tag > tag {
                    return Ok(());
                }
            }
            if entries.len() > HITS_MAX {
                return Err(AccountsError::TooMany);
            }
        }
        Ok(())
    }

    /// The first block that does not begin with a smaller tag; their number if all do.
    fn first_block_from(&self, tag: u64) -> Result<u64, AccountsError> {
        // Tags are spread evenly: where it should be is where it nearly is.
        let guess = u64::try_from(u128::from(tag).wrapping_mul(self.blocks.into()) >> 64).unwrap_or_default();
        let (mut low, mut high) = (0, self.blocks);
        let mut step = 1_u64;
        let mut probe = guess;
        while low < high {
            // Around the guess in growing steps, then by halves.
            let at = probe.clamp(low, high.saturating_sub(1));
            if self.first_tag(at)? < tag {
                low = at.saturating_add(1);
                probe = at.saturating_add(step);
            } else {
                high = at;
                probe = at.saturating_sub(step);
            }
            step = step.saturating_mul(2);
            if !(low..high).contains(&probe) {
                probe = low.midpoint(high);
            }
        }
        Ok(low)
    }

    fn first_tag(&self, block: u64) -> Result<u64, AccountsError> {
        let mut tag = [0; 8];
        let at = block.saturating_mul(BLOCK as u64).saturating_add(HEAD as u64);
        self.file.read_exact_at(&mut tag, at)?;
        Ok(u64::from_le_bytes(tag))
    }

    /// Reads a block's rows.
    pub(super) fn block(&self, block: u64, rows: &mut Vec<Row>) -> Result<(), AccountsError> {
        let mut bytes = [0; BLOCK];
        self.file
            .read_exact_at(&mut bytes, block.saturating_mul(BLOCK as u64))?;
        rows.clear();
        let (body, crc) = bytes.split_at(CRC_AT);
        let whole = crc == crc32c::crc32c(body).to_le_bytes();
        let (count, body) = body.split_first_chunk::<4>().unwrap_or((&[0; 4], &[]));
        let count = usize::try_from(u32::from_le_bytes(*count)).unwrap_or(usize::MAX);
        if !whole || count > ROWS {
            return Err(self.damaged());
        }
        let body = body.get(HEAD - 4..).unwrap_or_default();
        rows.extend(body.as_chunks::<ROW>().0.iter().take(count).map(|row| {
            let [a, b, c, d, e, f, g, h, entry @ ..] = *row;
            Row {
                tag: u64::from_le_bytes([a, b, c, d, e, f, g, h]),
                entry: u64::from_le_bytes(entry),
            }
        }));
        Ok(())
    }

    fn damaged(&self) -> AccountsError {
        AccountsError::Damaged {
            path: self.path.display().to_string(),
        }
    }

    pub(super) fn blocks(&self) -> u64 {
        self.blocks
    }
}

/// A run that is being written.
#[derive(Debug)]
pub(super) struct Built {
    dir: PathBuf,
    out: BufWriter<File>,
    block: Vec<u8>,
    count: u32,
    blocks: u64,
    meta: Meta,
}

impl Built {
    pub(super) fn begin(dir: &Path, meta: Meta) -> io::Result<Self> {
        let file = OpenOptions::new()
            .create(true)
            .truncate(true)
            .write(true)
            .mode(0o600)
            .open(dir.join("new"))?;
        Ok(Self {
            dir: dir.to_owned(),
            out: BufWriter::with_capacity(1 << 20, file),
            block: Vec::with_capacity(BLOCK),
            count: 0,
            blocks: 0,
            meta,
        })
    }

    /// Adds a row, which is not smaller than the last.
    pub(super) fn row(&mut self, row: Row) -> io::Result<()> {
        if self.count == 0 {
            self.block.resize(HEAD, 0);
        }
        self.block.extend_from_slice(&row.tag.to_le_bytes());
        self.block.extend_from_slice(&row.entry.to_le_bytes());
        self.count = self.count.saturating_add(1);
        if usize::try_from(self.count).is_ok_and(|count| count >= ROWS) {
            self.end_block()?;
        }
        Ok(())
    }

    fn end_block(&mut self) -> io::Result<()> {
        self.block.resize(CRC_AT, 0);
        for (to, from) in self.block.iter_mut().zip(self.count.to_le_bytes()) {
            *to = from;
        }
        let crc = crc32c::crc32c(&self.block);
        self.block.extend_from_slice(&crc.to_le_bytes());
        self.out.write_all(&self.block)?;
        self.block.clear();
        self.count = 0;
        self.blocks = self.blocks.saturating_add(1);
        Ok(())
    }

    /// All rows at once.
    pub(super) fn all(mut self, rows: impl Iterator<Item = Row>) -> Result<Run, AccountsError> {
        for row in rows {
            self.row(row)?;
        }
        self.end()
    }

    /// Makes it durable, and one of the folder's.
    pub(super) fn end(mut self) -> Result<Run, AccountsError> {
        if self.count > 0 {
            self.end_block()?;
        }
        let meta = serde_json::to_vec(&self.meta).map_err(io::Error::from)?;
        let length = u32::try_from(meta.len()).map_err(|_| io::Error::from(io::ErrorKind::FileTooLarge))?;
        self.out.write_all(&meta)?;
        self.out.write_all(&self.blocks.to_le_bytes())?;
        self.out.write_all(&length.to_le_bytes())?;
        self.out.write_all(&crc32c::crc32c(&meta).to_le_bytes())?;
        self.out.write_all(MAGIC)?;
        let file = self.out.into_inner().map_err(io::IntoInnerError::into_error)?;
        file.sync_all()?;
        let path = self.dir.join(name(self.meta.from, self.meta.to));
        fs::rename(self.dir.join("new"), &path)?;
        sync_folder(&self.dir)?;
        Run::open(path)
    }
}
