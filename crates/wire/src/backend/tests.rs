//! Tests of `backend`, its fields and its rows.

use proptest::collection::vec;
use proptest::prelude::*;

use super::fields::field;
use super::*;
use crate::frame::{Header, body};
use crate::frontend::Format;

fn encoded(fill: impl FnOnce(&mut BytesMut)) -> BytesMut {
    let mut out = BytesMut::new();
    fill(&mut out);
    assert_eq!(Header::read(&out).unwrap().unwrap().len, out.len());
    out
}

#[test]
fn authentication_messages_come_back_as_they_were() {
    let read = |bytes: &BytesMut| format!("{:?}", Authentication::parse(body(bytes)).unwrap());
    assert_eq!(read(&encoded(authentication_ok)), "Ok");
    let offer = encoded(|out| authentication_sasl(out, &["SCRAM-SHA-256-PLUS", "SCRAM-SHA-256"]).unwrap());
    let Ok(Authentication::Sasl(names)) = Authentication::parse(body(&offer)) else {
        panic!("not SASL")
    };
    assert_eq!(
        names.iter().collect::<Vec<_>>(),
        ["SCRAM-SHA-256-PLUS", "SCRAM-SHA-256"]
    );
    let challenge = encoded(|out| authentication_sasl_continue(out, b"r=1").unwrap());
    assert_eq!(
        Authentication::parse(body(&challenge)),
        Ok(Authentication::SaslContinue(b"r=1"))
    );
    let last = encoded(|out| authentication_sasl_final(out, b"v=1").unwrap());
    assert_eq!(
        Authentication::parse(body(&last)),
        Ok(Authentication::SaslFinal(b"v=1"))
    );
    assert_eq!(
        Authentication::parse(b"\0\0\0\x05salt"),
        Ok(Authentication::Md5(*b"salt"))
    );
    assert_eq!(
        Authentication::parse(b"\0\0\0\x03"),
        Ok(Authentication::Cleartext)
    );
    assert_eq!(Authentication::parse(b"\0\0\0\x07"), Ok(Authentication::Other(7)));
    assert!(Authentication::parse(b"\0\0\0\x0aSCRAM").is_err());
    assert!(authentication_sasl(&mut BytesMut::new(), &[""]).is_err());
}

#[test]
fn session_messages_come_back_as_they_were() {
    for status in [Status::Idle, Status::InTransaction, Status::Failed] {
        assert_eq!(
            Status::parse(body(&encoded(|out| ready(out, status)))),
            Ok(status)
        );
    }
    assert!(Status::parse(b"X").is_err() && Status::parse(b"").is_err() && Status::parse(b"II").is_err());
    let setting = encoded(|out| parameter_status(out, "TimeZone", "UTC").unwrap());
    assert_eq!(
        ParameterStatus::parse(body(&setting)),
        Ok(ParameterStatus {
            name: "TimeZone",
            value: "UTC"
        })
    );
    for length in [4, 32, 256] {
        let key = CancelKey::new(9, &vec![3; length]).unwrap();
        assert_eq!(parse_key_data(body(&encoded(|out| key_data(out, &key)))), Ok(key));
    }
    assert!(parse_key_data(&[0; 7]).is_err() && parse_key_data(&[0; 261]).is_err());
}

#[test]
fn tags_end_in_a_number_of_rows_or_do_not() {
    let rows = |tag: &'static [u8]| CommandTag::parse(tag).unwrap().rows();
    assert_eq!(rows(b"SELECT 17\0"), Some(17));
    assert_eq!(rows(b"INSERT 0 5\0"), Some(5));
    assert_eq!(rows(b"BEGIN\0"), None);
    assert_eq!(rows(b"CREATE TABLE\0"), None);
    assert_eq!(rows(b"SELECT 99999999999999999999\0"), None);
    assert_eq!(CommandTag::parse(b"FETCH 1\0").unwrap().as_str(), "FETCH 1");
}

#[test]
fn errors_have_severity_twice_code_and_message() {
    let error = Fields::new(Severity::Fatal, Sqlstate::ADMIN_SHUTDOWN, "ended")
        .detail("by D-2026-0001")
        .hint("ask");
    let bytes = encoded(|out| error.encode_error(out));
    assert_eq!(
        &bytes[5..],
        b"SFATAL\0VFATAL\0C57P01\0Mended\0Dby D-2026-0001\0Hask\0\0"
    );
    assert_eq!(bytes[0], b'E');
    assert_eq!(encoded(|out| error.encode_notice(out))[0], b'N');
    let read = FieldsRef::parse(body(&bytes)).unwrap();
    assert_eq!(
        (read.severity(), read.sqlstate()),
        (Some(Severity::Fatal), Some(Sqlstate::ADMIN_SHUTDOWN))
    );
    assert_eq!(Fields::from(read), error);
}

#[test]
fn fields_can_be_kept_and_replaced_one_by_one() {
    let mut fields = Fields::new(Severity::Error, Sqlstate::SYNTAX_ERROR, "secret 17").detail("more secrets");
    fields.retain(|code, _| code != field::DETAIL);
    fields.set(field::MESSAGE, b"scrubbed");
    assert_eq!(
        (fields.find(field::DETAIL), fields.message().as_str()),
        (None, "scrubbed")
    );
    assert_eq!(fields.sqlstate(), Some(Sqlstate::SYNTAX_ERROR));
}

