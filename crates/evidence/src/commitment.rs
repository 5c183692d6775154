//! The commitment in a public entry to its private record: binding, hiding, and opened one entry at a time.
//!
//! `commitment = HMAC-SHA256(key, u64be(len(origin)) || origin || record)` with 32 random bytes as the key,
//! drawn for this entry alone. Who is given key and record can check the commitment; who has the commitment
//! alone learns nothing, not even by trying likely records; once the key is destroyed the commitment says
//! nothing to anyone. The origin keeps an opening from being passed off as one of another custodian's log.
//! The key has a fixed length since HMAC treats keys that differ only in trailing zeros alike (RFC 2104
//! section 2).

use std::fmt;
use std::str::FromStr;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, Mac};
use serde::{Deserialize, Deserializer};
use sha2::Sha256;
use subtle::ConstantTimeEq as _;
use zeroize::{Zeroize as _, ZeroizeOnDrop, Zeroizing};

use crate::hash::{HASH_BYTES, Hash, decode_base64};
use crate::id::Origin;

/// The key that opens one commitment: 32 random bytes, wiped when dropped, never printed by `Debug`.
#[derive(Clone, ZeroizeOnDrop)]
pub struct OpeningKey([u8; HASH_BYTES]);

/// A text that is not an opening key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not an opening key: 32 bytes in base64 are 44 characters, padded, without spaces and stray bits")]
pub struct OpeningKeyError;

impl OpeningKey {
    /// The key with these bytes, which must come from the system's random source and be used for one entry
    /// only.
    pub fn new(mut bytes: [u8; HASH_BYTES]) -> Self {
        let key = Self(bytes);
        bytes.zeroize();
        key
    }

    /// The bytes, to be stored or handed to whom the entry is opened to.
    pub fn reveal(&self) -> &[u8; HASH_BYTES] {
        &self.0
    }

    /// The key in base64, to be handed to whom the entry is opened to.
    pub fn reveal_text(&self) -> Zeroizing<String> {
        Zeroizing::new(STANDARD.encode(self.0))
    }
}

impl fmt::Debug for OpeningKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("OpeningKey(..)")
    }
}

impl PartialEq for OpeningKey {
    fn eq(&self, other: &Self) -> bool {
        self.0.ct_eq(&other.0).into()
    }
}

impl Eq for OpeningKey {}

impl FromStr for OpeningKey {
    type Err = OpeningKeyError;

    fn from_str(text: &str) -> Result<Self, OpeningKeyError> {
        decode_base64(text).map(Self::new).ok_or(OpeningKeyError)
    }
}

impl<'de> Deserialize<'de> for OpeningKey {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = Zeroizing::new(String::deserialize(deserializer)?);
        text.parse().map_err(serde::de::Error::custom)
    }
}

/// The commitment under `key` to `record`, a private record byte for byte as it is stored, in the custodian's
/// main log of that `origin`.
pub fn commit(key: &OpeningKey, origin: &Origin, record: &[u8]) -> Hash {
    // `new` takes a key of exactly the hash's block length: padding with zeros is what HMAC does to shorter
    // ones.
    let mut block = hmac::digest::Key::<Hmac<Sha256>>::default();
    for (to, from) in block.iter_mut().zip(key.0) {
        *to = from;
    }
    let mut mac = <Hmac<Sha256> as hmac::digest::KeyInit>::new(&block);
    block.as_mut_slice().zeroize();
    // An origin has at most 255 bytes, so the length always fits.
    let length = u64::try_from(origin.as_str().len()).unwrap_or(u64::MAX);
    mac.update(&length.to_be_bytes());
    mac.update(origin.as_str().as_bytes());
    mac.update(record);
    Hash(mac.finalize().into_bytes().into())
}

/// Whether `commitment` is that to `record` under `key`. The comparison takes the same time whatever differs.
pub fn check(commitment: &Hash, key: &OpeningKey, origin: &Origin, record: &[u8]) -> bool {
    commit(key, origin, record).0.ct_eq(&commitment.0).into()
}

#[cfg(test)]
mod tests;
