//! Tests of `plan`: a catalog in the desired state gives no steps, and every change to it gives the step that undoes it.

use super::*;
use crate::catalog::{Class, Function, Membership, Object, Owned, Password, Relation, RelationKind, Role};

mod keys;
pub(crate) mod standing;

use standing::{SHARE, applied, desired, grant, relation, setting};

/// The SQL of the plan after a change to the desired state.
fn after(change: impl FnOnce(&mut Catalog)) -> Vec<String> {
    let mut catalog = applied();
    change(&mut catalog);
    let plan = plan(&desired(), &catalog);
    plan.steps.into_iter().map(|step| step.sql).collect()
}

#[test]
fn the_desired_state_needs_nothing() {
    let plan = plan(&desired(), &applied());
    assert_eq!(plan.steps, []);
    assert_eq!(plan.findings, []);
}

#[test]
fn an_empty_database_gets_everything_in_an_order_that_works() {
    let mut catalog = applied();
    catalog.roles.truncate(1);
    catalog.grants.retain(|grant| grant.grantee == Grantee::Public);
    catalog.grants.push(grant(
        Object::function("pg_catalog", "pg_sleep", "double precision"),
        "EXECUTE",
        None,
        "dba",
    ));
    catalog.schemas.truncate(1);
    catalog.relations.truncate(1);
    catalog.settings.clear();
    let plan = plan(&desired(), &catalog);
    let place = |start: &str| {
        plan.steps
            .iter()
            .position(|step| step.sql.starts_with(start))
            .unwrap_or_else(|| panic!("{start}\n{plan}"))
    };
    let order = [
        "CREATE ROLE \"estop_owner\"",
        "CREATE ROLE \"estop_0123456789abcdef\" NOLOGIN NOINHERIT",
        "CREATE SCHEMA \"estop_0123456789abcdef\" AUTHORIZATION \"estop_owner\"",
        "GRANT USAGE ON SCHEMA \"app\" TO \"estop_owner\"",
        "GRANT EXECUTE ON ROUTINE \"pg_catalog\".\"pg_sleep\"(double precision) TO \"estop_kept\"",
        "SET LOCAL ROLE \"estop_owner\"; CREATE VIEW",
        "GRANT SELECT ON TABLE \"estop_0123456789abcdef\".\"people\"",
        "ALTER ROLE \"estop_0123456789abcdef\" LOGIN PASSWORD '{password}'",
    ];
    let places: Vec<usize> = order.iter().map(|start| place(start)).collect();
    assert!(places.is_sorted(), "{places:?}\n{plan}");
    assert_eq!(plan.steps.last().unwrap().password_for.as_deref(), Some(SHARE));
}

#[test]
fn the_owner_gets_the_columns_that_are_read_and_no_more() {
    let rights = desired().owner_rights();
    assert!(!rights.iter().any(|(object, _)| object.class == Class::Relation));
    assert!(
        !rights
            .iter()
            .any(|(object, _)| object.part.as_deref() == Some("ssn"))
    );
    assert!(rights.contains(&(Object::column("app", "people", "open"), "SELECT")));
}

#[test]
fn a_right_given_behind_our_back_is_taken() {
    let sql = after(|c| {
        c.grants.push(grant(
            Object::relation("app", "people"),
            "SELECT",
            Some(SHARE),
            "dba",
        ))
    });
    assert_eq!(
        sql,
        ["REVOKE SELECT ON TABLE \"app\".\"people\" FROM \"estop_0123456789abcdef\" CASCADE"]
    );
}

#[test]
fn columns_that_fall_with_their_relations_right_are_given_again() {
    let sql = after(|c| {
        c.grants.push(grant(
            Object::relation("app", "people"),
            "SELECT",
            Some(OWNER_ROLE),
            "dba",
        ))
    });
    assert_eq!(sql.len(), 3, "{sql:?}");
    assert!(sql[0].starts_with("REVOKE SELECT ON TABLE"));
    assert!(sql[1].starts_with("GRANT SELECT (\"id\")") && sql[2].starts_with("GRANT SELECT (\"open\")"));
}

#[test]
fn a_right_given_by_somebody_else_is_taken_in_his_name() {
    let sql = after(|c| {
        let mut given = grant(Object::relation("app", "people"), "SELECT", Some(SHARE), "dba");
        given.grantor = "clerk".to_owned();
        c.grants.push(given);
    });
    assert!(sql[0].starts_with("SET LOCAL ROLE \"clerk\"; REVOKE"), "{sql:?}");
}

