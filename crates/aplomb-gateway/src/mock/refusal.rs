//! Errors of the API, by the same renderer that the gateway uses.

use std::time::{Duration, SystemTime};

use aplomb_core::dialect::{Rendered, render, render_event};
use aplomb_core::spec::StreamForm;
use aplomb_core::{Dialect, Failure, Kind, Limit};

use super::Hints;
use super::scenario::{Said, What};

/// How long a rate limit asks to wait when nothing else is known.
const RATE_LIMIT_WAIT: Duration = Duration::from_secs(1);

/// What every error of one request has in common.
pub(super) struct Voice<'a> {
    pub(super) dialect: &'static Dialect,
    /// The id of the request.
    pub(super) id: &'a str,
    /// The mock's limits as they stand.
    pub(super) limits: &'a [Limit],
    /// How much is told of waits and limits.
    pub(super) hints: Hints,
    pub(super) now: SystemTime,
}

impl Voice<'_> {
    /// The failure as an answer.
    pub(super) fn refuse(&self, what: What, said: &Said) -> Rendered {
        let mut rendered = render(self.dialect, &self.failure(what, said), Some(self.id), self.now);
        if let Some(status) = said.status.or_else(|| wanted(what)) {
            rendered.status = status;
        }
        if self.hints == Hints::RetryAfter {
            // Rendered from the wait too, but not what this API says.
            rendered.headers.retain(|(name, _)| name != "retry-after-ms");
        }
        rendered
    }

    /// The failure as an event of a stream.
    pub(super) fn event(&self, form: Option<&StreamForm>, what: What, said: &Said) -> Vec<u8> {
        render_event(self.dialect, form, &self.failure(what, said), Some(self.id)).0
    }

    fn failure(&self, what: What, said: &Said) -> Failure {
        let kind = kind(self.dialect, what);
        let mut failure = Failure::new(kind);
        failure.status = said.status.or_else(|| wanted(what));
        failure.message.clone_from(&said.message);
        failure.code.clone_from(&said.code);
        failure.type_.clone_from(&said.type_);
        failure.param.clone_from(&said.param);
        match self.hints {
            Hints::None => return failure,
            Hints::RetryAfter => {}
            Hints::Full => {
                failure.limits = self.limits.to_vec();
                if kind == Kind::RateLimit && failure.limits.is_empty() {
                    failure.limits.push(spent());
                }
            }
        }
        let own = (kind == Kind::RateLimit).then_some(RATE_LIMIT_WAIT);
        failure.wait = said.wait.unwrap_or(own);
        failure
    }
}

/// The limit that a rate limit tells of when the mock has none.
fn spent() -> Limit {
    let mut limit = Limit::new("requests");
    limit.window = Some(Duration::from_secs(60));
    limit.limit = Some(60);
    limit.remaining = Some(0);
    limit.reset = Some(RATE_LIMIT_WAIT);
    limit
}

fn wanted(what: What) -> Option<u16> {
    match what {
        What::Kind(_) => None,
        What::Status(status) => Some(status),
    }
}

/// The kind that the dialect writes with a status.
fn kind(dialect: &Dialect, what: What) -> Kind {
    let status = match what {
        What::Kind(kind) => return kind,
        What::Status(status) => status,
    };
    let written = |kind: &Kind| dialect.row(*kind).status == status;
    let own = dialect.statuses.get(&status).and_then(|facts| facts.kind);
    let usual = Kind::from_status(status);
    own.or_else(|| usual.filter(written))
        .or_else(|| Kind::ALL.iter().copied().find(written))
        .or(usual)
        .unwrap_or(Kind::Unknown)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn voice(dialect: &str, hints: Hints) -> Voice<'static> {
        let dialect = aplomb_core::catalog().get(dialect).unwrap();
        Voice { dialect, id: "req_mock_1", limits: &[], hints, now: SystemTime::UNIX_EPOCH }
    }

    fn header<'a>(rendered: &'a Rendered, name: &str) -> Option<&'a str> {
        rendered.headers.iter().find(|(own, _)| own == name).map(|(_, value)| value.as_str())
    }

    #[test]
    fn every_documented_status_of_every_dialect_can_be_had() {
        for dialect in aplomb_core::catalog().dialects() {
            let voice = Voice { dialect, ..voice("openai", Hints::Full) };
            for status in dialect.statuses.keys().filter(|status| **status >= 400) {
                let rendered = voice.refuse(What::Status(*status), &Said::default());
                assert_eq!(rendered.status, *status, "{}", dialect.name);
            }
        }
    }

    #[test]
    fn every_kind_has_the_dialects_own_status() {
        for dialect in aplomb_core::catalog().dialects() {
            let voice = Voice { dialect, ..voice("openai", Hints::Full) };
            for kind in Kind::ALL {
                let rendered = voice.refuse(What::Kind(*kind), &Said::default());
                assert_eq!(rendered.status, dialect.row(*kind).status, "{} {kind}", dialect.name);
            }
        }
    }

    #[test]
    fn a_rate_limit_says_how_long_to_wait_unless_it_is_told_not_to() {
        let limit = What::Kind(Kind::RateLimit);
        let said = |wait| Said { wait, ..Said::default() };
        let told = voice("groq", Hints::Full).refuse(limit, &said(None));
        assert_eq!(header(&told, "retry-after"), Some("1"));
        assert_eq!(header(&told, "x-ratelimit-remaining-requests"), Some("0"));
        let told = voice("groq", Hints::Full).refuse(limit, &said(Some(Some(Duration::from_secs(7)))));
        assert_eq!(header(&told, "retry-after"), Some("7"));
        assert_eq!(header(&voice("groq", Hints::Full).refuse(limit, &said(Some(None))), "retry-after"), None);
        let told = voice("groq", Hints::RetryAfter).refuse(limit, &said(None));
        assert_eq!(header(&told, "retry-after"), Some("1"));
        for name in ["retry-after-ms", "x-ratelimit-remaining-requests"] {
            assert_eq!(header(&told, name), None, "{name}");
        }
        assert_eq!(header(&voice("groq", Hints::None).refuse(limit, &said(None)), "retry-after"), None);
    }

    #[test]
    fn what_is_said_stands_in_the_answer() {
        let said = Said {
            message: Some("Too bad.".into()),
            code: Some("own_code".into()),
            param: Some("a.b".into()),
            status: Some(418),
            ..Said::default()
        };
        let rendered = voice("openai", Hints::Full).refuse(What::Kind(Kind::InvalidRequest), &said);
        assert_eq!(rendered.status, 418);
        assert_eq!(header(&rendered, "x-request-id"), Some("req_mock_1"));
        let body: serde_json::Value = serde_json::from_slice(&rendered.body).unwrap();
        assert_eq!(body["error"]["message"], "Too bad.");
        assert_eq!((&body["error"]["code"], &body["error"]["param"]), (&"own_code".into(), &"a.b".into()));
    }
}
