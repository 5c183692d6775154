//! An evidence folder, checked again by whoever does not trust who made it, without the estate.
//!
//! Everything that can be made again is: the texts are encoded anew, which must give the very scripts and foldings that the
//! folder has, and both solvers are asked anew. Nothing is believed because the manifest says so.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io::{self, Read as _};
use std::path::Path;
use std::sync::Arc;

use crate::case::{Case, CaseError};
use crate::folder::{
    CheckEntry, ClaimEntry, EnvironmentEntry, FORMAT, FolderFiles, MANIFEST, Manifest, checks, sha256,
};
use crate::run::{Progress, RunError, Verdict, ask, prove, verdict_of};
use crate::solver::{SolverName, Solvers};
use crate::symbolic::{Answer, CEDAR_VERSION, SYMCC_VERSION};

/// Longest manifest, in bytes: a thousand agreements with every question by itself stay below it.
const MAX_MANIFEST_BYTES: u64 = 256 << 20;

/// Longest other file.
const MAX_FILE_BYTES: u64 = 256 << 20;

/// Most files.
const MAX_FILES: usize = 200_000;

/// Deepest folder.
const MAX_DEPTH: usize = 4;

/// What came of checking again.
#[derive(Debug, Clone, PartialEq)]
pub struct Rechecked {
    /// What the folder says.
    pub manifest: Manifest,
    /// What is not as it says.
    pub problems: Vec<String>,
    /// What could not be checked again.
    pub notes: Vec<String>,
    /// The verdict on each claim, by what was found now.
    pub verdicts: Vec<Verdict>,
}

/// A folder that cannot be checked at all.
#[derive(Debug, thiserror::Error)]
pub enum RecheckError {
    /// It cannot be read.
    #[error("cannot read `{path}`")]
    Read {
        /// What.
        path: String,
        /// Why.
        source: io::Error,
    },
    /// The manifest is none.
    #[error("`{MANIFEST}` is not a manifest of a proof: {0}")]
    Manifest(String),
    /// The texts cannot be read.
    #[error("the folder's texts cannot be read")]
    Case(#[from] CaseError),
    /// The proof cannot be made again.
    #[error("the proof cannot be made again")]
    Run(#[from] RunError),
}

/// Checks a folder again.
///
/// # Errors
/// It is no evidence folder, or its texts cannot be encoded.
pub async fn recheck(
    folder: &Path,
    solvers: &Solvers,
    progress: &(dyn Fn(Progress) + Sync),
) -> Result<Rechecked, RecheckError> {
    let text = read(&folder.join(MANIFEST), MAX_MANIFEST_BYTES)?;
    let manifest: Manifest =
        serde_json::from_str(&text).map_err(|error| RecheckError::Manifest(error.to_string()))?;
    if manifest.format != FORMAT {
        return Err(RecheckError::Manifest(format!(
            "its format is `{}`, not `{FORMAT}`",
            manifest.format
        )));
    }
    let mut problems = Vec::new();
    let mut notes = Vec::new();
    let files = files(folder, &manifest, &mut problems)?;
    let case = Case {
        texts: manifest
            .texts
            .keys()
            .filter_map(|name| Some((name.clone(), files.get(name)?.clone())))
            .collect(),
        claims: manifest.claims.iter().map(|entry| entry.claim.clone()).collect(),
    };
    let same = (
        manifest.tools.cedar_policy.as_str(),
        manifest.tools.cedar_policy_symcc.as_str(),
    ) == (CEDAR_VERSION, SYMCC_VERSION);
    let verdicts = if same {
        again(&case, &manifest, solvers, progress, &mut problems).await?
    } else {
        notes.push(format!(
            "the folder was made with Cedar {} and symcc {}, this program has {CEDAR_VERSION} and {SYMCC_VERSION}: \
             its scripts are run as they are, and not made again from its texts",
            manifest.tools.cedar_policy, manifest.tools.cedar_policy_symcc
        ));
        as_they_are(&manifest, &files, solvers, &mut problems).await
    };
    for name in SolverName::ALL {
        let (then, now) = (manifest.solvers.get(&name), solvers.version(name));
        if then.map(String::as_str) != Some(now) {
            notes.push(format!(
                "{name} was `{}`, and is `{now}` here",
                then.map_or("unknown", String::as_str)
            ));
        }
    }
    Ok(Rechecked {
        manifest,
        problems,
        notes,
        verdicts,
    })
}

/// Encodes and asks everything anew, and compares.
async fn again(
    case: &Case,
    manifest: &Manifest,
    solvers: &Solvers,
    progress: &(dyn Fn(Progress) + Sync),
    problems: &mut Vec<String>,
) -> Result<Vec<Verdict>, RecheckError> {
    let prepared = Arc::new(case.prepare()?);
    let environments: Vec<EnvironmentEntry> = prepared
        .model
        .environments()
        .iter()
        .map(EnvironmentEntry::from)
        .collect();
    if environments != manifest.environments {
        problems.push(format!(
            "the schema has {} request environments, the manifest lists {} or others",
            environments.len(),
            manifest.environments.len()
        ));
    }
    let proved = prove(&prepared, solvers, progress).await?;
    let mut verdicts = Vec::new();
    for (entry, proved) in manifest.claims.iter().zip(&proved) {
        let mut made = FolderFiles::new();
        let now = checks(&entry.claim.name, proved, &mut made);
        compare(entry, &now, problems);
        if entry.validated != proved.validated {
            problems.push(format!(
                "claim `{}`: other policies were decided by validation",
                entry.claim.name
            ));
        }
        if entry.stated != proved.stated {
            problems.push(format!(
                "claim `{}`: other permits were decided by their words alone",
                entry.claim.name
            ));
        }
        verdict(entry, proved.verdict(), problems);
        verdicts.push(proved.verdict());
    }
    Ok(verdicts)
}

fn verdict(entry: &ClaimEntry, now: Verdict, problems: &mut Vec<String>) {
    if entry.verdict != now {
        problems.push(format!(
            "claim `{}`: the manifest says {}, it {} now",
            entry.claim.name,
            said(entry.verdict),
            said(now)
        ));
    }
}

fn said(verdict: Verdict) -> &'static str {
    match verdict {
        Verdict::Holds => "holds",
        Verdict::Fails => "fails",
        Verdict::Undecided => "is undecided",
    }
}

type Key<'a> = (usize, Option<&'a str>);

