//! Erasure: keys of entries are destroyed, and the log says which.
//!
//! In this order, each step durable before the next: the ring says that an erasure is begun; the `erased` entry is in the log, and
//! from then on it will be carried out, by whichever process; the keys are destroyed. All proofs stay as they were: the log's
//! bytes do not change.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;
use std::sync::PoisonError;
use std::time::Duration;

use evidence::entry::{Entry, Kind};
use evidence::erasure::{Erased, ErasedError, MAX_BODY_BYTES};
use evidence::id::SessionId;
use evidence::overseers::Outline;
use evidence::record::{self, Clipped, ErasedRecord, RecordError};
use jiff::Timestamp;

use super::Ledger;
use crate::append::{Draft, NotRecorded};
use crate::failure::Failure;
use crate::keys::{KeysError, Wrapped};
use crate::payload::{Item, Private};
use crate::read::{Entries, ReadError, Stored, stored};

/// Most records of one erasure; more take several.
pub const ERASED_MAX: usize = 100_000;

/// How often, and how long each time, appends that hold keys of a shelf are waited for: some ten seconds in all.
const LOOKS: u32 = 10_000;
const BETWEEN_LOOKS: Duration = Duration::from_millis(1);

/// An erasure that was carried out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Erasure {
    /// Index of the `erased` entry that says so.
    pub entry: u64,
    /// The time in it.
    pub time: Timestamp,
    /// Which entries lost their private records.
    pub erased: Erased,
    /// How many.
    pub records: u64,
}

