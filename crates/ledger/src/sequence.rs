//! Which entry comes when: indexes, times, places in the partners' logs. Pure; what it says becomes true only when the
//! write-ahead log has it.

use std::collections::{BTreeMap, BTreeSet};

use evidence::commitment::OpeningKey;
use evidence::entry::{Entry, EntryError, Kind, Place, whole_second};
use evidence::hash::{self, Hash};
use evidence::id::{Custodian, Origin, PartnerId};
use evidence::tree::Edge;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::append::{Draft, NotRecorded};

/// Most partner logs: the lines of a census with the longest names (244 bytes each) must fit an entry of 65,535 bytes.
pub(crate) const MAX_PARTNER_LOGS: usize = 256;

/// Whether a partner's log takes entries.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Status {
    /// Its last leaf is `closed`; only `opened` can follow.
    Closed,
    /// It takes entries.
    Open,
}

impl Status {
    /// The status as it stands in a census.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Closed => "closed",
            Self::Open => "open",
        }
    }
}

/// How one partner's log stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct PartnerHead {
    pub(crate) origin: Origin,
    pub(crate) edge: Edge,
    /// Hash of the last leaf.
    pub(crate) last: Hash,
    pub(crate) status: Status,
}

impl PartnerHead {
    pub(crate) fn new(origin: Origin) -> Self {
        Self {
            origin,
            edge: Edge::empty(),
            last: Hash::ZERO,
            status: Status::Open,
        }
    }

    fn place(&self) -> Place {
        Place {
            sequence: self.edge.size(),
            previous: self.last,
        }
    }

    fn push(&mut self, kind: Kind, leaf: Hash) {
        self.edge.push(leaf, &mut |_| {});
        self.last = leaf;
        self.status = if kind == Kind::Closed {
            Status::Closed
        } else {
            Status::Open
        };
    }
}

/// How all logs stand, as the sequencer sees them.
#[derive(Debug, Clone)]
pub(crate) struct Heads {
    custodian: Custodian,
    /// Entries in the main log.
    pub(crate) size: u64,
    /// Time of the last entry.
    pub(crate) time: Timestamp,
    pub(crate) partners: BTreeMap<PartnerId, PartnerHead>,
}

/// A recorded entry that does not stand where it says it stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Misplaced;

impl Heads {
    pub(crate) fn empty(custodian: Custodian) -> Self {
        Self {
            custodian,
            size: 0,
            time: Timestamp::UNIX_EPOCH,
            partners: BTreeMap::new(),
        }
    }

    /// Whose logs they are.
    pub(crate) fn custodian(&self) -> &Custodian {
        &self.custodian
    }

    /// Takes in an entry as it was recorded, after checking that it is the next one.
    pub(crate) fn replay(&mut self, bytes: &[u8]) -> Result<Entry, Misplaced> {
        let entry = Entry::parse(bytes).map_err(|_| Misplaced)?;
        if entry.time < self.time {
            return Err(Misplaced);
        }
        if let (Some(place), Some(partner)) = (entry.place, &entry.partner) {
            if !self.partners.contains_key(partner) && entry.kind != Kind::Opened {
                return Err(Misplaced);
            }
            let origin = || self.custodian.partner_origin(partner);
            let head = self
                .partners
                .entry(partner.clone())
                .or_insert_with(|| PartnerHead::new(origin()));
            let shut = head.status == Status::Closed && entry.kind != Kind::Opened;
            if shut || head.place() != place {
                return Err(Misplaced);
            }
            head.push(entry.kind, hash::leaf(bytes));
        }
        self.time = entry.time;
        self.size = self.size.saturating_add(1);
        Ok(entry)
    }

    /// Takes in what has become durable.
    pub(crate) fn take(&mut self, round: Changes) {
        (self.size, self.time) = (round.size, round.time);
        self.partners.extend(round.touched);
    }
}

/// A draft with what can be computed before its turn comes.
#[derive(Debug)]
pub(crate) struct Prepared {
    pub(crate) draft: Draft,
    /// Opening key and commitment, where there is a private record.
    pub(crate) sealed: Option<(OpeningKey, Hash)>,
}

/// What the next append is.
#[derive(Debug)]
pub(crate) enum Matter {
    /// These drafts, one after the other.
    Drafts(Vec<Prepared>),
    /// The census at the point where its turn comes.
    Census,
    /// The first entry, with this body.
    Genesis(String),
}

/// An append with its place.
#[derive(Debug)]
pub(crate) struct Placed {
    pub(crate) first_index: u64,
    pub(crate) time: Timestamp,
    /// The bytes of the entries.
    pub(crate) entries: Vec<Vec<u8>>,
}

/// Appends of one batch, laid over heads that do not change before they are durable.
#[derive(Debug)]
pub(crate) struct Round<'a> {
    base: &'a Heads,
    changes: Changes,
}

/// What a round changed.
#[derive(Debug, Clone)]
pub(crate) struct Changes {
    pub(crate) size: u64,
    pub(crate) time: Timestamp,
    pub(crate) touched: BTreeMap<PartnerId, PartnerHead>,
}

