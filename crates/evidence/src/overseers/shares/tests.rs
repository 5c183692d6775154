//! Tests of shares: the field, any number of shares, files.

use proptest::prelude::*;

use super::*;

fn shares(secret: [u8; 32], threshold: u8, count: u8, random: &[[u8; 32]]) -> Vec<Share> {
    let random: Vec<_> = random.iter().copied().map(Zeroizing::new).collect();
    let values = split(&secret, threshold, count, &random).unwrap();
    let share = |(number, value)| Share {
        custodian: "records.example.org".parse().unwrap(),
        overseers: "court".parse().unwrap(),
        key: Hash([9; 32]),
        threshold,
        holder: format!("holder-{number}").parse().unwrap(),
        number,
        value,
    };
    (1..).zip(values).map(share).collect()
}

#[test]
fn the_field_is_that_of_aes() {
    // FIPS 197, sections 4.2 and 4.2.1; and its S-box's inverse of 0x53.
    assert_eq!(times(0x57, 0x83), 0xc1);
    assert_eq!(times(0x57, 0x13), 0xfe);
    assert_eq!(inverse(0x53), 0xca);
    for a in 1..=255 {
        assert_eq!(times(a, inverse(a)), 1, "{a}");
        assert_eq!(times(a, 1), a);
        for b in 0..=255 {
            assert_eq!(times(a, b), times(b, a));
            assert_eq!(times(a, b ^ 0x35), times(a, b) ^ times(a, 0x35));
        }
    }
    assert_eq!(inverse(0), 0);
}

#[test]
fn two_of_three_by_hand() {
    // One byte: 0x42 at 0, slope 0x01: 0x43, 0x40, 0x41.
    let all = shares([0x42; 32], 2, 3, &[[0x01; 32]]);
    let values: Vec<u8> = all.iter().map(|share| share.value[0]).collect();
    assert_eq!(values, [0x43, 0x40, 0x41]);
}

proptest! {
    #[test]
    fn as_many_as_are_needed_open_in_any_order_and_fewer_do_not(
        secret in any::<[u8; 32]>(),
        random in prop::collection::vec(any::<[u8; 32]>(), 1..6),
        more in 0_u8..6,
        order in any::<prop::sample::Index>(),
    ) {
        let threshold = u8::try_from(random.len()).unwrap() + 1;
        let mut all = shares(secret, threshold, threshold + more, &random);
        let turn = order.index(all.len());
        all.rotate_left(turn);
        for given in usize::from(threshold)..=all.len() {
            prop_assert_eq!(*combine(&all[..given]).unwrap(), secret);
        }
        let few = usize::from(threshold) - 1;
        prop_assert_eq!(
            combine(&all[..few]).unwrap_err(),
            SharesError::TooFew { given: few, threshold },
        );
    }

    /// Whatever the secret is, some coefficients give exactly the shares that fewer people have: they can rule out nothing.
    #[test]
    fn fewer_than_are_needed_fit_every_secret(secret in any::<[u8; 32]>(), other in any::<[u8; 32]>(), slope in any::<[u8; 32]>(), number in 1_u8..=3) {
        let one = &shares(secret, 2, 3, &[slope])[usize::from(number) - 1];
        let mut fitting = [0; 32];
        for (at, to) in fitting.iter_mut().enumerate() {
            *to = times(one.value[at] ^ other[at], inverse(number));
        }
        let same = &shares(other, 2, 3, &[fitting])[usize::from(number) - 1];
        prop_assert_eq!(&one.value, &same.value);
    }

    #[test]
    fn what_is_read_is_written_the_same(text in "\\PC{0,60}", at in any::<prop::sample::Index>()) {
        let whole = shares([7; 32], 2, 2, &[[3; 32]])[0].text();
        let mut lines: Vec<&str> = whole.split_inclusive('\n').collect();
        lines[at.index(8)] = &text;
        let changed = lines.concat();
        if let Ok(share) = Share::parse(&changed) {
            let again = share.text();
            prop_assert_eq!(again.as_str(), changed);
        }
    }
}

#[test]
fn a_share_is_a_file_that_gives_it_back() {
    let all = shares([7; 32], 2, 3, &[[3; 32]]);
    for share in &all {
        assert_eq!(Share::parse(&share.text()).unwrap(), *share);
    }
    let text = all[0].text();
    for wrong in [
        "",
        "x",
        text.get(..text.len() - 1).unwrap(),
        &text.replace("number 1", "number 01"),
        &text.replace("threshold 2", "threshold 1"),
    ] {
        assert!(Share::parse(wrong).is_err(), "{wrong}");
    }
}

#[test]
fn numbers_that_do_not_fit_and_shares_that_do_not_belong_together_are_refused() {
    let zero = || Zeroizing::new([0; 32]);
    for (threshold, count, random) in [(1, 3, 0), (0, 3, 0), (4, 3, 3), (2, 3, 2), (2, MAX_SHARES + 1, 1)] {
        let random = vec![zero(); random];
        assert!(
            split(&[1; 32], threshold, count, &random).is_err(),
            "{threshold} of {count}"
        );
    }
    let mine = shares([1; 32], 2, 3, &[[5; 32]]);
    assert!(matches!(combine(&[]), Err(SharesError::TooFew { .. })));
    assert_eq!(
        combine(&[mine[1].clone(), mine[1].clone()]),
        Err(SharesError::Twice(2))
    );
    let mut other = mine[2].clone();
    other.key = Hash([1; 32]);
    assert!(matches!(
        combine(&[mine[0].clone(), other]),
        Err(SharesError::Mixed(_))
    ));
}
