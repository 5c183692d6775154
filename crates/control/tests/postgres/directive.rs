//! Which directives are accepted, how often, and how one is taken up where it stopped.

use std::sync::Arc;

use control::ControlError;
use control::api::DraftRequest;
use evidence::directive::{ApprovalError, Directive};
use evidence::entry::Kind;
use ledger::register::Register as _;
use policy::in_force::InForce;

use crate::world::{World, investigation, request, role, sign};

fn count(world: &World, kind: Kind) -> usize {
    let entries = world.ledger.entries(0..world.ledger.size()).unwrap();
    entries
        .filter(|stored| stored.as_ref().unwrap().parse().unwrap().kind == kind)
        .count()
}

#[tokio::test]
async fn what_two_people_did_not_sign_changes_nothing() {
    let world = World::applied(&[]).await;
    let draft = world.draw_up("police").await;
    let (mayor, counsel) = (sign("mayor", &draft.text), sign("counsel", &draft.text));
    let (size, epoch) = (world.ledger.size(), world.control.health().unwrap().epoch);
    let foreign = sign("somebody", &draft.text);
    for signatures in [
        vec![],
        vec![mayor.as_str()],
        vec![&mayor, &mayor],
        vec![&mayor, &foreign],
    ] {
        let refused = world.control.submit(draft.text.as_bytes(), &signatures).await;
        assert!(
            matches!(refused, Err(ControlError::NotApproved(_))),
            "{refused:?}"
        );
    }
    let changed = draft.text.replace("partner police", "partner transit");
    let refused = world
        .control
        .submit(changed.as_bytes(), &[&mayor, &counsel])
        .await;
    assert!(
        matches!(
            refused,
            Err(ControlError::NotApproved(ApprovalError::DoesNotFit { .. }))
        ),
        "{refused:?}"
    );
    assert_eq!(
        (world.ledger.size(), world.control.health().unwrap().epoch),
        (size, epoch)
    );
    assert!(world.log_in(&investigation()).await.is_ok());
}

#[tokio::test]
async fn the_same_directive_twice_is_done_once() {
    let world = World::applied(&[]).await;
    let draft = world.draw_up("police").await;
    assert_eq!(draft.would_cut.len(), 2);
    let first = world.submit(&draft.text).await.unwrap();
    let (size, epoch) = (world.ledger.size(), world.control.health().unwrap().epoch);
    let second = world.submit(&draft.text).await.unwrap();
    assert_eq!(first, second);
    assert_eq!(
        (world.ledger.size(), world.control.health().unwrap().epoch),
        (size, epoch)
    );
    for kind in [Kind::CarriedOut, Kind::Closed, Kind::Census] {
        assert_eq!(count(&world, kind), 1, "{kind}");
    }
    assert_eq!(count(&world, Kind::Directive), 2, "this one, and the approval");
}

#[tokio::test]
async fn after_a_restart_it_is_still_known() {
    let mut world = World::applied(&[]).await;
    let draft = world.draw_up("police").await;
    let first = world.submit(&draft.text).await.unwrap();
    world.restart();
    assert_eq!(world.submit(&draft.text).await.unwrap(), first);
    assert_eq!(world.control.directives().len(), 2);
    assert_eq!(world.drift().await.steps, [], "what was ended stays ended");
    assert_eq!(world.draw_up("transit").await.number.as_str(), "D-2026-0003");
}

#[tokio::test]
async fn numbers_nonces_and_ledgers_of_others_are_refused() {
    let world = World::applied(&[]).await;
    let (first, second) = (world.draw_up("police").await, world.draw_up("transit").await);
    assert_eq!(
        first.number, second.number,
        "both were drawn up before either was submitted"
    );
    world.submit(&first.text).await.unwrap();
    let taken = world.submit(&second.text).await;
    assert!(matches!(taken, Err(ControlError::NumberTaken(_))), "{taken:?}");

    let line = |text: &str, key: &str| {
        text.lines()
            .find(|line| line.starts_with(key))
            .unwrap()
            .to_owned()
    };
    let renumbered = second.text.replace("D-2026-0002", "D-2026-0003");
    let nonce = renumbered.replace(&line(&second.text, "nonce "), &line(&first.text, "nonce "));
    let used = world.submit(&nonce).await;
    assert!(matches!(used, Err(ControlError::NonceUsed { .. })), "{used:?}");

    let root = "ledger-root AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=";
    let foreign = world
        .submit(&renumbered.replace(&line(&renumbered, "ledger-root "), root))
        .await;
    assert!(
        matches!(foreign, Err(ControlError::ForeignLedger(_))),
        "{foreign:?}"
    );
    let future = world
        .submit(&renumbered.replace(&line(&renumbered, "ledger-size "), "ledger-size 999999"))
        .await;
    assert!(
        matches!(future, Err(ControlError::ForeignLedger(999_999))),
        "{future:?}"
    );
    assert!(world.log_in(&role("transit-2020", "planning")).await.is_ok());
    assert!(world.submit(&renumbered).await.unwrap().complete);
}

