//! What the custodian asks overseers to open, and what they answer.
//!
//! A request holds, for each entry, the entry as it is published and its opening key under seal; the answer holds the opening keys.
//! An opening key that fits the entry's commitment can only come from whoever opened the seal, so the answer needs no signature.

use std::fmt::Write as _;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use zeroize::Zeroizing;

use super::{SEALED_KEY_BYTES, Under, until};
use crate::commitment::OpeningKey;
use crate::directive::is_plain_line;
use crate::entry::text::parse_decimal;
use crate::entry::{Entry, MAX_ENTRY_BYTES};
use crate::hash::{Hash, decode_base64};
use crate::id::{Custodian, HolderId, OverseersId};
use crate::lines::{LineError, Lines};

use super::shares::MAX_SHARES;

/// Most entries of one request.
pub const MAX_ASKED: usize = 10_000;

/// Longest request that is read: more than that many entries of disclosures take.
pub const MAX_REQUEST_BYTES: usize = 16 << 20;

/// Longest order in bytes.
pub const MAX_ORDER_BYTES: usize = 500;

const REQUEST: &str = "estop/unsealing-request/v1";
const ANSWER: &str = "estop/unsealing/v1";

/// What custodians ask.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Request {
    /// Whose records they are.
    pub custodian: Custodian,
    /// Who is asked.
    pub overseers: OverseersId,
    /// Which entries, in order of the log.
    pub asked: Vec<Asked>,
}

/// One entry that is to be opened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Asked {
    /// Its index in the main log.
    pub index: u64,
    /// To whom it is sealed, and until when.
    pub under: Under,
    /// Its opening key, under seal.
    pub sealed_key: [u8; SEALED_KEY_BYTES],
    /// The entry as it is published.
    pub entry: Vec<u8>,
}

/// What overseers answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    /// Whose records they are.
    pub custodian: Custodian,
    /// Who answers.
    pub overseers: OverseersId,
    /// Whose shares it took.
    pub holders: Vec<HolderId>,
    /// The order that they opened it on; none where its time had come.
    pub order: Option<String>,
    /// What opens the entries, in order of the log.
    pub opened: Vec<(u64, OpeningKey)>,
}

/// A text that is no request or no answer.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum UnsealingError {
    /// A line is missing, out of order, or has another form.
    #[error("not a request to open what is under seal, nor an answer to one")]
    Line(#[from] LineError),
    /// Too many entries, none, or not in order.
    #[error("1 to {MAX_ASKED} entries, in order of the log")]
    Entries,
    /// The order cannot stand on a line.
    #[error("an order is one line of 1 to {MAX_ORDER_BYTES} bytes without control and invisible characters")]
    Order,
    /// An entry of a request is none, or has no private record.
    #[error("entry {0} of the request is no entry with a private record, or is sealed to others")]
    NoEntry(u64),
}

fn in_order(indexes: impl Iterator<Item = u64> + Clone) -> Result<(), UnsealingError> {
    let count = indexes.clone().count();
    if (1..=MAX_ASKED).contains(&count) && indexes.is_sorted_by(|one, next| one < next) {
        Ok(())
    } else {
        Err(UnsealingError::Entries)
    }
}

impl Request {
    /// The request as a file.
    ///
    /// # Errors
    /// It asks for nothing, for too much, out of order, or for what is no entry.
    pub fn text(&self) -> Result<String, UnsealingError> {
        in_order(self.asked.iter().map(|asked| asked.index))?;
        let mut text = format!(
            "{REQUEST}\ncustodian {}\noverseers {}\n",
            self.custodian, self.overseers
        );
        for asked in &self.asked {
            if asked.under.overseers != self.overseers || asked.commitment().is_none() {
                return Err(UnsealingError::NoEntry(asked.index));
            }
            let (until, key) = (asked.under.until_text(), STANDARD.encode(asked.sealed_key));
            let entry = STANDARD.encode(&asked.entry);
            // Writing to a string cannot fail.
            let _ = writeln!(text, "entry {} {until} {key} {entry}", asked.index);
        }
        Ok(text)
    }

