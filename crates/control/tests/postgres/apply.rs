//! Applying: once it does everything, twice it does nothing, and it refuses beside what is open.

use control::ControlError;
use evidence::entry::Kind;
use tokio_postgres::NoTls;

use crate::world::{World, investigation, role};

fn kinds(world: &World) -> Vec<Kind> {
    world
        .ledger
        .entries(0..world.ledger.size())
        .unwrap()
        .map(|stored| stored.unwrap().parse().unwrap().kind)
        .collect()
}

#[tokio::test]
async fn once_applied_nothing_is_left_to_do() {
    let world = World::new().await;
    assert!(!world.drift().await.steps.is_empty());
    let applied = world.control.apply(&[]).await.unwrap();
    assert!(applied.moved);
    assert_eq!(applied.epoch.0, 1);
    assert_eq!(applied.opened.len(), 2);
    assert_eq!(world.drift().await.steps, []);
    let size = world.ledger.size();
    let again = world.control.apply(&[]).await.unwrap();
    assert!(!again.moved && again.plans[0].steps.is_empty() && again.opened.is_empty());
    assert_eq!(again.epoch.0, 1);
    assert_eq!(world.ledger.size(), size);
    assert_eq!(
        kinds(&world),
        [
            Kind::Genesis,
            Kind::Directive,
            Kind::Applied,
            Kind::Opened,
            Kind::Opened,
            Kind::Epoch
        ]
    );
}

#[tokio::test]
async fn no_password_or_verifier_is_recorded_or_shown() {
    let world = World::applied(&[]).await;
    for stored in world.ledger.entries(0..world.ledger.size()).unwrap() {
        let record = String::from_utf8(stored.unwrap().record).unwrap();
        assert!(!record.contains("SCRAM-SHA-256$"));
        assert!(!record.contains(&world.password(&investigation())));
    }
}

#[tokio::test]
async fn a_role_sees_its_rows_and_columns_through_masks_and_nothing_else() {
    let world = World::applied(&[]).await;
    let session = world.log_in(&investigation()).await.unwrap();
    let row = session
        .query_one("select count(*), max(born)::text, min(name) from people", &[])
        .await
        .unwrap();
    assert_eq!(row.get::<_, i64>(0), 5000);
    assert_eq!(row.get::<_, String>(1), "1993-01-01");
    assert_eq!(row.get::<_, String>(2), "Person 1");
    let hidden = session
        .query("select 1 from people where name like 'Zoe%'", &[])
        .await
        .unwrap();
    assert!(hidden.is_empty());
    for sql in ["select ssn from people", "select sealed from people"] {
        assert_eq!(
            session
                .simple_query(sql)
                .await
                .unwrap_err()
                .code()
                .unwrap()
                .code(),
            "42703",
            "{sql}"
        );
    }
    let other = format!("select * from {}.people", role("transit-2020", "planning"));
    for sql in [
        "select * from app.people",
        "select count(*) from app.people",
        &other,
    ] {
        assert_eq!(
            session
                .simple_query(sql)
                .await
                .unwrap_err()
                .code()
                .unwrap()
                .code(),
            "42501",
            "{sql}"
        );
    }
}

#[tokio::test]
async fn the_views_mean_the_same_whatever_the_search_path_of_who_reads() {
    let world = World::applied(&[]).await;
    let admin = world.admin().await;
    let plot =
        "create schema plot; create table plot.people (id bigint); create function plot.date_part(text, date)
        returns double precision language sql as 'select 1'; grant usage on schema plot to public";
    admin.batch_execute(plot).await.unwrap();
    let session = world.log_in(&investigation()).await.unwrap();
    session
        .batch_execute("set search_path = plot, pg_catalog")
        .await
        .unwrap();
    let view = format!("select count(*), max(born)::text from {}.people", investigation());
    let row = session.query_one(&view, &[]).await.unwrap();
    assert_eq!(row.get::<_, i64>(0), 5000);
    assert_eq!(row.get::<_, String>(1), "1993-01-01");
}

