//! `estop directive`: the order's way, from the draft through two signatures to the moment it takes effect.

use std::path::{Path, PathBuf};

use control::NOT_DONE;
use control::api::{DirectiveSummary, Outcome, Submission};
use evidence::directive::{
    self, Directive as Order, MAX_DIRECTIVE_BYTES, MAX_SIGNATURE_BYTES, Order as Ordered, OrderKind, Scope,
};

use crate::admin::Admin;
use crate::cli::{Directive, New};
use crate::demo::report::grouped;
use crate::failure::{Exit, Failure};
use crate::files;
use crate::output::{Console, Tone};
use crate::{estate, ssh};

mod approval;
mod drawing;
mod preview;

pub use approval::{Approval, approve, draw_up_approval};
pub use drawing::{Drawn, draw_up, draw_up_reinstatement};

pub(super) async fn run(command: &Directive, estate: &Path, console: Console) -> Result<Exit, Failure> {
    match command {
        Directive::New(New::Approve(wanted)) => {
            let loaded = estate::load(estate)?;
            let admin = Admin::at(loaded.state().admin_socket());
            let approval = draw_up_approval(&admin, &loaded, wanted, Path::new("")).await?;
            approval::say_drawn(&approval, estate, console)
        }
        Directive::New(New::Terminate(wanted)) => {
            let (scope, words) = (&wanted.scope, &wanted.words);
            let drawn = draw_up(&admin(estate)?, scope, None, words, Path::new("")).await?;
            let title = format!("It would end for {}:", scope.partner);
            drawing::say_drawn(&drawn, &title, estate, console)
        }
        Directive::New(New::Suspend(wanted)) => {
            let (scope, words, until) = (&wanted.scope, &wanted.words, wanted.until);
            let drawn = draw_up(&admin(estate)?, scope, Some(until), words, Path::new("")).await?;
            let title = format!("It would suspend for {}, until {until}:", scope.partner);
            drawing::say_drawn(&drawn, &title, estate, console)
        }
        Directive::New(New::Reinstate(wanted)) => {
            let drawn = draw_up_reinstatement(&admin(estate)?, wanted, Path::new("")).await?;
            let title = format!("It would give back what {} has ended:", wanted.lifts);
            drawing::say_drawn(&drawn, &title, estate, console)
        }
        Directive::Show { file } => show(file, console),
        Directive::Sign { file, key } => sign(file, key, console),
        Directive::Submit {
            file,
            signatures,
            despite,
        } => {
            let signatures = if signatures.is_empty() {
                beside(file)?
            } else {
                signatures.clone()
            };
            let despite = despite.as_deref();
            let outcome = submit_despite(&admin(estate)?, file, &signatures, despite).await?;
            say_outcome(&outcome, console)
        }
        Directive::List => list(&admin(estate)?, console).await,
    }
}

fn admin(folder: &Path) -> Result<Admin, Failure> {
    Ok(Admin::at(estate::load(folder)?.state().admin_socket()))
}

/// Hands a directive in with its signatures.
///
/// # Errors
/// It is refused, or a file cannot be read.
pub async fn submit(admin: &Admin, file: &Path, signatures: &[PathBuf]) -> Result<Outcome, Failure> {
    submit_despite(admin, file, signatures, None).await
}

async fn submit_despite(
    admin: &Admin,
    file: &Path,
    signatures: &[PathBuf],
    despite: Option<&str>,
) -> Result<Outcome, Failure> {
    let (text, _) = read(file)?;
    let signatures = signatures
        .iter()
        .map(|path| Ok(files::read(path, MAX_SIGNATURE_BYTES)?))
        .collect::<Result<_, Failure>>()?;
    let despite = despite.map(str::to_owned);
    let submission = Submission {
        text,
        signatures,
        despite,
    };
    admin.post("/directive", &submission).await
}

