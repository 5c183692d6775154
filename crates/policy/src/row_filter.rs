//! Which rows the policies permit, as SQL: what is decided is what is compiled.
//!
//! The policies that could permit or forbid reading are evaluated by Cedar as far as they can be without the row
//! (type-aware partial evaluation): who, under which agreement, for what, which column, masked or not, are known; the row
//! is not. What remains of each policy is a condition on the row, and is translated like one.
//!
//! A row is shown if what remains of some permit is true and what remains of each forbid `IS FALSE`. Where PostgreSQL
//! holds a value that Cedar has none for, so that a policy is neither, the row is not shown.

mod ask;
mod known;

use cedar_policy::{Policy, PolicyId, PolicySet, Schema};
use evidence::id::{AgreementId, PartnerId, PurposeId};

use crate::condition::{ConditionError, Term, boolean_sql, is_false_sql};
use crate::estate::{CaseForm, Dataset, Validity};

/// The question which rows of a data set may be read.
#[derive(Debug, Clone, Copy)]
pub struct Question<'a> {
    /// By whom.
    pub partner: &'a PartnerId,
    /// Under which agreement.
    pub agreement: &'a AgreementId,
    /// When that is in force: the answer holds as long.
    pub valid: Validity,
    /// What for.
    pub purpose: &'a PurposeId,
    /// The case reference that everybody must state who reads under it, if they must.
    pub case: Option<&'a CaseForm>,
    /// Which column of it.
    pub column: &'a str,
    /// Whether a mask is shown in the column's stead.
    pub masked: bool,
    /// Whether the rows are counted by it, and not shown.
    pub aggregate: bool,
}

/// Why policies cannot be compiled.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RowFilterError {
    /// A policy asks what is not known when a view is made.
    #[error("policy `{policy}` depends on {what}, which a view cannot know")]
    Unknown {
        /// The policy.
        policy: String,
        /// On what.
        what: &'static str,
    },
    /// A policy would fail whatever the row is.
    #[error("policy `{0}` can only end in an error")]
    Errs(String),
    /// What remains of a policy has no equal in SQL.
    #[error("what policy `{policy}` asks of a row cannot be SQL: {error}")]
    Condition {
        /// The policy.
        policy: String,
        /// What of it.
        error: Box<ConditionError>,
    },
    /// Cedar does not take the question or the policies.
    #[error("the policies cannot be evaluated: {0}")]
    Cedar(String),
}

/// What the policies say of one column, shown bare or masked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RowFilter {
    /// What remains of each permit that remains, by its id.
    permits: Vec<(PolicyId, Term)>,
    forbids: Vec<Term>,
}

impl RowFilter {
    /// Evaluates these policies as far as they can be without the row, and translates what remains.
    ///
    /// # Errors
    /// A policy depends on something else that is not known (the officer, the case, a single row, the time within the
    /// agreement's validity), is not valid, or asks the row something that has no equal in SQL.
    pub fn compile(
        policies: &PolicySet,
        schema: &Schema,
        dataset: &Dataset,
        question: &Question<'_>,
    ) -> Result<Self, RowFilterError> {
        check_known(policies.policies(), question)?;
        Self::compile_known(policies, schema, dataset, question)
    }

    /// The same of policies that are known to depend on nothing else: checked, or made of conditions, which ask only the row.
    pub(crate) fn compile_known(
        policies: &PolicySet,
        schema: &Schema,
        dataset: &Dataset,
        question: &Question<'_>,
    ) -> Result<Self, RowFilterError> {
        ask::ask(policies, schema, dataset, question)
    }

    /// The rows that some permit permits and nothing forbids.
    #[must_use]
    pub fn rows(&self) -> Rows {
        self.rows_by(|_| true)
    }

    /// The rows that one of these permits permits and nothing forbids.
    #[must_use]
    pub fn rows_by(&self, mut permit: impl FnMut(&PolicyId) -> bool) -> Rows {
        let mut any = Vec::new();
        for (_, term) in self.permits.iter().filter(|(id, _)| permit(id)) {
            add(&mut any, term);
        }
        let mut rows = Rows::default();
        rows.add(Part {
            any,
            none: self.forbids.clone(),
        });
        rows
    }
}

