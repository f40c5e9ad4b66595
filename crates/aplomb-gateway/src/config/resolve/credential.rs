//! Whose credential an upstream is asked with, and where one of ours comes from.

use std::path::{Path, PathBuf};

use aplomb_core::Dialect;

use crate::config::resolve::Resolver;
use crate::config::written::{At, Spot, WrittenCredential, WrittenOAuth, WrittenSecret, WrittenSource};
use crate::config::{Confided, Credential, Grant, Key, KeySource, OAuth, Secret};

/// Headers that carry the request itself; a credential there would break it.
const NOT_FOR_KEYS: [&str; 6] =
    ["host", "content-length", "transfer-encoding", "connection", "content-type", "te"];

impl Resolver<'_> {
    pub(super) fn credential(
        &self,
        written: At<WrittenCredential>,
        dialect: Option<&Dialect>,
    ) -> Option<Credential> {
        let spot = written.spot;
        let (source, header, prefix) = match written.value {
            WrittenCredential::Caller => return Some(Credential::Caller),
            WrittenCredential::Nothing => return Some(Credential::Nothing),
            WrittenCredential::Ours { source, header, prefix } => (source, header, prefix),
        };
        let fetched = matches!(source, WrittenSource::OAuth(_));
        // A token that was fetched is a bearer's, whatever keys the dialect has (RFC 6750).
        let auth = dialect.filter(|_| !fetched).and_then(|dialect| dialect.auth.as_ref());
        let own = auth.map_or(("authorization", "Bearer "), |auth| (&*auth.header, &*auth.prefix));
        let name = header.as_ref().map_or_else(|| own.0.to_owned(), |at| at.value.to_ascii_lowercase());
        if let Some(at) = header.as_ref().filter(|_| NOT_FOR_KEYS.contains(&name.as_str())) {
            self.page.note(&at.spot, format!("`{name}` can't carry a credential"));
            return None;
        }
        let own_prefix = match name.as_str() {
            name if name == own.0 => own.1,
            "authorization" => "Bearer ",
            _ => "",
        };
        let (source, from) = self.source(source, spot)?;
        Key::new(&name, prefix.as_deref().unwrap_or(own_prefix), source)
            .map_err(|told| self.page.note(header.as_ref().map_or(&from, |at| &at.spot), told))
            .ok()
            .map(Credential::Ours)
    }

    /// Where a key comes from, and where that stands.
    fn source(&self, written: WrittenSource, spot: Spot) -> Option<(KeySource, Spot)> {
        match written {
            WrittenSource::Confided(WrittenSecret::Env(variable)) => {
                let key = self.variable(&variable)?;
                Some((KeySource::Given(Secret::new(&key)), variable.spot))
            }
            WrittenSource::Confided(WrittenSecret::File(file)) => {
                let path = self.key_file(&file)?;
                Some((KeySource::File(path), file.spot))
            }
            WrittenSource::OAuth(oauth) => Some((KeySource::OAuth(Box::new(self.oauth(*oauth)?)), spot)),
        }
    }

    fn oauth(&self, written: WrittenOAuth) -> Option<OAuth> {
        let client_secret = written.client_secret.map(|secret| self.confided(secret));
        let refresh_token = written.refresh_token.map(|secret| self.confided(secret));
        let grant = match refresh_token {
            None => Grant::ClientCredentials,
            Some(token) => Grant::RefreshToken(token?),
        };
        Some(OAuth {
            token_url: written.token_url,
            client_id: written.client_id,
            client_secret: match client_secret {
                None => None,
                Some(secret) => Some(secret?),
            },
            auth: written.auth,
            grant,
            scope: written.scope,
            audience: written.audience,
        })
    }

    fn confided(&self, written: WrittenSecret) -> Option<Confided> {
        match written {
            WrittenSecret::Env(variable) => {
                self.variable(&variable).map(|value| Confided::Given(Secret::new(&value)))
            }
            WrittenSecret::File(file) => self.key_file(&file).map(Confided::File),
        }
    }

    /// A file that holds a key; it is looked into only to tell what is wrong with it.
    fn key_file(&self, path: &At<PathBuf>) -> Option<PathBuf> {
        let full = self.folder.join(&path.value);
        let told = match (self.around.key)(&full) {
            Ok(key) => match http::HeaderValue::try_from(key) {
                Ok(_) => return Some(full),
                Err(_) => "the key has characters that can't stand in a header".to_owned(),
            },
            Err(told) => told,
        };
        self.page.note(&path.spot, format!("can't take the key from {}: {told}", shown(&full)));
        None
    }

    /// The value of a variable; its name is told only where it can't be a key that was pasted in its place.
    fn variable(&self, name: &At<String>) -> Option<String> {
        let is_name = name.value.bytes().all(|b| b.is_ascii_uppercase() || b.is_ascii_digit() || b == b'_');
        let called = if is_name { format!("`{}` ", name.value) } else { "named here ".to_owned() };
        let told = match (self.around.env)(&name.value) {
            Some(value) if !value.trim().is_empty() => return Some(value.trim().to_owned()),
            Some(_) => format!("the environment variable {called}is empty"),
            None => format!("the environment variable {called}is not set"),
        };
        self.page.note(&name.spot, told);
        None
    }
}