fn say_outcome(outcome: &Outcome, console: Console) -> Result<Exit, Failure> {
    if outcome.order == OrderKind::Approve {
        console.line(format!(
            "{} accepted: entry {}; `estop apply` puts the estate in force",
            console.paint(Tone::Good, &outcome.number),
            outcome.index
        ))?;
        console.document(outcome)?;
        return Ok(Exit::Yes);
    }
    let epoch = outcome.epoch.map(|epoch| epoch.to_string()).unwrap_or_default();
    console.line(format!(
        "{} in force: entry {}, policy {epoch}",
        outcome.number, outcome.index
    ))?;
    for cut in &outcome.cuts {
        console.line(format!(
            "  cut     session {}: {} rows had gone out",
            cut.session,
            grouped(cut.rows)
        ))?;
    }
    for step in &outcome.steps {
        let tone = if step.result.starts_with(NOT_DONE) {
            Tone::Bad
        } else {
            Tone::Quiet
        };
        console.line(format!("  {}: {}", step.what, console.paint(tone, &step.result)))?;
    }
    let (tone, verdict) = if outcome.complete {
        (Tone::Good, "carried out in full")
    } else {
        (
            Tone::Bad,
            "NOT carried out in full: `serve` takes it up again and again where it stopped; submit it again to do so at once",
        )
    };
    console.line(console.paint(tone, verdict))?;
    console.document(outcome)?;
    Ok(if outcome.complete { Exit::Yes } else { Exit::No })
}

async fn list(admin: &Admin, console: Console) -> Result<Exit, Failure> {
    let directives: Vec<DirectiveSummary> = admin.get("/directives").await?;
    if directives.is_empty() {
        console.line("no directives")?;
    }
    for one in &directives {
        let done = if one.complete {
            console.paint(Tone::Good, "done")
        } else {
            console.paint(Tone::Bad, "NOT done")
        };
        let people = one.people.join(", ");
        let about = match (&one.partner, &one.estate_sha256) {
            (Some(partner), _) => partner.to_string(),
            (None, Some(estate)) => format!("estate {}", estate.get(..16).unwrap_or_default()),
            (None, None) => String::new(),
        };
        let done = match one.last {
            Some(true) => console.paint(Tone::Good, "counts"),
            Some(false) => console.paint(Tone::Quiet, "superseded"),
            None if one.lifted => console.paint(Tone::Quiet, "given back"),
            None => done,
        };
        let about = match (&one.until, &one.lifts) {
            (Some(until), _) => format!("{about} until {until}"),
            (None, Some(lifts)) => format!("{about} ({lifts})"),
            (None, None) => about,
        };
        console.line(format!(
            "{}  {} {about}  {done}  {}  by {people}: {}",
            one.number, one.order, one.recorded, one.basis
        ))?;
    }
    console.document(&serde_json::json!({ "directives": directives }))?;
    Ok(Exit::Yes)
}

/// The directive in a file.
///
/// # Errors
/// It cannot be read, or is none.
pub(super) fn read_order(file: &Path) -> Result<Order, Failure> {
    read(file).map(|(_, order)| order)
}

/// A directive in a file, with the bytes that are signed.
fn read(file: &Path) -> Result<(String, Order), Failure> {
    let text = files::read(file, MAX_DIRECTIVE_BYTES)?;
    let order = Order::parse(text.as_bytes()).map_err(|error| {
        Failure::wrong(format!("`{}` is not a directive", file.display())).because(&error)
    })?;
    Ok((text, order))
}

fn show(file: &Path, console: Console) -> Result<Exit, Failure> {
    let (text, order) = read(file)?;
    let signatures = beside(file)?;
    say(&order, console)?;
    for path in &signatures {
        console.line(format!("  signature  {}", path.display()))?;
    }
    let summary = approval::summary_beside(file, &order)?;
    let preview = preview::beside(file, &order)?;
    for text in summary.iter().chain(&preview) {
        console.line(format!("\n{text}"))?;
    }
    let (scope, terms) = (order.scope(), order.terms());
    console.document(&serde_json::json!({
        "number": order.number,
        "order": order.order.kind(),
        "custodian": order.custodian,
        "partner": order.partner(),
        "until": order.until().map(|until| until.to_string()),
        "lifts": order.reinstates().map(|order| &order.lifts),
        "particulars": order.particulars,
        "agreement": scope.and_then(|scope| scope.agreement.as_ref()),
        "purpose": scope.and_then(|scope| scope.purpose.as_ref()),
        "estate_sha256": terms.map(|terms| terms.estate.to_hex()),
        "summary": summary,
        "preview": preview,
        "basis": order.basis,
        "issued": order.issued.to_string(),
        "expires": order.expires.to_string(),
        "text": text,
        "signatures": signatures,
    }))?;
    Ok(Exit::Yes)
}

