//! A certificate holds as it was signed, and in no other form: not with a byte changed, not under another
//! key.

use evidence::certificate::{BuildError, Certificate, CheckName, Finding, Refuted, verify};
use evidence::directive::OrderKind;
use evidence::entry::Kind;
use evidence::note::SignerKey;
use proptest::prelude::*;

use crate::forgeries::failed;
use crate::keygen::{Keys, at, custodian, ours};
use crate::world::{PARTNER, Scene, certificate, sign, signer, signers_text};

#[test]
fn a_true_certificate_holds_and_is_told_of() {
    let report = verify(certificate().as_bytes(), &signer().verifier()).unwrap();
    assert_eq!(report.directive.as_str(), "D-2026-0001");
    assert_eq!(
        (report.partner.as_str(), report.order),
        (PARTNER, OrderKind::Terminate)
    );
    assert_eq!(
        report
            .signed_by
            .iter()
            .map(|by| by.person.as_str())
            .collect::<Vec<_>>(),
        ["mayor@city.example", "counsel@city.example"]
    );
    assert_eq!(report.cut.iter().map(|cut| cut.rows).sum::<u64>(), 41_277);
    assert_eq!((report.gateways.len(), report.database.roles.len()), (2, 1));
    assert_eq!(
        report.partner_log.origin.as_str(),
        "records.example.org/p/federal-agency"
    );
    assert_eq!((report.partner_log.size, report.ledger.size), (7, 20));
    assert_eq!(report.counted, at("2026-11-23T00:10:04Z"));
    assert_eq!(
        report.checks.iter().map(|check| check.name).collect::<Vec<_>>(),
        CheckName::ALL
    );
    assert!(report.checks.iter().all(|check| check.finding == Finding::Holds));
}

#[test]
fn the_text_for_people_says_the_main_things() {
    let file = certificate();
    let (prose, _) = file.split_once("\n=== machine part ===\n").unwrap();
    for said in [
        "estop/certificate/v1\n",
        "Basis      Executive order 2026-14\n",
        "Signed by  mayor@city.example, counsel@city.example\n",
        "2 sessions were cut.",
        "session 0123456789abcdef: 3 statements, 41277 rows, 4953240 bytes; ended 2026-11-23T00:10:01.25Z, while statement 3 was running",
        "gateway gateway-2: no session left",
        "role estop_0123456789abcdef (agreement federal-2019, purpose immigration-enforcement)\n",
        "    cannot log in, has no password, cannot connect, has rights to read 0 relations;\n",
        "    2 backends were ended, 0 are left;",
        "WHAT THIS CERTIFICATE DOES NOT SHOW",
        "ssh-keygen -Y verify -f signers -I mayor@city.example -n directive@records.example.org",
    ] {
        assert!(prose.contains(said), "{said:?} is not in:\n{prose}");
    }
    assert!(
        prose
            .lines()
            .all(|line| line.chars().count() <= 150 && line == line.trim_end()),
        "{prose}"
    );
}

#[test]
fn a_suspension_is_certified_as_one() {
    let file = Scene::suspended().play().parts();
    let file = Certificate::build(file).unwrap().sign(&signer()).unwrap();
    let report = verify(file.as_bytes(), &signer().verifier()).unwrap();
    assert_eq!(report.order, OrderKind::Suspend);
    assert_eq!(report.until, Some(at("2026-12-23T00:00:00Z")));
    assert_eq!(report.particulars["hearing"], "2026-12-01T15:00:00Z");
    for said in [
        "CERTIFICATE OF SUSPENSION\n",
        "  Until       2026-12-23T00:00:00Z\n",
        "is suspended until\n  2026-12-23T00:00:00Z.\n",
        "  Grounds    32,000 searches\n",
        "  Hearing    2026-12-01T15:00:00Z\n",
        "That the suspension lasts: it lapses by itself at 2026-12-23T00:00:00Z",
    ] {
        assert!(file.contains(said), "{said:?} is not in:\n{file}");
    }
    let mut gives_back = Scene::suspended();
    gives_back.epoch.lifted = vec!["D-2026-0009".parse().unwrap()];
    let world = gives_back.play();
    assert_eq!(failed(&world.force(world.parts())), [CheckName::Epoch]);
}

