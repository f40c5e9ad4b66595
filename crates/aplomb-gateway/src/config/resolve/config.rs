//! The whole configuration from its file.

use std::fs::File;
use std::io::Read;
use std::path::Path;
use std::sync::Arc;

use crate::config::resolve::Resolver;
use crate::config::resolve::protect::Common;
use crate::config::written::{Page, WrittenFile};
use crate::config::{Config, Mistake, Routes, Surroundings, units};

/// A configuration file is read whole; what is larger than this is another file.
const LARGEST_FILE: u64 = 4 << 20;

impl Config {
    /// Reads a configuration; `file` is its name, for mistakes and as the place where relative paths begin.
    ///
    /// # Errors
    /// Every mistake in it, in the order of the file.
    pub fn from_toml(text: &str, file: &str, around: &Surroundings<'_>) -> Result<Self, Vec<Mistake>> {
        let page = Page::new(file, text);
        let folder = Path::new(file).parent().unwrap_or_else(|| Path::new(""));
        let config = WrittenFile::read(text, &page)
            .and_then(|written| Resolver { page: &page, around, folder }.config(written));
        match config {
            Some(config) if page.is_clean() => Ok(config),
            _ => Err(page.into_mistakes()),
        }
    }

    /// Reads a configuration from a file.
    ///
    /// # Errors
    /// That the file can't be read, or every mistake in it.
    pub fn load(path: &Path, around: &Surroundings<'_>) -> Result<Self, Vec<Mistake>> {
        let file = path.display().to_string();
        let text = read(path).map_err(|message| {
            vec![Mistake { file: file.clone(), place: None, key: String::new(), message }]
        })?;
        Self::from_toml(&text, &file, around)
    }
}

/// The bound is on what is read, not on what the file says of itself: a pipe or a device says nothing.
fn read(path: &Path) -> Result<String, String> {
    let mut bytes = Vec::new();
    File::open(path)
        .and_then(|file| file.take(LARGEST_FILE + 1).read_to_end(&mut bytes))
        .map_err(|err| format!("can't be read: {err}"))?;
    if bytes.len() as u64 > LARGEST_FILE {
        return Err(format!("has more than {}; that is no configuration", units::show_size(LARGEST_FILE)));
    }
    String::from_utf8(bytes)
        .map_err(|err| format!("is not UTF-8 text from byte {} on", err.utf8_error().valid_up_to()))
}

