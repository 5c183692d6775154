//! Tests of `frontend`.

use proptest::collection::vec;
use proptest::prelude::*;

use super::*;
use crate::frame::{Header, body};

fn bind(formats: &[u16], values: &[Option<&[u8]>], results: &[u16]) -> Vec<u8> {
    let count = |length: usize| u16::try_from(length).unwrap().to_be_bytes();
    let mut out = b"portal\0stmt\0".to_vec();
    out.extend(count(formats.len()));
    formats.iter().for_each(|code| out.extend(code.to_be_bytes()));
    out.extend(count(values.len()));
    for value in values {
        match value {
            None => out.extend((-1_i32).to_be_bytes()),
            Some(bytes) => {
                out.extend(i32::try_from(bytes.len()).unwrap().to_be_bytes());
                out.extend_from_slice(bytes);
            }
        }
    }
    out.extend(count(results.len()));
    results.iter().for_each(|code| out.extend(code.to_be_bytes()));
    out
}

#[test]
fn messages_are_read_by_type() {
    let read = |tag, body: &'static [u8]| Message::parse(tag, body).unwrap().unwrap();
    assert_eq!(
        read(b'Q', b"select 1\0"),
        Message::Query(Query { text: b"select 1" })
    );
    assert_eq!(
        read(b'D', b"Sname\0"),
        Message::Describe(Target::Statement(b"name"))
    );
    assert_eq!(read(b'C', b"P\0"), Message::Close(Target::Portal(b"")));
    assert_eq!(read(b'S', b""), Message::Sync);
    assert_eq!(read(b'H', b""), Message::Flush);
    assert_eq!(read(b'X', b""), Message::Terminate);
    assert_eq!(read(b'd', b"\0\xff"), Message::CopyData(b"\0\xff"));
    assert_eq!(read(b'c', b""), Message::CopyDone);
    assert_eq!(read(b'f', b"why\0"), Message::CopyFail(b"why"));
    assert_eq!(read(b'F', b"anything"), Message::FunctionCall);
    assert_eq!(Message::parse(b'p', b""), Ok(None));
}

#[test]
fn parse_has_a_name_a_text_and_types() {
    let mut out = BytesMut::new();
    parse(&mut out, b"s1", b"select $1", &[23, 0]).unwrap();
    let Ok(Some(Message::Parse(read))) = Message::parse(b'P', body(&out)) else {
        panic!("not a Parse")
    };
    assert_eq!((read.name, read.query), (&b"s1"[..], &b"select $1"[..]));
    assert_eq!(read.types().collect::<Vec<_>>(), [23, 0]);
}

#[test]
fn bind_has_formats_for_none_one_or_all() {
    let values: [Option<&[u8]>; 3] = [Some(b"a"), None, Some(b"")];
    for (formats, wanted) in [
        (&[][..], [Format::Text; 3]),
        (&[1], [Format::Binary; 3]),
        (&[0, 1, 0], [Format::Text, Format::Binary, Format::Text]),
    ] {
        let bytes = bind(formats, &values, &[1]);
        let read = Bind::parse(&bytes).unwrap();
        assert_eq!(
            read.head,
            BindHead {
                portal: b"portal",
                statement: b"stmt"
            }
        );
        let seen: Vec<_> = read.parameters().collect();
        assert_eq!(seen, wanted.into_iter().zip(values).collect::<Vec<_>>());
        assert_eq!((read.count(), read.result_format(5)), (3, Format::Binary));
    }
}

#[test]
fn bind_with_wrong_counts_codes_or_lengths_is_refused() {
    let values: [Option<&[u8]>; 3] = [Some(b"a"), None, Some(b"")];
    assert_eq!(
        Bind::parse(&bind(&[0, 1], &values, &[])),
        Err(Malformed::Value("number of parameter formats"))
    );
    assert_eq!(
        Bind::parse(&bind(&[2], &values, &[])),
        Err(Malformed::Value("format code"))
    );
    assert_eq!(
        Bind::parse(&bind(&[256], &values, &[])),
        Err(Malformed::Value("format code"))
    );
    assert_eq!(
        Bind::parse(&bind(&[], &values, &[7])),
        Err(Malformed::Value("format code"))
    );
    let good = bind(&[], &values, &[]);
    for end in 0..good.len() {
        assert!(Bind::parse(&good[..end]).is_err(), "{end}");
    }
    assert_eq!(Bind::parse(&[&good[..], b"x"].concat()), Err(Malformed::Trailing));
    // A length of -2.
    assert_eq!(
        Bind::parse(b"\0\0\0\0\0\x01\xff\xff\xff\xfe\0\0"),
        Err(Malformed::Value("length of parameter"))
    );
    // A length far beyond the message.
    assert_eq!(
        Bind::parse(b"\0\0\0\0\0\x01\x7f\xff\xff\xff\0\0"),
        Err(Malformed::Short)
    );
}

