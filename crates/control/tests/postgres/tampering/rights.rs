//! Rights on every kind of object, given and taken; PUBLIC's.

use super::{all_show, beside, blocks, closes, opens, run, since};
use crate::world::{World, investigation, role};

const POLICE: &str = "`police` under `police-2018` for `investigation`";

/// Objects of every kind, from before the estate was applied.
const OBJECTS: &str = "
create sequence app.numbers;
create type app.mood as enum ('good', 'bad');
create materialized view app.copy as select * from app.people;
create table app.other (id int);
create function app.seven() returns int language sql as 'select 7';
revoke execute on function app.seven() from public;
create extension postgres_fdw;
create server far foreign data wrapper postgres_fdw;
create foreign table app.remote (id int) server far;
select lo_create(77777);
";

async fn world() -> World {
    let world = World::with(&[]).await;
    run(&world, OBJECTS).await;
    world.control.apply(&[]).await.unwrap();
    world
}

#[tokio::test]
async fn rights_of_agreements_roles() {
    let world = world().await;
    let r = investigation();
    let other = role("transit-2020", "planning");
    let to_role = [
        ("select on app.people", "itself, past every condition and mask"),
        ("select (ssn) on app.people", "column `app.people.ssn` itself"),
        ("update on app.people", "UPDATE on relation `app.people`"),
        (
            "references (id) on app.people",
            "REFERENCES on column `app.people.id`",
        ),
        ("truncate on app.people", "TRUNCATE on relation `app.people`"),
        ("trigger on app.other", "TRIGGER on relation `app.other`"),
        ("select on app.copy", "relation `app.copy` itself"),
        ("select on app.remote", "relation `app.remote` itself"),
        (
            "select on all tables in schema app",
            "relation `app.other` itself",
        ),
        ("usage on schema app", "USAGE on schema `app`"),
        ("create on schema public", "CREATE on schema `public`"),
        ("usage on sequence app.numbers", "USAGE on sequence `app.numbers`"),
        (
            "select on sequence app.numbers",
            "SELECT on sequence `app.numbers`",
        ),
        (
            "execute on function app.seven()",
            "EXECUTE on function `app.seven()`",
        ),
        (
            "execute on function pg_sleep(float8)",
            "function `pg_catalog.pg_sleep",
        ),
        (
            "execute on function pg_read_file(text)",
            "function `pg_catalog.pg_read_file",
        ),
        ("create on database records", "CREATE on database `records`"),
        ("temporary on database records", "TEMPORARY on database `records`"),
        ("connect on database postgres", "CONNECT on database `postgres`"),
        ("select on large object 77777", "SELECT on large object `77777`"),
        ("usage on type app.mood", "USAGE on type `app.mood`"),
        ("usage on language plpgsql", "USAGE on language `plpgsql`"),
        ("usage on foreign server far", "USAGE on foreign server `far`"),
        (
            "usage on foreign data wrapper postgres_fdw",
            "foreign-data wrapper `postgres_fdw`",
        ),
        (
            "create on tablespace pg_default",
            "CREATE on tablespace `pg_default`",
        ),
        ("select on pg_authid", "relation `pg_catalog.pg_authid`"),
        ("select on pg_statistic", "relation `pg_catalog.pg_statistic`"),
    ];
    let mut rows: Vec<_> = to_role
        .iter()
        .map(|(right, says)| opens(format!("grant {right} to {r}"), &[POLICE, says]))
        .collect();
    rows.push(since(
        170_000,
        opens(
            format!("grant maintain on app.people to {r}"),
            &[POLICE, "MAINTAIN on relation `app.people`"],
        ),
    ));
    rows.push(since(
        150_000,
        opens(
            format!("grant set on parameter log_statement to {r}"),
            &[POLICE, "SET on parameter `log_statement`"],
        ),
    ));
    rows.push(since(
        150_000,
        opens(
            format!("grant alter system on parameter log_statement to {r}"),
            &[POLICE, "ALTER SYSTEM on parameter `log_statement`"],
        ),
    ));
    rows.extend([
        opens(
            format!("grant update on {r}.people to {r}"),
            &[POLICE, "UPDATE on relation"],
        ),
        opens(
            format!("grant create on schema {r} to {r}"),
            &[POLICE, "CREATE on schema"],
        ),
        opens(
            format!("grant select on {r}.people to {r} with grant option"),
            &[POLICE, "and pass that on"],
        ),
        opens(
            format!("grant select on {r}.people to clerk"),
            &["role `clerk` can now read data set `people` as", POLICE],
        ),
        opens(
            format!("grant select (name) on {r}.people to clerk"),
            &[
                "role `clerk` can now read column `name` of data set `people` as",
                POLICE,
            ],
        ),
        opens(
            format!("grant usage on schema {r} to public"),
            &["everybody", "USAGE on schema"],
        ),
        opens(
            format!("grant usage on schema {other} to {r}; grant select on {other}.people to {r}"),
            &[POLICE, "can now read data set `people` as `transit`"],
        ),
        opens(
            "grant select on app.people to estop_owner",
            &["the views' owner", "`app.people`"],
        ),
        opens(
            "grant select (ssn) on app.people to estop_owner",
            &["the views' owner", "`app.people.ssn`"],
        ),
        opens(
            format!(
                "grant usage on schema app to clerk; grant select on app.people to clerk with grant option;
                 set role clerk; grant select on app.people to {r}; reset role"
            ),
            &[POLICE, "relation `app.people` itself"],
        ),
        opens(
            format!("alter default privileges in schema app grant select on tables to {r}"),
            &[POLICE, "future tables made by `postgres`"],
        ),
        opens(
            format!("alter default privileges grant execute on functions to {r}"),
            &[POLICE, "future functions made by `postgres`"],
        ),
        closes(
            format!("revoke select on {r}.people from {r}"),
            &[POLICE, "no longer holds SELECT"],
        ),
        closes(
            format!("revoke usage on schema {r} from {r}"),
            &[POLICE, "no longer holds USAGE"],
        ),
        closes(
            format!("revoke connect on database records from {r}"),
            &[POLICE, "no longer holds CONNECT"],
        ),
        closes(
            "revoke select (name) on app.people from estop_owner",
            &["the views' owner", "`app.people.name`"],
        ),
        closes(
            "revoke usage on schema app from estop_owner",
            &["the views' owner", "USAGE on schema `app`"],
        ),
    ]);
    all_show(&world, rows).await;
}

