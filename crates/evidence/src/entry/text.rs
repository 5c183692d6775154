//! The two kinds of value that have more than one spelling elsewhere and must have one here: counts and
//! times.

use jiff::Timestamp;

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
    if text.len() != TIME_BYTES {
        return None;
    }
    let time: Timestamp = text.parse().ok()?;
    (format_time(time)? == text).then_some(time)
}
