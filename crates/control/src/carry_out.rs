//! Carrying a directive out, in the only order that holds: recorded, then no gateway serves it, then no role can, then
//! nothing of it is left, then that is recorded too.
//!
//! Each step finds out for itself whether it was done before, so that a directive is taken up wherever it stopped.

use std::collections::BTreeSet;
use std::time::Duration;

use evidence::directive::{Approved, Directive, Order};
use evidence::id::{DirectiveNumber, Epoch, PartnerId};
use evidence::record::{self, CarriedOut, Clipped, Closed, EpochRecord};
use ledger::Status;
use policy::estate::Share;
use policy::in_force::{EndedScope, InForce};
use proof::hold::Held;

use crate::api::Outcome;
use crate::applying::draft;
use crate::database::ending::{Done, EndedRole, end_roles};
use crate::error::ControlError;
use crate::known::Accepted;
use crate::store::GatewayState;
use crate::{Control, Patience};

mod acceptance;
mod lifting;
mod resuming;

pub use lifting::Lapsed;

/// How often the register is looked at even if nobody says that it changed.
const LOOK: Duration = Duration::from_millis(200);

impl Control {
    /// Carries an approved directive out; whoever calls holds the work. What could not be done in a database or by a gateway
    /// is recorded as not done and stands in the outcome; carrying the same directive out again takes it up there. Not
    /// cancel safe: dropped half-way, it is to be done again.
    ///
    /// # Errors
    /// It cannot be accepted (number, nonce, scope, ledger, preview), or the ledger or register fail.
    pub(crate) async fn carry_out(
        &self,
        approved: Approved<Directive>,
        held: Option<Held>,
        despite: Option<&str>,
        patience: Patience,
    ) -> Result<Outcome, ControlError> {
        let accepted = self.accept(&approved, despite).await?;
        if approved.reinstates().is_some() && !accepted.complete {
            return self.reinstate(&approved, &accepted, held).await;
        }
        let number = accepted.directive.number.clone();
        let lifted = self.known().lifted.contains(&number);
        let Some(scope) = accepted.scope().filter(|_| !accepted.complete && !lifted) else {
            return self.finish(&accepted, false).await;
        };
        if let (Some(until), None) = (scope.until, &accepted.epoch) {
            self.check_not_over(&number, until)?;
        }
        let epoch = self.move_epoch(&accepted, &scope).await?;
        let mut done = Done::default();
        let clock = &*self.0.clock;
        let mut waiting = self.wait_for_gateways(&epoch, &number, patience.first).await?;
        if waiting.is_empty() {
            done.step(
                clock,
                "gateways say that no session is left",
                Ok(drained_words(&epoch)),
            );
        }
        self.end_in_databases(&scope, &mut done).await;
        if !waiting.is_empty() {
            waiting = self.wait_for_gateways(&epoch, &number, patience.last).await?;
            let result = if waiting.is_empty() {
                Ok(format!(
                    "{}, some only after the roles were closed",
                    drained_words(&epoch)
                ))
            } else {
                let names: Vec<&str> = waiting.iter().map(String::as_str).collect();
                Err(format!(
                    "no answer from {}; its sessions cannot read, since the roles are closed",
                    names.join(", ")
                ))
            };
            done.step(clock, "gateways say that no session is left", result);
        }
        self.record_carried_out(scope.directive, scope.partner, epoch.epoch, done)
            .await?;
        self.finish(&self.accepted(&number)?, true).await
    }

    /// Records the directive, unless it is in the ledger.
    async fn accept(
        &self,
        approved: &Approved<Directive>,
        despite: Option<&str>,
    ) -> Result<Accepted, ControlError> {
        let number = &approved.number;
        let before = self.known().directives.get(number).cloned();
        if let Some(before) = before {
            let same = before.record.text == approved.text();
            return if same {
                Ok(before)
            } else {
                Err(ControlError::NumberTaken(number.clone()))
            };
        }
        self.check_acceptable(approved, despite).await?;
        let record = match &approved.order {
            Order::Approve(_) => approved.record(Some(self.estate_record()?)),
            Order::Terminate(_) | Order::Suspend(_) | Order::Reinstate(_) => approved.record(None),
        };
        let entry = draft(&record)?;
        let entry = match approved.partner() {
            Some(partner) => entry.with_partner(partner.clone()),
            None => entry,
        };
        let receipt = self
            .0
            .ledger
            .append(vec![entry])
            .await
            .map_err(ControlError::ledger("recording the directive"))?;
        self.known()
            .accept(receipt.first_index(), receipt.time(), record)?;
        self.accepted(number)
    }

