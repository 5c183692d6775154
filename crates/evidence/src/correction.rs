//! Notices of corrections: what a partner is told of a record that it was given and that was wrong, and how it answers.
//!
//! A notice is a signed note by the custodian's key. The partner answers with an OpenSSH signature over the whole file. Both
//! can be checked with what everybody has: the formats stand in `docs/formats.md`.

use std::fmt::{self, Display, Write as _};

use jiff::Timestamp;

use crate::directive::{SignatureForm, is_plain_line, signature::Signature};
use crate::entry::text as form;
use crate::id::{AgreementId, CorrectionNumber, Custodian, DatasetId, OfficerId, PartnerId};
use crate::lines::{LineError, Lines};
use crate::note::{self, NoteError, SignerKey, Text, VerifierKey};
use crate::signers::{AllowedSigners, Person, Unusable};

/// First line of every notice.
const HEADER: &str = "estop/correction/v1";

/// Most disclosures that a notice lists, the newest; how many there were in all it says, too.
pub const MAX_LISTED: usize = 4_000;

/// Stands for an officer whose name is under seal. No officer is called so.
const UNDER_SEAL: &str = "-";

/// Longest note in bytes: what was wrong and what is right, not the file of the case.
pub const MAX_NOTE_LINE_BYTES: usize = 2_000;

/// Longest subject, or name of its column, as it stands in a notice: a key that is attributed has at most 4,096 bytes, and JSON
/// may write one as six.
const MAX_SUBJECT_BYTES: usize = 32 << 10;

/// A disclosure of the record, as the partner may know of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Given {
    /// Index of its entry in the main log.
    pub entry: u64,
    /// When the statement was sent, in whole seconds.
    pub time: Timestamp,
    /// Under which agreement.
    pub agreement: AgreementId,
    /// To whom of the partner; none where the record of it is under seal.
    pub officer: Option<OfficerId>,
}

/// The fields of a notice, not yet checked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Draft {
    /// Whose records they are.
    pub custodian: Custodian,
    /// Drawn at random for this notice.
    pub number: CorrectionNumber,
    /// Who is told.
    pub partner: PartnerId,
    /// Which data set.
    pub dataset: DatasetId,
    /// The column that says whom a row is about.
    pub subject_key: String,
    /// Its value, as the partner was given it.
    pub subject: String,
    /// When the notice was made, in whole seconds.
    pub made: Timestamp,
    /// Entries of the main log that were looked through.
    pub ledger_size: u64,
    /// How many disclosures there were.
    pub disclosures: u64,
    /// The newest of them, in order of the log; at most [`MAX_LISTED`].
    pub listed: Vec<Given>,
    /// What was wrong, and what is right: one line.
    pub note: String,
}

/// A well-formed notice.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Correction(Draft);

/// A notice that cannot be made, read or trusted.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CorrectionError {
    /// A line is missing, out of order, or has another form.
    #[error("not a notice of a correction")]
    Line(#[from] LineError),
    /// The note's text is empty, too long, or changes how a line reads.
    #[error(
        "the note of a notice is one line of 1 to {MAX_NOTE_LINE_BYTES} bytes, without spaces at its ends, control characters, \
         invisible characters, and marks that turn the direction of writing"
    )]
    Note,
    /// The subject or its column cannot stand in a notice.
    #[error(
        "the subject, and the name of its column, have at most {MAX_SUBJECT_BYTES} bytes as JSON, and no DEL"
    )]
    Subject,
    /// A time with a fraction of a second, or of a year beyond 9999.
    #[error("the times of a notice are whole seconds of the years 0 to 9999")]
    Time,
    /// The list of disclosures is empty, too long, out of order, or beyond the entries looked through.
    #[error(
        "a notice lists 1 to {MAX_LISTED} disclosures in order of the log, the newest of all, below the size it names"
    )]
    Listed,
    /// Not a signed note of the custodian's.
    #[error("the notice is not signed by the custodian")]
    Signature(#[from] NoteError),
    /// The text names another custodian than the key.
    #[error("the notice is of `{found}`, the key of `{wanted}`")]
    OtherCustodian {
        /// The one it names.
        found: Custodian,
        /// The key's name.
        wanted: String,
    },
}