#[tokio::test]
async fn rights_of_everybody() {
    let world = world().await;
    let rows = vec![
        opens(
            "grant temporary on database records to public",
            &["everybody", "this database"],
        ),
        opens(
            "grant connect on database records to public",
            &["everybody", "this database"],
        ),
        opens(
            "grant connect on database postgres to public",
            &["everybody", "other databases"],
        ),
        opens(
            "grant usage on language plpgsql to public",
            &["everybody", "procedural languages"],
        ),
        opens(
            "grant select on pg_stat_activity to public",
            &["everybody", "statistics views"],
        ),
        opens(
            "grant execute on function pg_advisory_lock(bigint) to public",
            &["everybody", "advisory locks"],
        ),
        opens(
            "grant execute on function pg_sleep(float8) to public",
            &["everybody", "sleeping"],
        ),
        opens(
            "grant execute on function lo_create(oid) to public",
            &["everybody", "large objects"],
        ),
        blocks(
            "grant create on schema public to public",
            &["PUBLIC may CREATE in schema `public`"],
            "revoke create on schema public from public",
        ),
        blocks(
            "grant create on tablespace pg_default to public",
            &["PUBLIC may CREATE in tablespace `pg_default`"],
            "revoke create on tablespace pg_default from public",
        ),
        blocks(
            "grant usage on schema app to public; grant select on app.people to public",
            &["PUBLIC holds rights on relation `app.people`", "every partner"],
            "revoke select on app.people from public; revoke usage on schema app from public",
        ),
        beside(
            "grant select on app.people to public",
            &[
                "PUBLIC holds rights on relation `app.people`",
                "USAGE on the schema",
            ],
            "revoke select on app.people from public",
        ),
        blocks(
            "create table public.open (id int); grant select on public.open to public",
            &["PUBLIC holds rights on relation `public.open`"],
            "drop table public.open",
        ),
        blocks(
            "create function public.all_people() returns setof app.people language sql security definer as 'select * from app.people'",
            &["SECURITY DEFINER", "public.all_people"],
            "drop function public.all_people()",
        ),
        blocks(
            "grant usage on foreign server far to public",
            &["PUBLIC may use foreign server `far`"],
            "revoke usage on foreign server far from public",
        ),
        blocks(
            "grant usage on foreign data wrapper postgres_fdw to public",
            &["PUBLIC may use foreign-data wrapper"],
            "revoke usage on foreign data wrapper postgres_fdw from public",
        ),
        since(
            150_000,
            blocks(
                "grant set on parameter log_statement to public",
                &["PUBLIC holds SET on parameter `log_statement`"],
                "revoke set on parameter log_statement from public",
            ),
        ),
        beside(
            "alter default privileges in schema app grant select on tables to public",
            &["PUBLIC holds SELECT on future tables made by `postgres`"],
            "alter default privileges in schema app revoke select on tables from public",
        ),
        blocks(
            "create extension dblink",
            &["out-reaching function", "dblink"],
            "drop extension dblink",
        ),
        blocks(
            "create extension pg_buffercache; grant select on pg_buffercache to public",
            &["PUBLIC holds rights on relation `public.pg_buffercache`"],
            "drop extension pg_buffercache",
        ),
    ];
    all_show(&world, rows).await;
}