    /// Moves the epoch: records it, then publishes the policy that gateways cut by.
    async fn move_epoch(&self, accepted: &Accepted, scope: &EndedScope) -> Result<EpochRecord, ControlError> {
        let present = self.0.store.policy()?;
        let published = present
            .as_ref()
            .is_some_and(|p| p.ended.iter().any(|e| e.directive == scope.directive));
        if let (Some(record), true) = (&accepted.epoch, published) {
            return Ok(record.clone());
        }
        let now = self.0.clock.now();
        let epoch = self.present_epoch(present.as_ref());
        let next_epoch = epoch.next().unwrap_or(epoch);
        let (next, approval) = match &present {
            Some(policy) => {
                let next = policy.with_ended(scope.clone(), next_epoch, now);
                (next.map_err(ControlError::Epoch)?, self.known().rests_on.clone())
            }
            None => self.first_policy(scope, next_epoch),
        };
        let directive = Some(scope.directive.clone());
        let record = EpochRecord {
            epoch: next_epoch,
            directive,
            at: now,
            gateways: self.gateway_names()?,
            approval,
            lifted: Vec::new(),
        };
        let entry = draft(&record)?.with_partner(scope.partner.clone());
        self.0
            .ledger
            .append(vec![entry])
            .await
            .map_err(ControlError::ledger("recording the new epoch"))?;
        self.known().moved(record.clone());
        self.0.store.publish(&next)?;
        Ok(record)
    }

    /// The policy if none was ever published, or the register was lost, and the approval it rests on. Only an approved estate
    /// gives anything by it.
    fn first_policy(&self, scope: &EndedScope, epoch: Epoch) -> (InForce, Option<DirectiveNumber>) {
        let mut ended = self.known().ended();
        if !ended.iter().any(|known| known.directive == scope.directive) {
            ended.push(scope.clone());
        }
        self.policy_made_anew(ended, epoch)
    }

    /// The policy of the estate served, as far as it is approved, and the approval.
    fn policy_made_anew(&self, ended: Vec<EndedScope>, epoch: Epoch) -> (InForce, Option<DirectiveNumber>) {
        let policy = InForce {
            held: self.known().held(),
            ..InForce::from_estate(&self.0.estate, ended, epoch, self.0.clock.now())
        };
        match self.approved_estate() {
            Ok(approved) => (policy, Some(approved.number().clone())),
            Err(_) => (policy.without_agreements(), None),
        }
    }

    /// Waits until every gateway that was at work has drained; returns those that have not said so in time.
    async fn wait_for_gateways(
        &self,
        epoch: &EpochRecord,
        number: &DirectiveNumber,
        at_most: Duration,
    ) -> Result<BTreeSet<String>, ControlError> {
        self.wait_until_gateways(epoch, at_most, |state| state.drained.contains(number))
            .await
    }

    /// Waits until every gateway that was at work says what is wanted of it; returns those that have not in time.
    pub(crate) async fn wait_until_gateways(
        &self,
        epoch: &EpochRecord,
        at_most: Duration,
        says: impl Fn(&GatewayState) -> bool,
    ) -> Result<BTreeSet<String>, ControlError> {
        let deadline = tokio::time::sleep(at_most);
        tokio::pin!(deadline);
        // Before the first look, so that nothing said after it is missed.
        let mut spoken = self.0.store.gateways_watch()?;
        loop {
            let gateways = self.0.store.gateways()?;
            let names = epoch.gateways.iter().map(Clipped::as_str);
            let waiting: BTreeSet<String> = names
                .filter(|name| !gateways.get(*name).is_some_and(&says))
                .map(str::to_owned)
                .collect();
            if waiting.is_empty() {
                return Ok(waiting);
            }
            tokio::select! {
                () = &mut deadline => return Ok(waiting),
                _ = tokio::time::timeout(LOOK, spoken.changed()) => {}
            }
        }
    }

    async fn end_in_databases(&self, scope: &EndedScope, done: &mut Done) {
        for (name, admin) in &self.0.admins {
            let roles = self.roles_in(scope, name);
            if !roles.is_empty() {
                end_roles(admin, &self.desired(name), &roles, &*self.0.clock, done).await;
            }
        }
        // The custodian's side first: it is what enforces, and an airlock that cannot be reached must not keep it waiting.
        self.end_in_airlocks(scope, done).await;
    }

