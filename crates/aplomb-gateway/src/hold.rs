//! Holding a stream: nothing of it is delivered until it is whole, so that whatever breaks it can be repaired unseen.

use std::time::SystemTime;

use aplomb_core::dialect::{Seen, StreamReader};
use aplomb_core::spec::Endpoint;
use aplomb_core::{Failure, Fault, Kind};
use http_body_util::BodyExt;
use tokio::time::timeout;

use crate::collect::{Kept, PAUSE};
use crate::guard::{self, Begun, Broken, Opened};
use crate::net::Body;
use crate::reply::Held;
use crate::setup::Target;
use crate::stage::plan::Plan;
use crate::worker::Worker;

/// With more events than this left out, what remains is no answer.
const MALFORMED: u32 = 3;

/// Keeps a stream until it is whole. One that is too large to be kept flows from then on.
pub(crate) async fn until_whole(
    worker: &Worker,
    plan: &Plan,
    target: &Target,
    endpoint: Option<&'static Endpoint>,
    mut body: Body,
) -> (Opened, Held) {
    let timeouts = &target.upstream.timeouts;
    let mut reader = guard::reader(plan, target, endpoint);
    let (mut kept, mut skipped) = (Kept::default(), 0);
    loop {
        let patience = match kept.is_empty() {
            // After the last event there is nothing to wait for but the end of the framing.
            _ if reader.is_done() => PAUSE,
            true => timeouts.first_event,
            false => timeouts.idle,
        };
        let frame = match timeout(patience, body.frame()).await {
            Ok(frame) => frame,
            Err(_elapsed) if reader.is_done() => None,
            Err(_elapsed) => {
                let failure = if kept.is_empty() { guard::silent() } else { guard::stalled() };
                return (broken(failure, true, &reader), Held::Whole);
            }
        };
        let data = match frame {
            Some(Ok(frame)) => match frame.into_data() {
                Ok(data) => data,
                Err(_trailers) => continue,
            },
            Some(Err(_cut)) => return (ended(worker, reader, kept, true), Held::Whole),
            None => return (ended(worker, reader, kept, false), Held::Whole),
        };
        let seen = reader.feed(data, SystemTime::now());
        skipped += seen.skipped;
        if let Some(failure) = seen.failure.or_else(|| (skipped > MALFORMED).then(unreadable)) {
            return (broken(failure, false, &reader), Held::Whole);
        }
        let mut fits = true;
        for piece in seen.pass {
            fits &= kept.push(worker, piece, target.upstream.hold_bytes);
        }
        if !fits {
            let begun = Begun { body, reader, ready: kept.into_pieces() };
            return (guard::watch(plan, target, endpoint, begun), Held::Live);
        }
    }
}

/// A stream that ended: whole if it came to its own end.
///
/// A finish reason alone is no end when the framing was cut: the usage comes after it.
fn ended(worker: &Worker, reader: StreamReader<'static>, mut kept: Kept, cut: bool) -> Opened {
    let (begun, torn) = (reader.has_begun(), cut && !reader.is_done());
    let usage = reader.usage();
    let Seen { pass, failure, .. } = reader.finish(cut, SystemTime::now());
    if let Some(failure) = failure.or_else(|| torn.then(torn_off)) {
        return Opened::Failed(Broken { failure, silent: false, begun });
    }
    for piece in pass {
        kept.push(worker, piece, usize::MAX);
    }
    guard::whole(kept.join(), usage)
}

fn broken(failure: Failure, silent: bool, reader: &StreamReader<'_>) -> Opened {
    Opened::Failed(Broken { failure, silent, begun: reader.has_begun() })
}

fn unreadable() -> Failure {
    lost("the upstream's stream holds too many events that can't be read")
}

fn torn_off() -> Failure {
    lost("the upstream's stream was cut before its end")
}

fn lost(message: &str) -> Failure {
    Failure::new(Kind::BadGateway).fault(Fault::Network).message(message)
}
