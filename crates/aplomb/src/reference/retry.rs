//! What to retry, when, and what a good client does besides.

use aplomb_core::policy::RetryPolicy;
use aplomb_core::{Dialect, Kind};
use serde_json::{Value, json};

use super::document::{Block, Section, code, codes};

/// Whether a kind may be sent again.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Again {
    Always,
    IfHarmless,
    Never,
}

fn again(kind: Kind) -> Again {
    match (kind.facts().retryable, kind.facts().refused) {
        (true, true) => Again::Always,
        (true, false) => Again::IfHarmless,
        (false, _) => Again::Never,
    }
}

/// The section.
pub(super) fn section(dialect: &Dialect) -> Section {
    let rows = [
        (Again::Always, "always: it was refused, and nothing was done"),
        (Again::IfHarmless, "if doing it twice does no harm: it may have been done"),
        (Again::Never, "never unchanged: it would fail the same way"),
    ]
    .map(|(which, words)| {
        let kinds: Vec<Kind> = Kind::ALL.iter().copied().filter(|kind| again(*kind) == which).collect();
        let mut statuses: Vec<u16> = kinds.iter().map(|kind| dialect.row(*kind).status).collect();
        statuses.sort_unstable();
        statuses.dedup();
        [words.to_owned(), codes(statuses), codes(kinds)]
    });
    let mut blocks = vec![
        Block::table(["Send it again", "Sent with status", "Kinds"], rows),
        Block::text("Where a status stands in two rows, the code or the type decides."),
    ];
    blocks.extend(exceptions(dialect));
    blocks.push(Block::Heading("How".to_owned()));
    blocks.push(Block::List(rules(dialect)));
    Section::new("retrying", "What to retry, and how", blocks)
}

/// Where the dialect departs from the kinds.
fn exceptions(dialect: &Dialect) -> Option<Block> {
    let departing = dialect.reads.iter().filter_map(|row| {
        let retryable = row.retryable.filter(|retryable| *retryable != row.kind.facts().retryable)?;
        let mut what: Vec<String> = Vec::new();
        what.extend((!row.status.is_empty()).then(|| format!("status {}", codes(&row.status))));
        what.extend((!row.code.is_empty()).then(|| format!("code {}", codes(&row.code))));
        what.extend((!row.type_.is_empty()).then(|| format!("type {}", codes(&row.type_))));
        what.extend(row.message.as_ref().map(|pattern| format!("a message like {}", code(pattern.source()))));
        what.extend(row.at.as_ref().map(|path| format!("{} in the body", code(path.parts().join(".")))));
        what.extend(row.header.as_ref().map(|header| format!("the header {}", code(header))));
        let may = if retryable { "may be sent again" } else { "is not to be sent again" };
        Some(format!("{} with {} {may}.", row.kind.facts().title, what.join(" and ")))
    });
    let departing: Vec<String> = departing.collect();
    (!departing.is_empty()).then_some(Block::List(departing))
}

/// The rules by which Aplomb itself retries, in words.
fn rules(dialect: &Dialect) -> Vec<String> {
    let policy = RetryPolicy::default();
    let harmless = {
        let paths: Vec<String> = dialect
            .endpoints
            .iter()
            .filter(|endpoint| endpoint.repeatable)
            .map(|endpoint| format!("{} /{}", endpoint.method, endpoint.path.join("/")))
            .collect();
        match (paths.is_empty(), &dialect.idempotency_header) {
            (true, None) => {
                "`GET`, `HEAD`, `OPTIONS`, `PUT` and `DELETE` do no harm twice; a `POST` may.".to_owned()
            }
            (true, Some(header)) => {
                format!("A `POST` does no harm twice if it carries {} with the same key.", code(header))
            }
            (false, None) => format!("Besides `GET` and its like, these do no harm twice: {}.", codes(paths)),
            (false, Some(header)) => format!(
                "Besides `GET` and its like, these do no harm twice: {}; and any `POST` that carries {} with the same key.",
                codes(paths),
                code(header)
            ),
        }
    };
    vec![
        format!("Send a request {} times at most, and begin no attempt later than {} s after the first.", policy.attempts, policy.deadline.as_secs()),
        harmless,
        "Nothing that was already delivered may be asked for again: once a stream has shown its first event, tell the failure instead.".to_owned(),
        "Wait a random time between nothing and a bound that doubles with each attempt, 20 s at most: from 50 ms after a passing failure, from 1 s after a rate limit or an overload.".to_owned(),
        "Where the answer says how long, wait no less, and up to half of that (5 s at most) more, so that not everybody returns at once.".to_owned(),
        "If that is longer than you can wait, don't retry sooner: give up now, and pass the time on.".to_owned(),
        "Let only one layer retry. Where an SDK and a gateway both do, attempts multiply; `x-should-retry` says who has.".to_owned(),
        "Keep a budget: when most requests fail, retries only add to the load.".to_owned(),
    ]
}

/// What a client does besides retrying.
pub(super) fn client(dialect: &Dialect) -> Section {
    let mut duties = vec![
        "Check the status before you read the body.",
        "Retry `429` and 5xx with growing, random waits; never another 4xx as it is.",
        "Respect `Retry-After`: a request that comes sooner is refused again, and may count.",
        "Ask for less at once after a `429`: fewer requests in parallel, not only later ones.",
        "Queue requests and pace them to the limit, instead of running into it.",
        "Refresh the credential on a `401`, once; if the new one is refused too, tell its owner.",
        "Check values before you send them: a request that is refused for its form has cost a round trip.",
        "Log the whole error with its status, code, request id, parameters and time; never the credential.",
        "Tell the end user something useful: what they can do, or when to come back.",
    ]
    .into_iter()
    .map(str::to_owned)
    .collect::<Vec<_>>();
    duties.push(match &dialect.status_page {
        Some(page) => {
            format!("Look at the status page before you search for the fault in your own code: {page}")
        }
        None => {
            "Look at the status page, where there is one, before you search for the fault in your own code."
                .to_owned()
        }
    });
    Section::new("client", "What a good client does", vec![Block::List(duties)])
}

/// Both for programs.
pub(super) fn json(dialect: &Dialect) -> Value {
    let kinds = |which| -> Vec<&str> {
        Kind::ALL.iter().filter(|kind| again(**kind) == which).map(|kind| kind.as_str()).collect()
    };
    let repeatable = dialect.endpoints.iter().filter(|endpoint| endpoint.repeatable);
    json!({
        "always": kinds(Again::Always),
        "if_harmless": kinds(Again::IfHarmless),
        "never": kinds(Again::Never),
        "harmless": repeatable.map(|endpoint| format!("{} /{}", endpoint.method, endpoint.path.join("/"))).collect::<Vec<_>>(),
        "idempotency_header": dialect.idempotency_header,
        "rules": rules(dialect).iter().map(|rule| rule.replace('`', "")).collect::<Vec<_>>(),
    })
}
