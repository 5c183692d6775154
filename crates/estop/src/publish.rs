//! The public site: who has access to what, what ended when, and the log to check it by. What it says comes from the ledger, and from
//! the estate only what people call the custodian and its partners.
//!
//! Nothing private stands in it: of an agreement its terms, of the log what its public part shows anyway.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use evidence::directive::Directive;
use evidence::entry::Kind;
use evidence::id::{AgreementId, Custodian, DatasetId, DirectiveNumber, Epoch, Origin, PartnerId, PurposeId};
use evidence::record::{self, DirectiveRecord, EpochRecord};
use jiff::Timestamp;
use jiff::tz::TimeZone;
use ledger::Stored;
use ledger::look::{LookError, look};
use policy::as_of::{Fold, FoldError, Standing};
use policy::estate::Estate;
use serde::Serialize;

mod folder;
mod pages;

pub use folder::{PublishError, Written, write};

/// What the site says.
#[derive(Debug, Clone, Serialize)]
pub struct Site {
    /// Whose.
    pub custodian: Custodian,
    /// What people call the custodian.
    pub title: String,
    /// When it was made.
    pub made: Timestamp,
    /// The key that verifies checkpoints and certificates.
    pub key: String,
    /// Origin of the main log.
    pub origin: Origin,
    /// Entries that the ledger had.
    pub entries: u64,
    /// The first of them.
    pub since: Option<Timestamp>,
    /// The policy in force.
    pub epoch: Epoch,
    /// The agreements of the estate in force, ended ones too.
    pub agreements: Vec<Agreement>,
    /// Everyone who has or had an agreement or a log.
    pub partners: BTreeMap<PartnerId, Partner>,
    /// All orders, in the order in which they were recorded.
    pub orders: Vec<Order>,
    /// Where its days begin and end.
    #[serde(skip)]
    zone: TimeZone,
}

/// An agreement.
#[derive(Debug, Clone, Serialize)]
pub struct Agreement {
    /// Its id.
    pub id: AgreementId,
    /// With whom.
    pub partner: PartnerId,
    /// Whether a session can be had under it now.
    pub standing: Standing,
    /// Its terms by their names: legal basis, limits, hours.
    pub terms: BTreeMap<String, String>,
    /// Its purposes.
    pub purposes: Vec<Purpose>,
}

/// A purpose of an agreement.
#[derive(Debug, Clone, Serialize)]
pub struct Purpose {
    /// Its id.
    pub id: PurposeId,
    /// The order that ended it.
    pub ended_by: Option<DirectiveNumber>,
    /// Whether anything can be read for it now.
    pub readable: bool,
    /// What is shared for it.
    pub shares: Vec<Share>,
}

/// What is shared of a data set.
#[derive(Debug, Clone, Serialize)]
pub struct Share {
    /// The data set.
    pub dataset: DatasetId,
    /// Its columns, each with what is shown in its stead, if not itself.
    pub columns: BTreeMap<String, Option<String>>,
    /// Which rows, in Cedar; all of them if none.
    pub rows: Option<String>,
    /// In what way, by name, where it is not as usual.
    pub how: BTreeMap<String, String>,
}

/// A partner.
#[derive(Debug, Clone, Default, Serialize)]
pub struct Partner {
    /// What people call it; none if the estate does not know it any more.
    pub title: Option<String>,
    /// When its log was opened, and opened again.
    pub opened: Vec<Timestamp>,
    /// When its log was closed.
    pub closed: Vec<Timestamp>,
    /// Disclosures in its log by month (`2026-11`), in UTC: how many statements were answered, not how many rows.
    pub disclosures: BTreeMap<String, u64>,
}

/// An order.
#[derive(Debug, Clone, Serialize)]
pub struct Order {
    /// Its number.
    pub number: DirectiveNumber,
    /// Its kind.
    pub kind: String,
    /// Its legal basis, in its own words.
    pub basis: String,
    /// How many people signed it.
    pub signed_by: usize,
    /// Whom it is about.
    pub partner: Option<PartnerId>,
    /// Which of the partner's agreements, if not all.
    pub agreement: Option<AgreementId>,
    /// Which of their purposes, if not all.
    pub purpose: Option<PurposeId>,
    /// When it was recorded.
    pub recorded: Timestamp,
    /// When the policy that it called for came into force.
    pub in_force: Option<Timestamp>,
    /// The certificate's file on the site.
    pub certificate: Option<String>,
}

