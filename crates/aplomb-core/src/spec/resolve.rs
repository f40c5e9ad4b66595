//! From a dialect file as written to a dialect as resolved, with every mistake told at once.

use std::fmt;
use std::time::Duration;

use crate::kind::Kind;
use crate::spec::dialect::{
    Dialect, Endpoint, Envelope, HeaderFact, LimitRow, ModelPlace, ReadRow, StreamForm, StreamWhen, TextRow,
    Validation, WriteRow,
};
use crate::spec::pattern::{Path, Pattern};
use crate::spec::template::Node;
use crate::spec::usage::UsagePlaces;
use crate::spec::written::{
    Written, WrittenEndpoint, WrittenEnvelope, WrittenKind, WrittenLimit, WrittenModel, WrittenRead,
    WrittenStream, WrittenValidation,
};

/// One mistake in a data file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mistake {
    /// The file, or the dialect's name.
    pub file: String,
    /// Where in it, as `[table]` or `[[table]] 2`; empty when the whole file can't be read.
    pub place: String,
    /// What is wrong and what would be right.
    pub text: String,
}

impl fmt::Display for Mistake {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.place.as_str() {
            "" => write!(f, "{}: {}", self.file, self.text),
            place => write!(f, "{}: {place}: {}", self.file, self.text),
        }
    }
}

/// Reads a dialect file.
///
/// `check` compiles every pattern; bundled files were checked when building and skip that.
pub(crate) fn dialect(name: &str, text: &str, check: bool) -> Result<Dialect, Vec<Mistake>> {
    let written: Written = toml::from_str(text).map_err(|err| {
        vec![Mistake {
            file: name.to_owned(),
            place: String::new(),
            text: err.to_string().trim_end().to_owned(),
        }]
    })?;
    let mut resolver = Resolver { file: name, check, mistakes: Vec::new() };
    let dialect = resolver.resolve(written);
    resolver.cross_check(&dialect);
    if resolver.mistakes.is_empty() { Ok(dialect) } else { Err(resolver.mistakes) }
}

struct Resolver<'a> {
    file: &'a str,
    check: bool,
    mistakes: Vec<Mistake>,
}

