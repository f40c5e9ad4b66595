//! A packed body unpacked, up to a bound: a bomb does not go off.

use std::io::{self, Read};

use http::HeaderMap;
use http::header::CONTENT_ENCODING;

use crate::validate::Refusal;

/// The most encodings one over the other; nobody needs more than one, and each could multiply.
const LAYERS: usize = 2;

/// The largest window of `zstd` as a content encoding (RFC 9659).
const WINDOW: u64 = 8 << 20;

/// Undoes the content encodings of a body; nothing when it has none.
///
/// # Errors
/// An encoding that isn't known, bytes that aren't what it says, or more than `most` bytes.
pub(super) fn decode(headers: &HeaderMap, body: &[u8], most: usize) -> Result<Option<Vec<u8>>, Refusal> {
    let mut names = Vec::new();
    for value in headers.get_all(CONTENT_ENCODING) {
        let text = value.to_str().map_err(|_| Refusal::Encoding)?;
        names.extend(text.split(',').map(|name| name.trim().to_ascii_lowercase()));
    }
    names.retain(|name| !name.is_empty() && name != "identity");
    if names.len() > LAYERS {
        return Err(Refusal::Encoding);
    }
    let mut plain: Option<Vec<u8>> = None;
    for name in names.iter().rev() {
        let packed = plain.as_deref().unwrap_or(body);
        plain = Some(undo(name, packed, most)?);
    }
    Ok(plain)
}

fn undo(name: &str, packed: &[u8], most: usize) -> Result<Vec<u8>, Refusal> {
    let (name, read) = match name {
        "gzip" | "x-gzip" => ("gzip", some(flate2::read::MultiGzDecoder::new(packed), most)),
        "deflate" if is_zlib(packed) => ("deflate", some(flate2::read::ZlibDecoder::new(packed), most)),
        "deflate" => ("deflate", some(flate2::read::DeflateDecoder::new(packed), most)),
        "br" => ("br", some(brotli::Decompressor::new(packed, 4096), most)),
        "zstd" => ("zstd", zstd(packed, most)),
        _ => return Err(Refusal::Encoding),
    };
    let plain = read.map_err(|_damaged| Refusal::Damaged(name))?;
    if plain.len() > most { Err(Refusal::TooLarge(most)) } else { Ok(plain) }
}

/// What comes out, up to one byte more than may.
fn some(decoder: impl Read, most: usize) -> io::Result<Vec<u8>> {
    let mut out = Vec::new();
    decoder.take((most as u64).saturating_add(1)).read_to_end(&mut out)?;
    Ok(out)
}

/// `deflate` means zlib by the letter, and raw in the wild.
fn is_zlib(packed: &[u8]) -> bool {
    matches!(packed, &[one, two, ..] if one & 0x0f == 8 && u16::from_be_bytes([one, two]) % 31 == 0)
}

/// Frame by frame; a window that would take more memory than the encoding may is looked at before it is made.
fn zstd(mut packed: &[u8], most: usize) -> io::Result<Vec<u8>> {
    let mut out = Vec::new();
    while !packed.is_empty() && out.len() <= most {
        if window(packed).is_some_and(|window| window > WINDOW) {
            return Err(io::Error::other("the window is larger than 8 MiB"));
        }
        let left = (most - out.len()) as u64 + 1;
        let decoder = ruzstd::decoding::StreamingDecoder::new(&mut packed).map_err(io::Error::other)?;
        decoder.take(left).read_to_end(&mut out)?;
    }
    Ok(out)
}

