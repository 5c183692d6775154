//! One thing, one encoding: whatever is read, however it was tampered with, would be written exactly so
//! again.
//!
//! Each test takes something valid, changes it the way a tamperer or a careless tool would, and demands that
//! what still parses re-encodes to the very bytes that were read.

#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a test may fail by panicking"
)]

use evidence::checkpoint::Checkpoint;
use evidence::commitment::{self, OpeningKey};
use evidence::entry::{Entry, Kind, Place};
use evidence::hash::{self, Hash};
use evidence::note::{Note, SignerKey, VerifierKey};
use evidence::proof::TlogProof;
use jiff::Timestamp;
use proptest::prelude::*;

/// One change to a text.
#[derive(Debug, Clone)]
enum Change {
    Replace(prop::sample::Index, char),
    Insert(prop::sample::Index, String),
    Delete(prop::sample::Index),
    RepeatLine(prop::sample::Index),
    DropLine(prop::sample::Index),
    SwapLines(prop::sample::Index, prop::sample::Index),
    Cut(prop::sample::Index),
}

fn change() -> impl Strategy<Value = Change> {
    let at = any::<prop::sample::Index>;
    let piece = prop_oneof![
        Just("\n".to_owned()),
        Just("\n\n".to_owned()),
        Just("\r".to_owned()),
        Just(" ".to_owned()),
        Just("0".to_owned()),
        Just("=".to_owned()),
        Just("+".to_owned()),
        Just("\u{feff}".to_owned()),
        "\\PC{1,3}",
    ];
    let letter = prop_oneof![
        Just('\n'),
        Just(' '),
        Just('A'),
        Just('='),
        Just('0'),
        any::<char>()
    ];
    prop_oneof![
        (at(), letter).prop_map(|(at, to)| Change::Replace(at, to)),
        (at(), piece).prop_map(|(at, piece)| Change::Insert(at, piece)),
        at().prop_map(Change::Delete),
        at().prop_map(Change::RepeatLine),
        at().prop_map(Change::DropLine),
        (at(), at()).prop_map(|(a, b)| Change::SwapLines(a, b)),
        at().prop_map(Change::Cut),
    ]
}

fn tamper(text: &str, changes: &[Change]) -> String {
    changes
        .iter()
        .fold(text.to_owned(), |text, change| apply(&text, change))
}

fn apply(text: &str, change: &Change) -> String {
    let mut letters: Vec<char> = text.chars().collect();
    let mut lines: Vec<&str> = text.split_inclusive('\n').collect();
    if letters.is_empty() {
        return String::new();
    }
    match change {
        Change::Replace(at, to) => {
            let at = at.index(letters.len());
            letters[at] = *to;
        }
        Change::Insert(at, piece) => {
            let at = at.index(letters.len());
            letters.splice(at..at, piece.chars());
        }
        Change::Delete(at) => {
            letters.remove(at.index(letters.len()));
        }
        Change::Cut(at) => letters.truncate(at.index(letters.len())),
        Change::RepeatLine(at) => {
            let at = at.index(lines.len());
            lines.insert(at, lines[at]);
            return lines.concat();
        }
        Change::DropLine(at) => {
            lines.remove(at.index(lines.len()));
            return lines.concat();
        }
        Change::SwapLines(a, b) => {
            let (a, b) = (a.index(lines.len()), b.index(lines.len()));
            lines.swap(a, b);
            return lines.concat();
        }
    }
    letters.into_iter().collect()
}

fn changes() -> impl Strategy<Value = Vec<Change>> {
    prop::collection::vec(change(), 1..4)
}

fn entry() -> impl Strategy<Value = Entry> {
    let name = "[a-z0-9][a-z0-9-]{0,62}";
    let maybe = |strategy| prop::option::of(strategy);
    (
        prop::sample::select(&Kind::ALL[..]),
        0_i64..253_000_000_000,
        (name, maybe(name), maybe(name)),
        (any::<u64>(), any::<[u8; 32]>()),
        prop::option::of(any::<[u8; 32]>()),
        prop::option::of("[ -~\u{e4}\n\t]{0,60}\n"),
    )
        .prop_map(
            |(kind, second, (partner, agreement, purpose), (sequence, previous), commitment, body)| Entry {
                kind,
                time: Timestamp::from_second(second).unwrap(),
                partner: Some(partner.parse().unwrap())
                    .filter(|_| kind.in_partner_log() || sequence % 2 == 0),
                agreement: agreement.map(|id| id.parse().unwrap()),
                purpose: purpose.map(|id| id.parse().unwrap()),
                place: kind.in_partner_log().then_some(Place {
                    sequence,
                    previous: Hash(previous),
                }),
                commitment: commitment.map(Hash),
                body,
            },
        )
}

