//! Running a solver: one program, one script, one answer. Whatever is not plainly `sat` or `unsat` is a fault.
//!
//! A program runs in an empty environment and a folder of its own, for a bounded time, with bounded output; it and whatever
//! it started are killed when nobody waits for it any more.

use std::path::{Path, PathBuf};
use std::process::{ExitStatus, Stdio};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process_group};
use serde::{Deserialize, Serialize};
use tempfile::TempDir;
use tokio::io::{AsyncRead, AsyncReadExt as _};
use tokio::process::Command;
use tokio::sync::Semaphore;

use crate::symbolic::Answer;

/// Longest output of a solver that is read, in bytes: a model of a large question has some hundred kilobytes.
const MAX_OUTPUT_BYTES: u64 = 16 << 20;

/// Most of a solver's words that a message repeats, in characters.
const SHOWN_CHARS: usize = 300;

/// Most memory z3 may take, in megabytes; cvc5 has no such option.
const Z3_MEGABYTES: u32 = 4096;

/// How long a solver may take to say its version.
const VERSION_WITHIN: Duration = Duration::from_secs(10);

/// The solvers that must agree.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum SolverName {
    /// cvc5, which takes every script as the encoder writes it, and whose models can be read back.
    Cvc5,
    /// z3, which takes scripts without operators on sets, or rewritten ones.
    Z3,
}

impl SolverName {
    /// Both.
    pub const ALL: [Self; 2] = [Self::Cvc5, Self::Z3];

    /// The program's name.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Cvc5 => "cvc5",
            Self::Z3 => "z3",
        }
    }

    fn arguments(self, limit: Duration) -> Vec<String> {
        // The solver's own limit comes a little later than ours, which is the one that counts.
        let limit = limit.saturating_add(Duration::from_secs(1));
        match self {
            Self::Cvc5 => vec![
                "--lang=smt2".to_owned(),
                format!("--tlimit={}", limit.as_millis()),
            ],
            Self::Z3 => vec![
                "-smt2".to_owned(),
                format!("-T:{}", limit.as_secs()),
                format!("-memory:{Z3_MEGABYTES}"),
            ],
        }
    }
}

impl std::fmt::Display for SolverName {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.pad(self.as_str())
    }
}

/// Why a solver has not answered. Never a "yes".
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Fault {
    /// The program cannot be started.
    #[error("cannot be started: {0}")]
    NotStarted(String),
    /// It did not end in time.
    #[error("did not answer within {} s", .0.as_secs_f64())]
    TimedOut(Duration),
    /// It ended with a failure.
    #[error("failed ({status}), saying `{said}`")]
    Crashed {
        /// How it ended.
        status: String,
        /// What it said.
        said: String,
    },
    /// It reported an error, whatever it answered after it.
    #[error("reported an error: `{0}`")]
    Error(String),
    /// It does not know.
    #[error("answered `unknown`")]
    Unknown,
    /// It said something else.
    #[error("answered neither `sat` nor `unsat`, but `{0}`")]
    Garbage(String),
    /// It said too much.
    #[error("said more than {MAX_OUTPUT_BYTES} bytes")]
    TooMuch,
}

/// Where the programs are, and how they are run.
#[derive(Debug, Clone)]
pub struct Programs {
    /// cvc5.
    pub cvc5: PathBuf,
    /// z3.
    pub z3: PathBuf,
    /// Longest time for one script.
    pub limit: Duration,
    /// Most that run at the same time.
    pub at_once: usize,
    /// The clock that times them.
    pub clock: fn() -> Instant,
}

/// The two solvers, ready to be asked.
#[derive(Debug)]
pub struct Solvers {
    programs: Programs,
    versions: [String; 2],
    slots: Semaphore,
    folder: TempDir,
}

/// What came of one run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Run {
    /// The answer, or why there is none.
    pub outcome: Result<Answer, Fault>,
    /// What follows the answer: the model, if the script asks for one.
    pub model: Option<String>,
    /// How long it took.
    pub took: Duration,
}

/// A solver that cannot be used at all.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SolversError {
    /// It does not say its version, so it is not there.
    #[error("the solver {name} at `{}` {fault}", path.display())]
    Unusable {
        /// Which.
        name: SolverName,
        /// Where it should be.
        path: PathBuf,
        /// What happened.
        fault: Fault,
    },
    /// No folder for scripts.
    #[error("cannot make a folder for the solvers' scripts: {0}")]
    Folder(String),
}

impl Solvers {
    /// Asks both programs for their versions.
    ///
    /// # Errors
    /// One of them is not there, or is none.
    pub async fn open(programs: Programs) -> Result<Self, SolversError> {
        let mut builder = tempfile::Builder::new();
        let folder = builder
            .prefix("estop-proof-")
            .tempdir()
            .map_err(|error| SolversError::Folder(error.to_string()))?;
        let mut versions = [String::new(), String::new()];
        for (name, version) in SolverName::ALL.into_iter().zip(&mut versions) {
            let path = path(&programs, name);
            let said = output(
                path,
                &["--version".to_owned()],
                folder.path(),
                programs.limit.max(VERSION_WITHIN),
            )
            .await;
            let first = said.and_then(|said| match said.text.lines().next() {
                Some(line) if said.status.success() && line.to_lowercase().contains(name.as_str()) => {
                    Ok(shown(line))
                }
                _ => Err(Fault::Garbage(shown(&said.text))),
            });
            *version = first.map_err(|fault| SolversError::Unusable {
                name,
                path: path.to_owned(),
                fault,
            })?;
        }
        let slots = Semaphore::new(programs.at_once.max(1));
        Ok(Self {
            programs,
            versions,
            slots,
            folder,
        })
    }

