//! What it means that something stands otherwise than the estate says: what it opens or closes, for whom.

use std::collections::{BTreeMap, BTreeSet};

use evidence::id::PartnerId;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::{Phase, Plan, SHARE_CANNOT_BE_MADE, is_share_name, marks};
use crate::catalog::Catalog;
use crate::desired::Desired;
use crate::harden::{Finding, Severity};

/// With this the note on row-level security begins.
const FEWER_ROWS: &str = "shares show only rows";

/// Whether a difference gives somebody more than the estate does, or less.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Effect {
    /// Somebody has more than the estate gives.
    Opens,
    /// Somebody has less, and nobody more.
    Closes,
}

/// Something that stands otherwise than the estate says.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Difference {
    /// What it does.
    pub effect: Effect,
    /// What it opens or closes, for whom.
    pub words: String,
    /// The agreements' roles that it concerns; none means all of the upstream.
    pub roles: Vec<String>,
}

/// What a step undoes, as far as its phase tells: what is taken away was open, what is given was missing.
pub(super) fn by_phase(phase: Phase, words: &str) -> (Effect, String) {
    match phase {
        Phase::Close | Phase::Harden => (Effect::Opens, format!("open until it is undone: {words}")),
        Phase::Prepare | Phase::Share | Phase::Grant | Phase::Activate => {
            (Effect::Closes, format!("missing until it is restored: {words}"))
        }
    }
}

/// The agreements' roles that statements name.
pub(super) fn roles_named(sql: &str) -> Vec<String> {
    let quoted = sql.split('"').filter(|part| is_share_name(part));
    let found: BTreeSet<&str> = quoted.collect();
    found.into_iter().map(str::to_owned).collect()
}

/// What stood beside the shares when the estate was applied.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Noted {
    /// What identifies each note of the plan.
    notes: BTreeSet<String>,
    /// The value of each mark.
    marks: BTreeMap<String, String>,
}

impl Noted {
    /// What the plan that is applied has noted.
    #[must_use]
    pub fn of(plan: &Plan) -> Self {
        let notes = plan
            .findings
            .iter()
            .filter(|finding| finding.severity != Severity::Blocks);
        let marks = plan.marks.iter();
        Self {
            notes: notes.map(note_id).collect(),
            marks: marks
                .map(|(key, marked)| (key.clone(), marked.value.clone()))
                .collect(),
        }
    }
}

/// Everything in which the catalog differs from what the plan would make of it: each step's, and each finding that blocks;
/// of notes and marks, those that stood otherwise when the estate was applied. Before it was, marks tell nothing.
#[must_use]
pub fn differences(plan: &Plan, noted: Option<&Noted>) -> Vec<Difference> {
    let mut all: Vec<Difference> = plan.steps.iter().map(|step| step.undoes.clone()).collect();
    let nothing = Noted::default();
    let known = &noted.unwrap_or(&nothing).notes;
    all.extend(
        plan.findings
            .iter()
            .filter_map(|finding| of_finding(finding, known)),
    );
    if let Some(noted) = noted {
        all.extend(marks::differ(&plan.marks, &noted.marks));
    }
    all.sort();
    all.dedup();
    all
}

/// What identifies a note: short, since there can be thousands.
fn note_id(finding: &Finding) -> String {
    marks::short_hash(&finding.what)
}

/// Identifies a set of differences: SHA-256 in hexadecimal; empty if there are none.
#[must_use]
pub fn fingerprint(differences: &[Difference]) -> String {
    if differences.is_empty() {
        return String::new();
    }
    let mut hash = Sha256::new();
    for difference in differences {
        let effect: &[u8] = match difference.effect {
            Effect::Opens => b"opens",
            Effect::Closes => b"closes",
        };
        let words = difference.words.as_bytes();
        for part in [effect, words]
            .into_iter()
            .chain(difference.roles.iter().map(String::as_bytes))
        {
            hash.update(u64::try_from(part.len()).unwrap_or(u64::MAX).to_be_bytes());
            hash.update(part);
        }
        hash.update([0xff; 8]);
    }
    hash.finalize().iter().map(|byte| format!("{byte:02x}")).collect()
}

