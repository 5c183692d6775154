//! Giving back what a directive has ended: because two people order it, or because a suspension's time is over.
//!
//! The policy first, recorded before it is published, then the databases. So the ledger says at least what could be read, and
//! what could not be opened stays closed. Roles are opened by what `apply` does, with new passwords; only where the estate that
//! was applied last is the one served, and nothing stands otherwise than it was applied (decision 0034).

use evidence::directive::{Approved, Directive, Reinstatement};
use evidence::entry::Kind;
use evidence::id::{DirectiveNumber, PartnerId};
use evidence::record::EpochRecord;
use jiff::Timestamp;
use ledger::Draft;
use policy::in_force::InForce;
use proof::hold::Held;

use crate::api::Outcome;
use crate::applying::draft;
use crate::database::ending::Done;
use crate::error::ControlError;
use crate::known::Accepted;
use crate::{Control, approve_again};

/// That what a directive has ended is given back. Made from what two people have signed, and from nothing else: from their
/// reinstatement, or from their suspension once its time is over.
struct Lift {
    /// The reinstatement, if one lifts it.
    by: Option<DirectiveNumber>,
    /// What is lifted.
    lifts: DirectiveNumber,
    /// Whose access it had ended.
    partner: PartnerId,
}

impl Lift {
    fn ordered(approved: &Approved<Directive>) -> Option<Self> {
        let Reinstatement { partner, lifts } = approved.reinstates()?.clone();
        let by = Some(approved.number.clone());
        Some(Self { by, lifts, partner })
    }

    fn lapsed(approved: &Approved<Directive>, now: Timestamp) -> Option<Self> {
        approved.until().filter(|until| *until <= now)?;
        Some(Self {
            by: None,
            lifts: approved.number.clone(),
            partner: approved.partner()?.clone(),
        })
    }
}

/// What came of suspensions whose time is over.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lapsed {
    /// Those that end nothing any more since now, and whose access each had ended.
    pub directives: Vec<(DirectiveNumber, PartnerId)>,
    /// Why the databases are not open again yet, if they are not.
    pub closed: Option<String>,
}

impl Control {
    /// What a reinstatement lifts is there, of this partner, in effect, and not lifted yet.
    pub(crate) fn check_liftable(&self, reinstatement: &Reinstatement) -> Result<(), ControlError> {
        let number = &reinstatement.lifts;
        let refused = |why| {
            let number = number.clone();
            Err(ControlError::NothingToLift { number, why })
        };
        let lifted = self.known().lifted.contains(number);
        let earlier = self.accepted(number)?;
        match earlier.directive.scope() {
            None => refused("it ends nobody's access"),
            Some(scope) if scope.partner != reinstatement.partner => refused("it is about another partner"),
            Some(_) if lifted => refused("it has lapsed, or was lifted before"),
            Some(_) if earlier.epoch.is_none() => refused("it has not taken effect"),
            Some(_) => Ok(()),
        }
    }

    /// Carries a reinstatement out; whoever calls holds the work.
    pub(super) async fn reinstate(
        &self,
        approved: &Approved<Directive>,
        accepted: &Accepted,
        held: Option<Held>,
    ) -> Result<Outcome, ControlError> {
        let Some(lift) = Lift::ordered(approved) else {
            return self.finish(accepted, false).await;
        };
        let number = approved.number.clone();
        let epoch = self.lift(accepted.epoch.as_ref(), &lift).await?;
        let mut done = Done::default();
        let result = self.open_again(held).await;
        done.step(
            &*self.0.clock,
            "open the roles in the databases, with new passwords",
            result,
        );
        self.record_carried_out(number.clone(), lift.partner, epoch.epoch, done)
            .await?;
        self.finish(&self.accepted(&number)?, true).await
    }

    /// When the next suspension lapses; the past if one is to be opened again still. `None`: there is none.
    #[must_use]
    pub fn next_lapse(&self) -> Option<Timestamp> {
        let known = self.known();
        if known.reopening {
            return Some(Timestamp::UNIX_EPOCH);
        }
        known.ended().iter().filter_map(|scope| scope.until).min()
    }

