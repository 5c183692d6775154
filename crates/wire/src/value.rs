//! Values of columns that name somebody: one canonical text each, whichever format the server wrote it in.
//!
//! Two values that PostgreSQL takes for equal have the same text here, in text format and in binary format, and two that
//! it does not have different ones. What cannot be read for certain is refused: a text must never stand for another
//! value.
//!
//! Source: PostgreSQL's send and output functions of the types.

use crate::frontend::Format;
use crate::read::Reader;

#[cfg(test)]
mod tests;

/// Longest value that is read, in bytes. Keys are short; a longer text is no key.
pub const MAX_BYTES: usize = 4096;

/// Most groups of four digits that a number may have before or behind its point.
const MAX_GROUPS: i32 = 1000;

/// Days from 0000-03-01 to 2000-01-01, in the calendar that PostgreSQL uses for all times.
const DAYS_TO_2000: i64 = 730_425;

/// How values of a type are read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Sort {
    /// `smallint`, `integer`, `bigint`: decimal digits. The same text as that of an equal `numeric`.
    Integer,
    /// `numeric`: decimal digits, without zeros that say nothing.
    Numeric,
    /// `text`, `varchar`: as it is.
    Text,
    /// `char`: without the blanks at its end, which PostgreSQL does not count.
    Padded,
    /// `uuid`: 36 characters, lower case.
    Uuid,
    /// `date`: `YYYY-MM-DD`, ` BC` behind it where it is.
    Date,
    /// `bytea`: `\x` and hexadecimal digits, lower case.
    Bytes,
}

/// A value that is not of its type, is too long, or is written in a way that could mean more than one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the value cannot be read for certain")]
pub struct Unreadable;

impl Sort {
    /// How values of the type with this OID are read; `None` for a type that names nobody, or has no one text for a value.
    /// The OIDs are fixed (`pg_type.dat`).
    #[must_use]
    pub fn of_type(oid: u32) -> Option<Self> {
        Some(match oid {
            20 | 21 | 23 => Self::Integer,
            1700 => Self::Numeric,
            25 | 1043 => Self::Text,
            1042 => Self::Padded,
            2950 => Self::Uuid,
            1082 => Self::Date,
            17 => Self::Bytes,
            _ => return None,
        })
    }

    /// Appends the canonical text of a value.
    ///
    /// # Errors
    /// [`Unreadable`]; nothing was appended.
    pub fn canonical(self, format: Format, value: &[u8], out: &mut Vec<u8>) -> Result<(), Unreadable> {
        if value.len() > MAX_BYTES {
            return Err(Unreadable);
        }
        let start = out.len();
        let written = match (self, format) {
            (Self::Integer, Format::Text) => integer_text(value, out),
            (Self::Integer, Format::Binary) => integer_binary(value, out),
            (Self::Numeric, Format::Text) => numeric_text(value, out),
            (Self::Numeric, Format::Binary) => numeric_binary(value, out),
            (Self::Text, _) => append(out, value),
            (Self::Padded, _) => append(out, value.trim_ascii_end_blanks()),
            (Self::Uuid, Format::Text) => uuid_text(value, out),
            (Self::Uuid, Format::Binary) => uuid_binary(value, out),
            (Self::Date, Format::Text) => date_text(value, out),
            (Self::Date, Format::Binary) => date_binary(value, out),
            (Self::Bytes, Format::Text) => bytes_text(value, out),
            (Self::Bytes, Format::Binary) => bytes_binary(value, out),
        };
        if written.is_none() {
            out.truncate(start);
        }
        written.ok_or(Unreadable)
    }
}

/// Blanks only: PostgreSQL fills a `char` up with nothing else.
trait Blanks {
    fn trim_ascii_end_blanks(&self) -> &[u8];
}

impl Blanks for [u8] {
    fn trim_ascii_end_blanks(&self) -> &[u8] {
        let end = self.iter().rposition(|byte| *byte != b' ');
        let length = end.map_or(0, |end| end.saturating_add(1));
        self.get(..length).unwrap_or_default()
    }
}

fn append(out: &mut Vec<u8>, bytes: &[u8]) -> Option<()> {
    out.extend_from_slice(bytes);
    Some(())
}

