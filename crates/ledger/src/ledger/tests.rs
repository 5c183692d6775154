//! The whole ledger on a disk that fails at every step: nothing acknowledged is lost, nothing forks, nothing stays wrong.

use std::collections::BTreeMap;

use jiff::Timestamp;

use super::*;
use crate::append::Receipt;
use crate::disk::sim::{Crash, SimDisk, Step, Wrong};
use crate::verify::verify_on;

#[derive(Debug)]
struct Still;

impl Clock for Still {
    fn now(&self) -> Timestamp {
        "2026-11-23T10:00:00Z".parse().unwrap()
    }
}

fn key() -> SignerKey {
    SignerKey::generate([7; 32], "records.example.org".parse().unwrap())
}

fn open(disk: &SimDisk) -> Result<Ledger, OpenError> {
    let custodian = "records.example.org".parse().unwrap();
    let mut config = Config::new("sim".into(), custodian, key(), Arc::new(Still));
    config.segment_bytes = MIN_SEGMENT_BYTES;
    // Checkpoints are made when the test asks, so that each run takes the same steps.
    config.checkpoint_every = Duration::from_secs(3600);
    Ledger::open_on(config, Arc::new(disk.clone()))
}

fn partner(name: &str) -> PartnerId {
    name.parse().unwrap()
}

fn draft(kind: Kind, name: &str, record: &str) -> Draft {
    Draft::new(kind, record.as_bytes().to_vec()).with_partner(partner(name))
}

fn checkpoint(ledger: &Ledger) -> Result<SignedCheckpoint, CheckpointError> {
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    runtime.block_on(ledger.checkpoint())
}

/// What a run was told.
#[derive(Default)]
struct Told {
    /// Records by index.
    acknowledged: BTreeMap<u64, String>,
    refused: Vec<String>,
    checkpoints: Vec<SignedCheckpoint>,
    failed: bool,
}

impl Told {
    fn append(&mut self, ledger: &Ledger, drafts: Vec<Draft>) {
        let records: Vec<_> = drafts
            .iter()
            .map(|draft| String::from_utf8(draft.record.clone()).unwrap())
            .collect();
        match ledger.append(drafts).wait() {
            Ok(receipt) => self.acknowledge(&receipt, records),
            Err(NotRecorded::Failed(_)) => self.failed = true,
            Err(_) => self.refused.extend(records),
        }
    }

    fn acknowledge(&mut self, receipt: &Receipt, records: Vec<String>) {
        assert_eq!(receipt.count(), records.len() as u64);
        for (index, record) in (receipt.first_index()..).zip(records) {
            assert_eq!(self.acknowledged.insert(index, record), None);
        }
    }

    fn checkpoint(&mut self, ledger: &Ledger) {
        match checkpoint(ledger) {
            Ok(signed) => {
                let newest = self.acknowledged.keys().last().map_or(0, |index| index + 1);
                assert!(signed.checkpoint.size >= newest);
                self.checkpoints.push(signed);
            }
            Err(CheckpointError::Failed(_)) => self.failed = true,
            Err(_) => {}
        }
    }
}

/// Appends of several partners that fill more than a tile and more than a segment, with checkpoints between.
fn run(disk: &SimDisk) -> Told {
    let mut told = Told::default();
    let Ok(ledger) = open(disk) else {
        told.failed = true;
        return told;
    };
    told.append(
        &ledger,
        vec![
            draft(Kind::Opened, "a", "{\"opened\":\"a\"}"),
            draft(Kind::Opened, "b", "{}"),
        ],
    );
    told.checkpoint(&ledger);
    for n in 0..5 {
        let long = format!("{{\"n\":{n},\"text\":\"{}\"}}", "x".repeat(70_000));
        told.append(
            &ledger,
            vec![
                draft(Kind::Disclosure, "a", &long),
                draft(Kind::Refusal, "b", "{\"no\":1}"),
            ],
        );
    }
    told.checkpoint(&ledger);
    for half in 0..2 {
        let many = (0..130)
            .map(|n| draft(Kind::Continuation, "b", &format!("{{\"c\":{n},\"half\":{half}}}")))
            .collect();
        told.append(&ledger, many);
    }
    let census = ledger.append_census().wait();
    told.failed |= matches!(census, Err(NotRecorded::Failed(_)));
    told.append(&ledger, vec![draft(Kind::Closed, "a", "{\"closed\":true}")]);
    told.checkpoint(&ledger);
    told.append(&ledger, vec![draft(Kind::Disclosure, "b", "{\"last\":1}")]);
    told
}

