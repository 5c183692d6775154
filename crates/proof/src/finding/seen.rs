//! What a solver's counterexample is about, and the same in values that people know.

use std::collections::BTreeSet;

use cedar_policy::{
    Context, Entities, Entity, EntityId, EntityUid, EvalResult, PolicySet, Request, RestrictedExpression,
    eval_expression,
};
use jiff::Timestamp;
use jiff::tz::TimeZone;
use policy::estate::{Agreement, ColumnType, Dataset, Partner};

use super::{Holds, Shown};
use crate::offence::{Broken, Replayed};
use crate::run::RunError;

/// Numbers beyond are exchanged for another, if that will do.
const FEW: u64 = 1000;

/// What a request is about.
#[derive(Debug, Clone)]
pub(super) struct Seen {
    pub(super) action: EntityUid,
    pub(super) resource: EntityUid,
    pub(super) row: Option<Entity>,
    pub(super) officer: String,
    pub(super) partner: String,
    pub(super) agreement: String,
    pub(super) purpose: String,
    pub(super) case: Option<String>,
    pub(super) column: Option<String>,
    pub(super) masked: Option<bool>,
    pub(super) aggregate: Option<bool>,
    pub(super) now: Timestamp,
}

impl Seen {
    pub(super) fn of(request: &Request, entities: &Entities) -> Option<Self> {
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
        let truth = |key: &str| match context.get(key)? {
            EvalResult::Bool(value) => Some(value),
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
            masked: truth("masked"),
            aggregate: truth("aggregate"),
            now: instant(request, entities, &context.get("now")?)?,
        })
    }

    pub(super) fn resource_kind(&self) -> String {
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
        for (key, value) in [("masked", self.masked), ("aggregate", self.aggregate)] {
            if let Some(value) = value {
                context.push((key.to_owned(), RestrictedExpression::new_bool(value)));
            }
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
    pub(super) fn nicer(
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

    /// The same with a row that people know, as far as it is still shown so: of the columns that are asked for, dates that are days of
    /// the calendar, and small numbers.
    pub(super) fn plainer(
        self,
        dataset: &Dataset,
        asked: &BTreeSet<String>,
        broken: &Broken<'_>,
        set: &PolicySet,
    ) -> Self {
        let day = self.now.to_zoned(TimeZone::UTC).date();
        let mut best = self;
        for column in dataset
            .columns
            .iter()
            .filter(|column| asked.contains(column.name.as_str()))
        {
            let name = column.name.as_str();
            let Some(Ok(value)) = best.row.as_ref().and_then(|row| row.attr(name)) else {
                continue;
            };
            let plain = match (&value, column.kind) {
                (EvalResult::Long(number), _) if number.unsigned_abs() > FEW => serde_json::json!(0),
                (EvalResult::ExtensionValue(text), _) if text.contains("datetime") => {
                    serde_json::json!({ "__extn": { "fn": "datetime", "arg": day.to_string() } })
                }
                (EvalResult::ExtensionValue(_), ColumnType::Decimal(_)) => {
                    serde_json::json!({ "__extn": { "fn": "decimal", "arg": "0.0" } })
                }
                _ => continue,
            };
            let next = best.with(name, plain);
            if let Some(next) = next.filter(|next| next.replayed(broken, set).is_some()) {
                best = next;
            }
        }
        best
    }

    /// The same with another value in a column of the row, in Cedar's JSON form.
    fn with(&self, column: &str, value: serde_json::Value) -> Option<Self> {
        let mut row = self.row.as_ref()?.to_json_value().ok()?;
        *row.get_mut("attrs")?.get_mut(column)? = value;
        Some(Self {
            row: Some(Entity::from_json_value(row, None).ok()?),
            ..self.clone()
        })
    }

    /// All columns of the data set for which this row shows the same.
    pub(super) fn columns(&self, dataset: &Dataset, broken: &Broken<'_>, set: &PolicySet) -> Vec<Shown> {
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
    pub(super) fn row(&self, dataset: &Dataset, asked: &BTreeSet<String>, zone: &TimeZone) -> Vec<Holds> {
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
                    value: value.map(|value| {
                        value.map_or_else(|_| "?".to_owned(), |value| self.said(&value, column.kind, zone))
                    }),
                })
            })
            .collect()
    }

    /// A value as people write it.
    fn said(&self, value: &EvalResult, kind: ColumnType, zone: &TimeZone) -> String {
        match value {
            EvalResult::ExtensionValue(text) if text.contains("datetime") => {
                let milliseconds = self
                    .request()
                    .and_then(|(request, entities)| milliseconds(&request, &entities, value));
                let at = milliseconds.and_then(|count| Timestamp::from_millisecond(count).ok());
                match (at, milliseconds, kind) {
                    (Some(at), _, ColumnType::Date) => at.to_zoned(TimeZone::UTC).date().to_string(),
                    (Some(at), ..) => at
                        .to_zoned(zone.clone())
                        .strftime("%Y-%m-%dT%H:%M:%S%.f%:z")
                        .to_string(),
                    (None, Some(count), _) if count > 0 => "a time after the year 9999".to_owned(),
                    (None, Some(_), _) => "a time before the year -9999".to_owned(),
                    (None, None, _) => text.clone(),
                }
            }
            EvalResult::ExtensionValue(text) => text.split('"').nth(1).unwrap_or(text).to_owned(),
            EvalResult::Set(set) => {
                let mut items: Vec<String> = set.iter().map(|item| self.said(item, kind, zone)).collect();
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
    Timestamp::from_millisecond(milliseconds(request, entities, value)?).ok()
}

/// The same as Cedar counts it, from 1970 on, also where no calendar has it.
fn milliseconds(request: &Request, entities: &Entities, value: &EvalResult) -> Option<i64> {
    let EvalResult::ExtensionValue(text) = value else {
        return None;
    };
    let expression = format!("({text}).durationSince(datetime(\"1970-01-01\")).toMilliseconds()");
    match eval_expression(request, entities, &expression.parse().ok()?).ok()? {
        EvalResult::Long(milliseconds) => Some(milliseconds),
        _ => None,
    }
}
