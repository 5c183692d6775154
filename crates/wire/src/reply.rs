//! Which reply of the server belongs to which message of the client, and when an answer of our own may come between.
//!
//! A server answers in order, but a client need not wait: any number of messages may be under way. [`Replies`] holds what
//! is still expected. It is told what was sent to the server ([`Replies::sent`]), what was kept from it
//! ([`Replies::refuse`], [`Replies::refuse_query`]) and each message that comes back ([`Replies::receive`]). It begins
//! after the first ReadyForQuery of the session.
//!
//! **Refusals keep the order.** To the client a refused message looks like one that the server found wrong: the error comes
//! after all replies to earlier messages, everything behind it up to the next Sync is skipped, and the Sync is answered by
//! one ReadyForQuery. If an earlier message of the same pipeline fails, the refused one was never looked at, so only that
//! failure is seen.
//! - Extended protocol: neither the refused message nor anything behind it goes to the server; the Sync does.
//! - Simple query: an empty query goes to the server in its place, because a server that is skipping to a Sync must skip it
//!   too, and otherwise only the server knows the transaction status that ReadyForQuery must state.
//!
//! Source: PostgreSQL documentation, "Message Flow"; skipping follows `ignore_till_sync` in PostgreSQL's `postgres.c`.

use std::collections::VecDeque;

use thiserror::Error;

mod expected;
#[cfg(test)]
mod tests;

use expected::{Expected, Progress};

/// Most messages under way at once. A client that sends more without waiting is made to wait (see [`Replies::has_room`]);
/// at some 32 bytes each this bounds the memory of a session, and drivers' batches stay well below.
pub const PENDING_MAX: usize = 16_384;

/// A message that goes to the server. `I` is the caller's number of the statement that it runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sent<I> {
    /// A simple query.
    Query(I),
    /// Parse.
    Parse,
    /// Bind.
    Bind,
    /// Describe of a prepared statement.
    DescribeStatement,
    /// Describe of a portal.
    DescribePortal,
    /// Execute.
    Execute(I),
    /// Close.
    Close,
    /// Sync.
    Sync,
}

/// Why a message must not go to the server now.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum Unsent {
    /// Something before it failed or was refused, and no Sync came since: drop the message.
    #[error("message is skipped up to the next Sync")]
    Skipped,
    /// [`PENDING_MAX`] messages are under way: send a Flush and wait for replies.
    #[error("{PENDING_MAX} messages wait for their replies")]
    Full,
}

/// What becomes of a refusal in the extended protocol. `L` is the caller's error.
#[derive(Debug, PartialEq, Eq)]
#[must_use]
pub enum Refusal<L> {
    /// All replies before it have been given: send the error now.
    Due(L),
    /// [`Replies::receive`] will hand the error out when its turn has come. With `flush`, replies may be held back by the
    /// server: send it a Flush.
    Queued {
        /// Whether a Flush must be sent to the server.
        flush: bool,
    },
    /// The message would have been skipped anyway; there is nothing to say.
    Skipped,
}

/// What a message of the server is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reply<I, L> {
    /// A notice (`N`); may come any time.
    Notice,
    /// A notification (`A`); may come any time.
    Notification,
    /// A setting has a new value (`S`); may come any time.
    Parameter,
    /// Parse, Bind or Close is done.
    Acknowledged,
    /// The columns of a result, or that there is none, or the types of parameters. With a statement in a simple query;
    /// without, in answer to a Describe.
    Described(Option<I>),
    /// A row of this statement's result.
    Row(I),
    /// COPY to the client begins.
    CopyBegins(I),
    /// A piece of COPY data.
    CopyData(I),
    /// COPY data is at its end; the completion follows.
    CopyEnds(I),
    /// The server wants data from the client, which is not for partners. The message must not reach the client; the answer
    /// is to be sent to the server at once.
    CopyIn(I, CopyAnswer),
    /// A statement is complete (`C`, or `I` for an empty one). A simple query may have several: it is over at its `Ready`.
    Completed(I),
    /// A portal has given as many rows as were asked for (`s`).
    Suspended(I),
    /// An error: of this statement, or of a message that runs none. What was under way behind it up to the next Sync will
    /// not be answered; the statements among it are in [`Replies::dropped`].
    Failed(Option<I>),
    /// An error while nothing was under way: the server ends the session.
    Unsolicited,
    /// ReadyForQuery: at the end of this simple query, or in answer to a Sync.
    Ready(Option<I>),
    /// In place of this message, the caller's own error goes to the client.
    Instead(L),
}

