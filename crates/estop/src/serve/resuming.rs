//! Terminations and suspensions that stopped half-way are taken up: at once when `serve` starts, later again and again, ever more rarely.

use std::collections::BTreeMap;
use std::time::Duration;

use control::Served;
use evidence::id::DirectiveNumber;
use tokio::time::Instant;

use crate::failure::{Exit, Failure};
use crate::output::alarm;

/// How often it is looked whether there are any.
const LOOK: Duration = Duration::from_secs(1);

/// Wait before one is taken up: whoever handed it in may be at it. Each further wait is twice as long, up to the longest: each
/// attempt is an entry.
const FIRST: Duration = Duration::from_secs(10);
const LONGEST: Duration = Duration::from_secs(600);

/// When one is taken up next, and how long it waits after that.
type Plan = (Instant, Duration);

/// Takes up what stopped. Never ends by itself.
pub(super) async fn keep(served: Served) {
    let mut plans: BTreeMap<DirectiveNumber, Plan> = BTreeMap::new();
    // Nobody can be at what stopped before the start.
    let mut wait = Duration::ZERO;
    loop {
        let stopped = served.now().stopped_directives();
        plans.retain(|number, _| stopped.contains(number));
        for number in stopped {
            let now = Instant::now();
            let (at, next) = *plans.entry(number.clone()).or_insert((now + wait, FIRST));
            if at > now {
                continue;
            }
            let why = match served.now().take_up(&number).await {
                Ok(None) => continue,
                Ok(Some(outcome)) if outcome.complete => {
                    alarm(&format!(
                        "directive {number}, which had stopped, is carried out in full"
                    ));
                    continue;
                }
                Ok(Some(outcome)) => {
                    let failed = outcome
                        .steps
                        .iter()
                        .filter(|step| step.result.starts_with(control::NOT_DONE));
                    let failed: Vec<String> = failed
                        .map(|step| format!("{}: {}", step.what, step.result))
                        .collect();
                    failed.join("; ")
                }
                Err(error) => Failure::from_error(Exit::Absent, &error).line(),
            };
            alarm(&format!(
                "directive {number} is NOT carried out in full, and is tried again in {} s: {why}",
                next.as_secs()
            ));
            plans.insert(
                number,
                (Instant::now() + next, next.saturating_mul(2).min(LONGEST)),
            );
        }
        wait = FIRST;
        tokio::time::sleep(LOOK).await;
    }
}
