//! Tests of `startup` and `startup::options`.

use proptest::collection::vec;
use proptest::prelude::*;

use super::options::OptionsError;
use super::*;

fn packet_of(words: &[&[u8]]) -> Vec<u8> {
    let body = words.concat();
    let length = u32::try_from(body.len() + 4).unwrap();
    [&length.to_be_bytes()[..], &body].concat()
}

fn start(params: &[(&str, &str)]) -> Start {
    let own = |(name, value): &(&str, &str)| ((*name).to_owned(), (*value).to_owned());
    Start {
        version: Version::V3_0,
        params: params.iter().map(own).collect(),
    }
}

#[test]
fn requests_are_told_apart_by_their_codes() {
    let ssl = [0, 0, 0, 8, 0x04, 0xd2, 0x16, 0x2f];
    let gss = [0, 0, 0, 8, 0x04, 0xd2, 0x16, 0x30];
    assert_eq!(parse(&ssl), Ok(Some((Packet::SslRequest, 8))));
    assert_eq!(parse(&gss), Ok(Some((Packet::GssEncRequest, 8))));
    // Bytes stuffed behind the request are not part of it.
    assert_eq!(
        parse(&[&ssl[..], b"more"].concat()),
        Ok(Some((Packet::SslRequest, 8)))
    );
    assert!(parse(&packet_of(&[&[0x04, 0xd2, 0x16, 0x2f], b"x"])).is_err());
}

#[test]
fn cancel_keys_have_4_to_256_bytes() {
    let request = |secret: &[u8]| packet_of(&[&[0x04, 0xd2, 0x16, 0x2e], &7_u32.to_be_bytes(), secret]);
    for length in [4, 5, 32, 256] {
        let Ok(Some((Packet::Cancel(key), _))) = parse(&request(&vec![9; length])) else {
            panic!("{length}")
        };
        assert_eq!((key.pid, key.secret().len()), (7, length));
    }
    for length in [0, 3, 257] {
        assert_eq!(
            parse(&request(&vec![9; length])),
            Err(StartupError::CancelKey(length))
        );
    }
}

#[test]
fn cancel_keys_match_only_themselves_and_do_not_show() {
    let key = CancelKey::new(7, &[1, 2, 3, 4]).unwrap();
    assert!(key.matches(&key.clone()));
    for other in [
        CancelKey::new(8, &[1, 2, 3, 4]),
        CancelKey::new(7, &[1, 2, 3, 5]),
        CancelKey::new(7, &[1, 2, 3, 4, 5]),
    ] {
        assert!(!key.matches(&other.unwrap()));
    }
    assert_eq!(format!("{key:?}"), "CancelKey { pid: 7, bytes: 4 }");
}

#[test]
fn a_start_up_message_is_read_as_libpq_writes_it() {
    let bytes = packet_of(&[
        &[0, 3, 0, 0],
        b"user\0ann\0database\0agreement-1\0options\0-c a=b\0\0",
    ]);
    let wanted = start(&[
        ("user", "ann"),
        ("database", "agreement-1"),
        ("options", "-c a=b"),
    ]);
    assert_eq!(
        parse(&bytes),
        Ok(Some((Packet::Start(wanted.clone()), bytes.len())))
    );
    assert_eq!(
        (wanted.param("database"), wanted.param("port")),
        (Some("agreement-1"), None)
    );
    for end in 0..bytes.len() {
        assert_eq!(parse(&bytes[..end]), Ok(None), "{end}");
    }
}

#[test]
fn start_up_messages_of_another_shape_are_refused() {
    let v3 = [0, 3, 0, 0];
    for (body, wanted) in [
        (&b""[..], StartupError::Malformed(Malformed::Unended)),
        (b"user\0ann\0", StartupError::Layout),
        (b"user\0ann", StartupError::Malformed(Malformed::Unended)),
        (b"user\0\0\0x", StartupError::Layout),
        (b"\0\0", StartupError::Layout),
        (b"a\0b\0c\0d\0a\0e\0\0", StartupError::Twice),
        (b"user\0\xff\0\0", StartupError::Malformed(Malformed::Encoding)),
    ] {
        assert_eq!(
            parse(&packet_of(&[&v3, body])),
            Err(wanted),
            "{}",
            body.escape_ascii()
        );
    }
    assert_eq!(
        parse(&packet_of(&[&v3, b"\0"])),
        Ok(Some((Packet::Start(start(&[])), 9)))
    );
}

#[test]
fn other_protocols_are_refused_by_their_version() {
    for (major, minor) in [(2_u16, 0_u16), (4, 0), (1234, 1)] {
        let bytes = packet_of(&[&major.to_be_bytes(), &minor.to_be_bytes(), b"\0"]);
        assert_eq!(
            parse(&bytes),
            Err(StartupError::Version(Version { major, minor }))
        );
    }
    // What an HTTP client sends.
    assert_eq!(
        parse(b"GET / HTTP/1.1\r\n"),
        Err(StartupError::Length(0x4745_5420))
    );
}

