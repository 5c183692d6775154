//! The text of a directive: one encoding, every field checked and bounded, no input that panics.

use evidence::directive::{
    Directive, DirectiveError, Draft, EstateTerms, MAX_BASIS_BYTES, MAX_DIRECTIVE_BYTES, MAX_NOTICE_BYTES,
    MAX_PARTICULAR_BYTES, Nonce, Order, Particulars, Reinstatement, Scope, Suspension, approve,
};
use evidence::hash::{Hash, sha256};
use evidence::id::Custodian;
use jiff::{SignedDuration, Timestamp};
use proptest::prelude::*;

use crate::keygen::{at, custodian, directive_text, draft, now, signers};

const TEXT: &str = "\
estop/directive/v1
custodian records.example.org
number D-2026-0001
kind terminate
partner federal-agency
basis Executive order 2026-14
issued 2026-11-23T00:00:00Z
expires 2026-11-24T00:00:00Z
nonce BwcHBwcHBwcHBwcHBwcHBw==
ledger-size 1234
ledger-root SBNJTRN+FjG7owHVrKtue7eqdM4RhdRWVl71HXN2d7I=
";

#[test]
fn the_text_is_the_one_in_the_format() {
    assert_eq!(directive_text(), TEXT);
    let narrowed = Draft {
        order: Order::Terminate(Scope {
            partner: "federal-agency".parse().unwrap(),
            agreement: Some("federal-2019".parse().unwrap()),
            purpose: Some("immigration-enforcement".parse().unwrap()),
        }),
        ..draft()
    };
    let text = Directive::new(narrowed.clone()).unwrap().encode();
    let scope = "partner federal-agency\nagreement federal-2019\npurpose immigration-enforcement\nbasis";
    assert!(text.contains(scope), "{text}");
    let parsed = Directive::parse(text.as_bytes()).unwrap();
    assert_eq!(*parsed, narrowed);
    assert!(!parsed.scope().unwrap().is_whole_partner());
}

/// The example of `docs/formats.md`.
pub(crate) const APPROVAL: &str = "\
estop/directive/v1
custodian records.example.org
number D-2026-0002
kind approve
estate 5iN3hHu+IRf76joJrHLlmhJXLCDKGO4CT+3qqUuoUlo=
signers F1JY4OcF/3Uk0FJwTZid2ZhhYwLZAiY+a9YXBPXex4M=
summary dht62K1DmyhV/LthEzHGRu8IcLBjEke7o/MCXLbfWlM=
basis ISA 2018-044
issued 2026-11-23T00:00:00Z
expires 2026-11-24T00:00:00Z
nonce BwcHBwcHBwcHBwcHBwcHBw==
ledger-size 1234
ledger-root SBNJTRN+FjG7owHVrKtue7eqdM4RhdRWVl71HXN2d7I=
";

fn terms(seed: impl AsRef<[u8]>) -> EstateTerms {
    let hash = |what: &str| sha256(&[seed.as_ref(), what.as_bytes()].concat());
    EstateTerms {
        estate: hash("estate"),
        signers: hash("signers"),
        summary: hash("summary"),
    }
}

#[test]
fn an_approval_has_one_encoding_too() {
    let draft = Draft {
        number: "D-2026-0002".parse().unwrap(),
        order: Order::Approve(terms("")),
        basis: "ISA 2018-044".to_owned(),
        ..draft()
    };
    let directive = Directive::new(draft).unwrap();
    let text = directive.encode();
    assert_eq!(text, APPROVAL);
    assert_eq!(Directive::parse(text.as_bytes()), Ok(directive));
    let page = include_str!("../../../../docs/formats.md");
    assert!(page.contains(APPROVAL), "docs/formats.md shows it");
    let lines: Vec<&str> = APPROVAL.lines().collect();
    for (from, to, line) in [
        ("approve", "terminate", 5),
        ("approve", "Approve", 4),
        (lines[5], "signers AAAA", 6),
        (lines[4], lines[6], 5),
        (lines[6], "partner federal-agency", 7),
        ("basis ", "partner federal-agency\nbasis ", 8),
    ] {
        let text = APPROVAL.replacen(from, to, 1);
        assert!(
            matches!(Directive::parse(text.as_bytes()), Err(DirectiveError::Line { line: found, .. }) if found == line),
            "{text}"
        );
    }
}

