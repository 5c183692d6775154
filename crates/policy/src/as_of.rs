//! Who could read what at a moment: a fold over control's entries in the ledger, and over nothing else.
//!
//! An estate is in force from the entry of its epoch on, or, where the policy says the same as before (another mask, say), from the
//! entry that says it is being applied. What a directive ended is ended from the entry of its epoch on, up to that of an epoch that lifts it. Entries bear whole seconds:
//! the answer for a second is how things stood at its end.

use std::collections::{BTreeMap, BTreeSet};

use evidence::directive::Directive;
use evidence::entry::{Entry, Kind};
use evidence::id::{AgreementId, DatasetId, DirectiveNumber, Epoch, OfficerId, PartnerId, PurposeId};
use evidence::record::{self, Applied, DirectiveRecord, DriftRecord, EpochRecord};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::estate::{Hours, Validity};
use crate::in_force::EndedScope;
use crate::terms::{AgreementTerms, HOURS, ShareTerms, Terms};

#[cfg(test)]
mod tests;

/// What control's entries say, up to the last that was taken.
#[derive(Debug, Default)]
pub struct Fold {
    entries: u64,
    begins: Option<Timestamp>,
    last: Option<Timestamp>,
    epoch: Epoch,
    /// What approved estates say, of those that can still count: the last, the one in force, the one being applied.
    approvals: BTreeMap<DirectiveNumber, Terms>,
    /// What terminations and suspensions are to end.
    orders: BTreeMap<DirectiveNumber, EndedScope>,
    in_force: Option<DirectiveNumber>,
    under_way: Option<DirectiveNumber>,
    ended: Vec<EndedScope>,
    /// Whom each database's last drift holds.
    to_hold: BTreeMap<String, Vec<PartnerId>>,
    held: BTreeSet<PartnerId>,
}

/// An entry whose private record cannot be read, or is not there.
#[derive(Debug, thiserror::Error)]
#[error("entry {index}, which is of kind `{kind}`, cannot be taken into account")]
pub struct FoldError {
    /// Which entry.
    pub index: u64,
    /// Of what kind.
    pub kind: Kind,
    /// What is wrong with its record.
    pub source: Box<dyn std::error::Error + Send + Sync>,
}

/// How things stood.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AsOf {
    /// When.
    pub at: Timestamp,
    /// The first entry of the ledger; none if it begins later.
    pub begins: Option<Timestamp>,
    /// The last entry that was taken into account.
    pub last_entry: Option<Timestamp>,
    /// How many there were.
    pub entries: u64,
    /// The policy in force.
    pub epoch: Epoch,
    /// The directive that approved the estate it rested on; none if nothing was in force.
    pub approval: Option<DirectiveNumber>,
    /// An estate was being applied, and it is not recorded that this came to its end: parts of it may have been in the databases.
    pub under_way: Option<DirectiveNumber>,
    /// The agreements of the estate, ended ones too.
    pub agreements: Vec<AgreementThen>,
}

/// An agreement as it stood.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AgreementThen {
    /// Its id.
    pub id: AgreementId,
    /// With whom.
    pub partner: PartnerId,
    /// Whether a session could be had under it.
    pub standing: Standing,
    /// When it was to be in force.
    pub valid: Validity,
    /// Its terms by their names: legal basis, limits, hours.
    pub terms: BTreeMap<String, String>,
    /// Who could come for the partner: ids and names.
    pub officers: BTreeMap<OfficerId, String>,
    /// Its purposes.
    pub purposes: Vec<PurposeThen>,
}

/// Whether a session could be had.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Standing {
    /// It could, for purposes that were not ended.
    Open,
    /// The agreement was not in force yet.
    NotYet,
    /// Its time was over.
    Over,
    /// Not at this hour.
    OutsideHours,
    /// The partner was held: a database had been changed behind Estop's back.
    Held,
}

/// A purpose as it stood.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PurposeThen {
    /// Its id.
    pub id: PurposeId,
    /// The directive that had ended it.
    pub ended_by: Option<DirectiveNumber>,
    /// Whether anything could be read for it.
    pub readable: bool,
    /// What was shared for it.
    pub shares: Vec<ShareThen>,
}

/// What was shared.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ShareThen {
    /// Where the data set lay: the relation and the upstream.
    pub place: String,
    /// Columns, rows and in what way.
    #[serde(flatten)]
    pub terms: ShareTerms,
}

impl AsOf {
    /// Only what concerns this partner and this data set, where they are given.
    pub fn keep(&mut self, partner: Option<&PartnerId>, dataset: Option<&DatasetId>) {
        for purpose in self
            .agreements
            .iter_mut()
            .flat_map(|agreement| &mut agreement.purposes)
        {
            let wanted = |share: &ShareThen| dataset.is_none_or(|only| *only == share.terms.dataset);
            purpose.shares.retain(wanted);
        }
        for agreement in &mut self.agreements {
            agreement.purposes.retain(|purpose| !purpose.shares.is_empty());
        }
        self.agreements.retain(|agreement| {
            !agreement.purposes.is_empty() && partner.is_none_or(|only| *only == agreement.partner)
        });
    }
}

