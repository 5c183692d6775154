//! Signed notes (C2SP signed-note): a text and the Ed25519 signatures under it.
//!
//! Only signature type 1 is verified here, and type 4 in [`cosignature`](crate::cosignature); lines by other keys are
//! carried and ignored, as the specification asks. The key of a line is known by its name and a 32-bit id, but trusted only as the [`VerifierKey`] that
//! the caller brought.

use std::fmt;
use std::str::FromStr;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use ed25519_dalek::{Signature, Signer as _, SigningKey, VerifyingKey};
use sha2::{Digest as _, Sha256};
use zeroize::Zeroizing;

use crate::checkpoint::Checkpoint;
use crate::hash::decode_base64;
use crate::id::Origin;

/// Longest note in bytes, so that nobody can make a verifier read for ever.
pub const MAX_NOTE_BYTES: usize = 1_000_000;

/// Most signature lines of a note. The specification asks for 16 at least.
pub const MAX_SIGNATURES: usize = 100;

/// Longest text of a note in bytes: leaves every one of [`MAX_SIGNATURES`] lines a thousand.
pub const MAX_TEXT_BYTES: usize = 900_000;

/// The signature type of plain Ed25519, by which key ids and encoded keys begin.
const ED25519: u8 = 1;

/// What a secret key's text begins with.
const SECRET_PREFIX: &str = "PRIVATE+KEY+";

/// What each signature line begins with: an em dash and a space.
const SIGNATURE_PREFIX: &str = "\u{2014} ";

/// The text of a note: not empty, ends in a line feed, without other ASCII control characters, at most
/// [`MAX_TEXT_BYTES`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Text(String);

/// A key that signs. Wiped when dropped; `Debug` shows the name only.
#[derive(Clone)]
pub struct SignerKey {
    name: Origin,
    key: SigningKey,
}

/// A key that verifies, under the name it signs with. Its text is the C2SP vkey: `name+id+base64(type ||
/// key)`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VerifierKey {
    name: Origin,
    id: [u8; 4],
    key: VerifyingKey,
}

/// A note that has the form of one. Nothing in it is verified yet.
#[derive(Debug)]
pub struct Note<'a> {
    text: &'a str,
    signatures: Vec<SignatureLine<'a>>,
}

#[derive(Debug)]
struct SignatureLine<'a> {
    name: &'a str,
    id: [u8; 4],
    signature: Vec<u8>,
}

/// A note that cannot be made, read or trusted.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NoteError {
    /// The note or its text is too long.
    #[error("a note has at most {MAX_NOTE_BYTES} bytes and its text {MAX_TEXT_BYTES}, this one has {bytes}")]
    TooLong {
        /// How long it is.
        bytes: usize,
    },
    /// The text is empty, lacks the last line feed or holds control characters.
    #[error("a note's text ends in a line feed and has no other control characters")]
    Text,
    /// There is no empty line followed by signature lines.
    #[error("no empty line with signature lines after it: this is no signed note")]
    NoSignatures,
    /// A signature line has another form.
    #[error("signature line {line} of the note is not `\u{2014} <name> <base64>`")]
    Signature {
        /// Number among the signature lines, from 1.
        line: usize,
    },
    /// Too many signature lines.
    #[error("a note has at most {MAX_SIGNATURES} signature lines")]
    TooManySignatures,
    /// The key asked for has not signed.
    #[error("no signature by `{0}` with the key that was given")]
    NotSigned(Origin),
    /// The key asked for is named, but the signature is not of this text by this key.
    #[error("the signature by `{0}` does not verify")]
    BadSignature(Origin),
}

/// A text that is not a key.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum KeyError {
    /// The form is wrong.
    #[error("not a {what}: expected `{form}`")]
    Form {
        /// The kind of key.
        what: &'static str,
        /// How one looks.
        form: &'static str,
    },
    /// The id in the text is not that of the name and key in it.
    #[error("the key's id is not that of its name and bytes: a character was changed or lost")]
    Id,
    /// The bytes are no point of the curve, or one whose signatures prove nothing.
    #[error("not an Ed25519 public key that can be relied on")]
    Point,
}

