//! More of the table of channels, as the agreement's own role with no gateway before it: not this or that function, but everything
//! that is left to the role after hardening, on whatever version of PostgreSQL runs; and attempts by row.

use tokio_postgres::Client;

use crate::world::{World, investigation};

/// Volatile functions of PostgreSQL that a hardened role may still call, each looked at. Those of a new version are not here until
/// somebody has looked.
const LEFT: &[&str] = &[
    // Handlers, triggers and parts of index and sampling methods: not to be called by themselves, or without effect.
    "amvalidate",
    "bernoulli",
    "brinhandler",
    "bthandler",
    "ginhandler",
    "gisthandler",
    "hashhandler",
    "heap_tableam_handler",
    "spghandler",
    "system",
    "dsnowball_init",
    "dsnowball_lexize",
    "suppress_redundant_updates_trigger",
    "tsvector_update_trigger",
    "tsvector_update_trigger_column",
    "unique_key_recheck",
    "plpgsql_call_handler",
    "plpgsql_inline_handler",
    "plpgsql_validator",
    "pg_event_trigger_ddl_commands",
    "pg_event_trigger_dropped_objects",
    "pg_event_trigger_table_rewrite_oid",
    "pg_event_trigger_table_rewrite_reason",
    "pg_ddl_command_recv",
    "pg_extension_config_dump",
    // Of indexes and relations: their owner only, or with a right to the relation.
    "brin_desummarize_range",
    "brin_summarize_new_values",
    "brin_summarize_range",
    "gin_clean_pending_list",
    "currtid",
    "currtid2",
    "currval",
    "lastval",
    "nextval",
    "setval",
    "pg_sequence_last_value",
    "pg_clear_attribute_stats",
    "pg_clear_relation_stats",
    "pg_restore_attribute_stats",
    "pg_restore_relation_stats",
    "pg_nextoid",
    "pg_stop_making_pinned_objects",
    // Clocks, chance, and the session's own state.
    "clock_timestamp",
    "timeofday",
    "timezone",
    "random",
    "random_normal",
    "setseed",
    "gen_random_uuid",
    "uuidv4",
    "uuidv7",
    "array_sample",
    "array_shuffle",
    "current_query",
    "set_config",
    "pg_listening_channels",
    "pg_my_temp_schema",
    "pg_is_other_temp_schema",
    "pg_advisory_unlock_all",
    "pg_backend_pid",
    "pg_trigger_depth",
    "pg_cursor",
    "pg_prepared_statement",
    "pg_show_all_settings",
    // Of the server, and the same for all databases: versions, start, what could be installed.
    "pg_available_extension_versions",
    "pg_available_extensions",
    "pg_extension_update_paths",
    "pg_collation_actual_version",
    "pg_database_collation_actual_version",
    "pg_is_in_recovery",
    "pg_is_wal_replay_paused",
    "pg_conf_load_time",
    "pg_jit_available",
    "pg_postmaster_start_time",
    "pg_timezone_abbrevs_abbrevs",
    "pg_timezone_names",
    "pg_walfile_name",
    "pg_walfile_name_offset",
    "pg_split_walfile_name",
    "pg_get_wait_events",
    "pg_numa_available",
    "pg_settings_get_flags",
    "pg_partition_ancestors",
    "pg_partition_tree",
    "pg_tablespace_location",
    "pg_filenode_relation",
    "pg_relation_is_publishable",
    "pg_options_to_table",
    "inet_client_addr",
];

async fn column(session: &Client, sql: &str) -> Vec<String> {
    let rows = session.query(sql, &[]).await.unwrap();
    rows.iter().map(|row| row.get(0)).collect()
}

#[tokio::test]
async fn rows_3_to_33_every_function_that_is_left_has_been_looked_at() {
    let world = World::applied(&[]).await;
    let session = world.log_in(&investigation()).await.unwrap();
    let left = column(
        &session,
        "select distinct proname::text from pg_proc where pronamespace = 'pg_catalog'::regnamespace
           and provolatile = 'v' and proname !~ '^RI_FKey_' and has_function_privilege(oid, 'execute')",
    )
    .await;
    let unknown: Vec<_> = left
        .iter()
        .filter(|name| !LEFT.contains(&name.as_str()))
        .collect();
    assert_eq!(
        unknown,
        Vec::<&String>::new(),
        "volatile functions that nobody has looked at"
    );
    let telling = column(
        &session,
        "select oid::regprocedure::text from pg_proc where pronamespace = 'pg_catalog'::regnamespace
           and (proname ~ '^(pg_stat_|pg_(try_)?advisory_.*lock|lo_|pg_sleep|pg_ls_|pg_read_|pg_log_|pg_control_|pg_current_wal|'
             'pg_last_|pg_logical_|pg_replication_|pg_create_|pg_drop_|pg_copy_|pg_promote|pg_terminate|pg_cancel|pg_notif|pg_export|'
             'pg_get_wal_[rs]|pg_get_aios|binary_upgrade_|query_to|table_to|schema_to|database_to|cursor_to)'
             or oid::regprocedure::text in ('age(xid)', 'mxid_age(xid)', 'pg_current_snapshot()', 'txid_current_snapshot()',
             'pg_xact_status(xid8)', 'txid_status(bigint)'))
           and proname <> 'pg_advisory_unlock_all' and has_function_privilege(oid, 'execute')",
    )
    .await;
    assert_eq!(telling, Vec::<String>::new());
}

