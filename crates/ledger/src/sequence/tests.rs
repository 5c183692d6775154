//! Places, refusals, and that a refused append leaves no trace.

use proptest::prelude::*;

use super::*;

fn custodian() -> Custodian {
    "records.example.org".parse().unwrap()
}

fn partner(name: &str) -> PartnerId {
    name.parse().unwrap()
}

fn drafts(kinds: &[(Kind, &str)]) -> Matter {
    let draft = |(kind, name): &(Kind, &str)| {
        let draft = Draft {
            partner: (!name.is_empty()).then(|| partner(name)),
            ..Draft::new(*kind, Vec::new())
        };
        Prepared { draft, sealed: None }
    };
    Matter::Drafts(kinds.iter().map(draft).collect())
}

fn replay(heads: &mut Heads, bytes: &[u8]) -> Result<(), Misplaced> {
    let entry = EntryView::parse(bytes).map_err(|_| Misplaced)?;
    heads.replay(&entry, entry.in_log_of().as_ref(), hash::leaf(bytes), &mut |_| {})
}

fn now() -> Timestamp {
    "2026-11-23T10:00:00.75Z".parse().unwrap()
}

/// Places appends one after the other; each is durable before the next.
fn run(appends: &[&[(Kind, &str)]]) -> (Heads, Vec<Result<Placed, NotRecorded>>) {
    let mut heads = Heads::empty(custodian());
    let mut outcomes = Vec::new();
    for append in appends {
        let mut round = Round::new(&heads);
        outcomes.push(round.place(&drafts(append), now()));
        let changes = round.into_changes();
        heads.take(&changes);
    }
    (heads, outcomes)
}

use Kind::{Closed, Cut, Disclosure, Opened, Refusal};

#[test]
fn indexes_are_dense_and_partners_logs_chained() {
    let (heads, outcomes) = run(&[
        &[(Opened, "a")],
        &[(Refusal, "a"), (Disclosure, "a")],
        &[(Opened, "b")],
        &[(Cut, "a"), (Closed, "a")],
    ]);
    let firsts: Vec<_> = outcomes
        .iter()
        .map(|placed| placed.as_ref().unwrap().first_index)
        .collect();
    assert_eq!(firsts, [0, 1, 3, 4]);
    let (mut previous, mut sequence) = (Hash::ZERO, 0);
    for bytes in outcomes
        .iter()
        .flat_map(|placed| &placed.as_ref().unwrap().entries)
    {
        let entry = Entry::parse(bytes).unwrap();
        assert_eq!(entry.time, "2026-11-23T10:00:00Z".parse().unwrap());
        if entry.partner == Some(partner("a")) && entry.kind != Refusal {
            assert_eq!(entry.place, Some(Place { sequence, previous }));
            (previous, sequence) = (hash::leaf(bytes), sequence + 1);
        }
    }
    assert_eq!(sequence, 4);
    assert_eq!(heads.partners[&partner("a")].status, Status::Closed);
    assert_eq!(heads.partners[&partner("b")].status, Status::Open);
}

#[test]
fn a_closed_log_takes_nothing_but_its_reopening() {
    let (_, outcomes) = run(&[
        &[(Opened, "a"), (Closed, "a")],
        &[(Disclosure, "a")],
        &[(Closed, "a")],
        &[(Refusal, "a")],
        &[(Opened, "a"), (Disclosure, "a")],
    ]);
    for refused in &outcomes[1..3] {
        assert!(matches!(refused, Err(NotRecorded::PartnerClosed { partner: p }) if *p == partner("a")));
    }
    assert!(outcomes[3].is_ok() && outcomes[4].is_ok());
}

#[test]
fn a_log_must_be_opened_first_and_needs_a_partner() {
    let (heads, outcomes) = run(&[&[(Disclosure, "a")], &[(Disclosure, "")], &[(Closed, "a")]]);
    assert!(matches!(outcomes[0], Err(NotRecorded::PartnerUnknown { .. })));
    assert!(matches!(
        outcomes[1],
        Err(NotRecorded::Malformed {
            number: 0,
            source: EntryError::Place(Disclosure)
        })
    ));
    assert!(matches!(outcomes[2], Err(NotRecorded::PartnerUnknown { .. })));
    assert_eq!((heads.size, heads.partners.len()), (0, 0));
}

