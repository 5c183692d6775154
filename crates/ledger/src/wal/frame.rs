//! Frames and segment headers as bytes.

use super::{ALIGN, FRAME_HEADER_BYTES, HEADER_BYTES, MAX_PAYLOAD_BYTES, Position};

const MAGIC: &[u8; 8] = b"ESTOPWAL";
const VERSION: u32 = 1;

/// Bytes of the header that its CRC covers.
const COVERED: usize = 32;

/// Frames that are written and synced together.
#[derive(Debug)]
pub(crate) struct Batch {
    /// Room for a segment's header, then the frames.
    bytes: Vec<u8>,
    seq: u64,
    chain: u32,
}

/// The payload is empty or longer than [`MAX_PAYLOAD_BYTES`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct BadLength;

impl Batch {
    /// An empty batch that continues at `at`, in a buffer whose memory is used again.
    pub(super) fn new(at: &Position, mut buffer: Vec<u8>) -> Self {
        buffer.clear();
        buffer.resize(header_len(), 0);
        Self {
            bytes: buffer,
            seq: at.seq,
            chain: at.chain,
        }
    }

    /// Adds a frame.
    pub(crate) fn push(&mut self, payload: &[u8]) -> Result<(), BadLength> {
        if payload.is_empty() || payload.len() > MAX_PAYLOAD_BYTES {
            return Err(BadLength);
        }
        let length = u32::try_from(payload.len()).map_err(|_| BadLength)?;
        let zeros = padding(payload.len());
        let crc = crc(self.chain, length, self.seq, &[payload, zeros]);
        for part in [
            &length.to_le_bytes()[..],
            &crc.to_le_bytes(),
            &self.seq.to_le_bytes(),
            payload,
            zeros,
        ] {
            self.bytes.extend_from_slice(part);
        }
        self.chain = crc;
        self.seq = self.seq.saturating_add(1);
        Ok(())
    }

    /// Whether no frame was added.
    pub(crate) fn is_empty(&self) -> bool {
        self.bytes.len() <= header_len()
    }

    /// The frames.
    pub(super) fn frames(&self) -> &[u8] {
        self.bytes.get(header_len()..).unwrap_or_default()
    }

    /// The frames after a header that begins the segment of `at`, which must be where the batch continues.
    pub(super) fn with_header(&mut self, at: &Position) -> &[u8] {
        for (to, from) in self.bytes.iter_mut().zip(header(at)) {
            *to = from;
        }
        &self.bytes
    }

    /// Where the log stands after this batch, written at `at`.
    pub(super) fn end(&self, at: &Position) -> Position {
        let written = u64::try_from(self.frames().len()).unwrap_or(u64::MAX);
        Position {
            segment: at.segment,
            offset: at.offset.saturating_add(written),
            seq: self.seq,
            chain: self.chain,
        }
    }

    /// The buffer, to be used again.
    pub(super) fn into_buffer(self) -> Vec<u8> {
        self.bytes
    }
}

/// What a frame's first 16 bytes say.
#[derive(Debug, Clone, Copy)]
pub(super) struct FrameHeader {
    pub(super) length: u32,
    pub(super) crc: u32,
    pub(super) seq: u64,
}

impl FrameHeader {
    /// `None` where no frame can begin: too few bytes, or a length of zero or beyond all bounds.
    pub(super) fn parse(bytes: &[u8]) -> Option<Self> {
        let (length, rest) = bytes.split_first_chunk::<4>()?;
        let (crc, rest) = rest.split_first_chunk::<4>()?;
        let (seq, _) = rest.split_first_chunk::<8>()?;
        let header = Self {
            length: u32::from_le_bytes(*length),
            crc: u32::from_le_bytes(*crc),
            seq: u64::from_le_bytes(*seq),
        };
        let payload = usize::try_from(header.length).ok()?;
        (1..=MAX_PAYLOAD_BYTES).contains(&payload).then_some(header)
    }

    /// Bytes of payload and zeros.
    pub(super) fn body_bytes(&self) -> usize {
        let payload = self.payload_bytes();
        payload.saturating_add(padding(payload).len())
    }

    pub(super) fn payload_bytes(&self) -> usize {
        usize::try_from(self.length).unwrap_or(usize::MAX)
    }

    /// Whether the frame continues the chain.
    pub(super) fn matches(&self, chain: u32, body: &[u8]) -> bool {
        crc(chain, self.length, self.seq, &[body]) == self.crc
    }
}

/// Bytes a frame with a payload of that length takes.
pub(crate) fn frame_bytes(payload: usize) -> usize {
    FRAME_HEADER_BYTES
        .saturating_add(payload)
        .saturating_add(padding(payload).len())
}

fn padding(payload: usize) -> &'static [u8] {
    const ZEROS: [u8; ALIGN] = [0; ALIGN];
    let over = payload % ALIGN;
    let count = if over == 0 { 0 } else { ALIGN.saturating_sub(over) };
    ZEROS.get(..count).unwrap_or_default()
}

fn crc(chain: u32, length: u32, seq: u64, body: &[&[u8]]) -> u32 {
    let crc = crc32c::crc32c_append(chain, &length.to_le_bytes());
    let crc = crc32c::crc32c_append(crc, &seq.to_le_bytes());
    body.iter()
        .fold(crc, |crc, part| crc32c::crc32c_append(crc, part))
}

fn header_len() -> usize {
    usize::try_from(HEADER_BYTES).unwrap_or(usize::MAX)
}

/// The header of a segment that begins at `at`.
fn header(at: &Position) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(header_len());
    bytes.extend_from_slice(MAGIC);
    bytes.extend_from_slice(&VERSION.to_le_bytes());
    bytes.extend_from_slice(&at.chain.to_le_bytes());
    bytes.extend_from_slice(&at.segment.to_le_bytes());
    bytes.extend_from_slice(&at.seq.to_le_bytes());
    bytes.extend_from_slice(&crc32c::crc32c(&bytes).to_le_bytes());
    bytes.resize(header_len(), 0);
    bytes
}

/// Where the log stood when a segment was begun; `None` if the bytes are no header, as in a segment made in advance.
pub(super) fn parse_header(bytes: &[u8]) -> Option<Position> {
    let (covered, rest) = bytes.split_at_checked(COVERED)?;
    let (crc, zeros) = rest.split_first_chunk::<4>()?;
    let fields = covered
        .strip_prefix(MAGIC)?
        .strip_prefix(&VERSION.to_le_bytes())?;
    let (chain, fields) = fields.split_first_chunk::<4>()?;
    let (segment, fields) = fields.split_first_chunk::<8>()?;
    let (seq, _) = fields.split_first_chunk::<8>()?;
    let whole = bytes.len() == header_len() && zeros.iter().all(|byte| *byte == 0);
    (whole && crc32c::crc32c(covered) == u32::from_le_bytes(*crc)).then(|| Position {
        segment: u64::from_le_bytes(*segment),
        offset: HEADER_BYTES,
        seq: u64::from_le_bytes(*seq),
        chain: u32::from_le_bytes(*chain),
    })
}
