//! `estop check`: the estate against itself.

use std::path::Path;

use control::Audited;
use policy::estate::{Agreement, Estate, EstateErrors};
use proof::properties;

use super::proving;
use crate::cli::Check;
use crate::estate;
use crate::failure::{Exit, Failure};
use crate::output::{Console, Tone};
use crate::{solvers, urls};

mod database;

/// Runs the command.
///
/// # Errors
/// There is no estate, or it is not right: every finding, with its place; or a database cannot be looked at.
pub(super) async fn run(command: &Check, folder: &Path, console: Console) -> Result<Exit, Failure> {
    let files = estate::read(folder)?;
    match Estate::parse(&files) {
        Ok(estate) => {
            urls::readable(&estate, &files)?;
            right(command, &estate, console).await
        }
        Err(errors) => wrong(&errors, console),
    }
}

async fn right(command: &Check, estate: &Estate, console: Console) -> Result<Exit, Failure> {
    // Without a solver nothing is said at all, rather than half of it.
    let solvers = match (estate.statute().guardrails().is_empty(), command.no_solver) {
        (false, false) => Some(solvers::open(command.seconds).await?),
        _ => None,
    };
    let counts = [
        ("data sets", estate.datasets().len()),
        ("partners", estate.partners().len()),
        ("agreements", estate.agreements().len()),
        ("guardrails", estate.statute().guardrails().len()),
    ];
    let said: Vec<_> = counts
        .iter()
        .map(|(what, count)| format!("{count} {what}"))
        .collect();
    console.line(format!(
        "{}: {}: {}",
        console.paint(Tone::Good, "right"),
        estate.custodian().name,
        said.join(", ")
    ))?;
    let documents = documents(estate);
    for (agreement, document) in &documents {
        console.line(format!(
            "{agreement}: {} {}",
            document["path"].as_str().unwrap_or_default(),
            console.paint(
                Tone::Quiet,
                format!("SHA-256 {}", document["sha256"].as_str().unwrap_or_default())
            )
        ))?;
    }
    let notes = estate.statute().notes();
    for note in notes {
        console.line(format!("{}: {note}", console.paint(Tone::Quiet, "note")))?;
    }
    let audited: Option<Vec<Audited>> = match command.database {
        true => {
            let (url, admin_role) = (command.url.as_deref(), command.admin_role.as_deref());
            Some(database::look(estate, url, admin_role).await?)
        }
        false => None,
    };
    let mut document = serde_json::json!({
        "custodian": estate.custodian().name,
        "counts": counts.into_iter().collect::<std::collections::BTreeMap<_, _>>(),
        "documents": documents,
        "findings": [],
        "notes": notes,
        "proof": null,
        "databases": audited,
    });
    let exit = match &solvers {
        None => unproved(command, estate, console)?,
        Some(solvers) => {
            let outcome = proving::put(
                estate,
                &properties::guardrails(estate),
                solvers,
                console.shows_progress(),
            )
            .await?;
            proving::say(&outcome, console)?;
            if let Some(fields) = document.as_object_mut() {
                fields.insert("proof".to_owned(), proving::document(&outcome, solvers));
            }
            outcome.exit()
        }
    };
    let open = match &audited {
        Some(audited) => database::say(audited, console)?,
        None => false,
    };
    console.document(&document)?;
    Ok(if open && exit == Exit::Yes { Exit::No } else { exit })
}

fn unproved(command: &Check, estate: &Estate, console: Console) -> Result<Exit, Failure> {
    let count = estate.statute().guardrails().len();
    if count > 0 && command.no_solver {
        console.line(console.paint(
            Tone::Bad,
            format!("NOT PROVED: --no-solver, so {count} guardrails were held against no agreement"),
        ))?;
    }
    Ok(Exit::Yes)
}

/// The signed documents, by agreement.
fn documents(estate: &Estate) -> std::collections::BTreeMap<String, serde_json::Value> {
    let named = |agreement: &Agreement| {
        let document = agreement.document.as_ref()?;
        let said = serde_json::json!({ "path": document.path, "sha256": document.sha256.to_hex() });
        Some((agreement.id.to_string(), said))
    };
    estate.agreements().values().filter_map(named).collect()
}

fn wrong(errors: &EstateErrors, console: Console) -> Result<Exit, Failure> {
    let findings = errors.findings();
    console.line(estate::report(errors, console))?;
    console.line(format!("{}: {errors}", console.paint(Tone::Bad, "wrong")))?;
    let findings: Vec<_> = findings
        .iter()
        .map(|finding| {
            serde_json::json!({
                "file": finding.file(),
                "line": finding.line(),
                "column": finding.column(),
                "problem": finding.problem().to_string(),
                "help": finding.problem().help(),
            })
        })
        .collect();
    console.document(&serde_json::json!({ "findings": findings, "more": errors.has_more() }))?;
    Ok(Exit::Wrong)
}
