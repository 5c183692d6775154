//! Replies on their way to the client, and how much of them has been handed over.
//!
//! A [`Batch`] is made by the relay, withheld by the ledger until its records are durable, and then, as a
//! [`Released`] batch, handed to the transport slice by slice. Slices end at message boundaries where they can, so
//! that a cut can end the conversation with an error the client understands.

use std::collections::VecDeque;

use bytes::Bytes;
use ledger::Receipt;
use wire::backend::Status;

use crate::limits::SLICE_BYTES;

/// Bytes of a `ReadyForQuery` message.
const READY_BYTES: usize = 6;

/// A place in a batch at which a message ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Mark {
    /// Bytes of the batch before the mark.
    offset: usize,
    /// Rows of the batch before the mark.
    rows: u64,
    /// Bytes of row messages before the mark.
    row_bytes: u64,
}

/// Replies in order, with what the gateway must know of them once they are only bytes.
#[derive(Clone, Debug, Default)]
pub(crate) struct Batch {
    chunks: VecDeque<Bytes>,
    marks: Vec<Mark>,
    length: usize,
    rows: u64,
    row_bytes: u64,
    shape: Shape,
    /// The mark at the end of the first `ReadyForQuery`.
    first_ready: Option<Mark>,
}

/// What must be known of a batch that was not released, to tell the client so.
#[derive(Clone, Debug, Default)]
pub(crate) struct Shape {
    /// The transaction status of each `ReadyForQuery` in the batch.
    pub(crate) ready: Vec<Status>,
    /// Whether anything follows the last `ReadyForQuery`.
    pub(crate) open_tail: bool,
    /// Whether the first byte of the batch is not the first byte of a message.
    pub(crate) starts_inside: bool,
    /// Whether the last byte of the batch is not the last byte of a message.
    pub(crate) ends_inside: bool,
}

/// A batch that may go out.
#[derive(Debug)]
pub(crate) struct Released(Batch);

impl Released {
    /// What the records in the ledger, of which this is the receipt, have made free.
    pub(crate) fn recorded(batch: Batch, _receipt: &Receipt) -> Self {
        Self(batch)
    }

    /// Whether it ends with a `ReadyForQuery`.
    pub(crate) fn ends_ready(&self) -> bool {
        !self.0.shape.ready.is_empty() && !self.0.shape.open_tail
    }

    /// With messages that are not rows before the `ReadyForQuery` at its end.
    pub(crate) fn before_ready(mut self, messages: Bytes) -> Self {
        if self.ends_ready() {
            self.0.insert(messages);
        }
        self
    }

    /// What holds no row, and so needs no record. The rest of a row whose beginning was recorded with its whole
    /// length is none.
    pub(crate) fn without_rows(batch: Batch) -> Option<Self> {
        (batch.rows == 0 && batch.row_bytes == 0).then_some(Self(batch))
    }

    #[cfg(test)]
    pub(crate) fn test(batch: Batch) -> Self {
        Self(batch)
    }

    #[cfg(test)]
    pub(crate) fn into_test(self) -> Batch {
        self.0
    }

    /// What is left from the first `ReadyForQuery` on; nothing if there is none.
    pub(crate) fn since_ready(mut self) -> Option<Self> {
        let end = self.0.first_ready?;
        let skip = Mark {
            offset: end.offset.saturating_sub(READY_BYTES),
            ..end
        };
        self.0.skip(skip);
        Some(self)
    }
}

impl Batch {
    pub(crate) fn is_empty(&self) -> bool {
        self.length == 0
    }

    /// Bytes in the batch.
    pub(crate) fn len(&self) -> usize {
        self.length
    }

    pub(crate) fn shape(&self) -> &Shape {
        &self.shape
    }

    /// Adds whole messages that are not rows.
    pub(crate) fn say(&mut self, bytes: Bytes) {
        self.push(bytes);
        self.end_message();
    }

    /// Adds bytes; the caller says with [`Batch::end_message`] where messages end.
    pub(crate) fn push(&mut self, bytes: Bytes) {
        if bytes.is_empty() {
            return;
        }
        self.length = self.length.saturating_add(bytes.len());
        self.chunks.push_back(bytes);
    }

    /// Says that a row message of `bytes` bytes (or its first piece) begins within what is pushed next.
    pub(crate) fn count_row(&mut self) {
        self.rows = self.rows.saturating_add(1);
    }

