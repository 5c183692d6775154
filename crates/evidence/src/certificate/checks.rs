//! The checks that tie a certificate to keys, hashes and signatures. What it means is checked in `meaning`.

use super::prose::{self, Facts, HEADER, MARKER};
use super::report::{Check, CheckName, Finding, LogHead, Report, SignedBy};
use super::sections::{CitedText, Machine};
use super::story::Story;
use crate::checkpoint::Checkpoint;
use crate::commitment::{self, OpeningKey};
use crate::directive::{Approved, Directive, Scope, approve};
use crate::entry::Entry;
use crate::hash;
use crate::id::{Custodian, Origin};
use crate::note::{Note, VerifierKey};
use crate::signers::AllowedSigners;
use crate::tree;

/// Why a check did not hold.
#[derive(Debug, Clone)]
pub(super) enum Fault {
    /// It was made and failed.
    Wrong(String),
    /// Something it needs is missing, which another check says.
    Missing(&'static str),
}

/// The checks made so far.
#[derive(Debug, Default)]
pub(super) struct Checklist(pub(super) Vec<Check>);

/// What could be read from a certificate. Only the form is certain; each of the rest is there if it could be
/// read.
#[derive(Debug)]
pub(super) struct Seen<'a> {
    /// The custodian, as the verifier's key names it.
    pub(super) custodian: Option<Custodian>,
    pub(super) prose: &'a str,
    pub(super) machine: Machine,
    pub(super) story: Option<Story>,
    pub(super) directive: Option<Directive>,
    pub(super) approved: Option<Approved<Directive>>,
    /// The main log's checkpoint, whoever has signed it.
    pub(super) ledger: Option<Checkpoint>,
    /// The partner's log's checkpoint, whoever has signed it.
    pub(super) partner_log: Option<Checkpoint>,
    /// Names beside both checkpoints that are not the logs'.
    pub(super) cosigners: Vec<String>,
}

impl std::fmt::Display for Fault {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Wrong(reason) => f.write_str(reason),
            Self::Missing(what) => write!(f, "{what} could not be read"),
        }
    }
}

impl From<String> for Fault {
    fn from(reason: String) -> Self {
        Self::Wrong(reason)
    }
}

impl Fault {
    /// A fault with the whole chain of what is wrong: a reader has nothing but this line.
    pub(super) fn caused(error: &dyn std::error::Error) -> Self {
        let mut reason = error.to_string();
        let mut cause = error.source();
        while let Some(error) = cause {
            reason.push_str(&format!(": {error}"));
            cause = error.source();
        }
        Self::Wrong(reason)
    }
}

impl Checklist {
    /// Notes what came of a check; gives what it gave.
    pub(super) fn note<T>(&mut self, name: CheckName, outcome: Result<T, Fault>) -> Option<T> {
        let (finding, value) = match outcome {
            Ok(value) => (Finding::Holds, Some(value)),
            // What is wrong may be told in the words of whoever made the file.
            Err(Fault::Wrong(reason)) => (Finding::Fails(prose::plain(&reason)), None),
            Err(fault @ Fault::Missing(_)) => (Finding::NotReached(fault.to_string()), None),
        };
        self.0.push(Check {
            name,
            compared: name.compared(),
            finding,
        });
        value
    }

    pub(super) fn all_hold(&self) -> bool {
        self.0.len() == CheckName::ALL.len() && self.0.iter().all(Check::holds)
    }

    /// Notes every check that was not made as one that could not be.
    pub(super) fn close(&mut self, what: &'static str) {
        for name in CheckName::ALL {
            if !self.0.iter().any(|check| check.name == name) {
                self.note::<()>(name, Err(Fault::Missing(what)));
            }
        }
    }
}

/// `value`, or the fault of what should have been there.
pub(super) fn need<'a, T>(value: Option<&'a T>, what: &'static str) -> Result<&'a T, Fault> {
    value.ok_or(Fault::Missing(what))
}

/// Makes every check that `bytes` allow, and gives the report if all of them hold.
pub(super) fn examine(bytes: &[u8], key: &VerifierKey) -> (Checklist, Option<Report>) {
    let mut list = Checklist::default();
    let note = std::str::from_utf8(bytes)
        .map_err(|error| {
            Fault::Wrong(format!(
                "it is not UTF-8 text from byte {} on",
                error.valid_up_to()
            ))
        })
        .and_then(|text| Note::parse(text).map_err(|error| Fault::caused(&error)));
    let form = note
        .as_ref()
        .map_err(Clone::clone)
        .and_then(|note| form(note, key.name()));
    let form = list.note(CheckName::Form, form);
    let signature = note
        .map_err(|_| Fault::Missing("the note"))
        .and_then(|note| signature(&note, key));
    let custodian = list.note(CheckName::CustodianSignature, signature);
    let Some((prose, machine)) = form else {
        list.close("the form of the file");
        return (list, None);
    };
    // Whoever signed the file, its entries are held against the custodian whose key was brought.
    let custodian = custodian.or_else(|| key.name().as_str().parse().ok());
    let mut seen = Seen {
        story: None,
        directive: None,
        approved: None,
        ledger: Checkpoint::peek(&machine.checkpoint).ok(),
        partner_log: Checkpoint::peek(&machine.partner_checkpoint).ok(),
        custodian,
        prose,
        cosigners: machine.cosigners(),
        machine,
    };
    seen.ledger_checks(key, &mut list);
    seen.directive_checks(&mut list);
    seen.meaning_checks(key, &mut list);
    let report = if list.all_hold() { seen.report(&list) } else { None };
    (list, report)
}

