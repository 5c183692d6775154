//! From claims that fail to findings: who breaks what, by name.

use std::collections::BTreeSet;

use cedar_policy::{Effect, Policy, PolicyId, PolicySet};
use policy::estate::Estate;

use crate::case::{Claim, Prepared, only};
use crate::finding::{Finding, Shown, describe, instead_of};
use crate::offence::{Broken, Offence};
use crate::properties::{CLAIM_GUARDRAILS, CLAIM_NOTHING_NEW};
use crate::run::{Proved, RunError, Verdict};
use crate::solver::Solvers;
use crate::symbolic::{Asks, Environment};

/// A claim, its verdict, and what is to be said of it.
#[derive(Debug, Clone)]
pub struct Examined {
    /// The claim.
    pub claim: Claim,
    /// What came of it.
    pub proved: Proved,
    /// Counterexamples, one for each permit that breaks it (and each guardrail that it breaks).
    pub findings: Vec<Finding>,
    /// Why nothing is known, and counterexamples that are no single permit's.
    pub troubles: Vec<String>,
}

impl Examined {
    /// The verdict.
    #[must_use]
    pub fn verdict(&self) -> Verdict {
        self.proved.verdict()
    }
}

/// Looks at each claim that does not hold.
///
/// # Errors
/// A counterexample is none to Cedar's authorizer, or policies cannot be encoded.
pub async fn examine(
    estate: &Estate,
    prepared: &Prepared,
    proved: Vec<Proved>,
    solvers: &Solvers,
) -> Result<Vec<Examined>, RunError> {
    let mut examined = Vec::new();
    for ((claim, left, right), proved) in prepared.claims.iter().zip(proved) {
        let mut one = Examined {
            claim: claim.clone(),
            proved,
            findings: Vec::new(),
            troubles: Vec::new(),
        };
        let environments = prepared.model.environments();
        let failing: BTreeSet<usize> = of_verdict(&one.proved, Verdict::Fails)
            .map(|check| check.environment)
            .collect();
        let undecided = of_verdict(&one.proved, Verdict::Undecided);
        one.troubles = undecided
            .filter_map(|check| {
                let place = environments
                    .get(check.environment)
                    .map(ToString::to_string)
                    .unwrap_or_default();
                check.settled.trouble().map(|why| format!("{place}: {why}"))
            })
            .collect();
        if claim.asks == Asks::NeverErrs {
            let erring = of_verdict(&one.proved, Verdict::Fails).filter_map(|check| check.policy.clone());
            let erring: BTreeSet<String> = erring.collect();
            one.troubles
                .extend(erring.into_iter().map(|policy| format!("`{policy}` can err")));
            examined.push(one);
            continue;
        }
        for environment in failing.iter().filter_map(|index| environments.get(*index)) {
            let broken = Broken {
                model: &prepared.model,
                environment,
                asks: claim.asks,
                left,
                right,
            };
            match look(estate, claim, &broken, solvers).await {
                Ok(Looked::Findings(findings)) => one.findings.extend(findings),
                Ok(Looked::Words(words)) => one.troubles.push(words),
                Err(RunError::Undecided { what, why }) => {
                    one.troubles.push(format!("{environment}: {what}: {why}"));
                }
                Err(error) => return Err(error),
            }
        }
        examined.push(one);
    }
    Ok(examined)
}

fn of_verdict(proved: &Proved, verdict: Verdict) -> impl Iterator<Item = &crate::run::Check> {
    proved
        .checks
        .iter()
        .filter(move |check| check.settled.verdict() == verdict)
}

enum Looked {
    Findings(Vec<Finding>),
    Words(String),
}

