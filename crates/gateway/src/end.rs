//! How a session ends.

use evidence::id::DirectiveNumber;

use crate::relay::Fatal;
use crate::say::Say;

/// How a session ended.
#[derive(Debug)]
pub(crate) enum End {
    /// The client said goodbye or went away.
    Client,
    /// A directive ended the access.
    Cut(DirectiveNumber, Say),
    /// Its partner is held, because a database was changed.
    Held(Say),
    /// The agreement no longer permits it: its window or hours are over.
    NotPermitted(Say),
    /// A statement or a transaction took too long.
    Overdue(Say),
    /// Upstream went away.
    Upstream,
    /// The client must be told something, and then nothing more.
    Fatal(Say),
    /// The gateway is stopping.
    Stopping,
}

impl End {
    /// How the record of the session's end calls it.
    pub(crate) fn name(&self) -> &'static str {
        match self {
            Self::Client => "client",
            Self::Cut(..) => "directive",
            Self::Held(_) => "held",
            Self::NotPermitted(_) => "not permitted any more",
            Self::Overdue(_) => "took too long",
            Self::Upstream => "upstream",
            Self::Fatal(_) => "protocol",
            Self::Stopping => "gateway stopping",
        }
    }
}

impl From<Fatal> for End {
    fn from(fatal: Fatal) -> Self {
        match fatal {
            Fatal::Client(say) => Self::Fatal(say),
            Fatal::Upstream => Self::Upstream,
        }
    }
}
