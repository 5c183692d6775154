//! Recovery, and appending after it.

use std::sync::Arc;

use super::frame::Batch;
use super::reader::{ReadFault, Reader, open_begun};
use super::segment::{Ahead, blank, fill, write_again};
use super::{FOLDER, HEADER_BYTES, Position, path};
use crate::disk::{Access, Disk, DiskFile, Fault};

/// The end of the log, where batches are written. There is one per folder.
#[derive(Debug)]
pub(crate) struct Writer {
    file: Arc<dyn DiskFile>,
    /// Length of the present segment.
    bytes: u64,
    at: Position,
    /// End of what a failed write may have left after `at`; 0 if there is nothing.
    torn: u64,
    ahead: Ahead,
    buffer: Vec<u8>,
}

/// What a log was found to hold.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Scanned {
    from: Position,
    end: Position,
    begun: bool,
}

impl Scanned {
    /// Where the log ends.
    pub(crate) fn end(&self) -> Position {
        self.end
    }
}

/// Why a log could not be scanned.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ScanFault<E> {
    /// It could not be read, or is damaged before its end.
    #[error(transparent)]
    Read(#[from] ReadFault),
    /// The caller refused a payload.
    #[error("refused by the reader")]
    Refused(E),
}

/// Reads the log from `from` to its end and gives each payload, with where its frame begins, to `visit`. Changes nothing.
pub(crate) fn scan<E>(
    disk: &Arc<dyn Disk>,
    from: Position,
    mut visit: impl FnMut(Position, &[u8]) -> Result<(), E>,
) -> Result<Scanned, ScanFault<E>> {
    let mut reader = Reader::new(Arc::clone(disk), from);
    while let Some((began, payload)) = reader.next(u64::MAX)? {
        visit(began, payload).map_err(ScanFault::Refused)?;
    }
    let end = reader.position();
    refuse_later(&**disk, &end)?;
    let begun = open_begun(&**disk, end.segment).map_err(|source| ReadFault::Io {
        segment: end.segment,
        source,
    })?;
    match begun {
        None if end.offset > HEADER_BYTES => Err(ReadFault::Damaged {
            segment: end.segment,
            offset: 0,
        }
        .into()),
        Some((_, at)) if end.offset == HEADER_BYTES && at != end => {
            Err(ReadFault::Foreign { segment: end.segment }.into())
        }
        Some((_, at)) if at.segment != end.segment || at.seq > end.seq => {
            Err(ReadFault::Foreign { segment: end.segment }.into())
        }
        found => Ok(Scanned {
            from,
            end,
            begun: found.is_some(),
        }),
    }
}

impl Writer {
    /// Makes the end of a scanned log ready for writing: what was read is durable, and nothing but zeros follows.
    pub(crate) fn ready(disk: &Arc<dyn Disk>, scanned: Scanned, segment_bytes: u64) -> Result<Self, Fault> {
        let Scanned { from, end, begun } = scanned;
        disk.make_folder(FOLDER, Access::Private)?;
        let mut ahead = Ahead::new(Arc::clone(disk), segment_bytes);
        let file = match disk.open(&path(end.segment))? {
            Some(file) => file,
            None => ahead.take(end.segment)?,
        };
        // Frames before `from` were covered by a sync that succeeded; of the others that is not known.
        let (first, last) = match begun {
            false => (0, 0),
            true if from.segment == end.segment && from.offset > HEADER_BYTES => (from.offset, end.offset),
            true => (0, end.offset),
        };
        write_again(&*file, first, last)?;
        blank(&*file, last)?;
        file.sync().map_err(Fault::Unsynced)?;
        disk.sync_folder(FOLDER).map_err(Fault::Unsynced)?;
        let bytes = file.length()?;
        ahead.prepare(end.segment.saturating_add(1));
        Ok(Self {
            file,
            bytes,
            at: end,
            torn: 0,
            ahead,
            buffer: Vec::new(),
        })
    }

