//! What stands beside the shares, decides what they mean or who comes past them, and is nobody's plan: row security and its
//! policies, the text of shared views, heirs of shared tables, event triggers, settings, rules of access, PostgreSQL's own functions. Plain values,
//! and the query that fills them: they are compared with what they were when the estate was applied.

use serde::{Deserialize, Serialize};

/// A kind of mark.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum MarkKind {
    /// A rule of `pg_hba.conf` by which an agreement's role could come in.
    Access,
    /// A view that a data set is.
    BaseView,
    /// A table whose rows are read with a relation of a data set, and that is not simply a part of it.
    Child,
    /// An event trigger that fires.
    EventTrigger,
    /// An extension.
    Extension,
    /// A line of `pg_ident.conf`.
    Ident,
    /// A function outside `pg_catalog` that is LEAKPROOF.
    Leakproof,
    /// A user mapping of PUBLIC or of a role of ours.
    Mapping,
    /// Something that a role of the custodian's may do past rights on relations, such as SUPERUSER.
    Power,
    /// A publication that has a relation of a data set in it.
    Publication,
    /// Everybody may look into the schema of such a relation.
    PublicSchema,
    /// A relation that a data set is.
    Relation,
    /// A policy of row security on such a relation.
    RowPolicy,
    /// Row security is on for such a relation.
    RowSecurity,
    /// A setting for all sessions, of the database or the server.
    Setting,
    /// PostgreSQL's own functions and operators, all together.
    System,
}

/// Something that was read.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Mark {
    /// What it is.
    pub kind: MarkKind,
    /// Which, as PostgreSQL names it.
    pub name: String,
    /// What of it matters: it is another mark if this is another. What is long stands there as its hash.
    pub value: String,
}

/// Settings that decide what sessions may do or what runs in them. Others, such as memory, are the custodian's own business.
pub const SETTINGS: [&str; 24] = [
    "allow_system_table_mods",
    "archive_command",
    "archive_library",
    "default_transaction_read_only",
    "dynamic_library_path",
    "hba_file",
    "ident_file",
    "ignore_system_indexes",
    "jit_provider",
    "krb_server_keyfile",
    "listen_addresses",
    "local_preload_libraries",
    "password_encryption",
    "restore_command",
    "role",
    "row_security",
    "search_path",
    "session_authorization",
    "session_preload_libraries",
    "session_replication_role",
    "shared_preload_libraries",
    "ssl",
    "unix_socket_permissions",
    "wal_level",
];

/// Fills marks, but for those of files: `$1` are relations of data sets, in double quotes, `$2` are [`SETTINGS`].
pub const MARKS: &str = "
with recursive base as (
  select q.name, q.oid from (
    select '\"' || replace(n.nspname, '\"', '\"\"') || '\".\"' || replace(c.relname, '\"', '\"\"') || '\"' as name, c.oid
      from pg_class c join pg_namespace n on n.oid = c.relnamespace where c.relkind in ('r', 'p', 'v', 'm', 'f')) q
    where q.name = any ($1::text[])),
heir as (
  select b.name, b.oid as base, i.inhrelid as oid from base b join pg_inherits i on i.inhparent = b.oid
  union select h.name, h.base, i.inhrelid from heir h join pg_inherits i on i.inhparent = h.oid),
power as (
  select r.oid, p.power from pg_roles r cross join lateral (values
      (r.rolsuper, 'SUPERUSER'), (r.rolbypassrls, 'BYPASSRLS'), (r.rolreplication, 'REPLICATION'),
      (r.rolcreaterole and current_setting('server_version_num')::int < 160000, 'CREATEROLE'),
      (r.rolname in ('pg_read_all_data', 'pg_write_all_data', 'pg_read_server_files', 'pg_write_server_files',
        'pg_execute_server_program'), r.rolname)) p(held, power)
    where p.held
  union select m.member, p.power from power p join pg_auth_members m on m.roleid = p.oid)
