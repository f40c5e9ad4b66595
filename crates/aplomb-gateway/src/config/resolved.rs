//! A whole configuration, ready to be served.

use std::sync::Arc;

use aplomb_core::{Catalog, Dialect};

use crate::config::{
    Base, Credential, Limits, Mistake, Route, Routes, Server, SharedPlace, StorePlace, Tier, Timeouts,
    Upstream,
};

/// Everything that a gateway is told, checked.
///
/// It is shared as a whole: a request keeps the configuration that it began with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Config {
    /// The gateway itself.
    pub server: Server,
    /// Everybody who may be asked, in the order of the file.
    pub upstreams: Vec<Arc<Upstream>>,
    /// The routes.
    pub routes: Routes,
    /// What callers may use.
    pub tiers: Vec<Arc<Tier>>,
    /// Where keys, accounts, balances and kept answers live; absent: in the state folder, if a route needs it.
    pub store: Option<StorePlace>,
    /// Where several gateways count together; absent: each for itself.
    pub shared: Option<SharedPlace>,
}

/// What `serve --upstream URL` tells: one route at `/`.
#[derive(Clone, Copy, Debug)]
pub struct Single<'a> {
    /// Whom to ask.
    pub upstream: &'a str,
    /// Its dialect; absent: told from its host or its answers.
    pub dialect: Option<&'a str>,
    /// The dialect in which callers hear of failures; absent: the upstream's own.
    pub answer: Option<&'a str>,
}

impl Config {
    /// A route `/NAME` to every dialect that has a base URL, callers' credentials passing through.
    ///
    /// # Errors
    /// A base URL in a folder of dialects that is no URL, and ports that clash.
    pub fn bare(server: Server, catalog: &Catalog) -> Result<Self, Vec<Mistake>> {
        let mut mistakes = clash(&server);
        let mut upstreams = Vec::new();
        for dialect in catalog.dialects() {
            let Some(base_url) = &dialect.base_url else { continue };
            match base_url.parse::<Base>() {
                Ok(url) => upstreams.push(passing_through(&dialect.name, url, Some(dialect))),
                Err(message) => {
                    let file = format!("{}.toml", dialect.name);
                    mistakes.push(Mistake { file, place: None, key: "base_url".to_owned(), message });
                }
            }
        }
        let routes = upstreams
            .iter()
            .map(|upstream| Arc::new(Route::new(&format!("/{}", upstream.name), Arc::clone(upstream))));
        let routes = Routes::new(routes.collect());
        if mistakes.is_empty() { Ok(Self::plain(server, upstreams, routes)) } else { Err(mistakes) }
    }

    /// One route at `/`, callers' credentials passing through.
    ///
    /// # Errors
    /// What is no URL, unknown dialects, and ports that clash.
    pub fn single(single: Single<'_>, server: Server, catalog: &Catalog) -> Result<Self, Vec<Mistake>> {
        let mut mistakes = clash(&server);
        let mut named = |option: &str, name: Option<&str>| {
            known(catalog, name?).map_err(|told| mistakes.push(on_command_line(option, told))).ok()
        };
        let dialect = named("--dialect", single.dialect);
        let answer = named("--answer", single.answer);
        match single.upstream.parse::<Base>() {
            Ok(url) if mistakes.is_empty() => {
                let dialect = dialect.or_else(|| at_host(catalog, &url.host));
                let upstream = passing_through(
                    &dialect.map_or_else(|| url.host.clone(), |known| known.name.clone()),
                    url,
                    dialect,
                );
                let mut route = Route::new("/", Arc::clone(&upstream));
                if let Some(answer) = answer {
                    route.answer = Some(answer.name.clone());
                }
                Ok(Self::plain(server, vec![upstream], Routes::new(vec![Arc::new(route)])))
            }
            Ok(_) => Err(mistakes),
            Err(told) => {
                mistakes.push(on_command_line("--upstream", told));
                Err(mistakes)
            }
        }
    }
}

impl Config {
    /// Nothing is asked of callers.
    fn plain(server: Server, upstreams: Vec<Arc<Upstream>>, routes: Routes) -> Self {
        Self { server, upstreams, routes, tiers: Vec::new(), store: None, shared: None }
    }

    /// Where the store is, if a route needs one.
    pub fn needed_store(&self) -> Option<StorePlace> {
        let needed = self.routes.iter().any(|route| route.protect.needs_store());
        needed.then(|| self.store.clone().unwrap_or(StorePlace::File(None)))
    }
}

