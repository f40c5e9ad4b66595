//! What was looked up lately, within a bound: two halves, of which the older is forgotten when the younger is full.

use std::borrow::Borrow;
use std::collections::HashMap;
use std::hash::Hash;

/// A map that holds at most so many entries; those that are used stay.
#[derive(Debug)]
pub(super) struct Recent<K, V> {
    young: HashMap<K, V>,
    old: HashMap<K, V>,
    /// The most of each half.
    half: usize,
}

impl<K: Hash + Eq, V> Recent<K, V> {
    /// Holds at most this many.
    pub(super) fn of(most: usize) -> Self {
        Self { young: HashMap::new(), old: HashMap::new(), half: (most / 2).max(1) }
    }

    /// What is known under a key; it is kept for longer by that.
    pub(super) fn find<Q: Hash + Eq + ?Sized>(&mut self, key: &Q) -> Option<&mut V>
    where
        K: Borrow<Q>,
    {
        if let Some((key, value)) = self.old.remove_entry(key) {
            self.put(key, value);
        }
        self.young.get_mut(key)
    }

    /// Remembers a value.
    pub(super) fn put(&mut self, key: K, value: V) {
        self.old.remove(&key);
        if self.young.len() >= self.half && !self.young.contains_key(&key) {
            self.old = std::mem::take(&mut self.young);
        }
        self.young.insert(key, value);
    }

    /// Forgets one.
    pub(super) fn forget<Q: Hash + Eq + ?Sized>(&mut self, key: &Q)
    where
        K: Borrow<Q>,
    {
        self.young.remove(key);
        self.old.remove(key);
    }

    /// Forgets those that aren't wanted.
    pub(super) fn retain(&mut self, keep: impl Fn(&V) -> bool) {
        self.young.retain(|_, value| keep(value));
        self.old.retain(|_, value| keep(value));
    }

    /// Forgets everything.
    pub(super) fn clear(&mut self) {
        self.young.clear();
        self.old.clear();
    }

    /// Everything that is remembered.
    pub(super) fn values(&self) -> impl Iterator<Item = &V> {
        self.young.values().chain(self.old.values())
    }

    #[cfg(test)]
    fn len(&self) -> usize {
        self.young.len() + self.old.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn however_many_come_no_more_than_the_bound_stay() {
        let mut recent = Recent::of(10);
        for one in 0..1000 {
            recent.put(one, one);
            assert!(recent.len() <= 10);
            assert_eq!(recent.find(&one), Some(&mut one.clone()));
        }
    }

    #[test]
    fn what_is_used_stays() {
        let mut recent = Recent::of(10);
        recent.put(0, "used");
        for one in 1..1000 {
            recent.put(one, "once");
            assert!(recent.find(&0).is_some(), "{one}");
        }
        assert!(recent.find(&1).is_none());
        recent.forget(&0);
        assert!(recent.find(&0).is_none());
        recent.put(0, "again");
        recent.retain(|value| *value == "again");
        assert_eq!(recent.len(), 1);
        recent.clear();
        assert_eq!(recent.len(), 0);
    }
}
