//! Messages of the client: typed views that borrow from the message's body, and encoders for what is sent to a server.
//!
//! Source: PostgreSQL documentation, "Message Formats". Names and texts are bytes: their encoding is the session's business.

use bytes::{BufMut, BytesMut};

use crate::read::Reader;
use crate::{Malformed, Unencodable, write};

pub mod bind;
#[cfg(test)]
mod tests;

pub use bind::{Bind, BindHead, Format};

/// A client's message after its login.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Message<'a> {
    /// Simple query.
    Query(Query<'a>),
    /// Prepares a statement.
    Parse(Parse<'a>),
    /// Makes a portal.
    Bind(Bind<'a>),
    /// Asks for the description of a statement or portal.
    Describe(Target<'a>),
    /// Runs a portal.
    Execute(Execute<'a>),
    /// Closes a statement or portal.
    Close(Target<'a>),
    /// Ends a pipeline's segment.
    Sync,
    /// Asks for the replies so far.
    Flush,
    /// Ends the session.
    Terminate,
    /// A piece of COPY data.
    CopyData(&'a [u8]),
    /// The end of COPY data.
    CopyDone,
    /// COPY given up by the client, and why.
    CopyFail(&'a [u8]),
    /// A function called by its number, without SQL.
    FunctionCall,
}

impl<'a> Message<'a> {
    /// Reads the body of a message of type `tag`; `None` for a type that is not a client's.
    ///
    /// # Errors
    /// [`Malformed`]: the body is not what the type says.
    pub fn parse(tag: u8, body: &'a [u8]) -> Result<Option<Self>, Malformed> {
        let empty = |message| Reader::new(body).end().map(|()| message);
        let message = match tag {
            b'Q' => Query::parse(body).map(Self::Query),
            b'P' => Parse::read(body).map(Self::Parse),
            b'B' => Bind::parse(body).map(Self::Bind),
            b'D' => Target::parse(body).map(Self::Describe),
            b'E' => Execute::parse(body).map(Self::Execute),
            b'C' => Target::parse(body).map(Self::Close),
            b'S' => empty(Self::Sync),
            b'H' => empty(Self::Flush),
            b'X' => empty(Self::Terminate),
            b'd' => Ok(Self::CopyData(body)),
            b'c' => empty(Self::CopyDone),
            b'f' => whole_text(body).map(Self::CopyFail),
            b'F' => Ok(Self::FunctionCall),
            _ => return Ok(None),
        };
        message.map(Some)
    }
}

/// A body that is one NUL-ended string.
fn whole_text(body: &[u8]) -> Result<&[u8], Malformed> {
    let mut reader = Reader::new(body);
    let text = reader.cstr()?;
    reader.end()?;
    Ok(text)
}

/// A simple query.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Query<'a> {
    /// One or more statements, or none.
    pub text: &'a [u8],
}

impl<'a> Query<'a> {
    /// Reads the body.
    ///
    /// # Errors
    /// [`Malformed`].
    pub fn parse(body: &'a [u8]) -> Result<Self, Malformed> {
        whole_text(body).map(|text| Self { text })
    }
}

/// Prepares a statement.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Parse<'a> {
    /// Name of the statement; empty is the unnamed one.
    pub name: &'a [u8],
    /// One statement, or none.
    pub query: &'a [u8],
    types: &'a [u8],
}

impl<'a> Parse<'a> {
    /// Reads the body.
    ///
    /// # Errors
    /// [`Malformed`].
    pub fn read(body: &'a [u8]) -> Result<Self, Malformed> {
        let mut reader = Reader::new(body);
        let (name, query) = (reader.cstr()?, reader.cstr()?);
        let count = usize::from(reader.u16()?);
        let types = reader.take(count.saturating_mul(4))?;
        reader.end()?;
        Ok(Self { name, query, types })
    }

    /// Type OIDs of the first parameters; 0 leaves one to the server.
    pub fn types(&self) -> impl ExactSizeIterator<Item = u32> + use<'a> {
        self.types
            .as_chunks::<4>()
            .0
            .iter()
            .map(|word| u32::from_be_bytes(*word))
    }
}

/// A statement or portal, by name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Target<'a> {
    /// A prepared statement.
    Statement(&'a [u8]),
    /// A portal.
    Portal(&'a [u8]),
}

impl<'a> Target<'a> {
    /// Reads the body of Describe or Close.
    ///
    /// # Errors
    /// [`Malformed`].
    pub fn parse(body: &'a [u8]) -> Result<Self, Malformed> {
        let mut reader = Reader::new(body);
        let kind = reader.u8()?;
        let name = reader.cstr()?;
        reader.end()?;
        match kind {
            b'S' => Ok(Self::Statement(name)),
            b'P' => Ok(Self::Portal(name)),
            _ => Err(Malformed::Value("kind of object")),
        }
    }
}

/// Runs a portal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Execute<'a> {
    /// Name of the portal; empty is the unnamed one.
    pub portal: &'a [u8],
    /// At most so many rows; `None` is all (0, and what PostgreSQL takes for it: below 0).
    pub rows_max: Option<u32>,
}

impl<'a> Execute<'a> {
    /// Reads the body.
    ///
    /// # Errors
    /// [`Malformed`].
    pub fn parse(body: &'a [u8]) -> Result<Self, Malformed> {
        let mut reader = Reader::new(body);
        let portal = reader.cstr()?;
        let rows_max = u32::try_from(reader.i32()?).ok().filter(|rows| *rows > 0);
        reader.end()?;
        Ok(Self { portal, rows_max })
    }
}

/// A SASLInitialResponse: the answer to the offer of mechanisms.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct SaslInitial<'a> {
    /// The mechanism chosen.
    pub mechanism: &'a str,
    /// Its first message, if it has one.
    pub data: Option<&'a [u8]>,
}

impl<'a> SaslInitial<'a> {
    /// Reads the body.
    ///
    /// # Errors
    /// [`Malformed`].
    pub fn parse(body: &'a [u8]) -> Result<Self, Malformed> {
        let mut reader = Reader::new(body);
        let mechanism = reader.text()?;
        let data = reader.nullable("length of SASL data")?;
        reader.end()?;
        Ok(Self { mechanism, data })
    }
}

impl std::fmt::Debug for SaslInitial<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("SaslInitial")
            .field("mechanism", &self.mechanism)
            .finish_non_exhaustive()
    }
}

/// Appends a simple query.
///
/// # Errors
/// [`Unencodable`].
pub fn query(out: &mut BytesMut, text: &[u8]) -> Result<(), Unencodable> {
    write::message(out, b'Q', |out| write::cstr(out, "query", text))
}

/// Appends the empty simple query: what stands upstream for a refused one (see [`crate::reply`]).
pub fn empty_query(out: &mut BytesMut) {
    write::small(out, b'Q', &[0]);
}

/// Appends a Parse.
///
/// # Errors
/// [`Unencodable`].
pub fn parse(out: &mut BytesMut, name: &[u8], text: &[u8], types: &[u32]) -> Result<(), Unencodable> {
    write::message(out, b'P', |out| {
        write::cstr(out, "statement name", name)?;
        write::cstr(out, "query", text)?;
        write::count(out, "types", types.len())?;
        types.iter().for_each(|oid| out.put_u32(*oid));
        Ok(())
    })
}

/// Appends a Describe of a portal.
///
/// # Errors
/// [`Unencodable`].
pub fn describe_portal(out: &mut BytesMut, name: &[u8]) -> Result<(), Unencodable> {
    write::message(out, b'D', |out| {
        out.put_u8(b'P');
        write::cstr(out, "portal name", name)
    })
}

/// Appends a Sync.
pub fn sync(out: &mut BytesMut) {
    write::small(out, b'S', &[]);
}

/// Appends a Flush.
pub fn flush(out: &mut BytesMut) {
    write::small(out, b'H', &[]);
}

/// Appends a Terminate.
pub fn terminate(out: &mut BytesMut) {
    write::small(out, b'X', &[]);
}

/// Appends a CopyFail.
///
/// # Errors
/// [`Unencodable`].
pub fn copy_fail(out: &mut BytesMut, why: &str) -> Result<(), Unencodable> {
    write::message(out, b'f', |out| write::cstr(out, "reason", why.as_bytes()))
}

/// Appends a SASLInitialResponse.
///
/// # Errors
/// [`Unencodable`].
pub fn sasl_initial(out: &mut BytesMut, mechanism: &str, data: &[u8]) -> Result<(), Unencodable> {
    write::message(out, b'p', |out| {
        write::cstr(out, "mechanism", mechanism.as_bytes())?;
        out.put_i32(i32::try_from(data.len()).map_err(|_| Unencodable::TooLong("SASL data"))?);
        out.put_slice(data);
        Ok(())
    })
}

/// Appends a SASLResponse.
///
/// # Errors
/// [`Unencodable`].
pub fn sasl_response(out: &mut BytesMut, data: &[u8]) -> Result<(), Unencodable> {
    write::message(out, b'p', |out| {
        out.put_slice(data);
        Ok(())
    })
}