#[tokio::test]
async fn rows_3_5_7_and_8_every_system_view_that_is_left_has_been_looked_at() {
    const VIEWS: &[&str] = &[
        "pg_available_extension_versions",
        "pg_available_extensions",
        "pg_cursors",
        "pg_group",
        "pg_indexes",
        "pg_matviews",
        "pg_policies",
        "pg_prepared_statements",
        "pg_publication_tables",
        "pg_roles",
        "pg_rules",
        "pg_seclabels",
        "pg_sequences",
        "pg_settings",
        "pg_stats",
        "pg_stats_ext",
        "pg_stats_ext_exprs",
        "pg_tables",
        "pg_timezone_abbrevs",
        "pg_timezone_names",
        "pg_user",
        "pg_user_mappings",
        "pg_views",
        "pg_wait_events",
    ];
    let world = World::applied(&[]).await;
    world.admin().await.batch_execute("analyze").await.unwrap();
    let session = world.log_in(&investigation()).await.unwrap();
    let left = column(
        &session,
        "select relname::text from pg_class where relnamespace = 'pg_catalog'::regnamespace and relkind = 'v'
           and has_table_privilege(oid, 'select')",
    )
    .await;
    let unknown: Vec<_> = left
        .iter()
        .filter(|name| !VIEWS.contains(&name.as_str()))
        .collect();
    assert_eq!(
        unknown,
        Vec::<&String>::new(),
        "system views that nobody has looked at"
    );
    // Those that show values show none of the custodian's.
    for sql in [
        "select attname::text from pg_stats where schemaname = 'app'",
        "select statistics_name::text from pg_stats_ext",
        "select table_name::text from information_schema.tables where table_schema = 'app'",
        "select column_name::text from information_schema.columns where table_schema = 'app'",
        "select view_definition::text from information_schema.views where table_schema ~ '^estop_' and view_definition is not null",
        "select usename::text from pg_user where passwd <> '********'",
        "select umoptions::text from pg_user_mappings where umoptions is not null",
    ] {
        assert_eq!(column(&session, sql).await, Vec::<String>::new(), "{sql}");
    }
}

/// What is tried, by row of the table of channels, and the SQLSTATE that comes of it.
const ATTEMPTS: &[(u8, &str, &str)] = &[
    (3, "select pg_stat_get_live_tuples('pg_class'::regclass)", "42501"),
    (3, "select * from pg_statio_all_tables", "42501"),
    (5, "select stavalues1 from pg_statistic", "42501"),
    (5, "select stxdmcv from pg_statistic_ext_data", "42501"),
    (7, "select pg_relation_size('pg_class')", "42501"),
    (7, "select 'app.people'::regclass", "42501"),
    (7, "select to_regclass('app.people')", "42501"),
    (7, "select to_regclass('app.nothing')", "42501"),
    (7, "select has_table_privilege('app.people', 'select')", "42501"),
    (7, "select has_table_privilege('app.nothing', 'select')", "42501"),
    (
        7,
        "select has_column_privilege('app.people', 'ssn', 'select')",
        "42501",
    ),
    (7, "select pg_get_serial_sequence('app.people', 'id')", "42501"),
    (7, "select obj_description('app.people'::regclass)", "42501"),
    (7, "select pg_relation_filepath('pg_class')", "42501"),
    (8, "select age('100'::xid)", "42501"),
    (8, "select age(relfrozenxid) from pg_class", "42501"),
    (8, "select mxid_age('1'::xid)", "42501"),
    (8, "select pg_current_wal_lsn()", "42501"),
    (8, "select pg_current_snapshot()", "42501"),
    (8, "select txid_current_snapshot()", "42501"),
    (8, "select pg_xact_status('1000'::xid8)", "42501"),
    (8, "select txid_status(1000)", "42501"),
    (8, "select next_xid from pg_control_checkpoint()", "42501"),
    (8, "select pg_get_multixact_members('1'::xid)", "42501"),
    (8, "select pg_last_wal_replay_lsn()", "42501"),
    (10, "select * from crosstab('select 1')", "42883"),
    (16, "select ssn from people", "42703"),
    (28, "select pg_xact_commit_timestamp('1000'::xid)", "42501"),
    (30, "select pg_tablespace_databases(1663)", "42501"),
    (33, "select ctid from people", "42703"),
    (33, "select people.tableoid from people", "42703"),
    (33, "select xmin, cmax from people", "42703"),
    (33, "select pg_read_binary_file('PG_VERSION')", "42501"),
    (33, "select pg_stat_file('PG_VERSION')", "42501"),
    (33, "select pg_promote()", "42501"),
    (33, "select pg_rotate_logfile()", "42501"),
    (33, "select pg_switch_wal()", "42501"),
    (33, "select pg_create_restore_point('x')", "42501"),
    (
        33,
        "select * from pg_logical_slot_get_changes('x', null, null)",
        "42501",
    ),
    (33, "select lastval()", "55000"),
    (33, "select nextval('pg_class')", "42501,42809"),
    (
        33,
        "select pg_nextoid('pg_class', 'oid', 'pg_class_oid_index')",
        "42501",
    ),
    (33, "vacuum app.people", "42501"),
    (33, "analyze app.people", "42501"),
    (33, "reindex table app.people", "42501"),
    (33, "cluster app.people", "42501"),
    (33, "comment on table app.people is 'x'", "42501"),
    (33, "security label on table app.people is 'x'", "42501,22023"),
    (
        33,
        "create event trigger t on ddl_command_end execute function pg_backend_pid()",
        "42501",
    ),
    (33, "create publication p for all tables", "42501"),
    (
        33,
        "create subscription s connection 'dbname=postgres' publication p",
        "42501",
    ),
    (33, "create statistics s on id, name from people", "42501,42809"),
    (
        33,
        "create operator = (leftarg = text, rightarg = text, procedure = texteq)",
        "42501",
    ),
    (33, "create cast (text as bigint) without function", "42501"),
    (33, "create collation c from \"C\"", "42501"),
    (33, "create text search configuration t (copy = simple)", "42501"),
    (33, "create policy p on people using (true)", "42501,42809"),
    (
        33,
        "create rule r as on select to people do instead select 1",
        "42501",
    ),
    (33, "refresh materialized view people", "42501,42809"),
    (
        33,
        "import foreign schema x from server y into public",
        "42501,42704",
    ),
];

