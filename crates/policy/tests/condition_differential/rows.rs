//! Random rows, in Cedar and in SQL.

use std::borrow::Borrow;
use std::collections::{HashMap, HashSet};
use std::fmt::Write as _;

use cedar_policy::{Entities, Entity, EntityUid, RestrictedExpression};
use policy::condition::entity_type;
use policy::estate::{Column, ColumnType, Dataset, Decimal, Relation};
use policy::sql::{ident, literal};

use super::policy_sets::uid;
use super::random::Random;

/// Name, type, optional.
pub(crate) const COLUMNS: [(&str, ColumnType, bool); 24] = [
    ("b", ColumnType::Boolean, false),
    ("b opt", ColumnType::Boolean, true),
    ("s", ColumnType::Smallint, false),
    ("i_opt", ColumnType::Integer, true),
    ("l", ColumnType::Bigint, false),
    ("l_opt", ColumnType::Bigint, true),
    ("t", ColumnType::Text, false),
    ("like", ColumnType::Text, true),
    ("Quoted\"name", ColumnType::Text, false),
    ("d", ColumnType::Date, false),
    ("d_opt", ColumnType::Date, true),
    ("ts", ColumnType::Timestamptz, false),
    ("ts_opt", ColumnType::Timestamptz, true),
    ("a", ColumnType::TextArray, false),
    ("a_opt", ColumnType::TextArray, true),
    ("u", ColumnType::Uuid, false),
    ("u_opt", ColumnType::Uuid, true),
    ("n", ColumnType::Integer, false),
    ("f", decimal(10, 2), false),
    ("f_opt", decimal(18, 4), true),
    ("v", ColumnType::Varchar, false),
    ("v_opt", ColumnType::Varchar, true),
    ("e", ColumnType::Enum, false),
    ("e_opt", ColumnType::Enum, true),
];

const fn decimal(precision: u8, scale: u8) -> ColumnType {
    match Decimal::new(precision, scale) {
        Some(decimal) => ColumnType::Decimal(decimal),
        None => panic!("Cedar holds these"),
    }
}

pub(crate) const TEXTS: [&str; 20] = [
    "",
    "a",
    "A",
    "ab",
    "aab",
    "b",
    "it's",
    "100%",
    "a_b",
    "a\\b",
    "\\",
    "%",
    "_",
    "*",
    "line\nbreak",
    "ünïcødé",
    "日本",
    "😀",
    "say \"q\"",
    "axb",
];
pub(crate) const LONGS: [i64; 13] = [
    0,
    1,
    -1,
    2,
    7,
    32_767,
    -32_768,
    2_147_483_647,
    -2_147_483_648,
    2_147_483_648,
    -2_147_483_649,
    i64::MAX,
    i64::MIN,
];
pub(crate) const DAYS: [&str; 8] = [
    "2024-02-29",
    "1970-01-01",
    "1969-12-31",
    "0001-01-01",
    "9999-12-31",
    "2000-06-15",
    "2024-03-01",
    "2024-02-28",
];
/// Microseconds since 1970.
pub(crate) const INSTANTS: [i64; 13] = [
    0,
    -1,
    -1_000,
    -999,
    1_709_208_000_000_000,
    1_709_208_000_000_999,
    1_709_208_000_001_000,
    1_709_207_999_999_999,
    1_709_164_800_000_000,
    1_709_251_200_000_000,
    -62_135_596_800_000_000,
    960_000_000_123_456,
    253_402_300_799_999_999,
];
/// The first of them fit `numeric(10,2)`, all fit `numeric(18,4)`.
pub(crate) const DECIMALS: [&str; 12] = [
    "0.0",
    "0.01",
    "-0.01",
    "1.0",
    "1.5",
    "-1.5",
    "99999999.99",
    "-99999999.99",
    "0.0001",
    "1.4999",
    "99999999999999.9999",
    "-99999999999999.9999",
];
/// Texts that can be labels of an enumerated type, in an order that is not the alphabet's.
pub(crate) const LABELS: [&str; 6] = ["b", "a", "A", "it's", "100%", "a\\b"];
pub(crate) const UUIDS: [&str; 3] = [
    "00000000-0000-0000-0000-000000000000",
    "a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11",
    "ffffffff-ffff-ffff-ffff-ffffffffffff",
];

