//! Entries of every kind, the rules between their fields, and bytes that are none.

use super::*;

const DISCLOSURE: &str = "estop/entry/v1\n\
    kind disclosure\n\
    time 2026-11-23T00:00:00Z\n\
    partner federal-agency\n\
    agreement federal-2019\n\
    purpose immigration-enforcement\n\
    sequence 17\n\
    previous 47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=\n\
    commitment AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=\n";

const GENESIS: &str = "estop/entry/v1\nkind genesis\ntime 2026-11-23T00:00:00Z\n";

fn disclosure() -> Entry {
    Entry {
        kind: Kind::Disclosure,
        time: "2026-11-23T00:00:00Z".parse().unwrap(),
        partner: Some("federal-agency".parse().unwrap()),
        agreement: Some("federal-2019".parse().unwrap()),
        purpose: Some("immigration-enforcement".parse().unwrap()),
        place: Some(Place {
            sequence: 17,
            previous: hash::EMPTY_ROOT,
        }),
        commitment: Some(Hash::ZERO),
        body: None,
    }
}

fn genesis() -> Entry {
    Entry {
        kind: Kind::Genesis,
        time: disclosure().time,
        partner: None,
        agreement: None,
        purpose: None,
        place: None,
        commitment: None,
        body: None,
    }
}

#[test]
fn an_entry_is_the_bytes_of_the_specification() {
    assert_eq!(
        String::from_utf8(disclosure().encode().unwrap()).unwrap(),
        DISCLOSURE
    );
    assert_eq!(Entry::parse(DISCLOSURE.as_bytes()), Ok(disclosure()));
    assert_eq!(String::from_utf8(genesis().encode().unwrap()).unwrap(), GENESIS);
    assert_eq!(Entry::parse(GENESIS.as_bytes()), Ok(genesis()));
    assert_eq!(disclosure().leaf().unwrap(), hash::leaf(DISCLOSURE.as_bytes()));
}

#[test]
fn a_body_follows_an_empty_line() {
    for body in ["a\n", "\n", "a\n\nb\n", "kind genesis\n", "\ttabbed\n", "ä\n"] {
        let entry = Entry {
            body: Some(body.to_owned()),
            ..genesis()
        };
        let bytes = entry.encode().unwrap();
        assert_eq!(bytes, format!("{GENESIS}\n{body}").into_bytes());
        assert_eq!(Entry::parse(&bytes), Ok(entry));
    }
    for body in ["", "a", "a\r\n", "a\0\n", "a\u{7f}\n", "a\u{85}\n"] {
        let entry = Entry {
            body: Some(body.to_owned()),
            ..genesis()
        };
        assert_eq!(entry.encode(), Err(EntryError::Body), "{body:?}");
        assert_eq!(
            Entry::parse(format!("{GENESIS}\n{body}").as_bytes()),
            Err(EntryError::Body),
            "{body:?}"
        );
    }
}

#[test]
fn every_kind_has_one_name_and_knows_its_logs() {
    let mut names: Vec<&str> = Kind::ALL.iter().map(|kind| kind.as_str()).collect();
    for kind in Kind::ALL {
        assert_eq!(kind.as_str().parse(), Ok(kind));
        assert_eq!(serde_json::to_string(&kind).unwrap(), format!("\"{kind}\""));
    }
    assert!(names.is_sorted());
    names.dedup();
    assert_eq!(names.len(), Kind::ALL.len());
    let in_partner_log: Vec<&str> = Kind::ALL
        .into_iter()
        .filter(|kind| kind.in_partner_log())
        .map(Kind::as_str)
        .collect();
    assert_eq!(
        in_partner_log,
        ["closed", "continuation", "cut", "disclosure", "opened", "outcome"]
    );
    assert_eq!("Genesis".parse::<Kind>(), Err(KindError));
}

#[test]
fn a_place_stands_on_entries_of_partner_logs_and_on_no_others() {
    for kind in Kind::ALL {
        let with = Entry { kind, ..disclosure() };
        let without = Entry {
            kind,
            place: None,
            ..disclosure()
        };
        let (right, wrong) = if kind.in_partner_log() {
            (with, without)
        } else {
            (without, with)
        };
        assert_eq!(Entry::parse(&right.encode().unwrap()).as_ref(), Ok(&right));
        assert_eq!(wrong.encode(), Err(EntryError::Place(kind)));
    }
    let nobodys = Entry {
        partner: None,
        ..disclosure()
    };
    assert_eq!(nobodys.encode(), Err(EntryError::Place(Kind::Disclosure)));
    let without = DISCLOSURE.replace("partner federal-agency\n", "");
    assert_eq!(
        Entry::parse(without.as_bytes()),
        Err(EntryError::Place(Kind::Disclosure))
    );
    let misplaced = DISCLOSURE.replace("kind disclosure", "kind refusal");
    assert_eq!(
        Entry::parse(misplaced.as_bytes()),
        Err(EntryError::Place(Kind::Refusal))
    );
}

