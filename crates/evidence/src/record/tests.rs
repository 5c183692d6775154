//! Records: their JSON as it is stored, what is refused, and texts cut at their bounds.

use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;
use crate::hash;
use crate::id::{CorrectionNumber, DatasetId};
use crate::subject::{AccountingKey, TagSet};

fn at(text: &str) -> Timestamp {
    text.parse().unwrap()
}

fn disclosure() -> Disclosure {
    Disclosure {
        session: SessionId::from(1),
        statement_number: 2,
        partner: "federal-agency".parse().unwrap(),
        officer: "j.doe".parse().unwrap(),
        agreement: "federal-2019".parse().unwrap(),
        purpose: "immigration-enforcement".parse().unwrap(),
        case: Some("AB-2026-7".into()),
        text: "select * from people where id = $1".into(),
        parameters: parameters([
            ParameterValue::Text(b"7"),
            ParameterValue::Binary(&[0, 1]),
            ParameterValue::Null,
        ]),
        started: at("2026-11-23T00:00:00.123456789Z"),
        rows: 1,
        bytes: 42,
        outcome: Outcome::Complete {
            tag: "SELECT 1".into(),
        },
        legal_basis: None,
        subjects: Vec::new(),
        unattributed: Vec::new(),
    }
}

fn subjects() -> Vec<Subjects> {
    let key = AccountingKey::new([3; 16]);
    let people: DatasetId = "people".parse().unwrap();
    vec![Subjects {
        columns: vec!["person_id".into(), "name".into()],
        rows: 3,
        key: key.id(),
        tags: TagSet::new(vec![key.tagger(&people).tag(b"7"), key.tagger(&people).tag(b"8")]),
        dataset: people,
    }]
}

fn unattributed() -> Vec<Unattributed> {
    vec![Unattributed {
        dataset: None,
        why: Why::NoKey,
        rows: 4,
    }]
}

fn json_of<R: Record>(record: &R) -> Value {
    serde_json::from_slice(&encode(record).unwrap()).unwrap()
}

/// Encodes, decodes and encodes again; the record must come through, and its entry's kind be the one that is
/// meant.
fn round_trip<R: Record + PartialEq + fmt::Debug>(kind: Kind, record: &R) {
    assert_eq!(R::KIND, kind);
    let bytes = encode(record).unwrap();
    let read: R = decode(&bytes).unwrap();
    assert_eq!(&read, record);
    assert_eq!(encode(&read).unwrap(), bytes);
}

#[test]
fn a_disclosure_is_stored_as_documented() {
    assert_eq!(
        json_of(&disclosure()),
        json!({
            "session": "0000000000000001",
            "statement_number": 2,
            "partner": "federal-agency",
            "officer": "j.doe",
            "agreement": "federal-2019",
            "purpose": "immigration-enforcement",
            "case": "AB-2026-7",
            "text": {"text": "select * from people where id = $1"},
            "parameters": [{"text": "7"}, {"binary": "AAE="}, "null"],
            "started": "2026-11-23T00:00:00.123456Z",
            "rows": 1,
            "bytes": 42,
            "outcome": {"complete": {"tag": "SELECT 1"}},
        })
    );
    assert_eq!(
        serde_json::to_value(Outcome::Streaming).unwrap(),
        json!("streaming")
    );
    assert_eq!(
        serde_json::to_value(Outcome::Failed {
            sqlstate: "57P01".into()
        })
        .unwrap(),
        json!({"failed": {"sqlstate": "57P01"}})
    );
}

