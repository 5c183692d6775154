//! Budgets: never more than there is, whoever takes at the same time, and a new day with a new budget.

use std::str::FromStr;

use super::*;

const AGREEMENT: &str = "a";

fn spender(budgets: &Budgets, rows: Option<u64>, bytes: Option<u64>, now: Timestamp) -> Spender {
    in_zone("America/Toronto", budgets, rows, bytes, now)
}

fn in_zone(zone: &str, budgets: &Budgets, rows: Option<u64>, bytes: Option<u64>, now: Timestamp) -> Spender {
    let agreement = AgreementId::from_str(AGREEMENT).unwrap();
    let zone = jiff::tz::TimeZoneDatabase::bundled().get(zone).unwrap();
    let spender = Spender::of(budgets.clone(), agreement, zone, now);
    Spender {
        rows,
        bytes,
        ..spender
    }
}

fn at(text: &str) -> Timestamp {
    text.parse().unwrap()
}

/// How many rows of 10 bytes are given before the first that is not.
fn taken(spender: &mut Spender, now: Timestamp) -> u64 {
    let rows = (0..1_000).take_while(|_| spender.row(10, now).is_ok()).count();
    u64::try_from(rows).unwrap()
}

#[test]
fn sessions_that_take_at_once_get_the_budget_and_not_a_row_more() {
    let (budgets, now) = (Budgets::default(), at("2026-11-25T12:00:00Z"));
    let session = || {
        let mut spender = spender(&budgets, Some(100_001), Some(2_000_000), now);
        (0..100_000).filter(|_| spender.row(10, now).is_ok()).count()
    };
    let given: usize = std::thread::scope(|scope| {
        let sessions: Vec<_> = (0..4).map(|_| scope.spawn(session)).collect();
        sessions.into_iter().map(|session| session.join().unwrap()).sum()
    });
    assert_eq!(given, 100_001);
}

#[test]
fn bytes_are_a_budget_of_their_own_and_a_row_that_does_not_fit_takes_nothing() {
    let (budgets, now) = (Budgets::default(), at("2026-11-25T12:00:00Z"));
    let mut spender = spender(&budgets, Some(100), Some(55), now);
    assert_eq!(taken(&mut spender, now), 5);
    assert!(spender.row(6, now).is_err());
    let say = spender.row(6, now).unwrap_err();
    assert_eq!(say.sqlstate, "53400");
    assert!(say.message.contains("55 bytes a day"), "{say:?}");
    assert_eq!(say.hint.unwrap(), "The next day begins at 2026-11-26 00:00 EST.");
    // Five bytes are left, and 95 rows.
    assert!(spender.row(5, now).is_ok());
    let day = Day::of(now, &spender.zone);
    assert_eq!(budgets.used(&spender.agreement, day), Used { rows: 6, bytes: 55 });
}

#[test]
fn the_next_day_begins_at_the_custodians_midnight() {
    let budgets = Budgets::default();
    let (last, first) = (at("2026-11-26T04:59:59Z"), at("2026-11-26T05:00:00Z"));
    let mut spender = spender(&budgets, Some(3), None, last);
    assert_eq!(taken(&mut spender, last), 3);
    assert_eq!(taken(&mut spender, first), 3);
    // A clock that is set back brings no new budget.
    assert_eq!(taken(&mut spender, last), 0);
}

#[test]
fn what_was_given_without_a_limit_counts_when_there_is_one() {
    let (budgets, now) = (Budgets::default(), at("2026-11-25T12:00:00Z"));
    let mut free = spender(&budgets, None, None, now);
    assert_eq!(taken(&mut free, now), 1_000);
    free.settle();
    assert_eq!(taken(&mut spender(&budgets, Some(1_004), None, now), now), 4);
}

#[test]
fn another_time_zone_brings_no_new_budget() {
    let (budgets, now) = (Budgets::default(), at("2026-11-25T12:00:00Z"));
    assert_eq!(taken(&mut spender(&budgets, Some(7), None, now), now), 7);
    let mut moved = in_zone("Asia/Kathmandu", &budgets, Some(9), None, now);
    assert_eq!(taken(&mut moved, now), 2);
}
