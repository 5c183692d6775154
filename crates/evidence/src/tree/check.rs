//! Checking proofs. Nothing is read but what is handed in, and nothing of that is trusted.

use super::last_peak;
use crate::hash::{EMPTY_ROOT, Hash, node};

/// A proof that does not hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ProofError {
    /// There is no such leaf.
    #[error("no leaf {index} in a tree of {size} leaves")]
    NoSuchLeaf {
        /// The leaf asked for.
        index: u64,
        /// The tree's size.
        size: u64,
    },
    /// The older tree is the larger.
    #[error("a tree of {old} leaves cannot have grown into one of {new}")]
    Shrunk {
        /// Size of the older tree.
        old: u64,
        /// Size of the newer tree.
        new: u64,
    },
    /// The proof has too many or too few hashes for these sizes.
    #[error("the proof has {found} hashes, which is not what these sizes need")]
    Length {
        /// How many it has.
        found: usize,
    },
    /// The proof leads to another root.
    #[error("the proof leads to another root than the tree's")]
    Root,
    /// The proof starts from another root.
    #[error("the proof starts from another root than the older tree's")]
    OldRoot,
}

/// Checks a proof by [`prove_inclusion`](super::prove_inclusion) that `leaf` is the hash of leaf `index` in
/// the tree of `size` leaves and that `root` (RFC 9162 section 2.1.3.2).
///
/// # Errors
/// The proof does not hold.
pub fn check_inclusion(
    index: u64,
    size: u64,
    leaf: &Hash,
    root: &Hash,
    proof: &[Hash],
) -> Result<(), ProofError> {
    if index >= size {
        return Err(ProofError::NoSuchLeaf { index, size });
    }
    let mut way = Way::new(index, size);
    let mut hash = *leaf;
    for beside in proof {
        hash = match way.step() {
            Some(Side::Left) => node(beside, &hash),
            Some(Side::Right) => node(&hash, beside),
            None => return Err(ProofError::Length { found: proof.len() }),
        };
    }
    if !way.ended() {
        return Err(ProofError::Length { found: proof.len() });
    }
    if hash == *root {
        Ok(())
    } else {
        Err(ProofError::Root)
    }
}

/// Checks a proof by [`prove_consistency`](super::prove_consistency) (RFC 9162 section 2.1.4.2). The tree
/// without leaves is the beginning of every tree; its root must be [`EMPTY_ROOT`] all the same.
///
/// # Errors
/// The proof does not hold.
pub fn check_consistency(
    old: u64,
    old_root: &Hash,
    new: u64,
    new_root: &Hash,
    proof: &[Hash],
) -> Result<(), ProofError> {
    let length = ProofError::Length { found: proof.len() };
    if old > new {
        return Err(ProofError::Shrunk { old, new });
    }
    if old == 0 && *old_root != EMPTY_ROOT {
        return Err(ProofError::OldRoot);
    }
    if old == new && old_root != new_root {
        return Err(ProofError::Root);
    }
    if old == 0 || old == new {
        return if proof.is_empty() { Ok(()) } else { Err(length) };
    }
    let (first, rest) = match proof.split_first() {
        // A perfect older tree is itself the node that the way starts from.
        _ if old.is_power_of_two() => (old_root, proof),
        Some(split) => split,
        None => return Err(length),
    };
    let (level, _) = last_peak(old);
    let mut way = Way::new(old.saturating_sub(1), new).from(level);
    let (mut old_hash, mut new_hash) = (*first, *first);
    for beside in rest {
        match way.step() {
            Some(Side::Left) => {
                old_hash = node(beside, &old_hash);
                new_hash = node(beside, &new_hash);
            }
            Some(Side::Right) => new_hash = node(&new_hash, beside),
            None => return Err(length),
        }
    }
    if !way.ended() {
        return Err(length);
    }
    if old_hash != *old_root {
        return Err(ProofError::OldRoot);
    }
    if new_hash == *new_root {
        Ok(())
    } else {
        Err(ProofError::Root)
    }
}

/// On which side of the way the next hash of a proof stands.
enum Side {
    Left,
    Right,
}

/// The way from a leaf to the root, as RFC 9162 walks it: `at` is the node the way has reached, `last` the
/// last node of the same level, both shifted at every step.
struct Way {
    at: u64,
    last: u64,
}

impl Way {
    /// From leaf `index` of a tree of `size` leaves; `index` must be below `size`.
    fn new(index: u64, size: u64) -> Self {
        Self {
            at: index,
            last: size.saturating_sub(1),
        }
    }

    /// The same way from `level` on; `level` is below 64.
    fn from(self, level: u8) -> Self {
        Self {
            at: self.at >> level,
            last: self.last >> level,
        }
    }

    /// One hash further; `None` if the root was reached.
    fn step(&mut self) -> Option<Side> {
        if self.ended() {
            return None;
        }
        let side = if self.at & 1 == 1 || self.at == self.last {
            // The last node of a level may have nothing to its right for several levels: there it is its own
            // parent.
            while self.at & 1 == 0 && self.at != 0 {
                self.up();
            }
            Side::Left
        } else {
            Side::Right
        };
        self.up();
        Some(side)
    }

    fn up(&mut self) {
        self.at >>= 1;
        self.last >>= 1;
    }

    fn ended(&self) -> bool {
        self.last == 0
    }
}