/// The text for people and the machine part, if the note has the form of a certificate.
fn form<'a>(note: &Note<'a>, name: &Origin) -> Result<(&'a str, Machine), Fault> {
    let mut signers = note.signers();
    let lone = signers.next().is_some_and(|(signer, _)| signer == name.as_str()) && signers.next().is_none();
    if !lone {
        return Err(Fault::Wrong(format!(
            "it must have one signature line, by `{name}`"
        )));
    }
    let text = note.text();
    let (prose, machine) = parts(text)?;
    if assemble(prose, &machine) != text {
        return Err(Fault::Wrong(
            "writing its parts anew gives other bytes".to_owned(),
        ));
    }
    Ok((prose, machine))
}

/// The text for people and the machine part of a certificate's text.
pub(super) fn parts(text: &str) -> Result<(&str, Machine), Fault> {
    let cut = text
        .split_once(&format!("\n{MARKER}\n"))
        .filter(|_| text.starts_with(&format!("{HEADER}\n")));
    let (prose, sections) =
        cut.ok_or_else(|| format!("it must begin with `{HEADER}` and have a line `{MARKER}`"))?;
    let machine = Machine::parse(sections).map_err(|error| Fault::caused(&error))?;
    Ok((prose, machine))
}

/// The text of the note: that for people without its last line feed, and the machine part.
pub(super) fn assemble(prose: &str, machine: &Machine) -> String {
    format!("{prose}\n{MARKER}\n{}", machine.encode())
}

fn signature(note: &Note<'_>, key: &VerifierKey) -> Result<Custodian, Fault> {
    let custodian = key
        .name()
        .as_str()
        .parse::<Custodian>()
        .map_err(|error| Fault::caused(&error))?;
    note.verify(key).map_err(|error| Fault::caused(&error))?;
    Ok(custodian)
}

