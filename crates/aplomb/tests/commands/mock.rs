//! `aplomb mock`, as a person starts it.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::path::Path;
use std::process::{Child, Command, Stdio};

use crate::call::aplomb;

/// A running command that ends with its test.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[test]
fn the_mock_says_where_it_is_and_fails_as_it_is_told() {
    let mut child = Command::new(env!("CARGO_BIN_EXE_aplomb"))
        .args(["mock", "groq", "--listen", "127.0.0.1:0", "--json"])
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut line = String::new();
    BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
    let _running = Running(child);
    let said: serde_json::Value = serde_json::from_str(&line).unwrap();
    let url = said["url"].as_str().unwrap();
    assert_eq!(said["dialect"], "groq");
    assert_eq!(said["log"], format!("{url}/_mock/log"));

    let mut stream = TcpStream::connect(url.strip_prefix("http://").unwrap()).unwrap();
    let request = "POST /_scenario/498/openai/v1/chat/completions HTTP/1.1\r\nhost: x\r\nconnection: close\r\ncontent-length: 2\r\n\r\n{}";
    stream.write_all(request.as_bytes()).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    assert!(answer.starts_with("HTTP/1.1 498"), "{answer}");
}

#[test]
fn a_mistyped_dialect_rate_or_scenario_is_told_what_was_meant() {
    let said = aplomb(Path::new("."), &["mock", "opanai"]);
    assert_eq!(
        (said.status, said.err.as_str()),
        (2, "aplomb: `opanai` is no dialect; did you mean `openai`?\n")
    );
    for (args, told) in [
        (["mock", "openai", "--limit", "fast"], "`40/s`"),
        (["mock", "openai", "--fail", "rate_limt:5%"], "did you mean `rate_limit`?"),
        (["mock", "openai", "--outage", "5s"], "`5s..15s`"),
        (["mock", "openai", "--hints", "some"], "`retry-after`"),
    ] {
        let said = aplomb(Path::new("."), &args);
        assert_eq!(said.status, 2, "{args:?}");
        assert!(said.err.contains(told), "{}", said.err);
    }
}
