//! The evidence folder: every text, every script, and a manifest that says what was asked, answered and concluded.

use std::collections::BTreeMap;
use std::fs::{self, OpenOptions};
use std::io::{self, Write as _};
use std::path::Path;

use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use crate::case::{Case, Claim};
use crate::run::{Proved, Settled, Verdict};
use crate::script;
use crate::solver::{Run, SolverName, Solvers};
use crate::symbolic::{Answer, CEDAR_VERSION, Environment, SYMCC_VERSION};

/// The manifest's name in its folder.
pub const MANIFEST: &str = "manifest.json";

/// What the first line of a manifest's meaning is: it changes when the form does.
pub const FORMAT: &str = "estop-proof/2";

/// What was proved, file by file.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Manifest {
    /// [`FORMAT`].
    pub format: String,
    /// Whose estate it is.
    pub custodian: String,
    /// SHA-256 of the estate's files, as `apply` counts it.
    pub estate_sha256: String,
    /// When it was made.
    pub made_at: String,
    /// What made it.
    pub tools: Tools,
    /// What each solver says its version is.
    pub solvers: BTreeMap<SolverName, String>,
    /// All request environments of the schema, in order.
    pub environments: Vec<EnvironmentEntry>,
    /// The texts: file and SHA-256.
    pub texts: BTreeMap<String, String>,
    /// The claims.
    pub claims: Vec<ClaimEntry>,
    /// What a reader must know besides.
    pub notes: Vec<String>,
}

/// Versions of what made a manifest.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Tools {
    /// `estop`.
    pub estop: String,
    /// Cedar.
    pub cedar_policy: String,
    /// The encoder.
    pub cedar_policy_symcc: String,
}

/// A request environment.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EnvironmentEntry {
    /// Type of principal.
    pub principal: String,
    /// Action.
    pub action: String,
    /// Type of resource.
    pub resource: String,
}

impl From<&Environment> for EnvironmentEntry {
    fn from(environment: &Environment) -> Self {
        Self {
            principal: environment.principal().to_owned(),
            action: environment.action().to_owned(),
            resource: environment.resource().to_owned(),
        }
    }
}

/// A claim and what came of it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ClaimEntry {
    /// The claim.
    pub claim: Claim,
    /// The verdict.
    pub verdict: Verdict,
    /// Every question.
    pub checks: Vec<CheckEntry>,
    /// For each environment, how many policies cannot err by strict validation alone, decided without a solver.
    pub validated: Vec<usize>,
    /// For each environment, how many permits of the left are in no question: each asks, in so many words, for all that a permit of
    /// the right asks for. Decided without a solver.
    pub stated: Vec<usize>,
    /// Counterexamples in words; not part of what is checked again.
    pub findings: Vec<serde_json::Value>,
}

/// A question and its answers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CheckEntry {
    /// Place of the environment in the manifest's list, from 0.
    pub environment: usize,
    /// The policies it is about, if not all of the left: one, or the first and the last.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub policy: Option<String>,
    /// How many permits of the left are not in the script because they are like one in it but for names.
    #[serde(skip_serializing_if = "is_none", default)]
    pub alike: usize,
    /// The verdict.
    pub verdict: Verdict,
    /// Decided without a solver, by the encoder's folding.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub folded: Option<Answer>,
    /// Decided by solvers.
    #[serde(skip_serializing_if = "BTreeMap::is_empty", default)]
    pub solvers: BTreeMap<SolverName, RunEntry>,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "as serde calls it")]
fn is_none(count: &usize) -> bool {
    *count == 0
}

/// One solver's run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RunEntry {
    /// The script's file.
    pub script: String,
    /// Its SHA-256.
    pub sha256: String,
    /// The answer, if there is one.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub answer: Option<Answer>,
    /// Why there is none.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub fault: Option<String>,
    /// How long it took.
    pub milliseconds: u64,
}

/// A folder that cannot be written.
#[derive(Debug, thiserror::Error)]
#[error("cannot write `{path}`")]
pub struct FolderError {
    path: String,
    source: io::Error,
}

impl FolderError {
    pub(crate) fn new(path: &Path, source: io::Error) -> Self {
        Self {
            path: path.display().to_string(),
            source,
        }
    }
}

impl Manifest {
    /// The manifest as it is written.
    ///
    /// # Errors
    /// It has something that is no JSON, which is a fault of ours.
    pub fn encode(&self) -> Result<Vec<u8>, FolderError> {
        let mut text = serde_json::to_vec_pretty(self)
            .map_err(|error| FolderError::new(Path::new(MANIFEST), error.into()))?;
        text.push(b'\n');
        Ok(text)
    }
}

/// What a manifest says besides the proof itself.
#[derive(Debug, Clone)]
pub struct About {
    /// Whose estate it is.
    pub custodian: String,
    /// SHA-256 of its files.
    pub estate_sha256: String,
    /// When.
    pub made_at: String,
    /// Version of `estop`.
    pub estop: String,
    /// What a reader must know besides.
    pub notes: Vec<String>,
}