#[test]
fn every_record_can_be_read_back() {
    let session = SessionId::from(1);
    let time = at("2026-11-23T00:00:00.5Z");
    let number: DirectiveNumber = "D-2026-0001".parse().unwrap();
    round_trip(
        Kind::Disclosure,
        &Disclosure {
            started: time,
            ..disclosure()
        },
    );
    round_trip(
        Kind::Disclosure,
        &Disclosure {
            started: time,
            legal_basis: Some("ISA 2018-044".into()),
            subjects: subjects(),
            unattributed: unattributed(),
            ..disclosure()
        },
    );
    round_trip(
        Kind::Session,
        &Session {
            session: session.clone(),
            partner: disclosure().partner,
            officer: disclosure().officer,
            agreement: disclosure().agreement,
            purpose: disclosure().purpose,
            case: None,
            client: "127.0.0.1:5432".into(),
            application: Some("psql".into()),
            epoch: Epoch(3),
            started: time,
        },
    );
    round_trip(
        Kind::Ended,
        &Ended {
            session: session.clone(),
            at: time,
            statements: 1,
            rows: 2,
            bytes: 3,
            how: "terminate".into(),
        },
    );
    round_trip(
        Kind::Refusal,
        &Refusal {
            at: time,
            session: None,
            partner: None,
            officer: Some("anyone\0at all".into()),
            agreement: Some("x".into()),
            purpose: None,
            client: "[::1]:1".into(),
            sqlstate: "28000".into(),
            reason: "no such agreement".into(),
            statement: Some("select 1".into()),
        },
    );
    round_trip(
        Kind::Continuation,
        &Continuation {
            session: session.clone(),
            statement_number: 1,
            rows: 2,
            bytes: 3,
            subjects: subjects(),
            unattributed: unattributed(),
        },
    );
    round_trip(
        Kind::Outcome,
        &OutcomeRecord {
            session: session.clone(),
            statement_number: 1,
            rows: 2,
            bytes: 3,
            outcome: Outcome::Failed {
                sqlstate: "57014".into(),
            },
            ended: time,
        },
    );
    round_trip(
        Kind::Cut,
        &Cut {
            session,
            directive: number.clone(),
            at: time,
            statements: 1,
            rows: 2,
            bytes: 3,
            in_statement: Some(1),
        },
    );
    round_trip(
        Kind::Drained,
        &Drained {
            gateway: "gateway-1".into(),
            epoch: Epoch(4),
            directive: number.clone(),
            sessions_cut: 1,
            at: time,
        },
    );
    round_trip(
        Kind::Directive,
        &DirectiveRecord {
            number: number.clone(),
            text: "estop/directive/v1\n".to_owned(),
            signatures: vec!["-----BEGIN SSH SIGNATURE-----".to_owned()],
            signers_file: String::new(),
            people: vec!["mayor".to_owned(), "counsel".to_owned()],
            estate: Some(EstateRecord {
                signers_file: "# nobody\n".to_owned(),
                terms: "{}".to_owned(),
            }),
        },
    );
    let role = RoleEvidence {
        role: "estop_0123456789abcdef".to_owned(),
        agreement: disclosure().agreement,
        purpose: disclosure().purpose,
        can_login: false,
        has_password: false,
        backends_ended: 1,
        backends_left: 0,
        prepared_rolled_back: 0,
        can_connect: false,
        readable_relations: 0,
        xmin: "729".to_owned(),
        committed_at: Some(time),
    };
    round_trip(
        Kind::Epoch,
        &EpochRecord {
            epoch: Epoch(4),
            directive: None,
            at: time,
            gateways: vec!["gateway-1".into()],
            approval: Some(number.clone()),
            lifted: vec![number.clone()],
        },
    );
    round_trip(
        Kind::Closed,
        &Closed {
            directive: number.clone(),
            epoch: Epoch(4),
            at: time,
        },
    );
    round_trip(
        Kind::CarriedOut,
        &CarriedOut {
            directive: number,
            epoch: Epoch(4),
            at: time,
            steps: vec![Step {
                what: "NOLOGIN".to_owned(),
                at: time,
                result: "committed".to_owned(),
            }],
            roles: vec![
                role.clone(),
                RoleEvidence {
                    committed_at: None,
                    ..role
                },
            ],
        },
    );
    round_trip(
        Kind::Applied,
        &Applied {
            at: time,
            estate_sha256: hash::EMPTY_ROOT.to_hex(),
            statements: vec!["create schema x".to_owned()],
            epoch: Epoch(1),
            approval: Some("D-2026-0002".parse().unwrap()),
            proof: Some(hash::EMPTY_ROOT.to_hex()),
        },
    );
    round_trip(
        Kind::Drift,
        &DriftRecord {
            at: time,
            upstream: "main".into(),
            fingerprint: "00".to_owned(),
            differences: vec!["role `clerk` can now read".into()],
            count: 1,
            opens: true,
            done: "cut".into(),
            held: vec!["state-police".parse().unwrap()],
            unfinished: Some(Unfinished {
                begun: time,
                estate_sha256: hash::EMPTY_ROOT.to_hex(),
                approval: "D-2026-0002".parse().unwrap(),
            }),
        },
    );
    let number: CorrectionNumber = "C-00000000000000ff".parse().unwrap();
    round_trip(
        Kind::Correction,
        &CorrectionRecord {
            number: number.clone(),
            partner: "state-police".parse().unwrap(),
            notice: "a notice\n".to_owned(),
        },
    );
    for answer in [
        Answer::Signed {
            officer: "j.doe".parse().unwrap(),
            key: "ssh-ed25519 AAAA".to_owned(),
            signature: "-----BEGIN SSH SIGNATURE-----\n".to_owned(),
        },
        Answer::Word {
            text: "by letter".into(),
        },
    ] {
        round_trip(
            Kind::Acknowledged,
            &AcknowledgedRecord {
                number: number.clone(),
                at: time,
                answer,
            },
        );
    }
}

