//! Objects as languages print them: JSON, Python's `repr`, Node's `inspect`, Ruby, Rust's `Debug`, Java's `toString`.

use serde_json::{Map, Number, Value};

mod quoted;

/// How deep an object may be nested.
const MAX_DEPTH: usize = 64;

/// Reads the value that the text begins with, and gives the number of bytes that it takes.
///
/// What a cut left open is closed where the text ends. `None` where the text begins with no such value.
pub(super) fn parse(text: &str) -> Option<(Value, usize)> {
    let mut reader = Reader { text, at: 0, depth: 0 };
    let value = reader.value(Bare::Word)?;
    Some((value, reader.at))
}

/// How far a value without quotes reaches.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Bare {
    /// To the next comma.
    Word,
    /// To a comma before another `key=`: Java prints texts without quotes.
    Sentence,
}

struct Reader<'t> {
    text: &'t str,
    at: usize,
    depth: usize,
}

impl<'t> Reader<'t> {
    fn rest(&self) -> &'t str {
        &self.text[self.at..]
    }

    fn skip_space(&mut self) {
        self.at = self.text.len() - self.rest().trim_start().len();
    }

    fn peek(&self) -> Option<char> {
        self.rest().chars().next()
    }

    fn take(&mut self, token: &str) -> bool {
        let there = self.rest().starts_with(token);
        self.at += if there { token.len() } else { 0 };
        there
    }

    fn value(&mut self, bare: Bare) -> Option<Value> {
        if self.depth >= MAX_DEPTH {
            return None;
        }
        self.depth += 1;
        self.skip_space();
        let value = match self.peek()? {
            '{' => self.object(),
            '[' if self.is_placeholder() => self.placeholder(),
            '[' => self.list(']'),
            '(' => self.list(')').map(unwrap_single),
            '<' => Some(self.opaque()),
            '"' | '\'' | '`' => self.strings().map(Value::from),
            c if c.is_ascii_digit() || matches!(c, '-' | '+') => self.number().or_else(|| self.bare(bare)),
            c if is_name(c) && bare == Bare::Sentence => self.bare(bare),
            c if is_name(c) => self.word(bare),
            _ => None,
        };
        self.depth -= 1;
        value
    }

    fn object(&mut self) -> Option<Value> {
        self.at += 1;
        let mut object = Map::new();
        loop {
            self.skip_space();
            match self.peek() {
                None => return (!object.is_empty()).then_some(Value::Object(object)),
                Some('}') => {
                    self.at += 1;
                    return Some(Value::Object(object));
                }
                Some(',') => self.at += 1,
                Some(_) => {
                    let Some((key, value)) = self.member()? else {
                        return (!object.is_empty()).then_some(Value::Object(object));
                    };
                    object.insert(key, value);
                }
            }
        }
    }

    /// A key and its value; `Some(None)` where the text ends before it is whole.
    #[expect(clippy::option_option, reason = "no member, the end of the text and a member are three things")]
    fn member(&mut self) -> Option<Option<(String, Value)>> {
        let key = self.key()?;
        self.skip_space();
        let bare = match self.peek() {
            None => return Some(None),
            _ if self.take("=>") || self.take(":") => Bare::Word,
            _ if self.take("=") => Bare::Sentence,
            Some(_) => return None,
        };
        self.skip_space();
        if self.rest().is_empty() {
            return Some(None);
        }
        Some(Some((key, self.value(bare)?)))
    }

    fn key(&mut self) -> Option<String> {
        self.take(":");
        match self.peek()? {
            '"' | '\'' | '`' => self.strings(),
            '[' => {
                let end = self.rest().find(']')? + 1;
                let key = self.rest()[..end].to_owned();
                self.at += end;
                Some(key)
            }
            _ => {
                let rest = self.rest();
                let end =
                    rest.find(|c: char| !is_name(c) && !matches!(c, '-' | '.' | '@')).unwrap_or(rest.len());
                self.at += end;
                (end > 0).then(|| rest[..end].to_owned())
            }
        }
    }

    fn list(&mut self, close: char) -> Option<Value> {
        self.at += 1;
        let mut items = Vec::new();
        loop {
            self.skip_space();
            match self.peek() {
                None => return (!items.is_empty()).then_some(Value::Array(items)),
                Some(',') => self.at += 1,
                Some(c) if c == close => {
                    self.at += 1;
                    return Some(Value::Array(items));
                }
                Some(_) => items.push(self.value(Bare::Word)?),
            }
        }
    }

    /// Node's `[Object]`, `[Function: name]`, `[Circular *1]`.
    fn is_placeholder(&self) -> bool {
        const WORDS: [&str; 7] =
            ["[Object", "[Array", "[Function", "[Circular", "[Getter", "[Symbol", "[AsyncFunction"];
        WORDS.iter().any(|word| self.rest().starts_with(word))
    }

    fn placeholder(&mut self) -> Option<Value> {
        self.at += self.rest().find(']')? + 1;
        Some(Value::Null)
    }

    /// Python's `<Response [429]>`.
    fn opaque(&mut self) -> Value {
        let rest = self.rest();
        let end = rest.find('>').map_or(rest.len(), |end| end + 1);
        self.at += end;
        Value::from(&rest[..end])
    }

    fn number(&mut self) -> Option<Value> {
        let rest = self.rest();
        let end = rest
            .find(|c: char| !c.is_ascii_digit() && !matches!(c, '-' | '+' | '.' | 'e' | 'E' | '_'))
            .unwrap_or(rest.len());
        let text = rest[..end].trim_end_matches('.').replace('_', "");
        let follows = rest[end..].chars().next();
        if follows.is_some_and(|c| is_name(c) || c == ':') {
            return None;
        }
        let number: Number = serde_json::from_str(text.trim_start_matches('+')).ok()?;
        self.at += end;
        Some(Value::Number(number))
    }

    /// A name: a constant, the prefix of a text, a wrapper such as `Some(…)`, or a type before its members.
    fn word(&mut self, bare: Bare) -> Option<Value> {
        let rest = self.rest();
        let end = rest.find(|c: char| !is_name(c) && c != '.').unwrap_or(rest.len());
        let (name, after) = (&rest[..end], rest[end..].trim_start());
        let constant = match name {
            "null" | "None" | "nil" | "undefined" | "NaN" | "nan" | "Infinity" | "inf" => Some(Value::Null),
            "true" | "True" => Some(Value::from(true)),
            "false" | "False" => Some(Value::from(false)),
            _ => None,
        };
        if let Some(constant) = constant
            && !after.starts_with(['(', '{'])
        {
            self.at += end;
            return Some(constant);
        }
        if after.starts_with(['"', '\'']) && matches!(name, "b" | "u" | "r" | "f" | "rb" | "br") {
            self.at += end;
            return self.string(name.contains('b')).map(Value::from);
        }
        if after.starts_with(['(', '{']) {
            self.at += end;
            self.skip_space();
            return self.wrapper();
        }
        self.bare(bare)
    }

    /// `Some(x)` is `x`, `Headers(2) {…}` and `Error {…}` are the object.
    fn wrapper(&mut self) -> Option<Value> {
        if self.peek() == Some('{') {
            return self.object();
        }
        let inner = unwrap_single(self.list(')')?);
        let mark = self.at;
        self.skip_space();
        if self.peek() == Some('{') {
            return self.object();
        }
        self.at = mark;
        Some(inner)
    }

    /// Text without quotes, up to where the member must end.
    fn bare(&mut self, bare: Bare) -> Option<Value> {
        let rest = self.rest();
        let ends = |(at, c): (usize, char)| match c {
            '}' | ']' | ')' => true,
            '\n' | ',' if bare == Bare::Word => true,
            ',' => next_is_key(&rest[at + 1..]),
            _ => false,
        };
        let end = rest.char_indices().find(|found| ends(*found)).map_or(rest.len(), |(at, _)| at);
        self.at += end;
        let text = rest[..end].trim();
        match text {
            "null" => Some(Value::Null),
            "" => None,
            text => Some(Value::from(text)),
        }
    }
}

