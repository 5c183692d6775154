//! Every way in which a signed directive is refused, each with its own error, with signatures by the real
//! tool.

use evidence::directive::{
    ApprovalError, Approved, Directive, DirectiveError, MAX_SIGNATURES, SignatureForm, approve, namespace,
};
use evidence::signers::AllowedSigners;
use jiff::{SignedDuration, Timestamp};

use crate::keygen::{Keys, at, custodian, directive_text, draft, now, ours, signers};

/// A mayor with two keys, counsel with one, and a stranger with one that is not listed.
struct Office {
    keys: Keys,
    text: String,
    signers: AllowedSigners,
}

impl Office {
    fn new() -> Self {
        let keys = Keys::new();
        let lines = [
            format!("mayor@city.example {} the mayor", keys.make("mayor", "ed25519")),
            format!("mayor@city.example {}", keys.make("mayor-2", "ecdsa")),
            format!(
                "counsel@city.example namespaces=\"{}\" {}",
                ours(),
                keys.make("counsel", "ecdsa")
            ),
            format!(
                "clerk@city.example namespaces=\"receipt@records.example.org,file\" {}",
                keys.make("clerk", "ed25519")
            ),
            format!(
                "former@city.example valid-before=\"20261122235959Z\" {}",
                keys.make("former", "ed25519")
            ),
            format!(
                "elect@city.example valid-after=\"20261201Z\" {}",
                keys.make("elect", "ed25519")
            ),
        ];
        keys.make("stranger", "ed25519");
        Self {
            keys,
            text: directive_text(),
            signers: signers(&lines),
        }
    }

    fn sign(&self, name: &str) -> String {
        self.keys.sign(name, &ours(), self.text.as_bytes())
    }

    fn approve(&self, signatures: &[&str]) -> Result<Approved<Directive>, ApprovalError> {
        self.approve_at(signatures, now())
    }

    fn approve_at(&self, signatures: &[&str], now: Timestamp) -> Result<Approved<Directive>, ApprovalError> {
        approve(self.text.as_bytes(), signatures, &self.signers, &custodian(), now)
    }

    /// What the mayor's good signature and one more come to.
    fn with_mayor(&self, other: &str) -> ApprovalError {
        self.approve(&[&self.sign("mayor"), other]).unwrap_err()
    }
}

fn person(name: &str) -> evidence::signers::Person {
    format!("{name}@city.example").parse().unwrap()
}

#[test]
fn two_people_are_enough_and_their_names_are_kept() {
    let office = Office::new();
    let signatures = [office.sign("mayor"), office.sign("counsel")];
    let approved = office.approve(&[&signatures[0], &signatures[1]]).unwrap();
    assert_eq!(approved.people(), [person("mayor"), person("counsel")]);
    assert_eq!(approved.text(), office.text);
    assert_eq!(approved.signatures(), signatures);
    assert_eq!(approved.scope().unwrap().partner.as_str(), "federal-agency");
    assert!(approved.keys().iter().all(|key| key.starts_with("SHA256:")));
    for (who, signature) in ["mayor", "counsel"].iter().zip(&signatures) {
        let who = format!("{who}@city.example");
        let judged = office.keys.verify(
            office.signers.text(),
            &who,
            &ours(),
            office.text.as_bytes(),
            signature,
        );
        assert!(judged, "OpenSSH must accept what we accept");
    }
}

#[test]
fn the_record_of_an_approval_is_enough_to_approve_again() {
    let office = Office::new();
    let approved = office
        .approve(&[&office.sign("mayor"), &office.sign("counsel")])
        .unwrap();
    let record = approved.record(None);
    assert_eq!(record.people, ["mayor@city.example", "counsel@city.example"]);
    let signers = AllowedSigners::parse(&record.signers_file).unwrap();
    let signatures: Vec<_> = record.signatures.iter().map(String::as_str).collect();
    let again = approve(record.text.as_bytes(), &signatures, &signers, &custodian(), now()).unwrap();
    assert_eq!(again, approved);
}

#[test]
fn no_signature() {
    assert_eq!(
        Office::new().approve(&[]).unwrap_err(),
        ApprovalError::NoSignature
    );
}

#[test]
fn one_signature() {
    let office = Office::new();
    let error = office.approve(&[&office.sign("mayor")]).unwrap_err();
    assert_eq!(
        error,
        ApprovalError::OnePerson {
            person: person("mayor")
        }
    );
}

#[test]
fn the_same_signature_twice() {
    let office = Office::new();
    assert_eq!(
        office.with_mayor(&office.sign("mayor")),
        ApprovalError::SameSignature {
            signature: 2,
            earlier: 1
        }
    );
}

