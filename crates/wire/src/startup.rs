//! The first packet of a connection: TLS and GSSAPI requests, cancel requests, and the start-up message with its parameters.
//!
//! Source: PostgreSQL documentation, "Message Formats" (StartupMessage, SSLRequest, GSSENCRequest, CancelRequest,
//! NegotiateProtocolVersion); the limits are those of `ProcessStartupPacket`.

use bytes::{BufMut, BytesMut};
use thiserror::Error;
use zeroize::{Zeroize, ZeroizeOnDrop};

use crate::read::Reader;
use crate::{Malformed, Unencodable, write};

pub mod options;
#[cfg(test)]
mod tests;

/// Longest start-up packet, without its length word (PostgreSQL's MAX_STARTUP_PACKET_LENGTH).
pub const PACKET_BYTES_MAX: usize = 10_000;

/// Shortest and longest secret of a cancel request: 4 bytes in protocol 3.0, up to 256 from 3.2 on.
pub const CANCEL_KEY_BYTES: std::ops::RangeInclusive<usize> = 4..=256;

/// First byte of a TLS handshake record: the client begins TLS without asking (PostgreSQL 17, `sslnegotiation=direct`).
pub const TLS_HANDSHAKE: u8 = 0x16;

/// ALPN name that both sides use.
pub const ALPN: &[u8] = b"postgresql";

/// Prefix of start-up parameters that name protocol extensions instead of settings.
pub const EXTENSION_PREFIX: &str = "_pq_.";

const REQUEST_MAJOR: u16 = 1234;
const CANCEL_MINOR: u16 = 5678;
const SSL_MINOR: u16 = 5679;
const GSS_MINOR: u16 = 5680;
const LENGTH_BYTES: usize = 4;

/// Number of the protocol's version.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Version {
    /// 3.
    pub major: u16,
    /// 0, or 2 from PostgreSQL 18 on; a client may state any.
    pub minor: u16,
}

impl Version {
    /// What all servers and clients speak.
    pub const V3_0: Self = Self { major: 3, minor: 0 };
    /// Longer cancel keys.
    pub const V3_2: Self = Self { major: 3, minor: 2 };
}

/// What a connection begins with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Packet {
    /// Asks whether TLS is spoken: the answer is one byte, `S` or `N`.
    SslRequest,
    /// Asks whether GSSAPI encryption is spoken: the answer is one byte, `G` or `N`.
    GssEncRequest,
    /// Asks that a statement of another session be cancelled. There is no answer.
    Cancel(CancelKey),
    /// Begins a session.
    Start(Start),
}

/// What a client must know to cancel: the number and the secret of a BackendKeyData message.
#[derive(Clone, PartialEq, Eq, Zeroize, ZeroizeOnDrop)]
pub struct CancelKey {
    /// Number of the session, not a secret.
    pub pid: u32,
    /// 4 to 256 bytes. Compare with [`CancelKey::matches`].
    secret: Vec<u8>,
}

impl CancelKey {
    /// A key of 4 to 256 bytes; `None` for another length.
    #[must_use]
    pub fn new(pid: u32, secret: &[u8]) -> Option<Self> {
        CANCEL_KEY_BYTES.contains(&secret.len()).then(|| Self {
            pid,
            secret: secret.to_vec(),
        })
    }

    /// The secret bytes.
    #[must_use]
    pub fn secret(&self) -> &[u8] {
        &self.secret
    }

    /// Whether both are the same key, in a time that does not depend on where they differ.
    #[must_use]
    pub fn matches(&self, other: &Self) -> bool {
        use subtle::ConstantTimeEq;
        self.pid == other.pid && bool::from(self.secret.ct_eq(&other.secret))
    }
}

impl std::fmt::Debug for CancelKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("CancelKey")
            .field("pid", &self.pid)
            .field("bytes", &self.secret.len())
            .finish()
    }
}

/// A start-up message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Start {
    /// The version that the client speaks at most.
    pub version: Version,
    /// Names and values in the order sent; no name twice, none empty.
    pub params: Vec<(String, String)>,
}

