//! A stretch of the log: its subjects, what of it cannot be attributed, and what is still under way at its end.

use std::collections::{BTreeMap, BTreeSet};

use evidence::entry::{Entry, Kind};
use evidence::id::{DatasetId, SessionId};
use evidence::overseers::Outline;
use evidence::record::{
    self, Continuation, Cut, Disclosure, Ended, Outcome, OutcomeRecord, RecordError, Subjects, Unattributed,
    Why,
};
use evidence::subject::KeyId;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::Open;
use super::run::{Meta, Place, Row};
use crate::wal::Position;

/// What an unattributed row was drawn from, and why it has no subject.
pub(super) type Reason = (Option<DatasetId>, Why);

/// What answers cover.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Totals {
    /// Entries of the log.
    pub entries: u64,
    /// The time of the first of them, and of the last.
    pub from: Option<Timestamp>,
    /// The time of the last.
    pub until: Option<Timestamp>,
    /// Rows disclosed, attributed or not.
    pub rows: u64,
    /// Rows with a subject, by accounting key; a row with subjects of two data sets counts twice.
    pub attributed: BTreeMap<KeyId, u64>,
    /// What cannot be attributed.
    pub unaccounted: Vec<Unaccounted>,
    /// Rows of records that were made before subjects were recorded.
    pub earlier_rows: u64,
}

/// Rows that cannot be attributed to anybody, of one data set and for one reason.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Unaccounted {
    /// What they were drawn from; none if that is not known.
    pub dataset: Option<DatasetId>,
    /// Why.
    pub why: Why,
    /// Results with such rows.
    pub results: u64,
    /// How many rows.
    pub rows: u64,
}

impl Totals {
    /// With those of the stretch that follows.
    pub(super) fn add(&mut self, next: &Self) {
        self.entries = self.entries.saturating_add(next.entries);
        self.from = self.from.or(next.from);
        self.until = next.until.or(self.until);
        self.rows = self.rows.saturating_add(next.rows);
        self.earlier_rows = self.earlier_rows.saturating_add(next.earlier_rows);
        for (key, rows) in &next.attributed {
            let known = self.attributed.entry(*key).or_default();
            *known = known.saturating_add(*rows);
        }
        for more in &next.unaccounted {
            self.unaccounted(&(more.dataset.clone(), more.why), more.results, more.rows);
        }
    }

    fn unaccounted(&mut self, (dataset, why): &Reason, results: u64, rows: u64) {
        let known = self.unaccounted.iter_mut();
        let mut known = known.filter(|known| known.dataset == *dataset && known.why == *why);
        match known.next() {
            Some(known) => {
                known.results = known.results.saturating_add(results);
                known.rows = known.rows.saturating_add(rows);
            }
            None => self.unaccounted.push(Unaccounted {
                dataset: dataset.clone(),
                why: *why,
                results,
                rows,
            }),
        }
    }
}

/// A stretch that is being read.
#[derive(Debug)]
pub(super) struct Stretch {
    /// Index of its first entry.
    pub(super) from: u64,
    /// Index after its last.
    pub(super) to: u64,
    /// Where its first frame begins, or would.
    pub(super) began: Position,
    /// The same; where reading begins.
    pub(super) at: Position,
    pub(super) totals: Totals,
    open: Open,
}

impl Stretch {
    pub(super) fn beginning(at: Position) -> Self {
        Self {
            from: 0,
            to: 0,
            began: at,
            at,
            totals: Totals::default(),
            open: Open::new(),
        }
    }

    /// What follows a run.
    pub(super) fn after(meta: &Meta) -> Self {
        let open = meta.open.iter().cloned();
        Self {
            from: meta.to,
            to: meta.to,
            began: meta.position(),
            at: meta.position(),
            totals: Totals::default(),
            open: open
                .map(|(session, number, entry, reasons)| {
                    ((session, number), (entry, reasons.into_iter().collect()))
                })
                .collect(),
        }
    }

    /// What follows this one, which ends at `at`.
    pub(super) fn next(&mut self, at: Position) -> Self {
        Self {
            from: self.to,
            to: self.to,
            began: at,
            at,
            totals: Totals::default(),
            open: std::mem::take(&mut self.open),
        }
    }

