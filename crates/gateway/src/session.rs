//! One session at work: sockets, records and the cut around the [`Relay`].
//!
//! Everything that can make a session act is one [`Event`]. The order in which events are looked for is the order of
//! what matters: a change of policy first, so that a cut is never behind rows.

use std::collections::VecDeque;
use std::future::Future;
use std::io;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::BytesMut;
use evidence::record::Clipped;
use jiff::Timestamp;
use ledger::{Clock, Ledger, NotRecorded, Receipt, Withheld};
use policy::in_force::{Permit, Refusal};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite};
use tokio::time::{Instant, Interval, MissedTickBehavior};

use crate::batch::{Batch, Handed, Outbox, Released, Shape};
use crate::budget::Spender;
use crate::end::End;
use crate::limits::{HELD_BYTES, LOOK_AGAIN, READ_BYTES, TICK, TO_UPSTREAM_BYTES, UPSTREAM_LOGIN};
use crate::login::{Admitted, Facts};
use crate::overdue::Watch;
use crate::policy_watch::{Current, Denied, PolicyWatch};
use crate::receipts::Receipts;
use crate::relay::recorder::Recorder;
use crate::relay::{Cases, Ready, Relay};
use crate::say::Say;
use crate::serving::Shared;
use crate::transport::{Client, Server};

/// What makes a session act.
enum Event {
    /// There may be another policy in force.
    Policy,
    /// It is time to look at the clock.
    Tick,
    /// The gateway is stopping, and the session has nothing under way.
    Stopping,
    /// The oldest batch that was held has its answer from the ledger.
    Recorded(Result<Released, NotRecorded>, Shape),
    /// Some bytes were handed to the client.
    Wrote,
    /// Upstream has been told to stop the statement.
    Stopped,
    FromUpstream,
    FromClient,
    ClientGone,
    UpstreamGone,
}

/// A reply in the order the client must see it.
#[derive(Debug)]
struct Held {
    batch: Waiting,
    /// What must be said of it if it cannot be recorded.
    shape: Shape,
    bytes: usize,
}

#[derive(Debug)]
enum Waiting {
    /// For those before it only.
    Turn(Option<Released>),
    /// For its records to be durable.
    Record(Withheld<Batch>),
}

/// A permitted session with its connections.
pub(crate) struct Session {
    pub(crate) facts: Facts,
    client: Client,
    server: Server,
    outbox: Outbox,
    relay: Relay,
    ledger: Ledger,
    clock: Arc<dyn Clock>,
    policy: PolicyWatch,
    stopping: Pin<Box<dyn Future<Output = ()> + Send>>,
    is_stopping: bool,
    held: VecDeque<Held>,
    receipts: Receipts,
    held_bytes: usize,
    from_client: BytesMut,
    from_upstream: BytesMut,
    to_upstream: BytesMut,
    flush_client: bool,
    tick: Interval,
    watch: Watch,
    /// Upstream is being told to stop a statement. Until it has been told, nothing more goes there: the next must not be hit.
    stopping_statement: Option<Pin<Box<dyn Future<Output = ()> + Send>>>,
}

/// What is left of a session that has ended.
pub(crate) struct Dismantled {
    pub(crate) facts: Facts,
    pub(crate) client: Client,
    pub(crate) server: Server,
    /// Whether the client is in the middle of a message.
    pub(crate) inside: bool,
    /// Whether upstream has nothing to do.
    pub(crate) idle: bool,
}

impl Session {
    pub(crate) fn new(shared: &Shared, admitted: Admitted) -> Self {
        let Admitted {
            facts,
            client,
            server,
            from_upstream,
            policy,
            greeting,
        } = admitted;
        let mut tick = tokio::time::interval(TICK);
        tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let case = facts.first_case.as_deref().map(Clipped::from);
        let filter = shared
            .filters
            .for_statements_of(facts.permit.limits().statement_seconds);
        let limits = facts.permit.limits();
        let relay = Relay::new(
            filter,
            Recorder::new(facts.bound(), Arc::clone(&facts.views)),
            case,
        )
        .within(
            Spender::new(&shared.budgets, &facts.permit, shared.clock.now()),
            Duration::from_secs(u64::from(limits.statement_seconds)),
        );
        let watch = Watch::new(facts.permit.limits().statement_seconds);
        let mut stopping = shared.stopping.clone();
        let receipts = Receipts::new(facts.permit.receipts());
        let mut outbox = Outbox::default();
        outbox.push(greeting);
        Self {
            facts,
            client,
            server,
            outbox,
            relay,
            ledger: shared.ledger.clone(),
            clock: Arc::clone(&shared.clock),
            policy,
            stopping: Box::pin(async move {
                // A gateway that is gone is one that has stopped.
                let _ = stopping.wait_for(|stopping| *stopping).await;
            }),
            is_stopping: false,
            held: VecDeque::new(),
            receipts,
            held_bytes: 0,
            from_client: BytesMut::new(),
            from_upstream,
            to_upstream: BytesMut::new(),
            flush_client: false,
            tick,
            watch,
            stopping_statement: None,
        }
    }

