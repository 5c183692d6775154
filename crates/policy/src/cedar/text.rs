//! Writing the schema and the policies.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use cedar_policy::{Expression, PolicyId};
use evidence::id::{DatasetId, PartnerId, PurposeId};
use jiff::Timestamp;

use crate::condition::{entity_declaration, entity_type};
use crate::estate::{Agreement, Dataset, Estate, Share, SharedColumn, Validity};
use crate::in_force::EndedScope;

/// The annotation that says whose permit it is; decisions are made on one partner's permits and all forbids.
pub const PARTNER_ANNOTATION: &str = "partner";

/// The Cedar schema of an estate.
#[must_use]
pub fn schema(estate: &Estate) -> String {
    schema_of(estate.datasets().values())
}

/// The Cedar schema of an estate with these data sets.
#[must_use]
pub fn schema_of<'a>(datasets: impl IntoIterator<Item = &'a Dataset>) -> String {
    let mut types = Vec::new();
    let mut text = String::from(
        "entity Partner;\nentity Purpose;\nentity Agreement;\nentity Officer = { partner: Partner };\n\n",
    );
    for dataset in datasets {
        text.push_str(&entity_declaration(dataset));
        types.push(entity_type(&dataset.id));
    }
    text.push_str(
        "\naction connect appliesTo {\n  principal: Officer,\n  resource: Agreement,\n  \
         context: { agreement: Agreement, purpose: Purpose, now: datetime, case?: String },\n};\n",
    );
    if !types.is_empty() {
        let _ = write!(
            text,
            "action read appliesTo {{\n  principal: Officer,\n  resource: [{}],\n  \
             context: {{ agreement: Agreement, purpose: Purpose, now: datetime, case?: String, column: String, masked: Bool, aggregate: Bool }},\n}};\n",
            types.join(", ")
        );
    }
    text
}

/// The policies of an estate, and of what directives have ended.
#[must_use]
pub fn policies(estate: &Estate, ended: &[EndedScope]) -> String {
    let mut text = String::new();
    for agreement in estate.agreements().values() {
        for purpose in &agreement.purposes {
            text.push_str(&permit_connect(agreement, purpose));
            for (share, id) in read_permits(agreement, purpose) {
                text.push_str(&permit_read(agreement, purpose, share, &id));
            }
        }
    }
    for scope in ended {
        text.push_str(&forbid(scope));
    }
    text
}

/// The policy that forbids what a directive has ended.
#[must_use]
pub fn forbid(scope: &EndedScope) -> String {
    let mut when = format!(
        "principal.partner == {}",
        entity("Partner", scope.partner.as_str())
    );
    if let Some(agreement) = &scope.agreement {
        let _ = write!(
            when,
            " && context.agreement == {}",
            entity("Agreement", agreement.as_str())
        );
    }
    if let Some(purpose) = &scope.purpose {
        let _ = write!(
            when,
            " && context.purpose == {}",
            entity("Purpose", purpose.as_str())
        );
    }
    format!(
        "@id({})\n@directive({})\n{}forbid (principal is Officer, action, resource)\nwhen {{ {when} }};\n\n",
        string(&forbid_name(scope)),
        string(scope.directive.as_str()),
        partner_annotation(&scope.partner),
    )
}

/// The id of [`forbid`]'s policy.
#[must_use]
pub fn forbid_id(scope: &EndedScope) -> PolicyId {
    PolicyId::new(forbid_name(scope))
}

/// `2026-11-23T00:00:00.000Z`, as Cedar's `datetime` reads it: whole milliseconds, the rest cut off.
pub(crate) fn datetime(at: Timestamp) -> String {
    format!("{at:.3}")
}

fn forbid_name(scope: &EndedScope) -> String {
    let part = |text: Option<&str>| text.map(|text| format!("/{text}")).unwrap_or_default();
    let agreement = part(Some(
        scope
            .agreement
            .as_ref()
            .map_or("*", |agreement| agreement.as_str()),
    ));
    let purpose = part(Some(
        scope.purpose.as_ref().map_or("*", |purpose| purpose.as_str()),
    ));
    format!("{}/{}{agreement}{purpose}", scope.directive, scope.partner)
}

