//! Every decision page has a number of its own and stands in the list.

use std::collections::BTreeMap;

use super::Complaints;
use crate::tree::Tree;

const FOLDER: &str = "docs/decisions/";

/// Pages that share a number, or that the list doesn't know.
pub(super) fn complaints(tree: &Tree) -> Complaints {
    let list = tree.text("docs/decisions/README.md").unwrap_or_default();
    let pages = tree.paths().filter_map(|path| path.strip_prefix(FOLDER)).filter(|page| *page != "README.md");
    let mut numbers: BTreeMap<&str, &str> = BTreeMap::new();
    let mut found = Vec::new();
    for page in pages {
        if !list.contains(&format!("]({page})")) {
            found.push(format!("{FOLDER}{page}: not in {FOLDER}README.md; add its row"));
        }
        let number = page.split('-').next().unwrap_or_default();
        if let Some(other) = numbers.insert(number, page) {
            found.push(format!(
                "{FOLDER}{page}: {other} has the number {number} already; take the next free one"
            ));
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_out_of_the_list_and_a_number_taken_twice_are_named() {
        let tree = Tree::of(&[
            ("docs/decisions/README.md", "| [0001](0001-a.md) | a |\n| [0002](0002-b.md) | b |\n"),
            ("docs/decisions/0001-a.md", ""),
            ("docs/decisions/0002-b.md", ""),
            ("docs/decisions/0002-c.md", ""),
        ]);
        assert_eq!(
            complaints(&tree),
            [
                "docs/decisions/0002-c.md: not in docs/decisions/README.md; add its row",
                "docs/decisions/0002-c.md: 0002-b.md has the number 0002 already; take the next free one",
            ]
        );
    }
}
