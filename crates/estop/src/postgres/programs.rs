//! PostgreSQL's programs run by us: with an environment of our own, until they have ended or are ready.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};
use zeroize::Zeroizing;

use super::{Binaries, PostgresError};
use crate::clock;

/// Recovery of an empty cluster takes well under a second; a loaded machine may take ten times that and more.
const READY_WITHIN: Duration = Duration::from_secs(30);

/// Between two looks at the state, both starting and stopping.
const LOOK_EVERY: Duration = Duration::from_millis(10);

/// A fast shutdown ends all sessions at once; what is left is a checkpoint of a small cluster.
const STOP_WITHIN: Duration = Duration::from_secs(10);

/// How much of a log is shown in an error, in bytes.
const LAST_WORDS: usize = 1_500;

/// 24 random bytes in hexadecimal.
pub(crate) fn random_password() -> Result<Zeroizing<String>, PostgresError> {
    let mut bytes = Zeroizing::new([0_u8; 24]);
    getrandom::fill(bytes.as_mut()).map_err(|_| PostgresError::Random)?;
    Ok(Zeroizing::new(
        bytes.iter().map(|byte| format!("{byte:02x}")).collect(),
    ))
}

/// As `postgres --version` says it, such as `15.18`.
pub(crate) fn version(binaries: &Binaries) -> Result<String, PostgresError> {
    let output = run(
        Command::new(binaries.program("postgres")).arg("--version"),
        "postgres",
    )?;
    // "postgres (PostgreSQL) 15.18 (Debian 15.18-0+deb12u1)"
    Ok(output
        .split_whitespace()
        .nth(2)
        .unwrap_or("of unknown version")
        .to_owned())
}

/// Nothing of our environment but what a program needs: no `PG*` variable, no locale.
pub(crate) fn quiet<'c>(command: &'c mut Command, directory: &Path) -> &'c mut Command {
    command
        .env_clear()
        .env("PATH", std::env::var_os("PATH").unwrap_or_default())
        .env("LC_ALL", "C")
        .env("HOME", directory)
        .current_dir(directory)
        .stdin(Stdio::null())
}

/// Runs to the end. What it printed on standard output.
pub(crate) fn run(command: &mut Command, program: &'static str) -> Result<String, PostgresError> {
    let output = command.output().map_err(|source| PostgresError::Run {
        program: PathBuf::from(command.get_program()),
        source,
    })?;
    if output.status.success() {
        Ok(String::from_utf8_lossy(&output.stdout).into_owned())
    } else {
        let words = [output.stdout, output.stderr].concat();
        Err(PostgresError::Failed {
            program,
            status: output.status,
            words: tail(&words),
        })
    }
}

/// The last bytes of a program's output, on one line.
pub(crate) fn tail(bytes: &[u8]) -> String {
    let from = bytes.len().saturating_sub(LAST_WORDS);
    let text = String::from_utf8_lossy(bytes.get(from..).unwrap_or_default()).into_owned();
    let text = text.trim().replace('\n', " | ");
    if text.is_empty() { "none".to_owned() } else { text }
}

/// Watches the state that a server keeps in `postmaster.pid` (its eighth line) until it is `ready`.
pub(crate) fn wait_until_ready(
    server: &mut Child,
    data: &Path,
    last_words: impl Fn() -> String,
) -> Result<(), PostgresError> {
    let began = clock::monotonic();
    let state = data.join("postmaster.pid");
    while began.elapsed() < READY_WITHIN {
        if let Ok(Some(status)) = server.try_wait() {
            return Err(PostgresError::Failed {
                program: "postgres",
                status,
                words: last_words(),
            });
        }
        let text = fs::read_to_string(&state).unwrap_or_default();
        if text.lines().nth(7).is_some_and(|line| line.trim() == "ready") {
            return Ok(());
        }
        thread::sleep(LOOK_EVERY);
    }
    Err(PostgresError::NotReady {
        seconds: READY_WITHIN.as_secs(),
        words: last_words(),
    })
}

/// Ends a server: fast, then immediately (PostgreSQL documentation, 19.5), then by force.
pub(crate) fn end(server: &mut Child) {
    if !end_with(server, Signal::INT) && !end_with(server, Signal::QUIT) {
        let _ = server.kill();
        let _ = server.wait();
    }
}

/// Signals a server, and waits for its end within a bound. Whether it has ended.
fn end_with(server: &mut Child, signal: Signal) -> bool {
    if let Some(process) = i32::try_from(server.id()).ok().and_then(Pid::from_raw) {
        // It may have ended by itself: not an error, and `try_wait` below tells.
        let _ = kill_process(process, signal);
    }
    let began = clock::monotonic();
    while began.elapsed() < STOP_WITHIN {
        if !matches!(server.try_wait(), Ok(None)) {
            return true;
        }
        thread::sleep(LOOK_EVERY);
    }
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn last_words_are_bounded_and_on_one_line() {
        let words = tail(&b"line\n".repeat(1_000));
        assert!(words.len() < 2 * LAST_WORDS);
        assert!(!words.contains('\n'));
        assert_eq!(tail(b""), "none");
    }
}
