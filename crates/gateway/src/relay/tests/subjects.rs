//! Whose rows went out: the subject keys of results on every road, and results that are not given without.

use std::collections::BTreeSet;

use evidence::record::{Continuation, Subjects, Unattributed, Why};
use evidence::subject::{AccountingKey, Tag};

use super::*;
use crate::views::tests::{described, views};

/// `int4` and `text`.
const KEY: (u32, i16, u32) = (20_001, 1, 23);
const NAME: (u32, i16, u32) = (20_001, 2, 25);
const COUNT: (u32, i16, u32) = (0, 0, 20);

fn tag(key: &str) -> Tag {
    let people = "people".parse().unwrap();
    AccountingKey::new([5; 16]).tagger(&people).tag(key.as_bytes())
}

fn columns(columns: &[(u32, i16, u32)]) -> BytesMut {
    message(b'T', &described(columns))
}

fn row(values: &[Option<&[u8]>]) -> BytesMut {
    let mut body = BytesMut::new();
    body.put_u16(u16::try_from(values.len()).unwrap());
    for value in values {
        match value {
            Some(value) => {
                body.put_u32(u32::try_from(value.len()).unwrap());
                body.put_slice(value);
            }
            None => body.put_i32(-1),
        }
    }
    message(b'D', &body)
}

fn complete() -> BytesMut {
    message(b'C', b"SELECT 2\0")
}

fn bind_binary() -> BytesMut {
    message(b'B', b"\0\0\0\0\0\0\0\x01\0\x01")
}

fn describe_statement() -> BytesMut {
    message(b'D', b"S\0")
}

/// The tags of the one data set in a record.
fn tags_in(subjects: &[Subjects]) -> BTreeSet<Tag> {
    subjects
        .iter()
        .flat_map(|one| one.tags.tags().iter().copied())
        .collect()
}

fn set(keys: &[&str]) -> BTreeSet<Tag> {
    keys.iter().map(|key| tag(key)).collect()
}

fn why(unattributed: &[Unattributed]) -> Vec<(Option<String>, Why, u64)> {
    let one = |one: &Unattributed| (one.dataset.as_ref().map(ToString::to_string), one.why, one.rows);
    unattributed.iter().map(one).collect()
}

fn refusals(ready: &Ready) -> usize {
    ready
        .drafts
        .iter()
        .filter(|draft| draft.kind == Kind::Refusal)
        .count()
}

#[test]
fn the_subjects_of_a_simple_query_stand_in_its_record() {
    let mut relay = relay_with(views(false));
    client(&mut relay, &query("select person_id, name from people"));
    let answer = joined(&[
        columns(&[NAME, KEY]),
        row(&[Some(b"a"), Some(b"42")]),
        row(&[None, Some(b"7")]),
        row(&[Some(b"c"), Some(b"42")]),
        row(&[Some(b"d"), None]),
        complete(),
        ready_for_query(),
    ]);
    let ready = upstream(&mut relay, &answer).unwrap();
    let [record] = disclosures(&ready).try_into().unwrap();
    let [subjects] = &record.subjects[..] else {
        panic!("{record:?}")
    };
    assert_eq!((subjects.dataset.as_str(), subjects.rows), ("people", 3));
    assert_eq!(
        subjects
            .columns
            .iter()
            .map(|name| name.as_str())
            .collect::<Vec<_>>(),
        ["person_id", "name"]
    );
    assert_eq!(tags_in(&record.subjects), set(&["42", "7"]));
    assert_eq!(
        why(&record.unattributed),
        [(Some("people".to_owned()), Why::NullKey, 1)]
    );
    assert_eq!(record.legal_basis.unwrap().as_str(), "law");
    assert_eq!(out_of(ready.batch), answer);
}

#[test]
fn later_batches_have_their_own_subjects() {
    let mut relay = relay_with(views(false));
    client(&mut relay, &query("select person_id from people"));
    let first = upstream(&mut relay, &joined(&[columns(&[KEY]), row(&[Some(b"1")])])).unwrap();
    assert_eq!(tags_in(&disclosures(&first)[0].subjects), set(&["1"]));
    let second = upstream(&mut relay, &row(&[Some(b"2")])).unwrap();
    let more: Continuation = record::decode(&second.drafts[0].record).unwrap();
    assert_eq!(tags_in(&more.subjects), set(&["2"]));
    assert!(more.subjects[0].columns.is_empty(), "said before");
}

