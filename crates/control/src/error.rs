//! What can go wrong in control, grouped by who can put it right.

use evidence::directive::ApprovalError;
use evidence::id::{Custodian, DirectiveNumber, PartnerId};
use jiff::Timestamp;
use policy::harden::Finding;
use proof::hold::Unheld;

/// Who is at fault, as the command line's exit code says it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Class {
    /// The answer is no: refused, or a finding. Exit code 1.
    No,
    /// The call or a file is wrong. Exit code 2.
    Wrong,
    /// Something needed is not there, or failed. Exit code 3.
    Missing,
}

impl Class {
    /// The exit code of the command line.
    #[must_use]
    pub fn exit_code(self) -> u8 {
        match self {
            Self::No => 1,
            Self::Wrong => 2,
            Self::Missing => 3,
        }
    }
}

/// Why an estate may not be put in force.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NotApprovedYet {
    /// There is no approval at all.
    #[error("two people must approve an estate before it is put in force, and none has been approved yet")]
    None,
    /// The last approval is of another estate.
    #[error(
        "two people must approve an estate before it is put in force, and the last approval, `{number}`, is of another one \
         ({approved})"
    )]
    Another {
        /// The approval.
        number: DirectiveNumber,
        /// SHA-256 of what it approves.
        approved: String,
    },
    /// It expired before the estate was first put in force.
    #[error("the approval `{number}` expired {expired}, before the estate was put in force")]
    Expired {
        /// The approval.
        number: DirectiveNumber,
        /// When it expired.
        expired: Timestamp,
    },
}