/// Decimal digits of a number, without one on the heap: this is done for every row.
fn decimal(out: &mut Vec<u8>, number: i64) {
    let mut digits = [0; 20];
    let mut at = digits.len();
    let mut rest = number.unsigned_abs();
    loop {
        at = at.saturating_sub(1);
        if let Some(digit) = digits.get_mut(at) {
            *digit = u8::try_from(rest % 10).unwrap_or_default() | b'0';
        }
        rest /= 10;
        if rest == 0 {
            break;
        }
    }
    if number < 0 {
        out.push(b'-');
    }
    out.extend_from_slice(digits.get(at..).unwrap_or_default());
}

fn integer_text(value: &[u8], out: &mut Vec<u8>) -> Option<()> {
    let number = std::str::from_utf8(value).ok()?.parse().ok()?;
    decimal(out, number);
    Some(())
}

fn integer_binary(value: &[u8], out: &mut Vec<u8>) -> Option<()> {
    let number = match *value {
        [a, b] => i16::from_be_bytes([a, b]).into(),
        [a, b, c, d] => i32::from_be_bytes([a, b, c, d]).into(),
        [a, b, c, d, e, f, g, h] => i64::from_be_bytes([a, b, c, d, e, f, g, h]),
        _ => return None,
    };
    decimal(out, number);
    Some(())
}

/// Digits with a sign and a point become one spelling.
fn numeric_text(value: &[u8], out: &mut Vec<u8>) -> Option<()> {
    if let special @ (b"NaN" | b"Infinity" | b"-Infinity") = value {
        return append(out, special);
    }
    let (negative, digits) = match value.split_first() {
        Some((b'-', rest)) => (true, rest),
        Some((b'+', rest)) => (false, rest),
        _ => (false, value),
    };
    let point = digits
        .iter()
        .position(|byte| *byte == b'.')
        .unwrap_or(digits.len());
    let (whole, fraction) = digits.split_at_checked(point)?;
    let fraction = fraction.get(1..).unwrap_or_default();
    let plain = |digits: &[u8]| digits.iter().all(u8::is_ascii_digit);
    if !plain(whole) || !plain(fraction) || (whole.is_empty() && fraction.is_empty()) {
        return None;
    }
    spell(negative, whole, fraction, out);
    Some(())
}

fn spell(negative: bool, whole: &[u8], fraction: &[u8], out: &mut Vec<u8>) {
    let first = whole.iter().position(|byte| *byte != b'0').unwrap_or(whole.len());
    let whole = whole.get(first..).unwrap_or_default();
    let end = fraction.iter().rposition(|byte| *byte != b'0');
    let fraction = fraction
        .get(..end.map_or(0, |end| end.saturating_add(1)))
        .unwrap_or_default();
    if negative && !(whole.is_empty() && fraction.is_empty()) {
        out.push(b'-');
    }
    out.extend_from_slice(if whole.is_empty() { b"0" } else { whole });
    if !fraction.is_empty() {
        out.push(b'.');
        out.extend_from_slice(fraction);
    }
}

/// Groups of four digits: how many, where the point is, sign, digits to show, then the groups.
fn numeric_binary(value: &[u8], out: &mut Vec<u8>) -> Option<()> {
    let mut reader = Reader::new(value);
    let (count, weight) = (reader.u16().ok()?, i32::from(reader.i16().ok()?));
    let (sign, _shown) = (reader.u16().ok()?, reader.u16().ok()?);
    let negative = match sign {
        0x0000 => false,
        0x4000 => true,
        0xC000 => return append(out, b"NaN"),
        0xD000 => return append(out, b"Infinity"),
        0xF000 => return append(out, b"-Infinity"),
        _ => return None,
    };
    if weight.abs() > MAX_GROUPS || i32::from(count) > MAX_GROUPS {
        return None;
    }
    let (mut whole, mut fraction) = (Vec::new(), Vec::new());
    // Groups between the point and the first one that is written.
    for _ in weight..-1 {
        fraction.extend_from_slice(b"0000");
    }
    let mut place = weight;
    for _ in 0..count {
        let group = reader.u16().ok().filter(|group| *group < 10_000)?;
        let digits = if place >= 0 { &mut whole } else { &mut fraction };
        for unit in [1000, 100, 10, 1] {
            digits.push(u8::try_from(group / unit % 10).unwrap_or_default() | b'0');
        }
        place = place.saturating_sub(1);
    }
    reader.end().ok()?;
    // Groups of zeros at the end are not written.
    for _ in -1..place {
        whole.extend_from_slice(b"0000");
    }
    spell(negative, &whole, &fraction, out);
    Some(())
}

