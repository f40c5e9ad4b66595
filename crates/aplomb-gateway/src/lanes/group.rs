//! Lanes that are told as one: those of one model at one upstream, whosever credential they are of.
//!
//! A model's name is its caller's word, so that metrics have room for so many of them and no more.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use aplomb_core::lane::{Counts, LaneState, State};

use super::cell::Cell;
use super::registry::Lanes;
use super::report::{pace, word};
use crate::redact::redact;

/// So many models are told by name; the rest of each upstream are told together.
const MOST: usize = 200;

/// By what name they are.
const OTHER: &str = "other";

/// The longest name of a model, in letters.
const LONGEST: usize = 200;

/// By what lanes are told apart in metrics, and what those of them counted that are forgotten.
#[derive(Debug)]
pub(crate) struct Group {
    /// The upstream's name.
    pub(crate) upstream: Arc<str>,
    /// The model; empty where requests name none.
    pub(crate) model: Box<str>,
    gone: [AtomicU64; 5],
}

/// All groups that a lane belongs to.
#[derive(Debug, Default)]
pub(super) struct Groups(HashMap<Name, Arc<Group>>);

/// An upstream and a model.
type Name = (Arc<str>, Box<str>);

impl Groups {
    /// The group of a lane that is made now.
    pub(super) fn find(&mut self, upstream: &Arc<str>, model: Option<&str>) -> Arc<Group> {
        let model = label(model.unwrap_or_default());
        let known = self.0.contains_key(&(Arc::clone(upstream), model.clone()));
        let named = self.0.keys().filter(|(_, model)| **model != *OTHER).count();
        let model = if known || named < MOST { model } else { OTHER.into() };
        let key = (Arc::clone(upstream), model);
        let (upstream, model) = key.clone();
        let new = || Arc::new(Group { upstream, model, gone: Default::default() });
        Arc::clone(self.0.entry(key).or_insert_with(new))
    }

    /// Frees the names that no lane has any more.
    pub(super) fn sweep(&mut self) {
        self.0.retain(|(_, model), group| **model == *OTHER || Arc::strong_count(group) > 1);
    }
}

/// A model's name as a label: bounded, on one line, and without what looks like a secret.
pub(super) fn label(model: &str) -> Box<str> {
    let plain = |letter: char| if letter.is_control() { char::REPLACEMENT_CHARACTER } else { letter };
    redact(model).chars().take(LONGEST).map(plain).collect::<String>().into()
}

impl Group {
    /// Keeps what a lane counted that is forgotten, so that no sum goes back.
    pub(super) fn keep(&self, counts: Counts) {
        let Counts { sent, limited, failed, waited, refused } = counts;
        for (kept, more) in self.gone.iter().zip([sent, limited, failed, waited, refused]) {
            kept.fetch_add(more, Ordering::Relaxed);
        }
    }

    fn kept(&self) -> Counts {
        let [sent, limited, failed, waited, refused] =
            std::array::from_fn(|at| self.gone[at].load(Ordering::Relaxed));
        Counts { sent, limited, failed, waited, refused }
    }
}

/// The lanes of a group, added up.
#[derive(Debug, Default, PartialEq)]
pub(crate) struct Tally {
    /// How many there are, by their breaker: closed, open, half-open.
    breakers: [u64; 3],
    /// Requests that wait.
    pub(crate) waiting: f64,
    /// Calls under way.
    pub(crate) in_flight: f64,
    /// Calls a second that they send at most, where that is known.
    pub(crate) pace: Option<f64>,
    /// What the upstream was last found to give.
    pub(crate) ceiling: Option<f64>,
    /// The longest that the upstream asked to wait.
    pub(crate) paused: Duration,
    /// The least that one of them may spend on retries.
    pub(crate) budget: Option<u32>,
    /// How often what happened, with those that are forgotten.
    pub(crate) counts: Counts,
}

