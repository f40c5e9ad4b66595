//! Bodies that are forms: fields of text and files, turned into the object that a schema speaks of.

use std::collections::BTreeMap;

use memchr::memmem;
use serde_json::{Map, Value};

use crate::percent;
use crate::validate::types::{self, Types, VALUES};
use crate::validate::{json, media};

const ENCODED: &str = "application/x-www-form-urlencoded";
const PARTS: &str = "multipart/form-data";

/// How the fields of a form are read.
#[derive(Debug)]
pub(super) struct Form {
    fields: BTreeMap<String, Types>,
    others: Types,
}

/// A field as it was sent.
struct Sent {
    name: String,
    text: String,
    is_json: bool,
}

impl Form {
    /// The form that a body's schema describes; absent where the body is none, or is written in a way of its own.
    pub(super) fn read(root: &Value, essence: &str, at: &str) -> Option<Self> {
        if ![ENCODED, PARTS].contains(&essence) {
            return None;
        }
        let ways = root.pointer(&format!("{at}/encoding")).and_then(Value::as_object);
        let own =
            |way: &Value| ["style", "explode", "allowReserved"].iter().any(|key| way.get(*key).is_some());
        if ways.is_some_and(|ways| ways.values().any(own)) {
            return None;
        }
        let (fields, others) = types::of_fields(root, &format!("{at}/schema"));
        // An object's members stand apart in such a form, under names of their own.
        let apart = essence == ENCODED && fields.values().any(|field| field.object);
        (!apart).then_some(Self { fields, others })
    }

    /// What a body of this type says, as an object.
    ///
    /// # Errors
    /// It is no such form.
    pub(super) fn value(&self, content_type: &str, body: &[u8]) -> Result<Value, String> {
        let sent = match media::parameter(content_type, "boundary") {
            Some(boundary) => parts(&boundary, body)
                .map_err(|told| format!("the body is not valid multipart/form-data: {told}"))?,
            None if content_type.trim_start().to_ascii_lowercase().starts_with(PARTS) => {
                return Err("the body's content type names no boundary".to_owned());
            }
            None => {
                let text = String::from_utf8_lossy(body);
                let all = percent::pairs(&text).take(VALUES + 1);
                all.map(|(name, text)| Sent { name, text, is_json: false }).collect()
            }
        };
        if sent.len() > VALUES {
            return Err(format!("the form has more than {VALUES} fields"));
        }
        let mut by_name: BTreeMap<String, Vec<Sent>> = BTreeMap::new();
        for one in sent {
            by_name.entry(one.name.clone()).or_default().push(one);
        }
        let members = by_name.into_iter().filter_map(|(name, sent)| {
            let value = member(self.fields.get(&name).unwrap_or(&self.others), &sent)?;
            Some((name, value))
        });
        Ok(Value::Object(members.collect::<Map<_, _>>()))
    }
}

/// A field's value; none for an empty one that is no text: browsers send what nobody filled in.
///
/// One that is sent several times is a list, whatever it should be: nobody knows which of them the API would take.
fn member(types: &Types, sent: &[Sent]) -> Option<Value> {
    match sent {
        [only] if !types.array || types.is_text() => one(types, only),
        [only] if only.is_json => json::read(only.text.as_bytes()).ok().or_else(|| one(types, only)),
        _ => {
            let (plain, items) = (Types::default(), types.items.as_deref());
            Some(sent.iter().filter_map(|sent| one(items.unwrap_or(&plain), sent)).collect())
        }
    }
}

fn one(types: &Types, sent: &Sent) -> Option<Value> {
    if sent.text.is_empty() && !types.is_text() {
        return None;
    }
    let read =
        (types.object || (sent.is_json && !types.is_text())).then(|| json::read(sent.text.as_bytes()).ok());
    Some(read.flatten().unwrap_or_else(|| types.read(&sent.text)))
}

/// The parts of a body (RFC 7578).
fn parts(boundary: &str, body: &[u8]) -> Result<Vec<Sent>, &'static str> {
    const CUT: &str = "it ends before its last boundary";
    let line = format!("\r\n--{boundary}");
    let first = line.trim_start().as_bytes();
    let mut rest = match body.strip_prefix(first) {
        Some(rest) => rest,
        // What stands before the first boundary is for nobody.
        None => after(body, line.as_bytes()).ok_or("its boundary stands nowhere")?.1,
    };
    let mut sent = Vec::new();
    while !rest.starts_with(b"--") {
        let (_, head) = after(rest, b"\r\n").ok_or(CUT)?;
        let (head, content) = match head.strip_prefix(b"\r\n") {
            Some(content) => (&b""[..], content),
            None => after(head, b"\r\n\r\n").ok_or(CUT)?,
        };
        let (content, next) = after(content, line.as_bytes()).ok_or(CUT)?;
        sent.push(part(head, content).ok_or("a part has no name")?);
        if sent.len() > VALUES {
            break;
        }
        rest = next;
    }
    Ok(sent)
}