#[test]
fn the_report_is_one_json_document() {
    let report = verify(certificate().as_bytes(), &signer().verifier()).unwrap();
    let json: serde_json::Value = serde_json::to_value(&report).unwrap();
    assert_eq!(json["recorded"], "2026-11-23T00:10:00Z");
    assert_eq!(json["order"], "terminate");
    assert_eq!(json["cut"][0]["rows"], 41_277);
    assert_eq!(json["checks"][0]["name"], "form");
    assert_eq!(json["checks"][0]["result"], "holds");
    let mut changed = certificate().into_bytes();
    changed[30] ^= 1;
    let refuted = verify(&changed, &signer().verifier()).unwrap_err();
    let json = serde_json::to_value(&refuted).unwrap();
    assert_eq!(json["checks"][1]["result"], "fails");
    assert!(
        json["checks"][1]["reason"]
            .as_str()
            .unwrap()
            .contains("does not verify")
    );
}

#[test]
fn every_changed_byte_is_refuted() {
    let (file, key) = (certificate().into_bytes(), signer().verifier());
    // Two workers, since every one of some 20,000 files is checked in full.
    let refuted = |from: usize| {
        for at in (from..file.len()).step_by(2) {
            // Of each byte one bit, of the next the next bit; of every other byte the lowest too, or that of
            // upper case.
            let second = [None, Some(0x01), None, Some(0x20)][at / 2 % 4];
            for pattern in [Some(1 << (at / 2 % 8)), second].into_iter().flatten() {
                let mut changed = file.clone();
                changed[at] ^= pattern;
                let refuted = verify(&changed, &key).expect_err("a changed byte");
                assert!(
                    refuted.failed().next().is_some(),
                    "byte {at} ^ {pattern:#x}: nothing says what failed"
                );
                let signature = &refuted.checks[1];
                assert_ne!(signature.finding, Finding::Holds, "byte {at} ^ {pattern:#x}");
            }
        }
    };
    std::thread::scope(|scope| {
        scope.spawn(|| refuted(0));
        scope.spawn(|| refuted(1));
    });
}

#[test]
fn bytes_taken_away_or_put_in_are_refuted() {
    let file = certificate();
    let key = signer().verifier();
    for cut in 0..file.len() {
        assert!(verify(&file.as_bytes()[..cut], &key).is_err());
    }
    for extra in ["\n", " ", "x", "\u{2014} records.example.org AAAAAA==\n"] {
        assert!(
            verify(format!("{file}{extra}").as_bytes(), &key).is_err(),
            "{extra:?} after the end"
        );
        assert!(
            verify(format!("{extra}{file}").as_bytes(), &key).is_err(),
            "{extra:?} before the beginning"
        );
    }
}

#[test]
fn every_section_changed_and_signed_again_is_refuted() {
    // The custodian signs whatever is changed: what then refutes it is what the changed section is about. One
    // byte in each line of the machine part.
    let file = certificate();
    let text = evidence::note::Note::parse(&file).unwrap().text().to_owned();
    let start = text.find("=== machine part ===").unwrap();
    let ends: Vec<_> = text
        .match_indices('\n')
        .map(|(at, _)| at)
        .filter(|at| *at > start)
        .collect();
    for end in ends {
        let mut changed = text.clone().into_bytes();
        changed[end - 1] ^= 1;
        let changed = String::from_utf8(changed).unwrap();
        if changed.contains(|c: char| c.is_control() && c != '\n') {
            // The end of an empty line: no note can be made of it.
            continue;
        }
        let failed = failed(&sign(&changed));
        assert!(!failed.contains(&CheckName::CustodianSignature));
        assert!(!failed.is_empty(), "byte {end}");
    }
}

