//! Appends that wait for their turn: bounded, and never in the way of those who bring them.

use std::collections::VecDeque;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};

use tokio::sync::oneshot;

use crate::append::{NotRecorded, Receipt};
use crate::sequence::Matter;

/// Most appends that wait: some ten batches of a thousand sessions, far more than a healthy disk ever leaves waiting.
const MAX_REQUESTS: usize = 16_384;

/// Most bytes of payload that wait: a second of work for a slow disk.
const MAX_BYTES: usize = 64 << 20;

/// An append that waits.
#[derive(Debug)]
pub(crate) struct Request {
    pub(crate) matter: Matter,
    /// Bytes its frame may take at most.
    pub(crate) bytes: usize,
    pub(crate) answer: oneshot::Sender<Result<Receipt, NotRecorded>>,
}

impl Request {
    /// Answers whoever waits; nobody may.
    pub(crate) fn answer(self, outcome: Result<Receipt, NotRecorded>) {
        // An error here says that nobody waits any more: the append stands all the same.
        drop(self.answer.send(outcome));
    }
}

/// The queue between those who append and the one who writes.
#[derive(Debug, Default)]
pub(crate) struct Queue {
    inner: Mutex<Inner>,
    ready: Condvar,
}

#[derive(Debug, Default)]
struct Inner {
    requests: VecDeque<Request>,
    bytes: usize,
    /// The taker waits and must be woken.
    asleep: bool,
    /// Why nothing more is taken in.
    shut: Option<NotRecorded>,
}

impl Queue {
    /// Adds a request, or says why not.
    pub(crate) fn put(&self, request: Request) -> Result<(), NotRecorded> {
        let mut inner = self.lock();
        if let Some(why) = &inner.shut {
            return Err(why.clone());
        }
        let bytes = inner.bytes.saturating_add(request.bytes);
        // An append longer than the bound may still go alone.
        if inner.requests.len() >= MAX_REQUESTS || (bytes > MAX_BYTES && !inner.requests.is_empty()) {
            return Err(NotRecorded::Busy);
        }
        inner.bytes = bytes;
        inner.requests.push_back(request);
        if std::mem::take(&mut inner.asleep) {
            drop(inner);
            self.ready.notify_one();
        }
        Ok(())
    }

    /// Waits for requests and takes all, in order, up to `limit` bytes, but at least one. `None` once the queue is shut and
    /// empty.
    pub(crate) fn take(&self, limit: usize) -> Option<Vec<Request>> {
        let mut inner = self.lock();
        while inner.requests.is_empty() {
            if inner.shut.is_some() {
                return None;
            }
            inner.asleep = true;
            inner = self.ready.wait(inner).unwrap_or_else(PoisonError::into_inner);
            inner.asleep = false;
        }
        let (mut count, mut bytes) = (0_usize, 0_usize);
        for request in &inner.requests {
            let more = bytes.saturating_add(request.bytes);
            if count > 0 && more > limit {
                break;
            }
            (count, bytes) = (count.saturating_add(1), more);
        }
        inner.bytes = inner.bytes.saturating_sub(bytes);
        Some(inner.requests.drain(..count).collect())
    }

    /// Takes nothing more in. What waits is still written.
    pub(crate) fn close(&self) {
        self.lock().shut.get_or_insert(NotRecorded::Closed);
        self.ready.notify_all();
    }

    /// Takes nothing more in and refuses what waits.
    pub(crate) fn fail(&self, why: &NotRecorded) {
        let waiting = {
            let mut inner = self.lock();
            inner.shut = Some(why.clone());
            inner.bytes = 0;
            std::mem::take(&mut inner.requests)
        };
        self.ready.notify_all();
        for request in waiting {
            request.answer(Err(why.clone()));
        }
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request(bytes: usize) -> (Request, oneshot::Receiver<Result<Receipt, NotRecorded>>) {
        let (answer, receiver) = oneshot::channel();
        (
            Request {
                matter: Matter::Census,
                bytes,
                answer,
            },
            receiver,
        )
    }

    #[test]
    fn too_many_and_too_long_are_refused_as_busy() {
        let queue = Queue::default();
        let mut receivers = Vec::new();
        for _ in 0..MAX_REQUESTS {
            let (one, receiver) = request(1);
            queue.put(one).unwrap();
            receivers.push(receiver);
        }
        assert!(matches!(queue.put(request(1).0), Err(NotRecorded::Busy)));
        assert_eq!(queue.take(usize::MAX).unwrap().len(), MAX_REQUESTS);
        queue.put(request(MAX_BYTES + 1).0).unwrap();
        assert!(matches!(queue.put(request(1).0), Err(NotRecorded::Busy)));
    }

    #[test]
    fn a_batch_is_the_whole_queue_up_to_the_limit_and_at_least_one() {
        let queue = Queue::default();
        for bytes in [40, 40, 40, 200] {
            queue.put(request(bytes).0).unwrap();
        }
        assert_eq!(queue.take(100).unwrap().len(), 2);
        assert_eq!(queue.take(100).unwrap().len(), 1);
        assert_eq!(queue.take(100).unwrap().len(), 1);
    }

    #[test]
    fn closing_lets_what_waits_be_written_and_failing_refuses_it() {
        let queue = Queue::default();
        queue.put(request(1).0).unwrap();
        queue.close();
        assert!(matches!(queue.put(request(1).0), Err(NotRecorded::Closed)));
        assert_eq!(queue.take(9).unwrap().len(), 1);
        assert!(queue.take(9).is_none());
        let queue = Queue::default();
        let (one, mut receiver) = request(1);
        queue.put(one).unwrap();
        queue.fail(&NotRecorded::Random);
        assert!(matches!(receiver.try_recv(), Ok(Err(NotRecorded::Random))));
        assert!(queue.take(9).is_none());
    }
}
