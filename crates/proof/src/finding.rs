//! A counterexample in the words of whoever reads statutes and agreements.

mod seen;

use std::collections::BTreeSet;

use cedar_policy::{Effect, Policy, PolicyId, PolicySet};
use jiff::Timestamp;
use jiff::civil::Time;
use jiff::tz::TimeZone;
use policy::condition::entity_type;
use policy::estate::{Estate, Officer};
use serde::Serialize;

use crate::offence::{Broken, Offence};
use crate::run::RunError;
use seen::Seen;

/// What one permit permits, that a claim says it may not.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// The claim.
    pub claim: String,
    /// The guardrails that forbid it.
    pub forbids: Vec<Cited>,
    /// The clause that permits it.
    pub permits: Clause,
    /// Who.
    pub who: Who,
    /// What; `None` for connecting.
    pub reads: Option<Reads>,
    /// For which purpose.
    pub purpose: String,
    /// In which case, if one is stated.
    pub case: Option<String>,
    /// The form that the agreement asks for, if the case is not of it: proofs know only how such references begin.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub case_form: Option<String>,
    /// Whether it matters if a case is stated.
    pub case_matters: bool,
    /// When: the moment, and the day in the custodian's time zone.
    pub when: Moment,
}

/// A guardrail as one looks it up.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Cited {
    /// Its id.
    pub guardrail: String,
    /// What it rests on.
    pub citation: String,
    /// Where it stands.
    pub place: String,
    /// It is one of a list of exceptions: what none of them permits is forbidden.
    pub exception: bool,
}

impl Cited {
    fn line(&self) -> String {
        format!("{}: {} ({})", self.guardrail, self.citation, self.place)
    }
}

/// A clause of an agreement as one looks it up.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Clause {
    /// The agreement.
    pub agreement: String,
    /// What it rests on.
    pub legal_basis: String,
    /// Its file.
    pub file: String,
    /// The permit's id in the model.
    pub policy: String,
}

/// A person, for instance.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Who {
    /// The partner.
    pub partner: String,
    /// What people call it.
    pub title: String,
    /// One of its officers, if it has one to whom it applies.
    pub officer: Option<String>,
    /// The officer's name.
    pub name: Option<String>,
}

/// A row and its columns.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Reads {
    /// The data set.
    pub dataset: String,
    /// What people call it.
    pub title: String,
    /// The columns of this row that may be read.
    pub columns: Vec<Shown>,
    /// Whether the row is read to be counted among others only.
    pub counted: bool,
    /// What the row holds, as far as it matters.
    pub row: Vec<Holds>,
}

/// A column as it is shown.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Shown {
    /// Its name.
    pub column: String,
    /// Whether a mask is before it.
    pub masked: bool,
}

/// A value of a row; `None` is NULL.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Holds {
    /// The column.
    pub column: String,
    /// The value.
    pub value: Option<String>,
}

/// A moment.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Moment {
    /// The moment itself.
    pub at: String,
    /// The day in the custodian's time zone, with the time of day where it does not just begin.
    pub day: String,
    /// The time zone.
    pub zone: String,
}

impl Finding {
    /// The finding in one line: under which agreement, against which guardrails, by which permit.
    #[must_use]
    pub fn head(&self) -> String {
        let forbids: Vec<&str> = self
            .forbids
            .iter()
            .map(|cited| cited.guardrail.as_str())
            .collect();
        let against = match forbids.as_slice() {
            [] => String::new(),
            [one] => format!(", guardrail {one}"),
            [first, .., last] => format!(", guardrails {first} .. {last}"),
        };
        format!(
            "agreement {}{against}: {}",
            self.permits.agreement, self.permits.policy
        )
    }