    pub(crate) fn count_row_bytes(&mut self, bytes: usize) {
        self.row_bytes = self
            .row_bytes
            .saturating_add(u64::try_from(bytes).unwrap_or(u64::MAX));
    }

    pub(crate) fn begin_inside(&mut self) {
        self.shape.starts_inside = true;
    }

    pub(crate) fn end_inside(&mut self) {
        self.shape.open_tail = true;
        self.shape.ends_inside = true;
    }

    /// Says that a message ends `ahead` bytes after what has been pushed so far.
    pub(crate) fn mark(&mut self, ahead: usize) {
        self.shape.open_tail = true;
        let offset = self.length.saturating_add(ahead);
        let last = self.marks.last().map_or(0, |mark| mark.offset);
        let mark = Mark {
            offset,
            rows: self.rows,
            row_bytes: self.row_bytes,
        };
        // One mark for each slice is enough: the last message boundary that still fits it.
        let start = self.slice_start();
        match self.marks.last_mut() {
            Some(open) if offset.saturating_sub(start) <= SLICE_BYTES && last > start => *open = mark,
            _ => self.marks.push(mark),
        }
    }

    fn end_message(&mut self) {
        self.mark(0);
    }

    /// Says that the message that was marked last, `ahead` bytes after what has been pushed, is `ReadyForQuery`
    /// with `status`.
    pub(crate) fn ready_for_query(&mut self, status: Status, ahead: usize) {
        self.shape.ready.push(status);
        self.shape.open_tail = false;
        let offset = self.length.saturating_add(ahead);
        self.first_ready.get_or_insert(Mark {
            offset,
            rows: self.rows,
            row_bytes: self.row_bytes,
        });
    }

    /// Puts whole messages before the `ReadyForQuery` at the end.
    fn insert(&mut self, messages: Bytes) {
        let mut left = READY_BYTES;
        let mut ready = Vec::new();
        while left > 0 {
            let Some(mut chunk) = self.chunks.pop_back() else {
                break;
            };
            let taken = chunk.split_off(chunk.len().saturating_sub(left));
            left = left.saturating_sub(taken.len());
            ready.push(taken);
            if !chunk.is_empty() {
                self.chunks.push_back(chunk);
            }
        }
        let (end, more) = (self.length, messages.len());
        let before = end.saturating_sub(READY_BYTES);
        // No row is behind it any more.
        let mark = |offset| Mark {
            offset,
            rows: self.rows,
            row_bytes: self.row_bytes,
        };
        let marks = [before, before.saturating_add(more), end.saturating_add(more)];
        // At the very beginning a mark would make an empty slice.
        let marks: Vec<Mark> = marks.into_iter().filter(|offset| *offset > 0).map(mark).collect();
        self.marks.retain(|mark| mark.offset < before);
        self.marks.extend(marks);
        if let Some(first) = self.first_ready.as_mut().filter(|first| first.offset == end) {
            first.offset = end.saturating_add(more);
        }
        self.chunks.push_back(messages);
        self.chunks.extend(ready.into_iter().rev());
        self.length = end.saturating_add(more);
    }

    /// Drops what stands before `mark`.
    fn skip(&mut self, mark: Mark) {
        take(&mut self.chunks, mark.offset);
        self.length = self.length.saturating_sub(mark.offset);
        self.rows = self.rows.saturating_sub(mark.rows);
        self.row_bytes = self.row_bytes.saturating_sub(mark.row_bytes);
        self.marks.retain(|other| other.offset > mark.offset);
        for other in &mut self.marks {
            other.offset = other.offset.saturating_sub(mark.offset);
            other.rows = other.rows.saturating_sub(mark.rows);
            other.row_bytes = other.row_bytes.saturating_sub(mark.row_bytes);
        }
        self.shape.starts_inside = false;
    }

    /// Where the slice that is being filled begins: the mark before the last one.
    fn slice_start(&self) -> usize {
        self.marks
            .len()
            .checked_sub(2)
            .and_then(|i| self.marks.get(i))
            .map_or(0, |mark| mark.offset)
    }
}

/// Batches that were released, and the place up to which they have been handed to the transport.
#[derive(Debug, Default)]
pub(crate) struct Outbox {
    batches: VecDeque<Outgoing>,
    length: usize,
    handed: Handed,
    /// Whether the next byte is the first of a message.
    inside: bool,
}

