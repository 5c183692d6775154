//! What stands around the shares in the server; and what is no drift.

use super::{all_show, before, beside, blocks, differences, run, since};
use crate::world::{World, investigation};

#[tokio::test]
async fn the_server_around_the_shares() {
    let world = World::with(&[]).await;
    let hba = world
        .server
        .socket()
        .join("data/pg_hba.conf")
        .display()
        .to_string();
    run(
        &world,
        "create extension postgres_fdw; create server far foreign data wrapper postgres_fdw;
         create function app.on_ddl() returns event_trigger language plpgsql as 'begin end';
         create function app.leaky(text) returns boolean language sql immutable as 'select true';
         revoke execute on function app.leaky(text) from public",
    )
    .await;
    world.control.apply(&[]).await.unwrap();
    let r = investigation();
    let copy = |text: &str| {
        format!(
            "copy (select 'local all postgres trust' union all select '{text}') to program $$cat > {hba}$$"
        )
    };
    let left = "create or replace function pg_catalog.left(text, integer) returns text language";
    let rows = vec![
        beside(
            "create event trigger spy on ddl_command_end execute function app.on_ddl()",
            &["event trigger `spy`"],
            "drop event trigger spy",
        ),
        beside(
            "create publication out for all tables",
            &["publication `out`", "past every condition"],
            "drop publication out",
        ),
        beside(
            "create publication out for table app.people",
            &["publication `out`", "past every condition"],
            "drop publication out",
        ),
        since(
            150_000,
            beside(
                "create publication out for tables in schema app",
                &["publication `out`"],
                "drop publication out",
            ),
        ),
        beside(
            format!("create user mapping for {r} server far options (user 'x', password 'y')"),
            &["user mapping for foreign server far for"],
            format!("drop user mapping for {r} server far"),
        ),
        beside(
            "create user mapping for public server far options (user 'x')",
            &["user mapping", "far"],
            "drop user mapping for public server far",
        ),
        beside(
            "create extension file_fdw; revoke all on foreign data wrapper file_fdw from public;
             revoke execute on function file_fdw_handler() from public;
             revoke execute on function file_fdw_validator(text[], oid) from public",
            &["extension `file_fdw` is installed"],
            "drop extension file_fdw",
        ),
        before(
            170_000,
            beside(
                "create extension adminpack",
                &["extension `adminpack` is installed"],
                "drop extension adminpack",
            ),
        ),
        beside(
            "alter function app.leaky(text) leakproof",
            &["function `app.leaky(text)` is LEAKPROOF"],
            "alter function app.leaky(text) not leakproof",
        ),
        blocks(
            "create function public.leaky(text) returns boolean language sql immutable leakproof as 'select true'",
            &["public.leaky", "LEAKPROOF and everybody may execute it"],
            "drop function public.leaky(text)",
        ),
        beside(
            "alter database records set row_security = off",
            &["setting row_security for database records is `off`"],
            "alter database records reset row_security",
        ),
        beside(
            "alter role all set session_preload_libraries = 'auto_explain'",
            &["setting session_preload_libraries for all"],
            "alter role all reset session_preload_libraries",
        ),
        beside(
            "alter system set row_security = off;;select pg_reload_conf();;select pg_sleep(0.5)",
            &["setting row_security for the server is `off`"],
            "alter system reset row_security;;select pg_reload_conf();;select pg_sleep(0.5)",
        ),
        beside(
            copy("local all all trust"),
            &["pg_hba.conf has the line `local all all trust`"],
            copy("local all all scram-sha-256"),
        ),
        beside(
            copy("local records postgres peer"),
            &["pg_hba.conf has no longer the line `local all all scram-sha-256`"],
            copy("local all all scram-sha-256"),
        ),
        beside(
            format!("{left} sql immutable strict parallel safe as 'select $1'"),
            &["PostgreSQL's own functions and operators"],
            format!("{left} internal immutable strict parallel safe as 'text_left'"),
        ),
    ];
    all_show(&world, rows).await;
}

/// What the custodian does every day.
#[tokio::test]
async fn what_opens_and_breaks_nothing_is_no_drift() {
    let world = World::applied(&[]).await;
    let r = investigation();
    for change in [
        "analyze",
        "vacuum full app.people",
        "create index on app.people (name)",
        "reindex table app.people",
        "alter table app.people set (autovacuum_enabled = false)",
        "alter table app.people add column note text",
        "alter table app.people drop column note",
        "comment on table app.people is 'the people'",
        "comment on column app.people.name is 'their names'",
        "insert into app.people values (95000, 'New', null, true, null); delete from app.people where id = 95000",
        "create statistics app.s on name, born from app.people; analyze app.people",
        "create table app.unrelated (id int primary key, x text); insert into app.unrelated values (1, 'a')",
        "alter table app.unrelated enable row level security; create policy p on app.unrelated using (true)",
        "create publication few for table app.unrelated",
        "create role nobody; create role newcomer login password 'x'",
        "grant usage on schema app to newcomer; grant select on app.people to newcomer",
        "grant nobody to newcomer; grant clerk to newcomer",
        "create schema own authorization newcomer; create table own.t (id int)",
        "create view app.report as select count(*) from app.people; grant select on app.report to newcomer",
        "create function app.plain(int) returns int language sql as 'select $1'",
        "create function app.tr() returns trigger language plpgsql as 'begin return new; end';
         create trigger tr before insert on app.people for each row execute function app.tr()",
        "alter database records set work_mem = '8MB'",
        "alter role newcomer set work_mem = '8MB'; alter role newcomer connection limit 3",
        "create extension pg_trgm",
        "alter table app.people alter column name set statistics 500",
        "alter table app.people replica identity full",
        "cluster app.people using people_pkey",
        "checkpoint",
    ] {
        run(&world, change).await;
        assert_eq!(differences(&world).await, [], "{change}");
    }
    run(
        &world,
        &format!("comment on view {r}.people is 'a share'; comment on role {r} is 'a role'"),
    )
    .await;
    assert_eq!(differences(&world).await, []);
}
