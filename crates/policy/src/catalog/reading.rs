//! The queries that fill a [`super::Catalog`], each giving one JSON document. For PostgreSQL 13 to 18.
//!
//! They are meant for one REPEATABLE READ transaction with `search_path = pg_catalog`, so that what they print does not
//! depend on who reads. All are plain SELECTs over catalogs that every role may read.

/// Fills [`super::Catalog::server`].
pub const SERVER: &str = "
select json_build_object(
  'version', current_setting('server_version_num')::int,
  'database', current_database(),
  'user', current_user,
  'superuser', (select rolsuper from pg_roles where rolname = current_user),
  'commit_timestamps', current_setting('track_commit_timestamp')::bool,
  'max_prepared_transactions', current_setting('max_prepared_transactions')::bigint,
  'encoding', current_setting('server_encoding'))";

/// Fills [`super::Catalog::roles`], without what is known of passwords.
pub const ROLES: &str = "
select coalesce(json_agg(json_build_object(
  'name', rolname, 'login', rolcanlogin, 'inherit', rolinherit, 'superuser', rolsuper,
  'create_db', rolcreatedb, 'create_role', rolcreaterole, 'replication', rolreplication,
  'bypass_rls', rolbypassrls, 'connection_limit', rolconnlimit,
  'valid_until', rolvaliduntil::text) order by rolname), '[]')
from pg_roles where rolname !~ '^pg_'";

/// The stored password verifiers of our roles; only a superuser may run it. Never put into a catalog.
pub const VERIFIERS: &str =
    "select rolname::text, rolpassword from pg_authid where rolname ~ '^estop_' and rolname <> 'estop_owner'";

/// Fills [`super::Catalog::memberships`].
pub const MEMBERSHIPS: &str = "
select coalesce(json_agg(json_build_object('role', r.rolname, 'member', m.rolname, 'grantor', g.rolname)
  order by r.rolname, m.rolname, g.rolname), '[]')
from pg_auth_members a
join pg_roles r on r.oid = a.roleid
join pg_roles m on m.oid = a.member
left join pg_roles g on g.oid = a.grantor
where m.rolname !~ '^pg_' or r.rolname ~ '^estop_'";

/// Fills [`super::Catalog::settings`].
pub const SETTINGS: &str = "
select coalesce(json_agg(json_build_object('role', r.rolname, 'database', d.datname,
    'name', split_part(c, '=', 1), 'value', substr(c, strpos(c, '=') + 1))
  order by r.rolname nulls first, d.datname nulls first, c), '[]')
from pg_db_role_setting s
cross join lateral unnest(s.setconfig) c
left join pg_roles r on r.oid = s.setrole
left join pg_database d on d.oid = s.setdatabase";

