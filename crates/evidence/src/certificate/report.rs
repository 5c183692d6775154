//! What came of checking a certificate: one line for each check, and what the certificate says once all of
//! them hold.

use std::collections::BTreeMap;
use std::fmt;

use jiff::Timestamp;
use serde::{Serialize, Serializer};

use crate::checkpoint::Checkpoint;
use crate::hash::Hash;
use crate::id::{Custodian, DirectiveNumber, Epoch, Origin, PartnerId};
use crate::record::{CarriedOut, Cut, Drained};
use crate::signers::Person;

use super::OrderKind;

/// The checks, in the order in which they are made.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum CheckName {
    /// The file is a certificate in its one form.
    Form,
    /// The custodian has signed it.
    CustodianSignature,
    /// The custodian has signed the main log's checkpoint.
    LedgerCheckpoint,
    /// The entries that a certificate must cite are there, and can be read.
    Entries,
    /// Each cited entry stands in the main log.
    Inclusion,
    /// Each opened record is the one that its entry commits to.
    Commitments,
    /// The directive is one, to this custodian.
    Directive,
    /// Two people have signed the directive.
    Approval,
    /// The ledger recorded this very directive.
    DirectiveRecord,
    /// The directive and what was done are about the same partner, and all of it.
    Scope,
    /// Everything happened in the order in which it must.
    Order,
    /// The policy changed because of this directive.
    Epoch,
    /// The sessions that were cut were cut by this directive.
    Cuts,
    /// Every gateway is drained, and the sessions they cut are the ones that are cited.
    Gateways,
    /// The database lets none of the roles in.
    Database,
    /// The custodian has signed the checkpoint of the partner's log.
    PartnerCheckpoint,
    /// The partner's log ends with the entry that closed it.
    ClosingLeaf,
    /// The main log says the same of the partner's log.
    Census,
    /// The text for people says what the rest says.
    Text,
}

/// What came of one check.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case", tag = "result", content = "reason")]
pub enum Finding {
    /// It holds.
    Holds,
    /// It does not: why.
    Fails(String),
    /// It could not be made, since something it needs is missing: what.
    NotReached(String),
}

/// One check.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Check {
    /// Which.
    pub name: CheckName,
    /// What was compared with what.
    pub compared: &'static str,
    /// What came of it.
    #[serde(flatten)]
    pub finding: Finding,
}

/// What a certificate says, all checks of it having held. Made by [`verify`](super::verify) alone.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Report {
    /// Whose data.
    pub custodian: Custodian,
    /// The directive.
    pub directive: DirectiveNumber,
    /// What it ordered.
    pub order: OrderKind,
    /// The partner.
    pub partner: PartnerId,
    /// When what it ended comes back by itself, if it is a suspension.
    #[serde(serialize_with = "as_text_if", skip_serializing_if = "Option::is_none")]
    pub until: Option<Timestamp>,
    /// The legal basis, in the directive's words.
    pub basis: String,
    /// What else the directive says beside its basis, by key: services, grounds, hearing, contact, notice.
    pub particulars: BTreeMap<&'static str, String>,
    /// When it was drawn up.
    #[serde(serialize_with = "as_text")]
    pub issued: Timestamp,
    /// Who signed it, and with which keys.
    pub signed_by: Vec<SignedBy>,
    /// When it was recorded.
    #[serde(serialize_with = "as_text")]
    pub recorded: Timestamp,
    /// The policy in force since it.
    pub epoch: Epoch,
    /// The sessions that were cut, and what each had received.
    pub cut: Vec<Cut>,
    /// The gateways, each drained.
    pub gateways: Vec<Drained>,
    /// What was done in the database, and what its catalog said afterwards.
    pub database: CarriedOut,
    /// When the partner's log was closed.
    #[serde(serialize_with = "as_text")]
    pub closed: Timestamp,
    /// Up to when the certificate speaks: the time of the census that it cites.
    #[serde(serialize_with = "as_text")]
    pub counted: Timestamp,
    /// The partner's log, closed.
    pub partner_log: LogHead,
    /// The main log under whose checkpoint everything stands.
    pub ledger: LogHead,
    /// What a certificate cannot show, in plain words.
    pub not_shown: Vec<String>,
    /// The checks, all of which hold.
    pub checks: Vec<Check>,
}

/// A person who signed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct SignedBy {
    /// Who.
    pub person: Person,
    /// Fingerprint of the key, as `ssh-keygen -l` prints it.
    pub key: String,
}

/// A log at one size.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct LogHead {
    /// Which log.
    pub origin: Origin,
    /// How many leaves.
    pub size: u64,
    /// The root of its tree.
    pub root: Hash,
}

