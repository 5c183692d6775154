//! The test vectors in `docs/formats.md`, made again from their inputs: the document cannot go stale, nor can
//! the formats change unnoticed.
//!
//! A vector is a fenced block after a line `<!-- vector NAME -->`.

#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a test may fail by panicking"
)]

use std::collections::BTreeMap;
use std::path::Path;

use evidence::checkpoint::Checkpoint;
use evidence::commitment::{self, OpeningKey};
use evidence::correction::{self, Correction};
use evidence::entry::{Entry, Kind, Place};
use evidence::erasure::Erased;
use evidence::hash::{self, Hash};
use evidence::id::{CorrectionNumber, Custodian, PartnerId, SessionId};
use evidence::note::{SignerKey, VerifierKey};
use evidence::opening::Opening;
use evidence::proof::TlogProof;
use evidence::receipt::{Leaf, Receipt};
use evidence::record::{self, Disclosure, ErasedRecord, Outcome, ParameterValue};
use evidence::tile;
use evidence::tree::{self, Edge, HashReader, Node, ReadError};

/// Names of this file's vectors begin so; the document may hold others.
const PREFIX: &str = "log-";

fn document() -> BTreeMap<String, String> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/formats.md");
    let text = std::fs::read_to_string(path).unwrap();
    let mut vectors = BTreeMap::new();
    for part in text.split("<!-- vector ").skip(1) {
        let (name, rest) = part.split_once(" -->\n").unwrap();
        let (_, rest) = rest.split_once("```").unwrap();
        let (_, rest) = rest.split_once('\n').unwrap();
        let (block, _) = rest.split_once("```\n").unwrap();
        let replaced = vectors.insert(name.to_owned(), block.to_owned());
        assert_eq!(replaced, None, "vector `{name}` stands twice in the document");
    }
    vectors
}

fn custodian() -> Custodian {
    "records.example.org".parse().unwrap()
}

fn partner() -> PartnerId {
    "federal-agency".parse().unwrap()
}

/// Bytes 0, 1, 2 and so on.
fn seed() -> [u8; 32] {
    std::array::from_fn(|at| u8::try_from(at).unwrap())
}

fn key() -> SignerKey {
    SignerKey::generate(seed(), custodian().key_name())
}

/// Bytes 32, 33, 34 and so on.
fn opening_key() -> OpeningKey {
    OpeningKey::new(seed().map(|byte| byte + 32))
}

fn record_bytes() -> Vec<u8> {
    record::encode(&Disclosure {
        session: SessionId::from(0x0123_4567_89ab_cdef),
        statement_number: 1,
        partner: partner(),
        officer: "j.doe".parse().unwrap(),
        agreement: "federal-2019".parse().unwrap(),
        purpose: "immigration-enforcement".parse().unwrap(),
        case: Some("FA-2026-117".into()),
        text: "select name from people where person_id = $1".into(),
        parameters: record::parameters([ParameterValue::Text(b"7")]),
        started: "2026-11-23T00:00:02.25Z".parse().unwrap(),
        rows: 1,
        bytes: 21,
        outcome: Outcome::Complete {
            tag: "SELECT 1".into(),
        },
        legal_basis: None,
        subjects: Vec::new(),
        unattributed: Vec::new(),
    })
    .unwrap()
}

fn entry(kind: Kind, second: &str) -> Entry {
    let time = second.parse().unwrap();
    Entry {
        kind,
        time,
        partner: None,
        agreement: None,
        purpose: None,
        place: None,
        commitment: None,
        body: None,
    }
}

/// A main log of four entries; the second and third stand in the partner's log too.
fn entries() -> Vec<Vec<u8>> {
    let genesis = entry(Kind::Genesis, "2026-11-23T00:00:00Z");
    let opened = Entry {
        partner: Some(partner()),
        place: Some(Place {
            sequence: 0,
            previous: Hash::ZERO,
        }),
        ..entry(Kind::Opened, "2026-11-23T00:00:01Z")
    };
    let disclosure = Entry {
        partner: Some(partner()),
        agreement: Some("federal-2019".parse().unwrap()),
        purpose: Some("immigration-enforcement".parse().unwrap()),
        place: Some(Place {
            sequence: 1,
            previous: opened.leaf().unwrap(),
        }),
        commitment: Some(commitment::commit(
            &opening_key(),
            &custodian().main_origin(),
            &record_bytes(),
        )),
        ..entry(Kind::Disclosure, "2026-11-23T00:00:02Z")
    };
    let mut partner_log = Edge::empty();
    for entry in [&opened, &disclosure] {
        partner_log.push(entry.leaf().unwrap(), &mut |_| ());
    }
    let line = format!(
        "log {} 2 {} open\n",
        custodian().partner_origin(&partner()),
        partner_log.root()
    );
    let census = Entry {
        body: Some(line),
        ..entry(Kind::Census, "2026-11-23T00:01:00Z")
    };
    [genesis, opened, disclosure, census]
        .iter()
        .map(|entry| entry.encode().unwrap())
        .collect()
}