impl Resolver<'_> {
    fn resolve(&mut self, written: Written) -> Dialect {
        let statuses = written
            .statuses
            .into_iter()
            .filter_map(|(status, facts)| {
                Some((
                    self.note("[statuses]", status.parse().map_err(|_| format!("`{status}` is no status")))?,
                    facts,
                ))
            })
            .collect();
        Dialect {
            name: self.file.to_owned(),
            title: written.title,
            aliases: written.aliases,
            base_url: written.base_url,
            closed: written.closed,
            closed_codes: written.closed_codes,
            docs: written.docs,
            status_page: written.status_page,
            support: written.support,
            idempotency_header: written.idempotency_header.map(|name| name.to_ascii_lowercase()),
            idempotency_reused: written.idempotency_reused.unwrap_or(Kind::Validation),
            most_output: self.rows("most_output", written.most_output, |_, text| Path::parse(&text)),
            errors_in_200: written.errors_in_200,
            sdk: written.sdk,
            auth: written.auth,
            detect: written.detect,
            request_id_headers: written.request_id.headers,
            envelopes: self.rows("envelope", written.envelope, Self::envelope),
            texts: self
                .rows("text", written.text, |this, row| Ok(TextRow { pattern: this.pattern(&row.pattern)? })),
            header_facts: self.rows("header_fact", written.header_fact, |this, row| {
                let pattern = row.pattern.map(|pattern| this.pattern(&pattern)).transpose()?;
                Ok(HeaderFact { fact: row.fact, header: row.header, pattern, write: row.write })
            }),
            nested: self.rows("nested", written.nested, |_, row| Path::parse(&row.at)),
            statuses,
            kinds: written.kinds.into_iter().filter_map(|(name, row)| self.kind_row(&name, row)).collect(),
            validation: self.validation(written.validation),
            reads: self.rows("read", written.read, Self::read),
            limits: self.rows("limit", written.limit, Self::limit),
            model: written.model.and_then(|model| {
                let model = self.model(model);
                self.note("[model]", model)
            }),
            usage: written.usage.and_then(|usage| self.note("[usage]", UsagePlaces::new(usage))),
            endpoints: self.rows("endpoint", written.endpoint, |_, row| endpoint(row)),
            streams: self.rows("stream", written.stream, Self::stream),
        }
    }

    fn note<T>(&mut self, place: &str, result: Result<T, String>) -> Option<T> {
        result
            .map_err(|text| {
                self.mistakes.push(Mistake { file: self.file.to_owned(), place: place.to_owned(), text });
            })
            .ok()
    }

    fn rows<W, T>(
        &mut self,
        table: &str,
        rows: Vec<W>,
        one: impl Fn(&Self, W) -> Result<T, String>,
    ) -> Vec<T> {
        let mut out = Vec::with_capacity(rows.len());
        for (i, row) in rows.into_iter().enumerate() {
            let result = one(self, row);
            out.extend(self.note(&format!("[[{table}]] {}", i + 1), result));
        }
        out
    }

    fn pattern(&self, source: &str) -> Result<Pattern, String> {
        if self.check { Pattern::checked(source) } else { Ok(Pattern::unchecked(source)) }
    }

    fn envelope(&self, row: WrittenEnvelope) -> Result<Envelope, String> {
        let kinds = row
            .kinds
            .map(|names| names.iter().map(|name| kind(name)).collect::<Result<Vec<_>, _>>())
            .transpose()?;
        Ok(Envelope {
            node: Node::parse(&row.body).map_err(|err| err.to_string())?,
            kinds,
            read_only: row.read_only,
            content_type: row.content_type.unwrap_or_else(|| "application/json".to_owned()),
        })
    }

    fn kind_row(&mut self, name: &str, row: WrittenKind) -> Option<(Kind, WriteRow)> {
        let kind = self.note("[kinds]", kind(name))?;
        Some((kind, WriteRow { status: row.status, code: row.code, type_: row.type_ }))
    }

    fn validation(&mut self, written: WrittenValidation) -> Validation {
        let missing = written.missing.and_then(|name| self.note("[validation]", kind(&name)));
        for code in written.words.keys().filter(|code| !RULES.contains(&code.as_str())) {
            let told = format!("`{code}` is no rule of JSON Schema that a value can break");
            self.note::<()>("[validation]", Err(told));
        }
        Validation { missing, words: written.words }
    }

    fn read(&self, row: WrittenRead) -> Result<ReadRow, String> {
        let pattern = |source: Option<String>| source.map(|source| self.pattern(&source)).transpose();
        let lower = |list: Vec<String>| list.into_iter().map(|one| one.to_lowercase()).collect();
        Ok(ReadRow {
            kind: kind(&row.kind)?,
            status: row.status,
            code: lower(row.code),
            type_: lower(row.type_),
            message: pattern(row.message)?,
            at: row.at.map(|at| Path::parse(&at)).transpose()?,
            is: row.is,
            matches: pattern(row.matches)?,
            header: row.header,
            retryable: row.retryable,
            advice: row.advice,
            fault: row.fault,
        })
    }

    fn limit(&self, row: WrittenLimit) -> Result<LimitRow, String> {
        const UNITS: [&str; 6] =
            ["requests", "tokens", "input_tokens", "output_tokens", "concurrency", "characters"];
        if !UNITS.contains(&row.unit.as_str()) {
            return Err(format!("unit `{}` is none of {}", row.unit, UNITS.join(", ")));
        }
        let window = match row.window.as_deref() {
            None => None,
            Some(text) => Some(window(text)?),
        };
        Ok(LimitRow {
            unit: row.unit,
            window,
            limit: row.limit,
            remaining: row.remaining,
            reset: row.reset,
            form: row.form,
        })
    }

    fn model(&self, row: WrittenModel) -> Result<ModelPlace, String> {
        Ok(ModelPlace {
            pointer: row.pointer.map(|pointer| Path::parse(&pointer)).transpose()?,
            path: row.path.map(|path| self.pattern(&path)).transpose()?,
            form: row.form,
        })
    }

    fn stream(&self, row: WrittenStream) -> Result<StreamForm, String> {
        let error_data = row.error.as_ref().and_then(|event| event.data.as_deref()).map(Node::parse);
        let events = [&row.error, &row.done].into_iter().flatten().filter_map(|event| event.event.as_ref());
        if let Some(name) = events.into_iter().find(|name| name.contains(['\n', '\r'])) {
            return Err(format!("stream `{}`: the name of an event is one line, not {name:?}", row.name));
        }
        Ok(StreamForm {
            name: row.name,
            error_event: row.error.as_ref().and_then(|event| event.event.clone()),
            error_data: error_data.transpose().map_err(|err| err.to_string())?,
            done_event: row.done.as_ref().and_then(|event| event.event.clone()),
            done_data: row.done.and_then(|event| event.data),
            done_also: row.done_also,
            finish: row.finish.map(|path| Path::parse(&path)).transpose()?,
            error_at: row.error_at.iter().map(|path| Path::parse(path)).collect::<Result<_, _>>()?,
            error_events: row.error_events,
            usage: row.usage.map(UsagePlaces::new).transpose()?,
            usage_alone: row.usage_alone.map(|path| Path::parse(&path)).transpose()?,
        })
    }

    /// What can only be seen when the whole file has been read.
    fn cross_check(&mut self, dialect: &Dialect) {
        let missing: Vec<_> = Kind::ALL
            .iter()
            .filter(|kind| !dialect.kinds.contains_key(kind))
            .map(|kind| kind.as_str())
            .collect();
        if !missing.is_empty() {
            self.note::<()>(
                "[kinds]",
                Err(format!("every kind needs a row; missing: {}", missing.join(", "))),
            );
        }
        for (kind, row) in &dialect.kinds {
            if !(400..600).contains(&row.status) {
                self.note::<()>("[kinds]", Err(format!("{kind}: status {} is no failure", row.status)));
            } else if dialect.closed && !dialect.statuses.contains_key(&row.status) {
                let text = format!(
                    "{kind}: a closed contract never emits {}, which [statuses] doesn't list",
                    row.status
                );
                self.note::<()>("[kinds]", Err(text));
            }
        }
        if !dialect.envelopes.iter().any(|envelope| !envelope.read_only && envelope.kinds.is_none()) {
            self.note::<()>("[[envelope]]", Err("one must be written for every kind".to_owned()));
        }
        for endpoint in &dialect.endpoints {
            if let Some(name) = &endpoint.stream
                && dialect.stream(name).is_none()
            {
                self.note::<()>("[[endpoint]]", Err(format!("there is no [[stream]] named `{name}`")));
            }
            if endpoint.usage_request.is_some() && !dialect.tells_usage(endpoint) {
                let text = "usage_request: nothing says where the usage stands in the stream";
                self.note::<()>("[[endpoint]]", Err(text.to_owned()));
            }
        }
    }
}

