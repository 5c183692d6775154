//! The account that a person is due: who was given their record, when, what for, on what basis.

use std::collections::{BTreeMap, BTreeSet};

use evidence::id::{DatasetId, OverseersId};
use evidence::record::Why;
use jiff::Timestamp;
use ledger::accounting::{Accounts, AccountsError, Found, Told, Totals, Unaccounted, UnderSeal};
use policy::estate::{Column, ColumnType, Dataset, Estate};
use serde::Serialize;
use wire::frontend::Format;
use wire::value::Sort;

use crate::custodian;
use crate::estate::Loaded;
use crate::failure::{Exit, Failure};

pub mod letter;
mod pseudonyms;

/// Everything that is told.
#[derive(Debug, Clone, Serialize)]
pub struct Account {
    /// Whose records they are.
    pub custodian: Named,
    /// Which of them.
    pub dataset: Named,
    /// The column that says whom a row is about.
    pub subject_key: String,
    /// Its value, in the one spelling that is accounted by.
    pub subject: String,
    /// What was disclosed of it, in order of time.
    pub disclosures: Vec<Given>,
    /// Disclosures of it whose records are under seal: that there are some, and no more.
    pub sealed: Vec<SealedGiven>,
    /// Which these are. Their entries say in public which partner they are about, so they are not told.
    #[serde(skip)]
    pub sealed_entries: Vec<UnderSeal>,
    /// The pseudonyms under which entries showed the subject, where they did not show the key.
    #[serde(skip)]
    pub shown_as: BTreeMap<u64, String>,
    /// What was looked through.
    pub covers: Covers,
}

/// Disclosures of the record that are under one seal.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct SealedGiven {
    /// Who can open it.
    pub overseers: OverseersId,
    /// From when on without an order; none: on an order only.
    pub until: Option<Timestamp>,
    /// How many.
    pub disclosures: u64,
}

/// An id, with what people call it.
#[derive(Debug, Clone, Serialize)]
pub struct Named {
    /// The id.
    pub id: String,
    /// What people call it; none where the estate does not say so any more.
    pub title: Option<String>,
}

/// One disclosure of the record.
#[derive(Debug, Clone, Serialize)]
pub struct Given {
    /// Index of its entry in the ledger.
    pub entry: u64,
    /// When the statement was sent.
    pub at: Timestamp,
    /// To whom.
    pub partner: Named,
    /// Who asked.
    pub officer: Named,
    /// Under which agreement.
    pub agreement: String,
    /// On what legal basis.
    pub legal_basis: Option<String>,
    /// What for.
    pub purpose: String,
    /// In which case.
    pub case: Option<String>,
    /// The pseudonym that was shown in place of the subject key; none where it was shown as it is.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pseudonym: Option<String>,
    /// Which columns of the data set, as far as they were given as they are.
    pub columns: Vec<String>,
}

/// What an account covers, and what it cannot.
#[derive(Debug, Clone, Serialize)]
pub struct Covers {
    /// The time of the ledger's first entry.
    pub from: Option<Timestamp>,
    /// The time of its last.
    pub until: Option<Timestamp>,
    /// How many entries there are.
    pub entries: u64,
    /// Rows disclosed, of anybody.
    pub rows: u64,
    /// Rows of this data set, or of none that is known, that cannot be attributed to anybody.
    pub unattributed: Vec<Unaccounted>,
    /// Rows recorded before subjects were.
    pub earlier_rows: u64,
    /// How often records were erased: of what they said this account tells nothing.
    pub erasures: u64,
    /// Rows recorded with another accounting key than the one there is.
    pub other_key_rows: u64,
}

