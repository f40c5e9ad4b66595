//! Calling the binary.

use std::path::{Path, PathBuf};
use std::process::Command;

/// What a call said.
#[derive(Debug)]
pub(crate) struct Said {
    /// Its exit status.
    pub(crate) status: i32,
    /// Its standard output.
    pub(crate) out: String,
    /// Its standard error.
    pub(crate) err: String,
}

/// Calls `aplomb` in a folder, without a variable of this environment but the path.
pub(crate) fn aplomb(folder: &Path, args: &[&str]) -> Said {
    with_variables(folder, args, &[])
}

/// The same with these variables.
pub(crate) fn with_variables(folder: &Path, args: &[&str], variables: &[(&str, &str)]) -> Said {
    let output = Command::new(env!("CARGO_BIN_EXE_aplomb"))
        .args(args)
        .current_dir(folder)
        .env_clear()
        .envs(variables.iter().copied())
        .env("COLUMNS", "100")
        .output()
        .expect("the binary is built before its tests");
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).expect("only text is printed");
    Said { status: output.status.code().unwrap_or(-1), out: text(output.stdout), err: text(output.stderr) }
}

/// An empty folder for one test, below cargo's folder for such.
pub(crate) fn folder(test: &str) -> PathBuf {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(test);
    if folder.exists() {
        std::fs::remove_dir_all(&folder).expect("a folder of a former run can be removed");
    }
    std::fs::create_dir_all(&folder).expect("a folder can be made");
    folder
}
