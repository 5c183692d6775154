//! Tests of the document: how it is made, how one follows another, and what is refused that contradicts itself.

use std::collections::BTreeSet;

use super::*;

#[test]
fn the_document_is_json_and_comes_back_the_same() {
    let document = document()
        .with_ended(scope("state-police", None, None), Epoch(9), at(NOW))
        .unwrap();
    let json = serde_json::to_string(&document).unwrap();
    assert_eq!(serde_json::from_str::<InForce>(&json).unwrap(), document);
    assert!(serde_json::from_str::<InForce>(&json.replacen("\"epoch\"", "\"mode\":1,\"epoch\"", 1)).is_err());
}

#[test]
fn epochs_only_grow() {
    let present = document();
    for next in [Epoch(0), Epoch(1)] {
        let made = present.with_ended(scope("state-police", None, None), next, at(NOW));
        assert!(matches!(made, Err(MakeError::EpochNotNew { .. })));
    }
}

#[test]
fn a_hold_refuses_a_partner_until_it_is_lifted_and_outlives_a_termination() {
    let first = decider();
    let lee = first.permit(&police()).unwrap();
    let smith = first.permit(&federal()).unwrap();
    let held = BTreeSet::from(["state-police".parse().unwrap()]);
    let document = document().with_held(held, Epoch(2), at(NOW)).unwrap();
    let json = serde_json::to_string(&document).unwrap();
    assert_eq!(serde_json::from_str::<InForce>(&json).unwrap(), document);
    let second = first.successor(document.clone()).unwrap();
    let refusal = refused(&second, &police(), "57P01", "on hold");
    assert_eq!(refusal.directive(), None);
    assert!(refusal.hint().unwrap().contains("Nothing has been ended"));
    assert_eq!(second.still_permitted(&lee, at(NOW)), Err(refusal));
    assert_eq!(second.still_permitted(&smith, at(NOW)), Ok(()));
    // A directive meanwhile lifts nothing, and is what its partner is told.
    let other = scope("federal-agency", None, None);
    let both = document.with_ended(other, Epoch(3), at(NOW)).unwrap();
    let third = second.successor(both.clone()).unwrap();
    refused(&third, &police(), "57P01", "on hold");
    refused(&third, &federal(), "57P01", "D-2026-0007");
    let lifted = both.with_held(BTreeSet::new(), Epoch(4), at(NOW)).unwrap();
    assert!(third.successor(lifted).unwrap().permit(&police()).is_ok());
    let stale = both.with_held(BTreeSet::new(), Epoch(3), at(NOW));
    assert!(matches!(stale, Err(MakeError::EpochNotNew { .. })));
}

#[test]
fn a_successor_decides_like_a_decider_made_anew() {
    let first = decider();
    let next = document()
        .with_ended(scope("state-police", None, None), Epoch(2), at(NOW))
        .unwrap();
    let second = first.successor(next.clone()).unwrap();
    refused(&second, &police(), "57P01", "D-2026-0007");
    assert!(second.permit(&federal()).is_ok());
    assert_eq!(second.epoch(), Epoch(2));
    // Not only the list: Cedar forbids it too.
    let mut unlisted = next.clone();
    unlisted.ended.clear();
    refused(
        &first.successor(unlisted).unwrap(),
        &police(),
        "42501",
        "does not permit",
    );
    // A third on top of the second, and one that takes back: made anew.
    let again = EndedScope {
        directive: "D-2026-0008".parse().unwrap(),
        ..scope("federal-agency", None, None)
    };
    let third = second
        .successor(next.with_ended(again, Epoch(3), at(NOW)).unwrap())
        .unwrap();
    refused(&third, &federal(), "57P01", "D-2026-0008");
    refused(&third, &police(), "57P01", "D-2026-0007");
    assert!(third.successor(document()).unwrap().permit(&police()).is_ok());
    // What is added is validated like the rest.
    let mut broken = next.clone();
    broken
        .cedar
        .policies
        .push_str("@id(\"x\") permit (principal, action, resource) when { resource.x };\n");
    assert!(matches!(first.successor(broken), Err(DeciderError::Cedar(_))));
    let mut twice = next;
    twice
        .cedar
        .policies
        .push_str(&crate::cedar::forbid(&twice.ended[0]));
    assert!(matches!(first.successor(twice), Err(DeciderError::Cedar(_))));
}

#[test]
fn what_is_lifted_is_as_it_was_and_nothing_else() {
    let first = document();
    let until = Some(at("2026-12-23T00:00:00Z"));
    let suspended = EndedScope {
        until,
        ..scope("state-police", None, None)
    };
    let other = EndedScope {
        directive: "D-2026-0008".parse().unwrap(),
        ..scope("federal-agency", None, None)
    };
    let both = first.with_ended(suspended.clone(), Epoch(2), at(NOW)).unwrap();
    let both = both.with_ended(other.clone(), Epoch(3), at(NOW)).unwrap();
    let decider = Decider::new(both.clone()).unwrap();
    let refusal = refused(
        &decider,
        &police(),
        "57P01",
        "is suspended until 2026-12-23T00:00:00Z by directive D-2026-0007",
    );
    assert!(refusal.hint().unwrap().contains("lapses by itself"));
    let lifted = both
        .with_lifted(std::slice::from_ref(&suspended.directive), Epoch(4), at(NOW))
        .unwrap();
    let only = first.with_ended(other, Epoch(4), at(NOW)).unwrap();
    assert_eq!(lifted, only, "as if it had never been, but for the number");
    let decider = decider.successor(lifted.clone()).unwrap();
    assert!(decider.permit(&police()).is_ok());
    refused(&decider, &federal(), "57P01", "D-2026-0008");
    assert!(lifted.with_lifted(&[], Epoch(4), at(NOW)).is_err());
}