fn compare(entry: &ClaimEntry, now: &[CheckEntry], problems: &mut Vec<String>) {
    fn by_key(checks: &[CheckEntry]) -> BTreeMap<Key<'_>, &CheckEntry> {
        checks
            .iter()
            .map(|check| ((check.environment, check.policy.as_deref()), check))
            .collect()
    }
    let claim = &entry.claim.name;
    let (then, now_by_key) = (by_key(&entry.checks), by_key(now));
    if then.len() != entry.checks.len() {
        problems.push(format!("claim `{claim}`: a question is in the manifest twice"));
    }
    let keys: BTreeSet<&Key<'_>> = then.keys().chain(now_by_key.keys()).collect();
    for key in keys {
        let place = format!(
            "claim `{claim}`, environment {}{}",
            key.0,
            key.1.map(|policy| format!(", `{policy}`")).unwrap_or_default()
        );
        match (then.get(key), now_by_key.get(key)) {
            (None, _) => problems.push(format!("{place}: is missing from the manifest")),
            (_, None) => problems.push(format!(
                "{place}: is in the manifest, and there is no such question"
            )),
            (Some(then), Some(now)) => compare_check(&place, then, now, problems),
        }
    }
}

fn compare_check(place: &str, then: &CheckEntry, now: &CheckEntry, problems: &mut Vec<String>) {
    if then.alike != now.alike {
        problems.push(format!(
            "{place}: {} permits are like one in it, not {} as the manifest says",
            now.alike, then.alike
        ));
    }
    if then.folded != now.folded {
        problems.push(format!(
            "{place}: folding decides otherwise than the manifest says"
        ));
    }
    for name in SolverName::ALL {
        match (then.solvers.get(&name), now.solvers.get(&name)) {
            (None, None) => {}
            (Some(then), Some(now)) => {
                if then.sha256 != now.sha256 {
                    problems.push(format!(
                        "{place}: `{}` is not the script that the texts give",
                        then.script
                    ));
                }
                if (then.answer, then.fault.is_some()) != (now.answer, now.fault.is_some()) {
                    problems.push(format!(
                        "{place}: {name} answered {} then, {} now",
                        answered(then.answer),
                        answered(now.answer)
                    ));
                }
            }
            _ => problems.push(format!(
                "{place}: {name} was asked, or not, otherwise than the manifest says"
            )),
        }
    }
    if then.verdict != now.verdict {
        problems.push(format!(
            "{place}: the manifest says {}, it {} now",
            said(then.verdict),
            said(now.verdict)
        ));
    }
}

fn answered(answer: Option<Answer>) -> &'static str {
    match answer {
        Some(Answer::Sat) => "`sat`",
        Some(Answer::Unsat) => "`unsat`",
        None => "nothing",
    }
}

