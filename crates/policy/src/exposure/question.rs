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

impl ScanError {
    /// What was probably meant, where something in the snapshot is near to it.
    #[must_use]
    pub fn meant(&self, snapshot: &super::Snapshot) -> Option<String> {
        match self {
            Self::NoRole(name) => meant(name, snapshot.roles.iter().map(|role| role.name.clone())),
            Self::NoRelation(title, database) => {
                let here = snapshot.contents.iter().find(|one| one.database == *database)?;
                let schema = |oid| {
                    here.schemas
                        .iter()
                        .find(|one| one.oid == oid)
                        .map(|one| one.name.as_str())
                };
                let titles = here
                    .relations
                    .iter()
                    .filter_map(|one| Some(format!("{}.{}", schema(one.schema)?, one.name)));
                let (_, name) = title.split_once('.')?;
                // The same name in another schema is nearer than another name.
                let elsewhere = titles
                    .clone()
                    .find(|one| one.split_once('.').is_some_and(|(_, known)| known == name));
                elsewhere.or_else(|| meant(title, titles))
            }
            _ => None,
        }
    }
}

fn meant(written: &str, names: impl Iterator<Item = String>) -> Option<String> {
    let names: Vec<String> = names.collect();
    crate::estate::meant(written, names.iter().map(String::as_str)).map(str::to_owned)
}
