//! A gateway of this process in front of an upstream that a test plays.

use std::net::SocketAddr;

use aplomb_gateway::config::{Config, Surroundings};
use aplomb_gateway::{AdminToken, Gateway};

use super::caller::{Message, Wire};
use super::upstream::Upstream;

/// The key that is ours in these tests: what stands in `KEY`.
pub(super) const OUR_KEY: &str = "sk-ours-4f6b2d9c8e7a1350";

/// Another one, in `OTHER_KEY`.
pub(super) const OTHER_KEY: &str = "sk-other-77c1b0a9d4e3f258";

/// What a token server knows us by, in `CLIENT_SECRET`.
pub(super) const CLIENT_SECRET: &str = "client-secret-51d0c7b3";

/// What a test wants to be configured; the rest are defaults.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Wishes<'a> {
    /// Lines of `[server]`.
    pub(super) server: &'a str,
    /// The dialect of the upstream; `openai` when empty.
    pub(super) dialect: &'a str,
    /// Lines of the upstream.
    pub(super) upstream: &'a str,
    /// Further upstreams, whole.
    pub(super) more: &'a str,
    /// Lines of the route.
    pub(super) route: &'a str,
}

impl Wishes<'_> {
    /// The file that says so.
    pub(super) fn file(&self, url: &str) -> String {
        let Wishes { server, dialect, upstream, more, route } = self;
        let dialect = if dialect.is_empty() { "openai" } else { dialect };
        format!(
            "[server]\nlisten = \"127.0.0.1:0\"\nadmin = \"127.0.0.1:0\"\nworkers = 1\n{server}\n\
             [[upstream]]\nname = \"first\"\nurl = \"{url}\"\ndialect = \"{dialect}\"\n{upstream}\n{more}\n\
             [[route]]\npath = \"/\"\nupstream = \"first\"\n{route}\n"
        )
    }
}

/// A second upstream by the name of `second`, with a key of ours.
pub(super) fn second(upstream: &Upstream, lines: &str) -> String {
    format!(
        "[[upstream]]\nname = \"second\"\nurl = \"{}\"\ndialect = \"openai\"\ncredential = {{ env = \"KEY\" }}\n{lines}\n",
        upstream.url()
    )
}

/// What every file says whose text is asked for.
const DOCUMENT: &str = "
openapi: 3.1.0
paths:
  /items/{id}:
    get:
      parameters:
        - { name: id, in: path, required: true, schema: { type: integer } }
        - { name: limit, in: query, schema: { type: integer, maximum: 100 } }
      responses: { 200: { content: { application/json: {} } } }
";

/// Reads a configuration.
pub(super) fn config(file: &str) -> Config {
    read(file).unwrap_or_else(|mistakes| panic!("{file}\n{mistakes:#?}"))
}

/// Reads a configuration that may have mistakes.
pub(super) fn read(file: &str) -> Result<Config, Vec<aplomb_gateway::config::Mistake>> {
    let env = |name: &str| match name {
        "KEY" => Some(OUR_KEY.to_owned()),
        "OTHER_KEY" => Some(OTHER_KEY.to_owned()),
        "CLIENT_SECRET" => Some(CLIENT_SECRET.to_owned()),
        _ => None,
    };
    let catalog = aplomb_core::catalog();
    let text = |_: &std::path::Path| Ok(DOCUMENT.to_owned());
    let around =
        Surroundings { env: &env, readable: &|_| Ok(()), text: &text, ..Surroundings::of_process(catalog) };
    Config::from_toml(file, "test.toml", &around)
}

/// Whom the admin port of every rig lets in.
pub(super) const TOKEN: &str = "authorization: Bearer token-of-the-tests\r\n";

/// Its token.
pub(super) fn token() -> AdminToken {
    AdminToken::named("token-of-the-tests").unwrap()
}

/// A running gateway.
pub(super) struct Rig {
    pub(super) gateway: Gateway,
}

impl Rig {
    /// With every default.
    pub(super) fn before(upstream: &Upstream) -> Self {
        Self::with(upstream, Wishes::default())
    }

    pub(super) fn with(upstream: &Upstream, wishes: Wishes<'_>) -> Self {
        Self::start(config(&wishes.file(&upstream.url())))
    }

    pub(super) fn start(config: Config) -> Self {
        Self { gateway: Gateway::start(config, aplomb_core::catalog(), |_| None, None, token()).unwrap() }
    }

    pub(super) fn address(&self) -> SocketAddr {
        self.gateway.listen()
    }

    /// A new connection.
    pub(super) async fn connect(&self) -> Wire {
        Wire::connect(self.address()).await
    }

    /// Sends a request on a connection of its own.
    pub(super) async fn ask(&self, request: impl AsRef<[u8]>) -> Message {
        let mut wire = self.connect().await;
        wire.send(request).await;
        wire.answer().await
    }

    /// A chat completion with these header lines.
    pub(super) async fn chat(&self, lines: &str) -> Message {
        self.ask(post("/v1/chat/completions", lines, CHAT)).await
    }

    /// A streamed chat completion.
    pub(super) async fn stream(&self) -> Message {
        self.ask(post("/v1/chat/completions", "", STREAMED)).await
    }
}

/// A body that asks for a completion.
pub(super) const CHAT: &str = r#"{"model":"m-1","messages":[{"role":"user","content":"hi"}]}"#;

/// A body that asks for a streamed completion.
pub(super) const STREAMED: &str =
    r#"{"model":"m-1","stream":true,"messages":[{"role":"user","content":"hi"}]}"#;

/// An answer to it.
pub(super) const CHOICE: &str = r#"{"id":"c-1","choices":[{"index":0,"message":{"role":"assistant","content":"Hello"},"finish_reason":"stop"}]}"#;

/// A POST with a JSON body.
pub(super) fn post(path: &str, lines: &str, body: &str) -> String {
    format!(
        "POST {path} HTTP/1.1\r\nhost: localhost\r\n{lines}content-type: application/json\r\ncontent-length: {}\r\n\r\n{body}",
        body.len()
    )
}

/// A GET.
pub(super) fn get(path: &str, lines: &str) -> String {
    format!("GET {path} HTTP/1.1\r\nhost: localhost\r\n{lines}\r\n")
}
