//! How long private records are kept: `6 years`, `18 months`, `90 days`.

use std::fmt;
use std::str::FromStr;

use jiff::tz::TimeZone;
use jiff::{Span, Timestamp};

/// Why a text does not give a time to keep records.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not a time to keep records, up to a hundred years: `6 years`, `18 months` or `90 days` is wanted")]
pub struct RetentionError;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Unit {
    Days,
    Months,
    Years,
}

/// How long records are kept, by the calendar.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Retention {
    count: u16,
    unit: Unit,
}

impl Retention {
    /// The moment before which records are due at `now`, by the clock of this zone. `None` beyond all calendars.
    #[must_use]
    pub fn due_before(&self, now: Timestamp, zone: &TimeZone) -> Option<Timestamp> {
        let count = i64::from(self.count);
        let span = match self.unit {
            Unit::Days => Span::new().try_days(count),
            Unit::Months => Span::new().try_months(count),
            Unit::Years => Span::new().try_years(count),
        };
        let then = now.to_zoned(zone.clone()).checked_sub(span.ok()?).ok()?;
        Some(then.timestamp())
    }
}

impl FromStr for Retention {
    type Err = RetentionError;

    fn from_str(text: &str) -> Result<Self, RetentionError> {
        let (count, unit) = text.split_once(' ').ok_or(RetentionError)?;
        let (unit, most) = match unit {
            "day" | "days" => (Unit::Days, 36_500),
            "month" | "months" => (Unit::Months, 1_200),
            "year" | "years" => (Unit::Years, 100),
            _ => return Err(RetentionError),
        };
        let digits = count.bytes().all(|byte| byte.is_ascii_digit()) && !count.starts_with('0');
        let count: u16 = count.parse().map_err(|_| RetentionError)?;
        let one = text == format!("1 {}", unit.singular());
        let retention = Self { count, unit };
        if digits && (1..=most).contains(&count) && (one || retention.to_string() == text) {
            Ok(retention)
        } else {
            Err(RetentionError)
        }
    }
}

impl Unit {
    fn singular(self) -> &'static str {
        match self {
            Self::Days => "day",
            Self::Months => "month",
            Self::Years => "year",
        }
    }
}

impl fmt::Display for Retention {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let plural = if self.count == 1 { "" } else { "s" };
        write!(f, "{} {}{plural}", self.count, self.unit.singular())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_spelling_each_and_only_sensible_times() {
        for text in [
            "1 day",
            "90 days",
            "1 month",
            "18 months",
            "1 year",
            "6 years",
            "100 years",
            "36500 days",
        ] {
            assert_eq!(text.parse::<Retention>().unwrap().to_string(), text);
        }
        for text in [
            "",
            "6",
            "years",
            "6years",
            "6  years",
            " 6 years",
            "6 years ",
            "06 years",
            "+6 years",
            "-6 years",
            "0 days",
            "6 year",
            "1 years",
            "101 years",
            "1201 months",
            "36501 days",
            "70000 days",
            "6 weeks",
            "P6Y",
            "six years",
        ] {
            assert_eq!(text.parse::<Retention>(), Err(RetentionError), "{text:?}");
        }
    }

    #[test]
    fn it_goes_by_the_calendar_of_the_custodian() {
        let zone = TimeZone::get("America/Chicago").unwrap();
        let before = |text: &str, now: &str| {
            let retention: Retention = text.parse().unwrap();
            let then = retention.due_before(now.parse().unwrap(), &zone).unwrap();
            then.to_zoned(zone.clone()).datetime().to_string()
        };
        assert_eq!(before("6 years", "2026-11-25T06:00:00Z"), "2020-11-25T00:00:00");
        assert_eq!(before("1 month", "2026-03-31T17:00:00Z"), "2026-02-28T12:00:00");
        assert_eq!(before("1 year", "2024-02-29T18:00:00Z"), "2023-02-28T12:00:00");
        // Over the change of the clock: the same time of day.
        assert_eq!(before("30 days", "2026-03-20T17:00:00Z"), "2026-02-18T12:00:00");
    }
}
