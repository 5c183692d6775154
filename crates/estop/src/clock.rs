//! The process's clocks and its environment: the one place where they are read, so that all else can be handed them.

use std::time::Instant;

/// Wall clock of this process.
#[must_use]
#[expect(
    clippy::disallowed_methods,
    reason = "the clock that is handed to everyone else starts here"
)]
pub fn now() -> jiff::Timestamp {
    jiff::Timestamp::now()
}

/// Monotonic clock of this process.
#[must_use]
#[expect(
    clippy::disallowed_methods,
    reason = "the clock that is handed to everyone else starts here"
)]
pub fn monotonic() -> Instant {
    Instant::now()
}

/// One variable of the environment, where it is set, not empty, and UTF-8.
#[must_use]
#[expect(
    clippy::disallowed_methods,
    reason = "the environment is read here and nowhere else"
)]
pub fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|value| !value.is_empty())
}
