//! Truncated JSON: what was said before the cut.

use serde_json::Value;

/// How deep a truncated document may be nested.
const MAX_DEPTH: usize = 64;

/// Closes what a cut left open: the last complete member counts, the one in the middle only if it is text.
///
/// `None` when it is no beginning of JSON.
pub(super) fn truncated(text: &str) -> Option<Value> {
    let mut scan = Scan { stack: Vec::new(), in_string: false, escaped: false };
    let mut boundaries = Vec::new();
    for (at, c) in text.char_indices() {
        if !scan.step(c)? {
            return None;
        }
        if !scan.in_string && matches!(c, ',' | '{' | '[') {
            boundaries.push((at + usize::from(c != ','), scan.stack.clone()));
        }
    }
    let whole = close(text, scan.in_string, scan.escaped, &scan.stack);
    if let Ok(value) = serde_json::from_str(&whole) {
        return Some(value);
    }
    // The cut went through a name or a number: go back to the last place where something was complete.
    boundaries
        .iter()
        .rev()
        .take(8)
        .find_map(|(at, stack)| serde_json::from_str(&close(&text[..*at], false, false, stack)).ok())
}

struct Scan {
    stack: Vec<char>,
    in_string: bool,
    escaped: bool,
}

impl Scan {
    /// Whether the text can still be JSON; `None` when it is nested too deep.
    fn step(&mut self, c: char) -> Option<bool> {
        if self.in_string {
            match c {
                _ if self.escaped => self.escaped = false,
                '\\' => self.escaped = true,
                '"' => self.in_string = false,
                _ => {}
            }
            return Some(true);
        }
        match c {
            '"' => self.in_string = true,
            '{' => self.stack.push('}'),
            '[' => self.stack.push(']'),
            '}' | ']' => return Some(self.stack.pop() == Some(c)),
            _ => {}
        }
        (self.stack.len() <= MAX_DEPTH).then_some(true)
    }
}

fn close(text: &str, in_string: bool, escaped: bool, stack: &[char]) -> String {
    let mut out = text.strip_suffix('\\').filter(|_| escaped).unwrap_or(text).trim_end().to_owned();
    if in_string {
        // A cut inside `\u12` leaves an escape that can't be read.
        if let Some(at) = out.rfind("\\u")
            && out.len() - at < 6
        {
            out.truncate(at);
        }
        out.push('"');
    }
    out.extend(stack.iter().rev());
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cut_anywhere_keeps_what_was_complete() {
        let text = r#"{"error": {"message": "a \"quoted\" \u00e9 text", "code": 429, "list": [1, {"x": null}]}, "id": "r"}"#;
        for at in 2..text.len() {
            let Some(cut) = text.get(..at) else { continue };
            let value = truncated(cut).unwrap_or_else(|| panic!("nothing left of {cut}"));
            assert!(value.is_object());
            if at > 52 {
                assert!(value["error"]["message"].is_string(), "{cut}");
            }
        }
    }

    #[test]
    fn what_is_no_json_stays_none() {
        assert_eq!(truncated("{]"), None);
        assert_eq!(truncated(&"[".repeat(10_000)), None);
    }
}
