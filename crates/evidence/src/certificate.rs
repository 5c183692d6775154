//! The certificate of a termination: one file that shows, to whoever has the custodian's public key and
//! nothing else, who ordered what, and that it was carried out.
//!
//! It is a C2SP signed note by the custodian's key. Its text begins with a text for people; below it stand,
//! as raw texts with their lengths, the directive and its signatures, the entries of the ledger that tell of
//! its carrying out with their records opened, and the proofs that tie all of it to signed checkpoints
//! (`docs/formats.md`). [`verify`] makes every check it can and says of each what came of it; the text for
//! people is made anew from the rest and compared.

use std::error::Error;

use crate::checkpoint::Checkpoint;
use crate::commitment::OpeningKey;
use crate::directive::Directive;
use crate::id::Custodian;
use crate::note::{self, Note, NoteError, SignerKey, Text, VerifierKey};
use crate::proof::TlogProof;
use crate::witness_policy::{Cosigned, QuorumError, WitnessPolicy};

mod checks;
mod meaning;
mod prose;
mod report;
mod sections;
mod story;

pub use crate::directive::OrderKind;
pub use report::{Check, CheckName, Finding, LogHead, Refuted, Report, SignedBy};

use prose::Facts;
use sections::{CitedText, Machine, OpenedText, Place};
use story::Story;

/// What a certificate is made from.
#[derive(Debug, Clone)]
pub struct Parts {
    /// The entries of the main log that tell of the termination, in any order: one `directive`, one `epoch`,
    /// each `cut`, the `drained` of each gateway that was at work, one `carried-out`, one `closed`, one `census`. All proofs are
    /// under one checkpoint.
    pub cited: Vec<Cited>,
    /// Proof of the `closed` entry in the partner's log, under that log's checkpoint: of its last leaf.
    pub partner: TlogProof,
}

/// An entry of the main log.
#[derive(Debug, Clone)]
pub struct Cited {
    /// The entry, byte for byte.
    pub entry: Vec<u8>,
    /// Its private record, if it commits to one.
    pub opened: Option<Opened>,
    /// Proof that it stands in the main log.
    pub proof: TlogProof,
}

/// A private record and what opens the commitment to it.
#[derive(Debug, Clone)]
pub struct Opened {
    /// The opening key.
    pub key: OpeningKey,
    /// The record, byte for byte as it is stored.
    pub record: Vec<u8>,
}

/// A certificate that nobody has signed yet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Certificate {
    text: Text,
    custodian: Custodian,
}

/// Parts of which no certificate can be made.
#[derive(Debug, thiserror::Error)]
pub enum BuildError {
    /// An entry, a record or a checkpoint is not UTF-8 text.
    #[error("{what} is not UTF-8 text")]
    NotText {
        /// Which.
        what: &'static str,
    },
    /// The proofs are under different checkpoints.
    #[error("the proofs of the cited entries are under different checkpoints: make all of them under one")]
    Checkpoints,
    /// An entry is missing, stands there twice, does not belong there or cannot be read.
    #[error("the cited entries do not tell of a termination: {reason}")]
    Entries {
        /// Which, and why.
        reason: String,
    },
    /// The directive or a checkpoint cannot be read.
    #[error("{what} cannot be read")]
    Unreadable {
        /// Which.
        what: &'static str,
        /// Why not.
        #[source]
        source: Box<dyn Error + Send + Sync>,
    },
    /// The certificate is too long, or a part of it holds control characters.
    #[error("the certificate cannot be a signed note")]
    Note(#[from] NoteError),
}

impl Certificate {
    /// Puts a certificate together. Whether it holds is seen when it is signed.
    ///
    /// # Errors
    /// The parts are not those of a termination, or cannot be read.
    pub fn build(parts: Parts) -> Result<Self, BuildError> {
        let machine = machine(parts)?;
        let story = Story::read(&machine).map_err(|reason| BuildError::Entries { reason })?;
        let unreadable = |what, source: Box<dyn Error + Send + Sync>| BuildError::Unreadable { what, source };
        let directive = Directive::parse(machine.directive.as_bytes())
            .map_err(|error| unreadable("the directive", error.into()))?;
        let ledger = Checkpoint::peek(&machine.checkpoint)
            .map_err(|error| unreadable("the main log's checkpoint", error.into()))?;
        let partner_log = Checkpoint::peek(&machine.partner_checkpoint)
            .map_err(|error| unreadable("the checkpoint of the partner's log", error.into()))?;
        let no_end = || BuildError::Entries {
            reason: format!(
                "directive `{}` orders `{}`, which ends nobody's access",
                directive.number,
                directive.order.kind()
            ),
        };
        let facts = Facts {
            directive: &directive,
            ordered: directive.scope().ok_or_else(no_end)?,
            story: &story,
            ledger: &ledger,
            partner_log: &partner_log,
            cosigners: &machine.cosigners(),
        };
        let prose = prose::write(facts);
        let text = checks::assemble(prose.strip_suffix('\n').unwrap_or(&prose), &machine);
        Ok(Self {
            text: Text::new(text)?,
            custodian: directive.custodian.clone(),
        })
    }

