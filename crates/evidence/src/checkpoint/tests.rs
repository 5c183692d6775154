//! Checkpoints of one form, under one log's key.

use proptest::prelude::*;

use super::*;
use crate::hash::EMPTY_ROOT;

const TEXT: &str = "example.com/behind-the-sofa\n20852163\nCsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=\n";

fn signer(name: &str) -> SignerKey {
    SignerKey::generate([3; 32], name.parse().unwrap())
}

#[test]
fn the_specifications_example_is_read() {
    let checkpoint = Checkpoint::parse(TEXT).unwrap();
    assert_eq!(checkpoint.origin.as_str(), "example.com/behind-the-sofa");
    assert_eq!(checkpoint.size, 20_852_163);
    assert_eq!(checkpoint.to_text(), TEXT);
}

#[test]
fn texts_of_another_form_are_refused() {
    let refused = [
        String::new(),
        "\n".to_owned(),
        TEXT.trim_end().to_owned(),
        format!("{TEXT}\n"),
        format!("{TEXT}extension\n"),
        format!("{TEXT}extension"),
        format!("\n{TEXT}"),
        TEXT.replace("20852163", "020852163"),
        TEXT.replace("20852163", "+20852163"),
        TEXT.replace("20852163", "-1"),
        TEXT.replace("20852163", ""),
        TEXT.replace("20852163", " 20852163"),
        TEXT.replace("20852163", "18446744073709551616"),
        TEXT.replace("q2I=", "q2J="),
        TEXT.replace("q2I=", "q2I"),
        TEXT.replace("example.com", "exam ple.com"),
        TEXT.replace('\n', "\r\n"),
    ];
    for text in refused {
        assert!(Checkpoint::parse(&text).is_err(), "{text:?}");
    }
    assert!(Checkpoint::parse(&TEXT.replace("20852163", "0")).is_ok());
    assert!(Checkpoint::parse(&TEXT.replace("20852163", "18446744073709551615")).is_ok());
}

#[test]
fn a_checkpoint_is_signed_under_its_origin() {
    let key = signer("records.example.org");
    let checkpoint = Checkpoint {
        origin: "records.example.org/audit".parse().unwrap(),
        size: 0,
        root: EMPTY_ROOT,
    };
    let note = checkpoint.sign(&key);
    assert!(note.contains("\u{2014} records.example.org/audit "));
    let verifier = key.verifier().renamed(&checkpoint.origin);
    assert_eq!(Checkpoint::open(&note, &verifier), Ok(checkpoint.clone()));
    assert_eq!(Checkpoint::peek(&note), Ok(checkpoint.clone()));
    let not_signed = NoteError::NotSigned("records.example.org".parse().unwrap());
    assert_eq!(
        Checkpoint::open(&note, &key.verifier()),
        Err(CheckpointError::Note(not_signed))
    );
}

#[test]
fn a_log_does_not_vouch_for_another_log() {
    // The text names one log, the signature is by the key of another: a note that verifies, yet no checkpoint
    // of either.
    let key = signer("a.example/log");
    let text = Text::new("b.example/log\n0\n47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=\n").unwrap();
    let note = note::sign(&text, &key);
    assert_eq!(
        Checkpoint::open(&note, &key.verifier()),
        Err(CheckpointError::Origin {
            expected: "a.example/log".parse().unwrap(),
            found: "b.example/log".parse().unwrap()
        })
    );
}

proptest! {
    #[test]
    fn every_checkpoint_can_be_read_back(size: u64, root: [u8; 32], origin in "[!-*,-~]{1,255}") {
        let checkpoint = Checkpoint { origin: origin.parse().unwrap(), size, root: Hash(root) };
        prop_assert_eq!(Checkpoint::parse(&checkpoint.to_text()), Ok(checkpoint.clone()));
        let key = signer("x");
        let verifier = key.verifier().renamed(&checkpoint.origin);
        prop_assert_eq!(Checkpoint::open(&checkpoint.sign(&key), &verifier), Ok(checkpoint));
    }
}
