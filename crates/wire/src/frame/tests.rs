//! Tests of `frame`: whole messages and pieces, however the bytes arrive.

use proptest::collection::vec;
use proptest::prelude::*;

use super::*;

fn message(tag: u8, body: &[u8]) -> Vec<u8> {
    let length = u32::try_from(body.len() + 4).unwrap();
    [&[tag][..], &length.to_be_bytes(), body].concat()
}

#[test]
fn whole_messages_come_out_one_by_one() {
    let stream = [message(b'Q', b"a\0"), message(b'S', b""), message(b'X', b"")].concat();
    let mut splitter = Splitter::new(Source::Client, 100);
    let pieces: Vec<_> = splitter.walk(&stream).map(Result::unwrap).collect();
    let seen: Vec<_> = pieces
        .iter()
        .map(|(piece, bytes)| (piece.header.tag, piece.part, bytes.len()))
        .collect();
    assert_eq!(
        seen,
        [
            (b'Q', Part::Whole, 7),
            (b'S', Part::Whole, 5),
            (b'X', Part::Whole, 5)
        ]
    );
    assert_eq!(body(pieces[0].1), b"a\0");
}

#[test]
fn a_long_message_comes_in_pieces_whose_first_is_as_long_as_the_bound() {
    let stream = message(b'D', &[7; 100]);
    let mut splitter = Splitter::new(Source::Server, 20);
    assert_eq!(splitter.next(&stream[..19]), Ok(None));
    let first = splitter.next(&stream).unwrap().unwrap();
    assert_eq!(
        (first.part, first.len, first.header.body_len()),
        (Part::First, 20, 100)
    );
    assert!(first.begins() && !first.ends() && !splitter.at_boundary());
    let middle = splitter.next(&stream[20..50]).unwrap().unwrap();
    assert_eq!((middle.part, middle.len), (Part::Middle, 30));
    assert_eq!(splitter.next(&[]), Ok(None));
    let last = splitter.next(&[&stream[50..], b"Z"].concat()).unwrap().unwrap();
    assert_eq!((last.part, last.len), (Part::Last, 55));
    assert!(last.ends() && !last.begins() && splitter.at_boundary());
}

#[test]
fn a_message_of_exactly_the_bound_is_whole() {
    let stream = message(b'D', &[7; 15]);
    let piece = Splitter::new(Source::Server, 20).next(&stream).unwrap().unwrap();
    assert_eq!((piece.part, piece.len), (Part::Whole, 20));
}

#[test]
fn impossible_lengths_are_errors_as_soon_as_they_are_seen() {
    for length in [0_u32, 3, 0x4000_0000, 0x8000_0000, u32::MAX] {
        let bytes = [&b"Q"[..], &length.to_be_bytes()].concat();
        let error = Splitter::new(Source::Client, 100).next(&bytes).unwrap_err();
        assert!(matches!(error, FrameError::Length { tag: b'Q', .. }), "{length}");
    }
}

#[test]
fn types_have_their_own_limits() {
    let header = |tag: u8, length: u32| [&[tag][..], &length.to_be_bytes()].concat();
    let mut client = Splitter::new(Source::Client, 100);
    assert_eq!(client.next(&header(b'Q', 0x3fff_ffff)), Ok(None));
    assert_eq!(client.next(&header(b'S', 10_000)), Ok(None));
    assert_eq!(
        client.next(&header(b'S', 10_001)),
        Err(FrameError::TooLong {
            tag: b'S',
            len: 10_002,
            max: 10_001
        })
    );
    let mut login = Splitter::new(Source::ClientLogin, 100);
    assert_eq!(login.next(&header(b'p', 16_384)), Ok(None));
    assert!(matches!(
        login.next(&header(b'p', 16_385)),
        Err(FrameError::TooLong { .. })
    ));
    assert_eq!(
        login.next(&header(b'Q', 10)),
        Err(FrameError::Unknown { tag: b'Q' })
    );
}

#[test]
fn unknown_types_are_errors_and_stay_errors() {
    let mut splitter = Splitter::new(Source::Client, 100);
    for _ in 0..2 {
        assert_eq!(
            splitter.next(b"p\0\0\0\x04"),
            Err(FrameError::Unknown { tag: b'p' })
        );
    }
    assert_eq!(
        Splitter::new(Source::Server, 100).next(b"Q\0\0\0\x04"),
        Err(FrameError::Unknown { tag: b'Q' })
    );
}

#[test]
fn after_a_login_other_messages_are_taken() {
    let mut splitter = Splitter::new(Source::ClientLogin, 100);
    splitter.switch(Source::Client);
    assert_eq!(splitter.next(b"S\0\0\0\x04").unwrap().unwrap().header.tag, b'S');
}

#[test]
fn errors_say_what_is_wrong_and_what_would_be_right() {
    let error = Splitter::new(Source::Client, 100)
        .next(b"\x00\0\0\0\x03")
        .unwrap_err();
    assert_eq!(
        error.to_string(),
        "message of type `\\x00` states a length of 3, it must be 4 to 1073741823"
    );
}

proptest! {
    /// However the stream is cut, the pieces joined are the stream, and the messages are those that were put in.
    #[test]
    fn pieces_joined_are_the_stream(
        messages in vec((prop::sample::select(b"DdTC".to_vec()), vec(any::<u8>(), 0..200)), 0..12),
        cuts in vec(1_usize..60, 1..200),
        bound in 0_usize..80,
    ) {
        let stream: Vec<u8> = messages.iter().flat_map(|(tag, body)| message(*tag, body)).collect();
        let mut splitter = Splitter::new(Source::Server, bound);
        let (mut buffer, mut given) = (Vec::new(), Vec::new());
        let mut seen: Vec<(u8, Vec<u8>)> = Vec::new();
        let mut rest = stream.as_slice();
        for cut in cuts.iter().cycle() {
            let (now, later) = rest.split_at((*cut).min(rest.len()));
            buffer.extend_from_slice(now);
            rest = later;
            let mut walk = splitter.walk(&buffer);
            for piece in walk.by_ref() {
                let (piece, bytes) = piece.unwrap();
                if piece.begins() {
                    seen.push((piece.header.tag, Vec::new()));
                }
                seen.last_mut().unwrap().1.extend_from_slice(bytes);
                given.extend_from_slice(bytes);
            }
            let taken = walk.taken();
            buffer.drain(..taken);
            prop_assert!(buffer.len() < bound.max(HEADER_BYTES), "{} bytes are held back", buffer.len());
            if rest.is_empty() {
                break;
            }
        }
        prop_assert!(splitter.at_boundary());
        prop_assert_eq!(given, stream);
        let wanted: Vec<_> = messages.iter().map(|(tag, body)| (*tag, message(*tag, body))).collect();
        prop_assert_eq!(seen, wanted);
    }

    #[test]
    fn random_bytes_never_panic(bytes in vec(any::<u8>(), 0..300), bound in 0_usize..64) {
        for source in [Source::Client, Source::ClientLogin, Source::Server] {
            let mut splitter = Splitter::new(source, bound);
            let mut walk = splitter.walk(&bytes);
            for piece in walk.by_ref() {
                if piece.is_err() {
                    break;
                }
            }
            prop_assert!(walk.taken() <= bytes.len());
        }
    }
}
