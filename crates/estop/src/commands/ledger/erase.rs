//! `estop ledger erase`: asked of `serve` where it runs, done here where it does not.

use std::collections::BTreeMap;

use jiff::civil::Date;
use ledger::Ledger;
use ledger::accounting::Accounts;

use super::{opened, served};
use crate::cli::Erase as Command;
use crate::clock;
use crate::commands::as_of;
use crate::demo::report::grouped;
use crate::estate::Loaded;
use crate::failure::{Exit, Failure};
use crate::output::{Console, Tone};
use crate::serve::erasing::{DUE, EraseAnswer, EraseRequest, ErasureLine, Wanted, due, erase, held};

pub(super) async fn run(command: &Command, loaded: &Loaded, console: Console) -> Result<Exit, Failure> {
    let mut asked = EraseRequest {
        what: wanted(command, loaded)?,
        basis: command.reason.clone().unwrap_or_else(|| DUE.to_owned()),
        by: format!("uid {}", rustix::process::getuid().as_raw()),
        held: held(&loaded.estate),
    };
    if command
        .agreement
        .as_ref()
        .is_some_and(|agreement| asked.held.contains_key(agreement))
    {
        return Err(Failure::no(
            "the agreement is on hold: nothing under it is erased",
        ));
    }
    let admin = served(loaded);
    let here = if admin.is_none() {
        Some(opened(loaded)?)
    } else {
        None
    };
    let mut all: Vec<ErasureLine> = Vec::new();
    loop {
        let EraseAnswer { done, next } = match (&admin, &here) {
            (Some(admin), _) => admin.post("/ledger/erase", &asked).await?,
            (None, Some(ledger)) => here_and_now(ledger.clone(), asked.clone()).await?,
            // There is one of the two.
            (None, None) => return Err(Failure::absent("the ledger is not open")),
        };
        all.extend(done);
        match (&mut asked.what, next) {
            (Wanted::Before { from, .. }, Some(next)) => *from = next,
            _ => break,
        }
    }
    drop(here);
    forget(loaded);
    for done in &all {
        console.line(format!(
            "{}: {} private records erased, said by entry {}",
            done.time,
            console.paint(Tone::Strong, grouped(done.records)),
            done.entry
        ))?;
    }
    if all.is_empty() {
        console.line("nothing to erase")?;
    }
    for (agreement, why) in &asked.held {
        console.line(format!("on hold, and nothing of it erased: {agreement} ({why})"))?;
    }
    console.document(&serde_json::json!({ "erasures": all, "held": asked.held }))?;
    Ok(Exit::Yes)
}

/// Does one step in this process. It waits for the disk, which this thread must not.
async fn here_and_now(ledger: Ledger, asked: EraseRequest) -> Result<EraseAnswer, Failure> {
    let done = tokio::task::spawn_blocking(move || erase(&ledger, &asked)).await;
    let done = done.map_err(|error| Failure::absent("the erasure was cut off").because(&error))?;
    done.map_err(|error| Failure::from_error(Exit::Wrong, &error))
}

fn wanted(command: &Command, loaded: &Loaded) -> Result<Wanted, Failure> {
    let zone = &loaded.estate.custodian().time_zone;
    let before = |agreements, otherwise| Wanted::Before {
        agreements,
        otherwise,
        partner: command.partner.clone(),
        from: 0,
    };
    if let Some(text) = &command.before {
        // Before a day is before it begins.
        let day = text.parse::<Date>().ok().filter(|_| text.len() == 10);
        let begins = day.and_then(|day| day.to_zoned(zone.clone()).ok());
        let time = match begins {
            Some(begins) => begins.timestamp(),
            None => as_of::moment(text, zone, clock::now())?,
        };
        return Ok(match &command.agreement {
            Some(agreement) => before([(agreement.clone(), time)].into(), None),
            None => before(BTreeMap::new(), Some(time)),
        });
    }
    if !command.due {
        let ranges = command.entries.iter().map(|range| (range.first, range.last));
        return Ok(Wanted::Entries(ranges.collect()));
    }
    due(&loaded.estate, clock::now()).ok_or_else(|| {
        Failure::wrong("nothing is ever due: the estate does not say how long records are kept")
            .help("`retention = \"6 years\"` in an agreement, or in `[state]` of estop.toml")
    })
}

/// What the index of subjects knows of what was erased goes now; at the latest, where that fails, when it is read next.
fn forget(loaded: &Loaded) {
    let (state, custodian) = (loaded.state(), &loaded.estate.custodian().name);
    if state.accounting().is_dir() {
        drop(Accounts::open(
            &state.ledger(),
            &state.accounting(),
            custodian,
            |_| {},
        ));
    }
}