/// Why there is nothing to publish.
#[derive(Debug, thiserror::Error)]
pub enum SiteError {
    /// The ledger cannot be read.
    #[error("the ledger cannot be read")]
    Look(#[from] LookError),
    /// An entry cannot be.
    #[error("entry {index} of the ledger cannot be read")]
    Entry {
        /// Which.
        index: u64,
        /// What is wrong with it.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// A record of control's cannot be.
    #[error(transparent)]
    Fold(#[from] FoldError),
}

impl Site {
    /// What a ledger has to say to the public now. Reads all of it; memory does not grow with the log. Blocks for the disk.
    ///
    /// # Errors
    /// The ledger cannot be read.
    pub fn read(
        ledger: &Path,
        estate: &Estate,
        key: String,
        now: Timestamp,
        mut news: impl FnMut(u64),
    ) -> Result<Self, SiteError> {
        let custodian = estate.custodian();
        let mut reading = Reading::default();
        look(ledger, &custodian.name, 0, |stored| {
            news(stored.index);
            reading.take(&stored)
        })?;
        let then = reading.fold.answer(now);
        let mut partners = reading.partners;
        for (id, partner) in estate.partners() {
            partners.entry(id.clone()).or_default().title = Some(partner.title.clone());
        }
        let agreements = then.agreements.into_iter().map(|agreement| {
            partners.entry(agreement.partner.clone()).or_default();
            Agreement {
                id: agreement.id,
                partner: agreement.partner,
                standing: agreement.standing,
                terms: agreement.terms,
                purposes: agreement
                    .purposes
                    .into_iter()
                    .map(|purpose| Purpose {
                        id: purpose.id,
                        ended_by: purpose.ended_by,
                        readable: purpose.readable,
                        shares: purpose
                            .shares
                            .into_iter()
                            .map(|share| Share {
                                dataset: share.terms.dataset,
                                columns: share.terms.columns,
                                rows: share.terms.rows,
                                how: share.terms.how,
                            })
                            .collect(),
                    })
                    .collect(),
            }
        });
        Ok(Self {
            agreements: agreements.collect(),
            custodian: custodian.name.clone(),
            title: custodian.title.clone(),
            made: now,
            key,
            origin: custodian.name.main_origin(),
            entries: then.entries,
            since: then.begins,
            epoch: then.epoch,
            partners,
            orders: reading.orders,
            zone: custodian.time_zone.clone(),
        })
    }

    /// What people call a partner.
    fn called<'a>(&'a self, partner: &'a PartnerId) -> &'a str {
        let title = self
            .partners
            .get(partner)
            .and_then(|known| known.title.as_deref());
        title.unwrap_or(partner.as_str())
    }

    /// Sets the files of certificates, by the numbers of the orders that they are about.
    fn certified(&mut self, files: &BTreeMap<DirectiveNumber, String>) {
        for order in &mut self.orders {
            order.certificate = files.get(&order.number).cloned();
        }
    }
}

/// What has been read so far.
#[derive(Debug, Default)]
struct Reading {
    fold: Fold,
    partners: BTreeMap<PartnerId, Partner>,
    orders: Vec<Order>,
    numbers: BTreeSet<DirectiveNumber>,
}

impl Reading {
    fn take(&mut self, stored: &Stored) -> Result<(), SiteError> {
        let index = stored.index;
        let unreadable = |source| SiteError::Entry { index, source };
        let entry = stored.parse().map_err(|error| unreadable(error.into()))?;
        self.fold.take(index, &entry, &stored.record)?;
        let mut of_partner = |change: &dyn Fn(&mut Partner)| {
            if let Some(partner) = &entry.partner {
                change(self.partners.entry(partner.clone()).or_default());
            }
        };
        match entry.kind {
            Kind::Opened => of_partner(&|partner| partner.opened.push(entry.time)),
            Kind::Closed => of_partner(&|partner| partner.closed.push(entry.time)),
            Kind::Disclosure => of_partner(&|partner| {
                let month = entry.time.strftime("%Y-%m").to_string();
                let count = partner.disclosures.entry(month).or_default();
                *count = count.saturating_add(1);
            }),
            Kind::Directive => self.ordered(entry.time, &stored.record).map_err(unreadable)?,
            Kind::Epoch => {
                let moved: EpochRecord =
                    record::decode(&stored.record).map_err(|error| unreadable(error.into()))?;
                self.moved(entry.time, &moved);
            }
            _ => {}
        }
        Ok(())
    }

    fn ordered(
        &mut self,
        recorded: Timestamp,
        bytes: &[u8],
    ) -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
        let recorded_as: DirectiveRecord = record::decode(bytes)?;
        let directive = Directive::parse(recorded_as.text.as_bytes())?;
        let scope = directive.scope();
        if self.numbers.insert(directive.number.clone()) {
            self.orders.push(Order {
                number: directive.number.clone(),
                kind: directive.order.kind().to_string(),
                basis: directive.basis.clone(),
                signed_by: recorded_as.people.len(),
                partner: scope.map(|scope| scope.partner.clone()),
                agreement: scope.and_then(|scope| scope.agreement.clone()),
                purpose: scope.and_then(|scope| scope.purpose.clone()),
                recorded,
                in_force: None,
                certificate: None,
            });
        }
        Ok(())
    }

    /// The first policy that rests on an approval, or was called for by another order, is when it came into force.
    fn moved(&mut self, at: Timestamp, moved: &EpochRecord) {
        let called_for = [&moved.directive, &moved.approval];
        for number in called_for.into_iter().flatten() {
            if let Some(order) = self.orders.iter_mut().find(|order| order.number == *number) {
                order.in_force.get_or_insert(at);
            }
        }
    }
}
