//! Putting every claim to both solvers, for every request environment.

use std::sync::Arc;

use cedar_policy::PolicySet;
use futures_util::StreamExt as _;
use futures_util::stream;
use serde::{Deserialize, Serialize};

use crate::case::{CaseError, Prepared};
use crate::computes::computes;
use crate::deep;
use crate::said::Sayings;
use crate::script;
use crate::slice::{ANY, slices, slices_implied, slices_of_both, whatever_is_permitted};
use crate::solver::{Fault, Run, SolverName, Solvers};
use crate::symbolic::{Answer, Asks, Environment, Posed, Query, SymbolicError};

/// What is known of a claim.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Verdict {
    /// Both solvers say that there is no counterexample, or there was nothing to ask.
    Holds,
    /// There is a counterexample.
    Fails,
    /// A solver failed, does not know, or the two contradict each other.
    Undecided,
}

impl Verdict {
    /// The verdict on the whole: it holds if every part does.
    #[must_use]
    pub fn of_all(parts: impl IntoIterator<Item = Self>) -> Self {
        parts
            .into_iter()
            .fold(Self::Holds, |whole, part| match (whole, part) {
                (Self::Fails, _) | (_, Self::Fails) => Self::Fails,
                (Self::Undecided, _) | (_, Self::Undecided) => Self::Undecided,
                (Self::Holds, Self::Holds) => Self::Holds,
            })
    }
}

/// How one question was settled.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Settled {
    /// By symcc, without a script.
    Folded(Answer),
    /// By asking both solvers.
    Asked(Asked),
}

/// A script, and what both solvers say of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Asked {
    /// The script as the encoder writes it.
    pub script: String,
    /// What cvc5 says.
    pub cvc5: Run,
    /// What z3 says, of the same script, rewritten where it has sets.
    pub z3: Run,
}

/// What two answers come to. Only two `unsat` are a "holds".
#[must_use]
pub fn verdict_of(cvc5: &Result<Answer, Fault>, z3: &Result<Answer, Fault>) -> Verdict {
    match (cvc5, z3) {
        (Ok(Answer::Unsat), Ok(Answer::Unsat)) => Verdict::Holds,
        (Ok(Answer::Sat), Ok(Answer::Sat) | Err(_)) | (Err(_), Ok(Answer::Sat)) => Verdict::Fails,
        _ => Verdict::Undecided,
    }
}

impl Settled {
    /// What it comes to.
    #[must_use]
    pub fn verdict(&self) -> Verdict {
        match self {
            Self::Folded(Answer::Unsat) => Verdict::Holds,
            Self::Folded(Answer::Sat) => Verdict::Fails,
            Self::Asked(asked) => verdict_of(&asked.cvc5.outcome, &asked.z3.outcome),
        }
    }

    /// Why nothing is known, if so.
    #[must_use]
    pub fn trouble(&self) -> Option<String> {
        let Self::Asked(asked) = self else {
            return None;
        };
        if self.verdict() != Verdict::Undecided {
            return None;
        }
        let said = |name: SolverName, run: &Run| match &run.outcome {
            Ok(Answer::Sat) => format!("{name} answered `sat`"),
            Ok(Answer::Unsat) => format!("{name} answered `unsat`"),
            Err(fault) => format!("{name} {fault}"),
        };
        Some(format!(
            "{}; {}",
            said(SolverName::Cvc5, &asked.cvc5),
            said(SolverName::Z3, &asked.z3)
        ))
    }
}

/// One question and how it was settled.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Check {
    /// The environment, by its place among the model's.
    pub environment: usize,
    /// Which policies of the left it is about, where it is not about all: one, or the first and the last of a slice.
    pub policy: Option<String>,
    /// How many permits of the left are not in the question because they are like one in it but for names.
    pub alike: usize,
    /// How it was settled.
    pub settled: Settled,
}

impl Check {
    /// Whether it is about whatever is permitted: it stands for all permits of the left (`alike` counts them).
    #[must_use]
    pub fn is_of_any(&self) -> bool {
        self.policy.as_deref() == Some(ANY)
    }
}

/// What came of one claim.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Proved {
    /// What was asked, in the order of the environments.
    pub checks: Vec<Check>,
    /// For each environment, how many policies cannot err by Cedar's strict validation alone, where that is asked.
    pub validated: Vec<usize>,
    /// For each environment, how many permits of the left are in no question since each asks, in so many words, for all that a
    /// permit of the right asks for.
    pub stated: Vec<usize>,
}

impl Proved {
    /// The verdict on the claim.
    #[must_use]
    pub fn verdict(&self) -> Verdict {
        Verdict::of_all(self.checks.iter().map(|check| check.settled.verdict()))
    }
}

