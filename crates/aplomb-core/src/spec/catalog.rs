//! All dialects together: the bundled ones, and a user's own over them.

use std::collections::BTreeMap;
use std::sync::OnceLock;

use regex::bytes::{RegexSet, RegexSetBuilder, SetMatches};
use serde::Deserialize;

use crate::spec::dialect::Dialect;
use crate::spec::pattern::Pattern;
use crate::spec::resolve::{self, Mistake};
use crate::spec::sign::{Sign, WrittenSign};

/// A pattern that nothing fits, in the place of a sign that has no text.
const NOTHING: &str = r"[^\s\S]";

/// The dialects that are known, by name, and the signs that hold in all of them.
#[derive(Clone, Debug)]
pub struct Catalog {
    dialects: BTreeMap<String, Dialect>,
    signs: Vec<Sign>,
    /// The texts of all signs, made when a failure is first judged by them.
    texts: OnceLock<RegexSet>,
}

impl Catalog {
    /// Reads dialect files given as name and text, and the signs of `kinds.toml`.
    ///
    /// # Errors
    /// Every mistake in every file.
    pub fn read<'a>(
        kinds: &str,
        files: impl IntoIterator<Item = (&'a str, &'a str)>,
        check: bool,
    ) -> Result<Self, Vec<Mistake>> {
        let mut mistakes = Vec::new();
        let signs = read_signs(kinds, check).unwrap_or_else(|text| {
            mistakes.push(Mistake { file: "kinds.toml".to_owned(), place: "[[sign]]".to_owned(), text });
            Vec::new()
        });
        let mut catalog = Self { dialects: BTreeMap::new(), signs, texts: OnceLock::new() };
        mistakes.extend(catalog.add(files, check));
        if mistakes.is_empty() { Ok(catalog) } else { Err(mistakes) }
    }

    /// The same catalogue with a user's own dialects over it: a new name is added, a known one replaced.
    ///
    /// # Errors
    /// Every mistake in every file.
    pub fn with<'a>(
        &self,
        files: impl IntoIterator<Item = (&'a str, &'a str)>,
    ) -> Result<Self, Vec<Mistake>> {
        let mut catalog = self.clone();
        let mistakes = catalog.add(files, true);
        if mistakes.is_empty() { Ok(catalog) } else { Err(mistakes) }
    }

    fn add<'a>(&mut self, files: impl IntoIterator<Item = (&'a str, &'a str)>, check: bool) -> Vec<Mistake> {
        let mut mistakes = Vec::new();
        for (name, text) in files {
            match resolve::dialect(name, text, check) {
                Ok(dialect) => drop(self.dialects.insert(name.to_owned(), dialect)),
                Err(found) => mistakes.extend(found),
            }
        }
        mistakes
    }

    /// The dialect of that name or alias.
    pub fn get(&self, name: &str) -> Option<&Dialect> {
        self.dialects.get(name).or_else(|| self.dialects.values().find(|dialect| dialect.is_named(name)))
    }

    /// All dialects, by name.
    pub fn dialects(&self) -> impl Iterator<Item = &Dialect> {
        self.dialects.values()
    }

    /// The names of all dialects, sorted.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.dialects.keys().map(String::as_str)
    }

    /// The known name nearest to a mistyped one.
    pub fn nearest(&self, name: &str) -> Option<&str> {
        self.names()
            .map(|known| (strsim::jaro_winkler(known, name), known))
            .filter(|(likeness, _)| *likeness > 0.8)
            .max_by(|a, b| a.0.total_cmp(&b.0))
            .map(|(_, known)| known)
    }

    /// Which signs a text has, by their places in [`Catalog::signs`]: one pass over it, however many there are.
    pub(crate) fn said(&self, text: &str) -> SetMatches {
        let texts = self.texts.get_or_init(|| {
            let text = |sign: &Sign| sign.text.as_ref().map_or(NOTHING, Pattern::source).to_owned();
            // The phrases are English: without Unicode's letters the set is made thirty times faster.
            let mut set = RegexSetBuilder::new(self.signs.iter().map(text));
            set.unicode(false).build().expect("each pattern was checked before")
        });
        texts.matches(text.as_bytes())
    }

    /// The signs, in the order in which they decide.
    pub fn signs(&self) -> &[Sign] {
        &self.signs
    }
}

#[derive(Deserialize)]
struct KindsFile {
    #[serde(default)]
    sign: Vec<WrittenSign>,
}

fn read_signs(kinds: &str, check: bool) -> Result<Vec<Sign>, String> {
    let file: KindsFile = toml::from_str(kinds).map_err(|err| err.to_string())?;
    file.sign.into_iter().map(|sign| sign.resolve(check)).collect()
}

/// The text of the bundled kinds.
pub const KINDS: &str = include_str!("../../spec/kinds.toml");
