//! What the ledger's threads and its callers share, and the threads themselves.

use std::collections::BTreeMap;
use std::io;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::{Builder, JoinHandle};
use std::time::Duration;

use evidence::id::PartnerId;
use tokio::sync::{oneshot, watch};

use crate::append::NotRecorded;
use crate::committer::{Committer, Outcome};
use crate::failure::Failure;
use crate::integrator::{Checkpoints, Integrator, Trouble};
use crate::queue::Queue;
use crate::sequence::PartnerHead;

/// Frames that may wait for the integrator before it is woken early: keeps it reading what is still in memory.
const BACKLOG_FRAMES: u64 = 4096;

/// How much more urgent the writing thread is than others (niceness, where the system allows it): everyone waits for it.
const URGENCY: i32 = -15;

/// What is known to be durable.
#[derive(Debug, Default)]
pub(crate) struct Durable {
    /// Entries in the main log.
    pub(crate) size: u64,
    /// Sequence number of the frame after the last.
    pub(crate) seq: u64,
    pub(crate) partners: BTreeMap<PartnerId, PartnerHead>,
}

/// How far the integrator is.
#[derive(Debug, Default)]
pub(crate) struct Progress {
    /// Entries that the index has.
    pub(crate) indexed: u64,
    pub(crate) checkpoints: Arc<Checkpoints>,
}