    /// Lifts every suspension whose time is over, and opens the databases again. Not cancel safe: dropped half-way, it is to be
    /// done again.
    ///
    /// # Errors
    /// The ledger or the register fail. What fails in a database stands in the answer.
    pub async fn lapse(&self) -> Result<Lapsed, ControlError> {
        // Nobody's cut waits for a proof.
        let held = self.held().await;
        let _work = self.begin_work().await;
        let now = self.0.clock.now();
        let mut directives = Vec::new();
        let ended = self.known().ended();
        for scope in ended {
            let suspension = self.accepted(&scope.directive)?;
            let suspension = approve_again(&suspension, &self.0.estate.custodian().name)?;
            let Some(lift) = Lift::lapsed(&suspension, now) else {
                continue;
            };
            self.lift(None, &lift).await?;
            directives.push((lift.lifts, lift.partner));
        }
        let reopening = self.known().reopening;
        let closed = if reopening {
            let opened = match held {
                Ok(held) => self.open_again(Some(held)).await,
                Err(error) => Err(error.chain()),
            };
            // What changes nothing records nothing, and nothing is left to be done.
            self.known().reopening = opened.is_err();
            opened.err()
        } else {
            None
        };
        Ok(Lapsed { directives, closed })
    }

    /// Takes what a directive has ended out of the policy: records it, with the first leaf of the partner's log if that is
    /// closed, then publishes it. `before` is what was recorded of it, if it was.
    async fn lift(
        &self,
        before: Option<&EpochRecord>,
        Lift { by, lifts, partner }: &Lift,
    ) -> Result<EpochRecord, ControlError> {
        let present = self.0.store.policy()?;
        let gone = |policy: &InForce| !policy.ended.iter().any(|scope| scope.directive == *lifts);
        if let (Some(record), true) = (before, present.as_ref().is_some_and(gone)) {
            return Ok(record.clone());
        }
        let now = self.0.clock.now();
        let epoch = self.present_epoch(present.as_ref());
        let next_epoch = epoch.next().unwrap_or(epoch);
        let (next, approval) = match &present {
            Some(policy) => {
                let next = policy.with_lifted(std::slice::from_ref(lifts), next_epoch, now);
                (next.map_err(ControlError::Epoch)?, self.known().rests_on.clone())
            }
            None => {
                let mut ended = self.known().ended();
                ended.retain(|scope| scope.directive != *lifts);
                self.policy_made_anew(ended, next_epoch)
            }
        };
        let record = EpochRecord {
            epoch: next_epoch,
            directive: by.clone(),
            at: now,
            gateways: self.gateway_names()?,
            approval,
            lifted: vec![lifts.clone()],
        };
        let opened = self.to_be_opened(&next).into_iter();
        let mut entries: Vec<Draft> = opened
            .map(|partner| Draft::new(Kind::Opened, Vec::new()).with_partner(partner))
            .collect();
        entries.push(draft(&record)?.with_partner(partner.clone()));
        self.0
            .ledger
            .append(entries)
            .await
            .map_err(ControlError::ledger("recording the new epoch"))?;
        self.known().moved(record.clone());
        self.0.store.publish(&next)?;
        Ok(record)
    }

    /// Opens the roles that the policy gives, as `apply` does; in words what was done, or why not.
    async fn open_again(&self, held: Option<Held>) -> Result<String, String> {
        if !self.is_applied() {
            return Err(
                "the estate served is not the one that was applied last; `estop apply` opens them".to_owned(),
            );
        }
        if self.known().drift.values().any(|record| record.count > 0) {
            return Err(
                "a database is not as it was applied; read `estop drift`, then `estop apply` opens them"
                    .to_owned(),
            );
        }
        let Some(held) = held else {
            return Err(
                "the estate was not proved to keep its guardrails; `estop apply` opens them".to_owned(),
            );
        };
        let applied = self.apply_held(&held, &[]).await.map_err(|error| error.chain())?;
        let steps: usize = applied.plans.iter().map(|plan| plan.steps.len()).sum();
        Ok(format!("{steps} statements"))
    }
}
