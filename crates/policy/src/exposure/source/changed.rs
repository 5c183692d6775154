//! What a statement changes, which RETURNING shows.

use super::Named;
use super::tokens::Token;

/// What a statement changes: rows that were there, and rows that are new unless there is one already.
#[derive(Debug, Default)]
pub(super) struct Changed {
    pub(super) rows: Vec<Named>,
    inserted: Vec<Named>,
}

impl Changed {
    pub(super) fn note(
        &mut self,
        token: &Token,
        named: &Named,
        (before, before_that): (Option<&Token>, Option<&Token>),
    ) {
        let was = |token: Option<&Token>, word: &str| token.is_some_and(|token| token.is(word));
        if token.is("update") && was(before, "do") {
            self.rows.append(&mut self.inserted);
        }
        if token.is("set") || token.is("only") {
            return;
        }
        let updates = was(before, "update") && !was(before_that, "for");
        let deletes = was(before, "from") && was(before_that, "delete");
        let merges = was(before, "into") && was(before_that, "merge");
        let only = was(before, "only") && was(before_that, "update");
        if updates || deletes || merges || only {
            self.rows.push(named.clone());
        } else if was(before, "into") && was(before_that, "insert") {
            self.inserted.push(named.clone());
        }
    }
}
