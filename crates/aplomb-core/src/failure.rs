//! A failure, understood: what any dialect's error is decoded into and rendered from.

use std::time::Duration;

use serde_json::{Map, Value};

use crate::kind::{Advice, Fault, Kind};

/// Anything but the answer that was asked for, with every fact that the API gave about it.
///
/// Absent facts are `None` or empty: nothing is made up here.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Failure {
    /// What happened.
    pub kind: Kind,
    /// The HTTP status that it came with, or says it would have had.
    pub status: Option<u16>,
    /// Whose fault it is.
    pub fault: Fault,
    /// What to do next.
    pub advice: Advice,
    /// The same request, unchanged, may succeed later.
    pub retryable: bool,
    /// How long to wait before that, when the API said so.
    pub wait: Option<Duration>,
    /// The API's own sentence, as it is.
    pub message: Option<String>,
    /// The API's own machine-readable code.
    pub code: Option<String>,
    /// The API's own type or category.
    pub type_: Option<String>,
    /// The parameter at fault, as a dotted path or however the API writes it.
    pub param: Option<String>,
    /// Whatever else the error object held, by its own names.
    pub details: Map<String, Value>,
    /// The id by which the API's support finds the request.
    pub request_id: Option<String>,
    /// The limits that the answer tells of.
    pub limits: Vec<Limit>,
    /// Every field error, when there are several or when they carry their own code.
    pub errors: Vec<FieldError>,
}

impl Failure {
    /// A failure of this kind with the kind's own fault and advice, and no other facts.
    pub fn new(kind: Kind) -> Self {
        let facts = kind.facts();
        Self {
            kind,
            status: None,
            fault: facts.fault,
            advice: facts.advice,
            retryable: facts.retryable,
            wait: None,
            message: None,
            code: None,
            type_: None,
            param: None,
            details: Map::new(),
            request_id: None,
            limits: Vec::new(),
            errors: Vec::new(),
        }
    }

    /// The same with a message.
    #[must_use]
    pub fn message(mut self, message: impl Into<String>) -> Self {
        self.message = Some(message.into());
        self
    }

    /// The same with a machine-readable code.
    #[must_use]
    pub fn code(mut self, code: impl Into<String>) -> Self {
        self.code = Some(code.into());
        self
    }

    /// The same with the parameter at fault.
    #[must_use]
    pub fn param(mut self, param: impl Into<String>) -> Self {
        self.param = Some(param.into());
        self
    }

    /// The same, blamed on somebody else than the kind's default.
    #[must_use]
    pub fn fault(mut self, fault: Fault) -> Self {
        self.fault = fault;
        self
    }

    /// The same with a wait.
    #[must_use]
    pub fn wait(mut self, wait: Duration) -> Self {
        self.wait = Some(wait);
        self
    }

    /// The same, marked as not worth repeating, with what to do instead.
    #[must_use]
    pub fn not_retryable(mut self, advice: Advice) -> Self {
        self.retryable = false;
        self.advice = advice;
        self
    }
}

/// One limit that an API told of.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Limit {
    /// What is counted: `requests`, `tokens`, `input_tokens`, `output_tokens`, `concurrency`, …
    pub unit: String,
    /// The window in seconds, when known.
    pub window: Option<Duration>,
    /// How much fits into a window.
    pub limit: Option<u64>,
    /// How much of it is left.
    pub remaining: Option<u64>,
    /// How long until it is whole again.
    pub reset: Option<Duration>,
}

impl Limit {
    /// A limit of which nothing but its unit is known.
    pub fn new(unit: impl Into<String>) -> Self {
        Self { unit: unit.into(), window: None, limit: None, remaining: None, reset: None }
    }
}

/// One of several errors about one request.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct FieldError {
    /// The parameter at fault, as a dotted path.
    pub param: Option<String>,
    /// In which part of the request it stands.
    pub part: Part,
    /// What is wrong with it.
    pub message: String,
    /// A machine-readable name for that.
    pub code: Option<String>,
}

impl FieldError {
    /// A field error with its message alone.
    pub fn new(message: impl Into<String>) -> Self {
        Self { param: None, part: Part::Body, message: message.into(), code: None }
    }

    /// The same about a parameter.
    #[must_use]
    pub fn param(mut self, param: impl Into<String>) -> Self {
        self.param = Some(param.into());
        self
    }

    /// The same about another part of the request.
    #[must_use]
    pub fn part(mut self, part: Part) -> Self {
        self.part = part;
        self
    }

    /// The same with a machine-readable name for what is wrong.
    #[must_use]
    pub fn code(mut self, code: impl Into<String>) -> Self {
        self.code = Some(code.into());
        self
    }
}

/// The parts of a request in which a parameter may stand.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Part {
    /// Its body, which most errors are about.
    #[default]
    Body,
    /// Its query.
    Query,
    /// Its path.
    Path,
    /// Its headers.
    Header,
    /// Its cookies.
    Cookie,
}

impl Part {
    /// Every part.
    const ALL: [Self; 5] = [Self::Body, Self::Query, Self::Path, Self::Header, Self::Cookie];

    /// The part's name, as frameworks write it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Body => "body",
            Self::Query => "query",
            Self::Path => "path",
            Self::Header => "header",
            Self::Cookie => "cookie",
        }
    }

    /// The part of that name.
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|part| part.as_str() == name)
    }
}
