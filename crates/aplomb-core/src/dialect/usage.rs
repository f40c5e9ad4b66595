//! Usage: how many tokens an answer took. What else stands in it is passed over, not built.

use std::fmt;

use memchr::memmem;
use serde::de::{DeserializeSeed, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::Value;

use crate::spec::usage::{Sum, UsagePlaces};
use crate::spec::{Dialect, Path};

/// How many tokens an answer took, as far as it says so.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Usage {
    /// Of the request.
    pub input: Option<u64>,
    /// Of the answer.
    pub output: Option<u64>,
    /// Of both, as the API counts them.
    pub total: Option<u64>,
}

impl Usage {
    /// All tokens: as the API says, else what is known of request and answer.
    pub fn tokens(&self) -> u64 {
        self.total.unwrap_or_else(|| self.input.unwrap_or(0).saturating_add(self.output.unwrap_or(0)))
    }

    /// Takes over what is told later: numbers in a stream are counted from its beginning.
    fn follow(&mut self, later: Self) {
        self.input = later.input.or(self.input);
        self.output = later.output.or(self.output);
        self.total = later.total.or(self.total);
    }
}

/// The usage that a whole answer tells. An answer without the words for it costs no parse.
pub fn usage(dialect: &Dialect, body: &[u8]) -> Option<Usage> {
    read(dialect.usage.as_ref()?, body)
}

/// Counts what the events of a stream tell.
#[derive(Debug)]
pub(super) struct Counter<'a> {
    places: &'a UsagePlaces,
    /// With nothing in this list, an event with usage is there for that alone; absent if none is to be found out.
    alone: Option<&'a Path>,
    told: Option<Usage>,
}

impl<'a> Counter<'a> {
    pub(super) fn new(places: &'a UsagePlaces, alone: Option<&'a Path>) -> Self {
        Self { places, alone, told: None }
    }

    /// What was told so far.
    pub(super) fn told(&self) -> Option<Usage> {
        self.told
    }

    /// Takes the data of an event; whether it is there for the usage alone.
    pub(super) fn take(&mut self, data: &[u8]) -> bool {
        let Some(usage) = read(self.places, data) else { return false };
        self.told.get_or_insert_default().follow(usage);
        let Some(alone) = self.alone else { return false };
        let list = pick(&[alone.parts()], data);
        list.as_ref()
            .and_then(|value| alone.first(value))
            .is_some_and(|list| *list == Value::Array(Vec::new()))
    }
}

fn read(places: &UsagePlaces, text: &[u8]) -> Option<Usage> {
    if !places.names.iter().any(|name| memmem::find(text, name.as_bytes()).is_some()) {
        return None;
    }
    let paths: Vec<&[String]> = places.paths().map(Path::parts).collect();
    let picked = pick(&paths, text)?;
    let first = |sums: &[Sum]| sums.iter().find_map(|sum| add(sum, &picked));
    let usage =
        Usage { input: first(&places.input), output: first(&places.output), total: first(&places.total) };
    (usage != Usage::default()).then_some(usage)
}

fn add(sum: &Sum, value: &Value) -> Option<u64> {
    let (first, others) = sum.0.split_first()?;
    let number = |path: &Path| path.first(value)?.as_u64();
    let start = number(first)?;
    Some(others.iter().filter_map(number).fold(start, u64::saturating_add))
}

/// A copy of the JSON with nothing in it but what these paths lead to.
fn pick(paths: &[&[String]], text: &[u8]) -> Option<Value> {
    let mut json = serde_json::Deserializer::from_slice(text);
    Pick(paths).deserialize(&mut json).ok()
}

/// Builds what the paths lead to, and passes over the rest.
struct Pick<'p>(&'p [&'p [String]]);

impl<'de> DeserializeSeed<'de> for Pick<'_> {
    type Value = Value;

    fn deserialize<D: Deserializer<'de>>(self, json: D) -> Result<Value, D::Error> {
        json.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Pick<'_> {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Value, A::Error> {
        let mut picked = serde_json::Map::new();
        while let Some(name) = map.next_key::<std::borrow::Cow<'de, str>>()? {
            let below: Vec<&[String]> = self
                .0
                .iter()
                .filter_map(|path| path.split_first())
                .filter(|(head, _)| **head == name)
                .map(|(_, tail)| tail)
                .collect();
            let value = match below.as_slice() {
                [] => {
                    map.next_value::<IgnoredAny>()?;
                    continue;
                }
                below if below.iter().any(|tail| tail.is_empty()) => map.next_value()?,
                below => map.next_value_seed(Pick(below))?,
            };
            picked.insert(name.into_owned(), value);
        }
        Ok(Value::Object(picked))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Value, A::Error> {
        while list.next_element::<IgnoredAny>()?.is_some() {}
        Ok(Value::Null)
    }

    fn visit_str<E>(self, _: &str) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_bool<E>(self, _: bool) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_u64<E>(self, _: u64) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_i64<E>(self, _: i64) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_f64<E>(self, _: f64) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }
}

