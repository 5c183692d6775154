//! Which entry comes when: indexes, times, places in the partners' logs. Pure; what it says becomes true only when the
//! write-ahead log has it.

use std::collections::{BTreeMap, BTreeSet};

use evidence::entry::{Entry, EntryError, EntryView, Kind, Place, whole_second};
use evidence::hash::{self, Hash};
use evidence::id::{Custodian, Origin, PartnerId};
use evidence::receipt::Leaf;
use evidence::tree::{Edge, Node};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::append::{Draft, NotRecorded};
use crate::keys::{InUse, Wrapped};

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

    /// Whether an entry of that kind can come next.
    fn admit(&self, partner: &PartnerId, kind: Kind) -> Result<(), NotRecorded> {
        if self.status == Status::Closed && kind != Kind::Opened {
            return Err(NotRecorded::PartnerClosed {
                partner: partner.clone(),
            });
        }
        Ok(())
    }

    fn push(&mut self, kind: Kind, leaf: Hash, completed: &mut impl FnMut(Node)) {
        self.edge.push(leaf, completed);
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

    /// Takes in an entry as it was recorded, whose hash as a leaf and [partner](EntryView::in_log_of) are known, after checking that it is
    /// the next one. The nodes that it completes in its partner's tree are reported.
    pub(crate) fn replay(
        &mut self,
        entry: &EntryView<'_>,
        partner: Option<&PartnerId>,
        leaf: Hash,
        completed: &mut impl FnMut(Node),
    ) -> Result<(), Misplaced> {
        if entry.time < self.time {
            return Err(Misplaced);
        }
        if let (Some(place), Some(partner)) = (entry.place, partner) {
            if !self.partners.contains_key(partner) {
                if entry.kind != Kind::Opened {
                    return Err(Misplaced);
                }
                let head = PartnerHead::new(self.custodian.partner_origin(partner));
                self.partners.insert(partner.clone(), head);
            }
            let head = self.partners.get_mut(partner).ok_or(Misplaced)?;
            let shut = head.status == Status::Closed && entry.kind != Kind::Opened;
            if shut || head.place() != place {
                return Err(Misplaced);
            }
            head.push(entry.kind, leaf, completed);
        }
        self.time = entry.time;
        self.size = self.size.saturating_add(1);
        Ok(())
    }

    /// Takes in what has become durable.
    pub(crate) fn take(&mut self, round: &Changes) {
        (self.size, self.time) = (round.size, round.time);
        for (partner, head) in &round.touched {
            match self.partners.get_mut(partner) {
                Some(known) => known.clone_from(head),
                None => {
                    self.partners.insert(partner.clone(), head.clone());
                }
            }
        }
    }
}

/// A draft with what can be computed before its turn comes.
#[derive(Debug)]
pub(crate) struct Prepared {
    pub(crate) draft: Draft,
    /// Where there is a private record: the draft's is sealed by now.
    pub(crate) sealed: Option<Sealed>,
}

/// What goes with a sealed record.
#[derive(Debug)]
pub(crate) struct Sealed {
    pub(crate) key: Wrapped,
    pub(crate) commitment: Hash,
    /// Until the record is durable, or is not to be.
    pub(crate) _in_use: InUse,
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
    /// Those that stand in a partner's log, with their places there.
    pub(crate) leaves: Vec<Leaf>,
}

