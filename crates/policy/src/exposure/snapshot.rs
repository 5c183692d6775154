//! What a cluster's catalogs say, as a plain value: it can be saved, compared with another, and scanned anywhere.

use serde::{Deserialize, Serialize};

mod objects;

pub use objects::*;

/// An object's number in its catalog.
pub type Oid = u32;

/// An access list as PostgreSQL prints it (`grantee=rights/grantor`); `None` stands for the default of its kind.
pub type Acl = Option<Vec<String>>;

/// The form of this value, written into each: one of another form is refused.
pub const FORMAT: u32 = 1;

/// All that was seen of a cluster.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Snapshot {
    /// [`FORMAT`].
    pub format: u32,
    /// The server and who looked.
    pub server: Server,
    /// All roles, predefined ones included.
    pub roles: Vec<Role>,
    /// All memberships.
    pub memberships: Vec<Membership>,
    /// All databases, entered or not.
    pub databases: Vec<Database>,
    /// `pg_hba.conf` in its order, where it could be read.
    pub hba: Option<Vec<HbaRule>>,
    /// Sessions that are open.
    pub sessions: Vec<Session>,
    /// Prepared transactions.
    pub prepared: Vec<Prepared>,
    /// Rights on parameters (from PostgreSQL 15).
    pub parameters: Vec<Parameter>,
    /// Replication slots.
    pub slots: Vec<Slot>,
    /// Settings that roles and databases begin with.
    pub settings: Vec<Setting>,
    /// What stands in each database that could be entered.
    pub contents: Vec<Contents>,
    /// Tables that hold the same values as others, found by their statistics.
    pub copies: Vec<Copied>,
    /// What could not be seen.
    pub unseen: Vec<Unseen>,
}

/// The server, and with which rights it was read.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Server {
    /// `server_version_num`.
    pub version: u32,
    /// When the first transaction began, by the server's clock (RFC 3339, UTC).
    pub taken: String,
    /// The database that was named.
    pub database: String,
    /// Who looked.
    pub user: String,
    /// Whether as a superuser.
    pub superuser: bool,
    /// Its port.
    pub port: String,
    /// Its socket folders and addresses, where visible.
    pub sockets: Option<String>,
    /// `listen_addresses`, where visible.
    pub listen: Option<String>,
    /// `ssl`: whether it takes connections by TLS.
    #[serde(default)]
    pub ssl: Option<bool>,
    /// `wal_level`.
    pub wal_level: String,
    /// `max_replication_slots`.
    pub max_slots: i64,
    /// `max_wal_senders`.
    pub max_senders: i64,
    /// `lo_compat_privileges`: every role reads every large object.
    pub lo_compat: bool,
}

/// A role.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Role {
    /// Its number.
    pub oid: Oid,
    /// Its name.
    pub name: String,
    /// LOGIN.
    pub login: bool,
    /// INHERIT.
    pub inherit: bool,
    /// SUPERUSER.
    pub superuser: bool,
    /// CREATEROLE.
    pub create_role: bool,
    /// CREATEDB.
    pub create_db: bool,
    /// REPLICATION.
    pub replication: bool,
    /// BYPASSRLS.
    pub bypass_rls: bool,
    /// CONNECTION LIMIT.
    pub connection_limit: i64,
    /// VALID UNTIL, as printed.
    pub valid_until: Option<String>,
    /// Whether that has passed.
    pub expired: bool,
    /// `none`, `md5` or `scram`, where it may be known; never the verifier.
    pub password: Option<String>,
}

/// A membership.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Membership {
    /// The role whose member it is.
    pub role: Oid,
    /// Who is a member.
    pub member: Oid,
    /// Who gave it.
    pub grantor: Oid,
    /// WITH ADMIN.
    pub admin: bool,
    /// WITH INHERIT (from 16; before, what the member's INHERIT says).
    pub inherit: Option<bool>,
    /// WITH SET (from 16; before, always).
    pub set: Option<bool>,
}

/// A database.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Database {
    /// Its number.
    pub oid: Oid,
    /// Its name.
    pub name: String,
    /// Its owner.
    pub owner: Oid,
    /// Its access list.
    pub acl: Acl,
    /// Whether it takes connections at all.
    pub allow_connections: bool,
    /// Whether anyone with CREATEDB may copy it.
    pub template: bool,
    /// Its connection limit.
    pub connection_limit: i64,
}

/// A line of `pg_hba.conf`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct HbaRule {
    /// Its line.
    pub line: i64,
    /// `local`, `host`, `hostssl` ...
    #[serde(rename = "type")]
    pub kind: String,
    /// For which databases.
    pub databases: Vec<String>,
    /// For whom.
    pub users: Vec<String>,
    /// From where.
    pub address: Option<String>,
    /// The mask of that.
    pub netmask: Option<String>,
    /// How.
    pub method: String,
    /// With what options.
    pub options: Vec<String>,
}

/// An open session.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Session {
    /// Whose.
    pub role: Oid,
    /// Where.
    pub database: Option<String>,
    /// Its process.
    pub pid: i64,
    /// Its state, where visible.
    pub state: Option<String>,
    /// Since when.
    pub since: Option<String>,
}

/// A prepared transaction.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Prepared {
    /// Its identifier.
    pub gid: String,
    /// Whose.
    pub owner: Oid,
    /// Where.
    pub database: String,
    /// The relations it holds locks on.
    pub locks: Vec<Oid>,
}

/// Rights on a parameter.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Parameter {
    /// Its name.
    pub name: String,
    /// Its access list.
    pub acl: Acl,
}

/// A replication slot.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Slot {
    /// Its name.
    pub name: String,
    /// Logical ones belong to a database.
    pub database: Option<String>,
    /// `physical` or `logical`.
    pub kind: String,
}

/// A setting that a role or database begins with.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Setting {
    /// For which role; 0 for all.
    pub role: Oid,
    /// In which database; 0 for all.
    pub database: Oid,
    /// `name=value`.
    pub setting: String,
}

/// What could not be seen, and so may hide a path.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Unseen {
    /// What.
    pub what: String,
    /// Why not.
    pub why: String,
    /// What would show it.
    pub needs: String,
}

/// A relation that holds values of another, by their statistics.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Copied {
    /// The database of the original.
    pub of_database: String,
    /// The original.
    pub of: Oid,
    /// The database of the copy.
    pub database: String,
    /// The copy.
    pub relation: Oid,
    /// Values that both have.
    pub shared: u32,
}
