//! Who breaks a claim: every permit that does, not just the one a solver happens to name, each with a counterexample.
//!
//! What a set permits is what its permits permit one by one, less what its forbids forbid. So a set implies another, or is
//! disjoint from it, exactly if each of its permits is, with all forbids. The permits are halved until each half holds or is
//! one offender.

use cedar_policy::{Authorizer, Decision, Effect, Entities, PolicyId, PolicySet, Request};
use futures_util::{StreamExt as _, stream};

use crate::case::only;
use crate::deep;
use crate::run::{RunError, Settled, Verdict, settle};
use crate::slice::PERMITS;
use crate::solver::{SolverName, Solvers};
use crate::symbolic::{Answer, Asks, Environment, Model, Query};

/// A permit that breaks a claim, and a request that shows it.
#[derive(Debug, Clone)]
pub struct Offence {
    /// The permit.
    pub permit: PolicyId,
    /// The request.
    pub request: Request,
    /// The entities it is about.
    pub entities: Entities,
}

/// What Cedar's authorizer says of a counterexample.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Replayed {
    /// The policies of the left that decide.
    pub left: Vec<PolicyId>,
    /// The policies of the right that decide.
    pub right: Vec<PolicyId>,
}

/// A claim in one environment.
#[derive(Debug, Clone, Copy)]
pub struct Broken<'a> {
    /// The model.
    pub model: &'a Model,
    /// Where.
    pub environment: &'a Environment,
    /// What is asked.
    pub asks: Asks,
    /// Of whom.
    pub left: &'a PolicySet,
    /// Against whom.
    pub right: &'a PolicySet,
}

