//! Why a request is refused, and how that is told in whichever dialect its caller reads.

use aplomb_core::{Dialect, Failure, Fault, FieldError, Kind};
use http::header::{self, HeaderName};
use http::{HeaderMap, HeaderValue};

/// What is wrong with a request.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Refusal {
    /// The document has no such path.
    NoSuchPath,
    /// The path has these methods, and not the one that was used.
    Method(Vec<String>),
    /// None of these types of answers is one that the caller takes.
    NotAcceptable(Vec<String>),
    /// More bytes than are taken, packed or unpacked.
    TooLarge(usize),
    /// The body is of none of these types.
    MediaType(Vec<String>),
    /// The body is packed in a way that can't be undone here.
    Encoding,
    /// The body says that it is packed this way, and isn't.
    Damaged(&'static str),
    /// The body is no JSON: what is wrong, with line and column.
    Malformed(String),
    /// These fields break their rules; never empty.
    Fields(Vec<FieldError>),
}

/// How packed bodies may come.
const ENCODINGS: &str = "gzip, deflate, br, zstd";

impl Refusal {
    /// The failure, for a caller that reads this dialect, and the headers that belong to it.
    pub(crate) fn failure(self, answer: Option<&Dialect>) -> (Failure, HeaderMap) {
        let mut headers = HeaderMap::new();
        let mut say = |name: HeaderName, list: &[String]| {
            headers.extend(HeaderValue::try_from(list.join(", ")).ok().map(|value| (name, value)));
        };
        let failure = match self {
            Self::NoSuchPath => Failure::new(Kind::NotFound).message("nothing is served at this path"),
            Self::Method(allowed) => {
                say(header::ALLOW, &allowed);
                let told = format!("this path does not take this method; it takes {}", allowed.join(", "));
                Failure::new(Kind::MethodNotAllowed).message(told)
            }
            Self::NotAcceptable(offered) => {
                let told = format!("`Accept` takes none of what is offered here: {}", offered.join(", "));
                Failure::new(Kind::NotAcceptable).message(told)
            }
            Self::TooLarge(most) => Failure::new(Kind::PayloadTooLarge)
                .message(format!("the request's body is larger than the {most} bytes that are taken here")),
            Self::MediaType(taken) => {
                say(header::ACCEPT, &taken);
                let told = format!("the body's content type is not taken here; send {}", taken.join(" or "));
                Failure::new(Kind::UnsupportedMediaType).message(told)
            }
            Self::Encoding => {
                say(header::ACCEPT_ENCODING, &[ENCODINGS.to_owned()]);
                let told = format!(
                    "the body's content encoding is not taken here; send it plain, or as {ENCODINGS}"
                );
                Failure::new(Kind::UnsupportedMediaType).message(told)
            }
            Self::Damaged(encoding) => Failure::new(Kind::InvalidRequest)
                .message(format!("the body says that it is {encoding}, and can't be read as that")),
            Self::Malformed(told) => Failure::new(Kind::InvalidRequest).message(told),
            Self::Fields(errors) => fields(errors, answer),
        };
        (failure.fault(Fault::Caller), headers)
    }
}

/// The first error is the failure's own; all of them stand beside it.
fn fields(errors: Vec<FieldError>, answer: Option<&Dialect>) -> Failure {
    let missing = answer.and_then(|dialect| dialect.validation.missing);
    let first = errors.first();
    let is_missing = first.is_some_and(|first| first.code.as_deref() == Some("required"));
    let kind = missing.filter(|_| is_missing).unwrap_or(Kind::Validation);
    let mut failure = Failure::new(kind);
    failure.message = first.map(|first| first.message.clone());
    failure.param = first.and_then(|first| first.param.clone());
    failure.errors = errors;
    failure
}

#[cfg(test)]
mod tests {
    use super::*;

    fn missing() -> Refusal {
        Refusal::Fields(vec![
            FieldError::new("The 'role_id' field is required").param("role_id").code("required"),
        ])
    }

    #[test]
    fn a_missing_field_is_of_the_kind_that_the_dialect_says() {
        let catalog = aplomb_core::catalog();
        let kind = |name: &str| missing().failure(catalog.get(name)).0.kind;
        assert_eq!(kind("agenthuman"), Kind::InvalidRequest);
        assert_eq!(kind("openai"), Kind::Validation);
        let (failure, _) = missing().failure(None);
        assert_eq!(failure.param.as_deref(), Some("role_id"));
        assert_eq!(failure.fault, Fault::Caller);
    }

    #[test]
    fn what_would_be_right_stands_in_the_headers_that_http_has_for_it() {
        let (_, headers) = Refusal::Method(vec!["GET".to_owned(), "HEAD".to_owned()]).failure(None);
        assert_eq!(headers[header::ALLOW], "GET, HEAD");
        let (_, headers) = Refusal::Encoding.failure(None);
        assert_eq!(headers[header::ACCEPT_ENCODING], ENCODINGS);
    }
}
