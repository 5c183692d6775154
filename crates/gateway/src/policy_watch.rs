//! The policy in force, as this gateway follows it, and what it says when it has drained what a directive ended.

use std::collections::BTreeSet;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use evidence::entry::Kind;
use evidence::id::{AgreementId, DirectiveNumber, Epoch, OfficerId};
use evidence::record::{self, Cut, Drained, RecordError};
use jiff::Timestamp;
use ledger::register::{Register, RegisterError, Version};
use ledger::{Clock, Draft, Ledger, NotRecorded, ReadError};
use policy::estate::{LogIn, Officer, ScramVerifierText};
use policy::in_force::{Decider, DeciderError, InForce, PartnerInForce, Permit, Refusal, SessionRequest};
use serde::{Deserialize, Serialize};
use tokio::sync::watch;

use crate::sessions::Sessions;

/// The register's key of the policy in force.
const POLICY: &str = "policy";

/// How long after a failure the register is asked again.
const RETRY: Duration = Duration::from_millis(500);

/// What the register holds for each gateway, under `gateway/<id>`: what it has acted on.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct GatewayState {
    /// The policy it works under.
    pub epoch: Epoch,
    /// The directives whose sessions are gone from it, each with a `drained` entry in the ledger.
    pub drained: BTreeSet<DirectiveNumber>,
}

/// The policy in force, or that there is none that can be read: then nobody is permitted anything.
#[derive(Debug)]
pub(crate) struct Current(Option<Decider>);

/// What a session is told when there is no policy.
#[derive(Debug)]
pub(crate) enum Denied {
    Refusal(Refusal),
    NoPolicy,
}

impl Current {
    pub(crate) fn epoch(&self) -> Epoch {
        self.0.as_ref().map_or(Epoch(u64::MAX), Decider::epoch)
    }

    /// Who an officer is, see [`InForce::known`].
    pub(crate) fn known(
        &self,
        agreement: Option<&AgreementId>,
        officer: &OfficerId,
    ) -> Option<(&PartnerInForce, &Officer)> {
        self.in_force()?.known(agreement, officer)
    }

    /// How officers log in under an agreement; `None` if there is no such agreement.
    pub(crate) fn ways(&self, agreement: Option<&AgreementId>) -> Option<&BTreeSet<LogIn>> {
        let partner = self.in_force()?.partner_of(agreement?)?;
        Some(&partner.log_in)
    }

    /// The verifier of one officer of all that there are, by `pick` from their number.
    pub(crate) fn some_verifier(
        &self,
        pick: impl FnOnce(usize) -> Option<usize>,
    ) -> Option<&ScramVerifierText> {
        let partners = &self.in_force()?.partners;
        let officers = || partners.iter().flat_map(|partner| &partner.officers);
        let all = || officers().filter_map(|officer| officer.scram.as_ref());
        all().nth(pick(all().count())?)
    }

    pub(crate) fn permit(&self, request: &SessionRequest) -> Result<Permit, Denied> {
        self.0
            .as_ref()
            .ok_or(Denied::NoPolicy)?
            .permit(request)
            .map_err(Denied::Refusal)
    }

    /// The permit as this policy gives it again, if it does.
    pub(crate) fn renew(&self, permit: &Permit, now: Timestamp) -> Result<Permit, Denied> {
        self.0
            .as_ref()
            .ok_or(Denied::NoPolicy)?
            .renew(permit, now)
            .map_err(Denied::Refusal)
    }

    pub(crate) fn change_case(
        &self,
        permit: &Permit,
        case: Option<&str>,
        now: Timestamp,
    ) -> Result<Permit, Denied> {
        self.0
            .as_ref()
            .ok_or(Denied::NoPolicy)?
            .change_case(permit, case, now)
            .map_err(Denied::Refusal)
    }

    pub(crate) fn in_force(&self) -> Option<&InForce> {
        self.0.as_ref().map(Decider::in_force)
    }
}

/// One session's view of the policy in force.
pub(crate) struct PolicyWatch {
    current: watch::Receiver<Arc<Current>>,
    changed: Pin<Box<dyn Future<Output = ()> + Send>>,
}