impl Broken<'_> {
    /// All permits of the left that break the claim.
    ///
    /// # Errors
    /// A solver does not answer for a part, or a counterexample is none to Cedar's authorizer.
    pub async fn offences(&self, solvers: &Solvers) -> Result<Vec<Offence>, RunError> {
        let left = self.environment.relevant(self.left);
        let permits = left.policies().filter(|policy| policy.effect() == Effect::Permit);
        let mut ids: Vec<PolicyId> = permits.map(|policy| policy.id().clone()).collect();
        ids.sort_by_cached_key(ToString::to_string);
        let mut offences = Vec::new();
        let mut groups: Vec<Vec<PolicyId>> = ids.chunks(PERMITS).map(<[PolicyId]>::to_vec).collect();
        while !groups.is_empty() {
            let tried: Vec<_> = stream::iter(groups.drain(..))
                .map(|group| self.tried(group, &left, solvers))
                .buffered(solvers.at_once())
                .collect()
                .await;
            for tried in tried {
                match tried? {
                    Tried::Holds => {}
                    Tried::Offends(offence) => offences.push(*offence),
                    Tried::Breaks(mut group) => {
                        let second = group.split_off(group.len().div_ceil(2));
                        groups.extend([group, second]);
                    }
                }
            }
        }
        Ok(offences)
    }

    /// One counterexample to the whole.
    ///
    /// # Errors
    /// A solver does not give it, or it is none to Cedar's authorizer.
    pub async fn counterexample(&self, solvers: &Solvers) -> Result<(Request, Entities, Replayed), RunError> {
        let (request, entities) = self.found(self.left, solvers).await?;
        let replayed = self.replayed(self.left, &request, &entities)?;
        Ok((request, entities, replayed))
    }

    /// The verdict on the claim with this set on the left.
    ///
    /// # Errors
    /// It cannot be encoded.
    pub(crate) async fn settled(&self, left: &PolicySet, solvers: &Solvers) -> Result<Settled, RunError> {
        let posed = self.encoded(left, |query| Ok(query.pose()?))?;
        Ok(settle(posed, solvers).await)
    }

    /// What is made of the question with this set on the left. Terms nest as deep as there are policies, so they live and
    /// die on a thread with room for them.
    fn encoded<T: Send>(
        &self,
        left: &PolicySet,
        make: impl FnOnce(&Query<'_>) -> Result<T, RunError> + Send,
    ) -> Result<T, RunError> {
        deep::run(|| {
            let left = self.model.encode(self.environment, left)?;
            let right = self.model.encode(self.environment, self.right)?;
            make(&Query {
                environment: self.environment,
                asks: self.asks,
                left: &left,
                right: &right,
            })
        })
        .map_err(RunError::Broken)?
    }

    async fn tried(
        &self,
        group: Vec<PolicyId>,
        left: &PolicySet,
        solvers: &Solvers,
    ) -> Result<Tried, RunError> {
        let set = only(left, &group);
        let settled = self.settled(&set, solvers).await?;
        match settled.verdict() {
            Verdict::Holds => Ok(Tried::Holds),
            Verdict::Undecided => Err(RunError::Undecided {
                what: named(&group),
                why: settled.trouble().unwrap_or_default(),
            }),
            Verdict::Fails => match group.as_slice() {
                [permit] => {
                    let (request, entities) = self.found(&set, solvers).await?;
                    self.replayed(&set, &request, &entities)?;
                    let permit = permit.clone();
                    Ok(Tried::Offends(Box::new(Offence {
                        permit,
                        request,
                        entities,
                    })))
                }
                _ => Ok(Tried::Breaks(group)),
            },
        }
    }

    /// A counterexample, from the solver whose models can be read.
    async fn found(&self, left: &PolicySet, solvers: &Solvers) -> Result<(Request, Entities), RunError> {
        let Some(script) = self.encoded(left, |query| Ok(query.script_with_model()?))? else {
            return self.encoded(left, |query| Ok(query.counterexample(None)?));
        };
        let run = solvers.run(SolverName::Cvc5, &script).await;
        let undecided = |why: String| RunError::Undecided {
            what: self.environment.to_string(),
            why,
        };
        match (run.outcome, run.model) {
            (Ok(Answer::Sat), Some(model)) => {
                self.encoded(left, |query| Ok(query.counterexample(Some(&model))?))
            }
            (Ok(_), _) => Err(undecided(
                "cvc5 gives no model of what it calls satisfiable".to_owned(),
            )),
            (Err(fault), _) => Err(undecided(format!("cvc5 {fault}"))),
        }
    }

    /// What Cedar's authorizer says: a counterexample that it does not confirm is none.
    ///
    /// # Errors
    /// It is none.
    pub fn replayed(
        &self,
        left: &PolicySet,
        request: &Request,
        entities: &Entities,
    ) -> Result<Replayed, RunError> {
        let authorizer = Authorizer::new();
        let decide = |set: &PolicySet| {
            let answer = authorizer.is_authorized(request, set, entities);
            let reasons: Vec<PolicyId> = answer.diagnostics().reason().cloned().collect();
            let errors: Vec<String> = answer.diagnostics().errors().map(ToString::to_string).collect();
            (answer.decision(), reasons, errors)
        };
        let (left_decides, left_reasons, mut errors) = decide(left);
        let left_erred = !errors.is_empty();
        let (right_decides, right_reasons, more) = decide(self.right);
        errors.extend(more);
        let shows = match self.asks {
            Asks::Implies => left_decides == Decision::Allow && right_decides == Decision::Deny,
            Asks::Disjoint => left_decides == Decision::Allow && right_decides == Decision::Allow,
            Asks::Equivalent => left_decides != right_decides,
            Asks::NeverErrs => left_erred,
        };
        if shows && (self.asks == Asks::NeverErrs || errors.is_empty()) {
            return Ok(Replayed {
                left: left_reasons,
                right: right_reasons,
            });
        }
        Err(RunError::NotReplayed {
            what: self.environment.to_string(),
            why: format!(
                "left: {left_decides:?}, right: {right_decides:?}{}",
                errors
                    .first()
                    .map(|error| format!(", {error}"))
                    .unwrap_or_default()
            ),
        })
    }
}

enum Tried {
    Holds,
    Breaks(Vec<PolicyId>),
    Offends(Box<Offence>),
}

/// Most permits that a message names.
const MAX_NAMED: usize = 3;

fn named(group: &[PolicyId]) -> String {
    let names: Vec<String> = group.iter().take(MAX_NAMED).map(ToString::to_string).collect();
    let more = if group.len() > MAX_NAMED { ", ..." } else { "" };
    format!("{}{more}", names.join(", "))
}
