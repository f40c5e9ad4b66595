//! The model that a request names: found and replaced where the dialect keeps it, without touching anything else.

use std::borrow::Cow;
use std::fmt;

use aplomb_core::spec::{ModelPlace, Path};
use bytes::Bytes;
use memchr::memmem;
use serde::Deserializer;
use serde::de::{DeserializeSeed, IgnoredAny, MapAccess, Visitor};
use serde_json::Value;
use serde_json::value::RawValue;

use crate::percent;

/// Whether a member of a JSON body is true. A body that doesn't hold the name at all costs no parse.
pub(crate) fn is_true(body: Option<&Bytes>, path: &Path) -> bool {
    let (Some(body), Some(name)) = (body, path.parts().last()) else { return false };
    if memmem::find(body, name.as_bytes()).is_none() {
        return false;
    }
    if let [name] = path.parts() {
        return member(body, name).is_some_and(|value| value.get() == "true");
    }
    let Ok(value) = serde_json::from_slice::<Value>(body) else { return false };
    path.first(&value) == Some(&Value::Bool(true))
}

/// The model that a request names: in its path (with the query, where an API keeps it there), else in its body.
pub(crate) fn named<'a>(place: &ModelPlace, path: &'a str, body: &'a [u8]) -> Option<Cow<'a, str>> {
    let in_path = || place.path.as_ref().and_then(|pattern| pattern.regex().captures(path)?.name("model"));
    if let Some(found) = in_path() {
        return Some(unescape(found.as_str()));
    }
    match body.trim_ascii_start().first()? {
        b'{' => {
            let [name] = place.pointer.as_ref()?.parts() else { return None };
            text(member(body, name)?)
        }
        b'-' => {
            let (start, end) = form_span(body, place.form.as_deref()?)?;
            str::from_utf8(&body[start..end]).ok().map(Cow::Borrowed)
        }
        _ => None,
    }
}

/// A request that names another model, as path and body.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Renamed {
    /// The path, changed if the model stands there.
    pub(crate) path: String,
    /// The body, changed if the model stands there.
    pub(crate) body: Bytes,
}

/// Puts another model where the dialect keeps it. What doesn't name a model stays as it is.
pub(crate) fn rename(place: &ModelPlace, path: &str, body: &Bytes, model: &str) -> Renamed {
    Renamed { path: in_path(place, path, model), body: in_body(place, body, model) }
}

fn in_path(place: &ModelPlace, path: &str, model: &str) -> String {
    let found = place.path.as_ref().and_then(|pattern| pattern.regex().captures(path)?.name("model"));
    match found {
        Some(old) => [&path[..old.start()], &escape(model), &path[old.end()..]].concat(),
        None => path.to_owned(),
    }
}

/// A path segment as a model's name; what is no encoding of text stays as it is.
fn unescape(segment: &str) -> Cow<'_, str> {
    if !segment.contains('%') {
        return Cow::Borrowed(segment);
    }
    String::from_utf8(percent::decoded(segment)).map_or(Cow::Borrowed(segment), Cow::Owned)
}

/// A model's name as a path segment.
fn escape(model: &str) -> String {
    let mut out = String::with_capacity(model.len());
    for byte in model.bytes() {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'_' | b'.' | b'~' | b'@' => {
                out.push(char::from(byte))
            }
            other => out.push_str(&format!("%{other:02X}")),
        }
    }
    out
}

fn in_body(place: &ModelPlace, body: &Bytes, model: &str) -> Bytes {
    let json = place.pointer.as_ref().and_then(|pointer| span(body, pointer));
    let form = || place.form.as_deref().and_then(|field| form_span(body, field));
    let (start, end, text) = match (json, form()) {
        (Some((start, end)), _) => (start, end, Value::from(model).to_string()),
        (None, Some((start, end))) => (start, end, model.to_owned()),
        (None, None) => return body.clone(),
    };
    Bytes::from([&body[..start], text.as_bytes(), &body[end..]].concat())
}

/// Where the value of a top-level member stands in a JSON object; deeper pointers are not needed by any API.
fn span(body: &Bytes, pointer: &Path) -> Option<(usize, usize)> {
    let [name] = pointer.parts() else { return None };
    let raw = member(body, name)?.get();
    let start = raw.as_ptr().addr().checked_sub(body.as_ptr().addr())?;
    Some((start, start + raw.len()))
}

/// A member of a JSON object as it is written. Of several with one name the last one counts, as everywhere; nothing
/// else is built on the way.
pub(crate) fn member<'a>(body: &'a [u8], name: &str) -> Option<&'a RawValue> {
    let mut reader = serde_json::Deserializer::from_slice(body);
    let found = reader.deserialize_map(Member(name)).ok()?;
    reader.end().ok()?;
    found
}

/// A JSON string without its quotes; nothing else is text.
fn text(value: &RawValue) -> Option<Cow<'_, str>> {
    #[derive(serde::Deserialize)]
    struct Text<'a>(#[serde(borrow)] Cow<'a, str>);
    serde_json::from_str(value.get()).ok().map(|Text(text)| text)
}

/// Finds a member by its name.
struct Member<'n>(&'n str);