/// A checkpoint could not be made.
#[derive(Debug, Clone, thiserror::Error)]
pub enum CheckpointError {
    /// The disk is full or refused a write. The next checkpoint tries again.
    #[error("the ledger's storage refused the checkpoint")]
    Storage(#[source] Arc<io::Error>),
    /// The ledger failed; this process must end.
    #[error("the ledger has failed and must be opened again")]
    Failed(#[source] Arc<Failure>),
    /// The ledger was closed.
    #[error("the ledger is closed")]
    Closed,
}

type Asked = oneshot::Sender<Result<Arc<Checkpoints>, CheckpointError>>;

/// A log (`None`: the main one), its newest checkpoint's note with cosignatures, and whom to tell whether it still was.
type Cosigned = (Option<PartnerId>, String, oneshot::Sender<bool>);

/// What the integrator is asked for.
#[derive(Debug, Default)]
struct Desk {
    asked: Vec<Asked>,
    /// The time for a checkpoint has come.
    due: bool,
    /// Checkpoints with cosignatures, to be published in place of the same without.
    cosigned: Vec<Cosigned>,
    /// Somebody waits for entries to be found, or too many wait.
    behind: bool,
    stop: bool,
    /// Nobody is there any more.
    left: bool,
}

/// Shared by all threads.
#[derive(Debug)]
pub(crate) struct Shared {
    pub(crate) queue: Queue,
    durable: Mutex<Durable>,
    progress: Mutex<Progress>,
    progressed: Condvar,
    desk: Mutex<Desk>,
    rung: Condvar,
    stopped: Mutex<bool>,
    stop: Condvar,
    failure: watch::Sender<Option<Arc<Failure>>>,
}

impl Shared {
    pub(crate) fn new(durable: Durable, progress: Progress) -> Self {
        Self {
            queue: Queue::default(),
            durable: Mutex::new(durable),
            progress: Mutex::new(progress),
            progressed: Condvar::new(),
            desk: Mutex::default(),
            rung: Condvar::new(),
            stopped: Mutex::default(),
            stop: Condvar::new(),
            failure: watch::Sender::new(None),
        }
    }

    pub(crate) fn durable(&self) -> MutexGuard<'_, Durable> {
        lock(&self.durable)
    }

    pub(crate) fn checkpoints(&self) -> Arc<Checkpoints> {
        Arc::clone(&lock(&self.progress).checkpoints)
    }

    /// Resolves, as a value, when the ledger has failed.
    pub(crate) fn failure(&self) -> watch::Receiver<Option<Arc<Failure>>> {
        self.failure.subscribe()
    }

    /// The failure, if there was one.
    pub(crate) fn failed(&self) -> Option<Arc<Failure>> {
        self.failure.borrow().clone()
    }

    /// Ends the ledger: the first failure counts.
    pub(crate) fn fail(&self, failure: Failure) -> Arc<Failure> {
        let mut first = None;
        self.failure.send_if_modified(|now| {
            let new = now.is_none();
            first = Some(Arc::clone(now.get_or_insert_with(|| Arc::new(failure))));
            new
        });
        let failure = first.unwrap_or_else(|| Arc::new(Failure::Thread));
        self.queue.fail(&NotRecorded::Failed(Arc::clone(&failure)));
        self.progressed.notify_all();
        self.ring(|_| {});
        failure
    }

    /// Asks for a checkpoint.
    pub(crate) fn ask(&self) -> oneshot::Receiver<Result<Arc<Checkpoints>, CheckpointError>> {
        let (asked, answer) = oneshot::channel();
        // Where nobody is left to answer the sender is dropped, which is an answer too.
        self.ring(|desk| desk.asked.extend((!desk.left).then_some(asked)));
        answer
    }

    /// Hands in a checkpoint's note with cosignatures. `false` comes back if the log has a newer one by then.
    pub(crate) fn cosigned(&self, log: Option<PartnerId>, note: String) -> oneshot::Receiver<bool> {
        let (told, answer) = oneshot::channel();
        self.ring(|desk| desk.cosigned.extend((!desk.left).then_some((log, note, told))));
        answer
    }

    fn ring(&self, note: impl FnOnce(&mut Desk)) {
        note(&mut lock(&self.desk));
        self.rung.notify_one();
    }

    /// Waits until an entry can be found. `false`: it took longer than `patience`, or the ledger failed.
    pub(crate) fn wait_indexed(&self, index: u64, patience: Duration) -> bool {
        if lock(&self.progress).indexed > index {
            return true;
        }
        self.ring(|desk| desk.behind = true);
        let waiting = |progress: &mut Progress| progress.indexed <= index && self.failed().is_none();
        let waited = self
            .progressed
            .wait_timeout_while(lock(&self.progress), patience, waiting);
        waited.unwrap_or_else(PoisonError::into_inner).0.indexed > index
    }

    /// Lets the ticker end.
    fn stop_ticking(&self) {
        *lock(&self.stopped) = true;
        self.stop.notify_all();
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // Each of these locks guards plain values that are whole between statements.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The ledger's threads; dropped, they finish what waits, publish a last checkpoint and end.
#[derive(Debug)]
pub(crate) struct Threads {
    shared: Arc<Shared>,
    committer: Option<JoinHandle<()>>,
    integrator: Option<JoinHandle<()>>,
    ticker: Option<JoinHandle<()>>,
}

impl Threads {
    pub(crate) fn start(
        shared: &Arc<Shared>,
        committer: Committer,
        integrator: Integrator,
        every: Duration,
    ) -> io::Result<Self> {
        let mut threads = Self {
            shared: Arc::clone(shared),
            committer: None,
            integrator: None,
            ticker: None,
        };
        let spawn = |name: &str, work: Box<dyn FnOnce(&Shared) + Send>| {
            let shared = Arc::clone(shared);
            Builder::new().name(name.to_owned()).spawn(move || {
                let _alarm = Alarm(&shared);
                work(&shared);
            })
        };
        threads.integrator = Some(spawn(
            "ledger-publish",
            Box::new(move |shared| publish(shared, integrator)),
        )?);
        threads.ticker = Some(spawn("ledger-tick", Box::new(move |shared| tick(shared, every)))?);
        threads.committer = Some(spawn(
            "ledger-append",
            Box::new(move |shared| write(shared, committer)),
        )?);
        Ok(threads)
    }
}

impl Drop for Threads {
    fn drop(&mut self) {
        let end = |thread: &mut Option<JoinHandle<()>>| {
            if let Some(Err(_)) = thread.take().map(JoinHandle::join) {
                // It panicked, and has raised the alarm itself.
            }
        };
        self.shared.queue.close();
        self.shared.stop_ticking();
        end(&mut self.committer);
        end(&mut self.ticker);
        self.shared.ring(|desk| desk.stop = true);
        end(&mut self.integrator);
    }
}

/// Turns a panic of a thread into a failure of the ledger.
struct Alarm<'a>(&'a Shared);

impl Drop for Alarm<'_> {
    fn drop(&mut self) {
        if std::thread::panicking() {
            self.0.fail(Failure::Thread);
        }
    }
}

/// The thread that writes.
fn write(shared: &Shared, mut committer: Committer) {
    // Without the right to be more urgent it is as urgent as everyone else.
    let _ = rustix::process::setpriority_process(Some(rustix::thread::gettid()), URGENCY);
    while let Some(requests) = shared.queue.take(committer.batch_bytes()) {
        match committer.run(requests) {
            Outcome::Nothing => {}
            Outcome::Durable { changes, end, told } => {
                let behind = {
                    let mut durable = shared.durable();
                    let before = durable.seq / BACKLOG_FRAMES;
                    (durable.size, durable.seq) = (changes.size, end.seq);
                    durable.partners.extend(changes.touched);
                    end.seq / BACKLOG_FRAMES != before
                };
                for (request, receipt) in told {
                    request.answer(Ok(receipt));
                }
                if behind {
                    shared.ring(|desk| desk.behind = true);
                }
            }
            Outcome::Failed { failure, told } => {
                let failure = shared.fail(failure);
                for request in told {
                    request.answer(Err(NotRecorded::Failed(Arc::clone(&failure))));
                }
                return;
            }
        }
    }
}

/// The thread that says when a checkpoint is due: the integrator's own waits end whenever somebody asks it for something.
fn tick(shared: &Shared, every: Duration) {
    loop {
        let running = |stopped: &mut bool| !*stopped;
        let waited = shared
            .stop
            .wait_timeout_while(lock(&shared.stopped), every, running);
        if *waited.unwrap_or_else(PoisonError::into_inner).0 {
            return;
        }
        shared.ring(|desk| desk.due = true);
    }
}

/// The thread that publishes.
fn publish(shared: &Shared, mut integrator: Integrator) {
    let _left = Left(shared);
    loop {
        let Desk {
            asked,
            due,
            cosigned,
            stop,
            ..
        } = next_job(shared);
        let outcome = match shared.failed() {
            Some(failure) => Err(CheckpointError::Failed(failure)),
            // First, so that it is not overtaken by what it makes room for.
            None => publish_cosigned(shared, &mut integrator, cosigned)
                .and_then(|()| publish_once(shared, &mut integrator, due || stop || !asked.is_empty())),
        };
        let ended = stop || matches!(outcome, Err(CheckpointError::Failed(_)));
        for asked in asked {
            // Whoever asked may have gone.
            drop(asked.send(outcome.clone()));
        }
        if ended {
            break;
        }
    }
}

/// However the publishing thread ends, nobody is left waiting for it.
struct Left<'a>(&'a Shared);

