//! `cargo xtask sync`: writes what is generated, or with `--check` says what is stale.
//!
//! Each generated thing is a row of [`GENERATED`]: the command that writes it, and the folder that it owns.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use crate::command::{self, cargo, root, target};
use crate::trouble::{Outcome, Trouble};

struct Generated {
    /// The folder, relative to the root; nothing else may live there.
    folder: &'static str,
    /// What cargo is told, before the folder to write to.
    words: &'static [&'static str],
}

const GENERATED: &[Generated] = &[Generated {
    folder: "docs/reference",
    words: &["run", "--quiet", "--package", "aplomb", "--", "reference", "--all", "--out"],
}];

/// Writes every generated folder, or compares it with what is there.
///
/// # Errors
/// A generator failed, or with `check` a file is stale, missing or left over.
pub(crate) fn run(check: bool) -> Outcome {
    let mut stale = Vec::new();
    for generated in GENERATED {
        let fresh = generate(generated)?;
        let kept = root().join(generated.folder);
        let differing = differing(&kept, &fresh)?;
        println!("sync: {}: {} files differ", generated.folder, differing.len());
        if check {
            stale.extend(differing.into_iter().map(|file| Path::new(generated.folder).join(file)));
        } else {
            replace(&kept, &fresh, &differing)?;
        }
    }
    if stale.is_empty() {
        return Ok(());
    }
    let names: Vec<String> = stale.iter().take(5).map(|path| path.display().to_string()).collect();
    Err(Trouble::new(format!(
        "{} generated files are stale ({}…); run `cargo xtask sync` and commit what it writes",
        stale.len(),
        names.join(", ")
    )))
}

/// Has the generator write into a folder of its own, and gives that folder.
fn generate(generated: &Generated) -> Outcome<PathBuf> {
    let fresh = target().join("sync").join(generated.folder);
    if fresh.exists() {
        fs::remove_dir_all(&fresh).map_err(|cause| Trouble::file(&fresh, &cause))?;
    }
    fs::create_dir_all(&fresh).map_err(|cause| Trouble::file(&fresh, &cause))?;
    let mut writer = cargo(generated.words);
    writer.arg(&fresh);
    command::read(writer)?;
    Ok(fresh)
}

/// Files that are not the same in both folders, or only in one.
fn differing(kept: &Path, fresh: &Path) -> Outcome<Vec<PathBuf>> {
    let mut names: BTreeSet<PathBuf> = files(fresh)?;
    if names.is_empty() {
        return Err(Trouble::new(format!("the generator of {} wrote nothing", kept.display())));
    }
    if kept.exists() {
        names.extend(files(kept)?);
    }
    names.retain(|name| fs::read(kept.join(name)).ok() != fs::read(fresh.join(name)).ok());
    Ok(names.into_iter().collect())
}

fn replace(kept: &Path, fresh: &Path, names: &[PathBuf]) -> Outcome {
    for name in names {
        let (from, to) = (fresh.join(name), kept.join(name));
        let done = if from.exists() {
            let folder = to.parent().unwrap_or(kept);
            fs::create_dir_all(folder).and_then(|()| fs::copy(&from, &to)).map(|_| ())
        } else {
            fs::remove_file(&to)
        };
        done.map_err(|cause| Trouble::file(&to, &cause))?;
    }
    Ok(())
}

/// Every file below a folder, relative to it.
fn files(folder: &Path) -> Outcome<BTreeSet<PathBuf>> {
    let mut found = BTreeSet::new();
    let mut left = vec![folder.to_owned()];
    while let Some(next) = left.pop() {
        for entry in fs::read_dir(&next).map_err(|cause| Trouble::file(&next, &cause))? {
            let path = entry.map_err(|cause| Trouble::file(&next, &cause))?.path();
            if path.is_dir() {
                left.push(path);
            } else if let Ok(name) = path.strip_prefix(folder) {
                found.insert(name.to_owned());
            }
        }
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stale_a_missing_and_a_left_over_file_are_found_and_mended() {
        let place = target().join("sync-test");
        let (kept, fresh) = (place.join("kept"), place.join("fresh"));
        _ = fs::remove_dir_all(&place);
        for (path, text) in [
            (kept.join("same.md"), "same"),
            (fresh.join("same.md"), "same"),
            (kept.join("stale.md"), "old"),
            (fresh.join("stale.md"), "new"),
            (fresh.join("deep/missing.md"), "new"),
            (kept.join("left-over.md"), "old"),
        ] {
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        }
        let names = differing(&kept, &fresh).unwrap();
        assert_eq!(names, ["deep/missing.md", "left-over.md", "stale.md"].map(PathBuf::from));
        replace(&kept, &fresh, &names).unwrap();
        assert!(differing(&kept, &fresh).unwrap().is_empty());
        assert!(!kept.join("left-over.md").exists());
    }
}