#[test]
fn the_same_key_twice_with_different_signatures() {
    let office = Office::new();
    // An ECDSA signature is different every time.
    let error = office
        .approve(&[&office.sign("counsel"), &office.sign("counsel")])
        .unwrap_err();
    assert_eq!(
        error,
        ApprovalError::SameKey {
            signature: 2,
            earlier: 1,
            person: person("counsel")
        }
    );
    // And a line feed less does not make another signature of one.
    let good = office.sign("mayor");
    let error = office.approve(&[&good, good.trim_end()]).unwrap_err();
    assert_eq!(
        error,
        ApprovalError::SameKey {
            signature: 2,
            earlier: 1,
            person: person("mayor")
        }
    );
}

#[test]
fn the_same_person_with_two_keys() {
    let office = Office::new();
    let error = office.with_mayor(&office.sign("mayor-2"));
    assert_eq!(
        error,
        ApprovalError::SamePerson {
            signature: 2,
            earlier: 1,
            person: person("mayor")
        }
    );
    // Nor does a second person make it right: whoever hands in one person twice is told.
    let three = [
        office.sign("mayor"),
        office.sign("counsel"),
        office.sign("mayor-2"),
    ];
    let error = office.approve(&three.each_ref().map(String::as_str)).unwrap_err();
    assert_eq!(
        error,
        ApprovalError::SamePerson {
            signature: 3,
            earlier: 1,
            person: person("mayor")
        }
    );
}

#[test]
fn an_unknown_key() {
    let office = Office::new();
    assert_eq!(
        office.with_mayor(&office.sign("stranger")),
        ApprovalError::UnknownKey { signature: 2 }
    );
    let alone = office.approve(&[&office.sign("stranger")]).unwrap_err();
    assert_eq!(alone, ApprovalError::UnknownKey { signature: 1 });
}

#[test]
fn a_key_of_a_kind_that_is_not_accepted() {
    let office = Office::new();
    office.keys.make("rsa", "rsa");
    let error = office.with_mayor(&office.sign("rsa"));
    assert!(matches!(
        error,
        ApprovalError::UnknownKey { signature: 2 }
            | ApprovalError::Form {
                signature: 2,
                source: SignatureForm::Algorithm
            }
    ));
}

#[test]
fn an_expired_key_to_the_second() {
    let office = Office::new();
    let signatures = [office.sign("mayor"), office.sign("former")];
    let signatures = signatures.each_ref().map(String::as_str);
    let until = at("2026-11-22T23:59:59Z");
    assert_eq!(
        office.approve(&signatures).unwrap_err(),
        ApprovalError::KeyExpired {
            signature: 2,
            person: person("former"),
            until
        }
    );
    assert!(office.approve_at(&signatures, until).is_ok());
    let second = SignedDuration::from_secs(1);
    assert!(
        office
            .approve_at(&signatures, until.checked_add(second).unwrap())
            .is_err()
    );
}

#[test]
fn a_key_that_is_not_yet_valid() {
    let office = Office::new();
    let from = at("2026-12-01T00:00:00Z");
    let error = office.with_mayor(&office.sign("elect"));
    assert_eq!(
        error,
        ApprovalError::KeyNotYetValid {
            signature: 2,
            person: person("elect"),
            from
        }
    );
}

#[test]
fn a_key_that_is_not_for_directives() {
    let office = Office::new();
    let error = office.with_mayor(&office.sign("clerk"));
    let allowed = "receipt@records.example.org,file".to_owned();
    assert_eq!(
        error,
        ApprovalError::KeyNotForDirectives {
            signature: 2,
            person: person("clerk"),
            namespace: ours(),
            allowed
        }
    );
}

#[test]
fn a_signature_in_another_namespace() {
    let office = Office::new();
    for found in [
        "file",
        "directive@other.example.org",
        "directive@records.example.org.evil.example",
    ] {
        let error = office.with_mayor(&office.keys.sign("counsel", found, office.text.as_bytes()));
        let (person, found) = (person("counsel"), found.to_owned());
        assert_eq!(
            error,
            ApprovalError::WrongNamespace {
                signature: 2,
                person,
                found,
                expected: ours()
            }
        );
    }
}

#[test]
fn a_signature_over_other_bytes() {
    let office = Office::new();
    let other = office.keys.sign("counsel", &ours(), b"something else\n");
    assert_eq!(
        office.with_mayor(&other),
        ApprovalError::DoesNotFit {
            signature: 2,
            person: person("counsel")
        }
    );
}

#[test]
fn every_changed_byte_of_a_directive() {
    let office = Office::new();
    let signatures = [office.sign("mayor"), office.sign("counsel")];
    let signatures = signatures.each_ref().map(String::as_str);
    let mut still_directives = 0;
    for at in 0..office.text.len() {
        for pattern in [0x01, 0x02, 0x10, 0x20, 0x80] {
            let mut bytes = office.text.clone().into_bytes();
            bytes[at] ^= pattern;
            let error = approve(&bytes, &signatures, &office.signers, &custodian(), now()).unwrap_err();
            still_directives += usize::from(matches!(error, ApprovalError::DoesNotFit { .. }));
        }
    }
    assert!(
        still_directives > 100,
        "the signature must be what refuses a change that still parses"
    );
}

