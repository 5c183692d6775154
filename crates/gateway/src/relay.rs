//! The relay between a client and its upstream server: bytes in, bytes out, records to be made. No sockets, no clock.
//!
//! [`client`](Relay::client) takes what the client sent, judges it and says what goes upstream;
//! [`upstream`](Relay::upstream) takes what upstream answered and makes batches with the records that must be durable
//! before a byte of the batch leaves.

use bytes::{Bytes, BytesMut};
use evidence::overseers::Seal;
use evidence::record::{Clipped, RecordError};
use jiff::Timestamp;
use ledger::Draft;
use wire::backend::{self, Status};
use wire::frame::{FrameError, Source, Splitter};
use wire::reply::{OutOfPlace, Replies};
use wire::{Malformed, Unencodable};

use crate::batch::{Batch, Released, Shape};
use crate::budget::Spender;
use crate::filter::Filter;
use crate::limits::{CLIENT_MESSAGE_BYTES, WHOLE_MESSAGE_BYTES};
use crate::overdue::Seen;
use crate::say::Say;
use crate::sessions::State;

mod answers;
pub(crate) mod attribution;
mod names;
mod pending;
pub(crate) mod recorder;
mod requests;
#[cfg(test)]
mod tests;

use names::{Names, Portal, Prepared};
use pending::Pending;
use policy::estate::Limits;
use recorder::{Recorder, StatementNumber};
use std::sync::Arc;
use std::time::Duration;

/// Decides on a case reference that the client wants to state from now on.
pub(crate) trait Cases {
    /// The case as it is recorded, or what the client is told. `None`: back to what the session began with.
    fn change(&mut self, case: Option<&str>) -> Result<Option<Clipped>, Say>;
}

/// Replies that may go out once their records are durable.
#[derive(Debug)]
pub(crate) struct Ready {
    pub(crate) batch: Batch,
    pub(crate) drafts: Vec<Draft>,
}

/// Why the session cannot go on.
#[derive(Debug)]
pub(crate) enum Fatal {
    /// The client broke the protocol or a bound: it is told so.
    Client(Say),
    /// Upstream broke the protocol, or a record could not be made.
    Upstream,
}

/// An error of the gateway's own, for the place of a message that was refused.
#[derive(Debug)]
struct Local {
    say: Say,
    statement: Bytes,
}

type LocalError = Box<Local>;

/// Messages that one of the client's may become: an Execute, and a Describe of our own before it.
const MESSAGES_AT_ONCE: usize = 2;

/// The state of one session's protocol.
#[derive(Debug)]
pub(crate) struct Relay {
    filter: Arc<Filter>,
    recorder: Recorder,
    case: Option<Clipped>,
    /// The case that the session began with.
    first_case: Option<Clipped>,
    status: Status,
    from_client: Splitter,
    from_upstream: Splitter,
    replies: Replies<StatementNumber, LocalError>,
    pending: Pending,
    statements: Names<Arc<Prepared>>,
    portals: Names<Portal>,
    /// What becomes of the rest of a long message whose first piece has been seen.
    rest: answers::Fate,
    /// The client was told that a record failed, and sees nothing more until the next `ReadyForQuery`.
    losing: bool,
    terminated: bool,
    /// The client was told that a result must not be given, and sees nothing more until the next `ReadyForQuery`.
    withheld: bool,
    /// How often upstream has said that no transaction is open.
    rests: u64,
    /// Whether something went upstream behind the last Sync or simple query: a transaction is open there of which no
    /// `ReadyForQuery` has told.
    unsynced: bool,
    /// Where rows are taken from.
    budget: Option<Spender>,
    /// The longest that a statement may take.
    statement: Duration,
    /// The statement that runs is to be stopped: nothing more of it is given.
    stop: bool,
}

impl Relay {
    /// A session that has just been told that it is ready.
    pub(crate) fn new(filter: Arc<Filter>, recorder: Recorder, case: Option<Clipped>) -> Self {
        Self {
            filter,
            recorder,
            first_case: case.clone(),
            case,
            status: Status::Idle,
            from_client: Splitter::new(Source::Client, CLIENT_MESSAGE_BYTES),
            from_upstream: Splitter::new(Source::Server, WHOLE_MESSAGE_BYTES),
            replies: Replies::new(),
            pending: Pending::default(),
            statements: Names::new(),
            portals: Names::new(),
            rest: answers::Fate::Pass,
            losing: false,
            withheld: false,
            terminated: false,
            rests: 0,
            unsynced: false,
            budget: None,
            statement: Duration::MAX,
            stop: false,
        }
    }

