//! The checks of what a certificate means: that its true entries, taken together, tell of this termination
//! and of a whole one.

use std::collections::BTreeSet;

use super::checks::{Checklist, Fault, Seen, need};
use super::prose;
use super::report::CheckName;
use super::story::{Event, Story};
use crate::checkpoint::Checkpoint;
use crate::entry::{Entry, Kind};
use crate::hash::Hash;
use crate::id::{DirectiveNumber, Epoch, Origin};
use crate::note::VerifierKey;
use crate::record::RoleEvidence;
use crate::tree;

fn wrong<T>(reason: impl Into<String>) -> Result<T, Fault> {
    Err(Fault::Wrong(reason.into()))
}

impl Seen<'_> {
    pub(super) fn meaning_checks(&self, key: &VerifierKey, list: &mut Checklist) {
        list.note(CheckName::Scope, self.scope());
        list.note(CheckName::Order, self.order());
        list.note(CheckName::Epoch, self.epoch());
        list.note(CheckName::Cuts, self.cuts());
        list.note(CheckName::Gateways, self.gateways());
        list.note(CheckName::Database, self.database());
        list.note(CheckName::PartnerCheckpoint, self.partner_checkpoint(key));
        list.note(CheckName::ClosingLeaf, self.closing_leaf());
        list.note(CheckName::Census, self.census());
        list.note(CheckName::Text, self.text());
    }

    fn scope(&self) -> Result<(), Fault> {
        let ordered = self.ordered()?;
        if !ordered.is_whole_partner() {
            return wrong(
                "the directive is about a part of what the partner has, and only a whole partner's log is closed",
            );
        }
        for (number, cited) in (1_usize..).zip(&self.machine.cited) {
            // An entry that cannot be read is what the check of the entries says.
            let partner = Entry::parse(cited.entry.as_bytes())
                .ok()
                .and_then(|entry| entry.partner);
            if let Some(partner) = partner.filter(|partner| *partner != ordered.partner) {
                let ordered = &ordered.partner;
                return wrong(format!(
                    "cited entry {number} is about `{partner}`, the directive about `{ordered}`"
                ));
            }
        }
        Ok(())
    }

    fn order(&self) -> Result<(), Fault> {
        let story = self.story()?;
        let drawn_up = self.directive()?.ledger_size;
        if drawn_up > story.directive.index {
            let recorded = story.directive.index;
            return wrong(format!(
                "the directive names a ledger of {drawn_up} entries, but is entry {recorded} itself"
            ));
        }
        let mut indices = self.machine.cited.iter().map(|cited| cited.proof.index);
        if !indices
            .clone()
            .zip(indices.by_ref().skip(1))
            .all(|(before, after)| before < after)
        {
            return wrong("the cited entries do not stand in the order of their index");
        }
        let moments = story.moments();
        for (before, after) in moments.iter().zip(moments.iter().skip(1)) {
            if before.index >= after.index || before.time > after.time {
                return wrong(format!(
                    "`{}`, entry {} at {}, must come before `{}`, entry {} at {}",
                    before.kind, before.index, before.time, after.kind, after.index, after.time
                ));
            }
        }
        Ok(())
    }

    fn epoch(&self) -> Result<(), Fault> {
        let (story, number) = (self.story()?, &self.directive()?.number);
        let epoch = story.epoch.record.epoch;
        if story.epoch.record.directive.as_ref() != Some(number) {
            return wrong(format!("policy {epoch} was not called for by `{number}`"));
        }
        if let Some(lifted) = story.epoch.record.lifted.first() {
            return wrong(format!(
                "policy {epoch} lifts `{lifted}`: it gives back what it should end"
            ));
        }
        let carried_out = (
            Kind::CarriedOut,
            &story.carried_out.record.directive,
            story.carried_out.record.epoch,
        );
        let closed = (
            Kind::Closed,
            &story.closed.record.directive,
            story.closed.record.epoch,
        );
        let drained = story
            .drained
            .iter()
            .map(|Event { record, .. }| (Kind::Drained, &record.directive, record.epoch));
        for (kind, directive, at) in drained.chain([carried_out, closed]) {
            same_directive(kind, directive, number)?;
            not_older(kind, at, epoch)?;
        }
        Ok(())
    }

    fn cuts(&self) -> Result<(), Fault> {
        let (story, number) = (self.story()?, &self.directive()?.number);
        let mut sessions = BTreeSet::new();
        for Event { record, entry, index } in &story.cuts {
            same_directive(Kind::Cut, &record.directive, number)?;
            if !sessions.insert(&record.session) {
                return wrong(format!(
                    "session {} was cut twice, the second time in entry {index}",
                    record.session
                ));
            }
            if sequence(entry) >= sequence(&story.closed.entry) {
                return wrong(format!(
                    "the cut in entry {index} does not stand before the end of the partner's log"
                ));
            }
        }
        Ok(())
    }

    fn gateways(&self) -> Result<(), Fault> {
        let story = self.story()?;
        let mut missing: BTreeSet<_> = story
            .epoch
            .record
            .gateways
            .iter()
            .map(|name| name.as_str())
            .collect();
        let mut cut: u64 = 0;
        for Event { record, index, .. } in &story.drained {
            let gateway = record.gateway.as_str();
            if !missing.remove(gateway) {
                return wrong(format!(
                    "gateway `{gateway}`, entry {index}, was not at work, or is drained twice"
                ));
            }
            cut = cut.saturating_add(record.sessions_cut);
        }
        if let Some(gateway) = missing.first() {
            return wrong(format!("gateway `{gateway}` was at work and is not drained"));
        }
        let cited = u64::try_from(story.cuts.len()).unwrap_or(u64::MAX);
        if cut != cited {
            return wrong(format!("the gateways have cut {cut} sessions, {cited} are cited"));
        }
        let last = |indices: Option<u64>| indices.unwrap_or(0);
        if last(story.cuts.iter().map(|event| event.index).max())
            > last(story.drained.iter().map(|event| event.index).max())
        {
            return wrong("a session was cut after the last gateway was drained");
        }
        Ok(())
    }

    fn database(&self) -> Result<(), Fault> {
        self.story()?
            .carried_out
            .record
            .roles
            .iter()
            .try_for_each(|role| {
                let RoleEvidence {
                    role: name,
                    backends_left,
                    ..
                } = role;
                match role {
                    _ if role.can_login => wrong(format!("role `{name}` can log in")),
                    _ if role.has_password => wrong(format!("role `{name}` has a password")),
                    _ if *backends_left > 0 => {
                        wrong(format!("role `{name}` has {backends_left} live backends"))
                    }
                    _ => Ok(()),
                }
            })
    }

    fn partner_origin(&self) -> Result<Origin, Fault> {
        Ok(self.custodian()?.partner_origin(&self.ordered()?.partner))
    }

    fn partner_log(&self) -> Result<&Checkpoint, Fault> {
        need(self.partner_log.as_ref(), "the checkpoint of the partner's log")
    }

    fn partner_checkpoint(&self, key: &VerifierKey) -> Result<(), Fault> {
        self.checkpoint(&self.machine.partner_checkpoint, &self.partner_origin()?, key)
            .map(|_| ())
    }

    fn closing_leaf(&self) -> Result<(), Fault> {
        let (closed, log) = (&self.story()?.closed, self.partner_log()?);
        let (index, size) = (self.machine.partner_proof.index, log.size);
        if index.checked_add(1) != Some(size) {
            return wrong(format!(
                "the proof is of leaf {index}, which is not the last of {size}"
            ));
        }
        if sequence(&closed.entry) != Some(index) {
            return wrong(format!(
                "the entry that closed the log does not say that it is leaf {index}"
            ));
        }
        let leaf = closed.entry.leaf().map_err(|error| Fault::caused(&error))?;
        tree::check_inclusion(index, size, &leaf, &log.root, &self.machine.partner_proof.hashes)
            .map_err(|error| Fault::caused(&error))
    }

    fn census(&self) -> Result<(), Fault> {
        let (story, log, origin) = (self.story()?, self.partner_log()?, self.partner_origin()?);
        let counted = counted(story, &origin)?;
        if counted.status != "closed" {
            return wrong(format!("it counts `{origin}` as {}", counted.status));
        }
        if (counted.size, counted.root) != (log.size, log.root) {
            let (size, expected) = (counted.size, log.size);
            return wrong(format!(
                "it counts {size} leaves of `{origin}`, with a root of their own; the checkpoint has {expected}"
            ));
        }
        Ok(())
    }

    fn text(&self) -> Result<(), Fault> {
        let expected = prose::write(self.facts()?);
        // The line feed that ends the text is the one before the marker.
        let expected = expected.strip_suffix('\n').unwrap_or(&expected);
        let lines = self.prose.split('\n').zip(expected.split('\n'));
        match (1_usize..)
            .zip(lines)
            .find(|(_, (stands, should))| stands != should)
        {
            Some((line, _)) => wrong(format!("line {line} says something else than the machine part")),
            None if self.prose.len() != expected.len() => wrong("it is longer or shorter than it should be"),
            None => Ok(()),
        }
    }
}

