//! `estop receipts`: what a partner can prove with that something is missing from its log.

use std::fs::DirBuilder;
use std::os::unix::fs::DirBuilderExt as _;
use std::path::Path;

use evidence::id::PartnerId;
use evidence::note::MAX_NOTE_BYTES;
use evidence::proof::TlogProof;
use evidence::receipt::{Receipt, Standing};
use evidence::witness_policy::{MAX_POLICY_BYTES, WitnessPolicy};
use serde_json::json;

use super::certificate::public_key;
use crate::cli::{Receipts, ReceiptsCommand};
use crate::demo::report::grouped;
use crate::estate;
use crate::failure::{Exit, Failure};
use crate::files::{self, FileError, Readers};
use crate::output::{Console, Tone};
use crate::receipts::{Checked, Published, check, leaves, receipts};
use crate::{clock, custodian};

/// Missing leaves that are shown one by one.
const SHOWN: usize = 20;

pub(super) fn run(command: &Receipts, folder: &Path, console: Console) -> Result<Exit, Failure> {
    match &command.command {
        Some(ReceiptsCommand::Check {
            file,
            key,
            log,
            witnesses,
            evidence,
        }) => held(file, key, log, witnesses.as_deref(), evidence.as_deref(), console),
        None => {
            let partner = command.partner.as_ref();
            let partner = partner.ok_or_else(|| Failure::wrong("a partner is needed"))?;
            make(folder, partner, command.from, &command.out, console)
        }
    }
}

fn make(
    folder: &Path,
    partner: &PartnerId,
    from: u64,
    out: &Path,
    console: Console,
) -> Result<Exit, Failure> {
    let loaded = estate::load(folder)?;
    let state = loaded.state();
    let public = custodian::public_key(&state)?;
    let custodian = &loaded.estate.custodian().name;
    let key = custodian::key(&state, custodian)?;
    let published = state.ledger().join("public/p").join(partner.as_str());
    if !published.join("checkpoint").exists() {
        return Err(Failure::absent(format!(
            "partner `{partner}` has no log that is published"
        )));
    }
    let log = Published::open(&published, &custodian.partner_origin(partner), &public)?;
    let leaves = leaves(&log, from)?;
    if leaves.is_empty() {
        console.line("no such leaves")?;
    } else {
        make_folder(out)?;
    }
    let mut written = Vec::new();
    for receipt in receipts(&log, &leaves, clock::now()) {
        let first = receipt.leaves.first().map_or(from, |leaf| leaf.index);
        let signed = receipt
            .sign(&key)
            .map_err(|error| Failure::from_error(Exit::Wrong, &error))?;
        let file = out.join(format!("{partner}-{first}.receipt"));
        files::create(&file, &signed, Readers::Owner)?;
        console.line(format!(
            "{}: {} leaves from {first} on",
            file.display(),
            receipt.leaves.len()
        ))?;
        written.push(json!({ "file": file, "from": first, "leaves": receipt.leaves.len() }));
    }
    console.document(
        &json!({ "log": log.checkpoint.origin, "size": log.checkpoint.size, "receipts": written }),
    )?;
    Ok(Exit::Yes)
}

fn make_folder(out: &Path) -> Result<(), Failure> {
    DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(out)
        .map_err(|source| FileError::new("create", out, source).into())
}

fn held(
    file: &Path,
    key: &str,
    log: &Path,
    witnesses: Option<&Path>,
    evidence: Option<&Path>,
    console: Console,
) -> Result<Exit, Failure> {
    let key = public_key(key)?;
    let text = files::read(file, MAX_NOTE_BYTES)?;
    let receipt = Receipt::open(&text, &key).map_err(|error| Failure::from_error(Exit::No, &error))?;
    let policy = witnesses
        .map(|path| {
            let policy = files::read(path, MAX_POLICY_BYTES)?;
            WitnessPolicy::parse(&policy).map_err(|error| Failure::from_error(Exit::Wrong, &error))
        })
        .transpose()?;
    let log = Published::open(log, &receipt.log, &key)?;
    let checked = check(&receipt, &log, policy.as_ref())?;
    let missing: Vec<&Checked> = checked.iter().filter(|one| one.is_missing()).collect();
    let stand = checked
        .iter()
        .filter(|one| one.standing == Standing::Included)
        .count();
    let open = checked.len().saturating_sub(stand).saturating_sub(missing.len());
    console.line(format!(
        "{}: {} of {} leaves stand under the checkpoint of size {}",
        receipt.log,
        grouped(count(stand)),
        grouped(count(checked.len())),
        grouped(log.checkpoint.size)
    ))?;
    for one in missing.iter().take(SHOWN) {
        console.line(console.paint(Tone::Bad, format!("  missing: {}", told(one))))?;
    }
    if open > 0 {
        console.line(console.paint(
            Tone::Notice,
            format!(
                "  {} leaves are beyond this checkpoint: with a newer one, or one that witnesses have cosigned (--witnesses), more can be said",
                grouped(count(open))
            ),
        ))?;
    }
    let first_other = missing
        .iter()
        .find(|one| matches!(one.standing, Standing::Other { .. }));
    if let (Some(folder), Some(one)) = (evidence, missing.first()) {
        write_evidence(folder, &text, &log, first_other.copied().unwrap_or(one))?;
        console.line(format!("what proves it: {}", folder.display()))?;
    }
    let told: Vec<_> = missing
        .iter()
        .map(|one| json!({ "index": one.leaf.index, "time": one.leaf.time, "why": told(one) }))
        .collect();
    console.document(&json!({
        "log": receipt.log,
        "size": log.checkpoint.size,
        "leaves": checked.len(),
        "included": stand,
        "missing": told,
        "beyond": open,
    }))?;
    Ok(if stand == checked.len() {
        Exit::Yes
    } else {
        Exit::No
    })
}

fn count(of: usize) -> u64 {
    u64::try_from(of).unwrap_or(u64::MAX)
}

fn told(one: &Checked) -> String {
    let Checked {
        leaf,
        standing,
        overdue,
    } = one;
    match (standing, overdue) {
        (Standing::Other { found, .. }, _) => format!(
            "leaf {} of {}, {}: the log has {found} there",
            leaf.index, leaf.time, leaf.hash
        ),
        (_, Some(seen)) => format!(
            "leaf {} of {}, {}: witnesses have seen no longer log up to {seen}",
            leaf.index, leaf.time, leaf.hash
        ),
        _ => format!("leaf {}", leaf.index),
    }
}

/// The receipt, the log's checkpoint, and the other leaf with its proof: what anybody can check with the custodian's key.
fn write_evidence(folder: &Path, receipt: &str, log: &Published, one: &Checked) -> Result<(), Failure> {
    if folder.exists() {
        return Err(Failure::wrong(format!("`{}` is there already", folder.display())));
    }
    make_folder(folder)?;
    files::create(&folder.join("receipt"), receipt, Readers::Owner)?;
    files::create(&folder.join("checkpoint"), &log.note, Readers::Owner)?;
    if let Standing::Other { proof, .. } = &one.standing {
        let proof = TlogProof {
            index: one.leaf.index,
            hashes: proof.clone(),
            checkpoint: log.note.clone(),
        };
        files::create(
            &folder.join("other.tlog-proof"),
            &proof.to_string(),
            Readers::Owner,
        )?;
        let entry = String::from_utf8_lossy(&log.entry(one.leaf.index)?).into_owned();
        files::create(&folder.join("other.entry"), &entry, Readers::Owner)?;
    }
    Ok(())
}
