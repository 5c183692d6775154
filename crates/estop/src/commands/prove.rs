//! `estop prove`: what is claimed of an estate, put to both solvers, with its evidence.

use std::path::Path;

use control::estate_sha256;
use evidence::id::DatasetId;
use policy::estate::Estate;
use proof::folder::{self, About};
use proof::properties::{self, Columns, Never, Scope, Wanted};
use proof::recheck::{RecheckError, Rechecked, recheck};
use proof::run::Verdict;

use super::proving::{Outcome, document, failed, put, say, worded};
use crate::cli::Prove;
use crate::clock;
use crate::estate::{self, Loaded};
use crate::failure::{Exit, Failure};
use crate::output::{Console, Tone};
use crate::solvers;

/// Runs the command.
///
/// # Errors
/// There is no estate or no solver, the estate or the call is wrong, or the evidence cannot be written.
pub(super) async fn run(command: &Prove, folder: &Path, console: Console) -> Result<Exit, Failure> {
    if let Some(evidence) = &command.recheck {
        return again(evidence, command.seconds, console).await;
    }
    let loaded = estate::load(folder)?;
    let old = command.against.as_deref().map(estate::load).transpose()?;
    let wanted = Wanted {
        scope: scope(command, &loaded.estate)?,
        never: never(command, &loaded.estate)?,
        against: old.as_ref().map(|old| &old.estate),
    };
    let solvers = solvers::open(command.seconds).await?;
    let made = properties::all(&loaded.estate, &wanted);
    let outcome = put(&loaded.estate, &made.case, &solvers, console.shows_progress()).await?;
    say(&outcome, console)?;
    for note in &made.notes {
        console.line(format!("{}: {note}", console.paint(Tone::Quiet, "note")))?;
    }
    let mut document = document(&outcome, &solvers);
    if let Some(out) = &command.out {
        write(out, &loaded, &made, &outcome, &solvers)?;
        console.line(format!(
            "evidence: {}; `estop prove --recheck` runs it again without the estate",
            out.display()
        ))?;
    }
    if let Some(fields) = document.as_object_mut() {
        fields.insert("evidence".to_owned(), serde_json::json!(command.out));
        fields.insert("notes".to_owned(), serde_json::json!(made.notes));
    }
    console.document(&document)?;
    Ok(outcome.exit())
}

fn write(
    out: &Path,
    loaded: &Loaded,
    made: &properties::Made,
    outcome: &Outcome,
    solvers: &proof::solver::Solvers,
) -> Result<(), Failure> {
    let about = About {
        custodian: loaded.estate.custodian().name.to_string(),
        estate_sha256: estate_sha256(&loaded.files).to_string(),
        made_at: clock::now().to_string(),
        estop: env!("CARGO_PKG_VERSION").to_owned(),
        notes: made.notes.clone(),
    };
    let proved: Vec<_> = outcome
        .examined
        .iter()
        .map(|one| {
            let findings = one
                .findings
                .iter()
                .filter_map(|finding| serde_json::to_value(finding).ok());
            (one.proved.clone(), findings.collect())
        })
        .collect();
    let (files, manifest) = folder::evidence(&made.case, &outcome.environments, &proved, solvers, about);
    folder::write(out, &files, &manifest).map_err(|error| Failure::from_error(Exit::Wrong, &error))
}

/// What a directive or the call ends, if either says so.
fn scope(command: &Prove, estate: &Estate) -> Result<Option<Scope>, Failure> {
    let scope = match (&command.directive, &command.terminate) {
        (Some(file), _) => {
            let order = super::directive::read_order(file)?;
            if order.custodian != estate.custodian().name {
                return Err(Failure::wrong(format!(
                    "the directive is to `{}`, the estate is of `{}`",
                    order.custodian,
                    estate.custodian().name
                )));
            }
            let Some(ended) = order.scope() else {
                return Err(Failure::wrong(format!(
                    "directive {} orders `{}`, which ends nobody's access",
                    order.number,
                    order.order.kind()
                ))
                .help("a termination is what can be proved to end access"));
            };
            Scope {
                directive: Some(order.number.clone()),
                partner: ended.partner.clone(),
                agreement: ended.agreement.clone(),
                purpose: ended.purpose.clone(),
            }
        }
        (None, Some(partner)) => Scope {
            directive: None,
            partner: partner.clone(),
            agreement: command.agreement.clone(),
            purpose: command.purpose.clone(),
        },
        (None, None) => return Ok(None),
    };
    known(
        "partner",
        scope.partner.as_str(),
        estate.partners().keys().map(AsRef::as_ref),
    )?;
    if let Some(agreement) = &scope.agreement {
        let theirs = estate
            .agreements()
            .values()
            .filter(|agreement| agreement.partner == scope.partner);
        known(
            "agreement of that partner",
            agreement.as_str(),
            theirs.map(|agreement| agreement.id.as_str()),
        )?;
    }
    if let Some(purpose) = &scope.purpose {
        let theirs = estate
            .agreements()
            .values()
            .filter(|agreement| agreement.partner == scope.partner);
        known(
            "purpose of that partner",
            purpose.as_str(),
            theirs.flat_map(|agreement| agreement.purposes.iter().map(AsRef::as_ref)),
        )?;
    }
    Ok(Some(scope))
}