/// Files by their paths in the folder.
pub type FolderFiles = BTreeMap<String, String>;

/// All files of an evidence folder but the manifest, and the manifest.
#[must_use]
pub fn evidence(
    case: &Case,
    environments: &[Environment],
    proved: &[(Proved, Vec<serde_json::Value>)],
    solvers: &Solvers,
    about: About,
) -> (FolderFiles, Manifest) {
    let mut files: FolderFiles = case.texts.clone();
    let texts = case
        .texts
        .iter()
        .map(|(name, text)| (name.clone(), sha256(text)))
        .collect();
    let claims = case
        .claims
        .iter()
        .zip(proved)
        .map(|(claim, (proved, findings))| ClaimEntry {
            claim: claim.clone(),
            verdict: proved.verdict(),
            checks: checks(&claim.name, proved, &mut files),
            validated: proved.validated.clone(),
            stated: proved.stated.clone(),
            findings: findings.clone(),
        })
        .collect();
    let manifest = Manifest {
        format: FORMAT.to_owned(),
        custodian: about.custodian,
        estate_sha256: about.estate_sha256,
        made_at: about.made_at,
        tools: Tools {
            estop: about.estop,
            cedar_policy: CEDAR_VERSION.to_owned(),
            cedar_policy_symcc: SYMCC_VERSION.to_owned(),
        },
        solvers: SolverName::ALL
            .map(|name| (name, solvers.version(name).to_owned()))
            .into(),
        environments: environments.iter().map(EnvironmentEntry::from).collect(),
        texts,
        claims,
        notes: about.notes,
    };
    (files, manifest)
}

/// The entries of a claim's questions; their scripts go to the files.
pub(crate) fn checks(claim: &str, proved: &Proved, files: &mut FolderFiles) -> Vec<CheckEntry> {
    let entries = proved.checks.iter().zip(1_usize..).map(|(check, number)| {
        let (folded, solvers) = match &check.settled {
            Settled::Folded(answer) => (Some(*answer), BTreeMap::new()),
            Settled::Asked(asked) => {
                let for_z3 = script::for_z3(&asked.script);
                let rewritten = for_z3 != asked.script;
                let mut entry = |name: SolverName, run: &Run| {
                    let text = match name {
                        SolverName::Z3 => for_z3.clone(),
                        SolverName::Cvc5 => asked.script.clone(),
                    };
                    let variant = if rewritten {
                        format!(".{name}")
                    } else {
                        String::new()
                    };
                    let path = format!("scripts/{claim}/{number:04}{variant}.smt2");
                    let entry = RunEntry {
                        script: path.clone(),
                        sha256: sha256(&text),
                        answer: run.outcome.as_ref().ok().copied(),
                        fault: run.outcome.as_ref().err().map(ToString::to_string),
                        milliseconds: u64::try_from(run.took.as_millis()).unwrap_or(u64::MAX),
                    };
                    files.insert(path, text);
                    (name, entry)
                };
                let runs = [
                    entry(SolverName::Cvc5, &asked.cvc5),
                    entry(SolverName::Z3, &asked.z3),
                ];
                (None, runs.into())
            }
        };
        CheckEntry {
            environment: check.environment,
            policy: check.policy.clone(),
            alike: check.alike,
            verdict: check.settled.verdict(),
            folded,
            solvers,
        }
    });
    entries.collect()
}

/// SHA-256 of a text in hexadecimal digits.
#[must_use]
pub fn sha256(text: &str) -> String {
    Sha256::digest(text)
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect()
}

/// Writes an evidence folder, the manifest last: a folder without one is not finished.
///
/// # Errors
/// The folder is not empty, or something cannot be written.
pub fn write(folder: &Path, files: &FolderFiles, manifest: &Manifest) -> Result<(), FolderError> {
    let failed = FolderError::new;
    fs::create_dir_all(folder).map_err(|error| failed(folder, error))?;
    let mut entries = fs::read_dir(folder).map_err(|error| failed(folder, error))?;
    if entries.next().is_some() {
        let full = io::Error::new(io::ErrorKind::AlreadyExists, "the folder is not empty");
        return Err(failed(folder, full));
    }
    for (path, text) in files {
        create(&folder.join(path), text.as_bytes()).map_err(|error| failed(&folder.join(path), error))?;
    }
    let path = folder.join(MANIFEST);
    create(&path, &manifest.encode()?).map_err(|error| failed(&path, error))
}

fn create(path: &Path, bytes: &[u8]) -> io::Result<()> {
    if let Some(parent) = path.parent() {
        fs::create_dir_all(parent)?;
    }
    let mut file = OpenOptions::new().write(true).create_new(true).open(path)?;
    file.write_all(bytes)?;
    file.sync_all()
}
