//! Unpacking: a compressed stream decoded as it comes, so that it can be watched like any other.
//!
//! We ask for uncompressed answers; some machine on the way compresses them all the same.

use std::io::{self, Write};
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use flate2::write::MultiGzDecoder;
use flate2::{Decompress, FlushDecompress, Status};
use http::{HeaderMap, HeaderName, header};
use http_body::Frame;

use crate::net::{Body, BodyError, BodyFault};

/// How much is decoded at once: what it may become is bounded with it.
const PIECE: usize = 4 << 10;

/// What one piece may become: twice what the densest `deflate` could make of it; a brotli bomb would become more.
const EXPANDED: usize = 8 << 20;

/// More packings one over the other are nobody's but an attacker's.
const MOST: usize = 3;

/// What a message's headers say of its packed form, and is not true of the unpacked one.
pub(crate) const PACKED: [HeaderName; 7] = [
    header::CONTENT_ENCODING,
    header::CONTENT_LENGTH,
    header::ETAG,
    HeaderName::from_static("digest"),
    HeaderName::from_static("content-digest"),
    HeaderName::from_static("repr-digest"),
    HeaderName::from_static("content-md5"),
];

/// How a stream is packed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Packing {
    /// `gzip`.
    Gzip,
    /// `deflate`: zlib by the letter, and raw in the wild.
    Deflate,
    /// `br`.
    Brotli,
}

impl Packing {
    /// What the headers say, in the order in which it was done; `None` if it can't be undone as it comes: `zstd` can't.
    pub(crate) fn of(headers: &HeaderMap) -> Option<Vec<Self>> {
        let mut packings = Vec::new();
        for value in headers.get_all(header::CONTENT_ENCODING) {
            for name in value.to_str().ok()?.split(',') {
                match name.trim().to_ascii_lowercase().as_str() {
                    "identity" | "" => {}
                    "gzip" | "x-gzip" => packings.push(Self::Gzip),
                    "deflate" => packings.push(Self::Deflate),
                    "br" => packings.push(Self::Brotli),
                    _ => return None,
                }
            }
        }
        (packings.len() <= MOST).then_some(packings)
    }
}

/// The body without what was done to it, and the headers without what was true of it then.
pub(crate) fn undo(packings: &[Packing], headers: &mut HeaderMap, packed: Body) -> Body {
    if packings.is_empty() {
        return packed;
    }
    for name in PACKED {
        headers.remove(name);
    }
    packings.iter().rev().fold(packed, |packed, packing| {
        let decoder = Decoder::new(*packing);
        Body::stream(Unpacked { packed: Some(packed), pending: Bytes::new(), decoder })
    })
}

/// What was decoded, as long as there isn't too much of it.
#[derive(Default)]
struct Sink(Vec<u8>);