/// One line of a census.
struct Counted<'a> {
    size: u64,
    root: Hash,
    status: &'a str,
}

/// The census's one line about the log `origin`.
fn counted<'a>(story: &'a Story, origin: &Origin) -> Result<Counted<'a>, Fault> {
    let body = story.census.entry.body.as_deref().unwrap_or("");
    let mut found = body.lines().filter_map(|line| {
        let rest = line.strip_prefix("log ")?.strip_prefix(origin.as_str())?;
        rest.strip_prefix(' ')
    });
    let (Some(line), None) = (found.next(), found.next()) else {
        return wrong(format!("it has not one line about `{origin}`"));
    };
    let mut fields = line.split(' ');
    let size = fields.next().and_then(crate::entry::text::parse_decimal);
    let root = fields.next().and_then(|field| field.parse().ok());
    match (size, root, fields.next(), fields.next()) {
        (Some(size), Some(root), Some(status), None) => Ok(Counted { size, root, status }),
        _ => wrong(format!(
            "its line about `{origin}` is not `log <origin> <size> <root> <open|closed>`"
        )),
    }
}

fn sequence(entry: &Entry) -> Option<u64> {
    entry.place.map(|place| place.sequence)
}

fn same_directive(kind: Kind, found: &DirectiveNumber, expected: &DirectiveNumber) -> Result<(), Fault> {
    if found == expected {
        Ok(())
    } else {
        wrong(format!(
            "an entry of kind `{kind}` is about `{found}`, not `{expected}`"
        ))
    }
}

fn not_older(kind: Kind, found: Epoch, since: Epoch) -> Result<(), Fault> {
    if found >= since {
        Ok(())
    } else {
        wrong(format!(
            "an entry of kind `{kind}` is under policy {found}, before {since}"
        ))
    }
}
