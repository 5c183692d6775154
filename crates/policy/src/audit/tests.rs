//! Items from catalogs that are wrong in one way each.

use super::*;
use crate::catalog::surroundings::{EventTrigger, Leakproof, Partition, Rule};
use crate::catalog::{Grantee, Object, RelationKind, Role};
use crate::plan::tests::standing::{applied, desired, grant, setting};

fn found(change: impl FnOnce(&mut Catalog)) -> Vec<Item> {
    let mut catalog = applied();
    catalog.surroundings.rules = Some(vec![Rule {
        line: 1,
        kind: Some("local".to_owned()),
        databases: vec!["all".to_owned()],
        users: vec!["all".to_owned()],
        address: None,
        netmask: None,
        method: Some("scram-sha-256".to_owned()),
    }]);
    change(&mut catalog);
    audit(&desired(), &catalog, &Road::Socket)
}

#[track_caller]
fn only(items: &[Item], grade: Grade, word: &str) {
    let told: Vec<_> = items
        .iter()
        .map(|item| (item.grade, item.what.as_str()))
        .collect();
    assert_eq!(items.len(), 1, "{told:?}");
    assert_eq!(items[0].grade, grade, "{told:?}");
    assert!(items[0].what.contains(word), "{told:?}");
}

/// The same catalog, before partners in an airlock.
fn found_behind_an_airlock(change: impl FnOnce(&mut Catalog)) -> (Vec<Item>, usize) {
    let mut catalog = applied();
    change(&mut catalog);
    let desired = Desired {
        isolation: Isolation::Airlock,
        ..desired()
    };
    let blocking = plan(&desired, &catalog).blocking().count();
    let mut items = audit(&desired, &catalog, &Road::Socket);
    items.retain(|item| !item.what.contains("pg_hba.conf cannot be read"));
    (items, blocking)
}

#[test]
fn what_needs_statements_of_the_partners_own_is_critical_in_place_only() {
    let open = |catalog: &mut Catalog| {
        catalog
            .grants
            .push(grant(Object::schema("public"), "CREATE", None, "dba"));
    };
    let in_place = found(open);
    only(&in_place, Grade::Critical, "CREATE");
    assert_eq!(in_place[0].reach, Reach::InPlace);
    let (items, blocking) = found_behind_an_airlock(open);
    only(&items, Grade::High, "CREATE");
    assert!(
        items[0].opens.ends_with("only to whoever breaks out of it"),
        "{items:?}"
    );
    assert_eq!((items[0].rows.as_slice(), blocking), ([18].as_slice(), 0));
    // What is in the plan as a step where a superuser applies it, and a finding where none does.
    let rights = |superuser: bool| {
        move |catalog: &mut Catalog| {
            catalog.server.superuser = superuser;
            // That it does not is another finding, which blocks in both.
            catalog.surroundings.sees_passwords = true;
            let locks = Object::function("pg_catalog", "pg_lock_status", "");
            catalog.grants.push(grant(locks, "EXECUTE", None, "dba"));
        }
    };
    for superuser in [true, false] {
        let (items, blocking) = found_behind_an_airlock(rights(superuser));
        assert_eq!(blocking, 0, "{items:?}");
        assert!(
            !items.is_empty() && items.iter().all(|item| item.grade != Grade::Critical),
            "{items:?}"
        );
    }
    let mut ordinary = applied();
    rights(false)(&mut ordinary);
    assert_eq!(plan(&desired(), &ordinary).blocking().count(), 1);
}

#[test]
fn a_way_in_without_a_password_stops_applying_in_both_isolations() {
    let trust = |catalog: &mut Catalog| {
        catalog.surroundings.rules = Some(vec![Rule {
            line: 7,
            kind: Some("host".to_owned()),
            databases: vec!["all".to_owned()],
            users: vec!["all".to_owned()],
            address: Some("0.0.0.0".to_owned()),
            netmask: Some("0.0.0.0".to_owned()),
            method: Some("trust".to_owned()),
        }]);
    };
    let items = found(trust);
    let worst = items.first().unwrap();
    assert_eq!(
        (worst.grade, worst.reach),
        (Grade::Critical, Reach::Both),
        "{items:?}"
    );
    assert!(worst.what.starts_with("line 7 of pg_hba.conf"), "{items:?}");
    let mut catalog = applied();
    trust(&mut catalog);
    assert_eq!(plan(&desired(), &catalog).blocking().count(), 1);
    let (items, blocking) = found_behind_an_airlock(trust);
    assert_eq!((items[0].grade, blocking), (Grade::Critical, 1), "{items:?}");
}

#[test]
fn a_hardened_database_leaves_nothing_open() {
    assert_eq!(found(|_| {}), []);
}

