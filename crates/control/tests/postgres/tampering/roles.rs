//! Roles: attributes, passwords, settings, memberships.

use super::{all_show, before, beside, blocks, closes, differences, opens, run, since};
use crate::world::{World, investigation, role};

const POLICE: &str = "`police` under `police-2018` for `investigation`";

#[tokio::test]
async fn attributes_and_settings() {
    let world = World::applied(&[]).await;
    let r = investigation();
    let mut rows: Vec<_> = [
        "superuser",
        "createrole",
        "createdb",
        "replication",
        "bypassrls",
        "inherit",
    ]
    .iter()
    .map(|power| {
        let taken = format!("NO{}", power.to_uppercase());
        opens(format!("alter role {r} {power}"), &[POLICE, "powers", &taken])
    })
    .collect();
    rows.extend(
        [
            "superuser",
            "createrole",
            "createdb",
            "replication",
            "bypassrls",
            "login",
        ]
        .iter()
        .map(|power| {
            let change = format!("alter role estop_owner {power}");
            opens(change, &["role `estop_owner` loses powers"])
        }),
    );
    rows.extend([
        opens(
            "alter role estop_kept login password 'x'",
            &["role `estop_kept` loses powers"],
        ),
        opens(
            format!("alter role {r} password 'mine'"),
            &[POLICE, "another password"],
        ),
        closes(
            format!("alter role {r} password null"),
            &[POLICE, "cannot log in"],
        ),
        closes(format!("alter role {r} nologin"), &[POLICE, "cannot log in"]),
        opens(
            format!("alter role {r} connection limit -1"),
            &[POLICE, "any number of connections"],
        ),
        opens(
            format!("alter role {r} connection limit 6"),
            &[POLICE, "6 connections"],
        ),
        closes(
            format!("alter role {r} connection limit 1"),
            &[POLICE, "1 connections"],
        ),
        closes(
            format!("alter role {r} valid until '2030-01-01'"),
            &[POLICE, "2030-01-01"],
        ),
        opens(
            format!("alter role {r} reset all"),
            &[POLICE, "works without `temp_file_limit`"],
        ),
        opens(
            format!("alter role {r} set statement_timeout = 0"),
            &[POLICE, "`statement_timeout` = `0`"],
        ),
        opens(
            format!("alter role {r} set search_path = app"),
            &[POLICE, "`search_path` = `app`"],
        ),
        opens(
            format!("alter role {r} in database records set row_security = off"),
            &[POLICE, "`row_security` = `off`"],
        ),
        opens(
            format!("alter role {r} set session_replication_role = replica"),
            &[POLICE, "`session_replication_role`"],
        ),
        opens(
            format!("alter role {r} in database postgres set statement_timeout = 0"),
            &[POLICE, "`statement_timeout` = `0`"],
        ),
        opens(
            "create role estop_00000000000000aa login password 'x'",
            &["`estop_00000000000000aa`, of no agreement"],
        ),
        opens(
            "alter role estop_00000000000000aa superuser",
            &["`estop_00000000000000aa`, of no agreement", "NOSUPERUSER"],
        ),
        opens(
            format!("alter role {r} rename to somebody"),
            &["role `somebody` can now read data set `people` as", POLICE],
        ),
    ]);
    all_show(&world, rows).await;
}

