//! Running other programs: always from the root of the repository, never with a standard input.

use std::ffi::OsStr;
use std::io::{BufRead, BufReader, Read, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::thread;

use crate::trouble::{Outcome, Trouble};

/// The root of the repository.
pub(crate) fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("xtask is a folder of the repository")
}

/// The folder of everything built.
pub(crate) fn target() -> PathBuf {
    std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| root().join("target"), |folder| root().join(folder))
}

/// A program, to be run from the root without a standard input.
pub(crate) fn program(name: impl AsRef<OsStr>) -> Command {
    let mut command = Command::new(name);
    command.current_dir(root()).stdin(Stdio::null());
    command
}

/// The cargo that runs this chore, with its words.
pub(crate) fn cargo(words: &[&str]) -> Command {
    let mut command = program(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    // Build scripts watch what cargo tells its child about xtask (ring's does), and would run anew each time.
    let about_xtask = |name: &str| name.starts_with("CARGO_PKG_") || name.starts_with("CARGO_MANIFEST_");
    for (name, _) in std::env::vars_os().filter(|(name, _)| name.to_str().is_some_and(about_xtask)) {
        command.env_remove(name);
    }
    command.args(words);
    command
}

/// Runs it with its output in plain sight; anything but success is a trouble.
///
/// # Errors
/// The program is missing, or ends with another status than 0.
pub(crate) fn run(mut command: Command) -> Outcome {
    let line = told(&command);
    let status = command.status().map_err(|cause| missing(&line, &cause))?;
    if status.success() { Ok(()) } else { Err(Trouble::new(format!("`{line}` failed ({status})"))) }
}

/// Runs it silently and gives its standard output.
///
/// # Errors
/// As [`run`]; the trouble holds what the program wrote to standard error.
pub(crate) fn read(mut command: Command) -> Outcome<String> {
    let line = told(&command);
    let output = command.output().map_err(|cause| missing(&line, &cause))?;
    if !output.status.success() {
        let said = String::from_utf8_lossy(&output.stderr);
        return Err(Trouble::new(format!("`{line}` failed ({}): {}", output.status, said.trim())));
    }
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

/// Whether it runs and ends well; its output is nobody's business.
pub(crate) fn works(mut command: Command) -> bool {
    command.stdout(Stdio::null()).stderr(Stdio::null()).status().is_ok_and(|status| status.success())
}

/// What a program said and whether it ended well.
pub(crate) struct Said {
    /// Everything it wrote, line by line, both outputs in one.
    pub(crate) lines: Vec<String>,
    /// It ended with status 0.
    pub(crate) success: bool,
}

/// Runs it with its output in plain sight, and keeps that output.
///
/// # Errors
/// The program can't be started.
pub(crate) fn overhear(mut command: Command) -> Outcome<Said> {
    let line = told(&command);
    let mut child = command
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .map_err(|cause| missing(&line, &cause))?;
    let out = child.stdout.take().map(|pipe| thread::spawn(|| copy(pipe, std::io::stdout())));
    let err = child.stderr.take().map(|pipe| thread::spawn(|| copy(pipe, std::io::stderr())));
    let status = child.wait().map_err(|cause| missing(&line, &cause))?;
    let lines = [out, err].into_iter().flatten().filter_map(|copier| copier.join().ok()).flatten().collect();
    Ok(Said { lines, success: status.success() })
}

fn copy(from: impl Read, mut to: impl Write) -> Vec<String> {
    let mut lines = Vec::new();
    let mut from = BufReader::new(from);
    let mut line = Vec::new();
    while from.read_until(b'\n', &mut line).is_ok_and(|read| read > 0) {
        // Nobody may be reading our own output any more; the lines are kept all the same.
        _ = to.write_all(&line);
        lines.push(String::from_utf8_lossy(&line).trim_end().to_owned());
        line.clear();
    }
    lines
}

fn missing(line: &str, cause: &std::io::Error) -> Trouble {
    Trouble::new(format!("`{line}` could not be run: {cause}"))
}

/// The command as a person would type it.
pub(crate) fn told(command: &Command) -> String {
    let program = Path::new(command.get_program()).file_name().unwrap_or_default();
    let words = std::iter::once(program).chain(command.get_args());
    words.map(|word| word.to_string_lossy()).collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_outputs_and_the_status_are_heard() {
        let mut command = program("sh");
        command.args(["-c", "echo one; echo two >&2; exit 3"]);
        let said = overhear(command).unwrap();
        assert_eq!(said.lines, ["one", "two"]);
        assert!(!said.success);
    }

    #[test]
    fn a_missing_program_is_named() {
        let trouble = run(program("no-such-program-here")).unwrap_err().to_string();
        assert!(trouble.contains("`no-such-program-here` could not be run"), "{trouble}");
    }
}