#[test]
fn an_error_is_always_sayable() {
    let mut error = Fields::new(Severity::Error, Sqlstate::INTERNAL, "a\0b");
    error.set(0, b"no such field");
    let bytes = encoded(|out| error.encode_error(out));
    assert_eq!(
        Fields::from(FieldsRef::parse(body(&bytes)).unwrap()).message(),
        "a b"
    );
}

#[test]
fn severities_are_read_from_old_and_new_servers() {
    let severity = |bytes: &'static [u8]| FieldsRef::parse(bytes).unwrap().severity();
    assert_eq!(severity(b"SPROTOKOLL\0VLOG\0\0"), Some(Severity::Log));
    assert_eq!(severity(b"SDEBUG3\0\0"), Some(Severity::Debug));
    assert_eq!(severity(b"SFEHLER\0\0"), None);
    assert_eq!(severity(b"\0"), None);
}

#[test]
fn codes_are_five_digits_or_capitals() {
    assert_eq!(Sqlstate::new(b"57P01"), Some(Sqlstate::ADMIN_SHUTDOWN));
    assert_eq!(
        (Sqlstate::SYNTAX_ERROR.as_str(), Sqlstate::SYNTAX_ERROR.class()),
        ("42601", *b"42")
    );
    for wrong in [&b"5701"[..], b"57p01", b"57P011", b"57P0\0", b""] {
        assert_eq!(Sqlstate::new(wrong), None);
    }
}

fn described(columns: &[(&str, u32, i16, u32, u16)]) -> Vec<u8> {
    let mut out = u16::try_from(columns.len()).unwrap().to_be_bytes().to_vec();
    for (name, table, attribute, type_oid, format) in columns {
        out.extend(name.as_bytes());
        out.push(0);
        out.extend(table.to_be_bytes());
        out.extend(attribute.to_be_bytes());
        out.extend(type_oid.to_be_bytes());
        out.extend([0xff, 0xff, 0xff, 0xff, 0xff, 0xff]);
        out.extend(format.to_be_bytes());
    }
    out
}

#[test]
fn columns_say_where_they_come_from() {
    let bytes = described(&[("person_id", 16_400, 1, 23, 1), ("n", 0, 0, 20, 0)]);
    let columns: Vec<_> = RowDescription::parse(&bytes).unwrap().columns().collect();
    assert_eq!(
        columns[0],
        Column {
            name: b"person_id",
            table: Some(16_400),
            attribute: Some(1),
            type_oid: 23,
            format: Format::Binary
        }
    );
    assert_eq!(
        (columns[1].table, columns[1].attribute, columns[1].format),
        (None, None, Format::Text)
    );
    for end in 0..bytes.len() {
        assert!(RowDescription::parse(&bytes[..end]).is_err(), "{end}");
    }
    assert!(RowDescription::parse(&described(&[("x", 1, 1, 1, 2)])).is_err());
}

#[test]
fn rows_have_values_and_nulls() {
    let bytes = b"\0\x03\0\0\0\x01a\xff\xff\xff\xff\0\0\0\0";
    let row = DataRow::parse(bytes).unwrap();
    assert_eq!(
        row.values().collect::<Vec<_>>(),
        [Some(&b"a"[..]), None, Some(b"")]
    );
    assert_eq!(row.count(), 3);
    for end in 0..bytes.len() {
        assert!(DataRow::parse(&bytes[..end]).is_err(), "{end}");
    }
    assert!(DataRow::parse(b"\0\x01\xff\xff\xff\xfe").is_err());
}

proptest! {
    #[test]
    fn random_bodies_never_panic(bytes in vec(any::<u8>(), 0..120)) {
        let _ = Authentication::parse(&bytes);
        let _ = Status::parse(&bytes);
        let _ = ParameterStatus::parse(&bytes);
        let _ = parse_key_data(&bytes);
        let _ = CommandTag::parse(&bytes).map(|tag| tag.rows());
        if let Ok(fields) = FieldsRef::parse(&bytes) {
            let mut out = BytesMut::new();
            Fields::from(fields).encode_error(&mut out);
            // Nothing may stand behind the end in what is rebuilt either.
            prop_assert!(FieldsRef::parse(body(&out)).is_ok());
        }
        if let Ok(row) = DataRow::parse(&bytes) {
            prop_assert_eq!(row.values().count(), usize::from(row.count()));
        }
        if let Ok(description) = RowDescription::parse(&bytes) {
            prop_assert_eq!(description.columns().count(), usize::from(description.count()));
        }
    }

    #[test]
    fn fields_come_back_as_they_were(texts in vec((1_u8..255, vec(1_u8..255, 0..20)), 0..8)) {
        let mut fields = Fields::new(Severity::Error, Sqlstate::INTERNAL, "m");
        texts.iter().for_each(|(code, text)| fields.set(*code, text));
        let mut out = BytesMut::new();
        fields.encode_error(&mut out);
        prop_assert_eq!(Fields::from(FieldsRef::parse(body(&out)).unwrap()), fields);
    }
}
