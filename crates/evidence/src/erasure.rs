//! Which entries an erasure is about: the public body of an `erased` entry, so that everybody can tell what was erased from
//! what is merely not shown.
//!
//! Lines `erased <index>` or `erased <first>-<last>`, ascending. What stands in between two ranges is not erased; an entry in
//! a range that has no private record has nothing to lose. An `unsealed` entry says in the same way, with its own word, what was
//! opened. The format stands in `docs/formats.md`.

use std::collections::BTreeSet;
use std::fmt;
use std::ops::RangeInclusive;

use crate::entry::text::parse_decimal;

/// Longest body in bytes, so that the entry around it is no longer than an entry can be.
pub const MAX_BODY_BYTES: usize = 60_000;

/// Indexes of entries, as ranges.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Erased(Vec<RangeInclusive<u64>>);

/// A text that is no such body.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not a list of erased entries: lines `erased <first>` or `erased <first>-<last>`, ascending")]
pub struct ErasedError;

impl Erased {
    /// The entries, as few ranges as there can be.
    #[must_use]
    pub fn of(entries: &BTreeSet<u64>) -> Self {
        let mut ranges: Vec<RangeInclusive<u64>> = Vec::new();
        for entry in entries {
            match ranges.last_mut() {
                Some(last) if last.end().checked_add(1) == Some(*entry) => *last = *last.start()..=*entry,
                _ => ranges.push(*entry..=*entry),
            }
        }
        Self(ranges)
    }

    /// Reads a body. Only what is written is read.
    ///
    /// # Errors
    /// It is anything else, or empty.
    pub fn parse(body: &str) -> Result<Self, ErasedError> {
        Self::parse_of("erased ", body)
    }

    /// Reads the body of an `unsealed` entry. Only what is written is read.
    ///
    /// # Errors
    /// It is anything else, or empty.
    pub fn parse_unsealed(body: &str) -> Result<Self, ErasedError> {
        Self::parse_of("unsealed ", body)
    }

    /// The body of an `unsealed` entry about these entries.
    #[must_use]
    pub fn unsealed_body(&self) -> String {
        self.to_string().replace("erased ", "unsealed ")
    }

    fn parse_of(word: &str, body: &str) -> Result<Self, ErasedError> {
        let mut ranges = Vec::new();
        let mut after = Some(0_u64);
        for line in body.strip_suffix('\n').ok_or(ErasedError)?.split('\n') {
            let text = line.strip_prefix(word).ok_or(ErasedError)?;
            let (first, last) = match text.split_once('-') {
                None => {
                    let one = parse_decimal(text).ok_or(ErasedError)?;
                    (one, one)
                }
                Some((first, last)) => {
                    let number = |text| parse_decimal(text).ok_or(ErasedError);
                    let (first, last) = (number(first)?, number(last)?);
                    if first >= last {
                        return Err(ErasedError);
                    }
                    (first, last)
                }
            };
            // One that touches the range before it would be part of it.
            if after.is_none_or(|after| first < after) {
                return Err(ErasedError);
            }
            after = last.checked_add(2);
            ranges.push(first..=last);
        }
        Ok(Self(ranges))
    }

    /// Whether an entry is among them.
    #[must_use]
    pub fn holds(&self, entry: u64) -> bool {
        let after = self.0.partition_point(|range| *range.start() <= entry);
        let before = after.checked_sub(1).and_then(|at| self.0.get(at));
        before.is_some_and(|range| range.contains(&entry))
    }

    /// Whether any of these entries, `first` to `last`, is among them.
    #[must_use]
    pub fn meets(&self, first: u64, last: u64) -> bool {
        let at = self.0.partition_point(|range| *range.end() < first);
        self.0.get(at).is_some_and(|range| *range.start() <= last)
    }

    /// The ranges, ascending.
    #[must_use]
    pub fn ranges(&self) -> &[RangeInclusive<u64>] {
        &self.0
    }
}

impl fmt::Display for Erased {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for range in &self.0 {
            match (range.start(), range.end()) {
                (first, last) if first == last => writeln!(f, "erased {first}")?,
                (first, last) => writeln!(f, "erased {first}-{last}")?,
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn what_is_written_is_read_and_says_exactly_these(
            entries in prop::collection::btree_set(prop_oneof![0_u64..80, u64::MAX - 3..=u64::MAX], 1..40),
        ) {
            let erased = Erased::of(&entries);
            let read = Erased::parse(&erased.to_string()).unwrap();
            prop_assert_eq!(&read, &erased);
            prop_assert_eq!(&Erased::parse_unsealed(&erased.unsealed_body()).unwrap(), &erased);
            prop_assert!(Erased::parse(&erased.unsealed_body()).is_err());
            for entry in (0..90).chain(u64::MAX - 5..=u64::MAX) {
                prop_assert_eq!(read.holds(entry), entries.contains(&entry), "{}", entry);
                let meets = entries.range(entry..=entry.saturating_add(3)).next().is_some();
                prop_assert_eq!(read.meets(entry, entry.saturating_add(3)), meets);
            }
        }

        #[test]
        fn what_is_read_is_written_the_same(text in "(erased [0-9]{1,2}(-[0-9]{1,2})?\n){0,3}") {
            if let Ok(erased) = Erased::parse(&text) {
                prop_assert_eq!(erased.to_string(), text);
            }
        }
    }

    #[test]
    fn other_spellings_are_refused() {
        for text in [
            "",
            "\n",
            "erased 1",
            "erased 01\n",
            "erased 2-2\n",
            "erased 3-2\n",
            "erased 1\nerased 2\n",
            "erased 5\nerased 3\n",
            "erased 1-4\nerased 3-6\n",
            "erased  1\n",
            "erased 1\n\n",
            "erased 18446744073709551616\n",
        ] {
            assert_eq!(Erased::parse(text), Err(ErasedError), "{text:?}");
        }
        assert!(Erased::parse("erased 18446744073709551615\n").is_ok());
    }
}
