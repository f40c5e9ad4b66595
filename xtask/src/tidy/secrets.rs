//! No credential lands in the repository, not even an old one.

use std::sync::LazyLock;

use regex::Regex;

use super::{Complaints, line_of};
use crate::tree::Tree;

/// The shapes that well-known providers give their keys.
static KEY: LazyLock<Regex> = LazyLock::new(|| {
    let shapes = [
        r"\bsk-(?:proj-|ant-|or-)?[A-Za-z0-9_-]{24,}",
        r"\b(?:gsk|hf|ghp|gho|xai|r8|pplx|csk)[_-][A-Za-z0-9]{24,}",
        r"\bAKIA[0-9A-Z]{16}\b",
        r"\bAIza[0-9A-Za-z_-]{35}\b",
        r"-----BEGIN [A-Z ]*PRIVATE KEY-----",
    ];
    Regex::new(&shapes.join("|")).expect("a valid expression")
});

/// Words by which an invented key says that it is one.
const INVENTED: &[&str] =
    &["test", "example", "fake", "mock", "demo", "secret", "dummy", "xxxx", "1234", "0000"];

/// Strings that look like real credentials, outside the fixtures.
pub(super) fn complaints(tree: &Tree) -> Complaints {
    let mut found = Vec::new();
    for (path, text) in tree.texts().filter(|(path, _)| !is_fixture(path)) {
        let real = KEY.find_iter(text).filter(|hit| !is_invented(hit.as_str()));
        found.extend(real.map(|hit| {
            format!(
                "{path}:{}: this looks like a credential; take it out and revoke it, or call it a test key in its own text",
                line_of(text, hit.start())
            )
        }));
    }
    found
}

fn is_fixture(path: &str) -> bool {
    path.starts_with("conformance/") || path.ends_with("Cargo.lock")
}

fn is_invented(key: &str) -> bool {
    let key = key.to_lowercase();
    INVENTED.iter().any(|word| key.contains(word))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_named_and_an_invented_one_is_not() {
        let real = format!("key = \"sk-{}\"\n", "Zq7".repeat(10));
        let invented = "key = \"sk-test-0000000000000000000000000\"\n";
        let tree =
            Tree::of(&[("a.toml", &real), ("b.toml", invented), ("conformance/x/y/answer.http", &real)]);
        let complaints = complaints(&tree);
        assert_eq!(complaints.len(), 1);
        assert!(complaints[0].starts_with("a.toml:1: "), "{}", complaints[0]);
        assert!(!complaints[0].contains("Zq7"), "a complaint must not repeat the key");
    }
}
