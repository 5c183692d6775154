//! Keys of pseudonyms: drawn here, one for each agreement, kept in the register, planted in the databases as HMAC's padded forms
//! (RFC 2104).

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::{Deserialize, Serialize};
use subtle::ConstantTimeEq;
use zeroize::{Zeroize, ZeroizeOnDrop, Zeroizing};

use crate::error::ControlError;

/// Bytes of a key: as many as SHA-256 gives, the length that RFC 2104 advises.
const KEY_BYTES: usize = 32;

/// Bytes of a block of SHA-256: a key is padded to it.
const BLOCK_BYTES: usize = 64;

/// What RFC 2104 calls ipad and opad.
const INNER: u8 = 0x36;
const OUTER: u8 = 0x5c;

/// What the register holds under `pseudonym/<agreement>`: JSON `{"key": "<base64url of 32 bytes>"}`.
#[derive(Clone, Serialize, Deserialize, Zeroize, ZeroizeOnDrop)]
#[serde(deny_unknown_fields)]
pub struct MaskKey {
    key: String,
}

/// The two padded forms of a key.
#[derive(Zeroize, ZeroizeOnDrop)]
pub(crate) struct Pads {
    pub(crate) inner: Vec<u8>,
    pub(crate) outer: Vec<u8>,
}

impl std::fmt::Debug for MaskKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("MaskKey(..)")
    }
}

impl std::fmt::Debug for Pads {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Pads(..)")
    }
}

impl MaskKey {
    /// A new one, at random.
    ///
    /// # Errors
    /// The system gives no random bytes.
    pub fn draw() -> Result<Self, ControlError> {
        let mut bytes = Zeroizing::new([0_u8; KEY_BYTES]);
        getrandom::fill(bytes.as_mut()).map_err(|_| ControlError::Random)?;
        Ok(Self::of(bytes.as_ref()))
    }

    fn of(bytes: &[u8]) -> Self {
        Self {
            key: URL_SAFE_NO_PAD.encode(bytes),
        }
    }

    /// The key. `None`: what the register held is none.
    #[must_use]
    pub fn reveal(&self) -> Option<Zeroizing<Vec<u8>>> {
        let bytes = Zeroizing::new(URL_SAFE_NO_PAD.decode(&self.key).ok()?);
        (bytes.len() == KEY_BYTES).then_some(bytes)
    }

    /// What is planted.
    pub(crate) fn pads(&self) -> Option<Pads> {
        let key = self.reveal()?;
        let padded = |pad: u8| {
            let filled = key.iter().map(|byte| byte ^ pad);
            filled.chain(std::iter::repeat(pad)).take(BLOCK_BYTES).collect()
        };
        Some(Pads {
            inner: padded(INNER),
            outer: padded(OUTER),
        })
    }

    /// Whether a row is this key's.
    pub(crate) fn fits(&self, planted: &Pads) -> bool {
        let Some(ours) = self.pads() else { return false };
        (ours.inner.ct_eq(&planted.inner) & ours.outer.ct_eq(&planted.outer)).into()
    }

    /// The key of a planted row, if it is the two forms of one.
    pub(crate) fn planted(pads: &Pads) -> Option<Self> {
        let bytes = pads.inner.iter().take(KEY_BYTES).map(|byte| byte ^ INNER);
        let key = Self::of(&Zeroizing::new(bytes.collect::<Vec<u8>>()));
        key.fits(pads).then_some(key)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use hmac::{Hmac, Mac};
    use sha2::{Digest, Sha256};

    #[test]
    fn the_padded_forms_make_an_hmac() {
        let key = MaskKey::draw().unwrap();
        let pads = key.pads().unwrap();
        let message = b"person_id\0n42";
        let inner = Sha256::digest([&pads.inner[..], message].concat());
        let outer = Sha256::digest([&pads.outer[..], &inner].concat());
        let mut mac = Hmac::<Sha256>::new_from_slice(&key.reveal().unwrap()).unwrap();
        mac.update(message);
        assert_eq!(outer[..], mac.finalize().into_bytes()[..]);
    }

    #[test]
    fn a_row_gives_its_key_back_and_fits_no_other() {
        let (one, other) = (MaskKey::draw().unwrap(), MaskKey::draw().unwrap());
        let mut pads = one.pads().unwrap();
        assert!(one.fits(&pads) && !other.fits(&pads));
        assert_eq!(MaskKey::planted(&pads).unwrap().key, one.key);
        pads.outer[63] ^= 1;
        assert!(!one.fits(&pads) && MaskKey::planted(&pads).is_none());
        for length in [0, 32, 63, 65] {
            let pads = Pads {
                inner: vec![INNER; length],
                outer: vec![OUTER; length],
            };
            assert!(MaskKey::planted(&pads).is_none(), "{length}");
        }
    }

    #[test]
    fn debug_shows_no_key() {
        let key = MaskKey::draw().unwrap();
        assert!(!format!("{key:?} {:?}", key.pads()).contains(&key.key));
        let broken: MaskKey = serde_json::from_str(r#"{"key":"AAAA"}"#).unwrap();
        assert!(broken.reveal().is_none() && broken.pads().is_none());
    }
}
