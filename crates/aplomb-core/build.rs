//! Checks every data file, and lists them for `include_str!`: a mistake in a dialect fails the build.

#![expect(clippy::disallowed_methods, reason = "the build script reads the files that the core is given")]
#![expect(
    clippy::allow_attributes,
    reason = "which lints fire in the shared modules depends on the script's own use of them"
)]

#[path = "src/kind.rs"]
#[allow(
    dead_code,
    unreachable_pub,
    unfulfilled_lint_expectations,
    reason = "the script needs the names only"
)]
mod kind;
#[path = "src/pointer.rs"]
#[allow(dead_code, unreachable_pub, reason = "the script needs one direction only")]
mod pointer;
#[path = "src/spec/mod.rs"]
#[allow(
    dead_code,
    unused_imports,
    unreachable_pub,
    unfulfilled_lint_expectations,
    reason = "the script only checks that the files resolve"
)]
mod spec;

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

fn main() {
    println!("cargo::rerun-if-changed=spec");
    println!("cargo::rerun-if-changed=src/spec");
    println!("cargo::rerun-if-changed=src/kind.rs");
    println!("cargo::rerun-if-changed=src/pointer.rs");
    let root = PathBuf::from(std::env::var_os("CARGO_MANIFEST_DIR").expect("cargo sets it"));
    let folder = root.join("spec/dialects");
    let mut files: Vec<(String, String)> = std::fs::read_dir(&folder)
        .expect("spec/dialects is there")
        .filter_map(|entry| {
            let path = entry.expect("spec/dialects can be read").path();
            let name = path.file_name()?.to_str()?.strip_suffix(".toml")?.to_owned();
            Some((name, std::fs::read_to_string(&path).expect("a dialect file can be read")))
        })
        .collect();
    files.sort();
    let kinds = std::fs::read_to_string(root.join("spec/kinds.toml")).expect("kinds.toml can be read");
    let borrowed = files.iter().map(|(name, text)| (name.as_str(), text.as_str()));
    if let Err(mistakes) = spec::Catalog::read(&kinds, borrowed, true) {
        for mistake in mistakes {
            println!("cargo::error={}", mistake.to_string().replace('\n', " | "));
        }
        return;
    }
    write_list(&folder, &files);
}

fn write_list(folder: &Path, files: &[(String, String)]) {
    let mut out = String::from("&[\n");
    for (name, _) in files {
        let path = folder.join(format!("{name}.toml"));
        writeln!(out, "    ({name:?}, include_str!({path:?})),").expect("writing to a string");
    }
    out.push(']');
    let target = PathBuf::from(std::env::var_os("OUT_DIR").expect("cargo sets it")).join("dialects.rs");
    std::fs::write(target, out).expect("OUT_DIR can be written");
}
