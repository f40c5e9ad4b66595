//! Judging: which kind a failure is, from the dialect's own rows, then signs, then the status.

use std::cell::OnceCell;

use serde_json::Value;

use crate::dialect::{Evidence, Facts};
use crate::kind::{Advice, Fault, Kind};
use crate::spec::{Catalog, Dialect, ReadRow, Sign};

/// Everything that a judgement rests on.
pub(super) struct Case<'a> {
    pub(super) status: Option<u16>,
    pub(super) facts: &'a Facts,
    pub(super) body: Option<&'a Value>,
    /// The message, and what other APIs' errors quoted in it say.
    pub(super) texts: &'a [&'a str],
    /// Codes and types, also of quoted errors.
    pub(super) tokens: &'a [&'a str],
    pub(super) has_wait: bool,
    pub(super) evidence: &'a Evidence<'a>,
}

/// A judgement, and how much it rests on.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Verdict {
    pub(super) kind: Kind,
    pub(super) retryable: Option<bool>,
    pub(super) advice: Option<Advice>,
    pub(super) fault: Option<Fault>,
    /// The status alone decided.
    pub(super) by_status: bool,
}

impl Verdict {
    fn of(kind: Kind) -> Self {
        Self { kind, retryable: None, advice: None, fault: None, by_status: false }
    }
}

/// Judges a case. `None` when nothing is known at all.
pub(super) fn judge(catalog: &Catalog, dialect: &Dialect, case: &Case<'_>) -> Option<Verdict> {
    if let Some(kind) = case.facts.kind {
        return Some(Verdict::of(kind));
    }
    by_row(dialect, case)
        .or_else(|| by_own_code(dialect, case).map(|kind| refined(kind, catalog, case)))
        .or_else(|| by_sign(catalog, case, |_| true))
        .or_else(|| by_silence(case).map(Verdict::of))
        .or_else(|| by_status(catalog, dialect, case))
        .or_else(|| (!case.facts.errors.is_empty()).then(|| Verdict::of(Kind::Validation)))
}

fn by_row(dialect: &Dialect, case: &Case<'_>) -> Option<Verdict> {
    dialect.reads.iter().find(|row| row_fits(row, case)).map(|row| Verdict {
        kind: row.kind,
        retryable: row.retryable,
        advice: row.advice,
        fault: row.fault,
        by_status: false,
    })
}

fn row_fits(row: &ReadRow, case: &Case<'_>) -> bool {
    let one_of = |list: &[String], fact: &Option<String>| {
        list.is_empty()
            || fact.as_ref().is_some_and(|fact| list.iter().any(|own| own.eq_ignore_ascii_case(fact)))
    };
    let at_status = match case.status {
        Some(status) => row.status.is_empty() || row.status.contains(&status),
        // A row that asks for nothing but a status says nothing where none is known.
        None => row.status.is_empty() || !asks_only_for_status(row),
    };
    at_status
        && one_of(&row.code, &case.facts.code)
        && one_of(&row.type_, &case.facts.type_)
        && row.header.as_ref().is_none_or(|name| case.evidence.headers.has(name))
        && row
            .message
            .as_ref()
            .is_none_or(|pattern| case.texts.iter().any(|text| pattern.regex().is_match(text)))
        && row_finds(row, case)
}

fn asks_only_for_status(row: &ReadRow) -> bool {
    row.code.is_empty()
        && row.type_.is_empty()
        && row.message.is_none()
        && row.at.is_none()
        && row.header.is_none()
}

fn row_finds(row: &ReadRow, case: &Case<'_>) -> bool {
    let Some(path) = &row.at else { return true };
    let Some(body) = case.body else { return false };
    path.find(body).into_iter().any(|value| {
        let text = match value {
            Value::Null => return false,
            Value::String(text) => text.clone(),
            other => other.to_string(),
        };
        (row.is.is_empty() || row.is.contains(&text))
            && row.matches.as_ref().is_none_or(|pattern| pattern.regex().is_match(&text))
    })
}