fn known<'n>(what: &str, id: &str, all: impl Iterator<Item = &'n str>) -> Result<(), Failure> {
    let all: Vec<&str> = all.collect();
    if all.contains(&id) {
        return Ok(());
    }
    let listed: Vec<String> = all.iter().map(|known| format!("`{known}`")).collect();
    Err(Failure::wrong(format!("there is no {what} `{id}`")).help(format!("there is {}", listed.join(", "))))
}

fn never(command: &Prove, estate: &Estate) -> Result<Vec<Never>, Failure> {
    if let Some(partner) = &command.to {
        known(
            "partner",
            partner.as_str(),
            estate.partners().keys().map(AsRef::as_ref),
        )?;
    }
    let of = |text: &String| {
        Ok(Never {
            columns: columns(text, estate)?,
            to: command.to.clone(),
            unmasked: command.unmasked,
        })
    };
    command.never.iter().map(of).collect()
}

/// `DATASET.COLUMN`, or a tag of columns: no data set's id has a dot, and no tag either.
fn columns(text: &str, estate: &Estate) -> Result<Columns, Failure> {
    let Some((dataset, column)) = text.split_once('.') else {
        let datasets = estate.datasets().values();
        let tags = datasets.flat_map(|dataset| {
            dataset
                .columns
                .iter()
                .flat_map(|column| column.tags.iter().map(String::as_str))
        });
        known("tag of columns", text, tags)?;
        return Ok(Columns::Tagged(text.to_owned()));
    };
    known("data set", dataset, estate.datasets().keys().map(AsRef::as_ref))?;
    let id: DatasetId = dataset
        .parse()
        .map_err(|error| Failure::wrong(format!("`{dataset}` is no data set")).because(&error))?;
    let there = estate
        .datasets()
        .get(&id)
        .into_iter()
        .flat_map(|dataset| &dataset.columns);
    known(
        "column of that data set",
        column,
        there.map(|column| column.name.as_str()),
    )?;
    Ok(Columns::One(id, column.to_owned()))
}

/// `estop prove --recheck`.
async fn again(evidence: &Path, seconds: u64, console: Console) -> Result<Exit, Failure> {
    if !evidence.join(folder::MANIFEST).is_file() {
        return Err(Failure::absent(format!(
            "no proof in `{}`: there is no `{}`",
            evidence.display(),
            folder::MANIFEST
        ))
        .help("`estop prove --out DIR` writes one"));
    }
    let solvers = solvers::open(seconds).await?;
    let progress = solvers::progress(console.shows_progress());
    let rechecked = recheck(evidence, &solvers, &progress)
        .await
        .map_err(|error| match &error {
            RecheckError::Run(error) => failed(error),
            error => Failure::from_error(Exit::Wrong, error),
        })?;
    say_again(&rechecked, console)?;
    let holds = rechecked.problems.is_empty()
        && rechecked
            .verdicts
            .iter()
            .all(|verdict| *verdict == Verdict::Holds);
    Ok(if holds { Exit::Yes } else { Exit::No })
}

fn say_again(rechecked: &Rechecked, console: Console) -> Result<(), Failure> {
    let manifest = &rechecked.manifest;
    console.line(format!(
        "proof of {}, estate {}, made {}",
        manifest.custodian, manifest.estate_sha256, manifest.made_at
    ))?;
    for (entry, verdict) in manifest.claims.iter().zip(&rechecked.verdicts) {
        let (word, tone) = worded(*verdict);
        console.line(format!("{}: {}", console.paint(tone, word), entry.claim.words))?;
    }
    for problem in &rechecked.problems {
        console.line(format!(
            "{}: {problem}",
            console.paint(Tone::Bad, "not as it says")
        ))?;
    }
    for note in &rechecked.notes {
        console.line(format!("{}: {note}", console.paint(Tone::Quiet, "note")))?;
    }
    if rechecked.problems.is_empty() {
        console.line(console.paint(Tone::Good, "the folder is as it says"))?;
    }
    let claims: Vec<_> = manifest
        .claims
        .iter()
        .zip(&rechecked.verdicts)
        .map(|(entry, verdict)| {
            serde_json::json!({ "name": entry.claim.name, "words": entry.claim.words, "verdict": verdict })
        })
        .collect();
    console.document(&serde_json::json!({
        "custodian": manifest.custodian,
        "estate_sha256": manifest.estate_sha256,
        "made_at": manifest.made_at,
        "as_it_says": rechecked.problems.is_empty(),
        "problems": rechecked.problems,
        "notes": rechecked.notes,
        "claims": claims,
    }))
}