fn part(head: &[u8], content: &[u8]) -> Option<Sent> {
    let head = String::from_utf8_lossy(head);
    let header = |wanted: &str| {
        let mut rows = head.split("\r\n").filter_map(|row| row.split_once(':'));
        rows.find(|(name, _)| name.trim().eq_ignore_ascii_case(wanted)).map(|(_, value)| value.trim())
    };
    let name = media::parameter(header("content-disposition")?, "name")?;
    let is_json =
        header("content-type").and_then(media::essence).is_some_and(|essence| media::is_json(&essence));
    Some(Sent { name, text: String::from_utf8_lossy(content).into_owned(), is_json })
}

/// What stands before a mark, and what behind it.
fn after<'b>(bytes: &'b [u8], mark: &[u8]) -> Option<(&'b [u8], &'b [u8])> {
    let at = memmem::find(bytes, mark)?;
    Some((&bytes[..at], &bytes[at + mark.len()..]))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    fn form(essence: &str) -> Form {
        let root = json!({ "b": { "schema": { "$ref": "#/s" } }, "s": {
            "properties": {
                "name": { "type": "string" },
                "age": { "anyOf": [{ "type": "integer" }, { "type": "null" }] },
                "on": { "type": "boolean" },
                "tags": { "type": "array", "items": { "type": "integer" } },
                "more": if essence == PARTS { json!({ "type": "object" }) } else { json!({}) },
            },
            "additionalProperties": { "type": "number" },
        } });
        Form::read(&root, essence, "/b").unwrap()
    }

    #[test]
    fn an_encoded_form_is_what_its_schema_says() {
        let told = form(ENCODED).value(ENCODED, b"name=5+a%26b&age=7&on=true&tags=1&tags=2&x=1.5&more=1");
        let want = json!({ "name": "5 a&b", "age": 7, "on": true, "tags": [1, 2], "x": 1.5, "more": "1" });
        assert_eq!(told, Ok(want));
        let told = form(ENCODED).value(ENCODED, b"name=&age=&on=perhaps&tags=3");
        assert_eq!(told, Ok(json!({ "name": "", "on": "perhaps", "tags": [3] })));
        let told = form(ENCODED).value(ENCODED, b"age=7&age=8&more=1&more=2");
        assert_eq!(told, Ok(json!({ "age": ["7", "8"], "more": ["1", "2"] })));
    }

    #[test]
    fn parts_are_read_with_files_and_json_among_them() {
        let kind = "multipart/form-data; charset=utf-8; boundary=\"a b\"";
        let body = b"for nobody\r\n--a b\r\nContent-Disposition: form-data; name=\"name\"; filename=\"x;y.txt\"\r\n\
            Content-Type: text/plain\r\n\r\nline\r\nline\r\n--a b\r\ncontent-disposition: form-data; name=age\r\n\r\n7\r\n\
            --a b\r\nContent-Disposition: form-data; name=\"more\"\r\nContent-Type: application/json\r\n\r\n{\"a\":1}\r\n--a b--\r\n";
        let want = json!({ "name": "line\r\nline", "age": 7, "more": { "a": 1 } });
        assert_eq!(form(PARTS).value(kind, body), Ok(want));
        for broken in [&b""[..], b"--a b\r\n", b"--a b\r\n\r\nx\r\n--a b--", &body[..body.len() - 8]] {
            let told = form(PARTS).value(kind, broken).unwrap_err();
            assert!(told.starts_with("the body is not valid multipart/form-data"), "{told}");
        }
        assert!(form(PARTS).value("multipart/form-data", body).unwrap_err().contains("boundary"));
    }

    #[test]
    fn a_form_in_a_way_of_its_own_is_not_looked_into() {
        let root = |encoding: Value, field: Value| json!({ "encoding": encoding, "schema": { "properties": { "a": field } } });
        let own = root(json!({ "a": { "style": "deepObject" } }), json!({ "type": "string" }));
        assert!(Form::read(&own, PARTS, "").is_none());
        assert!(Form::read(&root(json!({}), json!({ "type": "object" })), ENCODED, "").is_none());
        assert!(Form::read(&own, "text/plain", "").is_none());
        let many = "a=1&".repeat(VALUES + 1);
        assert!(form(ENCODED).value(ENCODED, many.as_bytes()).is_err());
    }

    proptest! {
        #[test]
        fn no_bytes_break_it(body in proptest::collection::vec(any::<u8>(), 0..300), cut in 0usize..120) {
            let whole = b"--b\r\nContent-Disposition: form-data; name=\"name\"\r\n\r\nx\r\n--b--";
            let mixed = [&whole[..cut.min(whole.len())], &body[..]].concat();
            let _told = form(PARTS).value("multipart/form-data; boundary=b", &mixed);
            let _told = form(ENCODED).value(ENCODED, &body);
        }
    }
}