fn proof() -> impl Strategy<Value = TlogProof> {
    (
        any::<u64>(),
        prop::collection::vec(any::<[u8; 32]>(), 0..5),
        any::<u64>(),
        any::<[u8; 32]>(),
    )
        .prop_map(|(index, hashes, size, root)| {
            let key = SignerKey::generate([1; 32], "a.example/log".parse().unwrap());
            let checkpoint = Checkpoint {
                origin: key.name().clone(),
                size,
                root: Hash(root),
            };
            TlogProof {
                index,
                hashes: hashes.into_iter().map(Hash).collect(),
                checkpoint: checkpoint.sign(&key),
            }
        })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1_000))]

    #[test]
    fn entries_can_be_read_back(entry in entry()) {
        let bytes = entry.encode().unwrap();
        prop_assert_eq!(Entry::parse(&bytes), Ok(entry.clone()));
        prop_assert_eq!(entry.leaf().unwrap(), hash::leaf(&bytes));
    }

    #[test]
    fn tampered_entries_are_refused_or_are_other_entries(entry in entry(), changes in changes()) {
        let text = String::from_utf8(entry.encode().unwrap()).unwrap();
        let tampered = tamper(&text, &changes);
        if let Ok(read) = Entry::parse(tampered.as_bytes()) {
            prop_assert_eq!(String::from_utf8(read.encode().unwrap()).unwrap(), tampered);
        }
    }

    #[test]
    fn tampered_checkpoints_are_refused_or_are_other_checkpoints(size: u64, root: [u8; 32], changes in changes()) {
        let checkpoint = Checkpoint { origin: "a.example/log".parse().unwrap(), size, root: Hash(root) };
        let tampered = tamper(&checkpoint.to_text(), &changes);
        if let Ok(read) = Checkpoint::parse(&tampered) {
            prop_assert_eq!(read.to_text(), tampered);
        }
    }

    #[test]
    fn tampered_notes_are_refused_or_say_the_same(size: u64, changes in changes()) {
        let key = SignerKey::generate([1; 32], "a.example/log".parse().unwrap());
        let checkpoint = Checkpoint { origin: key.name().clone(), size, root: Hash::ZERO };
        let note = checkpoint.sign(&key);
        let tampered = tamper(&note, &changes);
        // Lines of other keys may be added; nothing else may change.
        if let Ok(read) = Checkpoint::open(&tampered, &key.verifier()) {
            prop_assert_eq!(&read, &checkpoint);
            prop_assert!(tampered.starts_with(&checkpoint.to_text()));
            let line = note.rsplit_once("\n\n").unwrap().1;
            prop_assert!(tampered.contains(line));
            prop_assert!(Note::parse(&tampered).unwrap().signers().all(|(name, _)| !name.contains(' ')));
        }
    }

    #[test]
    fn proofs_can_be_read_back(proof in proof()) {
        prop_assert_eq!(proof.to_string().parse(), Ok(proof));
    }

    #[test]
    fn tampered_proofs_are_refused_or_are_other_proofs(proof in proof(), changes in changes()) {
        let tampered = tamper(&proof.to_string(), &changes);
        if let Ok(read) = TlogProof::parse(&tampered) {
            prop_assert_eq!(read.to_string(), tampered);
        }
    }

    #[test]
    fn tampered_keys_are_refused_or_are_other_keys(seed: [u8; 32], changes in changes()) {
        let key = SignerKey::generate(seed, "a.example/log".parse().unwrap());
        let tampered = tamper(&key.verifier().to_string(), &changes);
        if let Ok(read) = tampered.parse::<VerifierKey>() {
            prop_assert_eq!(read.to_string(), tampered);
        }
        let tampered = tamper(&key.encode(), &changes);
        if let Ok(read) = SignerKey::parse(&tampered) {
            prop_assert_eq!(read.encode().to_string(), tampered);
        }
    }

    #[test]
    fn nothing_but_the_record_opens_a_commitment(key: [u8; 32], record: Vec<u8>, changes in changes()) {
        let origin = "a.example/audit".parse().unwrap();
        let key = OpeningKey::new(key);
        let text = String::from_utf8_lossy(&record).into_owned();
        let made = commitment::commit(&key, &origin, text.as_bytes());
        let tampered = tamper(&text, &changes);
        prop_assert_eq!(commitment::check(&made, &key, &origin, tampered.as_bytes()), tampered == text);
    }

    #[test]
    fn no_text_makes_a_parser_panic(text in "(estop/entry/v1|c2sp.org/tlog-proof@v1|kind |index |\n|\n\n|[0-9]|\u{2014} |\\PC){0,60}") {
        let _ = Entry::parse(text.as_bytes());
        let _ = Checkpoint::parse(&text);
        let _ = Checkpoint::peek(&text);
        let _ = TlogProof::parse(&text);
    }
}
