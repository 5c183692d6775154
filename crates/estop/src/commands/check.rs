//! `estop check`: the estate against itself.

use std::path::Path;

use policy::estate::{Estate, EstateErrors};

use crate::estate;
use crate::failure::{Exit, Failure};
use crate::output::{Console, Tone};

/// Runs the command.
///
/// # Errors
/// There is no estate, or it is not right: every finding, with its place.
pub(super) fn run(folder: &Path, console: Console) -> Result<Exit, Failure> {
    let files = estate::read(folder)?;
    match Estate::parse(&files) {
        Ok(estate) => right(&estate, console),
        Err(errors) => wrong(&errors, console),
    }
}

fn right(estate: &Estate, console: Console) -> Result<Exit, Failure> {
    let counts = [
        ("data sets", estate.datasets().len()),
        ("partners", estate.partners().len()),
        ("agreements", estate.agreements().len()),
        ("guardrails", estate.guardrails().len()),
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
    console.document(&serde_json::json!({
        "custodian": estate.custodian().name,
        "counts": counts.into_iter().collect::<std::collections::BTreeMap<_, _>>(),
        "findings": [],
    }))?;
    Ok(Exit::Yes)
}

fn wrong(errors: &EstateErrors, console: Console) -> Result<Exit, Failure> {
    let findings = errors.findings();
    console.line(estate::report(errors, console))?;
    console.line(format!(
        "{} in {} findings",
        console.paint(Tone::Bad, "wrong"),
        findings.len()
    ))?;
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
    console.document(&serde_json::json!({ "findings": findings }))?;
    Ok(Exit::Wrong)
}
