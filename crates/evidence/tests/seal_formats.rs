//! The test vectors of records under seal in `docs/formats.md`, made again from their inputs; all but the sealed key itself, which
//! random bytes went into: that it opens is tested where it is opened (`ledger::seal`).

#![expect(clippy::unwrap_used, reason = "a test may fail by panicking")]

use std::collections::BTreeMap;
use std::path::Path;

use evidence::commitment::{self, OpeningKey};
use evidence::entry::{Entry, Kind};
use evidence::erasure::Erased;
use evidence::id::Custodian;
use evidence::overseers::shares::{self, Share};
use evidence::overseers::unsealing::{Answer, Request};
use evidence::record::{self, UnsealedRecord};

/// Public half of the vectors' private key.
const KEY: &str = "eaYx7t4b+cmPEgMs3q3Q56B5OY/HhriMyEbsia+FpRo=";

fn document() -> BTreeMap<String, String> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/formats.md");
    let text = std::fs::read_to_string(path).unwrap();
    let mut vectors = BTreeMap::new();
    for part in text.split("<!-- vector ").skip(1) {
        let (name, rest) = part.split_once(" -->\n").unwrap();
        let block = rest.split_once("```").unwrap().1.split_once('\n').unwrap().1;
        vectors.insert(name.to_owned(), block.split_once("```\n").unwrap().0.to_owned());
    }
    vectors
}

fn custodian() -> Custodian {
    "records.example.org".parse().unwrap()
}

fn bytes(first: u8) -> [u8; 32] {
    std::array::from_fn(|at| first + u8::try_from(at).unwrap())
}

fn all_shares() -> Vec<Share> {
    let coefficients = [zeroize::Zeroizing::new(bytes(0x60))];
    let values = shares::split(&bytes(0x40), 2, 3, &coefficients).unwrap();
    let holders = ["judge", "ombudsman", "press"];
    let share = |((holder, value), number): ((&str, _), u8)| Share {
        custodian: custodian(),
        overseers: "court".parse().unwrap(),
        key: KEY.parse().unwrap(),
        threshold: 2,
        holder: holder.parse().unwrap(),
        number,
        value,
    };
    holders.into_iter().zip(values).zip(1..).map(share).collect()
}

fn answer() -> Answer {
    Answer {
        custodian: custodian(),
        overseers: "court".parse().unwrap(),
        holders: vec!["judge".parse().unwrap(), "press".parse().unwrap()],
        order: Some("order 26-CV-17".to_owned()),
        opened: vec![(2, OpeningKey::new(bytes(0x20)))],
    }
}

fn record() -> Vec<u8> {
    let record = UnsealedRecord {
        at: "2026-11-23T00:02:59.5Z".parse().unwrap(),
        overseers: "court".parse().unwrap(),
        holders: answer().holders,
        order: Some("order 26-CV-17".into()),
        by: "uid 1000".into(),
        records: 1,
    };
    record::encode(&record).unwrap()
}

fn entry() -> Vec<u8> {
    let key = OpeningKey::new(bytes(0x20));
    let entry = Entry {
        kind: Kind::Unsealed,
        time: "2026-11-23T00:03:00Z".parse().unwrap(),
        partner: None,
        agreement: None,
        purpose: None,
        place: None,
        commitment: Some(commitment::commit(&key, &custodian().main_origin(), &record())),
        body: Some(Erased::of(&[2].into()).unsealed_body()),
    };
    entry.encode().unwrap()
}

#[test]
fn the_document_holds_every_vector_of_the_seal_as_it_is_made() {
    let document = document();
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    let shares = all_shares();
    let vectors = BTreeMap::from([
        ("seal-share-1", shares[0].text().to_string()),
        ("seal-share-3", shares[2].text().to_string()),
        ("seal-answer", answer().text().unwrap().to_string()),
        ("seal-record-unsealed", text(record()) + "\n"),
        ("seal-entry-unsealed", text(entry())),
    ]);
    let mut wrong = String::new();
    for (name, expected) in &vectors {
        if document.get(*name) != Some(expected) {
            wrong += &format!("<!-- vector {name} -->\n```text\n{expected}```\n");
        }
    }
    assert!(wrong.is_empty(), "in docs/formats.md should stand:\n{wrong}");
    for name in document.keys().filter(|name| name.starts_with("seal-")) {
        assert!(
            vectors.contains_key(name.as_str()) || name == "seal-request",
            "nothing makes `{name}`"
        );
    }
}

#[test]
fn the_vectors_of_the_seal_fit_one_another() {
    let document = document();
    let request = Request::parse(&document["seal-request"]).unwrap();
    assert_eq!(request.text().unwrap(), document["seal-request"]);
    // It asks for the disclosure of the other vectors.
    assert_eq!(
        request.asked[0].entry,
        document["log-entry-disclosure"].as_bytes()
    );
    let shares = ["seal-share-1", "seal-share-3"].map(|name| Share::parse(&document[name]).unwrap());
    assert_eq!(*shares::combine(&shares).unwrap(), bytes(0x40));
    let answer = Answer::parse(&document["seal-answer"]).unwrap();
    let opens = document["log-opening-key"]
        .trim_end()
        .parse::<OpeningKey>()
        .unwrap();
    assert_eq!(answer.opened, [(request.asked[0].index, opens)]);
}