impl Resolver<'_> {
    fn config(&self, written: WrittenFile) -> Option<Config> {
        let server = self.server(written.server);
        let upstreams = self.upstreams(written.upstreams, &server);
        let store = written.store.map(|place| self.store(place.value));
        let tiers: Vec<_> = written.tiers.into_iter().map(|tier| Arc::new(tier.value)).collect();
        let common = Common { tiers: &tiers, has_store: store.is_some() };
        let routes = self.routes(written.routes, &upstreams, &server, common);
        let upstreams = upstreams.into_iter().map(|(_, upstream)| upstream).collect::<Option<_>>()?;
        Some(Config { server, upstreams, routes: Routes::new(routes?), tiers, store, shared: written.shared })
    }
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;
    use std::time::Duration;

    use proptest::prelude::*;

    use crate::config::given::{PLAIN, read, told};
    use crate::config::{Credential, Disclose, Repeat, SAMPLE, Server, SharedQuota, Timeouts, Trail};

    proptest! {
        #[test]
        fn no_text_makes_the_reader_fall(text in ".*") {
            let _ = read(&text);
        }

        #[test]
        fn no_broken_sample_makes_the_reader_fall(cut in 0..SAMPLE.len(), skip in 0..40_usize, put in "[\\[\\]{}=\"'#\na0.,]{0,4}") {
            let cut = SAMPLE.floor_char_boundary(cut);
            let after = SAMPLE.floor_char_boundary((cut + skip).min(SAMPLE.len()));
            let _ = read(&format!("{}{put}{}", &SAMPLE[..cut], &SAMPLE[after..]));
        }
    }

    #[test]
    fn what_is_not_said_has_its_default() {
        let config = read(PLAIN).unwrap();
        assert_eq!(config.server, Server::default());
        let route = config.routes.iter().next().unwrap();
        assert_eq!(route.upstream.url.to_string(), "https://api.groq.com");
        assert_eq!(route.upstream.credential, Credential::Caller);
        assert_eq!(route.upstream.timeouts, Timeouts::default());
        assert_eq!(route.answer.as_deref(), Some("groq"));
        assert_eq!((route.retry.attempts, route.retry.deadline), (3, Duration::from_secs(60)));
        assert_eq!(route.disclose, Disclose::Full);
    }

    const EVERYTHING: &str = r#"
            [server]
            listen = "0.0.0.0:80"
            admin = "localhost:81"
            hosts = ["Gateway.example.com"]
    trusted_proxies = ["10.0.0.0/8", "::1"]
            cors = ["https://App.example.com"]
            tls = { cert = "there.pem", key = "/abs/there.pem" }
            memory = "64MiB"
            workers = 3
            drain = "1m"
            max_url = "8KiB"
            max_headers = "32KiB"
            max_body = "none"
            header_timeout = "11s"
            body_timeout = "12s"
            keep_alive = "13s"
            [log]
            format = "json"
            level = "debug"
            [[upstream]]
            name = "groq"
            url = "https://proxy.internal:8443/groq/"
            dialect = "groq"
            credential = { env = "GROQ_API_KEY" }
            timeouts = { connect = "1s", headers = "2s", first_event = "3s", idle = "4s" }
            hold_bytes = "2MiB"
            ca = "there.pem"
            [[upstream]]
            name = "local"
            url = "http://127.0.0.1:11434/v1"
            dialect = "openai"
            credential = "none"
            [[route]]
            path = "/"
            upstream = "groq"
            fallback = ["local", { upstream = "groq", model = "small", context = 8192 }]
            answer = "openai"
            open = true
            retry = { attempts = 1, deadline = "5s", repeat = "never" }
            queue = { max_wait = "0s" }
            trail = "body"
            shared_quota = 503
            replay_bytes = 0
    "#;

    #[test]
    fn every_key_of_the_server_arrives_where_it_belongs() {
        let config = read(EVERYTHING).unwrap();
        let server = &config.server;
        assert_eq!((server.listen.to_string(), server.admin.port()), ("0.0.0.0:80".to_owned(), 81));
        assert_eq!(server.hosts, ["gateway.example.com"]);
        assert_eq!(server.trusted_proxies.len(), 2);
        assert_eq!(server.cors, ["https://app.example.com"]);
        let tls = server.tls.as_ref().unwrap();
        assert_eq!(
            (&tls.cert, &tls.key),
            (&PathBuf::from("etc/there.pem"), &PathBuf::from("/abs/there.pem"))
        );
        assert_eq!((server.memory, server.workers, server.max_body), (64 << 20, Some(3), None));
        assert_eq!((server.max_url, server.max_headers), (8 << 10, 32 << 10));
        let seconds = [server.drain, server.header_timeout, server.body_timeout, server.keep_alive];
        assert_eq!(seconds.map(|time| time.as_secs()), [60, 11, 12, 13]);
    }

    #[test]
    fn every_key_of_upstreams_and_routes_arrives_where_it_belongs() {
        let config = read(EVERYTHING).unwrap();
        let route = config.routes.iter().next().unwrap();
        let groq = &route.upstream;
        assert_eq!(groq.url.to_string(), "https://proxy.internal:8443/groq");
        let key = groq.credential.ours().unwrap();
        assert_eq!((key.header.as_str(), key.prefix.as_str()), ("authorization", "Bearer "));
        assert_eq!(groq.hold_bytes, 2 << 20);
        assert_eq!(groq.ca, Some(PathBuf::from("etc/there.pem")));
        let hops: Vec<_> =
            route.hops().map(|hop| (hop.upstream.name.as_str(), hop.model, hop.context)).collect();
        assert_eq!(hops, [("groq", None, None), ("local", None, None), ("groq", Some("small"), Some(8192))]);
        assert_eq!(route.fallback[0].upstream.credential, Credential::Nothing);
        assert_eq!((route.retry.attempts, route.retry.repeat), (1, Repeat::Never));
        assert_eq!((route.queue.max_wait, route.replay_bytes), (Duration::ZERO, 0));
        assert_eq!((route.trail, route.shared_quota), (Trail::Body, SharedQuota::Unavailable));
        assert_eq!(route.disclose, Disclose::Safe);
    }

    #[test]
    fn every_mistake_is_told_with_its_place_and_what_would_be_right() {
        let told = told(
            r#"[server]
listen = ":4100"
lisen = "127.0.0.1:1"
tls = { cert = "gone.pem" }
memory = true
[log]
level = "verbose"
[[upstream]]
name = "groq"
dialect = "groqq"
timeouts = { conect = "5s", idle = 120 }
[[upstream]]
name = "groq"
url = "https://user:hunter2@host"
[[route]]
path = "groq/"
upstream = "gorq"
answer = "opnai"
retry = { attemps = 3, deadline = "60" }
disclose = "ful"
[[route]]
path = "/a"
open = "yes"
[[routes]]
"#,
        );
        insta::assert_snapshot!(told, @r#"
        etc/aplomb.toml:2:10: [server] listen: say which address: `127.0.0.1:4100` for this machine only, `0.0.0.0:4100` for all
        etc/aplomb.toml:3:1: [server] lisen: unknown key; did you mean `listen`?
        etc/aplomb.toml:4:7: [server] tls.key: missing; the private key, PEM
        etc/aplomb.toml:5:10: [server] memory: expected a size such as `"1MiB"`, found true or false
        etc/aplomb.toml:7:9: [log] level: expected `"error"` or `"warn"` or `"info"` or `"debug"` or `"trace"`
        etc/aplomb.toml:10:11: [[upstream]] dialect: no dialect is called `groqq`; did you mean `groq`?
        etc/aplomb.toml:11:14: [[upstream]] timeouts.conect: unknown key; did you mean `connect`?
        etc/aplomb.toml:11:36: [[upstream]] timeouts.idle: expected a time with its unit, such as `"120s"`
        etc/aplomb.toml:13:8: [[upstream]] name: `groq` is taken already, in line 9
        etc/aplomb.toml:14:7: [[upstream]] url: no user or password in a URL; use `credential = { env = "…" }`
        etc/aplomb.toml:16:8: [[route]] path: begin it with a slash: `/groq`
        etc/aplomb.toml:17:12: [[route]] upstream: no upstream is called `gorq`; did you mean `groq`?
        etc/aplomb.toml:18:10: [[route]] answer: no dialect is called `opnai`; did you mean `openai`?
        etc/aplomb.toml:19:11: [[route]] retry.attemps: unknown key; did you mean `attempts`?
        etc/aplomb.toml:19:35: [[route]] retry.deadline: `60` has no unit; write `60s` if seconds are meant
        etc/aplomb.toml:20:12: [[route]] disclose: expected `"full"` or `"safe"` or `"none"`; did you mean `"full"`?
        etc/aplomb.toml:21:1: [[route]] upstream: missing; the name of the upstream to ask
        etc/aplomb.toml:23:8: [[route]] open: expected `true` or `false`, found text
        etc/aplomb.toml:24:3: routes: unknown key; did you mean `route`?
        "#);
    }
}
