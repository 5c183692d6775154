//! Masks: what is shown in a column's stead, as an SQL expression.
//!
//! An expression here is total: no value of the column makes it raise an error, since an error's text can show what the
//! mask hides. It is pure, calls `pg_catalog` functions only, by their full names, and has the sense that drivers expect
//! of its type. Operators are not qualified: views are created with `search_path` set to `pg_catalog`.

use std::fmt;

use crate::estate::{Column, ColumnType, NameError};
use crate::sql::literal;

mod constant;
mod pseudonym;

#[cfg(test)]
mod tests;

pub use pseudonym::{KeyId, Pseudonym};

/// Most characters a `first:N` mask may show.
const MAX_FIRST: u8 = 64;

/// Most decimals a `round:N` mask may leave: six of a degree are a decimetre.
const MAX_DECIMALS: u8 = 6;

/// Widest age band, in years.
const MAX_BAND_YEARS: u8 = 50;

/// Years of an age band if nothing is said.
const DEFAULT_BAND_YEARS: u8 = 10;

/// Everybody older is in one band: a single 104-year-old is not hidden by a band.
const OLDEST_BAND_YEARS: u8 = 90;

/// The mask that needs to know the agreement and the column.
const PSEUDONYM: &str = "pseudonym";

/// Longest constant, in bytes.
const MAX_CONSTANT_BYTES: usize = 200;

/// What is shown in a column's stead.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Mask {
    /// `null`: nothing. Any type; the type stays.
    Null,
    /// `constant:TEXT`: always this, where the column is NULL too. Texts, shown as `text`; numbers, truth values, days, moments and
    /// UUIDs, whose type stays.
    Constant(String),
    /// `initials`: of each word the first letter, `Ada King` as `A. K.`. Texts only, shown as `text`.
    Initials,
    /// `year`: the first of January of its year, and NULL for what is not within the years 1 to 9999. `date`,
    /// `timestamptz` (of the year in UTC) and `timestamp`; the type stays.
    Year,
    /// `month`: the first of its month, else like `year`.
    Month,
    /// `age-band` or `age-band:YEARS`: the age at present (by UTC) as a span of years such as `30-39`, from 90 on `90+`,
    /// NULL for what is not yet born. `date` and `timestamptz`; shown as `text`.
    AgeBand {
        /// Width of a band.
        years: u8,
    },
    /// `first:N`: the first N characters. Texts only, shown as `text`.
    First(u8),
    /// `round:N`: rounded to N decimals, a coordinate for example: three are some 100 m. `numeric` (NULL for what is not
    /// within ± 10^1000), `double precision` and `real` (± 10^15), NULL for infinities and NaN, too; the type stays.
    Round(u8),
    /// `pseudonym` or `pseudonym:KIND`: 32 hexadecimal digits, or a UUID, that are the same for the same value wherever the
    /// agreement shows one of this kind, and tell nothing to who has not its key. Whole numbers, `numeric`, `text`, `varchar`,
    /// `char`, `uuid`; shown as `text`, a `uuid` as `uuid`.
    Pseudonym(Pseudonym),
}

/// Why a text is not a mask, or not one for this column.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum MaskError {
    /// No such mask.
    #[error(
        "`{0}` is not a mask: `null`, `constant:TEXT`, `initials`, `year`, `month`, `age-band`, `age-band:YEARS`, `first:N`, `round:N`, `pseudonym` and `pseudonym:KIND` are"
    )]
    Unknown(String),
    /// What a pseudonym names must have a name.
    #[error("what a pseudonym is of: {0}")]
    Kind(NameError),
    /// A number out of range, or none.
    #[error("`{mask}` wants a number from {min} to {max}, not `{given}`")]
    Number {
        /// The mask's name.
        mask: &'static str,
        /// Least number.
        min: u8,
        /// Greatest number.
        max: u8,
        /// What was written.
        given: String,
    },
    /// A constant that is too long or cannot stand in a text of PostgreSQL's.
    #[error("a constant is at most {MAX_CONSTANT_BYTES} bytes, without NUL")]
    Constant,
    /// A constant that is no value of the column's type.
    #[error("`{given}` is not a value of the column's type `{}`: {right}", .kind.name())]
    ConstantValue {
        /// What was written.
        given: String,
        /// The column's type.
        kind: ColumnType,
        /// What would be right.
        right: &'static str,
    },
    /// A mask that makes no sense of the column's type.
    #[error("`{mask}` is a mask for {wanted}, and the column is `{}`", .kind.name())]
    Type {
        /// The mask as written.
        mask: String,
        /// The types it is for.
        wanted: &'static str,
        /// The column's type.
        kind: ColumnType,
    },
}

