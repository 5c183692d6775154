//! What of upstream's errors and notices a partner may see.
//!
//! PostgreSQL's error texts quote data: `invalid input syntax for type integer: "000023757x"` shows a value that a
//! mask was to hide, and the detail of a unique violation shows a row. Severity, SQLSTATE, message and position stay,
//! detail and hint stay where they cannot quote data, everything that tells about the inside of functions goes.

use bytes::BytesMut;
use wire::Malformed;
use wire::backend::fields::field;
use wire::backend::{Fields, FieldsRef, Severity, Sqlstate};

/// An error as the client may see it, and its SQLSTATE for the record.
pub(crate) struct Scrubbed {
    pub(crate) sqlstate: Sqlstate,
    pub(crate) severity: Severity,
    pub(crate) message: BytesMut,
    /// The statement was ended, and not because somebody asked for it, as far as the words tell.
    pub(crate) timed_out: bool,
}

/// Rewrites an ErrorResponse.
pub(crate) fn error(body: &[u8]) -> Result<Scrubbed, Malformed> {
    let fields = FieldsRef::parse(body)?;
    let sqlstate = fields.sqlstate().unwrap_or(Sqlstate::INTERNAL);
    let severity = fields.severity().unwrap_or(Severity::Error);
    let mut message = BytesMut::new();
    kept(&fields, severity, sqlstate).encode_error(&mut message);
    Ok(Scrubbed {
        sqlstate,
        severity,
        message,
        timed_out: sqlstate.as_str() == QUERY_CANCELED
            && fields.find(field::MESSAGE) != Some(ASKED_FOR.as_bytes()),
    })
}

/// What ends a statement: the server's timer, or a cancel request.
const QUERY_CANCELED: &str = "57014";

/// The server's words for the second, where its messages are in English.
const ASKED_FOR: &str = "canceling statement due to user request";

/// Rewrites a NoticeResponse; nothing is left of those meant for the server's log or for debugging, which print
/// plans with their constants if a client sets `debug_print_plan`.
pub(crate) fn notice(body: &[u8]) -> Result<Option<BytesMut>, Malformed> {
    let fields = FieldsRef::parse(body)?;
    let Some(severity @ (Severity::Warning | Severity::Notice | Severity::Info)) = fields.severity() else {
        return Ok(None);
    };
    let sqlstate = fields.sqlstate().unwrap_or(Sqlstate::INTERNAL);
    let mut message = BytesMut::new();
    kept(&fields, severity, sqlstate).encode_notice(&mut message);
    Ok(Some(message))
}

fn kept(fields: &FieldsRef<'_>, severity: Severity, sqlstate: Sqlstate) -> Fields {
    let text = |code| fields.find(code).map(String::from_utf8_lossy);
    let quotes_data = match &sqlstate.class() {
        // Data exceptions: the message itself quotes values.
        b"22" => Quotes::Message,
        // Integrity constraints, internal errors: the message names, the detail quotes.
        b"23" | b"XX" | b"P0" => Quotes::Detail,
        // The way from an airlock to the custodian: the message names the server, the detail where it is.
        b"08" | b"HV" => Quotes::Place,
        _ => Quotes::Nothing,
    };
    let message = match quotes_data {
        Quotes::Place => "the custodian's database cannot be reached at the moment".into(),
        Quotes::Message => format!(
            "a value is not valid for its operation (SQLSTATE {})",
            sqlstate.as_str()
        )
        .into(),
        Quotes::Detail | Quotes::Nothing => text(field::MESSAGE).unwrap_or_default(),
    };
    let mut said = Fields::new(severity, sqlstate, &message);
    if matches!(quotes_data, Quotes::Nothing) {
        for code in [field::DETAIL, field::HINT] {
            if let Some(value) = fields.find(code) {
                said.set(code, value);
            }
        }
    }
    if let Some(position) = fields.find(field::POSITION) {
        said.set(field::POSITION, position);
    }
    said
}

enum Quotes {
    Message,
    Detail,
    Place,
    Nothing,
}

#[cfg(test)]
mod tests;