fn passing_through(name: &str, url: Base, dialect: Option<&Dialect>) -> Arc<Upstream> {
    Arc::new(Upstream {
        name: name.to_owned(),
        url: with_kept_path(url, dialect),
        dialect: dialect.map(|dialect| dialect.name.clone()),
        credential: Credential::Caller,
        more_keys: Vec::new(),
        limits: Limits::default(),
        model_limits: Vec::new(),
        timeouts: Timeouts::default(),
        hold_bytes: Upstream::HOLD_BYTES,
        ca: None,
        context: None,
    })
}

/// Notes whether the URL's path is the one that the dialect's SDKs have in their own default.
pub(super) fn with_kept_path(url: Base, dialect: Option<&Dialect>) -> Base {
    let own = dialect.and_then(|dialect| dialect.base_url.as_ref()?.parse::<Base>().ok());
    let keeps_own_path = !url.path.is_empty() && own.is_some_and(|own| own.path == url.path);
    Base { keeps_own_path, ..url }
}

/// The dialect of that name.
///
/// # Errors
/// A sentence with the nearest known name.
pub(super) fn known<'c>(catalog: &'c Catalog, name: &str) -> Result<&'c Dialect, String> {
    catalog.get(name).ok_or_else(|| match catalog.nearest(name) {
        Some(nearest) => format!("no dialect is called `{name}`; did you mean `{nearest}`?"),
        None => {
            let names: Vec<_> = catalog.names().collect();
            format!("no dialect is called `{name}`; known are {}", names.join(", "))
        }
    })
}

/// The only dialect that is spoken at this host, if its file says so.
pub(super) fn at_host<'c>(catalog: &'c Catalog, host: &str) -> Option<&'c Dialect> {
    let fits = |known: &String| match known.strip_prefix('.') {
        Some(domain) => host.strip_suffix(domain).is_some_and(|before| before.ends_with('.')),
        None => known == host,
    };
    let mut speakers = catalog.dialects().filter(|dialect| dialect.detect.hosts.iter().any(fits));
    speakers.next().filter(|_| speakers.next().is_none())
}

fn clash(server: &Server) -> Vec<Mistake> {
    let told = "the admin port must be another one than the callers'";
    let clash = server.ports_clash().then(|| on_command_line("--admin", told.to_owned()));
    clash.into_iter().collect()
}

fn on_command_line(key: &str, message: String) -> Mistake {
    Mistake { file: "command line".to_owned(), place: None, key: key.to_owned(), message }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(result: Result<Config, Vec<Mistake>>) -> String {
        result.unwrap_err().iter().map(|mistake| format!("{mistake}\n")).collect()
    }

    #[test]
    fn bare_has_a_route_for_every_dialect_with_a_base_url() {
        let catalog = aplomb_core::catalog();
        let config = Config::bare(Server::default(), catalog).unwrap();
        let with_url = catalog.dialects().filter(|dialect| dialect.base_url.is_some()).count();
        assert_eq!(config.routes.iter().count(), with_url);
        let found = config.routes.find("/openai/v1/chat/completions").unwrap();
        assert_eq!(found.route.upstream.url.join(found.rest), "/v1/chat/completions");
        assert_eq!(found.route.upstream.url.origin(), "https://api.openai.com");
        assert_eq!(found.route.answer.as_deref(), Some("openai"));
        assert_eq!(found.route.upstream.credential, Credential::Caller);
    }

    #[test]
    fn single_is_one_route_at_the_root() {
        let single = Single { upstream: "http://127.0.0.1:9000", dialect: None, answer: Some("openai") };
        let config = Config::single(single, Server::default(), aplomb_core::catalog()).unwrap();
        let found = config.routes.find("/v1/models").unwrap();
        assert_eq!(found.rest, "/v1/models");
        assert_eq!(found.route.upstream.dialect, None);
        assert_eq!(found.route.answer.as_deref(), Some("openai"));
    }

    #[test]
    fn a_dialect_is_known_by_its_host() {
        let single = Single { upstream: "https://api.anthropic.com", dialect: None, answer: None };
        let config = Config::single(single, Server::default(), aplomb_core::catalog()).unwrap();
        assert_eq!(config.upstreams[0].dialect.as_deref(), Some("anthropic"));
    }

    #[test]
    fn every_mistake_on_the_command_line_is_told_at_once() {
        let single = Single { upstream: "localhost:9000", dialect: Some("opnai"), answer: Some("anthropc") };
        let server = Server { admin: "0.0.0.0:4100".parse().unwrap(), ..Server::default() };
        let told = told(Config::single(single, server, aplomb_core::catalog()));
        insta::assert_snapshot!(told, @r"
        command line: --admin: the admin port must be another one than the callers'
        command line: --dialect: no dialect is called `opnai`; did you mean `openai`?
        command line: --answer: no dialect is called `anthropc`; did you mean `anthropic`?
        command line: --upstream: begin it with `https://` or `http://`
        ");
    }
}
