//! The role as which Estop works at a custodian's database without being a superuser: the script that makes it, with each right that it
//! needs, and that does once what only a superuser may do. `docs/admin-role.md` says what each right is for.

use std::fmt::Write as _;

use crate::catalog::{Catalog, Class, KEPT_ROLE, OWNER_ROLE, Object};
use crate::desired::Desired;
use crate::plan::public;
use crate::sql::ident;

/// First `server_version_num` on which a role other than a superuser can be let set what binds partners (`GRANT SET ON PARAMETER`).
pub const SINCE: i32 = 150_000;

/// First `server_version_num` on which a membership says what it gives.
const MEMBERSHIP_OPTIONS_SINCE: i32 = 160_000;

/// The schema, owned by the superuser who runs the script, of the view below.
pub const SCHEMA: &str = "estop_admin";

/// Whether the view of our roles' passwords is there, made by a superuser, and readable.
pub const MAY_READ_ROLES: &str = "
select exists (select from pg_catalog.pg_class c join pg_catalog.pg_namespace n on n.oid = c.relnamespace
    join pg_catalog.pg_roles o on o.oid = c.relowner
  where n.nspname = 'estop_admin' and c.relname = 'roles' and c.relkind = 'v' and o.rolsuper
    and pg_catalog.has_schema_privilege(n.oid, 'USAGE') and pg_catalog.has_table_privilege(c.oid, 'SELECT'))";

/// The view: of the agreements' roles alone what `pg_authid` says.
const VIEW: &str = "CREATE OR REPLACE VIEW estop_admin.roles WITH (security_barrier = true) AS SELECT a.oid, a.rolname, a.rolcanlogin, \
                    a.rolpassword, a.xmin AS changed_by FROM pg_catalog.pg_authid a WHERE a.rolname ~ '^estop_[0-9a-f]{16}$'";

/// The script that a superuser runs once, by psql, in the upstream's database, to let role `name` do Estop's work there for this
/// estate. Running it again gives what another estate needs besides. `None`: this version of PostgreSQL needs a superuser.
#[must_use]
pub fn script(name: &str, desired: &Desired, catalog: &Catalog) -> Option<String> {
    if catalog.server.version < SINCE {
        return None;
    }
    let mut text = String::from("BEGIN;\n");
    for (why, statements) in parts(name, desired, catalog) {
        if !statements.is_empty() {
            let _ = writeln!(text, "-- {why}");
        }
        for statement in statements {
            let _ = writeln!(text, "{statement};");
        }
    }
    text.push_str("COMMIT;\n");
    if catalog.role(name).is_none() {
        let _ = writeln!(text, "-- Then give it a password: \\password {}", ident(name));
    }
    Some(text)
}

