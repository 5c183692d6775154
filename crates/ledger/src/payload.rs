//! What a frame of the write-ahead log holds: the entries of one append with their keys and private records.
//!
//! ```text
//! payload = first index u64 | count u32 | stored * count
//! stored  = entry length u32 | record length u32 | key, where there is a record | entry | record
//! ```
//!
//! All numbers little-endian. One append is one frame, so recovery finds it whole or not at all. The highest bit of the record's length
//! says that the record is sealed: the key is then a wrapped one (`keys`). Without it, as earlier versions wrote, the record stands
//! there in plain, after the 32 bytes of its key.

use crate::keys::{TAG_BYTES, WRAPPED_BYTES, Wrapped};

/// Bytes before the first stored entry.
const HEAD_BYTES: usize = 12;

/// Bytes of a stored entry beside entry and record, at most.
pub(crate) const STORED_BYTES: usize = 8 + WRAPPED_BYTES + TAG_BYTES;

const KEY_BYTES: usize = 32;

/// Says, in the record's length, that the record is sealed.
const SEALED: u32 = 1 << 31;

/// A private record as it stands in the log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Private<'a> {
    /// Key and record as earlier versions wrote them.
    Plain(&'a [u8; KEY_BYTES], &'a [u8]),
    /// Wrapped key and sealed record.
    Sealed(&'a [u8; WRAPPED_BYTES], &'a [u8]),
}

/// Writes the head.
pub(crate) fn begin(out: &mut Vec<u8>, first_index: u64, count: u32) {
    out.clear();
    out.extend_from_slice(&first_index.to_le_bytes());
    out.extend_from_slice(&count.to_le_bytes());
}

/// Writes one stored entry. `false`: too long to be counted in 32 bits.
#[must_use]
pub(crate) fn add(out: &mut Vec<u8>, entry: &[u8], private: Option<(&Wrapped, &[u8])>) -> bool {
    let record = private.map_or(&[][..], |(_, record)| record);
    let (Ok(entry_length), Ok(record_length)) = (u32::try_from(entry.len()), u32::try_from(record.len()))
    else {
        return false;
    };
    if record_length >= SEALED {
        return false;
    }
    let sealed = if private.is_some() { SEALED } else { 0 };
    out.extend_from_slice(&entry_length.to_le_bytes());
    out.extend_from_slice(&(record_length | sealed).to_le_bytes());
    if let Some((key, _)) = private {
        out.extend_from_slice(&key.0);
    }
    out.extend_from_slice(entry);
    out.extend_from_slice(record);
    true
}

/// One append as read back.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Appended<'a> {
    pub(crate) first_index: u64,
    pub(crate) count: u32,
    rest: &'a [u8],
}

/// One entry as read back.
#[derive(Clone, Copy)]
pub(crate) struct Item<'a> {
    pub(crate) entry: &'a [u8],
    pub(crate) private: Option<Private<'a>>,
}

impl<'a> Appended<'a> {
    /// Reads a payload; `None` if it is none.
    pub(crate) fn parse(payload: &'a [u8]) -> Option<Self> {
        let (first_index, rest) = payload.split_first_chunk::<8>()?;
        let (count, rest) = rest.split_first_chunk::<4>()?;
        let appended = Self {
            first_index: u64::from_le_bytes(*first_index),
            count: u32::from_le_bytes(*count),
            rest,
        };
        // Every item is there, and nothing else.
        let mut items = appended.items();
        let whole = items.by_ref().count();
        let counted = u32::try_from(whole) == Ok(appended.count) && appended.count > 0;
        (counted && items.rest.is_empty()).then_some(appended)
    }

    /// The entries, in order.
    pub(crate) fn items(&self) -> Items<'a> {
        Items { rest: self.rest }
    }

    /// Index after the last entry; `None` beyond all numbers.
    pub(crate) fn end_index(&self) -> Option<u64> {
        self.first_index.checked_add(self.count.into())
    }
}

