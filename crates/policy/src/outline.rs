//! What a database holds, in outline: its relations with their columns and keys, as a plain value.
//!
//! `control` fills it with [`RELATIONS`]; [`crate::propose`] makes a first estate of it. Nothing but the system catalogs is
//! read, which every role may read, whatever its rights.

use serde::{Deserialize, Serialize};

use crate::catalog::RelationKind;

/// What a database holds.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Outline {
    /// Its name.
    pub database: String,
    /// `server_version_num`, such as 150018.
    pub version: i32,
    /// Tables, views and the like, by schema and name; without what belongs to the system or to an extension, and without
    /// partitions, whose rows their partitioned table has.
    pub relations: Vec<OutlineRelation>,
}

/// A relation.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct OutlineRelation {
    /// Its schema.
    pub schema: String,
    /// Its name.
    pub name: String,
    /// Its kind.
    pub kind: RelationKind,
    /// What somebody wrote about it (`COMMENT ON`).
    pub comment: Option<String>,
    /// Row-level security is enabled.
    pub row_security: bool,
    /// Its columns in their order.
    pub columns: Vec<OutlineColumn>,
    /// The columns of its primary key; empty if it has none.
    pub primary_key: Vec<String>,
    /// Its foreign keys.
    pub references: Vec<Reference>,
}

/// A column.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct OutlineColumn {
    /// Its name.
    pub name: String,
    /// Its type as PostgreSQL prints it.
    #[serde(rename = "type")]
    pub type_name: String,
    /// What its type comes down to, if that is another (as in [`crate::catalog::Column::base_type`]).
    pub base_type: Option<String>,
    /// NOT NULL.
    pub not_null: bool,
    /// Its collation is not deterministic.
    pub folds: bool,
    /// What somebody wrote about it.
    pub comment: Option<String>,
}

/// A foreign key.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reference {
    /// The columns that refer.
    pub columns: Vec<String>,
    /// The schema of the relation that they refer to.
    pub schema: String,
    /// Its name.
    pub relation: String,
}

/// Most relations that are read: an estate has at most [`crate::estate::MAX_FILES`] files, and not only data sets.
pub const MAX_RELATIONS: usize = 10_000;

/// Reads [`Outline::relations`], one JSON document a row. `$1` are the schemas that are wanted, all if it is NULL; `$2` is
/// how many rows at most.
pub const RELATIONS: &str = "
select json_build_object(
  'schema', n.nspname, 'name', c.relname, 'kind', c.relkind, 'comment', obj_description(c.oid, 'pg_class'),
  'row_security', c.relrowsecurity,
  'columns', coalesce((select json_agg(json_build_object('name', a.attname,
        'type', format_type(a.atttypid, a.atttypmod), 'not_null', a.attnotnull,
        'base_type', case t.typtype when 'e' then 'enum' when 'd' then (
          with recursive b as (select t.typbasetype as oid, t.typtypmod as modifier
            union all select d.typbasetype, d.typtypmod from b join pg_type d on d.oid = b.oid where d.typtype = 'd')
          select case d.typtype when 'e' then 'enum' else format_type(b.oid, b.modifier) end
          from b join pg_type d on d.oid = b.oid where d.typtype <> 'd') end,
        'folds', not coalesce(l.collisdeterministic, true),
        'comment', col_description(c.oid, a.attnum)) order by a.attnum)
      from pg_attribute a join pg_type t on t.oid = a.atttypid
      left join pg_collation l on l.oid = a.attcollation
      where a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped), '[]'),
  'primary_key', coalesce((select json_agg(a.attname order by k.place)
      from pg_constraint p cross join lateral unnest(p.conkey) with ordinality as k(number, place)
      join pg_attribute a on a.attrelid = p.conrelid and a.attnum = k.number
      where p.conrelid = c.oid and p.contype = 'p'), '[]'),
  'references', coalesce((select json_agg(json_build_object(
        'columns', (select json_agg(a.attname order by k.place)
          from unnest(f.conkey) with ordinality as k(number, place)
          join pg_attribute a on a.attrelid = f.conrelid and a.attnum = k.number),
        'schema', m.nspname, 'relation', r.relname) order by f.conname)
      from pg_constraint f join pg_class r on r.oid = f.confrelid join pg_namespace m on m.oid = r.relnamespace
      where f.conrelid = c.oid and f.contype = 'f' and not r.relispartition), '[]'))
from pg_class c join pg_namespace n on n.oid = c.relnamespace
where c.relkind in ('r', 'p', 'v', 'm', 'f') and not c.relispartition and c.relpersistence <> 't'
  and n.nspname !~ '^pg_' and n.nspname <> 'information_schema' and n.nspname !~ '^estop_'
  and ($1::text[] is null or n.nspname = any ($1::text[]))
  and not exists (select 1 from pg_depend d where d.classid = 'pg_class'::regclass and d.objid = c.oid
    and d.deptype = 'e' and d.refclassid = 'pg_extension'::regclass)
order by n.nspname, c.relname
limit $2";