/// Why an answer is not one.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum AnswerError {
    /// The text is no signature.
    #[error("the signature cannot be read")]
    Form(#[source] SignatureForm),
    /// Made for another use.
    #[error("the signature was made in the namespace `{found}`; `ssh-keygen -Y sign -n {wanted}` is needed")]
    Namespace {
        /// That of the signature.
        found: String,
        /// Ours.
        wanted: String,
    },
    /// Nobody's key.
    #[error("the signature was made with a key that no officer of the partner has")]
    UnknownKey,
    /// The key may not be used so.
    #[error("the key of `{0}` may not be used for it")]
    Unusable(Person, #[source] Unusable),
    /// Not over these bytes.
    #[error("the signature is not over this notice: it must be over the file, unchanged")]
    Content,
}

/// The SSHSIG namespace in which a partner answers a custodian's notices: `correction@<custodian>`.
pub fn namespace(custodian: &Custodian) -> String {
    format!("correction@{custodian}")
}

impl Correction {
    /// Checks the fields.
    ///
    /// # Errors
    /// One of them cannot stand in a notice.
    pub fn new(draft: Draft) -> Result<Self, CorrectionError> {
        if draft.note.len() > MAX_NOTE_LINE_BYTES || !is_plain_line(&draft.note) {
            return Err(CorrectionError::Note);
        }
        let fits = |text: &str| quoted(text).len() <= MAX_SUBJECT_BYTES && !text.contains('\u{7f}');
        if !fits(&draft.subject) || !fits(&draft.subject_key) || draft.subject_key.is_empty() {
            return Err(CorrectionError::Subject);
        }
        let mut times = draft.listed.iter().map(|given| given.time).chain([draft.made]);
        if times.any(|time| form::format_time(time).is_none()) {
            return Err(CorrectionError::Time);
        }
        let listed = u64::try_from(draft.listed.len()).unwrap_or(u64::MAX);
        let in_order = draft.listed.is_sorted_by(|one, next| one.entry < next.entry);
        let inside = draft
            .listed
            .last()
            .is_some_and(|last| last.entry < draft.ledger_size);
        let all =
            draft.disclosures == listed || (draft.disclosures > listed && draft.listed.len() == MAX_LISTED);
        if draft.listed.len() > MAX_LISTED || !in_order || !inside || !all {
            return Err(CorrectionError::Listed);
        }
        Ok(Self(draft))
    }

    /// Its fields.
    pub fn get(&self) -> &Draft {
        &self.0
    }

    /// The notice as a file: its text, signed by the custodian's key under the custodian's bare name.
    ///
    /// # Errors
    /// The text does not fit a note.
    pub fn sign(&self, key: &SignerKey) -> Result<String, CorrectionError> {
        Ok(note::sign(&Text::new(self.text())?, key))
    }

    /// Reads a notice that the custodian's key has signed.
    ///
    /// # Errors
    /// It is none, or is not signed by this key.
    pub fn open(file: &str, key: &VerifierKey) -> Result<Self, CorrectionError> {
        let text = note::open(file, key)?;
        let notice = Self::parse(text.as_str())?;
        if notice.0.custodian.as_str() != key.name().as_str() {
            return Err(CorrectionError::OtherCustodian {
                found: notice.0.custodian,
                wanted: key.name().to_string(),
            });
        }
        Ok(notice)
    }

    fn text(&self) -> String {
        let draft = &self.0;
        let mut out = format!("{HEADER}\n");
        let mut line = |key: &str, value: &dyn Display| {
            // Writing to a string cannot fail.
            let _ = writeln!(out, "{key} {value}");
        };
        line("custodian", &draft.custodian);
        line("number", &draft.number);
        line("partner", &draft.partner);
        line("dataset", &draft.dataset);
        line("subject-key", &quoted(&draft.subject_key));
        line("subject", &quoted(&draft.subject));
        line("made", &draft.made);
        line("ledger-size", &draft.ledger_size);
        line("disclosures", &draft.disclosures);
        for given in &draft.listed {
            line("disclosure", given);
        }
        line("note", &draft.note);
        out
    }

    /// Only what [`Correction::sign`] signs is read, so that nothing can be read in two ways.
    fn parse(text: &str) -> Result<Self, CorrectionError> {
        let mut lines = Lines::of(text, HEADER, "`estop/correction/v1`")?;
        let draft = Draft {
            custodian: lines.read("custodian", "`custodian` and its name", |text| text.parse().ok())?,
            number: lines.read("number", "`number` and a notice's number", |text| {
                text.parse().ok()
            })?,
            partner: lines.read("partner", "`partner` and its id", |text| text.parse().ok())?,
            dataset: lines.read("dataset", "`dataset` and its id", |text| text.parse().ok())?,
            subject_key: lines.read("subject-key", "`subject-key` and a JSON string", unquoted)?,
            subject: lines.read("subject", "`subject` and a JSON string", unquoted)?,
            made: lines.read("made", "`made` and a time", form::parse_time)?,
            ledger_size: lines.read("ledger-size", "`ledger-size` and a count", form::parse_decimal)?,
            disclosures: lines.read("disclosures", "`disclosures` and a count", form::parse_decimal)?,
            listed: listed(&mut lines)?,
            note: lines.read("note", "`note` and a line of text", |text| Some(text.to_owned()))?,
        };
        lines.end()?;
        Self::new(draft)
    }
}

impl Display for Given {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            entry,
            time,
            agreement,
            officer,
        } = self;
        let officer = officer.as_ref().map_or(UNDER_SEAL, OfficerId::as_str);
        write!(f, "{entry} {time} {agreement} {officer}")
    }
}

