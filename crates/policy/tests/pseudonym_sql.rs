//! Pseudonyms on a real server: HMAC-SHA256 by another's implementation, one by one for each type, and no error whatever the column
//! holds.

#[cfg(test)]
mod support;

use std::collections::BTreeSet;

use hmac::{Hmac, Mac};
use policy::estate::{Column, ColumnType};
use policy::mask::{KeyId, Mask};
use sha2::Sha256;
use support::Scratch;

/// The key of the examples in `docs/formats.md`.
const KEY: [u8; 32] = [
    0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28,
    29, 30, 31,
];

/// The examples of `docs/formats.md`: type, kind, value, pseudonym.
const EXAMPLES: [(&str, &str, &str, &str); 4] = [
    ("bigint", "person", "42", "e4372d6a449641026c331d0e87116b95"),
    ("numeric", "person", "42.00", "e4372d6a449641026c331d0e87116b95"),
    ("text", "badge", "Zoë-7", "18d5e9ad70bda9e00dd7e12c5ecda5f8"),
    (
        "uuid",
        "device",
        "a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11",
        "9f73d791-60df-8614-a669-fbee33bdf4f8",
    ),
];

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[expect(clippy::unwrap_used, reason = "the names are this test's own")]
fn mask(kind: &str, column: ColumnType) -> (Mask, Column) {
    let column = Column {
        name: "odd \"name".parse().unwrap(),
        kind: column,
        nullable: true,
        tags: BTreeSet::new(),
    };
    let mask = Mask::parse(&format!("pseudonym:{kind}"), &column, &id()).unwrap();
    (mask, column)
}

#[expect(clippy::unwrap_used, reason = "the id is this test's own")]
fn id() -> KeyId {
    KeyId::of(&"police-2018".parse().unwrap())
}

/// The table as it is planted, with the key's two padded forms.
fn planted() -> String {
    let padded = |pad: u8| {
        let key: Vec<u8> = KEY.iter().map(|byte| byte ^ pad).collect();
        hex(&key) + &hex(&[pad; 32])
    };
    format!(
        "CREATE SCHEMA estop_keys; CREATE TABLE estop_keys.pseudonym (id text primary key, inner_pad bytea, outer_pad bytea);
         INSERT INTO estop_keys.pseudonym VALUES ('{}', decode('{}', 'hex'), decode('{}', 'hex'));",
        id(),
        padded(0x36),
        padded(0x5c)
    )
}

/// What is shown of each value of a type, through a view in whose making and reading nothing helps.
#[expect(clippy::unwrap_used, reason = "a test's own values")]
fn shown(server: &Scratch, kind: &str, column_type: &str, values: &[&str]) -> Vec<String> {
    let (mask, column) = mask(kind, ColumnType::parse(column_type).unwrap());
    let rows: Vec<String> = values
        .iter()
        .enumerate()
        .map(|(at, value)| format!("({at}, {})", policy::sql::literal(value)))
        .collect();
    let answer = server.psql(&format!(
        "SET search_path = pg_catalog; SET DateStyle = 'German'; SET bytea_output = 'escape';
         CREATE TEMP TABLE t (at int, {name} {column_type}); INSERT INTO t VALUES {rows}, (1000, NULL);
         CREATE TEMP VIEW v AS SELECT at, {sql} AS shown FROM t AS r;
         SELECT format_type(a.atttypid, -1) FROM pg_attribute a WHERE a.attrelid = 'v'::regclass AND attname = 'shown';
         SELECT coalesce(shown::text, '~') FROM v ORDER BY at;",
        name = column.name.quoted(),
        rows = rows.join(", "),
        sql = mask.sql(&column, "r"),
    ));
    let mut lines = answer.lines().map(str::to_owned);
    let shown_type = mask.shown_type(column.kind).sql().into_owned();
    assert_eq!(lines.next().unwrap(), shown_type);
    let mut shown: Vec<String> = lines.collect();
    assert_eq!(shown.pop().unwrap(), "~", "NULL stays NULL");
    shown
}

