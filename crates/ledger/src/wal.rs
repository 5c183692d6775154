//! The write-ahead log: where an append becomes durable.
//!
//! Numbered segment files, made and filled with zeros before they are needed. A segment begins with a header that says
//! which one it is and how the log stood when it was begun; frames follow, each beginning at a multiple of eight bytes:
//!
//! ```text
//! frame  = length u32 | crc u32 | seq u64 | payload | zeros up to a multiple of eight
//! header = "ESTOPWAL" | version u32 | chain u32 | segment u64 | seq u64 | crc u32 | zeros up to 64 bytes
//! ```
//!
//! All numbers little-endian. A frame's `crc` is CRC-32C over length, sequence number, payload and zeros, continued from
//! the `crc` of the frame before it (the chain), the first from the log's origin: a frame is valid only where all before
//! it are, so what is read is always an exact prefix of what was written, and old bytes after the end cannot look like
//! part of it. A batch of frames is one write and one sync, and lies in one segment.
//!
//! What is assumed of the disk: writing a sector again never harms the bytes in it that stay the same.

mod frame;
mod reader;
mod segment;
mod writer;

#[cfg(test)]
mod tests;

pub(crate) use frame::frame_bytes;
pub(crate) use reader::{ReadFault, Reader, sequenced};
pub(crate) use writer::{ScanFault, Writer, scan};

/// Folder of the segments.
pub(crate) const FOLDER: &str = "wal";

/// Bytes of a segment's header; the first frame's offset.
pub(crate) const HEADER_BYTES: u64 = 64;

/// Bytes of a frame before its payload.
pub(crate) const FRAME_HEADER_BYTES: usize = 16;

/// What frames are aligned to.
pub(crate) const ALIGN: usize = 8;

/// Longest payload: room for two records of the greatest length. A length field beyond it is damage, not a reason to
/// take memory.
pub(crate) const MAX_PAYLOAD_BYTES: usize = 17 << 20;

/// A place between frames.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Position {
    /// Number of the segment.
    pub(crate) segment: u64,
    /// Offset within it, in bytes.
    pub(crate) offset: u64,
    /// Sequence number of the frame that begins here.
    pub(crate) seq: u64,
    /// CRC of the frame that ends here.
    pub(crate) chain: u32,
}

impl Position {
    /// The beginning of the log of that origin.
    pub(crate) fn start(origin: &str) -> Self {
        Self {
            segment: 0,
            offset: HEADER_BYTES,
            seq: 0,
            chain: crc32c::crc32c(origin.as_bytes()),
        }
    }
}

/// Path of a segment.
pub(crate) fn path(segment: u64) -> String {
    format!("{FOLDER}/{segment:012}")
}
