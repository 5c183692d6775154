//! Permits: the proof that a session was decided on.

use evidence::id::{AgreementId, Custodian, Epoch, OfficerId, PartnerId, PurposeId};
use jiff::Timestamp;

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

    /// The moment it ends by itself, at the latest: the agreement's last day is over, or its hours close.
    #[must_use]
    pub fn until(&self) -> Timestamp {
        self.until
    }
}
