//! What is asked of the office: a method, a path, a query and a body, whichever way they came.

use http::Method;
use serde::de::DeserializeOwned;

use super::trouble::Trouble;
use crate::percent;

/// The most bytes of a body: a key with all the scopes that it may have takes a tenth of it.
pub(crate) const LARGEST: usize = 64 << 10;

/// One question.
#[derive(Debug)]
pub(crate) struct Asked<'a> {
    /// Who asks, for the audit table.
    pub(crate) who: &'a str,
    /// What is to be done.
    pub(crate) method: &'a Method,
    /// To what: the path, piece by piece.
    pub(crate) path: Vec<String>,
    /// The query, as it came.
    query: &'a str,
    /// The body, whole.
    body: &'a [u8],
}

impl<'a> Asked<'a> {
    /// Takes a target apart: `/keys/abc?after=x`.
    pub(crate) fn new(who: &'a str, method: &'a Method, target: &'a str, body: &'a [u8]) -> Self {
        let (path, query) = target.split_once('?').unwrap_or((target, ""));
        let pieces = path.split('/').skip(1).map(text).collect();
        Self { who, method, path: pieces, query, body }
    }

    /// A parameter of the query; an empty one is none.
    pub(crate) fn param(&self, name: &str) -> Option<String> {
        let pairs = self.query.split('&').filter_map(|pair| pair.split_once('='));
        let found =
            pairs.filter(|(own, _)| *own == name).map(|(_, value)| text(&value.replace('+', " "))).next();
        found.filter(|value| !value.is_empty())
    }

    /// The number that a parameter holds.
    ///
    /// # Errors
    /// It holds something else.
    pub(crate) fn number(&self, name: &str) -> Result<Option<i64>, Trouble> {
        let wrong = |_| Trouble::field(name, "expected a whole number");
        self.param(name).map(|value| value.parse().map_err(wrong)).transpose()
    }

    /// The body.
    ///
    /// # Errors
    /// It isn't what is asked for here.
    pub(crate) fn body<T: DeserializeOwned>(&self) -> Result<T, Trouble> {
        if self.body.len() > LARGEST {
            return Err(Trouble::too_large(LARGEST));
        }
        serde_json::from_slice(self.body).map_err(|error| Trouble::json(&error))
    }
}

fn text(piece: &str) -> String {
    String::from_utf8_lossy(&percent::decoded(piece)).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_target_is_taken_apart_before_it_is_decoded() {
        let asked = Asked::new("x", &Method::GET, "/accounts/a%2Fb?after=k%201&x=&n=7", b"{");
        assert_eq!(asked.path, ["accounts", "a/b"]);
        assert_eq!(
            (asked.param("after").as_deref(), asked.param("x"), asked.param("y")),
            (Some("k 1"), None, None)
        );
        assert_eq!(asked.number("n").unwrap(), Some(7));
        assert!(asked.number("after").is_err());
        assert!(asked.body::<serde_json::Value>().is_err());
    }
}
