//! A witness with its state on disk: what it keeps, what it refuses, and what it does when its state was turned back.

use std::path::Path;
use std::sync::Mutex;

use evidence::checkpoint::Checkpoint;
use evidence::hash::leaf;
use evidence::note::SignerKey;
use evidence::tree::{Edge, HashReader, Node, ReadError, prove_consistency};

use super::*;
use crate::register::SqliteRegister;

#[derive(Debug)]
struct Hands(Mutex<i64>);

impl Clock for Hands {
    fn now(&self) -> Timestamp {
        Timestamp::from_second(*self.0.lock().unwrap()).unwrap()
    }
}

struct Nodes(std::collections::BTreeMap<(u8, u64), Hash>);

impl HashReader for Nodes {
    fn read(&self, level: u8, index: u64) -> Result<Hash, ReadError> {
        self.0
            .get(&(level, index))
            .copied()
            .ok_or(ReadError::missing(level, index))
    }
}

/// A log of 40 leaves under a name, all of whose checkpoints can be had.
struct Log(Nodes, SignerKey);

impl Log {
    fn new(origin: &str) -> Self {
        let (mut edge, mut nodes) = (Edge::empty(), Nodes(Default::default()));
        for index in 0..40_u8 {
            edge.push(leaf(&[index]), &mut |Node { level, index, hash }| {
                nodes.0.insert((level, index), hash);
            });
        }
        Self(nodes, SignerKey::generate([1; 32], origin.parse().unwrap()))
    }

    fn note(&self, size: u64) -> String {
        let checkpoint = Checkpoint {
            origin: self.1.name().clone(),
            size,
            root: Edge::read(size, &self.0).unwrap().root(),
        };
        checkpoint.sign(&self.1)
    }

    fn request(&self, old: u64, new: u64) -> String {
        self.request_with(old, new, self.note(new))
    }

    fn request_with(&self, old: u64, new: u64, checkpoint: String) -> String {
        let proof = prove_consistency(old, new, &self.0).unwrap();
        AddCheckpoint {
            old,
            proof,
            checkpoint,
        }
        .to_string()
    }
}

fn witness(file: &Path, seconds: i64) -> Witness {
    let custodian = SignerKey::generate([1; 32], "records.example.org".parse().unwrap());
    let log = SignerKey::generate([1; 32], "other.example/log".parse().unwrap());
    Witness::new(
        Arc::new(SqliteRegister::open(file).unwrap()),
        CosignerKey::generate([9; 32], "witness.example".parse().unwrap()),
        vec![
            Witnessed::Custodian(custodian.verifier()),
            Witnessed::Log(log.verifier()),
        ],
        Arc::new(Hands(Mutex::new(seconds))),
    )
}

fn status(outcome: Result<String, WitnessError>) -> u16 {
    match outcome {
        Ok(_) => 200,
        Err(WitnessError::Refused(refusal)) => refusal.status(),
        Err(_) => 500,
    }
}

fn time(witness: &Witness, log: &Log, size: u64, lines: &str) -> i64 {
    let (_, time) = with_cosignature(&log.note(size), lines, &witness.key()).unwrap();
    time.as_second()
}

#[test]
fn what_was_cosigned_outlives_the_process() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("state");
    let log = Log::new("records.example.org/p/county");
    let first = witness(&file, 100);
    let lines = first.add_checkpoint(&log.request(0, 10)).unwrap();
    assert_eq!(time(&first, &log, 10, &lines), 100);
    drop(first);
    let again = witness(&file, 200);
    assert_eq!(status(again.add_checkpoint(&log.request(0, 20))), 409);
    assert_eq!(status(again.add_checkpoint(&log.request(9, 20))), 409);
    let lines = again.add_checkpoint(&log.request(10, 20)).unwrap();
    assert_eq!(time(&again, &log, 20, &lines), 200);
    let newest = again
        .newest(&sha256(b"records.example.org/p/county").to_hex())
        .unwrap()
        .unwrap();
    assert_eq!(
        again
            .key()
            .cosigned(&Note::parse(&newest).unwrap())
            .unwrap()
            .unwrap()
            .as_second(),
        200
    );
    assert_eq!(
        again
            .newest(&sha256(b"records.example.org/p/city").to_hex())
            .unwrap(),
        None
    );
    assert_eq!(again.newest("../x").unwrap(), None);
}

