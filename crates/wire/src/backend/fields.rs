//! ErrorResponse and NoticeResponse: fields of one letter and a text each.
//!
//! Source: PostgreSQL documentation, "Error and Notice Message Fields", and Appendix A for the codes.

use bytes::{BufMut, BytesMut};

use crate::read::Reader;
use crate::{Malformed, write};

/// A five-character error code.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Sqlstate([u8; 5]);

impl Sqlstate {
    /// `protocol_violation`
    pub const PROTOCOL_VIOLATION: Self = Self(*b"08P01");
    /// `feature_not_supported`
    pub const NOT_SUPPORTED: Self = Self(*b"0A000");
    /// `character_not_in_repertoire`
    pub const NOT_IN_REPERTOIRE: Self = Self(*b"22021");
    /// `invalid_parameter_value`
    pub const INVALID_VALUE: Self = Self(*b"22023");
    /// `invalid_authorization_specification`
    pub const INVALID_AUTHORIZATION: Self = Self(*b"28000");
    /// `invalid_password`
    pub const INVALID_PASSWORD: Self = Self(*b"28P01");
    /// `insufficient_privilege`
    pub const INSUFFICIENT_PRIVILEGE: Self = Self(*b"42501");
    /// `syntax_error`
    pub const SYNTAX_ERROR: Self = Self(*b"42601");
    /// `out_of_memory`
    pub const OUT_OF_MEMORY: Self = Self(*b"53200");
    /// `too_many_connections`
    pub const TOO_MANY_CONNECTIONS: Self = Self(*b"53300");
    /// `configuration_limit_exceeded`
    pub const LIMIT_EXCEEDED: Self = Self(*b"53400");
    /// `program_limit_exceeded`
    pub const PROGRAM_LIMIT: Self = Self(*b"54000");
    /// `statement_too_complex`
    pub const TOO_COMPLEX: Self = Self(*b"54001");
    /// `query_canceled`
    pub const QUERY_CANCELED: Self = Self(*b"57014");
    /// `admin_shutdown`
    pub const ADMIN_SHUTDOWN: Self = Self(*b"57P01");
    /// `cannot_connect_now`
    pub const CANNOT_CONNECT: Self = Self(*b"57P03");
    /// `system_error`'s sibling `io_error`
    pub const IO_ERROR: Self = Self(*b"58030");
    /// `internal_error`
    pub const INTERNAL: Self = Self(*b"XX000");

    /// Five digits or upper-case ASCII letters; `None` for anything else.
    #[must_use]
    pub fn new(code: &[u8]) -> Option<Self> {
        let code = <[u8; 5]>::try_from(code).ok()?;
        code.iter()
            .all(|byte| byte.is_ascii_digit() || byte.is_ascii_uppercase())
            .then_some(Self(code))
    }

    /// The code as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        std::str::from_utf8(&self.0).unwrap_or("XX000")
    }

    /// The first two characters: what kind of error it is.
    #[must_use]
    pub fn class(&self) -> [u8; 2] {
        let [a, b, ..] = self.0;
        [a, b]
    }
}

impl std::fmt::Display for Sqlstate {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.as_str())
    }
}

impl std::fmt::Debug for Sqlstate {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.as_str())
    }
}

/// How bad it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Severity {
    /// The statement failed.
    Error,
    /// The session ends.
    Fatal,
    /// All sessions end.
    Panic,
    /// A warning.
    Warning,
    /// A notice.
    Notice,
    /// For developers.
    Debug,
    /// Asked for by the client.
    Info,
    /// For the server's log.
    Log,
}

impl Severity {
    /// The word of field `V`.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Error => "ERROR",
            Self::Fatal => "FATAL",
            Self::Panic => "PANIC",
            Self::Warning => "WARNING",
            Self::Notice => "NOTICE",
            Self::Debug => "DEBUG",
            Self::Info => "INFO",
            Self::Log => "LOG",
        }
    }

    /// Reads field `V`; the levels of DEBUG are one.
    #[must_use]
    pub fn parse(word: &[u8]) -> Option<Self> {
        Some(match word {
            b"ERROR" => Self::Error,
            b"FATAL" => Self::Fatal,
            b"PANIC" => Self::Panic,
            b"WARNING" => Self::Warning,
            b"NOTICE" => Self::Notice,
            b"INFO" => Self::Info,
            b"LOG" => Self::Log,
            word if word.starts_with(b"DEBUG") => Self::Debug,
            _ => return None,
        })
    }
}

/// Names of the fields.
pub mod field {
    /// Severity, in the server's language.
    pub const SEVERITY_LOCAL: u8 = b'S';
    /// Severity, never translated.
    pub const SEVERITY: u8 = b'V';
    /// Error code.
    pub const SQLSTATE: u8 = b'C';
    /// The text for people.
    pub const MESSAGE: u8 = b'M';
    /// More about it.
    pub const DETAIL: u8 = b'D';
    /// What to do.
    pub const HINT: u8 = b'H';
    /// Place in the text of the statement, in characters from 1.
    pub const POSITION: u8 = b'P';
}