    /// What a run of it says about itself.
    pub(super) fn meta(&self, at: Position, level: u8) -> Meta {
        let open = self.open.iter();
        Meta {
            from: self.from,
            to: self.to,
            at: Place::from(at),
            level,
            totals: self.totals.clone(),
            open: open
                .map(|((session, number), (entry, reasons))| {
                    (
                        session.clone(),
                        *number,
                        *entry,
                        reasons.iter().cloned().collect(),
                    )
                })
                .collect(),
        }
    }

    /// Takes in the next entry, which says nothing of disclosures, or nothing any more.
    pub(super) fn other(&mut self, entry: &Entry) {
        self.to = self.to.saturating_add(1);
        self.totals.entries = self.totals.entries.saturating_add(1);
        self.totals.from.get_or_insert(entry.time);
        self.totals.until = Some(entry.time);
    }

    /// Takes in the next entry, with its record.
    pub(super) fn entry(
        &mut self,
        entry: &Entry,
        record: &[u8],
        rows: &mut Vec<Row>,
    ) -> Result<(), RecordError> {
        let index = self.to;
        self.other(entry);
        match entry.kind {
            Kind::Disclosure => {
                let one: Disclosure = record::decode(record)?;
                // What was recorded before subjects were has no legal basis either.
                if one.legal_basis.is_none() {
                    self.totals.earlier_rows = self.totals.earlier_rows.saturating_add(one.rows);
                }
                let key = (one.session, one.statement_number);
                let mut reasons = BTreeSet::new();
                self.part(
                    index,
                    one.rows,
                    &one.subjects,
                    &one.unattributed,
                    &mut reasons,
                    rows,
                );
                if one.outcome == Outcome::Streaming {
                    self.open.insert(key, (index, reasons));
                }
            }
            Kind::Continuation => {
                let more: Continuation = record::decode(record)?;
                let key = (more.session, more.statement_number);
                // One whose beginning is not known stands for itself.
                let (first, mut reasons) = self.open.remove(&key).unwrap_or((index, BTreeSet::new()));
                self.part(
                    first,
                    more.rows,
                    &more.subjects,
                    &more.unattributed,
                    &mut reasons,
                    rows,
                );
                self.open.insert(key, (first, reasons));
            }
            Kind::Outcome => {
                let ended: OutcomeRecord = record::decode(record)?;
                self.open.remove(&(ended.session, ended.statement_number));
            }
            Kind::Ended => self.close(&record::decode::<Ended>(record)?.session),
            Kind::Cut => self.close(&record::decode::<Cut>(record)?.session),
            _ => {}
        }
        Ok(())
    }

    /// Takes in the next entry, of whose record no more is known than this: it is under seal.
    pub(super) fn outlined(&mut self, entry: &Entry, known: &Outline, rows: &mut Vec<Row>) {
        let index = self.to;
        self.other(entry);
        let part = (
            known.rows,
            known.subjects.as_slice(),
            known.unattributed.as_slice(),
        );
        match (entry.kind, known.statement()) {
            (Kind::Disclosure, Some(key)) => {
                let mut reasons = BTreeSet::new();
                self.part(index, part.0, part.1, part.2, &mut reasons, rows);
                if known.streaming {
                    self.open.insert(key, (index, reasons));
                }
            }
            (Kind::Continuation, Some(key)) => {
                let (first, mut reasons) = self.open.remove(&key).unwrap_or((index, BTreeSet::new()));
                self.part(first, part.0, part.1, part.2, &mut reasons, rows);
                self.open.insert(key, (first, reasons));
            }
            (Kind::Outcome, Some(key)) => drop(self.open.remove(&key)),
            (Kind::Ended, _) => {
                if let Some(session) = &known.session {
                    self.close(session);
                }
            }
            _ => {}
        }
    }

    fn close(&mut self, session: &SessionId) {
        self.open.retain(|(open, _), _| open != session);
    }

    fn part(
        &mut self,
        first: u64,
        count: u64,
        subjects: &[Subjects],
        unattributed: &[Unattributed],
        reasons: &mut BTreeSet<Reason>,
        rows: &mut Vec<Row>,
    ) {
        self.totals.rows = self.totals.rows.saturating_add(count);
        for of in subjects {
            let known = self.totals.attributed.entry(of.key).or_default();
            *known = known.saturating_add(of.rows);
            rows.extend(of.tags.tags().iter().map(|tag| Row {
                tag: tag.0,
                entry: first,
            }));
        }
        for of in unattributed {
            let reason = (of.dataset.clone(), of.why);
            let new = u64::from(!reasons.contains(&reason));
            self.totals.unaccounted(&reason, new, of.rows);
            reasons.insert(reason);
        }
    }
}
