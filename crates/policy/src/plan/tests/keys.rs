//! Tests of the steps for keys of pseudonyms.

use super::*;
use crate::catalog::{Column, KEYS_SCHEMA, KEYS_TABLE, KeyState, Schema};
use crate::mask::KeyId;

fn id() -> KeyId {
    KeyId::of(&"state-police-2018".parse().unwrap())
}

/// The estate, with a view that shows pseudonyms.
fn wanted() -> Desired {
    let mut desired = desired();
    desired.roles[0].views[0].key = Some(id());
    desired
}

/// The catalog once its key is planted.
fn planted() -> Catalog {
    let mut catalog = applied();
    catalog.schemas.push(Schema {
        name: KEYS_SCHEMA.to_owned(),
        owner: OWNER_ROLE.to_owned(),
    });
    let mut table = relation(KEYS_SCHEMA, KEYS_TABLE, RelationKind::Table, OWNER_ROLE);
    let column = |(name, kind): (&str, &str)| Column {
        name: name.to_owned(),
        type_name: kind.to_owned(),
        base_type: None,
        not_null: true,
        folds: false,
    };
    table.columns = [("id", "text"), ("inner_pad", "bytea"), ("outer_pad", "bytea")]
        .map(column)
        .into();
    table.options.clear();
    catalog.relations.push(table);
    catalog.mask_keys.insert(id().to_string(), KeyState::Ours);
    catalog
}

fn steps(desired: &Desired, change: impl FnOnce(&mut Catalog)) -> Vec<Step> {
    let mut catalog = planted();
    change(&mut catalog);
    plan(desired, &catalog).steps
}

#[test]
fn a_planted_key_needs_nothing() {
    let plan = plan(&wanted(), &planted());
    assert_eq!(plan.steps, []);
    assert_eq!(plan.findings, []);
}

#[test]
fn schema_table_and_key_come_before_the_views() {
    let mut catalog = applied();
    catalog.relations.retain(|relation| relation.schema != SHARE);
    let plan = plan(&wanted(), &catalog);
    let place = |text: &str| {
        plan.steps
            .iter()
            .position(|step| step.sql.contains(text))
            .unwrap_or_else(|| panic!("{text}\n{plan}"))
    };
    let order = ["CREATE SCHEMA", "CREATE TABLE", "INSERT INTO", "CREATE VIEW"].map(place);
    assert!(order.is_sorted(), "{plan}");
    let step = &plan.steps[place("INSERT INTO")];
    assert_eq!(step.key_for.as_ref().unwrap().as_str(), "state-police-2018");
    assert!(step.sql.contains("$1, $2"), "{}", step.sql);
}

#[test]
fn a_key_that_is_gone_or_another_is_planted_and_a_surplus_one_goes() {
    let gone = steps(&wanted(), |c| c.mask_keys.clear());
    assert_eq!(gone.len(), 1);
    assert!(gone[0].words.contains("are all NULL"), "{}", gone[0].words);
    let foreign = steps(&wanted(), |c| {
        let _ = c.mask_keys.insert(id().to_string(), KeyState::Foreign);
    });
    assert_eq!(foreign.len(), 1);
    assert!(
        foreign[0].sql.contains("ON CONFLICT (id) DO UPDATE"),
        "{}",
        foreign[0].sql
    );
    let unkept = steps(&wanted(), |c| {
        let _ = c.mask_keys.insert(id().to_string(), KeyState::Unkept);
    });
    assert_eq!(unkept, []);
    // Nothing is in force under it any more, or nothing shows pseudonyms.
    let mut ended = wanted();
    ended.roles[0].standing = Standing::Ended("D-2026-0001".parse().unwrap());
    for desired in [desired(), ended] {
        let surplus = steps(&desired, |_| {});
        let deleted = surplus.iter().filter(|step| step.sql.contains("DELETE FROM"));
        assert_eq!(deleted.count(), 1, "{surplus:?}");
    }
}

#[test]
fn whoever_else_could_read_the_keys_cannot_any_more() {
    let owner = steps(&wanted(), |c| {
        c.relations.last_mut().unwrap().owner = "bob".to_owned()
    });
    assert_eq!(owner.len(), 1);
    assert!(owner[0].sql.starts_with("ALTER TABLE"), "{owner:?}");
    for grantee in [None, Some("bob"), Some(SHARE)] {
        let sql = steps(&wanted(), |c| {
            let table = Object::relation(KEYS_SCHEMA, KEYS_TABLE);
            c.grants.push(grant(table, "SELECT", grantee, OWNER_ROLE));
        });
        assert_eq!(sql.len(), 1, "{grantee:?}");
        assert!(sql[0].sql.starts_with("REVOKE SELECT ON TABLE"), "{sql:?}");
    }
}

#[test]
fn what_is_not_the_table_that_was_made_blocks() {
    let changes: [fn(&mut Relation); 5] = [
        |table| table.kind = RelationKind::View,
        |table| table.rules_and_triggers = 1,
        |table| table.row_security = true,
        |table| drop(table.columns.pop()),
        |table| table.columns[1].not_null = false,
    ];
    for change in changes {
        let mut catalog = planted();
        change(catalog.relations.last_mut().unwrap());
        assert!(!is_readable(&catalog));
        let plan = plan(&wanted(), &catalog);
        let blocking = plan.blocking().next().unwrap();
        assert!(blocking.close[0].ends_with("CASCADE"), "{blocking:?}");
    }
    let mut catalog = planted();
    catalog.server.encoding = "SQL_ASCII".to_owned();
    assert_eq!(plan(&wanted(), &catalog).blocking().count(), 1);
    assert_eq!(plan(&desired(), &catalog).blocking().count(), 0);
}