impl Text {
    /// The text as that of a note.
    ///
    /// # Errors
    /// It is too long, empty, lacks the last line feed or holds control characters.
    pub fn new(text: impl Into<String>) -> Result<Self, NoteError> {
        let text = text.into();
        check_text(&text)?;
        Ok(Self(text))
    }

    /// The text of a checkpoint.
    pub(crate) fn of_checkpoint(checkpoint: &Checkpoint) -> Self {
        // INVARIANT: an origin, a count and base64 are at most some 400 bytes of printable ASCII, and the
        // last line is ended, which is all that a text has to be.
        Self(checkpoint.to_text())
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The text.
    pub fn into_string(self) -> String {
        self.0
    }
}

impl fmt::Display for Text {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl SignerKey {
    /// The key that follows from `seed`, 32 bytes from the system's random source, under `name`.
    pub fn generate(seed: [u8; 32], name: Origin) -> Self {
        let seed = Zeroizing::new(seed);
        Self {
            name,
            key: SigningKey::from_bytes(&seed),
        }
    }

    /// Reads what [`SignerKey::encode`] writes.
    ///
    /// # Errors
    /// The text is no secret key; the error shows nothing of it.
    pub fn parse(text: &str) -> Result<Self, KeyError> {
        let form = KeyError::Form {
            what: "secret key",
            form: "PRIVATE+KEY+<name>+<id>+<base64>",
        };
        let (name, id, seed) = split_secret(text, ED25519).ok_or(form)?;
        let signer = Self {
            name,
            key: SigningKey::from_bytes(&seed),
        };
        if signer.id() == id {
            Ok(signer)
        } else {
            Err(KeyError::Id)
        }
    }

    /// The secret key as text: `PRIVATE+KEY+<name>+<id>+<base64(type || seed)>`, the form Go's note tools
    /// use.
    pub fn encode(&self) -> Zeroizing<String> {
        join_secret(&self.name, self.id(), ED25519, self.key.as_bytes())
    }

    /// The name it signs with.
    pub fn name(&self) -> &Origin {
        &self.name
    }

    /// The same key under another name.
    #[must_use]
    pub fn renamed(&self, name: &Origin) -> Self {
        Self {
            name: name.clone(),
            key: self.key.clone(),
        }
    }

    /// The key that verifies what this one signs.
    pub fn verifier(&self) -> VerifierKey {
        VerifierKey {
            name: self.name.clone(),
            id: self.id(),
            key: self.key.verifying_key(),
        }
    }

    fn id(&self) -> [u8; 4] {
        key_id(&self.name, ED25519, self.key.verifying_key().as_bytes())
    }
}

impl fmt::Debug for SignerKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SignerKey({}, ..)", self.name)
    }
}

impl VerifierKey {
    /// The key with these 32 bytes (RFC 8032 section 5.1.5) under `name`.
    ///
    /// # Errors
    /// They are no point of the curve, or one of small order, for which signatures can be made without a
    /// secret.
    pub fn new(name: Origin, bytes: &[u8; 32]) -> Result<Self, KeyError> {
        Ok(Self {
            id: key_id(&name, ED25519, bytes),
            name,
            key: point(bytes)?,
        })
    }

    /// The name it verifies signatures of.
    pub fn name(&self) -> &Origin {
        &self.name
    }

    /// The public key's 32 bytes.
    pub fn as_bytes(&self) -> &[u8; 32] {
        self.key.as_bytes()
    }

    /// The same key under another name, as a custodian signs each log under that log's origin.
    #[must_use]
    pub fn renamed(&self, name: &Origin) -> Self {
        Self {
            name: name.clone(),
            id: key_id(name, ED25519, self.key.as_bytes()),
            key: self.key,
        }
    }

    fn verify(&self, text: &str, signature: &[u8]) -> Result<(), NoteError> {
        let bad = || NoteError::BadSignature(self.name.clone());
        let signature = Signature::from_slice(signature).map_err(|_| bad())?;
        self.key
            .verify_strict(text.as_bytes(), &signature)
            .map_err(|_| bad())
    }
}

impl fmt::Display for VerifierKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&join_key(&self.name, self.id, ED25519, self.key.as_bytes()))
    }
}

impl FromStr for VerifierKey {
    type Err = KeyError;