/// Appends of one batch, laid over heads that do not change before they are durable.
#[derive(Debug)]
pub(crate) struct Round<'a> {
    base: &'a Heads,
    changes: Changes,
    /// Of the append that is being placed.
    leaves: Vec<Leaf>,
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
            leaves: Vec::new(),
        }
    }

    /// Gives an append its place, or refuses it and stays as it was.
    pub(crate) fn place(&mut self, matter: &Matter, now: Timestamp) -> Result<Placed, NotRecorded> {
        let time = whole_second(now).max(self.changes.time);
        let malformed = |number| move |source| NotRecorded::Malformed { number, source };
        self.leaves.clear();
        let entries = match matter {
            Matter::Drafts(drafts) => self.drafts(drafts, time)?,
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
        Ok(Placed {
            first_index,
            time,
            entries,
            leaves: std::mem::take(&mut self.leaves),
        })
    }

    pub(crate) fn into_changes(self) -> Changes {
        self.changes
    }

    /// The entries of one append. Heads are large: what a refusal takes back is copied only where there is more than one draft, since
    /// one alone changes nothing before all that can refuse it.
    fn drafts(&mut self, drafts: &[Prepared], time: Timestamp) -> Result<Vec<Vec<u8>>, NotRecorded> {
        let mut before = BTreeMap::new();
        if drafts.len() > 1 {
            for partner in drafts.iter().filter_map(|one| one.draft.partner.as_ref()) {
                before.insert(partner.clone(), self.changes.touched.get(partner).cloned());
            }
        }
        let entries = (0..)
            .zip(drafts)
            .map(|(number, prepared)| self.one(prepared, time, number))
            .collect();
        if Result::is_err(&entries) {
            for (partner, head) in before {
                match head {
                    Some(head) => self.changes.touched.insert(partner, head),
                    None => self.changes.touched.remove(&partner),
                };
            }
        }
        entries
    }

    /// Makes one entry; refused, it changes nothing.
    fn one(&mut self, prepared: &Prepared, time: Timestamp, number: usize) -> Result<Vec<u8>, NotRecorded> {
        let malformed = |source| NotRecorded::Malformed { number, source };
        let draft = &prepared.draft;
        let entry = |place| Entry {
            kind: draft.kind,
            time,
            partner: draft.partner.clone(),
            agreement: draft.agreement.clone(),
            purpose: draft.purpose.clone(),
            place,
            commitment: prepared.sealed.as_ref().map(|sealed| sealed.commitment),
            body: draft.body.clone(),
        };
        let partner = match (&draft.partner, draft.kind.in_partner_log()) {
            (Some(partner), true) => partner,
            (None, true) => return Err(malformed(EntryError::Place(draft.kind))),
            (_, false) => return entry(None).encode().map_err(malformed),
        };
        if let Some(head) = self.changes.touched.get_mut(partner) {
            head.admit(partner, draft.kind)?;
            let (bytes, leaf) = leaf(&entry(Some(head.place()))).map_err(malformed)?;
            head.push(draft.kind, leaf.hash, &mut |_| {});
            self.leaves.push(leaf);
            return Ok(bytes);
        }
        let mut head = self.head(partner, draft.kind)?;
        let (bytes, leaf) = leaf(&entry(Some(head.place()))).map_err(malformed)?;
        head.push(draft.kind, leaf.hash, &mut |_| {});
        self.leaves.push(leaf);
        self.changes.touched.insert(partner.clone(), head);
        Ok(bytes)
    }

    /// The head, before this round, that an entry of that kind would be pushed to.
    fn head(&self, partner: &PartnerId, kind: Kind) -> Result<PartnerHead, NotRecorded> {
        match self.base.partners.get(partner) {
            Some(head) => {
                head.admit(partner, kind)?;
                Ok(head.clone())
            }
            None if kind != Kind::Opened => Err(NotRecorded::PartnerUnknown {
                partner: partner.clone(),
            }),
            None if self.logs() >= MAX_PARTNER_LOGS => Err(NotRecorded::TooManyPartners {
                limit: MAX_PARTNER_LOGS,
            }),
            None => Ok(PartnerHead::new(self.base.custodian.partner_origin(partner))),
        }
    }

    /// How many partner logs there are with this round.
    fn logs(&self) -> usize {
        let all = [&self.base.partners, &self.changes.touched];
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

/// An entry's bytes, and the leaf that it is of its partner's log.
fn leaf(entry: &Entry) -> Result<(Vec<u8>, Leaf), EntryError> {
    let bytes = entry.encode()?;
    let leaf = Leaf {
        index: entry.place.map_or(0, |place| place.sequence),
        hash: hash::leaf(&bytes),
        time: entry.time,
    };
    Ok((bytes, leaf))
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
