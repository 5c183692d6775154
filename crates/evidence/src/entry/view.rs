//! An entry as it is read: its fields where they stand in the bytes. Nothing is copied, so that a log of millions is read at the speed of its
//! hashes.

use jiff::Timestamp;

use super::{Entry, EntryError, HEADER, Kind, MAX_ENTRY_BYTES, Place, check, text};
use crate::hash::Hash;
use crate::id::{AgreementId, PartnerId, PurposeId};

/// An entry that lies in a buffer. The same fields as [`Entry`], under the same rules.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct EntryView<'a> {
    /// What the entry is about.
    pub kind: Kind,
    /// When it was appended, in whole seconds.
    pub time: Timestamp,
    /// The partner it concerns: the text of a [`PartnerId`].
    pub partner: Option<&'a str>,
    /// The agreement it concerns: the text of an [`AgreementId`].
    pub agreement: Option<&'a str>,
    /// The purpose it concerns: the text of a [`PurposeId`].
    pub purpose: Option<&'a str>,
    /// Where it stands in the partner's log.
    pub place: Option<Place>,
    /// Commitment to the private record, if there is one.
    pub commitment: Option<Hash>,
    /// Text for the public.
    pub body: Option<&'a str>,
}

impl<'a> EntryView<'a> {
    /// Reads an entry. Only what [`Entry::encode`] writes is read, so every entry has one encoding.
    ///
    /// # Errors
    /// The bytes are no entry: what is wrong, and on which line.
    pub fn parse(bytes: &'a [u8]) -> Result<Self, EntryError> {
        if bytes.len() > MAX_ENTRY_BYTES {
            return Err(EntryError::TooLong { bytes: bytes.len() });
        }
        let text = std::str::from_utf8(bytes).map_err(|error| EntryError::NotText {
            at: error.valid_up_to(),
        })?;
        let mut lines = Lines {
            rest: text,
            number: 0,
        };
        if lines.next()? != Some(HEADER) {
            return Err(lines.expected("`estop/entry/v1`"));
        }
        let entry = Self {
            kind: lines.required("kind", "`kind` and a known kind", |text| text.parse().ok())?,
            time: lines.required(
                "time",
                "`time` and a time such as `2026-11-23T00:00:00Z`",
                text::parse_time,
            )?,
            partner: lines.optional("partner", "a partner's id", |text| {
                PartnerId::is(text).then_some(text)
            })?,
            agreement: lines.optional("agreement", "an agreement's id", |text| {
                AgreementId::is(text).then_some(text)
            })?,
            purpose: lines.optional("purpose", "a purpose's id", |text| {
                PurposeId::is(text).then_some(text)
            })?,
            place: lines.place()?,
            commitment: lines.optional("commitment", "32 bytes in base64", |text| text.parse().ok())?,
            body: lines.body()?,
        };
        check(
            entry.kind,
            entry.partner.is_some(),
            entry.place.is_some(),
            entry.body,
        )?;
        Ok(entry)
    }

    /// The partner in whose log it stands, if it stands in one.
    pub fn in_log_of(&self) -> Option<PartnerId> {
        // Was held against the rules of ids when the view was made.
        self.place.and(self.partner)?.parse().ok()
    }

    /// The same entry with its fields by themselves.
    pub fn to_entry(&self) -> Entry {
        // What is read back here was held against the same rules when the view was made.
        Entry {
            kind: self.kind,
            time: self.time,
            partner: self.partner.and_then(|text| text.parse().ok()),
            agreement: self.agreement.and_then(|text| text.parse().ok()),
            purpose: self.purpose.and_then(|text| text.parse().ok()),
            place: self.place,
            commitment: self.commitment,
            body: self.body.map(str::to_owned),
        }
    }
}

/// What has not been read yet, from the beginning of a line on.
struct Lines<'a> {
    rest: &'a str,
    /// Number of the line read last.
    number: usize,
}

impl<'a> Lines<'a> {
    /// That the line read last is another.
    fn expected(&self, expected: &'static str) -> EntryError {
        EntryError::Line {
            line: self.number,
            expected,
        }
    }

    /// The next line without its line feed; `None` at the end.
    fn next(&mut self) -> Result<Option<&'a str>, EntryError> {
        self.number = self.number.saturating_add(1);
        if self.rest.is_empty() {
            return Ok(None);
        }
        let (line, rest) = self
            .rest
            .split_once('\n')
            .ok_or_else(|| self.expected("a line feed at its end"))?;
        self.rest = rest;
        Ok(Some(line))
    }

    fn optional<T>(
        &mut self,
        key: &str,
        expected: &'static str,
        read: impl FnOnce(&'a str) -> Option<T>,
    ) -> Result<Option<T>, EntryError> {
        let Some(rest) = self
            .rest
            .strip_prefix(key)
            .and_then(|rest| rest.strip_prefix(' '))
        else {
            return Ok(None);
        };
        self.rest = rest;
        // INVARIANT: an empty value is a line too, so it is read as one.
        let value = match rest.is_empty() {
            true => None,
            false => self.next()?,
        };
        value
            .and_then(read)
            .map(Some)
            .ok_or_else(|| self.expected(expected))
    }

    fn required<T>(
        &mut self,
        key: &str,
        expected: &'static str,
        read: impl FnOnce(&'a str) -> Option<T>,
    ) -> Result<T, EntryError> {
        self.optional(key, expected, read)?.ok_or(EntryError::Line {
            line: self.number.saturating_add(1),
            expected,
        })
    }

    fn place(&mut self) -> Result<Option<Place>, EntryError> {
        let Some(sequence) =
            self.optional("sequence", "a count without leading zeros", text::parse_decimal)?
        else {
            return Ok(None);
        };
        let previous = self.required("previous", "`previous` and 32 bytes in base64", |text| {
            text.parse().ok()
        })?;
        Ok(Some(Place { sequence, previous }))
    }

    /// What follows the head: nothing, or an empty line and the body.
    fn body(&mut self) -> Result<Option<&'a str>, EntryError> {
        if self.rest.is_empty() {
            return Ok(None);
        }
        match self.rest.strip_prefix('\n') {
            Some(body) => Ok(Some(body)),
            None => {
                let expected = "nothing more: each key once, in order, and only those that are known";
                self.next()?;
                Err(self.expected(expected))
            }
        }
    }
}
