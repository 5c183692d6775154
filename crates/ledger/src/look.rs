//! A ledger read from outside, whether or not a process has it open: every entry that is on the disk, with its record, checked
//! against its commitment.

use std::io;
use std::path::Path;
use std::sync::Arc;

use evidence::id::Custodian;

use crate::disk::{Disk, RealDisk};
use crate::index::Index;
use crate::keys::Keys;
use crate::payload::Appended;
use crate::read::{ReadError, Stored, stored};
use crate::wal::{Position, ReadFault, ScanFault, scan, sequenced};

/// Why a ledger cannot be read from outside.
#[derive(Debug, thiserror::Error)]
pub enum LookError {
    /// The file system failed.
    #[error("the ledger's files could not be read")]
    Storage(#[from] io::Error),
    /// An entry is not what was written.
    #[error(transparent)]
    Entry(#[from] ReadError),
    /// The write-ahead log is damaged.
    #[error("the write-ahead log cannot be read")]
    Log(#[source] Box<dyn std::error::Error + Send + Sync>),
}

/// Gives every entry from index `from` on to `visit`, in order. Memory does not grow with the log. Blocks for the disk.
///
/// # Errors
/// The ledger cannot be read, or `visit` has had enough.
pub fn look<E: From<LookError>>(
    ledger: &Path,
    custodian: &Custodian,
    from: u64,
    mut visit: impl FnMut(Stored) -> Result<(), E>,
) -> Result<(), E> {
    let disk: Arc<dyn Disk> = Arc::new(RealDisk::look(ledger));
    let origin = custodian.main_origin();
    let keys = Keys::look(&disk).map_err(|error| LookError::Entry(error.into()))?;
    let start = start(&*disk, from)
        .map_err(LookError::from)?
        .unwrap_or_else(|| Position::start(origin.as_str()));
    let scanned = scan(&disk, start, |_, payload| {
        let damaged = ReadError::Damaged {
            index: from,
            what: "an append at it or behind it",
        };
        let appended = Appended::parse(payload).ok_or(LookError::Entry(damaged))?;
        for (index, item) in (appended.first_index..).zip(appended.items()) {
            if index >= from {
                visit(stored(index, item, &origin, keys.as_ref()).map_err(LookError::from)?)?;
            }
        }
        Ok(())
    });
    match scanned {
        Ok(_) => Ok(()),
        Err(ScanFault::Refused(error)) => Err(error),
        Err(ScanFault::Read(ReadFault::Io { source, .. })) => Err(LookError::Storage(source).into()),
        Err(ScanFault::Read(fault)) => Err(LookError::Log(Box::new(fault)).into()),
    }
}

/// Where the append with an entry begins, if the index of positions knows.
fn start(disk: &dyn Disk, entry: u64) -> io::Result<Option<Position>> {
    let found = match Index::look(disk)? {
        Some(index) if entry > 0 && entry < index.count()? => index.find(entry)?,
        _ => None,
    };
    found.map_or(Ok(None), |at| sequenced(disk, at))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Config, Draft, Ledger};
    use evidence::entry::Kind;
    use evidence::note::SignerKey;
    use jiff::Timestamp;

    #[derive(Debug)]
    struct Still;

    impl crate::Clock for Still {
        fn now(&self) -> Timestamp {
            "2026-11-23T10:00:00Z".parse().unwrap()
        }
    }

    #[test]
    fn what_is_on_the_disk_is_seen_while_it_is_written_and_not_otherwise() {
        let folder = tempfile::tempdir().unwrap();
        let custodian: Custodian = "records.example.org".parse().unwrap();
        let key = SignerKey::generate([7; 32], custodian.key_name());
        let config = Config::new(folder.path().to_owned(), custodian.clone(), key, Arc::new(Still));
        let ledger = Ledger::open(config).unwrap();
        let record = |number: u64| format!("{{\"number\":{number}}}").into_bytes();
        for number in 1..200 {
            let draft = Draft::new(Kind::Refusal, record(number));
            assert_eq!(ledger.append(vec![draft]).wait().unwrap().first_index(), number);
        }
        let seen = |from| {
            let mut seen = Vec::new();
            look(folder.path(), &custodian, from, |stored| {
                seen.push((stored.index, stored.record));
                Ok::<(), LookError>(())
            })?;
            Ok::<_, LookError>(seen)
        };
        for from in [0, 1, 120, 199, 200, 7_000] {
            let all = (0..200).map(|index| (index, if index == 0 { Vec::new() } else { record(index) }));
            let wanted: Vec<_> = all.skip_while(|(index, _)| *index < from).collect();
            assert_eq!(seen(from).unwrap(), wanted, "{from}");
        }
        let enough = look(folder.path(), &custodian, 0, |stored| match stored.index {
            5 => Err(LookError::Storage(io::Error::other("enough"))),
            _ => Ok(()),
        });
        assert!(matches!(enough, Err(LookError::Storage(_))));
        // Of another custodian's origin nothing can be read.
        assert!(
            look::<LookError>(
                folder.path(),
                &"other.example.org".parse().unwrap(),
                0,
                |_| Ok(())
            )
            .is_err()
        );
    }
}
