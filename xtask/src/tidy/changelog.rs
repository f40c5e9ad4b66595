//! Users can always read what the next version brings.

use super::Complaints;
use crate::tree::Tree;

/// A changelog without a place for the next version.
pub(super) fn complaints(tree: &Tree) -> Complaints {
    let kept = tree.text("CHANGELOG.md").is_some_and(|text| text.contains("\n## [Unreleased]\n"));
    if kept {
        return Vec::new();
    }
    vec![
        "CHANGELOG.md: no `## [Unreleased]` section; add it, with a line for whatever a user will notice"
            .to_owned(),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_changelog_must_have_room_for_the_next_version() {
        assert_eq!(complaints(&Tree::of(&[("CHANGELOG.md", "# Changelog\n\n## [1.0.0]\n")])).len(), 1);
        assert_eq!(complaints(&Tree::of(&[])).len(), 1);
        assert!(complaints(&Tree::of(&[("CHANGELOG.md", "# Changelog\n\n## [Unreleased]\n")])).is_empty());
    }
}
