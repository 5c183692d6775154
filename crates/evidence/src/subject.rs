//! Whom rows are about, without names: keyed tags of subject keys, and sets of them.
//!
//! A tag is SipHash-2-4 of the data set's id, a zero byte and the key's canonical text, under the custodian's accounting
//! key. Whoever lacks the key learns from a tag only whether two are equal; whoever has it can test a name, which is what
//! an accounting of disclosures does. The canonical text is that of `wire::value`; `docs/formats.md` gives both.

use std::fmt;
use std::hash::Hasher as _;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use sha2::{Digest as _, Sha256};
use siphasher::sip::SipHasher24;
use zeroize::{Zeroize as _, ZeroizeOnDrop};

use crate::id::DatasetId;

/// Bytes of an accounting key: what SipHash takes.
pub const KEY_BYTES: usize = 16;

/// Bytes of a tag. Among a thousand million different subjects, another one has the tag asked for with a chance of one in
/// ten thousand million.
pub const TAG_BYTES: usize = 8;

/// Bytes of a key's hash that its id shows.
const ID_BYTES: usize = 4;

/// The custodian's key of all tags: random bytes, wiped when dropped, never printed.
#[derive(Clone, ZeroizeOnDrop)]
pub struct AccountingKey([u8; KEY_BYTES]);

impl AccountingKey {
    /// The key with these bytes, which must come from the system's random source.
    pub fn new(mut bytes: [u8; KEY_BYTES]) -> Self {
        let key = Self(bytes);
        bytes.zeroize();
        key
    }

    /// The bytes, to be stored.
    pub fn reveal(&self) -> &[u8; KEY_BYTES] {
        &self.0
    }

    /// Names the key without telling anything of it: tags of two keys must not be taken for one another.
    pub fn id(&self) -> KeyId {
        let digest = Sha256::new_with_prefix(b"estop/accounting-key/v1\0")
            .chain_update(self.0)
            .finalize();
        let bytes = digest.first_chunk::<ID_BYTES>().copied().unwrap_or_default();
        KeyId(u32::from_be_bytes(bytes))
    }

    /// The tagger of one data set's keys.
    pub fn tagger(&self, dataset: &DatasetId) -> Tagger {
        let mut begun = SipHasher24::new_with_key(&self.0);
        begun.write(dataset.as_str().as_bytes());
        begun.write(&[0]);
        Tagger(begun)
    }
}

impl fmt::Debug for AccountingKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("AccountingKey(..)")
    }
}

/// Which accounting key: eight hexadecimal digits.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct KeyId(u32);

impl fmt::Display for KeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:08x}", self.0)
    }
}

impl fmt::Debug for KeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }
}

impl Serialize for KeyId {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for KeyId {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = std::borrow::Cow::<'_, str>::deserialize(deserializer)?;
        let id = u32::from_str_radix(&text, 16).map(Self);
        id.ok()
            .filter(|id| id.to_string() == text)
            .ok_or_else(|| serde::de::Error::custom("not the id of an accounting key"))
    }
}

/// A subject, of a data set, under a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Tag(pub u64);

/// Makes tags of one data set's keys.
#[derive(Clone)]
pub struct Tagger(SipHasher24);

impl Tagger {
    /// The tag of a key, by its canonical text.
    pub fn tag(&self, canonical: &[u8]) -> Tag {
        let mut hasher = self.0;
        hasher.write(canonical);
        Tag(hasher.finish())
    }
}

impl fmt::Debug for Tagger {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Its state is as secret as the key.
        f.write_str("Tagger(..)")
    }
}

/// A set of tags: sorted, each once. In JSON: base64 of eight bytes each, big-endian, in order.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct TagSet(Vec<Tag>);

impl TagSet {
    /// Of these, in any order.
    pub fn new(mut tags: Vec<Tag>) -> Self {
        tags.sort_unstable();
        tags.dedup();
        Self(tags)
    }

    /// In order.
    pub fn tags(&self) -> &[Tag] {
        &self.0
    }

    /// Whether this one is among them.
    pub fn contains(&self, tag: Tag) -> bool {
        self.0.binary_search(&tag).is_ok()
    }
}

impl Serialize for TagSet {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut bytes = Vec::with_capacity(self.0.len().saturating_mul(TAG_BYTES));
        for tag in &self.0 {
            bytes.extend_from_slice(&tag.0.to_be_bytes());
        }
        serializer.serialize_str(&STANDARD.encode(bytes))
    }
}

impl<'de> Deserialize<'de> for TagSet {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let wrong = || serde::de::Error::custom("not a set of tags: eight bytes each, in order, each once");
        let text = std::borrow::Cow::<'_, str>::deserialize(deserializer)?;
        let bytes = STANDARD.decode(text.as_bytes()).map_err(|_| wrong())?;
        let (chunks, rest) = bytes.as_chunks::<TAG_BYTES>();
        let tags: Vec<Tag> = chunks
            .iter()
            .map(|chunk| Tag(u64::from_be_bytes(*chunk)))
            .collect();
        let mut pairs = tags.iter().zip(tags.iter().skip(1));
        if !rest.is_empty() || !pairs.all(|(one, next)| one < next) {
            return Err(wrong());
        }
        Ok(Self(tags))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn tags_are_siphash_of_data_set_and_key() {
        let key = AccountingKey::new([7; KEY_BYTES]);
        let people: DatasetId = "people".parse().unwrap();
        let whole = SipHasher24::new_with_key(&[7; KEY_BYTES]).hash(b"people\x0042");
        assert_eq!(key.tagger(&people).tag(b"42"), Tag(whole));
        assert_ne!(key.tagger(&people).tag(b"43"), Tag(whole));
        let other: DatasetId = "peopl".parse().unwrap();
        assert_ne!(key.tagger(&other).tag(b"e42"), Tag(whole));
        assert_ne!(key.id(), AccountingKey::new([8; KEY_BYTES]).id());
        assert_eq!(
            serde_json::from_str::<KeyId>(&format!("\"{}\"", key.id())).unwrap(),
            key.id()
        );
        assert!(!format!("{key:?} {:?}", key.tagger(&people)).contains('7'));
        // The vector of SipHash's authors (key and message of bytes that count up), so that others compute the same.
        let counting: [u8; 16] = std::array::from_fn(|at| u8::try_from(at).unwrap());
        assert_eq!(
            SipHasher24::new_with_key(&counting).hash(&counting[..15]),
            0xa129_ca61_49be_45e5
        );
    }

    proptest! {
        #[test]
        fn a_set_is_what_was_put_in(tags in prop::collection::vec(0_u64..500, 0..60), asked in 0_u64..500) {
            let set = TagSet::new(tags.iter().copied().map(Tag).collect());
            prop_assert_eq!(set.contains(Tag(asked)), tags.contains(&asked));
            let text = serde_json::to_string(&set).unwrap();
            prop_assert_eq!(serde_json::from_str::<TagSet>(&text).unwrap(), set);
        }
    }

    #[test]
    fn a_set_has_one_spelling() {
        for text in [
            "\"AAAAAAAAAAEAAAAAAAAAAQ==\"",
            "\"AAAAAAAAAAIAAAAAAAAAAQ==\"",
            "\"AAAA\"",
            "\"?\"",
        ] {
            assert!(serde_json::from_str::<TagSet>(text).is_err(), "{text}");
        }
    }
}