fn permit_connect(agreement: &Agreement, purpose: &PurposeId) -> String {
    format!(
        "@id({})\n{}@basis({})\npermit (principal is Officer, action == Action::\"connect\", resource == {})\nwhen {{ {}{} }};\n\n",
        string(&format!("{}/{purpose}", agreement.id)),
        partner_annotation(&agreement.partner),
        string(&agreement.legal_basis),
        entity("Agreement", agreement.id.as_str()),
        under(agreement, purpose),
        in_a_case(agreement),
    )
}

/// Where the agreement asks for a case reference: that there is one, and what each of its form begins with. Each session has
/// one ([`crate::in_force`] sees to its whole form), so this takes nothing away; it is there for what is proved.
fn in_a_case(agreement: &Agreement) -> String {
    let Some(form) = &agreement.case_reference else {
        return String::new();
    };
    match form.beginning() {
        "" => " && context has case".to_owned(),
        beginning => format!(" && context has case && context.case like {}", begins(beginning)),
    }
}

/// A Cedar pattern of the texts that begin so.
fn begins(beginning: &str) -> String {
    let constant = string(beginning);
    let inner = constant.strip_suffix('"').unwrap_or_default().replace('*', "\\*");
    format!("{inner}*\"")
}

/// The shares for one purpose, each with the id of its permit: of a second share of one data set, it ends in `/2`.
pub(crate) fn read_permits<'a>(
    agreement: &'a Agreement,
    purpose: &'a PurposeId,
) -> impl Iterator<Item = (&'a Share, String)> {
    let mut of_dataset: BTreeMap<&DatasetId, usize> = BTreeMap::new();
    agreement.shares_for(purpose).map(move |share| {
        let count = of_dataset.entry(&share.dataset).or_default();
        *count += 1;
        let id = format!("{}/{purpose}/{}", agreement.id, share.dataset);
        if *count == 1 {
            (share, id)
        } else {
            (share, format!("{id}/{count}"))
        }
    })
}

fn permit_read(agreement: &Agreement, purpose: &PurposeId, share: &Share, id: &str) -> String {
    let column = |shared: &SharedColumn| {
        format!(
            "context.column == {} && context.masked == {}",
            string(shared.column.name.as_str()),
            shared.mask.is_some()
        )
    };
    let columns: Vec<String> = share.columns.iter().map(column).collect();
    let condition = share
        .condition
        .as_ref()
        .map(|condition| format!("\nwhen {{ {}\n}}", condition.cedar()));
    format!(
        "@id({})\n{}@basis({})\npermit (principal is Officer, action == Action::\"read\", resource is {})\nwhen {{ {}{} && {} }}\nwhen {{ {} }}{};\n\n",
        string(id),
        partner_annotation(&agreement.partner),
        string(&agreement.legal_basis),
        entity_type(&share.dataset),
        under(agreement, purpose),
        in_a_case(agreement),
        if share.aggregate().is_some() {
            "context.aggregate"
        } else {
            "!context.aggregate"
        },
        any_of(&columns),
        condition.unwrap_or_default(),
    )
}

/// Most operands of `||` beside each other: Cedar follows a chain of them by recursion.
const MAX_BESIDE: usize = 64;

/// `a || b || ..`, in groups if there are many.
fn any_of(terms: &[String]) -> String {
    if terms.len() <= MAX_BESIDE {
        return terms.join(" || ");
    }
    let groups = terms.chunks(MAX_BESIDE);
    let groups: Vec<String> = groups.map(|group| format!("({})", group.join(" || "))).collect();
    groups.join(" || ")
}

/// For this partner, under this agreement, for this purpose, while it is in force.
fn under(agreement: &Agreement, purpose: &PurposeId) -> String {
    let Validity { begins, ends, .. } = agreement.valid;
    format!(
        "principal.partner == {} && context.agreement == {} && context.purpose == {} && \
         context.now >= datetime(\"{}\") && context.now < datetime(\"{}\")",
        entity("Partner", agreement.partner.as_str()),
        entity("Agreement", agreement.id.as_str()),
        entity("Purpose", purpose.as_str()),
        datetime(begins),
        datetime(ends),
    )
}

fn partner_annotation(partner: &PartnerId) -> String {
    format!("@{PARTNER_ANNOTATION}({})\n", string(partner.as_str()))
}

fn entity(kind: &str, id: &str) -> String {
    format!("{kind}::{}", string(id))
}

/// A Cedar string constant, escaped by Cedar itself.
fn string(text: &str) -> String {
    Expression::new_string(text.to_owned()).to_string()
}
