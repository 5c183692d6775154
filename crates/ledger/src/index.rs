//! Where in the write-ahead log each entry stands: a file of 16 bytes an entry, so that nothing is held in memory.
//!
//! ```text
//! segment u32 | offset of the frame u32 | chain before the frame u32 | crc u32 over the entry's index and the three
//! ```
//!
//! It is made from the log and can be made again. A record that does not check out is damage of this file only.

use std::io;
use std::sync::Arc;

use crate::disk::{Access, Disk, DiskFile};
use crate::wal::Position;

const PATH: &str = "index";

/// Bytes of records that are written together.
const ROWS_BYTES: usize = 64 << 10;

/// Bytes of a record.
const RECORD_BYTES: u64 = 16;

/// The file.
#[derive(Debug, Clone)]
pub(crate) struct Index(Arc<dyn DiskFile>);

/// Records that wait to be written.
#[derive(Debug, Default)]
pub(crate) struct Rows {
    first: u64,
    bytes: Vec<u8>,
}

impl Index {
    /// Opens the file, making it if there is none.
    pub(crate) fn open(disk: &dyn Disk) -> io::Result<Self> {
        match disk.open(PATH)? {
            Some(file) => Ok(Self(file)),
            None => {
                let file = disk.create(PATH, Access::Private)?;
                disk.sync_folder("")?;
                Ok(Self(file))
            }
        }
    }

    /// Opens the file for reading, if there is one.
    pub(crate) fn look(disk: &dyn Disk) -> io::Result<Option<Self>> {
        Ok(disk.open(PATH)?.map(Self))
    }

    /// How many entries it knows: all of them are durable.
    pub(crate) fn count(&self) -> io::Result<u64> {
        Ok(self.0.length()? / RECORD_BYTES)
    }

    /// Where the frame with this entry begins; its sequence number is not known. `None`: no such record, or a damaged one.
    pub(crate) fn find(&self, index: u64) -> io::Result<Option<Position>> {
        let mut record = [0; 16];
        let Some(offset) = index.checked_mul(RECORD_BYTES) else {
            return Ok(None);
        };
        if self.0.read_at(&mut record, offset)? != record.len() {
            return Ok(None);
        }
        let [a, b, c, d, e, f, g, h, i, j, k, l, crc @ ..] = record;
        let (segment, offset, chain) = ([a, b, c, d], [e, f, g, h], [i, j, k, l]);
        let [segment, offset, chain] = [segment, offset, chain].map(u32::from_le_bytes);
        let whole = u32::from_le_bytes(crc) == sum(index, segment, offset, chain);
        Ok(whole.then_some(Position {
            segment: segment.into(),
            offset: offset.into(),
            seq: 0,
            chain,
        }))
    }

    /// Writes the rows; they are kept if that fails.
    pub(crate) fn write(&self, rows: &mut Rows) -> io::Result<()> {
        if !rows.bytes.is_empty() {
            self.0
                .write_at(&rows.bytes, rows.first.saturating_mul(RECORD_BYTES))?;
            rows.bytes.clear();
        }
        Ok(())
    }

    /// Makes what was written durable.
    pub(crate) fn sync(&self) -> io::Result<()> {
        self.0.sync()
    }
}

impl Rows {
    /// Whether they should be written before more are added.
    pub(crate) fn is_full(&self) -> bool {
        self.bytes.len() >= ROWS_BYTES
    }

    /// Notes that an entry, the one after the last that was noted, stands in the frame at `at`. `false`: the log has more
    /// or longer segments than a record can say.
    #[must_use]
    pub(crate) fn add(&mut self, index: u64, at: &Position) -> bool {
        let (Ok(segment), Ok(offset)) = (u32::try_from(at.segment), u32::try_from(at.offset)) else {
            return false;
        };
        if self.bytes.is_empty() {
            self.first = index;
        }
        for part in [segment, offset, at.chain, sum(index, segment, offset, at.chain)] {
            self.bytes.extend_from_slice(&part.to_le_bytes());
        }
        true
    }
}

fn sum(index: u64, segment: u32, offset: u32, chain: u32) -> u32 {
    let crc = crc32c::crc32c(&index.to_le_bytes());
    [segment, offset, chain]
        .iter()
        .fold(crc, |crc, part| crc32c::crc32c_append(crc, &part.to_le_bytes()))
}
