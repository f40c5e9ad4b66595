//! A caller's body kept so that it can be sent again, or streamed when it is too big to keep.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use http_body::{Body as _, Frame, SizeHint};
use http_body_util::BodyExt;
use hyper::body::Incoming;
use tokio::time::{Instant, Sleep, sleep, timeout};

use super::body::Body;
use super::body_error::{BodyError, BodyFault};

/// How big a body may be to be kept, unless configured otherwise.
pub const KEEP_AT_MOST: usize = 10 * 1024 * 1024;

/// The bytes that must come each second on the average, beside the time that each piece is given: whoever sends a byte
/// now and then would stay for ever otherwise. Apache's `mod_reqtimeout` asks for the same.
const SLOWEST: f64 = 500.0;

/// A request's body, as far as it was read.
#[derive(Debug)]
pub enum Kept {
    /// All of it; every attempt gets a clone, which copies nothing.
    Whole(Bytes),
    /// What was read and the rest as it comes; it can be sent once.
    Streaming(Body),
    /// There was no room for the next piece.
    NoRoom,
}

/// Reads a body up to `most` bytes, waiting no longer than `pace` for each piece of it, and for all of it no longer than
/// that and a second for every 500 bytes.
///
/// `room` is asked before each piece is kept, and told how long it is.
/// A body that came in one piece is kept as it is; a caller that waits for `100 Continue` gets it here.
///
/// # Errors
///
/// Fails if the caller breaks off, breaks the framing, or falls silent.
pub async fn keep(
    mut incoming: Incoming,
    most: usize,
    pace: Duration,
    mut room: impl FnMut(usize) -> bool,
) -> Result<Kept, BodyError> {
    if incoming.is_end_stream() {
        return Ok(Kept::Whole(Bytes::new()));
    }
    if incoming.size_hint().lower() > most as u64 {
        return Ok(Kept::Streaming(rest(Bytes::new(), incoming, Pace::new(pace))));
    }
    let first = next(&mut incoming, pace).await?.unwrap_or_default();
    if !room(first.len()) {
        return Ok(Kept::NoRoom);
    }
    if incoming.is_end_stream() && first.len() <= most {
        return Ok(Kept::Whole(first));
    }
    let mut pace = Pace::new(pace);
    let mut kept = BytesMut::from(first);
    while kept.len() <= most {
        let since = Instant::now();
        match next(&mut incoming, pace.left()).await? {
            Some(piece) if !room(piece.len()) => return Ok(Kept::NoRoom),
            Some(piece) => {
                pace.came(piece.len(), since);
                kept.extend_from_slice(&piece);
            }
            None => return Ok(Kept::Whole(kept.freeze())),
        }
    }
    Ok(Kept::Streaming(rest(kept.freeze(), incoming, pace)))
}

/// The next piece of data; trailers of a request that is kept are not.
async fn next(incoming: &mut Incoming, within: Duration) -> Result<Option<Bytes>, BodyError> {
    loop {
        let frame = timeout(within, incoming.frame()).await;
        match frame.map_err(|_elapsed| BodyError::new(BodyFault::Silent))? {
            Some(Ok(frame)) => {
                if let Ok(data) = frame.into_data() {
                    return Ok(Some(data));
                }
            }
            Some(Err(error)) => return Err(BodyError::of(error)),
            None => return Ok(None),
        }
    }
}

/// How long may still be waited for a body.
#[derive(Debug)]
struct Pace {
    /// For each piece, and for all of it beside what was earned.
    most: Duration,
    /// What was waited for the caller; while nobody reads, the caller isn't late.
    waited: Duration,
    came: usize,
}

impl Pace {
    fn new(most: Duration) -> Self {
        Self { most, waited: Duration::ZERO, came: 0 }
    }

    /// A piece that was waited for since then.
    fn came(&mut self, bytes: usize, since: Instant) {
        self.came += bytes;
        self.waited += since.elapsed();
    }

    /// For the next piece.
    fn left(&self) -> Duration {
        let earned = Duration::from_secs_f64(self.came as f64 / SLOWEST);
        self.most.min(self.most.saturating_add(earned).saturating_sub(self.waited))
    }
}

fn rest(read: Bytes, incoming: Incoming, pace: Pace) -> Body {
    Body::stream(Rest { read, incoming, pace, waiting: None })
}

/// What was read already, then what comes, each piece within its time.
struct Rest {
    read: Bytes,
    incoming: Incoming,
    pace: Pace,
    waiting: Option<(Instant, Pin<Box<Sleep>>)>,
}

impl http_body::Body for Rest {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        if !self.read.is_empty() {
            return Poll::Ready(Some(Ok(Frame::data(std::mem::take(&mut self.read)))));
        }
        if let Poll::Ready(frame) = Pin::new(&mut self.incoming).poll_frame(cx) {
            let since = self.waiting.take().map_or_else(Instant::now, |(since, _)| since);
            let bytes =
                frame.as_ref().and_then(|frame| frame.as_ref().ok()?.data_ref()).map_or(0, Bytes::len);
            self.pace.came(bytes, since);
            return Poll::Ready(frame.map(|frame| frame.map_err(BodyError::of)));
        }
        let left = self.pace.left();
        let (_, waiting) = self.waiting.get_or_insert_with(|| (Instant::now(), Box::pin(sleep(left))));
        ready!(waiting.as_mut().poll(cx));
        Poll::Ready(Some(Err(BodyError::new(BodyFault::Silent))))
    }

    fn is_end_stream(&self) -> bool {
        self.read.is_empty() && self.incoming.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        let (read, rest) = (self.read.len() as u64, self.incoming.size_hint());
        match rest.exact() {
            Some(exact) => SizeHint::with_exact(read + exact),
            None => SizeHint::default(),
        }
    }
}
