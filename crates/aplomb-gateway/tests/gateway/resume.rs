//! Downloads that are cut: they go on where they stopped, or the cut is passed on as a cut.

use super::caller::Message;
use super::rig::{Rig, Wishes, get};
use super::upstream::{Act, Script, Upstream, answer, busy, raw};

const ALL: &str = "0123456789";
const HEAD: &str = "content-type: application/octet-stream\r\naccept-ranges: bytes\r\netag: \"a\"\r\n";

/// The beginning of the whole, then the end of the connection.
fn cut_at(length: usize) -> Script {
    let mut script = raw(format!("HTTP/1.1 200 OK\r\n{HEAD}content-length: 10\r\n\r\n{}", &ALL[..length]));
    script.push(Act::Close);
    script
}

fn part(from: usize) -> Script {
    let range = format!("{HEAD}content-range: bytes {from}-9/10\r\n");
    answer(206, &range, &ALL[from..])
}

async fn download(upstream: &Upstream) -> Message {
    let wishes = Wishes { dialect: "problem", ..Wishes::default() };
    Rig::with(upstream, wishes).ask(get("/file?v=1", "x-own: 1\r\nif-none-match: \"z\"\r\n")).await
}

#[tokio::test(flavor = "local")]
async fn a_cut_download_goes_on_where_it_stopped() {
    let upstream = Upstream::answering([cut_at(4), part(4)]).await;
    let told = download(&upstream).await;
    assert_eq!((told.status(), told.text().as_str(), told.whole), (200, ALL, true));
    assert_eq!((told.says("content-length"), told.says("etag")), ("10", "\"a\""));
    assert_eq!((told.header("content-range"), told.says("aplomb-attempts")), (None, "1"));
    let heard = upstream.heard();
    let (first, second) = (&heard[0].request, &heard[1].request);
    assert_eq!((second.says("range"), second.says("if-range")), ("bytes=4-", "\"a\""));
    assert_eq!((second.line.as_str(), second.says("x-own")), (first.line.as_str(), "1"));
    assert_eq!((first.header("range"), second.header("if-none-match")), (None, None));
}

#[tokio::test(flavor = "local")]
async fn it_may_be_cut_more_than_once_and_refused_in_between() {
    let mut cut_again = raw(format!(
        "HTTP/1.1 206 Partial\r\n{HEAD}content-range: bytes 4-9/10\r\ncontent-length: 6\r\n\r\n456"
    ));
    cut_again.push(Act::Reset);
    cut_again.insert(1, Act::Rest(std::time::Duration::from_millis(30)));
    for scripts in [[cut_at(4), cut_again, part(7)], [cut_at(4), busy(503, 1), part(4)]] {
        let upstream = Upstream::answering(scripts).await;
        let told = download(&upstream).await;
        assert_eq!((told.text().as_str(), told.whole, upstream.count()), (ALL, true, 3));
    }
}

#[tokio::test(flavor = "local")]
async fn a_whole_answer_to_the_request_for_the_rest_is_skipped_into() {
    let upstream = Upstream::answering([cut_at(4), answer(200, HEAD, ALL)]).await;
    let told = download(&upstream).await;
    assert_eq!((told.text().as_str(), told.whole, upstream.count()), (ALL, true, 2));
}

#[tokio::test(flavor = "local")]
async fn what_is_not_provably_the_rest_is_a_cut() {
    let other = HEAD.replace("\"a\"", "\"b\"");
    let cases = [
        ("another", answer(200, &other, "abcdefghij")),
        ("another part", answer(206, &format!("{other}content-range: bytes 4-9/10\r\n"), "efghij")),
        ("wrong place", answer(206, &format!("{HEAD}content-range: bytes 3-9/10\r\n"), "3456789")),
        (
            "several parts",
            answer(206, "content-type: multipart/byteranges; boundary=x\r\netag: \"a\"\r\n", "--x"),
        ),
        ("no range", answer(416, &format!("{HEAD}content-range: bytes */10\r\n"), "")),
        ("gone", answer(404, "", "")),
    ];
    for (name, script) in cases {
        let upstream = Upstream::answering([cut_at(4), script]).await;
        let told = download(&upstream).await;
        assert_eq!((told.status(), told.text().as_str(), told.whole), (200, "0123", false), "{name}");
        assert_eq!(upstream.count(), 2, "{name}");
    }
}

#[tokio::test(flavor = "local")]
async fn it_is_sent_as_often_as_the_route_says() {
    let upstream = Upstream::always(cut_at(4)).await;
    let told = download(&upstream).await;
    assert_eq!((told.text().as_str(), told.whole, upstream.count()), ("0123", false, 3));
    let wishes = Wishes { dialect: "problem", route: "retry = { attempts = 1 }", ..Wishes::default() };
    let told = Rig::with(&upstream, wishes).ask(get("/file", "")).await;
    assert_eq!((told.whole, upstream.count()), (false, 4));
}

#[tokio::test(flavor = "local")]
async fn what_can_not_be_resumed_is_cut_at_once() {
    for lines in [
        HEAD.replace("\"a\"", "W/\"a\""),
        HEAD.replace("accept-ranges: bytes\r\n", ""),
        HEAD.replace("etag: \"a\"\r\n", ""),
    ] {
        let mut script = raw(format!("HTTP/1.1 200 OK\r\n{lines}content-length: 10\r\n\r\n0123"));
        script.push(Act::Close);
        let upstream = Upstream::always(script).await;
        let told = download(&upstream).await;
        assert_eq!((told.text().as_str(), told.whole, upstream.count()), ("0123", false, 1), "{lines}");
    }
}

#[tokio::test(flavor = "local")]
async fn callers_own_ranges_pass_untouched() {
    let several = "--x\r\ncontent-range: bytes 0-1/10\r\n\r\n01\r\n--x--";
    let cases = [
        ("range: bytes=4-\r\nif-range: \"a\"\r\n", part(4), &ALL[4..]),
        (
            "range: bytes=0-1,4-5\r\n",
            answer(206, "content-type: multipart/byteranges; boundary=x\r\n", several),
            several,
        ),
    ];
    for (lines, script, body) in cases {
        let upstream = Upstream::always(script).await;
        let wishes = Wishes { dialect: "problem", ..Wishes::default() };
        let told = Rig::with(&upstream, wishes).ask(get("/file", lines)).await;
        assert_eq!((told.status(), told.text().as_str(), told.whole), (206, body, true));
        let heard = upstream.only();
        for line in lines.trim_end().split("\r\n") {
            let (name, value) = line.split_once(": ").unwrap();
            assert_eq!(heard.says(name), value);
        }
    }
    let mut cut = raw(format!(
        "HTTP/1.1 206 Partial\r\n{HEAD}content-range: bytes 4-9/10\r\ncontent-length: 6\r\n\r\n45"
    ));
    cut.push(Act::Close);
    let upstream = Upstream::always(cut).await;
    let wishes = Wishes { dialect: "problem", ..Wishes::default() };
    let told = Rig::with(&upstream, wishes).ask(get("/file", "range: bytes=4-\r\n")).await;
    assert_eq!((told.text().as_str(), told.whole, upstream.count()), ("45", false, 1));
}