impl Write for Sink {
    fn write(&mut self, data: &[u8]) -> io::Result<usize> {
        if self.0.len() + data.len() > EXPANDED {
            return Err(io::Error::other("too much came out of too little"));
        }
        self.0.extend_from_slice(data);
        Ok(data.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

enum Decoder {
    Gzip(Box<MultiGzDecoder<Sink>>),
    /// What came, until it is enough to tell zlib from raw.
    Deflate(Vec<u8>),
    Inflate(Inflate),
    Brotli(Box<brotli::DecompressorWriter<Sink>>),
}

impl Decoder {
    fn new(packing: Packing) -> Self {
        match packing {
            Packing::Gzip => Self::Gzip(Box::new(MultiGzDecoder::new(Sink::default()))),
            Packing::Deflate => Self::Deflate(Vec::new()),
            Packing::Brotli => {
                Self::Brotli(Box::new(brotli::DecompressorWriter::new(Sink::default(), PIECE)))
            }
        }
    }

    /// Takes a piece, and gives all that can be known by now.
    fn feed(&mut self, piece: &[u8]) -> io::Result<Vec<u8>> {
        match self {
            Self::Gzip(decoder) => {
                decoder.write_all(piece)?;
                decoder.flush()?;
                Ok(std::mem::take(&mut decoder.get_mut().0))
            }
            Self::Deflate(first) => {
                first.extend_from_slice(piece);
                let &[one, two, ..] = first.as_slice() else { return Ok(Vec::new()) };
                let is_zlib = one & 0x0f == 8 && u16::from_be_bytes([one, two]) % 31 == 0;
                let first = std::mem::take(first);
                *self = Self::Inflate(Inflate { decoder: Decompress::new(is_zlib), ended: false });
                self.feed(&first)
            }
            Self::Inflate(inflate) => inflate.feed(piece),
            Self::Brotli(decoder) => {
                decoder.write_all(piece)?;
                Ok(std::mem::take(&mut decoder.get_mut().0))
            }
        }
    }

    /// Whether the packed form came to its own end.
    fn is_whole(&mut self) -> bool {
        match self {
            Self::Gzip(decoder) => decoder.try_finish().is_ok(),
            Self::Deflate(first) => first.is_empty(),
            Self::Inflate(inflate) => inflate.ended,
            Self::Brotli(decoder) => decoder.close().is_ok(),
        }
    }
}

/// Zlib or raw `deflate`; flate2's own writers don't tell a cut from an end.
struct Inflate {
    decoder: Decompress,
    ended: bool,
}

impl Inflate {
    fn feed(&mut self, piece: &[u8]) -> io::Result<Vec<u8>> {
        let (mut sink, mut out) = (Sink::default(), Vec::with_capacity(4 * PIECE));
        let mut rest = piece;
        while !self.ended {
            let before = self.decoder.total_in();
            let status = self.decoder.decompress_vec(rest, &mut out, FlushDecompress::None)?;
            let taken = usize::try_from(self.decoder.total_in() - before).unwrap_or(rest.len());
            rest = rest.get(taken..).unwrap_or_default();
            self.ended = status == Status::StreamEnd;
            let full = out.len() == out.capacity();
            sink.write_all(&out)?;
            out.clear();
            if (rest.is_empty() || taken == 0) && !full {
                break;
            }
        }
        Ok(sink.0)
    }
}

/// A body that is decoded as it comes.
struct Unpacked {
    /// Gone once it has ended.
    packed: Option<Body>,
    /// What came and is not decoded yet.
    pending: Bytes,
    decoder: Decoder,
}

impl Unpacked {
    fn fail(&mut self, fault: BodyFault) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        (self.packed, self.pending) = (None, Bytes::new());
        Poll::Ready(Some(Err(BodyError::new(fault))))
    }
}

impl http_body::Body for Unpacked {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        let this = &mut *self;
        loop {
            if !this.pending.is_empty() {
                let piece = this.pending.split_to(this.pending.len().min(PIECE));
                match this.decoder.feed(&piece) {
                    Ok(plain) if plain.is_empty() => continue,
                    Ok(plain) => return Poll::Ready(Some(Ok(Frame::data(plain.into())))),
                    Err(_damaged) => return this.fail(BodyFault::Malformed),
                }
            }
            let Some(packed) = &mut this.packed else { return Poll::Ready(None) };
            match ready!(Pin::new(packed).poll_frame(cx)) {
                Some(Ok(frame)) => match frame.into_data() {
                    Ok(data) => this.pending = data,
                    Err(trailers) => return Poll::Ready(Some(Ok(trailers))),
                },
                Some(Err(error)) => {
                    this.packed = None;
                    return Poll::Ready(Some(Err(error)));
                }
                None if this.decoder.is_whole() => {
                    this.packed = None;
                    return Poll::Ready(None);
                }
                None => return this.fail(BodyFault::Cut),
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        self.packed.is_none() && self.pending.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use std::cell::RefCell;
    use std::rc::Rc;

    use flate2::Compression;
    use flate2::write::{DeflateEncoder, GzEncoder, ZlibEncoder};
    use http::HeaderValue;
    use http_body_util::{BodyExt, StreamBody};

    use super::*;

    const TEXTS: [&str; 3] = ["data: {\"choices\":[]}\n\n", "data: {\"choices\":[]}\n\n", "data: [DONE]\n\n"];

    /// What an encoder wrote since it was last looked at.
    #[derive(Clone, Default)]
    struct Written(Rc<RefCell<Vec<u8>>>);

    impl Write for Written {
        fn write(&mut self, data: &[u8]) -> io::Result<usize> {
            self.0.borrow_mut().extend_from_slice(data);
            Ok(data.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    type Pack = fn(Written) -> Box<dyn Write>;

    const PACKS: [(&str, Pack); 4] = [
        ("gzip", |out| Box::new(GzEncoder::new(out, Compression::default()))),
        ("deflate", |out| Box::new(ZlibEncoder::new(out, Compression::default()))),
        ("deflate", |out| Box::new(DeflateEncoder::new(out, Compression::default()))),
        ("br", |out| Box::new(brotli::CompressorWriter::new(out, 4_096, 4, 20))),
    ];

    /// Each text packed and flushed, then the end.
    fn packed(pack: Pack, texts: &[&str]) -> Vec<Bytes> {
        let written = Written::default();
        let take = || Bytes::from(written.0.take());
        let mut encoder = pack(written.clone());
        let mut pieces = Vec::new();
        for text in texts {
            encoder.write_all(text.as_bytes()).unwrap();
            encoder.flush().unwrap();
            pieces.push(take());
        }
        drop(encoder);
        pieces.push(take());
        pieces
    }

    fn headers(packing: &str) -> HeaderMap {
        let mut headers = HeaderMap::new();
        headers.insert(header::CONTENT_ENCODING, HeaderValue::try_from(packing).unwrap());
        headers
    }

    fn unpacked(packing: &str, pieces: Vec<Bytes>) -> Body {
        let mut headers = headers(packing);
        let frames = pieces.into_iter().map(|piece| Ok(Frame::data(piece)));
        let body = Body::stream(StreamBody::new(futures_util::stream::iter(frames.collect::<Vec<_>>())));
        undo(&Packing::of(&headers).unwrap(), &mut headers, body)
    }

    async fn fault(packing: &str, pieces: Vec<Bytes>) -> BodyFault {
        unpacked(packing, pieces).collect().await.unwrap_err().fault()
    }

    #[tokio::test]
    async fn every_event_can_be_read_as_soon_as_it_came() {
        for (name, pack) in PACKS {
            let mut decoder = Decoder::new(Packing::of(&headers(name)).unwrap()[0]);
            let pieces = packed(pack, &TEXTS);
            for (piece, text) in pieces.iter().zip(TEXTS) {
                assert_eq!(decoder.feed(piece).unwrap(), text.as_bytes(), "{name}");
            }
            assert_eq!(decoder.feed(pieces.last().unwrap()).unwrap(), b"");
            let bytes: Vec<Bytes> = pieces.concat().chunks(1).map(Bytes::copy_from_slice).collect();
            let text = unpacked(name, bytes).collect().await.unwrap().to_bytes();
            assert_eq!(text, TEXTS.concat().as_bytes(), "{name}");
        }
    }

    #[tokio::test]
    async fn a_cut_is_told_from_an_end() {
        for (name, pack) in PACKS {
            let mut pieces = packed(pack, &TEXTS);
            pieces.pop();
            assert_eq!(fault(name, pieces).await, BodyFault::Cut, "{name}");
        }
    }

    #[tokio::test]
    async fn what_is_damaged_is_malformed() {
        for (name, _) in PACKS {
            assert_eq!(
                fault(name, vec![Bytes::from_static(&[0xff; 64])]).await,
                BodyFault::Malformed,
                "{name}"
            );
        }
    }

    #[tokio::test]
    async fn a_bomb_does_not_go_off() {
        let zeros = "0".repeat(16 << 20);
        let pieces = packed(PACKS[3].1, &[&zeros]);
        assert!(pieces.concat().len() < PIECE);
        assert_eq!(fault("br", pieces).await, BodyFault::Malformed);
        let mut body = unpacked("gzip", packed(PACKS[0].1, &[&zeros]));
        let mut length = 0;
        while let Some(frame) = body.frame().await {
            let data = frame.unwrap().into_data().unwrap();
            assert!(data.len() <= EXPANDED);
            length += data.len();
        }
        assert_eq!(length, zeros.len(), "dense text is no bomb where it can't become much at once");
    }

    #[test]
    fn what_can_not_be_undone_as_it_comes_is_left_alone() {
        for packing in ["zstd", "gzip, zstd", "compress", "br, br, br, br"] {
            assert_eq!(Packing::of(&headers(packing)), None, "{packing}");
        }
    }

    #[test]
    fn what_is_not_packed_is_none_the_less_readable() {
        assert_eq!(Packing::of(&HeaderMap::new()), Some(Vec::new()));
        for plain in ["identity", "", " Identity ,"] {
            assert_eq!(Packing::of(&headers(plain)), Some(Vec::new()), "{plain}");
        }
        assert_eq!(Packing::of(&headers("X-GZIP, identity")), Some(vec![Packing::Gzip]));
    }

    #[tokio::test]
    async fn what_was_packed_twice_is_unpacked_twice() {
        let inner = packed(PACKS[0].1, &TEXTS).concat();
        let written = Written::default();
        let mut encoder = PACKS[3].1(written.clone());
        encoder.write_all(&inner).unwrap();
        drop(encoder);
        let outer = vec![Bytes::from(written.0.take())];
        let text = unpacked("gzip, br", outer).collect().await.unwrap().to_bytes();
        assert_eq!(text, TEXTS.concat().as_bytes());
    }
}