    /// The finding as lines.
    #[must_use]
    pub fn lines(&self) -> Vec<String> {
        let who = match (&self.who.name, &self.who.officer) {
            (Some(name), Some(officer)) => format!("{name} ({officer}) of {}", self.partner()),
            _ => format!("an officer of {}", self.partner()),
        };
        let mut lines = vec![format!("who       {who}")];
        match &self.reads {
            None => lines.push(format!("connects  under agreement {}", self.permits.agreement)),
            Some(reads) => {
                let columns: Vec<String> = reads
                    .columns
                    .iter()
                    .map(|shown| format!("{}{}", shown.column, if shown.masked { " (masked)" } else { "" }))
                    .collect();
                let verb = if reads.counted { "counts by" } else { "reads    " };
                lines.push(format!(
                    "{verb} {} of data set {} ({})",
                    columns.join(", "),
                    reads.dataset,
                    reads.title
                ));
                if !reads.row.is_empty() {
                    let row: Vec<String> = reads
                        .row
                        .iter()
                        .map(|holds| match &holds.value {
                            Some(value) => format!("{} = {value}", holds.column),
                            None => format!("{} is missing (NULL)", holds.column),
                        })
                        .collect();
                    lines.push(format!("of a row  with {}", row.join(", ")));
                }
            }
        }
        lines.push(format!("purpose   {}", self.purpose));
        if self.case_matters {
            let stated = || match &self.case {
                Some(case) => format!("{case:?}"),
                None => "none stated".to_owned(),
            };
            let of_form = |form| format!("one of the form {form}, as the agreement asks for");
            let case = self.case_form.as_ref().map_or_else(stated, of_form);
            lines.push(format!("case      {case}"));
        }
        lines.push(format!("when      {} ({})", self.when.day, self.when.zone));
        lines.push(format!(
            "permits   agreement {}: {} ({})",
            self.permits.agreement, self.permits.legal_basis, self.permits.file
        ));
        let (exceptions, forbids): (Vec<&Cited>, Vec<&Cited>) =
            self.forbids.iter().partition(|cited| cited.exception);
        lines.extend(
            forbids
                .iter()
                .map(|cited| format!("forbids   guardrail {}", cited.line())),
        );
        if !exceptions.is_empty() {
            lines.push("forbids   what none of these exceptions permits:".to_owned());
            lines.extend(
                exceptions
                    .iter()
                    .map(|cited| format!("          {}", cited.line())),
            );
        }
        lines
    }

    fn partner(&self) -> String {
        format!("{} ({})", self.who.title, self.who.partner)
    }
}