const BREAKERS: [State; 3] = [State::Closed, State::Open, State::HalfOpen];

impl Tally {
    /// How many lanes there are in each state of a breaker.
    pub(crate) fn breakers(&self) -> impl Iterator<Item = (&'static str, u64)> {
        BREAKERS.into_iter().map(word).zip(self.breakers)
    }

    fn add(&mut self, state: &LaneState) {
        let plus = |one: Option<f64>, more: Option<f64>| one.into_iter().chain(more).reduce(|a, b| a + b);
        if let Some(at) = BREAKERS.iter().position(|one| *one == state.breaker) {
            self.breakers[at] += 1;
        }
        #[expect(clippy::cast_precision_loss, reason = "no queue has 2^53 calls")]
        let waiting = state.waiting as f64;
        self.waiting += waiting;
        self.in_flight += f64::from(state.in_flight);
        self.pace = plus(self.pace, pace(state));
        self.ceiling = plus(self.ceiling, state.ceiling);
        self.paused = self.paused.max(state.paused_for.unwrap_or_default());
        self.budget = self.budget.into_iter().chain([state.budget]).min();
        self.count(state.counts);
    }

    fn count(&mut self, more: Counts) {
        let counts = &mut self.counts;
        counts.sent += more.sent;
        counts.limited += more.limited;
        counts.failed += more.failed;
        counts.waited += more.waited;
        counts.refused += more.refused;
    }
}

impl Lanes {
    /// Every group with its lanes added up.
    pub(crate) fn tally(&self) -> Vec<(Arc<Group>, Tally)> {
        let mut all: BTreeMap<Name, (Arc<Group>, Tally)> = BTreeMap::new();
        let add = |cell: &Arc<Cell>| {
            let group = &cell.group;
            let key = (Arc::clone(&group.upstream), group.model.clone());
            let new = || {
                let mut tally = Tally::default();
                tally.count(group.kept());
                (Arc::clone(group), tally)
            };
            all.entry(key).or_insert_with(new).1.add(&cell.state());
        };
        self.cells().iter().for_each(add);
        all.into_values().collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn there_is_room_for_so_many_models_and_the_rest_are_one() {
        let mut groups = Groups::default();
        let (one, two): (Arc<str>, Arc<str>) = ("one".into(), "two".into());
        let held: Vec<_> = (0..MOST).map(|n| groups.find(&one, Some(&format!("m-{n}")))).collect();
        assert!(held.iter().enumerate().all(|(n, group)| *group.model == format!("m-{n}")));
        let more = [groups.find(&one, Some("x")), groups.find(&one, Some("y")), groups.find(&two, None)];
        assert!(more.iter().all(|group| &*group.model == OTHER));
        assert!(Arc::ptr_eq(&more[0], &more[1]) && !Arc::ptr_eq(&more[0], &more[2]));
        assert!(Arc::ptr_eq(&held[0], &groups.find(&one, Some("m-0"))), "a known one keeps its name");
        drop(held);
        groups.sweep();
        assert_eq!(&*groups.find(&one, Some("x")).model, "x", "there is room again");
    }

    #[test]
    fn a_name_is_bounded_on_one_line_and_no_secret() {
        assert_eq!(&*label("a\nb\u{0}"), "a\u{fffd}b\u{fffd}");
        assert_eq!(label(&"\u{e9} ".repeat(LONGEST)).chars().count(), LONGEST);
        assert_eq!(&*label("sk-proj-Zq81LmT5vW0xYc7B"), "[redacted]");
    }

    #[test]
    fn what_a_forgotten_lane_counted_stays() {
        let group = Groups::default().find(&"one".into(), None);
        let counts = Counts { sent: 3, limited: 1, failed: 2, waited: 5, refused: 4 };
        group.keep(counts);
        group.keep(Counts { sent: 1, ..Counts::default() });
        assert_eq!(group.kept(), Counts { sent: 4, ..counts });
    }
}
