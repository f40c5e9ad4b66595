//! No forgotten fixture: every case under `conformance/` has its bytes, their meaning, and how they render.

use std::collections::BTreeSet;

use super::Complaints;
use crate::tree::Tree;

const PARTS: &[&str] = &["answer.http", "meaning.json", "renders.snap"];

/// Cases that lack a part.
pub(super) fn complaints(tree: &Tree) -> Complaints {
    let cases: BTreeSet<(&str, &str)> = tree.paths().filter_map(case).collect();
    let mut found = Vec::new();
    for (dialect, name) in cases {
        let folder = format!("conformance/{dialect}/{name}");
        for part in PARTS {
            if !tree.paths().any(|path| path == format!("{folder}/{part}")) {
                found.push(format!("{folder}: no {part}; conformance/README.md says what it holds"));
            }
        }
    }
    found
}

/// The dialect and the case that a path belongs to.
fn case(path: &str) -> Option<(&str, &str)> {
    let mut parts = path.strip_prefix("conformance/")?.split('/');
    let case = (parts.next()?, parts.next()?);
    parts.next().map(|_| case)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_case_without_its_meaning_is_named() {
        let tree = Tree::of(&[
            ("conformance/README.md", ""),
            ("conformance/openai/limit/answer.http", ""),
            ("conformance/openai/limit/renders.snap", ""),
            ("conformance/openai/whole/answer.http", ""),
            ("conformance/openai/whole/meaning.json", ""),
            ("conformance/openai/whole/renders.snap", ""),
        ]);
        assert_eq!(
            complaints(&tree),
            ["conformance/openai/limit: no meaning.json; conformance/README.md says what it holds"]
        );
    }
}