    pub(crate) fn relay(&self) -> &Relay {
        &self.relay
    }

    /// What has been handed to the client.
    pub(crate) fn handed(&self) -> Handed {
        self.outbox.handed()
    }

    pub(crate) fn dismantle(self) -> Dismantled {
        let Self {
            facts,
            client,
            server,
            outbox,
            relay,
            ..
        } = self;
        Dismantled {
            facts,
            client,
            server,
            inside: outbox.inside(),
            idle: relay.idle(),
        }
    }

    /// Works until the session ends. What has not been handed to the client by then is thrown away.
    pub(crate) async fn work(&mut self) -> End {
        loop {
            let event = std::future::poll_fn(|cx| self.poll_event(cx)).await;
            if let Err(end) = self.on(event) {
                self.outbox.discard();
                self.held.clear();
                return end;
            }
        }
    }

    fn on(&mut self, event: Event) -> Result<(), End> {
        match event {
            Event::Policy => self.still_permitted(),
            Event::Tick => {
                self.still_permitted()?;
                self.look_when_it_ends();
                let late = self.watch.look(self.relay.seen(), Instant::now());
                late.map_or(Ok(()), |say| Err(End::Overdue(say)))
            }
            Event::Stopping => Err(End::Stopping),
            Event::ClientGone => Err(End::Client),
            Event::UpstreamGone => Err(End::Upstream),
            Event::Wrote => {
                self.show();
                Ok(())
            }
            Event::Recorded(Ok(batch), _) => {
                self.release(batch);
                Ok(())
            }
            Event::Recorded(Err(_), shape) => self.lost(&shape),
            Event::FromUpstream => self.upstream_says(),
            Event::FromClient => self.client_says(),
            Event::Stopped => self.client_goes_on(),
        }
    }

    fn show(&self) {
        self.facts.show(self.outbox.handed(), &self.relay);
    }

    /// Asks the policy in force again. Level triggered: whatever woke us, the present policy decides.
    fn still_permitted(&mut self) -> Result<(), End> {
        let policy = self.policy.current();
        match policy.renew(&self.facts.permit, self.clock.now()) {
            Ok(permit) => {
                self.relay.limits(permit.limits());
                self.facts.ticket.saw(policy.epoch());
                self.receipts.wanted(permit.receipts());
                if permit.seal() != self.facts.permit.seal() {
                    self.relay.seal(permit.seal().cloned());
                }
                self.facts.permit = permit;
                Ok(())
            }
            Err(denied) => {
                let say = Say::from_denied(&denied);
                Err(match denied {
                    Denied::Refusal(Refusal::Ended { directive, .. }) => End::Cut(directive, say),
                    Denied::Refusal(Refusal::Held { .. }) => End::Held(say),
                    Denied::Refusal(_) => End::NotPermitted(say),
                    Denied::NoPolicy => End::NotPermitted(say),
                })
            }
        }
    }

    /// The next look at the clock comes at the latest when the agreement's hours or its window end.
    fn look_when_it_ends(&mut self) {
        let left = self.facts.permit.until().duration_since(self.clock.now());
        let left = Duration::try_from(left).unwrap_or(Duration::ZERO);
        if left < TICK {
            self.tick.reset_after(left.max(LOOK_AGAIN));
        }
    }

    /// The time, with the agreement's hours and window looked at: they end to the moment, however busy the session is.
    fn now_permitted(&mut self) -> Result<Timestamp, End> {
        let now = self.clock.now();
        if now >= self.facts.permit.until() {
            self.still_permitted()?;
        }
        Ok(now)
    }