/// Who of the partner has answered a notice, by an OpenSSH signature over its file. `signers`: the keys of the partner's
/// officers, each under the officer's id.
///
/// # Errors
/// The signature is not by one of them, not in the namespace, or not over these bytes.
pub fn answered(
    file: &str,
    signature: &str,
    signers: &AllowedSigners,
    custodian: &Custodian,
    now: Timestamp,
) -> Result<Person, AnswerError> {
    let signature = Signature::parse(signature).map_err(AnswerError::Form)?;
    let wanted = namespace(custodian);
    if signature.namespace() != wanted {
        let shown = signature
            .namespace()
            .chars()
            .take(80)
            .flat_map(char::escape_debug);
        return Err(AnswerError::Namespace {
            found: shown.collect(),
            wanted,
        });
    }
    let key = signers.find(signature.key()).ok_or(AnswerError::UnknownKey)?;
    key.usable(&wanted, now)
        .map_err(|why| AnswerError::Unusable(key.person().clone(), why))?;
    if !signature.fits(file.as_bytes()) {
        return Err(AnswerError::Content);
    }
    Ok(key.person().clone())
}

fn quoted(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}

fn unquoted(text: &str) -> Option<String> {
    let value: String = serde_json::from_str(text).ok()?;
    (quoted(&value) == text).then_some(value)
}

/// The lines that list disclosures.
fn listed(lines: &mut Lines<'_>) -> Result<Vec<Given>, CorrectionError> {
    let mut all = Vec::new();
    loop {
        let fault = lines.expected("`disclosure`, an index, a time, an agreement and an officer");
        let Some(value) = lines.value("disclosure") else {
            return Ok(all);
        };
        if all.len() == MAX_LISTED {
            return Err(CorrectionError::Listed);
        }
        all.push(given(value).ok_or(fault)?);
    }
}

fn given(text: &str) -> Option<Given> {
    let mut words = text.split(' ');
    let given = Given {
        entry: form::parse_decimal(words.next()?)?,
        time: form::parse_time(words.next()?)?,
        agreement: words.next()?.parse().ok()?,
        officer: match words.next()? {
            UNDER_SEAL => None,
            officer => Some(officer.parse().ok()?),
        },
    };
    words.next().is_none().then_some(given)
}

#[cfg(test)]
mod tests;
