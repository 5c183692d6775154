//! RFC 6962's own tree, every small tree against the RFC's recursive definitions, and hostile proofs.

use proptest::prelude::*;

use super::*;
use crate::hash::leaf;

/// RFC 6962 section 2.1, as it stands there.
fn mth(leaves: &[Hash]) -> Hash {
    match leaves {
        [] => EMPTY_ROOT,
        [only] => *only,
        _ => {
            let (left, right) = leaves.split_at(half(leaves.len()));
            node(&mth(left), &mth(right))
        }
    }
}

/// RFC 6962 section 2.1.1, as it stands there.
fn path(index: usize, leaves: &[Hash]) -> Vec<Hash> {
    if leaves.len() == 1 {
        return Vec::new();
    }
    let k = half(leaves.len());
    let (left, right) = leaves.split_at(k);
    let (mut proof, beside) = if index < k {
        (path(index, left), mth(right))
    } else {
        (path(index - k, right), mth(left))
    };
    proof.push(beside);
    proof
}

/// RFC 6962 section 2.1.2, as it stands there.
fn subproof(old: usize, leaves: &[Hash], whole: bool) -> Vec<Hash> {
    if old == leaves.len() {
        return if whole { Vec::new() } else { vec![mth(leaves)] };
    }
    let k = half(leaves.len());
    let (left, right) = leaves.split_at(k);
    let (mut proof, beside) = if old <= k {
        (subproof(old, left, whole), mth(right))
    } else {
        (subproof(old - k, right, false), mth(left))
    };
    proof.push(beside);
    proof
}

/// The largest power of two smaller than `length`.
fn half(length: usize) -> usize {
    length.next_power_of_two() / 2
}

fn leaves(count: usize) -> Vec<Hash> {
    (0..count).map(|index| leaf(&index.to_be_bytes())).collect()
}

/// All nodes that pushing the leaves reported, by level.
struct Nodes(Vec<Vec<Hash>>);

impl Nodes {
    fn of(leaves: &[Hash]) -> (Edge, Self) {
        let mut nodes = Self(Vec::new());
        let mut edge = Edge::empty();
        for leaf in leaves {
            edge.push(*leaf, &mut |completed: Node| {
                let level = usize::from(completed.level);
                if nodes.0.len() == level {
                    nodes.0.push(Vec::new());
                }
                // Each level's nodes are reported once each, in order.
                assert_eq!(nodes.0[level].len() as u64, completed.index);
                nodes.0[level].push(completed.hash);
            });
        }
        (edge, nodes)
    }
}

impl HashReader for Nodes {
    fn read(&self, level: u8, index: u64) -> Result<Hash, ReadError> {
        let at = usize::try_from(index).map_err(|_| ReadError::missing(level, index))?;
        let hash = self.0.get(usize::from(level)).and_then(|nodes| nodes.get(at));
        hash.copied().ok_or(ReadError::missing(level, index))
    }
}

/// A reader that has every hash of every tree.
struct Everything;

impl HashReader for Everything {
    fn read(&self, level: u8, index: u64) -> Result<Hash, ReadError> {
        Ok(leaf(&[&[level][..], &index.to_be_bytes()].concat()))
    }
}

/// A reader that has nothing.
struct Nothing;

impl HashReader for Nothing {
    fn read(&self, level: u8, index: u64) -> Result<Hash, ReadError> {
        Err(ReadError::missing(level, index))
    }
}

const RFC_LEAVES: [&[u8]; 8] = [
    b"",
    b"\x00",
    b"\x10",
    b"\x20\x21",
    b"\x30\x31",
    b"\x40\x41\x42\x43",
    b"\x50\x51\x52\x53\x54\x55\x56\x57",
    b"\x60\x61\x62\x63\x64\x65\x66\x67\x68\x69\x6a\x6b\x6c\x6d\x6e\x6f",
];

const RFC_ROOTS: [&str; 8] = [
    "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
    "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
    "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
    "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
    "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
    "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
    "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
];

fn hex(hashes: &[Hash]) -> Vec<String> {
    hashes.iter().map(Hash::to_hex).collect()
}

#[test]
fn the_rfcs_tree_has_the_known_roots() {
    let mut edge = Edge::empty();
    assert_eq!(edge.root(), EMPTY_ROOT);
    for (entry, root) in RFC_LEAVES.into_iter().zip(RFC_ROOTS) {
        edge.push(leaf(entry), &mut |_| ());
        assert_eq!(edge.root().to_hex(), root, "size {}", edge.size());
    }
}