#[tokio::test]
async fn attempts_by_row_come_to_nothing() {
    let world = World::applied(&[]).await;
    let session = world.log_in(&investigation()).await.unwrap();
    session
        .batch_execute("set default_transaction_read_only = off")
        .await
        .unwrap();
    for (row, sql, wanted) in ATTEMPTS {
        match session.simple_query(sql).await {
            Ok(_) => panic!("row {row}: went through: {sql}"),
            Err(error) => {
                let code = error.code().map_or("none", |code| code.code()).to_owned();
                assert!(
                    wanted.split(',').any(|wanted| wanted == code),
                    "row {row}: {sql}: {code} {error:?}"
                );
            }
        }
    }
}

/// Row 33: what PostgreSQL answers without giving anything away.
#[tokio::test]
async fn row_33_external_entities_are_not_read_and_settings_keep_their_secrets() {
    let world = World::applied(&[]).await;
    let session = world.log_in(&investigation()).await.unwrap();
    let entity = "<!DOCTYPE a [<!ENTITY x SYSTEM \"file:///etc/passwd\">]><a>&x;</a>";
    for sql in [
        format!("select xpath('/a', '{entity}')::text"),
        format!("select xmlparse(document '{entity}')::text"),
    ] {
        let told = column(&session, &sql).await.concat();
        assert!(!told.contains("root:"), "{told}");
    }
    for name in [
        "data_directory",
        "hba_file",
        "config_file",
        "ssl_key_file_unknown",
        "primary_conninfo",
    ] {
        let shown = session.simple_query(&format!("show {name}")).await;
        assert!(shown.is_err(), "{name}");
    }
}

/// Row 1, 2 and 19: an error, a division or a cast above the view never sees a row below it.
#[tokio::test]
async fn rows_1_and_19_no_expression_fails_on_a_hidden_row() {
    let world = World::applied(&[]).await;
    let session = world.log_in(&investigation()).await.unwrap();
    for condition in [
        "1 / (id - 90001) is not null",
        "id = 90001 and 1 / (id - 90001) > 0",
        "case when id = 90001 then name::int > 0 else true end",
        "name = 'Zoe Hidden' and name::int > 0",
        "(case when id > 90000 then name else '1' end)::int > 0",
        "substr(name, case when id = 90001 then -2147483648 else 1 end, 2147483647) is not null",
        "('{' || case when id = 90001 then '' else '}' end)::int[] is not null",
        "int4range(case when id = 90001 then 2 else 0 end, 1) is not null",
        "('[' || case when id = 90001 then '' else ']' end)::json is not null",
        "case when id = 90001 then regexp_replace(name, '(', '') else '' end = ''",
        "id operator(pg_catalog.=) 90001 and (select 1 / (people.id - 90001)) = 1",
        "exists (select from generate_series(1, 1 / nullif(sign(90001 - people.id), 2)::int))",
    ] {
        let sql = format!("select count(*) from people where {condition}");
        session
            .simple_query(&sql)
            .await
            .unwrap_or_else(|error| panic!("{sql}: {error:?}"));
    }
}
