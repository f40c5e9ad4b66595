//! Every verbatim answer in other clothes: in an array, cut, compressed, called a stream. It means the same.

use std::io::Write as _;

use aplomb_core::{Kind, catalog};

use crate::case::{all, differences};

#[test]
fn an_array_around_an_error_is_taken_off_in_every_dialect() {
    let catalog = catalog();
    for case in all() {
        if !matches!(case.body.trim_ascii().first(), Some(b'{')) || case.status < 400 {
            continue;
        }
        let body = [b"[".as_slice(), case.body.trim_ascii(), b"]"].concat();
        let named = catalog.get(&case.dialect);
        let wrapped = case.decode_as(catalog, named, &[], &body).failure;
        let wrong = differences(wrapped.as_ref(), &case.truth);
        assert!(wrong.is_empty(), "{} in an array: {wrong:?}", case.path());
    }
}

#[test]
fn a_body_cut_at_any_byte_is_still_a_failure_of_its_status() {
    let catalog = catalog();
    let cases = all();
    let mut last = None;
    for (i, case) in cases.iter().enumerate() {
        if case.status < 400 {
            continue;
        }
        let named = catalog.get(&case.dialect);
        let whole = case.decode(catalog, named).failure.expect("a failure").kind;
        let by_status = Kind::from_status(case.status).expect("a failing status");
        // One case of each dialect at every byte; of the others every fifth, another fifth in each.
        let step = if last.replace(&case.dialect) == Some(&case.dialect) { 5 } else { 1 };
        for end in (i % step..case.body.len()).step_by(step) {
            let cut = case.decode_as(catalog, named, &[], &case.body[..end]).failure;
            let cut = cut.unwrap_or_else(|| panic!("{} cut at {end} is a success", case.path()));
            assert_eq!(cut.status, Some(case.status));
            let family = |kind: Kind| kind.facts().status / 100;
            let same = [by_status, whole].map(family).contains(&family(cut.kind));
            assert!(same, "{} cut at {end}: {}", case.path(), cut.kind);
        }
    }
}

#[test]
fn json_sent_as_an_event_stream_is_read_as_json() {
    let catalog = catalog();
    for case in all() {
        if !matches!(case.body.trim_ascii().first(), Some(b'{' | b'[')) {
            continue;
        }
        let named = catalog.get(&case.dialect);
        let more = [("content-type", "text/event-stream")];
        let decoded = case.decode_as(catalog, named, &more, &case.body);
        let wrong = differences(decoded.failure.as_ref(), &case.truth);
        assert!(wrong.is_empty(), "{}: {wrong:?}", case.path());
    }
}

#[test]
fn a_compressed_body_means_what_the_plain_one_means() {
    let catalog = catalog();
    for case in all() {
        let named = catalog.get(&case.dialect);
        for (encoding, body) in compressed(&case.body) {
            let decoded = case.decode_as(catalog, named, &[("content-encoding", encoding)], &body);
            let wrong = differences(decoded.failure.as_ref(), &case.truth);
            assert!(wrong.is_empty(), "{} as {encoding}: {wrong:?}", case.path());
        }
    }
}

/// A body in every encoding that an answer may have.
fn compressed(body: &[u8]) -> Vec<(&'static str, Vec<u8>)> {
    use flate2::Compression;
    use flate2::write::{DeflateEncoder, GzEncoder, ZlibEncoder};
    let mut gzip = GzEncoder::new(Vec::new(), Compression::default());
    gzip.write_all(body).unwrap();
    let mut zlib = ZlibEncoder::new(Vec::new(), Compression::default());
    zlib.write_all(body).unwrap();
    let mut raw = DeflateEncoder::new(Vec::new(), Compression::default());
    raw.write_all(body).unwrap();
    let mut brotli = Vec::new();
    brotli::CompressorWriter::new(&mut brotli, 4096, 5, 22).write_all(body).unwrap();
    let zstd = ruzstd::encoding::compress_to_vec(body, ruzstd::encoding::CompressionLevel::Fastest);
    vec![
        ("gzip", gzip.finish().unwrap()),
        ("deflate", zlib.finish().unwrap()),
        ("deflate", raw.finish().unwrap()),
        ("br", brotli),
        ("zstd", zstd),
    ]
}
