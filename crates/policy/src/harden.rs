//! Hardening of a database that partners stand in (isolation *in place*, level L1b): what PUBLIC must not hold there,
//! and what only the custodian can put right before anything is shared.
//!
//! Computed from the catalog, by names, so that it fits every PostgreSQL version: a function that does not exist needs no
//! revoking. What hardening takes from PUBLIC the custodian's own roles keep through [`crate::catalog::KEPT_ROLE`].

use serde::{Deserialize, Serialize};

use crate::audit::Grade;
use crate::catalog::{Catalog, Class, Grant, Grantee};
use crate::estate::Isolation;

mod findings;

pub use findings::findings;
pub(crate) use findings::is_dangerous_extension;

/// Rights of PUBLIC that are to be taken away, with one reason.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Measure<'a> {
    /// What these rights are, in words.
    pub what: &'static str,
    /// What a partner could do with them.
    pub opens: &'static str,
    /// How bad that is.
    pub grade: Grade,
    /// Which programs of the custodian's own need them.
    pub breaks: &'static str,
    /// The rights that PUBLIC holds now. Never empty.
    pub grants: Vec<&'a Grant>,
}

/// Whether a finding stops shares from being activated.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Severity {
    /// Nothing is activated while it stands.
    Blocks,
    /// It would stop them in place. Behind an airlock it is the second line, for whoever breaks out of it: nothing stops.
    SecondLine,
    /// Worth knowing; nothing stops.
    Note,
}

/// Where a partner can use what stands open.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Reach {
    /// In both isolations: no statement of the partner's own is needed.
    #[default]
    Both,
    /// Only with statements of its own in the custodian's database. From an airlock nothing comes there but what
    /// `postgres_fdw` writes: SELECTs over the shared views, with PostgreSQL's own functions and operators.
    InPlace,
}

/// Something in the custodian's database that Estop will not change by itself.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Finding {
    /// How bad it is.
    pub severity: Severity,
    /// What stands there.
    pub what: String,
    /// What it opens, to whom.
    pub opens: String,
    /// Statements that close it, each to be run by the custodian.
    pub close: Vec<String>,
    /// Where a partner can use it.
    #[serde(default)]
    pub reach: Reach,
}

impl Finding {
    /// As it is under an isolation.
    #[must_use]
    pub fn under(self, isolation: Isolation) -> Self {
        match (self.severity, self.reach, isolation) {
            (Severity::Blocks, Reach::InPlace, Isolation::Airlock) => Self {
                severity: Severity::SecondLine,
                opens: behind_an_airlock(&self.opens),
                ..self
            },
            _ => self,
        }
    }
}

/// What something opens, where partners are kept in an airlock.
pub(crate) fn behind_an_airlock(opens: &str) -> String {
    format!("{opens}; behind an airlock only to whoever breaks out of it")
}