impl<'de> Visitor<'de> for Member<'_> {
    type Value = Option<&'de RawValue>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut found = None;
        while let Some(is) = map.next_key_seed(Is(self.0))? {
            match is {
                true => found = Some(map.next_value()?),
                false => drop(map.next_value::<IgnoredAny>()?),
            }
        }
        Ok(found)
    }
}

/// Compares a name without keeping it.
struct Is<'n>(&'n str);

impl<'de> DeserializeSeed<'de> for Is<'_> {
    type Value = bool;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<bool, D::Error> {
        deserializer.deserialize_str(self)
    }
}

impl Visitor<'_> for Is<'_> {
    type Value = bool;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a name")
    }

    fn visit_str<E: serde::de::Error>(self, name: &str) -> Result<bool, E> {
        Ok(name == self.0)
    }
}

/// Where the value of a multipart field stands.
fn form_span(body: &[u8], field: &str) -> Option<(usize, usize)> {
    let name = format!("name=\"{field}\"");
    let at = memmem::find(body, name.as_bytes())?;
    let start = at + memmem::find(&body[at..], b"\r\n\r\n")? + 4;
    let end = start + memmem::find(&body[start..], b"\r\n--")?;
    Some((start, end))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn openai() -> &'static ModelPlace {
        aplomb_core::catalog().get("openai").unwrap().model.as_ref().unwrap()
    }

    #[test]
    fn only_the_models_bytes_change() {
        let body = Bytes::from_static(
            b"{ \"x\": 1.50, \"model\" : \"old\",\n \"messages\": [{\"model\": \"inner\"}] }",
        );
        let renamed = rename(openai(), "/v1/chat/completions", &body, "new \"one\"");
        assert_eq!(
            renamed.body,
            &b"{ \"x\": 1.50, \"model\" : \"new \\\"one\\\"\",\n \"messages\": [{\"model\": \"inner\"}] }"[..]
        );
        assert_eq!(renamed.path, "/v1/chat/completions");
    }

    #[test]
    fn a_form_field_is_replaced() {
        let body = Bytes::from_static(
            b"--b\r\nContent-Disposition: form-data; name=\"model\"\r\n\r\nwhisper-1\r\n--b--\r\n",
        );
        let renamed = rename(openai(), "/v1/audio/transcriptions", &body, "large");
        assert_eq!(
            &renamed.body[..],
            b"--b\r\nContent-Disposition: form-data; name=\"model\"\r\n\r\nlarge\r\n--b--\r\n"
        );
    }

    #[test]
    fn a_body_without_a_model_stays_as_it_is() {
        let body = Bytes::from_static(b"not json");
        assert_eq!(rename(openai(), "/x", &body, "m").body, body);
    }

    #[test]
    fn the_model_is_read_where_it_is_replaced() {
        let place = |name: &str| aplomb_core::catalog().get(name).unwrap().model.as_ref().unwrap();
        for (dialect, path, body, model) in [
            (
                "openai",
                "/v1/chat/completions",
                r#" {"x": {"model": "inner"}, "model": "gpt-5"}"#,
                Some("gpt-5"),
            ),
            (
                "openai",
                "/v1/chat/completions",
                r#"{"model": "first", "mod\u0065l": "l\u0061st"}"#,
                Some("last"),
            ),
            ("openai", "/v1/chat/completions", r#"{"model": 5}"#, None),
            ("openai", "/v1/chat/completions", r#"{"model": "cut"#, None),
            ("openai", "/v1/chat/completions", r#"{"model": "a"} {"#, None),
            ("openai", "/v1/chat/completions", r#"["model"]"#, None),
            ("openai", "/v1/models", "", None),
            (
                "openai",
                "/v1/audio",
                "--b\r\nx: y; name=\"model\"\r\n\r\nwhisper-1\r\n--b--",
                Some("whisper-1"),
            ),
            ("gemini", "/v1beta/models/gemini-3:generateContent", "{}", Some("gemini-3")),
            ("bedrock", "/model/arn%3Aaws%2Fx/invoke", "{}", Some("arn:aws/x")),
            ("bedrock", "/model/%ff%zz/invoke", "{}", Some("%ff%zz")),
            ("deepgram", "/v1/listen?x=1&model=nova-3", "", Some("nova-3")),
            ("azure", "/openai/deployments/mine/x", r#"{"model": "theirs"}"#, Some("mine")),
        ] {
            assert_eq!(named(place(dialect), path, body.as_bytes()).as_deref(), model, "{path} {body}");
        }
    }

    #[test]
    fn a_name_is_borrowed_from_the_body() {
        let named = named(openai(), "/", br#"{"model": "gpt-5"}"#);
        assert!(matches!(named, Some(Cow::Borrowed("gpt-5"))));
    }

    #[test]
    fn only_true_is_true() {
        let path = Path::parse("/stream").unwrap();
        let is = |text: &'static str| is_true(Some(&Bytes::from_static(text.as_bytes())), &path);
        assert!(is(r#"{"stream": true}"#));
        assert!(
            !is(r#"{"stream": false}"#)
                && !is(r#"{"prompt": "stream"}"#)
                && !is("{")
                && !is_true(None, &path)
        );
    }
}
