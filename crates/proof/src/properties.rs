//! What is claimed of an estate, as texts and questions.
//!
//! What a claim is held against is written here anew, not by the code that writes the agreements' policies: a fault of that
//! code must not hide itself.

use std::fmt::Write as _;

use cedar_policy::{Expression, PolicySet, Schema, ValidationMode, Validator};
use evidence::id::{AgreementId, DatasetId, DirectiveNumber, PartnerId, PurposeId};
use jiff::Timestamp;
use policy::cedar;
use policy::condition::entity_type;
use policy::estate::{Agreement, Estate};
use policy::in_force::EndedScope;

use crate::case::{Case, Claim, SCHEMA};
use crate::symbolic::Asks;

/// Names of texts.
pub const POLICIES: &str = "policies.cedar";
const GUARDRAILS: &str = "guardrails.cedar";
const DIRECTIVE: &str = "directive.cedar";
const SCOPE: &str = "scope.cedar";
const OUTSIDE: &str = "outside.cedar";
const TERMS: &str = "terms.cedar";
const AGAINST: &str = "against.cedar";

/// Names of claims.
pub const CLAIM_GUARDRAILS: &str = "guardrails";
/// No policy can err.
pub const CLAIM_NEVER_ERRS: &str = "never-errs";
/// Nothing is permitted outside the agreements' terms.
pub const CLAIM_TERMS: &str = "terms";
/// A directive's scope is denied.
pub const CLAIM_DENIED: &str = "denied";
/// Nobody else changes.
pub const CLAIM_OTHERS: &str = "others-unchanged";
/// Nothing new against another estate.
pub const CLAIM_NOTHING_NEW: &str = "nothing-new";

/// What a directive ends.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Scope {
    /// The directive's number, if there is one yet.
    pub directive: Option<DirectiveNumber>,
    /// Whose access.
    pub partner: PartnerId,
    /// Under this agreement only.
    pub agreement: Option<AgreementId>,
    /// For this purpose only.
    pub purpose: Option<PurposeId>,
}

/// Which columns may never leave.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Columns {
    /// One column of one data set.
    One(DatasetId, String),
    /// All columns of this tag.
    Tagged(String),
}

/// That columns leave under no agreement.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Never {
    /// Which.
    pub columns: Columns,
    /// To whom; nobody at all if `None`.
    pub to: Option<PartnerId>,
    /// Only as they are: masked they may.
    pub unmasked: bool,
}

/// What is to be proved besides what is always.
#[derive(Debug, Clone, Default)]
pub struct Wanted<'a> {
    /// After this directive.
    pub scope: Option<Scope>,
    /// These columns never leave.
    pub never: Vec<Never>,
    /// Nothing is permitted that this estate does not permit.
    pub against: Option<&'a Estate>,
}

/// A case, and what a reader must know of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Made {
    /// The case.
    pub case: Case,
    /// What was left out, and why that is on the safe side.
    pub notes: Vec<String>,
}

/// The claims that `check` proves: the guardrails hold, and no policy can err.
#[must_use]
pub fn guardrails(estate: &Estate) -> Case {
    let mut case = Case::default();
    base(estate, &mut case);
    case
}

/// All claims.
#[must_use]
pub fn all(estate: &Estate, wanted: &Wanted<'_>) -> Made {
    let mut case = Case::default();
    let mut notes = Vec::new();
    base(estate, &mut case);
    case.texts.insert(TERMS.to_owned(), terms(estate));
    case.claims.push(claim(
        CLAIM_TERMS,
        "no agreement outlives its end: nothing is permitted but under an agreement, to its partner, for its purposes, on its days"
            .to_owned(),
        Asks::Implies,
        &[POLICIES],
        &[TERMS],
    ));
    if let Some(scope) = &wanted.scope {
        termination(scope, &mut case);
    }
    for (never, number) in wanted.never.iter().zip(1_usize..) {
        let text = format!("never-{number}.cedar");
        case.texts.insert(text.clone(), never_text(estate, never));
        case.claims.push(claim(
            &format!("never-{number}"),
            never_words(never),
            Asks::Disjoint,
            &[POLICIES],
            &[&text],
        ));
    }
    if let Some(old) = wanted.against {
        let (text, left_out) = fitting(estate, old);
        notes.extend(left_out);
        case.texts.insert(AGAINST.to_owned(), text);
        case.claims.push(claim(
            CLAIM_NOTHING_NEW,
            "nothing is permitted that the other estate does not permit".to_owned(),
            Asks::Implies,
            &[POLICIES],
            &[AGAINST],
        ));
    }
    Made { case, notes }
}

