//! Who may sign: the `allowed_signers` file of OpenSSH (`ssh-keygen(1)`, ALLOWED SIGNERS), read more strictly
//! than OpenSSH does.
//!
//! One line is one key: `principal [options] keytype base64-key [comment]`. One principal is one person;
//! several lines with the same principal are one person with several keys. What would blur who signed is
//! refused: wildcards, several principals on a line, certificate authorities, one key under two names, local
//! times.

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

use jiff::Timestamp;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use ssh_key::HashAlg;
use ssh_key::public::KeyData;

mod line;

/// Longest file in bytes: some 300 keys. A custodian has a dozen authorities, and the file stands in every
/// certificate.
pub const MAX_SIGNERS_BYTES: usize = 64 << 10;

/// Longest [`Person`] in bytes: an address of a person, with room for a long domain.
pub const MAX_PERSON_BYTES: usize = 100;

/// A person as the principal of a line names them, such as `mayor@city.example`.
///
/// One to [`MAX_PERSON_BYTES`] printable ASCII characters without `,`, `*`, `?`, `!`, `#`, `\`, `"` and `'`:
/// nothing that OpenSSH would read as a pattern, a list, a comment or a quotation.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Person(String);

/// A text that names no single person.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "`{shown}` does not name one person: 1 to 100 printable ASCII characters without `,`, `*`, `?`, `!`, `#`, `\\` and \
     quotes, such as `mayor@city.example`"
)]
pub struct PersonError {
    shown: String,
}

/// One key of one person, and what limits its use.
#[derive(Clone, PartialEq, Eq)]
pub struct AllowedKey {
    person: Person,
    key: KeyData,
    namespaces: Option<Vec<String>>,
    valid_after: Option<Timestamp>,
    valid_before: Option<Timestamp>,
    line: usize,
}

/// Why a key may not be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Unusable {
    /// The line has `namespaces="..."` and the namespace asked for is not among them.
    #[error("it is allowed for `{allowed}` only")]
    Namespace {
        /// The namespaces it is allowed for, joined by commas.
        allowed: String,
    },
    /// Its `valid-after` has not come.
    #[error("it is valid from {from} on")]
    NotYet {
        /// The first second of its validity.
        from: Timestamp,
    },
    /// Its `valid-before` is past.
    #[error("it was valid until {until}")]
    Expired {
        /// The last second of its validity.
        until: Timestamp,
    },
}

/// A parsed file. It keeps the text it came from, byte for byte.
#[derive(Clone, PartialEq, Eq)]
pub struct AllowedSigners {
    text: String,
    keys: Vec<AllowedKey>,
}

/// A file that is refused: where, and what would be right.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("allowed signers, line {line}: {fault}")]
pub struct SignersError {
    /// Number of the line, from 1; 0 if it is the file as a whole.
    pub line: usize,
    /// What is wrong with it.
    pub fault: SignersFault,
}