select coalesce(json_agg(json_build_object('kind', m.kind, 'name', m.name, 'value', m.value)
  order by m.kind, m.name, m.value), '[]') from (
  select 'relation' as kind, name, oid::text as value from base
  union all
  select 'row-security', b.name, format('forced %s', c.relforcerowsecurity)
    from base b join pg_class c on c.oid = b.oid where c.relrowsecurity
  union all
  select 'row-policy', p.polname || ' on ' || b.name, md5(format('%s %s %s %s', p.polcmd, p.polpermissive,
      (select string_agg(coalesce(r.rolname, 'public'), ',' order by r.rolname) from unnest(p.polroles) o left join pg_roles r on r.oid = o),
      pg_get_expr(p.polqual, p.polrelid)))
    from base b join pg_policy p on p.polrelid = b.oid where p.polcmd in ('r', '*')
  union all
  select 'base-view', b.name, md5(c.relowner::regrole::text || coalesce(c.reloptions::text, '') || pg_get_viewdef(c.oid))
    from base b join pg_class c on c.oid = b.oid where c.relkind in ('v', 'm')
  union all
  select 'child', format('%I.%I on %s', n.nspname, c.relname, h.name), format('%s %s %s', c.oid, c.relkind, c.relowner)
    from heir h join pg_class c on c.oid = h.oid join pg_namespace n on n.oid = c.relnamespace join pg_class p on p.oid = h.base
    where not c.relispartition or c.relkind = 'f' or c.relowner <> p.relowner
  union all
  select distinct 'public-schema', n.nspname, ''
    from base b join pg_class c on c.oid = b.oid join pg_namespace n on n.oid = c.relnamespace
    cross join lateral aclexplode(coalesce(n.nspacl, acldefault('n', n.nspowner))) a
    where a.grantee = 0 and a.privilege_type = 'USAGE'
  union all
  select 'power', format('`%s` has %s', r.rolname, p.power), ''
    from power p join pg_roles r on r.oid = p.oid where r.rolname !~ '^(pg|estop)_'
  union all
  select 'event-trigger', t.evtname, md5(format('%s %s %s %s', t.evtevent, t.evttags, p.oid::regprocedure, p.prosrc))
    from pg_event_trigger t join pg_proc p on p.oid = t.evtfoid where t.evtenabled <> 'D'
  union all
  select 'leakproof', p.oid::regprocedure::text, md5(p.prosrc)
    from pg_proc p where p.proleakproof and p.pronamespace <> 'pg_catalog'::regnamespace
  union all
  select distinct 'publication', t.pubname, '' from pg_publication_tables t
    join pg_namespace n on n.nspname = t.schemaname
    join pg_class c on c.relnamespace = n.oid and c.relname = t.tablename join base b on b.oid = c.oid
  union all
  select 'mapping', m.srvname || ' for ' || m.usename, md5(coalesce(m.umoptions::text, ''))
    from pg_user_mappings m where m.umuser = 0 or m.usename ~ '^estop_'
  union all
  select 'extension', e.extname, '' from pg_extension e
  union all
  select 'setting', split_part(c, '=', 1) || case when s.setdatabase = 0 then ' for all' else ' for database ' || d.datname end,
      substr(c, strpos(c, '=') + 1)
    from pg_db_role_setting s cross join lateral unnest(s.setconfig) c left join pg_database d on d.oid = s.setdatabase
    where s.setrole = 0 and (s.setdatabase = 0 or d.datname = current_database())
      and (split_part(c, '=', 1) = any ($2::text[]) or c ~ '^auto_explain[.]')
  union all
  select 'setting', s.name || ' for the server', s.reset_val from pg_settings s
    where s.name = any ($2::text[]) and s.source = 'configuration file'
  union all
  select 'system', 'functions and operators', md5(
    (select string_agg(p.oid || p.proname || p.prolang || p.proowner || p.prosecdef || p.proleakproof || p.prosrc
        || coalesce(p.probin, '') || coalesce(p.proconfig::text, ''), ',' order by p.oid)
      from pg_proc p where p.pronamespace = 'pg_catalog'::regnamespace)
    || (select string_agg(o.oid || o.oprname || o.oprcode::oid, ',' order by o.oid)
      from pg_operator o where o.oprnamespace = 'pg_catalog'::regnamespace))
) m";

/// Lines of `pg_ident.conf` by which somebody could come in as a role of ours; superusers, PostgreSQL 15 and later.
pub const IDENT: &str = "
select coalesce(json_agg(json_build_object('kind', 'ident', 'name', format('%s %s %s', map_name, sys_name, pg_username),
  'value', '') order by map_name, sys_name, pg_username), '[]')
from pg_ident_file_mappings where error is null and (pg_username ~ '^(estop_|[/+]|\\\"?all)' or pg_username ~ '\\\\')";

/// The first `server_version_num` that has [`IDENT`]'s view.
pub const IDENT_SINCE: i32 = 150_000;
