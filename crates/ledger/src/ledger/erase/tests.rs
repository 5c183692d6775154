//! Erasure on a disk that fails at every step: whatever happens, an entry is erased and the log says so, or neither.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use evidence::commitment::OpeningKey;
use evidence::hash::Hash;
use evidence::note::SignerKey;

use super::*;
use crate::clock::Clock;
use crate::disk::Disk as _;
use crate::disk::sim::{Crash, SimDisk, Step, Wrong};
use crate::keys::Keys;
use crate::verify::{Report, verify_on};
use crate::{Config, MIN_SEGMENT_BYTES, OpenError};

#[derive(Debug)]
struct Still;

impl Clock for Still {
    fn now(&self) -> Timestamp {
        time()
    }
}

fn time() -> Timestamp {
    "2026-11-23T10:00:00Z".parse().unwrap()
}

fn open(disk: &SimDisk) -> Result<Ledger, OpenError> {
    let custodian: evidence::id::Custodian = "records.example.org".parse().unwrap();
    let signer = SignerKey::generate([7; 32], custodian.key_name());
    let mut config = Config::new("sim".into(), custodian, signer, Arc::new(Still));
    config.segment_bytes = MIN_SEGMENT_BYTES;
    config.checkpoint_every = Duration::from_secs(3600);
    Ledger::open_on(config, Arc::new(disk.clone()))
}

fn check_all(disk: &SimDisk) -> Report {
    let custodian: evidence::id::Custodian = "records.example.org".parse().unwrap();
    let key = SignerKey::generate([7; 32], custodian.key_name()).verifier();
    verify_on(&(Arc::new(disk.clone()) as _), "sim", &key).unwrap()
}

fn draft(kind: Kind, record: &str) -> Draft {
    Draft::new(kind, record.as_bytes().to_vec()).with_partner("a".parse().unwrap())
}

fn append(ledger: &Ledger, kind: Kind, record: &str) -> u64 {
    ledger
        .append(vec![draft(kind, record)])
        .wait()
        .unwrap()
        .first_index()
}

const SESSION: &str = "0123456789abcdef";

fn disclosure(number: u64, about: &str, outcome: &str) -> String {
    format!(
        "{{\"session\":\"{SESSION}\",\"statement_number\":{number},\"partner\":\"a\",\"officer\":\"j.doe\",\
         \"agreement\":\"x-2019\",\"purpose\":\"p\",\"case\":null,\"text\":{{\"text\":\"select {about}\"}},\
         \"parameters\":[],\"started\":\"2026-11-23T00:00:02.25Z\",\"rows\":1,\"bytes\":21,\"outcome\":{outcome}}}"
    )
}

const COMPLETE: &str = "{\"complete\":{\"tag\":\"SELECT 1\"}}";

fn complete(number: u64, about: &str) -> String {
    disclosure(number, about, COMPLETE)
}

fn continuation(number: u64) -> String {
    format!("{{\"session\":\"{SESSION}\",\"statement_number\":{number},\"rows\":1,\"bytes\":9}}")
}

fn outcome(number: u64) -> String {
    format!(
        "{{\"session\":\"{SESSION}\",\"statement_number\":{number},\"rows\":1,\"bytes\":9,\"outcome\":{COMPLETE},\
         \"ended\":\"2026-11-23T00:00:02.25Z\"}}"
    )
}

fn erase(ledger: &Ledger, entries: &[u64]) -> Result<Erasure, EraseError> {
    ledger.erase(&entries.iter().copied().collect(), "art. 17", "root", time())
}

/// A log with a few statements: the indexes 2, 3 and 4 to 7, of which the last is one statement with another in its middle.
fn statements(ledger: &Ledger) {
    append(ledger, Kind::Opened, "{}");
    append(ledger, Kind::Disclosure, &complete(1, "smith"));
    append(ledger, Kind::Disclosure, &complete(2, "miller"));
    append(ledger, Kind::Disclosure, &disclosure(3, "long", "\"streaming\""));
    append(ledger, Kind::Disclosure, &complete(4, "other"));
    append(ledger, Kind::Continuation, &continuation(3));
    append(ledger, Kind::Outcome, &outcome(3));
    append(ledger, Kind::Session, "{}");
}

