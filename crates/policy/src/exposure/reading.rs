//! The queries that fill a [`super::snapshot::Snapshot`]: each gives one JSON document, or, where there can be many, one for each
//! role, membership, relation and the like, row by row. For PostgreSQL 13 to 18.
//!
//! They are meant for a REPEATABLE READ, READ ONLY transaction with `search_path = pg_catalog`. Every role may run them, but
//! for those whose comment says otherwise.

/// Fills `server`.
pub const SERVER: &str = "
select json_build_object(
  'version', current_setting('server_version_num')::int,
  'taken', to_char(now() at time zone 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS\"Z\"'),
  'database', current_database(), 'user', current_user,
  'superuser', (select rolsuper from pg_roles where rolname = current_user),
  'port', current_setting('port'),
  'sockets', case when pg_has_role('pg_read_all_settings', 'usage') then current_setting('unix_socket_directories') end,
  'listen', current_setting('listen_addresses'), 'ssl', current_setting('ssl')::bool,
  'wal_level', current_setting('wal_level'),
  'max_slots', current_setting('max_replication_slots')::int,
  'max_senders', current_setting('max_wal_senders')::int,
  'lo_compat', current_setting('lo_compat_privileges')::bool)";

/// Fills `roles`, a row for each, without what is known of passwords.
pub const ROLES: &str = "
select json_build_object(
  'oid', oid::int8, 'name', rolname, 'login', rolcanlogin, 'inherit', rolinherit, 'superuser', rolsuper,
  'create_role', rolcreaterole, 'create_db', rolcreatedb, 'replication', rolreplication, 'bypass_rls', rolbypassrls,
  'connection_limit', rolconnlimit, 'valid_until', rolvaliduntil::text,
  'expired', coalesce(rolvaliduntil < now(), false)) from pg_roles
order by oid";

/// What kind of password each role has, never the verifier: role, kind. Needs SELECT on `pg_authid`.
pub const PASSWORDS: &str = "
select coalesce(json_agg(json_build_array(oid::int8,
  case when rolpassword is null then 'none' when rolpassword ~ '^SCRAM-' then 'scram' else 'md5' end)), '[]')
from pg_authid";

/// Fills `memberships` up to PostgreSQL 15, a row for each.
pub const MEMBERSHIPS: &str = "
select json_build_object('role', roleid::int8, 'member', member::int8, 'grantor', grantor::int8,
  'admin', admin_option, 'inherit', null, 'set', null) from pg_auth_members
order by roleid, member";

/// Fills `memberships` from PostgreSQL 16, a row for each.
pub const MEMBERSHIPS_16: &str = "
select json_build_object('role', roleid::int8, 'member', member::int8, 'grantor', grantor::int8,
  'admin', admin_option, 'inherit', inherit_option, 'set', set_option)
from pg_auth_members
order by roleid, member, grantor";

/// Fills `databases`.
pub const DATABASES: &str = "
select coalesce(json_agg(json_build_object('oid', oid::int8, 'name', datname, 'owner', datdba::int8, 'acl', datacl::text[],
  'allow_connections', datallowconn, 'template', datistemplate, 'connection_limit', datconnlimit)
  order by oid), '[]') from pg_database";

/// Fills `hba`. Needs EXECUTE on `pg_hba_file_rules()` and SELECT on the view.
pub const HBA: &str = "
select coalesce(json_agg(json_build_object('line', line_number, 'type', type, 'databases', coalesce(database, '{}'),
  'users', coalesce(user_name, '{}'), 'address', address, 'netmask', netmask, 'method', auth_method,
  'options', coalesce(options, '{}')) order by line_number), '[]')
from pg_hba_file_rules where error is null and type is not null";

/// Whether [`HBA`], [`PASSWORDS`], other roles' sessions and `pg_statistic` may be read: four booleans.
pub const MAY: &str = "
select json_build_array(
  has_function_privilege('pg_hba_file_rules()', 'execute') and has_table_privilege('pg_hba_file_rules', 'select'),
  has_table_privilege('pg_authid', 'select'),
  pg_has_role('pg_read_all_stats', 'usage'),
  has_table_privilege('pg_statistic', 'select'))";

/// Fills `sessions`, the reader's own left out.
pub const SESSIONS: &str = "
select coalesce(json_agg(json_build_object('role', usesysid::int8, 'database', datname, 'pid', pid, 'state', state,
  'since', backend_start::text) order by pid), '[]')
from pg_stat_activity where usesysid is not null and pid <> pg_backend_pid() and application_name <> 'estop exposure'";

/// Fills `prepared`.
pub const PREPARED: &str = "
select coalesce(json_agg(json_build_object('gid', p.gid, 'owner', coalesce(r.oid, 0)::int8, 'database', p.database,
  'locks', coalesce((select array_agg(distinct l.relation::int8) from pg_locks l
     where l.virtualtransaction = '-1/' || p.transaction::text and l.relation is not null), '{}')) order by p.gid), '[]')
from pg_prepared_xacts p left join pg_roles r on r.rolname = p.owner";

/// Fills `parameters`, from PostgreSQL 15.
pub const PARAMETERS: &str = "
select coalesce(json_agg(json_build_object('name', parname, 'acl', paracl::text[]) order by parname), '[]')
from pg_parameter_acl";

/// Fills `slots`.
pub const SLOTS: &str = "
select coalesce(json_agg(json_build_object('name', slot_name, 'database', database, 'kind', slot_type)
  order by slot_name), '[]') from pg_replication_slots";

/// Fills `settings`.
pub const SETTINGS: &str = "
select coalesce(json_agg(json_build_object('role', s.setrole::int8, 'database', s.setdatabase::int8, 'setting', c)
  order by 1), '[]') from pg_db_role_setting s cross join lateral unnest(s.setconfig) c
where c like 'search_path=%' or c like 'session_preload%' or c like 'local_preload%' or c like 'role=%'
  or c in ('session_replication_role=replica', 'lo_compat_privileges=on')";

/// Fills a database's `schemas`.
pub const SCHEMAS: &str = "
select coalesce(json_agg(json_build_object('oid', oid::int8, 'name', nspname, 'owner', nspowner::int8, 'acl', nspacl::text[])
  order by oid), '[]') from pg_namespace";

/// Fills a database's `relations`, a row for each, in no order: sorting rows that wide takes longer than reading them.
/// `$STATISTICS` is put in by [`relations`].
const RELATIONS: &str = "
with c as materialized (
  select c.*, n.nspname from pg_class c join pg_namespace n on n.oid = c.relnamespace
  where c.relkind in ('r','p','v','m','f') and n.nspname not in ('pg_catalog', 'information_schema', 'pg_toast')
    or c.relkind in ('r','v','m','t') and c.relacl is not null and n.nspname = 'pg_toast'
    or n.nspname = 'pg_catalog' and c.relname in ('pg_statistic', 'pg_statistic_ext_data', 'pg_authid', 'pg_shadow',
       'pg_largeobject', 'pg_user_mapping', 'pg_user_mappings', 'pg_subscription', 'pg_stats', 'pg_stats_ext', 'pg_stats_ext_exprs',
       'pg_stat_activity')),
a as (
  select a.attrelid, array_agg(a.attname::text order by a.attnum) filter (where a.attnum > 0) as names,
    json_agg(json_build_array(a.attname, a.attacl::text[])) filter (where a.attacl is not null) as acls,
    bool_or(a.attnum > 0 and (a.atttypid = 'oid'::regtype or t.typname = 'lo')) as blobs
  from pg_attribute a join pg_type t on t.oid = a.atttypid
  where (a.attnum > 0 or a.attacl is not null) and not a.attisdropped and a.attrelid in (select oid from c) group by a.attrelid),
-- Generated columns and what they are made of: noted of the column up to PostgreSQL 14, of its expression since.
g as (
  select a.attrelid, json_agg(json_build_array(a.attname, coalesce((select array_agg(b.attname::text) from pg_attribute b
    where b.attrelid = a.attrelid and b.attnum <> a.attnum and b.attnum in (select d.refobjsubid from pg_depend d
      where d.refclassid = 'pg_class'::regclass and d.refobjid = a.attrelid
        and (d.classid = 'pg_class'::regclass and d.objid = a.attrelid and d.objsubid = a.attnum
          or d.classid = 'pg_attrdef'::regclass
            and d.objid in (select t.oid from pg_attrdef t where t.adrelid = a.attrelid and t.adnum = a.attnum)))), '{}'))) as made
  from pg_attribute a where a.attgenerated <> '' and not a.attisdropped and a.attrelid in (select oid from c) group by a.attrelid)
select json_build_object('oid', c.oid::int8, 'schema', c.relnamespace::int8, 'name', c.relname,
  'kind', c.relkind, 'owner', c.relowner::int8, 'acl', c.relacl::text[], 'column_acls', a.acls,
  'row_security', c.relrowsecurity, 'force', c.relforcerowsecurity, 'options', c.reloptions, 'columns', a.names,
  'blobs', coalesce(a.blobs, false), 'toast', c.reltoastrelid::int8, 'statistics', $STATISTICS,
  'temporary', c.relpersistence = 't',
  'unique', u.indrelid is not null,
  'unknown', c.relkind in ('r','m') and c.reltuples < 9 and pg_relation_size(c.oid) > 0, 'unfilled', not c.relispopulated, 'generated', g.made)
from c left join a on a.attrelid = c.oid left join g on g.attrelid = c.oid
left join (select distinct indrelid from pg_index where indisunique or indisexclusion) u on u.indrelid = c.oid";

/// The query for a database's `relations`; a reader of `pg_statistic` knows of which relations there are statistics.
#[must_use]
pub fn relations(reads_statistics: bool) -> String {
    let statistics = if reads_statistics {
        "exists (select from pg_statistic s where s.starelid = c.oid)"
    } else {
        "c.reltuples > 0"
    };
    RELATIONS.replace("$STATISTICS", statistics)
}

/// Fills a database's `inherits`, a row for each.
pub const INHERITS: &str = "
select json_build_array(inhrelid::int8, inhparent::int8)
from pg_inherits i join pg_class c on c.oid = i.inhrelid where c.relkind in ('r','p','f')
order by inhrelid";

/// Fills a database's `rules`, a row for each.
pub const RULES: &str = "
with w as materialized (
  select w.oid, w.ev_class, w.rulename, w.ev_type, w.ev_enabled, w.ev_action
  from pg_rewrite w join pg_class c on c.oid = w.ev_class join pg_namespace n on n.oid = c.relnamespace
  where n.nspname not in ('pg_catalog', 'information_schema')),
d as (
  select d.objid, d.refobjid, array_agg(distinct a.attname::text) filter (where a.attname is not null) as columns
  from pg_depend d join w on w.oid = d.objid
  left join pg_attribute a on a.attrelid = d.refobjid and a.attnum = d.refobjsubid and d.refobjsubid <> 0
  where d.classid = 'pg_rewrite'::regclass and d.refclassid = 'pg_class'::regclass and d.refobjid <> w.ev_class
  group by d.objid, d.refobjid),
-- The catalog notes no dependencies on its own tables: those that hold values of others are looked for in the rule itself.
pinned as (
  select w.oid as objid, c.oid as refobjid, null::text[] as columns
  from w join (select oid from (values (2619), (3429), (1260), (1418), (2613), (6100)) v(oid)
    union all select oid from pg_class where relname = 'pg_shadow' and relnamespace = 'pg_catalog'::regnamespace) c(oid)
    on strpos(w.ev_action::text, ':relid ' || c.oid || ' ') > 0
  -- What a copy was made of by such a view is what its owner was shown.
  union all select w.oid, c.oid, null::text[]
  from w join pg_class m on m.oid = w.ev_class and m.relkind = 'm' join pg_class c
    on c.relname in ('pg_stats', 'pg_stats_ext', 'pg_stat_activity') and c.relnamespace = 'pg_catalog'::regnamespace
    and strpos(w.ev_action::text, ':relid ' || c.oid || ' ') > 0),
r as (
  select objid, json_agg(json_build_object('relation', refobjid::int8, 'columns', columns)) as reads
  from (select d.objid, d.refobjid,
          -- No column and no whole row: how many rows there are, and whether, is all that is asked for.
          case when d.columns is null and strpos(w.ev_action::text, ':varattno 0 ') = 0 then '{}' else d.columns end as columns
        from d join w on w.oid = d.objid union all select objid, refobjid, columns from pinned) d group by objid),
f as (
  select objid, array_agg(distinct fn::int8) as calls, bool_or(p.proname like 'dblink%') as connects from (
    select d.objid, d.refobjid as fn from pg_depend d join w on w.oid = d.objid
    where d.classid = 'pg_rewrite'::regclass and d.refclassid = 'pg_proc'::regclass
    union all select d.objid, o.oprcode from pg_depend d join w on w.oid = d.objid join pg_operator o on o.oid = d.refobjid
    where d.classid = 'pg_rewrite'::regclass and d.refclassid = 'pg_operator'::regclass) called
  join pg_proc p on p.oid = fn group by objid)
select json_build_object('relation', w.ev_class::int8, 'name', w.rulename, 'event', w.ev_type,
  'enabled', w.ev_enabled <> 'D', 'reads', r.reads, 'calls', f.calls,
  'text', case when w.ev_type <> '1' then pg_get_ruledef(w.oid)
               when f.connects or strpos(left(w.ev_action::text, 400), ':hasAggs true') > 0
                 or w.ev_action::text ~ '(SQLVALUEFUNCTION|:limitCount [{]|[{]CONST :consttype 16 |:args [(][{]CONST [^{}]*[}] [{]CONST )' then pg_get_viewdef(w.ev_class) end)
from w left join r on r.objid = w.oid left join f on f.objid = w.oid
order by w.oid";

/// Fills a database's `policies`, a row for each.
pub const POLICIES: &str = "
select json_build_object('relation', polrelid::int8, 'name', polname, 'command', polcmd,
  'permissive', polpermissive, 'roles', polroles::int8[], 'condition', pg_get_expr(polqual, polrelid))
from pg_policy
order by oid";

/// Fills a database's `functions`, a row for each.
const FUNCTIONS: &str = "
with p as materialized (
  select p.*, l.lanname, l.lanpltrusted, n.nspname
  from pg_proc p join pg_namespace n on n.oid = p.pronamespace join pg_language l on l.oid = p.prolang
  where n.nspname not in ('pg_catalog', 'information_schema') or p.prosecdef
    or n.nspname = 'pg_catalog' and p.proname in ('pg_read_file', 'pg_read_binary_file', 'lo_import', 'lo_export',
      'pg_file_write', 'pg_read_file_all', 'pg_read_binary_file_all', 'pg_file_rename', 'pg_file_read', 'lo_get')),
d as (
  select d.objid, d.refobjid, array_agg(distinct a.attname::text) filter (where a.attname is not null) as columns
  from pg_depend d join p on p.oid = d.objid
  left join pg_attribute a on a.attrelid = d.refobjid and a.attnum = d.refobjsubid and d.refobjsubid <> 0
  where d.classid = 'pg_proc'::regclass and d.refclassid = 'pg_class'::regclass group by d.objid, d.refobjid),
r as (select objid, json_agg(json_build_object('relation', refobjid::int8, 'columns', columns)) as reads from d group by objid),
f as (
  select objid, array_agg(distinct fn::int8) as calls from (
    select d.objid, d.refobjid as fn from pg_depend d join p on p.oid = d.objid
    where d.classid = 'pg_proc'::regclass and d.refclassid = 'pg_proc'::regclass
    union all select d.objid, o.oprcode from pg_depend d join p on p.oid = d.objid join pg_operator o on o.oid = d.refobjid
    where d.classid = 'pg_proc'::regclass and d.refclassid = 'pg_operator'::regclass) called group by objid),
e as (
  select d.objid, min(x.extname) as extension from pg_depend d join pg_extension x on x.oid = d.refobjid
  where d.classid = 'pg_proc'::regclass and d.refclassid = 'pg_extension'::regclass and d.deptype = 'e' group by d.objid)
select json_build_object('oid', p.oid::int8, 'schema', p.pronamespace::int8, 'name', p.proname,
  'arguments', pg_get_function_identity_arguments(p.oid),
  'takes', (select array_agg(format_type(t, null) order by o) from unnest(p.proargtypes::oid[]) with ordinality u(t, o)),
  'kind', p.prokind, 'owner', p.proowner::int8, 'acl', p.proacl::text[], 'definer', p.prosecdef, 'language', p.lanname,
  'trusted', p.lanpltrusted and p.lanname !~ '^(plpython[23]?u|pltclu|plsh|plr|pljavau)$' or p.lanname in ('internal', 'c'), 'config', p.proconfig,
  'returns', format_type(p.prorettype, null),
  'source', case when p.lanname = 'c' and not p.prosecdef or p.lanname = 'internal' and p.nspname = 'pg_catalog' then null
     else left($BODY, 200000) end,
  'parsed', $PARSED, 'reads', r.reads, 'calls', f.calls, 'extension', e.extension,
  'symbol', case when p.lanname = 'c' then p.probin || ':' || p.prosrc end)
from p left join r on r.objid = p.oid left join f on f.objid = p.oid left join e on e.objid = p.oid
order by p.oid";

/// The first version with bodies that are parsed when they are made.
pub const PARSED_BODIES_SINCE: u32 = 140_000;

/// The query for a database's `functions`.
#[must_use]
pub fn functions(version: u32) -> String {
    if version >= PARSED_BODIES_SINCE {
        FUNCTIONS
            .replace(
                "$BODY",
                "case when p.prosqlbody is not null then pg_get_function_sqlbody(p.oid) else p.prosrc end",
            )
            .replace("$PARSED", "p.prosqlbody is not null")
    } else {
        FUNCTIONS.replace("$BODY", "p.prosrc").replace("$PARSED", "false")
    }
}

/// Fills a database's `triggers`, a row for each.
pub const TRIGGERS: &str = "
select json_build_object('relation', tgrelid::int8, 'name', tgname, 'function', tgfoid::int8,
  'bits', tgtype, 'transition', tgoldtable is not null or tgnewtable is not null, 'enabled', tgenabled in ('O', 'A'),
  'replica', tgenabled = 'R', 'args', case when tgnargs > 0 then string_to_array(encode(tgargs, 'escape'), '\\000') end) from pg_trigger where not tgisinternal
order by oid";

/// Fills a database's `event_triggers`.
pub const EVENT_TRIGGERS: &str = "
select coalesce(json_agg(json_build_object('name', evtname, 'event', evtevent, 'function', evtfoid::int8,
  'enabled', evtenabled in ('O', 'A'), 'tags', evttags) order by oid), '[]') from pg_event_trigger";

/// Fills a database's `callers`.
pub const CALLERS: &str = "
with own as materialized (
  select p.oid from pg_proc p join pg_namespace n on n.oid = p.pronamespace
  where n.nspname not in ('pg_catalog', 'information_schema')),
calls as materialized (
  select d.classid, d.objid, d.objsubid, d.refobjid as fn from pg_depend d join own on own.oid = d.refobjid
  where d.refclassid = 'pg_proc'::regclass),
-- What calls a function through an operator of its own calls the function.
deep as materialized (
  select * from calls
  union select d.classid, d.objid, d.objsubid, o.oprcode::oid from pg_depend d join pg_operator o on o.oid = d.refobjid
    join own on own.oid = o.oprcode where d.refclassid = 'pg_operator'::regclass),
found(kind, relation, schema, object, name, fn) as (
  select case a.attgenerated when '' then 'default' else 'generated' end, t.adrelid, 0::oid, 0::oid, a.attname::text, c.fn
    from deep c join pg_attrdef t on c.classid = 'pg_attrdef'::regclass and t.oid = c.objid
    join pg_attribute a on a.attrelid = t.adrelid and a.attnum = t.adnum
  -- Up to PostgreSQL 14 what a generated column calls is noted of the column.
  union all select 'generated', a.attrelid, 0, 0, a.attname::text, c.fn
    from deep c join pg_attribute a on c.classid = 'pg_class'::regclass and a.attrelid = c.objid and a.attnum = c.objsubid
    where c.objsubid <> 0 and a.attgenerated <> ''
  union all select case when k.contypid <> 0 then 'domain' else 'check' end, k.conrelid, coalesce(y.typnamespace, 0), 0,
      coalesce(y.typname, k.conname)::text, c.fn
    from deep c join pg_constraint k on c.classid = 'pg_constraint'::regclass and k.oid = c.objid
    left join pg_type y on y.oid = k.contypid
  -- Columns of a domain are checked without USAGE on its schema.
  union all select 'check', a.attrelid, 0, 0, k.conname::text, c.fn
    from deep c join pg_constraint k on c.classid = 'pg_constraint'::regclass and k.oid = c.objid and k.contypid <> 0
    join pg_attribute a on a.atttypid = k.contypid and a.attnum > 0 and not a.attisdropped
    join pg_class r on r.oid = a.attrelid and r.relkind in ('r', 'p', 'f')
  -- A domain's default: for a table of one's own, and for columns of others'.
  union all select 'default', 0, y.typnamespace, 0, y.typname::text, c.fn
    from deep c join pg_type y on c.classid = 'pg_type'::regclass and y.oid = c.objid and y.typtype = 'd'
  union all select 'default', a.attrelid, 0, 0, a.attname::text, c.fn
    from deep c join pg_type y on c.classid = 'pg_type'::regclass and y.oid = c.objid and y.typtype = 'd'
    join pg_attribute a on a.atttypid = y.oid and a.attnum > 0 and not a.attisdropped and not a.atthasdef
  union all select 'rule', w.ev_class, 0, 0, w.rulename::text, c.fn
    from deep c join pg_rewrite w on c.classid = 'pg_rewrite'::regclass and w.oid = c.objid and w.ev_type <> '1'
  union all select 'function', 0, p.pronamespace, p.oid, p.oid::regprocedure::text, c.fn
    from deep c join pg_proc p on c.classid = 'pg_proc'::regclass and p.oid = c.objid and p.prokind <> 'a'
  union all select 'cast', 0, 0, 0, format_type(k.castsource, null) || ' as ' || format_type(k.casttarget, null), k.castfunc
    from pg_cast k join own on own.oid = k.castfunc
  union all select 'operator', 0, o.oprnamespace, 0, o.oprname::text, o.oprcode from pg_operator o join own on own.oid = o.oprcode
  union all select 'aggregate', 0, p.pronamespace, g.aggfnoid, p.oid::regprocedure::text, s.fn
    from pg_aggregate g join pg_proc p on p.oid = g.aggfnoid
    cross join lateral (values (g.aggtransfn::oid), (g.aggfinalfn::oid), (g.aggcombinefn::oid), (g.aggmtransfn::oid),
      (g.aggminvtransfn::oid), (g.aggmfinalfn::oid)) s(fn) join own on own.oid = s.fn
  union all select 'index', i.indrelid, 0, 0, x.relname::text, c.fn
    from deep c join pg_index i on c.classid = 'pg_class'::regclass and i.indexrelid = c.objid
    join pg_class x on x.oid = i.indexrelid
  union all select 'check', t.tgrelid, 0, 0, t.tgname::text, c.fn
    from deep c join pg_trigger t on c.classid = 'pg_trigger'::regclass and t.oid = c.objid and t.tgfoid <> c.fn and not t.tgisinternal
  union all select 'check', t.partrelid, 0, 0, 'partition key', c.fn
    from deep c join pg_partitioned_table t on c.classid = 'pg_class'::regclass and t.partrelid = c.objid
  -- A class that is not its type's own is used by who names it, for an index on a table of its own.
  union all select 'operator_class', 0, case when k.opcdefault then y.typnamespace else coalesce(k.opcnamespace, f.opfnamespace) end,
      case when k.opcdefault then 0 else m.oid end, f.opfname::text, m.amproc
    from pg_amproc m join own on own.oid = m.amproc join pg_opfamily f on f.oid = m.amprocfamily
    join pg_type y on y.oid = m.amproclefttype
    left join pg_opclass k on k.opcfamily = m.amprocfamily and k.opcintype = m.amproclefttype
  -- Whoever writes a table has its indexes, exclusion constraints and partition keys compare values.
  union all select 'key', i.indrelid, 0, 0, x.relname::text, m.amproc
    from pg_amproc m join own on own.oid = m.amproc join pg_opclass k on k.opcfamily = m.amprocfamily
    join pg_index i on k.oid = any(i.indclass) join pg_class x on x.oid = i.indexrelid
  union all select 'key', x.conrelid, 0, 0, x.conname::text, own.oid
    from pg_constraint x join pg_operator o on x.contype = 'x' and o.oid = any(x.conexclop) join own on own.oid = o.oprcode
  union all select 'key', t.partrelid, 0, 0, 'partition key', m.amproc
    from pg_amproc m join own on own.oid = m.amproc join pg_opclass k on k.opcfamily = m.amprocfamily
    join pg_partitioned_table t on k.oid = any(t.partclass)
  union all select 'statistics', t.stxrelid, 0, 0, t.stxname::text, c.fn
    from deep c join pg_statistic_ext t on c.classid = 'pg_statistic_ext'::regclass and t.oid = c.objid
  -- Arrays are compared by `=` of their elements' btree class, and ranges are measured, without EXECUTE.
  union all select 'operator_class', 0, y.typnamespace, 0, o.oprname::text, o.oprcode
    from pg_amop m join pg_operator o on o.oid = m.amopopr join own on own.oid = o.oprcode
    join pg_type y on y.oid = m.amoplefttype
    join pg_opclass k on k.opcfamily = m.amopfamily and k.opcintype = y.oid and k.opcdefault
    where m.amopmethod = 403 and m.amopstrategy = 3
  union all select 'operator_class', 0, y.typnamespace, y.oid, y.typname::text, r.rngsubdiff
    from pg_range r join own on own.oid = r.rngsubdiff join pg_type y on y.oid = r.rngtypid
  union all select 'policy', p.polrelid, 0, 0, p.polname::text, c.fn
    from deep c join pg_policy p on c.classid = 'pg_policy'::regclass and p.oid = c.objid)
select coalesce(json_agg(distinct jsonb_build_object('kind', kind, 'relation', relation::int8, 'schema', schema::int8, 'object',
  object::int8, 'name', name, 'function', fn::int8)), '[]') from found";

/// Fills a database's `cascades`.
pub const CASCADES: &str = "
select coalesce(json_agg(json_build_object('relation', conrelid::int8, 'refers', confrelid::int8, 'on_delete', confdeltype,
  'on_update', confupdtype) order by oid), '[]') from pg_constraint
where contype = 'f'";

/// Fills a database's `servers`. Passwords in options are left out.
pub const SERVERS: &str = "
select coalesce(json_agg(json_build_object('oid', s.oid::int8, 'name', s.srvname, 'wrapper', coalesce(h.proname, w.fdwname),
  'owner', s.srvowner::int8, 'acl', s.srvacl::text[],
  'options', (select array_agg(o) from unnest(s.srvoptions) o where o !~* 'passw')) order by s.oid), '[]')
from pg_foreign_server s join pg_foreign_data_wrapper w on w.oid = s.srvfdw left join pg_proc h on h.oid = w.fdwhandler";

/// Fills a database's `mappings`: as whom, never the password.
pub const MAPPINGS: &str = "
select coalesce(json_agg(json_build_object('server', srvid::int8, 'role', umuser::int8,
  'user', (select substr(o, 6) from unnest(umoptions) o where o like 'user=%'),
  'password', coalesce((select bool_or(o like 'password=%') from unnest(umoptions) o), false),
  'unchecked', coalesce('password_required=false' = any(umoptions), false), 'seen', umoptions is not null)
  order by umid), '[]') from pg_user_mappings";

/// Fills a database's `foreign_tables`.
pub const FOREIGN_TABLES: &str = "
select coalesce(json_agg(json_build_object('relation', ftrelid::int8, 'server', ftserver::int8, 'options', ftoptions)
  order by ftrelid), '[]') from pg_foreign_table";

/// Fills a database's `publications`; `$SCHEMAS` by [`publications`].
const PUBLICATIONS: &str = "
select coalesce(json_agg(json_build_object('name', p.pubname, 'owner', p.pubowner::int8, 'all', p.puballtables,
  'relations', (select array_agg(r.prrelid::int8) from pg_publication_rel r where r.prpubid = p.oid),
  'schemas', $SCHEMAS) order by p.oid), '[]') from pg_publication p";

/// The first version whose publications may take whole schemas.
pub const PUBLISHED_SCHEMAS_SINCE: u32 = 150_000;

/// The query for a database's `publications`.
#[must_use]
pub fn publications(version: u32) -> String {
    let schemas = if version >= PUBLISHED_SCHEMAS_SINCE {
        "(select array_agg(n.pnnspid::int8) from pg_publication_namespace n where n.pnpubid = p.oid)"
    } else {
        "null"
    };
    PUBLICATIONS.replace("$SCHEMAS", schemas)
}

/// Fills a database's `subscriptions`: columns that every role may read, which up to PostgreSQL 13 their numbers are not among.
pub const SUBSCRIPTIONS: &str = "
select coalesce(json_agg(json_build_object('name', s.subname, 'owner', s.subowner::int8, 'enabled', s.subenabled,
  'publications', s.subpublications,
  'relations', (select array_agg(r.srrelid::int8) from pg_subscription_rel r
    where r.srsubid in (select t.subid from pg_stat_subscription t where t.subname = s.subname))) order by s.subname), '[]')
from pg_subscription s where s.subdbid = (select oid from pg_database where datname = current_database())";

/// Fills a database's `large_objects`.
pub const LARGE_OBJECTS: &str = "
select coalesce(json_agg(json_build_object('owner', owner::int8, 'acl', acl::aclitem[]::text[], 'count', count,
  'first', first::int8, 'oids', oids)), '[]')
from (select lomowner as owner, lomacl::text as acl, count(*) as count, min(oid) as first,
        (array_agg(oid::int8 order by oid))[1:10000] as oids
      from pg_largeobject_metadata group by 1, 2) g";

/// Fills a database's `extensions`.
pub const EXTENSIONS: &str = "select coalesce(json_agg(extname order by extname), '[]') from pg_extension";

/// Fills a database's `defaults`.
pub const DEFAULTS: &str = "
select coalesce(json_agg(json_build_object('role', defaclrole::int8, 'schema', defaclnamespace::int8,
  'object', defaclobjtype, 'acl', defaclacl::text[]) order by oid), '[]') from pg_default_acl";

/// Fills a database's `languages`.
pub const LANGUAGES: &str = "
select coalesce(json_agg(json_build_object('name', lanname, 'trusted', lanpltrusted, 'owner', lanowner::int8,
  'acl', lanacl::text[], 'inline', laninline <> 0, 'reaches', lanpltrusted and (lanname in ('c', 'internal') or coalesce(p.proname in
    ('plpython3_call_handler', 'plpython2_call_handler', 'plpython_call_handler', 'pltclu_call_handler', 'plsh_handler',
     'plr_call_handler', 'javau_call_handler'), false))) order by l.oid), '[]')
from pg_language l left join pg_proc p on p.oid = l.lanplcallfoid where lanispl or lanname = 'sql' or lanpltrusted";

/// The first version with statistics of expressions.
pub const EXPRESSIONS_SINCE: u32 = 140_000;

/// Fills a database's `expressions`, from PostgreSQL 14: relations with statistics of expressions, where the server's view of those
/// is as it was before 17.0, 16.3, 15.7 and 14.12, which a cluster keeps that was made before: it shows them to everybody.
pub const EXPRESSIONS: &str = "
select coalesce(json_agg(distinct s.stxrelid::int8), '[]') from pg_statistic_ext s
where s.stxexprs is not null and pg_get_viewdef('pg_catalog.pg_stats_ext_exprs'::regclass) !~ 'pg_has_role'";

/// Fills a database's `domains`: of a domain over a domain, whose check is made of the same values, both.
pub const DOMAINS: &str = "
with recursive base as (
  select oid, oid as domain, typbasetype from pg_type where typtype = 'd'
  union select b.oid, t.oid, t.typbasetype from base b join pg_type t on t.oid = b.typbasetype and t.typtype = 'd')
select coalesce(json_agg(json_build_object('relation', a.attrelid::int8, 'column', a.attname, 'schema', d.typnamespace::int8,
  'name', d.typname, 'owner', d.typowner::int8) order by a.attrelid, a.attnum, d.oid), '[]')
from pg_attribute a join pg_class c on c.oid = a.attrelid and c.relkind in ('r', 'm', 'p')
join base b on b.oid = a.atttypid join pg_type d on d.oid = b.domain
join pg_namespace n on n.oid = c.relnamespace
where a.attnum > 0 and not a.attisdropped and n.nspname not in ('pg_catalog', 'information_schema')";

/// Which schedulers' tables are here, whether they may be read, and whether row security shows less than all: name, two booleans.
pub const SCHEDULERS: &str = "
select coalesce(json_agg(json_build_array(n.nspname || '.' || c.relname,
  has_schema_privilege(n.oid, 'usage') and has_table_privilege(c.oid, 'select'), row_security_active(c.oid))), '[]')
from pg_class c join pg_namespace n on n.oid = c.relnamespace
where c.relkind = 'r' and (n.nspname, c.relname) in (('cron', 'job'), ('pgagent', 'pga_jobstep'))";

/// Fills a database's `jobs` from pg_cron. Needs SELECT on `cron.job`.
pub const CRON_JOBS: &str = "
select coalesce(json_agg(json_build_object('scheduler', 'pg_cron', 'id', jobid, 'user', username, 'database', database,
  'command', left(command, 100000), 'active', active) order by jobid), '[]') from cron.job";

/// Fills a database's `jobs` from pgAgent. Needs SELECT on `pgagent.pga_jobstep`.
pub const AGENT_JOBS: &str = "
select coalesce(json_agg(json_build_object('scheduler', 'pgagent', 'id', jstid, 'user', null,
  'database', nullif(jstdbname, ''), 'command', left(jstcode, 100000), 'active', jstenabled) order by jstid), '[]')
from pgagent.pga_jobstep";
