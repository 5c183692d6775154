//! A small generator of pseudo-random numbers: the same seed gives the same people on every machine and in every version.

/// `SplitMix64` (Steele, Lea, Flood: "Fast splittable pseudorandom number generators", 2014). Not for secrets.
#[derive(Debug, Clone)]
pub struct SplitMix(u64);

impl SplitMix {
    /// From a seed.
    #[must_use]
    pub fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// 64 bits.
    pub fn draw(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// A number below `bound`, which must not be 0 (0 is answered by 0). The bias is below `bound` / 2^64.
    pub fn below(&mut self, bound: u32) -> u32 {
        let product = u128::from(self.draw()) * u128::from(bound);
        u32::try_from(product >> 64).unwrap_or(0)
    }

    /// One of `choices` by weight.
    pub fn weighted<T: Copy>(&mut self, choices: &[(T, u32)], otherwise: T) -> T {
        let total = choices.iter().map(|(_, weight)| weight).sum();
        let mut left = self.below(total);
        for (choice, weight) in choices {
            if left < *weight {
                return *choice;
            }
            left -= weight;
        }
        otherwise
    }

    /// One of `choices`, each as likely.
    pub fn one_of<'a>(&mut self, choices: &[&'a str]) -> &'a str {
        let count = u32::try_from(choices.len()).unwrap_or(u32::MAX);
        usize::try_from(self.below(count))
            .ok()
            .and_then(|at| choices.get(at))
            .copied()
            .unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_published_sequence_of_seed_zero() {
        let mut random = SplitMix::new(0);
        assert_eq!(
            [random.draw(), random.draw()],
            [0xe220_a839_7b1d_cdaf, 0x6e78_9e6a_a1b9_65f4]
        );
    }

    #[test]
    fn weights_are_kept() {
        let mut random = SplitMix::new(1);
        let hits = (0..10_000)
            .filter(|_| random.weighted(&[(true, 1), (false, 9)], false))
            .count();
        assert!((800..1_200).contains(&hits), "{hits}");
    }
}
