//! What agreements have used of their days: rows and bytes, counted as they are recorded.
//!
//! A row is taken from the budget before its record is made, and is given only if it was there. What was taken before this
//! process began is read from the ledger: a budget survives its gateways, however they ended, and nothing else is written
//! down for it.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use evidence::entry::Kind;
use evidence::id::AgreementId;
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};
use ledger::{Ledger, ReadError};
use policy::estate::Limits;
use policy::in_force::{Day, Permit};
use serde::{Deserialize, Serialize};

use crate::say::Say;

/// How far back the ledger is read: no day is longer than 25 hours.
const BACK: SignedDuration = SignedDuration::from_hours(26);

/// What the ledger holds is kept by stretches of this many seconds: days begin at a multiple of it, wherever they do.
const STRETCH_SECONDS: i64 = 15 * 60;

/// Days of one agreement that are remembered: the present one, and some more for clocks that are set.
const DAYS: usize = 8;

/// What all gateways of one ledger have given of each agreement's days.
#[derive(Clone, Debug, Default)]
pub struct Budgets(Arc<Mutex<Inner>>);

#[derive(Debug, Default)]
struct Inner {
    /// What the ledger held when this began, by stretches of time.
    before: BTreeMap<AgreementId, BTreeMap<i64, Used>>,
    days: BTreeMap<AgreementId, Vec<Arc<DayUse>>>,
}

/// Rows and bytes of row messages.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Used {
    /// Rows that were recorded.
    pub rows: u64,
    /// Bytes of row messages that were recorded.
    pub bytes: u64,
}

/// One agreement's day.
#[derive(Debug)]
struct DayUse {
    day: Day,
    /// What of it is in [`Inner::before`].
    before: Used,
    rows: AtomicU64,
    bytes: AtomicU64,
}

/// Why it is not known what has been used.
#[derive(Debug, thiserror::Error)]
pub enum BudgetError {
    /// The ledger cannot be read.
    #[error("the ledger cannot be read")]
    Ledger(#[from] ReadError),
    /// A record is none.
    #[error("the record of entry {entry} does not say how many rows it is about")]
    Record {
        /// Which entry.
        entry: u64,
        /// What is wrong with it.
        #[source]
        source: serde_json::Error,
    },
}

impl Used {
    fn add(&mut self, other: Self) {
        self.rows = self.rows.saturating_add(other.rows);
        self.bytes = self.bytes.saturating_add(other.bytes);
    }
}

impl Budgets {
    /// Reads from a ledger what has been used of the present day, whatever its time zone. Blocks for the disk. Nothing may
    /// append disclosures meanwhile: they would not be counted.
    ///
    /// # Errors
    /// The ledger cannot be read.
    pub fn of(ledger: &Ledger, now: Timestamp) -> Result<Self, BudgetError> {
        let since = now.checked_sub(BACK).unwrap_or(Timestamp::MIN);
        let size = ledger.size();
        let mut before: BTreeMap<AgreementId, BTreeMap<i64, Used>> = BTreeMap::new();
        for stored in ledger.entries(first_since(ledger, since, size)?..size)? {
            let stored = stored?;
            let Ok(entry) = stored.parse() else { continue };
            let counts = matches!(entry.kind, Kind::Disclosure | Kind::Continuation);
            let (true, Some(agreement)) = (counts, entry.agreement) else {
                continue;
            };
            let used: Used = match &stored.under_seal {
                _ if !stored.record.is_empty() => {
                    serde_json::from_slice(&stored.record).map_err(|source| BudgetError::Record {
                        entry: stored.index,
                        source,
                    })?
                }
                Some(sealed) => Used {
                    rows: sealed.margin.outline.rows,
                    bytes: sealed.margin.outline.bytes,
                },
                // What was erased says nothing any more.
                None => continue,
            };
            let stretch = entry.time.as_second().div_euclid(STRETCH_SECONDS);
            let known = before.entry(agreement).or_default().entry(stretch);
            known.or_default().add(used);
        }
        Ok(Self(Arc::new(Mutex::new(Inner {
            before,
            days: BTreeMap::new(),
        }))))
    }

