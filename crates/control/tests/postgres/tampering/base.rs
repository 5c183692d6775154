//! The custodian's own relations that are shared.

use policy::plan::Effect;

use super::{Undo, all_show, beside, blocks, closes, opens, row, run};
use crate::world::World;

const RESTORE: &str = "
drop table app.people cascade;
create table app.people (id bigint primary key, name text not null, born date, sealed boolean not null, ssn text);
insert into app.people select i, 'Person ' || i, date '1980-01-01' + i, false, '000-' || i from generate_series(1, 5000) i;
insert into app.people values (90001, 'Zoe Hidden', '1999-09-09', true, '999-99-9999');";

#[tokio::test]
async fn relations_and_columns() {
    let world = World::applied(&[]).await;
    let breaks = |change: &str, says: &[&str], by_hand: &str| {
        row(change, Effect::Closes, says, Undo::Both(by_hand.to_owned()))
    };
    let rows = vec![
        breaks(
            "alter table app.people rename column born to birthday",
            &["column `app.people.born`, which is not in the database"],
            "alter table app.people rename column birthday to born",
        )
        .or_opens(),
        breaks(
            "alter table app.people rename to persons",
            &["`app.people`, which is not in the database"],
            "alter table app.persons rename to people",
        )
        .or_opens(),
        blocks(
            "alter table app.people alter column sealed drop not null",
            &["`app.people.sealed` being NOT NULL"],
            "alter table app.people alter column sealed set not null",
        ),
        breaks(
            "alter table app.people drop column born cascade",
            &["column `app.people.born`, which is not in the database"],
            "alter table app.people add column born date",
        ),
        blocks(
            "alter table app.people drop column born cascade; alter table app.people add column born text",
            &["`app.people.born` is date, the database says text"],
            "alter table app.people drop column born cascade; alter table app.people add column born date",
        ),
        opens(
            "alter table app.people rename to kept; create table app.people (like app.kept including all)",
            &["relation \"app\".\"people\" is another one"],
        ),
        opens(RESTORE, &["relation \"app\".\"people\" is another one"]),
        blocks(
            "alter table app.people owner to estop_owner",
            &["`app.people` is owned by the views' owner"],
            "alter table app.people owner to postgres",
        ),
        blocks(
            "alter schema app owner to estop_owner",
            &["role `estop_owner` owns schema app", "every share is read in its name"],
            "alter schema app owner to postgres",
        ),
        blocks(
            "create function app.mine() returns int language sql as 'select 1'; alter function app.mine() owner to estop_owner",
            &["role `estop_owner` owns function app.mine()"],
            "drop function app.mine()",
        ),
        beside(
            "grant usage on schema app to public",
            &["everybody has USAGE on schema `app`"],
            "revoke usage on schema app from public",
        ),
        beside(
            "create table app.more () inherits (app.people)",
            &["table app.more on \"app\".\"people\"", "they are shared, too"],
            "drop table app.more",
        ),
        beside(
            "create table app.most (like app.people including all); alter table app.most inherit app.people;
             create table app.lesser () inherits (app.most)",
            &["table app.lesser on \"app\".\"people\"", "they are shared, too"],
            "drop table app.most cascade",
        ),
        row(
            "alter table app.people enable row level security",
            Effect::Closes,
            &["`app.people` has row-level security"],
            Undo::Hand("alter table app.people disable row level security".to_owned()),
        ),
        row(
            "alter table app.people enable row level security; create policy few on app.people using (id < 10)",
            Effect::Closes,
            &["row security is on for \"app\".\"people\""],
            Undo::Hand("drop policy few on app.people; alter table app.people disable row level security".to_owned()),
        )
        .or_opens(),
    ];
    all_show(&world, rows).await;
}