impl Fold {
    /// Takes the next entry into account, with its private record.
    ///
    /// # Errors
    /// It is one of control's, and its record cannot be read.
    pub fn take(&mut self, index: u64, entry: &Entry, record: &[u8]) -> Result<(), FoldError> {
        self.entries = self.entries.saturating_add(1);
        self.begins = self.begins.or(Some(entry.time));
        self.last = Some(entry.time);
        let unreadable = |source| FoldError {
            index,
            kind: entry.kind,
            source,
        };
        match entry.kind {
            Kind::Directive => self.directive(entry.time, record).map_err(unreadable),
            Kind::Applied => read(record)
                .map(|record| self.applied(record))
                .map_err(unreadable),
            Kind::Epoch => read(record).map(|record| self.moved(record)).map_err(unreadable),
            Kind::Drift => read(record)
                .map(|record| self.drifted(record))
                .map_err(unreadable),
            _ => Ok(()),
        }
    }

    fn directive(&mut self, recorded: Timestamp, bytes: &[u8]) -> Result<(), Fault> {
        let record: DirectiveRecord = read(bytes)?;
        let directive = Directive::parse(record.text.as_bytes())?;
        if let Some(estate) = &record.estate {
            let terms = serde_json::from_str(&estate.terms)?;
            let counts = [&self.in_force, &self.under_way];
            self.approvals
                .retain(|number, _| counts.iter().any(|one| one.as_ref() == Some(number)));
            self.approvals.insert(directive.number.clone(), terms);
        }
        if let Some(scope) = directive.scope() {
            let scope = EndedScope {
                directive: directive.number.clone(),
                partner: scope.partner.clone(),
                agreement: scope.agreement.clone(),
                purpose: scope.purpose.clone(),
                at: recorded,
                until: directive.until(),
            };
            self.orders.insert(directive.number.clone(), scope);
        }
        Ok(())
    }

    fn applied(&mut self, record: Applied) {
        if record.epoch == self.epoch {
            self.in_force = record.approval.or(self.in_force.take());
        } else {
            self.under_way = record.approval;
        }
    }

    fn moved(&mut self, record: EpochRecord) {
        self.epoch = self.epoch.max(record.epoch);
        self.ended
            .retain(|scope| !record.lifted.contains(&scope.directive));
        if let Some(number) = record.directive {
            let scope = self.orders.get(&number).cloned();
            self.ended
                .extend(scope.filter(|scope| !self.ended.contains(scope)));
        } else if record.lifted.is_empty() {
            // An estate is put in force, which lifts every hold, or a hold is.
            self.held = self.to_hold.values().flatten().cloned().collect();
            self.under_way = self
                .under_way
                .take()
                .filter(|number| Some(number) != record.approval.as_ref());
        }
        self.in_force = record.approval;
    }

    fn drifted(&mut self, record: DriftRecord) {
        self.to_hold
            .insert(record.upstream.as_str().to_owned(), record.held);
    }

    /// How things stood at a moment that the entries taken reach up to, and none goes beyond.
    #[must_use]
    pub fn answer(&self, at: Timestamp) -> AsOf {
        let terms = self
            .in_force
            .as_ref()
            .and_then(|number| self.approvals.get(number));
        let agreements = terms.into_iter().flat_map(|terms| {
            let all = terms.agreements.iter();
            all.map(|(id, agreement)| self.agreement(terms, id, agreement, at))
        });
        AsOf {
            at,
            begins: self.begins,
            last_entry: self.last,
            entries: self.entries,
            epoch: self.epoch,
            approval: self.in_force.clone(),
            under_way: self.under_way.clone(),
            agreements: agreements.collect(),
        }
    }

    fn agreement(
        &self,
        terms: &Terms,
        id: &AgreementId,
        agreement: &AgreementTerms,
        at: Timestamp,
    ) -> AgreementThen {
        let partner = &agreement.partner;
        let standing = self.standing(agreement, at);
        let mut shares: BTreeMap<&PurposeId, Vec<ShareThen>> = BTreeMap::new();
        for share in agreement.shares.values() {
            let place = terms.datasets.get(&share.dataset).cloned().unwrap_or_default();
            shares.entry(&share.purpose).or_default().push(ShareThen {
                place,
                terms: share.clone(),
            });
        }
        let purposes = shares.into_iter().map(|(purpose, shares)| {
            let ended = EndedScope::telling(&self.ended, partner, id, purpose);
            PurposeThen {
                id: purpose.clone(),
                readable: ended.is_none() && standing == Standing::Open,
                ended_by: ended.map(|scope| scope.directive.clone()),
                shares,
            }
        });
        let officers = terms.partners.get(partner).into_iter().flatten();
        AgreementThen {
            id: id.clone(),
            partner: partner.clone(),
            standing,
            valid: agreement.valid,
            terms: agreement.terms.clone(),
            officers: officers
                .map(|(id, officer)| (id.clone(), officer.name.clone()))
                .collect(),
            purposes: purposes.collect(),
        }
    }

    fn standing(&self, agreement: &AgreementTerms, at: Timestamp) -> Standing {
        let hours = agreement.terms.get(HOURS);
        // Hours that an earlier version wrote and this one cannot read let nobody in.
        let closed = hours.is_some_and(|hours| !hours.parse::<Hours>().is_ok_and(|hours| hours.allow(at)));
        if self.held.contains(&agreement.partner) {
            Standing::Held
        } else if at < agreement.valid.begins {
            Standing::NotYet
        } else if !agreement.valid.covers(at) {
            Standing::Over
        } else if closed {
            Standing::OutsideHours
        } else {
            Standing::Open
        }
    }
}

type Fault = Box<dyn std::error::Error + Send + Sync>;

fn read<R: record::Record>(bytes: &[u8]) -> Result<R, Fault> {
    Ok(record::decode(bytes)?)
}
