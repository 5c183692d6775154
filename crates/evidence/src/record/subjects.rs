//! Whom the rows of a statement are about, or why that cannot be said.

use serde::{Deserialize, Serialize};

use super::Clipped;
use crate::id::DatasetId;
use crate::subject::{KeyId, TagSet};

/// Whom rows are about: the subjects of one data set that stand in them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Subjects {
    /// The data set.
    pub dataset: DatasetId,
    /// Its columns in the result, beside expressions; in a later part of a result those that are new.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub columns: Vec<Clipped>,
    /// Rows with a subject key.
    pub rows: u64,
    /// Which key the tags are made with.
    pub key: KeyId,
    /// The subjects, each once, in no order of the rows.
    pub tags: TagSet,
}

/// Rows that cannot be attributed to anybody.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Unattributed {
    /// The data set that the rows were drawn from; none if that is not known either.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub dataset: Option<DatasetId>,
    /// Why.
    pub why: Why,
    /// How many rows.
    pub rows: u64,
}

/// Why a row cannot be attributed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Why {
    /// No column of the result is the subject key as it stands: a count, an expression, a mask, a choice of columns.
    NoKey,
    /// The key is NULL, as an outer join makes it.
    NullKey,
    /// The key's type has no one text for a value.
    Type,
    /// The key's value cannot be read for certain.
    Unreadable,
    /// The row is too long to be read whole, and the key stands behind what was read.
    LongRow,
    /// COPY says nothing of its columns.
    Copy,
    /// The columns of the result are not known.
    Undescribed,
}
