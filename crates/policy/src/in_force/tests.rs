//! Tests of the decision: who gets a permit, who does not, and what each is told.

use evidence::id::Epoch;
use jiff::Timestamp;

use super::*;
use crate::estate::fixture::{estate, files_with};
use crate::estate::{Estate, Files};

mod document;

/// A Monday, 12:00 in Chicago.
const NOW: &str = "2026-11-23T18:00:00Z";

fn at(text: &str) -> Timestamp {
    text.parse().unwrap()
}

fn document() -> InForce {
    InForce::from_estate(&estate(), Vec::new(), Epoch(1), at("2026-11-01T00:00:00Z"))
}

fn decider() -> Decider {
    Decider::new(document()).unwrap()
}

fn decider_of(files: &Files) -> Decider {
    let estate = Estate::parse(files).unwrap();
    Decider::new(InForce::from_estate(&estate, Vec::new(), Epoch(2), at(NOW))).unwrap()
}

fn request(officer: &str, agreement: &str, purpose: Option<&str>, case: Option<&str>) -> SessionRequest {
    SessionRequest {
        officer: officer.parse().unwrap(),
        agreement: agreement.parse().unwrap(),
        purpose: purpose.map(str::to_owned),
        case: case.map(str::to_owned),
        now: at(NOW),
    }
}

/// What the state police needs to say.
fn police() -> SessionRequest {
    request(
        "lee",
        "state-police-2018",
        Some("missing-persons"),
        Some("AB-2026-1"),
    )
}

fn federal() -> SessionRequest {
    request("smith", "federal-2019", None, None)
}

fn scope(partner: &str, agreement: Option<&str>, purpose: Option<&str>) -> EndedScope {
    EndedScope {
        directive: "D-2026-0007".parse().unwrap(),
        partner: partner.parse().unwrap(),
        agreement: agreement.map(|id| id.parse().unwrap()),
        purpose: purpose.map(|id| id.parse().unwrap()),
        at: at(NOW),
        until: None,
    }
}

fn ended(scope: EndedScope) -> Decider {
    Decider::new(document().with_ended(scope, Epoch(2), at(NOW)).unwrap()).unwrap()
}

#[track_caller]
fn refused(decider: &Decider, request: &SessionRequest, sqlstate: &str, says: &str) -> Refusal {
    let refusal = decider.permit(request).expect_err("must be refused");
    assert_eq!(refusal.sqlstate().as_str(), sqlstate, "{refusal}");
    assert!(refusal.to_string().contains(says), "{refusal}");
    refusal
}

#[test]
fn a_session_under_an_agreement_is_permitted() {
    let permit = decider().permit(&police()).unwrap();
    assert_eq!(permit.partner().as_str(), "state-police");
    assert_eq!(permit.officer().as_str(), "lee");
    assert_eq!(permit.purpose().as_str(), "missing-persons");
    assert_eq!(permit.case(), Some("AB-2026-1"));
    assert_eq!(permit.epoch(), Epoch(1));
    assert_eq!(permit.upstream(), "main");
    assert_eq!(permit.role(), permit.schema());
    assert_eq!(permit.limits().sessions, 5);
    assert_eq!(permit.views().len(), 1);
    assert_eq!(
        permit.views()[0].subject_key.as_ref().unwrap().as_str(),
        "person_id"
    );
    // The hours close before the agreement ends.
    assert_eq!(permit.until(), at("2026-11-24T04:00:00Z"));
}

#[test]
fn the_only_purpose_is_the_default_and_no_case_is_needed_where_none_is_asked_for() {
    let permit = decider().permit(&federal()).unwrap();
    assert_eq!(permit.purpose().as_str(), "immigration-enforcement");
    assert_eq!(permit.case(), None);
    assert_eq!(permit.until(), at("2030-01-01T06:00:00Z"));
    let with_case = request("smith", "federal-2019", None, Some("any text"));
    assert_eq!(decider().permit(&with_case).unwrap().case(), Some("any text"));
}

#[test]
fn no_such_agreement_and_not_yours_are_one_answer() {
    let decider = decider();
    let unknown = refused(
        &decider,
        &request("lee", "no-such", None, None),
        "28000",
        "`no-such`",
    );
    let foreign = refused(
        &decider,
        &request("lee", "federal-2019", None, None),
        "28000",
        "`federal-2019`",
    );
    assert_eq!(
        unknown.to_string().replace("no-such", "federal-2019"),
        foreign.to_string()
    );
    assert_eq!(unknown.hint(), foreign.hint());
    // Two partners may have officers of one name: each is its own partner's, and without an agreement neither is meant.
    assert!(decider.verifier(None, &"kim".parse().unwrap()).is_none());
    let kim = decider
        .permit(&request("kim", "federal-2019", None, None))
        .unwrap();
    assert_eq!(kim.partner().as_str(), "federal-agency");
}

