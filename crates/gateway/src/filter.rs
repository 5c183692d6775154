//! Which statements go upstream: an allow-list, decided on PostgreSQL's own parse tree of the text.
//!
//! The filter narrows what a partner can ask of the database; it is not what keeps rows in (that are the database's own
//! roles and views). It refuses what would tell of hidden rows by other ways than rows (EXPLAIN, activity counters), what
//! reaches other sessions (locks, notifications, signals), what runs text that nobody has looked at (DO, `query_to_xml`),
//! and every setting that would change how a text is read.
//!
//! - The whole tree is walked. Each kind of node that an allowed statement can have is taken apart field by field; a kind
//!   that is not known is refused, so a newer parser cannot smuggle anything past an older walk.
//! - Every name that PostgreSQL could take for a function is looked at, not only calls: `(200000::bigint).pg_advisory_lock`
//!   and `g.pg_advisory_lock from generate_series(1, 9) g` are calls.
//! - The verdict holds for sessions with `standard_conforming_strings = on` and `client_encoding = UTF8`; both are pinned
//!   and cannot be set to anything else.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use wire::backend::Sqlstate;

mod cache;
mod case;
mod functions;
mod parser;
mod settings;
mod statement;
mod verdict;
mod walk;

#[cfg(test)]
mod tests;

use cache::Cache;
pub use verdict::{Pass, Refused, Set, StatementKind, Verdict};

/// Longest text that is parsed. Lists of some 100,000 keys fit; a longer one would hold a worker thread for too long.
pub const TEXT_BYTES_MAX: usize = 1024 * 1024;

/// Most statements in one text.
pub const STATEMENTS_MAX: usize = 1000;

/// What the filter must know beside the allow-list.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Limits {
    /// The highest `statement_timeout` that a partner may set; with one, switching it off is refused too.
    pub statement_timeout_max: Option<Duration>,
}

/// Judges texts of statements, and remembers its verdicts.
#[derive(Debug)]
pub struct Filter {
    limits: Limits,
    cache: Mutex<Cache>,
}

impl Filter {
    /// A filter with an empty memory. One for all sessions under the same limits serves best.
    #[must_use]
    pub fn new(limits: Limits) -> Self {
        Self {
            limits,
            cache: Mutex::new(Cache::default()),
        }
    }

    /// Whether all statements of a text may go upstream. Takes about a microsecond for a text that was seen before, tens of
    /// microseconds for a new one, and up to some 100 ms for one of [`TEXT_BYTES_MAX`].
    #[must_use]
    pub fn judge(&self, sql: &[u8]) -> Verdict {
        if let Some(verdict) = self.remembered(sql) {
            return verdict;
        }
        let verdict = Verdict::from(self.decide(sql));
        self.cache
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .insert(sql, &verdict);
        verdict
    }

    fn remembered(&self, sql: &[u8]) -> Option<Verdict> {
        self.cache
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .find(sql)
    }

    fn decide(&self, sql: &[u8]) -> Result<Pass, Refused> {
        let text = readable(sql)?;
        let rewritten = case::quoted(text);
        let tree = parser::parse(rewritten.as_deref().unwrap_or(text))?;
        Ok(Pass {
            rewritten,
            ..statement::judge(&tree, &self.limits)?
        })
    }
}

/// The text, if it is short enough and what PostgreSQL would take for UTF-8 text.
fn readable(sql: &[u8]) -> Result<&str, Refused> {
    if sql.len() > TEXT_BYTES_MAX {
        return Err(Refused::new(
            Sqlstate::PROGRAM_LIMIT,
            format!(
                "statement text has {} bytes, at most {TEXT_BYTES_MAX} are taken",
                sql.len()
            ),
        ));
    }
    let text = std::str::from_utf8(sql).map_err(|error| {
        let wrong = sql
            .get(error.valid_up_to()..)
            .and_then(<[u8]>::first)
            .copied()
            .unwrap_or_default();
        not_in_encoding(wrong)
    })?;
    if text.contains('\0') {
        Err(not_in_encoding(0))
    } else {
        Ok(text)
    }
}

fn not_in_encoding(byte: u8) -> Refused {
    Refused::new(
        Sqlstate::NOT_IN_REPERTOIRE,
        format!("invalid byte sequence for encoding \"UTF8\": 0x{byte:02x}"),
    )
}
