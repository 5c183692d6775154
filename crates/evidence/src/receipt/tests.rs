//! Receipts, and logs that keep or break what they promise.

use super::*;
use crate::hash;
use crate::tree::{Edge, Node};
use std::collections::BTreeMap;

/// The hashes of a tree.
struct Nodes(BTreeMap<(u8, u64), Hash>);

impl HashReader for Nodes {
    fn read(&self, level: u8, index: u64) -> Result<Hash, ReadError> {
        self.0
            .get(&(level, index))
            .copied()
            .ok_or(ReadError::missing(level, index))
    }
}

fn log(leaves: &[Hash]) -> (Checkpoint, Nodes) {
    let (mut edge, mut nodes) = (Edge::empty(), BTreeMap::new());
    for leaf in leaves {
        edge.push(*leaf, &mut |Node { level, index, hash }| {
            nodes.insert((level, index), hash);
        });
    }
    let checkpoint = Checkpoint {
        origin: "records.example.org/p/state-police".parse().unwrap(),
        size: edge.size(),
        root: edge.root(),
    };
    (checkpoint, Nodes(nodes))
}

fn leaves(count: u64) -> Vec<Hash> {
    (0..count).map(|at| hash::leaf(&at.to_be_bytes())).collect()
}

fn receipt(leaves: &[Hash]) -> Receipt {
    let time = "2026-11-24T23:05:00Z".parse().unwrap();
    Receipt {
        log: "records.example.org/p/state-police".parse().unwrap(),
        issued: time,
        leaves: (0..)
            .zip(leaves)
            .map(|(index, hash)| Leaf {
                index,
                hash: *hash,
                time,
            })
            .collect(),
    }
}

fn key(name: &str) -> SignerKey {
    SignerKey::generate([7; 32], name.parse().unwrap())
}

#[test]
fn a_receipt_is_read_as_it_was_signed_and_not_otherwise() {
    let signer = key("records.example.org");
    let receipt = receipt(&leaves(3));
    let file = receipt.sign(&signer).unwrap();
    assert_eq!(Receipt::open(&file, &signer.verifier()).unwrap(), receipt);
    for at in 0..file.len() {
        let mut bytes = file.clone().into_bytes();
        bytes[at] ^= 1;
        if let Ok(text) = String::from_utf8(bytes) {
            assert!(Receipt::open(&text, &signer.verifier()).is_err(), "{at}");
        }
    }
    // Another custodian cannot speak for this one's logs, nor one whose name begins alike.
    for name in ["other.example", "records.example.or"] {
        let stranger = key(name);
        assert!(matches!(
            Receipt::open(&receipt.sign(&stranger).unwrap(), &stranger.verifier()),
            Err(ReceiptError::OtherCustodian { .. })
        ));
    }
    let mut wrong = receipt.clone();
    wrong.leaves.reverse();
    assert_eq!(wrong.sign(&signer), Err(ReceiptError::Leaves));
    wrong.leaves.clear();
    assert_eq!(wrong.sign(&signer), Err(ReceiptError::Leaves));
}

#[test]
fn the_longest_receipt_fits() {
    let signer = key("records.example.org");
    let mut long = receipt(&leaves(u64::try_from(MAX_LEAVES).unwrap()));
    for (leaf, back) in long.leaves.iter_mut().rev().zip(0..) {
        leaf.index = u64::MAX - back;
    }
    let file = long.sign(&signer).unwrap();
    assert_eq!(Receipt::open(&file, &signer.verifier()).unwrap(), long);
    long.leaves.insert(
        0,
        Leaf {
            index: 0,
            ..long.leaves[0]
        },
    );
    assert_eq!(long.sign(&signer), Err(ReceiptError::Leaves));
}

#[test]
fn an_entry_that_was_left_out_or_exchanged_is_found() {
    let all = leaves(300);
    let receipt = receipt(&all);
    let (honest, tiles) = log(&all);
    for leaf in &receipt.leaves {
        assert_eq!(leaf.standing(&honest, &tiles).unwrap(), Standing::Included);
    }
    // One is left out: it, and all behind it, are not what was promised.
    let mut without = all.clone();
    without.remove(123);
    let (forged, tiles) = log(&without);
    for leaf in &receipt.leaves {
        let standing = leaf.standing(&forged, &tiles).unwrap();
        match leaf.index {
            0..123 => assert_eq!(standing, Standing::Included),
            299 => assert_eq!(standing, Standing::Beyond),
            at => {
                let Standing::Other { found, proof } = standing else {
                    panic!("{at} stands")
                };
                assert_ne!(found, leaf.hash);
                check_inclusion(at, forged.size, &found, &forged.root, &proof).unwrap();
            }
        }
    }
    // Tiles of another log than the checkpoint's say nothing.
    assert!(receipt.leaves[0].standing(&forged, &log(&all).1).is_err());
}