#[test]
fn an_officer_proves_to_be_one_before_being_told_anything() {
    let decider = decider();
    let has = |agreement: Option<&str>, officer: &str| {
        let agreement = agreement.map(|id| id.parse().unwrap());
        decider
            .verifier(agreement.as_ref(), &officer.parse().unwrap())
            .is_some()
    };
    assert!(has(Some("state-police-2018"), "lee"));
    // Of another partner: may log in, and is then refused.
    assert!(has(Some("federal-2019"), "lee") && has(Some("no-such"), "lee") && has(None, "lee"));
    let (federal, lee) = ("federal-2019".parse().unwrap(), "lee".parse().unwrap());
    assert!(decider.in_force().officer(&federal, &lee).is_none());
    assert!(
        decider
            .permit(&request("lee", "federal-2019", None, None))
            .is_err()
    );
    // Two partners have a `kim`: without the agreement nobody knows which it is.
    assert!(has(Some("federal-2019"), "kim") && !has(Some("no-such"), "kim") && !has(None, "kim"));
    assert!(!has(Some("federal-2019"), "nobody") && !has(None, "nobody"));
}

#[test]
fn a_purpose_must_be_the_agreements() {
    let decider = decider();
    let case = Some("AB-2026-1");
    let none = request("lee", "state-police-2018", None, case);
    refused(
        &decider,
        &none,
        "42501",
        "`criminal-investigation`, `missing-persons`",
    );
    for stated in [
        "immigration-enforcement",
        "",
        "Missing-Persons",
        "missing-persons ",
        "'; --",
    ] {
        let wrong = request("lee", "state-police-2018", Some(stated), case);
        refused(&decider, &wrong, "42501", "ISA 2018-044, clause 3");
    }
    let long = request("lee", "state-police-2018", Some(&"\u{1b}x".repeat(9999)), case);
    let refusal = refused(&decider, &long, "42501", "xxx").to_string();
    assert!(refusal.len() < 400 && !refusal.contains('\u{1b}'), "{refusal}");
}

#[test]
fn a_case_must_have_the_agreements_form() {
    let decider = decider();
    let with = |case: Option<&str>| request("lee", "state-police-2018", Some("missing-persons"), case);
    refused(&decider, &with(None), "22023", r"^[A-Z]{2}-\d{4}-\d+$");
    for wrong in ["ab-2026-1", "AB-2026-1 ", "AB-2026-", "xAB-2026-1"] {
        refused(&decider, &with(Some(wrong)), "22023", "not of the form");
    }
    for unusable in ["", "AB-2026-1\n", "AB-2026-1\0"] {
        refused(&decider, &with(Some(unusable)), "22023", "control characters");
    }
    let long = format!("AB-2026-{}", "1".repeat(200));
    refused(&decider, &with(Some(&long)), "22023", "200 bytes");
    let unusable = request("smith", "federal-2019", None, Some("a\u{7f}"));
    refused(&decider, &unusable, "22023", "control characters");
}

#[test]
fn time_decides() {
    let decider = decider();
    let night = SessionRequest {
        now: at("2026-11-23T05:00:00Z"),
        ..police()
    };
    refused(&decider, &night, "42501", "Mon-Fri 06:00-22:00 America/Chicago");
    let early = SessionRequest {
        now: at("2018-06-01T04:59:59Z"),
        ..police()
    };
    refused(&decider, &early, "28000", "from 2018-06-01 to 2027-05-31");
    let over = request("kim", "federal-2001", None, None);
    refused(&decider, &over, "28000", "from 2001-01-01 to 2005-12-31");
}

#[test]
fn a_termination_ends_a_partner_and_nobody_else() {
    let decider = ended(scope("state-police", None, None));
    let refusal = refused(
        &decider,
        &police(),
        "57P01",
        "directive D-2026-0007 of records.example.org",
    );
    assert_eq!(refusal.directive().unwrap().as_str(), "D-2026-0007");
    assert!(refusal.hint().unwrap().contains("estop certificate verify"));
    // Told whatever else is missing, and at any hour.
    refused(
        &decider,
        &request("lee", "state-police-2018", None, None),
        "57P01",
        "D-2026-0007",
    );
    refused(
        &decider,
        &SessionRequest {
            now: at("2026-11-22T05:00:00Z"),
            ..police()
        },
        "57P01",
        "D-2026-0007",
    );
    // But to nobody of another partner's.
    refused(
        &decider,
        &request("smith", "state-police-2018", None, None),
        "28000",
        "no agreement",
    );
    assert!(decider.permit(&federal()).is_ok());
    assert!(
        decider
            .verifier(
                Some(&"state-police-2018".parse().unwrap()),
                &"lee".parse().unwrap()
            )
            .is_some()
    );
}

