//! Tests of hours: the week, the edges of a day, and the nights on which clocks are set.

use jiff::Timestamp;

use crate::estate::{Hours, HoursError};

fn hours(text: &str) -> Hours {
    text.parse().unwrap()
}

fn at(text: &str) -> Timestamp {
    text.parse().unwrap()
}

#[test]
fn the_week_in_chicago() {
    let hours = hours("Mon-Fri 06:00-22:00 America/Chicago");
    // 2026-11-23 is a Monday; Chicago is six hours behind in winter.
    for (now, open) in [
        ("2026-11-23T11:59:59.999Z", false),
        ("2026-11-23T12:00:00Z", true),
        ("2026-11-24T03:59:59Z", true),
        ("2026-11-24T04:00:00Z", false),
        ("2026-11-28T15:00:00Z", false),
        ("2026-11-29T15:00:00Z", false),
        ("2026-07-06T11:00:00Z", true),
    ] {
        assert_eq!(hours.allow(at(now)), open, "{now}");
    }
    assert_eq!(
        hours.closing(at("2026-11-23T12:00:00Z")),
        Some(at("2026-11-24T04:00:00Z"))
    );
    assert_eq!(hours.closing(at("2026-11-28T15:00:00Z")), None);
}

#[test]
fn open_days_run_into_each_other() {
    let hours = hours("Mon-Thu,Sat 00:00-24:00 UTC");
    assert_eq!(
        hours.closing(at("2026-11-23T12:00:00Z")),
        Some(at("2026-11-27T00:00:00Z"))
    );
    assert_eq!(
        hours.closing(at("2026-11-28T12:00:00Z")),
        Some(at("2026-11-29T00:00:00Z"))
    );
    assert_eq!(
        "daily 00:00-24:00 UTC"
            .parse::<Hours>()
            .unwrap()
            .closing(at("2026-11-23T12:00:00Z")),
        None
    );
}

#[test]
fn a_clock_set_back_opens_again() {
    // On 2026-11-01 the hour from 1 to 2 comes twice in Chicago.
    let hours = hours("daily 00:00-01:30 America/Chicago");
    for (now, open) in [
        ("2026-11-01T06:29:00Z", true),
        ("2026-11-01T06:31:00Z", false),
        ("2026-11-01T07:29:00Z", true),
        ("2026-11-01T07:31:00Z", false),
    ] {
        assert_eq!(hours.allow(at(now)), open, "{now}");
    }
    assert_eq!(
        hours.closing(at("2026-11-01T06:00:00Z")),
        Some(at("2026-11-01T06:30:00Z"))
    );
    let closing = hours.closing(at("2026-11-01T07:10:00Z")).unwrap();
    assert!(
        !hours.allow(closing) && closing > at("2026-11-01T07:10:00Z"),
        "{closing}"
    );
}

#[test]
fn what_is_no_hours() {
    let shape = |text: &str| matches!(text.parse::<Hours>(), Err(HoursError::Shape));
    assert!(
        shape("")
            && shape("Mon-Fri 06:00-22:00")
            && shape("Mon-Fri  06:00-22:00 UTC")
            && shape(&"x ".repeat(200))
    );
    for days in ["Fri-Mon", "mon", "Mon,", "", "Mon-", "Mon-Tue-Wed"] {
        assert!(
            matches!(
                format!("{days} 06:00-22:00 UTC").parse::<Hours>(),
                Err(HoursError::Days(_))
            ),
            "{days}"
        );
    }
    for times in [
        "22:00-06:00",
        "06:00-06:00",
        "6:00-22:00",
        "06:00",
        "06:00-25:00",
        "24:00-24:00",
        "06:60-22:00",
        "06:00-22:00:00",
    ] {
        assert!(
            matches!(
                format!("daily {times} UTC").parse::<Hours>(),
                Err(HoursError::Times(_))
            ),
            "{times}"
        );
    }
    assert!(matches!(
        "daily 06:00-22:00 Mars/Base".parse::<Hours>(),
        Err(HoursError::Zone(_))
    ));
}
