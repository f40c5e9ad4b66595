//! One call of the job, and what became of it.

use serde_json::{Value, json};

use super::wire::Answer;

/// A call: what is asked, and what a right answer says.
#[derive(Clone, Debug)]
pub(super) struct Call {
    number: usize,
    streams: bool,
    model: &'static str,
}

/// What became of a call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Fate {
    /// The right answer, whole.
    Right,
    /// The API refuses this request, and the caller knows.
    Refused(String),
    /// The answer broke off after it had begun, and the caller knows.
    BrokenOff(String),
    /// The API would have answered, but the caller was left with an error.
    GivenUp(String),
    /// The caller took something for the answer that isn't.
    Wrong(String),
}

/// What one attempt brought.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Outcome {
    /// It is over.
    Over(Fate),
    /// An SDK would ask again.
    Again(String),
}

impl Call {
    /// The job: mostly plain calls, a third of them streamed, a few whose stream always stops short without a word,
    /// and some that every API refuses.
    pub(super) fn job(calls: usize) -> Vec<Self> {
        let one = |number: usize| Self {
            number,
            streams: number % 3 == 1,
            model: match number % 48 {
                7 => "mock:no-terminal",
                15 => "mock:context_length",
                35 => "mock:content_blocked",
                _ => "demo-model",
            },
        };
        (0..calls).map(one).collect()
    }

    pub(super) fn body(&self) -> String {
        let words = self.words();
        json!({
            "model": self.model,
            "stream": self.streams,
            "messages": [{"role": "user", "content": words}],
        })
        .to_string()
    }

    fn words(&self) -> String {
        format!("call {}", self.number)
    }

    fn is_right(&self, text: &str) -> bool {
        text.ends_with(&format!(": {}", self.words()))
    }

    /// What an SDK makes of an attempt.
    pub(super) fn judge(&self, answer: Option<&Answer>) -> Outcome {
        let Some(answer) = answer else { return Outcome::Again("no answer".to_owned()) };
        if answer.status >= 400 {
            return self.judge_error(answer);
        }
        if answer.header("content-type").is_some_and(|kind| kind.starts_with("text/event-stream")) {
            return Outcome::Over(self.judge_stream(answer));
        }
        if !answer.whole {
            return Outcome::Again("the body was cut".to_owned());
        }
        Outcome::Over(self.judge_whole(answer))
    }

    fn judge_error(&self, answer: &Answer) -> Outcome {
        let told = format!("{}: {}", answer.status, message(&answer.body));
        let again = match answer.header("x-should-retry") {
            Some("true") => true,
            Some("false") => false,
            _ => matches!(answer.status, 408 | 409 | 429) || answer.status >= 500,
        };
        if again {
            Outcome::Again(told)
        } else if self.model == "demo-model" {
            Outcome::Over(Fate::GivenUp(told))
        } else {
            Outcome::Over(Fate::Refused(told))
        }
    }

    fn judge_whole(&self, answer: &Answer) -> Fate {
        let Ok(json) = serde_json::from_slice::<Value>(&answer.body) else {
            return Fate::GivenUp("200: a body that can't be read".to_owned());
        };
        match json.pointer("/choices/0/message/content").and_then(Value::as_str) {
            Some(text) if self.is_right(text) => Fate::Right,
            Some(text) => Fate::Wrong(format!("200: the answer is `{text}`")),
            None => Fate::Wrong(format!("200: no answer in {json}")),
        }
    }

    /// As SDKs read a stream: an error event raises, the end is the end.
    fn judge_stream(&self, answer: &Answer) -> Fate {
        let text = String::from_utf8_lossy(&answer.body);
        let mut said = String::new();
        for event in text.split("\n\n").filter(|event| event.contains("data:")) {
            let data = event.lines().find_map(|line| line.strip_prefix("data:")).unwrap_or_default().trim();
            if data == "[DONE]" {
                break;
            }
            let Ok(json) = serde_json::from_str::<Value>(data) else {
                return Fate::GivenUp("in the stream: an event that can't be read".to_owned());
            };
            if !json["error"].is_null() {
                return Fate::BrokenOff(format!("in the stream: {}", message(data.as_bytes())));
            }
            said.push_str(
                json.pointer("/choices/0/delta/content").and_then(Value::as_str).unwrap_or_default(),
            );
        }
        if self.is_right(&said) {
            Fate::Right
        } else if answer.whole {
            Fate::Wrong(format!("200: a stream that ends with `{said}`"))
        } else {
            Fate::BrokenOff("in the stream: the connection closed".to_owned())
        }
    }
}

/// The sentence in an error body, or its first line.
fn message(body: &[u8]) -> String {
    let json: Option<Value> = serde_json::from_slice(body).ok();
    let found = json.as_ref().and_then(|json| json.pointer("/error/message")).and_then(Value::as_str);
    let text = found.map_or_else(|| String::from_utf8_lossy(body).into_owned(), str::to_owned);
    match text.lines().next().map(str::trim) {
        None | Some("") => "(nothing)".to_owned(),
        Some(line) => line.chars().take(90).collect(),
    }
}
