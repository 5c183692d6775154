//! `estop as-of`: who could read what at a moment, by the ledger alone.

use std::path::Path;

use jiff::civil::{Date, DateTime};
use jiff::tz::TimeZone;
use jiff::{Timestamp, ToSpan};
use policy::as_of::{AgreementThen, AsOf, PurposeThen, ShareThen, Standing};

use super::ledger;
use crate::cli::AsOf as Command;
use crate::clock;
use crate::demo::report::grouped;
use crate::estate;
use crate::failure::{Exit, Failure};
use crate::output::{Console, Tone};

pub(super) async fn run(command: &Command, folder: &Path, console: Console) -> Result<Exit, Failure> {
    let loaded = estate::load(folder)?;
    let at = moment(&command.time, &loaded.estate.custodian().time_zone, clock::now())?;
    let mut answer = ledger::as_of(&loaded, at).await?;
    answer.keep(command.partner.as_ref(), command.dataset.as_ref());
    say(&answer, command, console)?;
    console.document(&answer)?;
    Ok(Exit::Yes)
}

/// The moment that somebody means. A day means its end, today means now.
pub(super) fn moment(text: &str, zone: &TimeZone, now: Timestamp) -> Result<Timestamp, Failure> {
    let local = |time: DateTime| time.to_zoned(zone.clone()).ok().map(|zoned| zoned.timestamp());
    let end_of = |day: Date| {
        let next = local(day.tomorrow().ok()?.to_datetime(jiff::civil::Time::midnight()))?;
        next.checked_sub(1.second()).ok()
    };
    let meant = if text == "now" {
        Some(now)
    } else if let Ok(moment) = text.parse::<Timestamp>() {
        Some(moment)
    } else if let (10, Ok(day)) = (text.len(), text.parse::<Date>()) {
        let today = now.to_zoned(zone.clone()).date();
        if day == today { Some(now) } else { end_of(day) }
    } else {
        text.parse::<DateTime>().ok().and_then(local)
    };
    let Some(meant) = meant else {
        let failure = Failure::wrong(format!("`{text}` is not a time"));
        return Err(failure.help(
            "`now`, a day such as 2026-11-23, a time such as 2026-11-23T17:00 by the custodian's clock, or a moment such as \
             2026-11-23T17:00:00Z",
        ));
    };
    if meant > now {
        return Err(Failure::wrong(format!(
            "{meant} has not come yet: the ledger tells of what was, and `estop status` of what is"
        )));
    }
    // Entries bear whole seconds.
    Timestamp::from_second(meant.as_second())
        .map_err(|error| Failure::wrong(format!("`{text}` is not a time")).because(&error))
}

fn say(answer: &AsOf, command: &Command, console: Console) -> Result<(), Failure> {
    let at = answer.at;
    let Some(last) = answer.last_entry else {
        return console.line(format!(
            "{at}: the ledger had not begun, so nothing was in force under it"
        ));
    };
    let Some(approval) = &answer.approval else {
        return console.line(format!(
            "{at}: nothing was in force ({} entries read)",
            grouped(answer.entries)
        ));
    };
    console.line(format!(
        "{}: policy {}, of the estate that {approval} approved ({} entries read, the last of {last})",
        console.paint(Tone::Strong, at),
        answer.epoch,
        grouped(answer.entries)
    ))?;
    if let Some(number) = &answer.under_way {
        let words = format!(
            "the estate that {number} approved was being applied: parts of it may have been in the databases"
        );
        console.line(console.paint(Tone::Notice, words))?;
    }
    if answer.agreements.is_empty() && (command.partner.is_some() || command.dataset.is_some()) {
        console.line("no agreement was about that")?;
    }
    for agreement in &answer.agreements {
        console.line(String::new())?;
        say_agreement(agreement, console)?;
    }
    Ok(())
}

fn say_agreement(agreement: &AgreementThen, console: Console) -> Result<(), Failure> {
    let standing = match agreement.standing {
        Standing::Open => String::new(),
        Standing::NotYet => console.paint(Tone::Bad, "; not in force yet"),
        Standing::Over => console.paint(Tone::Bad, "; over"),
        Standing::OutsideHours => console.paint(Tone::Bad, "; outside its hours"),
        Standing::Held => console.paint(Tone::Bad, "; the partner was held"),
    };
    console.line(format!(
        "{} under {}{standing}",
        console.paint(Tone::Strong, &agreement.partner),
        agreement.id
    ))?;
    for (name, value) in &agreement.terms {
        console.line(format!("  {name}: {value}"))?;
    }
    for (id, name) in &agreement.officers {
        console.line(format!("  officer: {name} ({id})"))?;
    }
    for purpose in &agreement.purposes {
        say_purpose(purpose, console)?;
    }
    Ok(())
}

fn say_purpose(purpose: &PurposeThen, console: Console) -> Result<(), Failure> {
    let standing = match (&purpose.ended_by, purpose.readable) {
        (Some(directive), _) => console.paint(Tone::Bad, format!("ended by {directive}")),
        (None, true) => console.paint(Tone::Good, "could read"),
        (None, false) => console.paint(Tone::Bad, "could not read"),
    };
    console.line(format!("  purpose {}: {standing}", purpose.id))?;
    for share in &purpose.shares {
        say_share(share, console)?;
    }
    Ok(())
}

fn say_share(share: &ShareThen, console: Console) -> Result<(), Failure> {
    let terms = &share.terms;
    let columns = terms.columns.iter().map(|(name, mask)| match mask {
        Some(mask) => format!("{name} as {mask}"),
        None => name.clone(),
    });
    let columns: Vec<String> = columns.collect();
    console.line(format!("    {} ({})", terms.dataset, share.place))?;
    console.line(format!("      columns: {}", columns.join(", ")))?;
    let rows = terms.rows.as_deref().unwrap_or("all");
    console.line(format!("      rows: {rows}"))?;
    for (name, value) in &terms.how {
        console.line(format!("      {name}: {value}"))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn meant(text: &str) -> Result<String, String> {
        let zone = TimeZone::get("America/Toronto").unwrap();
        let now = "2026-11-24T03:30:00Z".parse().unwrap();
        let moment = moment(text, &zone, now).map_err(|failure| failure.message)?;
        Ok(moment.to_string())
    }

    #[test]
    fn a_time_is_what_people_mean_by_it() {
        for (text, expected) in [
            ("now", "2026-11-24T03:30:00Z"),
            ("2026-11-23T12:00:00Z", "2026-11-23T12:00:00Z"),
            ("2026-11-23T12:00:00+01:00", "2026-11-23T11:00:00Z"),
            // Toronto is five hours behind in winter, four in summer.
            ("2026-11-23T12:00", "2026-11-23T17:00:00Z"),
            ("2026-07-01T12:00:30", "2026-07-01T16:00:30Z"),
            ("2026-11-22", "2026-11-23T04:59:59Z"),
            // It is still the 23rd there.
            ("2026-11-23", "2026-11-24T03:30:00Z"),
        ] {
            assert_eq!(meant(text).as_deref(), Ok(expected), "{text}");
        }
    }

    #[test]
    fn what_is_no_time_or_has_not_come_is_refused() {
        assert!(meant("2026-11-24").unwrap_err().contains("has not come yet"));
        assert!(
            meant("2027-01-01T00:00:00Z")
                .unwrap_err()
                .contains("has not come yet")
        );
        for text in ["", "yesterday", "2026-13-01", "2026-11-23 25:00", "1764000000"] {
            assert!(meant(text).unwrap_err().contains("is not a time"), "{text}");
        }
    }
}
