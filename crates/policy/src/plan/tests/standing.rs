//! A desired state and the catalog of a database in which it stands.

use std::collections::{BTreeMap, BTreeSet};

use crate::catalog::{
    Catalog, Class, Column, Grant, Grantee, KEPT_ROLE, OWNER_ROLE, Object, Password, Relation, RelationKind,
    Role, Schema, Server, Setting, printed_key,
};
use crate::desired::{BaseColumn, Desired, DesiredRole, DesiredView, Standing};
use crate::estate::Isolation;

pub(crate) const SHARE: &str = "estop_0123456789abcdef";

pub(crate) fn desired() -> Desired {
    let people = DesiredView {
        name: "people".parse().unwrap(),
        dataset: "people".parse().unwrap(),
        definition: r#"SELECT "base"."id" AS "id" FROM "app"."people" AS "base" WHERE "base"."open""#
            .to_owned(),
        base_schema: "app".parse().unwrap(),
        base_relation: "people".parse().unwrap(),
        base_columns: BTreeMap::from([
            ("id".parse().unwrap(), base("bigint", false)),
            ("open".parse().unwrap(), base("boolean", true)),
        ]),
        columns: vec!["id".parse().unwrap()],
        key: None,
    };
    let role = DesiredRole {
        name: SHARE.parse().unwrap(),
        partner: "state-police".parse().unwrap(),
        agreement: "state-police-2018".parse().unwrap(),
        purpose: "criminal-investigation".parse().unwrap(),
        standing: Standing::InForce,
        connection_limit: 20,
        settings: BTreeMap::from([("statement_timeout".to_owned(), "60s".to_owned())]),
        views: vec![people],
    };
    Desired {
        upstream: "main".to_owned(),
        isolation: Isolation::InPlace,
        roles: vec![role],
        elsewhere: BTreeSet::new(),
        apart: BTreeSet::new(),
        renew: BTreeSet::new(),
        spared: BTreeSet::new(),
    }
}

pub(crate) fn base(type_name: &str, compared: bool) -> BaseColumn {
    BaseColumn {
        type_name: type_name.to_owned(),
        not_null: compared,
        compared,
    }
}

pub(crate) fn role(name: &str, login: bool) -> Role {
    Role {
        name: name.to_owned(),
        login,
        inherit: false,
        superuser: false,
        create_db: false,
        create_role: false,
        replication: false,
        bypass_rls: false,
        connection_limit: if login { 20 } else { -1 },
        valid_until: None,
        password: if login { Password::Ours } else { Password::None },
    }
}

pub(crate) fn column(name: &str, type_name: &str) -> Column {
    Column {
        name: name.to_owned(),
        type_name: type_name.to_owned(),
        not_null: true,
        base_type: None,
        folds: false,
    }
}

pub(crate) fn relation(schema: &str, name: &str, kind: RelationKind, owner: &str) -> Relation {
    Relation {
        schema: schema.to_owned(),
        name: name.to_owned(),
        kind,
        owner: owner.to_owned(),
        options: Vec::new(),
        row_security: false,
        columns: Vec::new(),
        definition: None,
        rules_and_triggers: 0,
        extension: None,
    }
}

pub(crate) fn grant(object: Object, privilege: &str, grantee: Option<&str>, owner: &str) -> Grant {
    Grant {
        object,
        privilege: privilege.to_owned(),
        grantee: Grantee::from(grantee.map(str::to_owned)),
        grantable: false,
        grantor: owner.to_owned(),
        owner: owner.to_owned(),
    }
}

/// A database in which `desired()` stands.
pub(crate) fn applied() -> Catalog {
    let desired = desired();
    let mut people = relation("app", "people", RelationKind::Table, "dba");
    people.columns = vec![
        column("id", "bigint"),
        column("open", "boolean"),
        column("ssn", "text"),
    ];
    let mut view = relation(SHARE, "people", RelationKind::View, OWNER_ROLE);
    view.options = vec!["security_barrier=true".to_owned()];
    view.definition = Some("printed".to_owned());
    let mut dba = role("dba", true);
    dba.superuser = true;
    let mut grants: Vec<Grant> = Vec::new();
    for (object, privilege) in desired.owner_rights() {
        grants.push(grant(object, privilege, Some(OWNER_ROLE), "dba"));
    }
    for (object, privilege) in desired.roles[0].rights("records") {
        let owner = if object.class == Class::Database {
            "dba"
        } else {
            OWNER_ROLE
        };
        grants.push(grant(object, privilege, Some(SHARE), owner));
    }
    grants.push(grant(
        Object::function("pg_catalog", "lower", "text"),
        "EXECUTE",
        None,
        "dba",
    ));
    grants.push(grant(
        Object::function("pg_catalog", "pg_advisory_unlock_all", ""),
        "EXECUTE",
        None,
        "dba",
    ));
    Catalog {
        server: Server {
            version: 150_018,
            database: "records".to_owned(),
            user: "dba".to_owned(),
            superuser: true,
            commit_timestamps: false,
            max_prepared_transactions: 0,
            encoding: "UTF8".to_owned(),
        },
        roles: vec![
            dba,
            role(KEPT_ROLE, false),
            role(OWNER_ROLE, false),
            role(SHARE, true),
        ],
        memberships: Vec::new(),
        settings: vec![setting(SHARE, None, "statement_timeout", "60s")],
        grants,
        schemas: vec![
            Schema {
                name: "app".to_owned(),
                owner: "dba".to_owned(),
            },
            Schema {
                name: SHARE.to_owned(),
                owner: OWNER_ROLE.to_owned(),
            },
        ],
        relations: vec![people, view],
        functions: Vec::new(),
        owned: Vec::new(),
        extensions: Vec::new(),
        public_mappings: Vec::new(),
        surroundings: crate::catalog::surroundings::Surroundings::default(),
        marks: Vec::new(),
        mask_keys: BTreeMap::new(),
        printed: BTreeMap::from([(printed_key(SHARE, "people"), "printed".to_owned())]),
    }
}

pub(crate) fn setting(role: &str, database: Option<&str>, name: &str, value: &str) -> Setting {
    Setting {
        role: Some(role.to_owned()),
        database: database.map(str::to_owned),
        name: name.to_owned(),
        value: value.to_owned(),
    }
}
