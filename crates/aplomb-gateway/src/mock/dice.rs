//! Chance with a seed: the same request at the same attempt always meets the same fate.

use std::hash::{DefaultHasher, Hash, Hasher};

/// A number in `0.0..1.0` that depends on its arguments alone.
pub(super) fn draw(seed: u64, what: impl Hash) -> f64 {
    let mut hasher = DefaultHasher::new();
    what.hash(&mut hasher);
    (mix(seed ^ mix(hasher.finish())) >> 11) as f64 / (1_u64 << 53) as f64
}

/// The finishing step of SplitMix64.
fn mix(value: u64) -> u64 {
    let mut z = value.wrapping_add(0x9e37_79b9_7f4a_7c15);
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn draws_repeat_with_the_seed_and_spread_evenly() {
        assert_eq!(draw(1, ("a", 1)).to_bits(), draw(1, ("a", 1)).to_bits());
        assert_ne!(draw(1, ("a", 1)).to_bits(), draw(2, ("a", 1)).to_bits());
        let low = (0..10_000).filter(|n| draw(7, n) < 0.05).count();
        assert!((400..600).contains(&low), "{low}");
    }
}
