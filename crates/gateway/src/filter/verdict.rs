//! What the filter says about a text.

use std::collections::BTreeSet;
use std::sync::Arc;

use wire::backend::Sqlstate;

/// Whether a text may go upstream. Cheap to clone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// All of its statements may.
    Pass(Arc<Pass>),
    /// It may not, for one of them.
    Refuse(Arc<Refused>),
}

impl From<Result<Pass, Refused>> for Verdict {
    fn from(decided: Result<Pass, Refused>) -> Self {
        match decided {
            Ok(pass) => Self::Pass(Arc::new(pass)),
            Err(refused) => Self::Refuse(Arc::new(refused)),
        }
    }
}

/// What a text that may go upstream is made of.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Pass {
    /// Its statements in order; none for an empty text.
    pub statements: Vec<StatementKind>,
    /// The settings that it sets by SET or RESET, in order (not those set by `set_config`).
    pub sets: Vec<Set>,
    /// What must go upstream in place of the text: `case` is a reserved word, so PostgreSQL takes `SET estop.case` only with
    /// the word quoted.
    pub rewritten: Option<String>,
    /// The names of the relations in it, without their schemas: a view whose name is not here is not read, unless by
    /// [`Pass::reads_more`].
    pub reads: BTreeSet<String>,
}

impl Pass {
    /// What becomes of the case reference, if the text says anything about it: `Some(None)` is back to that of the start of
    /// the session (`RESET estop.case`, `RESET ALL`, `DISCARD ALL`).
    #[must_use]
    pub fn sets_case(&self) -> Option<Option<&str>> {
        let named = self
            .sets
            .iter()
            .rev()
            .find(|set| set.name == CASE)
            .map(|set| set.value.as_deref());
        let resets =
            |kind: &StatementKind| matches!(kind, StatementKind::ResetAll | StatementKind::DiscardAll);
        named.or_else(|| self.statements.iter().any(resets).then_some(None))
    }

    /// Whether prepared statements may get another meaning, or none, other than by protocol messages.
    #[must_use]
    pub fn renames_statements(&self) -> bool {
        use StatementKind::{Deallocate, DiscardAll, Prepare};
        self.statements
            .iter()
            .any(|kind| matches!(kind, Deallocate | DiscardAll | Prepare))
    }

    /// Whether it may read what it does not name: a cursor or a prepared statement of before. The shape of its result is
    /// then another one each time.
    #[must_use]
    pub fn reads_more(&self) -> bool {
        use StatementKind::{Execute, Fetch};
        self.statements.iter().any(|kind| matches!(kind, Execute | Fetch))
    }

    /// Whether it is a COPY, whose data say nothing of their columns.
    #[must_use]
    pub fn copies(&self) -> bool {
        self.statements.contains(&StatementKind::Copy)
    }

    /// Whether portals may get another meaning, or none, other than by protocol messages and the end of transactions.
    #[must_use]
    pub fn renames_portals(&self) -> bool {
        use StatementKind::{Close, Declare, DiscardAll};
        self.statements
            .iter()
            .any(|kind| matches!(kind, Close | Declare | DiscardAll))
    }
}

/// The setting that holds the case reference.
pub(super) const CASE: &str = "estop.case";

/// A setting and its new value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Set {
    /// Name, in lower case.
    pub name: String,
    /// `None`: back to the value of the start of the session.
    pub value: Option<String>,
}

/// The kinds of statement that may go upstream.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum StatementKind {
    /// BEGIN, START TRANSACTION.
    Begin,
    /// CLOSE of a cursor or all.
    Close,
    /// COMMIT, END.
    Commit,
    /// COPY to the client.
    Copy,
    /// DEALLOCATE of a prepared statement or all.
    Deallocate,
    /// DECLARE of a cursor.
    Declare,
    /// DISCARD PLANS, SEQUENCES or TEMP.
    Discard,
    /// DISCARD ALL.
    DiscardAll,
    /// EXECUTE of a prepared statement.
    Execute,
    /// FETCH from a cursor.
    Fetch,
    /// MOVE of a cursor.
    Move,
    /// PREPARE of a query.
    Prepare,
    /// RELEASE of a savepoint.
    Release,
    /// RESET of one setting, and SET ... TO DEFAULT.
    Reset,
    /// RESET ALL.
    ResetAll,
    /// ROLLBACK, ABORT.
    Rollback,
    /// ROLLBACK TO a savepoint.
    RollbackTo,
    /// SAVEPOINT.
    Savepoint,
    /// SELECT, VALUES, TABLE, WITH.
    Select,
    /// SET.
    Set,
    /// SHOW.
    Show,
    /// UNLISTEN *.
    Unlisten,
}

/// Why a text may not go upstream.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refused {
    /// The code for the client.
    pub sqlstate: Sqlstate,
    /// What is refused, and why.
    pub message: String,
    /// Which rule refuses it.
    pub clause: Option<String>,
}

impl Refused {
    /// For a text that is wrong in itself.
    pub(super) fn new(sqlstate: Sqlstate, message: impl Into<String>) -> Self {
        Self {
            sqlstate,
            message: message.into(),
            clause: None,
        }
    }

    /// For a text that breaks a rule.
    pub(super) fn by(rule: Rule, message: impl Into<String>) -> Self {
        let clause = Some(format!("Estop statement filter, rule `{}`.", rule.name()));
        Self {
            sqlstate: rule.sqlstate(),
            message: message.into(),
            clause,
        }
    }
}

/// The rules, by what they look at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Rule {
    Case,
    Functions,
    ReadOnly,
    Relations,
    Settings,
    Statements,
    Values,
}

impl Rule {
    fn name(self) -> &'static str {
        match self {
            Self::Case => "case-reference",
            Self::Functions => "functions",
            Self::ReadOnly => "read-only",
            Self::Relations => "relations",
            Self::Settings => "settings",
            Self::Statements => "statements",
            Self::Values => "setting-values",
        }
    }

    fn sqlstate(self) -> Sqlstate {
        match self {
            Self::Case | Self::Values => Sqlstate::INVALID_VALUE,
            _ => Sqlstate::INSUFFICIENT_PRIVILEGE,
        }
    }
}
