//! SCRAM-SHA-256 and SCRAM-SHA-256-PLUS, both sides, as PostgreSQL speaks them.
//!
//! Source: RFC 5802 (the exchange), RFC 7677 (SHA-256), RFC 5929 (tls-server-end-point), and `auth-scram.c` for what
//! PostgreSQL does differently: the user name within the exchange is ignored, and a password that SASLprep refuses is taken
//! as it is. Each state is consumed by the next message, so none can be replayed into it. Randomness is handed in.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, Mac as _};
use sha2::{Digest as _, Sha256};
use thiserror::Error;
use zeroize::{Zeroize, ZeroizeOnDrop, Zeroizing};

pub mod client;
mod message;
pub mod server;
#[cfg(test)]
mod tests;
pub mod verifier;

pub use verifier::{Mock, Verifier, VerifierError};

/// The mechanism without channel binding.
pub const SCRAM_SHA_256: &str = "SCRAM-SHA-256";

/// The mechanism with channel binding.
pub const SCRAM_SHA_256_PLUS: &str = "SCRAM-SHA-256-PLUS";

/// Fewest iterations that are taken: RFC 7677's minimum and PostgreSQL's default.
pub const ITERATIONS_MIN: u32 = 4096;

/// Most iterations that are taken: a third of a second of work. Whoever names the number could otherwise ask for hours.
pub const ITERATIONS_MAX: u32 = 1_000_000;

/// Longest SCRAM message that is read (PostgreSQL's PG_MAX_SASL_MESSAGE_LENGTH).
pub const MESSAGE_BYTES_MAX: usize = 1024;

/// Random bytes in a nonce, as in PostgreSQL: 144 bits.
pub const NONCE_BYTES: usize = 18;

/// Bytes of a key.
const KEY_BYTES: usize = 32;

/// A key or a digest of one.
type Key = Zeroizing<[u8; KEY_BYTES]>;

/// Why an exchange fails. What a client is told must be the same for [`ScramError::Rejected`] in all its causes.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum ScramError {
    /// The other side's message is not of the form that the RFC gives it.
    #[error("malformed SCRAM message: {0}")]
    Malformed(&'static str),
    /// The client chose a mechanism that was not offered.
    #[error("client selected an invalid SASL authentication mechanism")]
    Mechanism,
    /// Channel binding does not fit: asked for where it cannot be, missing where it must be, or for another certificate. The
    /// last means that someone stands between.
    #[error("SCRAM channel binding negotiation error: {0}")]
    Binding(&'static str),
    /// Wrong password, or no such user.
    #[error("password authentication failed")]
    Rejected,
    /// The server did not prove that it knows the verifier.
    #[error("server does not know the password's verifier")]
    ServerUnproved,
    /// The server ended the exchange with an error of its own.
    #[error("server ended the SCRAM exchange with an error")]
    ServerRefused,
    /// The server's number of iterations is outside of what is taken.
    #[error("server asks for {0} iterations, {ITERATIONS_MIN} to {ITERATIONS_MAX} are taken")]
    Iterations(u32),
}

/// The tls-server-end-point of a connection: the hash of the server's certificate, by the hash function of its signature
/// (SHA-256 where that is MD5 or SHA-1).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EndPoint(Vec<u8>);

impl EndPoint {
    /// From the certificate's hash.
    #[must_use]
    pub fn new(certificate_hash: &[u8]) -> Self {
        Self(certificate_hash.to_vec())
    }
}

/// Random bytes for one exchange, never to be used twice.
#[derive(Clone)]
pub struct Nonce(String);

impl Nonce {
    /// From random bytes.
    #[must_use]
    pub fn new(random: &[u8; NONCE_BYTES]) -> Self {
        Self(STANDARD.encode(random))
    }
}

impl std::fmt::Debug for Nonce {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Nonce")
    }
}

/// A password, prepared by SASLprep.
#[derive(Clone, Zeroize, ZeroizeOnDrop)]
pub struct Password(Vec<u8>);

impl Password {
    /// Prepares a password; one that SASLprep refuses is taken as it is.
    #[must_use]
    pub fn new(password: &str) -> Self {
        let prepared = match stringprep::saslprep(password) {
            Ok(prepared) if !prepared.is_empty() => Zeroizing::new(prepared.into_owned()),
            _ => Zeroizing::new(password.to_owned()),
        };
        Self(prepared.as_bytes().to_vec())
    }

    fn salted(&self, salt: &[u8], iterations: u32) -> Key {
        let mut key = Key::default();
        pbkdf2::pbkdf2_hmac::<Sha256>(&self.0, salt, iterations, key.as_mut_slice());
        key
    }
}

impl std::fmt::Debug for Password {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Password")
    }
}

/// HMAC-SHA-256 over the concatenation of `parts`.
fn hmac(key: &[u8], parts: &[&[u8]]) -> Key {
    // HMAC takes keys of any length; the error type stands for MACs that do not.
    let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(key) else {
        return Key::default();
    };
    for part in parts {
        mac.update(part);
    }
    Zeroizing::new(mac.finalize().into_bytes().into())
}

fn sha256(bytes: &[u8]) -> Key {
    Zeroizing::new(Sha256::digest(bytes).into())
}

fn xor(left: &Key, right: &Key) -> Key {
    let mut out = Key::default();
    for ((out, left), right) in out.iter_mut().zip(left.iter()).zip(right.iter()) {
        *out = left ^ right;
    }
    out
}