#[test]
fn another_order_of_lines_or_spelling_is_refused() {
    let refused = |from: &str, to: &str, line: usize| {
        let text = TEXT.replacen(from, to, 1);
        assert_ne!(text, TEXT);
        match Directive::parse(text.as_bytes()) {
            Err(DirectiveError::Line { line: found, .. }) => assert_eq!(found, line, "{text}"),
            other => panic!("{other:?} for {text}"),
        }
    };
    refused("v1\n", "v2\n", 1);
    refused("v1\n", "v1\r\n", 1);
    refused("records.example.org", "Records.example.org", 2);
    refused("custodian ", "custodian  ", 2);
    refused("number D-2026-0001\n", "", 3);
    refused("D-2026-0001", "D-2026-1", 3);
    refused("terminate", "revoke", 4);
    refused("terminate", "reinstate", 6);
    refused("terminate", "suspend", 6);
    refused(
        "kind terminate\npartner federal-agency\n",
        "partner federal-agency\nkind terminate\n",
        4,
    );
    refused(
        "partner federal-agency\n",
        "partner federal-agency\npartner federal-agency\n",
        6,
    );
    refused("basis ", "purpose p\nagreement a\nbasis ", 7);
    refused("2026-11-23T00:00:00Z", "2026-11-23T00:00:00+00:00", 7);
    refused("2026-11-23T00:00:00Z", "2026-11-23T00:00:00.0Z", 7);
    refused("2026-11-24T00:00:00Z", "2026-11-24T00:00Z", 8);
    refused("BwcHBwcHBwcHBwcHBwcHBw==", "BwcHBwcHBwcHBwcHBwcHBx==", 9);
    refused("1234", "01234", 10);
    refused("1234", "18446744073709551616", 10);
    refused("d7I=\n", "d7I=", 11);
    refused("d7I=\n", "d7I=\n\n", 12);
    refused("d7I=\n", "d7I=\nnote x\n", 12);
}

#[test]
fn bases_that_read_otherwise_than_they_stand() {
    let long = "x".repeat(MAX_BASIS_BYTES + 1);
    let bases = [
        "",
        " x",
        "x ",
        "x\ny",
        "x\ty",
        "x\u{202e}y",
        "x\u{2066}y",
        "x\u{200b}y",
        "x\u{feff}y",
        "x\u{2028}y",
        "x\u{85}y",
        &long,
    ];
    for basis in bases {
        let draft = Draft {
            basis: basis.to_owned(),
            ..draft()
        };
        assert_eq!(Directive::new(draft), Err(DirectiveError::Basis), "{basis:?}");
    }
    for basis in ["Rückgabe nach § 14", "第十四号", &"x".repeat(MAX_BASIS_BYTES)] {
        let draft = Draft {
            basis: basis.to_owned(),
            ..draft()
        };
        let directive = Directive::new(draft).unwrap();
        assert_eq!(Directive::parse(directive.encode().as_bytes()), Ok(directive));
    }
}

#[test]
fn times_that_make_no_sense() {
    let issued = draft().issued;
    for expires in [
        "2026-11-23T00:00:00Z",
        "2026-11-22T00:00:00Z",
        "2026-12-24T00:00:01Z",
        "2027-11-23T00:00:00Z",
    ] {
        let expires = at(expires);
        let error = Directive::new(Draft { expires, ..draft() }).unwrap_err();
        assert_eq!(error, DirectiveError::Lifetime { issued, expires });
    }
    assert!(
        Directive::new(Draft {
            expires: at("2026-12-24T00:00:00Z"),
            ..draft()
        })
        .is_ok()
    );
    let expires = at("2026-11-24T00:00:00.5Z");
    assert_eq!(
        Directive::new(Draft { expires, ..draft() }),
        Err(DirectiveError::Time(expires))
    );
}

#[test]
fn a_directive_that_is_too_long_or_no_text() {
    let long = vec![b'x'; MAX_DIRECTIVE_BYTES + 1];
    assert_eq!(
        Directive::parse(&long),
        Err(DirectiveError::TooLong {
            bytes: MAX_DIRECTIVE_BYTES + 1
        })
    );
    assert_eq!(
        Directive::parse(b"estop\xff"),
        Err(DirectiveError::NotText { at: 5 })
    );
    assert!(Directive::parse(b"").is_err());
}

#[test]
fn the_longest_directive_is_within_the_bound() {
    let name = "a".repeat(63);
    let longest = Draft {
        custodian: format!("{}.{}", "a".repeat(50), "b".repeat(49))
            .parse::<Custodian>()
            .unwrap(),
        number: "D-2026-123456789".parse().unwrap(),
        order: Order::Suspend(Suspension {
            scope: Scope {
                partner: name.parse().unwrap(),
                agreement: Some(name.parse().unwrap()),
                purpose: Some(name.parse().unwrap()),
            },
            until: at("2026-12-23T00:00:00Z"),
        }),
        basis: "x".repeat(MAX_BASIS_BYTES),
        particulars: Particulars {
            services: Some("x".repeat(MAX_PARTICULAR_BYTES)),
            grounds: Some("x".repeat(MAX_PARTICULAR_BYTES)),
            hearing: Some(at("2026-12-01T15:00:00Z")),
            contact: Some("x".repeat(MAX_PARTICULAR_BYTES)),
            notice: Some("x".repeat(MAX_NOTICE_BYTES)),
        },
        preview: Some(Hash::ZERO),
        ledger_size: u64::MAX,
        ..draft()
    };
    let text = Directive::new(longest).unwrap().encode();
    assert!(text.len() <= MAX_DIRECTIVE_BYTES);
    assert!(Directive::parse(text.as_bytes()).is_ok());
}