/// Why nothing was erased; or, where it says so, why it was not finished.
#[derive(Debug, thiserror::Error)]
pub enum EraseError {
    /// None of the entries has a private record that is still there.
    #[error("nothing to erase: none of these entries has a private record that is still there")]
    Nothing,
    /// A kind that is kept: who may read what, and what was ended, is told from these.
    #[error("entry {index} is of kind `{kind}`, whose records are kept: the ledger answers from them")]
    Kept {
        /// Which entry.
        index: u64,
        /// What it is about.
        kind: Kind,
    },
    /// A part of a statement.
    #[error(
        "entry {index} is a later part of a statement: erase the `disclosure` entry it began with, and all of it goes"
    )]
    Part {
        /// Which entry.
        index: u64,
    },
    /// A statement whose result is still being sent.
    #[error("the result of the statement of entry {index} is still being sent")]
    UnderWay {
        /// Which entry.
        index: u64,
    },
    /// Written by a version that could not erase.
    #[error("entry {index} was recorded by an earlier version, in plain: it cannot be erased")]
    Plain {
        /// Which entry.
        index: u64,
    },
    /// Too many at once.
    #[error("too many entries for one erasure: at most {ERASED_MAX}, in ranges that fit an entry")]
    TooMany,
    /// An entry cannot be read.
    #[error("the ledger cannot be read")]
    Read(#[from] ReadError),
    /// A record is none.
    #[error("the record of entry {index} cannot be read")]
    Record {
        /// Which entry.
        index: u64,
        /// What is wrong with it.
        #[source]
        source: RecordError,
    },
    /// The basis is too long, or the like.
    #[error("the erasure cannot be recorded")]
    Draft(#[from] RecordError),
    /// It is not in the log, and nothing was erased.
    #[error("the erasure cannot be recorded")]
    NotRecorded(#[from] NotRecorded),
    /// An `erased` entry makes no sense.
    #[error("entry {index} does not say what was erased")]
    Body {
        /// Which entry.
        index: u64,
        /// What is wrong with it.
        #[source]
        source: ErasedError,
    },
    /// The key store failed. Where the entry is in the log already, the next start, or the next erasure, carries it out.
    #[error("the keys of the entries")]
    Keys(#[from] KeysError),
}

/// What is to go: entries by the shelf that their keys are on.
type Gone = BTreeMap<u64, BTreeSet<u64>>;

impl Ledger {
    /// Erases the private records of these entries: `session`, `ended`, `refusal`, and `disclosure`, with all later parts of its
    /// statement. Those that are erased already are left out. `basis` and `by` are recorded, as private as any record. Blocks for the
    /// disk.
    ///
    /// # Errors
    /// See [`EraseError`]: but for [`EraseError::Keys`], nothing is erased then.
    pub fn erase(
        &self,
        entries: &BTreeSet<u64>,
        basis: &str,
        by: &str,
        at: Timestamp,
    ) -> Result<Erasure, EraseError> {
        let _erasing = self.0.erasing.lock().unwrap_or_else(PoisonError::into_inner);
        self.failing(self.finish_locked())?;
        let gone = self.gather(entries)?;
        let all: BTreeSet<u64> = gone.values().flatten().copied().collect();
        if all.is_empty() {
            return Err(EraseError::Nothing);
        }
        let erased = Erased::of(&all);
        let (body, records) = (erased.to_string(), u64::try_from(all.len()).unwrap_or(u64::MAX));
        if body.len() > MAX_BODY_BYTES || all.len() > ERASED_MAX {
            return Err(EraseError::TooMany);
        }
        let record = ErasedRecord {
            at,
            basis: Clipped::from(basis),
            by: Clipped::from(by),
            records,
        };
        let draft = Draft::of(&record)?.with_body(body);
        self.failing(self.0.keys.begin(self.size()).map_err(EraseError::from))?;
        let (matter, bytes) = self.prepare(vec![draft])?;
        let receipt = match self.submit(matter, bytes).wait() {
            Ok(receipt) => receipt,
            Err(why) => {
                if !matches!(why, NotRecorded::Failed(_)) {
                    self.failing(self.0.keys.abandon(self.size()).map_err(EraseError::from))?;
                }
                return Err(why.into());
            }
        };
        self.failing(self.carry_out(receipt.first_index(), &gone))?;
        Ok(Erasure {
            entry: receipt.first_index(),
            time: receipt.time(),
            erased,
            records,
        })
    }

    /// Entries from `from` on whose private record can be erased, as far as `due` says so by what is public of them; at most
    /// `limit`. Also says how far it came. Blocks for the disk.
    ///
    /// # Errors
    /// The ledger cannot be read.
    pub fn erasable(
        &self,
        from: u64,
        limit: usize,
        mut due: impl FnMut(&Entry) -> bool,
    ) -> Result<(BTreeSet<u64>, u64), ReadError> {
        let (mut found, mut next) = (BTreeSet::new(), from);
        let size = self.size();
        let stop = || ReadError::NoSuchEntry { index: size, size };
        let walked = self.raw(from..size, |index, item| {
            if found.len() >= limit {
                // Only ends the walk.
                return Err(stop());
            }
            next = index.saturating_add(1);
            let Ok(entry) = Entry::parse(item.entry) else {
                return Ok(());
            };
            let sealed = matches!(item.private, Some(Private::Sealed(..)));
            let whole = matches!(
                entry.kind,
                Kind::Session | Kind::Ended | Kind::Refusal | Kind::Disclosure
            );
            if sealed && whole && due(&entry) {
                let there = stored(index, item, &self.0.origin, Some(&self.0.keys))?;
                found.extend(there.erased_by.is_none().then_some(index));
            }
            Ok(())
        });
        match walked {
            Err(ReadError::NoSuchEntry { index, .. }) if index == size => {}
            other => other?,
        }
        Ok((found, next))
    }

    /// Carries out the erasure that was begun and not finished, if there is one.
    pub(super) fn finish_erasure(&self) -> Result<(), EraseError> {
        let _erasing = self.0.erasing.lock().unwrap_or_else(PoisonError::into_inner);
        self.failing(self.finish_locked())
    }

    fn finish_locked(&self) -> Result<(), EraseError> {
        let Some(from) = self.0.keys.pending() else {
            return Ok(());
        };
        let mut found = None;
        self.raw(from..self.size(), |index, item| {
            let entry = Entry::parse(item.entry)
                .ok()
                .filter(|entry| entry.kind == Kind::Erased);
            if let (None, Some(entry)) = (&found, entry) {
                let erased = Erased::parse(&entry.body.unwrap_or_default());
                let erased = erased.map_err(|source| EraseError::Body { index, source })?;
                found = Some((index, erased));
            }
            Ok::<_, EraseError>(())
        })?;
        let Some((by, erased)) = found else {
            return Ok(self.0.keys.abandon(self.size())?);
        };
        let mut gone = Gone::new();
        for range in erased.ranges() {
            let range = *range.start()..range.end().saturating_add(1);
            self.raw(range, |index, item| {
                note(&mut gone, index, &item);
                Ok::<_, EraseError>(())
            })?;
        }
        self.carry_out(by, &gone)
    }

    /// Destroys the keys. Doing it once more does no harm.
    fn carry_out(&self, by: u64, gone: &Gone) -> Result<(), EraseError> {
        let shelves: BTreeSet<u64> = gone.keys().copied().collect();
        let mut looks = 0_u32;
        while !self.0.keys.retire(&shelves) {
            if looks >= LOOKS {
                return Err(KeysError::InUse.into());
            }
            looks = looks.saturating_add(1);
            std::thread::sleep(BETWEEN_LOOKS);
        }
        // Asked for after nothing is on its way any more.
        let size = self.size();
        self.0.keys.destroy(gone, by, size, |shelf, visit| {
            let (from, to) = self.0.keys.stretch(shelf).ok_or(KeysError::Ring)?;
            self.raw(from..to.unwrap_or(size), |index, item| {
                if let Some(Private::Sealed(wrapped, _)) = item.private {
                    let wrapped = Wrapped(*wrapped);
                    if wrapped.shelf() == shelf {
                        visit(index, wrapped)?;
                    }
                }
                Ok::<_, EraseError>(())
            })
        })
    }

    /// The entries that are asked for and those that go with them, by shelf.
    fn gather(&self, entries: &BTreeSet<u64>) -> Result<Gone, EraseError> {
        let (mut gone, mut open) = (Gone::new(), Open::new());
        let size = self.size();
        for range in Erased::of(entries).ranges() {
            if *range.end() >= size {
                return Err(ReadError::NoSuchEntry {
                    index: *range.end(),
                    size,
                }
                .into());
            }
            let range = *range.start()..range.end().saturating_add(1);
            self.raw(range, |index, item| {
                let there = stored(index, item, &self.0.origin, Some(&self.0.keys))?;
                if there.erased_by.is_some() {
                    return Ok(());
                }
                let kind = Entry::parse(item.entry).map_or(Kind::Genesis, |entry| entry.kind);
                match kind {
                    Kind::Session | Kind::Ended | Kind::Refusal => {}
                    Kind::Disclosure => {
                        let known = outline(kind, &there)?;
                        if let Some(statement) = known.statement().filter(|_| known.streaming) {
                            open.insert(statement, index);
                        }
                    }
                    Kind::Continuation | Kind::Outcome => return Err(EraseError::Part { index }),
                    kind => return Err(EraseError::Kept { index, kind }),
                }
                if matches!(item.private, Some(Private::Plain(..))) {
                    return Err(EraseError::Plain { index });
                }
                note(&mut gone, index, &item);
                Ok(())
            })?;
        }
        self.parts(open, &mut gone)?;
        Ok(gone)
    }

    /// The later parts of statements.
    fn parts(&self, mut open: Open, gone: &mut Gone) -> Result<(), EraseError> {
        let Some(first) = open.values().min() else {
            return Ok(());
        };
        let mut at = first.saturating_add(1);
        let size = self.size();
        while !open.is_empty() && at < size {
            let range = at..at.saturating_add(1024).min(size);
            at = range.end;
            self.raw(range, |index, item| {
                if open.is_empty() {
                    return Ok(());
                }
                let kind = Entry::parse(item.entry).map_or(Kind::Genesis, |entry| entry.kind);
                if !matches!(kind, Kind::Continuation | Kind::Outcome | Kind::Ended | Kind::Cut) {
                    return Ok(());
                }
                let there = stored(index, item, &self.0.origin, Some(&self.0.keys))?;
                if there.erased_by.is_some() {
                    return Ok(());
                }
                if kind == Kind::Cut {
                    let end: record::Cut = decode(index, &there.record)?;
                    open.retain(|(session, _), _| *session != end.session);
                    return Ok(());
                }
                let known = outline(kind, &there)?;
                if kind == Kind::Ended {
                    open.retain(|(session, _), _| Some(session) != known.session.as_ref());
                    return Ok(());
                }
                let of = known.statement();
                if let Some(of) = of.filter(|of| open.contains_key(of)) {
                    note(gone, index, &item);
                    if kind == Kind::Outcome {
                        open.remove(&of);
                    }
                }
                Ok::<_, EraseError>(())
            })?;
        }
        // What an earlier process began and did not end, nobody will.
        match open.into_values().find(|index| *index >= self.0.began) {
            Some(index) => Err(EraseError::UnderWay { index }),
            None => Ok(()),
        }
    }

    fn raw<E: From<ReadError>>(
        &self,
        range: Range<u64>,
        visit: impl FnMut(u64, Item<'_>) -> Result<(), E>,
    ) -> Result<(), E> {
        let Self(inner) = self;
        let entries = Entries::open(
            &inner.shared,
            &inner.disk,
            &inner.keys,
            inner.origin.clone(),
            range,
        )?;
        entries.raw(visit)
    }

    /// A sync that failed ends the ledger, here as everywhere.
    pub(super) fn failing<T>(&self, outcome: Result<T, EraseError>) -> Result<T, EraseError> {
        if let Err(EraseError::Keys(KeysError::Unsynced(error))) = &outcome {
            let error = std::io::Error::new(error.kind(), error.to_string());
            drop(self.0.shared.fail(Failure::Unsynced(error)));
        }
        outcome
    }
}

/// Statements whose results go on, with the entry of each one's beginning.
type Open = BTreeMap<(SessionId, u64), u64>;

fn note(gone: &mut Gone, index: u64, item: &Item<'_>) {
    if let Some(Private::Sealed(wrapped, _)) = item.private {
        gone.entry(Wrapped(*wrapped).shelf()).or_default().insert(index);
    }
}

/// What is known of a record, whether or not it is under seal.
fn outline(kind: Kind, there: &Stored) -> Result<Outline, EraseError> {
    let index = there.index;
    match &there.under_seal {
        Some(sealed) => Ok(sealed.margin.outline.clone()),
        None => Outline::of(kind, &there.record).map_err(|source| EraseError::Record { index, source }),
    }
}

fn decode<R: record::Record>(index: u64, record: &[u8]) -> Result<R, EraseError> {
    record::decode(record).map_err(|source| EraseError::Record { index, source })
}

#[cfg(test)]
mod tests;