/// The record of an erasure.
fn erased_record() -> Vec<u8> {
    let record = ErasedRecord {
        at: "2026-11-23T00:01:59.5Z".parse().unwrap(),
        basis: "art. 17, request 2026-11".into(),
        by: "uid 1000".into(),
        records: 4,
    };
    record::encode(&record).unwrap()
}

/// Its entry; it stands in none of the logs above.
fn erased_entry() -> Vec<u8> {
    let erased = Erased::of(&[2, 5, 6, 7].into());
    let commitment = commitment::commit(&opening_key(), &custodian().main_origin(), &erased_record());
    let entry = Entry {
        commitment: Some(commitment),
        body: Some(erased.to_string()),
        ..entry(Kind::Erased, "2026-11-23T00:02:00Z")
    };
    entry.encode().unwrap()
}

#[derive(Default)]
struct Log {
    edge: Edge,
    nodes: Vec<Node>,
    roots: Vec<Hash>,
}

impl Log {
    fn of(entries: &[Vec<u8>]) -> Self {
        let mut log = Self {
            roots: vec![Edge::empty().root()],
            ..Self::default()
        };
        for entry in entries {
            log.edge.push(hash::leaf(entry), &mut |node| log.nodes.push(node));
            log.roots.push(log.edge.root());
        }
        log
    }

    fn proof(&self, origin: &evidence::id::Origin, index: u64) -> TlogProof {
        let checkpoint = Checkpoint {
            origin: origin.clone(),
            size: self.edge.size(),
            root: self.edge.root(),
        };
        let hashes = tree::prove_inclusion(index, self.edge.size(), self).unwrap();
        TlogProof {
            index,
            hashes,
            checkpoint: checkpoint.sign(&key()),
        }
    }
}

impl HashReader for Log {
    fn read(&self, level: u8, index: u64) -> Result<Hash, ReadError> {
        let found = self
            .nodes
            .iter()
            .find(|node| node.level == level && node.index == index);
        found
            .map(|node| node.hash)
            .ok_or(ReadError::missing(level, index))
    }
}

/// Each text on a line of its own.
fn lines<T: ToString>(texts: impl IntoIterator<Item = T>) -> String {
    texts
        .into_iter()
        .map(|text| format!("{}\n", text.to_string()))
        .collect()
}

/// The disclosure, opened.
fn opening(proof: &TlogProof) -> Opening {
    Opening {
        key: opening_key(),
        record: record_bytes(),
        entry: entries()[2].clone(),
        proof: proof.clone(),
    }
}

/// Every vector, made from its inputs.
fn vectors() -> BTreeMap<&'static str, String> {
    let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
    let (main_origin, partner_origin) = (custodian().main_origin(), custodian().partner_origin(&partner()));
    let entries = entries();
    let (main, partner) = (Log::of(&entries), Log::of(&entries[1..3]));
    let (main_proof, partner_proof) = (main.proof(&main_origin, 2), partner.proof(&partner_origin, 1));
    let bundle = tile::encode_bundle(&entries).unwrap();
    let leaves: Vec<Hash> = entries.iter().map(|entry| hash::leaf(entry)).collect();
    let level_0 = tile::encode_tile(&leaves);
    let size_of =
        |name: &str, bytes: &[u8]| format!("{} {} {name}", hash::sha256(bytes).to_hex(), bytes.len());
    let partial = |path: &tile::TilePath| path.is_partial();
    BTreeMap::from([
        ("log-secret-key", lines([key().encode().as_str()])),
        ("log-key", lines([key().verifier()])),
        ("log-key-main", lines([key().verifier().renamed(&main_origin)])),
        (
            "log-key-partner",
            lines([key().verifier().renamed(&partner_origin)]),
        ),
        ("log-opening-key", lines([opening_key().reveal_text().as_str()])),
        ("log-record", text(&record_bytes()) + "\n"),
        ("log-entry-genesis", text(&entries[0])),
        ("log-entry-opened", text(&entries[1])),
        ("log-entry-disclosure", text(&entries[2])),
        ("log-entry-census", text(&entries[3])),
        ("log-record-erased", text(&erased_record()) + "\n"),
        ("log-entry-erased", text(&erased_entry())),
        ("log-leaves", lines(leaves)),
        ("log-roots", lines(&main.roots)),
        (
            "log-consistency",
            lines(tree::prove_consistency(3, 4, &main).unwrap()),
        ),
        ("log-checkpoint", main_proof.checkpoint.clone()),
        ("log-checkpoint-partner", partner_proof.checkpoint.clone()),
        ("log-proof", main_proof.to_string()),
        ("log-correction", correction().sign(&key()).unwrap()),
        ("log-receipt", receipt().sign(&key()).unwrap()),
        ("log-opening", text(&opening(&main_proof).encode())),
        ("log-proof-partner", partner_proof.to_string()),
        (
            "log-files",
            lines([
                size_of("tile/0/000.p/4", &level_0),
                size_of("tile/entries/000.p/4", &bundle),
            ]),
        ),
        (
            "log-partial-tiles",
            lines(tile::new_tiles(0, 70_000).filter(partial)),
        ),
    ])
}

