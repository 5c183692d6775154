//! The shape of shares: rows or counts; and that no partner is given two views whose difference is a small group.

use std::collections::BTreeMap;

use evidence::id::{AgreementId, DatasetId, PartnerId};
use toml::Spanned;

use super::ById;
use super::agreements::{File, number_from};
use crate::estate::finding::{Finding, Problem};
use crate::estate::model::{Agreement, Dataset, Relation, Share, SharedColumn};
use crate::estate::names::SqlName;
use crate::estate::raw::{ShareTable, Text};
use crate::estate::shape::{Aggregate, ShareError, ShareKind, SmallGroups, Timing};
use crate::mask::Mask;

const ROWS: &str = "rows";
const AGGREGATE: &str = "aggregate";
const REQUIRED: &str = "required";

/// The columns that a share lists: those it shows, or those it groups by.
pub(super) fn list(raw: &ShareTable) -> Option<&Spanned<Vec<Text>>> {
    if is_aggregate(raw) {
        raw.group_by.as_ref()
    } else {
        raw.columns.as_ref()
    }
}

fn is_aggregate(raw: &ShareTable) -> bool {
    raw.kind.as_ref().is_some_and(|kind| kind.get_ref() == AGGREGATE)
}

pub(super) fn timing(file: &File<'_>, raw: &ShareTable, findings: &mut Vec<Finding>) -> Option<Timing> {
    match &raw.timing {
        Some(text) => file.parsed(text, str::parse::<Timing>, findings),
        None => Some(Timing::Open),
    }
}

/// Whether results must hold the subject key: then the share must show it, as it is or as its pseudonym.
pub(super) fn subject_required(
    file: &File<'_>,
    raw: &ShareTable,
    dataset: &Dataset,
    columns: Option<&[SharedColumn]>,
    findings: &mut Vec<Finding>,
) -> Option<bool> {
    let Some(text) = raw.subject_key.as_ref().filter(|_| !is_aggregate(raw)) else {
        return Some(false);
    };
    let problem = match &dataset.subject_key {
        _ if text.get_ref() != REQUIRED => Some(ShareError::SubjectKey(text.get_ref().clone())),
        None => Some(ShareError::NoSubject(dataset.id.to_string())),
        // What is wrong with the columns has been said.
        Some(key) => columns
            .filter(|columns| {
                !columns
                    .iter()
                    .any(|shown| shown.column.name == *key && tells_whose(shown))
            })
            .map(|_| ShareError::SubjectHidden(key.to_string())),
    };
    if let Some(problem) = problem {
        findings.push(file.finding(text.span(), problem));
        return None;
    }
    Some(true)
}

fn tells_whose(shown: &SharedColumn) -> bool {
    matches!(shown.mask, None | Some(Mask::Pseudonym(_)))
}

/// Whether it shows rows or counts, with every key it has belonging to that kind.
pub(super) fn kind(
    file: &File<'_>,
    raw: &ShareTable,
    dataset: &Dataset,
    findings: &mut Vec<Finding>,
) -> Option<ShareKind> {
    if let Some(kind) = raw
        .kind
        .as_ref()
        .filter(|kind| ![ROWS, AGGREGATE].contains(&kind.get_ref().as_str()))
    {
        findings.push(file.finding(kind.span(), ShareError::Kind(kind.get_ref().clone())));
        return None;
    }
    let aggregate = is_aggregate(raw);
    let (kind, key) = if aggregate {
        (AGGREGATE, "group_by")
    } else {
        (ROWS, "columns")
    };
    let span = |text: &Option<Text>| text.as_ref().map(Spanned::span);
    let list = |list: &Option<Spanned<Vec<Text>>>| list.as_ref().map(Spanned::span);
    let given = [
        ("columns", !aggregate, list(&raw.columns)),
        ("timing", !aggregate, span(&raw.timing)),
        ("subject_key", !aggregate, span(&raw.subject_key)),
        ("group_by", aggregate, list(&raw.group_by)),
        ("count", aggregate, span(&raw.count)),
        ("min_group", aggregate, raw.min_group.as_ref().map(Spanned::span)),
        ("small_groups", aggregate, span(&raw.small_groups)),
    ];
    let before = findings.len();
    for (key, fits, place) in given {
        if let Some(place) = place.filter(|_| !fits) {
            findings.push(file.finding(place, ShareError::Foreign { kind, key }));
        }
    }
    if self::list(raw).is_none() && findings.len() == before {
        findings.push(file.finding(raw.dataset.span(), ShareError::Wants { kind, key }));
    }
    if findings.len() > before {
        None
    } else if aggregate {
        counting(file, raw, dataset, findings).map(ShareKind::Aggregate)
    } else {
        Some(ShareKind::Rows)
    }
}

