//! `estop ledger`: checked from outside, read and proved by whoever keeps it.

use std::path::Path;

use evidence::opening::{MAX_OPENING_BYTES, Opening};
use jiff::Timestamp;
use ledger::{Report, VerifyError};
use policy::as_of::AsOf;

use super::certificate::public_key;
use crate::admin::Admin;
use crate::cli::Ledger as Command;
use crate::custodian;
use crate::demo::report::grouped;
use crate::estate::{self, Loaded, State};
use crate::export::{Told, export};
use crate::failure::{Exit, Failure};
use crate::files::{self, Readers};
use crate::output::{Console, Tone};
use crate::serve::{self, EntryLine, OpeningAnswer, ProofAnswer};

mod erase;

/// What the check of a ledger that holds says.
#[derive(Debug)]
pub struct Verified {
    /// Entries under the newest checkpoint.
    pub entries: u64,
}

/// Checks a ledger that must hold, as `estop ledger verify` does.
///
/// # Errors
/// It cannot be checked, or does not hold.
pub fn verify(state: &State) -> Result<Verified, Failure> {
    let report = check(state)?;
    if report.holds() {
        return Ok(Verified { entries: report.size });
    }
    let mut failure = Failure::no(format!("the ledger does not hold: {} findings", report.found));
    failure.causes = report.findings.iter().map(ToString::to_string).collect();
    Err(failure)
}

fn check(state: &State) -> Result<Report, Failure> {
    let key = custodian::public_key(state)?;
    ledger::verify(&state.ledger(), &key)
        .map_err(|error: VerifyError| Failure::absent("the ledger cannot be checked").because(&error))
}

pub(super) async fn run(command: &Command, folder: &Path, console: Console) -> Result<Exit, Failure> {
    if let Command::CheckOpening { file, key } = command {
        return check_opening(file, key, console);
    }
    let loaded = estate::load(folder)?;
    match command {
        Command::CheckOpening { file, key } => check_opening(file, key, console),
        Command::Open { index, output } => {
            let file = output
                .clone()
                .unwrap_or_else(|| format!("entry-{index}.opening").into());
            files::create(&file, &open(&loaded, *index).await?.opening, Readers::Owner)?;
            console.line(file.display())?;
            console.document(&serde_json::json!({ "index": index, "file": file }))?;
            Ok(Exit::Yes)
        }
        Command::Erase(command) => erase::run(command, &loaded, console).await,
        Command::Export {
            file,
            from,
            records,
            statements,
        } => {
            let told = match (statements, records) {
                (true, _) => Told::Statements,
                (_, true) => Told::Records,
                _ => Told::Public,
            };
            export_to(&loaded, file, *from, told, console).await
        }
        Command::Verify => say_check(&check(&loaded.state())?, console),
        Command::Show { index, last } => show(&loaded, *index, *last, console).await,
        Command::Prove { index } => {
            let ProofAnswer { proof, entry } = prove(&loaded, *index).await?;
            if !console.is_json() {
                console.verbatim(&proof)?;
            }
            console.document(&serde_json::json!({ "index": index, "proof": proof, "entry": entry }))?;
            Ok(Exit::Yes)
        }
    }
}

async fn export_to(
    loaded: &Loaded,
    file: &Path,
    from: u64,
    told: Told,
    console: Console,
) -> Result<Exit, Failure> {
    let (ledger, to) = (loaded.state().ledger(), file.to_owned());
    let custodian = loaded.estate.custodian().name.clone();
    let exported =
        tokio::task::spawn_blocking(move || export(&ledger, &custodian, &to, from, told, console.news()))
            .await
            .map_err(|error| Failure::absent("the ledger cannot be read").because(&error))?
            .map_err(|error| Failure::from_error(Exit::Absent, &error))?;
    console.line(format!(
        "{}: {} rows of {} entries",
        file.display(),
        grouped(exported.rows),
        grouped(exported.entries)
    ))?;
    console.document(&exported)?;
    Ok(Exit::Yes)
}

fn say_check(report: &Report, console: Console) -> Result<Exit, Failure> {
    console.line(format!(
        "{}: {} entries, root {}",
        report.origin,
        grouped(report.size),
        report.root
    ))?;
    for partner in &report.partners {
        console.line(format!(
            "  {}: {} entries, {:?}",
            partner.origin,
            grouped(partner.size),
            partner.status
        ))?;
    }
    if report.erased > 0 {
        console.line(format!(
            "  {} private records were erased",
            grouped(report.erased)
        ))?;
    }
    if report.under_seal > 0 {
        console.line(format!(
            "  {} private records are under seal",
            grouped(report.under_seal)
        ))?;
    }
    for finding in &report.findings {
        console.line(format!("  {} {finding}", console.paint(Tone::Bad, "✗")))?;
    }
    let (tone, verdict) = if report.holds() {
        (Tone::Good, "the ledger holds")
    } else {
        (Tone::Bad, "the ledger does not hold")
    };
    console.line(console.paint(tone, verdict))?;
    let findings: Vec<_> = report.findings.iter().map(ToString::to_string).collect();
    console.document(&serde_json::json!({
        "holds": report.holds(),
        "origin": report.origin,
        "size": report.size,
        "root": report.root,
        "erased": report.erased,
        "under_seal": report.under_seal,
        "found": report.found,
        "findings": findings,
    }))?;
    Ok(if report.holds() { Exit::Yes } else { Exit::No })
}

