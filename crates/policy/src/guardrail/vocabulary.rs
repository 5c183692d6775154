//! What the names in guardrails stand for.

use std::collections::{BTreeMap, BTreeSet};

use evidence::id::PurposeId;

use super::Place;
use crate::estate::{Dataset, Estate, Known, Problem};

/// Attributes of a request's context, by action: what `policy::cedar` writes into the schema.
pub(super) const CONNECT_CONTEXT: [&str; 4] = ["agreement", "purpose", "now", "case"];
pub(super) const READ_CONTEXT: [&str; 7] = [
    "agreement",
    "purpose",
    "now",
    "case",
    "column",
    "masked",
    "aggregate",
];

/// The names of an estate, and what they stand for.
pub(super) struct Vocabulary<'a> {
    pub(super) estate: &'a Estate,
    /// Tags of data sets.
    pub(super) tags: BTreeSet<&'a str>,
    /// Tags of columns.
    pub(super) column_tags: BTreeSet<&'a str>,
    /// Tags of partners, with who bears them.
    pub(super) partner_tags: BTreeMap<&'a str, Vec<&'a str>>,
    /// All columns of all data sets.
    pub(super) columns: BTreeSet<&'a str>,
    /// All purposes of all agreements.
    pub(super) purposes: BTreeSet<&'a PurposeId>,
}

impl<'a> Vocabulary<'a> {
    pub(super) fn new(estate: &'a Estate) -> Self {
        let datasets = || estate.datasets().values();
        let columns = || datasets().flat_map(|dataset| &dataset.columns);
        let mut partner_tags: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
        for partner in estate.partners().values() {
            for tag in &partner.tags {
                partner_tags.entry(tag).or_default().push(partner.id.as_str());
            }
        }
        Self {
            estate,
            tags: datasets()
                .flat_map(|dataset| &dataset.tags)
                .map(String::as_str)
                .collect(),
            column_tags: columns()
                .flat_map(|column| &column.tags)
                .map(String::as_str)
                .collect(),
            partner_tags,
            columns: columns().map(|column| column.name.as_str()).collect(),
            purposes: estate
                .agreements()
                .values()
                .flat_map(|agreement| &agreement.purposes)
                .collect(),
        }
    }

    /// All places where something is decided.
    pub(super) fn places(&self) -> Vec<Place> {
        std::iter::once(Place::Connect)
            .chain(self.estate.datasets().keys().cloned().map(Place::Read))
            .collect()
    }

    /// The data set of a place.
    pub(super) fn dataset(&self, place: &Place) -> Option<&'a Dataset> {
        match place {
            Place::Connect => None,
            Place::Read(id) => self.estate.datasets().get(id),
        }
    }
}

/// A name that nothing bears, with those that something does.
pub(super) fn unknown<'n>(what: &'static str, id: &str, known: impl IntoIterator<Item = &'n str>) -> Problem {
    Problem::Unknown {
        what,
        id: id.to_owned(),
        known: Known::new(id, known.into_iter()),
    }
}
