//! What was erased goes from the runs, too: a run that knows a subject of an erased statement is written anew without it.
//!
//! The file `erasures` says how many of the ledger's erasures all runs have heard of. A run that is made later has no record
//! to read there.

use std::fs;
use std::io::{self, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;

use evidence::erasure::Erased;

use super::merge::Rows;
use super::run::{Built, Run};
use super::{AccountsError, Stored, sync_folder};

const FILE: &str = "erasures";

/// Takes out of the runs what was erased since the last time. `erasures` are the indexes of all `erased` entries.
pub(super) fn forget(
    dir: &Path,
    erasures: &[u64],
    entry: impl Fn(u64) -> Result<Stored, AccountsError>,
    runs: &mut [Run],
) -> Result<(), AccountsError> {
    let heard = heard(dir)?;
    let new = erasures.get(heard..).unwrap_or(erasures);
    if new.is_empty() && heard == erasures.len() {
        return Ok(());
    }
    for by in new {
        let body = entry(*by)?.parse().ok().and_then(|entry| entry.body);
        let erased = Erased::parse(&body.unwrap_or_default()).map_err(|error| AccountsError::Record {
            entry: *by,
            source: error.into(),
        })?;
        for run in runs.iter_mut() {
            if erased.meets(run.meta.from, run.meta.to.saturating_sub(1)) {
                without(dir, &erased, run)?;
            }
        }
    }
    note(dir, erasures.len())?;
    Ok(())
}

/// A run without rows of what was erased, in place of the run. Statements are erased whole, so a row goes with the entry that its statement
/// began with, whichever part of it the row came from.
fn without(dir: &Path, erased: &Erased, run: &mut Run) -> Result<(), AccountsError> {
    let mut rows = Rows::of(run);
    let mut built = Built::begin(dir, run.meta.clone())?;
    while let Some(row) = rows.next()? {
        if !erased.holds(row.entry) {
            built.row(row)?;
        }
    }
    *run = built.end()?;
    Ok(())
}

fn heard(dir: &Path) -> io::Result<usize> {
    match fs::read_to_string(dir.join(FILE)) {
        // What cannot be read is as good as nothing: all of it is done once more.
        Ok(text) => Ok(text.trim_end().parse().unwrap_or_default()),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(0),
        Err(error) => Err(error),
    }
}

fn note(dir: &Path, heard: usize) -> io::Result<()> {
    let staged = dir.join("erasures.tmp");
    let mut options = fs::OpenOptions::new();
    let mut file = options
        .create(true)
        .truncate(true)
        .write(true)
        .mode(0o600)
        .open(&staged)?;
    writeln!(file, "{heard}")?;
    file.sync_all()?;
    fs::rename(staged, dir.join(FILE))?;
    sync_folder(dir)
}