#[cfg(test)]
mod tests {
    use std::time::SystemTime;

    use bytes::Bytes;
    use proptest::prelude::*;

    use super::*;
    use crate::dialect::StreamReader;

    fn told(dialect: &str, body: &str) -> Option<(Option<u64>, Option<u64>, Option<u64>)> {
        let dialect = crate::catalog().get(dialect).unwrap();
        usage(dialect, body.as_bytes()).map(|usage| (usage.input, usage.output, usage.total))
    }

    #[test]
    fn every_api_tells_it_in_its_own_place() {
        let cases = [
            (
                "openai",
                r#"{"choices":[{"text":"\"prompt_tokens\""}],"usage":{"prompt_tokens":3,"completion_tokens":2,"total_tokens":5}}"#,
                (Some(3), Some(2), Some(5)),
            ),
            (
                "openai",
                r#"{"output":[],"usage":{"input_tokens":7,"output_tokens":1,"total_tokens":8}}"#,
                (Some(7), Some(1), Some(8)),
            ),
            (
                "openai",
                r#"{"data":[],"usage":{"prompt_tokens":4,"total_tokens":4}}"#,
                (Some(4), None, Some(4)),
            ),
            (
                "anthropic",
                r#"{"content":[],"usage":{"input_tokens":5,"cache_creation_input_tokens":10,"cache_read_input_tokens":90,"output_tokens":6}}"#,
                (Some(15), Some(6), None),
            ),
            (
                "gemini",
                r#"{"candidates":[],"usageMetadata":{"promptTokenCount":8,"candidatesTokenCount":2,"thoughtsTokenCount":30,"totalTokenCount":40}}"#,
                (Some(8), Some(32), Some(40)),
            ),
            (
                "cohere",
                r#"{"usage":{"billed_units":{"input_tokens":1,"output_tokens":2},"tokens":{"input_tokens":60,"output_tokens":3}}}"#,
                (Some(60), Some(3), None),
            ),
            (
                "mistral",
                r#"{"usage":{"prompt_tokens":3,"completion_tokens":null,"total_tokens":5}}"#,
                (Some(3), None, Some(5)),
            ),
        ];
        for (dialect, body, usage) in cases {
            assert_eq!(told(dialect, body), Some(usage), "{dialect} {body}");
        }
    }

