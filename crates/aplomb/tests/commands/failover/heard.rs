//! What a careful caller makes of a streamed chat completion.

use std::time::Duration;

use serde_json::Value;

use super::stand::whole;
use crate::answer::Answer;

/// An answer as its caller understood it.
#[derive(Debug)]
pub(super) struct Heard {
    pub(super) status: u16,
    /// All words of the answer.
    pub(super) text: String,
    /// The model that the events name.
    pub(super) model: Option<String>,
    /// How often usage was told.
    pub(super) usages: usize,
    /// Why the model stopped, if it said so.
    pub(super) finish: Option<String>,
    /// An error, as a body or in the stream.
    pub(super) error: Option<Value>,
    /// Events that can't be read.
    pub(super) garbage: usize,
    /// How long it took.
    pub(super) took: Duration,
}

impl Heard {
    /// Reads an answer to its end.
    pub(super) fn of(answer: &Answer, took: Duration) -> Self {
        let mut heard = Self {
            status: answer.status,
            text: String::new(),
            model: None,
            usages: 0,
            finish: None,
            error: None,
            garbage: 0,
            took,
        };
        let text = String::from_utf8_lossy(&answer.body);
        if let Ok(body) = serde_json::from_str::<Value>(&text) {
            heard.error = body.get("error").cloned();
            return heard;
        }
        let data = text.lines().filter_map(|line| line.strip_prefix("data: "));
        for data in data.filter(|data| *data != "[DONE]") {
            match serde_json::from_str(data) {
                Ok(event) => heard.take(&event),
                Err(_) => heard.garbage += 1,
            }
        }
        heard
    }

    fn take(&mut self, event: &Value) {
        if !event["error"].is_null() {
            self.error = Some(event["error"].clone());
        }
        if let Some(model) = event["model"].as_str() {
            self.model = Some(model.to_owned());
        }
        self.usages += usize::from(event["usage"].is_object());
        let choice = &event["choices"][0];
        self.text += choice["delta"]["content"].as_str().unwrap_or_default();
        if let Some(reason) = choice["finish_reason"].as_str() {
            self.finish = Some(reason.to_owned());
        }
    }

    /// Nothing is missing, nothing is there twice, and nothing is wrong.
    #[track_caller]
    pub(super) fn assert_whole(&self) {
        let Self { status, text, usages, finish, error, garbage, .. } = self;
        assert_eq!((*status, error.as_ref(), *garbage), (200, None, 0), "{self:?}");
        assert_eq!((text, finish.as_deref(), *usages), (&whole(), Some("stop"), 1), "{self:?}");
    }
}
