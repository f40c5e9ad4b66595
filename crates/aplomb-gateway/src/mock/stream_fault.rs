//! Answers that break once they have begun: a stream after some events, anything else in the middle of its body.

use std::time::Duration;

use aplomb_core::spec::StreamForm;
use bytes::Bytes;

use super::answer::{Frame, Streamed};
use super::refusal::Voice;
use super::scenario::{Break, Said, What};
use super::script::Step;

/// Long enough that what was sent before a break has left; a reset would take it along otherwise.
const SETTLE: Duration = Duration::from_millis(20);

/// What can't be read in the place of an event.
const GARBAGE: &str = "{\"choices\": [{\"delta\": {\"content\": \"tru";

/// How a stream is played.
pub(super) struct Playing<'a> {
    pub(super) voice: &'a Voice<'a>,
    pub(super) form: Option<&'a StreamForm>,
    pub(super) pace: Duration,
}

impl Playing<'_> {
    /// The steps of a stream, broken or not.
    pub(super) fn steps(&self, stream: Streamed, fault: Option<(&Break, usize)>, said: &Said) -> Vec<Step> {
        let frame = stream.frame;
        let Some((how, after)) = fault else { return self.paced(frame, stream.events, true) };
        let mut events = stream.events;
        let kept = match (how, after) {
            (Break::NoTerminal, 0) => events.len() - stream.closing,
            (Break::NoTerminal, missing) => events.len().saturating_sub(missing),
            _ => after.min(events.len()),
        };
        let rest = events.split_off(kept);
        let mut steps = match how {
            Break::Malformed => {
                events.push(malformed(frame));
                events.extend(rest);
                return self.paced(frame, events, true);
            }
            Break::ErrorEvent(what) => {
                events.push(self.error(frame, *what, said));
                return self.paced(frame, events, true);
            }
            Break::BareError(what) => {
                let mut steps = self.paced(frame, events, false);
                steps.push(Step::Send(self.voice.refuse(*what, said).body.into()));
                return steps;
            }
            Break::NoTerminal => return self.paced(frame, events, true),
            Break::Cut => {
                let half = rest.first().map(|event| event.slice(..event.len() / 2));
                let mut steps = self.paced(frame, events, false);
                steps.extend(half.map(Step::Send));
                steps
            }
            Break::Stall | Break::Reset => self.paced(frame, events, false),
        };
        steps.extend(ending(how));
        steps
    }

    /// Events one by one, in their frame.
    fn paced(&self, frame: Frame, events: Vec<Bytes>, ends: bool) -> Vec<Step> {
        let mut steps = Vec::with_capacity(2 * events.len() + 1);
        for (number, event) in events.into_iter().enumerate() {
            if number > 0 && !self.pace.is_zero() {
                steps.push(Step::Wait(self.pace));
            }
            let before = match (frame, number) {
                (Frame::Events, _) => "",
                (Frame::Array, 0) => "[",
                (Frame::Array, _) => ",\r\n",
            };
            steps.push(Step::Send(if before.is_empty() {
                event
            } else {
                [before.as_bytes(), &event].concat().into()
            }));
        }
        if ends && frame == Frame::Array {
            steps.push(Step::Send(Bytes::from_static(b"]")));
        }
        steps
    }

    fn error(&self, frame: Frame, what: What, said: &Said) -> Bytes {
        match frame {
            Frame::Events => self.voice.event(self.form, what, said).into(),
            Frame::Array => self.voice.refuse(what, said).body.into(),
        }
    }
}

fn malformed(frame: Frame) -> Bytes {
    match frame {
        Frame::Events => Bytes::from(format!("data: {GARBAGE}\n\n")),
        Frame::Array => Bytes::from(GARBAGE),
    }
}

/// The steps of a body that is no stream, broken in its middle.
pub(super) fn broken_body(body: &Bytes, how: &Break) -> Vec<Step> {
    let half = body.len() / 2;
    let mut steps = vec![Step::Send(body.slice(..half))];
    match how {
        Break::Malformed => {
            let rest = body.len() - half;
            steps.push(Step::Send(Bytes::from("\u{0}".repeat(rest))));
        }
        _ => steps.extend(ending(how)),
    }
    steps
}

/// How the connection ends.
fn ending(how: &Break) -> Vec<Step> {
    match how {
        Break::Cut => vec![Step::Wait(SETTLE), Step::Cut],
        Break::Reset => vec![Step::Wait(SETTLE), Step::Reset],
        Break::Stall => vec![Step::Hang],
        Break::Malformed | Break::NoTerminal | Break::ErrorEvent(_) | Break::BareError(_) => Vec::new(),
    }
}
