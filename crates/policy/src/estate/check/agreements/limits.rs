//! How much an agreement allows.

use std::ops::RangeInclusive;

use toml::Spanned;

use super::File;
use crate::estate::check::Shaped;
use crate::estate::finding::{Finding, Problem};
use crate::estate::hours::Hours;
use crate::estate::model::Limits;

pub(super) fn limits(file: &File<'_>, findings: &mut Vec<Finding>) -> Option<Limits> {
    let raw = &file.raw.limits;
    let sessions = match &raw.sessions {
        Some(given) => number(
            file,
            given,
            "the number of sessions",
            Limits::MAX_SESSIONS.into(),
            findings,
        ),
        None => Some(Limits::DEFAULT_SESSIONS.into()),
    };
    let statement_seconds = match &raw.statement_seconds {
        Some(given) => number(
            file,
            given,
            "the time of a statement in seconds",
            Limits::MAX_STATEMENT_SECONDS.into(),
            findings,
        ),
        None => Some(Limits::DEFAULT_STATEMENT_SECONDS.into()),
    };
    let mut in_a_day = |given: &Option<Spanned<i64>>, what, max| match given {
        Some(given) => number(file, given, what, max, findings).map(Some),
        None => Some(None),
    };
    let rows_per_day = in_a_day(
        &raw.rows_per_day,
        "the number of rows in a day",
        Limits::MAX_ROWS_PER_DAY,
    );
    let bytes_per_day = in_a_day(
        &raw.bytes_per_day,
        "the number of bytes in a day",
        Limits::MAX_BYTES_PER_DAY,
    );
    let hours = match &raw.hours {
        Some(hours) => file.parsed(hours, str::parse::<Hours>, findings).map(Some),
        None => Some(None),
    };
    Some(Limits {
        sessions: u32::try_from(sessions?).ok()?,
        statement_seconds: u32::try_from(statement_seconds?).ok()?,
        rows_per_day: rows_per_day?,
        bytes_per_day: bytes_per_day?,
        hours: hours?,
    })
}

fn number(
    file: &File<'_>,
    given: &Spanned<i64>,
    what: &'static str,
    max: u64,
    findings: &mut Vec<Finding>,
) -> Option<u64> {
    number_from(file, given, what, 1..=max, findings)
}

pub(in crate::estate::check) fn number_from<T>(
    file: &Shaped<'_, T>,
    given: &Spanned<i64>,
    what: &'static str,
    range: RangeInclusive<u64>,
    findings: &mut Vec<Finding>,
) -> Option<u64> {
    let number = u64::try_from(*given.get_ref())
        .ok()
        .filter(|number| range.contains(number));
    if number.is_none() {
        let (min, max) = range.into_inner();
        findings.push(file.finding(given.span(), Problem::Range { what, min, max }));
    }
    number
}
