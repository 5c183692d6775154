//! The loop of the watch: control looks, and what is new is said on standard error.

use std::time::Duration;

use control::Served;

use crate::failure::{Exit, Failure};
use crate::output::alarm;

/// Longest wait before what could not be looked at is looked at again.
const AGAIN: Duration = Duration::from_secs(10);

/// Looks at once, and then each time so long after the last look, and after each `apply`. Never ends by itself.
pub(super) async fn keep(served: Served) {
    let mut applications = served.applications();
    let mut broken = false;
    loop {
        let control = served.standing();
        let every = Duration::from_secs(control.watch().every_seconds.into());
        let wait = match control.look(&mut |news| alarm(&news.to_string())).await {
            Ok(again) => {
                broken = false;
                if again { every.min(AGAIN) } else { every }
            }
            Err(error) => {
                if !broken {
                    let error = Failure::from_error(Exit::Absent, &error).line();
                    alarm(&format!("the databases are not watched: {error}"));
                }
                broken = true;
                every.min(AGAIN)
            }
        };
        // It can only be over when the process is.
        let _ = tokio::time::timeout(wait, applications.changed()).await;
    }
}
