//! A gateway that is killed a hundred times under load: what it told anybody stands, and nothing is done twice.

mod books;
mod upstream;

use std::fs;
use std::io::{BufReader, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use crate::answer::{Answer, read};
use crate::call::folder;
use books::Books;

/// How often it is killed.
const KILLS: u64 = 100;

/// How many callers ask at once.
const CALLERS: usize = 6;

/// The binary, until it is killed.
struct Gateway(Child);

impl Gateway {
    fn start(folder: &Path, address: SocketAddr) -> Self {
        let child = Command::new(env!("CARGO_BIN_EXE_aplomb"))
            .args(["serve", "--config", "kill.toml"])
            .current_dir(folder)
            .env_clear()
            .env("APLOMB_STATE", folder.join("state"))
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(fs::File::create(folder.join("aplomb.log")).unwrap())
            .spawn()
            .unwrap();
        let gateway = Self(child);
        let began = Instant::now();
        while TcpStream::connect(address).is_err() {
            let log = || fs::read_to_string(folder.join("aplomb.log")).unwrap_or_default();
            assert!(began.elapsed() < Duration::from_secs(30), "it does not listen: {}", log());
            thread::park_timeout(Duration::from_millis(2));
        }
        gateway
    }
}

impl Drop for Gateway {
    fn drop(&mut self) {
        // SIGKILL: nothing of it has time for anything.
        let _ended_already = self.0.kill();
        let _status = self.0.wait();
    }
}

/// One caller's connection.
struct Caller(BufReader<TcpStream>);

impl Caller {
    fn connect(address: SocketAddr) -> Option<Self> {
        let stream = TcpStream::connect(address).ok()?;
        stream.set_nodelay(true).ok()?;
        stream.set_read_timeout(Some(Duration::from_secs(30))).ok()?;
        Some(Self(BufReader::new(stream)))
    }

    /// The whole answer, if the gateway lived long enough to give it.
    fn ask(&mut self, key: &str) -> Option<Answer> {
        let body = format!("{{\"model\":\"m\",\"key\":\"{key}\"}}");
        let head = format!(
            "POST /v1/chat/completions HTTP/1.1\r\nhost: localhost\r\nauthorization: Bearer sk-a\r\n\
             idempotency-key: {key}\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n{body}",
            body.len()
        );
        self.0.get_mut().write_all(head.as_bytes()).ok()?;
        read(&mut self.0).ok()
    }
}

/// What callers were told under each key before the gateway was killed; nothing if they never heard.
type Told = Vec<(String, Option<Vec<u8>>)>;

/// Asks one new question after the other until the gateway is gone.
fn ask_on(address: SocketAddr, name: &str, gone: &AtomicBool) -> Told {
    let mut told = Vec::new();
    let Some(mut caller) = Caller::connect(address) else { return told };
    for n in 0.. {
        let key = format!("{name}-{n}");
        let answer = caller.ask(&key);
        if let Some(answer) = &answer {
            assert_eq!(answer.status, 200, "{}", String::from_utf8_lossy(&answer.body));
        }
        let ended = answer.is_none();
        told.push((key, answer.map(|answer| answer.body)));
        if ended || gone.load(Ordering::Relaxed) {
            break;
        }
    }
    told
}

/// Load until a moment that nobody can foresee, and then the end.
fn kill_under_load(gateway: Gateway, address: SocketAddr, round: u64) -> Told {
    let gone = AtomicBool::new(false);
    thread::scope(|scope| {
        let gone = &gone;
        let callers: Vec<_> = (0..CALLERS)
            .map(|caller| scope.spawn(move || ask_on(address, &format!("{round}-{caller}"), gone)))
            .collect();
        // From the first request's claim to long after it: uneven steps, so that no two rounds end alike.
        thread::park_timeout(Duration::from_micros(300 + (round * 79_193) % 250_000));
        drop(gateway);
        gone.store(true, Ordering::Relaxed);
        callers.into_iter().flat_map(|caller| caller.join().unwrap()).collect()
    })
}

fn replayed(answer: &Answer) -> bool {
    answer.head.contains("idempotent-replayed: true")
}

/// Asks again for everything that was asked before the end.
fn ask_again(address: SocketAddr, ledger: &upstream::Ledger, told: &Told) {
    let mut caller = Caller::connect(address).unwrap();
    for (key, before) in told {
        let again = caller.ask(key).unwrap_or_else(|| panic!("{key}: no answer"));
        let text = String::from_utf8_lossy(&again.body).into_owned();
        match before {
            Some(body) => {
                assert!(again.status == 200 && replayed(&again), "{key} was answered: {}{text}", again.head);
                assert_eq!(again.body, *body, "{key} has another answer now");
            }
            None if again.status == 200 => {}
            None => {
                assert!(again.head.contains("aplomb-outcome: unknown"), "{key}: {}{text}", again.head);
            }
        }
        assert!(ledger.effects(key) <= 1, "{key} was carried out {} times", ledger.effects(key));
    }
}

fn free() -> SocketAddr {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap()
}

fn configure(folder: &Path, upstream: SocketAddr) -> (SocketAddr, PathBuf) {
    let (address, admin) = (free(), free());
    let file = format!(
        "[server]\nlisten = \"{address}\"\nadmin = \"{admin}\"\nworkers = 2\n[log]\nlevel = \"warn\"\n\
         [store]\nurl = \"sqlite:store.db\"\n\
         [[upstream]]\nname = \"u\"\nurl = \"http://{upstream}\"\ndialect = \"openai\"\n\
         [[route]]\npath = \"/\"\nupstream = \"u\"\n"
    );
    fs::write(folder.join("kill.toml"), file).unwrap();
    (address, folder.join("store.db"))
}

#[test]
fn what_was_answered_before_a_kill_is_answered_so_after_it_and_nothing_is_done_twice() {
    let folder = folder("kill");
    let (upstream, ledger) = upstream::start();
    let (address, store) = configure(&folder, upstream);
    let (mut answered, mut open) = (0, 0);
    for round in 0..KILLS {
        let told = kill_under_load(Gateway::start(&folder, address), address, round);
        answered += told.iter().filter(|(_, body)| body.is_some()).count();
        open += told.iter().filter(|(_, body)| body.is_none()).count();
        let after = Gateway::start(&folder, address);
        ask_again(address, &ledger, &told);
        drop(after);
    }
    // Once more, so that the last kill's remains are seen to.
    drop(Gateway::start(&folder, address));
    let books = Books::read(&store);
    assert!(books.is_sound, "the database is not sound");
    assert_eq!(books.running, 0, "every request has an end");
    println!("{KILLS} kills: {answered} answers, {open} requests cut off; {books:?}");
    assert!(answered > 100 && open > 100, "too little happened: {answered} answers, {open} cut off");
    assert!(ledger.all().iter().all(|(_, effects)| *effects == 1));
}