impl Drop for Left<'_> {
    fn drop(&mut self) {
        let mut desk = lock(&self.0.desk);
        desk.left = true;
        desk.asked.clear();
        desk.cosigned.clear();
    }
}

fn next_job(shared: &Shared) -> Desk {
    let idle = |desk: &mut Desk| {
        desk.asked.is_empty()
            && desk.cosigned.is_empty()
            && !desk.due
            && !desk.behind
            && !desk.stop
            && shared.failed().is_none()
    };
    let desk = shared.rung.wait_while(lock(&shared.desk), idle);
    let mut desk = desk.unwrap_or_else(PoisonError::into_inner);
    std::mem::take(&mut *desk)
}

fn publish_cosigned(
    shared: &Shared,
    integrator: &mut Integrator,
    cosigned: Vec<Cosigned>,
) -> Result<(), CheckpointError> {
    for (log, note, told) in cosigned {
        let newest = integrator
            .publish_cosigned(log.as_ref(), note)
            .map_err(|trouble| failed(shared, trouble))?;
        lock(&shared.progress).checkpoints = Arc::clone(&integrator.checkpoints);
        // Whoever handed it in may have gone.
        let _ = told.send(newest);
    }
    Ok(())
}

fn failed(shared: &Shared, trouble: Trouble) -> CheckpointError {
    match trouble {
        Trouble::Again(error) => CheckpointError::Storage(Arc::new(error)),
        Trouble::Fatal(failure) => CheckpointError::Failed(shared.fail(failure)),
    }
}

fn publish_once(
    shared: &Shared,
    integrator: &mut Integrator,
    sign: bool,
) -> Result<Arc<Checkpoints>, CheckpointError> {
    let limit = shared.durable().seq;
    let note = |integrator: &Integrator| {
        let mut progress = lock(&shared.progress);
        progress.indexed = integrator.main.size();
        progress.checkpoints = Arc::clone(&integrator.checkpoints);
        drop(progress);
        shared.progressed.notify_all();
    };
    let outcome = integrator.integrate(limit).and_then(|()| {
        note(integrator);
        integrator.keys.refill(|| shared.durable().size)?;
        if sign { integrator.checkpoint() } else { Ok(()) }
    });
    match outcome {
        Ok(()) => {
            note(integrator);
            Ok(Arc::clone(&integrator.checkpoints))
        }
        Err(trouble) => Err(failed(shared, trouble)),
    }
}
