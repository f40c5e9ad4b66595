//! Asking for usage: a streamed request is made to tell how many tokens it took, where the API must be asked for it.

use aplomb_core::spec::Endpoint;
use bytes::Bytes;

use crate::model::member;

/// A streamed request whose answer tells its usage, as far as the API can tell it.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Asked {
    /// The body, with the member that asks for usage set to true; no other byte is touched.
    pub(crate) body: Bytes,
    /// The caller didn't ask: what is there for the usage alone is not for it.
    pub(crate) withhold: bool,
}

/// Makes a streamed request ask for its usage. One that can't be read stays as it is.
pub(crate) fn ask(endpoint: Option<&Endpoint>, body: &Bytes) -> Asked {
    let place = endpoint.and_then(|endpoint| endpoint.usage_request.as_ref());
    match place.and_then(|path| set_true(body, path.parts())) {
        Some(text) => Asked { body: text.into(), withhold: true },
        None => Asked { body: body.clone(), withhold: false },
    }
}

/// The object with this member set to true; nothing if it is already, or if this is no object.
fn set_true(object: &[u8], path: &[String]) -> Option<Vec<u8>> {
    let (name, below) = path.split_first()?;
    let at = object.iter().position(|byte| !byte.is_ascii_whitespace()).filter(|at| object[*at] == b'{')? + 1;
    let Some(value) = member(object, name) else {
        // Not there, or not readable: what can't be read is left alone.
        serde_json::from_slice::<serde::de::IgnoredAny>(object).ok()?;
        let comma = if object[at..].trim_ascii_start().starts_with(b"}") { "" } else { "," };
        let member = format!("{}:{}{comma}", serde_json::Value::from(name.as_str()), nested(below));
        return Some([&object[..at], member.as_bytes(), &object[at..]].concat());
    };
    let text = value.get().as_bytes();
    let new = match below {
        [] if text == b"true" => return None,
        below if text.starts_with(b"{") => set_true(text, below)?,
        below => nested(below).into_bytes(),
    };
    let start = text.as_ptr().addr().checked_sub(object.as_ptr().addr())?;
    Some([&object[..start], &new, &object[start + text.len()..]].concat())
}

/// `true`, inside of an object for each name.
fn nested(names: &[String]) -> String {
    names.iter().rev().fold("true".to_owned(), |value, name| {
        format!("{{{}:{value}}}", serde_json::Value::from(name.as_str()))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asked(body: &'static str) -> Asked {
        let openai = aplomb_core::catalog().get("openai").unwrap();
        ask(openai.endpoint("POST", "/v1/chat/completions"), &Bytes::from_static(body.as_bytes()))
    }

    #[test]
    fn the_member_is_set_and_no_other_byte_is_touched() {
        for (body, told) in [
            (
                "{ \"x\": 1.50, \"stream\":true }",
                "{\"stream_options\":{\"include_usage\":true}, \"x\": 1.50, \"stream\":true }",
            ),
            (" {}", " {\"stream_options\":{\"include_usage\":true}}"),
            (
                "{\"stream_options\" : null, \"a\": {\"stream_options\": 1}}",
                "{\"stream_options\" : {\"include_usage\":true}, \"a\": {\"stream_options\": 1}}",
            ),
            (
                "{\"stream_options\": { \"include_obfuscation\": false }}",
                "{\"stream_options\": {\"include_usage\":true, \"include_obfuscation\": false }}",
            ),
            (
                "{\"stream_options\": { \"include_usage\": false, \"b\": 2}}",
                "{\"stream_options\": { \"include_usage\": true, \"b\": 2}}",
            ),
        ] {
            assert_eq!(asked(body), Asked { body: Bytes::from_static(told.as_bytes()), withhold: true });
        }
    }

    #[test]
    fn who_asked_already_or_can_not_be_asked_for_stays_as_it_is() {
        for body in ["{\"stream_options\": {\"include_usage\": true}}", "[1]", "not json", "", "{\"a\": "] {
            assert_eq!(asked(body), Asked { body: Bytes::from_static(body.as_bytes()), withhold: false });
        }
        let body = Bytes::from_static(b"{\"stream\":true}");
        let mistral = aplomb_core::catalog().get("mistral").unwrap();
        for endpoint in [None, mistral.endpoint("POST", "/v1/chat/completions")] {
            assert_eq!(ask(endpoint, &body), Asked { body: body.clone(), withhold: false });
        }
    }
}
