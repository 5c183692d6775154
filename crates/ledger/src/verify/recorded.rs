//! The write-ahead log against the published entries, and every private record against its commitment.

use std::collections::BTreeMap;
use std::sync::Arc;

use evidence::commitment;
use evidence::entry::EntryView;
use evidence::hash;
use evidence::id::Origin;
use evidence::tile::{EntryBundlePath, TILE_WIDTH};

use super::{Check, VerifyError, chain};
use crate::disk::Disk;
use crate::keys::{Keys, Unsealed};
use crate::payload::{Appended, Item, Private};
use crate::public::{Bundle, PUBLIC, Published};
use crate::read::private;
use crate::sequence::Heads;
use crate::wal::{FOLDER, Position, ReadFault, ScanFault, scan};

/// The payload of a frame makes no sense; it has been noted.
struct Senseless;

/// Reads the whole write-ahead log. Returns how many entries it has; `None` if there is no such log.
pub(super) fn check(
    check: &mut Check<'_>,
    disk: &Arc<dyn Disk>,
    published: u64,
) -> Result<Option<u64>, VerifyError> {
    if disk.list(FOLDER)?.is_empty() {
        return Ok(None);
    }
    let mut heads = Heads::empty(check.custodian.clone());
    let mut last = Last::default();
    let mut records = Records::new(check, disk, published);
    let origin = check.custodian.main_origin();
    let scanned = scan(disk, Position::start(origin.as_str()), |at, payload| {
        let Some(appended) = Appended::parse(payload).filter(|appended| appended.first_index == heads.size)
        else {
            check.find(
                format_args!("write-ahead log, frame {}", at.seq),
                "is no append that follows the one before it",
            );
            return Err(Senseless);
        };
        for item in appended.items() {
            let index = heads.size;
            let entry = EntryView::parse(item.entry).ok().filter(|entry| {
                heads
                    .replay(
                        entry,
                        entry.in_log_of().as_ref(),
                        hash::leaf(item.entry),
                        &mut |_| {},
                    )
                    .is_ok()
            });
            let Some(entry) = entry else {
                check.find(
                    format_args!("write-ahead log, entry {index}"),
                    "does not follow from the entries before it",
                );
                return Err(Senseless);
            };
            if index >= published {
                check.said(index, &entry);
            }
            records.one(check, index, &entry, &item);
            if index < published && last.entry(check, index, published) != Some(item.entry) {
                check.find(format_args!("entry {index}"), "published otherwise than recorded");
            }
        }
        Ok(())
    });
    match scanned {
        Ok(_) | Err(ScanFault::Refused(Senseless)) => {}
        Err(ScanFault::Read(ReadFault::Io { source, .. })) => return Err(source.into()),
        Err(ScanFault::Read(fault)) => check.find("write-ahead log", chain(&fault)),
    }
    records.settle(check);
    if heads.size < published {
        let what = format!("ends after {} entries, but {published} are published", heads.size);
        check.find("write-ahead log", what);
    }
    Ok(Some(heads.size))
}

/// The private records, as far as there are keys to read them with.
struct Records {
    origin: Origin,
    /// `None`: there are none, or they cannot be read, which has been noted.
    keys: Option<Keys>,
    noted: bool,
    /// What was erased, by the index of the first entry of each range: the last one, and the `erased` entry.
    erased: BTreeMap<u64, (u64, u64)>,
    /// Entries, and the `erased` entries they name, that are yet to be read.
    unsaid: Vec<(u64, u64)>,
    /// Records that were under seal and can be read.
    opened: Vec<u64>,
    /// Entries that were published when these were read.
    published: u64,
}

const UNSAID: &str = "its key was destroyed, and no entry says so";

impl Records {
    fn new(check: &mut Check<'_>, disk: &Arc<dyn Disk>, published: u64) -> Self {
        let mut noted = false;
        let keys = Keys::look(disk).unwrap_or_else(|error| {
            check.find("keys of private records", chain(&error));
            noted = true;
            None
        });
        // One that is not carried out yet will be.
        let pending = keys.as_ref().and_then(Keys::pending).unwrap_or(u64::MAX);
        let mut erased = BTreeMap::new();
        for (by, entries) in check.erasures.range(..pending) {
            for range in entries.ranges() {
                erased.insert(*range.start(), (*range.end(), *by));
            }
        }
        Self {
            origin: check.custodian.main_origin(),
            keys,
            noted,
            erased,
            unsaid: Vec::new(),
            opened: Vec::new(),
            published,
        }
    }

    /// What was destroyed by an entry that was not published yet when the published ones were read.
    fn settle(self, check: &mut Check<'_>) {
        for (index, by) in self.unsaid {
            if check.erasures.get(&by).is_none_or(|erased| !erased.holds(index)) {
                check.find(format_args!("entry {index}"), UNSAID);
            }
        }
        for index in self.opened {
            if !check.unsealed.iter().any(|unsealed| unsealed.holds(index)) {
                let what = "its record was under seal and can be read, and no entry says that it was opened";
                check.find(format_args!("entry {index}"), what);
            }
        }
    }

    /// Whether the log says that an entry was erased, and by which `erased` entry.
    fn said(&self, index: u64) -> Option<u64> {
        let (_, (last, by)) = self.erased.range(..=index).next_back()?;
        (index <= *last).then_some(*by)
    }

    fn one(&mut self, check: &mut Check<'_>, index: u64, entry: &EntryView<'_>, item: &Item<'_>) {
        let place = format_args!("entry {index}");
        if self.noted
            && item
                .private
                .is_some_and(|private| matches!(private, Private::Sealed(..)))
        {
            return;
        }
        let holds = match (entry.commitment, private(index, item, self.keys.as_ref())) {
            (None, Ok(None)) => true,
            (Some(commitment), Ok(Some(Unsealed::Open(key, record)))) => {
                if self.said(index).is_some() {
                    check.find(place, "the log says that it was erased, but its key is there");
                }
                if self.keys.as_ref().is_some_and(|keys| keys.is_opened(index)) {
                    self.opened.push(index);
                }
                commitment::check(&commitment, &key, &self.origin, &record)
            }
            // Whether it is the one committed to is known when it is opened.
            (Some(_), Ok(Some(Unsealed::UnderSeal(_)))) => {
                check.under_seal = check.under_seal.saturating_add(1);
                if self.said(index).is_some() {
                    check.find(place, "the log says that it was erased, but its key is there");
                }
                true
            }
            (Some(_), Ok(Some(Unsealed::Erased(by)))) => {
                check.erased = check.erased.saturating_add(1);
                if by >= self.published {
                    self.unsaid.push((index, by));
                } else if self.said(index) != Some(by) {
                    check.find(place, UNSAID);
                }
                true
            }
            (_, Err(error)) => {
                check.find("keys of private records", chain(&error));
                self.noted = true;
                true
            }
            _ => false,
        };
        if !holds {
            check.find(place, "its private record is not the one committed to");
        }
    }
}

/// The published bundle that was read last.
#[derive(Default)]
struct Last {
    number: Option<u64>,
    bundle: Bundle,
}

impl Last {
    fn entry(&mut self, check: &Check<'_>, index: u64, size: u64) -> Option<&[u8]> {
        let width = u64::from(TILE_WIDTH);
        if self.number != Some(index / width) {
            self.number = Some(index / width);
            // What cannot be read has been found before.
            let path = EntryBundlePath::holding(index, size)?;
            self.bundle = Published::new(check.disk, PUBLIC)
                .bundle(&path)
                .unwrap_or_default();
        }
        self.bundle.get(usize::try_from(index % width).ok()?)
    }
}