async fn look(
    estate: &Estate,
    claim: &Claim,
    broken: &Broken<'_>,
    solvers: &Solvers,
) -> Result<Looked, RunError> {
    if claim.asks == Asks::Equivalent {
        let (request, _, replayed) = broken.counterexample(solvers).await?;
        let names = |ids: &[PolicyId]| ids.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
        return Ok(Looked::Words(format!(
            "{}: decided by [{}] before, by [{}] afterwards, for example for `{}`",
            broken.environment,
            names(&replayed.left),
            names(&replayed.right),
            request.principal().map(ToString::to_string).unwrap_or_default(),
        )));
    }
    let offences = broken.offences(solvers).await?;
    if claim.name == CLAIM_GUARDRAILS {
        return by_guardrail(estate, broken, &offences, solvers)
            .await
            .map(Looked::Findings);
    }
    let mut findings = Vec::new();
    for offence in &offences {
        let mut finding = describe(estate, &claim.name, broken, offence, &[])?;
        if claim.name == CLAIM_NOTHING_NEW {
            let columns = new_columns(estate, broken, offence, solvers).await?;
            finding = instead_of(finding, columns);
        }
        findings.push(finding);
    }
    Ok(Looked::Findings(findings))
}

/// Each permit that offends against any guardrail, with each that it offends against.
async fn by_guardrail(
    estate: &Estate,
    broken: &Broken<'_>,
    offences: &[Offence],
    solvers: &Solvers,
) -> Result<Vec<Finding>, RunError> {
    let offenders: Vec<PolicyId> = offences.iter().map(|offence| offence.permit.clone()).collect();
    let left = only(broken.left, &offenders);
    let mut findings = Vec::new();
    let rules = broken.environment.relevant(broken.right);
    let mut forbids: Vec<&Policy> = rules
        .policies()
        .filter(|rule| rule.effect() == Effect::Forbid)
        .collect();
    forbids.sort_by_cached_key(|rule| rule.id().to_string());
    for rule in forbids {
        let everything = rules
            .policies()
            .filter(|policy| policy.effect() == Effect::Permit);
        let right = PolicySet::from_policies(everything.chain([rule]).cloned()).unwrap_or_default();
        let alone = Broken {
            left: &left,
            right: &right,
            ..*broken
        };
        let id = rule.id().to_string();
        let cited = estate
            .statute()
            .rule(&id)
            .map(|rule| rule.guardrails.clone())
            .unwrap_or_default();
        for offence in alone.offences(solvers).await? {
            findings.push(describe(estate, CLAIM_GUARDRAILS, &alone, &offence, &cited)?);
        }
    }
    Ok(findings)
}

/// The columns of which an offending permit permits what was not permitted: each is asked of by itself.
async fn new_columns(
    estate: &Estate,
    broken: &Broken<'_>,
    offence: &Offence,
    solvers: &Solvers,
) -> Result<Vec<Shown>, RunError> {
    let set = only(broken.left, std::slice::from_ref(&offence.permit));
    let mut shown = Vec::new();
    for (column, masked) in candidates(estate, broken.environment) {
        let narrow = format!(
            "forbid (principal, action == Action::\"read\", resource) unless {{ context.column == {} && context.masked == {masked} }};",
            cedar_policy::Expression::new_string(column.clone())
        );
        let Ok(narrow) = Policy::parse(Some(PolicyId::new("narrow")), &narrow) else {
            continue;
        };
        let mut narrowed = set.clone();
        if narrowed.add(narrow).is_err() {
            continue;
        }
        let settled = broken.settled(&narrowed, solvers).await?;
        match settled.verdict() {
            Verdict::Holds => {}
            Verdict::Fails => shown.push(Shown { column, masked }),
            Verdict::Undecided => {
                return Err(RunError::Undecided {
                    what: format!("{}, column {column}", offence.permit),
                    why: settled.trouble().unwrap_or_default(),
                });
            }
        }
    }
    Ok(shown)
}

fn candidates(estate: &Estate, environment: &Environment) -> Vec<(String, bool)> {
    let datasets = estate.datasets().values();
    let dataset = datasets
        .into_iter()
        .find(|dataset| policy::condition::entity_type(&dataset.id) == environment.resource());
    let columns = dataset.into_iter().flat_map(|dataset| &dataset.columns);
    columns
        .flat_map(|column| [false, true].map(|masked| (column.name.as_str().to_owned(), masked)))
        .collect()
}