/// Why nothing was proved.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// The policies cannot be encoded.
    #[error(transparent)]
    Symbolic(#[from] SymbolicError),
    /// A text cannot be read.
    #[error(transparent)]
    Case(#[from] CaseError),
    /// A part of the work ended before its end: a fault of ours.
    #[error("a part of the proof broke off, which is a fault of this program: {0}")]
    Broken(String),
    /// A question about a part has no answer.
    #[error("nothing is known of `{what}`: {why}")]
    Undecided {
        /// Of what.
        what: String,
        /// Why.
        why: String,
    },
    /// A counterexample of a solver's that Cedar's own authorizer does not confirm.
    #[error("the solvers' counterexample for `{what}` is none to Cedar's authorizer: {why}")]
    NotReplayed {
        /// For what.
        what: String,
        /// What the authorizer says.
        why: String,
    },
}

/// How far the work is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Progress {
    /// Questions settled.
    pub done: usize,
    /// Questions known so far.
    pub all: usize,
}

/// One question, posed.
#[derive(Debug)]
struct Posing {
    claim: usize,
    environment: usize,
    policy: Option<String>,
    alike: usize,
    /// It is about whatever is permitted, not about what the left permits.
    of_all: bool,
    posed: Posed,
}

/// Puts every claim to both solvers, for every environment. Cancel safe: what runs is killed.
///
/// # Errors
/// Policies cannot be encoded. A solver's fault is no error: it is in the verdict.
pub async fn prove(
    prepared: &Arc<Prepared>,
    solvers: &Solvers,
    progress: &(dyn Fn(Progress) + Sync),
) -> Result<Vec<Proved>, RunError> {
    let environments = prepared.model.environments().len();
    let mut proved: Vec<Proved> = prepared
        .claims
        .iter()
        .map(|_| Proved {
            checks: Vec::new(),
            validated: vec![0; environments],
            stated: vec![0; environments],
        })
        .collect();
    let mut done = Progress { done: 0, all: 0 };
    let posings = stream::iter(0..environments).map(|environment| {
        let prepared = Arc::clone(prepared);
        in_deep(move || pose(&prepared, environment))
    });
    let mut posings = std::pin::pin!(posings.buffer_unordered(solvers.at_once()));
    let mut settling = stream::FuturesUnordered::new();
    let mut posing = true;
    while posing || !settling.is_empty() {
        tokio::select! {
            posed = posings.next(), if posing => match posed {
                None => posing = false,
                Some(posed) => {
                    let (posed, without) = posed?;
                    for Without { claim, environment, validated, stated } in without {
                        let Some(proved) = proved.get_mut(claim) else {
                            continue;
                        };
                        let places = proved.validated.get_mut(environment).zip(proved.stated.get_mut(environment));
                        if let Some(places) = places {
                            (*places.0, *places.1) = (validated, stated);
                        }
                    }
                    done.all += posed.len();
                    settling.extend(posed.into_iter().map(|posing| settled(posing, prepared, solvers)));
                }
            },
            Some(settled) = settling.next(), if !settling.is_empty() => {
                let (claim, checks) = settled?;
                done.done += 1;
                progress(done);
                if let Some(proved) = proved.get_mut(claim) {
                    proved.checks.extend(checks);
                }
            }
        }
    }
    for proved in &mut proved {
        proved
            .checks
            .sort_by(|a, b| (a.environment, &a.policy).cmp(&(b.environment, &b.policy)));
    }
    Ok(proved)
}

/// All questions of an environment, and what needs none.
type PosedAll = (Vec<Posing>, Vec<Without>);

/// How many policies of a claim are settled by other means than questions.
#[derive(Debug)]
struct Without {
    claim: usize,
    environment: usize,
    validated: usize,
    stated: usize,
}

fn pose(prepared: &Prepared, index: usize) -> Result<PosedAll, RunError> {
    let mut all = PosedAll::default();
    for claim in 0..prepared.claims.len() {
        let (posed, without) = pose_claim(prepared, index, claim, false)?;
        all.0.extend(posed);
        all.1.extend(without);
    }
    Ok(all)
}

