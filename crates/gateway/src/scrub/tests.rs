//! Values do not get out through error texts; plans do not get out through notices.

use bytes::BytesMut;
use wire::backend::fields::field;
use wire::backend::{Fields, FieldsRef, Severity, Sqlstate};
use wire::frame;

fn error_of(sqlstate: &[u8; 5], set: &[(u8, &str)]) -> Vec<(u8, String)> {
    let mut fields = Fields::new(
        Severity::Error,
        Sqlstate::new(sqlstate).unwrap(),
        "message with 000023757x",
    );
    for (code, text) in set {
        fields.set(*code, text.as_bytes());
    }
    let mut out = BytesMut::new();
    fields.encode_error(&mut out);
    let scrubbed = super::error(frame::body(&out)).unwrap();
    assert_eq!(scrubbed.sqlstate.as_str().as_bytes(), sqlstate);
    let body = frame::body(&scrubbed.message).to_vec();
    FieldsRef::parse(&body)
        .unwrap()
        .iter()
        .map(|(code, text)| (code, String::from_utf8(text.to_vec()).unwrap()))
        .collect()
}

fn said(fields: &[(u8, String)]) -> String {
    fields
        .iter()
        .map(|(_, text)| text.as_str())
        .collect::<Vec<_>>()
        .join("|")
}

#[test]
fn a_data_exception_keeps_its_code_and_place_only() {
    let fields = error_of(
        b"22P02",
        &[
            (field::DETAIL, "secret"),
            (field::POSITION, "17"),
            (b'W', "in function f"),
        ],
    );
    let said = said(&fields);
    assert!(
        !said.contains("000023757x") && !said.contains("secret") && !said.contains("function f"),
        "{said}"
    );
    assert!(fields.contains(&(field::POSITION, "17".to_owned())));
    assert!(fields.contains(&(field::SQLSTATE, "22P02".to_owned())));
}

#[test]
fn a_constraint_keeps_its_message_but_no_row() {
    let said = said(&error_of(
        b"23505",
        &[(field::DETAIL, "Key (name)=(Quint) already exists.")],
    ));
    assert!(!said.contains("Quint"), "{said}");
}

#[test]
fn an_ordinary_error_keeps_what_helps() {
    let fields = error_of(
        b"42703",
        &[
            (field::HINT, "Perhaps you meant"),
            (b'F', "parse_relation.c"),
            (b's', "hidden"),
        ],
    );
    let said = said(&fields);
    assert!(
        said.contains("Perhaps you meant") && said.contains("000023757x"),
        "{said}"
    );
    assert!(
        !said.contains("parse_relation.c") && !said.contains("hidden"),
        "{said}"
    );
}

#[test]
fn notices_for_the_log_and_for_debugging_are_dropped() {
    for (severity, kept) in [
        (Severity::Log, false),
        (Severity::Debug, false),
        (Severity::Notice, true),
        (Severity::Warning, true),
        (Severity::Info, true),
    ] {
        let mut out = BytesMut::new();
        Fields::new(severity, Sqlstate::new(b"00000").unwrap(), "plan: ...").encode_notice(&mut out);
        assert_eq!(
            super::notice(frame::body(&out)).unwrap().is_some(),
            kept,
            "{severity:?}"
        );
    }
}

#[test]
fn an_airlock_does_not_say_where_the_custodian_is() {
    for code in [b"08001", b"08006", b"HV00N"] {
        let fields = error_of(
            code,
            &[
                (field::DETAIL, "connection to server on socket \"/run/x\" failed"),
                (field::HINT, "/run/x"),
            ],
        );
        assert!(
            !said(&fields).contains("/run") && !said(&fields).contains("000023757x"),
            "{fields:?}"
        );
    }
}
