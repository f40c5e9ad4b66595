//! Every Rust file opens with a page that says what it is.

use super::Complaints;
use crate::tree::Tree;

/// Files that begin with anything else than `//!`.
pub(super) fn complaints(tree: &Tree) -> Complaints {
    tree.rust()
        .filter(|(_, text)| !text.starts_with("//! "))
        .map(|(path, _)| {
            format!("{path}:1: no module page; open the file with `//! ` and one or two sentences that say what it is")
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_without_a_page_is_named() {
        let tree = Tree::of(&[("a.rs", "//! A page.\n"), ("b.rs", "use std::fmt;\n"), ("c.md", "no page\n")]);
        let complaints = complaints(&tree);
        assert_eq!(complaints.len(), 1);
        assert!(complaints[0].starts_with("b.rs:1: no module page"), "{}", complaints[0]);
    }
}
