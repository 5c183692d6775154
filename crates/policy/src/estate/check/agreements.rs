//! Agreements: followed to their partners, data sets and columns.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::ops::Range;
use std::rc::Rc;

use evidence::id::{AgreementId, DatasetId, OverseersId, PartnerId, PurposeId};
use jiff::Timestamp;
use jiff::civil::Date;
use jiff::tz::TimeZone;
use toml::Spanned;

use super::parts::in_order;
use super::{ById, Shaped, overseers, pseudonyms, shape};
use crate::condition::{Condition, ConditionError, RowType};
use crate::estate::Files;
use crate::estate::case_form::CaseForm;
use crate::estate::column_type::ColumnType;
use crate::estate::document;
use crate::estate::finding::{Finding, Known, MAX_FINDINGS, Problem};
use crate::estate::model::{Agreement, Dataset, Partner, Share, SharedColumn, Validity};
use crate::estate::overseers::Overseers;
use crate::estate::raw::{AgreementFile, ShareTable, Text};
use crate::estate::retention::Retention;
use crate::mask::{KeyId, Mask};
use crate::shared_view::MAX_SHARES;

mod limits;
mod onward;

pub(super) use limits::number_from;

pub(super) type File<'a> = Shaped<'a, AgreementFile>;

/// Most purposes of an agreement: each is a role in the database.
const MAX_PURPOSES: usize = 32;

/// What agreements refer to.
pub(super) struct Around<'a> {
    pub(super) files: &'a Files,
    pub(super) datasets: &'a ById<DatasetId, Dataset>,
    pub(super) partners: &'a ById<PartnerId, Partner>,
    pub(super) zone: &'a TimeZone,
    /// `None`: not known, because `estop.toml` is wrong.
    pub(super) overseers: Option<&'a ById<OverseersId, Overseers>>,
    pub(super) rows: RowTypes<'a>,
}

/// The data sets' rows for the conditions on them, each made when it is first asked for.
pub(super) type RowTypes<'a> = RefCell<BTreeMap<&'a DatasetId, Rc<RowType<'a>>>>;