/// Looks up who was given the record of a subject.
///
/// # Errors
/// There is no such data set, it has no subject key, the subject is none, or the ledger cannot be read.
pub fn account(
    loaded: &Loaded,
    dataset: &str,
    subject: &str,
    news: impl FnMut(u64),
) -> Result<Account, Failure> {
    let estate = &loaded.estate;
    let dataset = find(estate, dataset)?;
    let (column, canonical) = canonical(dataset, subject)?;
    let state = loaded.state();
    // Nothing is made here that is not there: a ledger begins with `serve`.
    custodian::public_key(&state)?;
    let key = custodian::known_accounting_key(&state)?.ok_or_else(|| {
        Failure::absent(format!(
            "no accounting key at `{}`",
            state.accounting_key().display()
        ))
        .help("`estop serve` makes it; disclosures from before then are recorded without subjects")
    })?;
    let name = &estate.custodian().name;
    let accounts =
        Accounts::open(&state.ledger(), &state.accounting(), name, news).map_err(|error| failed(&error))?;
    let tagger = key.tagger(&dataset.id);
    let find = |text: &str| {
        accounts
            .find(tagger.tag(text.as_bytes()))
            .map_err(|error| failed(&error))
    };
    let mut entries = find(&canonical)?;
    let bare: BTreeSet<u64> = entries.iter().copied().collect();
    let mut shown_as = BTreeMap::new();
    for pseudonym in pseudonyms::of(loaded, dataset, column, &canonical)? {
        let found = find(&pseudonym)?;
        let found = found.into_iter().filter(|entry| !bare.contains(entry));
        shown_as.extend(found.map(|entry| (entry, pseudonym.clone())));
    }
    entries.extend(shown_as.keys());
    let Found { told, under_seal } = accounts.told(&entries).map_err(|error| failed(&error))?;
    let totals = accounts.totals();
    let other_keys = totals.attributed.iter().filter(|(known, _)| **known != key.id());
    Ok(Account {
        custodian: Named {
            id: name.to_string(),
            title: Some(estate.custodian().title.clone()),
        },
        dataset: Named {
            id: dataset.id.to_string(),
            title: Some(dataset.title.clone()),
        },
        subject_key: column.name.to_string(),
        subject: canonical,
        disclosures: told
            .into_iter()
            .map(|told| given(estate, &dataset.id, told, &shown_as))
            .collect(),
        sealed: by_seal(&under_seal),
        sealed_entries: under_seal,
        shown_as,
        covers: Covers {
            other_key_rows: other_keys.map(|(_, rows)| rows).sum(),
            erasures: accounts.erasures(),
            ..covers(&dataset.id, totals)
        },
    })
}

/// How many are under each seal, those with a time first.
fn by_seal(entries: &[UnderSeal]) -> Vec<SealedGiven> {
    let mut seals: BTreeMap<(bool, Option<Timestamp>, &OverseersId), u64> = BTreeMap::new();
    for UnderSeal { under, .. } in entries {
        let seal = (under.until.is_none(), under.until, &under.overseers);
        let count = seals.entry(seal).or_default();
        *count = count.saturating_add(1);
    }
    let each = seals
        .into_iter()
        .map(|((_, until, overseers), disclosures)| SealedGiven {
            overseers: overseers.clone(),
            until,
            disclosures,
        });
    each.collect()
}

fn find<'e>(estate: &'e Estate, id: &str) -> Result<&'e Dataset, Failure> {
    let known = || {
        let ids: Vec<String> = estate.datasets().keys().map(|id| format!("`{id}`")).collect();
        format!("there is {}", ids.join(", "))
    };
    id.parse::<DatasetId>()
        .ok()
        .and_then(|id| estate.datasets().get(&id))
        .ok_or_else(|| Failure::wrong(format!("the estate has no data set `{id}`")).help(known()))
}

/// The subject key's column, and the subject as it is accounted by.
fn canonical<'d>(dataset: &'d Dataset, subject: &str) -> Result<(&'d Column, String), Failure> {
    let column = dataset
        .subject_key
        .as_ref()
        .and_then(|key| dataset.column(key.as_str()))
        .ok_or_else(|| {
            Failure::wrong(format!(
                "data set `{}` has no subject key: its rows are about nobody",
                dataset.id
            ))
        })?;
    let kind = column.kind.name();
    let sort = sort(column.kind).ok_or_else(|| {
        Failure::wrong(format!(
            "data set `{}` is not accounted for by person: a `{kind}` such as `{}` has no one text for a value",
            dataset.id, column.name
        ))
    })?;
    let mut out = Vec::new();
    let read = sort.canonical(Format::Text, subject.as_bytes(), &mut out);
    let text = read.ok().and_then(|()| String::from_utf8(out).ok());
    let text = text.ok_or_else(|| {
        Failure::wrong(format!(
            "`{subject}` is no value of `{}`, which is of type `{kind}`",
            column.name
        ))
    })?;
    Ok((column, text))
}