#[tokio::test]
async fn memberships() {
    let world = World::applied(&[]).await;
    let (r, other) = (investigation(), role("transit-2020", "planning"));
    let rows = vec![
        opens(
            format!("grant clerk to {r}"),
            &[POLICE, "all that role `clerk` can"],
        ),
        opens(
            format!("grant clerk to {r} with admin option"),
            &[POLICE, "all that role `clerk` can"],
        ),
        opens(format!("grant pg_monitor to {r}"), &[POLICE, "`pg_monitor`"]),
        opens(
            format!("grant pg_read_server_files to {r}"),
            &[POLICE, "`pg_read_server_files`"],
        ),
        since(
            140_000,
            opens(
                format!("grant pg_read_all_data to {r}"),
                &[POLICE, "`pg_read_all_data`"],
            ),
        ),
        opens(format!("grant estop_kept to {r}"), &[POLICE, "`estop_kept`"]),
        opens(
            format!("grant estop_owner to {r}"),
            &["can act as the views' owner"],
        ),
        opens(format!("grant {other} to {r}"), &["can act as `transit`"]),
        opens(
            format!("grant {r} to clerk"),
            &["role `clerk` can act as", POLICE],
        ),
        opens(
            format!("grant {r} to clerk with admin option"),
            &["role `clerk` can act as", POLICE],
        ),
        opens(
            "grant estop_owner to clerk",
            &["role `clerk` can act as the views' owner"],
        ),
        opens("grant clerk to estop_owner", &["the views' owner", "`clerk`"]),
        opens(
            "create role other; grant other to estop_kept",
            &["the custodian's own roles", "`other`"],
        ),
        opens(
            "grant estop_owner to pg_monitor",
            &["role `pg_monitor` can act as the views' owner"],
        ),
        opens(
            format!("grant {r} to pg_monitor"),
            &["role `pg_monitor` can act as", POLICE],
        ),
        since(
            160_000,
            opens(
                format!("grant clerk to {r} with inherit true, set false"),
                &[POLICE, "`clerk`"],
            ),
        ),
        since(
            160_000,
            opens(
                format!("grant {r} to clerk with inherit false, set true"),
                &["`clerk` can act as", POLICE],
            ),
        ),
        blocks(
            format!("create table public.mine (id int); alter table public.mine owner to {r}"),
            &["owns table public.mine", "whatever was revoked"],
            "drop table public.mine",
        ),
        blocks(
            format!("create schema {r}_x authorization {r}"),
            &["owns schema", "whatever was revoked"],
            format!("drop schema {r}_x"),
        ),
        blocks(
            format!("alter database postgres owner to {r}"),
            &["owns database postgres"],
            "alter database postgres owner to postgres",
        ),
    ];
    all_show(&world, rows).await;
}

/// Roles of the custodian's that come past all rights: what they may is no agreement's, and is told.
#[tokio::test]
async fn powers_of_the_custodians_own_roles() {
    let world = World::with(&[]).await;
    run(&world, "create role strong superuser replication login").await;
    world.control.apply(&[]).await.unwrap();
    let rows = vec![
        beside(
            "create role other superuser login password 'x'",
            &["role `other` has SUPERUSER", "past what is enforced"],
            "drop role other",
        ),
        beside(
            "alter role clerk bypassrls",
            &["role `clerk` has BYPASSRLS"],
            "alter role clerk nobypassrls",
        ),
        beside(
            "alter role clerk replication",
            &["role `clerk` has REPLICATION"],
            "alter role clerk noreplication",
        ),
        before(
            160_000,
            beside(
                "alter role clerk createrole",
                &["role `clerk` has CREATEROLE"],
                "alter role clerk nocreaterole",
            ),
        ),
        since(
            140_000,
            beside(
                "grant pg_read_all_data to clerk",
                &["role `clerk` has pg_read_all_data"],
                "revoke pg_read_all_data from clerk",
            ),
        ),
        beside(
            "create role deep; create role deeper; grant pg_read_server_files to deep; grant deep to deeper",
            &["role `deeper` has pg_read_server_files"],
            "drop role deep, deeper",
        ),
        beside(
            "grant strong to clerk",
            &["role `clerk` has SUPERUSER"],
            "revoke strong from clerk",
        ),
    ];
    all_show(&world, rows).await;
    // What takes powers away, and what gives none.
    for change in [
        "alter role strong noreplication",
        "alter role clerk createdb",
        "grant pg_monitor to clerk",
        "grant pg_signal_backend to clerk",
    ] {
        run(&world, change).await;
        assert_eq!(differences(&world).await, [], "{change}");
    }
}
