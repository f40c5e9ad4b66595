//! Whether the counting server can be reached: told by what became of the last calls, once for an outage.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use redis::RedisError;

use super::fleet::Fleet;

/// One for a process: every thread has its own connection, and an outage is one all the same.
#[derive(Clone, Debug, Default)]
pub(crate) struct Line(Arc<State>);

#[derive(Debug, Default)]
struct State {
    down: AtomicBool,
    outages: AtomicU64,
    fleet: Fleet,
}

impl Line {
    /// Whether the last call was answered; nobody called yet: it is taken to be up.
    pub(crate) fn is_up(&self) -> bool {
        !self.0.down.load(Ordering::Acquire)
    }

    /// How often it went down since the start.
    pub(crate) fn outages(&self) -> u64 {
        self.0.outages.load(Ordering::Relaxed)
    }

    /// Who counts together.
    pub(super) fn fleet(&self) -> &Fleet {
        &self.0.fleet
    }

    /// How many gateways counted together when the server was last asked; one, if it never was.
    pub(crate) fn gateways(&self) -> u64 {
        self.0.fleet.size()
    }

    /// A call was answered.
    pub(super) fn succeeded(&self) {
        if self.0.down.load(Ordering::Relaxed) && self.0.down.swap(false, Ordering::AcqRel) {
            tracing::info!(target: "aplomb::limits", "limits are counted together again");
        }
    }

    /// A call failed.
    pub(super) fn failed(&self, error: &RedisError) {
        if !self.0.down.swap(true, Ordering::AcqRel) {
            self.0.outages.fetch_add(1, Ordering::Relaxed);
            // Its kind only: the text of some names the server with its user.
            tracing::warn!(target: "aplomb::limits", kind = ?error.kind(), "limits can't be counted together");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_outage_is_one_however_many_calls_fail() {
        let (line, error) = (Line::default(), RedisError::from(std::io::Error::other("gone")));
        line.succeeded();
        for outages in 1..=2 {
            for _ in 0..1_000 {
                line.failed(&error);
            }
            assert_eq!((line.is_up(), line.outages()), (false, outages));
            line.succeeded();
            assert!(line.is_up());
        }
    }
}
