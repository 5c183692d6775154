//! The law, by solver: a drafted agreement that breaks a guardrail, the estate that keeps them all, and what the order does.

use evidence::id::DirectiveNumber;
use policy::estate::{Estate, Files};
use proof::case::Case;
use proof::examine::Examined;
use proof::properties::{self, CLAIM_DENIED, CLAIM_GUARDRAILS, CLAIM_OTHERS, Scope, Wanted};
use proof::run::Verdict;
use proof::solver::Solvers;

use crate::commands::proving::put;
use crate::demo::report::{Report, Step};
use crate::demo::stage::Stage;
use crate::failure::Failure;
use crate::solvers;

/// The agreement that is drafted anew, and the clause that the draft forgets.
const DRAFTED: &str = "agreements/federal-2019.toml";
const FORGOTTEN: &str = " && !resource.is_juvenile";

/// A draft is checked before anything is applied.
pub(super) async fn drafts(stage: &Stage, report: &mut Report) -> Result<(), Failure> {
    let solvers = solvers::open(solvers::SECONDS).await?;
    let mut files: Files = stage.estate.files.clone();
    let forgets = files.get_mut(DRAFTED).is_some_and(|text| {
        let before = text.len();
        *text = text.replace(FORGOTTEN, "");
        text.len() < before
    });
    let draft = Estate::parse(&files).map_err(|error| Failure::wrong("the demo's draft").because(&error))?;
    let examined = proved(&draft, &properties::guardrails(&draft), &solvers).await?;
    let broken = claim(&examined, CLAIM_GUARDRAILS);
    let finding = broken.and_then(|one| one.findings.first());
    let mut step = Step::new(
        "drafted",
        "check",
        "a draft of federal-2019 forgets the clause on juveniles: found before it is applied",
    )
    .must(forgets, "the draft must differ")
    .must(
        broken.map(Examined::verdict) == Some(Verdict::Fails) && finding.is_some(),
        "the guardrail must fail, with a counterexample",
    )
    .fact("findings", serde_json::json!(broken.map(|one| &one.findings)));
    for line in finding.iter().flat_map(|finding| finding.lines()) {
        step = step.show(line);
    }
    report.add(step)?;
    let estate = &stage.estate.estate;
    let examined = proved(estate, &properties::guardrails(estate), &solvers).await?;
    let holds = claim(&examined, CLAIM_GUARDRAILS).map(Examined::verdict) == Some(Verdict::Holds);
    let count = estate.statute().guardrails().len();
    report.add(
        Step::new(
            "guardrails",
            "check",
            format!(
                "as it stands, no agreement permits what the {count} guardrails forbid: cvc5 and z3 agree"
            ),
        )
        .must(holds, "the guardrails must hold"),
    )
}

/// What the order leaves.
pub(super) async fn ordered(
    stage: &Stage,
    report: &mut Report,
    number: &DirectiveNumber,
) -> Result<(), Failure> {
    let solvers = solvers::open(solvers::SECONDS).await?;
    let partner = "federal-agency"
        .parse()
        .map_err(|error| Failure::wrong("the demo's partner").because(&error))?;
    let wanted = Wanted {
        scope: Some(Scope {
            directive: Some(number.clone()),
            partner,
            agreement: None,
            purpose: None,
        }),
        ..Wanted::default()
    };
    let estate = &stage.estate.estate;
    let examined = proved(estate, &properties::all(estate, &wanted).case, &solvers).await?;
    let mut step = Step::new(
        "denied",
        "prove",
        "by solver: federal-agency is denied everything, and for nobody else anything changes",
    );
    for name in [CLAIM_DENIED, CLAIM_OTHERS] {
        let holds = claim(&examined, name).map(Examined::verdict) == Some(Verdict::Holds);
        step = step.must(holds, format!("`{name}` must hold"));
    }
    report.add(step)
}

async fn proved(estate: &Estate, case: &Case, solvers: &Solvers) -> Result<Vec<Examined>, Failure> {
    Ok(put(estate, case, solvers, false).await?.examined)
}

fn claim<'e>(examined: &'e [Examined], name: &str) -> Option<&'e Examined> {
    examined.iter().find(|one| one.claim.name == name)
}
