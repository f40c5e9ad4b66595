//! How long a Rust file may be: past 400 lines it is remarked on, past 600 it needs a reason.

use super::Complaints;
use crate::tree::Tree;

const REMARK: usize = 400;
const STOP: usize = 600;
/// Stands in a comment of a file that may be longer, followed by the reason in brackets: a table, mostly.
const PARDON: &str = "tidy-allow: long-file (";

/// Files that are too long and don't say why.
pub(super) fn complaints(tree: &Tree) -> Complaints {
    longer_than(STOP, tree)
        .map(|(path, lines)| {
            format!(
                "{path}: {lines} lines, more than {STOP}; split it by concept, or say why it is one thing: `// {PARDON}reason)`"
            )
        })
        .collect()
}

/// Files that are getting long.
pub(super) fn remarks(tree: &Tree) -> Complaints {
    longer_than(REMARK, tree)
        .map(|(path, lines)| format!("{path}: {lines} lines, more than {REMARK}"))
        .collect()
}

fn longer_than(limit: usize, tree: &Tree) -> impl Iterator<Item = (&str, usize)> {
    tree.rust()
        .filter(|(_, text)| !text.contains(PARDON))
        .map(|(path, text)| (path, text.lines().count()))
        .filter(move |(_, lines)| *lines > limit)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_file_is_named_unless_it_says_why() {
        let long = "//! Long.\n".repeat(601);
        let pardoned = format!("{long}// {PARDON}one table)\n");
        let middling = "//! Middling.\n".repeat(450);
        let tree = Tree::of(&[("long.rs", &long), ("table.rs", &pardoned), ("middling.rs", &middling)]);
        assert_eq!(complaints(&tree).len(), 1);
        assert!(complaints(&tree)[0].starts_with("long.rs: 601 lines"));
        assert_eq!(remarks(&tree).len(), 2);
    }
}
