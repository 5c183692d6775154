//! Records under seal: an entry's opening key is sealed to overseers' public key, so that the custodian alone cannot read the
//! record, and what is known of it stands beside.
//!
//! ```text
//! sealed key = HPKE (RFC 9180), base mode, DHKEM(X25519, HKDF-SHA256), HKDF-SHA256, AES-256-GCM: encapsulated key, ciphertext
//! box        = "estop/under-seal/v1\n" | length u32 | margin, JSON | sealed key 80 bytes | sealed record
//! ```
//!
//! The sealed record is under the opening key, as every record is. The box then takes the record's place: it is sealed once more,
//! under a key of the key store, so that to erase the entry is to destroy that one, whatever the overseers have.

use aws_lc_rs::agreement::{PrivateKey, X25519};
use evidence::commitment::OpeningKey;
use evidence::hash::Hash;
use evidence::id::Origin;
use evidence::overseers::{Margin, SEALED_KEY_BYTES, Seal, Under};
use rustls::crypto::aws_lc_rs::hpke::DH_KEM_X25519_HKDF_SHA256_AES_256 as SUITE;
use rustls::crypto::hpke::{EncapsulatedSecret, Hpke as _, HpkePrivateKey, HpkePublicKey};
use zeroize::Zeroizing;

use crate::keys::KeysError;

/// Begins every box. No record begins so: a record is JSON.
const MAGIC: &[u8] = b"estop/under-seal/v1\n";

/// Bytes of an encapsulated key, and of a key of X25519.
const X25519_BYTES: usize = 32;

/// Why an overseers' key does not serve.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum SealError {
    /// Not a key of X25519, or the system gave no random bytes.
    #[error("the overseers' key is none, or the system's random source failed")]
    Key,
    /// Sealed to others, or bound to another entry, date or log.
    #[error("it is not sealed to this key, or not as that entry's")]
    Closed,
}

/// A record under seal: what is known of it, and what overseers need to open it.
#[derive(Clone, PartialEq, Eq)]
pub struct UnderSeal {
    /// To whom it is sealed, and what is known of it.
    pub margin: Margin,
    /// The entry's opening key, sealed.
    pub sealed_key: [u8; SEALED_KEY_BYTES],
    /// The record, sealed under the opening key.
    pub(crate) record: Vec<u8>,
}

impl std::fmt::Debug for UnderSeal {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("UnderSeal")
            .field("under", &self.margin.under)
            .finish_non_exhaustive()
    }
}

/// A new key of overseers: the private half, to be split and forgotten, and the public one.
///
/// # Errors
/// The system gave no random bytes.
pub fn generate() -> Result<(Zeroizing<[u8; X25519_BYTES]>, Hash), SealError> {
    let (public, private) = SUITE.generate_key_pair().map_err(|_| SealError::Key)?;
    let private = private.secret_bytes().try_into().map_err(|_| SealError::Key)?;
    let public = public.0.as_slice().try_into().map_err(|_| SealError::Key)?;
    Ok((Zeroizing::new(private), Hash(public)))
}

/// The public half of a private key.
///
/// # Errors
/// It is none.
pub fn public(private: &[u8; X25519_BYTES]) -> Result<Hash, SealError> {
    let key = PrivateKey::from_private_key(&X25519, private).map_err(|_| SealError::Key)?;
    let public = key.compute_public_key().map_err(|_| SealError::Key)?;
    Ok(Hash(public.as_ref().try_into().map_err(|_| SealError::Key)?))
}

/// An entry's opening key, sealed to overseers and bound to log, overseers, date and commitment.
///
/// # Errors
/// Their key is none.
pub fn seal(
    seal: &Seal,
    origin: &Origin,
    commitment: &Hash,
    key: &OpeningKey,
) -> Result<[u8; SEALED_KEY_BYTES], SealError> {
    let to = HpkePublicKey(seal.key.0.to_vec());
    let sealed = SUITE.seal(&seal.under.info(origin), &commitment.0, key.reveal(), &to);
    let (EncapsulatedSecret(encapsulated), sealed) = sealed.map_err(|_| SealError::Key)?;
    [encapsulated, sealed]
        .concat()
        .try_into()
        .map_err(|_| SealError::Key)
}

/// Opens what [`seal`] sealed, with the overseers' private key.
///
/// # Errors
/// It was not sealed so to them.
pub fn open(
    private: &[u8; X25519_BYTES],
    under: &Under,
    origin: &Origin,
    commitment: &Hash,
    sealed: &[u8; SEALED_KEY_BYTES],
) -> Result<OpeningKey, SealError> {
    let (encapsulated, sealed) = sealed.split_at(X25519_BYTES);
    let encapsulated = EncapsulatedSecret(encapsulated.to_vec());
    let private = HpkePrivateKey::from(private.to_vec());
    let info = under.info(origin);
    let opened = SUITE.open(&encapsulated, &info, &commitment.0, sealed, &private);
    let opened = Zeroizing::new(opened.map_err(|_| SealError::Closed)?);
    let key = opened.as_slice().try_into().map_err(|_| SealError::Closed)?;
    Ok(OpeningKey::new(key))
}

/// Whether bytes begin as a box does.
pub(crate) fn is_boxed(bytes: &[u8]) -> bool {
    bytes.starts_with(MAGIC)
}

/// Puts a sealed record into its box.
pub(crate) fn enclose(
    margin: &Margin,
    sealed_key: &[u8; SEALED_KEY_BYTES],
    record: &[u8],
) -> Result<Vec<u8>, KeysError> {
    let margin = Zeroizing::new(serde_json::to_vec(margin).map_err(std::io::Error::from)?);
    let length = u32::try_from(margin.len()).map_err(|_| KeysError::Crypto)?;
    Ok([MAGIC, &length.to_le_bytes(), &margin, sealed_key, record].concat())
}

