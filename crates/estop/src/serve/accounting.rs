//! Keeps the index of whom disclosures were about close behind the ledger, so that an account need not read much of it.

use std::path::PathBuf;
use std::time::Duration;

use evidence::id::Custodian;
use ledger::Ledger;
use ledger::accounting::Accounts;

use crate::failure::{Exit, Failure};
use crate::output::alarm;

/// How often it is looked whether the ledger has grown.
const EVERY: Duration = Duration::from_secs(10);

/// Entries that are worth reading at once; fewer wait for [`PATIENCE`] looks.
const WORTH: u64 = 1_000;

/// Looks after which anything new is read.
const PATIENCE: u32 = 6;

/// Reads on. Never ends by itself.
pub(super) async fn keep(ledger: Ledger, folder: PathBuf, dir: PathBuf, custodian: Custodian) {
    let (mut read, mut looks, mut broken) = (0, PATIENCE, false);
    loop {
        let size = ledger.size();
        let new = size.saturating_sub(read);
        looks = looks.saturating_add(1);
        if new >= WORTH || (new > 0 && looks >= PATIENCE) {
            looks = 0;
            let (folder, dir, custodian) = (folder.clone(), dir.clone(), custodian.clone());
            let work = move || Accounts::open(&folder, &dir, &custodian, |_| {}).map(drop);
            match tokio::task::spawn_blocking(work).await {
                Ok(Ok(())) => {
                    read = size;
                    broken = false;
                }
                // The process is ending.
                Err(_) => return,
                Ok(Err(error)) => {
                    if !broken {
                        let error = Failure::from_error(Exit::Absent, &error).line();
                        alarm(&format!(
                            "the index of the accounting of disclosures cannot be kept: {error}"
                        ));
                    }
                    broken = true;
                }
            }
        }
        tokio::time::sleep(EVERY).await;
    }
}
