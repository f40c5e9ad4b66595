//! Regular expressions and JSON pointers as they stand in data files.

use std::sync::OnceLock;

use regex::Regex;
use serde_json::Value;

use crate::pointer;

/// A regular expression, compiled when it is first needed: most are never met in a process's life.
#[derive(Clone, Debug)]
pub struct Pattern {
    source: String,
    compiled: OnceLock<Regex>,
}

impl Pattern {
    /// The longest pattern that is accepted: a data file is no place for programs.
    const MAX: usize = 1000;

    /// Checks that it compiles, and keeps the text only.
    ///
    /// # Errors
    /// What is wrong with the pattern, as a sentence.
    pub fn checked(source: &str) -> Result<Self, String> {
        if source.len() > Self::MAX {
            return Err(format!("pattern is longer than {} characters", Self::MAX));
        }
        Regex::new(source).map_err(|err| format!("pattern does not compile: {err}"))?;
        Ok(Self::unchecked(source))
    }

    /// For a pattern that was checked when building.
    pub fn unchecked(source: &str) -> Self {
        Self { source: source.to_owned(), compiled: OnceLock::new() }
    }

    /// The pattern's text.
    pub fn source(&self) -> &str {
        &self.source
    }

    /// The compiled form.
    pub fn regex(&self) -> &Regex {
        self.compiled.get_or_init(|| Regex::new(&self.source).expect("the pattern was checked before"))
    }
}

/// A JSON pointer (RFC 6901) in which `*` stands for any element or member.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Path(Vec<String>);

impl Path {
    /// Parses `/a/*/b`.
    ///
    /// # Errors
    /// A pointer that does not begin with `/`.
    pub fn parse(text: &str) -> Result<Self, String> {
        match text.starts_with('/') {
            true => Ok(Self(pointer::parts(text).collect())),
            false => Err(format!("`{text}` is no JSON pointer: it must begin with `/`")),
        }
    }

    /// Every value that stands there, in document order.
    pub fn find<'a>(&self, root: &'a Value) -> Vec<&'a Value> {
        let mut here = vec![root];
        for part in &self.0 {
            here = here.into_iter().flat_map(|value| step(value, part)).collect();
        }
        here
    }

    /// The first value that stands there.
    pub fn first<'a>(&self, root: &'a Value) -> Option<&'a Value> {
        self.find(root).into_iter().next()
    }

    /// The names from the root, `*` included.
    pub fn parts(&self) -> &[String] {
        &self.0
    }
}

fn step<'a>(value: &'a Value, part: &str) -> Vec<&'a Value> {
    match value {
        Value::Object(members) if part == "*" => members.values().collect(),
        Value::Object(members) => members.get(part).into_iter().collect(),
        Value::Array(items) if part == "*" => items.iter().collect(),
        Value::Array(items) => part.parse::<usize>().ok().and_then(|i| items.get(i)).into_iter().collect(),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => Vec::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_star_reaches_every_element() {
        let root = serde_json::json!({"details": [{"reason": "A"}, {"other": 1}, {"reason": "B"}]});
        let path = Path::parse("/details/*/reason").unwrap();
        assert_eq!(path.find(&root), ["A", "B"]);
        assert_eq!(Path::parse("/details/2/reason").unwrap().first(&root), Some(&Value::from("B")));
    }

    #[test]
    fn a_pointer_without_a_slash_is_refused() {
        assert!(Path::parse("details").is_err());
    }
}