#[test]
fn a_termination_may_be_narrow() {
    let by_purpose = ended(scope("state-police", None, Some("missing-persons")));
    refused(&by_purpose, &police(), "57P01", "D-2026-0007");
    let other = SessionRequest {
        purpose: Some("criminal-investigation".to_owned()),
        ..police()
    };
    assert!(by_purpose.permit(&other).is_ok());
    let by_agreement = ended(scope("federal-agency", Some("federal-2001"), None));
    assert!(by_agreement.permit(&federal()).is_ok());
    refused(
        &by_agreement,
        &request("kim", "federal-2001", None, None),
        "57P01",
        "D-2026-0007",
    );
    let document = by_purpose.in_force();
    let covered: Vec<_> = document
        .covered(&document.ended[0])
        .map(|(_, purpose)| purpose.id.to_string())
        .collect();
    assert_eq!(covered, ["missing-persons"]);
}

#[test]
fn running_sessions_are_asked_again() {
    let permit = decider().permit(&police()).unwrap();
    assert_eq!(decider().still_permitted(&permit, at(NOW)), Ok(()));
    let cut = ended(scope("state-police", None, None))
        .still_permitted(&permit, at(NOW))
        .unwrap_err();
    assert_eq!(cut.sqlstate().as_str(), "57P01");
    assert_eq!(
        ended(scope("federal-agency", None, None)).still_permitted(&permit, at(NOW)),
        Ok(())
    );
    let late = decider().still_permitted(&permit, permit.until()).unwrap_err();
    assert!(matches!(late, Refusal::OutsideHours { .. }));
    // A later policy without the officer, the purpose, or the agreement.
    for (path, from, to) in [
        ("partners/state-police.toml", "\"lee\"", "\"loo\""),
        ("agreements/state-police-2018.toml", ", \"missing-persons\"]", "]"),
        (
            "agreements/state-police-2018.toml",
            "\"state-police\"",
            "\"federal-agency\"",
        ),
        ("agreements/state-police-2018.toml", "2027-05-31", "2019-05-31"),
    ] {
        let later = decider_of(&files_with(path, from, to));
        assert!(later.still_permitted(&permit, at(NOW)).is_err(), "{to}");
    }
    let renewed = decider_of(&files_with(
        "agreements/state-police-2018.toml",
        "sessions = 5",
        "sessions = 6",
    ));
    let renewed = renewed.renew(&permit, at(NOW)).unwrap();
    assert_eq!((renewed.epoch(), renewed.limits().sessions), (Epoch(2), 6));
}

#[test]
fn an_agreement_that_changed_hands_ends_the_sessions_of_both_namesakes() {
    // `kim` is an officer of either partner: the session must not pass from one to the other.
    let kim = SessionRequest {
        officer: "kim".parse().unwrap(),
        ..police()
    };
    let permit = decider().permit(&kim).unwrap();
    let path = "agreements/state-police-2018.toml";
    let later = decider_of(&files_with(
        path,
        "partner = \"state-police\"",
        "partner = \"federal-agency\"",
    ));
    assert!(matches!(
        later.still_permitted(&permit, at(NOW)),
        Err(Refusal::NoAgreement(_))
    ));
}

#[test]
fn a_case_can_be_changed_within_a_session() {
    let decider = decider();
    let permit = decider.permit(&police()).unwrap();
    let changed = decider.change_case(&permit, Some("CD-2026-2"), at(NOW)).unwrap();
    assert_eq!(changed.case(), Some("CD-2026-2"));
    assert_eq!(
        (changed.role(), changed.purpose()),
        (permit.role(), permit.purpose())
    );
    assert!(matches!(
        decider.change_case(&permit, Some("x"), at(NOW)),
        Err(Refusal::CaseForm { .. })
    ));
    assert!(matches!(
        decider.change_case(&permit, None, at(NOW)),
        Err(Refusal::CaseNeeded { .. })
    ));
    let over = ended(scope("state-police", None, None));
    assert!(matches!(
        over.change_case(&permit, Some("CD-2026-2"), at(NOW)),
        Err(Refusal::Ended { .. })
    ));
}
