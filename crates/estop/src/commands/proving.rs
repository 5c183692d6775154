//! What `check` and `prove` have in common: a case put to both solvers, and what came of it, said.

use std::sync::Arc;

use policy::estate::Estate;
use proof::case::Case;
use proof::examine::{Examined, examine};
use proof::run::{RunError, Settled, Verdict, prove};
use proof::solver::{SolverName, Solvers};
use proof::symbolic::Environment;

use crate::failure::{Exit, Failure};
use crate::output::{Console, Tone};
use crate::solvers;

/// Most counterexamples that are shown in full; of the others, who breaks what.
const SHOWN_IN_FULL: usize = 20;

/// A case, proved or not.
#[derive(Debug)]
pub struct Outcome {
    /// Each claim.
    pub examined: Vec<Examined>,
    /// Every kind of request.
    pub environments: Vec<Environment>,
}

impl Outcome {
    pub(super) fn verdict(&self) -> Verdict {
        Verdict::of_all(self.examined.iter().map(Examined::verdict))
    }

    pub(super) fn exit(&self) -> Exit {
        match self.verdict() {
            Verdict::Holds => Exit::Yes,
            Verdict::Fails | Verdict::Undecided => Exit::No,
        }
    }
}

/// Puts a case to both solvers.
///
/// # Errors
/// It cannot be encoded, or a solver's counterexample is none.
pub async fn put(
    estate: &Estate,
    case: &Case,
    solvers: &Solvers,
    progress: bool,
) -> Result<Outcome, Failure> {
    let prepared = case
        .prepare()
        .map_err(|error| Failure::from_error(Exit::Wrong, &error))?;
    let prepared = Arc::new(prepared);
    let progress = solvers::progress(progress);
    let proved = prove(&prepared, solvers, &progress)
        .await
        .map_err(|error| failed(&error))?;
    let examined = examine(estate, &prepared, proved, solvers)
        .await
        .map_err(|error| failed(&error))?;
    Ok(Outcome {
        examined,
        environments: prepared.model.environments().to_vec(),
    })
}

pub(super) fn failed(error: &RunError) -> Failure {
    let failure = Failure::from_error(Exit::No, error);
    match error {
        RunError::NotReplayed { .. } => {
            failure.help("nothing is proved: solvers and authorizer disagree, which is a fault; please report it with the estate")
        }
        _ => failure,
    }
}

/// Says every claim with its verdict, and what breaks it.
pub(super) fn say(outcome: &Outcome, console: Console) -> Result<(), Failure> {
    let mut shown = 0;
    for one in &outcome.examined {
        let (word, tone) = worded(one.verdict());
        console.line(format!("{}: {}", console.paint(tone, word), one.claim.words))?;
        console.line(console.paint(Tone::Quiet, format!("  {}", how(one, outcome.environments.len()))))?;
        for trouble in &one.troubles {
            console.line(format!("  {trouble}"))?;
        }
        for finding in &one.findings {
            shown += 1;
            let head = format!("  {}", finding.head());
            console.line(console.paint(Tone::Bad, head))?;
            if shown <= SHOWN_IN_FULL {
                for line in finding.lines() {
                    console.line(format!("    {line}"))?;
                }
            }
        }
    }
    if shown > SHOWN_IN_FULL {
        console.line(format!(
            "  the first {SHOWN_IN_FULL} of {shown} in full; all of them with --json"
        ))?;
    }
    Ok(())
}

pub(super) fn worded(verdict: Verdict) -> (&'static str, Tone) {
    match verdict {
        Verdict::Holds => ("holds", Tone::Good),
        Verdict::Fails => ("fails", Tone::Bad),
        Verdict::Undecided => ("undecided", Tone::Notice),
    }
}

/// How a claim was settled, in numbers.
fn how(one: &Examined, environments: usize) -> String {
    let asked = one
        .proved
        .checks
        .iter()
        .filter(|check| matches!(check.settled, Settled::Asked(_)))
        .count();
    let without = one.proved.checks.len() - asked + one.proved.validated.iter().sum::<usize>();
    let (of_any, of_some): (Vec<_>, Vec<_>) = one.proved.checks.iter().partition(|check| check.is_of_any());
    let alike: usize = of_some.iter().map(|check| check.alike).sum();
    let any = match of_any.iter().map(|check| check.alike).sum() {
        0_usize => String::new(),
        count => format!("; it holds whatever the {count} permits say"),
    };
    let alike = match alike {
        0 => String::new(),
        count => format!("; {count} permits are like one asked about but for names"),
    };
    let stated = match one.proved.stated.iter().sum() {
        0_usize => String::new(),
        count => format!("; {count} permits say themselves all that is asked of them"),
    };
    format!(
        "{asked} questions to cvc5 and z3, {without} settled without them, over {environments} kinds of request{stated}{any}{alike}"
    )
}

/// The outcome as a part of a document.
pub(super) fn document(outcome: &Outcome, solvers: &Solvers) -> serde_json::Value {
    let claims: Vec<_> = outcome
        .examined
        .iter()
        .map(|one| {
            serde_json::json!({
                "name": one.claim.name,
                "words": one.claim.words,
                "verdict": one.verdict(),
                "findings": one.findings,
                "troubles": one.troubles,
            })
        })
        .collect();
    serde_json::json!({
        "verdict": outcome.verdict(),
        "solvers": SolverName::ALL.map(|name| (name.as_str(), solvers.version(name))).into_iter().collect::<std::collections::BTreeMap<_, _>>(),
        "claims": claims,
    })
}
