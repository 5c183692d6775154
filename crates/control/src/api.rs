//! The admin API: JSON over HTTP on a Unix socket. Whoever can open the socket is trusted as the custodian's operator;
//! directives need their two signatures all the same.
//!
//! | request | answer |
//! | --- | --- |
//! | `GET /health` | [`Health`] |
//! | `GET /status` | [`Status`] |
//! | `GET /plan` | [`PlanAnswer`]: before applying the plan, afterwards drift |
//! | `POST /apply` [`ApplyRequest`] | [`AppliedPlans`](crate::AppliedPlans) |
//! | `POST /directive/draft` [`DraftRequest`] | [`DirectiveDraft`] |
//! | `POST /reinstatement/draft` [`ReinstatementRequest`] | [`DirectiveDraft`] |
//! | `POST /approval/draft` [`ApprovalRequest`] | [`ApprovalDraft`] |
//! | `POST /directive` [`Submission`] | [`Outcome`] |
//! | `GET /directives` | list of [`DirectiveSummary`] |
//! | `POST /certificate/{number}` [`CertificateRequest`] | [`CertificateAnswer`] |
//!
//! An error is [`ErrorAnswer`], with a status of 409 (the answer is no), 400 (the call or a file is wrong) or 503
//! (something needed is not there).

use evidence::directive::{OrderKind, Particulars};
use evidence::hash::Hash;
use evidence::id::{AgreementId, Custodian, DatasetId, DirectiveNumber, Epoch, Origin, PartnerId, PurposeId};
use evidence::record::{Cut, Drained, RoleEvidence, Step, Unfinished};
use jiff::Timestamp;
use policy::terms::Change;
use serde::{Deserialize, Serialize};

use crate::applying::UpstreamPlan;
use crate::error::{Class, ControlError};
use crate::store::GatewayState;
use crate::watch::WatchState;

mod answers;
mod serving;

pub use serving::{MAX_BODY_BYTES, serve_admin};

/// The process is there and its ledger takes entries.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Health {
    /// Whose.
    pub custodian: Custodian,
    /// The policy in force.
    pub epoch: Epoch,
    /// Entries in the main log.
    pub ledger_size: u64,
}

/// How everything stands.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Status {
    /// Whose.
    pub custodian: Custodian,
    /// The policy in force.
    pub epoch: Epoch,
    /// Entries in the main log.
    pub ledger_size: u64,
    /// The gateways, by name, with what each says of itself.
    pub gateways: Vec<GatewayLine>,
    /// The partners.
    pub partners: Vec<PartnerLine>,
    /// The purposes of all agreements.
    pub purposes: Vec<PurposeLine>,
    /// The directives.
    pub directives: Vec<DirectiveSummary>,
    /// How the watch over the databases stands.
    pub watch: WatchState,
    /// The application that was begun last, if it was not finished.
    #[serde(default)]
    pub unfinished: Option<Unfinished>,
}

/// A gateway.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct GatewayLine {
    /// Its name.
    pub id: String,
    /// What it says of itself.
    #[serde(flatten)]
    pub state: GatewayState,
}

/// A partner and its log.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PartnerLine {
    /// Its id.
    pub id: PartnerId,
    /// What people call it.
    pub title: String,
    /// Its log, if it was ever opened.
    pub log: Option<LogLine>,
    /// It is held: a database was changed in a way that opens something to it.
    #[serde(default)]
    pub held: bool,
}

/// How a log stands.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LogLine {
    /// Its origin.
    pub origin: Origin,
    /// Its entries.
    pub size: u64,
    /// The root of its tree.
    pub root: Hash,
    /// Whether it takes entries.
    pub open: bool,
}

/// A purpose of an agreement.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PurposeLine {
    /// Whose.
    pub partner: PartnerId,
    /// Under which agreement.
    pub agreement: AgreementId,
    /// Which.
    pub purpose: PurposeId,
    /// Its role and schema in the database.
    pub role: String,
    /// The directive that ended it, if one has.
    pub ended_by: Option<DirectiveNumber>,
    /// When that lapses, if it is a suspension.
    #[serde(default)]
    pub until: Option<Timestamp>,
}

