//! Tests of `reply`: the cases by hand, then random pipelines against a model of a server that does the refusing itself.

use proptest::collection::vec;
use proptest::prelude::*;

use super::*;

mod model;

type Machine = Replies<u32, &'static str>;

/// What the client sees for a run of messages from the server: a letter each, `!` for an error of our own.
fn run(machine: &mut Machine, tags: &[u8]) -> String {
    let mut seen = String::new();
    for tag in tags {
        let step = machine.receive(*tag).unwrap();
        match step.reply {
            Reply::Instead(_) => seen.push('!'),
            Reply::CopyIn(..) => seen.push('?'),
            _ => seen.push(char::from(*tag)),
        }
        seen.extend(step.then.map(|_| '!'));
    }
    seen
}

fn with(sent: &[Sent<u32>]) -> Machine {
    let mut machine = Machine::new();
    sent.iter().for_each(|message| machine.sent(*message).unwrap());
    machine
}

#[test]
fn a_simple_query_may_have_several_results() {
    let mut machine = with(&[Sent::Query(1)]);
    assert_eq!(run(&mut machine, b"TDDCCNTCZ"), "TDDCCNTCZ");
    assert!(machine.is_idle());
}

#[test]
fn rows_belong_to_their_statements() {
    let mut machine = with(&[Sent::Query(1), Sent::Query(2)]);
    let mut replies = Vec::new();
    for tag in b"TDCZTDCZ" {
        replies.push(machine.receive(*tag).unwrap().reply);
    }
    assert_eq!(replies[1], Reply::Row(1));
    assert_eq!(replies[3], Reply::Ready(Some(1)));
    assert_eq!(replies[4], Reply::Described(Some(2)));
    assert_eq!(replies[5], Reply::Row(2));
}

#[test]
fn an_extended_pipeline_is_answered_in_order() {
    use Sent::{Bind, Close, DescribePortal, DescribeStatement, Execute, Parse, Sync};
    let mut machine = with(&[
        Parse,
        DescribeStatement,
        Bind,
        DescribePortal,
        Execute(1),
        Close,
        Sync,
        Bind,
        Execute(2),
        Sync,
    ]);
    assert_eq!(run(&mut machine, b"1tT2nDDs3Z2DCZ"), "1tT2nDDs3Z2DCZ");
    assert!(machine.is_idle());
}

#[test]
fn an_error_drops_what_follows_up_to_the_sync() {
    use Sent::{Bind, Execute, Parse, Sync};
    let mut machine = with(&[Parse, Bind, Execute(1), Execute(2), Sync, Execute(3), Sync]);
    assert_eq!(machine.receive(b'E').unwrap().reply, Reply::Failed(None));
    assert_eq!(machine.dropped(), [1, 2]);
    assert_eq!(machine.dropped(), Vec::<u32>::new());
    assert!(!machine.skipping());
    assert_eq!(run(&mut machine, b"ZCZ"), "ZCZ");
}

#[test]
fn after_an_error_without_sync_messages_are_skipped() {
    let mut machine = with(&[Sent::Execute(1)]);
    assert_eq!(machine.receive(b'E').unwrap().reply, Reply::Failed(Some(1)));
    assert!(machine.skipping());
    assert_eq!(machine.sent(Sent::Bind), Err(Unsent::Skipped));
    assert_eq!(machine.sent(Sent::Query(2)), Err(Unsent::Skipped));
    assert_eq!(machine.refuse_query("no"), Err(Unsent::Skipped));
    assert_eq!(machine.refuse("no"), Refusal::Skipped);
    assert_eq!(machine.sent(Sent::Sync), Ok(()));
    assert_eq!(run(&mut machine, b"Z"), "Z");
}

#[test]
fn a_simple_query_that_fails_skips_nothing() {
    let mut machine = with(&[Sent::Query(1), Sent::Query(2)]);
    assert_eq!(run(&mut machine, b"TDEZCZ"), "TDEZCZ");
    assert!(machine.is_idle() && !machine.skipping());
}

#[test]
fn a_sync_may_fail_and_is_still_answered() {
    let mut machine = with(&[Sent::Sync, Sent::Parse, Sent::Sync]);
    assert_eq!(run(&mut machine, b"EZ1Z"), "EZ1Z");
}

#[test]
fn a_refusal_with_nothing_before_it_is_due_at_once() {
    let mut machine = Machine::new();
    assert_eq!(machine.refuse("no"), Refusal::Due("no"));
    assert!(machine.skipping() && machine.is_idle());
    assert_eq!(machine.sent(Sent::Execute(1)), Err(Unsent::Skipped));
    assert_eq!(machine.sent(Sent::Sync), Ok(()));
    assert_eq!(run(&mut machine, b"Z"), "Z");
    assert!(!machine.skipping());
}

