//! The relay, driven by both sides' bytes: order, records, names, refusals, losses.

use std::str::FromStr;
use std::sync::Arc;

use bytes::{BufMut, BytesMut};
use evidence::entry::Kind;
use evidence::id::{AgreementId, OfficerId, PartnerId, PurposeId, SessionId};
use evidence::record::{self, Clipped, Disclosure, Outcome, Refusal};
use jiff::Timestamp;
use proptest::prelude::*;
use wire::backend::{self, Fields, Severity, Sqlstate, Status};
use wire::frontend;

use super::recorder::{Bound, Recorder};
use super::{Cases, Fatal, Ready, Relay};
use crate::batch::Released;
use crate::filter::{Filter, Limits};
use crate::say::Say;
use crate::views::Views;

mod limits;
mod subjects;

const NOW: Timestamp = Timestamp::UNIX_EPOCH;

/// Takes every case.
struct AnyCase;

impl Cases for AnyCase {
    fn change(&mut self, case: Option<&str>) -> Result<Option<Clipped>, Say> {
        Ok(case.map(Clipped::from))
    }
}

fn relay() -> Relay {
    relay_with(Views::default())
}

fn relay_with(views: Views) -> Relay {
    let bound = Bound {
        session: SessionId::from_str("00112233445566aa").unwrap(),
        partner: PartnerId::from_str("p").unwrap(),
        officer: OfficerId::from_str("o").unwrap(),
        agreement: AgreementId::from_str("a").unwrap(),
        purpose: PurposeId::from_str("u").unwrap(),
        client: Clipped::from("127.0.0.1:1"),
        legal_basis: Clipped::from("law"),
        seal: None,
    };
    Relay::new(
        Arc::new(Filter::new(Limits::default())),
        Recorder::new(bound, Arc::new(views)),
        Some(Clipped::from("first")),
    )
}

/// Sends the client's bytes in; gives what goes upstream, and what is said at once.
fn client(relay: &mut Relay, bytes: &[u8]) -> (BytesMut, Option<Ready>) {
    let (mut input, mut out) = (BytesMut::from(bytes), BytesMut::new());
    let ready = relay.client(&mut input, &mut out, &mut AnyCase, NOW).unwrap();
    assert!(input.is_empty(), "all of it was taken");
    (out, ready)
}

fn upstream(relay: &mut Relay, bytes: &[u8]) -> Option<Ready> {
    let mut input = BytesMut::from(bytes);
    let ready = relay.upstream(&mut input, NOW).unwrap();
    assert!(input.is_empty(), "all of it was taken");
    ready
}

fn bytes(fill: impl FnOnce(&mut BytesMut)) -> BytesMut {
    let mut out = BytesMut::new();
    fill(&mut out);
    out
}

fn query(text: &str) -> BytesMut {
    bytes(|out| frontend::query(out, text.as_bytes()).unwrap())
}

fn message(tag: u8, body: &[u8]) -> BytesMut {
    bytes(|out| {
        out.put_u8(tag);
        out.put_u32(u32::try_from(body.len()).unwrap() + 4);
        out.put_slice(body);
    })
}

fn parse(name: &str, text: &str) -> BytesMut {
    bytes(|out| frontend::parse(out, name.as_bytes(), text.as_bytes(), &[]).unwrap())
}

fn bind(portal: &str, statement: &str) -> BytesMut {
    message(b'B', format!("{portal}\0{statement}\0\0\0\0\0\0\0").as_bytes())
}

fn execute(portal: &str) -> BytesMut {
    message(b'E', format!("{portal}\0\0\0\0\0").as_bytes())
}

fn sync() -> BytesMut {
    bytes(frontend::sync)
}

fn joined(parts: &[BytesMut]) -> BytesMut {
    bytes(|out| parts.iter().for_each(|part| out.put_slice(part)))
}