#[test]
fn an_append_that_is_refused_half_way_leaves_no_trace() {
    let (heads, outcomes) = run(&[
        &[(Opened, "a")],
        &[(Disclosure, "a"), (Opened, "b"), (Closed, "a"), (Cut, "a")],
    ]);
    assert!(matches!(outcomes[1], Err(NotRecorded::PartnerClosed { .. })));
    assert_eq!((heads.size, heads.partners.len()), (1, 1));
    assert_eq!(heads.partners[&partner("a")].edge.size(), 1);
    assert_eq!(heads.partners[&partner("a")].status, Status::Open);
}

#[test]
fn time_never_goes_back() {
    let heads = Heads::empty(custodian());
    let mut round = Round::new(&heads);
    let late = round.place(&drafts(&[(Refusal, "")]), now()).unwrap();
    let early = round
        .place(&drafts(&[(Refusal, "")]), "2020-01-01T00:00:00Z".parse().unwrap())
        .unwrap();
    assert_eq!(early.time, late.time);
}

#[test]
fn a_census_says_how_the_logs_stand_at_that_point_of_the_batch() {
    let heads = Heads::empty(custodian());
    let mut round = Round::new(&heads);
    let opened = round
        .place(&drafts(&[(Opened, "b"), (Opened, "a"), (Closed, "a")]), now())
        .unwrap();
    let census = round.place(&Matter::Census, now()).unwrap();
    round.place(&drafts(&[(Disclosure, "b")]), now()).unwrap();
    let body = Entry::parse(&census.entries[0]).unwrap().body.unwrap();
    let leaves: Vec<_> = opened.entries.iter().map(|bytes| hash::leaf(bytes)).collect();
    let root = hash::node(&leaves[1], &leaves[2]);
    let a = format!("log records.example.org/p/a 2 {root} closed\n");
    assert_eq!(
        body,
        format!("{a}log records.example.org/p/b 1 {} open\n", leaves[0])
    );
}

#[test]
fn the_longest_census_fits_an_entry() {
    let name = |n: usize| format!("{n:0>63}");
    let custodian = format!("{}.{}", "c".repeat(50), "d".repeat(49)).parse().unwrap();
    let mut heads = Heads::empty(custodian);
    for n in 0..=MAX_PARTNER_LOGS {
        let mut round = Round::new(&heads);
        let outcome = round.place(&drafts(&[(Opened, &name(n))]), now());
        if n == MAX_PARTNER_LOGS {
            assert!(matches!(outcome, Err(NotRecorded::TooManyPartners { .. })));
        } else {
            outcome.unwrap();
        }
        let changes = round.into_changes();
        heads.take(&changes);
    }
    for head in heads.partners.values_mut() {
        head.edge = Edge::restore(u64::MAX, &[Hash::ZERO; 64]).unwrap();
        head.status = Status::Closed;
    }
    Round::new(&heads).place(&Matter::Census, now()).unwrap();
}

proptest! {
    #[test]
    fn what_was_placed_is_replayed_to_the_same_heads(
        steps in prop::collection::vec(prop::collection::vec((0..5_usize, 0..3_usize), 1..5), 1..30),
    ) {
        let kinds = [Opened, Closed, Disclosure, Refusal, Cut];
        let names = ["a", "b", "c"];
        let appends: Vec<Vec<_>> =
            steps.iter().map(|append| append.iter().map(|(k, n)| (kinds[*k], names[*n])).collect()).collect();
        let appends: Vec<&[_]> = appends.iter().map(Vec::as_slice).collect();
        let (heads, outcomes) = run(&appends);
        let mut again = Heads::empty(custodian());
        let entries: Vec<_> = outcomes.into_iter().flatten().flat_map(|placed| placed.entries).collect();
        for bytes in &entries {
            replay(&mut again, bytes).unwrap();
        }
        prop_assert_eq!(again.size, heads.size);
        prop_assert_eq!(&again.partners, &heads.partners);
        // Left out, doubled or exchanged entries of partners' logs are noticed.
        for at in 0..entries.len().saturating_sub(1) {
            let inside = |bytes: &Vec<u8>| Entry::parse(bytes).unwrap();
            if inside(&entries[at]).place.is_some() && inside(&entries[at]).partner == inside(&entries[at + 1]).partner
                && inside(&entries[at + 1]).place.is_some() {
                let mut other = entries.clone();
                other.swap(at, at + 1);
                let mut heads = Heads::empty(custodian());
                prop_assert!(other.iter().any(|bytes| replay(&mut heads, bytes).is_err()));
            }
        }
    }
}