    fn client_says(&mut self) -> Result<(), End> {
        let now = self.now_permitted()?;
        let policy = self.policy.current();
        let mut cases = CaseDesk {
            policy: &policy,
            facts: &mut self.facts,
            now,
        };
        let ready = self
            .relay
            .client(&mut self.from_client, &mut self.to_upstream, &mut cases, now)?;
        self.hold(ready);
        self.show();
        if self.relay.terminated() {
            Err(End::Client)
        } else {
            Ok(())
        }
    }

    fn upstream_says(&mut self) -> Result<(), End> {
        let now = self.now_permitted()?;
        let ready = self.relay.upstream(&mut self.from_upstream, now)?;
        self.hold(ready);
        if self.relay.must_stop() {
            let cancel = self.facts.cancel.canceling();
            self.stopping_statement = Some(Box::pin(async move {
                // Told or not, the client goes on: what it was not to be given is not given in any case.
                let _ = tokio::time::timeout(UPSTREAM_LOGIN, cancel).await;
            }));
        }
        self.client_goes_on()
    }

    /// An answer may have made room for messages of the client's that had to wait.
    fn client_goes_on(&mut self) -> Result<(), End> {
        if self.from_client.is_empty() || self.stopping_statement.is_some() {
            Ok(())
        } else {
            self.client_says()
        }
    }

    fn hold(&mut self, ready: Option<Ready>) {
        let Some(Ready { batch, drafts }) = ready else {
            return;
        };
        let (bytes, shape) = (batch.len(), batch.shape().clone());
        self.held_bytes = self.held_bytes.saturating_add(bytes);
        let batch = if drafts.is_empty() {
            Waiting::Turn(Released::without_rows(batch))
        } else {
            Waiting::Record(self.ledger.withhold(batch, drafts))
        };
        self.held.push_back(Held { batch, shape, bytes });
    }

    fn release(&mut self, batch: Released) {
        if let Some(batch) = self.relay.released(batch) {
            self.outbox.push(batch);
        }
    }

    fn lost(&mut self, shape: &Shape) -> Result<(), End> {
        // In the middle of a message no error can be said.
        if shape.starts_inside && !self.relay.losing() {
            return Err(End::Fatal(Say::not_recorded()));
        }
        if let Some(batch) = self.relay.lost(shape) {
            self.outbox.push(batch);
        }
        Ok(())
    }

    fn poll_event(&mut self, cx: &mut Context<'_>) -> Poll<Event> {
        if self.policy.poll_changed(cx).is_ready() {
            return Poll::Ready(Event::Policy);
        }
        if let Poll::Ready((result, shape)) = self.poll_recorded(cx) {
            return Poll::Ready(Event::Recorded(result, shape));
        }
        match self.poll_client_write(cx) {
            Poll::Ready(Ok(())) => return Poll::Ready(Event::Wrote),
            Poll::Ready(Err(_)) => return Poll::Ready(Event::ClientGone),
            Poll::Pending => {}
        }
        match self.poll_server_write(cx) {
            Poll::Ready(Err(_)) => return Poll::Ready(Event::UpstreamGone),
            Poll::Ready(Ok(())) | Poll::Pending => {}
        }
        if self.held_bytes.saturating_add(self.outbox.len()) < HELD_BYTES {
            match poll_fill(&mut self.server, &mut self.from_upstream, cx) {
                Poll::Ready(Ok(0) | Err(_)) => return Poll::Ready(Event::UpstreamGone),
                Poll::Ready(Ok(_)) => return Poll::Ready(Event::FromUpstream),
                Poll::Pending => {}
            }
        }
        if let Some(stopping) = &mut self.stopping_statement {
            if stopping.as_mut().poll(cx).is_ready() {
                self.stopping_statement = None;
                return Poll::Ready(Event::Stopped);
            }
        } else if self.to_upstream.len() < TO_UPSTREAM_BYTES && self.relay.has_room() {
            match poll_fill(&mut self.client, &mut self.from_client, cx) {
                Poll::Ready(Ok(0) | Err(_)) => return Poll::Ready(Event::ClientGone),
                Poll::Ready(Ok(_)) => return Poll::Ready(Event::FromClient),
                Poll::Pending => {}
            }
        }
        if self.poll_stopping(cx) && self.relay.idle() && self.held.is_empty() && self.outbox.is_empty() {
            return Poll::Ready(Event::Stopping);
        }
        self.tick.poll_tick(cx).map(|_| Event::Tick)
    }

