//! Tests of masks: their names and their types. What their SQL shows is tested on a real server, in `tests/mask_sql.rs`.

use super::*;

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
        let mask = Mask::parse(text, kind).unwrap();
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
        Mask::parse("age-band", ColumnType::Date),
        Ok(Mask::AgeBand { years: 10 })
    );
}

#[test]
fn what_is_no_mask() {
    for text in ["", "Null", "null:", "initials:2", "first", "year:", "hash"] {
        assert!(
            matches!(Mask::parse(text, ColumnType::Text), Err(MaskError::Unknown(_))),
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
            matches!(Mask::parse(text, ColumnType::Text), Err(MaskError::Number { .. })),
            "{text}"
        );
    }
    assert_eq!(
        Mask::parse("pseudonym", ColumnType::Text),
        Err(MaskError::PseudonymNotSupported)
    );
    assert_eq!(
        Mask::parse("constant:a\0", ColumnType::Text),
        Err(MaskError::Constant)
    );
    assert_eq!(
        Mask::parse(&format!("constant:{}", "x".repeat(201)), ColumnType::Text),
        Err(MaskError::Constant)
    );
}

#[test]
fn a_mask_must_fit_the_type() {
    for kind in ColumnType::ALL {
        let fits = |text: &str| match Mask::parse(text, kind) {
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
        assert_eq!(fits("constant:x"), text);
        assert_eq!(fits("age-band"), kind == ColumnType::Date);
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