#[test]
fn the_rfcs_tree_has_the_known_inclusion_proofs() {
    let (_, nodes) = Nodes::of(&RFC_LEAVES.map(leaf));
    let proof = |index, size| hex(&prove_inclusion(index, size, &nodes).unwrap());
    assert_eq!(proof(0, 1), [] as [&str; 0]);
    assert_eq!(
        proof(0, 8),
        [
            "96a296d224f285c67bee93c30f8a309157f0daa35dc5b87e410b78630a09cfc7",
            "5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e",
            "6b47aaf29ee3c2af9af889bc1fb9254dabd31177f16232dd6aab035ca39bf6e4",
        ]
    );
    assert_eq!(
        proof(5, 8),
        [
            "bc1a0643b12e4d2d7c77918f44e0f4f79a838b6cf9ec5b5c283e1f4d88599e6b",
            "ca854ea128ed050b41b35ffc1b87b8eb2bde461e9e3b5596ece6b9d5975a0ae0",
            "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
        ]
    );
    assert_eq!(
        proof(2, 3),
        ["fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125"]
    );
}

#[test]
fn the_rfcs_tree_has_the_known_consistency_proofs() {
    let (_, nodes) = Nodes::of(&RFC_LEAVES.map(leaf));
    let proof = |old, new| hex(&prove_consistency(old, new, &nodes).unwrap());
    assert_eq!(proof(1, 1), [] as [&str; 0]);
    assert_eq!(
        proof(1, 8),
        [
            "96a296d224f285c67bee93c30f8a309157f0daa35dc5b87e410b78630a09cfc7",
            "5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e",
            "6b47aaf29ee3c2af9af889bc1fb9254dabd31177f16232dd6aab035ca39bf6e4",
        ]
    );
    assert_eq!(
        proof(6, 8),
        [
            "0ebc5d3437fbe2db158b9f126a1d118e308181031d0a949f8dededebc558ef6a",
            "ca854ea128ed050b41b35ffc1b87b8eb2bde461e9e3b5596ece6b9d5975a0ae0",
            "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
        ]
    );
    assert_eq!(
        proof(2, 5),
        [
            "5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e",
            "bc1a0643b12e4d2d7c77918f44e0f4f79a838b6cf9ec5b5c283e1f4d88599e6b",
        ]
    );
}

#[test]
fn every_small_tree_agrees_with_the_rfcs_definitions() {
    let all = leaves(70);
    let (_, nodes) = Nodes::of(&all);
    for size in 1..=all.len() {
        let tree = &all[..size];
        let root = mth(tree);
        for (index, leaf) in tree.iter().enumerate() {
            let proof = prove_inclusion(index as u64, size as u64, &nodes).unwrap();
            assert_eq!(proof, path(index, tree), "leaf {index} of {size}");
            check_inclusion(index as u64, size as u64, leaf, &root, &proof).unwrap();
        }
        for old in 1..=size {
            let proof = prove_consistency(old as u64, size as u64, &nodes).unwrap();
            assert_eq!(proof, subproof(old, tree, true), "{old} to {size}");
            check_consistency(old as u64, &mth(&all[..old]), size as u64, &root, &proof).unwrap();
        }
    }
}

#[test]
fn an_edge_can_be_restored_from_its_peaks_and_from_the_nodes() {
    let all = leaves(300);
    let (_, nodes) = Nodes::of(&all);
    for size in 0..=all.len() {
        let (edge, _) = Nodes::of(&all[..size]);
        assert_eq!(edge.size(), size as u64);
        assert_eq!(edge.root(), mth(&all[..size]));
        let restored = Edge::restore(edge.size(), &edge.peaks()).unwrap();
        assert_eq!(restored, edge);
        assert_eq!(restored.root(), edge.root());
        let read = Edge::read(edge.size(), &nodes).unwrap();
        assert_eq!(read.peaks(), edge.peaks());
        // And it grows as the one it was restored from.
        let (mut grown, mut expected) = (read, edge);
        grown.push(EMPTY_ROOT, &mut |_| ());
        expected.push(EMPTY_ROOT, &mut |_| ());
        assert_eq!(grown.root(), expected.root());
    }
}

#[test]
fn an_edge_with_too_many_or_too_few_peaks_is_refused() {
    for (size, count) in [(0, 1), (1, 0), (1, 2), (5, 1), (5, 3), (u64::MAX, 63)] {
        assert!(
            Edge::restore(size, &vec![EMPTY_ROOT; count]).is_err(),
            "{count} peaks for {size}"
        );
    }
    assert!(Edge::restore(u64::MAX, &[EMPTY_ROOT; 64]).is_ok());
    assert!(Edge::read(5, &Nothing).is_err());
}

