//! Random rows, in Cedar and in SQL, and random conditions on them.

use std::collections::{HashMap, HashSet};
use std::fmt::Write as _;

use cedar_policy::{
    Context, Entities, Entity, EntityId, EntityUid, Expression, Request, RestrictedExpression,
};
use policy::condition::entity_type;
use policy::estate::{Column, ColumnType, Dataset, Relation};
use policy::sql::{ident, literal};

use super::random::Random;

/// Name, type, optional.
const COLUMNS: [(&str, ColumnType, bool); 18] = [
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
];

const TEXTS: [&str; 20] = [
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
const LONGS: [i64; 13] = [
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
const DAYS: [&str; 8] = [
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
const INSTANTS: [i64; 12] = [
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
];
const UUIDS: [&str; 3] = [
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
    /// With NULL elements.
    Array(Vec<Option<String>>),
}

pub(crate) struct Row {
    id: usize,
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

    /// The question whether this row may be read.
    pub(crate) fn question(&self) -> (Request, Entities) {
        let attribute = |(value, (name, ..)): (&Option<Value>, &(&str, ColumnType, bool))| {
            value.as_ref().map(|value| ((*name).to_owned(), value.to_cedar()))
        };
        let attributes: HashMap<String, RestrictedExpression> =
            self.values.iter().zip(&COLUMNS).filter_map(attribute).collect();
        let uid =
            |kind: &str, id: &str| EntityUid::from_type_name_and_id(kind.parse().unwrap(), EntityId::new(id));
        let row = uid(&entity_type(&dataset().id), &self.id.to_string());
        let entity = Entity::new(row.clone(), attributes, HashSet::new()).unwrap();
        let request = Request::new(
            uid("Nobody", ""),
            uid("Action", "read"),
            row,
            Context::empty(),
            None,
        )
        .unwrap();
        (request, Entities::from_entities([entity], None).unwrap())
    }
}

impl Value {
    fn random(random: &mut Random, kind: ColumnType) -> Self {
        match kind {
            ColumnType::Boolean => Self::Bool(random.one_in(2)),
            ColumnType::Smallint => Self::Long(random.pick(&LONGS[..7])),
            ColumnType::Integer => Self::Long(random.pick(&LONGS[..9])),
            ColumnType::Bigint => Self::Long(random.pick(&LONGS)),
            ColumnType::Text => Self::Text((random.pick(&TEXTS)).to_owned()),
            ColumnType::Uuid => Self::Text((random.pick(&UUIDS)).to_owned()),
            ColumnType::Date => Self::Day(random.pick(&DAYS)),
            ColumnType::Timestamptz => Self::Instant(random.pick(&INSTANTS)),
            ColumnType::TextArray => {
                let element =
                    |random: &mut Random| (!random.one_in(6)).then(|| (random.pick(&TEXTS[..8])).to_owned());
                Self::Array((0..random.below(4)).map(|_| element(random)).collect())
            }
            ColumnType::Numeric | ColumnType::DoublePrecision => unreachable!("conditions cannot ask for it"),
        }
    }

    fn to_cedar(&self) -> RestrictedExpression {
        match self {
            Self::Bool(value) => RestrictedExpression::new_bool(*value),
            Self::Long(value) => RestrictedExpression::new_long(*value),
            Self::Text(text) => RestrictedExpression::new_string(text.clone()),
            Self::Day(day) => RestrictedExpression::new_datetime(*day),
            Self::Instant(micros) => RestrictedExpression::new_datetime(instant(*micros)),
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
fn instant(micros: i64) -> String {
    let at = jiff::Timestamp::from_millisecond(micros.div_euclid(1000)).unwrap();
    format!("{at:.3}")
}

/// The table with these rows.
pub(crate) fn table(rows: &[Row]) -> String {
    let mut sql = String::from(
        "DROP SCHEMA IF EXISTS estop CASCADE; CREATE SCHEMA estop; CREATE TABLE estop.records (id bigint",
    );
    for (name, kind, nullable) in COLUMNS {
        write!(
            sql,
            ", {} {}{}",
            ident(name),
            kind.sql(),
            if nullable { "" } else { " NOT NULL" }
        )
        .unwrap();
    }
    sql.push_str(");\n");
    for row in rows {
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

/// A condition that is valid for [`dataset`].
pub(crate) fn condition(random: &mut Random) -> String {
    boolean(random, 3)
}

fn boolean(random: &mut Random, depth: usize) -> String {
    if depth == 0 {
        return atom(random);
    }
    let below = depth - 1;
    match random.below(9) {
        0 | 1 => format!("({} && {})", boolean(random, below), boolean(random, below)),
        2 | 3 => format!("({} || {})", boolean(random, below), boolean(random, below)),
        4 => format!("!({})", boolean(random, below)),
        5 => format!(
            "(if {} then {} else {})",
            boolean(random, below),
            boolean(random, below),
            boolean(random, below)
        ),
        6 => format!(
            "({}) {} ({})",
            boolean(random, below),
            random.pick(&["==", "!="]),
            boolean(random, below)
        ),
        _ => atom(random),
    }
}

/// Something about one column, guarded if the column is optional.
fn atom(random: &mut Random) -> String {
    let (name, kind, nullable) = random.pick(&COLUMNS);
    let quoted = string(name);
    let column = format!("resource[{quoted}]");
    let test = test(random, &column, kind);
    let has = format!("resource has {quoted}");
    if !nullable {
        return if random.one_in(8) {
            format!("({has} && {test})")
        } else {
            format!("({test})")
        };
    }
    match random.below(5) {
        0 => has,
        1 => format!("!({has})"),
        2 => format!(
            "(if {has} then {test} else {})",
            random.pick(&["true", "false", "resource.b"])
        ),
        _ => format!("({has} && {test})"),
    }
}

fn test(random: &mut Random, column: &str, kind: ColumnType) -> String {
    let order = ["==", "!=", "<", "<=", ">", ">="];
    match kind {
        ColumnType::Boolean => match random.below(3) {
            0 => column.to_owned(),
            1 => format!("!{column}"),
            _ => format!("{column} == {}", random.pick(&["true", "false", "resource.b"])),
        },
        ColumnType::Smallint | ColumnType::Integer | ColumnType::Bigint => {
            if random.one_in(4) {
                let members: Vec<String> = (0..1 + random.below(3)).map(|_| long(random)).collect();
                return format!("[{}].contains({column})", members.join(", "));
            }
            format!("{column} {} {}", random.pick(&order), long(random))
        }
        ColumnType::Text => match random.below(4) {
            0 => format!("{column} like {}", pattern(random)),
            1 => {
                let members: Vec<String> = (0..1 + random.below(3))
                    .map(|_| string(random.pick(&TEXTS)))
                    .collect();
                format!("[{}].contains({column})", members.join(", "))
            }
            2 => format!("resource.a.contains({column})"),
            _ => format!("{column} {} {}", random.pick(&order[..2]), text(random)),
        },
        ColumnType::Uuid => format!(
            "{column} {} {}",
            random.pick(&order[..2]),
            string(random.pick(&UUIDS))
        ),
        ColumnType::Date | ColumnType::Timestamptz => {
            format!("{column} {} {}", random.pick(&order), moment(random))
        }
        ColumnType::TextArray => array(random, column),
        ColumnType::Numeric | ColumnType::DoublePrecision => unreachable!("conditions cannot ask for it"),
    }
}

fn array(random: &mut Random, column: &str) -> String {
    let members: Vec<String> = (0..1 + random.below(3))
        .map(|_| string(random.pick(&TEXTS[..8])))
        .collect();
    let other = if random.one_in(3) {
        "resource.a".to_owned()
    } else {
        format!("[{}]", members.join(", "))
    };
    match random.below(7) {
        0 => format!("{column}.contains({})", string(random.pick(&TEXTS[..8]))),
        1 => format!("{column}.containsAll({other})"),
        2 => format!("{other}.containsAll({column})"),
        3 => format!("{column}.containsAny({other})"),
        4 => format!("{column}.isEmpty()"),
        5 => format!("{column} != {other}"),
        _ => format!("{column} == {other}"),
    }
}

fn long(random: &mut Random) -> String {
    match random.below(5) {
        0 => "resource.s".to_owned(),
        1 => "resource.l".to_owned(),
        2 => format!("(if resource.b then resource.n else {})", random.pick(&LONGS)),
        _ => random.pick(&LONGS).to_string(),
    }
}

fn text(random: &mut Random) -> String {
    match random.below(5) {
        0 => "resource.t".to_owned(),
        1 => format!(
            "(if resource.b then resource.t else {})",
            string(random.pick(&TEXTS))
        ),
        _ => string(random.pick(&TEXTS)),
    }
}

fn moment(random: &mut Random) -> String {
    match random.below(7) {
        0 => "resource.d".to_owned(),
        1 => "resource.ts".to_owned(),
        2 => "(if resource.b then resource.d else resource.ts)".to_owned(),
        3 => format!("datetime(\"{}\")", random.pick(&DAYS[..4])),
        4 => format!(
            "datetime(\"{}\").offset(duration(\"-1d1ms\"))",
            random.pick(&DAYS[4..])
        ),
        5 => "datetime(\"2024-02-29T23:30:00.500+0130\").toDate()".to_owned(),
        _ => format!("datetime(\"{}\")", instant(random.pick(&INSTANTS))),
    }
}

fn pattern(random: &mut Random) -> String {
    let mut pattern = String::from("\"");
    for _ in 0..random.below(5) {
        match random.below(3) {
            0 => pattern.push('*'),
            _ => {
                let text = string(random.pick(&["a", "b", "%", "_", "\\", "日", "\n", "'", "x", "*"]));
                let inner = text.strip_prefix('"').unwrap().strip_suffix('"').unwrap();
                pattern.push_str(&inner.replace('*', "\\*"));
            }
        }
    }
    pattern.push('"');
    pattern
}

fn string(text: &str) -> String {
    Expression::new_string(text.to_owned()).to_string()
}
