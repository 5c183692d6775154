//! What a client sends: judged, remembered, and sent upstream or refused.

use std::sync::Arc;

use bytes::{Bytes, BytesMut};
use evidence::record::{self, Parameter, ParameterValue};
use jiff::Timestamp;
use wire::backend::Status;
use wire::frame::{self, Part};
use wire::frontend::{self, Bind, Execute, Format, Message, Parse, Target};
use wire::reply::{Refusal, Sent};

use super::attribution::{Attribution, Columns};
use super::names::{Portal, Prepared, Renames};
use super::pending::{Change, Question};
use super::recorder::{Ends, StatementNumber};
use super::{Cases, Fatal, Local, LocalError, Ready, Relay};
use crate::batch::Batch;
use crate::filter::{Pass, Verdict};
use crate::limits::{CLIENT_MESSAGE_BYTES, TO_UPSTREAM_BYTES};
use crate::say::Say;

/// Where requests go.
struct Out<'a> {
    upstream: &'a mut BytesMut,
    /// Errors of the gateway's own that are due at once.
    client: Vec<LocalError>,
    cases: &'a mut dyn Cases,
    now: Timestamp,
}

impl Relay {
    /// Takes whole messages from the front of `input`, as long as there is room for them. What must be said to the
    /// client at once comes back.
    pub(crate) fn client(
        &mut self,
        input: &mut BytesMut,
        upstream: &mut BytesMut,
        cases: &mut dyn Cases,
        now: Timestamp,
    ) -> Result<Option<Ready>, Fatal> {
        let mut out = Out {
            upstream,
            client: Vec::new(),
            cases,
            now,
        };
        while !self.terminated && out.upstream.len() < TO_UPSTREAM_BYTES {
            if !self.has_room() {
                frontend::flush(out.upstream);
                break;
            }
            let Some(piece) = self.from_client.next(input).map_err(Fatal::client_frame)? else {
                break;
            };
            let message = input.split_to(piece.len).freeze();
            match (piece.header.tag, piece.part) {
                // COPY from a client is refused before it begins; what it sends all the same goes nowhere.
                (b'd', _) => {}
                (_, Part::Whole) => self.message(piece.header.tag, &message, &mut out)?,
                _ => return Err(Fatal::Client(Say::too_large("a message", CLIENT_MESSAGE_BYTES))),
            }
        }
        let (said, now) = (std::mem::take(&mut out.client), out.now);
        self.say(said, now)
    }

    fn say(&mut self, errors: Vec<LocalError>, now: Timestamp) -> Result<Option<Ready>, Fatal> {
        let mut batch = Batch::default();
        let mut drafts = Vec::with_capacity(errors.len());
        for local in errors {
            drafts.push(self.say_local(&local, &mut batch, now)?);
        }
        self.ready(batch, drafts, now)
    }

    fn message(&mut self, tag: u8, message: &Bytes, out: &mut Out<'_>) -> Result<(), Fatal> {
        let body = frame::body(message);
        let Some(parsed) = Message::parse(tag, body).map_err(Fatal::client_message)? else {
            return Err(Fatal::Client(Say::protocol("unknown message type")));
        };
        match parsed {
            Message::Terminate => self.terminated = true,
            Message::Sync => {
                if self.replies.sent(Sent::Sync).is_ok() {
                    self.pending.sync();
                    self.unsynced = false;
                    out.upstream.extend_from_slice(message);
                }
            }
            Message::CopyData(_) | Message::CopyDone | Message::CopyFail(_) => {}
            _ if self.replies.skipping() => {}
            Message::Flush => out.upstream.extend_from_slice(message),
            Message::Query(query) => self.query(query.text, message, out)?,
            Message::Parse(parse) => self.parse(&parse, message, out)?,
            Message::Bind(bind) => self.bind(&bind, message, out),
            Message::Execute(execute) => self.execute(execute, message, out),
            Message::Describe(target) => self.describe(target, message, out),
            Message::Close(Target::Statement(name)) => {
                self.send(
                    Sent::Close,
                    Some(Change::CloseStatement(name.to_vec())),
                    message,
                    out,
                );
            }
            Message::Close(Target::Portal(name)) => {
                self.send(
                    Sent::Close,
                    Some(Change::ClosePortal(name.to_vec())),
                    message,
                    out,
                );
            }
            Message::FunctionCall => self.refuse_query(Say::function_call(), b"", out),
        }
        Ok(())
    }

    /// Sends a message that runs nothing.
    fn send(
        &mut self,
        sent: Sent<StatementNumber>,
        change: Option<Change>,
        message: &Bytes,
        out: &mut Out<'_>,
    ) {
        if self.replies.sent(sent).is_ok() {
            if let Some(change) = change {
                self.pending.change(change);
            }
            self.unsynced = true;
            out.upstream.extend_from_slice(message);
        }
    }