#[test]
fn another_key_under_the_same_name() {
    let world = Scene::new().play();
    let text = Certificate::build(world.parts()).unwrap().text().to_owned();
    let other = SignerKey::generate([43; 32], custodian().key_name());
    let file = evidence::note::sign(&evidence::note::Text::new(text).unwrap(), &other);
    assert_eq!(failed(&file), [CheckName::CustodianSignature]);
    // And the other way about: checked with a key of the attacker's, the checkpoints inside are not by it.
    let refuted = verify(file.as_bytes(), &other.verifier()).unwrap_err();
    let names: Vec<_> = refuted.failed().map(|check| check.name).collect();
    assert_eq!(names, [CheckName::LedgerCheckpoint, CheckName::PartnerCheckpoint]);
}

#[test]
fn another_custodians_name() {
    let other = signer()
        .verifier()
        .renamed(&"records.elsewhere.example".parse().unwrap());
    let refuted = verify(certificate().as_bytes(), &other).unwrap_err();
    assert!(refuted.failed().any(|check| check.name == CheckName::Form));
    let text = evidence::note::Note::parse(&certificate())
        .unwrap()
        .text()
        .to_owned();
    let key = signer().renamed(&"records.elsewhere.example".parse().unwrap());
    let file = evidence::note::sign(&evidence::note::Text::new(text).unwrap(), &key);
    let refuted = verify(file.as_bytes(), &key.verifier()).unwrap_err();
    let names: Vec<_> = refuted.failed().map(|check| check.name).collect();
    for name in [
        CheckName::LedgerCheckpoint,
        CheckName::Commitments,
        CheckName::Directive,
        CheckName::PartnerCheckpoint,
    ] {
        assert!(names.contains(&name), "{names:?}");
    }
}

#[test]
fn words_from_outside_cannot_pass_for_lines_of_the_certificate() {
    let mut scene = Scene::new();
    scene.draft.basis = "=== machine part ===".to_owned();
    let evil = "done\n\n=== machine part ===\nsection signers 0\n\u{1b}[2J\u{202e}";
    scene.carried_out.steps[0].result = evil.to_owned();
    scene.carried_out.roles[0].role = evil.to_owned();
    let world = scene.play();
    let file = Certificate::build(world.parts())
        .unwrap()
        .sign(&signer())
        .unwrap();
    assert!(verify(file.as_bytes(), &signer().verifier()).is_ok());
    assert!(!file.contains('\u{1b}'));
    scene.carried_out.roles[0].can_login = true;
    let world = scene.play();
    let refuted = verify(world.force(world.parts()).as_bytes(), &signer().verifier()).unwrap_err();
    assert!(!refuted.to_string().contains(['\u{1b}', '\n', '\u{202e}']));
}

#[test]
fn no_session_open_is_a_termination_too() {
    let mut scene = Scene::new();
    scene.cuts.clear();
    scene.drained[0].sessions_cut = 0;
    let world = scene.play();
    let file = Certificate::build(world.parts())
        .unwrap()
        .sign(&signer())
        .unwrap();
    assert!(file.contains("None: no session was open."));
}

#[test]
fn no_gateway_at_work_is_a_termination_too() {
    let mut scene = Scene::new();
    scene.cuts.clear();
    scene.drained.clear();
    let world = scene.play();
    let refuted = Certificate::build(world.parts())
        .unwrap()
        .sign(&signer())
        .unwrap_err();
    assert_eq!(
        refuted.failed().map(|check| check.name).collect::<Vec<_>>(),
        [CheckName::Gateways]
    );
    scene.epoch.gateways.clear();
    let world = scene.play();
    let file = Certificate::build(world.parts())
        .unwrap()
        .sign(&signer())
        .unwrap();
    assert!(file.contains("No gateway was at work."));
}