    fn poll_stopping(&mut self, cx: &mut Context<'_>) -> bool {
        self.is_stopping = self.is_stopping || self.stopping.as_mut().poll(cx).is_ready();
        self.is_stopping
    }

    /// The oldest batch that is held, once it may go.
    fn poll_recorded(&mut self, cx: &mut Context<'_>) -> Poll<(Result<Released, NotRecorded>, Shape)> {
        let Some(held) = self.held.front_mut() else {
            return Poll::Pending;
        };
        let result = match &mut held.batch {
            // A batch with rows and without a record cannot come about; if it did, it would not go out.
            Waiting::Turn(batch) => batch.take().ok_or(NotRecorded::NotYours {
                what: "rows without a record",
            }),
            Waiting::Record(withheld) => {
                let released: Result<(Batch, Receipt), NotRecorded> = ready!(Pin::new(withheld).poll(cx));
                released.map(|(batch, receipt)| self.receipts.released(batch, &receipt))
            }
        };
        let partner = self.facts.permit.partner();
        let result = result.map(|batch| self.receipts.before_ready(batch, &self.ledger, partner));
        let shape = std::mem::take(&mut held.shape);
        self.held_bytes = self.held_bytes.saturating_sub(held.bytes);
        self.held.pop_front();
        Poll::Ready((result, shape))
    }

    /// Hands slices to the client's transport: ready once all is handed over and flushed, or some was taken.
    fn poll_client_write(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let mut wrote = false;
        loop {
            if self.flush_client {
                match Pin::new(&mut self.client).poll_flush(cx) {
                    Poll::Ready(result) => result?,
                    Poll::Pending if wrote => return Poll::Ready(Ok(())),
                    Poll::Pending => return Poll::Pending,
                }
                self.flush_client = false;
            }
            if self.outbox.is_empty() || wrote {
                return if wrote { Poll::Ready(Ok(())) } else { Poll::Pending };
            }
            match Pin::new(&mut self.client).poll_write(cx, self.outbox.slice()) {
                Poll::Ready(Ok(0)) => return Poll::Ready(Err(io::ErrorKind::WriteZero.into())),
                Poll::Ready(Ok(taken)) => {
                    self.outbox.took(taken);
                    // One slice is inside the transport at a time: what it has is all that a cut cannot take back.
                    self.flush_client = true;
                    wrote = true;
                }
                Poll::Ready(Err(error)) => return Poll::Ready(Err(error)),
                Poll::Pending => return Poll::Pending,
            }
        }
    }

    fn poll_server_write(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        while !self.to_upstream.is_empty() {
            let taken = ready!(Pin::new(&mut self.server).poll_write(cx, &self.to_upstream))?;
            if taken == 0 {
                return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
            }
            let _ = self.to_upstream.split_to(taken);
        }
        Poll::Pending
    }
}

/// Reads what is there, up to [`READ_BYTES`]. Zero bytes: the other side has closed.
fn poll_fill<S: AsyncRead + Unpin>(
    stream: &mut S,
    buffer: &mut BytesMut,
    cx: &mut Context<'_>,
) -> Poll<io::Result<usize>> {
    buffer.reserve(READ_BYTES);
    let mut future = pin!(stream.read_buf(buffer));
    future.as_mut().poll(cx)
}

/// Decides on cases for the relay.
struct CaseDesk<'a> {
    policy: &'a Current,
    facts: &'a mut Facts,
    now: Timestamp,
}

impl Cases for CaseDesk<'_> {
    fn change(&mut self, case: Option<&str>) -> Result<Option<Clipped>, Say> {
        let case = case.map(str::to_owned).or_else(|| self.facts.first_case.clone());
        let permit: Permit = self
            .policy
            .change_case(&self.facts.permit, case.as_deref(), self.now)
            .map_err(|denied| Say::from_denied(&denied))?;
        self.facts.permit = permit;
        self.facts.ticket.change_case(case.clone());
        Ok(case.map(Clipped::from))
    }
}