#[expect(clippy::unwrap_used, reason = "a key of 32 bytes")]
fn expected(message: &str) -> String {
    let mut mac = Hmac::<Sha256>::new_from_slice(&KEY).unwrap();
    mac.update(message.as_bytes());
    hex(&mac.finalize().into_bytes()).chars().take(32).collect()
}

/// The digits with UUID's version and variant put in.
fn as_uuid(digits: &str) -> String {
    let mut uuid = String::new();
    for (place, digit) in digits.chars().enumerate() {
        if matches!(place, 8 | 12 | 16 | 20) {
            uuid.push('-');
        }
        uuid.push(match place {
            12 => '8',
            16 => 'a',
            _ => digit,
        });
    }
    uuid
}

#[test]
fn each_value_has_the_hmac_of_its_text() {
    let server = Scratch::start();
    server.psql(&planted());
    let numbers = ["0", "-1", "32767", "-32768"];
    let long = "9".repeat(2000);
    let cases: [(&str, char, &[&str], &[&str]); 9] = [
        ("smallint", 'n', &numbers, &numbers),
        (
            "integer",
            'n',
            &["2147483647", "-2147483648"],
            &["2147483647", "-2147483648"],
        ),
        (
            "bigint",
            'n',
            &["9223372036854775807", "-9223372036854775808"],
            &["9223372036854775807", "-9223372036854775808"],
        ),
        (
            "numeric",
            'n',
            &[
                "1.50",
                "1.5000",
                "1000",
                "0.0",
                "NaN",
                "Infinity",
                "-Infinity",
                &long,
                "1e-300",
            ],
            &[
                "1.5",
                "1.5",
                "1000",
                "0",
                "NaN",
                "Infinity",
                "-Infinity",
                &long,
                &format!("0.{}1", "0".repeat(299)),
            ],
        ),
        ("numeric(10,2)", 'n', &["42", "42.50"], &["42", "42.5"]),
        (
            "text",
            't',
            &["", " ", "O'Brien \\x", "日本😀", "e\u{301}", "é", "42"],
            &["", " ", "O'Brien \\x", "日本😀", "e\u{301}", "é", "42"],
        ),
        ("text", 't', &[&long], &[&long]),
        (
            "uuid",
            'u',
            &[
                "A0EEBC99-9C0B-4EF8-BB6D-6BB9BD380A11",
                "00000000-0000-0000-0000-000000000000",
            ],
            &[
                "a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11",
                "00000000-0000-0000-0000-000000000000",
            ],
        ),
        (
            "uuid",
            'u',
            &["ffffffff-ffff-ffff-ffff-ffffffffffff"],
            &["ffffffff-ffff-ffff-ffff-ffffffffffff"],
        ),
    ];
    for (column_type, letter, values, texts) in cases {
        let wanted: Vec<String> = texts
            .iter()
            .map(|text| expected(&format!("ünal \"kind\"\0{letter}{text}")))
            .map(|digits| if letter == 'u' { as_uuid(&digits) } else { digits })
            .collect();
        assert_eq!(
            shown(&server, "ünal \"kind\"", column_type, values),
            wanted,
            "{column_type} {values:?}"
        );
    }
}

#[test]
fn the_examples_of_the_documentation() {
    let formats = include_str!("../../../docs/formats.md");
    let server = Scratch::start();
    server.psql(&planted());
    for (column_type, kind, value, pseudonym) in EXAMPLES {
        assert_eq!(
            shown(&server, kind, column_type, &[value]),
            [pseudonym],
            "{value}"
        );
        assert!(formats.contains(pseudonym), "{pseudonym}");
    }
}

#[test]
fn without_its_key_nothing_is_named() {
    let server = Scratch::start();
    server.psql(&planted());
    server.psql("UPDATE estop_keys.pseudonym SET id = 'another'");
    assert_eq!(shown(&server, "person", "bigint", &["1", "2"]), ["~", "~"]);
}
