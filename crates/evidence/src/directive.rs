//! Directives: signed orders of an authority, as the bytes that are signed.
//!
//! A directive is UTF-8 text with one encoding (`docs/formats.md`): a header line, then one `key value` a
//! line in a fixed order, those that do not apply left out. It is signed with OpenSSH (`ssh-keygen -Y sign`,
//! PROTOCOL.sshsig) by at least two people; what they signed takes effect only as [`Approved`], which
//! [`approve`] alone makes.

use std::fmt;
use std::ops::Deref;
use std::str::FromStr;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

use crate::entry::text as form;
use crate::hash::{Hash, decode_base64};
use crate::id::{AgreementId, Custodian, DirectiveNumber, PartnerId, PurposeId};

mod approval;
mod particulars;
pub(crate) mod signature;
mod text;

pub use approval::{ApprovalError, Approved, MAX_SIGNATURES, MAX_SKEW, MIN_PEOPLE, approve};
pub use particulars::{MAX_NOTICE_BYTES, MAX_PARTICULAR_BYTES, Particulars};
pub use signature::{MAX_SIGNATURE_BYTES, SignatureForm};

/// Longest directive in bytes: every field at its longest comes to about 3,800.
pub const MAX_DIRECTIVE_BYTES: usize = 4_096;

/// Longest basis in bytes: a line that names an order, an ordinance or a docket, not its reasons.
pub const MAX_BASIS_BYTES: usize = 500;

/// Longest time between `issued` and `expires`. A signed order that nobody has carried out must not lie about
/// for good: after a month the authorities decide and sign anew.
pub const MAX_LIFETIME: SignedDuration = SignedDuration::from_hours(31 * 24);

/// Length of a [`Nonce`] in bytes: two drawn at random are never the same.
pub const NONCE_BYTES: usize = 16;

/// What a directive orders.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Order {
    /// Put exactly this estate in force.
    Approve(EstateTerms),
    /// End all access in scope, for good.
    Terminate(Scope),
    /// End all access in scope until a time.
    Suspend(Suspension),
    /// Lift what an earlier directive has ended.
    Reinstate(Reinstatement),
}

/// The kinds of order there are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum OrderKind {
    /// [`Order::Approve`].
    Approve,
    /// [`Order::Terminate`].
    Terminate,
    /// [`Order::Suspend`].
    Suspend,
    /// [`Order::Reinstate`].
    Reinstate,
}

/// What a suspension ends, and until when.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Suspension {
    /// Whose access.
    pub scope: Scope,
    /// When it lapses by itself: a whole second after the directive was issued.
    pub until: Timestamp,
}

/// What a reinstatement gives back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reinstatement {
    /// To whom.
    pub partner: PartnerId,
    /// What this directive has ended, and nothing that another has.
    pub lifts: DirectiveNumber,
}

/// Whose access a termination or a suspension ends.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Scope {
    /// The partner it is about.
    pub partner: PartnerId,
    /// Narrows it to one agreement.
    pub agreement: Option<AgreementId>,
    /// Narrows it to one purpose.
    pub purpose: Option<PurposeId>,
}

/// Which estate an approval is about, and what the people who sign were told of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct EstateTerms {
    /// SHA-256 of the estate's files (`docs/formats.md`).
    pub estate: Hash,
    /// SHA-256 of its `authorities/allowed_signers`: who may sign once it is approved.
    pub signers: Hash,
    /// SHA-256 of the summary of what it gives and takes.
    pub summary: Hash,
}

/// Drawn at random for one directive. Two directives are never the same bytes, and none is accepted twice:
/// who keeps the state keeps every nonce that was accepted.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Nonce([u8; NONCE_BYTES]);

/// The fields of a directive, not yet checked against each other.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Draft {
    /// Whose data it is about; a directive to one custodian means nothing to another.
    pub custodian: Custodian,
    /// Its number.
    pub number: DirectiveNumber,
    /// What it orders.
    pub order: Order,
    /// The legal basis in words: one line, 1 to [`MAX_BASIS_BYTES`] bytes, without characters that change how
    /// a line reads.
    pub basis: String,
    /// What else the law asks an order to say.
    pub particulars: Particulars,
    /// SHA-256 of the preview: what those who sign were told that it does.
    pub preview: Option<Hash>,
    /// When it was drawn up, in whole seconds.
    pub issued: Timestamp,
    /// When it may no longer be carried out, in whole seconds; after `issued`, by at most [`MAX_LIFETIME`].
    pub expires: Timestamp,
    /// Its nonce.
    pub nonce: Nonce,
    /// Size of the main log when it was drawn up.
    pub ledger_size: u64,
    /// Root of the main log at that size.
    pub ledger_root: Hash,
}

