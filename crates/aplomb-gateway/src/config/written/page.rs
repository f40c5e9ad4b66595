//! The text that is read, and what is wrong with it so far.

use std::cell::RefCell;

use crate::config::{Mistake, Place};

/// More mistakes than anybody reads at once are not told one by one.
const MOST: usize = 100;

/// A file that is being read; mistakes are noted on it.
pub(crate) struct Page<'p> {
    file: &'p str,
    text: &'p str,
    noted: RefCell<Vec<(Spot, String)>>,
}

/// Where something stands in the file, and under which key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Spot {
    /// The byte at which it begins.
    pub(crate) byte: usize,
    /// The key with its table, as it is told.
    pub(crate) key: String,
}

/// A value and where it stands.
#[derive(Clone, Debug)]
pub(crate) struct At<T> {
    /// The value.
    pub(crate) value: T,
    /// Where it stands.
    pub(crate) spot: Spot,
}

impl<'p> Page<'p> {
    /// A page on which nothing is noted.
    pub(crate) fn new(file: &'p str, text: &'p str) -> Self {
        Self { file, text, noted: RefCell::default() }
    }

    /// Line and column of a spot.
    pub(crate) fn place(&self, spot: &Spot) -> Place {
        Place::of(self.text, spot.byte)
    }

    /// Notes a mistake.
    pub(crate) fn note(&self, spot: &Spot, message: impl Into<String>) {
        self.noted.borrow_mut().push((spot.clone(), message.into()));
    }

    /// Whether nothing is wrong.
    pub(crate) fn is_clean(&self) -> bool {
        self.noted.borrow().is_empty()
    }

    /// What is wrong, in the order of the file.
    pub(crate) fn into_mistakes(self) -> Vec<Mistake> {
        let mut noted = self.noted.take();
        noted.sort_by_key(|(spot, _)| spot.byte);
        let more = noted.len().saturating_sub(MOST);
        // Lines are counted for those that are told only: a file of garbage has a mistake every few bytes.
        let told = noted.into_iter().take(MOST).map(|(spot, message)| Mistake {
            file: self.file.to_owned(),
            place: Some(self.place(&spot)),
            key: spot.key,
            message,
        });
        let mut mistakes: Vec<_> = told.collect();
        if more > 0 {
            let message = format!("{more} more mistakes are not shown");
            mistakes.push(Mistake { file: self.file.to_owned(), place: None, key: String::new(), message });
        }
        mistakes
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mistakes_are_told_in_the_order_of_the_file() {
        let page = Page::new("f", "a\nb\nc\n");
        for byte in [4, 0, 2] {
            page.note(&Spot { byte, key: "k".to_owned() }, "wrong");
        }
        let lines: Vec<_> =
            page.into_mistakes().iter().filter_map(|mistake| Some(mistake.place?.line)).collect();
        assert_eq!(lines, [1, 2, 3]);
    }

    #[test]
    fn a_flood_of_mistakes_is_cut_and_counted() {
        let page = Page::new("f", "");
        for _ in 0..MOST + 7 {
            page.note(&Spot { byte: 0, key: String::new() }, "wrong");
        }
        let mistakes = page.into_mistakes();
        assert_eq!(mistakes.len(), MOST + 1);
        assert_eq!(mistakes[MOST].to_string(), "f: 7 more mistakes are not shown");
    }
}
