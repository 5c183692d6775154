//! The part of a PostgreSQL catalog that decides who can read what, as a plain value.
//!
//! `control` fills it with the queries in [`reading`], in one transaction; everything that judges it is pure.

use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Serialize};

pub mod marks;
pub mod reading;
pub mod rights;
pub mod surroundings;

/// Every role, schema and setting of ours begins with this.
pub const PREFIX: &str = "estop_";

/// The NOLOGIN role that owns the share schemas and their views.
pub const OWNER_ROLE: &str = "estop_owner";

/// The NOLOGIN role that keeps, for the custodian's own roles, what hardening takes from PUBLIC.
pub const KEPT_ROLE: &str = "estop_kept";

/// The schema of the keys of pseudonyms.
pub const KEYS_SCHEMA: &str = "estop_keys";

/// The table of the keys of pseudonyms: `id`, `inner_pad`, `outer_pad`.
pub const KEYS_TABLE: &str = "pseudonym";

/// What was read from one database of one server.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Catalog {
    /// The server and the session that read it.
    pub server: Server,
    /// All roles but the predefined `pg_*` ones.
    pub roles: Vec<Role>,
    /// Memberships whose member is not predefined, or that make somebody a member of a role of ours.
    pub memberships: Vec<Membership>,
    /// `pg_db_role_setting`, one entry a setting.
    pub settings: Vec<Setting>,
    /// Rights of PUBLIC and of our roles on every kind of object, defaults included; and anybody's in share schemas.
    pub grants: Vec<Grant>,
    /// Schemas outside `pg_catalog`, `information_schema`, TOAST and temporary ones.
    pub schemas: Vec<Schema>,
    /// Tables, views and the like in those schemas.
    pub relations: Vec<Relation>,
    /// Functions in those schemas, and SECURITY DEFINER ones anywhere.
    pub functions: Vec<Function>,
    /// What our roles own, by any kind of object, in any database.
    pub owned: Vec<Owned>,
    /// Installed extensions.
    pub extensions: Vec<Extension>,
    /// User mappings for PUBLIC, by foreign server.
    pub public_mappings: Vec<String>,
    /// What stands around the shares beside rights.
    #[serde(default)]
    pub surroundings: surroundings::Surroundings,
    /// What is compared with what it was when the estate was applied.
    #[serde(default)]
    pub marks: Vec<marks::Mark>,
    /// The rows of the table of the keys of pseudonyms, by id. Never the keys.
    #[serde(default)]
    pub mask_keys: BTreeMap<String, KeyState>,
    /// How PostgreSQL itself prints the definitions that are desired now, by [`printed_key`].
    #[serde(default)]
    pub printed: BTreeMap<String, String>,
}

/// Key of [`Catalog::printed`] for a view.
#[must_use]
pub fn printed_key(schema: &str, view: &str) -> String {
    format!("{schema}.{view}")
}

/// The server, and the session that read its catalog.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Server {
    /// `server_version_num`, such as 150018.
    pub version: i32,
    /// The database that was read.
    pub database: String,
    /// The role that read it.
    pub user: String,
    /// Whether that role is a superuser.
    pub superuser: bool,
    /// `track_commit_timestamp`.
    pub commit_timestamps: bool,
    /// `max_prepared_transactions`.
    pub max_prepared_transactions: i64,
    /// `server_encoding`: in what texts are stored.
    #[serde(default = "utf8")]
    pub encoding: String,
}

/// The encoding of nearly all databases.
fn utf8() -> String {
    "UTF8".to_owned()
}

/// A role (`pg_roles`).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Role {
    /// Its name.
    pub name: String,
    /// LOGIN.
    pub login: bool,
    /// INHERIT.
    pub inherit: bool,
    /// SUPERUSER.
    pub superuser: bool,
    /// CREATEDB.
    pub create_db: bool,
    /// CREATEROLE.
    pub create_role: bool,
    /// REPLICATION.
    pub replication: bool,
    /// BYPASSRLS.
    pub bypass_rls: bool,
    /// CONNECTION LIMIT, -1 for none.
    pub connection_limit: i32,
    /// VALID UNTIL, if set.
    pub valid_until: Option<String>,
    /// What is known of its password. Never the password.
    #[serde(default)]
    pub password: Password,
}

