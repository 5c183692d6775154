//! What is to be proved: texts, and claims over them.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use cedar_policy::{Effect, PolicyId, PolicySet, Schema, SchemaFragment};
use serde::{Deserialize, Serialize};

use crate::alike;
use crate::deep;
use crate::said::{Apart, OfText, Sayings};
use crate::symbolic::{Asks, Environment, Model, SymbolicError};

/// The schema's name among the texts.
pub const SCHEMA: &str = "schema.cedarschema";

/// A claim: what is asked of the policies in some texts against those in others.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Claim {
    /// Its name, such as `guardrails`.
    pub name: String,
    /// The claim in words.
    pub words: String,
    /// What is asked.
    pub asks: Asks,
    /// The texts whose policies are on the left.
    pub left: Vec<String>,
    /// The texts whose policies are on the right.
    pub right: Vec<String>,
}

/// Texts and claims.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Case {
    /// The texts by their names, the schema among them. Each ends a line.
    pub texts: BTreeMap<String, String>,
    /// The claims.
    pub claims: Vec<Claim>,
}

/// A text that cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum CaseError {
    /// A claim is about a text that is not there.
    #[error("there is no text `{0}`")]
    NoText(String),
    /// It is not what its name says.
    #[error("`{name}` cannot be read: {why}")]
    Text {
        /// Which.
        name: String,
        /// Why.
        why: String,
    },
    /// There is no thread to read it on: a fault of ours or of the machine.
    #[error("the texts cannot be read: {0}")]
    Broken(String),
    /// The schema cannot be encoded.
    #[error(transparent)]
    Symbolic(#[from] SymbolicError),
}

/// A case, read.
#[derive(Debug)]
pub struct Prepared {
    /// The schema.
    pub model: Model,
    /// The claims, each with its two sets.
    pub claims: Vec<(Claim, PolicySet, PolicySet)>,
    /// Whether ids of entities may be exchanged for others: the schema lists none.
    pub(crate) exchangeable: bool,
    /// The same sets taken apart, by the names of their texts.
    pub(crate) apart: BTreeMap<Vec<String>, Apart>,
}

impl Case {
    /// Reads all texts.
    ///
    /// # Errors
    /// A text is missing or is not Cedar.
    pub fn prepare(&self) -> Result<Prepared, CaseError> {
        let text = |name: &str| {
            self.texts
                .get(name)
                .ok_or_else(|| CaseError::NoText(name.to_owned()))
        };
        let (schema, _warnings) =
            Schema::from_cedarschema_str(text(SCHEMA)?).map_err(|error| CaseError::Text {
                name: SCHEMA.to_owned(),
                why: error.to_string(),
            })?;
        let model = Model::new(&schema)?;
        let fragment = SchemaFragment::from_cedarschema_str(text(SCHEMA)?).ok();
        let json = fragment.and_then(|(fragment, _warnings)| fragment.to_json_value().ok());
        let exchangeable = json.as_ref().is_some_and(alike::exchangeable);
        let names = self
            .claims
            .iter()
            .flat_map(|claim| claim.left.iter().chain(&claim.right));
        let names: BTreeSet<&str> = names.map(String::as_str).collect();
        let texts = names.into_iter().map(|name| Ok((name, text(name)?.as_str())));
        let texts: Vec<(&str, &str)> = texts.collect::<Result<_, CaseError>>()?;
        let sets = deep::for_each(&texts, |(name, text)| policies(name, text)).map_err(CaseError::Broken)?;
        let mut read: BTreeMap<&str, PolicySet> = BTreeMap::new();
        for ((name, _), set) in texts.into_iter().zip(sets) {
            read.insert(name, set?);
        }
        let joined = |names: &[String]| {
            let mut whole = PolicySet::new();
            for name in names {
                for policy in read.get(name.as_str()).into_iter().flat_map(PolicySet::policies) {
                    whole
                        .add(policy.clone())
                        .map_err(|error| unreadable(name, error.to_string()))?;
                }
            }
            Ok::<_, CaseError>(whole)
        };
        let mut whole: BTreeMap<&[String], PolicySet> = BTreeMap::new();
        let mut claims: Vec<(Claim, PolicySet, PolicySet)> = Vec::new();
        for claim in &self.claims {
            let mut side = |names| match whole.get(names) {
                Some(known) => Ok(known.clone()),
                None => Ok::<_, CaseError>(whole.entry(names).or_insert(joined(names)?).clone()),
            };
            claims.push((claim.clone(), side(&claim.left)?, side(&claim.right)?));
        }
        let of_texts: BTreeMap<&str, Arc<OfText>> =
            (read.iter().map(|(name, set)| (*name, Arc::new(OfText::new(set))))).collect();
        let mut apart = BTreeMap::new();
        for (claim, left, right) in &claims {
            for (names, set) in [(&claim.left, left), (&claim.right, right)] {
                let of_names = names.iter().filter_map(|name| of_texts.get(name.as_str()));
                apart.entry(names.clone()).or_insert_with(|| Apart {
                    relevant: Environment::all_relevant(model.environments(), set),
                    said: Sayings(of_names.cloned().collect()),
                });
            }
        }
        Ok(Prepared {
            model,
            claims,
            exchangeable,
            apart,
        })
    }
}

fn unreadable(name: &str, why: String) -> CaseError {
    CaseError::Text {
        name: name.to_owned(),
        why,
    }
}

/// The policies of a text, by their `@id`.
fn policies(name: &str, text: &str) -> Result<PolicySet, CaseError> {
    let parsed: PolicySet = text
        .parse()
        .map_err(|error: cedar_policy::ParseErrors| unreadable(name, error.to_string()))?;
    if parsed.templates().next().is_some() {
        return Err(unreadable(name, "templates are not used".to_owned()));
    }
    let mut named = PolicySet::new();
    for policy in parsed.policies() {
        let id = policy
            .annotation("id")
            .ok_or_else(|| unreadable(name, format!("{} has no `@id`", policy.id())))?;
        named
            .add(policy.new_id(PolicyId::new(id)))
            .map_err(|error| unreadable(name, error.to_string()))?;
    }
    Ok(named)
}

/// A set with only those permits whose ids are named, and every forbid.
#[must_use]
pub fn only(set: &PolicySet, permits: &[PolicyId]) -> PolicySet {
    let kept = set
        .policies()
        .filter(|policy| policy.effect() == Effect::Forbid || permits.contains(policy.id()));
    PolicySet::from_policies(kept.cloned()).unwrap_or_default()
}
