//! Messages of the server: encoders for what the gateway says to clients, parsers for what it reads from PostgreSQL.
//!
//! Source: PostgreSQL documentation, "Message Formats" and "Error and Notice Message Fields".

use bytes::{BufMut, BytesMut};

use crate::read::Reader;
use crate::startup::CancelKey;
use crate::{Malformed, Unencodable, write};

pub mod fields;
pub mod rows;
#[cfg(test)]
mod tests;

pub use fields::{Fields, FieldsRef, Severity, Sqlstate};
pub use rows::{Column, DataRow, RowDescription};

const AUTH_OK: u32 = 0;
const AUTH_CLEARTEXT: u32 = 3;
const AUTH_MD5: u32 = 5;
const AUTH_SASL: u32 = 10;
const AUTH_SASL_CONTINUE: u32 = 11;
const AUTH_SASL_FINAL: u32 = 12;

/// What a server says while a client logs in to it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Authentication<'a> {
    /// Logged in.
    Ok,
    /// Asks for the password itself.
    Cleartext,
    /// Asks for an MD5 of the password and this salt.
    Md5([u8; 4]),
    /// Offers SASL mechanisms.
    Sasl(Mechanisms<'a>),
    /// A SASL challenge.
    SaslContinue(&'a [u8]),
    /// The last SASL message.
    SaslFinal(&'a [u8]),
    /// Any other way, by its number.
    Other(u32),
}

impl<'a> Authentication<'a> {
    /// Reads the body of a message of type `R`.
    ///
    /// # Errors
    /// [`Malformed`].
    pub fn parse(body: &'a [u8]) -> Result<Self, Malformed> {
        let mut reader = Reader::new(body);
        let kind = reader.u32()?;
        let rest = reader.rest();
        match kind {
            AUTH_OK => reader.end().map(|()| Self::Ok),
            AUTH_CLEARTEXT => reader.end().map(|()| Self::Cleartext),
            AUTH_MD5 => <[u8; 4]>::try_from(rest)
                .map(Self::Md5)
                .map_err(|_| Malformed::Value("salt")),
            AUTH_SASL => Mechanisms::parse(reader).map(Self::Sasl),
            AUTH_SASL_CONTINUE => Ok(Self::SaslContinue(rest)),
            AUTH_SASL_FINAL => Ok(Self::SaslFinal(rest)),
            other => Ok(Self::Other(other)),
        }
    }
}

/// Names of SASL mechanisms, in the server's order of preference.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Mechanisms<'a>(&'a [u8]);

impl<'a> Mechanisms<'a> {
    fn parse(mut reader: Reader<'a>) -> Result<Self, Malformed> {
        let names = reader.rest();
        while !reader.text()?.is_empty() {}
        reader.end()?;
        Ok(Self(names))
    }

    /// The names.
    pub fn iter(&self) -> impl Iterator<Item = &'a str> + use<'a> {
        let mut reader = Reader::new(self.0);
        std::iter::from_fn(move || reader.text().ok().filter(|name| !name.is_empty()))
    }
}

/// State of the session's transaction, as ReadyForQuery says it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Status {
    /// Not in a transaction block.
    Idle,
    /// In a transaction block.
    InTransaction,
    /// In a transaction block that has failed.
    Failed,
}

impl Status {
    /// Reads the body of ReadyForQuery.
    ///
    /// # Errors
    /// [`Malformed`].
    pub fn parse(body: &[u8]) -> Result<Self, Malformed> {
        match body {
            b"I" => Ok(Self::Idle),
            b"T" => Ok(Self::InTransaction),
            b"E" => Ok(Self::Failed),
            _ => Err(Malformed::Value("transaction status")),
        }
    }
}

/// A setting that the server reports.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ParameterStatus<'a> {
    /// Name of the setting.
    pub name: &'a str,
    /// Its value.
    pub value: &'a str,
}

impl<'a> ParameterStatus<'a> {
    /// Reads the body.
    ///
    /// # Errors
    /// [`Malformed`].
    pub fn parse(body: &'a [u8]) -> Result<Self, Malformed> {
        let mut reader = Reader::new(body);
        let status = Self {
            name: reader.text()?,
            value: reader.text()?,
        };
        reader.end()?;
        Ok(status)
    }
}

