//! Row conditions: a Cedar expression over a row, and what has the same meaning in SQL.
//!
//! A condition is checked by itself, where it was written. What becomes SQL is what partial evaluation leaves of the policy
//! it is part of ([`crate::row_filter`]), by the same translation.
//!
//! The language is the part of Cedar that means the same in both: `&&`, `||`, `!`, `if`-`then`-`else`, `==`, `!=`, `<`,
//! `<=`, `>`, `>=`, `lessThan` and its like, `like`, `has`, `contains`, `containsAll`, `containsAny`, `isEmpty`, over
//! `resource.COLUMN` and constants. Anything else is refused with its place; nothing is approximated.
//!
//! How NULL agrees: a required column is an attribute that is always there and the catalog must say NOT NULL; an optional
//! one is an attribute that may be missing, and `has` is `IS NOT NULL`. Cedar's strict validation insists on a `has`
//! guard before each access to an optional attribute, so that Cedar never errs where SQL would compute with NULL.
//! The belt to these braces: what is unknown all the same is not shown, and stays unknown through `if` and `!`.
//!
//! What Cedar has no value for: a NaN in a `numeric` column makes every comparison with it unknown, and so whatever hangs on
//! that. An infinite date or time is later, or earlier, than every other.

mod compare;
mod compile;
mod decimal;
mod explain;
mod instant;
mod lower;
mod nesting;
mod refusal;
mod render;
mod schema;
mod term;

#[cfg(test)]
mod tests;

use std::collections::BTreeSet;

use crate::estate::{Dataset, SqlName};

pub(crate) use lower::residual;
pub use refusal::{ConditionError, Reason};
pub(crate) use render::{boolean as boolean_sql, is_false as is_false_sql};
pub(crate) use schema::entity_declaration;
pub use schema::{RowType, attribute_type, entity_type};
pub(crate) use term::Term;

/// Longest condition, in bytes. Statutes are longer; conditions on a row are not.
pub const MAX_CONDITION_BYTES: usize = 8 * 1024;

/// Deepest nesting of a condition, chains of `&&` and of `||` counted once: beyond what anyone can read, and far from
/// what would exhaust a stack here or in PostgreSQL.
pub const MAX_DEPTH: usize = 48;

/// Most `&&` and `||` in a condition, and most steps of any other chain: Cedar's own code follows a chain by recursion, here,
/// at each check and in each gateway, on threads whose stack is 2 MiB.
pub const MAX_CHAIN: usize = 256;

/// How much deeper what remains of a policy may be than the condition it is made of: Cedar writes `a >= b` as `!(a < b)`.
const RESIDUAL_DEPTH: usize = MAX_DEPTH + 8;

/// A condition on the rows of one data set: valid against its columns, and sure to have the same meaning in SQL.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Condition {
    cedar: String,
    columns: BTreeSet<SqlName>,
}

impl Condition {
    /// Parses, validates and tries to translate a Cedar expression over `resource`, a row of this data set.
    ///
    /// # Errors
    /// The text is not a Cedar expression, not valid for this data set, or uses what has no equal in SQL.
    pub fn compile(source: &str, dataset: &Dataset) -> Result<Self, ConditionError> {
        Self::compile_for(source, &RowType::new(dataset))
    }

    /// The same for one of many conditions on one data set's rows.
    ///
    /// # Errors
    /// As [`Condition::compile`].
    pub fn compile_for(source: &str, row: &RowType<'_>) -> Result<Self, ConditionError> {
        if let Some(known) = row.known.borrow().get(source) {
            return known.clone();
        }
        let compiled = compile::compile(source, row);
        let mut known = row.known.borrow_mut();
        known.insert(source.to_owned(), compiled.clone());
        compiled
    }

    /// The condition in Cedar, as it was written. By itself an expression; a line's end must follow, since it may end in a
    /// comment.
    #[must_use]
    pub fn cedar(&self) -> &str {
        &self.cedar
    }

    /// The columns it reads.
    #[must_use]
    pub fn columns(&self) -> &BTreeSet<SqlName> {
        &self.columns
    }
}
