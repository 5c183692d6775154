//! What a server keeps of a password: enough to check it, not enough to use it.
//!
//! Text form as in PostgreSQL's `pg_authid.rolpassword`: `SCRAM-SHA-256$ITERATIONS:SALT$STORED_KEY:SERVER_KEY`, the last
//! three in base64.

use std::str::FromStr;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use thiserror::Error;
use zeroize::Zeroizing;

use super::{ITERATIONS_MAX, ITERATIONS_MIN, KEY_BYTES, Key, Password, SCRAM_SHA_256, hmac, sha256};

/// Longest salt that is taken; PostgreSQL's have 16 bytes.
pub const SALT_BYTES_MAX: usize = 64;

/// Bytes of the salt that a user who does not exist seems to have.
const MOCK_SALT_BYTES: usize = 16;

/// A verifier of one password.
#[derive(Clone, PartialEq, Eq)]
pub struct Verifier {
    pub(super) iterations: u32,
    pub(super) salt: Vec<u8>,
    pub(super) stored_key: Key,
    pub(super) server_key: Key,
}

/// Why a text is not a verifier. The text is not repeated: it is a secret.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum VerifierError {
    /// Not of the form.
    #[error("password verifier is not of the form `SCRAM-SHA-256$iterations:salt$stored-key:server-key`")]
    Form,
    /// Too few or too many iterations.
    #[error("password verifier has {0} iterations, {ITERATIONS_MIN} to {ITERATIONS_MAX} are taken")]
    Iterations(u32),
    /// Too short or long a salt.
    #[error("password verifier has a salt of {0} bytes, 1 to {SALT_BYTES_MAX} are taken")]
    Salt(usize),
}

impl Verifier {
    /// Makes the verifier of a password. Takes time in proportion to `iterations`.
    ///
    /// # Errors
    /// [`VerifierError`] for a salt or number of iterations that would not be taken.
    pub fn derive(password: &Password, salt: &[u8], iterations: u32) -> Result<Self, VerifierError> {
        check(salt, iterations)?;
        let salted = password.salted(salt, iterations);
        let client_key = hmac(salted.as_slice(), &[b"Client Key"]);
        Ok(Self {
            iterations,
            salt: salt.to_vec(),
            stored_key: sha256(client_key.as_slice()),
            server_key: hmac(salted.as_slice(), &[b"Server Key"]),
        })
    }

    /// The text form. It is a secret: whoever has it can play the server, and can try passwords offline.
    #[must_use]
    pub fn to_text(&self) -> Zeroizing<String> {
        Zeroizing::new(format!(
            "{SCRAM_SHA_256}${}:{}${}:{}",
            self.iterations,
            STANDARD.encode(&self.salt),
            STANDARD.encode(self.stored_key.as_slice()),
            STANDARD.encode(self.server_key.as_slice()),
        ))
    }

    /// Rounds of hashing.
    #[must_use]
    pub fn iterations(&self) -> u32 {
        self.iterations
    }
}

fn check(salt: &[u8], iterations: u32) -> Result<(), VerifierError> {
    if !(ITERATIONS_MIN..=ITERATIONS_MAX).contains(&iterations) {
        return Err(VerifierError::Iterations(iterations));
    }
    if !(1..=SALT_BYTES_MAX).contains(&salt.len()) {
        return Err(VerifierError::Salt(salt.len()));
    }
    Ok(())
}

impl FromStr for Verifier {
    type Err = VerifierError;

    fn from_str(text: &str) -> Result<Self, VerifierError> {
        let rest = text
            .strip_prefix(SCRAM_SHA_256)
            .and_then(|rest| rest.strip_prefix('$'))
            .ok_or(VerifierError::Form)?;
        let (head, keys) = rest.split_once('$').ok_or(VerifierError::Form)?;
        let (iterations, salt) = head.split_once(':').ok_or(VerifierError::Form)?;
        let (stored, server) = keys.split_once(':').ok_or(VerifierError::Form)?;
        if iterations.is_empty() || !iterations.bytes().all(|byte| byte.is_ascii_digit()) {
            return Err(VerifierError::Form);
        }
        let iterations = iterations.parse().map_err(|_| VerifierError::Form)?;
        let salt = STANDARD.decode(salt).map_err(|_| VerifierError::Form)?;
        check(&salt, iterations)?;
        Ok(Self {
            iterations,
            salt,
            stored_key: key(stored)?,
            server_key: key(server)?,
        })
    }
}

fn key(text: &str) -> Result<Key, VerifierError> {
    let bytes = Zeroizing::new(STANDARD.decode(text).map_err(|_| VerifierError::Form)?);
    <[u8; KEY_BYTES]>::try_from(bytes.as_slice())
        .map(Zeroizing::new)
        .map_err(|_| VerifierError::Form)
}

impl std::fmt::Debug for Verifier {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Verifier")
            .field("iterations", &self.iterations)
            .finish_non_exhaustive()
    }
}

/// Stands in for the verifiers of users who do not exist, so that they cannot be told from those who do: the same name gets
/// the same salt every time.
#[derive(Clone)]
pub struct Mock {
    secret: Key,
    iterations: u32,
    salt_bytes: usize,
}

impl Mock {
    /// With 32 random bytes, kept as long as the set of users is (all gateways should use the same), and the number of
    /// iterations that the real verifiers have.
    #[must_use]
    pub fn new(secret: [u8; KEY_BYTES], iterations: u32) -> Self {
        Self {
            secret: Zeroizing::new(secret),
            iterations: iterations.clamp(ITERATIONS_MIN, ITERATIONS_MAX),
            salt_bytes: MOCK_SALT_BYTES,
        }
    }

    /// The same, for verifiers that look like this one: as many iterations, as long a salt.
    #[must_use]
    pub fn like(&self, real: &Verifier) -> Self {
        Self {
            secret: self.secret.clone(),
            iterations: real.iterations,
            salt_bytes: real.salt.len(),
        }
    }

    /// One of `count` things for this name: the same each time, and no more often one than another.
    #[must_use]
    pub fn pick(&self, user: &str, count: usize) -> Option<usize> {
        let drawn = hmac(self.secret.as_slice(), &[b"pick\0", user.as_bytes()]);
        let drawn = u64::from_be_bytes(*drawn.first_chunk()?);
        let count = u64::try_from(count).ok()?;
        usize::try_from(drawn.checked_rem(count)?).ok()
    }

    /// A verifier that no password fits.
    pub(super) fn verifier(&self, user: &str) -> Verifier {
        let derive = |what: &[u8]| hmac(self.secret.as_slice(), &[what, b"\0", user.as_bytes()]);
        // At most 64 bytes are a salt: two digests.
        let (one, two) = (derive(b"salt"), derive(b"more salt"));
        let salt = one
            .iter()
            .chain(two.iter())
            .copied()
            .take(self.salt_bytes)
            .collect();
        Verifier {
            iterations: self.iterations,
            salt,
            stored_key: derive(b"stored"),
            server_key: derive(b"server"),
        }
    }
}

impl std::fmt::Debug for Mock {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Mock")
            .field("iterations", &self.iterations)
            .finish_non_exhaustive()
    }
}
