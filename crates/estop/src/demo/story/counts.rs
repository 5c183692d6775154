//! A partner that sees counts and no row, and no count of fewer than its agreement says.

use std::collections::BTreeMap;

use tokio_postgres::SimpleQueryMessage;

use super::partners::{Row, broken, rows};
use crate::demo::load;
use crate::demo::partner::Refused;
use crate::demo::report::{Report, Step, grouped};
use crate::demo::stage::Stage;
use crate::failure::{Exit, Failure};

/// As `agreements/public-health-2021.toml` says.
const MIN_GROUP: u64 = 10;

/// What it asks.
const ASKED: &str = "select neighbourhood, offence, number from incidents";

/// Groups that are shown: of one part of the city, of which some are small.
const SHOWN: usize = 5;

/// The counts by what they are of; nothing where the group is small.
type Counts = BTreeMap<(String, String), Option<u64>>;

/// All of its counts, against what the custodian's own administrator counts.
pub(super) async fn query(stage: &Stage, report: &mut Report) -> Result<(), Failure> {
    let (id, who) = ("public-health-query", "public-health");
    let wanted = wanted(stage)
        .await
        .map_err(|error| Failure::from_error(Exit::Absent, &error))?;
    let step = match told(stage).await {
        Err(refused) => broken(id, who, &refused),
        Ok(told) => {
            let small = wanted.values().filter(|number| number.is_none()).count();
            let number = |count: usize| grouped(u64::try_from(count).unwrap_or(u64::MAX));
            let said = format!(
                "sees {} counts and no row; the {} of fewer than {MIN_GROUP} are NULL",
                number(told.len()),
                number(small)
            );
            let step = Step::new(id, who, said)
                .must(
                    told == wanted,
                    "each count must be the custodian's, or NULL if it is small",
                )
                .must(small > 0, "there must be small groups")
                .fact("groups", told.len())
                .fact("small", small)
                .show(format!("{ASKED};"));
            some(&told).fold(step, |step, ((place, offence), number)| {
                let number = number.map_or_else(|| "NULL".to_owned(), |number| number.to_string());
                step.show(format!("  {place} | {offence} | {number}"))
            })
        }
    };
    report.add(step)
}

/// Of the first part of the city that has a small group.
fn some(counts: &Counts) -> impl Iterator<Item = (&(String, String), &Option<u64>)> {
    let small = counts.iter().find(|(_, number)| number.is_none());
    let place = small.map(|((place, _), _)| place);
    counts
        .iter()
        .filter(move |((other, _), _)| Some(other) == place)
        .take(SHOWN)
}

async fn told(stage: &Stage) -> Result<Counts, Refused> {
    let session = stage.gate.connect(&stage.passwords.health()).await?;
    Ok(rows(&session, ASKED).await?.iter().filter_map(counted).collect())
}

fn counted(row: &Row) -> Option<((String, String), Option<u64>)> {
    let [(_, place), (_, offence), (_, number)] = row.as_slice() else {
        return None;
    };
    Some(((place.clone(), offence.clone()), number.parse().ok()))
}

/// Counted in the custodian's own table, past everything of ours.
async fn wanted(stage: &Stage) -> Result<Counts, tokio_postgres::Error> {
    let client = load::connect(&load::admin(&stage.scratch)).await?;
    let sql = "select neighbourhood, offence, count(*) from records.incidents group by 1, 2";
    let messages = client.simple_query(sql).await?;
    let count = |message: SimpleQueryMessage| {
        let SimpleQueryMessage::Row(row) = message else {
            return None;
        };
        let number: u64 = row.get(2)?.parse().ok()?;
        let of = (row.get(0)?.to_owned(), row.get(1)?.to_owned());
        Some((of, (number >= MIN_GROUP).then_some(number)))
    };
    Ok(messages.into_iter().filter_map(count).collect())
}
