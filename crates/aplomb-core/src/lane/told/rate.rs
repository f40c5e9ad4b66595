//! A rate that is known from below and from above, and what several answers agree on.

/// A rate as far as it is known: what is left is told in whole numbers, rounded down.
#[derive(Clone, Copy, Debug)]
pub(super) struct Rate {
    pub(super) least: f64,
    pub(super) most: f64,
}

/// What clocks and the way through the network add to a rate, as a share of it.
const ALIKE: f64 = 0.1;

/// Rates that answers agree on.
#[derive(Clone, Copy, Debug)]
pub(super) struct Agreed {
    pub(super) rate: Rate,
    pub(super) least: f64,
    pub(super) most: f64,
}

impl Agreed {
    pub(super) fn on(rate: Rate, spent: f64) -> Self {
        Self { rate, least: spent, most: spent }
    }

    pub(super) fn with(self, rate: Rate, spent: f64) -> Self {
        let (least, most) = (self.rate.least.max(rate.least), self.rate.most.min(rate.most));
        let rate = if least <= most { Rate { least, most } } else { Rate { least: most, most: least } };
        Self { rate, least: self.least.min(spent), most: self.most.max(spent) }
    }
}

impl Rate {
    pub(super) fn is_narrow(self) -> bool {
        self.most <= 1.5 * self.least
    }

    pub(super) fn middle(self) -> f64 {
        (self.least + self.most) / 2.0
    }

    pub(super) fn fits(self, rate: f64) -> bool {
        rate >= self.least * (1.0 - ALIKE) && rate <= self.most * (1.0 + ALIKE)
    }

    pub(super) fn meets(self, other: Self) -> bool {
        self.least <= other.most * (1.0 + ALIKE) && other.least <= self.most * (1.0 + ALIKE)
    }
}
