//! `estop plan`, `estop apply`, `estop drift`: the estate against the databases.

use std::path::Path;

use control::api::{ApplyRequest, PlanAnswer};
use control::{AppliedPlans, UpstreamPlan, estate_sha256};
use evidence::record::Unfinished;
use policy::harden::{Finding, Severity};
use policy::plan::{Difference, Effect, Step};
use policy::terms::{Change, Sign};

use crate::admin::Admin;
use crate::estate::{self, Loaded};
use crate::failure::{Exit, Failure};
use crate::output::{Console, Tone};
use crate::serve::EstateAnswer;

/// What applying did.
#[derive(Debug)]
pub struct Applied {
    /// Steps in all databases.
    pub steps: usize,
    /// The policy in force now.
    pub epoch: u64,
}

/// Applies exactly what a plan shows at this moment.
///
/// # Errors
/// `serve` does not run, runs another estate, or refuses.
pub async fn apply(admin: &Admin, loaded: &Loaded) -> Result<Applied, Failure> {
    let (_, applied) = plan_and_apply(admin, loaded).await?;
    let steps = applied.plans.iter().map(|plan| plan.steps.len()).sum();
    Ok(Applied {
        steps,
        epoch: applied.epoch.0,
    })
}

pub(super) async fn run_plan(folder: &Path, console: Console) -> Result<Exit, Failure> {
    let loaded = estate::load(folder)?;
    let admin = Admin::at(loaded.state().admin_socket());
    taken_up(&admin, &loaded).await?;
    let answer = plans(&admin, &loaded).await?;
    let plans = &answer.plans;
    say(plans, console)?;
    say_access(&answer.access, console)?;
    let blocked = plans.iter().any(blocks);
    let steps: usize = plans.iter().map(|plan| plan.steps.len()).sum();
    let verdict = match (steps, blocked) {
        (_, true) => console.paint(
            Tone::Bad,
            "`apply` will refuse: close what is marked BLOCKS first",
        ),
        (0, false) => console.paint(Tone::Good, "nothing to do: every database is as the estate says"),
        (_, false) => format!("{}; `estop apply` does it", counted(plans)),
    };
    console.line(verdict)?;
    say_unfinished(answer.unfinished.as_ref(), console)?;
    console.line(format!("estate {}", answer.approval.estate_sha256))?;
    console.line(match (&answer.approval.approved_by, &answer.approval.why_not) {
        (Some(number), _) => console.paint(Tone::Good, format!("approved by {number}")),
        (None, why) => console.paint(
            Tone::Notice,
            format!(
                "not approved: {}",
                why.as_deref().unwrap_or("`estop apply` says why")
            ),
        ),
    })?;
    console.document(&answer)?;
    Ok(if blocked { Exit::No } else { Exit::Yes })
}

/// What it all comes to for partners. That files have other hashes is for those who sign.
fn say_access(access: &[Change], console: Console) -> Result<(), Failure> {
    let of_partners = || access.iter().filter(|change| !change.what.starts_with("file "));
    if of_partners().next().is_some() {
        console.line("what it gives and takes, relative to what is in force:")?;
    }
    for change in of_partners() {
        for line in change.to_string().lines() {
            console.line(format!("  {line}"))?;
        }
    }
    Ok(())
}

pub(super) async fn run_apply(folder: &Path, console: Console) -> Result<Exit, Failure> {
    let loaded = estate::load(folder)?;
    let admin = Admin::at(loaded.state().admin_socket());
    taken_up(&admin, &loaded).await?;
    let applying = plan_and_apply(&admin, &loaded).await;
    let (plans, applied) = applying.map_err(|failure| with_estate(failure, folder))?;
    say(&plans, console)?;
    let steps: usize = applied.plans.iter().map(|plan| plan.steps.len()).sum();
    let policy = if applied.moved {
        "is in force now"
    } else {
        "was in force already"
    };
    console.line(format!(
        "{}: {steps} steps; {} passwords renewed; policy {} {policy}",
        console.paint(Tone::Good, "applied"),
        applied.renewed,
        applied.epoch
    ))?;
    console.document(&applied)?;
    Ok(Exit::Yes)
}

