//! Shares that count, and shares that are opaque, as the partner's role sees them.

use policy::estate::Files;
use tokio_postgres::Client;
use tokio_postgres::error::SqlState;

use crate::world::{World, investigation, role};

/// Districts by how many people and rows they have: below, at and above the threshold; many rows of few people; and one that only
/// sealed rows would lift above it.
const STOPS: &str = "
create table app.stops (stop_id bigint primary key, person_id bigint not null, district text, sealed boolean not null);
insert into app.stops select 100 + i, i, 'nine', false from generate_series(1, 9) i;
insert into app.stops select 200 + i, i, 'ten', false from generate_series(1, 10) i;
insert into app.stops select 300 + i, i, 'eleven', false from generate_series(1, 11) i;
insert into app.stops select 400 + i, i % 3, 'few people', false from generate_series(1, 40) i;
insert into app.stops select 500 + i, i, 'sealed', i > 9 from generate_series(1, 30) i;
insert into app.stops select 600 + i, i, null, false from generate_series(1, 12) i;
";

/// Counts for both partners, withheld for one and left out for the other.
fn counted(files: &mut Files) {
    let stops = "[dataset]\nid = \"stops\"\nupstream = \"main\"\nrelation = \"app.stops\"\nsubject_key = \"person_id\"\n\n[columns]\n\
         stop_id = { type = \"bigint\" }\nperson_id = { type = \"bigint\" }\ndistrict = { type = \"text\", optional = true }\n\
         sealed = { type = \"boolean\" }\n";
    files.insert("datasets/stops.toml".to_owned(), stops.to_owned());
    for (path, small) in [
        ("agreements/police-2018.toml", "null"),
        ("agreements/transit-2020.toml", "absent"),
    ] {
        let share = format!(
            "[[share]]\ndataset = \"stops\"\nkind = \"aggregate\"\ngroup_by = [\"district\"]\ncount = \"stops\"\nmin_group = 10\n\
             small_groups = \"{small}\"\nwhen = '!resource.sealed'\n\n[limits]"
        );
        let text = files.get_mut(path).unwrap();
        *text = text.replacen("[limits]", &share, 1);
    }
    let police = files.get_mut("agreements/police-2018.toml").unwrap();
    *police = police.replacen("when = '", "timing = \"opaque\"\nwhen = '", 1);
}

async fn world() -> World {
    let mut world = World::new().await;
    world.restart_with(counted);
    world.approve().await.unwrap();
    world.admin().await.batch_execute(STOPS).await.unwrap();
    world.control.apply(&[]).await.unwrap();
    world
}

async fn counts(session: &Client, sql: &str) -> Vec<(Option<String>, Option<i64>)> {
    let rows = session.query(sql, &[]).await.unwrap();
    rows.iter().map(|row| (row.get(0), row.get(1))).collect()
}

#[tokio::test]
async fn counts_below_the_threshold_are_withheld_and_no_others() {
    let world = world().await;
    let all = "select district, stops from stops order by district";
    let group = |name: &str, count| (Some(name.to_owned()), count);
    let told = [
        group("eleven", Some(11)),
        group("ten", Some(10)),
        (None, Some(12)),
    ];
    let withheld = ["few people", "nine", "sealed"].map(|name| group(name, None));
    let police = world.log_in(&investigation()).await.unwrap();
    let mut seen = counts(&police, all).await;
    seen.sort();
    let mut wanted: Vec<_> = told.iter().chain(&withheld).cloned().collect();
    wanted.sort();
    assert_eq!(seen, wanted);
    let transit = world.log_in(&role("transit-2020", "planning")).await.unwrap();
    let mut seen = counts(&transit, all).await;
    seen.sort();
    let mut wanted = told.to_vec();
    wanted.sort();
    assert_eq!(seen, wanted);
    // No condition of the partner's splits a group, nor reaches a row.
    let one = counts(
        &police,
        "select district, stops from stops where district = 'nine'",
    )
    .await;
    assert_eq!(one, [group("nine", None)]);
    for sql in [
        "select person_id from stops",
        "select stop_id from stops",
        "select sealed from stops",
    ] {
        let error = police.simple_query(sql).await.unwrap_err();
        assert_eq!(error.code(), Some(&SqlState::UNDEFINED_COLUMN), "{sql}");
    }
    // A tenth person changes it at once.
    let more = "insert into app.stops values (110, 10, 'nine', false)";
    world.admin().await.batch_execute(more).await.unwrap();
    let one = counts(
        &police,
        "select district, stops from stops where district = 'nine'",
    )
    .await;
    assert_eq!(one, [group("nine", Some(10))]);
}

async fn plan(world: &World, sql: &str) -> String {
    let admin = world.admin().await;
    admin
        .batch_execute("analyze; set enable_seqscan = off")
        .await
        .unwrap();
    let rows = admin.query(&format!("explain {sql}"), &[]).await.unwrap();
    let lines: Vec<String> = rows.iter().map(|row| row.get(0)).collect();
    lines.join("\n")
}

#[tokio::test]
async fn a_partners_condition_enters_open_shares_only() {
    let world = world().await;
    // The index would help: whether the row is there shows in how long it takes.
    let open = plan(
        &world,
        &format!(
            "select * from {}.people where id = 90001",
            role("transit-2020", "planning")
        ),
    )
    .await;
    assert!(
        open.contains("Index Cond: (") && open.contains("id = 90001"),
        "{open}"
    );
    let opaque = plan(
        &world,
        &format!("select * from {}.people where id = 90001", investigation()),
    )
    .await;
    assert!(opaque.contains("Subquery Scan on people"), "{opaque}");
    assert!(opaque.contains("Filter: (people.id = 90001)"), "{opaque}");
    assert!(!opaque.contains("Index Cond"), "{opaque}");
    let joined = plan(
        &world,
        &format!(
            "select * from {0}.people p join {0}.stops s on s.district = p.name where p.id = 90001",
            investigation()
        ),
    )
    .await;
    assert!(!joined.contains("Index Cond"), "{joined}");
    let counted = plan(
        &world,
        &format!("select * from {}.stops where district = 'nine'", investigation()),
    )
    .await;
    let above = counted.find("Filter: (stops.district = 'nine'::text)");
    assert!(above < counted.find("Aggregate") && above.is_some(), "{counted}");
}