#[test]
fn a_refusal_waits_for_all_replies_before_it() {
    let mut machine = with(&[Sent::Parse, Sent::Bind, Sent::Execute(1)]);
    assert_eq!(machine.refuse("no"), Refusal::Queued { flush: true });
    machine.sent(Sent::Sync).unwrap();
    machine.sent(Sent::Bind).unwrap();
    machine.sent(Sent::Sync).unwrap();
    assert_eq!(run(&mut machine, b"12DDCZ2Z"), "12DDC!Z2Z");
}

#[test]
fn a_refusal_behind_a_sync_needs_no_flush() {
    let mut machine = with(&[Sent::Execute(1), Sent::Sync]);
    assert_eq!(machine.refuse("no"), Refusal::Queued { flush: false });
    assert_eq!(run(&mut machine, b"CZ"), "CZ!");
    assert!(machine.skipping());
}

#[test]
fn an_earlier_failure_hides_a_refusal() {
    let mut machine = with(&[Sent::Parse, Sent::Bind]);
    assert_eq!(machine.refuse("no"), Refusal::Queued { flush: true });
    machine.sent(Sent::Sync).unwrap();
    assert_eq!(run(&mut machine, b"1EZ"), "1EZ");
    assert!(machine.is_idle());
}

#[test]
fn a_refused_query_takes_the_place_of_an_empty_one() {
    let mut machine = with(&[Sent::Query(1)]);
    machine.refuse_query("no").unwrap();
    machine.sent(Sent::Query(2)).unwrap();
    assert_eq!(run(&mut machine, b"TCZIZCZ"), "TCZ!ZCZ");
    assert!(!machine.skipping());
}

#[test]
fn a_refused_query_behind_a_failed_parse_is_skipped_by_both_sides() {
    let mut machine = with(&[Sent::Parse]);
    machine.refuse_query("no").unwrap();
    machine.sent(Sent::Sync).unwrap();
    assert_eq!(run(&mut machine, b"EZ"), "EZ");
    assert!(machine.is_idle());
}

#[test]
fn copy_to_the_client_is_followed() {
    let mut machine = with(&[Sent::Query(1), Sent::Execute(2), Sent::Sync]);
    assert_eq!(run(&mut machine, b"HddcCZHdcCZ"), "HddcCZHdcCZ");
    let mut machine = with(&[Sent::Query(1)]);
    assert_eq!(run(&mut machine, b"HdEZ"), "HdEZ");
}

#[test]
fn copy_from_the_client_is_to_be_refused() {
    let mut machine = with(&[Sent::Query(1)]);
    assert_eq!(
        machine.receive(b'G').unwrap().reply,
        Reply::CopyIn(1, CopyAnswer::Fail)
    );
    assert_eq!(run(&mut machine, b"EZ"), "EZ");
    let mut machine = with(&[Sent::Execute(1), Sent::Sync]);
    assert_eq!(
        machine.receive(b'G').unwrap().reply,
        Reply::CopyIn(1, CopyAnswer::FailThenSync)
    );
    assert_eq!(run(&mut machine, b"EZ"), "EZ");
    // The client's Sync is still to come.
    let mut machine = with(&[Sent::Execute(1)]);
    assert_eq!(
        machine.receive(b'G').unwrap().reply,
        Reply::CopyIn(1, CopyAnswer::Fail)
    );
    assert_eq!(run(&mut machine, b"E"), "E");
    assert!(machine.skipping());
    for sent in [
        &[Sent::Parse][..],
        &[Sent::Execute(1), Sent::Sync, Sent::Sync],
        &[Sent::Query(1), Sent::Sync],
        &[Sent::Sync],
    ] {
        assert!(with(sent).receive(b'G').is_err(), "{sent:?}");
    }
    let mut machine = with(&[Sent::Execute(1)]);
    assert!(machine.receive(b'D').is_ok() && machine.receive(b'G').is_err());
    // Once it was to be refused, only an error may follow.
    let mut machine = with(&[Sent::Query(1)]);
    assert!(machine.receive(b'G').is_ok());
    assert!(machine.receive(b'C').is_err());
}

#[test]
fn asynchronous_messages_may_come_any_time() {
    let mut machine = Machine::new();
    assert_eq!(run(&mut machine, b"NAS"), "NAS");
    machine.sent(Sent::Query(1)).unwrap();
    assert_eq!(run(&mut machine, b"NTADSCNZA"), "NTADSCNZA");
}

