//! Tests of requests and answers: what is written is read, and nothing else.

use super::*;

const ENTRY: &str = "estop/entry/v1\nkind session\ntime 2026-11-23T00:00:02Z\npartner federal-agency\nagreement federal-2019\npurpose immigration-enforcement\ncommitment pw14fVPfJSFsh3HR/nUnbIxrQGeM0FEn8VIOB8m7mk0=\n";

fn request() -> Request {
    let asked = |index, until: Option<&str>| Asked {
        index,
        under: Under {
            overseers: "court".parse().unwrap(),
            until: until.map(|text| text.parse().unwrap()),
        },
        sealed_key: [5; SEALED_KEY_BYTES],
        entry: ENTRY.into(),
    };
    Request {
        custodian: "records.example.org".parse().unwrap(),
        overseers: "court".parse().unwrap(),
        asked: vec![asked(2, None), asked(17, Some("2031-01-01T00:00:00Z"))],
    }
}

fn answer() -> Answer {
    Answer {
        custodian: "records.example.org".parse().unwrap(),
        overseers: "court".parse().unwrap(),
        holders: vec!["judge".parse().unwrap(), "press".parse().unwrap()],
        order: Some("order 26-CV-17".to_owned()),
        opened: vec![(2, OpeningKey::new([1; 32])), (17, OpeningKey::new([2; 32]))],
    }
}

#[test]
fn what_is_written_is_read_and_nothing_else() {
    let text = request().text().unwrap();
    assert_eq!(Request::parse(&text).unwrap(), request());
    let answered = answer().text().unwrap();
    assert_eq!(Answer::parse(&answered).unwrap(), answer());
    let without = Answer {
        order: None,
        ..answer()
    };
    assert_eq!(Answer::parse(&without.text().unwrap()).unwrap(), without);
    for (file, changes) in [
        (text.as_str(), ["entry 17 ", "entry 017 "]),
        (&text, ["entry 17 ", "entry 2 "]),
        (&text, ["2031-01-01T00:00:00Z", "2031-01-01"]),
        (&text, ["overseers court", "overseers Court"]),
        (&answered, ["opened 17 ", "opened 1 "]),
        (&answered, ["holder press", "holder "]),
        (&answered, ["order order", "order \u{202e}order"]),
        (&answered, ["opened 17 A", "opened 17  A"]),
    ] {
        let changed = file.replace(changes[0], changes[1]);
        assert_ne!(changed, file);
        assert!(Request::parse(&changed).is_err(), "{changed}");
        assert!(Answer::parse(&changed).is_err(), "{changed}");
    }
    for part in (0..text.len()).filter_map(|cut| text.get(..cut)) {
        if let Ok(read) = Request::parse(part) {
            assert_eq!(read.text().unwrap(), part);
        }
    }
}

#[test]
fn what_is_no_entry_with_a_record_or_sealed_to_others_is_not_asked_for() {
    let mut public = request();
    public.asked[1].entry = ENTRY
        .replace("commitment pw14fVPfJSFsh3HR/nUnbIxrQGeM0FEn8VIOB8m7mk0=\n", "")
        .into();
    assert_eq!(public.text(), Err(UnsealingError::NoEntry(17)));
    let mut others = request();
    others.asked[0].under.overseers = "council".parse().unwrap();
    assert_eq!(others.text(), Err(UnsealingError::NoEntry(2)));
    let nothing = Request {
        asked: Vec::new(),
        ..request()
    };
    assert_eq!(nothing.text(), Err(UnsealingError::Entries));
    assert_eq!(
        Answer {
            order: Some(String::new()),
            ..answer()
        }
        .text()
        .unwrap_err(),
        UnsealingError::Order
    );
}
