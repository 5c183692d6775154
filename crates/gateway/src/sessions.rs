//! The sessions of this gateway: who is in, what each has done, and whether all have seen the policy in force.
//!
//! A session enters before it is permitted, so that a login in flight while the epoch moves is waited for like
//! any other: the drain is over when everybody who is in has acted on the new epoch or has left.

use std::collections::{BTreeMap, HashMap};
use std::net::SocketAddr;
use std::sync::atomic::{AtomicU8, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use evidence::id::{AgreementId, DirectiveNumber, Epoch, OfficerId, PartnerId, PurposeId, SessionId};
use jiff::Timestamp;
use serde::Serialize;
use tokio::sync::watch;

/// One session, as `estop sessions` shows it.
#[derive(Clone, Debug, Serialize)]
pub struct SessionInfo {
    /// The session's number in the ledger.
    pub session: SessionId,
    /// The partner whose officer it is.
    pub partner: PartnerId,
    /// Who logged in.
    pub officer: OfficerId,
    /// The agreement it was permitted under.
    pub agreement: AgreementId,
    /// The purpose it states.
    pub purpose: PurposeId,
    /// The case reference it states now.
    pub case: Option<String>,
    /// Where it comes from.
    pub client: SocketAddr,
    /// `application_name` at start-up, as the client gave it.
    pub application: Option<String>,
    /// When it was permitted.
    pub since: Timestamp,
    /// Statements begun.
    pub statements: u64,
    /// Rows handed to the client.
    pub rows: u64,
    /// Bytes of row messages handed to the client.
    pub bytes: u64,
    /// What it is doing.
    pub state: State,
}

/// What a session is doing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum State {
    /// Waiting for the client.
    Idle,
    /// Waiting for the client, inside a transaction.
    InTransaction,
    /// A statement runs or its rows are on their way.
    Active,
}

/// One session with what it is at, as `estop top` shows it: for who runs the gateway, and nobody else.
#[derive(Clone, Debug, Serialize)]
pub struct Activity {
    /// Who it is, and what it has done so far.
    #[serde(flatten)]
    pub session: SessionInfo,
    /// The newest policy that it has acted on.
    pub epoch: Epoch,
    /// The statement that runs.
    pub running: Option<Running>,
}

/// A statement that runs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Running {
    /// Its number in its session.
    pub statement: u64,
    /// When it came.
    pub since: Timestamp,
    /// Its text, or the beginning of it; nothing where its record is under seal: who may not open that does not read it here.
    pub text: Option<String>,
    /// Whether the text goes on.
    pub longer: bool,
}

/// Most of a statement's text that is shown, in bytes: what tells it from others.
const TEXT_SHOWN: usize = 1024;

/// What a session is at.
#[derive(Clone, Debug)]
pub(crate) struct Doing {
    pub(crate) statement: u64,
    pub(crate) since: Timestamp,
    /// `None`: it is not for who runs the gateway.
    pub(crate) text: Option<Arc<str>>,
}

impl From<Doing> for Running {
    fn from(doing: Doing) -> Self {
        let text = doing.text.as_deref();
        let begins = |text: &str| {
            text.get(..text.floor_char_boundary(TEXT_SHOWN))
                .map(str::to_owned)
        };
        Self {
            statement: doing.statement,
            since: doing.since,
            text: text.and_then(begins),
            longer: text.is_some_and(|text| text.len() > TEXT_SHOWN),
        }
    }
}

/// What a session counts about itself, readable from outside without a lock; only what runs is behind one, which nobody
/// holds for longer than a pointer takes to copy.
#[derive(Debug, Default)]
pub(crate) struct Counters {
    pub(crate) statements: AtomicU64,
    pub(crate) rows: AtomicU64,
    pub(crate) bytes: AtomicU64,
    state: AtomicU8,
    /// The newest epoch that the session has acted on.
    epoch: AtomicU64,
    running: Mutex<Option<Doing>>,
}

impl Counters {
    pub(crate) fn set_state(&self, state: State) {
        let code = match state {
            State::Idle => 0,
            State::InTransaction => 1,
            State::Active => 2,
        };
        self.state.store(code, Ordering::Relaxed);
    }

    /// Says which statement runs; what it is, is asked for only where it is another than before.
    pub(crate) fn set_running(&self, statement: Option<u64>, what: impl FnOnce(u64) -> Option<Doing>) {
        let mut running = self.running.lock().unwrap_or_else(PoisonError::into_inner);
        if running.as_ref().map(|running| running.statement) != statement {
            *running = statement.and_then(what);
        }
    }

    fn state(&self) -> State {
        match self.state.load(Ordering::Relaxed) {
            1 => State::InTransaction,
            2 => State::Active,
            _ => State::Idle,
        }
    }
}

/// All sessions of one gateway.
#[derive(Clone, Debug)]
pub(crate) struct Sessions(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    inner: Mutex<Inner>,
    changed: watch::Sender<()>,
}

#[derive(Debug, Default)]
struct Inner {
    next: u64,
    live: BTreeMap<u64, Live>,
    cuts: HashMap<DirectiveNumber, u64>,
}