/// A path as it may be told: where somebody pasted a key in its place, only its folder.
fn shown(path: &Path) -> String {
    let name = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    if crate::redact::redact(&name) == name {
        return path.display().to_string();
    }
    format!("a file in {}", path.parent().unwrap_or_else(|| Path::new("")).display())
}

#[cfg(test)]
mod tests {
    use crate::config::given::{read, told};
    use crate::config::{ClientAuth, Confided, Grant, KeySource};

    const ROUTE: &str = "[[route]]\npath = \"/\"\nupstream = \"u\"\n";

    #[test]
    fn a_credential_that_is_missing_is_named_and_never_shown() {
        let credential = |written: &str| {
            told(&format!("[[upstream]]\nname = \"u\"\nurl = \"http://h\"\ncredential = {written}\n{ROUTE}"))
        };
        let all: String = [
            r#"{ env = "ABSENT" }"#,
            r#"{ env = "EMPTY" }"#,
            r#"{ env = "BROKEN" }"#,
            r#"{ env = "sk-hidden" }"#,
            r#"{ env = "GROQ_API_KEY", header = "x y" }"#,
            r#"{ env = "GROQ_API_KEY", header = "Host" }"#,
            r#"{ key = "sk-hidden" }"#,
            r#""sk-hidden""#,
            r#"{ file = "gone.txt" }"#,
            r#"{ file = "a.empty" }"#,
            r#"{ file = "a.broken" }"#,
            r#"{ file = "sk-live-hidden12345678" }"#,
            r#"{ file = "a.key", env = "GROQ_API_KEY" }"#,
            r#"[{ file = "a.key" }, "caller"]"#,
        ]
        .map(credential)
        .concat();
        assert!(!all.contains("hidden"), "{all}");
        insta::assert_snapshot!(all, @r#"
        etc/aplomb.toml:4:22: [[upstream]] credential.env: the environment variable `ABSENT` is not set
        etc/aplomb.toml:4:22: [[upstream]] credential.env: the environment variable `EMPTY` is empty
        etc/aplomb.toml:4:22: [[upstream]] credential.env: the key has characters that can't stand in a header
        etc/aplomb.toml:4:22: [[upstream]] credential.env: the environment variable named here is not set
        etc/aplomb.toml:4:47: [[upstream]] credential.header: `x y` is no header name
        etc/aplomb.toml:4:47: [[upstream]] credential.header: `host` can't carry a credential
        etc/aplomb.toml:4:14: [[upstream]] credential: say where the key comes from: `env = "NAME"`, `file = "PATH"` or `oauth = { … }`
        etc/aplomb.toml:4:16: [[upstream]] credential.key: unknown key; known here are `env`, `file`, `oauth`, `header`, `prefix`
        etc/aplomb.toml:4:14: [[upstream]] credential: a credential doesn't stand in the file itself; write `{ env = "NAME" }`, `{ file = "PATH" }`, `"caller"` or `"none"`
        etc/aplomb.toml:4:23: [[upstream]] credential.file: can't take the key from etc/gone.txt: no such file
        etc/aplomb.toml:4:23: [[upstream]] credential.file: can't take the key from etc/a.empty: it is empty
        etc/aplomb.toml:4:23: [[upstream]] credential.file: can't take the key from etc/a.broken: the key has characters that can't stand in a header
        etc/aplomb.toml:4:23: [[upstream]] credential.file: can't take the key from a file in etc: no such file
        etc/aplomb.toml:4:14: [[upstream]] credential: a key comes from one of `env`, `file` and `oauth`; leave out the others
        etc/aplomb.toml:4:35: [[upstream]] credential[1]: only credentials of ours can stand in a list: `{ env = "NAME" }`
        "#);
    }

    #[test]
    fn a_key_travels_as_its_dialect_says_unless_the_file_knows_better() {
        let key = |credential: &str, dialect: &str| {
            let text = format!(
                "[[upstream]]\nname = \"u\"\nurl = \"http://h\"\n{dialect}\ncredential = {credential}\n{ROUTE}"
            );
            let config = read(&text).unwrap();
            let key = config.upstreams[0].credential.ours().unwrap();
            let KeySource::Given(secret) = &key.source else { panic!("{key:?}") };
            format!("{}: {}", key.header, key.carry(secret).unwrap().to_str().unwrap())
        };
        let anthropic = "dialect = \"anthropic\"";
        assert_eq!(key(r#"{ env = "GROQ_API_KEY" }"#, ""), "authorization: Bearer gsk-hidden");
        assert_eq!(key(r#"{ env = "GROQ_API_KEY" }"#, anthropic), "x-api-key: gsk-hidden");
        let bearer = r#"{ env = "GROQ_API_KEY", header = "Authorization" }"#;
        assert_eq!(key(bearer, anthropic), "authorization: Bearer gsk-hidden");
        let own = r#"{ env = "GROQ_API_KEY", header = "api-key" }"#;
        assert_eq!(key(own, ""), "api-key: gsk-hidden");
        let prefixed = r#"{ env = "GROQ_API_KEY", header = "x-auth", prefix = "Key " }"#;
        assert_eq!(key(prefixed, ""), "x-auth: Key gsk-hidden");
    }

    #[test]
    fn a_fetched_token_is_a_bearers_wherever_it_is_sent() {
        let oauth = r#"{ token_url = "https://id.test/token/", client_id = "me", client_secret = { file = "c.key" }, scope = "a b",
            auth = "body", grant = "refresh_token", refresh_token = { env = "CLIENT_SECRET" } }"#
            .replace('\n', " ");
        let config = read(&format!(
            "[[upstream]]\nname = \"u\"\nurl = \"http://h\"\ndialect = \"anthropic\"\ncredential = [{{ oauth = {oauth} }}, {{ file = \"a.key\" }}]\n{ROUTE}"
        ))
        .unwrap();
        let upstream = &config.upstreams[0];
        let key = upstream.credential.ours().unwrap();
        assert_eq!((key.header.as_str(), key.prefix.as_str()), ("authorization", "Bearer "));
        let KeySource::OAuth(oauth) = &key.source else { panic!("{key:?}") };
        assert_eq!(oauth.token_url.target, "/token/");
        assert_eq!((oauth.auth, oauth.scope.as_deref()), (ClientAuth::Body, Some("a b")));
        assert_eq!(oauth.client_secret, Some(Confided::File("etc/c.key".into())));
        assert!(matches!(&oauth.grant, Grant::RefreshToken(Confided::Given(_))));
        let second = &upstream.more_keys[0];
        assert_eq!(
            (second.header.as_str(), &second.source),
            ("x-api-key", &KeySource::File("etc/a.key".into()))
        );
        assert!(!format!("{config:?}").contains("hidden"));
    }

    #[test]
    fn what_a_token_server_would_lack_is_told_with_its_place() {
        let oauth = |written: &str| {
            told(&format!(
                "[[upstream]]\nname = \"u\"\nurl = \"http://h\"\ncredential = {{ oauth = {written} }}\n{ROUTE}"
            ))
        };
        let all: String = [
            r#""https://id.test""#,
            r#"{ token_url = "http://id.test", client_id = "a", client_secret = "sk-hidden" }"#,
            r#"{ token_url = "https://u:hidden@id.test", client_id = 1, client_secret = { env = "ABSENT" } }"#,
            r#"{ token_url = "https://id.test", client_id = "a", grant = "refresh" }"#,
            r#"{ token_url = "https://id.test", client_id = "a", grant = "refresh_token" }"#,
            r#"{ token_url = "https://id.test", client_id = "a", client_secret = { env = "CLIENT_SECRET" }, refresh_token = {}, auth = "header" }"#,
            r#"{ url = "https://id.test" }"#,
        ]
        .map(oauth)
        .concat();
        assert!(!all.contains("hidden"), "{all}");
        insta::assert_snapshot!(all, @r#"
        etc/aplomb.toml:4:24: [[upstream]] credential.oauth: expected a table such as `oauth = { … }`
        etc/aplomb.toml:4:38: [[upstream]] credential.oauth.token_url: secrets travel by `https://` only, or to this machine
        etc/aplomb.toml:4:89: [[upstream]] credential.oauth.client_secret: a secret doesn't stand in the file itself; write `{ env = "NAME" }` or `{ file = "PATH" }`
        etc/aplomb.toml:4:38: [[upstream]] credential.oauth.token_url: no user or password in a URL; use `credential = { env = "…" }`
        etc/aplomb.toml:4:78: [[upstream]] credential.oauth.client_id: expected text in quotes, found the number 1
        etc/aplomb.toml:4:24: [[upstream]] credential.oauth: a client without a `client_secret` can't ask for a token of its own
        etc/aplomb.toml:4:82: [[upstream]] credential.oauth.grant: expected `"client_credentials"` or `"refresh_token"`; did you mean `"refresh_token"`?
        etc/aplomb.toml:4:24: [[upstream]] credential.oauth: `grant = "refresh_token"` needs a `refresh_token = { env = "NAME" }`
        etc/aplomb.toml:4:24: [[upstream]] credential.oauth: a `refresh_token` is used with `grant = "refresh_token"` only
        etc/aplomb.toml:4:133: [[upstream]] credential.oauth.refresh_token: write `{ env = "NAME" }` or `{ file = "PATH" }`
        etc/aplomb.toml:4:144: [[upstream]] credential.oauth.auth: expected `"basic"` or `"body"`
        etc/aplomb.toml:4:24: [[upstream]] credential.oauth.token_url: missing; where tokens are fetched, such as `https://…/token`
        etc/aplomb.toml:4:24: [[upstream]] credential.oauth.client_id: missing; the name that the token server knows the client by
        etc/aplomb.toml:4:24: [[upstream]] credential.oauth: a client without a `client_secret` can't ask for a token of its own
        etc/aplomb.toml:4:26: [[upstream]] credential.oauth.url: unknown key; known here are `token_url`, `client_id`, `client_secret`, `auth`, `grant`, `refresh_token`, `scope`, `audience`
        "#);
    }
}