/// How to answer a server that wants COPY data.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CopyAnswer {
    /// By CopyFail.
    Fail,
    /// By CopyFail and Sync: the Sync that was sent before has been swallowed.
    FailThenSync,
}

/// A message of the server, understood.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[must_use]
pub struct Step<I, L> {
    /// What it is.
    pub reply: Reply<I, L>,
    /// An error of the caller's own whose turn has come: it goes to the client behind this message.
    pub then: Option<L>,
}

/// The server sent what it must not send here. Nothing that follows can be attributed, so the session must end.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("server sent message `{}` {place}", tag.escape_ascii())]
pub struct OutOfPlace {
    /// The type byte.
    pub tag: u8,
    /// Where it came.
    pub place: &'static str,
}

/// The replies that are still expected.
#[derive(Debug)]
pub struct Replies<I, L> {
    queue: VecDeque<Expected<I, L>>,
    progress: Progress,
    skipping: bool,
    dropped: Vec<I>,
}

impl<I: Copy, L> Default for Replies<I, L> {
    fn default() -> Self {
        Self::new()
    }
}

impl<I: Copy, L> Replies<I, L> {
    /// Nothing under way.
    #[must_use]
    pub fn new() -> Self {
        Self {
            queue: VecDeque::new(),
            progress: Progress::Start,
            skipping: false,
            dropped: Vec::new(),
        }
    }

    /// Whether messages of the client are to be dropped, all but Sync and Terminate.
    #[must_use]
    pub fn skipping(&self) -> bool {
        self.skipping
    }

    /// Whether one more message may be sent. If not: send the server a Flush and read replies before reading the client.
    #[must_use]
    pub fn has_room(&self) -> bool {
        self.queue.len() < PENDING_MAX
    }

    /// Whether so many more messages may be sent.
    #[must_use]
    pub fn has_room_for(&self, more: usize) -> bool {
        self.queue.len().saturating_add(more) <= PENDING_MAX
    }

    /// Whether every message has had its reply.
    #[must_use]
    pub fn is_idle(&self) -> bool {
        self.queue.is_empty()
    }

    /// Whether at most one more ReadyForQuery will come for what was sent so far.
    #[must_use]
    pub fn is_last(&self) -> bool {
        self.queue
            .iter()
            .filter(|expected| expected.ends_by_ready())
            .nth(1)
            .is_none()
    }

    /// How many messages wait for their replies.
    #[must_use]
    pub fn pending(&self) -> usize {
        self.queue.len()
    }

    /// Asks whether a message may go to the server and, if so, expects its reply.
    ///
    /// # Errors
    /// [`Unsent`]: it must not go.
    pub fn sent(&mut self, message: Sent<I>) -> Result<(), Unsent> {
        if message_is_sync(&message) {
            if !self.has_room() {
                return Err(Unsent::Full);
            }
            self.skipping = false;
        }
        self.expect(Expected::from(message))
    }

    /// Keeps a simple query (or a function call) from the server. On `Ok`, [`crate::frontend::empty_query`] goes to the server in
    /// its place, and the error comes out of [`Replies::receive`] as [`Reply::Instead`].
    ///
    /// # Errors
    /// [`Unsent`]: nothing must go to the server.
    pub fn refuse_query(&mut self, error: L) -> Result<(), Unsent> {
        self.expect(Expected::RefusedQuery(Some(error)))
    }

    /// Keeps a message of the extended protocol from the server, and with it all that follows up to the next Sync.
    pub fn refuse(&mut self, error: L) -> Refusal<L> {
        if self.skipping {
            return Refusal::Skipped;
        }
        self.skipping = true;
        let Some(last) = self.queue.back() else {
            return Refusal::Due(error);
        };
        let flush = !last.flushes();
        // One above the bound at most: nothing but a Sync can follow it.
        self.queue.push_back(Expected::Refused(error));
        Refusal::Queued { flush }
    }