fn ready_for_query() -> BytesMut {
    bytes(|out| backend::ready(out, Status::Idle))
}

fn error(sqlstate: &[u8; 5]) -> BytesMut {
    let fields = Fields::new(Severity::Error, Sqlstate::new(sqlstate).unwrap(), "wrong");
    bytes(|out| fields.encode_error(out))
}

/// The answer to a simple query with one row.
fn one_row() -> BytesMut {
    joined(&[
        message(b'T', b"\0\0"),
        message(b'D', b"\0\0"),
        message(b'C', b"SELECT 1\0"),
        ready_for_query(),
    ])
}

fn out_of(batch: crate::batch::Batch) -> BytesMut {
    let mut outbox = crate::batch::Outbox::default();
    outbox.push(Released::test(batch));
    let mut all = BytesMut::new();
    while !outbox.is_empty() {
        let slice = outbox.slice().to_vec();
        all.put_slice(&slice);
        outbox.took(slice.len());
    }
    all
}

fn tags(mut bytes: &[u8]) -> String {
    let mut tags = String::new();
    while let Some((head, _)) = bytes.split_first_chunk::<5>() {
        tags.push(char::from(head[0]));
        let len = u32::from_be_bytes([head[1], head[2], head[3], head[4]]) as usize;
        bytes = &bytes[len + 1..];
    }
    tags
}

fn disclosures(ready: &Ready) -> Vec<Disclosure> {
    let of_kind = ready.drafts.iter().filter(|draft| draft.kind == Kind::Disclosure);
    of_kind
        .map(|draft| record::decode(&draft.record).unwrap())
        .collect()
}

#[test]
fn a_small_result_has_one_record_with_its_outcome_before_it_leaves() {
    let mut relay = relay();
    let sent = query("select 1");
    assert_eq!(client(&mut relay, &sent).0, sent);
    let ready = upstream(&mut relay, &one_row()).unwrap();
    let [disclosure] = disclosures(&ready).try_into().unwrap();
    assert_eq!(disclosure.text.text(), "select 1");
    assert_eq!((disclosure.rows, disclosure.bytes), (1, 7));
    let tag = "SELECT 1".into();
    assert_eq!(disclosure.outcome, Outcome::Complete { tag });
    assert_eq!(disclosure.case, Some(Clipped::from("first")));
    assert_eq!(out_of(ready.batch), one_row());
}

#[test]
fn a_long_result_has_a_record_for_each_batch() {
    let mut relay = relay();
    client(&mut relay, &query("select 1"));
    let first = upstream(
        &mut relay,
        &joined(&[message(b'T', b"\0\0"), message(b'D', b"\0\0")]),
    )
    .unwrap();
    assert_eq!(disclosures(&first)[0].outcome, Outcome::Streaming);
    let second = upstream(&mut relay, &message(b'D', b"\0\0")).unwrap();
    assert_eq!(
        second.drafts.iter().map(|d| d.kind).collect::<Vec<_>>(),
        [Kind::Continuation]
    );
    let last = upstream(
        &mut relay,
        &joined(&[message(b'C', b"SELECT 2\0"), ready_for_query()]),
    )
    .unwrap();
    assert_eq!(
        last.drafts.iter().map(|d| d.kind).collect::<Vec<_>>(),
        [Kind::Outcome]
    );
    let outcome: record::OutcomeRecord = record::decode(&last.drafts[0].record).unwrap();
    assert_eq!((outcome.rows, outcome.bytes), (2, 14));
}

