//! After a termination nothing reads: not an open session, not a cursor, not a prepared transaction, not a login that was
//! on its way.

use std::time::Duration;

use evidence::certificate;
use evidence::entry::Kind;
use tokio_postgres::error::SqlState;

use crate::world::{World, investigation, role, signer};

/// Looks for something that comes by itself, and the time between two.
const LOOKS: u32 = 400;
const LOOK: Duration = Duration::from_millis(10);

#[tokio::test]
async fn open_sessions_and_held_cursors_end() {
    let world = World::applied(&[]).await;
    let name = investigation();
    let idle = world.log_in(&name).await.unwrap();
    let reading = world.log_in(&name).await.unwrap();
    let holding = world.log_in(&name).await.unwrap();
    let spared = world.log_in(&role("transit-2020", "planning")).await.unwrap();
    reading
        .batch_execute("begin isolation level repeatable read; declare c cursor for select * from people")
        .await
        .unwrap();
    reading.simple_query("fetch 10 from c").await.unwrap();
    holding
        .batch_execute("begin; declare h cursor with hold for select * from people; commit")
        .await
        .unwrap();
    let prepared = holding.prepare("select count(*) from people").await.unwrap();
    holding.query_one(&prepared, &[]).await.unwrap();

    let outcome = world.terminate("police").await;
    assert!(outcome.complete, "{outcome:#?}");
    for (session, sql) in [
        (&idle, "select 1"),
        (&reading, "fetch 10 from c"),
        (&holding, "fetch 10 from h"),
    ] {
        let error = session.simple_query(sql).await.unwrap_err();
        assert!(
            error.is_closed() || error.code() == Some(&SqlState::ADMIN_SHUTDOWN),
            "{sql}: {error:?}"
        );
    }
    assert!(holding.query_one(&prepared, &[]).await.is_err());
    let ended = outcome
        .roles
        .iter()
        .find(|evidence| evidence.role == name)
        .unwrap();
    assert_eq!(ended.backends_ended, 3);
    for evidence in &outcome.roles {
        assert!(
            !evidence.can_login && !evidence.has_password && !evidence.can_connect,
            "{evidence:?}"
        );
        assert_eq!(
            (evidence.backends_left, evidence.readable_relations),
            (0, 0),
            "{evidence:?}"
        );
    }
    let error = world.log_in(&name).await.expect_err("no login");
    assert_eq!(error.code(), Some(&SqlState::INVALID_PASSWORD));
    // Nobody else noticed.
    assert!(spared.simple_query("select count(*) from people").await.is_ok());
    assert_eq!(world.drift().await.steps, []);
}

#[tokio::test]
async fn a_prepared_transaction_is_rolled_back() {
    let world = World::applied(&[("max_prepared_transactions", "5")]).await;
    let session = world.log_in(&investigation()).await.unwrap();
    session
        .batch_execute("begin; select * from people limit 1; prepare transaction 'x''y'")
        .await
        .unwrap();
    let outcome = world.terminate("police").await;
    assert!(outcome.complete, "{outcome:#?}");
    assert_eq!(
        outcome
            .roles
            .iter()
            .map(|evidence| evidence.prepared_rolled_back)
            .sum::<u64>(),
        1
    );
    let left = world
        .admin()
        .await
        .query("select 1 from pg_prepared_xacts", &[])
        .await
        .unwrap();
    assert!(left.is_empty());
}

#[tokio::test]
async fn a_prepared_transaction_out_of_reach_is_recorded_as_not_done() {
    let world = World::applied(&[("max_prepared_transactions", "5")]).await;
    let name = investigation();
    let admin = world.server.superuser("postgres").await;
    admin
        .batch_execute(&format!("grant connect on database postgres to {name}"))
        .await
        .unwrap();
    let mut config = world.server.config(&name, "postgres");
    config.password(world.password(&name));
    let session = crate::server::connect(&config).await.unwrap();
    session
        .batch_execute("begin; select 1; prepare transaction 'far'")
        .await
        .unwrap();
    let outcome = world.terminate("police").await;
    assert!(!outcome.complete && !outcome.log_closed);
    let step = outcome
        .steps
        .iter()
        .find(|step| step.what.contains("prepared"))
        .unwrap();
    assert!(step.result.starts_with("NOT done") && step.result.contains("`far` lies in database `postgres`"));
    // Once somebody has seen to it, the same directive is taken up and comes to its end.
    admin.batch_execute("rollback prepared 'far'").await.unwrap();
    let number = outcome.number.clone();
    let text = directive_text(&world, number.as_str());
    let outcome = world.submit(&text).await.unwrap();
    assert!(outcome.complete && outcome.log_closed, "{outcome:#?}");
}

fn directive_text(world: &World, number: &str) -> String {
    let entries = world
        .ledger
        .entries(0..world.ledger.size())
        .unwrap()
        .map(Result::unwrap);
    let records = entries.filter(|stored| stored.parse().unwrap().kind == Kind::Directive);
    let mut records = records
        .map(|stored| evidence::record::decode::<evidence::record::DirectiveRecord>(&stored.record).unwrap());
    records
        .find(|record| record.number.as_str() == number)
        .unwrap()
        .text
}