impl Start {
    /// The value of a parameter.
    #[must_use]
    pub fn param(&self, name: &str) -> Option<&str> {
        self.params
            .iter()
            .find(|(known, _)| known == name)
            .map(|(_, value)| value.as_str())
    }

    /// What must be answered by NegotiateProtocolVersion, if anything, when the newest minor version spoken here is
    /// `newest` and no protocol extension is known.
    #[must_use]
    pub fn negotiate(&self, newest: u16) -> Option<Negotiation> {
        let unrecognised: Vec<String> = self
            .params
            .iter()
            .filter(|(name, _)| name.starts_with(EXTENSION_PREFIX))
            .map(|(name, _)| name.clone())
            .collect();
        (self.version.minor > newest || !unrecognised.is_empty()).then(|| Negotiation {
            minor: self.version.minor.min(newest),
            unrecognised,
        })
    }
}

/// A NegotiateProtocolVersion message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Negotiation {
    /// Newest minor version that the server speaks of what the client asked for.
    pub minor: u16,
    /// `_pq_.` names that the server does not know.
    pub unrecognised: Vec<String>,
}

impl Negotiation {
    /// Appends the message.
    ///
    /// # Errors
    /// [`Unencodable`] for a name with a zero byte in it (none that was parsed has).
    pub fn encode(&self, out: &mut BytesMut) -> Result<(), Unencodable> {
        write::message(out, b'v', |out| {
            out.put_u16(Version::V3_0.major);
            out.put_u16(self.minor);
            out.put_u32(u32::try_from(self.unrecognised.len()).map_err(|_| Unencodable::TooLong("options"))?);
            self.unrecognised
                .iter()
                .try_for_each(|name| write::cstr(out, "option", name.as_bytes()))
        })
    }

    /// Reads the body of the message.
    ///
    /// # Errors
    /// [`Malformed`].
    pub fn parse(body: &[u8]) -> Result<Self, Malformed> {
        let mut reader = Reader::new(body);
        if reader.u16()? != Version::V3_0.major {
            return Err(Malformed::Value("version"));
        }
        let minor = reader.u16()?;
        let count = reader.u32()?;
        let mut unrecognised = Vec::new();
        for _ in 0..count {
            unrecognised.push(reader.text()?.to_owned());
        }
        reader.end()?;
        Ok(Self { minor, unrecognised })
    }
}

/// Why a connection ends before it began; what the client is told is 08P01, or 0A000 for [`StartupError::Version`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum StartupError {
    /// The length word is impossible.
    #[error("start-up packet states a length of {0}, it must be 8 to {max}", max = PACKET_BYTES_MAX + LENGTH_BYTES)]
    Length(u32),
    /// Not protocol 3.
    #[error("unsupported frontend protocol {major}.{minor}: this server supports 3.0 to 3.2", major = .0.major, minor = .0.minor)]
    Version(Version),
    /// A cancel key of an impossible length.
    #[error("cancel key has {0} bytes, it must have 4 to 256")]
    CancelKey(usize),
    /// A parameter's name stands twice.
    #[error("start-up parameter is given twice")]
    Twice,
    /// A parameter's name is empty before the end of the packet, or the end is missing.
    #[error("start-up packet does not end after its last parameter")]
    Layout,
    /// Anything else about its bytes.
    #[error("start-up packet cannot be read")]
    Malformed(#[from] Malformed),
}

/// Reads the first packet from what has arrived: the packet and its size in bytes, or `None` if more must come. A client
/// has nothing to say behind an [`Packet::SslRequest`] before its answer: bytes behind it must not be taken for part of the
/// encrypted session (CVE-2021-23214).
///
/// # Errors
/// [`StartupError`], as soon as the length word is there if that is what is wrong.
pub fn parse(arrived: &[u8]) -> Result<Option<(Packet, usize)>, StartupError> {
    let Some((word, _)) = arrived.split_first_chunk::<LENGTH_BYTES>() else {
        return Ok(None);
    };
    let stated = u32::from_be_bytes(*word);
    let len = usize::try_from(stated).unwrap_or(usize::MAX);
    if !(2 * LENGTH_BYTES..=PACKET_BYTES_MAX + LENGTH_BYTES).contains(&len) {
        return Err(StartupError::Length(stated));
    }
    let Some(body) = arrived.get(LENGTH_BYTES..len) else {
        return Ok(None);
    };
    packet(body).map(|packet| Some((packet, len)))
}

