//! The statements that make and remove a cluster's databases.

use crate::catalog::OWNER_ROLE;
use crate::plan::PASSWORD_PLACEHOLDER;
use crate::sql::{ident, literal};

use super::{ADMIN, CUSTODIAN_PLACEHOLDER, Cell, INSIDE, SERVER, ShownColumn};

/// Rows that come over in one message of the custodian's: enough that the way there and back does not count, few enough
/// that wide rows fit in memory.
const FETCH_SIZE: u32 = 2_000;

/// What nobody in an airlock needs and what would reach beyond a session: functions, by name, in every form there is.
/// `pg_advisory_unlock_all` stays, since connection pools call it.
const TAKEN: &str = "p.proname ~ '^(pg_advisory_|pg_try_advisory_|lo_|pg_logical_|pg_replication_|pg_read_|pg_ls_|pg_stat_file\
                     |pg_log_|postgres_fdw_)' or p.proname in ('loread','lowrite','pg_notify','pg_current_xact_id','txid_current',\
                     'pg_export_snapshot','pg_cancel_backend','pg_terminate_backend','pg_reload_conf','pg_rotate_logfile',\
                     'pg_config','pg_hba_file_rules','pg_show_all_file_settings')";

/// The statements that close a fresh cluster, all but its own databases. Run once, in `postgres`.
#[must_use]
pub fn closing() -> Vec<String> {
    let owner = format!(
        "CREATE ROLE {} NOLOGIN NOINHERIT NOSUPERUSER NOCREATEDB NOCREATEROLE NOREPLICATION NOBYPASSRLS",
        ident(OWNER_ROLE)
    );
    vec![
        owner,
        "REVOKE ALL ON DATABASE postgres FROM PUBLIC".to_owned(),
        "REVOKE ALL ON DATABASE template1 FROM PUBLIC".to_owned(),
        "REVOKE ALL ON DATABASE template0 FROM PUBLIC".to_owned(),
        "ALTER DATABASE template1 ALLOW_CONNECTIONS false".to_owned(),
        "REVOKE ALL ON TABLESPACE pg_default FROM PUBLIC".to_owned(),
    ]
}

/// The statement that takes a database's way to the custodian, to be run there.
#[must_use]
pub fn unmapping() -> String {
    format!(
        "DROP USER MAPPING IF EXISTS FOR {} SERVER {}",
        ident(OWNER_ROLE),
        ident(SERVER)
    )
}

impl Cell {
    /// The statements that remove role and database of this name, each to be run by itself in `postgres`. The role's
    /// backends must have been ended, and more cannot come: its login goes first.
    #[must_use]
    pub fn removal(name: &str) -> Vec<String> {
        let name = ident(name);
        vec![
            format!("DROP DATABASE IF EXISTS {name} WITH (FORCE)"),
            format!("DROP ROLE IF EXISTS {name}"),
        ]
    }

    /// The statements that make the role, without login, and the empty database; each to be run by itself in `postgres`.
    #[must_use]
    pub fn outside(&self) -> Vec<String> {
        let name = ident(self.name.as_str());
        let limit = self.connection_limit;
        let mut statements = vec![format!(
            "CREATE ROLE {name} NOLOGIN NOINHERIT NOSUPERUSER NOCREATEDB NOCREATEROLE NOREPLICATION NOBYPASSRLS CONNECTION LIMIT {limit}"
        )];
        statements.extend(
            self.settings
                .iter()
                .map(|(key, value)| format!("ALTER ROLE {name} SET {} = {}", ident(key), literal(value))),
        );
        let (collate, ctype) = match &self.locale {
            Some((collate, ctype)) => (collate.as_str(), ctype.as_str()),
            None => ("C", "C"),
        };
        statements.push(format!(
            "CREATE DATABASE {name} OWNER {} TEMPLATE template0 ENCODING 'UTF8' LC_COLLATE {} LC_CTYPE {} CONNECTION LIMIT {limit}",
            ident(ADMIN),
            literal(collate),
            literal(ctype)
        ));
        statements.push(format!("REVOKE ALL ON DATABASE {name} FROM PUBLIC"));
        statements.push(format!("GRANT CONNECT ON DATABASE {name} TO {name}"));
        statements.extend(
            self.database_settings
                .iter()
                .map(|(key, value)| format!("ALTER DATABASE {name} SET {} = {}", ident(key), literal(value))),
        );
        if self.locale.is_none() {
            // Rows that the custodian has sorted its way must not be merged as if they were sorted ours.
            statements.push(format!("ALTER DATABASE {name} SET enable_mergejoin = off"));
        }
        statements
    }

