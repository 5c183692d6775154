//! A note by other people's tools, the bounds, and notes that someone changed.

use proptest::prelude::*;

use super::*;

/// From the documentation of Go's `golang.org/x/mod/sumdb/note`.
const GO_KEY: &str = "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW";
const GO_SECRET: &str = "PRIVATE+KEY+PeterNeumann+c74f20a3+AYEKFALVFGyNhPJEMzD1QIDr+Y7hfZx09iUvxdXHKDFz";
const GO_TEXT: &str =
    "If you think cryptography is the answer to your problem,\nthen you don't know what your problem is.\n";
const GO_NOTE: &str = "If you think cryptography is the answer to your problem,\n\
     then you don't know what your problem is.\n\
     \n\
     — PeterNeumann x08go/ZJkuBS9UG/SffcvIAQxVBtiFupLLr8pAcElZInNIuGUgYN1FFYC2pZSNXgKvqfqdngotpRZb6KE6RyyBwJnAM=\n";

fn go_key() -> VerifierKey {
    GO_KEY.parse().unwrap()
}

fn signer(name: &str) -> SignerKey {
    SignerKey::generate([7; 32], name.parse().unwrap())
}

#[test]
fn a_note_by_gos_tools_opens() {
    assert_eq!(open(GO_NOTE, &go_key()).unwrap().as_str(), GO_TEXT);
}

#[test]
fn we_sign_as_gos_tools_do() {
    let secret = SignerKey::parse(GO_SECRET).unwrap();
    assert_eq!(secret.encode().as_str(), GO_SECRET);
    assert_eq!(secret.verifier(), go_key());
    assert_eq!(go_key().to_string(), GO_KEY);
    assert_eq!(sign(&Text::new(GO_TEXT).unwrap(), &secret), GO_NOTE);
}

#[test]
fn a_text_may_have_empty_lines_of_its_own() {
    let key = signer("a.example/log");
    for text in [
        "a\n\nb\n",
        "\n",
        "\n\n",
        "a\n\n",
        "— a.example/log AAAA\n",
        "a\n\n— a AAAAAAA=\n",
    ] {
        let note = sign(&Text::new(text).unwrap(), &key);
        assert_eq!(open(&note, &key.verifier()).unwrap().as_str(), text);
    }
}

#[test]
fn texts_that_no_note_can_have_are_refused() {
    for text in ["", "a", "a\r\n", "a\tb\n", "a\0\n", "a\u{1b}\n"] {
        assert_eq!(Text::new(text), Err(NoteError::Text), "{text:?}");
    }
    assert!(Text::new("x".repeat(MAX_TEXT_BYTES - 1) + "\n").is_ok());
    assert!(matches!(
        Text::new("x".repeat(MAX_TEXT_BYTES) + "\n"),
        Err(NoteError::TooLong { .. })
    ));
}

#[test]
fn the_longest_text_still_makes_a_note() {
    let key = signer(&"n".repeat(255));
    let text = Text::new("x".repeat(MAX_TEXT_BYTES - 1) + "\n").unwrap();
    assert_eq!(open(&sign(&text, &key), &key.verifier()), Ok(text));
}

#[test]
fn unknown_keys_are_ignored_and_the_known_one_must_have_signed() {
    let (ours, theirs) = (
        signer("a.example"),
        SignerKey::generate([8; 32], "b.example".parse().unwrap()),
    );
    let text = Text::new("text\n").unwrap();
    let note = sign(&text, &ours);
    let line_of = |note: &str| note.rsplit_once("\n\n").unwrap().1.to_owned();
    let both = format!("{note}{}", line_of(&sign(&text, &theirs)));
    assert_eq!(open(&both, &ours.verifier()).as_ref(), Ok(&text));
    assert_eq!(open(&both, &theirs.verifier()).as_ref(), Ok(&text));
    assert_eq!(
        open(&note, &theirs.verifier()),
        Err(NoteError::NotSigned("b.example".parse().unwrap()))
    );
    // The same name with another key, and the same key under another name, are other keys.
    let namesake = SignerKey::generate([9; 32], "a.example".parse().unwrap());
    assert!(matches!(
        open(&note, &namesake.verifier()),
        Err(NoteError::NotSigned(_))
    ));
    let alias = ours.renamed(&"c.example".parse().unwrap());
    assert!(matches!(
        open(&note, &alias.verifier()),
        Err(NoteError::NotSigned(_))
    ));
    assert_eq!(
        open(&sign(&text, &alias), &ours.verifier().renamed(alias.name())).as_ref(),
        Ok(&text)
    );
    // A key type that is not known here does no harm: a timestamped cosignature has eight bytes more.
    let cosigned = format!("{note}— witness.example {}\n", STANDARD.encode([5; 76]));
    assert_eq!(open(&cosigned, &ours.verifier()).as_ref(), Ok(&text));
}

#[test]
fn one_bad_signature_by_a_known_key_spoils_the_note() {
    let key = signer("a.example");
    let text = Text::new("text\n").unwrap();
    let other = sign(&Text::new("other\n").unwrap(), &key);
    let bad_line = other.rsplit_once("\n\n").unwrap().1;
    let note = sign(&text, &key);
    let bad = Err(NoteError::BadSignature("a.example".parse().unwrap()));
    assert_eq!(open(&format!("{note}{bad_line}"), &key.verifier()), bad);
    assert_eq!(open(&note.replace("text", "test"), &key.verifier()), bad);
    // Signatures of another length, by the known key's name and id.
    let id = key.id();
    for length in [1, 63, 65, 72] {
        let blob: Vec<u8> = id.into_iter().chain(vec![1; length]).collect();
        let line = format!("— a.example {}\n", STANDARD.encode(blob));
        assert_eq!(open(&format!("{note}{line}"), &key.verifier()), bad);
    }
}

