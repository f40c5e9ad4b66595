//! Which shape a request is answered in, and the facts that every shape needs.

use std::time::{SystemTime, UNIX_EPOCH};

use aplomb_core::Dialect;
use serde_json::Value;

use super::streamed::Streamed;
use super::{chat, cohere, echo, embeddings, gemini, messages, prompt, responses};
use crate::mock::asked::Asked;

/// A good answer.
#[derive(Debug)]
pub(in crate::mock) enum Answer {
    /// In one piece.
    Whole(Value),
    /// As a stream.
    Stream(Streamed),
}

/// What an answer is made from.
pub(super) struct Subject<'a> {
    pub(super) json: &'a Value,
    pub(super) model: &'a str,
    pub(super) reply: String,
    pub(super) created: u64,
    pub(super) tokens_in: u64,
    pub(super) tokens_out: u64,
    number: &'a str,
}

impl Subject<'_> {
    /// An id of the API's own form, unique within this mock.
    pub(super) fn id(&self, prefix: &str) -> String {
        format!("{prefix}_{}", self.number)
    }
}

/// The good answer to a request; `id` is the request's own.
pub(in crate::mock) fn answer(dialect: &Dialect, asked: &Asked, id: &str, now: SystemTime) -> Answer {
    let shape = asked.endpoint.and_then(|endpoint| endpoint.mock.as_deref());
    let (Some(shape), Some(json)) = (shape, &asked.json) else {
        return Answer::Whole(echo::whole(dialect, asked));
    };
    let reply = prompt::reply(&prompt::last_words(json));
    let subject = Subject {
        json,
        model: asked.model.as_deref().unwrap_or("mock"),
        created: now.duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs()),
        tokens_in: prompt::tokens(asked.body.len()),
        tokens_out: prompt::tokens(reply.len()),
        reply,
        number: id.strip_prefix("req_").unwrap_or(id),
    };
    let streams = asked.streams();
    match (shape, streams) {
        ("chat", false) => Answer::Whole(chat::whole(&subject)),
        ("chat", true) => Answer::Stream(chat::stream(&subject)),
        ("responses", false) => Answer::Whole(responses::whole(&subject)),
        ("responses", true) => Answer::Stream(responses::stream(&subject)),
        ("messages", false) => Answer::Whole(messages::whole(&subject)),
        ("messages", true) => Answer::Stream(messages::stream(&subject)),
        ("gemini", false) => Answer::Whole(gemini::whole(&subject)),
        ("gemini", true) => Answer::Stream(gemini::stream(&subject, asked.param("alt") == Some("sse"))),
        ("cohere", false) => Answer::Whole(cohere::whole(&subject)),
        ("cohere", true) => Answer::Stream(cohere::stream(&subject)),
        ("embeddings", _) => Answer::Whole(embeddings::whole(&subject)),
        _ => Answer::Whole(echo::whole(dialect, asked)),
    }
}
