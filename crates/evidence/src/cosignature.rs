//! Cosignatures (C2SP tlog-cosignature): a witness says that, at a time, a checkpoint was that of the largest
//! consistent tree of its log that the witness had seen.
//!
//! Ed25519 (signature type 4) and ML-DSA-44 (type 6, FIPS 204: what a quantum computer will not forge); lines of other types are carried and
//! ignored like those of any unknown key.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use aws_lc_rs::signature::{KeyPair as _, ML_DSA_44, ML_DSA_44_SIGNING, PqdsaKeyPair, UnparsedPublicKey};
use ed25519_dalek::{Signature, Signer as _, SigningKey, VerifyingKey};
use jiff::Timestamp;
use zeroize::{Zeroize as _, Zeroizing};

use crate::checkpoint::Checkpoint;
use crate::id::Origin;
use crate::note::{self, KeyError, Note, NoteError};
use crate::witness::Consistent;

/// The signature type of Ed25519 cosignatures, by which key ids and encoded keys begin.
const COSIGNATURE: u8 = 4;

/// The same of ML-DSA-44 cosignatures.
const ML_DSA: u8 = 6;

/// Bytes of a public key of ML-DSA-44, of its type and itself, and of a signature.
const ML_DSA_KEY: usize = 1312;
const ML_DSA_TYPED: usize = 1 + ML_DSA_KEY;
const ML_DSA_SIGNATURE: usize = 2420;

/// What ML-DSA-44 signs begins so: it is about a tree from its first leaf on.
const SUBTREE: &[u8] = b"subtree/v1\n\0";

/// First bytes of what is signed with Ed25519.
const HEADER: &str = "cosignature/v1";

/// Bytes of a time before each signature.
const TIME_BYTES: usize = 8;

/// A witness's secret key. Wiped when dropped; `Debug` shows the name only.
#[derive(Clone)]
pub struct CosignerKey {
    name: Origin,
    key: Secret,
}

#[derive(Clone)]
enum Secret {
    Ed25519(SigningKey),
    MlDsa(Zeroizing<[u8; 32]>, Arc<PqdsaKeyPair>),
}

/// The system's library does not make a key of ML-DSA-44 of a seed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("no key of ML-DSA-44 can be made")]
pub struct NoMlDsa;

/// A witness's public key, under the name it cosigns with. Its text is the C2SP vkey: `name+id+base64(type ||
/// key)`, the type 4 (Ed25519) or 6 (ML-DSA-44).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WitnessKey {
    name: Origin,
    id: [u8; 4],
    key: Public,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Public {
    Ed25519(VerifyingKey),
    MlDsa(Arc<[u8]>),
}

impl Public {
    fn kind(&self) -> u8 {
        match self {
            Self::Ed25519(_) => COSIGNATURE,
            Self::MlDsa(_) => ML_DSA,
        }
    }

    fn as_bytes(&self) -> &[u8] {
        match self {
            Self::Ed25519(key) => key.as_bytes(),
            Self::MlDsa(key) => key,
        }
    }
}

impl CosignerKey {
    /// The key that follows from `seed`, 32 bytes from the system's random source, under `name`. A key must not be
    /// used under two names, nor for anything else: what it signs does not name the witness.
    pub fn generate(mut seed: [u8; 32], name: Origin) -> Self {
        let key = Secret::Ed25519(SigningKey::from_bytes(&seed));
        seed.zeroize();
        Self { name, key }
    }

    /// The same, of ML-DSA-44.
    ///
    /// # Errors
    /// The library makes none.
    pub fn generate_ml_dsa(seed: [u8; 32], name: Origin) -> Result<Self, NoMlDsa> {
        let seed = Zeroizing::new(seed);
        let pair = PqdsaKeyPair::from_seed(&ML_DSA_44_SIGNING, seed.as_slice()).map_err(|_| NoMlDsa)?;
        let key = Secret::MlDsa(seed, Arc::new(pair));
        Ok(Self { name, key })
    }

