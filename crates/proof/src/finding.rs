//! A counterexample in the words of whoever reads statutes and agreements.

use std::collections::BTreeSet;
use std::fmt::Write as _;

use cedar_policy::{
    Context, Effect, Entities, Entity, EntityId, EntityUid, EvalResult, Policy, PolicyId, PolicySet, Request,
    RestrictedExpression, eval_expression,
};
use jiff::Timestamp;
use policy::condition::entity_type;
use policy::estate::{Agreement, Dataset, Estate, Partner};
use serde::Serialize;

use crate::offence::{Broken, Offence, Replayed};
use crate::run::RunError;

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
    /// One of its officers, if it has any.
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
    /// The day, in the custodian's time zone.
    pub day: String,
    /// The time zone.
    pub zone: String,
}

impl Finding {
    /// The finding as lines.
    #[must_use]
    pub fn lines(&self) -> Vec<String> {
        let who = match (&self.who.name, &self.who.officer) {
            (Some(name), Some(officer)) => format!("{name} ({officer}) of {}", self.partner()),
            _ => format!("any officer of {}", self.partner()),
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
                lines.push(format!(
                    "reads     {} of data set {} ({})",
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
            let case = self
                .case
                .as_ref()
                .map_or_else(|| "none stated".to_owned(), |case| format!("{case:?}"));
            lines.push(format!("case      {case}"));
        }
        lines.push(format!("when      {} ({})", self.when.day, self.when.zone));
        lines.push(format!(
            "permits   agreement {}: {} ({})",
            self.permits.agreement, self.permits.legal_basis, self.permits.file
        ));
        for cited in &self.forbids {
            lines.push(format!(
                "forbids   guardrail {}: {} ({})",
                cited.guardrail, cited.citation, cited.place
            ));
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
    let partner = estate
        .partners()
        .get(&agreement.partner)
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
    let zone = estate.custodian().time_zone.clone();
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
            officer: partner.officers.first().map(|officer| officer.id.to_string()),
            name: partner.officers.first().map(|officer| officer.name.clone()),
        },
        reads: dataset.map(|dataset| Reads {
            dataset: dataset.id.to_string(),
            title: dataset.title.clone(),
            columns: seen.columns(dataset, broken, &set),
            row: seen.row(dataset, &columns),
        }),
        purpose: seen.purpose.clone(),
        case: seen.case.clone(),
        case_matters: texts
            .iter()
            .any(|policy| asked(policy, "context").contains("case")),
        when: Moment {
            at: seen.now.to_string(),
            day: seen.now.to_zoned(zone.clone()).date().to_string(),
            zone: zone.iana_name().unwrap_or("UTC").to_owned(),
        },
    })
}

fn cite(guardrail: &policy::guardrail::Guardrail) -> Cited {
    Cited {
        guardrail: guardrail.id.clone(),
        citation: guardrail.citation.clone(),
        place: format!("{}:{}:{}", guardrail.file, guardrail.line, guardrail.column),
    }
}

fn deciding<'a>(set: &'a PolicySet, ids: &[PolicyId]) -> Vec<&'a Policy> {
    ids.iter()
        .filter_map(|id| set.policy(id))
        .filter(|policy| policy.effect() == Effect::Forbid)
        .collect()
}

/// What a request is about.
#[derive(Debug, Clone)]
struct Seen {
    action: EntityUid,
    resource: EntityUid,
    row: Option<Entity>,
    officer: String,
    partner: String,
    agreement: String,
    purpose: String,
    case: Option<String>,
    column: Option<String>,
    masked: Option<bool>,
    now: Timestamp,
}

impl Seen {
    fn of(request: &Request, entities: &Entities) -> Option<Self> {
        let context = request.context()?;
        let entity = |key: &str| match context.get(key)? {
            EvalResult::EntityUid(uid) => Some(uid.id().unescaped().to_owned()),
            _ => None,
        };
        let string = |key: &str| match context.get(key)? {
            EvalResult::String(text) => Some(text),
            _ => None,
        };
        let principal = request.principal()?;
        let partner = match entities.get(principal)?.attr("partner")? {
            Ok(EvalResult::EntityUid(uid)) => uid.id().unescaped().to_owned(),
            _ => return None,
        };
        let masked = match context.get("masked") {
            Some(EvalResult::Bool(masked)) => Some(masked),
            _ => None,
        };
        let resource = request.resource()?.clone();
        Some(Self {
            action: request.action()?.clone(),
            row: entities.get(&resource).cloned(),
            resource,
            officer: principal.id().unescaped().to_owned(),
            partner,
            agreement: entity("agreement")?,
            purpose: entity("purpose")?,
            case: string("case"),
            column: string("column"),
            masked,
            now: instant(request, entities, &context.get("now")?)?,
        })
    }

    fn resource_kind(&self) -> String {
        self.resource.type_name().to_string()
    }

