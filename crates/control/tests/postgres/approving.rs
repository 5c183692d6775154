//! Granting takes two people, who say so of exactly one estate; nobody makes himself one of them.

use control::{ControlError, NotApprovedYet};
use evidence::directive::{ApprovalError, Directive};
use evidence::hash::sha256;
use policy::estate::Files;

use crate::world::{World, approval, investigation, role, sign, signers_line};

const AGREEMENT: &str = "agreements/transit-2020.toml";
const SIGNERS: &str = "authorities/allowed_signers";

fn more_columns(files: &mut Files) {
    let text = files[AGREEMENT].replace("\"born\"]", "\"born\", \"ssn\"]");
    files.insert(AGREEMENT.to_owned(), text);
}

fn why(result: Result<control::AppliedPlans, ControlError>) -> NotApprovedYet {
    match result {
        Err(ControlError::NoApproval { why, .. }) => why,
        other => panic!("{other:?}"),
    }
}

/// An approval of the estate served, signed by these.
async fn approved_by(world: &World, people: &[&str]) -> Result<control::api::Outcome, ControlError> {
    let draft = world.control.draw_up_approval(approval()).await.unwrap();
    let signatures: Vec<String> = people.iter().map(|who| sign(who, &draft.text)).collect();
    let signatures: Vec<&str> = signatures.iter().map(String::as_str).collect();
    world.control.submit(draft.text.as_bytes(), &signatures).await
}

#[tokio::test]
async fn nothing_is_applied_that_two_people_did_not_approve() {
    let world = World::unapproved(&[]).await;
    assert_eq!(why(world.control.apply(&[]).await), NotApprovedYet::None);
    for people in [&[][..], &["mayor"], &["mayor", "mayor"], &["mayor", "somebody"]] {
        let refused = approved_by(&world, people).await;
        assert!(
            matches!(refused, Err(ControlError::NotApproved(_))),
            "{refused:?}"
        );
    }
    assert_eq!(why(world.control.apply(&[]).await), NotApprovedYet::None);
    let roles = world
        .admin()
        .await
        .query("select 1 from pg_roles where rolname like 'estop%'", &[])
        .await
        .unwrap();
    assert!(roles.is_empty(), "nothing was changed");
    let error = world.control.apply(&[]).await.unwrap_err();
    for command in [
        "estop directive new approve",
        "ssh-keygen -Y sign -n directive@records.example.org",
        "estop directive submit",
    ] {
        assert!(error.remedy().contains(command), "{}", error.remedy());
    }
    let accepted = approved_by(&world, &["mayor", "counsel"]).await.unwrap();
    assert!(accepted.complete);
    world.control.apply(&[]).await.unwrap();
    // Again, and after a restart: the same estate needs no new approval.
    world.control.apply(&[]).await.unwrap();
}

#[tokio::test]
async fn an_estate_that_was_edited_since_is_another() {
    let mut world = World::applied(&[]).await;
    world.restart_with(more_columns);
    assert!(matches!(
        why(world.control.apply(&[]).await),
        NotApprovedYet::Another { .. }
    ));
    let session = world.log_in(&role("transit-2020", "planning")).await.unwrap();
    assert!(session.query("select ssn from people", &[]).await.is_err());
    // The approval of the old one is no use for the new one, and that of the new one none for the old.
    let draft = world.control.draw_up_approval(approval()).await.unwrap();
    assert!(draft.summary.contains("+ column `ssn`"), "{}", draft.summary);
    assert!(!draft.summary.contains("police-2018"), "{}", draft.summary);
    world.restart();
    let other = world.submit(&draft.text).await;
    assert!(
        matches!(other, Err(ControlError::OtherEstate { .. })),
        "{other:?}"
    );
    assert_eq!(world.control.gives_and_takes().unwrap(), []);
    world.restart_with(more_columns);
    world.submit(&draft.text).await.unwrap();
    // What is approved is not yet in force.
    let gives = world.control.gives_and_takes().unwrap();
    let agreement = gives.iter().map(ToString::to_string).collect::<String>();
    assert!(
        agreement.contains("~ agreement `transit-2020`") && agreement.contains("+ column `ssn`"),
        "{agreement}"
    );
    assert!(!agreement.contains("police-2018"), "{agreement}");
    world.control.apply(&[]).await.unwrap();
    assert_eq!(world.control.gives_and_takes().unwrap(), []);
    let session = world.log_in(&role("transit-2020", "planning")).await.unwrap();
    assert!(session.query("select ssn from people", &[]).await.is_ok());
    // Back to what was approved before takes an approval, too: the last one counts.
    world.restart();
    assert!(matches!(
        why(world.control.apply(&[]).await),
        NotApprovedYet::Another { .. }
    ));
    world.approve().await.unwrap();
    world.control.apply(&[]).await.unwrap();
    assert!(session.query("select ssn from people", &[]).await.is_err());
}

