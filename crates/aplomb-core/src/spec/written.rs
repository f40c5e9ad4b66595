//! A dialect file as a person writes it. `spec/README.md` explains every member.

use std::collections::BTreeMap;

use serde::Deserialize;

use crate::kind::{Advice, Fault, Kind};

/// A whole `dialects/NAME.toml`.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
#[expect(missing_docs, reason = "spec/README.md is their page; a copy here would drift")]
pub struct Written {
    pub title: String,
    #[serde(default)]
    pub aliases: Vec<String>,
    pub base_url: Option<String>,
    #[serde(default)]
    pub closed: bool,
    #[serde(default)]
    pub closed_codes: bool,
    pub docs: Option<String>,
    pub status_page: Option<String>,
    pub support: Option<String>,
    pub idempotency_header: Option<String>,
    pub idempotency_reused: Option<Kind>,
    #[serde(default)]
    pub most_output: Vec<String>,
    #[serde(default)]
    pub errors_in_200: NativeErrors,
    #[serde(default)]
    pub sdk: BTreeMap<String, Sdk>,
    pub auth: Option<Auth>,
    #[serde(default)]
    pub detect: Detect,
    #[serde(default)]
    pub request_id: RequestId,
    #[serde(default)]
    pub envelope: Vec<WrittenEnvelope>,
    #[serde(default)]
    pub text: Vec<WrittenText>,
    #[serde(default)]
    pub header_fact: Vec<WrittenHeaderFact>,
    #[serde(default)]
    pub nested: Vec<WrittenNested>,
    #[serde(default)]
    pub statuses: BTreeMap<String, StatusFacts>,
    pub kinds: BTreeMap<String, WrittenKind>,
    #[serde(default)]
    pub validation: WrittenValidation,
    #[serde(default)]
    pub read: Vec<WrittenRead>,
    #[serde(default)]
    pub limit: Vec<WrittenLimit>,
    pub model: Option<WrittenModel>,
    pub usage: Option<WrittenUsage>,
    #[serde(default)]
    pub endpoint: Vec<WrittenEndpoint>,
    #[serde(default)]
    pub stream: Vec<WrittenStream>,
}

/// How an official SDK is pointed at another origin.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Sdk {
    /// The package's name in its registry.
    pub package: String,
    /// The client's class or constructor.
    pub class: String,
    /// The name of the argument that takes the base URL.
    #[serde(default = "base_url")]
    pub base_url: String,
    /// The whole call, with `$url` in it, where the URL is no plain argument.
    pub call: Option<String>,
}

impl Sdk {
    /// The line to paste that makes a client for this URL, in a language by the name that the data files give it.
    pub fn line(&self, language: &str, url: &str) -> String {
        let Self { class, base_url, .. } = self;
        match &self.call {
            Some(call) => call.replace("$url", url),
            None if language == "node" => format!("new {class}({{ {base_url}: \"{url}\" }})"),
            None => format!("{class}({base_url}=\"{url}\")"),
        }
    }
}

fn base_url() -> String {
    "base_url".to_owned()
}

/// How credentials travel.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Auth {
    /// The header, in lower case.
    pub header: String,
    /// What stands before the key in it.
    #[serde(default)]
    pub prefix: String,
    /// Other headers in which a credential may travel, in lower case.
    #[serde(default)]
    pub also: Vec<String>,
    /// A query parameter that may carry the key instead.
    pub query: Option<String>,
    /// The environment variable that the official SDK reads.
    pub env: Option<String>,
}

/// Evidence that an answer is of a dialect.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Detect {
    /// Host names; a leading dot means any subdomain.
    pub hosts: Vec<String>,
    /// Header names; a trailing `*` means any rest.
    pub headers: Vec<String>,
    /// In a tie the higher one wins: the origin of a widespread envelope before its imitators.
    pub rank: i32,
}

/// Where the API writes the id of a request.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct RequestId {
    /// The first one found is read, the first is written.
    pub headers: Vec<String>,
}

/// What an error inside a 200 is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum NativeErrors {
    /// A failure that must not leave as a 200.
    #[default]
    Failure,
    /// This API's way: the bytes pass.
    Native,
}

/// What a documented status means.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct StatusFacts {
    /// In the words of a reference page.
    pub meaning: String,
    /// What to do about it.
    pub remedy: Option<String>,
    /// The kind that it stands for when nothing else is known; default: the status's own.
    pub kind: Option<Kind>,
}

/// How a request that breaks a rule is told.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
#[expect(missing_docs, reason = "spec/README.md is their page; a copy here would drift")]
pub struct WrittenValidation {
    pub missing: Option<String>,
    pub words: BTreeMap<String, String>,
}

