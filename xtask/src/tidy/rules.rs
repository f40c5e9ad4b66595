//! The list of rules, and applying them all to the repository.

use super::{
    changelog, decisions, fixtures, length, links, module_page, names, private_paths, secrets, stages,
    unfinished,
};
use crate::tree::Tree;
use crate::trouble::{Outcome, Trouble};

/// What a rule found: `path[:line]: what is wrong; what to do`.
pub(super) type Complaints = Vec<String>;

const RULES: &[fn(&Tree) -> Complaints] = &[
    module_page::complaints,
    length::complaints,
    names::complaints,
    unfinished::complaints,
    fixtures::complaints,
    stages::complaints,
    changelog::complaints,
    decisions::complaints,
    links::complaints,
    private_paths::complaints,
    secrets::complaints,
];

/// Applies every rule to the repository.
///
/// # Errors
/// At least one rule is broken; every breach was printed.
pub(crate) fn run() -> Outcome {
    let tree = Tree::read()?;
    for remark in length::remarks(&tree) {
        println!("tidy: remark: {remark}");
    }
    let complaints = apply(&tree);
    for complaint in &complaints {
        println!("tidy: {complaint}");
    }
    match complaints.len() {
        0 => {
            println!("tidy: {} files, {} rules, nothing to mend", tree.paths().count(), RULES.len());
            Ok(())
        }
        count => Err(Trouble::new(format!("{count} things to tidy, each told above"))),
    }
}

fn apply(tree: &Tree) -> Complaints {
    RULES.iter().flat_map(|rule| rule(tree)).collect()
}

/// The number of the line at which a byte stands, from 1.
pub(super) fn line_of(text: &str, at: usize) -> usize {
    text[..at].matches('\n').count() + 1
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_repository_is_tidy() {
        let complaints = apply(&Tree::read().unwrap());
        assert!(complaints.is_empty(), "\n{}", complaints.join("\n"));
    }
}
