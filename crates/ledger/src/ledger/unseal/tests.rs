//! Tests of records under seal: what is told before, what overseers open, what is erased.

use std::path::Path;
use std::sync::Arc;

use evidence::entry::Kind;
use evidence::id::Custodian;
use evidence::note::SignerKey;
use evidence::overseers::{Seal, Under};
use evidence::subject::Tag;

use super::*;
use crate::accounting::Accounts;
use crate::clock::Clock;
use crate::look::{LookError, look};
use crate::read::Stored;
use crate::seal::{generate, open};
use crate::{Config, Ledger};

#[derive(Debug)]
struct Still;

impl Clock for Still {
    fn now(&self) -> Timestamp {
        "2026-11-23T10:00:00Z".parse().unwrap()
    }
}

fn custodian() -> Custodian {
    "records.example.org".parse().unwrap()
}

fn signer() -> SignerKey {
    SignerKey::generate([7; 32], custodian().key_name())
}

fn ledger(folder: &Path) -> Ledger {
    Ledger::open(Config::new(
        folder.join("ledger"),
        custodian(),
        signer(),
        Arc::new(Still),
    ))
    .unwrap()
}

fn disclosure(number: u64, outcome: &str) -> String {
    format!(
        "{{\"session\":\"0123456789abcdef\",\"statement_number\":{number},\"partner\":\"a\",\"officer\":\"secret.officer\",\
         \"agreement\":\"x-2019\",\"purpose\":\"p\",\"case\":null,\"text\":{{\"text\":\"select secret\"}},\"parameters\":[],\
         \"started\":\"2026-11-23T00:00:02.25Z\",\"rows\":1,\"bytes\":21,\"outcome\":{outcome},\"legal_basis\":\"b\",\
         \"subjects\":[{{\"dataset\":\"people\",\"rows\":1,\"key\":\"01020304\",\"tags\":\"AAAAAAAAAAc=\"}}]}}"
    )
}

const COMPLETE: &str = "{\"complete\":{\"tag\":\"SELECT 1\"}}";

fn append(ledger: &Ledger, kind: Kind, record: &str, seal: Option<&Seal>) -> u64 {
    let draft = Draft::new(kind, record.as_bytes().to_vec());
    let draft = draft.with_partner("a".parse().unwrap()).sealed_to(seal);
    ledger.append(vec![draft]).wait().unwrap().first_index()
}

/// A ledger with a statement in the open at 2 and one under seal at 3, and what overseers need.
struct World {
    folder: tempfile::TempDir,
    ledger: Ledger,
    private: zeroize::Zeroizing<[u8; 32]>,
    seal: Seal,
}

fn world() -> World {
    let folder = tempfile::tempdir().unwrap();
    let ledger = ledger(folder.path());
    let (private, key) = generate().unwrap();
    let under = Under {
        overseers: "court".parse().unwrap(),
        until: None,
    };
    let seal = Seal { under, key };
    ledger
        .append(vec![
            Draft::new(Kind::Opened, Vec::new()).with_partner("a".parse().unwrap()),
        ])
        .wait()
        .unwrap();
    assert_eq!(
        append(&ledger, Kind::Disclosure, &disclosure(1, COMPLETE), None),
        2
    );
    assert_eq!(
        append(&ledger, Kind::Disclosure, &disclosure(2, COMPLETE), Some(&seal)),
        3
    );
    World {
        folder,
        ledger,
        private,
        seal,
    }
}

impl World {
    /// What overseers answer, asked for these entries.
    fn answer(&self, entries: &[u64]) -> Answer {
        let open = |index: &u64| {
            let stored = self.ledger.entry(*index).unwrap();
            let commitment = stored.parse().unwrap().commitment.unwrap();
            let sealed = stored.under_seal.unwrap();
            let origin = custodian().main_origin();
            let key = open(
                &self.private,
                &sealed.margin.under,
                &origin,
                &commitment,
                &sealed.sealed_key,
            );
            (*index, key.unwrap())
        };
        Answer {
            custodian: custodian(),
            overseers: "court".parse().unwrap(),
            holders: vec!["judge".parse().unwrap()],
            order: Some("26-CV-17".to_owned()),
            opened: entries.iter().map(open).collect(),
        }
    }

