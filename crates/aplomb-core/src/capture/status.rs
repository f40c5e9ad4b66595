//! The forms in which the text of an exception tells a status.

use std::sync::LazyLock;

use regex::Regex;

/// A status as a text tells it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Told {
    /// The status, always a failure's.
    pub(super) status: u16,
    /// Where the text goes on after it.
    pub(super) end: usize,
    /// What comes before it is no part of the API's own words.
    pub(super) is_prefix: bool,
    /// What follows on the line is the client's own sentence.
    pub(super) is_clients: bool,
}

struct Form {
    pattern: Regex,
    is_prefix: bool,
    is_clients: bool,
}

/// At the beginning of the text: what follows is the API's own.
const PREFIXES: &[&str] = &[
    r"^Error code: (\d{3})(?: - |$)",
    r"^API error occurred: Status(?: code)?:? (\d{3})(?: Content-Type \S+)?\.?",
    r"^(?:GET|POST|PUT|PATCH|DELETE|HEAD) .https?://[^\s]+.: (\d{3})(?: [A-Z][A-Za-z' -]*[a-z])?",
    r"^(?:\[[^\]\n]*\]: )?Error fetching from https?://\S+: \[(\d{3})[^\]]*\]",
    r"^HTTP(?:/[\d.]+)?(?: status| error| code)*:? \(?(\d{3})\)?(?: \([^)\n]*\))?(?: ?[:–-]|$|\s)",
    r"^\(?(\d{3})\)?(?: [A-Z]+_[A-Z_]+\.?|:| |$)",
];

/// A client's own sentence, in which the API says nothing.
const CLIENTS: &[&str] = &[
    r"(?:^|\s)(\d{3}) (?:Client|Server) Error: ",
    r"(?:Client|Server) error '(\d{3}) [^'\n]*' for url ",
    r"HTTP status (?:client|server) error \((\d{3})[^)\n]*\) for url ",
    r"Request failed with status code (\d{3})",
    r"The requested URL returned error: (\d{3})",
    r"resulted in a `(\d{3})[^`\n]*` response:",
    r#"HTTP/[\d.]+ (\d{3})(?: [^"\n]*)?""#,
];

/// Anywhere: the sentence around it is kept whole.
const INSIDE: &[&str] = &[
    r"\bError code: (\d{3})\b",
    r#"(?i)\bstatus(?:[ _-]?code)?['"]?\s*(?:[:=]|=>|is)?\s*['"]?(\d{3})\b"#,
    r"(?i)\bHTTP(?:/[\d.]+)?(?:[ -](?:status|error|code|response))*[ :=]+\(?(\d{3})\b",
    r"[\[(](\d{3})[ \])]",
    r"(?i)\b(?:returned|responded with|responded|received|got|failed with|failed|error|code)[ :=]+(?:an? )?(?:http )?[`'\x22]?(\d{3})\b",
    r"(?:^|: )(\d{3})(?: |:|$)",
];

static FORMS: LazyLock<Vec<Form>> = LazyLock::new(|| {
    let forms = |patterns: &'static [&str], is_prefix, is_clients| {
        patterns.iter().map(move |pattern| Form {
            pattern: Regex::new(pattern).expect("a valid expression"),
            is_prefix,
            is_clients,
        })
    };
    let clients = forms(CLIENTS, false, true);
    clients.chain(forms(PREFIXES, true, false)).chain(forms(INSIDE, false, false)).collect()
});

/// The status that a text tells, in the surest form that it uses.
pub(super) fn told(text: &str) -> Option<Told> {
    FORMS.iter().find_map(|form| {
        let found = form.pattern.captures_iter(text).take(20).find_map(|found| {
            let status: u16 = found.get(1)?.as_str().parse().ok()?;
            (400..600).contains(&status).then_some((status, found.get(0)?.end()))
        });
        let (status, end) = found?;
        Some(Told { status, end, is_prefix: form.is_prefix, is_clients: form.is_clients })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_form_tells_its_status() {
        for text in [
            "Error code: 429 - {}",
            "API error occurred: Status 429 Content-Type text/html. Body: x",
            "POST \"https://api.openai.com/v1/chat/completions\": 429 Too Many Requests {}",
            "429 RESOURCE_EXHAUSTED. {}",
            "429 Client Error: Too Many Requests for url: https://x.example",
            "Client error '429 Too Many Requests' for url 'https://x.example'",
            "HTTP status client error (429 Too Many Requests) for url (https://x.example/)",
            "HTTP 429: slow down",
            "HTTP/1.1 429 Too Many Requests",
            "HTTP Request: POST https://x.example \"HTTP/1.1 429 Too Many Requests\"",
            "Request failed with status code 429",
            "the server responded with status 429",
            "status_code: 429, body: {}",
            "{status: 429}",
            "unexpected status 429 Too Many Requests",
            "HTTP 429 (insufficient_quota: insufficient_quota)",
            "curl: (22) The requested URL returned error: 429",
        ] {
            assert_eq!(told(text).map(|told| told.status), Some(429), "{text}");
        }
    }

    #[test]
    fn other_numbers_are_no_status() {
        for text in [
            "You have 500 credits",
            "took 404 ms",
            "Limit 429000",
            "line 503, in main",
            "Error code: 200 - x",
        ] {
            assert_eq!(told(text), None, "{text}");
        }
    }
}
