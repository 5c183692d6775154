//! The queries that read an airlock, each giving lines of text, for PostgreSQL 13 to 18; and the one that reads what the
//! custodian's database is like.
//!
//! What they say is compared with what they said when the cluster or database was made, so they need not understand what
//! they read: they must leave nothing out that decides who can do what. Passwords and large lists stand in them as hashes.

/// The cluster, but for the databases of its cells (`$1`, names): roles, databases, who may connect how, settings of files.
pub const CLUSTER: &str = "
select line from (
  select pg_catalog.format('role %s: login %s, superuser %s, limit %s', rolname, rolcanlogin, rolsuper, rolconnlimit) as line
    from pg_catalog.pg_roles where rolname !~ '^pg_' and rolname <> all ($1)
  union all
  select pg_catalog.format('database %s: connections %s, rights %s', datname, datallowconn, datacl)
    from pg_catalog.pg_database where datname <> all ($1)
  union all
  select pg_catalog.format('access %s: %s %s %s %s %s', line_number, type, database, user_name, auth_method, error)
    from pg_catalog.pg_hba_file_rules
  union all
  select pg_catalog.format('setting %s = %s', name, setting) from pg_catalog.pg_settings
    where source in ('configuration file', 'command line', 'environment variable') and name <> 'data_directory'
      and name !~ '_file$'
  union all
  select pg_catalog.format('tablespace %s: %s', spcname, spcacl) from pg_catalog.pg_tablespace
) l order by line";

/// Names of roles and databases that are cells, or look like it.
pub const CELLS: &str = "
select rolname::text from pg_catalog.pg_roles where rolname ~ '^estop_[0-9a-f]{16}$'
union select datname::text from pg_catalog.pg_database where datname ~ '^estop_[0-9a-f]{16}$'";

/// Whether there is a role and a database of name `$1`.
pub const BOTH: &str = "
select exists (select from pg_catalog.pg_roles where rolname = $1)
   and exists (select from pg_catalog.pg_database where datname = $1 and datallowconn)";

/// The database that is connected to, and the role of its name.
pub const CELL: &str = "
with own as (
  select oid from pg_catalog.pg_roles where rolname in (pg_catalog.current_database(), 'estop_owner')),
