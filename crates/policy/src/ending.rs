//! The statements of a termination, in the only order that holds.
//!
//! NOLOGIN alone leaves open sessions reading; a `REVOKE` leaves open cursors and running statements reading; ending
//! backends before NOLOGIN lets them reconnect, and before the `REVOKE` misses a login that is past authentication and
//! not yet in `pg_stat_activity`. So: gateways first; then [`revocation`], all of it in one transaction, committed; then
//! backends are ended ([`TERMINATE`]) until none is counted ([`COUNT`]) twice running; then prepared transactions, which
//! survive all that ([`PREPARED`]); then the catalog is asked what is left.

use crate::catalog::{Catalog, Class, Grantee, OWNER_ROLE};
use crate::plan::revoke_membership;
use crate::sql::{ident, literal};

/// Ends backends of the roles `$1`. One row a backend that was told to end: its role and number. Unlike cancelling, this
/// ends a backend that waits for its client to read. It does not wait; [`COUNT`] says when they are gone.
///
/// Who is to end is settled before anybody is told to: in one `WHERE` with the roles' names, PostgreSQL would be free to
/// call the function first, for every backend there is.
pub const TERMINATE: &str = "
with theirs as materialized (
  select a.usename::text as role, a.pid
  from pg_catalog.pg_stat_activity a where a.usename = any($1) and a.pid <> pg_catalog.pg_backend_pid()),
told as materialized (select role, pid, pg_catalog.pg_terminate_backend(pid) as told from theirs)
select role, pid from told where told";

/// Backends of the roles `$1` that there are, one row each: the role's name.
pub const COUNT: &str = "
select a.usename::text from pg_catalog.pg_stat_activity a where a.usename = any($1)";

/// Roles of agreements that cannot log in, and whose backends have no business there.
pub const CLOSED: &str = "
select r.rolname::text from pg_catalog.pg_roles r where r.rolname ~ '^estop_[0-9a-f]{16}$' and not r.rolcanlogin";

/// Prepared transactions of the roles `$1`: identifier, role, database, and whether that is the one connected to. Only
/// there can it be rolled back.
pub const PREPARED: &str = "
select gid, owner::text, database::text, database = pg_catalog.current_database()
from pg_catalog.pg_prepared_xacts where owner = any($1) order by gid";

/// What the catalog says of role `$1`: NOLOGIN, the transaction that last changed it and its commit time where kept, the
/// right to connect here, and relations outside the system's schemas that it could read by whatever path.
///
/// `{roles}` stands for where it is read: [`ROLES_OF_SUPERUSER`] or [`ROLES_OF_ADMIN`].
pub const EVIDENCE: &str = "
select r.rolcanlogin, r.rolpassword is not null as has_password, r.changed_by::text as xmin,
  case when pg_catalog.current_setting('track_commit_timestamp')::bool
    then pg_catalog.to_char(pg_catalog.pg_xact_commit_timestamp(r.changed_by) at time zone 'UTC',
      'YYYY-MM-DD\"T\"HH24:MI:SS.US\"Z\"') end as committed_at,
  pg_catalog.has_database_privilege(r.oid, pg_catalog.current_database(), 'CONNECT') as can_connect,
  (select pg_catalog.count(*) from pg_catalog.pg_class c join pg_catalog.pg_namespace n on n.oid = c.relnamespace
    where c.relkind in ('r', 'p', 'v', 'm', 'f') and n.nspname !~ '^pg_' and n.nspname <> 'information_schema'
      and pg_catalog.has_schema_privilege(r.oid, n.oid, 'USAGE')
      and pg_catalog.has_any_column_privilege(r.oid, c.oid, 'SELECT')) as readable
from {roles} r where r.rolname = $1";

/// Where a superuser reads of roles.
pub const ROLES_OF_SUPERUSER: &str =
    "(select oid, rolname, rolcanlogin, rolpassword, xmin as changed_by from pg_catalog.pg_authid)";

/// Where the admin role does ([`crate::admin_role`]).
pub const ROLES_OF_ADMIN: &str = "estop_admin.roles";

/// The statements that take everything from these roles. To be run in one transaction. Only what the catalog has is
/// named, so that nothing in it fails because it is not there; roles that do not exist have nothing to lose.
#[must_use]
pub fn revocation(roles: &[String], catalog: &Catalog) -> Vec<String> {
    let mut statements = Vec::new();
    let ended = |name: &str| roles.iter().any(|role| role == name);
    for role in roles.iter().filter_map(|name| catalog.role(name)) {
        statements.push(close_login(&role.name));
        if role.superuser || role.bypass_rls || role.create_role || role.create_db || role.replication {
            let nothing = "NOSUPERUSER NOBYPASSRLS NOCREATEROLE NOCREATEDB NOREPLICATION";
            statements.push(format!("ALTER ROLE {} {nothing}", ident(&role.name)));
        }
    }
    let memberships = catalog
        .memberships
        .iter()
        .filter(|m| ended(&m.member) || ended(&m.role))
        // Whoever makes a role without being a superuser becomes a member of it (PostgreSQL 16 and later), and could not
        // reinstate it without.
        .filter(|m| catalog.server.superuser || m.member != catalog.server.user);
    statements.extend(memberships.map(|m| revoke_membership(m, catalog.server.version)));
    for grant in &catalog.grants {
        let own = grant.grantee == Grantee::Role(grant.owner.clone());
        let theirs = matches!(&grant.grantee, Grantee::Role(name) if ended(name));
        let in_share = match grant.object.class {
            Class::Schema => ended(&grant.object.name),
            _ => grant.object.schema.as_deref().is_some_and(ended),
        };
        let owners = grant.grantee == Grantee::Role(OWNER_ROLE.to_owned());
        if theirs || (in_share && !own && !owners) {
            statements.push(grant.revoke_sql());
        }
    }
    statements
}

/// No login and no password: what must succeed even if nothing else does.
#[must_use]
pub fn close_login(role: &str) -> String {
    format!(
        "ALTER ROLE {} NOLOGIN PASSWORD NULL CONNECTION LIMIT 0",
        ident(role)
    )
}

/// Rolls a prepared transaction back, in the database it was prepared in.
#[must_use]
pub fn rollback_prepared(gid: &str) -> String {
    format!("ROLLBACK PREPARED {}", literal(gid))
}

#[cfg(test)]
mod tests;
