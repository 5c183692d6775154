//! The watch: what `serve` does again and again, look by look.

use std::collections::BTreeSet;

use control::{Control, PlaceState, Sighting};
use evidence::entry::Kind;
use evidence::id::PartnerId;
use evidence::record::{self, DriftRecord};
use ledger::Ledger;
use ledger::register::Register;
use policy::in_force::InForce;

use crate::world::{World, investigation};

const CUT: &str = "\n[watch]\nevery_seconds = 5\non_drift = \"cut\"\n";

const OPEN_TO_ALL: &str = "grant usage on schema app to public; grant select on app.people to public";

/// A world in which the estate is applied and drift cuts.
async fn cutting() -> World {
    let mut world = World::unapproved(&[]).await;
    cut(&mut world);
    world.approve().await.unwrap();
    world.control.apply(&[]).await.unwrap();
    world
}

fn cut(world: &mut World) {
    world.restart_with(|files| files.get_mut("estop.toml").unwrap().push_str(CUT));
}

async fn change(world: &World, sql: &str) {
    world.admin().await.batch_execute(sql).await.unwrap();
}

/// One look: what was said, and whether something could not be looked at.
async fn try_look(control: &Control) -> (Vec<Sighting>, bool) {
    let mut news = Vec::new();
    let again = control.look(&mut |one| news.push(one)).await.unwrap();
    (news, again)
}

/// One look, which must find everything reachable.
pub(crate) async fn look(control: &Control) -> Vec<Sighting> {
    let (news, again) = try_look(control).await;
    assert!(!again);
    news
}

/// What the ledger says of drift.
fn recorded(world: &World) -> Vec<DriftRecord> {
    drifts(&world.ledger)
}

pub(crate) fn drifts(ledger: &Ledger) -> Vec<DriftRecord> {
    let entries = ledger.entries(0..ledger.size()).unwrap();
    let entries = entries.map(Result::unwrap);
    entries
        .filter(|stored| stored.parse().unwrap().kind == Kind::Drift)
        .map(|stored| record::decode(&stored.record).unwrap())
        .collect()
}

fn policy(world: &World) -> InForce {
    let found = world.register.read("policy").unwrap().unwrap();
    serde_json::from_slice(&found.value).unwrap()
}

fn partners(ids: &[&str]) -> BTreeSet<PartnerId> {
    ids.iter().map(|id| id.parse().unwrap()).collect()
}

#[tokio::test]
async fn a_drift_is_recorded_once_and_so_is_its_end() {
    let mut world = World::applied(&[]).await;
    assert_eq!(look(&world.control).await, []);
    let role = investigation();
    change(&world, &format!("grant select (ssn) on app.people to {role}")).await;
    let news = look(&world.control).await;
    let [said] = news.as_slice() else {
        panic!("one thing has happened: {news:?}")
    };
    let words = said.to_string();
    for part in [
        "`main`",
        "OPENS",
        "`police` under `police-2018` for `investigation`",
        "app.people.ssn",
    ] {
        assert!(words.contains(part), "{part}: {words}");
    }
    assert!(!words.contains("held"), "{words}");
    assert_eq!(look(&world.control).await, [], "the same is not said again");
    world.restart();
    assert_eq!(look(&world.control).await, [], "nor after a restart");
    let state = world.control.status().unwrap().watch;
    assert_eq!(state.places[0].state, PlaceState::Drift);
    assert!(
        state.places[0].opens && state.places[0].words[0].starts_with("opens: "),
        "{state:?}"
    );
    // Another beside it is another drift.
    change(&world, &format!("alter role {role} valid until '2030-01-01'")).await;
    assert!(
        matches!(look(&world.control).await.as_slice(), [Sighting::Changed { differences, .. }] if differences.len() == 2)
    );
    world.control.apply(&[]).await.unwrap();
    assert_eq!(look(&world.control).await, []);
    change(&world, &format!("revoke select on {role}.people from {role}")).await;
    let news = look(&world.control).await;
    assert!(news[0].to_string().contains("closes: "), "{news:?}");
    change(
        &world,
        &format!("set role estop_owner; grant select on {role}.people to {role}"),
    )
    .await;
    let news = look(&world.control).await;
    assert!(
        matches!(news.as_slice(), [Sighting::Closed { held, .. }] if held.is_empty()),
        "{news:?}"
    );
    assert_eq!(
        world.control.status().unwrap().watch.places[0].state,
        PlaceState::AsApplied
    );
    let told: Vec<_> = recorded(&world)
        .into_iter()
        .map(|record| {
            (
                record.done.to_string(),
                record.opens,
                record.count,
                record.fingerprint.is_empty(),
            )
        })
        .collect();
    let row = |done: &str, opens, count, ended| (done.to_owned(), opens, count, ended);
    assert_eq!(
        told,
        [
            row("alarm", true, 1, false),
            row("alarm", true, 2, false),
            row("applied", false, 0, true),
            row("alarm", false, 1, false),
            row("closed", false, 0, true),
        ]
    );
    assert_eq!(policy(&world).held, BTreeSet::new());
}

