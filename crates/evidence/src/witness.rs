//! What a witness is asked and what it answers (C2SP tlog-witness, `add-checkpoint`): the request's text, and the
//! decision. Who asks and where the witness keeps what it knows is not here.

use std::fmt;

use crate::checkpoint::{Checkpoint, CheckpointError};
use crate::entry::text::parse_decimal;
use crate::hash::{EMPTY_ROOT, Hash};
use crate::note::{NoteError, VerifierKey};
use crate::tree;

/// Longest request in bytes: a proof has at most some 3 KiB, a checkpoint's text 400 bytes; the rest is for its
/// signatures.
pub const MAX_REQUEST_BYTES: usize = 64 << 10;

/// Most hashes of a consistency proof, as the specification says.
pub const MAX_PROOF_HASHES: usize = 63;

/// A request to cosign a checkpoint.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AddCheckpoint {
    /// Size of the newest checkpoint of this log that the witness is thought to have cosigned; 0: none.
    pub old: u64,
    /// Proof that the tree of that size is the beginning of the new one (RFC 6962 section 2.1.2).
    pub proof: Vec<Hash>,
    /// The signed checkpoint, verbatim.
    pub checkpoint: String,
}

/// The newest tree of a log that a witness has cosigned.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Head {
    /// How many leaves.
    pub size: u64,
    /// The root of the tree of these leaves.
    pub root: Hash,
}

/// A checkpoint that its log has signed, and that carries on from what the witness knew. Only [`consider`] makes
/// one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Consistent(Checkpoint);

/// A body that is no request.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RequestError {
    /// It is too long.
    #[error("a request has at most {MAX_REQUEST_BYTES} bytes, this one has {bytes}")]
    TooLong {
        /// How long it is.
        bytes: usize,
    },
    /// A line has another form.
    #[error("line {line}: expected {expected}")]
    Line {
        /// Number of the line, from 1.
        line: usize,
        /// What should stand there.
        expected: &'static str,
    },
    /// The checkpoint.
    #[error("the checkpoint cannot be read")]
    Checkpoint(#[from] CheckpointError),
}

/// Why a witness does not cosign. The specification gives each its HTTP status.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// 400: the request has another form, or the old size is above the new one.
    #[error("{0}")]
    Malformed(String),
    /// 403: no signature by the log's key.
    #[error("the checkpoint is not signed by the key known for `{origin}`")]
    NotSigned {
        /// The log.
        origin: String,
    },
    /// 404: no such log is witnessed here.
    #[error("the log `{origin}` is not witnessed here")]
    UnknownLog {
        /// The log asked for.
        origin: String,
    },
    /// 409, with the size as the answer: the witness's newest checkpoint has another size than `old`.
    #[error("the newest checkpoint cosigned here has size {size}")]
    OtherSize {
        /// Size of that checkpoint.
        size: u64,
    },
    /// 409: the size is known, with another root.
    #[error("a checkpoint of size {size} with another root was cosigned here: the log has forked")]
    Forked {
        /// The size.
        size: u64,
    },
    /// 422: the proof does not lead from the old tree to the new one.
    #[error("the consistency proof from size {old} to size {new} does not hold")]
    Inconsistent {
        /// Size of the old tree.
        old: u64,
        /// Size of the new tree.
        new: u64,
    },
}

/// The size in the answer to a request whose `old` was another: decimal, and a line feed.
pub fn parse_size(body: &str) -> Option<u64> {
    parse_decimal(body.strip_suffix('\n')?)
}

impl AddCheckpoint {
    /// Reads a request's body.
    ///
    /// # Errors
    /// It is anything but what `Display` writes.
    pub fn parse(body: &str) -> Result<Self, RequestError> {
        if body.len() > MAX_REQUEST_BYTES {
            return Err(RequestError::TooLong { bytes: body.len() });
        }
        let (head, checkpoint) = body.split_once("\n\n").ok_or(RequestError::Line {
            line: 1,
            expected: "`old` and a size, a proof, an empty line and a checkpoint",
        })?;
        let mut lines = (1..).zip(head.split('\n'));
        let old = lines
            .next()
            .and_then(|(_, line)| line.strip_prefix("old "))
            .and_then(parse_decimal)
            .ok_or(RequestError::Line {
                line: 1,
                expected: "`old` and a size without leading zeros",
            })?;
        let mut proof = Vec::new();
        for (line, text) in lines {
            if proof.len() == MAX_PROOF_HASHES {
                return Err(RequestError::Line {
                    line,
                    expected: "an empty line: a proof has at most 63 hashes",
                });
            }
            let hash = text.parse().map_err(|_| RequestError::Line {
                line,
                expected: "32 bytes in base64",
            })?;
            proof.push(hash);
        }
        Checkpoint::peek(checkpoint)?;
        Ok(Self {
            old,
            proof,
            checkpoint: checkpoint.to_owned(),
        })
    }

    /// The log it is about, unverified: for finding the log's key.
    ///
    /// # Errors
    /// The checkpoint cannot be read.
    pub fn peek(&self) -> Result<Checkpoint, CheckpointError> {
        Checkpoint::peek(&self.checkpoint)
    }
}

impl fmt::Display for AddCheckpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "old {}", self.old)?;
        for hash in &self.proof {
            writeln!(f, "{hash}")?;
        }
        write!(f, "\n{}", self.checkpoint)
    }
}

impl Consistent {
    /// The checkpoint.
    pub fn checkpoint(&self) -> &Checkpoint {
        &self.0
    }

    /// What the witness knows of the log from now on.
    pub fn head(&self) -> Head {
        Head {
            size: self.0.size,
            root: self.0.root,
        }
    }
}

impl Refusal {
    /// The HTTP status.
    pub fn status(&self) -> u16 {
        match self {
            Self::Malformed(_) => 400,
            Self::NotSigned { .. } => 403,
            Self::UnknownLog { .. } => 404,
            Self::OtherSize { .. } | Self::Forked { .. } => 409,
            Self::Inconsistent { .. } => 422,
        }
    }
}

/// Decides on a request, with the key of its log (whose name is the origin) and what the witness has cosigned of it
/// so far. A tree may not shrink: after `known` is the size that the log must prove it has grown from.
///
/// # Errors
/// The witness must not cosign: see [`Refusal`].
pub fn consider(
    request: &AddCheckpoint,
    key: &VerifierKey,
    known: Option<Head>,
) -> Result<Consistent, Refusal> {
    let checkpoint = Checkpoint::open(&request.checkpoint, key).map_err(|error| match error {
        CheckpointError::Note(NoteError::NotSigned(_) | NoteError::BadSignature(_)) => Refusal::NotSigned {
            origin: key.name().to_string(),
        },
        CheckpointError::Origin { found, .. } => Refusal::UnknownLog {
            origin: found.to_string(),
        },
        error => Refusal::Malformed(error.to_string()),
    })?;
    let (old, new) = (request.old, checkpoint.size);
    if old > new {
        return Err(Refusal::Malformed(format!(
            "the old size, {old}, is above the checkpoint's, {new}"
        )));
    }
    let head = known.unwrap_or(Head {
        size: 0,
        root: EMPTY_ROOT,
    });
    if old != head.size {
        return Err(Refusal::OtherSize { size: head.size });
    }
    if old == new && head.root != checkpoint.root {
        return Err(Refusal::Forked { size: new });
    }
    tree::check_consistency(old, &head.root, new, &checkpoint.root, &request.proof)
        .map(|()| Consistent(checkpoint))
        .map_err(|_| Refusal::Inconsistent { old, new })
}

#[cfg(test)]
mod tests;
