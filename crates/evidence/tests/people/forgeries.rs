//! Stories that the custodian itself signs and that are not those of a termination: each is refuted by the
//! check that is there for it.

use evidence::certificate::{CheckName, Parts, verify};
use evidence::directive::{Order, Scope};
use evidence::entry::Kind;

use crate::independent::second_verdicts;
use crate::keygen::{at, ours};
use crate::world::{OTHER, PARTNER, Scene, World, certificate, sign, signer, ssh_sign};

/// The checks that fail on `file`, which the second verifier refutes as well.
pub(crate) fn failed(file: &str) -> Vec<CheckName> {
    assert_eq!(second_verdicts(&[file.to_owned()]), [false]);
    let refuted = verify(file.as_bytes(), &signer().verifier()).unwrap_err();
    let all: Vec<_> = refuted.checks.iter().map(|check| check.name).collect();
    assert_eq!(all, CheckName::ALL, "every check must be told of, in order");
    refuted.failed().map(|check| check.name).collect()
}

/// The checks that fail once the custodian has signed these parts.
fn forged(world: &World, parts: Parts) -> Vec<CheckName> {
    failed(&world.force(parts))
}

/// The checks that fail once the custodian has lived and signed this scene.
fn played(scene: &Scene) -> Vec<CheckName> {
    let world = scene.play();
    forged(&world, world.parts())
}

#[test]
fn a_cut_left_out() {
    let world = Scene::new().play();
    let mut parts = world.parts();
    let cut = world.find(Kind::Cut, PARTNER)[0] as u64;
    parts.cited.retain(|cited| cited.proof.index != cut);
    assert_eq!(forged(&world, parts), [CheckName::Gateways]);
}

#[test]
fn a_gateway_left_out() {
    let world = Scene::new().play();
    let mut parts = world.parts();
    let drained = world.find(Kind::Drained, PARTNER)[1] as u64;
    parts.cited.retain(|cited| cited.proof.index != drained);
    assert_eq!(forged(&world, parts), [CheckName::Gateways]);
}

#[test]
fn gateways_that_do_not_add_up() {
    let mut scene = Scene::new();
    scene.drained[1].sessions_cut = 1;
    assert_eq!(played(&scene), [CheckName::Gateways]);
    let mut scene = Scene::new();
    scene.drained[1].gateway = "gateway-1".into();
    assert_eq!(played(&scene), [CheckName::Gateways]);
    let mut scene = Scene::new();
    scene.drained[0].sessions_cut = u64::MAX;
    scene.drained[1].sessions_cut = 3;
    assert_eq!(played(&scene), [CheckName::Gateways]);
}

#[test]
fn a_cut_by_another_directive_or_told_twice() {
    let mut scene = Scene::new();
    scene.cuts[0].directive = "D-2026-0002".parse().unwrap();
    assert_eq!(played(&scene), [CheckName::Cuts]);
    let mut scene = Scene::new();
    scene.cuts[1].session = scene.cuts[0].session.clone();
    assert_eq!(played(&scene), [CheckName::Cuts]);
}

#[test]
fn a_cut_of_another_partner() {
    let scene = Scene::new();
    let mut items = scene.items();
    let cut = items.iter_mut().find(|item| item.kind == Kind::Cut).unwrap();
    cut.partner = Some(OTHER);
    let world = World::of(items);
    let mut parts = world.parts();
    parts.cited.push(world.cite(world.find(Kind::Cut, OTHER)[0]));
    assert_eq!(forged(&world, parts), [CheckName::Scope]);
}

#[test]
fn one_signature_taken_away() {
    let mut scene = Scene::new();
    scene.signed_by.pop();
    let failed = played(&scene);
    assert_eq!(failed, [CheckName::Approval]);
    // Taken from the section alone, with the record left as it is.
    let file = certificate();
    let text = evidence::note::Note::parse(&file).unwrap().text().to_owned();
    let from = text.rfind("section signature ").unwrap();
    let to = text[from..].find("section checkpoint ").unwrap() + from;
    let failed = self::failed(&sign(&format!("{}{}", &text[..from], &text[to..])));
    assert_eq!(failed, [CheckName::Approval, CheckName::DirectiveRecord]);
}

#[test]
fn a_signature_put_in_that_the_ledger_does_not_know() {
    let text = evidence::note::Note::parse(&certificate())
        .unwrap()
        .text()
        .to_owned();
    let directive = evidence::directive::Directive::new(Scene::new().draft)
        .unwrap()
        .encode();
    let clerk = ssh_sign("clerk", &ours(), directive.as_bytes());
    let at = text.rfind("section checkpoint ").unwrap();
    let section = format!("section signature {}\n{clerk}\n", clerk.len());
    let failed = failed(&sign(&format!("{}{section}{}", &text[..at], &text[at..])));
    assert_eq!(failed, [CheckName::DirectiveRecord]);
}

