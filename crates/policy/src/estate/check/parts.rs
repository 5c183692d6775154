//! Settings, data sets and partners.

use std::collections::{BTreeMap, BTreeSet};

use evidence::id::{DatasetId, OverseersId};
use jiff::tz::TimeZone;

use super::agreements::number_from;
use super::overseers::overseers;
use super::{ById, Shaped, log_in};
use crate::estate::column_type::ColumnType;
use crate::estate::finding::{Finding, Known, Problem};
use crate::estate::hours::time_zone;
use crate::estate::model::{
    AirlockLimits, Column, CustodianSection, Dataset, Gateway, Isolation, OnDrift, Relation, State, Upstream,
    UpstreamUrl, Watch,
};
use crate::estate::names::{SqlName, two_names};
use crate::estate::overseers::Overseers;
use crate::estate::raw::{ColumnTable, DatasetFile, EstopFile, Table, Text, UpstreamTable, WatchTable};
use crate::estate::retention::Retention;

/// Most columns of a data set: PostgreSQL's bound of a table's.
const MAX_COLUMNS: usize = 1600;

/// What `estop.toml` says.
pub(super) struct Settings {
    pub(super) custodian: CustodianSection,
    pub(super) upstreams: BTreeMap<String, Upstream>,
    pub(super) gateway: Gateway,
    pub(super) airlock: AirlockLimits,
    pub(super) state: State,
    pub(super) watch: Watch,
    pub(super) overseers: ById<OverseersId, Overseers>,
}

pub(super) fn settings(file: &Shaped<'_, EstopFile>, findings: &mut Vec<Finding>) -> Option<Settings> {
    let raw = &file.raw;
    let name = file.parsed(&raw.custodian.name, str::parse, findings);
    let title = file.line(&raw.custodian.title, "the title", findings);
    let zone = match &raw.custodian.time_zone {
        Some(zone) => file.parsed(
            zone,
            |zone| time_zone(zone).ok_or(Problem::TimeZone(zone.to_owned())),
            findings,
        ),
        None => Some(TimeZone::UTC),
    };
    let mut upstreams = BTreeMap::new();
    for (name, table) in &raw.upstream {
        if let Some(upstream) = upstream(file, name, table, findings) {
            upstreams.insert(upstream.name.clone(), upstream);
        }
    }
    if raw.upstream.is_empty() {
        findings.push(file.finding(0..0, Problem::Empty("the list of upstreams")));
    }
    let gateway = gateway(file, findings);
    let airlock = airlock(file, findings);
    let dir = file.parsed(&raw.state.dir, path, findings);
    let retention = match &raw.state.retention {
        Some(text) => file.parsed(text, str::parse::<Retention>, findings).map(Some),
        None => Some(None),
    };
    let erases = match &raw.state.erase {
        None => Some(true),
        Some(text) => file.parsed(
            text,
            |text| match text {
                "daily" => Ok(true),
                "by-hand" => Ok(false),
                _ => Err(Problem::Erase(text.to_owned())),
            },
            findings,
        ),
    };
    let watch = match &raw.watch {
        Some(table) => watch(file, table, findings),
        None => Some(Watch::default()),
    };
    let overseers = overseers(file, &raw.overseers, findings);
    Some(Settings {
        custodian: CustodianSection {
            name: name?,
            title: title?,
            time_zone: zone?,
        },
        upstreams,
        gateway: gateway?,
        airlock: airlock?,
        state: State {
            dir: dir?,
            retention: retention?,
            erases: erases?,
        },
        watch: watch?,
        overseers,
    })
}

fn watch(file: &Shaped<'_, EstopFile>, table: &WatchTable, findings: &mut Vec<Finding>) -> Option<Watch> {
    let range = Watch::LEAST_SECONDS.into()..=Watch::MOST_SECONDS.into();
    let default = Watch::default();
    let every_seconds = match &table.every_seconds {
        None => Some(default.every_seconds),
        Some(given) => number_from(
            file,
            given,
            "the time between two looks in seconds",
            range,
            findings,
        )
        .and_then(|seconds| u32::try_from(seconds).ok()),
    };
    let read = |text: &str| match text {
        "alarm" => Ok(OnDrift::Alarm),
        "cut" => Ok(OnDrift::Cut),
        _ => Err(Problem::OnDrift(text.to_owned())),
    };
    let on_drift = match &table.on_drift {
        None => Some(default.on_drift),
        Some(text) => file.parsed(text, read, findings),
    };
    Some(Watch {
        every_seconds: every_seconds?,
        on_drift: on_drift?,
    })
}

