//! What a lane's log hears: once for each change, and of each sort of change at most one line a second.
//!
//! A change that came too soon is told by the next look that still finds it, so that the last line is always true.

use std::time::Duration;

use aplomb_core::Kind;
use aplomb_core::lane::{State, Trouble};

use super::cell::Cell;
use super::group::label;

/// Between two lines of the same sort.
const GAP: Duration = Duration::from_secs(1);

/// A ceiling that differs by less than this part is the same one.
const SAME: f64 = 0.01;

/// Something that changed.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum News {
    /// The upstream asked to wait for so long.
    Paused(Duration),
    /// It is not asked any more but by a probe.
    Broken,
    /// It is asked again, after so long.
    Works(Duration),
    /// It was found to give so many calls a second.
    Limited(f64),
}

/// What was told last.
#[derive(Debug, Default)]
pub(super) struct Told {
    /// Since when it is told to be broken.
    broken: Option<Duration>,
    /// Until when it is told to be paused.
    paused: Duration,
    ceiling: Option<f64>,
    /// When each sort was told.
    at: [Option<Duration>; 4],
}

impl Told {
    /// What is to be told now.
    pub(super) fn news(&mut self, trouble: &Trouble, now: Duration) -> Vec<News> {
        let mut news = Vec::new();
        let broken = trouble.breaker != State::Closed;
        if let Some(since) = self.broken {
            if !broken && self.may(2, now) {
                self.broken = None;
                news.push(News::Works(now.saturating_sub(since)));
            }
        } else if broken && self.may(1, now) {
            self.broken = Some(now);
            news.push(News::Broken);
        }
        let until = trouble.paused_until.unwrap_or_default();
        if until > now && now >= self.paused && self.may(0, now) {
            self.paused = until;
            news.push(News::Paused(until.saturating_sub(now)));
        }
        if let Some(ceiling) = trouble.ceiling {
            let same = self.ceiling.is_some_and(|told| (told - ceiling).abs() <= told * SAME);
            if !same && self.may(3, now) {
                self.ceiling = Some(ceiling);
                news.push(News::Limited(ceiling));
            }
        }
        news
    }

    fn may(&mut self, sort: usize, now: Duration) -> bool {
        let may = self.at[sort].is_none_or(|last| now >= last + GAP);
        if may {
            self.at[sort] = Some(now);
        }
        may
    }
}

/// Writes the lines. `cause` is what the upstream last failed with.
pub(super) fn tell(cell: &Cell, news: &[News], cause: Option<Kind>) {
    let upstream = &*cell.upstream;
    let model = label(cell.model.as_deref().unwrap_or_default());
    let (model, cause) = (&*model, cause.map_or("-", Kind::as_str));
    for one in news {
        match one {
            News::Paused(wait) => {
                let wait = seconds(*wait);
                tracing::info!(target: "aplomb::lane", upstream, model, cause, wait, "a lane is paused");
            }
            News::Broken => {
                tracing::warn!(target: "aplomb::lane", upstream, model, cause, "a lane is broken");
            }
            News::Works(after) => {
                let after = seconds(*after);
                tracing::info!(target: "aplomb::lane", upstream, model, after, "a lane works again");
            }
            News::Limited(per_second) => {
                let per_second = (per_second * 100.0).round() / 100.0;
                tracing::info!(target: "aplomb::lane", upstream, model, per_second, "a lane has a new ceiling");
            }
        }
    }
}

fn seconds(time: Duration) -> f64 {
    (time.as_secs_f64() * 1e3).round() / 1e3
}

#[cfg(test)]
mod tests {
    use super::*;

    const CALM: Trouble = Trouble { breaker: State::Closed, paused_until: None, ceiling: None };

    fn millis(n: u64) -> Duration {
        Duration::from_millis(n)
    }

    #[test]
    fn a_change_is_told_once() {
        let mut told = Told::default();
        assert_eq!(told.news(&CALM, millis(0)), []);
        let paused = Trouble { paused_until: Some(millis(5_000)), ..CALM };
        assert_eq!(told.news(&paused, millis(2_000)), [News::Paused(millis(3_000))]);
        let longer = Trouble { paused_until: Some(millis(6_000)), ..CALM };
        assert_eq!(told.news(&longer, millis(4_000)), [], "it was told to be paused");
        assert_eq!(told.news(&longer, millis(5_500)), [News::Paused(millis(500))]);
        let broken = Trouble { breaker: State::Open, ..CALM };
        assert_eq!(told.news(&broken, millis(7_000)), [News::Broken]);
        let trial = Trouble { breaker: State::HalfOpen, ..CALM };
        assert_eq!(told.news(&trial, millis(9_000)), []);
        assert_eq!(told.news(&CALM, millis(9_500)), [News::Works(millis(2_500))]);
    }

    #[test]
    fn a_ceiling_is_told_when_it_is_another_one() {
        let mut told = Told::default();
        let at = |ceiling| Trouble { ceiling: Some(ceiling), ..CALM };
        assert_eq!(told.news(&at(40.0), millis(0)), [News::Limited(40.0)]);
        assert_eq!(told.news(&at(40.2), millis(5_000)), []);
        assert_eq!(told.news(&at(30.0), millis(6_000)), [News::Limited(30.0)]);
    }

    #[test]
    fn no_storm_of_changes_is_a_storm_of_lines_and_the_last_state_is_told() {
        let mut told = Told::default();
        let mut lines = Vec::new();
        for n in 0..30 {
            let breaker = if n % 2 == 0 { State::Open } else { State::Closed };
            lines.extend(told.news(&Trouble { breaker, ..CALM }, millis(100 * n)));
        }
        let broken = lines.iter().filter(|news| **news == News::Broken).count();
        assert!((2..=3).contains(&broken), "{lines:?}");
        let last = Trouble { breaker: State::Open, ..CALM };
        lines.extend(told.news(&last, millis(4_100)));
        let states: Vec<_> =
            lines.into_iter().filter(|news| matches!(news, News::Broken | News::Works(_))).collect();
        assert_eq!(states.last(), Some(&News::Broken), "{states:?}");
    }
}
