//! Reading frames: for recovery, for the integrator, and for those who ask for old records. There is one way to read,
//! and it stops at the first byte that does not continue the log.

use std::io;
use std::sync::Arc;

use super::frame::{FrameHeader, parse_header};
use super::{FRAME_HEADER_BYTES, HEADER_BYTES, Position, path};
use crate::disk::{Disk, DiskFile};

/// How much is read at a time; a longer frame is read whole.
const READ_BYTES: usize = 256 << 10;

/// Why no more can be read.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ReadFault {
    /// The file system failed.
    #[error("could not read segment {segment} of the write-ahead log")]
    Io {
        /// Number of the segment.
        segment: u64,
        /// What the file system said.
        #[source]
        source: io::Error,
    },
    /// The log does not go on where it is known to: a segment is damaged or missing.
    #[error(
        "segment {segment} of the write-ahead log is damaged at byte {offset}, and the log goes on after it"
    )]
    Damaged {
        /// Number of the segment.
        segment: u64,
        /// Offset of the first frame that is not as it was written.
        offset: u64,
    },
    /// A segment was begun by another log, or by this one when it stood elsewhere.
    #[error("segment {segment} of the write-ahead log belongs to another log")]
    Foreign {
        /// Number of the segment.
        segment: u64,
    },
}

/// Goes over the log frame by frame.
#[derive(Debug)]
pub(crate) struct Reader {
    disk: Arc<dyn Disk>,
    file: Option<Arc<dyn DiskFile>>,
    at: Position,
    /// Bytes of the file from `buffered` on; none of them beyond `limit` at the time they were read may be believed.
    buffer: Vec<u8>,
    buffered: u64,
    limit: u64,
}

impl Reader {
    /// A reader that begins at a position known to lie between frames.
    pub(crate) fn new(disk: Arc<dyn Disk>, at: Position) -> Self {
        Self {
            disk,
            file: None,
            at,
            buffer: Vec::new(),
            buffered: 0,
            limit: 0,
        }
    }

    /// Where the next frame would begin, unless in the next segment.
    pub(crate) fn position(&self) -> Position {
        self.at
    }

    /// The next frame with a sequence number below `limit`: where it begins, which may be in the next segment, and its
    /// payload. `None` where the log ends. The end is not final: more may have been written by the next call.
    pub(crate) fn next(&mut self, limit: u64) -> Result<Option<(Position, &[u8])>, ReadFault> {
        if limit != self.limit {
            // What was read ahead of the old limit may have been in the middle of being written.
            self.forget();
            self.limit = limit;
        }
        if self.at.seq >= limit {
            return Ok(None);
        }
        let fault = |reader: &Self, source| ReadFault::Io {
            segment: reader.at.segment,
            source,
        };
        let (began, length) = loop {
            let began = self.at;
            if let Some(length) = self.frame().map_err(|source| fault(self, source))? {
                break (began, length);
            }
            if !self.enter_next().map_err(|source| fault(self, source))? {
                self.forget();
                return Ok(None);
            }
        };
        Ok(self.payload(length).map(|payload| (began, payload)))
    }

    /// Reads the frame at the present position and steps over it. Returns the lengths of payload and body.
    fn frame(&mut self) -> io::Result<Option<(usize, usize)>> {
        if self.file.is_none() && !self.enter()? {
            return Ok(None);
        }
        let Some(header) = self.bytes(FRAME_HEADER_BYTES)?.and_then(FrameHeader::parse) else {
            return Ok(None);
        };
        let whole = FRAME_HEADER_BYTES.saturating_add(header.body_bytes());
        let at = self.at;
        let Some(bytes) = self.bytes(whole)? else {
            return Ok(None);
        };
        let body = bytes.get(FRAME_HEADER_BYTES..).unwrap_or_default();
        if header.seq != at.seq || !header.matches(at.chain, body) {
            return Ok(None);
        }
        self.at.offset = self
            .at
            .offset
            .saturating_add(u64::try_from(whole).unwrap_or(u64::MAX));
        self.at.seq = self.at.seq.saturating_add(1);
        self.at.chain = header.crc;
        Ok(Some((header.payload_bytes(), header.body_bytes())))
    }

    /// The payload of the frame that ends at the present position.
    fn payload(&self, (payload, body): (usize, usize)) -> Option<&[u8]> {
        let end = usize::try_from(self.at.offset.checked_sub(self.buffered)?).ok()?;
        let start = end.checked_sub(body)?;
        self.buffer.get(start..start.checked_add(payload)?)
    }

    /// `count` bytes from the present position on, if the file has them.
    fn bytes(&mut self, count: usize) -> io::Result<Option<&[u8]>> {
        let start = self
            .at
            .offset
            .checked_sub(self.buffered)
            .and_then(|start| usize::try_from(start).ok());
        let held = start.is_some_and(|start| start.saturating_add(count) <= self.buffer.len());
        if !held {
            let Some(file) = &self.file else { return Ok(None) };
            self.buffered = self.at.offset;
            self.buffer.resize(count.max(READ_BYTES), 0);
            let read = file.read_at(&mut self.buffer, self.at.offset)?;
            self.buffer.truncate(read);
        }
        let start = usize::try_from(self.at.offset.saturating_sub(self.buffered)).unwrap_or(usize::MAX);
        Ok(start
            .checked_add(count)
            .and_then(|end| self.buffer.get(start..end)))
    }

    /// Opens the segment of the present position, if it has been begun.
    fn enter(&mut self) -> io::Result<bool> {
        let Some((file, begun)) = open_begun(&*self.disk, self.at.segment)? else {
            return Ok(false);
        };
        let fits = if self.at.offset == HEADER_BYTES {
            begun == self.at
        } else {
            begun.segment == self.at.segment && begun.seq <= self.at.seq
        };
        if fits {
            self.file = Some(file);
        }
        Ok(fits)
    }

    /// Moves on to the next segment, if it was begun exactly where this one stands.
    fn enter_next(&mut self) -> io::Result<bool> {
        let next = Position {
            segment: self.at.segment.saturating_add(1),
            offset: HEADER_BYTES,
            ..self.at
        };
        match open_begun(&*self.disk, next.segment)? {
            Some((file, begun)) if begun == next => {
                self.forget();
                (self.at, self.file) = (next, Some(file));
                Ok(true)
            }
            _ => Ok(false),
        }
    }

    fn forget(&mut self) {
        self.buffer.clear();
        self.buffered = self.at.offset;
    }
}

/// A segment that has a header, and where the log stood when it was begun.
pub(super) fn open_begun(disk: &dyn Disk, segment: u64) -> io::Result<Option<(Arc<dyn DiskFile>, Position)>> {
    let Some(file) = disk.open(&path(segment))? else {
        return Ok(None);
    };
    let mut header = vec![0; usize::try_from(HEADER_BYTES).unwrap_or_default()];
    let read = file.read_at(&mut header, 0)?;
    header.truncate(read);
    Ok(parse_header(&header).map(|begun| (file, begun)))
}

/// A position whose sequence number is not known, with that of the frame that stands there.
pub(crate) fn sequenced(disk: &dyn Disk, at: Position) -> io::Result<Option<Position>> {
    let Some(file) = disk.open(&path(at.segment))? else {
        return Ok(None);
    };
    let mut header = [0; FRAME_HEADER_BYTES];
    let read = file.read_at(&mut header, at.offset)?;
    let header = header.get(..read).and_then(FrameHeader::parse);
    Ok(header.map(|header| Position {
        seq: header.seq,
        ..at
    }))
}