impl Mask {
    /// The mask of this name for this column, under the agreement whose key of pseudonyms this is.
    ///
    /// # Errors
    /// No mask has this name, its number is out of range, or it is not for this column's type.
    pub fn parse(text: &str, column: &Column, key: &KeyId) -> Result<Self, MaskError> {
        let kind = column.kind;
        let mask = match text.split_once(':') {
            None if text == PSEUDONYM => Self::Pseudonym(Pseudonym {
                key: key.clone(),
                kind: column.name.clone(),
                said: false,
            }),
            Some((PSEUDONYM, said)) => Self::Pseudonym(Pseudonym {
                key: key.clone(),
                kind: said.parse().map_err(MaskError::Kind)?,
                said: true,
            }),
            _ => Self::parse_text(text)?,
        };
        match mask.wanted(kind) {
            None if matches!(mask, Self::Constant(_)) => constant::checked(mask, kind),
            None => Ok(mask),
            Some(wanted) => Err(MaskError::Type {
                mask: text.to_owned(),
                wanted,
                kind,
            }),
        }
    }

    /// The SQL expression, reading the base row under this alias. The column's type must be one the mask was parsed for.
    #[must_use]
    pub fn sql(&self, column: &Column, alias: &str) -> String {
        let value = column.sql(alias);
        match self {
            Self::Null => format!("NULL::{}", column.kind.qualified()),
            Self::Constant(text) => {
                format!("{}::{}", literal(text), self.shown_type(column.kind).qualified())
            }
            Self::Initials => initials(&value),
            Self::Year => truncated("year", &value, column.kind),
            Self::Month => truncated("month", &value, column.kind),
            Self::AgeBand { years } => age_band(*years, &value, column.kind),
            Self::First(count) => format!("pg_catalog.\"left\"({value}, {count})"),
            Self::Round(decimals) => rounded(*decimals, &value, column.kind),
            Self::Pseudonym(pseudonym) => pseudonym.sql(&value, column.kind),
        }
    }

    /// The key it needs, if it does.
    #[must_use]
    pub fn key(&self) -> Option<&KeyId> {
        self.pseudonym().map(|pseudonym| &pseudonym.key)
    }

    /// The pseudonym it is, if it is one.
    #[must_use]
    pub fn pseudonym(&self) -> Option<&Pseudonym> {
        match self {
            Self::Pseudonym(pseudonym) => Some(pseudonym),
            _ => None,
        }
    }

    /// The type of what is shown for a column of this type.
    #[must_use]
    pub fn shown_type(&self, kind: ColumnType) -> ColumnType {
        match self {
            Self::AgeBand { .. } | Self::Initials | Self::First(_) => ColumnType::Text,
            Self::Constant(_) if kind.is_text() => ColumnType::Text,
            Self::Pseudonym(_) if kind != ColumnType::Uuid => ColumnType::Text,
            // Rounding can add a digit before the point.
            Self::Round(_) if matches!(kind, ColumnType::Decimal(_)) => ColumnType::Numeric,
            Self::Null
            | Self::Year
            | Self::Month
            | Self::Round(_)
            | Self::Constant(_)
            | Self::Pseudonym(_) => kind.shown(),
        }
    }

    /// Whether the base column is read at all.
    #[must_use]
    pub fn reads_base(&self) -> bool {
        !matches!(self, Self::Null | Self::Constant(_))
    }

    fn parse_text(text: &str) -> Result<Self, MaskError> {
        let (name, argument) = match text.split_once(':') {
            Some((name, argument)) => (name, Some(argument)),
            None => (text, None),
        };
        match (name, argument) {
            ("null", None) => Ok(Self::Null),
            ("initials", None) => Ok(Self::Initials),
            ("year", None) => Ok(Self::Year),
            ("month", None) => Ok(Self::Month),
            ("age-band", None) => Ok(Self::AgeBand {
                years: DEFAULT_BAND_YEARS,
            }),
            ("age-band", Some(years)) => Ok(Self::AgeBand {
                years: number("age-band", 2, MAX_BAND_YEARS, years)?,
            }),
            ("first", Some(count)) => Ok(Self::First(number("first", 1, MAX_FIRST, count)?)),
            ("round", Some(decimals)) => Ok(Self::Round(number("round", 0, MAX_DECIMALS, decimals)?)),
            ("constant", Some(constant))
                if constant.len() <= MAX_CONSTANT_BYTES && !constant.contains('\0') =>
            {
                Ok(Self::Constant(constant.to_owned()))
            }
            ("constant", Some(_)) => Err(MaskError::Constant),
            _ => Err(MaskError::Unknown(text.to_owned())),
        }
    }

    /// The types this mask is for, if this is none of them.
    fn wanted(&self, kind: ColumnType) -> Option<&'static str> {
        let (fits, wanted) = match self {
            Self::Null => (true, "any column"),
            Self::Constant(_) => (
                constant::fits(kind),
                "texts, numbers, truth values, days, moments and UUIDs",
            ),
            Self::Initials | Self::First(_) => (kind.is_text(), "`text`, `varchar`, `char` and `enum`"),
            Self::Year | Self::Month | Self::AgeBand { .. } => (
                matches!(
                    kind,
                    ColumnType::Date | ColumnType::Timestamptz | ColumnType::Timestamp
                ),
                "`date`, `timestamptz` and `timestamp`",
            ),
            Self::Pseudonym(_) => (
                Pseudonym::fits(kind),
                "`text`, `varchar`, `char`, `uuid`, `smallint`, `integer`, `bigint` and `numeric`",
            ),
            Self::Round(_) => (
                matches!(
                    kind,
                    ColumnType::Numeric
                        | ColumnType::Decimal(_)
                        | ColumnType::DoublePrecision
                        | ColumnType::Real
                ),
                "`numeric`, `double precision` and `real`",
            ),
        };
        (!fits).then_some(wanted)
    }
}

