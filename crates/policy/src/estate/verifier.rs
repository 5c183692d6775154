//! What an officer's password is checked against.

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::{Deserialize, Serialize};

/// A text that is not a SCRAM verifier.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error(
    "not a SCRAM-SHA-256 verifier: `SCRAM-SHA-256$<iterations>:<salt>$<stored key>:<server key>` is wanted"
)]
pub struct VerifierTextError;

/// What PostgreSQL keeps in `pg_authid.rolpassword`: `SCRAM-SHA-256$<iterations>:<salt>$<stored key>:<server key>`, the
/// last three in base64 (RFC 5803 in PostgreSQL's spelling). The password cannot be read from it, but guessed, and a
/// server be played: `Debug` does not print it.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct ScramVerifierText(String);

impl ScramVerifierText {
    /// Fewest iterations: what RFC 7677 asks for and PostgreSQL uses.
    pub const MIN_ITERATIONS: u32 = 4096;
    /// Most iterations: a client works for about a second.
    pub const MAX_ITERATIONS: u32 = 10_000_000;
    /// Longest salt, in bytes; PostgreSQL uses 16.
    pub const MAX_SALT_BYTES: usize = 64;
    /// Length of the two keys, in bytes: SHA-256.
    const KEY_BYTES: usize = 32;

    /// The text.
    #[must_use]
    pub fn reveal(&self) -> &str {
        &self.0
    }

    fn is_verifier(text: &str) -> Option<()> {
        let (head, keys) = text.strip_prefix("SCRAM-SHA-256$")?.split_once('$')?;
        let (iterations, salt) = head.split_once(':')?;
        let (stored, server) = keys.split_once(':')?;
        let iterations: u32 = iterations.parse().ok()?;
        let decoded = |part: &str| STANDARD.decode(part).ok().map(|bytes| bytes.len());
        let good = (Self::MIN_ITERATIONS..=Self::MAX_ITERATIONS).contains(&iterations)
            && (1..=Self::MAX_SALT_BYTES).contains(&decoded(salt)?)
            && decoded(stored)? == Self::KEY_BYTES
            && decoded(server)? == Self::KEY_BYTES;
        good.then_some(())
    }
}

impl TryFrom<String> for ScramVerifierText {
    type Error = VerifierTextError;

    fn try_from(text: String) -> Result<Self, VerifierTextError> {
        Self::is_verifier(&text).ok_or(VerifierTextError)?;
        Ok(Self(text))
    }
}

impl From<ScramVerifierText> for String {
    fn from(verifier: ScramVerifierText) -> Self {
        verifier.0
    }
}

impl fmt::Debug for ScramVerifierText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ScramVerifierText(..)")
    }
}
