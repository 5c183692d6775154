//! Private records: what an entry is about in full, as JSON, opened only to whom the law gives it.
//!
//! A record is stored byte for byte as [`encode`] wrote it and is never encoded again: its bytes are what the
//! entry's [commitment](crate::commitment) commits to. Texts that come from outside are cut at a bound when
//! they enter a record ([`Clipped`], [`Excerpt`]), so that no client decides how long a record is.

use std::fmt;

use jiff::Timestamp;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::entry::Kind;
use crate::id::{AgreementId, DirectiveNumber, Epoch, OfficerId, PartnerId, PurposeId, SessionId};

mod bounded;
mod subjects;
mod time;

pub use bounded::{
    Clipped, Excerpt, MAX_CLIPPED_BYTES, MAX_EXCERPT_BYTES, MAX_PARAMETERS, MAX_PARAMETERS_BYTES, Parameter,
    ParameterValue, Whole, parameters,
};
pub use subjects::{Subjects, Unattributed, Why};

/// Longest record in bytes. A statement's record stays far below it (see [`MAX_EXCERPT_BYTES`]); the list of
/// statements that changed a database for a large estate is what needs the room.
pub const MAX_RECORD_BYTES: usize = 8 << 20;

/// A struct that is the private record of one kind of entry.
pub trait Record: Serialize + DeserializeOwned {
    /// The kind of entry whose record it is.
    const KIND: Kind;
}

/// Bytes that are no record of the kind asked for, or a record that has no bytes.
#[derive(Debug, thiserror::Error)]
pub enum RecordError {
    /// Longer than [`MAX_RECORD_BYTES`].
    #[error("a record has at most {MAX_RECORD_BYTES} bytes, this one {bytes}")]
    TooLong {
        /// How long it is.
        bytes: usize,
    },
    /// Not JSON, or not of the shape of this kind.
    #[error("not the record of an entry of kind `{kind}`")]
    Shape {
        /// The kind asked for.
        kind: Kind,
        /// What the parser found.
        #[source]
        source: serde_json::Error,
    },
}

/// The record's bytes, to be committed to and stored.
///
/// # Errors
/// It is longer than [`MAX_RECORD_BYTES`].
pub fn encode<R: Record>(record: &R) -> Result<Vec<u8>, RecordError> {
    let bytes = serde_json::to_vec(record).map_err(|source| RecordError::Shape {
        kind: R::KIND,
        source,
    })?;
    if bytes.len() > MAX_RECORD_BYTES {
        return Err(RecordError::TooLong { bytes: bytes.len() });
    }
    Ok(bytes)
}

/// Reads a record.
///
/// # Errors
/// The bytes are not the JSON of such a record: a field is missing, unknown or out of bounds.
pub fn decode<R: Record>(bytes: &[u8]) -> Result<R, RecordError> {
    if bytes.len() > MAX_RECORD_BYTES {
        return Err(RecordError::TooLong { bytes: bytes.len() });
    }
    serde_json::from_slice(bytes).map_err(|source| RecordError::Shape {
        kind: R::KIND,
        source,
    })
}

