//! Whoever fails to log in too often waits before the next attempt counts, longer each time.
//!
//! It goes by the name as it was sent and by where it comes from, never by whether there is such an officer. Failures from one
//! address do not keep an officer out elsewhere, unless very many come from many; and never where the officer has logged in
//! before. All of it is in memory, bounded, and gone with the process.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

use crate::strangers::Source;

/// Longest name that is told apart from others, in bytes.
const NAME_BYTES: usize = 128;

/// Names and places that are remembered.
const REMEMBERED: usize = 10_000;

/// How many are forgotten when there is no more room: those that failed longest ago.
const FORGOTTEN_AT_ONCE: usize = 1_000;

/// Failures that are this old are forgiven.
const FORGIVEN: Duration = Duration::from_secs(60 * 60);

/// How long to wait after so many failures.
#[derive(Clone, Copy, Debug)]
struct Backoff {
    /// Failures that cost nothing.
    free: u32,
    /// The longest wait; the first is a second, and each further failure doubles it.
    longest: Duration,
}

/// From one place.
const HERE: Backoff = Backoff {
    free: 5,
    longest: Duration::from_secs(15 * 60),
};

/// From anywhere.
const ANYWHERE: Backoff = Backoff {
    free: 100,
    longest: Duration::from_secs(60),
};

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Key {
    name: String,
    /// `None`: wherever from.
    from: Option<Source>,
}

#[derive(Clone, Copy, Debug)]
struct Record {
    failures: u32,
    /// When it failed last, or succeeded.
    last: Instant,
    /// Whether a login from there has succeeded.
    known: bool,
}

/// The failures of late.
#[derive(Debug, Default)]
pub(crate) struct Lockouts(Mutex<HashMap<Key, Record>>);

impl Backoff {
    fn after(self, failures: u32) -> Duration {
        let Some(doublings) = failures.checked_sub(self.free) else {
            return Duration::ZERO;
        };
        let seconds = 1_u64.checked_shl(doublings).unwrap_or(u64::MAX);
        Duration::from_secs(seconds).min(self.longest)
    }
}

impl Lockouts {
    fn records(&self) -> MutexGuard<'_, HashMap<Key, Record>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// How long this name must wait there before it may try again; nothing if it may now.
    pub(crate) fn wait(&self, name: &str, from: Source, now: Instant) -> Option<Duration> {
        let records = self.records();
        let left = |from, backoff: Backoff| {
            let record = records.get(&key(name, from))?;
            let over = now.saturating_duration_since(record.last);
            let left = backoff.after(record.failures).saturating_sub(over);
            (!left.is_zero() && over < FORGIVEN).then_some(left)
        };
        let known = records
            .get(&key(name, Some(from)))
            .is_some_and(|record| record.known);
        let anywhere = if known { None } else { left(None, ANYWHERE) };
        left(Some(from), HERE).max(anywhere)
    }

    /// An attempt failed.
    pub(crate) fn failed(&self, name: &str, from: Source, now: Instant) {
        let mut records = self.records();
        for from in [Some(from), None] {
            make_room(&mut records);
            let record = records.entry(key(name, from)).or_insert(Record {
                failures: 0,
                last: now,
                known: false,
            });
            if now.saturating_duration_since(record.last) >= FORGIVEN {
                record.failures = 0;
            }
            record.failures = record.failures.saturating_add(1);
            record.last = now;
        }
    }

    /// An attempt succeeded.
    pub(crate) fn succeeded(&self, name: &str, from: Source, now: Instant) {
        let mut records = self.records();
        make_room(&mut records);
        let record = Record {
            failures: 0,
            last: now,
            known: true,
        };
        records.insert(key(name, Some(from)), record);
    }
}

fn key(name: &str, from: Option<Source>) -> Key {
    let end = name.floor_char_boundary(NAME_BYTES);
    Key {
        name: name.get(..end).unwrap_or_default().to_owned(),
        from,
    }
}

