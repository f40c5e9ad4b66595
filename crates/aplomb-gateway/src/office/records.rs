//! Kept answers of requests with an idempotency key: listed, shown without their bodies, removed.

use serde::Serialize;
use utoipa::ToSchema;

use super::asked::Asked;
use super::desk::{Desk, OfficeAnswer, PAGE};
use super::time;
use super::trouble::Trouble;
use crate::percent;
use crate::store::{KeptRecord, Removed};

/// A request that was made under an idempotency key, and what is kept of it.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct RecordShown {
    /// Whose key it is: an account's id, or the hash of a credential.
    scope: String,
    /// The key.
    key: String,
    /// `running`, `finished`, or `unknown`: the upstream may have acted.
    state: String,
    /// When the request was made.
    since: String,
    /// Until when it is kept.
    expires: String,
    /// The status of the answer that is kept, if one is.
    status: Option<i64>,
    /// How many bytes its body has.
    bytes: Option<i64>,
}

/// A page of kept answers.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct RecordPage {
    /// Them, by scope and key.
    data: Vec<RecordShown>,
    /// What to give as `after` for the next page; `null`: this is the last.
    next: Option<String>,
}

impl From<KeptRecord> for RecordShown {
    fn from(kept: KeptRecord) -> Self {
        let KeptRecord { scope, key, state, since, expires, status, bytes } = kept;
        Self {
            scope,
            key,
            state,
            since: time::written(since),
            expires: time::written(expires),
            status,
            bytes,
        }
    }
}

/// List kept answers
#[utoipa::path(get, path = "/idempotency", operation_id = "list_records", tag = "idempotency", params(
    ("scope" = Option<String>, Query, description = "Only those of this scope: an account's id, or the hash of a credential"),
    ("after" = Option<String>, Query, description = "What the page before gave as `next`"),
), responses((status = 200, description = "At most a thousand", body = RecordPage)))]
pub(super) async fn list(desk: &Desk<'_>, asked: &Asked<'_>) -> Result<OfficeAnswer, Trouble> {
    let decoded = |text: &str| String::from_utf8_lossy(&percent::decoded(text)).into_owned();
    let after = match asked.param("after") {
        None => (String::new(), String::new()),
        Some(after) => match after.split_once('/') {
            Some((scope, key)) => (decoded(scope), decoded(key)),
            None => return Err(Trouble::field("after", "expected what the page before gave as `next`")),
        },
    };
    let kept = desk.store.records(asked.param("scope").as_deref(), after).await?;
    let mark = |kept: &KeptRecord| [&kept.scope, &kept.key].map(|text| escaped(text)).join("/");
    let next = kept.last().filter(|_| kept.len() >= PAGE).map(mark);
    OfficeAnswer::json(200, &RecordPage { data: kept.into_iter().map(Into::into).collect(), next })
}

/// Show what is kept of a request
#[utoipa::path(get, path = "/idempotency/{scope}/{key}", operation_id = "show_record", tag = "idempotency", params(
    ("scope" = String, Path, description = "Whose key it is"),
    ("key" = String, Path, description = "The key"),
), responses(
    (status = 200, description = "It", body = RecordShown),
    (status = 404, description = "Nothing is kept under this key"),
))]
pub(super) async fn show(desk: &Desk<'_>, scope: &str, key: &str) -> Result<OfficeAnswer, Trouble> {
    let kept = desk.store.record(scope, key).await?.ok_or_else(missing)?;
    OfficeAnswer::json(200, &RecordShown::from(kept))
}

/// Remove a kept answer
///
/// The next request under its key is done anew.
#[utoipa::path(delete, path = "/idempotency/{scope}/{key}", operation_id = "remove_record", tag = "idempotency", params(
    ("scope" = String, Path, description = "Whose key it is"),
    ("key" = String, Path, description = "The key"),
), responses(
    (status = 200, description = "It is gone"),
    (status = 404, description = "Nothing is kept under this key"),
    (status = 409, description = "Its request is under way"),
))]
pub(super) async fn remove(
    desk: &Desk<'_>,
    asked: &Asked<'_>,
    scope: &str,
    key: &str,
) -> Result<OfficeAnswer, Trouble> {
    match desk.store.remove_record(scope, key, asked.who).await? {
        Removed::Gone => OfficeAnswer::json(200, &serde_json::json!({ "removed": true })),
        Removed::Running => Err(Trouble::under_way()),
        Removed::Missing => Err(missing()),
    }
}

/// A name that a slash can stand behind.
fn escaped(text: &str) -> String {
    percent::form_encoded(text).replace('+', "%20")
}

fn missing() -> Trouble {
    Trouble::nothing("nothing is kept under this key")
}
