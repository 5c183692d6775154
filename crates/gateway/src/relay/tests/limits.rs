//! Limits of an agreement in the middle of a result.

use std::time::Duration;

use jiff::SignedDuration;
use jiff::tz::TimeZone;
use policy::estate::Limits;

use super::*;
use crate::budget::{Budgets, Spender};

fn limited(rows: u64) -> Relay {
    let limits = Limits {
        sessions: 1,
        statement_seconds: 30,
        rows_per_day: Some(rows),
        bytes_per_day: None,
        hours: None,
    };
    let agreement = AgreementId::from_str("a").unwrap();
    let mut spender = Spender::of(Budgets::default(), agreement, TimeZone::UTC, NOW);
    spender.limits(&limits);
    relay().within(spender, Duration::from_secs(30))
}

fn rows(count: usize) -> BytesMut {
    joined(&vec![message(b'D', b"\0\0"); count])
}

fn over(ready: &Ready) -> (u64, Outcome) {
    let [disclosure] = disclosures(ready).try_into().unwrap();
    (disclosure.rows, disclosure.outcome)
}

fn failed(sqlstate: &str) -> Outcome {
    Outcome::Failed {
        sqlstate: sqlstate.into(),
    }
}

#[test]
fn a_result_is_cut_at_the_budget_and_its_record_says_so() {
    let mut relay = limited(3);
    client(&mut relay, &query("select 1"));
    let answer = joined(&[
        message(b'T', b"\0\0"),
        rows(5),
        message(b'C', b"SELECT 5\0"),
        ready_for_query(),
    ]);
    let ready = upstream(&mut relay, &answer).unwrap();
    assert_eq!(over(&ready), (3, failed("53400")));
    assert_eq!(tags(&out_of(ready.batch)), "TDDDEZ");
    assert!(
        !relay.must_stop(),
        "it is complete: a cancel would hit what comes next"
    );
    // What gives no row goes on; what gives one does not.
    client(&mut relay, &query("begin"));
    let answer = joined(&[message(b'C', b"BEGIN\0"), ready_for_query()]);
    assert_eq!(tags(&out_of(upstream(&mut relay, &answer).unwrap().batch)), "CZ");
    client(&mut relay, &query("select 1"));
    let ready = upstream(&mut relay, &one_row()).unwrap();
    assert_eq!(over(&ready), (0, failed("53400")));
    assert_eq!(tags(&out_of(ready.batch)), "TEZ");
}

#[test]
fn upstream_is_stopped_once_and_what_it_says_to_that_is_not_seen() {
    let mut relay = limited(3);
    client(&mut relay, &query("select 1"));
    let first = upstream(&mut relay, &joined(&[message(b'T', b"\0\0"), rows(2)])).unwrap();
    assert_eq!(over(&first), (2, Outcome::Streaming));
    assert!(!relay.must_stop());
    let second = upstream(&mut relay, &rows(4)).unwrap();
    let kinds: Vec<_> = second.drafts.iter().map(|draft| draft.kind).collect();
    assert_eq!(kinds, [Kind::Refusal, Kind::Continuation, Kind::Outcome]);
    let outcome: record::OutcomeRecord = record::decode(&second.drafts[2].record).unwrap();
    assert_eq!((outcome.rows, outcome.outcome), (3, failed("53400")));
    assert_eq!(tags(&out_of(second.batch)), "DE");
    assert!(relay.must_stop());
    assert!(!relay.must_stop(), "once");
    let rest = joined(&[rows(9), error(b"57014"), ready_for_query()]);
    let rest = upstream(&mut relay, &rest).unwrap();
    assert_eq!(tags(&out_of(rest.batch)), "Z");
    assert!(rest.drafts.is_empty());
}

#[test]
fn a_statement_sent_behind_is_not_hit() {
    let mut relay = limited(1);
    client(&mut relay, &joined(&[query("select 1"), query("commit")]));
    upstream(&mut relay, &joined(&[message(b'T', b"\0\0"), rows(3)]));
    assert!(!relay.must_stop());
}

#[test]
fn rows_of_a_pipeline_come_out_of_one_budget() {
    let mut relay = limited(3);
    let one = || [parse("", "select 1"), bind("", ""), execute("")];
    client(&mut relay, &joined(&[one(), one()].concat()));
    client(&mut relay, &sync());
    let answer = || {
        joined(&[
            message(b'1', b""),
            message(b'2', b""),
            rows(2),
            message(b'C', b"SELECT 2\0"),
        ])
    };
    let ready = upstream(&mut relay, &joined(&[answer(), answer(), ready_for_query()])).unwrap();
    let given: Vec<_> = disclosures(&ready).iter().map(|one| one.rows).collect();
    assert_eq!(given, [2, 1]);
    assert_eq!(tags(&out_of(ready.batch)), "12DDC12DEZ");
}

#[test]
fn the_servers_timer_speaks_in_the_agreements_words_when_it_is_the_agreements() {
    let after = |seconds, message: &str| {
        let mut relay = limited(3);
        client(&mut relay, &query("select 1"));
        let fields = Fields::new(Severity::Error, Sqlstate::new(b"57014").unwrap(), message);
        let mut answer = joined(&[bytes(|out| fields.encode_error(out)), ready_for_query()]);
        let now = NOW + SignedDuration::from_secs(seconds);
        let ready = relay.upstream(&mut answer, now).unwrap().unwrap();
        assert_eq!(over(&ready), (0, failed("57014")));
        String::from_utf8_lossy(&out_of(ready.batch)).into_owned()
    };
    let timer = "canceling statement due to statement timeout";
    assert!(after(30, timer).contains("The agreement allows 30 seconds."));
    // A shorter timer is the client's own.
    assert!(after(29, timer).contains(timer));
    let asked = "canceling statement due to user request";
    assert!(after(31, asked).contains(asked));
}