/// Goes over the entries of a payload; ends early where the bytes make no sense.
#[derive(Debug, Clone)]
pub(crate) struct Items<'a> {
    rest: &'a [u8],
}

impl<'a> Iterator for Items<'a> {
    type Item = Item<'a>;

    fn next(&mut self) -> Option<Item<'a>> {
        let (entry_length, rest) = self.rest.split_first_chunk::<4>()?;
        let (record_length, rest) = rest.split_first_chunk::<4>()?;
        let entry_length = usize::try_from(u32::from_le_bytes(*entry_length)).ok()?;
        let record_length = u32::from_le_bytes(*record_length);
        let sealed = record_length & SEALED != 0;
        let record_length = usize::try_from(record_length & !SEALED).ok()?;
        let key_bytes = match (record_length, sealed) {
            (0, _) => 0,
            (_, false) => KEY_BYTES,
            (_, true) => WRAPPED_BYTES,
        };
        let (key, rest) = rest.split_at_checked(key_bytes)?;
        let (entry, rest) = rest.split_at_checked(entry_length)?;
        let (record, rest) = rest.split_at_checked(record_length)?;
        self.rest = rest;
        let private = match key.first_chunk() {
            Some(key) if sealed => Some(Private::Sealed(key, record)),
            _ => key.first_chunk().map(|key| Private::Plain(key, record)),
        };
        Some(Item { entry, private })
    }
}

/// Bytes of the payload of an append whose entries and records have these lengths together.
pub(crate) fn payload_bytes(count: usize, contents: usize) -> usize {
    HEAD_BYTES
        .saturating_add(count.saturating_mul(STORED_BYTES))
        .saturating_add(contents)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn what_was_written_is_read(
            parts in prop::collection::vec((prop::collection::vec(any::<u8>(), 1..90), prop::collection::vec(any::<u8>(), 0..90)), 1..9),
            first in any::<u64>(),
        ) {
            let key = Wrapped([7; WRAPPED_BYTES]);
            let mut out = vec![1, 2, 3];
            begin(&mut out, first, u32::try_from(parts.len()).unwrap());
            for (entry, record) in &parts {
                prop_assert!(add(&mut out, entry, (!record.is_empty()).then_some((&key, &record[..]))));
            }
            let contents: usize = parts.iter().map(|(a, b)| a.len() + b.len()).sum();
            prop_assert!(out.len() <= payload_bytes(parts.len(), contents));
            let read = Appended::parse(&out).unwrap();
            prop_assert_eq!(read.first_index, first);
            let read: Vec<_> = read.items().map(|item| (item.entry, item.private)).collect();
            let given: Vec<_> = parts
                .iter()
                .map(|(entry, record)| (&entry[..], (!record.is_empty()).then(|| Private::Sealed(&key.0, &record[..]))))
                .collect();
            prop_assert_eq!(read, given);
            for cut in 0..out.len() {
                prop_assert!(Appended::parse(&out[..cut]).is_none());
            }
        }

        #[test]
        fn what_earlier_versions_wrote_is_read(entry in prop::collection::vec(any::<u8>(), 1..90), record in prop::collection::vec(any::<u8>(), 1..90)) {
            let mut out = Vec::new();
            begin(&mut out, 3, 1);
            out.extend_from_slice(&u32::try_from(entry.len()).unwrap().to_le_bytes());
            out.extend_from_slice(&u32::try_from(record.len()).unwrap().to_le_bytes());
            out.extend_from_slice(&[9; 32]);
            out.extend_from_slice(&entry);
            out.extend_from_slice(&record);
            let read = Appended::parse(&out).unwrap();
            let items: Vec<_> = read.items().map(|item| (item.entry, item.private)).collect();
            prop_assert_eq!(items, [(&entry[..], Some(Private::Plain(&[9; 32], &record[..])))]);
        }

        #[test]
        fn any_bytes_are_read_or_refused(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            if let Some(appended) = Appended::parse(&bytes) {
                prop_assert_eq!(appended.items().count(), appended.count as usize);
            }
        }
    }
}
