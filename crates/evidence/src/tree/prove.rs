//! Making proofs from a tree's hashes.

use super::{HashReader, ReadError, bit, last_peak};
use crate::hash::{Hash, node};

/// No proof can be made.
#[derive(Debug, thiserror::Error)]
pub enum ProveError {
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
    /// A hash is missing.
    #[error("a hash that the proof needs is not there")]
    Read(#[from] ReadError),
}

/// Proof that leaf `index` stands in the tree of `size` leaves: the hashes beside the way from the leaf to
/// the root, from the leaf upwards (RFC 6962 section 2.1.1).
///
/// # Errors
/// There is no such leaf, or a hash cannot be read.
pub fn prove_inclusion(index: u64, size: u64, reader: &impl HashReader) -> Result<Vec<Hash>, ProveError> {
    if index >= size {
        return Err(ProveError::NoSuchLeaf { index, size });
    }
    let mut proof = Vec::new();
    path(index, 0, size, reader, &mut proof)?;
    Ok(proof)
}

/// Proof that the tree of `old` leaves is the beginning of the tree of `new` leaves (RFC 6962 section 2.1.2).
/// It is empty if `old` is 0 or `new`.
///
/// # Errors
/// The older tree is the larger, or a hash cannot be read.
pub fn prove_consistency(old: u64, new: u64, reader: &impl HashReader) -> Result<Vec<Hash>, ProveError> {
    if old > new {
        return Err(ProveError::Shrunk { old, new });
    }
    if old == 0 || old == new {
        return Ok(Vec::new());
    }
    let (level, last) = last_peak(old);
    let mut proof = Vec::new();
    if !old.is_power_of_two() {
        proof.push(reader.read(level, last)?);
    }
    path(last, level, new, reader, &mut proof)?;
    Ok(proof)
}

/// The hashes beside the way from the node (`from`, `index`) to the root of a tree of `size` leaves.
///
/// INVARIANT: the node is complete in that tree, so `from` is below 64.
fn path(
    index: u64,
    from: u8,
    size: u64,
    reader: &impl HashReader,
    proof: &mut Vec<Hash>,
) -> Result<(), ReadError> {
    let mut at = index;
    let mut level = from;
    let mut last = size.saturating_sub(1) >> from;
    while last != 0 {
        if at & 1 == 1 {
            proof.push(reader.read(level, at ^ 1)?);
        } else if at < last {
            proof.push(right_of(at, level, size, reader)?);
        }
        at >>= 1;
        last >>= 1;
        level = level.saturating_add(1);
    }
    Ok(())
}

/// The root of what stands to the right of node (`level`, `at`) under the same parent: a node, or a ragged
/// piece that ends with the tree.
fn right_of(at: u64, level: u8, size: u64, reader: &impl HashReader) -> Result<Hash, ReadError> {
    let sibling = at | 1;
    if sibling < size >> level {
        return reader.read(level, sibling);
    }
    // The piece is what is left of the tree beyond whole nodes of this level.
    let below = size & (1_u64 << level).wrapping_sub(1);
    let mut root: Option<Hash> = None;
    for peak in 0..level {
        if bit(below, usize::from(peak)) {
            let hash = reader.read(peak, (size >> peak).saturating_sub(1))?;
            root = Some(root.map_or(hash, |right| node(&hash, &right)));
        }
    }
    root.ok_or_else(|| ReadError::missing(level, sibling))
}
