//! Two providers and the gateway before them, configured as the example is.

use std::fs;
use std::io::{BufReader, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use aplomb_gateway::mock::{Hints, Mock, MockHandle, MockSettings, Seen};
use serde_json::json;

use super::heard::Heard;
use crate::answer::read;
use crate::call::folder;
use crate::serving::Serving;

const EXAMPLE: &str = include_str!("../../../../../examples/failover/aplomb.toml");

/// The timeouts of the example in these tests: a tenth.
pub(super) const TIMEOUT: Duration = Duration::from_secs(1);

/// What the callers say: sixty words, which come back in the answer.
const WORDS: &str = "word ";
const COUNT: usize = 60;

/// Two providers and a gateway, until it is dropped.
pub(super) struct Stand {
    primary: MockHandle,
    fallback: MockHandle,
    gateway: Serving,
}

impl Stand {
    /// Starts them for one test.
    pub(super) fn start(test: &str) -> Self {
        let (primary, fallback) = (mock(), mock());
        let folder = folder(&format!("failover-{test}"));
        let config = [
            ("http://127.0.0.1:4200", primary.url().as_str()),
            ("http://127.0.0.1:4201", fallback.url().as_str()),
            ("\"10s\"", "\"1s\""),
        ]
        .iter()
        .fold(EXAMPLE.to_owned(), |text, (theirs, ours)| {
            assert!(text.contains(theirs), "the example no longer has {theirs}");
            text.replace(theirs, ours)
        });
        fs::write(folder.join("aplomb.toml"), config).unwrap();
        let variables = [("FALLBACK_API_KEY", "sk-fallback"), ("APLOMB_LOG", "warn")];
        let gateway = Serving::start(&folder, "aplomb.toml", &variables);
        Self { primary, fallback, gateway }
    }

    /// A caller asks for a stream, while the first provider does this.
    pub(super) fn ask(&self, scenario: &str) -> Heard {
        let body = body(&format!("mock:{scenario}"));
        let begun = Instant::now();
        let stream = TcpStream::connect(self.gateway.address).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(30))).unwrap();
        let mut reader = BufReader::new(stream);
        let request = format!(
            "POST /v1/chat/completions HTTP/1.1\r\nhost: localhost\r\nauthorization: Bearer sk-caller\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n{body}",
            body.len()
        );
        reader.get_mut().write_all(request.as_bytes()).unwrap();
        let answer = read(&mut reader).unwrap_or_else(|error| panic!("{scenario}: {error}"));
        Heard::of(&answer, begun.elapsed())
    }

    /// What the first provider saw.
    pub(super) fn primary(&self) -> Vec<Seen> {
        self.primary.log()
    }

    /// What the fallback saw.
    pub(super) fn fallback(&self) -> Vec<Seen> {
        self.fallback.log()
    }

    /// How many requests either saw.
    pub(super) fn attempts(&self) -> (usize, usize) {
        (self.primary().len(), self.fallback().len())
    }
}

/// What is asked of a model.
pub(super) fn body(model: &str) -> String {
    let words = WORDS.repeat(COUNT);
    json!({
        "model": model,
        "stream": true,
        "stream_options": { "include_usage": true },
        "messages": [{ "role": "user", "content": words.trim_end() }],
    })
    .to_string()
}

/// The whole answer.
pub(super) fn whole() -> String {
    format!("This is a mock; it heard you say: {}", WORDS.repeat(COUNT).trim_end())
}

/// A provider that tells no more of its limits than the benchmark's.
fn mock() -> MockHandle {
    let mut settings = MockSettings::new(aplomb_core::catalog().get("openai").unwrap());
    settings.hints = Hints::RetryAfter;
    Mock::start(settings).unwrap()
}
