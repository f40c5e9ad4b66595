//! The waiting calls of one class: a deficit round robin between callers.
//!
//! Nothing here takes longer because more callers wait, but for the logarithm of their number.

use std::collections::{BTreeMap, VecDeque};

use super::queue::Entry;

/// The calls of one class.
#[derive(Clone, Debug, Default)]
pub(super) struct Class {
    callers: BTreeMap<u64, Share>,
    /// Callers by their turns; each has a number of its own, and the lowest is next.
    turns: BTreeMap<u64, u64>,
    last_turn: u64,
    /// How many callers have so many calls waiting.
    sizes: BTreeMap<usize, usize>,
    length: usize,
    /// What a round gives to each: a moving mean of what calls cost.
    quantum: f64,
}

#[derive(Clone, Debug, Default)]
struct Share {
    waiting: VecDeque<Entry>,
    deficit: f64,
    turn: u64,
}

impl Class {
    /// How many calls wait.
    pub(super) fn len(&self) -> usize {
        self.length
    }

    /// Whose they are: how many callers.
    pub(super) fn callers(&self) -> usize {
        self.callers.len()
    }

    /// Adds a call: behind those of its caller that came before it.
    pub(super) fn push(&mut self, entry: Entry) {
        self.quantum =
            if self.quantum <= 0.0 { entry.weight } else { self.quantum * 0.95 + entry.weight * 0.05 };
        let share = self.callers.entry(entry.caller).or_default();
        if share.waiting.is_empty() {
            self.last_turn += 1;
            share.turn = self.last_turn;
            self.turns.insert(share.turn, entry.caller);
        }
        let at = share.waiting.partition_point(|before| before.number < entry.number);
        share.waiting.insert(at, entry);
        let size = share.waiting.len();
        self.resize(size - 1, size);
        self.length += 1;
    }

    /// The call whose turn it is.
    pub(super) fn first(&mut self) -> Option<Entry> {
        self.settle_turn();
        self.turns.values().next().and_then(|caller| self.callers.get(caller)?.waiting.front().copied())
    }

    /// Takes out the call whose turn it is.
    pub(super) fn take(&mut self) -> Option<Entry> {
        self.settle_turn();
        let caller = *self.turns.values().next()?;
        let share = self.callers.get_mut(&caller)?;
        let entry = share.waiting.pop_front()?;
        share.deficit -= entry.weight.max(1.0);
        self.shrink(caller);
        Some(entry)
    }

    /// Removes a call. Whether it was there.
    pub(super) fn remove(&mut self, caller: u64, number: u64) -> bool {
        let Some(share) = self.callers.get_mut(&caller) else { return false };
        let Ok(at) = share.waiting.binary_search_by_key(&number, |entry| entry.number) else { return false };
        share.waiting.remove(at);
        self.shrink(caller);
        true
    }

    /// How many calls this caller has waiting, and how many of the others' come before a new one of its own.
    pub(super) fn ahead(&self, caller: u64) -> (usize, usize) {
        let own = self.callers.get(&caller).map_or(0, |share| share.waiting.len());
        let all: usize = self.sizes.iter().map(|(size, callers)| (*size).min(own + 1) * callers).sum();
        (own, all - own)
    }

    pub(super) fn entries(&self) -> impl Iterator<Item = &Entry> {
        self.callers.values().flat_map(|share| share.waiting.iter())
    }

    /// Moves on until the caller in front has something left to spend.
    fn settle_turn(&mut self) {
        if self.front().is_none_or(|share| share.deficit > 0.0) {
            return;
        }
        for _ in 0..self.turns.len() {
            self.turn_over();
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
        while self.front().is_some_and(|share| share.deficit <= 0.0) {
            self.turn_over();
        }
    }

    fn front(&mut self) -> Option<&mut Share> {
        self.callers.get_mut(self.turns.values().next()?)
    }

    /// The caller in front has its next turn after all others.
    fn turn_over(&mut self) {
        let Some((_, caller)) = self.turns.pop_first() else { return };
        self.last_turn += 1;
        self.turns.insert(self.last_turn, caller);
        if let Some(share) = self.callers.get_mut(&caller) {
            share.turn = self.last_turn;
        }
    }

    /// One call of this caller has left. Without waiting calls it is forgotten, with what it has left: who doesn't wait
    /// saves nothing up.
    fn shrink(&mut self, caller: u64) {
        self.length -= 1;
        let Some(share) = self.callers.get(&caller) else { return };
        let (size, turn) = (share.waiting.len(), share.turn);
        self.resize(size + 1, size);
        if size == 0 {
            self.callers.remove(&caller);
            self.turns.remove(&turn);
        }
    }

    fn resize(&mut self, from: usize, to: usize) {
        if let Some(callers) = self.sizes.get_mut(&from) {
            *callers -= 1;
            if *callers == 0 {
                self.sizes.remove(&from);
            }
        }
        if to > 0 {
            *self.sizes.entry(to).or_default() += 1;
        }
    }
}
