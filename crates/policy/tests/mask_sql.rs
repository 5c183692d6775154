//! What masks show, on a real server: the values, their types, and no error whatever the column holds.

#[cfg(test)]
mod support;

use std::collections::BTreeSet;

use policy::estate::{Column, ColumnType};
use policy::mask::{KeyId, Mask};
use support::Scratch;

/// What a mask shows of each value of a type. `value` and the answers are texts of PostgreSQL's; NULL comes out as `~`.
struct Case {
    kind: ColumnType,
    mask: &'static str,
    values: &'static [(&'static str, &'static str)],
}

const CASES: [Case; 25] = [
    Case {
        kind: ColumnType::Uuid,
        mask: "null",
        values: &[("a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11", "~")],
    },
    Case {
        kind: ColumnType::Text,
        mask: "constant:it's \\ here",
        values: &[("x", "it's \\ here"), ("", "it's \\ here")],
    },
    Case {
        kind: ColumnType::Text,
        mask: "initials",
        values: &[
            ("Ada King", "A. K."),
            ("  Ada  ", "A."),
            ("", ""),
            ("   ", ""),
            ("ünal özil\nx", "ü. ö. x."),
            ("日本 😀x", "日. 😀."),
            ("\\1 \\2", "\\. \\."),
            // A letter without the accent that follows it; a space that is none in the "C" collation.
            ("e\u{301}mile zola", "e. z."),
            ("Ada\u{2003}King", "A."),
            ("\u{301}", "\u{301}."),
        ],
    },
    Case {
        kind: ColumnType::Text,
        mask: "first:3",
        values: &[
            ("60601", "606"),
            ("日本語です", "日本語"),
            ("a", "a"),
            ("", ""),
            ("😀😀😀😀", "😀😀😀"),
            ("e\u{301}abc", "e\u{301}a"),
        ],
    },
    Case {
        kind: ColumnType::Date,
        mask: "year",
        values: &[
            ("1990-07-14", "1990-01-01"),
            ("0001-12-31", "0001-01-01"),
            ("9999-12-31", "9999-01-01"),
            ("10000-01-01", "~"),
            ("0001-12-31 BC", "~"),
            ("infinity", "~"),
            ("-infinity", "~"),
            ("5874897-12-31", "~"),
            ("4713-01-01 BC", "~"),
        ],
    },
    Case {
        kind: ColumnType::Date,
        mask: "month",
        values: &[
            ("2024-02-29", "2024-02-01"),
            ("infinity", "~"),
            ("294277-01-01", "~"),
        ],
    },
    Case {
        kind: ColumnType::Timestamptz,
        mask: "year",
        values: &[
            ("2024-01-01 00:30:00+00", "2024-01-01 00:00:00+00"),
            ("2023-12-31 23:30:00+00", "2023-01-01 00:00:00+00"),
            ("infinity", "~"),
            ("9999-12-31 23:59:59.999999+00", "9999-01-01 00:00:00+00"),
            ("10000-01-01 00:00:00+00", "~"),
            ("294276-12-31 23:59:59+00", "~"),
            ("4713-11-24 00:00:00+00 BC", "~"),
        ],
    },
    Case {
        kind: ColumnType::Timestamptz,
        mask: "month",
        values: &[("2024-02-29 12:00:00+00", "2024-02-01 00:00:00+00")],
    },
    Case {
        kind: ColumnType::Date,
        mask: "age-band",
        values: &[
            ("infinity", "~"),
            ("-infinity", "~"),
            ("5874897-12-31", "~"),
            ("4713-01-01 BC", "~"),
            ("9999-01-01", "~"),
            ("0001-01-01", "90+"),
            ("1900-01-01", "90+"),
        ],
    },
    Case {
        kind: ColumnType::Timestamptz,
        mask: "age-band",
        values: &[
            ("infinity", "~"),
            ("-infinity", "~"),
            ("294276-12-31 23:59:59+00", "~"),
            ("4713-11-24 00:00:00+00 BC", "~"),
            ("9999-01-01 00:00:00+00", "~"),
            ("1900-01-01 12:00:00+00", "90+"),
        ],
    },
    Case {
        kind: ColumnType::Boolean,
        mask: "constant:false",
        values: &[("true", "false")],
    },
    Case {
        kind: ColumnType::Bigint,
        mask: "constant:-1",
        values: &[("9223372036854775807", "-1")],
    },
    Case {
        kind: ColumnType::Numeric,
        mask: "constant:12.50",
        values: &[("NaN", "12.50")],
    },
    Case {
        kind: ColumnType::Date,
        mask: "constant:1900-02-01",
        values: &[("infinity", "1900-02-01")],
    },
    Case {
        kind: ColumnType::Timestamptz,
        mask: "constant:1900-02-01T10:00:00Z",
        values: &[("infinity", "1900-02-01 10:00:00+00")],
    },
    Case {
        kind: ColumnType::Numeric,
        mask: "round:2",
        values: &[
            ("41.878113", "41.88"),
            ("-87.6298", "-87.63"),
            ("NaN", "~"),
            ("1e300", "1e300"),
            ("Infinity", "~"),
            ("-Infinity", "~"),
            ("1e1000", "~"),
        ],
    },
    Case {
        kind: ColumnType::DoublePrecision,
        mask: "round:2",
        values: &[
            ("41.878113", "41.88"),
            ("-87.6298", "-87.63"),
            ("NaN", "~"),
            ("Infinity", "~"),
            ("-Infinity", "~"),
            ("1e300", "~"),
            ("1e-320", "0"),
        ],
    },
    Case {
        kind: ColumnType::Real,
        mask: "round:2",
        values: &[
            ("41.878113", "41.88"),
            ("NaN", "~"),
            ("Infinity", "~"),
            ("1e30", "~"),
        ],
    },
    Case {
        kind: ColumnType::Timestamp,
        mask: "month",
        values: &[
            ("2024-02-29 23:59:59.999999", "2024-02-01 00:00:00"),
            ("infinity", "~"),
            ("294276-12-31 23:59:59", "~"),
            ("4713-11-24 00:00:00 BC", "~"),
        ],
    },
    Case {
        kind: ColumnType::Varchar,
        mask: "initials",
        values: &[("Ada King", "A. K.")],
    },
    Case {
        kind: ColumnType::Char,
        mask: "first:2",
        values: &[("x", "x")],
    },
    Case {
        kind: ColumnType::Enum,
        mask: "first:2",
        values: &[("open case", "op"), ("x", "x")],
    },
    Case {
        kind: ColumnType::Enum,
        mask: "null",
        values: &[("x", "~")],
    },
    Case {
        kind: ColumnType::Jsonb,
        mask: "null",
        values: &[("{}", "~")],
    },
    Case {
        kind: ColumnType::DoublePrecision,
        mask: "round:0",
        values: &[("2.5", "3"), ("-0.4", "0")],
    },
];

