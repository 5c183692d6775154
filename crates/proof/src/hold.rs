//! An estate of which it is proved that no guardrail is broken and no policy can err: what stands before it is put in force.
//!
//! [`Held`] is made here alone, from files, by both solvers. It says of which estate it is and where the evidence is, so nobody
//! can hand on a proof of something else.

use std::fmt;
use std::fs;
use std::path::PathBuf;
use std::sync::Arc;

use evidence::hash::{Hash, sha256};
use jiff::Timestamp;
use policy::estate::{Estate, Files};
use tokio::sync::Mutex;

use crate::case::CaseError;
use crate::examine::{Examined, examine};
use crate::folder::{About, FolderError, evidence, write};
use crate::properties::guardrails;
use crate::run::{RunError, Verdict, prove};
use crate::solver::{Programs, Solvers, SolversError};

/// Proved: this estate's guardrails hold, and none of its policies can err. Made by [`Prover::held`] alone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Held {
    estate: Hash,
    manifest: Hash,
}

impl Held {
    /// The estate's files, as [`policy::estate::hash`] counts them.
    #[must_use]
    pub fn estate(&self) -> Hash {
        self.estate
    }

    /// SHA-256 of the evidence's `manifest.json`.
    #[must_use]
    pub fn manifest(&self) -> Hash {
        self.manifest
    }
}

/// Why an estate is not held to its guardrails.
#[derive(Debug, thiserror::Error)]
pub enum Unheld {
    /// A guardrail is broken, a policy can err, or a solver does not settle it: what `check` says of it.
    #[error("{}", .0.join("\n"))]
    Refused(Vec<String>),
    /// The files are no estate.
    #[error("the files are no estate: {0}")]
    NoEstate(String),
    /// There are no solvers.
    #[error(transparent)]
    NoSolvers(#[from] SolversError),
    /// The texts cannot be read.
    #[error(transparent)]
    Case(#[from] CaseError),
    /// The proof broke off.
    #[error(transparent)]
    Run(#[from] RunError),
    /// The evidence cannot be kept.
    #[error(transparent)]
    Folder(#[from] FolderError),
}

/// What a prover works with.
#[derive(Debug, Clone)]
pub struct Proving {
    /// Finds the solvers, each time anew: one may have been installed meanwhile.
    pub programs: fn() -> Programs,
    /// Where evidence is kept: one folder for each manifest, named by its hash.
    pub folder: PathBuf,
    /// The clock of the manifests.
    pub now: fn() -> Timestamp,
    /// The version of what is run.
    pub version: &'static str,
}

/// Proves estates before they are put in force. Remembers the last one that held, so that asking again costs nothing.
pub struct Prover {
    proving: Proving,
    last: Mutex<Option<Held>>,
}

impl fmt::Debug for Prover {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Prover")
            .field("folder", &self.proving.folder)
            .finish_non_exhaustive()
    }
}

impl Prover {
    /// A prover. Looks for no solver yet.
    #[must_use]
    pub fn new(proving: Proving) -> Self {
        Self {
            proving,
            last: Mutex::new(None),
        }
    }

    /// Holds the estate in these files to its guardrails by both solvers, and keeps the evidence. Cancel safe: the solvers are
    /// ended.
    ///
    /// # Errors
    /// It does not hold, or that is not settled, or there are no solvers.
    pub async fn held(&self, files: &Files) -> Result<Held, Unheld> {
        let hash = policy::estate::hash(files);
        let mut last = self.last.lock().await;
        if let Some(held) = last.filter(|held| held.estate == hash) {
            return Ok(held);
        }
        let held = self.proved(files, hash).await?;
        *last = Some(held);
        Ok(held)
    }

    async fn proved(&self, files: &Files, hash: Hash) -> Result<Held, Unheld> {
        let estate = Estate::parse(files).map_err(|errors| Unheld::NoEstate(errors.to_string()))?;
        let solvers = Solvers::open((self.proving.programs)()).await?;
        let case = guardrails(&estate);
        let prepared = Arc::new(case.prepare()?);
        let proved = prove(&prepared, &solvers, &|_| {}).await?;
        if Verdict::of_all(proved.iter().map(crate::run::Proved::verdict)) != Verdict::Holds {
            let examined = examine(&estate, &prepared, proved, &solvers).await?;
            return Err(Unheld::Refused(refusal(&examined)));
        }
        let proved: Vec<_> = proved.into_iter().map(|proved| (proved, Vec::new())).collect();
        let about = About {
            custodian: estate.custodian().name.to_string(),
            estate_sha256: hash.to_hex(),
            made_at: (self.proving.now)().to_string(),
            estop: self.proving.version.to_owned(),
            notes: Vec::new(),
        };
        let (files, manifest) = evidence(&case, prepared.model.environments(), &proved, &solvers, about);
        let text = manifest.encode()?;
        let manifest_hash = sha256(&text);
        let folder = self.proving.folder.join(manifest_hash.to_hex());
        // An earlier attempt that broke off has no manifest, and counts for nothing.
        if folder.exists() {
            fs::remove_dir_all(&folder).map_err(|error| FolderError::new(&folder, error))?;
        }
        write(&folder, &files, &manifest)?;
        Ok(Held {
            estate: hash,
            manifest: manifest_hash,
        })
    }
}

/// Most findings that a refusal gives in full; `check` gives all.
const SHOWN_IN_FULL: usize = 3;

/// The claims that do not hold, in the words of `check`.
fn refusal(examined: &[Examined]) -> Vec<String> {
    let mut lines = Vec::new();
    let mut shown = 0;
    for one in examined.iter().filter(|one| one.verdict() != Verdict::Holds) {
        let word = match one.verdict() {
            Verdict::Undecided => "undecided",
            _ => "fails",
        };
        lines.push(format!("{word}: {}", one.claim.words));
        lines.extend(one.troubles.iter().map(|trouble| format!("  {trouble}")));
        for finding in &one.findings {
            shown += 1;
            lines.push(format!("  {}", finding.head()));
            if shown <= SHOWN_IN_FULL {
                lines.extend(finding.lines().into_iter().map(|line| format!("    {line}")));
            }
        }
    }
    lines
}