#[test]
fn a_strangers_right_in_a_share_schema_is_taken() {
    let sql = after(|c| {
        c.grants.push(grant(
            Object::relation(SHARE, "people"),
            "SELECT",
            Some("bob"),
            OWNER_ROLE,
        ))
    });
    assert_eq!(sql.len(), 1);
    assert!(sql[0].contains("FROM \"bob\""));
    let sql = after(|c| {
        c.grants
            .push(grant(Object::schema(SHARE), "USAGE", None, OWNER_ROLE))
    });
    assert!(sql[0].contains("FROM PUBLIC"));
}

#[test]
fn a_missing_right_is_given_and_a_grant_option_taken() {
    let sql = after(|c| c.grants.retain(|g| g.object != Object::schema(SHARE)));
    assert_eq!(
        sql,
        ["GRANT USAGE ON SCHEMA \"estop_0123456789abcdef\" TO \"estop_0123456789abcdef\""]
    );
    let sql = after(|c| {
        for given in c.grants.iter_mut().filter(|g| g.object == Object::schema(SHARE)) {
            given.grantable = true;
        }
    });
    assert_eq!(sql.len(), 2);
    assert!(sql[0].starts_with("REVOKE") && sql[1].starts_with("GRANT"));
}

#[test]
fn an_altered_view_is_made_anew_with_its_rights() {
    let changes: [fn(&mut Relation); 4] = [
        |view| view.definition = Some("something else".to_owned()),
        |view| view.options.clear(),
        |view| view.options.push("security_invoker=true".to_owned()),
        |view| view.rules_and_triggers = 1,
    ];
    for change in changes {
        let sql = after(|c| {
            c.relations
                .iter_mut()
                .filter(|r| r.schema == SHARE)
                .for_each(change)
        });
        assert_eq!(sql.len(), 3, "{sql:?}");
        assert!(sql[0].starts_with("DROP VIEW"));
        assert!(sql[1].contains("CREATE VIEW") && sql[1].contains("security_barrier = true"));
        assert!(sql[2].starts_with("GRANT SELECT ON TABLE"));
    }
}

#[test]
fn a_view_or_schema_that_changed_owner_changes_back() {
    let sql = after(|c| c.relations[1].owner = "bob".to_owned());
    assert_eq!(
        sql,
        [format!(
            "ALTER VIEW \"{SHARE}\".\"people\" OWNER TO \"estop_owner\""
        )]
    );
    let sql = after(|c| c.schemas[1].owner = "bob".to_owned());
    assert_eq!(
        sql,
        [format!("ALTER SCHEMA \"{SHARE}\" OWNER TO \"estop_owner\"")]
    );
}

#[test]
fn a_strange_view_in_a_share_schema_goes_and_is_not_revoked_from_too() {
    let sql = after(|c| {
        c.relations
            .push(relation(SHARE, "more", RelationKind::View, OWNER_ROLE));
        c.grants.push(grant(
            Object::relation(SHARE, "more"),
            "SELECT",
            Some(SHARE),
            OWNER_ROLE,
        ));
        c.grants.push(grant(
            Object::column(SHARE, "more", "x"),
            "SELECT",
            Some("bob"),
            OWNER_ROLE,
        ));
    });
    assert_eq!(sql, [format!("DROP VIEW \"{SHARE}\".\"more\"")]);
}

#[test]
fn a_table_in_a_share_schema_is_a_finding_and_never_dropped() {
    let mut catalog = applied();
    catalog
        .relations
        .push(relation(SHARE, "loot", RelationKind::Table, "dba"));
    let plan = plan(&desired(), &catalog);
    assert_eq!(plan.steps, []);
    assert_eq!(plan.blocking().count(), 1);
}

#[test]
fn memberships_of_share_roles_end_both_ways() {
    for (granted, member) in [
        ("dba", SHARE),
        (SHARE, "bob"),
        (OWNER_ROLE, SHARE),
        ("dba", OWNER_ROLE),
        ("pg_monitor", SHARE),
    ] {
        let sql = after(|c| {
            c.memberships.push(Membership {
                role: granted.to_owned(),
                member: member.to_owned(),
                grantor: None,
            });
        });
        assert_eq!(sql, [format!("REVOKE \"{granted}\" FROM \"{member}\" CASCADE")]);
    }
}

#[test]
fn the_custodians_own_memberships_stay() {
    for (granted, member) in [("app", "bob"), (KEPT_ROLE, "bob"), ("pg_monitor", "bob")] {
        let sql = after(|c| {
            c.memberships.push(Membership {
                role: granted.to_owned(),
                member: member.to_owned(),
                grantor: None,
            });
        });
        assert_eq!(sql, [] as [String; 0]);
    }
}

#[test]
fn behind_an_airlock_there_is_room_for_who_ends_and_who_begins() {
    let mut desired = desired();
    desired.isolation = Isolation::Airlock;
    let plan = plan(&desired, &applied());
    let sql: Vec<&str> = plan.steps.iter().map(|step| step.sql.as_str()).collect();
    assert_eq!(sql, [format!("ALTER ROLE \"{SHARE}\" CONNECTION LIMIT 40")]);
}