impl<'a> Round<'a> {
    pub(crate) fn new(base: &'a Heads) -> Self {
        Self {
            base,
            changes: Changes {
                size: base.size,
                time: base.time,
                touched: BTreeMap::new(),
            },
        }
    }

    /// Gives an append its place, or refuses it and stays as it was.
    pub(crate) fn place(&mut self, matter: &Matter, now: Timestamp) -> Result<Placed, NotRecorded> {
        let time = whole_second(now).max(self.changes.time);
        let mut attempt = Changes {
            size: self.changes.size,
            time,
            touched: BTreeMap::new(),
        };
        let malformed = |number| move |source| NotRecorded::Malformed { number, source };
        let entries = match matter {
            Matter::Drafts(drafts) => (0..)
                .zip(drafts)
                .map(|(number, prepared)| self.one(&mut attempt, prepared, number))
                .collect::<Result<_, _>>()?,
            Matter::Census => vec![
                self.public(Kind::Census, self.census(), time)
                    .map_err(malformed(0))?,
            ],
            Matter::Genesis(body) => vec![
                self.public(Kind::Genesis, body.clone(), time)
                    .map_err(malformed(0))?,
            ],
        };
        let first_index = self.changes.size;
        let count = u64::try_from(entries.len()).unwrap_or(u64::MAX);
        self.changes.size = self.changes.size.saturating_add(count);
        self.changes.time = time;
        self.changes.touched.append(&mut attempt.touched);
        Ok(Placed {
            first_index,
            time,
            entries,
        })
    }

    pub(crate) fn into_changes(self) -> Changes {
        self.changes
    }

    fn one(&self, attempt: &mut Changes, prepared: &Prepared, number: usize) -> Result<Vec<u8>, NotRecorded> {
        let malformed = |source| NotRecorded::Malformed { number, source };
        let draft = &prepared.draft;
        let mut head = match (&draft.partner, draft.kind.in_partner_log()) {
            (Some(partner), true) => Some((partner.clone(), self.head(attempt, partner, draft.kind)?)),
            (None, true) => return Err(malformed(EntryError::Place(draft.kind))),
            (_, false) => None,
        };
        let entry = Entry {
            kind: draft.kind,
            time: attempt.time,
            partner: draft.partner.clone(),
            agreement: draft.agreement.clone(),
            purpose: draft.purpose.clone(),
            place: head.as_ref().map(|(_, head)| head.place()),
            commitment: prepared.sealed.as_ref().map(|(_, commitment)| *commitment),
            body: draft.body.clone(),
        };
        let bytes = entry.encode().map_err(malformed)?;
        if let Some((partner, mut head)) = head.take() {
            head.push(draft.kind, hash::leaf(&bytes));
            attempt.touched.insert(partner, head);
        }
        Ok(bytes)
    }

    /// The head an entry of that kind would be pushed to.
    fn head(&self, attempt: &Changes, partner: &PartnerId, kind: Kind) -> Result<PartnerHead, NotRecorded> {
        let found = attempt
            .touched
            .get(partner)
            .or_else(|| self.changes.touched.get(partner))
            .or_else(|| self.base.partners.get(partner));
        match found {
            Some(head) if head.status == Status::Closed && kind != Kind::Opened => {
                Err(NotRecorded::PartnerClosed {
                    partner: partner.clone(),
                })
            }
            Some(head) => Ok(head.clone()),
            None if kind != Kind::Opened => Err(NotRecorded::PartnerUnknown {
                partner: partner.clone(),
            }),
            None if self.logs(attempt) >= MAX_PARTNER_LOGS => Err(NotRecorded::TooManyPartners {
                limit: MAX_PARTNER_LOGS,
            }),
            None => Ok(PartnerHead::new(self.base.custodian.partner_origin(partner))),
        }
    }

    /// How many partner logs there are with this attempt.
    fn logs(&self, attempt: &Changes) -> usize {
        let all = [&self.base.partners, &self.changes.touched, &attempt.touched];
        all.into_iter()
            .flat_map(BTreeMap::keys)
            .collect::<BTreeSet<_>>()
            .len()
    }

    fn public(&self, kind: Kind, body: String, time: Timestamp) -> Result<Vec<u8>, EntryError> {
        let body = (!body.is_empty()).then_some(body);
        let none = (None, None, None, None, None);
        let (partner, agreement, purpose, place, commitment) = none;
        Entry {
            kind,
            time,
            partner,
            agreement,
            purpose,
            place,
            commitment,
            body,
        }
        .encode()
    }

    /// One line for each partner log: `log <origin> <size> <root> <open|closed>`, in the order of the partners' ids.
    fn census(&self) -> String {
        let mut heads: BTreeMap<_, _> = self.base.partners.iter().collect();
        heads.extend(&self.changes.touched);
        census_lines(heads.into_values())
    }
}

/// The lines of a census over these logs.
pub(crate) fn census_lines<'a>(heads: impl Iterator<Item = &'a PartnerHead>) -> String {
    let line = |head: &PartnerHead| {
        let PartnerHead {
            origin, edge, status, ..
        } = head;
        format!(
            "log {origin} {} {} {}\n",
            edge.size(),
            edge.root(),
            status.as_str()
        )
    };
    heads.map(line).collect()
}

#[cfg(test)]
mod tests;
