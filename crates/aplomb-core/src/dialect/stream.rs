//! Streams: whether what came so far is healthy, and what went wrong when it isn't.
//!
//! Whole events pass as they are; an error event, a malformed one, a cut and a missing end are told apart.

use std::time::SystemTime;

use bytes::Bytes;
use serde::de::IgnoredAny;
use serde_json::{Value, json};

use crate::dialect::decode::decode_event;
use crate::dialect::disguised::Place;
use crate::dialect::usage::{Counter, Usage};
use crate::failure::Failure;
use crate::kind::{Fault, Kind};
use crate::spec::{Catalog, Dialect, StreamForm};
use crate::sse::{Event, Item, Splitter};

mod signs;
use signs::{holds_finish, is_done, is_terminal, may_hold};

/// Watches one streamed answer.
#[derive(Debug)]
pub struct StreamReader<'a> {
    catalog: &'a Catalog,
    dialect: &'a Dialect,
    form: Option<&'a StreamForm>,
    splitter: Splitter,
    progress: Progress,
    counter: Option<Counter<'a>>,
}

/// What was seen of the stream's end.
#[derive(Clone, Copy, Debug, Default)]
struct Progress {
    /// Healthy ones.
    events: u64,
    done: bool,
    finished: bool,
    malformed: u32,
}

/// What a chunk, or the end, brought.
#[derive(Debug, Default)]
pub struct Seen {
    /// Whole healthy events, byte for byte; usually one piece.
    pub pass: Vec<Bytes>,
    /// What went wrong; nothing that comes after it counts.
    pub failure: Option<Failure>,
    /// The event that told of it, byte for byte, where it speaks the dialect.
    pub told: Option<Bytes>,
    /// Events were left out because they could not be read.
    pub skipped: u32,
}

impl<'a> StreamReader<'a> {
    /// A reader for an answer of this dialect; without a form any SSE stream is watched by its `error` events alone.
    pub fn new(catalog: &'a Catalog, dialect: &'a Dialect, form: Option<&'a StreamForm>) -> Self {
        let (splitter, progress) = (Splitter::default(), Progress::default());
        Self { catalog, dialect, form, splitter, progress, counter: None }
    }

    /// The same, and it counts what the stream tells of its usage.
    ///
    /// `withhold`: an event that is there for the usage alone is left out, because its reader didn't ask for it.
    #[must_use]
    pub fn counting(mut self, withhold: bool) -> Self {
        let own = self.form.and_then(|form| form.usage.as_ref());
        let alone = self.form.and_then(|form| form.usage_alone.as_ref()).filter(|_| withhold);
        self.counter = own.or(self.dialect.usage.as_ref()).map(|places| Counter::new(places, alone));
        self
    }

    /// The usage that was told so far, if it is counted.
    pub fn usage(&self) -> Option<Usage> {
        self.counter.as_ref()?.told()
    }

    /// The terminal event was seen, or every choice has its finish reason: nothing that follows can fail the answer.
    pub fn is_complete(&self) -> bool {
        self.progress.done || self.progress.finished
    }

    /// The terminal event was seen: nothing more is to come.
    pub fn is_done(&self) -> bool {
        self.progress.done
    }

    /// A healthy event came, so that the upstream began to do what it was asked.
    pub fn has_begun(&self) -> bool {
        self.progress.events > 0
    }

    /// Takes the next chunk.
    pub fn feed(&mut self, chunk: Bytes, now: SystemTime) -> Seen {
        let (whole, too_long) = match self.splitter.feed(chunk) {
            Ok(whole) => (whole, false),
            Err(err) => (err.whole, true),
        };
        let mut seen = Seen::default();
        let mut from = 0;
        for part in whole.parts() {
            let is_event = matches!(part.item, Item::Event(_));
            let verdict = match part.item {
                Item::Comment(_) => Verdict::Pass,
                Item::Event(event) => match self.judge(event, now) {
                    Verdict::Pass if self.is_usage_alone(event) => Verdict::Withhold,
                    verdict => verdict,
                },
                Item::Stray(text) => self.judge_stray(text, now),
            };
            match verdict {
                Verdict::Pass => {
                    self.progress.events += u64::from(is_event);
                    continue;
                }
                Verdict::Skip => seen.skipped += 1,
                Verdict::Withhold => {}
                Verdict::Tell(failure) => {
                    seen.told = Some(whole.bytes().slice(part.range.clone()));
                    seen.failure = Some(*failure);
                }
                Verdict::Fail(failure) => seen.failure = Some(*failure),
            }
            push(&mut seen.pass, whole.bytes().slice(from..part.range.start));
            from = part.range.end;
            if seen.failure.is_some() {
                return seen;
            }
        }
        push(&mut seen.pass, whole.bytes().slice(from..));
        if too_long {
            seen.failure = Some(broken("the upstream sent an event that is too long to be read"));
        }
        seen
    }