/// A shared table in parts: what is done with those every day is no drift, and rights on a part are rights on the rows.
#[tokio::test]
async fn parts_of_a_shared_table() {
    let world = World::with(&[]).await;
    run(
        &world,
        "drop table app.people cascade;
         create table app.people (id bigint not null, name text not null, born date, sealed boolean not null, ssn text)
           partition by range (id);
         create table app.people_1 partition of app.people for values from (0) to (6000);
         create table app.people_9 partition of app.people for values from (90000) to (100000);
         insert into app.people select i, 'Person ' || i, date '1980-01-01' + i, false, '000-' || i from generate_series(1, 5000) i;
         insert into app.people values (90001, 'Zoe Hidden', '1999-09-09', true, '999-99-9999');
         create schema parts; create table parts.people_6 (like app.people);
         create extension postgres_fdw; create server far foreign data wrapper postgres_fdw",
    )
    .await;
    world.control.apply(&[]).await.unwrap();
    for change in [
        "create table app.people_7 partition of app.people for values from (7000) to (8000)",
        "alter table app.people attach partition parts.people_6 for values from (6000) to (7000)",
        "alter table app.people detach partition app.people_7",
        "grant select on app.people_1 to clerk",
        "create table app.unrelated () inherits (app.people_7)",
    ] {
        run(&world, change).await;
        assert_eq!(super::differences(&world).await, [], "{change}");
    }
    let says =
        |part: &str| format!("PUBLIC holds rights on relation `{part}`, in a schema that it may not use");
    let rows = vec![
        beside(
            "grant select on app.people_1 to public",
            &[&says("app.people_1")],
            "revoke select on app.people_1 from public",
        ),
        beside(
            "grant select (ssn) on parts.people_6 to public",
            &[&says("parts.people_6")],
            "revoke select (ssn) on parts.people_6 from public",
        ),
        blocks(
            "grant usage on schema parts to public; grant select on parts.people_6 to public",
            &[
                "PUBLIC holds rights on relation `parts.people_6`",
                "every partner",
            ],
            "revoke select on parts.people_6 from public; revoke usage on schema parts from public",
        ),
        beside(
            "alter table app.people_1 owner to clerk",
            &["table app.people_1 on \"app\".\"people\"", "they are shared, too"],
            "alter table app.people_1 owner to postgres",
        ),
        beside(
            "create foreign table app.abroad partition of app.people for values from (8000) to (9000) server far",
            &["table app.abroad on \"app\".\"people\"", "they are shared, too"],
            "drop foreign table app.abroad",
        ),
    ];
    all_show(&world, rows).await;
}

#[tokio::test]
async fn row_security_that_was_there_is_watched() {
    let world = World::with(&[]).await;
    run(
        &world,
        "alter table app.people enable row level security; create policy all_rows on app.people using (true);
         create policy unsealed on app.people as restrictive using (id < 90000)",
    )
    .await;
    world.control.apply(&[]).await.unwrap();
    let unsealed = "create policy unsealed on app.people as restrictive using (id < 90000)";
    let rows = vec![
        beside(
            "alter table app.people disable row level security",
            &["row security is off for \"app\".\"people\"", "are shared"],
            "alter table app.people enable row level security",
        ),
        beside(
            "drop policy unsealed on app.people",
            &["row policy unsealed on \"app\".\"people\" is gone"],
            unsealed,
        ),
        beside(
            "alter policy unsealed on app.people using (true)",
            &["row policy unsealed on \"app\".\"people\" is new or another"],
            "alter policy unsealed on app.people using (id < 90000)",
        ),
        beside(
            "create policy more on app.people using (sealed)",
            &["row policy more on \"app\".\"people\" is new or another"],
            "drop policy more on app.people",
        ),
    ];
    all_show(&world, rows).await;
}

