//! One thing that is wrong in a configuration, where it stands and what would be right.

use std::fmt;

/// A mistake in a configuration.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mistake {
    /// The file as it was named, or `command line`.
    pub file: String,
    /// Where in the file; absent when the mistake is about no single place in it.
    pub place: Option<Place>,
    /// The key, with the table it stands in: `[[route]] retry.attempts`.
    pub key: String,
    /// What is wrong and what would be right; never the value of a secret.
    pub message: String,
}

/// A place in a file, counted from 1; columns count characters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Place {
    /// The line.
    pub line: usize,
    /// The column.
    pub column: usize,
}

impl Place {
    /// The place of a byte of the text.
    pub(crate) fn of(text: &str, byte: usize) -> Self {
        let before = &text[..text.floor_char_boundary(byte)];
        let line = before.matches('\n').count() + 1;
        let start = before.rfind('\n').map_or(0, |end| end + 1);
        Self { line, column: before[start..].chars().count() + 1 }
    }
}

impl fmt::Display for Mistake {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.file)?;
        if let Some(place) = self.place {
            write!(f, ":{}:{}", place.line, place.column)?;
        }
        if self.key.is_empty() {
            return write!(f, ": {}", self.message);
        }
        write!(f, ": {}: {}", self.key, self.message)
    }
}

impl std::error::Error for Mistake {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mistake_reads_as_file_line_column_key_and_sentence() {
        let mistake = Mistake {
            file: "aplomb.toml".to_owned(),
            place: Some(Place { line: 12, column: 3 }),
            key: "[[route]] retry.attemps".to_owned(),
            message: "unknown key; did you mean `attempts`?".to_owned(),
        };
        assert_eq!(
            mistake.to_string(),
            "aplomb.toml:12:3: [[route]] retry.attemps: unknown key; did you mean `attempts`?"
        );
    }

    #[test]
    fn a_place_counts_lines_and_characters_from_one() {
        let text = "a = 1\nü = 2\n";
        assert_eq!(Place::of(text, 0), Place { line: 1, column: 1 });
        assert_eq!(Place::of(text, text.find('2').unwrap()), Place { line: 2, column: 5 });
        assert_eq!(Place::of(text, text.len() + 9), Place { line: 3, column: 1 });
    }
}