fn kind(name: &str) -> Result<Kind, String> {
    Kind::parse(name).ok_or_else(|| {
        let nearest = Kind::ALL
            .iter()
            .max_by(|a, b| strsim::jaro(a.as_str(), name).total_cmp(&strsim::jaro(b.as_str(), name)));
        format!("`{name}` is no kind; the nearest is `{}`", nearest.map_or("unknown", |kind| kind.as_str()))
    })
}

/// The keywords of JSON Schema that say what a value breaks.
const RULES: [&str; 29] = [
    "required",
    "type",
    "enum",
    "const",
    "minimum",
    "maximum",
    "exclusiveMinimum",
    "exclusiveMaximum",
    "multipleOf",
    "minLength",
    "maxLength",
    "pattern",
    "format",
    "minItems",
    "maxItems",
    "uniqueItems",
    "contains",
    "minProperties",
    "maxProperties",
    "additionalProperties",
    "additionalItems",
    "unevaluatedProperties",
    "unevaluatedItems",
    "propertyNames",
    "anyOf",
    "oneOf",
    "not",
    "contentEncoding",
    "contentMediaType",
];

fn window(text: &str) -> Result<Duration, String> {
    let wrong = || format!("window `{text}` is no duration such as 1s, 1m, 1h or 1d");
    let unit = text.chars().last().ok_or_else(wrong)?;
    let count: u64 = text[..text.len() - unit.len_utf8()].parse().map_err(|_| wrong())?;
    let seconds = match unit {
        's' => 1,
        'm' => 60,
        'h' => 3_600,
        'd' => 86_400,
        _ => return Err(wrong()),
    };
    Ok(Duration::from_secs(count.saturating_mul(seconds)))
}

fn endpoint(row: WrittenEndpoint) -> Result<Endpoint, String> {
    if !row.path.starts_with('/') {
        return Err(format!("path `{}` must begin with `/`", row.path));
    }
    let stream_when = match row.stream_when.as_deref() {
        None => None,
        Some("path") => Some(StreamWhen::Path),
        Some(pointer) => Some(StreamWhen::Member(Path::parse(pointer)?)),
    };
    Ok(Endpoint {
        method: row.method,
        path: row.path.trim_matches('/').split('/').map(str::to_owned).collect(),
        full: row.full,
        repeatable: row.repeatable,
        result: row.result,
        stream: row.stream,
        stream_when,
        stream_query: row.stream_query,
        request: row.request,
        usage_request: row.usage_request.map(|request| Path::parse(&request.pointer)).transpose()?,
        mock: row.mock,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_mistake_of_a_file_is_told_at_once() {
        let text = r#"
            title = "X"
            [kinds]
            rate_limitt = { status = 429 }
            internal = { status = 200 }
            [[envelope]]
            body = '{"error": "$mesage"}'
            [[read]]
            kind = "internal"
            message = '('
            [[stream]]
            name = "chat"
            done = { event = "the\nend" }
        "#;
        let mistakes = dialect("x", text, true).unwrap_err();
        let all = mistakes.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n");
        for part in [
            "rate_limit`",
            "status 200",
            "$mesage",
            "does not compile",
            "every kind needs a row",
            "one must be written",
            "stream `chat`: the name of an event is one line",
        ] {
            assert!(all.contains(part), "{part} in\n{all}");
        }
    }
}