#[tokio::test]
async fn a_data_set_that_is_a_view_is_watched() {
    let mut world = World::unapproved(&[]).await;
    let text = "create or replace view app.seen as select id, name, born, sealed, ssn from app.people";
    run(&world, text).await;
    world.restart_with(|files| {
        let people = files.get_mut("datasets/people.toml").unwrap();
        *people = people
            .replace("app.people", "app.seen")
            .replace(
                "sealed = { type = \"boolean\" }",
                "sealed = { type = \"boolean\", optional = true }",
            )
            .replace(
                "id = { type = \"bigint\" }",
                "id = { type = \"bigint\", optional = true }",
            );
        for (_, text) in files
            .iter_mut()
            .filter(|(path, _)| path.starts_with("agreements/"))
        {
            *text = text
                .replace("!resource.sealed", "resource has sealed && !resource.sealed")
                .replace("resource.id < 90000", "resource has id && resource.id < 90000");
        }
        *files.get_mut("datasets/people.toml").unwrap() =
            files["datasets/people.toml"].replace("subject_key = \"id\"\n", "");
    });
    world.approve().await.unwrap();
    world.control.apply(&[]).await.unwrap();
    let rows = vec![
        beside(
            "create or replace view app.seen as select id, ssn as name, born, sealed, ssn from app.people",
            &["view \"app\".\"seen\", which is a data set, has another text"],
            text,
        ),
        beside(
            "create or replace view app.seen as select id, name, born, false as sealed, ssn from app.people",
            &["view \"app\".\"seen\", which is a data set, has another text"],
            text,
        ),
        beside(
            "alter view app.seen owner to clerk",
            &["view \"app\".\"seen\", which is a data set", "owner"],
            "alter view app.seen owner to postgres",
        ),
    ];
    all_show(&world, rows).await;
}

#[tokio::test]
async fn keys_of_pseudonyms() {
    let world = crate::pseudonyms::world().await;
    let table = "estop_keys.pseudonym";
    let missing = ["pseudonyms under `police-2018` have no key"];
    let rows = vec![
        closes(format!("truncate {table}"), &missing),
        closes(
            format!("drop table {table} cascade"),
            &["plants the key of the pseudonyms under `police-2018`"],
        )
        .or_opens(),
        closes(
            "drop schema estop_keys cascade",
            &["plants the key of the pseudonyms under `police-2018`"],
        )
        .or_opens(),
        opens(
            format!("update {table} set inner_pad = outer_pad"),
            &[
                "pseudonyms under `police-2018` is not the one that was planted",
                "can name everybody",
            ],
        ),
        opens(
            format!("insert into {table} values ('stray', '', '')"),
            &["the key `stray`, of no agreement in force"],
        ),
        opens(
            format!("alter table {table} owner to clerk"),
            &["owned by `clerk`, who could read them"],
        ),
        opens(
            "alter schema estop_keys owner to clerk",
            &["`estop_keys` is no longer owned by `clerk`"],
        ),
        opens(
            format!("grant usage on schema estop_keys to clerk; grant select on {table} to clerk"),
            &["role `clerk` can now read relation `estop_keys.pseudonym` itself"],
        ),
        opens(
            "grant usage on schema estop_keys to public",
            &["everybody now holds USAGE on schema `estop_keys`"],
        ),
        blocks(
            format!("alter table {table} alter column inner_pad set statistics 100; analyze {table}"),
            &[
                "statistics of `estop_keys.pseudonym` are gathered",
                "copies of the keys",
            ],
            format!("drop table {table} cascade"),
        ),
        blocks(
            format!("create statistics estop_keys.s on inner_pad, outer_pad from {table}"),
            &[
                "statistics of `estop_keys.pseudonym` are gathered",
                "copies of the keys",
            ],
            format!("drop table {table} cascade"),
        ),
        blocks(
            format!("create table estop_keys.copy as select * from {table}"),
            &["`estop_keys.copy` stands in the schema of the keys"],
            "drop table estop_keys.copy",
        ),
        blocks(
            format!("alter table {table} add column note text"),
            &["is not the table that was made"],
            format!("drop table {table} cascade"),
        ),
    ];
    all_show(&world, rows).await;
}
