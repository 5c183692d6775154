//! Which text and parameters stand behind a prepared statement's or a portal's name.
//!
//! The record of a statement must name the text that runs, whatever a client does to the names. A name therefore
//! has what upstream has confirmed and what is on its way; and whatever could give a name another meaning behind
//! this table (SQL's own `PREPARE`, `DECLARE`, `CLOSE`, `DEALLOCATE`, `DISCARD`) takes the name out of it: the
//! worst that can happen to a client is an error, never a wrong record.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;

use evidence::record::Parameter;

use super::attribution::{Columns, Formats};
use crate::limits::{NAMED, NAMED_BYTES};
use crate::views::Reads;

/// A statement's text and what the filter found out about it.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Prepared {
    pub(crate) text: Arc<str>,
    /// The case reference it sets when it runs: `Some(None)` sets it back to what the session began with.
    pub(crate) sets_case: Option<Option<String>>,
    /// What it does to names when it runs.
    pub(crate) renames: Renames,
    /// What it may read.
    pub(crate) reads: Arc<Reads>,
    /// The columns of its result.
    pub(crate) columns: Columns,
}

/// A portal: a prepared statement with parameters.
#[derive(Clone, Debug)]
pub(crate) struct Portal {
    pub(crate) prepared: Arc<Prepared>,
    pub(crate) parameters: Arc<[Parameter]>,
    /// The columns of its result: those of its statement, or, where these can be others each time, its own.
    pub(crate) columns: Columns,
    pub(crate) formats: Formats,
}

/// What a statement does to the names that the protocol and SQL share.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Renames {
    /// It may give prepared statements other meanings.
    pub(crate) statements: bool,
    /// It may give portals other meanings.
    pub(crate) portals: bool,
}

/// More names, or more text behind them, than one session may hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct TooMany;

/// Names of one sort.
#[derive(Debug)]
pub(crate) struct Names<T> {
    held: HashMap<Vec<u8>, Meaning<T>>,
    bytes: usize,
    next: u64,
}

/// Which of the meanings that were sent for a name an answer is about. A name that was forgotten and sent again
/// must not be confirmed by the answer to what was sent before.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Serial(u64);

#[derive(Debug)]
struct Meaning<T> {
    /// What upstream has confirmed.
    confirmed: Option<(T, usize)>,
    /// What has been sent and neither confirmed nor refused yet, oldest first.
    sent: VecDeque<Sent<T>>,
}

#[derive(Debug)]
struct Sent<T> {
    serial: Serial,
    value: T,
    bytes: usize,
}

impl<T> Names<T> {
    pub(crate) fn new() -> Self {
        Self {
            held: HashMap::new(),
            bytes: 0,
            next: 0,
        }
    }

    /// What `name` means to a message that is sent now.
    pub(crate) fn meaning(&self, name: &[u8]) -> Option<&T> {
        let meaning = self.held.get(name)?;
        let sent = meaning.sent.back().map(|sent| &sent.value);
        sent.or(meaning.confirmed.as_ref().map(|(value, _)| value))
    }

    /// Says that a message that gives `name` a meaning of `bytes` bytes is being sent.
    pub(crate) fn sent(&mut self, name: &[u8], value: T, bytes: usize) -> Result<Serial, TooMany> {
        let bytes = bytes.saturating_add(name.len());
        let fits = self.held.contains_key(name) || self.held.len() < NAMED;
        if !fits || self.bytes.saturating_add(bytes) > NAMED_BYTES {
            return Err(TooMany);
        }
        self.bytes = self.bytes.saturating_add(bytes);
        let serial = Serial(self.next);
        self.next = self.next.wrapping_add(1);
        let new = || Meaning {
            confirmed: None,
            sent: VecDeque::new(),
        };
        self.held
            .entry(name.to_vec())
            .or_insert_with(new)
            .sent
            .push_back(Sent { serial, value, bytes });
        Ok(serial)
    }

    /// Says that upstream has confirmed what was sent for `name` as `serial`.
    pub(crate) fn confirmed(&mut self, name: &[u8], serial: Serial) {
        let Some(Sent { value, bytes, .. }) = self.answered(name, serial) else {
            return;
        };
        let Some(meaning) = self.held.get_mut(name) else {
            return;
        };
        if let Some((_, bytes)) = meaning.confirmed.replace((value, bytes)) {
            self.bytes = self.bytes.saturating_sub(bytes);
        }
    }

    /// Says that upstream has refused or skipped what was sent for `name` as `serial`; returns what that was.
    pub(crate) fn failed(&mut self, name: &[u8], serial: Serial) -> Option<T> {
        let sent = self.answered(name, serial)?;
        self.bytes = self.bytes.saturating_sub(sent.bytes);
        // PostgreSQL drops the unnamed statement or portal before it looks at the new one.
        if name.is_empty() {
            self.closed(name);
        } else {
            self.tidy(name);
        }
        Some(sent.value)
    }

    /// Forgets what upstream has confirmed for `name`: it is closed.
    pub(crate) fn closed(&mut self, name: &[u8]) {
        let Some(meaning) = self.held.get_mut(name) else {
            return;
        };
        if let Some((_, bytes)) = meaning.confirmed.take() {
            self.bytes = self.bytes.saturating_sub(bytes);
        }
        self.tidy(name);
    }

    /// Forgets all that upstream has confirmed: it has dropped them by itself.
    pub(crate) fn expire(&mut self) {
        let freed = self
            .held
            .values_mut()
            .filter_map(|meaning| meaning.confirmed.take());
        self.bytes = freed.fold(self.bytes, |bytes, (_, gone)| bytes.saturating_sub(gone));
        self.held.retain(|_, meaning| !meaning.sent.is_empty());
    }

    /// Forgets everything: nothing that was sent before this can be meant by what is sent after it.
    pub(crate) fn forget(&mut self) {
        self.held.clear();
        self.bytes = 0;
    }

    fn answered(&mut self, name: &[u8], serial: Serial) -> Option<Sent<T>> {
        self.held
            .get_mut(name)?
            .sent
            .pop_front_if(|sent| sent.serial == serial)
    }

    fn tidy(&mut self, name: &[u8]) {
        if self
            .held
            .get(name)
            .is_some_and(|meaning| meaning.confirmed.is_none() && meaning.sent.is_empty())
        {
            self.held.remove(name);
        }
    }
}

#[cfg(test)]
mod tests;
