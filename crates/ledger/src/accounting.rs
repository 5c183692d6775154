//! Whom disclosures were about: an index over the subjects' tags in the private records.
//!
//! It is made from the write-ahead log and can be made again: runs of sorted tags, each over an unbroken stretch of the
//! log, and what stands behind the last of them, which is read whole each time. So an answer covers every record that is on
//! the disk, whether or not somebody is writing the log at the time, and however the last process ended.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use evidence::entry::{Entry, Kind};
use evidence::id::{Custodian, Origin, SessionId};
use evidence::overseers::Under;
use evidence::record::{self, Disclosure};
use evidence::subject::Tag;
use jiff::Timestamp;

use crate::disk::{Disk, LockError, RealDisk};
use crate::index::Index;
use crate::keys::{Keys, KeysError, Unsealed};
use crate::payload::Appended;
use crate::read::{ReadError, Stored, private, stored};
use crate::wal::{HEADER_BYTES, Position, ReadFault, Reader, ScanFault, scan, sequenced};

mod forget;
mod merge;
mod run;
mod stretch;
#[cfg(test)]
mod tests;

pub use stretch::{Totals, Unaccounted};

use run::{Built, Row, Run};
use stretch::Stretch;

/// How much is read before it becomes a run.
#[derive(Debug, Clone, Copy)]
struct Bounds {
    /// Rows, and bytes of the log, behind the last run from which on another run is written.
    tail_rows: usize,
    tail_bytes: u64,
    /// Rows of one run before runs are merged: what is sorted in memory at a time.
    run_rows: usize,
}

impl Default for Bounds {
    /// What is read for each answer stays within some tens of milliseconds; 64 MiB are sorted at a time.
    fn default() -> Self {
        Self {
            tail_rows: 1 << 16,
            tail_bytes: 8 << 20,
            run_rows: 1 << 22,
        }
    }
}

/// Runs of one size that are merged into one: 100 million rows are then some twenty runs.
const MERGED: usize = 8;

/// Most runs; past it all become one.
const RUNS_MAX: usize = 48;