/// A certificate that does not hold.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, thiserror::Error)]
pub struct Refuted {
    /// Every check, those that hold as well.
    pub checks: Vec<Check>,
}

impl CheckName {
    /// Every check, in order.
    pub const ALL: [Self; 19] = [
        Self::Form,
        Self::CustodianSignature,
        Self::LedgerCheckpoint,
        Self::Entries,
        Self::Inclusion,
        Self::Commitments,
        Self::Directive,
        Self::Approval,
        Self::DirectiveRecord,
        Self::Scope,
        Self::Order,
        Self::Epoch,
        Self::Cuts,
        Self::Gateways,
        Self::Database,
        Self::PartnerCheckpoint,
        Self::ClosingLeaf,
        Self::Census,
        Self::Text,
    ];

    /// The name as it is printed.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Form => "form",
            Self::CustodianSignature => "custodian-signature",
            Self::LedgerCheckpoint => "ledger-checkpoint",
            Self::Entries => "entries",
            Self::Inclusion => "inclusion",
            Self::Commitments => "commitments",
            Self::Directive => "directive",
            Self::Approval => "approval",
            Self::DirectiveRecord => "directive-record",
            Self::Scope => "scope",
            Self::Order => "order",
            Self::Epoch => "epoch",
            Self::Cuts => "cuts",
            Self::Gateways => "gateways",
            Self::Database => "database",
            Self::PartnerCheckpoint => "partner-checkpoint",
            Self::ClosingLeaf => "closing-leaf",
            Self::Census => "census",
            Self::Text => "text",
        }
    }

    /// What the check compares with what.
    pub(super) fn compared(self) -> &'static str {
        match self {
            Self::Form => "the file with what writing its parts anew gives, byte for byte",
            Self::CustodianSignature => "the signature under the file with the custodian's public key",
            Self::LedgerCheckpoint => "the checkpoint of the main log with the custodian's public key",
            Self::Entries => "the cited entries with the list of those that a termination needs",
            Self::Inclusion => "each cited entry, by its proof, with the root in the main log's checkpoint",
            Self::Commitments => "each opened record with the commitment in its entry",
            Self::Directive => {
                "the directive with its format, and the custodian it names with the key's name"
            }
            Self::Approval => {
                "the signatures with the directive's bytes and the allowed signers, at the time it was recorded"
            }
            Self::DirectiveRecord => {
                "the directive, signatures and signers with those in the ledger's record of it"
            }
            Self::Scope => "the partner in the directive with the partner in each cited entry",
            Self::Order => "index and time of each cited entry with those of the one before",
            Self::Epoch => "the new policy's number and directive with those in the entries after it",
            Self::Cuts => {
                "the directive and place of each session that was cut with those of this termination"
            }
            Self::Gateways => {
                "the gateways that were at work with those that are drained, and the sessions they cut with those cited"
            }
            Self::Database => {
                "what the catalog said of each role with what a termination leaves: no login, no password, no backend"
            }
            Self::PartnerCheckpoint => "the checkpoint of the partner's log with the custodian's public key",
            Self::ClosingLeaf => {
                "the entry that closed the partner's log, by its proof, with that log's last leaf"
            }
            Self::Census => {
                "the partner's log in the main log's census with the checkpoint of the partner's log"
            }
            Self::Text => "the text for people with the text that the machine part gives",
        }
    }
}

impl fmt::Display for CheckName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl Check {
    /// Whether it holds.
    pub fn holds(&self) -> bool {
        self.finding == Finding::Holds
    }
}

impl fmt::Display for Check {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.finding {
            Finding::Holds => write!(f, "{}: holds", self.name),
            Finding::Fails(reason) => write!(f, "{}: does not hold: {reason}", self.name),
            Finding::NotReached(reason) => write!(f, "{}: could not be checked: {reason}", self.name),
        }
    }
}

impl Refuted {
    /// The checks that failed; those that could not be made are left out.
    pub fn failed(&self) -> impl Iterator<Item = &Check> {
        self.checks
            .iter()
            .filter(|check| matches!(check.finding, Finding::Fails(_)))
    }
}

impl fmt::Display for Refuted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the certificate does not hold")?;
        self.failed().try_for_each(|check| write!(f, "; {check}"))
    }
}

impl From<&Checkpoint> for LogHead {
    fn from(checkpoint: &Checkpoint) -> Self {
        Self {
            origin: checkpoint.origin.clone(),
            size: checkpoint.size,
            root: checkpoint.root,
        }
    }
}

fn as_text<S: Serializer>(time: &Timestamp, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(time)
}

fn as_text_if<S: Serializer>(time: &Option<Timestamp>, serializer: S) -> Result<S::Ok, S::Error> {
    match time {
        Some(time) => serializer.collect_str(time),
        None => serializer.serialize_none(),
    }
}