#[test]
fn one_person_in_place_of_two() {
    let scene = Scene {
        signed_by: vec!["mayor", "mayor"],
        ..Scene::new()
    };
    assert_eq!(played(&scene), [CheckName::Approval]);
}

#[test]
fn what_two_people_signed_for_another_use() {
    let scene = Scene {
        signed_in: Some("file"),
        ..Scene::new()
    };
    assert_eq!(played(&scene), [CheckName::Approval]);
}

#[test]
fn a_directive_to_another_custodian() {
    let mut scene = Scene::new();
    scene.draft.custodian = "records.elsewhere.example".parse().unwrap();
    assert_eq!(played(&scene), [CheckName::Directive, CheckName::Approval]);
}

#[test]
fn a_directive_about_a_part_of_the_partner() {
    let mut scene = Scene::new();
    scene.draft.order = scoped(PARTNER, Some("federal-2019"));
    assert_eq!(played(&scene), [CheckName::Scope]);
}

#[test]
fn a_directive_about_another_partner() {
    let mut scene = Scene::new();
    scene.draft.order = scoped(OTHER, None);
    let failed = played(&scene);
    assert!(
        failed.contains(&CheckName::Scope) && failed.contains(&CheckName::PartnerCheckpoint),
        "{failed:?}"
    );
}

#[test]
fn a_directive_that_had_expired_when_it_was_recorded() {
    let mut scene = Scene::new();
    scene.draft.expires = crate::keygen::now();
    assert_eq!(played(&scene), [CheckName::Approval]);
}

#[test]
fn a_directive_drawn_up_after_it_was_recorded() {
    let mut scene = Scene::new();
    scene.draft.ledger_size = 1_000;
    assert_eq!(played(&scene), [CheckName::Order]);
}

#[test]
fn another_partners_closing_leaf() {
    // The other partner's log is closed as well; its closing leaf is cited in place of the true one.
    let scene = Scene::new();
    let mut items = scene.items();
    let mut closed = items
        .iter()
        .find(|item| item.kind == Kind::Closed)
        .unwrap()
        .clone();
    closed.partner = Some(OTHER);
    let at = items.iter().position(|item| item.kind == Kind::Census).unwrap();
    items.insert(at, closed);
    let world = World::of(items);
    let mut parts = world.parts();
    parts
        .cited
        .retain(|cited| cited.proof.index != world.find(Kind::Closed, PARTNER)[0] as u64);
    parts.cited.push(world.cite(world.find(Kind::Closed, OTHER)[0]));
    assert_eq!(
        forged(&world, parts),
        [CheckName::Scope, CheckName::Cuts, CheckName::ClosingLeaf]
    );
    // With that log's own proof and checkpoint it is not the partner's log.
    let mut parts = world.parts();
    parts
        .cited
        .retain(|cited| cited.proof.index != world.find(Kind::Closed, PARTNER)[0] as u64);
    parts.cited.push(world.cite(world.find(Kind::Closed, OTHER)[0]));
    parts.partner = world.partners[OTHER].prove(5, &world.key);
    let failed = forged(&world, parts);
    for name in [CheckName::Scope, CheckName::PartnerCheckpoint, CheckName::Census] {
        assert!(failed.contains(&name), "{failed:?}");
    }
}

#[test]
fn a_leaf_that_is_not_the_last() {
    // After the log was closed, something more was disclosed.
    let scene = Scene::new();
    let mut items = scene.items();
    let after = items.iter().position(|item| item.kind == Kind::Closed).unwrap() + 1;
    let disclosure = items
        .iter_mut()
        .skip(after)
        .find(|item| item.kind == Kind::Disclosure)
        .unwrap();
    disclosure.partner = Some(PARTNER);
    let world = World::of(items);
    let mut parts = world.parts();
    parts.partner = world.partners[PARTNER].prove(6, &world.key);
    assert_eq!(forged(&world, parts), [CheckName::ClosingLeaf]);
    // The proof of the true last leaf is not one of the entry that closed the log.
    assert_eq!(forged(&world, world.parts()), [CheckName::ClosingLeaf]);
}

#[test]
fn a_census_that_says_otherwise() {
    for status in ["open", "closed?", "closed closed"] {
        let scene = Scene {
            census: status,
            ..Scene::new()
        };
        assert_eq!(played(&scene), [CheckName::Census], "{status}");
    }
}

#[test]
fn a_census_from_before_the_end() {
    let scene = Scene::new();
    let mut items = scene.items();
    let census = items.iter().position(|item| item.kind == Kind::Census).unwrap();
    let closed = items.iter().position(|item| item.kind == Kind::Closed).unwrap();
    items.swap(census, closed);
    items[closed].time = items[closed - 1].time;
    let world = World::of(items);
    assert_eq!(
        forged(&world, world.parts()),
        [CheckName::Order, CheckName::Census]
    );
}