fn counting(
    file: &File<'_>,
    raw: &ShareTable,
    dataset: &Dataset,
    findings: &mut Vec<Finding>,
) -> Option<Aggregate> {
    let grouped: &[Text] = raw.group_by.as_ref().map_or(&[], |list| list.get_ref());
    let count = match &raw.count {
        Some(text) => {
            let count = file.parsed(text, str::parse::<SqlName>, findings);
            (count, text.span())
        }
        None => (Aggregate::DEFAULT_COUNT.parse().ok(), raw.dataset.span()),
    };
    let (count, place) = count;
    let count = count.filter(|count| {
        let clashes = grouped.iter().any(|name| name.get_ref() == count.as_str());
        if clashes {
            findings.push(file.finding(place, ShareError::CountName(count.to_string())));
        }
        !clashes
    });
    let range = Aggregate::LEAST_MIN_GROUP.into()..=Aggregate::MAX_MIN_GROUP.into();
    let min_group = match &raw.min_group {
        Some(given) => number_from(file, given, "the least size of a group", range, findings)
            .and_then(|number| u32::try_from(number).ok()),
        None => Some(Aggregate::DEFAULT_MIN_GROUP),
    };
    let small_groups = match &raw.small_groups {
        Some(text) => file.parsed(text, str::parse::<SmallGroups>, findings),
        None => Some(SmallGroups::Null),
    };
    // A mask that tells subjects apart would not help; one that does not read the column would.
    let emptied = |name: &Text| {
        raw.mask
            .iter()
            .any(|(masked, mask)| masked.get_ref() == name.get_ref() && mask.get_ref() == "null")
    };
    let subjects = dataset.subject_key.clone();
    let single = grouped.iter().find(|name| {
        subjects
            .as_ref()
            .is_some_and(|key| key.as_str() == name.get_ref())
            && !emptied(name)
    });
    if let Some(name) = single {
        findings.push(file.finding(name.span(), ShareError::GroupedBySubject(name.get_ref().clone())));
        return None;
    }
    Some(Aggregate {
        count: count?,
        min_group: min_group?,
        small_groups: small_groups?,
        subjects,
    })
}

/// One share of a relation to a partner.
struct Given<'a> {
    agreement: &'a Agreement,
    share: &'a Share,
}

impl Given<'_> {
    /// Whether the difference of the two can be a small group: one counts, they are not the same, and both can be read at a
    /// time.
    fn differs_from(&self, other: &Given<'_>) -> bool {
        if self.share.aggregate().is_none() && other.share.aggregate().is_none() {
            return false;
        }
        let same = self.share.kind == other.share.kind
            && self.share.columns == other.share.columns
            && self.share.condition == other.share.condition;
        let (mine, theirs) = (self.agreement.valid, other.agreement.valid);
        !same && mine.begins < theirs.ends && theirs.begins < mine.ends
    }
}

/// Of a relation that a partner sees counts of, it sees nothing else while it does.
pub(super) fn no_differencing(
    files: &[File<'_>],
    agreements: &BTreeMap<AgreementId, Agreement>,
    datasets: &ById<DatasetId, Dataset>,
    findings: &mut Vec<Finding>,
) {
    let mut seen: BTreeMap<(&PartnerId, &str, &Relation), Vec<Given<'_>>> = BTreeMap::new();
    for file in files {
        let id = file.raw.agreement.id.get_ref().parse::<AgreementId>().ok();
        let Some(agreement) = id.and_then(|id| agreements.get(&id)) else {
            continue;
        };
        for (share, raw) in agreement.shares.iter().zip(file.raw.share.get_ref()) {
            let Some(dataset) = datasets.get(&share.dataset).and_then(Option::as_ref) else {
                continue;
            };
            let key = (&agreement.partner, dataset.upstream.as_str(), &dataset.relation);
            let before = seen.entry(key).or_default();
            let given = Given { agreement, share };
            if let Some(other) = before.iter().find(|other| given.differs_from(other)) {
                let problem = ShareError::Differencing {
                    partner: agreement.partner.to_string(),
                    relation: dataset.relation.to_string(),
                    other: other.agreement.id.to_string(),
                };
                findings.push(file.finding(raw.dataset.span(), Problem::Share(problem)));
            }
            before.push(given);
        }
    }
}
