//! Framing: where one message ends and the next begins, over bytes as they arrive, without copying them.
//!
//! Every message after start-up is a type byte, a length word that counts itself but not the type byte, and a body.
//! [`Splitter`] keeps the position within the stream; messages up to its bound come out whole, longer ones in pieces, so
//! that a relay needs memory for the bound and no more.

use thiserror::Error;

#[cfg(test)]
mod tests;

/// Bytes of type and length.
pub const HEADER_BYTES: usize = 5;

/// Longest message of a type that carries no data of the user's (PostgreSQL's PQ_SMALL_MESSAGE_LIMIT).
pub const SMALL_BYTES_MAX: usize = 10_000;

/// Longest message of any type: PostgreSQL allocates at most 1 GiB - 1 for one.
pub const LARGE_BYTES_MAX: usize = 0x3fff_ffff;

/// Longest message before the client has proved who it is. SCRAM needs under 1 KiB, a signed token some KiB; more would be
/// memory given to strangers.
pub const LOGIN_BYTES_MAX: usize = 16_384;

/// Type and length of one message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Header {
    /// The type byte.
    pub tag: u8,
    /// Bytes of the whole message, type byte and length word included: at least [`HEADER_BYTES`].
    pub len: usize,
}

impl Header {
    /// Reads type and length; `None` if fewer than [`HEADER_BYTES`] are there.
    ///
    /// # Errors
    /// [`FrameError::Length`] for a length word below 4 or above [`LARGE_BYTES_MAX`].
    pub fn read(bytes: &[u8]) -> Result<Option<Self>, FrameError> {
        let Some((&[tag, a, b, c, d], _)) = bytes.split_first_chunk::<HEADER_BYTES>() else {
            return Ok(None);
        };
        let length = i32::from_be_bytes([a, b, c, d]);
        match usize::try_from(length) {
            Ok(counted) if (4..=LARGE_BYTES_MAX).contains(&counted) => Ok(Some(Self {
                tag,
                len: counted.saturating_add(1),
            })),
            _ => Err(FrameError::Length { tag, length }),
        }
    }

    /// Bytes of the body.
    #[must_use]
    pub fn body_len(&self) -> usize {
        self.len.saturating_sub(HEADER_BYTES)
    }
}

/// Whose bytes these are, and what may come at this point: decides which types are known and how long each may be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Source {
    /// A client that is logging in: password and SASL messages only.
    ClientLogin,
    /// A client after its login.
    Client,
    /// A server, from authentication on.
    Server,
}

impl Source {
    /// The longest length a message of type `tag` may state; `None` if the type is unknown here.
    fn limit(self, tag: u8) -> Option<usize> {
        match self {
            Self::ClientLogin => match tag {
                b'p' => Some(LOGIN_BYTES_MAX),
                _ => None,
            },
            Self::Client => match tag {
                b'Q' | b'P' | b'B' | b'F' | b'd' => Some(LARGE_BYTES_MAX),
                b'D' | b'E' | b'C' | b'S' | b'H' | b'X' | b'c' | b'f' => Some(SMALL_BYTES_MAX),
                _ => None,
            },
            Self::Server => match tag {
                b'D' | b'd' | b'T' | b't' | b'E' | b'N' | b'A' | b'S' | b'R' | b'V' | b'v' => {
                    Some(LARGE_BYTES_MAX)
                }
                b'1' | b'2' | b'3' | b'C' | b'G' | b'H' | b'I' | b'K' | b'W' | b'Z' | b'c' | b'n' | b's' => {
                    Some(SMALL_BYTES_MAX)
                }
                _ => None,
            },
        }
    }
}

/// Which part of a message a piece is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Part {
    /// All of it.
    Whole,
    /// The first bytes of a message longer than the bound: exactly as many as the bound.
    First,
    /// Neither the first nor the last of it.
    Middle,
    /// The end of it.
    Last,
}

/// What the next bytes of the stream are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Piece {
    /// Of the message that the piece belongs to.
    pub header: Header,
    /// Which part of it.
    pub part: Part,
    /// Bytes of this piece, counted from the first byte not yet given out.
    pub len: usize,
}

impl Piece {
    /// Whether the message is complete with this piece.
    #[must_use]
    pub fn ends(&self) -> bool {
        matches!(self.part, Part::Whole | Part::Last)
    }

    /// Whether the message begins with this piece (its header is in it).
    #[must_use]
    pub fn begins(&self) -> bool {
        matches!(self.part, Part::Whole | Part::First)
    }
}

