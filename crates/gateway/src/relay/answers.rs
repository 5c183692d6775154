//! What upstream answers: attributed, counted, scrubbed, and made into batches.

use std::sync::Arc;
use std::time::Duration;

use bytes::{Buf, Bytes, BytesMut};
use jiff::Timestamp;
use ledger::Draft;
use wire::backend::{CommandTag, ParameterStatus, RowDescription, Severity, Status};
use wire::frame::{self, Piece};
use wire::reply::{Reply, Step};

use super::attribution::Attribution;
use super::pending::Change;
use super::recorder::{Ends, StatementNumber};
use super::{Fatal, Local, LocalError, Ready, Relay};
use crate::batch::Batch;
use crate::say::Say;
use crate::scrub;
use crate::views::{MadeAnew, Shape};

/// What becomes of a message of upstream's.
#[derive(Debug)]
pub(super) enum Fate {
    /// It goes on as it is.
    Pass,
    /// The client never sees it.
    Drop,
    /// The client sees this instead.
    Replace(Bytes),
}

/// A message's fate, and an error of the gateway's own that comes behind it.
type Judged = (Fate, Option<LocalError>);

impl Relay {
    /// Takes messages from the front of `input` and makes a batch of what the client may see of them.
    pub(crate) fn upstream(&mut self, input: &mut BytesMut, now: Timestamp) -> Result<Option<Ready>, Fatal> {
        let mut batch = Batch::default();
        let mut drafts = Vec::new();
        // Bytes at the front of `input` that go on as they are.
        let mut passing = 0;
        if !self.from_upstream.at_boundary() && matches!(self.rest, Fate::Pass) {
            batch.begin_inside();
        }
        loop {
            let unread = input.get(passing..).unwrap_or_default();
            let Some(piece) = self.from_upstream.next(unread).map_err(|_| Fatal::Upstream)? else {
                break;
            };
            let message = unread.get(..piece.len).unwrap_or_default();
            let (fate, then) = self.judge_answer(piece, message, passing, &mut batch, now)?;
            match fate {
                Fate::Pass => passing = passing.saturating_add(piece.len),
                fate @ (Fate::Drop | Fate::Replace(_)) => {
                    batch.push(input.split_to(passing).freeze());
                    input.advance(piece.len);
                    passing = 0;
                    if let Fate::Replace(bytes) = fate {
                        batch.say(bytes);
                    }
                }
            }
            if let Some(local) = then {
                batch.push(input.split_to(passing).freeze());
                passing = 0;
                drafts.push(self.say_local(&local, &mut batch, now)?);
            }
        }
        batch.push(input.split_to(passing).freeze());
        if let Some(budget) = &mut self.budget {
            budget.settle();
        }
        if !self.from_upstream.at_boundary() && matches!(self.rest, Fate::Pass) {
            batch.end_inside();
        }
        self.ready(batch, drafts, now)
    }

    /// Says an error of the gateway's own, and makes its record.
    pub(super) fn say_local(
        &mut self,
        local: &Local,
        batch: &mut Batch,
        now: Timestamp,
    ) -> Result<Draft, Fatal> {
        let mut error = BytesMut::new();
        local.say.encode_error(&mut error);
        batch.say(error.freeze());
        Ok(self.recorder.refusal(&local.say, &local.statement, now)?)
    }

    fn judge_answer(
        &mut self,
        piece: Piece,
        message: &[u8],
        passing: usize,
        batch: &mut Batch,
        now: Timestamp,
    ) -> Result<Judged, Fatal> {
        let ends_at = passing.saturating_add(piece.len);
        if !piece.begins() {
            let fate = match self.rest {
                Fate::Pass => Fate::Pass,
                Fate::Drop | Fate::Replace(_) => Fate::Drop,
            };
            if piece.ends() && matches!(fate, Fate::Pass) {
                batch.mark(ends_at);
            }
            return Ok((fate, None));
        }
        let Step { reply, then } = self.replies.receive(piece.header.tag)?;
        let is_ready = matches!(reply, Reply::Ready(_));
        let withheld = self.withheld && !is_ready && !matches!(reply, Reply::Parameter);
        let (mut fate, mut local) = self.answer(reply, piece, message, batch, now)?;
        let mut then = then;
        if withheld {
            // As after an error: nothing is seen before the next ReadyForQuery.
            (fate, local, then) = (Fate::Drop, None, None);
        }
        match (&fate, piece.ends()) {
            (Fate::Pass, true) => batch.mark(ends_at),
            (Fate::Pass, false) => self.rest = Fate::Pass,
            (Fate::Drop | Fate::Replace(_), false) => self.rest = Fate::Drop,
            (Fate::Drop | Fate::Replace(_), true) => {}
        }
        if is_ready {
            batch.ready_for_query(self.status, ends_at);
        }
        Ok((fate, local.or(then)))
    }

