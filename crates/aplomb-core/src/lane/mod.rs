//! What a lane decides: whether a request may be sent to its upstream now, and how much may be asked of it.
//!
//! Each decision is a small machine of its own: what happened and `now` go in, an answer comes out.
//! `now` is the time since any fixed moment; where it should go back, nothing breaks.
//! Chance is an argument too, a number from `[0, 1)`.
//! All of them have a fixed size and cost the same however much they have seen.

mod cost;
pub use cost::{Cost, Unit};

mod bucket;
pub use bucket::Bucket;

mod pacer;
pub use pacer::{LimitState, Pacer, Quota, Ready, Taken};

mod together;

mod told;

mod probe;
pub use probe::Probe;

mod class;

mod queue;
pub use queue::{BATCH_SHARE, Entry, Priority, Queue};

mod budget;
pub use budget::Budget;

mod throttle;
pub use throttle::Throttle;

mod breaker;
pub use breaker::{Admit, Breaker, State};

mod concurrency;
pub use concurrency::Adaptive;

mod hedge;
pub use hedge::Hedge;

mod choice;
pub use choice::{Candidate, choose, rest_until};

mod call;
pub use call::{Asked, Call, Heard, Pass, Polled, Refusal, Settings};

mod pause;

mod state;
pub use state::{Counts, LaneState, Trouble};

mod whole;
pub use whole::Lane;

#[cfg(test)]
mod breaker_tests;

#[cfg(test)]
mod outage_tests;

#[cfg(test)]
mod concurrency_tests;

#[cfg(test)]
mod governor_tests;

#[cfg(test)]
mod lane_tests;

#[cfg(test)]
mod world;

#[cfg(test)]
mod world_tests;