#[test]
fn a_clock_that_is_set_back_makes_no_earlier_cosignature() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("state");
    let log = Log::new("records.example.org/audit");
    witness(&file, 200).add_checkpoint(&log.request(0, 10)).unwrap();
    let back = witness(&file, 100);
    let lines = back.add_checkpoint(&log.request(10, 20)).unwrap();
    assert_eq!(time(&back, &log, 20, &lines), 200);
}

#[test]
fn logs_are_those_of_the_custodian_and_those_named() {
    let dir = tempfile::tempdir().unwrap();
    let witness = witness(&dir.path().join("state"), 100);
    for (origin, expected) in [
        ("records.example.org/audit", 200),
        ("records.example.org/p/county", 200),
        ("other.example/log", 200),
        ("records.example.org", 404),
        ("records.example.org/p/", 404),
        ("records.example.org/p/County", 404),
        ("records.example.org.evil/audit", 404),
        ("other.example/log2", 404),
    ] {
        let log = Log::new(origin);
        assert_eq!(
            status(witness.add_checkpoint(&log.request(0, 10))),
            expected,
            "{origin}"
        );
    }
    assert_eq!(status(witness.add_checkpoint("old 1\n")), 400);
}

#[test]
fn a_witness_whose_state_was_turned_back_answers_nobody_any_more() {
    let dir = tempfile::tempdir().unwrap();
    let (file, backup) = (dir.path().join("state"), dir.path().join("backup"));
    let log = Log::new("records.example.org/audit");
    witness(&file, 100).add_checkpoint(&log.request(0, 10)).unwrap();
    std::fs::copy(&file, &backup).unwrap();
    let ahead = witness(&file, 200);
    let lines = ahead.add_checkpoint(&log.request(10, 20)).unwrap();
    let (note, _) = with_cosignature(&log.note(20), &lines, &ahead.key()).unwrap();
    drop(ahead);
    let back = witness(&backup, 300);
    let shown = log.request_with(20, 20, note);
    assert!(matches!(
        back.add_checkpoint(&shown),
        Err(WitnessError::TurnedBack { .. })
    ));
    drop(back);
    let still = witness(&backup, 400);
    for log in [log, Log::new("other.example/log")] {
        let outcome = still.add_checkpoint(&log.request(10, 20));
        assert!(matches!(outcome, Err(WitnessError::TurnedBack { .. })));
    }
}

#[test]
fn of_many_at_once_each_size_is_cosigned_in_order() {
    let dir = tempfile::tempdir().unwrap();
    let witness = witness(&dir.path().join("state"), 100);
    let log = Log::new("records.example.org/audit");
    let grown = Mutex::new(Vec::new());
    std::thread::scope(|scope| {
        for thread in 0..4_u64 {
            let (witness, log, grown) = (&witness, &log, &grown);
            scope.spawn(move || {
                for step in 1..10_u64 {
                    let new = step * 4 + thread;
                    for old in 0..new {
                        if let Ok(lines) = witness.add_checkpoint(&log.request(old, new)) {
                            time(witness, log, new, &lines);
                            grown.lock().unwrap().push((old, new));
                        }
                    }
                }
            });
        }
    });
    // Each cosigned step begins where another one ended: no two from the same size.
    let mut grown = grown.into_inner().unwrap();
    grown.sort_unstable();
    assert!(!grown.is_empty());
    assert!(
        grown
            .iter()
            .zip(grown.iter().skip(1))
            .all(|(one, next)| one.1 == next.0),
        "{grown:?}"
    );
}
