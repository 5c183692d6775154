//! `allowed_signers`: what is read, what is refused and why, and that OpenSSH understands the same.

use evidence::signers::{AllowedSigners, MAX_SIGNERS_BYTES, SignersError, SignersFault, Unusable};
use proptest::prelude::*;

use crate::keygen::{Keys, at, ours};

const ED25519: &str = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAILM+rvN+ot98qgEN796jTiQfZfG1KaT0PtFDJ/XFSqti";
const OTHER: &str = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAINSoElFleH+nN83FoLqqepJjN+y7Gs5lrn7qXjBqQZyu";
/// The same point as [`OTHER`], as a security key.
const TOKEN: &str = "sk-ssh-ed25519@openssh.com AAAAGnNrLXNzaC1lZDI1NTE5QG9wZW5zc2guY29tAAAAINSoElFleH+nN83FoLqqepJjN+y7Gs5lrn7qXjBqQZyuAAAABHNzaDo=";

fn fault(text: &str) -> (usize, SignersFault) {
    let SignersError { line, fault } = AllowedSigners::parse(text).unwrap_err();
    (line, fault)
}

/// The fault of a single line, which must be found in it.
fn fault_of(line: &str) -> SignersFault {
    let (number, fault) = fault(&format!("# a comment\n\n{line}\n"));
    assert_eq!(number, 3);
    fault
}

#[test]
fn comments_empty_lines_options_and_comments_on_keys() {
    let text = format!(
        "# who may sign\n\n  # indented\nmayor@city.example {ED25519} a comment, with # and \"\n\
         counsel  namespaces=\"directive@records.example.org,file\",valid-after=\"20260101Z\",valid-before=\"202612312359Z\"  {OTHER}\n"
    );
    let signers = AllowedSigners::parse(&text).unwrap();
    assert_eq!(signers.text(), text);
    assert_eq!(
        signers
            .people()
            .iter()
            .map(|person| person.as_str())
            .collect::<Vec<_>>(),
        ["counsel", "mayor@city.example"]
    );
    let [mayor, counsel] = signers.keys() else {
        panic!("two keys")
    };
    assert_eq!((mayor.line(), counsel.line()), (4, 5));
    assert_eq!(
        mayor.fingerprint(),
        "SHA256:UCUiLr7Pjs9wFFJMDByLgc3NrtdU344OgUM45wZPcIQ"
    );
    assert_eq!(mayor.usable("anything", at("1980-01-01T00:00:00Z")), Ok(()));
    let now = at("2026-06-01T00:00:00Z");
    assert_eq!(counsel.usable("file", now), Ok(()));
    let allowed = "directive@records.example.org,file".to_owned();
    assert_eq!(counsel.usable("fil", now), Err(Unusable::Namespace { allowed }));
}

#[test]
fn validity_includes_both_ends() {
    let text = format!("a valid-after=\"20260101000001Z\",valid-before=\"202601020000Z\" {ED25519}\n");
    let signers = AllowedSigners::parse(&text).unwrap();
    let usable = |now: &str| signers.keys()[0].usable("file", at(now));
    assert_eq!(
        usable("2026-01-01T00:00:00Z"),
        Err(Unusable::NotYet {
            from: at("2026-01-01T00:00:01Z")
        })
    );
    assert_eq!(usable("2026-01-01T00:00:01Z"), Ok(()));
    assert_eq!(usable("2026-01-02T00:00:00.999Z"), Ok(()));
    assert_eq!(
        usable("2026-01-02T00:00:01Z"),
        Err(Unusable::Expired {
            until: at("2026-01-02T00:00:00Z")
        })
    );
}

#[test]
fn several_keys_of_one_person() {
    let signers = AllowedSigners::parse(&format!("mayor {ED25519}\nmayor {OTHER}\n")).unwrap();
    assert_eq!(signers.people().len(), 1);
    assert_eq!(signers.keys().len(), 2);
}

