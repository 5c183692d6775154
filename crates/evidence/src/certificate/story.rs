//! What the cited entries say happened, read from their opened records.

use jiff::Timestamp;

use super::sections::{CitedText, Machine};
use crate::entry::{Entry, Kind};
use crate::record::{self, CarriedOut, Closed, Cut, DirectiveRecord, Drained, EpochRecord, Record};

/// An entry of the main log, and the record that it commits to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Event<R> {
    /// Index in the main log.
    pub(super) index: u64,
    pub(super) entry: Entry,
    pub(super) record: R,
}

/// All that a certificate of termination tells of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Story {
    pub(super) directive: Event<DirectiveRecord>,
    pub(super) epoch: Event<EpochRecord>,
    pub(super) cuts: Vec<Event<Cut>>,
    pub(super) drained: Vec<Event<Drained>>,
    pub(super) carried_out: Event<CarriedOut>,
    pub(super) closed: Event<Closed>,
    pub(super) census: Event<()>,
}

/// Where and when an event stands, whatever it is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Moment {
    pub(super) kind: Kind,
    pub(super) index: u64,
    pub(super) time: Timestamp,
}

impl<R> Event<R> {
    pub(super) fn moment(&self) -> Moment {
        Moment {
            kind: self.entry.kind,
            index: self.index,
            time: self.entry.time,
        }
    }
}

#[derive(Default)]
struct Found {
    directive: Vec<Event<DirectiveRecord>>,
    epoch: Vec<Event<EpochRecord>>,
    cuts: Vec<Event<Cut>>,
    drained: Vec<Event<Drained>>,
    carried_out: Vec<Event<CarriedOut>>,
    closed: Vec<Event<Closed>>,
    census: Vec<Event<()>>,
}

impl Story {
    /// Reads the cited entries.
    ///
    /// # Errors
    /// Which entry cannot be read, is of a kind that does not belong here, or which kind is missing, in
    /// words.
    pub(super) fn read(machine: &Machine) -> Result<Self, String> {
        let mut found = Found::default();
        for (number, cited) in (1_usize..).zip(&machine.cited) {
            found
                .take(cited)
                .map_err(|reason| format!("cited entry {number}: {reason}"))?;
        }
        Ok(Self {
            directive: only(found.directive, Kind::Directive)?,
            epoch: only(found.epoch, Kind::Epoch)?,
            cuts: found.cuts,
            drained: found.drained,
            carried_out: only(found.carried_out, Kind::CarriedOut)?,
            closed: only(found.closed, Kind::Closed)?,
            census: only(found.census, Kind::Census)?,
        })
    }

    /// The events in the order in which they must have happened.
    pub(super) fn moments(&self) -> Vec<Moment> {
        let mut sessions: Vec<_> = self
            .cuts
            .iter()
            .map(Event::moment)
            .chain(self.drained.iter().map(Event::moment))
            .collect();
        sessions.sort_by_key(|moment| moment.index);
        let mut moments = vec![self.directive.moment(), self.epoch.moment()];
        moments.append(&mut sessions);
        moments.extend([
            self.carried_out.moment(),
            self.closed.moment(),
            self.census.moment(),
        ]);
        moments
    }
}

impl Found {
    fn take(&mut self, cited: &CitedText) -> Result<(), String> {
        let entry = Entry::parse(cited.entry.as_bytes()).map_err(|error| error.to_string())?;
        match entry.kind {
            Kind::Directive => self.directive.push(event(cited, entry)?),
            Kind::Epoch => self.epoch.push(event(cited, entry)?),
            Kind::Cut => self.cuts.push(event(cited, entry)?),
            Kind::Drained => self.drained.push(event(cited, entry)?),
            Kind::CarriedOut => self.carried_out.push(event(cited, entry)?),
            Kind::Closed => self.closed.push(event(cited, entry)?),
            Kind::Census => self.census.push(Event {
                index: cited.proof.index,
                entry,
                record: (),
            }),
            other => {
                return Err(format!(
                    "an entry of kind `{other}` does not belong into a certificate of termination"
                ));
            }
        }
        Ok(())
    }
}

fn event<R: Record>(cited: &CitedText, entry: Entry) -> Result<Event<R>, String> {
    let opened = cited
        .opened
        .as_ref()
        .ok_or_else(|| format!("the record of this `{}` is not opened", R::KIND))?;
    let record = record::decode(opened.record.as_bytes()).map_err(|error| error.to_string())?;
    Ok(Event {
        index: cited.proof.index,
        entry,
        record,
    })
}

fn only<R>(mut events: Vec<Event<R>>, kind: Kind) -> Result<Event<R>, String> {
    match (events.pop(), events.len()) {
        (Some(event), 0) => Ok(event),
        (None, _) => Err(format!("no entry of kind `{kind}`")),
        (Some(_), more) => Err(format!(
            "{} entries of kind `{kind}` where one belongs",
            more.saturating_add(1)
        )),
    }
}
