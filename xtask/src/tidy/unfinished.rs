//! Nothing that lands is unfinished or switched off.

use super::{Complaints, line_of};
use crate::tree::Tree;

/// What stands for work not done, and what to do instead. Written in two halves, so that this file passes its own rule.
const MARKS: &[(&str, &str, &str)] = &[
    ("#[igno", "re", "a test that never runs proves nothing; mend it or remove it"),
    ("todo", "!(", "finish it, or leave the feature out"),
    ("unimplement", "ed!(", "finish it, or leave the feature out"),
];

/// Marks of unfinished work in Rust files.
pub(super) fn complaints(tree: &Tree) -> Complaints {
    let mut found = Vec::new();
    for (path, text) in tree.rust() {
        for (head, tail, advice) in MARKS {
            let mark = format!("{head}{tail}");
            if let Some(at) = text.find(&mark) {
                found.push(format!("{path}:{}: `{mark}` found; {advice}", line_of(text, at)));
            }
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_test_that_is_switched_off_is_named() {
        let source = format!("#[test]\n{}{}]\nfn never() {{}}\n", MARKS[0].0, MARKS[0].1);
        let complaints = complaints(&Tree::of(&[("src/a.rs", &source)]));
        assert_eq!(complaints.len(), 1);
        assert!(complaints[0].starts_with("src/a.rs:2: "), "{}", complaints[0]);
    }
}
