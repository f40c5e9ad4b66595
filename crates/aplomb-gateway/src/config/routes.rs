//! Which route a path belongs to.

use std::sync::Arc;

use crate::config::{Route, path};

/// All routes, the longest path first.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Routes(Vec<Arc<Route>>);

/// A route and what of the path lies behind it.
#[derive(Clone, Copy, Debug)]
pub struct Found<'r, 'p> {
    /// The route.
    pub route: &'r Arc<Route>,
    /// What follows the prefix: empty, or it begins with a slash.
    pub rest: &'p str,
}

/// Why a path has no route.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NoRoute {
    /// No prefix fits.
    Unknown,
    /// The path has segments such as `..` that another reader might resolve; it is refused as it stands.
    Unsound,
}

impl Routes {
    /// Puts routes in the order in which they are tried.
    pub fn new(mut routes: Vec<Arc<Route>>) -> Self {
        routes.sort_by_key(|route| std::cmp::Reverse(route.path.len()));
        Self(routes)
    }

    /// The route with the longest prefix of this path: `/groq` fits `/groq` and `/groq/…`, not `/groqx`.
    ///
    /// The path is compared as it was sent, without its query: no decoding, so that nothing can be hidden in it.
    ///
    /// # Errors
    /// No prefix fits, or the path is refused.
    pub fn find<'p>(&self, path: &'p str) -> Result<Found<'_, 'p>, NoRoute> {
        if !path::is_sound(path) {
            return Err(NoRoute::Unsound);
        }
        self.0
            .iter()
            .find_map(|route| behind(&route.path, path).map(|rest| Found { route, rest }))
            .ok_or(NoRoute::Unknown)
    }

    /// All of them, the longest path first.
    pub fn iter(&self) -> impl Iterator<Item = &Arc<Route>> {
        self.0.iter()
    }
}

fn behind<'p>(prefix: &str, path: &'p str) -> Option<&'p str> {
    let rest = path.strip_prefix(prefix.trim_end_matches('/'))?;
    (rest.is_empty() || rest.starts_with('/')).then_some(rest)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{Credential, Timeouts, Upstream};

    fn routes(paths: &[&str]) -> Routes {
        let upstream = Arc::new(Upstream {
            name: "u".to_owned(),
            url: "http://127.0.0.1:9".parse().unwrap(),
            dialect: None,
            credential: Credential::Caller,
            more_keys: Vec::new(),
            limits: crate::config::Limits::default(),
            model_limits: Vec::new(),
            timeouts: Timeouts::default(),
            hold_bytes: Upstream::HOLD_BYTES,
            ca: None,
            context: None,
        });
        Routes::new(paths.iter().map(|path| Arc::new(Route::new(path, Arc::clone(&upstream)))).collect())
    }

    fn found(paths: &[&str], path: &str) -> Option<(String, String)> {
        let routes = routes(paths);
        let found = routes.find(path).ok()?;
        Some((found.route.path.clone(), found.rest.to_owned()))
    }

    fn pair(prefix: &str, rest: &str) -> Option<(String, String)> {
        Some((prefix.to_owned(), rest.to_owned()))
    }

    #[test]
    fn a_prefix_fits_itself_and_what_lies_below() {
        assert_eq!(found(&["/groq"], "/groq"), pair("/groq", ""));
        assert_eq!(found(&["/groq"], "/groq/"), pair("/groq", "/"));
        assert_eq!(found(&["/groq"], "/groq/v1/x"), pair("/groq", "/v1/x"));
        assert_eq!(found(&["/groq"], "/groqx"), None);
        assert_eq!(found(&["/groq"], "/Groq"), None);
        assert_eq!(found(&["/groq"], "/"), None);
        assert_eq!(found(&["/groq"], "*"), None);
        assert_eq!(found(&["/groq"], ""), None);
    }

    #[test]
    fn the_longest_prefix_wins() {
        let paths = ["/", "/a", "/a/b"];
        assert_eq!(found(&paths, "/a/b/c"), pair("/a/b", "/c"));
        assert_eq!(found(&paths, "/a/bc"), pair("/a", "/bc"));
        assert_eq!(found(&paths, "/x"), pair("/", "/x"));
        assert_eq!(found(&paths, "/"), pair("/", "/"));
    }

    #[test]
    fn no_trick_leaves_a_prefix() {
        let routes = routes(&["/groq", "/admin", "/"]);
        for path in
            ["/groq/../admin", "/groq/%2e%2e/admin", "/groq/..%2Fadmin", "/groq/..;/admin", "/x\\..\\y"]
        {
            assert_eq!(routes.find(path).unwrap_err(), NoRoute::Unsound, "{path}");
        }
    }

    #[test]
    fn a_prefix_in_disguise_is_another_path() {
        let paths = ["/groq", "/"];
        assert_eq!(found(&paths, "/%67roq/x"), pair("/", "/%67roq/x"));
        assert_eq!(found(&paths, "//groq/x"), pair("/", "//groq/x"));
        assert_eq!(found(&paths, "/groq%2Fx"), pair("/", "/groq%2Fx"));
        assert_eq!(found(&["/groq"], "//groq/x"), None);
    }
}