/// What is wrong with a line of an `allowed_signers` file.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SignersFault {
    /// The file is longer than [`MAX_SIGNERS_BYTES`].
    #[error("the file has {bytes} bytes, at most {MAX_SIGNERS_BYTES} are allowed")]
    TooLong {
        /// How long it is.
        bytes: usize,
    },
    /// A tab, a carriage return or another control character. Certificates hold the file, and cannot hold
    /// those.
    #[error("control character {0:?}: fields are separated by spaces, lines end in a line feed alone")]
    Control(char),
    /// The last line has no line feed.
    #[error("the last line must end in a line feed")]
    Unended,
    /// The principal is a list or a pattern, or no name at all.
    #[error(transparent)]
    Person(#[from] PersonError),
    /// The principal differs from an earlier one in case alone.
    #[error("`{this}` and `{earlier}` of line {line} differ in case alone: spell one person one way")]
    Case {
        /// The principal of this line.
        this: Person,
        /// The earlier one.
        earlier: Person,
        /// The earlier line.
        line: usize,
    },
    /// Nothing after the principal, or no key after the type.
    #[error("expected `principal [options] keytype base64-key [comment]`")]
    Incomplete,
    /// `cert-authority`.
    #[error("`cert-authority` is not accepted: name each person's own key")]
    CertAuthority,
    /// An option that is not known.
    #[error(
        "unknown option `{0}`: known are `namespaces=\"...\"`, `valid-after=\"...\"` and `valid-before=\"...\"`"
    )]
    Option(String),
    /// An option that stands there twice.
    #[error("option `{0}` stands there twice")]
    Twice(&'static str),
    /// An option whose value is not in double quotes, or a quotation that does not end.
    #[error("the value of option `{0}` must stand in double quotes, without `\\` and `\"` inside")]
    Quotes(String),
    /// A namespace that is empty, a pattern, or holds spaces.
    #[error("`{0}` is not a list of namespaces: names separated by commas, without `*`, `?`, `!` and spaces")]
    Namespaces(String),
    /// A time in another form, or without `Z`.
    #[error(
        "`{value}` is not a time for `{option}`: write `YYYYMMDDZ`, `YYYYMMDDHHMMZ` or \
         `YYYYMMDDHHMMSSZ`, in UTC with the `Z`"
    )]
    Time {
        /// The option.
        option: &'static str,
        /// Its value.
        value: String,
    },
    /// `valid-after` is not before `valid-before`.
    #[error("`valid-after` must be before `valid-before`")]
    NeverValid,
    /// A type of key that is not accepted.
    #[error(
        "key type `{0}` is not accepted: use `ssh-ed25519`, `ecdsa-sha2-nistp256` or `sk-ssh-ed25519@openssh.com`"
    )]
    KeyType(String),
    /// The key is not what its type says, not in canonical base64, or one that anybody can sign for.
    #[error("not a usable key of type `{0}`: copy the line of the `.pub` file unchanged")]
    Key(String),
    /// The same key stands in an earlier line.
    #[error(
        "this key stands in line {line} already, as that of `{person}`: one key belongs to one line of one person"
    )]
    KeyTwice {
        /// The earlier line.
        line: usize,
        /// Whose key it is there.
        person: Person,
    },
}

impl Person {
    /// The name as it is written.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for Person {
    type Err = PersonError;

    fn from_str(text: &str) -> Result<Self, PersonError> {
        let plain = |byte: u8| byte.is_ascii_graphic() && !b",*?!#\\\"'".contains(&byte);
        if (1..=MAX_PERSON_BYTES).contains(&text.len()) && text.bytes().all(plain) {
            Ok(Self(text.to_owned()))
        } else {
            Err(PersonError {
                shown: line::shown(text),
            })
        }
    }
}

impl fmt::Display for Person {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

impl fmt::Debug for Person {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Person({})", self.0)
    }
}

impl Serialize for Person {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.0)
    }
}

impl<'de> Deserialize<'de> for Person {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?
            .parse()
            .map_err(serde::de::Error::custom)
    }
}

impl AllowedKey {
    /// Whose key it is.
    pub fn person(&self) -> &Person {
        &self.person
    }

    /// Type of the key as OpenSSH writes it, such as `ssh-ed25519`.
    pub fn key_type(&self) -> String {
        self.key.algorithm().to_string()
    }

    /// Fingerprint of the key as `ssh-keygen -l` prints it: `SHA256:` and unpadded base64.
    pub fn fingerprint(&self) -> String {
        self.key.fingerprint(HashAlg::Sha256).to_string()
    }

    /// Number of the line it stands in, from 1.
    pub fn line(&self) -> usize {
        self.line
    }

    /// Whether a signature may be made with it in `namespace` at the time `now`. Both ends of the validity
    /// belong to it, and seconds are compared whole, as OpenSSH does.
    ///
    /// # Errors
    /// It may not: the reason.
    pub fn usable(&self, namespace: &str, now: Timestamp) -> Result<(), Unusable> {
        if let Some(allowed) = &self.namespaces
            && !allowed.iter().any(|name| name == namespace)
        {
            return Err(Unusable::Namespace {
                allowed: allowed.join(","),
            });
        }
        match (self.valid_after, self.valid_before) {
            (Some(from), _) if now.as_second() < from.as_second() => Err(Unusable::NotYet { from }),
            (_, Some(until)) if now.as_second() > until.as_second() => Err(Unusable::Expired { until }),
            _ => Ok(()),
        }
    }

