//! Ten thousand requests through an upstream that breaks in every way at once, three times, and what is left after.

use std::fmt::Write as _;
use std::fs;
use std::io::{BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::Path;
use std::time::{Duration, Instant};

use aplomb_gateway::mock::{FailRate, Hints, Mock, MockHandle, MockSettings};

use crate::answer::{Answer, read};
use crate::call::folder;
use crate::serving::Serving;

/// How many callers there are, and how many requests each of them makes in a run.
const CALLERS: usize = 100;
const EACH: usize = 100;

/// Everything that the upstream does, and how often; together about every third request.
const BREAKS: [&str; 20] = [
    "503:2%",
    "500:2%",
    "502:1%",
    "400:1%",
    "404:1%",
    "rate_limit;wait=10ms:0.5%",
    "overloaded;wait=10ms:0.5%",
    "quota_exhausted:1%",
    "html:1%",
    "text:1%",
    "empty:1%",
    "truncated:500:1%",
    "short:500:1%",
    "gzip:0.5%",
    "br:0.5%",
    "error-in-200:1%",
    "error-as-stream:1%",
    "reset:2%",
    "close:2%",
    "silence:0.2%",
];

/// How a stream breaks in its middle, asked for by name in every tenth of them.
///
/// Another answer that breaks is repaired while it is held; on a machine too busy to hold it for long enough it is cut.
const STREAM_BREAKS: [&str; 7] =
    ["cut", "reset-mid", "stall", "malformed", "no-terminal", "error-event", "bare-error"];

/// The gateway, seen from outside.
struct Gateway(Serving);

impl Gateway {
    fn before(mock: &MockHandle) -> Self {
        let folder = folder("storm");
        let file = format!(
            "[log]\nlevel = \"error\"\n[[upstream]]\nname = \"mock\"\nurl = \"{}\"\ndialect = \"openai\"\n\
             timeouts = {{ headers = \"500ms\", first_event = \"500ms\", idle = \"500ms\" }}\n\
             [[route]]\npath = \"/\"\nupstream = \"mock\"\nretry = {{ deadline = \"20s\" }}\nqueue = {{ max_wait = \"20s\" }}\n",
            mock.url()
        );
        fs::write(folder.join("storm.toml"), file).unwrap();
        Self(Serving::start(&folder, "storm.toml", &[]))
    }

    fn proc(&self) -> String {
        format!("/proc/{}", self.0.id())
    }

    /// Open file descriptors and threads.
    fn handles(&self) -> (usize, usize) {
        let count = |what: &str| fs::read_dir(Path::new(&self.proc()).join(what)).unwrap().count();
        (count("fd"), count("task"))
    }

    /// Resident memory in KiB.
    fn memory(&self) -> u64 {
        let status = fs::read_to_string(Path::new(&self.proc()).join("status")).unwrap();
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
        line.trim().trim_end_matches(" kB").parse().unwrap()
    }
}

fn until(what: &str, mut is: impl FnMut() -> bool) {
    let began = Instant::now();
    while !is() {
        assert!(began.elapsed() < Duration::from_secs(30), "it never came: {what}");
        std::thread::park_timeout(Duration::from_millis(10));
    }
}

fn mock() -> MockHandle {
    let dialect = aplomb_core::catalog().get("openai").unwrap();
    let mut settings = MockSettings::new(dialect);
    settings.fail = BREAKS.iter().map(|text| text.parse::<FailRate>().unwrap()).collect();
    settings.hints = Hints::None;
    Mock::start(settings).unwrap()
}

/// What is wrong with an answer, if something is.
fn wrong(answer: &Answer, streamed: bool, id: &str) -> Option<String> {
    let Answer { status, head, body } = answer;
    let text = String::from_utf8_lossy(body);
    let says = |name: &str| head.contains(&format!("\r\n{name}: "));
    if !head.contains(&format!("\r\naplomb-request-id: {id}\r\n")) || !says("aplomb-attempts") {
        return Some("not the answer to this request".to_owned());
    }
    let is_stream = head.contains("\r\ncontent-type: text/event-stream");
    let fits = match *status {
        200 if streamed && is_stream => {
            let ends = text.ends_with("data: [DONE]\n\n") || text.contains("\"finish_reason\":\"stop\"");
            text.ends_with("\n\n") && (ends || text.contains("\"error\""))
        }
        200 => serde_json::from_slice::<serde_json::Value>(body).is_ok_and(|body| body["choices"].is_array()),
        400.. => {
            let body = serde_json::from_slice::<serde_json::Value>(body).unwrap_or_default();
            says("aplomb-kind") && says("x-should-retry") && body["error"]["message"].is_string()
        }
        _ => false,
    };
    (!fits).then(|| format!("{head}{text}"))
}

/// One caller's requests on one connection, which the gateway has no reason to close.
fn caller(address: SocketAddr, name: usize, turns: usize) -> Result<usize, String> {
    let stream = TcpStream::connect(address).map_err(|error| error.to_string())?;
    stream.set_nodelay(true).map_err(|error| error.to_string())?;
    stream.set_read_timeout(Some(Duration::from_secs(30))).map_err(|error| error.to_string())?;
    let mut reader = BufReader::new(stream);
    let mut successes = 0;
    for turn in 0..turns {
        let (id, streamed) = (format!("c{name}-{turn}"), turn % 2 == 0);
        // A model of its own, and so a lane: what one caller meets by chance stops no other one.
        let body = format!(
            r#"{{"model":"m{name}","stream":{streamed},"messages":[{{"role":"user","content":"{id}"}}]}}"#
        );
        let odd = (turn % 20 == 10).then(|| STREAM_BREAKS[(name + turn / 20) % STREAM_BREAKS.len()]);
        let odd = odd.map(|act| format!("mock-scenario: {act}\r\n")).unwrap_or_default();
        let mut request = String::new();
        let length = body.len();
        write!(request, "POST /v1/chat/completions HTTP/1.1\r\nhost: localhost\r\nauthorization: Bearer k\r\nx-request-id: {id}\r\n{odd}").unwrap();
        write!(request, "content-type: application/json\r\ncontent-length: {length}\r\n\r\n{body}").unwrap();
        reader.get_mut().write_all(request.as_bytes()).map_err(|error| format!("{id}: {error}"))?;
        let answer = read(&mut reader).map_err(|error| format!("{id}: {error}"))?;
        if let Some(wrong) = wrong(&answer, streamed, &id) {
            return Err(format!("{id}: {wrong}"));
        }
        successes += usize::from(answer.status == 200);
    }
    reader.get_mut().shutdown(std::net::Shutdown::Write).map_err(|error| error.to_string())?;
    let mut more = Vec::new();
    reader.read_to_end(&mut more).map_err(|error| error.to_string())?;
    if more.is_empty() { Ok(successes) } else { Err(format!("c{name}: more than one answer: {more:?}")) }
}

fn run(address: SocketAddr) -> usize {
    let callers: Vec<_> =
        (0..CALLERS).map(|name| std::thread::spawn(move || caller(address, name, EACH))).collect();
    let ends: Vec<_> = callers.into_iter().map(|caller| caller.join().unwrap()).collect();
    let wrong: Vec<_> = ends.iter().filter_map(|end| end.as_ref().err()).collect();
    assert!(wrong.is_empty(), "{} callers of {CALLERS}:\n{}", wrong.len(), wrong[0]);
    ends.into_iter().flatten().sum()
}

#[test]
fn ten_thousand_requests_in_a_storm_get_one_answer_each_and_leave_nothing_behind() {
    let mock = mock();
    let gateway = Gateway::before(&mock);
    until("both workers run", || gateway.handles().1 == 3);
    caller(gateway.0.address, CALLERS, 5).unwrap();
    let before = gateway.handles();
    let began = Instant::now();
    let mut memory = [0; 3];
    for spent in &mut memory {
        let successes = run(gateway.0.address);
        assert!(successes * 100 > CALLERS * EACH * 80, "{successes} of {} went well", CALLERS * EACH);
        // What stays open towards the upstream is the pool, and goes by itself; callers' connections are gone at once.
        let most = before.0 + CALLERS;
        until("no more descriptors than idle connections", || gateway.handles().0 <= most);
        assert_eq!(gateway.handles().1, before.1, "threads");
        *spent = gateway.memory();
        println!("{successes} successes, {:?}, {spent} KiB, {:?}", began.elapsed(), gateway.handles());
    }
    assert!(memory[2] <= memory[1] + 1024, "memory grows: {memory:?} KiB");
    // What is still open leads upstream and waits to be used again; with the upstream it goes.
    drop(mock);
    until("every connection is closed", || gateway.handles().0 <= before.0);
}