#[test]
fn powers_limits_and_settings_are_put_back() {
    type Change = fn(&mut Role);
    let cases: [(Change, &str); 7] = [
        (|r| r.superuser = true, "NOSUPERUSER"),
        (|r| r.bypass_rls = true, "NOBYPASSRLS"),
        (|r| r.create_role = true, "NOCREATEROLE"),
        (|r| r.inherit = true, "NOINHERIT"),
        (|r| r.replication = true, "NOREPLICATION"),
        (|r| r.connection_limit = -1, "CONNECTION LIMIT 20"),
        (
            |r| r.valid_until = Some("2030-01-01".to_owned()),
            "VALID UNTIL 'infinity'",
        ),
    ];
    for (change, remedy) in cases {
        let sql = after(|c| c.roles.iter_mut().filter(|r| r.name == SHARE).for_each(change));
        assert_eq!(sql, [format!("ALTER ROLE \"{SHARE}\" {remedy}")]);
    }
    let sql = after(|c| {
        c.settings
            .push(setting(SHARE, Some("records"), "statement_timeout", "0"))
    });
    assert_eq!(
        sql,
        [format!(
            "ALTER ROLE \"{SHARE}\" IN DATABASE \"records\" RESET \"statement_timeout\""
        )]
    );
    let sql = after(|c| c.settings.clear());
    assert_eq!(
        sql,
        [format!(
            "ALTER ROLE \"{SHARE}\" SET \"statement_timeout\" = '60s'"
        )]
    );
}

#[test]
fn a_foreign_password_is_replaced_and_stands_in_no_plan() {
    let sql = after(|c| c.roles[3].password = Password::Foreign);
    assert_eq!(
        sql,
        [format!(
            "ALTER ROLE \"{SHARE}\" LOGIN PASSWORD '{PASSWORD_PLACEHOLDER}'"
        )]
    );
    let mut renew = desired();
    renew.renew.insert(SHARE.to_owned());
    assert_eq!(plan(&renew, &applied()).steps.len(), 1);
}

#[test]
fn an_ended_role_keeps_nothing_but_its_views() {
    let mut desired = desired();
    desired.roles[0].standing = Standing::Ended("D-2026-0001".parse().unwrap());
    desired.roles[0].connection_limit = 0;
    let plan = plan(&desired, &applied());
    let sql: Vec<&str> = plan.steps.iter().map(|step| step.sql.as_str()).collect();
    assert!(
        sql.contains(&format!("ALTER ROLE \"{SHARE}\" NOLOGIN PASSWORD NULL").as_str()),
        "{sql:?}"
    );
    assert_eq!(
        sql.iter().filter(|sql| sql.starts_with("REVOKE")).count(),
        3,
        "{sql:?}"
    );
    assert!(
        !sql.iter()
            .any(|sql| sql.contains("DROP") || sql.contains(" LOGIN"))
    );
}

#[test]
fn a_role_of_no_agreement_loses_everything_unless_it_is_another_upstreams() {
    let none = Desired {
        roles: Vec::new(),
        ..desired()
    };
    let stray = plan(&none, &applied());
    let sql: Vec<&str> = stray.steps.iter().map(|step| step.sql.as_str()).collect();
    assert!(
        sql[0].starts_with(&format!("ALTER ROLE \"{SHARE}\" NOLOGIN PASSWORD NULL")),
        "{sql:?}"
    );
    assert!(sql.iter().any(|sql| sql.starts_with("DROP VIEW")));
    assert_eq!(stray.blocking().collect::<Vec<_>>(), Vec::<&Finding>::new());
    let elsewhere = Desired {
        elsewhere: BTreeSet::from([SHARE.to_owned()]),
        ..none
    };
    // The role is another plan's business; what it has in this database is this one's.
    let mut catalog = applied();
    let there = Object::database("archive");
    catalog.grants.push(grant(there, "CONNECT", Some(SHARE), "dba"));
    let moved = plan(&elsewhere, &catalog);
    let sql: Vec<&str> = moved.steps.iter().map(|step| step.sql.as_str()).collect();
    assert!(sql.iter().all(|sql| !sql.contains("ALTER ROLE")), "{sql:?}");
    assert!(sql.iter().any(|sql| sql.starts_with("DROP VIEW")), "{sql:?}");
    let connect = |database: &str| format!("REVOKE CONNECT ON DATABASE \"{database}\" FROM");
    assert!(
        sql.iter().any(|sql| sql.starts_with(&connect("records"))),
        "{sql:?}"
    );
    assert!(
        !sql.iter().any(|sql| sql.starts_with(&connect("archive"))),
        "{sql:?}"
    );
    assert_eq!(moved.blocking().collect::<Vec<_>>(), Vec::<&Finding>::new());
    // A right on a database of this server says that it is not on another one, whatever is thought of upstreams.
    let mut apart = Desired {
        apart: BTreeSet::from([SHARE.to_owned()]),
        ..elsewhere.clone()
    };
    assert_eq!(plan(&apart, &catalog).steps, moved.steps);
    catalog.grants.pop();
    let parted = plan(&apart, &catalog);
    let sql: Vec<&str> = parted.steps.iter().map(|step| step.sql.as_str()).collect();
    assert!(
        sql[0].starts_with(&format!("ALTER ROLE \"{SHARE}\" NOLOGIN PASSWORD NULL")),
        "{sql:?}"
    );
    assert_eq!(parted.blocking().collect::<Vec<_>>(), Vec::<&Finding>::new());
    apart.apart.clear();
    assert!(!plan(&apart, &catalog).to_string().contains("NOLOGIN"));
    let mut gone = applied();
    gone.schemas.retain(|schema| schema.name != SHARE);
    gone.relations.retain(|relation| relation.schema != SHARE);
    gone.grants
        .retain(|grant| grant.grantee != Grantee::Role(SHARE.to_owned()));
    let quiet = plan(&elsewhere, &gone);
    assert!(
        !quiet.steps.iter().any(|step| step.sql.contains(SHARE)),
        "{quiet}"
    );
}