/// Why control did not do what it was asked. `Display` says what and where; [`ControlError::remedy`] what would be right.
#[derive(Debug, thiserror::Error)]
pub enum ControlError {
    // The answer is no.
    /// The database is open in a way that Estop does not share beside.
    #[error("nothing was changed: {} of the database's own rights must be closed first, the first being: {}", .0.len(), first(.0))]
    Blocked(Vec<Finding>),
    /// The database is not any more as it was when the plan was shown.
    #[error("nothing was changed: the plan is not any more the one that was shown")]
    PlanChanged,
    /// The estate served may not be put in force: no approval of exactly it counts.
    #[error("nothing was changed: {why}")]
    NoApproval {
        /// Whose directives.
        custodian: Custodian,
        /// SHA-256 of the estate served.
        estate: String,
        /// Why not.
        why: NotApprovedYet,
    },
    /// An approval of another estate than the one served.
    #[error("the directive approves the estate {approved}, and the one served is {served}")]
    OtherEstate {
        /// The estate approved.
        approved: String,
        /// The estate served.
        served: String,
    },
    /// An approval whose summary is not the one that follows from what is approved now.
    #[error(
        "the directive was signed over another summary: what is in force has changed since it was drawn up, or the summary was \
         made otherwise"
    )]
    OtherSummary,
    /// The estate is not proved to keep its guardrails.
    #[error("nothing was changed: the estate may not be put in force:\n{}", .0.join("\n"))]
    NotHeld(Vec<String>),
    /// Not enough of the right people have signed.
    #[error("the directive is not approved")]
    NotApproved(#[source] ApprovalError),
    /// Another directive has this number.
    #[error("directive `{0}` is in the ledger already, with other text")]
    NumberTaken(DirectiveNumber),
    /// This nonce was used by another directive.
    #[error("the nonce of directive `{number}` was used before, by `{earlier}`")]
    NonceUsed {
        /// This one.
        number: DirectiveNumber,
        /// The earlier one.
        earlier: DirectiveNumber,
    },
    /// The directive was drawn up over another ledger.
    #[error("the directive was drawn up at size {0} of another ledger: this one never had that root there")]
    ForeignLedger(u64),
    /// A directive that would do something else than its preview said when it was drawn up.
    #[error(
        "nothing was changed: `{number}` would do something else by now than those who signed it were told. It would:\n{preview}"
    )]
    OtherPreview {
        /// The directive.
        number: DirectiveNumber,
        /// What it would do now.
        preview: String,
        /// The preview's SHA-256, in hexadecimal.
        sha256: String,
    },
    /// A suspension that was over before it could begin.
    #[error("the suspension `{number}` was to last until {until}, which is past")]
    Over {
        /// The directive.
        number: DirectiveNumber,
        /// Until when.
        until: Timestamp,
    },
    /// A reinstatement of what is not ended.
    #[error("directive `{number}` cannot be lifted: {why}")]
    NothingToLift {
        /// The directive that would be lifted.
        number: DirectiveNumber,
        /// Why not.
        why: &'static str,
    },
    /// No certificate can be issued yet.
    #[error("directive `{number}` has no certificate: {why}")]
    NoCertificate {
        /// Of which directive.
        number: DirectiveNumber,
        /// Why not.
        why: String,
    },

    // The call or a file is wrong.
    /// No such partner.
    #[error("`{0}` is no partner of the estate")]
    UnknownPartner(PartnerId),
    /// The scope names an agreement or purpose that the partner does not have.
    #[error("partner `{partner}` has no {what}")]
    UnknownScope {
        /// The partner.
        partner: PartnerId,
        /// What it does not have, in words.
        what: String,
    },
    /// No such directive.
    #[error("the ledger has no directive `{0}`")]
    UnknownDirective(DirectiveNumber),
    /// Something in the estate's files.
    #[error("{what} of the estate: {right}")]
    Estate {
        /// Which part.
        what: &'static str,
        /// What would be right.
        right: String,
    },
    /// Something in the request.
    #[error("{what} of the request")]
    Request {
        /// Which part.
        what: &'static str,
        /// What is wrong with it.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },

    // Something is not there.
    /// The proof cannot be made.
    #[error("nothing was changed: the guardrails cannot be proved to hold")]
    Unproved(#[source] Box<Unheld>),
    /// The proof is of another estate than the one served, which is a fault of ours.
    #[error("nothing was changed: what was proved is another estate than the one served")]
    OtherProof,
    /// The database cannot be reached.
    #[error("the database `{upstream}` cannot be reached")]
    Unreachable {
        /// The upstream's name in the estate.
        upstream: String,
        /// Why.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// An airlock's upstream was not looked at yet, so that nobody knows what the airlock must be like.
    #[error("the custodian's database behind it was not seen yet")]
    NotSeenYet,
    /// The database refused or failed.
    #[error("the database failed at: {doing}")]
    Database {
        /// What was being done.
        doing: String,
        /// What it said.
        #[source]
        source: tokio_postgres::Error,
    },
    /// The database answered otherwise than its catalogs should.
    #[error("the database's answer to `{doing}` cannot be read")]
    Answer {
        /// What was being done.
        doing: &'static str,
        /// Why not.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// The ledger cannot take or give entries.
    #[error("the ledger failed at: {doing}")]
    Ledger {
        /// What was being done.
        doing: &'static str,
        /// Why.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// The record of an approval is not the one that was signed.
    #[error("the ledger's record of approval `{0}` holds other signers than were signed for")]
    ContradictoryApproval(DirectiveNumber),
    /// The register cannot be read or written.
    #[error("the register failed at: {doing}")]
    Register {
        /// What was being done.
        doing: &'static str,
        /// Why.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// No random bytes.
    #[error("the system's random source failed")]
    Random,
    /// The epoch cannot move.
    #[error("the policy in force cannot be changed")]
    Epoch(#[source] policy::in_force::MakeError),
}

fn first(findings: &[Finding]) -> &str {
    findings.first().map_or("", |finding| finding.what.as_str())
}

impl ControlError {
    /// Who can put it right.
    #[must_use]
    pub fn class(&self) -> Class {
        match self {
            Self::Blocked(_)
            | Self::PlanChanged
            | Self::NoApproval { .. }
            | Self::OtherEstate { .. }
            | Self::OtherSummary
            | Self::NotHeld(_)
            | Self::NotApproved(_)
            | Self::NumberTaken(_)
            | Self::NonceUsed { .. }
            | Self::ForeignLedger(_)
            | Self::Over { .. }
            | Self::OtherPreview { .. }
            | Self::NothingToLift { .. }
            | Self::NoCertificate { .. } => Class::No,
            Self::UnknownPartner(_)
            | Self::UnknownScope { .. }
            | Self::UnknownDirective(_)
            | Self::Estate { .. }
            | Self::Request { .. } => Class::Wrong,
            Self::Unproved(_)
            | Self::OtherProof
            | Self::Unreachable { .. }
            | Self::NotSeenYet
            | Self::Database { .. }
            | Self::Answer { .. }
            | Self::Ledger { .. }
            | Self::ContradictoryApproval(_)
            | Self::Register { .. }
            | Self::Random
            | Self::Epoch(_) => Class::Missing,
        }
    }

    /// What would be right, for a person.
    #[must_use]
    pub fn remedy(&self) -> String {
        match self {
            Self::Blocked(findings) => {
                let close: Vec<&str> = findings
                    .iter()
                    .flat_map(|f| &f.close)
                    .map(String::as_str)
                    .collect();
                format!(
                    "run in the database, after asking who relies on it: {}",
                    close.join("; ")
                )
            }
            Self::PlanChanged => "look at the new plan, then apply that".to_owned(),
            Self::NoApproval { custodian, .. } => format!(
                "draw its approval up, have two people sign it, hand it in, then apply again:\n\
                 estop directive new approve --basis 'WHAT IT RESTS ON'\n\
                 ssh-keygen -Y sign -n {} -f KEY < NUMBER.directive > NUMBER.directive.NAME.sig\n\
                 estop directive submit NUMBER.directive\n\
                 estop apply",
                evidence::directive::namespace(custodian)
            ),
            Self::OtherEstate { .. } => {
                "start `estop serve` with the estate that was approved, or have the one served approved".to_owned()
            }
            Self::NotHeld(_) => {
                "change the agreement, or the guardrail if the law has changed; `estop check` shows all findings".to_owned()
            }
            Self::Unproved(error) => match error.as_ref() {
                Unheld::NoSolvers(_) => {
                    "sudo apt-get install cvc5 z3, where `estop serve` runs; both solvers are asked, and must agree".to_owned()
                }
                _ => "`estop check` says more; it needs no database".to_owned(),
            },
            Self::OtherProof => "please report it with the estate".to_owned(),
            Self::OtherSummary => "draw the approval up anew, read it, and have that signed".to_owned(),
            Self::NotApproved(ApprovalError::UnknownKey { .. }) => {
                "two people of the allowed signers sign the same text; the allowed signers are those of the estate that was \
                 approved last, and before any was, those of `authorities/allowed_signers` when `estop serve` started"
                    .to_owned()
            }
            Self::NotApproved(_) => {
                "two people of the allowed signers sign the same text, each with their own key".to_owned()
            }
            Self::NumberTaken(_) | Self::NonceUsed { .. } | Self::ForeignLedger(_) => {
                "draw the directive up anew, here, and have that signed".to_owned()
            }
            Self::OtherPreview { sha256, .. } => format!(
                "read what it would do. If that is what is ordered: estop directive submit --despite {sha256} FILE; if not, draw \
                 it up anew"
            ),
            Self::Over { .. } => "draw a suspension up that lasts longer".to_owned(),
            Self::NothingToLift { .. } => {
                "`estop directive list` shows what each has ended, and what was lifted".to_owned()
            }
            Self::NoCertificate { .. } => {
                "submit the directive again: what is missing is taken up where it stopped".to_owned()
            }
            Self::UnknownPartner(_) | Self::UnknownScope { .. } => {
                "name one that is in the estate".to_owned()
            }
            Self::UnknownDirective(_) => "`estop directive list` shows those there are".to_owned(),
            Self::Estate { right, .. } => right.clone(),
            Self::Request { .. } => "see docs/formats.md for its form".to_owned(),
            Self::Unreachable { .. } | Self::NotSeenYet => {
                "see that it runs and that the url in `estop.toml` is right".to_owned()
            }
            Self::Database { .. } | Self::Answer { .. } => "see the server's log".to_owned(),
            Self::ContradictoryApproval(_) => "verify the ledger: `estop ledger verify`".to_owned(),
            Self::Ledger { .. } | Self::Register { .. } | Self::Random | Self::Epoch(_) => {
                "see that the state folder can be written, then ask again".to_owned()
            }
        }
    }

    /// The error and everything that caused it, as one line.
    #[must_use]
    pub fn chain(&self) -> String {
        let mut text = self.to_string();
        let mut next = std::error::Error::source(self);
        while let Some(cause) = next {
            text.push_str(": ");
            text.push_str(&cause.to_string());
            next = cause.source();
        }
        text
    }

    pub(crate) fn unheld(error: Unheld) -> Self {
        match error {
            Unheld::Refused(lines) => Self::NotHeld(lines),
            other => Self::Unproved(Box::new(other)),
        }
    }

    pub(crate) fn database(doing: impl Into<String>) -> impl FnOnce(tokio_postgres::Error) -> Self {
        let doing = doing.into();
        |source| Self::Database { doing, source }
    }

    pub(crate) fn ledger<E: std::error::Error + Send + Sync + 'static>(
        doing: &'static str,
    ) -> impl FnOnce(E) -> Self {
        move |source| Self::Ledger {
            doing,
            source: Box::new(source),
        }
    }

    pub(crate) fn register<E: std::error::Error + Send + Sync + 'static>(
        doing: &'static str,
    ) -> impl FnOnce(E) -> Self {
        move |source| Self::Register {
            doing,
            source: Box::new(source),
        }
    }
}