    fn answer(
        &mut self,
        reply: Reply<StatementNumber, LocalError>,
        piece: Piece,
        message: &[u8],
        batch: &mut Batch,
        now: Timestamp,
    ) -> Result<Judged, Fatal> {
        let body = piece.ends().then(|| frame::body(message));
        match reply {
            Reply::Notification => return Ok((Fate::Drop, None)),
            Reply::Notice => {
                let kept = body.and_then(|body| scrub::notice(body).ok().flatten());
                return Ok((
                    kept.map_or(Fate::Drop, |bytes| Fate::Replace(bytes.freeze())),
                    None,
                ));
            }
            Reply::Parameter => return self.parameter(body),
            Reply::Instead(local) => return Ok((Fate::Drop, Some(local))),
            Reply::Acknowledged => self.acknowledged(),
            Reply::Described(Some(number)) => {
                self.recorder.reply(number);
                let shape = self.shape(piece.header.tag, body)?;
                if let Err(say) = self.recorder.described(number, &shape) {
                    return Ok(self.withhold(number, say));
                }
            }
            Reply::Described(None) => return self.described(piece.header.tag, body),
            Reply::CopyBegins(number) | Reply::CopyEnds(number) => self.recorder.reply(number),
            Reply::Row(_) | Reply::CopyData(_) if self.withheld => return Ok((Fate::Drop, None)),
            Reply::Row(number) | Reply::CopyData(number) => {
                if piece.header.tag == b'd' {
                    self.recorder.copied(number);
                } else if let Err(say) = self
                    .recorder
                    .attribute(number, frame::body(message), piece.ends())
                {
                    return Ok(self.withhold(number, say));
                }
                let bytes = u64::try_from(piece.header.len).unwrap_or(u64::MAX);
                if let Some(Err(say)) = self.budget.as_mut().map(|budget| budget.row(bytes, now)) {
                    self.stop = true;
                    return Ok(self.withhold(number, say));
                }
                batch.count_row();
                batch.count_row_bytes(piece.header.len);
                self.recorder.row(number, bytes);
            }
            Reply::Completed(number) => self.completed(number, piece.header.tag, body),
            Reply::Suspended(number) => {
                self.recorder.command(number, "PORTAL SUSPENDED");
                self.recorder.completed(number);
            }
            Reply::Ready(number) => {
                self.status = body
                    .and_then(|body| Status::parse(body).ok())
                    .ok_or(Fatal::Upstream)?;
                self.pending.ready();
                self.withheld = false;
                if let Some(number) = number {
                    self.recorder.ready(number);
                }
                if self.status == Status::Idle {
                    self.rests = self.rests.saturating_add(1);
                    self.portals.expire();
                }
            }
            Reply::Failed(number) => return self.failed(number, body, now),
            // The filter lets no COPY FROM through, so upstream is not what it must be.
            Reply::CopyIn(..) => return Err(Fatal::Upstream),
            Reply::Unsolicited => return Err(Fatal::Upstream),
        }
        Ok((Fate::Pass, None))
    }

    /// What matters of a RowDescription, or that there are no columns.
    fn shape(&self, tag: u8, body: Option<&[u8]>) -> Result<Shape, Fatal> {
        match body {
            _ if tag != b'T' => Ok(Shape::default()),
            // Longer than what is kept of a message.
            None => Ok(Shape::unknown()),
            Some(body) => {
                let described = RowDescription::parse(body).map_err(|_| Fatal::Upstream)?;
                let shape = self.recorder.views().shape(&described);
                shape.map_err(|MadeAnew| Fatal::Client(Say::views_made_anew()))
            }
        }
    }

    /// The answer to a Describe.
    fn described(&mut self, tag: u8, body: Option<&[u8]>) -> Result<Judged, Fatal> {
        // The types of a statement's parameters come before its columns.
        if tag == b't' {
            return Ok((Fate::Pass, None));
        }
        let shape = self.shape(tag, body)?;
        let Some(question) = self.pending.described() else {
            return Ok((Fate::Pass, None));
        };
        question.columns.set(shape);
        let fate = if question.hidden { Fate::Drop } else { Fate::Pass };
        Ok((fate, None))
    }

