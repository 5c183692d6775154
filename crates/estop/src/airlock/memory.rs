//! The memory that one partner's sessions take together, and what is done when it is too much: the session that has taken
//! most is ended. The others, and other partners, go on.
//!
//! The bound of one session (`settings::SESSION_BYTES_MAX`) is the kernel's. This one is looked after, so that sessions may be
//! over it for the time between two looks; a cgroup, where there is one ([`super::cgroup`]), stops that, too.

use std::collections::BTreeMap;
use std::fs;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};

use crate::clock;

/// How long a session that was asked to end may take, before its process is killed, which makes the cluster end all of the
/// partner's sessions.
const ASKED: Duration = Duration::from_secs(5);

/// What sessions of partners are called among the processes: the role, which is `estop_` and 16 hexadecimal digits.
const TITLE: &str = "postgres: estop_";

/// Watches the sessions of one cluster.
#[derive(Debug)]
pub(super) struct Sessions {
    bound: u64,
    /// Those that were asked to end, and when.
    asked: BTreeMap<i32, Instant>,
}

/// A session that was ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Ended {
    /// What all sessions had together, in bytes.
    pub(super) all: u64,
    /// What this one had.
    pub(super) bytes: u64,
}

impl Sessions {
    /// Those that may have this many bytes together.
    pub(super) fn bound_to(bound: u64) -> Self {
        Self {
            bound,
            asked: BTreeMap::new(),
        }
    }

    /// Looks at the sessions of a server, and ends as many as it takes, those that have most first.
    pub(super) fn look(&mut self, server: u32) -> Vec<Ended> {
        let now = clock::monotonic();
        let taken: Vec<(i32, u64)> = children(server)
            .into_iter()
            .filter(|process| is_session(*process))
            .filter_map(|process| Some((process, own_bytes(process)?)))
            .collect();
        self.asked
            .retain(|process, _| taken.iter().any(|(known, _)| known == process));
        for (process, since) in &self.asked {
            if now.saturating_duration_since(*since) >= ASKED {
                signal(*process, Signal::KILL);
            }
        }
        let mut ended = Vec::new();
        for (process, one) in to_end(&taken, self.bound, |process| self.asked.contains_key(&process)) {
            signal(process, Signal::TERM);
            self.asked.insert(process, now);
            ended.push(one);
        }
        ended
    }
}

/// Which sessions are to be ended, so that the rest is within the bound. Those that were asked already count as gone.
fn to_end(taken: &[(i32, u64)], bound: u64, asked: impl Fn(i32) -> bool) -> Vec<(i32, Ended)> {
    let mut staying: Vec<(i32, u64)> = taken
        .iter()
        .copied()
        .filter(|(process, _)| !asked(*process))
        .collect();
    staying.sort_by_key(|(_, bytes)| std::cmp::Reverse(*bytes));
    let all: u64 = taken.iter().fold(0, |sum, (_, bytes)| sum.saturating_add(*bytes));
    let mut rest: u64 = staying
        .iter()
        .fold(0, |sum, (_, bytes)| sum.saturating_add(*bytes));
    let mut chosen = Vec::new();
    for (process, bytes) in staying {
        if rest <= bound {
            break;
        }
        rest = rest.saturating_sub(bytes);
        chosen.push((process, Ended { all, bytes }));
    }
    chosen
}

/// The processes that a process has started (proc(5)).
pub(super) fn children(process: u32) -> Vec<i32> {
    let list = fs::read_to_string(format!("/proc/{process}/task/{process}/children")).unwrap_or_default();
    list.split_whitespace()
        .filter_map(|number| number.parse().ok())
        .collect()
}

fn is_session(process: i32) -> bool {
    let title = fs::read(format!("/proc/{process}/cmdline")).unwrap_or_default();
    is_session_title(&String::from_utf8_lossy(&title))
}

fn is_session_title(title: &str) -> bool {
    title.strip_prefix(TITLE).is_some_and(|rest| {
        let role = rest.split(' ').next().unwrap_or_default();
        role.len() == 16 && role.bytes().all(|byte| byte.is_ascii_hexdigit())
    })
}

/// Memory that is a process's alone, without what it shares with others.
fn own_bytes(process: i32) -> Option<u64> {
    anonymous(&fs::read_to_string(format!("/proc/{process}/status")).ok()?)
}

/// Of the text of `status`: the line of anonymous memory, in kilobytes.
fn anonymous(text: &str) -> Option<u64> {
    let line = text.lines().find_map(|line| line.strip_prefix("RssAnon:"))?;
    let kilobytes: u64 = line.split_whitespace().next()?.parse().ok()?;
    kilobytes.checked_mul(1024)
}

fn signal(process: i32, signal: Signal) {
    if let Some(process) = Pid::from_raw(process) {
        // It may have ended by itself.
        let _ = kill_process(process, signal);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MIB: u64 = 1 << 20;

    fn ends(taken: &[(i32, u64)], asked: &[i32]) -> Vec<i32> {
        let chosen = to_end(taken, 100 * MIB, |process| asked.contains(&process));
        chosen.into_iter().map(|(process, _)| process).collect()
    }

    #[test]
    fn within_the_bound_nobody_is_ended() {
        assert!(ends(&[], &[]).is_empty());
        assert!(ends(&[(1, 60 * MIB), (2, 40 * MIB)], &[]).is_empty());
    }

    #[test]
    fn who_has_most_is_ended_first_and_no_more_than_it_takes() {
        let taken = [(1, 30 * MIB), (2, 90 * MIB), (3, 40 * MIB)];
        assert_eq!(ends(&taken, &[]), [2]);
        let taken = [(1, 90 * MIB), (2, 95 * MIB), (3, 99 * MIB)];
        assert_eq!(ends(&taken, &[]), [3, 2]);
        assert_eq!(ends(&[(1, 101 * MIB)], &[]), [1]);
    }

    #[test]
    fn who_was_asked_counts_as_gone() {
        let taken = [(1, 90 * MIB), (2, 95 * MIB)];
        assert!(ends(&taken, &[2]).is_empty());
        assert_eq!(ends(&[(1, 90 * MIB), (2, 95 * MIB), (3, 20 * MIB)], &[2]), [1]);
    }

    #[test]
    fn only_partners_sessions_are_ended() {
        assert!(is_session_title(
            "postgres: estop_0123456789abcdef estop_0123456789abcdef [local] SELECT"
        ));
        for other in [
            "postgres: estop_admin postgres [local] idle",
            "postgres: checkpointer ",
            "postgres: autovacuum worker estop_0123456789abcdef",
            "postgres: estop_0123456789abcdeX x [local] idle",
            "/usr/lib/postgresql/15/bin/postgres -D data",
        ] {
            assert!(!is_session_title(other), "{other}");
        }
    }

    #[test]
    fn what_a_process_shares_is_not_its_own() {
        let status = "Name:\tpostgres\nVmRSS:\t   16800 kB\nRssAnon:\t     920 kB\nRssFile:\t   15880 kB\n";
        assert_eq!(anonymous(status), Some(920 * 1024));
        // A process that has ended and was not waited for.
        assert_eq!(anonymous("Name:\tpostgres\nState:\tZ (zombie)\n"), None);
        let own = own_bytes(i32::try_from(std::process::id()).unwrap()).unwrap();
        assert!(own > 64 * 1024, "{own}");
    }
}