/// Whether `key=` comes next.
fn next_is_key(text: &str) -> bool {
    let text = text.trim_start();
    let end = text.find(|c: char| !is_name(c) && c != '-').unwrap_or(text.len());
    end > 0 && text[end..].starts_with('=')
}

fn is_name(c: char) -> bool {
    c.is_alphanumeric() || c == '_' || c == '$'
}

fn unwrap_single(value: Value) -> Value {
    match value {
        Value::Array(mut items) if items.len() == 1 => items.remove(0),
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn read(text: &str) -> Value {
        parse(text).unwrap().0
    }

    #[test]
    fn objects_of_many_languages_are_read() {
        for (printed, meant) in [
            (
                r#"{"a": [1, 2.5, -3e2, true, null], "b": {}}"#,
                json!({"a": [1, 2.5, -300.0, true, null], "b": {}}),
            ),
            (
                r#"{'a': "it's", 'b': 'say "x"', 'c': 'it\'s "x"\n'}"#,
                json!({"a": "it's", "b": "say \"x\"", "c": "it's \"x\"\n"}),
            ),
            (
                "{'a': None, 'b': True, 'c': (1, 'x'), 'd': ('y',), 'e': nan}",
                json!({"a": null, "b": true, "c": [1, "x"], "d": "y", "e": null}),
            ),
            (r"{'a': '\xe4\u20ac\U0001f600', 'b': b'\xc3\xa4'}", json!({"a": "ä€😀", "b": "ä"})),
            (
                "{ error: { message: 'one ' +\n 'two', list: [Array], f: [Function: x] } }",
                json!({"error": {"message": "one two", "list": null, "f": null}}),
            ),
            ("{'a' 'b': 'c' 'd'}", json!({"ab": "cd"})),
            (
                "{\"error\"=>{\"message\"=>\"x\", :code=>nil}}",
                json!({"error": {"message": "x", "code": null}}),
            ),
            (
                r#"ApiError { message: "x", type: Some("y"), code: Some(String("z")), param: None }"#,
                json!({"message": "x", "type": "y", "code": "z", "param": null}),
            ),
            (
                "{error={message=Slow down, please. Try later, type=rate_limit_error}, type=error}",
                json!({"error": {"message": "Slow down, please. Try later", "type": "rate_limit_error"}, "type": "error"}),
            ),
            ("Headers(2) { 'retry-after' => '5', id: undefined }", json!({"retry-after": "5", "id": null})),
            (
                "{'status': <HTTPStatus.OK: 200>, 'at': datetime(2024, 1)}",
                json!({"status": "<HTTPStatus.OK: 200>", "at": [2024, 1]}),
            ),
        ] {
            assert_eq!(read(printed), meant, "{printed}");
        }
    }

    #[test]
    fn what_a_cut_left_open_is_closed() {
        assert_eq!(
            read("{'error': {'message': 'Rate limit re"),
            json!({"error": {"message": "Rate limit re"}})
        );
        assert_eq!(read("{'a': 1, 'b"), json!({"a": 1}));
        assert_eq!(read("{'a': 1, 'b':"), json!({"a": 1}));
    }

    #[test]
    fn what_is_no_object_is_none() {
        for text in ["", "{", "{ if (x) }", "}", "{a b c}", &"[".repeat(1000), &"{a:".repeat(1000)] {
            assert_eq!(parse(text), None, "{text}");
        }
    }

    #[test]
    fn the_value_ends_where_it_ends() {
        assert_eq!(parse("{'a': 1} and more").unwrap().1, 8);
    }
}
