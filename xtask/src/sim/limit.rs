//! A provider's limit, as providers count.

use std::time::Duration;

use aplomb_core::Limit as Told;
use aplomb_core::lane::{Cost, Unit};

/// How a limit counts.
#[derive(Clone, Debug)]
pub(super) enum Counting {
    /// A bucket that refills steadily.
    Bucket { rate: f64, burst: f64 },
    /// So much in a window; the first one ends at `ends`.
    Window { count: f64, seconds: f64, ends: f64 },
}

/// One limit of a provider.
#[derive(Clone, Debug)]
pub(super) struct Limit {
    unit: Unit,
    counting: Counting,
    level: f64,
    at: f64,
    /// From when on the bucket refills how many times as fast: others take their share, or it starts slowly.
    schedule: Vec<(f64, f64)>,
}

impl Limit {
    pub(super) fn bucket(unit: Unit, rate: f64, burst: f64) -> Self {
        Self { unit, counting: Counting::Bucket { rate, burst }, level: burst, at: 0.0, schedule: Vec::new() }
    }

    pub(super) fn window(unit: Unit, count: f64, seconds: f64) -> Self {
        Self::window_until(unit, count, seconds, seconds)
    }

    pub(super) fn window_until(unit: Unit, count: f64, seconds: f64, ends: f64) -> Self {
        let counting = Counting::Window { count, seconds, ends };
        Self { unit, counting, level: count, at: 0.0, schedule: Vec::new() }
    }

    /// The same, refilling at other times at other speeds.
    pub(super) fn with(self, schedule: Vec<(f64, f64)>) -> Self {
        Self { schedule, ..self }
    }

    /// How long until it has enough for this call; nothing if it has.
    pub(super) fn wait(&mut self, now: f64, cost: Cost) -> f64 {
        let amount = cost.of(self.unit);
        let factor = self.refill(now);
        match self.counting {
            _ if self.level >= amount => 0.0,
            Counting::Bucket { rate, burst } => {
                ((amount.min(burst) - self.level) / (rate * factor)).max(0.001)
            }
            Counting::Window { ends, .. } => ends - now,
        }
    }

    pub(super) fn take(&mut self, cost: Cost) {
        self.level -= cost.of(self.unit);
    }

    /// What headers would say of it.
    pub(super) fn told(&self, now: f64) -> Told {
        let mut told = Told::new(self.unit.as_str());
        let (most, reset) = match self.counting {
            Counting::Bucket { rate, burst } => (burst, (burst - self.level) / rate),
            Counting::Window { count, ends, .. } => (count, ends - now),
        };
        told.limit = Some(most as u64);
        told.remaining = Some(self.level.max(0.0) as u64);
        told.reset = Some(Duration::from_secs_f64((reset.max(0.0) * 1_000.0).ceil() / 1_000.0));
        told
    }

    /// Brings the level up to now; gives the factor of this moment.
    fn refill(&mut self, now: f64) -> f64 {
        let factor =
            self.schedule.iter().rev().find(|(from, _)| now >= *from).map_or(1.0, |(_, factor)| *factor);
        match &mut self.counting {
            Counting::Bucket { rate, burst } => {
                self.level = (self.level + (now - self.at) * *rate * factor).min(*burst);
            }
            Counting::Window { count, seconds, ends } => {
                while now >= *ends {
                    *ends += *seconds;
                    self.level = *count;
                }
            }
        }
        self.at = now;
        factor
    }
}