fn make_room(records: &mut HashMap<Key, Record>) {
    if records.len() < REMEMBERED {
        return;
    }
    let mut times: Vec<Instant> = records.values().map(|record| record.last).collect();
    let (_, last, _) = times.select_nth_unstable(FORGOTTEN_AT_ONCE);
    let last = *last;
    records.retain(|_, record| record.last > last);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn source(last: u8) -> Source {
        Source::of([192, 0, 2, last].into())
    }

    /// Fails as often as it may within this time; how often that was.
    fn attempts(lockouts: &Lockouts, name: &str, from: Source, start: Instant, within: Duration) -> u32 {
        let (mut now, mut failures) = (start, 0);
        while now < start + within {
            match lockouts.wait(name, from, now) {
                Some(wait) => now += wait,
                None => {
                    lockouts.failed(name, from, now);
                    failures += 1;
                }
            }
        }
        failures
    }

    #[test]
    fn each_failure_past_the_free_ones_doubles_the_wait() {
        let (lockouts, start) = (Lockouts::default(), Instant::now());
        for _ in 0..HERE.free {
            assert_eq!(lockouts.wait("d", source(1), start), None);
            lockouts.failed("d", source(1), start);
        }
        assert_eq!(lockouts.wait("d", source(1), start), Some(Duration::from_secs(1)));
        lockouts.failed("d", source(1), start);
        assert_eq!(lockouts.wait("d", source(1), start), Some(Duration::from_secs(2)));
        assert_eq!(
            lockouts.wait("d", source(1), start + Duration::from_secs(2)),
            None
        );
        // Neither another name nor another place is concerned.
        assert_eq!(lockouts.wait("e", source(1), start), None);
        assert_eq!(lockouts.wait("d", source(2), start), None);
    }

    #[test]
    fn who_goes_on_guessing_has_a_hundred_guesses_a_day() {
        let lockouts = Lockouts::default();
        let day = Duration::from_secs(24 * 60 * 60);
        let guesses = attempts(&lockouts, "d", source(1), Instant::now(), day);
        assert!((90..=120).contains(&guesses), "{guesses}");
    }

    #[test]
    fn a_login_clears_what_was_before_it_and_an_hour_does_too() {
        let (lockouts, start) = (Lockouts::default(), Instant::now());
        let fail = |times| (0..times).for_each(|_| lockouts.failed("d", source(1), start));
        fail(9);
        lockouts.succeeded("d", source(1), start);
        assert_eq!(lockouts.wait("d", source(1), start), None);
        fail(30);
        assert!(lockouts.wait("d", source(1), start).is_some());
        assert_eq!(lockouts.wait("d", source(1), start + FORGIVEN), None);
        lockouts.failed("d", source(1), start + FORGIVEN);
        assert_eq!(
            lockouts.wait("d", source(1), start + FORGIVEN),
            None,
            "counted anew"
        );
    }

    #[test]
    fn guesses_from_everywhere_slow_down_everywhere_but_where_the_officer_works() {
        let (lockouts, start) = (Lockouts::default(), Instant::now());
        lockouts.succeeded("d", source(250), start);
        for last in 0..120 {
            lockouts.failed("d", source(last), start);
        }
        assert_eq!(lockouts.wait("d", source(200), start), Some(ANYWHERE.longest));
        assert_eq!(lockouts.wait("d", source(250), start), None);
    }

    #[test]
    fn memory_is_bounded_and_the_oldest_are_forgotten_first() {
        let (lockouts, start) = (Lockouts::default(), Instant::now());
        for number in 0..3 * REMEMBERED {
            let now = start + Duration::from_millis(u64::try_from(number).unwrap());
            lockouts.failed(&format!("n{number}"), source(1), now);
            assert!(lockouts.records().len() <= REMEMBERED);
        }
        let newest = format!("n{}", 3 * REMEMBERED - 1);
        assert!(lockouts.records().contains_key(&key(&newest, None)));
        assert!(!lockouts.records().contains_key(&key("n0", None)));
    }
}