#[tokio::test]
async fn a_login_past_authentication_finds_nothing_to_read() {
    let world = World::applied(&[]).await;
    let name = investigation();
    let mut config = world.server.config(&name, "records");
    // The server sleeps between authentication and the moment at which it shows the backend to others.
    config
        .password(world.password(&name))
        .options("-c post_auth_delay=4");
    let coming = tokio::spawn(async move { crate::server::connect(&config).await });
    let is_past = |title: &String| title.contains(&name) && title.ends_with("startup");
    for look in 0.. {
        if world.server.titles().iter().any(is_past) {
            break;
        }
        assert!(
            look < LOOKS,
            "no backend is coming up: {:?}",
            world.server.titles()
        );
        tokio::time::sleep(LOOK).await;
    }
    let outcome = world.terminate("police").await;
    assert!(outcome.complete, "{outcome:#?}");
    if let Ok(late) = coming.await.unwrap() {
        let error = late
            .simple_query(&format!("select * from {name}.people"))
            .await
            .unwrap_err();
        assert_eq!(error.code(), Some(&SqlState::INSUFFICIENT_PRIVILEGE));
    }
    // Applying sweeps it out.
    world.control.apply(&[]).await.unwrap();
    let count = "select count(*) from pg_stat_activity where usename = $1";
    for look in 0.. {
        let left: i64 = world
            .admin()
            .await
            .query_one(count, &[&name])
            .await
            .unwrap()
            .get(0);
        if left == 0 {
            break;
        }
        assert!(look < LOOKS, "{left} left");
        tokio::time::sleep(LOOK).await;
    }
}

#[tokio::test]
async fn what_was_given_behind_our_back_is_gone_too() {
    let world = World::applied(&[]).await;
    let name = investigation();
    let plot = format!(
        "alter role {name} superuser; grant pg_monitor to {name}; grant select on app.people to {name};
         grant usage on schema app to {name}; grant {name} to clerk; grant select on {name}.people to public;
         grant usage on schema {name} to public"
    );
    world.admin().await.batch_execute(&plot).await.unwrap();
    let outcome = world.terminate("police").await;
    assert!(outcome.complete, "{outcome:#?}");
    let evidence = outcome
        .roles
        .iter()
        .find(|evidence| evidence.role == name)
        .unwrap();
    assert_eq!(evidence.readable_relations, 0, "{evidence:?}");
    let checks =
        "select rolsuper, pg_has_role('clerk', oid, 'member'), has_table_privilege('clerk', $2, 'select')
        from pg_roles where rolname = $1";
    let view = format!("{name}.people");
    let row = world
        .admin()
        .await
        .query_one(checks, &[&name, &view])
        .await
        .unwrap();
    assert_eq!((row.get(0), row.get(1), row.get(2)), (false, false, false));
}

#[tokio::test]
async fn the_catalogs_evidence_has_the_time_of_its_commit() {
    let world = World::applied(&[("track_commit_timestamp", "on")]).await;
    let outcome = world.terminate("police").await;
    for evidence in &outcome.roles {
        let committed = evidence.committed_at.expect("a commit time");
        assert!(committed > outcome.recorded, "{evidence:?}");
        assert!(outcome.steps.iter().any(|step| step.at > committed));
        assert!(evidence.xmin.parse::<u64>().is_ok());
    }
    assert_eq!(outcome.roles.len(), 2);
}

#[tokio::test]
async fn the_certificate_of_a_termination_verifies() {
    let world = World::applied(&[("track_commit_timestamp", "on")]).await;
    let gateways = [world.gateway("g1"), world.gateway("g2")];
    let early = world
        .control
        .certificate(&"D-2026-0002".parse().unwrap(), None)
        .await;
    assert!(
        matches!(early, Err(control::ControlError::UnknownDirective(_))),
        "{early:?}"
    );
    let outcome = world.terminate("police").await;
    assert!(outcome.complete && outcome.log_closed, "{outcome:#?}");
    assert_eq!(outcome.drained.len(), 2);
    let file = world.control.certificate(&outcome.number, None).await.unwrap();
    let report = certificate::verify(file.as_bytes(), &signer().verifier()).unwrap();
    assert_eq!(report.directive, outcome.number);
    assert_eq!(report.database.roles.len(), 2);
    assert_eq!(report.gateways.len(), 2);
    for gateway in gateways {
        gateway.abort();
    }
}

#[tokio::test]
async fn a_gateway_that_does_not_answer_is_recorded_and_keeps_the_log_open() {
    let world = World::applied(&[]).await;
    use ledger::register::Register as _;
    let version = world
        .register
        .create("gateway/dead", br#"{"epoch":1,"drained":[]}"#)
        .unwrap();
    let outcome = world.terminate("police").await;
    assert!(!outcome.complete && !outcome.log_closed);
    let step = outcome
        .steps
        .iter()
        .find(|step| step.what.contains("gateways"))
        .unwrap();
    assert!(
        step.result.starts_with("NOT done: no answer from dead"),
        "{step:?}"
    );
    assert!(
        outcome
            .roles
            .iter()
            .all(|evidence| !evidence.can_login && evidence.backends_left == 0)
    );
    let refused = world.control.certificate(&outcome.number, None).await;
    assert!(
        matches!(refused, Err(control::ControlError::NoCertificate { .. })),
        "{refused:?}"
    );
    // Taken up meanwhile, it stays as it is.
    let number = std::slice::from_ref(&outcome.number);
    assert_eq!(world.control.stopped_directives(), number);
    let again = world.control.take_up(&outcome.number).await.unwrap().unwrap();
    assert!(!again.complete && !again.log_closed, "{again:#?}");
    // It comes back and says so.
    let state = format!(r#"{{"epoch":2,"drained":["{}"]}}"#, outcome.number);
    world
        .register
        .compare_and_swap("gateway/dead", version, state.as_bytes())
        .unwrap();
    let again = world.control.take_up(&outcome.number).await.unwrap().unwrap();
    assert!(again.complete && again.log_closed, "{again:#?}");
    assert_eq!(world.control.stopped_directives(), []);
    assert_eq!(world.control.take_up(&outcome.number).await.unwrap(), None);
    let same = world
        .submit(&directive_text(&world, outcome.number.as_str()))
        .await
        .unwrap();
    assert!(same.complete && same.log_closed, "{same:#?}");
}