    fn unseal(&self, answer: &Answer) -> Result<Unsealing, UnsealError> {
        self.ledger.unseal(answer, "uid 0", Still.now())
    }

    fn seen(&self) -> Vec<Stored> {
        let mut seen = Vec::new();
        look(&self.folder.path().join("ledger"), &custodian(), 0, |stored| {
            seen.push(stored);
            Ok::<(), LookError>(())
        })
        .unwrap();
        seen
    }

    fn told(&self) -> (Vec<u64>, Vec<u64>) {
        let (ledger, index) = (
            self.folder.path().join("ledger"),
            self.folder.path().join("accounting"),
        );
        let accounts = Accounts::open(&ledger, &index, &custodian(), |_| {}).unwrap();
        assert_eq!(
            accounts.totals().rows,
            self.seen().iter().filter(|one| says(one)).count() as u64
        );
        let found = accounts.told(&accounts.find(Tag(7)).unwrap()).unwrap();
        (
            found.told.iter().map(|told| told.entry).collect(),
            found.under_seal.iter().map(|sealed| sealed.entry).collect(),
        )
    }

    fn holds(&self) -> crate::Report {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        runtime.block_on(self.ledger.checkpoint()).unwrap();
        crate::verify(&self.folder.path().join("ledger"), &signer().verifier()).unwrap()
    }
}

fn says(stored: &Stored) -> bool {
    matches!(
        stored.parse().unwrap().kind,
        Kind::Disclosure | Kind::Continuation
    ) && stored.erased_by.is_none()
}

#[test]
fn the_custodian_reads_nothing_that_is_under_seal_but_the_account_says_that_it_is_there() {
    let world = world();
    for stored in [world.ledger.entry(3).unwrap(), world.seen()[3].clone()] {
        assert!(stored.key.is_none() && stored.record.is_empty());
        let margin = serde_json::to_string(&stored.under_seal.unwrap().margin).unwrap();
        assert!(
            !margin.contains("secret") && margin.contains("people"),
            "{margin}"
        );
    }
    assert_eq!(world.told(), (vec![2], vec![3]));
    let report = world.holds();
    assert!(report.holds(), "{:?}", report.findings);
    assert_eq!(report.under_seal, 1);
}

#[test]
fn what_overseers_open_is_recorded_and_can_be_read_from_then_on() {
    let mut world = world();
    let answer = world.answer(&[3]);
    let done = world.unseal(&answer).unwrap();
    assert_eq!((done.entry, done.records), (4, 1));
    let said = world.ledger.entry(4).unwrap();
    assert_eq!(said.parse().unwrap().body.unwrap(), "unsealed 3\n");
    assert!(String::from_utf8(said.record).unwrap().contains("26-CV-17"));
    assert!(matches!(world.unseal(&answer), Err(UnsealError::Nothing)));
    for again in 0..2 {
        let stored = world.ledger.entry(3).unwrap();
        assert_eq!(stored.record, disclosure(2, COMPLETE).into_bytes(), "{again}");
        assert!(stored.key.is_some() && stored.under_seal.is_none());
        assert_eq!(world.told(), (vec![2, 3], vec![]));
        drop(world.ledger);
        world.ledger = ledger(world.folder.path());
    }
    let report = world.holds();
    assert!(report.holds(), "{:?}", report.findings);
    assert_eq!(report.under_seal, 0);
}

