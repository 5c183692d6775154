//! The one who writes: takes what waits, gives it its place, makes it durable with one write and one sync, and only then
//! answers.

use std::io;
use std::sync::Arc;

use crate::append::{NotRecorded, Receipt};
use crate::clock::Clock;
use crate::disk::Fault;
use crate::failure::Failure;
use crate::payload;
use crate::queue::Request;
use crate::sequence::{Changes, Heads, Matter, Placed, Round};
use crate::wal::{MAX_PAYLOAD_BYTES, Position, Writer};

/// Most bytes of a batch: enough that the sync's cost is spread thin, little enough that nobody waits long for others'.
const BATCH_BYTES: usize = 4 << 20;

/// The sequencer and the end of the write-ahead log. One for each ledger.
#[derive(Debug)]
pub(crate) struct Committer {
    writer: Writer,
    heads: Heads,
    clock: Arc<dyn Clock>,
    payload: Vec<u8>,
}

/// What a batch came to.
#[derive(Debug)]
pub(crate) enum Outcome {
    /// It is durable; these are to be told, after the changes are visible.
    Durable {
        changes: Changes,
        end: Position,
        told: Vec<(Request, Receipt)>,
    },
    /// Nothing was written.
    Nothing,
    /// The log cannot be trusted any more.
    Failed { failure: Failure, told: Vec<Request> },
}

impl Committer {
    pub(crate) fn new(writer: Writer, heads: Heads, clock: Arc<dyn Clock>) -> Self {
        Self {
            writer,
            heads,
            clock,
            payload: Vec::new(),
        }
    }

    /// Most bytes to take at a time.
    pub(crate) fn batch_bytes(&self) -> usize {
        self.append_bytes().min(BATCH_BYTES)
    }

    /// Most bytes one append's frame can have.
    pub(crate) fn append_bytes(&self) -> usize {
        usize::try_from(self.writer.capacity())
            .unwrap_or(usize::MAX)
            .min(MAX_PAYLOAD_BYTES)
    }

    /// How all logs stand.
    pub(crate) fn heads(&self) -> &Heads {
        &self.heads
    }

    /// Where the write-ahead log ends.
    pub(crate) fn end(&self) -> Position {
        self.writer.position()
    }

    /// Makes a batch durable. What is refused is answered at once, the rest is left to the caller.
    pub(crate) fn run(&mut self, requests: Vec<Request>) -> Outcome {
        let now = self.clock.now();
        let mut round = Round::new(&self.heads);
        let mut batch = self.writer.batch();
        let mut told = Vec::with_capacity(requests.len());
        for request in requests {
            match round.place(&request.matter, now) {
                Ok(placed) => {
                    encode(&mut self.payload, &request.matter, &placed);
                    // INVARIANT: the length was checked against `append_bytes` before the request was queued.
                    if batch.push(&self.payload).is_err() {
                        let failure = Failure::Unreadable {
                            index: placed.first_index,
                        };
                        return Outcome::Failed {
                            failure,
                            told: told.into_iter().map(|(request, _)| request).collect(),
                        };
                    }
                    let count = u64::try_from(placed.entries.len()).unwrap_or(u64::MAX);
                    let receipt = Receipt::new(placed.first_index, count, placed.time, placed.leaves);
                    told.push((request, receipt));
                }
                Err(why) => request.answer(Err(why)),
            }
        }
        let changes = round.into_changes();
        if batch.is_empty() {
            return Outcome::Nothing;
        }
        match self.writer.commit(batch) {
            Ok(()) => {
                self.heads.take(&changes);
                Outcome::Durable {
                    changes,
                    end: self.writer.position(),
                    told,
                }
            }
            Err(Fault::Refused(error)) => {
                refuse(told, error);
                Outcome::Nothing
            }
            Err(Fault::Unsynced(error)) => {
                let told = told.into_iter().map(|(request, _)| request).collect();
                Outcome::Failed {
                    failure: Failure::Unsynced(error),
                    told,
                }
            }
        }
    }
}

fn refuse(told: Vec<(Request, Receipt)>, error: io::Error) {
    let error = Arc::new(error);
    for (request, _) in told {
        request.answer(Err(NotRecorded::Storage(Arc::clone(&error))));
    }
}

fn encode(out: &mut Vec<u8>, matter: &Matter, placed: &Placed) {
    let count = u32::try_from(placed.entries.len()).unwrap_or(u32::MAX);
    payload::begin(out, placed.first_index, count);
    let drafts = match matter {
        Matter::Drafts(drafts) => drafts.as_slice(),
        Matter::Census | Matter::Genesis(_) => &[],
    };
    let mut drafts = drafts.iter();
    for entry in &placed.entries {
        let sealed = drafts.next().and_then(|one| {
            one.sealed
                .as_ref()
                .map(|sealed| (&sealed.key, one.draft.record.as_slice()))
        });
        if !payload::add(out, entry, sealed) {
            // Too long for the format: an empty payload is refused by the log.
            out.clear();
            return;
        }
    }
}
