//! Who calls a provider: callers on their own, as an SDK or a loop around one does it, or a gateway with a lane.

use std::collections::BTreeMap;
use std::time::Duration;

use aplomb_core::lane::{Heard, Lane, Settings};

use super::random::Random;

/// How a client deals with failures.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Policy {
    /// Tries once.
    Once,
    /// The official SDKs of AI providers: two retries after min(8 s, 0.5 s · 2ⁿ) · U(0.75, 1), or after the hint up to 60 s.
    Sdk,
    /// Three attempts with the same delays, hints unheard, as many frameworks do it.
    Thrice,
    /// Never gives up: U(0, min(20 s, 0.5 s · 2ⁿ)).
    Backoff,
    /// The lane of this project.
    Aplomb,
}

impl Policy {
    /// When to try again after so many attempts; never, if it gives up.
    pub(super) fn delay(self, sends: u32, heard: Heard, random: &mut Random) -> Option<f64> {
        let n = i32::try_from(sends.min(20)).unwrap_or(20) - 1;
        let sdk = (0.5 * 2f64.powi(n)).min(8.0) * (0.75 + 0.25 * random.next());
        match self {
            Self::Sdk if sends <= 2 => Some(hint(heard).filter(|hint| *hint <= 60.0).unwrap_or(sdk)),
            Self::Thrice if sends <= 2 => Some(sdk),
            Self::Backoff => Some(random.next() * (0.5 * 2f64.powi(n)).min(20.0)),
            Self::Once | Self::Sdk | Self::Thrice | Self::Aplomb => None,
        }
    }
}

fn hint(heard: Heard) -> Option<f64> {
    match heard {
        Heard::Limited { hint } | Heard::Overloaded { hint } | Heard::Failed { hint } => {
            hint.map(|hint| hint.as_secs_f64())
        }
        Heard::Answer => None,
    }
}

/// A gateway: one lane, and the calls that wait in it.
#[derive(Debug)]
pub(super) struct Gateway {
    pub(super) lane: Lane,
    /// The job of each waiting number.
    pub(super) waiting: BTreeMap<u64, usize>,
    /// When it is looked at next, if that is planned.
    pub(super) wake: Option<Duration>,
}

impl Gateway {
    /// One that has seen nothing and knows no limit.
    pub(super) fn new() -> Self {
        let settings = Settings { quotas: Vec::new(), size: 20_000 };
        Self { lane: Lane::new(settings, Duration::ZERO), waiting: BTreeMap::new(), wake: None }
    }
}
