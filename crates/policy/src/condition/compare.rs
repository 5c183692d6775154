//! Comparisons of a column with constants in the form that an index on the column serves.

use jiff::SignedDuration;
use jiff::civil::DateTime;

use super::render::{column_sql, operator};
use super::term::{ColumnRef, Comparison, Scalar};
use crate::estate::ColumnType;
use crate::sql::literal;

/// A comparison of a moment or a `uuid` with a constant.
pub(super) fn indexable(op: Comparison, left: &Scalar, right: &Scalar, alias: &str) -> Option<String> {
    match (left, right) {
        (Scalar::Column(column), constant) => with_constant(op, column, constant, alias),
        (constant, Scalar::Column(column)) => with_constant(op.turned(), column, constant, alias),
        _ => None,
    }
}

/// A `uuid` among constants.
pub(super) fn among(value: &Scalar, members: &[Scalar], alias: &str) -> Option<String> {
    let Scalar::Column(column) = value else {
        return None;
    };
    if column.kind != ColumnType::Uuid {
        return None;
    }
    let members: Vec<String> = members.iter().map(uuid).collect::<Option<_>>()?;
    Some(format!(
        "({} IN ({}))",
        column_sql(column, alias),
        members.join(", ")
    ))
}

/// A moment as a constant in UTC.
pub(super) fn instant(at: DateTime) -> String {
    timestamp(&at.strftime("%Y-%m-%d %H:%M:%S%.3f").to_string())
}

fn with_constant(op: Comparison, column: &ColumnRef, constant: &Scalar, alias: &str) -> Option<String> {
    let sql = column_sql(column, alias);
    match (column.kind, constant) {
        (ColumnType::Timestamptz, Scalar::Instant(at)) => Some(moment(op, &sql, *at)),
        (ColumnType::Uuid, Scalar::Text(_)) => Some(format!("({sql} {} {})", operator(op), uuid(constant)?)),
        _ => None,
    }
}

/// Cedar counts milliseconds, PostgreSQL keeps microseconds: at most a millisecond is before the next one. The constant is
/// written in UTC, whatever the session's time zone, and whatever that of whoever prints the view.
fn moment(op: Comparison, sql: &str, at: DateTime) -> String {
    let in_utc = |timestamp: &str| format!("pg_catalog.timezone('UTC', {timestamp})");
    let this = in_utc(&instant(at));
    let next = in_utc(&next_millisecond(at));
    match op {
        Comparison::Less => format!("({sql} < {this})"),
        Comparison::LessOrEqual => format!("({sql} < {next})"),
        Comparison::Greater => format!("({sql} >= {next})"),
        Comparison::GreaterOrEqual => format!("({sql} >= {this})"),
        Comparison::Equal => format!("({sql} >= {this} AND {sql} < {next})"),
        Comparison::NotEqual => format!("({sql} < {this} OR {sql} >= {next})"),
    }
}

fn next_millisecond(at: DateTime) -> String {
    match at.checked_add(SignedDuration::from_millis(1)) {
        Ok(next) => instant(next),
        // PostgreSQL has years beyond 9999.
        Err(_) => timestamp("10000-01-01 00:00:00.000"),
    }
}

fn timestamp(text: &str) -> String {
    format!("'{text}'::pg_catalog.timestamp")
}

/// A `uuid` in the form PostgreSQL prints, the only one that the text of a `uuid` can equal.
fn uuid(constant: &Scalar) -> Option<String> {
    match constant {
        Scalar::Text(text) if is_printed_uuid(text) => Some(format!("{}::pg_catalog.uuid", literal(text))),
        _ => None,
    }
}

/// 32 digits in groups of 8, 4, 4, 4 and 12, in lower case.
pub(super) fn is_printed_uuid(text: &str) -> bool {
    let groups: Vec<usize> = text.split('-').map(str::len).collect();
    let digit = |byte: u8| matches!(byte, b'0'..=b'9' | b'a'..=b'f' | b'-');
    groups == [8, 4, 4, 4, 12] && text.bytes().all(digit)
}