/// Refuses policies that depend on something that is not known when a view is made.
pub(crate) fn check_known<'a>(
    policies: impl IntoIterator<Item = &'a Policy>,
    question: &Question<'_>,
) -> Result<(), RowFilterError> {
    policies
        .into_iter()
        .try_for_each(|policy| known::check(policy, question))
}

/// Some of a data set's rows.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Rows {
    /// The rows of any of these.
    parts: Vec<Part>,
}

/// Rows of which any of some terms is true, and all of others are false.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Part {
    any: Vec<Term>,
    none: Vec<Term>,
}

impl Rows {
    /// These rows and those.
    #[must_use]
    pub fn and_also(&self, others: &Self) -> Self {
        let mut all = self.clone();
        for part in &others.parts {
            all.add(part.clone());
        }
        all
    }

    /// Whether they are all there are, whatever is in them.
    #[must_use]
    pub fn are_all(&self) -> bool {
        self.parts.iter().any(Part::is_all)
    }

    /// Whether there can be none.
    #[must_use]
    pub fn are_none(&self) -> bool {
        self.parts.is_empty()
    }

    /// Whether these are written as rows of those: then they are.
    #[must_use]
    pub fn are_within(&self, others: &Self) -> bool {
        let within = |part: &Part| others.parts.iter().any(|other| part.is_within(other));
        others.are_all() || self.parts.iter().all(within)
    }

    /// The rows as an SQL boolean to stand after `WHERE` or `WHEN`, where NULL is as good as false, reading the base row
    /// under this alias.
    #[must_use]
    pub fn sql(&self, alias: &str) -> String {
        if self.are_all() {
            return "TRUE".to_owned();
        }
        let parts: Vec<String> = self.parts.iter().map(|part| part.sql(alias)).collect();
        match parts.as_slice() {
            [] => "FALSE".to_owned(),
            [part] => part.clone(),
            _ => format!("({})", parts.join(" OR ")),
        }
    }

    fn add(&mut self, part: Part) {
        if part.any.is_empty() || part.none.contains(&Term::Constant(true)) {
            return;
        }
        match self.parts.iter_mut().find(|known| same(&known.none, &part.none)) {
            Some(known) => {
                for term in &part.any {
                    add(&mut known.any, term);
                }
            }
            None => self.parts.push(part),
        }
    }
}

impl Part {
    fn is_all(&self) -> bool {
        self.any.contains(&Term::Constant(true)) && self.none.is_empty()
    }

    fn is_within(&self, other: &Self) -> bool {
        let any =
            other.any.contains(&Term::Constant(true)) || self.any.iter().all(|term| other.any.contains(term));
        any && other.none.iter().all(|term| self.none.contains(term))
    }

    fn sql(&self, alias: &str) -> String {
        let any: Vec<String> = self.any.iter().map(|term| boolean_sql(term, alias)).collect();
        let mut all: Vec<String> = match any.as_slice() {
            _ if self.any.contains(&Term::Constant(true)) => Vec::new(),
            [one] => vec![one.clone()],
            _ => vec![format!("({})", any.join(" OR "))],
        };
        all.extend(self.none.iter().map(|term| is_false_sql(term, alias)));
        match all.as_slice() {
            [] => "TRUE".to_owned(),
            [one] => one.clone(),
            _ => format!("({})", all.join(" AND ")),
        }
    }
}

/// One more term of which any may be true: once, and nothing but TRUE beside TRUE.
fn add(any: &mut Vec<Term>, term: &Term) {
    match term {
        Term::Constant(false) => {}
        Term::Constant(true) => *any = vec![Term::Constant(true)],
        _ if any.contains(term) || any.contains(&Term::Constant(true)) => {}
        _ => any.push(term.clone()),
    }
}

fn same(left: &[Term], right: &[Term]) -> bool {
    left.len() == right.len() && left.iter().all(|term| right.contains(term))
}

#[cfg(test)]
mod tests;
