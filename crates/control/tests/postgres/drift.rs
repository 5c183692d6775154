//! Every change behind our back shows, and applying undoes it.

use crate::world::{World, investigation};

/// Applies a change as a superuser, looks for it in the drift, undoes it by applying, and looks again.
async fn shows_and_is_undone(world: &World, change: &str, sign: &str) {
    world
        .admin()
        .await
        .batch_execute(change)
        .await
        .unwrap_or_else(|error| panic!("{change}: {error}"));
    let drift = world.drift().await;
    let steps: Vec<&str> = drift.steps.iter().map(|step| step.sql.as_str()).collect();
    assert!(
        steps.iter().any(|sql| sql.contains(sign)),
        "{change}: no `{sign}` in {steps:#?}"
    );
    assert!(drift.steps.iter().all(|step| !step.words.is_empty()));
    let applied = world.control.apply(&[]).await;
    assert!(applied.is_ok(), "{change}: {applied:?}");
    let left = world.drift().await.steps;
    assert!(left.is_empty(), "{change}: {left:#?}");
    let session = world
        .log_in(&investigation())
        .await
        .unwrap_or_else(|error| panic!("{change}: {error}"));
    let count = session
        .query_one("select count(*) from people", &[])
        .await
        .unwrap();
    assert_eq!(count.get::<_, i64>(0), 5000, "{change}");
}

#[tokio::test]
async fn rights_and_memberships() {
    let world = World::applied(&[]).await;
    let role = investigation();
    let cases = [
        (
            format!("grant select on app.people to {role}"),
            "REVOKE SELECT ON TABLE \"app\".\"people\"",
        ),
        (
            format!("grant select (ssn) on app.people to {role}"),
            "REVOKE SELECT (\"ssn\")",
        ),
        (
            "grant select on app.people to estop_owner".to_owned(),
            "REVOKE SELECT ON TABLE",
        ),
        (
            format!("grant update on {role}.people to {role}"),
            "REVOKE UPDATE",
        ),
        (
            format!("grant select on {role}.people to clerk"),
            "FROM \"clerk\"",
        ),
        (format!("grant usage on schema {role} to public"), "FROM PUBLIC"),
        (
            format!("grant select on {role}.people to {role} with grant option"),
            "REVOKE SELECT",
        ),
        (
            format!("grant create on schema {role} to {role}"),
            "REVOKE CREATE",
        ),
        (
            format!("revoke select on {role}.people from {role}"),
            "GRANT SELECT",
        ),
        (
            "revoke select (name) on app.people from estop_owner".to_owned(),
            "GRANT SELECT (\"name\")",
        ),
        (format!("grant clerk to {role}"), "REVOKE \"clerk\" FROM"),
        (
            format!("grant pg_monitor to {role}"),
            "REVOKE \"pg_monitor\" FROM",
        ),
        (format!("grant {role} to clerk"), "FROM \"clerk\""),
        (
            "grant estop_owner to clerk".to_owned(),
            "REVOKE \"estop_owner\" FROM \"clerk\"",
        ),
        (
            format!("grant estop_kept to {role}"),
            "REVOKE \"estop_kept\" FROM",
        ),
        (
            format!("grant create on database records to {role}"),
            "REVOKE CREATE ON DATABASE",
        ),
        (
            format!("grant execute on function pg_sleep(float8) to {role}"),
            "REVOKE EXECUTE",
        ),
        (
            format!("grant usage on language plpgsql to {role}"),
            "REVOKE USAGE ON LANGUAGE",
        ),
        (
            format!("alter default privileges in schema app grant select on tables to {role}"),
            "ALTER DEFAULT PRIVILEGES",
        ),
        (
            "grant temporary on database records to public".to_owned(),
            "REVOKE TEMPORARY",
        ),
        (
            "grant connect on database postgres to public".to_owned(),
            "REVOKE CONNECT ON DATABASE \"postgres\"",
        ),
        (
            "grant select on pg_stat_activity to public".to_owned(),
            "pg_stat_activity",
        ),
        (
            "grant execute on function pg_advisory_lock(bigint) to public".to_owned(),
            "pg_advisory_lock",
        ),
        (
            format!(
                "grant usage on schema app to clerk; grant select on app.people to clerk with grant option;
                 set role clerk; grant select on app.people to {role}; reset role"
            ),
            "SET LOCAL ROLE \"clerk\"; REVOKE",
        ),
    ];
    for (change, sign) in cases {
        shows_and_is_undone(&world, &change, sign).await;
    }
}

