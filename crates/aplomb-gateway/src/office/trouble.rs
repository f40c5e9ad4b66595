//! Why the office can't do what it was asked: told in the form of RFC 9457, with what would be right.

use std::time::{Duration, SystemTime};

use aplomb_core::{Failure, Fault, FieldError, Kind, render};

use super::desk::OfficeAnswer;
use crate::store::{Refused, StoreError};

/// What went wrong.
#[derive(Debug)]
pub(crate) struct Trouble {
    failure: Failure,
    /// What may be done instead.
    pub(crate) allow: Option<&'static str>,
}

impl Trouble {
    fn new(kind: Kind, code: &str, message: impl Into<String>) -> Self {
        Self { failure: Failure::new(kind).code(code).message(message), allow: None }
    }

    /// A field that can't be as it is.
    pub(crate) fn field(name: &str, told: &str) -> Self {
        let mut trouble = Self::new(Kind::Validation, "invalid_field", format!("`{name}`: {told}"));
        let mut error = FieldError::new(told);
        error.param = Some(name.to_owned());
        trouble.failure.param = Some(name.to_owned());
        trouble.failure.errors.push(error);
        trouble
    }

    /// A body that isn't what is asked for.
    pub(super) fn json(error: &serde_json::Error) -> Self {
        Self::new(Kind::InvalidRequest, "invalid_body", format!("the body can't be read: {error}"))
    }

    /// A body beyond all need.
    pub(crate) fn too_large(most: usize) -> Self {
        Self::new(Kind::PayloadTooLarge, "body_too_large", format!("the body has more than {most} bytes"))
    }

    /// A body that didn't come whole.
    pub(crate) fn cut() -> Self {
        Self::new(Kind::InvalidRequest, "body_cut", "the body was cut, or did not come in time")
    }

    /// A body of another type: a page elsewhere could send it without asking.
    pub(crate) fn not_json() -> Self {
        Self::new(Kind::UnsupportedMediaType, "not_json", "send the body as `content-type: application/json`")
    }

    /// Nothing of that name.
    pub(super) fn nothing(told: impl Into<String>) -> Self {
        Self::new(Kind::NotFound, "not_found", told)
    }

    /// Another method is right here.
    pub(super) fn method(allow: &'static str) -> Self {
        let told = format!("this method is not served here; there are {allow}");
        Self { allow: Some(allow), ..Self::new(Kind::MethodNotAllowed, "method_not_allowed", told) }
    }

    /// What is asked about is at work.
    pub(super) fn under_way() -> Self {
        Self::new(Kind::Conflict, "under_way", "the request of this key is under way; wait until it is over")
    }

    /// No route needs the store, so that it isn't open.
    pub(crate) fn no_store() -> Self {
        let told = "this gateway keeps no accounts and keys: no route asks for `keys = \"required\"`";
        Self::new(Kind::NotFound, "no_store", told)
    }

    /// What is told of it.
    pub(crate) fn answer(&self) -> OfficeAnswer {
        let problem = aplomb_core::catalog().get("problem").expect("the dialect is bundled");
        let rendered = render(problem, &self.failure, None, SystemTime::now());
        OfficeAnswer {
            status: rendered.status,
            content_type: "application/problem+json",
            body: rendered.body,
            allow: self.allow,
        }
    }
}

impl From<StoreError> for Trouble {
    fn from(error: StoreError) -> Self {
        let told = error.to_string();
        match error {
            StoreError::Refused(Refused::NoAccount(_)) => Self::new(Kind::NotFound, "no_account", told),
            StoreError::Refused(Refused::NoKey(_)) => Self::new(Kind::NotFound, "no_key", told),
            StoreError::Refused(Refused::NameTaken(_)) => Self::new(Kind::Conflict, "name_taken", told),
            StoreError::Refused(Refused::KeyTaken(_)) => Self::new(Kind::Conflict, "key_taken", told),
            StoreError::Refused(Refused::BadName) => Self::field("name", &told),
            StoreError::Refused(_) => Self::new(Kind::Validation, "refused", told),
            StoreError::Down => {
                let mut trouble = Self::new(Kind::Unavailable, "store_down", told);
                trouble.failure.fault = Fault::Gateway;
                trouble.failure.wait = Some(Duration::from_secs(1));
                trouble
            }
            // What the database says may hold what it was given.
            StoreError::Failed(cause) => {
                tracing::error!(target: "aplomb::store", %cause, "the store failed at what it was asked");
                let mut trouble =
                    Self::new(Kind::Internal, "store_failed", "the store failed; the log says why");
                trouble.failure.fault = Fault::Gateway;
                trouble
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_field_is_named_with_what_would_be_right() {
        let answer = Trouble::field("expires", "expected a time").answer();
        let body = String::from_utf8(answer.body).unwrap();
        assert_eq!(answer.status, 422);
        assert!(body.contains("`expires`: expected a time"), "{body}");
    }

    #[test]
    fn each_refusal_of_the_store_has_its_own_status() {
        let status = |refused: Refused| Trouble::from(StoreError::from(refused)).answer().status;
        assert_eq!(status(Refused::NoAccount("a".into())), 404);
        assert_eq!(status(Refused::NameTaken("a".into())), 409);
        assert_eq!(status(Refused::BadName), 422);
        assert_eq!(Trouble::from(StoreError::Down).answer().status, 503);
        assert_eq!(Trouble::method("GET").answer().status, 405);
    }
}