#[test]
fn a_refused_query_is_answered_in_its_place_and_recorded() {
    let mut relay = relay();
    let (up, said) = client(
        &mut relay,
        &joined(&[query("select 1"), query("explain select 1"), query("select 2")]),
    );
    assert_eq!(tags(&up), "QQQ");
    assert!(said.is_none(), "not before the first is answered");
    let empty = joined(&[message(b'I', b""), ready_for_query()]);
    let ready = upstream(&mut relay, &joined(&[one_row(), empty, one_row()])).unwrap();
    let refusals: Vec<Refusal> = ready
        .drafts
        .iter()
        .filter(|draft| draft.kind == Kind::Refusal)
        .map(|draft| record::decode(&draft.record).unwrap())
        .collect();
    assert_eq!(refusals[0].statement.as_ref().unwrap().text(), "explain select 1");
    assert_eq!(disclosures(&ready).len(), 2);
    assert_eq!(tags(&out_of(ready.batch)), "TDCZEZTDCZ");
}

#[test]
fn a_refusal_in_a_pipeline_skips_to_the_sync() {
    let mut relay = relay();
    let (up, said) = client(
        &mut relay,
        &joined(&[
            parse("", "select 1"),
            bind("", ""),
            execute(""),
            parse("", "listen x"),
            bind("", ""),
            execute(""),
            sync(),
        ]),
    );
    assert_eq!(tags(&up).replace('H', ""), "PBES");
    assert!(said.is_none());
    let answers = joined(&[
        message(b'1', b""),
        message(b'2', b""),
        message(b'D', b"\0\0"),
        message(b'C', b"SELECT 1\0"),
        ready_for_query(),
    ]);
    let ready = upstream(&mut relay, &answers).unwrap();
    assert_eq!(tags(&out_of(ready.batch)), "12DCEZ");
}

#[test]
fn a_refusal_with_nothing_before_it_is_said_at_once() {
    let mut relay = relay();
    let (up, said) = client(&mut relay, &joined(&[parse("", "listen x"), sync()]));
    assert_eq!(tags(&up), "S");
    assert_eq!(tags(&out_of(said.unwrap().batch)), "E");
}

/// The record must name the text that runs, whatever is done to the names.
#[test]
fn no_name_can_be_made_to_mean_another_text() {
    let mut relay = relay();
    client(&mut relay, &joined(&[parse("s", "select 'innocent'"), sync()]));
    upstream(&mut relay, &joined(&[message(b'1', b""), ready_for_query()]));
    for behind in [
        "deallocate s",
        "deallocate all",
        "discard all",
        "prepare s as select 'secret'",
    ] {
        client(&mut relay, &query(behind));
        let (up, said) = client(&mut relay, &joined(&[bind("", "s"), execute(""), sync()]));
        assert_eq!(
            tags(&up).replace('H', ""),
            "S",
            "{behind}: the name means nothing any more"
        );
        assert!(said.is_none(), "the error comes after the answer to the query");
        let reply = joined(&[
            message(b'C', b"DEALLOCATE\0"),
            ready_for_query(),
            ready_for_query(),
        ]);
        assert_eq!(tags(&out_of(upstream(&mut relay, &reply).unwrap().batch)), "CZEZ");
    }
    client(
        &mut relay,
        &joined(&[parse("s", "select 'innocent'"), bind("c", "s"), sync()]),
    );
    upstream(
        &mut relay,
        &joined(&[message(b'1', b""), message(b'2', b""), ready_for_query()]),
    );
    client(&mut relay, &query("declare c cursor for select 'secret'"));
    let (up, _) = client(&mut relay, &joined(&[execute("c"), sync()]));
    assert_eq!(tags(&up).replace('H', ""), "S");
}

#[test]
fn a_name_that_could_not_be_taken_again_keeps_its_text() {
    let mut relay = relay();
    client(&mut relay, &joined(&[parse("s", "select 'old'"), sync()]));
    upstream(&mut relay, &joined(&[message(b'1', b""), ready_for_query()]));
    client(&mut relay, &joined(&[parse("s", "select 'new'"), sync()]));
    upstream(&mut relay, &joined(&[error(b"42P05"), ready_for_query()]));
    client(&mut relay, &joined(&[bind("", "s"), execute(""), sync()]));
    let ready = upstream(
        &mut relay,
        &joined(&[
            message(b'2', b""),
            message(b'C', b"SELECT 0\0"),
            ready_for_query(),
        ]),
    );
    assert_eq!(disclosures(&ready.unwrap())[0].text.text(), "select 'old'");
}

