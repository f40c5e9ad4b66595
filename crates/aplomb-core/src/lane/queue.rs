//! The queue of a lane: first in, first out for each caller, fair between callers, bounded.
//!
//! Between callers it is a deficit round robin (Shreedhar and Varghese, 1995) weighted by cost, in the form that lets a
//! deficit go below zero: a caller whose turn it is gets its call, and pays for it before its next turn.
//! So the cost of a call need not be bounded by what a round gives, and a flood of one caller costs the others one call.
//!
//! Two classes: `interactive` comes first, `batch` keeps a floor of every [`BATCH_SHARE`]th call, so that it never starves.

use std::time::Duration;

use super::class::Class;
use super::cost::Cost;

/// One call in so many goes to batch work while both classes wait.
pub const BATCH_SHARE: u32 = 10;

/// How urgent a call is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Priority {
    /// Somebody waits for it.
    #[default]
    Interactive,
    /// It can wait, but not for ever.
    Batch,
}

/// A call that waits.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Entry {
    /// Its number: the order of arrival. A call that comes back keeps its number and so its place.
    pub number: u64,
    /// Whose it is.
    pub caller: u64,
    /// Its class.
    pub priority: Priority,
    /// What it takes from quotas.
    pub cost: Cost,
    /// How much of its caller's share it takes; at least 1.
    pub weight: f64,
    /// When it is too late to start.
    pub deadline: Duration,
    /// How often it was sent already.
    pub sends: u32,
    /// It can't be sent once more after this.
    pub last: bool,
}

impl Entry {
    /// It was sent before, and this is the last time.
    pub fn is_last_chance(&self) -> bool {
        self.last && self.sends > 0
    }

    /// Least often sent first, then the oldest.
    fn order(&self) -> (u32, u64) {
        (self.sends, self.number)
    }
}

/// Waiting calls.
#[derive(Clone, Debug, Default)]
pub struct Queue {
    interactive: Class,
    batch: Class,
    length: usize,
    /// Interactive calls since a batch call had its turn.
    since_batch: u32,
    /// The call that was sent least often, as long as it is known.
    freshest: Option<Entry>,
}

impl Queue {
    /// An empty queue.
    pub fn new() -> Self {
        Self::default()
    }

    /// How many calls wait.
    pub fn len(&self) -> usize {
        self.length
    }

    /// Whether none waits.
    pub fn is_empty(&self) -> bool {
        self.length == 0
    }

    /// How many callers have calls that wait.
    pub fn callers(&self) -> usize {
        self.interactive.callers() + self.batch.callers()
    }

    /// Adds a call: behind those of its caller that came before it.
    pub fn push(&mut self, entry: Entry) {
        self.class(entry.priority).push(entry);
        self.length += 1;
        if self.length == 1 || self.freshest.is_some_and(|freshest| entry.order() < freshest.order()) {
            self.freshest = Some(entry);
        }
    }

    /// The call whose turn it is; the same one until it is taken or removed.
    pub fn first(&mut self) -> Option<Entry> {
        let priority = self.turn()?;
        self.class(priority).first()
    }

    /// Takes out the call whose turn it is.
    pub fn take(&mut self) -> Option<Entry> {
        let priority = self.turn()?;
        let entry = self.class(priority).take()?;
        self.since_batch = if priority == Priority::Batch { 0 } else { self.since_batch.saturating_add(1) };
        self.left(entry.number);
        Some(entry)
    }

    /// The call that was sent least often, the oldest of them: for probes, which may fail.
    ///
    /// It is looked for once and remembered until it leaves, so that asking again costs nothing however many wait.
    pub fn least_sent(&mut self) -> Option<Entry> {
        if self.freshest.is_none() {
            let all = self.interactive.entries().chain(self.batch.entries());
            self.freshest = all.min_by_key(|entry| entry.order()).copied();
        }
        self.freshest
    }

    /// Removes a call that nobody waits for any more. Whether it was there.
    pub fn remove(&mut self, entry: &Entry) -> bool {
        let removed = self.class(entry.priority).remove(entry.caller, entry.number);
        if removed {
            self.left(entry.number);
        }
        removed
    }

    /// Takes out every call whose time is over.
    pub fn expired(&mut self, now: Duration) -> Vec<Entry> {
        let over = |entry: &&Entry| entry.deadline <= now;
        let found: Vec<Entry> =
            self.interactive.entries().chain(self.batch.entries()).filter(over).copied().collect();
        for entry in &found {
            self.remove(entry);
        }
        found
    }

    /// How many calls would have their turn before a new one of this caller: an estimate for its wait.
    pub fn ahead(&self, caller: u64, priority: Priority) -> usize {
        let class = match priority {
            Priority::Interactive => &self.interactive,
            Priority::Batch => &self.batch,
        };
        // In a fair round every other caller has at most as many turns as this one.
        let (own, others) = class.ahead(caller);
        let before = match priority {
            Priority::Interactive => self.batch.len().min((own + others) / (BATCH_SHARE as usize - 1)),
            Priority::Batch => self.interactive.len().min((own + others + 1) * (BATCH_SHARE as usize - 1)),
        };
        own + others + before
    }

    fn left(&mut self, number: u64) {
        self.length -= 1;
        self.freshest = self.freshest.filter(|freshest| freshest.number != number);
    }

    fn turn(&self) -> Option<Priority> {
        match (self.interactive.len() == 0, self.batch.len() == 0) {
            (true, true) => None,
            (false, true) => Some(Priority::Interactive),
            (true, false) => Some(Priority::Batch),
            (false, false) if self.since_batch >= BATCH_SHARE - 1 => Some(Priority::Batch),
            (false, false) => Some(Priority::Interactive),
        }
    }