fn checkpoint(ledger: &Ledger) -> Hash {
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    runtime.block_on(ledger.checkpoint()).unwrap().checkpoint.root
}

fn all_bytes(disk: &SimDisk) -> BTreeMap<String, Vec<u8>> {
    let mut names: BTreeSet<String> = disk.steps().into_iter().map(|(_, name, _)| name).collect();
    for folder in ["keys", "root"] {
        let inside = disk.list(folder).unwrap().into_iter();
        names.extend(inside.map(|name| format!("{folder}/{name}")));
    }
    let contents = names
        .into_iter()
        .filter_map(|name| Some((name.clone(), disk.contents(&name)?)));
    contents.collect()
}

fn contains(hay: &[u8], needle: &[u8]) -> bool {
    hay.windows(needle.len()).any(|window| window == needle)
}

#[test]
fn an_erased_entry_is_gone_with_its_statement_and_all_else_stands() {
    let disk = SimDisk::default();
    let ledger = open(&disk).unwrap();
    statements(&ledger);
    let root = checkpoint(&ledger);
    let before: Vec<_> = (0..9).map(|index| ledger.entry(index).unwrap()).collect();
    let copy = disk.crashed(Crash::Keep);
    let erasure = erase(&ledger, &[2, 4]).unwrap();
    assert_eq!(erasure.erased.to_string(), "erased 2\nerased 4\nerased 6-7\n");
    assert_eq!((erasure.entry, erasure.records), (9, 4));
    for again in [&ledger, &{ ledger.clone() }] {
        for (index, was) in (0..).zip(&before) {
            let now = again.entry(index).unwrap();
            assert_eq!(now.entry, was.entry);
            if [2, 4, 6, 7].contains(&index) {
                assert_eq!(
                    (now.erased_by, now.key, &now.record[..]),
                    (Some(9), None, &[][..])
                );
            } else {
                assert_eq!(&now, was);
            }
        }
    }
    assert_eq!(
        ledger.prove(2).unwrap().checkpoint,
        ledger.checkpoints().main.clone().unwrap().note
    );
    // Once more, in the same shelf, and what is gone already is left out.
    let second = erase(&ledger, &[2, 3]).unwrap();
    assert_eq!(second.erased.to_string(), "erased 3\n");
    assert!(matches!(erase(&ledger, &[2, 3]), Err(EraseError::Nothing)));
    assert_eq!(ledger.entry(3).unwrap().erased_by, Some(10));
    assert_eq!(ledger.entry(4).unwrap().erased_by, Some(9));
    assert_eq!(ledger.entry(5).unwrap(), before[5]);
    append(&ledger, Kind::Disclosure, &complete(9, "new"));
    drop(ledger);
    let report = check_all(&disk);
    assert!(report.holds(), "{:?}", report.findings);
    assert_eq!(report.erased, 5);
    // Neither key nor record of what is gone stands anywhere; the root was copied before the erasure, but is another now.
    let files = all_bytes(&disk);
    for index in [2, 3, 4, 6, 7] {
        let gone: &Stored = &before[index];
        for (name, bytes) in &files {
            assert!(!contains(bytes, gone.key.as_ref().unwrap().reveal()), "{name}");
            assert!(!contains(bytes, &gone.record), "{name}");
        }
    }
    assert_eq!(disk.list("root").unwrap(), ["key.2"]);
    // A backup of everything but the root key opens nothing with the root key of now.
    copy.tamper("root/key.0", |bytes| bytes.clone_from(&files["root/key.2"]));
    let old = Keys::look(&(Arc::new(copy) as _));
    assert!(matches!(old, Err(KeysError::Ring)), "{old:?}");
    let ledger = open(&disk).unwrap();
    assert_eq!(ledger.entry(5).unwrap(), before[5]);
    assert_ne!(checkpoint(&ledger), root);
}