/// A well-formed directive: its fields are those of a [`Draft`] and can be read, not changed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Directive(Draft);

/// A draft or text that is no directive.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DirectiveError {
    /// Longer than [`MAX_DIRECTIVE_BYTES`].
    #[error("a directive has at most {MAX_DIRECTIVE_BYTES} bytes, this one {bytes}")]
    TooLong {
        /// How long it is.
        bytes: usize,
    },
    /// Not UTF-8.
    #[error("a directive is UTF-8 text, this one is not from byte {at} on")]
    NotText {
        /// Offset of the first byte that is not.
        at: usize,
    },
    /// A line is missing, out of order, repeated, unknown or has a value of another form.
    #[error("line {line} of the directive: expected {expected}")]
    Line {
        /// Number of the line, from 1.
        line: usize,
        /// What should stand there.
        expected: &'static str,
    },
    /// The basis is empty, too long, begins or ends with a space, or holds characters that change how a line
    /// reads.
    #[error(
        "the basis of a directive is one line of 1 to {MAX_BASIS_BYTES} bytes, without spaces at its ends, control \
         characters and marks that turn the direction of writing"
    )]
    Basis,
    /// One of the particulars is empty, too long, or holds characters that change how a line reads.
    #[error(
        "`{key}` of a directive is one line of 1 to {most} bytes, without spaces at its ends, control characters and marks \
         that turn the direction of writing"
    )]
    Particular {
        /// Which.
        key: &'static str,
        /// How long it may be.
        most: usize,
    },
    /// A suspension that is over when it begins.
    #[error(
        "a suspension lasts until a time after it is issued; this one is issued {issued} and lasts until {until}"
    )]
    Until {
        /// When it was issued.
        issued: Timestamp,
        /// Until when it lasts.
        until: Timestamp,
    },
    /// A time has a fraction of a second, or a year of other than four digits.
    #[error("a time of a directive is a whole second of the years 0 to 9999, not `{0}`")]
    Time(Timestamp),
    /// `expires` is not after `issued`, or too long after it.
    #[error(
        "a directive expires after it is issued, at most 31 days; this one is issued {issued} and expires {expires}"
    )]
    Lifetime {
        /// When it was issued.
        issued: Timestamp,
        /// When it expires.
        expires: Timestamp,
    },
}

/// A text that is not a nonce.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not a nonce: 16 bytes in base64 are 24 characters, padded, without spaces and stray bits")]
pub struct NonceError;

/// The SSHSIG namespace in which a custodian's directives are signed: `directive@<custodian>`.
pub fn namespace(custodian: &Custodian) -> String {
    format!("directive@{custodian}")
}

impl Order {
    /// Of which kind it is.
    pub fn kind(&self) -> OrderKind {
        match self {
            Self::Approve(_) => OrderKind::Approve,
            Self::Terminate(_) => OrderKind::Terminate,
            Self::Suspend(_) => OrderKind::Suspend,
            Self::Reinstate(_) => OrderKind::Reinstate,
        }
    }
}

impl OrderKind {
    /// All kinds there are.
    pub const ALL: [Self; 4] = [Self::Approve, Self::Terminate, Self::Suspend, Self::Reinstate];

    /// The order as it stands in a directive.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Approve => "approve",
            Self::Terminate => "terminate",
            Self::Suspend => "suspend",
            Self::Reinstate => "reinstate",
        }
    }
}

impl fmt::Display for OrderKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl Nonce {
    /// The nonce with these bytes, which must come from the system's random source.
    pub fn new(bytes: [u8; NONCE_BYTES]) -> Self {
        Self(bytes)
    }
}

impl fmt::Display for Nonce {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&STANDARD.encode(self.0))
    }
}

impl fmt::Debug for Nonce {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Nonce({self})")
    }
}

impl FromStr for Nonce {
    type Err = NonceError;

    fn from_str(text: &str) -> Result<Self, NonceError> {
        decode_base64(text).map(Self).ok_or(NonceError)
    }
}

