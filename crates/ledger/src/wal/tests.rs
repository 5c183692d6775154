//! The log against a disk that fails at every step, and against tails torn and flipped by the thousand.

use std::convert::Infallible;
use std::sync::Arc;

use proptest::prelude::*;

use super::*;
use crate::disk::sim::{Coin, Crash, SimDisk, Wrong};
use crate::disk::{Disk, Fault};

const ORIGIN: &str = "records.example.org/audit";
const SEGMENT: u64 = 4096;

#[derive(Debug, thiserror::Error)]
enum RecoverFault {
    #[error(transparent)]
    Scan(#[from] ScanFault<Infallible>),
    #[error(transparent)]
    Prepare(#[from] Fault),
}

fn recover(disk: &SimDisk) -> Result<(Writer, Vec<Vec<u8>>), RecoverFault> {
    recover_from(disk, Position::start(ORIGIN))
}

fn recover_from(disk: &SimDisk, from: Position) -> Result<(Writer, Vec<Vec<u8>>), RecoverFault> {
    let mut payloads = Vec::new();
    let disk: Arc<dyn Disk> = Arc::new(disk.clone());
    let scanned = scan(&disk, from, |_, payload| {
        payloads.push(payload.to_vec());
        Ok(())
    })?;
    Ok((Writer::ready(&disk, scanned, SEGMENT)?, payloads))
}

fn commit(writer: &mut Writer, payloads: &[Vec<u8>]) -> Result<(), Fault> {
    let mut batch = writer.batch();
    for payload in payloads {
        batch.push(payload).unwrap();
    }
    writer.commit(batch)
}

fn payload(n: usize, length: usize) -> Vec<u8> {
    (0..length)
        .map(|at| (n * 31 + at * 7 + 1).to_le_bytes()[0])
        .collect()
}

/// Batches that fill some three segments, with a batch too long for what is left of one.
fn script() -> Vec<Vec<Vec<u8>>> {
    [
        &[100, 7][..],
        &[1],
        &[900, 900, 900],
        &[800],
        &[3000],
        &[64],
        &[8, 16, 24],
        &[2000],
        &[2000, 500],
        &[5],
    ]
    .iter()
    .enumerate()
    .map(|(n, lengths)| {
        lengths
            .iter()
            .enumerate()
            .map(|(m, length)| payload(n * 10 + m, *length))
            .collect()
    })
    .collect()
}

#[test]
fn what_was_committed_comes_back_in_order_over_several_segments() {
    let disk = SimDisk::default();
    let (mut writer, none) = recover(&disk).unwrap();
    assert!(none.is_empty());
    for batch in script() {
        commit(&mut writer, &batch).unwrap();
    }
    assert!(writer.position().segment >= 2);
    let end = writer.position();
    drop(writer);
    for how in [Crash::Lose, Crash::Keep, Crash::Torn(3)] {
        let (writer, payloads) = recover(&disk.crashed(how)).unwrap();
        assert_eq!(payloads, script().concat());
        assert_eq!(writer.position(), end);
    }
}

#[test]
fn reading_can_begin_at_any_frame_and_follows_the_end() {
    let disk = SimDisk::default();
    let (mut writer, _) = recover(&disk).unwrap();
    let mut follower = Reader::new(Arc::new(disk.clone()), Position::start(ORIGIN));
    let (mut positions, mut starts) = (vec![follower.position()], Vec::new());
    for batch in script() {
        commit(&mut writer, &batch).unwrap();
        let limit = writer.position().seq;
        for payload in &batch {
            let (began, found) = follower.next(limit).unwrap().unwrap();
            assert_eq!(found, payload);
            starts.push(began);
            positions.push(follower.position());
        }
        assert_eq!(follower.next(limit).unwrap(), None);
    }
    let all = script().concat();
    drop(writer);
    for (n, position) in positions.iter().enumerate() {
        let (_, payloads) = recover_from(&disk.crashed(Crash::Lose), *position).unwrap();
        assert_eq!(payloads, all[n..]);
    }
    assert!(
        starts
            .iter()
            .zip(&positions)
            .any(|(start, before)| start.segment > before.segment)
    );
    for (start, payload) in starts.iter().zip(&all) {
        let found = sequenced(&disk, Position { seq: 0, ..*start }).unwrap().unwrap();
        assert_eq!(found, *start);
        let mut reader = Reader::new(Arc::new(disk.clone()), found);
        assert_eq!(reader.next(u64::MAX).unwrap().unwrap(), (found, &payload[..]));
    }
}

#[test]
fn a_reader_does_not_go_beyond_what_is_durable() {
    let disk = SimDisk::default();
    let (mut writer, _) = recover(&disk).unwrap();
    commit(&mut writer, &[payload(1, 40), payload(2, 40)]).unwrap();
    let mut reader = Reader::new(Arc::new(disk), Position::start(ORIGIN));
    assert!(reader.next(1).unwrap().is_some());
    assert_eq!(reader.next(1).unwrap(), None);
    assert_eq!(reader.next(2).unwrap().unwrap().1, payload(2, 40));
}

/// Runs the script on a failing disk as the committer would, and returns what was acknowledged and what was refused.
fn run(disk: &SimDisk) -> (Vec<Vec<u8>>, Vec<Vec<u8>>, bool) {
    let (mut acknowledged, mut refused) = (Vec::new(), Vec::new());
    let Ok((mut writer, _)) = recover(disk) else {
        return (acknowledged, refused, true);
    };
    for batch in script() {
        match commit(&mut writer, &batch) {
            Ok(()) => acknowledged.extend(batch),
            Err(Fault::Refused(_)) => refused.extend(batch),
            Err(Fault::Unsynced(_)) => return (acknowledged, refused, true),
        }
    }
    (acknowledged, refused, false)
}

#[test]
fn no_single_fault_loses_what_was_acknowledged_or_brings_back_what_was_refused() {
    let healthy = SimDisk::default();
    run(&healthy);
    let mut struck = 0;
    for step in healthy.steps() {
        for wrong in Wrong::ALL {
            let disk = SimDisk::default();
            disk.fail(step.clone(), wrong);
            let (acknowledged, refused, ended) = run(&disk);
            struck += usize::from(disk.struck());
            for how in [
                Crash::Lose,
                Crash::Keep,
                Crash::Torn(1),
                Crash::Torn(2),
                Crash::Torn(3),
            ] {
                let after = disk.crashed(how);
                let (_, found) =
                    recover(&after).unwrap_or_else(|error| panic!("{step:?} {wrong:?} {how:?}: {error}"));
                let context = format!("{step:?} {wrong:?} {how:?} ended {ended}");
                // What a batch that was neither acknowledged nor refused left may follow, in the order it was given.
                assert!(
                    found.starts_with(&acknowledged),
                    "{context}: acknowledged is lost"
                );
                let rest = &found[acknowledged.len()..];
                assert!(
                    ended || rest.is_empty() || wrong == Wrong::LostForGood,
                    "{context}: {} too many",
                    rest.len()
                );
                assert!(
                    script().concat().windows(rest.len().max(1)).any(|w| w == rest) || rest.is_empty(),
                    "{context}"
                );
                let back = rest.iter().filter(|payload| refused.contains(payload)).count();
                assert!(
                    back == 0 || wrong == Wrong::LostForGood,
                    "{context}: {back} refused came back"
                );
            }
        }
    }
    assert!(struck > 200, "only {struck} faults struck");
}

#[test]
fn a_full_disk_refuses_and_service_resumes_when_there_is_space() {
    let disk = SimDisk::default();
    let (mut writer, _) = recover(&disk).unwrap();
    commit(&mut writer, &[payload(0, 3000)]).unwrap();
    disk.set_full(true);
    for n in 0..3 {
        let refused = commit(&mut writer, &[payload(n, 3000)]);
        assert!(
            matches!(refused, Err(Fault::Refused(error)) if error.kind() == std::io::ErrorKind::StorageFull)
        );
    }
    disk.set_full(false);
    commit(&mut writer, &[payload(9, 3000)]).unwrap();
    drop(writer);
    let (_, found) = recover(&disk.crashed(Crash::Lose)).unwrap();
    assert_eq!(found, [payload(0, 3000), payload(9, 3000)]);
}

#[test]
fn after_a_failed_sync_recovery_writes_what_it_read_once_more() {
    let disk = SimDisk::default();
    let (mut writer, _) = recover(&disk).unwrap();
    commit(&mut writer, &[payload(1, 50)]).unwrap();
    // The writer made the segment and so knows it by its temporary name.
    let name = crate::disk::temporary(&path(0));
    let done = disk
        .steps()
        .into_iter()
        .filter(|step| step.0 == "sync" && step.1 == name)
        .count();
    disk.fail(("sync", name, done), Wrong::Lost);
    assert!(matches!(
        commit(&mut writer, &[payload(2, 50)]),
        Err(Fault::Unsynced(_))
    ));
    drop(writer);
    // The process ends and starts again; the machine does not, so its memory still has what the disk has not.
    let (writer, found) = recover(&disk).unwrap();
    assert_eq!(found, [payload(1, 50), payload(2, 50)]);
    drop(writer);
    let (_, found) = recover(&disk.crashed(Crash::Lose)).unwrap();
    assert_eq!(found.len(), 2, "recovered once, gone after the power went");
}

#[test]
fn damage_with_a_later_segment_behind_it_is_refused_and_not_cut_off() {
    let disk = SimDisk::default();
    run(&disk);
    disk.tamper(&path(0), |bytes| bytes[200] ^= 1);
    assert!(matches!(
        recover(&disk),
        Err(RecoverFault::Scan(ScanFault::Read(ReadFault::Damaged {
            segment: 0,
            ..
        })))
    ));
    let disk = SimDisk::default();
    run(&disk);
    disk.lose(&path(1));
    assert!(matches!(
        recover(&disk),
        Err(RecoverFault::Scan(ScanFault::Read(ReadFault::Damaged {
            segment: 0,
            ..
        })))
    ));
}

#[test]
fn a_log_of_another_origin_is_refused_and_left_alone() {
    let disk = SimDisk::default();
    let (mut writer, _) = recover(&disk).unwrap();
    commit(&mut writer, &[payload(1, 10)]).unwrap();
    drop(writer);
    let other = recover_from(&disk, Position::start("other.example.org/audit"));
    assert!(matches!(
        other,
        Err(RecoverFault::Scan(ScanFault::Read(ReadFault::Foreign {
            segment: 0
        })))
    ));
    assert_eq!(recover(&disk).unwrap().1, [payload(1, 10)]);
}

/// A log in one segment and where its frames end.
fn one_segment(lengths: &[usize]) -> (SimDisk, Vec<Vec<u8>>, Vec<u64>) {
    let disk = SimDisk::default();
    let (mut writer, _) = recover(&disk).unwrap();
    let (mut payloads, mut ends) = (Vec::new(), vec![HEADER_BYTES]);
    for (n, length) in lengths.iter().enumerate() {
        payloads.push(payload(n, *length));
        commit(&mut writer, &payloads[n..]).unwrap();
        ends.push(writer.position().offset);
    }
    (disk, payloads, ends)
}

#[test]
fn every_flipped_bit_yields_the_exact_prefix_before_it() {
    let (disk, payloads, ends) = one_segment(&[1, 30, 8, 100, 55]);
    let last = *ends.last().unwrap();
    for at in HEADER_BYTES..last {
        for bit in 0..8 {
            let copy = disk.crashed(Crash::Lose);
            copy.tamper(&path(0), |bytes| bytes[usize::try_from(at).unwrap()] ^= 1 << bit);
            let (_, found) = recover(&copy).unwrap();
            let whole = ends.iter().filter(|end| **end <= at).count() - 1;
            assert_eq!(found, payloads[..whole], "byte {at} bit {bit}");
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(4000))]

    #[test]
    fn a_tail_of_rubbish_yields_an_exact_prefix_and_a_log_that_goes_on(
        lengths in prop::collection::vec(1_usize..150, 1..12),
        cut in any::<prop::sample::Index>(),
        rubbish in prop::collection::vec(any::<u8>(), 0..200),
        stale in any::<bool>(),
    ) {
        let (disk, payloads, ends) = one_segment(&lengths);
        let last = usize::try_from(*ends.last().unwrap()).unwrap();
        let cut = 64 + cut.index(last - 64 + 1);
        disk.tamper(&path(0), |bytes| {
            let end = bytes.len();
            if stale {
                // A write that was lost in the middle: what follows it is whole.
                for (at, byte) in rubbish.iter().enumerate() {
                    if let Some(to) = bytes.get_mut(cut + at) {
                        *to = *byte;
                    }
                }
            } else {
                bytes[cut..].fill(0);
                let count = rubbish.len().min(end - cut);
                bytes[cut..cut + count].copy_from_slice(&rubbish[..count]);
            }
        });
        let (mut writer, found) = recover(&disk).unwrap();
        prop_assert!(payloads.starts_with(&found));
        let whole = ends.iter().filter(|end| **end <= cut as u64).count() - 1;
        prop_assert!(found.len() >= whole);
        if !stale && !rubbish.is_empty() {
            prop_assert!(found.len() <= whole + 1);
        }
        commit(&mut writer, &[payload(99, 77)]).unwrap();
        drop(writer);
        let (_, again) = recover(&disk.crashed(Crash::Lose)).unwrap();
        prop_assert_eq!(again.len(), found.len() + 1);
        prop_assert_eq!(again.last(), Some(&payload(99, 77)));
    }

    #[test]
    fn power_cuts_in_a_batch_yield_all_acknowledged_and_a_prefix_of_the_rest(
        seed in any::<u64>(),
        before in prop::collection::vec(1_usize..600, 0..6),
        during in prop::collection::vec(1_usize..600, 1..6),
    ) {
        let before: Vec<_> = before.into_iter().enumerate().map(|(n, length)| payload(n, length)).collect();
        let during: Vec<_> = during.into_iter().enumerate().map(|(n, length)| payload(50 + n, length)).collect();
        let written = SimDisk::default();
        let (mut other, _) = recover(&written).unwrap();
        for one in &before {
            commit(&mut other, std::slice::from_ref(one)).unwrap();
        }
        let at = other.position();
        commit(&mut other, &during).unwrap();
        let mut coin = Coin::new(seed);
        let now = other.position();
        drop(other);
        if at.segment == now.segment {
            // Each sector of the batch is there or not.
            written.tamper(&path(at.segment), |bytes| {
                let [from, to] = [at.offset, now.offset].map(|offset| usize::try_from(offset).unwrap());
                for sector in from / 512..=to / 512 {
                    if coin.toss() {
                        let (a, b) = ((sector * 512).max(from), ((sector + 1) * 512).min(to));
                        if a < b { bytes[a..b].fill(0); }
                    }
                }
            });
            let (_, found) = recover(&written).unwrap();
            prop_assert!(found.starts_with(&before));
            prop_assert!(during.starts_with(&found[before.len()..]));
        }
    }
}
