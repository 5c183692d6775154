//! The thread that keeps airlocks up: what ends by itself is started again, each time after a longer wait, and said aloud.

use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender};
use std::time::{Duration, Instant};

use evidence::id::PartnerId;
use tokio::sync::mpsc::UnboundedSender;

use super::cluster::Cluster;
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

/// Starts all clusters, says so, and keeps them up until `stop` is closed.
pub(super) fn watch(
    clusters: Vec<(PartnerId, Cluster)>,
    ready: &Sender<Result<(), PostgresError>>,
    restarted: &UnboundedSender<PartnerId>,
    stop: &Receiver<()>,
) {
    let mut watched = Vec::new();
    for (partner, mut cluster) in clusters {
        if let Err(error) = cluster.start() {
            let _ = ready.send(Err(error));
            return;
        }
        watched.push(Watched {
            partner,
            cluster,
            since: clock::monotonic(),
            wait: FIRST_WAIT,
            again: None,
            said: None,
            unsaid: 0,
        });
    }
    let _ = ready.send(Ok(()));
    while matches!(stop.recv_timeout(LOOK), Err(RecvTimeoutError::Timeout)) {
        for one in &mut watched {
            one.look(restarted);
        }
    }
}

impl Watched {
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
