//! The commands: each finds what it needs, has the work done elsewhere, and says what came of it.

pub mod certificate;
mod check;
mod directive;
mod officer;

pub use officer::verifier;

use crate::cli::{Cli, Command};
use crate::failure::{Exit, Failure};
use crate::output::Console;

/// Runs what was typed.
///
/// # Errors
/// Why it did not succeed.
pub fn run(cli: Cli, console: Console) -> Result<Exit, Failure> {
    match cli.command {
        Command::Check => check::run(&cli.estate, console),
        Command::Directive(command) => directive::run(&command, &cli.estate, console),
        Command::Certificate(command) => certificate::run(&command, &cli.estate, console),
        Command::Officer(command) => officer::run(&command, console),
        _ => Ok(Exit::Yes),
    }
}
