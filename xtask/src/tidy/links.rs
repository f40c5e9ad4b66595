//! Documents point at what is there: every relative link, and every path of the repository written as code.

use std::sync::LazyLock;

use regex::Regex;

use super::{Complaints, line_of};
use crate::tree::Tree;

static LINK: LazyLock<Regex> =
    LazyLock::new(|| Regex::new(r"\]\(([^)\s#]+)[^)]*\)").expect("a valid expression"));
/// A path as a person would name it; one with a placeholder in it (`<dialect>`, `NAME`, `*`, `…`) names no file.
static PATH: LazyLock<Regex> = LazyLock::new(|| {
    Regex::new(r"`((?:crates|xtask|docs|conformance|python|bench|fuzz|examples)/[a-z0-9_./-]*)`")
        .expect("a valid expression")
});

/// Links and paths that lead nowhere.
pub(super) fn complaints(tree: &Tree) -> Complaints {
    let mut found = Vec::new();
    for (path, text) in tree.texts().filter(|(path, _)| is_document(path)) {
        let folder = path.rsplit_once('/').map_or("", |(folder, _)| folder);
        let links = LINK.captures_iter(text).filter_map(|link| link.get(1)).map(|link| (link, folder));
        let paths = PATH.captures_iter(text).filter_map(|path| path.get(1)).map(|path| (path, ""));
        for (target, from) in links.chain(paths) {
            let target_text = target.as_str();
            if !is_address(target_text) && !leads_somewhere(tree, from, target_text) {
                let line = line_of(text, target.start());
                found.push(format!(
                    "{path}:{line}: `{target_text}` is not there; correct the path, or remove it"
                ));
            }
        }
    }
    found
}

/// Documents written by hand; the changelog may speak of what is gone.
fn is_document(path: &str) -> bool {
    path.ends_with(".md") && !path.starts_with("docs/reference/") && path != "CHANGELOG.md"
}

fn is_address(target: &str) -> bool {
    target.contains("://") || target.starts_with("mailto:")
}

fn leads_somewhere(tree: &Tree, from: &str, target: &str) -> bool {
    let mut parts: Vec<&str> = from.split('/').filter(|part| !part.is_empty()).collect();
    for part in target.split('/') {
        match part {
            "" | "." => {}
            ".." => _ = parts.pop(),
            name => parts.push(name),
        }
    }
    let wanted = parts.join("/");
    tree.paths()
        .any(|path| path == wanted || path.strip_prefix(&wanted).is_some_and(|rest| rest.starts_with('/')))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn links_and_paths_that_lead_nowhere_are_named() {
        let text = "[good](../README.md#top) [folder](../crates/core) [web](https://x.y/z)\n[bad](gone.md) `crates/core/` `crates/gone.rs` `conformance/<dialect>/`\n";
        let tree = Tree::of(&[("docs/a.md", text), ("README.md", ""), ("crates/core/lib.rs", "")]);
        assert_eq!(
            complaints(&tree),
            [
                "docs/a.md:2: `gone.md` is not there; correct the path, or remove it",
                "docs/a.md:2: `crates/gone.rs` is not there; correct the path, or remove it",
            ]
        );
    }
}
