//! JSON Schemas of an estate's files, made from the shapes that are read: what editors complete and explain by.
//!
//! A schema says less than `estop check`: what one file says of another, conditions and calendars are beyond it. It never
//! refuses what `estop check` takes.

use std::str::FromStr;

use evidence::overseers::shares::MAX_SHARES;
use schemars::generate::SchemaSettings;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde_json::Value;

use super::column_type::ColumnType;
use super::document::FOLDER;
use super::log_in::LogIn;
use super::model::{AirlockLimits, Limits, Watch};
use super::raw::{AgreementFile, DatasetFile, EstopFile, PartnerFile};
use super::shape::Aggregate;

/// The kinds of files that have a schema.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FileKind {
    /// `estop.toml`
    Estop,
    /// `datasets/*.toml`
    Dataset,
    /// `partners/*.toml`
    Partner,
    /// `agreements/*.toml`
    Agreement,
}

impl FileKind {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Estop, Self::Dataset, Self::Partner, Self::Agreement];

    /// Its name, which is also the schema file's.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Estop => "estop",
            Self::Dataset => "dataset",
            Self::Partner => "partner",
            Self::Agreement => "agreement",
        }
    }

    /// Which files of an estate it is of.
    #[must_use]
    pub fn files(self) -> &'static str {
        match self {
            Self::Estop => "estop.toml",
            Self::Dataset => "datasets/*.toml",
            Self::Partner => "partners/*.toml",
            Self::Agreement => "agreements/*.toml",
        }
    }

    /// The kind of a file of an estate, by its path.
    #[must_use]
    pub fn of_path(path: &str) -> Option<Self> {
        match path.split_once('/') {
            None if path == "estop.toml" => Some(Self::Estop),
            Some(("datasets", _)) => Some(Self::Dataset),
            Some(("partners", _)) => Some(Self::Partner),
            Some(("agreements", _)) => Some(Self::Agreement),
            _ => None,
        }
    }

    /// Its JSON Schema, in draft 7: the newest that editors of TOML all read.
    #[must_use]
    pub fn schema(self) -> Value {
        let generator = SchemaSettings::draft07().into_generator();
        let schema = match self {
            Self::Estop => generator.into_root_schema_for::<EstopFile>(),
            Self::Dataset => generator.into_root_schema_for::<DatasetFile>(),
            Self::Partner => generator.into_root_schema_for::<PartnerFile>(),
            Self::Agreement => generator.into_root_schema_for::<AgreementFile>(),
        };
        let mut schema = Value::from(schema);
        drop_null_defaults(&mut schema);
        schema
    }
}

impl FromStr for FileKind {
    type Err = UnknownKind;

    fn from_str(text: &str) -> Result<Self, UnknownKind> {
        let mut all = Self::ALL.into_iter();
        all.find(|kind| kind.name() == text).ok_or(UnknownKind)
    }
}

/// No kind of file has this name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the kinds are `estop`, `dataset`, `partner` and `agreement`")]
pub struct UnknownKind;

/// TOML has no null: a default of it says nothing.
fn drop_null_defaults(value: &mut Value) {
    match value {
        Value::Object(map) => {
            if map.get("default").is_some_and(Value::is_null) {
                map.remove("default");
            }
            map.values_mut().for_each(drop_null_defaults);
        }
        Value::Array(items) => items.iter_mut().for_each(drop_null_defaults),
        _ => {}
    }
}

type Made = fn(&mut SchemaGenerator) -> Schema;

fn list(of: Made, generator: &mut SchemaGenerator) -> Schema {
    let items = of(generator);
    json_schema!({ "type": "array", "items": items, "minItems": 1, "uniqueItems": true })
}

/// A table of things by name.
pub(super) fn named<T: JsonSchema>(generator: &mut SchemaGenerator) -> Schema {
    let each = generator.subschema_for::<T>();
    json_schema!({ "type": "object", "additionalProperties": each, "minProperties": 1 })
}

/// At least one of these.
pub(super) fn some<T: JsonSchema>(generator: &mut SchemaGenerator) -> Schema {
    let each = generator.subschema_for::<T>();
    json_schema!({ "type": "array", "items": each, "minItems": 1 })
}

pub(super) fn custodian(_: &mut SchemaGenerator) -> Schema {
    json_schema!({
        "type": "string",
        "pattern": r"^[a-z0-9]([a-z0-9-]*[a-z0-9])?(\.[a-z0-9]([a-z0-9-]*[a-z0-9])?)+$",
        "maxLength": 100,
        "examples": ["records.example.org"],
    })
}

/// One line for people to read.
pub(super) fn line(_: &mut SchemaGenerator) -> Schema {
    json_schema!({ "type": "string", "pattern": r"^[^\x00-\x1f]*[^\x00-\x20][^\x00-\x1f]*$", "maxLength": 500 })
}

