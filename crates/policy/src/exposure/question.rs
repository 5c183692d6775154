//! What a scan is asked, and why it may have no answer.

/// What is asked.
#[derive(Debug, Clone, Default)]
pub struct Question {
    /// `schema.table` or `schema.table.column`; all relations where it is left out.
    pub relation: Option<Named>,
    /// The role; all that may log in where it is left out.
    pub role: Option<String>,
    /// All paths, not the shortest of each kind.
    pub all: bool,
}

/// A relation as it was named.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Named {
    /// Its schema.
    pub schema: String,
    /// Its name.
    pub name: String,
    /// One of its columns.
    pub column: Option<String>,
}

/// Why there is no answer.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum ScanError {
    /// Another form of snapshot.
    #[error("the snapshot has form {0}, and this version reads form {form}", form = super::snapshot::FORMAT)]
    Format(u32),
    /// No such relation.
    #[error("there is no relation `{0}` in the database `{1}`")]
    NoRelation(String, String),
    /// No such column.
    #[error("`{0}` has no column `{1}`")]
    NoColumn(String, String),
    /// No such role.
    #[error("there is no role `{0}`")]
    NoRole(String),
}
