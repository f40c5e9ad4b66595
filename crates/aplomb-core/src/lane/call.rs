//! What passes between a lane and whoever drives it: calls that ask, what they are told, and what was heard of them.

use std::time::Duration;

use super::Cost;
use super::pacer::{Quota, Taken};
use super::queue::{Entry, Priority};

/// What a lane is told once.
#[derive(Clone, Debug, PartialEq)]
pub struct Settings {
    /// Limits of this lane alone.
    pub quotas: Vec<Quota>,
    /// Calls under way at once in this lane.
    pub concurrency: Option<u32>,
    /// How many calls may wait.
    pub size: usize,
}

/// A call that wants to start.
#[derive(Clone, Copy, Debug)]
pub struct Call {
    /// Its place in the order of arrival, if it was here before.
    pub number: Option<u64>,
    /// Whose it is.
    pub caller: u64,
    /// Its class.
    pub priority: Priority,
    /// What it will take, as far as can be said.
    pub cost: Cost,
    /// When it is too late to start.
    pub deadline: Duration,
    /// How often it was sent to this upstream already.
    pub sends: u32,
    /// It can't be sent once more after this.
    pub last: bool,
}

/// What a call is told.
#[derive(Clone, Debug)]
pub enum Asked {
    /// It starts now.
    Go(Pass),
    /// It waits for its turn: the driver will hear of it by [`Lane::poll`](super::Lane::poll).
    Wait(Entry),
    /// It can't start in time.
    Refuse(Refusal),
}

/// Why a call isn't even queued.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// The queue is full, rather than the wait too long.
    pub full: bool,
    /// How long until a call like it could start, as far as is known.
    pub wait: Duration,
}

/// What the driver is told.
#[derive(Clone, Debug)]
#[expect(clippy::large_enum_variant, reason = "it is taken apart where it is given")]
pub enum Polled {
    /// This one starts now.
    Go(Entry, Pass),
    /// This one's time is over.
    Expired(Entry),
    /// Nothing before this moment.
    Later(Duration),
    /// Nothing before one of those under way ends.
    Full,
    /// Nobody waits.
    Idle,
}

/// A call under way. It must be given back by [`Lane::end`](super::Lane::end).
#[derive(Clone, Debug)]
pub struct Pass {
    /// Its place in the order of arrival.
    pub number: u64,
    /// When it started.
    pub began: Duration,
    /// What it reserved.
    pub cost: Cost,
    pub(super) call: u64,
    pub(super) taken: Taken,
    pub(super) shared: Option<Taken>,
    /// It tries whether a broken lane works again.
    pub trial: bool,
    /// When its answer began; absent: when it was heard of.
    pub first_byte: Option<Duration>,
    pub(super) retry: Option<Retried>,
    pub(super) heard: Option<Heard>,
    /// It was refused by chance, as it seems: the lane goes on, and who repeats it keeps away by itself.
    pub by_chance: bool,
}

/// A retry that the budget paid for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Retried {
    pub(super) throttled: bool,
}

/// What came of a call, as far as a lane cares.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Heard {
    /// An answer, also one that says that the request is wrong: the upstream works.
    Answer,
    /// Refused, because there were too many (429).
    Limited {
        /// How long to wait.
        hint: Option<Duration>,
    },
    /// Refused, because the upstream has too much to do (529, 503).
    Overloaded {
        /// How long to wait.
        hint: Option<Duration>,
    },
    /// A hard failure: no connection, a reset, silence, a 5xx.
    Failed {
        /// How long to wait.
        hint: Option<Duration>,
    },
}

impl Pass {
    /// Marks it as a retry that the budget paid for.
    pub fn retried(&mut self, throttled: bool) {
        self.retry = Some(Retried { throttled });
    }
}
