//! Random policy sets, and the questions that are asked of them.

use cedar_policy::{Context, Effect, EntityId, EntityUid, PolicyId, PolicySet, RestrictedExpression, Schema};
use evidence::id::{AgreementId, PartnerId, PurposeId};
use jiff::civil::date;
use jiff::tz::TimeZone;
use policy::condition::entity_type;
use policy::estate::{Dataset, Validity};
use policy::row_filter::{Question, RowFilter};

use super::conditions;
use super::random::Random;
use super::rows::dataset;

/// Columns that policies name.
const NAMED: [&str; 3] = ["t", "d_opt", "f"];

/// A set of permits and forbids, and the question of one column.
#[derive(Clone)]
pub(crate) struct Case {
    pub(crate) text: String,
    pub(crate) policies: PolicySet,
    pub(crate) column: &'static str,
    pub(crate) masked: bool,
}

/// What all questions have in common.
pub(crate) struct Asked {
    partner: PartnerId,
    agreement: AgreementId,
    purpose: PurposeId,
    valid: Validity,
    schema: Schema,
    dataset: Dataset,
}

impl Asked {
    pub(crate) fn new() -> Self {
        let dataset = dataset();
        let text = policy::cedar::schema_of([&dataset]);
        Self {
            partner: "police".parse().unwrap(),
            agreement: "police-2018".parse().unwrap(),
            purpose: "investigation".parse().unwrap(),
            valid: Validity::new(date(2018, 6, 1), date(2031, 5, 31), &TimeZone::UTC).unwrap(),
            schema: Schema::from_cedarschema_str(&text).unwrap().0,
            dataset,
        }
    }

    /// The rows that a case's policies permit, as SQL.
    pub(crate) fn compile(&self, case: &Case) -> String {
        let question = Question {
            partner: &self.partner,
            agreement: &self.agreement,
            valid: self.valid,
            purpose: &self.purpose,
            case: None,
            column: case.column,
            masked: case.masked,
            aggregate: false,
        };
        match RowFilter::compile(&case.policies, &self.schema, &self.dataset, &question) {
            Ok(filter) => filter.rows().sql("r"),
            Err(error) => panic!("refused: {error}\n{}", case.text),
        }
    }

    /// The question of one row, in its context.
    pub(crate) fn context(&self, column: &str, masked: bool) -> Context {
        let of = |kind: &str, id: &str| RestrictedExpression::new_entity_uid(uid(kind, id));
        let pairs = [
            ("agreement", of("Agreement", self.agreement.as_str())),
            ("purpose", of("Purpose", self.purpose.as_str())),
            // Not the moment that compiling takes.
            ("now", RestrictedExpression::new_datetime("2026-11-23T12:00:00Z")),
            ("case", RestrictedExpression::new_string("IL-2026-1".to_owned())),
            ("column", RestrictedExpression::new_string(column.to_owned())),
            ("masked", RestrictedExpression::new_bool(masked)),
            ("aggregate", RestrictedExpression::new_bool(false)),
        ];
        Context::from_pairs(pairs.map(|(name, value)| (name.to_owned(), value))).unwrap()
    }
}

pub(crate) fn uid(kind: &str, id: &str) -> EntityUid {
    EntityUid::from_type_name_and_id(kind.parse().unwrap(), EntityId::new(id))
}

impl Case {
    pub(crate) fn random(random: &mut Random) -> Self {
        let count = 1 + random.below(4);
        let mut texts = vec![permit(random)];
        for _ in 1..count {
            let policy = if random.one_in(3) {
                forbid(random)
            } else {
                permit(random)
            };
            texts.push(policy);
        }
        Self::of(&texts, random.pick(&NAMED), random.one_in(2))
    }

    pub(crate) fn of(texts: &[String], column: &'static str, masked: bool) -> Self {
        let policy = |(index, text): (usize, &String)| {
            cedar_policy::Policy::parse(Some(PolicyId::new(format!("p{index}"))), text)
                .unwrap_or_else(|error| panic!("{error}: {text}"))
        };
        Self {
            text: texts.join("\n"),
            policies: PolicySet::from_policies(texts.iter().enumerate().map(policy)).unwrap(),
            column,
            masked,
        }
    }
}

impl Case {
    pub(crate) fn without_forbids(&self) -> Self {
        let permits = self
            .policies
            .policies()
            .filter(|policy| policy.effect() == Effect::Permit);
        Self {
            policies: PolicySet::from_policies(permits.cloned()).unwrap(),
            ..self.clone()
        }
    }
}

/// A permit as the estate makes them, sometimes for somebody else.
fn permit(random: &mut Random) -> String {
    let mut clauses = vec![under(random)];
    if !random.one_in(8) {
        clauses.push(columns(random));
    }
    clauses.extend(asked(random));
    policy("permit", &clauses)
}

fn forbid(random: &mut Random) -> String {
    let mut clauses = Vec::new();
    if random.one_in(3) {
        clauses.push(under(random));
    }
    if random.one_in(3) {
        clauses.push(columns(random));
    }
    clauses.extend(asked(random));
    if clauses.is_empty() {
        clauses.push(format!("when {{ {} }}", conditions::condition(random)));
    }
    policy("forbid", &clauses)
}

fn policy(effect: &str, clauses: &[String]) -> String {
    let row = entity_type(&dataset().id);
    format!(
        "{effect} (principal is Officer, action == Action::\"read\", resource is {row})\n{};",
        clauses.join("\n")
    )
}

fn under(random: &mut Random) -> String {
    let or_other = |random: &mut Random, right: &'static str| if random.one_in(12) { "other" } else { right };
    format!(
        "when {{ principal.partner == Partner::\"{}\" && context.agreement == Agreement::\"{}\" && context.purpose == \
         Purpose::\"{}\" && context.now >= datetime(\"2018-06-01T00:00:00.000Z\") && context.now < \
         datetime(\"2031-06-01T00:00:00.000Z\") }}",
        or_other(random, "police"),
        or_other(random, "police-2018"),
        or_other(random, "investigation"),
    )
}

fn columns(random: &mut Random) -> String {
    let mut named = Vec::new();
    for column in NAMED {
        if random.one_in(4) {
            continue;
        }
        let masked = random.pick(&["true", "false"]);
        named.push(match random.below(4) {
            0 => format!("context.column == \"{column}\""),
            _ => format!("context.column == \"{column}\" && context.masked == {masked}"),
        });
    }
    match random.below(6) {
        0 => "when { (context.masked || resource.b) && !context.aggregate }".to_owned(),
        1 => format!(
            "unless {{ context.column == {} }}",
            random.pick(&["resource.t", "\"t\""])
        ),
        _ if named.is_empty() => "unless { context.masked }".to_owned(),
        _ => format!("when {{ {} }}", named.join(" || ")),
    }
}

/// Conditions on the row, up to two.
fn asked(random: &mut Random) -> Vec<String> {
    let clause = |random: &mut Random| {
        let keyword = if random.one_in(3) { "unless" } else { "when" };
        format!("{keyword} {{ {} }}", conditions::condition(random))
    };
    (0..random.below(3)).map(|_| clause(random)).collect()
}
