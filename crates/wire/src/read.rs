//! A cursor over the body of one message: big-endian integers and NUL-ended strings, no copies, no panics.

use thiserror::Error;

/// A message whose bytes are not what its type says they must be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum Malformed {
    /// The body ended within a field.
    #[error("message ends within a field")]
    Short,
    /// The body went on after its last field.
    #[error("message has bytes after its last field")]
    Trailing,
    /// A string without its NUL.
    #[error("string in message is not ended by a zero byte")]
    Unended,
    /// Text that is not UTF-8 where only UTF-8 is taken.
    #[error("string in message is not UTF-8")]
    Encoding,
    /// A count, length or code outside of what the protocol allows.
    #[error("field `{0}` of message is outside of what the protocol allows")]
    Value(&'static str),
}

/// The unread rest of a message body.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    pub(crate) fn new(body: &'a [u8]) -> Self {
        Self(body)
    }

    pub(crate) fn rest(&self) -> &'a [u8] {
        self.0
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(crate) fn take(&mut self, count: usize) -> Result<&'a [u8], Malformed> {
        let (head, tail) = self.0.split_at_checked(count).ok_or(Malformed::Short)?;
        self.0 = tail;
        Ok(head)
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], Malformed> {
        let (head, tail) = self.0.split_first_chunk::<N>().ok_or(Malformed::Short)?;
        self.0 = tail;
        Ok(*head)
    }

    pub(crate) fn u8(&mut self) -> Result<u8, Malformed> {
        self.array::<1>().map(|[byte]| byte)
    }

    pub(crate) fn u16(&mut self) -> Result<u16, Malformed> {
        self.array().map(u16::from_be_bytes)
    }

    pub(crate) fn i16(&mut self) -> Result<i16, Malformed> {
        self.array().map(i16::from_be_bytes)
    }

    pub(crate) fn u32(&mut self) -> Result<u32, Malformed> {
        self.array().map(u32::from_be_bytes)
    }

    pub(crate) fn i32(&mut self) -> Result<i32, Malformed> {
        self.array().map(i32::from_be_bytes)
    }

    /// The bytes before the next NUL; the NUL is read too.
    pub(crate) fn cstr(&mut self) -> Result<&'a [u8], Malformed> {
        let end = self
            .0
            .iter()
            .position(|byte| *byte == 0)
            .ok_or(Malformed::Unended)?;
        let text = self.take(end)?;
        self.take(1)?;
        Ok(text)
    }

    /// Like `cstr`, as UTF-8.
    pub(crate) fn text(&mut self) -> Result<&'a str, Malformed> {
        std::str::from_utf8(self.cstr()?).map_err(|_| Malformed::Encoding)
    }

    /// A length word and so many bytes; -1 is NULL.
    pub(crate) fn nullable(&mut self, field: &'static str) -> Result<Option<&'a [u8]>, Malformed> {
        match self.i32()? {
            -1 => Ok(None),
            length => {
                let length = usize::try_from(length).map_err(|_| Malformed::Value(field))?;
                self.take(length).map(Some)
            }
        }
    }

    /// That nothing is left.
    pub(crate) fn end(&self) -> Result<(), Malformed> {
        if self.0.is_empty() {
            Ok(())
        } else {
            Err(Malformed::Trailing)
        }
    }
}