    /// Reads a request.
    ///
    /// # Errors
    /// It is none.
    pub fn parse(text: &str) -> Result<Self, UnsealingError> {
        let mut lines = Lines::of(text, REQUEST, "`estop/unsealing-request/v1`")?;
        let custodian = lines.read("custodian", "`custodian` and its name", |text| text.parse().ok())?;
        let overseers: OverseersId =
            lines.read("overseers", "`overseers` and their id", |text| text.parse().ok())?;
        let mut asked: Vec<Asked> = Vec::new();
        loop {
            let fault = lines.expected("`entry`, an index, a time or `order`, a sealed key and an entry");
            let Some(line) = lines.value("entry") else { break };
            if asked.len() == MAX_ASKED {
                return Err(UnsealingError::Entries);
            }
            let one = one(line, &overseers).ok_or(fault)?;
            if one.commitment().is_none() {
                return Err(UnsealingError::NoEntry(one.index));
            }
            asked.push(one);
        }
        lines.end()?;
        in_order(asked.iter().map(|asked| asked.index))?;
        Ok(Self {
            custodian,
            overseers,
            asked,
        })
    }
}

fn one(line: &str, overseers: &OverseersId) -> Option<Asked> {
    let mut words = line.split(' ');
    let (index, time, key, entry) = (words.next()?, words.next()?, words.next()?, words.next()?);
    let longest = MAX_ENTRY_BYTES.div_ceil(3).checked_mul(4)?;
    if words.next().is_some() || entry.len() > longest {
        return None;
    }
    Some(Asked {
        index: parse_decimal(index)?,
        under: Under {
            overseers: overseers.clone(),
            until: until(time)?,
        },
        sealed_key: decode_base64(key)?,
        entry: STANDARD.decode(entry).ok()?,
    })
}

impl Asked {
    /// The entry, taken apart; `None` if it is none.
    pub fn parsed(&self) -> Option<Entry> {
        Entry::parse(&self.entry).ok()
    }

    /// The entry's commitment; `None` if it is no entry with a private record.
    pub fn commitment(&self) -> Option<Hash> {
        self.parsed()?.commitment
    }
}

impl Answer {
    /// The answer as a file. Whoever has it, and the ledger, can read what was opened.
    ///
    /// # Errors
    /// It opens nothing, or the order cannot stand on a line.
    pub fn text(&self) -> Result<Zeroizing<String>, UnsealingError> {
        in_order(self.opened.iter().map(|(index, _)| *index))?;
        let mut text = Zeroizing::new(format!(
            "{ANSWER}\ncustodian {}\noverseers {}\n",
            self.custodian, self.overseers
        ));
        for holder in &self.holders {
            let _ = writeln!(text, "holder {holder}");
        }
        if let Some(order) = &self.order {
            if !is_order(order) {
                return Err(UnsealingError::Order);
            }
            let _ = writeln!(text, "order {order}");
        }
        for (index, key) in &self.opened {
            let _ = writeln!(text, "opened {index} {}", key.reveal_text().as_str());
        }
        Ok(text)
    }

    /// Reads an answer.
    ///
    /// # Errors
    /// It is none.
    pub fn parse(text: &str) -> Result<Self, UnsealingError> {
        let mut lines = Lines::of(text, ANSWER, "`estop/unsealing/v1`")?;
        let custodian = lines.read("custodian", "`custodian` and its name", |text| text.parse().ok())?;
        let overseers = lines.read("overseers", "`overseers` and their id", |text| text.parse().ok())?;
        let mut holders: Vec<HolderId> = Vec::new();
        loop {
            let fault = lines.expected("`holder` and their id, at most 32");
            let Some(holder) = lines.value("holder") else {
                break;
            };
            if holders.len() == usize::from(MAX_SHARES) {
                return Err(fault.into());
            }
            holders.push(holder.parse().map_err(|_| fault)?);
        }
        let order = lines.value("order").map(str::to_owned);
        if order.as_deref().is_some_and(|order| !is_order(order)) {
            return Err(UnsealingError::Order);
        }
        let mut opened = Vec::new();
        loop {
            let fault = lines.expected("`opened`, an index and an opening key");
            let Some(line) = lines.value("opened") else { break };
            if opened.len() == MAX_ASKED {
                return Err(UnsealingError::Entries);
            }
            let (index, key) = line.split_once(' ').ok_or_else(|| fault.clone())?;
            let index = parse_decimal(index).ok_or_else(|| fault.clone())?;
            opened.push((index, key.parse().map_err(|_| fault)?));
        }
        lines.end()?;
        in_order(opened.iter().map(|(index, _)| *index))?;
        Ok(Self {
            custodian,
            overseers,
            holders,
            order,
            opened,
        })
    }
}

/// Whether a text can be an order: one plain line.
pub fn is_order(text: &str) -> bool {
    text.len() <= MAX_ORDER_BYTES && is_plain_line(text)
}

#[cfg(test)]
mod tests;
