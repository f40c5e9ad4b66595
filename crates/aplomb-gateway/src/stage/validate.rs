//! Validate: whether the request is what its route asks for, before anything is spent on it.

use bytes::Bytes;

use crate::problem::Problem;
use crate::stage::receive::{self, Received, RequestBody};
use crate::unpack::PACKED;
use crate::validate::Asked;

/// Holds a request against its route's rules, and gives it on with its body unpacked.
///
/// # Errors
/// What is wrong with it, every field of it, told as the caller's dialect tells it.
pub(crate) fn check(mut received: Received) -> Result<Received, Box<Problem>> {
    let Some(rules) = received.way.route.validate.clone() else { return Ok(received) };
    let asked = Asked {
        method: &received.method,
        path: &received.rest,
        query: received.rest.query(),
        headers: &received.headers,
        body: received.body.kept().map(|body| &**body),
        most: received.way.route.replay_bytes,
    };
    match rules.check(&asked) {
        Ok(None) => Ok(received),
        Ok(Some(unpacked)) => {
            let packed = received.body.kept().map_or(0, Bytes::len);
            let memory = received.setup.config.server.memory;
            let more = unpacked.len().saturating_sub(packed);
            if received.hold.as_mut().is_some_and(|hold| !hold.grow(more, memory)) {
                let answer = received.answer.or(received.way.answer);
                return Err(Box::new(receive::full().answer_in(answer)));
            }
            received.body = RequestBody::Whole(Bytes::from(unpacked));
            for name in PACKED {
                received.headers.remove(name);
            }
            Ok(received)
        }
        Err(refusal) => {
            let own = received.answer.or(received.way.answer);
            let answer = own.or_else(|| received.setup.without_route(&received.headers));
            let (failure, headers) = refusal.failure(answer);
            let problem = Problem { headers, ..Problem::local(failure) };
            Err(Box::new(problem.answer_in(answer)))
        }
    }
}