/// What to draw up: a termination, or a suspension.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DraftRequest {
    /// Whose access.
    pub partner: PartnerId,
    /// Only under this agreement.
    #[serde(default)]
    pub agreement: Option<AgreementId>,
    /// Only for this purpose.
    #[serde(default)]
    pub purpose: Option<PurposeId>,
    /// Of a suspension: when it lapses by itself. Left out, it is a termination.
    #[serde(default)]
    pub until: Option<Timestamp>,
    /// The legal basis, one line.
    pub basis: String,
    /// What else the law asks the order to say.
    #[serde(default)]
    pub particulars: Particulars,
    /// Hours until it expires; 24 if nothing is said.
    #[serde(default)]
    pub hours: Option<u32>,
}

/// What to draw up: the reinstatement of what a directive has ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ReinstatementRequest {
    /// That directive.
    pub lifts: DirectiveNumber,
    /// The legal basis, one line.
    pub basis: String,
    /// What else the law asks the order to say.
    #[serde(default)]
    pub particulars: Particulars,
    /// Hours until it expires; 24 if nothing is said.
    #[serde(default)]
    pub hours: Option<u32>,
}

/// A directive to be signed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DirectiveDraft {
    /// Its number.
    pub number: DirectiveNumber,
    /// The text to be signed, byte for byte.
    pub text: String,
    /// The namespace to sign it in: `ssh-keygen -Y sign -n`.
    pub namespace: String,
    /// What it would cut.
    pub would_cut: Vec<ScopeLine>,
    /// What it would give back, if it is a reinstatement; what another directive has ended too, that one keeps closed.
    #[serde(default)]
    pub would_open: Vec<ScopeLine>,
    /// What it would do, as text: its SHA-256 is part of what is signed.
    #[serde(default)]
    pub preview: String,
    /// What the partner had of late in what would be cut.
    #[serde(default)]
    pub used: Option<Used>,
}

/// What a partner had of late.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Used {
    /// Since when is counted: 30 days ago, or later in a ledger that has grown fast.
    pub since: Timestamp,
    /// Statements that gave rows, or counts.
    pub statements: u64,
    /// Rows that went out.
    pub rows: u64,
}

/// How to draw up the approval of the estate served.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ApprovalRequest {
    /// The legal basis, one line.
    pub basis: String,
    /// Hours until it expires; 24 if nothing is said.
    #[serde(default)]
    pub hours: Option<u32>,
}

/// An approval to be signed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ApprovalDraft {
    /// Its number.
    pub number: DirectiveNumber,
    /// The text to be signed, byte for byte.
    pub text: String,
    /// The namespace to sign it in: `ssh-keygen -Y sign -n`.
    pub namespace: String,
    /// What the estate gives and takes: the text whose hash is signed.
    pub summary: String,
    /// The same as data.
    pub changes: Vec<Change>,
    /// Who may sign it.
    pub may_sign: Vec<String>,
    /// No estate was approved before: its own signers approve it.
    pub first: bool,
}

/// Whether the estate served may be put in force.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ApprovalState {
    /// The estate served.
    pub estate_sha256: String,
    /// The directive that approves it, if one does.
    pub approved_by: Option<DirectiveNumber>,
    /// Why it may not, if it may not.
    pub why_not: Option<String>,
}

/// One purpose that a directive covers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ScopeLine {
    /// Under which agreement.
    pub agreement: AgreementId,
    /// Which.
    pub purpose: PurposeId,
    /// What is shared for it.
    pub datasets: Vec<DatasetId>,
    /// The directive that has ended it already.
    pub ended_before_by: Option<DirectiveNumber>,
}

/// A signed directive.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Submission {
    /// The signed text, byte for byte.
    pub text: String,
    /// The armored OpenSSH signatures.
    pub signatures: Vec<String>,
    /// SHA-256 of the preview, in hexadecimal, that whoever hands it in has seen, if it is another by now than the one signed for.
    #[serde(default)]
    pub despite: Option<String>,
}