#[test]
fn a_text_that_cannot_be_prepared_is_recorded_with_its_error() {
    let mut relay = relay();
    client(
        &mut relay,
        &joined(&[parse("", "select ssn from people"), sync()]),
    );
    let ready = upstream(&mut relay, &joined(&[error(b"42703"), ready_for_query()])).unwrap();
    let [disclosure] = disclosures(&ready).try_into().unwrap();
    assert_eq!(disclosure.text.text(), "select ssn from people");
    assert_eq!(
        disclosure.outcome,
        Outcome::Failed {
            sqlstate: "42703".into()
        }
    );
}

#[test]
fn what_cannot_be_recorded_is_an_error_and_the_session_goes_on() {
    let mut relay = relay();
    client(&mut relay, &joined(&[query("select 1"), query("select 2")]));
    let lost = upstream(
        &mut relay,
        &joined(&[one_row(), message(b'T', b"\0\0"), message(b'D', b"\0\0")]),
    )
    .unwrap();
    let said = out_of(relay.lost(lost.batch.shape()).unwrap().into_test());
    assert_eq!(tags(&said), "EZE");
    let rest = upstream(
        &mut relay,
        &joined(&[message(b'D', b"\0\0"), message(b'C', b"SELECT 2\0")]),
    )
    .unwrap();
    assert!(
        relay.released(Released::test(rest.batch)).is_none(),
        "the rest of a lost reply is not shown"
    );
    let end = upstream(&mut relay, &ready_for_query()).unwrap();
    let shown = relay.released(Released::test(end.batch)).unwrap();
    assert_eq!(tags(&out_of(shown.into_test())), "Z");
    client(&mut relay, &query("select 3"));
    let next = upstream(&mut relay, &one_row()).unwrap();
    assert!(relay.released(Released::test(next.batch)).is_some());
}

#[test]
fn notifications_and_the_role_name_are_dropped_and_pinned_settings_are_watched() {
    let mut relay = relay();
    let setting = |name: &str, value: &str| bytes(|out| backend::parameter_status(out, name, value).unwrap());
    let ready = upstream(
        &mut relay,
        &joined(&[
            message(b'A', b"\0\0\0\x01c\0x\0"),
            setting("session_authorization", "estop_0011"),
            setting("TimeZone", "UTC"),
        ]),
    );
    assert_eq!(tags(&out_of(ready.unwrap().batch)), "S");
    let mut off = setting("standard_conforming_strings", "off");
    assert!(matches!(relay.upstream(&mut off, NOW), Err(Fatal::Upstream)));
}

#[test]
fn the_case_is_changed_alone_only() {
    let mut relay = relay();
    let (up, _) = client(&mut relay, &query("set estop.case = 'second'"));
    assert_eq!(
        up,
        query("set estop.\"case\" = 'second'"),
        "`case` is a reserved word, so upstream gets it quoted"
    );
    let ready = upstream(&mut relay, &joined(&[message(b'C', b"SET\0"), ready_for_query()])).unwrap();
    assert_eq!(disclosures(&ready)[0].case, Some(Clipped::from("second")));
    client(&mut relay, &joined(&[query("begin")]));
    let begun = joined(&[
        message(b'C', b"BEGIN\0"),
        bytes(|out| backend::ready(out, Status::InTransaction)),
    ]);
    upstream(&mut relay, &begun);
    client(&mut relay, &query("set estop.case = 'third'"));
    let answer = joined(&[
        message(b'I', b""),
        bytes(|out| backend::ready(out, Status::InTransaction)),
    ]);
    let ready = upstream(&mut relay, &answer).unwrap();
    assert_eq!(ready.drafts[0].kind, Kind::Refusal);
}