#[test]
fn what_is_derived_is_recorded_as_such() {
    let unkeyed = |text: &str, shape: &[(u32, i16, u32)]| {
        let mut relay = relay_with(views(false));
        client(&mut relay, &query(text));
        let values: Vec<Option<&[u8]>> = shape.iter().map(|_| Some(&b"5"[..])).collect();
        let answer = joined(&[columns(shape), row(&values), complete(), ready_for_query()]);
        let ready = upstream(&mut relay, &answer).unwrap();
        let record = disclosures(&ready).remove(0);
        (record.subjects.len(), why(&record.unattributed))
    };
    let people = |why| vec![(Some("people".to_owned()), why, 1)];
    assert_eq!(
        unkeyed("select count(*) from people", &[COUNT]),
        (0, people(Why::NoKey))
    );
    assert_eq!(
        unkeyed("select name from people", &[NAME]),
        (0, people(Why::NoKey))
    );
    // A moment is no key; and a cursor could be over anything.
    assert_eq!(
        unkeyed("select person_id from people", &[(20_001, 1, 1184)]),
        (0, people(Why::Type))
    );
    assert_eq!(
        unkeyed("fetch 1 from c", &[COUNT]),
        (0, vec![(None, Why::NoKey, 1)])
    );
    // About nobody: constants, PostgreSQL's own catalog.
    assert_eq!(unkeyed("select 5", &[COUNT]), (0, vec![]));
    assert_eq!(
        unkeyed("select relname from pg_class", &[(1259, 2, 19)]),
        (0, vec![])
    );
    // Two data sets, and the key of one.
    let (subjects, why) = unkeyed(
        "select person_id, day from people, visits",
        &[KEY, (20_002, 1, 25)],
    );
    assert_eq!(
        (subjects, why),
        (1, vec![(Some("visits".to_owned()), Why::NoKey, 1)])
    );
}

#[test]
fn a_portal_that_nobody_describes_is_described_for_the_record() {
    let mut relay = relay_with(views(false));
    let run = joined(&[bind_binary(), execute(""), sync()]);
    let sent = joined(&[parse("", "select person_id from people"), run.clone()]);
    let (up, _) = client(&mut relay, &sent);
    assert_eq!(tags(&up), "PBDES", "a question of our own");
    let answer = joined(&[
        message(b'1', b""),
        message(b'2', b""),
        columns(&[KEY]),
        row(&[Some(&42_i32.to_be_bytes())]),
        complete(),
        ready_for_query(),
    ]);
    let ready = upstream(&mut relay, &answer).unwrap();
    assert_eq!(
        tags_in(&disclosures(&ready)[0].subjects),
        set(&["42"]),
        "binary is text"
    );
    assert_eq!(
        tags(&out_of(ready.batch)),
        "12DCZ",
        "whose answer the client does not see"
    );
    // It is known by now.
    assert_eq!(tags(&client(&mut relay, &run).0), "BES");
    let again = joined(&[
        message(b'2', b""),
        row(&[Some(&7_i32.to_be_bytes())]),
        complete(),
        ready_for_query(),
    ]);
    let ready = upstream(&mut relay, &again).unwrap();
    assert_eq!(tags_in(&disclosures(&ready)[0].subjects), set(&["7"]));
}

#[test]
fn what_the_client_asks_for_itself_is_enough() {
    let mut relay = relay_with(views(false));
    let pipeline = [
        parse("", "select person_id from people"),
        describe_statement(),
        bind("", ""),
        execute(""),
        execute(""),
        sync(),
    ];
    assert_eq!(tags(&client(&mut relay, &joined(&pipeline)).0), "PDBEES");
    let rows = |key: &[u8]| joined(&[row(&[Some(key)]), complete()]);
    let answer = joined(&[
        message(b'1', b""),
        message(b't', b"\0\0"),
        columns(&[KEY]),
        message(b'2', b""),
        rows(b"1"),
        rows(b"2"),
        ready_for_query(),
    ]);
    let ready = upstream(&mut relay, &answer).unwrap();
    let recorded: Vec<_> = disclosures(&ready)
        .iter()
        .map(|one| tags_in(&one.subjects))
        .collect();
    assert_eq!(recorded, [set(&["1"]), set(&["2"])]);
    assert_eq!(tags(&out_of(ready.batch)), "1tT2DCDCZ");
}

