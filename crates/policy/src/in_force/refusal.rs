//! Refusals of a session: what was wrong, and what its partner may know of it.

use evidence::id::{AgreementId, Custodian, DirectiveNumber, PurposeId};
use jiff::Timestamp;

use crate::estate::{CaseForm, Hours, Validity};

/// Longest text of a client that a refusal repeats, in characters.
pub(super) const SHOWN_CHARS: usize = 64;

/// The SQLSTATE of a refusal (PostgreSQL documentation, appendix A).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum SqlState {
    /// `28000` `invalid_authorization_specification`
    InvalidAuthorization,
    /// `42501` `insufficient_privilege`
    InsufficientPrivilege,
    /// `22023` `invalid_parameter_value`
    InvalidParameter,
    /// `57P01` `admin_shutdown`
    AdminShutdown,
}

impl SqlState {
    /// The five characters.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::InvalidAuthorization => "28000",
            Self::InsufficientPrivilege => "42501",
            Self::InvalidParameter => "22023",
            Self::AdminShutdown => "57P01",
        }
    }
}

/// Why a session is not, or no longer, permitted. `Display` is the message to the client, [`Refusal::hint`] what to do
/// about it; both show a partner nothing but its own agreement.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// There is no such agreement, or it is another partner's: the same to whoever asks.
    #[error("no agreement `{0}` permits this officer anything")]
    NoAgreement(AgreementId),
    /// Before its first day or after its last.
    #[error("agreement `{agreement}` is in force from {} to {} and not now", .valid.from, .valid.until)]
    NotInForce {
        /// The agreement.
        agreement: AgreementId,
        /// When it is.
        valid: Validity,
    },
    /// No purpose was stated, and the agreement has several.
    #[error("agreement `{agreement}` needs a purpose: {}", listed(.purposes))]
    PurposeNeeded {
        /// The agreement.
        agreement: AgreementId,
        /// What it is for.
        purposes: Vec<PurposeId>,
    },
    /// The purpose that was stated is none of the agreement's.
    #[error("agreement `{agreement}` ({legal_basis}) is not for the purpose `{stated}`, but for {}", listed(.purposes))]
    PurposeNotAllowed {
        /// The agreement.
        agreement: AgreementId,
        /// By which law.
        legal_basis: String,
        /// What was stated, cut to a bound and without control characters.
        stated: String,
        /// What it is for.
        purposes: Vec<PurposeId>,
    },
    /// No case reference was stated, and the agreement asks for one.
    #[error("agreement `{agreement}` needs a case reference of the form `{form}`")]
    CaseNeeded {
        /// The agreement.
        agreement: AgreementId,
        /// A regular expression.
        form: String,
    },
    /// The case reference does not look as the agreement wants it.
    #[error("the case reference is not of the form `{form}` that agreement `{agreement}` asks for")]
    CaseForm {
        /// The agreement.
        agreement: AgreementId,
        /// A regular expression.
        form: String,
    },
    /// The case reference cannot be one under any agreement.
    #[error(
        "a case reference is 1 to {} bytes without control characters",
        CaseForm::MAX_CASE_BYTES
    )]
    CaseUnusable,
    /// Not at this time of the week.
    #[error("agreement `{agreement}` may be used {hours} and not now")]
    OutsideHours {
        /// The agreement.
        agreement: AgreementId,
        /// When it may.
        hours: Hours,
    },
    /// A directive has ended it, for good or until a time.
    #[error("access under agreement `{agreement}` {} directive {directive} of {custodian}", ends(.until))]
    Ended {
        /// The agreement.
        agreement: AgreementId,
        /// By which directive.
        directive: DirectiveNumber,
        /// Whose directive.
        custodian: Custodian,
        /// Of a suspension: when it lapses.
        until: Option<Timestamp>,
    },
    /// Its partner is held: the database was changed behind the custodian's back.
    #[error(
        "access under agreement `{agreement}` is on hold: {custodian} has found its database changed against the agreements"
    )]
    Held {
        /// The agreement.
        agreement: AgreementId,
        /// Whose database.
        custodian: Custodian,
    },
    /// Nothing above is wrong, and the policy still does not permit it: never seen unless the document is damaged.
    #[error("the policy in force does not permit this under agreement `{0}`")]
    NotPermitted(AgreementId),
}

impl Refusal {
    /// Its SQLSTATE (DESIGN.md, section 7).
    #[must_use]
    pub fn sqlstate(&self) -> SqlState {
        match self {
            Self::NoAgreement(_) | Self::NotInForce { .. } => SqlState::InvalidAuthorization,
            Self::PurposeNeeded { .. }
            | Self::PurposeNotAllowed { .. }
            | Self::OutsideHours { .. }
            | Self::NotPermitted(_) => SqlState::InsufficientPrivilege,
            Self::CaseNeeded { .. } | Self::CaseForm { .. } | Self::CaseUnusable => {
                SqlState::InvalidParameter
            }
            Self::Ended { .. } | Self::Held { .. } => SqlState::AdminShutdown,
        }
    }

    /// What the client can do about it, or how to check it.
    #[must_use]
    pub fn hint(&self) -> Option<String> {
        let purpose = "Connect with options=-cestop.purpose=PURPOSE, or as OFFICER+PURPOSE+CASE.";
        let case =
            "Connect with options=-cestop.case=CASE, or as OFFICER+PURPOSE+CASE, or SET estop.case = 'CASE'.";
        match self {
            Self::PurposeNeeded { .. } | Self::PurposeNotAllowed { .. } => Some(purpose.to_owned()),
            Self::CaseNeeded { .. } | Self::CaseForm { .. } | Self::CaseUnusable => Some(case.to_owned()),
            Self::Ended {
                until: Some(_),
                directive,
                custodian,
                ..
            } => Some(format!(
                "It lapses by itself then. Ask {custodian} for the certificate of {directive} and check it with \
                 `estop certificate verify`."
            )),
            Self::Ended {
                directive, custodian, ..
            } => Some(format!(
                "Ask {custodian} for the certificate of {directive} and check it with `estop certificate verify`."
            )),
            Self::Held { custodian, .. } => Some(format!(
                "Nothing has been ended. Ask {custodian}: it lifts the hold when its database is as the agreements say."
            )),
            Self::NoAgreement(_) => {
                Some("The database's name is the agreement's, the user's name the officer's.".to_owned())
            }
            Self::NotInForce { .. } | Self::OutsideHours { .. } | Self::NotPermitted(_) => None,
        }
    }

    /// The directive that ended it, if one has.
    #[must_use]
    pub fn directive(&self) -> Option<&DirectiveNumber> {
        match self {
            Self::Ended { directive, .. } => Some(directive),
            _ => None,
        }
    }
}

/// What a client said, fit to be repeated: no control characters, no more than [`SHOWN_CHARS`].
pub(super) fn shown(text: &str) -> String {
    text.chars()
        .filter(|char| !char.is_control())
        .take(SHOWN_CHARS)
        .collect()
}

fn ends(until: &Option<Timestamp>) -> String {
    match until {
        None => "was ended by".to_owned(),
        Some(until) => format!("is suspended until {until} by"),
    }
}

fn listed(purposes: &[PurposeId]) -> String {
    let quoted: Vec<String> = purposes.iter().map(|purpose| format!("`{purpose}`")).collect();
    quoted.join(", ")
}
