//! Trees, tiles, checkpoints and notes against a second implementation, written by other people: `tlog_tiles`
//! and `signed_note`.

#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a test may fail by panicking"
)]

use std::collections::BTreeMap;

use evidence::checkpoint::Checkpoint;
use evidence::hash::{self, Hash};
use evidence::note::{self, SignerKey, Text};
use evidence::tile::{TilePath, new_tiles};
use evidence::tree::{self, Edge, HashReader, Node, ReadError};
use proptest::prelude::*;
use signed_note::{Note, StandardSigner, StandardVerifier, VerifierList};
use tlog_tiles::Tile;

/// The nodes of a tree, as both implementations want to read them.
#[derive(Default)]
struct Nodes(BTreeMap<(u8, u64), Hash>);

impl HashReader for Nodes {
    fn read(&self, level: u8, index: u64) -> Result<Hash, ReadError> {
        self.0
            .get(&(level, index))
            .copied()
            .ok_or(ReadError::missing(level, index))
    }
}

impl tlog_tiles::HashReader for Nodes {
    fn read_hashes(&self, indexes: &[u64]) -> Result<Vec<tlog_tiles::Hash>, tlog_tiles::Error> {
        let read = |index: &u64| self.0[&tlog_tiles::split_stored_hash_index(*index)];
        Ok(indexes.iter().map(|index| theirs(read(index))).collect())
    }
}

fn theirs(hash: Hash) -> tlog_tiles::Hash {
    tlog_tiles::Hash(hash.0)
}

fn ours(hashes: &[tlog_tiles::Hash]) -> Vec<Hash> {
    hashes.iter().map(|hash| Hash(hash.0)).collect()
}

/// The tree of these entries, checked hash by hash against what the other implementation would store.
fn grow(entries: &[Vec<u8>]) -> (Edge, Nodes) {
    let mut edge = Edge::empty();
    let mut nodes = Nodes::default();
    for entry in entries {
        let expected = tlog_tiles::stored_hashes(edge.size(), entry, &nodes).unwrap();
        let mut completed: Vec<Node> = Vec::new();
        edge.push(hash::leaf(entry), &mut |node| completed.push(node));
        assert_eq!(
            completed.iter().map(|node| node.hash).collect::<Vec<_>>(),
            ours(&expected)
        );
        nodes
            .0
            .extend(completed.iter().map(|node| ((node.level, node.index), node.hash)));
    }
    (edge, nodes)
}

/// What the other implementation calls our tile: it has the height in its path too.
fn their_path(path: &TilePath) -> String {
    Tile::new(8, path.level(), path.index(), path.width().into(), false)
        .path()
        .replacen("tile/8/", "tile/", 1)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(40))]

    #[test]
    fn trees_and_proofs_agree(entries in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..9), 1..600), at: prop::sample::Index) {
        let (edge, nodes) = grow(&entries);
        let (size, root) = (edge.size(), edge.root());
        prop_assert_eq!(theirs(root), tlog_tiles::tree_hash(size, &nodes).unwrap());

        let index = at.index(entries.len());
        let leaf = hash::leaf(&entries[index]);
        let index = u64::try_from(index).unwrap();
        let proof = tree::prove_inclusion(index, size, &nodes).unwrap();
        let expected = tlog_tiles::prove_record(size, index, &nodes).unwrap();
        prop_assert_eq!(&proof, &ours(&expected));
        tree::check_inclusion(index, size, &leaf, &root, &ours(&expected)).unwrap();
        tlog_tiles::check_record(&expected, size, theirs(root), index, theirs(leaf)).unwrap();

        let old = index + 1;
        let old_root = tlog_tiles::tree_hash(old, &nodes).unwrap();
        let expected = tlog_tiles::prove_tree(size, old, &nodes).unwrap();
        prop_assert_eq!(tree::prove_consistency(old, size, &nodes).unwrap(), ours(&expected));
        tree::check_consistency(old, &Hash(old_root.0), size, &root, &ours(&expected)).unwrap();
    }

    #[test]
    fn the_same_tiles_are_written(old in 0_u64..200_000, more in 0_u64..200_000) {
        let expected: Vec<String> = Tile::new_tiles(8, old, old + more)
            .iter()
            .map(|tile| tile.path().replacen("tile/8/", "tile/", 1))
            .collect();
        prop_assert_eq!(new_tiles(old, old + more).map(|tile| tile.to_string()).collect::<Vec<_>>(), expected);
    }

    #[test]
    fn tiles_have_the_same_names(level in 0_u8..64, index: u64, width in 1_u16..=256) {
        let path = TilePath::new(level, index, width).unwrap();
        prop_assert_eq!(path.to_string(), their_path(&path));
    }

    #[test]
    fn checkpoints_and_notes_agree(seed: [u8; 32], size in 0_u64..1 << 62, root: [u8; 32]) {
        let key = SignerKey::generate(seed, "records.example.org/audit".parse().unwrap());
        let checkpoint = Checkpoint { origin: key.name().clone(), size, root: Hash(root) };
        let signed = checkpoint.sign(&key);

        let verifier = StandardVerifier::new(&key.verifier().to_string()).unwrap();
        let their_note = Note::from_bytes(signed.as_bytes()).unwrap();
        let (verified, unverified) = their_note.verify(&VerifierList::new(vec![Box::new(verifier)])).unwrap();
        prop_assert_eq!((verified.len(), unverified.len()), (1, 0));

        let their_checkpoint = tlog_tiles::Checkpoint::from_bytes(their_note.text()).unwrap();
        prop_assert_eq!(their_checkpoint.origin(), checkpoint.origin.as_str());
        prop_assert_eq!(their_checkpoint.size(), size);
        prop_assert_eq!(their_checkpoint.hash(), &theirs(checkpoint.root));

        let mut signed_by_them = Note::new(checkpoint.to_text().as_bytes(), &[]).unwrap();
        let signer = StandardSigner::new(&key.encode()).unwrap();
        signed_by_them.add_sigs(&[&signer]).unwrap();
        prop_assert_eq!(String::from_utf8(signed_by_them.to_bytes()).unwrap(), signed);
    }

    #[test]
    fn whatever_note_we_sign_they_can_open(text in "([ -~\u{e4}\u{2014}]{0,30}\n){1,5}") {
        let key = SignerKey::generate([1; 32], "a.example/log".parse().unwrap());
        let signed = note::sign(&Text::new(text.clone()).unwrap(), &key);
        let their_note = Note::from_bytes(signed.as_bytes()).unwrap();
        let verifier = StandardVerifier::new(&key.verifier().to_string()).unwrap();
        prop_assert!(their_note.verify(&VerifierList::new(vec![Box::new(verifier)])).is_ok());
        prop_assert_eq!(their_note.text(), text.as_bytes());
    }
}