impl PolicyWatch {
    fn new(mut current: watch::Receiver<Arc<Current>>) -> Self {
        let changed = Self::next(&mut current);
        Self { current, changed }
    }

    fn next(current: &mut watch::Receiver<Arc<Current>>) -> Pin<Box<dyn Future<Output = ()> + Send>> {
        let mut receiver = current.clone();
        Box::pin(async move {
            // The sender lives as long as the gateway; without it nothing is in force any more.
            let _ = receiver.changed().await;
        })
    }

    /// The policy in force now.
    pub(crate) fn current(&mut self) -> Arc<Current> {
        self.current.borrow_and_update().clone()
    }

    /// Whether there may be another policy than the one [`PolicyWatch::current`] gave last.
    pub(crate) fn poll_changed(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let polled = self.changed.as_mut().poll(cx);
        if polled.is_ready() {
            self.current.mark_unchanged();
            self.changed = Self::next(&mut self.current);
        }
        polled
    }
}

/// Follows the register.
#[derive(Clone)]
pub(crate) struct Follower {
    pub(crate) id: String,
    pub(crate) register: Arc<dyn Register>,
    pub(crate) ledger: Ledger,
    pub(crate) sessions: Sessions,
    pub(crate) clock: Arc<dyn Clock>,
    /// Entries in the ledger when this gateway started.
    began: u64,
    current: watch::Sender<Arc<Current>>,
}