#[test]
fn times_are_whole_seconds_of_four_digit_years() {
    let at = |text: &str| Entry {
        time: text.parse().unwrap(),
        ..genesis()
    };
    let fraction = at("2026-11-23T00:00:00.000000001Z");
    assert_eq!(fraction.encode(), Err(EntryError::Time(fraction.time)));
    assert_eq!(whole_second(fraction.time), genesis().time);
    let early = at("-000001-01-01T00:00:00Z");
    assert_eq!(early.encode(), Err(EntryError::Time(early.time)));
    assert!(at("0000-01-01T00:00:00Z").encode().is_ok());
    assert!(at("9999-12-30T00:00:00Z").encode().is_ok());
    assert_eq!(whole_second(Timestamp::MIN), Timestamp::MIN);
    let refused = [
        "2026-11-23T00:00:00+00:00",
        "2026-11-23T00:00:00z",
        "2026-11-23t00:00:00Z",
        "2026-11-23 00:00:00Z",
        "2026-11-23T00:00:00.0Z",
        "2026-11-23T00:00:60Z",
        "2026-11-23T24:00:00Z",
        "2026-02-30T00:00:00Z",
        "2026-11-23T00:00Z",
        "20261123T000000Z",
        "+2026-11-23T00:00:0Z",
        "",
    ];
    for text in refused {
        let bytes = GENESIS.replace("2026-11-23T00:00:00Z", text);
        assert!(
            matches!(
                Entry::parse(bytes.as_bytes()),
                Err(EntryError::Line { line: 3, .. })
            ),
            "`{text}`"
        );
    }
}

#[test]
fn what_is_wrong_is_said_with_its_line() {
    let line = |text: String| match Entry::parse(text.as_bytes()) {
        Err(EntryError::Line { line, .. }) => line,
        other => panic!("{other:?} from {text:?}"),
    };
    assert_eq!(line(String::new()), 1);
    assert_eq!(line("\n".to_owned()), 1);
    assert_eq!(line("\n\n\n".to_owned()), 1);
    assert_eq!(line(DISCLOSURE.replace("v1", "v2")), 1);
    assert_eq!(line(DISCLOSURE.trim_end().to_owned()), 9);
    assert_eq!(line(DISCLOSURE.replace("kind disclosure", "kind disclosures")), 2);
    assert_eq!(line(DISCLOSURE.replace("kind disclosure\n", "")), 2);
    assert_eq!(line(DISCLOSURE.replace("kind disclosure", "Kind disclosure")), 2);
    assert_eq!(line(DISCLOSURE.replace("kind disclosure", "kind  disclosure")), 2);
    assert_eq!(line(DISCLOSURE.replace("kind disclosure", "kind disclosure ")), 2);
    assert_eq!(line(DISCLOSURE.replace("partner f", "partner F")), 4);
    assert_eq!(line(DISCLOSURE.replace("sequence 17", "sequence 017")), 7);
    assert_eq!(
        line(DISCLOSURE.replace("sequence 17", "sequence 18446744073709551616")),
        7
    );
    assert_eq!(line(DISCLOSURE.replace("sequence 17\n", "")), 7);
    assert_eq!(line(DISCLOSURE.replace("uFU=", "uFV=")), 8);
    assert_eq!(line(DISCLOSURE.replace("previous", "next")), 8);
    assert_eq!(line(DISCLOSURE.replace("AAA=", "AAB=")), 9);
    assert_eq!(line(format!("{DISCLOSURE}officer j.doe\n")), 10);
    assert_eq!(
        line(format!(
            "{DISCLOSURE}commitment AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=\n"
        )),
        10
    );
    assert_eq!(
        line(DISCLOSURE.replace("kind disclosure\n", "kind disclosure\r\n")),
        2
    );
    // In another order the line that comes too late is the one that is too much.
    let swapped = DISCLOSURE.replace(
        "partner federal-agency\nagreement federal-2019",
        "agreement federal-2019\npartner federal-agency",
    );
    assert_eq!(line(swapped), 5);
}

#[test]
fn bytes_that_are_no_text_or_too_many_are_refused() {
    assert_eq!(
        Entry::parse(b"estop/entry/v1\n\xff"),
        Err(EntryError::NotText { at: 15 })
    );
    let room = MAX_ENTRY_BYTES - GENESIS.len() - 2;
    let longest = Entry {
        body: Some("x".repeat(room) + "\n"),
        ..genesis()
    };
    let bytes = longest.encode().unwrap();
    assert_eq!(bytes.len(), MAX_ENTRY_BYTES);
    assert_eq!(Entry::parse(&bytes), Ok(longest));
    let longer = Entry {
        body: Some("x".repeat(room + 1) + "\n"),
        ..genesis()
    };
    let too_long = EntryError::TooLong {
        bytes: MAX_ENTRY_BYTES + 1,
    };
    assert_eq!(longer.encode(), Err(too_long.clone()));
    let mut bytes = bytes;
    bytes.insert(bytes.len() - 1, b'x');
    assert_eq!(Entry::parse(&bytes), Err(too_long));
}

proptest::proptest! {
    /// jiff reads many spellings of a moment; of these, one is taken: the one that is written.
    #[test]
    fn a_time_has_one_spelling(
        seconds in -62_167_219_200_i64..253_402_300_799,
        at in 0_usize..20,
        other in "[0-9:TZtz.+ -]",
    ) {
        let written = text::format_time(Timestamp::from_second(seconds).unwrap()).unwrap();
        proptest::prop_assert_eq!(text::parse_time(&written).map(Timestamp::as_second), Some(seconds));
        let mut changed = written;
        changed.replace_range(at..=at, &other);
        let read: Option<Timestamp> = changed.parse().ok();
        let canonical = read.filter(|time| text::format_time(*time).as_ref() == Some(&changed));
        proptest::prop_assert_eq!(text::parse_time(&changed), canonical, "{}", changed);
    }
}
