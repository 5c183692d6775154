//! AES-256-GCM, as the key store uses it: shelves wrap keys of entries, the root seals the ring, a key derived from an
//! entry's own seals its record.

use std::fmt;

use aws_lc_rs::aead::{AES_256_GCM, Aad, LessSafeKey, Nonce, UnboundKey};
use aws_lc_rs::hmac;
use evidence::commitment::OpeningKey;
use zeroize::{Zeroize as _, Zeroizing};

use super::KeysError;

/// Bytes of a key.
pub(super) const KEY_BYTES: usize = 32;

/// Bytes of a nonce.
pub(super) const NONCE_BYTES: usize = 12;

/// Bytes that sealing adds.
pub(crate) const TAG_BYTES: usize = 16;

/// What the key that seals a record is derived for.
const RECORD_LABEL: &[u8] = b"estop/sealed-record/v1";

/// A key of the store, made ready. Its memory is wiped when it is dropped.
pub(super) struct Cipher {
    key: LessSafeKey,
    secret: Zeroizing<[u8; KEY_BYTES]>,
}

impl Cipher {
    pub(super) fn new(secret: Zeroizing<[u8; KEY_BYTES]>) -> Result<Self, KeysError> {
        let key = UnboundKey::new(&AES_256_GCM, secret.as_slice()).map_err(|_| KeysError::Crypto)?;
        Ok(Self {
            key: LessSafeKey::new(key),
            secret,
        })
    }

    /// A new one.
    pub(super) fn random() -> Result<Self, KeysError> {
        let mut secret = Zeroizing::new([0; KEY_BYTES]);
        getrandom::fill(secret.as_mut_slice()).map_err(|_| KeysError::Random)?;
        Self::new(secret)
    }

    /// The key's bytes, to be written where keys are.
    pub(super) fn secret(&self) -> &[u8; KEY_BYTES] {
        &self.secret
    }

    /// Seals in place; `bytes` grows by [`TAG_BYTES`]. A nonce is used once.
    pub(super) fn seal(
        &self,
        nonce: [u8; NONCE_BYTES],
        about: &[u8],
        bytes: &mut Vec<u8>,
    ) -> Result<(), KeysError> {
        let nonce = Nonce::assume_unique_for_key(nonce);
        self.key
            .seal_in_place_append_tag(nonce, Aad::from(about), bytes)
            .map_err(|_| KeysError::Crypto)
    }

    /// What was sealed; `None` if it was not sealed so.
    pub(super) fn open(
        &self,
        nonce: [u8; NONCE_BYTES],
        about: &[u8],
        sealed: &[u8],
    ) -> Option<Zeroizing<Vec<u8>>> {
        let mut bytes = Zeroizing::new(sealed.to_vec());
        let nonce = Nonce::assume_unique_for_key(nonce);
        let plain = self
            .key
            .open_in_place(nonce, Aad::from(about), &mut bytes)
            .ok()?
            .len();
        bytes.truncate(plain);
        Some(bytes)
    }
}

impl fmt::Debug for Cipher {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Cipher(..)")
    }
}

/// Twelve random bytes.
pub(super) fn nonce() -> Result<[u8; NONCE_BYTES], KeysError> {
    let mut nonce = [0; NONCE_BYTES];
    getrandom::fill(&mut nonce).map_err(|_| KeysError::Random)?;
    Ok(nonce)
}

/// The cipher of one entry's record: its key is used once, so its nonce is zero.
fn of_record(key: &OpeningKey) -> Result<Cipher, KeysError> {
    let mac = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, key.reveal()), RECORD_LABEL);
    let mut secret = Zeroizing::new([0; KEY_BYTES]);
    for (to, from) in secret.iter_mut().zip(mac.as_ref()) {
        *to = *from;
    }
    Cipher::new(secret)
}

/// Seals a record in place under a key derived from the entry's.
pub(crate) fn seal_record(key: &OpeningKey, record: &mut Vec<u8>) -> Result<(), KeysError> {
    // What the buffer held before it grew would stay in memory that is given back.
    let mut bytes = Vec::with_capacity(record.len().saturating_add(TAG_BYTES));
    bytes.extend_from_slice(record);
    record.zeroize();
    of_record(key)?.seal([0; NONCE_BYTES], &[], &mut bytes)?;
    *record = bytes;
    Ok(())
}

/// The record; `None` if it was not sealed under this key.
pub(crate) fn open_record(key: &OpeningKey, sealed: &[u8]) -> Result<Option<Zeroizing<Vec<u8>>>, KeysError> {
    Ok(of_record(key)?.open([0; NONCE_BYTES], &[], sealed))
}
