//! Keyed pseudonyms: HMAC-SHA256 (RFC 2104) of a value, worked out by PostgreSQL's own `sha256` under a key that only the
//! views' owner reads.
//!
//! What is hashed is the name of the kind, NUL, a letter for the type, and the value as text: `docs/formats.md` says so with
//! examples. The key stands in a table as HMAC's two padded forms, so that a view needs no function of its own, and nobody but
//! the view can be asked for a pseudonym. The subselects read no column of the row: PostgreSQL evaluates each once for a
//! query, with the rights of the view's owner.

use std::fmt;

use evidence::id::AgreementId;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use zeroize::Zeroizing;

use crate::catalog::{KEYS_SCHEMA, KEYS_TABLE};
use crate::estate::{ColumnType, SqlName};
use crate::sql::{ident, literal};

/// Hexadecimal digits of a pseudonym: 128 bits, the least that RFC 2104 (section 5) advises. Among a thousand million values
/// two meet with a chance of less than one in 10^20.
const SHOWN_DIGITS: u8 = 32;

/// Bytes of a block of SHA-256, and what RFC 2104 pads a key with.
const BLOCK_BYTES: usize = 64;
const INNER: u8 = 0x36;
const OUTER: u8 = 0x5c;

/// Bytes of the hash in a key's id: it must tell a few thousand agreements apart.
const ID_HASH_BYTES: usize = 8;

/// Which row of the key table is an agreement's: 16 hexadecimal digits. It says nothing, because partners can read the text of
/// their views.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct KeyId(String);

impl KeyId {
    /// The agreement's.
    #[must_use]
    pub fn of(agreement: &AgreementId) -> Self {
        let digest = Sha256::digest(format!("pseudonym/{agreement}"));
        Self(
            digest
                .iter()
                .take(ID_HASH_BYTES)
                .map(|byte| format!("{byte:02x}"))
                .collect(),
        )
    }

    /// As it stands in the table.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for KeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// `pseudonym` or `pseudonym:KIND`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pseudonym {
    /// Whose key.
    pub key: KeyId,
    /// What is named: equal values of one kind have equal pseudonyms. The column's name if nothing is said.
    pub kind: SqlName,
    /// Whether the file says the kind.
    pub(super) said: bool,
}

impl Pseudonym {
    /// That of a column of which the agreement says no kind.
    #[must_use]
    pub fn usual(agreement: &AgreementId, column: &SqlName) -> Self {
        Self {
            key: KeyId::of(agreement),
            kind: column.clone(),
            said: false,
        }
    }

    /// Whether values of this type can have one: those that name somebody or something. What has few values or is measured
    /// would be guessed from how often it comes.
    #[must_use]
    pub fn fits(kind: ColumnType) -> bool {
        letter(kind).is_some()
    }

    /// Whether the same value has the same pseudonym in both types.
    #[must_use]
    pub fn meets(one: ColumnType, other: ColumnType) -> bool {
        letter(one).is_some() && letter(one) == letter(other)
    }

    /// The pseudonym of a value of a column of this type, as the view shows it: for whoever has the agreement's key and asks whom it
    /// stands for. `text` is the value in its one spelling (integers and `numeric` without zeros that say nothing). `None`: such
    /// values have none.
    #[must_use]
    pub fn shown(&self, key: &[u8], kind: ColumnType, text: &str) -> Option<String> {
        let letter = u8::try_from(letter(kind)?).ok()?;
        let padded = |pad: u8| -> Zeroizing<Vec<u8>> {
            let filled = key.iter().map(|byte| byte ^ pad);
            Zeroizing::new(filled.chain(std::iter::repeat(pad)).take(BLOCK_BYTES).collect())
        };
        let inner = Sha256::new()
            .chain_update(&*padded(INNER))
            .chain_update(self.kind.as_str())
            .chain_update([0, letter])
            .chain_update(text)
            .finalize();
        let outer = Sha256::new()
            .chain_update(&*padded(OUTER))
            .chain_update(inner)
            .finalize();
        let mut digits: String = outer.iter().map(|byte| format!("{byte:02x}")).collect();
        digits.truncate(SHOWN_DIGITS.into());
        if letter != b'u' {
            return Some(digits);
        }
        digits.replace_range(12..13, "8");
        digits.replace_range(16..17, "a");
        for dash in [20, 16, 12, 8] {
            digits.insert(dash, '-');
        }
        Some(digits)
    }

