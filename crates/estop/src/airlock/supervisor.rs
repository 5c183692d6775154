//! The thread that keeps airlocks up: what ends by itself is started again, each time after a longer wait, and said aloud.

use std::collections::BTreeMap;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender};
use std::time::{Duration, Instant};

use evidence::id::PartnerId;
use tokio::sync::mpsc::UnboundedSender;

use super::cluster::{Cluster, Wanted};
use crate::clock;
use crate::failure::{Exit, Failure};
use crate::output::alarm;
use crate::postgres::PostgresError;

/// How often the servers are looked at.
const LOOK: Duration = Duration::from_millis(100);

/// The first wait before a server is started again. Doubled each time, up to the longest.
const FIRST_WAIT: Duration = Duration::from_millis(100);

/// The longest: one whose partner ends it again and again takes no more than this of the machine.
const LONGEST_WAIT: Duration = Duration::from_secs(30);

/// After so long at work the next wait is the first again.
const SETTLED: Duration = Duration::from_secs(60);

/// Between two alarms about the memory of one airlock: its partner decides how often there is a reason.
const SAID_EVERY: Duration = Duration::from_secs(10);

/// One server, and when it is to be tried again.
struct Watched {
    partner: PartnerId,
    cluster: Cluster,
    since: Instant,
    wait: Duration,
    again: Option<Instant>,
    /// When it was last said that sessions were ended, and how many have been ended since.
    said: Option<Instant>,
    unsaid: usize,
}

/// What the thread is told to do.
pub(super) enum Order {
    /// One cluster more.
    Take(PartnerId, Box<Cluster>),
    /// From the next start on this is wanted of a cluster; where it finds the custodian, at once. With `now` a cluster that
    /// has too few connections for it is started again.
    Want(PartnerId, Wanted, Now),
    /// This one ends, and all of it goes.
    Remove(PartnerId),
}

/// Whether what is wanted of a cluster is worth its sessions.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Now {
    No,
    Yes,
}

/// An order, and where it is said that it was carried out.
pub(super) type Ordered = (Order, Sender<Result<(), PostgresError>>);

/// Carries orders out and keeps the clusters up until nobody can give orders any more.
pub(super) fn watch(restarted: &UnboundedSender<PartnerId>, orders: &Receiver<Ordered>) {
    let mut watched: BTreeMap<PartnerId, Watched> = BTreeMap::new();
    loop {
        match orders.recv_timeout(LOOK) {
            Ok((order, done)) => {
                // Who does not wait for the answer any more does not need it.
                let _ = done.send(carry_out(order, &mut watched, restarted));
            }
            Err(RecvTimeoutError::Timeout) => watched.values_mut().for_each(|one| one.look(restarted)),
            Err(RecvTimeoutError::Disconnected) => return,
        }
    }
}

fn carry_out(
    order: Order,
    watched: &mut BTreeMap<PartnerId, Watched>,
    restarted: &UnboundedSender<PartnerId>,
) -> Result<(), PostgresError> {
    match order {
        Order::Take(partner, mut cluster) => {
            cluster.start()?;
            watched.insert(partner.clone(), Watched::new(partner, *cluster));
        }
        Order::Want(partner, wanted, now) => {
            if let Some(one) = watched.get_mut(&partner) {
                let narrow = now == Now::Yes && one.cluster.is_narrower_than(&wanted);
                let kept = one.cluster.connections();
                let wanted = match now {
                    Now::Yes => wanted,
                    // What is not applied yet costs no sessions, whenever the cluster is started again.
                    Now::No => Wanted {
                        connections: kept,
                        ..wanted
                    },
                };
                one.cluster.want(wanted)?;
                if narrow {
                    one.cluster.end();
                    one.cluster.start()?;
                    one.since = clock::monotonic();
                    let _ = restarted.send(partner);
                }
            }
        }
        Order::Remove(partner) => {
            if let Some(one) = watched.remove(&partner) {
                one.cluster.remove();
            }
        }
    }
    Ok(())
}

impl Watched {
    fn new(partner: PartnerId, cluster: Cluster) -> Self {
        Self {
            partner,
            cluster,
            since: clock::monotonic(),
            wait: FIRST_WAIT,
            again: None,
            said: None,
            unsaid: 0,
        }
    }

    fn look(&mut self, restarted: &UnboundedSender<PartnerId>) {
        let now = clock::monotonic();
        if let Some(how) = self.cluster.has_ended() {
            if self.since.elapsed() > SETTLED {
                self.wait = FIRST_WAIT;
            }
            alarm(&format!(
                "the airlock of `{}` has ended with {how}; it is started again in {} ms",
                self.partner,
                self.wait.as_millis()
            ));
            self.put_off(now);
        }
        self.relieve(now);
        if self.again.is_some_and(|at| at <= now) {
            match self.cluster.start() {
                Ok(()) => {
                    self.again = None;
                    self.since = clock::monotonic();
                    // Nobody listens any more only when the process ends.
                    let _ = restarted.send(self.partner.clone());
                }
                Err(error) => {
                    let error = Failure::from_error(Exit::Absent, &error).line();
                    alarm(&format!(
                        "the airlock of `{}` does not start: {error}; tried again in {} ms",
                        self.partner,
                        self.wait.as_millis()
                    ));
                    self.put_off(now);
                }
            }
        }
    }

    fn relieve(&mut self, now: Instant) {
        let ended = self.cluster.relieve();
        self.unsaid = self.unsaid.saturating_add(ended.len());
        let due = self
            .said
            .is_none_or(|said| now.saturating_duration_since(said) >= SAID_EVERY);
        if let Some(first) = ended.first().filter(|_| due) {
            alarm(&format!(
                "sessions of `{}` had {} MiB of memory together, and the largest are ended: one with {} MiB, {} since the last alarm",
                self.partner,
                first.all >> 20,
                first.bytes >> 20,
                self.unsaid
            ));
            self.said = Some(now);
            self.unsaid = 0;
        }
    }

    fn put_off(&mut self, now: Instant) {
        self.again = now.checked_add(self.wait);
        self.wait = self.wait.saturating_mul(2).min(LONGEST_WAIT);
    }
}
