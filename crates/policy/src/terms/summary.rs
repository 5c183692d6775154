//! From two estates' terms to what the second gives and takes, as data and as the text that people sign over.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::{self, Write as _};

use evidence::id::{Custodian, DirectiveNumber};
use serde::{Deserialize, Serialize};

use super::{AgreementTerms, ShareTerms, Terms};

/// What an officer's key for answers is called.
const CERTIFICATE: &str = "certificate";
const TOKEN: &str = "tokens that name";
const LOG_IN: &str = "logs in by";
const SSH_KEY: &str = "key for answers to notices of corrections";

/// First line of every summary.
const HEADER: &str = "estop/summary/v1";

/// Which way a change goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Sign {
    /// Something comes.
    Add,
    /// Something is otherwise.
    Change,
    /// Something goes.
    Take,
}

impl Sign {
    /// As it stands before a line: `+`, `~`, `-`.
    #[must_use]
    pub fn mark(self) -> char {
        match self {
            Self::Add => '+',
            Self::Change => '~',
            Self::Take => '-',
        }
    }
}

/// One change, with the changes that it is made of.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Change {
    /// Which way.
    pub sign: Sign,
    /// What.
    pub what: String,
    /// In detail.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub parts: Vec<Self>,
}

impl Change {
    fn new(sign: Sign, what: impl Into<String>) -> Self {
        Self {
            sign,
            what: what.into(),
            parts: Vec::new(),
        }
    }

    fn with(sign: Sign, what: impl Into<String>, parts: Vec<Self>) -> Self {
        Self {
            sign,
            what: what.into(),
            parts,
        }
    }
}

impl fmt::Display for Change {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fn write(change: &Change, depth: usize, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            let mark = change.sign.mark();
            writeln!(
                f,
                "{:depth$}{mark} {}",
                "",
                Visible(&change.what),
                depth = depth * 4
            )?;
            change
                .parts
                .iter()
                .try_for_each(|part| write(part, depth.saturating_add(1), f))
        }
        write(self, 0, f)
    }
}

/// A text of which nothing can hide: what makes a line read otherwise than it stands is written out.
struct Visible<'a>(&'a str);

impl fmt::Display for Visible<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.chars().try_for_each(|c| {
            if evidence::directive::is_deceptive(c) {
                write!(f, "{}", c.escape_default())
            } else {
                f.write_char(c)
            }
        })
    }
}

/// What comes with `after` and was not so with `before`.
#[must_use]
pub fn changes(before: &Terms, after: &Terms) -> Vec<Change> {
    let mut all = diff(
        &before.agreements,
        &after.agreements,
        agreement_words,
        agreement_parts,
    );
    all.extend(diff(
        &before.partners,
        &after.partners,
        |id, _| format!("officers of partner `{id}`"),
        |before, after| {
            let (none, some) = (BTreeMap::new(), |officers: Option<&_>| officers.cloned());
            let (before, after): (BTreeMap<_, _>, BTreeMap<_, _>) = (
                some(before).unwrap_or_else(|| none.clone()),
                some(after).unwrap_or(none),
            );
            diff(
                &before,
                &after,
                |id, officer: &super::OfficerTerms| format!("`{id}`, {}, may log in", officer.name),
                |before, after| match (before, after) {
                    (Some(before), Some(after)) => fields(&[
                        ("name", Some(&before.name), Some(&after.name)),
                        (
                            "password (its hash)",
                            Some(&before.password_sha256),
                            Some(&after.password_sha256),
                        ),
                        (
                            CERTIFICATE,
                            before.certificate.as_ref(),
                            after.certificate.as_ref(),
                        ),
                        (TOKEN, before.token.as_ref(), after.token.as_ref()),
                        (LOG_IN, before.log_in.as_ref(), after.log_in.as_ref()),
                        (SSH_KEY, before.ssh_key.as_ref(), after.ssh_key.as_ref()),
                    ]),
                    (None, Some(after)) => fields(&[
                        (CERTIFICATE, None, after.certificate.as_ref()),
                        (TOKEN, None, after.token.as_ref()),
                        (LOG_IN, None, after.log_in.as_ref()),
                        (SSH_KEY, None, after.ssh_key.as_ref()),
                    ]),
                    _ => Vec::new(),
                },
            )
        },
    ));
    all.extend(diff(
        &before.datasets,
        &after.datasets,
        |id, place| format!("data set `{id}` is {place}"),
        |_, _| Vec::new(),
    ));
    let line = |sign, line: &String| Change::new(sign, format!("may sign directives: {line}"));
    all.extend(
        after
            .signers
            .difference(&before.signers)
            .map(|s| line(Sign::Add, s)),
    );
    all.extend(
        before
            .signers
            .difference(&after.signers)
            .map(|s| line(Sign::Take, s)),
    );
    all.extend(diff(
        &before.files,
        &after.files,
        |path, _| format!("file {path}"),
        |before, after| match (before, after) {
            (Some(before), Some(after)) => fields(&[("SHA-256", Some(before), Some(after))]),
            (_, Some(after)) => fields(&[("SHA-256", None, Some(after))]),
            _ => Vec::new(),
        },
    ));
    all
}

