//! What the ledger says of directives: control's own state, folded from it at start and kept up to date by what control
//! itself appends. Nobody else appends these kinds.

use std::collections::{BTreeMap, BTreeSet};

use evidence::directive::{Directive, Nonce};
use evidence::entry::Kind;
use evidence::id::{DirectiveNumber, Epoch, PartnerId};
use evidence::record::{self, Applied, CarriedOut, DirectiveRecord, DriftRecord, EpochRecord};
use jiff::Timestamp;
use ledger::{Ledger, Stored};
use policy::in_force::EndedScope;

use crate::error::ControlError;

/// All directives that were accepted.
#[derive(Debug, Default)]
pub(crate) struct Known {
    pub(crate) directives: BTreeMap<DirectiveNumber, Accepted>,
    /// The highest epoch that was recorded.
    pub(crate) epoch: Epoch,
    /// Approvals whose estate was put in force at least once.
    pub(crate) put_in_force: BTreeSet<DirectiveNumber>,
    /// SHA-256 of the estate that was applied last, in hexadecimal.
    pub(crate) applied: Option<String>,
    /// The approval that the policy in force rests on.
    pub(crate) rests_on: Option<DirectiveNumber>,
    /// Directives that end nothing any more: suspensions that lapsed, and what was lifted.
    pub(crate) lifted: BTreeSet<DirectiveNumber>,
    /// A suspension has lapsed, and nothing was applied since: its roles may still be closed.
    pub(crate) reopening: bool,
    /// What was recorded last of each database that was found changed, or could not be looked at.
    pub(crate) drift: BTreeMap<String, DriftRecord>,
}

/// A directive in the ledger, and how far it has come.
#[derive(Debug, Clone)]
pub(crate) struct Accepted {
    /// Index of its entry.
    pub(crate) index: u64,
    /// Time of its entry.
    pub(crate) recorded: Timestamp,
    pub(crate) record: DirectiveRecord,
    pub(crate) directive: Directive,
    /// The last change of the policy that it called for.
    pub(crate) epoch: Option<EpochRecord>,
    /// What was done for it in databases, the last time it was tried.
    pub(crate) carried_out: Option<CarriedOut>,
    /// Its end was recorded: nothing is left to be done.
    pub(crate) complete: bool,
}

impl Accepted {
    /// What it ends, if it is a termination.
    pub(crate) fn scope(&self) -> Option<EndedScope> {
        let scope = self.directive.scope()?;
        Some(EndedScope {
            directive: self.directive.number.clone(),
            partner: scope.partner.clone(),
            agreement: scope.agreement.clone(),
            purpose: scope.purpose.clone(),
            at: self.recorded,
            until: self.directive.until(),
        })
    }
}

impl Known {
    /// Reads the whole ledger. Blocks.
    pub(crate) fn fold(ledger: &Ledger) -> Result<Self, ControlError> {
        let mut known = Self::default();
        let entries = ledger
            .entries(0..ledger.size())
            .map_err(ControlError::ledger("reading it from the start"))?;
        for stored in entries {
            known.take(&stored.map_err(ControlError::ledger("reading it from the start"))?)?;
        }
        Ok(known)
    }

    fn take(&mut self, stored: &Stored) -> Result<(), ControlError> {
        let entry = stored.parse().map_err(ControlError::ledger("reading an entry"))?;
        let unreadable = || ControlError::ledger("reading a record");
        match entry.kind {
            Kind::Directive => {
                let record: DirectiveRecord = record::decode(&stored.record).map_err(unreadable())?;
                self.accept(stored.index, entry.time, record)?;
            }
            Kind::Epoch => self.moved(record::decode(&stored.record).map_err(unreadable())?),
            Kind::Applied => {
                self.applied(record::decode(&stored.record).map_err(unreadable())?);
            }
            Kind::Drift => self.drifted(record::decode(&stored.record).map_err(unreadable())?),
            Kind::CarriedOut => self.carried_out(record::decode(&stored.record).map_err(unreadable())?),
            _ => {}
        }
        Ok(())
    }

    /// An estate is being applied.
    pub(crate) fn applied(&mut self, record: Applied) {
        self.applied = Some(record.estate_sha256);
        // Where the policy says the same, no epoch follows.
        if record.epoch == self.epoch && record.approval.is_some() {
            self.rests_on.clone_from(&record.approval);
        }
        self.put_in_force.extend(record.approval);
        self.reopening = false;
    }

    /// A database was looked at, and what was seen is recorded.
    pub(crate) fn drifted(&mut self, record: DriftRecord) {
        let place = record.upstream.as_str().to_owned();
        self.drift.insert(place, record);
    }

    /// Partners who are held.
    pub(crate) fn held(&self) -> BTreeSet<PartnerId> {
        self.drift
            .values()
            .flat_map(|record| record.held.iter().cloned())
            .collect()
    }

    /// A directive was recorded.
    pub(crate) fn accept(
        &mut self,
        index: u64,
        recorded: Timestamp,
        record: DirectiveRecord,
    ) -> Result<(), ControlError> {
        let directive =
            Directive::parse(record.text.as_bytes()).map_err(ControlError::ledger("reading a directive"))?;
        let accepted = Accepted {
            index,
            recorded,
            record,
            epoch: None,
            carried_out: None,
            // An approval is done when it is recorded; applying is another step.
            complete: directive.terms().is_some(),
            directive,
        };
        self.directives
            .insert(accepted.directive.number.clone(), accepted);
        Ok(())
    }

    /// The policy in force changed.
    pub(crate) fn moved(&mut self, record: EpochRecord) {
        self.epoch = self.epoch.max(record.epoch);
        self.rests_on.clone_from(&record.approval);
        self.lifted.extend(record.lifted.iter().cloned());
        self.reopening |= record.directive.is_none() && !record.lifted.is_empty();
        let directive = record.directive.clone();
        if let Some(accepted) = directive.and_then(|number| self.directives.get_mut(&number)) {
            accepted.epoch = Some(record);
        }
    }

    /// The database's side of a directive was carried out, as far as it was.
    pub(crate) fn carried_out(&mut self, record: CarriedOut) {
        if let Some(accepted) = self.directives.get_mut(&record.directive) {
            accepted.complete = record
                .steps
                .iter()
                .all(|step| !step.result.starts_with(crate::NOT_DONE));
            accepted.carried_out = Some(record);
        }
    }

    /// Everything that directives have ended and none has lifted, in the order of their entries.
    pub(crate) fn ended(&self) -> Vec<EndedScope> {
        // A directive takes effect with the epoch that it called for.
        let mut effective: Vec<&Accepted> = self
            .directives
            .values()
            .filter(|d| d.epoch.is_some() && !self.lifted.contains(&d.directive.number))
            .collect();
        effective.sort_by_key(|accepted| accepted.index);
        effective.into_iter().filter_map(Accepted::scope).collect()
    }

    /// The approval that was accepted last: the one that counts.
    pub(crate) fn approval(&self) -> Option<&Accepted> {
        let approvals = self
            .directives
            .values()
            .filter(|one| one.directive.terms().is_some());
        approvals.max_by_key(|one| one.index)
    }

    /// The directive that used this nonce.
    pub(crate) fn with_nonce(&self, nonce: &Nonce) -> Option<&Accepted> {
        self.directives
            .values()
            .find(|accepted| accepted.directive.nonce == *nonce)
    }
}
