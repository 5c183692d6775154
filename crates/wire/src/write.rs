//! Building one message at the end of a buffer: tag, length, body.

use bytes::{BufMut, BytesMut};
use thiserror::Error;

/// A value that has no encoding. Nothing was written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum Unencodable {
    /// A string with a zero byte in it, where the protocol ends strings by one.
    #[error("string for field `{0}` has a zero byte in it")]
    Nul(&'static str),
    /// An empty string where it would mean the end of a list.
    #[error("string for field `{0}` is empty")]
    Empty(&'static str),
    /// More than the length or count field can say.
    #[error("message or field `{0}` is longer than the protocol can say")]
    TooLong(&'static str),
}

/// Room for the length word.
const LENGTH_BYTES: usize = 4;

/// Writes a message of type `tag` whose body `fill` appends. On an error the buffer is as it was.
pub(crate) fn message(
    out: &mut BytesMut,
    tag: u8,
    fill: impl FnOnce(&mut BytesMut) -> Result<(), Unencodable>,
) -> Result<(), Unencodable> {
    let start = out.len();
    out.put_u8(tag);
    let end = untagged(out, fill);
    if end.is_err() {
        out.truncate(start);
    }
    end
}

/// The same without a type byte (start-up packets).
pub(crate) fn untagged(
    out: &mut BytesMut,
    fill: impl FnOnce(&mut BytesMut) -> Result<(), Unencodable>,
) -> Result<(), Unencodable> {
    let start = out.len();
    out.put_bytes(0, LENGTH_BYTES);
    let written = fill(out).and_then(|()| {
        let length = out.len().saturating_sub(start);
        i32::try_from(length).map_err(|_| Unencodable::TooLong("message"))
    });
    match (written, out.get_mut(start..start.saturating_add(LENGTH_BYTES))) {
        (Ok(length), Some(word)) => {
            word.copy_from_slice(&length.to_be_bytes());
            Ok(())
        }
        (Ok(_), None) => Err(Unencodable::TooLong("message")),
        (Err(error), _) => {
            out.truncate(start);
            Err(error)
        }
    }
}

/// A message of fixed and small size, which cannot be too long.
pub(crate) fn small(out: &mut BytesMut, tag: u8, body: &[u8]) {
    let length = u32::try_from(body.len().saturating_add(LENGTH_BYTES)).unwrap_or(u32::MAX);
    out.reserve(body.len().saturating_add(LENGTH_BYTES).saturating_add(1));
    out.put_u8(tag);
    out.put_u32(length);
    out.put_slice(body);
}

/// A NUL-ended string.
pub(crate) fn cstr(out: &mut BytesMut, field: &'static str, text: &[u8]) -> Result<(), Unencodable> {
    if text.contains(&0) {
        return Err(Unencodable::Nul(field));
    }
    out.put_slice(text);
    out.put_u8(0);
    Ok(())
}

/// A 16-bit count.
pub(crate) fn count(out: &mut BytesMut, field: &'static str, count: usize) -> Result<(), Unencodable> {
    out.put_u16(u16::try_from(count).map_err(|_| Unencodable::TooLong(field))?);
    Ok(())
}