    /// To whom records are sealed from now on.
    pub(crate) fn seal(&mut self, seal: Option<Seal>) {
        self.recorder.seal(seal);
    }

    /// Rows are taken from this, and statements may take so long.
    pub(crate) fn within(mut self, budget: Spender, statement: Duration) -> Self {
        self.budget = Some(budget);
        self.statement = statement;
        self
    }

    /// Other limits hold from now on.
    pub(crate) fn limits(&mut self, limits: &Limits) {
        if let Some(budget) = &mut self.budget {
            budget.limits(limits);
        }
    }

    /// Whether upstream must be told to stop what it is doing: the rest would go nowhere. Asked once for each time; no, if
    /// something else was sent behind it, which must not be hit.
    pub(crate) fn must_stop(&mut self) -> bool {
        std::mem::take(&mut self.stop) && self.withheld && self.replies.is_last()
    }

    pub(crate) fn recorder(&self) -> &Recorder {
        &self.recorder
    }

    /// Whether the client has said goodbye.
    pub(crate) fn terminated(&self) -> bool {
        self.terminated
    }

    /// Whether nothing is under way.
    pub(crate) fn idle(&self) -> bool {
        self.replies.is_idle()
    }

    /// Whether more of the client's messages may be read.
    pub(crate) fn has_room(&self) -> bool {
        self.replies.has_room_for(MESSAGES_AT_ONCE)
    }

    /// What the session is at, for [`Watch`](crate::overdue::Watch).
    pub(crate) fn seen(&self) -> Seen {
        Seen {
            rests: self.rests,
            at_rest: self.replies.is_idle() && self.status == Status::Idle && !self.unsynced,
            running: self.recorder.running(),
        }
    }

    pub(crate) fn state(&self) -> State {
        match (self.replies.is_idle(), self.status) {
            (false, _) => State::Active,
            (true, Status::Idle) => State::Idle,
            (true, Status::InTransaction | Status::Failed) => State::InTransaction,
        }
    }

    /// A batch whose records are durable, or that needs none: what of it the client may see.
    pub(crate) fn released(&mut self, batch: Released) -> Option<Released> {
        if !self.losing {
            return Some(batch);
        }
        let rest = batch.since_ready();
        self.losing = rest.is_none();
        rest
    }

    /// The records of a batch of this shape could not be made durable, and the batch is gone: what the client is told.
    /// Each of its requests that is answered in the batch is answered by an error, and by `ReadyForQuery` where that was.
    pub(crate) fn lost(&mut self, shape: &Shape) -> Option<Released> {
        let mut out = BytesMut::new();
        let mut batch = Batch::default();
        for status in &shape.ready {
            self.lose(&mut out);
            backend::ready(&mut out, *status);
            self.losing = false;
        }
        if shape.open_tail {
            self.lose(&mut out);
        }
        batch.say(out.freeze());
        Released::without_rows(batch)
    }

    /// Whether the client was told that a record failed, and sees nothing until the next `ReadyForQuery`.
    pub(crate) fn losing(&self) -> bool {
        self.losing
    }

    fn lose(&mut self, out: &mut BytesMut) {
        if !self.losing {
            Say::not_recorded().encode_error(out);
        }
        self.losing = true;
    }

    /// Makes what is in the batch ready, with the records it needs.
    fn ready(
        &mut self,
        batch: Batch,
        mut drafts: Vec<Draft>,
        now: Timestamp,
    ) -> Result<Option<Ready>, Fatal> {
        drafts.extend(self.recorder.drafts(now)?);
        if batch.is_empty() && drafts.is_empty() {
            return Ok(None);
        }
        Ok(Some(Ready { batch, drafts }))
    }
}

impl From<RecordError> for Fatal {
    fn from(_: RecordError) -> Self {
        Self::Upstream
    }
}

impl From<OutOfPlace> for Fatal {
    fn from(_: OutOfPlace) -> Self {
        Self::Upstream
    }
}

impl Fatal {
    /// A message of the client's that cannot be followed.
    fn client_frame(error: FrameError) -> Self {
        Self::Client(Say::protocol(error.to_string()))
    }

    fn client_message(error: Malformed) -> Self {
        Self::Client(Say::protocol(format!("invalid message: {error}")))
    }
}

impl From<Unencodable> for Fatal {
    fn from(_: Unencodable) -> Self {
        Self::Upstream
    }
}