#[test]
fn pushing_beyond_the_largest_size_does_not_panic() {
    let mut edge = Edge::restore(u64::MAX, &[EMPTY_ROOT; 64]).unwrap();
    let mut seen = 0;
    edge.push(EMPTY_ROOT, &mut |_| seen += 1);
    assert_eq!(edge.size(), u64::MAX);
    assert_eq!(seen, 64);
}

#[test]
fn a_proof_holds_for_its_own_leaf_size_and_root_only() {
    let all = leaves(21);
    let (edge, nodes) = Nodes::of(&all);
    let (root, size) = (edge.root(), edge.size());
    let proof = prove_inclusion(17, size, &nodes).unwrap();
    let check =
        |index, size, leaf, root: &Hash, proof: &[Hash]| check_inclusion(index, size, leaf, root, proof);
    assert_eq!(check(17, size, &all[17], &root, &proof), Ok(()));
    assert_eq!(check(17, size, &all[16], &root, &proof), Err(ProofError::Root));
    assert_eq!(
        check(17, size, &all[17], &EMPTY_ROOT, &proof),
        Err(ProofError::Root)
    );
    assert_eq!(check(16, size, &all[17], &root, &proof), Err(ProofError::Root));
    assert_eq!(
        check(20, size, &all[17], &root, &proof),
        Err(ProofError::Length { found: proof.len() })
    );
    assert_eq!(
        check(size, size, &all[17], &root, &proof),
        Err(ProofError::NoSuchLeaf { index: size, size })
    );
    assert_eq!(
        check(0, 0, &all[17], &root, &[]),
        Err(ProofError::NoSuchLeaf { index: 0, size: 0 })
    );
    for at in 0..proof.len() {
        let mut changed = proof.clone();
        changed[at].0[31] ^= 1;
        assert_eq!(check(17, size, &all[17], &root, &changed), Err(ProofError::Root));
        let mut shorter = proof.clone();
        shorter.remove(at);
        assert!(check(17, size, &all[17], &root, &shorter).is_err());
        let mut longer = proof.clone();
        longer.insert(at, EMPTY_ROOT);
        assert_eq!(
            check(17, size, &all[17], &root, &longer),
            Err(ProofError::Length { found: longer.len() })
        );
    }
}

#[test]
fn a_consistency_proof_holds_for_its_own_sizes_and_roots_only() {
    let all = leaves(21);
    let (edge, nodes) = Nodes::of(&all);
    let (new_root, new) = (edge.root(), edge.size());
    for old in [1_u64, 4, 6, 16, 20] {
        let old_root = mth(&all[..usize::try_from(old).unwrap()]);
        let proof = prove_consistency(old, new, &nodes).unwrap();
        assert_eq!(check_consistency(old, &old_root, new, &new_root, &proof), Ok(()));
        assert!(check_consistency(old, &EMPTY_ROOT, new, &new_root, &proof).is_err());
        assert!(check_consistency(old, &old_root, new, &EMPTY_ROOT, &proof).is_err());
        assert!(check_consistency(old - 1, &old_root, new, &new_root, &proof).is_err());
        assert!(check_consistency(old, &old_root, old - 1, &new_root, &proof).is_err());
        assert!(check_consistency(old, &old_root, new, &new_root, &[]).is_err());
        assert!(
            check_consistency(
                old,
                &old_root,
                new,
                &new_root,
                &[&proof[..], &[EMPTY_ROOT]].concat()
            )
            .is_err()
        );
        for at in 0..proof.len() {
            let mut changed = proof.clone();
            changed[at].0[0] ^= 1;
            assert!(
                check_consistency(old, &old_root, new, &new_root, &changed).is_err(),
                "{old}, hash {at}"
            );
            changed.remove(at);
            assert!(check_consistency(old, &old_root, new, &new_root, &changed).is_err());
        }
    }
}

