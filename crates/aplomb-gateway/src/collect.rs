//! Collecting: an answer kept until it is whole, so that a cut can be repaired unseen, within bounds of size and time.

use std::collections::VecDeque;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use http_body::{Body as _, Frame, SizeHint};
use http_body_util::BodyExt;
use tokio::time::timeout;

use crate::net::{Body, BodyError, BodyFault, UpstreamBody};
use crate::worker::{Hold, Worker};

/// How long an answer that is being kept may pause before it flows instead.
pub(crate) const PAUSE: Duration = Duration::from_millis(250);

/// The most of an error's body that is read.
const ERROR_BODY: usize = 1 << 20;

/// What became of an answer that was to be kept.
pub(crate) enum Collected {
    /// All of it.
    Whole(Bytes),
    /// Too large or too slow to be kept: what came so far, then the rest as it comes.
    Flows(Body),
    /// It ended before its end.
    Broken {
        /// Nothing came for too long, rather than a cut.
        silent: bool,
    },
}

/// Keeps an answer until it is whole, up to `bound` bytes or a pause.
///
/// A quarter of a second is a pause, unless the caller is `patient`: then an answer of `bound` bytes is waited for.
pub(crate) async fn until_whole(
    worker: &Worker,
    mut body: UpstreamBody,
    bound: usize,
    idle: Duration,
    patient: bool,
) -> Collected {
    let pause = if patient { idle } else { PAUSE };
    if body.size_hint().lower() > bound as u64 {
        return Collected::Flows(Body::from(body));
    }
    let mut kept = Kept::default();
    loop {
        let frame = match timeout(pause, body.frame()).await {
            Ok(frame) => frame,
            // A pause before the first byte is the upstream's thinking: there is nothing yet that could flow.
            Err(_pause) if kept.length == 0 && !patient => match timeout(idle, body.frame()).await {
                Ok(frame) => frame,
                Err(_idle) => return Collected::Broken { silent: true },
            },
            Err(_idle) if patient => return Collected::Broken { silent: true },
            Err(_pause) => return Collected::Flows(kept.flow(body)),
        };
        match frame {
            None => return Collected::Whole(kept.join()),
            Some(Err(error)) => return Collected::Broken { silent: error.fault() == BodyFault::Silent },
            Some(Ok(frame)) => {
                let Ok(data) = frame.into_data() else { continue };
                // The usual answer is one piece, which needs no list of pieces and no count of what waits.
                if kept.length == 0 && data.len() <= bound && body.is_end_stream() {
                    return Collected::Whole(data);
                }
                if !kept.push(worker, data, bound) {
                    return Collected::Flows(kept.flow(body));
                }
                if body.is_end_stream() {
                    return Collected::Whole(kept.join());
                }
            }
        }
    }
}

/// Reads an error's body: what came of it, and whether that is all.
///
/// Where the server's memory is used up, what came first has to do: it is mostly all, and tells the most.
pub(crate) async fn error_body(worker: &Worker, body: UpstreamBody, idle: Duration) -> (Bytes, bool) {
    let mut kept = Kept::default();
    let whole = is_taken_whole(body, idle, |data| kept.push(worker, data, ERROR_BODY)).await;
    (kept.join(), whole)
}

/// Reads what a server of tokens or keys says, of which there is one at a time: what came of it, and whether that is all.
pub(crate) async fn short_body(body: UpstreamBody, idle: Duration) -> (Bytes, bool) {
    let mut all = BytesMut::new();
    let take = |data: Bytes| {
        all.extend_from_slice(&data);
        all.len() <= ERROR_BODY
    };
    let whole = is_taken_whole(body, idle, take).await;
    (all.freeze(), whole)
}

/// Gives the pieces of a body to somebody who says whether there is room for more; whether that was all.
async fn is_taken_whole(mut body: UpstreamBody, idle: Duration, mut take: impl FnMut(Bytes) -> bool) -> bool {
    let mut has_room = true;
    while has_room && !body.is_end_stream() {
        match timeout(idle, body.frame()).await {
            Ok(Some(Ok(frame))) => has_room = frame.into_data().map_or(true, &mut take),
            Ok(None) => return true,
            Ok(Some(Err(_))) | Err(_) => return false,
        }
    }
    body.is_end_stream()
}

/// What came of an answer that is kept, counted as memory.
#[derive(Default)]
pub(crate) struct Kept {
    pieces: VecDeque<Bytes>,
    length: usize,
    hold: Option<Hold>,
}

impl Kept {
    /// Keeps one more piece; whether there is room for others.
    pub(crate) fn push(&mut self, worker: &Worker, data: Bytes, bound: usize) -> bool {
        self.length += data.len();
        let memory = worker.shared().setup_memory();
        let hold = self.hold.get_or_insert_with(|| worker.shared().hold());
        let fits = hold.grow(data.len(), memory);
        self.pieces.push_back(data);
        fits && self.length <= bound
    }

    /// Nothing came yet.
    pub(crate) fn is_empty(&self) -> bool {
        self.pieces.is_empty()
    }

    /// The pieces as they came.
    pub(crate) fn into_pieces(self) -> VecDeque<Bytes> {
        self.pieces
    }

    /// All of it as one; its share of the memory is given back when the last of it was handed over.
    pub(crate) fn join(mut self) -> Bytes {
        let bytes = if self.pieces.len() == 1 {
            self.pieces.pop_front().unwrap_or_default()
        } else {
            let mut all = BytesMut::with_capacity(self.length);
            for piece in self.pieces {
                all.extend_from_slice(&piece);
            }
            all.freeze()
        };
        match self.hold {
            Some(hold) => Bytes::from_owner(Held { bytes, _hold: hold }),
            None => bytes,
        }
    }

    fn flow(self, rest: UpstreamBody) -> Body {
        Body::stream(Resumed { first: self.pieces, hold: self.hold, rest })
    }
}

/// Bytes with their share of the memory.
struct Held {
    bytes: Bytes,
    _hold: Hold,
}

impl AsRef<[u8]> for Held {
    fn as_ref(&self) -> &[u8] {
        &self.bytes
    }
}

/// What was kept, then the rest as it comes.
struct Resumed {
    first: VecDeque<Bytes>,
    hold: Option<Hold>,
    rest: UpstreamBody,
}

impl http_body::Body for Resumed {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        if let Some(piece) = self.first.pop_front() {
            return Poll::Ready(Some(Ok(Frame::data(piece))));
        }
        self.hold = None;
        Pin::new(&mut self.rest).poll_frame(cx)
    }

    fn is_end_stream(&self) -> bool {
        self.first.is_empty() && self.rest.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        let first: u64 = self.first.iter().map(|piece| piece.len() as u64).sum();
        match self.rest.size_hint().exact() {
            Some(rest) => SizeHint::with_exact(first + rest),
            None => SizeHint::default(),
        }
    }
}