#[test]
fn an_order_that_cannot_be() {
    let swapped = |one: Kind, other: Kind| {
        let mut items = Scene::new().items();
        let one = items.iter().position(|item| item.kind == one).unwrap();
        let other = items.iter().position(|item| item.kind == other).unwrap();
        let (a, b) = (items[one].time, items[other].time);
        items.swap(one, other);
        (items[one].time, items[other].time) = (a, b);
        let world = World::of(items);
        forged(&world, world.parts())
    };
    assert_eq!(swapped(Kind::Directive, Kind::Epoch), [CheckName::Order]);
    assert!(swapped(Kind::Epoch, Kind::Cut).contains(&CheckName::Order));
    assert!(swapped(Kind::Drained, Kind::CarriedOut).contains(&CheckName::Order));
    assert!(swapped(Kind::CarriedOut, Kind::Closed).contains(&CheckName::Order));
    // The order of the indices is right, that of the times is not.
    let mut items = Scene::new().items();
    let carried_out = items
        .iter_mut()
        .find(|item| item.kind == Kind::CarriedOut)
        .unwrap();
    carried_out.time = at("2026-11-23T00:09:59Z");
    let world = World::of(items);
    assert_eq!(forged(&world, world.parts()), [CheckName::Order]);
}

#[test]
fn a_session_cut_after_its_gateway_was_drained() {
    let mut items = Scene::new().items();
    let cut = items.iter().position(|item| item.kind == Kind::Cut).unwrap();
    let item = items.remove(cut);
    let drained = items.iter().rposition(|item| item.kind == Kind::Drained).unwrap();
    items.insert(drained + 1, item);
    let world = World::of(items);
    assert_eq!(forged(&world, world.parts()), [CheckName::Gateways]);
}

#[test]
fn a_policy_that_another_directive_called_for() {
    let mut scene = Scene::new();
    scene.epoch.directive = Some("D-2026-0009".parse().unwrap());
    assert_eq!(played(&scene), [CheckName::Epoch]);
    let mut scene = Scene::new();
    scene.epoch.directive = None;
    assert_eq!(played(&scene), [CheckName::Epoch]);
    let mut scene = Scene::new();
    scene.drained[0].epoch = evidence::id::Epoch(4);
    assert_eq!(played(&scene), [CheckName::Epoch]);
    let mut scene = Scene::new();
    scene.closed.directive = "D-2026-0009".parse().unwrap();
    assert_eq!(played(&scene), [CheckName::Epoch]);
    let mut scene = Scene::new();
    scene.carried_out.directive = "D-2026-0009".parse().unwrap();
    assert_eq!(played(&scene), [CheckName::Epoch]);
}

#[test]
fn a_database_that_is_not_shut() {
    let mut scene = Scene::new();
    scene.carried_out.roles[0].backends_left = 1;
    assert_eq!(played(&scene), [CheckName::Database]);
    let mut scene = Scene::new();
    scene.carried_out.roles[0].can_login = true;
    assert_eq!(played(&scene), [CheckName::Database]);
    let mut scene = Scene::new();
    scene.carried_out.roles[0].has_password = true;
    assert_eq!(played(&scene), [CheckName::Database]);
}

#[test]
fn a_record_that_the_entry_does_not_commit_to() {
    let world = Scene::new().play();
    let mut parts = world.parts();
    let carried_out = parts
        .cited
        .iter_mut()
        .find(|cited| cited.entry.windows(11).any(|w| w == b"carried-out"))
        .unwrap();
    let opened = carried_out.opened.as_mut().unwrap();
    opened.record = String::from_utf8(opened.record.clone())
        .unwrap()
        .replace("2 ended", "9 ended")
        .into_bytes();
    assert_eq!(forged(&world, parts), [CheckName::Commitments]);
}

#[test]
fn an_entry_that_is_not_in_the_ledger() {
    let world = Scene::new().play();
    let mut parts = world.parts();
    let entry = &mut parts.cited.last_mut().unwrap().entry;
    *entry = String::from_utf8(entry.clone())
        .unwrap()
        .replace("00:10:04Z", "00:10:09Z")
        .into_bytes();
    assert_eq!(forged(&world, parts), [CheckName::Inclusion]);
}

#[test]
fn a_text_that_says_something_else() {
    let text = evidence::note::Note::parse(&certificate())
        .unwrap()
        .text()
        .to_owned();
    let lies = [
        ("41277 rows", "12 rows"),
        ("sessions were cut", "session was cut"),
        ("WHAT THIS CERTIFICATE DOES NOT SHOW", "NOTES"),
    ];
    for (from, to) in lies {
        let changed = text.replacen(from, to, 1);
        assert_ne!(changed, text);
        assert_eq!(failed(&sign(&changed)), [CheckName::Text], "{from}");
    }
    let changed = text.replacen("\n\n=== machine", "\n  One line more.\n\n=== machine", 1);
    assert_eq!(failed(&sign(&changed)), [CheckName::Text]);
}

fn scoped(partner: &str, agreement: Option<&str>) -> Order {
    Order::Terminate(Scope {
        partner: partner.parse().unwrap(),
        agreement: agreement.map(|id| id.parse().unwrap()),
        purpose: None,
    })
}
