//! Objects that rights are held on, and rights as SQL: the `GRANT` and `REVOKE` statements that make or unmake one.

use super::{Class, Grant, Grantee, Object};
use crate::sql::ident;

impl Object {
    /// A schema.
    #[must_use]
    pub fn schema(name: &str) -> Self {
        Self {
            class: Class::Schema,
            schema: None,
            name: name.to_owned(),
            part: None,
        }
    }

    /// A database.
    #[must_use]
    pub fn database(name: &str) -> Self {
        Self {
            class: Class::Database,
            schema: None,
            name: name.to_owned(),
            part: None,
        }
    }

    /// A relation.
    #[must_use]
    pub fn relation(schema: &str, name: &str) -> Self {
        Self {
            class: Class::Relation,
            schema: Some(schema.to_owned()),
            name: name.to_owned(),
            part: None,
        }
    }

    /// A column of a relation.
    #[must_use]
    pub fn column(schema: &str, relation: &str, column: &str) -> Self {
        let part = Some(column.to_owned());
        Self {
            class: Class::Column,
            schema: Some(schema.to_owned()),
            name: relation.to_owned(),
            part,
        }
    }

    /// A function by its identity arguments.
    #[must_use]
    pub fn function(schema: &str, name: &str, arguments: &str) -> Self {
        let part = Some(arguments.to_owned());
        Self {
            class: Class::Function,
            schema: Some(schema.to_owned()),
            name: name.to_owned(),
            part,
        }
    }
}

impl Object {
    /// The object as it stands after `ON` in `GRANT` and `REVOKE`. A column stands as its relation; its name goes with
    /// the privilege. Default privileges have a statement of their own and stand as the kind of object they are for.
    #[must_use]
    pub fn sql(&self) -> String {
        let name = self.schema.as_ref().map_or_else(
            || ident(&self.name),
            |s| format!("{}.{}", ident(s), ident(&self.name)),
        );
        match self.class {
            Class::Column | Class::Relation => format!("TABLE {name}"),
            Class::Database => format!("DATABASE {name}"),
            Class::DefaultAcl => default_kind(&self.name).to_owned(),
            Class::ForeignDataWrapper => format!("FOREIGN DATA WRAPPER {name}"),
            Class::ForeignServer => format!("FOREIGN SERVER {name}"),
            Class::Function => format!("ROUTINE {name}({})", self.part.as_deref().unwrap_or_default()),
            Class::Language => format!("LANGUAGE {name}"),
            Class::LargeObject => format!("LARGE OBJECT {}", self.name),
            Class::Parameter => format!("PARAMETER {name}"),
            Class::Schema => format!("SCHEMA {name}"),
            Class::Sequence => format!("SEQUENCE {name}"),
            Class::Tablespace => format!("TABLESPACE {name}"),
            Class::Type => format!("TYPE {name}"),
        }
    }

    /// The object in words, as a person would name it.
    #[must_use]
    pub fn words(&self) -> String {
        let name = self
            .schema
            .as_ref()
            .map_or_else(|| self.name.clone(), |s| format!("{s}.{}", self.name));
        let part = self.part.as_deref().unwrap_or_default();
        match self.class {
            Class::Column => format!("column `{name}.{part}`"),
            Class::Database => format!("database `{name}`"),
            Class::DefaultAcl => format!(
                "future {} made by `{part}`",
                default_kind(&self.name).to_lowercase()
            ),
            Class::ForeignDataWrapper => format!("foreign-data wrapper `{name}`"),
            Class::ForeignServer => format!("foreign server `{name}`"),
            Class::Function => format!("function `{name}({part})`"),
            Class::Language => format!("language `{name}`"),
            Class::LargeObject => format!("large object `{name}`"),
            Class::Parameter => format!("parameter `{name}`"),
            Class::Relation => format!("relation `{name}`"),
            Class::Schema => format!("schema `{name}`"),
            Class::Sequence => format!("sequence `{name}`"),
            Class::Tablespace => format!("tablespace `{name}`"),
            Class::Type => format!("type `{name}`"),
        }
    }

    fn privilege_sql(&self, privilege: &str) -> String {
        match (self.class, &self.part) {
            (Class::Column, Some(column)) => format!("{privilege} ({})", ident(column)),
            _ => privilege.to_owned(),
        }
    }

    /// The statement that gives this right.
    #[must_use]
    pub fn grant_sql(&self, privilege: &str, grantee: &Grantee) -> String {
        format!(
            "GRANT {} ON {} TO {grantee}",
            self.privilege_sql(privilege),
            self.sql()
        )
    }
}

/// What `ALTER DEFAULT PRIVILEGES` calls a `pg_default_acl.defaclobjtype`.
fn default_kind(kind: &str) -> &'static str {
    match kind {
        "S" => "SEQUENCES",
        "T" => "TYPES",
        "f" => "FUNCTIONS",
        "n" => "SCHEMAS",
        "L" => "LARGE OBJECTS",
        _ => "TABLES",
    }
}

impl Grant {
    /// The statements that take this right away, whoever gave it. `REVOKE` by a superuser counts as the owner's and
    /// leaves other grantors' entries standing (PostgreSQL documentation, REVOKE, notes), so those are taken in the
    /// grantor's name.
    #[must_use]
    pub fn revoke_sql(&self) -> String {
        let revoke = self.plain_revoke();
        if self.object.class == Class::DefaultAcl || self.grantor == self.owner {
            return revoke;
        }
        format!("SET LOCAL ROLE {}; {revoke}; RESET ROLE", ident(&self.grantor))
    }

    fn plain_revoke(&self) -> String {
        let object = &self.object;
        if object.class == Class::DefaultAcl {
            let role = ident(object.part.as_deref().unwrap_or_default());
            let schema = object
                .schema
                .as_ref()
                .map(|s| format!(" IN SCHEMA {}", ident(s)))
                .unwrap_or_default();
            let what = format!(
                "REVOKE {} ON {} FROM {} CASCADE",
                self.privilege,
                object.sql(),
                self.grantee
            );
            return format!("ALTER DEFAULT PRIVILEGES FOR ROLE {role}{schema} {what}");
        }
        let privilege = object.privilege_sql(&self.privilege);
        format!(
            "REVOKE {privilege} ON {} FROM {} CASCADE",
            object.sql(),
            self.grantee
        )
    }
}