#[tokio::test]
async fn whom_a_drift_opens_something_to_is_held_until_the_estate_is_applied() {
    let mut world = cutting().await;
    assert_eq!(look(&world.control).await, []);
    let (role, before) = (investigation(), policy(&world));
    // What closes something holds nobody.
    change(&world, &format!("revoke select on {role}.people from {role}")).await;
    assert_eq!(look(&world.control).await.len(), 1);
    assert_eq!(policy(&world), before);
    change(
        &world,
        &format!("alter view {role}.people reset (security_barrier)"),
    )
    .await;
    let news = look(&world.control).await;
    assert!(
        news[0].to_string().contains("held, sessions ended: `police`"),
        "{news:?}"
    );
    let held = policy(&world);
    assert_eq!(
        (held.held.clone(), held.epoch),
        (partners(&["police"]), before.epoch.next().unwrap())
    );
    // It is put right by hand, or by whoever changed it: the hold stays, whatever comes.
    change(
        &world,
        &format!(
            "alter view {role}.people set (security_barrier = true); set role estop_owner; grant select on {role}.people to {role}"
        ),
    )
    .await;
    let news = look(&world.control).await;
    assert!(
        news[0].to_string().contains("`estop apply` lifts that"),
        "{news:?}"
    );
    cut(&mut world);
    assert_eq!(look(&world.control).await, []);
    assert!(world.terminate("transit").await.complete);
    assert_eq!(policy(&world).held, partners(&["police"]));
    let status = world.control.status().unwrap();
    let lines: Vec<_> = status
        .partners
        .iter()
        .map(|line| (line.id.as_str(), line.held))
        .collect();
    assert_eq!(lines, [("police", true), ("transit", false)]);
    // The process ended after it had recorded the hold and before it had published it.
    let found = world.register.read("policy").unwrap().unwrap();
    let mut forgotten: InForce = serde_json::from_slice(&found.value).unwrap();
    forgotten.held = BTreeSet::new();
    let bytes = serde_json::to_vec(&forgotten).unwrap();
    world
        .register
        .compare_and_swap("policy", found.version, &bytes)
        .unwrap();
    cut(&mut world);
    assert_eq!(look(&world.control).await, []);
    assert_eq!(policy(&world).held, partners(&["police"]));
    let applied = world.control.apply(&[]).await.unwrap();
    assert!(applied.moved);
    assert_eq!(policy(&world).held, BTreeSet::new());
    assert_eq!(look(&world.control).await, []);
    assert_eq!(recorded(&world).last().unwrap().done.as_str(), "applied");
    // What cannot be said to be for somebody is for all; those who were ended have nothing to be held.
    change(&world, "grant select on app.people to estop_owner").await;
    look(&world.control).await;
    assert_eq!(policy(&world).held, partners(&["police"]));
    // What blocks keeps `apply` from lifting anything.
    change(&world, "create extension dblink").await;
    look(&world.control).await;
    assert!(world.control.apply(&[]).await.is_err());
    assert_eq!(policy(&world).held, partners(&["police"]));
    change(&world, "drop extension dblink").await;
    world.control.apply(&[]).await.unwrap();
    assert_eq!(policy(&world).held, BTreeSet::new());
}

#[tokio::test]
async fn what_names_no_partner_holds_all() {
    let world = cutting().await;
    change(&world, OPEN_TO_ALL).await;
    look(&world.control).await;
    assert_eq!(policy(&world).held, partners(&["police", "transit"]));
}

#[tokio::test]
async fn a_database_that_cannot_be_looked_at_is_said_to_be_so() {
    let mut world = cutting().await;
    assert_eq!(look(&world.control).await, []);
    change(&world, OPEN_TO_ALL).await;
    assert_eq!(look(&world.control).await.len(), 1);
    world.server.stop();
    let first = try_look(&world.control).await;
    assert!(first.1 && first.0.is_empty(), "a restart is not said: {first:?}");
    let (second, _) = try_look(&world.control).await;
    let [said] = second.as_slice() else {
        panic!("{second:?}")
    };
    let words = said.to_string();
    assert!(
        words.contains("could not be looked at since") && words.contains("cannot be reached"),
        "{words}"
    );
    assert_eq!(try_look(&world.control).await.0, [], "it is said once");
    let line = world.control.status().unwrap().watch.places[0].clone();
    assert_eq!((line.state, line.held.len()), (PlaceState::CouldNotLook, 2));
    world.server.run().await;
    // What stood there before is news again: nobody knew meanwhile.
    assert!(matches!(
        look(&world.control).await.as_slice(),
        [Sighting::Changed { .. }]
    ));
    world.control.apply(&[]).await.unwrap_err();
    change(
        &world,
        "revoke select on app.people from public; revoke usage on schema app from public",
    )
    .await;
    world.control.apply(&[]).await.unwrap();
    let done: Vec<_> = recorded(&world)
        .iter()
        .map(|record| record.done.to_string())
        .collect();
    assert_eq!(done, ["cut", "could-not-look", "alarm", "applied"]);
}