fn uuid_text(value: &[u8], out: &mut Vec<u8>) -> Option<()> {
    if value.len() != 36 {
        return None;
    }
    for (place, byte) in value.iter().enumerate() {
        let fits = match place {
            8 | 13 | 18 | 23 => *byte == b'-',
            _ => byte.is_ascii_hexdigit(),
        };
        if !fits {
            return None;
        }
        out.push(byte.to_ascii_lowercase());
    }
    Some(())
}

fn hex(out: &mut Vec<u8>, byte: u8) {
    for half in [byte >> 4, byte & 15] {
        out.push(if half < 10 { half | b'0' } else { half - 10 + b'a' });
    }
}

fn uuid_binary(value: &[u8], out: &mut Vec<u8>) -> Option<()> {
    if value.len() != 16 {
        return None;
    }
    for (place, byte) in value.iter().enumerate() {
        if matches!(place, 4 | 6 | 8 | 10) {
            out.push(b'-');
        }
        hex(out, *byte);
    }
    Some(())
}

/// Only the style that begins with a year of four digits and more: in any other, day and month could be taken for one
/// another.
fn date_text(value: &[u8], out: &mut Vec<u8>) -> Option<()> {
    if let special @ (b"infinity" | b"-infinity") = value {
        return append(out, special);
    }
    let text = std::str::from_utf8(value).ok()?;
    let (day, before) = match text.strip_suffix(" BC") {
        Some(day) => (day, true),
        None => (text, false),
    };
    let mut parts = day.split('-');
    let (year, month, day) = (parts.next()?, parts.next()?, parts.next()?);
    let digits = |part: &str| part.bytes().all(|byte| byte.is_ascii_digit());
    let shaped = year.len() >= 4 && month.len() == 2 && day.len() == 2 && parts.next().is_none();
    if !shaped || ![year, month, day].into_iter().all(digits) {
        return None;
    }
    let (year, month, day) = (year.parse().ok()?, month.parse().ok()?, day.parse().ok()?);
    let possible = (1..=9_999_999).contains(&year) && (1..=12).contains(&month) && (1..=31).contains(&day);
    if !possible {
        return None;
    }
    write_date(
        if before { 1_i64.saturating_sub(year) } else { year },
        month,
        day,
        out,
    );
    Some(())
}

fn write_date(year: i64, month: i64, day: i64, out: &mut Vec<u8>) {
    let (shown, before) = if year < 1 {
        (1_i64.saturating_sub(year), " BC")
    } else {
        (year, "")
    };
    out.extend_from_slice(format!("{shown:04}-{month:02}-{day:02}{before}").as_bytes());
}

/// Days since 2000-01-01.
fn date_binary(value: &[u8], out: &mut Vec<u8>) -> Option<()> {
    let days = i32::from_be_bytes(<[u8; 4]>::try_from(value).ok()?);
    match days {
        i32::MAX => return append(out, b"infinity"),
        i32::MIN => return append(out, b"-infinity"),
        _ => {}
    }
    // Counted from the first of March of year 0, so that a leap day is a year's last; by eras of 400 years.
    let days = i64::from(days).saturating_add(DAYS_TO_2000);
    let (era, of_era) = (days.div_euclid(146_097), days.rem_euclid(146_097));
    let year_of_era = (of_era - of_era / 1_460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let moon = (5 * of_year + 2) / 153;
    let day = of_year - (153 * moon + 2) / 5 + 1;
    let month = if moon < 10 { moon + 3 } else { moon - 9 };
    let year = era * 400 + year_of_era + i64::from(month <= 2);
    write_date(year, month, day, out);
    Some(())
}

/// The hexadecimal form only: in the other one a byte can be written in two ways.
fn bytes_text(value: &[u8], out: &mut Vec<u8>) -> Option<()> {
    let digits = value.strip_prefix(b"\\x")?;
    if digits.len() % 2 != 0 || !digits.iter().all(u8::is_ascii_hexdigit) {
        return None;
    }
    out.extend_from_slice(b"\\x");
    out.extend(digits.iter().map(u8::to_ascii_lowercase));
    Some(())
}

fn bytes_binary(value: &[u8], out: &mut Vec<u8>) -> Option<()> {
    out.extend_from_slice(b"\\x");
    for byte in value {
        hex(out, *byte);
    }
    Some(())
}