    /// The request and its entities.
    fn request(&self) -> Option<(Request, Entities)> {
        let uid = |kind: &str, id: &str| {
            let kind = kind.parse().ok()?;
            Some(EntityUid::from_type_name_and_id(kind, EntityId::new(id)))
        };
        let of = |kind: &str, id: &str| uid(kind, id).map(RestrictedExpression::new_entity_uid);
        let mut context = vec![
            ("agreement".to_owned(), of("Agreement", &self.agreement)?),
            ("purpose".to_owned(), of("Purpose", &self.purpose)?),
            (
                "now".to_owned(),
                RestrictedExpression::new_datetime(format!("{:.3}", self.now)),
            ),
        ];
        let texts = [("case", &self.case), ("column", &self.column)];
        for (key, text) in texts {
            if let Some(text) = text {
                context.push((key.to_owned(), RestrictedExpression::new_string(text.clone())));
            }
        }
        if let Some(masked) = self.masked {
            context.push(("masked".to_owned(), RestrictedExpression::new_bool(masked)));
        }
        let officer = uid("Officer", &self.officer)?;
        let attributes = std::iter::once(("partner".to_owned(), of("Partner", &self.partner)?)).collect();
        let principal = Entity::new(officer.clone(), attributes, std::iter::empty().collect()).ok()?;
        let entities =
            Entities::from_entities(std::iter::once(principal).chain(self.row.clone()), None).ok()?;
        let context = Context::from_pairs(context).ok()?;
        let request =
            Request::new(officer, self.action.clone(), self.resource.clone(), context, None).ok()?;
        Some((request, entities))
    }

    fn replayed(&self, broken: &Broken<'_>, set: &PolicySet) -> Option<Replayed> {
        let (request, entities) = self.request()?;
        broken.replayed(set, &request, &entities).ok()
    }

    /// The same with an officer that there is, on the agreement's first day, without a case: each, if it is still shown so.
    fn nicer(
        self,
        partner: &Partner,
        agreement: &Agreement,
        broken: &Broken<'_>,
        set: &PolicySet,
    ) -> Result<(Self, Replayed), RunError> {
        let mut best = self;
        let mut shown = best.replayed(broken, set).ok_or_else(|| RunError::NotReplayed {
            what: best.agreement.clone(),
            why: "what was read from it does not show it".to_owned(),
        })?;
        let mut tries: Vec<Self> = Vec::new();
        if let Some(officer) = partner.officers.first() {
            let officer = format!("{}/{}", partner.id, officer.id);
            tries.push(Self {
                officer,
                ..best.clone()
            });
        }
        let now = agreement.valid.begins;
        tries.push(Self {
            now,
            ..tries.last().unwrap_or(&best).clone()
        });
        tries.push(Self {
            case: None,
            ..tries.last().unwrap_or(&best).clone()
        });
        // Each is tried upon the best so far.
        for tried in tries {
            let next = Self {
                officer: tried.officer,
                now: if tried.now == now { now } else { best.now },
                case: if tried.case.is_none() {
                    None
                } else {
                    best.case.clone()
                },
                ..best.clone()
            };
            if let Some(replayed) = next.replayed(broken, set) {
                (best, shown) = (next, replayed);
            }
        }
        Ok((best, shown))
    }

    /// All columns of the data set for which this row shows the same.
    fn columns(&self, dataset: &Dataset, broken: &Broken<'_>, set: &PolicySet) -> Vec<Shown> {
        let mut shown = Vec::new();
        for column in &dataset.columns {
            for masked in [false, true] {
                let next = Self {
                    column: Some(column.name.as_str().to_owned()),
                    masked: Some(masked),
                    ..self.clone()
                };
                if next.replayed(broken, set).is_some() {
                    shown.push(Shown {
                        column: column.name.as_str().to_owned(),
                        masked,
                    });
                }
            }
        }
        shown
    }

    /// What the row holds in these columns.
    fn row(&self, dataset: &Dataset, asked: &BTreeSet<String>) -> Vec<Holds> {
        let columns = dataset
            .columns
            .iter()
            .filter(|column| asked.contains(column.name.as_str()));
        columns
            .filter_map(|column| {
                let name = column.name.as_str();
                let value = self.row.as_ref()?.attr(name);
                Some(Holds {
                    column: name.to_owned(),
                    value: value
                        .map(|value| value.map_or_else(|_| "?".to_owned(), |value| self.said(&value))),
                })
            })
            .collect()
    }

    /// A value as people write it.
    fn said(&self, value: &EvalResult) -> String {
        match value {
            EvalResult::ExtensionValue(text) if text.contains("datetime") => self
                .request()
                .and_then(|(request, entities)| instant(&request, &entities, value))
                .map_or_else(|| text.clone(), |at| at.to_string()),
            EvalResult::ExtensionValue(text) => text.split('"').nth(1).unwrap_or(text).to_owned(),
            EvalResult::Set(set) => {
                let mut items: Vec<String> = set.iter().map(|item| self.said(item)).collect();
                items.sort();
                format!("[{}]", items.join(", "))
            }
            EvalResult::String(text) => format!("{text:?}"),
            EvalResult::Bool(value) => value.to_string(),
            EvalResult::Long(value) => value.to_string(),
            other => other.to_string(),
        }
    }
}

/// The moment that a `datetime` of Cedar's stands for.
fn instant(request: &Request, entities: &Entities, value: &EvalResult) -> Option<Timestamp> {
    let EvalResult::ExtensionValue(text) = value else {
        return None;
    };
    let mut expression = String::new();
    let _ = write!(
        expression,
        "({text}).durationSince(datetime(\"1970-01-01\")).toMilliseconds()"
    );
    match eval_expression(request, entities, &expression.parse().ok()?).ok()? {
        EvalResult::Long(milliseconds) => Timestamp::from_millisecond(milliseconds).ok(),
        _ => None,
    }
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