#[test]
fn what_is_ended_for_good_is_told_of_before_what_comes_back() {
    let until = |time: &str| Some(at(time));
    let suspended = |number: &str, time| EndedScope {
        directive: number.parse().unwrap(),
        until: until(time),
        ..scope("state-police", None, None)
    };
    let long = suspended("D-2026-0009", "2027-01-01T00:00:00Z");
    let short = suspended("D-2026-0008", "2026-12-01T00:00:00Z");
    let document = document().with_ended(short, Epoch(2), at(NOW)).unwrap();
    let document = document.with_ended(long, Epoch(3), at(NOW)).unwrap();
    refused(
        &Decider::new(document.clone()).unwrap(),
        &police(),
        "57P01",
        "D-2026-0009",
    );
    let ended = scope("state-police", None, None);
    let document = document.with_ended(ended, Epoch(4), at(NOW)).unwrap();
    refused(
        &Decider::new(document).unwrap(),
        &police(),
        "57P01",
        "was ended by directive D-2026-0007",
    );
}

#[test]
fn a_new_estate_does_not_forget_what_was_ended() {
    let ended = vec![scope("state-police", None, None)];
    let decider = Decider::new(InForce::from_estate(&estate(), ended, Epoch(3), at(NOW))).unwrap();
    refused(&decider, &police(), "57P01", "D-2026-0007");
}

#[test]
fn cedar_has_the_last_word() {
    // The list of what is ended was cleared by hand; the policy still forbids.
    let mut document = document()
        .with_ended(scope("state-police", None, None), Epoch(2), at(NOW))
        .unwrap();
    document.ended.clear();
    let decider = Decider::new(document).unwrap();
    refused(&decider, &police(), "42501", "does not permit");
    assert!(decider.permit(&federal()).is_ok());
    // The window was widened by hand; the policy still has the old one.
    let mut document = self::document();
    let widened = document
        .agreements
        .iter_mut()
        .find(|agreement| agreement.id.as_str() == "federal-2001")
        .unwrap();
    widened.valid.ends = at("2099-01-01T00:00:00Z");
    let decider = Decider::new(document).unwrap();
    refused(
        &decider,
        &request("kim", "federal-2001", None, None),
        "42501",
        "does not permit",
    );
}

#[test]
fn an_error_of_any_policy_refuses() {
    // Valid to the validator, and overflowing when asked: Cedar would skip the `forbid`.
    let mut document = document();
    document
        .cedar
        .policies
        .push_str("@id(\"x\") forbid (principal, action, resource) when { 9223372036854775807 + 1 == 0 };\n");
    let decider = Decider::new(document).unwrap();
    refused(&decider, &federal(), "42501", "does not permit");
}

#[test]
fn a_document_that_contradicts_itself_is_refused() {
    let refused = |change: &dyn Fn(&mut InForce)| {
        let mut document = document()
            .with_ended(scope("state-police", None, None), Epoch(2), at(NOW))
            .unwrap();
        change(&mut document);
        Decider::new(document).expect_err("must be refused")
    };
    let twice = |error: &DeciderError| matches!(error, DeciderError::Twice(_));
    assert!(twice(&refused(&|document| document
        .agreements
        .push(document.agreements[0].clone()))));
    assert!(twice(&refused(&|document| document
        .partners
        .push(document.partners[0].clone()))));
    assert!(twice(&refused(&|document| {
        let officer = document.partners[0].officers[0].clone();
        document.partners[0].officers.push(officer);
    })));
    assert!(twice(&refused(&|document| {
        let purpose = document.agreements[0].purposes[0].clone();
        document.agreements[0].purposes.push(purpose);
    })));
    assert!(matches!(
        refused(&|document| document.partners.clear()),
        DeciderError::NoPartner(_)
    ));
    assert!(matches!(
        refused(&|document| document.agreements[0].purposes.clear()),
        DeciderError::NoPurpose(_)
    ));
    assert!(matches!(
        refused(&|document| document.agreements[0].case_reference = Some("[".to_owned())),
        DeciderError::CaseForm { .. }
    ));
    assert!(matches!(
        refused(&|document| document.cedar.policies.clear()),
        DeciderError::EndedNotForbidden(_)
    ));
    assert!(matches!(
        refused(&|document| document.cedar.schema.clear()),
        DeciderError::Cedar(_)
    ));
    assert!(matches!(
        refused(&|document| document.cedar.policies = document.cedar.policies.replace("forbid (", "permit (")),
        DeciderError::EndedNotForbidden(_)
    ));
}

#[test]
fn verifiers_are_not_printed() {
    let printed = format!("{:?} {:?}", decider(), document());
    assert!(!printed.contains("SCRAM-SHA-256$"));
}
