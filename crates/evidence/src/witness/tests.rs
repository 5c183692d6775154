//! What a witness cosigns and what it refuses, with which status.

use proptest::prelude::*;

use super::*;
use crate::hash::{leaf, sha256};
use crate::note::SignerKey;
use crate::tree::{Edge, HashReader, Node, ReadError, prove_consistency};

/// A log of numbered leaves; leaf `fork` and those after it are others.
struct Log {
    nodes: std::collections::BTreeMap<(u8, u64), Hash>,
    key: SignerKey,
    fork: u64,
}

impl HashReader for Log {
    fn read(&self, level: u8, index: u64) -> Result<Hash, ReadError> {
        let found = self.nodes.get(&(level, index)).copied();
        found.ok_or(ReadError::missing(level, index))
    }
}

impl Log {
    fn new(size: u64, fork: u64) -> Self {
        let key = SignerKey::generate([1; 32], "log.example/audit".parse().unwrap());
        let mut log = Self {
            nodes: Default::default(),
            key,
            fork,
        };
        let mut edge = Edge::empty();
        let mut nodes = Vec::new();
        for index in 0..size {
            edge.push(log.leaf(index), &mut |Node { level, index, hash }| {
                nodes.push(((level, index), hash));
            });
        }
        log.nodes = nodes.into_iter().collect();
        log
    }

    fn leaf(&self, index: u64) -> Hash {
        let mark = if index < self.fork { 0 } else { 1 };
        leaf(&[mark, u8::try_from(index % 251).unwrap()])
    }

    fn head(&self, size: u64) -> Head {
        let root = Edge::read(size, self).unwrap().root();
        Head { size, root }
    }

    fn note(&self, size: u64) -> String {
        let checkpoint = Checkpoint {
            origin: self.key.name().clone(),
            size,
            root: self.head(size).root,
        };
        checkpoint.sign(&self.key)
    }

    fn request(&self, old: u64, new: u64) -> AddCheckpoint {
        AddCheckpoint {
            old,
            proof: prove_consistency(old, new, self).unwrap(),
            checkpoint: self.note(new),
        }
    }

    fn key(&self) -> VerifierKey {
        self.key.verifier()
    }
}

fn status(outcome: Result<Consistent, Refusal>) -> u16 {
    outcome.map_or_else(|refusal| refusal.status(), |_| 200)
}

proptest! {
    #[test]
    fn a_log_that_grows_is_cosigned_and_nothing_else(old in 0_u64..70, more in 0_u64..70, known in 0_u64..70) {
        let log = Log::new(140, u64::MAX);
        let head = (known > 0).then(|| log.head(known));
        let request = log.request(old, old + more);
        prop_assert_eq!(AddCheckpoint::parse(&request.to_string()).unwrap(), request.clone());
        let outcome = consider(&request, &log.key(), head);
        if known == old {
            prop_assert_eq!(outcome.unwrap().head(), log.head(old + more));
        } else {
            prop_assert_eq!(outcome, Err(Refusal::OtherSize { size: known }));
        }
    }

    #[test]
    fn a_log_that_forked_is_never_cosigned(known in 1_u64..70, more in 0_u64..70, back in 0_u64..70) {
        let fork = known.saturating_sub(back + 1);
        let (log, forked) = (Log::new(140, u64::MAX), Log::new(140, fork));
        let outcome = consider(&forked.request(known, known + more), &log.key(), Some(log.head(known)));
        prop_assert_eq!(status(outcome), if more == 0 { 409 } else { 422 });
    }

    #[test]
    fn bodies_are_read_in_one_way_only(body in "\\PC{0,80}\n\n\\PC{0,40}") {
        if let Ok(request) = AddCheckpoint::parse(&body) {
            prop_assert_eq!(request.to_string(), body);
        }
    }
}

#[test]
fn each_refusal_has_the_status_of_the_specification() {
    let log = Log::new(30, u64::MAX);
    let known = Some(log.head(10));
    let request = log.request(10, 20);
    assert_eq!(status(consider(&request, &log.key(), known)), 200);
    let smaller = AddCheckpoint {
        old: 21,
        ..request.clone()
    };
    assert_eq!(status(consider(&smaller, &log.key(), known)), 400);
    let stranger = SignerKey::generate([2; 32], log.key.name().clone());
    assert_eq!(status(consider(&request, &stranger.verifier(), known)), 403);
    let other_log = log.key.renamed(&"log.example/p/x".parse().unwrap());
    let signed_as_other = AddCheckpoint {
        checkpoint: crate::note::sign(
            &crate::note::Text::new(request.checkpoint.split_once("\n\n").unwrap().0.to_owned() + "\n")
                .unwrap(),
            &other_log,
        ),
        ..request.clone()
    };
    assert_eq!(
        status(consider(&signed_as_other, &other_log.verifier(), known)),
        404
    );
    assert_eq!(status(consider(&request, &log.key(), Some(log.head(11)))), 409);
    let mut longer = request.clone();
    longer.proof.push(sha256(b"more"));
    assert_eq!(status(consider(&longer, &log.key(), known)), 422);
    let mut first = log.request(0, 20);
    first.proof.push(sha256(b"more"));
    assert_eq!(status(consider(&first, &log.key(), None)), 422);
}

#[test]
fn the_same_size_again_is_cosigned_again() {
    let log = Log::new(30, u64::MAX);
    assert_eq!(
        status(consider(&log.request(20, 20), &log.key(), Some(log.head(20)))),
        200
    );
}

#[test]
fn requests_of_another_form_are_refused() {
    let log = Log::new(30, u64::MAX);
    let good = log.request(10, 20).to_string();
    let line = sha256(b"x").to_string() + "\n";
    for (body, part) in [
        (String::new(), "line 1"),
        (good.replace("old 10", "old 010"), "line 1"),
        (good.replace("old 10", "Old 10"), "line 1"),
        (good.replace("old 10\n", "old 10\nabc\n"), "line 2"),
        (
            good.replace("old 10\n", &("old 10\n".to_owned() + &line.repeat(64))),
            "line 65",
        ),
        (good.replace("\n20\n", "\n20\n\n"), "checkpoint"),
        (good.clone() + &"x".repeat(MAX_REQUEST_BYTES), "at most"),
    ] {
        let error = AddCheckpoint::parse(&body).unwrap_err().to_string();
        assert!(error.contains(part), "{error}");
    }
}
