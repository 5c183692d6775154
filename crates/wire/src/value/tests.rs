//! One text for each value: the two formats agree, spellings agree, and what is not certain is refused.

use proptest::prelude::*;

use super::{Sort, Unreadable};
use crate::frontend::Format::{self, Binary, Text};

fn canonical(sort: Sort, format: Format, value: &[u8]) -> Result<String, Unreadable> {
    let mut out = b"kept:".to_vec();
    let result = sort.canonical(format, value, &mut out);
    let text = String::from_utf8(out).unwrap();
    let written = text.strip_prefix("kept:").unwrap().to_owned();
    assert!(
        result.is_ok() || written.is_empty(),
        "nothing is left of what is refused"
    );
    result.map(|()| written)
}

/// The groups of a number as PostgreSQL sends it, from digits before and behind the point.
fn numeric(negative: bool, whole: &str, fraction: &str) -> Vec<u8> {
    let padded = format!("{}{whole}", "0".repeat((4 - whole.len() % 4) % 4));
    let behind = format!("{fraction}{}", "0".repeat((4 - fraction.len() % 4) % 4));
    let groups = |text: &str| -> Vec<u16> {
        let groups = text.as_bytes().chunks(4);
        groups
            .map(|group| std::str::from_utf8(group).unwrap().parse().unwrap())
            .collect()
    };
    let mut digits = groups(&padded);
    let mut weight = i16::try_from(digits.len()).unwrap() - 1;
    digits.extend(groups(&behind));
    while digits.first() == Some(&0) {
        digits.remove(0);
        weight -= 1;
    }
    while digits.last() == Some(&0) {
        digits.pop();
    }
    if digits.is_empty() {
        weight = 0;
    }
    let sign: u16 = if negative && !digits.is_empty() { 0x4000 } else { 0 };
    let mut out = Vec::new();
    out.extend(u16::try_from(digits.len()).unwrap().to_be_bytes());
    out.extend(weight.to_be_bytes());
    out.extend(sign.to_be_bytes());
    out.extend(u16::try_from(fraction.len()).unwrap().to_be_bytes());
    digits.iter().for_each(|digit| out.extend(digit.to_be_bytes()));
    out
}

#[test]
fn equal_values_have_one_spelling() {
    for (sort, format, value, wanted) in [
        (Sort::Integer, Text, &b"-0042"[..], "-42"),
        (Sort::Integer, Binary, &[0xff, 0xd6], "-42"),
        (Sort::Integer, Binary, &[0, 0, 0, 7], "7"),
        (
            Sort::Integer,
            Binary,
            &i64::MIN.to_be_bytes(),
            "-9223372036854775808",
        ),
        (Sort::Numeric, Text, b"007.500", "7.5"),
        (Sort::Numeric, Text, b"-0.00", "0"),
        (Sort::Numeric, Text, b".5", "0.5"),
        (Sort::Numeric, Text, b"42.000", "42"),
        (Sort::Numeric, Binary, &[0, 0, 0, 0, 0xC0, 0, 0, 0], "NaN"),
        (Sort::Padded, Text, b"ab  ", "ab"),
        (Sort::Padded, Binary, b"    ", ""),
        (Sort::Text, Binary, "\u{fc} ".as_bytes(), "\u{fc} "),
        (
            Sort::Uuid,
            Text,
            b"A0EEBC99-9C0B-4EF8-BB6D-6BB9BD380A11",
            "a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11",
        ),
        (Sort::Date, Binary, &0_i32.to_be_bytes(), "2000-01-01"),
        (Sort::Date, Binary, &(-1_i32).to_be_bytes(), "1999-12-31"),
        (Sort::Date, Binary, &59_i32.to_be_bytes(), "2000-02-29"),
        (Sort::Date, Binary, &(-730_119_i32).to_be_bytes(), "0001-01-01"),
        (Sort::Date, Binary, &(-730_120_i32).to_be_bytes(), "0001-12-31 BC"),
        (Sort::Date, Text, b"0001-12-31 BC", "0001-12-31 BC"),
        (Sort::Date, Binary, &i32::MAX.to_be_bytes(), "infinity"),
        (Sort::Bytes, Text, b"\\xDEad", "\\xdead"),
        (Sort::Bytes, Binary, &[0xde, 0xad], "\\xdead"),
    ] {
        assert_eq!(
            canonical(sort, format, value).as_deref(),
            Ok(wanted),
            "{sort:?} {value:?}"
        );
    }
}

