//! The repository speaks of nobody's machine: a path that only exists there helps no other reader.

use std::sync::LazyLock;

use regex::Regex;

use super::{Complaints, line_of};
use crate::tree::Tree;

/// Home folders, and the folders in which builds are made. What a fixture holds was said on a wire and stays as it was.
static PRIVATE: LazyLock<Regex> = LazyLock::new(|| {
    Regex::new(r#"(?m)(?:^|[\s"'`(=])(/(?:home|Users|root|work|workspace|builds)/\w)"#)
        .expect("a valid expression")
});

/// Paths of one machine in tracked files.
pub(super) fn complaints(tree: &Tree) -> Complaints {
    tree.texts()
        .filter(|(path, _)| !path.starts_with("conformance/") && !path.ends_with("tidy/private_paths.rs"))
        .filter_map(|(path, text)| Some((path, line_of(text, PRIVATE.captures(text)?.get(1)?.start()))))
        .map(|(path, line)| {
            format!("{path}:{line}: a path of somebody's own machine; write it relative to the repository")
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_home_folder_is_named_and_an_address_is_not() {
        let tree = Tree::of(&[
            ("docs/a.md", "Fine.\nSee `/home/ada/notes.md`.\n"),
            ("docs/b.md", "https://example.com/work/and/root/\n"),
            ("conformance/x/y/answer.http", "path: \"/home/runner\"\n"),
        ]);
        assert_eq!(
            complaints(&tree),
            ["docs/a.md:2: a path of somebody's own machine; write it relative to the repository"]
        );
    }
}