/// The window that a frame's header asks for (RFC 8878, 3.1.1.1); absent for what is none, which the decoder refuses.
fn window(frame: &[u8]) -> Option<u64> {
    let header = frame.strip_prefix(&[0x28, 0xb5, 0x2f, 0xfd])?;
    let (&descriptor, rest) = header.split_first()?;
    if descriptor & 0x20 == 0 {
        let &byte = rest.first()?;
        let base = 1_u64 << (10 + u32::from(byte >> 3));
        return Some(base + base / 8 * u64::from(byte & 7));
    }
    // A single segment: its window is its content's size.
    let dictionary = [0, 1, 2, 4][usize::from(descriptor & 3)];
    let size = rest.get(dictionary..)?;
    let number = |length: usize| {
        let bytes = size.get(..length)?;
        Some(bytes.iter().rev().fold(0_u64, |number, byte| number << 8 | u64::from(*byte)))
    };
    match descriptor >> 6 {
        0 => number(1),
        1 => Some(number(2)? + 256),
        2 => number(4),
        _ => number(8),
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use flate2::Compression;
    use flate2::write::{DeflateEncoder, GzEncoder, ZlibEncoder};
    use http::HeaderValue;
    use ruzstd::encoding::{CompressionLevel, compress_to_vec};

    use super::*;

    const TEXT: &[u8] = br#"{"model": "mimo-v2-pro", "messages": []}"#;

    fn headers(encoding: &str) -> HeaderMap {
        HeaderMap::from_iter([(CONTENT_ENCODING, HeaderValue::try_from(encoding).unwrap())])
    }

    fn brotli(data: &[u8]) -> Vec<u8> {
        let mut out = Vec::new();
        brotli::CompressorWriter::new(&mut out, 4096, 5, 20).write_all(data).unwrap();
        out
    }

    fn gzip(data: &[u8]) -> Vec<u8> {
        let mut out = GzEncoder::new(Vec::new(), Compression::best());
        out.write_all(data).unwrap();
        out.finish().unwrap()
    }

    fn packed(data: &[u8]) -> Vec<(&'static str, Vec<u8>)> {
        let mut zlib = ZlibEncoder::new(Vec::new(), Compression::best());
        zlib.write_all(data).unwrap();
        let mut raw = DeflateEncoder::new(Vec::new(), Compression::best());
        raw.write_all(data).unwrap();
        vec![
            ("gzip", gzip(data)),
            ("deflate", zlib.finish().unwrap()),
            ("deflate", raw.finish().unwrap()),
            ("br", brotli(data)),
            ("zstd", compress_to_vec(data, CompressionLevel::Fastest)),
            ("gzip, br", brotli(&gzip(data))),
            ("identity, X-GZIP", gzip(data)),
        ]
    }

    #[test]
    fn every_encoding_is_undone() {
        for (name, body) in packed(TEXT) {
            assert_eq!(decode(&headers(name), &body, 1000).unwrap().unwrap(), TEXT, "{name}");
        }
        assert_eq!(decode(&HeaderMap::new(), TEXT, 1000), Ok(None));
    }

    #[test]
    fn a_bomb_does_not_go_off() {
        for (name, body) in packed(&vec![b'0'; 4 << 20]) {
            assert_eq!(decode(&headers(name), &body, 1 << 20), Err(Refusal::TooLarge(1 << 20)), "{name}");
        }
    }

    #[test]
    fn what_is_cut_or_something_else_is_told() {
        for (name, mut body) in packed(TEXT) {
            body.truncate(body.len() / 2);
            assert!(matches!(decode(&headers(name), &body, 1000), Err(Refusal::Damaged(_))), "{name}");
            assert!(matches!(decode(&headers(name), &[0xff; 64], 1000), Err(Refusal::Damaged(_))), "{name}");
        }
        for name in ["compress", "gzip, gzip, gzip", "aes128gcm"] {
            assert_eq!(decode(&headers(name), TEXT, 1000), Err(Refusal::Encoding), "{name}");
        }
    }

    #[test]
    fn a_frame_that_asks_for_a_huge_window_gets_none() {
        let frame = [0x28, 0xb5, 0x2f, 0xfd, 0x00, 0xff, 0x01, 0x00, 0x00];
        assert_eq!(window(&frame), Some((1 << 41) + (1 << 38) * 7));
        assert_eq!(decode(&headers("zstd"), &frame, 1000), Err(Refusal::Damaged("zstd")));
        let single = [0x28, 0xb5, 0x2f, 0xfd, 0xe0, 0, 0, 0, 0, 1, 0, 0, 0, 1, 0, 0];
        assert_eq!(window(&single), Some(1 << 32));
    }
}
