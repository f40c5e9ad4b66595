//! A streamed answer, event by event.

use aplomb_core::sse;
use bytes::Bytes;
use serde_json::Value;

/// The events of a good stream.
#[derive(Debug)]
pub(in crate::mock) struct Streamed {
    /// Each as it goes over the wire, without what separates the elements of an array.
    pub(in crate::mock) events: Vec<Bytes>,
    /// How many at the end say that the answer is complete.
    pub(in crate::mock) closing: usize,
    /// How the events are framed.
    pub(in crate::mock) frame: Frame,
}

/// What the events of a stream are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::mock) enum Frame {
    /// Server-sent events.
    Events,
    /// The elements of one JSON array.
    Array,
}

impl Streamed {
    /// Server-sent events without names.
    pub(super) fn unnamed(events: &[Value], end: Option<&str>, closing: usize) -> Self {
        let data = events.iter().map(Value::to_string).chain(end.map(str::to_owned));
        let events = data.map(|data| sse::write(None, &data)).collect();
        Self { events, closing, frame: Frame::Events }
    }

    /// Server-sent events that are named as their `type` says.
    pub(super) fn named(events: &[Value], closing: usize) -> Self {
        let one = |event: &Value| sse::write(event["type"].as_str(), &event.to_string());
        Self { events: events.iter().map(one).collect(), closing, frame: Frame::Events }
    }

    /// The elements of an array.
    pub(super) fn array(events: &[Value]) -> Self {
        let events: Vec<Bytes> = events.iter().map(|event| Bytes::from(event.to_string())).collect();
        Self { closing: 1, events, frame: Frame::Array }
    }
}