    fn expect(&mut self, expected: Expected<I, L>) -> Result<(), Unsent> {
        if self.skipping {
            return Err(Unsent::Skipped);
        }
        if !self.has_room() {
            return Err(Unsent::Full);
        }
        self.queue.push_back(expected);
        Ok(())
    }

    /// Takes the statements that will never be answered because something before them failed.
    pub fn dropped(&mut self) -> Vec<I> {
        std::mem::take(&mut self.dropped)
    }

    /// The next message of the server has this type. Call once for each message, not for each piece of a long one.
    ///
    /// # Errors
    /// [`OutOfPlace`].
    pub fn receive(&mut self, tag: u8) -> Result<Step<I, L>, OutOfPlace> {
        match tag {
            b'N' => Ok(Step::only(Reply::Notice)),
            b'A' => Ok(Step::only(Reply::Notification)),
            b'S' => Ok(Step::only(Reply::Parameter)),
            b'E' => self.failed(),
            _ => self.answered(tag),
        }
    }

    fn answered(&mut self, tag: u8) -> Result<Step<I, L>, OutOfPlace> {
        let Some(front) = self.queue.front_mut() else {
            return Err(OutOfPlace {
                tag,
                place: "while no reply was due",
            });
        };
        if tag == b'G' {
            return self.copy_in();
        }
        let (reply, next) = front.step(self.progress, tag)?;
        match next {
            Some(progress) => {
                self.progress = progress;
                Ok(Step::only(reply))
            }
            None => {
                self.advance();
                Ok(Step {
                    reply,
                    then: self.due(),
                })
            }
        }
    }

    fn advance(&mut self) {
        self.queue.pop_front();
        self.progress = Progress::Start;
    }

    /// The error of ours that is next, if it is its turn.
    fn due(&mut self) -> Option<L> {
        match self.queue.pop_front() {
            Some(Expected::Refused(error)) => Some(error),
            Some(other) => {
                self.queue.push_front(other);
                None
            }
            None => None,
        }
    }

    fn failed(&mut self) -> Result<Step<I, L>, OutOfPlace> {
        let Some(front) = self.queue.front() else {
            return Ok(Step::only(Reply::Unsolicited));
        };
        let statement = front.statement();
        if self.progress == Progress::Failed {
            return Err(OutOfPlace {
                tag: b'E',
                place: "twice for one message",
            });
        }
        if front.ends_by_ready() {
            self.progress = Progress::Failed;
        } else {
            self.skip_to_sync();
        }
        Ok(Step::only(Reply::Failed(statement)))
    }

    /// Drops what the server will not answer, as the server does.
    fn skip_to_sync(&mut self) {
        self.advance();
        while let Some(front) = self.queue.front() {
            if matches!(front, Expected::Sync) {
                return;
            }
            self.dropped.extend(front.statement());
            self.queue.pop_front();
        }
        self.skipping = true;
    }

    fn copy_in(&mut self) -> Result<Step<I, L>, OutOfPlace> {
        let misplaced = |place| Err(OutOfPlace { tag: b'G', place });
        if !matches!(self.progress, Progress::Start | Progress::Between) {
            return misplaced("within a result");
        }
        let mut waiting = self.queue.iter();
        let front = waiting.next();
        let answer = match (front, waiting.next(), waiting.next()) {
            (Some(Expected::Query(_) | Expected::Execute(_)), None, _) => CopyAnswer::Fail,
            (Some(Expected::Execute(_)), Some(Expected::Sync), None) => CopyAnswer::FailThenSync,
            (Some(Expected::Query(_) | Expected::Execute(_)), ..) => {
                return misplaced("with messages sent behind it");
            }
            _ => return misplaced("in answer to a message that runs nothing"),
        };
        let Some(statement) = front.and_then(Expected::statement) else {
            return misplaced("in answer to a message that runs nothing");
        };
        self.progress = Progress::CopyRefused;
        Ok(Step::only(Reply::CopyIn(statement, answer)))
    }
}

impl<I, L> Step<I, L> {
    fn only(reply: Reply<I, L>) -> Self {
        Self { reply, then: None }
    }
}

fn message_is_sync<I>(message: &Sent<I>) -> bool {
    matches!(message, Sent::Sync)
}
