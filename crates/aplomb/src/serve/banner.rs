//! What `serve` says when it is ready: the lines to paste.

use std::fmt::Write as _;

use aplomb_core::{Catalog, Dialect};
use aplomb_gateway::Gateway;
use aplomb_gateway::config::{Config, Route};

/// The banner of a gateway that serves.
pub(super) fn text(config: &Config, catalog: &Catalog, gateway: &Gateway) -> String {
    let scheme = if config.server.tls.is_some() { "https" } else { "http" };
    let origin = format!("{scheme}://{}", gateway.listen());
    let mut out = format!(
        "aplomb {} serves {origin}, health on http://{}\n\n",
        env!("CARGO_PKG_VERSION"),
        gateway.admin()
    );
    let mut routes: Vec<_> = config.routes.iter().collect();
    routes.sort_by(|a, b| a.path.cmp(&b.path));
    for route in routes {
        line(&mut out, catalog, &origin, route);
    }
    out.push('\n');
    out
}

/// One route: where it leads, and what to paste for the upstream's own SDK.
fn line(out: &mut String, catalog: &Catalog, origin: &str, route: &Route) {
    let dialect = route.upstream.dialect.as_deref().and_then(|name| catalog.get(name));
    let base = format!("{origin}{}{}", route.path.trim_end_matches('/'), sdk_path(route, dialect));
    let paste = dialect
        .and_then(|dialect| dialect.sdk.get("python"))
        .map_or_else(|| format!("base URL {base}"), |sdk| sdk.line("python", &base));
    // Writing to a string can't fail.
    let _ = writeln!(out, "  {:16} → {:40} {paste}", route.path, route.upstream.url.to_string());
}

/// The path that the SDK's own base URL has, so that only the origin changes.
fn sdk_path(route: &Route, dialect: Option<&Dialect>) -> String {
    if !route.upstream.url.path.is_empty() && !route.upstream.url.keeps_own_path {
        return String::new();
    }
    let base = dialect.and_then(|dialect| dialect.base_url.as_deref());
    let path = base
        .and_then(|base| base.split_once("://"))
        .and_then(|(_, rest)| rest.find('/').map(|at| &rest[at..]));
    path.unwrap_or_default().trim_end_matches('/').to_owned()
}