#[test]
fn a_cursors_rows_are_asked_about_each_time() {
    let mut relay = relay_with(views(false));
    client(&mut relay, &joined(&[parse("f", "fetch 1 from c"), sync()]));
    upstream(&mut relay, &joined(&[message(b'1', b""), ready_for_query()]));
    for (shape, subjects) in [(KEY, 1), (COUNT, 0)] {
        let (up, _) = client(&mut relay, &joined(&[bind("", "f"), execute(""), sync()]));
        assert_eq!(tags(&up), "BDES");
        let answer = [
            message(b'2', b""),
            columns(&[shape]),
            row(&[Some(b"4")]),
            complete(),
            ready_for_query(),
        ];
        let ready = upstream(&mut relay, &joined(&answer)).unwrap();
        assert_eq!(disclosures(&ready)[0].subjects.len(), subjects);
    }
}

#[test]
fn a_failed_pipeline_leaves_no_question_behind() {
    let mut relay = relay_with(views(false));
    let pipeline = [
        parse("", "select person_id from people"),
        bind("", ""),
        execute(""),
        sync(),
    ];
    client(&mut relay, &joined(&pipeline));
    upstream(&mut relay, &joined(&[error(b"42P01"), ready_for_query()]));
    // The answer to the next question is not taken for that of the lost one.
    client(&mut relay, &joined(&pipeline));
    let answer = joined(&[
        message(b'1', b""),
        message(b'2', b""),
        columns(&[KEY]),
        row(&[Some(b"9")]),
        complete(),
        ready_for_query(),
    ]);
    let ready = upstream(&mut relay, &answer).unwrap();
    assert_eq!(tags_in(&disclosures(&ready)[0].subjects), set(&["9"]));
}

#[test]
fn a_result_without_its_required_key_is_refused_before_a_row() {
    let mut relay = relay_with(views(true));
    client(&mut relay, &query("select count(*) from people"));
    let answer = joined(&[
        columns(&[COUNT]),
        row(&[Some(b"5")]),
        row(&[Some(b"6")]),
        complete(),
        ready_for_query(),
    ]);
    let ready = upstream(&mut relay, &answer).unwrap();
    let [record] = disclosures(&ready).try_into().unwrap();
    assert_eq!((record.rows, refusals(&ready)), (0, 1));
    assert!(matches!(record.outcome, Outcome::Failed { sqlstate } if sqlstate.as_str() == "42501"));
    let said = out_of(ready.batch);
    assert_eq!(tags(&said), "EZ");
    let said = String::from_utf8_lossy(&said).into_owned();
    assert!(
        said.contains("42501") && said.contains("subject_key = \"required\""),
        "{said}"
    );
    // The session goes on.
    client(&mut relay, &query("select person_id from people"));
    let answer = joined(&[columns(&[KEY]), row(&[Some(b"5")]), complete(), ready_for_query()]);
    assert_eq!(
        tags(&out_of(upstream(&mut relay, &answer).unwrap().batch)),
        "TDCZ"
    );
}

#[test]
fn a_row_without_its_required_key_is_the_last() {
    let mut relay = relay_with(views(true));
    client(&mut relay, &query("select person_id from people"));
    let answer = joined(&[
        columns(&[KEY]),
        row(&[Some(b"5")]),
        row(&[None]),
        row(&[Some(b"6")]),
        complete(),
        ready_for_query(),
    ]);
    let ready = upstream(&mut relay, &answer).unwrap();
    let [record] = disclosures(&ready).try_into().unwrap();
    assert_eq!((record.rows, tags_in(&record.subjects)), (1, set(&["5"])));
    assert_eq!(tags(&out_of(ready.batch)), "TDEZ");
}

#[test]
fn a_portal_without_its_required_key_is_refused_on_every_road() {
    let mut relay = relay_with(views(true));
    // Asked for and executed at once: its rows become an error, and what stands behind them up to the Sync is not seen.
    let pipeline = [
        parse("s", "select name from people"),
        bind("", "s"),
        execute(""),
        execute(""),
        sync(),
    ];
    client(&mut relay, &joined(&pipeline));
    let answer = joined(&[
        message(b'1', b""),
        message(b'2', b""),
        columns(&[NAME]),
        row(&[Some(b"a")]),
        complete(),
        row(&[Some(b"b")]),
        complete(),
        ready_for_query(),
    ]);
    let ready = upstream(&mut relay, &answer).unwrap();
    assert_eq!(tags(&out_of(ready.batch)), "12EZ");
    // Known by now: it does not go upstream.
    let (up, _) = client(&mut relay, &joined(&[bind("", "s"), execute(""), sync()]));
    assert_eq!(tags(&up).replace('H', ""), "BS");
    let ready = upstream(&mut relay, &joined(&[message(b'2', b""), ready_for_query()])).unwrap();
    assert_eq!(refusals(&ready), 1);
    assert_eq!(tags(&out_of(ready.batch)), "2EZ");
    // COPY has no columns to look at.
    let (_, said) = client(&mut relay, &query("copy people to stdout"));
    assert!(said.is_none());
    let ready = upstream(&mut relay, &joined(&[message(b'I', b""), ready_for_query()])).unwrap();
    assert_eq!(tags(&out_of(ready.batch)), "EZ");
}