    /// The stream ended, cleanly or by a cut.
    pub fn finish(self, cut: bool, now: SystemTime) -> Seen {
        let progress = self.progress;
        let form = self.form;
        let mut seen = Seen::default();
        let (catalog, dialect) = (self.catalog, self.dialect);
        let tail = self.splitter.finish();
        if progress.done || progress.finished {
            // A clean last event without its blank line belongs to a complete answer.
            seen.pass.extend(tail.filter(|_| !cut).map(|tail| tail.bytes().clone()));
            return seen;
        }
        if let Some(tail) = tail {
            let text = tail.stray().unwrap_or(tail.bytes());
            if let Some((failure, _)) = decode_event(catalog, dialect, text, Place::Event, now) {
                seen.failure = Some(failure);
                return seen;
            }
            if !cut && is_terminal(form, tail.bytes()) {
                seen.pass.push(tail.bytes().clone());
                return seen;
            }
        }
        let expects_end = form.is_some_and(|form| {
            form.done_data.is_some() || form.done_event.is_some() || form.finish.is_some()
        });
        seen.failure = match (cut, expects_end) {
            (true, _) => Some(broken("the upstream's stream was cut before its end")),
            (false, true) if progress.malformed > 0 => {
                Some(broken("the upstream's stream ended in an event that can't be read"))
            }
            (false, true) => Some(broken("the upstream's stream ended without its terminal event")),
            (false, false) => None,
        };
        seen
    }

    fn judge(&mut self, event: Event<'_>, now: SystemTime) -> Verdict {
        let name = event.name();
        let data = event.data().unwrap_or_default();
        let named_error = match self.form {
            Some(form) => name.is_some_and(|name| form.error_events.iter().any(|own| own == name)),
            None => name == Some("error"),
        };
        if named_error || self.form.is_some_and(|form| may_hold(&form.error_at, &data)) {
            let read = |place| decode_event(self.catalog, self.dialect, &data, place, now);
            let found = read(Place::Event).or_else(|| self.marked_error(&data, now));
            let named = || named_error.then(|| read(Place::ErrorEvent)).flatten();
            let readable = || serde_json::from_slice::<IgnoredAny>(&data).is_ok();
            match found.or_else(named) {
                Some((failure, true)) if readable() => return Verdict::Tell(Box::new(failure)),
                Some((failure, _)) => return Verdict::Fail(Box::new(failure)),
                None => {}
            }
            if named_error {
                let mut failure = broken("the upstream reported an error in its stream");
                failure.message = std::str::from_utf8(&data).ok().map(str::to_owned).or(failure.message);
                failure.fault = Fault::Upstream;
                return Verdict::Fail(Box::new(failure));
            }
        }
        if self.form.is_some_and(|form| is_done(form, name, &data)) {
            self.progress.done = true;
            return Verdict::Pass;
        }
        self.follow(&data)
    }

    /// Counts what an event tells of the usage; whether it is there for that alone.
    fn is_usage_alone(&mut self, event: Event<'_>) -> bool {
        let Some(counter) = &mut self.counter else { return false };
        event.data().is_some_and(|data| counter.take(&data))
    }

