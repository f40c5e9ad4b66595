//! Connections that end without an answer, and HTTP/2.

use aplomb_gateway::mock::MockHandle;
use bytes::Bytes;
use http::{Request, StatusCode, Version};
use http_body_util::{BodyExt, Full};
use hyper::client::conn::http2;
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::net::TcpStream;

use super::client::{CHAT, End, chat, start};

#[test]
fn a_reset_a_close_and_silence_are_told_apart() {
    let mock = start("openai");
    for (scenario, end) in [("reset", End::Reset), ("close", End::Closed), ("silence", End::Silent)] {
        let got = chat(&mock, scenario, false);
        assert_eq!((got.status, got.end), (0, end), "{scenario}");
    }
    assert_eq!(mock.tally().unanswered, 3);
}

/// Asks over HTTP/2: the status, the body if it came whole.
async fn ask(mock: &MockHandle, scenario: &str, stream: bool) -> hyper::Result<(StatusCode, Option<Bytes>)> {
    let socket = TcpStream::connect(mock.address()).await.unwrap();
    let (mut sender, connection) = http2::handshake(TokioExecutor::new(), TokioIo::new(socket)).await?;
    tokio::spawn(connection);
    let body = format!(r#"{{"model": "m", "stream": {stream}, "messages": [{{"content": "a b"}}]}}"#);
    let request = Request::post(format!("{}{CHAT}", mock.url()))
        .version(Version::HTTP_2)
        .header("mock-scenario", scenario)
        .body(Full::new(Bytes::from(body)))
        .unwrap();
    let response = sender.send_request(request).await?;
    let status = response.status();
    let body = response.into_body().collect().await.ok();
    Ok((status, body.map(|body| body.to_bytes())))
}

#[tokio::test]
async fn http2_callers_see_the_same_failures() {
    let mock = start("openai");
    let (status, body) = ask(&mock, "ok", true).await.unwrap();
    assert_eq!(status, 200);
    assert!(body.unwrap().ends_with(b"data: [DONE]\n\n"));
    assert_eq!(ask(&mock, "rate_limit", false).await.unwrap().0, 429);
    assert_eq!(ask(&mock, "cut:5", true).await.unwrap(), (StatusCode::OK, None));
    assert_eq!(ask(&mock, "reset-mid:5", true).await.unwrap(), (StatusCode::OK, None));
    assert!(ask(&mock, "reset", false).await.is_err());
    assert!(mock.log().iter().all(|seen| seen.version == "2"));
}

#[test]
fn a_dropped_mock_listens_no_more() {
    let mock = start("openai");
    let address = mock.address();
    drop(mock);
    assert!(std::net::TcpStream::connect(address).is_err());
}