fn upstream(
    file: &Shaped<'_, EstopFile>,
    name: &Text,
    table: &UpstreamTable,
    findings: &mut Vec<Finding>,
) -> Option<Upstream> {
    // Upstreams are named like data sets.
    let id = file.parsed(name, str::parse::<DatasetId>, findings);
    let url = file.parsed(&table.url, url, findings);
    let read = |text: &str| match text {
        "airlock" => Ok(Isolation::Airlock),
        "in-place" => Ok(Isolation::InPlace),
        _ => Err(Problem::Isolation(text.to_owned())),
    };
    let isolation = match &table.isolation {
        None => Some(Isolation::DEFAULT),
        Some(text) => file.parsed(text, read, findings),
    };
    Some(Upstream {
        name: id?.to_string(),
        url: url?,
        isolation: isolation?,
    })
}

fn airlock(file: &Shaped<'_, EstopFile>, findings: &mut Vec<Finding>) -> Option<AirlockLimits> {
    let Some(given) = &file.raw.airlock.memory_mib else {
        return Some(AirlockLimits::default());
    };
    let (min, max) = (AirlockLimits::MIN_MEMORY_MIB, AirlockLimits::MAX_MEMORY_MIB);
    let number = u32::try_from(*given.get_ref()).ok();
    let number = number.filter(|number| (min..=max).contains(number));
    if number.is_none() {
        let problem = Problem::Range {
            what: "`memory_mib`",
            min: min.into(),
            max: max.into(),
        };
        findings.push(file.finding(given.span(), problem));
    }
    Some(AirlockLimits { memory_mib: number? })
}

fn gateway(file: &Shaped<'_, EstopFile>, findings: &mut Vec<Finding>) -> Option<Gateway> {
    let raw = &file.raw.gateway;
    let listen = file.parsed(
        &raw.listen,
        |text| text.parse().map_err(|_| Problem::Listen(text.to_owned())),
        findings,
    );
    let tls_certificate = file.parsed(&raw.tls_certificate, path, findings);
    let tls_key = file.parsed(&raw.tls_key, path, findings);
    let public_name = file.line(&raw.public_name, "the public name", findings);
    let mut file_of = |given: &Option<Text>| match given {
        Some(text) => file.parsed(text, path, findings).map(Some),
        None => Some(None),
    };
    let client_authorities = file_of(&raw.client_authorities);
    let client_revocations = file_of(&raw.client_revocations);
    let tokens = match &raw.tokens {
        Some(table) => log_in::tokens(file, table, findings).map(Some),
        None => Some(None),
    };
    Some(Gateway {
        listen: listen?,
        tls_certificate: tls_certificate?,
        tls_key: tls_key?,
        public_name: public_name?,
        client_authorities: client_authorities?,
        client_revocations: client_revocations?,
        tokens: tokens?,
    })
}

fn url(text: &str) -> Result<UpstreamUrl, Problem> {
    let known = text.starts_with("postgres://") || text.starts_with("postgresql://");
    if known && !text.chars().any(char::is_control) {
        Ok(UpstreamUrl(text.to_owned()))
    } else {
        Err(Problem::Url)
    }
}

pub(super) fn path(text: &str) -> Result<String, Problem> {
    if text.is_empty() || text.chars().any(char::is_control) {
        Err(Problem::Path)
    } else {
        Ok(text.to_owned())
    }
}