/// What came of a directive.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Outcome {
    /// Which directive.
    pub number: DirectiveNumber,
    /// What it orders.
    pub order: OrderKind,
    /// Whose access it ended or gave back.
    pub partner: Option<PartnerId>,
    /// When what it ended comes back by itself, if it is a suspension.
    #[serde(default)]
    pub until: Option<Timestamp>,
    /// The directive that it lifts, if it is a reinstatement.
    #[serde(default)]
    pub lifts: Option<DirectiveNumber>,
    /// SHA-256 of the estate that it approves, if it is an approval.
    pub estate_sha256: Option<String>,
    /// Whether all of it was done. If not, the steps say what was not; it is taken up again, at once if it is submitted again.
    pub complete: bool,
    /// Its entry in the main log.
    pub index: u64,
    /// When it was recorded.
    pub recorded: Timestamp,
    /// The policy in force since it.
    pub epoch: Option<Epoch>,
    /// The sessions that gateways cut, with what each had received.
    pub cuts: Vec<Cut>,
    /// What gateways said when they had no session left.
    pub drained: Vec<Drained>,
    /// What was done, in order.
    pub steps: Vec<Step>,
    /// What the catalog said of each role afterwards.
    pub roles: Vec<RoleEvidence>,
    /// The partner's log has its last leaf.
    pub log_closed: bool,
}

/// A directive of the ledger.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DirectiveSummary {
    /// Its number.
    pub number: DirectiveNumber,
    /// What it orders.
    pub order: OrderKind,
    /// Whose access it ended or gave back.
    pub partner: Option<PartnerId>,
    /// When what it ended comes back by itself, if it is a suspension.
    #[serde(default)]
    pub until: Option<Timestamp>,
    /// The directive that it lifts, if it is a reinstatement.
    #[serde(default)]
    pub lifts: Option<DirectiveNumber>,
    /// What it had ended has been given back.
    #[serde(default)]
    pub lifted: bool,
    /// SHA-256 of the estate that it approves, if it is an approval.
    pub estate_sha256: Option<String>,
    /// Of an approval: whether it is the last one, so that its estate may be put in force.
    pub last: Option<bool>,
    /// Only under this agreement.
    pub agreement: Option<AgreementId>,
    /// Only for this purpose.
    pub purpose: Option<PurposeId>,
    /// The legal basis.
    pub basis: String,
    /// Who signed.
    pub people: Vec<String>,
    /// When it was recorded.
    pub recorded: Timestamp,
    /// The policy in force since it.
    pub epoch: Option<Epoch>,
    /// Whether all of it was done.
    pub complete: bool,
}

/// Up to when a certificate shall reach.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Until {
    /// Up to now.
    Now,
    /// Up to this time at least; it must be past.
    Time(Timestamp),
}

/// Which certificate.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CertificateRequest {
    /// Up to when it shall reach; left out, to the count that was made when the directive had been carried out.
    #[serde(default)]
    pub until: Option<Until>,
}

/// A certificate.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CertificateAnswer {
    /// Of which directive.
    pub number: DirectiveNumber,
    /// The file, byte for byte.
    pub certificate: String,
}

/// What to apply.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ApplyRequest {
    /// Pairs of an upstream's name and the fingerprint of the plan that was shown: no other plan is applied there.
    #[serde(default)]
    pub shown: Vec<(String, String)>,
}

/// The plans of all upstreams.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PlanAnswer {
    /// One for each.
    pub plans: Vec<UpstreamPlan>,
    /// What the estate gives and takes relative to the one that is in force: to whom, which columns, which rows.
    #[serde(default)]
    pub access: Vec<Change>,
    /// Whether they may be applied.
    pub approval: ApprovalState,
    /// The application that was begun last, if it was not finished: what is to be done can be what it left.
    #[serde(default)]
    pub unfinished: Option<Unfinished>,
}

/// An error, as an answer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ErrorAnswer {
    /// The error.
    pub error: ErrorText,
}

/// What is wrong, where, and what would be right.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ErrorText {
    /// What is wrong, with what caused it.
    pub what: String,
    /// Where: the request's method and path.
    #[serde(rename = "where")]
    pub place: String,
    /// What would be right.
    pub right: String,
    /// Who can put it right.
    pub class: Class,
    /// The exit code that goes with it.
    pub exit_code: u8,
}

impl ErrorText {
    fn new(error: &ControlError, place: String) -> Self {
        let class = error.class();
        Self {
            what: error.chain(),
            place,
            right: error.remedy(),
            class,
            exit_code: class.exit_code(),
        }
    }
}