impl Directive {
    /// The directive with these fields.
    ///
    /// # Errors
    /// The fields break a rule that their types cannot express: see [`DirectiveError`].
    pub fn new(draft: Draft) -> Result<Self, DirectiveError> {
        if draft.basis.len() > MAX_BASIS_BYTES || !is_plain_line(&draft.basis) {
            return Err(DirectiveError::Basis);
        }
        draft.particulars.check()?;
        let until = match &draft.order {
            Order::Suspend(suspension) => Some(suspension.until),
            Order::Approve(_) | Order::Terminate(_) | Order::Reinstate(_) => None,
        };
        for time in [draft.issued, draft.expires].into_iter().chain(until) {
            form::format_time(time).ok_or(DirectiveError::Time(time))?;
        }
        let issued = draft.issued;
        if let Some(until) = until.filter(|until| *until <= issued) {
            return Err(DirectiveError::Until { issued, until });
        }
        let lifetime = draft.expires.duration_since(draft.issued);
        if lifetime <= SignedDuration::ZERO || lifetime > MAX_LIFETIME {
            return Err(DirectiveError::Lifetime {
                issued: draft.issued,
                expires: draft.expires,
            });
        }
        Ok(Self(draft))
    }

    /// The bytes that are signed: UTF-8 text.
    pub fn encode(&self) -> String {
        text::encode(self)
    }

    /// Reads a directive. Only what [`Directive::encode`] writes is read, so every directive has one
    /// encoding.
    ///
    /// # Errors
    /// The bytes are no directive: what is wrong, and on which line.
    pub fn parse(bytes: &[u8]) -> Result<Self, DirectiveError> {
        text::parse(bytes)
    }

    /// What it ends, if it is a termination or a suspension.
    pub fn scope(&self) -> Option<&Scope> {
        match &self.order {
            Order::Terminate(scope) | Order::Suspend(Suspension { scope, .. }) => Some(scope),
            Order::Approve(_) | Order::Reinstate(_) => None,
        }
    }

    /// When what it ends comes back by itself, if it is a suspension.
    pub fn until(&self) -> Option<Timestamp> {
        match &self.order {
            Order::Suspend(suspension) => Some(suspension.until),
            Order::Approve(_) | Order::Terminate(_) | Order::Reinstate(_) => None,
        }
    }

    /// What it gives back, if it is a reinstatement.
    pub fn reinstates(&self) -> Option<&Reinstatement> {
        match &self.order {
            Order::Reinstate(reinstatement) => Some(reinstatement),
            Order::Approve(_) | Order::Terminate(_) | Order::Suspend(_) => None,
        }
    }

    /// The partner it is about, if it is about one.
    pub fn partner(&self) -> Option<&PartnerId> {
        let given_back = self.reinstates().map(|reinstatement| &reinstatement.partner);
        self.scope().map(|scope| &scope.partner).or(given_back)
    }

    /// What it approves, if it is an approval.
    pub fn terms(&self) -> Option<&EstateTerms> {
        match &self.order {
            Order::Approve(terms) => Some(terms),
            Order::Terminate(_) | Order::Suspend(_) | Order::Reinstate(_) => None,
        }
    }
}

impl Scope {
    /// Whether this purpose of this agreement of this partner is in it.
    pub fn covers(&self, partner: &PartnerId, agreement: &AgreementId, purpose: &PurposeId) -> bool {
        self.partner == *partner
            && self.agreement.as_ref().is_none_or(|ours| ours == agreement)
            && self.purpose.as_ref().is_none_or(|ours| ours == purpose)
    }

    /// Whether it is about all that the partner has, rather than one agreement or purpose.
    pub fn is_whole_partner(&self) -> bool {
        self.agreement.is_none() && self.purpose.is_none()
    }
}

impl Deref for Directive {
    type Target = Draft;

    fn deref(&self) -> &Draft {
        &self.0
    }
}

pub(crate) fn is_plain_line(text: &str) -> bool {
    !text.is_empty() && !text.starts_with(' ') && !text.ends_with(' ') && !text.chars().any(is_deceptive)
}

/// Whether a character makes a line read otherwise than its characters stand: controls, line and paragraph
/// separators, marks that turn the direction of writing (UAX 9 section 2), and ones that nobody sees.
pub fn is_deceptive(c: char) -> bool {
    c.is_control()
        || matches!(
            c,
            '\u{61c}' | '\u{200b}' | '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}'
        )
        || matches!(c, '\u{2060}'..='\u{2069}' | '\u{feff}')
        || matches!(c, '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e007f}')
}
