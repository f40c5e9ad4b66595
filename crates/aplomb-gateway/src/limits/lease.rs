//! Borrowed shares: one call to the counting server for many requests.
//!
//! A gateway borrows a small part of a limit for a short while and counts by itself; what is left when the time is
//! over is given back. The parts are small beside the limit, so that gateways which ask more often get more, and what
//! one holds unused is never more than a part of each limit.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use aplomb_core::Limit;
use aplomb_core::lane::Cost;
use tokio::time::Instant;

use super::entry::smallest_burst;
use crate::config::Tier;

/// How long a share is held.
const HELD: Duration = Duration::from_secs(1);

/// Which part of the smallest limit a share is: twenty gateways may hold one each.
const PART: u64 = 20;

/// The largest share; from there on a call per request is rare enough.
const MOST: u64 = 100;

/// More subjects than this don't borrow: each asks for each of its requests.
const SUBJECTS: usize = 50_000;

/// The shares of one process.
#[derive(Clone, Debug, Default)]
pub(crate) struct Leases(Arc<Mutex<HashMap<Box<str>, Lease>>>);

/// A share of one subject's limits.
#[derive(Clone, Debug)]
pub(super) struct Lease {
    /// Requests that are left.
    pub(super) requests: u64,
    /// Tokens that are left.
    pub(super) tokens: u64,
    /// How the limits stood when it was borrowed.
    pub(super) limits: Vec<Limit>,
    until: Instant,
}

impl Lease {
    pub(super) fn new(requests: u64, tokens: u64, limits: Vec<Limit>) -> Self {
        Self { requests, tokens, limits, until: Instant::now() + HELD }
    }

    /// What wasn't used of it.
    pub(super) fn rest(&self) -> (u64, Cost) {
        (self.requests, Cost { input: self.tokens, output: 0 })
    }
}

/// What a subject's share says about a request.
pub(super) enum Share {
    /// It is paid from it.
    Paid(Vec<Limit>),
    /// There is none, or too little is left: the rest of the old one is to be given back.
    Ask(Option<Lease>),
}

impl Leases {
    fn held(&self) -> MutexGuard<'_, HashMap<Box<str>, Lease>> {
        // What a panic left behind is numbers, each of them whole.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Pays a request from a subject's share.
    pub(super) fn pay(&self, name: &str, cost: Cost) -> Share {
        let tokens = cost.input.saturating_add(cost.output);
        let mut held = self.held();
        match held.get_mut(name) {
            Some(lease) if lease.until > Instant::now() && lease.requests >= 1 && lease.tokens >= tokens => {
                lease.requests -= 1;
                lease.tokens -= tokens;
                Share::Paid(lease.limits.clone())
            }
            _ => Share::Ask(held.remove(name)),
        }
    }

    /// Keeps a share; another one that came meanwhile is given back by the caller.
    pub(super) fn keep(&self, name: &str, lease: Lease) -> Option<Lease> {
        let mut held = self.held();
        if held.len() >= SUBJECTS {
            let now = Instant::now();
            // What is over by now is lost to nobody: limits refill.
            held.retain(|_, lease| lease.until > now);
        }
        if held.len() >= SUBJECTS {
            return Some(lease);
        }
        held.insert(name.into(), lease)
    }
}

/// How many requests a share of this tier is for; one: it doesn't pay to borrow.
pub(super) fn share(tier: &Tier) -> u64 {
    // What is under way at once is nothing that can be borrowed.
    if tier.concurrency.is_some() {
        return 1;
    }
    (smallest_burst(tier) / PART).clamp(1, MOST)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tier(requests: &str) -> Tier {
        Tier { requests: vec![requests.parse().unwrap()], ..Tier::named("t") }
    }

    #[test]
    fn a_share_is_a_small_part_of_the_smallest_limit() {
        assert_eq!(share(&tier("10/s")), 1);
        assert_eq!(share(&tier("600/min")), 30);
        assert_eq!(share(&Tier { daily: Some(100), ..tier("600/min") }), 5);
        assert_eq!(share(&tier("1000000/s")), MOST);
        assert_eq!(share(&Tier { concurrency: Some(4), ..tier("600/min") }), 1);
    }

    #[test]
    fn a_share_pays_until_it_is_used_up() {
        let leases = Leases::default();
        let cost = Cost { input: 10, output: 0 };
        assert!(matches!(leases.pay("a", cost), Share::Ask(None)));
        assert!(leases.keep("a", Lease::new(2, 25, Vec::new())).is_none());
        assert!(matches!(leases.pay("a", cost), Share::Paid(_)));
        assert!(matches!(leases.pay("a", cost), Share::Paid(_)));
        let Share::Ask(Some(rest)) = leases.pay("a", cost) else { panic!("it is used up") };
        assert_eq!(rest.rest(), (0, Cost { input: 5, output: 0 }));
    }
}