#[test]
fn a_certificate_that_would_not_hold_is_not_signed() {
    let mut scene = Scene::new();
    scene.carried_out.roles[0].backends_left = 1;
    let certificate = Certificate::build(scene.play().parts()).unwrap();
    let Refuted { checks } = certificate.sign(&signer()).unwrap_err();
    let reason = checks.iter().find(|check| !check.holds()).unwrap().to_string();
    assert_eq!(
        reason,
        "database: does not hold: role `estop_0123456789abcdef` has 1 live backends"
    );
}

#[test]
fn parts_that_are_not_those_of_a_termination() {
    let world = Scene::new().play();
    let without = |kind: Kind| {
        let mut parts = world.parts();
        let gone: Vec<_> = world
            .find(kind, PARTNER)
            .into_iter()
            .map(|index| index as u64)
            .collect();
        parts.cited.retain(|cited| !gone.contains(&cited.proof.index));
        Certificate::build(parts).unwrap_err()
    };
    for kind in [
        Kind::Directive,
        Kind::Epoch,
        Kind::CarriedOut,
        Kind::Closed,
        Kind::Census,
    ] {
        let error = without(kind);
        assert!(
            matches!(&error, BuildError::Entries { reason } if reason.contains(kind.as_str())),
            "{error}"
        );
    }
    let mut parts = world.parts();
    parts.cited.push(world.cite(0));
    assert!(matches!(
        Certificate::build(parts),
        Err(BuildError::Entries { .. })
    ));
    let mut parts = world.parts();
    parts.cited[0].proof.checkpoint.push('x');
    assert!(matches!(Certificate::build(parts), Err(BuildError::Checkpoints)));
    let mut parts = world.parts();
    parts.cited.clear();
    assert!(matches!(
        Certificate::build(parts),
        Err(BuildError::Entries { .. })
    ));
}

#[test]
fn openssh_accepts_the_sections_as_they_stand() {
    let file = certificate();
    let section = |name: &str, nth: usize| {
        let mut rest = file.split_once("=== machine part ===\n").unwrap().1;
        let mut seen = 0;
        loop {
            let (header, after) = rest.strip_prefix("section ").unwrap().split_once('\n').unwrap();
            let (found, length) = header.split_once(' ').unwrap();
            let (content, after) = after.split_at(length.parse().unwrap());
            if found == name {
                if seen == nth {
                    return content;
                }
                seen += 1;
            }
            rest = &after[1..];
        }
    };
    let keys = Keys::new();
    assert_eq!(section("signers", 0), signers_text());
    for (nth, person) in ["mayor@city.example", "counsel@city.example"]
        .into_iter()
        .enumerate()
    {
        let (signers, directive) = (section("signers", 0), section("directive", 0).as_bytes());
        assert!(keys.verify(signers, person, &ours(), directive, section("signature", nth)));
        assert!(!keys.verify(signers, person, &ours(), b"other", section("signature", nth)));
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    #[test]
    fn any_bytes_are_refuted(bytes in any::<Vec<u8>>()) {
        prop_assert!(verify(&bytes, &signer().verifier()).is_err());
    }

    #[test]
    fn any_piece_put_anywhere_and_signed_again_is_refuted(
        at in any::<prop::sample::Index>(),
        length in 0_usize..40,
        piece in prop_oneof!["[ -~]{0,30}", Just("section entry 0\n\n".to_owned()), Just("end\n".to_owned()), Just("99999999999999999999".to_owned())],
    ) {
        let text = evidence::note::Note::parse(&certificate()).unwrap().text().to_owned();
        let from = at.index(text.len());
        let to = (from + length).min(text.len());
        if let (Some(head), Some(tail)) = (text.get(..from), text.get(to..)) {
            let changed = format!("{head}{piece}{tail}");
            if changed != text && changed.ends_with('\n') {
                prop_assert!(!failed(&sign(&changed)).is_empty());
            }
        }
    }
}
