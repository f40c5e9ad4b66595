//! Rate limits, waits and request ids: the headers and members that tell of them.

use std::time::Duration;

use aplomb_core::Dialect;
use aplomb_core::spec::{ResetForm, SlotName};
use serde_json::{Value, json};

use super::document::{Block, Section, code, codes};
use super::envelope;

/// The section about limits and waits.
pub(super) fn section(dialect: &Dialect) -> Section {
    let mut blocks = Vec::new();
    let or_dash = |header: &Option<String>| header.as_ref().map_or_else(|| "—".to_owned(), code);
    if !dialect.limits.is_empty() {
        blocks.push(Block::text(
            "Answers tell how much is left, so that a client can slow down before it is refused:",
        ));
        let rows = dialect.limits.iter().map(|row| {
            [
                row.unit.replace('_', " "),
                row.window.map_or("—", window).to_owned(),
                or_dash(&row.limit),
                or_dash(&row.remaining),
                or_dash(&row.reset),
                row.reset.as_ref().map_or("—", |_| form(row.form)).to_owned(),
            ]
        });
        blocks.push(Block::table(["Counts", "Window", "Limit", "Left", "Whole again", "Written as"], rows));
    }
    blocks.push(Block::text("A refusal that is worth repeating may say when:"));
    let mut waits = vec![["`Retry-After`".to_owned(), "whole seconds, or an HTTP date".to_owned()]];
    waits.extend(
        envelope::path_of(dialect, SlotName::Wait)
            .map(|path| [code(path), "in the body, where it is known".to_owned()]),
    );
    blocks.push(Block::table(["Where", "What"], waits));
    Section::new("limits", "Rate limits", blocks)
}

/// The section about request ids; `None` where there are none.
pub(super) fn request_ids(dialect: &Dialect) -> Option<Section> {
    let member = envelope::path_of(dialect, SlotName::RequestId);
    let headers = &dialect.request_id_headers;
    let place = match (&member, headers.is_empty()) {
        (Some(member), false) => {
            format!("in the header {} and in the body's {}", codes(headers), code(member))
        }
        (Some(member), true) => format!("in the body's {}", code(member)),
        (None, false) => format!("in the header {}", codes(headers)),
        (None, true) => return None,
    };
    let mut text = format!(
        "Every answer has an id, {place}. Log it with each failure: support finds the request by it."
    );
    if let Some(support) = &dialect.support {
        text.push_str(&format!(" Support: {support}"));
    }
    Some(Section::new("request-ids", "Request ids", vec![Block::text(text)]))
}

fn window(window: Duration) -> &'static str {
    match window.as_secs() {
        1 => "a second",
        60 => "a minute",
        3_600 => "an hour",
        86_400 => "a day",
        604_800 => "a week",
        2_592_000..=2_678_400 => "a month",
        _ => "its own",
    }
}

fn form(form: ResetForm) -> &'static str {
    match form {
        ResetForm::Duration => "a duration, such as `2m59.56s`",
        ResetForm::Seconds => "seconds from now",
        ResetForm::EpochS => "Unix time in seconds",
        ResetForm::EpochMs => "Unix time in milliseconds",
        ResetForm::Rfc3339 => "a timestamp, such as `2027-01-15T08:00:20Z`",
        ResetForm::Auto => "seconds, or a time",
    }
}

/// The same for programs.
pub(super) fn json(dialect: &Dialect) -> Value {
    let rows = dialect.limits.iter().map(|row| {
        json!({
            "unit": row.unit,
            "window_s": row.window.map(|window| window.as_secs()),
            "limit": row.limit,
            "remaining": row.remaining,
            "reset": row.reset,
            "form": row.reset.as_ref().map(|_| form(row.form).replace('`', "")),
        })
    });
    rows.collect()
}

/// Where request ids stand, for programs.
pub(super) fn request_ids_json(dialect: &Dialect) -> Value {
    json!({ "headers": dialect.request_id_headers, "member": envelope::path_of(dialect, SlotName::RequestId) })
}