/// The partners to whom differences open something: those whose roles they name, and all that have a role in force in the
/// upstream where one names none of them.
#[must_use]
pub fn opened_to(differences: &[Difference], desired: &Desired) -> BTreeSet<PartnerId> {
    let in_force = || desired.roles.iter().filter(|role| role.is_in_force());
    let mut partners = BTreeSet::new();
    for difference in differences.iter().filter(|one| one.effect == Effect::Opens) {
        let named = |name: &str| difference.roles.iter().any(|role| role == name);
        let theirs = desired.roles.iter().filter(|role| named(role.name.as_str()));
        let theirs: BTreeSet<PartnerId> = theirs.map(|role| role.partner.clone()).collect();
        if theirs.is_empty() {
            partners.extend(in_force().map(|role| role.partner.clone()));
        } else {
            partners.extend(theirs);
        }
    }
    partners
}

fn of_finding(finding: &Finding, known: &BTreeSet<String>) -> Option<Difference> {
    let new = match finding.severity {
        Severity::Blocks => true,
        Severity::SecondLine | Severity::Note => !known.contains(&note_id(finding)),
    };
    let effect = if closes(finding) {
        Effect::Closes
    } else {
        Effect::Opens
    };
    new.then(|| Difference {
        effect,
        words: format!("{}: {}", finding.what, finding.opens),
        roles: Vec::new(),
    })
}

/// Findings by which nobody gains anything.
fn closes(finding: &Finding) -> bool {
    finding.opens == SHARE_CANNOT_BE_MADE || finding.opens.starts_with(FEWER_ROWS)
}

/// Whose access a view of a share is, in words that stand after "as": none if the relation is none.
pub(super) fn seen_as(desired: &Desired, schema: Option<&str>, name: &str) -> Option<String> {
    let role = desired
        .roles
        .iter()
        .find(|role| Some(role.name.as_str()) == schema)?;
    let view = role.views.iter().find(|view| view.name.as_str() == name)?;
    Some(format!("data set `{}` as {} sees it", view.dataset, role.words()))
}

/// How a view that stands differs from the one that is wanted, in words, and whether that opens something.
pub(super) fn view_differs(
    catalog: &Catalog,
    relation: &crate::catalog::Relation,
    view: &crate::desired::DesiredView,
    who: &str,
) -> (Effect, String) {
    let place = format!("view `{}.{}`", relation.schema, relation.name);
    let has = |option: &str| relation.options.iter().any(|found| found == option);
    let mut words = Vec::new();
    let mut effect = Effect::Closes;
    let mut open = |text: String| {
        effect = Effect::Opens;
        text
    };
    let more: Vec<&str> = relation
        .columns
        .iter()
        .map(|column| column.name.as_str())
        .filter(|column| !view.columns.iter().any(|wanted| wanted.as_str() == *column))
        .collect();
    let fewer: Vec<&str> = view
        .columns
        .iter()
        .map(AsRef::as_ref)
        .filter(|column: &&str| !relation.columns.iter().any(|found| found.name == *column))
        .collect();
    if !more.is_empty() {
        words.push(open(format!(
            "it shows columns of no agreement: {}",
            more.join(", ")
        )));
    }
    if !fewer.is_empty() {
        words.push(format!("it no longer shows {}", fewer.join(", ")));
    }
    if !has("security_barrier=true") {
        words.push(open(
            "it is no security barrier, so that a condition of the partner's can look at the rows it hides"
                .to_owned(),
        ));
    }
    if has("security_invoker=true") {
        words.push("it reads with the partner's rights, who has none on the relation".to_owned());
    }
    for option in relation
        .options
        .iter()
        .filter(|option| !matches!(option.as_str(), "security_barrier=true" | "security_invoker=true"))
    {
        words.push(format!("it has the option `{option}`"));
    }
    if relation.rules_and_triggers > 0 {
        words.push(open(
            "it has rules or triggers that run when it is used".to_owned(),
        ));
    }
    let key = crate::catalog::printed_key(&relation.schema, view.name.as_str());
    let same = relation.definition.as_ref() == catalog.printed.get(&key);
    if !same && more.is_empty() && fewer.is_empty() {
        words.push(open(
            "it is defined otherwise than the agreement says: it may show other rows, and columns without their masks".to_owned(),
        ));
    }
    (
        effect,
        format!(
            "{place}, data set `{}` of {who}: {}",
            view.dataset,
            words.join("; ")
        ),
    )
}