#[test]
fn what_is_critical_stops_applying_as_well() {
    let leakproof = |catalog: &mut Catalog| {
        catalog.surroundings.leakproof = vec![Leakproof {
            schema: "public".to_owned(),
            name: "peek".to_owned(),
            arguments: "text".to_owned(),
        }];
        let schema = Object::schema("public");
        let function = Object::function("public", "peek", "text");
        catalog.grants.push(grant(schema, "USAGE", None, "dba"));
        catalog.grants.push(grant(function, "EXECUTE", None, "dba"));
    };
    let items = found(leakproof);
    only(&items, Grade::Critical, "LEAKPROOF");
    assert_eq!(
        items[0].close,
        ["ALTER ROUTINE \"public\".\"peek\"(text) NOT LEAKPROOF"]
    );
    assert_eq!(items[0].rows, [1]);
    let mut catalog = applied();
    leakproof(&mut catalog);
    assert_eq!(plan(&desired(), &catalog).blocking().count(), 1);
    // One that only its owner may call is looked at, and stops nothing.
    let mut quiet = applied();
    leakproof(&mut quiet);
    quiet
        .grants
        .retain(|grant| grant.grantee != Grantee::Public || grant.object.name != "peek");
    assert_eq!(plan(&desired(), &quiet).blocking().count(), 0);
}

#[test]
fn plans_that_are_sent_to_clients_are_critical_wherever_that_is_set() {
    let level = |catalog: &mut Catalog| {
        catalog
            .surroundings
            .settings
            .insert("auto_explain.log_level".to_owned(), "notice".to_owned());
    };
    only(&found(level), Grade::Critical, "auto_explain");
    let of_role = |catalog: &mut Catalog| {
        catalog.settings.push(setting(
            "clerk",
            Some("records"),
            "auto_explain.log_level",
            "WARNING",
        ));
    };
    let items = found(of_role);
    only(&items, Grade::Critical, "auto_explain");
    assert_eq!(
        items[0].close,
        ["ALTER ROLE \"clerk\" IN DATABASE \"records\" RESET auto_explain.log_level"]
    );
    let log = |catalog: &mut Catalog| {
        catalog
            .surroundings
            .settings
            .insert("auto_explain.log_level".to_owned(), "log".to_owned());
    };
    assert_eq!(found(log), []);
}

#[test]
fn event_triggers_replication_secrets_and_parts_are_told() {
    let trigger = |owner: bool, event: &str| {
        let event = event.to_owned();
        move |catalog: &mut Catalog| {
            catalog.surroundings.event_triggers = vec![EventTrigger {
                name: "watch".to_owned(),
                event,
                function: "app.watch()".to_owned(),
                owner: "app".to_owned(),
                superuser: owner,
            }];
        }
    };
    only(&found(trigger(false, "ddl_command_end")), Grade::High, "watch");
    only(&found(trigger(true, "login")), Grade::Medium, "watch");
    assert_eq!(found(trigger(true, "ddl_command_end")), []);
    let replica = |catalog: &mut Catalog| {
        let role = Role {
            name: "replica".to_owned(),
            replication: true,
            superuser: false,
            ..catalog.roles[0].clone()
        };
        catalog.roles.push(role);
        catalog
            .surroundings
            .settings
            .insert("wal_level".to_owned(), "logical".to_owned());
    };
    only(&found(replica), Grade::High, "replica");
    only(
        &found(|catalog| catalog.settings.push(setting("clerk", None, "app.salt", "x"))),
        Grade::High,
        "app.salt",
    );
    only(
        &found(|catalog| catalog.server.max_prepared_transactions = 5),
        Grade::Medium,
        "max_prepared_transactions",
    );
    let part = |catalog: &mut Catalog| {
        catalog.surroundings.partitions = vec![Partition {
            schema: "app".to_owned(),
            name: "people".to_owned(),
            parent: "app.everybody".to_owned(),
            row_security: true,
        }];
    };
    only(&found(part), Grade::High, "app.everybody");
    let view = |catalog: &mut Catalog| {
        let people = catalog
            .relations
            .iter_mut()
            .find(|relation| relation.schema == "app")
            .unwrap();
        people.kind = RelationKind::View;
        people.options = vec!["security_barrier=true".to_owned()];
    };
    only(&found(view), Grade::Medium, "no row security binds");
    only(
        &found(|catalog| catalog.surroundings.rules = None),
        Grade::Medium,
        "pg_hba.conf",
    );
}

#[test]
fn what_apply_closes_is_not_in_the_custodians_script() {
    let items = found(|catalog| {
        let lock = Object::function("pg_catalog", "pg_advisory_lock", "bigint");
        catalog.grants.push(grant(lock, "EXECUTE", None, "dba"));
        catalog
            .grants
            .push(grant(Object::schema("public"), "CREATE", None, "dba"));
    });
    assert_eq!(items.len(), 2, "{items:?}");
    assert!(items.iter().any(|item| item.by == By::Apply && item.rows == [22]));
    let script = script(&items);
    assert!(
        script.contains("REVOKE CREATE ON SCHEMA \"public\" FROM PUBLIC CASCADE;"),
        "{script}"
    );
    assert!(!script.contains("advisory"), "{script}");
}

#[test]
fn no_name_ends_a_comment_of_the_script() {
    let items = found(|catalog| {
        let role = Role {
            name: "x\nDROP TABLE app.people; --".to_owned(),
            replication: true,
            superuser: false,
            ..catalog.roles[0].clone()
        };
        catalog.roles.push(role);
    });
    let script = script(&items);
    let inside_quotes = script.lines().filter(|line| line.starts_with("DROP")).count();
    // Only inside the quoted identifier of the statement itself.
    assert_eq!(inside_quotes, 1, "{script}");
    assert!(
        script.contains("ALTER ROLE \"x\nDROP TABLE app.people; --\" NOREPLICATION;"),
        "{script}"
    );
}
