//! A body on its way into bytes: what stands in a failure or in a template is pointed to, not copied.

use std::borrow::Cow;

use serde::Serialize;
use serde::ser::{SerializeMap as _, Serializer};
use serde_json::Value;

/// A JSON value that is about to be written.
#[derive(Clone, Debug)]
pub(in crate::dialect) enum Out<'a> {
    /// Nothing is known.
    Null,
    /// A text.
    Text(Cow<'a, str>),
    /// A value as it is.
    Given(Cow<'a, Value>),
    /// An object; no two members have the same name.
    Object(Vec<(Cow<'a, str>, Self)>),
    /// An array.
    Array(Vec<Self>),
}

impl<'a> Out<'a> {
    /// A text that stands elsewhere.
    pub(super) fn text(text: &'a str) -> Self {
        Self::Text(Cow::Borrowed(text))
    }

    /// A value of its own.
    pub(super) fn value(value: impl Into<Value>) -> Self {
        Self::Given(Cow::Owned(value.into()))
    }

    /// The value itself, for what outlives the failure.
    pub(in crate::dialect) fn into_value(self) -> Value {
        match self {
            Self::Null => Value::Null,
            Self::Text(text) => Value::from(text.into_owned()),
            Self::Given(value) => value.into_owned(),
            Self::Object(members) => Value::Object(
                members.into_iter().map(|(key, value)| (key.into_owned(), value.into_value())).collect(),
            ),
            Self::Array(items) => items.into_iter().map(Self::into_value).collect(),
        }
    }
}

impl Serialize for Out<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Null => serializer.serialize_unit(),
            Self::Text(text) => serializer.serialize_str(text),
            Self::Given(value) => value.serialize(serializer),
            Self::Object(members) => {
                let mut map = serializer.serialize_map(Some(members.len()))?;
                members.iter().try_for_each(|(key, value)| map.serialize_entry(key, value))?;
                map.end()
            }
            Self::Array(items) => serializer.collect_seq(items),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn what_is_written_is_the_value() {
        let literal = json!({"a": [1, null]});
        let out = Out::Object(vec![
            ("text".into(), Out::text("\"t\"\n")),
            ("given".into(), Out::Given(Cow::Borrowed(&literal))),
            ("list".into(), Out::Array(vec![Out::Null, Out::value(2)])),
        ]);
        let bytes = serde_json::to_vec(&out).unwrap();
        let value = out.into_value();
        assert_eq!(value, json!({"text": "\"t\"\n", "given": {"a": [1, null]}, "list": [null, 2]}));
        assert_eq!(bytes, serde_json::to_vec(&value).unwrap());
    }
}
