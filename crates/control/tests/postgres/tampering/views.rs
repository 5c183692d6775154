//! The shares' own views and schemas.

use super::{all_show, blocks, closes, opens, since};
use crate::world::{World, investigation};

const POLICE: &str = "`police` under `police-2018` for `investigation`";

#[tokio::test]
async fn views_and_schemas() {
    let world = World::applied(&[]).await;
    let r = investigation();
    let view = format!("{r}.people");
    let born = "make_date(extract(year from born)::int, 1, 1) as born";
    let rows = vec![
        opens(
            format!(
                "create or replace view {view} with (security_barrier) as select id, name, born from app.people"
            ),
            &[POLICE, "defined otherwise", "without their masks"],
        ),
        opens(
            format!(
                "create or replace view {view} with (security_barrier) as select id, name, {born} from app.people"
            ),
            &[POLICE, "defined otherwise", "other rows"],
        ),
        opens(
            format!(
                "create or replace view {view} with (security_barrier) as select id, name, born, ssn from app.people"
            ),
            &[POLICE, "columns of no agreement: ssn"],
        ),
        opens(
            format!("alter view {view} reset (security_barrier)"),
            &[POLICE, "no security barrier"],
        ),
        opens(
            format!("alter view {view} set (security_barrier = false)"),
            &[POLICE, "no security barrier"],
        ),
        since(
            150_000,
            closes(
                format!("alter view {view} set (security_invoker = true)"),
                &[POLICE, "partner's rights"],
            ),
        ),
        opens(
            format!("alter view {view} owner to postgres"),
            &["reads with the rights of role `postgres`"],
        ),
        opens(
            format!("alter view {view} owner to clerk"),
            &["reads with the rights of role `clerk`"],
        ),
        opens(
            format!("create rule r as on insert to {view} do instead nothing"),
            &[POLICE, "rules or triggers"],
        ),
        opens(
            format!(
                "create function app.t() returns trigger language plpgsql as 'begin return null; end';
                 create trigger t instead of insert on {view} for each row execute function app.t()"
            ),
            &[POLICE, "rules or triggers"],
        ),
        opens(
            format!("alter view {view} rename column born to birthday"),
            &[POLICE, "birthday"],
        ),
        opens(
            format!("create view {r}.more as select * from app.people"),
            &["stands in an agreement's schema"],
        ),
        opens(
            format!("alter view {view} rename to persons"),
            &["stands in an agreement's schema"],
        ),
        closes(
            format!("drop view {view}"),
            &[POLICE, "sees nothing of data set `people`"],
        ),
        closes(
            format!("drop schema {r} cascade"),
            &[POLICE, "sees nothing of data set `people`"],
        ),
        opens(
            format!("alter schema {r} owner to clerk"),
            &["role `clerk` owns schema", "replace every view"],
        ),
        blocks(
            format!("alter schema {r} rename to elsewhere"),
            &["`elsewhere.people` is owned by the views' owner"],
            "drop schema elsewhere cascade",
        ),
        blocks(
            format!("alter view {view} set schema public"),
            &["`public.people` is owned by the views' owner"],
            "drop view public.people",
        ),
        blocks(
            format!("create table {r}.copy as select * from app.people"),
            &["is not a view"],
            format!("drop table {r}.copy"),
        ),
        blocks(
            format!("drop view {view}; create table {view} as select * from app.people"),
            &["is not a view"],
            format!("drop table {view}"),
        ),
        blocks(
            format!("create function {r}.look() returns int language sql as 'select 1'"),
            &["stands in a share schema"],
            format!("drop function {r}.look()"),
        ),
    ];
    all_show(&world, rows).await;
}
