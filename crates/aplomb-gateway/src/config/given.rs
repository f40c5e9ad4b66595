//! A made-up world for tests: a few variables, a few files.

use std::path::Path;
use std::sync::LazyLock;

use crate::config::{Config, Mistake, Surroundings};

/// One upstream and one route, with every default.
pub(crate) const PLAIN: &str = "
    [[upstream]]
    name = \"groq\"
    dialect = \"groq\"
    [[route]]
    path = \"/groq\"
    upstream = \"groq\"
";

/// Reads a configuration in that world.
pub(crate) fn read(text: &str) -> Result<Config, Vec<Mistake>> {
    let around = Surroundings {
        catalog: aplomb_core::catalog(),
        env: &variable,
        readable: &readable,
        text: &contents,
        key: &key,
    };
    Config::from_toml(text, "etc/aplomb.toml", &around)
}

/// The mistakes of a configuration, a line each.
pub(crate) fn told(text: &str) -> String {
    read(text).expect_err("it has mistakes").iter().map(|mistake| format!("{mistake}\n")).collect()
}

fn variable(name: &str) -> Option<String> {
    match name {
        "OPENAI_API_KEY" => Some("sk-hidden".to_owned()),
        "GROQ_API_KEY" => Some("gsk-hidden\n".to_owned()),
        "CLIENT_SECRET" => Some("client-hidden".to_owned()),
        "EMPTY" => Some("  ".to_owned()),
        "BROKEN" => Some("sk-hidden\u{1}".to_owned()),
        _ => None,
    }
}

fn readable(path: &Path) -> Result<(), String> {
    if path.extension().is_some_and(|end| end == "pem" || end == "json") && !path.ends_with("gone.pem") {
        Ok(())
    } else {
        Err("no such file".to_owned())
    }
}

fn contents(path: &Path) -> Result<String, String> {
    match path.to_str() {
        Some("etc/chat.json") => Ok(r#"{ "type": "object" }"#.to_owned()),
        Some("etc/there.json" | "etc/openapi.json") => {
            Ok(r#"{ "openapi": "3.1.0", "paths": { "/chat": { "post": {} } } }"#.to_owned())
        }
        Some("etc/broken.json") => Ok(r#"{ "type": "objct" }"#.to_owned()),
        _ => Err("no such file".to_owned()),
    }
}

fn key(path: &Path) -> Result<String, String> {
    match path.extension().and_then(|end| end.to_str()) {
        Some("key") => Ok("sk-hidden".to_owned()),
        Some("broken") => Ok("sk-hidden\u{1}".to_owned()),
        Some("empty") => Err("it is empty".to_owned()),
        _ => Err("no such file".to_owned()),
    }
}

/// Every key that is taken, by table, as the reader itself tells them: `("[[route]]", ["path", "retry.attempts", …])`.
pub(crate) static KEYS: LazyLock<Vec<(&'static str, Vec<String>)>> = LazyLock::new(|| {
    let everywhere = "
        [server]
        nobody_knows = 1
        tls = { nobody_knows = 1 }
        [log]
        nobody_knows = 1
        [[upstream]]
        nobody_knows = 1
        credential = { nobody_knows = 1, oauth = { nobody_knows = 1, client_secret = { nobody_knows = 1 }, refresh_token = { nobody_knows = 1 } } }
        timeouts = { nobody_knows = 1 }
        limits = { nobody_knows = 1 }
        limit = [{ nobody_knows = 1 }]
        [[route]]
        nobody_knows = 1
        upstream = [{ nobody_knows = 1 }]
        fallback = [{ nobody_knows = 1 }]
        retry = { nobody_knows = 1 }
        queue = { nobody_knows = 1 }
        jwt = { nobody_knows = 1 }
        idempotency = { nobody_knows = 1 }
        price = { nobody_knows = 1, models = [{ nobody_knows = 1 }] }
        [tier.free]
        nobody_knows = 1
        [store]
        nobody_knows = 1
        [shared]
        nobody_knows = 1
    ";
    let mistakes = read(everywhere).expect_err("nobody knows the key");
    let known = |table: &str| {
        let mut keys = Vec::new();
        for mistake in &mistakes {
            let Some(place) =
                mistake.key.strip_prefix(table).and_then(|key| key.strip_suffix("nobody_knows"))
            else {
                continue;
            };
            let (_, list) =
                mistake.message.split_once("known here are ").expect("the sentence lists what is known");
            let place = place.trim_start().replace("[0]", "");
            keys.extend(list.split(", ").map(|key| format!("{place}{}", key.trim_matches('`'))));
        }
        keys
    };
    ["[server]", "[log]", "[[upstream]]", "[[route]]", "[tier.free]", "[store]", "[shared]"]
        .map(|table| (table, known(table)))
        .to_vec()
});
