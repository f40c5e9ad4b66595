//! Validate: whether the request is what its route asks for, before anything is spent on it.

use bytes::Bytes;

use crate::config::Keys;
use crate::problem::Problem;
use crate::stage::receive::{self, Received, RequestBody};
use crate::unpack::PACKED;
use crate::validate::Asked;

/// Holds a request against its route's rules, and gives it on with its body unpacked.
///
/// # Errors
/// What is wrong with it, every field of it, told as the caller's dialect tells it.
pub(crate) fn check(mut received: Box<Received>) -> Result<Box<Received>, Box<Problem>> {
    let Some(rules) = received.way.route.protect.validate.clone() else { return Ok(received) };
    let asked = Asked {
        method: &received.method,
        path: &received.rest,
        query: received.rest.query(),
        headers: &received.headers,
        body: received.body.kept().map(|body| &**body),
        most: received.way.route.replay_bytes,
        cookies: received.way.route.protect.keys == Keys::None,
    };
    match rules.check(&asked) {
        Ok(None) => Ok(received),
        Ok(Some(unpacked)) => {
            let packed = received.body.kept().map_or(0, Bytes::len);
            let memory = received.setup.config.server.memory;
            let more = unpacked.len().saturating_sub(packed);
            if received.hold.as_mut().is_some_and(|hold| !hold.grow(more, memory)) {
                return Err(received.told(receive::full()));
            }
            received.body = RequestBody::Whole(Bytes::from(unpacked));
            for name in PACKED {
                received.headers.remove(name);
            }
            Ok(received)
        }
        Err(refusal) => {
            let (failure, headers) = refusal.failure(received.answer_dialect());
            Err(received.told(Problem { headers, ..Problem::local(failure) }))
        }
    }
}