fn packet(body: &[u8]) -> Result<Packet, StartupError> {
    let mut reader = Reader::new(body);
    let version = Version {
        major: reader.u16()?,
        minor: reader.u16()?,
    };
    match (version.major, version.minor) {
        (REQUEST_MAJOR, SSL_MINOR) => Ok(reader.end().map(|()| Packet::SslRequest)?),
        (REQUEST_MAJOR, GSS_MINOR) => Ok(reader.end().map(|()| Packet::GssEncRequest)?),
        (REQUEST_MAJOR, CANCEL_MINOR) => {
            let pid = reader.u32()?;
            let secret = reader.rest();
            CancelKey::new(pid, secret)
                .map(Packet::Cancel)
                .ok_or(StartupError::CancelKey(secret.len()))
        }
        (3, _) => Ok(Packet::Start(Start {
            version,
            params: params(reader)?,
        })),
        _ => Err(StartupError::Version(version)),
    }
}

fn params(mut reader: Reader<'_>) -> Result<Vec<(String, String)>, StartupError> {
    let mut params: Vec<(String, String)> = Vec::new();
    loop {
        let name = reader.text()?;
        if name.is_empty() {
            return if reader.is_empty() {
                no_name_twice(params)
            } else {
                Err(StartupError::Layout)
            };
        }
        params.push((name.to_owned(), reader.text()?.to_owned()));
        if reader.is_empty() {
            return Err(StartupError::Layout);
        }
    }
}

/// Which of two values counts differs between servers, so neither is taken.
fn no_name_twice(params: Vec<(String, String)>) -> Result<Vec<(String, String)>, StartupError> {
    let mut names: Vec<&str> = params.iter().map(|(name, _)| name.as_str()).collect();
    names.sort_unstable();
    if names.windows(2).any(|pair| pair.first() == pair.last()) {
        return Err(StartupError::Twice);
    }
    Ok(params)
}

/// Appends a StartupMessage.
///
/// # Errors
/// [`Unencodable`] for an empty name, a zero byte in a name or value, or more than [`PACKET_BYTES_MAX`] bytes.
pub fn encode<'p>(
    out: &mut BytesMut,
    version: Version,
    params: impl IntoIterator<Item = (&'p str, &'p str)>,
) -> Result<(), Unencodable> {
    write::untagged(out, |out| {
        let start = out.len();
        out.put_u16(version.major);
        out.put_u16(version.minor);
        for (name, value) in params {
            if name.is_empty() {
                return Err(Unencodable::Empty("parameter name"));
            }
            write::cstr(out, "parameter name", name.as_bytes())?;
            write::cstr(out, "parameter value", value.as_bytes())?;
        }
        out.put_u8(0);
        if out.len().saturating_sub(start) > PACKET_BYTES_MAX {
            return Err(Unencodable::TooLong("start-up message"));
        }
        Ok(())
    })
}

/// Appends an SSLRequest.
pub fn encode_ssl_request(out: &mut BytesMut) {
    out.put_u32(8);
    out.put_u16(REQUEST_MAJOR);
    out.put_u16(SSL_MINOR);
}

/// Appends a CancelRequest.
pub fn encode_cancel(out: &mut BytesMut, key: &CancelKey) {
    // At most 256 bytes by construction.
    let length = u32::try_from(key.secret.len()).unwrap_or(0).saturating_add(12);
    out.put_u32(length);
    out.put_u16(REQUEST_MAJOR);
    out.put_u16(CANCEL_MINOR);
    out.put_u32(key.pid);
    out.put_slice(&key.secret);
}
