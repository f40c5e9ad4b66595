//! The files of the repository as git sees them: tracked, or new and not ignored.

use std::collections::BTreeMap;
use std::fs;

use crate::command::{program, read, root};
use crate::trouble::Outcome;

/// Paths (relative, with `/`) and texts; a file that is no text has `None`.
pub(crate) struct Tree {
    files: BTreeMap<String, Option<String>>,
}

impl Tree {
    /// Reads the repository.
    ///
    /// # Errors
    /// This is no git checkout.
    pub(crate) fn read() -> Outcome<Self> {
        let mut list = program("git");
        list.args(["ls-files", "-z", "--cached", "--others", "--exclude-standard"]);
        let listed = read(list)?;
        let paths = listed.split('\0').filter(|path| !path.is_empty());
        // A tracked file that was just removed is still listed: it is not there, so no rule is about it.
        let there = paths.filter(|path| root().join(path).is_file());
        Ok(Self { files: there.map(|path| (path.to_owned(), text(path))).collect() })
    }

    /// A tree of these files alone.
    #[cfg(test)]
    pub(crate) fn of(files: &[(&str, &str)]) -> Self {
        let files = files.iter().map(|(path, text)| ((*path).to_owned(), Some((*text).to_owned())));
        Self { files: files.collect() }
    }

    /// Every path.
    pub(crate) fn paths(&self) -> impl Iterator<Item = &str> {
        self.files.keys().map(String::as_str)
    }

    /// Every text file.
    pub(crate) fn texts(&self) -> impl Iterator<Item = (&str, &str)> {
        self.files.iter().filter_map(|(path, text)| Some((path.as_str(), text.as_deref()?)))
    }

    /// Every Rust source file.
    pub(crate) fn rust(&self) -> impl Iterator<Item = (&str, &str)> {
        self.texts().filter(|(path, _)| path.ends_with(".rs"))
    }

    /// The text of one file, if it is there.
    pub(crate) fn text(&self, path: &str) -> Option<&str> {
        self.files.get(path)?.as_deref()
    }
}

fn text(path: &str) -> Option<String> {
    String::from_utf8(fs::read(root().join(path)).ok()?).ok()
}