    /// The text that is signed.
    pub fn text(&self) -> &str {
        self.text.as_str()
    }

    /// Signs with the custodian's key, whatever name `key` has, and gives the file if it holds: a custodian's
    /// signature is never put under a certificate that can be refuted.
    ///
    /// # Errors
    /// It does not hold: every check.
    pub fn sign(&self, key: &SignerKey) -> Result<String, Refuted> {
        let key = key.renamed(&self.custodian.key_name());
        let file = note::sign(&self.text, &key);
        verify(file.as_bytes(), &key.verifier())?;
        Ok(file)
    }
}

/// Checks a certificate with the custodian's public `key`, whose name is the bare custodian's. Every check is
/// made that can be, whatever came of the others.
///
/// # Errors
/// It does not hold: every check, those that hold as well.
pub fn verify(bytes: &[u8], key: &VerifierKey) -> Result<Report, Refuted> {
    let (list, report) = checks::examine(bytes, key);
    report.ok_or(Refuted { checks: list.0 })
}

/// What a policy's witnesses say of a certificate's two checkpoints.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Witnessed {
    /// Of the main log.
    pub ledger: Cosigned,
    /// Of the partner's log, which ends with its closing.
    pub partner_log: Cosigned,
}

/// Holds the checkpoints of a certificate that was verified against a policy of whoever checks: up to the time that comes
/// back, its quorum has seen no longer log of the partner than the one that ends with its closing.
///
/// # Errors
/// The file cannot be read, or a checkpoint is not cosigned as the policy asks; which one.
pub fn witnessed(bytes: &[u8], policy: &WitnessPolicy) -> Result<Witnessed, String> {
    let text = std::str::from_utf8(bytes).map_err(|error| error.to_string())?;
    let note = Note::parse(text).map_err(|error| error.to_string())?;
    let (_, machine) = checks::parts(note.text()).map_err(|fault| fault.to_string())?;
    let examine = |checkpoint: &str, what: &str| {
        let note = Note::parse(checkpoint).map_err(QuorumError::from);
        note.and_then(|note| policy.examine(&note))
            .map_err(|error| format!("{what}: {error}"))
    };
    Ok(Witnessed {
        ledger: examine(&machine.checkpoint, "the main log")?,
        partner_log: examine(&machine.partner_checkpoint, "the partner's log")?,
    })
}

fn machine(parts: Parts) -> Result<Machine, BuildError> {
    let mut cited = parts.cited;
    cited.sort_by_key(|one| one.proof.index);
    let checkpoint = match cited.first() {
        Some(first) => first.proof.checkpoint.clone(),
        None => {
            return Err(BuildError::Entries {
                reason: "there are none".to_owned(),
            });
        }
    };
    if cited.iter().any(|one| one.proof.checkpoint != checkpoint) {
        return Err(BuildError::Checkpoints);
    }
    let cited = cited.into_iter().map(cited_text).collect::<Result<Vec<_>, _>>()?;
    let mut machine = Machine {
        signers: String::new(),
        directive: String::new(),
        signatures: Vec::new(),
        checkpoint,
        cited,
        partner_proof: Place::from(&parts.partner),
        partner_checkpoint: parts.partner.checkpoint,
    };
    let record = Story::read(&machine)
        .map_err(|reason| BuildError::Entries { reason })?
        .directive
        .record;
    machine.signers = record.signers_file;
    machine.directive = record.text;
    machine.signatures = record.signatures;
    Ok(machine)
}

fn cited_text(cited: Cited) -> Result<CitedText, BuildError> {
    let text = |bytes, what| String::from_utf8(bytes).map_err(|_| BuildError::NotText { what });
    let opened = match cited.opened {
        None => None,
        Some(Opened { key, record }) => Some(OpenedText {
            key: key.reveal_text().to_string(),
            record: text(record, "the record of a cited entry")?,
        }),
    };
    Ok(CitedText {
        entry: text(cited.entry, "a cited entry")?,
        opened,
        proof: Place::from(&cited.proof),
    })
}