/// Describes an offence. Values that do not matter are exchanged for ones that people know, as far as Cedar's authorizer
/// says that it stays an offence.
///
/// # Errors
/// Cedar's authorizer does not confirm it, or it is about nothing in the estate.
pub fn describe(
    estate: &Estate,
    claim: &str,
    broken: &Broken<'_>,
    offence: &Offence,
    cited: &[String],
) -> Result<Finding, RunError> {
    let alien = |what: &str| RunError::NotReplayed {
        what: offence.permit.to_string(),
        why: format!("it is about {what} that is not in the estate"),
    };
    let set = crate::case::only(broken.left, std::slice::from_ref(&offence.permit));
    let seen = Seen::of(&offence.request, &offence.entities).ok_or_else(|| alien("something"))?;
    let agreement = estate
        .agreements()
        .values()
        .find(|agreement| agreement.id.as_str() == seen.agreement);
    let agreement = agreement.ok_or_else(|| alien("an agreement"))?;
    // Whoever it is: that may be another than the agreement's, which is then the finding.
    let partner = estate
        .partners()
        .values()
        .find(|partner| partner.id.as_str() == seen.partner)
        .ok_or_else(|| alien("a partner"))?;
    let (seen, replayed) = seen.nicer(partner, agreement, broken, &set)?;
    let permit = set.policy(&offence.permit);
    let right = deciding(broken.right, &replayed.right);
    let mut texts: Vec<&Policy> = permit.into_iter().collect();
    texts.extend(&right);
    let columns: BTreeSet<String> = texts
        .iter()
        .flat_map(|policy| asked(policy, "resource"))
        .collect();
    let dataset = estate
        .datasets()
        .values()
        .find(|dataset| entity_type(&dataset.id) == seen.resource_kind());
    let seen = match dataset {
        Some(dataset) => seen.plainer(dataset, &columns, broken, &set),
        None => seen,
    };
    let zone = estate.custodian().time_zone.clone();
    let named = |officer: &&Officer| format!("{}/{}", partner.id, officer.id) == seen.officer;
    let officer = partner.officers.iter().find(named);
    Ok(Finding {
        claim: claim.to_owned(),
        forbids: cited
            .iter()
            .filter_map(|id| estate.statute().guardrail(id))
            .map(cite)
            .collect(),
        permits: Clause {
            agreement: agreement.id.to_string(),
            legal_basis: agreement.legal_basis.clone(),
            file: format!("agreements/{}.toml", agreement.id),
            policy: offence.permit.to_string(),
        },
        who: Who {
            partner: partner.id.to_string(),
            title: partner.title.clone(),
            officer: officer.map(|officer| officer.id.to_string()),
            name: officer.map(|officer| officer.name.clone()),
        },
        reads: dataset.map(|dataset| Reads {
            dataset: dataset.id.to_string(),
            title: dataset.title.clone(),
            counted: seen.aggregate == Some(true),
            columns: seen.columns(dataset, broken, &set),
            row: seen.row(dataset, &columns, &zone),
        }),
        purpose: seen.purpose.clone(),
        case: seen.case.clone(),
        case_form: agreement
            .case_reference
            .as_ref()
            .filter(|form| !seen.case.as_deref().is_some_and(|case| form.matches(case)))
            .map(|form| form.pattern().to_owned()),
        // That the agreement asks for one says nothing of it.
        case_matters: right
            .iter()
            .any(|policy| asked(policy, "context").contains("case")),
        when: Moment {
            at: seen.now.to_string(),
            day: day(seen.now, &zone),
            zone: zone.iana_name().unwrap_or("UTC").to_owned(),
        },
    })
}

fn day(at: Timestamp, zone: &TimeZone) -> String {
    let local = at.to_zoned(zone.clone()).datetime();
    if local.time() == Time::midnight() {
        local.date().to_string()
    } else {
        local.to_string().replace('T', " ")
    }
}

fn cite(guardrail: &policy::guardrail::Guardrail) -> Cited {
    Cited {
        guardrail: guardrail.id.clone(),
        citation: guardrail.citation.clone(),
        place: format!("{}:{}:{}", guardrail.file, guardrail.line, guardrail.column),
        exception: guardrail.effect == policy::guardrail::Effect::Only,
    }
}

fn deciding<'a>(set: &'a PolicySet, ids: &[PolicyId]) -> Vec<&'a Policy> {
    ids.iter()
        .filter_map(|id| set.policy(id))
        .filter(|policy| policy.effect() == Effect::Forbid)
        .collect()
}

/// The attributes of a variable that a policy asks for.
fn asked(policy: &Policy, variable: &str) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    if let Ok(json) = policy.to_json() {
        collect(&json, variable, &mut found);
    }
    found
}

/// In Cedar's JSON form an access is `{".": {"left": {"Var": "resource"}, "attr": "x"}}`, and `has` likewise.
fn collect(json: &serde_json::Value, variable: &str, found: &mut BTreeSet<String>) {
    match json {
        serde_json::Value::Object(fields) => {
            let left = fields.get("left").and_then(|left| left.get("Var"));
            let of_it = left.and_then(|var| var.as_str()) == Some(variable);
            if let (true, Some(attr)) = (of_it, fields.get("attr").and_then(|attr| attr.as_str())) {
                found.insert(attr.to_owned());
            }
            fields.values().for_each(|value| collect(value, variable, found));
        }
        serde_json::Value::Array(items) => items.iter().for_each(|item| collect(item, variable, found)),
        _ => {}
    }
}

/// The same finding, with these columns for those of its one row.
#[must_use]
pub fn instead_of(mut finding: Finding, columns: Vec<Shown>) -> Finding {
    if let (Some(reads), false) = (&mut finding.reads, columns.is_empty()) {
        reads.columns = columns;
    }
    finding
}
