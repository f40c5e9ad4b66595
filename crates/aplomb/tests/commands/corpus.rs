//! The corpus of real failures, and comparing what is explained with what is true.

use std::collections::BTreeMap;

use serde_json::Value;

/// The facts that every case is labelled with.
pub(crate) const FACTS: [&str; 8] =
    ["kind", "retryable", "retry_after_s", "message", "code", "type", "param", "request_id"];

/// One real failure and what it truly means.
pub(crate) struct Case {
    pub(crate) id: String,
    pub(crate) provider: String,
    pub(crate) status: Option<u16>,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: String,
    pub(crate) truth: Value,
}

/// All of them.
pub(crate) fn cases() -> Vec<Case> {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../conformance/corpus/errors.jsonl");
    let text = std::fs::read_to_string(path).unwrap();
    let cases: Vec<Case> = text.lines().map(|line| case(serde_json::from_str(line).unwrap())).collect();
    assert!(cases.len() >= 85, "the corpus is whole");
    cases
}

fn case(line: Value) -> Case {
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    let headers = line["headers"].as_object().unwrap().iter();
    Case {
        id: text(&line["id"]),
        provider: text(&line["provider"]),
        status: line["status"].as_u64().map(|status| u16::try_from(status).unwrap()),
        headers: headers.map(|(name, value)| (name.clone(), text(value))).collect(),
        body: text(&line["body"]),
        truth: line["truth"].clone(),
    }
}

/// What differs, as `fact: seen instead of true`; numbers may differ by a hundredth.
pub(crate) fn differences(seen: &Value, truth: &Value, facts: &[&str]) -> Vec<String> {
    let same = |fact: &str| match (seen[fact].as_f64(), truth[fact].as_f64()) {
        (Some(seen), Some(truth)) => (seen - truth).abs() <= truth.abs() * 0.01,
        _ => seen[fact] == truth[fact],
    };
    let differs = facts.iter().filter(|fact| !same(fact));
    differs.map(|fact| format!("{fact}: {} instead of {}", seen[*fact], truth[*fact])).collect()
}

/// Right answers per provider, and every miss.
#[derive(Default)]
pub(crate) struct Score {
    right: BTreeMap<String, (usize, usize)>,
    misses: Vec<String>,
}

impl Score {
    pub(crate) fn count(&mut self, case: &Case, how: &str, wrong: Vec<String>) {
        let (right, all) = self.right.entry(case.provider.clone()).or_default();
        *all += 1;
        *right += usize::from(wrong.is_empty());
        if !wrong.is_empty() {
            self.misses.push(format!("{} ({how}): {}", case.id, wrong.join("; ")));
        }
    }

    pub(crate) fn print(&self, what: &str) {
        println!("{what}:");
        for (provider, (right, all)) in &self.right {
            println!("  {provider:16} {right:>3} of {all:>3}");
        }
    }

    pub(crate) fn assert_whole(&self) {
        assert!(self.misses.is_empty(), "{} misses:\n{}", self.misses.len(), self.misses.join("\n"));
    }
}

/// A value as Python prints it.
pub(crate) fn repr(value: &Value) -> String {
    match value {
        Value::Null => "None".to_owned(),
        Value::Bool(true) => "True".to_owned(),
        Value::Bool(false) => "False".to_owned(),
        Value::Number(number) => number.to_string(),
        Value::String(text) => quoted(text),
        Value::Array(items) => format!("[{}]", items.iter().map(repr).collect::<Vec<_>>().join(", ")),
        Value::Object(members) => {
            let members = members.iter().map(|(name, value)| format!("{}: {}", quoted(name), repr(value)));
            format!("{{{}}}", members.collect::<Vec<_>>().join(", "))
        }
    }
}

fn quoted(text: &str) -> String {
    let quote = if text.contains('\'') && !text.contains('"') { '"' } else { '\'' };
    let mut out = String::from(quote);
    for c in text.chars() {
        match c {
            '\n' => out.push_str("\\n"),
            '\t' => out.push_str("\\t"),
            '\r' => out.push_str("\\r"),
            '\\' => out.push_str("\\\\"),
            c if c == quote => out.extend(['\\', c]),
            c if c.is_control() => out.push_str(&format!("\\x{:02x}", u32::from(c))),
            c => out.push(c),
        }
    }
    out.push(quote);
    out
}
