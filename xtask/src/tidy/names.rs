//! No module is called after nothing: a name says what is inside.

use super::Complaints;
use crate::tree::Tree;

const EMPTY: &[&str] = &["utils", "util", "common", "helpers", "helper", "misc"];

/// Modules with names that say nothing.
pub(super) fn complaints(tree: &Tree) -> Complaints {
    tree.rust()
        .filter_map(|(path, _)| Some((path, parts(path).find(|part| EMPTY.contains(part))?)))
        .map(|(path, name)| {
            format!("{path}: `{name}` says nothing; name the module after the one concept that it holds")
        })
        .collect()
}

fn parts(path: &str) -> impl Iterator<Item = &str> {
    path.trim_end_matches(".rs").split('/')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_empty_name_is_named_as_file_and_as_folder() {
        let tree = Tree::of(&[("src/utils.rs", ""), ("src/common/mod.rs", ""), ("src/commonality.rs", "")]);
        assert_eq!(complaints(&tree).len(), 2);
    }
}
