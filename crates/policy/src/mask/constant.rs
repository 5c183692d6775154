//! `constant:TEXT` for every type: the text must be a value of the column's type, in the one form that no setting of a session
//! changes.

use jiff::{Timestamp, civil};

use super::{Mask, MaskError};
use crate::estate::ColumnType;

/// Most characters of a number: nobody writes more, and every `real` holds as many before the point.
const MAX_DIGITS: usize = 30;

/// The mask, if its text is a value of this type.
pub(super) fn checked(mask: Mask, kind: ColumnType) -> Result<Mask, MaskError> {
    let Mask::Constant(text) = mask else {
        return Ok(mask);
    };
    match wrong(&text, kind) {
        None => Ok(Mask::Constant(text)),
        Some(right) => Err(MaskError::ConstantValue {
            given: text,
            kind,
            right,
        }),
    }
}

/// Whether there are constants of this type.
pub(super) fn fits(kind: ColumnType) -> bool {
    rule(kind).is_some()
}

/// What would be right, if this is not.
fn wrong(text: &str, kind: ColumnType) -> Option<&'static str> {
    let (is_right, right) = rule(kind)?;
    (!is_right(text, kind)).then_some(right)
}

/// What a constant must be, and in words.
type Rule = (fn(&str, ColumnType) -> bool, &'static str);

/// The rule for constants of this type, if there are any.
fn rule(kind: ColumnType) -> Option<Rule> {
    Some(match kind {
        ColumnType::Text | ColumnType::Varchar | ColumnType::Char | ColumnType::Enum => (|_, _| true, ""),
        ColumnType::Boolean => (|text, _| matches!(text, "true" | "false"), "`true` or `false`"),
        ColumnType::Smallint => (|text, _| is_number::<i16>(text), "a number from -32768 to 32767"),
        ColumnType::Integer => (|text, _| is_number::<i32>(text), "a number such as `0`"),
        ColumnType::Bigint => (|text, _| is_number::<i64>(text), "a number such as `0`"),
        ColumnType::Decimal(_) => (
            is_this_decimal,
            "a number with no more digits than the column has",
        ),
        ColumnType::Numeric | ColumnType::DoublePrecision | ColumnType::Real => {
            (|text, _| is_decimal(text), "a number such as `0` or `-12.50`")
        }
        ColumnType::Date => (|text, _| is_day(text), "a day such as `1900-01-01`"),
        ColumnType::Timestamptz => (
            |text, _| is_moment(text),
            "a moment in UTC such as `1900-01-01T00:00:00Z`",
        ),
        ColumnType::Timestamp => (
            |text, _| is_moment(&format!("{text}Z")),
            "a moment such as `1900-01-01T00:00:00`",
        ),
        ColumnType::Uuid => (
            |text, _| is_uuid(text),
            "a UUID such as `00000000-0000-0000-0000-000000000000`",
        ),
        _ => return None,
    })
}

fn is_number<N: std::str::FromStr + ToString>(text: &str) -> bool {
    text.parse::<N>().is_ok_and(|number| number.to_string() == text)
}

fn is_decimal(text: &str) -> bool {
    let digits = text.strip_prefix('-').unwrap_or(text);
    let (whole, fraction) = digits.split_once('.').unwrap_or((digits, "0"));
    let all_digits = |part: &str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit());
    digits.len() <= MAX_DIGITS && all_digits(whole) && all_digits(fraction)
}

/// Whether a number has no more digits than its column, so that PostgreSQL neither rounds nor refuses it.
fn is_this_decimal(text: &str, kind: ColumnType) -> bool {
    let ColumnType::Decimal(decimal) = kind else {
        return false;
    };
    let digits = text.strip_prefix('-').unwrap_or(text);
    let (whole, fraction) = digits.split_once('.').unwrap_or((digits, ""));
    let whole = whole.trim_start_matches('0').len();
    is_decimal(text)
        && whole <= usize::from(decimal.precision().saturating_sub(decimal.scale()))
        && fraction.len() <= usize::from(decimal.scale())
}

fn is_day(text: &str) -> bool {
    text.parse::<civil::Date>()
        .is_ok_and(|day| day.year() >= 1 && day.to_string() == text)
}

fn is_moment(text: &str) -> bool {
    text.ends_with('Z')
        && text
            .parse::<Timestamp>()
            .is_ok_and(|moment| moment.to_string() == text && !text.starts_with('-'))
}

fn is_uuid(text: &str) -> bool {
    let dashes = [8, 13, 18, 23];
    text.len() == 36
        && text.bytes().enumerate().all(|(place, byte)| {
            if dashes.contains(&place) {
                byte == b'-'
            } else {
                matches!(byte, b'0'..=b'9' | b'a'..=b'f')
            }
        })
}
