//! What the answers to `Parse`, `Bind` and `Close` will mean for the names, in the order they were sent.

use std::collections::VecDeque;

use super::attribution::Columns;
use super::names::Serial;

/// One message that changes what a name means.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Change {
    Parse(Vec<u8>, Serial),
    Bind(Vec<u8>, Serial),
    CloseStatement(Vec<u8>),
    ClosePortal(Vec<u8>),
}

/// A question for the columns of a result.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Question {
    /// Where they will stand.
    pub(super) columns: Columns,
    /// It is the gateway's own: the client does not see the answer.
    pub(super) hidden: bool,
}

#[derive(Debug, PartialEq, Eq)]
enum Item {
    Change(Change),
    Describe(Question),
    /// A simple query, or what stands for one: it ends in `ReadyForQuery` whatever happens, unless it is skipped.
    Query,
    /// Upstream skips to here after an error in the extended protocol.
    Sync,
}

/// The changes that upstream has not answered.
#[derive(Debug, Default)]
pub(super) struct Pending(VecDeque<Item>);

impl Pending {
    pub(super) fn change(&mut self, change: Change) {
        self.0.push_back(Item::Change(change));
    }

    pub(super) fn describe(&mut self, question: Question) {
        self.0.push_back(Item::Describe(question));
    }

    /// Whether these columns are asked for already.
    pub(super) fn asks_for(&self, columns: &Columns) -> bool {
        let asks = |item: &Item| matches!(item, Item::Describe(asked) if asked.columns == *columns);
        self.0.iter().rev().any(asks)
    }

    /// The question that upstream answers now.
    pub(super) fn described(&mut self) -> Option<Question> {
        match self.0.pop_front_if(|item| matches!(item, Item::Describe(_))) {
            Some(Item::Describe(question)) => Some(question),
            _ => None,
        }
    }

    pub(super) fn query(&mut self) {
        self.0.push_back(Item::Query);
    }

    pub(super) fn sync(&mut self) {
        self.0.push_back(Item::Sync);
    }

    /// The change that upstream acknowledges now.
    pub(super) fn acknowledged(&mut self) -> Option<Change> {
        match self.0.pop_front_if(|item| matches!(item, Item::Change(_))) {
            Some(Item::Change(change)) => Some(change),
            _ => None,
        }
    }

    /// `ReadyForQuery` came.
    pub(super) fn ready(&mut self) {
        self.0
            .pop_front_if(|item| matches!(item, Item::Query | Item::Sync));
    }

    /// An error came: the changes that upstream has refused or will skip.
    pub(super) fn failed(&mut self) -> Vec<Change> {
        let mut lost = Vec::new();
        if matches!(self.0.front(), Some(Item::Query)) {
            return lost;
        }
        while let Some(item) = self.0.pop_front_if(|item| !matches!(item, Item::Sync)) {
            if let Item::Change(change) = item {
                lost.push(change);
            }
        }
        lost
    }
}
