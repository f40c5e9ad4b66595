//! What is to be explained: a file, or standard input; bounded, and never waited for at a terminal.

use std::fs::File;
use std::io::{IsTerminal, Read};
use std::path::Path;

/// A failure is a few kilobytes; what is larger than this is something else.
const LARGEST: u64 = 10 << 20;

/// Reads all of it.
///
/// # Errors
/// A sentence: it can't be read, is empty, or is larger than [`LARGEST`].
pub(super) fn read(file: Option<&Path>) -> Result<Vec<u8>, String> {
    let bytes = match file.filter(|file| *file != Path::new("-")) {
        Some(path) => {
            let file = File::open(path).and_then(read_from);
            file.map_err(|err| format!("{} can't be read: {err}", path.display()))?
        }
        None if file.is_none() && std::io::stdin().is_terminal() => {
            return Err("nothing to explain: name a file, or send an answer in, such as\n  \
                curl -is https://… | aplomb explain\n`aplomb explain -` reads what you paste, up to Ctrl-D"
                .to_owned());
        }
        None => read_from(std::io::stdin().lock())
            .map_err(|err| format!("standard input can't be read: {err}"))?,
    };
    if bytes.len() as u64 > LARGEST {
        return Err(format!("the input is larger than {} MiB; a failure is a few kilobytes", LARGEST >> 20));
    }
    if bytes.trim_ascii().is_empty() {
        return Err(
            "the input is empty; give the answer's body, `curl -i`, or an exception's text".to_owned()
        );
    }
    Ok(bytes)
}

fn read_from(source: impl Read) -> std::io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    source.take(LARGEST + 1).read_to_end(&mut bytes)?;
    Ok(bytes)
}