#[expect(clippy::unwrap_used, reason = "the name is this test's own")]
fn column(kind: ColumnType) -> Column {
    Column {
        name: "odd \"name".parse().unwrap(),
        kind,
        nullable: true,
        tags: BTreeSet::new(),
    }
}

#[expect(clippy::unwrap_used, reason = "the id is this test's own")]
fn key() -> KeyId {
    KeyId::of(&"police-2018".parse().unwrap())
}

#[test]
fn masks_show_what_they_say() {
    let server = Scratch::start();
    server.psql("CREATE TYPE \"enum\" AS ENUM ('x', 'open case')");
    for case in &CASES {
        let column = column(case.kind);
        let mask = Mask::parse(case.mask, &column, &key()).unwrap();
        let name = column.name.quoted();
        let shown_type = mask.shown_type(case.kind).sql();
        for (value, shown) in case.values.iter().chain([&(
            "~",
            // A constant stands where nothing does, too.
            if case.mask.starts_with("constant") {
                case.values[0].1
            } else {
                "~"
            },
        )]) {
            let value = if *value == "~" {
                "NULL".to_owned()
            } else {
                policy::sql::literal(value)
            };
            let sql = mask.sql(&column, "r");
            // A session of the partner's may have any time zone; output is read in UTC.
            let answer = server.psql(&format!(
                "SET search_path = pg_catalog; SET TimeZone = 'UTC';
                 CREATE TEMP TABLE t ({name} {kind}); INSERT INTO t VALUES ({value});
                 SET TimeZone = 'Pacific/Kiritimati';
                 CREATE TEMP VIEW v AS SELECT {sql} AS shown FROM t AS r;
                 SELECT format_type(a.atttypid, -1) FROM pg_attribute a WHERE a.attrelid = 'v'::regclass;
                 CREATE TEMP TABLE w AS SELECT * FROM v;
                 SET TimeZone = 'UTC';
                 SELECT replace(coalesce(shown::text, '~'), E'\\n', ' ') FROM w;",
                kind = if case.kind == ColumnType::Enum {
                    "public.\"enum\"".into()
                } else {
                    case.kind.sql()
                },
            ));
            let (seen_type, seen) = answer.strip_suffix('\n').unwrap().split_once('\n').unwrap();
            assert_eq!(seen_type, shown_type, "{} of {value}", case.mask);
            let same_number = matches!((seen.parse::<f64>(), shown.parse::<f64>()), (Ok(a), Ok(b)) if a == b);
            assert!(
                seen == *shown || same_number,
                "{} of {value}: {seen:?}, not {shown:?}",
                case.mask
            );
        }
    }
}

#[test]
fn ages_are_in_their_band() {
    let server = Scratch::start();
    for (mask, years) in [("age-band", 10), ("age-band:5", 5), ("age-band:7", 7)] {
        let mask = Mask::parse(mask, &column(ColumnType::Date), &key()).unwrap();
        let sql = mask.sql(&column(ColumnType::Date), "r");
        // Born on the day, a day after it and a day before it, so many years ago by UTC.
        let answer = server.psql(&format!(
            "SET search_path = pg_catalog;
             SELECT n, d, {sql} FROM generate_series(0, 100) AS n, generate_series(-1, 1) AS d,
               LATERAL (SELECT ((timezone('UTC', now()) - make_interval(years => n))::date + d) AS \"odd \"\"name\") AS r
             ORDER BY n, d;"
        ));
        let mut seen = 0;
        for line in answer.lines() {
            let [n, d, band] = line.split('|').collect::<Vec<_>>()[..] else {
                panic!("{line}")
            };
            let (n, d): (i32, i32) = (n.parse().unwrap(), d.parse().unwrap());
            // Who was born a day later is a year younger; who was not born yet has no age.
            let age = if d == 1 { n - 1 } else { n };
            let lower = age.div_euclid(years) * years;
            let expected = match age {
                ..0 => String::new(),
                90.. => "90+".to_owned(),
                _ => format!("{lower}-{}", lower + years - 1),
            };
            assert_eq!(band, expected, "{n} years, {d} days, by {years}");
            seen += 1;
        }
        assert_eq!(seen, 303);
    }
}