hashed(what, text) as (
  select 'system rights', pg_catalog.string_agg(c.oid::text || coalesce(c.relacl::text, ''), ',' order by c.oid)
    from pg_catalog.pg_class c where c.relnamespace in ('pg_catalog'::regnamespace, 'information_schema'::regnamespace)
  union all
  select 'functions', pg_catalog.string_agg(p.oid::regprocedure::text || coalesce(p.proacl::text, '') || p.prosecdef
      || p.proowner || pg_catalog.md5(p.prosrc) || coalesce(p.proconfig::text, ''), ',' order by p.oid::regprocedure::text)
    from pg_catalog.pg_proc p
  union all
  select 'types', pg_catalog.string_agg(t.oid::regtype::text || t.typowner || coalesce(t.typacl::text, ''), ','
      order by t.oid::regtype::text)
    from pg_catalog.pg_type t where t.typnamespace <> 'pg_toast'::regnamespace
  union all
  select 'operators', pg_catalog.string_agg(o.oid::regoperator::text || o.oprcode, ',' order by o.oid::regoperator::text)
    from pg_catalog.pg_operator o
  union all
  select 'casts', pg_catalog.string_agg(c.castsource::regtype::text || c.casttarget::regtype || c.castfunc::regprocedure, ','
      order by c.castsource::regtype::text, c.casttarget::regtype::text) from pg_catalog.pg_cast c
  union all
  select 'collations', pg_catalog.string_agg(collname::text || collnamespace::regnamespace::text, ',' order by collname, collnamespace)
    from pg_catalog.pg_collation where collnamespace <> 'pg_catalog'::regnamespace
)
select line from (
  select pg_catalog.format('role %s: login %s, powers %s, inherits %s, limit %s, until %s, password %s', a.rolname, a.rolcanlogin,
      a.rolsuper or a.rolcreatedb or a.rolcreaterole or a.rolreplication or a.rolbypassrls, a.rolinherit, a.rolconnlimit,
      a.rolvaliduntil, pg_catalog.encode(pg_catalog.sha256(pg_catalog.convert_to(coalesce(a.rolpassword, ''), 'UTF8')), 'hex')) as line
    from pg_catalog.pg_authid a where a.oid in (select oid from own)
  union all
  select pg_catalog.format('membership of %s in %s', m.member::regrole, m.roleid::regrole)
    from pg_catalog.pg_auth_members m where m.member in (select oid from own) or m.roleid in (select oid from own)
  union all
  select pg_catalog.format('setting of %s in %s: %s', s.setrole::regrole, d.datname, s.setconfig)
    from pg_catalog.pg_db_role_setting s left join pg_catalog.pg_database d on d.oid = s.setdatabase
    where s.setrole in (select oid from own) or d.datname = pg_catalog.current_database()
      or (s.setrole = 0 and s.setdatabase = 0)
  union all
  select pg_catalog.format('database: owner %s, limit %s, rights %s, sorts %s %s', d.datdba::regrole, d.datconnlimit, d.datacl,
      d.datcollate, d.datctype) from pg_catalog.pg_database d where d.datname = pg_catalog.current_database()
  union all
  select pg_catalog.format('schema %s: owner %s, rights %s', n.nspname, n.nspowner::regrole, n.nspacl)
    from pg_catalog.pg_namespace n where n.nspname !~ '^pg_(toast|temp)'
  union all
  select pg_catalog.format('relation %s: kind %s, owner %s, rights %s, options %s, shows %s', c.oid::regclass, c.relkind,
      c.relowner::regrole, c.relacl, c.reloptions, case when c.relkind in ('v', 'm') then pg_catalog.pg_get_viewdef(c.oid) end)
    from pg_catalog.pg_class c
    where c.relnamespace not in ('pg_catalog'::regnamespace, 'information_schema'::regnamespace, 'pg_toast'::regnamespace)
  union all
  select pg_catalog.format('column %s.%s: %s, collation %s, options %s, rights %s', a.attrelid::regclass, a.attname,
      pg_catalog.format_type(a.atttypid, a.atttypmod), a.attcollation::regcollation, a.attfdwoptions, a.attacl)
    from pg_catalog.pg_attribute a join pg_catalog.pg_class c on c.oid = a.attrelid
    where a.attnum > 0 and (a.attacl is not null or c.relnamespace not in
      ('pg_catalog'::regnamespace, 'information_schema'::regnamespace, 'pg_toast'::regnamespace))
  union all
  select pg_catalog.format('foreign table %s: %s', f.ftrelid::regclass, f.ftoptions) from pg_catalog.pg_foreign_table f
  union all
  select pg_catalog.format('server %s: owner %s, rights %s, %s', s.srvname, s.srvowner::regrole, s.srvacl, s.srvoptions)
    from pg_catalog.pg_foreign_server s
  union all
  select pg_catalog.format('wrapper %s: owner %s, rights %s, %s', w.fdwname, w.fdwowner::regrole, w.fdwacl, w.fdwhandler::regproc)
    from pg_catalog.pg_foreign_data_wrapper w
  union all
  select pg_catalog.format('mapping of %s: %s', m.umuser::regrole, pg_catalog.encode(pg_catalog.sha256(
      pg_catalog.convert_to(m.umoptions::text, 'UTF8')), 'hex')) from pg_catalog.pg_user_mapping m
  union all
  select pg_catalog.format('language %s: %s, rights %s', l.lanname, l.lanpltrusted, l.lanacl) from pg_catalog.pg_language l
  union all
  select pg_catalog.format('extension %s', e.extname) from pg_catalog.pg_extension e
  union all
  select pg_catalog.format('rule %s on %s', r.rulename, r.ev_class::regclass) from pg_catalog.pg_rewrite r
    where r.rulename <> '_RETURN' and r.oid >= 16384
  union all
  select pg_catalog.format('trigger %s on %s', t.tgname, t.tgrelid::regclass) from pg_catalog.pg_trigger t where not t.tgisinternal
  union all
  select pg_catalog.format('event trigger %s', t.evtname) from pg_catalog.pg_event_trigger t
  union all
  select pg_catalog.format('default rights of %s: %s %s', d.defaclrole::regrole, d.defaclobjtype, d.defaclacl)
    from pg_catalog.pg_default_acl d
  union all
  select pg_catalog.format('large objects: %s', count(*)) from pg_catalog.pg_largeobject_metadata
  union all
  select pg_catalog.format('%s: %s', h.what, pg_catalog.md5(h.text)) from hashed h
) l order by line";

/// Locales in which the airlock's server can make a database.
pub const LOCALES: &str = "
select distinct name from (
  select collcollate::text as name from pg_catalog.pg_collation where collprovider = 'c' and collcollate is not null
  union all select datcollate::text from pg_catalog.pg_database) l where name is not null";

/// How the custodian's database sorts, tells letters and writes answers: one JSON document that lacks the views' columns.
pub const LIKENESS: &str = "
select json_build_object('shown', '{}'::json, 'collate', d.datcollate, 'ctype', d.datctype,
  'settings', (select json_object_agg(s.name, s.reset_val) from pg_settings s
    where s.name in ('TimeZone', 'DateStyle', 'IntervalStyle', 'bytea_output')))
from pg_database d where d.datname = current_database()";

/// The columns of relation `$1`, as one JSON document: what the airlock's foreign table must declare. A domain is the
/// custodian's own, so its base type is declared.
pub const SHOWN: &str = "
select coalesce(json_agg(json_build_object('name', a.attname,
  'type', case t.typtype when 'd' then (
    with recursive b as (select t.typbasetype as oid, t.typtypmod as modifier
      union all select d.typbasetype, d.typtypmod from b join pg_type d on d.oid = b.oid where d.typtype = 'd')
    select format_type(b.oid, b.modifier) from b join pg_type d on d.oid = b.oid where d.typtype <> 'd')
    else format_type(a.atttypid, a.atttypmod) end,
  'collation', case when a.attcollation <> t.typcollation and c.collnamespace = 'pg_catalog'::regnamespace
    then c.collname end) order by a.attnum), '[]')
from pg_attribute a join pg_type t on t.oid = a.atttypid left join pg_collation c on c.oid = a.attcollation
where a.attrelid = $1::text::regclass and a.attnum > 0 and not a.attisdropped";
