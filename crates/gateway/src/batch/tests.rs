//! What has been handed over is never counted less than it is, and slices end where messages end.

use bytes::Bytes;
use proptest::prelude::*;

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