#[tokio::test]
async fn nobody_makes_himself_an_authority() {
    let mut world = World::applied(&[]).await;
    let own_signers = |files: &mut Files| {
        let lines = ["mallory", "mallet"].map(signers_line).concat();
        files.insert(SIGNERS.to_owned(), lines);
    };
    world.restart_with(own_signers);
    let refused = approved_by(&world, &["mallory", "mallet"]).await;
    let unknown = |result: &Result<_, ControlError>| {
        matches!(
            result,
            Err(ControlError::NotApproved(ApprovalError::UnknownKey { .. }))
        )
    };
    assert!(unknown(&refused), "{refused:?}");
    // Nor do they end anything.
    let order = world.draw_up("police").await.text;
    let (one, two) = (sign("mallory", &order), sign("mallet", &order));
    let refused = world.control.submit(order.as_bytes(), &[&one, &two]).await;
    assert!(unknown(&refused), "{refused:?}");
    // Once the two in force have said so, the two new ones may, and the old ones may not.
    approved_by(&world, &["mayor", "counsel"]).await.unwrap();
    let refused = approved_by(&world, &["mayor", "counsel"]).await;
    assert!(unknown(&refused), "{refused:?}");
    world.restart_with(own_signers);
    approved_by(&world, &["mallory", "mallet"]).await.unwrap();
    world.restart();
    let refused = approved_by(&world, &["mayor", "counsel"]).await;
    assert!(unknown(&refused), "{refused:?}");
    approved_by(&world, &["mallory", "mallet"]).await.unwrap();
}

#[tokio::test]
async fn an_approval_revives_nothing() {
    let mut world = World::applied(&[]).await;
    let outcome = world.terminate("police").await;
    world.restart_with(|files| {
        let text = files["agreements/police-2018.toml"].replace("police-2018", "police-2030");
        files.insert("agreements/police-2030.toml".to_owned(), text);
    });
    let draft = world.control.draw_up_approval(approval()).await.unwrap();
    assert!(
        draft.summary.contains(&format!("by {}", outcome.number)),
        "{}",
        draft.summary
    );
    world.submit(&draft.text).await.unwrap();
    world.control.apply(&[]).await.unwrap();
    for gone in [investigation(), role("police-2030", "investigation")] {
        let can = world
            .admin()
            .await
            .query_one("select rolcanlogin from pg_roles where rolname = $1", &[&gone])
            .await
            .unwrap();
        assert!(!can.get::<_, bool>(0), "{gone}");
    }
}

#[tokio::test]
async fn a_summary_is_signed_for_as_it_follows() {
    let mut world = World::applied(&[]).await;
    world.restart_with(more_columns);
    let draft = world.control.draw_up_approval(approval()).await.unwrap();
    let line = |key: &str| draft.text.lines().find(|line| line.starts_with(key)).unwrap();
    let hash = sha256(draft.summary.as_bytes());
    assert_eq!(line("summary "), format!("summary {hash}"));
    for key in ["summary ", "signers "] {
        let text = draft
            .text
            .replace(line(key), &format!("{key}{}", sha256(b"another")));
        let refused = world.submit(&text).await;
        assert!(matches!(refused, Err(ControlError::OtherSummary)), "{refused:?}");
    }
    // What was in force when it was drawn up is not any more.
    world.terminate("police").await;
    let text = draft.text.replace("D-2026-0002", "D-2026-0003");
    let refused = world.submit(&text).await;
    assert!(matches!(refused, Err(ControlError::OtherSummary)), "{refused:?}");
}

#[tokio::test]
async fn what_was_signed_is_taken_once() {
    let mut world = World::applied(&[]).await;
    let first = {
        let stored = world.ledger.entry(1).unwrap();
        let record: serde_json::Value = serde_json::from_slice(&stored.record).unwrap();
        record["text"].as_str().unwrap().to_owned()
    };
    world.restart_with(more_columns);
    world.approve().await.unwrap();
    world.restart();
    let size = world.ledger.size();
    // The old approval again: it is known, and changes nothing; the one that counts is the last.
    let again = world.submit(&first).await.unwrap();
    assert_eq!((again.index, world.ledger.size()), (1, size));
    assert!(matches!(
        why(world.control.apply(&[]).await),
        NotApprovedYet::Another { .. }
    ));
    // Under a new number, its nonce is used up.
    let number = Directive::parse(first.as_bytes()).unwrap().number.to_string();
    let refused = world.submit(&first.replace(&number, "D-2026-0099")).await;
    assert!(
        matches!(refused, Err(ControlError::NonceUsed { .. })),
        "{refused:?}"
    );
}

#[tokio::test]
async fn what_is_in_force_can_be_ended_whatever_the_files_say() {
    let mut world = World::applied(&[]).await;
    world.restart_with(|files| {
        files.remove("agreements/police-2018.toml");
        files.remove("partners/police.toml");
    });
    let outcome = world.terminate("police").await;
    assert!(outcome.complete && outcome.roles.len() == 2, "{outcome:#?}");
    assert!(world.log_in(&investigation()).await.is_err());
}

#[tokio::test]
async fn a_lost_register_puts_no_unapproved_estate_in_force() {
    let mut world = World::applied(&[]).await;
    let path = world.dir.path().join("second.db");
    world.register = std::sync::Arc::new(ledger::register::SqliteRegister::open(&path).unwrap());
    world.restart_with(more_columns);
    world.terminate("transit").await;
    let policy = ledger::register::Register::read(&*world.register, "policy")
        .unwrap()
        .unwrap();
    let policy: policy::in_force::InForce = serde_json::from_slice(&policy.value).unwrap();
    assert!(
        policy.agreements.is_empty() && policy.cedar.policies.is_empty(),
        "{policy:?}"
    );
}