/// Everything the run was told must still be true of what the disk holds.
fn check(told: &Told, disk: &SimDisk, context: &str, roots: &mut BTreeMap<u64, Hash>) {
    let ledger = open(disk).unwrap_or_else(|error| panic!("{context}: {error:?}"));
    for (index, record) in &told.acknowledged {
        let stored = ledger
            .entry(*index)
            .unwrap_or_else(|error| panic!("{context}: entry {index}: {error:?}"));
        assert_eq!(stored.record, record.as_bytes(), "{context}: entry {index}");
    }
    let signed = checkpoint(&ledger).unwrap();
    ledger
        .append(vec![draft(Kind::Opened, "b", "{\"after\":1}")])
        .wait()
        .unwrap();
    let after = checkpoint(&ledger).unwrap();
    for SignedCheckpoint { checkpoint, .. } in told.checkpoints.iter().chain([&signed, &after]) {
        assert_eq!(
            *roots.entry(checkpoint.size).or_insert(checkpoint.root),
            checkpoint.root,
            "{context}: forked"
        );
    }
    let proof = ledger.prove(signed.checkpoint.size - 1).unwrap();
    let entry = ledger.entry(signed.checkpoint.size - 1).unwrap().entry;
    proof
        .verify(&entry, &ledger.verifier().renamed(ledger.origin()))
        .unwrap();
    let verifier = ledger.verifier().clone();
    drop(ledger);
    let report = verify_on(&(Arc::new(disk.clone()) as _), "sim", &verifier).unwrap();
    assert!(report.holds(), "{context}: {:?}", report.findings);
    assert_eq!(report.recorded, Some(report.size));
}

fn try_fault(step: &Step, wrong: Wrong) -> bool {
    let disk = SimDisk::default();
    disk.fail(step.clone(), wrong);
    let told = run(&disk);
    for how in [Crash::Lose, Crash::Torn(11)] {
        // Each crash leads to another future; no two roots within one.
        let mut roots = BTreeMap::new();
        check(
            &told,
            &disk.crashed(how),
            &format!("{step:?} {wrong:?} {how:?}"),
            &mut roots,
        );
    }
    disk.struck()
}

#[test]
fn no_single_fault_loses_or_forks_anything() {
    let healthy = SimDisk::default();
    let told = run(&healthy);
    assert!(!told.failed && told.refused.is_empty() && told.checkpoints.len() == 3);
    check(
        &told,
        &healthy.crashed(Crash::Lose),
        "healthy",
        &mut BTreeMap::new(),
    );
    let steps: Vec<_> = healthy
        .steps()
        .into_iter()
        .filter(|(what, path, _)| interesting(what, path))
        .collect();
    let mut struck = 0;
    for (n, step) in steps.iter().enumerate() {
        // One way of going wrong for each step here, all ways over neighbouring steps; the log's own steps go through all of
        // them in its own tests.
        let wrong = Wrong::ALL[n % Wrong::ALL.len()];
        struck += usize::from(try_fault(step, wrong));
    }
    assert!(struck > 60, "only {struck} of {} faults struck", steps.len());
}

/// Of tiles and bundles, which are all alike, those of one partner stand for all.
fn interesting(what: &str, path: &str) -> bool {
    (what != "read" || !path.starts_with("wal")) && (!path.contains("tile") || path.contains("p/b"))
}

