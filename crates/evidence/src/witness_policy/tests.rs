//! Policies: their form, and what a quorum says of cosigned checkpoints.

use proptest::prelude::*;

use super::*;
use crate::checkpoint::Checkpoint;
use crate::cosignature::{CosignerKey, with_cosignature};
use crate::hash::sha256;
use crate::note::SignerKey;
use crate::witness::{AddCheckpoint, consider};

fn key(number: u8) -> CosignerKey {
    CosignerKey::generate([number; 32], format!("w{number}.example").parse().unwrap())
}

/// Witnesses `w1` to `wN`, then these lines.
fn policy(witnesses: u8, lines: &str) -> Result<WitnessPolicy, PolicyError> {
    let witnesses: String = (1..=witnesses)
        .map(|number| format!("witness w{number} {}\n", key(number).witness()))
        .collect();
    WitnessPolicy::parse(&(witnesses + lines))
}

/// A checkpoint that these have cosigned, at these seconds.
fn note(by: &[(u8, i64)]) -> String {
    let log = SignerKey::generate([100; 32], "log.example".parse().unwrap());
    let checkpoint = Checkpoint {
        origin: log.name().clone(),
        size: 5,
        root: sha256(b"root"),
    };
    let request = AddCheckpoint {
        old: 0,
        proof: Vec::new(),
        checkpoint: checkpoint.sign(&log),
    };
    let consistent = consider(&request, &log.verifier(), None).unwrap();
    by.iter().fold(request.checkpoint, |note, (number, seconds)| {
        let key = key(*number);
        let line = key.cosign(&consistent, Timestamp::from_second(*seconds).unwrap());
        with_cosignature(&note, &line.unwrap(), &key.witness()).unwrap().0
    })
}

fn time(policy: &WitnessPolicy, by: &[(u8, i64)]) -> Option<i64> {
    let note = note(by);
    let cosigned = policy.examine(&Note::parse(&note).unwrap()).ok()?;
    assert_eq!(cosigned.by.len(), by.len());
    cosigned.at.map(Timestamp::as_second)
}

#[test]
fn the_specifications_example_is_a_policy() {
    let lines = "# two organisations\n\n  group X 2 w1 w2 w3\n\tgroup Y any w4 w5 w6\ngroup both all X Y\nquorum both\n";
    let policy = policy(6, lines).unwrap();
    assert_eq!(policy.witnesses().len(), 6);
    assert_eq!(time(&policy, &[(1, 10), (2, 20), (4, 15)]), Some(10));
    assert_eq!(
        time(&policy, &[(1, 10), (2, 20), (3, 30), (4, 15), (5, 25)]),
        Some(20)
    );
    assert_eq!(time(&policy, &[(1, 10), (4, 15), (5, 15), (6, 15)]), None);
    assert_eq!(time(&policy, &[(1, 10), (2, 20), (3, 30)]), None);
}

#[test]
fn a_line_that_does_not_verify_spoils_the_rest() {
    let policy = policy(2, "group any any w1 w2\nquorum any\n").unwrap();
    let good = note(&[(1, 10), (2, 20)]);
    // The second witness's signature under the first one's name and id.
    let blobs: Vec<&str> = good
        .lines()
        .rev()
        .take(2)
        .map(|line| line.rsplit(' ').next().unwrap())
        .collect();
    let (id, _) = blobs[1].split_at(6);
    let (_, signature) = blobs[0].split_at(6);
    let mixed = format!("{id}{signature}");
    let bad = good.replace(blobs[1], &mixed);
    assert_ne!(bad, good);
    let outcome = policy.examine(&Note::parse(&bad).unwrap());
    assert!(matches!(
        outcome,
        Err(QuorumError::Note(NoteError::BadSignature(_)))
    ));
}

#[test]
fn a_policy_without_witnesses_says_no_time() {
    let policy = policy(1, "quorum none\n").unwrap();
    assert!(!policy.asks());
    assert_eq!(
        policy.examine(&Note::parse(&note(&[])).unwrap()).unwrap().at,
        None
    );
}

#[test]
fn what_is_no_policy_is_refused_with_its_line() {
    let same = key(1).witness();
    let log = SignerKey::generate([100; 32], "log.example".parse().unwrap()).verifier();
    let logs = format!("log {log}\nlog {log}\nquorum none\n");
    for (lines, line, part) in [
        ("", 3, "`quorum`"),
        ("quorum w1\nquorum w2\n", 4, "`quorum`"),
        ("quorum w3\n", 3, "`w3`"),
        ("quorum\n", 3, "quorum <name>|none"),
        ("group g 0 w1\nquorum g\n", 3, "from 1"),
        ("group g 3 w1 w2\nquorum g\n", 3, "from 1"),
        ("group g 01 w1 w2\nquorum g\n", 3, "from 1"),
        ("group g any\nquorum g\n", 3, "group <name>"),
        ("group g any g\nquorum g\n", 3, "`g`"),
        ("group g any w1 w1\nquorum g\n", 3, "`w1` is a member"),
        (
            "group g any w1\ngroup h any w1\nquorum g\n",
            4,
            "`w1` is a member",
        ),
        ("group w1 any w2\nquorum w1\n", 3, "`w1` is there"),
        ("group none any w2\nquorum none\n", 3, "`none`"),
        ("quorom w1\n", 3, "log, witness"),
        ("quorum \u{7}w1\n", 3, "control"),
        (&format!("witness again {same}\nquorum again\n"), 3, "is there"),
        (&format!("witness again {log}\nquorum again\n"), 3, "type 4"),
        (&logs, 4, "is there"),
    ] {
        let error = policy(2, lines).unwrap_err();
        assert_eq!(error.line, line, "{lines}: {error}");
        assert!(error.to_string().contains(part), "{lines}: {error}");
    }
}

proptest! {
    /// The time of k of n is one that k of them have reached and k + 1 have not passed.
    #[test]
    fn a_quorums_time_is_the_kth_latest(times in proptest::collection::vec(1_i64..100, 1..5), least in 1_usize..5) {
        let count = u8::try_from(times.len()).unwrap();
        let names: Vec<String> = (1..=count).map(|number| format!("w{number}")).collect();
        prop_assume!(least <= times.len());
        let policy = policy(count, &format!("group g {least} {}\nquorum g\n", names.join(" "))).unwrap();
        let by: Vec<(u8, i64)> = (1..=count).zip(times.iter().copied()).collect();
        let at = time(&policy, &by).unwrap();
        prop_assert!(times.iter().filter(|time| **time >= at).count() >= least);
        prop_assert!(times.iter().filter(|time| **time > at).count() < least);
    }

    #[test]
    fn no_text_makes_the_reader_panic(text in "((log|witness|group|quorum|any|all|none|w1|[0-9+]{1,3}|#)[ \t\n]{1,2}){0,12}") {
        drop(WitnessPolicy::parse(&text));
    }
}
