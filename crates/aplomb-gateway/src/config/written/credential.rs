//! An upstream's credential as written.

use std::path::PathBuf;

use toml::de::DeValue;

use crate::config::written::value::{choice, line, text};
use crate::config::written::{At, Section};
use crate::config::{ClientAuth, TokenUrl};

/// What is said about an upstream's credential.
#[derive(Clone, Debug)]
pub(crate) enum WrittenCredential {
    /// `"caller"`.
    Caller,
    /// `"none"`.
    Nothing,
    /// `{ env = "NAME" }`, `{ file = "…" }`, `{ oauth = { … } }`.
    Ours {
        /// Where the key comes from.
        source: WrittenSource,
        /// The header, if another one than usual.
        header: Option<At<String>>,
        /// What stands before the key, if something else than usual.
        prefix: Option<String>,
    },
}

/// Where a key comes from.
#[derive(Clone, Debug)]
pub(crate) enum WrittenSource {
    /// An environment variable or a file.
    Confided(WrittenSecret),
    /// It is fetched.
    OAuth(Box<WrittenOAuth>),
}

/// Where a secret stands.
#[derive(Clone, Debug)]
pub(crate) enum WrittenSecret {
    /// In a variable.
    Env(At<String>),
    /// In a file.
    File(At<PathBuf>),
}

/// How a token is fetched.
#[derive(Clone, Debug)]
pub(crate) struct WrittenOAuth {
    pub(crate) token_url: TokenUrl,
    pub(crate) client_id: String,
    pub(crate) client_secret: Option<WrittenSecret>,
    pub(crate) auth: ClientAuth,
    /// Absent: the client's own right.
    pub(crate) refresh_token: Option<WrittenSecret>,
    pub(crate) scope: Option<String>,
    pub(crate) audience: Option<String>,
}

/// By which right, as a word.
#[derive(Clone, Copy, PartialEq, Eq)]
enum GrantWord {
    ClientCredentials,
    RefreshToken,
}

/// One credential, or a list of credentials of ours.
pub(super) fn read_credentials(row: &mut Section<'_>) -> Vec<At<WrittenCredential>> {
    let Some(found) = row.raw("credential") else { return Vec::new() };
    if !found.value.is_array() {
        return read_credential(row, found).into_iter().collect();
    }
    let list = row.list("credential", "[{ env = \"A\" }, { env = \"B\" }]");
    let all: Vec<_> = list.into_iter().filter_map(|one| read_credential(row, one)).collect();
    for one in &all {
        if !matches!(one.value, WrittenCredential::Ours { .. }) {
            row.note(&one.spot, "only credentials of ours can stand in a list: `{ env = \"NAME\" }`");
        }
    }
    all
}

fn read_credential<'p>(row: &Section<'p>, found: At<&'p DeValue<'p>>) -> Option<At<WrittenCredential>> {
    let spot = found.spot.clone();
    match found.value.as_str() {
        Some("caller") => return Some(At { value: WrittenCredential::Caller, spot }),
        Some("none") => return Some(At { value: WrittenCredential::Nothing, spot }),
        _ => {}
    }
    let wrong = "a credential doesn't stand in the file itself; write `{ env = \"NAME\" }`, `{ file = \"PATH\" }`, \
                 `\"caller\"` or `\"none\"`";
    let mut table = row.open(found, wrong)?;
    let source = read_source(&mut table);
    let header = table.take("header", line);
    let prefix = table.take("prefix", |value| {
        value.as_str().map(str::to_owned).ok_or_else(|| "expected text in quotes".to_owned())
    });
    table.finish();
    let value = WrittenCredential::Ours { source: source?, header, prefix: prefix.map(|at| at.value) };
    Some(At { value, spot })
}

fn read_source(table: &mut Section<'_>) -> Option<WrittenSource> {
    let said = ["env", "file", "oauth"].iter().filter(|key| table.has(key)).count();
    let secret = read_secret(table);
    let oauth = table.section("oauth").map(read_oauth);
    match said {
        0 => table.note(
            table.spot(),
            "say where the key comes from: `env = \"NAME\"`, `file = \"PATH\"` or `oauth = { … }`",
        ),
        1 => {}
        _ => table
            .note(table.spot(), "a key comes from one of `env`, `file` and `oauth`; leave out the others"),
    }
    match oauth {
        Some(oauth) => Some(WrittenSource::OAuth(Box::new(oauth?))),
        None => secret.map(WrittenSource::Confided),
    }
}

/// `env` or `file` of a table.
fn read_secret(table: &mut Section<'_>) -> Option<WrittenSecret> {
    let env = table.take("env", line).map(WrittenSecret::Env);
    let file = table.take("file", |value| text(value).map(PathBuf::from)).map(WrittenSecret::File);
    env.or(file)
}

/// A table that holds nothing but a secret.
fn read_confided(table: &mut Section<'_>, key: &'static str) -> Option<WrittenSecret> {
    let found = table.raw(key)?;
    let wrong =
        "a secret doesn't stand in the file itself; write `{ env = \"NAME\" }` or `{ file = \"PATH\" }`";
    let mut inner = table.open(found, wrong)?;
    let said = ["env", "file"].iter().filter(|key| inner.has(key)).count();
    let secret = read_secret(&mut inner);
    if said != 1 {
        inner.note(inner.spot(), "write `{ env = \"NAME\" }` or `{ file = \"PATH\" }`");
    }
    inner.finish();
    secret
}

fn read_oauth(mut table: Section<'_>) -> Option<WrittenOAuth> {
    let token_url =
        table.required("token_url", "where tokens are fetched, such as `https://…/token`", |value| {
            text(value)?.parse::<TokenUrl>()
        });
    let client_id = table.required("client_id", "the name that the token server knows the client by", line);
    let has_secret = table.has("client_secret");
    let client_secret = read_confided(&mut table, "client_secret");
    let auth = table.take("auth", choice(&[("basic", ClientAuth::Basic), ("body", ClientAuth::Body)]));
    let words =
        [("client_credentials", GrantWord::ClientCredentials), ("refresh_token", GrantWord::RefreshToken)];
    let grant = table.take("grant", choice(&words));
    let has_refresh_token = table.has("refresh_token");
    let refresh_token = read_confided(&mut table, "refresh_token");
    let scope = table.take("scope", line);
    let audience = table.take("audience", line);
    let refreshes = grant.as_ref().is_some_and(|at| at.value == GrantWord::RefreshToken);
    if refreshes && !has_refresh_token {
        table.note(table.spot(), "`grant = \"refresh_token\"` needs a `refresh_token = { env = \"NAME\" }`");
    }
    if !refreshes && has_refresh_token {
        table.note(table.spot(), "a `refresh_token` is used with `grant = \"refresh_token\"` only");
    }
    if !refreshes && !has_secret {
        table.note(table.spot(), "a client without a `client_secret` can't ask for a token of its own");
    }
    table.finish();
    Some(WrittenOAuth {
        token_url: token_url?.value,
        client_id: client_id?.value,
        client_secret,
        auth: auth.map(|at| at.value).unwrap_or_default(),
        refresh_token,
        scope: scope.map(|at| at.value),
        audience: audience.map(|at| at.value),
    })
}