pub(super) fn id(_: &mut SchemaGenerator) -> Schema {
    json_schema!({ "type": "string", "pattern": "^[a-z0-9][a-z0-9-]{0,62}$" })
}

pub(super) fn ids(generator: &mut SchemaGenerator) -> Schema {
    list(id, generator)
}

pub(super) fn tags(_: &mut SchemaGenerator) -> Schema {
    json_schema!({
        "type": "array",
        "items": { "type": "string", "pattern": "^[a-z0-9][a-z0-9-]{0,62}$" },
        "examples": [["identity", "contact"]],
    })
}

pub(super) fn officer(_: &mut SchemaGenerator) -> Schema {
    json_schema!({
        "type": "string",
        "pattern": "^[a-z0-9][a-z0-9._-]{0,62}$",
        "examples": ["a.moreno"],
    })
}

pub(super) fn scram(_: &mut SchemaGenerator) -> Schema {
    json_schema!({ "type": "string", "pattern": r"^SCRAM-SHA-256\$[0-9]+:[A-Za-z0-9+/=]+\$[A-Za-z0-9+/=]+:[A-Za-z0-9+/=]+$" })
}

pub(super) fn certificate(_: &mut SchemaGenerator) -> Schema {
    json_schema!({
        "type": "string",
        "pattern": "^(subject|email|dns|uri):.+$",
        "examples": ["subject:CN=Ada King,O=State Police", "email:a.king@police.example"],
    })
}

pub(super) fn log_in(_: &mut SchemaGenerator) -> Schema {
    json_schema!({
        "type": "array",
        "items": { "enum": LogIn::ALL.map(LogIn::as_str) },
        "uniqueItems": true,
    })
}

pub(super) fn ssh_key(_: &mut SchemaGenerator) -> Schema {
    json_schema!({ "type": ["string", "null"], "pattern": "^(ssh-ed25519|ecdsa-sha2-nistp256|sk-ssh-ed25519@openssh\\.com) [A-Za-z0-9+/=]+( .*)?$" })
}

pub(super) fn time_zone(_: &mut SchemaGenerator) -> Schema {
    json_schema!({ "type": "string", "minLength": 1, "examples": ["America/Chicago", "UTC"] })
}

pub(super) fn url(_: &mut SchemaGenerator) -> Schema {
    json_schema!({
        "type": "string",
        "pattern": "^postgres(ql)?://",
        "examples": ["postgresql://estop_admin@/records?host=/run/postgresql"],
    })
}

pub(super) fn isolation(_: &mut SchemaGenerator) -> Schema {
    json_schema!({ "type": "string", "enum": ["airlock", "in-place"] })
}

pub(super) fn every_seconds(_: &mut SchemaGenerator) -> Schema {
    json_schema!({ "type": "integer", "minimum": Watch::LEAST_SECONDS, "maximum": Watch::MOST_SECONDS })
}

pub(super) fn on_drift(_: &mut SchemaGenerator) -> Schema {
    json_schema!({ "type": "string", "enum": ["alarm", "cut"] })
}

pub(super) fn listen(_: &mut SchemaGenerator) -> Schema {
    json_schema!({
        "type": "string",
        "pattern": r"^([0-9.]+|\[[0-9a-fA-F:.%]+\]):[0-9]{1,5}$",
        "examples": ["0.0.0.0:6432", "[::]:6432"],
    })
}

pub(super) fn memory_mib(_: &mut SchemaGenerator) -> Schema {
    json_schema!({ "type": "integer", "minimum": AirlockLimits::MIN_MEMORY_MIB, "maximum": AirlockLimits::MAX_MEMORY_MIB })
}

pub(super) fn path(_: &mut SchemaGenerator) -> Schema {
    json_schema!({ "type": "string", "minLength": 1 })
}

pub(super) fn document(_: &mut SchemaGenerator) -> Schema {
    json_schema!({
        "type": "string",
        "pattern": format!("^{FOLDER}."),
        "examples": [format!("{FOLDER}isa-2018-044.pdf")],
    })
}

pub(super) fn relation(_: &mut SchemaGenerator) -> Schema {
    json_schema!({
        "type": "string",
        "pattern": r#"^("([^"]|"")+"|[^".]+)\.("([^"]|"")+"|[^".]+)$"#,
        "examples": ["records.people"],
    })
}

/// A column's name, as the catalog has it.
pub(super) fn column(_: &mut SchemaGenerator) -> Schema {
    json_schema!({ "type": "string", "minLength": 1, "maxLength": 63 })
}

pub(super) fn columns(generator: &mut SchemaGenerator) -> Schema {
    list(column, generator)
}