    fn inner(&self) -> MutexGuard<'_, Inner> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What has been used of an agreement's day.
    #[must_use]
    pub fn used(&self, agreement: &AgreementId, day: Day) -> Used {
        self.inner().day(agreement, day).used()
    }
}

/// The first entry that is not older than this; entries' times never go back.
fn first_since(ledger: &Ledger, since: Timestamp, size: u64) -> Result<u64, ReadError> {
    let (mut low, mut high) = (0, size);
    while low < high {
        let middle = low.midpoint(high);
        let older = ledger
            .entry(middle)?
            .parse()
            .is_ok_and(|entry| entry.time < since);
        if older {
            low = middle.saturating_add(1);
        } else {
            high = middle;
        }
    }
    Ok(low)
}

impl Inner {
    fn day(&mut self, agreement: &AgreementId, day: Day) -> Arc<DayUse> {
        let days = self.days.entry(agreement.clone()).or_default();
        if let Some(known) = days.iter().find(|known| known.day == day) {
            return Arc::clone(known);
        }
        let mut before = Used::default();
        for (stretch, used) in self.before.get(agreement).into_iter().flatten() {
            let began = Timestamp::from_second(stretch.saturating_mul(STRETCH_SECONDS));
            if began.is_ok_and(|began| day.covers(began)) {
                before.add(*used);
            }
        }
        // After the custodian has moved to another time zone a day lies across two: what was given counts in both.
        let mut all = before;
        for other in days.iter().filter(|other| other.overlaps(day)) {
            let used = other.used();
            all.add(Used {
                rows: used.rows.saturating_sub(other.before.rows),
                bytes: used.bytes.saturating_sub(other.before.bytes),
            });
        }
        let new = Arc::new(DayUse {
            day,
            before,
            rows: AtomicU64::new(all.rows),
            bytes: AtomicU64::new(all.bytes),
        });
        if days.len() >= DAYS {
            days.remove(0);
        }
        days.push(Arc::clone(&new));
        new
    }
}

impl DayUse {
    fn used(&self) -> Used {
        Used {
            rows: self.rows.load(Ordering::Relaxed),
            bytes: self.bytes.load(Ordering::Relaxed),
        }
    }

    fn overlaps(&self, day: Day) -> bool {
        self.day.starts < day.ends && day.starts < self.day.ends
    }
}

/// One session's way to its agreement's budget.
#[derive(Debug)]
pub(crate) struct Spender {
    budgets: Budgets,
    agreement: AgreementId,
    zone: TimeZone,
    rows: Option<u64>,
    bytes: Option<u64>,
    day: Arc<DayUse>,
    /// Given and not counted in the day yet: only where there is no limit.
    owed: Used,
}

impl Spender {
    pub(crate) fn new(budgets: &Budgets, permit: &Permit, now: Timestamp) -> Self {
        let mut spender = Self::of(
            budgets.clone(),
            permit.agreement().clone(),
            permit.time_zone().clone(),
            now,
        );
        spender.limits(permit.limits());
        spender
    }

    pub(crate) fn of(budgets: Budgets, agreement: AgreementId, zone: TimeZone, now: Timestamp) -> Self {
        let day = budgets.inner().day(&agreement, Day::of(now, &zone));
        Self {
            budgets,
            agreement,
            zone,
            rows: None,
            bytes: None,
            day,
            owed: Used::default(),
        }
    }

    /// These hold from now on.
    pub(crate) fn limits(&mut self, limits: &Limits) {
        (self.rows, self.bytes) = (limits.rows_per_day, limits.bytes_per_day);
    }

    /// Takes one row of `bytes` bytes from the budget of the day. `Err`: it is not there, and what the client is told.
    pub(crate) fn row(&mut self, bytes: u64, now: Timestamp) -> Result<(), Say> {
        if !self.day.day.covers(now) {
            self.settle();
            let day = Day::of(now, &self.zone);
            self.day = self.budgets.inner().day(&self.agreement, day);
        }
        if self.rows.is_none() && self.bytes.is_none() {
            self.owed.add(Used { rows: 1, bytes });
            return Ok(());
        }
        if !take(&self.day.rows, 1, self.rows) {
            return Err(self.over("rows", self.rows));
        }
        if !take(&self.day.bytes, bytes, self.bytes) {
            self.day.rows.fetch_sub(1, Ordering::Relaxed);
            return Err(self.over("bytes", self.bytes));
        }
        Ok(())
    }

    /// Counts in the day what has been given without a limit.
    pub(crate) fn settle(&mut self) {
        let Used { rows, bytes } = std::mem::take(&mut self.owed);
        if rows > 0 {
            self.day.rows.fetch_add(rows, Ordering::Relaxed);
            self.day.bytes.fetch_add(bytes, Ordering::Relaxed);
        }
    }

    fn over(&self, what: &str, most: Option<u64>) -> Say {
        let again = self.day.day.ends.to_zoned(self.zone.clone());
        Say::over_budget(
            &self.agreement,
            &format!("{} {what}", most.unwrap_or_default()),
            &again.strftime("%Y-%m-%d %H:%M %Z").to_string(),
        )
    }
}

/// Adds to a counter, but not beyond what there may be.
fn take(counter: &AtomicU64, amount: u64, most: Option<u64>) -> bool {
    let Some(most) = most else {
        counter.fetch_add(amount, Ordering::Relaxed);
        return true;
    };
    let add = |used: u64| used.checked_add(amount).filter(|sum| *sum <= most);
    counter
        .fetch_update(Ordering::Relaxed, Ordering::Relaxed, add)
        .is_ok()
}

#[cfg(test)]
mod tests;
