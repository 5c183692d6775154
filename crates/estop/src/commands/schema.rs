//! `estop schema`: the JSON Schemas of an estate's files.

use policy::estate::schema::{FileKind, printed};

use crate::cli::SchemaOf;
use crate::failure::{Exit, Failure};
use crate::output::Console;

/// Runs the command.
///
/// # Errors
/// Standard output cannot be written to.
pub(super) fn run(command: &SchemaOf, console: Console) -> Result<Exit, Failure> {
    if let Some(kind) = command.kind {
        console.verbatim(&printed(kind))?;
        return Ok(Exit::Yes);
    }
    for kind in FileKind::ALL {
        console.line(format!("estop schema {:<10} {}", kind.name(), kind.files()))?;
    }
    let all: serde_json::Map<_, _> = FileKind::ALL
        .into_iter()
        .map(|kind| (kind.name().to_owned(), kind.schema()))
        .collect();
    console.document(&all)?;
    Ok(Exit::Yes)
}
