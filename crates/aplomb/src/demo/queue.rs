//! The queue of the gateway while a job runs through it, drawn as it drains.

use std::io::IsTerminal as _;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use aplomb_gateway::{Gateway, LaneGlance};
use indicatif::ProgressBar;

use crate::say;

/// How often it is looked at.
const LOOK: Duration = Duration::from_millis(100);

/// How often a line is written where no bar can be drawn.
const LINE: Duration = Duration::from_secs(1);

/// What was seen of the queue in a run.
#[derive(Debug, Default)]
pub(super) struct Seen {
    /// The most that waited at once.
    pub(super) most: usize,
    /// How long some lane was broken.
    pub(super) broken: Duration,
    /// Calls that the gateway sent.
    pub(super) sent: u64,
    /// Those of them that were refused for a limit.
    pub(super) limited: u64,
}

/// Looks at the lanes until `over`, and says what it sees.
pub(super) fn watch(gateway: &Gateway, bar: &ProgressBar, over: &AtomicBool) -> Seen {
    let begun = Instant::now();
    let drawn = std::io::stderr().is_terminal();
    let mut seen = Seen::default();
    let mut next = LINE;
    while !over.load(Ordering::Relaxed) {
        std::thread::sleep(LOOK);
        let lanes = gateway.lanes();
        let waiting = lanes.iter().map(|lane| lane.waiting).sum();
        seen.most = seen.most.max(waiting);
        if lanes.iter().any(LaneGlance::is_broken) {
            seen.broken += LOOK;
        }
        let line = line(&lanes);
        if drawn {
            bar.set_message(line);
        } else if begun.elapsed() >= next {
            say::err(&format!(
                "  {:>4.0} s  {:>3} over  {line}\n",
                begun.elapsed().as_secs_f64(),
                bar.position()
            ));
            next += LINE;
        }
    }
    let lanes = gateway.lanes();
    seen.sent = lanes.iter().map(|lane| lane.sent).sum();
    seen.limited = lanes.iter().map(|lane| lane.limited).sum();
    seen
}

/// All lanes in one line: who waits, and the pace and the state of the one with the most to do.
fn line(lanes: &[LaneGlance]) -> String {
    let waiting: usize = lanes.iter().map(|lane| lane.waiting).sum();
    let in_flight: u32 = lanes.iter().map(|lane| lane.in_flight).sum();
    let Some(busiest) = lanes.iter().max_by_key(|lane| lane.sent) else { return "no lane yet".to_owned() };
    let pace = busiest.pace.map_or_else(|| "no limit known".to_owned(), |pace| format!("{pace:.0} calls/s"));
    let paused = busiest.paused_for.map(|left| format!(", paused for {:.1} s", left.as_secs_f64()));
    format!(
        "{waiting} wait, {in_flight} under way, {pace}, breaker {}{}",
        busiest.breaker,
        paused.unwrap_or_default()
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_line_tells_what_the_busiest_lane_does_and_who_waits_anywhere() {
        let lane = |sent, waiting| LaneGlance {
            upstream: "groq".to_owned(),
            model: None,
            waiting,
            in_flight: 1,
            pace: Some(39.6),
            breaker: "open",
            paused_for: Some(Duration::from_millis(1_200)),
            sent,
            limited: 0,
            failed: 0,
        };
        let idle = LaneGlance { pace: None, breaker: "closed", paused_for: None, ..lane(1, 2) };
        let told = line(&[lane(9, 20), idle.clone()]);
        assert_eq!(told, "22 wait, 2 under way, 40 calls/s, breaker open, paused for 1.2 s");
        assert_eq!(line(&[idle]), "2 wait, 1 under way, no limit known, breaker closed");
        assert_eq!(line(&[]), "no lane yet");
    }
}