/// The questions of one claim. `apart`: of its permits, also where one question about whatever is permitted could settle them all.
fn pose_claim(
    prepared: &Prepared,
    index: usize,
    claim_index: usize,
    apart: bool,
) -> Result<PosedAll, RunError> {
    let Some((environment, (claim, ..))) =
        (prepared.model.environments().get(index)).zip(prepared.claims.get(claim_index))
    else {
        return Ok(PosedAll::default());
    };
    let (Some(of_left), Some(of_right)) = (prepared.apart.get(&claim.left), prepared.apart.get(&claim.right))
    else {
        return Err(RunError::Broken(format!(
            "the policies of `{}` are not there",
            claim.name
        )));
    };
    let none = PolicySet::new();
    let left = of_left.relevant.get(index).unwrap_or(&none);
    let right = of_right.relevant.get(index).unwrap_or(&none);
    let mut without = Without {
        claim: claim_index,
        environment: index,
        validated: 0,
        stated: 0,
    };
    if claim.asks == Asks::NeverErrs {
        let (asked, count) = never_errs(prepared, index, environment, claim_index, (left, &of_left.said))?;
        without.validated = count;
        return Ok((asked, vec![without]));
    }
    let any = (!apart)
        .then(|| whatever_is_permitted(claim.asks, left, right))
        .flatten();
    let of_all = any.is_some();
    let (left, right) = ((left, &of_left.said), (right, &of_right.said));
    let parts = match (any, claim.asks) {
        (Some(any), _) => vec![any],
        (None, Asks::Implies) => {
            let (parts, stated) = slices_implied(left, right, prepared.exchangeable);
            without.stated = stated;
            parts
        }
        (None, Asks::Disjoint) => slices(left, right, prepared.exchangeable),
        (None, Asks::Equivalent | Asks::NeverErrs) => slices_of_both(left, right, prepared.exchangeable),
    };
    let mut posed = Vec::new();
    for part in parts {
        let query = Query {
            environment,
            asks: claim.asks,
            left: &prepared.model.encode(environment, &part.left)?,
            right: &prepared.model.encode(environment, &part.right)?,
        };
        posed.push(Posing {
            claim: claim_index,
            environment: index,
            policy: part.name,
            alike: part.alike,
            of_all,
            posed: query.pose()?,
        });
    }
    Ok((posed, vec![without]))
}

/// Policies with arithmetic are asked of one by one; how many have none is counted.
fn never_errs(
    prepared: &Prepared,
    index: usize,
    environment: &Environment,
    claim: usize,
    (relevant, said): (&PolicySet, &Sayings),
) -> Result<(Vec<Posing>, usize), RunError> {
    prepared.model.validate(environment, relevant)?;
    let (mut asked, mut validated) = (Vec::new(), 0);
    for policy in relevant.policies() {
        if !said.get(policy.id()).is_none_or(|said| computes(&said)) {
            validated += 1;
        } else if let Some(posed) = prepared.model.never_errs(environment, policy)? {
            asked.push(Posing {
                claim,
                environment: index,
                policy: Some(policy.id().to_string()),
                alike: 0,
                of_all: false,
                posed,
            });
        }
    }
    Ok((asked, validated))
}

/// The claim of a question, and its check. A question about whatever is permitted that does not hold says nothing of what is: then
/// the permits are asked about instead.
async fn settled(
    posing: Posing,
    prepared: &Arc<Prepared>,
    solvers: &Solvers,
) -> Result<(usize, Vec<Check>), RunError> {
    let (claim, environment, of_all) = (posing.claim, posing.environment, posing.of_all);
    let check = check(posing, solvers).await;
    if !of_all || check.settled.verdict() == Verdict::Holds {
        return Ok((claim, vec![check]));
    }
    let prepared = Arc::clone(prepared);
    let (posed, _) = in_deep(move || pose_claim(&prepared, environment, claim, true)).await?;
    let checks = stream::iter(posed).then(|posing| self::check(posing, solvers));
    Ok((claim, checks.collect().await))
}

async fn check(posing: Posing, solvers: &Solvers) -> Check {
    Check {
        environment: posing.environment,
        policy: posing.policy,
        alike: posing.alike,
        settled: settle(posing.posed, solvers).await,
    }
}

/// Encodes where there is room for it.
async fn in_deep<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, RunError> + Send + 'static,
) -> Result<T, RunError> {
    tokio::task::spawn_blocking(move || deep::run(work))
        .await
        .map_err(|error| RunError::Broken(error.to_string()))?
        .map_err(RunError::Broken)?
}

/// Settles one question.
pub(crate) async fn settle(posed: Posed, solvers: &Solvers) -> Settled {
    match posed {
        Posed::Folded(answer) => Settled::Folded(answer),
        Posed::Script(script) => {
            let (cvc5, z3) = ask(&script, &script::for_z3(&script), solvers).await;
            Settled::Asked(Asked { script, cvc5, z3 })
        }
    }
}

/// Asks both solvers at the same time, each with its script.
pub(crate) async fn ask(cvc5: &str, z3: &str, solvers: &Solvers) -> (Run, Run) {
    tokio::join!(
        solvers.run(SolverName::Cvc5, cvc5),
        solvers.run(SolverName::Z3, z3)
    )
}
