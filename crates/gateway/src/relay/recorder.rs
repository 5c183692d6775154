//! The records of a session's statements: what each was, and how many rows of it are about to be released.
//!
//! A statement whose reply fits one batch has one record, with its outcome, before its first row leaves. A longer
//! one has a record before its first batch (`Streaming`), one before each further batch, and its outcome.

use std::collections::BTreeMap;
use std::sync::Arc;

use evidence::id::{AgreementId, OfficerId, PartnerId, PurposeId, SessionId};
use evidence::overseers::Seal;
use evidence::record::{
    self, Clipped, Continuation, Disclosure, Excerpt, Outcome, OutcomeRecord, Parameter, Record, RecordError,
    Refusal,
};
use jiff::Timestamp;
use ledger::Draft;

use super::attribution::Attribution;
use crate::say::Say;
use crate::views::{Shape, Views};

/// What every record of a session says about it.
#[derive(Clone, Debug)]
pub(crate) struct Bound {
    pub(crate) session: SessionId,
    pub(crate) partner: PartnerId,
    pub(crate) officer: OfficerId,
    pub(crate) agreement: AgreementId,
    pub(crate) purpose: PurposeId,
    pub(crate) client: Clipped,
    pub(crate) legal_basis: Clipped,
    pub(crate) seal: Option<Seal>,
}

/// Number of a statement in its session, from 1.
pub(crate) type StatementNumber = u64;

/// When a statement is at its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ends {
    /// A simple query, of one command or several: at `ReadyForQuery`.
    AtReady,
    /// A statement of the extended protocol: at its completion.
    AtCompletion,
}

/// The statements of one session that are not finished.
#[derive(Debug)]
pub(crate) struct Recorder {
    bound: Bound,
    views: Arc<Views>,
    last: StatementNumber,
    running: BTreeMap<StatementNumber, Statement>,
}

#[derive(Debug)]
struct Statement {
    text: Arc<str>,
    parameters: Arc<[Parameter]>,
    case: Option<Clipped>,
    ends: Ends,
    started: Timestamp,
    /// Of the whole result so far.
    rows: u64,
    bytes: u64,
    /// Of the batch that is being made.
    batch_rows: u64,
    batch_bytes: u64,
    touched: bool,
    recorded: bool,
    tags: String,
    outcome: Option<Outcome>,
    attribution: Attribution,
}

impl Recorder {
    pub(crate) fn new(bound: Bound, views: Arc<Views>) -> Self {
        Self {
            bound,
            views,
            last: 0,
            running: BTreeMap::new(),
        }
    }

    /// The views of the session.
    pub(crate) fn views(&self) -> &Arc<Views> {
        &self.views
    }

    /// To whom the records are sealed from now on.
    pub(crate) fn seal(&mut self, seal: Option<Seal>) {
        self.bound.seal = seal;
    }

    /// Statements begun.
    pub(crate) fn statements(&self) -> u64 {
        self.last
    }

    /// The oldest statement whose end has not been recorded.
    pub(crate) fn running(&self) -> Option<StatementNumber> {
        self.running.keys().next().copied()
    }

    /// A statement is being sent upstream.
    pub(crate) fn begin(
        &mut self,
        text: Arc<str>,
        parameters: Arc<[Parameter]>,
        case: Option<Clipped>,
        ends: Ends,
        started: Timestamp,
        attribution: Attribution,
    ) -> StatementNumber {
        self.last = self.last.saturating_add(1);
        let statement = Statement {
            text,
            parameters,
            case,
            ends,
            started,
            rows: 0,
            bytes: 0,
            batch_rows: 0,
            batch_bytes: 0,
            touched: false,
            recorded: false,
            tags: String::new(),
            outcome: None,
            attribution,
        };
        self.running.insert(self.last, statement);
        self.last
    }