#[test]
fn missing_unknown_and_malformed_fields_are_refused() {
    let good = json_of(&disclosure());
    assert!(decode::<Disclosure>(good.to_string().as_bytes()).is_ok());
    let fields: Vec<String> = good.as_object().unwrap().keys().cloned().collect();
    for field in fields.iter().filter(|field| *field != "case") {
        let mut without = good.clone();
        without.as_object_mut().unwrap().remove(field);
        assert!(
            decode::<Disclosure>(without.to_string().as_bytes()).is_err(),
            "without `{field}`"
        );
    }
    let changed = |field: &str, value: Value| {
        let mut changed = good.clone();
        changed.as_object_mut().unwrap().insert(field.to_owned(), value);
        decode::<Disclosure>(changed.to_string().as_bytes())
    };
    assert!(changed("colour", json!("red")).is_err());
    assert!(changed("partner", json!("Federal Agency")).is_err());
    assert!(changed("rows", json!(-1)).is_err());
    assert!(changed("rows", json!(1.5)).is_err());
    assert!(changed("started", json!("yesterday")).is_err());
    assert!(changed("text", json!({"text": "x", "colour": 1})).is_err());
    assert!(changed("outcome", json!("finished")).is_err());
    assert!(decode::<Disclosure>(b"").is_err());
    assert!(decode::<Disclosure>(format!("{good} x").as_bytes()).is_err());
    let twice = good.to_string().replace("\"rows\":1", "\"rows\":1,\"rows\":2");
    assert!(decode::<Disclosure>(twice.as_bytes()).is_err());
    assert!(matches!(
        decode::<Ended>(good.to_string().as_bytes()),
        Err(RecordError::Shape {
            kind: Kind::Ended,
            ..
        })
    ));
}

#[test]
fn records_are_bounded() {
    let statements = vec!["x".repeat(MAX_RECORD_BYTES)];
    let record = Applied {
        at: Timestamp::UNIX_EPOCH,
        estate_sha256: String::new(),
        statements,
        epoch: Epoch(1),
        approval: None,
        proof: None,
    };
    assert!(matches!(encode(&record), Err(RecordError::TooLong { .. })));
    assert!(matches!(
        decode::<Applied>(&vec![b' '; MAX_RECORD_BYTES + 1]),
        Err(RecordError::TooLong { .. })
    ));
}

#[test]
fn short_texts_are_cut_at_the_end_of_a_character() {
    let fits = "x".repeat(MAX_CLIPPED_BYTES);
    assert_eq!(Clipped::from(fits.as_str()).as_str(), fits);
    let cut = Clipped::from("ä".repeat(MAX_CLIPPED_BYTES));
    assert_eq!(
        cut.as_str(),
        format!("{}…", "ä".repeat((MAX_CLIPPED_BYTES - 3) / 2))
    );
    assert!(serde_json::from_value::<Clipped>(json!(fits.clone() + "x")).is_err());
    assert!(serde_json::from_value::<Clipped>(json!(fits)).is_ok());
}

