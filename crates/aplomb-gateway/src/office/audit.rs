//! The audit table: who changed what, read only.

use serde::Serialize;
use utoipa::ToSchema;

use super::asked::Asked;
use super::desk::{Desk, OfficeAnswer, PAGE};
use super::time;
use super::trouble::Trouble;
use crate::store::Event;

/// One change.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct EventShown {
    /// Its number; later ones have larger ones.
    n: i64,
    /// When.
    at: String,
    /// Who asked for it.
    who: String,
    /// What was done, such as `key.revoke`.
    #[schema(example = "key.revoke")]
    what: String,
    /// To which account or key, by its id.
    target: String,
    /// What was there before.
    before: Option<serde_json::Value>,
    /// What was there after.
    after: Option<serde_json::Value>,
}

/// A page of changes.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct EventPage {
    /// The changes, the latest first.
    data: Vec<EventShown>,
    /// What to give as `before` for the next page; `null`: this is the last.
    next: Option<i64>,
}

impl From<Event> for EventShown {
    fn from(event: Event) -> Self {
        let Event { n, at, who, what, target, before, after } = event;
        Self { n, at: time::written(at), who, what, target, before, after }
    }
}

/// Show who changed what
#[utoipa::path(get, path = "/audit", operation_id = "list_changes", tag = "audit", params(
    ("target" = Option<String>, Query, description = "Only changes of this account or key, by its id"),
    ("before" = Option<i64>, Query, description = "Only changes before this number"),
), responses((status = 200, description = "At most a thousand changes", body = EventPage)))]
pub(super) async fn list(desk: &Desk<'_>, asked: &Asked<'_>) -> Result<OfficeAnswer, Trouble> {
    let before = asked.number("before")?;
    let events = desk.store.audit(before, asked.param("target").as_deref()).await?;
    let next = events.last().filter(|_| events.len() >= PAGE).map(|event| event.n);
    OfficeAnswer::json(200, &EventPage { data: events.into_iter().map(Into::into).collect(), next })
}