fn claim(name: &str, words: String, asks: Asks, left: &[&str], right: &[&str]) -> Claim {
    let owned = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect();
    Claim {
        name: name.to_owned(),
        words,
        asks,
        left: owned(left),
        right: owned(right),
    }
}

fn base(estate: &Estate, case: &mut Case) {
    case.texts.insert(SCHEMA.to_owned(), cedar::schema(estate));
    case.texts
        .insert(POLICIES.to_owned(), cedar::policies(estate, &[]));
    case.texts
        .insert(GUARDRAILS.to_owned(), estate.statute().policies());
    let count = estate.statute().guardrails().len();
    case.claims.push(claim(
        CLAIM_GUARDRAILS,
        format!("no agreement permits what a guardrail forbids ({count} guardrails)"),
        Asks::Implies,
        &[POLICIES],
        &[GUARDRAILS],
    ));
    case.claims.push(claim(
        CLAIM_NEVER_ERRS,
        "no policy and no guardrail can err when it is evaluated".to_owned(),
        Asks::NeverErrs,
        &[POLICIES, GUARDRAILS],
        &[],
    ));
}

fn termination(scope: &Scope, case: &mut Case) {
    let number = scope.directive.clone().or_else(|| "D-0000-0000".parse().ok());
    let Some(directive) = number else {
        return;
    };
    let ended = EndedScope {
        directive,
        partner: scope.partner.clone(),
        agreement: scope.agreement.clone(),
        purpose: scope.purpose.clone(),
        // Not part of the text.
        at: Timestamp::UNIX_EPOCH,
        until: None,
    };
    let when = within(scope);
    case.texts.insert(DIRECTIVE.to_owned(), cedar::forbid(&ended));
    case.texts.insert(
        SCOPE.to_owned(),
        format!("@id(\"in-scope\")\npermit (principal is Officer, action, resource)\nwhen {{ {when} }};\n"),
    );
    case.texts.insert(
        OUTSIDE.to_owned(),
        format!(
            "@id(\"out-of-sight\")\nforbid (principal is Officer, action, resource)\nwhen {{ {when} }};\n"
        ),
    );
    let words = scope_words(scope);
    case.claims.push(claim(
        CLAIM_DENIED,
        format!("afterwards {words} is denied"),
        Asks::Disjoint,
        &[POLICIES, DIRECTIVE],
        &[SCOPE],
    ));
    case.claims.push(claim(
        CLAIM_OTHERS,
        format!("nothing else changes: outside {words}, before and after decide alike"),
        Asks::Equivalent,
        &[POLICIES, OUTSIDE],
        &[POLICIES, DIRECTIVE, OUTSIDE],
    ));
}

/// A scope in words.
#[must_use]
pub fn scope_words(scope: &Scope) -> String {
    let partner = &scope.partner;
    match (&scope.agreement, &scope.purpose) {
        (None, None) => format!("everything of partner `{partner}`"),
        (Some(agreement), None) => format!("agreement `{agreement}` of partner `{partner}`"),
        (None, Some(purpose)) => format!("purpose `{purpose}` of partner `{partner}`"),
        (Some(agreement), Some(purpose)) => {
            format!("purpose `{purpose}` of agreement `{agreement}` of partner `{partner}`")
        }
    }
}

fn within(scope: &Scope) -> String {
    let mut when = equals("principal.partner", "Partner", scope.partner.as_str());
    if let Some(agreement) = &scope.agreement {
        let _ = write!(
            when,
            " && {}",
            equals("context.agreement", "Agreement", agreement.as_str())
        );
    }
    if let Some(purpose) = &scope.purpose {
        let _ = write!(
            when,
            " && {}",
            equals("context.purpose", "Purpose", purpose.as_str())
        );
    }
    when
}

fn terms(estate: &Estate) -> String {
    estate
        .agreements()
        .values()
        .filter_map(|agreement| term(estate, agreement))
        .collect()
}

