//! The stages of a request stand in one order wherever they are told: in the code, in the story and on the map.

use std::sync::LazyLock;

use regex::Regex;

use super::Complaints;
use crate::tree::Tree;

const MODULES: &str = "crates/aplomb-gateway/src/stage/mod.rs";
const STORY: &str = "crates/aplomb-gateway/src/pipeline.rs";
const MAP: &str = "ARCHITECTURE.md";

static MODULE: LazyLock<Regex> =
    LazyLock::new(|| Regex::new(r"(?m)^(?:pub(?:\(crate\))? )?mod (\w+);").expect("a valid expression"));
/// The story's own page tells them in one line of arrows, those that are still to come among them.
static ARROW: LazyLock<Regex> =
    LazyLock::new(|| Regex::new(r"([a-z_]+)(?: ⟲)?(?: →|\n//! ```)").expect("a valid expression"));
static HEADING: LazyLock<Regex> =
    LazyLock::new(|| Regex::new(r"(?m)^\d+\. \*\*([a-z_]+)\*\*").expect("a valid expression"));

/// Stages told in another order than `stage/mod.rs` tells them.
pub(super) fn complaints(tree: &Tree) -> Complaints {
    let Some(modules) = tree.text(MODULES) else { return Vec::new() };
    let stages = names(&MODULE, modules);
    let mut found = Vec::new();
    for (path, pattern) in [(STORY, &*ARROW), (MAP, &*HEADING)] {
        let Some(text) = tree.text(path) else { continue };
        let mut told = names(pattern, text);
        told.retain(|name| stages.contains(name));
        if told != stages {
            found.push(format!(
                "{path}: tells the stages as {}, but {MODULES} as {}; bring them into one order, all of them",
                told.join(", "),
                stages.join(", ")
            ));
        }
    }
    found
}

/// What the first group matches, each name once, in the order of first appearance.
fn names<'a>(pattern: &Regex, text: &'a str) -> Vec<&'a str> {
    let mut names = Vec::new();
    for found in pattern.captures_iter(text) {
        let name = found.get(1).map_or("", |group| group.as_str());
        if !names.contains(&name) {
            names.push(name);
        }
    }
    names
}

#[cfg(test)]
mod tests {
    use super::*;

    const CODE: &str = "//! Stages.\nmod receive;\npub(crate) mod plan;\nmod dispatch;\n";
    const TOLD: &str = "//! ```text\n//! receive → admit → plan → dispatch ⟲\n//! ```\n";
    const MAPPED: &str = "1. **receive** reads.\n2. **plan** decides.\n3. **dispatch** sends.\n";

    #[test]
    fn one_order_everywhere_is_fine() {
        assert!(complaints(&Tree::of(&[(MODULES, CODE), (STORY, TOLD), (MAP, MAPPED)])).is_empty());
    }

    #[test]
    fn a_map_in_another_order_is_named() {
        let swapped = "1. **plan** decides.\n2. **receive** reads.\n3. **dispatch** sends.\n";
        let complaints = complaints(&Tree::of(&[(MODULES, CODE), (STORY, TOLD), (MAP, swapped)]));
        assert_eq!(complaints.len(), 1);
        assert!(complaints[0].starts_with("ARCHITECTURE.md: tells the stages as plan, receive, dispatch"));
    }

    #[test]
    fn a_stage_that_the_story_forgets_is_named() {
        let short = "//! ```text\n//! receive → dispatch\n//! ```\n";
        assert_eq!(complaints(&Tree::of(&[(MODULES, CODE), (STORY, short)])).len(), 1);
    }
}
