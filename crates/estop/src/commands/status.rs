//! `estop status`: how everything stands.

use std::path::Path;

use control::api::Status;
use control::{PlaceState, WatchLine};

use crate::admin::Admin;
use crate::estate;
use crate::failure::{Exit, Failure};
use crate::output::{Console, Tone};

pub(super) async fn run(folder: &Path, console: Console) -> Result<Exit, Failure> {
    let loaded = estate::load(folder)?;
    let status: Status = Admin::at(loaded.state().admin_socket()).get("/status").await?;
    console.line(format!(
        "{}: policy {}, {} entries in the ledger",
        console.paint(Tone::Strong, &status.custodian),
        status.epoch,
        status.ledger_size
    ))?;
    for gateway in &status.gateways {
        console.line(format!("gateway {}: policy {}", gateway.id, gateway.state.epoch))?;
    }
    for partner in &status.partners {
        let theirs = status.purposes.iter().filter(|line| line.partner == partner.id);
        let (ended, in_force): (Vec<_>, Vec<_>) = theirs.partition(|line| line.ended_by.is_some());
        let held = if partner.held {
            console.paint(Tone::Bad, "; HELD until the estate is applied again")
        } else {
            String::new()
        };
        console.line(format!(
            "partner {}: {} purposes in the estate, {} ended{held}",
            partner.id,
            in_force.len(),
            ended.len()
        ))?;
    }
    let watch = &status.watch;
    console.line(format!(
        "watch: every {} s, on drift {}",
        watch.every_seconds,
        match watch.on_drift {
            policy::estate::OnDrift::Alarm => "it raises an alarm",
            policy::estate::OnDrift::Cut => "it holds whom it opens something to",
        }
    ))?;
    let unwatched = !watch.applied && status.epoch.0 > 0;
    if !watch.applied {
        let words = "the estate served is not the one that was applied last: nothing is compared until it is";
        console.line(console.paint(Tone::Notice, format!("  {words}")))?;
    }
    for place in &watch.places {
        say(place, console)?;
    }
    if let Some(unfinished) = &status.unfinished {
        console.line(console.paint(Tone::Bad, unfinished.to_string()))?;
    }
    console.document(&status)?;
    let well = |place: &WatchLine| {
        matches!(place.state, PlaceState::AsApplied | PlaceState::NotLookedYet) && place.held.is_empty()
    };
    let held = status.partners.iter().any(|partner| partner.held);
    let finding = unwatched || held || status.unfinished.is_some() || !watch.places.iter().all(well);
    Ok(if finding { Exit::No } else { Exit::Yes })
}

fn say(place: &WatchLine, console: Console) -> Result<(), Failure> {
    let (tone, words) = match place.state {
        PlaceState::AsApplied => (Tone::Good, "as it was applied"),
        PlaceState::NotLookedYet => (Tone::Notice, "not looked at yet"),
        PlaceState::CouldNotLook => (Tone::Bad, "COULD NOT BE LOOKED AT"),
        PlaceState::Drift if place.opens => (Tone::Bad, "DRIFT that opens something"),
        PlaceState::Drift => (Tone::Bad, "DRIFT"),
    };
    let looked = match place.looked {
        Some(looked) => format!(", looked at {looked}"),
        None => String::new(),
    };
    let since = match (place.state, place.since) {
        (PlaceState::Drift | PlaceState::CouldNotLook, Some(since)) => format!(" since {since}"),
        _ => String::new(),
    };
    console.line(format!(
        "  {}: {}{since}{looked}",
        place.place,
        console.paint(tone, words)
    ))?;
    for words in &place.words {
        console.line(format!("      {words}"))?;
    }
    let listed = u64::try_from(place.words.len()).unwrap_or(u64::MAX);
    if place.count > listed {
        let more = place.count.saturating_sub(listed);
        console.line(format!("      and {more} more; `estop drift` shows all"))?;
    }
    for partner in &place.held {
        console.line(console.paint(Tone::Bad, format!("      held because of it: {partner}")))?;
    }
    Ok(())
}
