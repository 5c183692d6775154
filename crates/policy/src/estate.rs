//! The estate: a custodian's folder of files, parsed and checked as a whole.
//!
//! An [`Estate`] exists only if every file in it is right and agrees with the others; [`Estate::parse`] otherwise returns
//! everything that is wrong, each with its place. Which files there are, and what stands in them: DESIGN.md, section 6.

mod case_form;
mod check;
mod column_type;
mod decimal;
pub mod document;
mod finding;
mod hours;
mod log_in;
mod model;
mod names;
mod overseers;
mod raw;
mod retention;
pub mod schema;
mod shape;
mod verifier;

#[cfg(test)]
pub(crate) mod fixture;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;

use evidence::hash::Hash;
use evidence::id::{AgreementId, DatasetId, OverseersId, PartnerId, PurposeId};
use evidence::witness_policy::WitnessPolicy;

use crate::shared_view::SharedView;

use crate::guardrail::Statute;

pub use case_form::{CaseForm, CaseFormError};
pub(crate) use check::line;
pub use column_type::ColumnType;
pub use decimal::{Decimal, DecimalError};
pub use finding::{EstateErrors, Finding, Known, Problem};
pub(crate) use finding::{meant, position};
pub(crate) use hours::time_zone;
pub use hours::{Hours, HoursError};
pub use log_in::{CertificateName, LogIn, LogInError, Tokens};
pub use model::{
    Agreement, AirlockLimits, Column, CustodianSection, Dataset, Gateway, Isolation, Limits, Officer,
    OnDrift, Onward, Partner, Relation, Share, SharedColumn, State, Upstream, UpstreamUrl, Validity, Watch,
};
pub use names::{NameError, SqlName, role_name, view_name};
pub use overseers::Overseers;
pub use retention::{Retention, RetentionError};
pub use shape::{Aggregate, ShareError, ShareKind, SmallGroups, Timing};
pub use verifier::{ScramVerifierText, VerifierTextError};

/// The files of an estate: path relative to its folder, with `/`, to the text. Of a document that an agreement names, the
/// text is what [`document::found`] or [`document::unreadable`] says of it.
pub type Files = BTreeMap<String, String>;

/// SHA-256 of an estate's files: of each path and text with its length (64 bits, big end first) before it, in the order of paths.
#[must_use]
pub fn hash(files: &Files) -> Hash {
    let mut bytes = Vec::new();
    for part in files.iter().flat_map(|(path, text)| [path, text]) {
        bytes.extend_from_slice(&u64::try_from(part.len()).unwrap_or(u64::MAX).to_be_bytes());
        bytes.extend_from_slice(part.as_bytes());
    }
    evidence::hash::sha256(&bytes)
}

/// Most files an estate may have: ten times what the largest imagined custodian (1,000 agreements) needs.
pub const MAX_FILES: usize = 16_384;

/// Longest file of an estate, in bytes. An agreement is a page or two.
pub const MAX_FILE_BYTES: usize = 1 << 20;

/// Longest files together, in bytes: an estate is held in memory as a whole.
pub const MAX_ESTATE_BYTES: usize = 64 << 20;

/// A custodian's configuration, checked: whatever refers to something refers to something that is there.
#[derive(Debug, Clone)]
pub struct Estate {
    custodian: CustodianSection,
    upstreams: BTreeMap<String, Upstream>,
    gateway: Gateway,
    airlock: AirlockLimits,
    state: State,
    watch: Watch,
    overseers: BTreeMap<OverseersId, Overseers>,
    datasets: BTreeMap<DatasetId, Dataset>,
    partners: BTreeMap<PartnerId, Partner>,
    agreements: BTreeMap<AgreementId, Agreement>,
    views: BTreeMap<AgreementId, BTreeMap<PurposeId, Vec<SharedView>>>,
    statute: Statute,
    signers: Option<String>,
    witnesses: Option<WitnessPolicy>,
}

impl Estate {
    /// Reads and checks all files together.
    ///
    /// # Errors
    /// Everything that is wrong, in the order of the files.
    pub fn parse(files: &Files) -> Result<Self, EstateErrors> {
        check::estate(files)
    }

    /// The custodian.
    #[must_use]
    pub fn custodian(&self) -> &CustodianSection {
        &self.custodian
    }

    /// The databases that are shared from, by name.
    #[must_use]
    pub fn upstreams(&self) -> &BTreeMap<String, Upstream> {
        &self.upstreams
    }

    /// How the gateway listens.
    #[must_use]
    pub fn gateway(&self) -> &Gateway {
        &self.gateway
    }

    /// What one partner's airlock may take of the machine.
    #[must_use]
    pub fn airlock(&self) -> AirlockLimits {
        self.airlock
    }

    /// Where Estop keeps its own state.
    #[must_use]
    pub fn state(&self) -> &State {
        &self.state
    }

    /// How control watches for changes behind its back.
    #[must_use]
    pub fn watch(&self) -> Watch {
        self.watch
    }

    /// The overseers to whom records may be sealed, by id.
    #[must_use]
    pub fn overseers(&self) -> &BTreeMap<OverseersId, Overseers> {
        &self.overseers
    }

    /// The data sets, by id.
    #[must_use]
    pub fn datasets(&self) -> &BTreeMap<DatasetId, Dataset> {
        &self.datasets
    }

    /// The partners, by id.
    #[must_use]
    pub fn partners(&self) -> &BTreeMap<PartnerId, Partner> {
        &self.partners
    }

    /// The agreements, by id.
    #[must_use]
    pub fn agreements(&self) -> &BTreeMap<AgreementId, Agreement> {
        &self.agreements
    }

    /// The guardrails.
    #[must_use]
    pub fn statute(&self) -> &Statute {
        &self.statute
    }

    /// What is shown for one purpose of one agreement: a view for each data set, in the order of the shares. Empty only for
    /// another estate's.
    #[must_use]
    pub fn views(&self, agreement: &AgreementId, purpose: &PurposeId) -> &[SharedView] {
        let views = self.views.get(agreement).and_then(|views| views.get(purpose));
        views.map_or(&[], Vec::as_slice)
    }

    /// Whom the custodian has cosign its ledger, as `authorities/witnesses` says (C2SP tlog-policy), if there is such a file.
    #[must_use]
    pub fn witnesses(&self) -> Option<&WitnessPolicy> {
        self.witnesses.as_ref()
    }

    /// The text of `authorities/allowed_signers`, if there is one: `evidence::signers::AllowedSigners` can read it.
    #[must_use]
    pub fn signers(&self) -> Option<&str> {
        self.signers.as_deref()
    }

    /// The data set a share of one of this estate's agreements shares. `None` only for a share of another estate.
    #[must_use]
    pub fn dataset_of(&self, share: &Share) -> Option<&Dataset> {
        self.datasets.get(&share.dataset)
    }
}
