//! JSON read strictly: a name stands once in an object, and there is a bound on what a few bytes may become.

use std::cell::Cell;
use std::fmt;

use serde::de::{DeserializeSeed, Error as _, MapAccess, SeqAccess, Visitor};
use serde_json::error::Category;
use serde_json::{Map, Number, Value};

/// The most values in one body. Where a schema allows several forms, each value that is wrong in all of them leaves an
/// error of some hundred bytes behind, and none of those can be cut short: this bounds what a body becomes to some
/// 100 MB at the worst, on one request at a time of each thread. Long conversations have some thousands.
const VALUES: usize = 200_000;

/// The longest name that is repeated to its sender.
const NAME: usize = 64;

/// Reads a body. Depth is bounded by serde_json, to 128.
///
/// A name that stands twice is refused: readers differ about which one counts, and what was checked here must be what
/// the upstream reads.
///
/// # Errors
/// What is wrong, with line and column.
pub(super) fn read(body: &[u8]) -> Result<Value, String> {
    let left = Cell::new(VALUES);
    let mut reader = serde_json::Deserializer::from_slice(body);
    let read = Strict(&left).deserialize(&mut reader);
    let value = read.and_then(|value| reader.end().map(|()| value));
    value.map_err(|error| match error.classify() {
        Category::Data => format!("the body is JSON that is not taken here: {error}"),
        Category::Syntax | Category::Eof | Category::Io => format!("the body is not valid JSON: {error}"),
    })
}

struct Strict<'l>(&'l Cell<usize>);

impl<'de> DeserializeSeed<'de> for Strict<'_> {
    type Value = Value;

    fn deserialize<D: serde::Deserializer<'de>>(self, reader: D) -> Result<Value, D::Error> {
        let Some(left) = self.0.get().checked_sub(1) else {
            return Err(D::Error::custom(format!("it holds more than {VALUES} values")));
        };
        self.0.set(left);
        reader.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Strict<'_> {
    type Value = Value;

    fn expecting(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("a JSON value")
    }

    fn visit_bool<E>(self, is: bool) -> Result<Value, E> {
        Ok(Value::Bool(is))
    }

    fn visit_i64<E>(self, number: i64) -> Result<Value, E> {
        Ok(Value::from(number))
    }

    fn visit_u64<E>(self, number: u64) -> Result<Value, E> {
        Ok(Value::from(number))
    }

    fn visit_f64<E>(self, number: f64) -> Result<Value, E> {
        Ok(Number::from_f64(number).map_or(Value::Null, Value::Number))
    }

    fn visit_str<E>(self, text: &str) -> Result<Value, E> {
        Ok(Value::from(text))
    }

    fn visit_string<E>(self, text: String) -> Result<Value, E> {
        Ok(Value::String(text))
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Value, A::Error> {
        let mut out = Vec::new();
        while let Some(item) = items.next_element_seed(Strict(self.0))? {
            out.push(item);
        }
        Ok(Value::Array(out))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<Value, A::Error> {
        let mut out = Map::new();
        while let Some(name) = members.next_key::<String>()? {
            if out.contains_key(&name) {
                let shown: String = name.chars().take(NAME).collect();
                return Err(A::Error::custom(format!("the name '{shown}' stands twice in one object")));
            }
            let value = members.next_value_seed(Strict(self.0))?;
            out.insert(name, value);
        }
        Ok(Value::Object(out))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    fn told(body: &str) -> String {
        read(body.as_bytes()).unwrap_err()
    }

    #[test]
    fn what_is_wrong_is_told_with_line_and_column() {
        assert_eq!(
            told("{\n  \"a\": 1,\n}"),
            "the body is not valid JSON: trailing comma at line 3 column 1"
        );
        assert_eq!(told("{} x"), "the body is not valid JSON: trailing characters at line 1 column 4");
        assert!(told("").ends_with("line 1 column 0"));
        assert!(told("{\"a\": 1e999}").contains("line 1"));
    }

    #[test]
    fn a_name_stands_once() {
        assert!(
            told("{\"model\": 1,\n\"m\\u006fdel\": 2}")
                .contains("'model' stands twice in one object at line 2")
        );
        assert_eq!(read(br#"{"a": {"b": 1}, "b": 2}"#).unwrap(), json!({"a": {"b": 1}, "b": 2}));
    }

    #[test]
    fn what_is_deep_or_many_is_refused() {
        assert!(told(&"[".repeat(100_000)).contains("recursion limit"));
        let many = format!("[{}0]", "0,".repeat(VALUES));
        assert!(told(&many).contains("more than 200000 values"));
    }

    proptest! {
        #[test]
        fn it_reads_what_serde_json_reads(text in r#"[\[\]{}"a:,0-9.e truefalsnl\\]{0,40}"#) {
            if let Ok(value) = read(text.as_bytes()) {
                prop_assert_eq!(serde_json::from_str::<Value>(&text).unwrap(), value);
            }
        }
    }
}