#[tokio::test]
async fn what_is_seen_while_somebody_works_does_not_count() {
    let world = cutting().await;
    let gateway = world.gateway("one");
    change(&world, OPEN_TO_ALL).await;
    // A look that has begun waits for this lock until the directive has begun as well.
    let admin = world.admin().await;
    admin
        .batch_execute("begin; lock pg_catalog.pg_publication")
        .await
        .unwrap();
    let waits = "select count(*) from pg_locks where not granted and relation = 'pg_publication'::regclass";
    let working = async {
        while admin.query_one(waits, &[]).await.unwrap().get::<_, i64>(0) == 0 {}
        let releasing = async {
            while policy(&world).ended.is_empty() {
                tokio::task::yield_now().await;
            }
            admin.batch_execute("rollback").await.unwrap();
        };
        let (ended, ()) = tokio::join!(world.terminate("transit"), releasing);
        assert!(ended.complete);
    };
    let (looked, ()) = tokio::join!(try_look(&world.control), working);
    assert_eq!(looked, (Vec::new(), true));
    // The same for what begins while somebody works.
    let draft = world.draw_up("police").await;
    let (ended, looked) = tokio::join!(world.submit(&draft.text), try_look(&world.control));
    assert!(ended.unwrap().complete);
    assert_eq!(looked, (Vec::new(), true));
    assert_eq!(recorded(&world), []);
    gateway.abort();
    assert!(matches!(
        look(&world.control).await.as_slice(),
        [Sighting::Changed { .. }]
    ));
    assert_eq!(policy(&world).held, BTreeSet::new(), "both have been ended");
}

#[tokio::test]
async fn only_what_was_applied_is_compared() {
    let mut world = World::with(&[]).await;
    assert_eq!(look(&world.control).await, [], "nothing was applied yet");
    world.control.apply(&[]).await.unwrap();
    cut(&mut world);
    let news = look(&world.control).await;
    assert_eq!(news, [Sighting::NotApplied]);
    change(&world, OPEN_TO_ALL).await;
    assert_eq!(look(&world.control).await, [], "it is said once");
    assert!(!world.control.status().unwrap().watch.applied);
    assert_eq!(recorded(&world), []);
    world.restart();
    assert_eq!(look(&world.control).await.len(), 1);
}

#[tokio::test]
async fn a_look_writes_nothing() {
    let world = World::applied(&[("autovacuum", "off")]).await;
    assert_eq!(look(&world.control).await, []);
    let admin = world.admin().await;
    let next = || async {
        let row = admin
            .query_one("select txid_snapshot_xmax(txid_current_snapshot())", &[])
            .await
            .unwrap();
        row.get::<_, i64>(0)
    };
    let before = next().await;
    assert_eq!(look(&world.control).await, []);
    assert_eq!(next().await, before, "no transaction id is used");
    // And it still sees what happens to what it remembers the print of.
    admin
        .batch_execute("alter table app.people rename column born to birthday")
        .await
        .unwrap();
    assert_eq!(look(&world.control).await.len(), 1);
}

/// PostgreSQL 13 keeps passwords otherwise by itself, and the server lets nobody in by those.
const SCRAM: &str = "set password_encryption = 'scram-sha-256'";

#[tokio::test]
async fn the_probe_tries_what_a_termination_has_closed() {
    let world = World::applied(&[]).await;
    let role = investigation();
    let before = world.password(&role);
    assert!(world.terminate("police").await.complete);
    assert_eq!(look(&world.control).await, []);
    let says = |news: &[Sighting]| {
        let [Sighting::Changed { differences, .. }] = news else {
            panic!("{news:?}");
        };
        differences
            .iter()
            .any(|one| one.words.contains("is let in with the password"))
    };
    // A login with another password is drift, and lets nobody in who had one.
    change(
        &world,
        &format!(
            "{SCRAM}; alter role {role} login password 'other' connection limit 5; grant connect on database records to {role}"
        ),
    )
    .await;
    assert!(!says(&look(&world.control).await));
    change(&world, &format!("{SCRAM}; alter role {role} password '{before}'")).await;
    assert!(says(&look(&world.control).await));
    let last = recorded(&world).pop().unwrap();
    assert!(last.opens && last.count > 1, "{last:?}");
    assert_eq!(look(&world.control).await, [], "told once");
    world.control.apply(&[]).await.unwrap();
    assert_eq!(look(&world.control).await, []);
}
