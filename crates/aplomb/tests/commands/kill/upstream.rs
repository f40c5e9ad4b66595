//! An upstream that has an effect for every request, writes it into a ledger of its own, and is sometimes slow.

use std::collections::HashMap;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

/// What was done: how often under each key.
#[derive(Default)]
pub(super) struct Ledger(Mutex<HashMap<String, usize>>);

impl Ledger {
    /// How often a key's request was carried out.
    pub(super) fn effects(&self, key: &str) -> usize {
        self.0.lock().unwrap().get(key).copied().unwrap_or(0)
    }

    /// Everything that was carried out.
    pub(super) fn all(&self) -> Vec<(String, usize)> {
        self.0.lock().unwrap().iter().map(|(key, effects)| (key.clone(), *effects)).collect()
    }

    fn act(&self, key: &str) -> usize {
        let mut done = self.0.lock().unwrap();
        let number = done.values().sum::<usize>();
        *done.entry(key.to_owned()).or_default() += 1;
        number
    }
}

/// Starts it; it serves as long as the test runs.
pub(super) fn start() -> (SocketAddr, Arc<Ledger>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let (address, ledger) = (listener.local_addr().unwrap(), Arc::<Ledger>::default());
    let shared = Arc::clone(&ledger);
    thread::spawn(move || {
        for stream in listener.incoming().map_while(Result::ok) {
            let ledger = Arc::clone(&shared);
            thread::spawn(move || serve(stream, &ledger));
        }
    });
    (address, ledger)
}

/// Whoever goes away in the middle is gone: the effect stays.
fn serve(stream: TcpStream, ledger: &Ledger) -> Option<()> {
    stream.set_nodelay(true).ok()?;
    let mut reader = BufReader::new(stream);
    loop {
        let (mut key, mut length) = (String::new(), 0);
        loop {
            let mut line = String::new();
            if reader.read_line(&mut line).ok()? == 0 {
                return None;
            }
            let Some((name, value)) = line.trim_end().split_once(": ") else {
                if line == "\r\n" {
                    break;
                }
                continue;
            };
            match name.to_ascii_lowercase().as_str() {
                "idempotency-key" => value.clone_into(&mut key),
                "content-length" => length = value.parse().ok()?,
                _ => {}
            }
        }
        let mut body = vec![0; length];
        reader.read_exact(&mut body).ok()?;
        let number = ledger.act(&key);
        if number.is_multiple_of(3) {
            thread::park_timeout(Duration::from_millis(3));
        }
        let usage = r#""usage":{"prompt_tokens":3,"completion_tokens":2}"#;
        let body = format!("{{\"id\":\"{number}\",\"key\":\"{key}\",\"choices\":[],{usage}}}");
        let head = format!(
            "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n",
            body.len()
        );
        reader.get_mut().write_all(format!("{head}{body}").as_bytes()).ok()?;
    }
}
