//! The model that a request names: found and replaced where the dialect keeps it, without touching anything else.

use aplomb_core::spec::{ModelPlace, Path};
use bytes::Bytes;
use memchr::memmem;
use serde_json::Value;

/// Whether a member of a JSON body is true. A body that doesn't hold the name at all costs no parse.
pub(crate) fn is_true(body: Option<&Bytes>, path: &Path) -> bool {
    let (Some(body), Some(name)) = (body, path.parts().last()) else { return false };
    if memmem::find(body, name.as_bytes()).is_none() {
        return false;
    }
    let Ok(value) = serde_json::from_slice::<Value>(body) else { return false };
    path.first(&value) == Some(&Value::Bool(true))
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
    let members: Members<'_> = serde_json::from_slice(body).ok()?;
    let raw = members.0.into_iter().rev().find(|(key, _)| key == name)?.1.get();
    let start = raw.as_ptr().addr().checked_sub(body.as_ptr().addr())?;
    Some((start, start + raw.len()))
}

/// The members of an object with their values as text, in order.
struct Members<'a>(Vec<(String, &'a serde_json::value::RawValue)>);

impl<'de> serde::Deserialize<'de> for Members<'de> {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Visitor;
        impl<'de> serde::de::Visitor<'de> for Visitor {
            type Value = Members<'de>;

            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: serde::de::MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let mut members = Vec::new();
                while let Some(member) = map.next_entry()? {
                    members.push(member);
                }
                Ok(Members(members))
            }
        }
        deserializer.deserialize_map(Visitor)
    }
}

/// Where the value of a multipart field stands.
fn form_span(body: &Bytes, field: &str) -> Option<(usize, usize)> {
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