#[test]
fn what_could_mean_two_things_is_refused() {
    for (sort, format, value) in [
        (Sort::Integer, Text, &b"1.5"[..]),
        (Sort::Integer, Text, b""),
        (Sort::Integer, Binary, &[1, 2, 3]),
        (Sort::Numeric, Text, b"1e5"),
        (Sort::Numeric, Text, b"."),
        (Sort::Numeric, Text, b"1.2.3"),
        // More groups than are there, and one that is none.
        (Sort::Numeric, Binary, &[0, 2, 0, 0, 0, 0, 0, 0, 0, 1]),
        (Sort::Numeric, Binary, &[0, 1, 0, 0, 0, 0, 0, 0, 0x27, 0x10]),
        (Sort::Numeric, Binary, &[0, 1, 0x7f, 0xff, 0, 0, 0, 0, 0, 1]),
        (Sort::Uuid, Text, b"a0eebc999c0b4ef8bb6d6bb9bd380a11"),
        (Sort::Uuid, Binary, &[0; 15]),
        // Other styles of dates.
        (Sort::Date, Text, b"11/24/2026"),
        (Sort::Date, Text, b"24.11.2026"),
        (Sort::Date, Text, b"11-24-2026"),
        (Sort::Date, Text, b"2026-13-01"),
        (Sort::Bytes, Text, b"\\\\x41"),
        (Sort::Bytes, Text, b"\\x4"),
        (Sort::Text, Text, &[b'a'; super::MAX_BYTES + 1]),
    ] {
        assert_eq!(
            canonical(sort, format, value),
            Err(Unreadable),
            "{sort:?} {value:?}"
        );
    }
    assert_eq!(Sort::of_type(1184), None, "a moment is nobody");
}

proptest! {
    #[test]
    fn numbers_agree_in_both_formats_and_with_integers(
        negative in any::<bool>(), whole in "[0-9]{1,12}", fraction in "[0-9]{0,9}", number in any::<i64>(),
    ) {
        let sign = if negative { "-" } else { "" };
        let point = if fraction.is_empty() { "" } else { "." };
        let text = canonical(Sort::Numeric, Text, format!("{sign}{whole}{point}{fraction}").as_bytes()).unwrap();
        prop_assert_eq!(&canonical(Sort::Numeric, Binary, &numeric(negative, &whole, &fraction)).unwrap(), &text);
        // Read again it is the same, and equal numbers are equal texts.
        prop_assert_eq!(&canonical(Sort::Numeric, Text, text.as_bytes()).unwrap(), &text);
        let digits = number.to_string();
        let integer = canonical(Sort::Integer, Text, digits.as_bytes()).unwrap();
        prop_assert_eq!(&integer, &digits);
        prop_assert_eq!(&canonical(Sort::Integer, Binary, &number.to_be_bytes()).unwrap(), &digits);
        prop_assert_eq!(&canonical(Sort::Numeric, Text, digits.as_bytes()).unwrap(), &digits);
        let bare = digits.trim_start_matches('-');
        prop_assert_eq!(&canonical(Sort::Numeric, Binary, &numeric(number < 0, bare, "")).unwrap(), &digits);
    }

    #[test]
    fn any_bytes_are_read_or_refused(bytes in prop::collection::vec(any::<u8>(), 0..40)) {
        for oid in [20, 1700, 25, 1042, 2950, 1082, 17] {
            for format in [Text, Binary] {
                let mut out = Vec::new();
                let _ = Sort::of_type(oid).unwrap().canonical(format, &bytes, &mut out);
            }
        }
    }

    #[test]
    fn days_follow_one_another(day in -700_000_i32..4_000_000) {
        let read = |day: i32| canonical(Sort::Date, Binary, &day.to_be_bytes()).unwrap();
        let (one, next) = (read(day), read(day + 1));
        prop_assert_eq!(&canonical(Sort::Date, Text, one.as_bytes()).unwrap(), &one);
        // Text of such dates sorts as time does, for years of four digits.
        prop_assert!(one < next || one.len() != next.len());
    }
}