#[tokio::test]
async fn what_is_open_to_everybody_stops_it_and_nothing_is_changed() {
    let cases = [
        "create function public.lookup(bigint) returns text language sql security definer
            as 'select name from app.people where id = $1'",
        "grant create on schema public to public",
        "grant usage on schema app to public; grant select (ssn) on app.people to public",
        "create extension postgres_fdw; grant usage on foreign data wrapper postgres_fdw to public",
        "create extension dblink",
        "alter table app.people alter column sealed drop not null",
        "alter table app.people rename column born to birth",
        "alter table app.people alter column id type integer",
        "drop table app.people",
    ];
    let world = World::new().await;
    for open in cases {
        world
            .server
            .superuser("postgres")
            .await
            .batch_execute("drop database if exists saved")
            .await
            .unwrap();
        let copy = "create database saved template records";
        world
            .server
            .superuser("postgres")
            .await
            .batch_execute(copy)
            .await
            .unwrap();
        world
            .admin()
            .await
            .batch_execute(open)
            .await
            .unwrap_or_else(|error| panic!("{open}: {error}"));
        let refused = world.control.apply(&[]).await;
        assert!(
            matches!(refused, Err(ControlError::Blocked(_))),
            "{open}: {refused:?}"
        );
        let roles = world
            .admin()
            .await
            .query("select 1 from pg_roles where rolname like 'estop%'", &[])
            .await
            .unwrap();
        assert!(roles.is_empty(), "{open}");
        assert_eq!(world.ledger.size(), 2);
        let server = world.server.superuser("postgres").await;
        server
            .batch_execute("drop database records with (force)")
            .await
            .unwrap();
        server
            .batch_execute("alter database saved rename to records")
            .await
            .unwrap();
    }
    world.control.apply(&[]).await.unwrap();
}

#[tokio::test]
async fn the_statements_of_a_finding_close_it() {
    let world = World::new().await;
    let open = "create extension dblink; grant create on schema public to public;
        create function public.f() returns int language sql security definer as 'select 1'";
    world.admin().await.batch_execute(open).await.unwrap();
    let Err(ControlError::Blocked(findings)) = world.control.apply(&[]).await else {
        panic!("not blocked")
    };
    for statement in findings.iter().flat_map(|finding| &finding.close) {
        world
            .admin()
            .await
            .batch_execute(statement)
            .await
            .unwrap_or_else(|error| panic!("{statement}: {error}"));
    }
    world.control.apply(&[]).await.unwrap();
}

#[tokio::test]
async fn the_custodians_own_roles_keep_what_everybody_loses() {
    let world = World::new().await;
    world
        .admin()
        .await
        .batch_execute("set password_encryption = 'scram-sha-256'; alter role clerk password 'clerk'")
        .await
        .unwrap();
    world.control.apply(&[]).await.unwrap();
    let mut config = world.server.config("clerk", "records");
    config.password("clerk");
    let (clerk, driver) = config.connect(NoTls).await.unwrap();
    tokio::spawn(driver);
    for sql in [
        "create temp table t (i int)",
        "do $$ begin end $$",
        "select pg_advisory_lock(1)",
        "select count(*) from pg_stat_activity",
        "select pg_sleep(0), pg_total_relation_size('app.people')",
        "select count(*) from app.people",
    ] {
        clerk
            .simple_query(sql)
            .await
            .unwrap_or_else(|error| panic!("{sql}: {error:?}"));
    }
    let denied = clerk
        .simple_query(&format!("select * from {}.people", investigation()))
        .await
        .unwrap_err();
    assert_eq!(denied.code().unwrap().code(), "42501");
}

#[tokio::test]
async fn a_plan_other_than_the_one_shown_is_not_applied() {
    let world = World::new().await;
    let shown = world.drift().await;
    world
        .admin()
        .await
        .batch_execute("create role estop_owner superuser")
        .await
        .unwrap();
    let refused = world.control.apply(&[(shown.upstream, shown.fingerprint)]).await;
    assert!(matches!(refused, Err(ControlError::PlanChanged)), "{refused:?}");
    let shown = world.drift().await;
    world
        .control
        .apply(&[(shown.upstream, shown.fingerprint)])
        .await
        .unwrap();
}

#[tokio::test]
async fn a_lost_password_is_drawn_again() {
    let mut world = World::applied(&[]).await;
    let before = world.password(&investigation());
    let path = world.dir.path().join("second.db");
    world.register = std::sync::Arc::new(ledger::register::SqliteRegister::open(&path).unwrap());
    world.restart();
    assert_eq!(world.drift().await.steps.len(), 3);
    let applied = world.control.apply(&[]).await.unwrap();
    assert_eq!(applied.epoch.0, 2, "the epoch of the ledger is not forgotten");
    assert_ne!(world.password(&investigation()), before);
    assert!(world.log_in(&investigation()).await.is_ok());
    assert_eq!(world.drift().await.steps, []);
}
