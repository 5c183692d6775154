//! Hours in which an agreement may be used: `Mon-Fri 06:00-22:00 America/Chicago`.

use std::fmt;
use std::str::FromStr;

use jiff::civil::{Date, Time, Weekday};
use jiff::tz::{TimeZone, TimeZoneDatabase};
use jiff::{Timestamp, ToSpan};
use serde::{Deserialize, Serialize};

/// Longest text of hours, in bytes: seven days, two times and the longest zone name fit.
const MAX_HOURS_BYTES: usize = 120;

/// Days looked ahead for the next opening or closing: a week and a day, since the days repeat weekly.
const DAYS_AHEAD: i64 = 8;

/// Settings of the clock looked ahead: there are two a year where there are any.
const JUMPS_AHEAD: usize = 2;

const DAY_NAMES: [(&str, Weekday); 7] = [
    ("Mon", Weekday::Monday),
    ("Tue", Weekday::Tuesday),
    ("Wed", Weekday::Wednesday),
    ("Thu", Weekday::Thursday),
    ("Fri", Weekday::Friday),
    ("Sat", Weekday::Saturday),
    ("Sun", Weekday::Sunday),
];

/// Why a text does not give hours.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum HoursError {
    /// Not three parts.
    #[error("hours are days, times and a time zone, such as `Mon-Fri 06:00-22:00 America/Chicago`")]
    Shape,
    /// Days that are none.
    #[error("`{0}` is not a list of days: `Mon-Fri`, `Mon,Wed,Sat`, `Mon-Thu,Sat` or `daily` is wanted")]
    Days(String),
    /// Times that are none.
    #[error(
        "`{0}` is not a span of time within a day: `06:00-22:00` is wanted, the first before the second, up to `24:00`"
    )]
    Times(String),
    /// No such zone.
    #[error("`{0}` is not a time zone of the IANA database, such as `America/Chicago` or `UTC`")]
    Zone(String),
}

/// On which days, from when to when, by which clock. The same each week; what the clock does in spring and autumn is the
/// zone's.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Hours {
    text: String,
    days: [bool; 7],
    opens: Time,
    /// `None`: at the day's end.
    closes: Option<Time>,
    zone: TimeZone,
}

impl Hours {
    /// Whether this moment is within the hours. The closing time itself is not.
    #[must_use]
    pub fn allow(&self, now: Timestamp) -> bool {
        let local = now.to_zoned(self.zone.clone());
        self.open_on(local.weekday())
            && self.opens <= local.time()
            && self.closes.is_none_or(|closes| local.time() < closes)
    }

    /// The first moment after `now`, which is within the hours, that is not. `None`: never, or not within hours now.
    #[must_use]
    pub fn closing(&self, now: Timestamp) -> Option<Timestamp> {
        if !self.allow(now) {
            return None;
        }
        let today = now.to_zoned(self.zone.clone()).date();
        let closings = (0..=DAYS_AHEAD)
            .filter_map(|ahead| self.closings_of(today, ahead))
            .flatten();
        // A clock that is set jumps over a closing, or back before an opening.
        let jumps = self
            .zone
            .following(now)
            .take(JUMPS_AHEAD)
            .map(|jump| jump.timestamp());
        closings
            .chain(jumps)
            .filter(|at| *at > now && !self.allow(*at))
            .min()
    }

    /// The hours as they were written.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// When this many days from a day close: twice, if the clock is set back over the closing.
    fn closings_of(&self, day: Date, ahead: i64) -> Option<[Timestamp; 2]> {
        let day = day.checked_add(ahead.days()).ok()?;
        let at = match self.closes {
            Some(closes) => day.to_datetime(closes),
            None => day.tomorrow().ok()?.to_datetime(Time::midnight()),
        };
        let at = self.zone.to_ambiguous_timestamp(at);
        Some([at.earlier().ok()?, at.later().ok()?])
    }

    fn open_on(&self, day: Weekday) -> bool {
        self.days.get(day_index(day)).copied().unwrap_or(false)
    }
}

impl FromStr for Hours {
    type Err = HoursError;

    fn from_str(text: &str) -> Result<Self, HoursError> {
        if text.len() > MAX_HOURS_BYTES {
            return Err(HoursError::Shape);
        }
        let parts: Vec<&str> = text.split(' ').collect();
        let [days, times, zone] = parts.as_slice() else {
            return Err(HoursError::Shape);
        };
        let (opens, closes) = parse_times(times).ok_or_else(|| HoursError::Times((*times).to_owned()))?;
        Ok(Self {
            text: text.to_owned(),
            days: parse_days(days).ok_or_else(|| HoursError::Days((*days).to_owned()))?,
            opens,
            closes,
            zone: time_zone(zone).ok_or_else(|| HoursError::Zone((*zone).to_owned()))?,
        })
    }
}

/// The zone of this name, from the database that comes with the program: the same on every machine.
pub(crate) fn time_zone(name: &str) -> Option<TimeZone> {
    if name == "UTC" {
        return Some(TimeZone::UTC);
    }
    TimeZoneDatabase::bundled().get(name).ok()
}

fn day_index(day: Weekday) -> usize {
    usize::from(day.to_monday_zero_offset().unsigned_abs())
}

fn parse_day(name: &str) -> Option<usize> {
    DAY_NAMES
        .iter()
        .find(|(known, _)| *known == name)
        .map(|(_, day)| day_index(*day))
}

fn parse_days(text: &str) -> Option<[bool; 7]> {
    let mut days = [false; 7];
    if text == "daily" {
        return Some([true; 7]);
    }
    for part in text.split(',') {
        let (first, last) = match part.split_once('-') {
            Some((first, last)) => (parse_day(first)?, parse_day(last)?),
            None => (parse_day(part)?, parse_day(part)?),
        };
        if first > last {
            return None;
        }
        days.get_mut(first..=last)?.fill(true);
    }
    Some(days)
}

fn parse_times(text: &str) -> Option<(Time, Option<Time>)> {
    let (opens, closes) = text.split_once('-')?;
    let opens = parse_time(opens)?;
    if closes == "24:00" {
        return Some((opens, None));
    }
    let closes = parse_time(closes)?;
    (opens < closes).then_some((opens, Some(closes)))
}

fn parse_time(text: &str) -> Option<Time> {
    let (hour, minute) = text.split_once(':')?;
    let two_digits = |part: &str| part.len() == 2 && part.bytes().all(|byte| byte.is_ascii_digit());
    if !two_digits(hour) || !two_digits(minute) {
        return None;
    }
    Time::new(hour.parse().ok()?, minute.parse().ok()?, 0, 0).ok()
}

impl TryFrom<String> for Hours {
    type Error = HoursError;

    fn try_from(text: String) -> Result<Self, HoursError> {
        text.parse()
    }
}

impl From<Hours> for String {
    fn from(hours: Hours) -> Self {
        hours.text
    }
}

impl fmt::Display for Hours {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl PartialEq for Hours {
    fn eq(&self, other: &Self) -> bool {
        self.text == other.text
    }
}

impl Eq for Hours {}