#[test]
fn every_changed_byte_of_a_signature() {
    let office = Office::new();
    let good = [office.sign("mayor"), office.sign("counsel")];
    for at in 0..good[1].len() {
        for pattern in [0x01, 0x02, 0x20, 0x40] {
            let mut bytes = good[1].clone().into_bytes();
            bytes[at] ^= pattern;
            let Ok(changed) = String::from_utf8(bytes) else {
                continue;
            };
            assert!(
                office.approve(&[&good[0], &changed]).is_err(),
                "byte {at} changed by {pattern:#x}"
            );
        }
    }
}

#[test]
fn a_directive_to_another_custodian() {
    let office = Office::new();
    let other = "records.elsewhere.example".parse().unwrap();
    let signatures =
        ["mayor", "counsel"].map(|who| office.keys.sign(who, &namespace(&other), office.text.as_bytes()));
    let signatures = signatures.each_ref().map(String::as_str);
    let error = approve(
        office.text.as_bytes(),
        &signatures,
        &office.signers,
        &other,
        now(),
    )
    .unwrap_err();
    assert_eq!(
        error,
        ApprovalError::ForeignCustodian {
            named: custodian(),
            ours: other
        }
    );
}

#[test]
fn an_expired_directive_to_the_second() {
    let office = Office::new();
    let signatures = [office.sign("mayor"), office.sign("counsel")];
    let signatures = signatures.each_ref().map(String::as_str);
    let expires = draft().expires;
    assert!(
        office
            .approve_at(
                &signatures,
                expires.checked_sub(SignedDuration::from_millis(1)).unwrap()
            )
            .is_ok()
    );
    assert_eq!(
        office.approve_at(&signatures, expires).unwrap_err(),
        ApprovalError::Expired {
            expires,
            now: expires
        }
    );
}

#[test]
fn a_directive_from_the_future() {
    let office = Office::new();
    let signatures = [office.sign("mayor"), office.sign("counsel")];
    let signatures = signatures.each_ref().map(String::as_str);
    let issued = draft().issued;
    let skewed = issued.checked_sub(SignedDuration::from_mins(5)).unwrap();
    assert!(office.approve_at(&signatures, skewed).is_ok());
    let now = skewed.checked_sub(SignedDuration::from_millis(1)).unwrap();
    let error = office.approve_at(&signatures, now).unwrap_err();
    assert_eq!(error, ApprovalError::FromTheFuture { issued, now });
}

#[test]
fn malformed_armor() {
    let office = Office::new();
    let good = office.sign("counsel");
    let inner = good.lines().nth(1).unwrap();
    let cases = [
        (String::new(), SignatureForm::Armor),
        ("no signature\n".to_owned(), SignatureForm::Armor),
        (good.replace('\n', "\r\n"), SignatureForm::Armor),
        (format!("{good}{good}"), SignatureForm::Armor),
        (format!("Comment: x\n{good}"), SignatureForm::Armor),
        (format!("{good}\n"), SignatureForm::Armor),
        (
            good.replace("SSH SIGNATURE", "PGP SIGNATURE"),
            SignatureForm::Armor,
        ),
        (good.replace(inner, ""), SignatureForm::Content),
        (good.replace(inner, &inner[..60]), SignatureForm::Content),
        (
            "-----BEGIN SSH SIGNATURE-----\nAAAA\n-----END SSH SIGNATURE-----\n".to_owned(),
            SignatureForm::Content,
        ),
        ("A".repeat(5_000), SignatureForm::TooLong),
    ];
    for (armored, source) in cases {
        assert_eq!(
            office.with_mayor(&armored),
            ApprovalError::Form { signature: 2, source },
            "{armored}"
        );
    }
}

#[test]
fn more_signatures_than_are_looked_at() {
    let office = Office::new();
    let good = office.sign("mayor");
    let many = vec![good.as_str(); MAX_SIGNATURES + 1];
    let error = office.approve(&many).unwrap_err();
    assert_eq!(
        error,
        ApprovalError::TooManySignatures {
            count: MAX_SIGNATURES + 1
        }
    );
}

#[test]
fn bytes_that_are_no_directive() {
    let office = Office::new();
    let text = format!("{}\n", office.text);
    let signatures = ["mayor", "counsel"].map(|who| office.keys.sign(who, &ours(), text.as_bytes()));
    let signatures = signatures.each_ref().map(String::as_str);
    let error = approve(text.as_bytes(), &signatures, &office.signers, &custodian(), now()).unwrap_err();
    assert!(
        matches!(
            error,
            ApprovalError::Directive(DirectiveError::Line { line: 12, .. })
        ),
        "{error:?}"
    );
}