    /// The failure that a member of a larger event tells of: the event as a whole, else the object or sentence itself.
    fn marked_error(&self, data: &[u8], now: SystemTime) -> Option<(Failure, bool)> {
        let value: Value = serde_json::from_slice(data).ok()?;
        let found = self.form?.error_at.iter().flat_map(|path| path.find(&value));
        let error = json!({"error": found.into_iter().find(|error| !error.is_null())?});
        let whole = decode_event(self.catalog, self.dialect, data, Place::ErrorEvent, now);
        if let Some(found) = whole.filter(|(failure, _)| failure.message.is_some()) {
            return Some(found);
        }
        let inner = decode_event(self.catalog, self.dialect, error.to_string().as_bytes(), Place::Event, now);
        inner.map(|(failure, _)| (failure, false))
    }

    /// Follows a healthy-looking event: readable, and perhaps the last of its choice.
    fn follow(&mut self, data: &[u8]) -> Verdict {
        let Some(form) = self.form else { return Verdict::Pass };
        if data.is_empty() {
            return Verdict::Pass;
        }
        if serde_json::from_slice::<IgnoredAny>(data).is_err() {
            self.progress.malformed += 1;
            return Verdict::Skip;
        }
        if let Some(finish) = &form.finish
            && holds_finish(finish, data)
        {
            self.progress.finished = true;
        }
        Verdict::Pass
    }

    fn judge_stray(&mut self, text: &[u8], now: SystemTime) -> Verdict {
        match decode_event(self.catalog, self.dialect, text, Place::Event, now) {
            Some((failure, _)) => Verdict::Fail(Box::new(failure)),
            None => {
                self.progress.malformed += 1;
                Verdict::Skip
            }
        }
    }
}

enum Verdict {
    Pass,
    /// Healthy, but nothing that its reader asked for.
    Withhold,
    Skip,
    /// An event that says in the dialect's own words what went wrong.
    Tell(Box<Failure>),
    Fail(Box<Failure>),
}

fn push(pieces: &mut Vec<Bytes>, piece: Bytes) {
    if !piece.is_empty() {
        pieces.push(piece);
    }
}