pub(super) async fn run_drift(folder: &Path, console: Console) -> Result<Exit, Failure> {
    let loaded = estate::load(folder)?;
    let PlanAnswer {
        plans, unfinished, ..
    } = plans(&Admin::at(loaded.state().admin_socket()), &loaded).await?;
    for plan in &plans {
        say_drift(plan, console)?;
    }
    let all = || plans.iter().flat_map(|plan| &plan.differences);
    let (drifted, opens) = (all().next().is_some(), all().any(opens));
    let verdict = if drifted {
        let count = all().count();
        let opening = all().filter(|one| self::opens(one)).count();
        let remedy = if plans.iter().any(blocks) {
            "close what is marked BLOCKS by hand, then `estop apply` puts the rest right"
        } else {
            "`estop apply` puts it right"
        };
        let words = match (count, opening) {
            (1, 0) => format!("drift: 1 difference, which opens nothing; {remedy}"),
            (1, _) => format!("drift: 1 difference, which opens something; {remedy}"),
            _ => format!("drift: {count} differences, of which {opening} open something; {remedy}"),
        };
        console.paint(Tone::Bad, words)
    } else if unfinished.is_some() {
        console.paint(Tone::Notice, "no drift: the databases are as the estate says")
    } else {
        console.paint(Tone::Good, "no drift")
    };
    console.line(verdict)?;
    say_unfinished(unfinished.as_ref(), console)?;
    let finding = drifted || unfinished.is_some();
    let document =
        serde_json::json!({ "drift": drifted, "opens": opens, "unfinished": unfinished, "plans": plans });
    console.document(&document)?;
    Ok(if finding { Exit::No } else { Exit::Yes })
}

/// That an application was begun and not finished.
fn say_unfinished(unfinished: Option<&Unfinished>, console: Console) -> Result<(), Failure> {
    let Some(unfinished) = unfinished else {
        return Ok(());
    };
    console.line(console.paint(Tone::Bad, unfinished.to_string()))
}

fn opens(difference: &Difference) -> bool {
    difference.effect == Effect::Opens
}

/// The commands of a remedy, as they are typed for this estate.
fn with_estate(failure: Failure, folder: &Path) -> Failure {
    let line = |line: &str| match line.strip_prefix("estop ") {
        Some(rest) => format!("  estop --estate {} {rest}", folder.display()),
        None if line.starts_with("ssh-keygen ") => format!("  {line}"),
        None => line.to_owned(),
    };
    let help = failure
        .help
        .as_ref()
        .map(|help| help.lines().map(line).collect::<Vec<_>>().join("\n"));
    Failure { help, ..failure }
}

async fn plan_and_apply(
    admin: &Admin,
    loaded: &Loaded,
) -> Result<(Vec<UpstreamPlan>, AppliedPlans), Failure> {
    let plans = plans(admin, loaded).await?.plans;
    let shown = plans
        .iter()
        .map(|plan| (plan.upstream.clone(), plan.fingerprint.clone()))
        .collect();
    let applied = admin.post("/apply", &ApplyRequest { shown }).await?;
    Ok((plans, applied))
}

/// The plans of the `serve` that serves these very files.
async fn plans(admin: &Admin, loaded: &Loaded) -> Result<PlanAnswer, Failure> {
    served_as_read(admin, loaded).await?;
    admin.get("/plan").await
}

/// That the `serve` that answers serves these very files.
async fn served_as_read(admin: &Admin, loaded: &Loaded) -> Result<(), Failure> {
    let served: EstateAnswer = admin.get("/estate").await?;
    if served.sha256 == estate_sha256(&loaded.files) {
        return Ok(());
    }
    Err(
        Failure::wrong("`estop serve` serves other files than the estate has now")
            .help("estop plan takes them up as they are"),
    )
}

/// Has `serve` take up these very files, if it serves others. Nothing is put in force by it.
pub(super) async fn taken_up(admin: &Admin, loaded: &Loaded) -> Result<(), Failure> {
    let served: EstateAnswer = admin.get("/estate").await?;
    if served.sha256 != estate_sha256(&loaded.files) {
        let _: EstateAnswer = admin.post("/estate", &serde_json::json!({})).await?;
    }
    served_as_read(admin, loaded).await
}

fn blocks(plan: &UpstreamPlan) -> bool {
    plan.findings
        .iter()
        .any(|finding| finding.severity == Severity::Blocks)
}

/// `3 to add, 1 to change, 0 to take away`.
fn counted(plans: &[UpstreamPlan]) -> String {
    let count = |sign| {
        let steps = plans.iter().flat_map(|plan| &plan.steps);
        steps.filter(|step| step.sign == sign).count()
    };
    format!(
        "{} to add, {} to change, {} to take away",
        count(Sign::Add),
        count(Sign::Change),
        count(Sign::Take)
    )
}

