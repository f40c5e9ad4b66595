//! Every name that a scenario may begin with.

use aplomb_core::Kind;

/// The acts that are neither a kind nor a status.
pub(super) const ACTS: [&str; 23] = [
    "ok",
    "cut",
    "stall",
    "malformed",
    "no-terminal",
    "error-event",
    "bare-error",
    "reset-mid",
    "reset",
    "close",
    "silence",
    "slow",
    "slow-body",
    "outage",
    "error-in-200",
    "error-as-stream",
    "html",
    "text",
    "empty",
    "truncated",
    "short",
    "gzip",
    "br",
];

/// What may follow a semicolon.
pub(super) const FACTS: [&str; 7] = ["wait", "delay", "message", "code", "type", "param", "status"];

/// The name most like a mistyped one.
pub(super) fn nearest(name: &str) -> Option<&'static str> {
    let kinds = Kind::ALL.iter().map(|kind| kind.as_str());
    like(name, ACTS.into_iter().chain(kinds))
}

/// The one of these most like a mistyped one.
pub(super) fn like(name: &str, known: impl Iterator<Item = &'static str>) -> Option<&'static str> {
    known
        .map(|known| (strsim::jaro_winkler(known, name), known))
        .filter(|(likeness, _)| *likeness > 0.7)
        .max_by(|a, b| a.0.total_cmp(&b.0))
        .map(|(_, known)| known)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slip_finds_the_name_that_was_meant() {
        assert_eq!(nearest("rate_limt"), Some("rate_limit"));
        assert_eq!(nearest("noterminal"), Some("no-terminal"));
        assert_eq!(nearest("zzz"), None);
    }
}