    /// Where the next frame will begin.
    pub(crate) fn position(&self) -> Position {
        self.at
    }

    /// An empty batch that continues the log; [`Writer::commit`] takes it back.
    pub(crate) fn batch(&mut self) -> Batch {
        Batch::new(&self.at, std::mem::take(&mut self.buffer))
    }

    /// Most bytes of frames a batch can have.
    pub(crate) fn capacity(&self) -> u64 {
        self.ahead.bytes().saturating_sub(HEADER_BYTES)
    }

    /// Makes the batch, the one taken last, durable: one write, one sync.
    ///
    /// After [`Fault::Refused`] nothing of the batch is in the log, and the next may be tried. After
    /// [`Fault::Unsynced`] the log must not be written again by this process.
    pub(crate) fn commit(&mut self, mut batch: Batch) -> Result<(), Fault> {
        let outcome = self.write(&mut batch);
        if outcome.is_ok() {
            self.at = batch.end(&self.at);
        }
        self.buffer = batch.into_buffer();
        outcome
    }

    fn write(&mut self, batch: &mut Batch) -> Result<(), Fault> {
        self.heal()?;
        let frames = u64::try_from(batch.frames().len()).unwrap_or(u64::MAX);
        if self.at.offset.saturating_add(frames) > self.bytes {
            self.turn(frames)?;
        }
        let (offset, bytes) = if self.at.offset == HEADER_BYTES {
            (0, batch.with_header(&self.at))
        } else {
            (self.at.offset, batch.frames())
        };
        if let Err(error) = self.file.write_at(bytes, offset) {
            self.torn = self.at.offset.saturating_add(frames);
            // Tried at once, so that a crash now does not bring back what was refused; if it fails, the next batch
            // begins with it.
            return match self.heal() {
                Err(Fault::Unsynced(source)) => Err(Fault::Unsynced(source)),
                _ => Err(Fault::Refused(error)),
            };
        }
        self.file.sync().map_err(Fault::Unsynced)
    }

    /// Blanks what a failed write may have left after the log's end.
    fn heal(&mut self) -> Result<(), Fault> {
        if self.torn == 0 {
            return Ok(());
        }
        let from = if self.at.offset == HEADER_BYTES {
            0
        } else {
            self.at.offset
        };
        fill(&*self.file, from, self.torn)?;
        self.file.sync().map_err(Fault::Unsynced)?;
        self.torn = 0;
        Ok(())
    }

    /// Goes over to the next segment. Never back: once a header may be on the disk, recovery goes over as well.
    fn turn(&mut self, frames: u64) -> Result<(), Fault> {
        let next = self.at.segment.saturating_add(1);
        let file = self.ahead.take(next)?;
        let bytes = file.length()?;
        if HEADER_BYTES.saturating_add(frames) > bytes {
            // A segment made when a smaller size was asked for; the batch would fit one of the present size.
            return Err(Fault::Refused(std::io::ErrorKind::FileTooLarge.into()));
        }
        (self.file, self.bytes) = (file, bytes);
        self.at = Position {
            segment: next,
            offset: HEADER_BYTES,
            ..self.at
        };
        self.ahead.prepare(next.saturating_add(1));
        Ok(())
    }
}

/// A segment that was begun later than where reading ended shows that the log once went on: what could not be read is
/// damage then, and not the end of a write that a crash cut off.
fn refuse_later(disk: &dyn Disk, end: &Position) -> Result<(), ReadFault> {
    let fault = |source| ReadFault::Io {
        segment: end.segment,
        source,
    };
    for name in disk.list(FOLDER).map_err(fault)? {
        let Some(segment) = name.parse::<u64>().ok().filter(|segment| *segment > end.segment) else {
            continue;
        };
        if open_begun(disk, segment).map_err(fault)?.is_some() {
            return Err(ReadFault::Damaged {
                segment: end.segment,
                offset: end.offset,
            });
        }
    }
    Ok(())
}