/// What is known of a role's password.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Password {
    /// It is not the one that the gateways hold.
    Foreign,
    /// It has none.
    None,
    /// It is the one that the gateways hold.
    Ours,
    /// The reading role may not see `pg_authid`.
    #[default]
    Unknown,
}

/// What is known of a planted key of pseudonyms.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum KeyState {
    /// It is not the one that is kept, or none.
    Foreign,
    /// It is the one that is kept.
    Ours,
    /// None is kept, and it is one: it is taken up.
    Unkept,
}

/// A membership (`pg_auth_members`).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Membership {
    /// The role that was granted.
    pub role: String,
    /// The role that it was granted to.
    pub member: String,
    /// Who granted it.
    pub grantor: Option<String>,
}

/// One setting of a role, of a database, or of a role in a database (`ALTER ROLE ... SET`).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Setting {
    /// The role, or none for all.
    pub role: Option<String>,
    /// The database, or none for all.
    pub database: Option<String>,
    /// The parameter's name.
    pub name: String,
    /// Its value as stored.
    pub value: String,
}

/// Who holds a right.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(from = "Option<String>", into = "Option<String>")]
pub enum Grantee {
    /// Everybody.
    Public,
    /// One role.
    Role(String),
}

impl From<Option<String>> for Grantee {
    fn from(name: Option<String>) -> Self {
        name.map_or(Self::Public, Self::Role)
    }
}

impl From<Grantee> for Option<String> {
    fn from(grantee: Grantee) -> Self {
        match grantee {
            Grantee::Public => None,
            Grantee::Role(name) => Some(name),
        }
    }
}

impl fmt::Display for Grantee {
    /// As it stands after `TO` or `FROM` in SQL.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Public => f.write_str("PUBLIC"),
            Self::Role(name) => f.write_str(&crate::sql::ident(name)),
        }
    }
}

/// Kinds of object that have an access control list.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Class {
    /// One column of a relation.
    Column,
    /// A database of the server.
    Database,
    /// What objects made in future will grant (`ALTER DEFAULT PRIVILEGES`).
    DefaultAcl,
    /// A function, procedure or aggregate.
    Function,
    /// A foreign-data wrapper.
    ForeignDataWrapper,
    /// A foreign server.
    ForeignServer,
    /// A procedural language.
    Language,
    /// A large object.
    LargeObject,
    /// A configuration parameter (PostgreSQL 15 and later).
    Parameter,
    /// A table, view, materialised view, foreign table.
    Relation,
    /// A schema.
    Schema,
    /// A sequence.
    Sequence,
    /// A tablespace.
    Tablespace,
    /// A data type or domain.
    Type,
}

/// Something that a right can be held on.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Object {
    /// Its kind.
    pub class: Class,
    /// Its schema, where it has one.
    pub schema: Option<String>,
    /// Its name; a large object's number.
    pub name: String,
    /// A column's name; a function's identity arguments as PostgreSQL prints them.
    pub part: Option<String>,
}

/// One right of PUBLIC or of a role of ours.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Grant {
    /// On what.
    #[serde(flatten)]
    pub object: Object,
    /// Which right, such as `SELECT`.
    pub privilege: String,
    /// Whose.
    pub grantee: Grantee,
    /// With grant option.
    pub grantable: bool,
    /// Who gave it.
    pub grantor: String,
    /// Who owns the object.
    pub owner: String,
}

/// A schema.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Schema {
    /// Its name.
    pub name: String,
    /// Its owner.
    pub owner: String,
}

/// Kinds of relation (`pg_class.relkind`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum RelationKind {
    /// A foreign table.
    #[serde(rename = "f")]
    Foreign,
    /// A materialised view.
    #[serde(rename = "m")]
    Materialised,
    /// A partitioned table.
    #[serde(rename = "p")]
    Partitioned,
    /// A sequence.
    #[serde(rename = "S")]
    Sequence,
    /// An ordinary table.
    #[serde(rename = "r")]
    Table,
    /// A view.
    #[serde(rename = "v")]
    View,
}

