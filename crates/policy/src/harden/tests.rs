//! Tests of `harden`: what is taken from PUBLIC, what stays, and what blocks.

use super::*;
use crate::catalog::{Function, Object};
use crate::plan::tests::standing::applied;

fn public(object: Object, privilege: &str) -> Grant {
    Grant {
        object,
        privilege: privilege.to_owned(),
        grantee: Grantee::Public,
        grantable: false,
        grantor: "dba".to_owned(),
        owner: "dba".to_owned(),
    }
}

fn takes(object: Object, privilege: &str) -> bool {
    let mut catalog = applied();
    catalog.grants.push(public(object, privilege));
    !measures(&catalog).is_empty()
}

fn system(name: &str, arguments: &str) -> Object {
    Object::function("pg_catalog", name, arguments)
}

#[test]
fn the_functions_of_the_table_are_taken() {
    let names = [
        ("pg_stat_get_xact_numscans", "oid"),
        ("pg_stat_get_activity", "pid integer"),
        ("pg_lock_status", ""),
        ("pg_advisory_lock", "bigint"),
        ("pg_try_advisory_xact_lock_shared", "integer, integer"),
        ("lo_create", "oid"),
        ("lowrite", "integer, bytea"),
        ("query_to_xml", "query text"),
        ("ts_stat", "query text"),
        ("ts_rewrite", "tsquery, text"),
        ("pg_notify", "text, text"),
        ("pg_logical_emit_message", "boolean, text, text"),
        ("pg_current_xact_id", ""),
        ("txid_current", ""),
        ("pg_export_snapshot", ""),
        ("pg_sleep_for", "interval"),
        ("pg_total_relation_size", "regclass"),
        ("pg_terminate_backend", "pid integer, timeout bigint"),
        ("pg_read_file", "text"),
    ];
    for (name, arguments) in names {
        assert!(takes(system(name, arguments), "EXECUTE"), "{name}");
    }
}

#[test]
fn what_ordinary_clients_need_stays() {
    let names = [
        ("pg_advisory_unlock_all", ""),
        ("set_config", "text, text, boolean"),
        ("pg_get_viewdef", "oid"),
        ("format_type", "oid, integer"),
        ("has_table_privilege", "text, text"),
        ("ts_rewrite", "tsquery, tsquery, tsquery"),
        ("pg_encoding_to_char", "integer"),
        ("obj_description", "oid, name"),
    ];
    for (name, arguments) in names {
        assert!(!takes(system(name, arguments), "EXECUTE"), "{name}");
    }
    assert!(!takes(Object::relation("pg_catalog", "pg_stats"), "SELECT"));
    assert!(!takes(Object::relation("pg_catalog", "pg_class"), "SELECT"));
    assert!(!takes(Object::function("public", "pg_sleep", ""), "EXECUTE"));
}

#[test]
fn databases_languages_and_statistics_views_are_taken() {
    let language = Object {
        class: Class::Language,
        schema: None,
        name: "plpgsql".to_owned(),
        part: None,
    };
    assert!(takes(language, "USAGE"));
    assert!(takes(Object::database("records"), "TEMPORARY"));
    assert!(takes(Object::database("postgres"), "CONNECT"));
    for name in [
        "pg_stat_activity",
        "pg_statio_all_tables",
        "pg_locks",
        "pg_statistic",
        "pg_authid",
    ] {
        assert!(takes(Object::relation("pg_catalog", name), "SELECT"), "{name}");
    }
}

fn blocking(change: impl FnOnce(&mut Catalog)) -> Vec<Finding> {
    let mut catalog = applied();
    change(&mut catalog);
    findings(&catalog)
        .into_iter()
        .filter(|finding| finding.severity == Severity::Blocks)
        .collect()
}

fn function(security_definer: bool, trusted: bool, extension: Option<&str>) -> Function {
    Function {
        schema: "public".to_owned(),
        name: "lookup".to_owned(),
        arguments: "bigint".to_owned(),
        owner: "dba".to_owned(),
        security_definer,
        language: "sql".to_owned(),
        trusted,
        extension: extension.map(str::to_owned),
    }
}

fn with_function(catalog: &mut Catalog, function: Function) {
    catalog.grants.push(public(Object::schema("public"), "USAGE"));
    catalog
        .grants
        .push(public(Object::function("public", "lookup", "bigint"), "EXECUTE"));
    catalog.functions.push(function);
}

#[test]
fn dangerous_functions_block_with_the_statement_that_closes_them() {
    for dangerous in [
        function(true, true, None),
        function(false, false, None),
        function(false, true, Some("dblink")),
    ] {
        let found = blocking(|catalog| with_function(catalog, dangerous.clone()));
        assert_eq!(found.len(), 1, "{dangerous:?}");
        assert_eq!(
            found[0].close,
            ["REVOKE EXECUTE ON ROUTINE \"public\".\"lookup\"(bigint) FROM PUBLIC"]
        );
    }
}

#[test]
fn a_function_that_nobody_reaches_or_that_is_harmless_does_not_block() {
    assert_eq!(
        blocking(|catalog| with_function(catalog, function(false, true, None))),
        []
    );
    let unreachable = blocking(|catalog| {
        with_function(catalog, function(true, true, None));
        catalog
            .grants
            .retain(|grant| grant.object != Object::schema("public"));
    });
    assert_eq!(unreachable, []);
    let revoked = blocking(|catalog| {
        with_function(catalog, function(true, true, None));
        catalog
            .grants
            .retain(|grant| grant.object.class != Class::Function);
    });
    assert_eq!(revoked, []);
}

#[test]
fn create_for_public_blocks() {
    let found = blocking(|catalog| catalog.grants.push(public(Object::schema("public"), "CREATE")));
    assert_eq!(
        found[0].close,
        ["REVOKE CREATE ON SCHEMA \"public\" FROM PUBLIC CASCADE"]
    );
}

#[test]
fn a_relation_that_everybody_reads_blocks() {
    let found = blocking(|catalog| {
        catalog.grants.push(public(Object::schema("app"), "USAGE"));
        catalog
            .grants
            .push(public(Object::column("app", "people", "ssn"), "SELECT"));
    });
    assert_eq!(
        found[0].close,
        ["REVOKE SELECT (\"ssn\") ON TABLE \"app\".\"people\" FROM PUBLIC CASCADE"]
    );
}

#[test]
fn foreign_servers_for_everybody_block() {
    let server = Object {
        class: Class::ForeignServer,
        schema: None,
        name: "other".to_owned(),
        part: None,
    };
    assert_eq!(
        blocking(|catalog| catalog.grants.push(public(server, "USAGE"))).len(),
        1
    );
}