/// The facts that may stand in headers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FactName {
    /// The human sentence.
    Message,
    /// The machine-readable code.
    Code,
    /// The type or category.
    Type,
    /// The parameter at fault.
    Param,
    /// The request's id.
    RequestId,
}

/// How a reset is written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ResetForm {
    /// `6m0s`, `20ms`, or bare seconds.
    Duration,
    /// Seconds from now.
    Seconds,
    /// Unix time in seconds.
    EpochS,
    /// Unix time in milliseconds.
    EpochMs,
    /// A timestamp.
    Rfc3339,
    /// Whatever it looks like.
    #[default]
    Auto,
}

macro_rules! rows {
    ($($(#[$meta:meta])* $name:ident { $($(#[$fmeta:meta])* $field:ident: $type:ty),+ $(,)? })+) => {
        $(
            $(#[$meta])*
            #[derive(Clone, Debug, Deserialize)]
            #[serde(deny_unknown_fields)]
            #[expect(missing_docs, reason = "spec/README.md is their page; a copy here would drift")]
            pub struct $name { $($(#[$fmeta])* pub $field: $type),+ }
        )+
    };
}

rows! {
    /// A row of `[[envelope]]`.
    WrittenEnvelope {
        body: String,
        kinds: Option<Vec<String>>,
        #[serde(default)]
        read_only: bool,
        content_type: Option<String>,
    }
    /// A row of `[[text]]`.
    WrittenText { pattern: String }
    /// A row of `[[header_fact]]`.
    WrittenHeaderFact {
        fact: FactName,
        header: String,
        pattern: Option<String>,
        #[serde(default)]
        write: bool,
    }
    /// A row of `[[nested]]`.
    WrittenNested { at: String }
    /// A value of `[kinds]`.
    WrittenKind { status: u16, code: Option<String>, #[serde(rename = "type")] type_: Option<String> }
    /// A row of `[[read]]`.
    WrittenRead {
        kind: String,
        #[serde(default)]
        status: Vec<u16>,
        #[serde(default)]
        code: Vec<String>,
        #[serde(default, rename = "type")]
        type_: Vec<String>,
        message: Option<String>,
        at: Option<String>,
        #[serde(default)]
        is: Vec<String>,
        matches: Option<String>,
        header: Option<String>,
        retryable: Option<bool>,
        advice: Option<Advice>,
        fault: Option<Fault>,
        source: Option<String>,
    }
    /// A row of `[[limit]]`.
    WrittenLimit {
        unit: String,
        window: Option<String>,
        limit: Option<String>,
        remaining: Option<String>,
        reset: Option<String>,
        #[serde(default)]
        form: ResetForm,
    }
    /// The table `[model]`.
    WrittenModel { pointer: Option<String>, path: Option<String>, form: Option<String> }
    /// The table `[usage]`, or a stream form's own.
    WrittenUsage {
        #[serde(default)]
        input: Vec<String>,
        #[serde(default)]
        output: Vec<String>,
        #[serde(default)]
        total: Vec<String>,
    }
    /// How a request asks for its usage.
    WrittenUsageRequest { pointer: String }
    /// A row of `[[endpoint]]`.
    WrittenEndpoint {
        method: String,
        path: String,
        full: Option<String>,
        #[serde(default)]
        repeatable: bool,
        #[serde(default)]
        result: Vec<String>,
        stream: Option<String>,
        stream_when: Option<String>,
        stream_query: Option<String>,
        usage_request: Option<WrittenUsageRequest>,
        request: Option<serde_json::Value>,
        mock: Option<String>,
    }
    /// A row of `[[stream]]`.
    WrittenStream {
        name: String,
        error: Option<WrittenEvent>,
        done: Option<WrittenEvent>,
        #[serde(default)]
        done_also: Vec<String>,
        finish: Option<String>,
        #[serde(default)]
        error_at: Vec<String>,
        #[serde(default)]
        error_events: Vec<String>,
        usage: Option<WrittenUsage>,
        usage_alone: Option<String>,
    }
    /// An SSE event.
    WrittenEvent { event: Option<String>, data: Option<String> }
}

#[cfg(test)]
mod tests {
    use crate::catalog;

    #[test]
    fn a_line_to_paste_is_of_its_language() {
        let line = |dialect: &str, language: &str| {
            catalog().get(dialect).unwrap().sdk[language].line(language, "http://h")
        };
        assert_eq!(line("openai", "python"), r#"OpenAI(base_url="http://h")"#);
        assert_eq!(line("openai", "node"), r#"new OpenAI({ baseURL: "http://h" })"#);
        assert_eq!(line("gemini", "node"), r#"new GoogleGenAI({ httpOptions: { baseUrl: "http://h" } })"#);
    }
}