#[derive(Debug)]
struct Live {
    counters: Arc<Counters>,
    /// Filled once the session is permitted.
    info: Option<SessionInfo>,
}

impl Sessions {
    pub(crate) fn new() -> Self {
        Self(Arc::new(Shared {
            inner: Mutex::default(),
            changed: watch::Sender::new(()),
        }))
    }

    fn inner(&self) -> MutexGuard<'_, Inner> {
        // What the lock guards is whole after every statement, so a poisoned lock is no reason to stop.
        self.0.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Lets a connection in that has proved who it is, before it is permitted.
    pub(crate) fn enter(&self) -> Ticket {
        let counters = Arc::new(Counters::default());
        let mut inner = self.inner();
        let number = inner.next;
        inner.next = inner.next.wrapping_add(1);
        inner.live.insert(
            number,
            Live {
                counters: Arc::clone(&counters),
                info: None,
            },
        );
        Ticket {
            sessions: self.clone(),
            number,
            counters,
        }
    }

    pub(crate) fn list(&self) -> Vec<SessionInfo> {
        self.inner().live.values().filter_map(Live::now).collect()
    }

    pub(crate) fn activity(&self) -> Vec<Activity> {
        self.inner().live.values().filter_map(Live::activity).collect()
    }

    /// Sessions of `directive`'s making that were cut here.
    pub(crate) fn cuts(&self, directive: &DirectiveNumber) -> u64 {
        self.inner().cuts.get(directive).copied().unwrap_or(0)
    }

    /// Waits until every session that is in has acted on `epoch` or a newer one. Cancel safe.
    pub(crate) async fn settled(&self, epoch: Epoch) {
        let mut changed = self.0.changed.subscribe();
        loop {
            changed.borrow_and_update();
            let behind = self
                .inner()
                .live
                .values()
                .any(|live| live.counters.epoch.load(Ordering::SeqCst) < epoch.0);
            if !behind || changed.changed().await.is_err() {
                return;
            }
        }
    }

    /// Waits until nobody is in. Cancel safe.
    pub(crate) async fn empty(&self) {
        let mut changed = self.0.changed.subscribe();
        loop {
            changed.borrow_and_update();
            if self.inner().live.is_empty() || changed.changed().await.is_err() {
                return;
            }
        }
    }
}

impl Live {
    fn now(&self) -> Option<SessionInfo> {
        let mut info = self.info.clone()?;
        info.statements = self.counters.statements.load(Ordering::Relaxed);
        info.rows = self.counters.rows.load(Ordering::Relaxed);
        info.bytes = self.counters.bytes.load(Ordering::Relaxed);
        info.state = self.counters.state();
        Some(info)
    }

    fn activity(&self) -> Option<Activity> {
        let running = self
            .counters
            .running
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone();
        Some(Activity {
            session: self.now()?,
            epoch: Epoch(self.counters.epoch.load(Ordering::SeqCst)),
            running: running.map(Running::from),
        })
    }
}

/// A session's place in the list; dropping it takes the session out.
#[derive(Debug)]
pub(crate) struct Ticket {
    sessions: Sessions,
    number: u64,
    pub(crate) counters: Arc<Counters>,
}

/// The agreement has as many sessions as it may have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Full {
    pub(crate) limit: u32,
}

impl Ticket {
    /// Fills the place, unless the agreement has `limit` sessions already.
    pub(crate) fn bind(&self, info: SessionInfo, epoch: Epoch, limit: Option<u32>) -> Result<(), Full> {
        let mut inner = self.sessions.inner();
        if let Some(limit) = limit {
            let same = |live: &&Live| live.info.as_ref().is_some_and(|i| i.agreement == info.agreement);
            if inner.live.values().filter(same).count() >= usize::try_from(limit).unwrap_or(usize::MAX) {
                return Err(Full { limit });
            }
        }
        if let Some(live) = inner.live.get_mut(&self.number) {
            live.info = Some(info);
        }
        drop(inner);
        self.saw(epoch);
        Ok(())
    }

    pub(crate) fn change_case(&self, case: Option<String>) {
        if let Some(info) = self
            .sessions
            .inner()
            .live
            .get_mut(&self.number)
            .and_then(|live| live.info.as_mut())
        {
            info.case = case;
        }
    }

    /// Says that the session is permitted under `epoch`.
    pub(crate) fn saw(&self, epoch: Epoch) {
        self.counters.epoch.store(epoch.0, Ordering::SeqCst);
        self.sessions.0.changed.send_replace(());
    }

    /// Says that the session was cut because of `directive`, and that the record of it is durable.
    pub(crate) fn cut(&self, directive: &DirectiveNumber) {
        let mut inner = self.sessions.inner();
        let cuts = inner.cuts.entry(directive.clone()).or_insert(0);
        *cuts = cuts.saturating_add(1);
    }
}

impl Drop for Ticket {
    fn drop(&mut self) {
        self.sessions.inner().live.remove(&self.number);
        self.sessions.0.changed.send_replace(());
    }
}