impl fmt::Display for Mask {
    /// The mask as an estate's file writes it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Null => f.write_str("null"),
            Self::Constant(text) => write!(f, "constant:{text}"),
            Self::Initials => f.write_str("initials"),
            Self::Year => f.write_str("year"),
            Self::Month => f.write_str("month"),
            Self::AgeBand { years } => write!(f, "age-band:{years}"),
            Self::First(count) => write!(f, "first:{count}"),
            Self::Round(decimals) => write!(f, "round:{decimals}"),
            Self::Pseudonym(pseudonym) if pseudonym.said => write!(f, "{PSEUDONYM}:{}", pseudonym.kind),
            Self::Pseudonym(_) => f.write_str(PSEUDONYM),
        }
    }
}

fn number(mask: &'static str, min: u8, max: u8, given: &str) -> Result<u8, MaskError> {
    let refused = || MaskError::Number {
        mask,
        min,
        max,
        given: given.to_owned(),
    };
    if given.is_empty() || !given.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(refused());
    }
    given
        .parse()
        .ok()
        .filter(|number| (min..=max).contains(number))
        .ok_or_else(refused)
}

fn initials(value: &str) -> String {
    let words = literal(r"\s*(\S)\S*\s*");
    let letters = literal(r"\1. ");
    // What is a space must not hang on the column's collation, and some collations have no regular expressions at all.
    let plain = format!("{value} COLLATE pg_catalog.\"C\"");
    format!(
        "pg_catalog.btrim(pg_catalog.regexp_replace({plain}, {words}, {letters}, 'g')) COLLATE pg_catalog.\"default\""
    )
}

/// `value` if it is a day in the years 1 to 9999, as a `timestamp` by UTC: the cast of a date beyond the calendar of
/// timestamps raises an error. `CASE` tests before it casts (PostgreSQL documentation, 4.2.14); columns are not constants.
fn guarded(value: &str, kind: ColumnType, then: &str) -> String {
    let (cast, suffix) = match kind {
        ColumnType::Timestamptz => ("pg_catalog.timestamptz", " 00:00:00+00"),
        ColumnType::Timestamp => ("pg_catalog.timestamp", ""),
        _ => ("pg_catalog.date", ""),
    };
    format!(
        "CASE WHEN {value} >= '0001-01-01{suffix}'::{cast} AND {value} < '10000-01-01{suffix}'::{cast} THEN {then} END"
    )
}

fn truncated(unit: &str, value: &str, kind: ColumnType) -> String {
    let then = match kind {
        ColumnType::Timestamptz => {
            format!(
                "pg_catalog.timezone('UTC', pg_catalog.date_trunc('{unit}', pg_catalog.timezone('UTC', {value})))"
            )
        }
        ColumnType::Timestamp => format!("pg_catalog.date_trunc('{unit}', {value})"),
        _ => format!("pg_catalog.date_trunc('{unit}', {value}::pg_catalog.timestamp)::pg_catalog.date"),
    };
    guarded(value, kind, &then)
}

fn age_band(years: u8, value: &str, kind: ColumnType) -> String {
    let today = "pg_catalog.timezone('UTC', pg_catalog.now())";
    let born = match kind {
        ColumnType::Timestamptz => format!("pg_catalog.timezone('UTC', {value})"),
        _ => format!("{value}::pg_catalog.timestamp"),
    };
    let age = format!("pg_catalog.date_part('year', pg_catalog.age({today}, {born}))::pg_catalog.int4");
    let lower = format!("({age} / {years} * {years})");
    let band = format!(
        "{lower}::pg_catalog.text || '-' || ({lower} + {})::pg_catalog.text",
        years.saturating_sub(1)
    );
    let then = format!(
        "CASE WHEN {born} > {today} THEN NULL WHEN {age} >= {OLDEST_BAND_YEARS} THEN '{OLDEST_BAND_YEARS}+' ELSE {band} END"
    );
    guarded(value, kind, &then)
}

fn rounded(decimals: u8, value: &str, kind: ColumnType) -> String {
    if !matches!(kind, ColumnType::DoublePrecision | ColumnType::Real) {
        // Rounding up can need one digit more than `numeric` has.
        return format!(
            "CASE WHEN {value} > '-1e1000'::pg_catalog.numeric AND {value} < '1e1000'::pg_catalog.numeric THEN \
             pg_catalog.round({value}, {decimals}) END"
        );
    }
    // NaN is greater than every number in PostgreSQL, so it is not between these two either.
    format!(
        "CASE WHEN {value} > -1e15 AND {value} < 1e15 THEN pg_catalog.round({value}::pg_catalog.numeric, {decimals})::{} END",
        kind.qualified()
    )
}