    /// The key as the signature check wants it.
    pub(crate) fn key(&self) -> &KeyData {
        &self.key
    }
}

impl fmt::Debug for AllowedKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "AllowedKey(line {}, {}, {})",
            self.line,
            self.person,
            self.fingerprint()
        )
    }
}

impl AllowedSigners {
    /// Reads a file.
    ///
    /// # Errors
    /// The first line that is refused, why, and what would be right.
    pub fn parse(text: &str) -> Result<Self, SignersError> {
        let whole = |fault| SignersError { line: 0, fault };
        if text.len() > MAX_SIGNERS_BYTES {
            return Err(whole(SignersFault::TooLong { bytes: text.len() }));
        }
        let mut parsed = Parsed::default();
        // Not `str::lines`, which would hide a carriage return before the line feed.
        for (line, content) in (1..).zip(text.split('\n')) {
            parsed
                .line(line, content)
                .map_err(|fault| SignersError { line, fault })?;
        }
        if !text.is_empty() && !text.ends_with('\n') {
            return Err(SignersError {
                line: text.split('\n').count(),
                fault: SignersFault::Unended,
            });
        }
        Ok(Self {
            text: text.to_owned(),
            keys: parsed.keys,
        })
    }

    /// The file, byte for byte.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// The keys, in the order of their lines.
    pub fn keys(&self) -> &[AllowedKey] {
        &self.keys
    }

    /// The people, each once, in alphabetical order.
    pub fn people(&self) -> Vec<&Person> {
        let mut people: Vec<_> = self.keys.iter().map(AllowedKey::person).collect();
        people.sort();
        people.dedup();
        people
    }

    /// The line of a key; `None` if nobody's.
    pub(crate) fn find(&self, key: &KeyData) -> Option<&AllowedKey> {
        self.keys.iter().find(|allowed| allowed.key == *key)
    }
}

impl fmt::Debug for AllowedSigners {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("AllowedSigners").field(&self.keys).finish()
    }
}

/// What has been read so far.
#[derive(Default)]
struct Parsed {
    keys: Vec<AllowedKey>,
    /// First line of each person, under their name in lower case.
    people: BTreeMap<String, (Person, usize)>,
    /// Line of each key, under what makes two keys the same secret.
    secrets: BTreeMap<Vec<u8>, usize>,
}

impl Parsed {
    fn line(&mut self, line: usize, content: &str) -> Result<(), SignersFault> {
        if let Some(control) = content.chars().find(|c| c.is_control()) {
            return Err(SignersFault::Control(control));
        }
        let content = content.trim_matches(' ');
        if content.is_empty() || content.starts_with('#') {
            return Ok(());
        }
        let key = line::parse(line, content)?;
        self.one_spelling(&key)?;
        self.one_owner(&key)?;
        self.keys.push(key);
        Ok(())
    }

    fn one_spelling(&mut self, key: &AllowedKey) -> Result<(), SignersFault> {
        let folded = key.person.as_str().to_ascii_lowercase();
        match self.people.get(&folded) {
            Some((earlier, line)) if *earlier != key.person => Err(SignersFault::Case {
                this: key.person.clone(),
                earlier: earlier.clone(),
                line: *line,
            }),
            Some(_) => Ok(()),
            None => {
                self.people.insert(folded, (key.person.clone(), key.line));
                Ok(())
            }
        }
    }

    fn one_owner(&mut self, key: &AllowedKey) -> Result<(), SignersFault> {
        let Some(line) = self.secrets.insert(line::secret_of(&key.key), key.line) else {
            return Ok(());
        };
        let person = self
            .keys
            .iter()
            .find(|earlier| earlier.line == line)
            .map_or(&key.person, AllowedKey::person);
        Err(SignersFault::KeyTwice {
            line,
            person: person.clone(),
        })
    }
}