/// The fields as received, borrowed: for a look at a message that is relayed as it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FieldsRef<'a>(&'a [u8]);

impl<'a> FieldsRef<'a> {
    /// Reads the body of ErrorResponse or NoticeResponse.
    ///
    /// # Errors
    /// [`Malformed`].
    pub fn parse(body: &'a [u8]) -> Result<Self, Malformed> {
        let mut reader = Reader::new(body);
        while reader.u8()? != 0 {
            reader.cstr()?;
        }
        reader.end()?;
        Ok(Self(body))
    }

    /// Letters and texts in order.
    pub fn iter(&self) -> impl Iterator<Item = (u8, &'a [u8])> + use<'a> {
        let mut reader = Reader::new(self.0);
        std::iter::from_fn(move || {
            let code = reader.u8().ok().filter(|code| *code != 0)?;
            Some((code, reader.cstr().ok()?))
        })
    }

    /// The first field of this letter.
    #[must_use]
    pub fn find(&self, code: u8) -> Option<&'a [u8]> {
        self.iter()
            .find(|(known, _)| *known == code)
            .map(|(_, text)| text)
    }

    /// The severity: field `V`, and on servers that do not send one, `S`.
    #[must_use]
    pub fn severity(&self) -> Option<Severity> {
        self.find(field::SEVERITY)
            .or_else(|| self.find(field::SEVERITY_LOCAL))
            .and_then(Severity::parse)
    }

    /// The error code.
    #[must_use]
    pub fn sqlstate(&self) -> Option<Sqlstate> {
        self.find(field::SQLSTATE).and_then(Sqlstate::new)
    }
}

/// Fields to be sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fields(Vec<(u8, Vec<u8>)>);

impl Fields {
    /// Severity, code and message: what every error must have.
    #[must_use]
    pub fn new(severity: Severity, sqlstate: Sqlstate, message: &str) -> Self {
        let mut fields = Self(Vec::with_capacity(5));
        fields.set(field::SEVERITY_LOCAL, severity.as_str().as_bytes());
        fields.set(field::SEVERITY, severity.as_str().as_bytes());
        fields.set(field::SQLSTATE, &sqlstate.0);
        fields.set(field::MESSAGE, message.as_bytes());
        fields
    }

    /// With more about it.
    #[must_use]
    pub fn detail(mut self, text: &str) -> Self {
        self.set(field::DETAIL, text.as_bytes());
        self
    }

    /// With what to do.
    #[must_use]
    pub fn hint(mut self, text: &str) -> Self {
        self.set(field::HINT, text.as_bytes());
        self
    }

    /// Sets a field. What the protocol cannot say is changed, because an error must always be sayable: zero bytes become
    /// spaces, and a field named 0 is left out.
    pub fn set(&mut self, code: u8, text: &[u8]) {
        let text: Vec<u8> = text
            .iter()
            .map(|byte| if *byte == 0 { b' ' } else { *byte })
            .collect();
        match self.0.iter_mut().find(|(known, _)| *known == code) {
            Some((_, old)) => *old = text,
            None if code != 0 => self.0.push((code, text)),
            None => {}
        }
    }

    /// Keeps only the fields whose letter and text `keep` wants.
    pub fn retain(&mut self, mut keep: impl FnMut(u8, &[u8]) -> bool) {
        self.0.retain(|(code, text)| keep(*code, text));
    }

    /// The field of this letter.
    #[must_use]
    pub fn find(&self, code: u8) -> Option<&[u8]> {
        self.0
            .iter()
            .find(|(known, _)| *known == code)
            .map(|(_, text)| text.as_slice())
    }

    /// The message.
    #[must_use]
    pub fn message(&self) -> String {
        String::from_utf8_lossy(self.find(field::MESSAGE).unwrap_or_default()).into_owned()
    }

    /// The error code.
    #[must_use]
    pub fn sqlstate(&self) -> Option<Sqlstate> {
        self.find(field::SQLSTATE).and_then(Sqlstate::new)
    }

    /// Appends an ErrorResponse.
    pub fn encode_error(&self, out: &mut BytesMut) {
        self.encode(out, b'E');
    }

    /// Appends a NoticeResponse.
    pub fn encode_notice(&self, out: &mut BytesMut) {
        self.encode(out, b'N');
    }

    fn encode(&self, out: &mut BytesMut, tag: u8) {
        let written = write::message(out, tag, |out| {
            for (code, text) in &self.0 {
                out.put_u8(*code);
                write::cstr(out, "error field", text)?;
            }
            out.put_u8(0);
            Ok(())
        });
        // `set` lets no zero byte in, so only fields of 2 GiB could fail; then nothing is written, and nothing can be.
        debug_assert!(written.is_ok());
    }
}

impl From<FieldsRef<'_>> for Fields {
    fn from(received: FieldsRef<'_>) -> Self {
        Self(
            received
                .iter()
                .map(|(code, text)| (code, text.to_vec()))
                .collect(),
        )
    }
}