async fn show(loaded: &Loaded, index: Option<u64>, last: u64, console: Console) -> Result<Exit, Failure> {
    let (from, count) = match index {
        Some(index) => (index, 1),
        None => (size(loaded).await?.saturating_sub(last), last),
    };
    let lines = entries(loaded, from, count).await?;
    if let (Some(index), true) = (index, lines.is_empty()) {
        return Err(Failure::wrong(format!("the ledger has no entry {index}")));
    }
    for line in &lines {
        console.line(console.paint(Tone::Strong, format!("entry {}", line.index)))?;
        for text in line.entry.lines() {
            console.line(format!("  {text}"))?;
        }
        if let Some(record) = &line.record {
            console.line(console.paint(Tone::Quiet, format!("  private: {record}")))?;
        }
        if let Some(under) = &line.under_seal {
            let words = format!(
                "  private: under seal, to overseers {}, until {}",
                under.overseers,
                under.until_text()
            );
            console.line(console.paint(Tone::Quiet, words))?;
        }
        if let Some(by) = line.erased_by {
            console.line(console.paint(Tone::Quiet, format!("  private: erased, by entry {by}")))?;
        }
    }
    console.document(&serde_json::json!({ "entries": lines }))?;
    Ok(Exit::Yes)
}

/// Whether a `serve` has the ledger open: then it is asked, since only one process can have it.
pub(super) fn served(loaded: &Loaded) -> Option<Admin> {
    let socket = loaded.state().admin_socket();
    let way = crate::unix::Reachable::to(&socket).ok()?;
    let answers = std::os::unix::net::UnixStream::connect(way.path()).is_ok();
    answers.then(|| Admin::at(socket))
}

pub(super) fn opened(loaded: &Loaded) -> Result<ledger::Ledger, Failure> {
    let state = loaded.state();
    // Nothing is made here that is not there: a ledger begins with `serve`.
    custodian::public_key(&state)?;
    let signer = custodian::key(&state, &loaded.estate.custodian().name)?;
    serve::open_ledger(loaded, signer, serve::wall_clock())
}

fn unreadable(error: &ledger::ReadError) -> Failure {
    Failure::from_error(Exit::Wrong, error)
}

async fn size(loaded: &Loaded) -> Result<u64, Failure> {
    match served(loaded) {
        Some(admin) => Ok(admin.get::<control::api::Health>("/health").await?.ledger_size),
        None => Ok(opened(loaded)?.size()),
    }
}

async fn entries(loaded: &Loaded, from: u64, count: u64) -> Result<Vec<EntryLine>, Failure> {
    match served(loaded) {
        Some(admin) => admin.get(&format!("/ledger/entries/{from}/{count}")).await,
        None => serve::read_entries(&opened(loaded)?, from, count).map_err(|error| unreadable(&error)),
    }
}

async fn open(loaded: &Loaded, index: u64) -> Result<OpeningAnswer, Failure> {
    match served(loaded) {
        Some(admin) => admin.get(&format!("/ledger/opening/{index}")).await,
        None => serve::read_opening(&opened(loaded)?, index)
            .map_err(|error| Failure::from_error(Exit::Wrong, &error)),
    }
}

fn check_opening(file: &Path, key: &str, console: Console) -> Result<Exit, Failure> {
    let key = public_key(key)?;
    let bytes = files::read_bytes(file, MAX_OPENING_BYTES)?;
    let opening = Opening::parse(&bytes)
        .map_err(|error| Failure::from_error(Exit::Wrong, &error).help("`estop ledger open` writes them"))?;
    match opening.verify(&key) {
        Ok(opened) => {
            let entry = String::from_utf8_lossy(&opening.entry);
            let record = String::from_utf8_lossy(&opening.record);
            console.line(format!("{}\n", console.paint(Tone::Strong, &opened)))?;
            console.line(entry.trim_end())?;
            console.line(format!("\n{record}\n"))?;
            console.line(console.paint(Tone::Good, "this is what was recorded"))?;
            console.document(&serde_json::json!({
                "holds": true,
                "log": opened.checkpoint.origin,
                "index": opened.index,
                "entry": entry,
                "record": serde_json::from_slice::<serde_json::Value>(&opening.record).ok(),
            }))?;
            Ok(Exit::Yes)
        }
        Err(error) => {
            let why = Failure::from_error(Exit::No, &error).line();
            console.line(console.paint(Tone::Bad, format!("does not hold: {why}")))?;
            console.document(&serde_json::json!({ "holds": false, "why": why }))?;
            Ok(Exit::No)
        }
    }
}

/// How things stood at a moment.
pub(super) async fn as_of(loaded: &Loaded, at: Timestamp) -> Result<AsOf, Failure> {
    match served(loaded) {
        Some(admin) => admin.get(&format!("/ledger/as-of/{at}")).await,
        None => {
            control::as_of(&opened(loaded)?, at).map_err(|error| Failure::from_error(Exit::Wrong, &error))
        }
    }
}

async fn prove(loaded: &Loaded, index: u64) -> Result<ProofAnswer, Failure> {
    match served(loaded) {
        Some(admin) => admin.get(&format!("/ledger/proof/{index}")).await,
        None => serve::read_proof(&opened(loaded)?, index).map_err(|error| unreadable(&error)),
    }
}