    fn describe(&mut self, target: Target<'_>, message: &Bytes, out: &mut Out<'_>) {
        let (sent, columns) = match target {
            Target::Statement(name) => {
                let prepared = self.statements.meaning(name);
                // Where they can be others each time, the statement's are nobody's.
                let prepared = prepared.filter(|prepared| !prepared.reads.more);
                let columns = prepared.map(|prepared| prepared.columns.clone());
                (Sent::DescribeStatement, columns)
            }
            Target::Portal(name) => {
                let portal = self.portals.meaning(name);
                (Sent::DescribePortal, portal.map(|portal| portal.columns.clone()))
            }
        };
        self.ask_for(sent, columns.unwrap_or_default(), false, message, out);
    }

    /// Sends a Describe, the client's or one of our own.
    fn ask_for(
        &mut self,
        sent: Sent<StatementNumber>,
        columns: Columns,
        hidden: bool,
        message: &[u8],
        out: &mut Out<'_>,
    ) {
        if self.replies.sent(sent).is_ok() {
            self.pending.describe(Question { columns, hidden });
            self.unsynced = true;
            out.upstream.extend_from_slice(message);
        }
    }

    fn query(&mut self, text: &[u8], message: &Bytes, out: &mut Out<'_>) -> Result<(), Fatal> {
        let (prepared, passed) = match self.judge(text) {
            Ok(judged) => judged,
            Err(say) => {
                self.refuse_query(say, text, out);
                return Ok(());
            }
        };
        let mut rewritten = BytesMut::new();
        if let Some(text) = &passed.rewritten {
            frontend::query(&mut rewritten, text.as_bytes())?;
        }
        if let Err(say) = self.before(&prepared, out) {
            self.refuse_query(say, text, out);
            return Ok(());
        }
        let attribution = Attribution::of_results(Arc::clone(&prepared.reads));
        let number = self.begin(&prepared, Arc::from([]), Ends::AtReady, out.now, attribution);
        if self.replies.sent(Sent::Query(number)).is_ok() {
            self.pending.query();
            self.unsynced = false;
            out.upstream
                .extend_from_slice(if rewritten.is_empty() { message } else { &rewritten });
        } else {
            self.recorder.skipped(number);
        }
        Ok(())
    }

    fn parse(&mut self, parse: &Parse<'_>, message: &Bytes, out: &mut Out<'_>) -> Result<(), Fatal> {
        let (prepared, passed) = match self.judge(parse.query) {
            Ok(judged) => judged,
            Err(say) => {
                self.refuse(say, parse.query, out);
                return Ok(());
            }
        };
        let mut rewritten = BytesMut::new();
        if let Some(text) = &passed.rewritten {
            let types: Vec<u32> = parse.types().collect();
            frontend::parse(&mut rewritten, parse.name, text.as_bytes(), &types)?;
        }
        let Ok(serial) = self
            .statements
            .sent(parse.name, Arc::new(prepared), parse.query.len())
        else {
            self.refuse(Say::too_many_names(), parse.query, out);
            return Ok(());
        };
        let message = if rewritten.is_empty() {
            message
        } else {
            &rewritten.freeze()
        };
        self.send(
            Sent::Parse,
            Some(Change::Parse(parse.name.to_vec(), serial)),
            message,
            out,
        );
        Ok(())
    }

    fn bind(&mut self, bind: &Bind<'_>, message: &Bytes, out: &mut Out<'_>) {
        let Some(prepared) = self.statements.meaning(bind.head.statement).map(Arc::clone) else {
            return self.refuse(Say::no_such_statement(bind.head.statement), b"", out);
        };
        let parameters: Arc<[Parameter]> = record::parameters(bind.parameters().map(value)).into();
        let text = Arc::clone(&prepared.text);
        let columns = if prepared.reads.more {
            Columns::default()
        } else {
            prepared.columns.clone()
        };
        let portal = Portal {
            prepared,
            parameters,
            columns,
            formats: bind.result_formats().collect(),
        };
        let Ok(serial) = self.portals.sent(bind.head.portal, portal, message.len()) else {
            return self.refuse(Say::too_many_names(), text.as_bytes(), out);
        };
        self.send(
            Sent::Bind,
            Some(Change::Bind(bind.head.portal.to_vec(), serial)),
            message,
            out,
        );
    }

    fn execute(&mut self, execute: Execute<'_>, message: &Bytes, out: &mut Out<'_>) {
        let Some(portal) = self.portals.meaning(execute.portal).cloned() else {
            return self.refuse(Say::no_such_portal(execute.portal), b"", out);
        };
        if let Err(say) = self.before(&portal.prepared, out) {
            return self.refuse(say, portal.prepared.text.as_bytes(), out);
        }
        if let Err(say) = self.know_columns(execute.portal, &portal, out) {
            return self.refuse(say, portal.prepared.text.as_bytes(), out);
        }
        let reads = Arc::clone(&portal.prepared.reads);
        let attribution = Attribution::of_portal(reads, portal.columns, portal.formats);
        let number = self.begin(
            &portal.prepared,
            portal.parameters,
            Ends::AtCompletion,
            out.now,
            attribution,
        );
        self.send(Sent::Execute(number), None, message, out);
    }