    /// The SQL expression of the pseudonym of `value`, NULL for NULL, and NULL for everything while the key is missing.
    pub(super) fn sql(&self, value: &str, kind: ColumnType) -> String {
        let letter = letter(kind).unwrap_or('t');
        let text = match letter {
            // The same number has the same digits, however many zeros it was written with.
            'n' if !is_integer(kind) => format!("pg_catalog.trim_scale({value})::pg_catalog.text"),
            _ => format!("{value}::pg_catalog.text"),
        };
        let before: String = format!("{}\0{letter}", self.kind)
            .bytes()
            .map(|byte| format!("{byte:02x}"))
            .collect();
        let message =
            format!("pg_catalog.decode('{before}', 'hex') || pg_catalog.convert_to({text}, 'UTF8')");
        let inner = format!("pg_catalog.sha256({} || {message})", self.pad("inner_pad"));
        let outer = format!("pg_catalog.sha256({} || {inner})", self.pad("outer_pad"));
        let digits = format!("pg_catalog.\"left\"(pg_catalog.encode({outer}, 'hex'), {SHOWN_DIGITS})");
        if letter == 'u' {
            // Version 8, "vendor specific" (RFC 9562): libraries that look at the version take it.
            return format!(
                "pg_catalog.\"overlay\"(pg_catalog.\"overlay\"({digits}, '8', 13, 1), 'a', 17, 1)::pg_catalog.uuid"
            );
        }
        digits
    }

    /// A subselect of one half of the key.
    fn pad(&self, column: &str) -> String {
        format!(
            "(SELECT k.{column} FROM {}.{} AS k WHERE k.id = {}::pg_catalog.text)",
            ident(KEYS_SCHEMA),
            ident(KEYS_TABLE),
            literal(self.key.as_str())
        )
    }
}

/// Stands for the type in what is hashed: values of different types never meet. `None`: no pseudonyms.
fn letter(kind: ColumnType) -> Option<char> {
    match kind {
        ColumnType::Smallint
        | ColumnType::Integer
        | ColumnType::Bigint
        | ColumnType::Numeric
        | ColumnType::Decimal(_) => Some('n'),
        // A `char` is cast without the blanks it is filled up with.
        ColumnType::Text | ColumnType::Varchar | ColumnType::Char => Some('t'),
        ColumnType::Uuid => Some('u'),
        _ => None,
    }
}

fn is_integer(kind: ColumnType) -> bool {
    matches!(
        kind,
        ColumnType::Smallint | ColumnType::Integer | ColumnType::Bigint
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The vectors of `docs/formats.md`, which PostgreSQL's own answers are tested against as well.
    #[test]
    fn the_pseudonym_is_the_one_that_the_view_shows() {
        let key: Vec<u8> = (0..32).collect();
        let shown = |kind: &str, column, text: &str| {
            let pseudonym = Pseudonym {
                key: KeyId::of(&"a".parse().unwrap()),
                kind: kind.parse().unwrap(),
                said: true,
            };
            pseudonym.shown(&key, column, text)
        };
        let person = Some("e4372d6a449641026c331d0e87116b95".to_owned());
        assert_eq!(shown("person", ColumnType::Bigint, "42"), person);
        assert_eq!(shown("person", ColumnType::Numeric, "42"), person);
        assert_eq!(
            shown("badge", ColumnType::Text, "Zoë-7").as_deref(),
            Some("18d5e9ad70bda9e00dd7e12c5ecda5f8")
        );
        assert_eq!(
            shown("device", ColumnType::Uuid, "a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11").as_deref(),
            Some("9f73d791-60df-8614-a669-fbee33bdf4f8")
        );
        assert_eq!(shown("when", ColumnType::Date, "2026-11-23"), None);
    }
}