    /// The roles that a scope covers in one upstream: by the estate served, and by the policy in force, which may be another
    /// estate's.
    pub(crate) fn roles_in(&self, scope: &EndedScope, upstream: &str) -> Vec<EndedRole> {
        let estate = &self.0.estate;
        let mut roles = Vec::new();
        for agreement in estate.agreements().values() {
            for purpose in &agreement.purposes {
                let here = |share: &Share| estate.dataset_of(share).is_some_and(|d| d.upstream == upstream);
                if scope.covers(&agreement.partner, &agreement.id, purpose)
                    && agreement.shares_for(purpose).any(here)
                {
                    roles.push(EndedRole {
                        name: policy::estate::role_name(&agreement.id, purpose)
                            .as_str()
                            .to_owned(),
                        agreement: agreement.id.clone(),
                        purpose: purpose.clone(),
                    });
                }
            }
        }
        // A register that cannot be read has failed the directive already.
        let policy = self.0.store.policy().ok().flatten();
        for (agreement, purpose) in policy.iter().flat_map(|policy| policy.covered(scope)) {
            let name = purpose.role.as_str();
            if purpose.upstream == upstream && !roles.iter().any(|role| role.name == name) {
                roles.push(EndedRole {
                    name: name.to_owned(),
                    agreement: agreement.id.clone(),
                    purpose: purpose.id.clone(),
                });
            }
        }
        roles
    }

    async fn record_carried_out(
        &self,
        directive: DirectiveNumber,
        partner: PartnerId,
        epoch: Epoch,
        done: Done,
    ) -> Result<(), ControlError> {
        let at = self.0.clock.now();
        let record = CarriedOut {
            directive,
            epoch,
            at,
            steps: done.steps,
            roles: done.roles,
        };
        let entry = draft(&record)?.with_partner(partner);
        // What is known is what was recorded, to the microsecond.
        let recorded = record::decode(&entry.record).map_err(ControlError::ledger("writing a record"))?;
        let pending = self.0.ledger.append(vec![entry]);
        pending
            .await
            .map_err(ControlError::ledger("recording what was carried out"))?;
        self.known().carried_out(recorded);
        Ok(())
    }

    /// Closes the partner's log if nothing is left of it, counts all logs and publishes. `fresh`: something was done just
    /// now.
    async fn finish(&self, accepted: &Accepted, fresh: bool) -> Result<Outcome, ControlError> {
        let closed = if accepted.complete {
            self.close(accepted).await?
        } else {
            false
        };
        if fresh || closed {
            self.0
                .ledger
                .append_census()
                .await
                .map_err(ControlError::ledger("counting the logs"))?;
        }
        self.0
            .ledger
            .checkpoint()
            .await
            .map_err(ControlError::ledger("publishing a checkpoint"))?;
        self.outcome(accepted)
    }

    /// Appends the last leaf of the partner's log. Only once every session is known to have ended: what came later would
    /// have no place.
    async fn close(&self, accepted: &Accepted) -> Result<bool, ControlError> {
        let Some(scope) = accepted.directive.scope() else {
            return Ok(false);
        };
        if self.known().lifted.contains(&accepted.directive.number) {
            return Ok(false);
        }
        let partner = &scope.partner;
        let open = self
            .0
            .ledger
            .partner(partner)
            .is_some_and(|log| log.status == Status::Open);
        let (Some(epoch), true) = (&accepted.epoch, open && self.nothing_left(partner)?) else {
            return Ok(false);
        };
        let at = self.0.clock.now();
        let record = Closed {
            directive: accepted.directive.number.clone(),
            epoch: epoch.epoch,
            at,
        };
        let entry = draft(&record)?.with_partner(partner.clone());
        self.0
            .ledger
            .append(vec![entry])
            .await
            .map_err(ControlError::ledger("closing the partner's log"))?;
        Ok(true)
    }

    fn nothing_left(&self, partner: &PartnerId) -> Result<bool, ControlError> {
        let Some(policy) = self.0.store.policy()? else {
            return Ok(false);
        };
        let theirs = policy
            .agreements
            .iter()
            .filter(|agreement| agreement.partner == *partner);
        let mut purposes =
            theirs.flat_map(|agreement| agreement.purposes.iter().map(move |p| (agreement, p)));
        Ok(purposes.all(|(agreement, purpose)| policy.ended_by(agreement, &purpose.id).is_some()))
    }
}

fn drained_words(epoch: &EpochRecord) -> String {
    match epoch.gateways.len() {
        0 => "no gateway was at work".to_owned(),
        count => format!("{count} of {count}"),
    }
}
