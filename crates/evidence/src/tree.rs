//! The Merkle tree of a log (RFC 6962 section 2.1, RFC 9162 section 2.1): growing it, proving and checking.
//!
//! A *node* is a perfect subtree: level `l`, index `i` stands for the leaves from `i * 2^l` up to, not
//! including, `(i + 1) * 2^l`; level 0 are the leaves' hashes. A tree of any size is made of nodes and of
//! what is computed along its ragged right side. Nothing here trusts its input: sizes, indices and proofs may
//! be anything.

use std::error::Error;

use crate::hash::{EMPTY_ROOT, Hash, node};

mod check;
mod prove;

pub use check::{ProofError, check_consistency, check_inclusion};
pub use prove::{ProveError, prove_consistency, prove_inclusion};

/// Levels that a tree can have: sizes are counted in 64 bits.
pub const LEVELS: usize = 64;

/// A perfect subtree that has become complete.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Node {
    /// Its height: it has `2^level` leaves.
    pub level: u8,
    /// How many such subtrees stand to its left.
    pub index: u64,
    /// Its root.
    pub hash: Hash,
}

/// The right edge of a growing tree: the roots of the perfect subtrees it is made of, one for each bit of its
/// size.
#[derive(Clone)]
pub struct Edge {
    size: u64,
    /// At place `l` the root of the perfect subtree of `2^l` leaves, where bit `l` of `size` is set; else
    /// stale.
    peaks: [Hash; LEVELS],
}

/// Where hashes of a tree are read from. Only nodes that are complete in the tree at hand are asked for.
pub trait HashReader {
    /// The root of the perfect subtree at `level` and `index`.
    ///
    /// # Errors
    /// It is not there, or reading failed.
    fn read(&self, level: u8, index: u64) -> Result<Hash, ReadError>;
}

impl<R: HashReader + ?Sized> HashReader for &R {
    fn read(&self, level: u8, index: u64) -> Result<Hash, ReadError> {
        (**self).read(level, index)
    }
}

/// A hash of the tree cannot be had.
#[derive(Debug, thiserror::Error)]
#[error("the hash at level {level}, index {index} of the tree cannot be read")]
pub struct ReadError {
    level: u8,
    index: u64,
    #[source]
    source: Option<Box<dyn Error + Send + Sync>>,
}

impl ReadError {
    /// The store has no such hash.
    pub fn missing(level: u8, index: u64) -> Self {
        Self {
            level,
            index,
            source: None,
        }
    }

    /// Reading failed.
    pub fn failed(level: u8, index: u64, source: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        Self {
            level,
            index,
            source: Some(source.into()),
        }
    }
}

/// Hashes that cannot be the right edge of a tree of that size.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the right edge of a tree of {size} leaves has {expected} hashes, not {found}")]
pub struct EdgeError {
    size: u64,
    expected: u32,
    found: usize,
}

impl Edge {
    /// The edge of a tree without leaves.
    pub fn empty() -> Self {
        Self {
            size: 0,
            peaks: [Hash::ZERO; LEVELS],
        }
    }

    /// The edge of a tree of `size` leaves from its perfect subtrees' roots, the largest (leftmost) first, as
    /// [`peaks`] gives them.
    ///
    /// [`peaks`]: Edge::peaks
    ///
    /// # Errors
    /// They are more or fewer than `size` has bits set.
    pub fn restore(size: u64, peaks: &[Hash]) -> Result<Self, EdgeError> {
        let mut edge = Self {
            size,
            ..Self::empty()
        };
        if usize::try_from(size.count_ones()) != Ok(peaks.len()) {
            return Err(EdgeError {
                size,
                expected: size.count_ones(),
                found: peaks.len(),
            });
        }
        let mut hashes = peaks.iter().rev();
        for (level, peak) in edge.peaks.iter_mut().enumerate() {
            if bit(size, level)
                && let Some(hash) = hashes.next()
            {
                *peak = *hash;
            }
        }
        Ok(edge)
    }

    /// The edge of the tree of `size` leaves whose hashes `reader` has.
    ///
    /// # Errors
    /// A hash cannot be read.
    pub fn read(size: u64, reader: &impl HashReader) -> Result<Self, ReadError> {
        let mut edge = Self {
            size,
            ..Self::empty()
        };
        for ((level, height), peak) in (0..).zip(0..).zip(&mut edge.peaks) {
            if bit(size, level) {
                // The last complete node of this level that no larger peak covers.
                *peak = reader.read(height, (size >> height).saturating_sub(1))?;
            }
        }
        Ok(edge)
    }

    /// How many leaves the tree has.
    pub fn size(&self) -> u64 {
        self.size
    }

    /// The roots of the perfect subtrees that the tree is made of, the largest (leftmost) first.
    pub fn peaks(&self) -> Vec<Hash> {
        self.rising().map(|(_, hash)| *hash).rev().collect()
    }

    /// The tree's root.
    pub fn root(&self) -> Hash {
        self.rising()
            .map(|(_, hash)| *hash)
            .reduce(|right, left| node(&left, &right))
            .unwrap_or(EMPTY_ROOT)
    }

    /// Appends the leaf with this hash and reports each node that it completes, from the leaf itself upwards.
    /// Does not allocate.
    ///
    /// INVARIANT: a tree is never pushed to beyond 2^64 - 1 leaves; at a million a second that takes 580,000
    /// years.
    pub fn push(&mut self, leaf: Hash, completed: &mut impl FnMut(Node)) {
        let mut hash = leaf;
        let mut index = self.size;
        for (level, peak) in (0..).zip(&mut self.peaks) {
            completed(Node { level, index, hash });
            if index & 1 == 0 {
                *peak = hash;
                break;
            }
            hash = node(peak, &hash);
            index >>= 1;
        }
        self.size = self.size.saturating_add(1);
    }

    /// The peaks with their levels, the smallest first.
    fn rising(&self) -> impl DoubleEndedIterator<Item = (usize, &Hash)> {
        self.peaks
            .iter()
            .enumerate()
            .filter(|(level, _)| bit(self.size, *level))
    }
}

impl Default for Edge {
    fn default() -> Self {
        Self::empty()
    }
}

impl std::fmt::Debug for Edge {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Edge({} leaves, root {})", self.size, self.root())
    }
}

impl PartialEq for Edge {
    fn eq(&self, other: &Self) -> bool {
        self.size == other.size && self.rising().eq(other.rising())
    }
}

impl Eq for Edge {}

/// The smallest perfect subtree on the right edge of a tree of `size` leaves, which must not be 0.
fn last_peak(size: u64) -> (u8, u64) {
    let level = size.trailing_zeros().min(63);
    (
        u8::try_from(level).unwrap_or(63),
        (size >> level).saturating_sub(1),
    )
}

fn bit(size: u64, level: usize) -> bool {
    u32::try_from(level)
        .ok()
        .and_then(|level| size.checked_shr(level))
        .is_some_and(|rest| rest & 1 == 1)
}

#[cfg(test)]
mod tests;
