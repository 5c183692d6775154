//! Proofs as text: one form, and no other entry, index, key or checkpoint.

use super::*;
use crate::note::SignerKey;
use crate::tree::{Edge, HashReader, ReadError};

struct Nodes(Vec<tree::Node>);

impl HashReader for Nodes {
    fn read(&self, level: u8, index: u64) -> Result<Hash, ReadError> {
        let found = self
            .0
            .iter()
            .find(|node| node.level == level && node.index == index);
        found
            .map(|node| node.hash)
            .ok_or(ReadError::missing(level, index))
    }
}

fn key() -> SignerKey {
    SignerKey::generate([1; 32], "records.example.org/audit".parse().unwrap())
}

/// A log of `size` entries, the index of each its bytes, and the proof for one.
fn proof(index: u64, size: u64) -> TlogProof {
    let mut edge = Edge::empty();
    let mut nodes = Nodes(Vec::new());
    for entry in 0..size {
        edge.push(hash::leaf(&entry.to_be_bytes()), &mut |node| nodes.0.push(node));
    }
    let checkpoint = Checkpoint {
        origin: key().name().clone(),
        size,
        root: edge.root(),
    };
    let hashes = tree::prove_inclusion(index, size, &nodes).unwrap();
    TlogProof {
        index,
        hashes,
        checkpoint: checkpoint.sign(&key()),
    }
}

#[test]
fn a_proof_holds_and_can_be_read_back() {
    for (index, size) in [(0, 1), (0, 2), (5, 6), (4, 11), (10, 11)] {
        let proof = proof(index, size);
        let read = TlogProof::parse(&proof.to_string()).unwrap();
        assert_eq!(read, proof);
        let checkpoint = read.verify(&index.to_be_bytes(), &key().verifier()).unwrap();
        assert_eq!(checkpoint.size, size);
    }
}

#[test]
fn a_proof_is_of_one_entry_at_one_index_under_one_key() {
    let good = proof(4, 11);
    let verifier = key().verifier();
    let inclusion = |source| Err(ProofError::Inclusion { index: 4, source });
    assert_eq!(
        good.verify(&5_u64.to_be_bytes(), &verifier),
        inclusion(tree::ProofError::Root)
    );
    assert_eq!(good.verify(b"", &verifier), inclusion(tree::ProofError::Root));
    let moved = TlogProof {
        index: 5,
        ..good.clone()
    };
    assert!(moved.verify(&4_u64.to_be_bytes(), &verifier).is_err());
    let beyond = TlogProof {
        index: u64::MAX,
        ..good.clone()
    };
    assert!(beyond.verify(&4_u64.to_be_bytes(), &verifier).is_err());
    let stranger = SignerKey::generate([2; 32], key().name().clone()).verifier();
    assert!(matches!(
        good.verify(&4_u64.to_be_bytes(), &stranger),
        Err(ProofError::Checkpoint(_))
    ));
    let larger = TlogProof {
        checkpoint: proof(4, 12).checkpoint,
        ..good
    };
    assert!(matches!(
        larger.verify(&4_u64.to_be_bytes(), &verifier),
        Err(ProofError::Inclusion { .. })
    ));
}

#[test]
fn changing_any_byte_of_a_proof_makes_it_fail() {
    let text = proof(4, 11).to_string();
    for at in 0..text.len() {
        for flip in [1_u8, 2, 0x20] {
            let mut bytes = text.clone().into_bytes();
            bytes[at] ^= flip;
            let Ok(changed) = String::from_utf8(bytes) else {
                continue;
            };
            let holds = TlogProof::parse(&changed)
                .and_then(|proof| proof.verify(&4_u64.to_be_bytes(), &key().verifier()));
            assert!(holds.is_err(), "byte {at}");
        }
    }
}

#[test]
fn texts_of_another_form_are_refused() {
    let good = proof(4, 11);
    let text = good.to_string();
    let hash = good.hashes[0].to_string();
    let refused = [
        String::new(),
        "\n\n".to_owned(),
        text.replace("@v1", "@v2"),
        text.replace("index 4", "index 04"),
        text.replace("index 4", "index +4"),
        text.replace("index 4", "index"),
        text.replace("index 4\n", ""),
        text.replace("index 4", "Index 4"),
        text.replace("index 4", "extra AAAA\nindex 4"),
        text.replace("index 4", "index 4\nextra AAAA"),
        text.replace("index 4", "index 18446744073709551616"),
        text.replace(&hash, &format!("{hash}=")),
        text.replace(&hash, &format!(" {hash}")),
        text.replace(&hash, ""),
        text.replace(&hash, &vec![hash.as_str(); 65].join("\n")),
        text.replace("\n\n", "\n"),
        text.replace('\n', "\r\n"),
        format!("\n{text}"),
        format!("{text}\n"),
        text.trim_end().to_owned(),
        good.checkpoint.clone(),
        text.split_inclusive("\n\n").take(2).collect(),
    ];
    for text in refused {
        assert!(TlogProof::parse(&text).is_err(), "{text:?}");
    }
}