/// Fills [`super::Catalog::grants`]. A missing list stands for its default (`acldefault`): there PUBLIC's rights are.
pub const GRANTS: &str = "
with objects(class, schema, name, part, owner, acl) as (
  select 'database', null::name, datname::text, null::text, datdba, coalesce(datacl, acldefault('d', datdba))
    from pg_database
  union all
  select 'schema', null, nspname, null, nspowner, coalesce(nspacl, acldefault('n', nspowner))
    from pg_namespace where nspname !~ '^pg_(toast|temp)'
  union all
  select case c.relkind when 'S' then 'sequence' else 'relation' end, n.nspname, c.relname, null, c.relowner,
      coalesce(c.relacl, acldefault(case c.relkind when 'S' then 's' else 'r' end::\"char\", c.relowner))
    from pg_class c join pg_namespace n on n.oid = c.relnamespace
    where c.relkind in ('r','p','v','m','f','S') and n.nspname !~ '^pg_(toast|temp)'
  union all
  select 'column', n.nspname, c.relname, a.attname, c.relowner, a.attacl
    from pg_attribute a join pg_class c on c.oid = a.attrelid join pg_namespace n on n.oid = c.relnamespace
    where a.attacl is not null and not a.attisdropped
  union all
  select 'function', n.nspname, p.proname, pg_get_function_identity_arguments(p.oid), p.proowner,
      coalesce(p.proacl, acldefault('f', p.proowner))
    from pg_proc p join pg_namespace n on n.oid = p.pronamespace
    where p.prokind in ('f','p') or p.proacl is not null
  union all
  select 'language', null, lanname, null, lanowner, coalesce(lanacl, acldefault('l', lanowner))
    from pg_language where lanpltrusted
  union all
  select 'foreign-data-wrapper', null, fdwname, null, fdwowner, coalesce(fdwacl, acldefault('F', fdwowner))
    from pg_foreign_data_wrapper
  union all
  select 'foreign-server', null, srvname, null, srvowner, coalesce(srvacl, acldefault('S', srvowner))
    from pg_foreign_server
  union all
  select 'large-object', null, oid::text, null, lomowner, coalesce(lomacl, acldefault('L', lomowner))
    from pg_largeobject_metadata
  union all
  select 'tablespace', null, spcname, null, spcowner, coalesce(spcacl, acldefault('t', spcowner)) from pg_tablespace
  union all
  select 'type', n.nspname, t.typname, null, t.typowner, t.typacl
    from pg_type t join pg_namespace n on n.oid = t.typnamespace where t.typacl is not null
  union all
  select 'default-acl', n.nspname, d.defaclobjtype::text, r.rolname, d.defaclrole, d.defaclacl
    from pg_default_acl d join pg_roles r on r.oid = d.defaclrole
    left join pg_namespace n on n.oid = d.defaclnamespace)
select coalesce(json_agg(json_build_object('class', o.class, 'schema', o.schema, 'name', o.name, 'part', o.part,
    'privilege', a.privilege_type, 'grantee', r.rolname, 'grantable', a.is_grantable,
    'grantor', pg_get_userbyid(a.grantor), 'owner', pg_get_userbyid(o.owner))
  order by o.class, o.schema, o.name, o.part, a.privilege_type, r.rolname, a.grantor), '[]')
from objects o cross join lateral aclexplode(o.acl) a left join pg_roles r on r.oid = a.grantee
where a.grantee = 0 or r.rolname ~ '^estop_' or o.schema ~ '^estop_'
  or (o.class = 'schema' and o.name ~ '^estop_')";

/// More [`super::Catalog::grants`], for PostgreSQL 15 and later: rights to set parameters.
pub const PARAMETER_GRANTS: &str = "
select coalesce(json_agg(json_build_object('class', 'parameter', 'schema', null, 'name', p.parname, 'part', null,
    'privilege', a.privilege_type, 'grantee', r.rolname, 'grantable', a.is_grantable,
    'grantor', pg_get_userbyid(a.grantor), 'owner', pg_get_userbyid(10))
  order by p.parname, a.privilege_type, r.rolname), '[]')
from pg_parameter_acl p cross join lateral aclexplode(p.paracl) a left join pg_roles r on r.oid = a.grantee
where a.grantee = 0 or r.rolname ~ '^estop_'";

/// The first `server_version_num` that has [`PARAMETER_GRANTS`]' catalog.
pub const PARAMETER_GRANTS_SINCE: i32 = 150_000;

/// Fills [`super::Catalog::schemas`].
pub const SCHEMAS: &str = "
select coalesce(json_agg(json_build_object('name', nspname, 'owner', pg_get_userbyid(nspowner))
  order by nspname), '[]')
from pg_namespace where nspname !~ '^pg_' and nspname <> 'information_schema'";

/// Fills [`super::Catalog::relations`].
pub const RELATIONS: &str = "
select coalesce(json_agg(json_build_object(
    'schema', n.nspname, 'name', c.relname, 'kind', c.relkind, 'owner', pg_get_userbyid(c.relowner),
    'options', coalesce(to_json(c.reloptions), '[]'), 'row_security', c.relrowsecurity,
    'columns', coalesce((select json_agg(json_build_object('name', a.attname,
          'type', format_type(a.atttypid, a.atttypmod), 'not_null', a.attnotnull,
          'base_type', case t.typtype when 'e' then 'enum' when 'd' then (
            with recursive b as (select t.typbasetype as oid, t.typtypmod as modifier
              union all select d.typbasetype, d.typtypmod from b join pg_type d on d.oid = b.oid where d.typtype = 'd')
            select case d.typtype when 'e' then 'enum' else format_type(b.oid, b.modifier) end
            from b join pg_type d on d.oid = b.oid where d.typtype <> 'd') end,
          'folds', not coalesce(l.collisdeterministic, true)) order by a.attnum)
        from pg_attribute a join pg_type t on t.oid = a.atttypid
        left join pg_collation l on l.oid = a.attcollation where a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped), '[]'),
    'definition', case when c.relkind = 'v' and n.nspname ~ '^estop_' then pg_get_viewdef(c.oid) end,
    'rules_and_triggers',
      (select count(*) from pg_rewrite w where w.ev_class = c.oid and w.rulename <> '_RETURN')
      + (select count(*) from pg_trigger t where t.tgrelid = c.oid and not t.tgisinternal),
    'extension', (select e.extname from pg_depend d join pg_extension e on e.oid = d.refobjid
        where d.classid = 'pg_class'::regclass and d.objid = c.oid and d.deptype = 'e'
          and d.refclassid = 'pg_extension'::regclass limit 1))
  order by n.nspname, c.relname), '[]')
from pg_class c join pg_namespace n on n.oid = c.relnamespace
where c.relkind in ('r','p','v','m','f','S') and n.nspname !~ '^pg_' and n.nspname <> 'information_schema'";

/// Fills [`super::Catalog::functions`].
pub const FUNCTIONS: &str = "
select coalesce(json_agg(json_build_object(
    'schema', n.nspname, 'name', p.proname, 'arguments', pg_get_function_identity_arguments(p.oid),
    'owner', pg_get_userbyid(p.proowner), 'security_definer', p.prosecdef,
    'language', l.lanname, 'trusted', l.lanpltrusted or l.lanname in ('internal','c'),
    'extension', (select e.extname from pg_depend d join pg_extension e on e.oid = d.refobjid
        where d.classid = 'pg_proc'::regclass and d.objid = p.oid and d.deptype = 'e'
          and d.refclassid = 'pg_extension'::regclass limit 1))
  order by n.nspname, p.proname, pg_get_function_identity_arguments(p.oid)), '[]')
from pg_proc p join pg_namespace n on n.oid = p.pronamespace join pg_language l on l.oid = p.prolang
where p.prosecdef or (n.nspname !~ '^pg_' and n.nspname <> 'information_schema')";

/// Fills [`super::Catalog::owned`]. Dependencies on a role with type `o` are ownership (`pg_shdepend`). Of what the views' owner owns
/// only what is not its own business, in this database: not its schemas, nor what stands in them. Relations (and their types) of
/// the custodian's that it owns are found where relations are.
pub const OWNED: &str = "
select coalesce(json_agg(json_build_object('role', r.rolname, 'database', d.datname,
    'what', case when s.dbid in (0, (select oid from pg_database where datname = current_database()))
      then pg_describe_object(s.classid, s.objid, s.objsubid)
      else s.classid::regclass::text || ' ' || s.objid end,
    'alter', case when s.classid in ('pg_namespace'::regclass, 'pg_database'::regclass, 'pg_proc'::regclass)
        and s.dbid in (0, (select oid from pg_database where datname = current_database()))
      then (select i.type || ' ' || i.identity from pg_identify_object(s.classid, s.objid, s.objsubid) i) end)
  order by r.rolname, d.datname, s.classid, s.objid), '[]')
from pg_shdepend s join pg_roles r on r.oid = s.refobjid left join pg_database d on d.oid = s.dbid
where s.refclassid = 'pg_authid'::regclass and s.deptype = 'o' and r.rolname ~ '^estop_'
  and (r.rolname <> 'estop_owner' or (
    s.dbid in (0, (select oid from pg_database where datname = current_database()))
    and s.classid not in ('pg_class'::regclass, 'pg_type'::regclass, 'pg_default_acl'::regclass)
    and coalesce((select i.schema from pg_identify_object(s.classid, s.objid, s.objsubid) i), '') !~ '^estop_'
    and not (s.classid = 'pg_namespace'::regclass
      and exists (select from pg_namespace n where n.oid = s.objid and n.nspname ~ '^estop_'))))";

/// Fills [`super::Catalog::extensions`].
pub const EXTENSIONS: &str = "
select coalesce(json_agg(json_build_object('name', e.extname, 'schema', n.nspname) order by e.extname), '[]')
from pg_extension e join pg_namespace n on n.oid = e.extnamespace";

/// Fills [`super::Catalog::public_mappings`].
pub const PUBLIC_MAPPINGS: &str =
    "select coalesce(json_agg(srvname order by srvname), '[]') from pg_user_mappings where umuser = 0";