    fn from_str(text: &str) -> Result<Self, KeyError> {
        let form = KeyError::Form {
            what: "verifier key",
            form: "<name>+<id>+<base64>",
        };
        let (name, id, key) = split_key(text, ED25519).ok_or(form)?;
        let verifier = Self::new(name, &key)?;
        if verifier.id == id {
            Ok(verifier)
        } else {
            Err(KeyError::Id)
        }
    }
}

impl<'a> Note<'a> {
    /// Takes a note apart.
    ///
    /// # Errors
    /// It has not the form of one, or is beyond the bounds.
    pub fn parse(note: &'a str) -> Result<Self, NoteError> {
        if note.len() > MAX_NOTE_BYTES {
            return Err(NoteError::TooLong { bytes: note.len() });
        }
        // The last empty line: texts may have empty lines of their own.
        let (head, tail) = note.rsplit_once("\n\n").ok_or(NoteError::NoSignatures)?;
        let text = note.get(..head.len().saturating_add(1)).ok_or(NoteError::Text)?;
        check_text(text)?;
        let lines = tail.strip_suffix('\n').ok_or(NoteError::NoSignatures)?;
        if lines.split('\n').nth(MAX_SIGNATURES).is_some() {
            return Err(NoteError::TooManySignatures);
        }
        let signatures = (1..)
            .zip(lines.split('\n'))
            .map(|(line, text)| signature_line(text).ok_or(NoteError::Signature { line }))
            .collect::<Result<_, _>>()?;
        Ok(Self { text, signatures })
    }

    /// The text, unverified.
    pub fn text(&self) -> &'a str {
        self.text
    }

    /// Names and key ids of the signature lines, unverified.
    pub fn signers(&self) -> impl Iterator<Item = (&'a str, [u8; 4])> {
        self.signatures.iter().map(|line| (line.name, line.id))
    }

    /// The signatures of the lines with that name and id.
    pub(crate) fn signatures_by(&self, name: &Origin, id: [u8; 4]) -> impl Iterator<Item = &[u8]> {
        let by = move |line: &&SignatureLine<'_>| line.id == id && line.name == name.as_str();
        let name_and_id = self.signatures.iter().filter(by);
        name_and_id.map(|line| line.signature.as_slice())
    }

    /// The signature lines, but for those with that name and id.
    pub(crate) fn lines_without(&self, name: &Origin, id: [u8; 4]) -> String {
        let others = self
            .signatures
            .iter()
            .filter(|line| line.id != id || line.name != name.as_str());
        others
            .map(|line| write_line(line.name, line.id, &line.signature))
            .collect()
    }

    /// The text, if `key` has signed it.
    ///
    /// # Errors
    /// There is no signature line by that key, or one that does not verify.
    pub fn verify(&self, key: &VerifierKey) -> Result<Text, NoteError> {
        let mut signed = false;
        for signature in self.signatures_by(&key.name, key.id) {
            key.verify(self.text, signature)?;
            signed = true;
        }
        if signed {
            Ok(Text(self.text.to_owned()))
        } else {
            Err(NoteError::NotSigned(key.name.clone()))
        }
    }
}

/// The note of `text` with one signature, by `key`.
pub fn sign(text: &Text, key: &SignerKey) -> String {
    let signature = key.key.sign(text.0.as_bytes()).to_bytes();
    format!("{text}\n{}", write_line(&key.name, key.id(), &signature))
}

/// The text of a note that `key` has signed. Signatures by other keys are ignored.
///
/// # Errors
/// It is no note, `key` has not signed it, or its signature does not verify.
pub fn open(note: &str, key: &VerifierKey) -> Result<Text, NoteError> {
    Note::parse(note)?.verify(key)
}

fn check_text(text: &str) -> Result<(), NoteError> {
    if text.len() > MAX_TEXT_BYTES {
        return Err(NoteError::TooLong { bytes: text.len() });
    }
    if !text.ends_with('\n') || text.bytes().any(|byte| byte < b' ' && byte != b'\n') {
        return Err(NoteError::Text);
    }
    Ok(())
}

