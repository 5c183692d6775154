//! Whose record it was: the account that one person is due, from the ledger alone.

use crate::accounting::{Account, account};
use crate::demo::cast::{POLICE, police_sees, telling_incident};
use crate::demo::report::{Report, Step};
use crate::demo::stage::Stage;
use crate::failure::Failure;

/// Somebody whom the state police saw asks, and somebody of the same incident whom they did not.
pub(super) async fn told(stage: &Stage, report: &mut Report) -> Result<(), Failure> {
    let group = telling_incident(&stage.people).unwrap_or_default();
    let seen = group.iter().find(|person| police_sees(person));
    let unseen = group.iter().find(|person| !police_sees(person));
    let (Some(seen), Some(unseen)) = (seen, unseen) else {
        return Err(Failure::no(
            "the sample has no incident with somebody seen and somebody not",
        ));
    };
    let theirs = asked(stage, seen.person_id).await?;
    let others = asked(stage, unseen.person_id).await?;
    let police = |account: &Account| {
        let given = account.disclosures.iter();
        given
            .filter(|given| given.partner.id == "state-police")
            .cloned()
            .collect::<Vec<_>>()
    };
    let given = police(&theirs);
    let named = given.iter().all(|given| {
        given.officer.id == POLICE && given.case.is_some() && given.columns.iter().any(|name| name == "name")
    });
    let mut step = Step::new(
        "account",
        "a person",
        format!(
            "asks who was given record {} of `people`: {} disclosures",
            seen.person_id,
            theirs.disclosures.len()
        ),
    )
    .must(!given.is_empty(), "the state police's must be among them")
    .must(named, "with officer, case and columns")
    .must(
        police(&others).is_empty(),
        "of a record that they do not see there must be none",
    )
    .fact("account", serde_json::json!(theirs));
    for given in &theirs.disclosures {
        step = step.show(format!(
            "{} {}, {} ({}), {}: {}",
            given.at.strftime("%Y-%m-%d %H:%M:%S"),
            given.partner.id,
            given.officer.id,
            given.case.as_deref().unwrap_or("no case"),
            given.legal_basis.as_deref().unwrap_or("no basis"),
            given.columns.join(", ")
        ));
    }
    report.add(step)
}

async fn asked(stage: &Stage, person: u32) -> Result<Account, Failure> {
    let loaded = stage.estate.clone();
    tokio::task::spawn_blocking(move || account(&loaded, "people", &person.to_string(), |_| {}))
        .await
        .map_err(|error| Failure::absent("the ledger cannot be looked through").because(&error))?
}