/// A relation.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Relation {
    /// Its schema.
    pub schema: String,
    /// Its name.
    pub name: String,
    /// Its kind.
    pub kind: RelationKind,
    /// Its owner.
    pub owner: String,
    /// Its storage parameters (`reloptions`), such as `security_barrier=true`.
    pub options: Vec<String>,
    /// Row-level security is enabled.
    pub row_security: bool,
    /// Columns in their order.
    pub columns: Vec<Column>,
    /// For a view in a share schema: its definition as PostgreSQL prints it with an empty search path.
    pub definition: Option<String>,
    /// Rules but for a view's own `_RETURN`, and triggers but for internal ones.
    pub rules_and_triggers: i64,
    /// The extension it belongs to.
    pub extension: Option<String>,
}

/// A column.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Column {
    /// Its name.
    pub name: String,
    /// Its type as PostgreSQL prints it, such as `character varying(20)`.
    #[serde(rename = "type")]
    pub type_name: String,
    /// What its type comes down to, if that is another: a domain's base type as PostgreSQL prints it, and `enum` for an
    /// enumerated type or a domain over one.
    #[serde(default)]
    pub base_type: Option<String>,
    /// NOT NULL.
    pub not_null: bool,
    /// Its collation is not deterministic: different texts can count as equal.
    #[serde(default)]
    pub folds: bool,
}

impl Column {
    /// What its type comes down to: a domain's base type, `enum` for an enumerated type.
    #[must_use]
    pub fn comes_down_to(&self) -> &str {
        self.base_type.as_deref().unwrap_or(&self.type_name)
    }
}

/// A function.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Function {
    /// Its schema.
    pub schema: String,
    /// Its name.
    pub name: String,
    /// Its identity arguments as PostgreSQL prints them.
    pub arguments: String,
    /// Its owner.
    pub owner: String,
    /// It runs as its owner.
    pub security_definer: bool,
    /// Its language.
    pub language: String,
    /// Whether that language is trusted (cannot leave the database).
    pub trusted: bool,
    /// The extension it belongs to.
    pub extension: Option<String>,
}

/// Something that a role of ours owns.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Owned {
    /// The role.
    pub role: String,
    /// The database it lies in; none for shared objects.
    pub database: Option<String>,
    /// PostgreSQL's own words for it, or its catalog's name and number.
    pub what: String,
    /// What stands between `ALTER` and `OWNER TO`, for a schema, a database or a function of this database.
    #[serde(default)]
    pub alter: Option<String>,
}

/// An installed extension.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Extension {
    /// Its name.
    pub name: String,
    /// The schema of its objects.
    pub schema: String,
}

impl Catalog {
    /// The role of this name.
    #[must_use]
    pub fn role(&self, name: &str) -> Option<&Role> {
        self.roles.iter().find(|role| role.name == name)
    }

    /// The schema of this name.
    #[must_use]
    pub fn schema(&self, name: &str) -> Option<&Schema> {
        self.schemas.iter().find(|schema| schema.name == name)
    }

    /// The relation of this name.
    #[must_use]
    pub fn relation(&self, schema: &str, name: &str) -> Option<&Relation> {
        self.relations
            .iter()
            .find(|relation| relation.schema == schema && relation.name == name)
    }

    /// Rights of one grantee.
    pub fn grants_of<'a>(&'a self, grantee: &'a Grantee) -> impl Iterator<Item = &'a Grant> {
        self.grants.iter().filter(move |grant| grant.grantee == *grantee)
    }

    /// Whether everybody holds this right.
    #[must_use]
    pub fn public_has(&self, object: &Object, privilege: &str) -> bool {
        self.grants_of(&Grantee::Public)
            .any(|grant| grant.object == *object && grant.privilege == privilege)
    }

    /// Whether everybody may look up names in this schema. (System schemas: always.)
    #[must_use]
    pub fn public_uses_schema(&self, schema: &str) -> bool {
        matches!(schema, "pg_catalog" | "information_schema")
            || self.public_has(&Object::schema(schema), "USAGE")
    }
}