    /// What a program says its version is.
    #[must_use]
    pub fn version(&self, name: SolverName) -> &str {
        let [cvc5, z3] = &self.versions;
        match name {
            SolverName::Cvc5 => cvc5,
            SolverName::Z3 => z3,
        }
    }

    /// How many run at the same time.
    #[must_use]
    pub fn at_once(&self) -> usize {
        self.programs.at_once.max(1)
    }

    /// The time by the clock that times the solvers.
    #[must_use]
    pub fn now(&self) -> Instant {
        (self.programs.clock)()
    }

    /// Runs one script. Cancel safe: the program is killed when this is dropped.
    pub async fn run(&self, name: SolverName, script: &str) -> Run {
        // The semaphore is never closed.
        let _slot = self.slots.acquire().await;
        let began = self.now();
        let answered = self.answer(name, script).await;
        let took = self.now().saturating_duration_since(began);
        let (outcome, model) = match answered {
            Ok((answer, model)) => (Ok(answer), model),
            Err(fault) => (Err(fault), None),
        };
        Run { outcome, model, took }
    }

    async fn answer(&self, name: SolverName, script: &str) -> Result<(Answer, Option<String>), Fault> {
        let folder =
            tempfile::tempdir_in(self.folder.path()).map_err(|error| Fault::NotStarted(error.to_string()))?;
        let file = folder.path().join("query.smt2");
        std::fs::write(&file, script).map_err(|error| Fault::NotStarted(error.to_string()))?;
        let limit = self.programs.limit;
        let mut arguments = name.arguments(limit);
        arguments.push(file.to_string_lossy().into_owned());
        let said = output(path(&self.programs, name), &arguments, folder.path(), limit).await?;
        read(&said)
    }
}

fn path(programs: &Programs, name: SolverName) -> &Path {
    match name {
        SolverName::Cvc5 => &programs.cvc5,
        SolverName::Z3 => &programs.z3,
    }
}

struct Said {
    status: ExitStatus,
    text: String,
    errors: String,
}

/// The answer in what a solver said. z3 goes on after an error, and answers for what it understood: an error anywhere is one.
fn read(said: &Said) -> Result<(Answer, Option<String>), Fault> {
    let lines = || said.text.lines().chain(said.errors.lines());
    if let Some(line) = lines().find(|line| line.trim_start().starts_with("(error")) {
        return Err(Fault::Error(shown(line)));
    }
    if !said.status.success() {
        let words = if said.errors.trim().is_empty() {
            &said.text
        } else {
            &said.errors
        };
        return Err(Fault::Crashed {
            status: said.status.to_string(),
            said: shown(words),
        });
    }
    let (first, rest) = said.text.split_once('\n').unwrap_or((&said.text, ""));
    let rest = rest.trim();
    let answer = match first.trim_end() {
        "sat" => Answer::Sat,
        "unsat" => Answer::Unsat,
        "unknown" | "timeout" => return Err(Fault::Unknown),
        _ => return Err(Fault::Garbage(shown(&said.text))),
    };
    match (answer, rest) {
        (_, "") => Ok((answer, None)),
        (Answer::Sat, model) if model.starts_with('(') && model.ends_with(')') => {
            Ok((answer, Some(model.to_owned())))
        }
        _ => Err(Fault::Garbage(shown(&said.text))),
    }
}

/// Kills a program with all that it started, unless it has ended.
struct Group(Option<Pid>);

impl Drop for Group {
    fn drop(&mut self) {
        if let Some(group) = self.0.take() {
            // Whoever is gone already needs no signal.
            let _ = kill_process_group(group, Signal::KILL);
        }
    }
}

async fn output(program: &Path, arguments: &[String], folder: &Path, limit: Duration) -> Result<Said, Fault> {
    let not_started = |error: std::io::Error| Fault::NotStarted(error.to_string());
    let mut child = Command::new(program)
        .args(arguments)
        .env_clear()
        .env("LC_ALL", "C")
        .current_dir(folder)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .process_group(0)
        .kill_on_drop(true)
        .spawn()
        .map_err(not_started)?;
    let id = child.id().and_then(|id| i32::try_from(id).ok());
    let mut group = Group(id.and_then(Pid::from_raw));
    let (out, err) = (child.stdout.take(), child.stderr.take());
    let ended = async {
        let (text, errors) = tokio::join!(all(out), all(err));
        let status = child.wait().await.map_err(not_started)?;
        Ok(Said {
            status,
            text: text?,
            errors: errors?,
        })
    };
    let said = tokio::time::timeout(limit, ended)
        .await
        .unwrap_or(Err(Fault::TimedOut(limit)));
    if said.is_ok() {
        // It has ended and was waited for: its number may be another's by now.
        group.0 = None;
    }
    said
}

async fn all(pipe: Option<impl AsyncRead + Unpin>) -> Result<String, Fault> {
    let mut bytes = Vec::new();
    if let Some(pipe) = pipe {
        pipe.take(MAX_OUTPUT_BYTES + 1)
            .read_to_end(&mut bytes)
            .await
            .map_err(|error| Fault::Garbage(error.to_string()))?;
    }
    if u64::try_from(bytes.len()).is_ok_and(|length| length > MAX_OUTPUT_BYTES) {
        return Err(Fault::TooMuch);
    }
    String::from_utf8(bytes).map_err(|_| Fault::Garbage("bytes that are no text".to_owned()))
}

fn shown(text: &str) -> String {
    let flat = text.split_whitespace().collect::<Vec<_>>().join(" ");
    let mut shown: String = flat.chars().take(SHOWN_CHARS).collect();
    if shown.len() < flat.len() {
        shown.push('…');
    }
    shown
}