#[test]
fn what_the_shares_take_for_granted_is_checked() {
    let cases: [fn(&mut Relation); 5] = [
        |r| r.columns.clear(),
        |r| r.columns[0].type_name = "text".to_owned(),
        |r| r.columns[1].not_null = false,
        |r| r.columns[1].folds = true,
        |r| r.name = "gone".to_owned(),
    ];
    for (number, change) in cases.into_iter().enumerate() {
        let mut catalog = applied();
        change(&mut catalog.relations[0]);
        assert!(plan(&desired(), &catalog).blocking().count() > 0, "case {number}");
    }
}

#[test]
fn a_planner_without_superuser_rights_says_what_a_superuser_must_do() {
    let mut catalog = applied();
    catalog.server.superuser = false;
    catalog.grants.push(grant(
        Object::function("pg_catalog", "pg_sleep", "double precision"),
        "EXECUTE",
        None,
        "dba",
    ));
    let plan = plan(&desired(), &catalog);
    assert_eq!(plan.steps, []);
    assert!(
        plan.blocking()
            .any(|f| f.close.iter().any(|sql| sql.contains("pg_sleep")))
    );
}

#[test]
fn functions_and_owned_things_of_share_roles_block() {
    let mut catalog = applied();
    catalog.owned.push(Owned {
        role: SHARE.to_owned(),
        database: None,
        what: "large object 1".to_owned(),
        alter: None,
    });
    catalog.functions.push(Function {
        schema: SHARE.to_owned(),
        name: "f".to_owned(),
        arguments: String::new(),
        owner: "dba".to_owned(),
        security_definer: false,
        language: "sql".to_owned(),
        trusted: true,
        extension: None,
    });
    assert_eq!(plan(&desired(), &catalog).blocking().count(), 2);
}

#[test]
fn the_same_input_gives_the_same_plan() {
    let none = Desired {
        roles: Vec::new(),
        ..desired()
    };
    assert_eq!(plan(&none, &applied()), plan(&none, &applied()));
    assert_ne!(
        plan(&none, &applied()).fingerprint(),
        plan(&desired(), &applied()).fingerprint()
    );
}

#[test]
fn a_column_that_a_guardrail_asks_for_and_the_file_leaves_out_blocks() {
    let mut desired = desired();
    desired.spared.insert(crate::desired::SparedColumn {
        schema: "app".parse().unwrap(),
        relation: "people".parse().unwrap(),
        dataset: "people".parse().unwrap(),
        column: "is_juvenile".to_owned(),
        guardrail: "juvenile-records".to_owned(),
    });
    let mut catalog = applied();
    assert_eq!(plan(&desired, &catalog).blocking().count(), 0, "it is not there");
    let people = catalog
        .relations
        .iter_mut()
        .find(|relation| relation.schema == "app")
        .unwrap();
    let mut column = people.columns[0].clone();
    column.name = "is_juvenile".to_owned();
    people.columns.push(column);
    let plan = plan(&desired, &catalog);
    let said: Vec<&str> = plan.blocking().map(|finding| finding.what.as_str()).collect();
    assert_eq!(said.len(), 1, "{said:?}");
    assert!(
        said[0].contains("has column `is_juvenile`, which guardrail `juvenile-records` asks for"),
        "{said:?}"
    );
}