#[test]
fn an_answer_that_is_not_theirs_or_does_not_fit_opens_nothing() {
    let world = world();
    assert_eq!(
        append(
            &world.ledger,
            Kind::Disclosure,
            &disclosure(3, COMPLETE),
            Some(&world.seal)
        ),
        4
    );
    let right = world.answer(&[3, 4]);
    let mut swapped = right.clone();
    swapped.opened[0].1 = right.opened[1].1.clone();
    assert!(matches!(
        world.unseal(&swapped),
        Err(UnsealError::Key { index: 3 })
    ));
    let others = Answer {
        overseers: "council".parse().unwrap(),
        ..right.clone()
    };
    assert!(matches!(
        world.unseal(&others),
        Err(UnsealError::NotTheirs { index: 3, .. })
    ));
    let elsewhere = Answer {
        custodian: "other.example.org".parse().unwrap(),
        ..right.clone()
    };
    assert!(matches!(world.unseal(&elsewhere), Err(UnsealError::Custodian)));
    let open = Answer {
        opened: vec![(2, right.opened[0].1.clone())],
        ..right.clone()
    };
    assert!(matches!(
        world.unseal(&open),
        Err(UnsealError::NotTheirs { index: 2, .. })
    ));
    assert_eq!(world.ledger.size(), 5);
    assert!(world.seen()[3].under_seal.is_some());
}

#[test]
fn a_statement_under_seal_is_erased_whole_and_nobody_opens_it_after() {
    let world = world();
    let number = |kind: Kind, record: &str| append(&world.ledger, kind, record, Some(&world.seal));
    assert_eq!(number(Kind::Disclosure, &disclosure(3, "\"streaming\"")), 4);
    let more = "{\"session\":\"0123456789abcdef\",\"statement_number\":3,\"rows\":1,\"bytes\":9}";
    assert_eq!(number(Kind::Continuation, more), 5);
    let end = format!(
        "{{\"session\":\"0123456789abcdef\",\"statement_number\":3,\"rows\":2,\"bytes\":9,\"outcome\":{COMPLETE},\
         \"ended\":\"2026-11-23T00:00:02.25Z\"}}"
    );
    assert_eq!(number(Kind::Outcome, &end), 6);
    let answer = world.answer(&[3, 4, 5]);
    let four = Answer {
        opened: vec![answer.opened[1].clone()],
        ..answer.clone()
    };
    world.unseal(&four).unwrap();
    let erased = world.ledger.erase(&[4].into(), "b", "root", Still.now()).unwrap();
    assert_eq!(erased.erased, Erased::of(&[4, 5, 6].into()));
    // What they had opened is gone, and what they had not cannot be opened with the keys they gave.
    let seen = world.seen();
    assert!(
        seen[4..7]
            .iter()
            .all(|stored| stored.erased_by.is_some() && stored.under_seal.is_none())
    );
    let five = Answer {
        opened: vec![answer.opened[2].clone()],
        ..answer.clone()
    };
    assert!(matches!(
        world.unseal(&five),
        Err(UnsealError::NotTheirs { index: 5, .. })
    ));
    assert_eq!(world.told(), (vec![2], vec![3]));
    let report = world.holds();
    assert!(report.holds(), "{:?}", report.findings);
}

#[test]
fn a_key_that_no_entry_tells_of_is_found() {
    let world = world();
    let opened = world.answer(&[3]).opened;
    world
        .ledger
        .0
        .keys
        .keep_opened(opened, world.ledger.size())
        .unwrap();
    let report = world.holds();
    assert_eq!(report.found, 1, "{:?}", report.findings);
    assert!(
        report.findings[0]
            .what
            .contains("no entry says that it was opened")
    );
}

#[test]
fn only_a_record_of_its_kind_is_sealed_and_none_that_looks_sealed_is_taken() {
    let world = world();
    let draft = Draft::new(Kind::Disclosure, b"{}".to_vec()).with_partner("a".parse().unwrap());
    let refused = world
        .ledger
        .append(vec![draft.sealed_to(Some(&world.seal))])
        .wait();
    assert!(matches!(refused, Err(NotRecorded::NotYours { .. })));
    let draft = Draft::new(Kind::Refusal, b"estop/under-seal/v1\n{}".to_vec());
    assert!(matches!(
        world.ledger.append(vec![draft]).wait(),
        Err(NotRecorded::NotYours { .. })
    ));
    let mut bad = world.seal.clone();
    bad.key = evidence::hash::Hash([0; 32]);
    let draft = Draft::new(Kind::Session, b"{}".to_vec()).with_partner("a".parse().unwrap());
    assert!(matches!(
        world.ledger.append(vec![draft.sealed_to(Some(&bad))]).wait(),
        Err(NotRecorded::Keys(_))
    ));
}
