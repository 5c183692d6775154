//! What the API says of how things stand.

use evidence::id::PartnerId;
use ledger::Status as LogStatus;
use policy::estate::role_name;
use policy::in_force::EndedScope;

use super::{DirectiveSummary, GatewayLine, Health, LogLine, Outcome, PartnerLine, PurposeLine, Status};
use crate::Control;
use crate::certificate::Told;
use crate::error::ControlError;
use crate::known::Accepted;

impl Control {
    /// That it is there.
    ///
    /// # Errors
    /// The register cannot be read.
    pub fn health(&self) -> Result<Health, ControlError> {
        let policy = self.0.store.policy()?;
        Ok(Health {
            custodian: self.0.estate.custodian().name.clone(),
            epoch: self.present_epoch(policy.as_ref()),
            ledger_size: self.0.ledger.size(),
        })
    }

    /// How everything stands.
    ///
    /// # Errors
    /// The register cannot be read.
    pub fn status(&self) -> Result<Status, ControlError> {
        let Health {
            custodian,
            epoch,
            ledger_size,
        } = self.health()?;
        let gateways = self
            .0
            .store
            .gateways()?
            .into_iter()
            .map(|(id, state)| GatewayLine { id, state });
        let held = self.known().held();
        let partners = self.0.estate.partners().values().map(|partner| PartnerLine {
            id: partner.id.clone(),
            title: partner.title.clone(),
            log: self.log_line(&partner.id),
            held: held.contains(&partner.id),
        });
        Ok(Status {
            custodian,
            epoch,
            ledger_size,
            gateways: gateways.collect(),
            partners: partners.collect(),
            purposes: self.purpose_lines(),
            directives: self.directives(),
            watch: self.watch_state(),
            unfinished: self.unfinished()?,
        })
    }

    fn log_line(&self, partner: &PartnerId) -> Option<LogLine> {
        let log = self.0.ledger.partner(partner)?;
        Some(LogLine {
            open: log.status == LogStatus::Open,
            origin: log.origin,
            size: log.size,
            root: log.root,
        })
    }

    fn purpose_lines(&self) -> Vec<PurposeLine> {
        let ended = self.known().ended();
        let mut lines = Vec::new();
        for agreement in self.0.estate.agreements().values() {
            for purpose in &agreement.purposes {
                let end = EndedScope::telling(&ended, &agreement.partner, &agreement.id, purpose);
                lines.push(PurposeLine {
                    partner: agreement.partner.clone(),
                    agreement: agreement.id.clone(),
                    purpose: purpose.clone(),
                    role: role_name(&agreement.id, purpose).as_str().to_owned(),
                    ended_by: end.map(|scope| scope.directive.clone()),
                    until: end.and_then(|scope| scope.until),
                });
            }
        }
        lines
    }

    /// All directives of the ledger, by number.
    #[must_use]
    pub fn directives(&self) -> Vec<DirectiveSummary> {
        let known = self.known();
        let last = known.approval().map(|last| last.index);
        let lifted = |one: &Accepted| known.lifted.contains(&one.directive.number);
        let all = known.directives.values();
        all.map(|one| summary(one, last, lifted(one))).collect()
    }

    /// What came of a directive, as the ledger tells it. Blocks for as long as reading what came after it takes.
    pub(crate) fn outcome(&self, accepted: &Accepted) -> Result<Outcome, ControlError> {
        let told = Told::gather(&self.0.ledger, accepted, None)?;
        let (steps, roles) = accepted
            .carried_out
            .clone()
            .map(|done| (done.steps, done.roles))
            .unwrap_or_default();
        Ok(Outcome {
            number: accepted.directive.number.clone(),
            order: accepted.directive.order.kind(),
            partner: accepted.directive.partner().cloned(),
            until: accepted.directive.until(),
            lifts: accepted.directive.reinstates().map(|order| order.lifts.clone()),
            estate_sha256: accepted.directive.terms().map(|terms| terms.estate.to_hex()),
            complete: accepted.complete,
            index: accepted.index,
            recorded: accepted.recorded,
            epoch: accepted.epoch.as_ref().map(|record| record.epoch),
            cuts: told.cuts.into_iter().map(|(_, cut)| cut).collect(),
            drained: told.drained.into_iter().map(|(_, drained)| drained).collect(),
            steps,
            roles,
            log_closed: told.closed.is_some(),
        })
    }
}

fn summary(accepted: &Accepted, last: Option<u64>, lifted: bool) -> DirectiveSummary {
    let directive = &accepted.directive;
    let scope = directive.scope();
    DirectiveSummary {
        number: directive.number.clone(),
        order: directive.order.kind(),
        partner: directive.partner().cloned(),
        until: directive.until(),
        lifts: directive.reinstates().map(|order| order.lifts.clone()),
        lifted,
        agreement: scope.and_then(|scope| scope.agreement.clone()),
        purpose: scope.and_then(|scope| scope.purpose.clone()),
        estate_sha256: directive.terms().map(|terms| terms.estate.to_hex()),
        last: directive.terms().map(|_| last == Some(accepted.index)),
        basis: directive.basis.clone(),
        people: accepted.record.people.clone(),
        recorded: accepted.recorded,
        epoch: accepted.epoch.as_ref().map(|record| record.epoch),
        complete: accepted.complete,
    }
}
