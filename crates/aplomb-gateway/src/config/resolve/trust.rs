//! Whose credential may go where.

use crate::config::resolve::Resolver;
use crate::config::written::Spot;
use crate::config::{Keys, Route, Server, Upstream};

impl Resolver<'_> {
    /// A caller's credential reaches the origin of the route's first upstream only.
    pub(super) fn refuse_leak(&self, first: &Upstream, other: Option<&Upstream>, spot: &Spot) {
        let Some(fallback) = other else { return };
        if !fallback.credential.is_callers() || fallback.url.is_same_origin(&first.url) {
            return;
        }
        let (name, first) = (&fallback.name, &first.name);
        self.page.note(
            spot,
            format!(
                "`{name}` is at another origin than `{first}` and would get the caller's credential; \
                 give `{name}` a `credential` of its own, or `credential = \"none\"` if it needs none"
            ),
        );
    }

    /// A credential of ours is for callers on this machine, unless the route says that anybody may spend it.
    pub(super) fn refuse_gift(&self, route: &Route, spot: &Spot, server: &Server) {
        if route.open || server.is_local() || route.protect.keys == Keys::Required {
            return;
        }
        let Some(ours) = route.hops().find(|hop| hop.upstream.credential.ours().is_some()) else { return };
        self.page.note(
            spot,
            format!(
                "everybody who reaches {} could spend the credential of `{}`; listen on 127.0.0.1, \
                 ask for `keys = \"required\"`, let callers bring their own, or say `open = true`",
                server.listen, ours.upstream.name
            ),
        );
    }
}

#[cfg(test)]
mod tests {
    use crate::config::{Config, Mistake, Surroundings};

    /// Two upstreams and a route over them; what differs is put in.
    fn read(server: &str, first: &str, second: &str, route: &str) -> Result<Config, Vec<Mistake>> {
        let text = format!(
            "[server]\n{server}\n[[upstream]]\nname = \"first\"\nurl = \"https://a.test/v1\"\n{first}\n\
             [[upstream]]\nname = \"second\"\n{second}\n\
             [[route]]\npath = \"/\"\nupstream = \"first\"\n{route}\n"
        );
        let env = |_: &str| Some("key".to_owned());
        let around = Surroundings {
            catalog: aplomb_core::catalog(),
            env: &env,
            readable: &|_| Ok(()),
            text: &|_| Err(String::new()),
            key: &|_| Err(String::new()),
        };
        Config::from_toml(&text, "f", &around)
    }

    const OURS: &str = "credential = { env = \"K\" }";
    const FALLBACK: &str = "fallback = [\"second\"]";
    const ELSEWHERE: &str = "url = \"https://b.test\"";

    #[test]
    fn a_fallback_elsewhere_needs_a_credential_of_its_own() {
        let told = read("", "", ELSEWHERE, FALLBACK).unwrap_err();
        assert_eq!(told.len(), 1);
        assert!(told[0].message.contains("would get the caller's credential"), "{}", told[0]);
        assert_eq!(told[0].key, "[[route]] fallback[0]");
        assert!(read("", OURS, ELSEWHERE, FALLBACK).is_err());
        assert!(read("", "", &format!("{ELSEWHERE}\n{OURS}"), FALLBACK).is_ok());
        assert!(read("", "", &format!("{ELSEWHERE}\ncredential = \"none\""), FALLBACK).is_ok());
        assert!(read("", "", "url = \"https://a.test/v2\"", FALLBACK).is_ok());
    }

    #[test]
    fn another_port_or_scheme_is_another_origin() {
        for url in ["https://a.test:8443", "http://a.test"] {
            assert!(read("", "", &format!("url = \"{url}\""), FALLBACK).is_err(), "{url}");
        }
    }

    #[test]
    fn a_credential_of_ours_is_not_given_to_everybody_unless_the_route_is_open() {
        let public = "listen = \"0.0.0.0:4100\"";
        let told = read(public, OURS, ELSEWHERE, "").unwrap_err();
        assert_eq!(told.len(), 1);
        assert!(told[0].message.contains("could spend the credential of `first`"), "{}", told[0]);
        assert!(read(public, OURS, ELSEWHERE, "open = true").is_ok());
        assert!(read(public, "", ELSEWHERE, "").is_ok());
        assert!(read("listen = \"[::1]:4100\"", OURS, ELSEWHERE, "").is_ok());
    }

    #[test]
    fn a_fallback_with_a_credential_of_ours_counts_as_much() {
        let public = "listen = \"0.0.0.0:4100\"";
        assert!(read(public, "", &format!("{ELSEWHERE}\n{OURS}"), FALLBACK).is_err());
    }
}