    /// Reads what [`CosignerKey::encode`] writes.
    ///
    /// # Errors
    /// The text is no such key; the error shows nothing of it.
    pub fn parse(text: &str) -> Result<Self, KeyError> {
        let form = KeyError::Form {
            what: "witness's secret key",
            form: "PRIVATE+KEY+<name>+<id>+<base64>",
        };
        let (key, id) = if let Some((name, id, seed)) = note::split_secret(text, COSIGNATURE) {
            (Self::generate(*seed, name), id)
        } else {
            let (name, id, seed) = note::split_secret(text, ML_DSA).ok_or(form)?;
            let form = KeyError::Form {
                what: "witness's secret key",
                form: "a seed of ML-DSA-44",
            };
            (Self::generate_ml_dsa(*seed, name).map_err(|_| form)?, id)
        };
        if key.id() == id {
            Ok(key)
        } else {
            Err(KeyError::Id)
        }
    }

    /// The secret key as text: `PRIVATE+KEY+<name>+<id>+<base64(type || seed)>`.
    pub fn encode(&self) -> Zeroizing<String> {
        match &self.key {
            Secret::Ed25519(key) => note::join_secret(&self.name, self.id(), COSIGNATURE, key.as_bytes()),
            Secret::MlDsa(seed, _) => note::join_secret(&self.name, self.id(), ML_DSA, seed),
        }
    }

    /// Whether it is of ML-DSA-44.
    pub fn is_ml_dsa(&self) -> bool {
        matches!(self.key, Secret::MlDsa(..))
    }

    /// The name it cosigns with.
    pub fn name(&self) -> &Origin {
        &self.name
    }

    /// The key that verifies what this one signs.
    pub fn witness(&self) -> WitnessKey {
        WitnessKey {
            name: self.name.clone(),
            id: self.id(),
            key: self.public(),
        }
    }

    fn public(&self) -> Public {
        match &self.key {
            Secret::Ed25519(key) => Public::Ed25519(key.verifying_key()),
            Secret::MlDsa(_, pair) => Public::MlDsa(pair.public_key().as_ref().into()),
        }
    }

    /// The signature line that says that `now`, in whole seconds, this was the largest tree of its log. Whoever asks
    /// must have made the checkpoint's place durable before.
    ///
    /// # Errors
    /// The time is before 1970.
    pub fn cosign(&self, consistent: &Consistent, now: Timestamp) -> Result<String, NotCosigned> {
        let time = u64::try_from(now.as_second()).map_err(|_| NotCosigned::Time)?;
        let checkpoint = consistent.checkpoint();
        let signature = match &self.key {
            Secret::Ed25519(key) => {
                let message = message(&checkpoint.to_text(), time);
                key.sign(message.as_bytes()).to_bytes().to_vec()
            }
            Secret::MlDsa(_, pair) => {
                let message = subtree(&self.name, time, checkpoint).ok_or(NotCosigned::Unsigned)?;
                let mut signature = vec![0; ML_DSA_SIGNATURE];
                pair.sign(&message, &mut signature)
                    .map_err(|_| NotCosigned::Unsigned)?;
                signature
            }
        };
        let timed: Vec<u8> = time.to_be_bytes().into_iter().chain(signature).collect();
        Ok(note::write_line(&self.name, self.id(), &timed))
    }

    fn id(&self) -> [u8; 4] {
        let public = self.public();
        note::key_id(&self.name, public.kind(), public.as_bytes())
    }
}

/// Why nothing was cosigned.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum NotCosigned {
    /// The clock stands before 1970: no cosignature has such a time.
    #[error("a cosignature's time cannot be before 1970")]
    Time,
    /// The library that signs failed.
    #[error("the signature could not be made")]
    Unsigned,
}

impl fmt::Debug for CosignerKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "CosignerKey({}, ..)", self.name)
    }
}

impl WitnessKey {
    /// The name it verifies cosignatures of.
    pub fn name(&self) -> &Origin {
        &self.name
    }

    /// The public key's bytes: 32 of Ed25519 (RFC 8032 section 5.1.5), 1,312 of ML-DSA-44 (FIPS 204).
    pub fn as_bytes(&self) -> &[u8] {
        self.key.as_bytes()
    }

    /// When this witness cosigned the note's checkpoint, the last time if more than once. `None`: it has not.
    ///
    /// # Errors
    /// A signature line by this key does not verify: then nothing in the note is to be trusted.
    pub fn cosigned(&self, note: &Note<'_>) -> Result<Option<Timestamp>, NoteError> {
        let mut last = None;
        for timed in note.signatures_by(&self.name, self.id) {
            let time = self
                .verify(note.text(), timed)
                .ok_or_else(|| NoteError::BadSignature(self.name.clone()))?;
            last = last.max(Some(time));
        }
        Ok(last)
    }

