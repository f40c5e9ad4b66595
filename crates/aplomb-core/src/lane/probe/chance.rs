//! Whether a refusal says anything about a limit.
//!
//! Some upstreams refuse a few calls in a hundred whatever comes, for want of machines or for somebody else's sake.
//! Who slows down for each of them ends at a fraction of what it would be given: of two in a hundred at a seventh of it.
//! So a few are taken for chance, as BBR takes up to 2 % of lost packets (draft-ietf-ccwg-bbr, `BBR.LossThresh`).
//! A limit that is passed refuses more than a few soon enough.

/// Over about so many calls refusals are counted.
const MEMORY: f64 = 256.0;

/// This part of them may be chance, and one more: few calls say little.
const SHARE: f64 = 0.03;

/// Three of so many in a row are no chance either: at 2 % it would be so with one refusal in four hundred.
const ROW: u64 = 5;

/// What became of the last calls.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Chance {
    calls: f64,
    refused: f64,
    /// The numbers of the last two that were refused, the later one first.
    last: [u64; 2],
}

impl Chance {
    /// A call was let through.
    pub(super) fn accepted(&mut self) {
        self.count(0.0);
    }

    /// The call of this number was refused. Whether that may be chance.
    pub(super) fn refused(&mut self, call: u64) -> bool {
        self.count(1.0);
        let [later, earlier] = self.last;
        // No call has the number 0.
        let in_a_row = earlier > 0 && call.abs_diff(earlier) < ROW;
        self.last = [call, later];
        !in_a_row && self.refused <= 1.0 + SHARE * self.calls
    }

    fn count(&mut self, refused: f64) {
        let kept = 1.0 - 1.0 / MEMORY;
        (self.calls, self.refused) = (self.calls * kept + 1.0, self.refused * kept + refused);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_in_a_hundred_may_be_chance() {
        let mut chance = Chance::default();
        for hundred in 1..100 {
            (0..49).for_each(|_| chance.accepted());
            assert!(chance.refused(50 * hundred));
        }
    }

    #[test]
    fn many_at_once_are_none_of_chances() {
        let mut chance = Chance::default();
        (0..1_000).for_each(|_| chance.accepted());
        let refused: Vec<bool> = (1_001..1_011).map(|call| chance.refused(call)).collect();
        assert!(refused[0] && refused[1] && !refused[2], "{refused:?}");
        let refused: Vec<bool> = (0..10).map(|call| chance.refused(2_000 + call * 10)).collect();
        assert!(!refused[9], "{refused:?}");
    }

    #[test]
    fn of_the_first_calls_one_may_be() {
        let mut chance = Chance::default();
        assert!(chance.refused(1));
        assert!(!chance.refused(20));
    }
}