    /// The next rows of a simple query have this shape. `Err`: they must not be given, and what the client is told.
    pub(crate) fn described(&mut self, number: StatementNumber, shape: &Shape) -> Result<(), Say> {
        match self.running.get_mut(&number) {
            Some(statement) => statement.attribution.described(shape, &self.views),
            None => Ok(()),
        }
    }

    /// Whom a row is about, of which these are the first bytes or the whole. `Err`: it must not be given.
    pub(crate) fn attribute(&mut self, number: StatementNumber, body: &[u8], whole: bool) -> Result<(), Say> {
        match self.running.get_mut(&number) {
            Some(statement) => statement.attribution.row(body, whole, &self.views),
            None => Ok(()),
        }
    }

    /// A piece of COPY data.
    pub(crate) fn copied(&mut self, number: StatementNumber) {
        if let Some(statement) = self.running.get_mut(&number) {
            statement.attribution.copied();
        }
    }

    /// The text of a statement that is not at its end.
    pub(crate) fn text(&self, number: StatementNumber) -> Option<Arc<str>> {
        self.running
            .get(&number)
            .map(|statement| Arc::clone(&statement.text))
    }

    /// When a statement that is not at its end began.
    pub(crate) fn started(&self, number: StatementNumber) -> Option<Timestamp> {
        self.running.get(&number).map(|statement| statement.started)
    }

    /// A row, or the first piece of one, of `bytes` bytes in all.
    pub(crate) fn row(&mut self, number: StatementNumber, bytes: u64) {
        if let Some(statement) = self.touch(number) {
            statement.rows = statement.rows.saturating_add(1);
            statement.batch_rows = statement.batch_rows.saturating_add(1);
            statement.bytes = statement.bytes.saturating_add(bytes);
            statement.batch_bytes = statement.batch_bytes.saturating_add(bytes);
        }
    }

    /// Some other message that belongs to the statement is about to be released.
    pub(crate) fn reply(&mut self, number: StatementNumber) {
        self.touch(number);
    }

    /// One command of the statement is complete. A simple query may hold several.
    pub(crate) fn command(&mut self, number: StatementNumber, tag: &str) {
        if let Some(statement) = self.touch(number) {
            if !statement.tags.is_empty() {
                statement.tags.push_str("; ");
            }
            // What goes beyond is cut off in the record anyway.
            if statement.tags.len() <= record::MAX_CLIPPED_BYTES {
                statement.tags.push_str(tag);
            }
        }
    }

    /// A command that runs by itself is complete: the end of a statement of the extended protocol.
    pub(crate) fn completed(&mut self, number: StatementNumber) {
        if self
            .running
            .get(&number)
            .is_some_and(|statement| matches!(statement.ends, Ends::AtCompletion))
        {
            self.end(number);
        }
    }

    /// `ReadyForQuery` came for it: the end of a simple query.
    pub(crate) fn ready(&mut self, number: StatementNumber) {
        self.end(number);
    }

    fn end(&mut self, number: StatementNumber) {
        if let Some(statement) = self.touch(number) {
            let tag = std::mem::take(&mut statement.tags).into();
            statement.outcome.get_or_insert(Outcome::Complete { tag });
        }
    }

    pub(crate) fn failed(&mut self, number: StatementNumber, sqlstate: &str) {
        if let Some(statement) = self.touch(number) {
            statement.outcome.get_or_insert(Outcome::Failed {
                sqlstate: sqlstate.into(),
            });
        }
    }

    /// The statement was sent, but upstream never looked at it (it stood behind an error in its pipeline).
    pub(crate) fn skipped(&mut self, number: StatementNumber) {
        self.running.remove(&number);
    }

    fn touch(&mut self, number: StatementNumber) -> Option<&mut Statement> {
        let statement = self.running.get_mut(&number)?;
        statement.touched = true;
        Some(statement)
    }

