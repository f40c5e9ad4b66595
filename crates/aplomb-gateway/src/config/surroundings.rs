//! What a configuration may ask about the world outside of its file.

use std::io::Read;
use std::path::Path;

use aplomb_core::Catalog;

/// The dialects, the environment and the files, as far as a configuration refers to them.
#[derive(Clone, Copy)]
pub struct Surroundings<'a> {
    /// The dialects that are known.
    pub catalog: &'a Catalog,
    /// The value of an environment variable.
    pub env: &'a dyn Fn(&str) -> Option<String>,
    /// Whether a file can be read; if not, why.
    pub readable: &'a dyn Fn(&Path) -> Result<(), String>,
    /// The text of a file; if it can't be read, why.
    pub text: &'a dyn Fn(&Path) -> Result<String, String>,
    /// The key in a file, without the space around it; if there is none, why.
    pub key: &'a dyn Fn(&Path) -> Result<String, String>,
}

impl<'a> Surroundings<'a> {
    /// This process's own environment and files.
    pub fn of_process(catalog: &'a Catalog) -> Self {
        Self { catalog, env: &variable, readable: &can_be_read, text: &text, key: &key }
    }
}

fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok()
}

/// The largest file whose text is asked for: API documents have some megabytes.
const LARGEST: u64 = 8 << 20;

fn text(path: &Path) -> Result<String, String> {
    let mut text = String::new();
    let file = std::fs::File::open(path).map_err(|err| err.to_string())?;
    file.take(LARGEST + 1).read_to_string(&mut text).map_err(|err| err.to_string())?;
    if text.len() as u64 > LARGEST { Err("it is larger than 8 MiB".to_owned()) } else { Ok(text) }
}

fn key(path: &Path) -> Result<String, String> {
    let key = crate::credential::read_key(path).map_err(|err| err.to_string())?;
    Ok(key.expose().to_owned())
}

fn can_be_read(path: &Path) -> Result<(), String> {
    let file = std::fs::File::open(path).and_then(|file| file.metadata()).map_err(|err| err.to_string())?;
    if file.is_file() { Ok(()) } else { Err("it is no file".to_owned()) }
}