#[test]
fn every_fault_of_intent_and_checkpoint_is_survived() {
    let healthy = SimDisk::default();
    run(&healthy);
    for step in healthy.steps() {
        if step.1.starts_with("state") || step.1.starts_with("public/checkpoint") {
            for wrong in Wrong::ALL {
                try_fault(&step, wrong);
            }
        }
    }
}

#[test]
fn a_full_disk_refuses_with_storage_and_service_resumes() {
    let disk = SimDisk::default();
    let ledger = open(&disk).unwrap();
    ledger
        .append(vec![draft(Kind::Opened, "a", "{}")])
        .wait()
        .unwrap();
    disk.set_full(true);
    let record = format!("\"{}\"", "x".repeat(100_000));
    let mut refused = 0;
    for _ in 0..6 {
        match ledger.append(vec![draft(Kind::Disclosure, "a", &record)]).wait() {
            Err(NotRecorded::Storage(error)) => {
                assert_eq!(error.kind(), std::io::ErrorKind::StorageFull);
                refused += 1;
            }
            other => panic!("{other:?}"),
        }
    }
    assert_eq!(refused, 6);
    assert!(matches!(checkpoint(&ledger), Err(CheckpointError::Storage(_))));
    assert_eq!(ledger.partner(&partner("a")).unwrap().size, 1);
    disk.set_full(false);
    let receipt = ledger
        .append(vec![draft(Kind::Disclosure, "a", &record)])
        .wait()
        .unwrap();
    assert_eq!(receipt.first_index(), 2);
    assert_eq!(checkpoint(&ledger).unwrap().checkpoint.size, 3);
}

#[test]
fn a_failed_sync_ends_the_ledger_and_says_so() {
    let disk = SimDisk::default();
    let ledger = open(&disk).unwrap();
    ledger
        .append(vec![draft(Kind::Opened, "a", "{}")])
        .wait()
        .unwrap();
    let name = crate::disk::temporary("wal/000000000000");
    let done = disk
        .steps()
        .into_iter()
        .filter(|step| step.0 == "sync" && step.1 == name)
        .count();
    disk.fail(("sync", name, done), Wrong::Lost);
    let outcome = ledger.append(vec![draft(Kind::Disclosure, "a", "{}")]).wait();
    assert!(matches!(outcome, Err(NotRecorded::Failed(why)) if matches!(*why, Failure::Unsynced(_))));
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    assert!(matches!(*runtime.block_on(ledger.failed()), Failure::Unsynced(_)));
    let later = ledger.append(vec![draft(Kind::Disclosure, "a", "{}")]).wait();
    assert!(matches!(later, Err(NotRecorded::Failed(_))));
    assert!(matches!(
        checkpoint(&ledger),
        Err(CheckpointError::Failed(_) | CheckpointError::Closed)
    ));
    assert!(matches!(
        ledger.append_census().wait(),
        Err(NotRecorded::Failed(_))
    ));
}

/// A ledger that ran and was closed.
fn closed() -> SimDisk {
    let disk = SimDisk::default();
    run(&disk);
    disk
}

#[test]
fn a_log_turned_back_behind_what_was_published_is_not_opened() {
    let disk = closed();
    // The newest append in the write-ahead log is gone; state and checkpoints still know it.
    disk.tamper("wal/000000000001", |bytes| {
        let end = bytes.iter().rposition(|byte| *byte != 0).unwrap();
        bytes[end - 20..].fill(0);
    });
    assert!(matches!(open(&disk), Err(OpenError::Contradicted { .. })));
}

#[test]
fn without_its_intent_a_ledger_is_made_again_from_its_log() {
    let disk = closed();
    let before = disk.contents("public/checkpoint").unwrap();
    for path in ["state", "index"] {
        let disk = disk.crashed(Crash::Lose);
        disk.lose(path);
        let ledger = open(&disk).unwrap();
        checkpoint(&ledger).unwrap();
        assert_eq!(ledger.entry(3).unwrap().parse().unwrap().kind, Kind::Disclosure);
        assert_eq!(disk.contents("public/checkpoint").unwrap(), before);
    }
}

