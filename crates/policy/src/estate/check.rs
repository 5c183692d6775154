//! From what is written to what is meant: all files read, all references followed, everything wrong collected.

mod agreements;
mod log_in;
mod overseers;
mod parts;
mod pseudonyms;
mod shape;

use std::collections::BTreeMap;
use std::ops::Range;

use evidence::id::{AgreementId, PurposeId};
use evidence::signers::AllowedSigners;
use evidence::witness_policy::WitnessPolicy;
use serde::de::DeserializeOwned;

use super::finding::{EstateErrors, Finding, Problem};
use super::raw::{AgreementFile, DatasetFile, EstopFile, PartnerFile, Text};
use super::{Estate, Files, MAX_ESTATE_BYTES, MAX_FILE_BYTES, MAX_FILES, Share};
use crate::cedar::{self, CedarError};
use crate::guardrail::{GuardrailFault, GuardrailFile, MAX_GUARDRAIL_BYTES, Statute, policies_of, too_deep};
use crate::shared_view::{ReadPolicies, SharedView};

const ESTOP_FILE: &str = "estop.toml";
const SIGNERS_FILE: &str = "authorities/allowed_signers";
const WITNESSES_FILE: &str = "authorities/witnesses";

/// Longest line of text that people read: titles, names, legal bases.
const MAX_LINE_BYTES: usize = 500;

pub(super) fn estate(files: &Files) -> Result<Estate, EstateErrors> {
    let mut findings = Vec::new();
    let estate = read(files, &mut findings);
    match estate {
        Some(estate) if findings.is_empty() => Ok(estate),
        _ => Err(EstateErrors::new(findings, files)),
    }
}

fn read(files: &Files, findings: &mut Vec<Finding>) -> Option<Estate> {
    if files.len() > MAX_FILES {
        findings.push(Finding::of_file(".", Problem::TooManyFiles));
        return None;
    }
    if files.values().map(String::len).sum::<usize>() > MAX_ESTATE_BYTES {
        findings.push(Finding::of_file(".", Problem::TooMuch));
        return None;
    }
    let mut sorted = Sorted::default();
    for (path, text) in files {
        sorted.sort(path, text, findings);
    }
    let settings = sorted
        .settings
        .as_ref()
        .and_then(|file| parts::settings(file, findings));
    if !files.contains_key(ESTOP_FILE) {
        findings.push(Finding::of_file(ESTOP_FILE, Problem::Missing(ESTOP_FILE)));
    }
    let upstreams: Option<Vec<String>> = sorted.settings.as_ref().map(|file| {
        file.raw
            .upstream
            .keys()
            .map(|key| key.get_ref().clone())
            .collect()
    });
    let mut datasets = parts::datasets(&sorted.datasets, upstreams.as_deref(), findings);
    datasets.extend(sorted.misshapen("datasets/"));
    let mut partners = log_in::partners(
        &sorted.partners,
        settings.as_ref().map(|settings| &settings.gateway),
        findings,
    );
    partners.extend(sorted.misshapen("partners/"));
    let zone = settings.as_ref().map_or(jiff::tz::TimeZone::UTC, |settings| {
        settings.custodian.time_zone.clone()
    });
    let around = agreements::Around {
        files,
        datasets: &datasets,
        partners: &partners,
        zone: &zone,
        overseers: settings.as_ref().map(|settings| &settings.overseers),
        rows: agreements::RowTypes::default(),
    };
    let agreements = agreements::agreements(&sorted.agreements, &around, findings);
    let settings = settings?;
    if !findings.is_empty() {
        return None;
    }
    let mut estate = Estate {
        custodian: settings.custodian,
        upstreams: settings.upstreams,
        gateway: settings.gateway,
        airlock: settings.airlock,
        state: settings.state,
        watch: settings.watch,
        overseers: known(settings.overseers),
        datasets: known(datasets),
        partners: known(partners),
        agreements,
        views: BTreeMap::new(),
        statute: Statute::default(),
        signers: files.get(SIGNERS_FILE).cloned(),
        witnesses: files
            .get(WITNESSES_FILE)
            .and_then(|text| WitnessPolicy::parse(text).ok()),
    };
    // The model is made by this program from parts that are right; that it is valid is checked all the same.
    let model = |error: &CedarError| Finding::of_file(ESTOP_FILE, Problem::Model(error.to_string()));
    match cedar::check(&cedar::schema(&estate), &cedar::policies(&estate, &[])) {
        Ok((_, policies)) => match ReadPolicies::new(&policies, estate.datasets.values()) {
            Ok(policies) => estate.views = views(&estate, &policies, findings),
            Err(error) => findings.push(model(&error)),
        },
        Err(error) => findings.push(model(&error)),
    }
    match Statute::compile(&estate, &sorted.guardrails) {
        Ok(statute) => estate.statute = statute,
        Err(wrong) => findings.extend(wrong),
    }
    Some(estate)
}

