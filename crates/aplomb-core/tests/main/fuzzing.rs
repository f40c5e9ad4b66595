//! The fuzz targets, driven by random input: half of it arbitrary bytes, half of it damaged copies of real answers.

use proptest::prelude::*;
use proptest::sample::Index;

use crate::case::all;

#[path = "../../../../fuzz/src/lib.rs"]
#[expect(unreachable_pub, reason = "public where it is a crate of its own")]
pub(crate) mod targets;

/// A real body with some bytes replaced and its end cut off, behind bytes that choose status and dialects.
fn damaged() -> impl Strategy<Value = Vec<u8>> {
    let bodies: Vec<Vec<u8>> = all().into_iter().map(|case| case.body).collect();
    let hits = prop::collection::vec((any::<Index>(), any::<u8>()), 0..6);
    (prop::sample::select(bodies), hits, any::<Index>(), any::<[u8; 4]>()).prop_map(
        |(mut body, hits, end, choice)| {
            for (at, byte) in hits {
                if !body.is_empty() {
                    let at = at.index(body.len());
                    body[at] = byte;
                }
            }
            body.truncate(body.len() - end.index(body.len() + 1) / 2);
            [choice.as_slice(), &body].concat()
        },
    )
}

fn bytes() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![damaged(), prop::collection::vec(any::<u8>(), 0..300)]
}

/// Lines of headers as they are met, with values as they are not.
fn heads() -> impl Strategy<Value = Vec<u8>> {
    let names = prop::sample::select(vec![
        "retry-after",
        "retry-after-ms",
        "date",
        "content-encoding",
        "content-type",
        "x-should-retry",
        "x-ratelimit-reset-requests",
        "x-ratelimit-remaining-tokens",
        "x-ratelimit-limit-requests",
        "anthropic-ratelimit-tokens-reset",
        "X-RateLimit-Reset",
        "ratelimit",
        "ratelimit-policy",
        "ratelimit-reset",
        "x-amzn-errortype",
        "x-request-id",
        "dg-error",
    ]);
    let values = prop_oneof![
        "\\PC{0,20}",
        "-?[0-9]{1,20}(\\.[0-9]{1,3})?(s|ms|m0s)?",
        "[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9:]{8}(Z|\\+01:00)",
        "\"[a-z]{1,5}\";[qrwt]=-?[0-9]{1,12}(;[qrwt]=[0-9]{1,12})?",
    ];
    let lines = prop::collection::vec((names, values), 0..6);
    (lines, any::<[u8; 3]>()).prop_map(|(lines, choice)| {
        let text: String = lines.iter().map(|(name, value)| format!("{name}: {value}\n")).collect();
        [choice.as_slice(), text.as_bytes(), b"\n{}"].concat()
    })
}

/// Frames, healthy and not, in any order.
fn frames() -> impl Strategy<Value = Vec<u8>> {
    let frame = prop::sample::select(vec![
        "data: {\"choices\":[{\"delta\":{\"content\":\"a\"},\"finish_reason\":null}]}\n\n",
        "data: {\"choices\":[{\"delta\":{},\"finish_reason\":\"stop\"}]}\n\n",
        "data: {\"error\":{\"message\":\"m\",\"code\":429}}\n\n",
        "event: error\ndata: {\"type\":\"error\",\"error\":{\"type\":\"overloaded_error\",\"message\":\"m\"}}\n\n",
        "event: error\r\ndata: text\r\n\r\n",
        "event: message_stop\ndata: {}\n\n",
        "{\n  \"error\": {\"message\": \"m\"}\n}\n\n",
        "data: {\"cho\n\n",
        ": ping\n\n",
        "data: [DONE]\n\n",
        "\u{feff}",
        "\r",
        "id: 1\nretry: 10\n",
        "data",
        "[{\"error\": 1},\n",
        "<html>\n",
    ]);
    (prop::collection::vec(frame, 0..8), any::<[u8; 3]>())
        .prop_map(|(frames, choice)| [choice.as_slice(), frames.concat().as_bytes()].concat())
}

// 256 cases each, or as many as PROPTEST_CASES says; `cargo xtask fuzz` runs more, by these names.
proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn no_body_breaks_a_promise(data in bytes()) {
        targets::body(&data);
    }

    #[test]
    fn no_headers_break_a_promise(data in prop_oneof![heads(), bytes()]) {
        targets::headers(&data);
    }

    #[test]
    fn no_stream_breaks_a_promise(data in prop_oneof![frames(), bytes()]) {
        targets::stream(&data);
    }
}