/// Reads the body of BackendKeyData.
///
/// # Errors
/// [`Malformed`], also for a secret of less than 4 or more than 256 bytes.
pub fn parse_key_data(body: &[u8]) -> Result<CancelKey, Malformed> {
    let mut reader = Reader::new(body);
    let pid = reader.u32()?;
    CancelKey::new(pid, reader.rest()).ok_or(Malformed::Value("cancel key"))
}

/// The tag of CommandComplete, such as `SELECT 17`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CommandTag<'a>(&'a str);

impl<'a> CommandTag<'a> {
    /// Reads the body of CommandComplete.
    ///
    /// # Errors
    /// [`Malformed`].
    pub fn parse(body: &'a [u8]) -> Result<Self, Malformed> {
        let mut reader = Reader::new(body);
        let tag = reader.text()?;
        reader.end()?;
        Ok(Self(tag))
    }

    /// The whole tag.
    #[must_use]
    pub fn as_str(&self) -> &'a str {
        self.0
    }

    /// The number of rows, if the tag ends in one.
    #[must_use]
    pub fn rows(&self) -> Option<u64> {
        self.0.rsplit_once(' ').and_then(|(_, count)| count.parse().ok())
    }
}

fn authentication(
    out: &mut BytesMut,
    kind: u32,
    fill: impl FnOnce(&mut BytesMut) -> Result<(), Unencodable>,
) -> Result<(), Unencodable> {
    write::message(out, b'R', |out| {
        out.put_u32(kind);
        fill(out)
    })
}

/// Appends AuthenticationOk.
pub fn authentication_ok(out: &mut BytesMut) {
    write::small(out, b'R', &AUTH_OK.to_be_bytes());
}

/// Appends AuthenticationSASL: the offer of mechanisms, most wanted first.
///
/// # Errors
/// [`Unencodable`].
pub fn authentication_sasl(out: &mut BytesMut, mechanisms: &[&str]) -> Result<(), Unencodable> {
    authentication(out, AUTH_SASL, |out| {
        for name in mechanisms {
            if name.is_empty() {
                return Err(Unencodable::Empty("mechanism"));
            }
            write::cstr(out, "mechanism", name.as_bytes())?;
        }
        out.put_u8(0);
        Ok(())
    })
}

/// Appends AuthenticationSASLContinue.
///
/// # Errors
/// [`Unencodable::TooLong`].
pub fn authentication_sasl_continue(out: &mut BytesMut, data: &[u8]) -> Result<(), Unencodable> {
    authentication(out, AUTH_SASL_CONTINUE, |out| {
        out.put_slice(data);
        Ok(())
    })
}

/// Appends AuthenticationSASLFinal.
///
/// # Errors
/// [`Unencodable::TooLong`].
pub fn authentication_sasl_final(out: &mut BytesMut, data: &[u8]) -> Result<(), Unencodable> {
    authentication(out, AUTH_SASL_FINAL, |out| {
        out.put_slice(data);
        Ok(())
    })
}

/// Appends ParameterStatus.
///
/// # Errors
/// [`Unencodable`].
pub fn parameter_status(out: &mut BytesMut, name: &str, value: &str) -> Result<(), Unencodable> {
    write::message(out, b'S', |out| {
        write::cstr(out, "setting", name.as_bytes())?;
        write::cstr(out, "value", value.as_bytes())
    })
}

/// Appends BackendKeyData.
pub fn key_data(out: &mut BytesMut, key: &CancelKey) {
    // At most 256 bytes by construction.
    let secret = u32::try_from(key.secret().len()).unwrap_or_default();
    out.put_u8(b'K');
    out.put_u32(secret.saturating_add(8));
    out.put_u32(key.pid);
    out.put_slice(key.secret());
}

/// Appends ReadyForQuery.
pub fn ready(out: &mut BytesMut, status: Status) {
    let byte = match status {
        Status::Idle => b'I',
        Status::InTransaction => b'T',
        Status::Failed => b'E',
    };
    write::small(out, b'Z', &[byte]);
}
