//! Where an answer tells how many tokens it took.

use crate::spec::pattern::Path;
use crate::spec::written::WrittenUsage;

/// For each number the places where it may stand; the first that is there counts.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[expect(missing_docs, reason = "spec/README.md is the page of every member")]
pub struct UsagePlaces {
    pub input: Vec<Sum>,
    pub output: Vec<Sum>,
    pub total: Vec<Sum>,
    /// The names of all of them, quoted: text without any of these tells no usage.
    pub names: Vec<String>,
}

/// Numbers that are added up; the first must be there, the others may be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sum(pub Vec<Path>);

impl UsagePlaces {
    /// Reads the table as written.
    ///
    /// # Errors
    /// What is wrong with it, as a sentence.
    pub fn new(written: WrittenUsage) -> Result<Self, String> {
        let sums =
            |list: Vec<String>| list.iter().map(|text| Sum::parse(text)).collect::<Result<Vec<_>, _>>();
        let (input, output, total) = (sums(written.input)?, sums(written.output)?, sums(written.total)?);
        let firsts = input.iter().chain(&output).chain(&total).filter_map(|sum| sum.0.first());
        let mut names: Vec<_> =
            firsts.filter_map(|path| path.parts().last()).map(|name| format!("\"{name}\"")).collect();
        names.sort();
        names.dedup();
        if names.is_empty() {
            return Err("no place is given; write `input`, `output` or `total`".to_owned());
        }
        Ok(Self { input, output, total, names })
    }

    /// Every pointer in it.
    pub fn paths(&self) -> impl Iterator<Item = &Path> {
        self.input.iter().chain(&self.output).chain(&self.total).flat_map(|sum| &sum.0)
    }
}

impl Sum {
    /// Parses `/a/b`, or `/a/b + /a/c`.
    fn parse(text: &str) -> Result<Self, String> {
        let one = |part: &str| {
            let path = Path::parse(part.trim())?;
            if path.parts().iter().any(|name| name == "*") {
                return Err(format!("`{text}`: a number of tokens stands in one place, not at a `*`"));
            }
            Ok(path)
        };
        text.split(" + ").map(one).collect::<Result<_, _>>().map(Self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn places(input: &[&str]) -> Result<UsagePlaces, String> {
        let input = input.iter().map(|text| (*text).to_owned()).collect();
        UsagePlaces::new(WrittenUsage { input, output: Vec::new(), total: Vec::new() })
    }

    #[test]
    fn places_are_alternatives_of_sums() {
        let places = places(&["/usage/input + /usage/cached", "/meta/input"]).unwrap();
        assert_eq!(places.input.iter().map(|sum| sum.0.len()).collect::<Vec<_>>(), [2, 1]);
        assert_eq!(places.names, ["\"input\""]);
    }

    #[test]
    fn what_is_no_place_is_told() {
        assert!(places(&[]).unwrap_err().contains("no place"));
        assert!(places(&["usage"]).unwrap_err().contains("JSON pointer"));
        assert!(places(&["/choices/*/usage"]).unwrap_err().contains("`*`"));
    }
}