#[test]
fn principals_that_are_not_one_person() {
    for principal in ["a,b", "*", "*@city.example", "a?", "!a", "\"a\"", "ä", "a\\b"] {
        assert!(
            matches!(
                fault_of(&format!("{principal} {ED25519}")),
                SignersFault::Person(_)
            ),
            "{principal}"
        );
    }
    assert!(matches!(
        fault_of(&format!("{} {ED25519}", "a".repeat(101))),
        SignersFault::Person(_)
    ));
}

#[test]
fn one_key_under_two_names() {
    for second in ["counsel", "mayor"] {
        let text = format!("mayor {ED25519}\n{second} {ED25519}\n");
        let person = "mayor".parse().unwrap();
        assert_eq!(fault(&text), (2, SignersFault::KeyTwice { line: 1, person }));
    }
}

#[test]
fn one_key_dressed_up_as_a_security_key() {
    let text = format!("mayor {OTHER}\ncounsel {TOKEN}\n");
    assert!(matches!(
        fault(&text),
        (2, SignersFault::KeyTwice { line: 1, .. })
    ));
}

#[test]
fn one_person_in_two_spellings() {
    let text = format!("Mayor@city.example {ED25519}\nmayor@CITY.example {OTHER}\n");
    assert!(matches!(fault(&text), (2, SignersFault::Case { line: 1, .. })));
}

#[test]
fn options_that_are_refused() {
    assert_eq!(
        fault_of(&format!("a cert-authority {ED25519}")),
        SignersFault::CertAuthority
    );
    assert_eq!(
        fault_of(&format!("a CERT-AUTHORITY,namespaces=\"x\" {ED25519}")),
        SignersFault::CertAuthority
    );
    assert_eq!(
        fault_of(&format!("a zone=\"x\" {ED25519}")),
        SignersFault::Option("zone".to_owned())
    );
    assert_eq!(
        fault_of(&format!("a zone {ED25519}")),
        SignersFault::Option("zone".to_owned())
    );
    assert_eq!(
        fault_of(&format!("a namespaces=file {ED25519}")),
        SignersFault::Quotes("namespaces".to_owned())
    );
    assert_eq!(
        fault_of(&format!("a namespaces=\"file {ED25519}")),
        SignersFault::Quotes("namespaces".to_owned())
    );
    assert_eq!(
        fault_of("a namespaces=\"x\\\" ssh-ed25519\" AAAA"),
        SignersFault::Quotes("namespaces".to_owned())
    );
    assert_eq!(
        fault_of(&format!("a namespaces=\"x\",namespaces=\"y\" {ED25519}")),
        SignersFault::Twice("namespaces")
    );
    assert_eq!(
        fault_of(&format!("a namespaces=\"x\"{ED25519}")),
        SignersFault::Incomplete
    );
    for names in ["", "*", "directive@*", "!x", "a,", "a b", "x?"] {
        let line = format!("a namespaces=\"{names}\" {ED25519}");
        assert_eq!(fault_of(&line), SignersFault::Namespaces(names.to_owned()));
    }
}

#[test]
fn times_that_are_refused() {
    let times = [
        "",
        "20261123",
        "202611230000",
        "2026112Z",
        "20261323Z",
        "20260230Z",
        "202611232400Z",
        "20261123T00Z",
        "20261123235960Z",
        "20261123z",
        "+2026112Z",
        "2026112300Z",
        "99999999Z",
    ];
    for value in times {
        let line = format!("a valid-before=\"{value}\" {ED25519}");
        let expected = SignersFault::Time {
            option: "valid-before",
            value: value.to_owned(),
        };
        assert_eq!(fault_of(&line), expected, "{value}");
    }
    let line = format!("a valid-after=\"20261123Z\",valid-before=\"20261123Z\" {ED25519}");
    assert_eq!(fault_of(&line), SignersFault::NeverValid);
    let message = AllowedSigners::parse(&format!("a valid-after=\"20261123\" {ED25519}\n"))
        .unwrap_err()
        .to_string();
    assert!(
        message.contains("line 1") && message.contains("with the `Z`"),
        "{message}"
    );
}