pub(crate) fn dataset() -> Dataset {
    let column = |(name, kind, nullable): &(&str, ColumnType, bool)| Column {
        name: name.parse().unwrap(),
        kind: *kind,
        nullable: *nullable,
        tags: Default::default(),
    };
    Dataset {
        id: "records".parse().unwrap(),
        title: "Records".to_owned(),
        upstream: "main".to_owned(),
        relation: Relation {
            schema: "estop".parse().unwrap(),
            name: "records".parse().unwrap(),
        },
        subject_key: None,
        tags: Default::default(),
        columns: COLUMNS.iter().map(column).collect(),
    }
}

enum Value {
    Bool(bool),
    Long(i64),
    Text(String),
    Day(&'static str),
    Instant(i64),
    Decimal(&'static str),
    /// With NULL elements.
    Array(Vec<Option<String>>),
}

pub(crate) fn officer() -> EntityUid {
    uid("Officer", "police/kim")
}

pub(crate) fn read() -> EntityUid {
    uid("Action", "read")
}

pub(crate) struct Row {
    pub(crate) id: usize,
    values: Vec<Option<Value>>,
}

impl Row {
    pub(crate) fn random(random: &mut Random, id: usize) -> Self {
        let value = |(_, kind, nullable): &(&str, ColumnType, bool)| {
            if *nullable && random.one_in(3) {
                None
            } else {
                Some(Value::random(random, *kind))
            }
        };
        Self {
            id,
            values: COLUMNS.iter().map(value).collect(),
        }
    }

    /// The row, and who asks for it.
    pub(crate) fn entities(&self) -> Entities {
        let attribute = |(value, (name, ..)): (&Option<Value>, &(&str, ColumnType, bool))| {
            value.as_ref().map(|value| ((*name).to_owned(), value.to_cedar()))
        };
        let attributes: HashMap<String, RestrictedExpression> =
            self.values.iter().zip(&COLUMNS).filter_map(attribute).collect();
        let partner = RestrictedExpression::new_entity_uid(uid("Partner", "police"));
        let of_officer = [("partner".to_owned(), partner)].into();
        let entities = [
            Entity::new(self.uid(), attributes, HashSet::new()).unwrap(),
            Entity::new(officer(), of_officer, HashSet::new()).unwrap(),
        ];
        Entities::from_entities(entities, None).unwrap()
    }

    pub(crate) fn uid(&self) -> EntityUid {
        uid(&entity_type(&dataset().id), &self.id.to_string())
    }
}

impl Value {
    fn random(random: &mut Random, kind: ColumnType) -> Self {
        match kind {
            ColumnType::Boolean => Self::Bool(random.one_in(2)),
            ColumnType::Smallint => Self::Long(random.pick(&LONGS[..7])),
            ColumnType::Integer => Self::Long(random.pick(&LONGS[..9])),
            ColumnType::Bigint => Self::Long(random.pick(&LONGS)),
            ColumnType::Text | ColumnType::Varchar => Self::Text((random.pick(&TEXTS)).to_owned()),
            ColumnType::Enum => Self::Text((random.pick(&LABELS)).to_owned()),
            ColumnType::Uuid => Self::Text((random.pick(&UUIDS)).to_owned()),
            ColumnType::Date => Self::Day(random.pick(&DAYS)),
            ColumnType::Timestamptz => Self::Instant(random.pick(&INSTANTS)),
            ColumnType::Decimal(decimal) if decimal.scale() == 2 => {
                Self::Decimal(random.pick(&DECIMALS[..8]))
            }
            ColumnType::Decimal(_) => Self::Decimal(random.pick(&DECIMALS)),
            ColumnType::TextArray => {
                let element =
                    |random: &mut Random| (!random.one_in(6)).then(|| (random.pick(&TEXTS[..8])).to_owned());
                Self::Array((0..random.below(4)).map(|_| element(random)).collect())
            }
            _ => unreachable!("conditions cannot ask for it"),
        }
    }

    fn to_cedar(&self) -> RestrictedExpression {
        match self {
            Self::Bool(value) => RestrictedExpression::new_bool(*value),
            Self::Long(value) => RestrictedExpression::new_long(*value),
            Self::Text(text) => RestrictedExpression::new_string(text.clone()),
            Self::Day(day) => RestrictedExpression::new_datetime(*day),
            Self::Instant(micros) => RestrictedExpression::new_datetime(instant(*micros)),
            Self::Decimal(number) => RestrictedExpression::new_decimal(*number),
            Self::Array(members) => RestrictedExpression::new_set(
                members
                    .iter()
                    .flatten()
                    .cloned()
                    .map(RestrictedExpression::new_string),
            ),
        }
    }

    fn to_sql(&self) -> String {
        match self {
            Self::Bool(value) => value.to_string(),
            Self::Long(value) => format!("'{value}'"),
            Self::Text(text) => literal(text),
            Self::Day(day) => literal(day),
            Self::Instant(micros) => {
                format!("timestamptz '1970-01-01 00:00:00+00' + interval '{micros} microseconds'")
            }
            Self::Decimal(number) => (*number).to_owned(),
            Self::Array(members) => {
                let member =
                    |member: &Option<String>| member.as_ref().map_or("NULL".to_owned(), |text| literal(text));
                format!(
                    "ARRAY[{}]::text[]",
                    members.iter().map(member).collect::<Vec<_>>().join(", ")
                )
            }
        }
    }
}

/// What a row's moment is to Cedar, which counts milliseconds: the last one before it.
pub(crate) fn instant(micros: i64) -> String {
    let since = jiff::SignedDuration::from_millis(micros.div_euclid(1000));
    let at = jiff::civil::date(1970, 1, 1).at(0, 0, 0, 0) + since;
    format!("{at:.3}Z")
}

/// The table with these rows.
pub(crate) fn table<R: Borrow<Row>>(rows: &[R]) -> String {
    let mut sql = String::from(
        "DROP SCHEMA IF EXISTS estop CASCADE; CREATE SCHEMA estop; CREATE TYPE estop.\"enum\" AS ENUM (",
    );
    sql.push_str(&LABELS.map(literal).join(", "));
    sql.push_str("); CREATE TABLE estop.records (id bigint");
    for (name, kind, nullable) in COLUMNS {
        write!(
            sql,
            ", {} {}{}",
            ident(name),
            if kind == ColumnType::Enum {
                "estop.\"enum\"".into()
            } else {
                kind.sql()
            },
            if nullable { "" } else { " NOT NULL" }
        )
        .unwrap();
    }
    sql.push_str(");\n");
    for row in rows.iter().map(Borrow::borrow) {
        let values: Vec<String> = row
            .values
            .iter()
            .map(|value| value.as_ref().map_or("NULL".to_owned(), Value::to_sql))
            .collect();
        writeln!(
            sql,
            "INSERT INTO estop.records VALUES ({}, {});",
            row.id,
            values.join(", ")
        )
        .unwrap();
    }
    sql
}

/// Rows of the values that calendars and clocks end with.
pub(crate) fn extremes() -> String {
    let days = [
        "infinity",
        "-infinity",
        "5874897-12-31",
        "4713-01-01 BC",
        "294277-01-01",
    ];
    let moments = [
        "infinity",
        "-infinity",
        "294276-12-31 23:59:59.999999+00",
        "4713-11-24 00:00:00+00 BC",
        "2024-02-29",
    ];
    let mut sql = String::new();
    for (index, (day, moment)) in days.iter().zip(moments).enumerate() {
        let value = |(_, kind, nullable): &(&str, ColumnType, bool)| match kind {
            _ if *nullable && index == 1 => "NULL".to_owned(),
            ColumnType::Boolean => "true".to_owned(),
            ColumnType::Smallint | ColumnType::Integer | ColumnType::Bigint => "'-32768'".to_owned(),
            ColumnType::Date => format!("'{day}'"),
            ColumnType::Timestamptz => format!("'{moment}'"),
            ColumnType::TextArray => "ARRAY[[NULL,'a'],['b',NULL]]".to_owned(),
            ColumnType::Uuid => literal(UUIDS[0]),
            ColumnType::Enum => literal(LABELS[0]),
            ColumnType::Decimal(_) => "'NaN'".to_owned(),
            _ => "''".to_owned(),
        };
        let values: Vec<String> = COLUMNS.iter().map(value).collect();
        writeln!(
            sql,
            "INSERT INTO estop.records VALUES ({index}, {});",
            values.join(", ")
        )
        .unwrap();
    }
    sql
}