    #[test]
    fn an_answer_that_does_not_tell_it_tells_nothing() {
        for body in [
            r#"{"choices":[]}"#,
            r#"{"usage":null}"#,
            r#"{"usage":{"prompt_tokens":null}}"#,
            r#"{"choices":[{"text":"{\"usage\":{\"prompt_tokens\":3}}"}]}"#,
            r#"{"inner":{"usage":{"prompt_tokens":3}}}"#,
            r#"{"usage":{"prompt_tokens":-3}}"#,
            r#"[{"usage":{"prompt_tokens":3}}]"#,
            r#"{"usage":{"prompt_tokens":3"#,
            r#""prompt_tokens""#,
            "",
        ] {
            assert_eq!(told("openai", body), None, "{body}");
        }
        assert_eq!(told("problem", r#"{"usage":{"prompt_tokens":3}}"#), None);
    }

    #[test]
    fn all_tokens_are_the_apis_own_count_or_the_sum() {
        let usage = Usage { input: Some(3), output: Some(2), total: None };
        assert_eq!(usage.tokens(), 5);
        assert_eq!(Usage { total: Some(9), ..usage }.tokens(), 9);
    }

    /// What passes of a stream, and the usage that it told.
    fn streamed(dialect: &str, form: &str, withhold: bool, text: &str) -> (String, Option<Usage>) {
        let catalog = crate::catalog();
        let dialect = catalog.get(dialect).unwrap();
        let mut reader = StreamReader::new(catalog, dialect, dialect.stream(form)).counting(withhold);
        let mut passed = Vec::new();
        for chunk in text.as_bytes().chunks(50) {
            let seen = reader.feed(Bytes::copy_from_slice(chunk), SystemTime::UNIX_EPOCH);
            assert_eq!((seen.failure, seen.skipped), (None, 0));
            passed.extend(seen.pass);
        }
        (String::from_utf8(passed.concat()).unwrap(), reader.usage())
    }

    #[test]
    fn a_stream_tells_it_in_its_events() {
        let cases = [
            (
                "anthropic",
                "messages",
                "event: message_start\ndata: {\"type\":\"message_start\",\"message\":{\"usage\":{\"input_tokens\":25,\"output_tokens\":1}}}\n\n\
                 event: message_delta\ndata: {\"type\":\"message_delta\",\"usage\":{\"output_tokens\":15}}\n\n",
                Usage { input: Some(25), output: Some(15), total: None },
            ),
            (
                "openai",
                "responses",
                "event: response.completed\ndata: {\"response\":{\"usage\":{\"input_tokens\":1,\"output_tokens\":2,\"total_tokens\":3}}}\n\n",
                Usage { input: Some(1), output: Some(2), total: Some(3) },
            ),
            (
                "gemini",
                "gemini",
                "data: {\"usageMetadata\":{\"promptTokenCount\":4,\"totalTokenCount\":4}}\r\n\r\n\
                 data: {\"usageMetadata\":{\"promptTokenCount\":4,\"candidatesTokenCount\":6,\"totalTokenCount\":10}}\r\n\r\n",
                Usage { input: Some(4), output: Some(6), total: Some(10) },
            ),
            (
                "cohere",
                "events",
                "event: message-end\ndata: {\"delta\":{\"usage\":{\"tokens\":{\"input_tokens\":9,\"output_tokens\":1}}}}\n\n",
                Usage { input: Some(9), output: Some(1), total: None },
            ),
            (
                "groq",
                "chat",
                "data: {\"choices\":[{\"finish_reason\":\"stop\"}],\"x_groq\":{\"usage\":{\"prompt_tokens\":3,\"completion_tokens\":1,\"total_tokens\":4}}}\n\n",
                Usage { input: Some(3), output: Some(1), total: Some(4) },
            ),
        ];
        for (dialect, form, text, usage) in cases {
            for withhold in [false, true] {
                let (passed, told) = streamed(dialect, form, withhold, text);
                assert_eq!((passed.as_str(), told), (text, Some(usage)), "{dialect} {form}");
            }
        }
    }

    #[test]
    fn an_event_for_the_usage_alone_is_withheld_from_who_did_not_ask() {
        let filter = "data: {\"choices\":[],\"prompt_filter_results\":[],\"usage\":null}\n\n";
        let stop = "data: {\"choices\":[{\"finish_reason\":\"stop\"}],\"usage\":null}\n\n";
        let usage = "data: {\"choices\":[],\"usage\":{\"prompt_tokens\":3,\"completion_tokens\":2,\"total_tokens\":5}}\n\n";
        let done = "data: [DONE]\n\n";
        let text = [filter, stop, usage, done].concat();
        let told = Some(Usage { input: Some(3), output: Some(2), total: Some(5) });
        assert_eq!(streamed("openai", "chat", false, &text), (text.clone(), told));
        assert_eq!(streamed("openai", "chat", true, &text), ([filter, stop, done].concat(), told));
    }

    fn json() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![
            Just(Value::Null),
            any::<u32>().prop_map(Value::from),
            ".{0,5}".prop_map(Value::from)
        ];
        leaf.prop_recursive(4, 40, 4, |inner| {
            let name = prop_oneof![Just("usage".to_owned()), Just("prompt_tokens".to_owned()), "[a-c]"];
            prop_oneof![
                proptest::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
                proptest::collection::vec((name, inner), 0..4)
                    .prop_map(|members| Value::Object(members.into_iter().collect())),
            ]
        })
    }

    proptest! {
        #[test]
        fn what_is_picked_is_what_a_full_parse_finds(body in json()) {
            let openai = crate::catalog().get("openai").unwrap();
            let found = body.pointer("/usage/prompt_tokens").and_then(Value::as_u64);
            prop_assert_eq!(usage(openai, body.to_string().as_bytes()).and_then(|usage| usage.input), found);
        }
    }
}