/// The text whose hash is signed. `before` is what was approved last, and by which directive; none the first time.
#[must_use]
pub fn summary(
    custodian: &Custodian,
    estate_sha256: &str,
    before: Option<(&DirectiveNumber, &Terms)>,
    after: &Terms,
) -> String {
    let mut text = format!("{HEADER}\ncustodian {custodian}\nestate {estate_sha256}\n");
    // Writing to a string cannot fail.
    let _ = match before {
        Some((number, _)) => writeln!(text, "relative to the estate that {number} approved"),
        None => writeln!(
            text,
            "relative to nothing: no estate was approved before. Whoever may sign by this estate's own `authorities/allowed_signers` \
             approves it; from then on only who that file names approves another"
        ),
    };
    let nothing = Terms::default();
    let changes = changes(before.map_or(&nothing, |(_, terms)| terms), after);
    let _ = writeln!(text, "\n{}\n", counted(&changes));
    for change in &changes {
        let _ = write!(text, "{change}");
    }
    text
}

/// How many changes of each kind there are, in words.
#[must_use]
pub fn counted(changes: &[Change]) -> String {
    let count = |sign| changes.iter().filter(|change| change.sign == sign).count();
    format!(
        "{} to add, {} to change, {} to take away",
        count(Sign::Add),
        count(Sign::Change),
        count(Sign::Take)
    )
}

/// What is only in one of two maps, and what is in both and differs.
fn diff<K: Ord, V: PartialEq>(
    before: &BTreeMap<K, V>,
    after: &BTreeMap<K, V>,
    words: impl Fn(&K, &V) -> String,
    parts: impl Fn(Option<&V>, Option<&V>) -> Vec<Change>,
) -> Vec<Change> {
    let keys: BTreeSet<&K> = before.keys().chain(after.keys()).collect();
    let one = |key: &K| {
        let (old, new) = (before.get(key), after.get(key));
        let (sign, named) = match (old, new) {
            (None, Some(new)) => (Sign::Add, new),
            (Some(old), None) => (Sign::Take, old),
            (Some(old), Some(new)) if old != new => (Sign::Change, new),
            _ => return None,
        };
        Some(Change::with(sign, words(key, named), parts(old, new)))
    };
    keys.into_iter().filter_map(one).collect()
}

/// Named values that are given, taken or changed.
fn fields(values: &[(&str, Option<&String>, Option<&String>)]) -> Vec<Change> {
    let one = |(name, old, new): &(&str, Option<&String>, Option<&String>)| match (old, new) {
        (None, Some(new)) => Some(Change::new(Sign::Add, format!("{name}: {new}"))),
        (Some(old), None) => Some(Change::new(Sign::Take, format!("{name}: {old}"))),
        (Some(old), Some(new)) if old != new => {
            Some(Change::new(Sign::Change, format!("{name}: {old} becomes {new}")))
        }
        _ => None,
    };
    values.iter().filter_map(one).collect()
}

fn agreement_words(id: &evidence::id::AgreementId, terms: &AgreementTerms) -> String {
    let ended: Vec<String> = terms
        .ended
        .iter()
        .map(|(purpose, number)| format!("`{purpose}` by {number}"))
        .collect();
    let ended = if ended.is_empty() {
        String::new()
    } else {
        format!(
            "; ended or suspended already, and not revived by this: {}",
            ended.join(", ")
        )
    };
    format!("agreement `{id}` with `{}`{ended}", terms.partner)
}

fn agreement_parts(before: Option<&AgreementTerms>, after: Option<&AgreementTerms>) -> Vec<Change> {
    let names: BTreeSet<&String> = before
        .into_iter()
        .chain(after)
        .flat_map(|terms| terms.terms.keys())
        .collect();
    let term = |terms: Option<&AgreementTerms>, name: &String| terms.and_then(|t| t.terms.get(name).cloned());
    let mut parts = Vec::new();
    for name in names {
        let (old, new) = (term(before, name), term(after, name));
        parts.extend(fields(&[(name, old.as_ref(), new.as_ref())]));
    }
    if let (Some(before), Some(after)) = (before, after) {
        let (old, new) = (before.partner.to_string(), after.partner.to_string());
        parts.extend(fields(&[("partner", Some(&old), Some(&new))]));
    }
    let none = BTreeMap::new();
    parts.extend(diff(
        before.map_or(&none, |terms| &terms.shares),
        after.map_or(&none, |terms| &terms.shares),
        |_, share| format!("for `{}`, of data set `{}`", share.purpose, share.dataset),
        share_parts,
    ));
    parts
}

/// What of a share comes, goes or changes.
pub(crate) fn share_parts(before: Option<&ShareTerms>, after: Option<&ShareTerms>) -> Vec<Change> {
    let none = BTreeMap::new();
    let mut parts = diff(
        before.map_or(&none, |share| &share.columns),
        after.map_or(&none, |share| &share.columns),
        |column, mask| match mask {
            Some(mask) => format!("column `{column}`, shown as {mask}"),
            None => format!("column `{column}`"),
        },
        |before, after| match (before, after) {
            (Some(before), Some(after)) => {
                let plain = "itself".to_owned();
                let (old, new) = (
                    before.as_ref().unwrap_or(&plain),
                    after.as_ref().unwrap_or(&plain),
                );
                fields(&[("shown as", Some(old), Some(new))])
            }
            _ => Vec::new(),
        },
    );
    let none = BTreeMap::new();
    parts.extend(diff(
        before.map_or(&none, |share| &share.how),
        after.map_or(&none, |share| &share.how),
        |name, value| format!("{name}: {value}"),
        |_, _| Vec::new(),
    ));
    let rows = |share: Option<&ShareTerms>| {
        share.map(|share| {
            share
                .rows
                .clone()
                .map_or("all".to_owned(), |rows| format!("those with `{rows}`"))
        })
    };
    let (old, new) = (rows(before), rows(after));
    parts.extend(fields(&[("rows", old.as_ref(), new.as_ref())]));
    parts
}