#[test]
fn copy_data_of_the_client_goes_nowhere_and_function_calls_are_refused() {
    let mut relay = relay();
    let (up, _) = client(
        &mut relay,
        &joined(&[
            message(b'd', b"x"),
            message(b'c', b""),
            message(b'F', b"\0\0\0\x01"),
        ]),
    );
    assert_eq!(up, bytes(frontend::empty_query));
}

proptest! {
    /// However the bytes arrive, the client sees the same.
    #[test]
    fn splits_change_nothing(cuts in prop::collection::vec(1usize..40, 0..40)) {
        let answers = joined(&[
            one_row(),
            message(b'N', b"SLOG\0VLOG\0C00000\0Mplan\0\0"),
            joined(&[message(b'T', b"\0\0"), message(b'D', &[7; 100]), error(b"22012"), ready_for_query()]),
            bytes(|out| backend::parameter_status(out, "TimeZone", "UTC").unwrap()),
        ]);
        let whole = {
            let mut relay = relay();
            client(&mut relay, &joined(&[query("select 1"), query("select 2")]));
            out_of(upstream(&mut relay, &answers).unwrap().batch)
        };
        let mut relay = relay();
        client(&mut relay, &joined(&[query("select 1"), query("select 2")]));
        let (mut input, mut rest, mut seen) = (BytesMut::new(), answers, BytesMut::new());
        for cut in cuts.into_iter().chain([usize::MAX]) {
            input.put_slice(&rest.split_to(cut.min(rest.len())));
            if let Some(ready) = relay.upstream(&mut input, NOW).unwrap() {
                prop_assert!(!ready.drafts.is_empty() || Released::without_rows(ready.batch.clone()).is_some());
                seen.put_slice(&out_of(ready.batch));
            }
        }
        prop_assert_eq!(seen, whole);
    }

    /// No bytes of a client's make it panic.
    #[test]
    fn any_bytes_of_a_client(noise in prop::collection::vec(any::<u8>(), 0..300)) {
        let mut relay = relay();
        let (mut input, mut out) = (BytesMut::from(noise.as_slice()), BytesMut::new());
        let _ = relay.client(&mut input, &mut out, &mut AnyCase, NOW);
    }

    /// Nor of a server's.
    #[test]
    fn any_bytes_of_a_server(noise in prop::collection::vec(any::<u8>(), 0..300)) {
        let mut relay = relay();
        client(&mut relay, &query("select 1"));
        let _ = relay.upstream(&mut BytesMut::from(noise.as_slice()), NOW);
    }
}

#[test]
fn a_pipeline_without_a_sync_is_not_at_rest() {
    let mut relay = relay();
    assert!(relay.seen().at_rest);
    client(
        &mut relay,
        &joined(&[parse("", "select 1"), bind("", ""), execute("")]),
    );
    assert!(!relay.seen().at_rest);
    // All of it is answered, and yet a transaction is open: upstream waits for the Sync.
    let answers = [
        message(b'1', b""),
        message(b'2', b""),
        message(b'C', b"SELECT 1\0"),
    ];
    upstream(&mut relay, &joined(&answers));
    let seen = relay.seen();
    assert!(!seen.at_rest && seen.running.is_none(), "{seen:?}");
    client(&mut relay, &sync());
    assert!(!relay.seen().at_rest, "until upstream says so");
    upstream(&mut relay, &ready_for_query());
    let rest = relay.seen();
    assert!(rest.at_rest && rest.rests == seen.rests + 1, "{rest:?}");
    client(&mut relay, &query("begin"));
    let begun = joined(&[
        message(b'C', b"BEGIN\0"),
        bytes(|out| backend::ready(out, Status::InTransaction)),
    ]);
    upstream(&mut relay, &begun);
    assert!(!relay.seen().at_rest && relay.seen().rests == rest.rests);
}
