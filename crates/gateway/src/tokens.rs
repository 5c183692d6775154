//! The issuer whose tokens are taken, with its keys: a JWK set (RFC 7517).

use std::sync::{Arc, PoisonError, RwLock};

use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_FIXED, ED25519, ParsedPublicKey, RSA_PKCS1_2048_8192_SHA256, RsaPublicKeyComponents,
};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jiff::Timestamp;
use serde::Deserialize;
use wire::token::{Algorithm, Expected, Token, TokenError};

#[cfg(test)]
mod tests;

/// Longest file of keys, in bytes.
const KEYS_BYTES_MAX: usize = 256 * 1024;

/// Most keys in it.
const KEYS_MAX: usize = 64;

/// Whose tokens are taken, and what they must say.
#[derive(Clone, Debug)]
pub struct Issuer {
    /// As its tokens name it.
    pub issuer: String,
    /// Whom tokens must be for.
    pub audience: String,
    /// The scope that tokens must have, if any.
    pub scope: Option<String>,
    /// The claim that says who comes.
    pub claim: String,
}

/// Why there are no keys.
#[derive(Debug, thiserror::Error)]
pub enum KeysError {
    /// Too long, or too many.
    #[error("a set of keys has at most {KEYS_MAX} keys in {KEYS_BYTES_MAX} bytes")]
    TooMany,
    /// Not a JWK set.
    #[error("not a set of keys (JWK set, RFC 7517)")]
    Form(#[from] serde_json::Error),
    /// Nothing in it can check a token.
    #[error("none of the keys can check tokens signed by RS256 (of 2048 bits at least), ES256 or EdDSA")]
    None,
}

/// An issuer with its keys, which may be exchanged.
#[derive(Clone, Debug)]
pub struct Tokens {
    issuer: Issuer,
    keys: Arc<RwLock<Keys>>,
}

/// Keys of an issuer.
#[derive(Debug)]
pub struct Keys(Vec<Key>);

#[derive(Debug)]
struct Key {
    id: Option<String>,
    check: Check,
}

#[derive(Debug)]
enum Check {
    Rsa { n: Vec<u8>, e: Vec<u8> },
    P256(ParsedPublicKey),
    Ed25519(ParsedPublicKey),
}

#[derive(Deserialize)]
struct JwkSet {
    keys: Vec<serde_json::Value>,
}

#[derive(Deserialize)]
struct Jwk {
    kty: String,
    kid: Option<String>,
    #[serde(rename = "use")]
    used: Option<String>,
    alg: Option<String>,
    crv: Option<String>,
    n: Option<String>,
    e: Option<String>,
    x: Option<String>,
    y: Option<String>,
}

impl Keys {
    /// Reads a JWK set. Keys that are for something else are left out.
    ///
    /// # Errors
    /// See [`KeysError`].
    pub fn parse(text: &[u8]) -> Result<Self, KeysError> {
        if text.len() > KEYS_BYTES_MAX {
            return Err(KeysError::TooMany);
        }
        let set: JwkSet = serde_json::from_slice(text)?;
        if set.keys.len() > KEYS_MAX {
            return Err(KeysError::TooMany);
        }
        let keys: Vec<Key> = set.keys.into_iter().filter_map(key).collect();
        if keys.is_empty() {
            return Err(KeysError::None);
        }
        Ok(Self(keys))
    }

    /// Whether one of the keys that the token may be signed with has signed it.
    fn have_signed(&self, token: &Token<'_>) -> bool {
        let meant = |key: &&Key| token.key.is_none() || key.id == token.key;
        self.0.iter().filter(meant).any(|key| key.check.has_signed(token))
    }
}

fn key(jwk: serde_json::Value) -> Option<Key> {
    let jwk: Jwk = serde_json::from_value(jwk).ok()?;
    let (check, algorithms): (Check, &[&str]) = match (jwk.kty.as_str(), jwk.crv.as_deref()) {
        ("RSA", _) => {
            let (n, e) = (decoded(jwk.n.as_deref())?, decoded(jwk.e.as_deref())?);
            (Check::Rsa { n, e }, &["RS256"])
        }
        ("EC", Some("P-256")) => {
            let point = [&[4][..], &decoded(jwk.x.as_deref())?, &decoded(jwk.y.as_deref())?].concat();
            let key = ParsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, &point).ok()?;
            (Check::P256(key), &["ES256"])
        }
        ("OKP", Some("Ed25519")) => {
            let key = ParsedPublicKey::new(&ED25519, decoded(jwk.x.as_deref())?).ok()?;
            (Check::Ed25519(key), &["EdDSA", "Ed25519"])
        }
        _ => return None,
    };
    let for_this = jwk.used.is_none_or(|used| used == "sig")
        && jwk.alg.is_none_or(|alg| algorithms.contains(&alg.as_str()));
    for_this.then_some(Key { id: jwk.kid, check })
}

fn decoded(text: Option<&str>) -> Option<Vec<u8>> {
    URL_SAFE_NO_PAD.decode(text?).ok()
}

impl Check {
    fn has_signed(&self, token: &Token<'_>) -> bool {
        let (message, signature) = (token.signed, token.signature.as_slice());
        match (self, token.algorithm) {
            (Self::Rsa { n, e }, Algorithm::Rs256) => RsaPublicKeyComponents { n, e }
                .verify(&RSA_PKCS1_2048_8192_SHA256, message, signature)
                .is_ok(),
            (Self::P256(key), Algorithm::Es256) | (Self::Ed25519(key), Algorithm::EdDsa) => {
                verify(key, message, signature)
            }
            _ => false,
        }
    }
}

fn verify(key: &ParsedPublicKey, message: &[u8], signature: &[u8]) -> bool {
    key.verify_sig(message, signature).is_ok()
}

impl Tokens {
    /// Of this issuer, with these keys.
    #[must_use]
    pub fn new(issuer: Issuer, keys: Keys) -> Self {
        Self {
            issuer,
            keys: Arc::new(RwLock::new(keys)),
        }
    }

    /// The issuer has other keys from now on.
    pub fn keys_are(&self, keys: Keys) {
        *self.keys.write().unwrap_or_else(PoisonError::into_inner) = keys;
    }

    /// Whose token this is, if it holds. `Ok(None)`: the issuer has not signed it.
    pub(crate) fn whose(&self, text: &str, now: Timestamp) -> Result<Option<String>, TokenError> {
        let token = Token::parse(text)?;
        if !self
            .keys
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .have_signed(&token)
        {
            return Ok(None);
        }
        let expected = Expected {
            issuer: &self.issuer.issuer,
            audience: &self.issuer.audience,
            scope: self.issuer.scope.as_deref(),
            claim: &self.issuer.claim,
            now: now.as_second(),
        };
        token.judge(&expected).map(|who| Some(who.to_owned()))
    }

    /// What a client is told whose token does not hold.
    pub(crate) fn refusal(&self) -> String {
        wire::token::refusal(&self.issuer.issuer, self.issuer.scope.as_deref())
    }
}
