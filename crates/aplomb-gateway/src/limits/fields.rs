//! How a caller's limits are told on an answer.

use std::time::SystemTime;

use aplomb_core::dialect::limit_headers;
use aplomb_core::header::rate_limit;
use aplomb_core::{Dialect, Limit};
use http::{HeaderMap, HeaderName, HeaderValue};

use crate::config::LimitFields;

/// Writes limits in the ways that a tier says; what an upstream said of limits of its own was for us.
pub(crate) fn write(headers: &mut HeaderMap, dialect: &Dialect, fields: LimitFields, limits: &[Limit]) {
    let mut told = Vec::new();
    if fields != LimitFields::Ietf {
        told = limit_headers(dialect, limits, SystemTime::now());
    }
    if fields != LimitFields::Dialect {
        told.extend(rate_limit::write(limits));
    }
    for (name, value) in told {
        if let (Ok(name), Ok(value)) = (HeaderName::try_from(name), HeaderValue::try_from(value)) {
            headers.insert(name, value);
        }
    }
}