/// A failure of the connection rather than of the API.
fn broken(message: &str) -> Failure {
    Failure::new(Kind::BadGateway).fault(Fault::Network).message(message)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run(chunks: &[&str], cut: bool) -> (String, Option<Failure>, u32) {
        let catalog = crate::catalog();
        let openai = catalog.get("openai").unwrap();
        let mut reader = StreamReader::new(catalog, openai, openai.stream("chat"));
        let now = SystemTime::UNIX_EPOCH;
        let (mut out, mut skipped) = (String::new(), 0);
        for chunk in chunks {
            let seen = reader.feed(Bytes::copy_from_slice(chunk.as_bytes()), now);
            out.extend(seen.pass.iter().map(|piece| std::str::from_utf8(piece).unwrap()));
            skipped += seen.skipped;
            if seen.failure.is_some() {
                return (out, seen.failure, skipped);
            }
        }
        let seen = reader.finish(cut, now);
        out.extend(seen.pass.iter().map(|piece| std::str::from_utf8(piece).unwrap()));
        (out, seen.failure, skipped)
    }

    const TOKEN: &str = "data: {\"choices\":[{\"delta\":{\"content\":\"a\"},\"finish_reason\":null}]}\n\n";
    const STOP: &str = "data: {\"choices\":[{\"delta\":{},\"finish_reason\":\"stop\"}]}\n\n";
    const DONE: &str = "data: [DONE]\n\n";

    #[test]
    fn a_healthy_stream_passes_byte_for_byte() {
        let all = [TOKEN, ": ping\n\n", TOKEN, STOP, DONE].concat();
        let (first, rest) = all.split_at(20);
        assert_eq!(run(&[first, rest], false), (all.clone(), None, 0));
    }

    #[test]
    fn a_cut_drops_the_unfinished_tail_and_is_the_networks_fault() {
        let (out, failure, _) = run(&[TOKEN, "data: {\"cho"], true);
        assert_eq!(out, TOKEN);
        let failure = failure.unwrap();
        assert_eq!((failure.kind, failure.fault), (Kind::BadGateway, Fault::Network));
    }

    #[test]
    fn an_end_without_a_terminal_event_is_told_from_a_finished_one() {
        assert!(run(&[TOKEN], false).1.unwrap().message.unwrap().contains("terminal event"));
        assert_eq!(run(&[TOKEN, STOP], false).1, None);
    }

    #[test]
    fn an_answer_that_reached_its_length_has_ended() {
        let catalog = crate::catalog();
        let openai = catalog.get("openai").unwrap();
        let mut reader = StreamReader::new(catalog, openai, openai.stream("responses"));
        let last = "event: response.incomplete\ndata: {\"type\":\"response.incomplete\"}\n\n";
        assert!(reader.feed(Bytes::from_static(last.as_bytes()), SystemTime::UNIX_EPOCH).failure.is_none());
        assert!(reader.is_done() && reader.finish(false, SystemTime::UNIX_EPOCH).failure.is_none());
    }

    #[test]
    fn a_malformed_event_is_left_out_when_the_rest_makes_sense() {
        let (out, failure, skipped) = run(&[TOKEN, "data: {\"choices\": [{]\n\n", TOKEN, STOP, DONE], false);
        assert_eq!(out, [TOKEN, TOKEN, STOP, DONE].concat());
        assert_eq!((failure, skipped), (None, 1));
    }

    #[test]
    fn an_error_event_is_decoded() {
        let error = "data: {\"error\":{\"message\":\"Overloaded\",\"code\":\"server_is_overloaded\",\"type\":null}}\n\n";
        let (out, failure, _) = run(&[TOKEN, error], false);
        assert_eq!(out, TOKEN);
        assert_eq!(failure.unwrap().kind, Kind::Overloaded);
    }

    #[test]
    fn the_last_event_may_tell_of_an_error_instead_of_the_end() {
        let last = "event: message-end\ndata: {\"type\":\"message-end\",\"delta\":{\"error\":\"Too many requests\",\"finish_reason\":\"ERROR\"}}\n\n";
        let catalog = crate::catalog();
        let cohere = catalog.get("cohere").unwrap();
        let mut reader = StreamReader::new(catalog, cohere, cohere.stream("events"));
        let failure =
            reader.feed(Bytes::from_static(last.as_bytes()), SystemTime::UNIX_EPOCH).failure.unwrap();
        assert_eq!((failure.kind, failure.message.as_deref()), (Kind::RateLimit, Some("Too many requests")));
    }

    #[test]
    fn an_error_in_the_dialects_own_words_is_kept_as_it_came() {
        let catalog = crate::catalog();
        let openai = catalog.get("openai").unwrap();
        let told = |text: String| {
            let mut reader = StreamReader::new(catalog, openai, openai.stream("chat"));
            reader.feed(Bytes::from(text), SystemTime::UNIX_EPOCH).told
        };
        let error = "data: {\"error\": {\"message\": \"Overloaded\"}}\n\n";
        assert_eq!(told([TOKEN, error].concat()).as_deref(), Some(error.as_bytes()));
        let foreign = "data: {\"error\": \"overloaded\"}\n\n";
        assert_eq!(told([TOKEN, foreign].concat()), None);
        let bare = "{\n  \"error\": {\"message\": \"The model is overloaded.\"}\n}\n";
        assert_eq!(told([TOKEN, bare].concat()), None);
        let cut_off = "data: {\"error\": {\"message\": \"Overload\n\n";
        assert_eq!(told([TOKEN, cut_off].concat()), None);
    }

    #[test]
    fn bare_json_in_the_middle_of_a_stream_is_an_error() {
        let bare = "{\n  \"error\": {\n    \"code\": 503,\n    \"message\": \"The model is overloaded.\",\n    \"status\": \"UNAVAILABLE\"\n  }\n}\n";
        let (_, failure, _) = run(&[TOKEN, bare], false);
        assert_eq!(failure.unwrap().kind, Kind::Overloaded);
    }

    #[test]
    fn a_text_about_errors_is_no_error() {
        let text = "data: {\"choices\":[{\"delta\":{\"content\":\"{\\\"error\\\": 1}\"},\"finish_reason\":null}]}\n\n";
        let all = [text, STOP, DONE].concat();
        assert_eq!(run(&[&all], false), (all.clone(), None, 0));
    }
}