    fn verify(&self, text: &str, timed: &[u8]) -> Option<Timestamp> {
        let (time, signature) = timed.split_first_chunk::<TIME_BYTES>()?;
        let seconds = u64::from_be_bytes(*time);
        match &self.key {
            Public::Ed25519(key) => {
                let signature = Signature::from_slice(signature).ok()?;
                let message = message(text, seconds);
                key.verify_strict(message.as_bytes(), &signature).ok()?;
            }
            Public::MlDsa(key) => {
                // It covers origin, size and root, and nothing else that a text may hold.
                let checkpoint = Checkpoint::parse(text).ok()?;
                let message = subtree(&self.name, seconds, &checkpoint)?;
                let key = UnparsedPublicKey::new(&ML_DSA_44, key);
                key.verify(&message, signature).ok()?;
            }
        }
        Timestamp::from_second(i64::try_from(seconds).ok()?).ok()
    }
}

impl fmt::Display for WitnessKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&note::join_key(
            &self.name,
            self.id,
            self.key.kind(),
            self.key.as_bytes(),
        ))
    }
}

impl FromStr for WitnessKey {
    type Err = KeyError;

    fn from_str(text: &str) -> Result<Self, KeyError> {
        let (name, id, key) = if let Some((name, id, key)) = note::split_key(text, COSIGNATURE) {
            (name, id, Public::Ed25519(note::point(&key)?))
        } else {
            let long = note::split_long_key::<ML_DSA_TYPED>(text, ML_DSA);
            let (name, id, key) = long.ok_or(KeyError::Form {
                what: "witness's key",
                form: "<name>+<id>+<base64>, of type 4 or 6 (C2SP tlog-cosignature, Ed25519 or ML-DSA-44)",
            })?;
            (name, id, Public::MlDsa(key.into()))
        };
        if note::key_id(&name, key.kind(), key.as_bytes()) != id {
            return Err(KeyError::Id);
        }
        Ok(Self { name, id, key })
    }
}

/// A checkpoint's note with the cosignatures in `lines`, a witness's answer, that `key` has made; others in it are left
/// out. Gives the time as well.
///
/// # Errors
/// The lines are no signature lines, none is by `key`, or one by it does not verify.
pub fn with_cosignature(note: &str, lines: &str, key: &WitnessKey) -> Result<(String, Timestamp), NoteError> {
    let note = Note::parse(note)?;
    let text = note.text();
    // What the witness says is held against the text alone, so that nothing else in the note can stand in for it.
    let answer = format!("{text}\n{lines}");
    let answer = Note::parse(&answer)?;
    let not_signed = || NoteError::NotSigned(key.name.clone());
    if answer.text() != text {
        return Err(not_signed());
    }
    let time = key.cosigned(&answer)?.ok_or_else(not_signed)?;
    let mut by = answer.signatures_by(&key.name, key.id);
    let newest = by.find(|timed| key.verify(text, timed) == Some(time));
    let line = note::write_line(&key.name, key.id, newest.ok_or_else(not_signed)?);
    let others = note.lines_without(&key.name, key.id);
    Ok((format!("{text}\n{others}{line}"), time))
}

/// What is signed: header, time, and the checkpoint's whole text.
fn message(text: &str, seconds: u64) -> String {
    format!("{HEADER}\ntime {seconds}\n{text}")
}

/// What ML-DSA-44 signs: a label, and then name, time, origin, first leaf, size and root. `None`: a name that has no length of one byte.
fn subtree(name: &Origin, seconds: u64, checkpoint: &Checkpoint) -> Option<Vec<u8>> {
    let mut message = SUBTREE.to_vec();
    let text = |message: &mut Vec<u8>, text: &Origin| {
        message.push(u8::try_from(text.as_str().len()).ok()?);
        message.extend_from_slice(text.as_str().as_bytes());
        Some(())
    };
    text(&mut message, name)?;
    message.extend_from_slice(&seconds.to_be_bytes());
    text(&mut message, &checkpoint.origin)?;
    message.extend_from_slice(&0_u64.to_be_bytes());
    message.extend_from_slice(&checkpoint.size.to_be_bytes());
    message.extend_from_slice(&checkpoint.root.0);
    Some(message)
}

#[cfg(test)]
mod tests;