/// Why the policy in force cannot be followed.
#[derive(Debug, thiserror::Error)]
pub enum FollowError {
    /// The register cannot be read or written.
    #[error("the register cannot be used")]
    Register(#[from] RegisterError),
    /// What stands in the register is not a policy.
    #[error("key `{POLICY}` of the register does not hold a policy; apply the estate again")]
    Document(#[from] serde_json::Error),
    /// The policy contradicts itself.
    #[error("the policy in the register cannot be decided by; apply the estate again")]
    Decider(#[from] DeciderError),
    /// The drain could not be recorded.
    #[error("the drain could not be recorded")]
    NotRecorded(#[from] NotRecorded),
    /// Earlier cuts cannot be counted.
    #[error("the ledger cannot be read")]
    Ledger(#[from] ReadError),
    /// The drain has no record.
    #[error("the record of a drain or cut could not be made or read")]
    Record(#[from] RecordError),
    /// Other writers were faster each time.
    #[error("key `{0}` of the register is written by somebody else")]
    Contended(String),
}

impl Follower {
    pub(crate) fn new(
        id: String,
        register: Arc<dyn Register>,
        ledger: Ledger,
        sessions: Sessions,
        clock: Arc<dyn Clock>,
    ) -> Self {
        let current = watch::Sender::new(Arc::new(Current(None)));
        let began = ledger.size();
        Self {
            id,
            register,
            ledger,
            sessions,
            clock,
            began,
            current,
        }
    }

    pub(crate) fn watch(&self) -> PolicyWatch {
        PolicyWatch::new(self.current.subscribe())
    }

    /// Reads the policy for the first time and says that this gateway is there.
    pub(crate) async fn begin(&self) -> Result<(), FollowError> {
        self.take_up()?;
        self.report(|directive| self.cut_before(directive)).await
    }

    /// Wakes when the policy may have changed.
    pub(crate) fn changes(&self) -> Result<watch::Receiver<u64>, FollowError> {
        Ok(self.register.watch(POLICY)?)
    }

    /// Takes up each new policy, as long as the gateway lives. It never waits for sessions: a directive must not wait
    /// for the drain of the one before.
    pub(crate) async fn follow(self, mut changed: watch::Receiver<u64>) {
        loop {
            changed.borrow_and_update();
            if self.take_up().is_err() {
                // Fails closed: what cannot be read permits nothing.
                self.current.send_replace(Arc::new(Current(None)));
                let _ = tokio::time::timeout(RETRY, changed.changed()).await;
            } else if changed.changed().await.is_err() {
                return;
            }
        }
    }

    /// Says what has been drained after each new policy, as long as the gateway lives.
    pub(crate) async fn report_drains(self) {
        let mut current = self.current.subscribe();
        loop {
            current.borrow_and_update();
            // What was ended before the start has been reported at the start.
            if self.report(|_| Ok(0)).await.is_err() {
                let _ = tokio::time::timeout(RETRY, current.changed()).await;
            } else if current.changed().await.is_err() {
                return;
            }
        }
    }

    /// Publishes what the register holds to the sessions, if it is new.
    fn take_up(&self) -> Result<(), FollowError> {
        let Some(found) = self.register.read(POLICY)? else {
            return Ok(());
        };
        let document: InForce = serde_json::from_slice(&found.value)?;
        let present = Arc::clone(&self.current.borrow());
        let decider = match &present.0 {
            Some(present) if present.epoch() >= document.epoch => return Ok(()),
            Some(present) => present.successor(document)?,
            None => Decider::new(document)?,
        };
        self.current.send_replace(Arc::new(Current(Some(decider))));
        Ok(())
    }

    /// Waits for the sessions, records the drain of each directive that was not reported yet, and says so. `earlier` tells
    /// how many sessions a directive cut before this gateway started.
    async fn report(
        &self,
        earlier: impl Fn(&DirectiveNumber) -> Result<u64, FollowError>,
    ) -> Result<(), FollowError> {
        let current = Arc::clone(&self.current.borrow());
        let (version, known) = self.state()?;
        let Some(in_force) = current.in_force() else {
            // There before any policy: whoever publishes the first knows that it has to be taken up here.
            return if version.is_none() {
                self.save(&known)
            } else {
                Ok(())
            };
        };
        let ended: BTreeSet<_> = in_force
            .ended
            .iter()
            .map(|scope| scope.directive.clone())
            .collect();
        let news: Vec<_> = ended.difference(&known.drained).cloned().collect();
        if news.is_empty() && known.epoch == in_force.epoch {
            return Ok(());
        }
        // However long it takes: a session that has not recorded what it had received is not gone.
        self.sessions.settled(in_force.epoch).await;
        for directive in &news {
            let cut = self.sessions.cuts(directive).saturating_add(earlier(directive)?);
            self.record_drain(in_force.epoch, directive, cut).await?;
        }
        self.save(&GatewayState {
            epoch: in_force.epoch,
            drained: known.drained.union(&ended).cloned().collect(),
        })
    }

    async fn record_drain(
        &self,
        epoch: Epoch,
        directive: &DirectiveNumber,
        sessions_cut: u64,
    ) -> Result<(), FollowError> {
        let drained = Drained {
            gateway: self.id.as_str().into(),
            epoch,
            directive: directive.clone(),
            sessions_cut,
            at: self.clock.now(),
        };
        self.ledger.append(vec![Draft::of(&drained)?]).await?;
        Ok(())
    }

    /// Sessions that the directive cut before this gateway started: it, or its process, ended before it could say so.
    /// Reads the whole ledger, so it is asked at the start only, never on the way of a cut.
    fn cut_before(&self, directive: &DirectiveNumber) -> Result<u64, FollowError> {
        let mut cut = 0_u64;
        for stored in self.ledger.entries(0..self.began)? {
            let stored = stored?;
            if stored.parse().is_ok_and(|entry| entry.kind == Kind::Cut) {
                let record: Cut = record::decode(&stored.record)?;
                cut = cut.saturating_add(u64::from(record.directive == *directive));
            }
        }
        Ok(cut)
    }

    fn key(&self) -> String {
        format!("gateway/{}", self.id)
    }

    fn state(&self) -> Result<(Option<Version>, GatewayState), FollowError> {
        match self.register.read(&self.key())? {
            Some(found) => Ok((Some(found.version), serde_json::from_slice(&found.value)?)),
            None => Ok((None, GatewayState::default())),
        }
    }

    fn save(&self, state: &GatewayState) -> Result<(), FollowError> {
        const TRIES: usize = 5;
        let value = serde_json::to_vec(state)?;
        for _ in 0..TRIES {
            let written = match self.state()?.0 {
                Some(version) => self.register.compare_and_swap(&self.key(), version, &value),
                None => self.register.create(&self.key(), &value),
            };
            match written {
                Ok(_) => return Ok(()),
                Err(RegisterError::Conflict { .. } | RegisterError::Exists { .. }) => {}
                Err(error) => return Err(error.into()),
            }
        }
        Err(FollowError::Contended(self.key()))
    }
}