fn signature_line(line: &str) -> Option<SignatureLine<'_>> {
    let (name, blob) = line.strip_prefix(SIGNATURE_PREFIX)?.split_once(' ')?;
    if name.is_empty() || name.contains(|c: char| c.is_whitespace() || c.is_control() || c == '+') {
        return None;
    }
    let blob = STANDARD.decode(blob).ok()?;
    let (id, signature) = blob.split_first_chunk::<4>()?;
    if signature.is_empty() {
        return None;
    }
    Some(SignatureLine {
        name,
        id: *id,
        signature: signature.to_vec(),
    })
}

/// A signature line.
pub(crate) fn write_line(name: impl fmt::Display, id: [u8; 4], signature: &[u8]) -> String {
    let blob: Vec<u8> = id.into_iter().chain(signature.iter().copied()).collect();
    format!("{SIGNATURE_PREFIX}{name} {}\n", STANDARD.encode(blob))
}

/// Name, id and key of `name+id+base64(type || key)` with that type.
pub(crate) fn split_key(text: &str, kind: u8) -> Option<(Origin, [u8; 4], [u8; 32])> {
    let (name, id, bytes) = split(text)?;
    let bytes = Zeroizing::new(decode_base64::<33>(bytes)?);
    let (&found, key) = bytes.split_first()?;
    (found == kind).then_some((name, id, key.try_into().ok()?))
}

/// The same of a key of another length: `LENGTH` is that of the type and the key.
pub(crate) fn split_long_key<const LENGTH: usize>(
    text: &str,
    kind: u8,
) -> Option<(Origin, [u8; 4], Vec<u8>)> {
    let (name, id, bytes) = split(text)?;
    let bytes = decode_base64::<LENGTH>(bytes)?;
    let (&found, key) = bytes.split_first()?;
    (found == kind).then_some((name, id, key.to_vec()))
}

/// Name, id, and type with key in base64.
fn split(text: &str) -> Option<(Origin, [u8; 4], &str)> {
    let (name, rest) = text.split_once('+')?;
    let (id, bytes) = rest.split_once('+')?;
    let number = u32::from_str_radix(id, 16).ok()?;
    let id = Some(number.to_be_bytes()).filter(|bytes| hex(*bytes) == id)?;
    Some((name.parse().ok()?, id, bytes))
}

/// What [`split_key`] reads.
pub(crate) fn join_key(name: &Origin, id: [u8; 4], kind: u8, key: &[u8]) -> Zeroizing<String> {
    let mut bytes = Zeroizing::new(vec![kind; key.len().saturating_add(1)]);
    for (to, from) in bytes.iter_mut().skip(1).zip(key) {
        *to = *from;
    }
    let encoded = Zeroizing::new(STANDARD.encode(bytes.as_slice()));
    Zeroizing::new(format!("{name}+{}+{}", hex(id), encoded.as_str()))
}

/// Name, id and seed of a secret key with that type.
pub(crate) fn split_secret(text: &str, kind: u8) -> Option<(Origin, [u8; 4], Zeroizing<[u8; 32]>)> {
    let (name, id, seed) = split_key(text.strip_prefix(SECRET_PREFIX)?, kind)?;
    Some((name, id, Zeroizing::new(seed)))
}

/// What [`split_secret`] reads.
pub(crate) fn join_secret(name: &Origin, id: [u8; 4], kind: u8, seed: &[u8; 32]) -> Zeroizing<String> {
    let key = join_key(name, id, kind, seed);
    Zeroizing::new(format!("{SECRET_PREFIX}{}", key.as_str()))
}

/// The public key, if it is one that can be relied on.
pub(crate) fn point(bytes: &[u8; 32]) -> Result<VerifyingKey, KeyError> {
    let key = VerifyingKey::from_bytes(bytes).map_err(|_| KeyError::Point)?;
    if key.is_weak() {
        Err(KeyError::Point)
    } else {
        Ok(key)
    }
}

/// `SHA-256(name || 0x0A || type || public key)[:4]`.
pub(crate) fn key_id(name: &Origin, kind: u8, key: &[u8]) -> [u8; 4] {
    let hash = Sha256::new()
        .chain_update(name.as_str())
        .chain_update([b'\n', kind])
        .chain_update(key);
    let [a, b, c, d, ..]: [u8; 32] = hash.finalize().into();
    [a, b, c, d]
}

fn hex(id: [u8; 4]) -> String {
    format!("{:08x}", u32::from_be_bytes(id))
}

#[cfg(test)]
mod tests;