macro_rules! records {
    ($($(#[$doc:meta])* $kind:ident: $name:ident { $($(#[$field_doc:meta])* $field:ident: $type:ty,)* })*) => {
        $(
            $(#[$doc])*
            #[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
            #[serde(deny_unknown_fields)]
            pub struct $name { $($(#[$field_doc])* pub $field: $type,)* }

            impl Record for $name {
                const KIND: Kind = Kind::$kind;
            }
        )*
    };
}

mod erasing;
mod notices;

pub use erasing::{ErasedRecord, UnsealedRecord};
pub use notices::{AcknowledgedRecord, Answer, CorrectionRecord};

records! {
    /// A session was permitted.
    Session: Session {
        /// The session.
        session: SessionId,
        /// The partner the officer works for.
        partner: PartnerId,
        /// Who logged in.
        officer: OfficerId,
        /// The agreement the session is under.
        agreement: AgreementId,
        /// The purpose of use the session is bound to.
        purpose: PurposeId,
        /// The case reference, where the agreement asks for one or the officer gave one.
        case: Option<Clipped>,
        /// Network address and port of the client.
        client: Clipped,
        /// `application_name`, as the client gave it.
        application: Option<Clipped>,
        /// The policy that permitted it.
        epoch: Epoch,
        /// When it was permitted.
        #[serde(with = "time::micros")]
        started: Timestamp,
    }

    /// A session ended, by itself or by its client.
    Ended: Ended {
        /// The session.
        session: SessionId,
        /// When.
        #[serde(with = "time::micros")]
        at: Timestamp,
        /// Statements executed.
        statements: u64,
        /// Rows handed to the client.
        rows: u64,
        /// Bytes of DataRow and CopyData messages handed to the client.
        bytes: u64,
        /// How: `terminate`, `disconnect`, an error's name.
        how: Clipped,
    }

    /// A session or a statement was refused. What the client claimed to be stands here as it was sent,
    /// unproven.
    Refusal: Refusal {
        /// When.
        #[serde(with = "time::micros")]
        at: Timestamp,
        /// The session, if there was one already.
        session: Option<SessionId>,
        /// The partner, as far as it was known.
        partner: Option<Clipped>,
        /// The user name the client sent.
        officer: Option<Clipped>,
        /// The database name the client sent.
        agreement: Option<Clipped>,
        /// The purpose the client sent.
        purpose: Option<Clipped>,
        /// Network address and port of the client.
        client: Clipped,
        /// The SQLSTATE the client was told.
        sqlstate: Clipped,
        /// Why, in words for the custodian.
        reason: Clipped,
        /// The statement, if one was refused.
        statement: Option<Excerpt>,
    }

    /// A statement was executed and its reply, or the first part of it, may be released.
    Disclosure: Disclosure {
        /// The session.
        session: SessionId,
        /// Number of the statement in the session, from 1.
        statement_number: u64,
        /// The partner that receives.
        partner: PartnerId,
        /// The officer who asked.
        officer: OfficerId,
        /// The agreement it is under.
        agreement: AgreementId,
        /// The purpose of use.
        purpose: PurposeId,
        /// The case reference in force when the statement was sent.
        case: Option<Clipped>,
        /// The statement.
        text: Excerpt,
        /// The parameters bound to it, in order: see [`parameters`].
        parameters: Vec<Parameter>,
        /// When it was sent upstream.
        #[serde(with = "time::micros")]
        started: Timestamp,
        /// Rows in what may now be released.
        rows: u64,
        /// Bytes of DataRow and CopyData messages in what may now be released.
        bytes: u64,
        /// How it ended, or that it has not yet.
        outcome: Outcome,
        /// The agreement's legal basis, as it was in force.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        legal_basis: Option<Clipped>,
        /// Whom the rows are about, by data set.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        subjects: Vec<Subjects>,
        /// Rows of which that cannot be said.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        unattributed: Vec<Unattributed>,
    }

    /// Further rows of a result that was too long for one entry.
    Continuation: Continuation {
        /// The session.
        session: SessionId,
        /// Number of the statement in the session, from 1.
        statement_number: u64,
        /// Rows of this part.
        rows: u64,
        /// Bytes of DataRow and CopyData messages of this part.
        bytes: u64,
        /// Whom the rows of this part are about, by data set.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        subjects: Vec<Subjects>,
        /// Rows of this part of which that cannot be said.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        unattributed: Vec<Unattributed>,
    }

    /// How a result that was too long for one entry ended.
    Outcome: OutcomeRecord {
        /// The session.
        session: SessionId,
        /// Number of the statement in the session, from 1.
        statement_number: u64,
        /// Rows of the whole result.
        rows: u64,
        /// Bytes of DataRow and CopyData messages of the whole result.
        bytes: u64,
        /// How it ended.
        outcome: Outcome,
        /// When.
        #[serde(with = "time::micros")]
        ended: Timestamp,
    }

    /// What a session that a directive cut had received up to its end.
    Cut: Cut {
        /// The session.
        session: SessionId,
        /// The directive that cut it.
        directive: DirectiveNumber,
        /// When the last byte of shared rows had gone out or been discarded.
        #[serde(with = "time::micros")]
        at: Timestamp,
        /// Statements executed.
        statements: u64,
        /// Rows handed to the client over the session.
        rows: u64,
        /// Bytes of DataRow and CopyData messages handed to the client over the session.
        bytes: u64,
        /// Number of the statement that was running, if one was.
        in_statement: Option<u64>,
    }

    /// A gateway says that no session is left under what a directive ended.
    Drained: Drained {
        /// The gateway.
        gateway: Clipped,
        /// The policy it works under now.
        epoch: Epoch,
        /// The directive.
        directive: DirectiveNumber,
        /// Sessions it cut.
        sessions_cut: u64,
        /// When the last of them had ended.
        #[serde(with = "time::micros")]
        at: Timestamp,
    }

    /// A directive was accepted, with all that is needed to check it again.
    Directive: DirectiveRecord {
        /// Its number.
        number: DirectiveNumber,
        /// The signed text, byte for byte.
        text: String,
        /// The armored OpenSSH signatures over it.
        signatures: Vec<String>,
        /// The `allowed_signers` file it was checked against, byte for byte.
        signers_file: String,
        /// The people who signed.
        people: Vec<String>,
        /// Of an approval: what the estate says.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        estate: Option<EstateRecord>,
    }

    /// The database's side of a directive was carried out.
    CarriedOut: CarriedOut {
        /// The directive.
        directive: DirectiveNumber,
        /// The policy in force since it.
        epoch: Epoch,
        /// When the last step was done.
        #[serde(with = "time::micros")]
        at: Timestamp,
        /// What was done, in order.
        steps: Vec<Step>,
        /// What the catalog said of each role afterwards.
        roles: Vec<RoleEvidence>,
    }

    /// The policy in force has a new number.
    Epoch: EpochRecord {
        /// The new number.
        epoch: Epoch,
        /// The directive that called for it; none if the estate changed.
        directive: Option<DirectiveNumber>,
        /// When.
        #[serde(with = "time::micros")]
        at: Timestamp,
        /// The gateways that must take it up, and drain what the directive ended: all that were at work.
        gateways: Vec<Clipped>,
        /// The approval of the estate that the policy rests on; none if nothing is given by it.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        approval: Option<DirectiveNumber>,
        /// Directives that end nothing any more since it: suspensions that lapsed, and what `directive` lifts.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        lifted: Vec<DirectiveNumber>,
    }

    /// A partner's log ended with this leaf.
    Closed: Closed {
        /// The directive that closed it.
        directive: DirectiveNumber,
        /// The policy in force since it.
        epoch: Epoch,
        /// When.
        #[serde(with = "time::micros")]
        at: Timestamp,
    }

    /// A database is changed to fit the estate. Written before the change is committed, so that it can list what was not, if
    /// something died in between.
    Applied: Applied {
        /// When.
        #[serde(with = "time::micros")]
        at: Timestamp,
        /// SHA-256 of the estate, in hexadecimal.
        estate_sha256: String,
        /// The statements, in order. None: no database needed a change.
        statements: Vec<String>,
        /// The policy in force since it.
        epoch: Epoch,
        /// The directive that approved the estate.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        approval: Option<DirectiveNumber>,
        /// SHA-256 of the `manifest.json` of the proof that the estate's guardrails hold, in hexadecimal.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        proof: Option<String>,
    }

    /// A database is not as the estate in force says: it was changed behind Estop's back, or is so again.
    Drift: DriftRecord {
        /// When it was seen.
        #[serde(with = "time::micros")]
        at: Timestamp,
        /// The upstream's name in the estate.
        upstream: Clipped,
        /// Identifies what differs; empty if nothing does any more, `-` if it could not be looked at.
        fingerprint: String,
        /// What differs, and what it opens or closes for whom, in words.
        differences: Vec<Clipped>,
        /// How many there are, if they are more than stand there.
        count: u64,
        /// Whether any of them opens something.
        opens: bool,
        /// What was done about it: `alarm`; `cut` if partners are held since then; `closed` if nothing differs any more;
        /// `applied` if the estate was applied, which lifts a hold; `could-not-look`.
        done: Clipped,
        /// Partners who are held from then on because of this database.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        held: Vec<PartnerId>,
        /// The application that had been begun then and not finished: what differs can be what it left undone.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        unfinished: Option<Unfinished>,
    }
}

/// An application of an estate that was begun, and of which nobody has said that it is done.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Unfinished {
    /// When it was begun.
    #[serde(with = "time::micros")]
    pub begun: Timestamp,
    /// SHA-256 of its estate, in hexadecimal.
    pub estate_sha256: String,
    /// The directive that approved it.
    pub approval: DirectiveNumber,
}

impl fmt::Display for Unfinished {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            begun,
            estate_sha256,
            approval,
        } = self;
        let estate = estate_sha256.get(..12).unwrap_or(estate_sha256);
        write!(
            f,
            "an apply of {begun} (estate {estate}, {approval}) was not finished; run `estop apply` again"
        )
    }
}

/// What an approved estate says, as far as later approvals need it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EstateRecord {
    /// Its `authorities/allowed_signers`, byte for byte: who may sign from then on. The directive holds its hash.
    pub signers_file: String,
    /// What it gives to whom, as the policy crate writes it.
    pub terms: String,
}

/// How a statement ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub enum Outcome {
    /// It completed.
    Complete {
        /// The command tag, such as `SELECT 3`.
        tag: Clipped,
    },
    /// It failed.
    Failed {
        /// The SQLSTATE.
        sqlstate: Clipped,
    },
    /// It was still sending rows when the record was written; an [`OutcomeRecord`] follows.
    Streaming,
}

/// One step of carrying out a directive in the database.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Step {
    /// What was done, in words.
    pub what: String,
    /// When it was done.
    #[serde(with = "time::micros")]
    pub at: Timestamp,
    /// What came of it, in words.
    pub result: String,
}

/// What the catalog said of a role after a directive had been carried out.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RoleEvidence {
    /// The role.
    pub role: String,
    /// The agreement it served.
    pub agreement: AgreementId,
    /// The purpose it served.
    pub purpose: PurposeId,
    /// `pg_authid.rolcanlogin`.
    pub can_login: bool,
    /// Whether `pg_authid.rolpassword` is set.
    pub has_password: bool,
    /// Backends of the role that were ended.
    pub backends_ended: u64,
    /// Backends of the role in `pg_stat_activity` afterwards.
    pub backends_left: u64,
    /// Prepared transactions of the role that were rolled back.
    pub prepared_rolled_back: u64,
    /// Whether the role holds the right to connect to the database (`has_database_privilege`), by whatever
    /// path.
    pub can_connect: bool,
    /// Relations outside the system catalogs that the role could read, if it could log in, by whatever path.
    pub readable_relations: u64,
    /// `pg_authid.xmin`: the transaction that last changed the role.
    pub xmin: String,
    /// Commit time of that transaction, where the server keeps it (`track_commit_timestamp`).
    #[serde(with = "time::optional_micros")]
    pub committed_at: Option<Timestamp>,
}

#[cfg(test)]
mod tests;