#[test]
fn the_edges_of_consistency() {
    let root = leaf(b"");
    assert_eq!(check_consistency(0, &EMPTY_ROOT, 1, &root, &[]), Ok(()));
    assert_eq!(
        check_consistency(0, &root, 1, &root, &[]),
        Err(ProofError::OldRoot)
    );
    assert_eq!(
        check_consistency(0, &EMPTY_ROOT, 1, &root, &[root]),
        Err(ProofError::Length { found: 1 })
    );
    assert_eq!(
        check_consistency(0, &EMPTY_ROOT, 0, &root, &[]),
        Err(ProofError::Root)
    );
    assert_eq!(check_consistency(1, &root, 1, &root, &[]), Ok(()));
    assert_eq!(
        check_consistency(1, &root, 1, &root, &[root]),
        Err(ProofError::Length { found: 1 })
    );
    assert_eq!(
        check_consistency(1, &root, 1, &EMPTY_ROOT, &[]),
        Err(ProofError::Root)
    );
    assert_eq!(
        check_consistency(2, &root, 1, &root, &[]),
        Err(ProofError::Shrunk { old: 2, new: 1 })
    );
    assert_eq!(prove_consistency(0, 9, &Nothing).unwrap(), []);
    assert_eq!(prove_consistency(9, 9, &Nothing).unwrap(), []);
    assert!(matches!(
        prove_consistency(9, 8, &Nothing),
        Err(ProveError::Shrunk { old: 9, new: 8 })
    ));
    assert!(matches!(
        prove_consistency(8, 9, &Nothing),
        Err(ProveError::Read(_))
    ));
    assert!(matches!(
        prove_inclusion(8, 8, &Everything),
        Err(ProveError::NoSuchLeaf { index: 8, size: 8 })
    ));
}

#[test]
fn a_proof_that_stops_short_of_the_root_is_refused_whatever_the_root() {
    // Whoever could choose the root would choose the hash at which the proof stops.
    let all = leaves(21);
    let (edge, nodes) = Nodes::of(&all);
    let size = edge.size();
    let proof = prove_inclusion(17, size, &nodes).unwrap();
    let mut reached = all[17];
    for count in 0..proof.len() {
        let short = Err(ProofError::Length { found: count });
        assert_eq!(
            check_inclusion(17, size, &all[17], &reached, &proof[..count]),
            short
        );
        let left = 17_usize >> count & 1 == 1;
        reached = if left {
            node(&proof[count], &reached)
        } else {
            node(&reached, &proof[count])
        };
    }
    let subtree = nodes.read(2, 0).unwrap();
    let right = nodes.read(2, 1).unwrap();
    let short = Err(ProofError::Length { found: 1 });
    assert_eq!(
        check_consistency(4, &subtree, size, &node(&subtree, &right), &[right]),
        short
    );
    let short = Err(ProofError::Length { found: 0 });
    assert_eq!(check_consistency(4, &subtree, size, &subtree, &[]), short);
    assert_eq!(check_consistency(3, &subtree, size, &subtree, &[]), short);
}

/// Sizes and indices where arithmetic goes wrong if it can.
fn hostile() -> impl Strategy<Value = u64> {
    prop_oneof![
        any::<u64>(),
        0_u64..20,
        (0_u64..20).prop_map(|less| u64::MAX - less),
        (0_u32..64, 0_u64..4).prop_map(|(bit, more)| (1_u64 << bit).wrapping_add(more).wrapping_sub(2)),
    ]
}

proptest! {
    #[test]
    fn no_sizes_and_no_proof_make_checking_panic(
        a in hostile(), b in hostile(), count in 0_usize..70, root: [u8; 32]
    ) {
        let proof = vec![Hash(root); count];
        let _ = check_inclusion(a, b, &Hash(root), &Hash(root), &proof);
        let _ = check_consistency(a, &Hash(root), b, &Hash(root), &proof);
        let _ = prove_inclusion(a, b, &Nothing);
        let _ = prove_consistency(a, b, &Nothing);
    }

    /// In trees too large to build, a proof still has the length and the shape that checking expects: it
    /// fails only at the root, which is made up.
    #[test]
    fn proofs_in_huge_trees_have_the_length_that_checking_expects(a in hostile(), b in hostile()) {
        if a < b {
            let proof = prove_inclusion(a, b, &Everything).unwrap();
            prop_assert!(proof.len() <= LEVELS);
            prop_assert_eq!(check_inclusion(a, b, &Hash::ZERO, &EMPTY_ROOT, &proof), Err(ProofError::Root));
        }
        if 0 < a && a < b {
            let proof = prove_consistency(a, b, &Everything).unwrap();
            prop_assert!(proof.len() <= LEVELS + 1);
            prop_assert_eq!(
                check_consistency(a, &EMPTY_ROOT, b, &EMPTY_ROOT, &proof),
                Err(if a.is_power_of_two() { ProofError::Root } else { ProofError::OldRoot })
            );
        }
    }
}
