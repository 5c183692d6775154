//! Verdicts by text, bounded: two generations, of which the older is dropped when the younger is full.
//!
//! A text that is used at least once in a generation stays; that is close to "least recently used" at the price of two
//! look-ups. The whole text is the key: a hash alone would let a partner look for a collision.

use std::collections::HashMap;

use super::verdict::Verdict;

/// Texts in a generation. A client's own statements are some dozens, its drivers' some hundreds.
const GENERATION_TEXTS: usize = 4096;

/// Bytes of texts in a generation.
const GENERATION_BYTES: usize = 4 * 1024 * 1024;

/// Longest text that is remembered: longer ones carry their data in them and do not come again.
const TEXT_BYTES_MAX: usize = 16 * 1024;

#[derive(Debug, Default)]
pub(super) struct Cache {
    young: HashMap<Box<[u8]>, Verdict>,
    young_bytes: usize,
    old: HashMap<Box<[u8]>, Verdict>,
}

impl Cache {
    pub(super) fn find(&mut self, text: &[u8]) -> Option<Verdict> {
        if let Some(verdict) = self.young.get(text) {
            return Some(verdict.clone());
        }
        let (key, verdict) = self.old.remove_entry(text)?;
        self.keep(key, verdict.clone());
        Some(verdict)
    }

    pub(super) fn insert(&mut self, text: &[u8], verdict: &Verdict) {
        if text.len() <= TEXT_BYTES_MAX {
            self.keep(text.into(), verdict.clone());
        }
    }

    fn keep(&mut self, text: Box<[u8]>, verdict: Verdict) {
        let bytes = self.young_bytes.saturating_add(text.len());
        if self.young.len() >= GENERATION_TEXTS || bytes > GENERATION_BYTES {
            self.old = std::mem::take(&mut self.young);
            self.young_bytes = 0;
        }
        let added = text.len();
        if self.young.insert(text, verdict).is_none() {
            self.young_bytes = self.young_bytes.saturating_add(added);
        }
    }

    #[cfg(test)]
    pub(super) fn texts(&self) -> usize {
        self.young.len() + self.old.len()
    }
}