/// Takes a box apart; `None` if it is none.
pub(crate) fn disclose(bytes: &[u8]) -> Option<UnderSeal> {
    let (length, rest) = bytes.strip_prefix(MAGIC)?.split_first_chunk::<4>()?;
    let length = usize::try_from(u32::from_le_bytes(*length)).ok()?;
    let (margin, rest) = rest.split_at_checked(length)?;
    let (sealed_key, record) = rest.split_first_chunk::<SEALED_KEY_BYTES>()?;
    Some(UnderSeal {
        margin: serde_json::from_slice(margin).ok()?,
        sealed_key: *sealed_key,
        record: record.to_vec(),
    })
}

#[cfg(test)]
mod tests {
    use evidence::overseers::Outline;
    use evidence::overseers::shares::{self, Share};
    use evidence::overseers::unsealing::{Answer, Request};

    use super::*;

    fn under(until: Option<&str>) -> Under {
        Under {
            overseers: "court".parse().unwrap(),
            until: until.map(|text| text.parse().unwrap()),
        }
    }

    fn bytes<const N: usize>(hex: &str) -> [u8; N] {
        let pairs = hex.as_bytes().chunks(2);
        let bytes: Vec<u8> = pairs
            .map(|pair| u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16).unwrap())
            .collect();
        bytes.try_into().unwrap()
    }

    #[test]
    fn what_is_sealed_is_opened_by_its_key_and_bound_to_all_that_it_is_about() {
        let (private, key) = generate().unwrap();
        assert_eq!(public(&private).unwrap(), key);
        let origin: Origin = "records.example.org/audit".parse().unwrap();
        let (commitment, opening) = (Hash([3; 32]), OpeningKey::new([4; 32]));
        let day = under(Some("2031-01-01T00:00:00Z"));
        let to = Seal {
            under: day.clone(),
            key,
        };
        let sealed = seal(&to, &origin, &commitment, &opening).unwrap();
        assert_eq!(
            open(&private, &day, &origin, &commitment, &sealed),
            Ok(opening.clone())
        );
        let closed = Err(SealError::Closed);
        assert_eq!(
            open(&private, &under(None), &origin, &commitment, &sealed),
            closed
        );
        assert_eq!(
            open(
                &private,
                &day,
                &"other.example.org/audit".parse().unwrap(),
                &commitment,
                &sealed
            ),
            closed
        );
        assert_eq!(open(&private, &day, &origin, &Hash([5; 32]), &sealed), closed);
        assert_eq!(
            open(&generate().unwrap().0, &day, &origin, &commitment, &sealed),
            closed
        );
        for at in 0..SEALED_KEY_BYTES {
            let mut other = sealed;
            other[at] ^= 1;
            // X25519 ignores the highest bit of a public key; what is derived from it does not.
            assert_eq!(
                open(&private, &day, &origin, &commitment, &other),
                closed,
                "byte {at}"
            );
        }
        // The same key sealed twice looks like two.
        assert_ne!(seal(&to, &origin, &commitment, &opening).unwrap(), sealed);
    }

    /// The vectors of `docs/formats.md`: who has the request and enough shares makes the answer.
    #[test]
    fn the_documents_request_is_opened_by_the_documents_shares() {
        let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/formats.md");
        let text = std::fs::read_to_string(path).unwrap();
        let vector = |name: &str| {
            let (_, rest) = text
                .split_once(&format!("<!-- vector {name} -->\n```text\n"))
                .unwrap();
            rest.split_once("```\n").unwrap().0
        };
        let request = Request::parse(vector("seal-request")).unwrap();
        let two = ["seal-share-1", "seal-share-3"].map(|name| Share::parse(vector(name)).unwrap());
        let private = shares::combine(&two).unwrap();
        assert_eq!(public(&private).unwrap(), two[0].key);
        let (asked, origin) = (&request.asked[0], request.custodian.main_origin());
        let commitment = asked.commitment().unwrap();
        let key = open(&private, &asked.under, &origin, &commitment, &asked.sealed_key).unwrap();
        assert_eq!(
            Answer::parse(vector("seal-answer")).unwrap().opened,
            [(asked.index, key)]
        );
    }

    /// RFC 9180, A.1's recipient: that the public half is derived as the standard has it.
    #[test]
    fn the_public_half_is_that_of_the_standard() {
        let private = bytes("4612c550263fc8ad58375df3f557aac531d26850903e55a9f23f21d8534e8ac8");
        let key = bytes("3948cfe0ad1ddb695d780e59077195da6c56506b027329794ab02bca80815c4d");
        assert_eq!(public(&private).unwrap(), Hash(key));
    }

    #[test]
    fn a_box_is_taken_apart_as_it_was_put_together() {
        let margin = Margin {
            under: under(None),
            outline: Outline {
                rows: 3,
                ..Outline::default()
            },
        };
        let whole = enclose(&margin, &[6; SEALED_KEY_BYTES], b"sealed").unwrap();
        assert!(is_boxed(&whole) && !is_boxed(b"{}"));
        let read = disclose(&whole).unwrap();
        assert_eq!(
            (&read.margin, read.sealed_key, &read.record[..]),
            (&margin, [6; SEALED_KEY_BYTES], &b"sealed"[..])
        );
        for cut in 0..whole.len() - 6 {
            assert!(disclose(&whole[..cut]).is_none(), "{cut}");
        }
    }
}
