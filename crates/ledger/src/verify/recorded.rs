//! The write-ahead log against the published entries, and every private record against its commitment.

use std::sync::Arc;

use evidence::commitment::{self, OpeningKey};
use evidence::entry::Entry;
use evidence::tile::{EntryBundlePath, TILE_WIDTH};

use super::{Check, VerifyError, chain};
use crate::disk::Disk;
use crate::payload::{Appended, Item};
use crate::public::{PUBLIC, Published};
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
    let mut bundle = Bundle::default();
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
            if heads.replay(item.entry).is_err() {
                check.find(
                    format_args!("write-ahead log, entry {index}"),
                    "does not follow from the entries before it",
                );
                return Err(Senseless);
            }
            if !opens(check, &item) {
                check.find(
                    format_args!("entry {index}"),
                    "its private record is not the one committed to",
                );
            }
            if index < published && bundle.entry(check, index, published) != Some(item.entry) {
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
    if heads.size < published {
        let what = format!("ends after {} entries, but {published} are published", heads.size);
        check.find("write-ahead log", what);
    }
    Ok(Some(heads.size))
}

fn opens(check: &Check<'_>, item: &Item<'_>) -> bool {
    let commitment = Entry::parse(item.entry).ok().and_then(|entry| entry.commitment);
    match (commitment, item.private) {
        (None, None) => true,
        (Some(commitment), Some((key, record))) => commitment::check(
            &commitment,
            &OpeningKey::new(*key),
            &check.custodian.main_origin(),
            record,
        ),
        _ => false,
    }
}

/// The published bundle that was read last.
#[derive(Default)]
struct Bundle {
    number: Option<u64>,
    entries: Vec<Vec<u8>>,
}

impl Bundle {
    fn entry(&mut self, check: &Check<'_>, index: u64, size: u64) -> Option<&[u8]> {
        let width = u64::from(TILE_WIDTH);
        if self.number != Some(index / width) {
            self.number = Some(index / width);
            // What cannot be read has been found before.
            let path = EntryBundlePath::holding(index, size)?;
            self.entries = Published::new(check.disk, PUBLIC)
                .bundle(&path)
                .unwrap_or_default();
        }
        self.entries
            .get(usize::try_from(index % width).ok()?)
            .map(Vec::as_slice)
    }
}