    /// The statements that fill the database, to be run there in one transaction.
    #[must_use]
    pub fn within(&self) -> Vec<String> {
        let (name, owner, inside) = (ident(self.name.as_str()), ident(OWNER_ROLE), ident(INSIDE));
        let server = ident(SERVER);
        let mut statements = vec![
            "DROP SCHEMA public CASCADE".to_owned(),
            "REVOKE USAGE ON LANGUAGE sql FROM PUBLIC".to_owned(),
            format!("CREATE SCHEMA {inside} AUTHORIZATION {owner}"),
            format!("CREATE SCHEMA {name} AUTHORIZATION {owner}"),
            format!("CREATE EXTENSION postgres_fdw SCHEMA {inside}"),
            format!(
                "DO $$ DECLARE f text; BEGIN FOR f IN SELECT p.oid::pg_catalog.regprocedure FROM pg_catalog.pg_proc p \
                 WHERE ({TAKEN}) AND p.proname <> 'pg_advisory_unlock_all' \
                 LOOP EXECUTE 'REVOKE ALL ON ROUTINE ' || f || ' FROM PUBLIC'; END LOOP; END $$"
            ),
            "DROP EXTENSION IF EXISTS plpgsql".to_owned(),
            // Only the foreign server's name is to be seen: what it stands for is in a file of Estop's.
            format!(
                "CREATE SERVER {server} FOREIGN DATA WRAPPER postgres_fdw OPTIONS (service {}, fetch_size '{FETCH_SIZE}', \
                 use_remote_estimate 'false', updatable 'false')",
                literal(self.name.as_str())
            ),
            format!("GRANT USAGE ON FOREIGN SERVER {server} TO {owner}"),
            format!(
                "CREATE USER MAPPING FOR {owner} SERVER {server} OPTIONS (user {}, password '{CUSTODIAN_PLACEHOLDER}', \
                 password_required 'true')",
                literal(self.name.as_str())
            ),
            format!("SET LOCAL ROLE {owner}"),
        ];
        for (view, columns) in &self.views {
            let (table, shown) = (view.quoted(), format!("{name}.{}", view.quoted()));
            let typed: Vec<String> = columns.iter().map(ShownColumn::declared).collect();
            let named: Vec<String> = columns.iter().map(|column| ident(&column.name)).collect();
            statements.push(format!(
                "CREATE FOREIGN TABLE {inside}.{table} ({}) SERVER {server} OPTIONS (schema_name {}, table_name {})",
                typed.join(", "),
                literal(self.name.as_str()),
                literal(view.as_str())
            ));
            // No barrier: what lies behind has no row that the partner may not see, and joins go over as joins.
            statements.push(format!(
                "CREATE VIEW {shown} AS SELECT {} FROM {inside}.{table}",
                named.join(", ")
            ));
            statements.push(format!("GRANT SELECT ON {shown} TO {name}"));
        }
        statements.push(format!("GRANT USAGE ON SCHEMA {name} TO {name}"));
        statements.push("RESET ROLE".to_owned());
        statements
    }

    /// The statements that change its passwords: that of its user mapping, with [`CUSTODIAN_PLACEHOLDER`], and its role's own,
    /// with [`PASSWORD_PLACEHOLDER`]. To be run in it, in one transaction. Sessions in it stay; those that have reached the
    /// custodian log in there anew at their next transaction.
    #[must_use]
    pub fn rekeying(&self) -> Vec<String> {
        vec![
            format!(
                "ALTER USER MAPPING FOR {} SERVER {} OPTIONS (SET password '{CUSTODIAN_PLACEHOLDER}')",
                ident(OWNER_ROLE),
                ident(SERVER)
            ),
            format!(
                "ALTER ROLE {} PASSWORD '{PASSWORD_PLACEHOLDER}'",
                ident(self.name.as_str())
            ),
        ]
    }

    /// The statement by which nobody begins to read its views, to be run in a transaction; nothing if it has none.
    #[must_use]
    pub fn holding(&self) -> Option<String> {
        let name = ident(self.name.as_str());
        let shown =
            |(view, _): &(crate::estate::SqlName, Vec<ShownColumn>)| format!("{name}.{}", view.quoted());
        let views: Vec<String> = self.views.iter().map(shown).collect();
        (!views.is_empty()).then(|| format!("LOCK TABLE {} IN ACCESS EXCLUSIVE MODE", views.join(", ")))
    }

    /// The statement that lets the role log in, with [`PASSWORD_PLACEHOLDER`].
    #[must_use]
    pub fn opening(&self) -> String {
        format!(
            "ALTER ROLE {} LOGIN PASSWORD '{PASSWORD_PLACEHOLDER}'",
            ident(self.name.as_str())
        )
    }
}

impl ShownColumn {
    fn declared(&self) -> String {
        let collation = self
            .collation
            .as_ref()
            .map(|name| format!(" COLLATE pg_catalog.{}", ident(name)))
            .unwrap_or_default();
        format!("{} {}{collation}", ident(&self.name), self.type_name)
    }
}