#[tokio::test]
async fn a_root_that_nobody_kept_is_computed() {
    let mut world = World::applied(&[]).await;
    let draft = world.draw_up("police").await;
    let directive = Directive::parse(draft.text.as_bytes()).unwrap();
    assert!(
        world
            .register
            .read(&format!("drawn-up/{}", directive.ledger_size))
            .unwrap()
            .is_some()
    );
    let path = world.dir.path().join("second.db");
    world.register = Arc::new(ledger::register::SqliteRegister::open(&path).unwrap());
    world.restart();
    assert!(world.submit(&draft.text).await.unwrap().complete);
}

#[tokio::test]
async fn scopes_that_are_not_there_are_refused() {
    let world = World::applied(&[]).await;
    let ask = |partner: &str, agreement: Option<&str>, purpose: Option<&str>| DraftRequest {
        agreement: agreement.map(|id| id.parse().unwrap()),
        purpose: purpose.map(|id| id.parse().unwrap()),
        ..request(partner)
    };
    let unknown = world.control.draw_up(ask("navy", None, None)).await;
    assert!(matches!(unknown, Err(ControlError::UnknownPartner(_))));
    for (agreement, purpose) in [
        (Some("transit-2020"), None),
        (None, Some("planning")),
        (Some("police-2018"), Some("planning")),
    ] {
        let unknown = world.control.draw_up(ask("police", agreement, purpose)).await;
        assert!(
            matches!(unknown, Err(ControlError::UnknownScope { .. })),
            "{unknown:?}"
        );
    }
}

#[tokio::test]
async fn one_purpose_ends_alone() {
    let world = World::applied(&[]).await;
    let narrowed = DraftRequest {
        purpose: Some("audit".parse().unwrap()),
        ..request("police")
    };
    let draft = world.control.draw_up(narrowed).await.unwrap();
    assert_eq!(draft.would_cut.len(), 1);
    let outcome = world.submit(&draft.text).await.unwrap();
    assert!(outcome.complete && !outcome.log_closed);
    assert_eq!(outcome.roles.len(), 1);
    assert!(world.log_in(&role("police-2018", "audit")).await.is_err());
    assert!(world.log_in(&investigation()).await.is_ok());
    assert_eq!(world.drift().await.steps, []);
    let refused = world.control.certificate(&outcome.number, None).await;
    assert!(
        matches!(refused, Err(ControlError::NoCertificate { .. })),
        "{refused:?}"
    );
    // The rest of the partner ends, and with it its log.
    let outcome = world.terminate("police").await;
    assert!(outcome.complete && outcome.log_closed);
    assert_eq!(outcome.roles.len(), 2);
}

#[tokio::test]
async fn a_database_that_is_down_is_recorded_as_not_done_and_taken_up_later() {
    let mut world = World::applied(&[]).await;
    let draft = world.draw_up("police").await;
    world.server.stop();
    let outcome = world.submit(&draft.text).await.unwrap();
    assert!(!outcome.complete && !outcome.log_closed);
    assert!(
        outcome
            .steps
            .iter()
            .any(|step| step.result.starts_with("NOT done")),
        "{:?}",
        outcome.steps
    );
    // Gateways have been told all the same.
    let policy: InForce =
        serde_json::from_slice(&world.register.read("policy").unwrap().unwrap().value).unwrap();
    assert_eq!(policy.ended.len(), 1);
    assert_eq!(policy.epoch.0, 2);
    world.server.run().await;
    world.restart();
    let outcome = world.submit(&draft.text).await.unwrap();
    assert!(outcome.complete && outcome.log_closed, "{outcome:#?}");
    assert_eq!(outcome.epoch.unwrap().0, 2, "the epoch moved once");
    assert_eq!(
        (count(&world, Kind::Directive), count(&world, Kind::CarriedOut)),
        (2, 2)
    );
    assert!(world.log_in(&investigation()).await.is_err());
}

#[tokio::test]
async fn the_policy_says_what_is_ended_and_nothing_else_changes() {
    let world = World::applied(&[]).await;
    let read = || -> InForce {
        serde_json::from_slice(&world.register.read("policy").unwrap().unwrap().value).unwrap()
    };
    let before = read();
    let outcome = world.terminate("police").await;
    let after = read();
    assert_eq!(after.epoch, outcome.epoch.unwrap());
    assert_eq!(
        (&before.agreements, &before.partners),
        (&after.agreements, &after.partners)
    );
    assert_eq!(after.ended[0].directive, outcome.number);
    // Applying the unchanged estate keeps it so.
    let applied = world.control.apply(&[]).await.unwrap();
    assert_eq!(
        (applied.epoch, applied.moved, applied.opened.len()),
        (after.epoch, false, 0)
    );
    assert_eq!(read(), after);
}
