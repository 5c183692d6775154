//! What stands around the shares in a server beside rights: settings, authentication rules, event triggers, functions that
//! are trusted with hidden rows. Plain values, and the queries that fill them.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// What was read beside rights. Everything has a default, so that a catalog without it can still be judged.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Surroundings {
    /// Some of the server's settings, by name; those that do not exist are left out.
    pub settings: BTreeMap<String, String>,
    /// Event triggers that fire.
    pub event_triggers: Vec<EventTrigger>,
    /// Functions outside `pg_catalog` that are LEAKPROOF, and run before a view's condition.
    pub leakproof: Vec<Leakproof>,
    /// Partitions, with the table they belong to.
    pub partitions: Vec<Partition>,
    /// Names of publications for all tables.
    pub publications: Vec<String>,
    /// Whether statistics of the keys of pseudonyms are gathered: those would be copies of the keys.
    #[serde(default)]
    pub keys_sampled: bool,
    /// Rules of `pg_hba.conf`; none if the reading role may not see them.
    #[serde(default)]
    pub rules: Option<Vec<Rule>>,
    /// Whether passwords of the agreements' roles were compared, though the reading role is no superuser.
    #[serde(default)]
    pub sees_passwords: bool,
    /// What the estate shares and the reading role, no superuser, may not let others use.
    #[serde(default)]
    pub not_passed_on: Vec<super::Object>,
}

/// An event trigger.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct EventTrigger {
    /// Its name.
    pub name: String,
    /// When it fires, such as `ddl_command_end` or `login`.
    pub event: String,
    /// The function it runs.
    pub function: String,
    /// Who owns that function, and so can put another in its place.
    pub owner: String,
    /// Whether that role is a superuser.
    pub superuser: bool,
}

/// A LEAKPROOF function of the custodian's.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Leakproof {
    /// Its schema.
    pub schema: String,
    /// Its name.
    pub name: String,
    /// Its identity arguments as PostgreSQL prints them.
    pub arguments: String,
}

/// A table that is a part of another.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Partition {
    /// Its schema.
    pub schema: String,
    /// Its name.
    pub name: String,
    /// The table it is a part of, as `schema.name`.
    pub parent: String,
    /// Whether row-level security is enabled on that.
    pub row_security: bool,
}

/// A rule of `pg_hba.conf`, in the file's order.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rule {
    /// Its line.
    pub line: i64,
    /// `local`, `host`, `hostssl`, `hostnossl`, `hostgssenc` or `hostnogssenc`; none for a line with an error.
    #[serde(rename = "type")]
    pub kind: Option<String>,
    /// Databases.
    pub databases: Vec<String>,
    /// Users.
    pub users: Vec<String>,
    /// Address, or a word such as `all`; none for `local`.
    pub address: Option<String>,
    /// Its mask, where the address is a number.
    pub netmask: Option<String>,
    /// Method.
    pub method: Option<String>,
}

/// Fills [`Surroundings`], but for [`Surroundings::rules`].
pub const SURROUNDINGS: &str = "
select json_build_object(
  'settings', (select coalesce(json_object_agg(name, value), '{}') from (
      select n as name, current_setting(n, true) as value from unnest(array[
        'auto_explain.log_level', 'auto_explain.log_min_duration', 'wal_level', 'max_prepared_transactions', 'ssl', 'listen_addresses',
        'temp_file_limit', 'password_encryption', 'track_commit_timestamp', 'allow_system_table_mods']) n) s
      where value is not null),
  'event_triggers', (select coalesce(json_agg(json_build_object('name', t.evtname, 'event', t.evtevent,
        'function', t.evtfoid::regprocedure::text, 'owner', r.rolname, 'superuser', r.rolsuper) order by t.evtname), '[]')
      from pg_event_trigger t join pg_proc p on p.oid = t.evtfoid join pg_roles r on r.oid = p.proowner
      where t.evtenabled <> 'D'),
  'leakproof', (select coalesce(json_agg(json_build_object('schema', n.nspname, 'name', p.proname,
        'arguments', pg_get_function_identity_arguments(p.oid)) order by n.nspname, p.proname, p.oid), '[]')
      from pg_proc p join pg_namespace n on n.oid = p.pronamespace where p.proleakproof and n.nspname <> 'pg_catalog'),
  'partitions', (select coalesce(json_agg(json_build_object('schema', n.nspname, 'name', c.relname,
        'parent', pn.nspname || '.' || pc.relname, 'row_security', pc.relrowsecurity) order by n.nspname, c.relname, pc.oid), '[]')
      from pg_inherits i join pg_class c on c.oid = i.inhrelid join pg_namespace n on n.oid = c.relnamespace
      join pg_class pc on pc.oid = i.inhparent join pg_namespace pn on pn.oid = pc.relnamespace
      where c.relkind in ('r', 'p', 'f')),
  'keys_sampled', exists (select from pg_attribute a join pg_class c on c.oid = a.attrelid join pg_namespace n on n.oid = c.relnamespace
      where n.nspname = 'estop_keys' and c.relkind = 'r' and a.attname in ('inner_pad', 'outer_pad')
        and a.attstattarget is distinct from 0)
    or exists (select from pg_statistic_ext e join pg_class c on c.oid = e.stxrelid join pg_namespace n on n.oid = c.relnamespace
      where n.nspname = 'estop_keys'),
  'publications', (select coalesce(json_agg(pubname order by pubname), '[]') from pg_publication where puballtables))";

/// Whether the reading role may see the rules of `pg_hba.conf`.
pub const MAY_READ_RULES: &str = "
select has_table_privilege('pg_catalog.pg_hba_file_rules', 'select')
  and has_function_privilege('pg_catalog.pg_hba_file_rules()', 'execute')";

/// Fills [`Surroundings::rules`], where [`MAY_READ_RULES`].
pub const RULES: &str = "
select coalesce(json_agg(json_build_object('line', line_number, 'type', case when error is null then type end,
    'databases', coalesce(to_json(database), '[]'), 'users', coalesce(to_json(user_name), '[]'),
    'address', address, 'netmask', netmask, 'method', auth_method)), '[]')
from (select * from pg_catalog.pg_hba_file_rules order by line_number) r";