#[test]
fn long_texts_are_cut_and_the_whole_can_be_matched() {
    let fits = "x".repeat(MAX_EXCERPT_BYTES);
    let excerpt = Excerpt::from(fits.clone());
    assert_eq!((excerpt.text(), excerpt.whole()), (fits.as_str(), None));
    let long = "ä".repeat(MAX_EXCERPT_BYTES);
    let excerpt = Excerpt::from(long.as_str());
    assert_eq!(excerpt.text(), long.get(..MAX_EXCERPT_BYTES).unwrap());
    let whole = Whole {
        sha256: hash::sha256(long.as_bytes()),
        bytes: 2 * MAX_EXCERPT_BYTES as u64,
    };
    assert_eq!(excerpt.whole(), Some(&whole));
    assert_eq!(Excerpt::from(long), excerpt);
    let read: Excerpt = serde_json::from_value(serde_json::to_value(&excerpt).unwrap()).unwrap();
    assert_eq!(read, excerpt);
    assert!(serde_json::from_value::<Excerpt>(json!({"text": fits + "x"})).is_err());
}

#[test]
fn parameters_are_kept_while_there_is_room() {
    let half = vec![b'a'; MAX_PARAMETERS_BYTES / 2 + 1];
    let kept = parameters([
        ParameterValue::Text(&half),
        ParameterValue::Text(&half),
        ParameterValue::Null,
        ParameterValue::Text(b"\xff"),
        ParameterValue::Text(b""),
    ]);
    assert_eq!(kept.len(), 5);
    assert_eq!(kept[0], Parameter::Text("a".repeat(half.len())));
    assert_eq!(
        kept[1],
        Parameter::Long(Whole {
            sha256: hash::sha256(&half),
            bytes: half.len() as u64
        })
    );
    assert_eq!(kept[2], Parameter::Null);
    assert_eq!(kept[3], Parameter::Binary("/w==".to_owned()));
    assert_eq!(kept[4], Parameter::Text(String::new()));
}

#[test]
fn parameters_beyond_the_bound_are_counted_and_hashed() {
    let values = vec![ParameterValue::Text(b"1"); MAX_PARAMETERS];
    assert_eq!(parameters(values.clone()).len(), MAX_PARAMETERS);
    let more = [ParameterValue::Null, ParameterValue::Binary(b"ab")];
    let kept = parameters(values.into_iter().chain(more));
    assert_eq!(kept.len(), MAX_PARAMETERS + 1);
    let bytes = [&[0xff; 8][..], &2_u64.to_be_bytes(), b"ab"].concat();
    assert_eq!(
        kept.last(),
        Some(&Parameter::Rest {
            count: 2,
            sha256: hash::sha256(&bytes)
        })
    );
}

#[test]
fn the_longest_statement_still_makes_a_record() {
    // Every byte a control character, which JSON writes as six.
    let worst = "\u{1}".repeat(MAX_EXCERPT_BYTES + 1);
    let values = vec![ParameterValue::Text(&[1; MAX_PARAMETERS_BYTES / MAX_PARAMETERS + 1]); 65_535];
    let record = Disclosure {
        text: worst.into(),
        parameters: parameters(values),
        case: Some("\u{1}".repeat(MAX_CLIPPED_BYTES + 1).into()),
        ..disclosure()
    };
    let bytes = encode(&record).unwrap();
    assert!(bytes.len() < MAX_RECORD_BYTES / 4 && decode::<Disclosure>(&bytes).is_ok());
}

proptest! {
    #[test]
    fn any_text_makes_a_record_that_can_be_read_back(text in "\\PC{0,300}", values in prop::collection::vec(any::<Vec<u8>>(), 0..5)) {
        let record = Disclosure {
            text: text.as_str().into(),
            case: Some(text.as_str().into()),
            parameters: parameters(values.iter().map(|bytes| ParameterValue::Text(bytes))),
            started: at("2026-11-23T00:00:00.000001Z"),
            ..disclosure()
        };
        prop_assert_eq!(decode::<Disclosure>(&encode(&record).unwrap()).unwrap(), record);
    }
}
