//! A file with a schema or a document: read, and asked where in it something stands.

use serde_json::Value;

use crate::config::Place;
use crate::validate::flaw::Flaw;
use crate::validate::place;

/// The largest file. Documents of whole providers have some megabytes.
pub(super) const LARGEST: usize = 8 << 20;

/// A file as it was read.
#[derive(Debug)]
pub(super) struct Source {
    /// Its name, as it is told.
    file: String,
    text: String,
    is_yaml: bool,
    /// What it says.
    pub(super) value: Value,
}

impl Source {
    /// Reads a text: YAML by the end of its name, else JSON.
    ///
    /// # Errors
    /// That it is neither, with line and column.
    pub(super) fn read(file: &str, text: String) -> Result<Self, String> {
        if text.len() > LARGEST {
            return Err(format!("{file}: has more than {} MiB", LARGEST >> 20));
        }
        let is_yaml = [".yaml", ".yml"].iter().any(|end| file.to_ascii_lowercase().ends_with(end));
        let value = match is_yaml {
            // The reader bounds depth, aliases and what they become.
            true => serde_saphyr::from_str(&text).map_err(|error| {
                let place = error.location().map(|at| format!(":{}:{}", at.line(), at.column()));
                let told = error.without_snippet().to_string();
                let sentence =
                    told.lines().next().and_then(|line| line.split(" at line ").next()).unwrap_or_default();
                format!("{file}{}: is no YAML: {sentence}", place.unwrap_or_default())
            })?,
            false => serde_json::from_str(&text).map_err(|error| {
                let told = error.to_string();
                let sentence = told.split(" at line ").next().unwrap_or_default();
                format!("{file}:{}:{}: is no JSON: {sentence}", error.line(), error.column())
            })?,
        };
        Ok(Self { file: file.to_owned(), text, is_yaml, value })
    }

    /// A mistake in one line: file, place, pointer and sentence.
    pub(super) fn told(&self, flaw: &Flaw) -> String {
        let Flaw { at, message } = flaw;
        let place = match self.is_yaml {
            true => place::in_yaml(&self.text, at),
            false => place::in_json(&self.text, at),
        };
        let place = place.map(|Place { line, column }| format!(":{line}:{column}")).unwrap_or_default();
        let at = if at.is_empty() { String::new() } else { format!(" {at}:") };
        format!("{}{place}:{at} {message}", self.file)
    }
}
