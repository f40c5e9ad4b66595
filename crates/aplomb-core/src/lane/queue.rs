//! The queue of a lane: first in, first out for each caller, fair between callers, bounded.
//!
//! Between callers it is a deficit round robin (Shreedhar and Varghese, 1995) weighted by cost, in the form that lets a
//! deficit go below zero: a caller whose turn it is gets its call, and pays for it before its next turn.
//! So the cost of a call need not be bounded by what a round gives, and a flood of one caller costs the others one call.
//!
//! Two classes: `interactive` comes first, `batch` keeps a floor of every [`BATCH_SHARE`]th call, so that it never starves.

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

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
}

/// Waiting calls.
#[derive(Clone, Debug, Default)]
pub struct Queue {
    interactive: Class,
    batch: Class,
    length: usize,
    /// Interactive calls since a batch call had its turn.
    since_batch: u32,
}

#[derive(Clone, Debug, Default)]
struct Class {
    callers: BTreeMap<u64, Share>,
    /// Callers with waiting calls, in the order of their turns.
    turns: VecDeque<u64>,
    /// What a round gives to each: a moving mean of what calls cost.
    quantum: f64,
}

#[derive(Clone, Debug, Default)]
struct Share {
    waiting: VecDeque<Entry>,
    deficit: f64,
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
        self.interactive.turns.len() + self.batch.turns.len()
    }

    /// Adds a call: behind those of its caller that came before it.
    pub fn push(&mut self, entry: Entry) {
        self.class(entry.priority).push(entry);
        self.length += 1;
    }

    /// The call whose turn it is; the same one until it is taken or removed.
    pub fn next(&mut self) -> Option<Entry> {
        let priority = self.turn()?;
        self.class(priority).next()
    }

    /// Takes out the call whose turn it is.
    pub fn take(&mut self) -> Option<Entry> {
        let priority = self.turn()?;
        let entry = self.class(priority).take()?;
        self.since_batch = if priority == Priority::Batch { 0 } else { self.since_batch.saturating_add(1) };
        self.length -= 1;
        Some(entry)
    }

    /// The call that was sent least often, the oldest of them: for probes, which may fail.
    pub fn least_sent(&self) -> Option<Entry> {
        let all = self.interactive.entries().chain(self.batch.entries());
        all.min_by_key(|entry| (entry.sends, entry.number)).copied()
    }

    /// Removes a call that nobody waits for any more. Whether it was there.
    pub fn remove(&mut self, entry: &Entry) -> bool {
        let removed = self.class(entry.priority).remove(entry.caller, entry.number);
        self.length -= usize::from(removed);
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
        let own = class.callers.get(&caller).map_or(0, |share| share.waiting.len());
        // In a fair round every other caller has at most as many turns as this one.
        let others: usize = class
            .callers
            .iter()
            .filter(|(other, _)| **other != caller)
            .map(|(_, share)| share.waiting.len().min(own + 1))
            .sum();
        let before = match priority {
            Priority::Interactive => self.batch.len().min((own + others) / (BATCH_SHARE as usize - 1)),
            Priority::Batch => self.interactive.len().min((own + others + 1) * (BATCH_SHARE as usize - 1)),
        };
        own + others + before
    }

    fn turn(&self) -> Option<Priority> {
        match (self.interactive.turns.is_empty(), self.batch.turns.is_empty()) {
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

impl Class {
    fn push(&mut self, entry: Entry) {
        self.quantum =
            if self.quantum <= 0.0 { entry.weight } else { self.quantum * 0.95 + entry.weight * 0.05 };
        let share = self.callers.entry(entry.caller).or_default();
        if share.waiting.is_empty() {
            self.turns.push_back(entry.caller);
        }
        let at = share.waiting.partition_point(|before| before.number < entry.number);
        share.waiting.insert(at, entry);
    }

    fn next(&mut self) -> Option<Entry> {
        self.settle_turn();
        self.turns.front().and_then(|caller| self.callers.get(caller)?.waiting.front().copied())
    }

    fn take(&mut self) -> Option<Entry> {
        self.settle_turn();
        let caller = *self.turns.front()?;
        let share = self.callers.get_mut(&caller)?;
        let entry = share.waiting.pop_front()?;
        share.deficit -= entry.weight.max(1.0);
        if share.waiting.is_empty() {
            self.leave(caller);
        }
        Some(entry)
    }

    /// Moves on until the caller in front has something left to spend.
    fn settle_turn(&mut self) {
        if self.front().is_none_or(|share| share.deficit > 0.0) {
            return;
        }
        for _ in 0..self.turns.len() {
            self.turns.rotate_left(1);
            let quantum = self.quantum.max(1.0);
            let Some(share) = self.front() else { return };
            share.deficit += quantum;
            if share.deficit > 0.0 {
                return;
            }
        }
        // A whole round gave nobody enough: as many rounds as it takes, at once.
        let most = self.callers.values().map(|share| share.deficit).fold(f64::NEG_INFINITY, f64::max);
        if most <= 0.0 && most.is_finite() {
            for share in self.callers.values_mut() {
                share.deficit -= most - 1.0;
            }
        }
        let has_turn = |caller: &u64| self.callers.get(caller).is_some_and(|share| share.deficit > 0.0);
        if let Some(first) = self.turns.iter().position(has_turn) {
            self.turns.rotate_left(first);
        }
    }

    fn front(&mut self) -> Option<&mut Share> {
        self.callers.get_mut(self.turns.front()?)
    }

    /// A caller without waiting calls is forgotten, with what it has left: who doesn't wait saves nothing up.
    fn leave(&mut self, caller: u64) {
        self.callers.remove(&caller);
        self.turns.retain(|turn| *turn != caller);
    }

    fn remove(&mut self, caller: u64, number: u64) -> bool {
        let Some(share) = self.callers.get_mut(&caller) else { return false };
        let Ok(at) = share.waiting.binary_search_by_key(&number, |entry| entry.number) else { return false };
        share.waiting.remove(at);
        if share.waiting.is_empty() {
            self.leave(caller);
        }
        true
    }

    fn entries(&self) -> impl Iterator<Item = &Entry> {
        self.callers.values().flat_map(|share| share.waiting.iter())
    }

    fn len(&self) -> usize {
        self.callers.values().map(|share| share.waiting.len()).sum()
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
                    let next = queue.next();
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
