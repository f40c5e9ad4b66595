//! The status that counts: the answer's own, or the one that a body states where the answer's says nothing.

use crate::dialect::{Evidence, Facts, body};

/// The status that counts: an error's own one inside a 200, a page's own one inside a 500, else the answer's.
pub(super) fn status(evidence: &Evidence<'_>, facts: &Facts, text: Option<&str>) -> Option<u16> {
    let is_failure = |status: &u16| (400..600).contains(status);
    let by_code = || facts.code.as_deref().and_then(|code| code.parse().ok()).filter(is_failure);
    let said = || facts.status.filter(is_failure).or_else(by_code).or_else(|| stated_in_details(facts));
    let message = facts.message.as_deref();
    let page = match (text, message) {
        (Some(_), Some(message)) => leading_status(message),
        (None, Some(message)) if body::is_page(message) => leading_status(&body::sentence(message)),
        _ => None,
    };
    match evidence.status {
        Some(500) => page.or(Some(500)),
        Some(status) if status >= 400 => Some(status),
        _ => said().or(page),
    }
}

/// What HTTP calls a status (RFC 9110 and its registry); empty for one that has no name.
pub(super) fn phrase(status: u16) -> &'static str {
    match status {
        400 => "Bad Request",
        401 => "Unauthorized",
        402 => "Payment Required",
        403 => "Forbidden",
        404 => "Not Found",
        405 => "Method Not Allowed",
        406 => "Not Acceptable",
        408 => "Request Timeout",
        409 => "Conflict",
        410 => "Gone",
        411 => "Length Required",
        412 => "Precondition Failed",
        413 => "Payload Too Large",
        414 => "URI Too Long",
        415 => "Unsupported Media Type",
        416 => "Range Not Satisfiable",
        422 => "Unprocessable Entity",
        424 => "Failed Dependency",
        429 => "Too Many Requests",
        431 => "Request Header Fields Too Large",
        500 => "Internal Server Error",
        501 => "Not Implemented",
        502 => "Bad Gateway",
        503 => "Service Unavailable",
        504 => "Gateway Timeout",
        _ => "",
    }
}

fn stated_in_details(facts: &Facts) -> Option<u16> {
    ["status_code", "statusCode", "status", "raw_status_code", "http_status"].iter().find_map(|key| {
        let number = facts.details.get(*key)?.as_u64()?;
        u16::try_from(number).ok().filter(|status| (400..600).contains(status))
    })
}

/// `502 Bad Gateway`, `Error 405 (…)`, `host | 520: …`.
fn leading_status(sentence: &str) -> Option<u16> {
    sentence
        .split(|c: char| !c.is_ascii_digit())
        .filter(|digits| digits.len() == 3)
        .find_map(|digits| digits.parse().ok().filter(|status| (400..600).contains(status)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_says_its_status_in_words() {
        assert_eq!(leading_status("502 Bad Gateway"), Some(502));
        assert_eq!(leading_status("Error 405 (Method Not Allowed)!!1"), Some(405));
        assert_eq!(
            leading_status("api.example.com | 520: Web server is returning an unknown error"),
            Some(520)
        );
        assert_eq!(leading_status("the 200 best pages of 1999"), None);
    }
}
