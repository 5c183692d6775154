//! The commands: each finds what it needs, has the work done elsewhere, and says what came of it.

mod accounting;
pub mod apply;
mod as_of;
pub mod certificate;
mod check;
mod correct;
pub mod directive;
mod exposure;
mod init;
pub mod ledger;
mod officer;
mod overseers;
mod prove;
pub mod proving;
mod publish;
mod receipts;
mod schema;
mod serve;
mod sessions;
mod status;
mod top;
mod witness;

pub use officer::verifier;

use crate::cli::{Cli, Command};
use crate::demo;
use crate::failure::{Exit, Failure};
use crate::output::Console;

/// Runs what was typed.
///
/// # Errors
/// Why it did not succeed.
pub fn run(cli: &Cli, console: Console) -> Result<Exit, Failure> {
    // This thread is the one that drives `main`, and it starts the demo's server, which ends with it.
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .map_err(|error| Failure::absent("the system gives no threads").because(&error))?;
    runtime.block_on(Box::pin(dispatch(cli, console)))
}

async fn dispatch(cli: &Cli, console: Console) -> Result<Exit, Failure> {
    let estate = &cli.estate;
    match &cli.command {
        Command::Demo(command) => demo::run(command, console).await,
        Command::Check(command) => check::run(command, estate, console).await,
        Command::Prove(command) => Box::pin(prove::run(command, estate, console)).await,
        Command::Init(command) => init::run(command, console).await,
        Command::Schema(command) => schema::run(command, console),
        Command::Plan => apply::run_plan(estate, console).await,
        Command::Apply => apply::run_apply(estate, console).await,
        Command::Drift => apply::run_drift(estate, console).await,
        Command::Serve => serve::run(estate, console).await,
        Command::Status => status::run(estate, console).await,
        Command::Sessions => sessions::run(estate, console).await,
        Command::Top(command) => top::run(command, estate, console).await,
        Command::Directive(command) => directive::run(command, estate, console).await,
        Command::Certificate(command) => certificate::run(command, estate, console).await,
        Command::Ledger(command) => ledger::run(command, estate, console).await,
        Command::AsOf(command) => as_of::run(command, estate, console).await,
        Command::Accounting(command) => accounting::run(command, estate, console).await,
        Command::Correct(command) => correct::run(command, estate, console).await,
        Command::Publish(command) => publish::run(command, estate, console).await,
        Command::Receipts(command) => receipts::run(command, estate, console),
        Command::Overseers(command) => overseers::run(command, estate, console).await,
        Command::Officer(command) => officer::run(command, console),
        Command::Witness(command) => witness::run(command, console).await,
        Command::Exposure(command) => exposure::run(command, console).await,
    }
}
