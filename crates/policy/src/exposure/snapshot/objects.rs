//! What stands in one database.

use serde::{Deserialize, Serialize};

use super::{Acl, Oid};

/// One database from within.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Contents {
    /// Its name.
    pub database: String,
    /// Its schemas.
    pub schemas: Vec<Schema>,
    /// Its relations: all but indexes and those of the system that say nothing about rows.
    pub relations: Vec<Relation>,
    /// Who inherits from whom (partitions too): child, parent.
    pub inherits: Vec<(Oid, Oid)>,
    /// Rules; a view is one of event `1`.
    pub rules: Vec<Rule>,
    /// Row security policies.
    pub policies: Vec<Policy>,
    /// Functions and procedures: the database's own, and the system's dangerous ones.
    pub functions: Vec<Function>,
    /// Triggers, constraints' own left out.
    pub triggers: Vec<Trigger>,
    /// Event triggers.
    pub event_triggers: Vec<EventTrigger>,
    /// What else calls a function: defaults, generated columns, checks, domains, casts, operators, aggregates, indexes.
    pub callers: Vec<Caller>,
    /// Foreign keys.
    #[serde(default)]
    pub cascades: Vec<Cascade>,
    /// Columns whose type is a domain.
    #[serde(default)]
    pub domains: Vec<DomainUse>,
    /// Relations of whose expressions the server shows statistics to everybody.
    #[serde(default)]
    pub expressions: Vec<Oid>,
    /// Foreign servers.
    pub servers: Vec<ForeignServer>,
    /// User mappings.
    pub mappings: Vec<Mapping>,
    /// Foreign tables.
    pub foreign_tables: Vec<ForeignTable>,
    /// Publications.
    pub publications: Vec<Publication>,
    /// Subscriptions.
    pub subscriptions: Vec<Subscription>,
    /// Large objects, by owner and rights.
    pub large_objects: Vec<LargeObjects>,
    /// Extensions, by name.
    pub extensions: Vec<String>,
    /// Default privileges.
    pub defaults: Vec<DefaultPrivileges>,
    /// Languages.
    pub languages: Vec<Language>,
    /// Scheduled jobs.
    pub jobs: Vec<Job>,
}

/// A schema.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Schema {
    /// Its number.
    pub oid: Oid,
    /// Its name.
    pub name: String,
    /// Its owner.
    pub owner: Oid,
    /// Its access list.
    pub acl: Acl,
}

/// A relation.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Relation {
    /// Its number.
    pub oid: Oid,
    /// Its schema.
    pub schema: Oid,
    /// Its name.
    pub name: String,
    /// `r p v m f S t`, as `pg_class.relkind`.
    pub kind: String,
    /// Its owner.
    pub owner: Oid,
    /// Its access list.
    pub acl: Acl,
    /// Access lists of columns, by their name.
    #[serde(default)]
    pub column_acls: Option<Vec<(String, Vec<String>)>>,
    /// Row security.
    pub row_security: bool,
    /// FORCE ROW LEVEL SECURITY.
    pub force: bool,
    /// `security_invoker` and the like.
    #[serde(default)]
    pub options: Option<Vec<String>>,
    /// Its columns' names.
    #[serde(default)]
    pub columns: Option<Vec<String>>,
    /// Whether a column may name a large object.
    #[serde(default)]
    pub blobs: bool,
    /// Its TOAST table.
    pub toast: Oid,
    /// Whether a value may be refused because it is there already: by a unique index or an exclusion constraint.
    #[serde(default)]
    pub unique: bool,
    /// Whether there are statistics about its values.
    pub statistics: bool,
    /// Temporary.
    #[serde(default)]
    pub temporary: bool,
    /// Whether it holds something and was never analyzed, so that no statistics say what.
    #[serde(default)]
    pub unknown: bool,
    /// Whether it is a materialized view that has not been filled.
    #[serde(default)]
    pub unfilled: bool,
    /// Generated columns, each with those that it is made of.
    #[serde(default)]
    pub generated: Option<Vec<(String, Vec<String>)>>,
}

/// A reference to a relation, with the columns it names; none for the whole row or its mere existence.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Reference {
    /// The relation.
    pub relation: Oid,
    /// The columns; an empty list where only the rows' number or existence is asked for.
    #[serde(default)]
    pub columns: Option<Vec<String>>,
}