/// What an agreement may permit at most. Its end is counted anew from its last day. `None`: there is no such day, so it may
/// permit nothing.
fn term(estate: &Estate, agreement: &Agreement) -> Option<String> {
    let zone = estate.custodian().time_zone.clone();
    let begins = agreement.valid.from.to_zoned(zone.clone()).ok()?.timestamp();
    let ends = agreement
        .valid
        .until
        .tomorrow()
        .ok()?
        .to_zoned(zone)
        .ok()?
        .timestamp();
    let purposes: Vec<String> = agreement
        .purposes
        .iter()
        .map(|purpose| equals("context.purpose", "Purpose", purpose.as_str()))
        .collect();
    Some(format!(
        "@id({})\npermit (principal is Officer, action, resource)\nwhen {{ {} && {} && ({}) &&\n  \
         context.now >= datetime(\"{begins:.3}\") && context.now < datetime(\"{ends:.3}\") }};\n\n",
        string(&format!("terms/{}", agreement.id)),
        equals("principal.partner", "Partner", agreement.partner.as_str()),
        equals("context.agreement", "Agreement", agreement.id.as_str()),
        purposes.join(" || "),
    ))
}

fn never_text(estate: &Estate, never: &Never) -> String {
    let mut text = String::new();
    for dataset in estate.datasets().values() {
        let columns = dataset.columns.iter().filter(|column| match &never.columns {
            Columns::One(of, name) => *of == dataset.id && column.name.as_str() == name,
            Columns::Tagged(tag) => column.tags.contains(tag),
        });
        let columns: Vec<String> = columns
            .map(|column| format!("context.column == {}", string(column.name.as_str())))
            .collect();
        if columns.is_empty() {
            continue;
        }
        let mut when = format!("({})", columns.join(" || "));
        if let Some(partner) = &never.to {
            let _ = write!(
                when,
                " && {}",
                equals("principal.partner", "Partner", partner.as_str())
            );
        }
        if never.unmasked {
            when.push_str(" && !context.masked");
        }
        let _ = write!(
            text,
            "@id({})\npermit (principal is Officer, action == Action::\"read\", resource is {})\nwhen {{ {when} }};\n\n",
            string(&format!("never/{}", dataset.id)),
            entity_type(&dataset.id),
        );
    }
    text
}

fn never_words(never: &Never) -> String {
    let columns = match &never.columns {
        Columns::One(dataset, column) => format!("column `{column}` of data set `{dataset}`"),
        Columns::Tagged(tag) => format!("no column with tag `{tag}`"),
    };
    let leaves = match &never.columns {
        Columns::One(..) => "leaves under no agreement",
        Columns::Tagged(_) => "leaves under any agreement",
    };
    let to = never
        .to
        .as_ref()
        .map(|to| format!(" to partner `{to}`"))
        .unwrap_or_default();
    let masked = if never.unmasked { " without a mask" } else { "" };
    format!("{columns} {leaves}{to}{masked}")
}

/// The other estate's policies as far as they fit this estate's schema. Those that do not are left out, so that what they
/// permitted counts as new.
fn fitting(estate: &Estate, old: &Estate) -> (String, Vec<String>) {
    let text = cedar::policies(old, &[]);
    let schema = Schema::from_cedarschema_str(&cedar::schema(estate)).ok();
    let parsed = text.parse::<PolicySet>().ok();
    let (Some((schema, _)), Some(parsed)) = (schema, parsed) else {
        return (
            String::new(),
            vec!["the other estate's policies cannot be read: all counts as new".to_owned()],
        );
    };
    let result = Validator::new(schema).validate(&parsed, ValidationMode::Strict);
    let unfit: Vec<String> = result
        .validation_errors()
        .map(|error| error.policy_id().to_string())
        .collect();
    let (mut kept, mut notes) = (String::new(), Vec::new());
    for policy in parsed.policies() {
        let name = policy.annotation("id").unwrap_or_default();
        if unfit.contains(&policy.id().to_string()) {
            notes.push(format!(
                "the other estate's `{name}` does not fit this estate's data sets: what it permitted counts as new"
            ));
        } else {
            let _ = write!(kept, "{policy}\n\n");
        }
    }
    (kept, notes)
}

fn equals(what: &str, kind: &str, id: &str) -> String {
    format!("{what} == {kind}::{}", string(id))
}

/// A Cedar string constant, escaped by Cedar itself.
fn string(text: &str) -> String {
    Expression::new_string(text.to_owned()).to_string()
}
