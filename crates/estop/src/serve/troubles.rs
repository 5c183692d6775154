//! Says on standard error what keeps the gateway from the custodian's databases: clients are told only that there is something.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::time::Duration;

use gateway::Troubles;
use tokio::sync::watch;

use crate::clock::monotonic;
use crate::output::alarm;

/// A role whose sessions fail by turns is spoken of no more often than this.
const AGAIN: Duration = Duration::from_secs(600);

pub(super) async fn tell(mut troubles: watch::Receiver<Troubles>) {
    let mut before = Troubles::default();
    let mut said = BTreeMap::new();
    loop {
        let now = troubles.borrow_and_update().clone();
        let at = monotonic();
        said.retain(|_, last| at.duration_since(*last) < AGAIN);
        for line in now.since(&before) {
            if let Entry::Vacant(entry) = said.entry(line) {
                alarm(entry.key());
                entry.insert(at);
            }
        }
        before = now;
        if troubles.changed().await.is_err() {
            return;
        }
    }
}