    fn class(&mut self, priority: Priority) -> &mut Class {
        match priority {
            Priority::Interactive => &mut self.interactive,
            Priority::Batch => &mut self.batch,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn entry(number: u64, caller: u64, weight: f64) -> Entry {
        let deadline = Duration::from_secs(60);
        let (priority, cost) = (Priority::Interactive, Cost::default());
        Entry { number, caller, priority, cost, weight, deadline, sends: 0, last: false }
    }

    fn order(queue: &mut Queue) -> Vec<u64> {
        std::iter::from_fn(|| queue.take()).map(|entry| entry.number).collect()
    }

    #[test]
    fn a_caller_is_served_in_the_order_of_its_calls() {
        let mut queue = Queue::new();
        for number in [1, 2, 3] {
            queue.push(entry(number, 7, 1.0));
        }
        assert_eq!(order(&mut queue), [1, 2, 3]);
    }

    #[test]
    fn a_call_that_comes_back_has_its_place_again() {
        let mut queue = Queue::new();
        for number in [1, 2, 3] {
            queue.push(entry(number, 7, 1.0));
        }
        let first = queue.take().unwrap();
        queue.push(Entry { sends: 1, ..first });
        assert_eq!(order(&mut queue), [1, 2, 3]);
    }

    #[test]
    fn a_flood_of_one_caller_costs_another_one_call() {
        let mut queue = Queue::new();
        (0..100).for_each(|number| queue.push(entry(number, 1, 1.0)));
        queue.push(entry(100, 2, 1.0));
        let place = order(&mut queue).iter().position(|number| *number == 100).unwrap();
        assert!(place <= 1, "{place}");
    }

    #[test]
    fn costs_are_weighed_and_not_calls() {
        let mut queue = Queue::new();
        for number in 0..40 {
            queue.push(entry(number, 1, 1_000.0));
            queue.push(entry(100 + number, 2, 100.0));
        }
        let first: Vec<u64> = order(&mut queue).into_iter().take(22).collect();
        let big = first.iter().filter(|number| **number < 100).count();
        assert!((1..=4).contains(&big), "{first:?}");
    }

    #[test]
    fn batch_keeps_its_floor_and_takes_the_rest() {
        let mut queue = Queue::new();
        for number in 0..40 {
            queue.push(entry(number, 1, 1.0));
            queue.push(Entry { priority: Priority::Batch, ..entry(100 + number, 1, 1.0) });
        }
        let all = order(&mut queue);
        assert_eq!(all[..40].iter().filter(|number| **number >= 100).count(), 4);
        assert_eq!(all.len(), 80);
    }

    #[test]
    fn a_probe_takes_who_was_sent_least_often() {
        let mut queue = Queue::new();
        queue.push(Entry { sends: 2, ..entry(1, 1, 1.0) });
        queue.push(entry(2, 1, 1.0));
        queue.push(entry(3, 2, 1.0));
        assert_eq!(queue.least_sent().unwrap().number, 2);
    }

    #[test]
    fn what_is_too_late_is_taken_out() {
        let mut queue = Queue::new();
        queue.push(Entry { deadline: Duration::from_secs(1), ..entry(1, 1, 1.0) });
        queue.push(entry(2, 1, 1.0));
        assert_eq!(queue.expired(Duration::from_secs(2)).len(), 1);
        assert_eq!(order(&mut queue), [2]);
    }

    proptest! {
        #[test]
        fn every_call_comes_out_once_and_each_caller_in_order(
            calls in proptest::collection::vec((0u64..6, 1u32..2_000, any::<bool>(), any::<bool>()), 1..200)
        ) {
            let mut queue = Queue::new();
            let (mut out, mut removed) = (Vec::new(), 0);
            for (number, (caller, weight, batch, take)) in calls.iter().enumerate() {
                let priority = if *batch { Priority::Batch } else { Priority::Interactive };
                let entry = Entry { priority, ..entry(number as u64, *caller, f64::from(*weight)) };
                queue.push(entry);
                if *take && number % 3 == 0 {
                    removed += usize::from(queue.remove(&entry));
                } else if *take {
                    let next = queue.first();
                    let taken = queue.take();
                    prop_assert_eq!(next, taken);
                    out.extend(taken);
                }
            }
            out.extend(std::iter::from_fn(|| queue.take()));
            prop_assert!(queue.is_empty() && queue.callers() == 0);
            prop_assert_eq!(out.len() + removed, calls.len());
            let mut numbers: Vec<u64> = out.iter().map(|entry| entry.number).collect();
            numbers.sort_unstable();
            numbers.dedup();
            prop_assert_eq!(numbers.len(), out.len());
        }

        /// Nobody starves: between two calls of one caller, another one that waits gets about as much.
        #[test]
        fn callers_that_wait_get_about_as_much(weights in proptest::collection::vec(1u32..500, 2..6)) {
            let mut queue = Queue::new();
            let calls = 60u64;
            for (caller, weight) in weights.iter().enumerate() {
                for number in 0..calls {
                    queue.push(entry(number * 10 + caller as u64, caller as u64, f64::from(*weight)));
                }
            }
            let mut spent = vec![0.0; weights.len()];
            // As long as nobody has run out of calls.
            let least = f64::from(*weights.iter().min().unwrap()) * calls as f64;
            while spent.iter().all(|spent| *spent < least) {
                let entry = queue.take().unwrap();
                spent[usize::try_from(entry.caller).unwrap()] += entry.weight;
            }
            let most = f64::from(*weights.iter().max().unwrap());
            let spread = spent.iter().copied().fold(0.0, f64::max) - spent.iter().copied().fold(f64::INFINITY, f64::min);
            prop_assert!(spread <= 3.0 * most + 3.0, "{:?} {:?}", spent, weights);
        }
    }
}