#[test]
fn keys_that_are_refused() {
    let keys = Keys::new();
    let rsa = keys.make("rsa", "rsa");
    assert_eq!(
        fault_of(&format!("a {rsa}")),
        SignersFault::KeyType("ssh-rsa".to_owned())
    );
    let certificate = ED25519.replace("ssh-ed25519 ", "ssh-ed25519-cert-v01@openssh.com ");
    assert!(matches!(
        fault_of(&format!("a {certificate}")),
        SignersFault::KeyType(_)
    ));
    let refused = |line: &str| assert!(matches!(fault_of(line), SignersFault::Key(_)), "{line}");
    refused("a ssh-ed25519 AAAA");
    refused("a ssh-ed25519 !!!!");
    refused(&format!("a {}A", ED25519));
    refused(&format!(
        "a {}",
        ED25519.replace("ssh-ed25519 ", "ecdsa-sha2-nistp256 ")
    ));
    // The point of order one: anybody can sign for it.
    refused("a ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIAEAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA");
    // A security key of a web site.
    refused(&format!("a {}", TOKEN.replace("AAAABHNzaDo=", "AAAABXdlYjo6")));
    assert_eq!(fault_of("a"), SignersFault::Incomplete);
    assert_eq!(fault_of("a ssh-ed25519"), SignersFault::Incomplete);
}

#[test]
fn files_that_are_refused_as_a_whole() {
    let (line, control) = fault(&format!("a {ED25519}\r\n"));
    assert_eq!((line, control), (1, SignersFault::Control('\r')));
    assert_eq!(
        fault(&format!("\na\t{ED25519}\n")),
        (2, SignersFault::Control('\t'))
    );
    assert_eq!(fault(&format!("a {ED25519}")), (1, SignersFault::Unended));
    let long = "#".repeat(MAX_SIGNERS_BYTES + 1);
    assert_eq!(
        fault(&long),
        (
            0,
            SignersFault::TooLong {
                bytes: MAX_SIGNERS_BYTES + 1
            }
        )
    );
}

#[test]
fn openssh_reads_the_options_as_we_do() {
    let keys = Keys::new();
    let key = keys.make("a", "ed25519");
    let signature = keys.sign("a", &ours(), b"text\n");
    let cases = [
        (String::new(), true),
        (format!("namespaces=\"{}\" ", ours()), true),
        (format!("NAMESPACES=\"file,{}\" ", ours()), true),
        ("namespaces=\"file\" ".to_owned(), false),
        ("valid-after=\"20200101Z\" ".to_owned(), true),
        (
            "valid-after=\"20200101Z\",valid-before=\"209901010000Z\" ".to_owned(),
            true,
        ),
        ("valid-before=\"20200101Z\" ".to_owned(), false),
        ("valid-after=\"20990101000000Z\" ".to_owned(), false),
    ];
    // A time at which both are far from their ends; OpenSSH goes by the machine's clock.
    let now = at("2026-11-23T00:00:00Z");
    for (options, expected) in cases {
        let text = format!("a {options}{key}\n");
        let signers = AllowedSigners::parse(&text).unwrap();
        assert_eq!(signers.keys()[0].usable(&ours(), now).is_ok(), expected, "{text}");
        assert_eq!(
            keys.verify(&text, "a", &ours(), b"text\n", &signature),
            expected,
            "{text}"
        );
    }
}

/// Pieces that make a line likely to get far into the parser.
fn line() -> impl Strategy<Value = String> {
    let piece = prop_oneof![
        Just("mayor".to_owned()),
        Just(ED25519.to_owned()),
        Just(TOKEN.to_owned()),
        Just("namespaces=\"".to_owned()),
        Just("valid-after=\"20260101Z\"".to_owned()),
        Just(",".to_owned()),
        Just("\"".to_owned()),
        Just(" ".to_owned()),
        Just("\n".to_owned()),
        Just("=".to_owned()),
        ".{0,6}",
    ];
    proptest::collection::vec(piece, 0..12).prop_map(|pieces| pieces.concat())
}

proptest! {
    #[test]
    fn any_text_is_read_or_refused(text in any::<String>()) {
        let _ = AllowedSigners::parse(&text);
    }

    #[test]
    fn any_likely_text_is_read_or_refused(text in line()) {
        if let Ok(signers) = AllowedSigners::parse(&text) {
            prop_assert_eq!(signers.text(), text);
        }
    }
}
