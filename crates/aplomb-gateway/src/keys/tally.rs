//! What is counted of callers: how often each was answered, by its public id, and why others weren't let in.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use super::refusal::{Reason, Refused};
use crate::caller::Caller;

/// The most keys that are counted by their id; further ones are counted together, so that no page of metrics grows
/// with the number of customers.
const MOST: usize = 1_000;

/// What stands in place of an id that isn't there or isn't told.
const OTHER: &str = "-";

/// An account's id and a key's.
type Who = (Arc<str>, Arc<str>);

/// What is counted.
#[derive(Debug, Default)]
pub(crate) struct Tally {
    callers: Mutex<HashMap<Who, u64>>,
    refused: [AtomicU64; Reason::NAMES.len()],
}

impl Tally {
    /// A request of this caller is over.
    pub(crate) fn count(&self, caller: &Caller) {
        let Some(account) = caller.account.clone() else { return };
        let other: Arc<str> = OTHER.into();
        let mut callers = self.callers.lock().unwrap_or_else(PoisonError::into_inner);
        let key = caller.key.clone().unwrap_or_else(|| Arc::clone(&other));
        let mut who = (account, key);
        if callers.len() >= MOST && !callers.contains_key(&who) {
            who = (Arc::clone(&other), other);
        }
        *callers.entry(who).or_default() += 1;
    }

    /// Somebody wasn't let in.
    pub(crate) fn refuse(&self, refused: &Refused) {
        self.refused[refused.reason().0].fetch_add(1, Ordering::Relaxed);
    }

    /// Requests by account and key.
    pub(crate) fn callers(&self) -> Vec<([String; 2], u64)> {
        let callers = self.callers.lock().unwrap_or_else(PoisonError::into_inner);
        let mut rows: Vec<_> = callers
            .iter()
            .map(|((account, key), count)| ([account.to_string(), key.to_string()], *count))
            .collect();
        rows.sort();
        rows
    }

    /// Refusals by their reason; those that happened.
    pub(crate) fn refusals(&self) -> impl Iterator<Item = (&'static str, u64)> {
        let counts = self.refused.iter().map(|count| count.load(Ordering::Relaxed));
        Reason::NAMES.into_iter().zip(counts).filter(|(_, count)| *count > 0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_thousand_and_first_is_counted_with_the_rest() {
        let tally = Tally::default();
        for one in 0..2_000 {
            let (account, key) = (Some("acc_1".into()), Some(format!("key{one}").into()));
            tally.count(&Caller { account, key, ..Caller::default() });
        }
        let rows = tally.callers();
        assert_eq!((rows.len(), rows[0].clone()), (MOST + 1, (["-".to_owned(), "-".to_owned()], 1_000)));
        tally.count(&Caller::default());
        assert_eq!(tally.callers().len(), MOST + 1, "who isn't known isn't counted");
        tally.refuse(&Refused::Expired);
        assert_eq!(tally.refusals().collect::<Vec<_>>(), [("expired", 1)]);
    }
}
