//! A data set as a Cedar entity type.

use std::cell::RefCell;
use std::collections::HashMap;
use std::fmt::Write as _;

use cedar_policy::{Expression, Schema, Validator};
use evidence::id::DatasetId;

use super::Condition;
use super::refusal::ConditionError;
use crate::estate::{ColumnType, Dataset};

/// The Cedar entity type of a data set's rows: `Row_` and the id with `_` for `-`. A prefix, since an id may be a word that
/// Cedar reserves or begin with a digit.
#[must_use]
pub fn entity_type(dataset: &DatasetId) -> String {
    format!("Row_{}", dataset.as_str().replace('-', "_"))
}

/// The Cedar type of a column. `None`: none holds all its values (a Cedar `decimal` has four digits after the point) or
/// compares them as PostgreSQL does (`char`), so it is no attribute and cannot be asked for. A `uuid` is a string, in the
/// form PostgreSQL gives it; a value of an enumerated type is the string of its label.
#[must_use]
pub fn attribute_type(kind: ColumnType) -> Option<&'static str> {
    match kind {
        ColumnType::Boolean => Some("Bool"),
        ColumnType::Smallint | ColumnType::Integer | ColumnType::Bigint => Some("Long"),
        ColumnType::Text | ColumnType::Varchar | ColumnType::Enum | ColumnType::Uuid => Some("String"),
        ColumnType::Date | ColumnType::Timestamptz => Some("datetime"),
        ColumnType::TextArray => Some("Set<String>"),
        ColumnType::Decimal(_) => Some("decimal"),
        ColumnType::Numeric
        | ColumnType::DoublePrecision
        | ColumnType::Real
        | ColumnType::Char
        | ColumnType::Timestamp
        | ColumnType::Time
        | ColumnType::Interval
        | ColumnType::Json
        | ColumnType::Jsonb
        | ColumnType::Bytea
        | ColumnType::Inet
        | ColumnType::Cidr
        | ColumnType::Macaddr
        | ColumnType::VarcharArray
        | ColumnType::IntegerArray
        | ColumnType::BigintArray => None,
    }
}

/// Why a column of a type without a Cedar type cannot be asked for, and what could be.
pub(super) fn no_attribute(kind: ColumnType) -> &'static str {
    match kind {
        ColumnType::Numeric => {
            "no Cedar type holds all its values; say how many digits it has, as in `numeric(10,2)`: at most 4 after the \
             point and 14 before it"
        }
        ColumnType::DoublePrecision | ColumnType::Real => {
            "no Cedar type holds all its values; use a column of type `numeric(P,S)` or `bigint`"
        }
        ColumnType::Char => {
            "PostgreSQL compares it without trailing blanks; use a column of type `text` or `varchar`"
        }
        ColumnType::Timestamp => {
            "without a time zone it is no moment; use a column of type `timestamptz` or `date`"
        }
        ColumnType::VarcharArray => "use a column of type `text[]`",
        _ => "no Cedar type holds its values; use another column",
    }
}

/// The declaration of a data set's entity type in a Cedar schema.
pub(crate) fn entity_declaration(dataset: &Dataset) -> String {
    let mut text = format!("entity {} = {{", entity_type(&dataset.id));
    for column in &dataset.columns {
        if let Some(kind) = attribute_type(column.kind) {
            let name = Expression::new_string(column.name.as_str().to_owned());
            let optional = if column.nullable { "?" } else { "" };
            let _ = write!(text, "\n  {name}{optional}: {kind},");
        }
    }
    text.push_str("\n};\n");
    text
}

/// A data set's rows as Cedar's validator takes them: made once, to check many conditions against.
#[derive(Debug)]
pub struct RowType<'a> {
    pub(super) dataset: &'a Dataset,
    /// Or why there is none, which would be a fault of this program.
    pub(super) validator: Result<Validator, String>,
    /// What was compiled already: agreements are written after one another.
    pub(super) known: RefCell<HashMap<String, Result<Condition, ConditionError>>>,
}

impl<'a> RowType<'a> {
    /// The rows of this data set.
    #[must_use]
    pub fn new(dataset: &'a Dataset) -> Self {
        let schema = Schema::from_cedarschema_str(&alone(dataset));
        Self {
            dataset,
            validator: schema
                .map(|(schema, _)| Validator::new(schema))
                .map_err(|error| error.to_string()),
            known: RefCell::default(),
        }
    }
}

/// A schema with just this data set.
fn alone(dataset: &Dataset) -> String {
    format!(
        "entity Nobody;\n{}action read appliesTo {{ principal: Nobody, resource: {}, context: {{}} }};\n",
        entity_declaration(dataset),
        entity_type(&dataset.id)
    )
}