/// What a client was given, over a whole session.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Handed {
    pub(crate) rows: u64,
    /// Bytes of row messages.
    pub(crate) bytes: u64,
}

#[derive(Debug)]
struct Outgoing {
    batch: Batch,
    /// Bytes of the batch handed over.
    offset: usize,
    /// The next mark.
    mark: usize,
    /// The rows and row bytes of this batch that are in `handed` already.
    counted: Handed,
}

impl Outbox {
    pub(crate) fn is_empty(&self) -> bool {
        self.length == 0
    }

    /// Bytes not handed over yet.
    pub(crate) fn len(&self) -> usize {
        self.length
    }

    pub(crate) fn handed(&self) -> Handed {
        self.handed
    }

    /// Whether the client is in the middle of a message, so that no other message can follow.
    pub(crate) fn inside(&self) -> bool {
        self.inside
    }

    pub(crate) fn push(&mut self, Released(batch): Released) {
        if batch.is_empty() {
            return;
        }
        self.length = self.length.saturating_add(batch.len());
        self.batches.push_back(Outgoing {
            batch,
            offset: 0,
            mark: 0,
            counted: Handed::default(),
        });
    }

    /// The next slice: up to the next message boundary that is at most [`SLICE_BYTES`] away, or in the middle
    /// of a message that is longer. Never more than one chunk.
    pub(crate) fn slice(&self) -> &[u8] {
        let Some(out) = self.batches.front() else {
            return &[];
        };
        let Some(chunk) = out.batch.chunks.front() else {
            return &[];
        };
        let until = out
            .next_mark()
            .map_or(usize::MAX, |mark| mark.offset.saturating_sub(out.offset));
        chunk.get(..until.min(chunk.len())).unwrap_or(chunk)
    }

    /// Says that the transport has taken `bytes` of the slice.
    pub(crate) fn took(&mut self, bytes: usize) {
        let Some(out) = self.batches.front_mut() else {
            return;
        };
        let taken = out.take(bytes);
        self.length = self.length.saturating_sub(bytes);
        self.handed.rows = self.handed.rows.saturating_add(taken.rows);
        self.handed.bytes = self.handed.bytes.saturating_add(taken.bytes);
        self.inside = !out.at_boundary();
        if out.offset >= out.batch.length {
            self.inside = out.batch.shape.ends_inside;
            self.batches.pop_front();
        }
    }

    /// Throws away what has not been handed over.
    pub(crate) fn discard(&mut self) {
        self.batches.clear();
        self.length = 0;
    }
}

impl Outgoing {
    fn next_mark(&self) -> Option<&Mark> {
        self.batch.marks.get(self.mark)
    }

    fn at_boundary(&self) -> bool {
        let before = self
            .mark
            .checked_sub(1)
            .and_then(|i| self.batch.marks.get(i))
            .map_or(0, |mark| mark.offset);
        self.offset == before && !(self.offset == 0 && self.batch.shape.starts_inside)
    }

    /// Moves on by `bytes`; returns the rows and row bytes that this made the client's. A row counts as given
    /// as soon as a byte of the stretch it lies in has gone out: never less than what the client has.
    fn take(&mut self, bytes: usize) -> Handed {
        self.offset = self.offset.saturating_add(bytes);
        take(&mut self.batch.chunks, bytes);
        let reached = match self.next_mark() {
            Some(mark) => Handed {
                rows: mark.rows,
                bytes: mark.row_bytes,
            },
            None => Handed {
                rows: self.batch.rows,
                bytes: self.batch.row_bytes,
            },
        };
        while self.next_mark().is_some_and(|mark| mark.offset <= self.offset) {
            self.mark = self.mark.saturating_add(1);
        }
        let new = Handed {
            rows: reached.rows.saturating_sub(self.counted.rows),
            bytes: reached.bytes.saturating_sub(self.counted.bytes),
        };
        self.counted = reached;
        new
    }
}

/// Drops the first `bytes` bytes of the chunks.
fn take(chunks: &mut VecDeque<Bytes>, bytes: usize) {
    let mut left = bytes;
    while left > 0 {
        let Some(chunk) = chunks.front_mut() else { break };
        let step = left.min(chunk.len());
        let _ = chunk.split_to(step);
        left = left.saturating_sub(step);
        if chunk.is_empty() {
            chunks.pop_front();
        }
    }
}

#[cfg(test)]
mod tests;