#[test]
fn what_cannot_be_erased_is_refused_and_nothing_is() {
    let disk = SimDisk::default();
    let ledger = open(&disk).unwrap();
    statements(&ledger);
    let size = ledger.size();
    assert!(matches!(
        erase(&ledger, &[2, 0]),
        Err(EraseError::Kept { index: 0, .. })
    ));
    assert!(matches!(
        erase(&ledger, &[1, 2]),
        Err(EraseError::Kept {
            index: 1,
            kind: Kind::Opened
        })
    ));
    assert!(matches!(
        erase(&ledger, &[2, 6]),
        Err(EraseError::Part { index: 6 })
    ));
    assert!(matches!(erase(&ledger, &[7]), Err(EraseError::Part { index: 7 })));
    assert!(matches!(
        erase(&ledger, &[2, 99]),
        Err(EraseError::Read(ReadError::NoSuchEntry { index: 99, .. }))
    ));
    assert!(matches!(erase(&ledger, &[]), Err(EraseError::Nothing)));
    let own = Draft::new(Kind::Erased, b"{}".to_vec());
    assert!(matches!(
        ledger.append(vec![own]).wait(),
        Err(NotRecorded::NotYours { .. })
    ));
    let running = append(
        &ledger,
        Kind::Disclosure,
        &disclosure(7, "running", "\"streaming\""),
    );
    assert!(matches!(erase(&ledger, &[2, running]), Err(EraseError::UnderWay { index }) if index == running));
    assert_eq!(ledger.size(), size + 1);
    assert!((0..=running).all(|index| ledger.entry(index).unwrap().erased_by.is_none()));
    // Its process ended: nobody sends any more of it.
    drop(ledger);
    let ledger = open(&disk).unwrap();
    append(&ledger, Kind::Continuation, &continuation(7));
    assert_eq!(erase(&ledger, &[running]).unwrap().records, 2);
}

#[test]
fn keys_are_put_on_further_shelves_and_all_of_them_are_found() {
    let disk = SimDisk::default();
    let ledger = open(&disk).unwrap();
    append(&ledger, Kind::Opened, "{}");
    let mut keys = BTreeMap::new();
    for round in 0..12_u64 {
        let index = append(&ledger, Kind::Disclosure, &complete(round, "x"));
        keys.insert(index, ledger.entry(index).unwrap().key.unwrap());
        // Each erasure retires the shelf in use: more rounds than there are spares.
        let goes = append(&ledger, Kind::Session, "{\"goes\":1}");
        erase(&ledger, &[goes]).unwrap();
        if round % 4 == 3 {
            checkpoint(&ledger);
        }
    }
    let found = |ledger: &Ledger| -> BTreeMap<u64, OpeningKey> {
        keys.keys()
            .map(|index| (*index, ledger.entry(*index).unwrap().key.unwrap()))
            .collect()
    };
    assert_eq!(found(&ledger), keys);
    drop(ledger);
    assert_eq!(found(&open(&disk).unwrap()), keys);
    let report = check_all(&disk);
    assert!(report.holds(), "{:?}", report.findings);
    assert_eq!(report.erased, 12);
}

#[test]
fn a_verifier_finds_what_was_destroyed_without_an_entry_and_what_was_not_destroyed() {
    let disk = SimDisk::default();
    let ledger = open(&disk).unwrap();
    statements(&ledger);
    let kept = disk.crashed(Crash::Keep);
    erase(&ledger, &[2]).unwrap();
    drop(ledger);
    assert!(check_all(&disk).holds());
    // The store of before, whose ring says that everything was carried out.
    let old = kept.contents("keys/ring").unwrap();
    let old_root = kept.contents("root/key.0").unwrap();
    let cheated = disk.crashed(Crash::Keep);
    for (path, bytes) in [("keys/ring", old), ("root/key.0", old_root)] {
        let file = cheated.create(path, crate::disk::Access::Private).unwrap();
        file.write_at(&bytes, 0).unwrap();
    }
    let report = check_all(&cheated);
    let said: Vec<_> = report.findings.iter().map(ToString::to_string).collect();
    assert_eq!(
        said,
        ["entry 2: the log says that it was erased, but its key is there"]
    );
    // One that was lost, and no entry that says so.
    let lost = disk.crashed(Crash::Keep);
    let shelf = lost
        .list("keys")
        .unwrap()
        .into_iter()
        .find(|name| name.starts_with("shelf-"))
        .unwrap();
    lost.tamper(&format!("keys/{shelf}"), |bytes| bytes[40] ^= 1);
    assert!(!check_all(&lost).holds());
}

