//! Commitments: which inputs they bind, and what they keep to themselves.

use super::*;

fn origin() -> Origin {
    "records.example.org/audit".parse().unwrap()
}

fn key(byte: u8) -> OpeningKey {
    OpeningKey::new([byte; 32])
}

#[test]
fn it_is_hmac_over_length_origin_and_record() {
    let mut message = 25_u64.to_be_bytes().to_vec();
    message.extend_from_slice(b"records.example.org/audit{\"a\":1}");
    let mut mac = Hmac::<Sha256>::new_from_slice(&[7; 32]).unwrap();
    mac.update(&message);
    let expected: [u8; 32] = mac.finalize().into_bytes().into();
    assert_eq!(commit(&key(7), &origin(), b"{\"a\":1}"), Hash(expected));
}

#[test]
fn it_holds_for_one_key_origin_and_record() {
    let commitment = commit(&key(7), &origin(), b"record");
    assert!(check(&commitment, &key(7), &origin(), b"record"));
    assert!(!check(&commitment, &key(8), &origin(), b"record"));
    assert!(!check(
        &commitment,
        &key(7),
        &"records.example.com/audit".parse().unwrap(),
        b"record"
    ));
    assert!(!check(&commitment, &key(7), &origin(), b"recorD"));
    assert!(!check(&commitment, &key(7), &origin(), b"record\0"));
    assert!(!check(&Hash::ZERO, &key(7), &origin(), b"record"));
}

#[test]
fn no_byte_can_move_between_origin_and_record() {
    let long: Origin = "a.example/log".parse().unwrap();
    let short: Origin = "a.example/lo".parse().unwrap();
    assert_ne!(commit(&key(1), &long, b"x"), commit(&key(1), &short, b"gx"));
}

#[test]
fn the_key_is_not_printed_and_can_be_read_back() {
    assert_eq!(format!("{:?}", key(7)), "OpeningKey(..)");
    assert_eq!(key(7).reveal_text().parse(), Ok(key(7)));
    assert_eq!(key(7).reveal(), &[7; 32]);
    assert!("".parse::<OpeningKey>().is_err());
    assert!(
        "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAB="
            .parse::<OpeningKey>()
            .is_err()
    );
    let quoted = format!("\"{}\"", key(7).reveal_text().as_str());
    assert_eq!(serde_json::from_str::<OpeningKey>(&quoted).unwrap(), key(7));
    assert_ne!(key(7), key(8));
}
