//! The story: partners at work, refusals, an order by two authorities, the cut in mid-result, the proof. Every step asserts what it
//! tells.

mod account;
mod counts;
mod cut;
mod law;
mod partners;
mod proof;

use evidence::id::DirectiveNumber;

use super::report::Report;
use super::stage::Stage;
use crate::failure::Failure;

/// Plays it from the first query to the last check. The number of the directive in it.
///
/// # Errors
/// Something needed was not there. A step that did not do what it must is in the report, and no error.
pub(super) async fn play(stage: &Stage, report: &mut Report) -> Result<DirectiveNumber, Failure> {
    report.heading("Four partners, one database")?;
    partners::queries(stage, report).await?;
    counts::query(stage, report).await?;
    report.heading("What is refused")?;
    partners::refusals(stage, report).await?;
    report.heading("Whose record it was")?;
    account::told(stage, report).await?;
    report.heading("The law, by solver")?;
    law::drafts(stage, report).await?;
    report.heading("The cut")?;
    let number = cut::play(stage, report).await?;
    report.heading("The proof")?;
    law::ordered(stage, report, &number).await?;
    proof::play(stage, report, &number).await?;
    Ok(number)
}