/// Runs the folder's scripts as they are, where they cannot be made again.
async fn as_they_are(
    manifest: &Manifest,
    files: &FolderFiles,
    solvers: &Solvers,
    problems: &mut Vec<String>,
) -> Vec<Verdict> {
    let mut verdicts = Vec::new();
    for entry in &manifest.claims {
        let claim = &entry.claim.name;
        let asked: BTreeSet<usize> = entry.checks.iter().map(|check| check.environment).collect();
        if entry.validated.len() != manifest.environments.len()
            || entry.stated.len() != manifest.environments.len()
            || (entry.claim.asks != crate::symbolic::Asks::NeverErrs
                && asked.len() != manifest.environments.len())
        {
            problems.push(format!(
                "claim `{claim}`: not every request environment is in the manifest"
            ));
        }
        let mut found = Vec::new();
        for check in &entry.checks {
            let text = |name: SolverName| files.get(&check.solvers.get(&name)?.script);
            let now = match (check.folded, text(SolverName::Cvc5), text(SolverName::Z3)) {
                (Some(Answer::Unsat), None, None) => Verdict::Holds,
                (Some(Answer::Sat), None, None) => Verdict::Fails,
                (None, Some(cvc5), Some(z3)) => {
                    let (cvc5, z3) = ask(cvc5, z3, solvers).await;
                    verdict_of(&cvc5.outcome, &z3.outcome)
                }
                _ => Verdict::Undecided,
            };
            if now != check.verdict {
                problems.push(format!(
                    "claim `{claim}`, environment {}: the manifest says {}, it {} now",
                    check.environment,
                    said(check.verdict),
                    said(now)
                ));
            }
            found.push(now);
        }
        let now = Verdict::of_all(found);
        verdict(entry, now, problems);
        verdicts.push(now);
    }
    verdicts
}

/// All files that the manifest lists, and what is missing, altered or too many.
fn files(
    folder: &Path,
    manifest: &Manifest,
    problems: &mut Vec<String>,
) -> Result<FolderFiles, RecheckError> {
    let mut listed: BTreeMap<&str, &str> = manifest
        .texts
        .iter()
        .map(|(name, hash)| (name.as_str(), hash.as_str()))
        .collect();
    let checks = manifest.claims.iter().flat_map(|entry| &entry.checks);
    for run in checks.flat_map(|check| check.solvers.values()) {
        if listed
            .insert(&run.script, &run.sha256)
            .is_some_and(|other| other != run.sha256)
        {
            problems.push(format!("`{}` is listed with two hashes", run.script));
        }
    }
    let mut there = BTreeSet::new();
    list(folder, "", 0, &mut there)?;
    there.remove(MANIFEST);
    for extra in there.iter().filter(|name| !listed.contains_key(name.as_str())) {
        problems.push(format!("`{extra}` is not in the manifest"));
    }
    let mut found = FolderFiles::new();
    for (name, hash) in listed {
        // Only what listing found is opened: no path leads out of the folder.
        if !there.contains(name) {
            problems.push(format!("`{name}` is missing"));
            continue;
        }
        let text = read(&folder.join(name), MAX_FILE_BYTES)?;
        if sha256(&text) != hash {
            problems.push(format!("`{name}` is not what the manifest's hash says"));
        }
        found.insert(name.to_owned(), text);
    }
    Ok(found)
}

fn list(folder: &Path, within: &str, depth: usize, found: &mut BTreeSet<String>) -> Result<(), RecheckError> {
    let failed = |source| RecheckError::Read {
        path: folder.display().to_string(),
        source,
    };
    for entry in fs::read_dir(folder).map_err(failed)? {
        let entry = entry.map_err(failed)?;
        let name = format!("{within}{}", entry.file_name().to_string_lossy());
        let kind = entry.file_type().map_err(failed)?;
        if kind.is_dir() && depth < MAX_DEPTH {
            list(&entry.path(), &format!("{name}/"), depth + 1, found)?;
        } else if found.len() >= MAX_FILES {
            return Err(failed(io::Error::other(format!("more than {MAX_FILES} files"))));
        } else if kind.is_file() {
            found.insert(name);
        } else {
            // A link, a pipe: nothing that we wrote.
            found.insert(format!("{name} (no plain file)"));
        }
    }
    Ok(())
}

fn read(path: &Path, most: u64) -> Result<String, RecheckError> {
    let text = || {
        let mut text = String::new();
        let length = fs::File::open(path)?.take(most + 1).read_to_string(&mut text)?;
        if u64::try_from(length).is_ok_and(|length| length > most) {
            return Err(io::Error::new(
                io::ErrorKind::FileTooLarge,
                format!("longer than {most} bytes"),
            ));
        }
        Ok(text)
    };
    text().map_err(|source| RecheckError::Read {
        path: path.display().to_string(),
        source,
    })
}