fn drafts() -> impl Strategy<Value = Draft> {
    let id = "[a-z0-9][a-z0-9-]{0,62}";
    let times = (0_i64..4_000_000_000, 1_i64..=31 * 24 * 3600);
    let text = (
        "[a-z0-9]{1,20}\\.[a-z]{2,9}",
        id,
        proptest::option::of(id),
        proptest::option::of(id),
        "[!-~][ -~]{0,90}[!-~]",
    );
    (
        text,
        times,
        any::<[u8; 16]>(),
        any::<u64>(),
        any::<[u8; 32]>(),
        0_u64..1_000_000_000,
        0..4_u8,
        proptest::option::of("[!-~][ -~]{0,90}[!-~]"),
    )
        .prop_map(
            |(
                (custodian, partner, agreement, purpose, basis),
                (issued, life),
                nonce,
                size,
                root,
                count,
                kind,
                said,
            )| {
                let scope = Scope {
                    partner: partner.parse().unwrap(),
                    agreement: agreement.map(|id: String| id.parse().unwrap()),
                    purpose: purpose.map(|id: String| id.parse().unwrap()),
                };
                let number = evidence::id::DirectiveNumber::new(2026, count).unwrap();
                let until = Timestamp::from_second(issued + 1 + life).unwrap();
                let particulars = Particulars {
                    services: said.clone(),
                    grounds: said.clone().filter(|_| count % 2 == 0),
                    hearing: said.as_ref().filter(|_| count % 3 == 0).map(|_| until),
                    contact: said.clone().filter(|_| count % 5 == 0),
                    notice: said,
                };
                Draft {
                    custodian: custodian.parse().unwrap(),
                    number: number.clone(),
                    order: match kind {
                        0 => Order::Approve(terms(size.to_be_bytes().repeat(4))),
                        1 => Order::Terminate(scope),
                        2 => Order::Suspend(Suspension { scope, until }),
                        _ => Order::Reinstate(Reinstatement {
                            partner: scope.partner,
                            lifts: number,
                        }),
                    },
                    basis,
                    particulars,
                    preview: (count % 7 == 0).then_some(Hash(root)),
                    issued: Timestamp::from_second(issued).unwrap(),
                    expires: Timestamp::from_second(issued)
                        .unwrap()
                        .checked_add(SignedDuration::from_secs(life))
                        .unwrap(),
                    nonce: Nonce::new(nonce),
                    ledger_size: size,
                    ledger_root: Hash(root),
                }
            },
        )
}

proptest! {
    #[test]
    fn every_directive_is_read_back_as_it_was(draft in drafts()) {
        let directive = Directive::new(draft).unwrap();
        prop_assert_eq!(Directive::parse(directive.encode().as_bytes()), Ok(directive));
    }

    #[test]
    fn what_is_read_is_written_back_the_same(at in 0..TEXT.len(), byte in any::<u8>(), cut in any::<bool>()) {
        let mut bytes = TEXT.as_bytes().to_vec();
        if cut { bytes.remove(at); } else { bytes[at] = byte; }
        if let Ok(directive) = Directive::parse(&bytes) {
            let text = directive.encode();
            prop_assert_eq!(text.as_bytes(), &bytes[..]);
        }
    }

    #[test]
    fn any_bytes_are_read_or_refused(bytes in any::<Vec<u8>>(), signature in any::<String>()) {
        let _ = Directive::parse(&bytes);
        prop_assert!(approve(&bytes, &[&signature], &signers(&[]), &custodian(), now()).is_err());
    }

    #[test]
    fn any_armor_is_refused(inner in proptest::collection::vec("[A-Za-z0-9+/=]{0,70}", 0..9)) {
        let armored =
            format!("-----BEGIN SSH SIGNATURE-----\n{}\n-----END SSH SIGNATURE-----\n", inner.join("\n"));
        prop_assert!(approve(TEXT.as_bytes(), &[&armored], &signers(&[]), &custodian(), now()).is_err());
    }

    #[test]
    fn any_content_of_an_armor_is_refused(body in any::<Vec<u8>>()) {
        use base64::Engine as _;
        let inner = base64::engine::general_purpose::STANDARD.encode([b"SSHSIG\0\0\0\x01", &body[..]].concat());
        let armored = format!("-----BEGIN SSH SIGNATURE-----\n{inner}\n-----END SSH SIGNATURE-----\n");
        prop_assert!(approve(TEXT.as_bytes(), &[&armored], &signers(&[]), &custodian(), now()).is_err());
    }
}