#[test]
fn names_of_a_long_bind_are_read_from_its_beginning() {
    let bytes = bind(&[], &[Some(&[0; 500])], &[]);
    assert_eq!(
        BindHead::parse(&bytes[..40]),
        Ok(BindHead {
            portal: b"portal",
            statement: b"stmt"
        })
    );
    assert_eq!(BindHead::parse(&bytes[..9]), Err(Malformed::Unended));
}

#[test]
fn execute_takes_all_rows_for_zero_and_below() {
    let rows = |bytes: &'static [u8]| Execute::parse(bytes).unwrap().rows_max;
    assert_eq!(rows(b"p\0\0\0\0\0"), None);
    assert_eq!(rows(b"p\0\xff\xff\xff\xff"), None);
    assert_eq!(rows(b"p\0\0\0\x01\0"), Some(256));
}

#[test]
fn bytes_behind_the_end_of_a_message_are_refused() {
    for (tag, bytes) in [
        (b'Q', &b"a\0b\0"[..]),
        (b'S', b"x"),
        (b'D', b"Sa\0b"),
        (b'E', b"a\0\0\0\0\0x"),
        (b'P', b"a\0b\0\0\0x"),
        (b'f', b"a\0b"),
    ] {
        assert_eq!(
            Message::parse(tag, bytes),
            Err(Malformed::Trailing),
            "{}",
            bytes.escape_ascii()
        );
    }
    assert_eq!(Target::parse(b"Xname\0"), Err(Malformed::Value("kind of object")));
    assert_eq!(Query::parse(b"no end"), Err(Malformed::Unended));
}

#[test]
fn sasl_messages_are_read_and_do_not_show() {
    let mut out = BytesMut::new();
    sasl_initial(&mut out, "SCRAM-SHA-256", b"n,,n=,r=x").unwrap();
    let read = SaslInitial::parse(body(&out)).unwrap();
    assert_eq!(
        (read.mechanism, read.data),
        ("SCRAM-SHA-256", Some(&b"n,,n=,r=x"[..]))
    );
    assert!(!format!("{read:?}").contains("r=x"));
    assert_eq!(SaslInitial::parse(b"X\0\xff\xff\xff\xff").unwrap().data, None);
    assert!(SaslInitial::parse(b"X\0\0\0\0\x05abc").is_err());
}

#[test]
fn encoded_messages_state_their_length() {
    let mut out = BytesMut::new();
    query(&mut out, b"select 1").unwrap();
    empty_query(&mut out);
    sync(&mut out);
    flush(&mut out);
    copy_fail(&mut out, "no").unwrap();
    sasl_response(&mut out, b"abc").unwrap();
    terminate(&mut out);
    let (mut tags, mut rest) = (Vec::new(), &out[..]);
    while let Some(header) = Header::read(rest).unwrap() {
        tags.push(header.tag);
        rest = &rest[header.len..];
    }
    assert_eq!((tags.as_slice(), rest), (&b"QQSHfpX"[..], &b""[..]));
    assert_eq!(query(&mut out, b"a\0b"), Err(Unencodable::Nul("query")));
}

proptest! {
    #[test]
    fn random_bodies_never_panic(tag in any::<u8>(), bytes in vec(any::<u8>(), 0..120)) {
        if let Ok(Some(Message::Bind(bind))) = Message::parse(tag, &bytes) {
            prop_assert_eq!(bind.parameters().count(), usize::from(bind.count()));
        }
        if let Ok(bind) = Bind::parse(&bytes) {
            prop_assert_eq!(bind.parameters().count(), usize::from(bind.count()));
        }
        let _ = SaslInitial::parse(&bytes);
        let _ = BindHead::parse(&bytes);
        let _ = Parse::read(&bytes).map(|parse| parse.types().count());
    }

    #[test]
    fn binds_come_back_as_they_were(values in vec(prop::option::of(vec(any::<u8>(), 0..20)), 0..20), code in 0_u16..2) {
        let borrowed: Vec<Option<&[u8]>> = values.iter().map(Option::as_deref).collect();
        let bytes = bind(&vec![code; values.len()], &borrowed, &[code]);
        let read = Bind::parse(&bytes).unwrap();
        prop_assert_eq!(read.parameters().map(|(_, value)| value).collect::<Vec<_>>(), borrowed);
        prop_assert!(read.parameters().all(|(format, _)| (format == Format::Binary) == (code == 1)));
    }
}
