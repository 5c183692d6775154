//! Changing the estate back and forth, over and over: roles stay the ones that they are, and no catalog grows.

use std::collections::BTreeMap;

use ledger::register::Register as _;
use policy::estate::Files;

use crate::world::{World, approve};

/// Changes of the estate in CI.
const SOME: u32 = 60;

/// Changes in `make soak`.
const MANY: u32 = 2_000;

/// Changes before catalogs are measured for the first time: all that is made once is made by then.
const WARM_UP: u32 = 6;

/// How often catalogs are vacuumed, in changes. The custodian's autovacuum does it; here it is done when it is to be
/// measured, so that the numbers do not depend on its moods.
const VACUUM_EVERY: u32 = 5;

/// Catalogs that applying writes to. Of each the rows are counted, which must stay, and the pages, which may not grow.
const CATALOGS: [&str; 12] = [
    "pg_authid",
    "pg_auth_members",
    "pg_db_role_setting",
    "pg_default_acl",
    "pg_namespace",
    "pg_class",
    "pg_attribute",
    "pg_rewrite",
    "pg_type",
    "pg_depend",
    "pg_shdepend",
    "pg_init_privs",
];

/// The estate in one of three forms: as it is, with the police's share changed, and without the transit's agreement.
fn form(number: u32, files: &mut Files) {
    match number % 3 {
        0 => {}
        1 => {
            let text = files.get_mut("agreements/police-2018.toml").unwrap();
            *text = text.replace("!resource.sealed", "!resource.sealed && resource.id < 100");
        }
        _ => {
            files.remove("agreements/transit-2020.toml");
            let text = files.get_mut("agreements/police-2018.toml").unwrap();
            *text = text
                .replace("\"year\"", "\"null\"")
                .replace("sessions = 5", "sessions = 9");
        }
    }
}

/// Rows and pages of each catalog.
async fn sizes(world: &World) -> BTreeMap<&'static str, (i64, i64)> {
    let admin = world.admin().await;
    let mut sizes = BTreeMap::new();
    for catalog in CATALOGS {
        let sql = format!("select (select count(*) from {catalog}), pg_table_size('{catalog}') / 8192");
        let row = admin.query_one(&sql, &[]).await.unwrap();
        sizes.insert(catalog, (row.get(0), row.get(1)));
    }
    sizes
}

async fn roles(world: &World) -> Vec<(String, u32)> {
    let sql = "select rolname::text, oid from pg_roles where rolname ~ '^estop_' order by 1";
    let rows = world.admin().await.query(sql, &[]).await.unwrap();
    rows.iter().map(|row| (row.get(0), row.get(1))).collect()
}

async fn back_and_forth(changes: u32) {
    let mut world = World::applied(&[("autovacuum", "off")]).await;
    let made = roles(&world).await;
    let mut first = BTreeMap::new();
    for number in 1..=changes + WARM_UP {
        world.restart_with(|files| form(number, files));
        approve(&world.control).await.unwrap();
        let applied = world.control.apply(&[]).await.unwrap();
        assert!(applied.moved && !applied.plans[0].steps.is_empty());
        if number % VACUUM_EVERY == 0 || number == WARM_UP {
            world.admin().await.batch_execute("vacuum").await.unwrap();
        }
        if number == WARM_UP {
            first = sizes(&world).await;
        }
    }
    // In the same form as when the first sizes were taken.
    assert_eq!(changes % 3, 0);
    assert_eq!(roles(&world).await, made, "roles are fixed");
    world.admin().await.batch_execute("vacuum").await.unwrap();
    let last = sizes(&world).await;
    println!("catalogs, rows and pages, after {changes} changes:");
    for (catalog, (rows, pages)) in &last {
        let (rows_before, pages_before) = first[catalog];
        println!("  {catalog}: {rows_before} -> {rows} rows, {pages_before} -> {pages} pages");
        assert_eq!(*rows, rows_before, "{catalog} has other rows");
        // What one change leaves dead until the next vacuum, for as many changes as there are between two.
        assert!(
            *pages <= pages_before + 16,
            "{catalog} grows: {pages_before} -> {pages} pages"
        );
    }
    // What the register keeps of passwords is bounded by the roles as well.
    assert_eq!(world.register.list("upstream/").unwrap().len(), made.len() - 2);
}

#[tokio::test]
async fn catalogs_and_roles_stay_as_the_estate_changes_back_and_forth() {
    back_and_forth(SOME).await;
}

#[tokio::test]
#[ignore = "takes long: `make soak`"]
async fn catalogs_and_roles_stay_over_thousands_of_changes() {
    back_and_forth(MANY - MANY % 3).await;
}
