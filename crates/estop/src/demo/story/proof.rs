//! What is left in hand: a certificate that anyone can check offline, and a ledger that holds.

use evidence::certificate::{Refuted, Report as Certified};
use evidence::id::DirectiveNumber;

use crate::commands::certificate::{check, issue};
use crate::commands::ledger::verify;
use crate::demo::report::{Report, Step, grouped};
use crate::demo::stage::Stage;
use crate::failure::Failure;
use crate::files::{self, FileError, Readers};

/// Longest certificate that the demo reads back.
const CERTIFICATE_BYTES_MAX: usize = 1 << 20;

pub(super) async fn play(
    stage: &Stage,
    report: &mut Report,
    number: &DirectiveNumber,
) -> Result<(), Failure> {
    let file = stage.folder().join(format!("{number}.certificate"));
    if let Err(failure) = issue(&stage.admin(), number, None, &file).await {
        return report
            .add(Step::new("certificate", "custodian", "must certify the end").must(false, failure.line()));
    }
    let text = files::read(&file, CERTIFICATE_BYTES_MAX)?;
    report.add(
        Step::new(
            "certificate",
            "certificate",
            format!("{} bytes in {}", grouped(length(&text)), file.display()),
        )
        .fact("file", file.display().to_string()),
    )?;
    let key = stage.estate.state().public_key().display().to_string();
    match check(&file, &key)? {
        Ok(certified) => {
            report.add(holds(&certified))?;
            report.add(database(&certified))?;
        }
        Err(refuted) => report.add(
            Step::new("verified", "anyone", "must find that it holds").must(false, refuted.to_string()),
        )?,
    }
    report.add(changed(stage, &text, &key)?)?;
    report.add(match verify(&stage.estate.state()) {
        Ok(verified) => Step::new(
            "ledger",
            "ledger",
            format!("{} entries, every hash recomputed", grouped(verified.entries)),
        )
        .fact("entries", verified.entries),
        Err(failure) => Step::new("ledger", "ledger", "must hold").must(false, failure.line()),
    })
}

fn length(text: &str) -> u64 {
    u64::try_from(text.len()).unwrap_or(u64::MAX)
}

fn holds(certified: &Certified) -> Step {
    let people: Vec<_> = certified
        .signed_by
        .iter()
        .map(|signed| signed.person.as_str())
        .collect();
    Step::new(
        "verified",
        "anyone",
        format!("checks it offline: all {} checks hold", certified.checks.len()),
    )
    .must(certified.signed_by.len() == 2, "two people must have signed")
    .must(certified.cut.len() == 1, "one session must have been cut")
    .show(format!(
        "signed by {}; {} rows had gone out",
        people.join(" and "),
        grouped(certified.cut.iter().map(|cut| cut.rows).sum())
    ))
    .fact("checks", certified.checks.len())
}

/// What the database's own catalog said afterwards.
fn database(certified: &Certified) -> Step {
    let roles = &certified.database.roles;
    Step::new(
        "database-closed",
        "database",
        format!(
            "{} roles without login, password, rights and backends",
            roles.len()
        ),
    )
    .equal("roles of the partner", &roles.len(), &2)
}

/// One changed byte, in a place that a forger would like to change.
fn changed(stage: &Stage, text: &str, key: &str) -> Result<Step, Failure> {
    let forged = text.replacen("federal-agency", "federal-agence", 1);
    let folder = tempfile::tempdir_in(stage.folder())
        .map_err(|error| FileError::new("create a folder in", stage.folder(), error))?;
    let file = folder.path().join("forged.certificate");
    files::create(&file, &forged, Readers::All)?;
    let step = Step::new("forged", "anyone", "finds one changed byte");
    Ok(match check(&file, key)? {
        Ok(_) => step.must(false, "a certificate with a changed byte must not hold"),
        Err(refuted) => step
            .must(forged != text, "a byte must have been changed")
            .show(first(&refuted)),
    })
}

fn first(refuted: &Refuted) -> String {
    refuted
        .failed()
        .next()
        .map(ToString::to_string)
        .unwrap_or_default()
}
