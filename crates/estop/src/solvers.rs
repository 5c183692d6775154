//! Where the solvers are: programs on `PATH`, found once and handed on.

use std::path::PathBuf;
use std::time::Duration;

use proof::run::Progress;
use proof::solver::{Programs, SolverName, Solvers};

use crate::clock;
use crate::failure::{Exit, Failure};

/// How both are installed on Debian.
pub const APT: &str = "apt-get install cvc5 z3";

/// Seconds a solver may take for one question, if nothing is said: a thousand agreements take it less than one.
pub const SECONDS: u64 = 60;

/// Processors if the system does not tell.
const PROCESSORS: usize = 2;

/// Both solvers, ready to be asked.
///
/// # Errors
/// Exit 3: one of them is not there, or is none.
pub async fn open(seconds: u64) -> Result<Solvers, Failure> {
    let programs = Programs {
        cvc5: program(SolverName::Cvc5)?,
        z3: program(SolverName::Z3)?,
        limit: Duration::from_secs(seconds),
        at_once: std::thread::available_parallelism().map_or(PROCESSORS, usize::from),
        clock: clock::monotonic,
    };
    Solvers::open(programs)
        .await
        .map_err(|error| Failure::from_error(Exit::Absent, &error).help(format!("sudo {APT}")))
}

/// Where both are, or would be: whoever asks them finds out.
#[must_use]
pub fn programs() -> Programs {
    let place = |name| found(name).unwrap_or_else(|| PathBuf::from("/usr/bin").join(name.as_str()));
    Programs {
        cvc5: place(SolverName::Cvc5),
        z3: place(SolverName::Z3),
        limit: Duration::from_secs(SECONDS),
        at_once: std::thread::available_parallelism().map_or(PROCESSORS, usize::from),
        clock: clock::monotonic,
    }
}

fn found(name: SolverName) -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path)
        .map(|directory| directory.join(name.as_str()))
        .find(|program| program.is_file() && program.is_absolute())
}

fn program(name: SolverName) -> Result<PathBuf, Failure> {
    found(name).ok_or_else(|| {
        Failure::absent(format!(
            "nothing can be proved: the solver `{name}` is not on `PATH`"
        ))
        .help(format!("sudo {APT}; both solvers are asked, and must agree"))
    })
}

/// Says how far a proof is, on a terminal.
pub fn progress(shown: bool) -> impl Fn(Progress) + Sync {
    move |progress: Progress| {
        if shown {
            use std::io::Write as _;
            let end = if progress.done == progress.all {
                "\r\u{1b}[K"
            } else {
                ""
            };
            // Whoever cannot be shown it does not miss it.
            let _ = write!(
                std::io::stderr(),
                "\rproving: {} of {}{end}",
                progress.done,
                progress.all
            );
        }
    }
}