/// A code or type that the dialect gives to one kind alone, at the status at which it writes it.
fn by_own_code(dialect: &Dialect, case: &Case<'_>) -> Option<Kind> {
    let only = |fits: &dyn Fn(&str) -> bool, column: fn(&crate::spec::WriteRow) -> Option<&str>| {
        let mut rows = dialect.kinds.iter().filter(|(_, row)| column(row).is_some_and(fits));
        let (kind, row) = rows.next()?;
        let agrees = case.status.is_none_or(|status| status == row.status);
        (rows.next().is_none() && agrees).then_some(*kind)
    };
    // A code that repeats the status says no more than the status.
    let repeats = |code: &&str| case.status.is_some_and(|status| code.parse() == Ok(status));
    let code = case.facts.code.as_deref().filter(|code| !repeats(code));
    let type_ = case.facts.type_.as_deref();
    code.and_then(|code| only(&|own| own.eq_ignore_ascii_case(code), |row| row.code.as_deref())).or_else(
        || type_.and_then(|type_| only(&|own| own.eq_ignore_ascii_case(type_), |row| row.type_.as_deref())),
    )
}

/// A code may be a general word where the message is exact: a rate limit that is a quota, a bad request that is too long.
fn refined(kind: Kind, catalog: &Catalog, case: &Case<'_>) -> Verdict {
    let finer: &[Kind] = match kind {
        Kind::RateLimit => &[Kind::QuotaExhausted, Kind::PayloadTooLarge],
        Kind::InvalidRequest => &[
            Kind::ContextLength,
            Kind::ContentBlocked,
            Kind::Authentication,
            Kind::PayloadTooLarge,
            Kind::PaymentRequired,
        ],
        Kind::Validation => &[Kind::ContextLength, Kind::ContentBlocked, Kind::PayloadTooLarge],
        Kind::Internal | Kind::Unavailable => &[Kind::Overloaded],
        _ => &[],
    };
    by_sign(catalog, case, |sign| finer.contains(&sign.kind)).unwrap_or_else(|| Verdict::of(kind))
}

/// The first sign that fits, of those that count.
fn by_sign(catalog: &Catalog, case: &Case<'_>, counts: impl Fn(&Sign) -> bool) -> Option<Verdict> {
    let tokens: Vec<String> = case.tokens.iter().map(|token| Sign::normal(token)).collect();
    let said = OnceCell::new();
    let says = |at: usize| {
        let said = said.get_or_init(|| case.texts.iter().map(|text| catalog.said(text)).collect::<Vec<_>>());
        said.iter().any(|said| said.matched(at))
    };
    let fits = |(at, sign): &(usize, &Sign)| {
        counts(sign)
            && sign.admits(case.status)
            && !(sign.unless_wait && case.has_wait)
            && (tokens.iter().any(|token| sign.has_token(token)) || (sign.text.is_some() && says(*at)))
    };
    catalog.signs().iter().enumerate().find(fits).map(|(_, sign)| Verdict {
        kind: sign.kind,
        retryable: sign.retryable,
        advice: sign.advice,
        fault: None,
        by_status: false,
    })
}

/// A 429 that names no wait and forbids a retry is a quota that time alone doesn't bring back.
fn by_silence(case: &Case<'_>) -> Option<Kind> {
    let forbidden = case.evidence.headers.get("x-should-retry").is_some_and(|value| value.trim() == "false");
    (case.status == Some(429) && forbidden && !case.has_wait).then_some(Kind::QuotaExhausted)
}

fn by_status(catalog: &Catalog, dialect: &Dialect, case: &Case<'_>) -> Option<Verdict> {
    let status = case.status?;
    let facts = case.facts;
    let same = |own: &Option<String>, fact: &Option<String>| own.as_deref() == fact.as_deref();
    let mut exact = dialect.kinds.iter().filter(|(_, row)| {
        row.status == status && same(&row.code, &facts.code) && same(&row.type_, &facts.type_)
    });
    let kind = match (exact.next(), exact.next()) {
        (Some((kind, _)), None) => Some(*kind),
        _ => {
            // What the API doesn't list, an edge in front of it may.
            let listed = dialect.statuses.get(&status).or_else(|| catalog.get("edge")?.statuses.get(&status));
            listed.and_then(|facts| facts.kind).or_else(|| Kind::from_status(status))
        }
    };
    kind.map(|kind| Verdict { by_status: true, ..Verdict::of(kind) })
}
