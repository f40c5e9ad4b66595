//! A Python of our own in `target/venv` with the official SDKs, at the versions that `python/requirements-test.txt` pins.

use std::fs;
use std::path::{Path, PathBuf};

use crate::command::{self, program, root, target};
use crate::debian::{self, Need};
use crate::trouble::{Outcome, Trouble};

/// `ensurepip` is what Debian leaves out of Python unless asked.
const PYTHON: Need = Need {
    purpose: "the end-to-end tests with the official SDKs",
    probe: &["python3", "-c", "import sys, venv, ensurepip; sys.exit(sys.version_info < (3, 10))"],
    packages: &["python3", "python3-venv"],
};

/// Makes the virtual environment if it isn't there as pinned, and gives its interpreter.
///
/// # Errors
/// Python or a package can't be had.
pub(crate) fn provide() -> Outcome<PathBuf> {
    let requirements = root().join("python/requirements-test.txt");
    let pinned = fs::read_to_string(&requirements).map_err(|cause| Trouble::file(&requirements, &cause))?;
    let folder = target().join("venv");
    let (python, stamp) = (folder.join("bin/python"), folder.join("installed.txt"));
    if fs::read_to_string(&stamp).is_ok_and(|installed| installed == pinned) && works(&python) {
        return Ok(python);
    }
    debian::provide(&[PYTHON])?;
    println!("xtask: making {} with what {} pins", folder.display(), requirements.display());
    let mut make = program("python3");
    make.args(["-m", "venv", "--clear"]).arg(&folder);
    command::run(make)?;
    let mut install = program(&python);
    install.args([
        "-m",
        "pip",
        "install",
        "--quiet",
        "--disable-pip-version-check",
        "--no-input",
        "--requirement",
    ]);
    install.arg(&requirements);
    command::run(install)?;
    // Last, so that an installation that was cut short is made again.
    fs::write(&stamp, pinned).map_err(|cause| Trouble::file(&stamp, &cause))?;
    Ok(python)
}

fn works(python: &Path) -> bool {
    let mut probe = program(python);
    probe.args(["-c", "import pytest"]);
    command::works(probe)
}