    /// Whether a statement has had all the time that the agreement gives it: then it was the agreement's limit that ended it, and
    /// not a shorter one that the client has chosen.
    fn took_too_long(&self, number: StatementNumber, now: Timestamp) -> bool {
        let took = self
            .recorder
            .started(number)
            .map(|started| now.duration_since(started));
        took.and_then(|took| Duration::try_from(took).ok())
            .is_some_and(|took| took >= self.statement)
    }

    /// A result that must not be given: the client is told so in its place.
    fn withhold(&mut self, number: StatementNumber, say: Say) -> Judged {
        self.withheld = true;
        self.recorder.failed(number, &say.sqlstate);
        let text = self.recorder.text(number).unwrap_or_default();
        let statement = Bytes::copy_from_slice(text.as_bytes());
        (Fate::Drop, Some(Box::new(Local { say, statement })))
    }

    /// A setting that decides how text is read must stay what the filter assumes.
    fn parameter(&self, body: Option<&[u8]>) -> Result<Judged, Fatal> {
        let status = body
            .and_then(|body| ParameterStatus::parse(body).ok())
            .ok_or(Fatal::Upstream)?;
        match (status.name, status.value) {
            ("standard_conforming_strings", "on") | ("client_encoding", "UTF8") => Ok((Fate::Pass, None)),
            ("standard_conforming_strings" | "client_encoding", _) => Err(Fatal::Upstream),
            // It names the role.
            ("session_authorization", _) => Ok((Fate::Drop, None)),
            _ => Ok((Fate::Pass, None)),
        }
    }

    fn acknowledged(&mut self) {
        match self.pending.acknowledged() {
            Some(Change::Parse(name, serial)) => self.statements.confirmed(&name, serial),
            Some(Change::Bind(name, serial)) => self.portals.confirmed(&name, serial),
            Some(Change::CloseStatement(name)) => self.statements.closed(&name),
            Some(Change::ClosePortal(name)) => self.portals.closed(&name),
            None => {}
        }
    }

    fn completed(&mut self, number: StatementNumber, tag: u8, body: Option<&[u8]>) {
        match body.map(CommandTag::parse) {
            Some(Ok(command)) if tag == b'C' => self.recorder.command(number, command.as_str()),
            _ => self.recorder.command(number, "EMPTY QUERY"),
        }
        self.recorder.completed(number);
    }

    fn failed(
        &mut self,
        number: Option<StatementNumber>,
        body: Option<&[u8]>,
        now: Timestamp,
    ) -> Result<Judged, Fatal> {
        let mut error = scrub::error(body.unwrap_or(b"\0")).map_err(|_| Fatal::Upstream)?;
        if error.timed_out && number.is_some_and(|number| self.took_too_long(number, now)) {
            error.message.clear();
            Say::statement_ended(self.statement).encode_error(&mut error.message);
        }
        let mut only_prepared = None;
        for change in self.pending.failed() {
            match change {
                Change::Parse(name, serial) => {
                    let lost = self.statements.failed(&name, serial);
                    only_prepared = only_prepared.or(lost);
                }
                Change::Bind(name, serial) => drop(self.portals.failed(&name, serial)),
                Change::CloseStatement(_) | Change::ClosePortal(_) => {}
            }
        }
        let mut dropped = self.replies.dropped().into_iter();
        // The statement that failed; or, where what failed only prepared one, the one that was to run it; or, where
        // none was, the text that could not be prepared.
        let number = number.or_else(|| dropped.next()).or_else(|| {
            only_prepared.map(|prepared| {
                self.recorder.begin(
                    Arc::clone(&prepared.text),
                    Arc::from([]),
                    self.case.clone(),
                    Ends::AtCompletion,
                    now,
                    Attribution::of_results(Arc::default()),
                )
            })
        });
        if let Some(number) = number {
            self.recorder.failed(number, error.sqlstate.as_str());
        }
        for number in dropped {
            self.recorder.skipped(number);
        }
        if matches!(error.severity, Severity::Fatal | Severity::Panic) {
            return Err(Fatal::Upstream);
        }
        Ok((Fate::Replace(error.message.freeze()), None))
    }
}
