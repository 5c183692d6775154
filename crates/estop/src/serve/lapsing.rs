//! Suspensions lapse: at their time they are lifted, and what that opens is said on standard error.

use std::time::Duration;

use control::Served;

use crate::clock;
use crate::failure::{Exit, Failure};
use crate::output::alarm;

/// How often it is looked whether one is due: it lapses at most so much later.
const LOOK: Duration = Duration::from_secs(1);

/// Wait before what could not be opened is tried again.
const AGAIN: Duration = Duration::from_secs(10);

/// Lifts each suspension when its time is over. Never ends by itself.
pub(super) async fn keep(served: Served) {
    let mut told = None;
    loop {
        let control = served.standing();
        if control.next_lapse().is_none_or(|next| next > clock::now()) {
            tokio::time::sleep(LOOK).await;
            continue;
        }
        let closed = match control.lapse().await {
            Ok(lapsed) => {
                for (number, partner) in &lapsed.directives {
                    alarm(&format!("the suspension {number} of {partner} has lapsed"));
                }
                lapsed.closed
            }
            Err(error) => Some(Failure::from_error(Exit::Absent, &error).line()),
        };
        if let Some(why) = &closed
            && told.as_ref() != Some(why)
        {
            alarm(&format!("what a suspension had closed is not open again: {why}"));
        }
        let wait = if closed.is_some() { AGAIN } else { LOOK };
        told = closed;
        tokio::time::sleep(wait).await;
    }
}
