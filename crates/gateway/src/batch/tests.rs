//! What has been handed over is never counted less than it is, and slices end where messages end.

use bytes::Bytes;
use proptest::prelude::*;

use wire::backend::Status;

use super::{Batch, Handed, Outbox, Released};
use crate::limits::SLICE_BYTES;

/// A batch of rows of the given lengths, in chunks of `chunk` bytes or a little more.
fn batch(rows: &[usize], chunk: usize) -> Batch {
    let mut batch = Batch::default();
    let mut ahead = 0;
    for row in rows {
        batch.count_row();
        batch.count_row_bytes(*row);
        ahead += row;
        batch.mark(ahead);
        if ahead >= chunk {
            batch.push(Bytes::from(vec![b'D'; ahead]));
            ahead = 0;
        }
    }
    batch.push(Bytes::from(vec![b'D'; ahead]));
    batch
}

#[test]
fn a_whole_batch_is_counted_exactly() {
    let mut outbox = Outbox::default();
    outbox.push(Released::test(batch(&[100, 200, 300], usize::MAX)));
    assert_eq!(outbox.slice().len(), 600);
    outbox.took(600);
    assert_eq!(outbox.handed(), Handed { rows: 3, bytes: 600 });
    assert!(outbox.is_empty() && !outbox.inside());
}

#[test]
fn a_message_in_part_is_inside_and_counts() {
    let mut outbox = Outbox::default();
    outbox.push(Released::test(batch(&[100], usize::MAX)));
    outbox.took(1);
    assert!(outbox.inside());
    assert_eq!(outbox.handed(), Handed { rows: 1, bytes: 100 });
    outbox.took(99);
    assert!(!outbox.inside());
    assert_eq!(outbox.handed().rows, 1);
}

#[test]
fn a_slice_is_cut_at_the_last_boundary_that_fits() {
    let mut outbox = Outbox::default();
    outbox.push(Released::test(batch(&[SLICE_BYTES - 10, 9, 9, 50], usize::MAX)));
    assert_eq!(outbox.slice().len(), SLICE_BYTES - 1);
    outbox.took(SLICE_BYTES - 1);
    assert!(!outbox.inside());
    assert_eq!(outbox.handed().rows, 2);
    assert_eq!(outbox.slice().len(), 59);
}

proptest! {
    #[test]
    fn never_less_than_what_went_out(
        rows in prop::collection::vec(5usize..40_000, 1..60),
        chunk in 1usize..100_000,
        steps in prop::collection::vec(1usize..30_000, 1..400),
    ) {
        let mut outbox = Outbox::default();
        outbox.push(Released::test(batch(&rows, chunk)));
        let longest = *rows.iter().max().unwrap();
        let mut sent = 0usize;
        for step in steps {
            let step = step.min(outbox.slice().len());
            if step == 0 { break; }
            prop_assert!(outbox.slice().len() <= SLICE_BYTES.max(longest));
            outbox.took(step);
            sent += step;
            let mut end = 0;
            let begun = rows.iter().take_while(|row| { let begins = end < sent; end += **row; begins }).count();
            prop_assert!(outbox.handed().rows >= begun as u64);
            prop_assert!(outbox.handed().bytes >= sent as u64);
            prop_assert!(outbox.handed().rows <= rows.len() as u64);
        }
        if outbox.is_empty() {
            prop_assert_eq!(outbox.handed().rows, rows.len() as u64);
            prop_assert_eq!(outbox.handed().bytes, rows.iter().sum::<usize>() as u64);
        }
    }
}

/// All that an outbox hands over, slice by slice.
fn drained(outbox: &mut Outbox) -> Vec<u8> {
    let mut all = Vec::new();
    while !outbox.is_empty() {
        let slice = outbox.slice().to_vec();
        outbox.took(slice.len());
        all.extend(slice);
    }
    all
}

proptest! {
    /// What is said before the `ReadyForQuery` at the end stands there whole, whatever the chunks are, and nothing else changes.
    #[test]
    fn what_is_said_before_ready_stands_between_the_last_row_and_it(
        rows in prop::collection::vec(5usize..40_000, 0..8),
        chunk in 1usize..100_000,
        parts in 0usize..7,
        length in 1usize..5_000,
    ) {
        let mut made = batch(&rows, chunk);
        // The message comes in up to two chunks.
        let ready = Bytes::from_static(b"Z\0\0\0\x05I");
        made.mark(ready.len());
        made.ready_for_query(Status::Idle, ready.len());
        made.push(ready.slice(..parts.min(6)));
        made.push(ready.slice(parts.min(6)..));
        let released = Released::test(made);
        prop_assert!(released.ends_ready());
        let released = released.before_ready(Bytes::from(vec![b'N'; length]));
        let total: usize = rows.iter().sum();
        let wanted = [vec![b'D'; total], vec![b'N'; length], ready.to_vec()].concat();
        let mut outbox = Outbox::default();
        outbox.push(released);
        // The notice is a message of its own, and the rows are counted by the time it begins.
        let mut sent = 0;
        while sent < total + length {
            let step = outbox.slice().len();
            prop_assert!(step > 0);
            outbox.took(step);
            sent += step;
            if sent == total || sent == total + length {
                prop_assert!(!outbox.inside());
            } else if !on_a_row(&rows, sent) {
                prop_assert!(outbox.inside());
            }
        }
        prop_assert_eq!(sent, total + length);
        prop_assert_eq!(outbox.handed(), Handed { rows: rows.len() as u64, bytes: total as u64 });
        prop_assert_eq!(outbox.slice(), &ready[..outbox.slice().len()]);
        prop_assert_eq!(drained(&mut outbox), ready.to_vec());
        let mut again = Outbox::default();
        let mut made = batch(&rows, chunk);
        made.mark(6);
        made.ready_for_query(Status::Idle, 6);
        made.push(ready.clone());
        let released = Released::test(made).before_ready(Bytes::from(vec![b'N'; length]));
        // An error in the place of all of it leaves the `ReadyForQuery` alone.
        again.push(released.since_ready().unwrap());
        prop_assert_eq!(drained(&mut again), ready.to_vec());
        prop_assert_eq!(wanted.len(), total + length + 6);
    }
}

fn on_a_row(rows: &[usize], sent: usize) -> bool {
    let mut end = 0;
    rows.iter().any(|row| {
        end += row;
        end == sent
    })
}

#[test]
fn what_does_not_end_ready_is_left_as_it_is() {
    let released = Released::test(batch(&[100], 10));
    assert!(!released.ends_ready());
    let mut outbox = Outbox::default();
    outbox.push(released.before_ready(Bytes::from_static(b"N")));
    assert_eq!(drained(&mut outbox), vec![b'D'; 100]);
}
