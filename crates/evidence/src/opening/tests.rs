//! Openings: read back, and nothing in them can be otherwise.

use super::*;
use crate::entry::Kind;
use crate::hash;
use crate::note::SignerKey;

const RECORD: &[u8] = b"{\"session\":\"0123456789abcdef\"}";

fn key() -> SignerKey {
    SignerKey::generate([1; 32], "records.example.org".parse().unwrap())
}

/// A log of one entry, opened.
fn opening(record: &[u8], commits: bool) -> Opening {
    let origin: Origin = "records.example.org/audit".parse().unwrap();
    let key_of_entry = OpeningKey::new([9; 32]);
    let entry = Entry {
        kind: Kind::Session,
        time: "2026-11-23T00:00:00Z".parse().unwrap(),
        partner: Some("federal-agency".parse().unwrap()),
        agreement: None,
        purpose: None,
        place: None,
        commitment: commits.then(|| commitment::commit(&key_of_entry, &origin, RECORD)),
        body: None,
    };
    let entry = entry.encode().unwrap();
    let checkpoint = Checkpoint {
        origin: origin.clone(),
        size: 1,
        root: hash::leaf(&entry),
    };
    Opening {
        key: key_of_entry,
        record: record.to_vec(),
        entry,
        proof: TlogProof {
            index: 0,
            hashes: Vec::new(),
            checkpoint: checkpoint.sign(&key().renamed(&origin)),
        },
    }
}

#[test]
fn an_opening_is_read_back_and_holds() {
    let good = opening(RECORD, true);
    let bytes = good.encode();
    let read = Opening::parse(&bytes).unwrap();
    assert_eq!(read, good);
    assert_eq!(read.encode(), bytes);
    let opened = read.verify(&key().verifier()).unwrap();
    assert_eq!((opened.index, opened.entry.kind), (0, Kind::Session));
    assert!(
        opened.to_string().contains("records.example.org/audit"),
        "{opened}"
    );
    assert!(!format!("{good:?}").contains("CQkJ"), "the key is not printed");
}

#[test]
fn no_byte_of_it_can_be_another() {
    let bytes = opening(RECORD, true).encode();
    let verifier = key().verifier();
    let holds = |bytes: &[u8]| Opening::parse(bytes).is_ok_and(|one| one.verify(&verifier).is_ok());
    assert!(holds(&bytes));
    for at in 0..bytes.len() {
        for change in [1, 0x20] {
            let mut changed = bytes.to_vec();
            changed[at] ^= change;
            assert!(!holds(&changed), "byte {at}");
        }
        assert!(!holds(&bytes[..at]), "cut off at {at}");
    }
}

#[test]
fn it_is_of_one_record_one_log_and_one_key() {
    let good = opening(RECORD, true);
    let verifier = key().verifier();
    assert!(matches!(
        opening(b"{}", true).verify(&verifier),
        Err(OpeningError::OtherRecord)
    ));
    assert!(matches!(
        opening(RECORD, false).verify(&verifier),
        Err(OpeningError::NoRecord)
    ));
    let stranger = SignerKey::generate([2; 32], "records.example.org".parse().unwrap()).verifier();
    assert!(matches!(good.verify(&stranger), Err(OpeningError::Unproved(_))));
    let other = SignerKey::generate([1; 32], "example.org".parse().unwrap()).verifier();
    assert!(matches!(good.verify(&other), Err(OpeningError::OtherLog { .. })));
}

#[test]
fn lengths_are_bounded_before_anything_is_kept() {
    let long = format!(
        "{HEADER}key {}\nrecord {}\n",
        "A".repeat(43) + "=",
        MAX_RECORD_BYTES + 1
    );
    assert!(matches!(
        Opening::parse(long.as_bytes()),
        Err(OpeningError::Form(_))
    ));
    let wrong = format!(
        "{HEADER}key {}\nrecord 99999999999999999999999\n",
        "A".repeat(43) + "="
    );
    assert!(matches!(
        Opening::parse(wrong.as_bytes()),
        Err(OpeningError::Form(_))
    ));
}