    /// The records that must be durable before what has been counted since the last call may leave.
    pub(crate) fn drafts(&mut self, now: Timestamp) -> Result<Vec<Draft>, RecordError> {
        let Self {
            bound,
            views,
            running,
            ..
        } = self;
        let mut drafts = Vec::new();
        for (number, statement) in running.iter_mut().filter(|(_, statement)| statement.touched) {
            statement.drafts(bound, views, *number, now, &mut drafts)?;
        }
        running.retain(|_, statement| statement.outcome.is_none());
        Ok(drafts)
    }

    /// The record of a statement that was refused before it went upstream.
    pub(crate) fn refusal(&self, say: &Say, statement: &[u8], now: Timestamp) -> Result<Draft, RecordError> {
        let bound = &self.bound;
        let refusal = Refusal {
            at: now,
            session: Some(bound.session.clone()),
            partner: Some(bound.partner.as_str().into()),
            officer: Some(bound.officer.as_str().into()),
            agreement: Some(bound.agreement.as_str().into()),
            purpose: Some(bound.purpose.as_str().into()),
            client: bound.client.clone(),
            sqlstate: say.sqlstate.as_ref().into(),
            reason: say.message.as_ref().into(),
            statement: Some(Excerpt::from(String::from_utf8_lossy(statement).into_owned())),
        };
        draft(bound, &refusal, now)
    }
}

impl Statement {
    fn drafts(
        &mut self,
        bound: &Bound,
        views: &Views,
        number: StatementNumber,
        now: Timestamp,
        drafts: &mut Vec<Draft>,
    ) -> Result<(), RecordError> {
        self.touched = false;
        let (subjects, unattributed) = self.attribution.drain(views);
        let (rows, bytes) = (
            std::mem::take(&mut self.batch_rows),
            std::mem::take(&mut self.batch_bytes),
        );
        if !self.recorded {
            self.recorded = true;
            let outcome = self.outcome.clone().unwrap_or(Outcome::Streaming);
            let disclosure = Disclosure {
                subjects,
                unattributed,
                ..self.disclosure(bound, number, rows, bytes, outcome)
            };
            drafts.push(draft(bound, &disclosure, now)?);
            return Ok(());
        }
        let session = bound.session.clone();
        if rows > 0 {
            let further = Continuation {
                session: session.clone(),
                statement_number: number,
                rows,
                bytes,
                subjects,
                unattributed,
            };
            drafts.push(draft(bound, &further, now)?);
        }
        if let Some(outcome) = self.outcome.clone() {
            let (rows, bytes) = (self.rows, self.bytes);
            let ended = OutcomeRecord {
                session,
                statement_number: number,
                rows,
                bytes,
                outcome,
                ended: now,
            };
            drafts.push(draft(bound, &ended, now)?);
        }
        Ok(())
    }

    fn disclosure(
        &self,
        bound: &Bound,
        statement_number: StatementNumber,
        rows: u64,
        bytes: u64,
        outcome: Outcome,
    ) -> Disclosure {
        Disclosure {
            session: bound.session.clone(),
            statement_number,
            partner: bound.partner.clone(),
            officer: bound.officer.clone(),
            agreement: bound.agreement.clone(),
            purpose: bound.purpose.clone(),
            case: self.case.clone(),
            text: Excerpt::from(self.text.as_ref()),
            parameters: self.parameters.to_vec(),
            started: self.started,
            rows,
            bytes,
            outcome,
            legal_basis: Some(bound.legal_basis.clone()),
            subjects: Vec::new(),
            unattributed: Vec::new(),
        }
    }
}

/// A draft of a record that belongs to a session.
pub(crate) fn draft<R: Record>(bound: &Bound, record: &R, now: Timestamp) -> Result<Draft, RecordError> {
    let seal = bound.seal.as_ref().filter(|seal| seal.holds_at(now));
    Ok(Draft::of(record)?
        .with_partner(bound.partner.clone())
        .under(bound.agreement.clone(), bound.purpose.clone())
        .sealed_to(seal))
}