/// What each purpose of each agreement comes to.
fn views(
    estate: &Estate,
    policies: &ReadPolicies<'_>,
    findings: &mut Vec<Finding>,
) -> BTreeMap<AgreementId, BTreeMap<PurposeId, Vec<SharedView>>> {
    let mut views: BTreeMap<_, BTreeMap<_, _>> = BTreeMap::new();
    for agreement in estate.agreements.values() {
        for purpose in &agreement.purposes {
            let dataset_of = |share: &Share| estate.dataset_of(share);
            match SharedView::of_purpose(agreement, purpose, dataset_of, policies) {
                Ok(these) => {
                    let of_agreement = views.entry(agreement.id.clone()).or_default();
                    of_agreement.insert(purpose.clone(), these);
                }
                Err((dataset, error)) => {
                    let problem = Problem::View {
                        dataset: dataset.to_string(),
                        purpose: purpose.to_string(),
                        error,
                    };
                    findings.push(Finding::of_file(
                        &format!("agreements/{}.toml", agreement.id),
                        problem,
                    ));
                }
            }
        }
    }
    views
}

/// What is known by an id: `None` if its file is there and wrong, so that references to it are not reported too.
type ById<K, V> = BTreeMap<K, Option<V>>;

fn known<K: Ord, V>(all: ById<K, V>) -> BTreeMap<K, V> {
    all.into_iter()
        .filter_map(|(id, value)| Some((id, value?)))
        .collect()
}

/// A file whose shape is right.
struct Shaped<'a, T> {
    path: &'a str,
    text: &'a str,
    raw: T,
}

impl<T> Shaped<'_, T> {
    fn finding(&self, span: Range<usize>, problem: impl Into<Problem>) -> Finding {
        Finding::new(self.path, span, problem)
    }

    /// The file's name without folder and ending.
    fn stem(&self) -> &str {
        let name = self.path.rsplit('/').next().unwrap_or(self.path);
        name.strip_suffix(".toml").unwrap_or(name)
    }

    /// The text made into something, or a finding.
    fn parsed<V, E: Into<Problem>>(
        &self,
        text: &Text,
        make: impl FnOnce(&str) -> Result<V, E>,
        findings: &mut Vec<Finding>,
    ) -> Option<V> {
        make(text.get_ref())
            .map_err(|error| findings.push(self.finding(text.span(), error)))
            .ok()
    }

    /// One line for people to read.
    fn line(&self, text: &Text, what: &'static str, findings: &mut Vec<Finding>) -> Option<String> {
        self.parsed(text, |text| line(text, what), findings)
    }

    /// An id that is also the file's name.
    fn named<V>(&self, id: &Text, findings: &mut Vec<Finding>) -> Option<V>
    where
        V: std::str::FromStr,
        V::Err: Into<Problem>,
    {
        let parsed = self.parsed(id, str::parse::<V>, findings)?;
        if id.get_ref() != self.stem() {
            let problem = Problem::FileName {
                id: id.get_ref().clone(),
                stem: self.stem().to_owned(),
            };
            findings.push(self.finding(id.span(), problem));
        }
        Some(parsed)
    }
}

pub(crate) fn line(text: &str, what: &'static str) -> Result<String, Problem> {
    if text.trim().is_empty() {
        return Err(Problem::Empty(what));
    }
    if text.len() > MAX_LINE_BYTES || text.chars().any(char::is_control) {
        return Err(Problem::Line {
            what,
            max: MAX_LINE_BYTES,
        });
    }
    Ok(text.to_owned())
}

/// The files by kind, those whose shape is right.
#[derive(Default)]
struct Sorted<'a> {
    settings: Option<Shaped<'a, EstopFile>>,
    datasets: Vec<Shaped<'a, DatasetFile>>,
    partners: Vec<Shaped<'a, PartnerFile>>,
    agreements: Vec<Shaped<'a, AgreementFile>>,
    guardrails: Vec<GuardrailFile>,
    /// Names of files whose shape is wrong: what refers to them is not to blame.
    misshapen: Vec<&'a str>,
}

