//! Functions and relations of PostgreSQL that a partner must not use, by name.
//!
//! A second line: the database takes the right to them away too. Names count in any schema, so that no search path can
//! hide one.

/// Refused by their whole name. Sorted.
const NAMES: &[&str] = &[
    "connectby",
    "currtid",
    "currtid2",
    "cursor_to_xml",
    "cursor_to_xmlschema",
    "database_to_xml",
    "database_to_xml_and_xmlschema",
    "database_to_xmlschema",
    "get_raw_page",
    // Large objects, one by one: columns may well begin with `lo_`.
    "lo_close",
    "lo_creat",
    "lo_create",
    "lo_export",
    "lo_from_bytea",
    "lo_get",
    "lo_import",
    "lo_lseek",
    "lo_lseek64",
    "lo_open",
    "lo_put",
    "lo_tell",
    "lo_tell64",
    "lo_truncate",
    "lo_truncate64",
    "lo_unlink",
    "loread",
    "lowrite",
    "mxid_age",
    "nextval",
    "pg_available_wal_summaries",
    "pg_blocking_pids",
    "pg_cancel_backend",
    "pg_current_logfile",
    "pg_current_snapshot",
    "pg_current_wal_flush_lsn",
    "pg_current_wal_insert_lsn",
    "pg_current_wal_lsn",
    "pg_current_xact_id",
    "pg_export_snapshot",
    "pg_get_loaded_modules",
    "pg_get_multixact_members",
    "pg_get_wal_summarizer_state",
    "pg_import_system_collations",
    "pg_isolation_test_session_is_blocked",
    "pg_last_committed_xact",
    "pg_listening_channels",
    "pg_lock_status",
    "pg_nextoid",
    "pg_notification_queue_usage",
    "pg_notify",
    "pg_prepared_xact",
    "pg_prewarm",
    "pg_promote",
    "pg_reload_conf",
    "pg_safe_snapshot_blocking_pids",
    "pg_start_backup",
    "pg_stop_backup",
    "pg_switch_wal",
    "pg_sync_replication_slots",
    "pg_terminate_backend",
    "pg_xact_commit_timestamp",
    "pg_xact_status",
    "query_to_xml",
    "query_to_xml_and_xmlschema",
    "query_to_xmlschema",
    "schema_to_xml",
    "schema_to_xml_and_xmlschema",
    "schema_to_xmlschema",
    "setval",
    "table_to_xml",
    "table_to_xml_and_xmlschema",
    "table_to_xmlschema",
    "ts_rewrite",
    "ts_stat",
    "txid_current",
    "txid_current_snapshot",
    "txid_status",
    "xpath_table",
];

/// Refused by the beginning of their name.
const PREFIXES: &[&str] = &[
    "binary_upgrade_",
    "crosstab",
    "dblink",
    "pg_advisory_",
    "pg_backup_",
    "pg_buffercache",
    "pg_clear_",
    "pg_control_",
    "pg_copy_",
    "pg_create_",
    "pg_drop_",
    "pg_file_",
    "pg_log_",
    "pg_logical_",
    "pg_ls_",
    "pg_read_",
    "pg_replication_",
    "pg_restore_",
    "pg_rotate_logfile",
    "pg_sleep",
    "pg_stat_",
    "pg_try_advisory_",
    "pg_wal_",
    "pg_walfile_",
    "pgstat",
];

/// Taken although a prefix says otherwise: connection pools release what they may have locked, and can have locked nothing.
const EXCEPTIONS: &[&str] = &["pg_advisory_unlock_all"];

/// The function that sets a setting: looked at by `settings`.
pub(super) const SET_CONFIG: &str = "set_config";

/// Whether a function of this name is refused.
pub(super) fn is_refused(name: &str) -> bool {
    if NAMES.binary_search(&name).is_ok() {
        return true;
    }
    PREFIXES.iter().any(|prefix| name.starts_with(prefix)) && !EXCEPTIONS.contains(&name)
}

/// Views that count or list what happens in all sessions, and the contents of large objects. Sorted.
const RELATIONS: &[&str] = &["pg_largeobject", "pg_locks", "pg_prepared_xacts"];

/// Views that count what statements touch, hidden rows among it, by the beginning of their names.
const COUNTING: &[&str] = &[
    "pg_buffercache",
    "pg_qualstats",
    "pg_stat_",
    "pg_statio_",
    "pg_wait_sampling_",
];

/// Whether a relation of this name is refused. The two exceptions say only how a connection is encrypted, and drivers ask.
pub(super) fn is_refused_relation(schema: &str, name: &str) -> bool {
    // Views of counting extensions, such as `pg_stat_statements`, lie in any schema.
    if COUNTING.iter().any(|prefix| name.starts_with(prefix)) {
        return !matches!(name, "pg_stat_ssl" | "pg_stat_gssapi");
    }
    matches!(schema, "" | "pg_catalog") && RELATIONS.binary_search(&name).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_are_sorted_and_without_repetition() {
        for list in [NAMES, PREFIXES, RELATIONS] {
            assert!(list.windows(2).all(|pair| pair[0] < pair[1]), "{list:?}");
        }
    }

    #[test]
    fn names_prefixes_and_exceptions() {
        for name in [
            "pg_sleep",
            "pg_sleep_for",
            "lo_import",
            "dblink_exec",
            "pg_advisory_unlock",
            "pg_stat_file",
            "ts_stat",
        ] {
            assert!(is_refused(name), "{name}");
        }
        for name in [
            "pg_advisory_unlock_all",
            "log",
            "pg_get_viewdef",
            "lower",
            "pg_backend_pid",
            "set_config",
            "pg_sle",
            "lo_revenue",
        ] {
            assert!(!is_refused(name), "{name}");
        }
    }
}