#[test]
fn changing_any_byte_of_a_note_makes_it_fail() {
    for at in 0..GO_NOTE.len() {
        for flip in [1_u8, 0x20, 0x80] {
            let mut bytes = GO_NOTE.as_bytes().to_vec();
            bytes[at] ^= flip;
            if let Ok(changed) = String::from_utf8(bytes) {
                assert!(open(&changed, &go_key()).is_err(), "byte {at}");
            }
        }
    }
}

#[test]
fn notes_of_another_form_are_refused() {
    let line = GO_NOTE.rsplit_once("\n\n").unwrap().1;
    let refused = [
        String::new(),
        "\n\n".to_owned(),
        GO_TEXT.to_owned(),
        line.to_owned(),
        format!("\n{line}"),
        GO_NOTE.trim_end().to_owned(),
        format!("{GO_NOTE}\n"),
        format!("{GO_NOTE}trailing\n"),
        GO_NOTE.replace('\u{2014}', "-"),
        GO_NOTE.replace("\u{2014} ", "\u{2014}"),
        GO_NOTE.replace("PeterNeumann ", "PeterNeumann  "),
        GO_NOTE.replace("PeterNeumann ", " "),
        GO_NOTE.replace("PeterNeumann ", "Peter+Neumann "),
        GO_NOTE.replace("PeterNeumann ", "Peter\u{a0}Neumann "),
        GO_NOTE.replace("JnAM=", "JnAN="),
        GO_NOTE.replace("JnAM=", "JnAM"),
        GO_NOTE.replace("JnAM=\n", "JnAM= \n"),
        GO_NOTE.replace("JnAM=\n", "JnAM=\r\n"),
        format!("{GO_NOTE}— x AAAAAA==\n"),
        format!("{GO_NOTE}— x \n"),
    ];
    for note in refused {
        assert!(Note::parse(&note).is_err(), "{note:?}");
    }
}

#[test]
fn size_and_number_of_signatures_are_bounded() {
    let filler = "— x AAAAAAAA\n";
    let note = |lines| format!("{GO_NOTE}{}", filler.repeat(lines));
    assert!(open(&note(MAX_SIGNATURES - 1), &go_key()).is_ok());
    assert_eq!(
        open(&note(MAX_SIGNATURES), &go_key()),
        Err(NoteError::TooManySignatures)
    );
    let long = format!("{GO_NOTE}— {} AAAAAAAA\n", "x".repeat(MAX_NOTE_BYTES));
    assert!(matches!(open(&long, &go_key()), Err(NoteError::TooLong { .. })));
}

#[test]
fn keys_of_another_form_are_refused() {
    let refused = [
        "",
        "PeterNeumann",
        "PeterNeumann+c74f20a3",
        "PeterNeumann+C74F20A3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW",
        "PeterNeumann+c74f20a+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW",
        "PeterNeumann++c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW",
        "PeterNeumann+c74f20a4+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW",
        "peterneumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW",
        "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TX",
        "PeterNeumann+c74f20a3+BBpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW",
        "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW\n",
        "Peter Neumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW",
    ];
    for text in refused {
        assert!(text.parse::<VerifierKey>().is_err(), "`{text}`");
        assert!(
            SignerKey::parse(&format!("PRIVATE+KEY+{text}")).is_err(),
            "`{text}`"
        );
    }
    assert!(SignerKey::parse(GO_KEY).is_err());
    assert_eq!(
        SignerKey::parse(&GO_SECRET.replace("KDFz", "KDFy")).err(),
        Some(KeyError::Id)
    );
}

#[test]
fn keys_whose_signatures_prove_nothing_are_refused() {
    let name: Origin = "a.example".parse().unwrap();
    let mut identity = [0; 32];
    identity[0] = 1;
    assert_eq!(VerifierKey::new(name.clone(), &identity), Err(KeyError::Point));
    assert_eq!(VerifierKey::new(name.clone(), &[0; 32]), Err(KeyError::Point));
    assert_eq!(VerifierKey::new(name, &[2; 32]), Err(KeyError::Point));
}

#[test]
fn secrets_are_not_printed() {
    let key = SignerKey::parse(GO_SECRET).unwrap();
    assert_eq!(format!("{key:?}"), "SignerKey(PeterNeumann, ..)");
    let error = SignerKey::parse(&GO_SECRET.replace("c74f20a3", "c74f20a4")).unwrap_err();
    assert!(!format!("{error} {error:?}").contains("AYEKFALVFGyNhPJEMzD1QIDr"));
}

proptest! {
    #[test]
    fn what_is_signed_can_be_opened(seed: [u8; 32], text in "[ -~\\n\u{e4}\u{2014}]{0,200}") {
        let key = SignerKey::generate(seed, "records.example.org/audit".parse().unwrap());
        let text = Text::new(format!("{text}\n")).unwrap();
        prop_assert_eq!(open(&sign(&text, &key), &key.verifier()), Ok(text));
        let verifier = key.verifier();
        prop_assert_eq!(verifier.to_string().parse(), Ok(verifier));
        let read = SignerKey::parse(&key.encode()).unwrap();
        prop_assert_eq!(read.encode(), key.encode());
    }

    #[test]
    fn no_text_makes_parsing_panic(note in "(\u{2014} |[a +=\\n]|\\n\\n|AAAAAAAA|\\PC){0,40}") {
        let _ = Note::parse(&note);
        let _ = note.parse::<VerifierKey>();
        let _ = SignerKey::parse(&note);
    }
}
