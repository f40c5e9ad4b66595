//! Compressed event streams: unpacked as they come, watched like any other, delivered plain.

use std::io::Write;

use flate2::Compression;
use flate2::write::{GzEncoder, ZlibEncoder};

use super::rig::{Rig, STREAMED, Wishes, post};
use super::upstream::{Act, Gate, Script, Upstream, last, raw};

const TOKEN: &str =
    "data: {\"choices\":[{\"index\":0,\"delta\":{\"content\":\"a\"},\"finish_reason\":null}]}\n\n";
const REST: &str =
    "data: {\"choices\":[{\"index\":0,\"delta\":{},\"finish_reason\":\"stop\"}]}\n\ndata: [DONE]\n\n";
const ERROR: &str = "data: {\"error\":{\"message\":\"Overloaded\",\"type\":\"server_error\",\"param\":null,\"code\":\"server_is_overloaded\"}}\n\n";

/// Two texts packed as one, each flushed: where the first ends, and all.
fn packed(encoding: &str, texts: [&str; 2]) -> (usize, Vec<u8>) {
    fn write<E: Write>(encoder: &mut E, texts: [&str; 2], length: impl Fn(&E) -> usize) -> usize {
        encoder.write_all(texts[0].as_bytes()).unwrap();
        encoder.flush().unwrap();
        let first = length(encoder);
        encoder.write_all(texts[1].as_bytes()).unwrap();
        first
    }
    match encoding {
        "gzip" => {
            let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
            let first = write(&mut encoder, texts, |encoder| encoder.get_ref().len());
            (first, encoder.finish().unwrap())
        }
        "deflate" => {
            let mut encoder = ZlibEncoder::new(Vec::new(), Compression::default());
            let first = write(&mut encoder, texts, |encoder| encoder.get_ref().len());
            (first, encoder.finish().unwrap())
        }
        _ => {
            let mut encoder = brotli::CompressorWriter::new(Vec::new(), 4_096, 4, 20);
            let first = write(&mut encoder, texts, |encoder| encoder.get_ref().len());
            (first, encoder.into_inner())
        }
    }
}

fn chunk(bytes: &[u8]) -> Act {
    Act::Send([format!("{:x}\r\n", bytes.len()).as_bytes(), bytes, b"\r\n"].concat())
}

fn head(encoding: &str) -> Script {
    raw(format!(
        "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ncontent-encoding: {encoding}\r\netag: \"e\"\r\n\
         transfer-encoding: chunked\r\n\r\n"
    ))
}

#[tokio::test(flavor = "local")]
async fn a_compressed_stream_is_delivered_plain_as_it_comes() {
    for encoding in ["gzip", "deflate", "br"] {
        let (first, all) = packed(encoding, [TOKEN, REST]);
        let gate = Gate::default();
        let mut script = head(encoding);
        script.extend([chunk(&all[..first]), Act::Until(gate.clone()), chunk(&all[first..]), last()]);
        let upstream = Upstream::always(script).await;
        let rig = Rig::before(&upstream);
        let mut wire = rig.connect().await;
        wire.send(post("/v1/chat/completions", "", STREAMED)).await;
        let mut told = wire.head().await.unwrap();
        assert_eq!((told.header("content-encoding"), told.header("etag")), (None, None), "{encoding}");
        assert_eq!(wire.chunk().await.unwrap(), TOKEN.as_bytes(), "{encoding}");
        gate.open();
        wire.body(&mut told).await;
        assert_eq!((told.text().as_str(), told.whole), (REST, true), "{encoding}");
    }
}

#[tokio::test(flavor = "local")]
async fn a_compressed_stream_is_watched() {
    let (first, all) = packed("gzip", [TOKEN, REST]);
    let (_, error) = packed("gzip", [TOKEN, ERROR]);
    assert_eq!(error[..first], all[..first]);
    let mut damaged = all.clone();
    damaged[first..].fill(0xff);
    for (name, bytes, code) in [
        ("cut", &all[..first], "bad_gateway"),
        ("error", &error[..], "server_is_overloaded"),
        ("damaged", &damaged[..], "bad_gateway"),
    ] {
        let mut script = head("gzip");
        script.push(chunk(&bytes[..first]));
        if bytes.len() > first {
            script.push(chunk(&bytes[first..]));
        }
        script.push(last());
        let upstream = Upstream::always(script).await;
        let text = Rig::before(&upstream).stream().await.text();
        assert!(text.starts_with(TOKEN) && text.contains(code), "{name} {text}");
        assert_eq!(text.matches("data:").count(), 2, "{name} {text}");
    }
}

#[tokio::test(flavor = "local")]
async fn a_stream_whose_encoding_is_none_is_watched() {
    let mut script = head("identity");
    script.extend([chunk(TOKEN.as_bytes()), Act::Close]);
    let upstream = Upstream::always(script).await;
    let text = Rig::before(&upstream).stream().await.text();
    assert!(text.starts_with(TOKEN) && text.contains("bad_gateway"), "{text}");
}

#[tokio::test(flavor = "local")]
async fn no_compression_is_asked_for_whatever_the_caller_takes() {
    let upstream = Upstream::always(raw("HTTP/1.1 204 No Content\r\n\r\n")).await;
    let rig = Rig::before(&upstream);
    rig.chat("accept-encoding: zstd, br;q=0.9\r\naccept-encoding: gzip\r\n").await;
    assert_eq!(upstream.only().says("accept-encoding"), "identity");
}

#[tokio::test(flavor = "local")]
async fn a_compressed_stream_that_breaks_is_repaired_where_streams_are_held() {
    let (first, all) = packed("br", [TOKEN, REST]);
    let (mut cut, mut whole) = (head("br"), head("br"));
    cut.extend([chunk(&all[..first]), Act::Close]);
    whole.extend([chunk(&all), last()]);
    let upstream = Upstream::answering([cut, whole]).await;
    let rig = Rig::with(&upstream, Wishes { route: "stream = \"hold\"", ..Wishes::default() });
    let told = rig.stream().await;
    assert_eq!((told.text(), told.says("aplomb-attempts")), ([TOKEN, REST].concat(), "2"));
    assert_eq!((told.says("aplomb-stream"), told.header("content-encoding")), ("held", None));
}

#[tokio::test(flavor = "local")]
async fn what_can_not_be_unpacked_as_it_comes_passes_untouched() {
    let mut script = head("zstd");
    script.extend([chunk(b"\x28\xb5\x2f\xfd"), last()]);
    let upstream = Upstream::always(script).await;
    let told = Rig::before(&upstream).stream().await;
    assert_eq!((told.body.as_slice(), told.says("content-encoding")), (&b"\x28\xb5\x2f\xfd"[..], "zstd"));
    assert_eq!(told.says("etag"), "\"e\"");
}