/// Most disclosures of one subject that are told.
pub const HITS_MAX: usize = 100_000;

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub enum AccountsError {
    /// The file system failed.
    #[error("the files of the accounting could not be read or written")]
    Storage(#[from] io::Error),
    /// The ledger cannot be read.
    #[error("the ledger cannot be read")]
    Ledger(#[from] ReadError),
    /// The key store does not serve.
    #[error("the keys of private records cannot be read")]
    Keys(#[from] KeysError),
    /// The write-ahead log is damaged.
    #[error("the write-ahead log cannot be read")]
    Log(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// A record is none.
    #[error("entry {entry} has a record that cannot be read")]
    Record {
        /// Which entry.
        entry: u64,
        /// What is wrong with it.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// A run is not as it was written.
    #[error("`{path}` is damaged; without the folder it is in, the index is made anew from the ledger")]
    Damaged {
        /// The file.
        path: String,
    },
    /// One subject has been disclosed more often than is told.
    #[error("there are more than {HITS_MAX} disclosures of this subject")]
    TooMany,
}

/// The index, as it stood when it was opened.
#[derive(Debug)]
pub struct Accounts {
    disk: Arc<dyn Disk>,
    origin: Origin,
    keys: Option<Keys>,
    runs: Vec<Run>,
    /// What stands behind the runs.
    tail: Stretch,
    tail_rows: Vec<Row>,
}

/// A disclosure of the subject that was asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Told {
    /// Index of the entry in the main log.
    pub entry: u64,
    /// When it was appended, in whole seconds.
    pub time: Timestamp,
    /// The record of the statement.
    pub record: Disclosure,
}

/// A disclosure of the subject whose record is under seal: that there is one, and no more.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UnderSeal {
    /// Its entry, with what is public of it.
    pub entry: u64,
    /// The entry as it is published.
    pub public: Entry,
    /// To whom it is sealed, and until when.
    pub under: Under,
}

/// What can be told of disclosures.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Found {
    /// Those that can be read, in order.
    pub told: Vec<Told>,
    /// Those under seal, in order.
    pub under_seal: Vec<UnderSeal>,
}

impl Accounts {
    /// Reads what the index in `dir` does not hold yet of the ledger in `ledger`, and writes it there where it is much and
    /// nobody else is at it. `news` is told how many entries have been read so far.
    ///
    /// # Errors
    /// See [`AccountsError`].
    pub fn open(
        ledger: &Path,
        dir: &Path,
        custodian: &Custodian,
        news: impl FnMut(u64),
    ) -> Result<Self, AccountsError> {
        Self::open_with(ledger, dir, custodian, Bounds::default(), news)
    }

    fn open_with(
        ledger: &Path,
        dir: &Path,
        custodian: &Custodian,
        bounds: Bounds,
        mut news: impl FnMut(u64),
    ) -> Result<Self, AccountsError> {
        let disk: Arc<dyn Disk> = Arc::new(RealDisk::look(ledger));
        let origin = custodian.main_origin();
        let lock = match RealDisk::lock(dir) {
            Ok(lock) => Some(lock),
            Err(LockError::Taken) => None,
            Err(LockError::Io(error)) => return Err(error.into()),
        };
        let keys = Keys::look(&disk)?;
        let index = Index::look(&*disk)?;
        let mut runs = run::all(dir)?;
        if !fits(index.as_ref(), &runs)? {
            // The log went back, as after a loss of power: what was read of it is no longer so.
            if lock.is_some() {
                run::remove(dir, &runs)?;
            }
            runs.clear();
        }
        if let (Some(keys), Some(index), Some(_)) = (&keys, &index, &lock) {
            let entry = |at| indexed(&disk, &origin, Some(keys), index, at);
            let mut erasures = keys.erasures();
            // One that cannot be found yet is heard of the next time.
            let known = index.count()?;
            erasures.retain(|erasure| *erasure < known);
            forget::forget(dir, &erasures, entry, &mut runs)?;
        }
        let mut building = Building {
            dir: lock.as_ref().map(|_| dir.to_owned()),
            durable: index.as_ref().map_or(Ok(0), Index::count)?,
            stretch: runs.last().map_or_else(
                || Stretch::beginning(Position::start(origin.as_str())),
                |last| Stretch::after(&last.meta),
            ),
            runs,
            rows: Vec::new(),
            bytes: 0,
            bounds,
            keys: keys.as_ref(),
        };
        let at = building.stretch.at;
        let scanned = scan(&disk, at, |at, payload| {
            building.visit(at, payload)?;
            news(building.stretch.to);
            Ok(())
        });
        match scanned {
            Ok(scanned) => building.cut(scanned.end(), true)?,
            Err(ScanFault::Refused(error)) => return Err(error),
            Err(ScanFault::Read(ReadFault::Io { source, .. })) => return Err(source.into()),
            Err(ScanFault::Read(fault)) => return Err(AccountsError::Log(Box::new(fault))),
        }
        let Building {
            mut runs,
            stretch: tail,
            rows: mut tail_rows,
            ..
        } = building;
        if lock.is_some() {
            merge::tidy(dir, &mut runs)?;
        }
        tail_rows.sort_unstable();
        tail_rows.dedup();
        Ok(Self {
            disk,
            origin,
            keys,
            runs,
            tail,
            tail_rows,
        })
    }

    /// What the answers cover, and what of it cannot be attributed.
    pub fn totals(&self) -> Totals {
        let mut totals = Totals::default();
        for run in &self.runs {
            totals.add(&run.meta.totals);
        }
        totals.add(&self.tail.totals);
        totals
    }

    /// The entries of the disclosures of this subject, in order, each once.
    ///
    /// # Errors
    /// The index cannot be read, is damaged, or there are more than [`HITS_MAX`].
    pub fn find(&self, tag: Tag) -> Result<Vec<u64>, AccountsError> {
        let mut entries = BTreeSet::new();
        for run in &self.runs {
            run.find(tag.0, &mut entries)?;
        }
        let first = self.tail_rows.partition_point(|row| row.tag < tag.0);
        let behind = self.tail_rows.get(first..).unwrap_or_default();
        entries.extend(
            behind
                .iter()
                .take_while(|row| row.tag == tag.0)
                .map(|row| row.entry),
        );
        if entries.len() > HITS_MAX {
            return Err(AccountsError::TooMany);
        }
        Ok(entries.into_iter().collect())
    }

    /// How often records were erased: of what they said the answers tell nothing.
    pub fn erasures(&self) -> u64 {
        let keys = self.keys.as_ref().map(Keys::erasures);
        keys.map_or(0, |erasures| u64::try_from(erasures.len()).unwrap_or(u64::MAX))
    }

    /// The records of disclosures, checked against their commitments. Those that were erased are left out.
    ///
    /// # Errors
    /// One of them cannot be read, or is not what it was.
    pub fn told(&self, entries: &[u64]) -> Result<Found, AccountsError> {
        let wanted: BTreeSet<u64> = entries.iter().copied().collect();
        let index = Index::look(&*self.disk)?;
        let mut all = Found::default();
        for entry in &wanted {
            let found = match &index {
                Some(index) if *entry < self.tail.from => {
                    indexed(&self.disk, &self.origin, self.keys.as_ref(), index, *entry)?
                }
                _ => behind(
                    &self.disk,
                    &self.origin,
                    self.keys.as_ref(),
                    self.tail.began,
                    *entry,
                )?,
            };
            match &found.under_seal {
                _ if found.erased_by.is_some() => {}
                None => all.told.push(read(&found)?),
                Some(sealed) => all.under_seal.push(UnderSeal {
                    entry: found.index,
                    public: parsed(&found)?,
                    under: sealed.margin.under.clone(),
                }),
            }
        }
        Ok(all)
    }
}

/// An entry that the position index has.
fn indexed(
    disk: &Arc<dyn Disk>,
    origin: &Origin,
    keys: Option<&Keys>,
    index: &Index,
    entry: u64,
) -> Result<Stored, AccountsError> {
    let missing = || ReadError::Damaged {
        index: entry,
        what: "its record in the index",
    };
    let at = index.find(entry)?.ok_or_else(missing)?;
    let at = sequenced(&**disk, at)?.ok_or_else(missing)?;
    behind(disk, origin, keys, at, entry)
}

/// An entry that stands behind a place in the log.
fn behind(
    disk: &Arc<dyn Disk>,
    origin: &Origin,
    keys: Option<&Keys>,
    at: Position,
    entry: u64,
) -> Result<Stored, AccountsError> {
    let mut reader = Reader::new(Arc::clone(disk), at);
    loop {
        let damaged = |what| ReadError::Damaged { index: entry, what };
        let payload = match reader.next(u64::MAX) {
            Ok(Some((_, payload))) => payload,
            Ok(None) => return Err(damaged("its frame in the write-ahead log").into()),
            Err(fault) => return Err(AccountsError::Log(Box::new(fault))),
        };
        let appended = Appended::parse(payload).ok_or_else(|| damaged("its append"))?;
        let mut items = (appended.first_index..).zip(appended.items());
        if let Some((_, item)) = items.find(|(at, _)| *at == entry) {
            return Ok(stored(entry, item, origin, keys)?);
        }
        if appended.first_index > entry {
            return Err(damaged("its place in the write-ahead log").into());
        }
    }
}

fn parsed(found: &Stored) -> Result<Entry, AccountsError> {
    found.parse().map_err(|error| AccountsError::Record {
        entry: found.index,
        source: error.into(),
    })
}

fn read(found: &Stored) -> Result<Told, AccountsError> {
    let entry = parsed(found)?;
    let record = record::decode(&found.record).map_err(|error| AccountsError::Record {
        entry: found.index,
        source: error.into(),
    })?;
    Ok(Told {
        entry: found.index,
        time: entry.time,
        record,
    })
}

/// Whether the log still goes on where the runs end.
fn fits(index: Option<&Index>, runs: &[Run]) -> io::Result<bool> {
    let Some(last) = runs.last() else { return Ok(true) };
    let Some(index) = index else { return Ok(false) };
    let (to, at) = (last.meta.to, last.meta.position());
    if index.count()? < to {
        return Ok(false);
    }
    let Some(found) = index.find(to)? else {
        return Ok(true);
    };
    let same = (found.segment, found.offset) == (at.segment, at.offset);
    // The next frame had no room where the last one ended.
    let next = found.segment == at.segment.saturating_add(1) && found.offset == HEADER_BYTES;
    Ok(found.chain == at.chain && (same || next))
}

/// The log being read behind the runs.
struct Building<'a> {
    /// Where runs may be written; nowhere if somebody else is at it.
    dir: Option<PathBuf>,
    /// Entries that are durable for certain: no run must hold more.
    durable: u64,
    runs: Vec<Run>,
    stretch: Stretch,
    rows: Vec<Row>,
    bytes: u64,
    bounds: Bounds,
    keys: Option<&'a Keys>,
}

impl Building<'_> {
    fn visit(&mut self, at: Position, payload: &[u8]) -> Result<(), AccountsError> {
        let entry = self.stretch.to;
        let appended = Appended::parse(payload).filter(|appended| appended.first_index == entry);
        let appended = appended.ok_or(ReadError::Damaged {
            index: entry,
            what: "its append",
        })?;
        self.cut(at, appended.end_index().is_none_or(|end| end > self.durable))?;
        for item in appended.items() {
            let entry = self.stretch.to;
            let wrong =
                |source: Box<dyn std::error::Error + Send + Sync>| AccountsError::Record { entry, source };
            let parsed = Entry::parse(item.entry).map_err(|error| wrong(error.into()))?;
            if !matters(parsed.kind) {
                self.stretch.other(&parsed);
                continue;
            }
            match private(entry, &item, self.keys)? {
                Some(Unsealed::Erased(_)) => self.stretch.other(&parsed),
                Some(Unsealed::UnderSeal(sealed)) => {
                    self.stretch
                        .outlined(&parsed, &sealed.margin.outline, &mut self.rows);
                }
                Some(Unsealed::Open(_, record)) => self
                    .stretch
                    .entry(&parsed, &record, &mut self.rows)
                    .map_err(|error| wrong(error.into()))?,
                None | Some(Unsealed::Unknown) => {
                    let what = "the key store has no key for its record";
                    return Err(ReadError::Damaged { index: entry, what }.into());
                }
            }
        }
        let read = u64::try_from(payload.len()).unwrap_or(u64::MAX);
        self.bytes = self.bytes.saturating_add(read);
        Ok(())
    }

    /// Writes a run of what was read before the frame at `at`, if it is enough. `last`: what comes may not be in a run yet.
    fn cut(&mut self, at: Position, last: bool) -> Result<(), AccountsError> {
        let Some(dir) = &self.dir else { return Ok(()) };
        let enough = if last {
            self.rows.len() >= self.bounds.tail_rows || self.bytes >= self.bounds.tail_bytes
        } else {
            self.rows.len() >= self.bounds.run_rows
        };
        if !enough || self.stretch.to > self.durable || self.stretch.to == self.stretch.from {
            return Ok(());
        }
        self.rows.sort_unstable();
        self.rows.dedup();
        let meta = self
            .stretch
            .meta(at, u8::from(self.rows.len() >= self.bounds.run_rows) * 2);
        let run = Built::begin(dir, meta)?;
        self.runs.push(run.all(self.rows.drain(..))?);
        self.bytes = 0;
        self.stretch = self.stretch.next(at);
        Ok(())
    }
}

/// Statements whose results go on: where each began, and what of it was counted as unattributed.
type Open = BTreeMap<(SessionId, u64), (u64, BTreeSet<stretch::Reason>)>;

/// The kinds of entries that an accounting reads.
fn matters(kind: Kind) -> bool {
    use Kind::{Continuation, Cut, Disclosure, Ended, Outcome};
    matches!(kind, Disclosure | Continuation | Outcome | Ended | Cut)
}

/// Makes a folder's names durable.
fn sync_folder(dir: &Path) -> io::Result<()> {
    fs::File::open(dir)?.sync_all()
}