#[test]
fn lengths_are_bounded_before_the_body_is_waited_for() {
    for length in [0_u32, 4, 7, 10_005, u32::MAX] {
        assert_eq!(parse(&length.to_be_bytes()), Err(StartupError::Length(length)));
    }
    for length in [8_u32, 10_004] {
        assert_eq!(parse(&length.to_be_bytes()), Ok(None));
    }
}

#[test]
fn versions_and_extensions_are_negotiated() {
    let ask = |minor, params: &[(&str, &str)]| {
        Start {
            version: Version { major: 3, minor },
            ..start(params)
        }
        .negotiate(2)
    };
    assert_eq!(ask(0, &[("user", "a")]), None);
    assert_eq!(ask(2, &[]), None);
    assert_eq!(
        ask(9999, &[]),
        Some(Negotiation {
            minor: 2,
            unrecognised: vec![]
        })
    );
    let unknown = Negotiation {
        minor: 0,
        unrecognised: vec!["_pq_.x".to_owned()],
    };
    assert_eq!(ask(0, &[("_pq_.x", "1")]), Some(unknown.clone()));
    let mut out = BytesMut::new();
    unknown.encode(&mut out).unwrap();
    assert_eq!(&out[..], b"v\0\0\0\x13\0\x03\0\0\0\0\0\x01_pq_.x\0");
    assert_eq!(Negotiation::parse(crate::frame::body(&out)), Ok(unknown));
}

#[test]
fn what_cannot_be_said_is_not_written() {
    let mut out = BytesMut::from(&b"before"[..]);
    let long = "x".repeat(PACKET_BYTES_MAX);
    for params in [
        [("user", "a\0b")],
        [("", "a")],
        [("us\0er", "a")],
        [("user", long.as_str())],
    ] {
        assert!(encode(&mut out, Version::V3_0, params).is_err());
        assert_eq!(&out[..], b"before");
    }
}

#[test]
fn options_are_read_in_all_their_spellings() {
    let pairs = |text: &str| options::parse(text).unwrap();
    let one = |name: &str, value: &str| vec![(name.to_owned(), value.to_owned())];
    for text in ["-c a.b=c", "-ca.b=c", "--a.b=c", "  -c\ta.b=c\n", "-c a.b\\=c"] {
        assert_eq!(pairs(text), one("a.b", "c"), "{text}");
    }
    assert_eq!(pairs("-c estop.case=IL\\ 1\\\\2"), one("estop.case", "IL 1\\2"));
    assert_eq!(pairs("--statement-timeout=1=2"), one("statement_timeout", "1=2"));
    assert_eq!(pairs("-c a=1 --b=2"), [one("a", "1"), one("b", "2")].concat());
    assert_eq!(pairs("-c a="), one("a", ""));
    assert_eq!(pairs("  "), []);
}

#[test]
fn options_of_other_kinds_are_refused() {
    assert_eq!(options::parse("-d 5"), Err(OptionsError::Switch("-d".to_owned())));
    assert_eq!(options::parse("a=b"), Err(OptionsError::Switch("a=b".to_owned())));
    assert_eq!(options::parse("-c"), Err(OptionsError::Missing));
    assert_eq!(options::parse("-c a"), Err(OptionsError::Form("a".to_owned())));
    assert_eq!(options::parse("--=b"), Err(OptionsError::Form("=b".to_owned())));
    assert_eq!(options::parse("--"), Err(OptionsError::Form(String::new())));
    assert_eq!(options::parse("-c a=\\"), Err(OptionsError::Backslash));
}

proptest! {
    #[test]
    fn random_packets_never_panic(bytes in vec(any::<u8>(), 0..200)) {
        let _ = parse(&bytes);
        let _ = parse(&packet_of(&[&bytes]));
        let _ = parse(&packet_of(&[&[0, 3, 0, 0], &bytes]));
        let _ = Negotiation::parse(&bytes);
    }

    #[test]
    fn start_up_messages_come_back_as_they_were(
        params in prop::collection::btree_map("[a-z_.]{1,12}", "[^\0]{0,20}", 0..8),
        minor in any::<u16>(),
    ) {
        let version = Version { major: 3, minor };
        let mut out = BytesMut::new();
        encode(&mut out, version, params.iter().map(|(name, value)| (name.as_str(), value.as_str()))).unwrap();
        let wanted = Start { version, params: params.into_iter().collect() };
        prop_assert_eq!(parse(&out), Ok(Some((Packet::Start(wanted), out.len()))));
    }

    #[test]
    fn cancel_requests_come_back_as_they_were(pid in any::<u32>(), secret in vec(any::<u8>(), 4..=256)) {
        let key = CancelKey::new(pid, &secret).unwrap();
        let mut out = BytesMut::new();
        encode_cancel(&mut out, &key);
        prop_assert_eq!(parse(&out), Ok(Some((Packet::Cancel(key), out.len()))));
    }

    #[test]
    fn options_never_panic_and_escaped_ones_come_back(text in ".{0,40}", name in "[a-z_.]{1,9}", value in ".{0,20}") {
        let _ = options::parse(&text);
        let escaped: String = value.chars().flat_map(|character| ['\\', character]).collect();
        prop_assert_eq!(options::parse(&format!("-c {name}={escaped}")), Ok(vec![(name, value)]));
    }
}
