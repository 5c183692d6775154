//! Cosignatures (C2SP tlog-cosignature): a witness says that, at a time, a checkpoint was that of the largest
//! consistent tree of its log that the witness had seen.
//!
//! Ed25519 (signature type 4) only; lines of other types are carried and ignored like those of any unknown key.

use std::fmt;
use std::str::FromStr;

use ed25519_dalek::{Signature, Signer as _, SigningKey, VerifyingKey};
use jiff::Timestamp;
use zeroize::{Zeroize as _, Zeroizing};

use crate::id::Origin;
use crate::note::{self, KeyError, Note, NoteError};
use crate::witness::Consistent;

/// The signature type of Ed25519 cosignatures, by which key ids and encoded keys begin.
const COSIGNATURE: u8 = 4;

/// First bytes of what is signed.
const HEADER: &str = "cosignature/v1";

/// Bytes of a time before each signature.
const TIME_BYTES: usize = 8;

/// A witness's secret key. Wiped when dropped; `Debug` shows the name only.
#[derive(Clone)]
pub struct CosignerKey {
    name: Origin,
    key: SigningKey,
}

/// A witness's public key, under the name it cosigns with. Its text is the C2SP vkey: `name+id+base64(0x04 ||
/// key)`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WitnessKey {
    name: Origin,
    id: [u8; 4],
    key: VerifyingKey,
}

impl CosignerKey {
    /// The key that follows from `seed`, 32 bytes from the system's random source, under `name`. A key must not be
    /// used under two names, nor for anything else: what it signs does not name the witness.
    pub fn generate(mut seed: [u8; 32], name: Origin) -> Self {
        let key = SigningKey::from_bytes(&seed);
        seed.zeroize();
        Self { name, key }
    }

    /// Reads what [`CosignerKey::encode`] writes.
    ///
    /// # Errors
    /// The text is no such key; the error shows nothing of it.
    pub fn parse(text: &str) -> Result<Self, KeyError> {
        let (name, id, seed) = note::split_secret(text, COSIGNATURE).ok_or(KeyError::Form {
            what: "witness's secret key",
            form: "PRIVATE+KEY+<name>+<id>+<base64>",
        })?;
        let key = Self::generate(*seed, name);
        if key.id() == id {
            Ok(key)
        } else {
            Err(KeyError::Id)
        }
    }

    /// The secret key as text: `PRIVATE+KEY+<name>+<id>+<base64(0x04 || seed)>`.
    pub fn encode(&self) -> Zeroizing<String> {
        note::join_secret(&self.name, self.id(), COSIGNATURE, &self.key)
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
            key: self.key.verifying_key(),
        }
    }

    /// The signature line that says that `now`, in whole seconds, this was the largest tree of its log. Whoever asks
    /// must have made the checkpoint's place durable before.
    ///
    /// # Errors
    /// The time is before 1970.
    pub fn cosign(&self, consistent: &Consistent, now: Timestamp) -> Result<String, BeforeEpoch> {
        let time = u64::try_from(now.as_second()).map_err(|_| BeforeEpoch)?;
        let message = message(&consistent.checkpoint().to_text(), time);
        let signature = self.key.sign(message.as_bytes()).to_bytes();
        let timed: Vec<u8> = time.to_be_bytes().into_iter().chain(signature).collect();
        Ok(note::write_line(&self.name, self.id(), &timed))
    }

    fn id(&self) -> [u8; 4] {
        note::key_id(&self.name, COSIGNATURE, self.key.verifying_key().as_bytes())
    }
}

/// A clock that stands before 1970: no cosignature has such a time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a cosignature's time cannot be before 1970")]
pub struct BeforeEpoch;

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

    /// The public key's 32 bytes (RFC 8032 section 5.1.5).
    pub fn as_bytes(&self) -> &[u8; 32] {
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
        let signature = Signature::from_slice(signature).ok()?;
        let message = message(text, seconds);
        self.key.verify_strict(message.as_bytes(), &signature).ok()?;
        Timestamp::from_second(i64::try_from(seconds).ok()?).ok()
    }
}

impl fmt::Display for WitnessKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&note::join_key(
            &self.name,
            self.id,
            COSIGNATURE,
            self.key.as_bytes(),
        ))
    }
}

impl FromStr for WitnessKey {
    type Err = KeyError;

    fn from_str(text: &str) -> Result<Self, KeyError> {
        let (name, id, key) = note::split_key(text, COSIGNATURE).ok_or(KeyError::Form {
            what: "witness's key",
            form: "<name>+<id>+<base64>, of type 4 (C2SP tlog-cosignature, Ed25519)",
        })?;
        if note::key_id(&name, COSIGNATURE, &key) != id {
            return Err(KeyError::Id);
        }
        Ok(Self {
            name,
            id,
            key: note::point(&key)?,
        })
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

#[cfg(test)]
mod tests;