impl Seen<'_> {
    pub(super) fn story(&self) -> Result<&Story, Fault> {
        need(self.story.as_ref(), "the cited entries")
    }

    pub(super) fn directive(&self) -> Result<&Directive, Fault> {
        need(self.directive.as_ref(), "the directive")
    }

    /// Whose access the directive ends.
    pub(super) fn ordered(&self) -> Result<&Scope, Fault> {
        let kind = self.directive()?.order.kind();
        let no_end = || {
            Fault::Wrong(format!(
                "the directive orders `{kind}`, which ends nobody's access"
            ))
        };
        self.directive()?.scope().ok_or_else(no_end)
    }

    pub(super) fn custodian(&self) -> Result<&Custodian, Fault> {
        need(self.custodian.as_ref(), "the custodian's name")
    }

    /// Opens a checkpoint that must be the custodian's, of the log `origin`.
    pub(super) fn checkpoint(
        &self,
        note: &str,
        origin: &Origin,
        key: &VerifierKey,
    ) -> Result<Checkpoint, Fault> {
        Checkpoint::open(note, &key.renamed(origin)).map_err(|error| Fault::caused(&error))
    }

    fn ledger_checks(&mut self, key: &VerifierKey, list: &mut Checklist) {
        let checkpoint = self
            .custodian()
            .and_then(|custodian| self.checkpoint(&self.machine.checkpoint, &custodian.main_origin(), key));
        list.note(CheckName::LedgerCheckpoint, checkpoint);
        self.story = list.note(
            CheckName::Entries,
            Story::read(&self.machine).map_err(Fault::Wrong),
        );
        list.note(CheckName::Inclusion, self.inclusion());
        list.note(CheckName::Commitments, self.commitments());
    }

    fn directive_checks(&mut self, list: &mut Checklist) {
        self.directive = Directive::parse(self.machine.directive.as_bytes()).ok();
        list.note(CheckName::Directive, self.own_directive());
        self.approved = list.note(CheckName::Approval, self.approval());
        list.note(CheckName::DirectiveRecord, self.directive_record());
    }

    fn inclusion(&self) -> Result<(), Fault> {
        let ledger = need(self.ledger.as_ref(), "the main log's checkpoint")?;
        self.each_cited(|cited| {
            let leaf = hash::leaf(cited.entry.as_bytes());
            tree::check_inclusion(
                cited.proof.index,
                ledger.size,
                &leaf,
                &ledger.root,
                &cited.proof.hashes,
            )
            .map_err(|error| error.to_string())
        })
    }

    fn commitments(&self) -> Result<(), Fault> {
        let origin = self.custodian()?.main_origin();
        self.each_cited(|cited| {
            let entry = Entry::parse(cited.entry.as_bytes()).map_err(|error| error.to_string())?;
            match (&entry.commitment, &cited.opened) {
                (None, None) => Ok(()),
                (None, Some(_)) => Err("a record is opened of an entry that commits to none".to_owned()),
                (Some(_), None) => Err("it commits to a record that is not opened".to_owned()),
                (Some(commitment), Some(opened)) => {
                    let key: OpeningKey = opened
                        .key
                        .parse()
                        .map_err(|_| "the opening key is none".to_owned())?;
                    if commitment::check(commitment, &key, &origin, opened.record.as_bytes()) {
                        Ok(())
                    } else {
                        Err("the record is not the one that the entry commits to".to_owned())
                    }
                }
            }
        })
    }

    /// Makes a check of each cited entry; the first that fails is named.
    fn each_cited(&self, check: impl Fn(&CitedText) -> Result<(), String>) -> Result<(), Fault> {
        for (number, cited) in (1_usize..).zip(&self.machine.cited) {
            check(cited)
                .map_err(|reason| format!("cited entry {number}, index {}: {reason}", cited.proof.index))?;
        }
        Ok(())
    }

    fn own_directive(&self) -> Result<(), Fault> {
        let directive =
            Directive::parse(self.machine.directive.as_bytes()).map_err(|error| Fault::caused(&error))?;
        let custodian = self.custodian()?;
        if directive.custodian != *custodian {
            return Err(Fault::Wrong(format!(
                "it is for `{}`, not for `{custodian}`",
                directive.custodian
            )));
        }
        Ok(())
    }

    fn approval(&self) -> Result<Approved<Directive>, Fault> {
        let signers = AllowedSigners::parse(&self.machine.signers).map_err(|error| Fault::caused(&error))?;
        let signatures: Vec<_> = self.machine.signatures.iter().map(String::as_str).collect();
        let now = self.story()?.directive.entry.time;
        approve(
            self.machine.directive.as_bytes(),
            &signatures,
            &signers,
            self.custodian()?,
            now,
        )
        .map_err(|error| Fault::caused(&error))
    }

    fn directive_record(&self) -> Result<(), Fault> {
        let record = &self.story()?.directive.record;
        let same = |same: bool, what: &str| {
            if same {
                Ok(())
            } else {
                Err(Fault::Wrong(format!("{what} differ from those in the ledger")))
            }
        };
        same(record.text == self.machine.directive, "the directive's bytes")?;
        same(record.signatures == self.machine.signatures, "the signatures")?;
        same(record.signers_file == self.machine.signers, "the allowed signers")?;
        same(
            record.number == self.directive()?.number,
            "the numbers of the directive",
        )?;
        let approved = need(self.approved.as_ref(), "the approval")?;
        let people: Vec<_> = approved.people().iter().map(ToString::to_string).collect();
        same(record.people == people, "the people who signed")
    }

    /// What the text for people is made from.
    pub(super) fn facts(&self) -> Result<Facts<'_>, Fault> {
        Ok(Facts {
            directive: self.directive()?,
            ordered: self.ordered()?,
            story: self.story()?,
            ledger: need(self.ledger.as_ref(), "the main log's checkpoint")?,
            partner_log: need(self.partner_log.as_ref(), "the checkpoint of the partner's log")?,
            cosigners: &self.cosigners,
        })
    }

    /// The report; `None` if a check failed, in which case a part is missing.
    fn report(self, list: &Checklist) -> Option<Report> {
        let facts = self.facts().ok()?;
        let not_shown = prose::not_shown(facts);
        let partner = facts.ordered.partner.clone();
        let (ledger, partner_log) = (LogHead::from(facts.ledger), LogHead::from(facts.partner_log));
        let approved = self.approved?;
        let signed_by = approved.people().iter().zip(approved.keys());
        let signed_by = signed_by.map(|(person, key)| SignedBy {
            person: person.clone(),
            key: key.clone(),
        });
        let story = self.story?;
        Some(Report {
            custodian: approved.custodian.clone(),
            directive: approved.number.clone(),
            order: approved.order.kind(),
            partner,
            until: approved.until(),
            basis: approved.basis.clone(),
            particulars: approved.particulars.lines().into_iter().collect(),
            issued: approved.issued,
            signed_by: signed_by.collect(),
            recorded: story.directive.entry.time,
            epoch: story.epoch.record.epoch,
            cut: story.cuts.into_iter().map(|event| event.record).collect(),
            gateways: story.drained.into_iter().map(|event| event.record).collect(),
            database: story.carried_out.record,
            closed: story.closed.entry.time,
            counted: story.census.entry.time,
            partner_log,
            ledger,
            not_shown,
            checks: list.0.clone(),
        })
    }
}
