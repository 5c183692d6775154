//! The kinds of paths, each with its name in the document and its page of PostgreSQL's documentation. `docs/exposure.md` has a
//! paragraph and a query for each.

use serde::{Deserialize, Serialize};

macro_rules! kinds {
    ($($(#[$doc:meta])* $name:ident = $text:literal, $page:literal;)*) => {
        /// A kind of path.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(rename_all = "snake_case")]
        pub enum Kind { $($(#[$doc])* $name,)* }

        impl Kind {
            /// All of them.
            pub const ALL: &'static [Self] = &[$(Self::$name,)*];

            /// As in the document.
            #[must_use]
            pub fn as_str(self) -> &'static str {
                match self { $(Self::$name => $text,)* }
            }

            /// The page of PostgreSQL's documentation that says so.
            #[must_use]
            pub fn page(self) -> &'static str {
                match self { $(Self::$name => $page,)* }
            }
        }
    };
}

kinds! {
    /// A right on the table, given to the role.
    TableGrant = "table_grant", "ddl-priv.html";
    /// A right on columns.
    ColumnGrant = "column_grant", "sql-grant.html";
    /// A right that PUBLIC has.
    PublicGrant = "public_grant", "ddl-priv.html";
    /// The role owns the relation.
    Owner = "owner", "ddl-priv.html";
    /// A role's rights are inherited.
    Membership = "membership", "role-membership.html";
    /// A role that can be set.
    SetRole = "set_role", "sql-set-role.html";
    /// `pg_read_all_data` and others.
    PredefinedRole = "predefined_role", "predefined-roles.html";
    /// A superuser.
    Superuser = "superuser", "role-attributes.html";
    /// ADMIN OPTION on a role.
    AdminOption = "admin_option", "sql-grant.html";
    /// CREATEROLE.
    Createrole = "createrole", "role-attributes.html";
    /// BYPASSRLS, with a right to read.
    BypassRls = "bypass_rls", "ddl-rowsecurity.html";
    /// A view with its owner's rights.
    View = "view", "rules-privileges.html";
    /// A view with the rights of who asks.
    InvokerView = "invoker_view", "sql-createview.html";
    /// A materialized view.
    MaterializedView = "materialized_view", "rules-materializedviews.html";
    /// A rule whose action reads.
    Rule = "rule", "rules-privileges.html";
    /// A rule that copies what is written.
    RuleCopy = "rule_copy", "rules-update.html";
    /// A partition, read past its parent.
    Partition = "partition", "ddl-partitioning.html";
    /// A child or parent by inheritance.
    Inheritance = "inheritance", "ddl-inherit.html";
    /// A TOAST table.
    Toast = "toast", "storage-toast.html";
    /// A table that a trigger fills.
    TriggerCopy = "trigger_copy", "triggers.html";
    /// A table with the same values.
    Copy = "copy", "view-pg-stats.html";
    /// A SECURITY DEFINER function.
    DefinerFunction = "definer_function", "sql-createfunction.html";
    /// A function with the rights of who calls, whose body is parsed.
    InvokerFunction = "invoker_function", "sql-createfunction.html";
    /// A SECURITY DEFINER procedure.
    DefinerProcedure = "definer_procedure", "sql-createprocedure.html";
    /// A SECURITY DEFINER function that runs what it is handed.
    DefinerDynamic = "definer_dynamic", "plpgsql-statements.html";
    /// A SECURITY DEFINER function that finds names of the caller's.
    SearchPath = "search_path", "sql-createfunction.html";
    /// A trigger that writing fires.
    Trigger = "trigger", "triggers.html";
    /// An event trigger.
    EventTrigger = "event_trigger", "event-triggers.html";
    /// An operator.
    Operator = "operator", "xoper.html";
    /// A cast.
    Cast = "cast", "sql-createcast.html";
    /// A domain's check.
    Domain = "domain", "sql-createdomain.html";
    /// A column's default.
    ColumnDefault = "column_default", "ddl-default.html";
    /// A generated column.
    GeneratedColumn = "generated_column", "ddl-generated-columns.html";
    /// A table's check, or an index' expression.
    CheckConstraint = "check_constraint", "ddl-constraints.html";
    /// An aggregate.
    Aggregate = "aggregate", "xaggr.html";
    /// A foreign table that leads back.
    ForeignTable = "foreign_table", "postgres-fdw.html";
    /// A foreign server with a mapping that leads back.
    UserMapping = "user_mapping", "sql-createusermapping.html";
    /// dblink.
    Dblink = "dblink", "contrib-dblink-connect.html";
    /// A subscriber's copy in this cluster.
    Subscription = "subscription", "logical-replication.html";
    /// A publication, for who may replicate.
    Publication = "publication", "logical-replication-publication.html";
    /// REPLICATION.
    Replication = "replication", "logicaldecoding-explanation.html";
    /// Large objects.
    LargeObject = "large_object", "largeobjects.html";
    /// Statistics of values.
    Statistics = "statistics", "view-pg-stats.html";
    /// Writing without reading.
    WriteOnly = "write_only", "ddl-priv.html";
    /// A foreign key from or to the table.
    ForeignKey = "foreign_key", "ddl-constraints.html";
    /// REFERENCES.
    References = "references", "ddl-priv.html";
    /// `pg_monitor` and others: other sessions' statements.
    Monitoring = "monitoring", "monitoring-stats.html";
    /// The server's files.
    ServerFiles = "server_files", "functions-admin.html";
    /// Programs of the server's account.
    ServerProgram = "server_program", "sql-copy.html";
    /// An extension's function that reaches pages, log or files.
    Extension = "extension", "contrib.html";
    /// A function in an untrusted language.
    UntrustedLanguage = "untrusted_language", "sql-createlanguage.html";
    /// A parameter that may be set or altered.
    Parameter = "parameter", "sql-grant.html";
    /// A database that may be copied.
    TemplateDatabase = "template_database", "manage-ag-templatedbs.html";
    /// A scheduled job.
    ScheduledJob = "scheduled_job", "bgworker.html";
    /// Default privileges.
    DefaultPrivileges = "default_privileges", "sql-alterdefaultprivileges.html";
    /// CREATE on a schema of others' search path.
    SchemaCreate = "schema_create", "ddl-schemas.html";
    /// TRIGGER on the table.
    TriggerPrivilege = "trigger_privilege", "ddl-priv.html";
    /// A prepared transaction.
    PreparedTransaction = "prepared_transaction", "sql-prepare-transaction.html";
    /// A session that is still open.
    OpenSession = "open_session", "monitoring-stats.html";
}

/// Where PostgreSQL's documentation of a version is.
#[must_use]
pub fn documentation(kind: Kind, version: u32) -> String {
    format!(
        "https://www.postgresql.org/docs/{}/{}",
        version / 10_000,
        kind.page()
    )
}