/// For both leaves of the partner's log.
fn receipt() -> Receipt {
    let leaf = |index: u64, entry: &Vec<u8>| Leaf {
        index,
        hash: hash::leaf(entry),
        time: Entry::parse(entry).unwrap().time,
    };
    Receipt {
        log: custodian().partner_origin(&partner()),
        issued: "2026-11-23T00:00:03Z".parse().unwrap(),
        leaves: (0..)
            .zip(&entries()[1..3])
            .map(|(at, entry)| leaf(at, entry))
            .collect(),
    }
}

fn correction() -> Correction {
    Correction::new(correction::Draft {
        custodian: custodian(),
        number: CorrectionNumber::from(0x0123_4567_89ab_cdef),
        partner: partner(),
        dataset: "people".parse().unwrap(),
        subject_key: "person_id".to_owned(),
        subject: "7".to_owned(),
        made: "2026-11-24T09:00:00Z".parse().unwrap(),
        ledger_size: 4,
        disclosures: 1,
        listed: vec![correction::Given {
            entry: 2,
            time: "2026-11-23T00:00:02Z".parse().unwrap(),
            agreement: "federal-2019".parse().unwrap(),
            officer: Some("j.doe".parse().unwrap()),
        }],
        note: "born 1981-02-01, not 1980-02-01".to_owned(),
    })
    .unwrap()
}

#[test]
fn the_document_holds_every_vector_as_it_is_made() {
    let document = document();
    let mut wrong = String::new();
    for (name, expected) in vectors() {
        if document.get(name) != Some(&expected) {
            wrong += &format!("<!-- vector {name} -->\n```text\n{expected}```\n");
        }
    }
    assert!(wrong.is_empty(), "in docs/formats.md should stand:\n{wrong}");
}

#[test]
fn the_document_holds_no_vector_that_nothing_makes() {
    let made = vectors();
    for name in document().keys().filter(|name| name.starts_with(PREFIX)) {
        assert!(
            made.contains_key(name.as_str()),
            "nothing makes the vector `{name}`"
        );
    }
}

/// What a stranger would do with the document alone.
#[test]
fn the_documents_vectors_check_out_against_each_other() {
    let document = document();
    let vector = |name: &str| document[name].as_str();
    let custodians_key: VerifierKey = vector("log-key").trim_end().parse().unwrap();
    assert_eq!(
        Correction::open(vector("log-correction"), &custodians_key).unwrap(),
        correction()
    );
    assert_eq!(
        Receipt::open(vector("log-receipt"), &custodians_key).unwrap(),
        receipt()
    );
    let main_key = custodians_key.renamed(&custodian().main_origin());
    let partner_key = custodians_key.renamed(&custodian().partner_origin(&partner()));
    assert_eq!(main_key.to_string(), vector("log-key-main").trim_end());
    assert_eq!(partner_key.to_string(), vector("log-key-partner").trim_end());

    let disclosure = vector("log-entry-disclosure");
    let main_proof: TlogProof = vector("log-proof").parse().unwrap();
    assert_eq!(
        main_proof.verify(disclosure.as_bytes(), &main_key).unwrap().size,
        4
    );
    let opening = Opening::parse(vector("log-opening").as_bytes()).unwrap();
    assert_eq!(opening.verify(&custodians_key).unwrap().index, 2);
    let partner_proof: TlogProof = vector("log-proof-partner").parse().unwrap();
    assert_eq!(
        partner_proof
            .verify(disclosure.as_bytes(), &partner_key)
            .unwrap()
            .size,
        2
    );
    assert!(
        main_proof
            .verify(vector("log-entry-opened").as_bytes(), &main_key)
            .is_err()
    );
    assert!(main_proof.verify(disclosure.as_bytes(), &partner_key).is_err());

    let entry = Entry::parse(disclosure.as_bytes()).unwrap();
    let opening: OpeningKey = vector("log-opening-key").trim_end().parse().unwrap();
    let record = vector("log-record").trim_end().as_bytes();
    assert!(commitment::check(
        &entry.commitment.unwrap(),
        &opening,
        &custodian().main_origin(),
        record
    ));
    assert_eq!(record::decode::<Disclosure>(record).unwrap().rows, 1);
    let place = entry.place.unwrap();
    assert_eq!(
        (place.sequence, place.previous),
        (1, hash::leaf(vector("log-entry-opened").as_bytes()))
    );

    let roots: Vec<Hash> = vector("log-roots")
        .lines()
        .map(|line| line.parse().unwrap())
        .collect();
    let proof: Vec<Hash> = vector("log-consistency")
        .lines()
        .map(|line| line.parse().unwrap())
        .collect();
    tree::check_consistency(3, &roots[3], 4, &roots[4], &proof).unwrap();
    let checkpoint = Checkpoint::open(vector("log-checkpoint"), &main_key).unwrap();
    assert_eq!((checkpoint.size, checkpoint.root), (4, roots[4]));
    assert_eq!(main_proof.checkpoint, vector("log-checkpoint"));
}
