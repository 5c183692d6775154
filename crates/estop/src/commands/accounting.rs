//! `estop accounting`: who was given a person's record.

use std::path::Path;

use crate::accounting::{account, letter::Letter};
use crate::cli::Accounting;
use crate::clock;
use crate::estate;
use crate::failure::{Exit, Failure};
use crate::files::{self, Readers};
use crate::output::Console;

pub(super) async fn run(command: &Accounting, folder: &Path, console: Console) -> Result<Exit, Failure> {
    let loaded = estate::load(folder)?;
    let (dataset, subject) = (command.dataset.clone(), command.subject.clone());
    let at_work = loaded.clone();
    let account = tokio::task::spawn_blocking(move || account(&at_work, &dataset, &subject, console.news()))
        .await
        .map_err(|error| Failure::absent("the ledger cannot be looked through").because(&error))??;
    let letter = Letter::of(&account, clock::now(), &loaded.estate.custodian().time_zone);
    if let Some(path) = &command.html {
        files::create(path, &letter.html(), Readers::Owner)?;
    }
    console.line(letter.text().trim_end())?;
    console.document(&account)?;
    Ok(Exit::Yes)
}
