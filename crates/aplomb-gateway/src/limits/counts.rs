//! All that is counted in this process.

use std::collections::{BTreeSet, HashMap};
use std::sync::{Mutex, MutexGuard, PoisonError};

use aplomb_core::Limit;
use aplomb_core::lane::Cost;

use super::clock::Clock;
use super::entry::Entry;
pub(crate) use super::entry::Over;
use super::subject::Subject;
use crate::config::Tier;

/// More subjects than this are not told apart: those who come later count as one until others are forgotten.
///
/// Each takes about 200 bytes, so that somebody with many addresses can't fill the memory.
const MOST: usize = 200_000;

/// How many new subjects come before idle ones are looked for.
const SWEEP: usize = 4_096;

/// What a request asks for.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Ask<'a> {
    /// Whose use it is.
    pub(crate) subjects: &'a [Subject],
    /// What each of them may use.
    pub(crate) tier: &'a Tier,
    /// What it is likely to take.
    pub(crate) cost: Cost,
}

/// What every subject used.
#[derive(Debug)]
pub(crate) struct Counts {
    clock: Clock,
    known: Mutex<Known>,
}

#[derive(Debug, Default)]
struct Known {
    entries: HashMap<Box<str>, Entry>,
    /// New ones since idle ones were looked for.
    fresh: usize,
}

/// The name that those share who came when there was no more room.
const OTHERS: &str = "others";

impl Counts {
    pub(crate) fn new() -> Self {
        Self { clock: Clock::new(), known: Mutex::default() }
    }

    fn known(&self) -> MutexGuard<'_, Known> {
        // What a panic left behind is numbers, each of them whole.
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes what a request asks for, from every subject or from none, and tells how their limits stand.
    ///
    /// # Errors
    /// The limit that takes longest, with the subject that it is of, and how that one's limits stand.
    pub(crate) fn take(&self, ask: Ask<'_>) -> Result<Vec<Limit>, (usize, Over, Vec<Limit>)> {
        let now = self.clock.now();
        let mut known = self.known();
        let mut worst: Option<(usize, Over)> = None;
        for (index, subject) in ask.subjects.iter().enumerate() {
            let Err(over) = known.entry(&subject.name, now).ask(ask.tier, ask.cost, now) else { continue };
            if worst.as_ref().is_none_or(|(_, before)| over.wait > before.wait) {
                worst = Some((index, over));
            }
        }
        if let Some((index, over)) = worst {
            let limits = known.entry(&ask.subjects[index].name, now).limits(ask.tier, now);
            return Err((index, over, limits));
        }
        let mut limits = Vec::new();
        for subject in ask.subjects {
            let entry = known.entry(&subject.name, now);
            entry.take(ask.tier, ask.cost, now);
            limits.extend(entry.limits(ask.tier, now));
        }
        Ok(limits)
    }

    /// How the limits of a subject stand.
    pub(crate) fn limits(&self, subject: &str, tier: &Tier) -> Vec<Limit> {
        let now = self.clock.now();
        let known = self.known();
        known.entries.get(subject).cloned().unwrap_or_default().limits(tier, now)
    }

    /// The first so many names after that one which are wanted, in their order.
    pub(crate) fn names(&self, after: &str, many: usize, wanted: impl Fn(&str) -> bool) -> BTreeSet<String> {
        let known = self.known();
        let mut names = BTreeSet::new();
        for name in known.entries.keys().map(|name| &**name).filter(|name| *name > after && wanted(name)) {
            if names.len() < many || names.last().is_some_and(|last| name < *last) {
                names.insert(name);
            }
            if names.len() > many {
                names.pop_last();
            }
        }
        names.into_iter().map(str::to_owned).collect()
    }

    /// A request is over, and took this.
    pub(super) fn settle(&self, ask: Ask<'_>, took: Cost) {
        let now = self.clock.now();
        let mut known = self.known();
        for subject in ask.subjects {
            known.entry(&subject.name, now).settle(ask.tier, ask.cost, took, now);
        }
    }

    /// A request is no longer under way.
    pub(super) fn end(&self, subjects: &[Subject]) {
        let now = self.clock.now();
        let mut known = self.known();
        for subject in subjects {
            known.entry(&subject.name, now).end();
        }
    }
}

impl Known {
    fn entry(&mut self, name: &str, now: u64) -> &mut Entry {
        if !self.entries.contains_key(name) {
            self.fresh += 1;
            if self.fresh >= SWEEP {
                self.fresh = 0;
                self.entries.retain(|_, entry| !entry.is_idle(now));
            }
        }
        let full = self.entries.len() >= MOST && !self.entries.contains_key(name);
        self.entries.entry(if full { OTHERS } else { name }.into()).or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::CountedBy;

    fn subject(name: &str) -> Subject {
        Subject { per: CountedBy::Key, name: name.to_owned() }
    }

    #[test]
    fn one_subject_that_is_over_takes_nothing_from_the_others() {
        let counts = Counts::new();
        let tier = Tier { daily: Some(1), ..Tier::named("t") };
        let ask = |subjects| Ask { subjects, tier: &tier, cost: Cost::default() };
        let (a, b) = (subject("a"), subject("b"));
        assert!(counts.take(ask(std::slice::from_ref(&a))).is_ok());
        let both = [b.clone(), a.clone()];
        let (index, over, _) = counts.take(ask(&both)).unwrap_err();
        assert_eq!((index, over.what), (1, "daily"));
        assert_eq!(counts.limits(&b.name, &tier)[0].remaining, Some(1));
    }

    #[test]
    fn names_come_in_pages_and_in_order() {
        let counts = Counts::new();
        let tier = Tier { daily: Some(9), ..Tier::named("t") };
        let subjects = ["d", "a", "c", "x", "b"].map(subject);
        counts.take(Ask { subjects: &subjects, tier: &tier, cost: Cost::default() }).unwrap();
        let page = |after: &str| Vec::from_iter(counts.names(after, 2, |name| name != "x"));
        assert_eq!(
            (page(""), page("b"), page("d")),
            (vec!["a".to_owned(), "b".to_owned()], vec!["c".to_owned(), "d".to_owned()], vec![])
        );
    }

    #[test]
    fn idle_subjects_are_forgotten() {
        let counts = Counts::new();
        let tier = Tier { requests: vec!["1000000/s".parse().unwrap()], ..Tier::named("t") };
        for n in 0..3 * SWEEP {
            let subjects = [subject(&n.to_string())];
            counts.take(Ask { subjects: &subjects, tier: &tier, cost: Cost::default() }).unwrap();
            counts.end(&subjects);
        }
        assert!(counts.known().entries.len() <= SWEEP + 1);
    }
}
