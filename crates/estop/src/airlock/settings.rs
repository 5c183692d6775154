//! What an airlock's cluster is told: its settings, who may come in how, and where the custodian's databases are.

use policy::airlock::ADMIN;
use policy::estate::Upstream;
use tokio_postgres::config::Host;

use crate::failure::Failure;

/// Most memory that one session may map, in bytes. Past it a statement fails with `out of memory`; without it the kernel
/// would end a process of the cluster, and with it everybody's session there.
pub(super) const SESSION_BYTES_MAX: u64 = 1 << 30;

/// What sessions may take together, of all that their airlock may: the rest is for what they share, for PostgreSQL's own
/// processes and for the kernel's cache of files. Past it the session that has most is ended, before the kernel ends one.
pub(super) fn of_sessions(airlock_bytes: u64) -> u64 {
    airlock_bytes / 8 * 7
}

/// Longest file that the cluster may write: twice what a session may put into temporary files. It bounds the log, into which
/// PostgreSQL writes pages whenever a statement runs out of memory.
pub(super) const FILE_BYTES_MAX: u64 = 512 << 20;

/// How soon the kernel ends an airlock's processes when the machine runs out of memory: before the custodian's, and
/// before Estop's own.
pub(super) const OOM_SCORE: &str = "600";

/// Settings that do not depend on the estate. The cluster holds no data: what a power cut spoils is made anew.
const FIXED: &[(&str, &str)] = &[
    ("listen_addresses", ""),
    // Relative to the data: the path of a socket may not be long.
    ("unix_socket_directories", "../socket"),
    ("unix_socket_permissions", "0700"),
    ("password_encryption", "scram-sha-256"),
    ("superuser_reserved_connections", "5"),
    ("shared_buffers", "16MB"),
    ("work_mem", "4MB"),
    ("maintenance_work_mem", "16MB"),
    ("temp_file_limit", "256MB"),
    ("max_prepared_transactions", "0"),
    ("max_locks_per_transaction", "128"),
    ("max_worker_processes", "1"),
    ("max_parallel_workers", "0"),
    ("max_logical_replication_workers", "0"),
    ("max_wal_senders", "0"),
    ("max_replication_slots", "0"),
    ("wal_level", "minimal"),
    ("min_wal_size", "2MB"),
    ("max_wal_size", "64MB"),
    ("fsync", "off"),
    ("synchronous_commit", "off"),
    ("full_page_writes", "off"),
    ("jit", "off"),
    ("autovacuum_max_workers", "1"),
    ("logging_collector", "off"),
    // No statement of a partner's in a file that is no record.
    ("log_min_messages", "fatal"),
    ("log_min_error_statement", "panic"),
    ("lc_messages", "C"),
    ("timezone", "UTC"),
    ("log_timezone", "UTC"),
];

/// `postgresql.conf`.
pub(super) fn main(connections: u32) -> String {
    let fixed: String = FIXED
        .iter()
        .map(|(name, value)| format!("{name} = '{value}'\n"))
        .collect();
    format!("{fixed}max_connections = {connections}\n")
}

/// `pg_hba.conf`: the socket only, a password always, and everybody but the administrator in the database of his own name.
pub(super) fn access() -> String {
    format!("local all {ADMIN} scram-sha-256\nlocal sameuser all scram-sha-256\n")
}

/// A section of the connection service file: what `service` means in a foreign server's options, which partners can read.
pub(super) fn service(name: &str, upstream: &Upstream) -> Result<String, Failure> {
    /// How long the custodian's server may take to answer, in seconds.
    const CONNECT: u32 = 10;
    /// How long sent data may stay unacknowledged, in milliseconds.
    const UNACKNOWLEDGED: u32 = 30_000;
    let wrong = || {
        Failure::wrong(format!(
            "the url of upstream `{}` does not name one host and one database",
            upstream.name
        ))
    };
    let config: tokio_postgres::Config = upstream.url.reveal().parse().map_err(|_| wrong())?;
    let host = match config.get_hosts() {
        [Host::Unix(folder)] => folder.display().to_string(),
        [Host::Tcp(host)] => host.clone(),
        _ => return Err(wrong()),
    };
    let port = config.get_ports().first().copied().unwrap_or(5432);
    let database = config.get_dbname().or(config.get_user()).ok_or_else(wrong)?;
    if host.contains('\n') || database.contains('\n') {
        return Err(wrong());
    }
    Ok(format!(
        "[{name}]\nhost={host}\nport={port}\ndbname={database}\nconnect_timeout={CONNECT}\n\
         tcp_user_timeout={UNACKNOWLEDGED}\n"
    ))
}
