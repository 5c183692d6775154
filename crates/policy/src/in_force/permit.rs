//! Permits: the proof that a session was decided on.

use evidence::id::{AgreementId, Custodian, Epoch, OfficerId, PartnerId, PurposeId};
use evidence::overseers::Seal;
use jiff::Timestamp;
use jiff::tz::TimeZone;

use super::document::{PurposeInForce, ViewInForce};
use crate::estate::{Limits, SqlName};

/// One session, permitted. Made only by [`Decider`](super::Decider), after Cedar allowed it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Permit {
    pub(super) custodian: Custodian,
    pub(super) epoch: Epoch,
    pub(super) partner: PartnerId,
    pub(super) officer: OfficerId,
    pub(super) agreement: AgreementId,
    pub(super) legal_basis: String,
    pub(super) purpose: PurposeInForce,
    pub(super) case: Option<String>,
    pub(super) limits: Limits,
    pub(super) until: Timestamp,
    pub(super) sealed: Option<Seal>,
    pub(super) receipts: bool,
    pub(super) zone: TimeZone,
}

/// A day by the custodian's clock: 23 to 25 hours, by which budgets are counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Day {
    /// Its first moment.
    pub starts: Timestamp,
    /// The first moment after it.
    pub ends: Timestamp,
}

impl Day {
    /// The day that a moment is on, by a clock of this zone.
    #[must_use]
    pub fn of(now: Timestamp, zone: &TimeZone) -> Self {
        let of = || {
            let starts = now.to_zoned(zone.clone()).start_of_day().ok()?;
            let ends = starts.tomorrow().ok()?.start_of_day().ok()?;
            Some(Self {
                starts: starts.timestamp(),
                ends: ends.timestamp(),
            })
        };
        // At the ends of what a timestamp can say there is one long day.
        of().unwrap_or(Self {
            starts: Timestamp::MIN,
            ends: Timestamp::MAX,
        })
    }

    /// Whether a moment is on this day.
    #[must_use]
    pub fn covers(&self, now: Timestamp) -> bool {
        self.starts <= now && now < self.ends
    }
}

impl Permit {
    /// Whose records they are.
    #[must_use]
    pub fn custodian(&self) -> &Custodian {
        &self.custodian
    }

    /// The number of the policy that permitted it.
    #[must_use]
    pub fn epoch(&self) -> Epoch {
        self.epoch
    }

    /// For whom the officer comes.
    #[must_use]
    pub fn partner(&self) -> &PartnerId {
        &self.partner
    }

    /// Who comes.
    #[must_use]
    pub fn officer(&self) -> &OfficerId {
        &self.officer
    }

    /// Under which agreement.
    #[must_use]
    pub fn agreement(&self) -> &AgreementId {
        &self.agreement
    }

    /// By which law.
    #[must_use]
    pub fn legal_basis(&self) -> &str {
        &self.legal_basis
    }

    /// What for.
    #[must_use]
    pub fn purpose(&self) -> &PurposeId {
        &self.purpose.id
    }

    /// In which case.
    #[must_use]
    pub fn case(&self) -> Option<&str> {
        self.case.as_deref()
    }

    /// The upstream to log in to.
    #[must_use]
    pub fn upstream(&self) -> &str {
        &self.purpose.upstream
    }

    /// The role to log in as.
    #[must_use]
    pub fn role(&self) -> &SqlName {
        &self.purpose.role
    }

    /// The schema of the views.
    #[must_use]
    pub fn schema(&self) -> &SqlName {
        &self.purpose.schema
    }

    /// The views there are.
    #[must_use]
    pub fn views(&self) -> &[ViewInForce] {
        &self.purpose.views
    }

    /// How much.
    #[must_use]
    pub fn limits(&self) -> &Limits {
        &self.limits
    }

    /// Whether the client is sent a signed receipt after each statement.
    #[must_use]
    pub fn receipts(&self) -> bool {
        self.receipts
    }

    /// To whom records under it are sealed, while that [holds](Seal::holds_at).
    #[must_use]
    pub fn seal(&self) -> Option<&Seal> {
        self.sealed.as_ref()
    }

    /// By whose clock the days of its budgets begin.
    #[must_use]
    pub fn time_zone(&self) -> &TimeZone {
        &self.zone
    }

    /// The moment it ends by itself, at the latest: the agreement's last day is over, or its hours close.
    #[must_use]
    pub fn until(&self) -> Timestamp {
        self.until
    }
}
