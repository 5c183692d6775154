//! The text of suspensions and reinstatements, and of what the law asks an order to say.

use evidence::directive::{
    Directive, DirectiveError, Draft, MAX_PARTICULAR_BYTES, Order, Particulars, Reinstatement, Scope,
    Suspension,
};
use evidence::hash::sha256;

use crate::keygen::{at, draft};

/// The example of `docs/formats.md`.
const SUSPENSION: &str = "\
estop/directive/v1
custodian records.example.org
number D-2026-0003
kind suspend
partner federal-agency
agreement federal-2019
until 2026-12-23T00:00:00Z
basis Executive order 2026-15
services Queries of people and arrests
grounds 32,000 searches without a case reference
hearing 2026-12-01T15:00:00Z
contact Office of the mayor, +1 312 555 0100
notice You may answer in writing until 2026-11-30.
preview SBNJTRN+FjG7owHVrKtue7eqdM4RhdRWVl71HXN2d7I=
issued 2026-11-23T00:00:00Z
expires 2026-11-24T00:00:00Z
nonce BwcHBwcHBwcHBwcHBwcHBw==
ledger-size 1234
ledger-root SBNJTRN+FjG7owHVrKtue7eqdM4RhdRWVl71HXN2d7I=
";

#[test]
fn a_suspension_and_what_the_law_asks_it_to_say() {
    let text = |text: &str| Some(text.to_owned());
    let draft = Draft {
        number: "D-2026-0003".parse().unwrap(),
        order: suspension("2026-12-23T00:00:00Z"),
        basis: "Executive order 2026-15".to_owned(),
        particulars: Particulars {
            services: text("Queries of people and arrests"),
            grounds: text("32,000 searches without a case reference"),
            hearing: Some(at("2026-12-01T15:00:00Z")),
            contact: text("Office of the mayor, +1 312 555 0100"),
            notice: text("You may answer in writing until 2026-11-30."),
        },
        preview: Some(sha256(b"root")),
        ..draft()
    };
    let directive = Directive::new(draft).unwrap();
    assert_eq!(directive.encode(), SUSPENSION);
    assert_eq!(Directive::parse(SUSPENSION.as_bytes()), Ok(directive.clone()));
    assert_eq!(directive.until(), Some(at("2026-12-23T00:00:00Z")));
    let page = include_str!("../../../../docs/formats.md");
    assert!(page.contains(SUSPENSION), "docs/formats.md shows it");
    let lines: Vec<&str> = SUSPENSION.lines().collect();
    for (from, to, line) in [
        ("until ", "until  ", 7),
        ("2026-12-23T00:00:00Z", "2026-12-23", 7),
        (lines[9], lines[8], 10),
        ("hearing 2026-12-01T15:00:00Z", "hearing soon", 11),
        (lines[12], "notes none", 13),
        ("suspend", "terminate", 7),
        ("preview SBNJ", "preview SB", 14),
    ] {
        let text = SUSPENSION.replacen(from, to, 1);
        assert!(
            matches!(Directive::parse(text.as_bytes()), Err(DirectiveError::Line { line: found, .. }) if found == line),
            "{text}"
        );
    }
    let empty = SUSPENSION.replacen(lines[8], "services ", 1);
    assert!(matches!(
        Directive::parse(empty.as_bytes()),
        Err(DirectiveError::Particular { key: "services", .. })
    ));
}

fn suspension(until: &str) -> Order {
    Order::Suspend(Suspension {
        scope: Scope {
            partner: "federal-agency".parse().unwrap(),
            agreement: Some("federal-2019".parse().unwrap()),
            purpose: None,
        },
        until: at(until),
    })
}

#[test]
fn a_suspension_lasts_and_particulars_are_lines() {
    let issued = draft().issued;
    for until in ["2026-11-23T00:00:00Z", "2020-01-01T00:00:00Z"] {
        let order = suspension(until);
        let refused = Directive::new(Draft { order, ..draft() });
        let until = at(until);
        assert_eq!(refused, Err(DirectiveError::Until { issued, until }));
    }
    let split = at("2026-12-23T00:00:00.5Z");
    let order = suspension("2026-12-23T00:00:00.5Z");
    assert_eq!(
        Directive::new(Draft { order, ..draft() }),
        Err(DirectiveError::Time(split))
    );
    let saying = |particulars| {
        Directive::new(Draft {
            particulars,
            ..draft()
        })
    };
    let long = "x".repeat(MAX_PARTICULAR_BYTES + 1);
    for wrong in ["", " x", "x\ny", "x\u{202e}y", &long] {
        let grounds = Some(wrong.to_owned());
        let refused = saying(Particulars {
            grounds,
            ..Particulars::default()
        });
        assert!(
            matches!(refused, Err(DirectiveError::Particular { key: "grounds", .. })),
            "{wrong:?}: {refused:?}"
        );
    }
    let hearing = Some(split);
    assert_eq!(
        saying(Particulars {
            hearing,
            ..Particulars::default()
        }),
        Err(DirectiveError::Time(split))
    );
}

#[test]
fn a_reinstatement_names_what_it_lifts() {
    let order = Order::Reinstate(Reinstatement {
        partner: "federal-agency".parse().unwrap(),
        lifts: "D-2026-0003".parse().unwrap(),
    });
    let directive = Directive::new(Draft { order, ..draft() }).unwrap();
    let text = directive.encode();
    assert!(
        text.contains("kind reinstate\npartner federal-agency\nlifts D-2026-0003\nbasis "),
        "{text}"
    );
    assert_eq!(Directive::parse(text.as_bytes()), Ok(directive.clone()));
    assert_eq!(directive.scope(), None);
    assert_eq!(directive.partner().unwrap().as_str(), "federal-agency");
}