/// A directive in words.
fn say(order: &Order, console: Console) -> Result<(), Failure> {
    console.line(format!("{} to {}", order.number, order.custodian))?;
    console.line(format!("  order      {} {}", order.order.kind(), ordered(order)))?;
    console.line(format!("  basis      {}", order.basis))?;
    for (key, value) in order.particulars.lines() {
        console.line(format!("  {key:<11}{value}"))?;
    }
    console.line(format!("  issued     {}", order.issued))?;
    console.line(format!("  expires    {}", order.expires))?;
    console.line(format!(
        "  drawn up   at entry {} of the ledger",
        order.ledger_size
    ))
}

/// What a directive orders, in words.
fn ordered(order: &Order) -> String {
    match &order.order {
        Ordered::Approve(terms) => format!("the estate {}", terms.estate.to_hex()),
        Ordered::Terminate(scope) => scoped(scope),
        Ordered::Suspend(suspension) => format!("{}, until {}", scoped(&suspension.scope), suspension.until),
        Ordered::Reinstate(order) => format!("{}: what {} has ended", order.partner, order.lifts),
    }
}

fn scoped(scope: &Scope) -> String {
    let what = match (&scope.agreement, &scope.purpose) {
        (None, None) => "everything that is shared with it".to_owned(),
        (Some(agreement), None) => format!("agreement {agreement}"),
        (None, Some(purpose)) => format!("purpose {purpose} of all its agreements"),
        (Some(agreement), Some(purpose)) => format!("purpose {purpose} of agreement {agreement}"),
    };
    format!("{}: {what}", scope.partner)
}

fn sign(file: &Path, key: &Path, console: Console) -> Result<Exit, Failure> {
    let (_, order) = read(file)?;
    say(&order, console)?;
    let summary = approval::summary_beside(file, &order)?;
    for text in summary.iter().chain(&preview::beside(file, &order)?) {
        console.line(format!("\n{text}"))?;
    }
    let signature = signature_path(file, key)?;
    ssh::sign(file, key, &directive::namespace(&order.custodian), &signature)
        .map_err(|error| Failure::from_error(Exit::Absent, &error))?;
    console.line(format!("signed: {}", signature.display()))?;
    console.document(&serde_json::json!({ "number": order.number, "signature": signature }))?;
    Ok(Exit::Yes)
}

/// `D-2026-0001.directive` signed with `keys/mayor` or `keys/mayor.pub` gives `D-2026-0001.directive.mayor.sig`.
fn signature_path(file: &Path, key: &Path) -> Result<PathBuf, Failure> {
    let who = key.file_stem().and_then(|name| name.to_str());
    let name = file.file_name().and_then(|name| name.to_str());
    match (name, who) {
        (Some(name), Some(who)) => Ok(file.with_file_name(format!("{name}.{who}.sig"))),
        _ => Err(Failure::wrong(format!(
            "`{}` is not the path of a key",
            key.display()
        ))),
    }
}

/// The signatures that lie beside a directive: `FILE.sig`, which `ssh-keygen -Y sign FILE` writes, and `FILE.*.sig`.
///
/// # Errors
/// The folder cannot be listed.
pub(super) fn beside(file: &Path) -> Result<Vec<PathBuf>, Failure> {
    let folder = match file.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    };
    let name = file
        .file_name()
        .and_then(|name| name.to_str())
        .unwrap_or_default();
    let entries =
        std::fs::read_dir(folder).map_err(|source| files::FileError::new("list", folder, source))?;
    let mut found: Vec<_> = entries
        .flatten()
        .filter_map(|entry| entry.file_name().into_string().ok())
        .filter(|other| {
            other
                .strip_prefix(name)
                .is_some_and(|rest| rest.starts_with('.') && rest.ends_with(".sig"))
        })
        .map(|other| file.with_file_name(other))
        .collect();
    found.sort();
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn signatures_beside_a_directive_are_its_own() {
        let folder = tempfile::tempdir().unwrap();
        for name in ["a", "a.sig", "a.mayor.sig", "ab.sig", "a.txt", "b.a.sig"] {
            std::fs::write(folder.path().join(name), "").unwrap();
        }
        let found = beside(&folder.path().join("a")).unwrap();
        assert_eq!(
            found,
            [folder.path().join("a.mayor.sig"), folder.path().join("a.sig")]
        );
    }

    #[test]
    fn a_signature_is_named_for_its_key() {
        let path = signature_path(Path::new("x/D-2026-0001.directive"), Path::new("keys/mayor.pub")).unwrap();
        assert_eq!(path, Path::new("x/D-2026-0001.directive.mayor.sig"));
    }
}