impl<'a> Around<'a> {
    fn rows(&self, dataset: &'a Dataset) -> Rc<RowType<'a>> {
        let mut rows = self.rows.borrow_mut();
        let row = rows
            .entry(&dataset.id)
            .or_insert_with(|| Rc::new(RowType::new(dataset)));
        Rc::clone(row)
    }
}

pub(super) fn agreements(
    files: &[File<'_>],
    around: &Around<'_>,
    findings: &mut Vec<Finding>,
) -> BTreeMap<AgreementId, Agreement> {
    let mut agreements = BTreeMap::new();
    for file in files {
        if findings.len() > MAX_FINDINGS {
            break;
        }
        let Some(id) = file.named::<AgreementId>(&file.raw.agreement.id, findings) else {
            continue;
        };
        if let Some(agreement) = agreement(file, id.clone(), around, findings) {
            agreements.entry(id).or_insert(agreement);
        }
    }
    shape::no_differencing(files, &agreements, around.datasets, findings);
    agreements
}

fn agreement(
    file: &File<'_>,
    id: AgreementId,
    around: &Around<'_>,
    findings: &mut Vec<Finding>,
) -> Option<Agreement> {
    let raw = &file.raw.agreement;
    let partner = referred(file, &raw.partner, "partner", around.partners, findings).map(|(id, _)| id);
    let legal_basis = file.line(&raw.legal_basis, "the legal basis", findings);
    let document = match &raw.document {
        Some(document) => file
            .parsed(document, |path| document::look_up(path, around.files), findings)
            .map(Some),
        None => Some(None),
    };
    let valid = validity(file, around.zone, findings);
    let purposes = purposes(file, &raw.purposes, None, findings);
    let case_reference = match &raw.case_reference {
        Some(form) => file.parsed(form, CaseForm::new, findings).map(Some),
        None => Some(None),
    };
    let onward = match &raw.onward {
        Some(onward) => onward::onward(file, onward, around, findings).map(Some),
        None => Some(None),
    };
    let retention = match &raw.retention {
        Some(text) => file.parsed(text, str::parse::<Retention>, findings).map(Some),
        None => Some(None),
    };
    let hold = match &raw.hold {
        Some(text) => file.line(text, "the reason of the hold", findings).map(Some),
        None => Some(None),
    };
    let sealed = match &raw.sealed {
        Some(sealed) => overseers::sealed(file, sealed, around, findings).map(Some),
        None => Some(None),
    };
    let known = |text: &str| match text {
        "notice" => Ok(true),
        _ => Err(Problem::Receipts(text.to_owned())),
    };
    let receipts = match &raw.receipts {
        Some(text) => file.parsed(text, known, findings),
        None => Some(false),
    };
    let shares = shares(file, around, purposes.as_deref(), findings);
    let limits = limits::limits(file, findings);
    Some(Agreement {
        id,
        partner: partner?,
        legal_basis: legal_basis?,
        document: document?,
        valid: valid?,
        purposes: purposes?,
        case_reference: case_reference?,
        onward: onward?,
        retention: retention?,
        hold: hold?,
        sealed: sealed?,
        receipts: receipts?,
        shares: shares?,
        limits: limits?,
    })
}

/// What a text refers to: its id, and the thing unless its own file is wrong.
pub(super) fn referred<'a, K, V>(
    file: &File<'_>,
    text: &Text,
    what: &'static str,
    all: &'a ById<K, V>,
    findings: &mut Vec<Finding>,
) -> Option<(K, Option<&'a V>)>
where
    K: Ord + std::str::FromStr + std::fmt::Display,
    K::Err: Into<Problem>,
{
    let id = file.parsed(text, str::parse::<K>, findings)?;
    match all.get(&id) {
        Some(value) => Some((id, value.as_ref())),
        None => {
            let known = Known::new(text.get_ref(), all.keys());
            let problem = Problem::Unknown {
                what,
                id: text.get_ref().clone(),
                known,
            };
            findings.push(file.finding(text.span(), problem));
            None
        }
    }
}

fn validity(file: &File<'_>, zone: &TimeZone, findings: &mut Vec<Finding>) -> Option<Validity> {
    let raw = &file.raw.agreement.valid;
    let from = file.parsed(&raw.from, date, findings);
    let until = file.parsed(&raw.until, date, findings);
    let (from, until) = (from?, until?);
    if until < from {
        findings.push(file.finding(raw.until.span(), Problem::Window { from, until }));
        return None;
    }
    file.parsed(
        &raw.until,
        |text| Validity::new(from, until, zone).ok_or_else(|| Problem::Date(text.to_owned())),
        findings,
    )
}

/// `2026-11-23` and no other way of writing a day; years from 1.
fn date(text: &str) -> Result<Date, Problem> {
    let parsed = text
        .parse::<Date>()
        .ok()
        .filter(|date| date.year() >= 1 && date.to_string() == text);
    parsed.ok_or_else(|| Problem::Date(text.to_owned()))
}

/// When a day begins.
pub(super) fn day_begins(text: &str, zone: &TimeZone) -> Result<Timestamp, Problem> {
    let begins = date(text)?.to_zoned(zone.clone());
    begins
        .map(|begins| begins.timestamp())
        .map_err(|_| Problem::Date(text.to_owned()))
}

fn purposes(
    file: &File<'_>,
    raw: &Spanned<Vec<Text>>,
    among: Option<&[PurposeId]>,
    findings: &mut Vec<Finding>,
) -> Option<Vec<PurposeId>> {
    if raw.get_ref().is_empty() {
        findings.push(file.finding(raw.span(), Problem::Empty("the list of purposes")));
        return None;
    }
    if raw.get_ref().len() > MAX_PURPOSES {
        let problem = Problem::Range {
            what: "the number of purposes",
            min: 1,
            max: MAX_PURPOSES as u64,
        };
        findings.push(file.finding(raw.span(), problem));
        return None;
    }
    let mut purposes = Vec::new();
    let mut good = true;
    for text in raw.get_ref() {
        match purpose(file, text, &purposes, among, findings) {
            Some(purpose) => purposes.push(purpose),
            None => good = false,
        }
    }
    good.then_some(purposes)
}

fn purpose(
    file: &File<'_>,
    text: &Text,
    before: &[PurposeId],
    among: Option<&[PurposeId]>,
    findings: &mut Vec<Finding>,
) -> Option<PurposeId> {
    let purpose = file.parsed(text, str::parse::<PurposeId>, findings)?;
    let problem = if before.contains(&purpose) {
        Problem::Twice {
            what: "purpose",
            id: purpose.to_string(),
        }
    } else if let Some(known) = among.filter(|among| !among.contains(&purpose)) {
        let known = Known::new(purpose.as_str(), known.iter());
        Problem::Unknown {
            what: "purpose",
            id: purpose.to_string(),
            known,
        }
    } else {
        return Some(purpose);
    };
    findings.push(file.finding(text.span(), problem));
    None
}

fn shares(
    file: &File<'_>,
    around: &Around<'_>,
    purposes: Option<&[PurposeId]>,
    findings: &mut Vec<Finding>,
) -> Option<Vec<Share>> {
    if file.raw.share.get_ref().is_empty() {
        findings.push(file.finding(file.raw.share.span(), Problem::Empty("the list of shares")));
        return None;
    }
    let raws = file.raw.share.get_ref();
    let shares: Vec<Option<Share>> = raws
        .iter()
        .map(|raw| share(file, raw, around, purposes, findings))
        .collect();
    let shares: Vec<Share> = shares.into_iter().collect::<Option<_>>()?;
    let places: Vec<Range<usize>> = raws.iter().map(|raw| raw.dataset.span()).collect();
    let before = findings.len();
    pseudonyms::no_dictionary(file, &shares, findings);
    for purpose in purposes? {
        check_purpose(file, purpose, &shares, &places, around, findings);
    }
    (findings.len() == before).then_some(shares)
}

/// What the shares of one purpose must be together: some, in one database, with one view of a name.
fn check_purpose(
    file: &File<'_>,
    purpose: &PurposeId,
    shares: &[Share],
    places: &[Range<usize>],
    around: &Around<'_>,
    findings: &mut Vec<Finding>,
) {
    let mut datasets: BTreeMap<&DatasetId, Vec<&Share>> = BTreeMap::new();
    let mut upstream: Option<&str> = None;
    for (share, place) in shares
        .iter()
        .zip(places)
        .filter(|(share, _)| share.purposes.contains(purpose))
    {
        let before = datasets.entry(&share.dataset).or_default();
        if let Some(problem) = beside(share, before, purpose) {
            findings.push(file.finding(place.clone(), problem));
        }
        before.push(share);
        let Some(second) = around.datasets.get(&share.dataset).and_then(Option::as_ref) else {
            continue;
        };
        let first = *upstream.get_or_insert(&second.upstream);
        if first != second.upstream {
            let second = second.upstream.clone();
            let problem = Problem::TwoUpstreams {
                purpose: purpose.to_string(),
                first: first.to_owned(),
                second,
            };
            findings.push(file.finding(place.clone(), problem));
        }
    }
    if datasets.is_empty() {
        let span = file.raw.agreement.purposes.span();
        findings.push(file.finding(span, Problem::NothingShared(purpose.to_string())));
    }
}

/// What keeps a share from being one view with those before it.
fn beside(share: &Share, before: &[&Share], purpose: &PurposeId) -> Option<Problem> {
    if before.len() == MAX_SHARES {
        return Some(Problem::TooManyShares {
            dataset: share.dataset.to_string(),
            purpose: purpose.to_string(),
        });
    }
    // `CASE` makes one type of these by itself.
    let shown = |shared: &SharedColumn| match shared.shown_type() {
        ColumnType::Decimal(_) => ColumnType::Numeric,
        kind if kind.is_text() => ColumnType::Text,
        kind => kind,
    };
    share.columns.iter().find_map(|second| {
        let mut others = before.iter().flat_map(|share| &share.columns);
        let first =
            others.find(|first| first.column.name == second.column.name && shown(first) != shown(second))?;
        Some(Problem::ShownTypes {
            column: second.column.name.to_string(),
            first: shown(first).name().into_owned(),
            second: shown(second).name().into_owned(),
        })
    })
}

fn share(
    file: &File<'_>,
    raw: &ShareTable,
    around: &Around<'_>,
    purposes_of_all: Option<&[PurposeId]>,
    findings: &mut Vec<Finding>,
) -> Option<Share> {
    let dataset = referred(file, &raw.dataset, "data set", around.datasets, findings);
    let purposes = match &raw.purposes {
        Some(some) => purposes_of_all.and_then(|all| purposes(file, some, Some(all), findings)),
        None => purposes_of_all.map(<[PurposeId]>::to_vec),
    };
    let (id, dataset) = dataset?;
    // A data set whose own file is wrong has been reported; what is asked of it cannot be checked.
    let dataset = dataset?;
    let (kind, timing) = (
        shape::kind(file, raw, dataset, findings),
        shape::timing(file, raw, findings),
    );
    let columns = shape::list(raw).and_then(|list| columns(file, raw, list, dataset, findings));
    let required = shape::subject_required(file, raw, dataset, columns.as_deref(), findings);
    let condition = match &raw.when {
        Some(when) => condition(file, when, &around.rows(dataset), findings).map(Some),
        None => Some(None),
    };
    Some(Share {
        dataset: id,
        purposes: purposes?.into_iter().collect(),
        kind: kind?,
        columns: columns?,
        condition: condition?,
        timing: timing?,
        subject_required: required?,
    })
}

fn columns(
    file: &File<'_>,
    raw: &ShareTable,
    list: &Spanned<Vec<Text>>,
    dataset: &Dataset,
    findings: &mut Vec<Finding>,
) -> Option<Vec<SharedColumn>> {
    let before = findings.len();
    if list.get_ref().is_empty() {
        findings.push(file.finding(list.span(), Problem::Empty("the list of columns")));
    }
    let mut columns: Vec<SharedColumn> = Vec::new();
    for name in list.get_ref() {
        if findings.len() > MAX_FINDINGS {
            break;
        }
        let Some(column) = dataset.column(name.get_ref()) else {
            let known = Known::new(name.get_ref(), dataset.columns.iter().map(|column| &column.name));
            let problem = Problem::Unknown {
                what: "column",
                id: name.get_ref().clone(),
                known,
            };
            findings.push(file.finding(name.span(), problem));
            continue;
        };
        if columns.iter().any(|shared| shared.column.name == column.name) {
            let problem = Problem::Twice {
                what: "column",
                id: name.get_ref().clone(),
            };
            findings.push(file.finding(name.span(), problem));
            continue;
        }
        columns.push(SharedColumn {
            column: column.clone(),
            mask: None,
        });
    }
    let id = file.raw.agreement.id.get_ref().parse::<AgreementId>();
    // An id that is none has been reported.
    let key = id.ok().map(|id| KeyId::of(&id))?;
    for (name, mask) in in_order(&raw.mask) {
        let listed = list
            .get_ref()
            .iter()
            .any(|column| column.get_ref() == name.get_ref());
        match columns
            .iter_mut()
            .find(|shared| shared.column.name.as_str() == name.get_ref())
        {
            Some(shared) => {
                shared.mask = file.parsed(mask, |text| Mask::parse(text, &shared.column, &key), findings);
            }
            // Listed and unknown: that has been said.
            None if listed => {}
            None => findings.push(file.finding(name.span(), Problem::MaskNotShared(name.get_ref().clone()))),
        }
    }
    (findings.len() == before).then_some(columns)
}

fn condition(
    file: &File<'_>,
    when: &Text,
    row: &RowType<'_>,
    findings: &mut Vec<Finding>,
) -> Option<Condition> {
    Condition::compile_for(when.get_ref(), row)
        .map_err(|error| {
            findings.push(file.finding(within(file.text, when, &error), Problem::Condition(error)))
        })
        .ok()
}

/// The place of a condition's fault in the file: exact where the condition stands there as it is, the whole of it where
/// TOML's escapes make the two differ.
fn within(text: &str, when: &Text, error: &ConditionError) -> Range<usize> {
    let whole = when.span();
    let written = text.get(whole.clone()).unwrap_or_default();
    match written.find(when.get_ref().as_str()) {
        Some(start) => {
            let start = whole.start + start;
            start + error.span.start..start + error.span.end
        }
        None => whole,
    }
}