/// How values of a column are read where the gateway gives them.
fn sort(kind: ColumnType) -> Option<Sort> {
    Some(match kind {
        ColumnType::Smallint | ColumnType::Integer | ColumnType::Bigint => Sort::Integer,
        ColumnType::Numeric | ColumnType::Decimal(_) => Sort::Numeric,
        ColumnType::Text | ColumnType::Varchar | ColumnType::Enum => Sort::Text,
        ColumnType::Char => Sort::Padded,
        ColumnType::Uuid => Sort::Uuid,
        ColumnType::Date => Sort::Date,
        ColumnType::Bytea => Sort::Bytes,
        _ => return None,
    })
}

fn given(estate: &Estate, dataset: &DatasetId, told: Told, shown_as: &BTreeMap<u64, String>) -> Given {
    let Told { entry, record, .. } = told;
    let partner = estate.partners().get(&record.partner);
    let officer = partner.and_then(|partner| partner.officers.iter().find(|one| one.id == record.officer));
    let columns = record
        .subjects
        .iter()
        .filter(|subjects| subjects.dataset == *dataset);
    Given {
        entry,
        at: record.started,
        partner: Named {
            id: record.partner.to_string(),
            title: partner.map(|partner| partner.title.clone()),
        },
        officer: Named {
            id: record.officer.to_string(),
            title: officer.map(|officer| officer.name.clone()),
        },
        agreement: record.agreement.to_string(),
        legal_basis: record.legal_basis.map(|text| text.as_str().to_owned()),
        purpose: record.purpose.to_string(),
        case: record.case.map(|text| text.as_str().to_owned()),
        pseudonym: shown_as.get(&entry).cloned(),
        columns: columns
            .flat_map(|subjects| subjects.columns.iter().map(|name| name.as_str().to_owned()))
            .collect(),
    }
}

fn covers(dataset: &DatasetId, totals: Totals) -> Covers {
    let theirs = |one: &Unaccounted| one.dataset.as_ref().is_none_or(|known| known == dataset);
    Covers {
        from: totals.from,
        until: totals.until,
        entries: totals.entries,
        rows: totals.rows,
        unattributed: totals.unaccounted.into_iter().filter(theirs).collect(),
        earlier_rows: totals.earlier_rows,
        erasures: 0,
        other_key_rows: 0,
    }
}

fn failed(error: &AccountsError) -> Failure {
    let failure = Failure::from_error(Exit::Absent, error);
    match error {
        AccountsError::Damaged { .. } => failure.help("remove that folder; it is made anew from the ledger"),
        _ => failure,
    }
}

/// Why rows cannot be attributed, in words for a person.
#[must_use]
pub fn reason(why: Why) -> &'static str {
    match why {
        Why::NoKey => "counts, expressions and choices of columns that do not name anybody",
        Why::NullKey => "rows whose key was empty",
        Why::Type | Why::Unreadable => "keys that could not be read for certain",
        Why::LongRow => "rows too long to be read",
        Why::Copy => "bulk copies, which do not say which column is which",
        Why::Undescribed => "results whose columns were not known",
    }
}

/// Rows that cannot be attributed, by reason in words: results and rows.
#[must_use]
pub fn by_reason(covers: &Covers) -> BTreeMap<&'static str, (u64, u64)> {
    let mut all = BTreeMap::new();
    for one in &covers.unattributed {
        let (results, rows): &mut (u64, u64) = all.entry(reason(one.why)).or_default();
        *results = results.saturating_add(one.results);
        *rows = rows.saturating_add(one.rows);
    }
    all
}