/// Which functions a family takes in.
enum Names {
    /// Every function of `pg_catalog` whose name begins so.
    Prefix(&'static str),
    /// Every function of `pg_catalog` of this name.
    Exact(&'static str),
    /// The function of `pg_catalog` of this name whose arguments end so.
    Overload(&'static str, &'static str),
    /// A function of this name in any schema (extensions go where the custodian put them).
    Anywhere(&'static str),
}

struct Family {
    what: &'static str,
    opens: &'static str,
    grade: Grade,
    breaks: &'static str,
    names: &'static [Names],
}

use Names::{Anywhere, Exact, Overload, Prefix};

/// The functions. Rows are those of the table of channels in `docs/limits.md`.
const FAMILIES: &[Family] = &[
    Family {
        what: "statistics functions",
        opens: "counts of rows and index entries touched tell whether a hidden row exists (rows 3, 7, 8)",
        grade: Grade::Critical,
        breaks: "monitoring that reads them as an ordinary role: grant it pg_monitor",
        names: &[
            Prefix("pg_stat_"),
            Exact("pg_lock_status"),
            Exact("pg_blocking_pids"),
            Exact("pg_safe_snapshot_blocking_pids"),
            Exact("pg_isolation_test_session_is_blocked"),
            Exact("pg_prepared_xact"),
            Exact("pg_get_aios"),
            Exact("pg_get_replication_slots"),
        ],
    },
    Family {
        what: "advisory locks",
        opens: "one SELECT fills the server's lock table and stops everybody (row 22)",
        grade: Grade::Critical,
        breaks: "applications and migration tools that take advisory locks",
        names: &[Prefix("pg_advisory_"), Prefix("pg_try_advisory_")],
    },
    Family {
        what: "large objects",
        opens: "data can be stored in the database by a role that may write nothing (row 26)",
        grade: Grade::Medium,
        breaks: "applications that store large objects",
        names: &[Prefix("lo_"), Exact("loread"), Exact("lowrite")],
    },
    Family {
        what: "functions that run SQL text",
        opens: "statements can hide from the gateway's filter (row 10)",
        grade: Grade::High,
        breaks: "reports that make XML of queries, crosstabs",
        names: &[
            Prefix("query_to_xml"),
            Prefix("table_to_xml"),
            Prefix("schema_to_xml"),
            Prefix("database_to_xml"),
            Prefix("cursor_to_xml"),
            Exact("ts_stat"),
            Overload("ts_rewrite", "text"),
            Anywhere("crosstab"),
            Anywhere("crosstab2"),
            Anywhere("crosstab3"),
            Anywhere("crosstab4"),
            Anywhere("crosstab_hash"),
            Anywhere("connectby"),
            Anywhere("xpath_table"),
        ],
    },
    Family {
        what: "notifications",
        opens: "the custodian's own channels can be forged and the shared queue filled (row 25)",
        grade: Grade::High,
        breaks: "applications that send notifications by function",
        names: &[Exact("pg_notify"), Exact("pg_notification_queue_usage")],
    },
    Family {
        what: "transaction ids, log messages and snapshots",
        opens: "a read-only role writes WAL, uses up transaction ids or holds the vacuum horizon (row 28)",
        grade: Grade::Medium,
        breaks: "change tracking by transaction id, parallel dumps as an ordinary role",
        names: &[
            Exact("pg_logical_emit_message"),
            Exact("pg_current_xact_id"),
            Exact("txid_current"),
            Exact("pg_export_snapshot"),
            Exact("pg_xact_commit_timestamp"),
            Exact("pg_xact_commit_timestamp_origin"),
            Exact("pg_last_committed_xact"),
        ],
    },
    Family {
        what: "the server's write-ahead log, transactions and control data",
        opens: "how much the custodian writes, and when, shows from one moment to the next (rows 7, 8)",
        grade: Grade::Medium,
        breaks: "replication monitoring as an ordinary role: grant it pg_monitor; editors that compare catalogs by the age of \
                 transaction ids",
        names: &[
            Overload("age", "xid"),
            Exact("mxid_age"),
            Prefix("pg_current_wal_"),
            Prefix("pg_last_wal_"),
            Exact("pg_last_xact_replay_timestamp"),
            Exact("pg_current_snapshot"),
            Exact("txid_current_snapshot"),
            Exact("pg_xact_status"),
            Exact("txid_status"),
            Exact("pg_get_multixact_members"),
            Prefix("pg_control_"),
            Prefix("pg_get_wal_"),
            Exact("pg_available_wal_summaries"),
            Exact("pg_wal_summary_contents"),
            Exact("pg_get_loaded_modules"),
            Exact("pg_get_sequence_data"),
            Exact("pg_is_in_backup"),
            Exact("pg_backup_start_time"),
            Exact("pg_show_replication_origin_status"),
            Exact("pg_relation_filepath"),
            Exact("pg_relation_filenode"),
            Exact("pg_tablespace_databases"),
        ],
    },
    Family {
        what: "sleeping",
        opens: "a connection can be held for nothing (row 31)",
        grade: Grade::Medium,
        breaks: "scripts that wait in SQL",
        names: &[Prefix("pg_sleep")],
    },
    Family {
        what: "sizes of relations and databases",
        opens: "the size of what is hidden shows (row 7)",
        grade: Grade::Medium,
        breaks: "`\\d+`, `\\dt+`, `\\l+` of psql and size reports as an ordinary role",
        names: &[
            Exact("pg_relation_size"),
            Exact("pg_table_size"),
            Exact("pg_total_relation_size"),
            Exact("pg_indexes_size"),
            Exact("pg_database_size"),
            Exact("pg_tablespace_size"),
        ],
    },
    Family {
        what: "signals, server files and server control",
        opens: "sessions of the same role can end each other; what the custodian opened of the server shows (rows 8, 33)",
        grade: Grade::High,
        breaks: "tools that cancel statements of their own role by function",
        names: &[
            Exact("pg_cancel_backend"),
            Exact("pg_terminate_backend"),
            Prefix("pg_read_"),
            Prefix("pg_ls_"),
            Exact("pg_reload_conf"),
            Prefix("pg_rotate_logfile"),
            Prefix("pg_logical_slot_"),
            Prefix("pg_copy_logical_"),
            Prefix("pg_copy_physical_"),
            Prefix("pg_create_logical_"),
            Prefix("pg_create_physical_"),
            Exact("pg_drop_replication_slot"),
            Exact("pg_replication_slot_advance"),
            Exact("pg_sync_replication_slots"),
            Prefix("binary_upgrade_"),
            Exact("pg_import_system_collations"),
            Prefix("pg_log_"),
            Prefix("pg_file_"),
            Exact("pg_current_logfile"),
            Exact("pg_create_restore_point"),
            Exact("pg_switch_wal"),
            Exact("pg_promote"),
            Prefix("pg_replication_origin_"),
            Exact("pg_get_backend_memory_contexts"),
            Exact("pg_get_shmem_allocations"),
            Exact("pg_hba_file_rules"),
            Exact("pg_ident_file_mappings"),
            Exact("pg_show_all_file_settings"),
            Exact("pg_config"),
        ],
    },
];

/// Functions that stay with PUBLIC although a family takes them in: asyncpg calls it whenever a connection goes back to
/// its pool, and it can only give up locks that could not be taken.
const KEPT_FUNCTIONS: &[&str] = &["pg_advisory_unlock_all"];

/// System relations that must not be readable by PUBLIC: those whose names begin so.
const SYSTEM_PREFIXES: &[&str] = &["pg_stat_", "pg_statio_"];

/// And those of these names. Most are closed by default; the custodian may have opened them.
const SYSTEM_RELATIONS: &[&str] = &[
    "pg_aios",
    "pg_authid",
    "pg_backend_memory_contexts",
    "pg_config",
    "pg_file_settings",
    "pg_hba_file_rules",
    "pg_ident_file_mappings",
    "pg_largeobject",
    "pg_locks",
    "pg_prepared_xacts",
    "pg_replication_slots",
    "pg_shadow",
    "pg_shmem_allocations",
    "pg_statistic",
    "pg_statistic_ext_data",
    "pg_user_mapping",
];

/// What PUBLIC holds in this database and must not. Empty once hardened.
#[must_use]
pub fn measures(catalog: &Catalog) -> Vec<Measure<'_>> {
    let public: Vec<&Grant> = catalog.grants_of(&Grantee::Public).collect();
    let pick = |what, opens, grade, breaks, test: &dyn Fn(&Grant) -> bool| {
        let grants: Vec<&Grant> = public.iter().copied().filter(|grant| test(grant)).collect();
        (!grants.is_empty()).then_some(Measure {
            what,
            opens,
            grade,
            breaks,
            grants,
        })
    };
    let here = catalog.server.database.as_str();
    let mut found: Vec<Measure<'_>> = Vec::new();
    found.extend(pick(
        "this database",
        "temporary tables are bound by no limit, and anyone may connect (rows 9, 17, 27)",
        Grade::High,
        "applications that use temporary tables, and logins of roles made later",
        &|g| g.object.class == Class::Database && g.object.name == here,
    ));
    found.extend(pick(
        "other databases of the server",
        "a partner could log in there (row 30)",
        Grade::Medium,
        "logins there of roles made later",
        &|g| g.object.class == Class::Database && g.object.name != here,
    ));
    found.extend(pick(
        "procedural languages",
        "DO blocks and functions run text that nobody can check (row 9)",
        Grade::High,
        "roles that make functions or run DO blocks",
        &|g| g.object.class == Class::Language,
    ));
    found.extend(FAMILIES.iter().filter_map(|family| {
        pick(family.what, family.opens, family.grade, family.breaks, &|g| {
            g.object.class == Class::Function && family.takes(g)
        })
    }));
    found.extend(pick(
        "statistics views and system tables",
        "counters, locks, sessions and values of others show (rows 3, 7, 8)",
        Grade::Critical,
        "monitoring that reads them as an ordinary role: grant it pg_monitor",
        &|g| is_closed_system_relation(g),
    ));
    found
}

impl Family {
    fn takes(&self, grant: &Grant) -> bool {
        let name = grant.object.name.as_str();
        let arguments = grant.object.part.as_deref().unwrap_or_default();
        let system = grant.object.schema.as_deref() == Some("pg_catalog");
        !KEPT_FUNCTIONS.contains(&name)
            && self.names.iter().any(|names| match names {
                Prefix(prefix) => system && name.starts_with(prefix),
                Exact(exact) => system && name == *exact,
                Overload(exact, last) => system && name == *exact && arguments.ends_with(last),
                Anywhere(exact) => name == *exact,
            })
    }
}

fn is_closed_system_relation(grant: &Grant) -> bool {
    let object = &grant.object;
    matches!(object.class, Class::Relation | Class::Column)
        && object.schema.as_deref() == Some("pg_catalog")
        && (SYSTEM_RELATIONS.contains(&object.name.as_str())
            || SYSTEM_PREFIXES
                .iter()
                .any(|prefix| object.name.starts_with(prefix)))
}

#[cfg(test)]
mod tests;
