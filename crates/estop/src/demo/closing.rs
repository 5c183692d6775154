//! The end of the demo: whether it all held, and what to try next.

use evidence::id::DirectiveNumber;
use serde_json::{Value, json};

use super::certificates;
use super::partner::Login;
use super::report::Report;
use super::stage::Stage;
use crate::failure::Failure;
use crate::output::{Console, Tone};

/// One line: did every step do what it must.
pub(super) fn verdict(console: Console, report: &Report) -> Result<(), Failure> {
    let (tone, said) = if report.holds() {
        (
            Tone::Good,
            format!("all {} steps did what they must", report.count()),
        )
    } else {
        (
            Tone::Bad,
            "NOT all steps did what they must: see the lines marked BROKEN".to_owned(),
        )
    };
    console.line(format!(
        "\n{} in {:.1} s",
        console.paint(tone, said),
        report.seconds()
    ))
}

/// Who may still connect, and how.
fn logins(stage: &Stage) -> [(&'static str, Login); 4] {
    [
        ("state-police", stage.passwords.police()),
        ("university", stage.passwords.university()),
        ("public-health", stage.passwords.health()),
        ("federal-agency (cut off)", stage.passwords.federal()),
    ]
}

/// What to try with psql, and what to run next.
pub(super) fn invitation(console: Console, stage: &Stage, number: &DirectiveNumber) -> Result<(), Failure> {
    let authority = stage.folder().join(certificates::AUTHORITY);
    console.line(console.paint(Tone::Strong, "\nTry it (passwords are of this run)"))?;
    for (who, login) in logins(stage) {
        console.line(format!("  {who}"))?;
        console.line(format!("    psql '{}'", login.uri(stage.port(), &authority)))?;
    }
    console.line("  views: `people` and `incidents`; for public-health counts, in `incidents`\n")?;
    for line in next(stage, number) {
        console.line(format!("  {line}"))?;
    }
    console.line(console.paint(
        Tone::Quiet,
        "\nserving until Ctrl-C; then the database and, without --dir, the folder go",
    ))
}

/// Commands that work while the demo serves.
fn next(stage: &Stage, number: &DirectiveNumber) -> Vec<String> {
    let folder = stage.folder().display();
    let estop =
        std::env::current_exe().map_or_else(|_| "estop".to_owned(), |path| path.display().to_string());
    let order = format!("{folder}/next.directive");
    vec![
        format!("{estop} --estate {folder} sessions"),
        format!("{estop} --estate {folder} drift"),
        format!("{estop} --estate {folder} ledger show"),
        format!(
            "{estop} certificate verify {folder}/{number}.certificate --key {folder}/state/custodian.vkey"
        ),
        format!(
            "{estop} --estate {folder} directive new terminate university --basis 'Council vote 2026-3' -o {order}"
        ),
        format!("{estop} directive sign {order} --key {folder}/keys/mayor"),
        format!("{estop} directive sign {order} --key {folder}/keys/counsel"),
        format!("{estop} --estate {folder} directive submit {order}"),
    ]
}

/// Everything, as one document.
pub(super) fn document(report: &Report, stage: &Stage, number: &DirectiveNumber) -> Value {
    let authority = stage.folder().join(certificates::AUTHORITY);
    let connections: Vec<_> = logins(stage)
        .iter()
        .map(|(who, login)| {
            json!({
                "who": who,
                "user": login.officer,
                "password": login.password.as_str(),
                "database": login.agreement,
                "options": login.options(),
                "uri": login.uri(stage.port(), &authority),
            })
        })
        .collect();
    json!({
        "holds": report.holds(),
        "seconds": report.seconds(),
        "steps": report.steps(),
        "folder": stage.folder(),
        "isolation": stage.isolation(),
        "gateway": { "host": "localhost", "port": stage.port(), "sslrootcert": authority },
        "upstream": { "host": stage.scratch.socket_directory(), "port": stage.scratch.port(), "database": super::load::DATABASE },
        "connections": connections,
        "next": next(stage, number),
    })
}