#[test]
fn a_store_that_was_lost_is_not_made_anew_over_what_could_bring_it_back() {
    let disk = SimDisk::default();
    let ledger = open(&disk).unwrap();
    statements(&ledger);
    let kept = ledger.entry(2).unwrap();
    let first = disk.crashed(Crash::Keep);
    erase(&ledger, &[3]).unwrap();
    drop(ledger);
    let whole = disk.crashed(Crash::Keep);
    for lost in ["keys/ring", "root/key.1"] {
        let disk = whole.crashed(Crash::Keep);
        let bytes = disk.contents(lost).unwrap();
        disk.lose(lost);
        assert!(matches!(open(&disk), Err(OpenError::Keys(_))), "{lost}");
        let file = disk.create(lost, crate::disk::Access::Private).unwrap();
        file.write_at(&bytes, 0).unwrap();
        assert_eq!(open(&disk).unwrap().entry(2).unwrap(), kept, "{lost}");
    }
    // Before the first erasure: the ring may have been lost, or a first start cut off; the root key stays.
    let root = first.contents("root/key.0").unwrap();
    first.lose("keys/ring");
    drop(open(&first).unwrap());
    assert_eq!(first.contents("root/key.0").unwrap(), root);
}

/// Opens, appends, erases; what of it was acknowledged.
fn run(disk: &SimDisk) -> Option<Erasure> {
    let ledger = open(disk).ok()?;
    for record in [complete(1, "smith"), complete(2, "miller"), complete(3, "other")] {
        let opened = ledger.size() == 1;
        let drafts = opened.then(|| draft(Kind::Opened, "{}")).into_iter();
        let drafts = drafts.chain([draft(Kind::Disclosure, &record)]).collect();
        ledger.append(drafts).wait().ok()?;
    }
    erase(&ledger, &[2]).ok()?;
    erase(&ledger, &[4]).ok()
}

fn try_fault(step: &Step, wrong: Wrong, how: Crash) -> bool {
    let disk = SimDisk::default();
    disk.fail(step.clone(), wrong);
    let told = run(&disk);
    let context = format!("{step:?} {wrong:?} {how:?}");
    let faulty = disk;
    let disk = faulty.crashed(how);
    let ledger = open(&disk).unwrap_or_else(|error| panic!("{context}: {error:?}"));
    let mut said = BTreeMap::new();
    for index in 0..ledger.size() {
        let stored = ledger
            .entry(index)
            .unwrap_or_else(|error| panic!("{context}: {error:?}"));
        let entry = stored.parse().unwrap();
        if entry.kind == Kind::Erased {
            let erased = Erased::parse(&entry.body.unwrap()).unwrap();
            said.extend(erased.ranges().iter().map(|range| (*range.start(), index)));
        }
    }
    for index in 0..ledger.size() {
        let by = ledger.entry(index).unwrap().erased_by;
        assert_eq!(by, said.get(&index).copied(), "{context}: entry {index}");
    }
    assert!(
        told.is_none() || said.len() == 2,
        "{context}: acknowledged and not done"
    );
    // It goes on.
    let more = append(&ledger, Kind::Session, "{}");
    erase(&ledger, &[more]).unwrap_or_else(|error| panic!("{context}: {error:?}"));
    drop(ledger);
    assert_eq!(
        disk.list("root").unwrap().len(),
        1,
        "{context}: {:?}",
        disk.list("root")
    );
    let report = check_all(&disk);
    assert!(report.holds(), "{context}: {:?}", report.findings);
    faulty.struck()
}

#[test]
fn no_single_fault_leaves_an_erasure_half_done() {
    let healthy = SimDisk::default();
    assert!(run(&healthy).is_some());
    let ours = |name: &str| ["keys", "root"].iter().any(|folder| name.starts_with(folder));
    let steps = healthy.steps().into_iter();
    let steps: Vec<_> = steps.filter(|(_, name, _)| ours(name)).collect();
    let mut struck = 0;
    for (n, step) in steps.iter().enumerate() {
        for (m, wrong) in Wrong::ALL.into_iter().enumerate() {
            // Each way of going wrong at each step; each way of crashing then, over neighbouring ones.
            let how = [Crash::Lose, Crash::Keep, Crash::Torn(5)][(n + m) % 3];
            struck += u32::from(try_fault(step, wrong, how));
        }
    }
    assert!(
        steps.len() > 60 && struck as usize == Wrong::ALL.len() * steps.len(),
        "{} steps, {struck} struck",
        steps.len()
    );
}
