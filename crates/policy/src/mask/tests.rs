//! Tests of masks: their names and their types. What their SQL shows is tested on a real server, in `tests/mask_sql.rs`.

use std::collections::BTreeSet;

use super::*;

fn parse(text: &str, kind: ColumnType) -> Result<Mask, MaskError> {
    let column = Column {
        name: "person_id".parse().unwrap(),
        kind,
        nullable: true,
        tags: BTreeSet::new(),
    };
    Mask::parse(text, &column, &KeyId::of(&"police-2018".parse().unwrap()))
}

#[test]
fn names_and_types() {
    for (text, kind) in [
        ("null", ColumnType::Boolean),
        ("constant:a:b", ColumnType::Text),
        ("initials", ColumnType::Text),
        ("year", ColumnType::Date),
        ("month", ColumnType::Timestamptz),
        ("age-band:5", ColumnType::Date),
        ("first:3", ColumnType::Text),
        ("round:0", ColumnType::Numeric),
        ("round:6", ColumnType::DoublePrecision),
    ] {
        let mask = parse(text, kind).unwrap();
        assert_eq!(mask.to_string(), text);
        assert_eq!(
            mask.shown_type(kind),
            if text.starts_with("age") {
                ColumnType::Text
            } else {
                kind
            }
        );
    }
    assert_eq!(
        parse("age-band", ColumnType::Date),
        Ok(Mask::AgeBand { years: 10 })
    );
}

#[test]
fn what_is_no_mask() {
    for text in ["", "Null", "null:", "initials:2", "first", "year:", "hash"] {
        assert!(
            matches!(parse(text, ColumnType::Text), Err(MaskError::Unknown(_))),
            "{text}"
        );
    }
    for text in [
        "first:0",
        "first:65",
        "first:",
        "first:+3",
        "first:3 ",
        "first:-1",
        "age-band:1",
        "age-band:51",
        "round:7",
        "first:999",
    ] {
        assert!(
            matches!(parse(text, ColumnType::Text), Err(MaskError::Number { .. })),
            "{text}"
        );
    }
    for text in ["pseudonym:", "pseudonym:a\0b"] {
        assert!(
            matches!(parse(text, ColumnType::Text), Err(MaskError::Kind(_))),
            "{text}"
        );
    }
    assert_eq!(parse("constant:a\0", ColumnType::Text), Err(MaskError::Constant));
    assert_eq!(
        parse(&format!("constant:{}", "x".repeat(201)), ColumnType::Text),
        Err(MaskError::Constant)
    );
}

#[test]
fn a_mask_must_fit_the_type() {
    for kind in ColumnType::ALL {
        let fits = |text: &str| match parse(text, kind) {
            Ok(_) => true,
            Err(MaskError::Type { .. }) => false,
            Err(other) => panic!("{other}"),
        };
        assert!(fits("null"));
        let text = matches!(
            kind,
            ColumnType::Text | ColumnType::Varchar | ColumnType::Char | ColumnType::Enum
        );
        assert_eq!(fits("first:1"), text);
        let moment = matches!(
            kind,
            ColumnType::Date | ColumnType::Timestamptz | ColumnType::Timestamp
        );
        assert_eq!(fits("age-band"), moment);
        let names = matches!(
            kind,
            ColumnType::Text
                | ColumnType::Varchar
                | ColumnType::Char
                | ColumnType::Uuid
                | ColumnType::Smallint
                | ColumnType::Integer
                | ColumnType::Bigint
                | ColumnType::Numeric
                | ColumnType::Decimal(_)
        );
        assert_eq!(fits("pseudonym"), names);
        assert_eq!(
            fits("year"),
            matches!(
                kind,
                ColumnType::Date | ColumnType::Timestamptz | ColumnType::Timestamp
            )
        );
        assert_eq!(
            fits("round:1"),
            matches!(
                kind,
                ColumnType::Numeric | ColumnType::DoublePrecision | ColumnType::Real
            )
        );
    }
}

#[test]
fn nothing_is_read_where_nothing_is_shown() {
    assert!(!Mask::Null.reads_base() && !Mask::Constant("x".to_owned()).reads_base());
    assert!(Mask::Initials.reads_base());
}

#[test]
fn a_constant_is_a_value_of_the_columns_type() {
    let decimal = ColumnType::parse("numeric(5,2)").unwrap();
    let good = [
        (ColumnType::Boolean, "false"),
        (ColumnType::Smallint, "-32768"),
        (ColumnType::Integer, "0"),
        (ColumnType::Bigint, "9223372036854775807"),
        (ColumnType::Numeric, "-12.50"),
        (decimal, "-999.99"),
        (ColumnType::DoublePrecision, "0"),
        (ColumnType::Date, "1900-01-01"),
        (ColumnType::Timestamptz, "1900-01-01T00:00:00Z"),
        (ColumnType::Timestamp, "1900-01-01T00:00:00"),
        (ColumnType::Real, "-12.50"),
        (ColumnType::Enum, "anything"),
        (ColumnType::Uuid, "00000000-0000-0000-0000-000000000000"),
        (ColumnType::Text, ""),
    ];
    for (kind, text) in good {
        let mask = parse(&format!("constant:{text}"), kind);
        assert_eq!(mask, Ok(Mask::Constant(text.to_owned())), "{kind:?}");
    }
    let bad = [
        (ColumnType::Boolean, "yes"),
        (ColumnType::Smallint, "32768"),
        (ColumnType::Integer, "+1"),
        (ColumnType::Integer, "1.0"),
        (ColumnType::Bigint, "x"),
        (ColumnType::Numeric, "1e5"),
        (ColumnType::Numeric, "NaN"),
        (ColumnType::Numeric, "."),
        (decimal, "1000"),
        (decimal, "1.005"),
        (ColumnType::DoublePrecision, "infinity"),
        (ColumnType::Date, "01/02/1900"),
        (ColumnType::Date, "1900-02-30"),
        (ColumnType::Date, "0000-01-01"),
        (ColumnType::Timestamptz, "1900-01-01"),
        (ColumnType::Timestamptz, "1900-01-01T00:00:00+01:00"),
        (ColumnType::Uuid, "0000"),
        (ColumnType::Uuid, "0000000-00000-0000-0000-000000000000"),
    ];
    for (kind, text) in bad {
        let refused = parse(&format!("constant:{text}"), kind);
        assert!(
            matches!(refused, Err(MaskError::ConstantValue { .. })),
            "{kind:?} {text}: {refused:?}"
        );
    }
    assert!(matches!(
        parse("constant:x", ColumnType::Jsonb),
        Err(MaskError::Type { .. })
    ));
}

#[test]
fn a_pseudonym_is_of_what_its_column_is_called_unless_said() {
    let plain = parse("pseudonym", ColumnType::Bigint).unwrap();
    let said = parse("pseudonym:person", ColumnType::Bigint).unwrap();
    assert_eq!(
        (plain.to_string(), said.to_string()),
        ("pseudonym".to_owned(), "pseudonym:person".to_owned())
    );
    assert_eq!(plain.pseudonym().unwrap().kind.as_str(), "person_id");
    assert_eq!(said.pseudonym().unwrap().kind.as_str(), "person");
    assert_eq!(plain.shown_type(ColumnType::Bigint), ColumnType::Text);
    assert_eq!(plain.shown_type(ColumnType::Uuid), ColumnType::Uuid);
    let one = KeyId::of(&"police-2018".parse().unwrap());
    let other = KeyId::of(&"police-2019".parse().unwrap());
    assert_ne!(one, other);
    assert_eq!(one.as_str().len(), 16);
    assert_eq!(plain.key(), Some(&one));
}