#[test]
fn a_forged_checkpoint_another_key_and_another_custodian_are_refused() {
    let disk = closed();
    let forged = disk.crashed(Crash::Lose);
    forged.tamper("public/checkpoint", |bytes| bytes[30] ^= 1);
    assert!(matches!(open(&forged), Err(OpenError::Checkpoint { .. })));
    let mut config = Config::new(
        "sim".into(),
        "other.example.org".parse().unwrap(),
        key(),
        Arc::new(Still),
    );
    let other = Ledger::open_on(config, Arc::new(disk.clone()));
    assert!(matches!(other, Err(OpenError::OtherLog { .. })));
    let stranger = SignerKey::generate([8; 32], "records.example.org".parse().unwrap());
    config = Config::new(
        "sim".into(),
        "records.example.org".parse().unwrap(),
        stranger,
        Arc::new(Still),
    );
    assert!(matches!(
        Ledger::open_on(config, Arc::new(disk)),
        Err(OpenError::Checkpoint { .. })
    ));
}

#[test]
fn a_checkpoint_of_another_tree_under_the_right_key_is_refused() {
    for log in ["public/checkpoint", "public/p/b/checkpoint"] {
        for (size, root) in [(3, Hash([9; 32])), (100_000, Hash([9; 32]))] {
            let disk = closed();
            disk.tamper(log, |bytes| {
                let old =
                    evidence::checkpoint::Checkpoint::peek(std::str::from_utf8(bytes).unwrap()).unwrap();
                *bytes = evidence::checkpoint::Checkpoint { size, root, ..old }
                    .sign(&key())
                    .into_bytes();
            });
            assert!(
                matches!(open(&disk), Err(OpenError::Contradicted { .. })),
                "{log} {size}"
            );
        }
    }
}

#[test]
fn a_tile_that_was_changed_is_never_overwritten_and_never_signed_over() {
    let disk = closed();
    let path = "public/tile/1/000.p/1";
    disk.tamper(path, |bytes| bytes[5] ^= 1);
    // The intent no longer holds; the log is read from its beginning and gives another tile.
    let before = (disk.contents(path), disk.contents("public/checkpoint"));
    let ledger = open(&disk).unwrap();
    let failed = checkpoint(&ledger)
        .err()
        .map(|error| format!("{error:?}"))
        .unwrap_or_default();
    assert!(failed.contains(path), "{failed}");
    assert_eq!((disk.contents(path), disk.contents("public/checkpoint")), before);
}

#[test]
fn a_proof_that_does_not_hold_is_not_given_out() {
    let disk = closed();
    disk.tamper("public/tile/0/000", |bytes| bytes[5] ^= 1);
    let ledger = open(&disk).unwrap();
    assert!(matches!(ledger.prove(0), Err(ReadError::Tiles { index: 0, .. })));
}

#[test]
fn what_is_not_for_callers_is_refused() {
    let disk = SimDisk::default();
    let ledger = open(&disk).unwrap();
    for kind in [Kind::Genesis, Kind::Census] {
        assert!(matches!(
            ledger.append(vec![Draft::new(kind, Vec::new())]).wait(),
            Err(NotRecorded::NotYours { .. })
        ));
    }
    assert!(matches!(
        ledger.append(Vec::new()).wait(),
        Err(NotRecorded::NotYours { .. })
    ));
    let long = vec![b'x'; usize::try_from(MIN_SEGMENT_BYTES).unwrap()];
    assert!(matches!(
        ledger.append(vec![Draft::new(Kind::Refusal, long)]).wait(),
        Err(NotRecorded::TooLong { .. })
    ));
    let body = Draft::new(Kind::Epoch, Vec::new()).with_body("no line feed".to_owned());
    assert!(matches!(
        ledger.append(vec![body]).wait(),
        Err(NotRecorded::Malformed { .. })
    ));
    assert_eq!(ledger.size(), 1);
    assert!(matches!(
        ledger.entry(1),
        Err(ReadError::NoSuchEntry { index: 1, size: 1 })
    ));
}