pub(super) fn column_type(_: &mut SchemaGenerator) -> Schema {
    let mut names: Vec<String> = Vec::new();
    for kind in ColumnType::ALL {
        for name in [kind.name(), kind.sql()] {
            if !names.iter().any(|known| *known == name) {
                names.push(name.into_owned());
            }
        }
    }
    json_schema!({
        "type": "string",
        "anyOf": [
            { "enum": names },
            { "pattern": r"^(numeric|decimal) *\( *[0-9]{1,2} *(, *[0-4] *)?\)$" },
        ],
        "examples": ["text", "numeric(10,2)"],
    })
}

pub(super) fn masks(_: &mut SchemaGenerator) -> Schema {
    json_schema!({
        "type": "object",
        "additionalProperties": { "type": "string", "minLength": 1 },
        "examples": [{ "name": "initials", "birth_date": "year" }],
    })
}

pub(super) fn share_kind(_: &mut SchemaGenerator) -> Schema {
    json_schema!({ "type": "string", "enum": ["rows", "aggregate"] })
}

pub(super) fn small_groups(_: &mut SchemaGenerator) -> Schema {
    json_schema!({ "type": "string", "enum": ["null", "absent"] })
}

pub(super) fn timing(_: &mut SchemaGenerator) -> Schema {
    json_schema!({ "type": "string", "enum": ["open", "opaque"] })
}

pub(super) fn subject_key_use(_: &mut SchemaGenerator) -> Schema {
    json_schema!({ "type": "string", "enum": ["required"] })
}

pub(super) fn min_group(_: &mut SchemaGenerator) -> Schema {
    json_schema!({
        "type": "integer",
        "minimum": Aggregate::LEAST_MIN_GROUP,
        "maximum": Aggregate::MAX_MIN_GROUP,
    })
}

pub(super) fn condition(_: &mut SchemaGenerator) -> Schema {
    json_schema!({
        "type": "string",
        "minLength": 1,
        "examples": [r#"resource.case_status == "open" && !resource.is_juvenile"#],
    })
}

pub(super) fn day(_: &mut SchemaGenerator) -> Schema {
    json_schema!({
        "type": "string",
        "pattern": "^[0-9]{4}-(0[1-9]|1[0-2])-(0[1-9]|[12][0-9]|3[01])$",
        "examples": ["2026-11-23"],
    })
}

pub(super) fn case_reference(_: &mut SchemaGenerator) -> Schema {
    json_schema!({ "type": "string", "minLength": 1, "examples": [r"^[A-Z]{2}-\d{4}-\d+$"] })
}

pub(super) fn erase(_: &mut SchemaGenerator) -> Schema {
    json_schema!({ "enum": ["daily", "by-hand"] })
}

pub(super) fn receipts(_: &mut SchemaGenerator) -> Schema {
    json_schema!({ "enum": ["notice"] })
}

pub(super) fn threshold(_: &mut SchemaGenerator) -> Schema {
    json_schema!({ "type": "integer", "minimum": 2, "maximum": MAX_SHARES })
}

pub(super) fn holders(_: &mut SchemaGenerator) -> Schema {
    json_schema!({
        "type": "array",
        "items": { "type": "string", "pattern": "^[a-z0-9][a-z0-9._-]{0,62}$" },
        "minItems": 2,
        "maxItems": MAX_SHARES,
        "uniqueItems": true,
    })
}

pub(super) fn retention(_: &mut SchemaGenerator) -> Schema {
    json_schema!({
        "type": "string",
        "pattern": "^[1-9][0-9]{0,4} (days?|months?|years?)$",
        "examples": ["6 years", "18 months", "90 days"],
    })
}

fn number(max: u64) -> Schema {
    json_schema!({ "type": "integer", "minimum": 1, "maximum": max })
}

pub(super) fn sessions(_: &mut SchemaGenerator) -> Schema {
    number(Limits::MAX_SESSIONS.into())
}

pub(super) fn rows_per_day(_: &mut SchemaGenerator) -> Schema {
    number(Limits::MAX_ROWS_PER_DAY)
}

pub(super) fn bytes_per_day(_: &mut SchemaGenerator) -> Schema {
    number(Limits::MAX_BYTES_PER_DAY)
}

pub(super) fn statement_seconds(_: &mut SchemaGenerator) -> Schema {
    number(Limits::MAX_STATEMENT_SECONDS.into())
}

pub(super) fn hours(_: &mut SchemaGenerator) -> Schema {
    json_schema!({
        "type": "string",
        "pattern": "^[^ ]+ [0-9]{2}:[0-9]{2}-[0-9]{2}:[0-9]{2} [^ ]+$",
        "examples": ["Mon-Fri 06:00-22:00 America/Chicago", "daily 00:00-24:00 UTC"],
    })
}

/// The schema as the file has it: indented, with a line's end.
#[must_use]
pub fn printed(kind: FileKind) -> String {
    let mut text = format!("{:#}", kind.schema());
    text.push('\n');
    text
}
