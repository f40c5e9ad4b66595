//! Whether the store can be used now: told by what became of the last operations.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

/// Shared by the handle and the store's thread.
#[derive(Debug, Default)]
pub(crate) struct Health {
    down: AtomicBool,
    /// How often it went down.
    outages: AtomicU64,
}

impl Health {
    /// Whether operations are worth asking for.
    pub(crate) fn is_up(&self) -> bool {
        !self.down.load(Ordering::Acquire)
    }

    /// How often it went down since the start.
    pub(crate) fn outages(&self) -> u64 {
        self.outages.load(Ordering::Relaxed)
    }

    /// An operation succeeded.
    pub(super) fn succeeded(&self) {
        if self.down.load(Ordering::Relaxed) && self.down.swap(false, Ordering::AcqRel) {
            tracing::info!(target: "aplomb::store", "the store can be reached again");
        }
    }

    /// An operation failed for a reason that is not its own. Told once for an outage, however many fail.
    pub(super) fn failed(&self, error: &sqlx::Error) {
        if !self.down.swap(true, Ordering::AcqRel) {
            self.outages.fetch_add(1, Ordering::Relaxed);
            tracing::error!(target: "aplomb::store", %error, "the store can't be reached");
        }
    }
}

/// Whether an error is the store's trouble: the same operation may succeed once it is over.
pub(super) fn is_trouble(error: &sqlx::Error) -> bool {
    use sqlx::error::ErrorKind;
    match error {
        sqlx::Error::Database(told) => {
            // SQLite tells a full disk, a locked file or failed IO here; a constraint is the operation's own.
            matches!(told.kind(), ErrorKind::Other) && !is_plain_mistake(told.code().as_deref())
        }
        sqlx::Error::RowNotFound
        | sqlx::Error::TypeNotFound { .. }
        | sqlx::Error::ColumnIndexOutOfBounds { .. }
        | sqlx::Error::ColumnNotFound(_)
        | sqlx::Error::ColumnDecode { .. }
        | sqlx::Error::Encode(_)
        | sqlx::Error::Decode(_) => false,
        _ => true,
    }
}

/// What waiting doesn't mend: PostgreSQL's classes 22 (data) and 42 (syntax, rights); SQLite's error, constraint,
/// mismatch and range, whose extended codes have at most four digits.
fn is_plain_mistake(code: Option<&str>) -> bool {
    match code {
        Some(code) if code.len() == 5 => code.starts_with("22") || code.starts_with("42"),
        Some(code) => code.parse::<u32>().is_ok_and(|code| matches!(code & 0xff, 1 | 19 | 20 | 25)),
        None => false,
    }
}
