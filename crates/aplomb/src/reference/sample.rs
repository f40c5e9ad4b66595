//! Samples in curl, Python and Rust: one request, its failures told apart, retried as they should be.

use aplomb_core::spec::{Endpoint, SlotName};
use aplomb_core::{Dialect, Kind};
use serde_json::{Value, json};

use super::document::{Block, Section};
use super::{code, envelope, status};

/// The samples of a dialect.
pub(super) struct Samples {
    pub(super) curl: String,
    pub(super) python: String,
    pub(super) rust: String,
    /// Lines that point an official SDK at a gateway.
    pub(super) sdk: Vec<(&'static str, String)>,
}

/// What the samples are filled with.
struct Facts {
    url: String,
    method: String,
    body: Option<Value>,
    header: String,
    prefix: String,
    env: String,
    retry: String,
    /// The header that makes a repetition harmless, where nothing else does.
    idempotency: Option<String>,
    final_codes: Vec<String>,
    code_path: Vec<String>,
    message_path: Vec<String>,
}

/// Writes the samples.
pub(super) fn samples(dialect: &Dialect) -> Samples {
    let facts = facts(dialect);
    Samples { curl: curl(dialect, &facts), python: python(&facts), rust: rust(&facts), sdk: sdk(dialect) }
}

fn facts(dialect: &Dialect) -> Facts {
    let auth = dialect.auth.as_ref();
    let endpoint = endpoint(dialect);
    let path_of = |fact| {
        envelope::path_of(dialect, fact)
            .filter(|path| !path.contains(['[', '(']))
            .map(|path| path.split('.').map(str::to_owned).collect::<Vec<_>>())
    };
    let is_harmless = endpoint.is_none_or(|endpoint| endpoint.repeatable || endpoint.method == "GET")
        || dialect.idempotency_header.is_some();
    let may_repeat = |kind: Kind| kind.facts().retryable && (is_harmless || kind.facts().refused);
    let retry: Vec<String> = status::statuses(dialect)
        .iter()
        .filter(|row| row.kind.is_some_and(may_repeat))
        .map(|row| row.status.to_string())
        .collect();
    let is_retried = |row: &code::Code| row.statuses.iter().any(|status| retry.contains(&status.to_string()));
    let mut final_codes: Vec<String> = code::all(dialect)
        .into_iter()
        .filter(|row| !row.retryable && is_retried(row))
        .filter_map(|row| row.code)
        .collect();
    final_codes.sort();
    final_codes.dedup();
    Facts {
        url: url(dialect, endpoint),
        method: endpoint.map_or_else(|| "GET".to_owned(), |endpoint| endpoint.method.clone()),
        body: body(endpoint),
        header: auth.map_or("authorization", |auth| &auth.header).to_owned(),
        prefix: auth.map_or("Bearer ", |auth| &auth.prefix).to_owned(),
        env: auth.and_then(|auth| auth.env.clone()).unwrap_or_else(|| "API_KEY".to_owned()),
        retry: retry.join(", "),
        idempotency: dialect
            .idempotency_header
            .clone()
            .filter(|_| endpoint.is_some_and(|endpoint| !endpoint.repeatable && endpoint.method != "GET")),
        final_codes,
        code_path: path_of(SlotName::Code)
            .or_else(|| path_of(SlotName::Type))
            .unwrap_or_else(|| vec!["code".to_owned()]),
        message_path: path_of(SlotName::Message).unwrap_or_else(|| vec!["message".to_owned()]),
    }
}

/// The endpoint that most callers use: one that computes an answer, else the first.
fn endpoint(dialect: &Dialect) -> Option<&Endpoint> {
    let served = dialect.endpoints.iter().find(|endpoint| endpoint.mock.is_some());
    served
        .or_else(|| dialect.endpoints.iter().find(|endpoint| endpoint.repeatable))
        .or_else(|| dialect.endpoints.first())
}

fn url(dialect: &Dialect, endpoint: Option<&Endpoint>) -> String {
    let hosts = dialect.detect.hosts.first().map(|host| match host.strip_prefix('.') {
        Some(domain) => format!("https://YOURS.{domain}"),
        None => format!("https://{host}"),
    });
    let base = dialect.base_url.clone().or(hosts).unwrap_or_else(|| "https://api.example.com".to_owned());
    let path = endpoint.map_or_else(String::new, |endpoint| {
        let path = endpoint.full.clone().unwrap_or_else(|| format!("/{}", endpoint.path.join("/")));
        path.replace("/*:", "/MODEL:").replace("/*", "/MODEL")
    });
    let base = base.trim_end_matches('/');
    // A base URL that ends as the path begins, such as `…/v1` and `/v1/…`.
    let overlap =
        path.split('/').nth(1).filter(|first| !first.is_empty() && base.ends_with(&format!("/{first}")));
    match overlap {
        Some(first) => format!("{base}{}", &path[first.len() + 1..]),
        None => format!("{base}{path}"),
    }
}

fn body(endpoint: Option<&Endpoint>) -> Option<Value> {
    let message = json!([{ "role": "user", "content": "Hello" }]);
    Some(match endpoint?.mock.as_deref()? {
        "chat" => json!({ "model": "MODEL", "messages": message }),
        "messages" => json!({ "model": "MODEL", "max_tokens": 100, "messages": message }),
        "responses" => json!({ "model": "MODEL", "input": "Hello" }),
        "embeddings" => json!({ "model": "MODEL", "input": ["Hello"] }),
        "gemini" => json!({ "contents": [{ "parts": [{ "text": "Hello" }] }] }),
        _ => return None,
    })
}

fn curl(dialect: &Dialect, facts: &Facts) -> String {
    let Facts { url, header, prefix, env, body, method, .. } = facts;
    let data = body.as_ref().map_or_else(String::new, |body| {
        format!(" \\\n  -H 'content-type: application/json' \\\n  -d '{body}'")
    });
    format!(
        "curl -sS -i -X {method} '{url}' \\\n  -H \"{header}: {prefix}${env}\"{data} > answer.http\n\
         head -1 answer.http  # the status comes first\n\
         aplomb explain --dialect {} answer.http  # what it means, and what to do\n",
        dialect.name
    )
}

fn python(facts: &Facts) -> String {
    let quoted =
        |parts: &[String]| parts.iter().map(|part| format!("{part:?}")).collect::<Vec<_>>().join(", ");
    let final_codes = match facts.final_codes.as_slice() {
        [] => "set()  # no code says that such a status is final".to_owned(),
        codes => format!("{{{}}}", quoted(codes)),
    };
    let (key, headers, imports) = match &facts.idempotency {
        Some(name) => {
            let key = format!(
                "    headers = HEADERS | {{\"{name}\": str(uuid.uuid4())}}  # the same for all attempts\n"
            );
            (key, "headers", ", uuid")
        }
        None => (String::new(), "HEADERS", ""),
    };
    fill(include_str!("sample.py.txt"), facts)
        .replace("$final_codes", &final_codes)
        .replace("$code_path", &quoted(&facts.code_path))
        .replace("$message_path", &quoted(&facts.message_path))
        .replace("$request", &facts.body.as_ref().map(|body| format!("json={body}")).unwrap_or_default())
        .replace("$imports", imports)
        .replace("$key", &key)
        .replace("$headers", headers)
}

fn rust(facts: &Facts) -> String {
    let pointer = |parts: &[String]| format!("\"/{}\"", parts.join("/"));
    let final_codes = facts.final_codes.iter().map(|code| format!("{code:?}")).collect::<Vec<_>>().join(", ");
    let call = |line: String| format!("\n            {line}");
    let json = facts
        .body
        .as_ref()
        .map(|body| call(format!(".json(&serde_json::json!({body}))")))
        .unwrap_or_default();
    let (key, header) = match &facts.idempotency {
        Some(name) => (
            "    let once = format!(\"{:032x}\", rand::random::<u128>()); // the same for all attempts\n"
                .to_owned(),
            call(format!(".header(\"{name}\", &once)")),
        ),
        None => Default::default(),
    };
    fill(include_str!("sample.rs.txt"), facts)
        .replace("$final_codes", &final_codes)
        .replace("$code_path", &pointer(&facts.code_path))
        .replace("$message_path", &pointer(&facts.message_path))
        .replace("$key", &key)
        .replace("$idempotent", &header)
        .replace("$json", &json)
}

/// What both languages say alike.
fn fill(template: &str, facts: &Facts) -> String {
    template
        .replace("$url", &facts.url)
        .replace("$method_lower", &facts.method.to_lowercase())
        .replace("$header\"", &format!("{}\"", facts.header))
        .replace("$prefix", &facts.prefix)
        .replace("$env", &facts.env)
        .replace("$retry", &facts.retry)
}

fn sdk(dialect: &Dialect) -> Vec<(&'static str, String)> {
    let url = format!("http://127.0.0.1:4100/{}", dialect.name);
    let languages = [("python", "python"), ("node", "javascript")];
    languages
        .iter()
        .filter_map(|(name, language)| {
            let line = dialect.sdk.get(*name)?.line(name, &url);
            Some((*language, line))
        })
        .collect()
}

/// The section.
pub(super) fn section(dialect: &Dialect) -> Section {
    let samples = samples(dialect);
    let mut blocks = vec![
        Block::Heading("curl".to_owned()),
        Block::code("sh", samples.curl),
        Block::Heading("Python".to_owned()),
        Block::text("With `httpx`:"),
        Block::code("python", samples.python),
        Block::Heading("Rust".to_owned()),
        Block::text("With `reqwest` (features `blocking`, `json`), `serde_json` and `rand`:"),
        Block::code("rust", samples.rust),
    ];
    if !samples.sdk.is_empty() {
        blocks.push(Block::Heading("Behind Aplomb".to_owned()));
        blocks.push(Block::text(
            "`aplomb serve` does all of this; the official SDK only needs another base URL:",
        ));
        blocks.extend(samples.sdk.into_iter().map(|(language, line)| Block::code(language, line)));
    }
    Section::new("samples", "Samples", blocks)
}

/// The same for programs.
pub(super) fn json(dialect: &Dialect) -> Value {
    let samples = samples(dialect);
    json!({ "curl": samples.curl, "python": samples.python, "rust": samples.rust })
}