#[test]
fn copied_rows_are_counted_by_what_they_were_drawn_from() {
    let mut relay = relay_with(views(false));
    client(&mut relay, &query("copy (select * from people) to stdout"));
    let answer = joined(&[
        message(b'H', b"\0\0\0"),
        message(b'd', b"1\ta\n"),
        message(b'd', b"2\tb\n"),
        message(b'c', b""),
        message(b'C', b"COPY 2\0"),
        ready_for_query(),
    ]);
    let ready = upstream(&mut relay, &answer).unwrap();
    let record = disclosures(&ready).remove(0);
    assert_eq!(
        why(&record.unattributed),
        [(Some("people".to_owned()), Why::Copy, 2)]
    );
}

#[test]
fn a_view_that_was_made_anew_ends_the_session() {
    let mut relay = relay_with(views(false));
    client(&mut relay, &query("select person_id from people"));
    let mut input = joined(&[columns(&[(20_777, 1, 23)]), row(&[Some(b"5")])]);
    let ended = relay.upstream(&mut input, NOW).unwrap_err();
    assert!(matches!(ended, Fatal::Client(say) if say.sqlstate == "57P01"));
}

proptest! {
    /// However the bytes come, each released row's subject stands in what is recorded by then, and nothing else does.
    #[test]
    fn subjects_are_recorded_with_the_rows_they_are_in(
        keys in prop::collection::vec(prop::option::weighted(0.9, 0_i32..40), 0..30),
        cuts in prop::collection::vec(1_usize..60, 0..30),
        binary in any::<bool>(),
    ) {
        let mut relay = relay_with(views(false));
        let start = [parse("", "select person_id from people"), if binary { bind_binary() } else { bind("", "") }, execute(""), sync()];
        client(&mut relay, &joined(&start));
        let mut answer = joined(&[message(b'1', b""), message(b'2', b""), columns(&[KEY])]);
        for key in &keys {
            let value = key.map(|key| if binary { key.to_be_bytes().to_vec() } else { key.to_string().into_bytes() });
            answer.put_slice(&row(&[value.as_deref()]));
        }
        answer.put_slice(&joined(&[complete(), ready_for_query()]));
        let (mut recorded, mut rows, mut nulls, mut received) = (BTreeSet::new(), 0, 0, 0);
        let mut input = BytesMut::new();
        let mut cuts = cuts.into_iter();
        while !answer.is_empty() {
            let step = cuts.next().unwrap_or(answer.len()).min(answer.len());
            input.put_slice(&answer.split_to(step));
            let Some(ready) = relay.upstream(&mut input, NOW).unwrap() else { continue };
            for draft in &ready.drafts {
                let (subjects, unattributed) = match draft.kind {
                    Kind::Disclosure => {
                        let one: Disclosure = record::decode(&draft.record).unwrap();
                        (one.subjects, one.unattributed)
                    }
                    Kind::Continuation => {
                        let one: Continuation = record::decode(&draft.record).unwrap();
                        (one.subjects, one.unattributed)
                    }
                    _ => continue,
                };
                recorded.extend(tags_in(&subjects));
                rows += subjects.iter().map(|one| one.rows).sum::<u64>();
                nulls += unattributed.iter().map(|one| one.rows).sum::<u64>();
            }
            received += tags(&out_of(ready.batch)).matches('D').count();
            let out: BTreeSet<Tag> = keys.iter().take(received).flatten().map(|key| tag(&key.to_string())).collect();
            prop_assert_eq!(&out, &recorded);
            prop_assert_eq!(received as u64, rows + nulls);
        }
        prop_assert_eq!(received, keys.len());
    }
}