/// Each right with what it is for.
fn parts(name: &str, desired: &Desired, catalog: &Catalog) -> Vec<(&'static str, Vec<String>)> {
    let admin = ident(name);
    let database = ident(&catalog.server.database);
    let (owner, kept) = (ident(OWNER_ROLE), ident(KEPT_ROLE));
    let options = catalog.server.version >= MEMBERSHIP_OPTIONS_SINCE;
    let with = |inherit: &'static str| if options { inherit } else { "" };
    let group = |name: &str| {
        let made = format!(
            "CREATE ROLE {} NOLOGIN NOINHERIT NOSUPERUSER NOCREATEDB NOCREATEROLE NOREPLICATION NOBYPASSRLS",
            ident(name)
        );
        catalog.role(name).is_none().then_some(made)
    };
    let role = match catalog.role(name) {
        None => format!(
            "CREATE ROLE {admin} LOGIN INHERIT NOSUPERUSER NOCREATEDB CREATEROLE NOREPLICATION NOBYPASSRLS"
        ),
        Some(_) => format!("ALTER ROLE {admin} LOGIN INHERIT CREATEROLE"),
    };
    let groups = [OWNER_ROLE, KEPT_ROLE].into_iter().filter_map(group).collect();
    let mut keepers = vec![admin.clone()];
    if catalog.role(KEPT_ROLE).is_none() {
        keepers.extend(
            public::own_roles(catalog)
                .into_iter()
                .filter(|own| *own != name)
                .map(ident),
        );
    }
    vec![
        ("It makes and closes the agreements' roles.", vec![role]),
        ("Roles that only hold things.", groups),
        (
            "It makes views in the name of the views' owner, changes them and plants keys.",
            vec![format!(
                "GRANT {owner} TO {admin}{}",
                with(" WITH INHERIT TRUE, SET TRUE")
            )],
        ),
        (
            "It goes on doing, as the custodian's own roles do, what everybody loses below.",
            vec![format!(
                "GRANT {kept} TO {}{}",
                keepers.join(", "),
                with(" WITH INHERIT TRUE")
            )],
        ),
        (
            "It ends sessions of the agreements' roles.",
            vec![format!(
                "GRANT pg_signal_backend TO {admin}{}",
                with(" WITH INHERIT TRUE, SET FALSE")
            )],
        ),
        (
            "It makes the agreements' schemas, prints views by making them for a moment, and lets roles connect.",
            vec![
                format!("GRANT CREATE, TEMPORARY ON DATABASE {database} TO {admin}"),
                format!("GRANT CONNECT ON DATABASE {database} TO {admin} WITH GRANT OPTION"),
            ],
        ),
        (
            "It bounds partners' temporary files, and keeps keys out of the server's log.",
            vec![format!(
                "GRANT SET ON PARAMETER temp_file_limit, log_parameter_max_length TO {admin}"
            )],
        ),
        (
            "It sees whether an agreement's role has another password, and who may log in how.",
            vec![
                format!("CREATE SCHEMA IF NOT EXISTS {SCHEMA}"),
                VIEW.to_owned(),
                format!("GRANT USAGE ON SCHEMA {SCHEMA} TO {admin}"),
                format!("GRANT SELECT ON {SCHEMA}.roles TO {admin}"),
                format!("GRANT SELECT ON pg_catalog.pg_hba_file_rules TO {admin}"),
                format!("GRANT EXECUTE ON FUNCTION pg_catalog.pg_hba_file_rules() TO {admin}"),
            ],
        ),
        (
            "It lets the views' owner read what this estate shares, and no more.",
            desired
                .owner_rights()
                .iter()
                .map(|(object, right)| pass_on(object, right, name))
                .collect(),
        ),
        (
            "What everybody loses, and only a superuser can take.",
            public::hardening(catalog),
        ),
    ]
}

/// The statement that lets the admin role give a right to others.
pub(crate) fn pass_on(object: &Object, right: &str, admin: &str) -> String {
    let grantee = crate::catalog::Grantee::Role(admin.to_owned());
    format!("{} WITH GRANT OPTION", object.grant_sql(right, &grantee))
}

/// The rights that must be passed on in this database: on which objects, as arrays of schemas, relations and columns.
#[must_use]
pub fn to_pass_on(desired: &Desired) -> [Vec<String>; 3] {
    let mut asked = [Vec::new(), Vec::new(), Vec::new()];
    for (object, _) in desired.owner_rights() {
        let [schemas, relations, columns] = &mut asked;
        match object.class {
            Class::Schema => {
                schemas.push(object.name);
                relations.push(String::new());
                columns.push(String::new());
            }
            _ => {
                schemas.push(object.schema.unwrap_or_default());
                relations.push(object.name);
                columns.push(object.part.unwrap_or_default());
            }
        }
    }
    asked
}

/// Of [`to_pass_on`] (`$1`, `$2`, `$3`) those that are there and that the reading role may not pass on, as one JSON document of objects;
/// and the database, if roles cannot be let connect to it.
pub const NOT_PASSED_ON: &str = "
with asked as (select * from unnest($1::text[], $2::text[], $3::text[]) as a(schema, relation, part)),
missing(class, schema, name, part) as (
  select 'schema', null, a.schema, null from asked a join pg_catalog.pg_namespace n on n.nspname = a.schema
    where a.relation = '' and not pg_catalog.has_schema_privilege(n.oid, 'USAGE WITH GRANT OPTION')
  union all
  select 'column', a.schema, a.relation, a.part from asked a join pg_catalog.pg_namespace n on n.nspname = a.schema
    join pg_catalog.pg_class c on c.relnamespace = n.oid and c.relname = a.relation
    join pg_catalog.pg_attribute t on t.attrelid = c.oid and t.attname = a.part and not t.attisdropped
    where not pg_catalog.has_column_privilege(c.oid, t.attnum, 'SELECT WITH GRANT OPTION')
  union all
  select 'database', null, pg_catalog.current_database()::text, null
    where not pg_catalog.has_database_privilege(pg_catalog.current_database(), 'CONNECT WITH GRANT OPTION'))
select coalesce(pg_catalog.json_agg(pg_catalog.json_build_object('class', class, 'schema', schema, 'name', name, 'part', part)
  order by class, schema, name, part), '[]') from missing";