impl<'a> Sorted<'a> {
    fn sort(&mut self, path: &'a str, text: &'a str, findings: &mut Vec<Finding>) {
        if text.len() > MAX_FILE_BYTES {
            findings.push(Finding::of_file(path, Problem::FileTooLong));
            return;
        }
        let before = findings.len();
        match path.split_once('/') {
            None if path == ESTOP_FILE => self.settings = shaped(path, text, findings),
            Some(("datasets", name)) if is_file(name, ".toml") => {
                self.datasets.extend(shaped(path, text, findings))
            }
            Some(("partners", name)) if is_file(name, ".toml") => {
                self.partners.extend(shaped(path, text, findings))
            }
            Some(("agreements", name)) if is_file(name, ".toml") => {
                self.agreements.extend(shaped(path, text, findings));
            }
            Some(("guardrails", name)) if is_file(name, ".cedar") => {
                self.guardrails.extend(guardrail(path, text, findings));
            }
            _ if path == SIGNERS_FILE => signers(path, text, findings),
            _ if path == WITNESSES_FILE => witnesses(path, text, findings),
            _ if is_beside(path) => {}
            _ => findings.push(Finding::of_file(path, Problem::UnknownFile)),
        }
        if findings.len() > before {
            self.misshapen.push(path);
        }
    }

    /// The ids that misshapen files of a folder would have.
    fn misshapen<K: std::str::FromStr, V>(&self, folder: &str) -> Vec<(K, Option<V>)> {
        let stem = |path: &&str| path.strip_prefix(folder)?.strip_suffix(".toml")?.parse().ok();
        self.misshapen
            .iter()
            .filter_map(stem)
            .map(|id| (id, None))
            .collect()
    }
}

/// Files that may lie in an estate and say nothing to us: notes, signed documents, certificates and keys, hidden files.
fn is_beside(path: &str) -> bool {
    let hidden = path.split('/').any(|part| part.starts_with('.'));
    let name = path.rsplit('/').next().unwrap_or(path);
    hidden || path.starts_with("documents/") || path.starts_with("tls/") || name.ends_with(".md")
}

fn is_file(name: &str, ending: &str) -> bool {
    !name.contains('/') && name.len() > ending.len() && name.ends_with(ending)
}

fn shaped<'a, T: DeserializeOwned>(
    path: &'a str,
    text: &'a str,
    findings: &mut Vec<Finding>,
) -> Option<Shaped<'a, T>> {
    match toml::from_str(text) {
        Ok(raw) => Some(Shaped { path, text, raw }),
        Err(error) => {
            let problem = Problem::Toml(error.message().trim_end().replace('\n', ", "));
            findings.push(Finding::new(path, error.span().unwrap_or(0..0), problem));
            None
        }
    }
}

fn signers(path: &str, text: &str, findings: &mut Vec<Finding>) {
    if let Err(error) = AllowedSigners::parse(text) {
        findings.push(Finding::new(
            path,
            line_span(text, error.line),
            Problem::Signers(error.fault),
        ));
    }
}

fn witnesses(path: &str, text: &str, findings: &mut Vec<Finding>) {
    if let Err(error) = WitnessPolicy::parse(text) {
        findings.push(Finding::new(
            path,
            line_span(text, error.line),
            Problem::Witnesses(error.reason),
        ));
    }
}

/// Where a line, by its number from 1, stands in a text, without the space at its end.
fn line_span(text: &str, number: usize) -> Range<usize> {
    let mut lines = text.split_inclusive('\n');
    let before = lines.by_ref().take(number.saturating_sub(1)).map(str::len).sum();
    let line = lines.next().unwrap_or_default();
    before..before + line.trim_end().len()
}

fn guardrail(path: &str, text: &str, findings: &mut Vec<Finding>) -> Option<GuardrailFile> {
    if let Some(at) = too_deep(text) {
        findings.push(Finding::new(path, at..at + 1, GuardrailFault::TooDeep));
        return None;
    }
    if let Some(long) = policies_of(text)
        .into_iter()
        .find(|span| span.len() > MAX_GUARDRAIL_BYTES)
    {
        findings.push(Finding::new(
            path,
            long.start..long.start + 1,
            GuardrailFault::TooLong,
        ));
        return None;
    }
    let Err(error) = text.parse::<cedar_policy::PolicySet>() else {
        return Some(GuardrailFile {
            file: path.to_owned(),
            text: text.to_owned(),
        });
    };
    for error in error.iter() {
        let label = miette::Diagnostic::labels(error).and_then(|mut labels| labels.next());
        let span = label.map_or(0..0, |label| label.offset()..label.offset() + label.len());
        findings.push(Finding::new(
            path,
            span,
            GuardrailFault::Syntax(error.to_string()),
        ));
    }
    None
}
