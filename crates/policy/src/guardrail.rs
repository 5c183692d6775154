//! Guardrails: what no agreement may permit, written in Cedar by whoever reads the statute.
//!
//! A guardrail is a Cedar policy with an `@id` and a `@citation`. A `forbid` says what no agreement may permit. The
//! `permit`s of one file are a list of exceptions, as a statute has them: what the head of any of them covers may be
//! permitted only as at least one of them permits it. The statute as a whole is: permit everything, but for that.
//!
//! Over the estate's schema come names that stand for several things, and are written out here, since the model has no
//! hierarchies: `resource in Tag::"t"` (data sets of that tag), `resource in Dataset::"d"`, `context.column in
//! ColumnTag::"t"`, `principal in Partner::"p"`, `principal in PartnerTag::"t"`.
//!
//! Each guardrail is written out for each place where it can have a say: connecting, and reading of each data set. Where a
//! data set lacks a column that a condition of `when` asks for, the guardrail says nothing of that data set, and a note says
//! so; where the missing column could turn the answer round (in `unless`, `||`, `if`), or the guardrail names the data set, it
//! is refused. What the relation has and the file leaves out is found with the catalog ([`Spared`]).

mod expand;
mod fault;
mod names;
mod notes;
mod rules;
mod spared;
mod split;
mod vocabulary;

#[cfg(test)]
mod tests;

use std::collections::BTreeSet;

use evidence::id::DatasetId;

use crate::condition::entity_type;
use crate::estate::{Estate, Finding};

pub use fault::GuardrailFault;
pub(crate) use split::{policies_of, too_deep};

/// Longest guardrail, in bytes.
pub const MAX_GUARDRAIL_BYTES: usize = 8 * 1024;

/// Most guardrails of an estate: every one is written out for every data set.
pub const MAX_GUARDRAILS: usize = 1_000;

/// A file of `guardrails/`, whose syntax is right.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GuardrailFile {
    /// Path of the file.
    pub file: String,
    /// Its text.
    pub text: String,
}

/// What a guardrail says of what it covers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Effect {
    /// It may not be permitted.
    Forbid,
    /// It may be permitted only so, or as another one of the same file says.
    Only,
}

/// One guardrail, as it was written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Guardrail {
    /// Its `@id`.
    pub id: String,
    /// Its `@citation`.
    pub citation: String,
    /// What it says.
    pub effect: Effect,
    /// The file it stands in.
    pub file: String,
    /// Where it begins: line, from 1.
    pub line: usize,
    /// Where it begins: column in characters, from 1.
    pub column: usize,
    /// Its text.
    pub text: String,
}

/// Where a guardrail can have a say.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Place {
    /// Whether an officer may connect.
    Connect,
    /// Whether a column of a row of this data set may be read.
    Read(DatasetId),
}

impl Place {
    /// The type of resource that is decided about.
    #[must_use]
    pub fn resource(&self) -> String {
        match self {
            Self::Connect => "Agreement".to_owned(),
            Self::Read(dataset) => entity_type(dataset),
        }
    }

    /// The action's id.
    #[must_use]
    pub fn action(&self) -> &'static str {
        match self {
            Self::Connect => "connect",
            Self::Read(_) => "read",
        }
    }
}

/// One `forbid` over the estate's schema, for one place, as solvers and the authorizer take it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rule {
    /// Its id as a policy.
    pub id: String,
    /// The ids of the guardrails it was written out of: one, or all exceptions of a file.
    pub guardrails: Vec<String>,
    /// Where.
    pub place: Place,
    /// Its text.
    pub text: String,
}

/// All guardrails of an estate.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Statute {
    guardrails: Vec<Guardrail>,
    rules: Vec<Rule>,
    notes: Vec<String>,
    spared: BTreeSet<Spared>,
}

/// A column that a data set's file has not and that a guardrail asks for, such that rows without it come off more lightly. If
/// the relation has it, the file leaves out what the guardrail is about.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Spared {
    /// The data set.
    pub dataset: DatasetId,
    /// The column.
    pub column: String,
    /// The guardrail's id.
    pub guardrail: String,
}

impl Statute {
    /// Writes out guardrails over an estate.
    ///
    /// # Errors
    /// Everything that is wrong with them, each with its place.
    pub(crate) fn compile(estate: &Estate, files: &[GuardrailFile]) -> Result<Self, Vec<Finding>> {
        rules::compile(estate, files)
    }

    /// The guardrails, in the order of their files.
    #[must_use]
    pub fn guardrails(&self) -> &[Guardrail] {
        &self.guardrails
    }

    /// The guardrail of this id.
    #[must_use]
    pub fn guardrail(&self, id: &str) -> Option<&Guardrail> {
        self.guardrails.iter().find(|guardrail| guardrail.id == id)
    }

    /// Columns that data sets have not and that guardrails ask for.
    #[must_use]
    pub fn spared(&self) -> &BTreeSet<Spared> {
        &self.spared
    }

    /// What they are written out to.
    #[must_use]
    pub fn rules(&self) -> &[Rule] {
        &self.rules
    }

    /// The rule whose policy has this id.
    #[must_use]
    pub fn rule(&self, policy: &str) -> Option<&Rule> {
        self.rules.iter().find(|rule| rule.id == policy)
    }

    /// What is not wrong, and may not be meant: what a guardrail says nothing of, names that nothing bears.
    #[must_use]
    pub fn notes(&self) -> &[String] {
        &self.notes
    }

    /// The statute as Cedar policies: everything is permitted but for the rules.
    #[must_use]
    pub fn policies(&self) -> String {
        let rules: String = self
            .rules
            .iter()
            .map(|rule| format!("{}\n\n", rule.text))
            .collect();
        format!("{EVERYTHING}\n\n{rules}")
    }
}

/// What is permitted before the rules forbid.
const EVERYTHING: &str = "@id(\"everything\")\npermit (principal, action, resource);";
