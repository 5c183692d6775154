//! `estop publish`: the public site.

use std::path::Path;

use crate::cli::Publish;
use crate::clock;
use crate::custodian;
use crate::demo::report::grouped;
use crate::estate;
use crate::failure::{Exit, Failure};
use crate::output::Console;
use crate::publish::{PublishError, Site, write};

pub(super) async fn run(command: &Publish, folder: &Path, console: Console) -> Result<Exit, Failure> {
    let loaded = estate::load(folder)?;
    let key = custodian::public_key(&loaded.state())?;
    let (to, certificates) = (command.folder.clone(), command.certificate.clone());
    let work = move || -> Result<_, Failure> {
        let ledger = loaded.state().ledger();
        let site = Site::read(
            &ledger,
            &loaded.estate,
            key.to_string(),
            clock::now(),
            console.news(),
        );
        let mut site = site.map_err(|error| Failure::from_error(Exit::Absent, &error))?;
        let log = ledger.join("public");
        let written = write(&mut site, &to, &log, &key, &certificates, &mut console.news());
        Ok((site, written.map_err(refused)?))
    };
    let (site, written) = tokio::task::spawn_blocking(work)
        .await
        .map_err(|error| Failure::absent("the site cannot be made").because(&error))??;
    console.line(format!(
        "{}: {} agreements, {} orders, {} pages and other files, {} new files of the log",
        command.folder.join("index.html").display(),
        site.agreements.len(),
        site.orders.len(),
        written.pages,
        grouped(written.log_files)
    ))?;
    console.document(&serde_json::json!({ "folder": command.folder, "written": written, "site": site }))?;
    Ok(Exit::Yes)
}

fn refused(error: PublishError) -> Failure {
    match error {
        PublishError::File(error) => error.into(),
        error @ PublishError::NotASite { .. } => Failure::from_error(Exit::Wrong, &error)
            .help("give a folder that is empty or not there yet, or this custodian's earlier site"),
        error @ PublishError::Certificate { .. } => Failure::from_error(Exit::No, &error)
            .help("`estop certificate verify FILE --key KEY` says what is wrong with it"),
    }
}
