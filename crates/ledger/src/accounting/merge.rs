//! Many small runs become one large, so that a question is put to a few files.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::ops::Range;
use std::path::Path;

use super::run::{Built, Meta, Row, Run, remove};
use super::stretch::Totals;
use super::{AccountsError, MERGED, RUNS_MAX};

/// Merges what should be.
pub(super) fn tidy(dir: &Path, runs: &mut Vec<Run>) -> Result<(), AccountsError> {
    while let Some(range) = mergeable(runs) {
        let merged = merge(dir, runs.get(range.clone()).unwrap_or_default())?;
        let old: Vec<Run> = runs.splice(range, merged).collect();
        // The merged one is durable and begins like the first of them: whoever looks now takes it.
        remove(dir, &old)?;
    }
    Ok(())
}

/// Runs beside one another that were merged as often, if they are enough; or all, if there are too many.
fn mergeable(runs: &[Run]) -> Option<Range<usize>> {
    let alike = runs.chunk_by(|one, next| one.meta.level == next.meta.level);
    let mut start = 0;
    for chunk in alike {
        if chunk.len() >= MERGED {
            return Some(start..start.saturating_add(MERGED));
        }
        start = start.saturating_add(chunk.len());
    }
    (runs.len() > RUNS_MAX).then_some(0..runs.len())
}

fn merge(dir: &Path, runs: &[Run]) -> Result<Option<Run>, AccountsError> {
    let (Some(first), Some(last)) = (runs.first(), runs.last()) else {
        return Ok(None);
    };
    let mut totals = Totals::default();
    for run in runs {
        totals.add(&run.meta.totals);
    }
    let level = runs.iter().map(|run| run.meta.level).max().unwrap_or_default();
    let mut built = Built::begin(
        dir,
        Meta {
            from: first.meta.from,
            level: level.saturating_add(1),
            totals,
            ..last.meta.clone()
        },
    )?;
    let mut readers: Vec<Rows<'_>> = runs.iter().map(Rows::of).collect();
    let mut heap = BinaryHeap::new();
    for (number, reader) in readers.iter_mut().enumerate() {
        heap.extend(reader.next()?.map(|row| Reverse((row, number))));
    }
    let mut before = None;
    while let Some(Reverse((row, number))) = heap.pop() {
        // A result that goes on over two runs has a row in each.
        if before != Some(row) {
            built.row(row)?;
            before = Some(row);
        }
        if let Some(reader) = readers.get_mut(number) {
            heap.extend(reader.next()?.map(|row| Reverse((row, number))));
        }
    }
    built.end().map(Some)
}

/// The rows of a run, block by block.
pub(super) struct Rows<'a> {
    run: &'a Run,
    block: u64,
    rows: Vec<Row>,
    at: usize,
}

impl<'a> Rows<'a> {
    pub(super) fn of(run: &'a Run) -> Self {
        Self {
            run,
            block: 0,
            rows: Vec::new(),
            at: 0,
        }
    }

    pub(super) fn next(&mut self) -> Result<Option<Row>, AccountsError> {
        loop {
            if let Some(row) = self.rows.get(self.at) {
                self.at = self.at.saturating_add(1);
                return Ok(Some(*row));
            }
            if self.block >= self.run.blocks() {
                return Ok(None);
            }
            self.run.block(self.block, &mut self.rows)?;
            self.block = self.block.saturating_add(1);
            self.at = 0;
        }
    }
}
