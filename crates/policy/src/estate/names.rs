//! Names in the database: identifiers, and those that Estop gives to its roles, schemas and views.

use std::fmt;
use std::str::FromStr;

use evidence::id::{AgreementId, DatasetId, PurposeId};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

/// Longest identifier PostgreSQL keeps whole, in bytes (`NAMEDATALEN - 1`; PostgreSQL documentation, 4.1.1). It cuts
/// longer ones without an error, so they are refused here.
const MAX_IDENTIFIER_BYTES: usize = 63;

/// Bytes of the hash in a role's name: 64 bits, so that a thousand agreements do not meet by chance.
const ROLE_HASH_BYTES: usize = 8;

/// A text that cannot be the name of anything in PostgreSQL.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` cannot be a name here: 1 to 63 bytes, no control characters")]
pub struct NameError(String);

/// A name in PostgreSQL as the catalog has it: not quoted, not folded, at most 63 bytes.
/// [`crate::sql::ident`] quotes it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct SqlName(String);

impl SqlName {
    /// The name as it stands in the catalog.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The name as it is written in SQL.
    #[must_use]
    pub fn quoted(&self) -> String {
        crate::sql::ident(&self.0)
    }
}

impl SqlName {
    /// The name as it is written in a `relation`: in double quotes where it would be read otherwise.
    #[must_use]
    pub fn written(&self) -> std::borrow::Cow<'_, str> {
        if self.0.contains(['.', '"']) {
            self.quoted().into()
        } else {
            self.as_str().into()
        }
    }
}

/// The two names of a `schema.name`, each as it stands, or in double quotes with `""` for each `"` in it.
pub(super) fn two_names(text: &str) -> Option<(String, String)> {
    let (schema, rest) = first_name(text)?;
    let (name, rest) = first_name(rest.strip_prefix('.')?)?;
    rest.is_empty().then_some((schema, name))
}

fn first_name(text: &str) -> Option<(String, &str)> {
    let Some(mut rest) = text.strip_prefix('"') else {
        let end = text.find(['.', '"']).unwrap_or(text.len());
        let (name, rest) = text.split_at_checked(end)?;
        return Some((name.to_owned(), rest));
    };
    let mut name = String::new();
    loop {
        let (before, after) = rest.split_once('"')?;
        name.push_str(before);
        match after.strip_prefix('"') {
            Some(more) => {
                name.push('"');
                rest = more;
            }
            None => return Some((name, after)),
        }
    }
}

impl FromStr for SqlName {
    type Err = NameError;

    fn from_str(text: &str) -> Result<Self, NameError> {
        let fits = (1..=MAX_IDENTIFIER_BYTES).contains(&text.len());
        if fits && !text.chars().any(char::is_control) {
            Ok(Self(text.to_owned()))
        } else {
            Err(NameError(text.chars().take(MAX_IDENTIFIER_BYTES + 1).collect()))
        }
    }
}

impl TryFrom<String> for SqlName {
    type Error = NameError;

    fn try_from(text: String) -> Result<Self, NameError> {
        text.parse()
    }
}

impl From<SqlName> for String {
    fn from(name: SqlName) -> Self {
        name.0
    }
}

impl AsRef<str> for SqlName {
    fn as_ref(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for SqlName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The role, and the schema, of one purpose of one agreement: `estop_` and 16 hexadecimal digits of the SHA-256 of
/// `<agreement>/<purpose>`. It says nothing, because every role can read the names of all others.
#[must_use]
pub fn role_name(agreement: &AgreementId, purpose: &PurposeId) -> SqlName {
    let digest = Sha256::digest(format!("{agreement}/{purpose}"));
    let mut name = String::from("estop_");
    for byte in digest.iter().take(ROLE_HASH_BYTES) {
        name.push_str(&format!("{byte:02x}"));
    }
    SqlName(name)
}

/// The view of a data set in an agreement's schema: the id with `_` for `-`. Ids have no `_`, so no two meet.
#[must_use]
pub fn view_name(dataset: &DatasetId) -> SqlName {
    SqlName(dataset.as_str().replace('-', "_"))
}