#[test]
fn an_error_out_of_the_blue_is_the_end() {
    assert_eq!(Machine::new().receive(b'E').unwrap().reply, Reply::Unsolicited);
}

#[test]
fn replies_out_of_place_are_errors() {
    use Sent::{Bind, Close, DescribePortal, DescribeStatement, Execute, Parse, Query, Sync};
    for (sent, tags) in [
        (&[][..], &b"Z"[..]),
        (&[Query(1)], b"D"),
        (&[Query(1)], b"Z"),
        (&[Query(1)], b"TT"),
        (&[Query(1)], b"TZ"),
        (&[Query(1)], b"IC"),
        (&[Query(1)], b"CI"),
        (&[Query(1)], b"EE"),
        (&[Query(1)], b"EC"),
        (&[Query(1)], b"Hc c"),
        (&[Query(1)], b"HC"),
        (&[Query(1)], b"W"),
        (&[Query(1)], b"K"),
        (&[Query(1)], b"R"),
        (&[Query(1)], b"s"),
        (&[Query(1)], b"CZZ"),
        (&[Parse], b"2"),
        (&[Bind], b"1"),
        (&[Close], b"C"),
        (&[DescribeStatement], b"T"),
        (&[DescribeStatement], b"tt"),
        (&[DescribePortal], b"t"),
        (&[Execute(1)], b"T"),
        (&[Execute(1)], b"Z"),
        (&[Execute(1)], b"DI"),
        (&[Execute(1)], b"CC"),
        (&[Sync], b"C"),
        (&[Sync], b"EE"),
        (&[Execute(1), Sync], b"EC"),
    ] {
        let mut machine = with(sent);
        let outcome: Result<Vec<_>, _> = tags.iter().map(|tag| machine.receive(*tag)).collect();
        assert!(outcome.is_err(), "{sent:?} {}", tags.escape_ascii());
    }
    let error = Machine::new().receive(b'Z').unwrap_err();
    assert_eq!(
        error.to_string(),
        "server sent message `Z` while no reply was due"
    );
}

#[test]
fn a_refused_query_is_answered_by_nothing_but_an_empty_one() {
    for tags in [&b"C"[..], b"Z", b"T", b"II", b"IE E"] {
        let mut machine = Machine::new();
        machine.refuse_query("no").unwrap();
        let outcome: Result<Vec<_>, _> = tags.iter().map(|tag| machine.receive(*tag)).collect();
        assert!(outcome.is_err(), "{}", tags.escape_ascii());
    }
}

#[test]
fn the_queue_is_bounded() {
    let mut machine = Machine::new();
    for _ in 0..PENDING_MAX {
        machine.sent(Sent::Bind).unwrap();
    }
    assert!(!machine.has_room());
    assert_eq!(machine.sent(Sent::Bind), Err(Unsent::Full));
    assert_eq!(machine.sent(Sent::Sync), Err(Unsent::Full));
    assert_eq!(machine.refuse_query("no"), Err(Unsent::Full));
    assert_eq!(run(&mut machine, b"2"), "2");
    assert_eq!(machine.sent(Sent::Sync), Ok(()));
    assert_eq!(machine.pending(), PENDING_MAX);
}

fn any_sent() -> impl Strategy<Value = Sent<u32>> {
    use Sent::{Bind, Close, DescribePortal, DescribeStatement, Execute, Parse, Query, Sync};
    prop::sample::select(vec![
        Query(1),
        Parse,
        Bind,
        DescribeStatement,
        DescribePortal,
        Execute(2),
        Close,
        Sync,
    ])
}

proptest! {
    /// A server may send anything: the machine answers or refuses, and a refusal of ours comes out at most once.
    #[test]
    fn hostile_servers_never_make_it_panic(
        steps in vec((any_sent(), 0_u8..4, prop::sample::select(b"TDCIEZNASdcHGWtn123sKRV".to_vec())), 0..60),
    ) {
        let mut machine = Replies::<u32, usize>::new();
        let (mut refused, mut said) = (0, 0);
        for (sent, kind, tag) in steps {
            match kind {
                0 => {
                    let _ = machine.sent(sent);
                }
                1 => match machine.refuse(refused) {
                    Refusal::Due(_) => (refused, said) = (refused + 1, said + 1),
                    Refusal::Queued { .. } => refused += 1,
                    Refusal::Skipped => {}
                },
                2 => refused += usize::from(machine.refuse_query(refused).is_ok()),
                _ => {
                    let Ok(step) = machine.receive(tag) else { break };
                    said += usize::from(matches!(step.reply, Reply::Instead(_)));
                    said += usize::from(step.then.is_some());
                }
            }
            prop_assert!(said <= refused);
        }
    }
}