#[tokio::test]
async fn views_and_schemas() {
    let world = World::applied(&[]).await;
    let role = investigation();
    let cases = [
        (
            format!(
                "create or replace view {role}.people with (security_barrier) as select id, name, born from app.people"
            ),
            "DROP VIEW",
        ),
        (
            format!(
                "create or replace view {role}.people with (security_barrier) as select id, name, born, ssn from app.people where not sealed"
            ),
            "DROP VIEW",
        ),
        (
            format!("alter view {role}.people reset (security_barrier)"),
            "security_barrier = true",
        ),
        (
            format!("alter view {role}.people set (security_barrier = false)"),
            "security_barrier = true",
        ),
        (
            format!("alter view {role}.people owner to postgres"),
            "OWNER TO \"estop_owner\"",
        ),
        (
            format!("alter view {role}.people rename to persons"),
            "CREATE VIEW",
        ),
        (
            format!("alter view {role}.people rename column born to ssn"),
            "CREATE VIEW",
        ),
        (format!("drop view {role}.people"), "CREATE VIEW"),
        (
            format!("create view {role}.more as select * from app.people"),
            "DROP VIEW",
        ),
        (
            format!("create rule r as on insert to {role}.people do instead nothing"),
            "DROP VIEW",
        ),
        (format!("alter schema {role} owner to clerk"), "ALTER SCHEMA"),
        (
            "alter default privileges grant select on tables to clerk; ".to_owned()
                + &format!("drop view {role}.people"),
            "CREATE VIEW",
        ),
    ];
    for (change, sign) in cases {
        shows_and_is_undone(&world, &change, sign).await;
    }
}

#[tokio::test]
async fn a_view_carried_off_blocks_until_it_is_gone() {
    let world = World::applied(&[]).await;
    let role = investigation();
    world
        .admin()
        .await
        .batch_execute(&format!("alter view {role}.people set schema public"))
        .await
        .unwrap();
    let drift = world.drift().await;
    assert!(
        drift
            .findings
            .iter()
            .any(|finding| finding.what.contains("public.people")),
        "{:#?}",
        drift.findings
    );
    assert!(
        drift
            .steps
            .iter()
            .any(|step| step.sql.contains("REVOKE SELECT ON TABLE \"public\".\"people\""))
    );
    assert!(world.control.apply(&[]).await.is_err());
    world
        .admin()
        .await
        .batch_execute("drop view public.people")
        .await
        .unwrap();
    world.control.apply(&[]).await.unwrap();
    assert_eq!(world.drift().await.steps, []);
}

#[tokio::test]
async fn roles_and_settings() {
    let world = World::applied(&[]).await;
    let role = investigation();
    let cases = [
        (format!("alter role {role} password 'mine'"), "LOGIN PASSWORD"),
        (format!("alter role {role} password null"), "LOGIN PASSWORD"),
        (format!("alter role {role} nologin"), "LOGIN PASSWORD"),
        (format!("alter role {role} superuser"), "NOSUPERUSER"),
        (
            format!("alter role {role} bypassrls createrole createdb replication"),
            "NOBYPASSRLS",
        ),
        (format!("alter role {role} inherit"), "NOINHERIT"),
        (
            format!("alter role {role} connection limit -1"),
            "CONNECTION LIMIT 5",
        ),
        (
            format!("alter role {role} valid until '2030-01-01'"),
            "VALID UNTIL",
        ),
        (format!("alter role {role} reset all"), "temp_file_limit"),
        (
            format!("alter role {role} set statement_timeout = 0"),
            "statement_timeout",
        ),
        (
            format!("alter role {role} in database records set row_security = off"),
            "RESET \"row_security\"",
        ),
        (
            format!("alter role {role} set session_replication_role = replica"),
            "RESET \"session_replication_role\"",
        ),
        (
            "alter role estop_owner login superuser".to_owned(),
            "NOSUPERUSER NOLOGIN",
        ),
        (
            "create role estop_00000000000000aa login password 'x'".to_owned(),
            "NOLOGIN",
        ),
    ];
    for (change, sign) in cases {
        shows_and_is_undone(&world, &change, sign).await;
    }
}

#[tokio::test]
async fn an_ended_role_that_comes_alive_shows() {
    let world = World::applied(&[]).await;
    let outcome = world.terminate("police").await;
    assert!(outcome.complete, "{outcome:?}");
    assert_eq!(world.drift().await.steps, []);
    let role = investigation();
    let cases = [
        (format!("alter role {role} login"), "NOLOGIN"),
        (format!("alter role {role} password 'again'"), "PASSWORD NULL"),
        (
            format!("grant select on {role}.people to {role}"),
            "REVOKE SELECT",
        ),
        (
            format!("grant connect on database records to {role}"),
            "REVOKE CONNECT",
        ),
    ];
    for (change, sign) in cases {
        world.admin().await.batch_execute(&change).await.unwrap();
        let drift = world.drift().await;
        assert!(
            drift.steps.iter().any(|step| step.sql.contains(sign)),
            "{change}: {:#?}",
            drift.steps
        );
        world.control.apply(&[]).await.unwrap();
        assert_eq!(world.drift().await.steps, [], "{change}");
    }
}
