//! How long a session may keep the custodian's database busy, by the gateway's own clock: the server has timers of its own, but the
//! role that a partner acts as may set them, none of them runs between two messages of a pipeline, and none stops a statement whose
//! result nobody reads.

use std::time::Duration;

use tokio::time::Instant;

use crate::limits::{IDLE_IN_TRANSACTION, STATEMENT_GRACE, TRANSACTION};
use crate::say::Say;

/// What a session is at, at one moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Seen {
    /// How often upstream has said so far that no transaction is open.
    pub(crate) rests: u64,
    /// Whether that is so now, with nothing under way.
    pub(crate) at_rest: bool,
    /// The statement that is running.
    pub(crate) running: Option<u64>,
}

/// Remembers since when a session has been at what it is at. Precise to the time between two looks.
#[derive(Debug)]
pub(crate) struct Watch {
    statement: Duration,
    transaction: Duration,
    seen: Option<Seen>,
    /// Since when the transaction has been open.
    open: Option<Instant>,
    /// Since when this statement has been running, or the client has been waited for.
    at_this: Option<Instant>,
}

impl Watch {
    /// For an agreement whose statements may take this long.
    pub(crate) fn new(statement_seconds: u32) -> Self {
        let statement = Duration::from_secs(u64::from(statement_seconds));
        Self {
            statement,
            // A transaction must have room for some statements of full length.
            transaction: TRANSACTION.max(statement.saturating_mul(3)),
            seen: None,
            open: None,
            at_this: None,
        }
    }

    /// Looks at the session. Says what the client is told if its time is over.
    pub(crate) fn look(&mut self, seen: Seen, now: Instant) -> Option<Say> {
        if seen.at_rest {
            self.seen = None;
            (self.open, self.at_this) = (None, None);
            return None;
        }
        if self.seen.is_none_or(|before| before.rests != seen.rests) {
            (self.open, self.at_this) = (Some(now), Some(now));
        } else if self.seen.is_none_or(|before| before.running != seen.running) {
            self.at_this = Some(now);
        }
        self.seen = Some(seen);
        let for_long = |since: Option<Instant>| {
            since.map_or(Duration::ZERO, |since| now.saturating_duration_since(since))
        };
        if for_long(self.open) >= self.transaction {
            return Some(Say::transaction_too_long(self.transaction));
        }
        match seen.running {
            Some(_) => {
                let over = for_long(self.at_this) >= self.statement.saturating_add(STATEMENT_GRACE);
                over.then(|| Say::statement_too_long(self.statement))
            }
            None => (for_long(self.at_this) >= IDLE_IN_TRANSACTION)
                .then(|| Say::idle_in_transaction(IDLE_IN_TRANSACTION)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const REST: Seen = Seen {
        rests: 1,
        at_rest: true,
        running: None,
    };
    const WAITING: Seen = Seen {
        rests: 1,
        at_rest: false,
        running: None,
    };

    /// Looks every second for this long; what came of it, and when.
    fn over(
        watch: &mut Watch,
        start: Instant,
        seconds: u64,
        seen: impl Fn(u64) -> Seen,
    ) -> Option<(u64, Say)> {
        (0..seconds).find_map(|second| {
            let now = start + Duration::from_secs(second);
            Some((second, watch.look(seen(second), now)?))
        })
    }

    #[test]
    fn at_rest_a_session_may_stay_for_ever() {
        let mut watch = Watch::new(30);
        assert_eq!(over(&mut watch, Instant::now(), 100_000, |_| REST), None);
    }

    #[test]
    fn a_statement_has_its_seconds_and_a_grace_whatever_the_server_does() {
        let mut watch = Watch::new(30);
        let busy = |_| Seen {
            running: Some(7),
            ..WAITING
        };
        let (second, say) = over(&mut watch, Instant::now(), 1000, busy).unwrap();
        assert_eq!(
            (second, say.sqlstate.as_ref()),
            (30 + STATEMENT_GRACE.as_secs(), "57014")
        );
        // Others after it start anew.
        let mut watch = Watch::new(30);
        let many = |second| Seen {
            running: Some(second / 20),
            ..WAITING
        };
        let (second, say) = over(&mut watch, Instant::now(), 5000, many).unwrap();
        assert_eq!((second, say.sqlstate.as_ref()), (TRANSACTION.as_secs(), "25P04"));
    }

    #[test]
    fn a_client_that_leaves_a_transaction_open_is_waited_for_once() {
        let mut watch = Watch::new(30);
        let (second, say) = over(&mut watch, Instant::now(), 1000, |_| WAITING).unwrap();
        assert_eq!(
            (second, say.sqlstate.as_ref()),
            (IDLE_IN_TRANSACTION.as_secs(), "25P03")
        );
        // Work in between does not make the transaction younger.
        let mut watch = Watch::new(30);
        let now_and_then = |second| Seen {
            running: (second % 50 == 0).then_some(second),
            ..WAITING
        };
        let (second, say) = over(&mut watch, Instant::now(), 5000, now_and_then).unwrap();
        assert_eq!((second, say.sqlstate.as_ref()), (TRANSACTION.as_secs(), "25P04"));
    }

    #[test]
    fn transactions_that_end_between_two_looks_are_others() {
        let mut watch = Watch::new(30);
        let pipeline = |second| Seen {
            rests: second,
            at_rest: false,
            running: Some(second),
        };
        assert_eq!(over(&mut watch, Instant::now(), 5000, pipeline), None);
    }

    #[test]
    fn long_statements_make_room_for_long_transactions() {
        assert_eq!(Watch::new(3600).transaction, Duration::from_secs(3 * 3600));
        assert_eq!(Watch::new(1).transaction, TRANSACTION);
    }
}