/// A rule; a view's own is one of event `1`.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Rule {
    /// Of which relation.
    pub relation: Oid,
    /// Its name.
    pub name: String,
    /// `1` SELECT, `2` UPDATE, `3` INSERT, `4` DELETE.
    pub event: String,
    /// Whether it is switched on.
    pub enabled: bool,
    /// What it refers to.
    #[serde(default)]
    pub reads: Option<Vec<Reference>>,
    /// Which functions it calls.
    #[serde(default)]
    pub calls: Option<Vec<Oid>>,
    /// Its text, where it matters: a rule's action, or a view that aggregates.
    pub text: Option<String>,
}

/// A row security policy.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Policy {
    /// Of which relation.
    pub relation: Oid,
    /// Its name.
    pub name: String,
    /// `*` or `r` are for reading.
    pub command: String,
    /// PERMISSIVE.
    pub permissive: bool,
    /// For whom; 0 is PUBLIC.
    pub roles: Vec<Oid>,
    /// Its condition, as printed.
    pub condition: Option<String>,
}

/// A function, procedure or aggregate.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Function {
    /// Its number.
    pub oid: Oid,
    /// Its schema.
    pub schema: Oid,
    /// Its name.
    pub name: String,
    /// Its arguments, as they identify it.
    pub arguments: String,
    /// Types of its input arguments.
    #[serde(default)]
    pub takes: Option<Vec<String>>,
    /// `f p a w`.
    pub kind: String,
    /// Its owner.
    pub owner: Oid,
    /// Its access list.
    pub acl: Acl,
    /// SECURITY DEFINER.
    pub definer: bool,
    /// Its language.
    pub language: String,
    /// Whether that is trusted.
    pub trusted: bool,
    /// Its settings.
    #[serde(default)]
    pub config: Option<Vec<String>>,
    /// What it returns.
    pub returns: String,
    /// Its text, where it has one.
    pub source: Option<String>,
    /// Whether its body was parsed when it was made (`BEGIN ATOMIC`).
    pub parsed: bool,
    /// What it reads, by `pg_depend`.
    #[serde(default)]
    pub reads: Option<Vec<Reference>>,
    /// What it calls, by `pg_depend`.
    #[serde(default)]
    pub calls: Option<Vec<Oid>>,
    /// Of which extension.
    pub extension: Option<String>,
    /// In C: its library and what it is named there, `$libdir/dblink:dblink_record`.
    #[serde(default)]
    pub symbol: Option<String>,
}

/// A trigger.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Trigger {
    /// On which relation.
    pub relation: Oid,
    /// Its name.
    pub name: String,
    /// What it calls.
    pub function: Oid,
    /// `pg_trigger.tgtype`.
    pub bits: i64,
    /// Whether it is switched on.
    pub enabled: bool,
    /// Whether it is shown the changed rows as a table.
    #[serde(default)]
    pub transition: bool,
    /// Whether it fires where `session_replication_role` is `replica` alone.
    #[serde(default)]
    pub replica: bool,
    /// What its function is handed.
    #[serde(default)]
    pub args: Option<Vec<String>>,
}

/// An event trigger.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct EventTrigger {
    /// Its name.
    pub name: String,
    /// `ddl_command_end` and the like.
    pub event: String,
    /// What it calls.
    pub function: Oid,
    /// Whether it is switched on.
    pub enabled: bool,
    /// For which commands.
    #[serde(default)]
    pub tags: Option<Vec<String>>,
}

/// How a function is called without being named.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CallerKind {
    /// A column's default.
    Default,
    /// A generated column.
    Generated,
    /// A check of a table.
    Check,
    /// A check or default of a domain.
    Domain,
    /// A cast.
    Cast,
    /// An operator.
    Operator,
    /// An aggregate, for its support functions.
    Aggregate,
    /// An index' expression.
    Index,
    /// An operator class, for its support functions.
    OperatorClass,
    /// An index, an exclusion constraint or a partition key, for the functions that it compares by.
    Key,
    /// Extended statistics, for their expressions.
    Statistics,
    /// A row security policy.
    Policy,
    /// A rule.
    Rule,
    /// A function with the rights of who calls: a parsed body, or an argument's default.
    Function,
}

/// What calls a function.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Caller {
    /// How.
    pub kind: CallerKind,
    /// The relation it belongs to, or 0.
    pub relation: Oid,
    /// The schema one needs, or 0.
    pub schema: Oid,
    /// The number of the aggregate, function or range type itself, or 0.
    pub object: Oid,
    /// What to call it.
    pub name: String,
    /// The function.
    pub function: Oid,
}