    /// Sees to it that the columns of a portal are known when its rows come. `Err`: they are known by now, and it must not
    /// be executed.
    fn know_columns(&mut self, name: &[u8], portal: &Portal, out: &mut Out<'_>) -> Result<(), Say> {
        let views = Arc::clone(self.recorder.views());
        if !views.asks() {
            return Ok(());
        }
        if let Some(shape) = portal.columns.get() {
            return match shape.columns {
                // Nothing comes of it.
                0 => Ok(()),
                _ => views.demand(&portal.prepared.reads, &shape),
            };
        }
        if !self.pending.asks_for(&portal.columns) {
            let mut message = BytesMut::new();
            // A name that upstream was given in a Bind can be written again.
            if frontend::describe_portal(&mut message, name).is_ok() {
                let columns = portal.columns.clone();
                self.ask_for(Sent::DescribePortal, columns, true, &message, out);
            }
        }
        Ok(())
    }

    /// What must happen before a statement is sent: the case it sets, the names it may change.
    fn before(&mut self, prepared: &Prepared, out: &mut Out<'_>) -> Result<(), Say> {
        self.recorder.views().demand_text(&prepared.reads)?;
        if let Some(case) = &prepared.sets_case {
            self.change_case(case.as_deref(), out)?;
        }
        if prepared.renames.statements {
            self.statements.forget();
        }
        if prepared.renames.portals {
            self.portals.forget();
        }
        Ok(())
    }

    /// States another case from now on. Inside a transaction upstream might take it back, and what `SHOW estop.case`
    /// answers would not be what is recorded; so there it must stay the same.
    fn change_case(&mut self, case: Option<&str>, out: &mut Out<'_>) -> Result<(), Say> {
        let alone = self.status == Status::Idle && self.recorder.running().is_none();
        let same = match case {
            Some(case) => self.case.as_ref().is_some_and(|present| present == case),
            None => self.case == self.first_case,
        };
        match (same, alone) {
            (true, _) => Ok(()),
            (false, false) => Err(Say::case_in_transaction()),
            (false, true) => {
                self.case = out.cases.change(case)?;
                Ok(())
            }
        }
    }

    fn begin(
        &mut self,
        prepared: &Prepared,
        parameters: Arc<[Parameter]>,
        ends: Ends,
        now: Timestamp,
        attribution: Attribution,
    ) -> StatementNumber {
        self.recorder.begin(
            Arc::clone(&prepared.text),
            parameters,
            self.case.clone(),
            ends,
            now,
            attribution,
        )
    }

    fn judge(&self, text: &[u8]) -> Result<(Prepared, Arc<Pass>), Say> {
        match self.filter.judge(text) {
            Verdict::Pass(passed) => {
                let prepared = Prepared {
                    // The filter passes UTF-8 only.
                    text: String::from_utf8_lossy(text).into(),
                    sets_case: passed.sets_case().map(|case| case.map(str::to_owned)),
                    renames: Renames {
                        statements: passed.renames_statements(),
                        portals: passed.renames_portals(),
                    },
                    reads: Arc::new(self.recorder.views().reads(
                        &passed.reads,
                        passed.reads_more(),
                        passed.copies(),
                    )),
                    columns: Columns::default(),
                };
                Ok((prepared, passed))
            }
            Verdict::Refuse(refused) => {
                let say = Say::new(refused.sqlstate.as_str().to_owned(), refused.message.clone());
                Err(match &refused.clause {
                    Some(clause) => say.detail(clause.clone()),
                    None => say,
                })
            }
        }
    }

    /// Keeps a message of the extended protocol from upstream, and all that follows up to the next Sync.
    fn refuse(&mut self, say: Say, statement: &[u8], out: &mut Out<'_>) {
        let local = Box::new(Local {
            say,
            statement: Bytes::copy_from_slice(statement),
        });
        match self.replies.refuse(local) {
            Refusal::Due(local) => out.client.push(local),
            Refusal::Queued { flush: true } => frontend::flush(out.upstream),
            Refusal::Queued { flush: false } | Refusal::Skipped => {}
        }
    }

    /// Keeps a simple query from upstream; an empty one goes in its place.
    fn refuse_query(&mut self, say: Say, statement: &[u8], out: &mut Out<'_>) {
        let local = Box::new(Local {
            say,
            statement: Bytes::copy_from_slice(statement),
        });
        if self.replies.refuse_query(local).is_ok() {
            self.pending.query();
            frontend::empty_query(out.upstream);
        }
    }
}

fn value<'a>((format, value): (Format, Option<&'a [u8]>)) -> ParameterValue<'a> {
    match (value, format) {
        (None, _) => ParameterValue::Null,
        (Some(bytes), Format::Text) => ParameterValue::Text(bytes),
        (Some(bytes), Format::Binary) => ParameterValue::Binary(bytes),
    }
}