/// What is wrong with a header. The stream cannot be followed further.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum FrameError {
    /// No such length can be.
    #[error("message of type `{}` states a length of {length}, it must be 4 to {LARGE_BYTES_MAX}", tag.escape_ascii())]
    Length {
        /// The type byte.
        tag: u8,
        /// As stated.
        length: i32,
    },
    /// Longer than messages of its type may be.
    #[error("message of type `{}` has {len} bytes, at most {max} are taken", tag.escape_ascii())]
    TooLong {
        /// The type byte.
        tag: u8,
        /// Bytes of the message.
        len: usize,
        /// Bytes that are taken.
        max: usize,
    },
    /// A type byte that cannot come from this side.
    #[error("unknown message type `{}`", tag.escape_ascii())]
    Unknown {
        /// The type byte.
        tag: u8,
    },
}

/// Position within a stream of messages.
#[derive(Debug, Clone)]
pub struct Splitter {
    source: Source,
    bound: usize,
    within: Option<(Header, usize)>,
}

impl Splitter {
    /// At the beginning of a message. Messages of up to `bound` bytes (at least [`HEADER_BYTES`]) come out whole.
    #[must_use]
    pub fn new(source: Source, bound: usize) -> Self {
        Self {
            source,
            bound: bound.max(HEADER_BYTES),
            within: None,
        }
    }

    /// The same stream from here on under other rules (after a login). Only at a boundary is that meaningful.
    pub fn switch(&mut self, source: Source) {
        self.source = source;
    }

    /// Whether the next byte begins a message.
    #[must_use]
    pub fn at_boundary(&self) -> bool {
        self.within.is_none()
    }

    /// What the first bytes of `unread` are, where `unread` is what has arrived and was not given out yet; `None`: wait for
    /// more. With room for the bound in the caller's buffer there is always an end to waiting.
    ///
    /// # Errors
    /// [`FrameError`]: the header is impossible; asking again gives the same error.
    pub fn next(&mut self, unread: &[u8]) -> Result<Option<Piece>, FrameError> {
        match self.within {
            None => self.begin(unread),
            Some(_) if unread.is_empty() => Ok(None),
            Some((header, left)) => {
                let len = left.min(unread.len());
                let rest = left.saturating_sub(len);
                self.within = (rest > 0).then_some((header, rest));
                let part = if rest > 0 { Part::Middle } else { Part::Last };
                Ok(Some(Piece { header, part, len }))
            }
        }
    }

    fn begin(&mut self, unread: &[u8]) -> Result<Option<Piece>, FrameError> {
        let Some(header) = Header::read(unread)? else {
            return Ok(None);
        };
        let tag = header.tag;
        let max = self.source.limit(tag).ok_or(FrameError::Unknown { tag })?;
        if header.len > max.saturating_add(1) {
            return Err(FrameError::TooLong {
                tag,
                len: header.len,
                max: max.saturating_add(1),
            });
        }
        let len = header.len.min(self.bound);
        if unread.len() < len {
            return Ok(None);
        }
        let rest = header.len.saturating_sub(len);
        self.within = (rest > 0).then_some((header, rest));
        let part = if rest > 0 { Part::First } else { Part::Whole };
        Ok(Some(Piece { header, part, len }))
    }

    /// Goes through all that has arrived: pieces with their bytes. [`Walk::taken`] says how many were given out.
    pub fn walk<'s, 'b>(&'s mut self, unread: &'b [u8]) -> Walk<'s, 'b> {
        Walk {
            splitter: self,
            unread,
            taken: 0,
        }
    }
}

/// Iterator over the pieces in a buffer.
#[derive(Debug)]
pub struct Walk<'s, 'b> {
    splitter: &'s mut Splitter,
    unread: &'b [u8],
    taken: usize,
}

impl Walk<'_, '_> {
    /// Bytes given out so far, from the start of the buffer.
    #[must_use]
    pub fn taken(&self) -> usize {
        self.taken
    }
}

impl<'b> Iterator for Walk<'_, 'b> {
    type Item = Result<(Piece, &'b [u8]), FrameError>;

    fn next(&mut self) -> Option<Self::Item> {
        let piece = match self.splitter.next(self.unread) {
            Ok(piece) => piece?,
            Err(error) => return Some(Err(error)),
        };
        let (bytes, rest) = self.unread.split_at_checked(piece.len)?;
        self.unread = rest;
        self.taken = self.taken.saturating_add(piece.len);
        Some(Ok((piece, bytes)))
    }
}

/// The body of a whole message, without its header.
#[must_use]
pub fn body(message: &[u8]) -> &[u8] {
    message.get(HEADER_BYTES..).unwrap_or_default()
}