/// A column whose type is a domain.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct DomainUse {
    /// The column's relation.
    pub relation: Oid,
    /// The column.
    pub column: String,
    /// The domain's schema.
    pub schema: Oid,
    /// Its name.
    pub name: String,
    /// Its owner.
    pub owner: Oid,
}

/// A foreign key: what becomes of the rows that refer when those that they refer to change.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Cascade {
    /// Whose rows refer.
    pub relation: Oid,
    /// To whose.
    pub refers: Oid,
    /// `pg_constraint.confdeltype`.
    pub on_delete: String,
    /// `pg_constraint.confupdtype`.
    pub on_update: String,
}

/// A foreign server.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ForeignServer {
    /// Its number.
    pub oid: Oid,
    /// Its name.
    pub name: String,
    /// Its wrapper.
    pub wrapper: String,
    /// Its owner.
    pub owner: Oid,
    /// Its access list.
    pub acl: Acl,
    /// Its options.
    #[serde(default)]
    pub options: Option<Vec<String>>,
}

/// A user mapping. Its password is never kept.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Mapping {
    /// Of which server.
    pub server: Oid,
    /// For whom; 0 is PUBLIC.
    pub role: Oid,
    /// As whom, where visible.
    pub user: Option<String>,
    /// Whether it has a password.
    #[serde(default)]
    pub password: bool,
    /// Whether it needs none (`password_required`).
    #[serde(default)]
    pub unchecked: bool,
    /// Whether its options could be seen.
    pub seen: bool,
}

/// A foreign table.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ForeignTable {
    /// The relation.
    pub relation: Oid,
    /// Its server.
    pub server: Oid,
    /// Its options.
    #[serde(default)]
    pub options: Option<Vec<String>>,
}

/// A publication.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Publication {
    /// Its name.
    pub name: String,
    /// Its owner.
    pub owner: Oid,
    /// FOR ALL TABLES.
    pub all: bool,
    /// Its tables.
    #[serde(default)]
    pub relations: Option<Vec<Oid>>,
    /// Its schemas (from 15).
    #[serde(default)]
    pub schemas: Option<Vec<Oid>>,
}

impl Publication {
    /// Whether it takes a relation.
    pub(crate) fn publishes(&self, relation: &Relation) -> bool {
        self.all
            || self.relations.iter().flatten().any(|oid| *oid == relation.oid)
            || self.schemas.iter().flatten().any(|oid| *oid == relation.schema)
    }
}

/// A subscription. Its connection string is never kept.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Subscription {
    /// Its name.
    pub name: String,
    /// Its owner.
    pub owner: Oid,
    /// Whether it runs.
    pub enabled: bool,
    /// To which publications.
    #[serde(default)]
    pub publications: Option<Vec<String>>,
    /// Into which relations.
    #[serde(default)]
    pub relations: Option<Vec<Oid>>,
}

/// Large objects of one owner with the same rights.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct LargeObjects {
    /// Their owner.
    pub owner: Oid,
    /// Their access list.
    pub acl: Acl,
    /// How many.
    pub count: i64,
    /// The first of them.
    pub first: Oid,
    /// The first ten thousand of them.
    #[serde(default)]
    pub oids: Vec<Oid>,
}

/// Default privileges.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct DefaultPrivileges {
    /// For what this role creates.
    pub role: Oid,
    /// In this schema, or 0 for all.
    pub schema: Oid,
    /// `r` relations, `f` functions ...
    pub object: String,
    /// The access list that is added.
    pub acl: Acl,
}

/// A language.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Language {
    /// Its name.
    pub name: String,
    /// Whether it is trusted.
    pub trusted: bool,
    /// Whether it is called trusted and reaches the server's files and programs all the same.
    #[serde(default)]
    pub reaches: bool,
    /// Whether DO runs it.
    #[serde(default)]
    pub inline: bool,
    /// Its owner.
    pub owner: Oid,
    /// Its access list.
    pub acl: Acl,
}

/// A scheduled job.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Job {
    /// `pg_cron` or `pgagent`.
    pub scheduler: String,
    /// Its number.
    pub id: i64,
    /// As whom it runs.
    pub user: Option<String>,
    /// Where it runs.
    pub database: Option<String>,
    /// What it runs.
    pub command: String,
    /// Whether it is active.
    pub active: bool,
}