/// A step as what will be done.
fn plan_line(step: &Step, console: Console) -> String {
    let tone = match step.sign {
        Sign::Add => Tone::Good,
        Sign::Change => Tone::Notice,
        Sign::Take => Tone::Bad,
    };
    format!(
        "{} {}",
        console.paint(tone, step.sign.mark().to_string()),
        step.words
    )
}

/// What stands otherwise than it should.
fn drift_line(difference: &Difference, console: Console) -> String {
    let effect = match difference.effect {
        Effect::Opens => console.paint(Tone::Bad, "OPENS"),
        Effect::Closes => console.paint(Tone::Notice, "closes"),
    };
    format!("{effect}: {}", difference.words)
}

/// What differs, each with what `apply` does about it; what only the custodian can put right; and what is new beside.
fn say_drift(plan: &UpstreamPlan, console: Console) -> Result<(), Failure> {
    if plan.differences.is_empty() {
        return Ok(());
    }
    console.line(console.paint(Tone::Strong, format!("upstream {}", plan.upstream)))?;
    for difference in &plan.differences {
        let blocking = plan.findings.iter().find(|finding| says(finding, difference));
        let mark = match blocking {
            Some(finding) if finding.severity == Severity::Blocks => console.paint(Tone::Bad, "BLOCKS, "),
            _ => String::new(),
        };
        console.line(format!("  {mark}{}", drift_line(difference, console)))?;
        let done = plan.steps.iter().filter(|step| step.undoes == *difference);
        let by_hand = blocking.iter().flat_map(|finding| &finding.close);
        for statement in done.map(|step| &step.sql).chain(by_hand) {
            console.line(console.paint(Tone::Quiet, format!("      {statement};")))?;
        }
    }
    Ok(())
}

/// Whether a difference is what a finding says.
fn says(finding: &Finding, difference: &Difference) -> bool {
    difference.words == format!("{}: {}", finding.what, finding.opens)
}

fn say(plans: &[UpstreamPlan], console: Console) -> Result<(), Failure> {
    for plan in plans {
        console.line(console.paint(Tone::Strong, format!("upstream {}", plan.upstream)))?;
        for step in &plan.steps {
            console.line(format!("  {}", plan_line(step, console)))?;
            console.line(console.paint(Tone::Quiet, format!("      {};", step.sql)))?;
        }
        for finding in &plan.findings {
            let (word, tone) = match finding.severity {
                Severity::Blocks => ("BLOCKS", Tone::Bad),
                Severity::SecondLine => ("second line", Tone::Notice),
                _ => ("note", Tone::Notice),
            };
            console.line(format!(
                "  {}: {}: {}",
                console.paint(tone, word),
                finding.what,
                finding.opens
            ))?;
            for statement in &finding.close {
                console.line(console.paint(Tone::Quiet, format!("      {statement};")))?;
            }
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::{Console, Step, counted, drift_line, plan_line};
    use control::UpstreamPlan;

    fn step(sign: &str, effect: &str) -> Step {
        serde_json::from_value(serde_json::json!({
            "phase": "grant",
            "sql": "GRANT SELECT ON x TO y",
            "words": "`police` may read",
            "password_for": null,
            "sign": sign,
            "undoes": { "effect": effect, "words": "`clerk` may read", "roles": [] },
        }))
        .unwrap()
    }

    #[test]
    fn a_plan_is_counted_by_what_it_does_and_drift_says_what_it_opens() {
        let steps = vec![
            step("add", "closes"),
            step("add", "closes"),
            step("take", "opens"),
        ];
        // In JSON mode nothing is coloured.
        let plain = Console::new(true);
        assert_eq!(plan_line(&steps[0], plain), "+ `police` may read");
        assert_eq!(plan_line(&steps[2], plain), "- `police` may read");
        assert_eq!(drift_line(&steps[0].undoes, plain), "closes: `clerk` may read");
        assert_eq!(drift_line(&steps[2].undoes, plain), "OPENS: `clerk` may read");
        let plan = UpstreamPlan {
            upstream: "main".to_owned(),
            fingerprint: String::new(),
            steps,
            findings: Vec::new(),
            differences: Vec::new(),
        };
        assert_eq!(counted(&[plan]), "2 to add, 0 to change, 1 to take away");
    }
}
