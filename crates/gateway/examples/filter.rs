//! How long the statement filter takes: `cargo run --release -p gateway --example filter`.
//!
//! For texts that it has seen before, and for new ones (each made different by a comment), single-threaded.

use std::hint::black_box;
use std::io::{self, Write};
use std::time::{Duration, Instant};

use gateway::filter::{Filter, Limits, Verdict};

/// Runs of each case.
const RUNS: u32 = 20_000;

/// Name of a case and its text.
const CASES: [(&str, &str); 4] = [
    ("one", "SELECT 1"),
    ("point", "SELECT abalance FROM pgbench_accounts WHERE aid = $1"),
    (
        "join",
        "SELECT p.name, count(*) AS n FROM people p JOIN incidents i ON i.person_id = p.person_id \
         WHERE i.opened >= $1 AND p.county IN ('a', 'b', 'c') GROUP BY p.name ORDER BY n DESC LIMIT 50",
    ),
    ("refused", "EXPLAIN ANALYZE SELECT * FROM people WHERE name = 'x'"),
];

fn main() -> io::Result<()> {
    let mut out = io::stdout().lock();
    for (name, text) in CASES {
        let filter = Filter::new(Limits::default());
        let seen = time(|_| filter.judge(text.as_bytes()));
        let new = time(|run| Filter::judge(&filter, format!("{text} /* {run} */").as_bytes()));
        writeln!(
            out,
            "{name:8} seen before {:6.3} us, new text {:6.1} us",
            micros(seen),
            micros(new)
        )?;
    }
    Ok(())
}

/// Mean time of a run.
#[expect(clippy::disallowed_methods, reason = "an example that measures time")]
fn time(mut judge: impl FnMut(u32) -> Verdict) -> Duration {
    let start = Instant::now();
    for run in 0..RUNS {
        black_box(judge(run));
    }
    start.elapsed() / RUNS
}

fn micros(time: Duration) -> f64 {
    time.as_secs_f64() * 1e6
}
