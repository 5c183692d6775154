//! `estop`: what was typed becomes a command, its end becomes an exit code.

use std::process::ExitCode;

use clap::Parser;
use estop::cli::Cli;
use estop::commands;
use estop::failure::Exit;
use estop::output::Console;

fn main() -> ExitCode {
    // Wrong calls end here, with exit code 2 and clap's own words.
    let cli = Cli::parse();
    let console = Console::new(cli.json);
    match commands::run(&cli, console) {
        Ok(exit) => exit.into(),
        Err(failure) => {
            console.failure(&failure);
            if failure.reader_gone {
                Exit::Yes.into()
            } else {
                failure.exit.into()
            }
        }
    }
}
