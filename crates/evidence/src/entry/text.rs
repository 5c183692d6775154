//! The two kinds of value that have more than one spelling elsewhere and must have one here: counts and
//! times.

use jiff::{Timestamp, civil, tz::Offset};

/// Length of `2026-11-23T00:00:00Z`.
const TIME_BYTES: usize = 20;

/// A count in decimal digits: no sign, no leading zero, no space, below 2^64.
pub(crate) fn parse_decimal(text: &str) -> Option<u64> {
    let digits = text.bytes().all(|byte| byte.is_ascii_digit());
    let canonical = text == "0" || !text.starts_with('0');
    if digits && canonical {
        text.parse().ok()
    } else {
        None
    }
}

/// `time` as RFC 3339 in UTC with `Z` and whole seconds. `None` if it has a fraction of a second, or a year
/// that four digits cannot write.
pub(crate) fn format_time(time: Timestamp) -> Option<String> {
    // A fraction, a sign or a fifth digit of the year would make it longer.
    Some(time.to_string()).filter(|text| text.len() == TIME_BYTES)
}

/// Reads what [`format_time`] writes and nothing else: no offset, no fraction, no leap second, no lower-case
/// letters.
pub(crate) fn parse_time(text: &str) -> Option<Timestamp> {
    let &[
        y3,
        y2,
        y1,
        y0,
        b'-',
        o1,
        o0,
        b'-',
        d1,
        d0,
        b'T',
        h1,
        h0,
        b':',
        m1,
        m0,
        b':',
        s1,
        s0,
        b'Z',
    ] = text.as_bytes()
    else {
        return None;
    };
    let two = |tens: u8, ones: u8| {
        (tens.is_ascii_digit() && ones.is_ascii_digit())
            .then(|| i8::try_from(tens.wrapping_sub(b'0') * 10 + ones.wrapping_sub(b'0')).ok())
            .flatten()
    };
    let year = i16::from(two(y3, y2)?) * 100 + i16::from(two(y1, y0)?);
    // Days that a month does not have, hour 24 and second 60 are refused here.
    let time = civil::DateTime::new(
        year,
        two(o1, o0)?,
        two(d1, d0)?,
        two(h1, h0)?,
        two(m1, m0)?,
        two(s1, s0)?,
        0,
    )
    .ok()?;
    Offset::UTC.to_timestamp(time).ok()
}
