//! Whom the gateway asks.

use std::sync::Arc;

use aplomb_core::Dialect;

use crate::config::resolve::Resolver;
use crate::config::resolved::{at_host, with_kept_path};
use crate::config::written::{At, WrittenCredential, WrittenUpstream};
use crate::config::{Base, Credential, Key, Server, Upstream};

/// Headers that carry the request itself; a credential there would break it.
const NOT_FOR_KEYS: [&str; 6] =
    ["host", "content-length", "transfer-encoding", "connection", "content-type", "te"];

/// An upstream with the name that it was given; absent where it has mistakes.
pub(super) type Named = (Option<At<String>>, Option<Arc<Upstream>>);

impl<'a> Resolver<'a> {
    /// All of `[[upstream]]`.
    pub(super) fn upstreams(&self, written: Vec<WrittenUpstream>, server: &Server) -> Vec<Named> {
        let mut named: Vec<Named> = Vec::with_capacity(written.len());
        for one in written {
            let name = one.name.clone();
            if let Some(name) = &name {
                self.refuse_taken(name, named.iter().filter_map(|(taken, _)| taken.as_ref()));
            }
            named.push((name, self.upstream(one, server)));
        }
        named
    }

    /// Notes that a name or a path was given before.
    pub(super) fn refuse_taken<'n>(&self, new: &At<String>, taken: impl Iterator<Item = &'n At<String>>) {
        let mut taken = taken;
        if let Some(first) = taken.find(|first| first.value == new.value) {
            let line = self.page.place(&first.spot).line;
            self.page.note(&new.spot, format!("`{}` is taken already, in line {line}", new.value));
        }
    }

    fn upstream(&self, written: WrittenUpstream, server: &Server) -> Option<Arc<Upstream>> {
        let named = written.dialect.as_ref().filter(|name| name.value != "auto");
        let dialect = named.and_then(|name| self.dialect(name));
        let url = self.url(&written, named.is_some(), dialect);
        let dialect = match (named, &url) {
            (None, Some(url)) => at_host(self.around.catalog, &url.host),
            _ => dialect,
        };
        let credential = match written.credential {
            None => Some(Credential::Caller),
            Some(at) => self.credential(at.value, dialect),
        };
        let more_keys: Option<Vec<_>> = written
            .more_keys
            .into_iter()
            .map(|at| self.credential(at.value, dialect).and_then(|one| one.ours().cloned()))
            .collect();
        let hold_bytes = self.within(server.memory, written.hold_bytes, Upstream::HOLD_BYTES);
        let ca = written.ca.map(|path| self.file(path));
        Some(Arc::new(Upstream {
            name: written.name?.value,
            url: with_kept_path(url?, dialect),
            dialect: dialect.map(|dialect| dialect.name.clone()),
            credential: credential?,
            more_keys: more_keys?,
            limits: written.limits,
            model_limits: written.model_limits,
            timeouts: written.timeouts,
            hold_bytes,
            ca,
            context: written.context,
        }))
    }

    /// The URL that is written, or the dialect's own.
    fn url(&self, written: &WrittenUpstream, names_dialect: bool, dialect: Option<&Dialect>) -> Option<Base> {
        if written.has_url {
            return written.url.as_ref().map(|at| at.value.clone());
        }
        let mut spot = written.spot.clone();
        spot.key.push_str(" url");
        let told = match (names_dialect, dialect) {
            (true, None) => return None,
            (_, Some(Dialect { base_url: Some(base_url), name, .. })) => match base_url.parse() {
                Ok(url) => return Some(url),
                Err(told) => format!("the base_url of the dialect `{name}`: {told}"),
            },
            (_, Some(dialect)) => {
                format!("missing; the dialect `{}` has no base URL of its own", dialect.name)
            }
            (false, None) => match written.name.as_ref().and_then(|at| self.around.catalog.get(&at.value)) {
                Some(same) => format!("missing; give a `url`, or `dialect = \"{}\"`", same.name),
                None => "missing; give a `url`, or a `dialect` that has one".to_owned(),
            },
        };
        self.page.note(&spot, told);
        None
    }

    fn credential(&self, written: WrittenCredential, dialect: Option<&Dialect>) -> Option<Credential> {
        let (variable, header, prefix) = match written {
            WrittenCredential::Caller => return Some(Credential::Caller),
            WrittenCredential::Nothing => return Some(Credential::Nothing),
            WrittenCredential::Env { variable, header, prefix } => (variable, header, prefix),
        };
        let auth = dialect.and_then(|dialect| dialect.auth.as_ref());
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
        let key = self.variable(&variable)?;
        Key::new(&name, prefix.as_deref().unwrap_or(own_prefix), &key)
            .map_err(|told| self.page.note(header.as_ref().map_or(&variable.spot, |at| &at.spot), told))
            .ok()
            .map(Credential::Ours)
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

#[cfg(test)]
mod tests {
    use crate::config::given::{read, told};

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
        etc/aplomb.toml:4:14: [[upstream]] credential.env: missing; the environment variable that holds the key
        etc/aplomb.toml:4:16: [[upstream]] credential.key: unknown key; known here are `env`, `header`, `prefix`
        etc/aplomb.toml:4:14: [[upstream]] credential: a credential doesn't stand in the file itself; write `{ env = "NAME" }`, `"caller"` or `"none"`
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
            format!("{}: {}", key.header, key.value.to_str().unwrap())
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
}