pub(super) fn datasets(
    files: &[Shaped<'_, DatasetFile>],
    upstreams: Option<&[String]>,
    findings: &mut Vec<Finding>,
) -> ById<DatasetId, Dataset> {
    let mut datasets = ById::new();
    for file in files {
        let Some(id) = file.named::<DatasetId>(&file.raw.dataset.id, findings) else {
            continue;
        };
        // Files with one id have one name, so there are no two; whoever calls a file otherwise has been told.
        let dataset = dataset(file, id.clone(), upstreams, findings);
        datasets.entry(id).or_insert(dataset);
    }
    datasets
}

fn dataset(
    file: &Shaped<'_, DatasetFile>,
    id: DatasetId,
    upstreams: Option<&[String]>,
    findings: &mut Vec<Finding>,
) -> Option<Dataset> {
    let raw = &file.raw.dataset;
    let title = match &raw.title {
        Some(title) => file.line(title, "the title", findings),
        None => Some(id.to_string()),
    };
    let upstream = upstream_of(file, upstreams, findings);
    let relation = file.parsed(&raw.relation, relation, findings);
    let tags = tags(file, &raw.tags, findings);
    let columns = columns(file, findings);
    let subject_key = match &raw.subject_key {
        Some(key) => Some(subject_key(file, key, columns.as_deref(), findings)?),
        None => None,
    };
    Some(Dataset {
        id,
        title: title?,
        upstream: upstream?,
        relation: relation?,
        subject_key,
        tags: tags?,
        columns: columns?,
    })
}

fn upstream_of(
    file: &Shaped<'_, DatasetFile>,
    known: Option<&[String]>,
    findings: &mut Vec<Finding>,
) -> Option<String> {
    let name = &file.raw.dataset.upstream;
    match known.filter(|known| !known.contains(name.get_ref())) {
        None => Some(name.get_ref().clone()),
        Some(known) => {
            let problem = Problem::Unknown {
                what: "upstream",
                id: name.get_ref().clone(),
                known: Known::new(name.get_ref(), known.iter()),
            };
            findings.push(file.finding(name.span(), problem));
            None
        }
    }
}

fn relation(text: &str) -> Result<Relation, Problem> {
    let (schema, name) = two_names(text).ok_or_else(|| Problem::Relation(text.to_owned()))?;
    Ok(Relation {
        schema: schema.parse()?,
        name: name.parse()?,
    })
}

pub(super) fn tags<T>(
    file: &Shaped<'_, T>,
    raw: &[Text],
    findings: &mut Vec<Finding>,
) -> Option<BTreeSet<String>> {
    // Tags look like ids of data sets.
    let tag = |tag: &Text| {
        file.parsed(
            tag,
            |text| text.parse::<DatasetId>().map(|tag| tag.to_string()),
            findings,
        )
    };
    let tags: Vec<Option<String>> = raw.iter().map(tag).collect();
    tags.into_iter().collect()
}

fn columns(file: &Shaped<'_, DatasetFile>, findings: &mut Vec<Finding>) -> Option<Vec<Column>> {
    let table = file.raw.columns.get_ref();
    if table.is_empty() {
        findings.push(file.finding(file.raw.columns.span(), Problem::Empty("the list of columns")));
        return None;
    }
    if table.len() > MAX_COLUMNS {
        let problem = Problem::Range {
            what: "the number of columns",
            min: 1,
            max: MAX_COLUMNS as u64,
        };
        findings.push(file.finding(file.raw.columns.span(), problem));
        return None;
    }
    let all: Vec<Option<Column>> = in_order(table)
        .into_iter()
        .map(|(name, raw)| column(file, name, raw, findings))
        .collect();
    all.into_iter().collect()
}

fn column(
    file: &Shaped<'_, DatasetFile>,
    name: &Text,
    raw: &ColumnTable,
    findings: &mut Vec<Finding>,
) -> Option<Column> {
    let name = file.parsed(name, str::parse::<SqlName>, findings);
    let kind = file.parsed(&raw.kind, ColumnType::parse, findings);
    let tags = tags(file, &raw.tags, findings);
    Some(Column {
        name: name?,
        kind: kind?,
        nullable: raw.optional,
        tags: tags?,
    })
}

fn subject_key(
    file: &Shaped<'_, DatasetFile>,
    key: &Text,
    columns: Option<&[Column]>,
    findings: &mut Vec<Finding>,
) -> Option<SqlName> {
    let columns = columns?;
    let Some(column) = columns
        .iter()
        .find(|column| column.name.as_str() == key.get_ref())
    else {
        let known = Known::new(key.get_ref(), columns.iter().map(|column| &column.name));
        let problem = Problem::Unknown {
            what: "column",
            id: key.get_ref().clone(),
            known,
        };
        findings.push(file.finding(key.span(), problem));
        return None;
    };
    if column.nullable {
        findings.push(file.finding(key.span(), Problem::SubjectKeyOptional(column.name.to_string())));
        return None;
    }
    Some(column.name.clone())
}

/// The entries of a table in the order they are written.
pub(super) fn in_order<T>(table: &Table<T>) -> Vec<(&Text, &T)> {
    let mut entries: Vec<(&Text, &T)> = table.iter().collect();
    entries.sort_by_key(|(key, _)| key.span().start);
    entries
}
